//! The database as the rest of the crate sees it: `read()` and `write()`, whichever engine stands behind.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use deadpool_postgres::Object;

use crate::error::StoreError;
use crate::lite::{self, Lite, LiteTx, Reader};
use crate::migrate;
use crate::postgres::{self, Ownership, Postgres};
use crate::sql::{Many, Row, Stmt, Val};

/// An open database that this process owns.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    owner: Arc<Owner>,
}

#[derive(Clone)]
enum Engine {
    Lite(Lite),
    Pg(Postgres),
}

/// What keeps a second process away.
enum Owner {
    LockFile { _file: File },
    Session(Ownership),
}

/// Which engine stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineName {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Db {
    /// Opens the SQLite file at `path`, owns it, and brings its schema up to date. The file and its lock are readable by
    /// their owner alone.
    ///
    /// # Errors
    /// `StoreError::Owned` when another process has it; `Schema` when it is newer than this program.
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let private = |path: &Path| OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        private(path).map_err(unavailable)?;
        // Two names of one file are one database, with one lock beside it.
        let path = path.canonicalize().map_err(unavailable)?;
        let lock = private(&path.with_extension("lock")).map_err(unavailable)?;
        lock.try_lock().map_err(|_| StoreError::Owned)?;
        let db = Self { engine: Engine::Lite(Lite::open(&path)?), owner: Arc::new(Owner::LockFile { _file: lock }) };
        migrate::run(&db).await?;
        Ok(db)
    }

    /// Connects to PostgreSQL, owns the database, and brings its schema up to date.
    ///
    /// # Errors
    /// As `open_sqlite`.
    pub async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let owner = Postgres::own(url).await?;
        let db = Self { engine: Engine::Pg(Postgres::open(url)?), owner: Arc::new(Owner::Session(owner)) };
        migrate::run(&db).await?;
        Ok(db)
    }

    /// Which engine stands behind.
    pub fn engine(&self) -> EngineName {
        match self.engine {
            Engine::Lite(_) => EngineName::Sqlite,
            Engine::Pg(_) => EngineName::Postgres,
        }
    }

    /// Whether this process still owns the database. Once it does not, it must stop serving.
    pub async fn is_owned(&self) -> bool {
        match &*self.owner {
            Owner::LockFile { .. } => true,
            Owner::Session(ownership) => ownership.is_alive().await,
        }
    }

    /// Returns as soon as this process knows that it may no longer own the database; on SQLite, where the lock is its own
    /// open file, never.
    pub fn end_of_ownership(&self) -> impl Future<Output = ()> + Send + 'static {
        let end = match &*self.owner {
            Owner::LockFile { .. } => None,
            Owner::Session(ownership) => Some(ownership.end()),
        };
        async move {
            match end {
                Some(end) => end.await,
                None => std::future::pending().await,
            }
        }
    }

    /// A connection that only reads. On SQLite no call on it ever waits.
    ///
    /// # Errors
    /// `StoreError::Unavailable` when none is to be had.
    pub async fn read(&self) -> Result<Conn, StoreError> {
        match &self.engine {
            Engine::Lite(lite) => Ok(Conn(Inner::Reader(lite.reader()?))),
            Engine::Pg(postgres) => Ok(Conn(Inner::Pg(postgres.connection().await?))),
        }
    }

    /// Runs two statements for many rows as `Conn::execute_both` does, in a transaction of their own: durable when what this
    /// returns is `Ok`. PostgreSQL needs no more than the one statement for that.
    ///
    /// # Errors
    /// As `Tx::commit`: on PostgreSQL a lost connection leaves it unknown.
    pub async fn execute_both(&self, first: Many<'_>, second: Many<'_>) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Lite(_) => {
                let mut tx = self.write().await?;
                tx.conn().execute_both(first, second).await?;
                tx.commit().await
            }
            Engine::Pg(pg) => {
                let open = Unended(Some(pg.connection().await?));
                let done = postgres::execute_both(open.client()?, first, second).await;
                // After any other error the server has said how it ended.
                if !matches!(done, Err(StoreError::Unavailable(_))) {
                    open.ended();
                }
                done
            }
        }
    }

    /// A transaction. Nothing of it is visible or durable before `commit`; dropped, it never was.
    ///
    /// # Errors
    /// `StoreError` when it cannot begin.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Lite(lite) => Ok(Tx { conn: Some(Conn(Inner::Writer(lite.begin().await?))) }),
            Engine::Pg(pg) => {
                // A transaction already before it begins: a caller who vanishes now leaves a socket, not a connection
                // in the pool with a transaction open.
                let tx = Tx { conn: Some(Conn(Inner::Pg(pg.connection().await?))) };
                if let Some(Conn(Inner::Pg(client))) = &tx.conn {
                    postgres::batch(client, "BEGIN").await?;
                }
                Ok(tx)
            }
        }
    }
}

/// A connection.
pub struct Conn(Inner);

enum Inner {
    Reader(Reader),
    Writer(LiteTx),
    Pg(Object),
}

