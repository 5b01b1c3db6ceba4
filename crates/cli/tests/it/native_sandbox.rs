//! The native payments API: the story from the key to the refund, every outcome, every refused move of state, and answers
//! that are given again.

use keymint_testkit::receiver::Got;
use keymint_testkit::{Call, Dev, Key, Receiver, Reply};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::simulators::{clock, hex_hmac, hook, on_page, pair, told};

fn call(dev: &Dev, key: &Key, (method, path): (&str, &str), body: &Value) -> Reply {
    keyed(dev, key, (method, path), body, &[])
}

fn keyed(dev: &Dev, key: &Key, (method, path): (&str, &str), body: &Value, headers: &[(&str, &str)]) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let call = Call::new("keymint", method, path, &body).scheme("bearer");
    let request = call.signed(dev.gateway, key);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.gateway)
}

fn pay(dev: &Dev, key: &Key, body: &Value) -> Reply {
    let mut whole = json!({ "amount": 5000, "currency": "INR" });
    whole.as_object_mut().expect("an object").extend(body.as_object().cloned().unwrap_or_default());
    call(dev, key, ("POST", "/v1/payments"), &whole)
}

fn status(dev: &Dev, key: &Key, path: &str) -> String {
    call(dev, key, ("GET", path), &Value::Null).text("/status")
}

fn balance(dev: &Dev, key: &Key, currency: &str) -> (i64, i64) {
    let found = call(dev, key, ("GET", "/v1/balance"), &Value::Null).json();
    let items = found["items"].as_array().expect("a list");
    let one = items.iter().find(|one| one["currency"] == currency).expect("each currency");
    (one["balance"].as_i64().expect("a number"), one["reserved"].as_i64().expect("a number"))
}

fn refusal(reply: &Reply) -> (u16, String) {
    (reply.status, reply.text("/error/code"))
}

/// Standard Webhooks 1.0, section "Signature scheme".
fn verify(got: &Got, secret: &str) {
    let key =
        data_encoding::BASE64.decode(secret.strip_prefix("whsec_").expect("a prefix").as_bytes()).expect("base 64");
    let (id, at) = (got.header("webhook-id").expect("an id"), got.header("webhook-timestamp").expect("a time"));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let signed = aws_lc_rs::hmac::sign(&key, format!("{id}.{at}.{}", got.body).as_bytes());
    let wanted = format!("v1,{}", data_encoding::BASE64.encode(signed.as_ref()));
    assert_eq!(got.header("webhook-signature"), Some(&*wanted));
}

#[test]
fn a_whole_integration_from_the_key_to_the_refund() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app_of(&dev, "keymint");
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    let secret = hook(&dev, &app, &receiver);
    let return_secret = dev.api("POST", &format!("/apps/{app}/return-secret"), &Value::Null).text("/secret");
    let made = pay(
        &dev,
        &key,
        &json!({ "reference": "ORDER-1", "return_url": "https://shop.example/back", "metadata": { "a": 1 } }),
    );
    assert_eq!(
        (made.status, made.text("/status"), made.text("/object")),
        (201, "created".into(), "payment".into()),
        "{}",
        made.body
    );
    assert!(made.json().get("session").is_none() && made.json().get("return_url").is_none(), "{}", made.body);
    let (id, page) = (made.text("/id"), made.text("/page_url"));
    verify(&told(&receiver, "payment.created", &id), &secret);
    assert!(on_page(&dev, "GET", &page, "").body.contains("5000 INR"));
    let back = on_page(&dev, "POST", &page, "outcome=success");
    let location = back.header("location").expect("a way back").to_owned();
    assert!(location.starts_with(&format!("https://shop.example/back?payment_id={id}&status=captured&")), "{location}");
    let signed = format!("{id}|captured|{}", pair(&location, "timestamp"));
    assert_eq!(pair(&location, "signature"), hex_hmac(&return_secret, &signed));
    verify(&told(&receiver, "payment.authorized", &id), &secret);
    verify(&told(&receiver, "payment.captured", &id), &secret);
    assert_eq!(status(&dev, &key, &format!("/v1/payments/{id}")), "captured");
    assert_eq!(balance(&dev, &key, "INR"), (1_005_000, 0));
    let refund = call(&dev, &key, ("POST", &format!("/v1/payments/{id}/refunds")), &json!({ "amount": 2000 }));
    assert_eq!((refund.status, refund.text("/status")), (201, "processing".to_owned()), "{}", refund.body);
    let refund = refund.text("/id");
    verify(&told(&receiver, "refund.created", &refund), &secret);
    verify(&told(&receiver, "refund.processed", &refund), &secret);
    assert_eq!(status(&dev, &key, &format!("/v1/refunds/{refund}")), "processed");
    assert_eq!(balance(&dev, &key, "INR"), (1_003_000, 0));
    let owner = Browser::signed_in(&dev, "owner");
    let list = owner.get(&format!("/apps/{app}/transactions")).body;
    assert!(list.contains(&id) && list.contains(&refund) && list.contains(">captured<"), "{list}");
    assert!(owner.get(&format!("/apps/{app}")).body.contains("captured"));
}

