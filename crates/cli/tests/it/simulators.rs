//! What every simulator has in common: outcomes that come later, on a clock that the tester moves, also after the process
//! was killed; and answers that are late, wrong or lost because the tester asks for it.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use keymint_testkit::receiver::Got;
use keymint_testkit::{Dev, Key, Receiver, Reply, Request, Upstream, eventually};
use serde_json::{Value, json};

use crate::dev;

/// A test endpoint of an app; its secret, where it has one of its own.
pub fn hook(dev: &Dev, app: &str, receiver: &Receiver) -> String {
    let body = json!({ "mode": "test", "url": receiver.url() });
    let made = dev.api("POST", &format!("/apps/{app}/webhook-endpoints"), &body);
    assert_eq!(made.status, 201, "{}", made.body);
    made.text("/secret")
}

/// The one event of a name in whose body something stands, once it has come.
pub fn told(receiver: &Receiver, event: &str, about: &str) -> Got {
    eventually(|| {
        let is_it = |got: &Got| got.body.contains(&format!("\"{event}\"")) && got.body.contains(about);
        let found: Vec<_> = receiver.all().into_iter().filter(is_it).collect();
        match <[Got; 1]>::try_from(found) {
            Ok([got]) => Ok(got),
            Err(found) => Err(format!("{} of {event} about {about}: {:?}", found.len(), receiver.all())),
        }
    })
}

/// The HMAC-SHA256 of a text, in hexadecimal digits.
pub fn hex_hmac(secret: &str, text: &str) -> String {
    HEXLOWER.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes()).as_ref())
}

/// Moves an app's clock.
pub fn clock(dev: &Dev, app: &str, now: &str) -> Reply {
    dev.api("POST", &format!("/apps/{app}/test-clock"), &json!({ "now": now }))
}

/// Picks on a hosted page, whose address is given as a whole.
pub fn on_page(dev: &Dev, method: &str, url: &str, form: &str) -> Reply {
    let path = url.strip_prefix(&format!("http://{}", dev.gateway)).expect("a page of this gateway");
    let request = Request::new(method, path);
    let request = if method == "POST" {
        request.header("Content-Type", "application/x-www-form-urlencoded").body(form)
    } else {
        request
    };
    request.send(dev.gateway)
}

/// A pair of a redirect's query, not decoded.
pub fn pair(location: &str, name: &str) -> String {
    let query = location.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(one, _)| *one == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// A call of KPay's simulator, with what the tester asks of it.
fn asking(dev: &Dev, key: &Key, (method, path): (&str, &str), body: &Value, asked: &str) -> Reply {
    let request = Request::new(method, &format!("/kpay/api/v1/payments{path}"));
    let request = request.header("X-API-Key", &key.key_id).header("X-Secret-Key", &key.secret);
    let request = if asked.is_empty() { request } else { request.header("X-Keymint-Simulate", asked) };
    let request = if body.is_null() { request } else { request.body(&body.to_string()) };
    request.header("Content-Type", "application/json").send(dev.gateway)
}

fn init(dev: &Dev, key: &Key, reference: &str, asked: &str) -> Reply {
    let body = json!({
        "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456789", "externalId": reference,
    });
    asking(dev, key, ("POST", "/init"), &body, asked)
}

fn status(dev: &Dev, key: &Key, id: &str) -> (String, String) {
    let found = asking(dev, key, ("GET", &format!("/{id}")), &Value::Null, "");
    (found.text("/status"), found.text("/completedAt"))
}

#[test]
fn an_outcome_comes_when_the_testers_clock_gets_there_and_not_a_second_before() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (key, other) = (dev.key("kpay", "clock"), dev.key("kpay", "no-clock"));
    let hook = json!({ "mode": "test", "url": receiver.url() });
    assert_eq!(dev.api("POST", &format!("/apps/{}/webhook-endpoints", key.app_id), &hook).status, 201);
    let real = dev.api("GET", &format!("/apps/{}/test-clock", key.app_id), &Value::Null);
    assert_eq!((real.status, real.text("/state")), (200, "real".to_owned()));
    let set = clock(&dev, &key.app_id, "2030-01-01T00:00:00Z");
    assert_eq!(
        (set.status, set.text("/state"), set.text("/now")),
        (200, "stands".to_owned(), "2030-01-01T00:00:00.000Z".to_owned()),
        "{}",
        set.body
    );
    let made = init(&dev, &key, "ORDER-1", "settle=30s");
    assert!(made.text("/reference").starts_with("KPAY-20300101-"), "made at the app's time: {}", made.body);
    let id = made.text("/id");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:29Z").status, 200);
    assert_eq!(status(&dev, &key, &id).0, "PENDING");
    assert!(receiver.all().is_empty());
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:30Z").status, 200);
    let moved = ("COMPLETED".to_owned(), "2030-01-01T00:00:30Z".to_owned());
    assert_eq!(status(&dev, &key, &id), moved, "as soon as the clock's call has answered");
    let told = receiver.wait_for(1);
    assert!(told[0].body.contains(&id) && told[0].body.contains("2030-01-01T00:00:30Z"), "{}", told[0].body);
    // Nothing but forward, in this app alone, and for whoever may.
    for (now, field) in [("2030-01-01T00:00:29.999Z", "now"), ("2050-01-01T00:00:00Z", "now"), ("tomorrow", "now")] {
        let refused = clock(&dev, &key.app_id, now);
        assert_eq!((refused.status, refused.text("/field")), (422, field.to_owned()), "{now}");
    }
    let elsewhere = dev.api("GET", &format!("/apps/{}/test-clock", other.app_id), &Value::Null);
    assert_eq!(elsewhere.text("/state"), "real");
    let merchant = dev.merchant("stranger");
    let token = dev.api("POST", "/tokens", &json!({ "merchant_id": merchant, "name": "t" })).text("/token");
    let refused = dev.api_as(
        &token,
        "POST",
        &format!("/apps/{}/test-clock", key.app_id),
        &json!({ "now": "2031-01-01T00:00:00Z" }),
    );
    assert_eq!(refused.status, 404, "{}", refused.body);
    let runs = json!({ "now": "2030-06-01T00:00:00Z", "runs": true });
    assert_eq!(dev.api("POST", &format!("/apps/{}/test-clock", key.app_id), &runs).text("/state"), "runs");
    let later = init(&dev, &key, "ORDER-2", "settle=200ms").text("/id");
    eventually(|| match status(&dev, &key, &later).0.as_str() {
        "COMPLETED" => Ok(()),
        other => Err(other.to_owned()),
    });
}

