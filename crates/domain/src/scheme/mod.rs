//! Schemes: from a request to a claim. A scheme answers *nothing here*, *malformed* or *a claim*; it never guesses, and a
//! failed scheme ends the search. Nothing here knows whether the key exists.

pub mod http_signature;
pub mod present;

use std::borrow::Cow;

use http_signature::SignatureInput;
use zeroize::Zeroizing;

use crate::dialect::answer::SchemeName;
use crate::dialect::{Dialect, ExchangeCredentials, Placement, ReplayRule, Scheme, SchemeKind, Signed, TokenExchange};
use crate::json::Document;
use crate::mode::Mode;
use crate::reason::DenyReason;
use crate::request::RequestView;
use crate::seal::Keyring;
use crate::time::UnixMs;
use crate::token::{self, TokenClaims, TokenUse};

/// Who the request says it is, and how it means to prove it.
pub struct Claim<'a> {
    /// The key id claimed; it has the dialect's shape.
    pub key_id: Cow<'a, str>,
    /// The mode that the key id's prefix says. The record decides; this is checked for consistency (T12).
    pub mode: Mode,
    /// The scheme.
    pub scheme: SchemeName,
    /// The proof.
    pub proof: Proof<'a>,
    /// Set when the call sells tokens.
    pub exchange: Option<&'a TokenExchange>,
}

/// What is to be checked once the record is there.
pub enum Proof<'a> {
    /// The secret itself.
    Secret(Presented<'a>),
    /// A signature over a recipe.
    Signed {
        /// The scheme's data.
        signed: &'a Signed,
        /// The timestamp's text as it was signed.
        timestamp: &'a str,
        /// The same as a number. UNIX seconds.
        seconds: i64,
        /// The decoded signature.
        signature: Vec<u8>,
    },
    /// A message signature.
    Message {
        /// What it says of itself.
        input: Box<SignatureInput>,
        /// When it was made. UNIX seconds.
        seconds: i64,
        /// How often it may be used.
        replay: ReplayRule,
    },
    /// A token of ours; its signature has been checked.
    Token(TokenClaims),
    /// The key id alone.
    PublicKey,
}

impl Proof<'_> {
    /// Whether whoever reads the request has the secret. A token is none: it ends by itself, and with its credential.
    pub fn shows_secret(&self) -> bool {
        match self {
            Self::Secret(_) => true,
            Self::Signed { .. } | Self::Message { .. } | Self::Token(_) | Self::PublicKey => false,
        }
    }
}

/// A secret as presented: borrowed from a header or decoded; wiped where it was copied.
pub enum Presented<'a> {
    /// Straight from a header.
    Header(&'a [u8]),
    /// Decoded.
    Decoded(Zeroizing<Vec<u8>>),
}

impl Presented<'_> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Header(bytes) => bytes,
            Self::Decoded(bytes) => bytes,
        }
    }
}

/// A request without a usable claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: DenyReason,
    /// By which scheme, where one was chosen.
    pub scheme: Option<SchemeName>,
}

/// Everything a scheme may look at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The dialect.
    pub dialect: &'a Dialect,
    /// The product's name: tokens are bound to it.
    pub product: &'a str,
    /// The request.
    pub view: &'a RequestView<'a>,
    /// The ring, for tokens.
    pub keyring: &'a Keyring,
    /// The moment.
    pub now: UnixMs,
    /// Who may have listened.
    pub transport: Transport,
}

/// Whether what a request shows was seen by others on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// It came under TLS, or on a way that the operator answers for.
    #[default]
    Private,
    /// It came over plain HTTP: whoever sat on the way has read it.
    Open,
}

/// The longest `Authorization` field that is read. Bytes.
const AUTHORIZATION_BYTES_MAX: usize = 2048;

/// Finds the claim of a request.
///
/// # Errors
/// `Refusal` when there is none, or one that cannot be right whatever the record says.
pub fn find_claim<'a>(context: &Context<'a>) -> Result<Claim<'a>, Refusal> {
    let (method, route) = (context.view.method, context.view.route());
    let dialect = context.dialect;
    for scheme in &dialect.schemes {
        if let SchemeKind::TokenExchange(exchange) = &scheme.kind {
            if exchange.exchange.matches(method, route) {
                return exchange_claim(context, exchange);
            }
            if exchange.refresh.as_ref().is_some_and(|refresh| refresh.matches(method, route)) {
                return refresh_claim(context, exchange);
            }
        }
    }
    if let Some(claim) = public_claim(context)? {
        return Ok(claim);
    }
    let own = |scheme: &&Scheme| scheme.routes.iter().any(|own| own.could_match(method, route));
    let mut owns = dialect.schemes.iter().filter(own).peekable();
    if owns.peek().is_some() {
        return first_claim(context, &mut owns);
    }
    first_claim(context, &mut dialect.schemes.iter().filter(|scheme| scheme.routes.is_empty()))
}

