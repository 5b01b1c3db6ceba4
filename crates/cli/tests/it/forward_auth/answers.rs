//! Who passes and who does not: each dialect and scheme through each proxy, and what a denied client reads.

use std::io::Write;
use std::net::TcpStream;

use keymint_testkit::{Call, Key, Reply, Request, http};
use serde_json::json;

use super::front::{Front, Kind};
use super::{PATIENCE, Stand, assert_introduced, send};

/// A request as a client of the proxy sends it.
fn sent(stand: &Stand, request: &Request) -> Reply {
    stand.send(&request.bytes("api.example")).expect("an answer")
}

fn orders(key: &Key) -> Request {
    Request::new("GET", "/v1/orders?count=2&skip=%20").header("Authorization", &key.basic())
}

fn basic_passes_and_denials_reach_the_client_as_the_dialect_has_them(kind: Kind) {
    let stand = Stand::of(kind, "razorpay");
    let key = stand.dev.key("razorpay", "basic");
    let reply = sent(&stand, &orders(&key).header("X-Note", "stays"));
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ok":true}"#), "{reply:?}");
    let seen = stand.upstream.only();
    assert_eq!((seen.method(), seen.target()), ("GET", "/v1/orders?count=2&skip=%20"));
    assert_eq!(
        (seen.field("x-note").as_deref(), seen.field("x-forwarded-for").as_deref()),
        (Some("stays"), Some("127.0.0.1"))
    );
    assert_introduced(&seen, &key, "basic");
    stand.upstream.forget();

    // A body that no proof covers passes through, however it is framed.
    let capture = Request::new("POST", "/v1/payments").header("Authorization", &key.basic()).body(r#"{"amount":1}"#);
    assert_eq!(sent(&stand, &capture).status, 200);
    let chunked = format!(
        "PUT /v1/payments HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        key.basic()
    );
    assert_eq!(stand.send(chunked.as_bytes()).map(|reply| reply.status), Some(200));
    // Longer than any buffer on the way.
    let long = "x".repeat(300_000);
    let upload = Request::new("PUT", "/v1/documents").header("Authorization", &key.basic()).body(&long);
    assert_eq!(sent(&stand, &upload).status, 200);
    let bodies: Vec<Vec<u8>> = stand.upstream.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [br#"{"amount":1}"#.to_vec(), b"body".to_vec(), long.into_bytes()]);
    stand.upstream.forget();

    for method in ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND"] {
        let request = Request::new(method, "/v1/orders").header("Authorization", &key.basic());
        stand.send(&request.header("Connection", "close").bytes("h"));
        assert_eq!(stand.upstream.only().method(), method);
        stand.upstream.forget();
    }

    let other = Key { secret: "B".repeat(24), ..key.clone() };
    let nobody = Request::new("GET", "/v1/orders");
    let overridden = orders(&key).header("X-HTTP-Method-Override", "DELETE");
    for denied in [orders(&other), nobody, overridden] {
        let expected = as_the_gateway_says(&stand, &denied, "razorpay");
        let reply = sent(&stand, &denied);
        assert_eq!(shown(&reply), shown(&expected), "{reply:?}");
    }
    // Some proxies make one of two fields, some refuse by themselves.
    let twice = sent(&stand, &orders(&key).header("Authorization", &key.basic()));
    assert!(matches!(twice.status, 400 | 401), "{twice:?}");
    assert_eq!(stand.dev.revoke(&key.key_id).status, 200);
    assert_eq!(shown(&sent(&stand, &orders(&key))), shown(&sent(&stand, &orders(&other))), "revoked is revoked");
    assert_eq!(stand.upstream.seen().len(), 0);
}

/// What a client reads of a denial.
fn shown(reply: &Reply) -> (u16, Option<&str>, Option<&str>, &str) {
    (reply.status, reply.header("content-type"), reply.header("cache-control"), reply.body.as_str())
}

fn as_the_gateway_says(stand: &Stand, request: &Request, product: &str) -> Reply {
    let bytes = String::from_utf8(request.bytes("api.example")).expect("text");
    let (method, rest) = bytes.split_once(' ').expect("a request line");
    send(stand.dev.gateway, format!("{method} /{product}{rest}").as_bytes()).expect("an answer")
}

fn rates_are_told_and_restrictions_are_about_the_client(kind: Kind) {
    let stand = Stand::of(kind, "kpay");
    let merchant = stand.dev.merchant("kpay-rate");
    let app = stand.dev.app(&merchant, "kpay", "rate");
    let here = stand.dev.key_of(&app, &json!({ "mode": "test", "allowed_ips": ["127.0.0.0/8"] }));
    let call = |key: &Key| {
        Request::new("GET", "/api/v1/payments/me").header("X-API-Key", &key.key_id).header("X-Secret-Key", &key.secret)
    };
    assert_eq!(sent(&stand, &call(&here)).status, 200);
    assert_introduced(&stand.upstream.only(), &here, "kpay");
    stand.upstream.forget();
    for forged in ["X-Keymint-Client-IP", "X-Forwarded-For", "X-Real-IP"] {
        let elsewhere = sent(&stand, &call(&here).header(forged, "203.0.113.7"));
        assert_eq!(elsewhere.status, 200, "{forged} is what the client says");
    }
    let mut last = sent(&stand, &call(&here));
    for _ in 0..120 {
        if last.status != 200 {
            break;
        }
        last = sent(&stand, &call(&here));
    }
    assert_eq!(last.status, 429, "{last:?}");
    assert!(last.body.contains("Too many requests"), "{last:?}");
    for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(last.header(name).is_some(), "{name}: {last:?}");
    }
    assert_eq!(stand.upstream.seen().len(), 99, "the others of the hundred");
}

