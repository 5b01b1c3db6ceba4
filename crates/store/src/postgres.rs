//! PostgreSQL: a bounded pool, a deadline on every call, and one session that holds the ownership lock.
//!
//! A transaction that is not finished drops its socket: a connection in an unknown state never goes back to the pool.

use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Metrics, Object, Pool, RecyclingMethod, Runtime,
};
use tokio::sync::watch;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};

use crate::error::StoreError;
use crate::sql::{Cell, Column, Many, Row, Stmt, Val};

/// Longest time for one statement, and for getting a connection.
const DEADLINE: Duration = Duration::from_secs(10);
/// What every connection is told. Our statements go by indexes: PostgreSQL plans a prepared statement a few times and keeps the
/// plan, and one from when a table was nearly empty reads all of it, for as long as nobody has counted its rows anew, which may take
/// a minute, and thousands of rows. What has no index is read whole all the same, and is not worth compiling.
const SETTINGS: &str = "SET enable_seqscan = off; SET jit = off";
/// Connections in the pool.
const CONNECTIONS_MAX: usize = 16;
/// The advisory lock that says who serves from this database ("keymint" in hexadecimal).
const OWNER_LOCK: i64 = 0x006b_6579_6d69_6e74;

/// An open PostgreSQL database.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
}

/// The session that owns the database; ownership ends with it.
pub struct Ownership {
    client: Client,
    /// Closed when the session has ended.
    session: watch::Receiver<()>,
}

impl Ownership {
    /// Whether the session is still there. Once it is gone another process may own the database, and this one must
    /// stop serving.
    pub async fn is_alive(&self) -> bool {
        !self.client.is_closed()
            && matches!(tokio::time::timeout(DEADLINE, self.client.simple_query("SELECT 1")).await, Ok(Ok(_)))
    }

    /// Returns when the session has ended, as soon as this side of it knows.
    pub fn end(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut session = self.session.clone();
        async move { while session.changed().await.is_ok() {} }
    }
}

impl Postgres {
    /// Opens a pool; makes no connection yet.
    ///
    /// # Errors
    /// `StoreError` when the address cannot be read.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let config: tokio_postgres::Config =
            url.parse().map_err(|_| StoreError::Unavailable("the PostgreSQL address cannot be read".to_owned()))?;
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let told = Hook::async_fn(|client: &mut ClientWrapper, _: &Metrics| {
            Box::pin(async move {
                let told = tokio::time::timeout(DEADLINE, client.batch_execute(SETTINGS)).await;
                told.map_err(|_| HookError::message("the settings took too long"))?.map_err(HookError::Backend)
            })
        });
        let pool = Pool::builder(manager)
            .post_create(told)
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(DEADLINE))
            .create_timeout(Some(DEADLINE))
            .recycle_timeout(Some(DEADLINE))
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { pool })
    }

    /// Becomes the one process that serves from this database.
    ///
    /// # Errors
    /// `StoreError::Owned` when another one is.
    pub async fn own(url: &str) -> Result<Ownership, StoreError> {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.map_err(|error| driver_error("own", &error))?;
        let (is_alive, session) = watch::channel(());
        tokio::spawn(async move {
            let _ = connection.await;
            drop(is_alive);
        });
        let row = client
            .query_one("SELECT pg_try_advisory_lock($1)", &[&OWNER_LOCK])
            .await
            .map_err(|error| driver_error("own", &error))?;
        if row.get::<_, bool>(0) { Ok(Ownership { client, session }) } else { Err(StoreError::Owned) }
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// `StoreError::Unavailable` when none is to be had in time.
    pub async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

async fn in_time<T>(
    statement: &'static str,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(done) => done.map_err(|error| driver_error(statement, &error)),
        Err(_) => Err(StoreError::Unavailable(format!("{statement} took too long"))),
    }
}

/// Runs several statements without parameters.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn batch(client: &Object, text: &str) -> Result<(), StoreError> {
    in_time("batch", client.batch_execute(text)).await
}

