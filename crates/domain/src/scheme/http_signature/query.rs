//! `@query-param` (RFC 9421 section 2.2.8): one parameter of a form-encoded query, decoded and encoded again so that
//! `+` and `%20` sign alike. Stricter than the URL standard where that one guesses.

use super::base::BaseError;

/// The encoded value of the parameter whose encoded name is `name`.
///
/// # Errors
/// [`BaseError::MissingQueryParam`], [`BaseError::RepeatedQueryParam`] (a value would have to be chosen), and
/// [`BaseError::QueryEncoding`] for a `%` without two digits or for bytes that are no UTF-8: the URL standard keeps the
/// one and replaces the others, which gives different queries the same signature base.
pub(super) fn query_param(query: Option<&str>, name: &str) -> Result<String, BaseError> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (pair_name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if recode(pair_name)? == name && found.replace(value).is_some() {
            return Err(BaseError::RepeatedQueryParam);
        }
    }
    recode(found.ok_or(BaseError::MissingQueryParam)?)
}

/// Decodes form encoding, then percent-encodes all but the characters that forms leave alone, a space as `%20`.
fn recode(text: &str) -> Result<String, BaseError> {
    let decoded = String::from_utf8(decode(text)?).map_err(|_| BaseError::QueryEncoding)?;
    let mut encoded = String::with_capacity(text.len());
    for byte in decoded.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(encoded)
}

fn decode(text: &str) -> Result<Vec<u8>, BaseError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let [high, low, after @ ..] = tail else {
                    return Err(BaseError::QueryEncoding);
                };
                decoded.push(hex_digit(*high)? * 16 + hex_digit(*low)?);
                rest = after;
            }
            _ => decoded.push(*byte),
        }
    }
    Ok(decoded)
}

fn hex_digit(byte: u8) -> Result<u8, BaseError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(BaseError::QueryEncoding),
    }
}
