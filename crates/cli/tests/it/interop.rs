//! Outside clients judge every dialect: vendors' SDKs, their documented samples, two libraries for RFC 9421. Each is a
//! process that is told what to do and reports what happened (`interop/README.md`); what is right is decided here.
#![expect(clippy::disallowed_methods, reason = "`cargo xtask` says by the environment where the clients are")]

mod acme;
mod far_end;
mod kpay;
mod kspay;
mod kwikpaisa;
mod letters;
mod outbound;
mod pebble;
mod razorpay;
mod rfc9421;
mod samples;
mod telemetry;
mod vectors;
mod webhooks;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use keymint_testkit::{Dev, Key, Reply, Request, http};
use serde_json::Value;

/// Longest wait for an answer of the gateway.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running client with one key; killed when dropped.
struct Client {
    script: String,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// A folder that `cargo xtask` tells of.
fn folder(variable: &str) -> PathBuf {
    let Some(folder) = std::env::var_os(variable) else {
        panic!(
            "{variable} is not set; `cargo xtask test` installs the outside clients and sets it, and afterwards \
             `cargo xtask with-postgres …` sets it for one command"
        );
    };
    folder.into()
}

/// The program that runs a script, by the script's ending.
fn interpreter(script: &str) -> PathBuf {
    let (program, needed) = match script.rsplit_once('.') {
        Some((_, "py")) => {
            let python = folder("KEYMINT_VENV").join("bin/python");
            (python.clone(), python)
        }
        Some((_, "mjs")) => (PathBuf::from("node"), folder("KEYMINT_INTEROP").join("node_modules")),
        Some((_, "php")) => (PathBuf::from("php"), folder("KEYMINT_INTEROP")),
        _ => panic!("nothing runs {script}"),
    };
    assert!(needed.exists(), "{} is missing; `cargo xtask test` installs it", needed.display());
    program
}

impl Client {
    /// Starts a script of `interop/` that calls a product with a key.
    fn start(dev: &Dev, script: &str, key: &Key) -> Self {
        let product = script.split('/').next().unwrap_or_default();
        let product = if product == "rfc9421" { "keymint" } else { product };
        Self::start_at(&format!("http://{}/{product}", dev.gateway), script, key)
    }

    /// Starts a script of `interop/` that calls an address with a key. Nothing else of our environment reaches it.
    fn start_at(target: &str, script: &str, key: &Key) -> Self {
        let interop = folder("KEYMINT_INTEROP");
        let started = Command::new(interpreter(script))
            .arg(interop.join(script))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONPATH", interop.join("conversation"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("KEYMINT_TARGET", target)
            .env("KEYMINT_KEY_ID", &key.key_id)
            .env("KEYMINT_KEY_SECRET", &key.secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => panic!("{script} does not start ({error}); `cargo xtask test` installs what it needs"),
        };
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { script: script.to_owned(), process, input, output }
    }

    /// Tells it what to do and waits for what happened.
    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.input, "{command}").expect("the client reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the client writes UTF-8");
        assert!(!line.is_empty(), "{} ended without an answer; its error is above", self.script);
        match serde_json::from_str(&line) {
            Ok(answer) => answer,
            Err(_) => panic!("{} wrote something else than an answer: {line}", self.script),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request as it goes over the wire, to be sent with one byte changed.
struct Wire {
    bytes: Vec<u8>,
    body_at: usize,
}

impl Wire {
    /// A request with the headers that a client reported.
    fn new(dev: &Dev, method: &str, target: &str, headers: &Value, body: Option<&str>) -> Self {
        let mut request = Request::new(method, target);
        for (name, value) in headers.as_object().expect("the client reports its headers") {
            if !name.eq_ignore_ascii_case("content-length") {
                request = request.header(name, value.as_str().expect("a header is text"));
            }
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let bytes = request.bytes(&dev.gateway.to_string());
        let body_at = bytes.len() - body.map_or(0, str::len);
        Self { bytes, body_at }
    }

    /// Where the body is.
    fn body(&self) -> Range<usize> {
        self.body_at..self.bytes.len()
    }

    /// Where the value of a header is.
    fn value(&self, name: &str) -> Range<usize> {
        let head = String::from_utf8_lossy(&self.bytes[..self.body_at]).to_ascii_lowercase();
        let start = format!("\r\n{}: ", name.to_ascii_lowercase());
        let at = head.find(&start).unwrap_or_else(|| panic!("there is no {name}")) + start.len();
        let length = head[at..].find("\r\n").expect("a field ends");
        at..at + length
    }

    /// Where a piece of the first line is.
    fn first_line(&self, piece: &str) -> Range<usize> {
        let line = String::from_utf8_lossy(&self.bytes[..self.body_at]);
        let at = line.split("\r\n").next().and_then(|line| line.find(piece)).expect("the first line has it");
        at..at + piece.len()
    }

    /// Sends it as it is.
    fn send(&self, dev: &Dev) -> Reply {
        http::raw(dev.gateway, &self.bytes).expect("an answer")
    }

    /// Sends it once for each of these bytes, that byte's lowest bit changed, and judges each answer. All go over one
    /// connection while the gateway keeps it: thousands of short ones would use up the machine's ports.
    fn judge_neighbours(&self, dev: &Dev, bytes: impl IntoIterator<Item = usize>, judge: impl Fn(&Reply) -> bool) {
        let mut kept = None;
        for at in bytes {
            let mut wire = self.bytes.clone();
            wire[at] ^= 1;
            let mut stream = kept.take().unwrap_or_else(|| connect(dev));
            stream.write_all(&wire).expect("the gateway reads");
            let reply = http::read(&mut stream).expect("an answer");
            let line = String::from_utf8_lossy(&wire[at.saturating_sub(20)..wire.len().min(at + 20)]).into_owned();
            assert!(judge(&reply), "byte {at}, around `{line}`: {} {}", reply.status, reply.body);
            kept = (reply.header("connection") != Some("close")).then_some(stream);
        }
    }
}

fn connect(dev: &Dev) -> TcpStream {
    let stream = TcpStream::connect(dev.gateway).expect("the gateway listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    stream.set_nodelay(true).expect("small writes can go at once");
    stream
}

/// The same with the last character changed to another letter or digit.
fn spoiled(text: &str) -> String {
    let last = if text.ends_with('a') { 'b' } else { 'a' };
    let mut spoiled = text.to_owned();
    spoiled.pop();
    spoiled.push(last);
    spoiled
}
