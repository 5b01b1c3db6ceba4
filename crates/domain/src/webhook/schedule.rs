//! When a delivery is tried again: a pure function of the dialect's waits, of how often it was tried, and of the answer.

use serde::Deserialize;

/// Longest that a receiver may put us off with `Retry-After`. Milliseconds.
const RETRY_AFTER_MS_MAX: i64 = 24 * 3_600_000;

/// The `[webhooks.retry]` table of a dialect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The wait after each failed try; after the last one it is given up. Milliseconds.
    pub waits_ms: Vec<i64>,
    /// Whether an answer of 400 to 499 is tried again like any other failure.
    pub on_client_errors: bool,
    /// Whether a `Retry-After` that asks for longer than the wait is heeded.
    #[serde(default)]
    pub heeds_retry_after: bool,
    /// Whether 410 (RFC 9110 section 15.5.11) disables the endpoint.
    #[serde(default)]
    pub gone_disables: bool,
    /// Whether an endpoint is disabled when an event is given up.
    #[serde(default)]
    pub giving_up_disables: bool,
    /// By how much a wait is made longer at random, so that receivers that failed together are not called together.
    /// Percent of the wait.
    #[serde(default)]
    pub jitter_percent: u8,
}

/// What an endpoint said to one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was taken.
    Taken,
    /// It was answered otherwise.
    Refused {
        /// The status.
        status: u16,
        /// What `Retry-After` asks for. Milliseconds.
        retry_after_ms: Option<i64>,
    },
    /// Nobody answered in time.
    Silence,
}

/// What comes after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it was taken.
    Done,
    /// Another try, after so many milliseconds.
    Wait(i64),
    /// Nothing: it is given up.
    GiveUp {
        /// Whether the endpoint is disabled with it.
        disables: bool,
    },
}

impl Retry {
    /// What comes after try number `tries`, counted from 1. `chance` is any number; it decides the jitter.
    pub fn next(&self, tries: usize, answer: Answer, chance: u16) -> Next {
        let retry_after = match answer {
            Answer::Taken => return Next::Done,
            Answer::Refused { status: 410, .. } if self.gone_disables => return Next::GiveUp { disables: true },
            Answer::Refused { status: 400..=499, .. } if !self.on_client_errors => {
                return Next::GiveUp { disables: false };
            }
            Answer::Refused { retry_after_ms, .. } => retry_after_ms.filter(|_| self.heeds_retry_after),
            Answer::Silence => None,
        };
        let Some(wait) = tries.checked_sub(1).and_then(|place| self.waits_ms.get(place)) else {
            return Next::GiveUp { disables: self.giving_up_disables };
        };
        let longest_jitter = wait.saturating_mul(i64::from(self.jitter_percent)) / 100;
        let jitter = longest_jitter.saturating_mul(i64::from(chance)) / i64::from(u16::MAX);
        let wait = wait.saturating_add(jitter);
        Next::Wait(retry_after.map_or(wait, |asked| asked.clamp(wait, RETRY_AFTER_MS_MAX.max(wait))))
    }
}
