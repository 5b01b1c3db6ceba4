//! Refunds: all or a part of a captured payment, until nothing is left (`api/refunds/create-normal.md`,
//! `normal-refunds-idempotent.md`).

use keymint_app::sandbox::Object;
use keymint_app::sandbox::turn::{Fresh, Next, Turn};
use serde_json::{Map, Value, json};

use super::{Answer, Failure, amount, digest_of, event, header, new_id, notes, optional, own, refuse, shown, wrong};
use crate::sandbox::{Asked, parsed, text_of, with};

/// Refunds that one payment may have (chosen): it names each.
const REFUNDS_MAX: usize = 100;
/// Fewest characters of a key of repetition; most are ours (chosen).
const KEY_BYTES: (usize, usize) = (10, 255);

/// The key under which a call may be repeated, where it has one.
fn key<'a>(call: &Asked<'a>) -> Result<Option<&'a str>, Failure> {
    let Some(key) = header(call, "x-refund-idempotency")? else { return Ok(None) };
    if key.len() < KEY_BYTES.0 || key.len() > KEY_BYTES.1 {
        return Err(refuse("The idempotency key must be at least 10 characters long."));
    }
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Err(refuse("The idempotency key must only contain alphanumeric characters, underscores, and hyphens"));
    }
    Ok(Some(key))
}

/// What is to be refunded of a payment, and what is refunded with it.
fn share(payment: &Value, body: &Map<String, Value>) -> Result<(i64, i64), Failure> {
    let number = |name: &str| payment[name].as_i64().unwrap_or(0);
    let (all, before) = (number("amount"), number("amount_refunded"));
    match text_of(payment, "status") {
        "captured" => {}
        "refunded" => return Err(refuse("The payment has been fully refunded already.")),
        _ => return Err(refuse("The payment status should be captured for action to be taken")),
    }
    let asked = amount(body)?.unwrap_or(all - before);
    if asked > all - before {
        return Err(wrong("amount", "The refund amount provided is greater than amount captured."));
    }
    Ok((asked, before + asked))
}

/// `POST /v1/payments/{id}/refund`.
pub async fn create(call: &Asked<'_>, turn: &mut Turn<'_>, id: &str, body: &Map<String, Value>) -> Answer {
    let (key, asked) = (key(call)?, digest_of(call));
    if let Some(key) = key
        && let Some(before) = turn.find_reference("refund", key).await?
    {
        let before = parsed(&before);
        let description = "Different request with the same idempotency key has already been processed.";
        let is_same = before["asked"] == asked;
        return if is_same { Ok(shown(&before)) } else { Err(Failure::Refused(409, description.to_owned(), None)) };
    }
    let (kept, payment) = own(call, turn, ("payment", "pay_"), id).await?;
    let (amount, refunded) = share(&payment, body)?;
    let speed = match optional(body, "speed", 10)?.unwrap_or("normal") {
        speed @ ("normal" | "optimum") => speed,
        _ => return Err(wrong("speed", "The selected speed is invalid.")),
    };
    let notes = notes(body)?;
    let fails = notes["test_outcome"] == "failed";
    let now = turn.now();
    let refund = json!({
        "id": new_id(call.app, "rfnd_")?, "entity": "refund", "amount": amount, "currency": payment["currency"],
        "payment_id": kept.id, "notes": notes, "receipt": optional(body, "receipt", 40)?,
        "acquirer_data": { "arn": null }, "created_at": now.seconds(), "batch_id": null, "status": "pending",
        "speed_processed": if speed == "optimum" { "instant" } else { "normal" }, "speed_requested": speed,
        "asked": asked,
    });
    let refund_id = text_of(&refund, "id");
    // First the refund, then the payment: of two calls under one key at once, the second hears that the first is under way.
    let fresh = Fresh { kind: "refund", id: refund_id, reference: key, body: &refund.to_string() };
    let kept_refund = turn.keep(fresh).await?;
    let payment = take(turn, (&kept, &payment), (refund_id, refunded), fails).await?;
    let (name, told) = event("refund.created", kept.merchant_id, &[("refund", &refund), ("payment", &payment)], now);
    turn.tell(&name, &told).await?;
    let at = call.settles_at(now);
    let (status, name) = if fails { ("failed", "refund.failed") } else { ("processed", "refund.processed") };
    let ended = with(&refund, json!({ "status": status }));
    let told = event(name, kept.merchant_id, &[("refund", &ended), ("payment", &payment)], at);
    let next = Next { event: Some(told), ..Next::quiet(ended.to_string()) };
    call.settle(turn, ("refund", &kept_refund), vec![(at, next)]).await?;
    let is_now = at <= now;
    Ok(shown(if is_now { &ended } else { &refund }))
}

/// Takes a refund from what is left of a payment. One that is to fail takes nothing: others are made meanwhile, and it
/// could not give it back. Gives the payment as it is then. Every one changes the payment, so of two at once one is refused.
async fn take(
    turn: &mut Turn<'_>,
    (kept, payment): (&Object, &Value),
    (refund_id, refunded): (&str, i64),
    fails: bool,
) -> Result<Value, Failure> {
    let mut named = payment["refunds"].as_array().cloned().unwrap_or_default();
    if named.len() >= REFUNDS_MAX {
        return Err(refuse("The payment has been refunded too often."));
    }
    named.push(Value::from(refund_id));
    let mut members = json!({ "refunds": named });
    if !fails {
        let is_all = payment["amount"] == refunded;
        let (status, share) = if is_all { ("refunded", "full") } else { ("captured", "partial") };
        members = with(&members, json!({ "amount_refunded": refunded, "refund_status": share, "status": status }));
    }
    let payment = with(payment, members);
    turn.change("payment", kept, &Next::quiet(payment.to_string())).await?;
    Ok(payment)
}
