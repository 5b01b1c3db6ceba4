//! When a signature counts as spent. The memory of spent signatures is the app's; what goes into it is decided here.
//!
//! A signed unsafe request is accepted once within its window. A safe one may be repeated: two equal GETs in one second
//! are two requests. Where the recipe does not tie a signature to method and path, a signature seen on a safe request
//! cannot be spent on an unsafe one, nor the reverse: whoever overheard one cannot turn it into the other (T25).

use crate::dialect::ReplayRule;
use crate::digest;
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
    pub fingerprint: u128,
    /// 64 bits of a digest over the key id: memory is bounded per key.
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
        let fingerprint = signature.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
        let key = digest::sha256(&[claim.key_id.as_bytes()]);
        let key = key.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Some(Self { fingerprint, key, seconds, how })
    }
}
