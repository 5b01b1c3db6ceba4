//! An app's settings: its details and logo, its domains, and whether its keys work. Its providers are in `providers.rs`.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::apps::{self, AppState};
use keymint_app::ops::{OpError, credentials, domains, gateways, providers};
use keymint_app::say;
use keymint_app::store_types::AppRow;
use keymint_domain::restriction::DOMAINS_MAX;
use keymint_domain::role::Act;
use serde::Deserialize;

use super::apps::{Marked, NewAppForm, Wrong, fields, line, logo_change, logos, wrong_with};
use super::field::Field;
use super::keys::{gate, own};
use super::proof::{Given, Waiting};
use super::providers::ProvidersView;
use super::session::{SignedIn, Visitor};
use super::upload::Sent;
use super::{Frame, Problem, in_form, page};

#[derive(Template)]
#[template(path = "app_settings.html")]
struct SettingsPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    may_manage: bool,
    is_enabled: bool,
    product: String,
    created_at: String,
    created_on: String,
    fields: Vec<Field>,
    has_logo: bool,
    logo_error: String,
    /// Whether the product's dialect looks at origins at all.
    has_domains: bool,
    may_change_domains: bool,
    domains: Vec<Box<str>>,
    domains_max: usize,
    domain_typed: String,
    domain_error: String,
    providers: ProvidersView,
    has_gateways: bool,
    problem: String,
    notice: &'static str,
}

/// What the page says besides what is stored.
#[derive(Default)]
pub struct Said {
    form: Option<NewAppForm>,
    wrong: Wrong,
    domain_typed: String,
    domain_error: String,
    /// Those chosen, and what is wrong with them.
    providers: (Vec<String>, String),
    notice: &'static str,
}

impl Said {
    /// A choice of providers was refused.
    pub fn refused_providers(typed: Vec<String>, problem: String) -> Self {
        Self { providers: (typed, problem), ..Self::default() }
    }
}

/// The page, with what is to be said on it.
pub async fn shown(app: &App, visitor: &Visitor, row: AppRow, said: Said) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(row.merchant_id)?;
    let is_fine = said.wrong.problem.is_empty() && said.domain_error.is_empty() && said.providers.1.is_empty();
    let status = if is_fine { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let form = said.form.unwrap_or_else(|| NewAppForm::of(&row));
    let Marked { fields, logo_error, problem } = fields(&form, said.wrong);
    let reach = apps::reach(app, actor, row.id).await?;
    let manage = credentials::manage(reach);
    let choice = providers::list(app, actor, row.id).await?;
    let may_change_domains =
        actor.require(Act::ManageApps).is_ok() && !matches!(actor.require(manage), Err(OpError::Forbidden));
    let listed = domains::list(app, actor, row.id).await?;
    let product = app.products.find(&row.product);
    let created_on = super::second_utc(row.created_at);
    let has_gateways = !gateways::of_product(app, &row.product).is_empty() && actor.require(Act::SeeRequests).is_ok();
    let shown = line(app, row, &logos(app, actor, membership.merchant_id).await?);
    let view = SettingsPage {
        frame: Frame::new(visitor, membership, "apps"),
        app_id: shown.id,
        app_name: shown.name,
        tab: "settings",
        may_see_logs: actor.require(Act::SeeRequests).is_ok(),
        may_manage: actor.require(Act::ManageApps).is_ok(),
        is_enabled: shown.is_enabled,
        product: shown.product,
        created_at: shown.created_at,
        created_on,
        fields,
        has_logo: !shown.logo.is_empty(),
        logo_error,
        has_domains: !listed.is_empty() || product.is_some_and(|product| product.dialect.allowed_origins_max > 0),
        may_change_domains,
        domains: listed,
        domains_max: DOMAINS_MAX,
        domain_typed: said.domain_typed,
        domain_error: said.domain_error,
        providers: ProvidersView::new((actor, reach), choice, said.providers),
        has_gateways,
        problem,
        notice: said.notice,
    };
    page(status, &view)
}

/// What was just done.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SettingsQuery {
    done: String,
}

