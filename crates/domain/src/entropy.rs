//! Random bytes as an argument. The one real source is the operating system's, in `keymint-app`; there is no fallback.

use thiserror::Error;

/// The operating system gave no random bytes. Whoever sees it must issue nothing (T15).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError;

/// A source of random bytes fit for secrets.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// `EntropyError` when the source fails; the buffer's content is then unspecified and must not be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// Draws `length` characters of `alphabet`, each equally likely (rejection sampling, no modulo bias).
///
/// `alphabet` holds 2 to 256 ASCII characters.
///
/// # Errors
/// `EntropyError` when the source fails.
pub fn draw_text(entropy: &dyn Entropy, alphabet: &[u8], length: usize) -> Result<String, EntropyError> {
    let count = alphabet.len().clamp(1, 256);
    let limit = 256 - 256 % count;
    let mut text = String::with_capacity(length);
    let mut pool = zeroize::Zeroizing::new([0_u8; 64]);
    while text.len() < length {
        entropy.fill(pool.as_mut_slice())?;
        for byte in pool.iter() {
            let index = usize::from(*byte);
            if text.len() < length && index < limit {
                text.extend(alphabet.get(index % count).map(|character| char::from(*character)));
            }
        }
    }
    Ok(text)
}
