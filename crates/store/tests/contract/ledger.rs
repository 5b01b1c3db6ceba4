//! The ledger: numbers without gaps, in the order of commits, each with its change, audit entry and event.

use keymint_store::db::Db;
use keymint_store::ledger::{self, AuditRow};
use keymint_store::sql::Stmt;
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, entry, ids, shown};

static CHANGES: Stmt = Stmt::both("change.rows", "SELECT seq, at, kind, subject FROM change ORDER BY seq");
static EVENTS: Stmt =
    Stmt::both("outbox.rows", "SELECT seq, id, at, merchant_id, kind, payload FROM outbox ORDER BY seq");

async fn change(db: &Db) -> i64 {
    let mut tx = db.write().await.expect("it begins");
    let place = ledger::next(tx.conn()).await.expect("it advances");
    let before = ledger::audit_entries(tx.conn(), None, place.seq, 1).await.expect("it reads");
    let digest_before = before.first().map(|row| row.digest.clone()).unwrap_or_default();
    assert_eq!(before.first().map_or(0, |row| row.seq), place.seq - 1, "the change before is not there yet");
    assert_eq!(place.previous_digest, digest_before);
    ledger::record(tx.conn(), &entry(place.seq, None), ids(1).event).await.expect("it is recorded");
    tx.commit().await.expect("it commits");
    place.seq
}

pub async fn a_change_is_written_four_times(it: TestDb) {
    let first = AuditRow {
        at: keymint_domain::time::UnixMs(i64::MAX),
        actor: HARD_TEXT.to_owned(),
        detail: format!("{{\"note\":\"{}\"}}", "漢".repeat(100_000)),
        digest: vec![0, 255, 10],
        ..entry(1, Some(ids(1).merchant))
    };
    let second = AuditRow { subject: String::new(), digest: Vec::new(), ..entry(2, None) };
    for row in [&first, &second] {
        let mut tx = it.db.write().await.expect("it begins");
        let place = ledger::next(tx.conn()).await.expect("it advances");
        assert_eq!(place.seq, row.seq);
        assert_eq!(place.previous_digest, if row.seq == 1 { Vec::new() } else { first.digest.clone() });
        ledger::record(tx.conn(), row, ids(7).event).await.expect("it is recorded");
        tx.commit().await.expect("it commits");
        let mut conn = it.db.read().await.expect("a connection");
        let head = ledger::current(&mut conn).await.expect("it reads");
        assert_eq!((head.seq, &head.previous_digest), (row.seq, &row.digest));
    }
    let mut conn = it.db.read().await.expect("a connection");
    let audit = ledger::audit_entries(&mut conn, None, i64::MAX, 10).await.expect("it reads");
    assert_eq!(shown(&audit), shown(&[&second, &first]));
    let changes = conn.rows(&CHANGES, &[]).await.expect("it reads");
    let events = conn.rows(&EVENTS, &[]).await.expect("it reads");
    assert_eq!((changes.len(), events.len()), (2, 2));
    for (row, (change, event)) in [&first, &second].into_iter().zip(changes.iter().zip(&events)) {
        assert_eq!(change.int("seq").expect("a number"), row.seq);
        assert_eq!(change.int("at").expect("a time"), row.at.0);
        assert_eq!(change.text("kind").expect("text"), row.action);
        assert_eq!(change.text("subject").expect("text"), row.subject);
        assert_eq!(event.int("seq").expect("a number"), row.seq);
        assert_eq!(event.text("id").expect("text"), ids(7).event.to_string());
        assert_eq!(event.text("payload").expect("text"), row.detail);
        assert_eq!(event.opt_string("merchant_id").expect("text"), row.merchant_id.map(|id| id.to_string()));
    }
}

pub async fn numbers_are_dense_and_in_the_order_of_commits(it: TestDb) {
    let changes = (0..50).map(|n| {
        let db = it.db.clone();
        tokio::spawn(async move {
            if n % 5 == 0 {
                // Some give up half way: their number is given to the next.
                let mut tx = db.write().await.expect("it begins");
                ledger::next(tx.conn()).await.expect("it advances");
                drop(tx);
            }
            let seq = change(&db).await;
            // Whoever has been answered finds the ledger at its number or further.
            let mut conn = db.read().await.expect("a connection");
            assert!(ledger::current(&mut conn).await.expect("it reads").seq >= seq);
            seq
        })
    });
    let mut numbers = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        numbers.push(change.await.expect("it ends"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    let mut conn = it.db.read().await.expect("a connection");
    let audit = ledger::audit_entries(&mut conn, None, i64::MAX, 100).await.expect("it reads");
    assert_eq!(audit.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=50).rev().collect::<Vec<_>>());
    assert_eq!(conn.rows(&CHANGES, &[]).await.expect("it reads").len(), 50);
    assert_eq!(conn.rows(&EVENTS, &[]).await.expect("it reads").len(), 50);
}

pub async fn a_number_that_was_not_committed_is_given_again(it: TestDb) {
    assert_eq!(change(&it.db).await, 1);
    let mut tx = it.db.write().await.expect("it begins");
    assert_eq!(ledger::next(tx.conn()).await.expect("it advances").seq, 2);
    ledger::record(tx.conn(), &entry(2, None), ids(1).event).await.expect("it is recorded");
    drop(tx);
    assert_eq!(change(&it.db).await, 2);
    let mut conn = it.db.read().await.expect("a connection");
    assert_eq!(ledger::current(&mut conn).await.expect("it reads").seq, 2);
}

pub async fn entries_of_a_merchant_are_its_own(it: TestDb) {
    for seq in 1..=6 {
        let merchant = [None, Some(ids(1).merchant), Some(ids(2).merchant)][usize::try_from(seq % 3).expect("small")];
        let mut tx = it.db.write().await.expect("it begins");
        ledger::next(tx.conn()).await.expect("it advances");
        ledger::record(tx.conn(), &entry(seq, merchant), ids(1).event).await.expect("it is recorded");
        tx.commit().await.expect("it commits");
    }
    let mut conn = it.db.read().await.expect("a connection");
    let mut seen = async |merchant: u64, below: i64, limit: i64| {
        let rows = ledger::audit_entries(&mut conn, Some(ids(merchant).merchant), below, limit).await;
        rows.expect("it reads").iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(seen(1, i64::MAX, 10).await, [4, 1]);
    assert_eq!(seen(2, i64::MAX, 10).await, [5, 2]);
    assert_eq!(seen(2, 5, 10).await, [2]);
    assert_eq!(seen(2, i64::MAX, 1).await, [5]);
    assert!(seen(9, i64::MAX, 10).await.is_empty());
}
