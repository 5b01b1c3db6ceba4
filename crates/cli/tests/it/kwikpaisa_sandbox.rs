//! KwikPaisa's sandbox: each mock outcome of an order and of a payout, on the hosted page and by the paise of the amount;
//! what the wallet holds; and the story from the key to the second webhook.

use std::cell::Cell;

use keymint_testkit::receiver::Got;
use keymint_testkit::{Call, Dev, Key, Receiver, Reply};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::simulators::{clock, hex_hmac, hook, on_page, pair, told};

thread_local! {
    /// A signature is spent once: each call of a test is a second of its own.
    static SECOND: Cell<i64> = const { Cell::new(-200) };
}

fn call(dev: &Dev, key: &Key, path: &str, body: &Value) -> Reply {
    let second = SECOND.with(|second| second.replace(second.get() + 1));
    let body = body.to_string();
    Call::new("kwikpaisa", "POST", path, &body).shifted(second).signed(dev.gateway, key).send(dev.gateway)
}

pub fn order(dev: &Dev, key: &Key, order_id: &str, amount: &str) -> Reply {
    let body = json!({
        "order_id": order_id, "order_amount": amount, "order_currency": "INR", "service_type": "DIGITAL",
        "customer": { "name": "A", "email": "a@b.example", "phone": "9" }, "return_url": "https://shop.example/back",
    });
    call(dev, key, "/api/v3/pg/order/create", &body)
}

fn order_status(dev: &Dev, key: &Key, order_id: &str) -> String {
    call(dev, key, "/api/v3/pg/order/status", &json!({ "order_id": order_id })).text("/return_data/order_status")
}

pub fn payout(dev: &Dev, key: &Key, order_id: &str, amount: &str) -> Reply {
    let body = json!({
        "kwikx_wallet_id": "kwx_test_1", "debit_account_type": "kwikx_wallet", "transfer_type": "IMPS",
        "mobile": "9000000000", "amount": amount, "payout_order_id": order_id,
    });
    call(dev, key, "/api/v3/banking/payment/create", &body)
}

fn payout_status(dev: &Dev, key: &Key, order_id: &str) -> Reply {
    let body =
        json!({ "kwikx_wallet_id": "kwx_test_1", "debit_account_type": "kwikx_wallet", "payout_order_id": order_id });
    call(dev, key, "/api/v3/banking/payment/status", &body)
}

fn balance(dev: &Dev, key: &Key) -> String {
    let found = call(dev, key, "/api/v3/payout/balance", &json!({ "kwikx_wallet_id": "kwx_test_1" }));
    found.text("/return_data/available_balance")
}

/// A webhook is signed by the API secret, over body and time.
fn verify(got: &Got, key: &Key) {
    let at = got.header("x-timestamp").expect("a time");
    assert_eq!(got.header("x-signature"), Some(&*hex_hmac(&key.secret, &format!("{}{at}", got.body))));
}

