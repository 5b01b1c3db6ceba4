//! Bodies: read whole, bounded in bytes and in time. Most come in one piece and are not copied.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};

use crate::deadline::Deadlines;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// More bytes than allowed.
    TooLarge,
    /// Not there in time.
    TooSlow,
    /// Cut off, or not in the form that its head announced.
    Broken,
}

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes.
    pub bytes_max: usize,
    /// How long until all of it is there. At least the connection's pause.
    pub duration: Duration,
}

/// Reads a body; trailers are dropped.
///
/// # Errors
/// `BodyFault`.
pub async fn whole(mut body: Incoming, limits: BodyLimits, deadlines: &Deadlines) -> Result<Bytes, BodyFault> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let wait = deadlines.wait(limits.duration);
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    loop {
        let frame = std::future::poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Pending if wait.is_over() => Poll::Ready(Err(BodyFault::TooSlow)),
            polled => polled.map(Ok),
        });
        let Some(frame) = frame.await? else { break };
        let Ok(part) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
        if first.len() + joined.len() + part.len() > limits.bytes_max {
            return Err(BodyFault::TooLarge);
        }
        if first.is_empty() && joined.is_empty() {
            first = part;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut first));
            joined.extend_from_slice(&part);
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}
