//! The home page, a merchant's applications, and the form that registers one.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keymint_app::ops::apps::{self, COMPANY_REQUIRED, LogoChange, NewApp};
use keymint_app::ops::companies;
use keymint_app::ops::{Actor, OpError};
use keymint_app::say;
use keymint_app::store_types::{AppRow, Membership};
use keymint_app::{App, logo};
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::role::Act;
use serde::{Deserialize, Serialize};

use super::field::{self, Field};
use super::logo::initials;
use super::session::{SignedIn, Visitor};
use super::upload::{File, Sent};
use super::{Frame, Problem, company, day, in_form, merchant, page};
use crate::api::extract::rfc3339;

/// Apps on one page.
const APPS_MAX: i64 = 500;

/// An app as a list shows it.
pub struct AppLine {
    /// `app_…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The product's title.
    pub product: String,
    /// Enabled or disabled, in words.
    pub state: &'static str,
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// When it was registered.
    pub created_at: String,
    email: String,
    country: String,
    tone: &'static str,
    created_on: String,
    initials: String,
    /// The version of its logo; empty where there is none.
    pub logo: String,
}

#[derive(Template)]
#[template(path = "apps.html")]
struct AppsPage {
    frame: Frame,
    apps: Vec<AppLine>,
    may_add: bool,
}

/// A line of the list.
pub fn line(app: &App, row: AppRow, logos: &HashMap<AppId, String>) -> AppLine {
    let title = app.products.find(&row.product).map(|product| product.dialect.title.to_string());
    AppLine {
        id: row.id.to_string(),
        initials: initials(&row.name),
        logo: logos.get(&row.id).cloned().unwrap_or_default(),
        name: row.name,
        email: row.email,
        country: row.country,
        product: title.unwrap_or(row.product),
        state: if row.is_enabled { say!("apps-enabled") } else { say!("common-disabled") },
        is_enabled: row.is_enabled,
        tone: if row.is_enabled { "good" } else { "bad" },
        created_at: rfc3339(row.created_at),
        created_on: day(row.created_at),
    }
}

/// The versions of a merchant's logos.
///
/// # Errors
/// `Problem`.
pub async fn logos(app: &App, actor: Actor, merchant: MerchantId) -> Result<HashMap<AppId, String>, Problem> {
    Ok(apps::logo_versions(app, actor, merchant).await?.into_iter().collect())
}

/// A merchant's applications.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(merchant(&id)?)?;
    let rows = apps::list(&app, actor, membership.merchant_id, "", APPS_MAX).await?;
    let logos = logos(&app, actor, membership.merchant_id).await?;
    let view = AppsPage {
        frame: Frame::new(&visitor, membership, "apps"),
        apps: rows.into_iter().map(|row| line(&app, row, &logos)).collect(),
        may_add: actor.require(Act::ManageApps).is_ok(),
    };
    page(StatusCode::OK, &view)
}

struct Choice {
    name: String,
    title: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "app_new.html")]
struct NewAppPage {
    frame: Frame,
    products: Vec<Choice>,
    fields: Vec<Field>,
    logo_error: String,
    problem: String,
    notice: &'static str,
}

/// What the form sends; what is missing counts as empty.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct NewAppForm {
    /// The token of the session's forms.
    #[serde(skip_serializing)]
    pub csrf: String,
    product: String,
    name: String,
    email: String,
    phone: String,
    address: String,
    country: String,
    state: String,
    city: String,
    postal_code: String,
    #[serde(skip_serializing)]
    remove_logo: String,
}

/// What is wrong with a form: beside a field, or above all.
#[derive(Default)]
pub struct Wrong {
    /// The field; empty for none.
    pub field: &'static str,
    /// What is wrong; empty when nothing is.
    pub problem: String,
}

/// What a form looks like with what is wrong.
pub struct Marked {
    /// The fields.
    pub fields: Vec<Field>,
    /// What is wrong with the logo.
    pub logo_error: String,
    /// What is wrong with no field.
    pub problem: String,
}

/// The fields with what was typed, and what is wrong beside the one it is wrong with; else it comes back.
pub fn fields(form: &NewAppForm, wrong: Wrong) -> Marked {
    let fields = [
        ("name", say!("apps-app-name"), "text", true, &form.name),
        ("email", say!("common-email"), "email", true, &form.email),
        ("phone", say!("common-phone-number"), "tel", false, &form.phone),
        ("address", say!("common-address"), "text", true, &form.address),
        ("country", say!("common-country-code"), "text", true, &form.country),
        ("state", say!("common-state"), "text", false, &form.state),
        ("city", say!("common-city"), "text", false, &form.city),
        ("postal_code", say!("common-postal-code"), "text", true, &form.postal_code),
    ];
    let is_beside = fields.iter().any(|(name, ..)| *name == wrong.field);
    let fields = field::marked(fields, (wrong.field, &wrong.problem));
    let (logo_error, problem) = match wrong.field {
        "logo" => (say!("common-field-wrong", label = say!("app-new-logo"), problem = wrong.problem), String::new()),
        _ if is_beside => (String::new(), String::new()),
        _ => (String::new(), wrong.problem),
    };
    Marked { fields, logo_error, problem }
}

