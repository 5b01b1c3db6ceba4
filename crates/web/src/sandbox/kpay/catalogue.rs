//! What KPay knows of countries, providers, currencies and fees. Facts: vendors sheet 2.4 and 2.5 (the catalogue of
//! 2026-07-01; Wave is suspended). Exchange rates are chosen, and do not move.

use serde_json::{Value, json};

/// Smallest payment. XAF.
pub const PAYMENT_MIN: i64 = 50;
/// Largest payment; the vendor publishes none. What a wallet transfer may be at the most.
pub const PAYMENT_MAX: i64 = 10_000_000;
/// Smallest and largest payout. XAF.
pub const PAYOUT_RANGE: std::ops::RangeInclusive<i64> = 100..=500_000;
/// Smallest and largest wallet transfer.
pub const TRANSFER_RANGE: std::ops::RangeInclusive<i64> = 100..=10_000_000;
/// The fees of payments and payouts. Percent.
pub const FEE_PERCENT: i64 = 5;
/// What each wallet of an app holds before anything moved in it.
pub const OPENING: i64 = 250_000;

/// The providers by name, with country and currency.
pub const PROVIDERS: [(&str, &str, &str); 23] = [
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

/// What one of each currency is worth, in thousandths of a franc of Central Africa. Chosen.
const WORTH: [(&str, i64); 10] = [
    ("XAF", 1_000),
    ("XOF", 1_000),
    ("CDF", 210),
    ("USD", 600_000),
    ("KES", 4_600),
    ("RWF", 420),
    ("SLE", 26_000),
    ("UGX", 165),
    ("ZMW", 24_500),
    ("EUR", 655_957),
];

fn worth(currency: &str) -> Option<i64> {
    WORTH.iter().find(|(name, _)| *name == currency).map(|(_, worth)| *worth)
}

/// Country and currency of a provider.
pub fn provider(name: &str) -> Option<(&'static str, &'static str)> {
    PROVIDERS.iter().find(|(found, ..)| *found == name).map(|(_, country, currency)| (*country, *currency))
}

/// The currency of a country (ISO 3166-1 alpha-3).
pub fn currency_of(country: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|(_, found, _)| *found == country).map(|(.., currency)| *currency)
}

/// A country's first provider.
pub fn first_provider(country: &str) -> Option<&'static str> {
    PROVIDERS.iter().find(|(_, found, _)| *found == country).map(|(name, ..)| *name)
}

/// The rate between two currencies as a number of JSON; nothing for one that is not known.
pub fn rate(from: &str, to: &str) -> Option<Value> {
    let (from, to) = (worth(from)?, worth(to)?);
    // Six places; a rate is shown, and never computed with.
    let millionths = from.checked_mul(1_000_000)?.checked_div(to)?;
    Some(if millionths % 1_000_000 == 0 {
        Value::from(millionths / 1_000_000)
    } else {
        let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        text.parse::<f64>().map_or(Value::Null, Value::from)
    })
}

/// An amount in another currency, rounded down.
pub fn converted(amount: i64, from: &str, to: &str) -> Option<i64> {
    amount.checked_mul(worth(from)?)?.checked_div(worth(to)?)
}

/// The fee on an amount, rounded down.
pub fn fee(amount: i64) -> i64 {
    amount / 100 * FEE_PERCENT + amount % 100 * FEE_PERCENT / 100
}

/// Which operations of which provider are open. The sandbox has no remittances.
pub fn availability() -> Value {
    let operations = json!({ "DEPOSIT": "OPERATIONAL", "PAYOUT": "OPERATIONAL", "REMITTANCE": "CLOSED" });
    let all = PROVIDERS.iter();
    all.map(|(name, country, _)| json!({ "country": country, "provider": name, "operations": operations })).collect()
}

/// What the vendor tells everyone.
pub fn platform_info() -> Value {
    json!({
        "fees": { "depositPercent": FEE_PERCENT, "payoutPercent": FEE_PERCENT },
        "limits": {
            "paymentMin": PAYMENT_MIN, "paymentMax": PAYMENT_MAX, "payoutMin": PAYOUT_RANGE.start(),
            "payoutMax": PAYOUT_RANGE.end(), "transferMin": TRANSFER_RANGE.start(), "transferMax": TRANSFER_RANGE.end(),
            "currency": "XAF",
        },
        "providers": PROVIDERS.map(|(name, country, currency)| {
            json!({ "provider": name, "country": country, "currency": currency })
        }),
    })
}

/// Every call of the simulator: method, path, what it is, and whether it takes keys.
const CALLS: [(&str, &str, &str, bool); 15] = [
    ("post", "/api/v1/payments/init", "Ask for a payment", true),
    ("get", "/api/v1/payments/{id}", "Read a payment", true),
    ("post", "/api/v1/payments/{id}/refund", "Refund a payment", true),
    ("post", "/api/v1/payments/withdraw", "Pay out", true),
    ("get", "/api/v1/payments/withdraw/{id}", "Read a payout", true),
    ("get", "/api/v1/payments/refund/{id}", "Read a refund", true),
    ("get", "/api/v1/payments/me", "Whose keys these are", true),
    ("post", "/api/v1/payments/token", "Buy a token", true),
    ("get", "/api/v1/payments/balance", "Read the wallets", true),
    ("get", "/api/v1/payments/exchange-rate", "Read a rate", true),
    ("post", "/api/v1/payments/predict-provider", "Whose number this is", true),
    ("get", "/api/v1/payments/availability", "Which providers are open", true),
    ("post", "/api/wallets/transfer", "Move money between wallets", true),
    ("get", "/api/public/platform-info", "Fees and limits", false),
    ("get", "/api/docs/public-json", "This document", false),
];

/// The OpenAPI document of the simulator.
pub fn openapi() -> Value {
    let mut paths = serde_json::Map::new();
    for (method, path, summary, takes_keys) in CALLS {
        let security = if takes_keys { json!([{ "key": [], "secret": [] }]) } else { json!([]) };
        let parameters = match path.contains("{id}") {
            true => json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }]),
            false => json!([]),
        };
        let call = json!({
            "summary": summary, "security": security, "parameters": parameters,
            "responses": { "default": { "description": "JSON" } },
        });
        paths.insert(path.to_owned(), json!({ method: call }));
    }
    let header = |name: &str| json!({ "type": "apiKey", "in": "header", "name": name });
    let schemes = json!({ "key": header("X-API-Key"), "secret": header("X-Secret-Key") });
    json!({
        "openapi": "3.0.3", "info": { "title": "KPay (simulated)", "version": "1" }, "paths": paths,
        "components": { "securitySchemes": schemes },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_fees_are_rounded_down_and_never_overflow() {
        for (amount, wanted) in [(19, 0), (20, 1), (50, 2), (99, 4), (100, 5), (5_000, 250), (10_000_000, 500_000)] {
            assert_eq!(fee(amount), wanted, "{amount}");
        }
        assert_eq!(converted(1_000, "XAF", "XOF"), Some(1_000));
        assert_eq!(converted(1_000, "XAF", "KES"), Some(217));
        assert_eq!(converted(PAYMENT_MAX, "EUR", "UGX"), Some(39_754_969_696));
        assert_eq!(converted(i64::MAX, "EUR", "XAF"), None);
        assert_eq!(rate("XAF", "XOF"), Some(json!(1)));
        assert_eq!(rate("XAF", "KES"), Some(json!(0.217391)));
        assert_eq!((rate("XAF", "GHS"), rate("", "XAF")), (None, None));
    }
}
