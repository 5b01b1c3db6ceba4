//! The native payments API, the cleanest of them: payments that are authorized, captured, cancelled and refunded
//! (`payments.rs`, `refunds.rs`), payouts and balances (`payouts.rs`), a hosted page (`open.rs`); who am I, and an echo to
//! try signing with. `docs/sandbox/keymint.md` is its reference.

pub mod open;
mod payments;
mod payouts;
mod refunds;
pub mod samples;

use aws_lc_rs::digest;
use keymint_app::sandbox::turn::{Posting, Turn};
use keymint_app::sandbox::{Answered, Object, SandboxError};
use keymint_domain::dialect::answer::quote;
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{Asked, Outcome, parsed, rfc3339, text_of, trouble, unknown};
use crate::reply::{self, Response};

/// The currencies that are known, all with two decimals or none: amounts are in the smallest unit.
const CURRENCIES: [&str; 7] = ["EUR", "GBP", "INR", "KES", "USD", "XAF", "XOF"];
/// Largest amount. The smallest unit of its currency.
const AMOUNT_MAX: i64 = 100_000_000_000;
/// What each wallet of an app holds before anything moved in it.
const OPENING: i64 = 1_000_000;
/// Longest `Idempotency-Key`. Bytes.
const KEY_BYTES_MAX: usize = 255;
/// Largest `metadata`. Bytes of JSON: it stands in the webhook.
const METADATA_BYTES_MAX: usize = 4096;
/// Objects of a list when a call does not say, and at the most.
const LIMITS: (i64, i64) = (20, 100);

