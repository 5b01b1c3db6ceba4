//! Webhooks over the real binary: what a merchant's server gets, signed as each vendor signs, and what never leaves.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use keymint_testkit::receiver::{Answer, Got, Receiver};
use keymint_testkit::{Dev, Reply, eventually};
use serde_json::{Value, json};

use crate::dev;

fn hex(secret: &str, parts: &[&str]) -> String {
    HEXLOWER.encode(&mac(secret.as_bytes(), parts))
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), parts.concat().as_bytes()).as_ref().to_vec()
}

/// An app of a fresh merchant.
pub fn app(dev: &Dev, product: &str, name: &str) -> String {
    dev.app(&dev.merchant(&format!("{product}-{name}")), product, name)
}

pub fn make(dev: &Dev, app: &str, body: &Value) -> Reply {
    dev.api("POST", &format!("/apps/{app}/webhook-endpoints"), body)
}

/// A test endpoint: its id, and its secret where it got one.
pub fn endpoint(dev: &Dev, app: &str, mut body: Value, receiver: &Receiver) -> (String, String) {
    body["mode"] = "test".into();
    body["url"] = receiver.url().into();
    let made = make(dev, app, &body);
    assert_eq!(made.status, 201, "{}", made.body);
    (made.text("/id"), made.text("/secret"))
}

pub fn send_test(dev: &Dev, endpoint: &str, event: &str) -> String {
    let sent = dev.api("POST", &format!("/webhook-endpoints/{endpoint}/test"), &json!({ "event": event }));
    assert_eq!(sent.status, 202, "{}", sent.body);
    sent.text("/id")
}

pub fn publish(dev: &Dev, app: &str, name: &str) -> Reply {
    let body = json!({ "event": name, "n": 1 }).to_string();
    dev.api("POST", &format!("/apps/{app}/events"), &json!({ "mode": "test", "name": name, "body": body }))
}

/// A delivery, once it stands so.
pub fn settled(dev: &Dev, delivery: &str, status: &str) -> Value {
    eventually(|| {
        let found = dev.api("GET", &format!("/webhook-deliveries/{delivery}"), &Value::Null);
        if found.text("/status") == status { Ok(found.json()) } else { Err(found.body) }
    })
}

#[test]
fn razorpays_webhook_has_its_headers_and_a_signature_over_the_raw_body_and_one_id_on_every_try() {
    let (dev, receiver) = (dev(), Receiver::start());
    receiver.answers([Answer::Status(500)], Answer::Status(204));
    let app = app(&dev, "razorpay", "signed");
    let (endpoint, shown) = endpoint(&dev, &app, json!({ "secret": "my-own-secret" }), &receiver);
    assert_eq!(shown, "my-own-secret");
    let delivery = send_test(&dev, &endpoint, "payment.captured");
    let got = receiver.wait_for(2);
    for one in &got {
        assert_eq!(one.line, "POST /hook HTTP/1.1");
        assert_eq!(one.header("user-agent"), Some("Razorpay-Webhook/v1"));
        assert_eq!(one.header("content-type"), Some("application/json"));
        assert_eq!(one.header("x-razorpay-signature"), Some(&*hex("my-own-secret", &[&one.body])));
        assert_eq!(one.header("x-razorpay-event-id"), got[0].header("x-razorpay-event-id"));
        assert_eq!(one.body, got[0].body, "byte for byte");
    }
    let body: Value = serde_json::from_str(&got[0].body).expect("JSON");
    assert_eq!(
        (&body["entity"], &body["event"], &body["contains"][0]),
        (&"event".into(), &"payment.captured".into(), &"payment".into())
    );
    assert!(body["payload"]["payment"]["entity"]["id"].is_string());
    let done = settled(&dev, &delivery, "delivered");
    assert_eq!(done["event_id"], got[0].header("x-razorpay-event-id").unwrap_or_default());
    let (first, second) = (&done["attempts"][0], &done["attempts"][1]);
    assert_eq!((&first["status"], &first["problem"]), (&500.into(), &"answered 500".into()));
    assert_eq!((&second["status"], &second["problem"], &second["answer"]), (&204.into(), &Value::Null, &"".into()));
}

