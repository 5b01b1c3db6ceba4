//! The sequence, the change list, the audit log and the outbox: what every change writes beside itself, in the same
//! transaction.
//!
//! Whoever takes the next number locks the sequence's one row, so changes commit in the order of their numbers, without
//! gaps, and each finds the digest of the audit entry before its own.

use keymint_domain::id::{AuditId, EventId, MerchantId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

// SQLite has one writer, who is alone from the beginning of the transaction on.
static NEXT: Stmt = Stmt::split(
    "epoch.next",
    "SELECT seq + 1 AS seq, audit_digest FROM epoch WHERE id = 1",
    "SELECT seq + 1 AS seq, audit_digest FROM epoch WHERE id = 1 FOR UPDATE",
);
static ADVANCE: Stmt = Stmt::both("epoch.advance", "UPDATE epoch SET seq = $1, audit_digest = $2 WHERE id = 1");
static CURRENT: Stmt = Stmt::both("epoch.current", "SELECT seq, audit_digest FROM epoch WHERE id = 1");
static INSERT_CHANGE: Stmt =
    Stmt::both("change.insert", "INSERT INTO change (seq, at, kind, subject) VALUES ($1, $2, $3, $4)");
static INSERT_AUDIT: Stmt = Stmt::both(
    "audit.insert",
    "INSERT INTO audit (seq, id, at, actor, action, subject, merchant_id, detail, digest)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
);
static INSERT_OUTBOX: Stmt = Stmt::both(
    "outbox.insert",
    "INSERT INTO outbox (seq, id, at, merchant_id, kind, payload) VALUES ($1, $2, $3, $4, $5, $6)",
);
static LIST_AUDIT: Stmt = Stmt::both(
    "audit.list",
    "SELECT seq, id, at, actor, action, subject, merchant_id, detail, digest FROM audit
     WHERE seq < $1 ORDER BY seq DESC LIMIT $2",
);
static LIST_AUDIT_OF: Stmt = Stmt::both(
    "audit.list_of_merchant",
    "SELECT seq, id, at, actor, action, subject, merchant_id, detail, digest FROM audit
     WHERE merchant_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3",
);

/// The statements of this file.
pub static ALL: [&Stmt; 8] =
    [&NEXT, &ADVANCE, &CURRENT, &INSERT_CHANGE, &INSERT_AUDIT, &INSERT_OUTBOX, &LIST_AUDIT, &LIST_AUDIT_OF];

/// The place of a change: its number, and the digest of the audit entry before it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The number.
    pub seq: i64,
    /// The digest before; empty for the first.
    pub previous_digest: Vec<u8>,
}

/// An entry of the audit log.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// The number of the change it tells of.
    pub seq: i64,
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: UnixMs,
    /// Who.
    pub actor: String,
    /// What: `credential.issued`.
    pub action: String,
    /// To what: an id or key id.
    pub subject: String,
    /// Of which merchant.
    pub merchant_id: Option<MerchantId>,
    /// More, as JSON. Never a secret.
    pub detail: String,
    /// Digest over this entry and the one before.
    pub digest: Vec<u8>,
}

/// Takes the next number and holds the lock until the transaction ends. It is the next one's again unless `record` writes
/// it down.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn next(conn: &mut Conn) -> Result<Place, StoreError> {
    place(conn, &NEXT).await
}

/// Where the ledger stands now.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn current(conn: &mut Conn) -> Result<Place, StoreError> {
    place(conn, &CURRENT).await
}

async fn place(conn: &mut Conn, stmt: &'static Stmt) -> Result<Place, StoreError> {
    let row = conn.row(stmt, &[]).await?;
    let row = row.ok_or(StoreError::Corrupt { table: "epoch", column: "id" })?;
    Ok(Place { seq: row.int("seq")?, previous_digest: row.blob("audit_digest")?.to_vec() })
}

/// Writes the change, its audit entry and its event.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn record(conn: &mut Conn, entry: &AuditRow, event: EventId) -> Result<(), StoreError> {
    let id = entry.id.to_string();
    let merchant = entry.merchant_id.map(|merchant| merchant.to_string());
    let (seq, at) = (Val::Int(entry.seq), Val::Int(entry.at.0));
    let (action, subject) = (Val::Text(&entry.action), Val::Text(&entry.subject));
    let merchant = Val::OptText(merchant.as_deref());
    conn.execute(&INSERT_CHANGE, &[seq, at, action, subject]).await?;
    let (actor, detail, digest) = (Val::Text(&entry.actor), Val::Text(&entry.detail), Val::Blob(&entry.digest));
    conn.execute(&INSERT_AUDIT, &[seq, Val::Text(&id), at, actor, action, subject, merchant, detail, digest]).await?;
    conn.execute(&ADVANCE, &[seq, digest]).await?;
    let event = event.to_string();
    conn.execute(&INSERT_OUTBOX, &[seq, Val::Text(&event), at, merchant, action, detail]).await?;
    Ok(())
}

/// Entries below a number, newest first; all merchants' for `None`.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn audit_entries(
    conn: &mut Conn,
    merchant: Option<MerchantId>,
    below_seq: i64,
    limit: i64,
) -> Result<Vec<AuditRow>, StoreError> {
    let rows = match merchant {
        Some(merchant) => {
            let merchant = merchant.to_string();
            conn.rows(&LIST_AUDIT_OF, &[Val::Text(&merchant), Val::Int(below_seq), Val::Int(limit)]).await?
        }
        None => conn.rows(&LIST_AUDIT, &[Val::Int(below_seq), Val::Int(limit)]).await?,
    };
    rows.iter().map(decode_audit).collect()
}

fn decode_audit(row: &Row) -> Result<AuditRow, StoreError> {
    let merchant_id = match row.opt_text("merchant_id")? {
        Some(text) => Some(text.parse().map_err(|_| row.corrupt("merchant_id"))?),
        None => None,
    };
    Ok(AuditRow {
        seq: row.int("seq")?,
        id: row.parsed("id")?,
        at: UnixMs(row.int("at")?),
        actor: row.text("actor")?.to_owned(),
        action: row.text("action")?.to_owned(),
        subject: row.text("subject")?.to_owned(),
        merchant_id,
        detail: row.text("detail")?.to_owned(),
        digest: row.blob("digest")?.to_vec(),
    })
}