/// Answers a call.
pub async fn answer(call: &Asked<'_>) -> Outcome {
    let segments = call.segments();
    let rest = match segments.as_slice() {
        ["v1", rest @ ..] => rest,
        _ => return Err(unknown(false)),
    };
    match (call.view.method, rest) {
        ("GET", ["whoami"]) => Ok(whoami(call)),
        ("POST", ["echo"]) => {
            let body = String::from_utf8_lossy(call.view.body);
            Ok(reply::json(200, format!(r#"{{"received":{}}}"#, quote(&body))))
        }
        ("GET", ["balance"]) => payouts::balance(call).await,
        ("GET", ["payments"]) => list(call, "payment").await,
        ("GET", ["payouts"]) => list(call, "payout").await,
        ("GET", ["refunds"]) => list(call, "refund").await,
        ("GET", ["payments", id]) => fetch(call, "payment", id).await,
        ("GET", ["payouts", id]) => fetch(call, "payout", id).await,
        ("GET", ["refunds", id]) => fetch(call, "refund", id).await,
        ("POST", ["payments" | "payouts"] | ["payments", _, "capture" | "cancel" | "refunds"]) => {
            change(call, rest).await
        }
        (_, ["whoami" | "echo" | "balance" | "payments" | "payouts" | "refunds"])
        | (_, ["payments" | "payouts" | "refunds", _])
        | (_, ["payments", _, "capture" | "cancel" | "refunds"]) => Err(unknown(true)),
        _ => Err(unknown(false)),
    }
}

fn whoami(call: &Asked<'_>) -> Response {
    let candidate = call.candidate;
    let scopes = candidate.restrictions.as_ref().map(|restrictions| &restrictions.scopes);
    let scopes: Vec<&str> = scopes.into_iter().flatten().map(|scope| &**scope).collect();
    let body = json!({
        "key_id": candidate.key_id,
        "mode": candidate.mode,
        "merchant_id": candidate.merchant_id.to_string(),
        "app_id": candidate.app_id.to_string(),
        "scopes": scopes,
    });
    reply::json(200, body.to_string())
}

/// Why a call is refused: a status, a stable code, a sentence.
struct Refused(u16, &'static str, String);

/// Why nothing was made.
enum Failure {
    /// The caller's mistake.
    Refused(Refused),
    /// The store's trouble, or an object that changed meanwhile.
    Store(SandboxError),
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn wrong(field: &str, problem: &str) -> Failure {
    Failure::Refused(Refused(422, "invalid_field", format!("{field}: {problem}")))
}

fn wrong_state(message: &str) -> Failure {
    Failure::Refused(Refused(409, "wrong_state", message.to_owned()))
}

fn missing() -> Failure {
    Failure::Refused(Refused(404, "not_found", "There is nothing of this id.".to_owned()))
}

fn refusal(call: &Asked<'_>, failure: Failure) -> Outcome {
    let Refused(status, code, message) = match failure {
        Failure::Refused(refused) => refused,
        Failure::Store(SandboxError::Insufficient) => {
            Refused(422, "insufficient_balance", "The balance does not cover this.".to_owned())
        }
        Failure::Store(SandboxError::Overtaken) => {
            Refused(409, "wrong_state", "It has changed meanwhile: read it again.".to_owned())
        }
        Failure::Store(SandboxError::ReferenceTaken) => {
            Refused(409, "conflict", "Another call with this Idempotency-Key is under way.".to_owned())
        }
        Failure::Store(error) => return Err(trouble(&error)),
    };
    Ok(call.error(status, &quote(code), &message))
}

/// A call that changes something: answered again as before where its `Idempotency-Key` was used.
async fn change(call: &Asked<'_>, path: &[&str]) -> Outcome {
    match try_change(call, path).await {
        Ok((status, body)) => Ok(reply::whole(status, &call.product.dialect.answers.content_type, body)),
        Err(failure) => refusal(call, failure),
    }
}

/// The key of repetition and what was asked with it.
fn repeat(call: &Asked<'_>) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let mut values = call.view.header_values("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let is_plain =
        |value: &[u8]| !value.is_empty() && value.len() <= KEY_BYTES_MAX && value.iter().all(u8::is_ascii_graphic);
    let key = std::str::from_utf8(value).ok().filter(|text| is_plain(text.as_bytes()));
    let (Some(key), None) = (key, values.next()) else {
        return Err(wrong("Idempotency-Key", "must be one text of 1 to 255 visible ASCII characters"));
    };
    let mut asked = digest::Context::new(&digest::SHA256);
    for part in [call.view.method.as_bytes(), call.view.route().as_bytes(), call.view.body] {
        asked.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        asked.update(part);
    }
    Ok(Some((key.to_owned(), asked.finish().as_ref().to_vec())))
}

async fn try_change(call: &Asked<'_>, path: &[&str]) -> Result<(u16, String), Failure> {
    let repeat = repeat(call)?;
    let body = if call.view.body.is_empty() { Some(Map::new()) } else { call.object() };
    let malformed = || Refused(400, "invalid_body", "The body must be a JSON object.".to_owned());
    let body = body.ok_or_else(malformed)?;
    let mut turn = call.shelf("payment").turn().await?;
    if let Some((key, digest)) = &repeat
        && let Some(before) = turn.recall(key).await?
    {
        turn.settle().await?;
        if before.digest != *digest {
            let message = "This Idempotency-Key was used with another request.".to_owned();
            return Err(Failure::Refused(Refused(409, "idempotency_key_reused", message)));
        }
        return Ok((u16::try_from(before.status).unwrap_or(500), before.body));
    }
    let (status, object) = match path {
        ["payments"] => (201, payments::create(call, &mut turn, &body).await?),
        ["payouts"] => (201, payouts::create(call, &mut turn, &body).await?),
        ["payments", id, "capture"] => (200, payments::capture(call, &mut turn, id, &body).await?),
        ["payments", id, "cancel"] => (200, payments::cancel(call, &mut turn, id, &body).await?),
        ["payments", id, "refunds"] => (201, refunds::create(call, &mut turn, id, &body).await?),
        _ => return Err(missing()),
    };
    let answer = object.to_string();
    if let Some((key, digest)) = repeat {
        turn.remember(&key, &Answered { digest, status: i64::from(status), body: answer.clone() }).await?;
    }
    turn.commit().await?;
    Ok((status, answer))
}

/// What docs/sandbox/keymint.md has to say of each outcome: there is something in the column of what may have it.
#[cfg(test)]
pub fn documented() -> Vec<super::documented::Row> {
    use super::documented::{Row, quoted};
    let all = [(1, &payments::OUTCOMES[..]), (2, &refunds::OUTCOMES), (3, &payouts::OUTCOMES)];
    let rows = all.into_iter().flat_map(|(column, outcomes)| outcomes.iter().map(move |outcome| (column, outcome)));
    rows.map(|(column, outcome)| Row::new(&quoted(outcome), &[(column, "`".to_owned())])).collect()
}

/// Refuses members that a call does not know: a typing error is not passed over.
fn known(body: &Map<String, Value>, names: &[&str]) -> Result<(), Failure> {
    match body.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => {
            let name: String = name.chars().filter(char::is_ascii_graphic).take(40).collect();
            Err(wrong(&name, "is not a member of this call"))
        }
        None => Ok(()),
    }
}

/// A whole amount within bounds; `None` where it is not there.
fn amount(body: &Map<String, Value>) -> Result<Option<i64>, Failure> {
    match body.get("amount") {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(amount @ 1..=AMOUNT_MAX) => Ok(Some(amount)),
            _ => Err(wrong("amount", "must be a whole number of the smallest unit, 1 to 100000000000")),
        },
    }
}

fn currency(body: &Map<String, Value>) -> Result<&'static str, Failure> {
    let asked = body.get("currency").and_then(Value::as_str).unwrap_or_default();
    let found = CURRENCIES.into_iter().find(|known| *known == asked);
    found.ok_or_else(|| wrong("currency", &format!("must be one of {}", CURRENCIES.join(", "))))
}

/// A text that may be left out.
fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Result<Option<&'b str>, Failure> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= 256 => Ok(Some(text)),
        Some(_) => Err(wrong(name, "must be a text of 1 to 256 bytes")),
    }
}

