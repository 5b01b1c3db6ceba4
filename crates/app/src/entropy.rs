//! Random bytes from the operating system. There is no fallback: without them nothing is issued (T15).

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use keymint_domain::entropy::{Entropy, EntropyError};

/// The operating system's source.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        self.0.fill(buffer).map_err(|_| EntropyError)
    }
}
