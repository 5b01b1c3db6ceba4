//! What handlers take in: who acts, a strict body, a page, a repeatable call.

use axum::extract::{FromRequestParts, Query};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::Actor;
use keymint_app::ops::idempotency::Repeat;
use keymint_app::ops::tokens;
use keymint_domain::time::UnixMs;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Whoever the token stands for. A handler that takes this cannot be reached without a token.
pub struct Acting(pub Actor);

impl FromRequestParts<App> for Acting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(ApiError::unauthorized()) };
        let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or_else(ApiError::unauthorized)?;
        let actor = tokens::actor_of(app, token).await?;
        actor.map(Self).ok_or_else(ApiError::unauthorized)
    }
}

/// Reads a JSON body; unknown members are refused and named, values are not quoted back: one may be a secret.
///
/// # Errors
/// 400 for what is not JSON, 422 for a member that is wrong.
pub fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    let malformed = |detail| ApiError::new(StatusCode::BAD_REQUEST, "malformed_body", detail);
    // Two members of one name are refused: which one counts would be anyone's guess (T18).
    if keymint_domain::json::Document::parse(bytes).is_err() {
        return Err(malformed("The body must be a JSON object in which no member stands twice."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let text = error.into_inner().to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        // serde quotes values in "invalid type" and "invalid value"; what it expected comes last.
        match (text.split_once("unknown field "), text.split_once("missing field "), text.rsplit_once("expected ")) {
            (Some((_, rest)), ..) => {
                let name = rest.split('`').nth(1).unwrap_or_default();
                ApiError::field(clip(name), "is not a field of this call")
            }
            (None, Some((_, rest)), _) => ApiError::field(rest.trim_matches('`'), "is required"),
            (None, None, Some((_, expected))) => ApiError::field(field, format!("must be {expected}")),
            (None, None, None) => ApiError::field(field, "is not valid"),
        }
    })
}

/// At most 40 plain characters of a name that the client chose.
fn clip(name: &str) -> String {
    let plain = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    let clipped: String = name.chars().take(40).collect();
    if clipped.len() < 20 && clipped.chars().all(|character| plain(&character)) { clipped } else { "body".to_owned() }
}

/// The query of a list.
///
/// # Errors
/// 400 for a parameter that is unknown or wrong.
pub fn query<T: DeserializeOwned>(uri: &http::Uri) -> Result<T, ApiError> {
    Query::try_from_uri(uri).map(|Query(value)| value).map_err(|_| {
        let detail = "A query parameter is unknown or has a wrong value; see /docs for this call's parameters.";
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_query", detail)
    })
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Where the part before ended.
    pub cursor: Option<String>,
    /// How many: 1 to 100.
    pub limit: Option<i64>,
}

/// Items of a list when a call does not say.
const LIMIT_DEFAULT: i64 = 20;
/// Items of a list at the most.
const LIMIT_MAX: i64 = 100;

/// How many items a call asks for.
///
/// # Errors
/// 422 outside 1 to 100.
pub fn limit(asked: Option<i64>) -> Result<i64, ApiError> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(ApiError::field("limit", format!("must be 1 to {LIMIT_MAX}"))),
    }
}

/// A cursor that is a number; `default` without one.
///
/// # Errors
/// 422 for anything else.
pub fn number_cursor(cursor: Option<&str>, default: i64) -> Result<i64, ApiError> {
    cursor.map_or(Ok(default), |text| text.parse().map_err(|_| ApiError::field("cursor", "is not one that we gave")))
}

/// A list's items and the cursor of the next part: one item more than asked for was read to know whether there is one.
pub fn cut<T>(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(0);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = if has_more { items.last().map(cursor) } else { None };
    (items, next)
}

/// The call as one that may be repeated, when it carries an `Idempotency-Key`.
///
/// # Errors
/// 422 for a key that is not printable or too long, or stands twice.
pub fn repeat(headers: &HeaderMap, operation: &str, bytes: &Bytes) -> Result<Option<Repeat>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::field("Idempotency-Key", "stands twice"));
    }
    let key = value.to_str().unwrap_or_default();
    Ok(Some(Repeat::new(key, operation, bytes)?))
}

/// An id in the path.
///
/// # Errors
/// 404: what is not an id is nobody's.
pub fn id<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, ApiError> {
    let detail = format!("There is no {what} of that id.");
    text.parse().map_err(|_| ApiError::new(StatusCode::NOT_FOUND, "not_found", detail))
}

/// A moment as RFC 3339.
///
/// # Errors
/// 422 for anything else.
pub fn moment(field: &'static str, text: &str) -> Result<UnixMs, ApiError> {
    let parsed = text.parse::<jiff::Timestamp>();
    parsed
        .map(|at| UnixMs(at.as_millisecond()))
        .map_err(|_| ApiError::field(field, "must be a moment such as 2027-01-31T00:00:00Z (RFC 3339)"))
}

/// A moment for the wire: RFC 3339 in UTC, with milliseconds.
pub fn rfc3339(at: UnixMs) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    format!("{at:.3}")
}
