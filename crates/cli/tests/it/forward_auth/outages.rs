//! Keymint is dead, hangs, or something else answers in its place: nothing is let through, and the client has an answer.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use keymint_testkit::{Request, Upstream, eventually};

use super::front::{Front, Kind};
use super::{Stand, send};

/// What stands in Keymint's place can say, without a word of who it is.
const NONSENSE: [&str; 14] = [
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /v1/allowed\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-Keymint-Merchant: \r\nX-Keymint-Key: x\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-Keymint-Merchant: mer_x\r\nX-Keymint-Ke",
    "\0\u{1}\u{2}garbage\r\n\r\n",
    "",
];

fn is_refused(reply: Option<&keymint_testkit::Reply>) -> bool {
    reply.is_some_and(|reply| reply.status >= 300)
}

/// Whether every thread of a process has stopped: the signal is sent before they have.
fn has_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the threads of a process");
    let states =
        threads.filter_map(Result::ok).filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    states.into_iter().all(|state| state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
}

fn a_dead_or_hanging_keymint_lets_nothing_through(kind: Kind) {
    let mut stand = Stand::of(kind, "razorpay");
    let key = stand.dev.key("razorpay", "outage");
    let request = Request::new("GET", "/v1/orders").header("Authorization", &key.basic()).bytes("h");
    assert_eq!(stand.send(&request).map(|reply| reply.status), Some(200));
    stand.upstream.forget();
    let signal = |name: &str| {
        let told = Command::new("kill").args([name, &stand.dev.pid().to_string()]).status().expect("kill runs");
        assert!(told.success());
    };
    signal("-STOP");
    eventually(|| if has_stopped(stand.dev.pid()) { Ok(()) } else { Err("it goes on".to_owned()) });
    let hung = stand.send(&request);
    assert!(is_refused(hung.as_ref()), "{kind:?}, hanging: {hung:?}");
    signal("-CONT");
    eventually(|| {
        let reply = stand.send(&request);
        if reply.as_ref().is_some_and(|reply| reply.status == 200) {
            Ok(())
        } else {
            Err(format!("{kind:?}: {reply:?}"))
        }
    });
    stand.upstream.forget();
    stand.dev.kill();
    for _ in 0..5 {
        let dead = stand.send(&request);
        assert!(is_refused(dead.as_ref()), "{kind:?}, dead: {dead:?}");
    }
    assert_eq!(stand.upstream.seen().len(), 0);
    // And when nobody takes the connection at all.
    let nobody = keymint_testkit::free_ports();
    let front = Front::start(kind, "razorpay", ([127, 0, 0, 1], nobody).into(), stand.upstream.address);
    let refused = send(front.address, &request);
    assert!(is_refused(refused.as_ref()), "{kind:?}, nobody there: {refused:?}");
    assert_eq!(stand.upstream.seen().len(), 0);
}

fn nothing_that_says_yes_in_keymints_place_is_believed(kind: Kind) {
    let answer = Arc::new(Mutex::new(""));
    let told = Arc::clone(&answer);
    let blind = Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            let answer = *told.lock().unwrap_or_else(PoisonError::into_inner);
            if answer.is_empty() || !connection.write(answer.as_bytes()) || !answer.ends_with("\r\n\r\n") {
                return;
            }
        }
    });
    let upstream = Upstream::plain();
    let front = Front::start(kind, "razorpay", blind.address, upstream.address);
    for nonsense in NONSENSE {
        *answer.lock().unwrap_or_else(PoisonError::into_inner) = nonsense;
        for _ in 0..2 {
            let request = Request::new("GET", "/v1/orders")
                .header("Authorization", "Basic eDp5")
                .header("X-Keymint-Merchant", "mer_evil")
                .header("X-Keymint-Key", "evil");
            let reply = send(front.address, &request.bytes("h"));
            let is_upstreams = reply.as_ref().is_some_and(|reply| reply.body.contains("ok"));
            // Where Keymint is asked as an upstream, nonsense reaches the client as it is, and is not always HTTP.
            let is_answered = reply.is_some() || kind == Kind::NginxBodies;
            assert!(is_answered && !is_upstreams, "{kind:?}, {nonsense:?}: {reply:?}");
            assert_eq!(upstream.seen().len(), 0, "{kind:?}, {nonsense:?}: {:?}", upstream.seen());
        }
    }
    assert!(blind.connections() > 0, "it was asked");
}

fn outage(kind: Kind) {
    a_dead_or_hanging_keymint_lets_nothing_through(kind);
    nothing_that_says_yes_in_keymints_place_is_believed(kind);
}

#[test]
fn nginx_lets_nothing_through_without_keymint() {
    outage(Kind::Nginx);
}

#[test]
fn nginx_with_bodies_lets_nothing_through_without_keymint() {
    outage(Kind::NginxBodies);
}

#[test]
fn caddy_lets_nothing_through_without_keymint() {
    outage(Kind::Caddy);
}

#[test]
fn haproxy_lets_nothing_through_without_keymint() {
    outage(Kind::Haproxy);
}

#[test]
fn apache_lets_nothing_through_without_keymint() {
    outage(Kind::Apache);
}

#[test]
fn envoy_over_http_lets_nothing_through_without_keymint() {
    outage(Kind::EnvoyHttp);
}

#[test]
fn envoy_over_grpc_lets_nothing_through_without_keymint() {
    outage(Kind::EnvoyGrpc);
}
