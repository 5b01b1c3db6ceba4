//! Forward-auth: a proxy of the operator's asks whether a request may pass, over HTTP here and over gRPC in
//! `ext_authz.rs`. The decision is the one of the gateway and the verify API; what is here is how the question arrives.
//!
//! The request that is asked about is named in one of two ways, never in both. nginx, Apache, HAProxy, Caddy and Traefik
//! ask at `/v1/forward-auth/{product}` and name method and target in `X-Forwarded-Method` and `X-Forwarded-Uri` (or
//! `X-Original-*`). Envoy sends the request as it is with that path in front of its own.
//!
//! What the proxy says of the body stands in `X-Keymint-Body`: `whole` when the question carries all of it, `none` when
//! the client sent none. Without a word of it nobody here knows what the body is, so a proof that covers the body proves
//! nothing: it is refused, not waved through.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::body::Incoming;
use keymint_app::App;
use keymint_app::asked::{Seen, decide, route_at};
use keymint_app::products::Product;
use keymint_app::verify::{Decision, Denied};
use keymint_domain::reason::DenyReason;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::verify::Candidate;

use crate::arrival::Proxies;
use crate::gateway;
use crate::internal::problem;
use crate::listener::Peer;
use crate::reply::{self, Response};

/// Where proxies ask.
pub const PATH: &str = "/v1/forward-auth/";
/// Where nginx goes on with an allowed request, when it asks for `X-Keymint-Answer: redirect`.
const ALLOWED_AT: &str = "@keymint_allowed";
/// Where Envoy says whether it cut a body off.
pub const PARTIAL: &str = "x-envoy-auth-partial-body";

/// Who asks, and over what.
pub struct Asking<'a> {
    /// The app.
    pub app: &'a App,
    /// The proxies that are believed about who their client is, in the usual fields.
    pub proxies: &'a Proxies,
    /// Where the proxy names its client, if the operator says that it does.
    pub client_ip_header: Option<&'a HeaderName>,
    /// The proxy.
    pub peer: &'a Peer,
}

impl Asking<'_> {
    /// Answers one question.
    pub async fn answer(&self, parts: &http::request::Parts, body: Incoming) -> Response {
        let path = parts.uri.path().strip_prefix(PATH).unwrap_or_default();
        let name = path.split('/').next().unwrap_or_default();
        let Some(product) = self.app.products.find(name) else {
            return problem(404, "There is no product of that name.");
        };
        let is_forged = parts.headers.keys().any(|name| is_forged(name.as_str()));
        let Some((method, target)) = asked_about(parts, name).filter(|_| !is_forged) else {
            return reply::denial(product, DenyReason::AmbiguousRequest, None);
        };
        let Ok(arrival) = self.proxies.arrival(self.peer.arrival, &parts.headers) else {
            return reply::denial(product, DenyReason::AmbiguousRequest, None);
        };
        let handed_over = match self.hand_over(product, parts, body).await {
            Ok(bytes) => bytes,
            Err(reason) => return reply::denial(product, reason, None),
        };
        let headers: Vec<Header<'_>> = parts
            .headers
            .iter()
            .filter(|(name, _)| !is_the_proxys(name.as_str()))
            .map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() })
            .collect();
        let named_ip = self.client_ip(&parts.headers);
        let seen = if handed_over.is_some() { Seen::Whole } else { Seen::Nothing };
        let is_https = only(&parts.headers, "x-forwarded-proto") == Some("https");
        let view = RequestView {
            method,
            scheme: if is_https { "https" } else { "http" },
            authority: only(&parts.headers, "host").unwrap_or_default(),
            target,
            route_at: route_at(product, target),
            headers: &headers,
            body: handed_over.as_deref().unwrap_or_default(),
            client_ip: named_ip.unwrap_or(arrival.address),
        };
        let wished = only(&parts.headers, "x-keymint-answer");
        let arrived = match named_ip {
            Some(_) => self.app.arrive(product, &view).map(drop),
            None => Ok(()),
        };
        match decide(self.app, product, &view, (seen, arrived)).await {
            Decision::Allow(allowed) => {
                let mut response = identified(&allowed.candidate);
                if wished == Some("redirect") {
                    response.headers_mut().insert("x-accel-redirect", HeaderValue::from_static(ALLOWED_AT));
                }
                response
            }
            Decision::Deny(denied) if wished == Some("fields") => as_fields(product, &denied),
            Decision::Deny(denied) => denial(product, &denied),
        }
    }

    /// The body, if the proxy says that it is there or that there is none.
    async fn hand_over(
        &self,
        product: &Product,
        parts: &http::request::Parts,
        body: Incoming,
    ) -> Result<Option<Bytes>, DenyReason> {
        let is_part = parts.headers.get_all(PARTIAL).iter().any(|value| value != "false");
        let handed_over = match only(&parts.headers, "x-keymint-body").filter(|_| !is_part) {
            Some("whole") => {
                Some(gateway::read_body(&parts.headers, body, product.dialect.body_bytes_max, self.peer).await?)
            }
            Some("none") if hyper::body::Body::is_end_stream(&body) => Some(Bytes::new()),
            _ => None,
        };
        match self.peer.fault.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(DenyReason::AmbiguousRequest),
            false => Ok(handed_over),
        }
    }

    /// The client's address as the proxy names it, where a setting says that it does (T89: nothing is believed by default).
    fn client_ip(&self, headers: &HeaderMap) -> Option<IpAddr> {
        only(headers, self.client_ip_header?.as_str())?.trim().parse().ok()
    }
}

