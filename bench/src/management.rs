//! A small blocking HTTP client: calls of the management API, and a look at the internal listener.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// A credential with its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key id.
    pub key_id: String,
    /// The secret.
    pub secret: String,
}

/// A connection that is kept alive.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    headers: String,
}

/// Numbers for names: no two merchants may share an address, whichever client makes them.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// An answer.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The cookie that it sets, as a browser sends it back.
    pub cookie: Option<String>,
}

impl Client {
    /// Connects; `token` is an operator's.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(host: SocketAddr, token: &str) -> Result<Self> {
        Self::with(host, &format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"))
    }

    /// Connects; `headers` go along with every call, each with its end of line.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn with(host: SocketAddr, headers: &str) -> Result<Self> {
        let headers = headers.to_owned();
        let stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host, headers })
    }

    /// Sends a call and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Result<Reply> {
        let Self { host, headers, .. } = self;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status line")?;
        let (mut length, mut cookie) = (0, None);
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection ended inside an answer");
            if line.trim().is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("a content length")?;
            } else if name.eq_ignore_ascii_case("set-cookie") {
                cookie = value.split(';').next().map(|pair| pair.trim().to_owned());
            }
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(Reply { status, body: String::from_utf8(bytes)?, cookie })
    }

    fn made(&mut self, path: &str, body: &Value) -> Result<Value> {
        let reply = self.call("POST", path, &body.to_string())?;
        if reply.status != 201 {
            bail!("POST {path} was answered {}: {}", reply.status, reply.body);
        }
        Ok(serde_json::from_str(&reply.body)?)
    }

    /// A new merchant.
    ///
    /// # Errors
    /// When it is refused; so for the others.
    pub fn merchant(&mut self) -> Result<String> {
        let name = format!("bench-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "name": name, "email": format!("{name}@merchant.example"), "country": "IN" });
        text(&self.made("/api/v1/merchants", &body)?, "id")
    }

    /// A new app of a merchant.
    ///
    /// # Errors
    /// As `merchant`.
    pub fn app(&mut self, merchant: &str, product: &str) -> Result<String> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let body = json!({
            "product": product, "name": format!("bench {number}"), "email": "dev@merchant.example",
            "address": "12 MG Road", "country": "IN", "postal_code": "560001",
        });
        text(&self.made(&format!("/api/v1/merchants/{merchant}/apps"), &body)?, "id")
    }

    /// A new test credential of a fresh merchant's fresh app.
    ///
    /// # Errors
    /// As `merchant`.
    pub fn key(&mut self, product: &str) -> Result<Key> {
        let merchant = self.merchant()?;
        let app = self.app(&merchant, product)?;
        self.credential(&app, &json!({ "mode": "test" }))
    }

    /// A new credential of an app.
    ///
    /// # Errors
    /// As `merchant`.
    pub fn credential(&mut self, app: &str, body: &Value) -> Result<Key> {
        let made = self.made(&format!("/api/v1/apps/{app}/credentials"), body)?;
        Ok(Key { key_id: text(&made, "key_id")?, secret: text(&made, "secret")? })
    }
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value.get(name).and_then(Value::as_str).with_context(|| format!("no `{name}` in an answer"))?.to_owned())
}
