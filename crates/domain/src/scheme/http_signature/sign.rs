//! Making signatures, for our own client. Uses the verifier's parser and signature base, so the two cannot disagree.

use data_encoding::BASE64;
use sfv::{BareItem, Integer, Key, StringRef};

use super::base::{BaseError, write_base};
use super::component::Component;
use super::content_digest::{DigestError, check_content_digest, content_digest};
use super::fields;
use super::input::{Declaration, Parameter, SignatureInputError};
use super::mac::{KeyTooShort, sign_hmac};
use crate::request::{Header, RequestView};

/// What a signer chooses. The limits of [`super::SignatureInput::parse`] hold.
#[derive(Clone, Copy, Debug)]
pub struct SigningParameters<'a> {
    /// The label of the signature: a structured-field key such as `sig1` (RFC 9651 section 3.1.2).
    pub label: &'a str,
    /// The name of the key.
    pub keyid: &'a str,
    /// When the signature is made. Seconds since the Unix epoch.
    pub created: i64,
    /// When it shall end, in the same unit.
    pub expires: Option<i64>,
    /// A value that is never used twice with the key.
    pub nonce: Option<&'a str>,
    /// The application's tag.
    pub tag: Option<&'a str>,
    /// What to cover, in order. [`default_components`] satisfies [`super::check_coverage`].
    pub components: &'a [Component],
}

/// The header fields to add to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedFields {
    /// The value of `Signature-Input`.
    pub signature_input: String,
    /// The value of `Signature`.
    pub signature: String,
    /// The value of `Content-Digest`; `None` when the request already has the field or needs none.
    pub content_digest: Option<String>,
}

/// Why a request cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The label is no structured-field key.
    #[error("the label is no structured-field key")]
    Label,
    /// A parameter has characters beyond printable ASCII, or is a time of more than fifteen digits.
    #[error("the signature parameter {0:?} cannot be written")]
    Parameter(Parameter),
    /// A verifier would refuse the `Signature-Input`.
    #[error("a verifier would refuse the Signature-Input")]
    Input(#[source] SignatureInputError),
    /// The request does not have what shall be covered.
    #[error("the request lacks what shall be covered")]
    Base(#[source] BaseError),
    /// The request has a `Content-Digest` that is not its body's.
    #[error("the request has a wrong Content-Digest")]
    Digest(#[source] DigestError),
    /// The key is too short.
    #[error("the key is refused")]
    Key(#[source] KeyTooShort),
}

/// The components that our client covers: `@method`, `@target-uri`, and `content-digest` when there is a body.
pub fn default_components(view: &RequestView<'_>) -> Vec<Component> {
    let digest = (!view.body.is_empty()).then_some("\"content-digest\"");
    let identifiers = ["\"@method\"", "\"@target-uri\""].into_iter().chain(digest);
    identifiers.filter_map(|identifier| Component::parse(identifier).ok()).collect()
}

/// Signs a request with HMAC-SHA-256 (RFC 9421 section 3.1). Changes nothing; the caller adds the fields.
///
/// A `Content-Digest` is made when the request has none and either has a body or covers the field. `alg` is left out:
/// the algorithm belongs to the key (T6).
///
/// # Errors
/// A [`SignError`] when a verifier would refuse the result, the request lacks a covered part, or the key is too short.
pub fn sign(view: &RequestView<'_>, parameters: &SigningParameters<'_>, key: &[u8]) -> Result<SignedFields, SignError> {
    let content_digest = missing_content_digest(view, parameters)?;
    let mut headers = view.headers.to_vec();
    if let Some(value) = &content_digest {
        headers.push(Header { name: "content-digest", value: value.as_bytes() });
    }
    let view = RequestView { headers: &headers, ..*view };

    let signature_input = signature_input(parameters)?;
    let declaration = Declaration::parse(signature_input.as_bytes()).map_err(SignError::Input)?;
    let mut base = Vec::new();
    write_base(&view, &declaration, &mut base).map_err(SignError::Base)?;
    let signature = sign_hmac(&base, key).map_err(SignError::Key)?;
    let signature = format!("{}=:{}:", parameters.label, BASE64.encode(&signature));
    Ok(SignedFields { signature_input, signature, content_digest })
}

fn missing_content_digest(
    view: &RequestView<'_>,
    parameters: &SigningParameters<'_>,
) -> Result<Option<String>, SignError> {
    if view.header("content-digest").is_some() {
        return check_content_digest(view).map(|()| None).map_err(SignError::Digest);
    }
    let is_wanted =
        !view.body.is_empty() || parameters.components.iter().any(|component| component.is("content-digest"));
    Ok(is_wanted.then(|| content_digest(view.body)))
}

fn signature_input(parameters: &SigningParameters<'_>) -> Result<String, SignError> {
    let label = Key::from_string(parameters.label.to_owned()).map_err(|_| SignError::Label)?;
    let identifiers: Vec<&str> = parameters.components.iter().map(Component::identifier).collect();
    let mut field = format!("{label}=({})", identifiers.join(" "));
    let mut push = |name: &str, value: BareItem| fields::push_parameter(&mut field, name, &value);
    push("created", integer(Parameter::Created, parameters.created)?);
    if let Some(expires) = parameters.expires {
        push("expires", integer(Parameter::Expires, expires)?);
    }
    push("keyid", string(Parameter::Keyid, parameters.keyid)?);
    if let Some(nonce) = parameters.nonce {
        push("nonce", string(Parameter::Nonce, nonce)?);
    }
    if let Some(tag) = parameters.tag {
        push("tag", string(Parameter::Tag, tag)?);
    }
    Ok(field)
}

fn integer(parameter: Parameter, value: i64) -> Result<BareItem, SignError> {
    Integer::try_from(value).map(BareItem::from).map_err(|_| SignError::Parameter(parameter))
}

fn string(parameter: Parameter, value: &str) -> Result<BareItem, SignError> {
    StringRef::from_str(value).map(BareItem::from).map_err(|_| SignError::Parameter(parameter))
}
