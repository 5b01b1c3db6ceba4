//! Apps: a merchant's registered applications.

use std::num::NonZeroU32;
use std::sync::Arc;

use keymint_domain::credential::State;
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::restriction::Restrictions;
use keymint_domain::role::Act;
use keymint_store::apps::{self, App as Row};
use keymint_store::error::StoreError;
use keymint_store::logos::{self, Logo};
use keymint_store::{companies, credentials, merchants};
use serde_json::json;

use crate::App;
use crate::ops::credentials::manage;
use crate::ops::idempotency::{self, Repeat};
use crate::ops::{Actor, Change, OpError, Saying, field, input};
use crate::say;

/// What an app is made from.
#[derive(Clone, Debug, Default)]
pub struct NewApp {
    /// The product.
    pub product: String,
    /// Its name; 3 to 256 characters (KS Pay's rule).
    pub name: String,
    /// Its address for mail.
    pub email: String,
    /// A phone number.
    pub phone: Option<String>,
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
    /// What happens to its logo.
    pub logo: LogoChange,
}

/// What a form says of a logo.
#[derive(Clone, Debug, Default)]
pub enum LogoChange {
    /// It stays, or there is none.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It is this one from now on.
    Put(Logo),
}

fn checked(app: &App, merchant: MerchantId, new: &NewApp) -> Result<Row, OpError> {
    if app.products.find(&new.product).is_none() {
        let mut names: Vec<&str> = app.products.iter().map(|product| &*product.name).collect();
        names.sort_unstable();
        return field("product", say!("input-product", names = names.join(", ")));
    }
    let now = app.clock.now();
    Ok(Row {
        id: AppId::fresh(now, &*app.entropy)?,
        merchant_id: merchant,
        product: new.product.clone(),
        name: input::text("name", &new.name, 3..=256)?,
        email: input::email("email", &new.email)?,
        phone: input::optional_text("phone", new.phone.as_deref(), 32)?,
        address: input::text("address", &new.address, 1..=500)?,
        country: input::country("country", &new.country)?,
        state: input::optional_text("state", new.state.as_deref(), 100)?,
        city: input::optional_text("city", new.city.as_deref(), 100)?,
        postal_code: input::text("postal_code", &new.postal_code, 1..=20)?,
        is_enabled: true,
        created_at: now,
    })
}

impl LogoChange {
    /// Its name in the audit log.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Keep => "kept",
            Self::Remove => "removed",
            Self::Put(_) => "put",
        }
    }
}

/// What the vendor's console asks, inside the transaction that writes: two people at once cannot both be first. The
/// management API promises its callers none of this (they may give ten apps one address), so it is asked of people.
async fn check_unique(change: &mut Change<'_>, app: &App, actor: Actor, row: &Row) -> Result<(), OpError> {
    let (Actor::Member(..), Some(product)) = (actor, app.products.find(&row.product)) else { return Ok(()) };
    let (rules, title) = (&product.dialect.apps, &product.dialect.title);
    if let Some(code) = rules.unique.email
        && apps::has_same_email(change.conn(), row).await?
    {
        return field("email", taken(title, code));
    }
    if let (Some(code), Some(phone)) = (rules.unique.phone, &row.phone) {
        let others = apps::phones_of_others(change.conn(), row).await?;
        if others.iter().any(|other| same_phone(other, phone)) {
            return field("phone", taken(title, code));
        }
    }
    Ok(())
}

/// Whether the company is described that the vendor's console asks for before the first app; of people alone, as above.
async fn check_company(change: &mut Change<'_>, app: &App, actor: Actor, row: &Row) -> Result<(), OpError> {
    let (Actor::Member(..), Some(product)) = (actor, app.products.find(&row.product)) else { return Ok(()) };
    if product.dialect.apps.requires_company && companies::find(change.conn(), row.merchant_id).await?.is_none() {
        let title = &product.dialect.title;
        let message = say!("refusal-company-first", product = &**title);
        return Err(OpError::Conflict { code: COMPANY_REQUIRED, message });
    }
    Ok(())
}

/// What is said of what another app has, with the vendor's number for it.
fn taken(title: &str, code: NonZeroU32) -> String {
    say!("input-taken", product = title, code = code.to_string())
}

/// The code of the refusal that leads to the company's profile.
pub const COMPANY_REQUIRED: &str = "company_required";

