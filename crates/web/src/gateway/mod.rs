//! The gateway: which product, whose request, then the sandbox behind test credentials. Live mode answers that no
//! upstream is configured.

pub mod wire;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::{Body, Incoming};
use keymint_app::App;
use keymint_app::clock::Stopwatch;
use keymint_app::products::Product;
use keymint_app::request_log::{Record, redact};
use keymint_app::verify::{Allowed, Decision, Denied};
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::id::RequestId;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use memchr::memchr2;

use crate::body::{self, BodyFault, BodyLimits};
use crate::listener::{Peer, Service};
use crate::reply::{self, Response};
use crate::sandbox::{self, Call};

/// How long a body may take to arrive (T71).
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// What a caller is told who names no product of ours.
const NO_PRODUCT: &str = r#"{"error":{"code":"not_found","message":"There is no product at this address."}}"#;
/// What a caller is told whose request cannot be read in one way, before a product is known.
const AMBIGUOUS: &str = r#"{"error":{"code":"ambiguous_request","message":"The request can be read in more than one way and was refused."}}"#;

/// The id under which support finds a request.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The gateway's service; one for each thread.
pub struct Gateway {
    app: App,
    numbers: Cell<u128>,
}

/// What was decided, for the log.
struct Outcome {
    response: Response,
    candidate: Option<Arc<Candidate>>,
    scheme: Option<SchemeName>,
    reason: Option<DenyReason>,
}

impl Outcome {
    fn denied(product: &Product, denied: Denied) -> Self {
        let response = reply::denial(product, denied.reason, denied.scheme);
        Self { response, candidate: denied.candidate, scheme: denied.scheme, reason: Some(denied.reason) }
    }

    fn refused(product: &Product, reason: DenyReason) -> Self {
        Self::denied(product, Denied { reason, scheme: None, candidate: None })
    }

    fn closing(self) -> Self {
        Self { response: reply::closing(self.response), ..self }
    }
}

/// Which product a request is for, and where its own path begins.
struct Addressed<'a> {
    product: &'a Arc<Product>,
    authority: &'a str,
    route_at: usize,
    host_mode: Option<Mode>,
}

impl Gateway {
    /// A gateway over an app.
    pub fn new(app: App) -> Self {
        let mut seed = [0_u8; 16];
        // Ids are names: if there is no randomness now, they repeat those of another thread at worst.
        let _ = app.entropy.fill(&mut seed);
        Self { app, numbers: Cell::new(u128::from_be_bytes(seed)) }
    }

    fn next_id(&self, now: UnixMs) -> RequestId {
        let number = self.numbers.get().wrapping_add(1);
        self.numbers.set(number);
        RequestId::numbered(now, number)
    }

    fn address<'a>(&'a self, authority: &'a str, target: &str) -> Option<Addressed<'a>> {
        if let Some((product, mode)) = self.app.products.find_host(authority) {
            return Some(Addressed { product, authority, route_at: 0, host_mode: Some(*mode) });
        }
        let behind = target.strip_prefix('/')?;
        let end = memchr2(b'/', b'?', behind.as_bytes()).unwrap_or(behind.len());
        let product = self.app.products.find(behind.get(..end)?)?;
        Some(Addressed { product, authority, route_at: end + 1, host_mode: None })
    }

    async fn decide(
        &self,
        addressed: &Addressed<'_>,
        parts: &http::request::Parts,
        body: Incoming,
        peer: &Peer,
    ) -> Outcome {
        let product = &**addressed.product;
        let headers = fields(&parts.headers);
        let mut view = RequestView {
            method: parts.method.as_str(),
            scheme: "http",
            authority: addressed.authority,
            target: target(parts),
            route_at: addressed.route_at,
            headers: &headers,
            body: &[],
            client_ip: peer.address,
        };
        if peer.fault.load(Ordering::Relaxed) {
            return Outcome::refused(product, DenyReason::AmbiguousRequest).closing();
        }
        if let Err(denied) = self.app.check_head(product, &view) {
            return Outcome::denied(product, denied).closing();
        }
        let bytes = match read_body(&parts.headers, body, product.dialect.body_bytes_max, peer).await {
            Ok(bytes) => bytes,
            Err(reason) => return Outcome::refused(product, reason).closing(),
        };
        if peer.fault.load(Ordering::Relaxed) {
            return Outcome::refused(product, DenyReason::AmbiguousRequest).closing();
        }
        view.body = &bytes;
        match self.app.verify(product, &view, addressed.host_mode).await {
            Decision::Deny(denied) => Outcome::denied(product, denied),
            Decision::Allow(allowed) => self.serve(product, &view, allowed).await,
        }
    }

