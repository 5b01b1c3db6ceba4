//! KPay's refunds, wallets, and transfers between the wallets of an application.

use keymint_app::sandbox::turn::{Fresh, Next, Turn};
use keymint_app::sandbox::{Object, SandboxError, random_text};
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::catalogue::{self, OPENING, TRANSFER_RANGE};
use super::{BASE62, End, ID_LENGTH, check, ended, own, posting, reference, refusal, refused};
use crate::reply::Response;
use crate::sandbox::{Asked, Outcome, only, parsed, rfc3339, text_of, uuid, with};

/// How long after its completion a payment may be refunded. Milliseconds: 7 days.
const REFUND_MS: i64 = 7 * 86_400_000;

/// Reasons of a refund that ask for an end of their own (chosen).
pub const REASONS: [(&str, End); 2] =
    [("FAILED", End::failed("UNSPECIFIED_FAILURE")), ("CANCELLED", End::cancelled("REFUND_CANCELLED"))];

/// The wallets: that of Cameroon always, the others once money moved in them.
pub async fn balance(call: &Asked<'_>) -> Outcome {
    let moved = call.shelf("payment").wallets().await.map_err(|error| super::trouble(&error))?;
    let wallet = |name: &str, balance: i64, reserved: i64| {
        json!({
            "currency": name, "balance": balance, "reservedBalance": reserved,
            "availableBalance": balance.saturating_sub(reserved),
        })
    };
    let untouched = moved.iter().all(|(name, _)| name != "XAF").then(|| wallet("XAF", OPENING, 0));
    let moved = moved.iter().map(|(name, holding)| wallet(name, holding.balance, holding.reserved));
    Ok(call.json(200, &untouched.into_iter().chain(moved).collect()))
}

/// Refunds a payment in full: within seven days, one at a time, once.
pub async fn refund(call: &Asked<'_>, id: &str) -> Outcome {
    let body = if call.view.body.is_empty() { Some(Map::new()) } else { call.object() };
    let Some(body) = body else { return Ok(refusal(call, 400, "The body must be a JSON object")) };
    match try_refund(call, id, &body).await {
        Ok(Ok(answer)) => Ok(call.json(201, &answer)),
        Ok(Err(response)) => Ok(response),
        Err(error) => refused(call, &error),
    }
}

