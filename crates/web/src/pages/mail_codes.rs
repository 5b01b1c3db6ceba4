//! Codes by mail on pages: turning them on with a code that was mailed, and off with a proof.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::{OpError, mail_codes};
use keymint_app::say;
use keymint_domain::secret::SecretText;

use super::security::{self, BeginForm, ProofForm};
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, page, too_many};

#[derive(Template)]
#[template(path = "mail_codes.html")]
struct MailCodesPage {
    frame: Frame,
    challenge: String,
    problem: &'static str,
}

fn code_page(
    visitor: &Visitor,
    status: StatusCode,
    challenge: String,
    problem: &'static str,
) -> Result<Response, Problem> {
    page(status, &MailCodesPage { frame: Frame::personal(visitor, "security"), challenge, problem })
}

/// Sends the code.
pub async fn begin(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Form(form): Form<BeginForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    match mail_codes::begin(&app, &visitor.person, SecretText::new(form.password)).await {
        Ok(challenge) => code_page(&visitor, StatusCode::OK, challenge.id.to_string(), ""),
        Err(OpError::ProofNeeded) => security::ask_first(&app, &mut visitor).await,
        Err(error) => security::refused(&app, &visitor, "mail_codes", error, String::new()).await,
    }
}

/// Turns them on.
pub async fn confirm(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (status, problem) = match mail_codes::confirm(&app, &visitor.person, (&form.challenge, &form.code)).await {
        Ok(true) => return Ok(Redirect::to("/security?done=mail_codes").into_response()),
        Ok(false) => (StatusCode::UNPROCESSABLE_ENTITY, say!("common-code-wrong-ask")),
        Err(OpError::TooMany) => (StatusCode::TOO_MANY_REQUESTS, too_many()),
        Err(other) => return Err(other.into()),
    };
    code_page(&visitor, status, form.challenge, problem)
}

/// Turns them off.
pub async fn remove(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    headers: HeaderMap,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    let act = ("/security/mail-codes/remove", say!("security-turn-mail-codes-off"));
    let carry = security::gate(&app, &mut visitor, form, act).await?;
    mail_codes::remove(&app, &visitor.person).await?;
    Ok(carry.onto(Redirect::to("/security?done=mail_codes_off").into_response(), &headers))
}
