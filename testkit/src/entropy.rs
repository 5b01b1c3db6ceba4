//! Random bytes that are the same in every run, and run out when a test says so. Good for tests alone: whoever knows the
//! seed knows every secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keymint_domain::entropy::{Entropy, EntropyError};

/// A generator from a seed; no two draws of one generator give the same bytes.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
    fills_left: AtomicU64,
}

/// SplitMix64 (Steele, Lea and Flood 2014): a permutation of the 64-bit numbers.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl SeededEntropy {
    /// A generator that never runs out.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed: mix(seed), drawn: AtomicU64::new(0), fills_left: AtomicU64::new(u64::MAX) })
    }

    /// From now on gives bytes so many times, and fails after that.
    pub fn fail_after(&self, fills: u64) {
        self.fills_left.store(fills, Ordering::SeqCst);
    }

    /// Eight bytes as a number.
    pub fn number(&self) -> u64 {
        mix(self.seed.wrapping_add(self.drawn.fetch_add(1, Ordering::SeqCst)))
    }

    /// A number below `end`, which is not 0. Not quite even, which no test minds.
    pub fn below(&self, end: u64) -> u64 {
        self.number() % end
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        let take = |left: u64| (left == u64::MAX).then_some(left).or_else(|| left.checked_sub(1));
        self.fills_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).map_err(|_| EntropyError)?;
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.number().to_be_bytes();
            chunk.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}