#[test]
fn a_new_secret_signs_later_events_and_every_retry_of_an_older_one_keeps_the_old_one() {
    let dev = dev();
    for (product, header) in [("razorpay", "x-razorpay-signature"), ("kpay", "x-kpay-signature")] {
        let receiver = Receiver::start();
        let app = app(&dev, product, "rolled");
        let (endpoint, old) = endpoint(&dev, &app, json!({ "secret": "the-old-secret" }), &receiver);
        receiver.answers([Answer::Hold(500), Answer::Status(500)], Answer::Status(200));
        let event = if product == "kpay" { "payment.completed" } else { "payment.captured" };
        let older = send_test(&dev, &endpoint, event);
        receiver.wait_for(1);
        let roll = json!({ "secret": "the-new-secret" });
        let rolled = dev.api("POST", &format!("/webhook-endpoints/{endpoint}/roll-secret"), &roll);
        assert_eq!((rolled.status, rolled.text("/secret")), (200, "the-new-secret".to_owned()));
        receiver.release();
        // The first try and two more of the older event: 500, 500, 200.
        let got = receiver.wait_for(3);
        for one in &got[..3] {
            assert_eq!(one.header(header), Some(&*hex(&old, &[&one.body])), "{product}");
        }
        settled(&dev, &older, "delivered");
        let later = send_test(&dev, &endpoint, event);
        let got = receiver.wait_for(4);
        assert_eq!(got[3].header(header), Some(&*hex("the-new-secret", &[&got[3].body])), "{product}");
        settled(&dev, &later, "delivered");
        // Sent once more on request, the older event is the older event.
        let again = dev.api("POST", &format!("/webhook-deliveries/{older}/resend"), &Value::Null);
        assert_eq!(again.status, 202, "{}", again.body);
        let got = receiver.wait_for(5);
        assert_eq!(got[4].header(header), Some(&*hex(&old, &[&got[4].body])), "{product}");
    }
}

#[test]
fn without_a_secret_razorpay_sends_no_signature_and_a_secret_of_the_api_is_another() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "razorpay", "bare");
    let (bare, shown) = endpoint(&dev, &app, json!({}), &receiver);
    assert_eq!(shown, "");
    send_test(&dev, &bare, "order.paid");
    assert_eq!(receiver.wait_for(1)[0].header("x-razorpay-signature"), None);
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    let (signed, _) = endpoint(&dev, &app, json!({ "secret": "not-the-api-key" }), &receiver);
    assert_eq!(dev.roll(&key.key_id, 0).status, 201);
    send_test(&dev, &signed, "order.paid");
    let got = receiver.wait_for(2);
    assert_eq!(got[1].header("x-razorpay-signature"), Some(&*hex("not-the-api-key", &[&got[1].body])));
    for odd in ["short12", "with space 123", "with\nline-end", &"x".repeat(129), "ünïcödë-secret"] {
        let refused = make(&dev, &app, &json!({ "mode": "test", "url": receiver.url(), "secret": odd }));
        assert_eq!((refused.status, refused.text("/field")), (422, "secret".to_owned()), "{odd}");
        assert!(!refused.body.contains(odd), "what was typed is not repeated");
    }
}

#[test]
fn kwikpaisa_signs_body_and_time_with_the_api_secret_and_a_new_key_signs_at_once() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "kwikpaisa", "signed");
    let (endpoint, shown) = endpoint(&dev, &app, json!({}), &receiver);
    assert_eq!(shown, "", "there is no secret of its own");
    let unsigned = send_test(&dev, &endpoint, "payment.success");
    let waiting = dev.api("GET", &format!("/webhook-deliveries/{unsigned}"), &Value::Null);
    assert_eq!(waiting.text("/status"), "waiting");
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    let signed_with = |got: &Got, secret: &str| {
        let at = got.header("x-timestamp").expect("a time");
        assert_eq!(got.header("x-signature"), Some(&*hex(secret, &[&got.body, at])));
    };
    send_test(&dev, &endpoint, "payment.success");
    let got = receiver.wait_for(1);
    signed_with(&got[0], &key.secret);
    let body: Value = serde_json::from_str(&got[0].body).expect("JSON");
    assert_eq!((&body["event"], &body["data"]["status"]), (&"payment.success".into(), &"PAID".into()));
    let rolled = dev.roll(&key.key_id, 86_400);
    send_test(&dev, &endpoint, "payment.success");
    let got = receiver.wait_for(2);
    signed_with(&got[1], &rolled.text("/credential/secret"));
    let roll = dev.api("POST", &format!("/webhook-endpoints/{endpoint}/roll-secret"), &json!({}));
    assert_eq!((roll.status, roll.text("/code")), (409, "no_own_secret".to_owned()));
}

