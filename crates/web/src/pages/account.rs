//! Signing up, and setting a forgotten password anew: for people who are not signed in. Each page is the same whether the
//! address has an account or not (T101).

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::OpError;
use keymint_app::ops::accounts::{self, SignUp};
use keymint_app::say;
use keymint_app::store_types::Channel;
use keymint_domain::secret::SecretText;
use serde::Deserialize;

use super::session::with_cookie;
use super::{Problem, page, too_many};
use crate::console::Client;

#[derive(Default, Template)]
#[template(path = "sign_up.html")]
struct SignUpPage {
    name: String,
    business: String,
    email: String,
    country: String,
    phone: String,
    is_invited: bool,
    field: &'static str,
    problem: String,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage<'a> {
    title: &'static str,
    to: &'static str,
    email: &'a str,
    challenge: &'a str,
    asks_password: bool,
    field: &'static str,
    problem: &'a str,
}

#[derive(Template)]
#[template(path = "forgot.html")]
struct ForgotPage<'a> {
    email: &'a str,
    problem: &'a str,
}

fn needs_mail(app: &App) -> Result<(), Problem> {
    if app.post.carries(Channel::Mail) { Ok(()) } else { Err(Problem::NotFound) }
}

/// Whether the form is for somebody who was invited.
#[derive(Deserialize)]
pub struct SignUpQuery {
    #[serde(default)]
    invited: u8,
}

/// The form of a sign-up.
pub async fn sign_up_form(
    State(app): State<App>,
    axum::extract::Query(asked): axum::extract::Query<SignUpQuery>,
) -> Result<Response, Problem> {
    needs_mail(&app)?;
    page(StatusCode::OK, &SignUpPage { is_invited: asked.invited == 1, ..SignUpPage::default() })
}

/// What it sends. No `Debug`: a password is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SignUpForm {
    name: String,
    business: String,
    email: String,
    country: String,
    phone: String,
    password: String,
    invited: String,
}

/// Begins a sign-up.
pub async fn sign_up(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    Form(form): Form<SignUpForm>,
) -> Result<Response, Problem> {
    needs_mail(&app)?;
    let is_invited = form.invited == "1";
    let new = SignUp {
        name: form.name.clone(),
        business: if is_invited { String::new() } else { form.business.clone() },
        email: form.email.clone(),
        country: form.country.clone(),
        phone: form.phone.clone(),
        password: SecretText::new(form.password),
    };
    let begun = if !is_invited && form.business.trim().is_empty() {
        Err(OpError::Field { field: "business", problem: say!("input-length", least = 1_i64, most = 256_i64) })
    } else {
        accounts::sign_up(&app, new, client).await
    };
    let (status, field, problem) = match begun {
        Ok(challenge) => {
            let (id, email) = (challenge.id.to_string(), challenge.sent_to);
            return page(StatusCode::OK, &sign_up_code(&id, &email, ""));
        }
        Err(OpError::Field { field, problem }) => {
            let problem = say!("common-field-wrong", label = label(field), problem = problem);
            (StatusCode::UNPROCESSABLE_ENTITY, field, problem)
        }
        Err(OpError::TooMany) => (StatusCode::TOO_MANY_REQUESTS, "", too_many().to_owned()),
        Err(other) => return Err(other.into()),
    };
    let SignUpForm { name, business, email, country, phone, .. } = form;
    page(status, &SignUpPage { name, business, email, country, phone, is_invited, field, problem })
}

/// What a field of the sign-up is called in what is said about it.
fn label(field: &str) -> &'static str {
    match field {
        "name" => say!("sign-up-your-name"),
        "business" => say!("sign-up-business-name"),
        "country" => say!("common-country"),
        "phone" => say!("common-phone"),
        "password" => say!("common-password"),
        _ => say!("common-email"),
    }
}

fn sign_up_code<'a>(challenge: &'a str, email: &'a str, problem: &'a str) -> CodePage<'a> {
    let (title, to) = (say!("code-confirm-title"), "/sign-up/confirm");
    CodePage { title, to, email, challenge, asks_password: false, field: "code", problem }
}

fn reset_code<'a>(challenge: &'a str, email: &'a str, (field, problem): (&'static str, &'a str)) -> CodePage<'a> {
    let (title, to) = (say!("code-reset-title"), "/forgot/confirm");
    CodePage { title, to, email, challenge, asks_password: true, field, problem }
}

/// What a page with a code sends. No `Debug`: a password may be in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CodeForm {
    challenge: String,
    email: String,
    code: String,
    password: String,
}

/// Ends a sign-up, and signs in.
pub async fn confirm_sign_up(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Result<Response, Problem> {
    let (status, problem) = match accounts::confirm_sign_up(&app, (&form.challenge, &form.code), client).await {
        Ok(Some(secret)) => return Ok(with_cookie(Redirect::to("/"), &headers, secret.expose(), "")),
        Ok(None) => (StatusCode::UNPROCESSABLE_ENTITY, say!("code-wrong").to_owned()),
        Err(OpError::TooMany) => (StatusCode::TOO_MANY_REQUESTS, too_many().to_owned()),
        Err(OpError::Conflict { message, .. }) => (StatusCode::CONFLICT, message),
        Err(other) => return Err(other.into()),
    };
    page(status, &sign_up_code(&form.challenge, &form.email, &problem))
}

/// The form for a forgotten password.
pub async fn forgot_form(State(app): State<App>) -> Result<Response, Problem> {
    needs_mail(&app)?;
    page(StatusCode::OK, &ForgotPage { email: "", problem: "" })
}

/// What it sends.
#[derive(Deserialize)]
pub struct ForgotForm {
    #[serde(default)]
    email: String,
}

/// Sends a code, where the address has an account.
pub async fn forgot(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    Form(form): Form<ForgotForm>,
) -> Result<Response, Problem> {
    needs_mail(&app)?;
    match accounts::forgot(&app, &form.email, client).await {
        Ok(challenge) => {
            let (id, email) = (challenge.id.to_string(), challenge.sent_to);
            page(StatusCode::OK, &reset_code(&id, &email, ("", "")))
        }
        Err(OpError::TooMany) => {
            page(StatusCode::TOO_MANY_REQUESTS, &ForgotPage { email: &form.email, problem: too_many() })
        }
        Err(other) => Err(other.into()),
    }
}

/// Sets the new password; then one signs in with it.
pub async fn confirm_forgot(State(app): State<App>, Form(form): Form<CodeForm>) -> Result<Response, Problem> {
    let password = SecretText::new(form.password);
    let (status, wrong) = match accounts::reset(&app, (&form.challenge, &form.code), password).await {
        Ok(true) => return Ok(Redirect::to("/sign-in?done=reset").into_response()),
        Ok(false) => (StatusCode::UNPROCESSABLE_ENTITY, ("code", say!("code-wrong").to_owned())),
        Err(OpError::Field { field, problem }) => (StatusCode::UNPROCESSABLE_ENTITY, (field, problem)),
        Err(OpError::TooMany) => (StatusCode::TOO_MANY_REQUESTS, ("", too_many().to_owned())),
        Err(other) => return Err(other.into()),
    };
    page(status, &reset_code(&form.challenge, &form.email, (wrong.0, &wrong.1)))
}
