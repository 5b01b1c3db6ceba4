//! A merchant's way to live mode, and its audit log.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::{Actor, audit, companies, merchants, team};
use keymint_app::say;
use keymint_app::store_types::{Activation, AuditRow, Member};
use keymint_domain::id::MerchantId;
use serde::Deserialize;

use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, merchant, page, second};
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
    steps: Vec<Step>,
}

/// Something that live mode needs.
struct Step {
    words: &'static str,
    is_done: bool,
    /// Where it is done; empty where somebody else does it.
    href: String,
    label: &'static str,
}

async fn steps(
    app: &App,
    visitor: &Visitor,
    (id, actor): (MerchantId, Actor),
    state: Activation,
) -> Result<Vec<Step>, Problem> {
    let step = |words, is_done, href: &str, label| Step { words, is_done, href: href.to_owned(), label };
    let (company, home) = (format!("/merchants/{id}/profile"), format!("/merchants/{id}/apps"));
    let is_described = companies::find(app, actor, id).await?.is_some();
    Ok(vec![
        step(say!("activation-company"), is_described, &company, say!("common-company")),
        step(
            say!("activation-called"),
            merchants::has_called(app, actor, id).await?,
            &home,
            say!("common-applications"),
        ),
        step(say!("activation-factor"), visitor.person.means.first().is_some(), "/security", say!("common-security")),
        step(say!("activation-approved"), state == Activation::Approved, "", ""),
    ])
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
        Activation::Pending => ("warn", say!("activation-says-pending")),
        Activation::Approved => ("good", say!("activation-says-approved")),
        Activation::Rejected => ("bad", say!("activation-says-rejected")),
        Activation::Suspended => ("bad", say!("activation-says-suspended")),
    };
    let view = ActivationPage {
        frame: Frame::new(&visitor, membership, "activation"),
        state: merchants::state_words(row.activation),
        tone,
        says,
        steps: steps(&app, &visitor, (membership.merchant_id, actor), row.activation).await?,
        reason: row.activation_reason.unwrap_or_default(),
    };
    page(StatusCode::OK, &view)
}

struct AuditLine {
    at: String,
    when: String,
    /// The name of a person, or what kind of caller it was.
    who: String,
    actor: String,
    said: &'static str,
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

/// An act in words; what has none stands as it is kept.
fn said(action: &str) -> &'static str {
    match action {
        "app.changed" => say!("audit-app-changed"),
        "app.disabled" => say!("audit-app-disabled"),
        "app.domains_changed" => say!("audit-app-domains-changed"),
        "app.enabled" => say!("audit-app-enabled"),
        "app.gateway_marked" => say!("audit-app-gateway-marked"),
        "app.gateway_reopened" => say!("audit-app-gateway-reopened"),
        "app.gateway_secret_made" => say!("audit-app-gateway-secret-made"),
        "app.go_live_ticked" => say!("audit-app-go-live-ticked"),
        "app.go_live_unticked" => say!("audit-app-go-live-unticked"),
        "app.made" => say!("audit-app-made"),
        "app.providers_chosen" => say!("audit-app-providers-chosen"),
        "company.described" => say!("audit-company-described"),
        "credential.changed" => say!("audit-credential-changed"),
        "credential.end_moved" => say!("audit-credential-end-moved"),
        "credential.issued" => say!("audit-credential-issued"),
        "credential.revoked" => say!("audit-credential-revoked"),
        "credential.rolled" => say!("audit-credential-rolled"),
        "merchant.activation" => say!("audit-merchant-activation"),
        "merchant.made" => say!("audit-merchant-made"),
        "page.viewed" => say!("audit-page-viewed"),
        "role.changed" => say!("audit-role-changed"),
        "role.deleted" => say!("audit-role-deleted"),
        "role.made" => say!("audit-role-made"),
        "team.declined" => say!("audit-team-declined"),
        "team.factors_reset" => say!("audit-team-factors-reset"),
        "team.invited" => say!("audit-team-invited"),
        "team.joined" => say!("audit-team-joined"),
        "team.left" => say!("audit-team-left"),
        "team.removed" => say!("audit-team-removed"),
        "team.role_changed" => say!("audit-team-role-changed"),
        "team.rule_changed" => say!("audit-team-rule-changed"),
        "team.unlocked" => say!("audit-team-unlocked"),
        "team.withdrawn" => say!("audit-team-withdrawn"),
        "token.made" => say!("audit-token-made"),
        "token.revoked" => say!("audit-token-revoked"),
        "user.made" => say!("audit-user-made"),
        "webhook.changed" => say!("audit-webhook-changed"),
        "webhook.deleted" => say!("audit-webhook-deleted"),
        "webhook.disabled" => say!("audit-webhook-disabled"),
        "webhook.event_given_up" => say!("audit-webhook-event-given-up"),
        "webhook.made" => say!("audit-webhook-made"),
        "webhook.resent" => say!("audit-webhook-resent"),
        "webhook.secret_rolled" => say!("audit-webhook-secret-rolled"),
        "app.return_secret_made" => say!("audit-app-return-secret-made"),
        "app.test_clock_moved" => say!("audit-app-test-clock-moved"),
        "webhook.tested" => say!("audit-webhook-tested"),
        "webhook.triggered" => say!("audit-webhook-triggered"),
        _ => "",
    }
}

fn line(row: AuditRow, members: &[Member]) -> AuditLine {
    let detail = if row.detail == "{}" { String::new() } else { row.detail };
    let who = match row.actor.split_once(':') {
        Some(("user", id)) => {
            let known = members.iter().find(|member| member.user.to_string() == id);
            known.map_or_else(|| say!("audit-by-former").to_owned(), |member| member.name.clone())
        }
        Some(("operator", _)) => say!("audit-by-operator").to_owned(),
        Some(("merchant", _)) => say!("audit-by-token").to_owned(),
        _ => "Keymint".to_owned(),
    };
    AuditLine {
        at: rfc3339(row.at),
        when: second(row.at),
        who,
        said: said(&row.action),
        actor: row.actor,
        action: row.action,
        subject: row.subject,
        detail,
    }
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
    let (members, _) = team::list(&app, actor, membership.merchant_id).await?;
    let frame = Frame::new(&visitor, membership, "audit");
    let entries = rows.into_iter().map(|row| line(row, &members)).collect();
    page(StatusCode::OK, &AuditPage { frame, entries, older })
}
