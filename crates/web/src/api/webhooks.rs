//! Webhooks: endpoints, their secrets, deliveries, and events that the operator's services publish.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use keymint_app::App;
use keymint_app::ops::deliveries::{self, NewEvent};
use keymint_app::ops::webhooks::{self, EndpointPatch, NewEndpoint};
use keymint_app::store_types::{Attempt, Delivery, Endpoint};
use keymint_domain::id::{DeliveryId, EndpointId};
use keymint_domain::mode::Mode;
use keymint_domain::secret::SecretText;
use keymint_domain::webhook::signature::Kind;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use super::extract::{Acting, Page, body, cut, id, limit, moment, query, repeat, rfc3339};
use super::{List, ShownOnce, answer};
use crate::sandbox::events;

/// What an endpoint is made from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointBody {
    /// `test` or `live`.
    #[schema(value_type = String, example = "test")]
    mode: Mode,
    /// Where events go: a public address.
    #[schema(example = "https://shop.example/webhooks")]
    url: String,
    /// The names of the events; none: all of them.
    #[serde(default)]
    events: Vec<String>,
    /// `hmac`, or `ed25519` where the product has it: a key pair whose public half you check with.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "hmac")]
    signature: Kind,
    /// Whether events about one payment or order go one after the other: a later one waits until the earlier one is taken or
    /// given up.
    #[serde(default)]
    ordered: bool,
    /// The secret that signs, where you choose it.
    secret: Option<String>,
    /// Who gets a mail when the endpoint is disabled because it fails; the owners without it.
    alert_email: Option<String>,
}

/// An endpoint. `secret` stands in the answers that made it alone.
#[derive(Serialize, ToSchema)]
pub struct EndpointView {
    /// `whe_…`.
    id: String,
    /// Whose events.
    app_id: String,
    /// `test` or `live`.
    mode: &'static str,
    /// Where events go.
    url: String,
    /// The names of the events; none: all of them.
    events: Vec<String>,
    /// `enabled`, `disabled`, or `failing`: disabled because it failed.
    status: &'static str,
    /// Who gets a mail when it is disabled because it fails.
    alert_email: Option<String>,
    /// Whether a secret of its own signs.
    has_secret: bool,
    /// Whether events about one payment or order go one after the other.
    ordered: bool,
    /// `hmac` or `ed25519`.
    signature: &'static str,
    /// The key to check signatures with, where they are `ed25519`: `whpk_` and base 64.
    public_key: Option<String>,
    /// The secret: in the answer that made it, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    secret: Option<ShownOnce>,
    /// What is unwise about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    /// RFC 3339, UTC.
    created_at: String,
}

async fn view(app: &App, endpoint: Endpoint, secret: Option<SecretText>) -> Result<EndpointView, ApiError> {
    let public_key = webhooks::public_key(app, &endpoint).await?;
    Ok(EndpointView {
        id: endpoint.id.to_string(),
        app_id: endpoint.app_id.to_string(),
        mode: endpoint.mode.as_str(),
        warning: webhooks::warning(&endpoint.url),
        url: endpoint.url,
        events: endpoint.events,
        status: endpoint.state.as_str(),
        alert_email: endpoint.alert_email,
        has_secret: endpoint.secret_version > 0,
        ordered: endpoint.is_ordered,
        signature: endpoint.signature.as_str(),
        public_key,
        secret: secret.map(ShownOnce),
        created_at: rfc3339(endpoint.created_at),
    })
}

/// Make a webhook endpoint.
#[utoipa::path(post, path = "/api/v1/apps/{id}/webhook-endpoints", tag = "Webhooks", request_body = EndpointBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe.")),
    responses((status = 201, body = EndpointView), (status = "4XX", body = Problem)))]
pub async fn make(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let EndpointBody { mode, url, events, signature, ordered, secret, alert_email } = body(&bytes)?;
    let secret = secret.map(SecretText::new);
    let new = NewEndpoint { mode, url, events, signature, is_ordered: ordered, secret, alert_email };
    let repeat = repeat(&headers, &format!("webhooks.make {app_id}"), &bytes)?;
    let made = webhooks::make(&app, actor, id(&app_id, "app")?, new, repeat.as_ref()).await?;
    Ok(answer(StatusCode::CREATED, &view(&app, made.endpoint, made.secret).await?))
}

/// Which endpoints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfMode {
    mode: Mode,
}

