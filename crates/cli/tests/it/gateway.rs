//! Authentication on the wire, dialect by dialect: what is let in, and beside it what is one step off and is not.

use keymint_testkit::{Call, Dev, Key, Request};
use serde_json::json;

use crate::dev;

const ORDER: &str = r#"{"order_id":"A-1","order_amount":"105.00","order_currency":"INR","service_type":"DIGITAL","customer":{"name":"Zoë","email":"z@example.com","phone":"9999999999"},"return_url":"https://m.example/r?a=1"}"#;
const INVALID: &str = r#"{"status":false,"code":401,"message":"Invalid signature."}"#;
const KPAY_INVALID: &str = r#"{"statusCode":401,"message":"Invalid API credentials","error":"Unauthorized"}"#;
const RAZORPAY_FAILED: &str = r#"{"error":{"code":"BAD_REQUEST_ERROR","description":"Authentication failed"}}"#;

fn without(headers: &[(String, String)], name: &str) -> Vec<(String, String)> {
    headers.iter().filter(|(other, _)| other != name).cloned().collect()
}

fn orders(dev: &Dev, authorization: &str) -> keymint_testkit::Reply {
    Request::new("GET", "/razorpay/v1/orders").header("Authorization", authorization).send(dev.gateway)
}

#[test]
fn razorpay_takes_strict_basic_and_refuses_the_four_documented_invalid_forms() {
    let dev = dev();
    let key = dev.key("razorpay", "basic");
    let good = key.basic();
    assert_eq!(orders(&dev, &good).status, 200);
    let token = good.trim_start_matches("Basic ");
    for bad in [
        format!("BASIC {token}"),
        format!("basic {token}"),
        format!("Basic \"{token}\""),
        format!("Basic ${token}"),
        format!("Basic  {token}"),
        format!("Basic\t{token}"),
        format!("Bearer {token}"),
        token.to_owned(),
        format!("Basic {token}="),
        format!("Basic {} ", &token[..token.len() - 1]),
    ] {
        let reply = orders(&dev, &bad);
        assert_eq!((reply.status, reply.body.as_str()), (401, RAZORPAY_FAILED), "{bad:.12}");
    }
}

#[test]
fn razorpay_key_ids_are_case_sensitive_and_white_space_is_not_trimmed() {
    let dev = dev();
    let key = dev.key("razorpay", "case");
    let swapped: String = key
        .key_id
        .chars()
        .enumerate()
        .map(|(at, letter)| match (at, letter.is_lowercase()) {
            (0..=8, _) => letter,
            (_, true) => letter.to_ascii_uppercase(),
            (_, false) => letter.to_ascii_lowercase(),
        })
        .collect();
    for (key_id, secret) in [
        (swapped, key.secret.clone()),
        (format!(" {}", key.key_id), key.secret.clone()),
        (format!("{} ", key.key_id), key.secret.clone()),
        (key.key_id.clone(), format!(" {}", key.secret)),
        (key.key_id.clone(), format!("{} ", key.secret)),
        (key.key_id.clone(), format!("{}\n", key.secret)),
    ] {
        let tried = Key { key_id, secret, app_id: String::new() };
        assert_eq!(orders(&dev, &tried.basic()).status, 401);
    }
    assert_eq!(orders(&dev, &key.basic()).status, 200);
}

#[test]
fn razorpay_asks_for_a_key_when_there_is_none() {
    let dev = dev();
    let reply = Request::new("GET", "/razorpay/v1/orders").send(dev.gateway);
    assert_eq!(reply.status, 401);
    assert_eq!(reply.text("/error/description"), "Please provide your api key for authentication purposes");
    assert_eq!(reply.text("/error/code"), "BAD_REQUEST_ERROR");
}

#[test]
fn a_key_id_alone_opens_checkout_calls_and_nothing_else() {
    let dev = dev();
    let key = dev.key("razorpay", "public");
    let alone = Key { secret: String::new(), ..key.clone() };
    let methods = |who: &Key| {
        Request::new("GET", "/razorpay/v1/methods").header("Authorization", &who.basic()).send(dev.gateway).status
    };
    assert_eq!(methods(&alone), 200);
    assert_eq!(methods(&key), 200, "the whole pair may do what the key id may");
    assert_eq!(orders(&dev, &alone.basic()).status, 401);
    let unknown = Key { key_id: "rzp_test_00000000000000".to_owned(), ..alone.clone() };
    assert_eq!(methods(&unknown), 401);

    let public = dev.key("kspay", "public");
    let currencies = |path: &str, key_id: &str| {
        Request::new("GET", &format!("/kspay{path}")).header("X-Access-Key", key_id).send(dev.gateway).status
    };
    assert_eq!(currencies("/currencies", &public.key_id), 200);
    assert_ne!(currencies("/transaction/txnId/tx_1", &public.key_id), 200);
}

