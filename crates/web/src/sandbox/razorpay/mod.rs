//! Razorpay and RazorpayX: orders (`orders.rs`) that are paid (`payments.rs`) with the vendor's test cards and UPI ids
//! (`instruments.rs`), over a route of ours or on the hosted page (`open.rs`); refunds (`refunds.rs`), and payouts with
//! their contacts and fund accounts (`payouts.rs`, `payees.rs`). Facts: vendors sheet 3.4, 3.6 and 3.8; pages `api/*`,
//! `payments/payments/test-card-details.md` and `x/dashboard/test-mode.md` of razorpay/markdown-docs. What they leave out
//! is chosen here and listed in docs/sandbox/razorpay.md.

mod instruments;
pub mod open;
mod orders;
mod payees;
mod payments;
mod payouts;
mod refunds;
pub mod samples;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use keymint_app::sandbox::turn::Turn;
use keymint_app::sandbox::{Object, Page, SandboxError, random_text};
use keymint_domain::id::MerchantId;
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{Asked, BASE62, Outcome, parsed, trouble, unknown};
use crate::reply::Response;

/// Letters and digits in an id behind its prefix.
const ID_LENGTH: usize = 14;
/// What only we need to know of an object.
const PRIVATE: [&str; 6] = ["session", "tickets", "tried", "capture", "refunds", "asked"];

/// A collection: how its path begins, what it holds, how its ids begin.
const COLLECTIONS: [(&str, &str, &str); 6] = [
    ("orders", "order", "order_"),
    ("payments", "payment", "pay_"),
    ("refunds", "refund", "rfnd_"),
    ("payouts", "payout", "pout_"),
    ("contacts", "contact", "cont_"),
    ("fund_accounts", "fund_account", "fa_"),
];

/// Answers a call.
pub async fn answer(call: &Asked<'_>) -> Outcome {
    let segments = call.segments();
    let ["v1", rest @ ..] = segments.as_slice() else { return Err(unknown(false)) };
    let answered = match (call.view.method, rest) {
        ("GET", ["methods"]) => Ok(methods()),
        ("GET", ["test", "balance"]) => payouts::balance(call).await,
        ("GET", ["orders", id, "payments"]) => parts(call, ("orders", id), ("payment", "tried")).await,
        ("GET", ["payments", id, "refunds"]) => parts(call, ("payments", id), ("refund", "refunds")).await,
        ("GET", [name]) if collection(name).is_some() => list(call, name).await,
        ("GET", [name, id]) if collection(name).is_some() => fetch(call, name, id).await,
        ("POST", _) if is_change(rest) => change(call, rest).await,
        _ => return Err(unknown(is_known(rest))),
    };
    match answered {
        Ok(object) => Ok(call.json(200, &object)),
        Err(failure) => refused(call, failure),
    }
}

fn collection(name: &str) -> Option<(&'static str, &'static str)> {
    COLLECTIONS.into_iter().find(|(path, ..)| *path == name).map(|(_, kind, prefix)| (kind, prefix))
}

fn is_change(rest: &[&str]) -> bool {
    matches!(
        rest,
        ["orders" | "payouts" | "contacts" | "fund_accounts"]
            | ["payments", _, "capture" | "refund"]
            | ["payouts", _, "cancel"]
            | ["test", "payments" | "balance"]
            | ["test", "payouts", _]
    )
}

fn is_known(rest: &[&str]) -> bool {
    let is_read = match rest {
        ["methods"] | ["orders", _, "payments"] | ["payments", _, "refunds"] => true,
        [name] | [name, _] => collection(name).is_some(),
        _ => false,
    };
    is_read || is_change(rest)
}

/// Why nothing was done.
pub enum Failure {
    /// The caller's mistake: a status, a sentence, the field that is wrong.
    Refused(u16, String, Option<&'static str>),
    /// The store's trouble, or an object that changed meanwhile.
    Store(SandboxError),
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        Self::Store(error)
    }
}

/// What a call answers, or why it does not.
type Answer = Result<Value, Failure>;

fn wrong(field: &'static str, description: &str) -> Failure {
    Failure::Refused(400, description.to_owned(), Some(field))
}

fn required(field: &'static str) -> Failure {
    wrong(field, &format!("The {field} field is required."))
}

fn refuse(description: &str) -> Failure {
    Failure::Refused(400, description.to_owned(), None)
}

/// "does not exist or does not belong to the requestor": one answer for both.
fn missing() -> Failure {
    refuse("The id provided does not exist")
}

fn refused(call: &Asked<'_>, failure: Failure) -> Outcome {
    match failure {
        Failure::Refused(status, description, field) => Ok(refusal(call, status, &description, field)),
        Failure::Store(SandboxError::Insufficient) => {
            let description = "Your account does not have enough balance to carry out the payout operation.";
            Ok(refusal(call, 400, description, None))
        }
        Failure::Store(SandboxError::Overtaken) => {
            let description = "Request failed because another payment operation is in progress";
            Ok(refusal(call, 400, description, None))
        }
        Failure::Store(SandboxError::ReferenceTaken) => {
            let description = "Another request with the same idempotency key is still in progress.";
            Ok(refusal(call, 409, description, None))
        }
        Failure::Store(error) => Err(trouble(&error)),
    }
}

