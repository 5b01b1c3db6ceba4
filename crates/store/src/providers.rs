//! Providers that apps may use: one list an app, with a keyed check over it. Each credential of the app holds a copy in its
//! own checked row, which is what a decision reads; here is what the next credential is issued with.

use keymint_domain::id::AppId;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "app_providers.put",
    "INSERT INTO app_providers (app_id, names, row_check) VALUES ($1, $2, $3)
     ON CONFLICT (app_id) DO UPDATE SET names = excluded.names, row_check = excluded.row_check",
);
static FIND: Stmt = Stmt::both("app_providers.find", "SELECT names, row_check FROM app_providers WHERE app_id = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 2] = [&PUT, &FIND];

/// The providers that an app may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Providers {
    /// Their names, in the order of the dialect; none: every provider.
    pub names: Vec<Box<str>>,
    /// The keyed check over the row.
    pub row_check: Vec<u8>,
}

/// The bytes that the keyed check covers.
pub fn check_bytes(app: AppId, names: &[Box<str>]) -> Vec<u8> {
    format!("keymint app providers v1\0{app}\0{}", names.join(" ")).into_bytes()
}

/// Stores an app's providers; an empty list is one that was emptied.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, app: AppId, providers: &Providers) -> Result<(), StoreError> {
    let (app, names) = (app.to_string(), providers.names.join(" "));
    conn.execute(&PUT, &[Val::Text(&app), Val::Text(&names), Val::Blob(&providers.row_check)]).await.map(|_| ())
}

/// An app's providers, `None` when it never had any. Whose app it is, and whether the check holds, the caller sees to.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, app: AppId) -> Result<Option<Providers>, StoreError> {
    let Some(row) = conn.row(&FIND, &[Val::Text(&app.to_string())]).await? else { return Ok(None) };
    let names = row.text("names")?.split(' ').filter(|name| !name.is_empty()).map(Into::into).collect();
    Ok(Some(Providers { names, row_check: row.blob("row_check")?.to_vec() }))
}
