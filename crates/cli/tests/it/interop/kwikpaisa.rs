//! KwikPaisa's samples in Node, PHP and Python: each way to encode the payload is accepted, whatever the order in which
//! the body is sent, and every request one bit away from it is refused.

use keymint_testkit::{Dev, Key, Reply};
use serde_json::{Value, json};

use super::{Client, Wire};
use crate::dev;

const CREATE: &str = "/api/v3/pg/order/create";
const STATUS: &str = "/api/v3/pg/order/status";
const INVALID: &str = r#"{"status":false,"code":401,"message":"Invalid signature."}"#;

/// A payload with members out of order at every level, slashes, what lies beyond ASCII, numbers and strings as amounts,
/// an object without members; U+2028 is what PHP alone and U+007F what Python alone escapes.
fn payload(order_id: &str) -> String {
    let text = r#"{"return_url":"https://m.example/r?a=1&b=2/3","order_id":"ORDER","order_amount":105.5,"tax":"18.00",
        "order_currency":"INR","service_type":"DIGITAL","quantity":3,
        "customer":{"phone":"9999999999","name":"Zoë Łódź 😀","extra":{},"email":"z@example.com"},
        "items":[{"sku":"b/1","price":"10.00"},{"sku":"a/2","price":5}],"order_note":"NOTE"}"#;
    text.replace("\n        ", "").replace("ORDER", order_id).replace("NOTE", "a\u{2028}b\u{7f}c")
}

fn is_invalid_signature(reply: &Reply) -> bool {
    reply.status == 401 && reply.body == INVALID
}

fn send(client: &mut Client, path: &str, signed: &Value, body: &str) -> (u64, Value) {
    let command = json!({ "do": "send", "path": path, "headers": signed["headers"], "body": body });
    let answer = client.ask(&command);
    let body = answer["body"].as_str().expect("a body");
    (answer["status"].as_u64().expect("a status"), serde_json::from_str(body).expect("a body in JSON"))
}

fn sign(client: &mut Client, style: &str, payload: &str) -> Value {
    client.ask(&json!({ "do": "sign", "style": style, "payload": payload }))
}

fn refuse_every_neighbour(dev: &Dev, signed: &Value, body: &str) {
    let wire = Wire::new(dev, "POST", &format!("/kwikpaisa{CREATE}"), &signed["headers"], Some(body));
    for range in [wire.body(), wire.value("X-API-KEY"), wire.value("X-SIGNATURE"), wire.value("X-TIMESTAMP")] {
        wire.judge_neighbours(dev, range, is_invalid_signature);
    }
}

/// One way to encode: the body as it was given to the client, as the client writes it unsorted, and as it was signed.
fn accept_each_body(dev: &Dev, client: &mut Client, style: &str) {
    let invalid: Value = serde_json::from_str(INVALID).expect("it is JSON");
    for kind in ["given", "plain", "signed"] {
        let payload = payload(&format!("INV/{style}/{kind}"));
        let signed = sign(client, style, &payload);
        let body = signed[kind].as_str().unwrap_or(&payload);
        refuse_every_neighbour(dev, &signed, body);
        let (status, made) = send(client, CREATE, &signed, body);
        assert_eq!((status, &made["return_data"]["order_amount"]), (200, &json!("105.50")), "{style} {kind}: {made}");
        assert_eq!(send(client, CREATE, &signed, body), (401, invalid.clone()), "{style} {kind}, the same again");
    }
}

/// What was made is there, and cannot be made twice.
fn find_the_order_and_refuse_another(client: &mut Client, style: &str) {
    let order_id = format!("INV/{style}/given");
    let ask = json!({ "order_id": order_id }).to_string();
    let signed = sign(client, style, &ask);
    let (status, found) = send(client, STATUS, &signed, &ask);
    let data = &found["return_data"];
    assert_eq!((status, &data["order_id"], &data["order_status"]), (200, &json!(order_id), &json!("PENDING")));
    // The same order at another time of its own, inside the window.
    let order = payload(&order_id);
    let timestamp = signed["headers"]["X-TIMESTAMP"].as_str().and_then(|text| text.parse::<i64>().ok());
    let later = timestamp.expect("UNIX seconds") + 60;
    let signed = client.ask(&json!({ "do": "sign", "style": style, "payload": order, "timestamp": later }));
    let (status, duplicate) = send(client, CREATE, &signed, &order);
    assert_eq!((status, &duplicate["message"]), (409, &json!("Duplicate order_id.")));
}