/// `+91 98765-43210` and `+919876543210` ring at the same place.
fn same_phone(one: &str, other: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    one == other || (!digits(one).is_empty() && digits(one) == digits(other))
}

async fn store_logo(change: &mut Change<'_>, row: &Row, logo: &LogoChange) -> Result<(), OpError> {
    match logo {
        LogoChange::Keep => {}
        LogoChange::Remove => logos::remove(change.conn(), row.merchant_id, row.id).await?,
        LogoChange::Put(logo) => logos::put(change.conn(), row.merchant_id, row.id, logo).await?,
    }
    Ok(())
}

/// An app's logo.
///
/// # Errors
/// `NotFound` when there is none, or no such app for the actor.
pub async fn logo(app: &App, actor: Actor, id: AppId) -> Result<Logo, OpError> {
    let row = find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    logos::find(&mut conn, row.merchant_id, id).await?.ok_or(OpError::NotFound("logo"))
}

/// Which of a merchant's apps have a logo, and its version.
///
/// # Errors
/// `NotFound` when the actor may not see the merchant.
pub async fn logo_versions(app: &App, actor: Actor, merchant: MerchantId) -> Result<Vec<(AppId, String)>, OpError> {
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    actor.require(Act::See)?;
    let mut conn = app.db.read().await?;
    Ok(logos::versions(&mut conn, merchant).await?)
}

/// Makes an app, or finds the one that the same call made before.
///
/// # Errors
/// `NotFound` when there is no such merchant for the actor; `Field`; `Conflict` when the name is taken.
pub async fn make(
    app: &App,
    actor: Actor,
    merchant: MerchantId,
    new: &NewApp,
    repeat: Option<&Repeat>,
) -> Result<Row, OpError> {
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    let row = checked(app, merchant, new)?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    if let Some(made) = idempotency::find(change.conn(), actor, repeat).await? {
        let id = made.parse().map_err(|_| OpError::NotFound("app"))?;
        let row = apps::find(change.conn(), id).await?.ok_or(OpError::NotFound("app"))?;
        change.settle().await?;
        return Ok(row);
    }
    merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    check_company(&mut change, app, actor, &row).await?;
    check_unique(&mut change, app, actor, &row).await?;
    match apps::insert(change.conn(), &row).await {
        Err(StoreError::Unique { .. }) => return Err(name_taken(app, actor, &row)),
        other => other?,
    }
    store_logo(&mut change, &row, &new.logo).await?;
    let subject = row.id.to_string();
    idempotency::remember(change.conn(), app, actor, repeat, &subject).await?;
    let detail = json!({ "product": row.product, "name": row.name, "logo": new.logo.as_str() });
    let saying = Saying { action: "app.made", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await?;
    Ok(row)
}

/// An app.
///
/// # Errors
/// `NotFound` when there is none that the actor may see.
pub async fn find(app: &App, actor: Actor, id: AppId) -> Result<Row, OpError> {
    actor.require(Act::See)?;
    let mut conn = app.db.read().await?;
    let row = apps::find(&mut conn, id).await?;
    row.filter(|row| actor.may_act_for(row.merchant_id)).ok_or(OpError::NotFound("app"))
}

/// An app, kept ready.
///
/// # Errors
/// As `find`; `Busy` while it is changed again and again.
pub async fn ready(app: &App, actor: Actor, id: AppId) -> Result<Arc<Row>, OpError> {
    actor.require(Act::See)?;
    let row = app.registry.apps.find(&id, || async move { find(app, Actor::System, id).await.map(Arc::new) }).await?;
    if actor.may_act_for(row.merchant_id) { Ok(row) } else { Err(OpError::NotFound("app")) }
}

/// A merchant's apps above an id.
///
/// # Errors
/// `NotFound` when the actor may not see the merchant.
pub async fn list(app: &App, actor: Actor, merchant: MerchantId, above: &str, limit: i64) -> Result<Vec<Row>, OpError> {
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    actor.require(Act::See)?;
    let mut conn = app.db.read().await?;
    Ok(apps::list(&mut conn, merchant, above, limit).await?)
}

/// Changes what an app is called and where it is reached; its product and its keys stay.
///
/// # Errors
/// `NotFound`; `Field`; `Conflict` when the name is taken.
pub async fn edit(app: &App, actor: Actor, id: AppId, new: &NewApp) -> Result<Row, OpError> {
    let before = find(app, actor, id).await?;
    let new = NewApp { product: before.product, ..new.clone() };
    let checked = checked(app, before.merchant_id, &new)?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let before = apps::find(change.conn(), id).await?.ok_or(OpError::NotFound("app"))?;
    let (is_enabled, created_at) = (before.is_enabled, before.created_at);
    let row = Row { id, is_enabled, created_at, ..checked };
    check_unique(&mut change, app, actor, &row).await?;
    match apps::update(change.conn(), &row).await {
        Err(StoreError::Unique { .. }) => return Err(name_taken(app, actor, &row)),
        other => other?,
    }
    store_logo(&mut change, &row, &new.logo).await?;
    change.affected().apps.push(id);
    let (subject, detail) =
        (id.to_string(), json!({ "name": row.name, "before": before.name, "logo": new.logo.as_str() }));
    let saying = Saying { action: "app.changed", subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, Vec::new()).await?;
    Ok(row)
}

fn name_taken(app: &App, actor: Actor, row: &Row) -> OpError {
    if let (Actor::Member(..), Some(product)) = (actor, app.products.find(&row.product))
        && let Some(code) = product.dialect.apps.unique.name
    {
        return OpError::Field { field: "name", problem: taken(&product.dialect.title, code) };
    }
    let message = say!("refusal-app-name-taken").to_owned();
    OpError::Conflict { code: "app_name_taken", message }
}

/// Whether an app's credentials work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppState {
    /// They do.
    Enabled,
    /// They do not; they come back when it is enabled again.
    Disabled,
}

