//! The memory of spent signatures: in memory for speed, in a journal so that it survives `kill -9` (T27).
//!
//! A signature belongs to the ten minutes that its own timestamp lies in, its *bucket*. A request is only looked at
//! within its window, so at any time two or three buckets matter; older ones are dropped, and what lies before them is
//! refused whatever the clock says, so a clock that steps back cannot open a window again (T30). Which bucket is the
//! oldest is written down before those below it are dropped, so the next process refuses the same; and it drops none by
//! the clock that it starts with, which may be wrong.
//!
//! Before a request is answered, its record has been written to the bucket's file. The write goes to the page cache and
//! is not synchronised: it survives the death of the process, which is what happens. Requests of one turn of the event
//! loop share one write. After the machine itself went down uncleanly (another boot id, no mark of a clean stop), the
//! last records may be missing, and timestamps up to that moment are refused for one window.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keymint_domain::replay::{Spend, Use};
use keymint_domain::time::UnixMs;

/// Length of a bucket. Seconds; twice the default window.
const BUCKET_SECONDS: i64 = 600;
/// The longest window that a dialect may have, and so how far back and ahead a timestamp may lie. Seconds.
const WINDOW_SECONDS_MAX: i64 = 300;
/// Locks that keys are spread over.
const SHARDS: usize = 64;
/// Length of a journal record: key, fingerprint, use. Bytes.
const RECORD_BYTES: usize = 8 + 16 + 1;

/// What the memory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Never seen; it is spent now.
    Fresh,
    /// Seen.
    Spent,
    /// From before what the memory covers.
    TooOld,
    /// This key has filled its share.
    Full,
    /// The journal cannot be written: nothing can be promised, so nothing is accepted (T26).
    Unknown,
}

/// Spent signatures by their first 16 bytes. Not SipHash: the seed is this process's, and a key's holder alone can add here.
type Spent = HashMap<[u8; 16], Use, foldhash::fast::RandomState>;

/// What there is for each bucket: one or two, seldom three.
struct PerBucket<T>(Vec<(i64, T)>);

impl<T> Default for PerBucket<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> PerBucket<T> {
    fn of(&mut self, bucket: i64) -> &mut T {
        let at = self.0.iter().position(|(known, _)| *known == bucket).unwrap_or_else(|| {
            self.0.push((bucket, T::default()));
            self.0.len() - 1
        });
        let (_, found) = self.0.get_mut(at).expect("it was found or put there");
        found
    }
}

/// What each key has spent.
type Shard = HashMap<u64, PerBucket<Spent>, foldhash::fast::RandomState>;

/// The memory.
pub struct ReplayMemory {
    shards: Vec<Mutex<Shard>>,
    journal: Journal,
    entries_per_key_max: usize,
    floor_seconds: AtomicI64,
}

/// A lock whose holder panicked still guards consistent data here: every change under it is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bucket_of(seconds: i64) -> i64 {
    seconds.div_euclid(BUCKET_SECONDS)
}

