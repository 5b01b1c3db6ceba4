//! KPay: who am I, payments, payouts, and what the other files hold: `money.rs` refunds, wallets and transfers, `open.rs`
//! the hosted page and what is told without a key, `catalogue.rs` what the vendor knows, `numbers.rs` what becomes of whom.
//! Facts: vendors sheet 2.2 to 2.9; what it leaves out is chosen here and listed in docs/sandbox/kpay.md.

mod catalogue;
mod check;
mod money;
mod numbers;
pub mod open;

use jiff::Timestamp;
use keymint_app::ops::{Actor, OpError, apps, merchants};
use keymint_app::sandbox::turn::{Fresh, Next, Posting, Turn};
use keymint_app::sandbox::{Object, Reference, SandboxError, random_text};
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use serde_json::{Value, json};

use self::numbers::Outcome;
use super::{Asked, BASE62, HEX, only, parsed, place, rfc3339, text_of, trouble, unknown, uuid, with};
use crate::reply::Response;

/// How long a hosted page may be used. Milliseconds: what the vendor's sample answer comes to.
const SESSION_MS: i64 = 30 * 60_000;
/// Characters of an id behind its prefix, and of the secret part of a hosted page's address.
const ID_LENGTH: usize = 16;
const SESSION_LENGTH: usize = 24;

/// Answers a call.
pub async fn answer(call: &Asked<'_>) -> super::Outcome {
    let segments = call.segments();
    let known = match segments.as_slice() {
        ["api", "v1", "payments", rest @ ..] => rest,
        ["api", "wallets", "transfer"] if call.view.method == "POST" => return money::transfer(call).await,
        ["api", "wallets", "transfer"] => return Err(unknown(true)),
        _ => return Err(unknown(false)),
    };
    match (call.view.method, known) {
        ("GET", ["me"]) => me(call).await,
        ("GET", ["balance"]) => money::balance(call).await,
        ("GET", ["exchange-rate"]) => Ok(exchange_rate(call)),
        ("GET", ["availability"]) => Ok(call.json(200, &catalogue::availability())),
        ("POST", ["predict-provider"]) => Ok(predict_provider(call)),
        ("POST", ["init"]) => create(call, "payment").await,
        ("POST", ["withdraw"]) => create(call, "payout").await,
        ("POST", [id, "refund"]) => money::refund(call, id).await,
        ("GET", ["withdraw", id]) => fetch(call, "payout", id).await,
        ("GET", ["refund", id]) => fetch(call, "refund", id).await,
        ("GET", [id]) => fetch(call, "payment", id).await,
        _ => Err(unknown(!known.is_empty() && known.len() <= 2)),
    }
}

fn refusal(call: &Asked<'_>, status: u16, message: &str) -> Response {
    call.error(status, "null", message)
}

/// What the vendor says where the store says no.
fn refused(call: &Asked<'_>, error: &SandboxError) -> super::Outcome {
    match error {
        SandboxError::ReferenceTaken => Ok(refusal(call, 409, "A transaction with this externalId is already active")),
        SandboxError::Insufficient => Ok(refusal(call, 422, "Insufficient wallet balance")),
        SandboxError::Overtaken => Ok(refusal(call, 409, "The transaction has changed meanwhile")),
        SandboxError::Entropy(_) | SandboxError::Event(_) | SandboxError::Store(_) => Err(trouble(error)),
    }
}

async fn me(call: &Asked<'_>) -> super::Outcome {
    let candidate = call.candidate;
    let trouble = |error: OpError| {
        tracing::error!(%error, "the caller's app could not be read");
        DenyReason::Unavailable
    };
    let app = apps::find(call.app, Actor::System, candidate.app_id).await.map_err(trouble)?;
    let merchant = merchants::find(call.app, Actor::System, candidate.merchant_id).await.map_err(trouble)?;
    let application = json!({ "id": app.id.to_string(), "name": app.name });
    let company = json!({ "id": merchant.id.to_string(), "name": merchant.name });
    let environment = call.product.dialect.environment(candidate.mode);
    Ok(call.json(200, &json!({ "application": application, "company": company, "environment": environment })))
}

