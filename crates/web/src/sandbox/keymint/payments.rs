//! Payments of the native API: `created` → `authorized` → `captured`, or `failed`, `expired`, `cancelled`.

use keymint_app::sandbox::turn::{Fresh, Next, Turn};
use keymint_app::sandbox::{Object, SandboxError, random_text};
use keymint_domain::return_url::ReturnUrl;
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{
    Failure, amount, currency, event, known, metadata, own, posting, shown, test_outcome, text, wrong, wrong_state,
};
use crate::sandbox::{Asked, BASE62, parsed, place, rfc3339, text_of, with};

/// How long a payment waits for its customer. Milliseconds.
const WAIT_MS: i64 = 30 * 60_000;
/// Characters of an id behind its prefix, and of the secret part of a page's address.
pub const ID_LENGTH: usize = 20;
pub const SESSION_LENGTH: usize = 24;
/// What a test may ask to become of a payment.
pub const OUTCOMES: [&str; 4] = ["success", "failed", "expired", "processing"];

/// Begins a payment.
pub async fn create(call: &Asked<'_>, turn: &mut Turn<'_>, body: &Map<String, Value>) -> Result<Value, Failure> {
    let names = ["amount", "currency", "capture", "reference", "metadata", "return_url", "test_outcome"];
    known(body, &names)?;
    let amount = amount(body)?.ok_or_else(|| wrong("amount", "is required"))?;
    let currency = currency(body)?;
    let capture = match text(body, "capture")?.unwrap_or("automatic") {
        capture @ ("automatic" | "manual") => capture,
        _ => return Err(wrong("capture", "must be automatic or manual")),
    };
    let return_url = body.get("return_url");
    if return_url.is_some_and(|url| ReturnUrl::parse(url.as_str().unwrap_or_default()).is_err()) {
        return Err(wrong("return_url", "must be an http or https URL"));
    }
    let outcome = test_outcome(body, &OUTCOMES)?;
    let short = random_text(call.app, BASE62, ID_LENGTH)?;
    let session = random_text(call.app, BASE62, SESSION_LENGTH)?;
    let now = turn.now();
    let payment = json!({
        "id": format!("pay_{short}"), "object": "payment", "amount": amount, "amount_captured": 0, "amount_refunded": 0,
        "currency": currency, "status": "created", "capture": capture, "reference": text(body, "reference")?,
        "metadata": metadata(body)?, "failure_code": null, "created_at": rfc3339(now),
        "expires_at": rfc3339(UnixMs(now.0.saturating_add(WAIT_MS))), "session": session, "return_url": return_url,
        "page_url": format!("{}/pay/{short}{session}", place(call.view, call.gateway_url)),
    });
    let id = text_of(&payment, "id");
    let kept = turn.keep(Fresh { kind: "payment", id, reference: None, body: &payment.to_string() }).await?;
    let (name, told) = event("payment.created", &payment, now);
    turn.tell(&name, &told).await?;
    match outcome {
        None => {
            let at = UnixMs(now.0.saturating_add(WAIT_MS));
            turn.later("payment", &kept, steps(&payment, "expired", at)).await?;
        }
        Some("processing") => {}
        Some(outcome) => {
            let at = call.settles_at(now);
            call.settle(turn, ("payment", &kept), steps(&payment, outcome, at)).await?;
        }
    }
    Ok(shown(&payment))
}

/// What becomes of a payment with an outcome, step by step.
pub fn steps(payment: &Value, outcome: &str, at: UnixMs) -> Vec<(UnixMs, Next)> {
    let told = |name: &str, payment: &Value| Next {
        event: Some(event(name, payment, at)),
        ..Next::quiet(payment.to_string())
    };
    match outcome {
        "success" => {
            let authorized = with(payment, json!({ "status": "authorized", "authorized_at": rfc3339(at) }));
            let mut steps = vec![(at, told("payment.authorized", &authorized))];
            if payment["capture"] == "automatic" {
                let all = payment["amount"].as_i64().unwrap_or(0);
                steps.push((at, captured(&authorized, all, at)));
            }
            steps
        }
        "failed" => {
            let failed = json!({ "status": "failed", "failure_code": "payment_declined" });
            vec![(at, told("payment.failed", &with(payment, failed)))]
        }
        _ => {
            let expired = json!({ "status": "expired", "failure_code": "payment_expired" });
            vec![(at, told("payment.expired", &with(payment, expired)))]
        }
    }
}

/// A payment of which so much was captured; the rest is let go.
fn captured(payment: &Value, amount: i64, at: UnixMs) -> Next {
    let members = json!({ "status": "captured", "amount_captured": amount, "captured_at": rfc3339(at) });
    let payment = with(payment, members);
    Next {
        event: Some(event("payment.captured", &payment, at)),
        postings: vec![posting(&payment, amount, 0)],
        ..Next::quiet(payment.to_string())
    }
}

async fn authorized(
    call: &Asked<'_>,
    turn: &mut Turn<'_>,
    (id, doing): (&str, &str),
) -> Result<(Object, Value), Failure> {
    let (kept, payment) = own(call, turn, ("payment", id)).await?;
    if payment["status"] == "authorized" || (doing == "cancelled" && payment["status"] == "created") {
        return Ok((kept, payment));
    }
    Err(wrong_state(&format!("A payment that is {} cannot be {doing}.", text_of(&payment, "status"))))
}

/// Captures an authorized payment: all of it, or less.
pub async fn capture(
    call: &Asked<'_>,
    turn: &mut Turn<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, Failure> {
    known(body, &["amount"])?;
    let (kept, payment) = authorized(call, turn, (id, "captured")).await?;
    let all = payment["amount"].as_i64().unwrap_or(0);
    let amount = amount(body)?.unwrap_or(all);
    if amount > all {
        return Err(wrong("amount", "is more than was authorized"));
    }
    change(turn, &kept, &captured(&payment, amount, turn.now())).await
}

/// Cancels a payment that was not captured.
pub async fn cancel(
    call: &Asked<'_>,
    turn: &mut Turn<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, Failure> {
    known(body, &[])?;
    let (kept, payment) = authorized(call, turn, (id, "cancelled")).await?;
    change(turn, &kept, &cancelled(&payment, turn.now())).await
}

/// A payment that was cancelled.
pub fn cancelled(payment: &Value, at: UnixMs) -> Next {
    let payment = with(payment, json!({ "status": "cancelled", "cancelled_at": rfc3339(at) }));
    Next { event: Some(event("payment.cancelled", &payment, at)), ..Next::quiet(payment.to_string()) }
}

async fn change(turn: &mut Turn<'_>, kept: &Object, next: &Next) -> Result<Value, Failure> {
    let changed: Result<Object, SandboxError> = turn.change("payment", kept, next).await;
    Ok(shown(&parsed(&changed?)))
}
