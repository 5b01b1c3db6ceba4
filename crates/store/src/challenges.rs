//! Challenges that are answered with a code: each once, within a time, with few tries; and how many tries an account has
//! had in this hour.

use keymint_domain::id::{ChallengeId, SessionId, UserId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "challenge.insert",
    "INSERT INTO challenge (id, purpose, user_id, session_id, code_check, detail, tries, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)",
);
static TRY: Stmt = Stmt::both(
    "challenge.try",
    "UPDATE challenge SET tries = tries + 1
     WHERE id = $1 AND purpose = $2 AND spent_at IS NULL AND expires_at > $3 AND tries < $4
     RETURNING user_id, session_id, code_check, detail",
);
static FIND: Stmt = Stmt::both(
    "challenge.find",
    "SELECT user_id, session_id, code_check, detail FROM challenge
     WHERE id = $1 AND purpose = $2 AND spent_at IS NULL AND expires_at > $3",
);
static SPEND: Stmt =
    Stmt::both("challenge.spend", "UPDATE challenge SET spent_at = $1 WHERE id = $2 AND spent_at IS NULL");
static PRUNE: Stmt = Stmt::both("challenge.prune", "DELETE FROM challenge WHERE expires_at < $1");
static COUNT: Stmt = Stmt::both(
    "code_count.upsert",
    "INSERT INTO code_count (subject, hour_at, tries) VALUES ($1, $2, 1)
     ON CONFLICT (subject) DO UPDATE SET
         tries = CASE WHEN code_count.hour_at = excluded.hour_at THEN code_count.tries + 1 ELSE 1 END,
         hour_at = excluded.hour_at
     RETURNING tries",
);
static COUNTED: Stmt =
    Stmt::both("code_count.find", "SELECT tries FROM code_count WHERE subject = $1 AND hour_at = $2");
static OVER: Stmt = Stmt::both("code_count.over", "SELECT subject FROM code_count WHERE hour_at = $1 AND tries >= $2");
static FORGET: Stmt = Stmt::both("code_count.delete", "DELETE FROM code_count WHERE subject = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 9] = [&INSERT, &TRY, &FIND, &SPEND, &PRUNE, &COUNT, &COUNTED, &OVER, &FORGET];

/// A challenge.
pub struct Challenge<'a> {
    /// The id: whoever answers names it.
    pub id: ChallengeId,
    /// What the answer is good for, and nothing else.
    pub purpose: &'a str,
    /// Whose answer; nobody's where the account does not exist, and so no answer is right.
    pub user: Option<UserId>,
    /// In which session, where there is one.
    pub session: Option<SessionId>,
    /// The keyed digest of the code, where one was sent.
    pub code_check: Option<&'a [u8]>,
    /// What happens once it is answered; JSON.
    pub detail: &'a str,
    /// When it was asked.
    pub created_at: UnixMs,
    /// Until when it may be answered.
    pub expires_at: UnixMs,
}

/// What a try is measured against.
pub struct Asked {
    /// Whose answer.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// The keyed digest of the code; empty where none was sent.
    pub code_check: Vec<u8>,
    /// What happens once it is answered; JSON.
    pub detail: String,
}

/// Stores a challenge.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, new: &Challenge<'_>) -> Result<(), StoreError> {
    let id = new.id.to_string();
    let (user, session) = (new.user.map(|id| id.to_string()), new.session.map(|id| id.to_string()));
    let values = [
        Val::Text(&id),
        Val::Text(new.purpose),
        Val::OptText(user.as_deref()),
        Val::OptText(session.as_deref()),
        Val::Blob(new.code_check.unwrap_or_default()),
        Val::Text(new.detail),
        Val::Int(new.created_at.0),
        Val::Int(new.expires_at.0),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// Counts a try, before it is looked at. Nothing where the challenge is not there, is answered, is too old, or has had its
/// tries.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn count_try(
    conn: &mut Conn,
    (id, purpose): (ChallengeId, &str),
    tries_max: i64,
    now: UnixMs,
) -> Result<Option<Asked>, StoreError> {
    let id = id.to_string();
    let values = [Val::Text(&id), Val::Text(purpose), Val::Int(now.0), Val::Int(tries_max)];
    conn.row(&TRY, &values).await?.as_ref().map(decode).transpose()
}

/// One that may still be answered, without a try.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(
    conn: &mut Conn,
    (id, purpose): (ChallengeId, &str),
    now: UnixMs,
) -> Result<Option<Asked>, StoreError> {
    let values = [Val::Text(&id.to_string()), Val::Text(purpose), Val::Int(now.0)];
    conn.row(&FIND, &values).await?.as_ref().map(decode).transpose()
}

fn decode(row: &Row) -> Result<Asked, StoreError> {
    let user = row.opt_text("user_id")?.map(str::parse).transpose().map_err(|_| row.corrupt("user_id"))?;
    let session = row.opt_text("session_id")?.map(str::parse).transpose().map_err(|_| row.corrupt("session_id"))?;
    let (code_check, detail) = (row.blob("code_check")?.to_vec(), row.text("detail")?.to_owned());
    Ok(Asked { user, session, code_check, detail })
}

/// Marks it as answered. False when it was.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn spend(conn: &mut Conn, id: ChallengeId, now: UnixMs) -> Result<bool, StoreError> {
    Ok(conn.execute(&SPEND, &[Val::Int(now.0), Val::Text(&id.to_string())]).await? == 1)
}

/// Forgets what could not be answered any more at a moment.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prune(conn: &mut Conn, before: UnixMs) -> Result<(), StoreError> {
    conn.execute(&PRUNE, &[Val::Int(before.0)]).await.map(|_| ())
}

/// Counts one more try of a subject in the hour that began at `hour`; how many that makes.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn count_of(conn: &mut Conn, subject: &str, hour: UnixMs) -> Result<i64, StoreError> {
    let row = conn.row(&COUNT, &[Val::Text(subject), Val::Int(hour.0)]).await?;
    row.ok_or(StoreError::Corrupt { table: "code_count", column: "tries" })?.int("tries")
}

/// How many tries of a subject have been counted in the hour that began at `hour`.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn counted(conn: &mut Conn, subject: &str, hour: UnixMs) -> Result<i64, StoreError> {
    let row = conn.row(&COUNTED, &[Val::Text(subject), Val::Int(hour.0)]).await?;
    row.map_or(Ok(0), |row| row.int("tries"))
}

/// The subjects that have had so many tries in the hour that began at `hour`.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn over(conn: &mut Conn, hour: UnixMs, tries: i64) -> Result<Vec<String>, StoreError> {
    let rows = conn.rows(&OVER, &[Val::Int(hour.0), Val::Int(tries)]).await?;
    rows.iter().map(|row| Ok(row.text("subject")?.to_owned())).collect()
}

/// None any more: the last one was right, or somebody who may has let the person try again.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn forget_count(conn: &mut Conn, subject: &str) -> Result<(), StoreError> {
    conn.execute(&FORGET, &[Val::Text(subject)]).await.map(|_| ())
}
