//! What is on its way through this thread: each request upstream, each answer and stream back, by credential. A flight
//! ends when its time is over or its credential's is: a change is heard at once, the clock is looked at in ticks.
//!
//! One task of each thread ticks, and only while something is on its way. So a request costs an entry in a list and no
//! timer. Where a flight has handed its connection over (`cut_with`), its end closes that connection, whether or not
//! anybody reads from it; before that, whoever waits in `poll_end` answers.
//!
//! A request that has gone upstream as a whole is *sent*: when its credential ends then, its answer is still waited for.
//! It was accepted before, it may be a payment, and to break it off would leave nobody knowing whether it was made. What
//! comes as its answer has a quarter of a second to be complete, so no stream begins this way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use keymint_app::App;
use keymint_app::limits::at_once::Place;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::{Candidate, check_still};
use slab::Slab;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

use crate::listener::Peer;

/// How often deadlines and expiries are looked at: a stream ends at most two of these after its credential.
const TICK: Duration = Duration::from_millis(50);

/// How long an answer may take from its head to its end when its credential ended before it came.
const LAST_ANSWER: Ticks = Ticks(5);

/// Why a flight ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What it waited for did not come in time.
    Late,
    /// Its credential may not go on.
    Denied(DenyReason),
}

/// A span in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Ticks(u32);

impl Ticks {
    /// At least so many milliseconds.
    pub fn of_ms(ms: u64) -> Self {
        let tick_ms = u64::try_from(TICK.as_millis()).unwrap_or(1);
        Self(u32::try_from(ms.div_ceil(tick_ms)).unwrap_or(u32::MAX / 4).min(u32::MAX / 4))
    }
}

/// All flights of a thread.
#[derive(Clone)]
pub struct Flights(Rc<Inner>);

struct Inner {
    app: App,
    slots: RefCell<Slab<Slot>>,
    tick: Cell<u32>,
    serial: Cell<u64>,
    /// Changes that were heard so far.
    heard: Cell<u64>,
    first: Notify,
}

struct Slot {
    serial: u64,
    candidate: Arc<Candidate>,
    token_ends_at: Option<UnixMs>,
    ends_at: Option<UnixMs>,
    deadline: Option<u32>,
    end: Option<End>,
    /// Whether all of the request is upstream and none of the answer is here.
    is_sent: bool,
    /// Whether the credential ended while it was.
    is_last: bool,
    waker: Option<Waker>,
    peer: Option<Rc<Peer>>,
    /// The merchant's place among those that it may have at once.
    _place: Place,
}

impl Slot {
    fn allow(&mut self, deadline: u32) {
        if !self.is_last || self.is_sent {
            self.deadline = Some(deadline);
        }
    }

    /// The credential has ended.
    fn deny(&mut self, reason: DenyReason) {
        if self.is_sent || self.is_last {
            self.is_last = true;
        } else {
            self.finish(End::Denied(reason));
        }
    }