#[test]
fn each_outcome_of_a_payment_and_of_a_payout_is_reached_and_told() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("keymint", "outcomes");
    let secret = hook(&dev, &key.app_id, &receiver);
    for (asked, wanted, events) in [
        (
            json!({ "test_outcome": "success" }),
            "captured",
            &["payment.created", "payment.authorized", "payment.captured"][..],
        ),
        (
            json!({ "test_outcome": "success", "capture": "manual" }),
            "authorized",
            &["payment.created", "payment.authorized"],
        ),
        (json!({ "test_outcome": "failed" }), "failed", &["payment.created", "payment.failed"]),
        (json!({ "test_outcome": "expired" }), "expired", &["payment.created", "payment.expired"]),
        (json!({ "test_outcome": "processing" }), "created", &["payment.created"]),
    ] {
        let made = pay(&dev, &key, &asked);
        assert_eq!((made.status, made.text("/status")), (201, "created".to_owned()), "{}", made.body);
        for event in events {
            verify(&told(&receiver, event, &made.text("/id")), &secret);
        }
        assert_eq!(status(&dev, &key, &format!("/v1/payments/{}", made.text("/id"))), wanted, "{asked}");
    }
    assert_eq!(balance(&dev, &key, "INR"), (1_005_000, 0), "one was captured");
    for (asked, wanted, events, left) in [
        (json!({}), "processed", &["payout.created", "payout.processed"][..], (1_004_000, 0)),
        (json!({ "test_outcome": "success" }), "processed", &["payout.created", "payout.processed"], (1_003_000, 0)),
        (json!({ "test_outcome": "failed" }), "failed", &["payout.created", "payout.failed"], (1_003_000, 0)),
        (
            json!({ "test_outcome": "reversed" }),
            "reversed",
            &["payout.created", "payout.processed", "payout.reversed"],
            (1_003_000, 0),
        ),
        (json!({ "test_outcome": "processing" }), "processing", &["payout.created"], (1_003_000, 1000)),
    ] {
        let mut body = json!({ "amount": 1000, "currency": "INR", "destination": "upi:asha@bank" });
        body.as_object_mut().expect("an object").extend(asked.as_object().cloned().unwrap_or_default());
        let made = call(&dev, &key, ("POST", "/v1/payouts"), &body);
        assert_eq!((made.status, made.text("/status")), (201, "processing".to_owned()), "{}", made.body);
        for event in events {
            verify(&told(&receiver, event, &made.text("/id")), &secret);
        }
        assert_eq!(status(&dev, &key, &format!("/v1/payouts/{}", made.text("/id"))), wanted, "{asked}");
        assert_eq!(balance(&dev, &key, "INR"), left, "{asked}");
    }
    let poor = |amount: i64| {
        let body = json!({ "amount": amount, "currency": "INR", "destination": "x" });
        refusal(&call(&dev, &key, ("POST", "/v1/payouts"), &body))
    };
    assert_eq!(poor(1_002_001), (422, "insufficient_balance".to_owned()), "one unit more than is free");
    assert_eq!(poor(1_002_000).0, 201);
}

