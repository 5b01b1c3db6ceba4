//! The company behind a merchant: what its owners and admins say of it.

use keymint_domain::id::MerchantId;
use keymint_domain::role::Act;
use keymint_store::companies::{self, Company};
use serde_json::json;

use crate::App;
use crate::ops::{Actor, Change, OpError, Saying, field, input};
use crate::say;

/// What a company is made from.
#[derive(Clone, Debug, Default)]
pub struct NewCompany {
    /// Its name; 3 to 60 characters (KS Pay's rule).
    pub name: String,
    /// Street address.
    pub address: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// State.
    pub state: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Zip or postal code.
    pub postal_code: String,
    /// A phone number.
    pub phone: Option<String>,
    /// The address of its pages: `https://…` or `http://…`.
    pub website: Option<String>,
}

/// The address of somebody's pages. It is shown and never followed.
fn website(text: Option<&str>) -> Result<Option<String>, OpError> {
    let text = input::optional_text("website", text, 200)?;
    let is_address = |text: &String| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        host.contains('.') && !text.contains([' ', '<', '>', '"', '\\', '@'])
    };
    match text {
        Some(text) if !is_address(&text) => field("website", say!("input-website")),
        other => Ok(other),
    }
}

/// A merchant's company, `None` while nobody has described it.
///
/// # Errors
/// `NotFound` when the actor may not see the merchant.
pub async fn find(app: &App, actor: Actor, merchant: MerchantId) -> Result<Option<Company>, OpError> {
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    actor.require(Act::See)?;
    let mut conn = app.db.read().await?;
    Ok(companies::find(&mut conn, merchant).await?)
}

/// Describes a merchant's company, the first time or again.
///
/// # Errors
/// `NotFound` when the actor may not see the merchant; `Forbidden`; `Field`.
pub async fn describe(app: &App, actor: Actor, merchant: MerchantId, new: &NewCompany) -> Result<(), OpError> {
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    actor.require(Act::ManageCompany)?;
    let company = Company {
        name: input::text("name", &new.name, 3..=60)?,
        address: input::text("address", &new.address, 1..=500)?,
        country: input::country("country", &new.country)?,
        state: input::optional_text("state", new.state.as_deref(), 100)?,
        city: input::optional_text("city", new.city.as_deref(), 100)?,
        postal_code: input::text("postal_code", &new.postal_code, 1..=20)?,
        phone: input::optional_text("phone", new.phone.as_deref(), 32)?,
        website: website(new.website.as_deref())?,
        changed_at: app.clock.now(),
    };
    let mut change = Change::begin(app, actor, Act::ManageCompany).await?;
    keymint_store::merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    companies::put(change.conn(), merchant, &company).await?;
    let (subject, detail) = (merchant.to_string(), json!({ "name": company.name, "country": company.country }));
    let saying = Saying { action: "company.described", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await
}
