//! What sandboxes keep, as an app's list of transactions: order, pages, states, and what was kept before there was a list.

use keymint_domain::time::UnixMs;
use keymint_store::db::Db;
use keymint_store::sandbox::{self, Facts, Kind, SandboxObject};
use keymint_store::transactions::{self, Query, Transaction};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, ids, plan};

fn facts(status: &str) -> Facts {
    Facts {
        status: status.to_owned(),
        amount: Some("90071992547409931.10".to_owned()),
        currency: Some(HARD_TEXT.to_owned()),
        method: None,
    }
}

/// Keeps an object of app `owner` in a state.
async fn keep(db: &Db, owner: u64, (id, at): (&str, i64), status: &str) {
    let object = SandboxObject {
        id: id.to_owned(),
        merchant_id: ids(owner).merchant,
        app_id: ids(owner).app,
        reference: None,
        body: "{}".to_owned(),
        created_at: UnixMs(at),
        version: 0,
    };
    let mut tx = db.write().await.expect("it begins");
    let kind = Kind { product: "kpay", kind: "payment" };
    sandbox::insert(tx.conn(), kind, &object, &facts(status)).await.expect("it is stored");
    tx.commit().await.expect("it commits");
}

fn all() -> Query {
    Query { status: None, since: UnixMs(i64::MIN), below: (UnixMs(i64::MAX), String::new()), limit: 100 }
}

async fn found(db: &Db, owner: u64, query: &Query) -> Vec<Transaction> {
    let mut conn = db.read().await.expect("a connection");
    transactions::list(&mut conn, (ids(owner).merchant, ids(owner).app), query).await.expect("it reads")
}

async fn listed(db: &Db, owner: u64, query: &Query) -> Vec<String> {
    found(db, owner, query).await.into_iter().map(|one| one.id).collect()
}

pub async fn transactions_are_paged_newest_first_and_stay_with_their_app(it: TestDb) {
    for (id, at) in [("b", 5), ("A", 5), ("a", 5), ("é", 5), ("old", 4), ("new", 6)] {
        keep(&it.db, 1, (id, at), if id == "a" { "paid" } else { "pending" }).await;
    }
    keep(&it.db, 2, ("foreign", 5), "failed").await;
    let wanted = ["new", "é", "b", "a", "A", "old"];
    assert_eq!(listed(&it.db, 1, &all()).await, wanted);
    let mut seen = Vec::new();
    let mut page = Query { limit: 2, ..all() };
    while let Some(last) = found(&it.db, 1, &page).await.last() {
        seen.extend(listed(&it.db, 1, &page).await);
        page.below = (last.created_at, last.id.clone());
    }
    assert_eq!(seen, wanted, "pages neither overlap nor leave anything out");
    let until = |at| Query { below: (UnixMs(at), String::new()), ..all() };
    assert_eq!(listed(&it.db, 1, &until(5)).await, ["old"], "the end is not included");
    assert_eq!(listed(&it.db, 1, &Query { since: UnixMs(6), ..all() }).await, ["new"], "the beginning is");
    let of = |status: &str| Query { status: Some(status.to_owned()), ..all() };
    assert_eq!(listed(&it.db, 1, &of("paid")).await, ["a"]);
    assert_eq!(listed(&it.db, 1, &Query { since: UnixMs(6), ..of("pending") }).await, ["new"]);
    assert_eq!(listed(&it.db, 1, &Query { limit: 1, ..of("pending") }).await, ["new"]);
    for nothing in ["failed", "PAID", "", "\0", "%"] {
        assert!(listed(&it.db, 1, &of(nothing)).await.is_empty(), "{nothing:?}");
    }
    let mut conn = it.db.read().await.expect("a connection");
    let owner = (ids(1).merchant, ids(1).app);
    assert_eq!(transactions::states(&mut conn, owner).await.expect("it reads"), ["paid", "pending"]);
    let counts = sandbox::count_of_app(&mut conn, owner, UnixMs(5), 100).await.expect("it reads");
    assert_eq!(counts, [("payment".to_owned(), "paid".to_owned(), 1), ("payment".to_owned(), "pending".to_owned(), 4)]);
    let newest = sandbox::count_of_app(&mut conn, owner, UnixMs(0), 2).await.expect("it reads");
    assert_eq!(newest, [("payment".to_owned(), "pending".to_owned(), 2)], "the newest two are looked at");
    let mixed = (ids(1).merchant, ids(2).app);
    assert!(transactions::states(&mut conn, mixed).await.expect("it reads").is_empty());
    assert!(transactions::list(&mut conn, mixed, &all()).await.expect("it reads").is_empty());
    assert!(transactions::find(&mut conn, mixed, "foreign").await.expect("it reads").is_none());
}

