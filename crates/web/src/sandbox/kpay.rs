//! KPay: who am I, payments, a balance, payouts, wallet transfers. Facts: vendors sheet 2.2 to 2.7. What becomes of a payment
//! stands in its phone number, and is there as soon as somebody asks; the app's endpoints are told.

use jiff::Timestamp;
use keymint_app::ops::{Actor, OpError, apps, merchants};
use keymint_app::sandbox::turn::{Fresh, Next};
use keymint_app::sandbox::{SandboxError, random_text};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use serde_json::{Map, Value, json};

use super::kpay_numbers::{self, Outcome};
use super::{Asked, BASE62, HEX, rfc3339, trouble, unknown};
use crate::reply::Response;

/// Smallest payment. XAF.
const PAYMENT_MIN: i64 = 50;
/// Smallest and largest payout. XAF.
const PAYOUT_RANGE: std::ops::RangeInclusive<i64> = 100..=500_000;
/// What the sandbox wallet of every app holds. XAF.
const BALANCE: i64 = 250_000;
/// The payout fee in percent.
const PAYOUT_FEE_PERCENT: i64 = 5;
/// The providers by name, with country and currency (the catalogue of 2026-07-01; Wave is suspended).
const PROVIDERS: [(&str, &str, &str); 23] = [
    ("MTN_MOMO_BEN", "BEN", "XOF"),
    ("MOOV_BEN", "BEN", "XOF"),
    ("MTN_MOMO_CMR", "CMR", "XAF"),
    ("ORANGE_CMR", "CMR", "XAF"),
    ("MTN_MOMO_CIV", "CIV", "XOF"),
    ("ORANGE_CIV", "CIV", "XOF"),
    ("VODACOM_MPESA_COD", "COD", "CDF"),
    ("AIRTEL_COD", "COD", "CDF"),
    ("ORANGE_COD", "COD", "CDF"),
    ("AIRTEL_GAB", "GAB", "XAF"),
    ("MPESA_KEN", "KEN", "KES"),
    ("AIRTEL_COG", "COG", "XAF"),
    ("MTN_MOMO_COG", "COG", "XAF"),
    ("AIRTEL_RWA", "RWA", "RWF"),
    ("MTN_MOMO_RWA", "RWA", "RWF"),
    ("FREE_SEN", "SEN", "XOF"),
    ("ORANGE_SEN", "SEN", "XOF"),
    ("ORANGE_SLE", "SLE", "SLE"),
    ("AIRTEL_OAPI_UGA", "UGA", "UGX"),
    ("MTN_MOMO_UGA", "UGA", "UGX"),
    ("AIRTEL_OAPI_ZMB", "ZMB", "ZMW"),
    ("MTN_MOMO_ZMB", "ZMB", "ZMW"),
    ("ZAMTEL_ZMB", "ZMB", "ZMW"),
];

/// Answers a call.
pub async fn answer(call: &Asked<'_>) -> super::Outcome {
    let segments = call.segments();
    match (call.view.method, segments.as_slice()) {
        ("GET", ["api", "v1", "payments", "me"]) => me(call).await,
        ("GET", ["api", "v1", "payments", "balance"]) => Ok(balance(call)),
        ("POST", ["api", "v1", "payments", "init"]) => create(call, "payment").await,
        ("POST", ["api", "v1", "payments", "withdraw"]) => create(call, "payout").await,
        ("GET", ["api", "v1", "payments", "withdraw", id]) => fetch(call, "payout", id).await,
        ("GET", ["api", "v1", "payments", id]) => fetch(call, "payment", id).await,
        ("POST", ["api", "wallets", "transfer"]) => transfer(call),
        (_, ["api", "v1", "payments", ..] | ["api", "wallets", "transfer"]) => Err(unknown(true)),
        _ => Err(unknown(false)),
    }
}

fn refusal(call: &Asked<'_>, status: u16, message: &str) -> Response {
    call.error(status, "null", message)
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

fn balance(call: &Asked<'_>) -> Response {
    let wallet = json!({
        "currency": "XAF", "balance": BALANCE, "reservedBalance": 0, "availableBalance": BALANCE,
    });
    call.json(200, &json!([wallet]))
}

fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Option<&'b str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= 256)
}

