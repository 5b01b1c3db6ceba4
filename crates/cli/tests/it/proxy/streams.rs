//! Streams end with their credential: server-sent events, WebSockets, uploads and downloads, within a second (T95).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keymint_domain::time::UnixMs;
use keymint_testkit::signing::now;
use keymint_testkit::upstream::Connection;
use keymint_testkit::{Dev, Key, Upstream};
use serde_json::{Value, json};

use super::{behind, call, get};

/// How long a stream may outlive its credential. Milliseconds.
const PROMISE_MS: i64 = 1000;

/// Serves each kind of stream by its path.
fn serve(connection: &mut Connection) {
    while let Some(seen) = connection.head() {
        match seen.target() {
            "/v1/socket" => {
                let accept = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";
                connection.record(seen);
                connection.write(accept);
                while let Some(byte) = connection.bytes(1) {
                    connection.write(&byte);
                }
            }
            "/v1/events" => {
                connection.record(seen);
                connection
                    .write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
                connection.write(b"9\r\ndata: a\n\n\r\n");
                connection.wait_for_end();
            }
            "/v1/flood" => {
                connection.record(seen);
                connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let chunk = [b"10000\r\n".as_slice(), &[b'a'; 65_536], b"\r\n"].concat();
                while connection.write(&chunk) {}
            }
            "/v1/upload" => {
                connection.record(seen);
                connection.wait_for_end();
            }
            _ => {
                connection.record(seen);
                connection.write(keymint_testkit::upstream::PLAIN_ANSWER.as_bytes());
            }
        }
    }
}

/// A stream as its client has it.
struct Stream {
    kind: &'static str,
    stream: TcpStream,
}

const KINDS: [&str; 4] = ["socket", "events", "upload", "flood"];

impl Stream {
    /// Opens one and waits until it flows.
    fn open(dev: &Dev, upstream: &Upstream, key: &Key, kind: &'static str) -> Self {
        let path = format!("/v1/{kind}");
        let request = match kind {
            "socket" => call(key, "GET", &path)
                .header("Connection", "Upgrade")
                .header("Upgrade", "websocket")
                .header("Sec-WebSocket-Version", "13")
                .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
                .bytes("h"),
            "upload" => {
                let head = format!("POST /razorpay{path} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n", key.basic());
                format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").into_bytes()
            }
            _ => call(key, "GET", &path).bytes("h"),
        };
        let before = upstream.seen().len();
        let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        stream.write_all(&request).expect("it is sent");
        upstream.wait_for(before + 1);
        let mut this = Self { kind, stream };
        match kind {
            "socket" => {
                this.read_until("\r\n\r\n");
                this.echo("ping");
            }
            "events" => this.read_until("data: a"),
            "flood" => this.read_until("aaaa"),
            _ => {}
        }
        this
    }

    fn read_until(&mut self, end: &str) {
        let (mut text, mut byte) = (String::new(), [0]);
        while !text.ends_with(end) {
            self.stream.read_exact(&mut byte).expect("more");
            text.push(char::from(byte[0]));
        }
    }

    fn echo(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("it is sent");
        let mut back = vec![0; text.len()];
        self.stream.read_exact(&mut back).expect("an echo");
        assert_eq!(back, text.as_bytes());
    }

    /// Whether it still stands.
    fn is_open(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a mode");
        let mut byte = [0];
        let peeked = self.stream.peek(&mut byte);
        self.stream.set_nonblocking(false).expect("a mode");
        match peeked {
            Ok(count) => count > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    /// Reads to the end, and gives what had been sent before.
    fn end(mut self) -> Vec<u8> {
        let (mut rest, mut part) = (Vec::new(), vec![0; 65_536]);
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return rest,
                Ok(count) if rest.len() < 65_536 => rest.extend_from_slice(&part[..count]),
                Ok(_) => {}
                Err(error) => {
                    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{} goes on", self.kind);
                    return rest;
                }
            }
        }
    }
}

