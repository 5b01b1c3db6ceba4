//! How a delivery is signed: which bytes, with which key, in which spelling and header. Vectors of each vendor, and
//! Standard Webhooks 1.0 (standardwebhooks.com), are in the tests.

use aws_lc_rs::hmac;
use serde::Deserialize;

use crate::dialect::recipe::{Digest, Encoding};
use crate::secret::SecretText;

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
}
