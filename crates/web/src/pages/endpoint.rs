//! One webhook endpoint: what it is, what was sent to it, a test event, another secret, and its end.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::webhooks::{self, EndpointPatch, host, rules};
use keymint_app::ops::{Actor, OpError, deliveries};
use keymint_app::say;
use keymint_app::store_types::{AppRow, Delivery, DeliveryState, Endpoint, EndpointState};
use keymint_domain::id::EndpointId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::SecretSource;
use serde::Deserialize;

use super::proof::{Carry, Given, Waiting};
use super::session::{BareForm, SignedIn, Visitor};
use super::webhooks::{EndpointFields, EndpointForm, carried, events_of, gate, may_manage, secret_of, shown, state_of};
use super::{Frame, Problem, in_form, minute, page};
use crate::api::extract::rfc3339;
use crate::api::webhooks::LAST;
use crate::sandbox::events;

/// Deliveries on one page.
const DELIVERIES_MAX: usize = 50;
/// How far back a person resends, at the choice of the form. Milliseconds.
const HOUR_MS: i64 = 3_600_000;

struct DeliveryLine {
    id: String,
    event: String,
    status: &'static str,
    tone: &'static str,
    tries: i64,
    created_at: String,
    created_on: String,
    next_at: String,
    next_on: String,
}

#[derive(Template)]
#[template(path = "endpoint.html")]
struct EndpointPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    may_manage: bool,
    may_test: bool,
    endpoint_id: String,
    url: String,
    warning: &'static str,
    mode: &'static str,
    status: &'static str,
    tone: &'static str,
    is_enabled: bool,
    events: String,
    event_names: Vec<Box<str>>,
    created_at: String,
    created_on: String,
    /// Who signs: `key`, `own`, or nobody.
    signs: &'static str,
    /// The public half of the key pair that signs; empty where a secret does.
    public_key: String,
    is_made: bool,
    has_overlap: bool,
    fields: EndpointFields,
    secret_problem: String,
    deliveries: Vec<DeliveryLine>,
    newest: String,
    older: String,
    problem: String,
    notice: String,
}

/// How a delivery stands, in words, and in which tone.
pub fn delivery_state(state: DeliveryState) -> (&'static str, &'static str) {
    match state {
        DeliveryState::Waiting => (say!("webhook-waiting"), "warn"),
        DeliveryState::Delivered => (say!("webhook-delivered"), "good"),
        DeliveryState::Failed => (say!("webhook-failed"), "bad"),
        DeliveryState::Held => (say!("webhook-held"), "warn"),
        DeliveryState::Dropped => (say!("webhook-dropped"), "bad"),
    }
}

fn line(delivery: Delivery) -> DeliveryLine {
    let (status, tone) = delivery_state(delivery.state);
    DeliveryLine {
        id: delivery.id.to_string(),
        event: delivery.event,
        status,
        tone,
        tries: delivery.tries,
        created_at: rfc3339(delivery.created_at),
        created_on: minute(delivery.created_at),
        next_at: delivery.next_at.map(rfc3339).unwrap_or_default(),
        next_on: delivery.next_at.map(minute).unwrap_or_default(),
    }
}

/// The endpoint that a visitor may see, its app, and who acts there.
///
/// # Errors
/// `NotFound`: whether there is such an endpoint is not told.
pub async fn own(app: &App, visitor: &Visitor, id: &str) -> Result<(Endpoint, AppRow, Actor), Problem> {
    let id: EndpointId = id.parse().map_err(|_| Problem::NotFound)?;
    let (_, row) = webhooks::find(app, Actor::System, id).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let (endpoint, row) = webhooks::find(app, actor, id).await?;
    Ok((endpoint, row, actor))
}

