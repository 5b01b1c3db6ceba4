//! When a signature counts as spent. The memory of spent signatures is the app's; what goes into it is decided here.
//!
//! A signed unsafe request is accepted once within its window. A safe one may be repeated: two equal GETs in one second
//! are two requests. Where the recipe does not tie a signature to method and path, a signature seen on a safe request
//! cannot be spent on an unsafe one, nor the reverse: whoever overheard one cannot turn it into the other (T25).

use aws_lc_rs::digest;

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
    /// 128 bits of a digest over key id and signature.
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
        let key = leading_bits(&[claim.key_id.as_bytes()]);
        let fingerprint = leading_bits(&[claim.key_id.as_bytes(), b"\0", signature]);
        Some(Self { fingerprint, key: u64::try_from(key >> 64).unwrap_or(0), seconds, how })
    }
}

/// Most bytes that are gathered to be digested in one go, which is quicker than piece by piece.
const GATHERED_BYTES_MAX: usize = 192;

fn leading_bits(parts: &[&[u8]]) -> u128 {
    let mut gathered = [0_u8; GATHERED_BYTES_MAX];
    let digest = match gather(parts, &mut gathered) {
        Some(bytes) => digest::digest(&digest::SHA256, bytes),
        None => {
            let mut context = digest::Context::new(&digest::SHA256);
            parts.iter().for_each(|part| context.update(part));
            context.finish()
        }
    };
    digest.as_ref().first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

fn gather<'g>(parts: &[&[u8]], gathered: &'g mut [u8]) -> Option<&'g [u8]> {
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        gathered.get_mut(length..end)?.copy_from_slice(part);
        length = end;
    }
    gathered.get(..length)
}
