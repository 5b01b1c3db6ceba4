//! HTTP/2 on the gateway: the same answers as over HTTP/1.1, requests that share a connection and nothing else, and
//! bounds on what a connection may ask and take back (T76).

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use keymint_domain::time::UnixMs;
use keymint_testkit::signing::now;
use keymint_testkit::tls::connect;
use keymint_testkit::upstream::{Connection, PLAIN_ANSWER};
use keymint_testkit::{Authority, Call, Database, Dev, Key, Serving, Upstream};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::{NAME, binary, table, under_tls};

/// How long a stream may outlive its credential. Milliseconds.
const PROMISE_MS: i64 = 1000;
/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than what is kept for a stream. Bytes.
const LONG: usize = 1024 * 1024;

/// A client with one connection.
struct Client {
    sender: SendRequest<Bytes>,
    driving: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// An answer.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

/// Runs it on a runtime whose tasks go on while this thread waits for something else.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async { tokio::time::timeout(6 * DEADLINE, test).await.expect("it ends") });
}

impl Client {
    async fn connected(dev: &Dev, authority: &Authority) -> Self {
        let tcp = tokio::net::TcpStream::connect(dev.gateway).await.expect("a connection");
        let name = ServerName::try_from(NAME).expect("a name");
        let tls = TlsConnector::from(authority.client(&["h2"])).connect(name, tcp).await.expect("a handshake");
        // A stream that is not read leaves the connection's own window open.
        let wide = h2::client::Builder::new().initial_connection_window_size(1 << 24).handshake(tls).await;
        let (sender, connection) = wide.expect("HTTP/2");
        Self { sender, driving: tokio::spawn(connection) }
    }

    async fn begin(&mut self, request: Request<()>, is_whole: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = self.sender.clone().ready().await.expect("it is open");
        sender.send_request(request, is_whole).expect("it is sent")
    }

    async fn ask(&mut self, request: Request<()>, body: &str) -> Answer {
        let (answer, mut sending) = self.begin(request, body.is_empty()).await;
        if !body.is_empty() {
            sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true).expect("it is sent");
        }
        whole(answer).await.expect("an answer")
    }

    async fn ends(self) -> bool {
        tokio::time::timeout(DEADLINE, self.driving).await.is_ok()
    }
}

