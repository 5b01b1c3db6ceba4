//! What a denied caller sees: status and body for each reason, as the dialect says. Everything that can be rendered is
//! rendered once, when the dialect is read.

use std::collections::HashMap;

use crate::reason::DenyReason;

/// One answer, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Box<str>,
}

/// The answers of a dialect.
#[derive(Clone, Debug)]
pub struct Answers {
    /// The `Content-Type` of every answer.
    pub content_type: Box<str>,
    envelope: Template,
    by_reason: HashMap<(DenyReason, Option<SchemeName>), Answer>,
}

/// The schemes by name, as answers and logs tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemeName {
    /// HTTP Basic (RFC 7617), read strictly.
    Basic,
    /// Two headers.
    KeyPair,
    /// A keyed digest over a recipe.
    Signed,
    /// The secret as a bearer token.
    Bearer,
    /// Tokens bought with a key.
    TokenExchange,
    /// HTTP message signatures (RFC 9421).
    MessageSignature,
}

impl SchemeName {
    /// The name in dialect files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::KeyPair => "key_pair",
            Self::Signed => "signed",
            Self::Bearer => "bearer",
            Self::TokenExchange => "token_exchange",
            Self::MessageSignature => "message_signature",
        }
    }
}

impl Answers {
    /// Puts together what `parse` has read. `by_reason` covers every reason without a scheme.
    pub fn new(
        content_type: &str,
        envelope: Template,
        by_reason: HashMap<(DenyReason, Option<SchemeName>), Answer>,
    ) -> Self {
        Self { content_type: content_type.into(), envelope, by_reason }
    }

    /// The answer for a reason: the scheme's own where there is one, else the general one.
    pub fn find(&self, reason: DenyReason, scheme: Option<SchemeName>) -> Option<&Answer> {
        scheme
            .and_then(|scheme| self.by_reason.get(&(reason, Some(scheme))))
            .or_else(|| self.by_reason.get(&(reason, None)))
    }

    /// An error of the product's own, in the dialect's envelope. `code` is JSON already (`"X"` or `17`).
    pub fn envelope(&self, status: u16, code: &str, message: &str) -> String {
        self.envelope.render(&envelope_values(status, code, message))
    }
}

/// The values that an envelope may name.
pub fn envelope_values(status: u16, code: &str, message: &str) -> [(&'static str, String); 4] {
    [
        ("status", status.to_string()),
        ("code", code.to_owned()),
        ("message", quote(message)),
        ("title", quote(title(status))),
    ]
}

/// JSON text with `{{name}}` where a JSON value goes.
#[derive(Clone, Debug)]
pub struct Template(Box<[Piece]>);

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<str>),
    Slot(Box<str>),
}

impl Template {
    /// Reads a template; every slot must be one of `known`, and the whole must be JSON once the slots are filled.
    ///
    /// # Errors
    /// A sentence that says what is wrong, for the person who wrote the dialect.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (slot, tail) = after.split_once("}}").ok_or("a `{{` has no `}}`")?;
            if !known.contains(&slot) {
                return Err(format!("`{{{{{slot}}}}}` is not known here; known are {}", known.join(", ")));
            }
            pieces.push(Piece::Text(before.into()));
            pieces.push(Piece::Slot(slot.into()));
            rest = tail;
        }
        pieces.push(Piece::Text(rest.into()));
        let template = Self(pieces.into());
        // A slot is a whole value, whichever it is: with quotes around it a number would fit, and a string would not.
        for sample in ["0", "\"0\""] {
            let values: Vec<(&str, String)> = known.iter().map(|name| (*name, sample.to_owned())).collect();
            serde_json::from_str::<serde::de::IgnoredAny>(&template.render(&values)).map_err(|error| {
                format!("not JSON once its slots are filled (each stands for a whole value, without quotes): {error}")
            })?;
        }
        Ok(template)
    }

    /// Fills the slots. Values are JSON already.
    pub fn render(&self, values: &[(&str, String)]) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(slot) => {
                    let value = values.iter().find(|(name, _)| *name == &**slot);
                    out.push_str(value.map_or("null", |(_, value)| value.as_str()));
                }
            }
        }
        out
    }
}

/// A JSON string.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
