//! The request log: every decision, handed over without waiting and written in batches. Bounded: what does not fit is
//! counted as lost, never waited for (T80).

mod export;
mod retention;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::entropy::{Entropy, EntropyError};
use keymint_domain::id::RequestId;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::log_counts::LogCounts;
use keymint_store::request_log::{Batch, Line};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;

use self::export::Export;
use crate::clock::Stopwatch;
use crate::config::RequestLogConfig;
use crate::telemetry::Trace;
use crate::telemetry::otlp::Otlp;

/// Decisions written in one transaction; other changes wait for it, some milliseconds at this size. A batch has a row for
/// each key, so many keys are cheap only in a long one.
const BATCH_MAX: usize = 16_000;
/// How long a decision waits for others at the most.
const BATCH_WAIT: Duration = Duration::from_millis(250);
/// How long counts wait for others.
const COUNT_EVERY: Duration = Duration::from_secs(2);
/// Longest path that is logged. Bytes.
const PATH_BYTES_MAX: usize = 256;
/// Runs of letters and digits from this length on could be a secret.
const RUN_MIN: usize = 20;

/// One decision, as the hot path hands it over.
#[derive(Debug)]
pub struct Record {
    /// When.
    pub at: UnixMs,
    /// The request.
    pub request_id: RequestId,
    /// The product.
    pub product: Arc<str>,
    /// Whose key, once it was known.
    pub candidate: Option<Arc<Candidate>>,
    /// The method.
    pub method: &'static str,
    /// The path inside the product, redacted (`redact`).
    pub path: Box<str>,
    /// The status answered.
    pub status: u16,
    /// The reason of a denial.
    pub reason: Option<DenyReason>,
    /// The scheme by which the request said who it is.
    pub scheme: Option<SchemeName>,
    /// The client.
    pub client_ip: IpAddr,
    /// From the end of the request's head to the head of its answer, an upstream's included. Microseconds.
    pub duration_us: u32,
    /// Its span, where it is traced.
    pub trace: Option<Trace>,
}

/// Ids for requests that come in many ways. The gateway's threads count for themselves.
pub struct RequestIds {
    seed: u128,
    given: AtomicU64,
}

impl RequestIds {
    /// Ids from a place that nobody foresees.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut seed = [0_u8; 16];
        entropy.fill(&mut seed)?;
        Ok(Self { seed: u128::from_be_bytes(seed), given: AtomicU64::new(0) })
    }

    /// The next one.
    pub fn next(&self, now: UnixMs) -> RequestId {
        let number = u128::from(self.given.fetch_add(1, Ordering::Relaxed));
        RequestId::numbered(now, self.seed.wrapping_add(number))
    }
}

/// What waits to be written.
#[derive(Default)]
struct Waiting {
    records: Vec<Record>,
    flushes: Vec<oneshot::Sender<()>>,
    is_over: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.flushes.is_empty()
    }
}

/// Where the hot path and the thread that writes meet. The thread is woken for the first record and for a crowd, not for
/// each: to wake it costs more than a decision.
struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
    waiting_max: usize,
    crowd: usize,
}

impl Queue {
    /// A holder that panicked leaves whole records behind, so what is there is still written.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything that waits, once there is something, and leaves `room` for what comes next; nothing where nothing
    /// came in `patience`; `None` at the end.
    fn take(&self, room: Vec<Record>, patience: Duration) -> Option<Waiting> {
        let is_idle = |waiting: &mut Waiting| waiting.is_empty() && !waiting.is_over;
        let came = self.news.wait_timeout_while(self.lock(), patience, is_idle);
        let (waiting, idle) = came.unwrap_or_else(PoisonError::into_inner);
        if idle.timed_out() {
            return Some(Waiting { records: room, ..Waiting::default() });
        }
        let may_wait = |waiting: &mut Waiting| {
            waiting.records.len() < self.crowd && waiting.flushes.is_empty() && !waiting.is_over
        };
        let waited = self.news.wait_timeout_while(waiting, BATCH_WAIT, may_wait);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            return None;
        }
        let (records, flushes) = (std::mem::replace(&mut waiting.records, room), std::mem::take(&mut waiting.flushes));
        Some(Waiting { records, flushes, is_over: false })
    }
}