async fn whole(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let (parts, mut body) = answer.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// A call with HTTP Basic on the Razorpay product.
fn call(dev: &Dev, key: &Key, method: &str, path: &str) -> http::request::Builder {
    let uri = format!("https://{NAME}:{}/razorpay{path}", dev.gateway.port());
    Request::builder().method(method).uri(uri).header("authorization", key.basic())
}

fn get(dev: &Dev, key: &Key, path: &str) -> Request<()> {
    call(dev, key, "GET", path).body(()).expect("a request")
}

/// Answers each kind of call by its path.
fn script(connection: &mut Connection) {
    while let Some(mut seen) = connection.head() {
        match seen.target() {
            "/v1/events" => {
                connection.record(seen);
                connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n");
                connection.wait_for_end();
            }
            "/v1/long" => {
                connection.record(seen);
                let long = "x".repeat(LONG);
                connection.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n{long}").as_bytes());
            }
            "/v1/silence" => {
                connection.record(seen);
                connection.wait_for_end();
            }
            _ => {
                if connection.body(&mut seen).is_none() {
                    return;
                }
                connection.record(seen);
                connection.write(PLAIN_ANSWER.as_bytes());
            }
        }
    }
}

/// A Keymint under TLS with an upstream behind the test keys of Razorpay.
fn behind(folder: &Path, authority: &Authority, upstream: &Upstream) -> Dev {
    let files = authority.certificate(NAME).write(folder, "gateway");
    let table_of = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
    let products = vec![("razorpay", format!("{table_of}upload_bytes_max = 4194304\n"))];
    let serving = Serving { tables: table("gateway", &files), products, ..Serving::default() };
    Dev::serve_as(binary(), folder, Database::Sqlite, &serving)
}

fn since(at: UnixMs) -> i64 {
    now().0 - at.0
}

#[test]
fn curl_gets_the_version_that_it_asks_for_and_the_same_answer() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let key = dev.key("razorpay", "curl");
    let trusted = authority.write(folder.path());
    let curl = |version: &str| {
        let port = dev.gateway.port();
        let done = Command::new("curl")
            .args(["--silent", version, "--cacert"])
            .arg(&trusted)
            .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1"), "--user"])
            .arg(format!("{}:{}", key.key_id, key.secret))
            .args(["--write-out", "\n%{http_version} %{http_code}"])
            .arg(format!("https://{NAME}:{port}/razorpay/v1/orders"))
            .output();
        let done = done.expect("curl is there; `cargo xtask test` installs it");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let (one, two) = (curl("--http1.1"), curl("--http2"));
    let (answer, told) = two.rsplit_once('\n').expect("two lines");
    assert_eq!((one.rsplit_once('\n'), told), (Some((answer, "1.1 200")), "2 200"));
}

#[test]
fn what_goes_upstream_is_what_goes_there_over_http_1() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let upstream = Upstream::scripted(script);
    let dev = behind(folder.path(), &authority, &upstream);
    let key = dev.key("razorpay", "upstream");
    run(async {
        let mut client = Client::connected(&dev, &authority).await;
        let request = call(&dev, &key, "POST", "/v1/orders?a=%20b&a=c").header("content-type", "application/json");
        let request = request.header("cookie", "a=1").header("x-forwarded-for", "203.0.113.1").header("cookie", "b=2");
        let answer = client.ask(request.body(()).expect("a request"), r#"{"amount":1}"#).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"ok":true}"#));
        let seen = upstream.only();
        assert_eq!(
            (seen.method(), seen.target(), &*seen.body),
            ("POST", "/v1/orders?a=%20b&a=c", &br#"{"amount":1}"#[..])
        );
        for (name, value) in [
            ("cookie", "a=1; b=2"),
            ("via", "2.0 keymint"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", &format!("{NAME}:{}", dev.gateway.port())),
            ("x-keymint-key", &key.key_id),
            ("x-request-id", answer.headers["x-request-id"].to_str().expect("text")),
        ] {
            assert_eq!(seen.field(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(seen.field("authorization"), None);
        // One that streams in pieces, past every window.
        upstream.forget();
        let (answer, mut sending) =
            client.begin(call(&dev, &key, "POST", "/v1/files").body(()).expect("it"), false).await;
        for number in 0..32_u8 {
            send_all(&mut sending, Bytes::from(vec![number; 65_536]), number == 31).await;
        }
        assert_eq!(whole(answer).await.expect("an answer").status, 200);
        let body = upstream.only().body;
        assert!(
            body.len() == 32 * 65_536 && body.chunks(65_536).zip(0..32_u8).all(|(piece, number)| piece[0] == number)
        );
    });
}

/// Sends a piece as the other side makes room.
async fn send_all(sending: &mut SendStream<Bytes>, mut piece: Bytes, is_last: bool) {
    while !piece.is_empty() {
        sending.reserve_capacity(piece.len());
        let room = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await.expect("it is open").expect("room");
        let part = piece.split_to(room.min(piece.len()));
        sending.send_data(part, is_last && piece.is_empty()).expect("it is sent");
    }
}

#[test]
fn signatures_and_denials_are_those_of_http_1() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let (signer, other) = (dev.key("keymint", "signer"), dev.key("razorpay", "wrong"));
    let call = Call::new("keymint", "POST", "/v1/echo", r#"{"a":1}"#).scheme("message_signature").over_https();
    let headers = call.credentials(dev.gateway, &signer);
    let request = |body: &'static str| {
        let uri = format!("https://{}/keymint/v1/echo", dev.gateway);
        let request = Request::builder().method("POST").uri(uri).header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        (request.body(()).expect("a request"), body)
    };
    let wrong = Key { secret: format!("{}x", other.secret), ..other };
    run(async {
        let mut client = Client::connected(&dev, &authority).await;
        let mut statuses = Vec::new();
        for (request, body) in [request(r#"{"a":2}"#), request(r#"{"a":1}"#), request(r#"{"a":1}"#)] {
            statuses.push(client.ask(request, body).await.status);
        }
        assert_eq!(statuses, [401, 200, 401], "another body, the body, the same again");
        let denied = client.ask(get(&dev, &wrong, "/v1/orders"), "").await;
        assert_eq!((denied.status, denied.headers.get("connection")), (401, None));
        assert!(denied.body.contains("Authentication failed"), "{}", denied.body);
        let absent = Request::get(format!("https://{NAME}/nothing")).body(()).expect("a request");
        assert_eq!(client.ask(absent, "").await.status, 404);
    });
}

#[test]
fn heads_that_could_be_read_in_two_ways_are_refused_and_the_connection_goes_on() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let key = dev.key("razorpay", "heads");
    let own = format!("{NAME}:{}", dev.gateway.port());
    run(async {
        let mut client = Client::connected(&dev, &authority).await;
        let mut with = async |name: &str, value: &str| {
            let request = call(&dev, &key, "GET", "/v1/orders").header(name, value).body(()).expect("a request");
            client.ask(request, "").await.status
        };
        assert_eq!([with("host", &own).await, with("x-a", "b").await], [200, 200]);
        for (name, value) in [("host", "other.example"), ("host", NAME), ("x-a", "b ")] {
            assert_eq!(with(name, value).await, 400, "{name}: {value}");
        }
        let uri = format!("http://{own}/razorpay/v1/orders");
        let request = Request::get(uri).header("authorization", key.basic()).body(()).expect("a request");
        assert_eq!(client.ask(request, "").await.status, 400, "another scheme");
        let request = Request::connect(&own).body(()).expect("a request");
        assert_eq!(client.ask(request, "").await.status, 400, "no tunnel");
        assert!(!client.sender.is_extended_connect_protocol_enabled(), "no WebSockets");
        let lengths =
            call(&dev, &key, "GET", "/v1/orders").header("content-length", "0, 0").body(()).expect("a request");
        let (answer, _) = client.begin(lengths, true).await;
        assert!(whole(answer).await.err().is_some_and(|error| error.is_reset()), "two lengths");
        let crowd =
            (0..64).fold(call(&dev, &key, "GET", "/v1/orders"), |call, number| call.header(format!("x-{number}"), "1"));
        assert_eq!(client.ask(crowd.body(()).expect("a request"), "").await.status, 431);
        assert_eq!(client.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200);
        let large = call(&dev, &key, "GET", "/v1/orders").header("x-large", "a".repeat(40_000));
        let (answer, _) = client.begin(large.body(()).expect("a request"), true).await;
        assert!(whole(answer).await.map_or(true, |answer| answer.status == 431), "a head above 32 KiB");
    });
}

async fn events(client: &mut Client, dev: &Dev, key: &Key) -> RecvStream {
    let (answer, _) = client.begin(get(dev, key, "/v1/events"), true).await;
    let mut body = answer.await.expect("an answer").into_body();
    assert_eq!(body.data().await.expect("a piece").expect("a piece"), "data: a\n\n");
    body
}

#[test]
fn a_stream_ends_with_its_credential_and_the_others_of_its_connection_go_on() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let upstream = Upstream::scripted(script);
    let dev = behind(folder.path(), &authority, &upstream);
    let (ended, other) = (dev.key("razorpay", "ended"), dev.key("razorpay", "other"));
    run(async {
        let mut client = Client::connected(&dev, &authority).await;
        let mut ending = Vec::new();
        for _ in 0..20 {
            ending.push(events(&mut client, &dev, &ended).await);
        }
        let mut lasting = events(&mut client, &dev, &other).await;
        assert_eq!(dev.revoke(&ended.key_id).status, 200);
        let revoked_at = now();
        for mut stream in ending {
            let end = stream.data().await;
            let reason = end.and_then(Result::err).and_then(|error| error.reason());
            assert_eq!(reason, Some(Reason::CANCEL), "a reset, not an end that looks whole");
        }
        assert!(since(revoked_at) < PROMISE_MS, "{} ms", since(revoked_at));
        upstream.wait_for_closed(20);
        let more = tokio::time::timeout(Duration::from_millis(300), lasting.data()).await;
        assert!(more.is_err(), "the stream of another key is over: {more:?}");
        assert_eq!(client.ask(get(&dev, &other, "/v1/orders"), "").await.status, 200);
        assert_eq!(client.ask(get(&dev, &ended, "/v1/orders"), "").await.status, 401);
    });
}

#[test]
fn a_body_that_does_not_come_ends_its_own_request_alone() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let key = dev.key("razorpay", "slow");
    run(async {
        let mut client = Client::connected(&dev, &authority).await;
        let request = call(&dev, &key, "POST", "/v1/orders").header("content-type", "application/json");
        let (answer, _sending) = client.begin(request.body(()).expect("a request"), false).await;
        for _ in 0..20 {
            assert_eq!(client.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200);
        }
        assert_eq!(whole(answer).await.expect("an answer").status, 408);
        assert_eq!(client.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200);
    });
}

#[test]
fn a_hundred_requests_share_a_connection_and_one_more_waits() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let upstream = Upstream::scripted(script);
    let dev = behind(folder.path(), &authority, &upstream);
    let key = dev.key("razorpay", "hundred");
    run(async {
        let mut client = Client::connected(&dev, &authority).await;
        assert_eq!(client.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200);
        let mut streams = Vec::new();
        for _ in 0..99 {
            streams.push(events(&mut client, &dev, &key).await);
        }
        assert_eq!(client.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200);
        streams.push(events(&mut client, &dev, &key).await);
        let (waiting, _) = client.begin(get(&dev, &key, "/v1/orders"), true).await;
        let mut waiting = std::pin::pin!(whole(waiting));
        assert!(tokio::time::timeout(Duration::from_millis(300), &mut waiting).await.is_err(), "one more of a hundred");
        streams.pop();
        assert_eq!(waiting.await.expect("an answer").status, 200);
    });
}

/// Takes back so many requests that are under way upstream; how many until the connection was closed.
async fn take_back(client: &mut Client, (dev, key): (&Dev, &Key), path: &str, count: usize) -> usize {
    for done in 0..count {
        let Ok(mut sender) = client.sender.clone().ready().await else { return done };
        let Ok((answer, mut sending)) = sender.send_request(get(dev, key, path), true) else { return done };
        // Now and then the other side gets to see the request before it is taken back.
        if done % 2 == 0 {
            let _ = tokio::time::timeout(Duration::from_millis(10), answer).await;
        }
        sending.send_reset(Reason::CANCEL);
    }
    count
}

#[test]
fn who_takes_back_requests_again_and_again_is_sent_away_and_others_are_not() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let upstream = Upstream::scripted(script);
    let dev = behind(folder.path(), &authority, &upstream);
    let key = dev.key("razorpay", "resets");
    run(async {
        let mut other = Client::connected(&dev, &authority).await;
        assert_eq!(other.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200);
        let mut patient = Client::connected(&dev, &authority).await;
        assert_eq!(take_back(&mut patient, (&dev, &key), "/v1/silence", 40).await, 40);
        assert_eq!(patient.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200, "forty are not too many");
        let mut hasty = Client::connected(&dev, &authority).await;
        let taken = take_back(&mut hasty, (&dev, &key), "/v1/silence", 10_000).await;
        assert!(taken < 1000, "{taken} requests were taken back on one connection");
        assert!(hasty.ends().await, "the connection is still open");
        assert_eq!(other.ask(get(&dev, &key, "/v1/orders"), "").await.status, 200);
    });
}

#[test]
fn who_says_nothing_or_something_else_under_http_2_is_sent_away() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    for words in [&b""[..], b"GET /razorpay/v1/orders HTTP/1.1\r\nHost: h\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut stream = connect(authority.client(&["h2"]), dev.gateway, NAME).expect("a handshake");
        stream.write_all(words).expect("it is open");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("HTTP/1") && answer.len() < 256, "{words:?}: {text}");
    }
}

