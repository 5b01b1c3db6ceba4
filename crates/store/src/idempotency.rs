//! Answers remembered by `Idempotency-Key`, without their secrets.

use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static FIND: Stmt = Stmt::both(
    "idempotency.find",
    "SELECT body_digest, response FROM idempotency WHERE actor = $1 AND idempotency_key = $2",
);
static INSERT: Stmt = Stmt::both(
    "idempotency.insert",
    "INSERT INTO idempotency (actor, idempotency_key, body_digest, response, created_at) VALUES ($1, $2, $3, $4, $5)",
);
static PRUNE: Stmt = Stmt::both("idempotency.prune", "DELETE FROM idempotency WHERE created_at < $1");

/// The statements of this file.
pub static ALL: [&Stmt; 3] = [&FIND, &INSERT, &PRUNE];

/// What was answered the first time.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Digest over operation and body.
    pub body_digest: Vec<u8>,
    /// The answer as JSON, without its secret.
    pub response: String,
}

/// What was answered to this key of this actor.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, actor: &str, key: &str) -> Result<Option<Remembered>, StoreError> {
    let Some(row) = conn.row(&FIND, &[Val::Text(actor), Val::Text(key)]).await? else { return Ok(None) };
    Ok(Some(Remembered { body_digest: row.blob("body_digest")?.to_vec(), response: row.text("response")?.to_owned() }))
}

/// Remembers an answer, in the transaction that makes it true.
///
/// # Errors
/// `StoreError::Unique` when the same key is being used at the same time.
pub async fn insert(
    conn: &mut Conn,
    (actor, key): (&str, &str),
    remembered: &Remembered,
    now: UnixMs,
) -> Result<(), StoreError> {
    let values = [
        Val::Text(actor),
        Val::Text(key),
        Val::Blob(&remembered.body_digest),
        Val::Text(&remembered.response),
        Val::Int(now.0),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// Forgets what is older than a moment.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prune(conn: &mut Conn, before: UnixMs) -> Result<u64, StoreError> {
    conn.execute(&PRUNE, &[Val::Int(before.0)]).await
}