/// The value of a field that stands once and is plain text.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
}

/// Whether a field is between the proxy and us, and no part of what the client sent.
pub fn is_the_proxys(name: &str) -> bool {
    ["x-forwarded-", "x-original-", "x-keymint-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a field is in our name and from nobody but the client: a proxy sends only these three. In any spelling that some
/// reader folds into one of ours (T87, T88); no proxy can take all of them away, so they are refused here.
pub fn is_forged(name: &str) -> bool {
    let folded = name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' });
    let is_ours = folded.take(OURS.len()).eq(OURS.bytes());
    is_ours && !["x-keymint-client-ip", "x-keymint-body", "x-keymint-answer"].contains(&name)
}

/// How the names of our fields begin.
const OURS: &str = "x-keymint-";

/// Method and target that a proxy asks about. A proxy names them in one way and passes on what a client says in another
/// (T89): where there is anything of two, one twice, or half of one, nobody knows whose word it is.
fn asked_about<'p>(parts: &'p http::request::Parts, product: &str) -> Option<(&'p str, &'p str)> {
    let headers = &parts.headers;
    let has = |pair: [&str; 2]| pair.into_iter().any(|name| headers.contains_key(name));
    let (forwarded, original) = (["x-forwarded-method", "x-forwarded-uri"], ["x-original-method", "x-original-uri"]);
    // Some proxies leave the query of the request behind the path of the question: it is looked at in the field alone.
    let own = parts.uri.path().get(PATH.len() + product.len()..)?;
    let [method, target] = match (own.is_empty(), has(forwarded), has(original)) {
        (false, false, false) => {
            return Some((
                parts.method.as_str(),
                parts.uri.path_and_query()?.as_str().get(PATH.len() + product.len()..)?,
            ));
        }
        (true, true, false) => forwarded,
        (true, false, true) => original,
        _ => return None,
    };
    Some((only(headers, method)?, only(headers, target)?))
}

/// The scopes of a credential.
pub fn scopes(candidate: &Candidate) -> impl Iterator<Item = &str> {
    candidate.restrictions.iter().flat_map(|restrictions| &restrictions.scopes).map(|scope| &**scope)
}

/// Who it is, every field always set (T87).
pub fn identity(candidate: &Candidate) -> [(&'static str, String); 5] {
    [
        ("x-keymint-merchant", candidate.merchant_id.to_string()),
        ("x-keymint-app", candidate.app_id.to_string()),
        ("x-keymint-key", candidate.key_id.to_string()),
        ("x-keymint-mode", candidate.mode.as_str().to_owned()),
        ("x-keymint-scopes", scopes(candidate).collect::<Vec<_>>().join(" ")),
    ]
}

/// 200 with who it is. Envoy takes only 200 for yes.
fn identified(candidate: &Candidate) -> Response {
    let mut response = reply::empty(StatusCode::OK);
    for (name, value) in identity(candidate) {
        let value = HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static(""));
        response.headers_mut().insert(name, value);
    }
    response
}

/// The dialect's answer to a denied caller, with where it stands with the rates.
pub fn denial(product: &Product, denied: &Denied) -> Response {
    let mut response = reply::denial(product, denied.reason, denied.scheme);
    reply::tell_rate(&mut response, product, denied.rate, Some(denied.reason));
    response
}

/// The same for nginx's `auth_request`, which knows 401 and 403 and throws bodies away: 403, and the answer that the
/// client is to get in fields. A body with a line break does not fit one; it is left out, and the status is right.
fn as_fields(product: &Product, denied: &Denied) -> Response {
    let mut response = denial(product, denied);
    let answer = product.dialect.answer(denied.reason, denied.scheme);
    let status = HeaderValue::from(response.status().as_u16());
    *response.status_mut() = StatusCode::FORBIDDEN;
    // A body that nginx does not read would cost it the connection.
    *response.body_mut() = reply::Body::default();
    response.headers_mut().remove(CONTENT_TYPE);
    let headers = response.headers_mut();
    headers.insert("x-keymint-answer-status", status);
    for (name, text) in
        [("x-keymint-answer-type", &*product.dialect.answers.content_type), ("x-keymint-answer-body", &*answer.body)]
    {
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            headers.insert(name, value);
        }
    }
    response
}
