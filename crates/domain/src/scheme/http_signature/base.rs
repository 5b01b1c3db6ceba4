//! The signature base (RFC 9421 section 2.5): the text that is signed, rebuilt from the request as received. Every
//! value is checked to be one line of ASCII, so that no value can forge a further line.

use std::borrow::Cow;

use data_encoding::BASE64;
use sfv::{Dictionary, FieldType, Item, List, ListEntry, Parser};

use super::component::{Component, Kind, Reading};
use super::fields;
use super::input::{Declaration, SignatureInput};
use super::query::query_param;
use crate::request::RequestView;

/// Longest signature base. Bytes. Header fields of 32 KiB fit twice; `;key` could repeat a long field many times.
pub const BASE_BYTES_MAX: usize = 65_536;

/// Dictionary fields that `;sf` may name.
const DICTIONARIES: &[&str] = &[
    "accept-signature",
    "content-digest",
    "priority",
    "repr-digest",
    "signature",
    "signature-input",
    "want-content-digest",
    "want-repr-digest",
];

/// List fields that `;sf` may name.
const LISTS: &[&str] = &["accept-ch", "cache-status", "client-cert-chain", "proxy-status"];

/// Item fields that `;sf` may name.
const ITEMS: &[&str] = &["client-cert"];

/// Why the signature base cannot be built: the request lacks what the signature claims to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// A covered header field is absent.
    #[error("a covered header field is missing")]
    MissingField,
    /// A covered dictionary has no such member (RFC 9421 section 2.1.2).
    #[error("a covered dictionary has no such member")]
    MissingMember,
    /// A covered query parameter is absent (RFC 9421 section 2.2.8).
    #[error("a covered query parameter is missing")]
    MissingQueryParam,
    /// A covered query parameter stands twice (RFC 9421 section 2.2.8).
    #[error("a covered query parameter stands twice")]
    RepeatedQueryParam,
    /// The query has a `%` without two digits, or decodes to something that is no UTF-8.
    #[error("the query is not form-encoded UTF-8")]
    QueryEncoding,
    /// `;sf` on a field that is not known to be structured; its type would have to be guessed (RFC 9421 section 2.1.1).
    #[error("sf on a field that is not known to be structured")]
    UnknownStructure,
    /// The field does not parse as the structure that `;sf` or `;key` needs, or is empty.
    #[error("a field read as structured does not parse")]
    Structure,
    /// A value has a control character, a line break that is no folding, or a byte beyond ASCII (section 2.5: "no
    /// obs-fold nor obs-text"). `;bs` can cover such fields.
    #[error("a covered value is not one line of ASCII")]
    Value,
    /// The authority is empty or has a character that no authority has.
    #[error("the authority is malformed")]
    Authority,
    /// The target has no path that begins with `/`, a fragment, or a character that no target has.
    #[error("the target is malformed")]
    Target,
    /// Longer than [`BASE_BYTES_MAX`].
    #[error("the signature base is longer than {BASE_BYTES_MAX} bytes")]
    TooLong,
}

/// Appends the signature base of the request to `out` (RFC 9421 section 2.5).
///
/// One line per covered component in the signature's order, `"@signature-params"` last and without a line break after
/// it. At most [`BASE_BYTES_MAX`] bytes. Choices where the RFC leaves one: `@target-uri` is the scheme, the normalised
/// authority and the target as received; `;key` works on any field that parses as a dictionary, `;sf` only on fields
/// registered as structured.
///
/// # Errors
/// A [`BaseError`] when the request does not have what the signature covers; `out` is then as before.
pub fn signature_base(view: &RequestView<'_>, input: &SignatureInput, out: &mut Vec<u8>) -> Result<(), BaseError> {
    write_base(view, input.declaration(), out)
}

