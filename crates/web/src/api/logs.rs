//! The request log and the audit log.

use axum::extract::{Path, State};
use axum::response::Response;
use http::{StatusCode, Uri};
use keymint_app::App;
use keymint_app::ops::{audit, requests};
use keymint_app::store_types::{AuditRow, Entry, Filter};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use super::extract::{Acting, Page, cut, id, limit, moment, number_cursor, query, rfc3339};
use super::{List, answer};

/// A decision about a request.
#[derive(Serialize, ToSchema)]
pub struct RequestView {
    /// Its number.
    id: String,
    /// The request's id, as the caller saw it.
    request_id: String,
    /// RFC 3339, UTC.
    at: String,
    /// The product.
    product: String,
    /// `test` or `live`.
    mode: Option<String>,
    /// The app.
    app_id: Option<String>,
    /// The credential.
    key_id: Option<String>,
    /// The method.
    method: String,
    /// The path; long runs of letters and digits are left out.
    path: String,
    /// The status answered.
    status: i64,
    /// `allow` or `deny`.
    decision: &'static str,
    /// The reason of a denial.
    reason: Option<String>,
    /// The client's address.
    client_ip: String,
    /// From the request's arrival to the answer. Microseconds.
    duration_us: i64,
}

fn request_view(entry: Entry) -> RequestView {
    RequestView {
        id: entry.id.to_string(),
        request_id: entry.request_id,
        at: rfc3339(entry.at),
        product: entry.product,
        mode: Some(entry.mode.as_str().to_owned()),
        app_id: Some(entry.app_id.to_string()),
        key_id: Some(entry.key_id),
        method: entry.method,
        path: entry.path,
        status: i64::from(entry.status),
        decision: if entry.reason.is_none() { "allow" } else { "deny" },
        reason: entry.reason,
        client_ip: entry.client_ip.to_string(),
        duration_us: i64::from(entry.duration_us),
    }
}

/// The filters of the request log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestQuery {
    cursor: Option<String>,
    limit: Option<i64>,
    mode: Option<Mode>,
    status: Option<String>,
    reason: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

/// `401`, `4xx`, or nothing for all.
fn status_range(text: Option<&str>) -> Result<(u16, u16), ApiError> {
    let wrong = || ApiError::field("status", "must be a status such as 401, or a class such as 4xx");
    match text {
        None => Ok((0, 999)),
        Some(text) => match text.strip_suffix("xx") {
            Some(class) => {
                let class: u16 = class.parse().map_err(|_| wrong())?;
                if (1..=5).contains(&class) { Ok((class * 100, class * 100 + 99)) } else { Err(wrong()) }
            }
            None => text.parse().map(|status| (status, status)).map_err(|_| wrong()),
        },
    }
}

fn filter(uri: &Uri) -> Result<(Filter, i64), ApiError> {
    let asked: RequestQuery = query(uri)?;
    let limit = limit(asked.limit)?;
    if asked.reason.as_deref().is_some_and(|reason| DenyReason::parse(reason).is_none()) {
        return Err(ApiError::field("reason", "is not a reason; see /docs"));
    }
    let filter = Filter {
        below_id: number_cursor(asked.cursor.as_deref(), i64::MAX)?,
        after_id: 0,
        mode: asked.mode,
        reason: asked.reason,
        since: asked.since.as_deref().map_or(Ok(UnixMs(0)), |text| moment("since", text))?,
        until: asked.until.as_deref().map_or(Ok(UnixMs(i64::MAX)), |text| moment("until", text))?,
        status: status_range(asked.status.as_deref())?,
        limit: usize::try_from(limit).unwrap_or(0) + 1,
    };
    Ok((filter, limit))
}

fn page(found: Vec<Entry>, limit: i64) -> Response {
    let (items, next_cursor) = cut(found, limit, |entry| entry.id.to_string());
    answer(StatusCode::OK, &List { items: items.into_iter().map(request_view).collect(), next_cursor })
}

/// List a credential's requests. The decisions about it, newest first.
#[utoipa::path(get, path = "/api/v1/credentials/{key_id}/requests", tag = "Logs",
    params(("key_id" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query),
    ("mode" = Option<String>, Query), ("status" = Option<String>, Query, description = "`401` or `4xx`"),
    ("reason" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query)),
    responses((status = 200, body = List<RequestView>), (status = "4XX", body = Problem)))]
pub async fn of_credential(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(key_id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (filter, limit) = filter(&uri)?;
    Ok(page(requests::of_credential(&app, actor, &key_id, &filter).await?, limit))
}

/// List an app's requests. The decisions about its credentials, newest first.
#[utoipa::path(get, path = "/api/v1/apps/{id}/requests", tag = "Logs",
    params(("id" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query),
    ("mode" = Option<String>, Query), ("status" = Option<String>, Query, description = "`401` or `4xx`"),
    ("reason" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query)),
    responses((status = 200, body = List<RequestView>), (status = "4XX", body = Problem)))]
pub async fn of_app(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let (filter, limit) = filter(&uri)?;
    Ok(page(requests::of_app(&app, actor, id(&app_id, "app")?, &filter).await?, limit))
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
pub struct AuditView {
    /// `aud_…`.
    id: String,
    /// The number of the change.
    seq: i64,
    /// RFC 3339, UTC.
    at: String,
    /// Who.
    actor: String,
    /// What: `credential.issued`.
    action: String,
    /// To what.
    subject: String,
    /// Of which merchant.
    merchant_id: Option<String>,
    /// More.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// SHA-256 over this entry and the digest before, hexadecimal.
    digest: String,
}

fn audit_view(row: AuditRow) -> AuditView {
    AuditView {
        id: row.id.to_string(),
        seq: row.seq,
        at: rfc3339(row.at),
        actor: row.actor,
        action: row.action,
        subject: row.subject,
        merchant_id: row.merchant_id.map(|merchant| merchant.to_string()),
        detail: serde_json::from_str(&row.detail).unwrap_or_default(),
        digest: data_encoding::HEXLOWER.encode(&row.digest),
    }
}

/// List the audit log. Newest first.
#[utoipa::path(get, path = "/api/v1/audit-entries", tag = "Logs",
    params(("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = List<AuditView>), (status = "4XX", body = Problem)))]
pub async fn audit_entries(State(app): State<App>, Acting(actor): Acting, uri: Uri) -> Result<Response, ApiError> {
    let asked: Page = query(&uri)?;
    let limit = limit(asked.limit)?;
    let below = number_cursor(asked.cursor.as_deref(), i64::MAX)?;
    let found = audit::list(&app, actor, below, limit + 1).await?;
    let (items, next_cursor) = cut(found, limit, |row| row.seq.to_string());
    Ok(answer(StatusCode::OK, &List { items: items.into_iter().map(audit_view).collect(), next_cursor }))
}