#[test]
fn kpay_names_the_event_waits_one_two_and_four_seconds_and_never_repeats_a_4xx() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "kpay", "waits");
    let (endpoint, secret) = endpoint(&dev, &app, json!({}), &receiver);
    assert!(secret.starts_with("whsec_") && secret.len() == 70, "{secret}");
    receiver.answers([Answer::Status(400)], Answer::Status(503));
    let refused = send_test(&dev, &endpoint, "payment.completed");
    assert_eq!(settled(&dev, &refused, "failed")["tries"], 1);
    let got = receiver.wait_for(1);
    assert_eq!(got[0].header("x-kpay-event"), Some("payment.completed"));
    assert_eq!(serde_json::from_str::<Value>(&got[0].body).expect("JSON")["event"], "payment.completed");
    assert_eq!(got[0].header("x-kpay-signature"), Some(&*hex(&secret, &[&got[0].body])));
    assert_eq!(got[0].header("user-agent"), Some("KPAY-Webhook/1.0"));
    let failing = send_test(&dev, &endpoint, "payout.failed");
    assert_eq!(settled(&dev, &failing, "failed")["tries"], 4);
    let got = receiver.wait_for(5);
    let waits: Vec<f64> = got[1..].windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
    for (wait, wanted) in waits.iter().zip([1.0, 2.0, 4.0]) {
        assert!(*wait >= wanted - 0.05 && *wait < wanted + 2.0, "{waits:?}");
    }
    assert_eq!(receiver.all().len(), 5, "and no more");
}

#[test]
fn the_native_webhook_is_a_standard_webhook_and_carries_both_signatures_while_its_secret_is_rolled() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "keymint", "standard");
    let (endpoint, old) = endpoint(&dev, &app, json!({}), &receiver);
    let signature = |got: &Got, secret: &str| {
        let key = BASE64.decode(secret.strip_prefix("whsec_").expect("a prefix").as_bytes()).expect("base 64");
        assert!(key.len() >= 24);
        let (id, at) = (got.header("webhook-id").expect("an id"), got.header("webhook-timestamp").expect("a time"));
        format!("v1,{}", BASE64.encode(&mac(&key, &[id, ".", at, ".", &got.body])))
    };
    send_test(&dev, &endpoint, "payment.captured");
    let got = receiver.wait_for(1);
    assert_eq!(got[0].header("webhook-signature"), Some(&*signature(&got[0], &old)));
    let roll = |body: Value| dev.api("POST", &format!("/webhook-endpoints/{endpoint}/roll-secret"), &body);
    let new = roll(json!({ "overlap_seconds": 3600 })).text("/secret");
    send_test(&dev, &endpoint, "payment.captured");
    let got = receiver.wait_for(2);
    let both = format!("{} {}", signature(&got[1], &new), signature(&got[1], &old));
    assert_eq!(got[1].header("webhook-signature"), Some(&*both));
    let newest = roll(json!({})).text("/secret");
    send_test(&dev, &endpoint, "payment.captured");
    let got = receiver.wait_for(3);
    assert_eq!(got[2].header("webhook-signature"), Some(&*signature(&got[2], &newest)), "at once, without an overlap");
    let refused = roll(json!({ "overlap_seconds": 604_801 }));
    assert_eq!((refused.status, refused.text("/field")), (422, "overlap_seconds".to_owned()));
}

