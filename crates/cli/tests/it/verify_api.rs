//! The verify API: the same decisions for an operator's own services, with the reasons that callers never see.

use keymint_testkit::{Authority, Call, Dev, Key, Reply, Request, Serving};
use serde_json::{Value, json};

use crate::dev;

fn verify(dev: &Dev, call: &Value) -> Reply {
    Request::new("POST", "/v1/verify").body(&call.to_string()).send(dev.internal)
}

fn razorpay(key: &Key) -> Value {
    json!({
        "product": "razorpay", "method": "GET", "target": "/v1/orders", "client_ip": "203.0.113.7",
        "headers": [["Host", "api.example"], ["Authorization", key.basic()]], "body_base64": "",
    })
}

#[test]
fn a_good_request_is_allowed_with_whose_it_is() {
    let dev = dev();
    let key = dev.key("razorpay", "allow");
    let reply = verify(&dev, &razorpay(&key));
    assert_eq!((reply.status, reply.text("/decision").as_str()), (200, "allow"));
    assert_eq!(reply.text("/credential/key_id"), key.key_id);
    assert_eq!(reply.text("/credential/app_id"), key.app_id);
    assert_eq!(
        (reply.text("/credential/mode").as_str(), reply.json()["credential"]["scopes"].clone()),
        ("test", json!([]))
    );
    assert!(!reply.body.contains(&key.secret));
}

#[test]
fn a_denial_carries_its_reason_and_what_the_dialect_would_send() {
    let dev = dev();
    let key = dev.key("razorpay", "deny");
    let reason = |key: &Key| verify(&dev, &razorpay(key)).text("/reason");
    let wrong = Key { secret: "B".repeat(24), ..key.clone() };
    let unknown = Key { key_id: "rzp_test_00000000000000".to_owned(), ..key.clone() };
    assert_eq!((reason(&wrong).as_str(), reason(&unknown).as_str()), ("wrong_secret", "unknown_key"));
    let bodies: Vec<Value> =
        [&wrong, &unknown].map(|key| verify(&dev, &razorpay(key)).json()["response"].clone()).into();
    assert_eq!(bodies[0], bodies[1], "one answer for the caller, byte for byte");
    assert_eq!(bodies[0]["status"], json!(401));
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert_eq!((reason(&key).as_str(), reason(&wrong).as_str()), ("revoked", "wrong_secret"));
    assert_eq!(verify(&dev, &razorpay(&key)).json()["response"], bodies[0]);
    let mut none = razorpay(&key);
    none["headers"] = json!([["Host", "h"]]);
    assert_eq!(verify(&dev, &none).text("/reason"), "missing_credentials");
    let mut odd = razorpay(&key);
    odd["target"] = json!("/v1/../orders");
    assert_eq!(verify(&dev, &odd).text("/reason"), "ambiguous_request");
}

#[test]
fn addresses_are_told_apart_by_the_client_that_the_service_names() {
    let dev = dev();
    let merchant = dev.merchant("verify-ip");
    let app = dev.app(&merchant, "razorpay", "verify-ip");
    let key = dev.key_of(&app, &json!({ "mode": "test", "allowed_ips": ["203.0.113.0/24"] }));
    let from = |address: &str| {
        let mut call = razorpay(&key);
        call["client_ip"] = json!(address);
        let reply = verify(&dev, &call);
        format!("{}{}", reply.text("/decision"), reply.text("/reason"))
    };
    assert_eq!(from("203.0.113.255"), "allow");
    assert_eq!(from("::ffff:203.0.113.0"), "allow");
    assert_eq!(
        (from("203.0.114.0"), from("203.0.112.255")),
        ("denyip_not_allowed".into(), "denyip_not_allowed".into())
    );
    assert_eq!(from("2001:db8::1"), "denyip_not_allowed");
}

#[test]
fn a_signature_is_spent_by_the_verify_api_too() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "verify");
    let body = r#"{"order_id":"1"}"#;
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", body);
    let mut headers: Vec<Value> = vec![json!(["Host", "h"]), json!(["Content-Type", "application/json"])];
    headers.extend(call.credentials(dev.gateway, &key).into_iter().map(|(name, value)| json!([name, value])));
    let asked = json!({
        "product": "kwikpaisa", "method": "POST", "target": "/api/v3/pg/order/status", "headers": headers,
        "body_base64": data_encoding::BASE64.encode(body.as_bytes()), "client_ip": "127.0.0.1",
    });
    assert_eq!(verify(&dev, &asked).text("/decision"), "allow");
    assert_eq!(verify(&dev, &asked).text("/reason"), "replayed");
    assert_eq!(call.signed(dev.gateway, &key).send(dev.gateway).status, 401, "nor at the gateway");
}

