//! Counts under quotas, as they were written down last: one for each product, rule and subject.

use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static WRITE: Stmt = Stmt::both(
    "quota_count.write",
    "INSERT INTO quota_count (product, rule, subject, begins_at, requests) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (product, rule, subject) DO UPDATE SET begins_at = excluded.begins_at, requests = excluded.requests",
);
static SINCE: Stmt = Stmt::both(
    "quota_count.since",
    "SELECT product, rule, subject, begins_at, requests FROM quota_count WHERE begins_at >= $1",
);
static PRUNE: Stmt = Stmt::both("quota_count.prune", "DELETE FROM quota_count WHERE begins_at < $1");

/// The statements of this file.
pub static ALL: [&Stmt; 3] = [&WRITE, &SINCE, &PRUNE];

/// A count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaCount {
    /// The product's name.
    pub product: String,
    /// The rule's name.
    pub rule: String,
    /// Who is counted.
    pub subject: String,
    /// When the period began.
    pub begins_at: UnixMs,
    /// Requests since.
    pub requests: i64,
}

/// Writes a count in the place of the one before.
///
/// # Errors
/// `StoreError` as the database answers; so for every function of this file.
pub async fn write(conn: &mut Conn, count: &QuotaCount) -> Result<(), StoreError> {
    let values = [
        Val::Text(&count.product),
        Val::Text(&count.rule),
        Val::Text(&count.subject),
        Val::Int(count.begins_at.0),
        Val::Int(count.requests),
    ];
    conn.execute(&WRITE, &values).await.map(|_| ())
}

/// The counts of periods that began at a moment or later.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn since(conn: &mut Conn, begins_at: UnixMs) -> Result<Vec<QuotaCount>, StoreError> {
    let rows = conn.rows(&SINCE, &[Val::Int(begins_at.0)]).await?;
    let decode = |row: &crate::sql::Row| {
        Ok(QuotaCount {
            product: row.text("product")?.to_owned(),
            rule: row.text("rule")?.to_owned(),
            subject: row.text("subject")?.to_owned(),
            begins_at: UnixMs(row.int("begins_at")?),
            requests: row.int("requests")?,
        })
    };
    rows.iter().map(decode).collect()
}

/// Deletes those of periods that began before a moment.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prune(conn: &mut Conn, before: UnixMs) -> Result<u64, StoreError> {
    conn.execute(&PRUNE, &[Val::Int(before.0)]).await
}