#[test]
fn kpay_needs_both_headers_in_any_case_and_tells_nothing_of_what_was_wrong() {
    let dev = dev();
    let (key, other) = (dev.key("kpay", "pair"), dev.key("kpay", "other"));
    let me = |headers: &[(&str, &str)]| {
        let request = Request::new("GET", "/kpay/api/v1/payments/me");
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.gateway)
    };
    let reply = me(&[("X-API-Key", &key.key_id), ("X-Secret-Key", &key.secret)]);
    assert_eq!((reply.status, reply.text("/environment").as_str()), (200, "TEST"));
    assert_eq!(reply.text("/application/id"), key.app_id);
    assert_eq!(me(&[("x-api-key", &key.key_id), ("x-SECRET-key", &key.secret)]).status, 200);
    let unknown = format!("kpay_test_{}", "0".repeat(48));
    for headers in [
        vec![],
        vec![("X-API-Key", key.key_id.as_str())],
        vec![("X-Secret-Key", key.secret.as_str())],
        vec![("X-API-Key", key.key_id.as_str()), ("X-Secret-Key", other.secret.as_str())],
        vec![("X-API-Key", unknown.as_str()), ("X-Secret-Key", key.secret.as_str())],
        vec![("X-API-Key", key.secret.as_str()), ("X-Secret-Key", key.key_id.as_str())],
        vec![("X-API-Key", key.key_id.as_str()), ("X-Secret-Key", "")],
    ] {
        let reply = me(&headers);
        assert_eq!((reply.status, reply.body.as_str()), (401, KPAY_INVALID));
    }
}

#[test]
fn a_kpay_token_opens_wallet_transfers_and_a_key_pair_does_not() {
    let dev = dev();
    let key = dev.key("kpay", "token");
    let bought = Call::new("kpay", "POST", "/api/v1/payments/token", "").scheme("key_pair").signed(dev.gateway, &key);
    let bought = bought.send(dev.gateway);
    assert_eq!((bought.status, bought.text("/expiresIn").as_str()), (201, "30m"));
    assert_eq!(bought.text("/environment"), "TEST");
    let body = json!({
        "applicationId": key.app_id, "sourceCountry": "CMR", "destinationCountry": "CIV", "amount": 5000,
    });
    let transfer = Request::new("POST", "/kpay/api/wallets/transfer").body(&body.to_string());
    let token = bought.text("/accessToken");
    let bearer = format!("Bearer {token}");
    assert_eq!(transfer.clone().header("Authorization", &bearer).send(dev.gateway).status, 201);
    let pair = [("X-API-Key".to_owned(), key.key_id.clone()), ("X-Secret-Key".to_owned(), key.secret.clone())];
    assert_eq!(transfer.clone().headers(&pair).send(dev.gateway).status, 401);
    let mut tampered = bearer.clone().into_bytes();
    let last = tampered.len() - 2;
    tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).expect("ASCII");
    assert_eq!(transfer.clone().header("Authorization", &tampered).send(dev.gateway).status, 401);
    let me = Request::new("GET", "/kpay/api/v1/payments/me").header("Authorization", &bearer).send(dev.gateway);
    assert_eq!(me.status, 401, "the token is for transfers alone");
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert_eq!(transfer.header("Authorization", &bearer).send(dev.gateway).status, 401, "it ends with its key");
}

#[test]
fn kwikpaisa_needs_all_three_headers_and_the_right_content_type() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "headers");
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/create", ORDER);
    let headers = call.credentials(dev.gateway, &key);
    for name in ["x-api-key", "x-signature", "x-timestamp"] {
        let reply = call.bare().headers(&without(&headers, name)).send(dev.gateway);
        assert_eq!((reply.status, reply.body.as_str()), (401, INVALID), "without {name}");
    }
    let reply = call.bare().headers(&headers).header("Content-Type", "text/plain").send(dev.gateway);
    assert_eq!(reply.status, 401);
    let accepted = call.bare().headers(&headers).send(dev.gateway);
    assert_eq!(accepted.status, 200, "no Accept header is tolerated: {}", accepted.body);
}

