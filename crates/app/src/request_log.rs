//! The request log: every decision, handed over without waiting and written in batches. Bounded: what does not fit is
//! counted as lost, never waited for (T80).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use keymint_domain::id::RequestId;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use keymint_store::credentials;
use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::request_log::{self, Entry};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;

use crate::clock::Stopwatch;

/// Decisions written together.
const BATCH_MAX: usize = 1000;
/// How long a decision waits for others at the most.
const BATCH_WAIT: Duration = Duration::from_millis(100);
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
    pub method: Box<str>,
    /// The path inside the product, redacted (`redact`).
    pub path: Box<str>,
    /// The status answered.
    pub status: u16,
    /// The reason of a denial.
    pub reason: Option<DenyReason>,
    /// The client.
    pub client_ip: IpAddr,
    /// From the end of the head to the decision. Microseconds.
    pub duration_us: u32,
}

enum Message {
    Record(Record),
    Flush(oneshot::Sender<()>),
}

/// Where decisions are handed over. A closed log takes nothing.
#[derive(Clone)]
pub struct RequestLog {
    sender: Option<SyncSender<Message>>,
    lost: Counter,
}

impl RequestLog {
    /// A log that keeps nothing.
    pub fn closed(lost: Counter) -> Self {
        Self { sender: None, lost }
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(db: Db, runtime: tokio::runtime::Handle, waiting_max: usize, lost: Counter) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(waiting_max.max(1));
        let counter = lost.clone();
        std::thread::Builder::new()
            .name("request-log".to_owned())
            .spawn(move || write_batches(&receiver, &db, &runtime, &counter))?;
        Ok(Self { sender: Some(sender), lost })
    }

    /// Whether decisions are kept; when not, the caller need not make a record.
    pub fn is_open(&self) -> bool {
        self.sender.is_some()
    }

    /// Hands a decision over. Never waits.
    pub fn push(&self, record: Record) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sender.try_send(Message::Record(record)) {
            self.lost.inc();
        }
    }

    /// Waits until everything handed over before is written.
    pub async fn flush(&self) {
        let Some(sender) = self.sender.clone() else { return };
        let (done, written) = oneshot::channel();
        let asked = tokio::task::spawn_blocking(move || sender.send(Message::Flush(done))).await;
        if matches!(asked, Ok(Ok(()))) {
            let _ = written.await;
        }
    }
}

fn write_batches(receiver: &Receiver<Message>, db: &Db, runtime: &tokio::runtime::Handle, lost: &Counter) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut flushes = Vec::new();
    loop {
        let is_over = collect(receiver, &mut batch, &mut flushes);
        if !batch.is_empty() {
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            if let Err(error) = runtime.block_on(write(db, &mut batch)) {
                tracing::error!(%error, count, "decisions could not be logged and are lost");
                lost.inc_by(count);
            }
            batch.clear();
        }
        flushes.drain(..).for_each(|flush: oneshot::Sender<()>| {
            let _ = flush.send(());
        });
        if is_over {
            return;
        }
    }
}

/// Fills a batch; true when nothing more will come.
fn collect(receiver: &Receiver<Message>, batch: &mut Vec<Record>, flushes: &mut Vec<oneshot::Sender<()>>) -> bool {
    let Ok(first) = receiver.recv() else { return true };
    let waited = Stopwatch::start();
    let mut next = Ok(first);
    loop {
        match next {
            Ok(Message::Record(record)) => batch.push(record),
            Ok(Message::Flush(flush)) => {
                flushes.push(flush);
                return false;
            }
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => return true,
        }
        if batch.len() >= BATCH_MAX {
            return false;
        }
        let left = BATCH_WAIT.saturating_sub(Duration::from_micros(waited.elapsed_us().into()));
        next = receiver.recv_timeout(left);
    }
}

async fn write(db: &Db, batch: &mut Vec<Record>) -> Result<(), StoreError> {
    let mut used: Vec<(Arc<Candidate>, UnixMs)> = Vec::new();
    let mut entries = Vec::with_capacity(batch.len());
    for record in batch.drain(..) {
        if let (Some(candidate), None) = (&record.candidate, record.reason) {
            match used.iter_mut().find(|(other, _)| other.key_id == candidate.key_id) {
                Some((_, at)) => *at = record.at,
                None => used.push((Arc::clone(candidate), record.at)),
            }
        }
        entries.push(entry(record));
    }
    let mut tx = db.write().await?;
    request_log::insert(tx.conn(), &entries).await?;
    for (candidate, at) in &used {
        credentials::note_use(tx.conn(), &candidate.key_id, *at).await?;
    }
    tx.commit().await
}

fn entry(record: Record) -> Entry {
    let candidate = record.candidate.as_deref();
    Entry {
        id: 0,
        at: record.at,
        request_id: record.request_id.to_string(),
        product: record.product.to_string(),
        mode: candidate.map(|candidate| candidate.mode.as_str().to_owned()),
        merchant_id: candidate.map(|candidate| candidate.merchant_id),
        app_id: candidate.map(|candidate| candidate.app_id),
        key_id: candidate.map(|candidate| candidate.key_id.to_string()),
        method: record.method.into(),
        path: record.path.into(),
        status: i64::from(record.status),
        reason: record.reason.map(|reason| reason.as_str().to_owned()),
        client_ip: record.client_ip.to_string(),
        duration_us: i64::from(record.duration_us),
    }
}

/// A path fit for a log: no query, no control characters, at most 256 bytes, and no run of letters and digits long
/// enough to be a secret, except in our own ids.
pub fn redact(path: &str) -> Box<str> {
    let path = path.split('?').next().unwrap_or_default();
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
