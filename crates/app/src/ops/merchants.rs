//! Merchants: made by the operator, approved for live mode by the operator.

use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
use keymint_domain::role::{Act, Role};
use keymint_store::credentials;
use keymint_store::error::StoreError;
use keymint_store::merchants::{self, Activation, Merchant};
use serde_json::json;

use crate::App;
use crate::ops::idempotency::{self, Repeat};
use crate::ops::{Actor, Change, OpError, Saying, input, notices};
use crate::say;

/// What a merchant is made from.
#[derive(Clone, Debug)]
pub struct NewMerchant {
    /// The business name; 3 to 60 characters (KS Pay's rule for companies).
    pub name: String,
    /// Its address for mail.
    pub email: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// Makes a merchant, or finds the one that the same call made before.
///
/// # Errors
/// `Forbidden` for a merchant's actor; `Field`; `Conflict` when the email is taken.
pub async fn make(app: &App, actor: Actor, new: &NewMerchant, repeat: Option<&Repeat>) -> Result<Merchant, OpError> {
    actor.require(Act::Operate)?;
    let now = app.clock.now();
    let merchant = Merchant {
        id: MerchantId::fresh(now, &*app.entropy)?,
        name: input::text("name", &new.name, 3..=60)?,
        email: input::email("email", &new.email)?,
        country: input::country("country", &new.country)?,
        activation: Activation::Pending,
        activation_reason: None,
        created_at: now,
    };
    let mut change = Change::begin(app, actor, Act::Operate).await?;
    if let Some(made) = idempotency::find(change.conn(), actor, repeat).await? {
        let id = made.parse().map_err(|_| OpError::NotFound("merchant"))?;
        let merchant = merchants::find(change.conn(), id).await?.ok_or(OpError::NotFound("merchant"))?;
        change.settle().await?;
        return Ok(merchant);
    }
    match merchants::insert(change.conn(), &merchant).await {
        Err(StoreError::Unique { .. }) => {
            let message = say!("refusal-merchant-email-taken").to_owned();
            return Err(OpError::Conflict { code: "email_taken", message });
        }
        other => other?,
    }
    let subject = merchant.id.to_string();
    idempotency::remember(change.conn(), app, actor, repeat, &subject).await?;
    let detail = json!({ "name": merchant.name, "country": merchant.country });
    let saying = Saying { action: "merchant.made", subject: &subject, merchant: Some(merchant.id), detail };
    change.commit(saying, Vec::new()).await?;
    Ok(merchant)
}

/// A merchant.
///
/// # Errors
/// `NotFound` when there is none that the actor may see.
pub async fn find(app: &App, actor: Actor, id: MerchantId) -> Result<Merchant, OpError> {
    if !actor.may_act_for(id) {
        return Err(OpError::NotFound("merchant"));
    }
    actor.require(Act::See)?;
    let mut conn = app.db.read().await?;
    merchants::find(&mut conn, id).await?.ok_or(OpError::NotFound("merchant"))
}

/// Whether a merchant has called an app of its own that is enabled with a test key.
///
/// # Errors
/// `NotFound` when there is none that the actor may see.
pub async fn has_called(app: &App, actor: Actor, id: MerchantId) -> Result<bool, OpError> {
    find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    Ok(credentials::any_used(&mut conn, id, Mode::Test).await?)
}

/// Merchants above an id; a merchant's actor sees its own.
///
/// # Errors
/// `OpError::Store`.
pub async fn list(app: &App, actor: Actor, above: &str, limit: i64) -> Result<Vec<Merchant>, OpError> {
    actor.require(Act::See)?;
    let mut conn = app.db.read().await?;
    match actor.merchant() {
        Some(own) => Ok(merchants::find(&mut conn, own)
            .await?
            .into_iter()
            .filter(|merchant| merchant.id.to_string().as_str() > above)
            .collect()),
        None => Ok(merchants::list(&mut conn, above, limit).await?),
    }
}

/// Where a merchant is on its way to live mode, in words.
pub fn state_words(activation: Activation) -> &'static str {
    match activation {
        Activation::Pending => say!("activation-is-pending"),
        Activation::Approved => say!("activation-is-approved"),
        Activation::Rejected => say!("activation-is-rejected"),
        Activation::Suspended => say!("activation-is-suspended"),
    }
}

/// Decides where a merchant is on its way to live mode. When it stops being approved, its live credentials stop before
/// this returns.
///
/// # Errors
/// `Forbidden` for a merchant's actor; `NotFound`.
pub async fn set_activation(
    app: &App,
    actor: Actor,
    id: MerchantId,
    activation: Activation,
    reason: Option<&str>,
) -> Result<Merchant, OpError> {
    actor.require(Act::Operate)?;
    let reason = input::optional_text("reason", reason, 500)?;
    let mut change = Change::begin(app, actor, Act::Operate).await?;
    merchants::find(change.conn(), id).await?.ok_or(OpError::NotFound("merchant"))?;
    merchants::set_activation(change.conn(), id, activation, reason.as_deref()).await?;
    let merchant = merchants::find(change.conn(), id).await?.ok_or(OpError::NotFound("merchant"))?;
    let state = state_words(activation);
    let text = match &reason {
        Some(reason) => say!("mail-activation-reason", state = state, reason = reason),
        None => say!("mail-activation-text", state = state),
    };
    let about = (say!("mail-activation"), text.as_str());
    notices::write(app, &mut change, (id, &[Role::Owner, Role::Admin]), about).await?;
    let affected = credentials::key_ids_of_merchant(change.conn(), id).await?;
    let subject = id.to_string();
    let detail = json!({ "state": activation.as_str(), "reason": reason });
    let saying = Saying { action: "merchant.activation", subject: &subject, merchant: Some(id), detail };
    change.commit(saying, affected).await?;
    Ok(merchant)
}