#[test]
fn what_is_due_after_the_process_was_killed_is_done_by_the_next_one_once() {
    let (folder, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start());
    let mut dev = Dev::start_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), &[]);
    let key = dev.key("kpay", "killed");
    let hook = json!({ "mode": "test", "url": receiver.url() });
    assert_eq!(dev.api("POST", &format!("/apps/{}/webhook-endpoints", key.app_id), &hook).status, 201);
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:00Z").status, 200);
    let id = init(&dev, &key, "ORDER-1", "settle=1h").text("/id");
    dev.kill();
    drop(dev);
    let dev = Dev::start_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), &[]);
    assert_eq!(status(&dev, &key, &id).0, "PENDING");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T01:00:00Z").status, 200);
    assert_eq!(status(&dev, &key, &id).0, "COMPLETED");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T02:00:00Z").status, 200);
    let again = init(&dev, &key, "ORDER-2", "").text("/id");
    let told = receiver.wait_for(2);
    assert_eq!(told.iter().filter(|one| one.body.contains(&id)).count(), 1);
    assert!(told.iter().any(|one| one.body.contains(&again)));
}

#[test]
fn an_answer_is_wrong_late_or_lost_only_where_a_tester_asks_for_it() {
    let dev = dev();
    let key = dev.key("kpay", "asking");
    let refused = init(&dev, &key, "ORDER-1", "error=503");
    assert_eq!((refused.status, refused.text("/error")), (503, "Service Unavailable".to_owned()));
    // Nothing was done: the reference is free. The second answer is lost, its payment is not.
    assert_eq!(init(&dev, &key, "ORDER-1", "delay=10ms,error-after=500").status, 500);
    assert_eq!(init(&dev, &key, "ORDER-1", "").status, 409);
    for wrong in ["error=200", "delay=11s", "settle=1", "sleep=1s", "error=503,error=503"] {
        let reply = init(&dev, &key, "ORDER-2", wrong);
        assert_eq!((reply.status, reply.text("/error")), (400, "Bad Request".to_owned()), "{wrong}");
        assert!(reply.text("/message").starts_with("X-Keymint-Simulate takes"), "{wrong}");
    }
    let stranger = Key { secret: key.secret.replace(['0', '1', '2'], "3"), ..key.clone() };
    assert_eq!(init(&dev, &stranger, "ORDER-2", "error=503").status, 401, "who it is comes first");
    let mut simple = Vec::new();
    for product in ["keymint", "razorpay", "kwikpaisa", "kspay"] {
        let key = dev.key(product, "asking");
        let call = match product {
            "keymint" => ("GET", "/v1/whoami", ""),
            "razorpay" => ("GET", "/v1/methods", ""),
            "kwikpaisa" => ("POST", "/api/v3/payout/balance", r#"{"kwikx_wallet_id":"kwx_test_1"}"#),
            _ => ("POST", "/transaction/initiate", "{}"),
        };
        let call = keymint_testkit::Call::new(product, call.0, call.1, call.2);
        simple.push(call.signed(dev.gateway, &key).header("X-Keymint-Simulate", "error=502").send(dev.gateway).status);
    }
    assert_eq!(simple, [502; 4]);
}

#[test]
fn a_path_of_a_hosted_page_with_credentials_is_no_hosted_page() {
    let upstream = Upstream::plain();
    let table = format!("[product.upstream_live]\naddresses = [\"{}\"]\n", upstream.url());
    let products = [("keymint", table.clone()), ("kpay", table)];
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &products);
    for (product, path, scheme) in [
        ("keymint", "/pay/7", "bearer"),
        ("kpay", "/gateway/gw_7", "key_pair"),
        ("kpay", "/api/public/platform-info", "key_pair"),
    ] {
        let key = dev.live_key(product, &format!("live{}", path.replace('/', "-")));
        let before = upstream.seen().len();
        let bare = Request::new("GET", &format!("/{product}{path}")).send(dev.gateway);
        assert_eq!(upstream.seen().len(), before, "without credentials nothing goes there: {}", bare.status);
        let call = keymint_testkit::Call::new(product, "GET", path, "").scheme(scheme);
        let forwarded = call.signed(dev.gateway, &key).send(dev.gateway);
        assert_eq!((forwarded.status, upstream.seen().len()), (200, before + 1), "{path}: {}", forwarded.body);
        let forged = Key { secret: format!("{}x", key.secret), ..key.clone() };
        let refused = keymint_testkit::Call::new(product, "GET", path, "").scheme(scheme).signed(dev.gateway, &forged);
        assert_eq!((refused.send(dev.gateway).status, upstream.seen().len()), (401, before + 1), "{path}");
    }
}
