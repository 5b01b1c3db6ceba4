//! Orders, and what lets the customer come back signed. Razorpay signs `order_id|payment_id` with the key secret, which is
//! kept as a digest alone. The call that makes an order carries it: the ids of the payments that may follow are drawn then,
//! and their signatures are kept with the order, never the secret.

use keymint_app::ops::returns;
use keymint_app::sandbox::random_text;
use keymint_app::sandbox::turn::{Fresh, Turn};
use keymint_domain::scheme::decode_basic;
use keymint_domain::secret::SecretText;
use serde_json::{Map, Value, json};

use super::{Answer, Failure, ID_LENGTH, amount, new_id, notes, required, shown, wrong};
use crate::sandbox::{Asked, BASE62, place};

/// Payments of one order that may succeed: one is captured, others stay authorized.
const TICKETS: usize = 4;
/// Characters of the secret part of a checkout page's address.
pub const SESSION_LENGTH: usize = 24;

/// An order's fields, or what is wrong with the first that is.
fn check(body: &Map<String, Value>) -> Answer {
    let amount = amount(body)?.ok_or_else(|| required("amount"))?;
    let currency = match body.get("currency").and_then(Value::as_str) {
        None | Some("") => return Err(required("currency")),
        Some(currency) if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()) => currency,
        Some(_) => return Err(wrong("currency", "Currency is not supported")),
    };
    let receipt = match body.get("receipt") {
        None | Some(Value::Null) => None,
        Some(Value::String(receipt)) if receipt.chars().count() <= 40 => Some(receipt.as_str()),
        Some(_) => return Err(wrong("receipt", "The receipt may not be greater than 40 characters.")),
    };
    let notes = notes(body)?;
    let capture = if is_manual(body) { "manual" } else { "automatic" };
    Ok(json!({ "amount": amount, "currency": currency, "receipt": receipt, "notes": notes, "capture": capture }))
}

/// Whether the merchant captures by himself: `payment.capture`, or `payment_capture` as it was before.
fn is_manual(body: &Map<String, Value>) -> bool {
    let before = body.get("payment_capture");
    let is_off = before.is_some_and(|value| *value == json!(0) || *value == json!(false) || *value == json!("0"));
    let now = body.get("payment").and_then(|payment| payment["capture"].as_str());
    now.map_or(is_off, |capture| capture == "manual")
}

/// Makes an order.
pub async fn create(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Answer {
    let fields = check(body)?;
    let id = new_id(call.app, "order_")?;
    let session = random_text(call.app, BASE62, SESSION_LENGTH)?;
    let short = id.get(id.len() - ID_LENGTH..).unwrap_or_default();
    let order = json!({
        "id": id,
        "entity": "order",
        "amount": fields["amount"],
        "amount_paid": 0,
        "amount_due": fields["amount"],
        "currency": fields["currency"],
        "receipt": fields["receipt"],
        "offer_id": null,
        "status": "created",
        "attempts": 0,
        "notes": fields["notes"],
        "created_at": turn.now().seconds(),
        "checkout_url": format!("{}/checkout/{short}{session}", place(call.view, call.gateway_url)),
        "session": session,
        "capture": fields["capture"],
        "tickets": tickets(call, &id)?,
        "tried": [],
    });
    turn.keep(Fresh { kind: "order", id: &id, reference: None, body: &order.to_string() }).await?;
    Ok(shown(&order))
}

/// The payments that may follow, each with its signature by the secret that the caller has just shown.
fn tickets(call: &Asked<'_>, order_id: &str) -> Result<Vec<Value>, Failure> {
    let credentials = call.view.header("authorization").and_then(|value| decode_basic(value).ok());
    let secret = credentials.and_then(|(_, secret)| String::from_utf8(secret.to_vec()).ok()).map(SecretText::new);
    let ticket = |_| {
        let id = new_id(call.app, "pay_")?;
        let signature = secret.as_ref().map(|secret| returns::signature(secret, &format!("{order_id}|{id}")));
        Ok(json!({ "id": id, "signature": signature }))
    };
    (0..TICKETS).map(ticket).collect()
}