/// What the page says besides what is stored.
#[derive(Default)]
struct Said {
    form: Option<EndpointForm>,
    wrong: (&'static str, String),
    secret_problem: String,
    notice: String,
    before: String,
}

async fn show_page(
    app: &App,
    visitor: &Visitor,
    (endpoint, row, actor): (Endpoint, AppRow, Actor),
    said: Said,
) -> Result<Response, Problem> {
    let (membership, _) = visitor.at(row.merchant_id)?;
    let rules = rules(app, &row)?;
    let public_key = webhooks::public_key(app, &endpoint).await?.unwrap_or_default();
    let below = if said.before.is_empty() { LAST } else { &said.before };
    let limit = i64::try_from(DELIVERIES_MAX + 1).unwrap_or(i64::MAX);
    let mut sent = deliveries::list(app, actor, endpoint.id, (below, limit)).await?;
    let here = format!("/webhooks/{}", endpoint.id);
    let older = sent.get(DELIVERIES_MAX - 1).filter(|_| sent.len() > DELIVERIES_MAX);
    let older = older.map(|last| format!("{here}?before={}", last.id)).unwrap_or_default();
    sent.truncate(DELIVERIES_MAX);
    let is_fine = said.wrong.1.is_empty() && said.secret_problem.is_empty();
    let form = said.form.unwrap_or_else(|| EndpointForm::of(&endpoint));
    let is_of_form = ["url", "events", "alert_email"].contains(&said.wrong.0);
    let problem = if is_of_form { String::new() } else { said.wrong.1.clone() };
    let (status, tone) = state_of(&endpoint);
    let view = EndpointPage {
        frame: Frame { mode_is_test: endpoint.mode == Mode::Test, ..Frame::new(visitor, membership, "apps") },
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "webhooks",
        may_see_logs: true,
        may_manage: may_manage(actor, endpoint.mode),
        may_test: actor.require(Act::ManageApps).is_ok(),
        endpoint_id: endpoint.id.to_string(),
        warning: webhooks::warning(&endpoint.url).unwrap_or_default(),
        mode: endpoint.mode.as_str(),
        status,
        tone,
        is_enabled: endpoint.state == EndpointState::Enabled,
        events: events_of(&endpoint),
        event_names: rules.events.clone(),
        created_at: rfc3339(endpoint.created_at),
        created_on: super::second_utc(endpoint.created_at),
        signs: match (rules.secret, endpoint.secret_version) {
            (SecretSource::Credential, _) => "key",
            (_, 0) => "",
            _ => "own",
        },
        public_key,
        is_made: rules.secret == SecretSource::Made,
        has_overlap: rules.signing.overlap_seconds_max > 0,
        fields: EndpointFields::new(rules, &form, said.wrong),
        secret_problem: said.secret_problem,
        deliveries: sent.into_iter().map(line).collect(),
        newest: if said.before.is_empty() { String::new() } else { here },
        older,
        problem,
        notice: said.notice,
        url: endpoint.url,
    };
    page(if is_fine { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }, &view)
}

/// What was just done, and which part of the deliveries.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct EndpointQuery {
    done: String,
    count: i64,
    before: String,
}

/// The page.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<EndpointQuery>,
) -> Result<Response, Problem> {
    let own = own(&app, &visitor, &id).await?;
    let notice = match asked.done.as_str() {
        "added" => say!("webhook-done-added").to_owned(),
        "saved" => say!("common-saved").to_owned(),
        "rolled" => say!("webhook-done-rolled").to_owned(),
        "enabled" => say!("webhook-done-enabled").to_owned(),
        "disabled" => say!("webhook-done-disabled").to_owned(),
        "tested" => say!("webhook-done-tested").to_owned(),
        "resent" => say!("webhook-done-resent", count = asked.count),
        _ => String::new(),
    };
    show_page(&app, &visitor, own, Said { notice, before: asked.before, ..Said::default() }).await
}

/// Changes where events go, which, and who hears of trouble.
pub async fn edit(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let form = EndpointForm::read(pairs);
    visitor.check(form.csrf())?;
    let (endpoint, row, actor) = own(&app, &visitor, &id).await?;
    let waiting = Waiting { to: format!("/webhooks/{id}"), fields: form.carried(), act: say!("webhook-act-change") };
    let carry = gate(&app, &mut visitor, (actor, &row, endpoint.mode), form.given(), waiting).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let response = match webhooks::change(&app, actor, endpoint.id, form.patch()).await {
        Ok(_) => Redirect::to(&format!("/webhooks/{id}?done=saved")).into_response(),
        Err(error) => {
            let said = Said { wrong: in_form(error)?, form: Some(form), ..Said::default() };
            show_page(&app, &visitor, (endpoint, row, actor), said).await?
        }
    };
    Ok(carry.onto(response, &headers))
}

/// What the small forms of an endpoint send.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TurnForm {
    csrf: String,
    state: String,
    secret: String,
    sealed: String,
    overlap_seconds: u32,
    challenge: String,
    code: String,
}