impl ReplayMemory {
    /// Opens the memory in a folder and reads what is there.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path, entries_per_key_max: usize, now: UnixMs) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let journal = Journal::new(folder.to_owned());
        let oldest = journal.prune_below.load(Ordering::Acquire);
        let memory = Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            journal,
            entries_per_key_max,
            floor_seconds: AtomicI64::new(oldest.saturating_mul(BUCKET_SECONDS).saturating_sub(1)),
        };
        let mut has_recent = false;
        for (bucket, path) in journal_files(folder)? {
            if bucket < oldest {
                std::fs::remove_file(path)?;
                continue;
            }
            has_recent |= bucket >= bucket_of(now.seconds() - WINDOW_SECONDS_MAX);
            memory.read_file(bucket, &path)?;
        }
        if memory.journal.note_boot()? && has_recent {
            memory.floor_seconds.store(now.seconds() + WINDOW_SECONDS_MAX, Ordering::Release);
        }
        Ok(memory)
    }

    fn read_file(&self, bucket: i64, path: &Path) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        file.read_to_end(&mut bytes)?;
        let records = bytes.chunks_exact(RECORD_BYTES);
        // A torn record at the end belongs to a request that was never answered. It goes, or else what is written after
        // it would be torn as well.
        let torn = records.remainder().len();
        if torn > 0 {
            file.set_len(u64::try_from(bytes.len() - torn).unwrap_or(0))?;
        }
        for record in records {
            let (key, rest) = record.split_at(8);
            let (fingerprint, how) = rest.split_at(16);
            let key = u64::from_be_bytes(key.try_into().unwrap_or_default());
            let fingerprint = fingerprint.try_into().unwrap_or_default();
            let how = if how == [0] { Use::Unsafe } else { Use::Safe };
            let mut shard = lock(self.shard(key));
            shard.entry(key).or_default().of(bucket).insert(fingerprint, how);
        }
        Ok(())
    }

    fn shard(&self, key: u64) -> &Mutex<Shard> {
        let index = usize::try_from(key % 64).unwrap_or(0);
        self.shards.get(index).expect("there are 64 shards")
    }

    /// Spends a signature. When this says `Fresh`, the record is in the journal.
    pub async fn spend(&self, spend: Spend, now: UnixMs) -> Answer {
        match self.remember(spend, now) {
            Ok(true) => {}
            // A safe use that was seen before needs no second record.
            Ok(false) => return Answer::Fresh,
            Err(answer) => return answer,
        }
        if self.journal.write(bucket_of(spend.seconds), spend).await { Answer::Fresh } else { Answer::Unknown }
    }

    /// Puts it into memory; true when it is new.
    fn remember(&self, spend: Spend, now: UnixMs) -> Result<bool, Answer> {
        if spend.seconds <= self.floor(now) {
            return Err(Answer::TooOld);
        }
        let mut shard = lock(self.shard(spend.key));
        let per_key = shard.entry(spend.key).or_default();
        let count: usize = per_key.0.iter().map(|(_, spent)| spent.len()).sum();
        let spent = per_key.of(bucket_of(spend.seconds));
        match spent.get(&spend.fingerprint) {
            Some(Use::Safe) if spend.how == Use::Safe => Ok(false),
            Some(_) => Err(Answer::Spent),
            None if count >= self.entries_per_key_max => Err(Answer::Full),
            None => {
                spent.insert(spend.fingerprint, spend.how);
                Ok(true)
            }
        }
    }

    /// The latest moment that is refused whatever the clock says. It only rises; when it enters a new bucket, older
    /// ones are dropped from memory and disk.
    fn floor(&self, now: UnixMs) -> i64 {
        let before = now.seconds() - WINDOW_SECONDS_MAX - 1;
        let oldest = bucket_of(before);
        // Read first: it rises once a second, and is asked for with every request.
        let mut floor = self.floor_seconds.load(Ordering::Acquire);
        if floor < before {
            floor = self.floor_seconds.fetch_max(before, Ordering::AcqRel).max(before);
        }
        if self.journal.advance(oldest) {
            for shard in &self.shards {
                lock(shard).retain(|_, per_key| {
                    per_key.0.retain(|(bucket, _)| *bucket >= oldest);
                    !per_key.0.is_empty()
                });
            }
        }
        floor
    }

    /// Synchronises the journal and marks a clean stop.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn close(&self) -> std::io::Result<()> {
        self.journal.close()
    }
}

fn journal_files(folder: &Path) -> std::io::Result<Vec<(i64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (Some(bucket), Some("journal")) = (stem, path.extension().and_then(|extension| extension.to_str())) {
            files.push((bucket, path));
        }
    }
    Ok(files)
}

struct Journal {
    folder: PathBuf,
    pending: Mutex<Pending>,
    /// Records that are in their files: the number of the last one.
    written: AtomicU64,
    files: Mutex<HashMap<i64, File>>,
    /// Raised with the lock on the files held.
    prune_below: AtomicI64,
}

#[derive(Default)]
struct Pending {
    bytes: PerBucket<Vec<u8>>,
    pushed: u64,
    has_failed: bool,
}

