//! A person's second factors: the authenticator app and the recovery codes. The phone stands with the account.

use keymint_domain::id::UserId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "authenticator.upsert",
    "INSERT INTO authenticator (user_id, sealed, last_step) VALUES ($1, $2, 0)
     ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = 0
     WHERE authenticator.confirmed_at IS NULL",
);
static FIND: Stmt =
    Stmt::both("authenticator.find", "SELECT sealed, confirmed_at, last_step FROM authenticator WHERE user_id = $1");
static CONFIRM: Stmt = Stmt::both(
    "authenticator.confirm",
    "UPDATE authenticator SET confirmed_at = $1, last_step = $2 WHERE user_id = $3 AND confirmed_at IS NULL",
);
static STEP: Stmt =
    Stmt::both("authenticator.step", "UPDATE authenticator SET last_step = $1 WHERE user_id = $2 AND last_step < $1");
static REMOVE: Stmt = Stmt::both("authenticator.delete", "DELETE FROM authenticator WHERE user_id = $1");
static ADD_CODE: Stmt =
    Stmt::both("recovery_code.insert", "INSERT INTO recovery_code (user_id, code_check) VALUES ($1, $2)");
static USE_CODE: Stmt = Stmt::both(
    "recovery_code.use",
    "UPDATE recovery_code SET used_at = $1 WHERE user_id = $2 AND code_check = $3 AND used_at IS NULL",
);
static LEFT: Stmt = Stmt::both(
    "recovery_code.left",
    "SELECT COUNT(*) AS amount FROM recovery_code WHERE user_id = $1 AND used_at IS NULL",
);
static REMOVE_CODES: Stmt = Stmt::both("recovery_code.delete", "DELETE FROM recovery_code WHERE user_id = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 9] = [&PUT, &FIND, &CONFIRM, &STEP, &REMOVE, &ADD_CODE, &USE_CODE, &LEFT, &REMOVE_CODES];

/// An authenticator app, as it was set up.
pub struct Authenticator {
    /// Its secret, sealed.
    pub sealed: Vec<u8>,
    /// When a code of it was first right; before, it is none.
    pub confirmed_at: Option<UnixMs>,
    /// The last time step whose code was used.
    pub last_step: i64,
}

/// Stores a new one that is yet to be confirmed, in the place of another such. False where a confirmed one is.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, user: UserId, sealed: &[u8]) -> Result<bool, StoreError> {
    Ok(conn.execute(&PUT, &[Val::Text(&user.to_string()), Val::Blob(sealed)]).await? == 1)
}

/// A person's.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, user: UserId) -> Result<Option<Authenticator>, StoreError> {
    let Some(row) = conn.row(&FIND, &[Val::Text(&user.to_string())]).await? else { return Ok(None) };
    Ok(Some(Authenticator {
        sealed: row.blob("sealed")?.to_vec(),
        confirmed_at: row.opt_int("confirmed_at")?.map(UnixMs),
        last_step: row.int("last_step")?,
    }))
}

/// A code of it was right for the first time. False when it was confirmed before.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn confirm(conn: &mut Conn, user: UserId, step: i64, now: UnixMs) -> Result<bool, StoreError> {
    let user = user.to_string();
    Ok(conn.execute(&CONFIRM, &[Val::Int(now.0), Val::Int(step), Val::Text(&user)]).await? == 1)
}

/// The code of a time step is used. False when it, or a later one, was (RFC 6238 section 5.2).
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn use_step(conn: &mut Conn, user: UserId, step: i64) -> Result<bool, StoreError> {
    Ok(conn.execute(&STEP, &[Val::Int(step), Val::Text(&user.to_string())]).await? == 1)
}

/// Takes it away, with the recovery codes.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn remove(conn: &mut Conn, user: UserId) -> Result<(), StoreError> {
    let user = user.to_string();
    conn.execute(&REMOVE_CODES, &[Val::Text(&user)]).await?;
    conn.execute(&REMOVE, &[Val::Text(&user)]).await.map(|_| ())
}

/// Stores new recovery codes by their keyed digests; older ones are none any more.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put_codes(conn: &mut Conn, user: UserId, checks: &[Vec<u8>]) -> Result<(), StoreError> {
    let user = user.to_string();
    conn.execute(&REMOVE_CODES, &[Val::Text(&user)]).await?;
    for check in checks {
        conn.execute(&ADD_CODE, &[Val::Text(&user), Val::Blob(check)]).await?;
    }
    Ok(())
}

/// Uses one. False when it is none, or was used.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn use_code(conn: &mut Conn, user: UserId, check: &[u8], now: UnixMs) -> Result<bool, StoreError> {
    let user = user.to_string();
    Ok(conn.execute(&USE_CODE, &[Val::Int(now.0), Val::Text(&user), Val::Blob(check)]).await? == 1)
}

/// How many are left.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn codes_left(conn: &mut Conn, user: UserId) -> Result<i64, StoreError> {
    let row = conn.row(&LEFT, &[Val::Text(&user.to_string())]).await?;
    row.map_or(Ok(0), |row| row.int("amount"))
}