/// Enables or disables an app. Disabled, its credentials stop before this returns.
///
/// # Errors
/// `NotFound` when there is none that the actor may see.
pub async fn set_state(app: &App, actor: Actor, id: AppId, state: AppState) -> Result<Row, OpError> {
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let row = apps::find(change.conn(), id).await?.filter(|row| actor.may_act_for(row.merchant_id));
    let mut row = row.ok_or(OpError::NotFound("app"))?;
    row.is_enabled = state == AppState::Enabled;
    apps::set_enabled(change.conn(), id, row.is_enabled).await?;
    let affected = credentials::key_ids_of_app(change.conn(), id).await?;
    change.affected().apps.push(id);
    let subject = id.to_string();
    let action = if row.is_enabled { "app.enabled" } else { "app.disabled" };
    let saying = Saying { action, subject: &subject, merchant: Some(row.merchant_id), detail: json!({}) };
    change.commit(saying, affected).await?;
    Ok(row)
}

/// The mode that a change of an app's lists reaches: live once a live key of the app works, and then whoever changes them
/// is asked what is asked for live keys.
///
/// # Errors
/// `NotFound` when there is no such app for the actor.
pub async fn reach(app: &App, actor: Actor, id: AppId) -> Result<Mode, OpError> {
    find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    let has_live = credentials::has_working_live(&mut conn, id, app.clock.now()).await?;
    Ok(if has_live { Mode::Live } else { Mode::Test })
}

/// Writes an app's list into each of its credentials that can still work, and gives their key ids: they have to leave the
/// cache before the commit.
///
/// # Errors
/// `Forbidden` and `ProofNeeded` where the actor may not change one of them.
pub async fn narrow_credentials(
    change: &mut Change<'_>,
    app: &App,
    (actor, id): (Actor, AppId),
    narrow: impl Fn(Mode, &mut Restrictions),
) -> Result<Vec<String>, OpError> {
    let mut affected = Vec::new();
    let now = app.clock.now();
    for key_id in credentials::key_ids_of_app(change.conn(), id).await? {
        let Some(stored) = credentials::find(change.conn(), &key_id).await? else { continue };
        let mut credential = stored.credential;
        if !app.keyring.row_is_intact(&credential.check_bytes(), &stored.row_check) {
            // Refused already, and not to be given a good check.
            continue;
        }
        if matches!(credential.state(now), State::Revoked | State::Expired) {
            continue;
        }
        actor.require(manage(credential.mode))?;
        narrow(credential.mode, &mut credential.restrictions);
        let check = app.keyring.row_check(&credential.check_bytes());
        credentials::update(change.conn(), &credential, &check).await?;
        affected.push(key_id);
    }
    Ok(affected)
}