fn behind_streams(upstream: &Upstream) -> Dev {
    behind(&["razorpay"], &[upstream], "upload_bytes_max = 8000000")
}

fn patch(dev: &Dev, path: &str, body: &Value) {
    let changed = dev.api("PATCH", path, body);
    assert_eq!(changed.status, 200, "{}", changed.body);
}

/// Milliseconds since then.
fn since(moment: UnixMs) -> i64 {
    now().0 - moment.0
}

/// Opens one stream of each kind and ends the credential: `act` says when. All of them end within a second of that, and
/// those of another key go on.
fn all_end(dev: &Dev, upstream: &Upstream, key: &Key, act: impl FnOnce() -> UnixMs) -> Vec<(&'static str, Vec<u8>)> {
    let other = dev.key("razorpay", "unconcerned");
    let streams: Vec<Stream> = KINDS.iter().map(|kind| Stream::open(dev, upstream, key, kind)).collect();
    let unconcerned: Vec<Stream> = KINDS.iter().map(|kind| Stream::open(dev, upstream, &other, kind)).collect();
    let ends_at = act();
    upstream.wait_for_closed(KINDS.len());
    let late = since(ends_at);
    assert!((0..PROMISE_MS).contains(&late), "the upstream's side ended {late} ms after");
    let ended = streams.into_iter().map(|stream| (stream.kind, stream.end())).collect();
    // The last bytes of a flood were in the sockets; whoever reads them comes to their end.
    let late = since(ends_at);
    assert!(late < PROMISE_MS, "the clients' side ended {late} ms after");
    for stream in unconcerned {
        assert!(stream.is_open(), "{} of another key ended", stream.kind);
    }
    ended
}

#[test]
fn every_kind_of_stream_ends_when_its_key_is_revoked() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let key = dev.key("razorpay", "revoked");
    let ended = all_end(&dev, &upstream, &key, || {
        assert_eq!(dev.revoke(&key.key_id).status, 200);
        now()
    });
    let rest = |wanted: &str| ended.iter().find(|(kind, _)| *kind == wanted).map(|(_, rest)| rest.clone());
    let answer = String::from_utf8(rest("upload").expect("the upload")).expect("text");
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("Authentication failed"), "{answer}");
    assert!(!rest("events").expect("the events").ends_with(b"0\r\n\r\n"), "what was cut off does not look whole");
}

#[test]
fn every_kind_of_stream_ends_when_its_key_is_rolled_without_grace() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let key = dev.key("razorpay", "rolled");
    all_end(&dev, &upstream, &key, || {
        assert_eq!(dev.roll(&key.key_id, 0).status, 201);
        now()
    });
}

#[test]
fn every_kind_of_stream_ends_with_the_grace_of_a_roll_and_not_before() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let key = dev.key("razorpay", "grace");
    all_end(&dev, &upstream, &key, || {
        let rolled = dev.roll(&key.key_id, 2);
        let ends_at: jiff::Timestamp = rolled.text("/previous/ends_at").parse().expect("a moment");
        UnixMs(ends_at.as_millisecond())
    });
}

#[test]
fn every_kind_of_stream_ends_when_its_key_expires_and_not_before() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let key = dev.key("razorpay", "expires");
    all_end(&dev, &upstream, &key, || {
        let ends_at = now().plus_seconds(2);
        let text = jiff::Timestamp::from_millisecond(ends_at.0).expect("a moment").to_string();
        patch(&dev, &format!("/credentials/{}", key.key_id), &json!({ "expires_at": text }));
        ends_at
    });
}

#[test]
fn every_kind_of_stream_ends_when_its_app_is_disabled() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let key = dev.key("razorpay", "app");
    all_end(&dev, &upstream, &key, || {
        patch(&dev, &format!("/apps/{}", key.app_id), &json!({ "enabled": false }));
        now()
    });
}

