//! The gateway: which product, whose request, then the product's upstream for the mode of the credential. Without one,
//! the sandbox stands behind test credentials, and live mode answers that there is none.

pub mod wire;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderName, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use keymint_app::App;
use keymint_app::asked::known_method;
use keymint_app::clock::Stopwatch;
use keymint_app::limits::Rate;
use keymint_app::products::Product;
use keymint_app::request_log::{Record, redact};
use keymint_app::telemetry::Trace;
use keymint_app::upstream::Upstream;
use keymint_app::verify::{Allowed, Decision, Denied, Way};
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::id::RequestId;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::Transport;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use memchr::memchr2;

use crate::arrival::{Ambiguous, Arrival, Proxies, UrlScheme};
use crate::body::{self, BodyFault, BodyLimits};
use crate::listener::{Peer, Service};
use crate::proxy::{self, Call, Inbound, Proxy, Refused};
use crate::reply::{self, Response};
use crate::sandbox;

/// How long a body may take to arrive (T71); one that streams upstream, from one piece to the next. Milliseconds.
pub const BODY_DEADLINE_MS: u64 = 10_000;
/// Bodies up to this size are read whole: nothing is gained by streaming them, and what is whole can be judged whole.
/// Bytes; `upload_bytes_max` is no less.
const STREAM_FROM_BYTES: u64 = 64 * 1024;
/// What a caller is told who names no product of ours.
const NO_PRODUCT: &str = r#"{"error":{"code":"not_found","message":"There is no product at this address."}}"#;
/// What a caller is told whose request cannot be read in one way, before a product is known.
const AMBIGUOUS: &str = r#"{"error":{"code":"ambiguous_request","message":"The request can be read in more than one way and was refused."}}"#;

/// The id under which support finds a request.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C Trace Context, section 3.2.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whom the gateway believes, and what it takes over plain HTTP.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The proxies in front of it.
    pub proxies: Proxies,
    /// Whether live credentials may come over plain HTTP from this machine.
    pub live_over_plain_http: bool,
    /// Where browsers reach it, where the configuration says so.
    pub gateway_url: Option<String>,
}

impl Policy {
    /// Who may have listened to a request that came like this.
    fn transport(&self, arrival: Arrival) -> Transport {
        let is_excused = self.live_over_plain_http && arrival.address.to_canonical().is_loopback();
        match arrival.scheme {
            UrlScheme::Https => Transport::Private,
            UrlScheme::Http if is_excused => Transport::Private,
            UrlScheme::Http => Transport::Open,
        }
    }
}

/// The gateway's service; one for each thread.
pub struct Gateway {
    app: App,
    proxy: Proxy,
    policy: Policy,
    numbers: Cell<u128>,
}

/// What was decided, for the log.
struct Outcome {
    response: Response,
    candidate: Option<Arc<Candidate>>,
    scheme: Option<SchemeName>,
    reason: Option<DenyReason>,
    rate: Option<Rate>,
}

impl Outcome {
    fn denied(product: &Product, denied: Denied) -> Self {
        let Denied { reason, scheme, candidate, rate } = denied;
        Self { response: reply::denial(product, reason, scheme), candidate, scheme, reason: Some(reason), rate }
    }

    fn refused(product: &Product, reason: DenyReason) -> Self {
        Self::denied(product, Denied::early(reason))
    }

    fn closing(self) -> Self {
        Self { response: reply::closing(self.response), ..self }
    }
}

/// Which product a request is for, and where its own path begins.
struct Addressed<'a> {
    product: &'a Arc<Product>,
    route_at: usize,
    host_mode: Option<Mode>,
    /// How the request came.
    arrival: Result<Arrival, Ambiguous>,
}

/// What becomes of a request once it was decided about.
enum Step<'a> {
    /// It is answered.
    Done(Outcome),
    /// It goes upstream.
    Forward(&'a Upstream, Allowed, Inbound),
}

/// A request as far as it is here.
struct Arrived {
    parts: http::request::Parts,
    body: Incoming,
    request_id: HeaderValue,
    upgrade: Option<OnUpgrade>,
    trace: Option<Trace>,
}

impl Gateway {
    /// A gateway over an app.
    pub fn new(app: App, policy: Policy) -> Self {
        let mut seed = [0_u8; 16];
        // Ids are names: if there is no randomness now, they repeat those of another thread at worst.
        let _ = app.entropy.fill(&mut seed);
        Self { proxy: Proxy::new(&app), policy, app, numbers: Cell::new(u128::from_be_bytes(seed)) }
    }

