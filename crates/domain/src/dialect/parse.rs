//! Reads a dialect from TOML. Every field is checked; what is wrong is said with its line and its field, for the person
//! who wrote the file.

mod gateways;
mod go_live;
pub mod limits;
mod providers;
mod scheme;
mod test_cards;
mod webhooks;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Deserialize;

use super::answer::{Answer, Answers, SchemeName, Template, envelope_values, quote};
use super::apps::AppRules;
use super::credential_headers::{CREDENTIAL_HEADERS, CredentialHeaders};
use super::format::{Alphabet, Checksum, KeyFormat};
use super::gateways::Gateway;
use super::go_live::GoLive;
use super::route::{Route, is_method, is_plain_path};
use super::{AddressesProof, Dialect, OwnerKind, Placement, Public, Scheme, SchemeKind, ScopeRule, SecretStyle};
use crate::reason::DenyReason;

/// What is wrong with a dialect file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DialectError {
    /// The line, counted from 1.
    pub line: usize,
    /// The field as a path: `scheme[0].recipe.forms`.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, field `{}`: {}", self.line, self.field, self.problem)
    }
}

/// Fewest random bits in a secret (T15).
const SECRET_BITS_MIN: usize = 128;
/// Fewest random bits in a key id: they are public, and must not collide.
const KEY_ID_BITS_MIN: usize = 80;
/// Most random characters of a key id, and of a secret.
const KEY_ID_CHARS_MAX: usize = 128;
const SECRET_CHARS_MAX: usize = 256;
/// Longest prefix of either. Bytes.
const PREFIX_BYTES_MAX: usize = 32;
/// Longest grace of a roll. Seconds: 30 days.
const GRACE_SECONDS_MAX: u32 = 2_592_000;
/// Most headers of its own that a dialect may put credentials into; the gate keeps a bit for each.
const CREDENTIAL_HEADERS_MAX: usize = 32;
/// Largest body a dialect may allow. Bytes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDialect {
    name: String,
    title: String,
    owner: OwnerKind,
    active_max: u32,
    body_bytes_max: usize,
    sandbox: String,
    content_type: Option<String>,
    environment: RawEnvironment,
    key_id: RawKeyId,
    secret: Vec<RawSecret>,
    roll: RawRoll,
    #[serde(default)]
    apps: AppRules,
    restrictions: RawRestrictions,
    providers: Option<providers::RawProviders>,
    #[serde(default)]
    gateway: Vec<Gateway>,
    test_cards: Option<test_cards::RawTestCards>,
    go_live: Option<GoLive>,
    #[serde(default)]
    scopes: BTreeMap<String, RawScope>,
    scheme: Vec<scheme::RawScheme>,
    public: Option<RawPublic>,
    webhooks: Option<webhooks::RawWebhooks>,
    #[serde(default)]
    signs_returns: bool,
    #[serde(default)]
    limit: Vec<limits::RawLimit>,
    errors: RawErrors,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnvironment {
    test: String,
    live: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeyId {
    prefix: String,
    alphabet: Alphabet,
    length: usize,
    #[serde(default)]
    checksum: Checksum,
    #[serde(default)]
    derived: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    style: String,
    prefix: String,
    alphabet: Alphabet,
    length: usize,
    #[serde(default)]
    checksum: Checksum,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoll {
    offered_seconds: Vec<u32>,
    grace_seconds_max: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRestrictions {
    allowed_ips_max: usize,
    allowed_origins_max: usize,
    #[serde(default)]
    origins_always_allowed: Vec<String>,
    #[serde(default)]
    addresses_proof: AddressesProof,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScope {
    methods: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPublic {
    header: Option<String>,
    routes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawErrors {
    content_type: String,
    envelope: String,
    answer: Vec<RawAnswer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    reasons: Vec<DenyReason>,
    scheme: Option<SchemeName>,
    status: u16,
    code: Option<toml::Value>,
    message: String,
}

/// A problem before its line is known.
struct Problem {
    field: String,
    problem: String,
}

fn problem<T>(field: impl Into<String>, problem: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { field: field.into(), problem: problem.into() })
}

impl Dialect {
    /// Reads and checks a dialect.
    ///
    /// # Errors
    /// `DialectError` names the first field that is wrong, its line, and what would be right.
    pub fn parse(text: &str) -> Result<Self, DialectError> {
        let deserializer = toml::Deserializer::parse(text).map_err(|error| DialectError {
            line: line_at(text, error.span().map_or(0, |span| span.start)),
            field: WHOLE_FILE.to_owned(),
            problem: error.message().to_owned(),
        })?;
        let raw: RawDialect = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let inner = error.inner();
            let field = name_of(error.path(), inner.message());
            let line = inner.span().map_or_else(|| line_of(text, &field), |span| line_at(text, span.start));
            DialectError { line, field, problem: inner.message().to_owned() }
        })?;
        check(raw).map_err(|Problem { field, problem }| DialectError { line: line_of(text, &field), field, problem })
    }
}

/// What an error names when it is about no field.
const WHOLE_FILE: &str = "the file";

/// The path of a field. Where a field is missing, the path given is that of the table around it.
fn name_of(path: &serde_path_to_error::Path, message: &str) -> String {
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match (path.to_string(), missing) {
        (path, Some(missing)) if path == "." => missing.to_owned(),
        (path, Some(missing)) => format!("{path}.{missing}"),
        // A key may be empty.
        (path, None) if path.is_empty() || path == "." => WHOLE_FILE.to_owned(),
        (path, None) => path,
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line where a field (or the nearest table around it) stands.
fn line_of(text: &str, field: &str) -> usize {
    let Ok(root) = toml::de::DeTable::parse(text) else { return 1 };
    let mut offset = 0;
    let mut table = Some(root.get_ref());
    let mut value: Option<&toml::de::DeValue<'_>> = None;
    for step in field.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        let next = match (table, value) {
            (Some(inside), _) => {
                inside.iter().find(|(key, _)| key.get_ref() == step).map(|(key, found)| (key.span().start, found))
            }
            (None, Some(toml::de::DeValue::Array(items))) => {
                step.parse::<usize>().ok().and_then(|index| items.get(index)).map(|found| (found.span().start, found))
            }
            (None, _) => None,
        };
        let Some((start, found)) = next else { break };
        offset = start;
        table = match found.get_ref() {
            toml::de::DeValue::Table(inside) => Some(inside),
            _ => None,
        };
        value = Some(found.get_ref());
    }
    line_at(text, offset)
}

fn check(raw: RawDialect) -> Result<Dialect, Problem> {
    let name_is_plain = raw.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if raw.name.is_empty() || raw.name.len() > 32 || !name_is_plain {
        return problem("name", "must be 1 to 32 lower-case letters and digits; it becomes the path of the product");
    }
    if raw.active_max == 0 || raw.active_max > 1000 {
        return problem("active_max", "must be 1 to 1000");
    }
    if raw.body_bytes_max == 0 || raw.body_bytes_max > BODY_BYTES_MAX {
        return problem("body_bytes_max", format!("must be 1 to {BODY_BYTES_MAX}"));
    }
    if raw.roll.grace_seconds_max > GRACE_SECONDS_MAX {
        return problem("roll.grace_seconds_max", format!("must be at most {GRACE_SECONDS_MAX} (30 days)"));
    }
    if raw.roll.offered_seconds.iter().any(|seconds| *seconds > raw.roll.grace_seconds_max) {
        return problem("roll.offered_seconds", "offers a grace above roll.grace_seconds_max");
    }
    if let Some(content_type) = &raw.content_type {
        check_content_type("content_type", content_type)?;
    }
    check_words(&raw)?;
    let key_id = check_key_id(&raw.key_id)?;
    let secrets = check_secrets(&raw.secret)?;
    let schemes = scheme::check_schemes(raw.scheme, raw.key_id.derived)?;
    check_bearer(&schemes, &raw.secret)?;
    let public = raw.public.map(|public| check_public(public, &schemes)).transpose()?;
    let extra_credential_headers = extra_credential_headers(&schemes, public.as_ref());
    let credential_headers = CredentialHeaders::of(&extra_credential_headers, &schemes, public.as_ref())
        .filter(|_| extra_credential_headers.len() <= CREDENTIAL_HEADERS_MAX);
    let Some(credential_headers) = credential_headers else {
        return problem("scheme", format!("name more than {CREDENTIAL_HEADERS_MAX} headers together"));
    };
    let webhooks = raw.webhooks.map(|raw| webhooks::check_webhooks(raw, &schemes)).transpose()?;
    Ok(Dialect {
        name: raw.name.into(),
        title: raw.title.into(),
        owner: raw.owner,
        active_max: raw.active_max,
        body_bytes_max: raw.body_bytes_max,
        sandbox: raw.sandbox.into(),
        content_type: raw.content_type.map(Into::into),
        environment_test: raw.environment.test.into(),
        environment_live: raw.environment.live.into(),
        key_id,
        key_id_derived: raw.key_id.derived,
        secrets,
        roll_offered_seconds: raw.roll.offered_seconds,
        grace_seconds_max: raw.roll.grace_seconds_max,
        allowed_ips_max: raw.restrictions.allowed_ips_max,
        addresses_proof: raw.restrictions.addresses_proof,
        allowed_origins_max: raw.restrictions.allowed_origins_max,
        origins_always_allowed: raw.restrictions.origins_always_allowed.into_iter().map(Into::into).collect(),
        apps: raw.apps,
        providers: raw.providers.as_ref().map(providers::check_providers).transpose()?,
        gateways: gateways::check_gateways(raw.gateway)?,
        go_live: raw.go_live.map(go_live::check_go_live).transpose()?,
        test_cards: raw.test_cards.as_ref().map(test_cards::check_test_cards).transpose()?,
        scopes: check_scopes(raw.scopes)?,
        schemes,
        public,
        extra_credential_headers,
        credential_headers,
        webhooks,
        signs_returns: raw.signs_returns,
        limits: limits::check_limits(&raw.limit)?,
        answers: check_errors(&raw.errors)?,
    })
}

/// What only some dialects say, those have words for.
fn check_words(raw: &RawDialect) -> Result<(), Problem> {
    let has_words = |reason| raw.errors.answer.iter().any(|answer| answer.reasons.contains(&reason));
    for (is_said, reason) in [
        (raw.providers.is_some(), DenyReason::ProviderNotAllowed),
        (raw.test_cards.is_some(), DenyReason::TestCardInLive),
    ] {
        if is_said && !has_words(reason) {
            return problem("errors.answer", format!("has no answer for the reason `{}`", reason.as_str()));
        }
    }
    Ok(())
}

/// The headers with credentials that the gate does not know already.
fn extra_credential_headers(schemes: &[Scheme], public: Option<&Public>) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> = schemes.iter().flat_map(scheme_headers).map(Into::into).collect();
    names.extend(public.and_then(|public| public.header.clone()));
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !CREDENTIAL_HEADERS.contains(&&**name));
    names
}

fn scheme_headers(scheme: &Scheme) -> Vec<&str> {
    match &scheme.kind {
        SchemeKind::KeyPair { key_id_header, secret_header } => vec![key_id_header, secret_header],
        SchemeKind::Signed(signed) => match &signed.placement {
            Placement::Headers { key_id, signature, timestamp } => vec![key_id, signature, timestamp],
            Placement::Packed { header } => vec![header],
        },
        SchemeKind::Basic | SchemeKind::Bearer | SchemeKind::TokenExchange(_) | SchemeKind::MessageSignature { .. } => {
            Vec::new()
        }
    }
}

/// A prefix is written into headers, JSON and file names, so it holds nothing that any of them reads otherwise.
fn check_prefix(field: &str, prefix: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if prefix.len() <= PREFIX_BYTES_MAX && prefix.replace("{mode}", "").bytes().all(plain) {
        return Ok(());
    }
    let words = format!("must be at most {PREFIX_BYTES_MAX} letters, digits, `_`, `-` and `{{mode}}`");
    problem(field, words)
}

fn check_key_id(raw: &RawKeyId) -> Result<KeyFormat, Problem> {
    if !raw.prefix.contains("{mode}") {
        return problem("key_id.prefix", "must hold `{mode}`, so that test and live key ids differ");
    }
    check_prefix("key_id.prefix", &raw.prefix)?;
    if raw.length > KEY_ID_CHARS_MAX {
        return problem("key_id.length", format!("must be at most {KEY_ID_CHARS_MAX}"));
    }
    if raw.alphabet.bits(raw.length) < KEY_ID_BITS_MIN {
        return problem(
            "key_id.length",
            format!("gives fewer than {KEY_ID_BITS_MIN} random bits; take more characters"),
        );
    }
    if raw.derived && (raw.length > 32 || raw.alphabet != Alphabet::Base62) {
        return problem("key_id.derived", "needs the base62 alphabet and at most 32 characters");
    }
    Ok(KeyFormat::new(&raw.prefix, raw.alphabet, raw.length, raw.checksum))
}

fn check_secrets(raw: &[RawSecret]) -> Result<Vec<SecretStyle>, Problem> {
    if raw.is_empty() {
        return problem("secret", "needs at least one style");
    }
    let mut styles: Vec<SecretStyle> = Vec::new();
    for (index, secret) in raw.iter().enumerate() {
        if secret.alphabet.bits(secret.length) < SECRET_BITS_MIN {
            let least = format!("gives fewer than {SECRET_BITS_MIN} random bits; take more characters");
            return problem(format!("secret[{index}].length"), least);
        }
        if secret.length > SECRET_CHARS_MAX {
            return problem(format!("secret[{index}].length"), format!("must be at most {SECRET_CHARS_MAX}"));
        }
        check_prefix(&format!("secret[{index}].prefix"), &secret.prefix)?;
        if styles.iter().any(|style| *style.name == *secret.style) {
            return problem(format!("secret[{index}].style"), "stands twice");
        }
        let format = KeyFormat::new(&secret.prefix, secret.alphabet, secret.length, secret.checksum);
        styles.push(SecretStyle { name: secret.style.as_str().into(), format });
    }
    Ok(styles)
}

fn check_routes(field: &str, raw: &[String]) -> Result<Vec<Route>, Problem> {
    raw.iter().enumerate().map(|(index, text)| check_route(&format!("{field}[{index}]"), text)).collect()
}

fn check_route(field: &str, text: &str) -> Result<Route, Problem> {
    Route::parse(text).map_or_else(|| problem(field, "must read `METHOD /path`, with `{name}` for one segment"), Ok)
}

/// A bearer secret comes without its key id, so it says itself for which mode it is.
fn check_bearer(schemes: &[Scheme], secrets: &[RawSecret]) -> Result<(), Problem> {
    let has_bearer = schemes.iter().any(|scheme| scheme.name() == SchemeName::Bearer);
    match secrets.iter().position(|secret| !secret.prefix.contains("{mode}")) {
        Some(index) if has_bearer => {
            problem(format!("secret[{index}].prefix"), "must hold `{mode}`: a scheme is `bearer`")
        }
        _ => Ok(()),
    }
}

fn check_header(field: &str, name: &str) -> Result<Box<str>, Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        return problem(field, "must be a header name in lower case (letters, digits, `-`)");
    }
    Ok(name.into())
}

