//! KPay's payouts by a hosted page: which wallet pays, what is picked, the signed way back, and the money that is given back
//! when nobody takes it.

use keymint_testkit::{Dev, Key, Receiver, Reply};
use serde_json::{Value, json};

use crate::dev;
use crate::kpay_sandbox::call;
use crate::simulators::{clock, hex_hmac, hook, on_page, pair, told};

/// A payout of 1,000 by a hosted page, with further members.
fn hosted(dev: &Dev, key: &Key, reference: &str, more: &Value) -> Reply {
    let mut body = json!({
        "amount": 1_000, "externalId": reference, "returnUrl": "https://shop.example/back?cart=7",
        "cancelUrl": "https://shop.example/cancelled",
    });
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    call(dev, key, "POST", "/withdraw", &body)
}

fn read(dev: &Dev, key: &Key, id: &str) -> Value {
    call(dev, key, "GET", &format!("/withdraw/{id}"), &Value::Null).json()
}

/// Balance and what is reserved of it, in the wallet of a currency.
fn wallet(dev: &Dev, key: &Key, currency: &str) -> (i64, i64) {
    let found = call(dev, key, "GET", "/balance", &Value::Null).json();
    let found =
        found.as_array().and_then(|all| all.iter().find(|one| one["currency"] == currency)).expect("the wallet");
    (found["balance"].as_i64().expect("a number"), found["reservedBalance"].as_i64().expect("a number"))
}

#[test]
fn what_is_picked_on_the_page_of_a_payout_goes_back_signed_and_moves_its_money_once() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kpay", "hosted-payouts");
    hook(&dev, &key.app_id, &receiver);
    let secret = dev.api("POST", &format!("/apps/{}/return-secret", key.app_id), &Value::Null).text("/secret");
    // 1,000 and a fee of 50 are set aside with each, and taken or given back.
    for (number, (form, status, failure, place, wanted)) in [
        ("outcome=success", "COMPLETED", Value::Null, "back", (248_950, 0)),
        ("outcome=failed", "FAILED", json!("PAYMENT_NOT_APPROVED"), "back", (248_950, 0)),
        ("outcome=cancelled", "CANCELLED", json!("CANCELLED_BY_USER"), "cancelled", (248_950, 0)),
        ("outcome=number&phone=237653456089", "FAILED", json!("RECIPIENT_NOT_FOUND"), "back", (248_950, 0)),
        ("outcome=number&phone=237653456789", "COMPLETED", Value::Null, "back", (247_900, 0)),
        ("outcome=processing", "PROCESSING", Value::Null, "back", (247_900, 1_050)),
    ]
    .into_iter()
    .enumerate()
    {
        let before = wallet(&dev, &key, "XAF").0;
        let made = hosted(&dev, &key, &format!("PAYOUT-{number}"), &json!({}));
        assert_eq!((made.status, made.text("/mode"), made.text("/currency")), (201, "GATEWAY".into(), "XAF".into()));
        assert_eq!((made.json()["feeAmount"].as_i64(), made.json()["netAmount"].as_i64()), (Some(50), Some(1_000)));
        let (id, url) = (made.text("/id"), made.text("/gatewayUrl"));
        assert!(id.starts_with("wdr_") && made.text("/reference").starts_with("KPAY-WD-"), "{}", made.body);
        assert_eq!(wallet(&dev, &key, "XAF"), (before, 1_050), "{form}: set aside");
        let page = on_page(&dev, "GET", &url, "");
        assert!(page.status == 200 && page.body.contains("1000 XAF"), "{}", page.body);
        let back = on_page(&dev, "POST", &url, form);
        let location = back.header("location").unwrap_or_default().to_owned();
        assert!(
            location.starts_with(&format!("https://shop.example/{place}?")),
            "{form}: {} {}",
            back.status,
            back.body
        );
        let at = pair(&location, "ts");
        let signed =
            |status: &str| hex_hmac(&secret, &format!("{status}|{}|PAYOUT-{number}|{at}", made.text("/reference")));
        assert_eq!((pair(&location, "status"), pair(&location, "sig")), (status.to_owned(), signed(status)), "{form}");
        let found = read(&dev, &key, &id);
        assert_eq!((&found["status"], &found["failureReason"]), (&json!(status), &failure), "{form}");
        assert_eq!(wallet(&dev, &key, "XAF"), wanted, "{form}");
        if status == "PROCESSING" {
            continue;
        }
        let got = told(&receiver, &format!("payout.{}", status.to_lowercase()), &id);
        let event: Value = serde_json::from_str(&got.body).expect("JSON");
        assert_eq!((&event["status"], &event["failureReason"]), (&json!(status), &failure));
        assert_eq!(on_page(&dev, "POST", &url, "outcome=success").status, 409, "{form}: once");
        assert_eq!(wallet(&dev, &key, "XAF"), wanted, "{form}: once");
    }
    assert_eq!(receiver.all().len(), 5);
}

