//! The providers of payments that an app may use. Each credential carries the list in its own checked row, as it does the
//! app's domains: a choice here is a change of each of them, in one transaction, out of the cache before the commit.

use keymint_domain::id::AppId;
use keymint_domain::restriction::Restrictions;
use keymint_domain::role::Act;
use keymint_store::apps;
use keymint_store::db::Conn;
use keymint_store::error::StoreError;
use keymint_store::providers::{self, Providers};
use serde_json::json;

use crate::App;
use crate::ops::{Actor, Change, OpError, Saying, field};
use crate::say;

/// The providers of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Those that it may use; none: all.
    pub chosen: Vec<Box<str>>,
    /// Those that the product's vendor has, in its order; none where it knows no such list.
    pub available: Vec<Box<str>>,
}

/// An app's providers as they are stored; none when it may use all.
///
/// # Errors
/// `StoreError::Corrupt` when the list was not written by this Keymint.
pub async fn of(app: &App, conn: &mut Conn, id: AppId) -> Result<Vec<Box<str>>, OpError> {
    let Some(found) = providers::find(conn, id).await? else { return Ok(Vec::new()) };
    if app.keyring.row_is_intact(&providers::check_bytes(id, &found.names), &found.row_check) {
        return Ok(found.names);
    }
    Err(OpError::Store(StoreError::Corrupt { table: "app_providers", column: "row_check" }))
}

/// The providers that an app may use, and those there are.
///
/// # Errors
/// `NotFound` when there is no such app for the actor.
pub async fn list(app: &App, actor: Actor, id: AppId) -> Result<Choice, OpError> {
    let row = super::apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    Ok(Choice { chosen: of(app, &mut conn, id).await?, available: available(app, &row.product) })
}

fn available(app: &App, product: &str) -> Vec<Box<str>> {
    let rules = app.products.find(product).and_then(|product| product.dialect.providers.as_ref());
    rules.map(|rules| rules.values.clone()).unwrap_or_default()
}

/// Chooses the providers that an app may use; none: all of them. A call that names another one is refused before this
/// returns, whichever key of the app it has. They are kept in the vendor's order.
///
/// # Errors
/// `NotFound`; `Field` for what is none of the vendor's providers; `Forbidden` and `ProofNeeded` as for live keys, where
/// one works.
pub async fn choose(app: &App, actor: Actor, id: AppId, names: &[String]) -> Result<Choice, OpError> {
    let mut change = Change::begin(app, actor, Act::ChooseProviders).await?;
    let row = apps::find(change.conn(), id).await?.filter(|row| actor.may_act_for(row.merchant_id));
    let row = row.ok_or(OpError::NotFound("app"))?;
    let available = available(app, &row.product);
    if names.iter().any(|name| !available.iter().any(|known| **known == **name)) {
        return field(
            "providers",
            match available.join(", ") {
                known if known.is_empty() => say!("input-no-providers").to_owned(),
                known => say!("input-provider", known = known),
            },
        );
    }
    let before = of(app, change.conn(), id).await?;
    let is_chosen = |known: &str| names.iter().any(|name| *name == *known);
    let chosen: Vec<Box<str>> = available.iter().filter(|known| is_chosen(known)).cloned().collect();
    let row_check = app.keyring.row_check(&providers::check_bytes(id, &chosen));
    providers::put(change.conn(), id, &Providers { names: chosen.clone(), row_check }).await?;
    let narrow = |_, restrictions: &mut Restrictions| restrictions.providers.clone_from(&chosen);
    let affected = super::apps::narrow_credentials(&mut change, app, (actor, id), narrow).await?;
    let subject = id.to_string();
    let detail = json!({ "providers": chosen, "before": before });
    let saying = Saying { action: "app.providers_chosen", subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, affected).await?;
    Ok(Choice { chosen, available })
}
