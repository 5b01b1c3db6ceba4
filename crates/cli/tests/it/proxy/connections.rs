//! Connections to the upstream: kept, given up, tried again where nothing can happen twice, and what the client is told
//! when there is none.
#![expect(clippy::disallowed_methods, reason = "tests measure how long an answer takes")]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keymint_testkit::upstream::{Connection, PLAIN_ANSWER};
use keymint_testkit::{Call, Dev, Key, Upstream};
use serde_json::json;

use super::{behind, call, get};

fn serve(connection: &mut Connection) {
    while connection.request().is_some() && connection.write(PLAIN_ANSWER.as_bytes()) {}
}

/// One thread, so that which connection a request takes is known.
fn single(upstreams: &[String], settings: &str) -> Dev {
    let addresses: Vec<String> = upstreams.iter().map(|url| format!("\"{url}\"")).collect();
    let table = format!("[product.upstream_test]\naddresses = [{}]\n{settings}\n", addresses.join(", "));
    Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &[("razorpay", table)])
}

/// The reason of the newest request in the log of a key.
fn newest_reason(dev: &Dev, key: &Key) -> (u64, String) {
    let begun = Instant::now();
    loop {
        let page = dev.api("GET", &format!("/credentials/{}/requests", key.key_id), &json!(null)).json();
        if let Some(entry) = page.pointer("/items/0") {
            let status = entry["status"].as_u64().unwrap_or(0);
            return (status, entry["reason"].as_str().unwrap_or_default().to_owned());
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "nothing was logged");
    }
}

#[test]
fn connections_are_used_again() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "again");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    for _ in 0..50 {
        stream.write_all(&call(&key, "GET", "/v1/orders").bytes("h")).expect("it is sent");
        assert_eq!(keymint_testkit::http::read(&mut stream).map(|reply| reply.status), Some(200));
    }
    assert_eq!((upstream.seen().len(), upstream.connections()), (50, 1));
}

#[test]
fn an_idle_connection_is_closed_before_the_upstream_would() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "keep_alive_ms = 100");
    let key = dev.key("razorpay", "idle");
    assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
    upstream.wait_for_closed(1);
    assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
}

#[test]
fn an_upstream_that_closes_idle_connections_costs_no_request() {
    let upstream = Upstream::scripted(|connection| {
        // It answers, says that it keeps the connection, and closes it.
        if connection.request().is_some() {
            connection.write(PLAIN_ANSWER.as_bytes());
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "closing");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    for number in 0..300 {
        stream.write_all(&call(&key, "GET", "/v1/orders").bytes("h")).expect("it is sent");
        assert_eq!(keymint_testkit::http::read(&mut stream).map(|reply| reply.status), Some(200), "{number}");
    }
    assert_eq!(upstream.seen().len(), 300);
}

/// An upstream that takes a second request on a connection and closes without a word.
fn silent_on_reuse() -> Upstream {
    Upstream::scripted(|connection| {
        if connection.request().is_some() {
            connection.write(PLAIN_ANSWER.as_bytes());
            connection.request();
        }
    })
}

#[test]
fn a_get_whose_connection_breaks_is_sent_again_and_a_post_is_not() {
    let upstream = silent_on_reuse();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "broken");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    let mut send = |method: &str, path: &str| {
        let request = call(&key, method, path);
        let request = if method == "POST" { request.body("{}") } else { request };
        stream.write_all(&request.bytes("h")).expect("it is sent");
        keymint_testkit::http::read(&mut stream).map(|reply| (reply.status, reply.body))
    };
    let status = |answer: Option<(u16, String)>| answer.map(|(status, _)| status);
    assert_eq!(status(send("GET", "/v1/first")), Some(200));
    assert_eq!(status(send("GET", "/v1/second")), Some(200), "it went out on a fresh connection");
    let seen: Vec<String> = upstream.seen().iter().map(|seen| seen.target().to_owned()).collect();
    assert_eq!(seen, ["/v1/first", "/v1/second", "/v1/second"]);
    upstream.forget();
    let refused = send("POST", "/v1/third").expect("an answer");
    assert_eq!(refused.0, 502, "nobody knows whether it was done");
    assert!(refused.1.contains("\"SERVER_ERROR\""), "in the dialect's own shape: {}", refused.1);
    assert_eq!(upstream.seen().len(), 1, "it was sent once");
    assert_eq!(newest_reason(&dev, &key), (502, "upstream_failed".to_owned()));
}

#[test]
fn a_safe_request_is_not_sent_again_and_again() {
    let upstream = Upstream::scripted(|connection| drop(connection.request()));
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "hopeless");
    assert_eq!(get(&dev, &key, "/v1/orders").status, 502);
    assert!(upstream.seen().len() <= 3, "{} times", upstream.seen().len());
    upstream.forget();
    assert_eq!(call(&key, "POST", "/v1/orders").body("{}").send(dev.gateway).status, 502);
    assert_eq!(upstream.seen().len(), 1);
    upstream.forget();
    assert_eq!(call(&key, "GET", "/v1/orders").body("{}").send(dev.gateway).status, 502, "a body is not sent twice");
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn an_answer_that_is_no_http_is_a_bad_gateway() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX Y: z\r\n\r\na",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ] {
        let upstream = Upstream::answering(answer);
        let dev = behind(&["razorpay"], &[&upstream], "");
        let key = dev.key("razorpay", "garbage");
        assert_eq!(call(&key, "POST", "/v1/orders").body("{}").send(dev.gateway).status, 502, "{answer:?}");
    }
}

