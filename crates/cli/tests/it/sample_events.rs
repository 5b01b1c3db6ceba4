//! A test event has the shape of a real one: for each event that a simulator sends, what `test-events` sends has the same
//! members, the same kinds of ids, and the same states.

use keymint_testkit::{Call, Dev, Key, Receiver};
use serde_json::{Map, Value, json};

use crate::simulators::{hook, on_page, told};
use crate::{dev, kpay_sandbox, kwikpaisa_sandbox, razorpay_sandbox, razorpayx_sandbox};

/// What is left of a value when what differs from one event to the next is taken away. The merchant's own members
/// (`notes`, `metadata`) are his.
fn shape(name: &str, value: &Value) -> Value {
    let is_word = matches!(name, "event" | "type" | "status" | "entity" | "object" | "order_status" | "contains");
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| !matches!(name.as_str(), "notes" | "metadata"));
            members.map(|(name, value)| (name.clone(), shape(name, value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(|item| shape(name, item)).collect(),
        Value::Number(_) => json!("a number"),
        Value::String(text) if is_word => json!(text),
        Value::String(text) if name == "id" || name.ends_with("_id") || name == "paymentId" => json!(prefix(text)),
        // A reference of KPay's has the day behind its label.
        Value::String(text) if name == "reference" => {
            json!(prefix(text.split(char::is_numeric).next().unwrap_or(text)))
        }
        Value::String(_) => json!("a text"),
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

fn prefix(text: &str) -> &str {
    text.trim_end_matches(|one: char| one.is_ascii_alphanumeric())
}

/// A real event, once it has come.
fn real(receiver: &Receiver, name: &str, about: &str) -> (String, Value) {
    (name.to_owned(), serde_json::from_str(&told(receiver, name, about).body).expect("JSON"))
}

/// The test event of a name.
fn sample(dev: &Dev, app: &str, receiver: &Receiver, name: &str) -> Value {
    let sent = dev.api("POST", &format!("/apps/{app}/test-events"), &json!({ "event": name }));
    assert_eq!(sent.status, 202, "{name}: {}", sent.body);
    real(receiver, name, "").1
}

/// Compares what really happened with the test events, at an app of its own.
fn compare(dev: &Dev, product: &str, happened: &[(String, Value)]) {
    let (key, receiver) = (dev.key(product, "samples"), Receiver::start());
    hook(dev, &key.app_id, &receiver);
    for (name, body) in happened {
        let sample = sample(dev, &key.app_id, &receiver, name);
        assert_eq!(shape("", &sample), shape("", body), "{product} {name}\n{sample}\n{body}");
    }
}

/// The payments, refunds and payouts of a Razorpay app; what was told of them.
fn razorpay(dev: &Dev, key: &Key, receiver: &Receiver) -> Vec<(String, Value)> {
    let order = razorpay_sandbox::order(dev, key, &json!({}));
    let pay = |vpa: &str| razorpay_sandbox::pay(dev, key, &order, &json!({ "method": "upi", "vpa": vpa }));
    let failed = pay("failure@razorpay").text("/payment/id");
    let paid = pay("success@razorpay").text("/payment/id");
    let refund = |body: Value| razorpay_sandbox::refund(dev, key, &paid, &body, &[]).text("/id");
    let refunded = refund(json!({ "amount": 20_000 }));
    let refused = refund(json!({ "amount": 100, "notes": { "test_outcome": "failed" } }));
    let account = razorpayx_sandbox::fund_account(dev, key);
    let payout = |number: &str| {
        let body = razorpayx_sandbox::body(&account, 10_000);
        razorpayx_sandbox::payout(dev, key, &format!("payout-{number}"), &body).text("/id")
    };
    let first = payout("1");
    let mut happened = vec![real(receiver, "payout.queued", &first)];
    assert_eq!(razorpayx_sandbox::top_up(dev, key, 100_000).status, 200);
    happened.extend(["payout.initiated", "transaction.created"].map(|name| real(receiver, name, &first)));
    for (id, status) in [(first, "processed"), (payout("2"), "failed"), (payout("3"), "reversed")] {
        assert_eq!(razorpayx_sandbox::to(dev, key, &id, status).0, 200);
        happened.push(real(receiver, &format!("payout.{status}"), &id));
    }
    happened.push(real(receiver, "payment.failed", &failed));
    for name in ["payment.authorized", "payment.captured", "order.paid"] {
        happened.push(real(receiver, name, &paid));
    }
    for (name, id) in [("refund.created", &refunded), ("refund.processed", &refunded), ("refund.failed", &refused)] {
        happened.push(real(receiver, name, id));
    }
    happened
}

fn kpay(dev: &Dev, key: &Key, receiver: &Receiver) -> Vec<(String, Value)> {
    let call = |path: &str, body: Value| {
        let made = kpay_sandbox::call(dev, key, "POST", path, &body);
        assert_eq!(made.status, 201, "{}", made.body);
        made
    };
    let mut happened = Vec::new();
    let mut paid = String::new();
    for (kind, path, failing) in [("payment", "/init", "237653456039"), ("payout", "/withdraw", "237653456089")] {
        for (phone, status) in [("237653456789", "completed"), (failing, "failed")] {
            let body = json!({
                "amount": 1_000, "provider": "MTN_MOMO_CMR", "phoneNumber": phone, "externalId": format!("{kind}-{phone}"),
            });
            let id = call(path, body).text("/id");
            happened.push(real(receiver, &format!("{kind}.{status}"), &id));
            if (kind, status) == ("payment", "completed") {
                paid = id;
            }
        }
        let hosted = json!({ "amount": 1_000, "externalId": kind, "returnUrl": "https://shop.example/" });
        let hosted = call(path, hosted);
        assert_eq!(on_page(dev, "POST", &hosted.text("/gatewayUrl"), "outcome=cancelled").status, 303);
        happened.push(real(receiver, &format!("{kind}.cancelled"), &hosted.text("/id")));
    }
    for (reason, status) in [("FAILED", "failed"), ("CANCELLED", "cancelled"), ("returned", "completed")] {
        let body = json!({ "reason": reason, "externalId": format!("refund-{status}") });
        let id = call(&format!("/{paid}/refund"), body).text("/id");
        happened.push(real(receiver, &format!("refund.{status}"), &id));
    }
    happened
}

/// An order's id is the merchant's own: it begins here as that of a test event does.
fn kwikpaisa(dev: &Dev, key: &Key, receiver: &Receiver) -> Vec<(String, Value)> {
    let mut happened = Vec::new();
    for (paise, status) in [("11", "success"), ("12", "failed"), ("13", "processing"), ("14", "expired")] {
        let (id, amount) = (format!("TEST-O{paise}"), format!("5.{paise}"));
        assert_eq!(kwikpaisa_sandbox::order(dev, key, &id, &amount).status, 200);
        happened.push(real(receiver, &format!("payment.{status}"), &id));
    }
    for (paise, status) in [("00", "success"), ("12", "failed"), ("13", "processing"), ("14", "reversed")] {
        let (id, amount) = (format!("TEST-P{paise}"), format!("5.{paise}"));
        assert_eq!(kwikpaisa_sandbox::payout(dev, key, &id, &amount).status, 200);
        happened.push(real(receiver, &format!("payout.{status}"), &id));
    }
    happened
}

fn native(dev: &Dev, key: &Key, receiver: &Receiver) -> Vec<(String, Value)> {
    let call = |path: &str, body: Value| {
        let body = body.to_string();
        let call = Call::new("keymint", "POST", path, &body).scheme("bearer");
        let made = call.signed(dev.gateway, key).send(dev.gateway);
        assert!(matches!(made.status, 200 | 201), "{}", made.body);
        made.text("/id")
    };
    let made = |path: &str, outcome: &str, capture: &str| {
        let mut body = json!({ "amount": 1_000, "currency": "INR", "reference": "TEST-1", "test_outcome": outcome });
        match capture {
            "" => body["destination"] = json!("upi:asha@bank"),
            capture => body["capture"] = json!(capture),
        }
        call(path, body)
    };
    let pay = |outcome: &str, capture: &str| made("/v1/payments", outcome, capture);
    let (paid, manual) = (pay("success", "automatic"), pay("success", "manual"));
    assert_eq!(call(&format!("/v1/payments/{manual}/cancel"), json!({})), manual);
    let mut happened = Vec::new();
    for name in ["payment.created", "payment.authorized", "payment.captured"] {
        happened.push(real(receiver, name, &paid));
    }
    happened.push(real(receiver, "payment.cancelled", &manual));
    happened.push(real(receiver, "payment.failed", &pay("failed", "automatic")));
    happened.push(real(receiver, "payment.expired", &pay("expired", "automatic")));
    let refund = |outcome: &str| {
        let body = json!({ "amount": 100, "reason": "returned", "test_outcome": outcome });
        call(&format!("/v1/payments/{paid}/refunds"), body)
    };
    let (refunded, refused) = (refund("success"), refund("failed"));
    happened.push(real(receiver, "refund.created", &refunded));
    happened.push(real(receiver, "refund.processed", &refunded));
    happened.push(real(receiver, "refund.failed", &refused));
    let pay_out = |outcome: &str| made("/v1/payouts", outcome, "");
    let paid_out = pay_out("reversed");
    for name in ["payout.created", "payout.processed", "payout.reversed"] {
        happened.push(real(receiver, name, &paid_out));
    }
    happened.push(real(receiver, "payout.failed", &pay_out("failed")));
    happened
}

#[test]
fn a_test_event_has_the_shape_of_the_one_that_the_simulator_sends() {
    type Story = fn(&Dev, &Key, &Receiver) -> Vec<(String, Value)>;
    let dev = dev();
    let stories: [(&str, Story, usize); 4] =
        [("razorpay", razorpay, 13), ("kpay", kpay, 9), ("kwikpaisa", kwikpaisa, 8), ("keymint", native, 13)];
    for (product, story, count) in stories {
        let (key, receiver) = (dev.key(product, "story"), Receiver::start());
        hook(&dev, &key.app_id, &receiver);
        let happened = story(&dev, &key, &receiver);
        assert_eq!(happened.len(), count, "{product}");
        compare(&dev, product, &happened);
    }
}

#[test]
fn what_no_simulator_sends_contains_what_the_vendor_says_it_does() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("razorpay", "catalogue");
    hook(&dev, &key.app_id, &receiver);
    for (name, contains) in [
        ("payment.dispute.created", &["payment", "dispute"][..]),
        ("payment.dispute.under_review", &["payment", "dispute"]),
        ("payment.dispute.action_required", &["payment", "dispute"]),
        ("payment.dispute.won", &["payment", "dispute"]),
        ("payment.dispute.lost", &["payment", "dispute"]),
        ("payment.dispute.closed", &["payment", "dispute"]),
        ("refund.speed_changed", &["refund", "payment"]),
        ("payment.downtime.started", &["payment.downtime"]),
        ("fund_account.validation.completed", &["fund_account.validation"]),
        ("settlement.processed", &["settlement"]),
        ("payout.updated", &["payout"]),
    ] {
        let sample = sample(&dev, &key.app_id, &receiver, name);
        assert_eq!((&sample["event"], &sample["contains"]), (&json!(name), &json!(contains)), "{name}");
        let payload = sample["payload"].as_object().expect("a payload");
        assert_eq!(payload.len(), contains.len(), "{name}");
        for kind in contains {
            let entity = &payload[*kind]["entity"];
            assert_eq!(entity["entity"], json!(kind), "{name}: {sample}");
            assert!(entity["id"].as_str().is_some_and(|id| id.contains('_')), "{name}: {sample}");
        }
        if contains.contains(&"dispute") {
            let (payment, dispute) = (&payload["payment"]["entity"], &payload["dispute"]["entity"]);
            assert_eq!((&dispute["payment_id"], &dispute["amount"]), (&payment["id"], &payment["amount"]), "{sample}");
            assert!(dispute["id"].as_str().is_some_and(|id| id.starts_with("disp_")), "{sample}");
            let wanted = name.trim_start_matches("payment.dispute.");
            let wanted = if matches!(wanted, "created" | "action_required") { "open" } else { wanted };
            assert_eq!(dispute["status"], json!(wanted), "{sample}");
        }
    }
}
