//! HTTP/2 on a connection (RFC 9113), under TLS alone. Each of its requests has a peer and a task of its own, so one that
//! is cut or too slow ends alone: its stream is reset, and the others go on.
//!
//! What one connection may hold and how often it may take back what it asked for is bounded (T76); whoever goes beyond is
//! sent away with GOAWAY. Requests reach their service as those of HTTP/1 do: `Host` is there, the target is in origin
//! form, the cookie is one field. No upgrades and no `CONNECT`: WebSockets are for HTTP/1.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderValue, Method, StatusCode, Uri};
use hyper::body::{Frame, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Accepted, FIELDS_MAX, HEAD_BYTES_MAX, HEAD_DEADLINE, Open, Peer, Service};
use crate::arrival::Arrival;
use crate::deadline::{Flow, Watch, deadlines};
use crate::proxy::Fault;
use crate::reply::{self, Body};

/// Requests under way at a time.
const STREAMS_MAX: u32 = 100;
/// What a request's body may send ahead of its being read; of all together the same times four. Bytes.
const WINDOW_BYTES: u32 = 256 * 1024;
/// What waits to be written of one answer. Bytes.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// Requests that were taken back before we had looked at them, until the connection ends.
const PENDING_RESETS_MAX: usize = 20;
/// Requests that we had to reset because of what was wrong with them, until the connection ends.
const FAULTY_RESETS_MAX: usize = 64;
/// Requests that were taken back while we were at them and are not made up for by answered ones, until the connection
/// ends. A client that gives up after its own time-out does this now and then.
const ABANDONED_MAX: u32 = 100;
/// How long nothing may come before we ask whether anybody is there, and how long the answer to that may take.
const PING_AFTER: Duration = Duration::from_secs(20);
const PING_DEADLINE: Duration = Duration::from_secs(10);
/// How often an idle connection is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long a connection may be without a request, once it had one; before, a head's deadline holds. Ticks.
const IDLE_TICKS: u64 = 30;

/// What the streams of a connection share.
struct Traffic {
    arrival: Arrival,
    under_way: Cell<u32>,
    abandoned: Cell<u32>,
    has_begun: Cell<bool>,
    /// Between the call of the service and the task that carries it, which follow each other.
    begun: RefCell<Option<Begun>>,
    open: Rc<Open>,
}

/// A stream that has begun and has no task yet.
struct Begun {
    peer: Rc<Peer>,
    watch: Watch,
}

/// A request of a connection until it is answered or taken back.
struct UnderWay {
    traffic: Rc<Traffic>,
    is_answered: bool,
}

impl UnderWay {
    fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let abandoned = self.traffic.abandoned.get();
        let abandoned = if self.is_answered { abandoned.saturating_sub(1) } else { abandoned.saturating_add(1) };
        self.traffic.abandoned.set(abandoned);
    }
}

/// A body that says what became of it: more of it is asked for once what there was has found room. A client that keeps its
/// window closed would hold its stream for ever, however well it answers pings (T71).
struct Sent {
    body: Body,
    flow: Flow,
    /// What was handed over last.
    bytes: usize,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        this.flow.took(std::mem::take(&mut this.bytes));
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            this.bytes = frame.data_ref().map_or(0, Bytes::len);
            this.flow.waits();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Counts a stream until its last byte.
struct Streaming(Rc<Traffic>);

impl Streaming {
    fn new(traffic: &Rc<Traffic>) -> Self {
        traffic.under_way.set(traffic.under_way.get() + 1);
        Self(Rc::clone(traffic))
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}

impl Traffic {
    /// A peer for the next request.
    fn begin(&self) -> Rc<Peer> {
        let (deadlines, watch) = deadlines(HEAD_DEADLINE);
        let peer = Rc::new(Peer {
            arrival: self.arrival,
            fault: Arc::new(AtomicBool::new(false)),
            deadlines,
            introduction: RefCell::default(),
            is_cut: Cell::new(false),
            _open: Rc::clone(&self.open),
        });
        self.has_begun.set(true);
        self.begun.replace(Some(Begun { peer: Rc::clone(&peer), watch }));
        peer
    }
}

/// Gives each stream a task on its thread's own runtime, in which its deadlines are watched and its end is heard.
#[derive(Clone)]
struct Streams(Rc<Traffic>);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let Some(Begun { peer, mut watch }) = self.0.begun.take() else { return };
        let streaming = Streaming::new(&self.0);
        tokio::task::spawn_local(async move {
            let mut stream = pin!(stream);
            std::future::poll_fn(|cx| {
                // Dropped with what it holds, it is reset.
                let is_over = watch.poll(cx).is_ready() || peer.is_cut.get();
                if is_over { Poll::Ready(()) } else { stream.as_mut().poll(cx) }
            })
            .await;
            drop(streaming);
        });
    }
}