/// The page.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<SettingsQuery>,
) -> Result<Response, Problem> {
    let (row, _) = own(&app, &visitor, &id).await?;
    let notice = match asked.done.as_str() {
        "saved" => say!("common-saved"),
        "enabled" => say!("settings-done-enabled"),
        "disabled" => say!("settings-done-disabled"),
        "domain-added" => say!("settings-done-domain-added"),
        "domain-removed" => say!("settings-done-domain-removed"),
        "providers" => say!("settings-done-providers"),
        "providers-all" => say!("settings-done-providers-all"),
        "domain-last" => say!("settings-done-domain-last"),
        _ => "",
    };
    shown(&app, &visitor, row, Said { notice, ..Said::default() }).await
}

/// Changes an app.
pub async fn edit(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Sent { form, file }: Sent<NewAppForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    actor.require(Act::ManageApps)?;
    let done = match logo_change(&app, &form, file).await {
        Ok(logo) => apps::edit(&app, actor, row.id, &form.app(logo)).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(row) => Ok(Redirect::to(&format!("/apps/{}/settings?done=saved", row.id)).into_response()),
        Err(error) => {
            let wrong = wrong_with(error)?;
            shown(&app, &visitor, row, Said { form: Some(form), wrong, ..Said::default() }).await
        }
    }
}

/// What the switch of an app sends.
#[derive(Deserialize)]
pub struct StateForm {
    csrf: String,
    state: String,
}

/// Enables an app, or disables it: its keys stop before the next page is there.
pub async fn set_state(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<StateForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    let state = match form.state.as_str() {
        "enabled" => AppState::Enabled,
        "disabled" => AppState::Disabled,
        _ => return Err(Problem::Stale),
    };
    apps::set_state(&app, actor, row.id, state).await?;
    Ok(Redirect::to(&format!("/apps/{}/settings?done={}", row.id, form.state)).into_response())
}

/// What the forms of a domain send.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DomainForm {
    csrf: String,
    domain: String,
    challenge: String,
    code: String,
}

/// Adds a domain.
pub async fn add_domain(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<DomainForm>,
) -> Result<Response, Problem> {
    change_domain(&app, visitor, &id, (&headers, form), Turn::Add).await
}

/// Takes a domain away; it is refused before the next page is there.
pub async fn remove_domain(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<DomainForm>,
) -> Result<Response, Problem> {
    change_domain(&app, visitor, &id, (&headers, form), Turn::Remove).await
}

#[derive(Clone, Copy)]
enum Turn {
    Add,
    Remove,
}

async fn change_domain(
    app: &App,
    mut visitor: Visitor,
    id: &str,
    (headers, form): (&HeaderMap, DomainForm),
    turn: Turn,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(app, &visitor, id).await?;
    actor.require(Act::ManageApps)?;
    let (to, act) = match turn {
        Turn::Add => (format!("/apps/{id}/domains"), say!("settings-add-domain")),
        Turn::Remove => (format!("/apps/{id}/domains/remove"), say!("settings-act-remove-domain")),
    };
    let reach = apps::reach(app, actor, row.id).await?;
    let fields = vec![("csrf", form.csrf.clone()), ("domain", form.domain.clone())];
    let given = Given { challenge: &form.challenge, code: &form.code };
    let carry = gate(app, &mut visitor, (actor, reach), given, Waiting { to, fields, act }).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let done = match turn {
        Turn::Add => domains::add(app, actor, row.id, &form.domain).await,
        Turn::Remove => domains::remove(app, actor, row.id, &form.domain).await,
    };
    let response = match done {
        Ok(()) => {
            let is_empty = domains::list(app, actor, row.id).await?.is_empty();
            let done = match turn {
                Turn::Add => "domain-added",
                Turn::Remove if is_empty => "domain-last",
                Turn::Remove => "domain-removed",
            };
            Redirect::to(&format!("/apps/{id}/settings?done={done}#domains")).into_response()
        }
        // Removed already: by the same form sent twice, or by somebody else.
        Err(OpError::Field { .. }) if matches!(turn, Turn::Remove) => {
            Redirect::to(&format!("/apps/{id}/settings#domains")).into_response()
        }
        Err(error) => {
            let (_, problem) = in_form(error)?;
            let said = Said {
                domain_error: say!("settings-domain-wrong", problem = problem),
                domain_typed: form.domain,
                ..Said::default()
            };
            shown(app, &visitor, row, said).await?
        }
    };
    Ok(carry.onto(response, headers))
}
