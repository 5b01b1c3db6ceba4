//! The console's pages: every route in one list, who is asked at each, and what every page has in common. A page is a
//! handler and a view struct; what may be done is decided by the use cases, never here.

#[macro_use]
mod html;

mod account;
mod advice;
mod app_settings;
mod apps;
mod chart;
mod company;
mod endpoint;
mod export;
mod field;
mod gateways;
mod go_live;
pub mod hosted;
mod jump;
mod keys;
mod log_entry;
mod logo;
mod logs;
mod mail_codes;
mod merchant;
mod moments;
mod outbox;
mod overview;
mod pairs;
mod passkeys;
mod proof;
mod providers;
mod restrictions;
mod roles;
mod samples;
mod script;
mod security;
mod session;
mod start;
mod team;
mod transactions;
mod upload;
mod webhooks;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use keymint_app::App;
use keymint_app::ops::roles::title as role_title;
use keymint_app::ops::{OpError, people};
use keymint_app::say;
use keymint_app::store_types::{Membership, StoreError};
use keymint_domain::id::MerchantId;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use tower_http::csrf::CsrfLayer;

pub use start::GatewayPlace;

use session::SignedIn;

/// Scripts, styles and forms of our own alone; nothing inline; no frame around us.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// What a person is told in a form who tried too often.
fn too_many() -> &'static str {
    say!("common-too-many")
}

/// The pages. Unsafe requests from another origin end here, before any handler (T105).
pub fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/sign-in", get(session::form).post(session::sign_in))
        .route("/sign-in/second", post(session::second))
        .route("/sign-in/passkey", post(passkeys::sign_in))
        .route("/sign-in/passkey/begin", post(passkeys::begin_sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/sign-up", get(account::sign_up_form).post(account::sign_up))
        .route("/sign-up/confirm", post(account::confirm_sign_up))
        .route("/forgot", get(account::forgot_form).post(account::forgot))
        .route("/forgot/confirm", post(account::confirm_forgot))
        .route("/jump", get(jump::show))
        .route("/outbox", get(outbox::list))
        .merge(personal())
        .route("/merchants/{id}/activation", get(merchant::activation))
        .route("/merchants/{id}/audit", get(merchant::audit_log))
        .merge(of_team())
        .merge(of_webhooks())
        .route("/merchants/{id}/apps", get(apps::list))
        .route("/merchants/{id}/apps/new", get(apps::form).post(apps::make))
        .route("/merchants/{id}/profile", get(company::show).post(company::save))
        .route("/apps/{id}/settings", get(app_settings::show).post(app_settings::edit))
        .route("/apps/{id}/state", post(app_settings::set_state))
        .route("/apps/{id}/domains", post(app_settings::add_domain))
        .route("/apps/{id}/domains/remove", post(app_settings::remove_domain))
        .route("/apps/{id}/providers", post(providers::choose))
        .route("/apps/{id}/gateways", get(gateways::show).post(gateways::mark))
        .route("/apps/{id}/gateways/secret", post(gateways::make_secret))
        .route("/apps/{id}/go-live", get(go_live::show).post(go_live::tick))
        .route("/apps/{id}/logo", get(logo::show))
        .route("/keys/{key_id}", get(restrictions::show).post(restrictions::change))
        .route("/apps/{id}", get(overview::show))
        .route("/apps/{id}/start", get(start::show))
        .route("/apps/{id}/start/arrival", get(start::arrival))
        .route("/apps/{id}/keys", get(keys::list).post(keys::generate))
        .route("/apps/{id}/logs", get(logs::list))
        .route("/apps/{id}/logs/export", get(export::send))
        .route("/apps/{id}/logs/newer", get(logs::newer))
        .route("/apps/{id}/logs/{number}", get(log_entry::show))
        .route("/apps/{id}/transactions", get(transactions::list))
        .route("/apps/{id}/transactions/export", get(transactions::export))
        .route("/apps/{id}/transactions/{transaction}", get(transactions::show))
        .route("/keys/{key_id}/roll", post(keys::roll))
        .route("/keys/{key_id}/end", post(keys::move_end))
        .route("/keys/{key_id}/revoke", post(keys::revoke))
        .layer(middleware::from_fn_with_state(app.clone(), private))
        .layer(CsrfLayer::new())
        .route("/assets/icons.svg", get(|| asset("image/svg+xml", include_str!("../../assets/icons.svg"))))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", include_str!("../../assets/icon.svg"))))
        .route(
            "/assets/console.css",
            get(|| asset("text/css; charset=utf-8", include_str!("../../assets/console.css"))),
        )
        .route("/assets/console.js", get(|| asset("text/javascript; charset=utf-8", script::console())))
        .route(
            "/assets/passkey.js",
            get(|| asset("text/javascript; charset=utf-8", include_str!("../../assets/passkey.js"))),
        )
}

/// What is done about webhooks.
fn of_webhooks() -> Router<App> {
    Router::new()
        .route("/apps/{id}/webhooks", get(webhooks::list).post(webhooks::make))
        .route("/webhooks/{id}", get(endpoint::show).post(endpoint::edit))
        .route("/webhooks/{id}/state", post(endpoint::set_state))
        .route("/webhooks/{id}/secret", post(endpoint::roll_secret))
        .route("/webhooks/{id}/test", post(endpoint::test))
        .route("/webhooks/{id}/resend", post(endpoint::resend_since))
        .route("/webhooks/{id}/delete", post(endpoint::remove))
        .route("/deliveries/{id}", get(endpoint::delivery))
        .route("/deliveries/{id}/resend", post(endpoint::resend))
}

/// What is done about a merchant's team.
fn of_team() -> Router<App> {
    Router::new()
        .route("/merchants/{id}/team", get(team::list).post(team::invite))
        .route("/merchants/{id}/team/leave", post(team::leave))
        .route("/merchants/{id}/team/rule", post(team::set_rule))
        .route("/merchants/{id}/team/invitations/{invitation}/withdraw", post(team::withdraw))
        .route("/merchants/{id}/team/members/{user}", post(team::set_role))
        .route("/merchants/{id}/team/members/{user}/unlock", post(team::unlock))
        .route("/merchants/{id}/team/members/{user}/reset-factors", post(team::reset_factors))
        .route("/merchants/{id}/roles", get(roles::list).post(roles::make))
        .route("/merchants/{id}/roles/{role}", get(roles::form).post(roles::change))
        .route("/merchants/{id}/roles/{role}/delete", post(roles::remove))
}

/// What a person does about themselves.
fn personal() -> Router<App> {
    Router::new()
        .route("/security", get(security::show))
        .route("/security/prove", post(security::prove))
        .route("/security/password", post(security::password))
        .route("/security/authenticator", post(security::begin_authenticator))
        .route("/security/authenticator/confirm", post(security::confirm_authenticator))
        .route("/security/authenticator/remove", post(security::remove_authenticator))
        .route("/security/recovery-codes", post(security::renew_codes))
        .route("/security/passkeys", post(passkeys::begin))
        .route("/security/passkeys/confirm", post(passkeys::confirm))
        .route("/security/passkeys/{id}/remove", post(passkeys::remove))
        .route("/security/phone", post(security::begin_phone))
        .route("/security/phone/confirm", post(security::confirm_phone))
        .route("/security/mail-codes", post(mail_codes::begin))
        .route("/security/mail-codes/confirm", post(mail_codes::confirm))
        .route("/security/mail-codes/remove", post(mail_codes::remove))
        .route("/security/sessions/end-others", post(security::end_others))
        .route("/security/sessions/{id}/end", post(security::end_session))
        .route("/invitations", get(team::invitations))
        .route("/invitations/{id}", post(team::answer))
}

async fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=300")], text).into_response()
}

