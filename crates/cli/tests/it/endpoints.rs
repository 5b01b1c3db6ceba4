//! Webhooks at the console: who may change endpoints, secrets that are shown once or never, and what is typed stays.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use keymint_testkit::receiver::{Answer, Receiver};
use keymint_testkit::{Dev, Reply, eventually};
use serde_json::{Value, json};

use crate::console::{Browser, app_of, cell};
use crate::dev;
use crate::people::{hidden, keep_cookie, live_app, signed_up, totp, with_authenticator};

/// Razorpay's default OTP of test mode.
const TEST_CODE: &str = "754081";

fn signature(secret: &str, body: &str) -> String {
    HEXLOWER.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes()).as_ref())
}

/// The endpoint that a redirect or a page leads to.
fn endpoint_of(reply: &Reply) -> String {
    let text = format!("{} {}", reply.header("location").unwrap_or_default(), reply.body);
    let (_, id) = text.split_once("/webhooks/").expect("a link");
    id.split(['"', '?', ' ']).next().expect("an id").to_owned()
}

#[test]
fn a_secret_that_keymint_makes_is_shown_once_and_the_form_sent_twice_makes_one_endpoint() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "kpay"));
    let csrf = owner.csrf();
    let list = format!("/apps/{app}/webhooks");
    let form = [("csrf", &*csrf), ("once", "one"), ("mode", "test"), ("url", &*receiver.url())];
    let made = owner.post(&list, &form);
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let secret = cell(&made.body, "secret").to_owned();
    let endpoint = endpoint_of(&made);
    let again = owner.post(&list, &form);
    assert_eq!((again.status, endpoint_of(&again)), (303, endpoint.clone()));
    assert_eq!(owner.get(&list).body.matches("/hook</code>").count(), 1);
    for path in [list.clone(), format!("/webhooks/{endpoint}"), format!("{list}?mode=live")] {
        assert!(!owner.get(&path).body.contains(&secret), "{path}");
    }
    let sent = owner.post(&format!("/webhooks/{endpoint}/test"), &[form[0], ("event", "payment.completed")]);
    assert_eq!(sent.status, 303, "{}", sent.body);
    let got = receiver.wait_for(1);
    assert_eq!(got[0].header("x-kpay-signature"), Some(&*signature(&secret, &got[0].body)));
    let rolled = owner.post(&format!("/webhooks/{endpoint}/secret"), &[form[0]]);
    let next = cell(&rolled.body, "secret").to_owned();
    assert_eq!(rolled.status, 201);
    assert_ne!(next, secret);
    let page = eventually(|| {
        let page = owner.get(&format!("/webhooks/{endpoint}")).body;
        if page.contains(">delivered<") { Ok(page) } else { Err(page) }
    });
    let (_, id) = page.split_once("href=\"/deliveries/").expect("a link");
    let delivery = format!("/deliveries/{}", id.split('"').next().expect("an id"));
    let shown = owner.get(&delivery).body;
    assert!(shown.contains("payment.completed") && shown.contains(">taken<") && shown.contains(">ok<"), "{shown}");
    assert_eq!(owner.post(&format!("{delivery}/resend"), &[form[0]]).status, 303);
    let got = receiver.wait_for(2);
    assert_eq!(got[1].header("x-kpay-signature"), Some(&*signature(&secret, &got[1].body)), "of before the roll");
}

#[test]
fn what_is_typed_stays_in_the_form_but_for_the_secret() {
    let dev = dev();
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "razorpay"));
    let csrf = owner.csrf();
    let form = [
        ("csrf", &*csrf),
        ("once", "one"),
        ("mode", "test"),
        ("url", "https://10.0.0.1/typed"),
        ("events", "order.paid"),
        ("events", "payment.failed"),
        ("alert_email", "ops@shop.example"),
        ("secret", "a-typed-secret"),
        ("code", TEST_CODE),
    ];
    let refused = owner.post(&format!("/apps/{app}/webhooks"), &form);
    assert_eq!(refused.status, 422);
    let page = &refused.body;
    assert!(page.contains("value=\"https://10.0.0.1/typed\"") && page.contains("value=\"ops@shop.example\""), "{page}");
    assert!(page.contains("private ip found for host"), "{page}");
    for event in ["order.paid", "payment.failed"] {
        assert!(page.contains(&format!("value=\"{event}\" checked")), "{event}");
    }
    assert_eq!(page.matches(" checked").count(), 2);
    assert!(!page.contains("a-typed-secret"));
    let listed = dev.api("GET", &format!("/apps/{app}/webhook-endpoints?mode=test"), &Value::Null);
    assert_eq!(listed.json()["items"], json!([]), "a refused write changes nothing");
}