#[test]
fn every_kind_of_stream_ends_when_a_list_of_its_key_is_tightened() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    for (name, change) in [
        ("addresses", json!({ "allowed_ips": ["10.0.0.0/8"] })),
        ("origins", json!({ "allowed_origins": ["https://shop.example"] })),
        ("scopes", json!({ "scopes": ["read_only"] })),
    ] {
        let key = dev.key("razorpay", name);
        let stream = Stream::open(&dev, &upstream, &key, "events");
        patch(&dev, &format!("/credentials/{}", key.key_id), &change);
        let ends_at = now();
        stream.end();
        assert!(since(ends_at) < PROMISE_MS, "{name}: {} ms", since(ends_at));
    }
}

#[test]
fn live_streams_end_when_their_merchant_is_suspended() {
    let upstream = Upstream::scripted(serve);
    let table = format!("[product.upstream_live]\naddresses = [\"{}\"]\n", upstream.url());
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &[("razorpay", table)]);
    let key = dev.live_key("razorpay", "suspended");
    let app = dev.api("GET", &format!("/apps/{}", key.app_id), &Value::Null);
    let stream = Stream::open(&dev, &upstream, &key, "socket");
    let suspension = json!({ "state": "suspended", "reason": "papers ran out" });
    let path = format!("/merchants/{}/activation", app.text("/merchant_id"));
    assert_eq!(dev.api("PUT", &path, &suspension).status, 200);
    let ends_at = now();
    stream.end();
    assert!(since(ends_at) < PROMISE_MS, "{} ms", since(ends_at));
}

#[test]
fn a_stream_outlives_what_does_not_concern_its_credential() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let merchant = dev.merchant("unmoved");
    let app = dev.app(&merchant, "kpay", "unmoved");
    let key = dev.key("razorpay", "unmoved");
    let sibling = dev.key_of(&app, &json!({ "mode": "test" }));
    let mut streams: Vec<Stream> = ["socket", "events"].map(|kind| Stream::open(&dev, &upstream, &key, kind)).into();
    patch(&dev, &format!("/credentials/{}", key.key_id), &json!({ "name": "another name" }));
    let later = jiff::Timestamp::from_millisecond(now().plus_seconds(3600).0).expect("a moment").to_string();
    patch(&dev, &format!("/credentials/{}", key.key_id), &json!({ "expires_at": later }));
    assert_eq!(dev.revoke(&sibling.key_id).status, 200);
    // A change that does concern somebody is heard behind those before it.
    let ended = dev.key("razorpay", "concerned");
    let stream = Stream::open(&dev, &upstream, &ended, "events");
    assert_eq!(dev.revoke(&ended.key_id).status, 200);
    stream.end();
    for stream in &mut streams {
        assert!(stream.is_open(), "{}", stream.kind);
    }
    streams[0].echo("still here");
}

#[test]
fn many_streams_end_together() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let key = dev.key("razorpay", "many");
    let streams: Vec<Stream> = (0..250)
        .map(|number| Stream::open(&dev, &upstream, &key, if number % 2 == 0 { "events" } else { "socket" }))
        .collect();
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    let ends_at = now();
    for stream in streams {
        stream.end();
    }
    assert!(since(ends_at) < PROMISE_MS, "the last of 250 ended {} ms after", since(ends_at));
}

