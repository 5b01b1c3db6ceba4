//! Domains of apps: one list an app, with a keyed check over it. Each credential of the app holds a copy in its own
//! checked row, which is what a decision reads; here is what the next credential is issued with.

use keymint_domain::id::AppId;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "app_domains.put",
    "INSERT INTO app_domains (app_id, origins, row_check) VALUES ($1, $2, $3)
     ON CONFLICT (app_id) DO UPDATE SET origins = excluded.origins, row_check = excluded.row_check",
);
static FIND: Stmt = Stmt::both("app_domains.find", "SELECT origins, row_check FROM app_domains WHERE app_id = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 2] = [&PUT, &FIND];

/// An app's domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    /// The origins, in the order in which they were added.
    pub origins: Vec<Box<str>>,
    /// The keyed check over the row.
    pub row_check: Vec<u8>,
}

/// The bytes that the keyed check covers.
pub fn check_bytes(app: AppId, origins: &[Box<str>]) -> Vec<u8> {
    format!("keymint app domains v1\0{app}\0{}", origins.join(" ")).into_bytes()
}

/// Stores an app's domains; an empty list is one that was emptied.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, app: AppId, domains: &Domains) -> Result<(), StoreError> {
    let (app, origins) = (app.to_string(), domains.origins.join(" "));
    conn.execute(&PUT, &[Val::Text(&app), Val::Text(&origins), Val::Blob(&domains.row_check)]).await.map(|_| ())
}

/// An app's domains, `None` when it never had any. Whose app it is, and whether the check holds, the caller sees to.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, app: AppId) -> Result<Option<Domains>, StoreError> {
    let Some(row) = conn.row(&FIND, &[Val::Text(&app.to_string())]).await? else { return Ok(None) };
    let origins = row.text("origins")?.split(' ').filter(|origin| !origin.is_empty()).map(Into::into).collect();
    Ok(Some(Domains { origins, row_check: row.blob("row_check")?.to_vec() }))
}
