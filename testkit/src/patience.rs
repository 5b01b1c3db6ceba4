//! Waiting for what comes by itself, with an end.

use std::time::{Duration, Instant};

/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something.
///
/// # Panics
/// When there is nothing in time; `last` is what was seen.
pub fn eventually<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) => assert!(begun.elapsed() < PATIENCE, "{last}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
