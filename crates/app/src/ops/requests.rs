//! Reading the request log.

use keymint_domain::id::AppId;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use keymint_store::request_log::{self, Entry, Filter};

use crate::App;
use crate::ops::{Actor, OpError, apps, credentials};

/// Decisions about a credential, newest first.
///
/// # Errors
/// `NotFound` when there is none that the actor may see.
pub async fn of_credential(app: &App, actor: Actor, key_id: &str, filter: &Filter) -> Result<Vec<Entry>, OpError> {
    actor.require(Act::SeeRequests)?;
    credentials::find(app, actor, key_id).await?;
    app.log.flush().await;
    let mut conn = app.db.read().await?;
    Ok(request_log::list_of_key(&mut conn, key_id, filter).await?)
}

/// Decisions about an app's credentials, newest first.
///
/// # Errors
/// `NotFound` when there is none that the actor may see.
pub async fn of_app(app: &App, actor: Actor, id: AppId, filter: &Filter) -> Result<Vec<Entry>, OpError> {
    actor.require(Act::SeeRequests)?;
    apps::find(app, actor, id).await?;
    app.log.flush().await;
    let mut conn = app.db.read().await?;
    Ok(request_log::list_of_app(&mut conn, id, filter).await?)
}

/// Decisions about one credential of an app, newest first; none when the app has no such credential.
///
/// # Errors
/// `NotFound` when there is no such app that the actor may see; `Forbidden`.
pub async fn of_key_in_app(
    app: &App,
    actor: Actor,
    (id, key_id): (AppId, &str),
    filter: &Filter,
) -> Result<Vec<Entry>, OpError> {
    actor.require(Act::SeeRequests)?;
    apps::find(app, actor, id).await?;
    match credentials::find(app, actor, key_id).await {
        Ok(found) if found.credential.app_id == id => of_credential(app, actor, key_id, filter).await,
        Ok(_) | Err(OpError::NotFound(_)) => Ok(Vec::new()),
        Err(other) => Err(other),
    }
}

/// The number up to which the log is written, whoever's decisions they are: `Filter::after_id` of whoever asks for newer
/// ones later.
///
/// # Errors
/// `OpError` as the database answers.
pub async fn head(app: &App) -> Result<i64, OpError> {
    app.log.flush().await;
    let mut conn = app.db.read().await?;
    Ok(request_log::head(&mut conn).await?)
}

/// The decision of that number, if it is about a credential of the app.
///
/// # Errors
/// `NotFound` when there is no such decision or app that the actor may see; `Forbidden`.
pub async fn find(app: &App, actor: Actor, id: AppId, number: i64) -> Result<Entry, OpError> {
    let newest = Filter {
        below_id: number.saturating_add(1),
        after_id: 0,
        mode: None,
        reason: None,
        since: UnixMs(i64::MIN),
        until: UnixMs(i64::MAX),
        status: (0, u16::MAX),
        limit: 1,
    };
    let found = of_app(app, actor, id, &newest).await?;
    found.into_iter().find(|entry| entry.id == number).ok_or(OpError::NotFound("request"))
}
