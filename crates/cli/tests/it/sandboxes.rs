//! The first documented calls of each vendor's API, with their documented errors.

use keymint_testkit::{Call, Dev, Key, Reply, Request};
use serde_json::{Value, json};

use crate::dev;

fn razorpay(dev: &Dev, key: &Key, method: &str, path: &str, body: &str) -> Reply {
    Call::new("razorpay", method, path, body).signed(dev.gateway, key).send(dev.gateway)
}

fn kpay(dev: &Dev, key: &Key, method: &str, path: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Call::new("kpay", method, path, &body).scheme("key_pair").signed(dev.gateway, key).send(dev.gateway)
}

fn kwikpaisa(dev: &Dev, key: &Key, path: &str, body: &Value, seconds: i64) -> Reply {
    let body = body.to_string();
    Call::new("kwikpaisa", "POST", path, &body).shifted(seconds).signed(dev.gateway, key).send(dev.gateway)
}

#[test]
fn razorpay_orders_are_made_fetched_and_listed() {
    let dev = dev();
    let key = dev.key("razorpay", "orders");
    let body = r#"{"amount":50000,"currency":"INR","receipt":"r-1","notes":{"k":"v"}}"#;
    let made = razorpay(&dev, &key, "POST", "/v1/orders", body);
    assert_eq!((made.status, made.text("/entity").as_str(), made.text("/status").as_str()), (200, "order", "created"));
    assert!(made.text("/id").strip_prefix("order_").is_some_and(|id| id.len() == 14));
    assert_eq!(made.json()["amount_due"], json!(50000));
    let fetched = razorpay(&dev, &key, "GET", &format!("/v1/orders/{}", made.text("/id")), "");
    assert_eq!(fetched.json(), made.json());
    razorpay(&dev, &key, "POST", "/v1/orders", body);
    let listed = razorpay(&dev, &key, "GET", "/v1/orders?count=1", "");
    assert_eq!((listed.text("/entity").as_str(), listed.json()["count"].as_i64()), ("collection", Some(1)));
    let skipped = razorpay(&dev, &key, "GET", "/v1/orders?skip=1", "");
    assert_eq!(skipped.text("/items/0/id"), made.text("/id"));
}