async fn try_refund(
    call: &Asked<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Result<Value, Response>, SandboxError> {
    let mut turn = call.shelf("refund").turn().await?;
    let kept = match own(call, &mut turn, ("payment", id)).await? {
        Ok(kept) => kept,
        Err(response) => return Ok(Err(response)),
    };
    let payment = parsed(&kept);
    if let Err((status, message)) = may_refund(&payment, turn.now()) {
        return Ok(Err(refusal(call, status, message)));
    }
    let refund = with(
        &only(&payment, &["amount", "currency", "provider", "country", "phoneNumber", "isTest", "metadata"]),
        json!({
            "id": format!("rfd_{}", random_text(call.app, BASE62, ID_LENGTH)?),
            "reference": reference(call.app, "KPAY-RF", turn.now())?,
            "providerReference": uuid(call.app)?,
            "status": "PENDING",
            "paymentId": kept.id,
            "reason": check::text(body, "reason"),
            "externalId": check::text(body, "externalId"),
        }),
    );
    begin(call, &mut turn, (&kept, &payment), &refund).await?;
    turn.commit().await?;
    let shown = ["id", "paymentId", "reference", "status", "amount", "currency", "externalId", "reason", "isTest"];
    Ok(Ok(only(&refund, &shown)))
}

fn may_refund(payment: &Value, now: UnixMs) -> Result<(), (u16, &'static str)> {
    if payment["status"] == "REFUNDED" || payment["refundStatus"] == "PENDING" {
        return Err((409, "A refund of this payment is already active"));
    }
    if payment["status"] != "COMPLETED" {
        return Err((409, "Only a completed payment can be refunded"));
    }
    let completed_at = text_of(payment, "completedAt").parse::<jiff::Timestamp>();
    let completed_at = completed_at.map_or(0, |at| at.as_millisecond());
    if now.0.saturating_sub(completed_at) > REFUND_MS {
        return Err((400, "A payment can be refunded within 7 days"));
    }
    Ok(())
}

/// Sets the money aside and says what becomes of the refund. The payment changes with it: of two calls at once, the one
/// that comes second finds it changed.
async fn begin(
    call: &Asked<'_>,
    turn: &mut Turn<'_>,
    (kept, payment): (&Object, &Value),
    refund: &Value,
) -> Result<(), SandboxError> {
    let (kind, now) = ("refund", turn.now());
    let pending = with(payment, json!({ "refundStatus": "PENDING" }));
    let kept = turn.change("payment", kept, &Next::quiet(pending.to_string())).await?;
    let fresh =
        Fresh { kind, id: text_of(refund, "id"), reference: refund["externalId"].as_str(), body: &refund.to_string() };
    let refunded = turn.keep(fresh).await?;
    turn.post(&refunded.id, &posting(refund, 0, refund["amount"].as_i64().unwrap_or(0))).await?;
    let asked = REASONS.iter().find(|(reason, _)| refund["reason"] == **reason);
    let end = asked.map_or(End::COMPLETED, |(_, end)| *end);
    let after = match end.status {
        "COMPLETED" => json!({ "status": "REFUNDED", "refundStatus": "COMPLETED" }),
        status => json!({ "refundStatus": status }),
    };
    let at = call.settles_at(now);
    let next = ended(&refunded, refund, (kind, at), &end);
    let of_payment = Next::quiet(with(&pending, after).to_string());
    call.settle(turn, ("payment", &kept), vec![(at, of_payment)]).await?;
    call.settle(turn, (kind, &refunded), vec![(at, next)]).await
}

/// Moves money from a wallet of the application to another.
pub async fn transfer(call: &Asked<'_>) -> Outcome {
    let Some(body) = call.object() else { return Ok(refusal(call, 400, "The body must be a JSON object")) };
    for field in ["applicationId", "sourceCountry", "destinationCountry"] {
        if check::text(&body, field).is_none() {
            return Ok(refusal(call, 400, &format!("{field} should not be empty")));
        }
    }
    let amount = body.get("amount").and_then(Value::as_i64).unwrap_or(0);
    if !TRANSFER_RANGE.contains(&amount) {
        let (least, most) = (TRANSFER_RANGE.start(), TRANSFER_RANGE.end());
        return Ok(refusal(call, 400, &format!("amount must be {least} to {most}")));
    }
    if check::text(&body, "applicationId") != Some(call.candidate.app_id.to_string().as_str()) {
        return Ok(refusal(call, 403, "This application is not yours"));
    }
    let currency = |field: &str| check::text(&body, field).and_then(catalogue::currency_of);
    let (Some(from), Some(to)) = (currency("sourceCountry"), currency("destinationCountry")) else {
        return Ok(refusal(call, 404, "There is no wallet of this country"));
    };
    let received = catalogue::converted(amount, from, to).filter(|received| *received > 0);
    let Some(received) = received else { return Ok(refusal(call, 400, "amount is too small for this currency")) };
    let way = Way { from, to, amount, received };
    match try_transfer(call, &body, &way).await {
        Ok(answer) => Ok(call.json(201, &answer)),
        Err(error) => refused(call, &error),
    }
}

/// From which wallet to which.
struct Way {
    from: &'static str,
    to: &'static str,
    amount: i64,
    received: i64,
}

async fn try_transfer(call: &Asked<'_>, body: &Map<String, Value>, way: &Way) -> Result<Value, SandboxError> {
    let mut turn = call.shelf("transfer").turn().await?;
    let number = random_text(call.app, BASE62, ID_LENGTH)?.to_uppercase();
    let at = rfc3339(turn.now());
    let one = |direction: &str, currency: &str, amount: i64| {
        json!({
            "id": format!("TRF-{direction}-{number}"), "reference": format!("TRF-{direction}-{number}"),
            "type": format!("WALLET_TRANSFER_{direction}"), "status": "COMPLETED", "amount": amount,
            "currency": currency, "externalId": check::text(body, "externalId"), "isTest": true, "completedAt": at,
            "description": check::text(body, "description"),
        })
    };
    let (out, into) = (one("OUT", way.from, way.amount), one("IN", way.to, way.received));
    let reference = out["externalId"].as_str();
    for (leg, reference, gain) in [(&out, reference, -way.amount), (&into, None, way.received)] {
        let id = text_of(leg, "id");
        turn.keep(Fresh { kind: "transfer", id, reference, body: &leg.to_string() }).await?;
        turn.post(id, &posting(leg, gain, 0)).await?;
    }
    turn.commit().await?;
    let rate = catalogue::rate(way.from, way.to);
    let shown = only(&out, &["reference", "type", "status", "amount", "currency", "externalId", "isTest"]);
    let received = json!({
        "inReference": into["reference"], "receivedAmount": way.received, "receivedCurrency": way.to,
        "exchangeRate": rate,
    });
    Ok(with(&shown, received))
}
