//! One connection to an upstream, and one request on it at a time: its head and body go out, its answer comes in, on the task
//! of the client's own connection.

use std::io::{Error, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::framing::{Framing, Head, Malformed, Taken, take_head};
use super::upload::{BrokenOff, Streamed, Upload};

/// What is read at a time. Bytes.
const READ_BYTES: usize = 16 * 1024;

/// An open connection.
pub struct Link {
    stream: TcpStream,
    /// What has come and was not taken.
    input: BytesMut,
    /// What goes out before the next piece of a body: a head, the size of a chunk.
    output: Vec<u8>,
    written: usize,
    /// Whether anything of the present request has gone out.
    has_sent: bool,
    /// Whether the next request may go over it.
    is_kept: bool,
}

/// Why there is no answer, or no more of one.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The connection broke, or was closed too early.
    #[error(transparent)]
    Io(#[from] Error),
    /// The answer can be read in two ways, or in none.
    #[error("the upstream's answer is malformed")]
    Malformed,
    /// The client's body was broken off.
    #[error(transparent)]
    Upload(#[from] BrokenOff),
}

impl From<Malformed> for Fault {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

impl Link {
    /// Over a fresh connection.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, input: BytesMut::new(), output: Vec::new(), written: 0, has_sent: false, is_kept: true }
    }

    /// Whether another request may go over it: the last answer has ended, allows one, and nobody has closed it or said
    /// anything since. No system call, unless something came.
    pub fn is_usable(&self) -> bool {
        let is_silent =
            || matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.is_kept && self.input.is_empty() && is_silent()
    }

    /// Begins a request. `write` writes its line and fields; what says how long the body is comes behind them.
    pub fn begin(mut self, method: Method, upload: Upload, write: impl FnOnce(&mut Vec<u8>)) -> Exchange {
        self.output.clear();
        self.output.shrink_to(READ_BYTES);
        self.written = 0;
        self.has_sent = false;
        // Until the answer says so.
        self.is_kept = false;
        write(&mut self.output);
        let (length, body, sending) = match upload {
            Upload::Whole(bytes) => (Some(u64::try_from(bytes.len()).unwrap_or(u64::MAX)), bytes, Sending::Over),
            Upload::Streamed(body) => match body.announced() {
                Some(length) => (Some(length), Bytes::new(), Sending::Plain(body)),
                None => (None, Bytes::new(), Sending::Chunks(body)),
            },
        };
        match length {
            // RFC 9110 section 8.6: where a body is expected, none is said to be none.
            Some(0) if !matches!(method, Method::POST | Method::PUT | Method::PATCH) => {}
            Some(length) => {
                self.output.extend_from_slice(b"content-length: ");
                self.output.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
                self.output.extend_from_slice(b"\r\n");
            }
            None => self.output.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        self.output.extend_from_slice(b"\r\n");
        Exchange { link: self, method, body, sending, framing: Framing::Over, has_come: false, broken: None }
    }

    /// The connection itself, with what has come over it already, once the upstream has switched to another protocol.
    pub fn into_tunnel(self) -> impl AsyncRead + AsyncWrite + Unpin {
        let (read, write) = self.stream.into_split();
        let come = std::io::Cursor::new(self.input.freeze());
        tokio::io::join(AsyncReadExt::chain(come, read), write)
    }

    /// Writes what waits to go out, and a piece of a body behind it.
    fn poll_write(&mut self, cx: &mut Context<'_>, body: &mut Bytes) -> Poll<Result<(), Error>> {
        loop {
            let waiting = self.output.get(self.written..).unwrap_or_default();
            if waiting.is_empty() && body.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let (pieces, before_body) = ([IoSlice::new(waiting), IoSlice::new(body)], waiting.len());
            let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces))?;
            if count == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.has_sent = true;
            self.written += count.min(before_body);
            body.advance(count.saturating_sub(before_body));
        }
    }

    /// Makes these bytes the next that go out, when all before them have gone.
    fn put(&mut self, bytes: &[u8]) {
        self.output.clear();
        self.written = 0;
        self.output.extend_from_slice(bytes);
    }

    /// Reads more; whether there was any.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let mut room = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(!read.filled().is_empty()))
    }
}

/// A request on its way over a connection, or its answer.
pub struct Exchange {
    link: Link,
    method: Method,
    /// What waits to go out behind the connection's own output.
    body: Bytes,
    sending: Sending,
    framing: Framing,
    /// Whether anything of the answer has come.
    has_come: bool,
    /// What the connection broke with while something was to go out.
    broken: Option<Error>,
}

/// What of a body is yet to be asked for.
enum Sending {
    /// Nothing.
    Over,
    /// A body of known length.
    Plain(Box<Streamed>),
    /// One that goes in chunks.
    Chunks(Box<Streamed>),
}

