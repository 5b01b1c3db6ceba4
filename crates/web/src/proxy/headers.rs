//! What goes upstream and what comes back, field by field. Credentials never go; nothing that says who the client is goes
//! under a name that the client could have written; what belongs to one connection stays on it (RFC 9110 section 7.6.1).
//!
//! A name that holds anything but letters, digits and `-` does not go either: CGI and its heirs read `X_Keymint_Key`,
//! `X.Keymint.Key` and `X-Keymint-Key` as one (T88).

use std::sync::{Arc, Weak};

use http::header::{CACHE_CONTROL, CONNECTION, HOST, HeaderName, UPGRADE, VIA};
use http::{HeaderMap, HeaderValue, Method, Version};
use keymint_domain::dialect::Dialect;
use keymint_domain::forwarding::{goes_on, is_hop_by_hop};
use keymint_domain::verify::Candidate;

use crate::arrival::Arrival;

/// Most names in `Connection`.
const CONNECTION_OPTIONS_MAX: usize = 16;

/// Room for most heads, so that nothing is moved about when one is put together. Bytes.
const HEAD_BYTES_USUAL: usize = 2048;

static MERCHANT: HeaderName = HeaderName::from_static("x-keymint-merchant");
static APP: HeaderName = HeaderName::from_static("x-keymint-app");
static KEY: HeaderName = HeaderName::from_static("x-keymint-key");
static MODE: HeaderName = HeaderName::from_static("x-keymint-mode");
static SCOPES: HeaderName = HeaderName::from_static("x-keymint-scopes");
static IDENTITY: HeaderName = HeaderName::from_static("x-keymint-identity");
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request that names, as belonging to its connection, a field that decides what the request means: one reader drops
/// the field, another does not.
#[derive(Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// What we tell the upstream about a request.
pub struct Told<'a> {
    /// Whose it is, and who the client is.
    pub introduction: &'a Introduction,
    /// The request.
    pub request_id: HeaderValue,
    /// What was taken off the front of the path: `/` and the product's name, if anything.
    pub prefix: Option<&'a str>,
    /// The identity token.
    pub identity: Option<HeaderValue>,
    /// The version that it came in.
    pub version: Version,
    /// Whether the client's `Host` goes on as it is.
    pub keep_host: bool,
    /// Whether a WebSocket is asked for.
    pub is_websocket: bool,
}

/// What is the same in each request of one credential on one connection, as it is written. Made once: most connections carry
/// one credential's requests.
pub struct Introduction {
    /// Weak, so that nothing of a changed record is kept alive.
    candidate: Weak<Candidate>,
    arrival: Arrival,
    fields: Box<[u8]>,
}

impl Introduction {
    /// For a credential, and a client that came like this.
    pub fn new(candidate: &Arc<Candidate>, arrival: Arrival) -> Self {
        let scopes = candidate.restrictions.as_deref().map_or(String::new(), |found| found.scopes.join(" "));
        let (merchant, app) = (candidate.merchant_id.to_string(), candidate.app_id.to_string());
        let client_ip = arrival.address.to_string();
        let mut fields = Vec::new();
        for (name, value) in [
            (&MERCHANT, &*merchant),
            (&APP, &*app),
            (&KEY, &*candidate.key_id),
            (&MODE, candidate.mode.as_str()),
            (&SCOPES, &*scopes),
            (&FORWARDED_FOR, &*client_ip),
            (&FORWARDED_PROTO, arrival.scheme.as_str()),
        ] {
            // Each is always set, and none can end its line.
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            put(&mut fields, name, value.as_bytes());
        }
        Self { candidate: Arc::downgrade(candidate), arrival, fields: fields.into() }
    }

    /// Whether it is for this record, not only this key id, since scopes change, and for a client that came like this: a
    /// proxy's connection carries those of many.
    pub fn is_of(&self, candidate: &Arc<Candidate>, arrival: Arrival) -> bool {
        std::ptr::eq(self.candidate.as_ptr(), Arc::as_ptr(candidate)) && self.arrival == arrival
    }
}

/// The head that goes upstream, as it is written. What is sent again is written again.
pub struct Outgoing {
    bytes: Vec<u8>,
    /// Where the first field begins.
    fields_at: usize,
    /// Whether the client's own `Host` is among the fields.
    has_host: bool,
}

impl Outgoing {
    /// Writes line and fields; `Host` is that of the address, unless the client's goes on.
    pub fn write(&self, host: &HeaderValue, output: &mut Vec<u8>) {
        let (line, fields) = self.bytes.split_at_checked(self.fields_at).unwrap_or_default();
        output.extend_from_slice(line);
        if !self.has_host {
            put(output, &HOST, host.as_bytes());
        }
        output.extend_from_slice(fields);
    }
}

