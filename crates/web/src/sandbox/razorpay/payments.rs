//! Payments: a customer tries to pay an order, over a route of ours or on the hosted page. `authorized` → `captured` →
//! `refunded`, or `failed`; the order goes from `created` to `attempted` to `paid` with them.

use keymint_app::App;
use keymint_app::sandbox::Object;
use keymint_app::sandbox::turn::{Fresh, Next, Turn};
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::instruments::{Tried, Typed, Unknown, decide};
use super::{Answer, Failure, amount, event, missing, new_id, own, refuse, required, shown, text, wrong};
use crate::sandbox::{Asked, parsed, text_of, with};

/// Payments that may be tried for one order (chosen): the order names each.
const TRIED_MAX: usize = 50;
/// What the vendor says of an order that is paid.
pub const PAID: &str =
    "Your payment has been declined as the order is already paid. Please initiate the payment with a new order.";

/// A payment that was tried, and what signs it where it did not fail.
pub struct Made {
    /// The payment.
    pub payment: Value,
    /// The HMAC of `order_id|payment_id` by the secret that made the order; none where the payment failed.
    pub signature: Option<String>,
}

/// `POST /v1/test/payments`, ours: what the hosted page does, for scripts.
pub async fn pay(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Answer {
    let (kept, order) = own(call, turn, ("order", "order_"), text(body, "order_id", 64)?).await?;
    let card = body.get("card").cloned().unwrap_or_default();
    let named = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (vpa, otp, outcome) = (named("vpa"), named("otp"), named("outcome"));
    let typed = Typed { method: text(body, "method", 20)?, number: text_of(&card, "number"), vpa, otp, outcome };
    let tried = decide(typed).map_err(|unknown| match unknown {
        Unknown::Method => wrong("method", "The method must be card, upi or netbanking."),
        Unknown::Card => wrong("card", "The card number is none of the test cards."),
        Unknown::Vpa => wrong("vpa", "The vpa must be success@razorpay or failure@razorpay."),
        Unknown::Otp => wrong("otp", "The otp must be of 1 to 10 digits."),
        Unknown::Outcome => wrong("outcome", "The outcome must be success, failed or cancelled."),
    })?;
    let Made { payment, signature } = attempt(call.app, turn, (&kept, &order), &tried).await?;
    Ok(json!({
        "payment": shown(&payment), "razorpay_payment_id": payment["id"], "razorpay_order_id": kept.id,
        "razorpay_signature": signature,
    }))
}

/// The next payment of an order: its id, and its signature where it is to succeed.
fn ticket(app: &App, order: &Value, tried: &Tried) -> Result<(String, Option<String>), Failure> {
    let named = order["tried"].as_array().map_or(&[][..], Vec::as_slice);
    if order["status"] == "paid" || named.len() >= TRIED_MAX {
        return Err(refuse(PAID));
    }
    let tickets = order["tickets"].as_array().map_or(&[][..], Vec::as_slice);
    if tried.fault.is_some() || tickets.is_empty() {
        return Ok((new_id(app, "pay_")?, None));
    }
    let free = tickets.iter().find(|ticket| !named.contains(&ticket["id"])).ok_or_else(|| refuse(PAID))?;
    Ok((text_of(free, "id").to_owned(), free["signature"].as_str().map(str::to_owned)))
}

/// Tries to pay an order, and tells of what became of it.
pub async fn attempt(
    app: &App,
    turn: &mut Turn<'_>,
    (kept, order): (&Object, &Value),
    tried: &Tried,
) -> Result<Made, Failure> {
    let (id, signature) = ticket(app, order, tried)?;
    let now = turn.now();
    let payment = begun((&id, now), order, tried);
    // First the order: two that pay at once would make one payment, and the second hears that the first is under way.
    let mut named = order["tried"].as_array().cloned().unwrap_or_default();
    named.push(Value::from(id.as_str()));
    let attempts = order["attempts"].as_i64().unwrap_or(0).saturating_add(1);
    let order = with(order, json!({ "status": "attempted", "attempts": attempts, "tried": named }));
    let kept = turn.change("order", kept, &Next::quiet(order.to_string())).await?;
    let kept_payment =
        turn.keep(Fresh { kind: "payment", id: &id, reference: None, body: &payment.to_string() }).await?;
    let name = if tried.fault.is_some() { "payment.failed" } else { "payment.authorized" };
    let (name, told) = event(name, kept.merchant_id, &[("payment", &payment)], now);
    turn.tell(&name, &told).await?;
    if tried.fault.is_some() || order["capture"] == "manual" {
        return Ok(Made { payment, signature });
    }
    let payment = captured(turn, (&kept_payment, &payment), (&kept, &order)).await?;
    Ok(Made { payment, signature })
}

/// A payment as it is tried.
pub fn begun((id, now): (&str, UnixMs), order: &Value, tried: &Tried) -> Value {
    let fault = tried.fault.as_ref();
    let payment = json!({
        "id": id, "entity": "payment", "amount": order["amount"], "currency": order["currency"],
        "status": if fault.is_some() { "failed" } else { "authorized" }, "order_id": order["id"], "invoice_id": null,
        "international": false, "method": null, "amount_refunded": 0, "refund_status": null, "captured": false,
        "description": null, "card_id": null, "bank": null, "wallet": null, "vpa": null,
        "email": "customer@example.com", "contact": "+919000090000", "notes": order["notes"], "fee": null, "tax": null,
        "error_code": fault.map(|fault| fault.code), "error_description": fault.map(|fault| fault.description),
        "error_source": fault.map(|fault| fault.source), "error_step": fault.map(|fault| fault.step),
        "error_reason": fault.map(|fault| fault.reason), "acquirer_data": {}, "created_at": now.seconds(),
        "refunds": [],
    });
    with(&payment, tried.members.clone())
}

/// Captures an authorized payment: its order is paid.
async fn captured(
    turn: &mut Turn<'_>,
    (kept, payment): (&Object, &Value),
    (kept_order, order): (&Object, &Value),
) -> Result<Value, Failure> {
    let now = turn.now();
    let (payment, order) = (as_captured(payment), as_paid(order));
    let told = event("payment.captured", kept.merchant_id, &[("payment", &payment)], now);
    turn.change("payment", kept, &Next { event: Some(told), ..Next::quiet(payment.to_string()) }).await?;
    let told = event("order.paid", kept.merchant_id, &[("payment", &payment), ("order", &order)], now);
    turn.change("order", kept_order, &Next { event: Some(told), ..Next::quiet(order.to_string()) }).await?;
    Ok(payment)
}

/// A payment that is captured. Chosen: 2 % and 18 % tax on that, rounded down.
pub fn as_captured(payment: &Value) -> Value {
    let fee = payment["amount"].as_i64().unwrap_or(0) / 50;
    let tax = fee / 50 * 9;
    with(payment, json!({ "status": "captured", "captured": true, "fee": fee + tax, "tax": tax }))
}

/// An order that is paid.
pub fn as_paid(order: &Value) -> Value {
    with(order, json!({ "status": "paid", "amount_paid": order["amount"], "amount_due": 0 }))
}

/// `POST /v1/payments/{id}/capture`: all of it, once.
pub async fn capture(call: &Asked<'_>, turn: &mut Turn<'_>, id: &str, body: &Map<String, Value>) -> Answer {
    let asked = amount(body)?.ok_or_else(|| required("amount"))?;
    let (kept, payment) = own(call, turn, ("payment", "pay_"), id).await?;
    let currency = text(body, "currency", 3)?;
    match text_of(&payment, "status") {
        "authorized" => {}
        "failed" => {
            return Err(refuse("Only payments which have been authorized and not yet captured can be captured"));
        }
        _ => return Err(refuse("This payment has already been captured")),
    }
    if payment["amount"] != asked {
        return Err(refuse("Capture amount must be equal to the amount authorized."));
    }
    if payment["currency"] != currency {
        return Err(wrong("currency", "Payment currency does not match"));
    }
    let order = turn.find("order", text_of(&payment, "order_id")).await?.ok_or_else(missing)?;
    let order_body = parsed(&order);
    if order_body["status"] == "paid" {
        return Err(refuse(PAID));
    }
    Ok(shown(&captured(turn, (&kept, &payment), (&order, &order_body)).await?))
}
