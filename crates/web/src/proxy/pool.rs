//! Connections to an upstream: one pool for each thread, so that nothing of it is locked. A request goes to the least
//! busy address that is well, on a connection that stands idle or on a new one.
//!
//! What is sent again, and when: a request of which nothing was written, whatever its method; and a safe one without a
//! body whose connection broke before the answer began, once, on a fresh connection. An upstream that closes an idle
//! connection under a request so costs a `GET` nothing, and a `POST` is never sent twice.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use keymint_app::upstream::{Address, Host, Upstream};
use keymint_domain::reason::DenyReason;
use tokio::net::TcpStream;

use super::flights::{End, Flight};
use super::upload::Upload;

/// How often one request is put on a connection.
const SENDINGS_MAX: usize = 3;
/// Largest head of an answer. Bytes.
const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most fields of an answer's head.
const ANSWER_FIELDS_MAX: usize = 128;

type Sender = http1::SendRequest<Upload>;

/// The connections of one thread to one upstream.
pub struct Pool {
    upstream: Arc<Upstream>,
    places: Box<[Place]>,
    turn: Cell<usize>,
    /// Rises twice in the time that an idle connection is kept.
    age: Cell<u32>,
}

/// The connections to one address.
struct Place {
    host: HeaderValue,
    busy: Cell<usize>,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    sender: Sender,
    since: u32,
}

/// A connection in use. Given back with `keep`, closed when dropped.
pub struct Lease {
    pool: Rc<Pool>,
    place: usize,
    sender: Option<Sender>,
    is_reused: bool,
}

/// What kind of connection is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// One for a request like any other.
    Plain,
    /// A fresh one that may become a tunnel.
    Tunnel,
}

impl Pool {
    /// No connections yet.
    pub fn new(upstream: &Arc<Upstream>) -> Self {
        let places = upstream.addresses.iter().map(|address| {
            let host = upstream.host.as_deref().unwrap_or(&address.authority);
            let host = HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static(""));
            Place { host, busy: Cell::new(0), idle: RefCell::default() }
        });
        Self { places: places.collect(), upstream: Arc::clone(upstream), turn: Cell::new(0), age: Cell::new(0) }
    }

    /// Closes connections that stood idle for too long, for as long as the thread lives.
    pub async fn age(self: Rc<Self>) {
        let half = std::time::Duration::from_millis(self.upstream.config.keep_alive_ms.div_ceil(2));
        let mut interval = tokio::time::interval(half);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let age = self.age.get().wrapping_add(1);
            self.age.set(age);
            for place in &self.places {
                place.idle.borrow_mut().retain(|idle| age.wrapping_sub(idle.since) < 2 && !idle.sender.is_closed());
            }
        }
    }

    /// Sends a request and waits for the head of its answer. `again` makes it anew, if it may be sent twice.
    ///
    /// # Errors
    /// What went wrong, as the caller is told.
    pub async fn send(
        self: &Rc<Self>,
        mut request: Request<Upload>,
        again: &dyn Fn() -> Option<Request<Upload>>,
        wanted: Wanted,
        flight: &Flight,
    ) -> Result<(http::Response<Incoming>, Lease), DenyReason> {
        let (mut tried, mut last) = (0_u32, DenyReason::UpstreamUnavailable);
        for sending in 0..SENDINGS_MAX {
            let Some(place) = self.choose(tried) else { return Err(last) };
            let may_reuse = sending == 0 && wanted == Wanted::Plain;
            let mut lease = match self.lease(place, may_reuse, wanted, flight).await? {
                Some(lease) => lease,
                None => {
                    (tried, last) = (tried | bit(place), DenyReason::UpstreamFailed);
                    continue;
                }
            };
            if !self.upstream.config.keep_host {
                request.headers_mut().insert(HOST, lease.host());
            }
            let Some(sender) = &mut lease.sender else { return Err(DenyReason::Internal) };
            let answering = sender.try_send_request(request);
            let mut answering = std::pin::pin!(answering);
            let answered = std::future::poll_fn(|cx| match answering.as_mut().poll(cx) {
                std::task::Poll::Ready(answered) => std::task::Poll::Ready(Ok(answered)),
                std::task::Poll::Pending => flight.poll_end(cx).map(Err),
            });
            let mut error = match answered.await.map_err(reason)? {
                Ok(response) => return Ok((response, lease)),
                Err(error) => error,
            };
            let Some(next) = error.take_message().or_else(again) else {
                tracing::debug!(error = %error.into_error(), "the upstream broke off");
                return Err(DenyReason::UpstreamFailed);
            };
            if !lease.is_reused {
                tried |= bit(place);
            }
            (request, last) = (next, DenyReason::UpstreamFailed);
        }
        Err(last)
    }

    /// The least busy address that is well; where nothing asks whether they are, any that was not tried.
    fn choose(&self, tried: u32) -> Option<usize> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let count = self.places.len();
        let free = |at: usize| {
            let place = self.places.get(at).filter(|place| place.busy.get() < self.upstream.config.connections_max)?;
            (tried & bit(at) == 0).then_some((at, place.busy.get()))
        };
        let least = |wants_well: bool| {
            let places = (0..count).map(|step| turn.wrapping_add(step) % count).filter_map(free);
            let is_well = |at: usize| self.upstream.addresses.get(at).is_some_and(Address::is_well);
            places.filter(|(at, _)| !wants_well || is_well(*at)).min_by_key(|(_, busy)| *busy).map(|(at, _)| at)
        };
        match least(true) {
            None if self.upstream.config.health_path.is_none() => least(false),
            found => found,
        }
    }

    /// A connection to an address; `None` when there is none to be had.
    async fn lease(
        self: &Rc<Self>,
        place: usize,
        may_reuse: bool,
        wanted: Wanted,
        flight: &Flight,
    ) -> Result<Option<Lease>, DenyReason> {
        let (Some(kept), Some(address)) = (self.places.get(place), self.upstream.addresses.get(place)) else {
            return Err(DenyReason::Internal);
        };
        kept.busy.set(kept.busy.get() + 1);
        let mut lease = Lease { pool: Rc::clone(self), place, sender: None, is_reused: false };
        if may_reuse && let Some(sender) = kept.reuse() {
            (lease.sender, lease.is_reused) = (Some(sender), true);
            return Ok(Some(lease));
        }
        let opening = Box::pin(tokio::time::timeout(self.upstream.connect_timeout(), open(address, wanted)));
        let mut opening = std::pin::pin!(opening);
        let opened = std::future::poll_fn(|cx| match opening.as_mut().poll(cx) {
            std::task::Poll::Ready(opened) => std::task::Poll::Ready(Ok(opened)),
            std::task::Poll::Pending => match flight.poll_end(cx) {
                // How long it may take is known here, in smaller steps than the flight's.
                std::task::Poll::Ready(End::Denied(reason)) => std::task::Poll::Ready(Err(reason)),
                _ => std::task::Poll::Pending,
            },
        });
        match opened.await? {
            Ok(Ok(sender)) => {
                lease.sender = Some(sender);
                Ok(Some(lease))
            }
            failed => {
                if address.note(false) {
                    let error = failed.map_or_else(
                        |_| "too slow".to_owned(),
                        |opened| opened.map_or_else(|e| e.to_string(), |_| String::new()),
                    );
                    tracing::warn!(address = %address.authority, error, "an upstream address cannot be reached");
                }
                Ok(None)
            }
        }
    }
}

