//! The vectors of the vendors' fact sheet, made by outside clients and shown to the real gateway: each is accepted or
//! refused as the dialect documents, and so are its neighbours. What they mean at their own time is `domain`'s to test.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use keymint_testkit::{Dev, Key, Reply, Request};
use serde_json::{Value, json};

use super::{Client, Wire};
use crate::dev;

/// The time of the vectors. UNIX seconds.
const TIMESTAMP: i64 = 1_778_659_835;
const SECRET: &str = "sk_test_0123456789abcdef";
const DOCS: &str = r#"{"order_id":"123456","amount":"100"}"#;
const NESTED: &str = r#"{"order_id":"INV/1","order_amount":"105.00","customer":{"phone":"9999999999","name":"Zoë","email":"z@example.com"},"return_url":"https://m.example/r?a=1"}"#;
const NODE: &str = "kwikpaisa/orders.mjs";
const PHP: &str = "kwikpaisa/orders.php";
const PYTHON: &str = "kwikpaisa/orders.py";

/// Script, way to encode, payload, and the documented signature: section 1.4, in its order.
const VECTORS: [(&str, &str, &str, &str); 11] = [
    (NODE, "shallow", DOCS, "ec0a00340f0ebcda7ae903b08c8e98fd582cf4716119a79091bd1f5fc16e0d54"),
    (PHP, "default", DOCS, "ec0a00340f0ebcda7ae903b08c8e98fd582cf4716119a79091bd1f5fc16e0d54"),
    (PHP, "slashes_and_unicode", NESTED, "c5880ccaf0e148ee1f547be463b93b57d462c4b4d11701050762fe9b6f7d6bbd"),
    (PYTHON, "compact", NESTED, "c5880ccaf0e148ee1f547be463b93b57d462c4b4d11701050762fe9b6f7d6bbd"),
    (NODE, "shallow", NESTED, "78f77ba2d5b31cabaffd1e3762fdd8481fb299acd478ee72edd3078f2e923e79"),
    (PHP, "slashes", NESTED, "e2ab2a0f265e7e567ef61e70839468887d1cbc8985ff9f0d2d1f310b3a0b94f3"),
    (PHP, "default", NESTED, "a7fe223bad52efeac5e0067651dec9ed8df22634282e42e8fc64c168075ebae0"),
    (PYTHON, "default", NESTED, "3d7077f96d5b8cb40cedfd4edcf6c937cba2731bd806bcbb5737e33279ff224d"),
    (PYTHON, "as_given", "", "301f51af337ecf24a7afe3492e9306b9e6bcef0c6d9cf3b89c2f5a625d01ecac"),
    (PYTHON, "as_given", "{}", "894acc68f2bcc571e9991a2433f4c7f5ab6c9a242162e4ac7f04505a28978f3a"),
    (PYTHON, "as_given", "[]", "89142da2d11a1d582d8d2de04710e19ded465ec6322dc519ddf9d963a411fe94"),
];

fn clients(dev: &Dev, key: &Key) -> impl FnMut(&str, &Value) -> Value {
    let mut clients = [NODE, PHP, PYTHON].map(|script| (script, Client::start(dev, script, key)));
    move |script, command| {
        let client = clients.iter_mut().find(|(name, _)| *name == script);
        client.expect("one of the three").1.ask(command)
    }
}

fn is_invalid_signature(reply: &Reply) -> bool {
    reply.status == 401 && reply.body == r#"{"status":false,"code":401,"message":"Invalid signature."}"#
}

/// The reasons that the request log holds for a key, newest first.
fn reasons(dev: &Dev, key: &Key) -> Vec<String> {
    let logged = dev.api("GET", &format!("/credentials/{}/requests?limit=100", key.key_id), &Value::Null);
    let items = logged.json()["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["reason"].as_str().unwrap_or("none").to_owned()).collect()
}

#[test]
fn the_samples_make_the_documented_signatures() {
    let dev = dev();
    let key = Key { key_id: "pk_test_x".to_owned(), secret: SECRET.to_owned(), app_id: String::new() };
    let mut ask = clients(&dev, &key);
    for (script, style, payload, signature) in VECTORS {
        let command = json!({ "do": "sign", "style": style, "payload": payload, "timestamp": TIMESTAMP });
        assert_eq!(ask(script, &command)["headers"]["X-SIGNATURE"], signature, "{script} {style} {payload}");
    }
}

#[test]
fn the_documented_signatures_are_refused_today_because_their_time_is_over() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "vectors");
    let target = "/kwikpaisa/api/v3/pg/order/create";
    let mut ask = clients(&dev, &key);
    for (script, style, payload, signature) in VECTORS {
        // The vector as it stands, then the same payload with the signature that this key would have made.
        let command = json!({ "do": "sign", "style": style, "payload": payload, "timestamp": TIMESTAMP });
        let own = ask(script, &command)["headers"].clone();
        let mut documented = own.clone();
        documented["X-SIGNATURE"] = json!(signature);
        for headers in [documented, own] {
            let reply = Wire::new(&dev, "POST", target, &headers, Some(payload)).send(&dev);
            assert!(is_invalid_signature(&reply), "{script} {style}: {} {}", reply.status, reply.body);
        }
    }
    let reasons = reasons(&dev, &key);
    assert!(reasons.iter().all(|reason| reason == "stale_timestamp"), "{reasons:?}");
}

