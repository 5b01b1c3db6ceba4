//! Merchants and their activation.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use keymint_app::App;
use keymint_app::ops::merchants::{self, NewMerchant};
use keymint_app::store_types::{Activation, Merchant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use super::extract::{Acting, Page, body, cut, id, limit, query, repeat, rfc3339};
use super::{List, answer, created};

/// What a merchant is made from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MerchantBody {
    /// The business name, 3 to 60 characters.
    #[schema(example = "Asha Textiles")]
    name: String,
    /// Its address for mail; no two merchants share one.
    #[schema(example = "owner@asha.example")]
    email: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "IN")]
    country: String,
}

/// A merchant.
#[derive(Debug, Serialize, ToSchema)]
pub struct MerchantView {
    /// `mer_…`.
    id: String,
    /// The business name.
    name: String,
    /// Its address for mail.
    email: String,
    /// ISO 3166-1 alpha-2.
    country: String,
    /// `pending`, `approved`, `rejected` or `suspended`.
    activation: &'static str,
    /// What the operator said.
    activation_reason: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
}

fn view(merchant: Merchant) -> MerchantView {
    MerchantView {
        id: merchant.id.to_string(),
        name: merchant.name,
        email: merchant.email,
        country: merchant.country,
        activation: merchant.activation.as_str(),
        activation_reason: merchant.activation_reason,
        created_at: rfc3339(merchant.created_at),
    }
}

/// Make a merchant.
#[utoipa::path(post, path = "/api/v1/merchants", tag = "Merchants", request_body = MerchantBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe.")),
    responses((status = 201, body = MerchantView), (status = "4XX", body = Problem)))]
pub async fn make(
    State(app): State<App>,
    Acting(actor): Acting,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let MerchantBody { name, email, country } = body(&bytes)?;
    let repeat = repeat(&headers, "merchants.make", &bytes)?;
    let made = merchants::make(&app, actor, &NewMerchant { name, email, country }, repeat.as_ref()).await?;
    Ok(created(&view(made)))
}

/// List merchants.
#[utoipa::path(get, path = "/api/v1/merchants", tag = "Merchants",
    params(("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = List<MerchantView>), (status = "4XX", body = Problem)))]
pub async fn list(State(app): State<App>, Acting(actor): Acting, uri: Uri) -> Result<Response, ApiError> {
    let page: Page = query(&uri)?;
    let limit = limit(page.limit)?;
    let found = merchants::list(&app, actor, page.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    let (items, next_cursor) = cut(found, limit, |merchant| merchant.id.to_string());
    Ok(answer(StatusCode::OK, &List { items: items.into_iter().map(view).collect(), next_cursor }))
}

/// Read a merchant.
#[utoipa::path(get, path = "/api/v1/merchants/{id}", tag = "Merchants", params(("id" = String, Path)),
    responses((status = 200, body = MerchantView), (status = "4XX", body = Problem)))]
pub async fn read(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(merchant): Path<String>,
) -> Result<Response, ApiError> {
    let found = merchants::find(&app, actor, id(&merchant, "merchant")?).await?;
    Ok(answer(StatusCode::OK, &view(found)))
}

/// What the operator decides.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationBody {
    /// `approved`, `rejected` or `suspended`.
    state: String,
    /// What the merchant is told.
    reason: Option<String>,
}

/// Decide about live mode. Live credentials exist only while a merchant is approved; they stop at once when that ends.
#[utoipa::path(put, path = "/api/v1/merchants/{id}/activation", tag = "Merchants", params(("id" = String, Path)),
    request_body = ActivationBody,
    responses((status = 200, body = MerchantView), (status = "4XX", body = Problem)))]
pub async fn activate(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(merchant): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let ActivationBody { state, reason } = body(&bytes)?;
    let activation = Activation::parse(&state).filter(|state| *state != Activation::Pending);
    let activation =
        activation.ok_or_else(|| ApiError::field("state", "must be `approved`, `rejected` or `suspended`"))?;
    let merchant = id(&merchant, "merchant")?;
    let changed = merchants::set_activation(&app, actor, merchant, activation, reason.as_deref()).await?;
    Ok(answer(StatusCode::OK, &view(changed)).into_response())
}