fn first_claim<'a>(context: &Context<'a>, schemes: &mut dyn Iterator<Item = &'a Scheme>) -> Result<Claim<'a>, Refusal> {
    let mut asked = None;
    for scheme in schemes {
        let name = scheme.name();
        asked = asked.or(Some(name));
        match claim_of(context, scheme) {
            Ok(Some(claim)) => return Ok(claim),
            Ok(None) => {}
            Err(reason) => return Err(Refusal { reason, scheme: Some(name) }),
        }
    }
    Err(Refusal { reason: DenyReason::MissingCredentials, scheme: asked })
}

fn claim_of<'a>(context: &Context<'a>, scheme: &'a Scheme) -> Result<Option<Claim<'a>>, DenyReason> {
    match &scheme.kind {
        SchemeKind::Basic => basic(context),
        SchemeKind::KeyPair { key_id_header, secret_header } => key_pair(context, key_id_header, secret_header),
        SchemeKind::Signed(signed) => signed_claim(context, signed),
        SchemeKind::Bearer => bearer(context),
        SchemeKind::TokenExchange(_) => access_token(context),
        SchemeKind::MessageSignature { window_seconds, replay } => message_signature(context, *window_seconds, *replay),
    }
}

/// The key id's mode, or `malformed`.
fn mode_of(context: &Context<'_>, key_id: &[u8]) -> Result<Mode, DenyReason> {
    context.dialect.key_id.parse(key_id).map_err(|_| DenyReason::MalformedCredentials)
}

fn text(bytes: &[u8]) -> Result<&str, DenyReason> {
    std::str::from_utf8(bytes).map_err(|_| DenyReason::MalformedCredentials)
}

fn claim<'a>(
    context: &Context<'a>,
    key_id: Cow<'a, str>,
    scheme: SchemeName,
    proof: Proof<'a>,
) -> Result<Claim<'a>, DenyReason> {
    let mode = mode_of(context, key_id.as_bytes())?;
    Ok(Claim { key_id, mode, scheme, proof, exchange: None })
}

/// `Basic`, one space, canonical padded base 64 of `id:secret`, and nothing else (T9; Razorpay's page lists four
/// forms that must fail). The secret is in the open in what it gives, and wiped with it.
///
/// # Errors
/// `MalformedCredentials`.
pub fn decode_basic(value: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), DenyReason> {
    let malformed = DenyReason::MalformedCredentials;
    let encoded = value.strip_prefix(b"Basic ").ok_or(malformed)?;
    if encoded.len() > AUTHORIZATION_BYTES_MAX {
        return Err(malformed);
    }
    let decoded = Zeroizing::new(data_encoding::BASE64.decode(encoded).map_err(|_| malformed)?);
    let colon = memchr::memchr(b':', &decoded).ok_or(malformed)?;
    let (id, secret) = decoded.split_at_checked(colon).ok_or(malformed)?;
    let secret = secret.get(1..).unwrap_or_default();
    Ok((text(id)?.to_owned(), Zeroizing::new(secret.to_vec())))
}

fn basic<'a>(context: &Context<'a>) -> Result<Option<Claim<'a>>, DenyReason> {
    let Some(value) = context.view.header("authorization") else { return Ok(None) };
    let (key_id, secret) = decode_basic(value)?;
    if secret.is_empty() {
        return Err(DenyReason::MalformedCredentials);
    }
    let proof = Proof::Secret(Presented::Decoded(secret));
    claim(context, Cow::Owned(key_id), SchemeName::Basic, proof).map(Some)
}

fn key_pair<'a>(
    context: &Context<'a>,
    key_id_header: &str,
    secret_header: &str,
) -> Result<Option<Claim<'a>>, DenyReason> {
    let (key_id, secret) = match (context.view.header(key_id_header), context.view.header(secret_header)) {
        (None, None) => return Ok(None),
        (Some(key_id), Some(secret)) if !secret.is_empty() => (text(key_id)?, secret),
        _ => return Err(DenyReason::MalformedCredentials),
    };
    let proof = Proof::Secret(Presented::Header(secret));
    claim(context, Cow::Borrowed(key_id), SchemeName::KeyPair, proof).map(Some)
}

