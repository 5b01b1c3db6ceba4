//! KS Pay: currencies, payment methods, and a server-to-server transaction. Tokens are sold before any of this runs.
//! Facts: vendors sheet 4.2.

use keymint_app::sandbox::{SandboxError, random_text};
use keymint_domain::json::Document;
use serde_json::{Map, Value, json};

use super::{Asked, BASE62, Outcome, rfc3339, trouble, unknown};

/// Name, code, symbol, id.
const CURRENCIES: [(&str, &str, &str, &str); 3] = [
    ("Indian Rupee", "INR", "₹", "c_8Fq2Lx0a"),
    ("US Dollar", "USD", "$", "c_1Zr7Mt4b"),
    ("Euro", "EUR", "€", "c_5Kd9Pw3c"),
];

/// Id and name of the payment methods.
const METHODS: [(&str, &str); 2] = [("pm_3Card000", "Card"), ("pm_7Upi0000", "UPI")];

/// Answers a call.
pub async fn answer(call: &Asked<'_>) -> Outcome {
    let segments = call.segments();
    match (call.view.method, segments.as_slice()) {
        ("GET", ["currencies"]) => Ok(call.json(200, &success(200, currencies()))),
        ("GET", [currency, "payment-methods"]) => Ok(payment_methods(call, currency)),
        ("POST", ["transaction", "initiate"]) => initiate(call).await,
        (_, ["currencies"] | [_, "payment-methods"] | ["transaction", "initiate"]) => Err(unknown(true)),
        _ => Err(unknown(false)),
    }
}

fn success(status: u16, result: Value) -> Value {
    json!({ "status": status, "message": "success", "result": result })
}

fn currencies() -> Value {
    CURRENCIES
        .iter()
        .map(|(name, code, symbol, id)| {
            json!({
                "name": name, "code": code, "symbol": symbol, "type": "FIAT", "userId": "us_0Sandbox",
                "id": id, "isActive": true, "createdAt": rfc3339(keymint_domain::time::UnixMs(1_700_000_000_000)),
            })
        })
        .collect()
}

fn payment_methods(call: &Asked<'_>, currency: &str) -> crate::reply::Response {
    if !CURRENCIES.iter().any(|(.., id)| *id == currency) {
        return call.error(404, "24", "No data found with this ID!");
    }
    let methods = METHODS.iter().map(|(id, name)| json!({ "id": id, "name": name, "isActive": true })).collect();
    call.json(200, &success(200, methods))
}

/// Longest amount. Characters of its token.
const AMOUNT_LENGTH_MAX: usize = 32;

/// A positive number, as it was received and as the answer has it.
fn amount(call: &Asked<'_>, body: &Map<String, Value>) -> Option<(String, Value)> {
    let value = body.get("amount").filter(|amount| amount.as_f64().is_some_and(|amount| amount > 0.0))?;
    let document = Document::parse(call.view.body).ok()?;
    let token = document.number("amount").filter(|token| token.len() <= AMOUNT_LENGTH_MAX)?;
    Some((token.to_owned(), value.clone()))
}

async fn initiate(call: &Asked<'_>) -> Outcome {
    let Some(body) = call.object() else { return Ok(call.error(400, "25", "Invalid Request")) };
    for field in ["currencyId", "paymentMethodId", "referenceNumber"] {
        if body.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Ok(call.error(400, "25", &format!("Invalid Request: {field} is required")));
        }
    }
    let Some((token, amount)) = amount(call, &body) else {
        return Ok(call.error(400, "25", "Invalid Request: amount must be a positive number"));
    };
    let result = keep(call, &body, &token, amount).await.map_err(|error| trouble(&error))?;
    Ok(call.json(201, &success(201, result)))
}

/// Keeps the transaction, with the names of its currency and method beside what was sent, and gives the answer.
async fn keep(call: &Asked<'_>, body: &Map<String, Value>, token: &str, amount: Value) -> Result<Value, SandboxError> {
    let id = format!("tx_{}", random_text(call.app, BASE62, 8)?);
    let order_id = format!("order_{}", random_text(call.app, BASE62, 14)?);
    let named = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    let currency = CURRENCIES.iter().find(|(.., id)| *id == named("currencyId")).map(|(_, code, ..)| *code);
    let method = METHODS.iter().find(|(id, _)| *id == named("paymentMethodId")).map(|(_, name)| *name);
    let kept = json!({
        "pe_txnId": id,
        "providerOrderId": order_id,
        "referenceNumber": named("referenceNumber"),
        "currencyId": named("currencyId"),
        "currency": currency.unwrap_or(named("currencyId")),
        "paymentMethodId": named("paymentMethodId"),
        "payment_method": method.unwrap_or(named("paymentMethodId")),
        "amount": token,
        "status": "PENDING",
        "createdAt": rfc3339(call.app.clock.now()),
    });
    call.shelf("transaction").keep(&id, None, &kept.to_string()).await?;
    Ok(json!({ "pe_txnId": id, "providerOrderId": order_id, "amount": amount, "currency": named("currencyId") }))
}
