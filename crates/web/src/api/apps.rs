//! Apps: register, list, read, enable and disable, and the providers that one may use.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use keymint_app::App;
use keymint_app::ops::apps::{self, AppState, LogoChange, NewApp};
use keymint_app::ops::providers::{self, Choice};
use keymint_app::store_types::AppRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use super::extract::{Acting, Page, body, cut, id, limit, query, repeat, rfc3339};
use super::{List, answer, created};

/// What an app is made from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppBody {
    /// The product's name.
    #[schema(example = "razorpay")]
    product: String,
    /// 3 to 256 characters; no two apps of a merchant and product share one.
    #[schema(example = "Web shop")]
    name: String,
    /// An address for mail.
    #[schema(example = "dev@asha.example")]
    email: String,
    /// A phone number.
    phone: Option<String>,
    /// Street address.
    #[schema(example = "12 MG Road")]
    address: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "IN")]
    country: String,
    /// State.
    state: Option<String>,
    /// City.
    city: Option<String>,
    /// Zip or postal code.
    #[schema(example = "560001")]
    postal_code: String,
}

/// An app.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppView {
    /// `app_…`.
    id: String,
    /// Whose it is.
    merchant_id: String,
    /// The product.
    product: String,
    /// Its name.
    name: String,
    /// Its address for mail.
    email: String,
    /// A phone number.
    phone: Option<String>,
    /// Street address.
    address: String,
    /// ISO 3166-1 alpha-2.
    country: String,
    /// State.
    state: Option<String>,
    /// City.
    city: Option<String>,
    /// Zip or postal code.
    postal_code: String,
    /// Whether its credentials work.
    enabled: bool,
    /// RFC 3339, UTC.
    created_at: String,
}

fn view(app: AppRow) -> AppView {
    AppView {
        id: app.id.to_string(),
        merchant_id: app.merchant_id.to_string(),
        product: app.product,
        name: app.name,
        email: app.email,
        phone: app.phone,
        address: app.address,
        country: app.country,
        state: app.state,
        city: app.city,
        postal_code: app.postal_code,
        enabled: app.is_enabled,
        created_at: rfc3339(app.created_at),
    }
}

/// Register an app.
#[utoipa::path(post, path = "/api/v1/merchants/{id}/apps", tag = "Apps", request_body = AppBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe.")),
    responses((status = 201, body = AppView), (status = "4XX", body = Problem)))]
pub async fn make(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(merchant): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let AppBody { product, name, email, phone, address, country, state, city, postal_code } = body(&bytes)?;
    let logo = LogoChange::Keep;
    let new = NewApp { product, name, email, phone, address, country, state, city, postal_code, logo };
    let repeat = repeat(&headers, &format!("apps.make {merchant}"), &bytes)?;
    let made = apps::make(&app, actor, id(&merchant, "merchant")?, &new, repeat.as_ref()).await?;
    Ok(created(&view(made)))
}

/// List a merchant's apps.
#[utoipa::path(get, path = "/api/v1/merchants/{id}/apps", tag = "Apps",
    params(("id" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = List<AppView>), (status = "4XX", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(merchant): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let page: Page = query(&uri)?;
    let limit = limit(page.limit)?;
    let above = page.cursor.as_deref().unwrap_or_default();
    let found = apps::list(&app, actor, id(&merchant, "merchant")?, above, limit + 1).await?;
    let (items, next_cursor) = cut(found, limit, |app| app.id.to_string());
    Ok(answer(StatusCode::OK, &List { items: items.into_iter().map(view).collect(), next_cursor }))
}

/// Read an app.
#[utoipa::path(get, path = "/api/v1/apps/{id}", tag = "Apps", params(("id" = String, Path)),
    responses((status = 200, body = AppView), (status = "4XX", body = Problem)))]
pub async fn read(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
) -> Result<Response, ApiError> {
    let found = apps::find(&app, actor, id(&app_id, "app")?).await?;
    Ok(answer(StatusCode::OK, &view(found)))
}

/// What may change of an app.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppPatch {
    /// Whether its credentials work.
    enabled: bool,
}

/// Enable or disable an app. Disabled, its credentials stop before this answers.
#[utoipa::path(patch, path = "/api/v1/apps/{id}", tag = "Apps", params(("id" = String, Path)),
    request_body = AppPatch, responses((status = 200, body = AppView), (status = "4XX", body = Problem)))]
pub async fn patch(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let AppPatch { enabled } = body(&bytes)?;
    let state = if enabled { AppState::Enabled } else { AppState::Disabled };
    let changed = apps::set_state(&app, actor, id(&app_id, "app")?, state).await?;
    Ok(answer(StatusCode::OK, &view(changed)))
}

/// The providers that an app may use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvidersBody {
    /// Out of those that the product's vendor has; none: all of them.
    #[schema(example = json!(["MTN_MOMO_CMR"]))]
    providers: Vec<String>,
}

/// The providers of an app.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProvidersView {
    /// Those that it may use; none: all of them.
    providers: Vec<Box<str>>,
    /// Those that the product's vendor has; none: it knows no such list.
    available: Vec<Box<str>>,
}

fn providers_view(choice: Choice) -> ProvidersView {
    ProvidersView { providers: choice.chosen, available: choice.available }
}

/// Read which providers an app may use.
#[utoipa::path(get, path = "/api/v1/apps/{id}/providers", tag = "Apps", params(("id" = String, Path)),
    responses((status = 200, body = ProvidersView), (status = "4XX", body = Problem)))]
pub async fn providers(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
) -> Result<Response, ApiError> {
    let choice = providers::list(&app, actor, id(&app_id, "app")?).await?;
    Ok(answer(StatusCode::OK, &providers_view(choice)))
}

/// Choose the providers that an app may use. A call that names another one is refused before this answers.
#[utoipa::path(put, path = "/api/v1/apps/{id}/providers", tag = "Apps", params(("id" = String, Path)),
    request_body = ProvidersBody, responses((status = 200, body = ProvidersView), (status = "4XX", body = Problem)))]
pub async fn choose_providers(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let ProvidersBody { providers } = body(&bytes)?;
    let choice = providers::choose(&app, actor, id(&app_id, "app")?, &providers).await?;
    Ok(answer(StatusCode::OK, &providers_view(choice)))
}
