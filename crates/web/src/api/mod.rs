//! The management API: every route in one list, the order of layers in one function.

pub mod apps;
pub mod credentials;
pub mod docs;
pub mod error;
pub mod extract;
pub mod gateways;
pub mod go_live;
pub mod listening;
pub mod logs;
pub mod merchants;
pub mod sandbox;
pub mod tokens;
pub mod webhooks;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use keymint_app::App;
use keymint_domain::id::RequestId;
use keymint_domain::secret::SecretText;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, License, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use error::{ApiError, Pending};

use crate::arrival::{Ambiguous, Arrival, Proxies, UrlScheme};
use crate::console::Client;
use crate::pages;

/// Largest body of a management call. Bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins; null at the end.
    pub next_cursor: Option<String>,
}

/// A secret on its way to its holder, once. The only secret that can be serialised.
pub struct ShownOnce(pub SecretText);

impl Serialize for ShownOnce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// A JSON answer; never cached.
pub fn answer<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let body = serde_json::to_string(body).unwrap_or_default();
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 201.
pub fn created<T: Serialize>(body: &T) -> Response {
    answer(StatusCode::CREATED, body)
}

/// The routes with their descriptions.
fn described() -> OpenApiRouter<App> {
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An operator token acts on everything, a merchant token on that merchant alone."))
            .build(),
    );
    let mut components = Components::new();
    components.add_security_scheme("token", bearer);
    let info = InfoBuilder::new()
        .title("Keymint management API")
        .version("1")
        .description(Some(docs::INTRODUCTION))
        .license(Some(License::new("MIT OR Apache-2.0")))
        .build();
    let document = OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
        .build();
    OpenApiRouter::with_openapi(document)
        .routes(routes!(merchants::make, merchants::list))
        .routes(routes!(merchants::read))
        .routes(routes!(merchants::activate))
        .routes(routes!(apps::make, apps::list))
        .routes(routes!(apps::read, apps::patch))
        .routes(routes!(apps::providers, apps::choose_providers))
        .routes(routes!(go_live::read))
        .routes(routes!(go_live::tick))
        .routes(routes!(gateways::list))
        .routes(routes!(gateways::mark))
        .routes(routes!(gateways::make_secret))
        .routes(routes!(sandbox::read_clock, sandbox::move_clock))
        .routes(routes!(sandbox::make_return_secret))
        .routes(routes!(credentials::issue, credentials::list))
        .routes(routes!(credentials::read, credentials::patch))
        .routes(routes!(credentials::roll))
        .routes(routes!(credentials::revoke))
        .routes(routes!(logs::of_credential))
        .routes(routes!(logs::of_app))
        .routes(routes!(logs::audit_entries))
        .merge(of_webhooks())
        .routes(routes!(tokens::make))
        .routes(routes!(tokens::revoke))
}

fn of_webhooks() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(webhooks::make, webhooks::list))
        .routes(routes!(webhooks::read, webhooks::patch, webhooks::remove))
        .routes(routes!(webhooks::roll_secret))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::deliveries_of))
        .routes(routes!(webhooks::resend_since))
        .routes(routes!(webhooks::delivery))
        .routes(routes!(webhooks::resend))
        .routes(routes!(webhooks::publish))
        .routes(routes!(listening::listen, listening::trigger))
}

/// The OpenAPI document.
pub fn openapi() -> OpenApi {
    described().split_for_parts().1
}

/// The document as committed: indented, with a line end.
pub fn openapi_text() -> String {
    let text = serde_json::to_string_pretty(&openapi()).expect("the document is plain data");
    format!("{text}\n")
}

/// Everything on the console listener. Layers run from the last added to the first.
pub fn router(app: App, front: Front) -> Router {
    let (api, document) = described().split_for_parts();
    let text: &'static str = Box::leak(serde_json::to_string(&document).unwrap_or_default().into_boxed_str());
    let page: &'static str = Box::leak(docs::page(&document).into_boxed_str());
    api.merge(pages::router(&app))
        .route("/docs", get(move || async move { html(page) }))
        .route("/docs.css", get(|| async { ([(CONTENT_TYPE, "text/css; charset=utf-8")], docs::STYLE) }))
        .route("/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], text) }))
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.") })
        .method_not_allowed_fallback(|| async {
            let detail = "This method is not allowed here.";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state((app.clone(), front), outermost))
        .with_state(app)
}

/// Runs the rest, which is told who the client is.
async fn known(arrival: Result<Arrival, Ambiguous>, mut request: Request, next: Next) -> Response {
    let Ok(arrival) = arrival else {
        let detail = "What the proxy says of the client can be read in more than one way.";
        return ApiError::new(StatusCode::BAD_REQUEST, "ambiguous_request", detail).into_response();
    };
    request.extensions_mut().insert(Client::of(arrival.address));
    next.run(request).await
}

fn html(page: &'static str) -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// What stands before the console.
#[derive(Clone, Debug)]
pub struct Front {
    /// The proxies that are believed.
    pub proxies: Proxies,
    /// Where people open it, where that is told.
    pub console_url: Option<String>,
}

impl Front {
    /// Whether browsers reach the console by https: they are told never to come another way.
    fn is_https(&self, arrival: Arrival) -> bool {
        let is_url_https = self.console_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        arrival.scheme == UrlScheme::Https || is_url_https
    }
}

/// A year, which is what browsers ask for at least (T133; RFC 6797). Not for names below this one: they may be others'.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Gives each request an id and the client that it is from, finishes problems, and sets the headers that every answer
/// has.
async fn outermost(State((app, front)): State<(App, Front)>, request: Request, next: Next) -> Response {
    let request_id =
        RequestId::fresh(app.clock.now(), &*app.entropy).map_or_else(|_| String::new(), |id| id.to_string());
    let received = request.extensions().get::<Arrival>().copied();
    let arrival = received.ok_or(Ambiguous).and_then(|received| front.proxies.arrival(received, request.headers()));
    let response = known(arrival, request, next).await;
    tracing::debug!(request_id, status = response.status().as_u16(), "answered");
    let pending = response.extensions().get::<Pending>().cloned();
    let mut response = match pending {
        Some(Pending(error)) => error::problem(&error, &request_id),
        None if response.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("The body may have at most {BODY_BYTES_MAX} bytes.");
            error::problem(&ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail), &request_id)
        }
        None => response,
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert("x-request-id", value);
    }
    if arrival.is_ok_and(|arrival| front.is_https(arrival)) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                  frame-ancestors 'none'";
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    response
}
