//! The `[[scheme]]` tables of a dialect file. One flat table for all kinds, so that a wrong field is named with its own
//! line; which kind takes which field is a list here.

use serde::Deserialize;

use super::{Problem, check_header, check_route, check_routes, problem};
use crate::dialect::answer::{SchemeName, Template};
use crate::dialect::recipe::{FORMS_MAX, Part, Recipe};
use crate::dialect::{ExchangeCredentials, Placement, ReplayRule, Scheme, SchemeKind, Signed, TokenExchange};

/// Longest time window of a signature. Seconds.
const WINDOW_SECONDS_MAX: i64 = 300;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScheme {
    kind: SchemeName,
    #[serde(default)]
    routes: Vec<String>,
    key_id_header: Option<String>,
    secret_header: Option<String>,
    signature_header: Option<String>,
    timestamp_header: Option<String>,
    packed_header: Option<String>,
    window_seconds: Option<i64>,
    replay: Option<ReplayRule>,
    recipe: Option<Recipe>,
    exchange_route: Option<String>,
    refresh_route: Option<String>,
    credentials: Option<RawCredentials>,
    key_id_fields: Option<Vec<String>>,
    secret_field: Option<String>,
    access_seconds: Option<i64>,
    refresh_seconds: Option<i64>,
    status: Option<u16>,
    answer: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawCredentials {
    Body,
    KeyPair,
}

pub(super) fn check_schemes(raw: Vec<RawScheme>, derived: bool) -> Result<Vec<Scheme>, Problem> {
    if raw.is_empty() {
        return problem("scheme", "needs at least one");
    }
    let mut schemes = Vec::new();
    for (index, scheme) in raw.into_iter().enumerate() {
        let at = format!("scheme[{index}]");
        schemes.push(check_scheme(&at, scheme, derived)?);
    }
    let has_pair = schemes.iter().any(|scheme: &Scheme| scheme.name() == SchemeName::KeyPair);
    for (index, scheme) in schemes.iter().enumerate() {
        if let SchemeKind::TokenExchange(exchange) = &scheme.kind
            && exchange.credentials == ExchangeCredentials::KeyPair
            && !has_pair
        {
            return problem(
                format!("scheme[{index}].credentials"),
                "is `key_pair`, and no scheme of that kind is here",
            );
        }
    }
    Ok(schemes)
}

impl RawScheme {
    /// The fields that the file gives, by name. `kind` and `routes` belong to every kind.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("key_id_header", self.key_id_header.is_some()),
            ("secret_header", self.secret_header.is_some()),
            ("signature_header", self.signature_header.is_some()),
            ("timestamp_header", self.timestamp_header.is_some()),
            ("packed_header", self.packed_header.is_some()),
            ("window_seconds", self.window_seconds.is_some()),
            ("replay", self.replay.is_some()),
            ("recipe", self.recipe.is_some()),
            ("exchange_route", self.exchange_route.is_some()),
            ("refresh_route", self.refresh_route.is_some()),
            ("credentials", self.credentials.is_some()),
            ("key_id_fields", self.key_id_fields.is_some()),
            ("secret_field", self.secret_field.is_some()),
            ("access_seconds", self.access_seconds.is_some()),
            ("refresh_seconds", self.refresh_seconds.is_some()),
            ("status", self.status.is_some()),
            ("answer", self.answer.is_some()),
        ];
        fields.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}

/// The fields that a kind takes beside `kind` and `routes`.
fn taken(kind: SchemeName) -> &'static [&'static str] {
    match kind {
        SchemeName::Basic | SchemeName::Bearer => &[],
        SchemeName::KeyPair => &["key_id_header", "secret_header"],
        SchemeName::Signed => &[
            "key_id_header",
            "signature_header",
            "timestamp_header",
            "packed_header",
            "window_seconds",
            "replay",
            "recipe",
        ],
        SchemeName::MessageSignature => &["window_seconds", "replay"],
        SchemeName::TokenExchange => &[
            "exchange_route",
            "refresh_route",
            "credentials",
            "key_id_fields",
            "secret_field",
            "access_seconds",
            "refresh_seconds",
            "status",
            "answer",
        ],
    }
}

fn check_scheme(at: &str, raw: RawScheme, derived: bool) -> Result<Scheme, Problem> {
    let takes = taken(raw.kind);
    if let Some(odd) = raw.given().find(|given| !takes.contains(given)) {
        return problem(format!("{at}.{odd}"), "has no meaning for this kind of scheme");
    }
    let routes = check_routes(&format!("{at}.routes"), &raw.routes)?;
    let kind = match raw.kind {
        SchemeName::Basic => SchemeKind::Basic,
        SchemeName::KeyPair => SchemeKind::KeyPair {
            key_id_header: header(at, "key_id_header", raw.key_id_header)?,
            secret_header: header(at, "secret_header", raw.secret_header)?,
        },
        SchemeName::Signed => SchemeKind::Signed(check_signed(at, raw)?),
        SchemeName::Bearer if derived => SchemeKind::Bearer,
        SchemeName::Bearer => return problem(format!("{at}.kind"), "`bearer` needs `key_id.derived = true`"),
        SchemeName::MessageSignature => {
            let replay = raw.replay.unwrap_or_default();
            SchemeKind::MessageSignature { window_seconds: check_window(at, raw.window_seconds)?, replay }
        }
        SchemeName::TokenExchange => SchemeKind::TokenExchange(check_exchange(at, raw)?),
    };
    Ok(Scheme { kind, routes })
}