/// The same, however long it takes.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn script(client: &Object, text: &str) -> Result<(), StoreError> {
    client.batch_execute(text).await.map_err(|error| driver_error("script", &error))
}

fn parameters<'a>(values: &'a [Val<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| -> &(dyn ToSql + Sync) {
            match value {
                Val::Int(value) => value,
                Val::OptInt(value) => value,
                Val::Text(value) => value,
                Val::OptText(value) => value,
                Val::Blob(value) => value,
            }
        })
        .collect()
}

/// Runs a query and takes every row.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn rows(client: &Object, stmt: &'static Stmt, values: &[Val<'_>]) -> Result<Vec<Row>, StoreError> {
    // PostgreSQL keeps no text with a NUL and calls it an error to ask for one. Whoever asks finds nothing, as elsewhere.
    let has_nul = |value: &Val<'_>| matches!(value, Val::Text(text) | Val::OptText(Some(text)) if text.contains('\0'));
    if values.iter().any(has_nul) {
        return Ok(Vec::new());
    }
    let prepared = in_time(stmt.name, client.prepare_cached(stmt.postgres)).await?;
    let found = in_time(stmt.name, client.query(&prepared, &parameters(values))).await?;
    found.iter().map(|row| decode(stmt, row)).collect()
}

/// Runs a statement and counts the rows it changed.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn execute(client: &Object, stmt: &'static Stmt, values: &[Val<'_>]) -> Result<u64, StoreError> {
    let prepared = in_time(stmt.name, client.prepare_cached(stmt.postgres)).await?;
    in_time(stmt.name, client.execute(&prepared, &parameters(values))).await
}

/// Runs two statements that are one, the text of the first, with an array for each column of both.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn execute_both(client: &Object, (stmt, columns): Many<'_>, (_, others): Many<'_>) -> Result<(), StoreError> {
    if columns.iter().chain(others).all(Column::is_empty) {
        return Ok(());
    }
    let prepared = in_time(stmt.name, client.prepare_cached(stmt.postgres)).await?;
    let arrays: Vec<_> = columns.iter().chain(others).map(array).collect();
    in_time(stmt.name, client.execute(&prepared, &arrays)).await.map(|_| ())
}

fn array<'a>(column: &'a Column<'a>) -> &'a (dyn ToSql + Sync) {
    match column {
        Column::Int(values) => values,
        Column::OptInt(values) => values,
        Column::Text(values) => values,
        Column::OptText(values) => values,
    }
}

/// Prepares a statement without running it.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prepare(client: &Object, stmt: &'static Stmt) -> Result<(), StoreError> {
    in_time(stmt.name, client.prepare(stmt.postgres)).await.map(|_| ())
}

fn decode(stmt: &'static Stmt, row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let mut cells = Vec::with_capacity(row.len());
    for (index, column) in row.columns().iter().enumerate() {
        let cell = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(index).map(|value| value.map_or(Cell::Null, Cell::Int)),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index).map(|value| value.map_or(Cell::Null, Cell::Blob)),
            _ => row.try_get::<_, Option<String>>(index).map(|value| value.map_or(Cell::Null, Cell::Text)),
        };
        let cell = cell.map_err(|error| driver_error(stmt.name, &error))?;
        cells.push(cell);
    }
    let columns = stmt.columns(|| row.columns().iter().map(|column| column.name().to_owned()).collect());
    Ok(Row { statement: stmt.name, columns, cells })
}

fn driver_error(statement: &'static str, error: &tokio_postgres::Error) -> StoreError {
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("23505") => StoreError::Unique { statement },
        Some(code) if code.starts_with("08") || code.starts_with("53") || code.starts_with("57") => {
            StoreError::Unavailable(format!("PostgreSQL error {code}"))
        }
        Some(code) => StoreError::Driver { statement, cause: format!("PostgreSQL error {code}") },
        None => StoreError::Unavailable("the connection to PostgreSQL failed".to_owned()),
    }
}