/// A refusal with all the fields that Razorpay writes.
fn refusal(call: &Asked<'_>, status: u16, description: &str, field: Option<&str>) -> Response {
    let mut error = json!({
        "code": "BAD_REQUEST_ERROR",
        "description": description,
        "source": "business",
        "step": "payment_initiation",
        "reason": "input_validation_failed",
        "metadata": {},
    });
    if let (Some(field), Some(object)) = (field, error.as_object_mut()) {
        object.insert("field".to_owned(), Value::from(field));
    }
    call.json(status, &json!({ "error": error }))
}

/// A call that changes something: in one turn, or not at all.
async fn change(call: &Asked<'_>, rest: &[&str]) -> Answer {
    let body = if call.view.body.is_empty() { Some(Map::new()) } else { call.object() };
    let body = body.ok_or_else(|| refuse("The request body is not valid JSON."))?;
    if let ["test", "balance"] = rest {
        return payouts::top_up(call, &body).await;
    }
    let mut turn = call.shelf("order").turn().await?;
    let answer = match rest {
        ["orders"] => orders::create(call, &mut turn, &body).await?,
        ["test", "payments"] => payments::pay(call, &mut turn, &body).await?,
        ["payments", id, "capture"] => payments::capture(call, &mut turn, id, &body).await?,
        ["payments", id, "refund"] => refunds::create(call, &mut turn, id, &body).await?,
        ["contacts"] => payees::contact(call, &mut turn, &body).await?,
        ["fund_accounts"] => payees::fund_account(call, &mut turn, &body).await?,
        ["payouts"] => payouts::create(call, &mut turn, &body).await?,
        ["payouts", id, "cancel"] => payouts::to(call, &mut turn, id, "cancelled").await?,
        ["test", "payouts", id] => payouts::to(call, &mut turn, id, text(&body, "status", 20)?).await?,
        _ => return Err(missing()),
    };
    turn.commit().await?;
    Ok(answer)
}

/// An object without what only we need.
fn shown(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(members) = object.as_object_mut() {
        members.retain(|name, _| !PRIVATE.contains(&name.as_str()));
    }
    object
}

fn new_id(app: &keymint_app::App, prefix: &str) -> Result<String, SandboxError> {
    Ok(format!("{prefix}{}", random_text(app, BASE62, ID_LENGTH)?))
}

fn is_id(prefix: &str, id: &str) -> bool {
    let short = id.strip_prefix(prefix).unwrap_or(id);
    short.len() == ID_LENGTH && short.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn check_id(prefix: &str, id: &str) -> Result<(), Failure> {
    if is_id(prefix, id) { Ok(()) } else { Err(refuse("id is not a valid id.")) }
}

/// The merchant's own object in a turn.
async fn own(
    call: &Asked<'_>,
    turn: &mut Turn<'_>,
    (kind, prefix): (&str, &str),
    id: &str,
) -> Result<(Object, Value), Failure> {
    check_id(prefix, id)?;
    let found = turn.find(kind, id).await?.filter(|found| found.merchant_id == call.candidate.merchant_id);
    let found = found.ok_or_else(missing)?;
    let object = parsed(&found);
    Ok((found, object))
}

async fn read(call: &Asked<'_>, (kind, prefix): (&'static str, &str), id: &str) -> Answer {
    check_id(prefix, id)?;
    let found = call.shelf(kind).find(id).await?;
    let found = found.filter(|found| found.merchant_id == call.candidate.merchant_id).ok_or_else(missing)?;
    Ok(parsed(&found))
}

async fn fetch(call: &Asked<'_>, name: &str, id: &str) -> Answer {
    let place = collection(name).ok_or_else(missing)?;
    Ok(shown(&read(call, place, id).await?))
}

/// What an object has named of another kind, newest first.
async fn parts(call: &Asked<'_>, (name, id): (&str, &str), (kind, member): (&'static str, &str)) -> Answer {
    let whole = read(call, collection(name).ok_or_else(missing)?, id).await?;
    let mut items = Vec::new();
    for id in whole[member].as_array().into_iter().flatten().rev().filter_map(Value::as_str) {
        items.extend(call.shelf(kind).find(id).await?.map(|found| shown(&parsed(&found))));
    }
    Ok(listed(&items))
}

fn listed(items: &[Value]) -> Value {
    json!({ "entity": "collection", "count": items.len(), "items": items })
}

/// A whole number from the query, or the description of what is wrong with it.
fn number(query: &str, name: &str, default: i64) -> Result<i64, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    match pairs.into_iter().find(|(key, _)| *key == name) {
        None => Ok(default),
        Some((_, value)) => value.parse().map_err(|_| format!("The {name} must be an integer.")),
    }
}