    fn next_id(&self, now: UnixMs) -> RequestId {
        let number = self.numbers.get().wrapping_add(1);
        self.numbers.set(number);
        RequestId::numbered(now, number)
    }

    /// The request's span, where it is traced.
    fn trace(&self, headers: &HeaderMap) -> Option<Trace> {
        self.app.sampler.begin(self.numbers.get(), headers.get(&TRACEPARENT).map(HeaderValue::as_bytes))
    }

    fn address(&self, headers: &HeaderMap, target: &str, peer: &Peer) -> Option<Addressed<'_>> {
        let arrival = self.policy.proxies.arrival(peer.arrival, headers);
        if let Some((product, mode)) = self.app.products.find_host(authority(headers)) {
            return Some(Addressed { product, route_at: 0, host_mode: Some(*mode), arrival });
        }
        let behind = target.strip_prefix('/')?;
        let end = memchr2(b'/', b'?', behind.as_bytes()).unwrap_or(behind.len());
        let product = self.app.products.find(behind.get(..end)?)?;
        Some(Addressed { product, route_at: end + 1, host_mode: None, arrival })
    }

    /// Decides about a request, and has it answered. Gives what the log says of its head, too.
    async fn answered(&self, addressed: &Addressed<'_>, arrived: Arrived, peer: &Rc<Peer>) -> (Outcome, Logged) {
        let Arrived { parts, body, request_id, upgrade, trace } = arrived;
        let heard = self.proxy.heard();
        let step = self.decide(addressed, &parts, body, peer).await;
        let http::request::Parts { method, uri, version, mut headers, .. } = parts;
        let outcome = match step {
            Step::Done(outcome) => outcome,
            Step::Forward(upstream, Allowed { candidate, scheme, token_ends_at, rate, .. }, body) => {
                // Only now: a signature may cover what the client sent.
                if let Some(trace) = trace {
                    continue_trace(&mut headers, trace);
                }
                let call = Call {
                    product: addressed.product,
                    upstream,
                    candidate: &candidate,
                    token_ends_at,
                    heard,
                    method: &method,
                    uri: &uri,
                    route_at: addressed.route_at,
                    headers,
                    body,
                    version,
                    arrival: addressed.arrival.unwrap_or(peer.arrival),
                    peer,
                    request_id,
                    upgrade,
                };
                // Boxed: what it needs would be moved about with requests that do not come here.
                let forwarded = Box::pin(self.proxy.forward(call)).await;
                let candidate = Some(candidate);
                match forwarded {
                    Ok(response) => Outcome { response, candidate, scheme: Some(scheme), reason: None, rate },
                    Err(Refused { reason, is_unread }) => {
                        // Where too much is on its way at once, what the rates have left says nothing.
                        let rate = rate.filter(|_| reason != DenyReason::RateLimited);
                        let denied = Denied { candidate, rate, ..Denied::early(reason) };
                        let outcome = Outcome { scheme: Some(scheme), ..Outcome::denied(addressed.product, denied) };
                        if is_unread { outcome.closing() } else { outcome }
                    }
                }
            }
        };
        (outcome, Logged { method, uri })
    }

    async fn decide<'a>(
        &self,
        addressed: &Addressed<'a>,
        parts: &http::request::Parts,
        body: Incoming,
        peer: &Peer,
    ) -> Step<'a> {
        let product = &**addressed.product;
        let refused = |reason| Step::Done(Outcome::refused(product, reason).closing());
        let Ok(arrival) = addressed.arrival else { return refused(DenyReason::AmbiguousRequest) };
        let headers = fields(&parts.headers);
        let mut view = RequestView {
            method: parts.method.as_str(),
            scheme: arrival.scheme.as_str(),
            authority: authority(&parts.headers),
            target: target(&parts.uri),
            route_at: addressed.route_at,
            headers: &headers,
            body: &[],
            client_ip: arrival.address,
        };
        let way = Way { host_mode: addressed.host_mode, transport: self.policy.transport(arrival) };
        if peer.fault.load(Ordering::Relaxed) {
            return refused(DenyReason::AmbiguousRequest);
        }
        if let Err(denied) = self.app.check_head(product, &view) {
            return Step::Done(Outcome::denied(product, denied).closing());
        }
        let arrived = match self.app.arrive(product, &view) {
            Ok(rate) => rate,
            Err(denied) => return Step::Done(Outcome::denied(product, denied).closing()),
        };
        if addressed.host_mode != Some(Mode::Live) && sandbox::is_open(product, &view) {
            // Pages that a browser opens, and what the vendor tells everyone: forms at most.
            let bytes = match read_body(&parts.headers, body, sandbox::open_body_bytes_max(product), peer).await {
                Ok(bytes) => bytes,
                Err(reason) => return refused(reason),
            };
            view.body = &bytes;
            let gateway_url = self.policy.gateway_url.as_deref();
            let answered =
                sandbox::answer_open(&sandbox::Open { app: &self.app, product, view: &view, gateway_url }).await;
            let rate = arrived;
            return Step::Done(match answered {
                Ok(response) => Outcome { response, candidate: None, scheme: None, reason: None, rate },
                Err(reason) => Outcome::denied(product, Denied { rate, ..Denied::early(reason) }),
            });
        }
        if let Some(upstream) = self.streams_to(product, &view, &body) {
            if announced(&parts.headers).is_some_and(|length| length > proxy::upload_bytes_max(product, upstream)) {
                return refused(DenyReason::BodyTooLarge);
            }
            return match self.app.verify(product, &view, way).await {
                Decision::Deny(denied) => Step::Done(Outcome::denied(product, denied).closing()),
                Decision::Allow(allowed) => Step::Forward(upstream, allowed.beside(arrived), Inbound::Streamed(body)),
            };
        }
        let bytes = match read_body(&parts.headers, body, product.dialect.body_bytes_max, peer).await {
            Ok(bytes) => bytes,
            Err(reason) => return refused(reason),
        };
        if peer.fault.load(Ordering::Relaxed) {
            return refused(DenyReason::AmbiguousRequest);
        }
        view.body = &bytes;
        let allowed = match self.app.verify(product, &view, way).await {
            Decision::Deny(denied) => return Step::Done(Outcome::denied(product, denied)),
            Decision::Allow(allowed) => allowed.beside(arrived),
        };
        match product.upstream(allowed.candidate.mode).filter(|_| allowed.exchange.is_none()) {
            Some(upstream) => Step::Forward(upstream, allowed, Inbound::Whole(bytes)),
            None => Step::Done(self.serve(product, &view, allowed).await),
        }
    }

    /// Where a body streams to: it is long or of unknown length, no proof depends on it, and there is an upstream for the
    /// mode that the claim names. The record decides about the mode; a claim of another one is refused there.
    fn streams_to<'a>(&self, product: &'a Product, view: &RequestView<'_>, body: &Incoming) -> Option<&'a Upstream> {
        let is_long = !body.is_end_stream() && body.size_hint().upper().is_none_or(|bytes| bytes > STREAM_FROM_BYTES);
        let has_upstream = product.upstream_test.is_some() || product.upstream_live.is_some();
        if !is_long || !has_upstream {
            return None;
        }
        product.upstream(self.app.mode_without_body(product, view)?).map(|upstream| &**upstream)
    }

    async fn serve(&self, product: &Product, view: &RequestView<'_>, allowed: Allowed) -> Outcome {
        let Allowed { candidate, scheme, exchange, rate, .. } = allowed;
        let scheme = Some(scheme);
        if let Some(answer) = exchange {
            let content_type = &product.dialect.answers.content_type;
            let body = Bytes::copy_from_slice(answer.body.expose().as_bytes());
            let response = reply::whole(answer.status, content_type, body);
            return Outcome { response, candidate: Some(candidate), scheme, reason: None, rate };
        }
        if candidate.mode == Mode::Live {
            let reason = DenyReason::NoUpstream;
            let denied = Denied { candidate: Some(candidate), rate, ..Denied::early(reason) };
            return Outcome { scheme, ..Outcome::denied(product, denied) };
        }
        let gateway_url = self.policy.gateway_url.as_deref();
        let call = sandbox::Call { app: &self.app, product, candidate: &candidate, view, gateway_url };
        match sandbox::answer(&call).await {
            Ok(response) => Outcome { response, candidate: Some(candidate), scheme, reason: None, rate },
            Err(reason) => {
                let denied = Denied { candidate: Some(candidate), rate, ..Denied::early(reason) };
                Outcome { scheme, ..Outcome::denied(product, denied) }
            }
        }
    }

    /// Counts and logs a decision.
    fn note(&self, addressed: &Addressed<'_>, logged: &Logged, noted: Noted) {
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
        let path = target(&logged.uri).get(addressed.route_at..).unwrap_or_default();
        self.app.log.push(Record {
            at: noted.at,
            request_id: noted.request_id,
            product: Arc::clone(&addressed.product.name),
            candidate: noted.candidate,
            method: known_method(logged.method.as_str()),
            path: redact(path),
            status: noted.status,
            reason: noted.reason,
            scheme: noted.scheme,
            client_ip: noted.client_ip,
            duration_us: noted.duration_us,
            trace: noted.trace,
        });
    }
}

