//! WebSockets: two connections joined, from the upstream's 101 until one side ends, the credential does, or nothing has
//! moved for too long. There is no tunnel before the 101 (T84): until then the client's bytes are HTTP.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::HeaderValue;
use http::header::UPGRADE;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use keymint_domain::reason::DenyReason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::flights::{Flight, Ticks};
use super::framing::Head;
use super::headers;
use super::link::Link;
use super::pool::Lease;
use crate::listener::Peer;
use crate::reply::{Body, Response};

/// Joins client and upstream; the answer to be sent is the 101.
///
/// # Errors
/// `UpstreamFailed` when the upstream switched to something else.
pub fn open(
    answer: Head,
    client: OnUpgrade,
    (upstream, lease): (Link, Lease),
    flight: Flight,
    (peer, idle): (&Rc<Peer>, Ticks),
) -> Result<Response, DenyReason> {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    if !answer.headers.get(UPGRADE).is_some_and(is_websocket) {
        return Err(DenyReason::UpstreamFailed);
    }
    let mut response = http::Response::new(Body::default());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    headers::to_client(response.headers_mut());
    headers::upgrade(response.headers_mut());
    // Held until the tunnel ends: it counts among the open connections, and among those to the upstream.
    let held = (Rc::clone(peer), lease);
    tokio::task::spawn_local(async move {
        join(client, upstream, &flight, idle).await;
        drop(held);
    });
    Ok(response)
}

async fn join(client: OnUpgrade, upstream: Link, flight: &Flight, idle: Ticks) {
    flight.allow(idle);
    let moved = Rc::new(Cell::new(false));
    let copying = async {
        let Ok(client) = client.await else { return };
        let mut client = Noticed { inner: TokioIo::new(client), moved: Rc::clone(&moved) };
        let mut upstream = Noticed { inner: upstream.into_tunnel(), moved: Rc::clone(&moved) };
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    };
    let mut copying = std::pin::pin!(copying);
    std::future::poll_fn(|cx| {
        let copied = copying.as_mut().poll(cx);
        if moved.replace(false) {
            flight.allow(idle);
        }
        // Both sides are dropped with `copying`, and so closed.
        if copied.is_ready() || flight.poll_end(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// One side, which notes that something came from it.
struct Noticed<S> {
    inner: S,
    moved: Rc<Cell<bool>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Noticed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.moved.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noticed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
