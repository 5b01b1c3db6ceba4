//! Signing in and out, and who sends a request.

use std::sync::{Arc, OnceLock};

use askama::Template;
use axum::extract::{FromRequestParts, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use keymint_app::App;
use keymint_app::ops::people::{self, Person};
use keymint_app::ops::{Actor, OpError};
use keymint_app::say;
use keymint_app::store_types::{Channel, Membership};
use keymint_domain::id::MerchantId;
use keymint_domain::secret::SecretText;
use serde::Deserialize;

use super::passkeys::{Asking, Place, SEND};
use super::{Problem, page};
use crate::console::Client;

/// The cookie's name: the prefix binds it to this host, to HTTPS and to the whole site.
const COOKIE_NAME: &str = "__Host-keymint_session";
/// Its name on plain HTTP on this machine, where browsers refuse the prefix.
const LOOPBACK_COOKIE_NAME: &str = "keymint_session";

/// Whoever has signed in, and the token that every form of theirs carries.
pub struct Visitor {
    /// The person.
    pub person: Person,
    /// The token of this session's forms.
    pub csrf: String,
    /// As whom the person acts in this request, for the record of it.
    acting: Acting,
    /// Where passkeys are, from here.
    pub place: Place,
}

/// Where it is left as whom a request was answered, for whoever stands around the handlers.
#[derive(Clone, Default)]
pub struct Acting(Arc<OnceLock<Actor>>);

impl Acting {
    /// As whom; nobody where no merchant was looked at.
    pub fn actor(&self) -> Option<Actor> {
        self.0.get().copied()
    }
}

impl Visitor {
    /// What the person is at a merchant, and who acts there.
    ///
    /// # Errors
    /// `NotFound` for no member: whether there is such a merchant is not told. `Instead` with the way to a second factor,
    /// where the merchant wants one of everybody.
    pub fn at(&self, merchant: MerchantId) -> Result<(&Membership, Actor), Problem> {
        let of = |membership: &&Membership| membership.merchant_id == merchant;
        let membership = self.person.memberships.iter().find(of).ok_or(Problem::NotFound)?;
        if !self.person.is_let_in(membership) {
            return Err(Problem::Instead(Box::new(Redirect::to("/security?needed=1").into_response())));
        }
        let actor = self.person.actor(merchant).ok_or(Problem::NotFound)?;
        let _ = self.acting.0.set(actor);
        Ok((membership, actor))
    }

    /// Goes on only with a form of this session (T105).
    ///
    /// # Errors
    /// `Stale`.
    pub fn check(&self, csrf: &str) -> Result<(), Problem> {
        let is_own = keymint_domain::secret::equal(csrf.as_bytes(), self.csrf.as_bytes());
        if is_own { Ok(()) } else { Err(Problem::Stale) }
    }
}

/// A visitor who has signed in. A handler that takes this cannot be reached without.
pub struct SignedIn(pub Visitor);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let cookie = cookie(&parts.headers).ok_or(Problem::SignIn)?;
        let person = people::person_of(app, cookie).await?.ok_or(Problem::SignIn)?;
        let (_, mac) = app.keyring.token_mac(format!("console form {}", person.session).as_bytes());
        let csrf = data_encoding::HEXLOWER.encode(&mac);
        let acting = parts.extensions.get::<Acting>().cloned().unwrap_or_default();
        Ok(Self(Visitor { person, csrf, acting, place: Place::of(app, &parts.headers) }))
    }
}

/// Whether the request came to this machine's own address, without TLS.
fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn cookie_name(headers: &HeaderMap) -> &'static str {
    if is_loopback(headers) { LOOPBACK_COOKIE_NAME } else { COOKIE_NAME }
}

/// What the session cookie holds; nothing when it stands twice.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let name = cookie_name(headers);
    let mut values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

/// The same response, with the session's cookie.
pub fn with_cookie(response: impl IntoResponse, headers: &HeaderMap, value: &str, rest: &str) -> Response {
    let name = cookie_name(headers);
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{rest}");
    let mut response = response.into_response();
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(SET_COOKIE, text);
    }
    response
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    email: &'a str,
    problem: &'a str,
    notice: &'static str,
    has_mail: bool,
    place: Place,
}

fn sign_in_page<'a>(app: &App, headers: &HeaderMap, email: &'a str, problem: &'a str) -> SignInPage<'a> {
    let (has_mail, place) = (app.post.carries(Channel::Mail), Place::of(app, headers));
    SignInPage { email, problem, notice: "", has_mail, place }
}

