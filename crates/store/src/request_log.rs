//! The request log: every decision, written in batches. Never a secret in it; paths come redacted.
//!
//! A row is a *chunk*: what one batch has to say about one key, as JSON lines, each an array. So a decision costs no row and no index
//! entry of its own, and a list still reads only its own key's or app's chunks. Decisions are numbered in the order of
//! arrival, over all chunks; batches do not overlap.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use serde::{Deserialize, Serialize, Serializer};

use crate::db::Conn;
use crate::error::StoreError;
use crate::log_counts::LogCounts;
use crate::rollup::Tally;
use crate::sql::{Row, Stmt, Val};

static NUMBER: Stmt = Stmt::both(
    "request_log_head.take",
    "UPDATE request_log_head SET last_number = last_number + $1 WHERE id = 1 RETURNING last_number",
);
static HEAD: Stmt = Stmt::both("request_log_head.find", "SELECT last_number FROM request_log_head WHERE id = 1");
static INSERT: Stmt = Stmt::both(
    "request_log.insert",
    "INSERT INTO request_log (batch, product, mode, merchant_id, app_id, key_id, first_at, last_at, denied, entries)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
);
// Each filter is off when its value is NULL. The types are told because PostgreSQL cannot guess that of a bare NULL.
static BATCHES_OF_KEY: Stmt = Stmt::both(
    "request_log.batches_of_key",
    "SELECT DISTINCT batch FROM request_log
     WHERE key_id = $1 AND batch < $2 AND (CAST($3 AS TEXT) IS NULL OR mode = $3)
       AND last_at >= $4 AND first_at < $5 AND denied >= $6 AND batch >= $7
     ORDER BY batch DESC LIMIT $8",
);
static BATCHES_OF_APP: Stmt = Stmt::both(
    "request_log.batches_of_app",
    "SELECT DISTINCT batch FROM request_log
     WHERE app_id = $1 AND batch < $2 AND (CAST($3 AS TEXT) IS NULL OR mode = $3)
       AND last_at >= $4 AND first_at < $5 AND denied >= $6 AND batch >= $7
     ORDER BY batch DESC LIMIT $8",
);
static CHUNKS_OF_KEY: Stmt = Stmt::both(
    "request_log.chunks_of_key",
    "SELECT batch, product, mode, merchant_id, app_id, key_id, entries FROM request_log
     WHERE key_id = $1 AND batch < $2 AND (CAST($3 AS TEXT) IS NULL OR mode = $3)
       AND last_at >= $4 AND first_at < $5 AND denied >= $6 AND batch >= $7",
);
static CHUNKS_OF_APP: Stmt = Stmt::both(
    "request_log.chunks_of_app",
    "SELECT batch, product, mode, merchant_id, app_id, key_id, entries FROM request_log
     WHERE app_id = $1 AND batch < $2 AND (CAST($3 AS TEXT) IS NULL OR mode = $3)
       AND last_at >= $4 AND first_at < $5 AND denied >= $6 AND batch >= $7",
);

static PRUNE: Stmt = Stmt::both(
    "request_log.prune",
    "DELETE FROM request_log WHERE id IN (SELECT id FROM request_log ORDER BY id LIMIT $1)
       AND (last_at < $2 OR batch < $3)",
);

/// The statements of this file.
pub static ALL: [&Stmt; 8] =
    [&NUMBER, &HEAD, &INSERT, &BATCHES_OF_KEY, &BATCHES_OF_APP, &CHUNKS_OF_KEY, &CHUNKS_OF_APP, &PRUNE];

/// Most batches that a list reads at once; it begins with one, because one may hold thousands of decisions.
const BATCHES_MAX: i64 = 32;

/// One decision, as it is written: an array of its fields in this order. What was written as an object of their names is read
/// all the same.
#[derive(Clone, Debug, Deserialize)]
pub struct Line<'a> {
    /// Its place in the batch, from 1; `Batch::add` sets it.
    pub n: i64,
    /// When.
    pub at: UnixMs,
    /// The request's id.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// The method.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The path, redacted.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// The status answered.
    pub status: u16,
    /// The reason of a denial.
    #[serde(borrow, default)]
    pub reason: Option<Cow<'a, str>>,
    /// The scheme by which the request said who it is.
    #[serde(borrow, default)]
    pub scheme: Option<Cow<'a, str>>,
    /// The client's address.
    pub client_ip: IpAddr,
    /// From the end of the request's head to the decision. Microseconds.
    pub duration_us: u32,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { n, at, request_id, method, path, status, reason, scheme, client_ip, duration_us } = self;
        (n, at, request_id, method, path, status, reason, scheme, client_ip, duration_us).serialize(serializer)
    }
}

