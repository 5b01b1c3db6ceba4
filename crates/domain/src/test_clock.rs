//! The clock of an app's tests: what the sandbox takes for now. It stands until it is told to go on, or runs with the real
//! one from another moment; it never goes back.

use thiserror::Error;

use crate::time::UnixMs;

/// How far a test clock may be ahead of the real one. Milliseconds: ten years.
const AHEAD_MAX_MS: i64 = 10 * 366 * 86_400_000;

/// A test clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestClock {
    /// What it shows, or showed when it began to run.
    pub at: UnixMs,
    /// Since when of the real clock it runs; nothing: it stands.
    pub runs_since: Option<UnixMs>,
}

/// Whether a clock stands or runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It stands until it is moved.
    Stands,
    /// It runs with the real one.
    Runs,
}

/// Why a clock cannot be moved there.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ClockError {
    /// It is earlier than what it shows.
    #[error("a test clock never goes back")]
    Backwards,
    /// It is too far ahead.
    #[error("a test clock may be ten years ahead at the most")]
    TooFar,
}

/// What an app's clock shows; without a test clock, what the real one does.
pub fn now(clock: Option<TestClock>, real: UnixMs) -> UnixMs {
    match clock {
        None => real,
        Some(TestClock { at, runs_since: None }) => at,
        Some(TestClock { at, runs_since: Some(since) }) => {
            UnixMs(at.0.saturating_add(real.0.saturating_sub(since.0).max(0)))
        }
    }
}

/// When of the real clock an app's clock will show a moment; nothing while it stands before it.
pub fn real_moment(clock: Option<TestClock>, due: UnixMs, real: UnixMs) -> Option<UnixMs> {
    match clock {
        None => Some(due),
        Some(TestClock { at, runs_since: None }) => (due <= at).then_some(real),
        Some(TestClock { at, runs_since: Some(since) }) => {
            Some(UnixMs(due.0.saturating_sub(at.0).saturating_add(since.0)))
        }
    }
}

/// The clock after it was moved to a moment.
///
/// # Errors
/// `ClockError`.
pub fn moved(clock: Option<TestClock>, to: UnixMs, pace: Pace, real: UnixMs) -> Result<TestClock, ClockError> {
    // Without a test clock, an app's objects are of the real past: a first test clock may not begin before them either.
    if to < now(clock, real) {
        return Err(ClockError::Backwards);
    }
    if to.0.saturating_sub(real.0) > AHEAD_MAX_MS {
        return Err(ClockError::TooFar);
    }
    Ok(TestClock { at: to, runs_since: (pace == Pace::Runs).then_some(real) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: UnixMs = UnixMs(1_800_000_000_000);

    #[test]
    fn a_clock_stands_or_runs_and_never_goes_back() {
        assert_eq!((now(None, REAL), real_moment(None, UnixMs(7), REAL)), (REAL, Some(UnixMs(7))));
        let later = UnixMs(REAL.0 + 5_000);
        let standing = moved(None, later, Pace::Stands, REAL).expect("it is ahead");
        assert_eq!(now(Some(standing), UnixMs(REAL.0 + 99_999)), later);
        assert_eq!(real_moment(Some(standing), later, REAL), Some(REAL));
        assert_eq!(real_moment(Some(standing), UnixMs(later.0 + 1), REAL), None, "it stands before that");
        let running = moved(Some(standing), later, Pace::Runs, REAL).expect("to where it is");
        assert_eq!(now(Some(running), UnixMs(REAL.0 + 3)), UnixMs(later.0 + 3));
        assert_eq!(
            now(Some(running), UnixMs(REAL.0 - 3)),
            later,
            "a real clock that is set back does not take it along"
        );
        assert_eq!(real_moment(Some(running), UnixMs(later.0 + 3), REAL), Some(UnixMs(REAL.0 + 3)));
        for (clock, to) in [(None, REAL.0 - 1), (Some(standing), later.0 - 1), (Some(running), later.0 - 1)] {
            assert_eq!(moved(clock, UnixMs(to), Pace::Stands, REAL), Err(ClockError::Backwards));
        }
        let end = REAL.0 + AHEAD_MAX_MS;
        assert!(moved(None, UnixMs(end), Pace::Stands, REAL).is_ok());
        assert_eq!(moved(None, UnixMs(end + 1), Pace::Stands, REAL), Err(ClockError::TooFar));
        assert_eq!(moved(None, UnixMs(i64::MAX), Pace::Runs, REAL), Err(ClockError::TooFar));
    }
}
