//! Events of an app, and what became of their deliveries. An event and its deliveries are written in the transaction of
//! what happened; `webhooks.rs` sends them after it.

use keymint_domain::id::{AppId, DeliveryId, EndpointId, EventId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::Webhooks;
use keymint_store::db::Conn;
use keymint_store::deliveries::{self, Attempt, Delivery, Event};
use keymint_store::error::StoreError;
use keymint_store::webhooks::{self, Endpoint, EndpointState};
use serde_json::json;

use crate::App;
use crate::ops::idempotency::{self, Repeat};
use crate::ops::webhooks::{find as find_endpoint, rules};
use crate::ops::{Actor, Change, OpError, Saying, apps, field};
use crate::say;
use crate::webhooks::Happening;

/// Largest body of an event. Bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long events, deliveries and tries are kept. Milliseconds: 30 days.
pub const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// How old an event may be that is sent once more on request: Razorpay's 15 days, for everybody. Milliseconds.
const RESEND_MS: i64 = 15 * 24 * 3_600_000;

/// What an operator's payments service says that happened.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Test or live.
    pub mode: Mode,
    /// What: one of the dialect's events.
    pub name: String,
    /// What is sent, byte for byte: JSON.
    pub body: String,
}

/// Tells an app's endpoints what happened. For the operator alone.
///
/// # Errors
/// `NotFound`; `Field`; `Forbidden` for a merchant's actor; `Conflict` with `no_webhooks`; `Store`, also when another process
/// may own the database by now.
pub async fn publish(
    app: &App,
    actor: Actor,
    app_id: AppId,
    new: &NewEvent,
    repeat: Option<&Repeat>,
) -> Result<EventId, OpError> {
    actor.require(Act::Operate)?;
    if !app.is_serving() {
        return Err(OpError::Store(StoreError::Unavailable("another process may own the database by now".to_owned())));
    }
    let row = apps::ready(app, actor, app_id).await?;
    let rules = rules(app, &row)?;
    check(rules, &new.name, &new.body)?;
    let about = (app_id, new.mode, new.name.as_str(), new.body.as_str());
    if repeat.is_some() {
        return publish_once(app, actor, (rules, about), repeat).await;
    }
    let happening = happening(app, rules, about, &app.audience(app_id, new.mode).await?)?;
    let event = happening.event();
    app.webhooks.happen(happening).await?;
    Ok(event)
}

