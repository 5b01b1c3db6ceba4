//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use keymint_domain::time::{Clock, UnixMs};

/// A moment that only a test moves. Clones of the `Arc` show the same one.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows a moment.
    pub fn at(now: UnixMs) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now.0)))
    }

    /// Shows another moment, before or after.
    pub fn set(&self, now: UnixMs) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves on; back when negative. Milliseconds.
    pub fn pass_ms(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Moves on; back when negative. Seconds.
    pub fn pass_seconds(&self, seconds: i64) {
        self.pass_ms(seconds * 1000);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::SeqCst))
    }
}