/// A content type is written into a header as it stands.
fn check_content_type(field: &str, text: &str) -> Result<(), Problem> {
    if !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    problem(field, "must be a content type such as `application/json`")
}

fn check_public(raw: RawPublic, schemes: &[Scheme]) -> Result<Public, Problem> {
    let header = raw.header.map(|header| check_header("public.header", &header)).transpose()?;
    if header.is_none() && !schemes.iter().any(|scheme| scheme.name() == SchemeName::Basic) {
        return problem("public.header", "is needed: no scheme here is `basic`");
    }
    if header.as_ref().is_some_and(|header| schemes.iter().flat_map(scheme_headers).any(|taken| *taken == **header)) {
        return problem("public.header", "is a header of a scheme: a key id alone must not look like half of a pair");
    }
    Ok(Public { header, routes: check_routes("public.routes", &raw.routes)? })
}

fn check_scopes(raw: BTreeMap<String, RawScope>) -> Result<BTreeMap<Box<str>, ScopeRule>, Problem> {
    let mut scopes = BTreeMap::new();
    for (name, scope) in raw {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        if name.is_empty() || !name.bytes().all(plain) {
            return problem("scopes", format!("`{name}` must be letters, digits, `_`, `-`, `.` and `:`"));
        }
        if let Some(path) = scope.paths.iter().find(|path| !is_plain_path(path)) {
            let words =
                format!("`{path}` must be segments of letters, digits, `-`, `.`, `_` and `~`, each behind a `/`");
            return problem(format!("scopes.{name}.paths"), words);
        }
        if let Some(method) = scope.methods.iter().find(|method| !is_method(method)) {
            return problem(format!("scopes.{name}.methods"), format!("`{method}` must be in upper case"));
        }
        let rule = ScopeRule {
            methods: scope.methods.into_iter().map(Into::into).collect(),
            paths: scope.paths.into_iter().map(Into::into).collect(),
        };
        scopes.insert(name.into(), rule);
    }
    Ok(scopes)
}

