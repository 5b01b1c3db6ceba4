//! When a signature counts as spent. The memory of spent signatures is the app's; what goes into it is decided here.
//!
//! A signed unsafe request is accepted once within its window. A safe one may be repeated: two equal GETs in one second
//! are two requests. Where the recipe does not tie a signature to method and path, a signature seen on a safe request
//! cannot be spent on an unsafe one, nor the reverse: whoever overheard one cannot turn it into the other (T25).

use crate::dialect::ReplayRule;
use crate::request::RequestView;
use crate::scheme::{Claim, Proof};

/// How a signature is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// By an unsafe request: accepted once.
    Unsafe,
    /// By a safe request of a recipe that does not tie it to method and path: accepted again for safe requests only.
    Safe,
}

/// A signature to be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// The first 128 bits of the signature: a keyed digest that was found right, so as good as random to all but the
    /// holder of the key, who could only spend its own twice.
    pub fingerprint: [u8; 16],
    /// The key id in 64 bits: memory is bounded per key. Two keys that meet here would share one bound and nothing else,
    /// and nobody chooses a key id.
    pub key: u64,
    /// The signed timestamp. UNIX seconds.
    pub seconds: i64,
    /// How it is used.
    pub how: Use,
}

impl Spend {
    /// What a request whose proof was right spends; `None` when it may be repeated freely.
    pub fn of(view: &RequestView<'_>, claim: &Claim<'_>) -> Option<Self> {
        let (signature, seconds, is_tied, rule) = match &claim.proof {
            Proof::Signed { signature, seconds, signed, .. } => {
                (signature.as_slice(), *seconds, signed.recipe.covers_target(), signed.replay)
            }
            Proof::Message { input, seconds, replay } => (input.signature(), *seconds, true, *replay),
            Proof::Secret(_) | Proof::Token(_) | Proof::PublicKey => return None,
        };
        if rule == ReplayRule::Window {
            return None;
        }
        let how = match (view.is_safe(), is_tied) {
            (false, _) => Use::Unsafe,
            (true, false) => Use::Safe,
            (true, true) => return None,
        };
        // None is shorter; those that were would all be one, so the second is refused.
        let fingerprint = signature.first_chunk().copied().unwrap_or_default();
        Some(Self { fingerprint, key: fnv_1a(claim.key_id.as_bytes()), seconds, how })
    }
}

/// FNV-1a of 64 bits (RFC 9923 section 2): the same in every release, because the journal of spent signatures holds it.
fn fnv_1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_has_the_published_fnv_1a() {
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
