//! What the log's decisions add to the counts by the minute, hour and day, and to the last use of each key: gathered over
//! many batches, because to write it costs several statements for each app.
//!
//! It is written together with the number of the last decision that it counts. Whoever starts anew after a kill counts what
//! the log has beyond that number, so every decision that was logged is counted once.

use std::collections::HashMap;

use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;

use crate::credentials;
use crate::db::Conn;
use crate::error::StoreError;
use crate::request_log::{Line, Owner};
use crate::rollup::Tally;
use crate::sql::{Stmt, Val};

static COUNTED: Stmt =
    Stmt::both("request_log_head.counted", "SELECT counted_number FROM request_log_head WHERE id = 1");
static MARK: Stmt = Stmt::both("request_log_head.mark", "UPDATE request_log_head SET counted_number = $1 WHERE id = 1");
static NEWEST: Stmt = Stmt::both(
    "request_log.newest",
    "SELECT id, batch, mode, merchant_id, app_id, key_id, entries FROM request_log
     WHERE id < $1 ORDER BY id DESC LIMIT $2",
);

/// The statements of this file.
pub static ALL: [&Stmt; 3] = [&COUNTED, &MARK, &NEWEST];

/// Chunks that are read at once.
const CHUNKS_AT_ONCE: i64 = 256;

/// What is not written yet.
#[derive(Default)]
pub struct LogCounts {
    tallies: HashMap<(AppId, Mode), Tally>,
    last_uses: HashMap<Box<str>, UnixMs>,
    number: i64,
}

impl LogCounts {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// Adds what a chunk of the log counted of a key.
    pub fn add(&mut self, owner: &Owner, tally: &Tally, last_allowed_at: Option<UnixMs>) {
        self.tallies.entry((owner.app_id, owner.mode)).or_default().add(tally);
        if let Some(at) = last_allowed_at {
            let last = self.last_uses.entry(owner.key_id.clone()).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// Everything up to this number is in it.
    pub fn reach(&mut self, number: i64) {
        self.number = number;
    }

    /// Counts what the log has and was not counted before the process ended.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn recount(conn: &mut Conn) -> Result<Self, StoreError> {
        let mut counts = Self { number: crate::request_log::head(conn).await?, ..Self::default() };
        let counted = conn.row(&COUNTED, &[]).await?.map_or(Ok(0), |row| row.int("counted_number"))?;
        let mut below = i64::MAX;
        loop {
            let chunks = conn.rows(&NEWEST, &[Val::Int(below), Val::Int(CHUNKS_AT_ONCE)]).await?;
            let Some(last) = chunks.last() else { return Ok(counts) };
            below = last.int("id")?;
            for row in &chunks {
                if row.int("batch")? < counted {
                    return Ok(counts);
                }
                let Some(owner) = Owner::decode(row)? else { continue };
                let (mut tally, mut last_allowed_at) = (Tally::default(), None);
                for line in row.text("entries")?.lines() {
                    let line: Line<'_> = serde_json::from_str(line).map_err(|_| row.corrupt("entries"))?;
                    tally.count(&line);
                    last_allowed_at = last_allowed_at.max(line.reason.is_none().then_some(line.at));
                }
                counts.add(&owner, &tally, last_allowed_at);
            }
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn write(&self, conn: &mut Conn) -> Result<(), StoreError> {
        for ((app, mode), tally) in &self.tallies {
            tally.write(conn, &app.to_string(), *mode).await?;
        }
        for (key_id, at) in &self.last_uses {
            credentials::note_use(conn, key_id, *at).await?;
        }
        conn.execute(&MARK, &[Val::Int(self.number)]).await.map(|_| ())
    }
}
