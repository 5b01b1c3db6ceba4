//! The gate in front of verification: what can be read in more than one way is refused, never normalised (T8, T19, T21,
//! T90). It needs no credential and touches nothing but the request's own bytes.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use crate::dialect::Dialect;
use crate::dialect::credential_headers::SELF_CONTAINED;
use crate::request::RequestView;

/// Why the gate refused. For logs; the caller sees the dialect's `ambiguous_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateFault {
    /// A header that carries credentials stands more than once.
    DuplicateCredentials,
    /// Credentials of two schemes at once.
    TwoSchemes,
    /// No `Host`, or more than one, or one that no host can have.
    Host,
    /// A path that other software could read as another path.
    Path,
    /// Credentials in the query.
    CredentialsInQuery,
    /// Credentials in a cookie.
    CredentialsInCookie,
    /// Credentials in a body, where the dialect does not put them.
    CredentialsInBody,
    /// A header or a query that asks for another method.
    MethodOverride,
    /// The bytes on the wire were not strict HTTP/1.1 (found before the request was parsed).
    Framing,
}

/// Names under which clients put credentials into queries, cookies and bodies by mistake.
const CREDENTIAL_NAMES: [&str; 9] = [
    "key_secret",
    "secret_key",
    "secretkey",
    "api_secret",
    "api_key",
    "apikey",
    "x-api-key",
    "x-secret-key",
    "access_token",
];
/// Member names that mark a secret in a JSON body.
const SECRET_MEMBERS: [&[u8]; 4] = [b"\"key_secret\"", b"\"secret_key\"", b"\"api_secret\"", b"\"secretKey\""];
/// A word that all of them hold: most bodies do not have it and are searched once.
static SECRET_WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"secret"));

/// Whether a request has a header in which credentials of the dialect stand.
pub fn has_credentials(dialect: &Dialect, view: &RequestView<'_>) -> bool {
    view.headers.iter().any(|header| dialect.credential_headers.role(header.name).is_some())
}

/// Checks everything but the body.
///
/// # Errors
/// The first fault found.
pub fn check_head(dialect: &Dialect, view: &RequestView<'_>) -> Result<(), GateFault> {
    let (path, query) = view.path_and_query();
    check_path(path)?;
    check_headers(dialect, view)?;
    if !is_host(view.authority) {
        return Err(GateFault::Host);
    }
    if let Some(query) = query {
        check_query(dialect, query)?;
    }
    Ok(())
}

/// Checks the body of a call that does not sell tokens: no secret may stand in it.
///
/// # Errors
/// `GateFault::CredentialsInBody`.
pub fn check_body(dialect: &Dialect, body: &[u8]) -> Result<(), GateFault> {
    if body.is_empty() {
        return Ok(());
    }
    if SECRET_WORD.find(body).is_some() && SECRET_MEMBERS.iter().any(|member| memmem::find(body, member).is_some()) {
        return Err(GateFault::CredentialsInBody);
    }
    if dialect.secrets.iter().any(|style| style.format.is_in(body)) {
        Err(GateFault::CredentialsInBody)
    } else {
        Ok(())
    }
}

fn check_headers(dialect: &Dialect, view: &RequestView<'_>) -> Result<(), GateFault> {
    let (mut seen, mut proofs, mut names_key, mut hosts) = (0_u64, 0_u64, false, 0_usize);
    for header in view.headers {
        match header.name {
            "host" => hosts += 1,
            "cookie" => check_cookie(dialect, header.value)?,
            "x-http-method-override" | "x-method-override" | "x-http-method" => return Err(GateFault::MethodOverride),
            name => {
                if let Some(role) = dialect.credential_headers.role(name) {
                    if seen & role.bit != 0 {
                        return Err(GateFault::DuplicateCredentials);
                    }
                    seen |= role.bit;
                    proofs |= role.proof;
                    names_key |= role.names_key;
                }
            }
        }
    }
    if hosts > 1 {
        return Err(GateFault::Host);
    }
    let is_other = names_key && proofs & SELF_CONTAINED != 0;
    if proofs.count_ones() > 1 || is_other { Err(GateFault::TwoSchemes) } else { Ok(()) }
}

/// What a byte is in a path.
mod path_byte {
    /// A character like any other.
    pub const PLAIN: u8 = 0;
    /// `/`.
    pub const SLASH: u8 = 1;
    /// `%`.
    pub const ESCAPE: u8 = 2;
    /// `.`.
    pub const DOT: u8 = 4;
    /// One that other software reads in its own way.
    pub const REFUSED: u8 = 8;

