//! An app's webhook endpoints: the list, a new one, and what may change of one. A secret that Keymint makes is shown once.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::webhooks::{self, EndpointPatch, NewEndpoint};
use keymint_app::ops::{Actor, OpError, credentials};
use keymint_app::say;
use keymint_app::store_types::{AppRow, Endpoint, EndpointState};
use keymint_domain::mode::Mode;
use keymint_domain::secret::SecretText;
use keymint_domain::webhook::signature::Kind;
use keymint_domain::webhook::{SecretSource, Webhooks};
use serde::Deserialize;

use super::keys::{self, once, own, repeat};
use super::proof::{self, Carry, Given, Waiting};
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, day, in_form, page};
use crate::api::extract::rfc3339;

struct EndpointLine {
    id: String,
    url: String,
    events: String,
    status: &'static str,
    tone: &'static str,
    created_at: String,
    created_on: String,
}

/// An event that may be asked for.
pub struct EventBox {
    /// Its name.
    pub name: Box<str>,
    /// Whether it is asked for.
    pub is_chosen: bool,
}

/// What the fields of an endpoint's form show.
pub struct EndpointFields {
    /// Where events go.
    pub url: String,
    /// The events there are.
    pub events: Vec<EventBox>,
    /// How many of them are chosen.
    pub events_chosen: usize,
    /// Whether what is about one payment goes one after the other.
    pub is_ordered: bool,
    /// Who hears of trouble.
    pub alert_email: String,
    /// Which field is wrong.
    pub field: &'static str,
    /// And how.
    pub problem: String,
}

impl EndpointFields {
    /// The fields as they were typed, or as they are.
    pub fn new(rules: &Webhooks, form: &EndpointForm, (field, problem): (&'static str, String)) -> Self {
        let is_chosen = |name: &str| form.events.iter().any(|chosen| chosen == name);
        let events = rules.events.iter().map(|name| EventBox { is_chosen: is_chosen(name), name: name.clone() });
        Self {
            url: form.url.clone(),
            events: events.collect(),
            events_chosen: form.events.len(),
            is_ordered: !form.ordered.is_empty(),
            alert_email: form.alert_email.clone(),
            field,
            problem,
        }
    }
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    mode: &'static str,
    tab: &'static str,
    may_see_logs: bool,
    may_manage: bool,
    /// Whether the product sends any.
    has_webhooks: bool,
    product: String,
    is_full: bool,
    endpoints_max: usize,
    endpoints: Vec<EndpointLine>,
    fields: EndpointFields,
    /// Whether a key pair may sign, and does.
    may_pair: bool,
    is_pair: bool,
    /// Whether a secret may be chosen, and whether there is one without.
    may_choose: bool,
    is_made: bool,
    once: String,
    notice: &'static str,
}

#[derive(Template)]
#[template(path = "webhook_shown.html")]
struct ShownPage<'a> {
    frame: Frame,
    endpoint_id: String,
    url: &'a str,
    secret: &'a str,
}

/// What is said of an endpoint's state, and in which tone.
pub fn state_of(endpoint: &Endpoint) -> (&'static str, &'static str) {
    match endpoint.state {
        EndpointState::Enabled => (say!("webhook-enabled"), "good"),
        EndpointState::Disabled => (say!("common-disabled"), "warn"),
        EndpointState::Failing => (say!("webhook-failing"), "bad"),
        EndpointState::Deleted => (say!("webhook-deleted"), "bad"),
    }
}

/// What is said of the events that an endpoint asks for.
pub fn events_of(endpoint: &Endpoint) -> String {
    match endpoint.events.as_slice() {
        [] => say!("webhook-all-events").to_owned(),
        [one] => one.clone(),
        many => say!("webhook-events-count", count = many.len()),
    }
}

fn line(endpoint: Endpoint) -> EndpointLine {
    let (status, tone) = state_of(&endpoint);
    EndpointLine {
        id: endpoint.id.to_string(),
        events: events_of(&endpoint),
        status,
        tone,
        created_at: rfc3339(endpoint.created_at),
        created_on: day(endpoint.created_at),
        url: endpoint.url,
    }
}

/// Whether a person may change endpoints of a mode, with a proof or yet without.
pub fn may_manage(actor: Actor, mode: Mode) -> bool {
    !matches!(actor.require(credentials::manage(mode)), Err(OpError::Forbidden))
}

