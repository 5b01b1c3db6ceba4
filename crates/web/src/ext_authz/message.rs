//! The messages of `envoy.service.auth.v3`, as far as Keymint reads and writes them: Envoy's protos, by field number. A field
//! that is not here is skipped, as protobuf has it. Written down by hand: the whole of Envoy's API takes longer to compile
//! than everything else here (docs/decisions/ext-authz.md).

use std::collections::HashMap;
use std::net::IpAddr;

use prost::{Message, Oneof};

/// gRPC's code for a denial (google.rpc.Code).
const PERMISSION_DENIED: i32 = 7;

/// `CheckRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct CheckRequest {
    /// About what.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<AttributeContext>,
}

/// `AttributeContext`.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeContext {
    /// The client.
    #[prost(message, optional, tag = "1")]
    pub source: Option<Peer>,
    /// The request.
    #[prost(message, optional, tag = "4")]
    pub request: Option<AttributeRequest>,
}

/// `AttributeContext.Peer`.
#[derive(Clone, PartialEq, Message)]
pub struct Peer {
    /// Its address.
    #[prost(message, optional, tag = "1")]
    pub address: Option<Address>,
}

/// `config.core.v3.Address`.
#[derive(Clone, PartialEq, Message)]
pub struct Address {
    /// Where it is one of a network, and not a pipe.
    #[prost(message, optional, tag = "1")]
    pub socket_address: Option<SocketAddress>,
}

/// `config.core.v3.SocketAddress`.
#[derive(Clone, PartialEq, Message)]
pub struct SocketAddress {
    /// The address as text.
    #[prost(string, tag = "2")]
    pub address: String,
}

/// `AttributeContext.Request`.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeRequest {
    /// The request.
    #[prost(message, optional, tag = "2")]
    pub http: Option<HttpRequest>,
}

/// `AttributeContext.HttpRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpRequest {
    /// The method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The fields, those of one name joined by commas. Not with `encode_raw_headers`.
    #[prost(map = "string, string", tag = "3")]
    pub headers: HashMap<String, String>,
    /// Path and query as the client sent them.
    #[prost(string, tag = "4")]
    pub path: String,
    /// `Host` or `:authority`.
    #[prost(string, tag = "5")]
    pub host: String,
    /// `http` or `https`.
    #[prost(string, tag = "6")]
    pub scheme: String,
    /// The body, without `pack_as_bytes`.
    #[prost(string, tag = "11")]
    pub body: String,
    /// The body, with `pack_as_bytes`.
    #[prost(bytes = "vec", tag = "12")]
    pub raw_body: Vec<u8>,
    /// The fields one by one, with `encode_raw_headers`.
    #[prost(message, optional, tag = "13")]
    pub header_map: Option<HeaderMap>,
}

/// `config.core.v3.HeaderMap`.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMap {
    /// The fields in their order.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// `config.core.v3.HeaderValue`.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValue {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value, if it is text.
    #[prost(string, tag = "2")]
    pub value: String,
    /// The value, if it is bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub raw_value: Vec<u8>,
}

/// `config.core.v3.HeaderValueOption`.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValueOption {
    /// The field.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// Whether it is put beside one of its name: never, it takes its place.
    #[prost(message, optional, tag = "2")]
    pub append: Option<bool>,
    /// Whether one without a value is kept: always.
    #[prost(bool, tag = "4")]
    pub keep_empty_value: bool,
}

/// `CheckResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct CheckResponse {
    /// Yes or no.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RpcStatus>,
    /// What goes where.
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    pub http_response: Option<HttpResponse>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct RpcStatus {
    /// 0 is yes.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// `CheckResponse.http_response`.
#[derive(Clone, PartialEq, Oneof)]
pub enum HttpResponse {
    /// To the client.
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    /// To the upstream.
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

/// `DeniedHttpResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct DeniedHttpResponse {
    /// The status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// The fields.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// The body.
    #[prost(string, tag = "3")]
    pub body: String,
}

/// `type.v3.HttpStatus`.
#[derive(Clone, PartialEq, Message)]
pub struct HttpStatus {
    /// The code.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// `OkHttpResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct OkHttpResponse {
    /// Fields that take the place of the client's.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Fields of the client's that do not go on.
    #[prost(string, repeated, tag = "5")]
    pub headers_to_remove: Vec<String>,
}

impl Peer {
    /// Its address, if it has one in a network.
    pub fn ip(self) -> Option<IpAddr> {
        self.address?.socket_address?.address.parse().ok()
    }
}

impl HttpRequest {
    /// Names, in small letters, and values.
    pub fn fields(&self) -> Vec<(&str, &[u8])> {
        match &self.header_map {
            Some(map) => map.headers.iter().map(HeaderValue::pair).collect(),
            None => self.headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect(),
        }
    }

    /// The body.
    pub fn whole_body(&self) -> &[u8] {
        if self.raw_body.is_empty() { self.body.as_bytes() } else { &self.raw_body }
    }
}

impl HeaderValue {
    fn pair(&self) -> (&str, &[u8]) {
        (&self.key, if self.raw_value.is_empty() { self.value.as_bytes() } else { &self.raw_value })
    }
}

impl CheckResponse {
    /// Yes, with fields that are set and fields that are removed.
    pub fn allow(headers: impl IntoIterator<Item = (&'static str, String)>, headers_to_remove: Vec<String>) -> Self {
        let headers = headers.into_iter().map(in_place).collect();
        let ok = OkHttpResponse { headers, headers_to_remove };
        Self { status: Some(RpcStatus { code: 0 }), http_response: Some(HttpResponse::Ok(ok)) }
    }

    /// No, with what the client reads.
    pub fn deny(status: u16, headers: impl Iterator<Item = (&'static str, String)>, body: &str) -> Self {
        let status = Some(HttpStatus { code: status.into() });
        let denied = DeniedHttpResponse { status, headers: headers.map(in_place).collect(), body: body.to_owned() };
        let http_response = Some(HttpResponse::Denied(denied));
        Self { status: Some(RpcStatus { code: PERMISSION_DENIED }), http_response }
    }
}

fn in_place((name, value): (&'static str, String)) -> HeaderValueOption {
    let header = HeaderValue { key: name.to_owned(), value, raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), append: Some(false), keep_empty_value: true }
}
