//! Credentials: issue, roll, revoke, change, read.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use keymint_app::App;
use keymint_app::ops::credentials::{self, Made, NewCredential, Patch, View};
use keymint_domain::credential::{RevokeReason, Status};
use keymint_domain::mode::Mode;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use super::extract::{Acting, Page, body, cut, id, limit, moment, query, repeat, rfc3339};
use super::{List, ShownOnce, answer};

/// What a credential is issued with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialBody {
    /// `test` or `live`.
    #[schema(value_type = String, example = "test")]
    mode: Mode,
    /// What its people call it; at most 100 characters.
    name: Option<String>,
    /// When it ends by itself. RFC 3339.
    expires_at: Option<String>,
    /// Scopes of the product; none: every call.
    #[serde(default)]
    scopes: Vec<String>,
    /// Addresses or CIDR blocks; none: every address.
    #[serde(default)]
    allowed_ips: Vec<String>,
    /// Browser origins; none: every origin.
    #[serde(default)]
    allowed_origins: Vec<String>,
}

/// A credential. `secret` stands in the answers of issue and roll alone.
#[derive(Serialize, ToSchema)]
pub struct CredentialView {
    /// The public name; where the product has a public key, it is this.
    key_id: String,
    /// The secret: in the answer that made it, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    secret: Option<ShownOnce>,
    /// Set when the same call with the same Idempotency-Key made it before: the secret was in that answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_shown_before: Option<bool>,
    /// `test` or `live`.
    mode: &'static str,
    /// `active`, `retiring`, `revoked` or `expired`.
    status: &'static str,
    /// The product.
    product: String,
    /// Whose it is.
    merchant_id: String,
    /// The app it was issued through.
    app_id: String,
    /// What its people call it.
    name: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
    /// When it ends by itself.
    expires_at: Option<String>,
    /// When it stops, for a retiring one.
    ends_at: Option<String>,
    /// When it was revoked.
    revoked_at: Option<String>,
    /// Why.
    revoke_reason: Option<&'static str>,
    /// When it last authenticated a request.
    last_used_at: Option<String>,
    /// When its secret was first sent over plain HTTP, where others can have read it: roll it.
    exposed_at: Option<String>,
    /// Its scopes.
    scopes: Vec<String>,
    /// Its addresses.
    allowed_ips: Vec<String>,
    /// Its origins.
    allowed_origins: Vec<String>,
}

fn view(view: View) -> CredentialView {
    let View { credential, state, seen } = view;
    let (ends_at, revoked_at, revoke_reason) = match &credential.status {
        Status::Active => (None, None, None),
        Status::Retiring { ends_at } => (Some(*ends_at), None, None),
        Status::Revoked { at, reason, .. } => (None, Some(*at), Some(reason.as_str())),
    };
    let texts = |list: &[Box<str>]| list.iter().map(ToString::to_string).collect();
    CredentialView {
        secret: None,
        secret_shown_before: None,
        mode: credential.mode.as_str(),
        status: state.as_str(),
        merchant_id: credential.merchant_id.to_string(),
        app_id: credential.app_id.to_string(),
        created_at: rfc3339(credential.created_at),
        expires_at: credential.expires_at.map(rfc3339),
        ends_at: ends_at.map(rfc3339),
        revoked_at: revoked_at.map(rfc3339),
        revoke_reason,
        last_used_at: seen.last_used_at.map(rfc3339),
        exposed_at: seen.exposed_at.map(rfc3339),
        scopes: texts(&credential.restrictions.scopes),
        allowed_ips: credential.restrictions.allowed_ips.iter().map(ToString::to_string).collect(),
        allowed_origins: texts(&credential.restrictions.allowed_origins),
        key_id: credential.key_id,
        product: credential.product,
        name: credential.name,
    }
}

/// The view of what was made, with its secret if this call made it.
fn made_view(made: Made) -> CredentialView {
    let shown_before = made.secret.is_none().then_some(true);
    CredentialView { secret: made.secret.map(ShownOnce), secret_shown_before: shown_before, ..view(made.view) }
}

/// 201 for what this call made; 200 and a header for what it had made before.
fn made_answer<T: Serialize>(body: &T, shown_before: bool) -> Response {
    let mut response = answer(if shown_before { StatusCode::OK } else { StatusCode::CREATED }, body);
    if shown_before {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// Issue a credential. The answer holds its secret, once.
#[utoipa::path(post, path = "/api/v1/apps/{id}/credentials", tag = "Credentials", request_body = CredentialBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe: \
    the same key and body answers the same credential, without its secret.")),
    responses((status = 201, body = CredentialView), (status = 200, body = CredentialView,
    description = "Made before by the same call; no secret."), (status = "4XX", body = Problem)))]
pub async fn issue(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let given: CredentialBody = body(&bytes)?;
    let new = NewCredential {
        mode: given.mode,
        name: given.name,
        expires_at: given.expires_at.as_deref().map(|text| moment("expires_at", text)).transpose()?,
        scopes: given.scopes,
        allowed_ips: given.allowed_ips,
        allowed_origins: given.allowed_origins,
    };
    let repeat = repeat(&headers, &format!("credentials.issue {app_id}"), &bytes)?;
    let made = credentials::issue(&app, actor, id(&app_id, "app")?, &new, repeat.as_ref()).await?;
    let shown_before = made.secret.is_none();
    Ok(made_answer(&made_view(made), shown_before))
}

