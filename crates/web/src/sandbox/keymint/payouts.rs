//! Payouts of the native API, and the balances that pay them.

use keymint_app::sandbox::random_text;
use keymint_app::sandbox::turn::{Fresh, Next, Turn};
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::payments::ID_LENGTH;
use super::{
    CURRENCIES, Failure, OPENING, amount, currency, event, known, metadata, posting, shown, test_outcome, text, wrong,
};
use crate::sandbox::{Asked, BASE62, Outcome, rfc3339, text_of, trouble, with};

/// What a test may ask to become of a payout.
pub const OUTCOMES: [&str; 4] = ["success", "failed", "reversed", "processing"];

/// Pays out. The money is set aside at once.
pub async fn create(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Result<Value, Failure> {
    known(body, &["amount", "currency", "destination", "reference", "metadata", "test_outcome"])?;
    let amount = amount(body)?.ok_or_else(|| wrong("amount", "is required"))?;
    let currency = currency(body)?;
    let destination = text(body, "destination")?.ok_or_else(|| wrong("destination", "is required"))?;
    let outcome = test_outcome(body, &OUTCOMES)?.unwrap_or("success");
    let now = turn.now();
    let payout = json!({
        "id": format!("pout_{}", random_text(call.app, BASE62, ID_LENGTH)?), "object": "payout", "amount": amount,
        "currency": currency, "destination": destination, "status": "processing", "reference": text(body, "reference")?,
        "metadata": metadata(body)?, "failure_code": null, "created_at": rfc3339(now),
    });
    let id = text_of(&payout, "id");
    let kept = turn.keep(Fresh { kind: "payout", id, reference: None, body: &payout.to_string() }).await?;
    turn.post(id, &posting(&payout, 0, amount)).await?;
    let (name, told) = event("payout.created", &payout, now);
    turn.tell(&name, &told).await?;
    let at = call.settles_at(now);
    let steps = match outcome {
        "success" => vec![(at, moved(&payout, "processed", at))],
        "failed" => vec![(at, moved(&payout, "failed", at))],
        "reversed" => vec![(at, moved(&payout, "processed", at)), (at, moved(&payout, "reversed", at))],
        _ => Vec::new(),
    };
    if !steps.is_empty() {
        call.settle(turn, ("payout", &kept), steps).await?;
    }
    Ok(shown(&payout))
}

/// A payout in another state, the event that tells of it, and its money.
pub fn moved(payout: &Value, status: &'static str, at: UnixMs) -> Next {
    let amount = payout["amount"].as_i64().unwrap_or(0);
    let (posting, failure) = match status {
        "processed" => (posting(payout, -amount, -amount), None),
        "failed" => (posting(payout, 0, -amount), Some("destination_refused")),
        _ => (posting(payout, amount, 0), Some("destination_returned")),
    };
    let members = json!({ "status": status, "failure_code": failure, "settled_at": rfc3339(at) });
    let payout = with(payout, members);
    Next {
        event: Some(event(&format!("payout.{status}"), &payout, at)),
        postings: vec![posting],
        ..Next::quiet(payout.to_string())
    }
}

/// What the app holds, in every currency.
pub async fn balance(call: &Asked<'_>) -> Outcome {
    let moved = call.shelf("payout").wallets().await.map_err(|error| trouble(&error))?;
    let held = |currency: &str| {
        let found = moved.iter().find(|(name, _)| name == currency);
        found.map_or((OPENING, 0), |(_, held)| (held.balance, held.reserved))
    };
    let items: Vec<Value> = CURRENCIES
        .iter()
        .map(|currency| {
            let (balance, reserved) = held(currency);
            json!({ "currency": currency, "balance": balance, "reserved": reserved, "available": balance - reserved })
        })
        .collect();
    Ok(call.json(200, &json!({ "items": items })))
}
