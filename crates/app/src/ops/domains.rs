//! Domains of an app: the pages that its keys may be used on. Each credential carries the list in its own checked row, so
//! a change here is a change of each of them: in one transaction, and out of the cache before it is committed.

use keymint_domain::id::AppId;
use keymint_domain::restriction::{DOMAINS_MAX, RestrictionError, Restrictions, domains_for, parse_domain};
use keymint_domain::role::Act;
use keymint_store::apps;
use keymint_store::db::Conn;
use keymint_store::domains::{self, Domains};
use keymint_store::error::StoreError;
use serde_json::json;

use crate::App;
use crate::ops::{Actor, Change, OpError, Saying, field, input};
use crate::say;

/// An app's domains as they are stored; empty when it names none.
///
/// # Errors
/// `StoreError::Corrupt` when the list was not written by this Keymint.
pub async fn of(app: &App, conn: &mut Conn, id: AppId) -> Result<Vec<Box<str>>, OpError> {
    let Some(found) = domains::find(conn, id).await? else { return Ok(Vec::new()) };
    if app.keyring.row_is_intact(&domains::check_bytes(id, &found.origins), &found.row_check) {
        return Ok(found.origins);
    }
    Err(OpError::Store(StoreError::Corrupt { table: "app_domains", column: "row_check" }))
}

/// An app's domains.
///
/// # Errors
/// `NotFound` when there is no such app for the actor.
pub async fn list(app: &App, actor: Actor, id: AppId) -> Result<Vec<Box<str>>, OpError> {
    crate::ops::apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    of(app, &mut conn, id).await
}

/// Adds a domain. From then on, whoever calls from a page that is none of them is refused.
///
/// # Errors
/// `NotFound`; `Field` for what is no domain, is there already, or is one too many.
pub async fn add(app: &App, actor: Actor, id: AppId, text: &str) -> Result<(), OpError> {
    let domain = parse_domain(text).map_err(|error| input::restriction(&error))?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let mut origins = of(app, change.conn(), id).await?;
    if origins.contains(&domain) {
        return field("domain", say!("input-domain-listed"));
    }
    if origins.len() >= DOMAINS_MAX {
        return Err(input::restriction(&RestrictionError::TooManyDomains));
    }
    let detail = json!({ "added": domain });
    origins.push(domain);
    store(change, app, (actor, id), origins, detail).await
}

/// Takes a domain away. It is refused before this returns. Without any, pages everywhere are allowed again.
///
/// # Errors
/// `NotFound`; `Field` when it is not in the list.
pub async fn remove(app: &App, actor: Actor, id: AppId, domain: &str) -> Result<(), OpError> {
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let mut origins = of(app, change.conn(), id).await?;
    let before = origins.len();
    origins.retain(|origin| **origin != *domain);
    if origins.len() == before {
        return field("domain", say!("input-domain-unlisted"));
    }
    store(change, app, (actor, id), origins, json!({ "removed": domain })).await
}

async fn store(
    mut change: Change<'_>,
    app: &App,
    (actor, id): (Actor, AppId),
    origins: Vec<Box<str>>,
    detail: serde_json::Value,
) -> Result<(), OpError> {
    let owner = apps::find(change.conn(), id).await?.filter(|row| actor.may_act_for(row.merchant_id));
    let owner = owner.ok_or(OpError::NotFound("app"))?;
    let row_check = app.keyring.row_check(&domains::check_bytes(id, &origins));
    domains::put(change.conn(), id, &Domains { origins: origins.clone(), row_check }).await?;
    let narrow = |mode, restrictions: &mut Restrictions| restrictions.domains = domains_for(mode, &origins);
    let affected = super::apps::narrow_credentials(&mut change, app, (actor, id), narrow).await?;
    let subject = id.to_string();
    let saying = Saying { action: "app.domains_changed", subject: &subject, merchant: Some(owner.merchant_id), detail };
    change.commit(saying, affected).await
}