#[test]
fn each_outcome_of_a_refund_is_reached_and_told() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("keymint", "refunds");
    let secret = hook(&dev, &key.app_id, &receiver);
    let payment = pay(&dev, &key, &json!({ "test_outcome": "success" })).text("/id");
    let (payment, refunds) = (format!("/v1/payments/{payment}"), format!("/v1/payments/{payment}/refunds"));
    let mut heard = 3;
    for (asked, wanted, last, held, refunded) in [
        (json!({}), "processed", "refund.processed", (1_004_900, 0), 100),
        (json!({ "test_outcome": "success" }), "processed", "refund.processed", (1_004_800, 0), 200),
        (json!({ "test_outcome": "failed" }), "failed", "refund.failed", (1_004_800, 0), 200),
        (json!({ "test_outcome": "processing" }), "processing", "", (1_004_800, 100), 300),
    ] {
        let mut body = json!({ "amount": 100 });
        body.as_object_mut().expect("an object").extend(asked.as_object().cloned().unwrap_or_default());
        let made = call(&dev, &key, ("POST", &refunds), &body);
        assert_eq!((made.status, made.text("/status")), (201, "processing".to_owned()), "{}", made.body);
        verify(&told(&receiver, "refund.created", &made.text("/id")), &secret);
        heard += 1;
        if !last.is_empty() {
            verify(&told(&receiver, last, &made.text("/id")), &secret);
            heard += 1;
        }
        assert_eq!(status(&dev, &key, &format!("/v1/refunds/{}", made.text("/id"))), wanted, "{asked}");
        assert_eq!(balance(&dev, &key, "INR"), held, "{asked}");
        let found = call(&dev, &key, ("GET", &payment), &Value::Null).json();
        assert_eq!((&found["amount_refunded"], &found["status"]), (&json!(refunded), &json!("captured")), "{asked}");
    }
    assert_eq!(receiver.wait_for(heard).len(), heard, "nothing is told of one that stays under way");
    let unknown = call(&dev, &key, ("POST", &refunds), &json!({ "amount": 1, "test_outcome": "reversed" }));
    assert_eq!(refusal(&unknown), (422, "invalid_field".to_owned()), "that is a payout's");
}

