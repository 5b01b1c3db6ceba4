//! The internal listener, for the operator's own services: verify API, forward-auth, the keys of identity tokens, health,
//! readiness, metrics. It has no
//! authentication of its own; its network is its wall.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, StatusCode};
use hyper::body::Incoming;
use keymint_app::App;
use keymint_app::products::Product;
use keymint_app::verify::Decision;
use keymint_domain::dialect::answer::quote;
use keymint_domain::identity;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::verify::Candidate;
use serde::Deserialize;

use crate::body::{self, BodyFault, BodyLimits};
use crate::forward_auth::{self, Asking, decide, route_at, scopes};
use crate::listener::{Peer, Service};
use crate::reply::{self, Response};

/// Largest verify call: a body of the largest kind as base 64, and its headers. Bytes.
const CALL_BYTES_MAX: usize = 24 * 1024 * 1024;
/// How long a verify call may take to arrive.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Most headers of a request to be verified.
const HEADERS_MAX: usize = 128;

/// The internal listener's service.
pub struct Internal {
    app: App,
    client_ip_header: Option<HeaderName>,
}

/// A request to be verified, as an operator's service received it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyCall<'a> {
    #[serde(borrow)]
    product: Cow<'a, str>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    headers: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow, default)]
    body_base64: Cow<'a, str>,
    client_ip: IpAddr,
    /// How the client reached the service: message signatures may cover it.
    #[serde(default)]
    scheme: UrlScheme,
}

/// A text that is borrowed where it stands without escapes; inside a list, serde borrows only for a type of its own.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// `http` or `https`.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum UrlScheme {
    #[default]
    Http,
    Https,
}

impl Internal {
    /// The service over an app. `client_ip_header` is where the proxies that ask name their client, if that is believed.
    pub fn new(app: App, client_ip_header: Option<HeaderName>) -> Self {
        Self { app, client_ip_header }
    }

