//! HTTP/1 on a connection: strict bytes, deadlines, and an end when the peer is cut.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Accepted, FIELDS_MAX, HEAD_BYTES_MAX, HEAD_DEADLINE, Peer, Service};
use crate::gateway::wire::Watched;

/// How long a connection that was made before a stop has for its first request. hyper would close it unheard, and whoever
/// made it would not know whether its request was read.
const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(500);

/// Serves a connection until it ends. Generic over what carries it, so that plain HTTP pays nothing for TLS.
pub async fn serve<S: Service, T>(stream: T, accepted: Accepted<S>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Accepted { arrival, service, mut stop, open, deadlines: (deadlines, mut watch) } = accepted;
    let (watched, fault) = Watched::new(stream, deadlines.flow());
    let (is_cut, introduction) = (Cell::new(false), RefCell::default());
    let peer =
        Rc::new(Peer { arrival, fault, deadlines: deadlines.clone(), introduction, is_cut, _open: Rc::new(open) });
    let seen = Rc::clone(&peer);
    let has_begun = Rc::new(Cell::new(false));
    let begins = Rc::clone(&has_begun);
    let answer = service_fn(move |request| {
        begins.set(true);
        let (service, peer) = (Rc::clone(&service), Rc::clone(&peer));
        async move { Ok::<_, std::convert::Infallible>(service.answer(request, &peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(deadlines)
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(FIELDS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false)
        .serve_connection(TokioIo::new(watched), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let news = stop.clone();
    let mut told = std::pin::pin!(stop.changed());
    let (mut is_listening, mut is_told, mut grace) = (false, false, None);
    let whole = std::future::poll_fn(|cx| {
        // Once it listens for the stop, only news of it is a reason to look again: this runs for each request.
        if grace.is_none() && (!is_listening || news.has_changed().unwrap_or(true)) {
            is_listening = true;
            if told.as_mut().poll(cx).is_ready() {
                grace = Some(Box::pin(tokio::time::sleep(FIRST_REQUEST_GRACE)));
            }
        }
        loop {
            if let Some(grace) = grace.as_mut().filter(|_| !is_told)
                && (has_begun.get() || grace.as_mut().poll(cx).is_ready())
            {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            if watch.poll(cx).is_ready() || seen.is_cut.get() {
                return Poll::Ready(());
            }
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if grace.is_none() || is_told || !has_begun.get() {
                return Poll::Pending;
            }
        }
    });
    whole.await;
}