#[test]
fn the_documented_payloads_signed_now_are_accepted_and_nothing_one_bit_beside_them() {
    let dev = dev();
    let target = "/kwikpaisa/api/v3/pg/order/create";
    for (number, (script, style, payload, _)) in VECTORS.into_iter().enumerate() {
        // A key of its own for each, since two ways to encode may make one signature.
        let key = dev.key("kwikpaisa", &format!("now{number}"));
        let mut client = Client::start(&dev, script, &key);
        let signed = client.ask(&json!({ "do": "sign", "style": style, "payload": payload }));
        let wire = Wire::new(&dev, "POST", target, &signed["headers"], Some(payload));
        for range in [wire.body(), wire.value("X-API-KEY"), wire.value("X-SIGNATURE"), wire.value("X-TIMESTAMP")] {
            wire.judge_neighbours(&dev, range, is_invalid_signature);
        }
        // The sandbox wants more of an order than these payloads say: who is let in is told what is missing.
        let reply = wire.send(&dev);
        let expected = if payload.starts_with('{') { 422 } else { 400 };
        assert_eq!(reply.status, expected, "{script} {style} {payload}: {}", reply.body);
        assert!(is_invalid_signature(&wire.send(&dev)), "{script} {style} {payload}, the same again");
    }
}

const BASIC_ID: &str = "rzp_test_AAAAAAAAAAAAAA";
const BASIC_SECRET: &str = "BBBBBBBBBBBBBBBBBBBBBBBB";
const BASIC: &str = "Basic cnpwX3Rlc3RfQUFBQUFBQUFBQUFBQUE6QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC";
const FAILED: &str = r#"{"error":{"code":"BAD_REQUEST_ERROR","description":"Authentication failed"}}"#;

/// Answers one call as the gateway would, and gives the head that the client sent.
fn receive_one(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().expect("a client connects");
    let mut head = Vec::new();
    let mut part = [0_u8; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut part).expect("the client sends a head");
        assert_ne!(count, 0, "the client left in the middle of a head");
        head.extend_from_slice(&part[..count]);
    }
    let fields = "Content-Type: application/json\r\nConnection: close";
    let answer = format!("HTTP/1.1 401 Unauthorized\r\n{fields}\r\nContent-Length: {}\r\n\r\n{FAILED}", FAILED.len());
    stream.write_all(answer.as_bytes()).expect("the client reads");
    String::from_utf8(head).expect("a head is text")
}

#[test]
fn both_sdks_send_the_documented_basic_credentials() {
    let key = Key { key_id: BASIC_ID.to_owned(), secret: BASIC_SECRET.to_owned(), app_id: String::new() };
    for script in ["razorpay/orders.py", "razorpay/orders.mjs"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = format!("http://{}", listener.local_addr().expect("an address"));
        let receiver = thread::spawn(move || receive_one(&listener));
        let mut client = Client::start_at(&target, script, &key);
        let answer = client.ask(&json!({ "do": "all", "options": {} }));
        assert_eq!(answer["message"], "Authentication failed");
        let head = receiver.join().expect("the receiver ends well");
        let sent = head.lines().find_map(|line| line.strip_prefix("Authorization: "));
        assert_eq!(sent, Some(BASIC), "{script}");
    }
}

#[test]
fn basic_credentials_are_taken_in_their_documented_shape_and_in_no_other() {
    let dev = dev();
    let key = dev.key("razorpay", "vectors");
    let is_refused = |reply: &Reply| reply.status == 401 && reply.body == FAILED;
    let orders = |authorization: &str| {
        Request::new("GET", "/razorpay/v1/orders").header("Authorization", authorization).send(dev.gateway)
    };
    // The vector's own key exists nowhere.
    assert!(is_refused(&orders(BASIC)));
    let good = key.basic();
    assert_eq!(orders(&good).status, 200);
    let token = good.trim_start_matches("Basic ");
    for shape in ["BASIC {}", "basic {}", "Basic \"{}\"", "Basic ${}", "Basic  {}", "{}", "Basic{}", "Basic {}="] {
        let wrong = shape.replace("{}", token);
        assert!(is_refused(&orders(&wrong)), "{shape}");
    }
    let wire = Wire::new(&dev, "GET", "/razorpay/v1/orders", &json!({ "Authorization": good }), None);
    wire.judge_neighbours(&dev, wire.value("Authorization"), is_refused);
    assert_eq!(wire.send(&dev).status, 200);
}
