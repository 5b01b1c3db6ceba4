//! A person's own security: passkeys, password, second factors, recovery codes, sign-ins.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::authenticator::{self, Setup};
use keymint_app::ops::{OpError, accounts, passkeys, people, proofs};
use keymint_app::say;
use keymint_app::store_types::Channel;
use keymint_domain::id::SessionId;
use keymint_domain::secret::SecretText;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;

use super::passkeys::{Line, Place};
use super::proof::{self, Carry, Given, Waiting};
use super::session::{BareForm, SignedIn, Visitor};
use super::{Frame, Problem, in_form, minute, page, too_many};
use crate::api::extract::rfc3339;

struct SessionLine {
    id: String,
    client: String,
    since: String,
    since_on: String,
    seen: String,
    seen_on: String,
    is_this: bool,
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    frame: Frame,
    place: Place,
    passkeys: Vec<Line>,
    has_authenticator: bool,
    phone: String,
    has_sms: bool,
    has_mail: bool,
    has_mail_codes: bool,
    /// Until when codes by mail prove nothing; empty while they do.
    rests_until: String,
    sessions: Vec<SessionLine>,
    is_needed: bool,
    proved_minutes: i64,
    notice: &'static str,
    /// Which form is wrong, and how.
    form: &'static str,
    field: &'static str,
    problem: String,
    typed_phone: String,
    typed_name: String,
}

#[derive(Template)]
#[template(path = "authenticator.html")]
struct AuthenticatorPage {
    frame: Frame,
    secret: String,
    picture: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct RecoveryPage {
    frame: Frame,
    codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "phone.html")]
struct PhonePage {
    frame: Frame,
    challenge: String,
    sent_to: String,
    problem: &'static str,
}

/// What is wrong with which form.
#[derive(Default)]
pub struct Wrong {
    /// The form.
    pub form: &'static str,
    /// The field; none for above all.
    pub field: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What was typed and is no secret.
    pub typed: String,
}

/// The page, with what is wrong or was done.
///
/// # Errors
/// `Problem`.
pub async fn shown(app: &App, visitor: &Visitor, wrong: Wrong, asked: &SecurityQuery) -> Result<Response, Problem> {
    let person = &visitor.person;
    let line = |session: keymint_app::store_types::Session| SessionLine {
        is_this: session.id == person.session,
        id: session.id.to_string(),
        client: session.client.unwrap_or_default(),
        since: rfc3339(session.created_at),
        since_on: super::second(session.created_at),
        seen: rfc3339(session.seen_at),
        seen_on: super::second(session.seen_at),
    };
    let notice = match asked.done.as_str() {
        "password" => say!("security-done-password"),
        "sessions" => say!("security-done-sessions"),
        "authenticator" => say!("security-done-authenticator"),
        "phone" => say!("security-done-phone"),
        "mail_codes" => say!("security-done-mail-codes"),
        "mail_codes_off" => say!("security-done-mail-codes-off"),
        "passkey" => say!("security-done-passkey"),
        "passkey_removed" => say!("security-done-passkey-removed"),
        _ => "",
    };
    let status = if wrong.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = SecurityPage {
        frame: Frame::personal(visitor, "security"),
        place: visitor.place.clone(),
        passkeys: passkeys::list(app, person).await?.into_iter().map(Line::from).collect(),
        has_authenticator: person.means.has_authenticator,
        phone: person.means.phone.as_deref().map(proofs::hidden).unwrap_or_default(),
        has_sms: app.post.carries(Channel::Sms),
        has_mail: app.post.carries(Channel::Mail),
        has_mail_codes: person.means.mail.is_some(),
        rests_until: person.means.rests_until().map(minute).unwrap_or_default(),
        sessions: people::sessions_of(app, person).await?.into_iter().map(line).collect(),
        is_needed: asked.needed == 1 && person.means.first().is_none(),
        proved_minutes: proof::minutes_left(person).unwrap_or(0),
        notice,
        form: wrong.form,
        field: wrong.field,
        problem: wrong.problem,
        typed_phone: if wrong.form == "phone" { wrong.typed.clone() } else { String::new() },
        typed_name: if wrong.form == "passkeys" { wrong.typed } else { String::new() },
    };
    page(status, &view)
}

/// What was just done, or is needed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SecurityQuery {
    done: String,
    needed: u8,
}

