//! How much of a merchant's is on its way upstream at once, so that one that is slow or many cannot take every connection
//! from the rest.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keymint_domain::mode::Mode;
use keymint_domain::verify::Candidate;
use quick_cache::sync::Cache;

/// Merchants that are counted at once; about 100 bytes each. One that falls out is counted from nothing again.
const MERCHANTS_MAX: usize = 100_000;

/// All counts of this process.
pub struct AtOnce {
    counts: Cache<u128, Arc<AtomicUsize>>,
    requests_max: usize,
}

/// A merchant's place for one request; given back when dropped.
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AtOnce {
    /// So many requests for each merchant and mode.
    pub fn new(requests_max: usize) -> Self {
        Self { counts: Cache::new(MERCHANTS_MAX), requests_max }
    }

    /// A place for one more request of the candidate's merchant and mode; none while all are taken.
    pub fn enter(&self, candidate: &Candidate) -> Option<Place> {
        let key = (candidate.merchant_id.bits() << 1) ^ u128::from(candidate.mode == Mode::Live);
        let fresh = || Ok::<_, Infallible>(Arc::default());
        let count = self.counts.get_or_insert_with(&key, fresh).unwrap_or_else(|never| match never {});
        let place = Place(count);
        let before = place.0.fetch_add(1, Ordering::Relaxed);
        (before < self.requests_max).then_some(place)
    }
}
