//! All or nothing, alone and in a group; and who sees what, when.

use std::time::Duration;

use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::ledger;
use keymint_store::settings;
use keymint_testkit::{TestDb, cut_off_after};

use crate::sample::{entry, ids};

async fn is_there(db: &Db, name: &str) -> bool {
    let mut conn = db.read().await.expect("a connection");
    settings::find(&mut conn, name).await.expect("it reads").is_some()
}

async fn store(db: &Db, name: &str) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    settings::insert(tx.conn(), name, "value").await?;
    tx.commit().await
}

pub async fn what_was_dropped_never_was(it: TestDb) {
    let mut tx = it.db.write().await.expect("it begins");
    settings::insert(tx.conn(), "dropped", "value").await.expect("it is stored");
    assert!(settings::find(tx.conn(), "dropped").await.expect("it reads").is_some(), "it sees its own");
    drop(tx);
    assert!(!is_there(&it.db, "dropped").await);
    store(&it.db, "kept").await.expect("it commits");
    let TestDb { db, place } = it;
    drop(db);
    let db = place.open_when_free().await.expect("it opens again");
    assert!(is_there(&db, "kept").await && !is_there(&db, "dropped").await);
}

pub async fn readers_see_what_was_committed_and_nothing_else(it: TestDb) {
    let mut early = it.db.read().await.expect("a connection");
    let mut tx = it.db.write().await.expect("it begins");
    settings::insert(tx.conn(), "one", "value").await.expect("it is stored");
    assert!(settings::find(&mut early, "one").await.expect("it reads").is_none());
    assert!(!is_there(&it.db, "one").await);
    tx.commit().await.expect("it commits");
    // Also a reader that was there before: each statement looks anew.
    assert!(settings::find(&mut early, "one").await.expect("it reads").is_some());
    assert!(is_there(&it.db, "one").await);
}

/// Twenty-one writers queue behind one; on SQLite they are committed together, and the one in their middle gives up.
pub async fn one_gives_up_while_twenty_commit(it: TestDb) {
    for round in 0..10 {
        let first = it.db.write().await.expect("it begins");
        let writers: Vec<_> = (0..21)
            .map(|n| {
                let (db, name) = (it.db.clone(), format!("{round} {n}"));
                tokio::spawn(async move {
                    let mut tx = db.write().await.expect("it begins");
                    settings::insert(tx.conn(), &name, "value").await.expect("it is stored");
                    if n == 10 {
                        drop(tx)
                    } else {
                        tx.commit().await.expect("it commits")
                    }
                    // Whoever has been answered is on disk: a reader finds it.
                    assert_eq!(is_there(&db, &name).await, n != 10, "{name}");
                })
            })
            .collect();
        tokio::task::yield_now().await;
        first.commit().await.expect("an empty one commits");
        for writer in writers {
            writer.await.expect("it ends");
        }
        for n in 0..21 {
            assert_eq!(is_there(&it.db, &format!("{round} {n}")).await, n != 10, "{round} {n}");
        }
    }
}

/// A caller may vanish between any two steps: its future is dropped. What it wrote is then there as a whole or not at all,
/// and the next writer begins afresh.
pub async fn writers_that_are_cut_off_anywhere_leave_all_or_nothing(it: TestDb) {
    let mut committed = 0;
    for steps in 0..30 {
        let (one, two) = (format!("one {steps}"), format!("two {steps}"));
        let writing = async {
            let mut tx = it.db.write().await?;
            settings::insert(tx.conn(), &one, "value").await?;
            tokio::task::yield_now().await;
            settings::insert(tx.conn(), &two, "value").await?;
            tokio::task::yield_now().await;
            tx.commit().await
        };
        cut_off_after(steps, writing).await.unwrap_or(Ok(())).expect("it commits");
        // The next one comes in time, sees either both or none, and is not inside somebody else's transaction.
        let mut tx = it.db.write().await.expect("it begins");
        let before = settings::find(tx.conn(), &one).await.expect("it reads").is_some();
        drop(tx);
        store(&it.db, &format!("next {steps}")).await.expect("it commits");
        let (one, two) = (is_there(&it.db, &one).await, is_there(&it.db, &two).await);
        assert_eq!(one, two, "after {steps} steps");
        assert!(one || !before || it.db.engine() == keymint_store::db::EngineName::Sqlite, "after {steps} steps");
        committed += usize::from(one);
    }
    assert!((1..30).contains(&committed), "{committed} of 30: they were not cut off in different places");
}