fn metadata(body: &Map<String, Value>) -> Result<&Value, Failure> {
    match body.get("metadata").unwrap_or(&Value::Null) {
        value @ (Value::Null | Value::Object(_)) if value.to_string().len() <= METADATA_BYTES_MAX => Ok(value),
        _ => Err(wrong("metadata", "must be an object of at most 4096 bytes")),
    }
}

/// The outcome that a test asks for, out of those that there are.
fn test_outcome(body: &Map<String, Value>, all: &[&'static str]) -> Result<Option<&'static str>, Failure> {
    let Some(asked) = text(body, "test_outcome")? else { return Ok(None) };
    let found = all.iter().find(|known| **known == asked).copied();
    found.map(Some).ok_or_else(|| wrong("test_outcome", &format!("must be one of {}", all.join(", "))))
}

/// Money in the wallet of a currency.
fn posting(object: &Value, amount: i64, reserved: i64) -> Posting {
    Posting { wallet: text_of(object, "currency").to_owned(), opening: OPENING, amount, reserved }
}

/// An event's name and body: the payload of Standard Webhooks 1.0.
fn event(name: &str, object: &Value, at: UnixMs) -> (String, String) {
    (name.to_owned(), json!({ "type": name, "timestamp": rfc3339(at), "data": shown(object) }).to_string())
}

/// An object without what only its page needs.
fn shown(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.retain(|name, _| !matches!(name.as_str(), "session" | "return_url"));
    }
    object
}

/// The app's own object; another's is not there.
async fn own(call: &Asked<'_>, turn: &mut Turn<'_>, (kind, id): (&str, &str)) -> Result<(Object, Value), Failure> {
    let found = turn.find(kind, id).await?.filter(|found| found.app_id == call.candidate.app_id);
    let found = found.ok_or_else(missing)?;
    let object = parsed(&found);
    Ok((found, object))
}

async fn fetch(call: &Asked<'_>, kind: &'static str, id: &str) -> Outcome {
    let found = call.shelf(kind).find(id).await.map_err(|error| trouble(&error))?;
    match found.filter(|found| found.app_id == call.candidate.app_id) {
        Some(found) => Ok(call.json(200, &shown(&parsed(&found)))),
        None => refusal(call, missing()),
    }
}

/// Where a page of a list begins: the moment and the id of the last object before it.
fn cursor(text: &str) -> Option<(UnixMs, &str)> {
    let (at, id) = text.split_once('.')?;
    Some((UnixMs(at.parse().ok()?), id))
}

async fn list(call: &Asked<'_>, kind: &'static str) -> Outcome {
    let query = call.view.query().unwrap_or_default();
    let mut asked = (LIMITS.0, (UnixMs(i64::MAX), ""));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let problem = match name {
            "limit" => match value.parse() {
                Ok(limit) if (1..=LIMITS.1).contains(&limit) => {
                    asked.0 = limit;
                    continue;
                }
                _ => "must be 1 to 100",
            },
            "cursor" => match cursor(value) {
                Some(found) => {
                    asked.1 = found;
                    continue;
                }
                None => "is not one that we gave",
            },
            _ => return refusal(call, wrong("query", "has limit and cursor alone")),
        };
        return refusal(call, wrong(name, problem));
    }
    let (limit, below) = asked;
    let found = call.shelf(kind).list_of_app(UnixMs(i64::MIN), below, (limit + 1, 0)).await;
    let mut found = found.map_err(|error| trouble(&error))?;
    let has_more = i64::try_from(found.len()).is_ok_and(|count| count > limit);
    found.truncate(usize::try_from(limit).unwrap_or(0));
    let next = found.last().filter(|_| has_more).map(|last| format!("{}.{}", last.created_at.0, last.id));
    let items: Vec<Value> = found.iter().map(|one| shown(&parsed(one))).collect();
    Ok(call.json(200, &json!({ "items": items, "next_cursor": next })))
}