/// One answer's body with a status; `None` when its code is neither text nor a whole number.
fn error_body(envelope: &Template, answer: &RawAnswer, status: u16) -> Option<Box<str>> {
    let code = match &answer.code {
        None => "null".to_owned(),
        Some(toml::Value::String(text)) => quote(text),
        Some(toml::Value::Integer(number)) => number.to_string(),
        Some(_) => return None,
    };
    Some(envelope.render(&envelope_values(status, &code, &answer.message)).into_boxed_str())
}

/// Troubles with an upstream have the words of `unavailable`, with the status that gateways give, where a dialect has
/// none of its own for them: few vendors document any.
fn fill_in_upstream(
    envelope: &Template,
    answers: &[RawAnswer],
    by_reason: &mut HashMap<(DenyReason, Option<SchemeName>), Answer>,
) {
    let is_general = |answer: &&RawAnswer| answer.scheme.is_none() && answer.reasons.contains(&DenyReason::Unavailable);
    let Some(general) = answers.iter().find(is_general) else { return };
    for (reason, status) in
        [(DenyReason::UpstreamFailed, 502), (DenyReason::UpstreamTimeout, 504), (DenyReason::UpstreamUnavailable, 503)]
    {
        if let Some(body) = error_body(envelope, general, status) {
            by_reason.entry((reason, None)).or_insert(Answer { status, body });
        }
    }
    // Only a dialect with a list of providers, or of test cards, says it, and that one has words of its own.
    if let Some(answer) = by_reason.get(&(DenyReason::ScopeMissing, None)).cloned() {
        for reason in [DenyReason::ProviderNotAllowed, DenyReason::TestCardInLive] {
            by_reason.entry((reason, None)).or_insert(answer.clone());
        }
    }
    // Both say: these credentials are good, and not from there.
    if let Some(answer) = by_reason.get(&(DenyReason::IpNotAllowed, None)).cloned() {
        by_reason.entry((DenyReason::InsecureTransport, None)).or_insert(answer);
    }
}

