//! The company behind a merchant: its profile, and the way back to Add App for whoever was led here from there.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::companies::{self, NewCompany};
use keymint_app::ops::merchants;
use keymint_app::say;
use keymint_app::store_types::Company;
use keymint_domain::role::Act;
use serde::Deserialize;

use super::apps::{self, NewAppForm};
use super::field::{self, Field};
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, in_form, merchant, page};

#[derive(Template)]
#[template(path = "company.html")]
struct CompanyPage {
    frame: Frame,
    fields: Vec<Field>,
    may_manage: bool,
    is_described: bool,
    /// What was typed in Add App, on its way back there.
    carried: String,
    led_here: bool,
    notice: &'static str,
    problem: String,
}

/// What the form sends; what is missing counts as empty.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CompanyForm {
    csrf: String,
    carried: String,
    name: String,
    address: String,
    country: String,
    state: String,
    city: String,
    postal_code: String,
    phone: String,
    website: String,
}

impl CompanyForm {
    fn of(company: Company) -> Self {
        Self {
            name: company.name,
            address: company.address,
            country: company.country,
            state: company.state.unwrap_or_default(),
            city: company.city.unwrap_or_default(),
            postal_code: company.postal_code,
            phone: company.phone.unwrap_or_default(),
            website: company.website.unwrap_or_default(),
            ..Self::default()
        }
    }

    fn company(&self) -> NewCompany {
        let optional = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
        NewCompany {
            name: self.name.clone(),
            address: self.address.clone(),
            country: self.country.clone(),
            state: optional(&self.state),
            city: optional(&self.city),
            postal_code: self.postal_code.clone(),
            phone: optional(&self.phone),
            website: optional(&self.website),
        }
    }

    fn fields(&self, wrong: (&str, &str)) -> Vec<Field> {
        let fields = [
            ("name", say!("company-name"), "text", true, &self.name),
            ("website", say!("company-website"), "url", false, &self.website),
            ("address", say!("common-address"), "text", true, &self.address),
            ("country", say!("common-country-code"), "text", true, &self.country),
            ("state", say!("common-state"), "text", false, &self.state),
            ("city", say!("common-city"), "text", false, &self.city),
            ("postal_code", say!("common-postal-code"), "text", true, &self.postal_code),
            ("phone", say!("common-phone-number"), "tel", false, &self.phone),
        ];
        field::marked(fields, wrong)
    }
}

/// What the page says besides the form.
#[derive(Default)]
struct Said {
    wrong: (&'static str, String),
    notice: &'static str,
    led_here: bool,
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    id: &str,
    form: Option<CompanyForm>,
    said: Said,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(merchant(id)?)?;
    let known = companies::find(app, actor, membership.merchant_id).await?;
    let is_described = known.is_some();
    let form = match (form, known) {
        // Led here, with nothing typed yet.
        (Some(form), known) if form.name.is_empty() && said.wrong.1.is_empty() => {
            let first = match known {
                Some(company) => CompanyForm::of(company),
                None => first(app, visitor, id).await?,
            };
            CompanyForm { carried: form.carried, ..first }
        }
        (Some(form), _) => form,
        (None, Some(company)) => CompanyForm::of(company),
        (None, None) => first(app, visitor, id).await?,
    };
    let status = if said.wrong.1.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = CompanyPage {
        frame: Frame::new(visitor, membership, "company"),
        fields: form.fields((said.wrong.0, &said.wrong.1)),
        may_manage: actor.require(Act::ManageCompany).is_ok(),
        is_described,
        led_here: said.led_here || !form.carried.is_empty(),
        carried: form.carried,
        notice: said.notice,
        problem: if said.wrong.0.is_empty() { said.wrong.1 } else { String::new() },
    };
    page(status, &view)
}

/// The form before anybody filled it in: with what is known of the merchant.
async fn first(app: &App, visitor: &Visitor, id: &str) -> Result<CompanyForm, Problem> {
    let (membership, actor) = visitor.at(merchant(id)?)?;
    let row = merchants::find(app, actor, membership.merchant_id).await?;
    Ok(CompanyForm { name: row.name, country: row.country, ..CompanyForm::default() })
}

/// Where the page was come from, and what was just done.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CompanyQuery {
    next: String,
    done: String,
}

/// The profile.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<CompanyQuery>,
) -> Result<Response, Problem> {
    let notice = if asked.done == "saved" { say!("common-saved") } else { "" };
    let form =
        (asked.next == "app").then(|| CompanyForm { carried: NOTHING_TYPED.to_owned(), ..CompanyForm::default() });
    shown(&app, &visitor, &id, form, Said { notice, ..Said::default() }).await
}

/// An empty Add App, on its way back there.
const NOTHING_TYPED: &str = "{}";

/// The same page in answer to an app that needs a company first. What was typed goes along.
pub async fn instead(app: &App, visitor: &Visitor, id: &str, typed: &NewAppForm) -> Result<Response, Problem> {
    let carried = serde_json::to_string(typed).map_err(|_| Problem::Internal)?;
    let form = CompanyForm { carried, ..CompanyForm::default() };
    shown(app, visitor, id, Some(form), Said { led_here: true, ..Said::default() }).await
}

/// Saves it, and goes back to where the person came from.
pub async fn save(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<CompanyForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (membership, actor) = visitor.at(merchant(&id)?)?;
    if let Err(error) = companies::describe(&app, actor, membership.merchant_id, &form.company()).await {
        let (field, problem) = in_form(error)?;
        let problem = if field == "name" { numbered(&app, problem) } else { problem };
        return shown(&app, &visitor, &id, Some(form), Said { wrong: (field, problem), ..Said::default() }).await;
    }
    if form.carried.is_empty() {
        return Ok(Redirect::to(&format!("/merchants/{id}/profile?done=saved")).into_response());
    }
    let typed: NewAppForm = serde_json::from_str(&form.carried).map_err(|_| Problem::Broken)?;
    apps::again(&app, &visitor, membership, &typed)
}

/// With the number that a vendor gives to this refusal, where one of the products has one.
fn numbered(app: &App, problem: String) -> String {
    let code = app.products.iter().find_map(|product| {
        let code = product.dialect.apps.company_name_code?;
        Some((product.dialect.title.to_string(), code.to_string()))
    });
    match code {
        Some((title, code)) => say!("company-numbered", problem = problem, product = title, code = code),
        None => problem,
    }
}