/// List an app's webhook endpoints of a mode.
#[utoipa::path(get, path = "/api/v1/apps/{id}/webhook-endpoints", tag = "Webhooks",
    params(("id" = String, Path), ("mode" = String, Query)),
    responses((status = 200, body = List<EndpointView>), (status = "4XX", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let OfMode { mode } = query(&uri)?;
    let found = webhooks::list(&app, actor, id(&app_id, "app")?, mode).await?;
    let mut items = Vec::with_capacity(found.len());
    for endpoint in found {
        items.push(view(&app, endpoint, None).await?);
    }
    Ok(answer(StatusCode::OK, &List { items, next_cursor: None }))
}

fn endpoint_id(text: &str) -> Result<EndpointId, ApiError> {
    id(text, "endpoint")
}

/// Read a webhook endpoint.
#[utoipa::path(get, path = "/api/v1/webhook-endpoints/{id}", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
pub async fn read(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(endpoint): Path<String>,
) -> Result<Response, ApiError> {
    let (endpoint, _) = webhooks::find(&app, actor, endpoint_id(&endpoint)?).await?;
    Ok(answer(StatusCode::OK, &view(&app, endpoint, None).await?))
}

/// What may change of an endpoint; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointPatchBody {
    /// Where events go.
    url: Option<String>,
    /// The names of the events; none: all of them.
    events: Option<Vec<String>>,
    /// Who gets a mail when it is disabled because it fails; null: the owners.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    alert_email: Option<Option<String>>,
    /// Whether it gets anything. What was held in the last day is sent when it is enabled.
    enabled: Option<bool>,
    /// Whether events about one payment or order go one after the other, from what happens next on.
    ordered: Option<bool>,
}

/// Tells a null from a field that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change a webhook endpoint.
#[utoipa::path(patch, path = "/api/v1/webhook-endpoints/{id}", tag = "Webhooks", params(("id" = String, Path)),
    request_body = EndpointPatchBody, responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
pub async fn patch(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(endpoint): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let EndpointPatchBody { url, events, alert_email, enabled, ordered } = body(&bytes)?;
    let patch = EndpointPatch { url, events, alert_email, is_enabled: enabled, is_ordered: ordered };
    let changed = webhooks::change(&app, actor, endpoint_id(&endpoint)?, patch).await?;
    Ok(answer(StatusCode::OK, &view(&app, changed, None).await?))
}

/// Delete a webhook endpoint.
#[utoipa::path(delete, path = "/api/v1/webhook-endpoints/{id}", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
pub async fn remove(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(endpoint): Path<String>,
) -> Result<StatusCode, ApiError> {
    webhooks::remove(&app, actor, endpoint_id(&endpoint)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a secret is rolled.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RollSecretBody {
    /// The new secret, where you choose it.
    secret: Option<String>,
    /// How long the old one signs beside it, where the product signs with both. Seconds.
    overlap_seconds: u32,
}

/// Roll an endpoint's secret. What happened before is signed with the old one, on every try.
#[utoipa::path(post, path = "/api/v1/webhook-endpoints/{id}/roll-secret", tag = "Webhooks",
    params(("id" = String, Path)), request_body = RollSecretBody,
    responses((status = 200, body = EndpointView), (status = "4XX", body = Problem)))]
pub async fn roll_secret(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(endpoint): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let RollSecretBody { secret, overlap_seconds } = body(&bytes)?;
    let how = (secret.map(SecretText::new), overlap_seconds);
    let made = webhooks::roll_secret(&app, actor, endpoint_id(&endpoint)?, how).await?;
    Ok(answer(StatusCode::OK, &view(&app, made.endpoint, made.secret).await?))
}

/// Which test event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestBody {
    /// The name of one of the product's events.
    #[schema(example = "payment.captured")]
    pub event: String,
}

/// A delivery: one event for one endpoint.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    /// `dlv_…`.
    id: String,
    /// `evt_…`: the same on every try.
    event_id: String,
    /// The event's name.
    event: String,
    /// The endpoint.
    endpoint_id: String,
    /// `waiting`, `delivered`, `failed`, `held` (its endpoint is disabled) or `dropped` (its endpoint was deleted).
    status: &'static str,
    /// How often it was tried.
    tries: i64,
    /// RFC 3339, UTC.
    created_at: String,
    /// When it is tried next.
    next_try_at: Option<String>,
    /// What is sent, byte for byte; in the answer about one delivery alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The tries; in the answer about one delivery alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptView>>,
}

/// One try of a delivery.
#[derive(Serialize, ToSchema)]
pub struct AttemptView {
    /// The first is 1.
    number: i64,
    /// RFC 3339, UTC.
    at: String,
    /// How long it took. Milliseconds.
    took_ms: i64,
    /// The status that came back.
    status: Option<i64>,
    /// Why it counts as failed.
    problem: Option<String>,
    /// The beginning of what came back.
    answer: Option<String>,
    /// What went out before the body: `POST` and the URL, then a line for each header field.
    request: Option<String>,
    /// What came back before the body: a line for each header field.
    answer_head: Option<String>,
}

fn delivery_view(delivery: Delivery, attempts: Option<Vec<Attempt>>) -> DeliveryView {
    let attempt = |one: Attempt| AttemptView {
        number: one.number,
        at: rfc3339(one.at),
        took_ms: one.took_ms,
        status: one.status,
        problem: one.problem,
        answer: one.answer,
        request: one.request,
        answer_head: one.answer_head,
    };
    DeliveryView {
        id: delivery.id.to_string(),
        event_id: delivery.event_id.to_string(),
        event: delivery.event,
        endpoint_id: delivery.endpoint_id.to_string(),
        status: delivery.state.as_str(),
        tries: delivery.tries,
        created_at: rfc3339(delivery.created_at),
        next_try_at: delivery.next_at.map(rfc3339),
        body: attempts.is_some().then_some(delivery.body),
        attempts: attempts.map(|all| all.into_iter().map(attempt).collect()),
    }
}