/// Serves a connection until it ends.
pub async fn serve<S: Service, T>(stream: T, accepted: Accepted<S>)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Accepted { arrival, service, mut stop, open, .. } = accepted;
    let traffic = Rc::new(Traffic {
        arrival,
        under_way: Cell::new(0),
        abandoned: Cell::new(0),
        has_begun: Cell::new(false),
        begun: RefCell::default(),
        open: Rc::new(open),
    });
    let seen = Rc::clone(&traffic);
    let answer = service_fn(move |request| {
        let (service, peer) = (Rc::clone(&service), seen.begin());
        let under_way = UnderWay { traffic: Rc::clone(&seen), is_answered: false };
        async move {
            let response = answer(&*service, request, &peer).await;
            under_way.answered();
            Ok::<_, Infallible>(response.map(|body| Sent { body, flow: peer.deadlines.flow(), bytes: 0 }))
        }
    });
    let connection = http2::Builder::new(Streams(Rc::clone(&traffic)))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(4 * WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(FAULTY_RESETS_MAX)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_DEADLINE)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let mut interval = tokio::time::interval(TICK);
    let (mut idle_ticks, mut is_told) = (0, false);
    loop {
        let driven = std::future::poll_fn(|cx| {
            if traffic.abandoned.get() > ABANDONED_MAX {
                // One more look, to write the GOAWAY; then it is closed, whatever is under way on it.
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().poll(cx);
                return Poll::Ready(());
            }
            connection.as_mut().poll(cx).map(drop)
        });
        tokio::select! {
            () = driven => return,
            _ = stop.changed(), if !is_told => {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = interval.tick() => {
                idle_ticks = if traffic.under_way.get() > 0 { 0 } else { idle_ticks + 1 };
                let most = if traffic.has_begun.get() { IDLE_TICKS } else { HEAD_DEADLINE.as_secs() };
                if idle_ticks > most && is_told {
                    return;
                }
                if idle_ticks > most {
                    is_told = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

async fn answer<S: Service>(
    service: &S,
    request: hyper::Request<hyper::body::Incoming>,
    peer: &Rc<Peer>,
) -> reply::Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.len() > FIELDS_MAX {
        return reply::empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    if !flatten(&mut parts) {
        peer.fault.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    service.answer(hyper::Request::from_parts(parts, body), peer).await
}

/// Brings a head into the form that one of HTTP/1 has (RFC 9113 section 8.3.1). False for one that could be read in more
/// than one way, as the eye on the bytes of HTTP/1 says it (`gateway/wire.rs`).
fn flatten(parts: &mut Parts) -> bool {
    let is_strict = parts.method != Method::CONNECT
        && parts.method.as_str().bytes().all(|byte| byte.is_ascii_uppercase())
        && parts.uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTPS)
        && parts.uri.path().starts_with('/')
        && has_one_length(parts)
        && parts.headers.values().all(is_trimmed);
    let named = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let hosts: Vec<&HeaderValue> = parts.headers.get_all(HOST).iter().collect();
    let is_one_host = match (&named, hosts.as_slice()) {
        (Some(_), []) | (None, [_]) => true,
        (Some(named), [host]) => *host == named,
        _ => false,
    };
    if let Some(named) = named {
        parts.headers.insert(HOST, named);
    }
    if let Some(target) = parts.uri.path_and_query().cloned() {
        parts.uri = Uri::from(target);
    }
    join_cookies(parts);
    is_strict && is_one_host
}

/// At most one `Content-Length`, of digits alone.
fn has_one_length(parts: &Parts) -> bool {
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let is_plain = |value: &HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    lengths.next().is_none_or(is_plain) && lengths.next().is_none()
}

/// A value neither begins nor ends with white space (RFC 9113 section 8.2.1).
fn is_trimmed(value: &HeaderValue) -> bool {
    value.as_bytes().trim_ascii().len() == value.len()
}

/// One field out of the crumbs that a cookie may come in (RFC 9113 section 8.2.3).
fn join_cookies(parts: &mut Parts) {
    let crumbs: Vec<&[u8]> = parts.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        parts.headers.insert(COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, uri: &str, fields: &[(&'static str, &'static str)]) -> (bool, Parts) {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        (flatten(&mut parts), parts)
    }

    #[test]
    fn a_head_becomes_one_of_http_1() {
        let cookies = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")];
        let (is_strict, parts) = head("GET", "https://pay.example:443/a/b?c=d", &cookies);
        assert!(is_strict);
        assert_eq!(parts.uri.to_string(), "/a/b?c=d");
        assert_eq!(parts.headers.get_all(HOST).iter().collect::<Vec<_>>(), ["pay.example:443"]);
        assert_eq!(parts.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        assert!(head("GET", "https://pay.example/", &[("host", "pay.example")]).0);
        assert!(head("GET", "/", &[("host", "pay.example")]).0, "no authority");
        assert!(head("POST", "https://h/", &[("host", "h"), ("content-length", "12")]).0);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_strict() {
        for (method, uri, fields) in [
            ("GET", "https://pay.example/", &[("host", "other.example")][..]),
            ("GET", "https://pay.example/", &[("host", "PAY.example")]),
            ("GET", "https://pay.example/", &[("host", "pay.example"), ("host", "pay.example")]),
            ("GET", "/", &[]),
            ("GET", "/", &[("host", "a"), ("host", "b")]),
            ("GET", "http://pay.example/", &[]),
            ("GET", "gopher://pay.example/", &[]),
            ("CONNECT", "pay.example:443", &[]),
            ("get", "https://pay.example/", &[]),
            ("OPTIONS", "*", &[("host", "pay.example")]),
            ("GET", "https://pay.example/", &[("x-a", " b")]),
            ("GET", "https://pay.example/", &[("x-a", "b\t")]),
            ("POST", "https://pay.example/", &[("content-length", "1"), ("content-length", "1")]),
            ("POST", "https://pay.example/", &[("content-length", "+1")]),
            ("POST", "https://pay.example/", &[("content-length", "1, 1")]),
        ] {
            assert!(!head(method, uri, fields).0, "{method} {uri} {fields:?}");
        }
    }
}
