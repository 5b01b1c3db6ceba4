//! The payment gateways of an app: where each posts to, the secret that it signs with, and what moves the payment.

use keymint_testkit::{Dev, Key, Reply, Request};
use serde_json::{Value, json};

use crate::console::{Browser, app_of, cell};
use crate::dev;
use crate::kspay_sandbox::{begin, get, token};
use crate::people::signed_up;
use crate::simulators::hex_hmac;

/// A transaction that waits to be paid: its id, and its order at the gateway.
fn begun(dev: &Dev, key: &Key, second: i64) -> (String, String) {
    let made = begin(dev, key, (10.5, second));
    (made.text("/result/pe_txnId"), made.text("/result/providerOrderId"))
}

fn event(name: &str, order: &str) -> String {
    let entity = json!({ "id": "pay_OfTheGateway01", "entity": "payment", "order_id": order });
    json!({ "entity": "event", "event": name, "payload": { "payment": { "entity": entity } } }).to_string()
}

fn post(dev: &Dev, path: &str, signature: Option<&str>, body: &str) -> Reply {
    let request = Request::new("POST", path).header("Content-Type", "application/json").body(body);
    let request = signature.into_iter().fold(request, |request, one| request.header("X-Razorpay-Signature", one));
    request.send(dev.gateway)
}

fn make(dev: &Dev, app: &str) -> String {
    let made = dev.api("POST", &format!("/apps/{app}/gateways/razorpay/secret"), &Value::Null);
    assert_eq!(made.status, 201, "{}", made.body);
    made.text("/secret")
}

#[test]
fn a_gateway_that_signs_with_its_secret_moves_the_payment_and_nobody_else_does() {
    let dev = dev();
    let app = app_of(&dev, "kspay");
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    let token = token(&dev, &key);
    let status = |id: &str| get(&dev, &token, &format!("/transaction/txnId/{id}")).text("/result/status");
    let listed = dev.api("GET", &format!("/apps/{app}/gateways"), &Value::Null).json();
    assert_eq!(
        (&listed["items"][0]["title"], &listed["items"][0]["secret_made_at"]),
        (&json!("Razorpay"), &Value::Null)
    );
    let url = listed["items"][0]["url"].as_str().expect("a URL").to_owned();
    let path = url.strip_prefix(&format!("http://{}", dev.gateway)).expect("of this gateway").to_owned();
    let (paid, order) = begun(&dev, &key, 0);
    let (failed, other_order) = begun(&dev, &key, 3);
    let body = event("payment.captured", &order);
    assert_eq!(post(&dev, &path, Some(&hex_hmac("", &body)), &body).status, 401, "there is no secret yet");
    let secret = make(&dev, &app);
    let right = hex_hmac(&secret, &body);
    let off = format!("{}{}", &right[..63], if right.ends_with('0') { '1' } else { '0' });
    let elsewhere = path.replace(&app, &app_of(&dev, "razorpay"));
    for (path, signature, body) in [
        (&path, None, body.clone()),
        (&path, Some(""), body.clone()),
        (&path, Some(&*off), body.clone()),
        (&path, Some(&*right.to_uppercase()), body.clone()),
        (&path, Some(&*right), format!("{body} ")),
        (&path, Some(&*hex_hmac("gwhook_", &body)), body.clone()),
        (&elsewhere, Some(&*right), body.clone()),
        (&path.replace("/razorpay", "/paypal"), Some(&*right), body.clone()),
    ] {
        let refused = post(&dev, path, signature, &body);
        assert_eq!((refused.status, refused.json()["code"].as_i64()), (401, Some(9007)), "{path} {signature:?}");
    }
    assert_eq!(status(&paid), "PENDING", "nothing has moved");
    let taken = post(&dev, &path, Some(&right), &body);
    assert_eq!((taken.status, taken.json()["result"]["moved"].as_bool()), (200, Some(true)), "{}", taken.body);
    let found = get(&dev, &token, &format!("/transaction/txnId/{paid}"));
    assert_eq!(found.text("/result/status"), "SUCCESS");
    assert_eq!(found.text("/result/providerPaymentId"), "pay_OfTheGateway01");

    // What a gateway says twice, too late, or about something else, moves nothing.
    let send = |body: &str| {
        let taken = post(&dev, &path, Some(&hex_hmac(&secret, body)), body);
        (taken.status, taken.json()["result"]["moved"].as_bool())
    };
    assert_eq!(send(&body), (200, Some(false)), "the same once more");
    assert_eq!(send(&event("payment.failed", &order)), (200, Some(false)), "what is paid stays paid");
    assert_eq!(send(&event("refund.created", &other_order)), (200, Some(false)), "another event");
    assert_eq!(send(&event("payment.captured", "order_NotOfThisApp")), (200, Some(false)), "nobody's order");
    let twice = event("payment.captured", &other_order).replacen("{\"", "{\"event\":\"payment.failed\",\"", 1);
    assert_eq!(send(&twice), (400, None), "a member that stands twice");
    assert_eq!(send("no JSON"), (400, None));
    assert_eq!((status(&paid).as_str(), status(&failed).as_str()), ("SUCCESS", "PENDING"));
    assert_eq!(send(&event("payment.failed", &other_order)), (200, Some(true)));
    assert_eq!(status(&failed), "FAILED");

    // Another secret ends the one before at once; another app's transactions are out of reach.
    let (third, order) = begun(&dev, &key, 6);
    let next = make(&dev, &app);
    assert_ne!(next, secret);
    assert_eq!(send(&event("payment.captured", &order)), (401, None), "the secret before");
    let stranger = dev.app(&dev.merchant("gateways"), "kspay", "stranger");
    let theirs = make(&dev, &stranger);
    let body = event("payment.captured", &order);
    let taken = post(&dev, &path.replace(&app, &stranger), Some(&hex_hmac(&theirs, &body)), &body);
    assert_eq!((taken.status, taken.json()["result"]["moved"].as_bool()), (200, Some(false)), "of another app");
    assert_eq!(status(&third), "PENDING");
    assert_eq!(post(&dev, &path, Some(&hex_hmac(&next, &body)), &body).status, 200);
    assert_eq!(status(&third), "SUCCESS");
}