#[test]
fn a_whole_integration_from_the_key_to_the_payout() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app_of(&dev, "kwikpaisa");
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    hook(&dev, &app, &receiver);
    let made = order(&dev, &key, "ORDER-1", "105.00");
    let link = made.text("/return_data/payment_link");
    assert_eq!((made.status, order_status(&dev, &key, "ORDER-1").as_str()), (200, "PENDING"), "{}", made.body);
    let page = on_page(&dev, "GET", &link, "");
    assert!(page.status == 200 && page.body.contains("105.00 INR") && page.body.contains("ORDER-1"), "{}", page.body);
    let back = on_page(&dev, "POST", &link, "outcome=success");
    let location = back.header("location").expect("a way back").to_owned();
    assert!(back.status == 303 && location.starts_with("https://shop.example/back?order_id=ORDER-1&"), "{location}");
    let signed = format!("ORDER-1|PAID|{}", pair(&location, "timestamp"));
    assert_eq!(pair(&location, "signature"), hex_hmac(&key.secret, &signed));
    let got = told(&receiver, "payment.success", "ORDER-1");
    verify(&got, &key);
    let told_body: Value = serde_json::from_str(&got.body).expect("JSON");
    let data = json!({ "order_id": "ORDER-1", "amount": "105.00", "currency": "INR", "status": "PAID" });
    assert_eq!(told_body, json!({ "event": "payment.success", "data": data }));
    let status = call(&dev, &key, "/api/v3/pg/order/status", &json!({ "order_id": "ORDER-1" })).json();
    let data = &status["return_data"];
    assert_eq!((&data["order_status"], &data["payment_method"]), (&"PAID".into(), &"UPI".into()));
    assert!(data["paid_at"].is_string() && data.get("session").is_none() && data.get("return_url").is_none(), "{data}");
    assert!(data["transaction_id"].as_str().is_some_and(|id| id.starts_with("TXN") && id.len() == 12), "{data}");
    assert_eq!(balance(&dev, &key), "152555.75", "what was paid is in the wallet");
    let paid = payout(&dev, &key, "PAYOUT-1", "55.00");
    assert_eq!(
        (paid.status, paid.text("/data/status"), paid.json()["status"].clone()),
        (200, "PROCESSING".into(), json!(true))
    );
    verify(&told(&receiver, "payout.success", "PAYOUT-1"), &key);
    let found = payout_status(&dev, &key, "PAYOUT-1");
    assert_eq!(
        (found.text("/data/status"), found.text("/message")),
        ("SUCCESS".into(), "Payout status fetched successfully.".into())
    );
    assert_eq!(balance(&dev, &key), "152500.75");
    let owner = Browser::signed_in(&dev, "owner");
    let list = owner.get(&format!("/apps/{app}/transactions")).body;
    assert!(list.contains(">paid<") && list.contains(">success<") && list.contains("105.00"), "{list}");
    assert!(owner.get(&format!("/apps/{app}")).body.contains("paid"));
}

#[test]
fn each_mock_outcome_of_a_payment_is_reached_by_its_amount_and_on_the_page() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kwikpaisa", "payments");
    hook(&dev, &key.app_id, &receiver);
    for (paise, picked, status, event) in [
        ("11", "success", "PAID", "payment.success"),
        ("12", "failed", "FAILED", "payment.failed"),
        ("13", "processing", "PROCESSING", "payment.processing"),
        ("14", "expired", "EXPIRED", "payment.expired"),
    ] {
        let by_amount = format!("AMOUNT-{paise}");
        assert_eq!(order(&dev, &key, &by_amount, &format!("5.{paise}")).text("/return_data/order_status"), "PENDING");
        verify(&told(&receiver, event, &by_amount), &key);
        assert_eq!(order_status(&dev, &key, &by_amount), status);
        let on_it = format!("PAGE-{paise}");
        let link = order(&dev, &key, &on_it, "5.00").text("/return_data/payment_link");
        assert_eq!(on_page(&dev, "POST", &link, "outcome=paid").status, 400);
        assert_eq!(on_page(&dev, "POST", &link, &format!("outcome={picked}")).status, 303);
        verify(&told(&receiver, event, &on_it), &key);
        assert_eq!(order_status(&dev, &key, &on_it), status);
        let again = on_page(&dev, "POST", &link, "outcome=success").status;
        assert_eq!(again, if picked == "processing" { 303 } else { 409 }, "{picked}");
    }
    // What was under way is paid by now: 5.11, 5.00 and 5.00.
    assert_eq!(balance(&dev, &key), "152465.86");
    for neighbour in ["5.10", "5.15", "5.1", "11", "5.01"] {
        let id = format!("NEIGHBOUR-{neighbour}");
        assert_eq!(order(&dev, &key, &id, neighbour).status, 200);
        assert_eq!(order_status(&dev, &key, &id), "PENDING", "{neighbour}");
    }
    let later = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", r#"{"order_id":"NONE"}"#);
    assert_eq!(later.signed(dev.gateway, &key).send(dev.gateway).text("/message"), "Order not found.");
}

