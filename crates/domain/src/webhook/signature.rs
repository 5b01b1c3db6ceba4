//! How a delivery is signed: which bytes, with which key, in which spelling and header. Vectors of each vendor, and
//! Standard Webhooks 1.0 (standardwebhooks.com), are in the tests.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde::Deserialize;

use crate::dialect::recipe::{Digest, Encoding};
use crate::secret::{SecretBytes, SecretText};

/// One piece of the signed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The body, byte for byte as it is sent.
    Body,
    /// The UNIX time of the try in seconds, as it stands in its header.
    Timestamp,
    /// The event's id, as it stands in its header.
    Id,
    /// These characters.
    Literal(String),
}

/// What of a secret's text is the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyText {
    /// Its bytes as they stand.
    #[default]
    Plain,
    /// The bytes that the base 64 behind `whsec_` stands for (Standard Webhooks 1.0).
    Whsec,
}

/// What a secret of Standard Webhooks begins with.
pub const WHSEC: &str = "whsec_";
/// What the private and the public half of a key pair of Standard Webhooks begin with.
const WHSK: &str = "whsk_";
const WHPK: &str = "whpk_";
/// A private key (RFC 8032 section 5.1.5). Bytes.
pub const SEED_BYTES: usize = 32;

/// What signs for an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A secret that both sides have.
    #[default]
    Hmac,
    /// A key pair whose private half never leaves Keymint.
    Ed25519,
}

impl Kind {
    /// The name in the store and in the management API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hmac, Self::Ed25519].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The text of a private key: `whsk_` and base 64.
pub fn private_key(seed: &SecretBytes) -> SecretText {
    SecretText::new(format!("{WHSK}{}", data_encoding::BASE64.encode(seed.expose())))
}

/// The public key of a private one, `whpk_` and base 64; nothing where the text is no private key.
pub fn public_key(secret: &SecretText) -> Option<String> {
    let pair = key_pair(secret)?;
    Some(format!("{WHPK}{}", data_encoding::BASE64.encode(pair.public_key().as_ref())))
}

fn key_pair(secret: &SecretText) -> Option<Ed25519KeyPair> {
    let text = secret.expose().strip_prefix(WHSK)?;
    let seed = SecretBytes::new(data_encoding::BASE64.decode(text.as_bytes()).ok()?);
    Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok()
}

/// The `[webhooks.signing]` table of a dialect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signing {
    /// The header with the signature, or with several, one space between them.
    pub header: Box<str>,
    /// The signed bytes, in order.
    pub parts: Vec<Part>,
    /// The keyed digest.
    pub digest: Digest,
    /// Its spelling.
    pub encoding: Encoding,
    /// What stands before each signature: `v1,`.
    #[serde(default)]
    pub prefix: Box<str>,
    /// What stands before each signature of a key pair: `v1a,`. Without it endpoints cannot ask for Ed25519.
    #[serde(default)]
    pub ed25519_prefix: Option<Box<str>>,
    /// What of a secret's text is the key.
    #[serde(default)]
    pub key: KeyText,
    /// How long an old secret may go on signing beside its successor; 0: an event is signed with the secret that was there
    /// when it happened, on each try. Seconds.
    #[serde(default)]
    pub overlap_seconds_max: u32,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The event's id.
    pub id: &'a str,
    /// The UNIX time of the try in seconds.
    pub timestamp: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Signing {
    /// The key that a secret's text stands for; nothing where it stands for none, or for an empty one (T7).
    pub fn key_of(&self, secret: &SecretText) -> Option<hmac::Key> {
        let text = secret.expose();
        let bytes = match self.key {
            KeyText::Plain => text.as_bytes().to_vec(),
            KeyText::Whsec => data_encoding::BASE64.decode(text.strip_prefix(WHSEC)?.as_bytes()).ok()?,
        };
        (!bytes.is_empty()).then(|| hmac::Key::new(self.digest.algorithm(), &bytes))
    }

    /// The header's value: one signature for each secret. Nothing where no secret is a key.
    pub fn sign(&self, signed: Signed<'_>, secrets: &[SecretText]) -> Option<String> {
        let signatures: Vec<String> = secrets.iter().filter_map(|secret| self.one(signed, secret)).collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }

    fn one(&self, signed: Signed<'_>, secret: &SecretText) -> Option<String> {
        if let (Some(prefix), Some(pair)) = (&self.ed25519_prefix, key_pair(secret)) {
            return Some(format!("{prefix}{}", self.encoding.write(pair.sign(&self.bytes(signed)).as_ref())));
        }
        let mut context = hmac::Context::with_key(&self.key_of(secret)?);
        for part in &self.parts {
            match part {
                Part::Body => context.update(signed.body),
                Part::Timestamp => context.update(signed.timestamp.as_bytes()),
                Part::Id => context.update(signed.id.as_bytes()),
                Part::Literal(text) => context.update(text.as_bytes()),
            }
        }
        Some(format!("{}{}", self.prefix, self.encoding.write(context.sign().as_ref())))
    }

    fn bytes(&self, signed: Signed<'_>) -> Vec<u8> {
        let piece = |part: &Part| match part {
            Part::Body => signed.body.to_vec(),
            Part::Timestamp => signed.timestamp.as_bytes().to_vec(),
            Part::Id => signed.id.as_bytes().to_vec(),
            Part::Literal(text) => text.clone().into_bytes(),
        };
        self.parts.iter().flat_map(piece).collect()
    }
}
