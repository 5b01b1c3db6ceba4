//! An upstream that writes down what reaches it, byte for byte, and answers as a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(20);
/// What a plain upstream answers.
pub const PLAIN_ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";

/// A request as it reached the upstream.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The number of its connection, from 0.
    pub connection: usize,
    /// Request line and fields as they came.
    pub head: String,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Seen {
    /// The method.
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The fields, names in small letters.
    pub fn fields(&self) -> Vec<(String, String)> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect()
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.fields().into_iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect()
    }

    /// The value of a field that stands once.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        assert!(values.len() < 2, "{name} stands {} times", values.len());
        values.pop()
    }
}

#[derive(Default)]
struct Book {
    seen: Mutex<Vec<Seen>>,
    news: Condvar,
    connections: AtomicUsize,
    closed: AtomicUsize,
    bytes: AtomicUsize,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running upstream; closed when dropped.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    book: Arc<Book>,
}

/// A connection to the upstream, as its script sees it.
pub struct Connection {
    /// The connection.
    pub stream: TcpStream,
    number: usize,
    unread: Vec<u8>,
    book: Arc<Book>,
}

impl Connection {
    fn more(&mut self) -> bool {
        let mut part = [0_u8; 16 * 1024];
        match self.stream.read(&mut part) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.book.bytes.fetch_add(count, Ordering::SeqCst);
                self.unread.extend_from_slice(&part[..count]);
                true
            }
        }
    }

    /// The next head, once it is there; `None` when the connection ends. Nothing is written down yet.
    pub fn head(&mut self) -> Option<Seen> {
        loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.unread.split_off(at + 4);
                let head = std::mem::replace(&mut self.unread, rest);
                let head = head.iter().take(at).map(|byte| char::from(*byte)).collect();
                return Some(Seen { connection: self.number, head, body: Vec::new() });
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// The body that belongs to a head.
    pub fn body(&mut self, seen: &mut Seen) -> Option<()> {
        if seen.field("transfer-encoding").is_some() {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).ok()?;
                let piece = self.bytes(size)?;
                seen.body.extend_from_slice(&piece);
                self.line()?;
                if size == 0 {
                    return Some(());
                }
            }
        }
        let length = seen.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        seen.body = self.bytes(length)?;
        Some(())
    }

    /// A line of a chunked body.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let rest = self.unread.split_off(at + 2);
                let line = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8_lossy(line.get(..at)?).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// So many bytes, without looking into them.
    pub fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            if !self.more() {
                return None;
            }
        }
        let rest = self.unread.split_off(count);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    /// Writes a request down.
    pub fn record(&self, seen: Seen) {
        lock(&self.book.seen).push(seen);
        self.book.news.notify_all();
    }

    /// The next whole request, written down.
    pub fn request(&mut self) -> Option<Seen> {
        let mut seen = self.head()?;
        self.body(&mut seen)?;
        self.record(seen.clone());
        Some(seen)
    }

    /// Writes bytes; false when nobody takes them.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Waits until the other side has closed.
    pub fn wait_for_end(&mut self) {
        while self.more() {}
    }
}

impl Upstream {
    /// Runs a script for each connection.
    pub fn scripted(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self::over(listener, script)
    }

    /// The same at an address where another one was.
    pub fn at(address: SocketAddr, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let begun = Instant::now();
        loop {
            match TcpListener::bind(address) {
                Ok(listener) => return Self::over(listener, script),
                Err(error) => assert!(begun.elapsed() < DEADLINE, "{address}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Answers every request with `PLAIN_ANSWER` and keeps the connection.
    pub fn plain() -> Self {
        Self::answering(PLAIN_ANSWER)
    }

    /// Answers every request with these bytes and keeps the connection.
    pub fn answering(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::scripted(move |connection| while connection.request().is_some() && connection.write(answer.as_bytes()) {})
    }

    fn over(listener: TcpListener, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("an address");
        let (book, script) = (Arc::new(Book::default()), Arc::new(script));
        let shared = Arc::clone(&book);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if shared.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let _ = stream.set_nodelay(true);
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                if let Ok(copy) = stream.try_clone() {
                    lock(&shared.streams).push(copy);
                }
                let (book, script) = (Arc::clone(&shared), Arc::clone(&script));
                std::thread::spawn(move || {
                    let mut connection = Connection { stream, number, unread: Vec::new(), book };
                    script(&mut connection);
                    let _ = connection.stream.shutdown(Shutdown::Both);
                    connection.book.closed.fetch_add(1, Ordering::SeqCst);
                    connection.book.news.notify_all();
                });
            }
        });
        Self { address, book }
    }

    /// The `http://…` address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.book.seen).clone()
    }

    /// The only request so far.
    pub fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.pop().expect("one")
    }

    /// Waits until there are so many requests.
    pub fn wait_for(&self, count: usize) -> Vec<Seen> {
        self.until(|| self.seen().len() >= count, "requests");
        self.seen()
    }

    /// Connections that were opened.
    pub fn connections(&self) -> usize {
        self.book.connections.load(Ordering::SeqCst)
    }

    /// Bytes that arrived.
    pub fn bytes(&self) -> usize {
        self.book.bytes.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have ended.
    pub fn wait_for_closed(&self, count: usize) {
        self.until(|| self.book.closed.load(Ordering::SeqCst) >= count, "connections to end");
    }

    /// Forgets what it saw.
    pub fn forget(&self) {
        lock(&self.book.seen).clear();
    }

    fn until(&self, is_there: impl Fn() -> bool, what: &str) {
        let begun = Instant::now();
        while !is_there() {
            assert!(begun.elapsed() < DEADLINE, "waited too long for {what}");
            let guard = lock(&self.book.seen);
            drop(self.book.news.wait_timeout(guard, Duration::from_millis(20)));
        }
    }

    /// Closes its connections, those that stand idle and those that do not.
    pub fn close_connections(&self) {
        for stream in lock(&self.book.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.book.is_over.store(true, Ordering::SeqCst);
        self.close_connections();
        // Wakes the thread that accepts, which then lets go of the port.
        let _ = TcpStream::connect(self.address);
    }
}