#[test]
fn an_order_that_nobody_pays_expires_after_half_an_hour() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kwikpaisa", "expiry");
    hook(&dev, &key.app_id, &receiver);
    assert_eq!(clock(&dev, &key.app_id, "2030-05-13T03:04:00Z").status, 200);
    let link = order(&dev, &key, "ORDER-1", "5.00").text("/return_data/payment_link");
    let found = call(&dev, &key, "/api/v3/pg/order/status", &json!({ "order_id": "ORDER-1" }));
    assert_eq!(found.text("/return_data/created_at"), "13-05-2030 08:34 AM", "on the app's clock, in Indian time");
    assert_eq!(clock(&dev, &key.app_id, "2030-05-13T03:33:59.999Z").status, 200);
    assert_eq!(order_status(&dev, &key, "ORDER-1"), "PENDING");
    assert_eq!(clock(&dev, &key.app_id, "2030-05-13T03:34:00Z").status, 200);
    assert_eq!(order_status(&dev, &key, "ORDER-1"), "EXPIRED");
    told(&receiver, "payment.expired", "ORDER-1");
    assert_eq!(on_page(&dev, "POST", &link, "outcome=success").status, 409);
    assert_eq!(order(&dev, &key, "ORDER-1", "5.00").text("/message"), "Duplicate order_id.");
}

#[test]
fn each_mock_outcome_of_a_payout_is_reached_and_the_wallet_holds_what_is_left() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (key, other) = (dev.key("kwikpaisa", "payouts"), dev.key("kwikpaisa", "others"));
    hook(&dev, &key.app_id, &receiver);
    for (amount, events, status, left) in [
        ("100.00", &["payout.success"][..], "SUCCESS", "152350.75"),
        ("100.11", &["payout.success"], "SUCCESS", "152250.64"),
        ("100.12", &["payout.failed"], "FAILED", "152250.64"),
        ("100.13", &["payout.processing"], "PROCESSING", "152150.51"),
        ("100.14", &["payout.success", "payout.reversed"], "REVERSED", "152150.51"),
    ] {
        let id = format!("PAYOUT-{amount}");
        let made = payout(&dev, &key, &id, amount);
        assert_eq!((made.status, made.text("/data/status").as_str()), (200, "PROCESSING"), "{}", made.body);
        for event in events {
            verify(&told(&receiver, event, &id), &key);
        }
        assert_eq!(payout_status(&dev, &key, &id).text("/data/status"), status);
        assert_eq!(balance(&dev, &key), left, "{amount}");
        assert_eq!(payout(&dev, &key, &id, amount).text("/message"), "Duplicate payout_order_id.");
        assert_eq!(payout_status(&dev, &other, &id).status, 404, "another merchant's");
    }
    for (amount, wanted) in [("1.15", 422), ("152150.52", 422), ("0.00", 422), ("1.001", 422), ("-1", 422)] {
        assert_eq!(payout(&dev, &key, &format!("REFUSED-{amount}"), amount).status, wanted, "{amount}");
    }
    assert_eq!(payout(&dev, &key, "POOR", "1.15").text("/message"), "Insufficient balance.");
    assert_eq!(payout(&dev, &key, "ALL", "152150.51").status, 200, "all of it");
    assert_eq!((balance(&dev, &key).as_str(), balance(&dev, &other).as_str()), ("0.00", "152450.75"));
    let live = json!({ "kwikx_wallet_id": "kwx_live_1", "payout_order_id": "ALL" });
    assert_eq!(call(&dev, &key, "/api/v3/banking/payment/status", &live).status, 403);
    assert_eq!(call(&dev, &key, "/api/v3/banking/payment/status", &json!({ "kwikx_wallet_id": "w" })).status, 422);
}

#[test]
fn two_payouts_at_once_do_not_spend_one_balance_twice() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "race");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let (dev, key) = (&dev, &key);
        let calls: Vec<_> = (0..6)
            .map(|number| {
                scope.spawn(move || {
                    let body = json!({
                        "kwikx_wallet_id": "kwx_test_1", "amount": "100000.00", "payout_order_id": format!("P-{number}"),
                    });
                    let body = body.to_string();
                    let call = Call::new("kwikpaisa", "POST", "/api/v3/banking/payment/create", &body);
                    call.shifted(number).signed(dev.gateway, key).send(dev.gateway).status
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().expect("it answers")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 5, "{statuses:?}");
    assert_eq!(balance(&dev, &key), "52450.75");
}
