//! The home page, a merchant's applications, and the form that registers one.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::OpError;
use keymint_app::ops::apps::{self, NewApp};
use keymint_app::store_types::AppRow;
use keymint_domain::id::MerchantId;
use keymint_domain::role::Act;
use serde::Deserialize;

use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, day, page};
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

fn new_page(app: &App, frame: Frame, form: &NewAppForm, wrong: Wrong) -> NewAppPage {
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
    let choice = |product: &std::sync::Arc<keymint_app::products::Product>| Choice {
        name: product.name.to_string(),
        title: product.dialect.title.to_string(),
        is_chosen: *product.name == *form.product,
    };
    NewAppPage {
        frame,
        products: app.products.iter().map(choice).collect(),
        fields: fields.into(),
        problem: if is_beside { String::new() } else { wrong.problem },
    }
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
        Err(OpError::Field { field, problem }) => Wrong { field, problem },
        Err(OpError::Conflict { code: "app_name_taken", .. }) => {
            Wrong { field: "name", problem: "is taken: another app of this product has it".to_owned() }
        }
        Err(OpError::Conflict { message, .. }) => Wrong { field: "", problem: message },
        Err(other) => return Err(other.into()),
    };
    let (membership, _) = visitor.at(merchant(&id)?)?;
    let frame = Frame::new(&visitor, membership, "apps");
    page(StatusCode::UNPROCESSABLE_ENTITY, &new_page(&app, frame, &form, wrong))
}

async fn register(app: &App, visitor: &Visitor, merchant: MerchantId, form: &NewAppForm) -> Result<AppRow, OpError> {
    let actor = visitor.person.actor(merchant).ok_or(OpError::NotFound("merchant"))?;
    let optional = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
    let new = NewApp {
        product: form.product.clone(),
        name: form.name.clone(),
        email: form.email.clone(),
        phone: optional(&form.phone),
        address: form.address.clone(),
        country: form.country.clone(),
        state: optional(&form.state),
        city: optional(&form.city),
        postal_code: form.postal_code.clone(),
    };
    apps::make(app, actor, merchant, &new, None).await
}
