//! A credential's life as its holder sees it: modes, grace, expiry, revocation, owners.
#![expect(clippy::disallowed_methods, reason = "grace and expiry are waited for on the real clock")]

use std::time::{Duration, Instant};

use keymint_testkit::{Call, Dev, Key, Request, signing};
use serde_json::json;

use crate::dev;

fn status(dev: &Dev, key: &Key) -> u16 {
    Request::new("GET", "/razorpay/v1/orders").header("Authorization", &key.basic()).send(dev.gateway).status
}

fn approve(dev: &Dev, merchant: &str, state: &str) -> u16 {
    dev.api("PUT", &format!("/merchants/{merchant}/activation"), &json!({ "state": state, "reason": "test" })).status
}

#[test]
fn a_revoked_key_fails_on_the_very_next_call() {
    let dev = dev();
    for round in 0..25 {
        let key = dev.key("razorpay", &format!("revoke{round}"));
        assert_eq!(status(&dev, &key), 200);
        let revoked = dev.revoke(&key.key_id);
        assert_eq!((revoked.status, revoked.text("/status").as_str()), (200, "revoked"));
        assert!(revoked.json()["receipt"]["seq"].as_i64().is_some_and(|seq| seq > 0));
        assert_eq!(status(&dev, &key), 401);
    }
}

