//! The schema: made once, never edited, never older than what it meets (T57).

use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::sql::Stmt;
use keymint_testkit::TestDb;

use crate::sample::store_owner;

static APPLIED: Stmt =
    Stmt::both("schema_migration.rows", "SELECT version, name, checksum FROM schema_migration ORDER BY version");
static MERCHANTS: Stmt = Stmt::both("merchant.count", "SELECT COUNT(*) AS count FROM merchant");
static HEAD: Stmt = Stmt::both("epoch.rows", "SELECT id, seq FROM epoch ORDER BY id");

async fn applied(db: &Db) -> Vec<String> {
    let mut conn = db.read().await.expect("a connection");
    let rows = conn.rows(&APPLIED, &[]).await.expect("it reads");
    rows.iter().map(|row| format!("{row:?}")).collect()
}

async fn edit(db: &Db, script: &str) {
    let mut tx = db.write().await.expect("it begins");
    tx.conn().script(script).await.expect("the engine takes it");
    tx.commit().await.expect("it commits");
}

pub async fn a_second_start_changes_nothing(it: TestDb) {
    store_owner(&it.db, 1).await;
    let before = applied(&it.db).await;
    assert!(!before.is_empty());
    let TestDb { mut db, place } = it;
    for _ in 0..2 {
        drop(db);
        db = place.open_when_free().await.expect("it opens again");
        assert_eq!(applied(&db).await, before);
        let mut conn = db.read().await.expect("a connection");
        let count = conn.row(&MERCHANTS, &[]).await.expect("it reads").expect("a row");
        assert_eq!(count.int("count").expect("a number"), 1);
        assert_eq!(conn.rows(&HEAD, &[]).await.expect("it reads").len(), 1);
    }
}

async fn reopened_after(it: TestDb, script: &str) -> Result<Db, StoreError> {
    edit(&it.db, script).await;
    let TestDb { db, place } = it;
    drop(db);
    place.open_when_free().await
}

pub async fn an_edited_migration_is_refused(it: TestDb) {
    let refused = reopened_after(it, "UPDATE schema_migration SET checksum = 'edited' WHERE version = 1").await;
    let Err(StoreError::Schema(problem)) = refused else { panic!("it opened") };
    assert!(problem.contains("migration 1") && problem.contains("edited"), "{problem}");
}

pub async fn a_newer_schema_is_refused(it: TestDb) {
    let newer = "INSERT INTO schema_migration (version, name, checksum) VALUES (9999, 'of tomorrow', '')";
    let refused = reopened_after(it, newer).await;
    let Err(StoreError::Schema(problem)) = refused else { panic!("it opened") };
    assert!(problem.contains("9999") && problem.contains("newer"), "{problem}");
}

/// The state in which a crash between two migrations leaves a database: nothing of the one that was cut off.
pub async fn a_migration_that_was_cut_off_leaves_nothing(it: TestDb) {
    let before = applied(&it.db).await;
    let mut tx = it.db.write().await.expect("it begins");
    let half = "CREATE TABLE tomorrow (id INTEGER NOT NULL PRIMARY KEY); ALTER TABLE merchant ADD COLUMN tomorrow TEXT; \
                INSERT INTO schema_migration (version, name, checksum) VALUES (9999, 'of tomorrow', '')";
    tx.conn().script(half).await.expect("the engine takes it");
    drop(tx);
    let TestDb { db, place } = it;
    drop(db);
    let db = place.open_when_free().await.expect("it opens again");
    assert_eq!(applied(&db).await, before);
    edit(&db, half).await;
}