impl Exchange {
    /// The head of the answer. The request is sent beside it, because an answer may come before all of it has gone.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Fault>> {
        self.push(cx)?;
        loop {
            if let Some(head) = take_head(&mut self.link.input, &self.method)? {
                (self.framing, self.link.is_kept) = (head.framing, head.is_kept);
                return Poll::Ready(Ok(head));
            }
            if !ready!(self.poll_more(cx))? {
                return Poll::Ready(Err(Error::from(ErrorKind::UnexpectedEof).into()));
            }
            self.has_come = true;
        }
    }

    /// The next piece of the answer's body; `None` at its end. What is left of the request is sent beside it.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        self.push(cx)?;
        loop {
            match self.framing.take(&mut self.link.input)? {
                Taken::Piece(piece) => return Poll::Ready(Some(Ok(piece))),
                Taken::End => return Poll::Ready(None),
                Taken::Nothing if ready!(self.poll_more(cx))? => {}
                Taken::Nothing if self.framing == Framing::UntilClose => self.framing = Framing::Over,
                Taken::Nothing => return Poll::Ready(Some(Err(Error::from(ErrorKind::UnexpectedEof).into()))),
            }
        }
    }

    /// All of the answer's body, if all of it is here already.
    pub fn whole(&mut self) -> Option<Bytes> {
        let left = usize::try_from(self.framing.left()?).ok()?;
        let is_here = left <= self.link.input.len();
        is_here.then(|| {
            self.framing = Framing::Over;
            self.link.input.split_to(left).freeze()
        })
    }

    /// How much of the answer's body is still to come, where that is known. Bytes.
    pub fn left(&self) -> Option<u64> {
        self.framing.left()
    }

    /// Whether the request may go once more over another connection: nothing of it went over this one, or nothing of an
    /// answer came and it `is_repeatable`.
    pub fn may_go_again(&self, fault: &Fault, is_repeatable: bool) -> bool {
        matches!(fault, Fault::Io(_)) && (!self.link.has_sent || is_repeatable && !self.has_come)
    }

    /// The body, to be sent once more. Whole where `may_go_again`.
    pub fn into_upload(self) -> Upload {
        match self.sending {
            Sending::Over => Upload::Whole(self.body),
            Sending::Plain(body) | Sending::Chunks(body) => Upload::Streamed(body),
        }
    }

    /// The connection, once the answer is there: for the next request if all of this one went and all of its answer came, or
    /// to be closed.
    pub fn into_link(mut self) -> Link {
        self.link.is_kept &= self.is_sent() && self.broken.is_none() && self.framing == Framing::Over;
        self.link
    }

    /// Whether all of the request has gone out.
    pub fn is_sent(&self) -> bool {
        let is_written = self.body.is_empty() && self.link.written == self.link.output.len();
        is_written && matches!(self.sending, Sending::Over)
    }

    /// Sends what goes out now. Where the connection breaks under it, what has come by then is still read: an upstream may
    /// answer before it has read everything, and close.
    fn push(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        if self.broken.is_some() {
            return Ok(());
        }
        match self.poll_send(cx) {
            Poll::Ready(Err(Fault::Io(error))) => self.broken = Some(error),
            Poll::Ready(Err(fault)) => return Err(fault),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        Ok(())
    }

    /// Reads more; whether there was any.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        // One that broke is heard of as readable, with what has come or its end.
        match ready!(self.link.poll_read(cx)) {
            Ok(true) => Poll::Ready(Ok(true)),
            read => Poll::Ready(self.broken.take().map_or(read, Err).map_err(Fault::from)),
        }
    }

    /// Sends all of it.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            ready!(self.link.poll_write(cx, &mut self.body))?;
            let (body, is_chunked) = match &mut self.sending {
                Sending::Over => return Poll::Ready(Ok(())),
                Sending::Plain(body) => (body, false),
                Sending::Chunks(body) => (body, true),
            };
            let Some(piece) = ready!(body.poll_piece(cx)).transpose()? else {
                self.sending = Sending::Over;
                if is_chunked {
                    self.link.put(b"0\r\n\r\n");
                }
                continue;
            };
            if !is_chunked {
                self.body = piece;
            } else if !piece.is_empty() {
                self.link.put(format!("{:x}\r\n", piece.len()).as_bytes());
                self.link.output.extend_from_slice(&piece);
                self.link.output.extend_from_slice(b"\r\n");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// What becomes of a request with a body of so many bytes, when the upstream reads the beginning and then does this.
    async fn asked(
        bytes: usize,
        upstream: impl FnOnce(std::net::TcpStream) + Send + 'static,
    ) -> (Result<Head, Fault>, Exchange) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.read_exact(&mut [0; 10]).expect("the beginning");
            upstream(stream);
        });
        let link = Link::new(TcpStream::connect(address).await.expect("it listens"));
        let upload = Upload::Whole(vec![b'x'; bytes].into());
        let write = |output: &mut Vec<u8>| output.extend_from_slice(b"POST / HTTP/1.1\r\nhost: h\r\n");
        let mut exchange = link.begin(Method::POST, upload, write);
        let head = std::future::poll_fn(|cx| exchange.poll_head(cx)).await;
        serving.join().expect("the upstream ends well");
        (head, exchange)
    }

    #[tokio::test]
    async fn an_answer_before_the_end_of_the_body_counts_though_the_upstream_has_closed() {
        for _ in 0..20 {
            let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
            // It closes with most of the body unread, and so by a reset.
            let (head, mut exchange) =
                asked(32 << 20, |mut stream| stream.write_all(answer).expect("it is sent")).await;
            assert_eq!(head.expect("an answer").status.as_u16(), 413);
            assert_eq!(exchange.whole().as_deref(), Some(&b"no"[..]));
            assert!(!exchange.into_link().is_usable());
        }
    }

    #[tokio::test]
    async fn an_upstream_that_closes_without_an_answer_has_not_answered() {
        let (head, exchange) = asked(1, drop).await;
        let fault = head.expect_err("no answer");
        assert!(!exchange.may_go_again(&fault, false), "a POST that was sent is not sent twice");
        assert!(exchange.may_go_again(&fault, true));
        let half = |mut stream: std::net::TcpStream| stream.write_all(b"HTTP/1.1 2").expect("it is sent");
        let (head, exchange) = asked(1, half).await;
        assert!(!exchange.may_go_again(&head.expect_err("half an answer"), true), "something of an answer had come");
    }
}