    /// What each byte is.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would not let it panic")]
    pub static OF: [u8; 256] = {
        let mut of = [REFUSED; 256];
        let mut byte = 0x21_u8;
        while byte < 0x7f {
            of[byte as usize] = match byte {
                b'\\' | b';' | b'#' | b'?' | b'<' | b'>' | b'"' | b'`' | b'{' | b'}' | b'|' | b'^' => REFUSED,
                b'/' => SLASH,
                b'%' => ESCAPE,
                b'.' => DOT,
                _ => PLAIN,
            };
            byte += 1;
        }
        of
    };
}

/// Refuses every path that a proxy, a router and a file system could read differently.
fn check_path(path: &str) -> Result<(), GateFault> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(GateFault::Path);
    }
    let (mut kinds, mut doubled, mut previous) = (0_u8, 0_u8, 0_u8);
    for byte in bytes {
        let kind = path_byte::OF.get(usize::from(*byte)).copied().unwrap_or(path_byte::REFUSED);
        kinds |= kind;
        doubled |= previous & kind;
        previous = kind;
    }
    if kinds & path_byte::REFUSED != 0 || doubled & path_byte::SLASH != 0 {
        return Err(GateFault::Path);
    }
    if kinds & path_byte::ESCAPE != 0
        && !memchr::memchr_iter(b'%', bytes).all(|at| is_plain_escape(bytes.get(at + 1..at + 3)))
    {
        return Err(GateFault::Path);
    }
    if kinds & path_byte::DOT != 0 && path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(GateFault::Path);
    }
    Ok(())
}

/// An escape that stands for nothing with a meaning in paths: not `/ \ . % ; ? #`, not a control character, not
/// non-ASCII. Nor for a character that needs none: `/%74ransfer` and `/transfer` are one path for a router that decodes
/// (RFC 3986 section 6.2.2.2) and two for a rule that does not.
fn is_plain_escape(digits: Option<&[u8]>) -> bool {
    let Some(decoded) = digits.and_then(|digits| data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()) else {
        return false;
    };
    matches!(
        decoded.first(),
        Some(byte) if (0x20..0x7f).contains(byte)
            && !matches!(byte, b'/' | b'\\' | b'.' | b'%' | b';' | b'?' | b'#')
            && !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~'))
    )
}

fn check_query(dialect: &Dialect, query: &str) -> Result<(), GateFault> {
    if !query.bytes().all(|byte| byte.is_ascii_graphic()) || query.contains('#') {
        return Err(GateFault::Path);
    }
    for pair in query.split('&') {
        let name = decoded_once(pair.split_once('=').map_or(pair, |(name, _)| name));
        if is_credential_name(&name) {
            return Err(GateFault::CredentialsInQuery);
        }
        if name.eq_ignore_ascii_case(b"_method") {
            return Err(GateFault::MethodOverride);
        }
    }
    if holds_credential(dialect, query.as_bytes()) { Err(GateFault::CredentialsInQuery) } else { Ok(()) }
}

/// The name of a parameter as whoever reads the query will see it; what is no escape stays as it is.
fn decoded_once(name: &str) -> Cow<'_, [u8]> {
    if !name.contains('%') {
        return Cow::Borrowed(name.as_bytes());
    }
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *byte == b'%');
        match escaped.and_then(|digits| data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()) {
            Some(bytes) => {
                decoded.extend_from_slice(&bytes);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(decoded)
}

fn check_cookie(dialect: &Dialect, value: &[u8]) -> Result<(), GateFault> {
    let names = value
        .split(|byte| *byte == b';')
        .map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii());
    if names.into_iter().any(is_credential_name) || holds_credential(dialect, value) {
        return Err(GateFault::CredentialsInCookie);
    }
    Ok(())
}

fn is_credential_name(name: &[u8]) -> bool {
    CREDENTIAL_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn holds_credential(dialect: &Dialect, text: &[u8]) -> bool {
    let formats = std::iter::once(&dialect.key_id).chain(dialect.secrets.iter().map(|style| &style.format));
    formats.into_iter().any(|format| format.is_in(text))
}

/// A host name or address with an optional port: no user part, no path, no white space.
fn is_host(authority: &str) -> bool {
    let is_plain = |byte: u8| HOST_BYTES.get(usize::from(byte)).copied().unwrap_or_default();
    !authority.is_empty() && authority.len() <= 255 && authority.bytes().all(is_plain)
}

/// What may stand in an authority.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would not let it panic")]
static HOST_BYTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7f {
        bytes[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']' | b'_');
        byte += 1;
    }
    bytes
};
