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
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::Incoming;
use keymint_app::App;
use keymint_app::products::Product;
use keymint_app::verify::{Decision, Denied, Way};
use keymint_domain::dialect::answer::quote;
use keymint_domain::identity;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::verify::Candidate;
use serde::Deserialize;

use crate::arrival::{Proxies, UrlScheme};
use crate::body::{self, BodyFault, BodyLimits};
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
    proxies: Proxies,
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

impl Internal {
    /// The service over an app, behind these proxies.
    pub fn new(app: App, proxies: Proxies) -> Self {
        Self { app, proxies }
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
            scheme: call.scheme.as_str(),
            authority: host.and_then(|host| std::str::from_utf8(host.value).ok()).unwrap_or_default(),
            target: &call.target,
            route_at: route_at(product, &call.target),
            headers: &headers,
            body: &body,
            client_ip: call.client_ip,
        };
        let arrived = self.app.arrive(product, &view).map(|_| ());
        let decision = self.decide(product, &view, arrived).await;
        reply::json(200, decision_body(product, &decision))
    }

    async fn decide(&self, product: &Product, view: &RequestView<'_>, arrived: Result<(), Denied>) -> Decision {
        let decision = match self.app.check_head(product, view).and(arrived) {
            Ok(()) => {
                let host_mode = self.app.products.find_host(view.authority).map(|(_, mode)| *mode);
                // Who may have listened on the way to the operator's own proxy or service, that one knows and we do not.
                self.app.verify(product, view, Way { host_mode, ..Way::default() }).await
            }
            Err(denied) => Decision::Deny(denied),
        };
        let reason = match &decision {
            Decision::Allow(_) => None,
            Decision::Deny(denied) => Some(denied.reason),
        };
        self.app.metrics.decided(&product.name, reason);
        decision
    }

    /// Decides about the request that a proxy asks for: its method and target in `X-Forwarded-Method` and
    /// `X-Forwarded-Uri` (or `X-Original-*`), its headers as they came. A signed scheme needs the body, which such a
    /// sub-request does not carry: it is refused, not waved through. Who the client is and how it came, only a proxy says
    /// that is trusted; else the proxy itself is the client, over http.
    async fn forward_auth(&self, name: &str, parts: &http::request::Parts, peer: &Peer) -> Response {
        let Some(product) = self.app.products.find(name) else {
            return problem(404, "There is no product of that name.");
        };
        let Some((method, target)) = asked_about(&parts.headers) else {
            return denied(product, DenyReason::AmbiguousRequest);
        };
        let Ok(arrival) = self.proxies.arrival(peer.arrival, &parts.headers) else {
            return denied(product, DenyReason::AmbiguousRequest);
        };
        let headers: Vec<Header<'_>> = parts
            .headers
            .iter()
            .filter(|(name, _)| !name.as_str().starts_with("x-forwarded-") && !name.as_str().starts_with("x-original-"))
            .map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() })
            .collect();
        let view = RequestView {
            method,
            scheme: arrival.scheme.as_str(),
            authority: parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default(),
            target,
            route_at: route_at(product, target),
            headers: &headers,
            body: &[],
            client_ip: arrival.address,
        };
        // The address is the proxy's: counting it would count everybody together.
        match self.decide(product, &view, Ok(())).await {
            Decision::Allow(allowed) => identified(&allowed.candidate),
            Decision::Deny(Denied { reason, scheme, rate, .. }) => {
                let mut response = reply::denial(product, reason, scheme);
                if let Some(rate) = rate {
                    reply::tell_rate(&mut response, product, rate, Some(reason));
                }
                response
            }
        }
    }

    async fn ready(&self) -> Response {
        let can_read = self.app.db.read().await.is_ok();
        if self.app.is_serving() && can_read {
            return reply::json(200, r#"{"status":"ready"}"#);
        }
        reply::json(503, r#"{"status":"not_ready"}"#)
    }
}

/// Method and target that a proxy asks about. A proxy sets one pair of names and passes on what a client says under the
/// other (T89): where there is anything of both, one twice, or half of one, nobody knows whose word it is.
fn asked_about(headers: &HeaderMap) -> Option<(&str, &str)> {
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    let has = |pair: [&str; 2]| pair.into_iter().any(|name| headers.contains_key(name));
    let (forwarded, original) = (["x-forwarded-method", "x-forwarded-uri"], ["x-original-method", "x-original-uri"]);
    let [method, target] = match (has(forwarded), has(original)) {
        (true, false) => forwarded,
        (false, true) => original,
        _ => return None,
    };
    Some((only(method)?, only(target)?))
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
            (_, path) => match path.strip_prefix("/v1/forward-auth/") {
                Some(name) => self.forward_auth(name, &parts, peer).await,
                None => problem(404, "There is nothing at this path."),
            },
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

/// The product's own path begins behind `/{product}` where the target has it; otherwise the operator's service has
/// taken it away, or the product has a host of its own.
fn route_at(product: &Product, target: &str) -> usize {
    let behind = target.strip_prefix('/').and_then(|rest| rest.strip_prefix(&*product.name));
    match behind {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => product.name.len() + 1,
        _ => 0,
    }
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

fn problem(status: u16, detail: &str) -> Response {
    let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let body = format!(r#"{{"title":{},"status":{status},"detail":{}}}"#, quote(title), quote(detail));
    reply::whole(status, "application/problem+json", body)
}

fn denied(product: &Product, reason: DenyReason) -> Response {
    reply::denial(product, reason, None)
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

fn scopes(candidate: &Candidate) -> impl Iterator<Item = &str> {
    candidate.restrictions.iter().flat_map(|restrictions| &restrictions.scopes).map(|scope| &**scope)
}

/// 200 with who it is, every header always set (T87). Envoy takes only 200 for yes.
fn identified(candidate: &Candidate) -> Response {
    let mut response = reply::empty(StatusCode::OK);
    let scopes = scopes(candidate).collect::<Vec<_>>().join(" ");
    for (name, value) in [
        ("x-keymint-merchant", candidate.merchant_id.to_string()),
        ("x-keymint-app", candidate.app_id.to_string()),
        ("x-keymint-key", candidate.key_id.to_string()),
        ("x-keymint-mode", candidate.mode.as_str().to_owned()),
        ("x-keymint-scopes", scopes),
    ] {
        set(response.headers_mut(), name, &value);
    }
    response
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("")));
}
