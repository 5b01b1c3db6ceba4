//! SQLite: one writer with group commit, many readers.
//!
//! A synchronous commit costs milliseconds whatever is in it, so writers that wait together are committed together:
//! each has a savepoint of its own inside one outer transaction, and a thread commits the outer one once nobody is queued
//! for the writer any more, or enough wait. A writer is answered only after that commit; if it fails, all of them fail and
//! nothing has changed. A writer that gives up rolls back its savepoint alone. Whoever leaves the queue or the writer,
//! however it does, asks for the commit if it was the last: so nobody waits for one that does not come.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard, oneshot};

use crate::error::StoreError;
use crate::sql::{Cell, Column, Many, Row, Stmt, Val};

/// Readers kept open when idle.
const IDLE_READERS_MAX: usize = 16;
/// Writers that wait for one commit: then it comes, whoever else is queued.
const WAITING_MAX: usize = 256;
/// How long a batch waits for those who were in the one before. Shorter than a disk takes that is worth sharing.
const PAUSE: Duration = Duration::from_micros(300);
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 128;

/// An open SQLite database.
#[derive(Clone)]
pub struct Lite {
    path: PathBuf,
    writer: Arc<FairMutex<Writer>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    queue: Queue,
}

/// Those who are queued for the writer, and the thread that commits.
#[derive(Clone)]
struct Queue {
    length: Arc<AtomicUsize>,
    commit: mpsc::Sender<usize>,
}

/// A place in the queue.
struct Place<'q>(&'q Queue);

/// The one connection that writes, and those who wait for its commit.
pub struct Writer {
    connection: Connection,
    is_open: bool,
    waiting: Vec<oneshot::Sender<bool>>,
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    // Each connection is one thread's at a time, so it needs no lock of its own.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| driver_error("open", &error))?;
    // Plans do not depend on what is bound, or else some statements would be prepared anew at each use.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(|error| driver_error("open", &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8192;",
        )
        .map_err(|error| driver_error("open.pragma", &error))?;
    Ok(connection)
}

impl Lite {
    /// Opens or makes the file. Who may own it is decided by the caller's lock, before.
    ///
    /// # Errors
    /// `StoreError` when the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let writer = Arc::new(FairMutex::new(Writer { connection, is_open: false, waiting: Vec::new() }));
        let (commit, requests) = mpsc::channel();
        let queue = Queue { length: Arc::default(), commit };
        let (committed, length) = (Arc::clone(&writer), Arc::clone(&queue.length));
        std::thread::Builder::new()
            .name("sqlite-commit".to_owned())
            .spawn(move || commit_batches(&requests, &committed, &length))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { path: path.to_owned(), writer, readers: Arc::default(), queue })
    }

    /// A connection that only reads, from the pool or new.
    ///
    /// # Errors
    /// `StoreError` when the file cannot be opened.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let idle = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => open(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        Ok(Reader { connection: Some(connection), home: Arc::clone(&self.readers) })
    }

    /// Takes the writer and opens a savepoint in the common transaction.
    ///
    /// # Errors
    /// `StoreError` when the database refuses to begin.
    pub async fn begin(&self) -> Result<LiteTx, StoreError> {
        let place = self.queue.enter();
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        place.taken();
        writer.notice_the_end();
        if let Err(error) = writer.open() {
            self.queue.leave(writer);
            return Err(error);
        }
        Ok(LiteTx { writer: Some(writer), queue: self.queue.clone() })
    }
}

/// Commits whenever it is asked to, except while someone is queued who will ask in turn. The callers of the batch before
/// may just be on their way back with more, so a smaller one waits for them as long as they keep coming.
#[expect(clippy::disallowed_methods, reason = "whether they come back is not known before they do")]
fn commit_batches(requests: &mpsc::Receiver<usize>, writer: &FairMutex<Writer>, queue_length: &AtomicUsize) {
    let mut before = 0;
    while let Ok(mut count) = requests.recv() {
        while count < before && queue_length.load(Ordering::Acquire) == 0 {
            std::thread::sleep(PAUSE);
            let grown = requests.try_iter().fold(count, usize::max);
            if std::mem::replace(&mut count, grown) == grown {
                break;
            }
        }
        if count < WAITING_MAX && queue_length.load(Ordering::Acquire) > 0 {
            continue;
        }
        let mut writer = writer.blocking_lock();
        before = writer.waiting.len();
        writer.commit();
    }
}