/// One decision, as it is read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: UnixMs,
    /// The request's id.
    pub request_id: String,
    /// The product.
    pub product: String,
    /// The key's mode.
    pub mode: Mode,
    /// The key's merchant.
    pub merchant_id: MerchantId,
    /// The key's app.
    pub app_id: AppId,
    /// The key.
    pub key_id: String,
    /// The method.
    pub method: String,
    /// The path, redacted.
    pub path: String,
    /// The status answered.
    pub status: u16,
    /// The reason of a denial.
    pub reason: Option<String>,
    /// The scheme by which the request said who it is; `None` where that was not written down.
    pub scheme: Option<String>,
    /// The client's address.
    pub client_ip: IpAddr,
    /// From the end of the request's head to the decision. Microseconds.
    pub duration_us: u32,
}

/// Which entries.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Below this number.
    pub below_id: i64,
    /// In batches that were written after this number, which `head` told or which is that of an entry; 0 for all.
    pub after_id: i64,
    /// Only this mode.
    pub mode: Option<Mode>,
    /// Only this reason.
    pub reason: Option<String>,
    /// From, included.
    pub since: UnixMs,
    /// To, not included.
    pub until: UnixMs,
    /// Lowest and highest status.
    pub status: (u16, u16),
    /// How many at the most.
    pub limit: usize,
}

impl Filter {
    fn admits(&self, id: i64, line: &Line<'_>) -> bool {
        let (lowest, highest) = self.status;
        id < self.below_id
            && line.at >= self.since
            && line.at < self.until
            && (lowest..=highest).contains(&line.status)
            && self.reason.as_deref().is_none_or(|reason| line.reason.as_deref() == Some(reason))
    }
}

/// Whose key it was.
pub struct Owner {
    /// The key's mode.
    pub mode: Mode,
    /// Its merchant.
    pub merchant_id: MerchantId,
    /// Its app.
    pub app_id: AppId,
    /// The key.
    pub key_id: Box<str>,
}

impl Owner {
    /// Of a chunk; nobody where no key was known.
    ///
    /// # Errors
    /// `StoreError::Corrupt`.
    pub fn decode(row: &Row) -> Result<Option<Self>, StoreError> {
        let Some(key_id) = row.opt_string("key_id")? else { return Ok(None) };
        let mode = Mode::parse(row.text("mode")?).ok_or(row.corrupt("mode"))?;
        let (merchant_id, app_id) = (row.parsed("merchant_id")?, row.parsed("app_id")?);
        Ok(Some(Self { mode, merchant_id, app_id, key_id: key_id.into() }))
    }
}

/// What a batch says of one key, or of no key that is known.
struct Chunk {
    product: Box<str>,
    owner: Option<Owner>,
    first_at: UnixMs,
    last_at: UnixMs,
    last_allowed_at: Option<UnixMs>,
    denied: i64,
    tally: Tally,
    entries: Vec<u8>,
}

/// Decisions that are written together.
#[derive(Default)]
pub struct Batch {
    count: i64,
    of_keys: BTreeMap<Box<str>, Chunk>,
    of_nobody: BTreeMap<Box<str>, Chunk>,
}

impl Batch {
    /// Adds a decision: about a key, or about none that is known. What is only claimed may be a secret in the wrong
    /// place.
    pub fn add(&mut self, product: &str, candidate: Option<&Candidate>, mut line: Line<'_>) {
        self.count += 1;
        line.n = self.count;
        let (chunks, name) = match candidate {
            Some(candidate) => (&mut self.of_keys, &*candidate.key_id),
            None => (&mut self.of_nobody, product),
        };
        if let Some(chunk) = chunks.get_mut(name) {
            chunk.add(&line);
        } else {
            let mut chunk = Chunk::new(product, candidate, line.at);
            chunk.add(&line);
            chunks.insert(name.into(), chunk);
        }
    }

    /// Writes it; the number of its last decision.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn insert(&self, conn: &mut Conn) -> Result<i64, StoreError> {
        let taken = conn.row(&NUMBER, &[Val::Int(self.count)]).await?;
        let corrupt = StoreError::Corrupt { table: NUMBER.name, column: "last_number" };
        let number = taken.ok_or(corrupt)?.int("last_number")?;
        for chunk in self.of_keys.values().chain(self.of_nobody.values()) {
            chunk.insert(conn, number - self.count).await?;
        }
        Ok(number)
    }

    /// Counts it, once it was written with this number at its end.
    pub fn count(&self, number: i64, counts: &mut LogCounts) {
        for chunk in self.of_keys.values() {
            if let Some(owner) = &chunk.owner {
                counts.add(owner, &chunk.tally, chunk.last_allowed_at);
            }
        }
        counts.reach(number);
    }
}

impl Chunk {
    fn new(product: &str, candidate: Option<&Candidate>, at: UnixMs) -> Self {
        let owner = candidate.map(|candidate| Owner {
            mode: candidate.mode,
            merchant_id: candidate.merchant_id,
            app_id: candidate.app_id,
            key_id: candidate.key_id.clone(),
        });
        let (first_at, last_at) = (at, at);
        Self {
            product: product.into(),
            owner,
            first_at,
            last_at,
            last_allowed_at: None,
            denied: 0,
            tally: Tally::default(),
            entries: Vec::new(),
        }
    }