/// The form again, with what is wrong.
///
/// # Errors
/// `Problem`.
pub fn sign_in_refused(app: &App, headers: &HeaderMap, problem: &str) -> Result<Response, Problem> {
    page(StatusCode::UNPROCESSABLE_ENTITY, &sign_in_page(app, headers, "", problem))
}

/// What was just done.
#[derive(Deserialize)]
pub struct SignInQuery {
    #[serde(default)]
    done: String,
}

/// The form; whoever has signed in already goes on.
pub async fn form(
    State(app): State<App>,
    Query(asked): Query<SignInQuery>,
    headers: HeaderMap,
    signed_in: Result<SignedIn, Problem>,
) -> Result<Response, Problem> {
    let notice = if asked.done == "reset" { say!("sign-in-password-set") } else { "" };
    match signed_in {
        Ok(_) => Ok(Redirect::to("/").into_response()),
        Err(Problem::SignIn) => page(StatusCode::OK, &SignInPage { notice, ..sign_in_page(&app, &headers, "", "") }),
        Err(other) => Err(other),
    }
}

/// What the form sends. No `Debug`: a password is in it.
#[derive(Deserialize)]
pub struct SignInForm {
    email: String,
    password: String,
}

/// Signs in. The words are the same whether there is such an account or not (T101).
pub async fn sign_in(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Result<Response, Problem> {
    let SignInForm { email, password } = form;
    let (status, problem) = match people::sign_in(&app, &email, SecretText::new(password), client).await {
        Ok(Some(people::SignedIn::Session(secret))) => {
            return Ok(with_cookie(Redirect::to("/"), &headers, secret.expose(), ""));
        }
        Ok(Some(people::SignedIn::Second(second))) => {
            return page(StatusCode::OK, &second_page(&Place::of(&app, &headers), second, ""));
        }
        Err(OpError::Conflict { code: "no_passkeys", .. }) => {
            (StatusCode::SERVICE_UNAVAILABLE, say!("sign-in-no-passkeys"))
        }
        Ok(None) => (StatusCode::UNPROCESSABLE_ENTITY, say!("sign-in-wrong")),
        Err(OpError::TooMany) => (StatusCode::TOO_MANY_REQUESTS, say!("sign-in-too-many")),
        Err(OpError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, say!("sign-in-busy")),
        Err(other) => return Err(other.into()),
    };
    page(status, &sign_in_page(&app, &headers, &email, problem))
}

#[derive(Template)]
#[template(path = "second.html")]
struct SecondPage<'a> {
    challenge: String,
    sent_to: String,
    asking: Asking,
    problem: &'a str,
}

fn second_page<'a>(place: &Place, second: people::Second, problem: &'a str) -> SecondPage<'a> {
    let people::Second { challenge, instead } = second;
    SecondPage {
        challenge: challenge.id.to_string(),
        sent_to: challenge.sent_to,
        asking: Asking::new(place, (challenge.factor, challenge.options), instead),
        problem,
    }
}

/// What the second step sends.
#[derive(Deserialize)]
pub struct SecondForm {
    challenge: String,
    #[serde(default)]
    sent_to: String,
    code: String,
}

/// The second step of a sign-in.
pub async fn second(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    headers: HeaderMap,
    Form(form): Form<SecondForm>,
) -> Result<Response, Problem> {
    let place = Place::of(&app, &headers);
    if form.code == SEND {
        let second = people::second_by_phone(&app, &form.challenge).await?;
        return page(StatusCode::OK, &second_page(&place, second, ""));
    }
    let (status, problem) = match people::sign_in_second(&app, (&form.challenge, &form.code), client).await {
        Ok(Some(secret)) => return Ok(with_cookie(Redirect::to("/"), &headers, secret.expose(), "")),
        Ok(None) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            if form.code.starts_with('{') { say!("second-passkey-refused") } else { say!("second-code-wrong") },
        ),
        Err(OpError::TooMany) => (StatusCode::TOO_MANY_REQUESTS, say!("second-too-many")),
        Err(other) => return Err(other.into()),
    };
    let mut second = people::second_again(&app, &form.challenge).await?;
    second.challenge.sent_to = form.sent_to;
    page(status, &second_page(&place, second, problem))
}

/// A form with nothing but its token.
#[derive(Deserialize)]
pub struct BareForm {
    csrf: String,
}

impl BareForm {
    /// The token.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// Ends the session, on our side first.
pub async fn sign_out(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    headers: HeaderMap,
    Form(form): Form<BareForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    people::sign_out(&app, &visitor.person).await?;
    Ok(with_cookie(Redirect::to("/sign-in"), &headers, "", "; Max-Age=0"))
}
