//! Ten thousand requests of all kinds over shared connections: each gets its own answer, and the upstream sees each as it
//! was sent (T83, T85).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keymint_testkit::upstream::Connection;
use keymint_testkit::{Dev, Key, Upstream, http};

use super::behind;

const CLIENTS: usize = 8;
const REQUESTS: usize = 1250;

/// Answers with the request's own target, in the way that the target asks for.
fn echo(connection: &mut Connection) {
    while let Some(mut seen) = connection.head() {
        let target = seen.target().to_owned();
        let (is_head, length) = (seen.method() == "HEAD", target.len());
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let kind = target.rsplit('/').next().unwrap_or_default().to_owned();
        if kind == "early" && !connection.write(format!("{whole}{target}").as_bytes()) {
            return;
        }
        if connection.body(&mut seen).is_none() {
            return;
        }
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        assert!(body.is_empty() || body.starts_with(&target), "{target} came with another body");
        let is_taken = match kind.as_str() {
            "early" => true,
            "chunked" if !is_head => {
                let (front, back) = target.split_at(length / 2);
                let chunks = [front, back].map(|part| format!("{:x}\r\n{part}\r\n", part.len())).concat();
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                connection.write(format!("{head}{chunks}0\r\nX-Trailer: a\r\n\r\n").as_bytes())
            }
            "none" => connection.write(b"HTTP/1.1 204 No Content\r\n\r\n"),
            "close" => {
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
                connection.write(format!("{head}{target}").as_bytes())
            }
            _ if is_head => connection.write(whole.as_bytes()),
            _ => connection.write(format!("{whole}{target}").as_bytes()),
        };
        if !is_taken || kind == "close" {
            return;
        }
    }
}

struct Client<'a> {
    dev: &'a Dev,
    key: &'a Key,
    stream: Option<TcpStream>,
}

impl Client<'_> {
    fn bytes(&self, method: &str, target: &str, body: &str, more: &str) -> Vec<u8> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} /razorpay{target} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n", self.key.basic());
        format!("{head}{length}{more}\r\n{body}").into_bytes()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.dev.gateway).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        stream
    }

    /// On the connection that is kept; its answer.
    fn kept(&mut self, bytes: &[u8]) -> http::Reply {
        let mut stream = self.stream.take().unwrap_or_else(|| self.connect());
        stream.write_all(bytes).expect("it is sent");
        let reply = http::read(&mut stream).expect("an answer");
        if reply.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        reply
    }

    /// On a connection of its own, to the end; everything that came.
    fn once(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("it is sent");
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    fn ask(&mut self, id: &str, number: usize) {
        let target = |kind: &str| format!("/v1/{id}/{kind}");
        let long = |kind: &str| target(kind) + &"x".repeat(70_000);
        let close = "Connection: close\r\n";
        match number % 10 {
            0 | 1 => {
                let reply = self.kept(&self.bytes("GET", &target("get"), "", ""));
                assert_eq!(reply.body, target("get"));
            }
            2 => {
                let reply = self.kept(&self.bytes("POST", &target("post"), &target("post"), ""));
                assert_eq!(reply.body, target("post"));
            }
            3 => {
                let reply = self.kept(&self.bytes("POST", &target("close"), &target("close"), ""));
                assert_eq!(reply.body, target("close"));
            }
            4 => {
                let reply = self.kept(&self.bytes("GET", &target("none"), "", ""));
                assert_eq!(reply.status, 204);
            }
            5 => {
                let text = self.once(&self.bytes("GET", &target("chunked"), "", close));
                let whole = target("chunked");
                let (front, back) = whole.split_at(whole.len() / 2);
                assert!(text.contains(front) && text.contains(back) && text.ends_with("0\r\n\r\n"), "{text}");
            }
            6 => {
                let text = self.once(&self.bytes("HEAD", &target("head"), "", close));
                assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
            }
            7 => {
                let reply = self.kept(&self.bytes("POST", &target("stream"), &long("stream"), ""));
                assert_eq!(reply.body, target("stream"));
            }
            8 => {
                let reply = self.kept(&self.bytes("POST", &target("early"), &target("early"), ""));
                assert_eq!(reply.body, target("early"));
            }
            _ => {
                // Gone before the answer; and a long body that breaks off.
                let _ = self.connect().write_all(&self.bytes("GET", &target("gone"), "", ""));
                let bytes = self.bytes("POST", &target("broken"), &long("broken"), "");
                let _ = self.connect().write_all(&bytes[..bytes.len() / 2]);
            }
        }
    }
}

#[test]
fn ten_thousand_requests_over_shared_connections_each_get_their_own_answer() {
    let upstream = Upstream::scripted(echo);
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "desync");
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (dev, key) = (&dev, &key);
            scope.spawn(move || {
                let mut own = Client { dev, key, stream: None };
                for number in 0..REQUESTS {
                    // Each client begins elsewhere, so that all kinds meet.
                    own.ask(&format!("c{client}-{number}"), number * 7 + client);
                }
            });
        }
    });
}
