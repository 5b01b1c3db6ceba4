//! KS Pay: currencies, payment methods, and server-to-server transactions (`transactions.rs`). Tokens are sold before any
//! of this runs. Facts: vendors sheet 4.2 and 4.3; what they leave out is chosen here and listed in docs/sandbox/kspay.md.

pub mod open;
pub mod transactions;

use keymint_domain::time::UnixMs;
use serde_json::{Value, json};

use super::{Asked, Outcome, rfc3339, unknown};
use crate::reply::Response;

/// Name, code, symbol, id.
const CURRENCIES: [(&str, &str, &str, &str); 3] = [
    ("Indian Rupee", "INR", "₹", "c_8Fq2Lx0a"),
    ("US Dollar", "USD", "$", "c_1Zr7Mt4b"),
    ("Euro", "EUR", "€", "c_5Kd9Pw3c"),
];

/// Id and name of the payment methods.
const METHODS: [(&str, &str); 2] = [("pm_3Card000", "Card"), ("pm_7Upi0000", "UPI")];

/// What an id begins with, and how long it is. The vendor says that lengths are fixed.
const CURRENCY_ID: (&str, usize) = ("c_", 10);
const METHOD_ID: (&str, usize) = ("pm_", 11);
const TRANSACTION_ID: (&str, usize) = ("tx_", 11);

/// Answers a call.
pub async fn answer(call: &Asked<'_>) -> Outcome {
    let segments = call.segments();
    match (call.view.method, segments.as_slice()) {
        ("GET", ["currencies"]) => Ok(call.json(200, &success(200, currencies()))),
        ("GET", [currency, "payment-methods"]) => Ok(payment_methods(call, currency)),
        ("POST", ["transaction", "initiate"]) => transactions::initiate(call).await,
        ("POST", ["transaction", "process"]) => transactions::pay(call).await,
        ("GET", ["transaction"]) => transactions::list(call).await,
        ("GET", ["transaction", "txnId", id]) => transactions::fetch(call, id).await,
        (
            _,
            ["currencies" | "transaction"]
            | [_, "payment-methods"]
            | ["transaction", "initiate" | "process"]
            | ["transaction", "txnId", _],
        ) => Err(unknown(true)),
        _ => Err(unknown(false)),
    }
}

fn success(status: u16, result: Value) -> Value {
    json!({ "status": status, "message": "success", "result": result })
}

/// A refusal by its number in the vendor's table.
fn refusal(call: &Asked<'_>, (status, code): (u16, &str), message: &str) -> Response {
    call.error(status, code, message)
}

/// What is not there, or somebody else's.
fn missing(call: &Asked<'_>) -> Response {
    refusal(call, (404, "24"), "No data found with this ID!")
}

/// The refusal of what is not shaped as an id.
fn misshaped(call: &Asked<'_>, id: &str, (prefix, length): (&str, usize)) -> Option<Response> {
    let rest = id.strip_prefix(prefix);
    let is_shaped =
        rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric())) && id.len() == length;
    if is_shaped {
        return None;
    }
    let message = format!(
        "ID must start with '{prefix}' and be {length} characters long with alphanumeric characters following the prefix."
    );
    Some(refusal(call, (400, "-17"), &message))
}

fn currencies() -> Value {
    CURRENCIES
        .iter()
        .map(|(name, code, symbol, id)| {
            json!({
                "name": name, "code": code, "symbol": symbol, "type": "FIAT", "userId": "us_0Sandbox",
                "id": id, "isActive": true, "createdAt": rfc3339(UnixMs(1_700_000_000_000)),
            })
        })
        .collect()
}

fn payment_methods(call: &Asked<'_>, currency: &str) -> Response {
    if let Some(response) = misshaped(call, currency, CURRENCY_ID) {
        return response;
    }
    if !CURRENCIES.iter().any(|(.., id)| *id == currency) {
        return missing(call);
    }
    let methods = METHODS.iter().map(|(id, name)| json!({ "id": id, "name": name, "isActive": true })).collect();
    call.json(200, &success(200, methods))
}