/// Lets through whoever may change endpoints of a mode: in live mode with a second factor, in test mode with the code that
/// the dialect has for it, where it has one.
///
/// # Errors
/// `Forbidden`; `Instead` with the page that asks.
pub async fn gate(
    app: &App,
    visitor: &mut Visitor,
    (actor, row, mode): (Actor, &AppRow, Mode),
    given: Given<'_>,
    waiting: Waiting<'_>,
) -> Result<Carry, Problem> {
    let test_code = app.products.find(&row.product).and_then(|product| product.dialect.webhooks.as_ref());
    if mode == Mode::Test
        && let Some(code) = test_code.and_then(|rules| rules.test_code.as_deref())
    {
        actor.require(credentials::manage(mode))?;
        return proof::rehearse(code, given, waiting).map(|()| Carry::nothing());
    }
    keys::gate(app, visitor, (actor, mode), given, waiting).await
}

/// What an endpoint's forms send. Events come as one pair for each, so the pairs are read by hand.
#[derive(Default)]
pub struct EndpointForm {
    csrf: String,
    once: String,
    mode: String,
    url: String,
    events: Vec<String>,
    signature: String,
    secret: String,
    sealed: String,
    ordered: String,
    alert_email: String,
    challenge: String,
    code: String,
}

/// The secret that a form brings: typed, or carried through the page that asked for a proof.
///
/// # Errors
/// `Stale` for one that was sealed for another session.
pub fn secret_of(app: &App, visitor: &Visitor, (typed, sealed): (String, &str)) -> Result<Option<SecretText>, Problem> {
    if !sealed.is_empty() {
        let session = visitor.person.session;
        return webhooks::carried_secret(app, session, sealed).map(Some).ok_or(Problem::Stale);
    }
    Ok((!typed.is_empty()).then(|| SecretText::new(typed)))
}

/// The field in which a secret is carried; nothing without one.
///
/// # Errors
/// `Internal`.
pub fn carried(
    app: &App,
    visitor: &Visitor,
    secret: Option<&SecretText>,
) -> Result<Option<(&'static str, String)>, Problem> {
    let sealed = secret.map(|secret| webhooks::carry_secret(app, visitor.person.session, secret)).transpose()?;
    Ok(sealed.map(|text| ("sealed", text)))
}

impl EndpointForm {
    /// Reads the pairs; those of other names are nobody's.
    pub fn read(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            let place = match name.as_str() {
                "csrf" => &mut form.csrf,
                "once" => &mut form.once,
                "mode" => &mut form.mode,
                "url" => &mut form.url,
                "ordered" => &mut form.ordered,
                "signature" => &mut form.signature,
                "secret" => &mut form.secret,
                "sealed" => &mut form.sealed,
                "alert_email" => &mut form.alert_email,
                "challenge" => &mut form.challenge,
                "code" => &mut form.code,
                "events" => {
                    form.events.push(value);
                    continue;
                }
                _ => continue,
            };
            *place = value;
        }
        form
    }

    /// The form of an endpoint as it is.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self {
            url: endpoint.url.clone(),
            events: endpoint.events.clone(),
            ordered: if endpoint.is_ordered { "yes".to_owned() } else { String::new() },
            alert_email: endpoint.alert_email.clone().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The token.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    /// What a page that asks for a proof carries along: all but the answer, and no secret.
    pub fn carried(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("csrf", &self.csrf),
            ("once", &self.once),
            ("mode", &self.mode),
            ("url", &self.url),
            ("alert_email", &self.alert_email),
            ("signature", &self.signature),
            ("ordered", &self.ordered),
        ];
        let mut fields: Vec<_> = texts.into_iter().map(|(name, text)| (name, text.clone())).collect();
        fields.extend(self.events.iter().map(|event| ("events", event.clone())));
        fields
    }

    /// The answer to a challenge.
    pub fn given(&self) -> Given<'_> {
        Given { challenge: &self.challenge, code: &self.code }
    }

    /// The change.
    pub fn patch(&self) -> EndpointPatch {
        EndpointPatch {
            url: Some(self.url.trim().to_owned()),
            events: Some(self.events.clone()),
            alert_email: Some((!self.alert_email.trim().is_empty()).then(|| self.alert_email.clone())),
            is_enabled: None,
            is_ordered: Some(!self.ordered.is_empty()),
        }
    }
}

