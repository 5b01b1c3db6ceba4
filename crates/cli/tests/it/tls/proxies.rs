//! Who a client is and how it came when a proxy stands in front: what a trusted one says, and what anybody else says is
//! nothing (T42, T89).

use std::io::Write;
use std::net::TcpStream;

use keymint_testkit::{Authority, Call, Database, Dev, Key, Reply, Request, Serving, Upstream, http};
use serde_json::json;

use super::{NAME, binary, under_tls};

/// A Keymint that trusts proxies in these networks, with an upstream behind its test keys.
fn behind(networks: &str, upstream: &Upstream) -> Dev {
    let table = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
    let listen = format!("trusted_proxies = [{networks}]\n");
    let products = vec![("razorpay", table.clone()), ("keymint", table)];
    Dev::serve_for_now(binary(), &Serving { listen, products, ..Serving::default() })
}

fn call(key: &Key, fields: &[(&str, &str)]) -> Request {
    let request = Request::new("GET", "/razorpay/v1/orders").header("Authorization", &key.basic());
    fields.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// A key that only works from 203.0.113.0/24.
fn bound_key(dev: &Dev) -> Key {
    let app = dev.app(&dev.merchant("bound"), "razorpay", "bound");
    dev.key_of(&app, &json!({ "mode": "test", "allowed_ips": ["203.0.113.0/24"] }))
}

#[test]
fn a_trusted_proxy_says_who_the_client_is_and_the_upstream_and_the_log_hear_the_same() {
    let upstream = Upstream::plain();
    let dev = behind("\"127.0.0.0/8\", \"10.0.0.0/8\"", &upstream);
    let key = bound_key(&dev);
    for (fields, status, told) in [
        (
            &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")][..],
            200,
            Some(("203.0.113.9", "https")),
        ),
        (&[("X-Forwarded-For", "198.51.100.1, 203.0.113.8, 10.0.0.7")], 200, Some(("203.0.113.8", "http"))),
        (
            &[("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "203.0.113.7")],
            200,
            Some(("203.0.113.7", "http")),
        ),
        // What a client writes itself stands to the left of what the proxy adds.
        (&[("X-Forwarded-For", "203.0.113.9, 198.51.100.1")], 400, None),
        (&[("X-Forwarded-For", "203.0.112.255")], 400, None),
        (&[("X-Real-IP", "203.0.113.9"), ("Forwarded", "for=203.0.113.9")], 400, None),
        (&[], 400, None),
    ] {
        upstream.forget();
        let reply = call(&key, fields).send(dev.gateway);
        assert_eq!(reply.status, status, "{fields:?}: {}", reply.body);
        let seen = upstream.seen();
        let heard = seen.first().map(|seen| (seen.field("x-forwarded-for"), seen.field("x-forwarded-proto")));
        assert_eq!(
            heard,
            told.map(|(address, scheme)| (Some(address.to_owned()), Some(scheme.to_owned()))),
            "{fields:?}"
        );
    }
    let log = keymint_testkit::eventually(|| {
        let log = dev.api("GET", &format!("/credentials/{}/requests", key.key_id), &json!(null)).json();
        let addresses: Vec<String> = log["items"].as_array().map_or(Vec::new(), |items| {
            items.iter().filter_map(|item| item["client_ip"].as_str().map(str::to_owned)).collect()
        });
        if addresses.len() == 7 { Ok(addresses) } else { Err(format!("{addresses:?}")) }
    });
    assert!(log.contains(&"203.0.113.7".to_owned()) && log.contains(&"198.51.100.1".to_owned()), "{log:?}");
}

#[test]
fn clients_that_share_a_proxys_connection_are_told_apart() {
    let upstream = Upstream::plain();
    let dev = behind("\"127.0.0.1/32\"", &upstream);
    let key = dev.key("razorpay", "shared");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    let clients = ["203.0.113.1", "203.0.113.2", "203.0.113.1", "2001:db8::1"];
    for client in clients {
        let request = call(&key, &[("X-Forwarded-For", client)]).bytes("h");
        stream.write_all(&request).expect("it is open");
        assert_eq!(http::read(&mut stream).expect("an answer").status, 200);
    }
    let heard: Vec<_> = upstream.seen().iter().filter_map(|seen| seen.field("x-forwarded-for")).collect();
    assert_eq!(heard, clients);
}

#[test]
fn nobody_else_says_who_the_client_is() {
    let upstream = Upstream::plain();
    // One network beside ours, and none at all, which trusts nobody.
    for networks in ["\"126.0.0.0/8\", \"128.0.0.0/8\"", ""] {
        let dev = behind(networks, &upstream);
        let (bound, free) = (bound_key(&dev), dev.key("razorpay", "free"));
        for fields in [
            &[("X-Forwarded-For", "203.0.113.9")][..],
            &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")],
            &[("X-Forwarded-For", "not an address")],
        ] {
            upstream.forget();
            assert_eq!(call(&bound, fields).send(dev.gateway).status, 400, "{fields:?}");
            assert_eq!(call(&free, fields).send(dev.gateway).status, 200, "{fields:?}");
            let seen = upstream.only();
            assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("127.0.0.1"));
            assert_eq!(seen.field("x-forwarded-proto").as_deref(), Some("http"));
        }
    }
}

#[test]
fn what_a_trusted_proxy_says_unclearly_is_refused_on_every_listener() {
    let upstream = Upstream::plain();
    let dev = behind("\"127.0.0.1/32\"", &upstream);
    let key = dev.key("razorpay", "unclear");
    let clear = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")];
    assert_eq!(call(&key, &clear).send(dev.gateway).status, 200);
    for (name, value) in [
        ("X-Forwarded-For", "203.0.113.9:443"),
        ("X-Forwarded-For", "unknown"),
        ("X-Forwarded-For", "203.0.113.9,"),
        ("X-Forwarded-Proto", "https,http"),
        ("X-Forwarded-Proto", "HTTPS"),
    ] {
        let asked = |path: &str, more: &[(&str, &str)]| {
            let request = Request::new("GET", path).header(name, value).header("Authorization", &key.basic());
            more.iter().fold(request, |request, (name, value)| request.header(name, value))
        };
        let reply = call(&key, &[(name, value)]).send(dev.gateway);
        assert_eq!((reply.status, reply.header("connection")), (400, Some("close")), "{name}: {value}");
        let page = Request::new("GET", "/sign-in").header(name, value).send(dev.console);
        assert_eq!((page.status, page.text("/code").as_str()), (400, "ambiguous_request"), "{name}: {value}");
        let about = [("X-Original-Method", "GET"), ("X-Original-URI", "/v1/orders")];
        let reply = asked("/v1/forward-auth/razorpay", &about).send(dev.internal);
        assert_eq!(reply.status, 400, "{name}: {value}");
    }
}

#[test]
fn forward_auth_hears_of_the_client_from_a_trusted_proxy_alone() {
    for (networks, status) in [("\"127.0.0.1/32\"", 200), ("\"10.0.0.0/8\"", 400)] {
        let upstream = Upstream::plain();
        let dev = behind(networks, &upstream);
        let key = bound_key(&dev);
        let reply = Request::new("GET", "/v1/forward-auth/razorpay")
            .header("X-Original-Method", "GET")
            .header("X-Original-URI", "/v1/orders")
            .header("X-Forwarded-For", "203.0.113.9")
            .header("Authorization", &key.basic())
            .send(dev.internal);
        assert_eq!(reply.status, status, "{networks}: {}", reply.body);
    }
}

/// Tries a wrong password.
fn try_to_sign_in(dev: &Dev, client: &str) -> Reply {
    Request::new("POST", "/sign-in")
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Forwarded-For", client)
        .body("email=somebody%40merchant.example&password=wrong")
        .send(dev.console)
}

#[test]
fn the_console_counts_guesses_by_the_client_behind_a_trusted_proxy_and_else_by_the_peer() {
    for (networks, is_told_apart) in [("\"127.0.0.1/32\"", true), ("\"10.0.0.0/8\"", false)] {
        let upstream = Upstream::plain();
        let dev = behind(networks, &upstream);
        let first = try_to_sign_in(&dev, "203.0.113.1").body;
        let mut last = String::new();
        for _ in 0..10 {
            last = try_to_sign_in(&dev, "203.0.113.1").body;
        }
        assert_ne!(first, last, "ten tries are not counted");
        let other = try_to_sign_in(&dev, "203.0.113.2").body;
        assert_eq!(other, if is_told_apart { first } else { last }, "{networks}");
    }
}

#[test]
fn a_signature_over_the_url_is_for_the_scheme_that_the_client_used() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let key = dev.key("keymint", "signer");
    let sent = |call: Call<'_>| {
        let request = call.scheme("message_signature").signed(dev.gateway, &key).bytes(&dev.gateway.to_string());
        authority.raw(dev.gateway, NAME, &request).expect("an answer").status
    };
    let call = Call::new("keymint", "GET", "/v1/whoami", "");
    assert_eq!((sent(call.over_https()), sent(call)), (200, 401));
}

#[test]
fn networks_that_hold_half_the_world_are_no_proxies() {
    for network in ["0.0.0.0/0", "0.0.0.0/7", "::/0", "2000::/31"] {
        let serving = Serving { listen: format!("trusted_proxies = [\"{network}\"]\n"), ..Serving::default() };
        let said = Dev::refusal_of(binary(), &serving);
        assert!(said.contains("listen.trusted_proxies") && said.contains("too wide"), "{network}: {said}");
    }
    let listen = "trusted_proxies = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n".to_owned();
    let serving = Serving { listen, ..Serving::default() };
    let folder = tempfile::tempdir().expect("a folder");
    drop(Dev::serve_as(binary(), folder.path(), Database::Sqlite, &serving));
}
