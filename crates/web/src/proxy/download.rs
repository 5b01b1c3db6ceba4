//! Answers on their way back to the client, in pieces as they come from the upstream.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::flights::{Flight, Ticks};
use super::link::{Exchange, Fault};
use super::pool::Lease;
use super::upload::Progress;

/// An answer's body. When it is dropped, its connection goes back to the pool if all of it came, and is closed if not.
pub struct Download {
    /// The connection, until it goes back.
    under_way: Option<(Exchange, Lease)>,
    flight: Flight,
    upload: Option<Rc<Progress>>,
    idle: Ticks,
    is_waiting: bool,
    is_whole: bool,
}

impl Download {
    /// The body of an answer that came over `lease`. `idle` is from one piece to the next.
    pub fn new(exchange: Exchange, lease: Lease, flight: Flight, upload: Option<Rc<Progress>>, idle: Ticks) -> Self {
        flight.allow(idle);
        Self { under_way: Some((exchange, lease)), flight, upload, idle, is_waiting: false, is_whole: false }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        let Some((exchange, _)) = &mut this.under_way else { return Poll::Ready(None) };
        match exchange.poll_data(cx) {
            Poll::Pending => {
                // How long the upstream may be silent counts from here, not from when the client last read.
                if !this.is_waiting {
                    this.is_waiting = true;
                    this.flight.allow(this.idle);
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(piece))) => {
                this.is_waiting = false;
                this.flight.allow(this.idle);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(Some(Err(fault))) => Poll::Ready(Some(Err(fault))),
            Poll::Ready(None) => {
                this.is_whole = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole || self.left() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Download {
    fn left(&self) -> Option<u64> {
        self.under_way.as_ref().and_then(|(exchange, _)| exchange.left())
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let is_sent = self.upload.as_ref().is_none_or(|upload| upload.is_done());
        let is_over = self.is_end_stream();
        if let Some((exchange, lease)) = self.under_way.take().filter(|_| is_sent && is_over) {
            lease.keep(exchange);
        }
        if let Some(upload) = self.upload.take().filter(|_| !is_sent) {
            upload.abandon();
        }
    }
}
