//! Razorpay's own SDKs, from PyPI and npm: orders, their errors, revocation and rolls on one running client.

use keymint_testkit::{Dev, Key};
use serde_json::{Value, json};

use super::{Client, spoiled};
use crate::dev;

/// An SDK, and what it makes of an answer of ours.
struct Sdk {
    script: &'static str,
    refusal: fn(u16, &str) -> Value,
}

const PYTHON: Sdk = Sdk {
    script: "razorpay/orders.py",
    // The SDK's class for everything whose code is BAD_REQUEST_ERROR; the status is not told.
    refusal: |_, message| json!({ "error": "BadRequestError", "message": message }),
};
const NODE: Sdk = Sdk {
    script: "razorpay/orders.mjs",
    refusal: |status, message| json!({ "status": status, "error": "BAD_REQUEST_ERROR", "message": message }),
};

impl Sdk {
    fn client(&self, dev: &Dev, key: &Key) -> Client {
        Client::start(dev, self.script, key)
    }

    fn is_let_in(&self, client: &mut Client) -> bool {
        let answer = client.ask(&json!({ "do": "all", "options": {} }));
        let is_let_in = answer["ok"]["entity"] == "collection";
        assert!(is_let_in || answer == (self.refusal)(401, "Authentication failed"), "{answer}");
        is_let_in
    }
}

fn successor(dev: &Dev, key: &Key, grace_seconds: u32) -> Key {
    let rolled = dev.roll(&key.key_id, grace_seconds);
    assert_eq!(rolled.status, 201, "{}", rolled.body);
    let (key_id, secret) = (rolled.text("/credential/key_id"), rolled.text("/credential/secret"));
    Key { key_id, secret, app_id: key.app_id.clone() }
}

fn orders_are_made_fetched_and_listed(sdk: &Sdk) {
    let dev = dev();
    let mut client = sdk.client(&dev, &dev.key("razorpay", "orders"));
    let order = json!({ "amount": 50000, "currency": "INR", "receipt": "Zoë/1", "notes": { "city": "Łódź 😀" } });
    let made = client.ask(&json!({ "do": "create", "order": order }));
    for (member, value) in order.as_object().expect("an object") {
        assert_eq!(&made["ok"][member], value, "{made}");
    }
    assert_eq!((&made["ok"]["entity"], &made["ok"]["status"]), (&json!("order"), &json!("created")), "{made}");
    let id = made["ok"]["id"].as_str().expect("an id");
    assert_eq!(client.ask(&json!({ "do": "fetch", "id": id })), made);
    client.ask(&json!({ "do": "create", "order": order }));
    let listed = client.ask(&json!({ "do": "all", "options": { "count": 1, "skip": 1 } }));
    assert_eq!((&listed["ok"]["count"], &listed["ok"]["items"][0]), (&json!(1), &made["ok"]), "{listed}");
}

fn refusals_are_the_sdks_own_errors(sdk: &Sdk) {
    let dev = dev();
    let (key, other) = (dev.key("razorpay", "mine"), dev.key("razorpay", "other"));
    let mut client = sdk.client(&dev, &key);
    let order = json!({ "do": "create", "order": { "amount": 100, "currency": "INR" } });
    let foreign = sdk.client(&dev, &other).ask(&order)["ok"]["id"].clone();
    for (command, message) in [
        (json!({ "do": "fetch", "id": foreign }), "The id provided does not exist"),
        (json!({ "do": "fetch", "id": "order_short" }), "id is not a valid id."),
        (
            json!({ "do": "create", "order": { "amount": 99, "currency": "INR" } }),
            "The amount must be at least INR 1.00.",
        ),
        (json!({ "do": "all", "options": { "count": 101 } }), "The count may not be greater than 100."),
    ] {
        assert_eq!(client.ask(&command), (sdk.refusal)(400, message));
    }
    let wrong_secret = Key { secret: spoiled(&key.secret), ..key.clone() };
    let wrong_id = Key { key_id: spoiled(&key.key_id), ..key };
    for wrong in [wrong_secret, wrong_id] {
        let mut client = sdk.client(&dev, &wrong);
        assert_eq!(client.ask(&order), (sdk.refusal)(401, "Authentication failed"));
    }
}