#[test]
fn each_role_does_with_endpoints_what_it_may() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app_of(&dev, "razorpay");
    let make = |mode: &str| {
        let body = json!({ "mode": mode, "url": receiver.url(), "secret": "a-good-secret" });
        dev.api("POST", &format!("/apps/{app}/webhook-endpoints"), &body).text("/id")
    };
    let (test, live) = (make("test"), make("live"));
    let delivery = dev.api("POST", &format!("/webhook-endpoints/{test}/test"), &json!({ "event": "order.paid" }));
    let delivery = delivery.text("/id");
    receiver.wait_for(1);
    let gets = [
        format!("/apps/{app}/webhooks"),
        format!("/webhooks/{test}"),
        format!("/webhooks/{live}"),
        format!("/deliveries/{delivery}"),
    ];
    // Of the test endpoint: who manages test keys; of the live one: owners and admins, who are led to a second factor.
    for (role, sees, test_status, live_status) in
        [("viewer", 403, 403, 403), ("developer", 200, 303, 403), ("admin", 200, 303, 303), ("owner", 200, 303, 303)]
    {
        let browser = Browser::signed_in(&dev, role);
        let csrf = browser.csrf();
        for path in &gets {
            assert_eq!(browser.get(path).status, sees, "{role} {path}");
        }
        for (endpoint, wanted) in [(&test, test_status), (&live, live_status)] {
            for (place, fields) in [
                ("", vec![("url", "https://shop.example/"), ("events", "order.paid")]),
                ("/state", vec![("state", "enabled")]),
                ("/secret", vec![("secret", "another-secret")]),
            ] {
                let fields: Vec<_> = [("csrf", &*csrf), ("code", TEST_CODE)].into_iter().chain(fields).collect();
                let path = format!("/webhooks/{endpoint}{place}");
                let done = browser.post(&path, &fields);
                assert_eq!(done.status, wanted, "{role} {path}: {}", done.body);
                let is_led = done.header("location") == Some("/security?needed=1");
                assert_eq!(is_led, wanted == 303 && endpoint == &live, "{role} {path}");
            }
        }
        let url = "https://shop.example/more";
        let list = [("csrf", &*csrf), ("once", role), ("mode", "test"), ("url", url), ("code", TEST_CODE)];
        assert_eq!(browser.post(&format!("/apps/{app}/webhooks"), &list).status, test_status, "{role}");
        let tested = browser.post(&format!("/webhooks/{test}/test"), &[("csrf", &csrf), ("event", "order.paid")]);
        assert_eq!(tested.status, test_status, "{role}");
        let again = browser.post(&format!("/deliveries/{delivery}/resend"), &[("csrf", &csrf)]);
        assert_eq!(again.status, test_status, "{role}");
        let old = [("csrf", "old"), ("state", "disabled"), ("code", TEST_CODE)];
        assert_eq!(browser.post(&format!("/webhooks/{test}/state"), &old).status, 403);
    }
    let stranger = signed_up(&dev, "stranger@webhooks.example");
    for path in &gets {
        assert_eq!(stranger.get(path).status, 404, "{path}");
    }
    let csrf = stranger.csrf();
    for place in ["", "/state", "/secret", "/test", "/delete"] {
        let path = format!("/webhooks/{test}{place}");
        let fields = [("csrf", &*csrf), ("state", "disabled"), ("event", "order.paid"), ("url", "https://a.example/")];
        assert_eq!(stranger.post(&path, &fields).status, 404, "{path}");
    }
    assert_eq!(Browser::new(&dev).get(&gets[1]).header("location"), Some("/sign-in"));
    let state = dev.api("GET", &format!("/webhook-endpoints/{live}"), &Value::Null);
    assert_eq!((state.text("/status"), state.text("/url")), ("enabled".to_owned(), receiver.url()));
}

fn publish(dev: &Dev, app: &str) {
    let event = json!({ "mode": "live", "name": "order.paid", "body": "{}" });
    assert_eq!(dev.api("POST", &format!("/apps/{app}/events"), &event).status, 202);
}

#[test]
fn a_live_endpoint_and_its_secret_ask_for_a_second_factor_and_the_typed_secret_is_not_lost_on_the_way() {
    let (dev, receiver) = (dev(), Receiver::start());
    receiver.answers([], Answer::Status(200));
    let mut owner = signed_up(&dev, "owner@webhooks.example");
    let app = live_app(&dev, &owner);
    let (totp_secret, _) = with_authenticator(&mut owner);
    let (csrf, url, list) = (owner.csrf(), receiver.url(), format!("/apps/{app}/webhooks"));
    let form = [("csrf", &*csrf), ("once", "one"), ("mode", "live"), ("url", &*url), ("secret", "typed-by-its-owner")];
    let asked = owner.post(&list, &form);
    assert_eq!(asked.status, 200);
    assert!(
        asked.body.contains("Add the Live endpoint") && !asked.body.contains("typed-by-its-owner"),
        "{}",
        asked.body
    );
    let (challenge, sealed) = (hidden(&asked.body, "challenge").to_owned(), hidden(&asked.body, "sealed").to_owned());
    let answer = |code: &str, sealed: &str| {
        let fields =
            [form[0], form[1], form[2], form[3], ("sealed", sealed), ("challenge", &challenge), ("code", code)];
        owner.post(&list, &fields)
    };
    assert_eq!(answer("000000", &sealed).status, 422, "a wrong code");
    let other = signed_up(&dev, "other@webhooks.example");
    let foreign = other.post(&list, &[("csrf", &other.csrf()), ("mode", "live"), ("sealed", &sealed), form[3]]);
    assert_eq!(foreign.status, 404);
    assert_eq!(answer(&totp(&totp_secret, 1), &sealed.replace(&sealed[20..24], "AAAA")).status, 403, "a byte off");
    let made = answer(&totp(&totp_secret, 1), &sealed);
    assert_eq!(made.status, 303, "{}", made.body);
    keep_cookie(&mut owner, &made);
    let endpoint = endpoint_of(&made);
    publish(&dev, &app);
    assert_eq!(receiver.wait_for(1)[0].header("x-razorpay-signature"), Some(&*signature("typed-by-its-owner", "{}")));
    // The proof covers the next acts of this session.
    let fields = [("csrf", &*csrf), ("secret", "rolled-by-its-owner")];
    let rolled = owner.post(&format!("/webhooks/{endpoint}/secret"), &fields);
    assert_eq!(rolled.status, 303, "{}", rolled.body);
    publish(&dev, &app);
    assert_eq!(receiver.wait_for(2)[1].header("x-razorpay-signature"), Some(&*signature("rolled-by-its-owner", "{}")));
}

