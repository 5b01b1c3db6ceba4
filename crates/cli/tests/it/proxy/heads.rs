//! Heads of requests and answers: what belongs to one connection stays on it, everything else is passed on.

use keymint_testkit::{Dev, Request, Upstream, http};

use super::{behind, call, get};

#[test]
fn ordinary_fields_arrive_as_they_were_sent() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "ordinary");
    let fields = [
        ("Accept", "application/json;q=0.9, */*"),
        ("Accept-Encoding", "gzip, br"),
        ("User-Agent", "razorpay-node/2.9"),
        ("Idempotency-Key", "a-1"),
        ("X-Merchant-Note", "  two  words  "),
        ("Cookie", "a=b; c=d"),
        ("If-None-Match", "\"x\""),
        ("Content-Type", "application/json; charset=utf-8"),
    ];
    let request =
        fields.iter().fold(call(&key, "POST", "/v1/orders"), |request, (name, value)| request.header(name, value));
    assert_eq!(request.body("{}").send(dev.gateway).status, 200);
    let seen = upstream.only();
    for (name, value) in fields {
        assert_eq!(seen.field(&name.to_ascii_lowercase()).as_deref(), Some(value.trim()), "{name}");
    }
    assert_eq!(seen.field("content-length").as_deref(), Some("2"));
    assert_eq!(seen.field("via").as_deref(), Some("1.1 keymint"));
    assert_eq!(seen.body, b"{}");
}

#[test]
fn what_belongs_to_the_clients_connection_stays_on_it() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "hop");
    let request = call(&key, "GET", "/v1/orders")
        .header("Connection", "keep-alive, X-Hop")
        .header("Connection", "x-other-HOP")
        .header("X-Hop", "1")
        .header("X-Other-Hop", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("TE", "trailers")
        .header("Trailer", "X-Sum")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
        .header("X-Stays", "1");
    assert_eq!(request.send(dev.gateway).status, 200);
    let seen = upstream.only();
    for name in [
        "connection",
        "x-hop",
        "x-other-hop",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        "transfer-encoding",
    ] {
        assert_eq!(seen.all(name), Vec::<String>::new(), "{name}: {}", seen.head);
    }
    assert_eq!(seen.field("x-stays").as_deref(), Some("1"));
}

#[test]
fn a_connection_that_names_a_field_with_a_meaning_is_refused() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "meaning");
    for name in
        ["Host", "Content-Length", "Content-Type", "content-encoding", "Cookie", "Origin", "Range", "Idempotency-Key"]
    {
        let request = call(&key, "POST", "/v1/orders").header("Connection", name).body("{}");
        assert_eq!((request.send(dev.gateway).status, upstream.connections()), (400, 0), "{name}");
    }
    let many = (0..40).map(|number| format!("x-{number}")).collect::<Vec<_>>().join(",");
    assert_eq!(call(&key, "GET", "/v1/orders").header("Connection", &many).send(dev.gateway).status, 400);
}

#[test]
fn what_belongs_to_the_upstreams_connection_stays_on_it_too() {
    let upstream = Upstream::answering(
        "HTTP/1.1 201 Created\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: \
         Basic\r\nUpgrade: h2c\r\nTrailer: X-Sum\r\nX-Keymint-Key: theirs\r\nX-Request-Id: theirs\r\nSet-Cookie: \
         a=b\r\nSet-Cookie: c=d\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nhi",
    );
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "answer");
    let reply = get(&dev, &key, "/v1/orders");
    assert_eq!((reply.status, reply.body.as_str()), (201, "hi"));
    for name in ["x-hop", "keep-alive", "proxy-authenticate", "upgrade", "trailer", "x-keymint-key", "connection"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    let cookies: Vec<_> =
        reply.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect();
    assert_eq!((cookies, reply.header("x-stays")), (vec!["a=b", "c=d"], Some("1")));
    assert_ne!(reply.header("x-request-id"), Some("theirs"));
    assert_eq!(reply.header("cache-control"), Some("no-store"), "nothing else keeps a cache from storing it");
}

