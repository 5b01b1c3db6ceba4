//! Answers on their way back to the client, in pieces as they come from the upstream.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::flights::{Flight, Ticks};
use super::pool::Lease;
use super::upload::Progress;

/// An answer's body. When it is dropped, its connection goes back to the pool if all of it came, and is closed if not.
pub struct Download {
    body: Incoming,
    lease: Option<Lease>,
    flight: Flight,
    upload: Option<Rc<Progress>>,
    idle: Ticks,
    is_waiting: bool,
    is_whole: bool,
}

impl Download {
    /// The body of an answer that came over `lease`. `idle` is from one piece to the next.
    pub fn new(body: Incoming, lease: Lease, flight: Flight, upload: Option<Rc<Progress>>, idle: Ticks) -> Self {
        flight.allow(idle);
        Self { body, lease: Some(lease), flight, upload, idle, is_waiting: false, is_whole: false }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        loop {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Pending => {
                    // How long the upstream may be silent counts from here, not from when the client last read.
                    if !this.is_waiting {
                        this.is_waiting = true;
                        this.flight.allow(this.idle);
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are dropped.
                    if frame.is_data() {
                        this.is_waiting = false;
                        this.flight.allow(this.idle);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    this.is_whole = true;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let is_sent = self.upload.as_ref().is_none_or(|upload| upload.is_done());
        let is_whole = self.is_whole || self.body.is_end_stream();
        if let Some(lease) = self.lease.take().filter(|_| is_sent && is_whole) {
            lease.keep();
        }
        if let Some(upload) = self.upload.take().filter(|_| !is_sent) {
            upload.abandon();
        }
    }
}