/// What is behind us hears of our span in the place of the caller's.
fn continue_trace(headers: &mut HeaderMap, trace: Trace) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(trace.traceparent())) {
        headers.insert(&TRACEPARENT, value);
    }
}

/// What the log says of a request's head.
struct Logged {
    method: http::Method,
    uri: http::Uri,
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
    trace: Option<Trace>,
}

impl Service for Gateway {
    async fn answer(&self, mut request: hyper::Request<Incoming>, peer: &Rc<Peer>) -> Response {
        // Nobody asks how long it took when nothing is logged.
        let watch = self.app.log.is_open().then(Stopwatch::start);
        let asks_for_tunnel = request.headers().contains_key(UPGRADE);
        let on_upgrade = asks_for_tunnel.then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let upgrade = on_upgrade.filter(|_| body.is_end_stream() && proxy::asks_for_websocket(&parts));
        if parts.headers.get(EXPECT).is_some_and(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return reply::closing(reply::empty(StatusCode::EXPECTATION_FAILED));
        }
        let Some(addressed) = self.address(&parts.headers, target(&parts.uri), peer) else {
            let is_faulty = peer.fault.load(Ordering::Relaxed);
            let (status, body) = if is_faulty { (400, AMBIGUOUS) } else { (404, NO_PRODUCT) };
            return reply::closing(reply::json(status, body));
        };
        let at = self.app.clock.now();
        let request_id = self.next_id(at);
        let id = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&request_id.to_bytes()));
        let id = id.unwrap_or(HeaderValue::from_static(""));
        let trace = self.trace(&parts.headers);
        let arrived = Arrived { parts, body, request_id: id.clone(), upgrade, trace };
        let (outcome, logged) = self.answered(&addressed, arrived, peer).await;
        let Outcome { mut response, candidate, scheme, reason, rate } = outcome;
        reply::tell_rate(&mut response, addressed.product, rate, reason);
        response.headers_mut().insert(&REQUEST_ID, id);
        let noted = Noted {
            at,
            request_id,
            candidate,
            reason,
            scheme,
            status: response.status().as_u16(),
            client_ip: addressed.arrival.unwrap_or(peer.arrival).address,
            duration_us: watch.map_or(0, |watch| watch.elapsed_us()),
            trace,
        };
        self.note(&addressed, &logged, noted);
        response
    }

    fn start(&self) {
        self.proxy.start();
    }
}

/// The `Host` field, or nothing: the gate refuses a request without one.
fn authority(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

fn target(uri: &http::Uri) -> &str {
    uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}

fn fields(headers: &HeaderMap) -> Vec<Header<'_>> {
    headers.iter().map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect()
}

/// The length that a head announces for its body.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
}

/// All of a body, within a length and the deadline of bodies.
///
/// # Errors
/// Why not.
pub async fn read_body(
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: usize,
    peer: &Peer,
) -> Result<Bytes, DenyReason> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if announced(headers).is_some_and(|length| usize::try_from(length).map_or(true, |length| length > bytes_max)) {
        return Err(DenyReason::BodyTooLarge);
    }
    let limits = BodyLimits { bytes_max, duration: Duration::from_millis(BODY_DEADLINE_MS) };
    body::whole(body, limits, &peer.deadlines).await.map_err(|fault| match fault {
        BodyFault::TooLarge => DenyReason::BodyTooLarge,
        BodyFault::TooSlow => DenyReason::BodyTooSlow,
        BodyFault::Broken => DenyReason::AmbiguousRequest,
    })
}
