//! Component identifiers (RFC 9421 section 2): which part of a request a line of the signature base stands for. Only
//! what exists in a request is known here.

use sfv::{BareItem, ItemSerializer, StringRef};

use super::fields::{Element, Parameters};

/// One covered component, checked and in canonical spelling.
///
/// Known are the derived components of requests (RFC 9421 section 2.2) and header fields with at most one of the
/// parameters `sf`, `key` and `bs` (section 2.1). Two components are the same exactly when they are equal: with one
/// parameter at most, the order of parameters cannot hide a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    // Canonical, quotes and parameters included; always says the same as `kind`.
    identifier: String,
    kind: Kind,
}

/// What the component is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Method,
    TargetUri,
    Authority,
    Scheme,
    RequestTarget,
    Path,
    Query,
    QueryParam { name: String },
    Field { name: String, reading: Reading },
}

/// How a header field becomes a component value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The lines as received, joined (RFC 9421 section 2.1).
    Plain,
    /// `;sf`: parsed and serialised again (section 2.1.1).
    Structured,
    /// `;key="…"`: one member of a dictionary (section 2.1.2).
    Member(String),
    /// `;bs`: each line as a byte sequence (section 2.1.3).
    Bytes,
}

/// Why a component identifier is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// Not a structured field item (RFC 9651 section 3.3).
    #[error("the component identifier is no structured field item")]
    Syntax,
    /// The item is not a string (RFC 9421 section 2).
    #[error("the component name is no string")]
    NotAString,
    /// A name with `@` that no request has: `@status`, `@signature-params`, or one that nobody defined.
    #[error("a request has no such derived component")]
    UnknownDerived,
    /// Not a lower-case field name (RFC 9421 section 2.1, RFC 9110 section 5.1).
    #[error("the component name is no lower-case field name")]
    FieldName,
    /// A parameter that the component does not take here: `req` and `tr` have no meaning for the header of a request.
    #[error("the component has a parameter that is not supported")]
    Parameter,
    /// A parameter with a value of the wrong type: a flag that is not true, a `key` or `name` that is no string.
    #[error("a parameter of the component has a value of the wrong type")]
    ParameterType,
    /// More than one parameter. RFC 9421 section 2.1 calls the combinations redundant or incompatible.
    #[error("the component has more than one parameter")]
    ManyParameters,
    /// `@query-param` without `name` (RFC 9421 section 2.2.8).
    #[error("@query-param has no name")]
    MissingName,
}

impl Component {
    /// Reads one identifier as it stands in `Signature-Input`, quotes included: `"@query-param";name="Pet"`.
    ///
    /// # Errors
    /// A [`ComponentError`] for anything that [`super::signature_base`] could not build for a request.
    ///
    /// ```
    /// use keymint_domain::scheme::http_signature::{Component, ComponentError};
    ///
    /// let component = Component::parse(r#""content-digest";key="sha-256""#)?;
    /// assert_eq!(component.identifier(), r#""content-digest";key="sha-256""#);
    /// assert_eq!(Component::parse(r#""@status""#), Err(ComponentError::UnknownDerived));
    /// # Ok::<(), ComponentError>(())
    /// ```
    pub fn parse(identifier: &str) -> Result<Self, ComponentError> {
        let element = Element::parse(identifier.as_bytes()).ok().flatten().ok_or(ComponentError::Syntax)?;
        Self::from_element(&element)
    }

    /// The canonical identifier, quotes and parameters included, as it stands in the signature base.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Whether this is the component of that name without parameters.
    pub fn is(&self, name: &str) -> bool {
        // What has parameters has quotes in between, and no name contains one.
        let inner = self.identifier.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner == Some(name) && !name.contains('"')
    }

    pub(super) fn from_element(element: &Element) -> Result<Self, ComponentError> {
        let BareItem::String(name) = &element.value else {
            return Err(ComponentError::NotAString);
        };
        let kind = match name.as_str().strip_prefix('@') {
            Some(derived) => derived_kind(derived, &element.parameters)?,
            None => {
                let reading = reading(&element.parameters)?;
                Kind::Field { name: field_name(name)?, reading }
            }
        };
        let identifier = ItemSerializer::new().bare_item(name).parameters(element.parameters.iter().map(as_pair));
        Ok(Self { identifier: identifier.finish(), kind })
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }
}

fn as_pair<A, B>((first, second): &(A, B)) -> (&A, &B) {
    (first, second)
}

fn derived_kind(name: &str, parameters: &Parameters) -> Result<Kind, ComponentError> {
    let kind = match name {
        "method" => Kind::Method,
        "target-uri" => Kind::TargetUri,
        "authority" => Kind::Authority,
        "scheme" => Kind::Scheme,
        "request-target" => Kind::RequestTarget,
        "path" => Kind::Path,
        "query" => Kind::Query,
        "query-param" => return query_param(parameters),
        _ => return Err(ComponentError::UnknownDerived),
    };
    if parameters.is_empty() { Ok(kind) } else { Err(ComponentError::Parameter) }
}

fn query_param(parameters: &Parameters) -> Result<Kind, ComponentError> {
    match parameters.as_slice() {
        [] => Err(ComponentError::MissingName),
        [(key, BareItem::String(name))] if key.as_str() == "name" => {
            Ok(Kind::QueryParam { name: name.as_str().to_owned() })
        }
        [(key, _)] if key.as_str() == "name" => Err(ComponentError::ParameterType),
        [_] => Err(ComponentError::Parameter),
        [_, ..] => Err(ComponentError::ManyParameters),
    }
}

fn reading(parameters: &Parameters) -> Result<Reading, ComponentError> {
    let (key, value) = match parameters.as_slice() {
        [] => return Ok(Reading::Plain),
        [(key, value)] => (key.as_str(), value),
        [_, ..] => return Err(ComponentError::ManyParameters),
    };
    match (key, value) {
        ("sf", BareItem::Boolean(true)) => Ok(Reading::Structured),
        ("bs", BareItem::Boolean(true)) => Ok(Reading::Bytes),
        ("key", BareItem::String(member)) => Ok(Reading::Member(member.as_str().to_owned())),
        ("sf" | "bs" | "key", _) => Err(ComponentError::ParameterType),
        _ => Err(ComponentError::Parameter),
    }
}

fn field_name(name: &StringRef) -> Result<String, ComponentError> {
    let name = name.as_str();
    let is_lower_case_token = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
    if name.is_empty() || !name.bytes().all(is_lower_case_token) {
        return Err(ComponentError::FieldName);
    }
    Ok(name.to_owned())
}