/// Nothing of a page is kept by anybody; and that a viewer has seen it is written down before it goes out.
async fn private(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (acting, path) = (session::Acting::default(), request.uri().path().to_owned());
    request.extensions_mut().insert(acting.clone());
    let mut response = in_own_words(next.run(request).await);
    // Parts of a page that was noted: what asks for itself again and again, and pictures.
    if let Some(actor) = acting.actor()
        && response.status().is_success()
        && !path.ends_with("/arrival")
        && !path.ends_with("/logs/newer")
        && !path.ends_with("/logo")
        && let Err(error) = people::note_view(&app, actor, &path).await
    {
        response = Problem::from(error).into_response();
    }
    // A picture says itself how it is kept and what may be in it.
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    response
}

/// What was to be read of a form or an address and could not: the library's words quote what was typed, ours do not.
fn in_own_words(response: Response) -> Response {
    let is_plain = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !response.status().is_client_error() || !is_plain {
        return response;
    }
    let status = response.status();
    let mut response = Problem::Broken.into_response();
    *response.status_mut() = status;
    response
}

async fn home(SignedIn(visitor): SignedIn) -> Result<Redirect, Problem> {
    let Some(first) = visitor.person.memberships.first() else { return Ok(Redirect::to("/invitations")) };
    Ok(Redirect::to(&format!("/merchants/{}/apps", first.merchant_id)))
}

/// What the frame around a page shows.
pub struct Frame {
    /// Where the page is: which entry of the side bar.
    place: &'static str,
    merchant_id: String,
    merchant_name: String,
    role: String,
    name: String,
    email: String,
    csrf: String,
    mode_is_test: bool,
    may_see_audit: bool,
    /// The person's other merchants: id and name.
    others: Vec<(String, String)>,
}

impl Frame {
    /// The frame of a page about the person: at no merchant, or at the first one.
    fn personal(visitor: &session::Visitor, place: &'static str) -> Self {
        match visitor.person.memberships.first() {
            Some(membership) => Self::new(visitor, membership, place),
            None => Self {
                place,
                merchant_id: String::new(),
                merchant_name: String::new(),
                role: String::new(),
                name: visitor.person.name.clone(),
                email: visitor.person.email.clone(),
                csrf: visitor.csrf.clone(),
                mode_is_test: false,
                may_see_audit: false,
                others: Vec::new(),
            },
        }
    }

