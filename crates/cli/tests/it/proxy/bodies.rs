//! Bodies: what a signature covers is checked before the first byte goes upstream, everything else may stream; both ways,
//! within limits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keymint_testkit::{Call, Dev, Key, Upstream, http};

use super::{behind, call};

fn open(dev: &Dev) -> TcpStream {
    let stream = TcpStream::connect(dev.gateway).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    stream
}

fn head(key: &Key, more: &str) -> String {
    format!("POST /razorpay/v1/uploads HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n{more}\r\n", key.basic())
}

/// Sends bytes and gives the answer; a server that refuses early may have closed before all is sent.
fn send(dev: &Dev, parts: &[&[u8]]) -> Option<http::Reply> {
    let mut stream = open(dev);
    for part in parts {
        let _ = stream.write_all(part);
    }
    http::read(&mut stream)
}

#[test]
fn a_body_arrives_as_it_was_sent_whatever_its_framing_and_size() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "upload_bytes_max = 8000000");
    let key = dev.key("razorpay", "framing");
    for size in [1, 1000, 65_536, 65_537, 300_000, 5_000_000] {
        let body: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).expect("small")).collect();
        let with_length = head(&key, &format!("Content-Length: {size}\r\n"));
        assert_eq!(send(&dev, &[with_length.as_bytes(), &body]).map(|reply| reply.status), Some(200), "{size}");
        let seen = upstream.only();
        upstream.forget();
        assert!(seen.body == body, "{size}: another body arrived");
        assert_eq!((seen.field("content-length"), seen.field("transfer-encoding")), (Some(size.to_string()), None));

        let mut chunked = head(&key, "Transfer-Encoding: chunked\r\n").into_bytes();
        for piece in body.chunks(40_000) {
            chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\nX-Trailer: dropped\r\n\r\n");
        assert_eq!(send(&dev, &[&chunked]).map(|reply| reply.status), Some(200), "{size}, chunked");
        let seen = upstream.only();
        upstream.forget();
        assert!(seen.body == body && !seen.head.contains("dropped"), "{size}, chunked: another body arrived");
        let framings = usize::from(seen.field("content-length").is_some()) + seen.all("transfer-encoding").len();
        assert_eq!(framings, 1, "one meaning: {}", seen.head);
    }
}

#[test]
fn a_signed_body_whose_signature_is_wrong_does_not_send_a_byte_upstream() {
    let upstream = Upstream::plain();
    let dev = behind(&["kwikpaisa", "keymint", "kspay"], &[&upstream], "upload_bytes_max = 8000000");
    let filler = "x".repeat(200_000);
    let bodies = [r#"{"amount":5}"#.to_owned(), format!(r#"{{"amount":5,"note":"{filler}"}}"#)];
    let calls =
        [("kwikpaisa", "/api/v3/pg/order/create"), ("keymint", "/v1/things"), ("kspay", "/transaction/initiate")];
    for (product, path) in calls {
        let key = dev.key(product, "signed");
        let scheme = if product == "keymint" { "message_signature" } else { "signed" };
        for body in &bodies {
            let call = Call::new(product, "POST", path, body).scheme(scheme);
            let other = body.replace(":5", ":6");
            let tampered = Call { body: &other, ..call }.bare().headers(&call.credentials(dev.gateway, &key));
            let refused = tampered.send(dev.gateway).status;
            assert!((400..=401).contains(&refused), "{product}: {refused}");
            assert_eq!((upstream.bytes(), upstream.connections()), (0, 0), "{product}");
        }
    }
    let key = dev.key("kwikpaisa", "right");
    for body in &bodies {
        let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/create", body);
        assert_eq!(call.signed(dev.gateway, &key).send(dev.gateway).status, 200);
        assert!(upstream.only().body == body.as_bytes());
        upstream.forget();
    }
}

#[test]
fn a_long_body_without_valid_credentials_does_not_send_a_byte_upstream() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "upload_bytes_max = 8000000");
    let key = dev.key("razorpay", "refused");
    let wrong = Key { secret: "0".repeat(24), ..key };
    // The answer comes before the body: whoever is nobody need not be listened to.
    let reply = send(&dev, &[head(&wrong, "Content-Length: 5000000\r\n").as_bytes()]).expect("an answer");
    assert_eq!((reply.status, reply.header("connection"), upstream.bytes()), (401, Some("close"), 0));
    let reply = send(&dev, &[head(&wrong, "Transfer-Encoding: chunked\r\n").as_bytes()]).expect("an answer");
    assert_eq!((reply.status, reply.header("connection"), upstream.bytes()), (401, Some("close"), 0));
}

