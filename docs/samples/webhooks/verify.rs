//! Checks the signature of a webhook. Take the function of your product; call it with the body as it came, byte for byte,
//! before you parse it. With the crates `aws-lc-rs` 1 and `data-encoding` 2.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};

const TOLERANCE_SECONDS: i64 = 300;

/// Compares in constant time.
fn is_mac(key: &[u8], parts: &[&[u8]], signature: Option<Vec<u8>>) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    signature.is_some_and(|signature| hmac::verify(&key, &parts.concat(), &signature).is_ok())
}

fn is_fresh(timestamp: &str, now: i64) -> bool {
    let is_plain = timestamp.len() <= 12 && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && timestamp.parse::<i64>().is_ok_and(|at| (now - at).abs() <= TOLERANCE_SECONDS)
}

/// `X-Razorpay-Signature`; the secret is the endpoint's.
pub fn razorpay(secret: &str, signature: &str, body: &[u8]) -> bool {
    !secret.is_empty() && is_mac(secret.as_bytes(), &[body], HEXLOWER.decode(signature.as_bytes()).ok())
}

/// `X-KPAY-Signature`; the secret is the endpoint's.
pub fn kpay(secret: &str, signature: &str, body: &[u8]) -> bool {
    !secret.is_empty() && is_mac(secret.as_bytes(), &[body], HEXLOWER.decode(signature.as_bytes()).ok())
}

/// `X-SIGNATURE` and `X-TIMESTAMP`; the secret is that of your API key.
pub fn kwikpaisa(secret: &str, signature: &str, timestamp: &str, body: &[u8], now: i64) -> bool {
    let signature = HEXLOWER.decode(signature.as_bytes()).ok();
    let is_signed = is_mac(secret.as_bytes(), &[body, timestamp.as_bytes()], signature);
    !secret.is_empty() && is_fresh(timestamp, now) && is_signed
}

/// What stands in the three headers of Standard Webhooks 1.0.
pub struct Headers<'a> {
    /// `webhook-signature`.
    pub signature: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-id`.
    pub id: &'a str,
}

/// The secret is `whsec_…`, or the public key `whpk_…`. While a secret is rolled there are several signatures: one of them is
/// enough.
pub fn keymint(secret: &str, headers: &Headers<'_>, body: &[u8], now: i64) -> bool {
    let Some((kind, text)) = secret.split_once('_') else { return false };
    let Ok(key) = BASE64.decode(text.as_bytes()) else { return false };
    if key.is_empty() || !is_fresh(headers.timestamp, now) {
        return false;
    }
    let head = format!("{}.{}.", headers.id, headers.timestamp);
    headers.signature.split(' ').filter_map(|one| one.split_once(',')).any(|(version, text)| {
        let bytes = BASE64.decode(text.as_bytes()).ok();
        match (kind, version) {
            ("whsec", "v1") => is_mac(&key, &[head.as_bytes(), body], bytes),
            ("whpk", "v1a") => {
                let message = [head.as_bytes(), body].concat();
                let public_key = UnparsedPublicKey::new(&ED25519, &key);
                bytes.is_some_and(|bytes| public_key.verify(&message, &bytes).is_ok())
            }
            _ => false,
        }
    })
}