#[test]
fn what_is_not_a_verify_call_is_refused_without_being_quoted() {
    let dev = dev();
    let key = dev.key("razorpay", "shape");
    let mut unknown = razorpay(&key);
    unknown["secret"] = json!(key.secret);
    for call in [unknown, json!({}), json!({ "product": 7 })] {
        let reply = verify(&dev, &call);
        assert_eq!(reply.status, 400);
        assert!(!reply.body.contains(&key.secret));
    }
    let mut bytes = Request::new("POST", "/v1/verify").body(&razorpay(&key).to_string()).bytes("h");
    let last = bytes.len() - 2;
    bytes[last] = 0xff;
    let reply = keymint_testkit::http::raw(dev.internal, &bytes).expect("an answer");
    assert_eq!(reply.status, 400, "it is not UTF-8");
    assert!(!reply.body.contains(&key.secret));
    let mut nobody = razorpay(&key);
    nobody["product"] = json!("nothing");
    assert_eq!(verify(&dev, &nobody).status, 404);
    assert_eq!(Request::new("GET", "/v1/verify").send(dev.internal).status, 405);
}

#[test]
fn forward_auth_names_the_caller_and_refuses_a_signed_scheme_without_its_body() {
    let dev = dev();
    let key = dev.key("razorpay", "forward");
    let ask = |authorization: &str| {
        Request::new("GET", "/v1/forward-auth/razorpay")
            .header("X-Forwarded-Method", "GET")
            .header("X-Forwarded-Uri", "/v1/orders")
            .header("Authorization", authorization)
            .send(dev.internal)
    };
    let reply = ask(&key.basic());
    assert_eq!((reply.status, reply.header("x-keymint-key")), (200, Some(key.key_id.as_str())));
    for name in ["x-keymint-merchant", "x-keymint-app", "x-keymint-mode", "x-keymint-scopes"] {
        assert!(reply.header(name).is_some(), "{name} is always set");
    }
    assert_eq!(ask("Basic x").status, 401);
    let signed = dev.key("kwikpaisa", "forward");
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", r#"{"order_id":"1"}"#);
    let request = Request::new("GET", "/v1/forward-auth/kwikpaisa")
        .header("X-Forwarded-Method", "POST")
        .header("X-Forwarded-Uri", "/api/v3/pg/order/status")
        .header("Content-Type", "application/json")
        .headers(&call.credentials(dev.gateway, &signed));
    assert_eq!(request.send(dev.internal).status, 401);
}

/// What a client says under the names that its proxy does not set must not decide which request is looked at (T89).
#[test]
fn forward_auth_refuses_what_two_could_have_said() {
    let dev = dev();
    let key = dev.key("razorpay", "two-voices");
    let ask = |headers: &[(&str, &str)]| {
        let request = Request::new("GET", "/v1/forward-auth/razorpay").header("Authorization", &key.basic());
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.internal).status
    };
    let (method, uri) = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/v1/orders"));
    let (other_method, other_uri) = (("X-Original-Method", "GET"), ("X-Original-URI", "/v1/orders"));
    assert_eq!((ask(&[method, uri]), ask(&[other_method, other_uri])), (200, 200));
    for unclear in [
        &[][..],
        &[method],
        &[uri],
        &[method, other_uri],
        &[other_method, uri],
        &[method, uri, other_uri],
        &[method, uri, other_method],
        &[other_method, other_uri, uri],
        &[other_method, other_uri, ("X-Forwarded-Uri", "/v1/payments")],
        &[method, uri, ("X-Forwarded-Uri", "/v1/payments")],
        &[method, uri, uri],
        &[method, method, uri],
    ] {
        assert_eq!(ask(unclear), 400, "{unclear:?}");
    }
}

