//! SQLite: one writer with group commit, many readers.
//!
//! A synchronous commit costs milliseconds whatever is in it, so writers that wait together are committed together:
//! each has a savepoint of its own inside one outer transaction, and a thread commits the outer one when its turn in the
//! writer's queue comes. A writer is answered only after that commit; if it fails, all of them fail and nothing has
//! changed. A writer that gives up rolls back its savepoint alone.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard, oneshot};

use crate::error::StoreError;
use crate::sql::{Cell, Row, Stmt, Val};

/// Readers kept open when idle.
const IDLE_READERS_MAX: usize = 16;
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 128;

/// An open SQLite database.
#[derive(Clone)]
pub struct Lite {
    path: PathBuf,
    writer: Arc<FairMutex<Writer>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    flush: mpsc::Sender<()>,
}

/// The one connection that writes, and those who wait for its commit.
pub struct Writer {
    connection: Connection,
    is_open: bool,
    waiting: Vec<oneshot::Sender<bool>>,
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| driver_error("open", &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY;",
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
        let (flush, requests) = mpsc::channel();
        let committed = Arc::clone(&writer);
        std::thread::Builder::new()
            .name("sqlite-commit".to_owned())
            .spawn(move || {
                while requests.recv().is_ok() {
                    committed.blocking_lock().commit();
                }
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { path: path.to_owned(), writer, readers: Arc::default(), flush })
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
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        writer.notice_the_end();
        if !writer.is_open {
            batch(&writer.connection, "BEGIN IMMEDIATE")?;
            writer.is_open = true;
        }
        batch(&writer.connection, "SAVEPOINT one")?;
        Ok(LiteTx { writer: Some(writer), flush: self.flush.clone() })
    }
}

fn batch(connection: &Connection, text: &'static str) -> Result<(), StoreError> {
    connection.execute_batch(text).map_err(|error| driver_error(text, &error))
}

impl Writer {
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
    flush: mpsc::Sender<()>,
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

    /// Joins the next common commit and waits until it is on disk.
    ///
    /// # Errors
    /// `StoreError::Unavailable` when that commit failed: nothing has changed.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let Some(mut writer) = self.writer.take() else { return Err(commit_failed()) };
        // Where SQLite has given up the transaction there is no savepoint any more, and this fails.
        if let Err(error) = batch(&writer.connection, "RELEASE one") {
            writer.give_up();
            return Err(error);
        }
        answered(self.join(writer)?).await
    }

    /// Rolls back its own, and waits until what it has read of the others is on disk.
    ///
    /// # Errors
    /// As `commit`: what it has read has not happened.
    pub async fn settle(mut self) -> Result<(), StoreError> {
        let Some(mut writer) = self.writer.take() else { return Err(commit_failed()) };
        writer.give_up();
        if writer.is_open { answered(self.join(writer)?).await } else { Ok(()) }
    }

    /// Waits for the next common commit, and asks for one.
    fn join(&self, mut writer: OwnedMutexGuard<Writer>) -> Result<oneshot::Receiver<bool>, StoreError> {
        let (told, answer) = oneshot::channel();
        writer.waiting.push(told);
        drop(writer);
        self.flush.send(()).map_err(|_| commit_failed())?;
        Ok(answer)
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
        if let Some(writer) = &mut self.writer {
            writer.give_up();
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
    let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let mut cursor = prepared.raw_query();
    let mut found = Vec::new();
    while let Some(row) = cursor.next().map_err(fail)? {
        let mut cells = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            cells.push((name.clone(), Cell::from(row.get_ref(index).map_err(fail)?)));
        }
        found.push(Row { statement: stmt.name, cells });
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
