//! `Signature-Input` and `Signature` (RFC 9421 section 4): one label, known parameters, checked types. What the
//! signature is worth is decided elsewhere.

use data_encoding::BASE64;
use sfv::BareItem;

use super::component::{Component, ComponentError};
use super::fields::{self, Entry, Member, Members, Parameters};
use crate::request::RequestView;

/// Longest `Signature-Input` field, all lines joined. Bytes. Room for [`COMPONENTS_MAX`] components of usual length.
pub const INPUT_BYTES_MAX: usize = 4096;

/// Most covered components. The examples of RFC 9421 have eight at most.
pub const COMPONENTS_MAX: usize = 32;

/// Longest label. Bytes.
pub const LABEL_BYTES_MAX: usize = 64;

/// Longest `keyid`, `nonce` or `tag`. Bytes. None may be empty.
pub const TEXT_BYTES_MAX: usize = 128;

/// Longest signature, decoded. Bytes. An HMAC-SHA-256 has 32; the room is for a precise answer to other algorithms.
pub const SIGNATURE_BYTES_MAX: usize = 512;

const ALGORITHM: &str = "hmac-sha256";

/// The one signature of a request: what it says it covers, its parameters, and its bytes. Parsed, not yet verified.
#[derive(Clone, Debug)]
pub struct SignatureInput {
    declaration: Declaration,
    signature: Vec<u8>,
}

/// The content of `Signature-Input`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    label: String,
    pub(super) components: Vec<Component>,
    // The value of `@signature-params`: components and parameters, serialised canonically in the order received.
    pub(super) line: String,
    created: i64,
    keyid: String,
    expires: Option<i64>,
    nonce: Option<String>,
    alg: Option<String>,
    tag: Option<String>,
}

/// A signature parameter (RFC 9421 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// When the signature was made.
    Created,
    /// When it stops being valid.
    Expires,
    /// A value that makes it unique.
    Nonce,
    /// The algorithm.
    Alg,
    /// The key.
    Keyid,
    /// The application.
    Tag,
}

/// Why `Signature-Input` or `Signature` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureInputError {
    /// There is a `Signature` but no `Signature-Input`.
    #[error("Signature without Signature-Input")]
    MissingInput,
    /// There is a `Signature-Input` but no `Signature`.
    #[error("Signature-Input without Signature")]
    MissingSignature,
    /// `Signature-Input` is longer than [`INPUT_BYTES_MAX`].
    #[error("Signature-Input is longer than {INPUT_BYTES_MAX} bytes")]
    InputTooLong,
    /// `Signature-Input` is no dictionary (RFC 9651 section 4.2.2).
    #[error("Signature-Input is no structured dictionary")]
    Syntax,
    /// Not exactly one label. A second signature would need a rule on which one counts.
    #[error("Signature-Input has not exactly one label")]
    LabelCount,
    /// The label is longer than [`LABEL_BYTES_MAX`].
    #[error("the label is longer than {LABEL_BYTES_MAX} bytes")]
    LabelTooLong,
    /// The label's value is no inner list (RFC 9421 section 4.1).
    #[error("the covered components are no inner list")]
    NotAList,
    /// More than [`COMPONENTS_MAX`] components.
    #[error("more than {COMPONENTS_MAX} covered components")]
    TooManyComponents,
    /// A component identifier is refused.
    #[error("a component identifier is refused")]
    Component(#[source] ComponentError),
    /// A component is listed twice (RFC 9421 section 2.5).
    #[error("a component is covered twice")]
    RepeatedComponent,
    /// A parameter that RFC 9421 section 2.3 does not define.
    #[error("a signature parameter is not known")]
    UnknownParameter,
    /// A parameter stands twice. RFC 9651 would let the last one win.
    #[error("the signature parameter {0:?} stands twice")]
    RepeatedParameter(Parameter),
    /// A parameter has a value of another type than RFC 9421 section 2.3 gives it.
    #[error("the signature parameter {0:?} has a value of the wrong type")]
    ParameterType(Parameter),
    /// A time before 1970, or a text that is empty or longer than [`TEXT_BYTES_MAX`].
    #[error("the signature parameter {0:?} is out of range")]
    ParameterRange(Parameter),
    /// `keyid` or `created` is absent. We need both.
    #[error("the signature parameter {0:?} is missing")]
    MissingParameter(Parameter),
    /// `alg` is not `hmac-sha256`.
    #[error("the signature parameter alg is not {ALGORITHM}")]
    Algorithm,
    /// `Signature` is not exactly one byte sequence under the label of `Signature-Input`, in canonical base 64.
    #[error("Signature is not one byte sequence under the same label")]
    Signature,
    /// The signature is empty or longer than [`SIGNATURE_BYTES_MAX`].
    #[error("the signature is empty or longer than {SIGNATURE_BYTES_MAX} bytes")]
    SignatureLength,
}

