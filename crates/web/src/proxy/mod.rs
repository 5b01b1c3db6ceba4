//! The reverse proxy: what was let in goes to the product's upstream, and the answer comes back. Bytes of path, query and
//! body are passed on as they came; the head is rebuilt (`headers.rs`).
//!
//! One `Proxy` for each thread of the gateway, with connections of its own (`pool.rs`). Whatever goes on longer than the
//! decision is a flight (`flights.rs`) and ends with its credential.

mod download;
mod flights;
mod framing;
mod headers;
pub mod health;
mod link;
mod pool;
mod tunnel;
mod upload;
mod vouchers;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use keymint_app::App;
use keymint_app::products::Product;
use keymint_app::upstream::Upstream;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;

pub use download::Download;
pub use flights::Heard;
pub use headers::{Introduction, asks_for_websocket};
pub use link::Fault;

use crate::arrival::Arrival;
use crate::gateway::BODY_DEADLINE_MS;
use crate::listener::Peer;
use crate::reply::{self, Body, Response};
use flights::{Flights, Ticks};
use headers::{Outgoing, Told};
use pool::{Pool, Sending, Wanted};
use upload::{Progress, Upload, UploadLimits};
use vouchers::Vouchers;

/// The proxy of one thread.
pub struct Proxy {
    app: App,
    flights: Flights,
    upstreams: Vec<Side>,
}

/// What a thread keeps for one upstream.
struct Side {
    pool: Rc<Pool>,
    vouchers: Option<Vouchers>,
}

/// The body of a request that was let in.
pub enum Inbound {
    /// All of it.
    Whole(Bytes),
    /// As it comes: nothing that was decided depends on it.
    Streamed(Incoming),
}

/// A request that was let in.
pub struct Call<'a> {
    /// The product.
    pub product: &'a Arc<Product>,
    /// Where it goes.
    pub upstream: &'a Upstream,
    /// Whose it is.
    pub candidate: &'a Arc<Candidate>,
    /// When the token ends that it came with.
    pub token_ends_at: Option<UnixMs>,
    /// What had been heard of changes before it was decided.
    pub heard: Heard,
    /// The method.
    pub method: &'a Method,
    /// Path and query as received.
    pub uri: &'a Uri,
    /// Where the product's own path begins in them.
    pub route_at: usize,
    /// The head's fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Inbound,
    /// The version that it came in.
    pub version: Version,
    /// How it came.
    pub arrival: Arrival,
    /// The connection it came on.
    pub peer: &'a Rc<Peer>,
    /// Its id.
    pub request_id: HeaderValue,
    /// The connection as a tunnel, when a WebSocket is asked for.
    pub upgrade: Option<OnUpgrade>,
}

/// Why there is no answer of the upstream's, and whether the connection can be used on.
pub struct Refused {
    /// What the caller is told.
    pub reason: DenyReason,
    /// Whether some of the request may still be on its way in.
    pub is_unread: bool,
}

impl From<DenyReason> for Refused {
    fn from(reason: DenyReason) -> Self {
        Self { reason, is_unread: false }
    }
}

impl Proxy {
    /// A proxy without connections.
    pub fn new(app: &App) -> Self {
        let sides = app.products.upstreams().iter().map(|upstream| Side {
            pool: Rc::new(Pool::new(upstream)),
            vouchers: upstream.config.identity_token.then(|| Vouchers::new(&upstream.audience)),
        });
        Self { upstreams: sides.collect(), flights: Flights::new(app.clone()), app: app.clone() }
    }

    /// Begins to watch over flights and idle connections. Runs on the thread's own runtime.
    pub fn start(&self) {
        if self.upstreams.is_empty() {
            return;
        }
        self.flights.start();
        for side in &self.upstreams {
            tokio::task::spawn_local(Rc::clone(&side.pool).age());
        }
    }

    /// To be asked before a decision that may lead here begins.
    pub fn heard(&self) -> Heard {
        self.flights.heard()
    }