#[test]
fn a_body_above_its_limit_is_refused_and_the_upstream_never_takes_it_for_whole() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay", "keymint"], &[&upstream], "upload_bytes_max = 100000");
    let key = dev.key("razorpay", "limit");
    let announced = head(&key, "Content-Length: 100001\r\n");
    let reply = send(&dev, &[announced.as_bytes()]).expect("an answer");
    assert_eq!((reply.status, upstream.bytes()), (413, 0), "an announced length is refused unread");
    let piece = vec![b'a'; 60_000];
    let chunk = [b"ea60\r\n".as_slice(), &piece, b"\r\n"].concat();
    let chunked = head(&key, "Transfer-Encoding: chunked\r\n");
    let reply = send(&dev, &[chunked.as_bytes(), &chunk, &chunk, b"0\r\n\r\n"]).expect("an answer");
    assert_eq!((reply.status, reply.header("connection")), (413, Some("close")));
    upstream.wait_for_closed(1);
    assert_eq!(upstream.seen().len(), 0, "it was broken off");
    let exact = vec![b'a'; 100_000];
    let with_length = head(&key, "Content-Length: 100000\r\n");
    assert_eq!(send(&dev, &[with_length.as_bytes(), &exact]).map(|reply| reply.status), Some(200));

    // What a signature covers is read whole, and has the dialect's limit.
    let signer = dev.key("keymint", "limit");
    let long = "x".repeat(1_048_577);
    let call = Call::new("keymint", "POST", "/v1/things", &long).scheme("message_signature");
    assert_eq!(call.signed(dev.gateway, &signer).send(dev.gateway).status, 413);
}

#[test]
fn a_secret_in_a_streamed_body_breaks_it_off_wherever_it_stands() {
    let upstream = Upstream::plain();
    let dev = behind(&["kpay"], &[&upstream], "upload_bytes_max = 8000000");
    let key = dev.key("kpay", "carried");
    let pair = format!("X-API-Key: {}\r\nX-Secret-Key: {}\r\n", key.key_id, key.secret);
    let head = format!("POST /kpay/api/v1/x HTTP/1.1\r\nHost: h\r\n{pair}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let (front, back) = key.secret.split_at(20);
    let filler = "y".repeat(70_000);
    for pieces in [
        vec![key.secret.clone()],
        vec![front.to_owned(), back.to_owned()],
        vec![filler.clone() + front, back.to_owned() + &filler],
    ] {
        let body: String = pieces.iter().map(|piece| chunk(piece)).chain(["0\r\n\r\n".to_owned()]).collect();
        let reply = send(&dev, &[head.as_bytes(), body.as_bytes()]).expect("an answer");
        assert_eq!(reply.status, 400);
        assert_eq!(upstream.seen().len(), 0, "no such request arrived whole");
    }
    let innocent: String = [chunk(&filler), chunk(&filler), "0\r\n\r\n".to_owned()].concat();
    assert_eq!(send(&dev, &[head.as_bytes(), innocent.as_bytes()]).map(|reply| reply.status), Some(200));
}

#[test]
fn a_streamed_body_that_is_not_strict_http_is_broken_off() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "strict");
    let chunked = head(&key, "Transfer-Encoding: chunked\r\n");
    for bad in [
        "5;ext=1\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "zz\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
    ] {
        let reply = send(&dev, &[chunked.as_bytes(), bad.as_bytes()]);
        assert!(reply.is_none_or(|reply| reply.status == 400), "{bad:?}");
        assert_eq!(upstream.seen().len(), 0, "{bad:?}");
    }
    // The first piece is upstream already when the fault shows.
    let mut stream = open(&dev);
    let before = upstream.bytes();
    stream.write_all(format!("{chunked}5\r\nhello\r\n").as_bytes()).expect("it is sent");
    while upstream.bytes() == before {
        std::thread::yield_now();
    }
    stream.write_all(b"5;ext=1\r\nhello\r\n0\r\n\r\n").expect("it is sent");
    let reply = http::read(&mut stream).expect("an answer");
    assert_eq!((reply.status, reply.header("connection"), upstream.seen().len()), (400, Some("close"), 0));
    let second = "GET /razorpay/v1/smuggled HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut stream = open(&dev);
    stream.write_all(format!("{chunked}0\r\n\r\n{second}").as_bytes()).expect("it is sent");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    let statuses: Vec<&str> = text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)).collect();
    assert_eq!(statuses, ["200", "401"], "each request is authenticated: {text}");
    assert_eq!(upstream.only().target(), "/v1/uploads");
}

