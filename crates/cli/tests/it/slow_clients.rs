//! Clients that send or read too slowly, or nothing at all, beside ones that do not (T70, T71).

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keymint_testkit::{Dev, Key, Request, Upstream, eventually, http};
use socket2::{Domain, Socket, Type};

/// Clients that never finish a head.
const SILENT: usize = 500;
/// Clients that never read an answer.
const DEAF: usize = 150;
/// Longer than what the system keeps for a connection. Bytes.
const LONG: usize = 16 * 1024 * 1024;
/// What somebody reads at once who is slow afterwards: by then the system keeps megabytes for the connection. Bytes.
const QUICK: usize = 4 * 1024 * 1024;

fn open_files(dev: &Dev) -> Result<usize, String> {
    let metrics = Request::new("GET", "/metrics").send(dev.internal).body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("keymint_process_open_files "));
    line.and_then(|count| count.parse().ok()).ok_or(metrics)
}

fn at_most(dev: &Dev, most: usize) {
    eventually(|| match open_files(dev)? {
        files if files <= most => Ok(()),
        files => Err(format!("{files} files are open, and not {most}")),
    });
}

/// A connection whose system keeps little of what arrives.
fn narrow(dev: &Dev) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&dev.gateway.into()).expect("a connection");
    socket.into()
}

fn call(key: &Key, path: &str) -> Request {
    Request::new("GET", path).header("Authorization", &key.basic())
}

#[test]
fn who_sends_no_head_or_reads_no_answer_is_cut_off_and_whoever_reads_steadily_is_not() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n{}", "x".repeat(LONG));
    let upstream = Upstream::scripted(move |connection| {
        while let Some(seen) = connection.request() {
            let answer =
                if seen.target().contains("long") { &long } else { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" };
            if !connection.write(answer.as_bytes()) {
                return;
            }
        }
    });
    let table = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &[("razorpay", table)]);
    let key = dev.key("razorpay", "slow");
    let before = open_files(&dev).expect("a count");
    let silent: Vec<TcpStream> = (0..SILENT)
        .map(|_| {
            let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
            stream.write_all(b"GET /razorpay/v1/orders HTTP/1.1\r\nHost: h\r\nX-").expect("it is sent");
            stream
        })
        .collect();
    let deaf: Vec<TcpStream> = (0..DEAF)
        .map(|_| {
            let mut stream = narrow(&dev);
            stream.write_all(&call(&key, "/razorpay/v1/long").bytes("h")).expect("it is sent");
            stream
        })
        .collect();
    let mut steady = narrow(&dev);
    let whole = call(&key, "/razorpay/v1/long").header("Connection", "close");
    steady.write_all(&whole.bytes("h")).expect("it is sent");
    let mut sluggish = TcpStream::connect(dev.gateway).expect("a connection");
    sluggish.write_all(&whole.bytes("h")).expect("it is sent");
    sluggish.read_exact(&mut vec![0; QUICK]).expect("it is read at once");
    assert!(open_files(&dev).expect("a count") >= before + SILENT, "they are held at first");
    let good = call(&key, "/razorpay/v1/orders").send(dev.gateway);
    assert_eq!((good.status, good.body.as_str()), (200, "ok"), "others are served meanwhile");
    // A head has five seconds; each deaf client also holds a connection upstream.
    at_most(&dev, before + 2 * (DEAF + 1) + 50);
    let (mut read, mut sluggish_read) = (0, QUICK);
    // They read a little whenever they look, for as long as the others are there.
    eventually(|| {
        read += steady.read(&mut [0; 512]).map_err(|error| error.to_string())?;
        sluggish_read += sluggish.read(&mut [0; 256]).map_err(|error| error.to_string())?;
        match open_files(&dev)? {
            files if files <= before + 20 => Ok(()),
            files => Err(format!("{files} files are open")),
        }
    });
    for (mut stream, read) in [(steady, read), (sluggish, sluggish_read)] {
        let rest = std::io::copy(&mut stream, &mut std::io::sink()).expect("it is read to its end");
        let whole = read + usize::try_from(rest).expect("a length");
        assert!(whole > LONG, "whoever reads steadily gets all of it: {whole}");
    }
    assert_eq!((silent.len(), deaf.len()), (SILENT, DEAF), "none of them ended by itself");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    stream.write_all(&call(&key, "/razorpay/v1/orders").bytes("h")).expect("it is sent");
    assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(200));
}

/// Whatever comes next on a connection that is read for so many seconds: nothing, or its end.
fn is_open(stream: &mut TcpStream, seconds: u64) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(seconds))).expect("a time-out");
    match stream.read(&mut [0; 1]) {
        Ok(read) => {
            assert_eq!(read, 0, "nothing is said to it");
            false
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

#[test]
fn a_connection_is_kept_between_requests_for_longer_than_a_head_may_take() {
    let dev = Dev::start(env!("CARGO_BIN_EXE_keymint"));
    let key = dev.key("razorpay", "kept");
    let request = call(&key, "/razorpay/v1/orders").bytes("h");
    let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
    for pause in [0, 7] {
        assert!(pause == 0 || is_open(&mut stream, pause), "closed within {pause} s");
        stream.write_all(&request).expect("it is sent");
        assert_eq!(http::read(&mut stream).map(|reply| reply.status), Some(200), "after {pause} s");
    }
    // A head that begins late has its five seconds, and no more than five beside.
    assert!(is_open(&mut stream, 6));
    stream.write_all(request.get(..40).expect("a part")).expect("it is sent");
    assert!(is_open(&mut stream, 4), "it had no time");
    assert!(!is_open(&mut stream, 8), "it has time without end");
    // A connection without a request has no longer than a head.
    let mut silent = TcpStream::connect(dev.gateway).expect("a connection");
    assert!(is_open(&mut silent, 4), "it had no time");
    assert!(!is_open(&mut silent, 4), "it waits for ever");
}
