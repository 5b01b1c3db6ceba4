//! KwikPaisa's payouts and the wallet that pays them. The paise of the amount say what becomes of one.

use keymint_app::sandbox::turn::{Fresh, Next};
use keymint_app::sandbox::{SandboxError, random_text};
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{OPENING, amount, event, indian_time, paise, posting, refusal, refused, text, trigger, wrong};
use crate::reply::Response;
use crate::sandbox::{Asked, BASE62, Outcome, parsed, text_of, trouble, uuid, with};

/// Chosen: sandbox wallets are `kwx_test_…`, production ones `kwx_live_…`.
const OTHER_ENVIRONMENT: &str = "kwx_live_";

/// The refusal for a wallet that is missing or of the other environment.
fn wallet_refusal(call: &Asked<'_>, body: &Map<String, Value>) -> Option<Response> {
    let Some(wallet) = text(body, "kwikx_wallet_id") else { return Some(wrong(call, "kwikx_wallet_id")) };
    let is_foreign = wallet.starts_with(OTHER_ENVIRONMENT);
    is_foreign.then(|| refusal(call, 403, "Invalid wallet ID for selected environment."))
}

/// Rupees with two places.
fn rupees(paise: i64) -> String {
    format!("{}.{:02}", paise / 100, paise % 100)
}

/// What the wallet holds and is not set aside.
pub async fn balance(call: &Asked<'_>, body: &Map<String, Value>) -> Outcome {
    if let Some(refusal) = wallet_refusal(call, body) {
        return Ok(refusal);
    }
    let shelf = call.shelf("payout");
    let wallets = shelf.wallets().await.map_err(|error| trouble(&error))?;
    let held = wallets.iter().find(|(name, _)| name == "INR").map(|(_, held)| held.balance - held.reserved);
    let now = shelf.now().await.map_err(|error| trouble(&error))?;
    let data = json!({
        "available_balance": rupees(held.unwrap_or(OPENING)), "currency": "INR", "last_updated_at": indian_time(now),
    });
    let message = "Balance fetched successfully.";
    Ok(call.json(200, &json!({ "code": "200", "status": "success", "message": message, "return_data": data })))
}

/// Pays out: what it takes is set aside at once.
pub async fn create(call: &Asked<'_>, body: &Map<String, Value>) -> Outcome {
    if let Some(refusal) = wallet_refusal(call, body) {
        return Ok(refusal);
    }
    let Some(amount) = amount(body, "amount") else { return Ok(wrong(call, "amount")) };
    if trigger(&amount) == POOR {
        return Ok(refusal(call, 422, "Insufficient balance."));
    }
    let own_id = body.contains_key("payout_order_id").then(|| text(body, "payout_order_id"));
    if own_id == Some(None) {
        return Ok(wrong(call, "payout_order_id"));
    }
    let named = own_id.flatten();
    match keep(call, body, (&amount, named)).await {
        Ok(data) => {
            let message = "Payout initiated successfully.";
            Ok(call.json(200, &json!({ "status": true, "code": 200, "message": message, "data": data })))
        }
        Err(error) => refused(call, &error, "Duplicate payout_order_id."),
    }
}

async fn keep(
    call: &Asked<'_>,
    body: &Map<String, Value>,
    (amount, named): (&str, Option<String>),
) -> Result<Value, SandboxError> {
    let order_id = match named {
        Some(order_id) => order_id,
        None => format!("PO{}", random_text(call.app, BASE62, 14)?),
    };
    let id = format!("kpo_{}", uuid(call.app)?);
    let mut turn = call.shelf("payout").turn().await?;
    let now = turn.now();
    let payout = json!({
        "kwikx_payout_id": id, "payout_order_id": order_id, "amount": amount, "currency": "INR",
        "transfer_type": text(body, "transfer_type"), "mobile": text(body, "mobile"), "status": "PROCESSING",
        "utr": null, "created_at": indian_time(now), "completed_at": null,
    });
    let (kind, text) = ("payout", payout.to_string());
    let kept = turn.keep(Fresh { kind, id: &id, reference: Some(&order_id), body: &text }).await?;
    turn.post(&id, &posting(0, paise(amount))).await?;
    let utr = random_text(call.app, b"0123456789", 12)?;
    let at = call.settles_at(now);
    let steps = steps(&payout, at, &utr).into_iter().map(|next| (at, next)).collect();
    call.settle(&mut turn, (kind, &kept), steps).await?;
    turn.commit().await?;
    Ok(payout)
}

/// What becomes of a payout, by the paise of its amount.
fn steps(payout: &Value, at: UnixMs, utr: &str) -> Vec<Next> {
    let asked = trigger(text_of(payout, "amount"));
    let states = STEPS.iter().find(|(paise, _)| *paise == asked).map_or(&["SUCCESS"][..], |(_, states)| *states);
    states.iter().map(|status| moved(payout, (*status, at), utr)).collect()
}

/// Which states a payout goes through, by the paise of its amount (chosen). One that is `PROCESSING` stays under way, and
/// its money set aside.
const STEPS: [(&str, &[&str]); 3] = [("12", &["FAILED"]), ("13", &["PROCESSING"]), ("14", &["SUCCESS", "REVERSED"])];
/// The paise of what the wallet is said not to hold (chosen).
const POOR: &str = "15";

/// What docs/sandbox/kwikpaisa.md has to say of what becomes of a payout.
#[cfg(test)]
pub fn documented() -> Vec<crate::sandbox::documented::Row> {
    use crate::sandbox::documented::{Row, quoted};
    let mut rows = vec![Row::new(&quoted(&format!(".{POOR}")), &[(1, "`Insufficient balance.`".to_owned())])];
    for (paise, states) in STEPS {
        let trigger = quoted(&format!(".{paise}"));
        rows.extend(states.last().map(|last| Row::new(&trigger, &[(1, quoted(last))])));
        let event = |status: &&str| Row::new(&trigger, &[(2, quoted(&format!("payout.{}", status.to_lowercase())))]);
        rows.extend(states.iter().map(event));
    }
    rows
}

/// A payout in another state, the event that tells of it, and its money.
fn moved(payout: &Value, (status, at): (&'static str, UnixMs), utr: &str) -> Next {
    let amount = paise(text_of(payout, "amount"));
    let postings = match status {
        "SUCCESS" => vec![posting(-amount, -amount)],
        "FAILED" => vec![posting(0, -amount)],
        "REVERSED" => vec![posting(amount, 0)],
        _ => Vec::new(),
    };
    let mut members = json!({ "status": status });
    if matches!(status, "SUCCESS" | "REVERSED") {
        members = with(&members, json!({ "utr": utr, "completed_at": indian_time(at) }));
    }
    let name = format!("payout.{}", status.to_lowercase());
    Next {
        event: Some(event(&name, (&payout["payout_order_id"], &payout["amount"]), status)),
        postings,
        ..Next::quiet(with(payout, members).to_string())
    }
}

/// How a payout stands.
pub async fn status(call: &Asked<'_>, body: &Map<String, Value>) -> Outcome {
    if let Some(refusal) = wallet_refusal(call, body) {
        return Ok(refusal);
    }
    let Some(order_id) = text(body, "payout_order_id") else { return Ok(wrong(call, "payout_order_id")) };
    let found = call.shelf("payout").find_reference(&order_id).await.map_err(|error| trouble(&error))?;
    let Some(payout) = found else { return Ok(refusal(call, 404, "Payout not found.")) };
    let message = "Payout status fetched successfully.";
    Ok(call.json(200, &json!({ "status": true, "code": 200, "message": message, "data": parsed(&payout) })))
}