    fn add(&mut self, line: &Line<'_>) {
        self.first_at = self.first_at.min(line.at);
        self.last_at = self.last_at.max(line.at);
        if line.reason.is_some() {
            self.denied += 1;
        } else {
            self.last_allowed_at = self.last_allowed_at.max(Some(line.at));
        }
        if self.owner.is_some() {
            self.tally.count(line);
        }
        serde_json::to_writer(&mut self.entries, line).expect("text and numbers are JSON, and memory takes them");
        self.entries.push(b'\n');
    }

    async fn insert(&self, conn: &mut Conn, batch: i64) -> Result<(), StoreError> {
        let owner = self.owner.as_ref();
        let merchant = owner.map(|owner| owner.merchant_id.to_string());
        let app = owner.map(|owner| owner.app_id.to_string());
        let values = [
            Val::Int(batch),
            Val::Text(&self.product),
            Val::OptText(owner.map(|owner| owner.mode.as_str())),
            Val::OptText(merchant.as_deref()),
            Val::OptText(app.as_deref()),
            Val::OptText(owner.map(|owner| &*owner.key_id)),
            Val::Int(self.first_at.0),
            Val::Int(self.last_at.0),
            Val::Int(self.denied),
            Val::Text(std::str::from_utf8(&self.entries).expect("JSON is UTF-8")),
        ];
        conn.execute(&INSERT, &values).await.map(|_| ())
    }
}

/// The number of the newest decision, whoever's: the end of the last batch.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn head(conn: &mut Conn) -> Result<i64, StoreError> {
    let row = conn.row(&HEAD, &[]).await?;
    row.map_or(Ok(0), |row| row.int("last_number"))
}

/// Of the oldest `count` chunks, deletes those whose decisions are all from before a moment, or have a number up to one.
/// How many those were.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prune(conn: &mut Conn, count: i64, before: UnixMs, number: i64) -> Result<u64, StoreError> {
    conn.execute(&PRUNE, &[Val::Int(count), Val::Int(before.0), Val::Int(number)]).await
}

/// Decisions about a key, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list_of_key(conn: &mut Conn, key_id: &str, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
    list(conn, [&BATCHES_OF_KEY, &CHUNKS_OF_KEY], key_id, filter).await
}

/// Decisions about an app's keys, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list_of_app(conn: &mut Conn, app: AppId, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
    list(conn, [&BATCHES_OF_APP, &CHUNKS_OF_APP], &app.to_string(), filter).await
}

/// Reads whole batches, newest first, until there is enough.
async fn list(
    conn: &mut Conn,
    [batches, chunks]: [&'static Stmt; 2],
    subject: &str,
    filter: &Filter,
) -> Result<Vec<Entry>, StoreError> {
    let (mut below, mut at_once) = (filter.below_id, 1);
    let mut found: Vec<Entry> = Vec::new();
    while found.len() < filter.limit {
        let values = |from: i64| {
            vec![
                Val::Text(subject),
                Val::Int(below),
                Val::OptText(filter.mode.map(Mode::as_str)),
                Val::Int(filter.since.0),
                Val::Int(filter.until.0),
                Val::Int(i64::from(filter.reason.is_some())),
                Val::Int(from),
            ]
        };
        let mut newest = values(filter.after_id);
        newest.push(Val::Int(at_once));
        let numbers = conn.rows(batches, &newest).await?;
        let Some(oldest) = numbers.last() else { break };
        let oldest = oldest.int("batch")?;
        let mut entries = Vec::new();
        for row in conn.rows(chunks, &values(oldest)).await? {
            decode(&row, filter, &mut entries)?;
        }
        entries.sort_unstable_by_key(|entry| Reverse(entry.id));
        found.append(&mut entries);
        (below, at_once) = (oldest, (at_once * 2).min(BATCHES_MAX));
    }
    found.truncate(filter.limit);
    Ok(found)
}

/// Those of a chunk's decisions that a filter admits.
fn decode(row: &Row, filter: &Filter, found: &mut Vec<Entry>) -> Result<(), StoreError> {
    let batch = row.int("batch")?;
    for line in row.text("entries")?.lines() {
        let line: Line<'_> = serde_json::from_str(line).map_err(|_| row.corrupt("entries"))?;
        let id = batch + line.n;
        if filter.admits(id, &line) {
            found.push(Entry {
                id,
                at: line.at,
                request_id: line.request_id.into_owned(),
                product: row.text("product")?.to_owned(),
                mode: Mode::parse(row.text("mode")?).ok_or(row.corrupt("mode"))?,
                merchant_id: row.parsed("merchant_id")?,
                app_id: row.parsed("app_id")?,
                key_id: row.text("key_id")?.to_owned(),
                method: line.method.into_owned(),
                path: line.path.into_owned(),
                status: line.status,
                reason: line.reason.map(Cow::into_owned),
                scheme: line.scheme.map(Cow::into_owned),
                client_ip: line.client_ip,
                duration_us: line.duration_us,
            });
        }
    }
    Ok(())
}
