//! Recipes: which bytes a signed request's signature covers, with which digest, in which spelling. A recipe is data; the
//! code here only follows it.

use hmac::digest::Output;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Sha256, Sha512};

use crate::json::{Document, Form};
use crate::request::RequestView;
use crate::secret;

/// One piece of the signed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The body: as received, or in one of the canonical forms.
    Body,
    /// The timestamp exactly as it stands in its header.
    Timestamp,
    /// The method in upper case.
    Method,
    /// The path as received.
    Path,
    /// The query as received, without `?`.
    Query,
    /// The key id.
    KeyId,
    /// These characters.
    Literal(String),
}

/// The keyed digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Digest {
    /// RFC 2104 with SHA-256.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// RFC 2104 with SHA-512.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
}

impl Digest {
    /// The algorithm as the library names it.
    pub fn algorithm(self) -> aws_lc_rs::hmac::Algorithm {
        match self {
            Self::HmacSha256 => aws_lc_rs::hmac::HMAC_SHA256,
            Self::HmacSha512 => aws_lc_rs::hmac::HMAC_SHA512,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha512 => 64,
        }
    }
}

/// How the digest is spelled on the wire. Only the canonical spelling is accepted (T10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Padded standard base 64 (RFC 4648 section 4).
    Base64,
}

impl Encoding {
    /// Spells a digest.
    pub fn write(self, digest: &[u8]) -> String {
        match self {
            Self::Hex => data_encoding::HEXLOWER.encode(digest),
            Self::Base64 => data_encoding::BASE64.encode(digest),
        }
    }
}

/// What is signed, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The signed bytes, in order, without separators other than the literal ones.
    pub parts: Vec<Part>,
    /// The keyed digest.
    pub digest: Digest,
    /// Its spelling.
    pub encoding: Encoding,
    /// A body above this is checked as received only: canonical JSON costs more than the request itself. Bytes.
    pub canonical_bytes_max: usize,
    /// The JSON forms tried when the bytes as received do not match, in this order. At most 12.
    pub forms: Vec<Form>,
}

/// Most forms a recipe may list: what a wrong signature can cost is this many digests of the body.
pub const FORMS_MAX: usize = 12;

/// The parts of one request that a recipe picks from.
#[derive(Clone, Copy)]
pub struct Ingredients<'a> {
    /// The request.
    pub view: &'a RequestView<'a>,
    /// The timestamp's text.
    pub timestamp: &'a str,
    /// The key id's text.
    pub key_id: &'a str,
}

impl Recipe {
    /// Whether a signature made for one path is tied to it. Where it is not, a spent signature is spent everywhere.
    pub fn covers_target(&self) -> bool {
        self.parts.contains(&Part::Method) && self.parts.contains(&Part::Path) && self.parts.contains(&Part::Query)
    }

    /// Decodes a signature from the wire; `None` when it is not the canonical spelling of a whole digest.
    pub fn decode(&self, text: &[u8]) -> Option<Vec<u8>> {
        let bytes = match self.encoding {
            Encoding::Hex => data_encoding::HEXLOWER.decode(text).ok()?,
            Encoding::Base64 => data_encoding::BASE64.decode(text).ok()?,
        };
        (bytes.len() == self.digest.bytes()).then_some(bytes)
    }

    /// Whether `signature` is the digest of the bytes as received, or of one of the accepted forms. Every comparison is
    /// in constant time and over the full length. An empty secret never verifies (T7).
    pub fn verify(&self, ingredients: Ingredients<'_>, key: &[u8], signature: &[u8]) -> bool {
        if key.is_empty() || signature.len() != self.digest.bytes() {
            return false;
        }
        match self.digest {
            Digest::HmacSha256 => self.verify_with(&keyed::<Hmac<Sha256>>(key), ingredients, signature),
            Digest::HmacSha512 => self.verify_with(&keyed::<Hmac<Sha512>>(key), ingredients, signature),
        }
    }

    fn verify_with<M: Mac + Clone>(&self, key: &M, ingredients: Ingredients<'_>, signature: &[u8]) -> bool {
        let body = ingredients.view.body;
        let is_of = |body: &[u8]| secret::equal(&self.tag(ingredients, key.clone(), body), signature);
        if is_of(body) {
            return true;
        }
        if self.forms.is_empty() || body.len() > self.canonical_bytes_max {
            return false;
        }
        let Ok(document) = Document::parse(body) else { return false };
        let mut canonical = Vec::with_capacity(body.len() + body.len() / 4);
        self.forms.iter().any(|form| {
            canonical.clear();
            document.write(form, &mut canonical);
            is_of(&canonical)
        })
    }

    /// The signature of the bytes as given, spelled for the wire: what our own client sends.
    pub fn sign(&self, ingredients: Ingredients<'_>, key: &[u8]) -> String {
        let body = ingredients.view.body;
        match self.digest {
            Digest::HmacSha256 => self.encoding.write(&self.tag(ingredients, keyed::<Hmac<Sha256>>(key), body)),
            Digest::HmacSha512 => self.encoding.write(&self.tag(ingredients, keyed::<Hmac<Sha512>>(key), body)),
        }
    }

    fn tag<M: Mac>(&self, ingredients: Ingredients<'_>, mut mac: M, body: &[u8]) -> Output<M> {
        for part in &self.parts {
            match part {
                Part::Body => mac.update(body),
                Part::Timestamp => mac.update(ingredients.timestamp.as_bytes()),
                Part::Method => mac.update(ingredients.view.method.as_bytes()),
                Part::Path => mac.update(ingredients.view.path().as_bytes()),
                Part::Query => mac.update(ingredients.view.query().unwrap_or_default().as_bytes()),
                Part::KeyId => mac.update(ingredients.key_id.as_bytes()),
                Part::Literal(text) => mac.update(text.as_bytes()),
            }
        }
        mac.finalize().into_bytes()
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104 section 2)")
}
