//! What is SQLite's alone: the file and its mode, the settings that durability hangs on, commits that are shared, and a
//! file system that is full.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Waker};

use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::settings;
use keymint_store::sql::Stmt;
use keymint_testkit::TestDb;

static JOURNAL: Stmt = Stmt::both("pragma.journal_mode", "PRAGMA journal_mode");
static SYNCHRONOUS: Stmt = Stmt::both("pragma.synchronous", "PRAGMA synchronous");
static FOREIGN_KEYS: Stmt = Stmt::both("pragma.foreign_keys", "PRAGMA foreign_keys");
static PAGES: Stmt = Stmt::both("pragma.page_count", "PRAGMA page_count");

async fn store(db: &Db, name: &str) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    settings::insert(tx.conn(), name, "value").await?;
    tx.commit().await
}

async fn is_there(db: &Db, name: &str) -> bool {
    let mut conn = db.read().await.expect("a connection");
    settings::find(&mut conn, name).await.expect("it reads").is_some()
}

#[tokio::test]
async fn no_file_is_readable_by_others() {
    let it = TestDb::sqlite().await;
    store(&it.db, "one").await.expect("it commits");
    let folder = it.place.path().and_then(Path::parent).expect("a folder");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file")) {
        let mode = entry.metadata().expect("its mode").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        names.push(entry.file_name().into_string().expect("a name"));
    }
    names.sort();
    assert_eq!(names, ["test.db", "test.db-shm", "test.db-wal", "test.lock"]);
}

#[tokio::test]
async fn commits_are_synchronous_and_go_to_a_write_ahead_log() {
    let it = TestDb::sqlite().await;
    let mut tx = it.db.write().await.expect("it begins");
    let writer = tx.conn();
    let journal = writer.row(&JOURNAL, &[]).await.expect("it reads").expect("a row");
    assert_eq!(journal.text("journal_mode").expect("text"), "wal");
    // 2 is FULL (sqlite.org/pragma.html#pragma_synchronous): with NORMAL, a power cut takes acknowledged commits.
    let synchronous = writer.row(&SYNCHRONOUS, &[]).await.expect("it reads").expect("a row");
    assert_eq!(synchronous.int("synchronous").expect("a number"), 2);
    for conn in [writer, &mut it.db.read().await.expect("a connection")] {
        let enforced = conn.row(&FOREIGN_KEYS, &[]).await.expect("it reads").expect("a row");
        assert_eq!(enforced.int("foreign_keys").expect("a number"), 1);
    }
}

#[tokio::test]
async fn a_link_to_the_file_is_the_same_database() {
    let it = TestDb::sqlite().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let link = elsewhere.path().join("other.db");
    std::os::unix::fs::symlink(it.place.path().expect("a file"), &link).expect("a link");
    assert!(matches!(Db::open_sqlite(&link).await, Err(StoreError::Owned)));
}

/// How many commits the write-ahead log holds: frames with a size in them, of the present salt (sqlite.org/fileformat2,
/// section 4.1).
fn commits(wal: &Path) -> usize {
    let bytes = std::fs::read(wal).expect("the log");
    let number = |at: usize| bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes(four.try_into().expect("four")));
    let frame_bytes = 24 + usize::try_from(number(8)).expect("a page size");
    let salt = |at: usize| (number(at), number(at + 4));
    let frames = (32..bytes.len()).step_by(frame_bytes);
    frames.filter(|frame| salt(frame + 8) == salt(16) && number(frame + 4) != 0).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_wait_together_share_a_commit() {
    let it = TestDb::sqlite().await;
    store(&it.db, "first").await.expect("it commits");
    let wal = it.place.path().expect("a file").with_extension("db-wal");
    let before = commits(&wal);
    let held = it.db.write().await.expect("it begins");
    let writers: Vec<_> = (0..64)
        .map(|n| {
            let db = it.db.clone();
            tokio::spawn(async move { store(&db, &format!("writer {n}")).await.expect("it commits") })
        })
        .collect();
    tokio::task::yield_now().await;
    held.commit().await.expect("it commits");
    for writer in writers {
        writer.await.expect("it ends");
    }
    let made = commits(&wal) - before;
    assert!((1..=8).contains(&made), "64 writers took {made} commits");
    for n in 0..64 {
        assert!(is_there(&it.db, &format!("writer {n}")).await);
    }
}

