//! Tokens of this API.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::tokens;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer;
use super::error::{ApiError, Problem};
use super::extract::{Acting, body, id, repeat};

/// What a token is made from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// What it is for; at most 100 characters.
    #[schema(example = "deploy script")]
    name: String,
    /// The merchant it is confined to; without one it is an operator's.
    merchant_id: Option<String>,
}

/// A new token. This answer is the only one that holds it.
#[derive(Serialize, ToSchema)]
pub struct TokenView {
    /// `tok_…`.
    id: String,
    /// The token; absent when the same call with the same Idempotency-Key made it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The merchant it is confined to.
    merchant_id: Option<String>,
}

/// Make a token. The answer holds it, once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "Tokens", request_body = TokenBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe.")),
    responses((status = 201, body = TokenView), (status = "4XX", body = Problem)))]
pub async fn make(
    State(app): State<App>,
    Acting(actor): Acting,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let TokenBody { name, merchant_id } = body(&bytes)?;
    let merchant = merchant_id.as_deref().map(|text| id(text, "merchant")).transpose()?;
    let repeat = repeat(&headers, "tokens.make", &bytes)?;
    let (token_id, text) = tokens::make(&app, actor, merchant, &name, repeat.as_ref()).await?;
    let status = if text.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let token = text.map(|text| text.expose().to_owned());
    Ok(answer(status, &TokenView { id: token_id.to_string(), token, merchant_id }))
}

/// End a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "Tokens", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem)))]
pub async fn revoke(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(token): Path<String>,
) -> Result<StatusCode, ApiError> {
    tokens::revoke(&app, actor, id(&token, "token")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