#[test]
fn revoking_leaves_nothing_and_a_new_pair_may_be_generated() {
    let dev = dev();
    let merchant = dev.merchant("again");
    let app = dev.app(&merchant, "kwikpaisa", "again");
    let first = dev.key_of(&app, &json!({ "mode": "test" }));
    let second = dev.api("POST", &format!("/apps/{app}/credentials"), &json!({ "mode": "test" }));
    assert_eq!((second.status, second.text("/code").as_str()), (409, "credential_exists"));
    assert_eq!(dev.revoke(&first.key_id).status, 200);
    let next = dev.key_of(&app, &json!({ "mode": "test" }));
    let call = |key: &Key, body: &str| {
        Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", body).signed(dev.gateway, key).send(dev.gateway)
    };
    assert_eq!(call(&first, r#"{"order_id":"1"}"#).status, 401);
    assert_eq!(call(&next, r#"{"order_id":"1"}"#).status, 404);
}

#[test]
fn a_roll_without_grace_leaves_only_the_new_key() {
    let dev = dev();
    let key = dev.key("razorpay", "now");
    let rolled = dev.roll(&key.key_id, 0);
    assert_eq!((rolled.status, rolled.text("/previous/status").as_str()), (201, "revoked"));
    let (key_id, secret) = (rolled.text("/credential/key_id"), rolled.text("/credential/secret"));
    assert!(key_id != key.key_id && secret != key.secret);
    let new = Key { key_id, secret, app_id: key.app_id.clone() };
    assert_eq!((status(&dev, &key), status(&dev, &new)), (401, 200));
}

#[test]
fn a_roll_with_grace_keeps_both_until_the_moment_and_then_only_the_new_one() {
    let dev = dev();
    let key = dev.key("razorpay", "grace");
    let rolled = dev.roll(&key.key_id, 2);
    let begun = Instant::now();
    assert_eq!((rolled.status, rolled.text("/previous/status").as_str()), (201, "retiring"));
    let new = Key {
        key_id: rolled.text("/credential/key_id"),
        secret: rolled.text("/credential/secret"),
        app_id: key.app_id.clone(),
    };
    assert_eq!((status(&dev, &key), status(&dev, &new)), (200, 200));
    while begun.elapsed() < Duration::from_millis(2050) {
        status(&dev, &new);
    }
    assert_eq!((status(&dev, &key), status(&dev, &new)), (401, 200));
    let listed = dev.api("GET", &format!("/credentials/{}", key.key_id), &json!(null));
    assert_eq!(listed.text("/status"), "expired");
    let day = dev.roll(&new.key_id, 86_400);
    assert_eq!((day.status, day.text("/previous/status").as_str()), (201, "retiring"));
    let again = dev.roll(&new.key_id, 86_400);
    assert_eq!((again.status, again.text("/code").as_str()), (409, "credential_retiring"));
    assert_eq!(dev.roll(&day.text("/credential/key_id"), 2_592_001).status, 422);
}

#[test]
fn a_key_stops_at_its_expiry_and_says_when_that_is() {
    let dev = dev();
    let merchant = dev.merchant("expiry");
    let app = dev.app(&merchant, "razorpay", "expiry");
    let end = signing::now().plus_seconds(2);
    let text = rfc3339(end.0);
    let key = dev.key_of(&app, &json!({ "mode": "test", "expires_at": text }));
    let shown = dev.api("GET", &format!("/credentials/{}", key.key_id), &json!(null));
    assert_eq!(shown.text("/expires_at"), text);
    assert!(!shown.text("/created_at").is_empty());
    assert_eq!(status(&dev, &key), 200);
    let mut last = 200;
    while signing::now().0 < end.0 + 20 {
        last = status(&dev, &key);
    }
    assert_eq!((last, status(&dev, &key)), (401, 401));
    let past = json!({ "mode": "test", "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(dev.api("POST", &format!("/apps/{app}/credentials"), &past).text("/field"), "expires_at");
    assert_eq!(dev.key_of(&app, &json!({ "mode": "test" })).key_id.len(), key.key_id.len(), "the slot is free again");
}

fn rfc3339(ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).expect("a moment"))
}

#[test]
fn live_keys_exist_only_while_the_merchant_is_approved() {
    let dev = dev();
    let merchant = dev.merchant("approval");
    let app = dev.app(&merchant, "razorpay", "approval");
    let path = format!("/apps/{app}/credentials");
    let refused = dev.api("POST", &path, &json!({ "mode": "live" }));
    assert_eq!((refused.status, refused.text("/code").as_str()), (409, "activation_required"));
    assert!(refused.text("/detail").contains("approved"), "it names what is missing");
    let test = dev.key_of(&app, &json!({ "mode": "test" }));
    assert_eq!(approve(&dev, &merchant, "approved"), 200);
    let live = dev.key_of(&app, &json!({ "mode": "live" }));
    assert!(live.key_id.starts_with("rzp_live_") && test.key_id.starts_with("rzp_test_"));
    assert_eq!(status(&dev, &live), 503, "authenticated; no upstream yet");
    assert_eq!(approve(&dev, &merchant, "suspended"), 200);
    assert_eq!((status(&dev, &live), status(&dev, &test)), (401, 200));
    assert_eq!(dev.roll(&live.key_id, 0).text("/code"), "activation_required");
    assert_eq!(approve(&dev, &merchant, "approved"), 200);
    assert_eq!(status(&dev, &live), 503);
}

#[test]
fn live_mode_answers_that_no_upstream_is_configured_in_each_dialects_own_shape() {
    let dev = dev();
    for (product, method, path, body, member) in [
        ("razorpay", "GET", "/v1/orders", "", "/error/description"),
        ("kpay", "GET", "/api/v1/payments/me", "", "/message"),
        ("kwikpaisa", "POST", "/api/v3/pg/order/status", r#"{"order_id":"1"}"#, "/message"),
        ("keymint", "GET", "/v1/whoami", "", "/error/message"),
    ] {
        let merchant = dev.merchant(&format!("live-{product}"));
        assert_eq!(approve(&dev, &merchant, "approved"), 200);
        let app = dev.app(&merchant, product, "live");
        let key = dev.key_of(&app, &json!({ "mode": "live" }));
        let reply = Call::new(product, method, path, body).signed(dev.gateway, &key).send(dev.gateway);
        assert_eq!(reply.status, 503, "{product}");
        assert!(reply.text(member).contains("No upstream is configured"), "{product}: {}", reply.body);
    }
}

#[test]
fn a_key_of_one_mode_is_refused_at_the_other_modes_host() {
    let dev = dev();
    let merchant = dev.merchant("hosts");
    assert_eq!(approve(&dev, &merchant, "approved"), 200);
    let app = dev.app(&merchant, "kpay", "hosts");
    let (test, live) = (dev.key_of(&app, &json!({ "mode": "test" })), dev.key_of(&app, &json!({ "mode": "live" })));
    let me = |host: &str, key: &Key| {
        Request::new("GET", "/api/v1/payments/me")
            .header("Host", host)
            .header("X-API-Key", &key.key_id)
            .header("X-Secret-Key", &key.secret)
            .send(dev.gateway)
            .status
    };
    assert_eq!(me("sandbox.kpay.localhost", &test), 200);
    assert_eq!(me("api.kpay.localhost", &live), 503, "authenticated; no upstream yet");
    assert_eq!((me("sandbox.kpay.localhost", &live), me("api.kpay.localhost", &test)), (401, 401));
    let crossed = Key { secret: live.secret.clone(), ..test.clone() };
    assert_eq!(me("sandbox.kpay.localhost", &crossed), 401, "separate pairs");
}

#[test]
fn one_address_serves_both_modes_and_the_key_decides() {
    let dev = dev();
    let merchant = dev.merchant("decides");
    assert_eq!(approve(&dev, &merchant, "approved"), 200);
    let app = dev.app(&merchant, "kpay", "decides");
    let (test, live) = (dev.key_of(&app, &json!({ "mode": "test" })), dev.key_of(&app, &json!({ "mode": "live" })));
    let body = r#"{"amount":5000,"provider":"MTN_MOMO_CMR","phoneNumber":"237653456789","externalId":"ORDER-1"}"#;
    let init = Call::new("kpay", "POST", "/api/v1/payments/init", body);
    let made = init.signed(dev.gateway, &test).send(dev.gateway);
    assert_eq!((made.status, made.json()["isTest"].as_bool()), (201, Some(true)));
    let path = format!("/api/v1/payments/{}", made.text("/id"));
    let fetch = Call::new("kpay", "GET", &path, "");
    assert_eq!(fetch.signed(dev.gateway, &test).send(dev.gateway).status, 200);
    let other = fetch.signed(dev.gateway, &live).send(dev.gateway);
    assert_eq!(other.status, 503, "a live key never reaches what a test key made");
    assert!(!other.body.contains(&made.text("/reference")));
}

#[test]
fn a_disabled_app_stops_its_keys_at_once_and_enabling_brings_them_back() {
    let dev = dev();
    let key = dev.key("kspay", "disable");
    let currencies = || {
        let reply = Request::new("GET", "/kspay/currencies").header("X-Access-Key", &key.key_id).send(dev.gateway);
        (reply.status, reply.json()["code"].as_i64())
    };
    assert_eq!(currencies(), (200, None));
    let set = |enabled: bool| dev.api("PATCH", &format!("/apps/{}", key.app_id), &json!({ "enabled": enabled })).status;
    assert_eq!(set(false), 200);
    assert_eq!(currencies(), (404, Some(11011)));
    let issue = dev.api("POST", &format!("/apps/{}/credentials", key.app_id), &json!({ "mode": "live" }));
    assert_eq!(issue.text("/code"), "app_disabled");
    assert_eq!(set(true), 200);
    assert_eq!(currencies(), (200, None));
}

#[test]
fn a_tightened_address_list_holds_from_the_answer_on() {
    let dev = dev();
    let key = dev.key("razorpay", "addresses");
    let allow = |list: serde_json::Value| {
        dev.api("PATCH", &format!("/credentials/{}", key.key_id), &json!({ "allowed_ips": list })).status
    };
    assert_eq!(status(&dev, &key), 200);
    assert_eq!(allow(json!(["203.0.113.0/24"])), 200);
    assert_eq!(status(&dev, &key), 400, "Access Denied");
    assert_eq!(allow(json!(["127.0.0.0/8"])), 200);
    assert_eq!(status(&dev, &key), 200);
    assert_eq!(allow(json!(["::ffff:127.0.0.1"])), 200, "a mapped address is the IPv4 address");
    assert_eq!(status(&dev, &key), 200);
    assert_eq!(allow(json!(["127.0.0.1/33"])), 422);
}

#[test]
fn a_credential_without_the_scope_is_refused() {
    let dev = dev();
    let merchant = dev.merchant("scopes");
    let app = dev.app(&merchant, "keymint", "scopes");
    let key = dev.key_of(&app, &json!({ "mode": "test", "scopes": ["read"] }));
    let bearer = format!("Bearer {}", key.secret);
    let call = |method: &str, path: &str| {
        Request::new(method, &format!("/keymint{path}")).header("Authorization", &bearer).send(dev.gateway).status
    };
    assert_eq!((call("GET", "/v1/whoami"), call("POST", "/v1/echo")), (200, 403));
    let unknown = json!({ "mode": "test", "scopes": ["everything"] });
    assert_eq!(dev.api("POST", &format!("/apps/{app}/credentials"), &unknown).text("/field"), "scopes");
}

#[test]
fn a_revocation_whose_caller_hung_up_is_whole_or_did_not_happen() {
    use std::io::Write;
    let dev = dev();
    for round in 0..40 {
        let key = dev.key("razorpay", &format!("hangup{round}"));
        assert_eq!(status(&dev, &key), 200, "the record is in the cache");
        let call = Request::new("POST", &format!("/api/v1/credentials/{}/revoke", key.key_id))
            .header("Authorization", &format!("Bearer {}", dev.token))
            .body(r#"{"reason":"compromised"}"#);
        let mut stream = std::net::TcpStream::connect(dev.console).expect("it accepts");
        stream.write_all(&call.bytes("h")).expect("it takes bytes");
        let wait = Instant::now();
        while wait.elapsed() < Duration::from_micros(150 * round) {}
        drop(stream);
        // Once the record says revoked, no request may be let in by an older copy of it.
        let stopped = Instant::now();
        while stopped.elapsed() < Duration::from_millis(200) {
            let path = format!("/credentials/{}", key.key_id);
            if dev.api("GET", &path, &json!(null)).text("/status") == "revoked" {
                break;
            }
        }
        let listed = || dev.api("GET", &format!("/credentials/{}", key.key_id), &json!(null)).text("/status");
        let (before, answer, after) = (listed(), status(&dev, &key), listed());
        let wanted: &[u16] = match (before.as_str(), after.as_str()) {
            ("revoked", "revoked") => &[401],
            ("active", "active") => &[200],
            ("active", "revoked") => &[200, 401],
            odd => panic!("round {round}: {odd:?}"),
        };
        assert!(wanted.contains(&answer), "round {round}: {answer}, listed as {before} and then {after}");
    }
}

#[test]
fn an_address_list_of_a_live_key_refuses_in_the_dialects_own_words_and_leaves_test_mode_alone() {
    let dev = dev();
    for (product, method, path, body, refused, words) in [
        ("razorpay", "GET", "/v1/orders", "", 400, "Access Denied"),
        (
            "kwikpaisa",
            "POST",
            "/api/v3/pg/order/status",
            r#"{"order_id":"1"}"#,
            403,
            "Incoming IP address is not whitelisted",
        ),
        ("kpay", "GET", "/api/v1/payments/me", "", 403, "This address is not allowed"),
    ] {
        let merchant = dev.merchant(&format!("addresses-{product}"));
        assert_eq!(approve(&dev, &merchant, "approved"), 200);
        let app = dev.app(&merchant, product, "addresses");
        let (test, live) = (dev.key_of(&app, &json!({ "mode": "test" })), dev.key_of(&app, &json!({ "mode": "live" })));
        let list = |addresses: &[&str]| {
            let path = format!("/credentials/{}", live.key_id);
            dev.api("PATCH", &path, &json!({ "allowed_ips": addresses })).status
        };
        let call = |key: &Key| Call::new(product, method, path, body).signed(dev.gateway, key).send(dev.gateway);
        assert_eq!(list(&["127.0.0.1"]), 200);
        assert_eq!(call(&live).status, 503, "{product}: let in; no upstream yet");
        assert_eq!(list(&["127.0.0.2", "203.0.113.0/24"]), 200);
        let reply = call(&live);
        assert_eq!(reply.status, refused, "{product}");
        assert!(reply.body.contains(words), "{product}: {}", reply.body);
        assert!(![401, 403].contains(&call(&test).status), "{product}: test mode has no list");
        let twenty: Vec<String> = (1..=20).map(|n| format!("203.0.113.{n}")).collect();
        let mut addresses: Vec<&str> = twenty.iter().map(String::as_str).collect();
        assert_eq!(list(&addresses), 200, "{product}");
        addresses.push("127.0.0.1");
        assert_eq!(list(&addresses), 422, "{product}: the 21st");
        assert_eq!(call(&live).status, refused, "{product}: and nothing has changed");
    }
}