fn needed<T>(at: &str, name: &str, value: Option<T>) -> Result<T, Problem> {
    value.map_or_else(|| problem(format!("{at}.{name}"), "is missing"), Ok)
}

fn header(at: &str, name: &str, value: Option<String>) -> Result<Box<str>, Problem> {
    check_header(&format!("{at}.{name}"), &needed(at, name, value)?)
}

fn check_window(at: &str, seconds: Option<i64>) -> Result<i64, Problem> {
    let seconds = needed(at, "window_seconds", seconds)?;
    if (1..=WINDOW_SECONDS_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    problem(format!("{at}.window_seconds"), format!("must be 1 to {WINDOW_SECONDS_MAX}"))
}

fn check_signed(at: &str, raw: RawScheme) -> Result<Signed, Problem> {
    let named = [raw.key_id_header, raw.signature_header, raw.timestamp_header];
    let placement = check_placement(at, named, raw.packed_header)?;
    let window_seconds = check_window(at, raw.window_seconds)?;
    let recipe = needed(at, "recipe", raw.recipe)?;
    check_recipe(at, &recipe)?;
    Ok(Signed { placement, window_seconds, replay: raw.replay.unwrap_or_default(), recipe })
}

fn check_placement(at: &str, named: [Option<String>; 3], packed: Option<String>) -> Result<Placement, Problem> {
    match (named, packed) {
        ([None, None, None], Some(packed)) => {
            Ok(Placement::Packed { header: header(at, "packed_header", Some(packed))? })
        }
        ([Some(key_id), Some(signature), Some(timestamp)], None) => Ok(Placement::Headers {
            key_id: header(at, "key_id_header", Some(key_id))?,
            signature: header(at, "signature_header", Some(signature))?,
            timestamp: header(at, "timestamp_header", Some(timestamp))?,
        }),
        _ => problem(at, "needs `key_id_header`, `signature_header` and `timestamp_header`, or `packed_header` alone"),
    }
}

fn check_recipe(at: &str, recipe: &Recipe) -> Result<(), Problem> {
    if !recipe.parts.contains(&Part::Body) || !recipe.parts.contains(&Part::Timestamp) {
        return problem(format!("{at}.recipe.parts"), "must cover the body and the timestamp (T4, T5)");
    }
    if !keeps_apart(&recipe.parts) {
        let words = "`path`, `query` and `body` need a literal with a line break between two of them, and the body last: \
                     else bytes could move from one to the next under the same signature (T3)";
        return problem(format!("{at}.recipe.parts"), words);
    }
    if recipe.forms.len() > FORMS_MAX {
        return problem(format!("{at}.recipe.forms"), format!("at most {FORMS_MAX}: each one costs a digest"));
    }
    Ok(())
}

/// Whether the parts without a length of their own stand apart. White space is in no path and no query, and `?` in no
/// path; a body may hold anything, so nothing that ends it can be told from it.
fn keeps_apart(parts: &[Part]) -> bool {
    let mut open: Option<&Part> = None;
    for part in parts {
        match (part, open) {
            (Part::Path | Part::Query | Part::Body, Some(_)) => return false,
            (Part::Path | Part::Query | Part::Body, None) => open = Some(part),
            (Part::Literal(text), Some(Part::Path)) if text.starts_with('?') => open = None,
            (Part::Literal(text), Some(Part::Path | Part::Query)) if text.contains(['\n', ' ']) => open = None,
            (Part::Literal(_) | Part::Timestamp | Part::Method | Part::KeyId, _) => {}
        }
    }
    true
}

fn check_exchange(at: &str, raw: RawScheme) -> Result<TokenExchange, Problem> {
    let key_id_fields = raw.key_id_fields.unwrap_or_default();
    let credentials = match (needed(at, "credentials", raw.credentials)?, raw.secret_field) {
        (RawCredentials::Body, Some(secret_field)) if !key_id_fields.is_empty() => ExchangeCredentials::Body {
            key_id_fields: key_id_fields.into_iter().map(Into::into).collect(),
            secret_field: secret_field.into(),
        },
        (RawCredentials::Body, _) => {
            return problem(format!("{at}.credentials"), "`body` needs `key_id_fields` and `secret_field`");
        }
        (RawCredentials::KeyPair, _) => ExchangeCredentials::KeyPair,
    };
    let access_seconds = needed(at, "access_seconds", raw.access_seconds)?;
    let refresh_seconds = raw.refresh_seconds.unwrap_or(0);
    if access_seconds < 1 || (raw.refresh_route.is_some() && refresh_seconds < access_seconds) {
        return problem(format!("{at}.access_seconds"), "must be at least 1, and at most `refresh_seconds`");
    }
    let status = needed(at, "status", raw.status)?;
    if !(200..=299).contains(&status) {
        return problem(format!("{at}.status"), "must be 200 to 299");
    }
    let known = ["access_token", "refresh_token", "environment", "expires_in"];
    let answer = Template::parse(&needed(at, "answer", raw.answer)?, &known)
        .or_else(|reason| problem(format!("{at}.answer"), reason))?;
    let exchange = needed(at, "exchange_route", raw.exchange_route)?;
    Ok(TokenExchange {
        exchange: check_route(&format!("{at}.exchange_route"), &exchange)?,
        refresh: raw.refresh_route.map(|text| check_route(&format!("{at}.refresh_route"), &text)).transpose()?,
        credentials,
        access_seconds,
        refresh_seconds,
        status,
        answer,
    })
}