impl Journal {
    fn new(folder: PathBuf) -> Self {
        let noted = std::fs::read_to_string(folder.join("oldest")).ok().and_then(|text| text.trim().parse().ok());
        let prune_below = AtomicI64::new(noted.unwrap_or(i64::MIN));
        let (pending, written, files) = (Mutex::default(), AtomicU64::new(0), Mutex::default());
        Self { folder, pending, written, files, prune_below }
    }

    /// Writes down which bucket is the oldest, in one step.
    fn note_oldest(&self, oldest: i64) -> std::io::Result<()> {
        let beside = self.folder.join("oldest.new");
        std::fs::write(&beside, oldest.to_string())?;
        std::fs::rename(beside, self.folder.join("oldest"))
    }

    /// Whether the machine went down since the last start without a clean stop; notes the present boot.
    fn note_boot(&self) -> std::io::Result<bool> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let (boot_path, clean_path) = (self.folder.join("boot"), self.folder.join("clean"));
        let last = std::fs::read_to_string(&boot_path).unwrap_or_default();
        let was_clean = std::fs::remove_file(&clean_path).is_ok();
        std::fs::write(&boot_path, &boot)?;
        File::open(&boot_path)?.sync_all()?;
        Ok(!last.is_empty() && last != boot && !was_clean)
    }

    /// Writes a record, together with those of the same turn of the event loop. True when it is in the file.
    async fn write(&self, bucket: i64, spend: Spend) -> bool {
        let ticket = {
            let mut pending = lock(&self.pending);
            if pending.has_failed {
                return false;
            }
            let bytes = pending.bytes.of(bucket);
            bytes.extend_from_slice(&spend.key.to_be_bytes());
            bytes.extend_from_slice(&spend.fingerprint);
            bytes.push(match spend.how {
                Use::Unsafe => 0,
                Use::Safe => 1,
            });
            pending.pushed += 1;
            pending.pushed
        };
        tokio::task::yield_now().await;
        // The number rises only behind the writing. Mostly another request of this turn has written ours too.
        if self.written.load(Ordering::Acquire) >= ticket {
            return true;
        }
        let mut files = lock(&self.files);
        if self.written.load(Ordering::Acquire) >= ticket {
            return true;
        }
        let (batch, upto) = {
            let mut pending = lock(&self.pending);
            if pending.has_failed {
                return false;
            }
            (std::mem::take(&mut pending.bytes), pending.pushed)
        };
        match batch.0.iter().try_for_each(|(bucket, bytes)| self.append(&mut files, *bucket, bytes)) {
            Ok(()) => {
                self.written.store(upto, Ordering::Release);
                true
            }
            Err(error) => {
                tracing::error!(%error, "the journal of spent signatures cannot be written; signed requests are refused");
                lock(&self.pending).has_failed = true;
                false
            }
        }
    }

    fn append(&self, files: &mut HashMap<i64, File>, bucket: i64, bytes: &[u8]) -> std::io::Result<()> {
        let file = match files.entry(bucket) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let path = self.folder.join(format!("{bucket}.journal"));
                entry.insert(OpenOptions::new().create(true).append(true).mode(0o600).open(path)?)
            }
        };
        file.write_all(bytes)
    }

    /// Drops files below a bucket; false when that was done before.
    fn advance(&self, oldest: i64) -> bool {
        let is_done = || self.prune_below.load(Ordering::Acquire) >= oldest;
        if is_done() {
            return false;
        }
        let mut files = lock(&self.files);
        if is_done() {
            return false;
        }
        self.prune_below.store(oldest, Ordering::Release);
        files.retain(|bucket, _| *bucket >= oldest);
        if let Err(error) = self.note_oldest(oldest) {
            tracing::error!(%error, "journals of spent signatures stay: the oldest that matters could not be noted");
            return true;
        }
        for (bucket, path) in journal_files(&self.folder).unwrap_or_default() {
            if bucket < oldest {
                let _ = std::fs::remove_file(path);
            }
        }
        true
    }

    fn close(&self) -> std::io::Result<()> {
        for file in lock(&self.files).values() {
            file.sync_all()?;
        }
        std::fs::write(self.folder.join("clean"), "")
    }
}