    fn new(visitor: &session::Visitor, membership: &Membership, place: &'static str) -> Self {
        Self {
            place,
            merchant_id: membership.merchant_id.to_string(),
            merchant_name: membership.merchant_name.clone(),
            role: role_title(membership.role, &membership.role_name),
            name: visitor.person.name.clone(),
            email: visitor.person.email.clone(),
            csrf: visitor.csrf.clone(),
            mode_is_test: false,
            may_see_audit: membership.role.may(Act::SeeAudit),
            others: visitor
                .person
                .memberships
                .iter()
                .filter(|other| other.merchant_id != membership.merchant_id)
                .map(|other| (other.merchant_id.to_string(), other.merchant_name.clone()))
                .collect(),
        }
    }
}

/// The merchant that an address names.
///
/// # Errors
/// `NotFound`.
fn merchant(text: &str) -> Result<MerchantId, Problem> {
    text.parse().map_err(|_| Problem::NotFound)
}

/// Renders a page.
fn page(status: StatusCode, template: &impl Template) -> Result<Response, Problem> {
    let text = template.render().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        Problem::Internal
    })?;
    Ok((status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response())
}

/// What stands in the way of a whole page. What is wrong with a form stands in the form.
pub enum Problem {
    /// Another page comes first: one that asks, or leads to what is missing.
    Instead(Box<Response>),
    /// Nobody is signed in.
    SignIn,
    /// Nothing there, or nothing that this person may see.
    NotFound,
    /// The role does not allow it.
    Forbidden,
    /// A form that cannot be read.
    Broken,
    /// The form is not from this session.
    Stale,
    /// Too many attempts.
    TooMany,
    /// Come back later.
    Unavailable,
    /// Our fault.
    Internal,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    title: &'static str,
    text: &'static str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::Instead(response) => return *response,
            Self::SignIn => return Redirect::to("/sign-in").into_response(),
            Self::NotFound => (StatusCode::NOT_FOUND, say!("problem-not-found"), say!("problem-not-found-text")),
            Self::Forbidden => (StatusCode::FORBIDDEN, say!("problem-forbidden"), say!("problem-forbidden-text")),
            Self::Stale => (StatusCode::FORBIDDEN, say!("problem-stale"), say!("problem-stale-text")),
            Self::Broken => (StatusCode::BAD_REQUEST, say!("problem-broken"), say!("problem-broken-text")),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, say!("problem-too-many"), say!("problem-too-many-text")),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, say!("problem-unavailable"), say!("problem-unavailable-text"))
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, say!("problem-internal"), say!("problem-internal-text"))
            }
        };
        page(status, &ProblemPage { title, text }).unwrap_or_else(|_| status.into_response())
    }
}

impl From<OpError> for Problem {
    fn from(error: OpError) -> Self {
        match error {
            OpError::NotFound(_) => Self::NotFound,
            OpError::Forbidden => Self::Forbidden,
            OpError::TooMany => Self::TooMany,
            OpError::Busy | OpError::Store(StoreError::Unavailable(_)) => Self::Unavailable,
            // A page that can ask for a proof does so before it comes to this.
            OpError::ProofNeeded | OpError::CodesNeeded { .. } => Self::Forbidden,
            OpError::Field { .. }
            | OpError::Conflict { .. }
            | OpError::Entropy(_)
            | OpError::Seal
            | OpError::Store(_) => {
                tracing::error!(%error, "a page failed");
                Self::Internal
            }
        }
    }
}

/// A moment to the second, `2026-11-21 15:28:54`; in UTC, which stands beside it.
fn second(at: UnixMs) -> String {
    crate::api::extract::rfc3339(at).chars().take(19).collect::<String>().replace('T', " ")
}

/// A moment to the second where it stands alone, `2026-11-21 15:28:07 UTC`.
fn second_utc(at: UnixMs) -> String {
    say!("moments-utc", moment = second(at))
}

/// A moment to the minute, `2026-11-21 15:28 UTC`.
fn minute(at: UnixMs) -> String {
    say!("moments-utc", moment = second(at).chars().take(16).collect::<String>())
}

/// What a refusal says in a form: the field it stands beside, or none for above all, and the words. What is no matter of
/// the form stands in the way of the page.
///
/// # Errors
/// `Problem`.
fn in_form(error: OpError) -> Result<(&'static str, String), Problem> {
    match error {
        OpError::Field { field, problem } => Ok((field, problem)),
        OpError::Conflict { message, .. } => Ok(("", message)),
        OpError::TooMany => Ok(("", too_many().to_owned())),
        other => Err(other.into()),
    }
}

/// The day of a moment, `2026-11-21`.
fn day(at: UnixMs) -> String {
    crate::api::extract::rfc3339(at).chars().take(10).collect()
}