/// The page.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Query(asked): Query<SecurityQuery>,
) -> Result<Response, Problem> {
    shown(&app, &visitor, Wrong::default(), &asked).await
}

/// A refusal that stands in a form.
///
/// # Errors
/// `Problem`.
pub async fn refused(
    app: &App,
    visitor: &Visitor,
    form: &'static str,
    error: OpError,
    typed: String,
) -> Result<Response, Problem> {
    let (field, problem) = in_form(error)?;
    shown(app, visitor, Wrong { form, field, problem, typed }, &SecurityQuery::default()).await
}

/// Lets a change of security through: with a proof, where there is a second factor to give one with.
///
/// # Errors
/// `Problem::Instead` with the page that asks.
pub async fn gate(
    app: &App,
    visitor: &mut Visitor,
    form: ProofForm,
    (to, act): (&str, &'static str),
) -> Result<Carry, Problem> {
    visitor.check(&form.csrf)?;
    if visitor.person.means.first().is_none() {
        return Ok(Carry::nothing());
    }
    let ProofForm { csrf, challenge, code } = form;
    let waiting = Waiting { to: to.to_owned(), fields: vec![("csrf", csrf)], act };
    proof::gate(app, visitor, Given { challenge: &challenge, code: &code }, waiting).await
}

/// What a form sends that holds nothing but a proof, once it is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ProofForm {
    /// The token.
    pub csrf: String,
    /// The challenge.
    pub challenge: String,
    /// The code.
    pub code: String,
}

/// Where a proof is given that covers the changes on this page.
fn proving() -> (&'static str, &'static str) {
    ("/security/prove", say!("proof-title"))
}

/// Asks for a proof before a form that holds a password: passwords are not carried along in a page, so they are typed
/// again behind it.
///
/// # Errors
/// `Problem::Instead` with the page that asks.
pub async fn ask_first(app: &App, visitor: &mut Visitor) -> Result<Response, Problem> {
    let form = ProofForm { csrf: visitor.csrf.clone(), ..ProofForm::default() };
    gate(app, visitor, form, proving()).await?;
    Ok(Redirect::to("/security").into_response())
}

/// What the form of a new password sends. No `Debug`: passwords are in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PasswordForm {
    csrf: String,
    password: String,
    new_password: String,
}

/// Changes the password.
pub async fn password(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Form(form): Form<PasswordForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (old, new) = (SecretText::new(form.password), SecretText::new(form.new_password));
    match accounts::change_password(&app, &visitor.person, old, new).await {
        Ok(()) => Ok(Redirect::to("/security?done=password").into_response()),
        Err(OpError::ProofNeeded) => ask_first(&app, &mut visitor).await,
        Err(error) => refused(&app, &visitor, "password", error, String::new()).await,
    }
}

/// Takes a proof that covers the changes on this page for a while.
pub async fn prove(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    headers: HeaderMap,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    let carry = gate(&app, &mut visitor, form, proving()).await?;
    Ok(carry.onto(Redirect::to("/security").into_response(), &headers))
}

/// What a form sends that begins something with the password. No `Debug`: a password is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct BeginForm {
    /// The token.
    pub csrf: String,
    /// The password.
    pub password: String,
}

/// The picture of an address, as inline SVG without a prologue.
fn picture(address: &str) -> Result<String, Problem> {
    let code = QrCode::new(address.as_bytes()).map_err(|_| Problem::Internal)?;
    let text = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    Ok(text.find("<svg").and_then(|at| text.get(at..)).unwrap_or_default().to_owned())
}

fn setup_page(visitor: &Visitor, setup: &Setup, problem: String) -> Result<Response, Problem> {
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let groups: Vec<String> =
        setup.secret.expose().as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let view = AuthenticatorPage {
        frame: Frame::personal(visitor, "security"),
        secret: groups.join(" "),
        picture: picture(setup.address.expose())?,
        problem,
    };
    page(status, &view)
}

/// Begins to set up an authenticator app.
pub async fn begin_authenticator(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Form(form): Form<BeginForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    match authenticator::begin(&app, &visitor.person, SecretText::new(form.password)).await {
        Ok(setup) => setup_page(&visitor, &setup, String::new()),
        Err(OpError::ProofNeeded) => ask_first(&app, &mut visitor).await,
        Err(error) => refused(&app, &visitor, "authenticator", error, String::new()).await,
    }
}