#[test]
fn a_payment_moves_as_its_state_allows_and_otherwise_not() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (key, other) = (dev.key("keymint", "states"), dev.key("keymint", "strangers"));
    hook(&dev, &key.app_id, &receiver);
    let post = |key: &Key, id: &str, act: &str, body: Value| {
        refusal(&call(&dev, key, ("POST", &format!("/v1/payments/{id}/{act}")), &body))
    };
    let made = |body: Value| pay(&dev, &key, &body).text("/id");
    let manual = || made(json!({ "test_outcome": "success", "capture": "manual" }));
    let done = |status: u16| (status, String::new());
    let refused = || (409, "wrong_state".to_owned());
    let id = manual();
    for act in ["capture", "cancel", "refunds"] {
        assert_eq!(post(&other, &id, act, json!({})), (404, "not_found".to_owned()), "{act} of another merchant's");
    }
    assert_eq!(post(&key, &id, "refunds", json!({})), refused(), "nothing was captured");
    assert_eq!(post(&key, &id, "capture", json!({ "amount": 5001 })), (422, "invalid_field".to_owned()));
    assert_eq!(post(&key, &id, "capture", json!({ "amount": 4000 })), done(200));
    assert_eq!(post(&key, &id, "capture", json!({})), refused(), "twice");
    assert_eq!(post(&key, &id, "cancel", json!({})), refused());
    assert_eq!(balance(&dev, &key, "INR"), (1_004_000, 0), "what was captured and no more");
    assert_eq!(post(&key, &id, "refunds", json!({ "amount": 4001 })), (422, "invalid_field".to_owned()));
    assert_eq!(post(&key, &id, "refunds", json!({ "test_outcome": "failed" })), done(201));
    assert_eq!(post(&key, &id, "refunds", json!({ "amount": 1 })), done(201));
    assert_eq!(post(&key, &id, "refunds", json!({ "amount": 4000 })), (422, "invalid_field".to_owned()));
    let racing: Vec<u16> = std::thread::scope(|scope| {
        let post = &post;
        let (key, id) = (&key, &id);
        let calls: Vec<_> =
            (0..8).map(|_| scope.spawn(move || post(key, id, "refunds", json!({ "amount": 3999 })).0)).collect();
        calls.into_iter().map(|call| call.join().expect("it answers")).collect()
    });
    assert_eq!(racing.iter().filter(|status| **status == 201).count(), 1, "{racing:?}");
    assert_eq!(post(&key, &id, "refunds", json!({})), refused(), "nothing is left");
    assert_eq!(balance(&dev, &key, "INR"), (1_000_000, 0));
    let cancelled = manual();
    assert_eq!(post(&key, &cancelled, "cancel", json!({})), done(200));
    told(&receiver, "payment.cancelled", &cancelled);
    assert_eq!(post(&key, &cancelled, "capture", json!({})), refused());
    let waiting = made(json!({}));
    assert_eq!(post(&key, &waiting, "capture", json!({})), refused(), "nobody has paid");
    assert_eq!(post(&key, &waiting, "cancel", json!({})), done(200));
    let failed = made(json!({ "test_outcome": "failed" }));
    for act in ["capture", "cancel", "refunds"] {
        assert_eq!(post(&key, &failed, act, json!({})), refused(), "{act} of one that failed");
    }
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:00Z").status, 200);
    let left = made(json!({}));
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:29:59.999Z").status, 200);
    assert_eq!(status(&dev, &key, &format!("/v1/payments/{left}")), "created");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:30:00Z").status, 200);
    assert_eq!(status(&dev, &key, &format!("/v1/payments/{left}")), "expired");
}

#[test]
fn the_same_key_gets_the_same_answer_and_another_request_an_error() {
    let dev = dev();
    let (key, other) = (dev.key("keymint", "repeats"), dev.key("keymint", "repeaters"));
    let body = json!({ "amount": 100, "currency": "INR", "test_outcome": "success" });
    let make = |key: &Key, body: &Value, repeat: &str| {
        keyed(&dev, key, ("POST", "/v1/payments"), body, &[("Idempotency-Key", repeat)])
    };
    let first = make(&key, &body, "order-1");
    let again = make(&key, &body, "order-1");
    assert_eq!((first.status, again.status, &again.body), (201, 201, &first.body));
    assert_eq!(balance(&dev, &key, "INR").0, 1_000_100, "once");
    assert_ne!(make(&key, &body, "order-2").text("/id"), first.text("/id"));
    assert_ne!(make(&other, &body, "order-1").text("/id"), first.text("/id"), "another merchant's key is another");
    let changed = make(&key, &json!({ "amount": 101, "currency": "INR", "test_outcome": "success" }), "order-1");
    assert_eq!(refusal(&changed), (409, "idempotency_key_reused".to_owned()));
    let path = format!("/v1/payments/{}/refunds", first.text("/id"));
    let elsewhere = keyed(&dev, &key, ("POST", &path), &body, &[("Idempotency-Key", "order-1")]);
    assert_eq!(refusal(&elsewhere), (409, "idempotency_key_reused".to_owned()), "the same body at another path");
    let refund = |repeat: &str| keyed(&dev, &key, ("POST", &path), &json!({}), &[("Idempotency-Key", repeat)]);
    assert_eq!((refund("r").status, refund("r").status, refusal(&refund("s")).0), (201, 201, 409));
    // What was refused is not remembered: the mistake can be mended under the same key.
    assert_eq!(make(&key, &json!({ "amount": 0, "currency": "INR" }), "order-3").status, 422);
    assert_eq!(make(&key, &body, "order-3").status, 201);
    for odd in ["", "a b", &"k".repeat(256), "ü"] {
        assert_eq!(refusal(&make(&key, &body, odd)), (422, "invalid_field".to_owned()), "{odd}");
    }
    let twice = [("Idempotency-Key", "x"), ("Idempotency-Key", "x")];
    assert_eq!(keyed(&dev, &key, ("POST", "/v1/payments"), &body, &twice).status, 422);
    let ids: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..6).map(|_| scope.spawn(|| make(&key, &body, "at-once").text("/id"))).collect();
        calls.into_iter().map(|call| call.join().expect("it answers")).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0] && !id.is_empty()), "{ids:?}");
}

