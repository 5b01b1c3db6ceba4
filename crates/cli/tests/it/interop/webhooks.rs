//! The vendors' own verifiers look at deliveries of a real Keymint: each takes what was sent, and nothing that is one bit
//! off it.

use keymint_testkit::receiver::{Got, Receiver};
use keymint_testkit::{Dev, Key};
use serde_json::{Value, json};

use super::{Client, spoiled};
use crate::dev;
use crate::webhooks::{app, endpoint, send_test};

fn verifier(script: &str, secret: &str) -> Client {
    let key = Key { key_id: String::new(), secret: secret.to_owned(), app_id: String::new() };
    Client::start_at("", script, &key)
}

/// What came, as a verifier is told of it.
fn told(got: &Got) -> Value {
    let headers: serde_json::Map<_, _> =
        got.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({ "headers": headers, "body": got.body })
}

fn accepts(client: &mut Client, delivery: &Value) -> bool {
    client.ask(delivery)["accepted"].as_bool().expect("a verdict")
}

/// The same with one bit of a text changed, once for each character but so many at its end.
fn neighbours(text: &str, kept_at_end: usize) -> Vec<String> {
    let last = text.len().saturating_sub(kept_at_end);
    let flipped = |at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        String::from_utf8(bytes).ok()
    };
    (0..last).filter_map(flipped).collect()
}

/// Takes what came; refuses it with any bit of the body or of these headers changed. Of each header the last characters
/// may be such that no program reads all their bits.
fn judge(script: &str, secret: &str, got: &Got, headers: &[(&str, usize)]) {
    let (mut client, delivery) = (verifier(script, secret), told(got));
    assert!(accepts(&mut client, &delivery), "{script} refuses {delivery}");
    let mut refused = 0;
    for body in neighbours(&got.body, 0).into_iter().chain([format!("{} ", got.body), String::new()]) {
        let mut changed = delivery.clone();
        changed["body"] = body.into();
        assert!(!accepts(&mut client, &changed), "{script} accepts {changed}");
        refused += 1;
    }
    for (name, kept_at_end) in headers {
        for value in neighbours(got.header(name).expect("it is there"), *kept_at_end) {
            let mut changed = delivery.clone();
            changed["headers"][*name] = value.into();
            assert!(!accepts(&mut client, &changed), "{script} accepts {changed}");
            refused += 1;
        }
    }
    assert!(refused > 200, "{refused}");
    // The same JSON, written otherwise: who parses before they check must fail.
    let parsed: Value = serde_json::from_str(&got.body).expect("JSON");
    let mut written_anew = delivery.clone();
    written_anew["body"] = serde_json::to_string_pretty(&parsed).expect("it is written").into();
    assert!(!accepts(&mut client, &written_anew), "{script}");
    assert!(!accepts(&mut verifier(script, &spoiled(secret)), &delivery), "{script} with another secret");
    assert!(accepts(&mut client, &delivery), "and it takes it still");
}

fn razorpays(script: &str) {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "razorpay", "judged");
    let (hook, secret) = endpoint(&dev, &app, json!({ "secret": "my-own-secret" }), &receiver);
    send_test(&dev, &hook, "payment.captured");
    judge(script, &secret, &receiver.wait_for(1)[0], &[("x-razorpay-signature", 0)]);
}

#[test]
fn razorpays_python_sdk_takes_a_delivery_and_refuses_every_bit_off() {
    razorpays("webhooks/razorpay_sdk.py");
}

#[test]
fn razorpays_node_sdk_takes_a_delivery_and_refuses_every_bit_off() {
    razorpays("webhooks/razorpay_sdk.mjs");
}

/// A base 64 letter before `=` has two bits that nobody reads.
const STANDARD: [(&str, usize); 3] = [("webhook-id", 0), ("webhook-timestamp", 0), ("webhook-signature", 2)];

fn roll(dev: &Dev, hook: &str, overlap_seconds: u32) -> String {
    let how = json!({ "overlap_seconds": overlap_seconds });
    let rolled = dev.api("POST", &format!("/webhook-endpoints/{hook}/roll-secret"), &how);
    assert_eq!(rolled.status, 200, "{}", rolled.body);
    rolled.text("/secret")
}

fn standard(script: &str) {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "keymint", "judged");
    let (hook, first) = endpoint(&dev, &app, json!({}), &receiver);
    send_test(&dev, &hook, "payment.captured");
    judge(script, &first, &receiver.wait_for(1)[0], &STANDARD);
    // While it is rolled, a server with either secret takes it; afterwards one with the new secret alone.
    let second = roll(&dev, &hook, 3600);
    send_test(&dev, &hook, "refund.created");
    let both = told(&receiver.wait_for(2)[1]);
    let third = roll(&dev, &hook, 0);
    send_test(&dev, &hook, "refund.created");
    let alone = told(&receiver.wait_for(3)[2]);
    for (secret, of_both, of_alone) in [(&first, true, false), (&second, true, false), (&third, false, true)] {
        let mut client = verifier(script, secret);
        assert_eq!((accepts(&mut client, &both), accepts(&mut client, &alone)), (of_both, of_alone), "{script}");
    }
}

#[test]
fn standard_webhooks_python_library_takes_a_delivery_and_refuses_every_bit_off() {
    standard("webhooks/standard.py");
}

#[test]
fn standard_webhooks_javascript_library_takes_a_delivery_and_refuses_every_bit_off() {
    standard("webhooks/standard.mjs");
}
