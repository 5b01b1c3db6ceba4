//! The home page, a merchant's applications, and the form that registers one.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::OpError;
use keymint_app::ops::apps::{self, AppState, NewApp};
use keymint_app::store_types::AppRow;
use keymint_domain::id::MerchantId;
use keymint_domain::role::Act;
use serde::Deserialize;

use super::keys::own;
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, day, in_form, page};
use crate::api::extract::rfc3339;

/// Apps on one page.
const APPS_MAX: i64 = 500;

struct AppLine {
    id: String,
    name: String,
    product: String,
    state: &'static str,
    tone: &'static str,
    created_at: String,
    created_on: String,
}

#[derive(Template)]
#[template(path = "apps.html")]
struct AppsPage {
    frame: Frame,
    apps: Vec<AppLine>,
    may_add: bool,
}

fn line(app: &App, row: AppRow) -> AppLine {
    let title = app.products.find(&row.product).map(|product| product.dialect.title.to_string());
    AppLine {
        id: row.id.to_string(),
        name: row.name,
        product: title.unwrap_or(row.product),
        state: if row.is_enabled { "enabled" } else { "disabled" },
        tone: if row.is_enabled { "good" } else { "bad" },
        created_at: rfc3339(row.created_at),
        created_on: day(row.created_at),
    }
}

fn merchant(text: &str) -> Result<MerchantId, Problem> {
    text.parse().map_err(|_| Problem::NotFound)
}

/// A merchant's applications.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(merchant(&id)?)?;
    let rows = apps::list(&app, actor, membership.merchant_id, "", APPS_MAX).await?;
    let view = AppsPage {
        frame: Frame::new(&visitor, membership, "apps"),
        apps: rows.into_iter().map(|row| line(&app, row)).collect(),
        may_add: actor.require(Act::ManageApps).is_ok(),
    };
    page(StatusCode::OK, &view)
}

struct Choice {
    name: String,
    title: String,
    is_chosen: bool,
}

struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    is_required: bool,
    value: String,
    error: String,
}

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
    fields: Vec<Field>,
    problem: String,
    notice: &'static str,
}

#[derive(Template)]
#[template(path = "app_new.html")]
struct NewAppPage {
    frame: Frame,
    products: Vec<Choice>,
    fields: Vec<Field>,
    problem: String,
}

/// What the form sends; what is missing counts as empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct NewAppForm {
    csrf: String,
    product: String,
    name: String,
    email: String,
    phone: String,
    address: String,
    country: String,
    state: String,
    city: String,
    postal_code: String,
}

/// What is wrong with a form: beside a field, or above all.
#[derive(Default)]
struct Wrong {
    field: &'static str,
    problem: String,
}

/// The fields with what was typed, and what is wrong beside the one it is wrong with; else it comes back.
fn fields(form: &NewAppForm, wrong: Wrong) -> (Vec<Field>, String) {
    let fields = [
        ("name", "App Name", "text", true, &form.name),
        ("email", "Email", "email", true, &form.email),
        ("phone", "Phone Number", "tel", false, &form.phone),
        ("address", "Address", "text", true, &form.address),
        ("country", "Country (two letters, such as IN)", "text", true, &form.country),
        ("state", "State", "text", false, &form.state),
        ("city", "City", "text", false, &form.city),
        ("postal_code", "Zip Code/Postal Code", "text", true, &form.postal_code),
    ];
    let is_beside = fields.iter().any(|(name, ..)| *name == wrong.field);
    let fields = fields.map(|(name, label, kind, is_required, value)| Field {
        name,
        label,
        kind,
        is_required,
        value: value.clone(),
        error: if name == wrong.field { format!("{label} {}.", wrong.problem) } else { String::new() },
    });
    (fields.into(), if is_beside { String::new() } else { wrong.problem })
}

fn new_page(app: &App, frame: Frame, form: &NewAppForm, wrong: Wrong) -> NewAppPage {
    let (fields, problem) = fields(form, wrong);
    let choice = |product: &std::sync::Arc<keymint_app::products::Product>| Choice {
        name: product.name.to_string(),
        title: product.dialect.title.to_string(),
        is_chosen: *product.name == *form.product,
    };
    NewAppPage { frame, products: app.products.iter().map(choice).collect(), fields, problem }
}

