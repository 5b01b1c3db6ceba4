//! Passkeys on pages: adding and removing them, signing in with one alone, and whether they can be at the address under
//! which the console was opened. What a browser is asked stands in the page; what decides about the answer does not.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form, Json};
use http::header::HOST;
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::proofs::Factor;
use keymint_app::ops::{OpError, passkeys, people};
use keymint_app::say;
use keymint_app::store_types::Passkey;
use keymint_domain::id::PasskeyId;
use keymint_domain::secret::SecretText;
use serde::Deserialize;
use serde_json::json;

use super::security::{self, ProofForm};
use super::session::{SignedIn, sign_in_refused, with_cookie};
use super::{Frame, Problem, page, second as to_the_second};
use crate::console::Client;

/// Where passkeys are, as seen from the page that a person has opened.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Whether this Keymint has passkeys.
    pub is_offered: bool,
    /// The address of the console where they are, if the person has opened it under another.
    pub elsewhere: String,
}

impl Place {
    /// As seen from a request.
    pub fn of(app: &App, headers: &HeaderMap) -> Self {
        let Some(ceremonies) = &app.ceremonies else { return Self::default() };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_here = ceremonies.origin().split_once("://").is_some_and(|(_, own)| own == host);
        let elsewhere = if is_here { String::new() } else { ceremonies.origin().to_owned() };
        Self { is_offered: true, elsewhere }
    }
}

/// What a page shows that asks for a passkey, and for what may be given instead.
pub struct Asking {
    /// What the browser is asked; empty: nothing, any more.
    pub options: String,
    /// Where passkeys are, from here.
    pub place: Place,
    /// Whether it is a passkey that is asked for.
    pub is_passkey: bool,
    /// Whether a code of the authenticator app does.
    pub is_code: bool,
    /// Whether the phone may get a code instead.
    pub may_send: bool,
}

impl Asking {
    /// For a challenge that asks for a factor, with another that does instead.
    pub fn new(place: &Place, (factor, options): (Factor, String), instead: Option<Factor>) -> Self {
        Self {
            options,
            place: place.clone(),
            is_passkey: factor == Factor::Passkey,
            is_code: factor == Factor::Authenticator || instead == Some(Factor::Authenticator),
            may_send: instead == Some(Factor::SentCode),
        }
    }
}

/// What a form sends in the place of a code to have one sent to the phone.
pub const SEND: &str = "send";

/// A passkey in the list.
pub struct Line {
    /// The id.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// Since when.
    pub since: String,
    /// Last use; empty for none.
    pub used: String,
}

impl From<Passkey> for Line {
    fn from(row: Passkey) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            since: to_the_second(row.created_at),
            used: row.last_used_at.map(to_the_second).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "passkey_new.html")]
struct NewPage {
    frame: Frame,
    name: String,
    challenge: String,
    options: String,
}

/// What the form of a new passkey sends. No `Debug`: a password is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct NewForm {
    csrf: String,
    name: String,
    password: String,
}

/// Begins to add a passkey.
pub async fn begin(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Form(form): Form<NewForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    match passkeys::begin(&app, &visitor.person, &form.name, SecretText::new(form.password)).await {
        Ok(challenge) => {
            let frame = Frame::personal(&visitor, "security");
            let (challenge, options) = (challenge.id.to_string(), challenge.options);
            page(StatusCode::OK, &NewPage { frame, name: form.name.trim().to_owned(), challenge, options })
        }
        Err(OpError::ProofNeeded) => security::ask_first(&app, &mut visitor).await,
        Err(error) => security::refused(&app, &visitor, "passkeys", error, form.name).await,
    }
}

/// Adds it.
pub async fn confirm(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    match passkeys::confirm(&app, &visitor.person, (&form.challenge, &form.code)).await {
        Ok(()) => Ok(Redirect::to("/security?done=passkey").into_response()),
        Err(error) => security::refused(&app, &visitor, "passkeys", error, String::new()).await,
    }
}

/// Takes one away.
pub async fn remove(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    let id: PasskeyId = id.parse().map_err(|_| Problem::NotFound)?;
    let to = format!("/security/passkeys/{id}/remove");
    let carry = security::gate(&app, &mut visitor, form, (&to, say!("passkey-act-remove"))).await?;
    passkeys::remove(&app, &visitor.person, id).await?;
    Ok(carry.onto(Redirect::to("/security?done=passkey_removed").into_response(), &headers))
}

/// Begins a sign-in with a passkey alone: what a script asks the browser.
pub async fn begin_sign_in(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
) -> Result<Response, Problem> {
    let challenge = match people::begin_passkey_sign_in(&app, client).await {
        Ok(challenge) => challenge,
        Err(OpError::Conflict { .. }) => return Err(Problem::NotFound),
        Err(other) => return Err(other.into()),
    };
    let options: serde_json::Value = serde_json::from_str(&challenge.options).map_err(|_| Problem::Internal)?;
    Ok(Json(json!({ "challenge": challenge.id.to_string(), "options": options })).into_response())
}

/// Ends it.
pub async fn sign_in(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    headers: HeaderMap,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    match people::passkey_sign_in(&app, (&form.challenge, &form.code), client).await? {
        Some(secret) => Ok(with_cookie(Redirect::to("/"), &headers, secret.expose(), "")),
        None => {
            let problem = say!("passkey-refused");
            sign_in_refused(&app, &headers, problem)
        }
    }
}