pub async fn a_transaction_is_found_by_exactly_its_id(it: TestDb) {
    keep(&it.db, 1, (HARD_TEXT, 5), "paid").await;
    keep(&it.db, 2, ("theirs", 5), "paid").await;
    let mut conn = it.db.read().await.expect("a connection");
    let owner = (ids(1).merchant, ids(1).app);
    let one = transactions::find(&mut conn, owner, HARD_TEXT).await.expect("it reads").expect("it is there");
    assert_eq!((one.facts, one.body.as_deref(), one.changed_at), (facts("paid"), Some("{}"), UnixMs(5)));
    for odd in [&format!("{HARD_TEXT} "), &HARD_TEXT[2..], "theirs", "%", "", "\0"] {
        assert!(transactions::find(&mut conn, owner, odd).await.expect("it reads").is_none(), "{odd:?}");
    }
}

/// The schema before there was a list, with an object of each vendor, one of which mimics another.
const BEFORE: &str = r#"
    DROP INDEX sandbox_app; DROP INDEX sandbox_state; DROP INDEX sandbox_id;
    ALTER TABLE sandbox_object DROP COLUMN status; ALTER TABLE sandbox_object DROP COLUMN changed_at;
    ALTER TABLE sandbox_object DROP COLUMN amount; ALTER TABLE sandbox_object DROP COLUMN currency;
    ALTER TABLE sandbox_object DROP COLUMN method;
    CREATE INDEX sandbox_app ON sandbox_object (app_id, created_at);
    ALTER TABLE sandbox_object DROP COLUMN version;
    DROP TABLE sandbox_move; DROP TABLE sandbox_clock; DROP TABLE sandbox_wallet; DROP TABLE sandbox_posting;
    DROP TABLE sandbox_answer;
    DELETE FROM schema_migration WHERE version IN (8, 16);
    INSERT INTO sandbox_object (product, mode, kind, id, merchant_id, app_id, body, created_at) VALUES
      ('razorpay', 'test', 'order', 'a', 'MERCHANT', 'APP', '{"entity":"order","status":"created"}', 3),
      ('kwikpaisa', 'test', 'order', 'b', 'MERCHANT', 'APP', '{"order_id":"\"entity\":\"order\"","order_status":"PENDING"}', 2),
      ('kpay', 'test', 'payment', 'c', 'MERCHANT', 'APP', '{"metadata":{"entity":"order"},"status":"PENDING"}', 1);
"#;

pub async fn what_was_kept_before_there_was_a_list_stands_in_it(it: TestDb) {
    let (merchant, app) = (ids(1).merchant.to_string(), ids(1).app.to_string());
    let mut tx = it.db.write().await.expect("it begins");
    let script = BEFORE.replace("MERCHANT", &merchant).replace("APP", &app);
    tx.conn().script(&script).await.expect("the engine takes it");
    tx.commit().await.expect("it commits");
    let TestDb { db, place } = it;
    drop(db);
    let db = place.open_when_free().await.expect("it migrates");
    let found = found(&db, 1, &all()).await;
    let states: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.facts.status.as_str())).collect();
    assert_eq!(states, [("a", "created"), ("b", "pending"), ("c", "pending")]);
    for one in &found {
        assert_eq!((one.changed_at, &one.facts.amount), (one.created_at, &None));
        assert!(one.body.is_some(), "what the columns lack is read from it");
    }
    keep(&db, 1, ("d", 9), "paid").await;
    assert_eq!(listed(&db, 1, &all()).await, ["d", "a", "b", "c"]);
}

#[tokio::test]
async fn lists_of_transactions_read_their_index_and_sort_nothing() {
    let it = TestDb::sqlite().await;
    let mut conn = it.db.read().await.expect("a connection");
    for (name, wanted, n_values) in [
        ("transaction.list", "INDEX sandbox_app (app_id=? AND ", 6),
        ("transaction.list_of_status", "INDEX sandbox_state (app_id=? AND (status,created_at)>", 7),
        ("transaction.find", "INDEX sandbox_id (app_id=? AND id=?)", 3),
        ("sandbox_object.count_of_app", "INDEX sandbox_app (app_id=? AND created_at>?)", 4),
        ("sandbox_object.list_of_app", "INDEX sandbox_app (app_id=? AND ", 7),
        ("sandbox_move.waking", "INDEX sandbox_move_wakes (wakes_at<?)", 2),
        ("sandbox_move.due", "INDEX sandbox_move_due (app_id=? AND due_at<?)", 3),
    ] {
        let plan = plan(&mut conn, name, n_values).await;
        assert!(plan.iter().any(|step| step.contains(wanted)), "{name}: {plan:?}");
        // The counts are of few kinds and states.
        assert!(
            name == "sandbox_object.count_of_app" || !plan.iter().any(|step| step.contains("TEMP B-TREE")),
            "{name}: {plan:?}"
        );
    }
}
