//! Mail and text messages that go out: written in the transaction that is their reason, sent after it. What they say is
//! sealed, because codes stand in it, and gone once they are sent. The rest of a letter goes when it is old.

use keymint_domain::id::LetterId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "letter.insert",
    "INSERT INTO letter (id, at, channel, recipient, subject, sealed, tries, next_at)
     VALUES ($1, $2, $3, $4, $5, $6, 0, $7)",
);
static DUE: Stmt = Stmt::both(
    "letter.due",
    "SELECT id, at, channel, recipient, subject, sealed, tries, problem FROM letter
     WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at LIMIT $2",
);
static SENT: Stmt = Stmt::both(
    "letter.sent",
    "UPDATE letter SET sealed = NULL, next_at = NULL, tries = tries + 1, problem = NULL WHERE id = $1",
);
static FAILED: Stmt =
    Stmt::both("letter.failed", "UPDATE letter SET tries = tries + 1, next_at = $1, problem = $2 WHERE id = $3");
static LATEST: Stmt = Stmt::both(
    "letter.latest",
    "SELECT id, at, channel, recipient, subject, sealed, tries, problem FROM letter ORDER BY id DESC LIMIT $1",
);
static PRUNE: Stmt = Stmt::both("letter.prune", "DELETE FROM letter WHERE at < $1");

/// The statements of this file.
pub static ALL: [&Stmt; 6] = [&INSERT, &DUE, &SENT, &FAILED, &LATEST, &PRUNE];

/// By which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Mail.
    Mail,
    /// A text message.
    Sms,
}

impl Channel {
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Sms => "sms",
        }
    }
}

/// A letter.
pub struct Letter {
    /// The id.
    pub id: LetterId,
    /// When it was written.
    pub at: UnixMs,
    /// By which way.
    pub channel: Channel,
    /// To whom: an address or a phone number.
    pub recipient: String,
    /// What it is about. Holds no secret.
    pub subject: String,
    /// What it says, sealed; nothing once it is sent.
    pub sealed: Option<Vec<u8>>,
    /// How often it was tried.
    pub tries: i64,
    /// What was in the way the last time.
    pub problem: Option<String>,
}

/// Stores a letter; without `next_at` nobody sends it.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, letter: &Letter, next_at: Option<UnixMs>) -> Result<(), StoreError> {
    let id = letter.id.to_string();
    let values = [
        Val::Text(&id),
        Val::Int(letter.at.0),
        Val::Text(letter.channel.as_str()),
        Val::Text(&letter.recipient),
        Val::Text(&letter.subject),
        Val::Blob(letter.sealed.as_deref().unwrap_or_default()),
        Val::OptInt(next_at.map(|at| at.0)),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// Those whose time has come.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn due(conn: &mut Conn, now: UnixMs, limit: i64) -> Result<Vec<Letter>, StoreError> {
    conn.rows(&DUE, &[Val::Int(now.0), Val::Int(limit)]).await?.iter().map(decode).collect()
}

/// It was taken.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn sent(conn: &mut Conn, id: LetterId) -> Result<(), StoreError> {
    conn.execute(&SENT, &[Val::Text(&id.to_string())]).await.map(|_| ())
}

/// It was not; tried again at `next_at`, or never.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn failed(conn: &mut Conn, id: LetterId, problem: &str, next_at: Option<UnixMs>) -> Result<(), StoreError> {
    let values = [Val::OptInt(next_at.map(|at| at.0)), Val::Text(problem), Val::Text(&id.to_string())];
    conn.execute(&FAILED, &values).await.map(|_| ())
}

/// Deletes those of before a moment, whether they were sent or not.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prune(conn: &mut Conn, before: UnixMs) -> Result<u64, StoreError> {
    conn.execute(&PRUNE, &[Val::Int(before.0)]).await
}

/// The newest.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn latest(conn: &mut Conn, limit: i64) -> Result<Vec<Letter>, StoreError> {
    conn.rows(&LATEST, &[Val::Int(limit)]).await?.iter().map(decode).collect()
}

fn decode(row: &Row) -> Result<Letter, StoreError> {
    let sealed = match row.blob("sealed") {
        Ok(bytes) if !bytes.is_empty() => Some(bytes.to_vec()),
        _ => None,
    };
    Ok(Letter {
        id: row.parsed("id")?,
        at: UnixMs(row.int("at")?),
        channel: match row.text("channel")? {
            "mail" => Channel::Mail,
            "sms" => Channel::Sms,
            _ => return Err(row.corrupt("channel")),
        },
        recipient: row.text("recipient")?.to_owned(),
        subject: row.text("subject")?.to_owned(),
        sealed,
        tries: row.int("tries")?,
        problem: row.opt_string("problem")?,
    })
}
