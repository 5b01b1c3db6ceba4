//! The providers that an app may use: chosen at the console or by the management API, and held at the next request by the
//! gateway, the verify API and forward-auth alike.

use keymint_testkit::{Dev, Key, Reply, Request, Upstream};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::people::{hidden, keep_cookie, live_app, merchant_of, signed_up, totp, with_authenticator};

const REFUSED: &str =
    r#"{"statusCode":400,"message":"This provider is not allowed for this application","error":"Bad Request"}"#;

fn keyed(key: &Key, request: Request) -> Request {
    let request = request.header("X-API-Key", &key.key_id).header("X-Secret-Key", &key.secret);
    request.header("Content-Type", "application/json")
}

fn pay(dev: &Dev, key: &Key, provider: &str) -> Reply {
    let body = json!({
        "amount": 5000, "provider": provider, "phoneNumber": "237653456789", "externalId": format!("{provider} {}", key.key_id),
    });
    keyed(key, Request::new("POST", "/kpay/api/v1/payments/init")).body(&body.to_string()).send(dev.gateway)
}

fn choose(dev: &Dev, app: &str, providers: &Value) -> Reply {
    dev.api("PUT", &format!("/apps/{app}/providers"), &json!({ "providers": providers }))
}

fn save<'f>(browser: &Browser<'_>, app: &str, names: &[&'f str], more: &[(&'f str, &'f str)]) -> Reply {
    let csrf = browser.csrf();
    let mut form = vec![("csrf", csrf.as_str())];
    form.extend(names.iter().map(|name| ("provider", *name)));
    form.extend(more);
    browser.post(&format!("/apps/{app}/providers"), &form)
}

fn boxes(page: &str) -> usize {
    page.matches("<input type=\"checkbox\" name=\"provider\"").count()
}

#[test]
fn a_provider_that_is_not_chosen_is_refused_with_the_vendors_400_at_the_next_request() {
    let dev = dev();
    let key = dev.key("kpay", "providers");
    for provider in ["MTN_MOMO_CMR", "ORANGE_CMR"] {
        assert_eq!(pay(&dev, &key, provider).status, 201, "none chosen is all: {provider}");
    }
    let chosen = choose(&dev, &key.app_id, &json!(["ORANGE_CMR", "MTN_MOMO_CMR", "ORANGE_CMR"]));
    assert_eq!(chosen.status, 200, "{}", chosen.body);
    assert_eq!(chosen.json()["providers"], json!(["MTN_MOMO_CMR", "ORANGE_CMR"]), "in the vendor's order");
    assert_eq!(chosen.json()["available"].as_array().map(Vec::len), Some(23));
    for provider in ["AIRTEL_GAB", "mtn_momo_cmr", "MTN_MOMO_CM", "MTN_MOMO_CMR ", "NO_SUCH", ""] {
        let refused = pay(&dev, &key, provider);
        assert_eq!((refused.status, refused.body.as_str()), (400, REFUSED), "{provider:?}");
    }
    choose(&dev, &key.app_id, &json!(["MTN_MOMO_CMR"]));
    assert_eq!(pay(&dev, &key, "ORANGE_CMR").status, 400, "narrowed at the next request");
    let wrong = dev.key("kpay", "stranger");
    let wrong = Key { secret: wrong.secret, ..key.clone() };
    assert_eq!(pay(&dev, &wrong, "ORANGE_CMR").status, 401, "a stranger learns nothing of the list");
    let me = keyed(&key, Request::new("GET", "/kpay/api/v1/payments/me")).send(dev.gateway);
    assert_eq!(me.status, 200, "a call that names no provider");
    let logged =
        dev.api("GET", &format!("/credentials/{}/requests?reason=provider_not_allowed", key.key_id), &Value::Null);
    assert_eq!(logged.json()["items"].as_array().map(Vec::len), Some(7), "{}", logged.body);
    assert!(!logged.body.contains("AIRTEL_GAB"), "what the body said is not logged");
    let audit = dev.api("GET", "/audit-entries?limit=5", &Value::Null).body;
    assert!(audit.contains("app.providers_chosen") && audit.contains("MTN_MOMO_CMR"), "{audit}");
}

