//! What the gate refuses before anything is verified: requests that two programs could read in two ways.
#![expect(clippy::disallowed_methods, reason = "one test measures when a slow head is cut off")]

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use keymint_testkit::{Dev, Key, Request, http};

use crate::dev;

fn head(key: &Key, first_line: &str, more: &str) -> Vec<u8> {
    format!("{first_line}\r\nHost: h\r\nAuthorization: {}\r\n{more}\r\n", key.basic()).into_bytes()
}

fn status(dev: &Dev, bytes: &[u8]) -> u16 {
    http::raw(dev.gateway, bytes).map_or(0, |reply| reply.status)
}

#[test]
fn requests_that_can_be_read_in_two_ways_are_refused_with_400() {
    let dev = dev();
    let key = dev.key("razorpay", "gate");
    let get = "GET /razorpay/v1/orders HTTP/1.1";
    let post = "POST /razorpay/v1/orders HTTP/1.1";
    assert_eq!(status(&dev, &head(&key, get, "")), 200);
    let twice = format!("Authorization: {}\r\n", key.basic());
    for (name, bytes) in [
        ("two Authorization headers", head(&key, get, &twice)),
        ("two Authorization headers, other case", head(&key, get, &twice.to_lowercase())),
        ("a second scheme", head(&key, get, "X-Secret-Key: x\r\n")),
        ("a signature beside Basic", head(&key, get, "X-Signature: 00\r\n")),
        ("two API keys", head(&key, get, "X-API-Key: a\r\nX-API-Key: b\r\n")),
        ("two timestamps", head(&key, get, "X-Timestamp: 1\r\nX-Timestamp: 1\r\n")),
        ("two hosts", head(&key, get, "Host: other\r\n")),
        ("both lengths", head(&key, post, "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n")),
        ("two lengths", head(&key, post, "Content-Length: 0\r\nContent-Length: 0\r\n")),
        ("a method override", head(&key, get, "X-HTTP-Method-Override: POST\r\n")),
        ("an absolute target", head(&key, "GET http://h/razorpay/v1/orders HTTP/1.1", "")),
        ("a bare LF", String::from_utf8(head(&key, get, "")).expect("ASCII").replace("\r\n", "\n").into_bytes()),
        ("a folded header", head(&key, get, "X-A: b\r\n c\r\n")),
        ("credentials in a cookie", head(&key, get, &format!("Cookie: key_secret={}\r\n", key.secret))),
        ("a key id in a cookie", head(&key, get, &format!("Cookie: a={}\r\n", key.key_id))),
    ] {
        assert_eq!(status(&dev, &bytes), 400, "{name}");
    }
    let without_host = format!("{get}\r\nAuthorization: {}\r\n\r\n", key.basic());
    assert_eq!(status(&dev, without_host.as_bytes()), 400, "no Host");
}

#[test]
fn ambiguous_paths_are_refused_and_ordinary_ones_are_not() {
    let dev = dev();
    let key = dev.key("razorpay", "paths");
    let order = |path: &str| status(&dev, &head(&key, &format!("GET /razorpay{path} HTTP/1.1"), ""));
    for path in ["/v1/orders", "/v1/orders?count=5", "/v1/orders?count=5&skip=0"] {
        assert_eq!(order(path), 200, "{path}");
    }
    for path in [
        "/v1/./orders",
        "/v1/../v1/orders",
        "/v1/orders/..",
        "/v1/orders/.",
        "//v1/orders",
        "/v1//orders",
        "/v1\\orders",
        "/v1/%2e%2e/orders",
        "/v1%2forders",
        "/v1%2Forders",
        "/v1/orders%00",
        "/v1/orders%25",
        "/v1/orders%5c",
        "/v1/orders;a=b",
        "/v1/orders%3b",
        "/v1/orders%3f",
        "/v1/orders%23",
        "/v1/orders%zz",
        "/v1/orders%2",
        "/v1/ord\u{e9}rs",
        "/v1/orders%c3%a9",
        "/v1/orders#x",
        "/v1/orders\u{7f}",
        "/v1/orders?api_key=x",
        "/v1/orders?key_secret=x",
        "/v1/orders?access_token=x",
    ] {
        assert_eq!(order(path), 400, "{path}");
    }
    let with_key = format!("/v1/orders?a={}", key.key_id);
    assert_eq!(order(&with_key), 400, "a key id in the query");
}

