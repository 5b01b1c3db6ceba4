//! Reading and checking the audit log.

use keymint_domain::role::Act;
use keymint_store::ledger::{self, AuditRow};

use crate::App;
use crate::ops::{Actor, OpError, audit_digest};

/// Entries below a number, newest first; a merchant's actor sees its own.
///
/// # Errors
/// `OpError::Store`.
pub async fn list(app: &App, actor: Actor, below_seq: i64, limit: i64) -> Result<Vec<AuditRow>, OpError> {
    actor.require(Act::SeeAudit)?;
    let mut conn = app.db.read().await?;
    Ok(ledger::audit_entries(&mut conn, actor.merchant(), below_seq, limit).await?)
}

/// What a check of the whole log found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Every entry is tied to the one before, and the last one to the ledger's head.
    Intact {
        /// How many.
        entries: i64,
    },
    /// The first entry, from the newest, that is not.
    Broken {
        /// Its number.
        seq: i64,
    },
}

/// Checks the whole log, newest first.
///
/// # Errors
/// `OpError::Store`.
pub async fn verify(app: &App) -> Result<Finding, OpError> {
    let mut conn = app.db.read().await?;
    // Changes may go on meanwhile: an entry that is there now is below the head that is read after it, and those above
    // that head are not looked at.
    let newest = ledger::audit_entries(&mut conn, None, i64::MAX, 1).await?;
    let head = ledger::current(&mut conn).await?;
    if let Some(beyond) = newest.first().filter(|row| row.seq > head.seq) {
        return Ok(Finding::Broken { seq: beyond.seq });
    }
    let mut wanted = head.previous_digest;
    let mut expected_seq = head.seq;
    let mut entries = 0;
    let mut rows = ledger::audit_entries(&mut conn, None, head.seq.saturating_add(1), 500).await?;
    while let Some(newest) = rows.first() {
        if newest.seq != expected_seq {
            return Ok(Finding::Broken { seq: expected_seq });
        }
        let oldest_seq = rows.last().map_or(0, |row| row.seq);
        let more = ledger::audit_entries(&mut conn, None, oldest_seq, 500).await?;
        let mut before = rows.iter().skip(1).chain(more.first());
        for row in &rows {
            let previous = before.next().map(|row| row.digest.clone()).unwrap_or_default();
            if row.seq != expected_seq || row.digest != wanted || audit_digest(&previous, row) != row.digest {
                return Ok(Finding::Broken { seq: expected_seq });
            }
            wanted = previous;
            expected_seq -= 1;
            entries += 1;
        }
        rows = more;
    }
    if expected_seq == 0 { Ok(Finding::Intact { entries }) } else { Ok(Finding::Broken { seq: expected_seq }) }
}