#[test]
fn razorpay_validation_errors_name_their_field() {
    let dev = dev();
    let key = dev.key("razorpay", "errors");
    for (body, field, words) in [
        (r#"{"currency":"INR"}"#, "amount", "The amount field is required."),
        (r#"{"amount":99,"currency":"INR"}"#, "amount", "The amount must be at least INR 1.00."),
        (r#"{"amount":100}"#, "currency", "The currency field is required."),
    ] {
        let reply = razorpay(&dev, &key, "POST", "/v1/orders", body);
        assert_eq!((reply.status, reply.text("/error/code").as_str()), (400, "BAD_REQUEST_ERROR"));
        assert_eq!((reply.text("/error/field").as_str(), reply.text("/error/description").as_str()), (field, words));
    }
    for (query, words) in
        [("count=101", "The count may not be greater than 100."), ("count=x", "The count must be an integer.")]
    {
        let reply = razorpay(&dev, &key, "GET", &format!("/v1/orders?{query}"), "");
        assert_eq!((reply.status, reply.text("/error/description").as_str()), (400, words));
    }
    let twice = razorpay(&dev, &key, "POST", "/v1/orders", r#"{"amount":100,"amount":900,"currency":"INR"}"#);
    assert_eq!(twice.status, 400, "a member that stands twice");
}

#[test]
fn another_merchants_object_is_hidden_or_refused_as_the_vendor_documents() {
    let dev = dev();
    let (mine, theirs) = (dev.key("razorpay", "mine"), dev.key("razorpay", "theirs"));
    let order = razorpay(&dev, &mine, "POST", "/v1/orders", r#"{"amount":100,"currency":"INR"}"#).text("/id");
    let foreign = razorpay(&dev, &theirs, "GET", &format!("/v1/orders/{order}"), "");
    assert_eq!((foreign.status, foreign.text("/error/description").as_str()), (400, "The id provided does not exist"));
    let unknown = razorpay(&dev, &theirs, "GET", "/v1/orders/order_00000000000000", "");
    assert_eq!(unknown.body, foreign.body, "unknown and foreign are one answer");
    assert_eq!(razorpay(&dev, &theirs, "GET", "/v1/orders/x", "").text("/error/description"), "id is not a valid id.");

    let (mine, theirs) = (dev.key("kpay", "mine"), dev.key("kpay", "theirs"));
    let body = json!({
        "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456789", "externalId": "ORDER-12345",
    });
    let payment = kpay(&dev, &mine, "POST", "/api/v1/payments/init", &body).text("/id");
    let path = format!("/api/v1/payments/{payment}");
    assert_eq!(kpay(&dev, &mine, "GET", &path, &Value::Null).status, 200);
    let foreign = kpay(&dev, &theirs, "GET", &path, &Value::Null);
    assert_eq!((foreign.status, foreign.text("/error").as_str()), (403, "Forbidden"));
    assert_eq!(kpay(&dev, &theirs, "GET", "/api/v1/payments/pay_none", &Value::Null).status, 404);
}

#[test]
fn kpay_payments_follow_the_documented_contract() {
    let dev = dev();
    let key = dev.key("kpay", "payments");
    let body = json!({
        "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456789", "externalId": "ORDER-1",
    });
    let made = kpay(&dev, &key, "POST", "/api/v1/payments/init", &body);
    assert_eq!((made.status, made.text("/status").as_str(), made.text("/currency").as_str()), (201, "PENDING", "XAF"));
    assert!(made.text("/reference").starts_with("KPAY-"));
    let again = kpay(&dev, &key, "POST", "/api/v1/payments/init", &body);
    assert_eq!((again.status, again.text("/error").as_str()), (409, "Conflict"));
    let refused = |change: (&str, Value)| {
        let mut body = body.clone();
        body["externalId"] = json!("ORDER-2");
        body[change.0] = change.1;
        let reply = kpay(&dev, &key, "POST", "/api/v1/payments/init", &body);
        (reply.status, reply.text("/message"))
    };
    assert_eq!(refused(("amount", json!(49))), (400, "amount must not be less than 50".to_owned()));
    assert_eq!(refused(("currency", json!("XAF"))), (400, "property currency should not exist".to_owned()));
    assert_eq!(refused(("provider", json!("WAVE"))).0, 400);
    let gateway = json!({ "amount": 5000, "externalId": "ORDER-3", "returnUrl": "https://m.example/r" });
    let gateway = kpay(&dev, &key, "POST", "/api/v1/payments/init", &gateway);
    assert_eq!((gateway.status, gateway.text("/mode").as_str()), (201, "GATEWAY"));
    let payout = |amount: i64| {
        let body = json!({
            "amount": amount, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456789", "sourceCountry": "CMR",
        });
        kpay(&dev, &key, "POST", "/api/v1/payments/withdraw", &body)
    };
    assert_eq!((payout(1000).status, payout(400_000).status), (201, 422));
    assert_eq!(payout(400_000).text("/error"), "Unprocessable Entity");
}

#[test]
fn kwikpaisa_orders_are_made_once_and_their_status_is_told() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "orders");
    let order = json!({
        "order_id": "6116229263036", "order_amount": "105.00", "order_currency": "INR", "service_type": "DIGITAL",
        "customer": { "name": "A", "email": "a@b.example", "phone": "9" }, "return_url": "https://m.example/r",
    });
    let made = kwikpaisa(&dev, &key, "/api/v3/pg/order/create", &order, 0);
    assert_eq!((made.status, made.text("/status").as_str()), (200, "success"));
    let duplicate = kwikpaisa(&dev, &key, "/api/v3/pg/order/create", &order, 1);
    assert_eq!((duplicate.status, duplicate.json()["status"].as_bool()), (409, Some(false)));
    let status = kwikpaisa(&dev, &key, "/api/v3/pg/order/status", &json!({ "order_id": "6116229263036" }), 0);
    assert_eq!(status.text("/return_data/order_amount"), "105.00");
    let mut missing = order.clone();
    missing["order_id"] = json!("2");
    missing.as_object_mut().expect("an object").remove("customer");
    let missing = kwikpaisa(&dev, &key, "/api/v3/pg/order/create", &missing, 0);
    assert_eq!((missing.status, missing.json()["code"].as_i64()), (422, Some(422)));
    assert!(missing.text("/message").contains("customer"));
}

#[test]
fn kwikpaisa_refuses_a_wallet_of_the_other_environment() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "wallets");
    let balance = |wallet: &str, seconds: i64| {
        kwikpaisa(&dev, &key, "/api/v3/payout/balance", &json!({ "kwikx_wallet_id": wallet }), seconds)
    };
    assert_eq!(balance("kwx_test_1", 0).status, 200);
    let other = balance("kwx_live_1", 0);
    assert_eq!((other.status, other.text("/message").as_str()), (403, "Invalid wallet ID for selected environment."));
    let poor = json!({ "kwikx_wallet_id": "kwx_test_1", "amount": "99999999.00" });
    assert_eq!(kwikpaisa(&dev, &key, "/api/v3/banking/payment/create", &poor, 0).status, 422);
}

#[test]
fn every_error_of_a_dialect_has_its_envelope() {
    let dev = dev();
    for (product, method, path, pointer) in [
        ("razorpay", "GET", "/v1/orders", "/error/description"),
        ("kpay", "GET", "/api/v1/payments/me", "/message"),
        ("kwikpaisa", "POST", "/api/v3/pg/order/status", "/message"),
        ("kspay", "GET", "/transaction/none", "/message"),
        ("keymint", "GET", "/v1/whoami", "/error/message"),
    ] {
        let denied = Request::new(method, &format!("/{product}{path}")).send(dev.gateway);
        assert!((400..500).contains(&denied.status), "{product}");
        assert!(denied.json().pointer(pointer).is_some_and(Value::is_string), "{product}: {}", denied.body);
        let gated = Request::new(method, &format!("/{product}//{path}")).send(dev.gateway);
        assert_eq!(gated.status, 400, "{product}");
        assert!(gated.json().pointer(pointer).is_some_and(Value::is_string), "{product}: {}", gated.body);
    }
}