#[test]
fn kwikpaisa_never_sees_the_secret_and_refuses_a_request_that_carries_it() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "carried");
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/create", ORDER);
    let bytes = call.signed(dev.gateway, &key).bytes("h");
    assert!(!String::from_utf8_lossy(&bytes).contains(&key.secret));
    let carried = call.signed(dev.gateway, &key).header("X-Secret-Key", &key.secret).send(dev.gateway);
    assert_eq!(carried.status, 400, "a secret beside a signature is two schemes at once");
}

#[test]
fn kwikpaisa_takes_unix_seconds_within_five_minutes_and_nothing_else() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "time");
    let status = |seconds: i64| {
        let body = format!(r#"{{"order_id":"t{seconds}"}}"#);
        let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", &body).shifted(seconds);
        call.signed(dev.gateway, &key).send(dev.gateway).status
    };
    assert_eq!(status(0), 404, "authenticated, and there is no such order");
    assert_eq!((status(-290), status(290)), (404, 404));
    assert_eq!((status(-302), status(302)), (401, 401));
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", "{}");
    let headers = call.credentials(dev.gateway, &key);
    for timestamp in [format!("{}000", call.at.seconds()), "2026-11-21T09:00:00Z".to_owned(), "+1".to_owned()] {
        let mut changed = without(&headers, "x-timestamp");
        changed.push(("x-timestamp".to_owned(), timestamp));
        assert_eq!(call.bare().headers(&changed).send(dev.gateway).body, INVALID);
    }
}

#[test]
fn a_signed_request_is_accepted_once_on_any_path() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "replay");
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/create", ORDER);
    let request = call.signed(dev.gateway, &key);
    assert_eq!(request.send(dev.gateway).status, 200);
    for _ in 0..20 {
        let again = request.send(dev.gateway);
        assert_eq!((again.status, again.body.as_str()), (401, INVALID));
    }
    let elsewhere = Request::new("POST", "/kwikpaisa/api/v3/pg/order/status")
        .headers(&call.credentials(dev.gateway, &key))
        .body(ORDER);
    assert_eq!(elsewhere.send(dev.gateway).status, 401, "the recipe does not cover the path");
}

