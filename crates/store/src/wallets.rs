//! Money of the sandboxes: wallets of apps, every posting that moved them, and answers that are given again instead of
//! moving them twice. Amounts are in the smallest unit of their currency. Test data only.

use keymint_domain::id::AppId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static OPEN: Stmt = Stmt::both(
    "sandbox_wallet.open",
    "INSERT INTO sandbox_wallet (app_id, name, balance, reserved) VALUES ($1, $2, $3, 0)
     ON CONFLICT (app_id, name) DO NOTHING",
);
static FIND: Stmt =
    Stmt::both("sandbox_wallet.find", "SELECT balance, reserved FROM sandbox_wallet WHERE app_id = $1 AND name = $2");
static LIST: Stmt = Stmt::both(
    "sandbox_wallet.list",
    "SELECT name, balance, reserved FROM sandbox_wallet WHERE app_id = $1 ORDER BY name",
);
// What is reserved is never more than what is there, and neither falls below nothing.
static POST: Stmt = Stmt::both(
    "sandbox_wallet.post",
    "UPDATE sandbox_wallet SET balance = balance + $1, reserved = reserved + $2
     WHERE app_id = $3 AND name = $4 AND reserved + $2 >= 0 AND balance + $1 >= reserved + $2 AND balance + $1 <= $5",
);
static RECORD: Stmt = Stmt::both(
    "sandbox_posting.insert",
    "INSERT INTO sandbox_posting (app_id, wallet, object, amount, reserved, at) VALUES ($1, $2, $3, $4, $5, $6)",
);
static SUM: Stmt = Stmt::both(
    "sandbox_posting.sum",
    "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS amount, CAST(COALESCE(SUM(reserved), 0) AS BIGINT) AS reserved
     FROM sandbox_posting WHERE app_id = $1 AND wallet = $2",
);
static RECALL: Stmt = Stmt::both(
    "sandbox_answer.find",
    "SELECT digest, status, body FROM sandbox_answer WHERE app_id = $1 AND repeat_key = $2",
);
static REMEMBER: Stmt = Stmt::both(
    "sandbox_answer.insert",
    "INSERT INTO sandbox_answer (app_id, repeat_key, digest, status, body, at) VALUES ($1, $2, $3, $4, $5, $6)",
);
static FORGET: Stmt = Stmt::both("sandbox_answer.prune", "DELETE FROM sandbox_answer WHERE at < $1");

/// The statements of this file.
pub static ALL: [&Stmt; 9] = [&OPEN, &FIND, &LIST, &POST, &RECORD, &SUM, &RECALL, &REMEMBER, &FORGET];

/// Most that a wallet holds: what a number of JSON still says exactly in every language (RFC 8259 section 6).
const BALANCE_MAX: i64 = 9_007_199_254_740_991;

/// What a wallet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// All of it.
    pub balance: i64,
    /// What is set aside for payments under way.
    pub reserved: i64,
}

/// What moves in a wallet.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The wallet's name: its currency.
    pub wallet: &'a str,
    /// What it holds when it is opened by this entry.
    pub opening: i64,
    /// For which object.
    pub object: &'a str,
    /// What the balance gains.
    pub amount: i64,
    /// What is set aside more.
    pub reserved: i64,
}

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Digest over what was asked.
    pub digest: Vec<u8>,
    /// The status.
    pub status: i64,
    /// The body.
    pub body: String,
}

/// An app's wallet; nothing before money moved in it.
///
/// # Errors
/// `StoreError` as the database answers; so for the others.
pub async fn find(conn: &mut Conn, app: AppId, wallet: &str) -> Result<Option<Holding>, StoreError> {
    let app = app.to_string();
    let Some(row) = conn.row(&FIND, &[Val::Text(&app), Val::Text(wallet)]).await? else { return Ok(None) };
    Ok(Some(Holding { balance: row.int("balance")?, reserved: row.int("reserved")? }))
}

/// An app's wallets by name.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(conn: &mut Conn, app: AppId) -> Result<Vec<(String, Holding)>, StoreError> {
    let rows = conn.rows(&LIST, &[Val::Text(&app.to_string())]).await?;
    let holding = |row: &crate::sql::Row| {
        let holding = Holding { balance: row.int("balance")?, reserved: row.int("reserved")? };
        Ok((row.text("name")?.to_owned(), holding))
    };
    rows.iter().map(holding).collect()
}

/// Moves money in a wallet and records it; nothing moves and `false` comes back where the wallet does not hold enough, or
/// would hold more than a wallet may.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn post(conn: &mut Conn, app: AppId, entry: Entry<'_>, now: UnixMs) -> Result<bool, StoreError> {
    let app = app.to_string();
    let Entry { wallet, opening, object, amount, reserved } = entry;
    conn.execute(&OPEN, &[Val::Text(&app), Val::Text(wallet), Val::Int(opening)]).await?;
    let (amount, reserved) = (Val::Int(amount), Val::Int(reserved));
    let values = [amount, reserved, Val::Text(&app), Val::Text(wallet), Val::Int(BALANCE_MAX)];
    if conn.execute(&POST, &values).await? == 0 {
        return Ok(false);
    }
    let values = [Val::Text(&app), Val::Text(wallet), Val::Text(object), amount, reserved, Val::Int(now.0)];
    conn.execute(&RECORD, &values).await?;
    Ok(true)
}

/// What all postings of a wallet come to: what it holds beside what it was opened with.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn posted(conn: &mut Conn, app: AppId, wallet: &str) -> Result<Holding, StoreError> {
    let app = app.to_string();
    let row = conn.row(&SUM, &[Val::Text(&app), Val::Text(wallet)]).await?;
    let Some(row) = row else { return Ok(Holding { balance: 0, reserved: 0 }) };
    Ok(Holding { balance: row.int("amount")?, reserved: row.int("reserved")? })
}

/// What an app was answered to a key.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn recall(conn: &mut Conn, app: AppId, key: &str) -> Result<Option<Answered>, StoreError> {
    let app = app.to_string();
    let Some(row) = conn.row(&RECALL, &[Val::Text(&app), Val::Text(key)]).await? else { return Ok(None) };
    let digest = row.blob("digest")?.to_vec();
    Ok(Some(Answered { digest, status: row.int("status")?, body: row.text("body")?.to_owned() }))
}

/// Remembers an answer, in the transaction that makes it true.
///
/// # Errors
/// `StoreError::Unique` when the key is being used at the same time.
pub async fn remember(
    conn: &mut Conn,
    (app, key): (AppId, &str),
    answered: &Answered,
    now: UnixMs,
) -> Result<(), StoreError> {
    let app = app.to_string();
    let values = [
        Val::Text(&app),
        Val::Text(key),
        Val::Blob(&answered.digest),
        Val::Int(answered.status),
        Val::Text(&answered.body),
        Val::Int(now.0),
    ];
    conn.execute(&REMEMBER, &values).await.map(|_| ())
}

/// Forgets answers that are older than a moment.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn forget(conn: &mut Conn, before: UnixMs) -> Result<(), StoreError> {
    conn.execute(&FORGET, &[Val::Int(before.0)]).await.map(|_| ())
}