impl SignatureInput {
    /// Reads the signature of a request; `None` when it has neither field.
    ///
    /// Fields on several lines are joined first (RFC 9651 section 4.2). Limits: [`INPUT_BYTES_MAX`],
    /// [`COMPONENTS_MAX`], [`LABEL_BYTES_MAX`], [`TEXT_BYTES_MAX`], [`SIGNATURE_BYTES_MAX`].
    ///
    /// # Errors
    /// A [`SignatureInputError`] for everything that is not one well-formed HMAC signature.
    pub fn parse(view: &RequestView<'_>) -> Result<Option<Self>, SignatureInputError> {
        let input = fields::joined(view, "signature-input");
        let signature = fields::joined(view, "signature");
        let (input, signature) = match (input, signature) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(SignatureInputError::MissingInput),
            (Some(_), None) => return Err(SignatureInputError::MissingSignature),
            (Some(input), Some(signature)) => (input, signature),
        };
        let declaration = Declaration::parse(&input)?;
        let signature = signature_bytes(&signature, &declaration.label)?;
        Ok(Some(Self { declaration, signature }))
    }

    /// The label: a structured-field key of at most [`LABEL_BYTES_MAX`] bytes. It is not signed.
    pub fn label(&self) -> &str {
        &self.declaration.label
    }

    /// The covered components, each once, in the order of the signature base. At most [`COMPONENTS_MAX`]; may be empty.
    pub fn components(&self) -> &[Component] {
        &self.declaration.components
    }

    /// Whether the component of that name is covered as a whole, without parameters: `idempotency-key`, `@method`.
    pub fn covers(&self, name: &str) -> bool {
        self.components().iter().any(|component| component.is(name))
    }

    /// The key's name, 1 to [`TEXT_BYTES_MAX`] bytes of printable ASCII.
    pub fn keyid(&self) -> &str {
        &self.declaration.keyid
    }

    /// When the client says it signed. Seconds since the Unix epoch, 0 to 999 999 999 999 999.
    pub fn created(&self) -> i64 {
        self.declaration.created
    }

    /// When the signature ends, in the same unit; the caller compares it with the clock.
    pub fn expires(&self) -> Option<i64> {
        self.declaration.expires
    }

    /// The client's unique value, 1 to [`TEXT_BYTES_MAX`] bytes of printable ASCII.
    pub fn nonce(&self) -> Option<&str> {
        self.declaration.nonce.as_deref()
    }

    /// The algorithm as named by the client: `hmac-sha256` when present at all.
    pub fn alg(&self) -> Option<&str> {
        self.declaration.alg.as_deref()
    }

    /// The client's application tag, 1 to [`TEXT_BYTES_MAX`] bytes of printable ASCII.
    pub fn tag(&self) -> Option<&str> {
        self.declaration.tag.as_deref()
    }

    /// The decoded signature, 1 to [`SIGNATURE_BYTES_MAX`] bytes.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn declaration(&self) -> &Declaration {
        &self.declaration
    }
}

impl Declaration {
    pub(super) fn parse(field: &[u8]) -> Result<Self, SignatureInputError> {
        if field.len() > INPUT_BYTES_MAX {
            return Err(SignatureInputError::InputTooLong);
        }
        let members = Members::parse(field).map_err(|_| SignatureInputError::Syntax)?;
        let [Member { key, entry, parameters }] = members.0.as_slice() else {
            return Err(SignatureInputError::LabelCount);
        };
        if key.as_str().len() > LABEL_BYTES_MAX {
            return Err(SignatureInputError::LabelTooLong);
        }
        let Entry::InnerList(elements) = entry else {
            return Err(SignatureInputError::NotAList);
        };
        if elements.len() > COMPONENTS_MAX {
            return Err(SignatureInputError::TooManyComponents);
        }
        let mut components = Vec::with_capacity(elements.len());
        for element in elements {
            let component = Component::from_element(element).map_err(SignatureInputError::Component)?;
            if components.contains(&component) {
                return Err(SignatureInputError::RepeatedComponent);
            }
            components.push(component);
        }
        let known = KnownParameters::read(parameters)?;
        Ok(Self {
            label: key.as_str().to_owned(),
            line: signature_params(&components, parameters),
            components,
            created: known.created.ok_or(SignatureInputError::MissingParameter(Parameter::Created))?,
            keyid: known.keyid.ok_or(SignatureInputError::MissingParameter(Parameter::Keyid))?,
            expires: known.expires,
            nonce: known.nonce,
            alg: known.alg,
            tag: known.tag,
        })
    }
}