#[test]
fn a_native_endpoint_with_a_key_pair_shows_its_public_half_alone_and_signs_with_both_while_it_is_rolled() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "keymint", "pair");
    let body = json!({ "mode": "test", "url": receiver.url(), "signature": "ed25519" });
    let made = make(&dev, &app, &body);
    assert_eq!((made.status, made.text("/signature")), (201, "ed25519".to_owned()), "{}", made.body);
    assert!(made.json()["secret"].is_null(), "{}", made.body);
    let (endpoint, first) = (made.text("/id"), made.text("/public_key"));
    let is_by = |got: &Got, signature: &str, public: &str| {
        let bytes = |text: &str, prefix: &str| {
            BASE64.decode(text.strip_prefix(prefix).expect("a prefix").as_bytes()).expect("base 64")
        };
        let (id, at) = (got.header("webhook-id").expect("an id"), got.header("webhook-timestamp").expect("a time"));
        let key = UnparsedPublicKey::new(&ED25519, bytes(public, "whpk_"));
        key.verify(format!("{id}.{at}.{}", got.body).as_bytes(), &bytes(signature, "v1a,")).is_ok()
    };
    let signatures = |got: &Got| -> Vec<String> {
        got.header("webhook-signature").expect("signed").split(' ').map(str::to_owned).collect()
    };
    send_test(&dev, &endpoint, "payment.captured");
    let got = receiver.wait_for(1);
    assert!(is_by(&got[0], &signatures(&got[0])[0], &first) && signatures(&got[0]).len() == 1);
    let path = format!("/webhook-endpoints/{endpoint}");
    let rolled = dev.api("POST", &format!("{path}/roll-secret"), &json!({ "overlap_seconds": 3600 }));
    let second = rolled.text("/public_key");
    assert!(rolled.status == 200 && second != first && rolled.json()["secret"].is_null(), "{}", rolled.body);
    assert_eq!(dev.api("GET", &path, &Value::Null).text("/public_key"), second);
    send_test(&dev, &endpoint, "payment.captured");
    let got = receiver.wait_for(2);
    let both = signatures(&got[1]);
    assert!(is_by(&got[1], &both[0], &second) && is_by(&got[1], &both[1], &first) && both.len() == 2);
    assert!(!is_by(&got[1], &both[0], &first) && !is_by(&got[0], &both[0], &second));
    assert_eq!(dev.api("POST", &format!("{path}/roll-secret"), &json!({})).status, 200);
    send_test(&dev, &endpoint, "payment.captured");
    assert_eq!(signatures(&receiver.wait_for(3)[2]).len(), 1, "at once, without an overlap");
    // A pair is made here, and the vendors have none.
    let chosen = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let odd = json!({ "mode": "test", "url": receiver.url(), "signature": "ed25519", "secret": chosen });
    assert_eq!(make(&dev, &app, &odd).text("/field"), "secret");
    let roll = dev.api("POST", &format!("{path}/roll-secret"), &json!({ "secret": chosen }));
    assert_eq!((roll.status, roll.text("/field")), (422, "secret".to_owned()));
    for product in ["razorpay", "kpay", "kwikpaisa"] {
        let refused = make(&dev, &self::app(&dev, product, "pair"), &body);
        assert_eq!((refused.status, refused.text("/field")), (422, "signature".to_owned()), "{product}");
    }
    assert!(!dev.output().contains("whsk_"));
}

/// Tells what happened to a payment; the event's id.
fn of_payment(dev: &Dev, app: &str, name: &str, payment: &str) -> String {
    let body = json!({ "event": name, "paymentId": payment }).to_string();
    let sent = dev.api("POST", &format!("/apps/{app}/events"), &json!({ "mode": "test", "name": name, "body": body }));
    assert_eq!(sent.status, 202, "{}", sent.body);
    sent.text("/id")
}