#[test]
fn every_key_of_the_app_has_the_list_and_no_other_app_does() {
    let dev = dev();
    let merchant = dev.merchant("lists");
    let (app, other) = (dev.app(&merchant, "kpay", "held"), dev.app(&merchant, "kpay", "free"));
    choose(&dev, &app, &json!(["MTN_MOMO_CMR"]));
    let (key, free) = (dev.key_of(&app, &json!({ "mode": "test" })), dev.key_of(&other, &json!({ "mode": "test" })));
    assert_eq!((pay(&dev, &key, "MTN_MOMO_CMR").status, pay(&dev, &key, "ORANGE_CMR").status), (201, 400));
    assert_eq!(pay(&dev, &free, "ORANGE_CMR").status, 201);
    let rolled = dev.roll(&key.key_id, 60);
    let next =
        Key { key_id: rolled.text("/credential/key_id"), secret: rolled.text("/credential/secret"), ..key.clone() };
    assert_eq!(pay(&dev, &next, "ORANGE_CMR").status, 400, "the successor");
    let patched = dev.api("PATCH", &format!("/credentials/{}", next.key_id), &json!({ "allowed_ips": ["127.0.0.1"] }));
    assert_eq!(patched.status, 200, "{}", patched.body);
    assert_eq!(pay(&dev, &next, "ORANGE_CMR").status, 400, "changing the key changes nothing of the app");
    choose(&dev, &app, &json!(["ORANGE_CMR"]));
    for key in [&key, &next] {
        assert_eq!((pay(&dev, key, "MTN_MOMO_CMR").status, pay(&dev, key, "ORANGE_CMR").status), (400, 201));
    }
    assert_eq!(choose(&dev, &app, &json!([])).status, 200);
    assert_eq!(pay(&dev, &next, "MTN_MOMO_CMR").status, 201, "none chosen is all again");
}

#[test]
fn only_the_vendors_providers_are_taken_and_products_without_any_have_no_list() {
    let dev = dev();
    let merchant = dev.merchant("catalogue");
    let (kpay, razorpay) = (dev.app(&merchant, "kpay", "one"), dev.app(&merchant, "razorpay", "two"));
    choose(&dev, &kpay, &json!(["MTN_MOMO_CMR"]));
    for odd in [
        json!(["ORANGE_GAB"]),
        json!(["mtn_momo_cmr"]),
        json!(["MTN_MOMO_CMR", ""]),
        json!(["MTN_MOMO_CMR ORANGE_CMR"]),
    ] {
        let refused = choose(&dev, &kpay, &odd);
        assert_eq!((refused.status, refused.text("/field").as_str()), (422, "providers"), "{odd}");
    }
    let read = dev.api("GET", &format!("/apps/{kpay}/providers"), &Value::Null);
    assert_eq!((read.status, &read.json()["providers"]), (200, &json!(["MTN_MOMO_CMR"])), "nothing was changed");
    assert_eq!(choose(&dev, &razorpay, &json!(["MTN_MOMO_CMR"])).status, 422);
    let none = dev.api("GET", &format!("/apps/{razorpay}/providers"), &Value::Null).json();
    assert_eq!(none, json!({ "providers": [], "available": [] }));
    let token =
        dev.api("POST", "/tokens", &json!({ "name": "other", "merchant_id": dev.merchant("other") })).text("/token");
    for (method, body) in [("GET", Value::Null), ("PUT", json!({ "providers": [] }))] {
        assert_eq!(dev.api_as(&token, method, &format!("/apps/{kpay}/providers"), &body).status, 404, "{method}");
    }
    let owner = Browser::signed_in(&dev, "owner");
    assert_eq!(boxes(&owner.get(&format!("/apps/{}/settings", app_of(&dev, "razorpay"))).body), 0);
}

#[test]
fn proxies_and_services_that_ask_hear_the_same_and_without_the_body_nothing_passes() {
    let dev = dev();
    let key = dev.key("kpay", "asking");
    let body = |provider: &str| json!({ "amount": 1, "provider": provider }).to_string();
    let verify = |body: &str| {
        let call = json!({
            "product": "kpay", "method": "POST", "target": "/api/v1/payments/init", "client_ip": "203.0.113.7",
            "headers": [["Host", "h"], ["X-API-Key", key.key_id], ["X-Secret-Key", key.secret]],
            "body_base64": data_encoding::BASE64.encode(body.as_bytes()),
        });
        Request::new("POST", "/v1/verify").body(&call.to_string()).send(dev.internal)
    };
    let ask = |path: &str, words: Option<&str>, body: &str| {
        let request = keyed(&key, Request::new("POST", &format!("/v1/forward-auth/kpay/api/v1/payments/{path}")));
        let request = words.into_iter().fold(request, |request, words| request.header("X-Keymint-Body", words));
        request.body(body).send(dev.internal)
    };
    assert_eq!(ask("init", None, "").status, 200, "without a list nothing depends on the body");
    choose(&dev, &key.app_id, &json!(["MTN_MOMO_CMR"]));
    assert_eq!(verify(&body("MTN_MOMO_CMR")).text("/decision"), "allow");
    let refused = verify(&body("ORANGE_CMR"));
    assert_eq!(refused.text("/reason"), "provider_not_allowed");
    assert_eq!(refused.json()["response"]["status"], json!(400));
    assert_eq!(ask("init", Some("whole"), &body("MTN_MOMO_CMR")).status, 200);
    for (words, body) in [
        (Some("whole"), body("ORANGE_CMR")),
        (None, body("MTN_MOMO_CMR")),
        (None, String::new()),
        (Some("none"), String::new()),
    ] {
        let refused = ask("init", words, &body);
        assert_eq!((refused.status, refused.body.as_str()), (400, REFUSED), "{words:?} {body}");
    }
    assert_eq!(ask("withdraw", None, "").status, 400);
    assert_eq!(ask("predict-provider", None, "").status, 200, "a call that names none");
}

