//! Reading the request log.

use keymint_domain::id::AppId;
use keymint_domain::role::Act;
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
