//! Sign-ins: one row for each device, found by the digest of what its cookie holds.

use keymint_domain::id::{SessionId, UserId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "session.insert",
    "INSERT INTO session (id, digest, user_id, created_at, seen_at) VALUES ($1, $2, $3, $4, $4)",
);
static FIND: Stmt = Stmt::both(
    "session.find",
    "SELECT id, user_id, created_at, seen_at FROM session WHERE digest = $1 AND ended_at IS NULL",
);
static SEE: Stmt = Stmt::both("session.see", "UPDATE session SET seen_at = $1 WHERE id = $2 AND seen_at < $1");
static END: Stmt = Stmt::both("session.end", "UPDATE session SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL");

/// The statements of this file.
pub static ALL: [&Stmt; 4] = [&INSERT, &FIND, &SEE, &END];

/// A sign-in that nobody has ended. Whether it is still young enough is the caller's to say.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// When it began.
    pub created_at: UnixMs,
    /// When it was last of use, to the minute or so.
    pub seen_at: UnixMs,
}

/// Stores a new one by the digest of its secret.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, session: &Session, digest: &[u8]) -> Result<(), StoreError> {
    let (id, user) = (session.id.to_string(), session.user_id.to_string());
    let values = [Val::Text(&id), Val::Blob(digest), Val::Text(&user), Val::Int(session.created_at.0)];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// The one with this digest.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, digest: &[u8]) -> Result<Option<Session>, StoreError> {
    let Some(row) = conn.row(&FIND, &[Val::Blob(digest)]).await? else { return Ok(None) };
    Ok(Some(Session {
        id: row.parsed("id")?,
        user_id: row.parsed("user_id")?,
        created_at: UnixMs(row.int("created_at")?),
        seen_at: UnixMs(row.int("seen_at")?),
    }))
}

/// Notes that it was of use.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn see(conn: &mut Conn, id: SessionId, now: UnixMs) -> Result<(), StoreError> {
    conn.execute(&SEE, &[Val::Int(now.0), Val::Text(&id.to_string())]).await.map(|_| ())
}

/// Ends it. False when it had ended.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn end(conn: &mut Conn, id: SessionId, now: UnixMs) -> Result<bool, StoreError> {
    Ok(conn.execute(&END, &[Val::Int(now.0), Val::Text(&id.to_string())]).await? == 1)
}
