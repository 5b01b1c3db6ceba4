//! Typed ids: one kind each, a prefix and 26 characters (48 bits of time, 80 random bits, Crockford base 32 in lower case).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::entropy::{Entropy, EntropyError};
use crate::time::UnixMs;

/// The text is not an id of the wanted kind.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not an id of the form {prefix}… (26 characters after the prefix)")]
pub struct IdError {
    /// The prefix that ids of the wanted kind have.
    pub prefix: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LENGTH: usize = 26;

fn encode(value: u128) -> [u8; TEXT_LENGTH] {
    let (mut text, mut rest) = ([b'0'; TEXT_LENGTH], value);
    for character in text.iter_mut().rev() {
        let digit = usize::try_from(rest & 31).unwrap_or(0);
        *character = ALPHABET.get(digit).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != TEXT_LENGTH || !text.starts_with(|first: char| ('0'..='7').contains(&first)) {
        return None;
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = ALPHABET.iter().position(|character| *character == byte)?;
        Some((value << 5) | u128::try_from(digit).ok()?)
    })
}

/// Makes the 128 bits of a new id.
fn fresh(now: UnixMs, entropy: &dyn Entropy) -> Result<u128, EntropyError> {
    let mut random = [0_u8; 16];
    entropy.fill(&mut random)?;
    Ok(time_bits(now) | (u128::from_be_bytes(random) >> 48))
}

/// The moment, where it stands in an id.
fn time_bits(moment: UnixMs) -> u128 {
    (u128::try_from(moment.0).unwrap_or(0) & 0xffff_ffff_ffff) << 80
}

macro_rules! id_kind {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a new id.
            ///
            /// # Errors
            /// `EntropyError` when the source of randomness fails.
            pub fn fresh(now: UnixMs, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
                Ok(Self(fresh(now, entropy)?))
            }

            /// The first id of a moment: those that were made before it are less, as texts too.
            pub fn first_of(moment: UnixMs) -> Self {
                Self(time_bits(moment))
            }

            /// The 128 bits behind the text.
            pub fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&encode(self.0)).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or(IdError { prefix: $prefix })
            }
        }
    };
}

id_kind!(/** A merchant: the tenant. */ MerchantId, "mer_");
id_kind!(/** An app: a merchant's registered application of one product. */ AppId, "app_");
id_kind!(/** A credential's row; the public name of a credential is its `KeyId`. */ CredentialId, "crd_");
id_kind!(/** An entry of the audit log. */ AuditId, "aud_");
id_kind!(/** An event: something that happened. */ EventId, "evt_");
id_kind!(/** A token of the management API. */ TokenId, "tok_");
id_kind!(/** A person with an account. */ UserId, "usr_");
id_kind!(/** A sign-in on one device. */ SessionId, "ses_");
id_kind!(/** A challenge that is answered with a code, once. */ ChallengeId, "chl_");
id_kind!(/** A passkey of a person. */ PasskeyId, "psk_");
id_kind!(/** An invitation to a merchant's team. */ InvitationId, "inv_");
id_kind!(/** A role that a merchant has made. */ RoleId, "rol_");
id_kind!(/** A mail or a text message that goes out. */ LetterId, "ltr_");
id_kind!(/** A merchant's URL that events are sent to. */ EndpointId, "whe_");
id_kind!(/** One event for one endpoint. */ DeliveryId, "dlv_");
id_kind!(/** One request, for support and logs. */ RequestId, "req_");
id_kind!(/** The receipt of a revocation. */ ReceiptId, "rcp_");

impl RequestId {
    /// The id of a request by a number that its maker never repeats. Request ids are names, not secrets, so the gateway
    /// counts instead of drawing random bytes for each.
    pub fn numbered(now: UnixMs, number: u128) -> Self {
        Self(time_bits(now) | (number & 0xffff_ffff_ffff_ffff_ffff))
    }

    /// The text as bytes, for a header of every answer.
    pub fn to_bytes(self) -> [u8; Self::PREFIX.len() + TEXT_LENGTH] {
        let mut bytes = [0; Self::PREFIX.len() + TEXT_LENGTH];
        let (prefix, text) = bytes.split_at_mut(Self::PREFIX.len());
        prefix.copy_from_slice(Self::PREFIX.as_bytes());
        text.copy_from_slice(&encode(self.0));
        bytes
    }
}