/// What a payment or payout says, or the message of the first field that is wrong.
fn check(body: &Map<String, Value>, kind: &str) -> Result<Value, String> {
    if body.contains_key("currency") {
        return Err("property currency should not exist".to_owned());
    }
    let amount = body.get("amount").and_then(Value::as_i64).ok_or("amount must be an integer number")?;
    if kind == "payment" && amount < PAYMENT_MIN {
        return Err(format!("amount must not be less than {PAYMENT_MIN}"));
    }
    if kind == "payout" && !PAYOUT_RANGE.contains(&amount) {
        return Err(format!("amount must be {} to {}", PAYOUT_RANGE.start(), PAYOUT_RANGE.end()));
    }
    let external_id = text(body, "externalId");
    if kind == "payment" && external_id.is_none() {
        return Err("externalId should not be empty".to_owned());
    }
    if let Some(return_url) = text(body, "returnUrl") {
        let ussd = ["phoneNumber", "paymentMethod", "customerName"].into_iter().find(|name| body.contains_key(*name));
        if let Some(name) = ussd {
            return Err(format!("property {name} should not exist"));
        }
        return Ok(json!({ "amount": amount, "externalId": external_id, "returnUrl": return_url }));
    }
    let provider = text(body, "provider").ok_or("provider should not be empty")?;
    let found = PROVIDERS.iter().find(|(name, ..)| *name == provider);
    let (_, country, currency) = found.ok_or("provider is not available")?;
    let phone = text(body, "phoneNumber").ok_or("phoneNumber should not be empty")?;
    if phone.len() < 8 || phone.len() > 15 || !phone.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("phoneNumber must be 8 to 15 digits".to_owned());
    }
    Ok(json!({
        "amount": amount, "externalId": external_id, "provider": provider, "country": country,
        "currency": currency, "phoneNumber": phone, "metadata": body.get("metadata"),
    }))
}

async fn create(call: &Asked<'_>, kind: &'static str) -> super::Outcome {
    let Some(body) = call.object() else { return Ok(refusal(call, 400, "The body must be a JSON object")) };
    let fields = match check(&body, kind) {
        Ok(fields) => fields,
        Err(message) => return Ok(refusal(call, 400, &message)),
    };
    let amount = fields["amount"].as_i64().unwrap_or(0);
    if kind == "payout" && amount + amount * PAYOUT_FEE_PERCENT / 100 > BALANCE {
        return Ok(refusal(call, 422, "Insufficient wallet balance"));
    }
    match keep(call, kind, &fields).await {
        Ok(payment) => Ok(call.json(201, &payment)),
        Err(SandboxError::ReferenceTaken) => {
            Ok(refusal(call, 409, "A transaction with this externalId is already active"))
        }
        Err(error) => Err(trouble(&error)),
    }
}

async fn keep(call: &Asked<'_>, kind: &'static str, fields: &Value) -> Result<Value, SandboxError> {
    let (prefix, label) = if kind == "payment" { ("pay_", "KPAY") } else { ("wdr_", "KPAY-WD") };
    let id = format!("{prefix}{}", random_text(call.app, BASE62, 16)?);
    let mut turn = call.shelf(kind).turn().await?;
    let now = Timestamp::from_millisecond(turn.now().0).unwrap_or_default();
    let number = random_text(call.app, HEX, 6)?.to_uppercase();
    let mut payment = json!({
        "id": id,
        "reference": format!("{label}-{}-{number}", now.strftime("%Y%m%d")),
        "providerReference": null,
        "status": "PENDING",
        "isTest": call.candidate.mode == Mode::Test,
        "message": "Confirm the payment on the phone.",
    });
    let object = payment.as_object_mut().expect("it was made as an object above");
    object.extend(fields.as_object().cloned().unwrap_or_default());
    if kind == "payout" {
        let amount = fields["amount"].as_i64().unwrap_or(0);
        let fee = amount * PAYOUT_FEE_PERCENT / 100;
        object.extend([("feeAmount".to_owned(), fee.into()), ("netAmount".to_owned(), amount.into())]);
    }
    if object.remove("returnUrl").is_some() {
        let session = random_text(call.app, BASE62, 24)?;
        let message = "Redirect the customer to gatewayUrl to complete the payment.";
        object.extend([
            ("mode".to_owned(), "GATEWAY".into()),
            ("currency".to_owned(), "XAF".into()),
            ("gatewayUrl".to_owned(), format!("https://admin.kpay.site/gateway/gw_{session}").into()),
            ("expiresAt".to_owned(), (now + jiff::SignedDuration::from_mins(30)).to_string().into()),
            ("message".to_owned(), message.into()),
        ]);
    }
    let reference = fields["externalId"].as_str();
    let outcome = kpay_numbers::outcome(kind, fields["phoneNumber"].as_str().unwrap_or_default());
    let settles_at = call.settles_at(turn.now()).unwrap_or(turn.now());
    let kept = turn.keep(Fresh { kind, id: &id, reference, body: &payment.to_string() }).await?;
    let next = settled(&payment, (kind, outcome), &rfc3339(settles_at));
    if let Some((body, event)) = next {
        let next = Next { event: Some(event), ..Next::quiet(body.to_string()) };
        if settles_at > turn.now() {
            turn.later(kind, &kept, vec![(settles_at, next)]).await?;
        } else {
            turn.change(kind, &kept, &next).await?;
        }
    }
    turn.commit().await?;
    Ok(payment)
}

