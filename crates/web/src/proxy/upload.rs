//! Bodies on their way upstream: whole where a signature covers them or they are small, streamed otherwise. A streamed
//! body is counted, looked through for credentials as whole ones are, and ends with the client's strictness.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use keymint_app::clock::Stopwatch;
use keymint_app::products::Product;
use keymint_domain::gate;
use keymint_domain::reason::DenyReason;

use super::flights::{FlightMark, Ticks};
use crate::listener::Peer;

/// How much of the end of a piece is looked at again with the beginning of the next: longer than any credential. Bytes.
const SEAM_BYTES: usize = 256;

/// How long a body may come as slowly as it likes, piece by piece. Seconds.
const UNHURRIED_SECONDS: u64 = 10;
/// The least that has to come from then on, on average: what a body holds while it trickles is held from others (T71).
/// Bytes a second.
const RATE_MIN: u64 = 1024;

/// A body for the upstream.
pub enum Upload {
    /// All of it is here.
    Whole(Bytes),
    /// It comes in pieces.
    Streamed(Box<Streamed>),
}

/// Why a body upstream was broken off. What is told to the client stands in `Progress`.
#[derive(Debug, thiserror::Error)]
#[error("the client's body was broken off")]
pub struct BrokenOff;

/// What is known of a streamed body beside it.
#[derive(Default)]
pub struct Progress {
    fault: Cell<Option<DenyReason>>,
    is_done: Cell<bool>,
    /// Whether the client is waited for, rather than the upstream.
    is_waiting: Cell<bool>,
    /// Whether the head of the answer is there: from then on a pause is the stream's own affair.
    is_answered: Cell<bool>,
    is_abandoned: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Progress {
    /// Why it was broken off.
    pub fn fault(&self) -> Option<DenyReason> {
        self.fault.get()
    }

    /// Whether all of it went upstream.
    pub fn is_done(&self) -> bool {
        self.is_done.get()
    }

    /// Whether it is the client that nothing comes from.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting.get()
    }

    /// Notes that the answer has begun.
    pub fn answered(&self) {
        self.is_answered.set(true);
    }

    /// Ends it: nobody wants the rest.
    pub fn abandon(&self) {
        self.is_abandoned.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What a streamed body may take.
#[derive(Clone, Copy)]
pub struct UploadLimits {
    /// Bytes.
    pub bytes_max: u64,
    /// From one piece of the client's to the next.
    pub client: Ticks,
    /// From the last piece to the head of the answer.
    pub answer: Ticks,
    /// From one piece to the next, in either direction, once the answer has begun.
    pub idle: Ticks,
}

/// A body that comes in pieces.
pub struct Streamed {
    body: Incoming,
    left: u64,
    received: u64,
    begun: Stopwatch,
    seam: Vec<u8>,
    limits: UploadLimits,
    product: Arc<Product>,
    peer: Rc<Peer>,
    flight: FlightMark,
    progress: Rc<Progress>,
}

/// Whether so much in so long is too little.
fn is_trickle(received: u64, elapsed_us: u32) -> bool {
    let counted = u64::from(elapsed_us / 1_000_000).saturating_sub(UNHURRIED_SECONDS);
    received < counted * RATE_MIN
}

impl Upload {
    /// Whether there is nothing of it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    /// The client's body as it comes.
    pub fn streamed(
        body: Incoming,
        product: &Arc<Product>,
        peer: &Rc<Peer>,
        flight: FlightMark,
        limits: UploadLimits,
    ) -> (Self, Rc<Progress>) {
        let progress = Rc::new(Progress::default());
        let streamed = Streamed {
            body,
            left: limits.bytes_max,
            received: 0,
            begun: Stopwatch::start(),
            seam: Vec::new(),
            limits,
            product: Arc::clone(product),
            peer: Rc::clone(peer),
            flight,
            progress: Rc::clone(&progress),
        };
        (Self::Streamed(Box::new(streamed)), progress)
    }
}

impl Streamed {
    /// How long it is as a whole, where the client said so. Bytes.
    pub fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece; `None` at the end.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if self.progress.is_done() {
            return Poll::Ready(None);
        }
        if self.progress.is_abandoned.get() {
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        loop {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            if self.peer.fault.load(Ordering::Relaxed) {
                return self.break_off(DenyReason::AmbiguousRequest);
            }
            match polled {
                Poll::Pending => {
                    self.wait(cx);
                    return Poll::Pending;
                }
                Poll::Ready(None) => {
                    self.done();
                    self.moved();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(_))) => return self.break_off(DenyReason::AmbiguousRequest),
                // Trailers are not passed on: nothing was decided about them.
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        return self.take(piece);
                    }
                }
            }
        }
    }

    fn take(&mut self, piece: Bytes) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(length) else { return self.break_off(DenyReason::BodyTooLarge) };
        self.left = left;
        self.received = self.received.saturating_add(length);
        if !self.progress.is_answered.get() && is_trickle(self.received, self.begun.elapsed_us()) {
            return self.break_off(DenyReason::BodyTooSlow);
        }
        if !self.is_clean(&piece) {
            return self.break_off(DenyReason::AmbiguousRequest);
        }
        self.moved();
        // The last piece of a known length is not followed by an end.
        if self.body.is_end_stream() {
            self.done();
        }
        Poll::Ready(Some(Ok(piece)))
    }

    /// Whether no credential stands in the piece, or across the seam to the one before.
    fn is_clean(&mut self, piece: &[u8]) -> bool {
        let dialect = &self.product.dialect;
        let head = piece.get(..SEAM_BYTES).unwrap_or(piece);
        self.seam.extend_from_slice(head);
        let is_clean = gate::check_body(dialect, &self.seam).is_ok() && gate::check_body(dialect, piece).is_ok();
        if piece.len() >= SEAM_BYTES {
            self.seam.clear();
            self.seam.extend_from_slice(piece.get(piece.len() - SEAM_BYTES..).unwrap_or_default());
        } else {
            let from = self.seam.len().saturating_sub(SEAM_BYTES);
            self.seam.drain(..from);
        }
        is_clean
    }

    fn wait(&self, cx: &mut Context<'_>) {
        let progress = &self.progress;
        progress.waker.replace(Some(cx.waker().clone()));
        if !progress.is_waiting.replace(true) {
            self.flight.allow(if progress.is_answered.get() { self.limits.idle } else { self.limits.client });
        }
    }

    fn done(&self) {
        self.progress.is_done.set(true);
        if !self.progress.is_answered.get() {
            self.flight.sent();
        }
    }

    fn moved(&self) {
        self.progress.is_waiting.set(false);
        self.flight.allow(if self.progress.is_answered.get() { self.limits.idle } else { self.limits.answer });
    }

    fn break_off(&self, reason: DenyReason) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        self.progress.fault.set(Some(reason));
        Poll::Ready(Some(Err(BrokenOff)))
    }
}

#[cfg(test)]
mod tests {
    use super::is_trickle;

    #[test]
    fn a_body_may_be_slow_and_may_not_trickle() {
        const SECOND: u32 = 1_000_000;
        assert!(!is_trickle(0, 0) && !is_trickle(1, 10 * SECOND) && !is_trickle(1, 11 * SECOND - 1));
        assert!(is_trickle(1, 11 * SECOND) && is_trickle(1023, 11 * SECOND) && !is_trickle(1024, 11 * SECOND));
        assert!(!is_trickle(50 * 1024, 60 * SECOND) && is_trickle(50 * 1024 - 1, 60 * SECOND));
        assert!(is_trickle(1_000_000, u32::MAX));
    }
}
