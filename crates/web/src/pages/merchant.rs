//! A merchant's way to live mode, and its audit log.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::{audit, merchants};
use keymint_app::store_types::{Activation, AuditRow};
use keymint_domain::id::MerchantId;
use serde::Deserialize;

use super::session::SignedIn;
use super::{Frame, Problem, page};
use crate::api::extract::rfc3339;

/// Entries on one page.
const ENTRIES_MAX: usize = 50;

#[derive(Template)]
#[template(path = "activation.html")]
struct ActivationPage {
    frame: Frame,
    state: &'static str,
    tone: &'static str,
    says: &'static str,
    reason: String,
}

fn merchant(id: &str) -> Result<MerchantId, Problem> {
    id.parse().map_err(|_| Problem::NotFound)
}

/// What live mode needs, and what a reviewer said.
pub async fn activation(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(merchant(&id)?)?;
    let row = merchants::find(&app, actor, membership.merchant_id).await?;
    let (tone, says) = match row.activation {
        Activation::Pending => ("warn", "A reviewer looks at this business. Until then everything works in test mode."),
        Activation::Approved => ("good", "Live keys can be generated, by an owner or an admin with a second factor."),
        Activation::Rejected => ("bad", "Live mode was refused. Test mode goes on; answer the reviewer below."),
        Activation::Suspended => ("bad", "Live keys are refused until the suspension ends. Test mode goes on."),
    };
    let view = ActivationPage {
        frame: Frame::new(&visitor, membership, "activation"),
        state: row.activation.as_str(),
        tone,
        says,
        reason: row.activation_reason.unwrap_or_default(),
    };
    page(StatusCode::OK, &view)
}

struct AuditLine {
    at: String,
    actor: String,
    action: String,
    subject: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    entries: Vec<AuditLine>,
    older: String,
}

fn line(row: AuditRow) -> AuditLine {
    let detail = if row.detail == "{}" { String::new() } else { row.detail };
    AuditLine { at: rfc3339(row.at), actor: row.actor, action: row.action, subject: row.subject, detail }
}

/// Where a page of the log begins.
#[derive(Deserialize)]
pub struct AuditQuery {
    before: Option<i64>,
}

/// Who did what.
pub async fn audit_log(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(merchant(&id)?)?;
    let limit = i64::try_from(ENTRIES_MAX + 1).unwrap_or(i64::MAX);
    let mut rows = audit::list(&app, actor, asked.before.unwrap_or(i64::MAX), limit).await?;
    let has_more = rows.len() > ENTRIES_MAX;
    rows.truncate(ENTRIES_MAX);
    let older = match rows.last() {
        Some(last) if has_more => format!("/merchants/{}/audit?before={}", membership.merchant_id, last.seq),
        _ => String::new(),
    };
    let frame = Frame::new(&visitor, membership, "audit");
    page(StatusCode::OK, &AuditPage { frame, entries: rows.into_iter().map(line).collect(), older })
}
