//! Databases for tests: a fresh SQLite file, or a fresh PostgreSQL database on the server that `TEST_DATABASE_URL` names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keymint_store::db::Db;
use keymint_store::error::StoreError;

/// A database of a test's own.
pub struct TestDb {
    /// The open database.
    pub db: Db,
    /// Where it is.
    pub place: Place,
}

/// Where a test's database is; goes with the test.
pub enum Place {
    /// A SQLite file.
    File {
        /// The file.
        path: PathBuf,
        /// The folder around it.
        folder: tempfile::TempDir,
    },
    /// An address on the PostgreSQL server.
    Server(String),
}

impl TestDb {
    /// A fresh SQLite file.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Place::File { path: folder.path().join("test.db"), folder };
        Self { db: place.open().await.expect("SQLite opens"), place }
    }

    /// A fresh PostgreSQL database. `name` is unique among the tests.
    pub async fn postgres(name: &str) -> Self {
        let place = Place::Server(fresh_postgres(name));
        Self { db: place.open().await.expect("PostgreSQL opens"), place }
    }
}

impl Place {
    /// Opens the database, as a process does that starts.
    ///
    /// # Errors
    /// `StoreError::Owned` while another one has it.
    pub async fn open(&self) -> Result<Db, StoreError> {
        match self {
            Self::File { path, .. } => Db::open_sqlite(path).await,
            Self::Server(url) => Db::open_postgres(url).await,
        }
    }

    /// Opens the database once its last owner has gone: a server notices the end of a session a moment after it.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_when_free(&self) -> Result<Db, StoreError> {
        for _ in 0..500 {
            match self.open().await {
                Err(StoreError::Owned) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => return other,
            }
        }
        Err(StoreError::Owned)
    }

    /// The SQLite file; `None` on PostgreSQL.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Server(_) => None,
        }
    }
}

/// Mounts cases on both engines: each is a function of its module that takes a `TestDb`, and becomes a test on a fresh
/// SQLite file and one on a fresh PostgreSQL database. A case that is not listed is dead code, which the compiler says.
#[macro_export]
macro_rules! on_both {
    ($($module:ident: $($case:ident,)*;)*) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::super::$module::$case($crate::TestDb::sqlite().await).await;
                })*
            })*
        }
        mod postgres {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::super::$module::$case($crate::TestDb::postgres(stringify!($case)).await).await;
                })*
            })*
        }
    };
}

/// Makes a fresh PostgreSQL database and gives its address.
///
/// # Panics
/// When `TEST_DATABASE_URL` is not set: `cargo xtask with-postgres …` sets it.
pub fn fresh_postgres(name: &str) -> String {
    let server = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL is set by `cargo xtask test` and `cargo xtask with-postgres`");
    let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
    // PostgreSQL cuts names off after 63 bytes, silently; what makes this one unique stands in front.
    let name = format!("keymint_{}_{name}", std::process::id());
    let name = name.get(..63).unwrap_or(&name);
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE); CREATE DATABASE {name}");
    for statement in sql.split("; ") {
        let done = std::process::Command::new("psql")
            .args([&server, "-q", "-v", "ON_ERROR_STOP=1", "-c", statement])
            .status()
            .expect("psql runs");
        assert!(done.success(), "psql could not run {statement}");
    }
    format!("{base}/{name}")
}