    fn finish(&mut self, end: End) {
        self.end = Some(end);
        if let Some(peer) = &self.peer {
            peer.cut();
        }
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// How many changes a thread had heard of when a decision began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard(u64);

/// One flight; over when dropped.
pub struct Flight {
    flights: Flights,
    key: usize,
}

/// A flight as seen from the body that goes upstream, which may outlive it.
pub struct FlightMark {
    flights: Flights,
    key: usize,
    serial: u64,
}

impl Flights {
    /// No flights yet.
    pub fn new(app: App) -> Self {
        Self(Rc::new(Inner {
            app,
            slots: RefCell::default(),
            tick: Cell::new(0),
            serial: Cell::new(0),
            heard: Cell::new(0),
            first: Notify::new(),
        }))
    }

    /// Begins to tick and to listen. Runs on the thread's own runtime.
    pub fn start(&self) {
        let (ticking, listening) = (self.clone(), self.clone());
        tokio::task::spawn_local(async move { ticking.tick().await });
        tokio::task::spawn_local(async move { listening.listen().await });
    }

    /// To be asked before a decision begins, and given to `begin` behind it.
    pub fn heard(&self) -> Heard {
        Heard(self.0.heard.get())
    }

    /// Begins a flight. A change that was heard while its decision was under way is looked at now.
    ///
    /// # Errors
    /// When the merchant has as much on its way as it may.
    pub fn begin(
        &self,
        candidate: &Arc<Candidate>,
        token_ends_at: Option<UnixMs>,
        heard: Heard,
    ) -> Result<Flight, DenyReason> {
        let place = self.0.app.at_once.enter(candidate).ok_or(DenyReason::RateLimited)?;
        let serial = self.0.serial.get().wrapping_add(1);
        self.0.serial.set(serial);
        let ends_at = earlier(candidate.ends_at(), token_ends_at);
        let candidate = Arc::clone(candidate);
        let key_id = (heard != self.heard()).then(|| candidate.key_id.to_string());
        let slot = Slot {
            serial,
            candidate,
            token_ends_at,
            ends_at,
            deadline: None,
            end: None,
            is_sent: false,
            is_last: false,
            waker: None,
            peer: None,
            _place: place,
        };
        let mut slots = self.0.slots.borrow_mut();
        if slots.is_empty() {
            self.0.first.notify_one();
        }
        let key = slots.insert(slot);
        if let Some(key_id) = key_id {
            let flights = self.clone();
            tokio::task::spawn_local(async move { flights.look_again(&key_id).await });
        }
        Ok(Flight { flights: self.clone(), key })
    }

    async fn tick(&self) {
        // Ticks that a busy thread missed are made up for: spans are counted in them.
        let mut interval = tokio::time::interval(TICK);
        loop {
            if self.0.slots.borrow().is_empty() {
                self.0.first.notified().await;
                interval.reset();
            }
            interval.tick().await;
            self.pass();
        }
    }

    /// One tick passes.
    fn pass(&self) {
        let tick = self.0.tick.get().wrapping_add(1);
        self.0.tick.set(tick);
        let (is_serving, now) = (self.0.app.is_serving(), self.0.app.clock.now());
        for (_, slot) in self.0.slots.borrow_mut().iter_mut().filter(|(_, slot)| slot.end.is_none()) {
            // Ticks are compared by their distance, since they wrap.
            let is_late = slot.deadline.is_some_and(|deadline| deadline.wrapping_sub(tick) > u32::MAX / 2);
            if is_late {
                slot.finish(End::Late);
            } else if !is_serving {
                slot.deny(DenyReason::Unavailable);
            } else if slot.ends_at.is_some_and(|ends_at| now >= ends_at) {
                slot.deny(DenyReason::Expired);
            }
        }
    }

    async fn listen(&self) {
        let mut changes = self.0.app.changes();
        loop {
            let changed = changes.recv().await;
            self.0.heard.set(self.0.heard.get().wrapping_add(1));
            match changed {
                Ok(key_ids) => {
                    for key_id in key_ids.iter().filter(|key_id| self.has(key_id)) {
                        self.look_again(key_id).await;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    for key_id in self.key_ids() {
                        self.look_again(&key_id).await;
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn has(&self, key_id: &str) -> bool {
        self.0.slots.borrow().iter().any(|(_, slot)| *slot.candidate.key_id == *key_id)
    }

    fn key_ids(&self) -> Vec<String> {
        let slots = self.0.slots.borrow();
        let mut key_ids: Vec<String> = slots.iter().map(|(_, slot)| slot.candidate.key_id.to_string()).collect();
        key_ids.sort_unstable();
        key_ids.dedup();
        key_ids
    }

    /// Whether the flights of a credential may go on under its record as it is now. When that cannot be read, they may
    /// not: nobody knows.
    async fn look_again(&self, key_id: &str) {
        let found = self.0.app.candidate(key_id).await;
        let now = self.0.app.clock.now();
        let mut slots = self.0.slots.borrow_mut();
        let own = |slot: &Slot| slot.end.is_none() && *slot.candidate.key_id == *key_id;
        for (_, slot) in slots.iter_mut().filter(|(_, slot)| own(slot)) {
            let still = match &found {
                Ok(new) => check_still(&slot.candidate, new.as_deref(), now),
                Err(reason) => Err(*reason),
            };
            match (still, &found) {
                (Err(reason), _) => slot.deny(reason),
                (Ok(()), Ok(Some(new))) => {
                    slot.candidate = Arc::clone(new);
                    slot.ends_at = earlier(new.ends_at(), slot.token_ends_at);
                }
                (Ok(()), _) => {}
            }
        }
    }
}

fn earlier(one: Option<UnixMs>, other: Option<UnixMs>) -> Option<UnixMs> {
    [one, other].into_iter().flatten().min()
}

impl Flight {
    fn with<T>(&self, act: impl FnOnce(&mut Slot) -> T) -> T {
        let mut slots = self.flights.0.slots.borrow_mut();
        act(slots.get_mut(self.key).expect("a flight has a slot until it is dropped"))
    }

    /// From now on it is late after this span, unless told otherwise before.
    pub fn allow(&self, span: Ticks) {
        let deadline = self.flights.deadline(span);
        self.with(|slot| slot.allow(deadline));
    }

    /// All of the request has gone upstream.
    pub fn sent(&self) {
        self.with(|slot| slot.is_sent = true);
    }

    /// The head of the answer is there. Where the credential has ended meanwhile, the rest has little time.
    pub fn answered(&self) {
        let deadline = self.flights.deadline(LAST_ANSWER);
        self.with(|slot| {
            slot.is_sent = false;
            if slot.is_last {
                slot.deadline = Some(deadline);
            }
        });
    }

    /// Why it has to end, once it has to.
    pub fn poll_end(&self, cx: &mut Context<'_>) -> Poll<End> {
        self.with(|slot| match slot.end {
            Some(end) => Poll::Ready(end),
            None => {
                if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    slot.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        })
    }

    /// From now on its end closes the client's connection, whose task last asked `poll_end`.
    pub fn cut_with(&self, peer: &Rc<Peer>) {
        self.with(|slot| {
            slot.peer = Some(Rc::clone(peer));
            if let Some(end) = slot.end {
                slot.finish(end);
            }
        });
    }

    /// A view for the body that goes upstream.
    pub fn mark(&self) -> FlightMark {
        FlightMark { flights: self.flights.clone(), key: self.key, serial: self.with(|slot| slot.serial) }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.0.slots.borrow_mut().try_remove(self.key);
    }
}

impl FlightMark {
    /// As `Flight::allow`, if the flight is not over.
    pub fn allow(&self, span: Ticks) {
        let deadline = self.flights.deadline(span);
        let mut slots = self.flights.0.slots.borrow_mut();
        if let Some(slot) = slots.get_mut(self.key).filter(|slot| slot.serial == self.serial) {
            slot.allow(deadline);
        }
    }

    /// As `Flight::sent`, if the flight is not over and its answer has not begun.
    pub fn sent(&self) {
        let mut slots = self.flights.0.slots.borrow_mut();
        let own = slots.get_mut(self.key).filter(|slot| slot.serial == self.serial);
        if let Some(slot) = own.filter(|slot| slot.peer.is_none()) {
            slot.is_sent = true;
        }
    }
}

impl Flights {
    /// One more than asked: the present tick may be nearly over.
    fn deadline(&self, span: Ticks) -> u32 {
        self.0.tick.get().wrapping_add(span.0).wrapping_add(1)
    }
}
