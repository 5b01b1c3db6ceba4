//! Secrets with which an app's payment gateways sign what they post to its sandbox: one for each, sealed.

use keymint_domain::id::AppId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "gateway_secret.put",
    "INSERT INTO gateway_secret (app_id, gateway, sealed, made_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (app_id, gateway) DO UPDATE SET sealed = excluded.sealed, made_at = excluded.made_at",
);
static FIND: Stmt =
    Stmt::both("gateway_secret.find", "SELECT sealed FROM gateway_secret WHERE app_id = $1 AND gateway = $2");
static LIST: Stmt =
    Stmt::both("gateway_secret.list", "SELECT gateway, made_at FROM gateway_secret WHERE app_id = $1 ORDER BY gateway");

/// The statements of this file.
pub static ALL: [&Stmt; 3] = [&PUT, &FIND, &LIST];

/// Stores a gateway's secret in the place of the one before.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, app: AppId, gateway: &str, sealed: &[u8], now: UnixMs) -> Result<(), StoreError> {
    let app = app.to_string();
    let values = [Val::Text(&app), Val::Text(gateway), Val::Blob(sealed), Val::Int(now.0)];
    conn.execute(&PUT, &values).await.map(|_| ())
}

/// A gateway's secret, sealed. Whose app it is, the caller sees to.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, app: AppId, gateway: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row = conn.row(&FIND, &[Val::Text(&app.to_string()), Val::Text(gateway)]).await?;
    row.map(|row| Ok(row.blob("sealed")?.to_vec())).transpose()
}

/// The gateways of an app that have a secret, and since when.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(conn: &mut Conn, app: AppId) -> Result<Vec<(String, UnixMs)>, StoreError> {
    let rows = conn.rows(&LIST, &[Val::Text(&app.to_string())]).await?;
    rows.iter().map(|row| Ok((row.text("gateway")?.to_owned(), UnixMs(row.int("made_at")?)))).collect()
}
