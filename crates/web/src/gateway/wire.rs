//! A strict eye on the bytes before they are parsed. hyper's parser is lenient where HTTP lets it be (a bare LF ends a
//! line, `Content-Length` beside `Transfer-Encoding` is dropped), and another server in the row may be lenient in another
//! way: that is how requests are smuggled (T83). So every head and every chunk is looked at here as it arrives; at the
//! first fault the connection's flag goes up, the request in hand is answered 400, and the connection is closed.
//!
//! The scanner changes nothing and buffers only a line that is split over two reads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use memchr::{memchr, memchr2, memrchr};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::deadline::Flow;

/// Longest line of a head or of a chunk's frame. Bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Whether a connection has shown a fault.
pub type Fault = Arc<AtomicBool>;

/// A stream with the scanner on its reading side.
pub struct Watched<S> {
    inner: S,
    scanner: Scanner,
    fault: Fault,
    flow: Flow,
}

impl<S> Watched<S> {
    /// Watches a fresh connection; says there what comes and what is written.
    pub fn new(inner: S, flow: Flow) -> (Self, Fault) {
        let fault = Fault::default();
        (Self { inner, scanner: Scanner::default(), fault: Arc::clone(&fault), flow }, fault)
    }

    fn wrote(&self, result: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(bytes)) => self.flow.took(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.flow.waits(),
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        this.flow.came();
        if !this.scanner.feed(buf.filled().get(before..).unwrap_or_default()) {
            this.fault.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.wrote(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        this.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// Follows the frames of a connection's requests.
#[derive(Default)]
pub struct Scanner {
    state: State,
    partial: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Before a request line.
    #[default]
    Start,
    /// In the fields of a head.
    Fields,
    /// In a body with this many bytes to come.
    Body(u64),
    /// Before a chunk's size.
    ChunkSize,
    /// In a chunk with this many bytes to come.
    Chunk(u64),
    /// At the line end behind a chunk.
    ChunkEnd,
    /// In the trailers.
    Trailers,
    /// A fault was seen; nothing is looked at any more.
    Faulty,
}

#[derive(Clone, Copy, Default)]
struct Framing {
    content_length: Option<u64>,
    is_chunked: bool,
}

impl Scanner {
    /// Looks at the next bytes; false from the first fault on.
    pub fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && self.state != State::Faulty {
            bytes = match self.state {
                State::Body(left) => self.skip(bytes, left, State::Body, State::Start),
                State::Chunk(left) => self.skip(bytes, left, State::Chunk, State::ChunkEnd),
                _ => self.take_line(bytes),
            };
        }
        self.state != State::Faulty
    }

    fn skip<'b>(&mut self, bytes: &'b [u8], left: u64, more: fn(u64) -> State, done: State) -> &'b [u8] {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let rest = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.state = if rest == 0 { done } else { more(rest) };
        bytes.get(count..).unwrap_or_default()
    }

    fn take_line<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.partial.is_empty()
            && let Some(end) = memchr2(b'\r', b'\n', bytes)
            && let Some(ending) = bytes.get(end..end + 2)
        {
            // The whole line is here. What ends it is CR LF, or it is a fault.
            let next = if ending == b"\r\n" { self.line(bytes.get(..end).unwrap_or_default()) } else { None };
            self.state = next.unwrap_or(State::Faulty);
            return bytes.get(end + 2..).unwrap_or_default();
        }
        self.take_part(bytes)
    }