pub(super) fn write_base(
    view: &RequestView<'_>,
    declaration: &Declaration,
    out: &mut Vec<u8>,
) -> Result<(), BaseError> {
    let start = out.len();
    let written = write_lines(view, declaration, out, start);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write_lines(
    view: &RequestView<'_>,
    declaration: &Declaration,
    out: &mut Vec<u8>,
    start: usize,
) -> Result<(), BaseError> {
    for component in &declaration.components {
        let value = value(view, component)?;
        if !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(BaseError::Value);
        }
        out.extend_from_slice(component.identifier().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(&value);
        out.push(b'\n');
        if out.len() - start > BASE_BYTES_MAX {
            return Err(BaseError::TooLong);
        }
    }
    out.extend_from_slice(b"\"@signature-params\": ");
    out.extend_from_slice(declaration.line.as_bytes());
    if out.len() - start > BASE_BYTES_MAX { Err(BaseError::TooLong) } else { Ok(()) }
}

fn value<'a>(view: &RequestView<'a>, component: &Component) -> Result<Cow<'a, [u8]>, BaseError> {
    let borrowed = |text: &'a str| Cow::Borrowed(text.as_bytes());
    let owned = |text: String| Cow::Owned(text.into_bytes());
    match component.kind() {
        Kind::Method => Ok(borrowed(view.method)),
        Kind::Scheme => Ok(owned(view.scheme.to_ascii_lowercase())),
        Kind::Authority => authority(view).map(owned),
        Kind::RequestTarget => target(view).map(borrowed),
        Kind::Path => {
            target(view)?;
            Ok(borrowed(path(view)))
        }
        Kind::Query => {
            target(view)?;
            Ok(owned(format!("?{}", view.query().unwrap_or_default())))
        }
        Kind::TargetUri => {
            target(view)?;
            let query = view.query().map(|query| format!("?{query}")).unwrap_or_default();
            Ok(owned(format!("{}://{}{}{query}", view.scheme.to_ascii_lowercase(), authority(view)?, path(view))))
        }
        Kind::QueryParam { name } => query_param(view.query(), name).map(owned),
        Kind::Field { name, reading } => field(view, name, reading).map(Cow::Owned),
    }
}

/// The host in lower case, without the scheme's default port (RFC 9421 section 2.2.3, RFC 9110 section 4.2.3).
fn authority(view: &RequestView<'_>) -> Result<String, BaseError> {
    let is_host_or_port = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'\\');
    let lower = view.authority.to_ascii_lowercase();
    let default_port = match view.scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => ":",
    };
    let host = lower.strip_suffix(default_port).or_else(|| lower.strip_suffix(':')).unwrap_or(&lower);
    if host.is_empty() || !host.bytes().all(is_host_or_port) {
        return Err(BaseError::Authority);
    }
    Ok(host.to_owned())
}

/// The target as received, once it is known to be a path and perhaps a query.
fn target<'a>(view: &RequestView<'a>) -> Result<&'a str, BaseError> {
    let is_target = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path(view).starts_with('/') || !view.target.bytes().all(is_target) {
        return Err(BaseError::Target);
    }
    Ok(view.target)
}

/// The path as received, `/` when it is empty (RFC 9421 section 2.2.6).
fn path<'a>(view: &RequestView<'a>) -> &'a str {
    match view.path() {
        "" => "/",
        path => path,
    }
}

fn field(view: &RequestView<'_>, name: &str, reading: &Reading) -> Result<Vec<u8>, BaseError> {
    let joined = fields::joined(view, name).ok_or(BaseError::MissingField)?;
    match reading {
        Reading::Plain => Ok(joined),
        Reading::Structured => structured(name, &joined).map(String::into_bytes),
        Reading::Member(key) => member(&joined, key).map(String::into_bytes),
        Reading::Bytes => {
            let lines = fields::lines(view, name);
            let sequences: Vec<String> = lines.iter().map(|line| format!(":{}:", BASE64.encode(line))).collect();
            Ok(sequences.join(", ").into_bytes())
        }
    }
}

/// Serialises the whole field again (RFC 9421 section 2.1.1).
fn structured(name: &str, joined: &[u8]) -> Result<String, BaseError> {
    let parser = Parser::new(joined);
    let serialised = if DICTIONARIES.contains(&name) {
        parser.parse::<Dictionary>().map(|dictionary| dictionary.serialize())
    } else if LISTS.contains(&name) {
        parser.parse::<List>().map(|list| list.serialize())
    } else if ITEMS.contains(&name) {
        parser.parse::<Item>().map(|item| Some(item.serialize()))
    } else {
        return Err(BaseError::UnknownStructure);
    };
    serialised.ok().flatten().ok_or(BaseError::Structure)
}

/// Serialises one member of a dictionary, always with its value: `?1` for a bare key (RFC 9421 section 2.1.2).
fn member(joined: &[u8], key: &str) -> Result<String, BaseError> {
    let dictionary = Parser::new(joined).parse::<Dictionary>().map_err(|_| BaseError::Structure)?;
    let entry: &ListEntry = dictionary.get(key).ok_or(BaseError::MissingMember)?;
    vec![entry.clone()].serialize().ok_or(BaseError::Structure)
}
