//! Apps: a merchant's registered applications, each of one product.

use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::merchants::Activation;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "app.insert",
    "INSERT INTO app (id, merchant_id, product, name, email, phone, address, country, state, city, postal_code,
                      enabled, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
);
static FIND: Stmt = Stmt::both(
    "app.find",
    "SELECT id, merchant_id, product, name, email, phone, address, country, state, city, postal_code, enabled,
            created_at
     FROM app WHERE id = $1",
);
static STANDING: Stmt = Stmt::both(
    "app.standing",
    "SELECT a.enabled, m.activation FROM app a JOIN merchant m ON m.id = a.merchant_id WHERE a.id = $1",
);
static LIST: Stmt = Stmt::both(
    "app.list",
    "SELECT id, merchant_id, product, name, email, phone, address, country, state, city, postal_code, enabled,
            created_at
     FROM app WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
);
static UPDATE: Stmt = Stmt::both(
    "app.update",
    "UPDATE app SET name = $1, email = $2, phone = $3, address = $4, country = $5, state = $6, city = $7,
                    postal_code = $8
     WHERE id = $9",
);
static OF_EMAIL: Stmt = Stmt::both(
    "app.of_email",
    "SELECT id FROM app WHERE merchant_id = $1 AND product = $2 AND email = $3 AND id <> $4 LIMIT 1",
);
static PHONES: Stmt = Stmt::both(
    "app.phones",
    "SELECT phone FROM app WHERE merchant_id = $1 AND product = $2 AND phone IS NOT NULL AND id <> $3",
);
static SET_ENABLED: Stmt = Stmt::both("app.set_enabled", "UPDATE app SET enabled = $1 WHERE id = $2");

/// The statements of this file.
pub static ALL: [&Stmt; 8] = [&INSERT, &FIND, &STANDING, &LIST, &UPDATE, &OF_EMAIL, &PHONES, &SET_ENABLED];

/// An app.
#[derive(Clone, Debug)]
pub struct App {
    /// The id.
    pub id: AppId,
    /// The tenant.
    pub merchant_id: MerchantId,
    /// The product.
    pub product: String,
    /// Its name; no other app of the merchant and product has it.
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
    /// Whether its credentials work.
    pub is_enabled: bool,
    /// When it was made.
    pub created_at: UnixMs,
}

/// Stores a new app.
///
/// # Errors
/// `StoreError::Unique` when the merchant has one of that product and name.
pub async fn insert(conn: &mut Conn, app: &App) -> Result<(), StoreError> {
    let (id, merchant_id) = (app.id.to_string(), app.merchant_id.to_string());
    let values = [
        Val::Text(&id),
        Val::Text(&merchant_id),
        Val::Text(&app.product),
        Val::Text(&app.name),
        Val::Text(&app.email),
        Val::OptText(app.phone.as_deref()),
        Val::Text(&app.address),
        Val::Text(&app.country),
        Val::OptText(app.state.as_deref()),
        Val::OptText(app.city.as_deref()),
        Val::Text(&app.postal_code),
        Val::Int(i64::from(app.is_enabled)),
        Val::Int(app.created_at.0),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// An app by id. Whose it is, the caller checks against the actor.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, id: AppId) -> Result<Option<App>, StoreError> {
    conn.row(&FIND, &[Val::Text(&id.to_string())]).await?.as_ref().map(decode).transpose()
}

/// Whether an app is enabled, and where its merchant is on the way to live mode: all that issuing needs to know.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn standing(conn: &mut Conn, id: AppId) -> Result<Option<(bool, Activation)>, StoreError> {
    let Some(row) = conn.row(&STANDING, &[Val::Text(&id.to_string())]).await? else { return Ok(None) };
    let activation = Activation::parse(row.text("activation")?).ok_or(row.corrupt("activation"))?;
    Ok(Some((row.int("enabled")? == 1, activation)))
}

/// A merchant's apps above an id, in the order of their ids.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(conn: &mut Conn, merchant: MerchantId, above: &str, limit: i64) -> Result<Vec<App>, StoreError> {
    let merchant = merchant.to_string();
    conn.rows(&LIST, &[Val::Text(&merchant), Val::Text(above), Val::Int(limit)]).await?.iter().map(decode).collect()
}

/// Stores what may change of an app.
///
/// # Errors
/// `StoreError::Unique` when another of the merchant's apps of that product has the name.
pub async fn update(conn: &mut Conn, app: &App) -> Result<(), StoreError> {
    let id = app.id.to_string();
    let values = [
        Val::Text(&app.name),
        Val::Text(&app.email),
        Val::OptText(app.phone.as_deref()),
        Val::Text(&app.address),
        Val::Text(&app.country),
        Val::OptText(app.state.as_deref()),
        Val::OptText(app.city.as_deref()),
        Val::Text(&app.postal_code),
        Val::Text(&id),
    ];
    conn.execute(&UPDATE, &values).await.map(|_| ())
}

/// Whether another of the merchant's apps of that product has this one's address for mail. True for as long as the
/// ledger's lock is held.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn has_same_email(conn: &mut Conn, app: &App) -> Result<bool, StoreError> {
    let (id, merchant) = (app.id.to_string(), app.merchant_id.to_string());
    let values = [Val::Text(&merchant), Val::Text(&app.product), Val::Text(&app.email), Val::Text(&id)];
    Ok(conn.row(&OF_EMAIL, &values).await?.is_some())
}

/// The phone numbers of the merchant's other apps of that product, as they were typed.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn phones_of_others(conn: &mut Conn, app: &App) -> Result<Vec<String>, StoreError> {
    let (id, merchant) = (app.id.to_string(), app.merchant_id.to_string());
    let rows = conn.rows(&PHONES, &[Val::Text(&merchant), Val::Text(&app.product), Val::Text(&id)]).await?;
    rows.iter().map(|row| Ok(row.text("phone")?.to_owned())).collect()
}

/// Lets an app's credentials work, or not.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn set_enabled(conn: &mut Conn, id: AppId, is_enabled: bool) -> Result<(), StoreError> {
    let id = id.to_string();
    conn.execute(&SET_ENABLED, &[Val::Int(i64::from(is_enabled)), Val::Text(&id)]).await.map(|_| ())
}

fn decode(row: &Row) -> Result<App, StoreError> {
    Ok(App {
        id: row.parsed("id")?,
        merchant_id: row.parsed("merchant_id")?,
        product: row.text("product")?.to_owned(),
        name: row.text("name")?.to_owned(),
        email: row.text("email")?.to_owned(),
        phone: row.opt_string("phone")?,
        address: row.text("address")?.to_owned(),
        country: row.text("country")?.to_owned(),
        state: row.opt_string("state")?,
        city: row.opt_string("city")?,
        postal_code: row.text("postal_code")?.to_owned(),
        is_enabled: row.int("enabled")? == 1,
        created_at: UnixMs(row.int("created_at")?),
    })
}
