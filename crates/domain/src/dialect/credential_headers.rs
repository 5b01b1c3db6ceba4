//! The headers in which credentials stand, and what each of them says: worked out once for a dialect, asked for with every
//! header of every request.

use super::{Placement, Public, Scheme, SchemeKind};

/// Headers that carry credentials in some dialect. None may stand twice in any (T8).
pub const CREDENTIAL_HEADERS: [&str; 7] =
    ["authorization", "x-api-key", "x-secret-key", "x-signature", "x-timestamp", "signature", "signature-input"];

/// The proofs that name their key themselves: `Authorization`, a message signature and a public key. A header beside them that
/// names one is of another scheme.
pub const SELF_CONTAINED: u64 = 1 | 8 | 16;

/// What a header with credentials says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// A bit of its own.
    pub bit: u64,
    /// The bit of the proof that it is part of: `Authorization`, a secret in a header, a signature, a message signature, a
    /// public key; at most one may be there. 0 for what only names the key or the time: it belongs to the proof beside it.
    pub proof: u64,
    /// Whether it only names the key, for a secret or a signature in a header beside it.
    pub names_key: bool,
}

/// The headers with credentials of a dialect, by their names.
#[derive(Clone, Debug)]
pub struct CredentialHeaders {
    roles: Vec<(Box<str>, Role)>,
    /// A bit for each length that a name has: most headers of a request are as long as none.
    lengths: u64,
}

impl CredentialHeaders {
    /// Those of every dialect, and `extra`, which only this one has. `None` when they are too many for each to find a bit.
    pub fn of(extra: &[Box<str>], schemes: &[Scheme], public: Option<&Public>) -> Option<Self> {
        let names = CREDENTIAL_HEADERS.into_iter().chain(extra.iter().map(|name| &**name));
        let roles = names.enumerate().map(|(position, name)| {
            let proof = match name {
                "authorization" => 1,
                "x-secret-key" => 2,
                "x-signature" => 4,
                "signature" | "signature-input" => 8,
                name if public.and_then(|public| public.header.as_deref()) == Some(name) => 16,
                name if position >= CREDENTIAL_HEADERS.len() && proves(schemes, name) => bit(position - 2)?,
                _ => 0,
            };
            let names_key = name == "x-api-key" || names_key(schemes, name);
            Some((name.into(), Role { bit: bit(position)?, proof, names_key }))
        });
        let roles = roles.collect::<Option<Vec<(Box<str>, Role)>>>()?;
        let lengths = roles.iter().fold(0, |lengths, (name, _)| lengths | length_bit(name));
        Some(Self { roles, lengths })
    }

    /// What a header says; `None` when it holds no credentials. `name` is in small letters.
    pub fn role(&self, name: &str) -> Option<Role> {
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        self.roles.iter().find(|(known, _)| **known == *name).map(|(_, role)| *role)
    }
}

fn bit(position: usize) -> Option<u64> {
    1_u64.checked_shl(u32::try_from(position).ok()?)
}

/// The longest share one.
fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
}

fn names_key(schemes: &[Scheme], name: &str) -> bool {
    schemes.iter().any(|scheme| match &scheme.kind {
        SchemeKind::KeyPair { key_id_header, .. } => **key_id_header == *name,
        SchemeKind::Signed(signed) => {
            matches!(&signed.placement, Placement::Headers { key_id, .. } if **key_id == *name)
        }
        SchemeKind::Basic | SchemeKind::Bearer | SchemeKind::TokenExchange(_) | SchemeKind::MessageSignature { .. } => {
            false
        }
    })
}

/// Whether a header holds the secret or the signature of some scheme.
fn proves(schemes: &[Scheme], name: &str) -> bool {
    schemes.iter().any(|scheme| match &scheme.kind {
        SchemeKind::KeyPair { secret_header, .. } => **secret_header == *name,
        SchemeKind::Signed(signed) => match &signed.placement {
            Placement::Headers { signature, .. } => **signature == *name,
            Placement::Packed { header } => **header == *name,
        },
        SchemeKind::Basic | SchemeKind::Bearer | SchemeKind::TokenExchange(_) | SchemeKind::MessageSignature { .. } => {
            false
        }
    })
}