#[derive(Default)]
struct KnownParameters {
    created: Option<i64>,
    expires: Option<i64>,
    nonce: Option<String>,
    alg: Option<String>,
    keyid: Option<String>,
    tag: Option<String>,
}

impl KnownParameters {
    fn read(parameters: &Parameters) -> Result<Self, SignatureInputError> {
        let mut known = Self::default();
        for (key, value) in parameters {
            match key.as_str() {
                "created" => set(&mut known.created, Parameter::Created, time(Parameter::Created, value)?)?,
                "expires" => set(&mut known.expires, Parameter::Expires, time(Parameter::Expires, value)?)?,
                "nonce" => set(&mut known.nonce, Parameter::Nonce, text(Parameter::Nonce, value)?)?,
                "alg" => set(&mut known.alg, Parameter::Alg, text(Parameter::Alg, value)?)?,
                "keyid" => set(&mut known.keyid, Parameter::Keyid, text(Parameter::Keyid, value)?)?,
                "tag" => set(&mut known.tag, Parameter::Tag, text(Parameter::Tag, value)?)?,
                _ => return Err(SignatureInputError::UnknownParameter),
            }
        }
        match known.alg.as_deref() {
            None | Some(ALGORITHM) => Ok(known),
            Some(_) => Err(SignatureInputError::Algorithm),
        }
    }
}

fn set<T>(place: &mut Option<T>, parameter: Parameter, value: T) -> Result<(), SignatureInputError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(SignatureInputError::RepeatedParameter(parameter)),
    }
}

fn time(parameter: Parameter, value: &BareItem) -> Result<i64, SignatureInputError> {
    let BareItem::Integer(seconds) = value else {
        return Err(SignatureInputError::ParameterType(parameter));
    };
    match i64::from(*seconds) {
        seconds @ 0.. => Ok(seconds),
        _ => Err(SignatureInputError::ParameterRange(parameter)),
    }
}

fn text(parameter: Parameter, value: &BareItem) -> Result<String, SignatureInputError> {
    let BareItem::String(text) = value else {
        return Err(SignatureInputError::ParameterType(parameter));
    };
    match text.as_str().len() {
        1..=TEXT_BYTES_MAX => Ok(text.as_str().to_owned()),
        _ => Err(SignatureInputError::ParameterRange(parameter)),
    }
}

/// The value of `@signature-params` (RFC 9421 section 2.3): the list and its parameters, serialised canonically.
fn signature_params(components: &[Component], parameters: &Parameters) -> String {
    let identifiers: Vec<&str> = components.iter().map(Component::identifier).collect();
    let mut line = format!("({})", identifiers.join(" "));
    for (key, value) in parameters {
        fields::push_parameter(&mut line, key.as_str(), value);
    }
    line
}

/// Takes the signature under `label`. RFC 9651 lets a reader accept base 64 without padding or with stray bits; since
/// one label has one byte sequence, the whole field can be asked for in its one canonical spelling (T10).
fn signature_bytes(field: &[u8], label: &str) -> Result<Vec<u8>, SignatureInputError> {
    let encoded = field
        .strip_prefix(label.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"=:"))
        .and_then(|rest| rest.strip_suffix(b":"))
        .ok_or(SignatureInputError::Signature)?;
    // Four characters carry three bytes, so this bounds the decoding without refusing what the range below accepts.
    if encoded.len() > SIGNATURE_BYTES_MAX * 4 / 3 + 4 {
        return Err(SignatureInputError::SignatureLength);
    }
    let signature = BASE64.decode(encoded).map_err(|_| SignatureInputError::Signature)?;
    match signature.len() {
        1..=SIGNATURE_BYTES_MAX => Ok(signature),
        _ => Err(SignatureInputError::SignatureLength),
    }
}