/// Ends the thread, once it has written everything, when the last hand lets go of the log.
struct Writer(Arc<Queue>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.news.notify_one();
    }
}

/// Where decisions are handed over. A closed log takes nothing.
#[derive(Clone)]
pub struct RequestLog {
    writer: Option<Arc<Writer>>,
    counters: Counters,
}

/// What is counted of the log itself.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Decisions that were written.
    pub written: Counter,
    /// Decisions that did not reach the log.
    pub lost: Counter,
    /// Decisions that did not reach the file for whoever collects logs.
    pub not_exported: Counter,
    /// How long requests took, by product.
    pub durations: Arc<BTreeMap<Arc<str>, Histogram>>,
}

impl RequestLog {
    /// Starts the thread that writes: to the store where the log is enabled, and to a collector where there is one.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        db: Db,
        runtime: tokio::runtime::Handle,
        (config, otlp): (&RequestLogConfig, Option<Otlp>),
        counters: Counters,
    ) -> std::io::Result<Self> {
        if !config.enabled && otlp.is_none() {
            return Ok(Self { writer: None, counters });
        }
        let waiting_max = config.waiting_max.max(1);
        let crowd = BATCH_MAX.min(waiting_max.div_ceil(2));
        let queue = Arc::new(Queue { waiting: Mutex::default(), news: Condvar::new(), waiting_max, crowd });
        let shared = Arc::clone(&queue);
        let keeper = Keeper {
            db: config.enabled.then_some(db),
            otlp,
            runtime,
            counters: counters.clone(),
            export: config.export_file.as_deref().filter(|_| config.enabled).map(Export::new),
            counts: LogCounts::default(),
            counting: Stopwatch::start(),
        };
        std::thread::Builder::new().name("request-log".to_owned()).spawn(move || keeper.run(&shared))?;
        Ok(Self { writer: Some(Arc::new(Writer(queue))), counters })
    }

    /// Whether decisions are kept; when not, the caller need not make a record.
    pub fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    /// Hands a decision over. Never waits for the writing.
    pub fn push(&self, record: Record) {
        let Some(writer) = &self.writer else { return };
        let queue = &writer.0;
        let mut waiting = queue.lock();
        let count = waiting.records.len() + 1;
        if count > queue.waiting_max {
            self.counters.lost.inc();
            return;
        }
        waiting.records.push(record);
        drop(waiting);
        if count == 1 || count == queue.crowd {
            queue.news.notify_one();
        }
    }

    /// Waits until everything handed over before is written.
    pub async fn flush(&self) {
        let Some(writer) = &self.writer else { return };
        let (done, written) = oneshot::channel();
        writer.0.lock().flushes.push(done);
        writer.0.news.notify_one();
        let _ = written.await;
    }
}

/// The thread that writes.
struct Keeper {
    /// Nothing where the log is not enabled.
    db: Option<Db>,
    runtime: tokio::runtime::Handle,
    counters: Counters,
    otlp: Option<Otlp>,
    export: Option<Export>,
    /// What was written and is not counted yet.
    counts: LogCounts,
    /// Since the last counts were written.
    counting: Stopwatch,
}

impl Keeper {
    fn run(mut self, queue: &Queue) {
        self.recount();
        let mut room = Vec::new();
        while let Some(Waiting { mut records, flushes, .. }) = queue.take(std::mem::take(&mut room), COUNT_EVERY) {
            for batch in records.chunks(BATCH_MAX) {
                self.keep(batch);
            }
            if !flushes.is_empty() || self.counting.has_passed(COUNT_EVERY) {
                self.count();
            }
            for flush in flushes {
                let _ = flush.send(());
            }
            records.clear();
            records.shrink_to(BATCH_MAX);
            room = records;
        }
        self.count();
    }

    /// Counts what was logged and not counted when the process before this one ended.
    fn recount(&mut self) {
        match self.db.as_ref().map(|db| self.runtime.block_on(recount(db))) {
            None => {}
            Some(Ok(counts)) => self.counts = counts,
            Some(Err(error)) => tracing::error!(%error, "decisions from before the start could not be counted"),
        }
    }