impl Conn {
    /// Every row of a query.
    ///
    /// # Errors
    /// `StoreError` as the database answers; so for the others.
    pub async fn rows(&mut self, stmt: &'static Stmt, values: &[Val<'_>]) -> Result<Vec<Row>, StoreError> {
        match &mut self.0 {
            Inner::Reader(reader) => lite::rows(reader.connection()?, stmt, values),
            Inner::Writer(tx) => lite::rows(tx.connection()?, stmt, values),
            Inner::Pg(client) => postgres::rows(client, stmt, values).await,
        }
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    /// As `rows`.
    pub async fn row(&mut self, stmt: &'static Stmt, values: &[Val<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(stmt, values).await?.into_iter().next())
    }

    /// Runs a statement and counts the rows it changed.
    ///
    /// # Errors
    /// As `rows`.
    pub async fn execute(&mut self, stmt: &'static Stmt, values: &[Val<'_>]) -> Result<u64, StoreError> {
        match &mut self.0 {
            Inner::Reader(reader) => lite::execute(reader.connection()?, stmt, values),
            Inner::Writer(tx) => lite::execute(tx.connection()?, stmt, values),
            Inner::Pg(client) => postgres::execute(client, stmt, values).await,
        }
    }

    /// Runs two statements, one after the other, each for many rows: each column has a value for every row. On SQLite a
    /// statement runs once for each row; on PostgreSQL they are one, the text of the first, which takes an array for each column of
    /// both.
    ///
    /// # Errors
    /// As `rows`; on SQLite some rows may have been written then.
    pub async fn execute_both(&mut self, first: Many<'_>, second: Many<'_>) -> Result<(), StoreError> {
        match &mut self.0 {
            Inner::Reader(reader) => lite::execute_all(reader.connection()?, &[first, second]),
            Inner::Writer(tx) => lite::execute_all(tx.connection()?, &[first, second]),
            Inner::Pg(client) => postgres::execute_both(client, first, second).await,
        }
    }

    /// Prepares a statement without running it: the check that the engine accepts its text.
    ///
    /// # Errors
    /// As `rows`.
    pub async fn prepare(&mut self, stmt: &'static Stmt) -> Result<(), StoreError> {
        let fail = |error: rusqlite::Error| StoreError::Driver { statement: stmt.name, cause: error.to_string() };
        match &mut self.0 {
            Inner::Reader(reader) => reader.connection()?.prepare(stmt.sqlite).map(|_| ()).map_err(fail),
            Inner::Writer(tx) => tx.connection()?.prepare(stmt.sqlite).map(|_| ()).map_err(fail),
            Inner::Pg(client) => postgres::prepare(client, stmt).await,
        }
    }

    /// Runs a script of several statements without parameters, for as long as it takes: a migration may have a large table to
    /// go through.
    ///
    /// # Errors
    /// As `rows`.
    pub async fn script(&mut self, text: &str) -> Result<(), StoreError> {
        let fail = |error: rusqlite::Error| StoreError::Driver { statement: "script", cause: error.to_string() };
        match &mut self.0 {
            Inner::Reader(reader) => reader.connection()?.execute_batch(text).map_err(fail),
            Inner::Writer(tx) => tx.connection()?.execute_batch(text).map_err(fail),
            Inner::Pg(client) => postgres::script(client, text).await,
        }
    }
}

/// A transaction.
pub struct Tx {
    conn: Option<Conn>,
}

impl Tx {
    /// The connection inside.
    pub fn conn(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("only `commit` and `drop` take the connection, and both end the transaction")
    }

    /// Makes it durable. When what this returns is `Ok`, it survives a crash. On SQLite the next writer's turn begins
    /// with the call, not with the answer.
    ///
    /// # Errors
    /// `StoreError`: on SQLite nothing has changed; on PostgreSQL a lost connection leaves it unknown, and the caller
    /// must say so by failing.
    pub fn commit(mut self) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let ending = match self.conn.take() {
            Some(Conn(Inner::Writer(tx))) => Ending::Joined(tx.commit()),
            Some(Conn(Inner::Pg(client))) => Ending::Open(Box::new(Unended(Some(client)))),
            Some(Conn(Inner::Reader(_))) | None => Ending::None,
        };
        async move {
            match ending {
                Ending::Joined(done) => done.await,
                Ending::Open(client) => client.end("COMMIT").await,
                Ending::None => Err(StoreError::Unavailable("not a transaction".to_owned())),
            }
        }
    }

    /// Gives up its own changes, and waits until everything that it has read is on disk. On SQLite a writer sees what
    /// those before it have written and not yet synchronised: whoever answers out of that settles first.
    ///
    /// # Errors
    /// `StoreError`: what was read may never have been.
    pub async fn settle(mut self) -> Result<(), StoreError> {
        match self.conn.take() {
            Some(Conn(Inner::Writer(tx))) => tx.settle().await,
            // PostgreSQL shows nobody what is not on disk.
            Some(Conn(Inner::Pg(client))) => Unended(Some(client)).end("ROLLBACK").await,
            Some(Conn(Inner::Reader(_))) | None => Err(StoreError::Unavailable("not a transaction".to_owned())),
        }
    }
}

/// What is left of a transaction when `commit` has been called.
enum Ending<J> {
    Joined(J),
    Open(Box<Unended>),
    None,
}

/// A connection with a transaction open on it. Dropped so, it does not go back to the pool.
struct Unended(Option<Object>);

impl Unended {
    fn client(&self) -> Result<&Object, StoreError> {
        self.0.as_ref().ok_or_else(|| StoreError::Unavailable("not a transaction".to_owned()))
    }

    async fn end(self, how: &'static str) -> Result<(), StoreError> {
        postgres::batch(self.client()?, how).await?;
        self.ended();
        Ok(())
    }

    /// The transaction is over: the connection goes back to the pool.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Unended {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(Conn(Inner::Pg(client))) = self.conn.take() {
            drop(Unended(Some(client)));
        }
    }
}