#[test]
fn health_readiness_and_metrics_tell_the_truth() {
    let dev = dev();
    let key = dev.key("razorpay", "metrics");
    verify(&dev, &razorpay(&key));
    let get = |path: &str| Request::new("GET", path).send(dev.internal);
    assert_eq!((get("/healthz").status, get("/readyz").status), (200, 200));
    let metrics = get("/metrics").body;
    assert!(metrics.contains(r#"keymint_decisions_total{product="razorpay",outcome="allow"} 1"#), "{metrics}");
    assert_eq!(get("/nothing").status, 404);
}

/// The names of metrics in a text: words that begin as ours do, without what a kind adds.
fn metrics_in(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let ours = words.filter(|word| word.starts_with("keymint_"));
    let kinds = ["_total", "_bucket", "_count", "_sum", "_info"];
    let base = |word: &str| kinds.iter().find_map(|kind| word.strip_suffix(kind)).unwrap_or(word).to_owned();
    ours.map(base).collect()
}

#[test]
fn each_metric_is_documented_and_the_dashboard_asks_for_none_that_is_not_there() {
    let upstream = keymint_testkit::Upstream::plain();
    let table = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
    let folder = tempfile::tempdir().expect("a folder");
    let files = Authority::default().certificate("pay.example").write(folder.path(), "gateway");
    let serving = Serving {
        products: vec![("razorpay", table)],
        tables: format!("[listen.gateway_tls]\n{}", files.settings()),
        ..Serving::default()
    };
    let dev = Dev::serve_for_now(env!("CARGO_BIN_EXE_keymint"), &serving);
    let served = Request::new("GET", "/metrics").send(dev.internal).body;
    let types: String =
        served.lines().filter(|line| line.starts_with("# TYPE ")).map(|line| format!("{line}\n")).collect();
    let mut there = metrics_in(&types);
    assert!(there.len() > 8, "{types}");
    // A family without a series is not told: no certificate is ordered here. `interop::acme` reads these.
    there.extend(["keymint_acme_orders", "keymint_acme_failures_in_a_row"].map(str::to_owned));
    let section = include_str!("../../../../docs/telemetry.md");
    assert_eq!(metrics_in(section), there, "docs/telemetry.md lists each, and no other");
    let asked = metrics_in(include_str!("../../../../deploy/grafana/keymint.json"));
    assert!(asked.is_subset(&there), "{:?}", asked.difference(&there).collect::<Vec<_>>());
    assert!(there.is_subset(&asked), "not on the dashboard: {:?}", there.difference(&asked).collect::<Vec<_>>());
}

fn batch(dev: &Dev, calls: &[Value]) -> Reply {
    let body = json!({ "requests": calls }).to_string();
    Request::new("POST", "/v1/verify/batch").body(&body).send(dev.internal)
}

#[test]
fn a_batch_is_decided_one_after_the_other_and_in_its_order() {
    let dev = dev();
    let (key, other) = (dev.key("razorpay", "batch"), dev.key("keymint", "batch"));
    let wrong = Key { secret: "B".repeat(24), ..key.clone() };
    let bearer = json!({
        "product": "keymint", "method": "GET", "target": "/v1/whoami", "client_ip": "203.0.113.7",
        "headers": [["host", "api.example"], ["authorization", format!("Bearer {}", other.secret)]], "body_base64": "",
        "scheme": "https",
    });
    let calls = [razorpay(&key), razorpay(&wrong), bearer, razorpay(&key)];
    let reply = batch(&dev, &calls);
    let answer = reply.json();
    let decisions: Vec<&Value> = answer["decisions"].as_array().expect("decisions").iter().collect();
    let said: Vec<&str> = decisions.iter().filter_map(|decision| decision["decision"].as_str()).collect();
    assert_eq!((reply.status, said), (200, vec!["allow", "deny", "allow", "allow"]), "{}", reply.body);
    for (call, decision) in calls.iter().zip(&decisions) {
        assert_eq!(&verify(&dev, call).json(), *decision, "as if it had come alone");
    }
}

#[test]
fn a_batch_with_one_request_that_is_none_decides_about_nothing() {
    let dev = dev();
    let key = dev.key("kpay", "whole-batch");
    let call = json!({
        "product": "kpay", "method": "GET", "target": "/kpay/api/v1/payments/me", "client_ip": "203.0.113.7",
        "headers": [["host", "x"], ["x-api-key", key.key_id], ["x-secret-key", key.secret]], "body_base64": "",
    });
    let mut broken = call.clone();
    broken["body_base64"] = json!("not base 64");
    let refused = batch(&dev, &[call.clone(), broken.clone()]);
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.text("/detail").starts_with("requests[1]: body_base64"), "{}", refused.body);
    broken["product"] = json!("nobody");
    assert_eq!(batch(&dev, &[broken, call.clone()]).status, 404);
    assert_eq!((batch(&dev, &[]).status, batch(&dev, &vec![call.clone(); 101]).status), (400, 400));
    let full = batch(&dev, &vec![call; 100]).json();
    let allowed = full["decisions"].as_array().expect("decisions").iter().filter(|one| one["decision"] == "allow");
    assert_eq!(allowed.count(), 100, "nothing before was counted against its hundred a minute");
}

#[test]
fn what_services_and_proxies_asked_about_stands_in_the_merchants_log() {
    let dev = dev();
    let key = dev.key("razorpay", "asked");
    let wrong = Key { secret: "B".repeat(24), ..key.clone() };
    verify(&dev, &razorpay(&key));
    verify(&dev, &razorpay(&wrong));
    let asked = Request::new("GET", "/v1/forward-auth/razorpay")
        .header("X-Forwarded-Method", "DELETE")
        .header("X-Forwarded-Uri", "/v1/orders/1?card=4111111111111111")
        .header("Authorization", &key.basic());
    assert_eq!(asked.send(dev.internal).status, 200);
    let log = dev.api("GET", &format!("/credentials/{}/requests", key.key_id), &Value::Null);
    let entries = log.json()["items"].as_array().cloned().expect("entries");
    let said: Vec<(String, String, Value)> = entries
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            (text("method"), text("path"), entry["reason"].clone())
        })
        .collect();
    let line = |method: &str, path: &str, reason: Value| (method.to_owned(), path.to_owned(), reason);
    let wanted = [
        line("DELETE", "/v1/orders/1", Value::Null),
        line("GET", "/v1/orders", json!("wrong_secret")),
        line("GET", "/v1/orders", Value::Null),
    ];
    assert_eq!(said, wanted, "{}", log.body);
}