    /// Writes the counts. Where that fails they are kept, and tried again with the next.
    fn count(&mut self) {
        self.counting = Stopwatch::start();
        let Some(db) = self.db.as_ref().filter(|_| !self.counts.is_empty()) else { return };
        match self.runtime.block_on(write_counts(db, &self.counts)) {
            Ok(()) => self.counts = LogCounts::default(),
            Err(error) => tracing::warn!(%error, "counts of decisions could not be written; they are tried again"),
        }
    }

    fn keep(&mut self, batch: &[Record]) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let counts = &mut self.counts;
        match self.db.as_ref().map(|db| self.runtime.block_on(write(db, batch, counts))) {
            None => {}
            Some(Ok(())) => drop(self.counters.written.inc_by(count)),
            Some(Err(error)) => {
                tracing::error!(%error, count, "decisions could not be logged and are lost");
                self.counters.lost.inc_by(count);
            }
        }
        for record in batch {
            if let Some(histogram) = self.counters.durations.get(&record.product) {
                histogram.observe(f64::from(record.duration_us) / 1e6);
            }
        }
        if let Some(otlp) = &self.otlp {
            otlp.push(batch);
        }
        if let Some(Err(error)) = self.export.as_mut().map(|export| export.add(batch)) {
            tracing::error!(%error, count, "decisions could not be added to the file `request_log.export_file`");
            self.counters.not_exported.inc_by(count);
        }
    }
}

async fn write_counts(db: &Db, counts: &LogCounts) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    counts.write(tx.conn()).await?;
    tx.commit().await
}

async fn recount(db: &Db) -> Result<LogCounts, StoreError> {
    LogCounts::recount(&mut db.read().await?).await
}

async fn write(db: &Db, records: &[Record], counts: &mut LogCounts) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    for record in records {
        let request_id = record.request_id.to_bytes();
        let line = Line {
            n: 0,
            at: record.at,
            request_id: std::str::from_utf8(&request_id).unwrap_or_default().into(),
            method: record.method.into(),
            path: (&*record.path).into(),
            status: record.status,
            reason: record.reason.map(|reason| reason.as_str().into()),
            scheme: record.scheme.map(|scheme| scheme.as_str().into()),
            client_ip: record.client_ip,
            duration_us: record.duration_us,
        };
        batch.add(&record.product, record.candidate.as_deref(), line);
    }
    let mut tx = db.write().await?;
    let number = batch.insert(tx.conn()).await?;
    tx.commit().await?;
    batch.count(number, counts);
    Ok(())
}

/// A path fit for a log: no query, no control characters, at most 256 bytes, and no run of letters and digits long
/// enough to be a secret, except in our own ids.
pub fn redact(path: &str) -> Box<str> {
    let path = path.split('?').next().unwrap_or_default();
    if is_fit(path) {
        return path.into();
    }
    let mut clean = String::with_capacity(path.len().min(PATH_BYTES_MAX));
    let mut run = String::new();
    for character in path.chars().chain(std::iter::once('/')) {
        if character.is_ascii_alphanumeric() {
            run.push(character);
            continue;
        }
        let is_own_id = clean.ends_with("app_") || clean.ends_with("mer_");
        if run.len() < RUN_MIN || (is_own_id && run.len() == 26) {
            clean.push_str(&run);
        } else {
            clean.push('…');
        }
        run.clear();
        clean.push(if character.is_ascii_graphic() { character } else { '_' });
    }
    clean.pop();
    if clean.len() > PATH_BYTES_MAX {
        let end = (0..=PATH_BYTES_MAX).rev().find(|end| clean.is_char_boundary(*end)).unwrap_or(0);
        clean.truncate(end);
    }
    clean.into()
}

/// Whether a path stays as it is: most do, and are not rebuilt.
fn is_fit(path: &str) -> bool {
    let has_run = || path.as_bytes().split(|byte| !byte.is_ascii_alphanumeric()).any(|run| run.len() >= RUN_MIN);
    path.len() <= PATH_BYTES_MAX
        && path.bytes().all(|byte| byte.is_ascii_graphic())
        && (path.len() < RUN_MIN || !has_run())
}
