//! The vendor's checklists: what Keymint sees by itself, what a person ticks, and that a live key waits for them.

use keymint_testkit::receiver::{Answer, Receiver};
use keymint_testkit::{Dev, Reply, Upstream, eventually};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::kwikpaisa_sandbox::{order, payout};
use crate::people::{hidden, keep_cookie, merchant_of, signed_up, totp, with_authenticator};
use crate::simulators::{hook, told};

fn read(dev: &Dev, app: &str) -> Value {
    dev.api("GET", &format!("/apps/{app}/go-live"), &Value::Null).json()
}

/// The names of the items of a mode that are done.
fn done(dev: &Dev, app: &str, mode: &str) -> Vec<String> {
    let lists = read(dev, app);
    let items = lists["items"].as_array().expect("items");
    let is_done = |item: &&Value| item["mode"] == mode && item["done"] == true;
    items.iter().filter(is_done).map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

fn tick(dev: &Dev, app: &str, item: &str, is_done: bool) -> Reply {
    dev.api("PUT", &format!("/apps/{app}/go-live/{item}"), &json!({ "done": is_done }))
}

/// What only a person can know of KwikPaisa's test mode.
const BY_HAND: [&str; 7] = [
    "order-status",
    "hosted-checkout",
    "wallet-balance",
    "payout-insufficient",
    "webhook-signature",
    "error-handling",
    "reconciliation",
];

#[test]
fn what_happens_in_test_mode_is_seen_and_a_live_key_waits_for_all_of_it() {
    let (dev, receiver) = (dev(), Receiver::start());
    let mut owner = signed_up(&dev, "owner@go-live.example");
    let merchant = merchant_of(&owner);
    let approved = json!({ "state": "approved", "reason": "checked" });
    assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &approved).status, 200);
    let app = dev.app(&merchant, "kwikpaisa", "till");
    let (totp_secret, _) = with_authenticator(&mut owner);
    assert_eq!(done(&dev, &app, "test"), Vec::<String>::new());
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    assert_eq!(done(&dev, &app, "test"), ["test-key"]);
    hook(&dev, &app, &receiver);
    // The first delivery fails once, and is taken at the second try.
    receiver.answers([Answer::Status(500)], Answer::Status(200));
    for (amount, seen) in [("5.11", "order-created"), ("5.12", "order-failed"), ("5.14", "order-expired")] {
        assert!(!done(&dev, &app, "test").iter().any(|name| name == seen), "{seen}: not before");
        assert_eq!(order(&dev, &key, seen, amount).status, 200, "{amount}");
        assert!(done(&dev, &app, "test").iter().any(|name| name == seen), "{seen}");
    }
    for (amount, seen) in [("10.00", "payout-success"), ("10.12", "payout-failed")] {
        assert!(!done(&dev, &app, "test").iter().any(|name| name == seen), "{seen}: not before");
        payout(&dev, &key, seen, amount);
        assert!(done(&dev, &app, "test").iter().any(|name| name == seen), "{seen}");
    }
    eventually(|| {
        let done = done(&dev, &app, "test");
        let has = |name: &str| done.iter().any(|one| one == name);
        if has("signature") && has("webhook-delivered") { Ok(()) } else { Err(format!("{done:?}")) }
    });
    told(&receiver, "payout.failed", "payout-failed");
    assert!(!done(&dev, &app, "test").iter().any(|name| name == "webhook-duplicate"), "nothing was sent once more");
    let hooks = dev.api("GET", &format!("/apps/{app}/webhook-endpoints?mode=test"), &Value::Null).json();
    let hook = hooks["items"][0]["id"].as_str().expect("an id").to_owned();
    let sent = dev.api("GET", &format!("/webhook-endpoints/{hook}/deliveries"), &Value::Null).json();
    let taken = sent["items"].as_array().expect("items").iter().find(|one| one["status"] == "delivered");
    let taken = taken.expect("one was taken")["id"].as_str().expect("an id").to_owned();
    assert_eq!(dev.api("POST", &format!("/webhook-deliveries/{taken}/resend"), &Value::Null).status, 202);
    eventually(|| {
        let done = done(&dev, &app, "test");
        let has = |name: &str| done.iter().any(|one| one == name);
        if has("webhook-duplicate") && has("webhook-retry") { Ok(()) } else { Err(format!("{done:?}")) }
    });

    // All but what a person has to say. A live key waits for that, with a link to where it is said.
    assert_eq!(read(&dev, &app)["missing"], json!(BY_HAND.len()));
    let (csrf, keys) = (owner.csrf(), format!("/apps/{app}/keys"));
    let page = owner.get(&format!("{keys}?mode=live")).body;
    assert!(page.contains(&format!("href=\"/apps/{app}/go-live\"")) && page.contains("7 items"), "{page}");
    let form = [("csrf", csrf.as_str()), ("once", "1"), ("mode", "live")];
    let challenge = hidden(&owner.post(&keys, &form).body, "challenge").to_owned();
    let proof = [("challenge", challenge.as_str()), ("code", &totp(&totp_secret, 1))];
    let refused = owner.post(&keys, &[&form[..], &proof].concat());
    assert_eq!(refused.status, 422, "{}", refused.body);
    keep_cookie(&mut owner, &refused);
    for name in &BY_HAND[1..] {
        assert_eq!(tick(&dev, &app, name, true).status, 200, "{name}");
    }
    assert_eq!(owner.post(&keys, &form).status, 422, "one is open still");
    let list = format!("/apps/{app}/go-live");
    let mark = |item: &str, state: &str| {
        owner.post(&list, &[("csrf", csrf.as_str()), ("item", item), ("state", state)]).status
    };
    assert_eq!((mark(BY_HAND[0], "done"), read(&dev, &app)["missing"].as_i64()), (303, Some(0)));
    assert_eq!((mark(BY_HAND[0], "open"), read(&dev, &app)["missing"].as_i64()), (303, Some(1)));
    assert_eq!(owner.post(&keys, &form).status, 422, "it was taken back");
    assert_eq!(mark(BY_HAND[0], "done"), 303);
    assert_eq!(owner.post(&keys, &form).status, 201, "the live key");
    assert_eq!(done(&dev, &app, "live"), ["live-key"]);
    assert!(!owner.get(&format!("{keys}?mode=live")).body.contains("7 items"));
}

