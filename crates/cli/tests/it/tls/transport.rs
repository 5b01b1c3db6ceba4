//! Live credentials over plain HTTP: refused behind the proof, and flagged where the secret itself was shown.

use keymint_testkit::{Authority, Call, Database, Dev, Key, Reply, Request, Serving, eventually};
use serde_json::{Value, json};

use super::{NAME, binary, under_tls};
use crate::console::{Browser, app_of};

/// A Keymint without TLS, which takes no live credentials over plain HTTP, with more settings of `[listen]`.
fn plain(listen: &str) -> Dev {
    Dev::serve_for_now(binary(), &Serving { listen: listen.to_owned(), ..Serving::default() })
}

/// A call that shows the secret, in each dialect that has one.
fn showing(dev: &Dev, product: &'static str, key: &Key) -> Request {
    match product {
        "razorpay" => Call::new("razorpay", "GET", "/v1/orders", "").signed(dev.gateway, key),
        "kpay" => Call::new("kpay", "GET", "/api/v1/payments/me", "").signed(dev.gateway, key),
        _ => Call::new("keymint", "GET", "/v1/whoami", "").scheme("bearer").signed(dev.gateway, key),
    }
}

/// The newest reason in the log of a key, once there are so many entries.
fn reasons(dev: &Dev, key: &Key, count: usize) -> Vec<String> {
    eventually(|| {
        let log = dev.api("GET", &format!("/credentials/{}/requests", key.key_id), &Value::Null).json();
        let items = log["items"].as_array().cloned().unwrap_or_default();
        let reasons: Vec<String> =
            items.iter().map(|item| item["reason"].as_str().unwrap_or("allow").to_owned()).collect();
        if reasons.len() == count { Ok(reasons) } else { Err(format!("{reasons:?}")) }
    })
}

fn exposed_at(dev: &Dev, key: &Key) -> Option<String> {
    let found = dev.api("GET", &format!("/credentials/{}", key.key_id), &Value::Null);
    assert_eq!(found.status, 200, "{}", found.body);
    found.json()["exposed_at"].as_str().map(str::to_owned)
}

fn flagged(dev: &Dev, key: &Key) -> String {
    eventually(|| exposed_at(dev, key).ok_or_else(|| "it is not flagged".to_owned()))
}

fn entries(dev: &Dev, action: &str) -> usize {
    let log = dev.api("GET", "/audit-entries?limit=100", &Value::Null).json();
    log["items"].as_array().expect("items").iter().filter(|entry| entry["action"] == action).count()
}

#[test]
fn a_live_secret_over_plain_http_is_refused_and_flagged_once() {
    let dev = plain("");
    assert!(dev.output().contains("live credentials will be refused"), "a warning at the start");
    for (product, status, words) in [
        ("razorpay", 400, "Live keys are accepted over https only"),
        ("kpay", 403, "Live API keys are accepted over HTTPS only"),
        ("keymint", 403, "insecure_transport"),
    ] {
        let key = dev.live_key(product, "live");
        assert_eq!(exposed_at(&dev, &key), None);
        let before = entries(&dev, "credential.exposed");
        let reply = showing(&dev, product, &key).send(dev.gateway);
        assert!(reply.status == status && reply.body.contains(words), "{product}: {} {}", reply.status, reply.body);
        let first = flagged(&dev, &key);
        for _ in 0..18 {
            assert_eq!(showing(&dev, product, &key).send(dev.gateway).status, status);
        }
        assert_eq!(reasons(&dev, &key, 19), vec!["insecure_transport"; 19]);
        assert_eq!((exposed_at(&dev, &key), entries(&dev, "credential.exposed")), (Some(first), before + 1));
    }
}

#[test]
fn a_stranger_learns_nothing_over_plain_http_and_flags_nothing() {
    let dev = plain("");
    let (key, gone) = (dev.live_key("razorpay", "known"), dev.live_key("razorpay", "gone"));
    assert_eq!(dev.revoke(&gone.key_id).status, 200);
    let nobody = Key { key_id: "rzp_live_AAAAAAAAAAAAAA".to_owned(), ..key.clone() };
    let mut wrong = key.clone();
    let last = if key.secret.ends_with('a') { "b" } else { "a" };
    wrong.secret.replace_range(key.secret.len() - 1.., last);
    let answers: Vec<(u16, String)> = [&nobody, &wrong, &gone]
        .map(|key| showing(&dev, "razorpay", key).send(dev.gateway))
        .map(|Reply { status, body, .. }| (status, body))
        .into();
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.0 == 401), "{answers:?}");
    // The flag of one that was shown in full comes after theirs would have.
    let other = dev.live_key("razorpay", "other");
    assert_eq!(showing(&dev, "razorpay", &other).send(dev.gateway).status, 400);
    flagged(&dev, &other);
    assert_eq!([exposed_at(&dev, &key), exposed_at(&dev, &gone)], [None, None]);
}

