//! `Content-Digest` (RFC 9530 section 2): the field by which a signature over header fields reaches the body.

use aws_lc_rs::digest::{self, SHA256, SHA512};
use data_encoding::BASE64;
use sfv::KeyRef;

use super::fields;
use crate::request::RequestView;

/// Longest `Content-Digest` field, all lines joined. Bytes. SHA-256 and SHA-512 together take 160.
pub const CONTENT_DIGEST_BYTES_MAX: usize = 1024;

/// Why `Content-Digest` does not vouch for the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is a body but no `Content-Digest`.
    #[error("the body has no Content-Digest")]
    Missing,
    /// The field is longer than [`CONTENT_DIGEST_BYTES_MAX`].
    #[error("Content-Digest is longer than {CONTENT_DIGEST_BYTES_MAX} bytes")]
    TooLong,
    /// Not a dictionary of byte sequences without parameters, in canonical base 64 (RFC 9530 section 2).
    #[error("Content-Digest is no dictionary of byte sequences")]
    Syntax,
    /// An algorithm is listed twice. RFC 9651 would let the last one win.
    #[error("Content-Digest lists an algorithm twice")]
    Repeated,
    /// Neither `sha-256` nor `sha-512` is listed.
    #[error("Content-Digest has neither sha-256 nor sha-512")]
    NoKnownAlgorithm,
    /// A listed digest is not the body's.
    #[error("Content-Digest is not the digest of the body")]
    Mismatch,
}

/// Whether `Content-Digest` vouches for the body as received (RFC 9530 section 2, T5).
///
/// Every `sha-256` and `sha-512` listed must match, and there must be one of them; other algorithms are ignored but
/// must be well-formed. A request without a body needs no field; if it has one, the digest must be that of nothing.
///
/// # Errors
/// A [`DigestError`] that names the first fault.
pub fn check_content_digest(view: &RequestView<'_>) -> Result<(), DigestError> {
    let Some(field) = fields::joined(view, "content-digest") else {
        return if view.body.is_empty() { Ok(()) } else { Err(DigestError::Missing) };
    };
    if field.len() > CONTENT_DIGEST_BYTES_MAX {
        return Err(DigestError::TooLong);
    }
    let listed = parse(&field)?;
    let mut n_known = 0;
    for (algorithm, expected) in &listed {
        let actual = match *algorithm {
            "sha-256" => digest::digest(&SHA256, view.body),
            "sha-512" => digest::digest(&SHA512, view.body),
            _ => continue,
        };
        n_known += 1;
        // The digest of a body that the sender knows is no secret; the time of this comparison tells nothing.
        if actual.as_ref() != expected.as_slice() {
            return Err(DigestError::Mismatch);
        }
    }
    if n_known == 0 { Err(DigestError::NoKnownAlgorithm) } else { Ok(()) }
}

/// The `Content-Digest` value for a body: `sha-256` alone (RFC 9530 section 2).
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(digest::digest(&SHA256, body).as_ref()))
}

/// Splits the field by hand instead of with `sfv`: without strings and parameters, which RFC 9530 has no use for here,
/// a comma always separates members, and the base 64 can be held to its canonical spelling.
fn parse(field: &[u8]) -> Result<Vec<(&str, Vec<u8>)>, DigestError> {
    let text = std::str::from_utf8(field).map_err(|_| DigestError::Syntax)?;
    let mut listed: Vec<(&str, Vec<u8>)> = Vec::new();
    for member in text.split(',') {
        let (algorithm, value) = member.trim_matches([' ', '\t']).split_once('=').ok_or(DigestError::Syntax)?;
        KeyRef::from_str(algorithm).map_err(|_| DigestError::Syntax)?;
        let encoded = value.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).ok_or(DigestError::Syntax)?;
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| DigestError::Syntax)?;
        if listed.iter().any(|(earlier, _)| *earlier == algorithm) {
            return Err(DigestError::Repeated);
        }
        listed.push((algorithm, bytes));
    }
    Ok(listed)
}
