//! A live call that carries a card of the vendor's test data: refused in the vendor's words before anything of it goes
//! upstream; and what is none, or goes elsewhere, is not looked at.

use keymint_testkit::{Dev, Key, Reply, Request, Upstream};
use serde_json::{Value, json};

/// Razorpay's words.
const REFUSED: &str = r#"{"error":{"code":"BAD_REQUEST_ERROR","description":"card issuer is invalid"}}"#;

fn pay(dev: &Dev, key: &Key, path: &str, body: &str) -> Reply {
    let request = Request::new("POST", &format!("/razorpay{path}")).header("Authorization", &key.basic());
    request.header("Content-Type", "application/json").body(body).send(dev.gateway)
}

fn card(number: &Value) -> String {
    json!({ "amount": 50000, "currency": "INR", "card": { "number": number, "cvv": "123" } }).to_string()
}

#[test]
fn a_test_card_in_live_mode_is_refused_before_it_goes_upstream_and_nothing_else_is() {
    let upstream = Upstream::plain();
    let address = format!("addresses = [\"{}\"]", upstream.url());
    let table = format!("[product.upstream_test]\n{address}\n[product.upstream_live]\n{address}");
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &[("razorpay", table)]);
    let live = dev.live_key("razorpay", "cards");
    let test = dev.key_of(&live.app_id, &json!({ "mode": "test" }));
    let create = "/v1/payments/create/json";
    let long = json!({ "filler": "x".repeat(200_000), "card": { "number": "4100280000001007" } }).to_string();
    for (path, body) in [
        (create, card(&json!("4100280000001007"))),
        (create, card(&json!("4100 2800 0000 1007"))),
        (create, card(&json!("4100-2800-0000-1007"))),
        (create, card(&json!(4_100_280_000_001_007_u64))),
        (create, card(&json!("5305620000070009"))),
        (create, card(&json!("340256000401007"))),
        (create, long),
        ("/v1/payments/create/redirect", card(&json!("5555555555554444"))),
        ("/v1/payments", card(&json!("4012888888881881"))),
        ("/v1/Payments/Create/JSON/", card(&json!("4100280000001007"))),
    ] {
        let refused = pay(&dev, &live, path, &body);
        assert_eq!((refused.status, refused.body.as_str()), (400, REFUSED), "{path} {}", &body[..60]);
    }
    assert_eq!((upstream.bytes(), upstream.connections()), (0, 0), "nothing went upstream");
    let logged =
        dev.api("GET", &format!("/credentials/{}/requests?reason=test_card_in_live", live.key_id), &Value::Null);
    assert_eq!(logged.json()["items"].as_array().map(Vec::len), Some(10), "{}", logged.body);
    assert!(!logged.body.contains("4100280000001007"));

    let named = json!({ "notes": { "card": "4100280000001007" }, "card": { "last4": "1007" } }).to_string();
    for (path, body) in [
        (create, card(&json!("4100280000001008"))),
        (create, card(&json!("41002800000010071"))),
        (create, card(&json!("04100280000001007"))),
        (create, card(&json!("4100280000001007x"))),
        (create, named.clone()),
        (create, "{}".to_owned()),
        (create, "no JSON 4100280000001007".to_owned()),
        (create, String::new()),
        ("/v1/orders", card(&json!("4100280000001007"))),
        ("/v1/payments/create/json/more", card(&json!("4100280000001007"))),
    ] {
        let through = pay(&dev, &live, path, &body);
        assert_eq!(through.status, 200, "{path} {body}: {}", through.body);
        assert_eq!(upstream.only().body, body.as_bytes(), "byte for byte");
        upstream.forget();
    }
    let through = pay(&dev, &test, create, &card(&json!("4100280000001007")));
    assert_eq!(through.status, 200, "test mode is what test cards are for: {}", through.body);
    let stranger = Key { secret: "A".repeat(24), ..live };
    let unknown = pay(&dev, &stranger, create, &card(&json!("4100280000001007")));
    assert_eq!(unknown.status, 401, "whoever has not shown the secret learns nothing of it");
}