/// A payment as its test number leaves it, and the event that tells of it; the caller was told that it is pending.
fn settled(payment: &Value, (kind, outcome): (&str, Outcome), now: &str) -> Option<(Value, (String, String))> {
    let (status, failure) = match outcome {
        Outcome::Completed => ("COMPLETED", None),
        Outcome::Failed(code) => ("FAILED", Some(code)),
        Outcome::Waits => return None,
    };
    let (completed_at, failed_at) = if failure.is_none() { (Some(now), None) } else { (None, Some(now)) };
    let mut kept = payment.clone();
    if let Some(object) = kept.as_object_mut() {
        object.extend([
            ("status".to_owned(), status.into()),
            ("completedAt".to_owned(), completed_at.into()),
            ("failureReason".to_owned(), failure.into()),
        ]);
    }
    let name = format!("{kind}.{}", status.to_lowercase());
    let event = json!({
        "event": name, "paymentId": payment["id"], "reference": payment["reference"], "status": status,
        "amount": payment["amount"], "phoneNumber": payment["phoneNumber"], "externalId": payment["externalId"],
        "metadata": payment["metadata"], "completedAt": completed_at, "failedAt": failed_at, "failureReason": failure,
        "timestamp": now,
    });
    Some((kept, (name, event.to_string())))
}

async fn fetch(call: &Asked<'_>, kind: &'static str, id: &str) -> super::Outcome {
    let found = call.shelf(kind).find(id).await.map_err(|error| trouble(&error))?;
    match found {
        None => Ok(refusal(call, 404, "Payment not found")),
        Some(payment) if payment.app_id != call.candidate.app_id => {
            Ok(refusal(call, 403, "This payment belongs to another application"))
        }
        Some(payment) => {
            let mut payment: Value = serde_json::from_str(&payment.body).unwrap_or(Value::Null);
            if let Some(object) = payment.as_object_mut() {
                object.remove("message");
                for name in ["completedAt", "failureReason"] {
                    object.entry(name).or_insert(Value::Null);
                }
            }
            Ok(call.json(200, &payment))
        }
    }
}

fn transfer(call: &Asked<'_>) -> super::Outcome {
    let Some(body) = call.object() else { return Ok(refusal(call, 400, "The body must be a JSON object")) };
    for field in ["applicationId", "sourceCountry", "destinationCountry"] {
        if text(&body, field).is_none() {
            return Ok(refusal(call, 400, &format!("{field} should not be empty")));
        }
    }
    let amount = body.get("amount").and_then(Value::as_i64).unwrap_or(0);
    if !(100..=10_000_000).contains(&amount) {
        return Ok(refusal(call, 400, "amount must be 100 to 10000000"));
    }
    if text(&body, "applicationId") != Some(call.candidate.app_id.to_string().as_str()) {
        return Ok(refusal(call, 403, "This application is not yours"));
    }
    if amount > BALANCE {
        return Ok(refusal(call, 422, "Insufficient wallet balance"));
    }
    let number = random_text(call.app, HEX, 8).map_err(|error| trouble(&error))?.to_uppercase();
    let transfer = json!({
        "reference": format!("TRF-OUT-{number}"), "type": "WALLET_TRANSFER_OUT", "status": "COMPLETED",
        "amount": amount, "isTest": call.candidate.mode == Mode::Test,
    });
    Ok(call.json(201, &transfer))
}
