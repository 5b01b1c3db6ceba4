//! Short-lived tokens bought with a key: JSON Web Tokens (RFC 7519) with HS256 under the key ring. A token names its
//! credential, so it stops the moment the credential does.
//!
//! The header is fixed but for the name of the ring's entry, and is compared byte for byte: there is no algorithm to
//! choose (T6).

use serde::{Deserialize, Serialize};

use crate::seal::Keyring;
use crate::time::UnixMs;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenUse {
    /// Calls.
    Access,
    /// New tokens.
    Refresh,
}

/// What a token says. All of it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenClaims {
    /// The credential's key id.
    pub sub: String,
    /// The product it is for.
    pub aud: String,
    /// What it is for.
    #[serde(rename = "use")]
    pub token_use: TokenUse,
    /// Issued at. UNIX seconds.
    pub iat: i64,
    /// Ends at; refused from then on. UNIX seconds.
    pub exp: i64,
}

impl TokenClaims {
    /// Whether the token has ended.
    pub fn has_ended(&self, now: UnixMs) -> bool {
        now.seconds() >= self.exp
    }
}

/// Longest token accepted. Bytes.
const TOKEN_BYTES_MAX: usize = 1024;

const BASE64URL: data_encoding::Encoding = data_encoding::BASE64URL_NOPAD;

fn header(ring_key: &str) -> String {
    BASE64URL.encode(format!(r#"{{"alg":"HS256","kid":"{ring_key}","typ":"JWT"}}"#).as_bytes())
}

/// Signs a token.
pub fn mint(keyring: &Keyring, claims: &TokenClaims) -> String {
    let ring_key = keyring.names().next().unwrap_or_default();
    let payload = serde_json::to_vec(claims).expect("claims are plain text and numbers");
    let signed = format!("{}.{}", header(ring_key), BASE64URL.encode(&payload));
    let (_, mac) = keyring.token_mac(signed.as_bytes());
    format!("{signed}.{}", BASE64URL.encode(&mac))
}

/// Reads a token that this ring signed; `None` for anything else. The caller checks product, use and end.
pub fn read(keyring: &Keyring, text: &[u8]) -> Option<TokenClaims> {
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let (signed, mac) = text.rsplit_once('.')?;
    let (head, payload) = signed.split_once('.')?;
    let mac = BASE64URL.decode(mac.as_bytes()).ok()?;
    let ring_key = keyring.names().find(|name| header(name) == head)?;
    if !keyring.token_is_ours(ring_key, signed.as_bytes(), &mac) {
        return None;
    }
    serde_json::from_slice(&BASE64URL.decode(payload.as_bytes()).ok()?).ok()
}