    async fn verify(&self, body: Incoming, peer: &Peer) -> Response {
        let bytes = match whole_body(body, peer).await {
            Ok(bytes) => bytes,
            Err(status) => return problem(status, "The call is too large or did not arrive in time."),
        };
        // Looked at as a whole, and not once more for each string in it.
        let Ok(text) = std::str::from_utf8(&bytes) else { return problem(400, "The call is not UTF-8.") };
        let mut call: VerifyCall<'_> = match serde_json::from_str(text) {
            Ok(call) => call,
            Err(error) => return problem(400, &shape_error(&error)),
        };
        let Some(product) = self.app.products.find(&call.product) else {
            return problem(404, "There is no product of that name.");
        };
        if call.headers.len() > HEADERS_MAX {
            return problem(400, "headers: at most 128");
        }
        let Ok(body) = data_encoding::BASE64.decode(call.body_base64.as_bytes()) else {
            return problem(400, "body_base64: must be padded base 64 (RFC 4648 section 4)");
        };
        for (name, _) in
            call.headers.iter_mut().filter(|(name, _)| name.0.bytes().any(|byte| byte.is_ascii_uppercase()))
        {
            name.0.to_mut().make_ascii_lowercase();
        }
        let headers: Vec<Header<'_>> = call
            .headers
            .iter()
            .map(|(name, value)| Header { name: &name.0, value: value.0.trim_matches([' ', '\t']).as_bytes() })
            .collect();
        let host = headers.iter().find(|header| header.name == "host");
        let view = RequestView {
            method: &call.method,
            scheme: match call.scheme {
                UrlScheme::Http => "http",
                UrlScheme::Https => "https",
            },
            authority: host.and_then(|host| std::str::from_utf8(host.value).ok()).unwrap_or_default(),
            target: &call.target,
            route_at: route_at(product, &call.target),
            headers: &headers,
            body: &body,
            client_ip: call.client_ip,
        };
        let arrived = self.app.arrive(product, &view).map(|_| ());
        let decision = decide(&self.app, product, &view, arrived).await;
        reply::json(200, decision_body(product, &decision))
    }

    async fn ready(&self) -> Response {
        let can_read = self.app.db.read().await.is_ok();
        if self.app.is_serving() && can_read {
            return reply::json(200, r#"{"status":"ready"}"#);
        }
        reply::json(503, r#"{"status":"not_ready"}"#)
    }
}

impl Service for Internal {
    async fn answer(&self, request: hyper::Request<Incoming>, peer: &Rc<Peer>) -> Response {
        let (parts, body) = request.into_parts();
        if peer.fault.load(std::sync::atomic::Ordering::Relaxed) {
            return reply::closing(problem(400, "The request can be read in more than one way and was refused."));
        }
        match (parts.method.as_str(), parts.uri.path()) {
            ("POST", "/v1/verify") => self.verify(body, peer).await,
            ("GET", "/healthz") => reply::json(200, r#"{"status":"alive"}"#),
            ("GET", "/readyz") => self.ready().await,
            ("GET", "/metrics") => {
                reply::whole(200, "application/openmetrics-text; version=1.0.0", self.app.metrics.text())
            }
            ("GET", "/.well-known/jwks.json") => key_set(&self.app),
            (_, "/v1/verify" | "/healthz" | "/readyz" | "/metrics" | "/.well-known/jwks.json") => {
                problem(405, "This method is not allowed here.")
            }
            (_, path) if path.starts_with(forward_auth::PATH) => {
                let asking = Asking { app: &self.app, client_ip_header: self.client_ip_header.as_ref(), peer };
                asking.answer(&parts, body).await
            }
            _ => problem(404, "There is nothing at this path."),
        }
    }
}

/// The keys by which upstreams check identity tokens. They change with the ring, so whoever keeps them asks again now and
/// then, and when a token names one that is not among them.
fn key_set(app: &App) -> Response {
    let mut response = reply::json(200, identity::key_set(&app.keyring));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

async fn whole_body(body: Incoming, peer: &Peer) -> Result<Bytes, u16> {
    let limits = BodyLimits { bytes_max: CALL_BYTES_MAX, duration: CALL_DEADLINE };
    body::whole(body, limits, &peer.deadlines).await.map_err(|fault| match fault {
        BodyFault::TooLarge | BodyFault::Broken => 413,
        BodyFault::TooSlow => 408,
    })
}

/// What is wrong with the JSON, without quoting it: it may hold credentials.
fn shape_error(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a member is missing, unknown, or of another type",
        _ => "not JSON",
    };
    format!("line {}, column {}: {kind}", error.line(), error.column())
}

/// A problem (RFC 9457) of the caller, who is a service of the operator's.
pub fn problem(status: u16, detail: &str) -> Response {
    let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let body = format!(r#"{{"title":{},"status":{status},"detail":{}}}"#, quote(title), quote(detail));
    reply::whole(status, "application/problem+json", body)
}

fn decision_body(product: &Product, decision: &Decision) -> String {
    match decision {
        Decision::Allow(allowed) => allowed_body(&allowed.candidate),
        Decision::Deny(denied) => {
            let answer = product.dialect.answer(denied.reason, denied.scheme);
            let told = denied.rate.into_iter().flat_map(|rate| reply::rate_headers(product, rate, Some(denied.reason)));
            let told: String = told.map(|(name, value)| format!(r#",["{name}",{}]"#, quote(&value))).collect();
            format!(
                r#"{{"decision":"deny","reason":"{}","response":{{"status":{},"headers":[["content-type",{}],["cache-control","no-store"]{told}],"body":{}}}}}"#,
                denied.reason.as_str(),
                answer.status,
                quote(&product.dialect.answers.content_type),
                quote(&answer.body),
            )
        }
    }
}

fn allowed_body(candidate: &Candidate) -> String {
    let mut body = String::with_capacity(256);
    body.push_str(r#"{"decision":"allow","credential":{"key_id":"#);
    push_quoted(&mut body, &candidate.key_id);
    // Writing to a `String` never fails.
    let Candidate { mode, merchant_id, app_id, .. } = candidate;
    let _ = write!(body, r#","mode":"{}","merchant_id":"{merchant_id}","app_id":"{app_id}","scopes":["#, mode.as_str());
    for (index, scope) in scopes(candidate).enumerate() {
        if index > 0 {
            body.push(',');
        }
        push_quoted(&mut body, scope);
    }
    body.push_str("]}}");
    body
}

/// A JSON string. Key ids and scopes hold nothing that is escaped; whatever does goes the long way.
fn push_quoted(body: &mut String, text: &str) {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':'));
    if is_plain {
        body.push('"');
        body.push_str(text);
        body.push('"');
    } else {
        body.push_str(&quote(text));
    }
}
