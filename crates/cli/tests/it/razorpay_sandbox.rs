//! Razorpay's sandbox: each row of the vendor's test data with its result, captures, signatures, refunds; and
//! the story from the key to the second webhook. RazorpayX is in `razorpayx_sandbox.rs`, calls at once in `razorpay_races.rs`.

use keymint_testkit::receiver::Got;
use keymint_testkit::{Call, Dev, Key, Receiver, Reply};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::simulators::{clock, hex_hmac, on_page, told};

const HOOK_SECRET: &str = "rzp_wh_demo";

pub fn call(dev: &Dev, key: &Key, (method, path): (&str, &str), body: &Value) -> Reply {
    keyed(dev, key, (method, path), body, &[])
}

pub fn keyed(dev: &Dev, key: &Key, (method, path): (&str, &str), body: &Value, headers: &[(&str, &str)]) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Call::new("razorpay", method, path, &body).signed(dev.gateway, key);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.gateway)
}

pub fn get(dev: &Dev, key: &Key, path: &str) -> Value {
    let found = call(dev, key, ("GET", path), &Value::Null);
    assert_eq!(found.status, 200, "{path}: {}", found.body);
    found.json()
}

pub fn hook(dev: &Dev, app: &str, receiver: &Receiver) {
    let body = json!({ "mode": "test", "url": receiver.url(), "secret": HOOK_SECRET });
    let made = dev.api("POST", &format!("/apps/{app}/webhook-endpoints"), &body);
    assert_eq!(made.status, 201, "{}", made.body);
}

pub fn verify(got: &Got) {
    assert_eq!(got.header("x-razorpay-signature"), Some(&*hex_hmac(HOOK_SECRET, &got.body)));
}

pub fn order(dev: &Dev, key: &Key, more: &Value) -> Value {
    let mut body = json!({ "amount": 50_000, "currency": "INR", "receipt": "R-1" });
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let made = call(dev, key, ("POST", "/v1/orders"), &body);
    assert_eq!((made.status, made.text("/status")), (200, "created".to_owned()), "{}", made.body);
    made.json()
}

pub fn pay(dev: &Dev, key: &Key, order: &Value, typed: &Value) -> Reply {
    let mut body = typed.clone();
    body["order_id"] = order["id"].clone();
    call(dev, key, ("POST", "/v1/test/payments"), &body)
}

/// A captured payment of 500 rupees.
pub fn paid(dev: &Dev, key: &Key) -> String {
    let order = order(dev, key, &json!({}));
    let made = pay(dev, key, &order, &json!({ "method": "upi", "vpa": "success@razorpay" }));
    assert_eq!(made.text("/payment/status"), "captured", "{}", made.body);
    made.text("/payment/id")
}

pub fn refund(dev: &Dev, key: &Key, payment: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
    keyed(dev, key, ("POST", &format!("/v1/payments/{payment}/refund")), body, headers)
}

