//! KS Pay: currencies, payment methods, and a server-to-server transaction. Tokens are sold before any of this runs.
//! Facts: vendors sheet 4.2.

use keymint_app::sandbox::random_text;
use serde_json::{Value, json};

use super::{BASE62, Call, Outcome, rfc3339, trouble, unknown};

/// Name, code, symbol, id.
const CURRENCIES: [(&str, &str, &str, &str); 3] = [
    ("Indian Rupee", "INR", "₹", "c_8Fq2Lx0a"),
    ("US Dollar", "USD", "$", "c_1Zr7Mt4b"),
    ("Euro", "EUR", "€", "c_5Kd9Pw3c"),
];

/// Answers a call.
pub fn answer(call: &Call<'_>) -> Outcome {
    let segments = call.segments();
    match (call.view.method, segments.as_slice()) {
        ("GET", ["currencies"]) => Ok(call.json(200, &success(200, currencies()))),
        ("GET", [currency, "payment-methods"]) => Ok(payment_methods(call, currency)),
        ("POST", ["transaction", "initiate"]) => initiate(call),
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

fn payment_methods(call: &Call<'_>, currency: &str) -> crate::reply::Response {
    if !CURRENCIES.iter().any(|(.., id)| *id == currency) {
        return call.error(404, "24", "No data found with this ID!");
    }
    let methods = json!([
        { "id": "pm_3Card000", "name": "Card", "isActive": true },
        { "id": "pm_7Upi0000", "name": "UPI", "isActive": true },
    ]);
    call.json(200, &success(200, methods))
}

fn initiate(call: &Call<'_>) -> Outcome {
    let Some(body) = call.object() else { return Ok(call.error(400, "25", "Invalid Request")) };
    for field in ["currencyId", "paymentMethodId", "referenceNumber"] {
        if body.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Ok(call.error(400, "25", &format!("Invalid Request: {field} is required")));
        }
    }
    let Some(amount) = body.get("amount").filter(|amount| amount.as_f64().is_some_and(|amount| amount > 0.0)) else {
        return Ok(call.error(400, "25", "Invalid Request: amount must be a positive number"));
    };
    let id = |prefix: &str, length| {
        random_text(call.app, BASE62, length).map(|text| format!("{prefix}{text}")).map_err(|error| trouble(&error))
    };
    let result = json!({
        "pe_txnId": id("tx_", 8)?,
        "providerOrderId": id("order_", 14)?,
        "amount": amount,
        "currency": body.get("currencyId"),
    });
    Ok(call.json(201, &success(201, result)))
}