#[test]
fn a_payout_that_nobody_takes_for_half_an_hour_is_cancelled_and_its_money_given_back() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kpay", "left-payouts");
    hook(&dev, &key.app_id, &receiver);
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:00Z").status, 200);
    let made = hosted(&dev, &key, "PAYOUT-1", &json!({}));
    let id = made.text("/id");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:29:59.999Z").status, 200);
    assert_eq!((&read(&dev, &key, &id)["status"], wallet(&dev, &key, "XAF")), (&json!("PENDING"), (250_000, 1_050)));
    assert_eq!(hosted(&dev, &key, "PAYOUT-1", &json!({})).status, 409);
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:30:00Z").status, 200);
    let found = read(&dev, &key, &id);
    assert_eq!((&found["status"], &found["failureReason"]), (&json!("CANCELLED"), &json!("SESSION_EXPIRED")));
    assert!(told(&receiver, "payout.cancelled", &id).body.contains("SESSION_EXPIRED"));
    assert_eq!(wallet(&dev, &key, "XAF"), (250_000, 0));
    assert_eq!(on_page(&dev, "POST", &made.text("/gatewayUrl"), "outcome=success").status, 409);
    assert_eq!(hosted(&dev, &key, "PAYOUT-1", &json!({})).status, 201, "its reference is free again");
}

#[test]
fn the_wallet_of_the_source_country_pays_a_hosted_payout_in_the_currency_of_whoever_gets_it() {
    let dev = dev();
    let key = dev.key("kpay", "source-payouts");
    let members =
        |found: &Value| ["currency", "payoutCurrency", "payoutAmount", "exchangeRate"].map(|name| found[name].clone());
    // Of Kenya's wallet alone; by a provider, of its country's; of one wallet to another's currency.
    for (number, (more, wanted)) in [
        (json!({ "sourceCountry": "KEN" }), json!(["KES", null, null, null])),
        (json!({ "provider": "MPESA_KEN" }), json!(["KES", null, null, null])),
        (json!({ "provider": "MPESA_KEN", "sourceCountry": "KEN" }), json!(["KES", null, null, null])),
        (json!({ "provider": "MPESA_KEN", "sourceCountry": "CMR" }), json!(["XAF", "KES", 217, 0.217391])),
        (json!({ "provider": "ORANGE_SEN", "sourceCountry": "GAB" }), json!(["XAF", "XOF", 1_000, 1])),
    ]
    .into_iter()
    .enumerate()
    {
        let made = hosted(&dev, &key, &format!("PAYOUT-{number}"), &more);
        assert_eq!((made.status, json!(members(&made.json()))), (201, wanted.clone()), "{more}: {}", made.body);
        assert_eq!(json!(members(&read(&dev, &key, &made.text("/id")))), wanted, "{more}");
    }
    assert_eq!((wallet(&dev, &key, "KES"), wallet(&dev, &key, "XAF")), ((250_000, 3_150), (250_000, 2_100)));
    for (more, message) in [
        (json!({ "sourceCountry": "FRA" }), "sourceCountry is not available"),
        (json!({ "sourceCountry": 7 }), "sourceCountry is not available"),
        (json!({ "provider": "WAVE_SEN" }), "provider is not available"),
        (json!({ "provider": "" }), "provider should not be empty"),
        (
            json!({ "provider": "ORANGE_SLE", "sourceCountry": "UGA", "amount": 100 }),
            "amount is too small for this currency",
        ),
    ] {
        let refused = hosted(&dev, &key, "REFUSED", &more);
        assert_eq!((refused.status, refused.text("/message").as_str()), (400, message), "{more}");
    }
    // Whoever types a number on the page gets it in the currency of that number's country, out of the same wallet.
    let made = hosted(&dev, &key, "TYPED", &json!({ "sourceCountry": "CMR" }));
    let picked = on_page(&dev, "POST", &made.text("/gatewayUrl"), "outcome=number&phone=254703456789");
    let found = read(&dev, &key, &made.text("/id"));
    assert_eq!((picked.status, &found["status"], &found["provider"]), (303, &json!("COMPLETED"), &json!("MPESA_KEN")));
    assert_eq!(json!(members(&found)), json!(["XAF", "KES", 217, 0.217391]));
    assert_eq!(wallet(&dev, &key, "XAF"), (248_950, 2_100));
    let made = hosted(&dev, &key, "SMALL", &json!({ "sourceCountry": "UGA", "amount": 100 }));
    let refused = on_page(&dev, "POST", &made.text("/gatewayUrl"), "outcome=number&phone=23276123456");
    assert!(refused.status == 400 && refused.body.contains("too small"), "{}", refused.body);
    assert_eq!(read(&dev, &key, &made.text("/id"))["status"], "PENDING");
}
