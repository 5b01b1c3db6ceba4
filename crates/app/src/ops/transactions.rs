//! Reading what an app's sandbox keeps: orders, payments, transactions. Live ones are with the operator's payments
//! service.

use keymint_domain::id::AppId;
use keymint_domain::role::Act;
use keymint_store::transactions::{self, Query, Transaction};

use crate::App;
use crate::ops::{Actor, OpError, apps};
use crate::sandbox::facts;

/// What was kept before lists had columns of their own says in its body what it is about.
fn whole(mut transaction: Transaction) -> Transaction {
    if let (None, Some(body)) = (&transaction.facts.amount, &transaction.body) {
        let status = std::mem::take(&mut transaction.facts.status);
        transaction.facts = keymint_store::sandbox::Facts { status, ..facts(body) };
    }
    transaction
}

/// An app's transactions in test mode, newest first.
///
/// # Errors
/// `NotFound` when there is no such app that the actor may see; `Forbidden`.
pub async fn of_app(app: &App, actor: Actor, id: AppId, query: &Query) -> Result<Vec<Transaction>, OpError> {
    actor.require(Act::SeeRequests)?;
    let row = apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    let found = transactions::list(&mut conn, (row.merchant_id, id), query).await?;
    Ok(found.into_iter().map(whole).collect())
}

/// An app's transaction of exactly that id, with its JSON.
///
/// # Errors
/// `NotFound` when there is no such transaction or app that the actor may see; `Forbidden`.
pub async fn find(app: &App, actor: Actor, id: AppId, transaction: &str) -> Result<Transaction, OpError> {
    actor.require(Act::SeeRequests)?;
    let row = apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    let found = transactions::find(&mut conn, (row.merchant_id, id), transaction).await?;
    found.map(whole).ok_or(OpError::NotFound("transaction"))
}

/// The states that an app's transactions are in.
///
/// # Errors
/// `NotFound` when there is no such app that the actor may see; `Forbidden`.
pub async fn states(app: &App, actor: Actor, id: AppId) -> Result<Vec<String>, OpError> {
    actor.require(Act::SeeRequests)?;
    let row = apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    Ok(transactions::states(&mut conn, (row.merchant_id, id)).await?)
}
