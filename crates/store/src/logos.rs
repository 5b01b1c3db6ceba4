//! Logos of apps: PNGs that Keymint has drawn itself, never what was sent.

use keymint_domain::id::{AppId, MerchantId};

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "app_logo.put",
    "INSERT INTO app_logo (app_id, merchant_id, png, version) VALUES ($1, $2, $3, $4)
     ON CONFLICT (app_id) DO UPDATE SET png = excluded.png, version = excluded.version",
);
static FIND: Stmt =
    Stmt::both("app_logo.find", "SELECT png, version FROM app_logo WHERE merchant_id = $1 AND app_id = $2");
static VERSIONS: Stmt =
    Stmt::both("app_logo.versions", "SELECT app_id, version FROM app_logo WHERE merchant_id = $1 ORDER BY app_id");
static REMOVE: Stmt = Stmt::both("app_logo.remove", "DELETE FROM app_logo WHERE merchant_id = $1 AND app_id = $2");

/// The statements of this file.
pub static ALL: [&Stmt; 4] = [&PUT, &FIND, &VERSIONS, &REMOVE];

/// A logo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// The picture.
    pub png: Vec<u8>,
    /// Changes with the picture.
    pub version: String,
}

/// Stores an app's logo, the first or the next.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, merchant: MerchantId, app: AppId, logo: &Logo) -> Result<(), StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    let values = [Val::Text(&app), Val::Text(&merchant), Val::Blob(&logo.png), Val::Text(&logo.version)];
    conn.execute(&PUT, &values).await.map(|_| ())
}

/// An app's logo.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, merchant: MerchantId, app: AppId) -> Result<Option<Logo>, StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    let Some(row) = conn.row(&FIND, &[Val::Text(&merchant), Val::Text(&app)]).await? else { return Ok(None) };
    Ok(Some(Logo { png: row.blob("png")?.to_vec(), version: row.text("version")?.to_owned() }))
}

/// Which of a merchant's apps have a logo, with its version, in the order of their ids.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn versions(conn: &mut Conn, merchant: MerchantId) -> Result<Vec<(AppId, String)>, StoreError> {
    let rows = conn.rows(&VERSIONS, &[Val::Text(&merchant.to_string())]).await?;
    rows.iter().map(|row| Ok((row.parsed("app_id")?, row.text("version")?.to_owned()))).collect()
}

/// Takes an app's logo away.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn remove(conn: &mut Conn, merchant: MerchantId, app: AppId) -> Result<(), StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    conn.execute(&REMOVE, &[Val::Text(&merchant), Val::Text(&app)]).await.map(|_| ())
}