/// Send a test event to an endpoint.
#[utoipa::path(post, path = "/api/v1/webhook-endpoints/{id}/test", tag = "Webhooks", params(("id" = String, Path)),
    request_body = TestBody, responses((status = 202, body = DeliveryView), (status = "4XX", body = Problem)))]
pub async fn test(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(endpoint): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let TestBody { event } = body(&bytes)?;
    let endpoint = endpoint_id(&endpoint)?;
    let (_, row) = webhooks::find(&app, actor, endpoint).await?;
    let sandbox = app.products.find(&row.product).map(|product| product.sandbox.clone()).unwrap_or_default();
    let sample = events::sample(&sandbox, &row, &event, app.clock.now());
    let delivery = deliveries::send_test(&app, actor, endpoint, (&event, &sample)).await?;
    let (delivery, ..) = deliveries::find(&app, actor, delivery).await?;
    Ok(answer(StatusCode::ACCEPTED, &delivery_view(delivery, None)))
}

/// List an endpoint's deliveries, newest first.
#[utoipa::path(get, path = "/api/v1/webhook-endpoints/{id}/deliveries", tag = "Webhooks",
    params(("id" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = List<DeliveryView>), (status = "4XX", body = Problem)))]
pub async fn deliveries_of(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(endpoint): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let page: Page = query(&uri)?;
    let limit = limit(page.limit)?;
    let below = page.cursor.as_deref().unwrap_or(LAST);
    let found = deliveries::list(&app, actor, endpoint_id(&endpoint)?, (below, limit + 1)).await?;
    let (items, next_cursor) = cut(found, limit, |delivery| delivery.id.to_string());
    let items = items.into_iter().map(|delivery| delivery_view(delivery, None)).collect();
    Ok(answer(StatusCode::OK, &List { items, next_cursor }))
}

/// Sorts behind every delivery's id.
pub const LAST: &str = "dlv_~";

fn delivery_id(text: &str) -> Result<DeliveryId, ApiError> {
    id(text, "delivery")
}

/// Read a delivery with its body and its tries.
#[utoipa::path(get, path = "/api/v1/webhook-deliveries/{id}", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 200, body = DeliveryView), (status = "4XX", body = Problem)))]
pub async fn delivery(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(delivery): Path<String>,
) -> Result<Response, ApiError> {
    let (delivery, _, attempts) = deliveries::find(&app, actor, delivery_id(&delivery)?).await?;
    Ok(answer(StatusCode::OK, &delivery_view(delivery, Some(attempts))))
}

/// Send an event once more, under the same event id.
#[utoipa::path(post, path = "/api/v1/webhook-deliveries/{id}/resend", tag = "Webhooks", params(("id" = String, Path)),
    responses((status = 202), (status = "4XX", body = Problem)))]
pub async fn resend(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(delivery): Path<String>,
) -> Result<StatusCode, ApiError> {
    deliveries::resend(&app, actor, delivery_id(&delivery)?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Since when.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendBody {
    /// RFC 3339; within the last 15 days.
    since: String,
}

/// How many are sent once more.
#[derive(Serialize, ToSchema)]
pub struct ResendView {
    /// The number.
    count: u64,
}

/// Send once more what an endpoint has not taken since a moment.
#[utoipa::path(post, path = "/api/v1/webhook-endpoints/{id}/resend", tag = "Webhooks", params(("id" = String, Path)),
    request_body = ResendBody, responses((status = 202, body = ResendView), (status = "4XX", body = Problem)))]
pub async fn resend_since(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(endpoint): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let ResendBody { since } = body(&bytes)?;
    let since = moment("since", &since)?;
    let count = deliveries::resend_since(&app, actor, endpoint_id(&endpoint)?, since).await?;
    Ok(answer(StatusCode::ACCEPTED, &ResendView { count }))
}

/// What happened, as the operator's payments service says it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventBody {
    /// `test` or `live`.
    #[schema(value_type = String, example = "live")]
    mode: Mode,
    /// The name of one of the product's events.
    #[schema(example = "payment.captured")]
    name: String,
    /// What is sent, byte for byte.
    #[schema(example = "{\"event\":\"payment.captured\"}")]
    body: String,
}

/// An event.
#[derive(Serialize, ToSchema)]
pub struct EventView {
    /// `evt_…`.
    id: String,
}

/// Tell an app's endpoints what happened. For operator tokens.
#[utoipa::path(post, path = "/api/v1/apps/{id}/events", tag = "Webhooks", request_body = EventBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe.")),
    responses((status = 202, body = EventView), (status = "4XX", body = Problem)))]
pub async fn publish(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let EventBody { mode, name, body: text } = body(&bytes)?;
    let new = NewEvent { mode, name, body: text };
    let repeat = repeat(&headers, &format!("events.publish {app_id}"), &bytes)?;
    let event = deliveries::publish(&app, actor, id(&app_id, "app")?, &new, repeat.as_ref()).await?;
    Ok(answer(StatusCode::ACCEPTED, &EventView { id: event.to_string() }))
}
