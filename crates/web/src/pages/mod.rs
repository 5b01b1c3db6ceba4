//! The console's pages: every route in one list, who is asked at each, and what every page has in common. A page is a
//! handler and a view struct; what may be done is decided by the use cases, never here.

mod apps;
mod keys;
mod logs;
mod session;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use keymint_app::App;
use keymint_app::ops::OpError;
use keymint_app::store_types::{Membership, StoreError};
use keymint_domain::time::UnixMs;
use tower_http::csrf::CsrfLayer;

use session::SignedIn;

/// Scripts, styles and forms of our own alone; nothing inline; no frame around us.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The pages. Unsafe requests from another origin end here, before any handler (T105).
pub fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/sign-in", get(session::form).post(session::sign_in))
        .route("/sign-out", post(session::sign_out))
        .route("/merchants/{id}/apps", get(apps::list))
        .route("/merchants/{id}/apps/new", get(apps::form).post(apps::make))
        .route("/apps/{id}/keys", get(keys::list).post(keys::generate))
        .route("/apps/{id}/logs", get(logs::list))
        .route("/keys/{key_id}/roll", post(keys::roll))
        .route("/keys/{key_id}/revoke", post(keys::revoke))
        .layer(middleware::from_fn_with_state(app.clone(), private))
        .layer(CsrfLayer::new())
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", include_str!("../../assets/icon.svg"))))
        .route(
            "/assets/console.css",
            get(|| asset("text/css; charset=utf-8", include_str!("../../assets/console.css"))),
        )
        .route(
            "/assets/console.js",
            get(|| asset("text/javascript; charset=utf-8", include_str!("../../assets/console.js"))),
        )
}

async fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=300")], text).into_response()
}

/// Nothing of a page is kept by anybody.
async fn private(State(_): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn home(SignedIn(visitor): SignedIn) -> Result<Redirect, Problem> {
    let first = visitor.person.memberships.first().ok_or(Problem::NotFound)?;
    Ok(Redirect::to(&format!("/merchants/{}/apps", first.merchant_id)))
}

/// What the frame around a page shows.
pub struct Frame {
    /// Where the page is: which entry of the side bar.
    place: &'static str,
    merchant_id: String,
    merchant_name: String,
    role: &'static str,
    name: String,
    email: String,
    csrf: String,
    mode_is_test: bool,
}

impl Frame {
    fn new(visitor: &session::Visitor, membership: &Membership, place: &'static str) -> Self {
        Self {
            place,
            merchant_id: membership.merchant_id.to_string(),
            merchant_name: membership.merchant_name.clone(),
            role: membership.role.as_str(),
            name: visitor.person.name.clone(),
            email: visitor.person.email.clone(),
            csrf: visitor.csrf.clone(),
            mode_is_test: false,
        }
    }
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
    /// Nobody is signed in.
    SignIn,
    /// Nothing there, or nothing that this person may see.
    NotFound,
    /// The role does not allow it.
    Forbidden,
    /// The form is not from this session.
    Stale,
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
            Self::SignIn => return Redirect::to("/sign-in").into_response(),
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "Not found", "There is nothing at this address that this account may see.")
            }
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "Not allowed",
                "Your role does not allow this. An owner or an admin of the merchant can do it, or change your role.",
            ),
            Self::Stale => (
                StatusCode::FORBIDDEN,
                "Form out of date",
                "This form is not from the session you are signed in with. Go back, reload the page and send it again.",
            ),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "Not available now", "Nothing was changed. Try again in a moment.")
            }
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side", "Nothing was changed.")
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
            OpError::Busy | OpError::TooMany | OpError::Store(StoreError::Unavailable(_)) => Self::Unavailable,
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

/// A moment to the minute, `2026-11-21 15:28 UTC`.
fn minute(at: UnixMs) -> String {
    format!("{} UTC", second(at).chars().take(16).collect::<String>())
}

/// The day of a moment, `2026-11-21`.
fn day(at: UnixMs) -> String {
    crate::api::extract::rfc3339(at).chars().take(10).collect()
}