fn words(reply: &Reply) -> (u16, String) {
    (reply.status, reply.text("/error/description"))
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn a_whole_integration_from_the_key_to_the_refund() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app_of(&dev, "razorpay");
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    hook(&dev, &app, &receiver);
    let order = order(&dev, &key, &json!({}));
    let id = text(&order["id"]);
    for private in ["session", "tickets", "tried", "capture"] {
        assert!(order.get(private).is_none(), "{private} is ours alone: {order}");
    }
    let link = format!("{}?callback_url=https%3A%2F%2Fshop.example%2Fback%3Fa%3D1", text(&order["checkout_url"]));
    let page = on_page(&dev, "GET", &link, "");
    assert!(page.status == 200 && page.body.contains(">500.00 INR<") && page.body.contains("R-1"), "{}", page.body);
    let declined = on_page(&dev, "POST", &link, "method=card&number=4100+2800+0008+0001&vpa=&otp=&outcome=failed");
    assert!(declined.status == 200 && declined.body.contains("insufficient_fund"), "{}", declined.body);
    assert!(declined.body.contains(r#"name="error[reason]" value="insufficient_fund""#), "{}", declined.body);
    verify(&told(&receiver, "payment.failed", id));
    assert_eq!(get(&dev, &key, &format!("/v1/orders/{id}"))["status"], "attempted");
    let back = on_page(&dev, "POST", &link, "method=card&number=4100280000001007&vpa=&otp=1234&outcome=success");
    assert!(back.status == 200 && back.body.contains(r#"action="https://shop.example/back?a=1""#), "{}", back.body);
    let value = |name: &str| {
        let (_, rest) = back.body.split_once(&format!(r#"name="{name}" value=""#)).expect("the form has it");
        rest.split_once('"').expect("it ends").0.to_owned()
    };
    let payment = value("razorpay_payment_id");
    assert_eq!(value("razorpay_order_id"), id);
    assert_eq!(value("razorpay_signature"), hex_hmac(&key.secret, &format!("{id}|{payment}")));
    for event in ["payment.authorized", "payment.captured", "order.paid"] {
        let got = told(&receiver, event, &payment);
        verify(&got);
        let body: Value = serde_json::from_str(&got.body).expect("JSON");
        assert_eq!((&body["entity"], &body["payload"]["payment"]["entity"]["id"]), (&json!("event"), &json!(payment)));
        assert!(!got.body.contains("tickets") && !got.body.contains("4100280000001007"), "{}", got.body);
    }
    let found = get(&dev, &key, &format!("/v1/orders/{id}"));
    assert_eq!(
        (&found["status"], &found["amount_paid"], &found["amount_due"], &found["attempts"]),
        (&json!("paid"), &json!(50_000), &json!(0), &json!(2))
    );
    let tried = get(&dev, &key, &format!("/v1/orders/{id}/payments"));
    assert_eq!((&tried["count"], &tried["items"][0]["id"]), (&json!(2), &json!(payment)), "{tried}");
    assert_eq!(on_page(&dev, "POST", &link, "method=upi&vpa=success%40razorpay&outcome=success").status, 409);
    let refunded = refund(&dev, &key, &payment, &json!({ "amount": 20_000 }), &[]);
    assert_eq!((refunded.status, refunded.text("/entity")), (200, "refund".to_owned()), "{}", refunded.body);
    for event in ["refund.created", "refund.processed"] {
        verify(&told(&receiver, event, &refunded.text("/id")));
    }
    let found = get(&dev, &key, &format!("/v1/payments/{payment}"));
    assert_eq!((&found["amount_refunded"], &found["refund_status"]), (&json!(20_000), &json!("partial")));
    let owner = Browser::signed_in(&dev, "owner");
    let list = owner.get(&format!("/apps/{app}/transactions")).body;
    assert!(list.contains(&payment) && list.contains(&refunded.text("/id")) && list.contains(">captured<"), "{list}");
    let overview = owner.get(&format!("/apps/{app}")).body;
    for state in ["paid", "captured", "failed", "processed"] {
        assert!(overview.contains(&format!(">{state}<")), "{state}: {overview}");
    }
}

#[test]
fn each_test_card_and_upi_id_gives_the_documented_result() {
    let dev = dev();
    let key = dev.key("razorpay", "rows");
    let card = |number: &str| json!({ "method": "card", "card": { "number": number }, "outcome": "failed" });
    for (code, reason, numbers) in [
        ("BAD_REQUEST_ERROR", "payment_timed_out", &["4100280000090000", "5305 6200 0006 0000"][..]),
        ("BAD_REQUEST_ERROR", "insufficient_fund", &["4100280000080001", "5305620000050001"]),
        ("BAD_REQUEST_ERROR", "payment_cancelled", &["4100280000070002", "5305620000040002"]),
        (
            "BAD_REQUEST_ERROR",
            "card_declined",
            &[
                "4100280000060003",
                "4100280000050004",
                "4100280000040005",
                "5305620000030003",
                "5305620000020004",
                "5305620000010005",
            ],
        ),
        ("BAD_REQUEST_ERROR", "card_disabled_for_online_payments", &["4100280000030006", "5305620000000006"]),
        ("BAD_REQUEST_ERROR", "card_number_invalid", &["4100280000010008", "5305620000080008"]),
        ("GATEWAY_ERROR", "gateway_technical_error", &["4100280000020007", "5305620000090007"]),
        ("GATEWAY_ERROR", "authentication_failed", &["4100280000000009", "5305620000070009"]),
    ] {
        for number in numbers {
            let order = order(&dev, &key, &json!({}));
            let failed = pay(&dev, &key, &order, &card(number)).json();
            let payment = &failed["payment"];
            assert_eq!((text(&payment["status"]), &failed["razorpay_signature"]), ("failed", &Value::Null), "{number}");
            assert_eq!((text(&payment["error_code"]), text(&payment["error_reason"])), (code, reason), "{number}");
            for member in ["error_description", "error_source", "error_step"] {
                assert!(!text(&payment[member]).is_empty(), "{member} of {number}");
            }
            let found = get(&dev, &key, &format!("/v1/orders/{}", text(&order["id"])));
            assert_eq!((text(&found["status"]), &found["amount_due"]), ("attempted", &json!(50_000)));
            // The error card fires only after Failure was chosen.
            let mut passes = card(number);
            passes["outcome"] = json!("success");
            assert_eq!(pay(&dev, &key, &order, &passes).text("/payment/status"), "captured", "{number}");
        }
    }
    for number in [
        "4100280000001007",
        "5500670000001002",
        "6527658900001005",
        "36082800091007",
        "340256000401007",
        "5555555555554444",
        "5105105105105100",
        "5104060000000008",
        "4012888888881881",
    ] {
        for (otp, wanted) in [("1", "failed"), ("123", "failed"), ("1234", "captured")] {
            let order = order(&dev, &key, &json!({}));
            let typed = json!({ "method": "card", "card": { "number": number }, "otp": otp });
            let made = pay(&dev, &key, &order, &typed);
            assert_eq!(made.text("/payment/status"), wanted, "{number} {otp}: {}", made.body);
        }
    }
}

#[test]
fn what_is_no_test_data_is_refused_and_nothing_is_tried() {
    let dev = dev();
    let key = dev.key("razorpay", "neighbours");
    let order = order(&dev, &key, &json!({}));
    for (typed, field) in [
        (json!({ "method": "card", "card": { "number": "4100280000090001" } }), "card"),
        (json!({ "method": "card", "card": { "number": "410028000009000" } }), "card"),
        (json!({ "method": "card" }), "card"),
        (json!({ "method": "upi", "vpa": "success@razorpa" }), "vpa"),
        (json!({ "method": "upi", "vpa": "Success@razorpay" }), "vpa"),
        (json!({ "method": "netbanking", "otp": "12345678901" }), "otp"),
        (json!({ "method": "netbanking", "otp": "12a4" }), "otp"),
        (json!({ "method": "netbanking", "outcome": "paid" }), "outcome"),
        (json!({ "method": "cash" }), "method"),
        (json!({}), "method"),
    ] {
        let refused = pay(&dev, &key, &order, &typed);
        assert_eq!((refused.status, refused.text("/error/field")), (400, field.to_owned()), "{}", refused.body);
    }
    assert_eq!(get(&dev, &key, &format!("/v1/orders/{}", text(&order["id"])))["attempts"], 0);
    let other = dev.key("razorpay", "stranger");
    let foreign = pay(&dev, &other, &order, &json!({ "method": "netbanking" }));
    assert_eq!(words(&foreign), (400, "The id provided does not exist".to_owned()));
    for (typed, wanted, reason) in [
        (json!({ "method": "upi", "vpa": "failure@razorpay", "outcome": "success" }), "failed", "payment_failed"),
        (json!({ "method": "netbanking", "outcome": "failed" }), "failed", "payment_failed"),
        (json!({ "method": "netbanking", "outcome": "cancelled" }), "failed", "payment_cancelled"),
        (json!({ "method": "netbanking", "otp": "999" }), "failed", "incorrect_otp"),
        (json!({ "method": "upi", "vpa": "success@razorpay", "outcome": "cancelled" }), "captured", ""),
    ] {
        let made = pay(&dev, &key, &order, &typed).json();
        let payment = &made["payment"];
        let found = payment["error_reason"].as_str().unwrap_or_default();
        assert_eq!((text(&payment["status"]), found), (wanted, reason), "{typed}");
    }
    let page = text(&order["checkout_url"]);
    let (most, last) = page.split_at(page.len() - 1);
    let wrong = format!("{most}{}", if last == "0" { "1" } else { "0" });
    assert_eq!(on_page(&dev, "GET", &wrong, "").status, 400, "one letter off is nobody's page");
}

#[test]
fn an_authorized_payment_is_captured_in_full_and_once() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (key, other) = (dev.key("razorpay", "capture"), dev.key("razorpay", "no-capture"));
    hook(&dev, &key.app_id, &receiver);
    for manual in [json!({ "payment": { "capture": "manual" } }), json!({ "payment_capture": 0 })] {
        let order = order(&dev, &key, &manual);
        let made = pay(&dev, &key, &order, &json!({ "method": "netbanking" }));
        let second = pay(&dev, &key, &order, &json!({ "method": "netbanking" }));
        let (id, second) = (made.text("/payment/id"), second.text("/payment/id"));
        assert_eq!(made.text("/payment/status"), "authorized", "{}", made.body);
        verify(&told(&receiver, "payment.authorized", &id));
        let signed = format!("{}|{id}", text(&order["id"]));
        assert_eq!(made.text("/razorpay_signature"), hex_hmac(&key.secret, &signed));
        let path = format!("/v1/payments/{id}/capture");
        let capture = |key: &Key, amount: Value| {
            words(&call(&dev, key, ("POST", &path), &json!({ "amount": amount, "currency": "INR" })))
        };
        let unequal = "Capture amount must be equal to the amount authorized.";
        for amount in [49_999, 50_001] {
            assert_eq!(capture(&key, json!(amount)), (400, unequal.to_owned()));
        }
        assert_eq!(capture(&key, json!(500.5)), (400, "The amount must be an integer.".to_owned()));
        assert_eq!(capture(&other, json!(50_000)), (400, "The id provided does not exist".to_owned()));
        assert_eq!(refund(&dev, &key, &id, &json!({}), &[]).status, 400, "what is not captured is not refunded");
        assert_eq!(get(&dev, &key, &format!("/v1/orders/{}", text(&order["id"])))["status"], "attempted");
        assert_eq!(capture(&key, json!(50_000)), (200, String::new()));
        verify(&told(&receiver, "payment.captured", &id));
        verify(&told(&receiver, "order.paid", &id));
        assert_eq!(capture(&key, json!(50_000)), (400, "This payment has already been captured".to_owned()));
        let another = call(
            &dev,
            &key,
            ("POST", &format!("/v1/payments/{second}/capture")),
            &json!({ "amount": 50_000, "currency": "INR" }),
        );
        assert!(another.status == 400 && another.body.contains("already paid"), "one order is paid once");
        let more = pay(&dev, &key, &order, &json!({ "method": "netbanking" }));
        assert!(more.status == 400 && more.text("/error/description").contains("already paid"), "{}", more.body);
    }
    let listed = get(&dev, &key, "/v1/payments?count=3&skip=1");
    assert_eq!((&listed["entity"], &listed["count"]), (&json!("collection"), &json!(3)));
    assert_eq!(get(&dev, &other, "/v1/payments")["count"], 0, "another merchant's");
    let refused = call(&dev, &key, ("GET", "/v1/payments?count=101"), &Value::Null);
    assert_eq!(words(&refused), (400, "The count may not be greater than 100.".to_owned()));
}

#[test]
fn refunds_add_up_to_the_payment_and_never_more() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("razorpay", "refunds");
    hook(&dev, &key.app_id, &receiver);
    let payment = paid(&dev, &key);
    let greater = (400, "The refund amount provided is greater than amount captured.".to_owned());
    let part = |amount: Value| words(&refund(&dev, &key, &payment, &json!({ "amount": amount }), &[]));
    assert_eq!(part(json!(50_001)), greater);
    assert_eq!(part(json!(99)), (400, "The amount must be at least INR 1.00.".to_owned()));
    assert_eq!(part(json!(49_000)).0, 200);
    assert_eq!(part(json!(1_001)), greater, "one paisa more than is left");
    let failed = refund(&dev, &key, &payment, &json!({ "notes": { "test_outcome": "failed" } }), &[]);
    assert_eq!((failed.status, failed.text("/status")), (200, "failed".to_owned()));
    verify(&told(&receiver, "refund.failed", &failed.text("/id")));
    let rest = refund(&dev, &key, &payment, &json!({}), &[]);
    assert_eq!((rest.status, rest.json()["amount"].as_i64()), (200, Some(1_000)), "one that failed takes nothing");
    assert_eq!(part(json!(100)), (400, "The payment has been fully refunded already.".to_owned()));
    let found = get(&dev, &key, &format!("/v1/payments/{payment}"));
    assert_eq!((text(&found["status"]), text(&found["refund_status"])), ("refunded", "full"));
    let listed = get(&dev, &key, &format!("/v1/payments/{payment}/refunds"));
    assert_eq!((&listed["count"], &listed["items"][0]["id"]), (&json!(3), &json!(rest.text("/id"))));
    assert_eq!(get(&dev, &key, "/v1/refunds")["count"], 3);
    let one = get(&dev, &key, &format!("/v1/refunds/{}", rest.text("/id")));
    assert_eq!(one["status"], "processed");
    let stranger = dev.key("razorpay", "no-refunds");
    assert_eq!(refund(&dev, &stranger, &payment, &json!({}), &[]).status, 400);
}

#[test]
fn a_live_key_reaches_no_test_input() {
    let dev = dev();
    let key = dev.live_key("razorpay", "live");
    for path in ["/v1/test/payments", "/v1/test/balance", "/v1/orders"] {
        let body = json!({ "method": "card", "card": { "number": "4100280000001007" }, "amount": 100 });
        let refused = call(&dev, &key, ("POST", path), &body);
        assert_eq!(words(&refused), (503, "No upstream is configured for live mode.".to_owned()), "{path}");
    }
}

#[test]
fn a_refund_is_repeated_under_its_key_and_nothing_else_is() {
    let dev = dev();
    let key = dev.key("razorpay", "keys");
    let (payment, body) = (paid(&dev, &key), json!({ "amount": 20_000 }));
    let keyed = |value: &str, body: &Value| refund(&dev, &key, &payment, body, &[("X-Refund-Idempotency", value)]);
    let first = keyed("order-1_refund", &body);
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(keyed("order-1_refund", &body).json(), first.json());
    let different = "Different request with the same idempotency key has already been processed.";
    assert_eq!(words(&keyed("order-1_refund", &json!({ "amount": 20_001 }))), (409, different.to_owned()));
    let short = "The idempotency key must be at least 10 characters long.";
    assert_eq!(words(&keyed("123456789", &body)), (400, short.to_owned()));
    let odd = "The idempotency key must only contain alphanumeric characters, underscores, and hyphens";
    assert_eq!(words(&keyed("1234 56789", &body)), (400, odd.to_owned()));
    assert_eq!(get(&dev, &key, "/v1/refunds")["count"], 1);
    assert_eq!(keyed("1234567890", &body).status, 200);
}

#[test]
fn a_refund_that_is_held_back_is_pending_until_the_testers_clock_gets_there() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("razorpay", "later");
    hook(&dev, &key.app_id, &receiver);
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:00Z").status, 200);
    let payment = paid(&dev, &key);
    let made = refund(&dev, &key, &payment, &json!({}), &[("X-Keymint-Simulate", "settle=1h")]);
    assert_eq!((made.status, made.text("/status")), (200, "pending".to_owned()), "{}", made.body);
    let path = format!("/v1/refunds/{}", made.text("/id"));
    assert_eq!(refund(&dev, &key, &payment, &json!({}), &[]).status, 400, "its money is taken already");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:59:59Z").status, 200);
    assert_eq!(get(&dev, &key, &path)["status"], "pending");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T01:00:00Z").status, 200);
    assert_eq!(get(&dev, &key, &path)["status"], "processed");
    let got = told(&receiver, "refund.processed", &made.text("/id"));
    verify(&got);
    let body: Value = serde_json::from_str(&got.body).expect("JSON");
    assert_eq!(body["payload"]["payment"]["entity"]["refund_status"], "full", "as the refund left it");
}

#[test]
fn a_secret_is_never_kept_with_the_order_that_it_signs() {
    let dev = dev();
    let key = dev.key("razorpay", "secret");
    order(&dev, &key, &json!({}));
    let read = |path: &std::path::Path| std::fs::read(path).unwrap_or_default();
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let files: Vec<_> =
        std::fs::read_dir(dev.folder().join("data")).expect("a folder").flatten().map(|file| file.path()).collect();
    assert!(files.iter().any(|path| holds(&read(path), "tickets")), "the order is in one of {files:?}");
    for path in &files {
        assert!(!holds(&read(path), &key.secret), "{}", path.display());
    }
}