#[test]
fn a_secret_in_a_body_is_refused_where_the_dialect_does_not_put_it() {
    let dev = dev();
    let key = dev.key("keymint", "body");
    let echo = |body: String| {
        let request = Request::new("POST", "/keymint/v1/echo").body(&body);
        request.header("Authorization", &format!("Bearer {}", key.secret)).send(dev.gateway).status
    };
    assert_eq!(echo(r#"{"note":"hello"}"#.to_owned()), 200);
    assert_eq!(echo(format!(r#"{{"note":"{}"}}"#, key.secret)), 400);
    assert_eq!(echo(r#"{"key_secret":"x"}"#.to_owned()), 400);
}

/// Malformed `Authorization` values around a good pair.
fn malformed_values(key: &Key) -> Vec<String> {
    let good = key.basic();
    let token = good.trim_start_matches("Basic ");
    let mut bad: Vec<String> = FORMS.iter().map(|form| form.replace("{t}", token)).collect();
    bad.extend(encoded_values(key));
    bad.extend([
        format!("Basic {}", data_encoding::BASE64URL.encode(&[0xfb, 0xff, b':', 0xfe])),
        format!("Basic {}", data_encoding::HEXLOWER.encode(b"a:b")),
        format!("Basic {}", "=".repeat(40)),
        format!("Basic {}", &token[..token.len() - 1]),
        format!("Basic {}", &token[1..]),
    ]);
    bad
}

/// Header values with `{t}` where the good token stands.
const FORMS: [&str; 41] = [
    "BASIC {t}",
    "basic {t}",
    "Basic \"{t}\"",
    "Basic ${t}",
    "bAsic {t}",
    "BasiC {t}",
    "Basic:{t}",
    "Basic={t}",
    "Basic{t}",
    "Basic  {t}",
    "Basic\t{t}",
    "Basic {t},",
    "Basic {t};",
    "Basic {t} x",
    "Basic '{t}'",
    "Basic <{t}>",
    "Basic [{t}]",
    "Basic {t}=",
    "Basic {t}==",
    "Basic ={t}",
    "Basic -{t}",
    "Basic _{t}",
    "Basic {t}.",
    "Basic .{t}",
    "Basic, {t}",
    "Bearer {t}",
    "Digest {t}",
    "Token {t}",
    "Negotiate {t}",
    "AWS4-HMAC-SHA256 {t}",
    "{t}",
    "Basic",
    "Basic Basic {t}",
    "x Basic {t}",
    "\"Basic {t}\"",
    "Basic%20{t}",
    "Basic {t}%3D",
    "Basic realm=\"x\"",
    "Basic {t}:{t}",
    "Basic /{t}",
    "Basic +{t}",
];

/// Well-formed Basic headers of pairs that are not the good one.
fn encoded_values(key: &Key) -> Vec<String> {
    let encode = |text: &str| format!("Basic {}", data_encoding::BASE64.encode(text.as_bytes()));
    vec![
        encode(""),
        encode(":"),
        encode(&key.key_id),
        encode(&format!("{}:", key.key_id)),
        encode(&format!(":{}", key.secret)),
        encode(&format!("{}:{}:", key.key_id, key.secret)),
        encode(&format!("{}::{}", key.key_id, key.secret)),
        encode(&format!("{};{}", key.key_id, key.secret)),
        encode(&format!("{}:{}\0", key.key_id, key.secret)),
        encode(&format!("\0{}:{}", key.key_id, key.secret)),
        encode(&format!("{}:{}\r\n", key.key_id, key.secret)),
        encode(&format!("{}:{}", key.secret, key.key_id)),
        encode(&format!("{}:{}", key.key_id.to_uppercase(), key.secret)),
        encode(&format!("{}:{}", key.key_id, key.secret.to_lowercase())),
        encode(&format!("{}:{}", key.key_id, &key.secret[1..])),
        encode(&format!("{}:{}x", key.key_id, key.secret)),
        encode(&format!("{}x:{}", key.key_id, key.secret)),
        encode(&format!("{}: {}", key.key_id, key.secret)),
        encode(&"a".repeat(3000)),
    ]
}

#[test]
fn sixty_malformed_authorization_headers_are_refused_with_401() {
    let dev = dev();
    let key = dev.key("razorpay", "sixty");
    let bad = malformed_values(&key);
    assert!(bad.len() >= 64, "{}", bad.len());
    for value in &bad {
        let reply = Request::new("GET", "/razorpay/v1/orders").header("Authorization", value).send(dev.gateway);
        assert_eq!(reply.status, 401, "{value:.40}");
    }
    let good = Request::new("GET", "/razorpay/v1/orders").header("Authorization", &key.basic());
    assert_eq!(good.send(dev.gateway).status, 200);
}

#[test]
fn unknown_routes_and_wrong_methods_are_said_in_the_dialects_own_shape() {
    let dev = dev();
    let key = dev.key("razorpay", "routes");
    let call =
        |method: &str, path: &str| Request::new(method, path).header("Authorization", &key.basic()).send(dev.gateway);
    let missing = call("GET", "/razorpay/v1/nothing");
    let text = "The requested URL was not found on the server.";
    assert_eq!((missing.status, missing.text("/error/description").as_str()), (404, text));
    assert_eq!(call("DELETE", "/razorpay/v1/orders").status, 405);
    let kpay = dev.key("kpay", "routes");
    let kpay_call = |method: &str, path: &str| {
        let request = Request::new(method, path).header("X-API-Key", &kpay.key_id);
        request.header("X-Secret-Key", &kpay.secret).send(dev.gateway)
    };
    let missing = kpay_call("GET", "/kpay/api/v1/nothing");
    assert_eq!((missing.status, missing.json()["statusCode"].as_i64()), (404, Some(404)));
    assert_eq!(kpay_call("DELETE", "/kpay/api/v1/payments/me").status, 405);
    let nobody = Request::new("GET", "/nothing/at/all").send(dev.gateway);
    assert_eq!((nobody.status, nobody.text("/error/code").as_str()), (404, "not_found"));
    let unauthenticated = Request::new("GET", "/razorpay/v1/nothing").send(dev.gateway);
    assert_eq!(unauthenticated.status, 401, "who is nobody learns nothing of routes");
}

#[test]
fn bodies_above_the_limit_and_odd_expectations_are_refused() {
    let dev = dev();
    let key = dev.key("razorpay", "limits");
    let large = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", 2 * 1024 * 1024);
    assert_eq!(status(&dev, &head(&key, "POST /razorpay/v1/orders HTTP/1.1", &large)), 413);
    let expect = head(&key, "GET /razorpay/v1/orders HTTP/1.1", "Expect: something\r\n");
    assert_eq!(status(&dev, &expect), 417);
    let many = "X-A: b\r\n".repeat(200);
    assert_eq!(status(&dev, &head(&key, "GET /razorpay/v1/orders HTTP/1.1", &many)), 431);
}

#[test]
fn a_head_that_never_ends_is_cut_off_after_five_seconds() {
    let dev = dev();
    let begun = Instant::now();
    let mut stream = TcpStream::connect(dev.gateway).expect("it accepts");
    stream.write_all(b"GET /razorpay/v1/orders HTTP/1.1\r\nHost: h\r\nX-Slow: ").expect("it takes bytes");
    let reply = http::read(&mut stream);
    let waited = begun.elapsed();
    assert!(reply.is_none_or(|reply| reply.status == 408), "no answer, or 408");
    assert!(waited > Duration::from_secs(4) && waited < Duration::from_secs(8), "{waited:?}");
}

#[test]
fn a_smuggled_second_request_is_never_answered() {
    let dev = dev();
    let key = dev.key("razorpay", "smuggle");
    let inner = String::from_utf8(head(&key, "GET /razorpay/v1/orders HTTP/1.1", "")).expect("ASCII");
    let more = format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}");
    let bytes = head(&key, "POST /razorpay/v1/orders HTTP/1.1", &more);
    let mut stream = TcpStream::connect(dev.gateway).expect("it accepts");
    stream.write_all(&bytes).expect("it takes bytes");
    assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(400));
    assert!(http::read(&mut stream).is_none(), "the connection is closed behind a fault");
}
