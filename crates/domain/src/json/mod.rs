//! Canonical JSON for signature recipes: a strict parser that keeps what was received, and the forms vendors sign. No
//! numbers are computed here, no values are interpreted.
//!
//! Some vendors sign not the body's bytes but "the payload with sorted keys, JSON-encoded". Their samples are written
//! in languages that sort, escape and space differently, so one payload has several signed texts. A [`Document`] is
//! parsed once and written in each [`Form`] that a dialect lists; the signature of one of them has to match.
//!
//! Two rules keep this from becoming a way around the signature (T18):
//!
//! * What is ambiguous is refused, not interpreted: a key that stands twice, invalid UTF-8, half of a surrogate pair, a
//!   byte order mark. Two readers of an accepted document see the same members.
//! * Every member of the document appears in every form. A form may reorder and re-escape, it never drops. (The
//!   vendor's JavaScript loses a top-level `__proto__`; we write it, so such a body is never accepted as signed.)
//!
//! Number tokens are copied as received. `105.00`, `105` and `1.05e2` are three texts, and only the sender knows which
//! one it signed; since the sender's encoder also made the body, the received token is the signed one.

mod parse;
mod write;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

/// Deepest nesting of arrays and objects that [`Document::parse`] accepts. Payment payloads nest three or four deep;
/// the bound keeps the recursion of the parser and the writer far from the end of the stack.
pub const DEPTH_MAX: usize = 32;

/// Most values (scalars, arrays and objects together, keys not counted) in one document. Bounds the memory of a parsed
/// document to a small multiple of the body.
pub const VALUES_MAX: usize = 4096;

/// One JSON text (RFC 8259), parsed strictly and kept as received: order of members, text of numbers.
///
/// Borrows from the body; a string is copied only when it contains an escape. `Debug` is mute, since bodies hold
/// personal data.
pub struct Document<'a> {
    root: Value<'a>,
}

impl<'a> Document<'a> {
    /// Parses `body` as exactly one RFC 8259 text.
    ///
    /// Takes time linear in the body, but for the sorting of keys by which duplicates are found. Limits: [`DEPTH_MAX`],
    /// [`VALUES_MAX`]; the length of the body is the caller's to bound.
    ///
    /// # Errors
    /// A [`JsonError`] with the offset of the first fault. Besides bad syntax: invalid UTF-8, a byte order mark (RFC
    /// 8259 section 8.1), half of a surrogate pair (section 8.2), a key that occurs twice in one object after decoding
    /// (section 4), nesting or size beyond the limits, anything but white space after the value.
    pub fn parse(body: &'a [u8]) -> Result<Self, JsonError> {
        parse::parse(body).map(|root| Self { root })
    }

    /// Appends the document in one form to `out`. Never fails: each member of the document appears in each form.
    pub fn write(&self, form: &Form, out: &mut Vec<u8>) {
        write::write(&self.root, form, out);
    }

    /// The decoded value of a top-level string member; `None` when the document is no object, has no such member, or
    /// the member is no string.
    pub fn member(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The token of a top-level number, as it was received: amounts go through no float. `None` as for `member`.
    pub fn number(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Number(token)) => Some(token),
            _ => None,
        }
    }

    /// The names of the top-level members, decoded, in the order received; none when the document is no object.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let members = match &self.root {
            Value::Object(members) => members.as_slice(),
            _ => &[],
        };
        members.iter().map(|member| &*member.key)
    }

    fn value(&self, name: &str) -> Option<&Value<'a>> {
        let Value::Object(members) = &self.root else {
            return None;
        };
        members.iter().find(|member| member.key == name).map(|member| &member.value)
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(..)")
    }
}

/// How a signer turns the payload into text. The default is the received order, nothing escaped that need not be, no
/// white space: what `JSON.stringify` makes of an object whose keys are left alone.
///
/// In a dialect file: `{ sort = "recursive", strings = "ascii_escaped", slash = "escaped" }`; what is left out has its
/// default, an unknown field is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Form {
    /// The order of the members.
    pub sort: Sort,
    /// Which characters of strings and keys are escaped.
    pub strings: Strings,
    /// Whether `/` is escaped.
    pub slash: Slash,
    /// Whether a space follows `,` and `:`.
    pub separators: Separators,
    /// How an object without members is written.
    pub empty_object: EmptyObject,
}

/// The order in which the members of objects are written. Elements of arrays keep theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// As received.
    #[default]
    None,
    /// What the Node sample on KwikPaisa's signature page does: `Object.keys(data).sort().reduce(…)`, then
    /// `JSON.stringify`. Only the top level is sorted, by UTF-16 code units. Objects of JavaScript put keys that are
    /// array indices (`0` to `4294967294` without leading zeros) first and in numeric order, at every level and
    /// whatever the sort; a top-level array comes out as an object whose keys are the indices. A top-level scalar,
    /// which the sample cannot sign, is written as it is.
    Shallow,
    /// Every object is sorted by the UTF-8 bytes of its keys, as the text of KwikPaisa's signature page asks and as
    /// Python's `sort_keys` does. PHP's `ksort` agrees unless two keys of an object are numbers (it orders `9` before
    /// `10`); such a body is refused rather than guessed at.
    Recursive,
}

