//! As many connections as there may be, and a stop while requests are under way (T70, T73).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use keymint_testkit::upstream::PLAIN_ANSWER;
use keymint_testkit::{Dev, Key, Reply, Request, Serving, Upstream, eventually, http};

/// Connections that may be open.
const MOST: usize = 40;

/// A gate that is closed at first.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().expect("nobody panicked") = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let is_closed = |is_open: &mut bool| !*is_open;
        drop(self.0.1.wait_while(self.0.0.lock().expect("nobody panicked"), is_closed).expect("nobody panicked"));
    }
}

/// An upstream that answers `/v1/slow` once the gate is open, and a Keymint with few connections before it.
fn stand() -> (Upstream, Gate, Dev, Key) {
    let gate = Gate::default();
    let closed = gate.clone();
    let upstream = Upstream::scripted(move |connection| {
        while let Some(seen) = connection.request() {
            if seen.target() == "/v1/slow" {
                closed.pass();
            }
            if !connection.write(PLAIN_ANSWER.as_bytes()) {
                return;
            }
        }
    });
    let table = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
    let tables = format!("[limits]\nconnections_max = {MOST}\n");
    let serving = Serving { tables, products: vec![("razorpay", table)], ..Serving::default() };
    let dev = Dev::serve_for_now(env!("CARGO_BIN_EXE_keymint"), &serving);
    let key = dev.key("razorpay", "crowd");
    (upstream, gate, dev, key)
}

fn call(key: &Key, path: &str) -> Request {
    Request::new("GET", &format!("/razorpay{path}")).header("Authorization", &key.basic())
}

/// A connection on which a call was sent.
fn sent(at: SocketAddr, key: &Key, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).expect("a connection");
    stream.write_all(&call(key, path).bytes("h")).expect("it is sent");
    stream
}

fn open_connections(dev: &Dev) -> usize {
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", dev.pid())).expect("the kernel's table");
    let port = format!(":{:04X} ", dev.gateway.port());
    let is_open = |line: &&str| line.split_whitespace().nth(3) == Some("01");
    let local = |line: &str| line.split_whitespace().nth(1).is_some_and(|local| format!("{local} ").ends_with(&port));
    table.lines().filter(is_open).filter(|line| local(line)).count()
}

#[test]
fn connections_that_ask_for_nothing_keep_nobody_out_however_many() {
    let (_upstream, _gate, dev, key) = stand();
    let mut kept = Vec::new();
    for round in 0..5 {
        for _ in 0..MOST {
            kept.push(TcpStream::connect(dev.gateway).expect("a connection"));
        }
        let good = call(&key, "/v1/orders").send(dev.gateway);
        assert_eq!(good.status, 200, "round {round}, with {} others", kept.len());
    }
    assert_eq!(kept.len(), 5 * MOST);
    let at_most = |most: usize| {
        eventually(|| match open_connections(&dev) {
            open if open <= most => Ok(()),
            open => Err(format!("{open} are open")),
        });
    };
    at_most(MOST);
    // Whoever says nothing has as long as a head may take.
    at_most(0);
}

#[test]
fn where_all_connections_are_at_work_one_more_is_told_to_come_again() {
    let (upstream, gate, dev, key) = stand();
    let mut busy: Vec<TcpStream> = (0..MOST).map(|_| sent(dev.gateway, &key, "/v1/slow")).collect();
    upstream.wait_for(MOST);
    for _ in 0..3 {
        let refused = call(&key, "/v1/orders").send(dev.gateway);
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        assert_eq!(refused.header("connection"), Some("close"));
    }
    assert_eq!(upstream.seen().len(), MOST, "nothing of them arrived");
    // One that leaves makes room for one.
    drop(busy.pop());
    eventually(|| match call(&key, "/v1/orders").send(dev.gateway).status {
        200 => Ok(()),
        status => Err(format!("{status}")),
    });
    gate.open();
    for mut stream in busy {
        let answer = http::read(&mut stream).expect("an answer");
        assert_eq!(answer.status, 200, "who was at work was answered");
    }
}

#[test]
fn at_a_stop_what_is_under_way_is_answered_and_nothing_new_is_taken() {
    let (upstream, gate, mut dev, key) = stand();
    let mut idle = TcpStream::connect(dev.gateway).expect("a connection");
    idle.write_all(&call(&key, "/v1/orders").bytes("h")).expect("it is sent");
    assert_eq!(http::read(&mut idle).map(|answer| answer.status), Some(200));
    let mut slow: Vec<TcpStream> = (0..8).map(|_| sent(dev.gateway, &key, "/v1/slow")).collect();
    upstream.wait_for(9);
    let at = dev.gateway;
    let answers = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| dev.stop());
        eventually(|| match TcpStream::connect(at) {
            Err(_) => Ok(()),
            Ok(mut stream) => {
                // Who came before the end of listening is answered.
                let _ = stream.write_all(&call(&key, "/v1/orders").header("Connection", "close").bytes("h"));
                match http::read(&mut stream).map(|answer| answer.status) {
                    Some(200) | None => Err("it still listens".to_owned()),
                    Some(status) => panic!("{status}"),
                }
            }
        });
        assert_eq!(idle.read(&mut [0; 1]).expect("an end"), 0, "what was idle is closed");
        assert!(!stopping.is_finished(), "it waits for what is under way");
        gate.open();
        let answers: Vec<Reply> = slow.iter_mut().filter_map(http::read).collect();
        stopping.join().expect("it ends");
        answers
    });
    assert_eq!(answers.len(), 8);
    for answer in answers {
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
}