impl Queue {
    fn enter(&self) -> Place<'_> {
        self.length.fetch_add(1, Ordering::AcqRel);
        Place(self)
    }

    /// Asks for the commit of so many.
    fn ask(&self, count: usize) {
        // Without that thread there is nobody left to answer either.
        let _ = self.commit.send(count);
    }

    /// Lets go of the writer. The last one to do so sees to the commit of all.
    fn leave(&self, writer: OwnedMutexGuard<Writer>) {
        let count = writer.waiting.len();
        drop(writer);
        if count >= WAITING_MAX || (count > 0 && self.length.load(Ordering::Acquire) == 0) {
            self.ask(count);
        }
    }
}

impl Place<'_> {
    /// The turn has come.
    fn taken(self) {
        self.0.length.fetch_sub(1, Ordering::AcqRel);
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    /// Given up before the turn came: someone may have left the commit to this one.
    fn drop(&mut self) {
        self.0.length.fetch_sub(1, Ordering::AcqRel);
        self.0.ask(0);
    }
}

/// Runs one statement that begins or ends something; prepared once, because every change has several.
fn run(connection: &Connection, text: &'static str) -> Result<(), StoreError> {
    let done = connection.prepare_cached(text).and_then(|mut prepared| prepared.raw_execute());
    done.map(|_| ()).map_err(|error| driver_error(text, &error))
}

impl Writer {
    /// Opens a savepoint, and the common transaction when there is none.
    fn open(&mut self) -> Result<(), StoreError> {
        if !self.is_open {
            run(&self.connection, "BEGIN IMMEDIATE")?;
            self.is_open = true;
        }
        run(&self.connection, "SAVEPOINT one")
    }

    /// SQLite ends a transaction by itself when the disk is full or fails. Everyone in it is told that nothing of it
    /// has happened, before anyone else begins.
    fn notice_the_end(&mut self) {
        if self.is_open && self.connection.is_autocommit() {
            tracing::error!("SQLite gave up a transaction; everything in it is refused");
            self.end(false);
        }
    }

    fn end(&mut self, is_done: bool) {
        self.is_open = false;
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(is_done);
        }
    }

    /// Commits the common transaction and tells everyone who waits for it.
    fn commit(&mut self) {
        if !self.is_open {
            return;
        }
        let done = self.connection.execute_batch("COMMIT");
        if let Err(error) = &done {
            tracing::error!(code = %error_code(error), "the commit failed; everything in it is refused");
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.end(done.is_ok());
    }

    /// Rolls back the present savepoint, and the common transaction when nobody else is in it.
    fn give_up(&mut self) {
        let _ = self.connection.execute_batch("ROLLBACK TO one; RELEASE one");
        if self.waiting.is_empty() {
            let _ = self.connection.execute_batch("ROLLBACK");
            self.is_open = false;
        }
    }
}

/// A writer's savepoint. Dropped without `commit`, it is rolled back.
pub struct LiteTx {
    writer: Option<OwnedMutexGuard<Writer>>,
    queue: Queue,
}

impl LiteTx {
    /// The connection.
    ///
    /// # Errors
    /// `StoreError::Unavailable` once SQLite has given up the transaction: a further statement would stand alone and be
    /// committed at once.
    pub fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let ended = || StoreError::Unavailable("the transaction has ended".to_owned());
        let open = self.writer.as_mut().filter(|writer| !writer.connection.is_autocommit());
        open.map(|writer| &mut writer.connection).ok_or_else(ended)
    }

    /// Joins the next common commit, at once: the next writer need not wait for the caller to look at the answer. What
    /// comes back says when it is on disk.
    ///
    /// # Errors
    /// What comes back fails with `StoreError::Unavailable` when that commit failed: nothing has changed.
    pub fn commit(mut self) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let joined = self.release();
        async move { answered(joined?).await }
    }

    fn release(&mut self) -> Result<oneshot::Receiver<bool>, StoreError> {
        let writer = self.writer.as_mut().ok_or_else(commit_failed)?;
        // Where SQLite has given up the transaction there is no savepoint any more, and this fails.
        run(&writer.connection, "RELEASE one")?;
        Ok(self.join())
    }

    /// Rolls back its own, and waits until what it has read of the others is on disk.
    ///
    /// # Errors
    /// As `commit`: what it has read has not happened.
    pub async fn settle(mut self) -> Result<(), StoreError> {
        let writer = self.writer.as_mut().ok_or_else(commit_failed)?;
        writer.give_up();
        if writer.is_open { answered(self.join()).await } else { Ok(()) }
    }

    /// Waits for the next common commit.
    fn join(&mut self) -> oneshot::Receiver<bool> {
        let (told, answer) = oneshot::channel();
        if let Some(mut writer) = self.writer.take() {
            writer.waiting.push(told);
            self.queue.leave(writer);
        }
        answer
    }
}