    /// Sends a request upstream and gives the answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn forward(&self, mut call: Call<'_>) -> Result<Response, Refused> {
        let side = self.upstreams.get(call.upstream.index).ok_or(DenyReason::Internal)?;
        let config = &call.upstream.config;
        // It reflects what it gets, and so would show what we add.
        if call.method == Method::TRACE {
            return Err(DenyReason::MethodNotAllowed.into());
        }
        let upgrade = call.upgrade.take().filter(|_| config.websockets);
        let identity = side.vouchers.as_ref().map(|vouchers| vouchers.token(&self.app, call.candidate));
        let head = head(&call, identity, upgrade.is_some())?;
        let flight = self.flights.begin(call.candidate, call.token_ends_at, call.heard)?;
        let (answer, idle) = (Ticks::of_ms(config.answer_timeout_ms), Ticks::of_ms(config.idle_timeout_ms));
        flight.allow(answer);
        let inbound = std::mem::replace(&mut call.body, Inbound::Whole(Bytes::new()));
        let (upload, progress) = match inbound {
            Inbound::Whole(bytes) => {
                flight.sent();
                (Upload::Whole(bytes), None)
            }
            Inbound::Streamed(body) => {
                let bytes_max = upload_bytes_max(call.product, call.upstream);
                let limits = UploadLimits { bytes_max, client: Ticks::of_ms(BODY_DEADLINE_MS), answer, idle };
                let (body, progress) = Upload::streamed(body, call.product, call.peer, flight.mark(), limits);
                (body, Some(progress))
            }
        };
        let wanted = if upgrade.is_some() { Wanted::Tunnel } else { Wanted::Plain };
        let is_repeatable = upload.is_empty() && matches!(call.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let sending = Sending { method: call.method, head: &head, upload, is_repeatable, wanted };
        let sent = side.pool.send(sending, &flight).await;
        let (head, mut exchange, lease) = sent.map_err(|reason| refused(reason, progress.as_deref()))?;
        flight.answered();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = upgrade else { return Err(DenyReason::UpstreamFailed.into()) };
            let upstream = (exchange.into_link(), lease);
            return tunnel::open(head, client, upstream, flight, (call.peer, idle)).map_err(Refused::from);
        }
        let mut response = http::Response::new(Body::default());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        headers::to_client(response.headers_mut());
        let is_sent = progress.as_ref().is_none_or(|progress| progress.is_done());
        if let Some(body) = is_sent.then(|| exchange.whole()).flatten() {
            lease.keep(exchange);
            *response.body_mut() = Body::Whole(body);
            return Ok(response);
        }
        if let Some(progress) = &progress {
            progress.answered();
        }
        flight.cut_with(call.peer);
        *response.body_mut() = Body::Streamed(Box::new(Download::new(exchange, lease, flight, progress, idle)));
        Ok(if is_sent { response } else { reply::closing(response) })
    }
}

/// The head that goes upstream.
fn head(call: &Call<'_>, identity: Option<HeaderValue>, is_websocket: bool) -> Result<Outgoing, DenyReason> {
    let config = &call.upstream.config;
    let whole = call.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let (prefix, inside) = whole.split_at_checked(call.route_at).ok_or(DenyReason::Internal)?;
    let takes_off = !config.keep_prefix && !prefix.is_empty();
    let mut introduced = call.peer.introduction.borrow_mut();
    let introduction = match &mut *introduced {
        Some(known) if known.is_of(call.candidate, call.arrival) => known,
        other => other.insert(Introduction::new(call.candidate, call.arrival)),
    };
    let told = Told {
        introduction,
        request_id: call.request_id.clone(),
        prefix: takes_off.then_some(prefix),
        identity,
        version: call.version,
        keep_host: config.keep_host,
        is_websocket,
    };
    // Byte for byte. Where nothing of a path is left, it is `/`: a request has one.
    let path = match takes_off {
        false => Cow::Borrowed(whole),
        true if inside.starts_with('/') => Cow::Borrowed(inside),
        true => Cow::Owned(format!("/{inside}")),
    };
    headers::to_upstream((call.method, &path), &call.headers, &call.product.dialect, told)
        .map_err(|_| DenyReason::AmbiguousRequest)
}

/// The largest body that streams to an upstream. Bytes.
pub fn upload_bytes_max(product: &Product, upstream: &Upstream) -> u64 {
    let general = u64::try_from(product.dialect.body_bytes_max).unwrap_or(u64::MAX);
    upstream.config.upload_bytes_max.unwrap_or(general)
}

/// Who is to blame when a body was still on its way.
fn refused(reason: DenyReason, progress: Option<&Progress>) -> Refused {
    let Some(progress) = progress.filter(|progress| !progress.is_done()) else { return reason.into() };
    let is_clients = reason == DenyReason::UpstreamTimeout && progress.is_waiting();
    let late = is_clients.then_some(DenyReason::BodyTooSlow);
    Refused { reason: progress.fault().or(late).unwrap_or(reason), is_unread: true }
}
