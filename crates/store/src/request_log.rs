//! The request log: every decision, written in batches. Never a secret in it; paths come redacted.

use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "request_log.insert",
    "INSERT INTO request_log (at, request_id, product, mode, merchant_id, app_id, key_id, method, path, status,
                              reason, client_ip, duration_us)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
);
// Each filter is off when its value is NULL. The types are told because PostgreSQL cannot guess that of a bare NULL.
static LIST_OF_KEY: Stmt = Stmt::both(
    "request_log.list_of_key",
    "SELECT id, at, request_id, product, mode, merchant_id, app_id, key_id, method, path, status, reason, client_ip,
            duration_us
     FROM request_log
     WHERE key_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR mode = $3)
       AND (CAST($4 AS TEXT) IS NULL OR reason = $4) AND at >= $5 AND at < $6 AND status >= $7 AND status <= $8
     ORDER BY id DESC LIMIT $9",
);
static LIST_OF_APP: Stmt = Stmt::both(
    "request_log.list_of_app",
    "SELECT id, at, request_id, product, mode, merchant_id, app_id, key_id, method, path, status, reason, client_ip,
            duration_us
     FROM request_log
     WHERE app_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR mode = $3)
       AND (CAST($4 AS TEXT) IS NULL OR reason = $4) AND at >= $5 AND at < $6 AND status >= $7 AND status <= $8
     ORDER BY id DESC LIMIT $9",
);

/// The statements of this file.
pub static ALL: [&Stmt; 3] = [&INSERT, &LIST_OF_KEY, &LIST_OF_APP];

/// One decision.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// When.
    pub at: UnixMs,
    /// The request's id.
    pub request_id: String,
    /// The product.
    pub product: String,
    /// The mode, once the key was known.
    pub mode: Option<String>,
    /// Whose, once the key was known.
    pub merchant_id: Option<MerchantId>,
    /// Which app's, once the key was known.
    pub app_id: Option<AppId>,
    /// The key id, once the key was known: what is only claimed may be a secret in the wrong place.
    pub key_id: Option<String>,
    /// The method.
    pub method: String,
    /// The path, redacted.
    pub path: String,
    /// The status answered.
    pub status: i64,
    /// The reason of a denial.
    pub reason: Option<String>,
    /// The client's address.
    pub client_ip: String,
    /// From the end of the request's head to the decision. Microseconds.
    pub duration_us: i64,
}

/// Which entries.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Below this number.
    pub below_id: i64,
    /// Only this mode.
    pub mode: Option<String>,
    /// Only this reason.
    pub reason: Option<String>,
    /// From, included.
    pub since: UnixMs,
    /// To, not included.
    pub until: UnixMs,
    /// Lowest and highest status.
    pub status: (i64, i64),
    /// How many at the most.
    pub limit: i64,
}

/// Writes a batch.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, entries: &[Entry]) -> Result<(), StoreError> {
    for entry in entries {
        let merchant = entry.merchant_id.map(|id| id.to_string());
        let app = entry.app_id.map(|id| id.to_string());
        let values = [
            Val::Int(entry.at.0),
            Val::Text(&entry.request_id),
            Val::Text(&entry.product),
            Val::OptText(entry.mode.as_deref()),
            Val::OptText(merchant.as_deref()),
            Val::OptText(app.as_deref()),
            Val::OptText(entry.key_id.as_deref()),
            Val::Text(&entry.method),
            Val::Text(&entry.path),
            Val::Int(entry.status),
            Val::OptText(entry.reason.as_deref()),
            Val::Text(&entry.client_ip),
            Val::Int(entry.duration_us),
        ];
        conn.execute(&INSERT, &values).await?;
    }
    Ok(())
}

async fn list(conn: &mut Conn, stmt: &'static Stmt, subject: &str, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
    let values = [
        Val::Text(subject),
        Val::Int(filter.below_id),
        Val::OptText(filter.mode.as_deref()),
        Val::OptText(filter.reason.as_deref()),
        Val::Int(filter.since.0),
        Val::Int(filter.until.0),
        Val::Int(filter.status.0),
        Val::Int(filter.status.1),
        Val::Int(filter.limit),
    ];
    conn.rows(stmt, &values).await?.iter().map(decode).collect()
}

/// Decisions about a key, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list_of_key(conn: &mut Conn, key_id: &str, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
    list(conn, &LIST_OF_KEY, key_id, filter).await
}

/// Decisions about an app's keys, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list_of_app(conn: &mut Conn, app: AppId, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
    list(conn, &LIST_OF_APP, &app.to_string(), filter).await
}

fn decode(row: &Row) -> Result<Entry, StoreError> {
    let merchant_id = row.opt_text("merchant_id")?.map(str::parse).transpose();
    let app_id = row.opt_text("app_id")?.map(str::parse).transpose();
    Ok(Entry {
        id: row.int("id")?,
        at: UnixMs(row.int("at")?),
        request_id: row.text("request_id")?.to_owned(),
        product: row.text("product")?.to_owned(),
        mode: row.opt_string("mode")?,
        merchant_id: merchant_id.map_err(|_| row.corrupt("merchant_id"))?,
        app_id: app_id.map_err(|_| row.corrupt("app_id"))?,
        key_id: row.opt_string("key_id")?,
        method: row.text("method")?.to_owned(),
        path: row.text("path")?.to_owned(),
        status: row.int("status")?,
        reason: row.opt_string("reason")?,
        client_ip: row.text("client_ip")?.to_owned(),
        duration_us: row.int("duration_us")?,
    })
}
