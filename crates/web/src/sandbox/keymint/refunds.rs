//! Refunds of the native API: all or a part of what was captured, until nothing is left.

use keymint_app::sandbox::random_text;
use keymint_app::sandbox::turn::{Fresh, Next, Turn};
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::payments::ID_LENGTH;
use super::{Failure, amount, event, known, own, posting, shown, test_outcome, text, wrong, wrong_state};
use crate::sandbox::{Asked, BASE62, rfc3339, text_of, with};

/// What a test may ask to become of a refund.
pub const OUTCOMES: [&str; 3] = ["success", "failed", "processing"];

/// Refunds a captured payment. The money is set aside at once, and the payment says what is refunded or about to be.
pub async fn create(
    call: &Asked<'_>,
    turn: &mut Turn<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, Failure> {
    known(body, &["amount", "reason", "test_outcome"])?;
    let outcome = test_outcome(body, &OUTCOMES)?;
    let (kept, payment) = own(call, turn, ("payment", id)).await?;
    if payment["status"] != "captured" {
        let state = text_of(&payment, "status");
        return Err(wrong_state(&format!("A payment that is {state} cannot be refunded.")));
    }
    let number = |name: &str| payment[name].as_i64().unwrap_or(0);
    let refunded = number("amount_refunded");
    let left = number("amount_captured") - refunded;
    if left == 0 {
        return Err(wrong_state("All of this payment is refunded."));
    }
    let amount = amount(body)?.unwrap_or(left);
    if amount > left {
        return Err(wrong("amount", "is more than is left of the payment"));
    }
    let now = turn.now();
    let refund = json!({
        "id": format!("rfnd_{}", random_text(call.app, BASE62, ID_LENGTH)?), "object": "refund", "payment_id": id,
        "amount": amount, "currency": payment["currency"], "status": "processing", "reason": text(body, "reason")?,
        "failure_code": null, "created_at": rfc3339(now),
    });
    // One that fails later takes nothing from what is left: others are refunded meanwhile, and it could not give it back.
    if outcome != Some("failed") {
        let payment = with(&payment, json!({ "amount_refunded": refunded + amount }));
        turn.change("payment", &kept, &Next::quiet(payment.to_string())).await?;
    }
    let refund_id = text_of(&refund, "id");
    let fresh = Fresh { kind: "refund", id: refund_id, reference: None, body: &refund.to_string() };
    let refunded = turn.keep(fresh).await?;
    turn.post(refund_id, &posting(&refund, 0, amount)).await?;
    let (name, told) = event("refund.created", &refund, now);
    turn.tell(&name, &told).await?;
    let at = call.settles_at(now);
    let next = match outcome {
        Some("processing") => return Ok(shown(&refund)),
        Some("failed") => failed(&refund, at),
        _ => processed(&refund, at),
    };
    call.settle(turn, ("refund", &refunded), vec![(at, next)]).await?;
    Ok(shown(&refund))
}

/// A refund that was paid out, the event that tells of it, and its money.
pub fn processed(refund: &Value, at: UnixMs) -> Next {
    let amount = refund["amount"].as_i64().unwrap_or(0);
    let refund = with(refund, json!({ "status": "processed", "processed_at": rfc3339(at) }));
    Next {
        event: Some(event("refund.processed", &refund, at)),
        postings: vec![posting(&refund, -amount, -amount)],
        ..Next::quiet(refund.to_string())
    }
}

/// A refund that was not, and its money given back.
pub fn failed(refund: &Value, at: UnixMs) -> Next {
    let amount = refund["amount"].as_i64().unwrap_or(0);
    let refund = with(refund, json!({ "status": "failed", "failure_code": "refund_declined" }));
    Next {
        event: Some(event("refund.failed", &refund, at)),
        postings: vec![posting(&refund, 0, -amount)],
        ..Next::quiet(refund.to_string())
    }
}