/// The secret itself as a bearer token (RFC 6750 section 2.1); its fingerprint is the key id.
fn bearer<'a>(context: &Context<'a>) -> Result<Option<Claim<'a>>, DenyReason> {
    let Some(value) = context.view.header("authorization") else { return Ok(None) };
    let secret = value.strip_prefix(b"Bearer ").ok_or(DenyReason::MalformedCredentials)?;
    let mut formats = context.dialect.secrets.iter().map(|style| &style.format);
    let mode = formats.find_map(|format| format.parse(secret).ok()).ok_or(DenyReason::MalformedCredentials)?;
    let key_id = context.dialect.key_id.fingerprint(mode, secret);
    let proof = Proof::Secret(Presented::Header(secret));
    Ok(Some(Claim { key_id: Cow::Owned(key_id), mode, scheme: SchemeName::Bearer, proof, exchange: None }))
}

/// UNIX seconds as plain decimal digits: no sign, no fraction, no milliseconds (13 digits).
fn parse_seconds(timestamp: &str) -> Result<i64, DenyReason> {
    let plain = (1..=11).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (timestamp.len() > 1 && timestamp.starts_with('0')) {
        return Err(DenyReason::MalformedCredentials);
    }
    timestamp.parse().map_err(|_| DenyReason::MalformedCredentials)
}

/// Inside the window on both sides, ends included (T29).
fn check_window(seconds: i64, window_seconds: i64, now: UnixMs) -> Result<(), DenyReason> {
    if now.seconds().abs_diff(seconds) > window_seconds.unsigned_abs() {
        return Err(DenyReason::StaleTimestamp);
    }
    Ok(())
}

fn signed_claim<'a>(context: &Context<'a>, signed: &'a Signed) -> Result<Option<Claim<'a>>, DenyReason> {
    let malformed = DenyReason::MalformedCredentials;
    let (key_id, signature, timestamp) = match &signed.placement {
        Placement::Headers { key_id, signature, timestamp } => {
            let found = [key_id, signature, timestamp].map(|name| context.view.header(name));
            match found {
                [None, None, None] => return Ok(None),
                [Some(key_id), Some(signature), Some(timestamp)] => (text(key_id)?, signature, text(timestamp)?),
                _ => return Err(malformed),
            }
        }
        Placement::Packed { header } => {
            let Some(value) = context.view.header(header) else { return Ok(None) };
            let (rest, signature) = text(value)?.rsplit_once('.').ok_or(malformed)?;
            let (key_id, timestamp) = rest.rsplit_once('.').ok_or(malformed)?;
            (key_id, signature.as_bytes(), timestamp)
        }
    };
    let seconds = parse_seconds(timestamp)?;
    let signature = signed.recipe.decode(signature).ok_or(malformed)?;
    let mode = mode_of(context, key_id.as_bytes())?;
    check_window(seconds, signed.window_seconds, context.now)?;
    let proof = Proof::Signed { signed, timestamp, seconds, signature };
    Ok(Some(Claim { key_id: Cow::Borrowed(key_id), mode, scheme: SchemeName::Signed, proof, exchange: None }))
}

fn message_signature<'a>(
    context: &Context<'a>,
    window_seconds: i64,
    replay: ReplayRule,
) -> Result<Option<Claim<'a>>, DenyReason> {
    let malformed = DenyReason::MalformedCredentials;
    let Some(input) = SignatureInput::parse(context.view).map_err(|_| malformed)? else { return Ok(None) };
    let key_id = input.keyid().to_owned();
    let mode = mode_of(context, key_id.as_bytes())?;
    let seconds = input.created();
    check_window(seconds, window_seconds, context.now)?;
    if input.expires().is_some_and(|expires| context.now.seconds() >= expires) {
        return Err(DenyReason::StaleTimestamp);
    }
    http_signature::check_coverage(&input, context.view).map_err(|_| DenyReason::WrongSignature)?;
    let proof = Proof::Message { input: Box::new(input), seconds, replay };
    Ok(Some(Claim { key_id: Cow::Owned(key_id), mode, scheme: SchemeName::MessageSignature, proof, exchange: None }))
}

