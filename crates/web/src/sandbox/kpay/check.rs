//! What a payment or a payout has to say, in the words of the vendor's refusals.

use keymint_domain::return_url::ReturnUrl;
use serde_json::{Map, Value, json};

use super::catalogue::{self, PAYMENT_MAX, PAYMENT_MIN, PAYOUT_RANGE};
use crate::sandbox::with;

/// A text that is there and neither empty nor longer than 256 bytes.
pub fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Option<&'b str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= 256)
}

/// What a payment or payout says, or the message of the first field that is wrong.
pub fn fields(body: &Map<String, Value>, kind: &str) -> Result<Value, String> {
    let unwanted = |name: &str| format!("property {name} should not exist");
    if body.contains_key("currency") {
        return Err(unwanted("currency"));
    }
    let amount = amount(body, kind)?;
    let external_id = text(body, "externalId");
    if external_id.is_none() && (kind == "payment" || body.contains_key("externalId")) {
        return Err("externalId should not be empty".to_owned());
    }
    let common = json!({ "amount": amount, "externalId": external_id, "metadata": body.get("metadata") });
    if body.contains_key("returnUrl") {
        let ussd = ["phoneNumber", "paymentMethod", "customerName"].into_iter().find(|name| body.contains_key(*name));
        return match ussd {
            Some(name) => Err(unwanted(name)),
            None => hosted(body, kind, &common),
        };
    }
    if body.contains_key("cancelUrl") {
        return Err(unwanted("cancelUrl"));
    }
    let ussd = with(&common, ussd(body)?);
    if kind == "payment" { Ok(ussd) } else { from_wallet(body, &ussd) }
}

fn amount(body: &Map<String, Value>, kind: &str) -> Result<i64, String> {
    let amount = body.get("amount").and_then(Value::as_i64).ok_or("amount must be an integer number")?;
    match kind {
        "payment" if amount < PAYMENT_MIN => Err(format!("amount must not be less than {PAYMENT_MIN}")),
        "payment" if amount > PAYMENT_MAX => Err(format!("amount must not be greater than {PAYMENT_MAX}")),
        "payout" if !PAYOUT_RANGE.contains(&amount) => {
            Err(format!("amount must be {} to {}", PAYOUT_RANGE.start(), PAYOUT_RANGE.end()))
        }
        _ => Ok(amount),
    }
}

/// The wallet of what goes over a hosted page and names none: Cameroon's (chosen).
const HOSTED_CURRENCY: &str = "XAF";

/// What goes over a hosted page. Whoever gets a payout types a number there; a `provider` says the country before, and
/// `sourceCountry` which wallet pays, as they do without a page.
fn hosted(body: &Map<String, Value>, kind: &str, common: &Value) -> Result<Value, String> {
    let gateway = with(&with(common, gateway(body)?), json!({ "currency": HOSTED_CURRENCY }));
    if kind == "payment" {
        return Ok(gateway);
    }
    let named = match (body.contains_key("provider"), body.get("sourceCountry")) {
        (true, _) => provider(body)?,
        (false, Some(country)) => json!({ "currency": source_currency(country)? }),
        (false, None) => json!({}),
    };
    from_wallet(body, &with(&gateway, named))
}

fn gateway(body: &Map<String, Value>) -> Result<Value, String> {
    for name in ["returnUrl", "cancelUrl"] {
        let given = body.get(name).map(|url| url.as_str().unwrap_or_default());
        if given.is_some_and(|url| ReturnUrl::parse(url).is_err()) {
            return Err(format!("{name} must be a URL address"));
        }
    }
    Ok(json!({ "returnUrl": body.get("returnUrl"), "cancelUrl": body.get("cancelUrl") }))
}

fn provider(body: &Map<String, Value>) -> Result<Value, String> {
    let provider = text(body, "provider").ok_or("provider should not be empty")?;
    let (country, currency) = catalogue::provider(provider).ok_or("provider is not available")?;
    Ok(json!({ "provider": provider, "country": country, "currency": currency }))
}

fn ussd(body: &Map<String, Value>) -> Result<Value, String> {
    let provider = provider(body)?;
    let phone = text(body, "phoneNumber").ok_or("phoneNumber should not be empty")?;
    if phone.len() < 8 || phone.len() > 15 || !phone.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("phoneNumber must be 8 to 15 digits".to_owned());
    }
    Ok(with(&provider, json!({ "phoneNumber": phone })))
}

/// Which wallet pays a payout: that of `sourceCountry`, or that of the provider's country.
fn from_wallet(body: &Map<String, Value>, payout: &Value) -> Result<Value, String> {
    let Some(country) = body.get("sourceCountry") else { return Ok(payout.clone()) };
    let own = payout["currency"].as_str().unwrap_or_default();
    let source = source_currency(country)?;
    across(&with(payout, json!({ "currency": source })), own)
        .ok_or_else(|| "amount is too small for this currency".to_owned())
}

fn source_currency(country: &Value) -> Result<&'static str, String> {
    country.as_str().and_then(catalogue::currency_of).ok_or_else(|| "sourceCountry is not available".to_owned())
}

/// A payout out of the wallet of its currency to somebody who gets another one; nothing where that is less than one unit.
pub fn across(payout: &Value, own: &str) -> Option<Value> {
    let source = payout["currency"].as_str().unwrap_or_default();
    if source == own {
        return Some(with(payout, json!({ "payoutCurrency": null, "payoutAmount": null, "exchangeRate": null })));
    }
    let amount = payout["amount"].as_i64().unwrap_or(0);
    let received = catalogue::converted(amount, source, own).filter(|received| *received > 0)?;
    let rate = catalogue::rate(source, own);
    Some(with(payout, json!({ "payoutCurrency": own, "payoutAmount": received, "exchangeRate": rate })))
}
