//! KS Pay's sandbox: from the key to a processed transaction, its list, and the numbers of its errors.

use keymint_testkit::{Call, Dev, Key, Reply, Request};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::simulators::clock;

/// A server's call, signed.
pub fn signed(dev: &Dev, key: &Key, (path, second): (&str, i64), body: &Value, asked: &str) -> Reply {
    let body = body.to_string();
    let call = Call::new("kspay", "POST", path, &body).shifted(second);
    let request = call.signed(dev.gateway, key);
    let request = if asked.is_empty() { request } else { request.header("X-Keymint-Simulate", asked) };
    request.send(dev.gateway)
}

pub fn begin(dev: &Dev, key: &Key, (amount, second): (f64, i64)) -> Reply {
    let body = json!({
        "currencyId": "c_8Fq2Lx0a", "paymentMethodId": "pm_7Upi0000", "amount": amount, "referenceNumber": "r-1",
    });
    signed(dev, key, ("/transaction/initiate", second), &body, "")
}

/// An access token.
pub fn token(dev: &Dev, key: &Key) -> String {
    let body = json!({ "accessKey": key.key_id, "secretKey": key.secret });
    let bought = Request::new("POST", &format!("/kspay/auth/generate-token/{}", key.app_id)).body(&body.to_string());
    let bought = bought.send(dev.gateway);
    assert_eq!(bought.status, 201, "{}", bought.body);
    bought.text("/result/accessToken")
}

pub fn get(dev: &Dev, token: &str, path: &str) -> Reply {
    Request::new("GET", &format!("/kspay{path}")).header("Authorization", &format!("Bearer {token}")).send(dev.gateway)
}

fn code(reply: &Reply) -> (u16, i64) {
    (reply.status, reply.json()["code"].as_i64().unwrap_or_default())
}