fn exchange_rate(call: &Asked<'_>) -> Response {
    let query = call.view.query().unwrap_or_default();
    let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
    let named = |name: &str| pairs().find(|(one, _)| *one == name).map(|(_, value)| value);
    let (Some(from), Some(to)) = (named("from"), named("to")) else {
        return refusal(call, 400, "from and to should not be empty");
    };
    match catalogue::rate(from, to) {
        Some(rate) => call.json(200, &json!({ "from": from, "to": to, "rate": rate })),
        None => refusal(call, 400, "The currency is not supported"),
    }
}

fn predict_provider(call: &Asked<'_>) -> Response {
    let body = call.object().unwrap_or_default();
    let Some(phone) = check::text(&body, "phoneNumber") else {
        return refusal(call, 400, "phoneNumber should not be empty");
    };
    let country = numbers::country_of(phone);
    match country.and_then(catalogue::first_provider).zip(country) {
        Some((provider, country)) => {
            call.json(201, &json!({ "country": country, "provider": provider, "phoneNumber": phone }))
        }
        None => refusal(call, 400, "The provider cannot be predicted: this is none of the test numbers"),
    }
}

async fn create(call: &Asked<'_>, kind: &'static str) -> super::Outcome {
    let Some(body) = call.object() else { return Ok(refusal(call, 400, "The body must be a JSON object")) };
    let fields = match check::fields(&body, kind) {
        Ok(fields) => fields,
        Err(message) => return Ok(refusal(call, 400, &message)),
    };
    match keep(call, kind, &fields).await {
        Ok(answer) => Ok(call.json(201, &answer)),
        Err(error) => refused(call, &error),
    }
}

/// `KPAY-20260514-ABC123`.
fn reference(app: &keymint_app::App, label: &str, now: UnixMs) -> Result<String, SandboxError> {
    Ok(format!("{label}-{}-{}", day(now), random_text(app, HEX, 6)?.to_uppercase()))
}

fn day(now: UnixMs) -> String {
    Timestamp::from_millisecond(now.0).unwrap_or_default().strftime("%Y%m%d").to_string()
}

/// What is kept of a payment or a payout that begins.
fn begun(call: &Asked<'_>, kind: &str, fields: &Value, now: UnixMs) -> Result<Value, SandboxError> {
    let (prefix, label) = if kind == "payment" { ("pay_", "KPAY") } else { ("wdr_", "KPAY-WD") };
    let short = random_text(call.app, BASE62, ID_LENGTH)?;
    let amount = fields["amount"].as_i64().unwrap_or(0);
    let fee = catalogue::fee(amount);
    let object = json!({
        "id": format!("{prefix}{short}"),
        "reference": reference(call.app, label, now)?,
        "providerReference": uuid(call.app)?,
        "status": "PENDING",
        "isTest": true,
        "feeAmount": fee,
        "netAmount": if kind == "payment" { amount - fee } else { amount },
        "message": "Confirm the payment on the phone.",
    });
    let object = with(&object, fields.clone());
    if fields["returnUrl"].is_null() {
        return Ok(object);
    }
    let session = random_text(call.app, BASE62, SESSION_LENGTH)?;
    let url = format!("{}/gateway/gw_{short}{session}", place(call.view, call.gateway_url));
    Ok(with(
        &object,
        json!({
            "mode": "GATEWAY", "session": session, "gatewayUrl": url,
            "expiresAt": rfc3339(UnixMs(now.0.saturating_add(SESSION_MS))),
            "message": "Redirect the customer to gatewayUrl to complete the payment.",
        }),
    ))
}

async fn keep(call: &Asked<'_>, kind: &'static str, fields: &Value) -> Result<Value, SandboxError> {
    let mut turn = call.shelf(kind).turn().await?;
    let now = turn.now();
    let object = begun(call, kind, fields, now)?;
    let fresh =
        Fresh { kind, id: text_of(&object, "id"), reference: fields["externalId"].as_str(), body: &object.to_string() };
    let kept = turn.keep(fresh).await?;
    if kind == "payout" {
        turn.post(&kept.id, &posting(&object, 0, total(&object))).await?;
    }
    if object["mode"] == "GATEWAY" {
        let at = UnixMs(now.0.saturating_add(SESSION_MS));
        let over = ended(&kept, &object, (kind, at), &End::cancelled("SESSION_EXPIRED"));
        turn.later(kind, &kept, vec![(at, over)]).await?;
    } else {
        let at = call.settles_at(now);
        if let Some(end) = End::of(numbers::outcome(kind, text_of(&object, "phoneNumber"))) {
            let next = ended(&kept, &object, (kind, at), &end);
            call.settle(&mut turn, (kind, &kept), vec![(at, next)]).await?;
        }
    }
    turn.commit().await?;
    Ok(first_answer(kind, &object))
}