/// On SQLite the commit is left to the next in the queue. One that goes away, before or after its turn has come, does not
/// take the commit with it.
pub async fn whoever_goes_away_in_the_queue_leaves_nobody_waiting(it: TestDb) {
    for has_its_turn in [false, true] {
        let mut first = it.db.write().await.expect("it begins");
        settings::insert(first.conn(), &format!("first {has_its_turn}"), "value").await.expect("it is stored");
        let mut next = Box::pin(it.db.write());
        let next_began = tokio::time::timeout(Duration::from_millis(50), &mut next).await.is_ok();
        assert_eq!(next_began, it.db.engine() == keymint_store::db::EngineName::Postgres);
        let committing = if has_its_turn {
            let committing = first.commit();
            drop(next);
            committing
        } else {
            drop(next);
            first.commit()
        };
        let done = tokio::time::timeout(Duration::from_secs(10), committing).await;
        done.expect("it still waits for its commit").expect("it commits");
        assert!(is_there(&it.db, &format!("first {has_its_turn}")).await);
    }
}

/// On SQLite a writer sees what those before it in the group have written, which is not on disk yet. Before it tells
/// anybody of it, it settles.
pub async fn whoever_settles_has_read_what_is_on_disk(it: TestDb) {
    for round in 0..20 {
        let name = format!("seen {round}");
        let mut first = it.db.write().await.expect("it begins");
        settings::insert(first.conn(), &name, "value").await.expect("it is stored");
        let (db, wanted) = (it.db.clone(), name.clone());
        let second = tokio::spawn(async move {
            let mut tx = db.write().await.expect("it begins");
            let seen = settings::find(tx.conn(), &wanted).await.expect("it reads").is_some();
            settings::insert(tx.conn(), &format!("own of {wanted}"), "value").await.expect("it is stored");
            tx.settle().await.expect("it settles");
            (seen, is_there(&db, &wanted).await)
        });
        tokio::task::yield_now().await;
        first.commit().await.expect("it commits");
        let (seen, on_disk) = second.await.expect("it ends");
        assert!(on_disk || !seen, "round {round}: it has read what is not on disk");
        assert!(!is_there(&it.db, &format!("own of {name}")).await, "what it wrote itself is gone");
    }
    // With nobody before it, there is nothing to wait for.
    let tx = it.db.write().await.expect("it begins");
    tx.settle().await.expect("it settles");
    store(&it.db, "after").await.expect("it commits");
}

pub async fn a_refused_statement_leaves_the_others_standing(it: TestDb) {
    store(&it.db, "taken").await.expect("it commits");
    let writers = (0..20).map(|n| {
        let db = it.db.clone();
        tokio::spawn(async move {
            if n % 4 != 0 {
                return store(&db, &format!("free {n}")).await.is_ok();
            }
            let mut tx = db.write().await.expect("it begins");
            let place = ledger::next(tx.conn()).await.expect("it advances");
            ledger::record(tx.conn(), &entry(place.seq, None), ids(1).event).await.expect("it is recorded");
            settings::insert(tx.conn(), "taken", "value").await.is_ok()
        })
    });
    let mut fine = 0;
    for writer in writers.collect::<Vec<_>>() {
        fine += usize::from(writer.await.expect("it ends"));
    }
    assert_eq!(fine, 15);
    let mut conn = it.db.read().await.expect("a connection");
    assert_eq!(ledger::current(&mut conn).await.expect("it reads").seq, 0);
}
