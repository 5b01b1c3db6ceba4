//! Identity tokens: what an upstream is told of a request's credential, signed, so that it need not trust the network in
//! between. JSON Web Signatures (RFC 7515) with Ed25519 (RFC 8037), under keys that are derived from the ring: every node
//! with the ring signs alike, and nothing is stored.
//!
//! A token says whose a request is and for which service, and nothing of the request itself; it lives a minute.

use std::fmt::Write as _;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde::Serialize;

use crate::digest;
use crate::seal::Keyring;
use crate::time::UnixMs;
use crate::verify::Candidate;

/// How long a token lives. Seconds.
pub const LIFE_SECONDS: i64 = 60;
/// Who signs.
pub const ISSUER: &str = "keymint";

const BASE64URL: data_encoding::Encoding = data_encoding::BASE64URL_NOPAD;

/// What a token says.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    /// The key id.
    sub: &'a str,
    merchant_id: String,
    app_id: String,
    mode: &'a str,
    scopes: &'a [Box<str>],
    iat: i64,
    exp: i64,
}

/// A key that signs identity tokens.
pub struct IdentityKey {
    pair: Ed25519KeyPair,
    /// The public half in base 64.
    x: String,
    /// Its thumbprint (RFC 7638): the name under which it is published.
    kid: String,
}

impl IdentityKey {
    /// The key of a seed of 32 bytes; `None` for any other length.
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let x = BASE64URL.encode(pair.public_key().as_ref());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = BASE64URL.encode(&digest::sha256(&[canonical.as_bytes()]));
        Some(Self { pair, x, kid })
    }

    /// The name under which it is published.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A compact JWS over header and payload as given.
    fn sign(&self, header: &str, payload: &[u8]) -> String {
        let mut token = format!("{}.{}", BASE64URL.encode(header.as_bytes()), BASE64URL.encode(payload));
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        token.push_str(&BASE64URL.encode(signature.as_ref()));
        token
    }
}

/// A token and its end.
pub struct IdentityToken {
    /// The token.
    pub text: String,
    /// When it ends.
    pub ends_at: UnixMs,
}

/// Signs who a credential's requests are from. It ends with the credential, where that is known to come first.
pub fn mint(keyring: &Keyring, candidate: &Candidate, audience: &str, now: UnixMs) -> IdentityToken {
    let key = keyring.identity_key();
    let ends_at = now.plus_seconds(LIFE_SECONDS);
    let ends_at = candidate.ends_at().map_or(ends_at, |end| end.min(ends_at));
    let claims = Claims {
        iss: ISSUER,
        aud: audience,
        sub: &candidate.key_id,
        merchant_id: candidate.merchant_id.to_string(),
        app_id: candidate.app_id.to_string(),
        mode: candidate.mode.as_str(),
        scopes: candidate.restrictions.as_deref().map_or(&[], |restrictions| &restrictions.scopes),
        iat: now.seconds(),
        exp: ends_at.seconds(),
    };
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"JWT"}}"#, key.kid);
    let payload = serde_json::to_vec(&claims).expect("claims are plain text and numbers");
    IdentityToken { text: key.sign(&header, &payload), ends_at }
}

/// The public keys of the ring as a JSON Web Key Set (RFC 7517), current first: retired ones may have signed what is
/// still on its way.
pub fn key_set(keyring: &Keyring) -> String {
    let mut set = String::from(r#"{"keys":["#);
    for (index, key) in keyring.identity_keys().enumerate() {
        let IdentityKey { x, kid, .. } = key;
        let comma = if index > 0 { "," } else { "" };
        // Writing to a `String` never fails.
        let _ =
            write!(set, r#"{comma}{{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"{kid}","x":"{x}"}}"#);
    }
    set.push_str("]}");
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A: its key, thumbprint and signature.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let seed = BASE64URL.decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base 64");
        let key = IdentityKey::from_seed(&seed).expect("a key");
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(
            key.sign(r#"{"alg":"EdDSA"}"#, b"Example of Ed25519 signing"),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhi\
             jcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn a_seed_of_another_length_is_no_key() {
        for length in [0, 31, 33, 64] {
            assert!(IdentityKey::from_seed(&vec![1; length]).is_none(), "{length}");
        }
    }
}
