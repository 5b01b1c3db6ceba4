//! Databases for tests: a fresh SQLite file, or a fresh PostgreSQL database on the server that `TEST_DATABASE_URL` names.

use keymint_store::db::Db;

/// A database of a test's own.
pub struct TestDb {
    /// The open database.
    pub db: Db,
    _folder: Option<tempfile::TempDir>,
}

impl TestDb {
    /// A fresh SQLite file.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = Db::open_sqlite(&folder.path().join("test.db")).await.expect("SQLite opens");
        Self { db, _folder: Some(folder) }
    }

    /// A fresh PostgreSQL database. `name` is unique among the tests.
    pub async fn postgres(name: &str) -> Self {
        let db = Db::open_postgres(&fresh_postgres(name)).await.expect("PostgreSQL opens");
        Self { db, _folder: None }
    }
}

/// Makes a fresh PostgreSQL database and gives its address.
///
/// # Panics
/// When `TEST_DATABASE_URL` is not set: `cargo xtask with-postgres …` sets it.
pub fn fresh_postgres(name: &str) -> String {
    let server = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL is set by `cargo xtask test` and `cargo xtask with-postgres`");
    let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
    let name = format!("keymint_{name}_{}", std::process::id());
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