fn page(call: &Asked<'_>) -> Result<Page, String> {
    let query = call.view.query().unwrap_or_default();
    let count = number(query, "count", 10)?;
    if count > 100 {
        return Err("The count may not be greater than 100.".to_owned());
    }
    if count < 1 {
        return Err("The count must be at least 1.".to_owned());
    }
    let skip = number(query, "skip", 0)?.max(0);
    let from = number(query, "from", 0)?;
    let to = number(query, "to", i64::MAX / 1000 - 1)?;
    let moment = |seconds: i64| UnixMs(0).plus_seconds(seconds);
    Ok(Page { from: moment(from), to: UnixMs(moment(to).0.saturating_add(999)), count, skip })
}

async fn list(call: &Asked<'_>, name: &str) -> Answer {
    let (kind, _) = collection(name).ok_or_else(missing)?;
    let page = page(call).map_err(|description| refuse(&description))?;
    let objects = call.shelf(kind).list(page).await?;
    let items: Vec<Value> = objects.iter().map(|object| shown(&parsed(object))).collect();
    Ok(listed(&items))
}

/// A whole amount of at least one rupee, in paise; `None` where it is not there.
fn amount(body: &Map<String, Value>) -> Result<Option<i64>, Failure> {
    match body.get("amount") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            None => Err(wrong("amount", "The amount must be an integer.")),
            Some(amount) if amount < 100 => Err(wrong("amount", "The amount must be at least INR 1.00.")),
            Some(amount) => Ok(Some(amount)),
        },
    }
}

/// Notes of at most 15 pairs of 256 characters.
fn notes(body: &Map<String, Value>) -> Result<Value, Failure> {
    let notes = body.get("notes").cloned().unwrap_or_else(|| json!([]));
    let pairs = notes.as_object().map_or(0, Map::len);
    let is_long = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() > 256);
    if pairs > 15 || notes.as_object().is_some_and(|notes| notes.values().any(is_long)) {
        return Err(wrong("notes", "The notes may have at most 15 pairs of 256 characters."));
    }
    Ok(notes)
}

/// A text that has to be there, of so many characters at the most.
fn text<'b>(body: &'b Map<String, Value>, name: &'static str, longest: usize) -> Result<&'b str, Failure> {
    optional(body, name, longest)?.ok_or_else(|| required(name))
}

/// A text of so many characters at the most, or nothing.
fn optional<'b>(body: &'b Map<String, Value>, name: &'static str, longest: usize) -> Result<Option<&'b str>, Failure> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= longest => Ok(Some(text)),
        Some(_) => Err(wrong(name, &format!("The {name} may not be greater than {longest} characters."))),
    }
}

/// What was asked, in hexadecimal digits: the same call has the same.
fn digest_of(call: &Asked<'_>) -> String {
    let mut asked = digest::Context::new(&digest::SHA256);
    for part in [call.view.route().as_bytes(), call.view.body] {
        asked.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        asked.update(part);
    }
    HEXLOWER.encode(asked.finish().as_ref())
}

/// The one value of a header; `None` where it is not there.
fn header<'a>(call: &Asked<'a>, name: &str) -> Result<Option<&'a str>, Failure> {
    let mut values = call.view.header_values(name);
    match (values.next().map(std::str::from_utf8), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(refuse("The idempotency header must be one text.")),
    }
}

/// How the vendor names an account: `acc_` and fourteen letters and digits.
pub fn account_id(merchant: MerchantId) -> String {
    let merchant = merchant.to_string();
    format!("acc_{}", merchant.get(merchant.len().saturating_sub(ID_LENGTH)..).unwrap_or_default())
}

/// An event's name and body (vendors sheet 3.7).
fn event(name: &str, merchant: MerchantId, parts: &[(&str, &Value)], at: UnixMs) -> (String, String) {
    let contains: Vec<&str> = parts.iter().map(|(kind, _)| *kind).collect();
    let entities = parts.iter().map(|(kind, object)| ((*kind).to_owned(), json!({ "entity": shown(object) })));
    let body = json!({
        "entity": "event", "account_id": account_id(merchant), "event": name, "contains": contains,
        "payload": entities.collect::<Map<_, _>>(), "created_at": at.seconds(),
    });
    (name.to_owned(), body.to_string())
}

/// What docs/sandbox/razorpay.md has to say of test data and of moves by hand.
#[cfg(test)]
pub fn documented() -> Vec<super::documented::Row> {
    instruments::documented().into_iter().chain(payouts::documented()).collect()
}

/// What a checkout page asks with the key id alone.
fn methods() -> Value {
    json!({
        "entity": "methods",
        "card": true,
        "debit_card": true,
        "credit_card": true,
        "upi": true,
        "netbanking": { "HDFC": "HDFC Bank", "ICIC": "ICICI Bank", "SBIN": "State Bank of India" },
        "wallet": { "mobikwik": true },
    })
}