/// List an app's credentials.
#[utoipa::path(get, path = "/api/v1/apps/{id}/credentials", tag = "Credentials",
    params(("id" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = List<CredentialView>), (status = "4XX", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let page: Page = query(&uri)?;
    let limit = limit(page.limit)?;
    let above = page.cursor.as_deref().unwrap_or_default();
    app.log.flush().await;
    let found = credentials::list(&app, actor, id(&app_id, "app")?, above, limit + 1).await?;
    let (items, next_cursor) = cut(found, limit, |item| item.credential.id.to_string());
    Ok(answer(StatusCode::OK, &List { items: items.into_iter().map(view).collect(), next_cursor }))
}

/// Read a credential.
#[utoipa::path(get, path = "/api/v1/credentials/{key_id}", tag = "Credentials", params(("key_id" = String, Path)),
    responses((status = 200, body = CredentialView), (status = "4XX", body = Problem)))]
pub async fn read(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(key_id): Path<String>,
) -> Result<Response, ApiError> {
    app.log.flush().await;
    Ok(answer(StatusCode::OK, &view(credentials::find(&app, actor, &key_id).await?)))
}

/// What may change of a credential; what is left out stays, `null` takes away.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialPatch {
    /// What its people call it.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// When it ends by itself. RFC 3339.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    expires_at: Option<Option<String>>,
    /// Its scopes.
    scopes: Option<Vec<String>>,
    /// Its addresses.
    allowed_ips: Option<Vec<String>>,
    /// Its origins.
    allowed_origins: Option<Vec<String>>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change a credential. Its name, expiry or restrictions; what is narrower is so before this answers.
#[utoipa::path(patch, path = "/api/v1/credentials/{key_id}", tag = "Credentials", params(("key_id" = String, Path)),
    request_body = CredentialPatch, responses((status = 200, body = CredentialView), (status = "4XX", body = Problem)))]
pub async fn patch(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(key_id): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let CredentialPatch { name, expires_at, scopes, allowed_ips, allowed_origins } = body(&bytes)?;
    let expires_at = match expires_at {
        Some(Some(text)) => Some(Some(moment("expires_at", &text)?)),
        Some(None) => Some(None),
        None => None,
    };
    let patch = Patch { name, expires_at, scopes, allowed_ips, allowed_origins };
    Ok(answer(StatusCode::OK, &view(credentials::patch(&app, actor, &key_id, &patch).await?)))
}

/// How to roll.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBody {
    /// How long the predecessor goes on working: 0 to 2 592 000 (30 days).
    grace_seconds: u32,
}

/// A successor and its predecessor.
#[derive(Serialize, ToSchema)]
pub struct RollView {
    /// The successor, with its secret.
    credential: CredentialView,
    /// The predecessor.
    previous: PreviousView,
}

/// The predecessor after a roll.
#[derive(Serialize, ToSchema)]
pub struct PreviousView {
    /// Its public name.
    key_id: String,
    /// `retiring`, or `revoked` when there was no grace.
    status: &'static str,
    /// When it stops, or stopped.
    ends_at: Option<String>,
}

/// Roll a credential. Issues its successor and chooses when it ends. The answer holds the new secret, once.
#[utoipa::path(post, path = "/api/v1/credentials/{key_id}/roll", tag = "Credentials", request_body = RollBody,
    params(("key_id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat safe.")),
    responses((status = 201, body = RollView), (status = 200, body = RollView,
    description = "Made before by the same call; no secret."), (status = "4XX", body = Problem)))]
pub async fn roll(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(key_id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let RollBody { grace_seconds } = body(&bytes)?;
    let repeat = repeat(&headers, &format!("credentials.roll {key_id}"), &bytes)?;
    let rolled = credentials::roll(&app, actor, &key_id, grace_seconds, repeat.as_ref()).await?;
    let shown_before = rolled.made.secret.is_none();
    let previous = view(rolled.previous);
    let previous = PreviousView {
        key_id: previous.key_id,
        status: previous.status,
        ends_at: previous.ends_at.or(previous.revoked_at),
    };
    Ok(made_answer(&RollView { credential: made_view(rolled.made), previous }, shown_before))
}

/// Why to revoke.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeBody {
    /// `compromised`, `superseded`, `unused` or `other`.
    reason: String,
    /// In your words; at most 500 characters.
    note: Option<String>,
}

/// A revoked credential and the proof of it.
#[derive(Serialize, ToSchema)]
pub struct RevokeView {
    /// Its public name.
    key_id: String,
    /// `revoked`.
    status: &'static str,
    /// When.
    revoked_at: String,
    /// What was promised.
    receipt: Receipt,
}

/// What a revocation promises.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    /// The number of the change in this Keymint's ledger.
    seq: i64,
    /// From this instant no node accepts the credential.
    effective_at: String,
    /// How many nodes stopped accepting it before this was answered.
    nodes: u32,
}

/// Revoke a credential. When this answers, no node accepts it for any request that arrives afterwards.
#[utoipa::path(post, path = "/api/v1/credentials/{key_id}/revoke", tag = "Credentials", request_body = RevokeBody,
    params(("key_id" = String, Path)),
    responses((status = 200, body = RevokeView), (status = "4XX", body = Problem)))]
pub async fn revoke(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(key_id): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let RevokeBody { reason, note } = body(&bytes)?;
    let reason = RevokeReason::parse(&reason)
        .ok_or_else(|| ApiError::field("reason", "must be `compromised`, `superseded`, `unused` or `other`"))?;
    let revoked = credentials::revoke(&app, actor, &key_id, reason, note.as_deref()).await?;
    let receipt = Receipt { seq: revoked.seq, effective_at: rfc3339(revoked.at), nodes: 1 };
    let revoked_at = rfc3339(revoked.at);
    Ok(answer(StatusCode::OK, &RevokeView { key_id, status: "revoked", revoked_at, receipt }))
}