fn a_running_client_fails_on_the_very_next_call_after_revoke(sdk: &Sdk) {
    let dev = dev();
    let key = dev.key("razorpay", "revoke");
    let mut client = sdk.client(&dev, &key);
    assert!(sdk.is_let_in(&mut client));
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert!(!sdk.is_let_in(&mut client));
}

fn a_roll_leaves_running_clients_what_its_grace_says(sdk: &Sdk) {
    let dev = dev();
    for (grace_seconds, is_old_let_in) in [(86_400, true), (0, false)] {
        let key = dev.key("razorpay", &format!("roll{grace_seconds}"));
        let mut old = sdk.client(&dev, &key);
        assert!(sdk.is_let_in(&mut old));
        let mut new = sdk.client(&dev, &successor(&dev, &key, grace_seconds));
        assert_eq!(sdk.is_let_in(&mut old), is_old_let_in, "{grace_seconds} seconds of grace");
        assert!(sdk.is_let_in(&mut new));
    }
}

#[test]
fn the_python_sdk_makes_fetches_and_lists_orders() {
    orders_are_made_fetched_and_listed(&PYTHON);
}

#[test]
fn the_python_sdk_raises_its_own_errors() {
    refusals_are_the_sdks_own_errors(&PYTHON);
}

#[test]
fn the_python_sdk_fails_on_the_very_next_call_after_revoke() {
    a_running_client_fails_on_the_very_next_call_after_revoke(&PYTHON);
}

#[test]
fn the_python_sdk_works_with_both_keys_after_a_24_hour_roll_and_only_the_new_one_without_grace() {
    a_roll_leaves_running_clients_what_its_grace_says(&PYTHON);
}

#[test]
fn the_node_sdk_makes_fetches_and_lists_orders() {
    orders_are_made_fetched_and_listed(&NODE);
}

#[test]
fn the_node_sdk_raises_its_own_errors() {
    refusals_are_the_sdks_own_errors(&NODE);
}

#[test]
fn the_node_sdk_fails_on_the_very_next_call_after_revoke() {
    a_running_client_fails_on_the_very_next_call_after_revoke(&NODE);
}

#[test]
fn the_node_sdk_works_with_both_keys_after_a_24_hour_roll_and_only_the_new_one_without_grace() {
    a_roll_leaves_running_clients_what_its_grace_says(&NODE);
}

/// What a checkout sends back is what the SDK expects, and nothing that is one byte off.
fn payment_signatures_are_verified(script: &str) {
    let dev = dev();
    let key = dev.key("razorpay", "returns");
    let call = |path: &str, body: Value| {
        let body = body.to_string();
        keymint_testkit::Call::new("razorpay", "POST", path, &body).signed(dev.gateway, &key).send(dev.gateway)
    };
    let order = call("/v1/orders", json!({ "amount": 50_000, "currency": "INR" })).text("/id");
    let made = call("/v1/test/payments", json!({ "order_id": order, "method": "upi", "vpa": "success@razorpay" }));
    let names = ["razorpay_order_id", "razorpay_payment_id", "razorpay_signature"];
    let value = |name: &&str| ((*name).to_owned(), Value::from(made.text(&format!("/{name}"))));
    let values: Value = names.iter().map(value).collect::<serde_json::Map<_, _>>().into();
    let mut client = Client::start(&dev, script, &key);
    assert_eq!(client.ask(&json!({ "values": values })), json!({ "ok": true }), "{values}");
    for name in names {
        let mut changed = values.clone();
        changed[name] = Value::from(spoiled(values[name].as_str().expect("a text")));
        assert_eq!(client.ask(&json!({ "values": changed })), json!({ "ok": false }), "{name}");
    }
    let other = dev.key("razorpay", "other-returns");
    let mut other = Client::start(&dev, script, &other);
    assert_eq!(other.ask(&json!({ "values": values })), json!({ "ok": false }), "another merchant's secret");
}

#[test]
fn the_python_sdk_verifies_payment_signatures() {
    payment_signatures_are_verified("razorpay/returns.py");
}

#[test]
fn the_node_sdk_verifies_payment_signatures() {
    payment_signatures_are_verified("razorpay/returns.mjs");
}