/// What the page says besides the list.
#[derive(Default)]
struct Said {
    form: EndpointForm,
    wrong: (&'static str, String),
    notice: &'static str,
}

async fn listed(
    app: &App,
    visitor: &Visitor,
    (row, actor): (AppRow, Actor),
    mode: Mode,
    said: Said,
) -> Result<Response, Problem> {
    let endpoints = webhooks::list(app, actor, row.id, mode).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let status = if said.wrong.1.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let product = app.products.find(&row.product);
    let rules = product.and_then(|product| product.dialect.webhooks.as_ref());
    let endpoints_max = rules.map_or(0, |rules| rules.endpoints_max);
    let none = || EndpointFields {
        url: String::new(),
        events: Vec::new(),
        events_chosen: 0,
        is_ordered: false,
        alert_email: String::new(),
        field: "",
        problem: String::new(),
    };
    let view = WebhooksPage {
        frame: Frame { mode_is_test: mode == Mode::Test, ..Frame::new(visitor, membership, "apps") },
        app_id: row.id.to_string(),
        app_name: row.name,
        mode: mode.as_str(),
        tab: "webhooks",
        may_see_logs: true,
        may_manage: may_manage(actor, mode),
        has_webhooks: rules.is_some(),
        product: product.map_or_else(String::new, |product| product.dialect.title.to_string()),
        is_full: endpoints.len() >= endpoints_max,
        endpoints_max,
        endpoints: endpoints.into_iter().map(line).collect(),
        may_pair: rules.is_some_and(|rules| rules.signing.ed25519_prefix.is_some()),
        is_pair: said.form.signature == Kind::Ed25519.as_str(),
        may_choose: rules.is_some_and(|rules| rules.secret != SecretSource::Credential),
        is_made: rules.is_some_and(|rules| rules.secret == SecretSource::Made),
        fields: rules.map_or_else(none, |rules| EndpointFields::new(rules, &said.form, said.wrong)),
        once: once(app)?,
        notice: said.notice,
    };
    page(status, &view)
}

/// Which mode, and what was just done.
#[derive(Deserialize)]
pub struct WebhooksQuery {
    mode: Option<Mode>,
    #[serde(default)]
    done: String,
}

/// The endpoints of an app in one mode.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<WebhooksQuery>,
) -> Result<Response, Problem> {
    let own = own(&app, &visitor, &id).await?;
    let notice = if asked.done == "deleted" { say!("webhook-done-deleted") } else { "" };
    listed(&app, &visitor, own, asked.mode.unwrap_or(Mode::Test), Said { notice, ..Said::default() }).await
}

/// Makes an endpoint. A secret that Keymint made is shown, this once.
pub async fn make(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let mut form = EndpointForm::read(pairs);
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    let mode = Mode::parse(&form.mode).ok_or(Problem::Stale)?;
    let secret = secret_of(&app, &visitor, (std::mem::take(&mut form.secret), &form.sealed))?;
    let mut fields = form.carried();
    fields.extend(carried(&app, &visitor, secret.as_ref())?);
    let waiting = Waiting { to: format!("/apps/{}/webhooks", row.id), fields, act: say!("webhook-act-add") };
    let carry = gate(&app, &mut visitor, (actor, &row, mode), form.given(), waiting).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let is_chosen = secret.is_some();
    let patch = form.patch();
    let new = NewEndpoint {
        mode,
        url: patch.url.unwrap_or_default(),
        events: form.events.clone(),
        is_ordered: patch.is_ordered.unwrap_or_default(),
        signature: Kind::parse(&form.signature).unwrap_or_default(),
        secret,
        alert_email: patch.alert_email.flatten(),
    };
    let repeat = repeat(&format!("webhook.{}", row.id), &form.once)?;
    let response = match webhooks::make(&app, actor, row.id, new, Some(&repeat)).await {
        Ok(made) => match made.secret.filter(|_| !is_chosen) {
            Some(secret) => shown(&visitor, &row, (&made.endpoint, &secret))?,
            None => Redirect::to(&format!("/webhooks/{}?done=added", made.endpoint.id)).into_response(),
        },
        Err(error) => {
            let wrong = in_form(error)?;
            listed(&app, &visitor, (row, actor), mode, Said { form, wrong, ..Said::default() }).await?
        }
    };
    Ok(carry.onto(response, &headers))
}

/// The page with a secret, this once.
pub fn shown(
    visitor: &Visitor,
    row: &AppRow,
    (endpoint, secret): (&Endpoint, &SecretText),
) -> Result<Response, Problem> {
    let (membership, _) = visitor.at(row.merchant_id)?;
    let view = ShownPage {
        frame: Frame { mode_is_test: endpoint.mode == Mode::Test, ..Frame::new(visitor, membership, "apps") },
        endpoint_id: endpoint.id.to_string(),
        url: &endpoint.url,
        secret: secret.expose(),
    };
    page(StatusCode::CREATED, &view)
}