    /// A line that came in parts.
    fn take_part<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(end) = memchr(b'\n', bytes) else {
            self.partial.extend_from_slice(bytes);
            if self.partial.len() > LINE_BYTES_MAX {
                self.state = State::Faulty;
            }
            return &[];
        };
        let (rest_of_line, rest) = bytes.split_at(end);
        let mut line = std::mem::take(&mut self.partial);
        line.extend_from_slice(rest_of_line);
        let whole = line.strip_suffix(b"\r").filter(|line| memchr(b'\r', line).is_none());
        self.state = whole.and_then(|line| self.line(line)).unwrap_or(State::Faulty);
        rest.get(1..).unwrap_or_default()
    }

    /// One line without its end: the state after it, or `None` for a fault. There is no CR in it.
    fn line(&mut self, line: &[u8]) -> Option<State> {
        if line.len() > LINE_BYTES_MAX {
            return None;
        }
        match self.state {
            State::Start if line.is_empty() => Some(State::Start),
            State::Start => {
                self.framing = Framing::default();
                is_request_line(line).then_some(State::Fields)
            }
            State::Fields if line.is_empty() => Some(match self.framing {
                Framing { content_length: Some(_), is_chunked: true } => return None,
                Framing { is_chunked: true, .. } => State::ChunkSize,
                Framing { content_length: None | Some(0), .. } => State::Start,
                Framing { content_length: Some(length), .. } => State::Body(length),
            }),
            State::Fields => self.field(line),
            State::ChunkSize => match chunk_size(line)? {
                0 => Some(State::Trailers),
                size => Some(State::Chunk(size)),
            },
            State::ChunkEnd => line.is_empty().then_some(State::ChunkSize),
            State::Trailers if line.is_empty() => Some(State::Start),
            State::Trailers => Some(State::Trailers),
            State::Body(_) | State::Chunk(_) | State::Faulty => None,
        }
    }

    fn field(&mut self, line: &[u8]) -> Option<State> {
        let first = *line.first()?;
        if first == b' ' || first == b'\t' {
            return None;
        }
        if !matches!(first, b'c' | b'C' | b't' | b'T') {
            return Some(State::Fields);
        }
        let (name, value) = line.split_at(memchr(b':', line)?);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.framing.content_length.replace(decimal(value)?).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.framing.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            self.framing.is_chunked = true;
        }
        Some(State::Fields)
    }
}

/// `METHOD /target HTTP/1.x`: the target in origin form, visible ASCII, without a fragment.
fn is_request_line(line: &[u8]) -> bool {
    let (Some(first), Some(last)) = (memchr(b' ', line), memrchr(b' ', line)) else { return false };
    let (Some(method), Some(target), Some(version)) =
        (line.get(..first), line.get(first + 1..last), line.get(last + 1..))
    else {
        return false;
    };
    // All bytes are looked at, which is quicker than stopping at the first. A space among them is not graphic.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    target.first() == Some(&b'/')
        && target.iter().fold(true, |so_far, byte| so_far & is_plain(byte))
        && !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
}

fn decimal(value: &[u8]) -> Option<u64> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

/// A chunk's size: hexadecimal digits and nothing else, so no extensions.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let plain = (1..=16).contains(&line.len()) && line.iter().all(u8::is_ascii_hexdigit);
    plain.then(|| u64::from_str_radix(std::str::from_utf8(line).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::Scanner;

    const GOOD: &str = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: h\r\n\r\n";

    fn accepts(bytes: &str) -> bool {
        Scanner::default().feed(bytes.as_bytes())
    }

    #[test]
    fn strict_requests_pass_however_they_are_cut() {
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n";
        for text in [GOOD, chunked] {
            for cut in 0..text.len() {
                let (first, second) = text.split_at(cut);
                let mut scanner = Scanner::default();
                assert!(scanner.feed(first.as_bytes()) && scanner.feed(second.as_bytes()), "cut at {cut}");
            }
        }
    }

    #[test]
    fn each_lenient_form_is_a_fault() {
        for (name, text) in [
            ("bare LF behind the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n"),
            ("bare LF behind a field", "GET / HTTP/1.1\r\nHost: h\n\r\n"),
            ("bare LF as the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\n"),
            ("bare CR in a field", "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"),
            ("folded field", "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n"),
            ("both lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("both lengths, other order", "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n"),
            ("two equal lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
            ("a list of lengths", "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n"),
            ("a signed length", "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n"),
            ("another coding", "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n"),
            ("two codings", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            ("a chunk extension", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n"),
            ("a bare LF behind a chunk size", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n"),
            ("a chunk longer than said", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n"),
            ("an absolute target", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
            ("a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"),
            ("a non-ASCII target", "GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n"),
            ("two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
            ("CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"),
        ] {
            assert!(!accepts(text), "{name}");
        }
    }
}
