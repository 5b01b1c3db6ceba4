//! Tries that may be guesses, counted by what is guessed and where it comes from. In memory and bounded: what falls out
//! was not of use for longest.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::digest;
use keymint_domain::time::UnixMs;
use quick_cache::sync::Cache;

/// Subjects that are remembered.
const SUBJECTS_MAX: usize = 100_000;
/// How long tries are remembered. Milliseconds.
const MEMORY_MS: i64 = 30 * 60 * 1000;

/// The counts, by the digest of their subject.
pub struct Tries(Cache<[u8; 32], Arc<Count>>);

struct Count {
    tries: AtomicU32,
    since: UnixMs,
}

impl Default for Tries {
    fn default() -> Self {
        Self(Cache::new(SUBJECTS_MAX))
    }
}

fn key(subject: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, subject.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

impl Tries {
    /// Counts one more, before it is looked at: tries at the same time do not hide each other. How many it makes.
    pub fn count(&self, subject: &str, now: UnixMs) -> u32 {
        let key = key(subject);
        let fresh = || Arc::new(Count { tries: AtomicU32::new(0), since: now });
        let kept =
            self.0.get_or_insert_with(&key, || Ok::<_, Infallible>(fresh())).unwrap_or_else(|never| match never {});
        let count = if now.0 - kept.since.0 < MEMORY_MS {
            kept
        } else {
            let fresh = fresh();
            self.0.insert(key, Arc::clone(&fresh));
            fresh
        };
        count.tries.fetch_add(1, Ordering::AcqRel).saturating_add(1)
    }

    /// None any more: the last one was right.
    pub fn forget(&self, subject: &str) {
        self.0.remove(&key(subject));
    }
}