impl TurnForm {
    /// Lets through whoever may change the endpoint, with a proof in live mode.
    async fn gate(
        &self,
        app: &App,
        visitor: &mut Visitor,
        own: (Actor, &AppRow, Mode),
        (to, act, secret): (String, &str, Option<&SecretText>),
    ) -> Result<Carry, Problem> {
        let mut fields = vec![
            ("csrf", self.csrf.clone()),
            ("state", self.state.clone()),
            ("overlap_seconds", self.overlap_seconds.to_string()),
        ];
        fields.extend(carried(app, visitor, secret)?);
        let given = Given { challenge: &self.challenge, code: &self.code };
        gate(app, visitor, own, given, Waiting { to, fields, act }).await
    }
}

/// Enables an endpoint, or disables it.
pub async fn set_state(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<TurnForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (endpoint, row, actor) = own(&app, &visitor, &id).await?;
    let (is_enabled, act) = match form.state.as_str() {
        "enabled" => (true, say!("webhook-act-enable")),
        "disabled" => (false, say!("webhook-act-disable")),
        _ => return Err(Problem::Stale),
    };
    let to = (format!("/webhooks/{id}/state"), act, None);
    let carry = form.gate(&app, &mut visitor, (actor, &row, endpoint.mode), to).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let patch = EndpointPatch { is_enabled: Some(is_enabled), ..EndpointPatch::default() };
    let response = match webhooks::change(&app, actor, endpoint.id, patch).await {
        Ok(_) => Redirect::to(&format!("/webhooks/{id}?done={}", form.state)).into_response(),
        Err(error) => refused(&app, &visitor, (endpoint, row, actor), error).await?,
    };
    Ok(carry.onto(response, &headers))
}

async fn refused(
    app: &App,
    visitor: &Visitor,
    own: (Endpoint, AppRow, Actor),
    error: OpError,
) -> Result<Response, Problem> {
    let (_, problem) = in_form(error)?;
    show_page(app, visitor, own, Said { wrong: ("", problem), ..Said::default() }).await
}

/// Gives an endpoint another secret; one that Keymint makes is shown, this once.
pub async fn roll_secret(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(mut form): Form<TurnForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (endpoint, row, actor) = own(&app, &visitor, &id).await?;
    let secret = secret_of(&app, &visitor, (std::mem::take(&mut form.secret), &form.sealed))?;
    let to = (format!("/webhooks/{id}/secret"), say!("webhook-act-roll"), secret.as_ref());
    let carry = form.gate(&app, &mut visitor, (actor, &row, endpoint.mode), to).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let is_chosen = secret.is_some();
    let response = match webhooks::roll_secret(&app, actor, endpoint.id, (secret, form.overlap_seconds)).await {
        Ok(made) => match made.secret.filter(|_| !is_chosen) {
            Some(secret) => shown(&visitor, &row, (&made.endpoint, &secret))?,
            None => Redirect::to(&format!("/webhooks/{id}?done=rolled")).into_response(),
        },
        Err(error) => {
            let (field, problem) = in_form(error)?;
            let label = if field == "secret" { say!("webhook-secret") } else { "" };
            let secret_problem =
                if label.is_empty() { problem } else { say!("common-field-wrong", label = label, problem = problem) };
            show_page(&app, &visitor, (endpoint, row, actor), Said { secret_problem, ..Said::default() }).await?
        }
    };
    Ok(carry.onto(response, &headers))
}

/// Deletes an endpoint.
pub async fn remove(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<TurnForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (endpoint, row, actor) = own(&app, &visitor, &id).await?;
    let to = (format!("/webhooks/{id}/delete"), say!("webhook-act-delete"), None);
    let carry = form.gate(&app, &mut visitor, (actor, &row, endpoint.mode), to).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    webhooks::remove(&app, actor, endpoint.id).await?;
    let to = format!("/apps/{}/webhooks?mode={}&done=deleted", row.id, endpoint.mode.as_str());
    Ok(carry.onto(Redirect::to(&to).into_response(), &headers))
}

/// Which test event.
#[derive(Deserialize)]
pub struct TestForm {
    csrf: String,
    event: String,
}

/// Sends a test event.
pub async fn test(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<TestForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (endpoint, row, actor) = own(&app, &visitor, &id).await?;
    let sandbox = app.products.find(&row.product).map(|product| product.sandbox.clone()).unwrap_or_default();
    let sample = events::sample(&sandbox, &row, &form.event, app.clock.now());
    match deliveries::send_test(&app, actor, endpoint.id, (&form.event, &sample)).await {
        Ok(_) => Ok(Redirect::to(&format!("/webhooks/{id}?done=tested#deliveries")).into_response()),
        Err(error) => refused(&app, &visitor, (endpoint, row, actor), error).await,
    }
}