/// The head that goes upstream, made out of the client's. `path` begins with `/`.
///
/// # Errors
/// `Ambiguous`.
pub fn to_upstream(
    (method, path): (&Method, &str),
    client: &HeaderMap,
    dialect: &Dialect,
    told: Told<'_>,
) -> Result<Outgoing, Ambiguous> {
    let options = connection_options(client)?;
    if options.iter().any(|option| is_meaning(option)) {
        return Err(Ambiguous);
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES_USUAL);
    for part in [method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    let fields_at = bytes.len();
    for (name, value) in client {
        let text = name.as_str();
        if *name != HOST && goes_on(text, dialect) && !options.iter().any(|option| option == text) {
            put(&mut bytes, name, value.as_bytes());
        }
    }
    tell(&mut bytes, &told, client.get(HOST));
    Ok(Outgoing { bytes, fields_at, has_host: told.keep_host && client.contains_key(HOST) })
}

/// Adds the fields that are ours.
fn tell(fields: &mut Vec<u8>, told: &Told<'_>, host: Option<&HeaderValue>) {
    fields.extend_from_slice(&told.introduction.fields);
    put(fields, &REQUEST_ID, told.request_id.as_bytes());
    if let Some(host) = host {
        put(fields, &FORWARDED_HOST, host.as_bytes());
        if told.keep_host {
            put(fields, &HOST, host.as_bytes());
        }
    }
    if let Some(prefix) = told.prefix {
        put(fields, &FORWARDED_PREFIX, prefix.as_bytes());
    }
    if let Some(identity) = &told.identity {
        put(fields, &IDENTITY, identity.as_bytes());
    }
    put(fields, &VIA, if told.version == Version::HTTP_2 { b"2.0 keymint" } else { b"1.1 keymint" });
    if told.is_websocket {
        put(fields, &CONNECTION, b"upgrade");
        put(fields, &UPGRADE, b"websocket");
    }
}

/// Writes a field. The value is a `HeaderValue`'s or a piece of a parsed target, and so holds no end of a line.
fn put(output: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    output.extend_from_slice(name.as_str().as_bytes());
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

/// Makes the upstream's head into the one that goes to the client.
pub fn to_client(headers: &mut HeaderMap) {
    // An upstream that names too many is not asked what it meant: none of its fields is ours to keep but whole.
    let options = connection_options(headers).unwrap_or_default();
    let is_dropped = |name: &str| {
        is_hop_by_hop(name) || name.starts_with("x-keymint-") || options.iter().any(|option| option == name)
    };
    let dropped: Vec<HeaderName> = headers.keys().filter(|name| is_dropped(name.as_str())).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
    // Where the credential is in a field that caches do not know, only this keeps them from storing the answer.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Whether a request asks for a WebSocket, and so for nothing else: `GET`, no body, `Upgrade: websocket` alone.
pub fn asks_for_websocket(parts: &http::request::Parts) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    let mut upgrades = parts.headers.get_all(UPGRADE).iter();
    let asks = upgrades.next().is_some_and(is_websocket) && upgrades.next().is_none();
    let options = connection_options(&parts.headers).unwrap_or_default();
    asks && parts.method == Method::GET && options.iter().any(|option| option == "upgrade")
}

/// Puts back what makes an answer a WebSocket's.
pub fn upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// The names in `Connection`, in small letters, without `close` and `keep-alive`.
fn connection_options(headers: &HeaderMap) -> Result<Vec<String>, Ambiguous> {
    let mut options = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for option in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.is_empty() || option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive")
            {
                continue;
            }
            let text = std::str::from_utf8(option).map_err(|_| Ambiguous)?;
            options.push(text.to_ascii_lowercase());
            if options.len() > CONNECTION_OPTIONS_MAX {
                return Err(Ambiguous);
            }
        }
    }
    Ok(options)
}

/// Fields for every reader of a request, which no `Connection` may name (RFC 9110 section 7.6.1).
fn is_meaning(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "content-type"
            | "content-encoding"
            | "content-digest"
            | "content-range"
            | "cookie"
            | "origin"
            | "range"
            | "if-match"
            | "if-none-match"
            | "idempotency-key"
            | "cache-control"
    )
}

#[cfg(test)]
mod tests {
    use keymint_domain::dialect::BUILT_IN;
    use keymint_domain::dialect::credential_headers::CREDENTIAL_HEADERS;

    use super::*;

    fn dialects() -> Vec<Dialect> {
        BUILT_IN.iter().map(|(_, text)| Dialect::parse(text).expect("a dialect")).collect()
    }

    #[test]
    fn no_spelling_that_a_reader_could_fold_into_one_of_ours_goes_upstream() {
        // What CGI, and servers that grew out of it, make of a name: every character that is no letter or digit is `_`.
        let folded = |name: &str| name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        for name in
            [&MERCHANT, &APP, &KEY, &MODE, &SCOPES, &IDENTITY, &FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO]
        {
            for other in "!#$%&'*+-.^_`|~".chars() {
                let spelling = name.as_str().replace('-', &other.to_string());
                assert_eq!(folded(&spelling), folded(name.as_str()));
                let parsed = HeaderName::from_bytes(spelling.to_uppercase().as_bytes()).expect("a name");
                assert!(dialects().iter().all(|dialect| !goes_on(parsed.as_str(), dialect)), "{spelling}");
            }
        }
    }

    #[test]
    fn the_credentials_of_a_dialect_are_dropped_in_it_and_the_known_ones_everywhere() {
        for dialect in dialects() {
            for name in CREDENTIAL_HEADERS {
                assert!(!goes_on(name, &dialect), "{}: {name}", dialect.name);
            }
            for name in &dialect.extra_credential_headers {
                assert!(!goes_on(name, &dialect), "{}: {name}", dialect.name);
            }
            for name in
                ["accept", "content-type", "user-agent", "cookie", "x-custom", "idempotency-key", "date", "x-forward"]
            {
                assert!(goes_on(name, &dialect), "{}: {name}", dialect.name);
            }
        }
    }

    #[test]
    fn options_of_the_connection_are_read_from_every_field_and_counted() {
        let mut headers = HeaderMap::new();
        for value in ["close, X-A", "keep-alive,,  x-b ,", ""] {
            headers.append(CONNECTION, HeaderValue::from_static(value));
        }
        assert_eq!(connection_options(&headers), Ok(vec!["x-a".to_owned(), "x-b".to_owned()]));
        headers.append(CONNECTION, HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert_eq!(connection_options(&headers), Err(Ambiguous));
    }
}