fn names(got: &[Got]) -> Vec<(String, String)> {
    let parsed = got.iter().map(|one| serde_json::from_str::<Value>(&one.body).expect("JSON"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    parsed.map(|body| (text(&body["event"]), text(&body["paymentId"]))).collect()
}

#[test]
fn an_ordered_endpoint_gets_what_is_about_one_payment_one_after_the_other_and_another_payment_beside_it() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "kpay", "ordered");
    let (hook, _) = endpoint(&dev, &app, json!({ "ordered": true }), &receiver);
    let path = format!("/webhook-endpoints/{hook}");
    assert_eq!(dev.api("GET", &path, &Value::Null).json()["ordered"], true);
    let pair = |name: &str, payment: &str| (name.to_owned(), payment.to_owned());
    receiver.answers([Answer::Hold(500)], Answer::Status(200));
    of_payment(&dev, &app, "payment.completed", "pay_a");
    receiver.wait_for(1);
    of_payment(&dev, &app, "refund.completed", "pay_a");
    of_payment(&dev, &app, "refund.cancelled", "pay_a");
    of_payment(&dev, &app, "payment.completed", "pay_b");
    let got = receiver.wait_for(2);
    assert_eq!(names(&got)[1], pair("payment.completed", "pay_b"), "another payment does not wait");
    // The first try is answered 500: what is behind it waits for the second one, too.
    receiver.release();
    let wanted = [
        pair("payment.completed", "pay_a"),
        pair("payment.completed", "pay_b"),
        pair("payment.completed", "pay_a"),
        pair("refund.completed", "pay_a"),
        pair("refund.cancelled", "pay_a"),
    ];
    assert_eq!(names(&receiver.wait_for(5)), wanted);
    // What is given up holds up nothing: KPay does not repeat a 4xx.
    receiver.answers([Answer::Status(400)], Answer::Status(200));
    of_payment(&dev, &app, "payment.failed", "pay_c");
    of_payment(&dev, &app, "refund.failed", "pay_c");
    let got = names(&receiver.wait_for(7));
    assert_eq!(got[5..], [pair("payment.failed", "pay_c"), pair("refund.failed", "pay_c")]);
}

#[test]
fn without_the_option_nothing_waits_for_another_of_its_payment() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "kpay", "unordered");
    let (hook, _) = endpoint(&dev, &app, json!({}), &receiver);
    receiver.answers([Answer::Hold(200)], Answer::Status(200));
    of_payment(&dev, &app, "payment.completed", "pay_a");
    receiver.wait_for(1);
    of_payment(&dev, &app, "refund.completed", "pay_a");
    assert_eq!(names(&receiver.wait_for(2))[1].0, "refund.completed");
    receiver.release();
    // Asked for later, it holds from then on.
    let changed = dev.api("PATCH", &format!("/webhook-endpoints/{hook}"), &json!({ "ordered": true }));
    assert_eq!((changed.status, &changed.json()["ordered"]), (200, &true.into()));
}