/// One after the other, each is answered after a commit of its own: a promise to nobody waits for a crowd.
#[tokio::test]
async fn a_writer_alone_has_a_commit_of_its_own() {
    let it = TestDb::sqlite().await;
    let wal = it.place.path().expect("a file").with_extension("db-wal");
    for n in 0..5 {
        let before = commits(&wal);
        store(&it.db, &format!("writer {n}")).await.expect("it commits");
        assert_eq!(commits(&wal) - before, 1);
    }
}

/// SQLite gives up a whole transaction when the file system is full. Then those who were told "done" are on disk, those
/// who were told "failed" are not, and the next writer begins afresh (T51).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_never_makes_an_answer_untrue() {
    let it = TestDb::sqlite().await;
    for (round, victims) in [(0, 1), (1, 3), (2, 8)] {
        let mut first = it.db.write().await.expect("it begins");
        let mut answers = Vec::new();
        for n in 0..victims {
            let (db, name) = (it.db.clone(), format!("before {round} {n}"));
            answers.push((name.clone(), tokio::spawn(async move { store(&db, &name).await })));
            tokio::task::yield_now().await;
        }
        let db = it.db.clone();
        let filling = tokio::spawn(async move {
            let mut tx = db.write().await.expect("it begins");
            let pages = tx.conn().row(&PAGES, &[]).await.expect("it reads").expect("a row");
            let most = format!("PRAGMA max_page_count = {}", pages.int("page_count").expect("a number"));
            tx.conn().script(&most).await.expect("the engine takes it");
            let full = settings::insert(tx.conn(), &format!("big {round}"), &"x".repeat(10_000_000)).await;
            assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
            // It is over: a further statement would stand outside of every transaction.
            let more = settings::insert(tx.conn(), &format!("more {round}"), "value").await;
            assert!(matches!(more, Err(StoreError::Unavailable(_))), "{more:?}");
        });
        tokio::task::yield_now().await;
        for n in 0..victims {
            let (db, name) = (it.db.clone(), format!("after {round} {n}"));
            answers.push((name.clone(), tokio::spawn(async move { store(&db, &name).await })));
            tokio::task::yield_now().await;
        }
        settings::insert(first.conn(), &format!("first {round}"), "value").await.expect("it is stored");
        let told = first.commit().await.is_ok();
        filling.await.expect("it ends");
        assert_eq!(is_there(&it.db, &format!("first {round}")).await, told, "first {round}");
        for (name, answer) in answers {
            let told = answer.await.expect("it ends");
            assert_eq!(is_there(&it.db, &name).await, told.is_ok(), "{name}: {told:?}");
        }
        assert!(!is_there(&it.db, &format!("big {round}")).await);
        assert!(!is_there(&it.db, &format!("more {round}")).await);
        let mut tx = it.db.write().await.expect("it begins");
        tx.conn().script("PRAGMA max_page_count = 1073741823").await.expect("the engine takes it");
        drop(tx);
        store(&it.db, &format!("next {round}")).await.expect("there is room again");
        assert!(is_there(&it.db, &format!("next {round}")).await);
    }
}

/// Whoever is not answered yet is not seen yet either: a reader looks at the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_common_commit_is_not_seen() {
    let it = TestDb::sqlite().await;
    let mut first = it.db.write().await.expect("it begins");
    settings::insert(first.conn(), "waiting", "value").await.expect("it is stored");
    let mut second = pin!(it.db.write());
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut committing = pin!(first.commit());
    assert!(committing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // The second one was in the queue before the commit: it has the writer now, and sees what the first one wrote.
    let mut second = second.await.expect("it begins");
    assert!(settings::find(second.conn(), "waiting").await.expect("it reads").is_some());
    assert!(!is_there(&it.db, "waiting").await);
    assert!(committing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(second);
    committing.await.expect("it commits");
    assert!(is_there(&it.db, "waiting").await);
}