fn access_token<'a>(context: &Context<'a>) -> Result<Option<Claim<'a>>, DenyReason> {
    let Some(value) = context.view.header("authorization") else { return Ok(None) };
    let value = value.strip_prefix(b"Bearer ").ok_or(DenyReason::MalformedCredentials)?;
    let claims = token::read(context.keyring, value).ok_or(DenyReason::WrongSignature)?;
    if claims.aud != context.product || claims.token_use != TokenUse::Access {
        return Err(DenyReason::WrongSignature);
    }
    if claims.has_ended(context.now) {
        return Err(DenyReason::StaleTimestamp);
    }
    let key_id = claims.sub.clone();
    claim(context, Cow::Owned(key_id), SchemeName::TokenExchange, Proof::Token(claims)).map(Some)
}

fn refused(reason: DenyReason) -> Refusal {
    Refusal { reason, scheme: Some(SchemeName::TokenExchange) }
}

fn exchange_claim<'a>(context: &Context<'a>, exchange: &'a TokenExchange) -> Result<Claim<'a>, Refusal> {
    let mut claim = match &exchange.credentials {
        ExchangeCredentials::KeyPair => {
            let pair = context.dialect.schemes.iter().filter(|scheme| scheme.name() == SchemeName::KeyPair);
            first_claim(context, &mut pair.into_iter())?
        }
        ExchangeCredentials::Body { key_id_fields, secret_field } => {
            body_claim(context, key_id_fields, secret_field).map_err(refused)?
        }
    };
    claim.exchange = Some(exchange);
    Ok(claim)
}

fn body_claim<'a>(
    context: &Context<'a>,
    key_id_fields: &[Box<str>],
    secret_field: &str,
) -> Result<Claim<'a>, DenyReason> {
    let missing = DenyReason::MissingCredentials;
    let document = Document::parse(context.view.body).map_err(|_| missing)?;
    let key_id = key_id_fields.iter().find_map(|field| document.member(field)).ok_or(missing)?;
    let secret = document.member(secret_field).ok_or(missing)?;
    let secret = Zeroizing::new(secret.as_bytes().to_vec());
    let key_id = key_id.to_string();
    let mode = context.dialect.key_id.parse(key_id.as_bytes()).map_err(|_| DenyReason::UnknownKey)?;
    let proof = Proof::Secret(Presented::Decoded(secret));
    Ok(Claim { key_id: Cow::Owned(key_id), mode, scheme: SchemeName::TokenExchange, proof, exchange: None })
}

/// The refresh token stands in `Authorization` without a scheme word; where the exchange takes the keys from the body,
/// they stand there again and must be those that the token was made for.
fn refresh_claim<'a>(context: &Context<'a>, exchange: &'a TokenExchange) -> Result<Claim<'a>, Refusal> {
    let value = context.view.header("authorization").ok_or(refused(DenyReason::MissingCredentials))?;
    let claims = token::read(context.keyring, value).ok_or(refused(DenyReason::WrongSignature))?;
    if claims.aud != context.product || claims.token_use != TokenUse::Refresh {
        return Err(refused(DenyReason::WrongSignature));
    }
    if claims.has_ended(context.now) {
        return Err(refused(DenyReason::RefreshExpired));
    }
    let mut claim = match &exchange.credentials {
        ExchangeCredentials::Body { key_id_fields, secret_field } => {
            body_claim(context, key_id_fields, secret_field).map_err(refused)?
        }
        ExchangeCredentials::KeyPair => {
            let key_id = Cow::Owned(claims.sub.clone());
            claim(context, key_id, SchemeName::TokenExchange, Proof::Token(claims.clone())).map_err(refused)?
        }
    };
    if claim.key_id != claims.sub {
        return Err(refused(DenyReason::WrongSignature));
    }
    claim.exchange = Some(exchange);
    Ok(claim)
}

fn public_claim<'a>(context: &Context<'a>) -> Result<Option<Claim<'a>>, Refusal> {
    let (method, route) = (context.view.method, context.view.route());
    let Some(public) = &context.dialect.public else { return Ok(None) };
    if !public.routes.iter().any(|open| open.matches(method, route)) {
        return Ok(None);
    }
    let (key_id, scheme) = match &public.header {
        Some(header) => {
            let Some(value) = context.view.header(header) else { return Ok(None) };
            let refusal = Refusal { reason: DenyReason::MalformedCredentials, scheme: None };
            (text(value).map_err(|_| refusal)?.to_owned(), SchemeName::TokenExchange)
        }
        None => match context.view.header("authorization").map(decode_basic) {
            Some(Ok((key_id, secret))) if secret.is_empty() => (key_id, SchemeName::Basic),
            _ => return Ok(None),
        },
    };
    claim(context, Cow::Owned(key_id), scheme, Proof::PublicKey)
        .map(Some)
        .map_err(|reason| Refusal { reason, scheme: Some(scheme) })
}