/// What the caller is told who began it.
fn first_answer(kind: &str, object: &Value) -> Value {
    const USSD: [&str; 12] = [
        "id",
        "reference",
        "providerReference",
        "status",
        "amount",
        "currency",
        "externalId",
        "provider",
        "country",
        "phoneNumber",
        "isTest",
        "message",
    ];
    const GATEWAY: [&str; 11] = [
        "id",
        "reference",
        "externalId",
        "status",
        "mode",
        "amount",
        "currency",
        "gatewayUrl",
        "expiresAt",
        "isTest",
        "message",
    ];
    let answer = if object["mode"] == "GATEWAY" { only(object, &GATEWAY) } else { only(object, &USSD) };
    if kind == "payment" { answer } else { with(&answer, of_payouts(object)) }
}

/// What a payout has that a payment has not: across currencies, more.
fn of_payouts(object: &Value) -> Value {
    let both = only(object, &["netAmount", "feeAmount"]);
    match object["payoutCurrency"].is_null() {
        true => both,
        false => with(&both, only(object, &["payoutCurrency", "payoutAmount", "exchangeRate"])),
    }
}

async fn fetch(call: &Asked<'_>, kind: &'static str, id: &str) -> super::Outcome {
    const SHOWN: [&str; 16] = [
        "id",
        "reference",
        "providerReference",
        "status",
        "amount",
        "netAmount",
        "feeAmount",
        "currency",
        "externalId",
        "provider",
        "country",
        "phoneNumber",
        "isTest",
        "metadata",
        "completedAt",
        "failureReason",
    ];
    let found = call.shelf(kind).find(id).await.map_err(|error| trouble(&error))?;
    match found {
        None => Ok(refusal(call, 404, "Payment not found")),
        Some(found) if found.app_id != call.candidate.app_id => {
            Ok(refusal(call, 403, "This payment belongs to another application"))
        }
        Some(found) => {
            let object = parsed(&found);
            let answer = only(&object, &SHOWN);
            Ok(call.json(200, &if kind == "payout" { with(&answer, of_payouts(&object)) } else { answer }))
        }
    }
}

/// How a payment, a payout or a refund ends.
#[derive(Clone, Copy)]
pub struct End {
    status: &'static str,
    failure: Option<&'static str>,
}

impl End {
    const COMPLETED: Self = Self { status: "COMPLETED", failure: None };

    const fn failed(reason: &'static str) -> Self {
        Self { status: "FAILED", failure: Some(reason) }
    }

    const fn cancelled(reason: &'static str) -> Self {
        Self { status: "CANCELLED", failure: Some(reason) }
    }

    /// How one ends with that number; nothing where it does not.
    fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Completed => Some(Self::COMPLETED),
            Outcome::Failed(reason) => Some(Self::failed(reason)),
            Outcome::Waits => None,
        }
    }
}

/// What leaves a wallet with a payout: the amount and its fee.
fn total(payout: &Value) -> i64 {
    payout["amount"].as_i64().unwrap_or(0).saturating_add(payout["feeAmount"].as_i64().unwrap_or(0))
}

/// Money in the wallet of an object's currency.
fn posting(object: &Value, amount: i64, reserved: i64) -> Posting {
    let wallet = text_of(object, "currency").to_owned();
    Posting { wallet, opening: catalogue::OPENING, amount, reserved }
}

/// The money that moves when something ends. What a payout or a refund takes was set aside when it began.
fn postings(kind: &str, object: &Value, end: &End) -> Vec<Posting> {
    let is_done = end.status == "COMPLETED";
    let amount = match kind {
        "payment" if is_done => return vec![posting(object, object["netAmount"].as_i64().unwrap_or(0), 0)],
        "payment" => return Vec::new(),
        "payout" => total(object),
        _ => object["amount"].as_i64().unwrap_or(0),
    };
    vec![posting(object, if is_done { -amount } else { 0 }, -amount)]
}

