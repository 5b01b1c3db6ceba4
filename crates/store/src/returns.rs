//! Secrets that sign the way back from an app's hosted pages: one an app, sealed.

use keymint_domain::id::AppId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "return_secret.put",
    "INSERT INTO return_secret (app_id, sealed, made_at) VALUES ($1, $2, $3)
     ON CONFLICT (app_id) DO UPDATE SET sealed = excluded.sealed, made_at = excluded.made_at",
);
static FIND: Stmt = Stmt::both("return_secret.find", "SELECT sealed FROM return_secret WHERE app_id = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 2] = [&PUT, &FIND];

/// Stores an app's secret in the place of the one before.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, app: AppId, sealed: &[u8], now: UnixMs) -> Result<(), StoreError> {
    let app = app.to_string();
    conn.execute(&PUT, &[Val::Text(&app), Val::Blob(sealed), Val::Int(now.0)]).await.map(|_| ())
}

/// An app's secret, sealed. Whose app it is, the caller sees to.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, app: AppId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = conn.row(&FIND, &[Val::Text(&app.to_string())]).await?;
    row.map(|row| Ok(row.blob("sealed")?.to_vec())).transpose()
}
