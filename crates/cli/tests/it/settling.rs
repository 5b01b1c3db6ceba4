//! `X-Keymint-Simulate: settle=` at every simulator that has something to settle: the outcome comes when the app's clock
//! gets there, and not a millisecond before. And `delay=`, by the clock on the wall.
#![expect(clippy::disallowed_methods, reason = "one test measures how late an answer is")]

use std::cell::Cell;
use std::time::{Duration, Instant};

use keymint_testkit::{Call, Dev, Key, Reply};
use serde_json::{Value, json};

use crate::dev;
use crate::razorpayx_sandbox::{body as razorpayx, fund_account, top_up};
use crate::simulators::clock;

thread_local! {
    /// A signature is spent once: each call of a test is a second of its own.
    static SECOND: Cell<i64> = const { Cell::new(-200) };
}

/// A call, with headers of its own.
fn call(
    dev: &Dev,
    (product, key): (&str, &Key),
    (method, path): (&str, &str),
    body: &Value,
    headers: &[(&str, &str)],
) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let call = Call::new(product, method, path, &body);
    let call = match product {
        "kpay" => call.scheme("key_pair"),
        "keymint" => call.scheme("bearer"),
        "kwikpaisa" => call.shifted(SECOND.with(|second| second.replace(second.get() + 1))),
        _ => call,
    };
    headers
        .iter()
        .fold(call.signed(dev.gateway, key), |request, (name, value)| request.header(name, value))
        .send(dev.gateway)
}

