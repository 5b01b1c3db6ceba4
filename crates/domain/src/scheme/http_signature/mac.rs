//! The one algorithm for credentials: `hmac-sha256` (RFC 9421 section 3.3.3). Nothing here is chosen by a request.

use aws_lc_rs::hmac;

/// Shortest key that signs or verifies, in bytes. RFC 2104 section 3 discourages keys shorter than the digest; half of
/// it still is 128 bits, and the keys that Keymint issues are longer.
pub const KEY_BYTES_MIN: usize = 16;

/// The key is shorter than [`KEY_BYTES_MIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is shorter than {KEY_BYTES_MIN} bytes")]
pub struct KeyTooShort;

/// Whether `signature` is the whole HMAC-SHA-256 of `base` under `key` (RFC 9421 section 3.3.3). Compares in constant
/// time. False for a truncated signature (T1) and for a key shorter than [`KEY_BYTES_MIN`] (T7).
pub fn verify_hmac(base: &[u8], key: &[u8], signature: &[u8]) -> bool {
    if key.len() < KEY_BYTES_MIN {
        return false;
    }
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), base, signature).is_ok()
}

/// The HMAC-SHA-256 of `base` under `key`: 32 bytes, for the `Signature` field (RFC 9421 section 3.3.3).
///
/// # Errors
/// [`KeyTooShort`] when the key has fewer than [`KEY_BYTES_MIN`] bytes; such a signature would never verify.
pub fn sign_hmac(base: &[u8], key: &[u8]) -> Result<Vec<u8>, KeyTooShort> {
    if key.len() < KEY_BYTES_MIN {
        return Err(KeyTooShort);
    }
    Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), base).as_ref().to_vec())
}
