//! A caller that goes away: its future is polled for a while, as a runtime does, and then dropped where it stands.

use std::pin::pin;
use std::task::Poll;

/// Polls a future at most so many times, each time that it asks for it, and drops it; its value, if it came that far.
pub async fn cut_off_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        let Some(rest) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = rest;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