fn new_page(app: &App, frame: Frame, form: &NewAppForm, wrong: Wrong) -> NewAppPage {
    let Marked { fields, logo_error, problem } = fields(form, wrong);
    let choice = |product: &std::sync::Arc<keymint_app::products::Product>| Choice {
        name: product.name.to_string(),
        title: product.dialect.title.to_string(),
        is_chosen: *product.name == *form.product,
    };
    let products = app.products.iter().map(choice).collect();
    NewAppPage { frame, products, fields, logo_error, problem, notice: "" }
}

/// The empty form.
pub async fn form(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(merchant(&id)?)?;
    actor.require(Act::ManageApps)?;
    let asks = |product: &std::sync::Arc<keymint_app::products::Product>| product.dialect.apps.requires_company;
    if app.products.iter().all(asks) && companies::find(&app, actor, membership.merchant_id).await?.is_none() {
        return Ok(Redirect::to(&format!("/merchants/{id}/profile?next=app")).into_response());
    }
    let frame = Frame::new(&visitor, membership, "apps");
    page(StatusCode::OK, &new_page(&app, frame, &NewAppForm::default(), Wrong::default()))
}

/// Registers the app and goes to its keys; what is wrong comes back beside its field, with everything that was typed.
pub async fn make(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Sent { form, file }: Sent<NewAppForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let wrong = match register(&app, &visitor, merchant(&id)?, (&form, file)).await {
        Ok(row) => return Ok(Redirect::to(&format!("/apps/{}/keys?mode=test&done=added", row.id)).into_response()),
        Err(OpError::Conflict { code: COMPANY_REQUIRED, message }) => {
            let (_, actor) = visitor.at(merchant(&id)?)?;
            if actor.require(Act::ManageCompany).is_ok() {
                return company::instead(&app, &visitor, &id, &form).await;
            }
            Wrong { field: "", problem: say!("app-new-company-by-others", message = message) }
        }
        Err(error) => wrong_with(error)?,
    };
    let (membership, _) = visitor.at(merchant(&id)?)?;
    let frame = Frame::new(&visitor, membership, "apps");
    page(StatusCode::UNPROCESSABLE_ENTITY, &new_page(&app, frame, &form, wrong))
}

/// The form once more, with what was typed before another page came first.
///
/// # Errors
/// `Problem`.
pub fn again(app: &App, visitor: &Visitor, membership: &Membership, typed: &NewAppForm) -> Result<Response, Problem> {
    let frame = Frame::new(visitor, membership, "apps");
    let notice = say!("app-new-company-saved");
    page(StatusCode::OK, &NewAppPage { notice, ..new_page(app, frame, typed, Wrong::default()) })
}

/// What a refusal says in the form of an app.
///
/// # Errors
/// `Problem` for what is no matter of the form.
pub fn wrong_with(error: OpError) -> Result<Wrong, Problem> {
    if matches!(error, OpError::Conflict { code: "app_name_taken", .. }) {
        return Ok(Wrong { field: "name", problem: say!("app-new-name-taken").to_owned() });
    }
    let (field, problem) = in_form(error)?;
    Ok(Wrong { field, problem })
}

impl NewAppForm {
    /// The app that the form describes.
    pub fn app(&self, logo: LogoChange) -> NewApp {
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
            logo,
        }
    }

    /// The form that describes an app.
    pub fn of(row: &AppRow) -> Self {
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
            remove_logo: String::new(),
        }
    }
}

/// What becomes of the logo: a picked file counts, whatever the box says.
///
/// # Errors
/// `Field`.
pub async fn logo_change(app: &App, form: &NewAppForm, file: File) -> Result<LogoChange, OpError> {
    match file {
        File::Bytes(bytes) => Ok(LogoChange::Put(app.logos.draw(bytes).await?)),
        File::TooLarge => Err(OpError::Field { field: "logo", problem: logo::too_large() }),
        File::None if form.remove_logo.is_empty() => Ok(LogoChange::Keep),
        File::None => Ok(LogoChange::Remove),
    }
}

async fn register(
    app: &App,
    visitor: &Visitor,
    merchant: MerchantId,
    (form, file): (&NewAppForm, File),
) -> Result<AppRow, OpError> {
    let actor = visitor.person.actor(merchant).ok_or(OpError::NotFound("merchant"))?;
    actor.require(Act::ManageApps)?;
    let logo = logo_change(app, form, file).await?;
    apps::make(app, actor, merchant, &form.app(logo), None).await
}
