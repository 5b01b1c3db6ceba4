//! KwikPaisa's orders: create and status; and the wallet balance with its answer for a wallet of the other environment.
//! Facts: vendors sheet 1.6 and 1.7; what its pages leave out is chosen here.

use keymint_app::sandbox::{SandboxError, random_text};
use serde_json::{Map, Value, json};

use super::{Asked, HEX, Outcome, trouble, unknown};
use crate::reply::Response;

/// Answers a call. Every call of this vendor is a POST.
pub async fn answer(call: &Asked<'_>) -> Outcome {
    let route = call.view.route();
    let is_known = matches!(
        route,
        "/api/v3/pg/order/create"
            | "/api/v3/pg/order/status"
            | "/api/v3/payout/balance"
            | "/api/v3/banking/payment/create"
    );
    if !is_known || call.view.method != "POST" {
        return Err(unknown(is_known));
    }
    let Some(body) = call.object() else { return Ok(refusal(call, 400, "The request body is not a JSON object.")) };
    match route {
        "/api/v3/pg/order/create" => create(call, &body).await,
        "/api/v3/pg/order/status" => status(call, &body).await,
        "/api/v3/payout/balance" => Ok(balance(call, &body)),
        _ => Ok(payout(call, &body)),
    }
}

fn refusal(call: &Asked<'_>, status: u16, message: &str) -> Response {
    call.error(status, "null", message)
}

/// The text of a member that may be a string or a number.
fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) if !text.is_empty() && text.len() <= 64 => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A positive decimal with at most two places, as a string with two.
fn amount(body: &Map<String, Value>, name: &str) -> Option<String> {
    let text = text(body, name)?;
    let (whole, cents) = text.split_once('.').unwrap_or((&text, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || cents.len() > 2 || !plain(whole) || !plain(cents) {
        return None;
    }
    let value = format!("{whole}.{cents:0<2}");
    (value.bytes().any(|byte| matches!(byte, b'1'..=b'9'))).then_some(value)
}

/// An order's fields, or the name of the first that is wrong.
fn check(body: &Map<String, Value>) -> Result<(String, Value), &'static str> {
    let order_id = text(body, "order_id").ok_or("order_id")?;
    let order_amount = amount(body, "order_amount").ok_or("order_amount")?;
    let currency = text(body, "order_currency").ok_or("order_currency")?;
    text(body, "service_type").ok_or("service_type")?;
    let customer = body.get("customer").and_then(Value::as_object).ok_or("customer")?;
    for field in ["name", "email", "phone"] {
        text(customer, field).ok_or("customer")?;
    }
    let return_url = body.get("return_url").and_then(Value::as_str).ok_or("return_url")?;
    if !return_url.starts_with("https://") && !return_url.starts_with("http://") {
        return Err("return_url");
    }
    Ok((order_id, json!({ "order_amount": order_amount, "currency": currency })))
}

async fn create(call: &Asked<'_>, body: &Map<String, Value>) -> Outcome {
    let (order_id, fields) = match check(body) {
        Ok(checked) => checked,
        Err(field) => return Ok(refusal(call, 422, &format!("The {field} field is missing or invalid."))),
    };
    match keep(call, &order_id, &fields).await {
        Ok(answer) => Ok(call.json(200, &answer)),
        Err(SandboxError::ReferenceTaken) => Ok(refusal(call, 409, "Duplicate order_id.")),
        Err(error) => Err(trouble(&error)),
    }
}

async fn keep(call: &Asked<'_>, order_id: &str, fields: &Value) -> Result<Value, SandboxError> {
    let digits = random_text(call.app, HEX, 32)?;
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let uuid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
    let id = format!("kp_{uuid}");
    let created_at = indian_time(call);
    let order = json!({
        "kwikX_order_id": id,
        "order_id": order_id,
        "order_amount": fields["order_amount"],
        "currency": fields["currency"],
        "order_status": "PENDING",
        "payment_method": null,
        "transaction_id": null,
        "created_at": created_at,
        "paid_at": null,
    });
    call.shelf("order").keep(&id, Some(order_id), &order.to_string()).await?;
    Ok(json!({
        "code": "200",
        "status": "success",
        "message": "Order created successfully.",
        "return_data": {
            "kwikX_order_id": id,
            "order_id": order_id,
            "order_amount": fields["order_amount"],
            "currency": fields["currency"],
            "order_status": "PENDING",
            "payment_link": format!("https://sandbox.kwikpaisa.com/pay/{id}"),
        },
    }))
}

/// `13-05-2026 08:34 AM`, in Indian Standard Time as the vendor's samples are.
fn indian_time(call: &Asked<'_>) -> String {
    let now = jiff::Timestamp::from_millisecond(call.app.clock.now().0).unwrap_or_default();
    let offset = jiff::tz::Offset::from_seconds(19_800).unwrap_or(jiff::tz::Offset::UTC);
    now.to_zoned(offset.to_time_zone()).strftime("%d-%m-%Y %I:%M %p").to_string()
}

async fn status(call: &Asked<'_>, body: &Map<String, Value>) -> Outcome {
    let Some(order_id) = text(body, "order_id") else {
        return Ok(refusal(call, 422, "The order_id field is missing or invalid."));
    };
    let found = call.shelf("order").find_reference(&order_id).await.map_err(|error| trouble(&error))?;
    let Some(order) = found else { return Ok(refusal(call, 404, "Order not found.")) };
    let order: Value = serde_json::from_str(&order.body).unwrap_or(Value::Null);
    let message = "Order status fetched successfully.";
    Ok(call.json(200, &json!({ "code": "200", "status": "success", "message": message, "return_data": order })))
}

/// What the sandbox wallet of every merchant holds.
const BALANCE_PAISE: u64 = 15_245_075;
/// Chosen: sandbox wallets are `kwx_test_…`, production ones `kwx_live_…`.
const OTHER_ENVIRONMENT: &str = "kwx_live_";

/// The refusal for a wallet that is missing or of the other environment.
fn wallet_refusal(call: &Asked<'_>, body: &Map<String, Value>) -> Option<Response> {
    let Some(wallet) = text(body, "kwikx_wallet_id") else {
        return Some(refusal(call, 422, "The kwikx_wallet_id field is missing or invalid."));
    };
    let is_foreign = wallet.starts_with(OTHER_ENVIRONMENT);
    is_foreign.then(|| refusal(call, 403, "Invalid wallet ID for selected environment."))
}

fn balance(call: &Asked<'_>, body: &Map<String, Value>) -> Response {
    if let Some(refusal) = wallet_refusal(call, body) {
        return refusal;
    }
    let data = json!({
        "available_balance": format!("{}.{:02}", BALANCE_PAISE / 100, BALANCE_PAISE % 100),
        "currency": "INR",
        "last_updated_at": indian_time(call),
    });
    let message = "Balance fetched successfully.";
    call.json(200, &json!({ "code": "200", "status": "success", "message": message, "return_data": data }))
}

fn payout(call: &Asked<'_>, body: &Map<String, Value>) -> Response {
    if let Some(refusal) = wallet_refusal(call, body) {
        return refusal;
    }
    let Some(amount) = amount(body, "amount") else {
        return refusal(call, 422, "The amount field is missing or invalid.");
    };
    let paise: u64 = amount.replace('.', "").parse().unwrap_or(u64::MAX);
    if paise > BALANCE_PAISE {
        return refusal(call, 422, "Insufficient balance.");
    }
    let data = json!({ "amount": amount, "status": "PROCESSING" });
    call.json(200, &json!({ "status": true, "code": 200, "message": "Payout initiated successfully.", "data": data }))
}