/// The same for a call that may be repeated: in a transaction of its own, with what it is answered.
async fn publish_once(
    app: &App,
    actor: Actor,
    (rules, about): (&Webhooks, About<'_>),
    repeat: Option<&Repeat>,
) -> Result<EventId, OpError> {
    let mut tx = app.db.write().await?;
    if let Some(id) = idempotency::find(tx.conn(), actor, repeat).await? {
        tx.settle().await?;
        return id.parse().map_err(|_| OpError::NotFound("event"));
    }
    let happening = happen(app, tx.conn(), rules, about).await?;
    let event = happening.event();
    idempotency::remember(tx.conn(), app, actor, repeat, &event.to_string()).await?;
    tx.commit().await?;
    happening.written();
    Ok(event)
}

fn check(rules: &Webhooks, name: &str, body: &str) -> Result<(), OpError> {
    if !rules.has_event(name) {
        return field("name", say!("input-events", names = name));
    }
    if body.len() > BODY_BYTES_MAX {
        return field("body", say!("input-event-body", most = BODY_BYTES_MAX));
    }
    Ok(())
}

/// To which app something happened, in which mode, what, and the body that is sent.
pub type About<'a> = (AppId, Mode, &'a str, &'a str);

/// Writes an event and a delivery for each endpoint that gets it, into the transaction of what happened. The caller says
/// after the commit that they are written, and with that has them sent.
///
/// # Errors
/// `OpError::Store`, `OpError::Entropy`.
pub async fn happen(app: &App, conn: &mut Conn, rules: &Webhooks, about: About<'_>) -> Result<Happening, OpError> {
    let (app_id, mode, ..) = about;
    let happening = happening(app, rules, about, &webhooks::of_app(conn, app_id, mode).await?)?;
    happening.write(conn).await?;
    Ok(happening)
}

/// An event for those of an app's endpoints that get it.
fn happening(app: &App, rules: &Webhooks, about: About<'_>, endpoints: &[Endpoint]) -> Result<Happening, OpError> {
    let event = new_event(app, about)?;
    let enabled: Vec<_> = endpoints.iter().filter(|one| one.state == EndpointState::Enabled).collect();
    let asked: Vec<&[String]> = enabled.iter().map(|one| one.events.as_slice()).collect();
    let chosen = rules.chosen(&event.name, &asked).into_iter().filter_map(|place| enabled.get(place).copied());
    Happening::new(app, rules, event, chosen)
}

fn new_event(app: &App, (app_id, mode, name, body): About<'_>) -> Result<Event, OpError> {
    let at = app.clock.now();
    let id = EventId::fresh(at, &*app.entropy)?;
    Ok(Event { id, app_id, mode, name: name.to_owned(), body: body.to_owned(), at })
}

/// Sets off a test event, as though it had happened: for the test endpoints that ask for it, and for whoever listens.
///
/// # Errors
/// `NotFound`; `Field`; `Forbidden`; `Conflict` with `no_webhooks`.
pub async fn trigger(app: &App, actor: Actor, id: AppId, (name, body): (&str, &str)) -> Result<EventId, OpError> {
    let row = apps::find(app, actor, id).await?;
    let rules = rules(app, &row)?;
    check(rules, name, body)?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let happening = happen(app, change.conn(), rules, (id, Mode::Test, name, body)).await?;
    let event = happening.event();
    let (subject, detail) = (id.to_string(), json!({ "event": name, "id": event.to_string() }));
    let saying = Saying { action: "webhook.triggered", subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, Vec::new()).await?;
    happening.written();
    Ok(event)
}

/// Sends a test event to one endpoint, whatever it asks for.
///
/// # Errors
/// `NotFound`; `Field`; `Forbidden`; `Conflict` with `endpoint_disabled`.
pub async fn send_test(
    app: &App,
    actor: Actor,
    id: EndpointId,
    (name, body): (&str, &str),
) -> Result<DeliveryId, OpError> {
    let (_, row) = find_endpoint(app, actor, id).await?;
    let rules = rules(app, &row)?;
    check(rules, name, body)?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let endpoint = webhooks::find(change.conn(), id).await?.ok_or(OpError::NotFound("endpoint"))?;
    require_enabled(&endpoint)?;
    let event = new_event(app, (endpoint.app_id, endpoint.mode, name, body))?;
    let happening = Happening::new(app, rules, event, [&endpoint])?;
    let delivery = *happening.deliveries().first().ok_or(OpError::NotFound("delivery"))?;
    happening.write(change.conn()).await?;
    let detail = json!({ "event": name, "delivery": delivery.to_string() });
    let subject = id.to_string();
    let saying = Saying { action: "webhook.tested", subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, Vec::new()).await?;
    happening.written();
    Ok(delivery)
}

fn require_enabled(endpoint: &Endpoint) -> Result<(), OpError> {
    if endpoint.state == EndpointState::Enabled {
        return Ok(());
    }
    let message = say!("refusal-endpoint-disabled").to_owned();
    Err(OpError::Conflict { code: "endpoint_disabled", message })
}

/// An endpoint's deliveries below an id, newest first, without their bodies.
///
/// # Errors
/// `NotFound` when there is no such endpoint for the actor; `Forbidden`.
pub async fn list(
    app: &App,
    actor: Actor,
    endpoint: EndpointId,
    (below, limit): (&str, i64),
) -> Result<Vec<Delivery>, OpError> {
    find_endpoint(app, actor, endpoint).await?;
    let mut conn = app.db.read().await?;
    Ok(deliveries::of_endpoint(&mut conn, endpoint, below, limit).await?)
}

/// A delivery, its endpoint, and its tries.
///
/// # Errors
/// `NotFound` when there is none that the actor may see; `Forbidden`.
pub async fn find(app: &App, actor: Actor, id: DeliveryId) -> Result<(Delivery, Endpoint, Vec<Attempt>), OpError> {
    actor.require(Act::SeeRequests)?;
    let (delivery, attempts) = {
        let mut conn = app.db.read().await?;
        let delivery = deliveries::find(&mut conn, id).await?.ok_or(OpError::NotFound("delivery"))?;
        (delivery, deliveries::attempts(&mut conn, id).await?)
    };
    match find_endpoint(app, actor, delivery.endpoint_id).await {
        Err(OpError::NotFound(_)) => Err(OpError::NotFound("delivery")),
        found => Ok((delivery, found?.0, attempts)),
    }
}

/// Sends an event once more to the endpoint, under the same id, and from the beginning of the schedule.
///
/// # Errors
/// `NotFound`; `Forbidden`; `Conflict` with `endpoint_disabled`, and `event_too_old` after 15 days.
pub async fn resend(app: &App, actor: Actor, id: DeliveryId) -> Result<(), OpError> {
    let (delivery, endpoint, _) = find(app, actor, id).await?;
    let (_, row) = find_endpoint(app, actor, endpoint.id).await?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    require_enabled(&endpoint)?;
    let now = app.clock.now();
    if delivery.created_at.0 < now.0 - RESEND_MS {
        let message = say!("refusal-event-too-old").to_owned();
        return Err(OpError::Conflict { code: "event_too_old", message });
    }
    if !deliveries::resend(change.conn(), id, now).await? {
        return Err(OpError::NotFound("delivery"));
    }
    let (subject, detail) = (id.to_string(), json!({ "event": delivery.event_id.to_string() }));
    let saying = Saying { action: "webhook.resent", subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, Vec::new()).await?;
    app.webhooks.wake_for(vec![endpoint.id]);
    Ok(())
}

/// Sends all once more that an endpoint has not taken since a moment; how many.
///
/// # Errors
/// `NotFound`; `Forbidden`; `Field` for more than 15 days; `Conflict` with `endpoint_disabled`.
pub async fn resend_since(app: &App, actor: Actor, id: EndpointId, since: UnixMs) -> Result<u64, OpError> {
    let (endpoint, row) = find_endpoint(app, actor, id).await?;
    require_enabled(&endpoint)?;
    let now = app.clock.now();
    if since.0 < now.0 - RESEND_MS {
        return field("since", say!("input-since"));
    }
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let count = deliveries::resend_since(change.conn(), id, since, now).await?;
    let (subject, detail) = (id.to_string(), json!({ "count": count }));
    let saying = Saying { action: "webhook.resent", subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, Vec::new()).await?;
    app.webhooks.wake_for(vec![id]);
    Ok(count)
}
