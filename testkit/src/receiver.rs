//! A merchant's server: takes what is sent to it, remembers it, and answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for something that a test expects.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers with a status.
    Status(u16),
    /// Answers with a status and a header line.
    With(u16, &'static str),
    /// Answers with a status and a body.
    Saying(u16, &'static str),
    /// Answers with a status after a while.
    Late(Duration, u16),
    /// Says nothing until the receiver is released, then answers with a status.
    Hold(u16),
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Got {
    /// When.
    pub at: Instant,
    /// `POST /hook HTTP/1.1`.
    pub line: String,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Got {
    /// A header's value; where it stands twice, that is no value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(one, _)| one == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }
}

#[derive(Default)]
struct Inside {
    got: Vec<Got>,
    script: VecDeque<Answer>,
    after: Option<Answer>,
    is_released: bool,
}

/// The receiver. Its threads end with the process.
pub struct Receiver {
    address: SocketAddr,
    inside: Arc<(Mutex<Inside>, Condvar)>,
}

impl Receiver {
    /// Listens on a free port of loopback, and answers 200.
    ///
    /// # Panics
    /// Where there is no port.
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Listens at an address.
    ///
    /// # Panics
    /// Where somebody else does.
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let inside: Arc<(Mutex<Inside>, Condvar)> = Arc::default();
        let shared = Arc::clone(&inside);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { address, inside }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What the next requests are answered, one after the other; then `after`.
    pub fn answers(&self, next: impl IntoIterator<Item = Answer>, after: Answer) {
        let mut inside = self.inside.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.script = next.into_iter().collect();
        inside.after = Some(after);
    }

    /// Lets what is held be answered, now and from now on.
    pub fn release(&self) {
        self.inside.0.lock().unwrap_or_else(PoisonError::into_inner).is_released = true;
        self.inside.1.notify_all();
    }

    /// What has come.
    pub fn all(&self) -> Vec<Got> {
        self.inside.0.lock().unwrap_or_else(PoisonError::into_inner).got.clone()
    }

    /// What has come, once it is so many.
    ///
    /// # Panics
    /// When they do not come in time.
    pub fn wait_for(&self, count: usize) -> Vec<Got> {
        let (lock, changed) = &*self.inside;
        let inside = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(inside, PATIENCE, |inside| inside.got.len() < count);
        let (inside, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(inside.got.len() >= count, "{} of {count} came: {:?}", inside.got.len(), inside.got);
        inside.got.clone()
    }
}

/// One connection, request after request.
fn serve(stream: &TcpStream, shared: &(Mutex<Inside>, Condvar)) {
    let mut reader = BufReader::new(stream);
    while let Some(got) = read(&mut reader) {
        let answer = {
            let mut inside = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            inside.got.push(got);
            let next = inside.script.pop_front().or_else(|| inside.after.clone());
            shared.1.notify_all();
            next.unwrap_or(Answer::Status(200))
        };
        let (status, header, body) = match answer {
            Answer::Status(status) => (status, "", "ok"),
            Answer::With(status, header) => (status, header, "ok"),
            Answer::Saying(status, body) => (status, "", body),
            Answer::Late(wait, status) => {
                std::thread::sleep(wait);
                (status, "", "ok")
            }
            Answer::Hold(status) => {
                let inside = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = shared.1.wait_timeout_while(inside, PATIENCE * 3, |inside| !inside.is_released);
                drop(waited);
                (status, "", "ok")
            }
        };
        let line_end = if header.is_empty() { "" } else { "\r\n" };
        let length = body.len();
        let reply = format!("HTTP/1.1 {status} Told\r\n{header}{line_end}content-length: {length}\r\n\r\n{body}");
        if (&*stream).write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Got> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let (at, mut headers, mut length) = (Instant::now(), Vec::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        headers.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got { at, line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).ok()? })
}
