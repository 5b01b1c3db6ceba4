//! Keymint is restarted behind a proxy while requests come: those under way are answered by the process that stops, and the
//! proxy keeps the others until the next one listens.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use keymint_testkit::{Database, Dev, Key, Reply, Request, Serving, Upstream, eventually, free_ports};

/// Clients that ask all the time.
const CLIENTS: usize = 8;
/// Restarts.
const RESTARTS: usize = 3;

/// HAProxy with the lines of docs/operations.md; ended when dropped.
struct Haproxy(Child);

impl Haproxy {
    fn start(folder: &std::path::Path, at: SocketAddr, keymint: SocketAddr) -> Self {
        let page = include_str!("../../../../../docs/operations.md");
        let shown =
            page.split("```haproxy\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a configuration");
        assert!(shown.contains("10.0.0.5:443") && shown.contains(":443 ssl crt"), "the test's places are in it");
        let shown = shown.replace("*:443 ssl crt /etc/haproxy/pay.pem", &at.to_string());
        let shown = shown.replace("10.0.0.5:443 ssl verify required ca-file /etc/haproxy/ca.pem", &keymint.to_string());
        let path = folder.join("haproxy.cfg");
        std::fs::write(&path, shown).expect("a configuration");
        let mut command = Command::new("/usr/sbin/haproxy");
        let child = command.args(["-db", "-f"]).arg(path).stdin(Stdio::null()).spawn().expect("HAProxy starts");
        eventually(|| std::net::TcpStream::connect(at).map(drop).map_err(|error| error.to_string()));
        Self(child)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(at: SocketAddr, key: &Key, number: usize) -> Reply {
    let method = if number.is_multiple_of(2) { "GET" } else { "POST" };
    let request = Request::new(method, "/razorpay/v1/orders").header("Authorization", &key.basic());
    let request = if method == "POST" { request.body(r#"{"amount":50000,"currency":"INR"}"#) } else { request };
    request.send(at)
}

#[test]
fn keymint_is_restarted_behind_haproxy_and_no_request_fails() {
    let binary = env!("CARGO_BIN_EXE_keymint");
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::plain();
    let table = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
    let serving = Serving { products: vec![("razorpay", table)], ..Serving::default() };
    let mut dev = Dev::serve_as(binary, folder.path(), Database::Sqlite, &serving);
    let key = dev.key("razorpay", "restart");
    let at = SocketAddr::from(([127, 0, 0, 1], free_ports()));
    let _haproxy = Haproxy::start(folder.path(), at, dev.gateway);
    let is_over = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let client = |_| {
            scope.spawn(|| {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let answer = ask(at, &key, count);
                    assert_eq!(answer.status, 200, "request {count}: {}", answer.body);
                    count += 1;
                }
                count
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        for restart in 0..RESTARTS {
            let before = upstream.seen().len();
            upstream.wait_for(before + 50);
            dev.stop();
            assert!(std::net::TcpStream::connect(dev.gateway).is_err(), "restart {restart}: it has stopped");
            dev = Dev::serve_again(binary, &dev);
        }
        let before = upstream.seen().len();
        upstream.wait_for(before + 50);
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no request failed")).sum::<usize>()
    });
    assert_eq!(upstream.seen().len(), answers, "each of them arrived, and once");
}