fn check_errors(raw: &RawErrors) -> Result<Answers, Problem> {
    let envelope = Template::parse(&raw.envelope, &["status", "code", "message", "title"])
        .or_else(|reason| problem("errors.envelope", reason))?;
    check_content_type("errors.content_type", &raw.content_type)?;
    let mut by_reason = HashMap::new();
    for (index, answer) in raw.answer.iter().enumerate() {
        if !(400..=599).contains(&answer.status) {
            return problem(format!("errors.answer[{index}].status"), "must be 400 to 599");
        }
        let body = error_body(&envelope, answer, answer.status)
            .ok_or(())
            .or_else(|()| problem(format!("errors.answer[{index}].code"), "must be a text or a whole number"))?;
        for reason in &answer.reasons {
            let entry = Answer { status: answer.status, body: body.clone() };
            if by_reason.insert((*reason, answer.scheme), entry).is_some() {
                let words = format!("answers `{}` a second time", reason.as_str());
                return problem(format!("errors.answer[{index}].reasons"), words);
            }
        }
    }
    fill_in_upstream(&envelope, &raw.answer, &mut by_reason);
    for reason in DenyReason::ALL {
        if !by_reason.contains_key(&(*reason, None)) {
            return problem("errors.answer", format!("has no answer for the reason `{}`", reason.as_str()));
        }
    }
    Ok(Answers::new(&raw.content_type, envelope, by_reason))
}
