//! A merchant's way to live mode, and its audit log.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::{Actor, apps, audit, companies, credentials, merchants, team};
use keymint_app::store_types::{Activation, AuditRow, Member};
use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
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

/// Applications that are looked at for a first call.
const APPS_LOOKED_AT: i64 = 50;

/// Whether an enabled application has been called with a test key.
async fn has_called(app: &App, actor: Actor, id: MerchantId) -> Result<bool, Problem> {
    for row in apps::list(app, actor, id, "", APPS_LOOKED_AT).await?.into_iter().filter(|row| row.is_enabled) {
        let keys = credentials::living(app, actor, row.id, Mode::Test).await?;
        if keys.iter().any(|key| key.last_used_at.is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
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
        step("The company is described.", is_described, &company, "Company"),
        step(
            "An application is enabled, and has been called with a test key.",
            has_called(app, actor, id).await?,
            &home,
            "Applications",
        ),
        step(
            "You have a second factor: whoever generates Live keys needs one.",
            visitor.person.means.first().is_some(),
            "/security",
            "Security",
        ),
        step("The operator has approved the business.", state == Activation::Approved, "", ""),
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
        "app.changed" => "Changed an application",
        "app.disabled" => "Disabled an application",
        "app.domains_changed" => "Changed an application's domains",
        "app.enabled" => "Enabled an application",
        "app.made" => "Added an application",
        "company.described" => "Described the company",
        "credential.changed" => "Changed a key",
        "credential.end_moved" => "Moved the end of a key",
        "credential.issued" => "Generated a key",
        "credential.revoked" => "Revoked a key",
        "credential.rolled" => "Regenerated a key",
        "merchant.activation" => "Decided about live mode",
        "merchant.made" => "Made the merchant",
        "page.viewed" => "Saw a page",
        "role.changed" => "Changed a role",
        "role.deleted" => "Deleted a role",
        "role.made" => "Made a role",
        "team.declined" => "Declined an invitation",
        "team.factors_reset" => "Reset a member's second factors",
        "team.invited" => "Invited somebody",
        "team.joined" => "Joined the team",
        "team.left" => "Left the team",
        "team.removed" => "Took somebody out of the team",
        "team.role_changed" => "Changed somebody's role",
        "team.rule_changed" => "Changed the rule about second factors",
        "team.unlocked" => "Unlocked a member",
        "team.withdrawn" => "Withdrew an invitation",
        "token.made" => "Made an API token",
        "token.revoked" => "Revoked an API token",
        "user.made" => "Made an account",
        _ => "",
    }
}

fn line(row: AuditRow, members: &[Member]) -> AuditLine {
    let detail = if row.detail == "{}" { String::new() } else { row.detail };
    let who = match row.actor.split_once(':') {
        Some(("user", id)) => {
            let known = members.iter().find(|member| member.user.to_string() == id);
            known.map_or_else(|| "Somebody who left".to_owned(), |member| member.name.clone())
        }
        Some(("operator", _)) => "The operator".to_owned(),
        Some(("merchant", _)) => "An API token".to_owned(),
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