#[test]
fn what_keymint_sees_nobody_ticks_and_scripts_make_live_keys_as_ever() {
    let dev = dev();
    let merchant = dev.merchant("scripts");
    let app = dev.app(&merchant, "kwikpaisa", "scripts");
    let refused = tick(&dev, &app, "order-created", true);
    assert_eq!((refused.status, refused.text("/code").as_str()), (409, "item_is_seen"));
    assert_eq!(tick(&dev, &app, "no-such-item", true).status, 404);
    assert_eq!(done(&dev, &app, "test"), Vec::<String>::new());
    let ticked = tick(&dev, &app, "reconciliation", true);
    assert_eq!((ticked.status, done(&dev, &app, "test")), (200, vec!["reconciliation".to_owned()]));
    let again = tick(&dev, &app, "reconciliation", true).json();
    let when = |lists: &Value| {
        let items = lists["items"].as_array().expect("items").clone();
        items.into_iter().find(|item| item["name"] == "reconciliation").expect("it is there")["done_at"].clone()
    };
    assert_eq!(when(&again), when(&ticked.json()), "the first time counts");
    let approved = json!({ "state": "approved", "reason": "checked" });
    assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &approved).status, 200);
    dev.key_of(&app, &json!({ "mode": "live" }));
    let token = dev.api("POST", "/tokens", &json!({ "name": "other", "merchant_id": dev.merchant("other") }));
    let token = token.text("/token");
    let list = format!("/apps/{app}/go-live");
    assert_eq!(dev.api_as(&token, "GET", &list, &Value::Null).status, 404);
    let body = json!({ "done": true });
    assert_eq!(dev.api_as(&token, "PUT", &format!("{list}/reconciliation"), &body).status, 404);
    let audit = dev.api("GET", "/audit-entries", &Value::Null).body;
    assert!(audit.contains("app.go_live_ticked"), "{audit}");
}

#[test]
fn behind_an_upstream_people_say_what_only_a_sandbox_could_show() {
    let upstream = Upstream::plain();
    let table = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &[("kwikpaisa", table)]);
    let app = dev.app(&dev.merchant("upstream"), "kwikpaisa", "upstream");
    let reached = ["order-created", "order-failed", "order-expired", "payout-success", "payout-failed"];
    let seen = ["test-key", "signature", "webhook-delivered", "webhook-duplicate", "webhook-retry"];
    assert_eq!(read(&dev, &app)["missing"], json!(BY_HAND.len() + reached.len() + seen.len()));
    for name in reached.iter().chain(&BY_HAND) {
        assert_eq!(tick(&dev, &app, name, true).status, 200, "{name}");
    }
    for name in seen {
        let refused = tick(&dev, &app, name, true);
        assert_eq!((refused.status, refused.text("/code").as_str()), (409, "item_is_seen"), "{name}: Keymint sees it");
    }
    assert_eq!(read(&dev, &app)["missing"], json!(seen.len()));
    let items = read(&dev, &app)["items"].clone();
    let is_seen = |name: &str| {
        let item = items.as_array().expect("items").iter().find(|item| item["name"] == name).expect("it is there");
        (item["seen"].as_bool(), item["done"].as_bool())
    };
    assert_eq!((is_seen("order-created"), is_seen("test-key")), ((Some(false), Some(true)), (Some(true), Some(false))));
    assert_eq!(tick(&dev, &app, "order-created", false).status, 200);
    assert_eq!(read(&dev, &app)["missing"], json!(seen.len() + 1), "it was taken back");
}

#[test]
fn each_product_has_a_list_and_each_role_sees_it_and_ticks_what_it_may() {
    let dev = dev();
    for product in ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"] {
        let list = format!("/apps/{}/go-live", app_of(&dev, product));
        let page = Browser::signed_in(&dev, "viewer").get(&list);
        assert_eq!(page.status, 200, "{product}");
        assert!(page.body.contains("In test mode, before the first Live key"), "{product}: {}", page.body);
        assert!(!page.body.contains("Mark as done"), "{product}: a viewer ticks nothing");
    }
    let app = app_of(&dev, "kwikpaisa");
    let list = format!("/apps/{app}/go-live");
    for (role, status) in [("viewer", 403), ("developer", 303), ("admin", 303), ("owner", 303)] {
        let browser = Browser::signed_in(&dev, role);
        let csrf = browser.csrf();
        let form = [("csrf", csrf.as_str()), ("item", "reconciliation"), ("state", "done")];
        assert_eq!(browser.post(&list, &form).status, status, "{role}");
    }
    let owner = Browser::signed_in(&dev, "owner");
    assert_eq!(owner.post(&list, &[("csrf", "old"), ("item", "reconciliation"), ("state", "open")]).status, 403);
    let csrf = owner.csrf();
    assert_eq!(owner.post(&list, &[("csrf", &csrf), ("item", "test-key"), ("state", "done")]).status, 422);
    let stranger = signed_up(&dev, "stranger@go-live.example");
    assert_eq!(stranger.get(&list).status, 404);
    assert_eq!(done(&dev, &app, "test"), ["reconciliation"]);
}
