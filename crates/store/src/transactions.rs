//! What an app's sandbox keeps, as a list that a person reads: newest first, by state and time, or one by its id. Test
//! data only. `sandbox` writes them, and reads them for the simulated vendors.

use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sandbox::Facts;
use crate::sql::{Row, Stmt, Val};

// The body is read of those alone that were kept before lists had columns of their own.
static LIST: Stmt = Stmt::both(
    "transaction.list",
    "SELECT kind, id, created_at, changed_at, status, amount, currency, method,
       CASE WHEN amount IS NULL THEN body END AS body
     FROM sandbox_object
     WHERE merchant_id = $1 AND app_id = $2 AND mode = 'test' AND created_at >= $3 AND (created_at, id) < ($4, $5)
     ORDER BY created_at DESC, id DESC LIMIT $6",
);
// Written as a range of (status, created_at, id): asked for `status = $3`, SQLite may read the index without it, and with
// that all of the app's entries for a state that few are in.
static LIST_OF_STATUS: Stmt = Stmt::both(
    "transaction.list_of_status",
    "SELECT kind, id, created_at, changed_at, status, amount, currency, method,
       CASE WHEN amount IS NULL THEN body END AS body
     FROM sandbox_object
     WHERE merchant_id = $1 AND app_id = $2 AND mode = 'test' AND (status, created_at) >= ($3, $4)
       AND (status, created_at, id) < ($3, $5, $6)
     ORDER BY status DESC, created_at DESC, id DESC LIMIT $7",
);
// Without an order: with one, SQLite reads all of the app's entries by time. An app's ids begin with their kind.
static FIND: Stmt = Stmt::both(
    "transaction.find",
    "SELECT kind, id, created_at, changed_at, status, amount, currency, method, body FROM sandbox_object
     WHERE merchant_id = $1 AND app_id = $2 AND mode = 'test' AND id = $3 LIMIT 1",
);
// From each state straight to the next one: DISTINCT would read every entry of the index.
static STATES: Stmt = Stmt::both(
    "transaction.states",
    "WITH RECURSIVE state (status) AS (
       SELECT MIN(status) FROM sandbox_object WHERE merchant_id = $1 AND app_id = $2
       UNION ALL
       SELECT (SELECT MIN(status) FROM sandbox_object
               WHERE merchant_id = $1 AND app_id = $2 AND status > state.status)
       FROM state WHERE state.status IS NOT NULL)
     SELECT status FROM state WHERE status IS NOT NULL AND status <> '' ORDER BY status",
);

/// The statements of this file.
pub static ALL: [&Stmt; 4] = [&LIST, &LIST_OF_STATUS, &FIND, &STATES];

/// A line of the list.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// `order`, `payment`.
    pub kind: String,
    /// Its id as the vendor writes ids.
    pub id: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed; when it was made, if never.
    pub changed_at: UnixMs,
    /// What it is about.
    pub facts: Facts,
    /// The object as JSON, where the facts do not hold everything, or where it was asked for by its id.
    pub body: Option<String>,
}

/// Which of an app's transactions.
#[derive(Clone, Debug)]
pub struct Query {
    /// Only this state.
    pub status: Option<String>,
    /// From, included.
    pub since: UnixMs,
    /// Older than what was made then under this id.
    pub below: (UnixMs, String),
    /// How many at the most.
    pub limit: i64,
}

/// An app's transactions, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(
    conn: &mut Conn,
    (merchant, app): (MerchantId, AppId),
    query: &Query,
) -> Result<Vec<Transaction>, StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    let (below, id) = &query.below;
    let mut values = vec![Val::Text(&merchant), Val::Text(&app)];
    values.extend(query.status.as_deref().map(Val::Text));
    values.extend([Val::Int(query.since.0), Val::Int(below.0), Val::Text(id), Val::Int(query.limit)]);
    let statement = if query.status.is_some() { &LIST_OF_STATUS } else { &LIST };
    conn.rows(statement, &values).await?.iter().map(decode).collect()
}

/// An app's transaction by its id, with its body.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(
    conn: &mut Conn,
    (merchant, app): (MerchantId, AppId),
    id: &str,
) -> Result<Option<Transaction>, StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    let values = [Val::Text(&merchant), Val::Text(&app), Val::Text(id)];
    conn.row(&FIND, &values).await?.as_ref().map(decode).transpose()
}

/// The states that an app's transactions are in.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn states(conn: &mut Conn, (merchant, app): (MerchantId, AppId)) -> Result<Vec<String>, StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    let rows = conn.rows(&STATES, &[Val::Text(&merchant), Val::Text(&app)]).await?;
    rows.iter().map(|row| Ok(row.text("status")?.to_owned())).collect()
}

fn decode(row: &Row) -> Result<Transaction, StoreError> {
    Ok(Transaction {
        kind: row.text("kind")?.to_owned(),
        id: row.text("id")?.to_owned(),
        created_at: UnixMs(row.int("created_at")?),
        changed_at: UnixMs(row.int("changed_at")?),
        facts: Facts {
            status: row.text("status")?.to_owned(),
            amount: row.opt_string("amount")?,
            currency: row.opt_string("currency")?,
            method: row.opt_string("method")?,
        },
        body: row.opt_string("body")?,
    })
}
