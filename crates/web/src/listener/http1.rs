//! HTTP/1 on a connection: strict bytes, deadlines, and an end when the peer is cut.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Accepted, FIELDS_MAX, HEAD_BYTES_MAX, HEAD_DEADLINE, Peer, Service};
use crate::gateway::wire::Watched;

/// Serves a connection until it ends. Generic over what carries it, so that plain HTTP pays nothing for TLS.
pub async fn serve<S: Service, T>(stream: T, accepted: Accepted<S>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Accepted { arrival, service, mut stop, open, deadlines: (deadlines, mut watch) } = accepted;
    let (watched, fault) = Watched::new(stream, deadlines.writing());
    let (is_cut, introduction) = (Cell::new(false), RefCell::default());
    let peer =
        Rc::new(Peer { arrival, fault, deadlines: deadlines.clone(), introduction, is_cut, _open: Rc::new(open) });
    let seen = Rc::clone(&peer);
    let answer = service_fn(move |request| {
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
    let (mut is_listening, mut is_stopping) = (false, false);
    let whole = std::future::poll_fn(|cx| {
        // Once it listens for the stop, only news of it is a reason to look again: this runs for each request.
        if !is_stopping && (!is_listening || news.has_changed().unwrap_or(true)) {
            is_listening = true;
            if told.as_mut().poll(cx).is_ready() {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
        if watch.poll(cx).is_ready() || seen.is_cut.get() {
            return Poll::Ready(());
        }
        connection.as_mut().poll(cx).map(drop)
    });
    whole.await;
}