/// Which characters are escaped in strings and keys.
///
/// `"`, `\` and the control characters below U+0020 always are: `\b`, `\t`, `\n`, `\f`, `\r`, the rest `\u00xx` with
/// lower-case digits. PHP, Python and JavaScript agree on those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strings {
    /// Nothing else: `JSON.stringify`; Python's `ensure_ascii=False`; PHP's `JSON_UNESCAPED_UNICODE` together with
    /// `JSON_UNESCAPED_LINE_TERMINATORS`.
    #[default]
    Raw,
    /// Also U+2028 and U+2029: PHP's `JSON_UNESCAPED_UNICODE` alone, since 7.1.
    RawButLineSeparators,
    /// Also everything beyond U+007F, as UTF-16 code units in lower-case hexadecimal: PHP's default.
    AsciiEscaped,
    /// As [`Strings::AsciiEscaped`], and U+007F too: Python's default.
    AsciiAndDeleteEscaped,
}

/// Whether `/` is written as `\/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slash {
    /// `/`: JavaScript, Python, PHP's `JSON_UNESCAPED_SLASHES`.
    #[default]
    Raw,
    /// `\/`: PHP's default.
    Escaped,
}

/// What stands between members and between key and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separators {
    /// `,` and `:`: JavaScript and PHP.
    #[default]
    Compact,
    /// `, ` and `: `: the default of Python's `json.dumps`.
    Spaced,
}

/// How an object without members is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyObject {
    /// `{}`.
    #[default]
    Braces,
    /// `[]`: PHP, when the object has been an associative array.
    Brackets,
}

/// Why a body is no acceptable JSON text. `at` is the offset in bytes where it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The body is not UTF-8 (RFC 8259 section 8.1).
    #[error("invalid UTF-8 at byte {at}")]
    InvalidUtf8 {
        /// Offset of the first byte that is no UTF-8.
        at: usize,
    },
    /// The body begins with U+FEFF, which senders must not add (RFC 8259 section 8.1).
    #[error("byte order mark at the beginning")]
    ByteOrderMark,
    /// The body ends inside a value.
    #[error("the text ends at byte {at}, inside a value")]
    UnexpectedEnd {
        /// The length of the body.
        at: usize,
    },
    /// A byte stands where the grammar has no place for it.
    #[error("unexpected byte at {at}")]
    UnexpectedByte {
        /// Offset of the byte.
        at: usize,
    },
    /// A number does not follow RFC 8259 section 6: a leading zero or plus, no digit after `.` or `e`.
    #[error("malformed number at byte {at}")]
    InvalidNumber {
        /// Offset of the byte that breaks the number.
        at: usize,
    },
    /// A control character below U+0020 stands unescaped in a string (RFC 8259 section 7).
    #[error("unescaped control character at byte {at}")]
    ControlCharacter {
        /// Offset of the character.
        at: usize,
    },
    /// An escape that RFC 8259 section 7 does not know.
    #[error("unknown escape at byte {at}")]
    InvalidEscape {
        /// Offset of the backslash.
        at: usize,
    },
    /// Half of a surrogate pair; it stands for no character (RFC 8259 section 8.2).
    #[error("half of a surrogate pair at byte {at}")]
    LoneSurrogate {
        /// Offset of the backslash.
        at: usize,
    },
    /// A key occurs twice in one object; readers disagree on which counts (RFC 8259 section 4).
    #[error("duplicate key at byte {at}")]
    DuplicateKey {
        /// Offset of the later occurrence.
        at: usize,
    },
    /// More than [`DEPTH_MAX`] arrays and objects inside each other.
    #[error("nested deeper than {DEPTH_MAX} at byte {at}")]
    TooDeep {
        /// Offset of the bracket that goes too far.
        at: usize,
    },
    /// More than [`VALUES_MAX`] values.
    #[error("more than {VALUES_MAX} values at byte {at}")]
    TooManyValues {
        /// Offset of the first value that is too much.
        at: usize,
    },
    /// Something follows the value.
    #[error("something follows the value at byte {at}")]
    TrailingBytes {
        /// Offset of the first byte that is no white space.
        at: usize,
    },
}

enum Value<'a> {
    Null,
    False,
    True,
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Vec<Member<'a>>),
}

struct Member<'a> {
    key: Cow<'a, str>,
    key_at: usize,
    value: Value<'a>,
}
