//! Razorpay's orders: create, fetch, list, and the answer for an id that is somebody else's. Facts: vendors sheet 3.4 and
//! 3.9; pages `api/orders/*.md` and `errors.md` of razorpay/markdown-docs.

use keymint_app::sandbox::{Page, SandboxError, random_text};
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{Asked, BASE62, Outcome, parsed, trouble, unknown};
use crate::reply::Response;

/// Letters and digits in an id behind its prefix.
const ID_LENGTH: usize = 14;

/// Answers a call.
pub async fn answer(call: &Asked<'_>) -> Outcome {
    let segments = call.segments();
    match (call.view.method, segments.as_slice()) {
        ("POST", ["v1", "orders"]) => create(call).await,
        ("GET", ["v1", "orders"]) => list(call).await,
        ("GET", ["v1", "orders", id]) => fetch(call, id).await,
        ("GET", ["v1", "methods"]) => Ok(call.json(200, &methods())),
        (_, ["v1", "orders"] | ["v1", "orders", _] | ["v1", "methods"]) => Err(unknown(true)),
        _ => Err(unknown(false)),
    }
}

/// A refusal with all the fields that Razorpay writes.
fn refusal(call: &Asked<'_>, description: &str, field: Option<&str>) -> Response {
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
    call.json(400, &json!({ "error": error }))
}

/// An order's fields, or the description of the first that is wrong and its name.
fn check(body: &Map<String, Value>) -> Result<Value, (String, &'static str)> {
    let required = |name: &'static str| Err((format!("The {name} field is required."), name));
    let amount = match body.get("amount") {
        None | Some(Value::Null) => return required("amount"),
        Some(value) => value.as_i64().ok_or(("The amount must be an integer.".to_owned(), "amount"))?,
    };
    if amount < 100 {
        return Err(("The amount must be at least INR 1.00.".to_owned(), "amount"));
    }
    let currency = match body.get("currency").and_then(Value::as_str) {
        None | Some("") => return required("currency"),
        Some(currency) if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()) => currency,
        Some(_) => return Err(("Currency is not supported".to_owned(), "currency")),
    };
    let receipt = match body.get("receipt") {
        None | Some(Value::Null) => None,
        Some(Value::String(receipt)) if receipt.chars().count() <= 40 => Some(receipt.as_str()),
        Some(_) => return Err(("The receipt may not be greater than 40 characters.".to_owned(), "receipt")),
    };
    let notes = body.get("notes").cloned().unwrap_or_else(|| json!([]));
    let pairs = notes.as_object().map_or(0, Map::len);
    let is_long = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() > 256);
    if pairs > 15 || notes.as_object().is_some_and(|notes| notes.values().any(is_long)) {
        return Err(("The notes may have at most 15 pairs of 256 characters.".to_owned(), "notes"));
    }
    Ok(json!({ "amount": amount, "currency": currency, "receipt": receipt, "notes": notes }))
}

async fn create(call: &Asked<'_>) -> Outcome {
    let body = if call.view.body.is_empty() { Some(Map::new()) } else { call.object() };
    let Some(body) = body else { return Ok(refusal(call, "The request body is not valid JSON.", None)) };
    let fields = match check(&body) {
        Ok(fields) => fields,
        Err((description, field)) => return Ok(refusal(call, &description, Some(field))),
    };
    let kept = keep(call, &fields).await.map_err(|error| trouble(&error))?;
    Ok(call.json(200, &kept))
}

async fn keep(call: &Asked<'_>, fields: &Value) -> Result<Value, SandboxError> {
    let id = format!("order_{}", random_text(call.app, BASE62, ID_LENGTH)?);
    let now = call.shelf("order").now().await?;
    let amount = &fields["amount"];
    let order = json!({
        "id": id,
        "entity": "order",
        "amount": amount,
        "amount_paid": 0,
        "amount_due": amount,
        "currency": fields["currency"],
        "receipt": fields["receipt"],
        "offer_id": null,
        "status": "created",
        "attempts": 0,
        "notes": fields["notes"],
        "created_at": now.seconds(),
    });
    call.shelf("order").keep(&id, None, &order.to_string()).await?;
    Ok(order)
}

async fn fetch(call: &Asked<'_>, id: &str) -> Outcome {
    let is_shaped = id.strip_prefix("order_").unwrap_or(id).len() == ID_LENGTH
        && id.strip_prefix("order_").unwrap_or(id).bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_shaped {
        return Ok(refusal(call, "id is not a valid id.", None));
    }
    let found = call.shelf("order").find(id).await.map_err(|error| trouble(&error))?;
    // "does not exist or does not belong to the requestor": one answer for both.
    match found.filter(|order| order.merchant_id == call.candidate.merchant_id) {
        Some(order) => Ok(call.json(200, &parsed(&order))),
        None => Ok(refusal(call, "The id provided does not exist", None)),
    }
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

async fn list(call: &Asked<'_>) -> Outcome {
    let page = match page(call) {
        Ok(page) => page,
        Err(description) => return Ok(refusal(call, &description, None)),
    };
    let objects = call.shelf("order").list(page).await.map_err(|error| trouble(&error))?;
    let items: Vec<Value> = objects.iter().map(parsed).collect();
    Ok(call.json(200, &json!({ "entity": "collection", "count": items.len(), "items": items })))
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