/// What the caller is told when a flight ends before its answer.
fn reason(end: End) -> DenyReason {
    match end {
        End::Late => DenyReason::UpstreamTimeout,
        End::Denied(reason) => reason,
    }
}

fn bit(place: usize) -> u32 {
    u32::try_from(place).ok().and_then(|place| 1_u32.checked_shl(place)).unwrap_or(0)
}

async fn open(address: &Address, wanted: Wanted) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>> {
    let stream = connect(address).await?;
    stream.set_nodelay(true)?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(ANSWER_HEAD_BYTES_MAX).max_headers(ANSWER_FIELDS_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    match wanted {
        Wanted::Plain => tokio::task::spawn_local(async move { drop(connection.await) }),
        Wanted::Tunnel => tokio::task::spawn_local(async move { drop(connection.with_upgrades().await) }),
    };
    Ok(sender)
}

/// Opens a connection to an address.
///
/// # Errors
/// What the operating system says.
pub async fn connect(address: &Address) -> std::io::Result<TcpStream> {
    match &address.host {
        Host::Ip(ip) => TcpStream::connect((*ip, address.port)).await,
        Host::Name(name) => TcpStream::connect((&**name, address.port)).await,
    }
}

impl Place {
    /// A connection that stands idle and is ready; those that have closed go.
    fn reuse(&self) -> Option<Sender> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while let Some(next) = at.checked_sub(1) {
            at = next;
            let found = idle.get(at)?;
            if found.sender.is_closed() {
                idle.swap_remove(at);
            } else if found.sender.is_ready() {
                return Some(idle.swap_remove(at).sender);
            }
        }
        None
    }
}

impl Lease {
    fn host(&self) -> HeaderValue {
        self.pool.places.get(self.place).map_or(HeaderValue::from_static(""), |place| place.host.clone())
    }

    /// Gives the connection back for the next request.
    pub fn keep(mut self) {
        let (Some(sender), Some(place)) = (self.sender.take(), self.pool.places.get(self.place)) else { return };
        if !sender.is_closed() {
            place.idle.borrow_mut().push(Idle { sender, since: self.pool.age.get() });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(place) = self.pool.places.get(self.place) {
            place.busy.set(place.busy.get().saturating_sub(1));
        }
    }
}
