//! KwikPaisa: orders (`orders.rs`) with their hosted page (`open.rs`), payouts and the wallet (`payouts.rs`). Facts: vendors
//! sheet 1.6 to 1.9; what its pages leave out is chosen here and listed in docs/sandbox/kwikpaisa.md.

pub mod open;
mod orders;
mod payouts;

use keymint_app::sandbox::SandboxError;
use keymint_app::sandbox::turn::Posting;
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{Asked, Outcome, trouble, unknown};
use crate::reply::Response;

/// What the wallet of an app holds before anything moved in it. Paise.
const OPENING: i64 = 15_245_075;

/// Answers a call. Every call of this vendor is a POST.
pub async fn answer(call: &Asked<'_>) -> Outcome {
    let route = call.view.route();
    let is_known = matches!(
        route,
        "/api/v3/pg/order/create"
            | "/api/v3/pg/order/status"
            | "/api/v3/payout/balance"
            | "/api/v3/banking/payment/create"
            | "/api/v3/banking/payment/status"
    );
    if !is_known || call.view.method != "POST" {
        return Err(unknown(is_known));
    }
    let Some(body) = call.object() else { return Ok(refusal(call, 400, "The request body is not a JSON object.")) };
    match route {
        "/api/v3/pg/order/create" => orders::create(call, &body).await,
        "/api/v3/pg/order/status" => orders::status(call, &body).await,
        "/api/v3/payout/balance" => payouts::balance(call, &body).await,
        "/api/v3/banking/payment/create" => payouts::create(call, &body).await,
        _ => payouts::status(call, &body).await,
    }
}

fn refusal(call: &Asked<'_>, status: u16, message: &str) -> Response {
    call.error(status, "null", message)
}

/// The refusal of a member that is not there, or not as it should be.
fn wrong(call: &Asked<'_>, field: &str) -> Response {
    refusal(call, 422, &format!("The {field} field is missing or invalid."))
}

/// What the vendor says where the store says no; `duplicate` where the merchant's own id is taken.
fn refused(call: &Asked<'_>, error: &SandboxError, duplicate: &str) -> Outcome {
    match error {
        SandboxError::ReferenceTaken => Ok(refusal(call, 409, duplicate)),
        SandboxError::Insufficient => Ok(refusal(call, 422, "Insufficient balance.")),
        SandboxError::Overtaken => Ok(refusal(call, 409, "The transaction has changed meanwhile.")),
        SandboxError::Entropy(_) | SandboxError::Event(_) | SandboxError::Store(_) => Err(trouble(error)),
    }
}

/// The text of a member that may be a string or a number.
fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) if !text.is_empty() && text.len() <= 64 => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A positive decimal with at most two places, as a string with two.
fn amount(body: &Map<String, Value>, name: &str) -> Option<String> {
    let text = text(body, name)?;
    let (whole, cents) = text.split_once('.').unwrap_or((&text, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || cents.len() > 2 || !plain(whole) || !plain(cents) {
        return None;
    }
    let value = format!("{whole}.{cents:0<2}");
    (value.bytes().any(|byte| matches!(byte, b'1'..=b'9'))).then_some(value)
}

/// An amount with two places in paise.
fn paise(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap_or(0)
}

/// The outcome that the paise of an amount ask for (chosen): `105.12` fails.
fn trigger(amount: &str) -> &str {
    amount.rsplit_once('.').map_or("", |(_, paise)| paise)
}

/// Money in the wallet of the app.
fn posting(amount: i64, reserved: i64) -> Posting {
    Posting { wallet: "INR".to_owned(), opening: OPENING, amount, reserved }
}

/// `13-05-2026 08:34 AM`, in Indian Standard Time as the vendor's samples are.
fn indian_time(at: UnixMs) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    let offset = jiff::tz::Offset::from_seconds(19_800).unwrap_or(jiff::tz::Offset::UTC);
    at.to_zoned(offset.to_time_zone()).strftime("%d-%m-%Y %I:%M %p").to_string()
}

/// The body of a test event.
pub fn sample(name: &str) -> Option<String> {
    let (kind, outcome) = name.split_once('.')?;
    let status = match (kind, outcome) {
        ("payment", "success") => "PAID".to_owned(),
        _ => outcome.to_uppercase(),
    };
    Some(event(name, (&json!("TEST-EVENT"), &json!("105.00")), &status).1)
}

/// What docs/sandbox/kwikpaisa.md has to say of what becomes of which amount.
#[cfg(test)]
pub fn documented() -> Vec<super::documented::Row> {
    orders::documented().into_iter().chain(payouts::documented()).collect()
}

/// An event's name and body.
fn event(name: &str, (order_id, amount): (&Value, &Value), status: &str) -> (String, String) {
    let data = json!({ "order_id": order_id, "amount": amount, "currency": "INR", "status": status });
    (name.to_owned(), json!({ "event": name, "data": data }).to_string())
}