#[test]
fn a_safe_signed_request_may_be_repeated_within_its_window() {
    let dev = dev();
    let key = dev.key("keymint", "safe");
    let get = Call::new("keymint", "GET", "/v1/whoami", "").scheme("message_signature").signed(dev.gateway, &key);
    assert_eq!((get.send(dev.gateway).status, get.send(dev.gateway).status), (200, 200));
    let post = Call::new("keymint", "POST", "/v1/echo", r#"{"a":1}"#).scheme("message_signature");
    let post = post.signed(dev.gateway, &key);
    assert_eq!((post.send(dev.gateway).status, post.send(dev.gateway).status), (200, 401));
}

#[test]
fn the_native_dialect_takes_the_secret_as_bearer_and_message_signatures() {
    let dev = dev();
    let (key, other) = (dev.key("keymint", "native"), dev.key("keymint", "native-two"));
    let who = |authorization: &str| {
        Request::new("GET", "/keymint/v1/whoami").header("Authorization", authorization).send(dev.gateway)
    };
    let reply = who(&format!("Bearer {}", key.secret));
    assert_eq!((reply.status, reply.text("/key_id")), (200, key.key_id.clone()));
    assert_eq!(who(&format!("Bearer {}", key.key_id)).status, 401, "the key id alone never authenticates");
    assert_eq!(who(&format!("bearer {}", key.secret)).status, 401);
    let signed = Call::new("keymint", "GET", "/v1/whoami", "").scheme("message_signature");
    assert_eq!(signed.signed(dev.gateway, &key).send(dev.gateway).status, 200);
    let crossed = Key { secret: other.secret.clone(), ..key.clone() };
    assert_eq!(signed.signed(dev.gateway, &crossed).send(dev.gateway).status, 401);
    let moved = Request::new("GET", "/keymint/v1/whoami?x=1").headers(&signed.credentials(dev.gateway, &key));
    assert_eq!(moved.send(dev.gateway).status, 401, "the query is signed");
}

#[test]
fn ks_pay_sells_access_and_refresh_tokens_and_says_what_was_wrong() {
    let dev = dev();
    let (key, other) = (dev.key("kspay", "exchange"), dev.key("kspay", "elsewhere"));
    let buy = |app: &str, body: &serde_json::Value| {
        Request::new("POST", &format!("/kspay/auth/generate-token/{app}")).body(&body.to_string()).send(dev.gateway)
    };
    let pair = json!({ "accessKey": key.key_id, "secretKey": key.secret });
    let bought = buy(&key.app_id, &pair);
    assert_eq!((bought.status, bought.text("/message").as_str()), (201, "success"));
    let (access, refresh) = (bought.text("/result/accessToken"), bought.text("/result/refreshToken"));
    let currencies = |authorization: &str| {
        Request::new("GET", "/kspay/currencies").header("Authorization", authorization).send(dev.gateway)
    };
    assert_eq!(currencies(&format!("Bearer {access}")).status, 200);
    assert_eq!(currencies(&format!("Bearer {refresh}")).status, 401, "a refresh token opens nothing");
    let renew = |authorization: &str| {
        let request = Request::new("POST", "/kspay/auth/refresh-token").header("Authorization", authorization);
        request.body(&pair.to_string()).send(dev.gateway)
    };
    assert_eq!(renew(&refresh).status, 201);
    assert_eq!(renew(&format!("Bearer {refresh}")).status, 401, "without the word Bearer");
    assert_eq!(renew(&access).status, 401, "an access token renews nothing");
    let code = |reply: &keymint_testkit::Reply| (reply.status, reply.json()["code"].as_i64().unwrap_or(0));
    let wrong = json!({ "accessKey": key.key_id, "secretKey": other.secret });
    assert_eq!(code(&buy(&key.app_id, &wrong)), (400, 11004));
    let unknown = json!({ "accessKey": format!("kspub_test_{}", "0".repeat(24)), "secretKey": key.secret });
    assert_eq!(code(&buy(&key.app_id, &unknown)), (404, 11001));
    assert_eq!(code(&buy(&other.app_id, &pair)), (403, 11003));
    assert_eq!(code(&buy(&key.app_id, &json!({}))), (400, 9000));
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert_eq!(code(&buy(&key.app_id, &pair)), (400, 11002));
    assert_eq!(code(&currencies(&format!("Bearer {access}"))), (400, 11002), "tokens end with their key");
}

#[test]
fn ks_pay_signatures_say_when_their_format_or_their_age_is_wrong() {
    let dev = dev();
    let key = dev.key("kspay", "signature");
    let body = r#"{"currencyId":"c_8Fq2Lx0a","paymentMethodId":"pm_7Upi0000","amount":10,"referenceNumber":"r1"}"#;
    let call = Call::new("kspay", "POST", "/transaction/initiate", body);
    assert_eq!(call.signed(dev.gateway, &key).send(dev.gateway).status, 201);
    let code = |reply: keymint_testkit::Reply| (reply.status, reply.json()["code"].as_i64().unwrap_or(0));
    let malformed = call.bare().header("x-signature", "abc").send(dev.gateway);
    assert_eq!(code(malformed), (400, 11006));
    assert_eq!(code(call.shifted(-400).signed(dev.gateway, &key).send(dev.gateway)), (400, 11005));
    let (name, value) = call.credentials(dev.gateway, &key).remove(0);
    let other = format!("{}{}", &value[..value.len() - 1], if value.ends_with('0') { '1' } else { '0' });
    assert_eq!(code(call.bare().header(&name, &other).send(dev.gateway)), (401, 9007));
}

#[test]
fn an_origin_list_lets_in_exactly_its_origins_and_the_vendors_own_client() {
    let dev = dev();
    let merchant = dev.merchant("origins");
    let app = dev.app(&merchant, "kspay", "origins");
    let body = json!({ "mode": "test", "allowed_origins": ["https://shop.example"] });
    let key = dev.key_of(&app, &body);
    let currencies = |origin: Option<&str>| {
        let request = Request::new("GET", "/kspay/currencies").header("X-Access-Key", &key.key_id);
        let request = origin.map_or(request.clone(), |origin| request.header("Origin", origin));
        let reply = request.send(dev.gateway);
        (reply.status, reply.json()["code"].as_i64())
    };
    assert_eq!(currencies(Some("https://shop.example")), (200, None));
    assert_eq!(currencies(Some("kspay-flutter-v1")), (200, None));
    for origin in ["https://shop.example.evil.example", "http://shop.example", "https://shop.example:8443", "null"] {
        assert_eq!(currencies(Some(origin)), (403, Some(13007)), "{origin}");
    }
    assert_eq!(currencies(None), (403, Some(13007)), "a public key without an origin");
}