#[test]
fn a_long_body_is_read_before_any_of_it_goes_upstream() {
    let upstream = Upstream::plain();
    let settings = format!("[product.upstream_test]\naddresses = [\"{}\"]\nupload_bytes_max = 8000000", upstream.url());
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &[("kpay", settings)]);
    let key = dev.key("kpay", "long");
    choose(&dev, &key.app_id, &json!(["MTN_MOMO_CMR"]));
    let filler = "x".repeat(200_000);
    let send = |provider: &str| {
        let body = json!({ "description": filler, "provider": provider }).to_string();
        keyed(&key, Request::new("POST", "/kpay/api/v1/payments/init")).body(&body).send(dev.gateway).status
    };
    assert_eq!((send("ORANGE_CMR"), upstream.bytes(), upstream.connections()), (400, 0, 0));
    assert_eq!(send("MTN_MOMO_CMR"), 200);
    assert!(upstream.only().body.len() > 200_000);
}

#[test]
fn owners_and_admins_choose_on_the_settings_page_and_others_see_it() {
    let dev = dev();
    let app = app_of(&dev, "kpay");
    let (owner, admin) = (Browser::signed_in(&dev, "owner"), Browser::signed_in(&dev, "admin"));
    let settings = format!("/apps/{app}/settings");
    assert_eq!(boxes(&owner.get(&settings).body), 23);
    let saved = save(&owner, &app, &["MTN_MOMO_CMR", "ORANGE_CMR"], &[]);
    assert_eq!(saved.status, 303, "{}", saved.body);
    let page = owner.get(&settings).body;
    assert!(page.contains("value=\"MTN_MOMO_CMR\" checked") && page.contains("value=\"ORANGE_CMR\" checked"), "{page}");
    assert!(!page.contains("value=\"AIRTEL_GAB\" checked") && page.contains("2 are chosen"), "{page}");
    assert_eq!(save(&admin, &app, &["MTN_MOMO_CMR"], &[]).status, 303);
    for role in ["developer", "viewer"] {
        let browser = Browser::signed_in(&dev, role);
        assert_eq!(save(&browser, &app, &["AIRTEL_GAB"], &[]).status, 403, "{role}");
        let page = browser.get(&settings).body;
        assert!(boxes(&page) == 0 && page.contains("<code>MTN_MOMO_CMR</code>"), "{role}: {page}");
        assert!(!page.contains("<code>ORANGE_CMR</code>"), "{role}");
    }
    let refused = save(&owner, &app, &["AIRTEL_GAB", "NO_SUCH"], &[]);
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("id=\"providers-error\"") && !refused.body.contains("NO_SUCH"), "{}", refused.body);
    let stranger = signed_up(&dev, "stranger@providers.example");
    assert_eq!(save(&stranger, &app, &[], &[]).status, 404);
    assert_eq!(owner.post(&format!("/apps/{app}/providers"), &[("csrf", "wrong")]).status, 403);
    let audit = owner.get(&format!("/merchants/{}/audit", merchant_of(&owner))).body;
    assert_eq!(audit.matches("app.providers_chosen").count(), 2, "{audit}");
}

#[test]
fn providers_of_an_app_with_a_live_key_ask_for_what_live_keys_ask_for() {
    let dev = dev();
    let mut owner = signed_up(&dev, "eve@providers.example");
    live_app(&dev, &owner);
    let app = dev.app(&merchant_of(&owner), "kpay", "live");
    assert_eq!(save(&owner, &app, &["MTN_MOMO_CMR"], &[]).status, 303, "only test keys so far");
    let live = dev.key_of(&app, &json!({ "mode": "live" }));
    // Let in: there is no upstream behind live mode, and only who was let in hears of it.
    assert_eq!((pay(&dev, &live, "MTN_MOMO_CMR").status, pay(&dev, &live, "ORANGE_CMR").status), (503, 400));
    let led = save(&owner, &app, &["ORANGE_CMR"], &[]);
    assert_eq!((led.status, led.header("location")), (303, Some("/security?needed=1")));
    let (secret, _) = with_authenticator(&mut owner);
    let asked = save(&owner, &app, &["ORANGE_CMR"], &[]);
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert_eq!(hidden(&asked.body, "provider"), "ORANGE_CMR", "the form is carried along");
    assert_eq!(pay(&dev, &live, "ORANGE_CMR").status, 400, "nothing was chosen");
    let (challenge, code) = (hidden(&asked.body, "challenge").to_owned(), totp(&secret, 1));
    let saved = save(&owner, &app, &["ORANGE_CMR"], &[("challenge", &challenge), ("code", &code)]);
    assert_eq!(saved.status, 303, "{}", saved.body);
    keep_cookie(&mut owner, &saved);
    assert_eq!((pay(&dev, &live, "MTN_MOMO_CMR").status, pay(&dev, &live, "ORANGE_CMR").status), (400, 503));
}