fn recovery_page(visitor: &Visitor, codes: &[SecretText]) -> Result<Response, Problem> {
    let codes = codes.iter().map(|code| in_groups(code.expose())).collect();
    page(StatusCode::CREATED, &RecoveryPage { frame: Frame::personal(visitor, "security"), codes })
}

fn in_groups(code: &str) -> String {
    code.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect::<Vec<_>>().join("-")
}

/// Confirms it, and shows the recovery codes.
pub async fn confirm_authenticator(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let problem = match authenticator::confirm(&app, &visitor.person, &form.code).await {
        Ok(codes) => return recovery_page(&visitor, &codes),
        Err(OpError::Field { problem, .. }) => say!("authenticator-code-wrong", problem = problem),
        Err(OpError::TooMany) => too_many().to_owned(),
        Err(other) => return Err(other.into()),
    };
    setup_page(&visitor, &authenticator::begun(&app, &visitor.person).await?, problem)
}

/// Makes new recovery codes.
pub async fn renew_codes(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    headers: HeaderMap,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    let act = ("/security/recovery-codes", say!("security-renew-codes"));
    let carry = gate(&app, &mut visitor, form, act).await?;
    let codes = authenticator::renew_codes(&app, &visitor.person).await?;
    Ok(carry.onto(recovery_page(&visitor, &codes)?, &headers))
}

/// Takes the authenticator app away.
pub async fn remove_authenticator(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    headers: HeaderMap,
    Form(form): Form<ProofForm>,
) -> Result<Response, Problem> {
    let act = ("/security/authenticator/remove", say!("security-act-remove-authenticator"));
    let carry = gate(&app, &mut visitor, form, act).await?;
    authenticator::remove(&app, &visitor.person).await?;
    Ok(carry.onto(Redirect::to("/security?done=authenticator").into_response(), &headers))
}

/// What the form of a phone sends. No `Debug`: a password is in it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PhoneForm {
    csrf: String,
    phone: String,
    password: String,
}

/// Sends a code to a phone.
pub async fn begin_phone(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Form(form): Form<PhoneForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    match accounts::begin_phone(&app, &visitor.person, &form.phone, SecretText::new(form.password)).await {
        Ok(challenge) => {
            let (challenge, sent_to) = (challenge.id.to_string(), challenge.sent_to);
            let frame = Frame::personal(&visitor, "security");
            page(StatusCode::OK, &PhonePage { frame, challenge, sent_to, problem: "" })
        }
        Err(OpError::ProofNeeded) => ask_first(&app, &mut visitor).await,
        Err(error) => refused(&app, &visitor, "phone", error, form.phone).await,
    }
}

/// What the code of a phone comes with.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PhoneCodeForm {
    csrf: String,
    challenge: String,
    sent_to: String,
    code: String,
}

/// Makes the phone the account's.
pub async fn confirm_phone(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Form(form): Form<PhoneCodeForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (status, problem) = match accounts::confirm_phone(&app, &visitor.person, (&form.challenge, &form.code)).await {
        Ok(true) => return Ok(Redirect::to("/security?done=phone").into_response()),
        Ok(false) => (StatusCode::UNPROCESSABLE_ENTITY, say!("common-code-wrong-ask")),
        Err(OpError::TooMany) => (StatusCode::TOO_MANY_REQUESTS, too_many()),
        Err(other) => return Err(other.into()),
    };
    let frame = Frame::personal(&visitor, "security");
    page(status, &PhonePage { frame, challenge: form.challenge, sent_to: form.sent_to, problem })
}

/// Ends one sign-in.
pub async fn end_session(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<BareForm>,
) -> Result<Response, Problem> {
    visitor.check(form.csrf())?;
    let id: SessionId = id.parse().map_err(|_| Problem::NotFound)?;
    people::end_sessions(&app, &visitor.person, Some(id)).await?;
    Ok(Redirect::to("/security?done=sessions").into_response())
}

/// Ends every sign-in but this one.
pub async fn end_others(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Form(form): Form<BareForm>,
) -> Result<Response, Problem> {
    visitor.check(form.csrf())?;
    people::end_sessions(&app, &visitor.person, None).await?;
    Ok(Redirect::to("/security?done=sessions").into_response())
}