#[test]
fn what_is_no_live_secret_is_not_flagged() {
    // A proxy is trusted here, so that the same bytes can come over https, too.
    let dev = plain("trusted_proxies = [\"127.0.0.1/32\"]\n");
    let test = dev.key("razorpay", "test");
    assert_eq!(showing(&dev, "razorpay", &test).send(dev.gateway).status, 200);
    // A signature does not show its key: refused, spent by nothing, and good over https a moment later.
    let signer = dev.live_key("kwikpaisa", "signer");
    let signed = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", r#"{"order_id":"o1"}"#);
    let signed = signed.signed(dev.gateway, &signer);
    let reply = signed.send(dev.gateway);
    assert!(reply.status == 403 && reply.body.contains("HTTPS only"), "{}", reply.body);
    let reply = signed.clone().header("X-Forwarded-Proto", "https").send(dev.gateway);
    assert_eq!(reply.status, 503, "let in, and there is no upstream: {}", reply.body);
    assert_eq!(reasons(&dev, &signer, 2), ["no_upstream", "insecure_transport"]);
    let other = dev.live_key("razorpay", "other");
    assert_eq!(showing(&dev, "razorpay", &other).send(dev.gateway).status, 400);
    flagged(&dev, &other);
    assert_eq!([exposed_at(&dev, &test), exposed_at(&dev, &signer)], [None, None]);
}

#[test]
fn a_key_that_cannot_work_now_is_flagged_all_the_same() {
    let dev = plain("");
    let key = dev.live_key("razorpay", "disabled");
    let path = format!("/apps/{}", key.app_id);
    assert_eq!(dev.api("PATCH", &path, &json!({ "enabled": false })).status, 200);
    assert_eq!(showing(&dev, "razorpay", &key).send(dev.gateway).status, 400);
    flagged(&dev, &key);
}

#[test]
fn live_credentials_are_taken_under_tls_and_from_a_trusted_proxy_that_had_it() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let key = dev.live_key("razorpay", "encrypted");
    let bytes = showing(&dev, "razorpay", &key).bytes(NAME);
    assert_eq!(authority.raw(dev.gateway, NAME, &bytes).expect("an answer").status, 503, "there is no upstream");
    assert_eq!((reasons(&dev, &key, 1), exposed_at(&dev, &key)), (vec!["no_upstream".to_owned()], None));
    // A trusted proxy's word about plain HTTP holds although the last step was under TLS, or on this machine.
    for listen in ["trusted_proxies = [\"127.0.0.1/32\"]\n", ""] {
        let excused = format!("live_over_plain_http = true\n{listen}");
        for listen in [listen, &excused] {
            let dev = plain(listen);
            let key = dev.live_key("razorpay", "proxied");
            let said = |scheme: &str| {
                let request = showing(&dev, "razorpay", &key).header("X-Forwarded-Proto", scheme);
                request.header("X-Forwarded-For", "203.0.113.9").send(dev.gateway).status
            };
            let (is_trusted, is_excused) = (listen.contains("trusted"), listen.contains("live_over"));
            let expected = if is_trusted {
                (503, 400)
            } else if is_excused {
                (503, 503)
            } else {
                (400, 400)
            };
            assert_eq!((said("https"), said("http")), expected, "{listen}");
        }
    }
}

#[test]
fn the_console_says_which_key_was_exposed_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut dev = Dev::start_in(binary(), folder.path(), &[]);
    let app = app_of(&dev, "razorpay");
    let merchant = dev.api("GET", &format!("/apps/{app}"), &Value::Null).text("/merchant_id");
    let approval = json!({ "state": "approved", "reason": "papers are in order" });
    assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &approval).status, 200);
    let key = dev.key_of(&app, &json!({ "mode": "live" }));
    // In `dev` it may: the programs are on this machine.
    assert_eq!(showing(&dev, "razorpay", &key).send(dev.gateway).status, 503);
    dev.stop();
    std::fs::copy(folder.path().join("ready.json"), data.join("ready.json")).expect("the accounts");
    let serving = Serving { listen: String::new(), ..Serving::default() };
    let dev = Dev::serve_as(binary(), &data, Database::Sqlite, &serving);
    assert_eq!(showing(&dev, "razorpay", &key).send(dev.gateway).status, 400);
    flagged(&dev, &key);
    let rolled = dev.roll(&key.key_id, 86_400);
    assert_eq!(rolled.status, 201, "{}", rolled.body);
    let owner = Browser::signed_in(&dev, "owner");
    let list = owner.get(&format!("/apps/{app}/keys?mode=live")).body;
    assert_eq!(list.matches("Regenerate this key and let it stop now").count(), 1, "{list}");
    let page = |key_id: &str| owner.get(&format!("/keys/{key_id}")).body;
    assert!(page(&key.key_id).contains("others can have read the secret"));
    assert!(!page(&rolled.text("/credential/key_id")).contains("others can have read the secret"));
}
