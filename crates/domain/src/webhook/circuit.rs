//! How often an endpoint is asked that does not answer: a pure function of its failures in a row. What waits for it keeps its
//! place; the schedule of a delivery counts tries, and a pause is none.

use crate::time::UnixMs;
use crate::webhook::schedule::Answer;

/// Failures in a row from which on an endpoint is asked by one delivery at a time, with pauses in between.
pub const FAILURES_MAX: u32 = 10;
/// The pause after the last of these, doubled with each further failure. Milliseconds.
const PAUSE_MS: i64 = 1_000;
/// The longest pause. Milliseconds: short beside the late waits of every schedule, so the oldest delivery keeps to its own.
const PAUSE_MS_MAX: i64 = 60_000;

/// What is remembered of an endpoint's answers. The default is that of one that has not failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    failures: u32,
    until: Option<UnixMs>,
}

impl Circuit {
    /// Whether nothing is remembered.
    pub fn is_fresh(self) -> bool {
        self.failures == 0
    }

    /// Whether the endpoint is asked seldom.
    pub fn is_open(self) -> bool {
        self.until.is_some()
    }

    /// Until when it is not asked at all.
    pub fn until(self) -> Option<UnixMs> {
        self.until
    }

    /// How many may be under way to it, where `most` may to one that answers.
    pub fn places(self, now: UnixMs, most: usize) -> usize {
        match self.until {
            None => most,
            Some(until) if now < until => 0,
            Some(_) => 1,
        }
    }

    /// What is remembered after one more try. An answer of 400 to 499 says something about the event rather than about the
    /// endpoint, and changes nothing, except for 408 and 429, which ask for patience (RFC 9110 section 15.5.9, RFC 6585
    /// section 4).
    #[must_use]
    pub fn after(self, answer: Answer, now: UnixMs) -> Self {
        match answer {
            Answer::Taken => Self::default(),
            Answer::Refused { status: 400..=407 | 409..=428 | 430..=499, .. } => self,
            // One that was under way when the pause began.
            Answer::Refused { .. } | Answer::Silence if self.until.is_some_and(|until| now < until) => self,
            Answer::Refused { .. } | Answer::Silence => {
                let failures = self.failures.saturating_add(1);
                let doublings = failures.checked_sub(FAILURES_MAX).map(|more| more.min(16));
                let pause = doublings.map(|doublings| (PAUSE_MS << doublings).min(PAUSE_MS_MAX));
                Self { failures, until: pause.map(|pause| UnixMs(now.0.saturating_add(pause))) }
            }
        }
    }
}