#[test]
fn an_upstream_that_says_how_to_cache_is_passed_on() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nCache-Control: private, max-age=60\r\nContent-Length: 0\r\n\r\n");
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "cache");
    assert_eq!(get(&dev, &key, "/v1/orders").header("cache-control"), Some("private, max-age=60"));
}

#[test]
fn answers_without_a_body_keep_their_fields_and_the_connection() {
    let upstream = Upstream::scripted(|connection| {
        while let Some(seen) = connection.request() {
            let answer = match seen.target() {
                "/v1/none" => "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
                "/v1/same" => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
            };
            connection.write(answer.as_bytes());
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "bodyless");
    let reply = get(&dev, &key, "/v1/none");
    assert_eq!((reply.status, reply.header("x-a")), (204, Some("b")));
    assert_eq!(get(&dev, &key, "/v1/same").header("etag"), Some("\"x\""));
    let head = String::from_utf8_lossy(&call(&key, "HEAD", "/v1/orders").bytes("h")).into_owned();
    let mut stream = std::net::TcpStream::connect(dev.gateway).expect("a connection");
    std::io::Write::write_all(&mut stream, head.as_bytes()).expect("it is sent");
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut stream, &mut byte).expect("a head");
        text.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&text).to_lowercase();
    assert!(text.starts_with("http/1.1 200") && text.contains("content-length: 1234"), "{text}");
    std::io::Write::write_all(&mut stream, &call(&key, "GET", "/v1/none").bytes("h")).expect("it is sent");
    assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(204), "the connection goes on");
}

#[test]
fn interim_answers_are_not_taken_for_the_answer() {
    let upstream = Upstream::scripted(|connection| {
        while connection.request().is_some() {
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "interim");
    let reply = get(&dev, &key, "/v1/orders");
    assert_eq!((reply.status, reply.body.as_str(), reply.header("link")), (200, "ok", None));
}

#[test]
fn the_host_is_the_upstreams_own_the_operators_or_the_clients() {
    let upstream = Upstream::plain();
    let url = upstream.url();
    let table = |more: &str| format!("[product.upstream_test]\naddresses = [\"{url}\"]\n{more}");
    let products = [("razorpay", table("host = \"pay.internal:7000\"")), ("kpay", table("keep_host = true"))];
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &products);
    let key = dev.key("razorpay", "host");
    assert_eq!(call(&key, "GET", "/v1/orders").header("Host", "api.example").send(dev.gateway).status, 200);
    let seen = upstream.only();
    upstream.forget();
    assert_eq!(seen.field("host").as_deref(), Some("pay.internal:7000"));
    assert_eq!(seen.field("x-forwarded-host").as_deref(), Some("api.example"));
    let pair = dev.key("kpay", "host");
    let request = Request::new("GET", "/kpay/api/v1/payments/me").header("Host", "api.example");
    let request = request.header("X-API-Key", &pair.key_id).header("X-Secret-Key", &pair.secret);
    assert_eq!(request.send(dev.gateway).status, 200);
    assert_eq!(upstream.only().field("host").as_deref(), Some("api.example"));
}

#[test]
fn methods_that_reflect_or_tunnel_do_not_pass() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "methods");
    assert_eq!(call(&key, "TRACE", "/v1/orders").send(dev.gateway).status, 405);
    let connect = format!("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nAuthorization: {}\r\n\r\n", key.basic());
    assert!(http::raw(dev.gateway, connect.as_bytes()).is_none_or(|reply| reply.status >= 400));
    assert_eq!(upstream.connections(), 0);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        assert_eq!(call(&key, method, "/v1/orders").send(dev.gateway).status, 200, "{method}");
        assert_eq!(upstream.only().method(), method);
        upstream.forget();
    }
}