#[test]
fn a_gateway_has_its_url_and_secret_on_a_page_and_is_marked_as_done() {
    let dev = dev();
    let app = app_of(&dev, "kspay");
    let owner = Browser::signed_in(&dev, "owner");
    let (csrf, place) = (owner.csrf(), format!("/apps/{app}/gateways"));
    assert!(owner.get(&format!("/apps/{app}/settings")).body.contains(&place), "the settings lead there");
    let url = format!("http://{}/kspay/gateways/{app}/razorpay", dev.gateway);
    let page = owner.get(&place).body;
    assert!(page.contains(&url) && page.contains("data-copy=\"url-razorpay\"") && page.contains("not done"), "{page}");
    let shown = owner.post(&format!("{place}/secret"), &[("csrf", &csrf), ("gateway", "razorpay")]);
    assert_eq!((shown.status, cell(&shown.body, "gateway-url")), (201, url.as_str()));
    let secret = cell(&shown.body, "secret").to_owned();
    assert!(secret.len() > 60 && shown.body.contains("data-copy=\"secret\""));
    assert!(!owner.get(&place).body.contains(&secret), "shown once");
    assert!(!dev.output().contains(&secret));

    let mark = |browser: &Browser<'_>, gateway: &str, state: &str| {
        browser.post(&place, &[("csrf", &browser.csrf()), ("gateway", gateway), ("state", state)]).status
    };
    let done = || dev.api("GET", &place, &Value::Null).json()["items"][0]["done_by"].clone();
    let viewer = Browser::signed_in(&dev, "viewer");
    assert_eq!((viewer.get(&place).status, mark(&viewer, "razorpay", "done"), done()), (403, 403, Value::Null));
    assert_eq!((mark(&owner, "paypal", "done"), mark(&owner, "razorpay", "maybe"), done()), (422, 403, Value::Null));
    assert_eq!(owner.post(&place, &[("csrf", "old"), ("gateway", "razorpay"), ("state", "done")]).status, 403);
    let developer = Browser::signed_in(&dev, "developer");
    assert_eq!(mark(&developer, "razorpay", "done"), 303);
    assert!(done().as_str().is_some_and(|by| by.starts_with("user:usr_")), "{}", done());
    assert!(owner.get(&place).body.contains("Marked as done"));
    assert_eq!((mark(&owner, "razorpay", "open"), done()), (303, Value::Null));
    let body = json!({ "done": true });
    assert_eq!(dev.api("PUT", &format!("{place}/razorpay"), &body).status, 200);
    assert_eq!(dev.api("PUT", &format!("{place}/paypal"), &body).status, 409);
    let audit = dev.api("GET", "/audit-entries", &Value::Null).body;
    for action in ["app.gateway_secret_made", "app.gateway_marked", "app.gateway_reopened"] {
        assert!(audit.contains(action), "{action}");
    }
    assert!(!audit.contains(&secret));

    // Where the vendor hears from no gateway there is nothing to set up; and what is another merchant's is not there.
    let razorpay = app_of(&dev, "razorpay");
    assert_eq!(dev.api("GET", &format!("/apps/{razorpay}/gateways"), &Value::Null).json()["items"], json!([]));
    assert!(!owner.get(&format!("/apps/{razorpay}/settings")).body.contains("/gateways"));
    let stranger = signed_up(&dev, "stranger@gateways.example");
    assert_eq!((stranger.get(&place).status, mark(&stranger, "razorpay", "done")), (404, 404));
}