fn ids(reply: &Reply) -> Vec<String> {
    let items = reply.json()["result"]["transactions"].as_array().cloned().unwrap_or_default();
    items.iter().map(|one| one["pe_txnId"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_whole_integration_from_the_key_to_the_list() {
    let dev = dev();
    let app = app_of(&dev, "kspay");
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    let token = token(&dev, &key);
    let currency = get(&dev, &token, "/currencies").text("/result/0/id");
    let method = get(&dev, &token, &format!("/{currency}/payment-methods")).text("/result/1/id");
    assert_eq!((currency.as_str(), method.as_str()), ("c_8Fq2Lx0a", "pm_7Upi0000"));
    for (number, (amount, asked, status)) in
        [(10.5, "", "SUCCESS"), (10.12, "", "FAILED"), (10.13, "", "PROCESSING"), (7.0, "settle=1h", "PROCESSING")]
            .into_iter()
            .enumerate()
    {
        let second = i64::try_from(number).expect("small") * 3;
        let made = begin(&dev, &key, (amount, second));
        assert_eq!((made.status, made.json()["result"]["amount"].as_f64()), (201, Some(amount)), "{}", made.body);
        let id = made.text("/result/pe_txnId");
        let read = |pointer: &str| get(&dev, &token, &format!("/transaction/txnId/{id}")).text(pointer);
        assert_eq!(read("/result/status"), "PENDING");
        let body = json!({ "pe_txnId": id });
        let paid = signed(&dev, &key, ("/transaction/process", second + 1), &body, asked);
        assert_eq!((paid.status, paid.text("/result/order/status")), (200, "PROCESSING".to_owned()), "{}", paid.body);
        assert_eq!(
            (read("/result/status").as_str(), read("/result/paymentMode").as_str()),
            (status, "UPI"),
            "{amount}"
        );
        let again = signed(&dev, &key, ("/transaction/process", second + 2), &body, "");
        assert_eq!(
            (code(&again), again.text("/message")),
            ((400, 25), "Invalid Request: the transaction is not pending".into())
        );
    }
    let owner = Browser::signed_in(&dev, "owner");
    let list = owner.get(&format!("/apps/{app}/transactions")).body;
    assert!(list.contains(">success<") && list.contains(">failed<") && list.contains(">processing<"), "{list}");
    assert!(owner.get(&format!("/apps/{app}")).body.contains("success"));
}

#[test]
fn what_is_wrong_has_its_number_and_what_is_anothers_is_not_there() {
    let dev = dev();
    let (key, other) = (dev.key("kspay", "mine"), dev.key("kspay", "theirs"));
    let (token, theirs) = (token(&dev, &key), token(&dev, &other));
    let shape = "ID must start with 'tx_' and be 11 characters long with alphanumeric characters following the prefix.";
    for odd in ["x", "tx_1234567", "tx_123456789", "tx_1234567-", "c_12345678x"] {
        let refused = get(&dev, &token, &format!("/transaction/txnId/{odd}"));
        assert_eq!((code(&refused), refused.text("/message").as_str()), ((400, -17), shape), "{odd}");
    }
    let id = begin(&dev, &key, (10.0, 0)).text("/result/pe_txnId");
    let unknown = get(&dev, &token, "/transaction/txnId/tx_00000000");
    let foreign = get(&dev, &theirs, &format!("/transaction/txnId/{id}"));
    assert_eq!((code(&unknown), &foreign.body), ((404, 24), &unknown.body), "unknown and foreign are one answer");
    let stolen = signed(&dev, &other, ("/transaction/process", 0), &json!({ "pe_txnId": id }), "");
    assert_eq!(code(&stolen), (404, 24));
    let body = |name: &str, value: Value| {
        let mut body = json!({
            "currencyId": "c_8Fq2Lx0a", "paymentMethodId": "pm_7Upi0000", "amount": 1, "referenceNumber": "r",
        });
        body[name] = value;
        body
    };
    for (second, (body, wanted)) in [
        (body("currencyId", json!("c_00000000")), (404, 24)),
        (body("currencyId", json!("c_0000000")), (400, -17)),
        (body("paymentMethodId", json!("pm_00000000")), (404, 24)),
        (body("paymentMethodId", json!("c_8Fq2Lx0a")), (400, -17)),
        (body("amount", json!(0)), (400, 25)),
        (body("amount", json!(-1)), (400, 25)),
        (body("referenceNumber", json!("")), (400, 25)),
        (body("referenceNumber", json!("x".repeat(257))), (400, 25)),
    ]
    .into_iter()
    .enumerate()
    {
        let second = i64::try_from(second).expect("small") + 1;
        assert_eq!(code(&signed(&dev, &key, ("/transaction/initiate", second), &body, "")), wanted, "{body}");
    }
    assert_eq!(code(&get(&dev, &token, "/c_00000000/payment-methods")), (404, 24));
    assert_eq!(code(&get(&dev, &token, "/none/payment-methods")), (400, -17));
}

#[test]
fn the_npm_packages_way_to_begin_a_transaction_is_left_out_and_its_token_begins_nothing() {
    let dev = dev();
    let key = dev.key("kspay", "npm");
    let token = token(&dev, &key);
    let body = json!({
        "appId": key.app_id, "currencyId": "c_8Fq2Lx0a", "paymentMethodId": "pm_7Upi0000", "amount": 1.5,
        "referenceNumber": "r-1", "redirectUrl": "https://shop.example/back",
    });
    let request = Request::new("POST", "/kspay/transaction/initiate").body(&body.to_string());
    let refused = request.header("Authorization", &format!("Bearer {token}")).send(dev.gateway);
    assert_eq!(code(&refused), (400, 9000), "{}", refused.body);
    assert_eq!(ids(&get(&dev, &token, "/transaction")), Vec::<String>::new());
}

#[test]
fn a_list_is_paged_newest_first_within_ninety_days() {
    let dev = dev();
    let (key, other) = (dev.key("kspay", "pages"), dev.key("kspay", "elsewhere"));
    let token = token(&dev, &key);
    begin(&dev, &other, (1.0, 0));
    let mut made = Vec::new();
    for (second, day) in ["2030-01-01", "2030-02-01", "2030-03-01", "2030-04-02"].into_iter().enumerate() {
        assert_eq!(clock(&dev, &key.app_id, &format!("{day}T00:00:00Z")).status, 200);
        made.push(begin(&dev, &key, (1.0, i64::try_from(second).expect("small"))).text("/result/pe_txnId"));
    }
    made.reverse();
    let list = |query: &str| get(&dev, &token, &format!("/transaction{query}"));
    assert_eq!(ids(&list("")), made[..3], "the last ninety days of the app's clock");
    let first = list("?page=1&limit=2");
    assert_eq!((ids(&first), first.json()["result"]["hasMore"].clone()), (made[..2].to_vec(), json!(true)));
    let second = list("?page=2&limit=2");
    assert_eq!((ids(&second), second.json()["result"]["hasMore"].clone()), (made[2..3].to_vec(), json!(false)));
    assert_eq!(ids(&list("?startDate=2030-01-01&endDate=2030-02-01")), made[2..], "both days are in it");
    assert_eq!(ids(&list("?startDate=2030-01-02&endDate=2030-01-31")), Vec::<String>::new());
    for (query, wanted) in [
        ("?startDate=2030-01-01&endDate=2030-04-01", (400, 11006)),
        ("?startDate=2030-01-02&endDate=2030-04-01", (200, 0)),
        ("?startDate=soon", (400, 11007)),
        ("?endDate=2030-02-30", (400, 11008)),
        ("?startDate=2030-03-02&endDate=2030-03-01", (400, 11009)),
        ("?page=0", (400, 4089)),
        ("?limit=0", (400, 4056)),
        ("?limit=101", (400, 4056)),
    ] {
        assert_eq!(code(&list(query)), wanted, "{query}");
    }
}