fn accept_sample(script: &str, styles: &[&str]) {
    let dev = dev();
    let mut client = Client::start(&dev, script, &dev.key("kwikpaisa", "sample"));
    for style in styles {
        accept_each_body(&dev, &mut client, style);
        find_the_order_and_refuse_another(&mut client, style);
    }
}

#[test]
fn the_node_sample_is_accepted_and_nothing_one_bit_beside_it() {
    accept_sample("kwikpaisa/orders.mjs", &["shallow"]);
}

#[test]
fn an_unsorted_node_client_is_accepted_and_nothing_one_bit_beside_it() {
    accept_sample("kwikpaisa/orders.mjs", &["unsorted"]);
}

#[test]
fn the_php_sample_with_raw_slashes_and_unicode_is_accepted_and_nothing_one_bit_beside_it() {
    accept_sample("kwikpaisa/orders.php", &["slashes_and_unicode"]);
}

#[test]
fn the_php_sample_with_raw_slashes_is_accepted_and_nothing_one_bit_beside_it() {
    accept_sample("kwikpaisa/orders.php", &["slashes"]);
}

#[test]
fn the_php_sample_without_flags_is_accepted_and_nothing_one_bit_beside_it() {
    accept_sample("kwikpaisa/orders.php", &["default"]);
}

#[test]
fn python_with_default_separators_is_accepted_and_nothing_one_bit_beside_it() {
    accept_sample("kwikpaisa/orders.py", &["default"]);
}

#[test]
fn python_with_compact_separators_and_raw_unicode_is_accepted_and_nothing_one_bit_beside_it() {
    accept_sample("kwikpaisa/orders.py", &["compact"]);
}

/// JavaScript moves keys that are numbers to the front, at every level.
#[test]
fn the_node_sample_with_numbers_as_keys_is_accepted_in_any_order_of_the_body() {
    let dev = dev();
    let mut client = Client::start(&dev, "kwikpaisa/orders.mjs", &dev.key("kwikpaisa", "numbers"));
    let notes = r#","notes":{"b":"x","10":"y","9":{"z":1,"2":0}},"7":"seven","order_note""#;
    for (number, kind) in ["given", "plain", "signed"].into_iter().enumerate() {
        let payload = payload(&format!("N-{number}")).replace(r#","order_note""#, notes);
        let signed = sign(&mut client, "shallow", &payload);
        assert_eq!(send(&mut client, CREATE, &signed, signed[kind].as_str().unwrap_or(&payload)).0, 200, "{kind}");
    }
}

/// What a form cannot tell from tampering is refused, unless the body is what was signed.
#[test]
fn a_body_whose_numbers_or_numeric_keys_were_written_anew_is_refused() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "anew");
    let number = payload("A-1").replace("105.5", "105.00");
    let keys = payload("A-2").replace(r#","order_note""#, r#","notes":{"10":"y","9":"x"},"order_note""#);
    for (script, style, payload) in [
        ("kwikpaisa/orders.mjs", "shallow", &number),
        ("kwikpaisa/orders.php", "slashes", &number.replace("A-1", "A-3")),
        ("kwikpaisa/orders.php", "slashes", &keys),
    ] {
        let mut client = Client::start(&dev, script, &key);
        let signed = sign(&mut client, style, payload);
        assert_eq!(send(&mut client, CREATE, &signed, payload).0, 401, "{script} {payload}");
        assert_eq!(send(&mut client, CREATE, &signed, signed["signed"].as_str().expect("text")).0, 200, "{script}");
    }
}

#[test]
fn the_sample_of_a_revoked_key_or_another_secret_is_refused() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "revoke");
    let status = |client: &mut Client, order_id: &str| {
        let ask = json!({ "order_id": order_id }).to_string();
        let signed = sign(client, "shallow", &ask);
        send(client, STATUS, &signed, &ask).0
    };
    let mut client = Client::start(&dev, "kwikpaisa/orders.mjs", &key);
    let wrong = Key { secret: super::spoiled(&key.secret), ..key.clone() };
    assert_eq!(status(&mut Client::start(&dev, "kwikpaisa/orders.mjs", &wrong), "1"), 401);
    assert_eq!(status(&mut client, "2"), 404);
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert_eq!(status(&mut client, "3"), 401);
}