/// How far back.
#[derive(Deserialize)]
pub struct ResendForm {
    csrf: String,
    hours: i64,
}

/// Sends once more what the endpoint has not taken.
pub async fn resend_since(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<ResendForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (endpoint, row, actor) = own(&app, &visitor, &id).await?;
    let since = UnixMs(app.clock.now().0.saturating_sub(form.hours.saturating_mul(HOUR_MS)));
    match deliveries::resend_since(&app, actor, endpoint.id, since).await {
        Ok(count) => Ok(Redirect::to(&format!("/webhooks/{id}?done=resent&count={count}#deliveries")).into_response()),
        Err(error) => refused(&app, &visitor, (endpoint, row, actor), error).await,
    }
}

struct AttemptLine {
    number: i64,
    at: String,
    at_on: String,
    took_ms: i64,
    status: String,
    problem: String,
    answer: String,
    request: String,
    answer_head: String,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    may_resend: bool,
    endpoint_id: String,
    host: String,
    delivery_id: String,
    event: String,
    event_id: String,
    status: &'static str,
    tone: &'static str,
    created_at: String,
    created_on: String,
    next_at: String,
    next_on: String,
    body: String,
    attempts: Vec<AttemptLine>,
    problem: String,
    notice: &'static str,
}

async fn delivery_page(
    app: &App,
    visitor: &Visitor,
    id: &str,
    (problem, notice): (String, &'static str),
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::NotFound)?;
    let (_, endpoint, _) = deliveries::find(app, Actor::System, id).await?;
    let (_, row, actor) = own(app, visitor, &endpoint.id.to_string()).await?;
    let (delivery, endpoint, attempts) = deliveries::find(app, actor, id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let (status, tone) = delivery_state(delivery.state);
    let attempt = |one: keymint_app::store_types::Attempt| AttemptLine {
        number: one.number,
        at: rfc3339(one.at),
        at_on: super::second(one.at),
        took_ms: one.took_ms,
        status: one.status.map(|status| status.to_string()).unwrap_or_default(),
        problem: one.problem.unwrap_or_default(),
        answer: one.answer.unwrap_or_default(),
        request: one.request.unwrap_or_default(),
        answer_head: one.answer_head.unwrap_or_default(),
    };
    let view = DeliveryPage {
        frame: Frame { mode_is_test: endpoint.mode == Mode::Test, ..Frame::new(visitor, membership, "apps") },
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "webhooks",
        may_see_logs: true,
        may_resend: actor.require(Act::ManageApps).is_ok() && endpoint.state == EndpointState::Enabled,
        endpoint_id: endpoint.id.to_string(),
        host: host(&endpoint.url),
        delivery_id: delivery.id.to_string(),
        event: delivery.event,
        event_id: delivery.event_id.to_string(),
        status,
        tone,
        created_at: rfc3339(delivery.created_at),
        created_on: super::second_utc(delivery.created_at),
        next_at: delivery.next_at.map(rfc3339).unwrap_or_default(),
        next_on: delivery.next_at.map(super::second_utc).unwrap_or_default(),
        body: delivery.body,
        attempts: attempts.into_iter().map(attempt).collect(),
        notice,
        problem,
    };
    let status = if view.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page(status, &view)
}

/// What was sent, and what came back each time.
pub async fn delivery(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<EndpointQuery>,
) -> Result<Response, Problem> {
    let notice = if asked.done == "resent" { say!("webhook-done-one-resent") } else { "" };
    delivery_page(&app, &visitor, &id, (String::new(), notice)).await
}

/// Sends an event once more.
pub async fn resend(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<BareForm>,
) -> Result<Response, Problem> {
    visitor.check(form.csrf())?;
    let delivery = id.parse().map_err(|_| Problem::NotFound)?;
    let (_, endpoint, _) = deliveries::find(&app, Actor::System, delivery).await?;
    let (_, _, actor) = own(&app, &visitor, &endpoint.id.to_string()).await?;
    match deliveries::resend(&app, actor, delivery).await {
        Ok(()) => Ok(Redirect::to(&format!("/deliveries/{id}?done=resent")).into_response()),
        Err(error) => {
            let (_, problem) = in_form(error)?;
            delivery_page(&app, &visitor, &id, (problem, "")).await
        }
    }
}
