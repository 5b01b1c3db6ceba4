//! Envoy's external authorization over gRPC (`envoy.service.auth.v3.Authorization/Check`), on a listener of its own for the
//! operator's proxies alone. The decision is forward-auth's; what is here is how Envoy asks and is answered.
//!
//! Envoy says in the metadata of each call what it cannot know itself (`initial_metadata` of its configuration): the
//! product in `keymint-product`, and `keymint-body: whole` where it hands bodies over (`with_request_body`).

mod message;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use keymint_app::App;
use keymint_app::asked::{Seen, decide, route_at};
use keymint_app::products::Product;
use keymint_app::verify::{Decision, Denied};
use keymint_domain::dialect::credential_headers::CREDENTIAL_HEADERS;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::verify::Candidate;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use self::message::{CheckRequest, CheckResponse, HttpRequest};
use crate::forward_auth::{self, identity, is_forged, is_the_proxys};
use crate::reply;

/// The only call there is.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Largest call: a body of the largest kind, and its head. Bytes.
const CALL_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Calls under way on one connection.
const CALLS_MAX: usize = 1024;

/// The running listener.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Running {
    /// Waits for its end, after `stop` was told.
    pub async fn join(self) {
        let _ = self.task.await;
    }
}

/// Starts the listener.
///
/// # Errors
/// When the address cannot be bound.
pub fn start(app: App, address: SocketAddr, mut stop: watch::Receiver<bool>) -> std::io::Result<Running> {
    let incoming = TcpIncoming::bind(address)?.with_nodelay(Some(true));
    let address = incoming.local_addr()?;
    let task = tokio::spawn(async move {
        let told = async move { drop(stop.changed().await) };
        let server = Server::builder().concurrency_limit_per_connection(CALLS_MAX);
        if let Err(error) = server.clone().serve_with_incoming_shutdown(Calls(app), incoming, told).await {
            tracing::error!(%error, "the listener for ext_authz ended");
        }
    });
    Ok(Running { address, task })
}

/// The service, as the server sees it.
#[derive(Clone)]
struct Calls(App);

impl tower::Service<http::Request<Body>> for Calls {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let app = self.0.clone();
        Box::pin(async move {
            if request.uri().path() != CHECK {
                return Ok(Status::unimplemented("there is only Check").into_http());
            }
            let mut grpc = Grpc::new(ProstCodec::default()).max_decoding_message_size(CALL_BYTES_MAX);
            Ok(grpc.unary(Check(app), request).await)
        })
    }
}

struct Check(App);

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Response<CheckResponse>, Status>> + Send>>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let app = self.0.clone();
        Box::pin(async move { check(&app, request).await.map(Response::new) })
    }
}

async fn check(app: &App, request: Request<CheckRequest>) -> Result<CheckResponse, Status> {
    let peer = request.remote_addr().map(|address| address.ip());
    let (metadata, _, call) = request.into_parts();
    let Some(product) = only(&metadata, "keymint-product").and_then(|name| app.products.find(name)) else {
        return Err(Status::invalid_argument("keymint-product: there is no product of that name"));
    };
    let attributes = call.attributes.unwrap_or_default();
    let Some(http) = attributes.request.and_then(|request| request.http) else {
        return Err(Status::invalid_argument("attributes.request.http is missing"));
    };
    let named = attributes.source.and_then(message::Peer::ip);
    let Some(client_ip) = named.or(peer) else { return Err(Status::invalid_argument("attributes.source is missing")) };
    let hands_over = only(&metadata, "keymint-body") == Some("whole");
    let decision = decide_about(app, product, &http, (client_ip, hands_over)).await;
    Ok(match decision {
        Decision::Allow(allowed) => allowance(product, &allowed.candidate),
        Decision::Deny(denied) => denial(product, &denied),
    })
}

async fn decide_about(
    app: &App,
    product: &Product,
    http: &HttpRequest,
    (client_ip, hands_over): (IpAddr, bool),
) -> Decision {
    let given = http.fields();
    if given.iter().any(|(name, _)| is_forged(name)) {
        return Decision::Deny(Denied::early(DenyReason::AmbiguousRequest));
    }
    let mut headers: Vec<Header<'_>> = given
        .iter()
        .filter(|(name, _)| !name.starts_with(':') && !is_the_proxys(name))
        .map(|(name, value)| Header { name, value: value.trim_ascii() })
        .collect();
    // HTTP/2 has the host in a field of its own, which is none of the fields.
    if !headers.iter().any(|header| header.name == "host") {
        headers.push(Header { name: "host", value: http.host.as_bytes() });
    }
    let is_part = headers.iter().any(|header| header.name == forward_auth::PARTIAL && header.value != b"false");
    let body = http.whole_body();
    let view = RequestView {
        method: &http.method,
        scheme: if http.scheme == "https" { "https" } else { "http" },
        authority: &http.host,
        target: &http.path,
        route_at: route_at(product, &http.path),
        headers: &headers,
        body: if hands_over { body } else { &[] },
        client_ip,
    };
    let seen = if hands_over && !is_part { Seen::Whole } else { Seen::Nothing };
    let arrived = app.arrive(product, &view).map(drop);
    decide(app, product, &view, (seen, arrived)).await
}

/// The value of a metadata entry that stands once.
fn only<'m>(metadata: &'m MetadataMap, name: &str) -> Option<&'m str> {
    let mut values = metadata.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
}

/// Yes, with who it is, and without what proved it.
fn allowance(product: &Product, candidate: &Candidate) -> CheckResponse {
    let own = product.dialect.extra_credential_headers.iter().map(|name| &**name);
    let removed = CREDENTIAL_HEADERS.into_iter().chain(own).map(str::to_owned).collect();
    CheckResponse::allow(identity(candidate), removed)
}

/// No, in the dialect's own words.
fn denial(product: &Product, denied: &Denied) -> CheckResponse {
    let answer = product.dialect.answer(denied.reason, denied.scheme);
    let fixed =
        [("content-type", product.dialect.answers.content_type.to_string()), ("cache-control", "no-store".into())];
    let told = denied.rate.into_iter().flat_map(|rate| reply::rate_headers(product, rate, Some(denied.reason)));
    let told = told.map(|(name, value)| (name.as_str(), value.into_owned()));
    CheckResponse::deny(answer.status, fixed.into_iter().chain(told), &answer.body)
}
