//! Test events as they happen, as server-sent events, and how one is set off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use hyper::body::Frame;
use keymint_app::App;
use keymint_app::ops::listening::{Listener, listen as begin};
use keymint_app::ops::{apps, deliveries};
use keymint_app::store_types::Event;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::answer;
use super::error::{ApiError, Problem};
use super::extract::{Acting, body, id, rfc3339};
use super::webhooks::{EventView, TestBody};
use crate::sandbox::events;

/// How long one stream lasts. Whoever listens comes again and is asked for the token again, so one that was revoked hears
/// nothing after this.
const STREAM: Duration = Duration::from_secs(60);
/// Pieces that wait for a client that does not read.
const PIECES_MAX: usize = 4;
/// What a client says that it has seen last (HTML Living Standard, section 9.2.4).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A test event on its way to a listener.
#[derive(Serialize)]
struct Told {
    id: String,
    name: String,
    body: String,
    at: String,
}

/// One event as the lines of a stream.
fn lines(event: Event) -> String {
    let id = event.id.to_string();
    let told = Told { id: id.clone(), name: event.name, body: event.body, at: rfc3339(event.at) };
    format!("id: {id}\ndata: {}\n\n", serde_json::to_string(&told).unwrap_or_default())
}

/// What comes out of a channel.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Tells what happens until nobody reads any more.
async fn tell(mut listener: Listener, pieces: mpsc::Sender<Bytes>) {
    if pieces.send(Bytes::from_static(b": listening\n\n")).await.is_err() {
        return;
    }
    loop {
        let events = match listener.next().await {
            Ok(events) => events,
            Err(error) => return tracing::error!(%error, "a listener is not told what happens"),
        };
        let mut text: String = events.into_iter().map(lines).collect();
        if text.is_empty() {
            // Says that the connection is there, and notices that it is not.
            ": nothing\n\n".clone_into(&mut text);
        }
        if pieces.send(text.into()).await.is_err() {
            return;
        }
    }
}

/// Listen to an app's test events: server-sent events for a minute, each `data` an object with `id`, `name`, `body` and `at`.
/// Come again with `Last-Event-ID`: what came in the half minute before that event comes once more, so keep ids.
#[utoipa::path(get, path = "/api/v1/apps/{id}/test-events", tag = "Webhooks",
    params(("id" = String, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "The event that you have seen last.")),
    responses((status = 200, content_type = "text/event-stream"), (status = "4XX", body = Problem)))]
pub async fn listen(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default().parse()).transpose();
    let last = last.map_err(|_| {
        let detail = "Last-Event-ID must be the id of an event, `evt_…`.";
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_last_event_id", detail)
    })?;
    let listener = begin(&app, actor, id(&app_id, "app")?, last).await?;
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        let _ = tokio::time::timeout(STREAM, tell(listener, sender)).await;
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, axum::body::Body::new(Stream(receiver))).into_response())
}

/// Set off a test event: it goes to the app's test endpoints that ask for it, and to whoever listens.
#[utoipa::path(post, path = "/api/v1/apps/{id}/test-events", tag = "Webhooks", request_body = TestBody,
    params(("id" = String, Path)),
    responses((status = 202, body = EventView), (status = "4XX", body = Problem)))]
pub async fn trigger(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let TestBody { event } = body(&bytes)?;
    let app_id = id(&app_id, "app")?;
    let row = apps::find(&app, actor, app_id).await?;
    let sandbox = app.products.find(&row.product).map(|product| product.sandbox.clone()).unwrap_or_default();
    let sample = events::sample(&sandbox, &row, &event, app.clock.now());
    let event = deliveries::trigger(&app, actor, app_id, (&event, &sample)).await?;
    Ok(answer(StatusCode::ACCEPTED, &json!({ "id": event.to_string() })))
}