#[test]
fn the_first_byte_of_an_answer_comes_before_the_upstream_has_ended() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
            let _ = wait.lock().expect("a channel").recv();
            connection.write(b"6\r\nsecond\r\n0\r\n\r\n");
        }
    });
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "download");
    let mut stream = open(&dev);
    stream.write_all(&call(&key, "GET", "/v1/report").bytes("h")).expect("it is sent");
    let mut text = String::new();
    while !text.contains("first\r\n") {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).expect("the first piece");
        assert!(count > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    go.send(()).expect("the upstream waits");
    while !text.ends_with("0\r\n\r\n") {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).expect("the rest");
        assert!(count > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    assert!(text.contains("second"), "{text}");
}

#[test]
fn an_upload_reaches_the_upstream_before_its_end_and_may_be_answered_before_it() {
    let upstream = Upstream::scripted(|connection| {
        let Some(seen) = connection.head() else { return };
        let is_early = seen.target().ends_with("early");
        let Some(_) = connection.line().and_then(|_| connection.bytes(5)) else { return };
        connection.record(seen);
        if is_early {
            connection.write(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch");
        } else {
            connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        }
        connection.wait_for_end();
    });
    let dev = behind(&["razorpay"], &[&upstream], "upload_bytes_max = 8000000");
    let key = dev.key("razorpay", "upload");
    let start = |path: &str| {
        let text = head(&key, "Transfer-Encoding: chunked\r\n").replace("/v1/uploads", path);
        let mut stream = open(&dev);
        stream.write_all(format!("{text}5\r\nhello\r\n").as_bytes()).expect("it is sent");
        stream
    };
    let mut stream = start("/v1/early");
    let reply = http::read(&mut stream).expect("an answer before the end of the request");
    assert_eq!((reply.status, reply.body.as_str(), reply.header("connection")), (413, "much", Some("close")));
    assert_eq!(upstream.wait_for(1).len(), 1, "it had the first piece");
    upstream.wait_for_closed(1);

    let mut stream = start("/v1/both");
    assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(200), "both ways at once");
    upstream.wait_for(2);
    drop(stream);
    upstream.wait_for_closed(2);
}

#[test]
fn a_whole_body_may_be_answered_before_its_end_too() {
    let upstream = Upstream::scripted(|connection| {
        while let Some(mut seen) = connection.head() {
            connection.write(b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\ndone");
            if connection.body(&mut seen).is_some() {
                connection.record(seen);
            }
        }
    });
    let dev = behind(&["kwikpaisa"], &[&upstream], "");
    let key = dev.key("kwikpaisa", "whole");
    for size in [10, 900_000, 11, 900_001] {
        let body = format!(r#"{{"note":"{}"}}"#, "x".repeat(size));
        let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/create", &body);
        let reply = call.signed(dev.gateway, &key).send(dev.gateway);
        assert_eq!((reply.status, reply.body.as_str()), (409, "done"));
    }
    assert!(upstream.wait_for(4).iter().all(|seen| seen.body.starts_with(b"{\"note\"")), "none ran into another");
}

#[test]
fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "expect");
    for size in [5, 100_000] {
        let text = head(&key, &format!("Expect: 100-continue\r\nContent-Length: {size}\r\n"));
        let mut stream = open(&dev);
        stream.write_all(text.as_bytes()).expect("it is sent");
        assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(100), "{size}");
        stream.write_all(&vec![b'a'; size]).expect("it is sent");
        assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(200), "{size}");
        let seen = upstream.only();
        upstream.forget();
        assert_eq!((seen.field("expect"), seen.body.len()), (None, size));
    }
}