#[test]
fn an_answer_with_two_lengths_has_one_for_the_client() {
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let upstream = Upstream::answering(two);
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "lengths");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    let request = call(&key, "GET", "/v1/orders").header("Connection", "close");
    stream.write_all(&request.bytes("h")).expect("it is sent");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).expect("an answer");
    let text = text.to_lowercase();
    let is_refused = text.starts_with("http/1.1 502");
    let is_one = text.contains("transfer-encoding: chunked") && !text.contains("content-length: 3");
    assert!(is_refused || is_one, "{text}");
}

#[test]
fn an_answer_that_breaks_off_does_not_look_whole() {
    let upstream = Upstream::scripted(|connection| {
        if connection.request().is_some() {
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "cut");
    let bytes = call(&key, "GET", "/v1/orders").bytes("h");
    assert_eq!(keymint_testkit::http::raw(dev.gateway, &bytes), None, "the connection ends before the answer does");
}

#[test]
fn an_address_that_is_away_is_skipped_and_comes_back() {
    let (one, two) = (Upstream::plain(), Upstream::plain());
    let away = two.address;
    drop(two);
    let settings = "health_interval_ms = 100";
    let dev = single(&[one.url(), format!("http://{away}")], settings);
    let key = dev.key("razorpay", "away");
    for number in 0..20 {
        assert_eq!(get(&dev, &key, "/v1/orders").status, 200, "{number}");
        assert_eq!(call(&key, "POST", "/v1/orders").body("{}").send(dev.gateway).status, 200, "{number}");
    }
    let is_well = |address: std::net::SocketAddr| {
        let text = keymint_testkit::Request::new("GET", "/metrics").send(dev.internal).body;
        let name =
            format!("keymint_upstream_address_well{{product=\"razorpay\",mode=\"test\",address=\"{address}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned)
    };
    assert_eq!((is_well(one.address).as_deref(), is_well(away).as_deref()), (Some("1"), Some("0")));
    let two = Upstream::at(away, serve);
    let begun = Instant::now();
    while two.seen().is_empty() {
        assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
        assert!(begun.elapsed() < Duration::from_secs(10), "it never came back");
    }
}

#[test]
fn an_address_that_says_it_is_ill_gets_no_requests_until_it_is_well() {
    let is_ill = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let shared = Arc::clone(&is_ill);
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let two = Upstream::scripted(move |connection| {
        while let Some(seen) = connection.request() {
            if seen.target() != "/healthz?deep" {
                count.fetch_add(1, Ordering::SeqCst);
                connection.write(PLAIN_ANSWER.as_bytes());
            } else if shared.load(Ordering::SeqCst) {
                connection.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
            } else {
                connection.write(b"HTTP/1.1 204 No Content\r\n\r\n");
            }
        }
    });
    let one = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let dev = single(&[one.url(), two.url()], "health_path = \"/healthz?deep\"\nhealth_interval_ms = 50");
    let key = dev.key("razorpay", "ill");
    let until = |wanted: bool| {
        let begun = Instant::now();
        loop {
            let before = served.load(Ordering::SeqCst);
            for _ in 0..8 {
                assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
            }
            if (served.load(Ordering::SeqCst) > before) == wanted {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "it stayed as it was");
        }
    };
    until(true);
    is_ill.store(true, Ordering::SeqCst);
    until(false);
    is_ill.store(false, Ordering::SeqCst);
    until(true);
    drop(one);
    is_ill.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    loop {
        let reply = get(&dev, &key, "/v1/orders");
        if reply.status == 503 {
            assert_eq!(newest_reason(&dev, &key), (503, "upstream_unavailable".to_owned()));
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", reply.status);
    }
}

#[test]
fn nobody_at_the_address_is_a_bad_gateway_in_each_dialects_own_shape() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let table = format!("[product.upstream_test]\naddresses = [\"{url}\"]\n");
    let products = ["razorpay", "kpay", "kwikpaisa", "kspay", "keymint"];
    let tables: Vec<(&str, String)> = products.iter().map(|product| (*product, table.clone())).collect();
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &tables);
    for (product, path, member) in [
        ("razorpay", "/v1/orders", "/error/code"),
        ("kpay", "/api/v1/payments", "/message"),
        ("kwikpaisa", "/api/v3/pg/order/create", "/message"),
        ("kspay", "/transaction/initiate", "/message"),
        ("keymint", "/v1/things", "/error/code"),
    ] {
        let key = dev.key(product, "nobody");
        let reply = Call::new(product, "POST", path, "{\"a\":1}").signed(dev.gateway, &key).send(dev.gateway);
        assert_eq!(reply.status, 502, "{product}: {}", reply.body);
        assert!(!reply.text(member).is_empty(), "{product}: {}", reply.body);
    }
}

#[test]
fn a_slow_upstream_is_a_gateway_time_out_and_its_connection_goes() {
    let upstream = Upstream::scripted(|connection| {
        if connection.request().is_some() {
            connection.wait_for_end();
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "answer_timeout_ms = 300");
    let key = dev.key("razorpay", "slow");
    let begun = Instant::now();
    assert_eq!(get(&dev, &key, "/v1/orders").status, 504);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(2), "{took:?}");
    upstream.wait_for_closed(1);
    assert_eq!(upstream.seen().len(), 1, "what may be under way is not sent again");
    assert_eq!(newest_reason(&dev, &key), (504, "upstream_timeout".to_owned()));
}

#[test]
fn an_answer_that_stalls_is_cut_off() {
    let upstream = Upstream::scripted(|connection| {
        if connection.request().is_some() {
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
            connection.wait_for_end();
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "idle_timeout_ms = 300");
    let key = dev.key("razorpay", "stall");
    let begun = Instant::now();
    let bytes = call(&key, "GET", "/v1/orders").bytes("h");
    assert_eq!(keymint_testkit::http::raw(dev.gateway, &bytes), None);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    upstream.wait_for_closed(1);
}

#[test]
fn more_requests_than_the_upstream_may_get_at_once_are_told_to_come_back() {
    let held: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let keep = Arc::clone(&held);
    let upstream = Upstream::scripted(move |connection| {
        if connection.request().is_some() {
            keep.lock().expect("a list").push(connection.stream.try_clone().expect("a copy"));
            connection.wait_for_end();
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "connections_max = 1");
    let key = dev.key("razorpay", "busy");
    // One for each thread of the gateway, at the most.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
        stream.write_all(&call(&key, "GET", "/v1/orders").bytes("h")).expect("it is sent");
        waiting.push(stream);
    }
    let mut refused = 0;
    for stream in &mut waiting {
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        refused += usize::from(keymint_testkit::http::read(stream).is_some_and(|reply| reply.status == 503));
    }
    assert!(refused >= 200 - cores && refused < 200, "{refused} were refused");
    assert!(upstream.connections() <= cores, "{} connections", upstream.connections());
}

#[test]
fn a_client_that_hangs_up_ends_its_request_upstream() {
    let upstream = Upstream::scripted(|connection| {
        if connection.request().is_some() {
            connection.wait_for_end();
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "gone");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    stream.write_all(&call(&key, "GET", "/v1/orders").bytes("h")).expect("it is sent");
    upstream.wait_for(1);
    drop(stream);
    upstream.wait_for_closed(1);
}

#[test]
fn a_client_that_hangs_up_amid_an_answer_ends_it_upstream() {
    let upstream = Upstream::scripted(|connection| {
        if connection.request().is_some() {
            connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
            connection.wait_for_end();
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "left");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    stream.write_all(&call(&key, "GET", "/v1/orders").bytes("h")).expect("it is sent");
    assert_eq!(keymint_testkit::http::read(&mut stream).map(|reply| reply.status), Some(200));
    drop(stream);
    upstream.wait_for_closed(1);
}