/// T71: pings are answered all the while, so the connection itself is well.
#[test]
fn a_stream_whose_answer_nobody_takes_is_reset_and_the_others_go_on() {
    let (folder, authority, upstream) =
        (tempfile::tempdir().expect("a folder"), Authority::default(), Upstream::scripted(script));
    let dev = behind(folder.path(), &authority, &upstream);
    let key = dev.key("razorpay", "unread");
    run(async {
        let mut client = Client::connected(&dev, &authority).await;
        let (answer, _) = client.begin(get(&dev, &key, "/v1/long"), true).await;
        let mut unread = answer.await.expect("a head").into_body();
        let mut slow = whole(client.begin(get(&dev, &key, "/v1/long"), true).await.0).await.expect("an answer");
        assert_eq!(slow.body.len(), LONG, "another one is taken");
        let first = unread.data().await.expect("what fits into the window").expect("a piece");
        assert!(!first.is_empty());
        // Its window stays closed: nothing of it is given back.
        let end = tokio::time::timeout(3 * DEADLINE, async {
            loop {
                match unread.data().await {
                    Some(Ok(_)) => {}
                    other => return other,
                }
            }
        });
        let end = end.await.expect("it does not wait for ever").expect("it is not whole").expect_err("it is reset");
        assert!(end.is_reset(), "{end}");
        slow = client.ask(get(&dev, &key, "/v1/orders"), "").await;
        assert_eq!(slow.status, 200, "the connection goes on");
    });
}