/// What settles: at whose simulator, the call that begins it, and how its state is read.
struct Row {
    product: &'static str,
    begins: (&'static str, Value),
    /// Where the answer has the id that `reads` needs; empty: it needs none.
    id: &'static str,
    reads: (&'static str, &'static str, Value),
    /// Where the answer has the state.
    state: &'static str,
    /// The state until then, and from then on.
    states: (&'static str, &'static str),
}

fn kwikpaisa(kind: &str, reference: &str, amount: &str, states: (&'static str, &'static str)) -> Row {
    let wallet =
        json!({ "kwikx_wallet_id": "kwx_test_1", "debit_account_type": "kwikx_wallet", "payout_order_id": reference });
    let (begins, reads, state) = match kind {
        "order" => {
            let order = json!({
                "order_id": reference, "order_amount": amount, "order_currency": "INR", "service_type": "DIGITAL",
                "customer": { "name": "A", "email": "a@b.example", "phone": "9" }, "return_url": "https://shop.example/",
            });
            let reads = ("POST", "/api/v3/pg/order/status", json!({ "order_id": reference }));
            (("/api/v3/pg/order/create", order), reads, "/return_data/order_status")
        }
        _ => {
            let mut payout = wallet.clone();
            payout["amount"] = json!(amount);
            let reads = ("POST", "/api/v3/banking/payment/status", wallet);
            (("/api/v3/banking/payment/create", payout), reads, "/data/status")
        }
    };
    Row { product: "kwikpaisa", begins, id: "", reads, state, states }
}

fn native(begins: &'static str, body: Value, reads: &'static str, states: (&'static str, &'static str)) -> Row {
    Row {
        product: "keymint",
        begins: (begins, body),
        id: "/id",
        reads: ("GET", reads, Value::Null),
        state: "/status",
        states,
    }
}

fn payout_of_kpay(phone: &str, states: (&'static str, &'static str)) -> Row {
    let body = json!({ "amount": 1_000, "provider": "MTN_MOMO_CMR", "phoneNumber": phone });
    let reads = ("GET", "/api/v1/payments/withdraw/{id}", Value::Null);
    Row { product: "kpay", begins: ("/api/v1/payments/withdraw", body), id: "/id", reads, state: "/status", states }
}

fn rows() -> Vec<Row> {
    let amount = json!({ "amount": 1_000, "currency": "INR", "test_outcome": "success" });
    let payout = |outcome: &str| json!({ "amount": 1_000, "currency": "INR", "destination": "upi:asha@bank", "test_outcome": outcome });
    let failing = json!({ "amount": 1_000, "currency": "INR", "test_outcome": "failed" });
    let (payments, payouts) = ("/v1/payments/{id}", "/v1/payouts/{id}");
    vec![
        kwikpaisa("order", "PAID", "5.11", ("PENDING", "PAID")),
        kwikpaisa("order", "FAILED", "5.12", ("PENDING", "FAILED")),
        kwikpaisa("order", "PROCESSING", "5.13", ("PENDING", "PROCESSING")),
        kwikpaisa("order", "EXPIRED", "5.14", ("PENDING", "EXPIRED")),
        kwikpaisa("payout", "P-SUCCESS", "5.00", ("PROCESSING", "SUCCESS")),
        kwikpaisa("payout", "P-FAILED", "5.12", ("PROCESSING", "FAILED")),
        kwikpaisa("payout", "P-REVERSED", "5.14", ("PROCESSING", "REVERSED")),
        native("/v1/payments", amount, payments, ("created", "captured")),
        native("/v1/payments", failing, payments, ("created", "failed")),
        native("/v1/payouts", payout("success"), payouts, ("processing", "processed")),
        native("/v1/payouts", payout("failed"), payouts, ("processing", "failed")),
        native("/v1/payouts", payout("reversed"), payouts, ("processing", "reversed")),
        payout_of_kpay("237653456789", ("PENDING", "COMPLETED")),
        payout_of_kpay("237653456089", ("PENDING", "FAILED")),
    ]
}

#[test]
fn each_outcome_that_is_asked_for_later_comes_when_the_apps_clock_gets_there() {
    let dev = dev();
    let keys = ["kwikpaisa", "keymint", "kpay"].map(|product| (product, dev.key(product, "settling")));
    for (_, key) in &keys {
        assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:00Z").status, 200);
    }
    let key_of = |product: &'static str| (product, &keys.iter().find(|(one, _)| *one == product).expect("its key").1);
    let mut begun = Vec::new();
    for row in rows() {
        let (path, body) = &row.begins;
        let made = call(&dev, key_of(row.product), ("POST", path), body, &[("X-Keymint-Simulate", "settle=1h")]);
        assert!(matches!(made.status, 200 | 201), "{path}: {}", made.body);
        let id = if row.id.is_empty() { String::new() } else { made.text(row.id) };
        begun.push((row, id));
    }
    let states = || {
        let state = |(row, id): &(Row, String)| {
            let (method, path, body) = &row.reads;
            call(&dev, key_of(row.product), (method, &path.replace("{id}", id)), body, &[]).text(row.state)
        };
        begun.iter().map(state).collect::<Vec<_>>()
    };
    let wanted = |which: fn(&Row) -> &'static str| begun.iter().map(|(row, _)| which(row)).collect::<Vec<_>>();
    for (now, wanted) in
        [("2030-01-01T00:59:59.999Z", wanted(|row| row.states.0)), ("2030-01-01T01:00:00Z", wanted(|row| row.states.1))]
    {
        for (_, key) in &keys {
            assert_eq!(clock(&dev, &key.app_id, now).status, 200);
        }
        assert_eq!(states(), wanted, "{now}");
    }
}

#[test]
fn a_native_refund_settles_later_and_a_payout_of_razorpayx_is_moved_by_hand_alone() {
    let dev = dev();
    let (key, other) = (dev.key("keymint", "settling-refunds"), dev.key("razorpay", "settling-payouts"));
    for app in [&key.app_id, &other.app_id] {
        assert_eq!(clock(&dev, app, "2030-01-01T00:00:00Z").status, 200);
    }
    let later = [("X-Keymint-Simulate", "settle=1h")];
    let paid = json!({ "amount": 1_000, "currency": "INR", "test_outcome": "success" });
    let payment = call(&dev, ("keymint", &key), ("POST", "/v1/payments"), &paid, &[]).text("/id");
    let refunds = format!("/v1/payments/{payment}/refunds");
    let refund = |body: Value| call(&dev, ("keymint", &key), ("POST", &refunds), &body, &later).text("/id");
    let refunded = [refund(json!({ "amount": 1 })), refund(json!({ "amount": 1, "test_outcome": "failed" }))];
    let account = fund_account(&dev, &other);
    assert_eq!(top_up(&dev, &other, 10_000).status, 200);
    let repeat = [later[0], ("X-Payout-Idempotency", "later")];
    let made = call(&dev, ("razorpay", &other), ("POST", "/v1/payouts"), &razorpayx(&account, 1_000), &repeat);
    assert_eq!((made.status, made.text("/status")), (200, "processing".to_owned()), "{}", made.body);
    let payout = format!("/v1/payouts/{}", made.text("/id"));
    for (now, wanted) in [
        ("2030-01-01T00:59:59.999Z", ["processing", "processing", "processing"]),
        ("2030-01-01T01:00:00Z", ["processed", "failed", "processing"]),
    ] {
        for app in [&key.app_id, &other.app_id] {
            assert_eq!(clock(&dev, app, now).status, 200);
        }
        let [first, second] = refunded.each_ref().map(|id| {
            call(&dev, ("keymint", &key), ("GET", &format!("/v1/refunds/{id}")), &Value::Null, &[]).text("/status")
        });
        let third = call(&dev, ("razorpay", &other), ("GET", &payout), &Value::Null, &[]).text("/status");
        assert_eq!([first.as_str(), &second, &third], wanted, "{now}");
    }
}

#[test]
fn an_answer_that_is_asked_to_come_later_does_and_says_the_same() {
    let dev = dev();
    for (product, path) in
        [("keymint", "/v1/balance"), ("kpay", "/api/v1/payments/balance"), ("razorpay", "/v1/methods")]
    {
        let key = dev.key(product, "late");
        let at_once = call(&dev, (product, &key), ("GET", path), &Value::Null, &[]);
        for (asked, wanted) in
            [("delay=1200ms", 200), ("delay=1s,error=503", 503), ("error-after=500, delay=700ms", 500)]
        {
            let least = asked.split("delay=").nth(1).and_then(|rest| rest.split(',').next()).expect("it asks for one");
            let least = match least.strip_suffix("ms") {
                Some(number) => Duration::from_millis(number.parse().expect("a number")),
                None => Duration::from_secs(1),
            };
            let began = Instant::now();
            let late = call(&dev, (product, &key), ("GET", path), &Value::Null, &[("X-Keymint-Simulate", asked)]);
            assert!(began.elapsed() >= least, "{product} {asked}: after {:?}", began.elapsed());
            assert_eq!((late.status, late.body == at_once.body), (wanted, wanted == 200), "{product} {asked}");
        }
    }
}