async fn answered(answer: oneshot::Receiver<bool>) -> Result<(), StoreError> {
    match answer.await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(commit_failed()),
    }
}

fn commit_failed() -> StoreError {
    StoreError::Unavailable("the commit failed".to_owned())
}

impl Drop for LiteTx {
    fn drop(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            writer.give_up();
            self.queue.leave(writer);
        }
    }
}

/// A reading connection; goes back to the pool when dropped.
pub struct Reader {
    connection: Option<Connection>,
    home: Arc<Mutex<Vec<Connection>>>,
}

impl Reader {
    /// The connection.
    ///
    /// # Errors
    /// Never in practice: the connection is there until the reader is dropped.
    pub fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_mut().ok_or_else(|| StoreError::Unavailable("the reader has ended".to_owned()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if let Ok(mut readers) = self.home.lock()
            && readers.len() < IDLE_READERS_MAX
        {
            readers.push(connection);
        }
    }
}

/// Runs a query and takes every row.
///
/// # Errors
/// `StoreError` as the database answers.
pub fn rows(connection: &Connection, stmt: &'static Stmt, values: &[Val<'_>]) -> Result<Vec<Row>, StoreError> {
    let fail = |error: rusqlite::Error| statement_error(stmt, &error);
    let mut prepared = connection.prepare_cached(stmt.sqlite).map_err(fail)?;
    bind(&mut prepared, values).map_err(fail)?;
    let columns = stmt.columns(|| prepared.column_names().map(str::to_owned).collect());
    let mut cursor = prepared.raw_query();
    let mut found = Vec::new();
    while let Some(row) = cursor.next().map_err(fail)? {
        let cell = |index| row.get_ref(index).map(Cell::from);
        let cells = (0..columns.len()).map(cell).collect::<Result<_, _>>().map_err(fail)?;
        found.push(Row { statement: stmt.name, columns, cells });
    }
    Ok(found)
}

/// Runs a statement and counts the rows it changed.
///
/// # Errors
/// `StoreError` as the database answers.
pub fn execute(connection: &Connection, stmt: &'static Stmt, values: &[Val<'_>]) -> Result<u64, StoreError> {
    let fail = |error: rusqlite::Error| statement_error(stmt, &error);
    let mut prepared = connection.prepare_cached(stmt.sqlite).map_err(fail)?;
    bind(&mut prepared, values).map_err(fail)?;
    let changed = prepared.raw_execute().map_err(fail)?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

/// Runs statements, each once for each of its rows.
///
/// # Errors
/// `StoreError` as the database answers; the rows before it are written then.
pub fn execute_all(connection: &Connection, many: &[Many<'_>]) -> Result<(), StoreError> {
    for (stmt, columns) in many {
        for row in 0..columns.iter().map(Column::len).min().unwrap_or(0) {
            let values: Vec<_> = columns.iter().filter_map(|column| column.value(row)).collect();
            execute(connection, stmt, &values)?;
        }
    }
    Ok(())
}

fn bind(prepared: &mut rusqlite::CachedStatement<'_>, values: &[Val<'_>]) -> Result<(), rusqlite::Error> {
    for (index, value) in values.iter().enumerate() {
        let value: &dyn ToSql = match value {
            Val::Int(value) => value,
            Val::OptInt(value) => value,
            Val::Text(value) => value,
            Val::OptText(value) => value,
            Val::Blob(value) => value,
        };
        prepared.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

fn error_code(error: &rusqlite::Error) -> String {
    error.sqlite_error().map_or_else(|| "no code".to_owned(), |inner| inner.extended_code.to_string())
}

fn statement_error(stmt: &'static Stmt, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error().map(|inner| (inner.code, inner.extended_code)) {
        Some((ErrorCode::ConstraintViolation, 1555 | 2067)) => StoreError::Unique { statement: stmt.name },
        _ => driver_error(stmt.name, error),
    }
}

fn driver_error(statement: &'static str, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error().map(|inner| inner.code) {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly,
        ) => StoreError::Unavailable(format!("SQLite error {}", error_code(error))),
        _ => StoreError::Driver { statement, cause: error.to_string() },
    }
}
