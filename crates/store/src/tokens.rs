//! Tokens of the management API: digests only.

use keymint_domain::id::{MerchantId, TokenId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "api_token.insert",
    "INSERT INTO api_token (id, digest, merchant_id, name, created_at) VALUES ($1, $2, $3, $4, $5)",
);
static FIND: Stmt =
    Stmt::both("api_token.find", "SELECT id, merchant_id FROM api_token WHERE digest = $1 AND revoked_at IS NULL");
static REVOKE: Stmt = Stmt::both(
    "api_token.revoke",
    "UPDATE api_token SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL RETURNING digest",
);
static COUNT: Stmt = Stmt::both("api_token.count", "SELECT COUNT(*) AS count FROM api_token WHERE revoked_at IS NULL");

/// The statements of this file.
pub static ALL: [&Stmt; 4] = [&INSERT, &FIND, &REVOKE, &COUNT];

/// A token without its text.
#[derive(Clone, Debug)]
pub struct Token {
    /// The id.
    pub id: TokenId,
    /// The merchant it is bound to; `None` for an operator's.
    pub merchant_id: Option<MerchantId>,
}

/// Stores a new token by its digest.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, token: &Token, digest: &[u8], name: &str, now: UnixMs) -> Result<(), StoreError> {
    let id = token.id.to_string();
    let merchant = token.merchant_id.map(|merchant| merchant.to_string());
    let values =
        [Val::Text(&id), Val::Blob(digest), Val::OptText(merchant.as_deref()), Val::Text(name), Val::Int(now.0)];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// The living token with this digest.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, digest: &[u8]) -> Result<Option<Token>, StoreError> {
    let Some(row) = conn.row(&FIND, &[Val::Blob(digest)]).await? else { return Ok(None) };
    let merchant_id = match row.opt_text("merchant_id")? {
        Some(text) => Some(text.parse().map_err(|_| row.corrupt("merchant_id"))?),
        None => None,
    };
    Ok(Some(Token { id: row.parsed("id")?, merchant_id }))
}

/// Ends a token; its digest, or nothing when there was none alive.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn revoke(conn: &mut Conn, id: TokenId, now: UnixMs) -> Result<Option<Vec<u8>>, StoreError> {
    let row = conn.row(&REVOKE, &[Val::Int(now.0), Val::Text(&id.to_string())]).await?;
    row.map(|row| Ok(row.blob("digest")?.to_vec())).transpose()
}

/// How many tokens live.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn count(conn: &mut Conn) -> Result<i64, StoreError> {
    conn.row(&COUNT, &[]).await?.map_or(Ok(0), |row| row.int("count"))
}
