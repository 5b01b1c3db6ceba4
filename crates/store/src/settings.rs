//! Settings that the database itself carries: a name and a value.

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static FIND: Stmt = Stmt::both("setting.find", "SELECT value FROM setting WHERE name = $1");
static INSERT: Stmt = Stmt::both("setting.insert", "INSERT INTO setting (name, value) VALUES ($1, $2)");

/// The statements of this file.
pub static ALL: [&Stmt; 2] = [&FIND, &INSERT];

/// The value of a setting.
///
/// # Errors
/// `StoreError` as the database answers; so for every function of this crate.
pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<String>, StoreError> {
    conn.row(&FIND, &[Val::Text(name)]).await?.map(|row| Ok(row.text("value")?.to_owned())).transpose()
}

/// Stores a setting for the first time.
///
/// # Errors
/// `StoreError::Unique` when it is there already.
pub async fn insert(conn: &mut Conn, name: &str, value: &str) -> Result<(), StoreError> {
    conn.execute(&INSERT, &[Val::Text(name), Val::Text(value)]).await.map(|_| ())
}