#[test]
fn the_code_of_test_mode_sets_up_edits_and_deletes_in_test_mode_and_nothing_in_live_mode() {
    let dev = dev();
    let mut owner = signed_up(&dev, "rehearsal@webhooks.example");
    let app = live_app(&dev, &owner);
    let (totp_secret, _) = with_authenticator(&mut owner);
    let csrf = owner.csrf();
    let url_of = |id: &str| dev.api("GET", &format!("/webhook-endpoints/{id}"), &Value::Null).text("/url");
    let list = format!("/apps/{app}/webhooks");
    let set_up = |mode: &str, answer: &[(&str, &str)]| {
        let form = [("csrf", &*csrf), ("once", "one"), ("mode", mode), ("url", "https://shop.example/first")];
        owner.post(&list, &[&form[..], answer].concat())
    };
    let asked = set_up("test", &[]);
    assert_eq!((asked.status, hidden(&asked.body, "url")), (200, "https://shop.example/first"), "carried along");
    assert!(asked.body.contains(TEST_CODE), "everybody may know it");
    for wrong in ["754082", "75408", "7540810", "000000"] {
        assert_eq!(set_up("test", &[("code", wrong)]).status, 422, "{wrong}");
    }
    let made = set_up("test", &[("code", "754 081")]);
    assert_eq!(made.status, 303, "{}", made.body);
    let id = endpoint_of(&made);
    let edit = |id: &str, answer: &[(&str, &str)]| {
        let form = [("csrf", &*csrf), ("url", "https://shop.example/second")];
        owner.post(&format!("/webhooks/{id}"), &[&form[..], answer].concat())
    };
    assert_eq!((edit(&id, &[]).status, edit(&id, &[("code", "754082")]).status), (200, 422));
    assert_eq!(url_of(&id), "https://shop.example/first", "nothing has changed");
    assert_eq!((edit(&id, &[("code", TEST_CODE)]).status, url_of(&id)), (303, "https://shop.example/second".into()));

    // Live mode asks for the person's own second factor, whatever is known to everybody.
    let asked = set_up("live", &[("code", TEST_CODE)]);
    assert_eq!(asked.status, 200, "a code without a challenge is none");
    let challenge = hidden(&asked.body, "challenge").to_owned();
    assert!(!asked.body.contains(TEST_CODE));
    assert_eq!(set_up("live", &[("challenge", &challenge), ("code", TEST_CODE)]).status, 422);
    let body = json!({ "mode": "live", "url": "https://shop.example/first", "secret": "a-good-secret" });
    let live = dev.api("POST", &format!("/apps/{app}/webhook-endpoints"), &body).text("/id");
    let asked = edit(&live, &[("code", TEST_CODE)]);
    let challenge = hidden(&asked.body, "challenge").to_owned();
    assert_eq!(edit(&live, &[("challenge", &challenge), ("code", TEST_CODE)]).status, 422);
    let remove = |id: &str, answer: &[(&str, &str)]| {
        owner.post(&format!("/webhooks/{id}/delete"), &[&[("csrf", &*csrf)][..], answer].concat()).status
    };
    assert_eq!((remove(&live, &[("code", TEST_CODE)]), url_of(&live).as_str()), (200, "https://shop.example/first"));
    assert_eq!((remove(&id, &[]), remove(&id, &[("code", TEST_CODE)])), (200, 303));
    let right = totp(&totp_secret, 1);
    assert_eq!(edit(&live, &[("challenge", &challenge), ("code", &right)]).status, 303, "the person's own code");
    assert_eq!(url_of(&live), "https://shop.example/second");

    // Where the vendor has no such code, test mode asks for none.
    let kpay = app_of(&dev, "kpay");
    let demo = Browser::signed_in(&dev, "owner");
    let form = [("csrf", &*demo.csrf()), ("once", "one"), ("mode", "test"), ("url", "https://shop.example/first")];
    assert_eq!(demo.post(&format!("/apps/{kpay}/webhooks"), &form).status, 201);
}