/// A payment, a payout or a refund as it ends, the event that tells of it and the money that moves. What did not complete
/// leaves its `externalId` to the next one.
fn ended(kept: &Object, object: &Value, (kind, at): (&str, UnixMs), end: &End) -> Next {
    let is_done = end.status == "COMPLETED";
    let completed_at = is_done.then(|| rfc3339(at));
    let members = json!({ "status": end.status, "completedAt": completed_at, "failureReason": end.failure });
    Next {
        body: with(object, members).to_string(),
        reference: if is_done { Reference::Kept } else { Reference::Freed },
        event: Some(told(&kept.id, object, (kind, at), end)),
        postings: postings(kind, object, end),
    }
}

/// The name and the body of the event that tells how something ended.
fn told(id: &str, object: &Value, (kind, at): (&str, UnixMs), end: &End) -> (String, String) {
    let (at, is_done) = (rfc3339(at), end.status == "COMPLETED");
    let name = format!("{kind}.{}", end.status.to_lowercase());
    let event = json!({
        "event": name, "paymentId": id, "reference": object["reference"], "status": end.status,
        "amount": object["amount"], "phoneNumber": object["phoneNumber"], "externalId": object["externalId"],
        "metadata": object["metadata"], "completedAt": is_done.then_some(&at), "failedAt": (!is_done).then_some(&at),
        "failureReason": end.failure, "timestamp": at,
    });
    (name, event.to_string())
}

/// The body of a test event.
pub fn sample(event: &str, at: UnixMs) -> Option<String> {
    let (kind, outcome) = event.split_once('.')?;
    let (prefix, label) = match kind {
        "payment" => ("pay_", "KPAY"),
        "payout" => ("wdr_", "KPAY-WD"),
        "refund" => ("rfd_", "KPAY-RF"),
        _ => return None,
    };
    let end = match (outcome, kind) {
        ("completed", _) => End::COMPLETED,
        ("failed", _) => End::failed("UNSPECIFIED_FAILURE"),
        ("cancelled", "refund") => End::cancelled("REFUND_CANCELLED"),
        ("cancelled", _) => End::cancelled("CANCELLED_BY_USER"),
        _ => return None,
    };
    // Whoever cancels a payment or a payout does so on its page, where no number was typed.
    let phone = (kind == "refund" || outcome != "cancelled").then_some("237653456789");
    let object = json!({
        "reference": format!("{label}-{}-TEST01", day(at)), "amount": 5_000, "phoneNumber": phone,
        "externalId": "TEST-EVENT", "metadata": null,
    });
    Some(told(&format!("{prefix}TestEvent0000001"), &object, (kind, at), &end).1)
}

/// What docs/sandbox/kpay.md has to say of what becomes of whom.
#[cfg(test)]
pub fn documented() -> Vec<super::documented::Row> {
    use super::documented::{Row, quoted};
    let mut rows = numbers::documented();
    let mut ends = |trigger: &str, end: &End| {
        let words = [Some(end.status), end.failure].into_iter().flatten();
        rows.extend(words.map(|word| Row::new(&quoted(trigger), &[(1, quoted(word))])));
    };
    for (pick, end) in &open::PICKS {
        ends(pick, end.as_ref().unwrap_or(&End { status: "PROCESSING", failure: None }));
    }
    for (reason, end) in &money::REASONS {
        ends(reason, end);
    }
    rows
}

/// An object of the caller's app in a turn, or the vendor's answer why not.
async fn own(
    call: &Asked<'_>,
    turn: &mut Turn<'_>,
    (kind, id): (&str, &str),
) -> Result<Result<Object, Response>, SandboxError> {
    Ok(match turn.find(kind, id).await? {
        None => Err(refusal(call, 404, "Payment not found")),
        Some(found) if found.app_id != call.candidate.app_id => {
            Err(refusal(call, 403, "This payment belongs to another application"))
        }
        Some(found) => Ok(found),
    })
}