/// The empty form.
pub async fn form(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(merchant(&id)?)?;
    actor.require(Act::ManageApps)?;
    let frame = Frame::new(&visitor, membership, "apps");
    page(StatusCode::OK, &new_page(&app, frame, &NewAppForm::default(), Wrong::default()))
}

/// Registers the app and goes to its keys; what is wrong comes back beside its field, with everything that was typed.
pub async fn make(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<NewAppForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let wrong = match register(&app, &visitor, merchant(&id)?, &form).await {
        Ok(row) => return Ok(Redirect::to(&format!("/apps/{}/keys?mode=test", row.id)).into_response()),
        Err(error) => wrong_with(error)?,
    };
    let (membership, _) = visitor.at(merchant(&id)?)?;
    let frame = Frame::new(&visitor, membership, "apps");
    page(StatusCode::UNPROCESSABLE_ENTITY, &new_page(&app, frame, &form, wrong))
}

fn wrong_with(error: OpError) -> Result<Wrong, Problem> {
    if matches!(error, OpError::Conflict { code: "app_name_taken", .. }) {
        return Ok(Wrong { field: "name", problem: "is taken: another app of this product has it".to_owned() });
    }
    let (field, problem) = in_form(error)?;
    Ok(Wrong { field, problem })
}

impl NewAppForm {
    fn app(&self) -> NewApp {
        let optional = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
        NewApp {
            product: self.product.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            phone: optional(&self.phone),
            address: self.address.clone(),
            country: self.country.clone(),
            state: optional(&self.state),
            city: optional(&self.city),
            postal_code: self.postal_code.clone(),
        }
    }

    fn of(row: &AppRow) -> Self {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            csrf: String::new(),
            product: row.product.clone(),
            name: row.name.clone(),
            email: row.email.clone(),
            phone: optional(&row.phone),
            address: row.address.clone(),
            country: row.country.clone(),
            state: optional(&row.state),
            city: optional(&row.city),
            postal_code: row.postal_code.clone(),
        }
    }
}

async fn register(app: &App, visitor: &Visitor, merchant: MerchantId, form: &NewAppForm) -> Result<AppRow, OpError> {
    let actor = visitor.person.actor(merchant).ok_or(OpError::NotFound("merchant"))?;
    apps::make(app, actor, merchant, &form.app(), None).await
}

fn settings_page(
    app: &App,
    visitor: &Visitor,
    (row, form): (AppRow, &NewAppForm),
    wrong: Wrong,
    notice: &'static str,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(row.merchant_id)?;
    let status = if wrong.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (fields, problem) = fields(form, wrong);
    let shown = line(app, row);
    let view = SettingsPage {
        frame: Frame::new(visitor, membership, "apps"),
        app_id: shown.id,
        app_name: shown.name,
        tab: "settings",
        may_see_logs: actor.require(Act::SeeRequests).is_ok(),
        may_manage: actor.require(Act::ManageApps).is_ok(),
        is_enabled: shown.state == "enabled",
        product: shown.product,
        created_at: shown.created_at,
        fields,
        problem,
        notice,
    };
    page(status, &view)
}

/// What was just done.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SettingsQuery {
    done: String,
}

/// An app's settings.
pub async fn settings(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<SettingsQuery>,
) -> Result<Response, Problem> {
    let (row, _) = own(&app, &visitor, &id).await?;
    let notice = match asked.done.as_str() {
        "saved" => "Saved.",
        "enabled" => "The application is enabled. Its keys work.",
        "disabled" => "The application is disabled. No request with its keys is accepted.",
        _ => "",
    };
    let form = NewAppForm::of(&row);
    settings_page(&app, &visitor, (row, &form), Wrong::default(), notice)
}

/// Changes an app.
pub async fn edit(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<NewAppForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    match apps::edit(&app, actor, row.id, &form.app()).await {
        Ok(row) => Ok(Redirect::to(&format!("/apps/{}/settings?done=saved", row.id)).into_response()),
        Err(error) => settings_page(&app, &visitor, (row, &form), wrong_with(error)?, ""),
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