    async fn serve(&self, product: &Product, view: &RequestView<'_>, allowed: Allowed) -> Outcome {
        let Allowed { candidate, scheme, exchange } = allowed;
        let scheme = Some(scheme);
        if let Some(answer) = exchange {
            let content_type = &product.dialect.answers.content_type;
            let body = Bytes::copy_from_slice(answer.body.expose().as_bytes());
            let response = reply::whole(answer.status, content_type, body);
            return Outcome { response, candidate: Some(candidate), scheme, reason: None };
        }
        if candidate.mode == Mode::Live {
            let reason = DenyReason::NoUpstream;
            let denied = Denied { reason, scheme: None, candidate: Some(candidate) };
            return Outcome { scheme, ..Outcome::denied(product, denied) };
        }
        match sandbox::answer(&Call { app: &self.app, product, candidate: &candidate, view }).await {
            Ok(response) => Outcome { response, candidate: Some(candidate), scheme, reason: None },
            Err(reason) => {
                let denied = Denied { reason, scheme: None, candidate: Some(candidate) };
                Outcome { scheme, ..Outcome::denied(product, denied) }
            }
        }
    }

    /// Counts and logs a decision.
    fn note(&self, addressed: &Addressed<'_>, parts: &http::request::Parts, noted: Noted) {
        self.app.metrics.decided(&addressed.product.name, noted.reason);
        tracing::debug!(
            request_id = %noted.request_id,
            product = &*addressed.product.name,
            outcome = noted.reason.map_or("allow", DenyReason::as_str),
            status = noted.status,
            "decided"
        );
        if !self.app.log.is_open() {
            return;
        }
        let path = target(parts).get(addressed.route_at..).unwrap_or_default();
        self.app.log.push(Record {
            at: noted.at,
            request_id: noted.request_id,
            product: Arc::clone(&addressed.product.name),
            candidate: noted.candidate,
            method: known_method(&parts.method),
            path: redact(path),
            status: noted.status,
            reason: noted.reason,
            scheme: noted.scheme,
            client_ip: noted.client_ip,
            duration_us: noted.duration_us,
        });
    }
}

/// What `note` writes down.
struct Noted {
    at: UnixMs,
    request_id: RequestId,
    candidate: Option<Arc<Candidate>>,
    reason: Option<DenyReason>,
    scheme: Option<SchemeName>,
    status: u16,
    client_ip: std::net::IpAddr,
    duration_us: u32,
}

impl Service for Gateway {
    async fn answer(&self, request: hyper::Request<Incoming>, peer: &Peer) -> Response {
        // Nobody asks how long it took when nothing is logged.
        let watch = self.app.log.is_open().then(Stopwatch::start);
        let (parts, body) = request.into_parts();
        if parts.headers.get(EXPECT).is_some_and(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return reply::closing(reply::empty(StatusCode::EXPECTATION_FAILED));
        }
        let Some(addressed) = self.address(authority(&parts.headers), target(&parts)) else {
            let is_faulty = peer.fault.load(Ordering::Relaxed);
            let (status, body) = if is_faulty { (400, AMBIGUOUS) } else { (404, NO_PRODUCT) };
            return reply::closing(reply::json(status, body));
        };
        let Outcome { mut response, candidate, scheme, reason } = self.decide(&addressed, &parts, body, peer).await;
        let at = self.app.clock.now();
        let request_id = self.next_id(at);
        if let Ok(value) = HeaderValue::from_bytes(&request_id.to_bytes()) {
            response.headers_mut().insert(&REQUEST_ID, value);
        }
        let noted = Noted {
            at,
            request_id,
            candidate,
            reason,
            scheme,
            status: response.status().as_u16(),
            client_ip: peer.address,
            duration_us: watch.map_or(0, |watch| watch.elapsed_us()),
        };
        self.note(&addressed, &parts, noted);
        response
    }
}

/// The `Host` field, or nothing: the gate refuses a request without one.
fn authority(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

fn target(parts: &http::request::Parts) -> &str {
    parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}

fn fields(headers: &HeaderMap) -> Vec<Header<'_>> {
    headers.iter().map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect()
}

/// A method fit for a log: a made-up one could be a secret in the wrong place.
fn known_method(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::HEAD => "HEAD",
        http::Method::POST => "POST",
        http::Method::PUT => "PUT",
        http::Method::PATCH => "PATCH",
        http::Method::DELETE => "DELETE",
        http::Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn read_body(headers: &HeaderMap, body: Incoming, bytes_max: usize, peer: &Peer) -> Result<Bytes, DenyReason> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(DenyReason::BodyTooLarge);
    }
    let limits = BodyLimits { bytes_max, duration: BODY_DEADLINE };
    body::whole(body, limits, &peer.deadlines).await.map_err(|fault| match fault {
        BodyFault::TooLarge => DenyReason::BodyTooLarge,
        BodyFault::TooSlow => DenyReason::BodyTooSlow,
        BodyFault::Broken => DenyReason::AmbiguousRequest,
    })
}
