//! The request log: what is kept of a decision, and how lists are narrowed.

use keymint_domain::time::UnixMs;
use keymint_store::db::Db;
use keymint_store::request_log::{self, Entry, Filter};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, NOW, ids, shown};

fn entry(n: i64) -> Entry {
    Entry {
        id: 0,
        at: UnixMs(NOW.0 + n),
        request_id: format!("req_{n}"),
        product: "keymint".to_owned(),
        mode: Some(if n % 2 == 0 { "test" } else { "live" }.to_owned()),
        merchant_id: Some(ids(1).merchant),
        app_id: Some(ids(1).app),
        key_id: Some("km_test_1".to_owned()),
        method: "GET".to_owned(),
        path: "/v1/orders".to_owned(),
        status: 200 + 100 * (n % 4),
        reason: (n % 4 != 0)
            .then(|| ["", "revoked", "expired", "internal"][usize::try_from(n % 4).expect("small")].to_owned()),
        client_ip: "203.0.113.9".to_owned(),
        duration_us: n,
    }
}

fn all() -> Filter {
    Filter {
        below_id: i64::MAX,
        mode: None,
        reason: None,
        since: UnixMs(i64::MIN),
        until: UnixMs(i64::MAX),
        status: (i64::MIN, i64::MAX),
        limit: 1000,
    }
}

async fn store(db: &Db, entries: &[Entry]) {
    let mut tx = db.write().await.expect("it begins");
    request_log::insert(tx.conn(), entries).await.expect("they are stored");
    tx.commit().await.expect("it commits");
}

async fn numbers(db: &Db, filter: &Filter) -> Vec<i64> {
    let mut conn = db.read().await.expect("a connection");
    let of_key = request_log::list_of_key(&mut conn, "km_test_1", filter).await.expect("it reads");
    let of_app = request_log::list_of_app(&mut conn, ids(1).app, filter).await.expect("it reads");
    assert_eq!(shown(&of_key), shown(&of_app));
    of_key.iter().map(|entry| entry.duration_us).collect()
}

pub async fn entries_come_back_as_they_went_in(it: TestDb) {
    let hard = Entry {
        at: UnixMs(i64::MIN),
        path: HARD_TEXT.to_owned(),
        request_id: String::new(),
        reason: Some(String::new()),
        mode: None,
        merchant_id: None,
        status: i64::MAX,
        duration_us: i64::MIN,
        client_ip: "2001:db8::1".to_owned(),
        ..entry(0)
    };
    let nobody =
        Entry { key_id: None, app_id: None, merchant_id: None, mode: None, path: "x".repeat(300_000), ..entry(0) };
    store(&it.db, &[]).await;
    store(&it.db, &[hard.clone(), nobody, Entry { app_id: None, ..entry(4) }]).await;
    let mut conn = it.db.read().await.expect("a connection");
    let found = request_log::list_of_key(&mut conn, "km_test_1", &all()).await.expect("it reads");
    assert_eq!(found.len(), 2, "what is nobody's stands in nobody's list");
    let same = |found: &Entry, wanted: Entry| assert_eq!(shown(found), shown(&Entry { id: found.id, ..wanted }));
    same(&found[0], Entry { app_id: None, ..entry(4) });
    same(&found[1], hard);
    let of_app = request_log::list_of_app(&mut conn, ids(1).app, &all()).await.expect("it reads");
    assert_eq!(of_app.len(), 1);
    assert!(request_log::list_of_app(&mut conn, ids(2).app, &all()).await.expect("it reads").is_empty());
}

pub async fn filters_narrow_and_none_of_them_widens(it: TestDb) {
    store(&it.db, &(0..12).map(entry).collect::<Vec<_>>()).await;
    let foreign = Entry { key_id: Some("km_test_2".to_owned()), app_id: Some(ids(2).app), ..entry(99) };
    store(&it.db, &[foreign]).await;
    let at = |n: i64| UnixMs(NOW.0 + n);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(numbers(&it.db, &all()).await, (0..12).rev().collect::<Vec<_>>());
    assert_eq!(numbers(&it.db, &Filter { mode: some("live"), ..all() }).await, [11, 9, 7, 5, 3, 1]);
    assert_eq!(numbers(&it.db, &Filter { mode: some("' OR 1=1 --"), ..all() }).await, [0; 0]);
    assert_eq!(numbers(&it.db, &Filter { reason: some("expired"), ..all() }).await, [10, 6, 2]);
    assert_eq!(numbers(&it.db, &Filter { since: at(3), until: at(6), ..all() }).await, [5, 4, 3]);
    assert_eq!(numbers(&it.db, &Filter { since: at(6), until: at(6), ..all() }).await, [0; 0]);
    assert_eq!(numbers(&it.db, &Filter { status: (300, 400), ..all() }).await, [10, 9, 6, 5, 2, 1]);
    assert_eq!(numbers(&it.db, &Filter { limit: 2, ..all() }).await, [11, 10]);
    assert_eq!(numbers(&it.db, &Filter { limit: 0, ..all() }).await, [0; 0]);
    let narrow = Filter { mode: some("test"), reason: some("expired"), since: at(1), until: at(9), ..all() };
    assert_eq!(numbers(&it.db, &narrow).await, [6, 2]);
}

pub async fn numbers_rise_and_pages_do_not_overlap(it: TestDb) {
    let writers = (0..10).map(|writer| {
        let db = it.db.clone();
        tokio::spawn(async move {
            for batch in 0..5 {
                store(&db, &(0..4).map(|n| entry(writer * 100 + batch * 10 + n)).collect::<Vec<_>>()).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it ends");
    }
    let mut seen = Vec::new();
    let mut filter = Filter { limit: 7, ..all() };
    loop {
        let mut conn = it.db.read().await.expect("a connection");
        let part = request_log::list_of_key(&mut conn, "km_test_1", &filter).await.expect("it reads");
        let Some(last) = part.last() else { break };
        filter.below_id = last.id;
        seen.extend(part.iter().map(|entry| entry.id));
    }
    assert!(seen.is_sorted_by(|one, next| one > next));
    assert_eq!(seen.len(), 200);
}