#[test]
fn an_endpoint_is_made_read_changed_disabled_and_deleted_and_gets_nothing_from_then_on() {
    let (dev, receiver, other) = (dev(), Receiver::start(), Receiver::start());
    let app = app(&dev, "razorpay", "life");
    let (endpoint, _) = endpoint(&dev, &app, json!({ "secret": "a-good-secret", "events": ["order.paid"] }), &receiver);
    let path = format!("/webhook-endpoints/{endpoint}");
    let read = dev.api("GET", &path, &Value::Null);
    assert_eq!((read.text("/status"), read.json()["has_secret"].clone()), ("enabled".to_owned(), true.into()));
    assert!(!read.body.contains("a-good-secret"), "{}", read.body);
    let listed = dev.api("GET", &format!("/apps/{app}/webhook-endpoints?mode=test"), &Value::Null);
    assert_eq!(listed.text("/items/0/id"), endpoint);
    let live = dev.api("GET", &format!("/apps/{app}/webhook-endpoints?mode=live"), &Value::Null);
    assert_eq!(live.json()["items"], json!([]), "nothing crosses the mode");
    assert_eq!(publish(&dev, &app, "payment.failed").status, 202);
    assert_eq!(publish(&dev, &app, "order.paid").status, 202);
    let got = receiver.wait_for(1);
    assert_eq!(got[0].body, r#"{"event":"order.paid","n":1}"#, "what is not asked for is not sent");
    let change = |body: Value| dev.api("PATCH", &path, &body);
    let moved = change(json!({ "url": other.url(), "events": [], "alert_email": "ops@shop.example" }));
    assert_eq!((moved.status, moved.text("/alert_email")), (200, "ops@shop.example".to_owned()), "{}", moved.body);
    assert_eq!(publish(&dev, &app, "payment.failed").status, 202);
    other.wait_for(1);
    assert_eq!(change(json!({ "enabled": false })).text("/status"), "disabled");
    assert_eq!(publish(&dev, &app, "payment.failed").status, 202);
    let refused = dev.api("POST", &format!("{path}/test"), &json!({ "event": "order.paid" }));
    assert_eq!((refused.status, refused.text("/code")), (409, "endpoint_disabled".to_owned()));
    assert_eq!(change(json!({ "enabled": true })).text("/status"), "enabled");
    assert_eq!(publish(&dev, &app, "refund.created").status, 202);
    let got = other.wait_for(2);
    assert!(got[1].body.contains("refund.created"), "what happened while it was disabled was not for it: {got:?}");
    assert_eq!(dev.api("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(publish(&dev, &app, "refund.created").status, 202);
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/deliveries"))] {
        assert_eq!(dev.api(method, &path, &Value::Null).status, 404, "{method} {path}");
    }
    assert_eq!((receiver.all().len(), other.all().len()), (1, 2));
    let audit = dev.api("GET", "/audit-entries?limit=100", &Value::Null).body;
    for action in ["webhook.made", "webhook.changed", "webhook.deleted"] {
        assert!(audit.contains(action), "{action}");
    }
    assert!(!audit.contains("/hook"), "a path may hold a token");
}

#[test]
fn the_vendors_limits_and_event_names_hold() {
    let (dev, receiver) = (dev(), Receiver::start());
    for (product, most) in [("razorpay", 30), ("kpay", 4), ("kwikpaisa", 1)] {
        let app = app(&dev, product, "many");
        for _ in 0..most {
            endpoint(&dev, &app, json!({}), &receiver);
        }
        let body = json!({ "mode": "test", "url": receiver.url() });
        let refused = make(&dev, &app, &body);
        assert_eq!((refused.status, refused.text("/code")), (409, "too_many_endpoints".to_owned()), "{product}");
        let live = make(&dev, &app, &json!({ "mode": "live", "url": receiver.url() }));
        assert_eq!(live.status, 201, "each mode has its own: {}", live.body);
    }
    let app = app(&dev, "razorpay", "names");
    let odd = json!({ "mode": "test", "url": receiver.url(), "events": ["order.paid", "order.eaten", "x"] });
    let refused = make(&dev, &app, &odd);
    assert_eq!((refused.status, refused.text("/field")), (422, "events".to_owned()));
    assert!(refused.body.contains("Invalid event name/names: order.eaten, x"), "{}", refused.body);
    assert_eq!(publish(&dev, &app, "order.eaten").status, 422);
    let none = dev.app(&dev.merchant("kspay-none"), "kspay", "none");
    let refused = make(&dev, &none, &json!({ "mode": "test", "url": receiver.url() }));
    assert_eq!((refused.status, refused.text("/code")), (409, "no_webhooks".to_owned()));
}

#[test]
fn kpay_sends_a_payout_to_its_own_endpoint_and_the_rest_to_the_general_one() {
    let (dev, general, payouts) = (dev(), Receiver::start(), Receiver::start());
    let app = app(&dev, "kpay", "routes");
    endpoint(&dev, &app, json!({}), &general);
    endpoint(&dev, &app, json!({ "events": ["payout.completed", "payout.failed", "payout.cancelled"] }), &payouts);
    for event in ["payout.completed", "payment.completed", "refund.failed"] {
        assert_eq!(publish(&dev, &app, event).status, 202);
    }
    let names = |got: Vec<Got>| {
        let mut names: Vec<_> = got.iter().filter_map(|one| one.header("x-kpay-event").map(str::to_owned)).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(general.wait_for(2)), ["payment.completed", "refund.failed"]);
    assert_eq!(names(payouts.wait_for(1)), ["payout.completed"]);
}

#[test]
fn exactly_what_was_not_taken_since_a_moment_is_sent_again() {
    let (dev, receiver, elsewhere) = (dev(), Receiver::start(), Receiver::start());
    let (app, other) = (app(&dev, "kpay", "since"), app(&dev, "kpay", "since-other"));
    let (hooked, _) = endpoint(&dev, &app, json!({}), &receiver);
    let (others, _) = endpoint(&dev, &other, json!({}), &elsewhere);
    // KPay never tries again after a 4xx: what is answered so has failed.
    elsewhere.answers([Answer::Status(400)], Answer::Status(200));
    settled(&dev, &send_test(&dev, &others, "payment.failed"), "failed");
    let mut sent = Vec::new();
    for (event, status, becomes) in [
        ("payment.completed", 400, "failed"),
        ("payment.failed", 400, "failed"),
        ("payout.completed", 200, "delivered"),
        ("refund.failed", 400, "failed"),
    ] {
        receiver.answers([Answer::Status(status)], Answer::Status(200));
        let delivery = send_test(&dev, &hooked, event);
        let found = settled(&dev, &delivery, becomes);
        sent.push((delivery, found["created_at"].as_str().expect("a time").to_owned()));
    }
    assert!(sent[0].1 < sent[1].1, "the moment lies between the first and the second: {sent:?}");
    let resend =
        |since: &str| dev.api("POST", &format!("/webhook-endpoints/{hooked}/resend"), &json!({ "since": since }));
    let again = resend(&sent[1].1);
    assert_eq!((again.status, again.json()), (202, json!({ "count": 2 })), "{}", again.body);
    for (number, becomes) in ["failed", "delivered", "delivered", "delivered"].into_iter().enumerate() {
        settled(&dev, &sent[number].0, becomes);
    }
    assert_eq!(resend(&sent[1].1).json(), json!({ "count": 0 }), "everything since then is taken");
    // The last one comes after whatever else would have been sent.
    settled(&dev, &send_test(&dev, &hooked, "refund.cancelled"), "delivered");
    let names: Vec<String> =
        receiver.all().iter().map(|one| one.header("x-kpay-event").expect("a name").to_owned()).collect();
    assert_eq!(names[..4], ["payment.completed", "payment.failed", "payout.completed", "refund.failed"]);
    let (mut later, last) = (names[4..names.len() - 1].to_vec(), &names[names.len() - 1]);
    later.sort();
    assert_eq!(
        (later, last.as_str()),
        (vec!["payment.failed".to_owned(), "refund.failed".to_owned()], "refund.cancelled")
    );
    let again = receiver.all();
    let bodies = |name: &str| {
        let found = again.iter().filter(|one| one.header("x-kpay-event") == Some(name));
        found.map(|one| one.body.as_str()).collect::<Vec<_>>()
    };
    for name in ["payment.failed", "refund.failed"] {
        assert!(matches!(&*bodies(name), [first, second] if first == second), "{name}: the same, byte for byte");
    }
    assert_eq!(elsewhere.all().len(), 1, "another endpoint's stays as it is");
}

#[test]
fn urls_that_lead_inside_are_refused_and_so_is_what_the_vendor_refuses() {
    let dev = dev();
    let (razorpay, kpay) = (app(&dev, "razorpay", "urls"), app(&dev, "kpay", "urls"));
    for url in
        ["https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[fd00::1]/", "https://0x0a000001/"]
    {
        for app in [&razorpay, &kpay] {
            let refused = make(&dev, app, &json!({ "mode": "test", "url": url }));
            assert_eq!((refused.status, refused.text("/field")), (422, "url".to_owned()), "{url}");
            assert!(refused.body.contains("private ip found for host"), "{}", refused.body);
        }
    }
    for url in
        ["https://shop.example:8080/", "https://x.ngrok.io/", "https://hooks.razorpay.example/", "https://shop.local/"]
    {
        assert_eq!(make(&dev, &razorpay, &json!({ "mode": "test", "url": url })).status, 422, "{url}");
    }
    assert_eq!(make(&dev, &kpay, &json!({ "mode": "test", "url": "http://shop.example/" })).status, 422);
    let plain = make(&dev, &razorpay, &json!({ "mode": "test", "url": "http://shop.example/" }));
    assert_eq!((plain.status, plain.text("/warning").contains("not https")), (201, true), "{}", plain.body);
    for quiet in ["https://shop.example/", "http://127.0.0.1/"] {
        let made = make(&dev, &razorpay, &json!({ "mode": "test", "url": quiet }));
        assert_eq!((made.status, made.json().get("warning")), (201, None), "{quiet}: {}", made.body);
    }
}

#[test]
fn what_is_slow_or_leads_elsewhere_counts_as_failed_and_is_not_followed() {
    let (dev, receiver, elsewhere) = (dev(), Receiver::start(), Receiver::start());
    let app = app(&dev, "kpay", "slow");
    let (endpoint, _) = endpoint(&dev, &app, json!({}), &receiver);
    let leads: &'static str = format!("location: {}", elsewhere.url()).leak();
    receiver.answers([Answer::With(302, leads), Answer::Hold(200)], Answer::Status(200));
    let delivery = send_test(&dev, &endpoint, "payment.completed");
    let done = settled(&dev, &delivery, "delivered");
    assert_eq!(done["attempts"][0]["problem"], "answered 302; redirects are not followed");
    assert_eq!(done["attempts"][1]["problem"], "no answer within 3000 ms");
    assert_eq!((done["tries"].clone(), elsewhere.all().len()), (3.into(), 0));
}

#[test]
fn another_merchant_and_a_merchants_token_reach_only_what_is_theirs() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (own, foreign) = (dev.merchant("webhooks-own"), dev.merchant("webhooks-foreign"));
    let app = dev.app(&own, "razorpay", "mine");
    let (endpoint, _) = endpoint(&dev, &app, json!({}), &receiver);
    let delivery = send_test(&dev, &endpoint, "order.paid");
    let token =
        |merchant: &str| dev.api("POST", "/tokens", &json!({ "name": "t", "merchant_id": merchant })).text("/token");
    let (mine, theirs) = (token(&own), token(&foreign));
    let calls = [
        ("GET", format!("/webhook-endpoints/{endpoint}"), Value::Null),
        ("GET", format!("/apps/{app}/webhook-endpoints?mode=test"), Value::Null),
        ("GET", format!("/webhook-endpoints/{endpoint}/deliveries"), Value::Null),
        ("GET", format!("/webhook-deliveries/{delivery}"), Value::Null),
        ("POST", format!("/webhook-deliveries/{delivery}/resend"), Value::Null),
        ("POST", format!("/webhook-endpoints/{endpoint}/resend"), json!({ "since": "2020-01-01T00:00:00Z" })),
        ("POST", format!("/webhook-endpoints/{endpoint}/test"), json!({ "event": "order.paid" })),
        ("POST", format!("/webhook-endpoints/{endpoint}/roll-secret"), json!({ "secret": "another-secret" })),
        ("POST", format!("/apps/{app}/webhook-endpoints"), json!({ "mode": "test", "url": "https://shop.example/" })),
        ("PATCH", format!("/webhook-endpoints/{endpoint}"), json!({ "enabled": true })),
    ];
    for (method, path, body) in &calls {
        assert_eq!(dev.api_as(&theirs, method, path, body).status, 404, "{method} {path}");
        let own = dev.api_as(&mine, method, path, body).status;
        let is_old = body.get("since").is_some();
        assert!(if is_old { own == 422 } else { (200..300).contains(&own) }, "{method} {path}: {own}");
    }
    let event = json!({ "mode": "test", "name": "order.paid", "body": "{}" });
    assert_eq!(dev.api_as(&mine, "POST", &format!("/apps/{app}/events"), &event).status, 403);
    assert_eq!(dev.api_as(&theirs, "DELETE", &format!("/webhook-endpoints/{endpoint}"), &Value::Null).status, 404);
    assert_eq!(dev.api_as(&mine, "DELETE", &format!("/webhook-endpoints/{endpoint}"), &Value::Null).status, 204);
}

#[test]
fn what_was_under_way_when_the_process_was_killed_is_sent_by_the_next_one_under_the_same_id() {
    let (folder, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start());
    receiver.answers([Answer::Hold(200)], Answer::Status(200));
    let mut dev = Dev::start_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), &[]);
    let app = app(&dev, "razorpay", "killed");
    let (endpoint, _) = endpoint(&dev, &app, json!({}), &receiver);
    let delivery = send_test(&dev, &endpoint, "order.paid");
    let first = receiver.wait_for(1).swap_remove(0);
    dev.kill();
    let dev = Dev::start_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), &[]);
    let done = settled(&dev, &delivery, "delivered");
    let got = receiver.wait_for(2);
    assert_eq!(got[1].header("x-razorpay-event-id"), first.header("x-razorpay-event-id"));
    assert_eq!((got[1].body == first.body, &done["tries"]), (true, &1.into()), "the try that nobody recorded is none");
}