/// A signature over a body is worth what Keymint sees of the body.
fn signatures_need_the_body(kind: Kind) {
    let stand = Stand::of(kind, "kwikpaisa");
    let key = stand.dev.key("kwikpaisa", "signed");
    let path = "/api/v3/pg/order/status";
    let signed = |body: &'static str| {
        let call = Call::new("kwikpaisa", "POST", path, body);
        Request::new("POST", path).headers(&call.credentials(stand.dev.gateway, &key))
    };
    let hands_over = matches!(kind, Kind::NginxBodies | Kind::Haproxy | Kind::EnvoyHttp | Kind::EnvoyGrpc);
    let expected = if hands_over { 200 } else { 401 };
    let whole = signed(r#"{"order_id":"1"}"#).body(r#"{"order_id":"1"}"#);
    assert_eq!(sent(&stand, &whole).status, expected);
    assert_eq!(sent(&stand, &whole).status, 401, "it is spent, or was never good");
    let other = signed(r#"{"order_id":"2"}"#).body(r#"{"order_id":"3"}"#);
    assert_eq!(sent(&stand, &other).status, 401);
    // A signature over nothing, with a body that nobody signed.
    let bytes = signed("").body(r#"{"amount":1000000}"#);
    assert_eq!(sent(&stand, &bytes).status, 401);
    let slipped = String::from_utf8(signed("").bytes("h"))
        .expect("text")
        .replace("Content-Length: 0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n");
    assert_eq!(stand.send(slipped.as_bytes()).map(|reply| reply.status), Some(401));
    let seen = stand.upstream.seen();
    assert_eq!(seen.len(), usize::from(hands_over));
    if let Some(seen) = seen.first() {
        assert_eq!(seen.body, br#"{"order_id":"1"}"#);
        assert_introduced(seen, &key, "signed");
    }
    stand.upstream.forget();
    for (length, kinds) in [(100_000, &[Kind::NginxBodies, Kind::EnvoyHttp, Kind::EnvoyGrpc][..]), (1_100_000, &[])] {
        let long = format!(r#"{{"order_id":"{}"}}"#, "x".repeat(length));
        let call = Call::new("kwikpaisa", "POST", path, &long);
        let request = Request::new("POST", path).headers(&call.credentials(stand.dev.gateway, &key)).body(&long);
        let reply = stand.send(&request.bytes("h"));
        let seen = stand.upstream.seen();
        stand.upstream.forget();
        assert_eq!(reply.is_some_and(|reply| reply.status == 200), kinds.contains(&kind), "{length} bytes");
        assert_eq!(seen.len(), usize::from(kinds.contains(&kind)), "{length} bytes");
        assert!(seen.iter().all(|seen| seen.body == long.as_bytes()), "{length} bytes");
    }
    // Without a body there is nothing that a proxy could withhold, if it can say so.
    let call = Call::new("kwikpaisa", "POST", path, "").shifted(-2);
    let empty = Request::new("POST", path).headers(&call.credentials(stand.dev.gateway, &key));
    let empty = sent(&stand, &empty.header("Content-Type", "application/json"));
    let tells = !matches!(kind, Kind::Caddy);
    assert_eq!(empty.status, if tells { 200 } else { 401 }, "{empty:?}");
}

fn calls_that_buy_tokens_are_the_gateways(kind: Kind) {
    let stand = Stand::of(kind, "kpay");
    let key = stand.dev.key("kpay", "tokens");
    let buy = Request::new("POST", "/api/v1/payments/token")
        .header("X-API-Key", &key.key_id)
        .header("X-Secret-Key", &key.secret);
    assert_eq!(sent(&stand, &buy).status, 404);
    let bought = as_the_gateway_says(&stand, &buy, "kpay");
    assert_eq!(bought.status, 201);
    let transfer = Request::new("POST", "/api/wallets/transfer")
        .header("Authorization", &format!("Bearer {}", bought.text("/accessToken")))
        .body("{}");
    assert_eq!(sent(&stand, &transfer).status, 200);
    let seen = stand.upstream.only();
    assert_introduced(&seen, &key, "a token");
    assert!(!seen.head.contains(&bought.text("/accessToken")));
}

fn bearers_pass_with_their_scopes(kind: Kind) {
    let stand = Stand::of(kind, "keymint");
    let merchant = stand.dev.merchant("keymint-scopes");
    let app = stand.dev.app(&merchant, "keymint", "scopes");
    let key = stand.dev.key_of(&app, &json!({ "mode": "test", "scopes": ["read"] }));
    let call =
        |method: &str| Request::new(method, "/v1/payments").header("Authorization", &format!("Bearer {}", key.secret));
    assert_eq!(sent(&stand, &call("GET")).status, 200);
    let seen = stand.upstream.only();
    assert_eq!(seen.field("x-keymint-scopes").as_deref(), Some("read"));
    assert!(!seen.head.contains(&key.secret));
    let refused = sent(&stand, &call("POST").body("{}"));
    assert_eq!((refused.status, refused.text("/error/code").as_str()), (403, "scope_missing"), "{refused:?}");
    assert_eq!(stand.upstream.seen().len(), 1);
}

/// One connection of a client's, kept open: each request on it is asked about anew.
fn each_request_of_a_connection_is_asked_about(kind: Kind) {
    let stand = Stand::of(kind, "razorpay");
    let (key, other) = (stand.dev.key("razorpay", "kept"), stand.dev.key("razorpay", "other"));
    let mut stream = TcpStream::connect(stand.front.address).expect("the proxy is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut ask = |request: Request| {
        stream.write_all(&request.bytes("h")).expect("it is sent");
        http::read(&mut stream).map(|reply| reply.status)
    };
    assert_eq!(ask(orders(&key)), Some(200));
    assert_eq!(ask(orders(&other)), Some(200));
    assert_eq!(stand.dev.revoke(&key.key_id).status, 200);
    assert_eq!(ask(orders(&key)), Some(401), "revoked on an open connection");
    // Some proxies close behind a denial, and then nothing more is read on it.
    let mut stream = TcpStream::connect(stand.front.address).expect("the proxy is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let both = [orders(&other).bytes("h"), Request::new("GET", "/v1/orders").bytes("h")].concat();
    stream.write_all(&both).expect("they are sent");
    assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(200), "the first of two in a row");
    let seen = stand.upstream.wait_for(3);
    assert_eq!(seen.len(), 3, "{seen:?}");
    for (seen, key) in seen.iter().zip([&key, &other, &other]) {
        assert_introduced(seen, key, "kept open");
    }
}

fn everything(kind: Kind) {
    each_request_of_a_connection_is_asked_about(kind);
    basic_passes_and_denials_reach_the_client_as_the_dialect_has_them(kind);
    rates_are_told_and_restrictions_are_about_the_client(kind);
    signatures_need_the_body(kind);
    calls_that_buy_tokens_are_the_gateways(kind);
    bearers_pass_with_their_scopes(kind);
}

#[test]
fn nginx_lets_through_who_proved_it_and_tells_the_others_what_the_dialect_says() {
    everything(Kind::Nginx);
}

#[test]
fn nginx_with_bodies_lets_through_who_proved_it_and_tells_the_others_what_the_dialect_says() {
    everything(Kind::NginxBodies);
}

#[test]
fn caddy_lets_through_who_proved_it_and_tells_the_others_what_the_dialect_says() {
    everything(Kind::Caddy);
}

#[test]
fn haproxy_lets_through_who_proved_it_and_tells_the_others_what_the_dialect_says() {
    everything(Kind::Haproxy);
}

#[test]
fn apache_lets_through_who_proved_it_and_tells_the_others_what_the_dialect_says() {
    everything(Kind::Apache);
}

#[test]
fn envoy_over_http_lets_through_who_proved_it_and_tells_the_others_what_the_dialect_says() {
    everything(Kind::EnvoyHttp);
}

#[test]
fn envoy_over_grpc_lets_through_who_proved_it_and_tells_the_others_what_the_dialect_says() {
    everything(Kind::EnvoyGrpc);
}

/// The words for a body stand in Envoy's file: without them its bodies are not believed.
#[test]
fn a_body_that_envoy_does_not_speak_for_is_not_believed() {
    for (kind, words) in [
        (Kind::EnvoyHttp, "headers_to_add: [{ key: x-keymint-body, value: whole }]"),
        (Kind::EnvoyGrpc, "{ key: keymint-body, value: whole }"),
    ] {
        let stand = Stand::of(kind, "kwikpaisa");
        let addresses = (stand.tap.address, stand.upstream.address);
        let silent = Front::start_changed(kind, "kwikpaisa", addresses, &[(words, "")]);
        let key = stand.dev.key("kwikpaisa", "silent");
        let path = "/api/v3/pg/order/status";
        let call = Call::new("kwikpaisa", "POST", path, r#"{"order_id":"1"}"#);
        let signed = Request::new("POST", path).headers(&call.credentials(stand.dev.gateway, &key));
        let bytes = signed.body(r#"{"order_id":"1"}"#).bytes("h");
        assert_eq!(send(silent.address, &bytes).map(|reply| reply.status), Some(401), "{kind:?}");
        let nothing = Call::new("kwikpaisa", "POST", path, "").credentials(stand.dev.gateway, &key);
        let slipped = Request::new("POST", path).headers(&nothing).body(r#"{"order_id":"1"}"#).bytes("h");
        assert_eq!(send(silent.address, &slipped).map(|reply| reply.status), Some(401), "{kind:?}");
        assert_eq!(send(stand.front.address, &bytes).map(|reply| reply.status), Some(200), "{kind:?}");
    }
}
