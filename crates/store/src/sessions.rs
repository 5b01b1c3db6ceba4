//! Sign-ins: one row for each device, found by the digest of what its cookie holds.

use keymint_domain::id::{SessionId, UserId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "session.insert",
    "INSERT INTO session (id, digest, user_id, created_at, seen_at, proved_at, client) VALUES ($1, $2, $3, $4, $4, $5, $6)",
);
static FIND: Stmt = Stmt::both(
    "session.find",
    "SELECT id, user_id, created_at, seen_at, proved_at, client FROM session WHERE digest = $1 AND ended_at IS NULL",
);
static OF_USER: Stmt = Stmt::both(
    "session.of_user",
    "SELECT id, user_id, created_at, seen_at, proved_at, client FROM session
     WHERE user_id = $1 AND ended_at IS NULL AND created_at > $2 ORDER BY created_at DESC LIMIT 100",
);
static PROVE: Stmt =
    Stmt::both("session.prove", "UPDATE session SET proved_at = $1, digest = $2 WHERE id = $3 AND ended_at IS NULL");
static END_OF: Stmt = Stmt::both(
    "session.end_of_user",
    "UPDATE session SET ended_at = $1 WHERE id = $2 AND user_id = $3 AND ended_at IS NULL",
);
static END_OTHERS: Stmt = Stmt::both(
    "session.end_others",
    "UPDATE session SET ended_at = $1 WHERE user_id = $2 AND id <> $3 AND ended_at IS NULL",
);
static SEE: Stmt = Stmt::both("session.see", "UPDATE session SET seen_at = $1 WHERE id = $2 AND seen_at < $1");
static END: Stmt = Stmt::both("session.end", "UPDATE session SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL");

/// The statements of this file.
pub static ALL: [&Stmt; 8] = [&INSERT, &FIND, &OF_USER, &PROVE, &END_OF, &END_OTHERS, &SEE, &END];

/// A sign-in that nobody has ended. Whether it is still young enough is the caller's to say.
#[derive(Clone, Debug)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// When it began.
    pub created_at: UnixMs,
    /// When it was last of use, to the minute or so.
    pub seen_at: UnixMs,
    /// When a second factor was last given in it.
    pub proved_at: Option<UnixMs>,
    /// The address that it was begun from.
    pub client: Option<String>,
}

/// Stores a new one by the digest of its secret.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, session: &Session, digest: &[u8]) -> Result<(), StoreError> {
    let (id, user) = (session.id.to_string(), session.user_id.to_string());
    let values = [
        Val::Text(&id),
        Val::Blob(digest),
        Val::Text(&user),
        Val::Int(session.created_at.0),
        Val::OptInt(session.proved_at.map(|at| at.0)),
        Val::OptText(session.client.as_deref()),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// The one with this digest.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, digest: &[u8]) -> Result<Option<Session>, StoreError> {
    conn.row(&FIND, &[Val::Blob(digest)]).await?.as_ref().map(decode).transpose()
}

/// A person's that nobody has ended and that began after a moment; the newest hundred.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn of_user(conn: &mut Conn, user: UserId, after: UnixMs) -> Result<Vec<Session>, StoreError> {
    let rows = conn.rows(&OF_USER, &[Val::Text(&user.to_string()), Val::Int(after.0)]).await?;
    rows.iter().map(decode).collect()
}

/// A second factor was given: from now on the cookie holds another secret. False when the session has ended.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prove(conn: &mut Conn, id: SessionId, digest: &[u8], now: UnixMs) -> Result<bool, StoreError> {
    let values = [Val::Int(now.0), Val::Blob(digest), Val::Text(&id.to_string())];
    Ok(conn.execute(&PROVE, &values).await? == 1)
}

/// Ends one of a person's. False when it had ended, or is another's.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn end_of(conn: &mut Conn, id: SessionId, user: UserId, now: UnixMs) -> Result<bool, StoreError> {
    let (id, user) = (id.to_string(), user.to_string());
    Ok(conn.execute(&END_OF, &[Val::Int(now.0), Val::Text(&id), Val::Text(&user)]).await? == 1)
}

/// Ends all of a person's but one; all, where `kept` is none. How many that were.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn end_others(
    conn: &mut Conn,
    user: UserId,
    kept: Option<SessionId>,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let (user, kept) = (user.to_string(), kept.map_or_else(String::new, |id| id.to_string()));
    conn.execute(&END_OTHERS, &[Val::Int(now.0), Val::Text(&user), Val::Text(&kept)]).await
}

fn decode(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.parsed("id")?,
        user_id: row.parsed("user_id")?,
        created_at: UnixMs(row.int("created_at")?),
        seen_at: UnixMs(row.int("seen_at")?),
        proved_at: row.opt_int("proved_at")?.map(UnixMs),
        client: row.opt_string("client")?,
    })
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
