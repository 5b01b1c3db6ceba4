//! Moments and spans. Time is always an argument here: the clock lives in `keymint-app`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The moment `seconds` after this one; saturates at the ends of the type.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Who knows the time. The one real implementation is `keymint_app::clock`; tests bring a fixed one.
pub trait Clock: Send + Sync {
    /// The current moment.
    fn now(&self) -> UnixMs;
}