#[test]
fn what_is_wrong_is_named_and_lists_are_cut_into_pages() {
    let dev = dev();
    let key = dev.key("keymint", "lists");
    for (body, member) in [
        (json!({ "currency": "INR" }), "amount"),
        (json!({ "amount": 0, "currency": "INR" }), "amount"),
        (json!({ "amount": 100_000_000_001_i64, "currency": "INR" }), "amount"),
        (json!({ "amount": 1.5, "currency": "INR" }), "amount"),
        (json!({ "amount": 1, "currency": "inr" }), "currency"),
        (json!({ "amount": 1 }), "currency"),
        (json!({ "amount": 1, "currency": "INR", "capture": "later" }), "capture"),
        (json!({ "amount": 1, "currency": "INR", "return_url": "javascript:alert(1)" }), "return_url"),
        (json!({ "amount": 1, "currency": "INR", "metadata": [] }), "metadata"),
        (json!({ "amount": 1, "currency": "INR", "metadata": { "x": "y".repeat(4096) } }), "metadata"),
        (json!({ "amount": 1, "currency": "INR", "reference": "x".repeat(257) }), "reference"),
        (json!({ "amount": 1, "currency": "INR", "test_outcome": "paid" }), "test_outcome"),
        (json!({ "amount": 1, "currency": "INR", "ammount": 1 }), "ammount"),
    ] {
        let refused = call(&dev, &key, ("POST", "/v1/payments"), &body);
        assert_eq!(refusal(&refused), (422, "invalid_field".to_owned()), "{body}");
        assert!(refused.text("/error/message").starts_with(&format!("{member}: ")), "{}", refused.body);
    }
    assert_eq!(call(&dev, &key, ("POST", "/v1/payments"), &json!([])).text("/error/code"), "invalid_body");
    assert_eq!(pay(&dev, &key, &json!({ "amount": 100_000_000_000_i64 })).status, 201, "the largest");
    let mut made: Vec<String> =
        (1..=4).map(|amount| pay(&dev, &key, &json!({ "amount": amount })).text("/id")).collect();
    made.reverse();
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/payments?limit=2{next}");
        let page = call(&dev, &key, ("GET", &path), &Value::Null).json();
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|one| one["id"].as_str().expect("an id").to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(
        seen[..4].iter().collect::<std::collections::BTreeSet<_>>(),
        made.iter().collect(),
        "neither twice nor left out"
    );
    for wrong in ["?limit=0", "?limit=101", "?limit=x", "?cursor=x", "?cursor=x.y", "?page=2"] {
        assert_eq!(call(&dev, &key, ("GET", &format!("/v1/payments{wrong}")), &Value::Null).status, 422, "{wrong}");
    }
    let stranger = dev.key("keymint", "nobody");
    assert_eq!(call(&dev, &stranger, ("GET", "/v1/payments"), &Value::Null).json()["items"], json!([]));
    assert_eq!(call(&dev, &stranger, ("GET", &format!("/v1/payments/{}", made[0])), &Value::Null).status, 404);
    for (method, path, wanted) in
        [("DELETE", "/v1/payments", 405), ("GET", "/v1/none", 404), ("GET", "/v1/payments/x/capture", 405)]
    {
        assert_eq!(call(&dev, &key, (method, path), &Value::Null).status, wanted, "{method} {path}");
    }
}
