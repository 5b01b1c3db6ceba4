//! Connections to an upstream: one pool for each thread, so that nothing of it is locked. A request goes to the least
//! busy address that is well, on a connection that stands idle or on a new one.
//!
//! What is sent again, and when: a request of which nothing was written, whatever its method; and a safe one without a
//! body whose connection broke before the answer began, once, on a fresh connection. An upstream that closes an idle
//! connection under a request so costs a `GET` nothing, and a `POST` is never sent twice.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method};
use keymint_app::upstream::{Address, Host, Upstream};
use keymint_domain::reason::DenyReason;
use tokio::net::TcpStream;

use super::flights::{End, Flight};
use super::framing::Head;
use super::headers::Outgoing;
use super::link::{Exchange, Link};
use super::upload::Upload;

/// How long the rest of a request may take that was answered already.
const REST_DEADLINE: Duration = Duration::from_secs(10);
/// How often one request is put on a connection.
const SENDINGS_MAX: usize = 3;
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
    link: Link,
    since: u32,
}

/// A connection's place among those to its address, until dropped.
pub struct Lease {
    pool: Rc<Pool>,
    place: usize,
}

/// A request to be sent.
pub struct Sending<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its line and fields.
    pub head: &'a Outgoing,
    /// Its body.
    pub upload: Upload,
    /// Whether it may go twice.
    pub is_repeatable: bool,
    /// On which kind of connection.
    pub wanted: Wanted,
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
        let half = Duration::from_millis(self.upstream.config.keep_alive_ms.div_ceil(2));
        let mut interval = tokio::time::interval(half);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let age = self.age.get().wrapping_add(1);
            self.age.set(age);
            for place in &self.places {
                place.idle.borrow_mut().retain(|idle| age.wrapping_sub(idle.since) < 2 && idle.link.is_usable());
            }
        }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// What went wrong, as the caller is told.
    pub async fn send(
        self: &Rc<Self>,
        sending: Sending<'_>,
        flight: &Flight,
    ) -> Result<(Head, Exchange, Lease), DenyReason> {
        let Sending { method, head, mut upload, is_repeatable, wanted } = sending;
        let (mut tried, mut last) = (0_u32, DenyReason::UpstreamUnavailable);
        for sending in 0..SENDINGS_MAX {
            let Some(place) = self.choose(tried) else { return Err(last) };
            let may_reuse = sending == 0 && wanted == Wanted::Plain;
            last = DenyReason::UpstreamFailed;
            let (lease, reused) = self.lease(place, may_reuse)?;
            let is_reused = reused.is_some();
            let link = match reused {
                Some(link) => link,
                None => match self.open(place, flight).await? {
                    Some(link) => link,
                    None => {
                        tried |= bit(place);
                        continue;
                    }
                },
            };
            // Time may have run out while it connected: then nothing is sent.
            if let std::task::Poll::Ready(end) =
                std::future::poll_fn(|cx| std::task::Poll::Ready(flight.poll_end(cx))).await
            {
                return Err(reason(end));
            }
            let mut exchange = link.begin(method.clone(), upload, |output| head.write(&lease.host(), output));
            let answered = std::future::poll_fn(|cx| match exchange.poll_head(cx) {
                std::task::Poll::Ready(answered) => std::task::Poll::Ready(Ok(answered)),
                std::task::Poll::Pending => flight.poll_end(cx).map(Err),
            });
            let fault = match answered.await.map_err(reason)? {
                Ok(head) => return Ok((head, exchange, lease)),
                Err(fault) => fault,
            };
            if !exchange.may_go_again(&fault, is_repeatable) {
                tracing::debug!(error = %fault, "the upstream broke off");
                return Err(DenyReason::UpstreamFailed);
            }
            if !is_reused {
                tried |= bit(place);
            }
            upload = exchange.into_upload();
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

    /// A place among the connections to an address, and one that stands idle there, if one may be taken.
    fn lease(self: &Rc<Self>, place: usize, may_reuse: bool) -> Result<(Lease, Option<Link>), DenyReason> {
        let kept = self.places.get(place).ok_or(DenyReason::Internal)?;
        kept.busy.set(kept.busy.get() + 1);
        let lease = Lease { pool: Rc::clone(self), place };
        Ok((lease, may_reuse.then(|| kept.reuse()).flatten()))
    }

    /// A fresh connection to an address; `None` when there is none to be had.
    async fn open(&self, place: usize, flight: &Flight) -> Result<Option<Link>, DenyReason> {
        let address = self.upstream.addresses.get(place).ok_or(DenyReason::Internal)?;
        let opening = Box::pin(tokio::time::timeout(self.upstream.connect_timeout(), connect(address)));
        let mut opening = std::pin::pin!(opening);
        let opened = std::future::poll_fn(|cx| match opening.as_mut().poll(cx) {
            std::task::Poll::Ready(opened) => std::task::Poll::Ready(Ok(opened)),
            std::task::Poll::Pending => match flight.poll_end(cx) {
                // How long it may take is known here, in smaller steps than the flight's.
                std::task::Poll::Ready(End::Denied(reason)) => std::task::Poll::Ready(Err(reason)),
                _ => std::task::Poll::Pending,
            },
        });
        let error = match opened.await? {
            Ok(Ok(stream)) => match stream.set_nodelay(true) {
                Ok(()) => return Ok(Some(Link::new(stream))),
                Err(error) => error.to_string(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => "too slow".to_owned(),
        };
        if address.note(false) {
            tracing::warn!(address = %address.authority, error, "an upstream address cannot be reached");
        }
        Ok(None)
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
    /// A connection that stands idle; those that cannot be used any more go.
    fn reuse(&self) -> Option<Link> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).map(|idle| idle.link).find(Link::is_usable)
    }
}

impl Lease {
    fn host(&self) -> HeaderValue {
        self.pool.places.get(self.place).map_or(HeaderValue::from_static(""), |place| place.host.clone())
    }

    /// Keeps the connection for the next request, once all of this one and its answer went over it. An upstream may answer
    /// before it has read everything: it gets the rest all the same, for a while.
    pub fn keep(self, mut exchange: Exchange) {
        if exchange.is_sent() || tokio::runtime::Handle::try_current().is_err() {
            return self.put_back(exchange.into_link());
        }
        tokio::task::spawn_local(async move {
            let sending = std::future::poll_fn(|cx| exchange.poll_send(cx));
            if let Ok(Ok(())) = tokio::time::timeout(REST_DEADLINE, sending).await {
                self.put_back(exchange.into_link());
            }
        });
    }

    fn put_back(&self, link: Link) {
        let place = self.pool.places.get(self.place);
        if let Some(place) = place.filter(|_| link.is_usable()) {
            place.idle.borrow_mut().push(Idle { link, since: self.pool.age.get() });
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