#[test]
fn a_request_that_was_sent_before_its_key_ended_is_answered_and_no_stream_begins_that_way() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::scripted(move |connection| {
        while let Some(seen) = connection.request() {
            let _ = wait.lock().expect("a channel").recv();
            if seen.target() == "/v1/events" {
                connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n");
                connection.wait_for_end();
            } else if seen.target() == "/v1/socket" {
                connection
                    .write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
                connection.wait_for_end();
            } else {
                connection.write(keymint_testkit::upstream::PLAIN_ANSWER.as_bytes());
            }
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    for (number, path) in ["/v1/payments", "/v1/events", "/v1/socket"].into_iter().enumerate() {
        let key = dev.key("razorpay", &format!("sent{number}"));
        let mut request = call(&key, if number == 0 { "POST" } else { "GET" }, path);
        if path == "/v1/socket" {
            request = request.header("Connection", "Upgrade").header("Upgrade", "websocket");
        }
        let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        stream.write_all(&request.bytes("h")).expect("it is sent");
        upstream.wait_for(number + 1);
        assert_eq!(dev.revoke(&key.key_id).status, 200);
        go.send(()).expect("the upstream waits");
        let released = now();
        if number == 0 {
            assert_eq!(keymint_testkit::http::read(&mut stream).map(|reply| reply.status), Some(200));
            continue;
        }
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        assert!(since(released) < PROMISE_MS, "{path} ended {} ms after its head", since(released));
        assert!(!text.ends_with(b"0\r\n\r\n"), "it does not look whole");
    }
}

#[test]
fn a_tunnel_is_open_only_behind_the_upstreams_yes() {
    let upstream = Upstream::scripted(|connection| {
        while let Some(seen) = connection.request() {
            let answer = match seen.target() {
                "/v1/other" => "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
                "/v1/no" => "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n",
                _ => keymint_testkit::upstream::PLAIN_ANSWER,
            };
            connection.write(answer.as_bytes());
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "tunnel");
    let ask = |path: &str, upgrade: &str| {
        let request = call(&key, "GET", path).header("Connection", "Upgrade").header("Upgrade", upgrade);
        // What follows is a request of its own, and nobody's, unless a tunnel is open.
        let smuggled = b"GET /razorpay/v1/smuggled HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
        stream.write_all(&[request.bytes("h").as_slice(), smuggled].concat()).expect("it is sent");
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        let statuses = text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12));
        statuses.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ask("/v1/no", "websocket"), ["426", "401"]);
    assert_eq!(ask("/v1/plain", "websocket"), ["200", "401"]);
    assert_eq!(ask("/v1/other", "websocket"), ["502", "401"]);
    for upgrade in ["h2c", "websocket, h2c", "tls/1.2", "WebSocket2"] {
        upstream.forget();
        assert_eq!(ask("/v1/plain", upgrade), ["200", "401"], "{upgrade}");
        assert_eq!(upstream.only().field("upgrade"), None, "{upgrade} does not go upstream");
    }
    assert!(upstream.seen().iter().all(|seen| seen.target() != "/v1/smuggled"));
}

#[test]
fn an_operator_may_keep_websockets_out() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "websockets = false");
    let key = dev.key("razorpay", "out");
    let request = call(&key, "GET", "/v1/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    assert_eq!(request.send(dev.gateway).status, 200);
    assert_eq!(upstream.only().field("upgrade"), None);
}

#[test]
fn the_last_of_a_tunnel_arrives_when_one_side_ends() {
    let upstream = Upstream::scripted(serve);
    let dev = behind_streams(&upstream);
    let key = dev.key("razorpay", "last");
    let mut stream = Stream::open(&dev, &upstream, &key, "socket");
    stream.stream.write_all(b"goodbye").expect("it is sent");
    stream.stream.shutdown(std::net::Shutdown::Write).expect("half of it is closed");
    assert_eq!(stream.end(), b"goodbye");
    upstream.wait_for_closed(1);
    assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed() {
    let upstream = Upstream::scripted(serve);
    let dev = behind(&["razorpay"], &[&upstream], "idle_timeout_ms = 500");
    let key = dev.key("razorpay", "quiet");
    let mut stream = Stream::open(&dev, &upstream, &key, "socket");
    let begun = now();
    while since(begun) < 1200 {
        stream.echo("x");
    }
    stream.end();
    assert!(since(begun) < 1200 + 500 + PROMISE_MS);
}
