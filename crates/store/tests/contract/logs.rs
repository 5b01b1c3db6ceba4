//! The request log: what is kept of a decision, and how lists are narrowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keymint_domain::credential::Status;
use keymint_domain::mode::Mode;
use keymint_domain::seal::Verifier;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::{Candidate, OwnerState};
use keymint_store::credentials;
use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::log_counts::LogCounts;
use keymint_store::request_log::{self, Batch, Entry, Filter, Line};
use keymint_store::rollup::{self, Counts, Grain, HOUR_MS, Span};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, NOW, ids, store_credential, store_owner};

/// Key `key` of the app of merchant `owner`.
fn candidate(owner: u64, key: u64, mode: Mode) -> Candidate {
    Candidate {
        key_id: format!("km_test_{key}").into(),
        product: "keymint".into(),
        mode,
        merchant_id: ids(owner).merchant,
        app_id: ids(owner).app,
        status: Status::Active,
        expires_at: None,
        owner: OwnerState::Enabled,
        restrictions: None,
        verifier: Verifier::Hashed { ring_index: 0, digest: [7; 24] },
    }
}

/// Decision number `n`: every fourth was allowed.
fn line(n: u16) -> Line<'static> {
    Line {
        n: 0,
        at: UnixMs(NOW.0 + i64::from(n)),
        request_id: format!("req_{n}").into(),
        method: "GET".into(),
        path: "/v1/orders".into(),
        status: 200 + 100 * (n % 4),
        reason: [None, Some("revoked".into()), Some("expired".into()), Some("internal".into())]
            .into_iter()
            .nth(usize::from(n % 4))
            .flatten(),
        scheme: n.is_multiple_of(2).then(|| "basic".into()),
        client_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        duration_us: n.into(),
    }
}

fn all() -> Filter {
    Filter {
        below_id: i64::MAX,
        after_id: 0,
        mode: None,
        reason: None,
        since: UnixMs(i64::MIN),
        until: UnixMs(i64::MAX),
        status: (0, u16::MAX),
        limit: 1000,
    }
}

async fn store<'l>(db: &Db, lines: impl IntoIterator<Item = (Option<&Candidate>, Line<'l>)>) {
    let mut batch = Batch::default();
    lines.into_iter().for_each(|(candidate, line)| batch.add("keymint", candidate, line));
    let mut tx = db.write().await.expect("it begins");
    let number = batch.insert(tx.conn()).await.expect("it is stored");
    let mut counts = LogCounts::default();
    batch.count(number, &mut counts);
    counts.write(tx.conn()).await.expect("it is counted");
    tx.commit().await.expect("it commits");
}

async fn of_key(db: &Db, key: u64, filter: &Filter) -> Vec<Entry> {
    let mut conn = db.read().await.expect("a connection");
    request_log::list_of_key(&mut conn, &format!("km_test_{key}"), filter).await.expect("it reads")
}

async fn of_app(db: &Db, owner: u64, filter: &Filter) -> Vec<Entry> {
    let mut conn = db.read().await.expect("a connection");
    request_log::list_of_app(&mut conn, ids(owner).app, filter).await.expect("it reads")
}

fn numbers(entries: &[Entry]) -> Vec<u32> {
    entries.iter().map(|entry| entry.duration_us).collect()
}

pub async fn entries_come_back_as_they_went_in(it: TestDb) {
    let key = candidate(1, 1, Mode::Live);
    let hard = Line {
        at: UnixMs(i64::MIN),
        path: format!("{HARD_TEXT}\0").into(),
        request_id: "".into(),
        reason: Some("".into()),
        status: u16::MAX,
        duration_us: u32::MAX,
        client_ip: IpAddr::V6(Ipv6Addr::LOCALHOST),
        ..line(0)
    };
    let long = Line { path: "x".repeat(300_000).into(), ..line(1) };
    store(&it.db, []).await;
    store(&it.db, [(Some(&key), hard), (None, line(2)), (Some(&key), long)]).await;
    let found = of_key(&it.db, 1, &all()).await;
    let [newest, oldest] = found.as_slice() else { panic!("{} entries", found.len()) };
    assert_eq!((newest.path.len(), newest.status, newest.reason.as_deref()), (300_000, 300, Some("revoked")));
    assert_eq!((oldest.at, oldest.path.as_str()), (UnixMs(i64::MIN), format!("{HARD_TEXT}\0").as_str()));
    assert_eq!((oldest.request_id.as_str(), oldest.reason.as_deref()), ("", Some("")));
    assert_eq!((oldest.status, oldest.duration_us), (u16::MAX, u32::MAX));
    assert_eq!((oldest.client_ip, oldest.method.as_str()), (IpAddr::V6(Ipv6Addr::LOCALHOST), "GET"));
    assert_eq!((oldest.product.as_str(), oldest.mode, oldest.key_id.as_str()), ("keymint", Mode::Live, "km_test_1"));
    assert_eq!((oldest.merchant_id, oldest.app_id), (ids(1).merchant, ids(1).app));
    assert_eq!(of_app(&it.db, 1, &all()).await.len(), 2, "what is nobody's stands in nobody's list");
    assert!(of_app(&it.db, 2, &all()).await.is_empty());
    assert!(of_key(&it.db, 2, &all()).await.is_empty());
}

pub async fn filters_narrow_and_none_of_them_widens(it: TestDb) {
    let (test, live) = (candidate(1, 1, Mode::Test), candidate(1, 2, Mode::Live));
    let foreign = candidate(2, 3, Mode::Test);
    store(&it.db, (0..6).map(|n| (Some(if n % 2 == 0 { &test } else { &live }), line(n)))).await;
    store(&it.db, (6..12).map(|n| (Some(if n % 2 == 0 { &test } else { &live }), line(n)))).await;
    store(&it.db, [(Some(&foreign), line(99))]).await;
    let at = |n: i64| UnixMs(NOW.0 + n);
    let some = |text: &str| Some(text.to_owned());
    for (filter, wanted) in [
        (all(), (0..12).rev().collect::<Vec<_>>()),
        (Filter { mode: Some(Mode::Live), ..all() }, vec![11, 9, 7, 5, 3, 1]),
        (Filter { reason: some("expired"), ..all() }, vec![10, 6, 2]),
        (Filter { reason: some("' OR 1=1 --"), ..all() }, vec![]),
        (Filter { since: at(3), until: at(6), ..all() }, vec![5, 4, 3]),
        (Filter { since: at(6), until: at(6), ..all() }, vec![]),
        (Filter { status: (300, 400), ..all() }, vec![10, 9, 6, 5, 2, 1]),
        (Filter { limit: 2, ..all() }, vec![11, 10]),
        (Filter { limit: 0, ..all() }, vec![]),
        (Filter { mode: Some(Mode::Test), reason: some("expired"), since: at(1), until: at(9), ..all() }, vec![6, 2]),
    ] {
        assert_eq!(numbers(&of_app(&it.db, 1, &filter).await), wanted, "{filter:?}");
    }
    assert_eq!(numbers(&of_key(&it.db, 1, &all()).await), [10, 8, 6, 4, 2, 0]);
    assert!(of_key(&it.db, 1, &Filter { mode: Some(Mode::Live), ..all() }).await.is_empty());
}

pub async fn numbers_rise_and_pages_do_not_overlap(it: TestDb) {
    let writers = (0..10).map(|writer| {
        let db = it.db.clone();
        tokio::spawn(async move {
            let keys = [0, 1].map(|key| candidate(1, key, Mode::Test));
            for batch in 0..5 {
                let lines = (0..4).map(|n| (keys.get(usize::from(n % 2)), line(writer * 100 + batch * 10 + n)));
                store(&db, lines.collect::<Vec<_>>()).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("it ends");
    }
    let mut seen: Vec<(i64, u32)> = Vec::new();
    let mut filter = Filter { limit: 7, ..all() };
    loop {
        let part = of_app(&it.db, 1, &filter).await;
        let Some(last) = part.last() else { break };
        filter.below_id = last.id;
        seen.extend(part.iter().map(|entry| (entry.id, entry.duration_us)));
    }
    assert!(seen.iter().map(|(id, _)| id).eq((1..=200).rev().collect::<Vec<_>>().iter()), "dense, and each once");
    for batch in seen.chunks(4) {
        let in_batch: Vec<u32> = batch.iter().map(|(_, number)| number % 10).collect();
        assert_eq!(in_batch, [3, 2, 1, 0], "the order of arrival, over both keys");
    }
    assert_eq!(of_key(&it.db, 0, &all()).await.len(), 100);
}

/// What is newer is read from where a reader was told the log ended, and nothing before it is read again.
pub async fn newer_entries_are_those_of_later_batches(it: TestDb) {
    let (mine, theirs) = (candidate(1, 1, Mode::Test), candidate(2, 2, Mode::Test));
    let end = async || request_log::head(&mut it.db.read().await.expect("a connection")).await.expect("it reads");
    assert_eq!(end().await, 0);
    store(&it.db, [(Some(&mine), line(0)), (Some(&mine), line(1))]).await;
    let first = end().await;
    assert_eq!(first, 2);
    store(&it.db, [(Some(&theirs), line(2))]).await;
    assert!(of_app(&it.db, 1, &Filter { after_id: first, ..all() }).await.is_empty(), "another app's");
    store(&it.db, [(Some(&mine), line(3)), (Some(&theirs), line(4)), (Some(&mine), line(5))]).await;
    store(&it.db, [(Some(&mine), line(6))]).await;
    for after_id in [first, first + 1] {
        let newer = Filter { after_id, ..all() };
        assert_eq!(numbers(&of_app(&it.db, 1, &newer).await), [6, 5, 3]);
        assert_eq!(numbers(&of_key(&it.db, 1, &Filter { limit: 1, ..newer.clone() }).await), [6], "the newest");
        let reason = Some("revoked".to_owned());
        assert_eq!(numbers(&of_app(&it.db, 1, &Filter { reason, ..newer }).await), [5]);
    }
    let last = end().await;
    for after_id in [last, last + 1, i64::MAX] {
        assert!(of_app(&it.db, 1, &Filter { after_id, ..all() }).await.is_empty());
    }
    assert_eq!(numbers(&of_app(&it.db, 1, &all()).await), [6, 5, 3, 1, 0]);
}

/// A key that is seldom used among many that are: its own entries are found, however many batches lie between.
pub async fn a_quiet_key_is_found_among_busy_ones(it: TestDb) {
    let (quiet, busy) = (candidate(1, 1, Mode::Test), candidate(1, 2, Mode::Test));
    for batch in 0..100_u16 {
        let whose = if batch % 40 == 0 { &quiet } else { &busy };
        store(&it.db, [(Some(&busy), line(batch)), (Some(whose), line(batch))]).await;
    }
    assert_eq!(numbers(&of_key(&it.db, 1, &all()).await), [80, 40, 0]);
    assert_eq!(of_key(&it.db, 2, &all()).await.len(), 197);
    assert_eq!(of_app(&it.db, 1, &all()).await.len(), 200);
}

/// The last use is that of the newest allowed request; a refused one is no use.
pub async fn only_what_was_allowed_is_a_use(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_credential(&it.db, &crate::sample::credential(1, 1), 0).await;
    let key = candidate(1, 1, Mode::Test);
    let last_used = async || {
        let mut conn = it.db.read().await.expect("a connection");
        credentials::find(&mut conn, "km_test_1").await.expect("it reads").expect("it is there").seen.last_used_at
    };
    store(&it.db, [(Some(&key), line(1)), (None, line(4))]).await;
    assert_eq!(last_used().await, None);
    store(&it.db, [(Some(&key), line(8)), (Some(&key), line(4)), (Some(&key), line(9))]).await;
    assert_eq!(last_used().await, Some(UnixMs(NOW.0 + 8)));
}

pub async fn a_line_that_cannot_be_read_is_corrupt_and_not_absent(it: TestDb) {
    store(&it.db, [(Some(&candidate(1, 1, Mode::Test)), line(1))]).await;
    let mut tx = it.db.write().await.expect("it begins");
    tx.conn().script("UPDATE request_log SET entries = '{\"n\":1'").await.expect("it is edited");
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    let found = request_log::list_of_key(&mut conn, "km_test_1", &all()).await;
    assert!(matches!(found, Err(StoreError::Corrupt { column: "entries", .. })), "{found:?}");
}

pub async fn hours_count_what_was_logged_and_nothing_else(it: TestDb) {
    let (test, live, foreign) = (candidate(1, 1, Mode::Test), candidate(1, 2, Mode::Live), candidate(2, 3, Mode::Test));
    let hour = NOW.0 - NOW.0.rem_euclid(HOUR_MS);
    let at = |n: u16, hours: i64| Line { at: UnixMs(hour + hours * HOUR_MS), ..line(n) };
    let second = Line { at: UnixMs(hour + HOUR_MS - 1), ..line(4) };
    store(&it.db, [(Some(&test), at(0, 0)), (Some(&test), at(1, 0)), (Some(&test), at(2, 1)), (None, at(1, 0))]).await;
    store(&it.db, [(Some(&test), second), (Some(&test), Line { status: 404, ..at(0, 0) })]).await;
    store(&it.db, [(Some(&live), at(0, 0)), (Some(&foreign), at(0, 0)), (Some(&test), at(0, 2))]).await;
    let span = Span { app: ids(1).app, mode: Mode::Test, since: UnixMs(hour), until: UnixMs(hour + 2 * HOUR_MS) };
    let mut conn = it.db.read().await.expect("a connection");
    let hours = rollup::counts(&mut conn, Grain::Hour, span).await.expect("it reads");
    let counts = |allowed, denied, failed| Counts { allowed, denied, failed };
    let wanted = [(UnixMs(hour), counts(3, 1, 1)), (UnixMs(hour + HOUR_MS), counts(0, 1, 0))];
    assert_eq!(hours, wanted, "the hour that begins at the end is not in it");
    let parts = rollup::parts(&mut conn, span).await.expect("it reads");
    assert_eq!(parts.reasons, [("expired".to_owned(), 1), ("revoked".to_owned(), 1)]);
    assert_eq!(parts.durations, [(10, 5)], "0, 1, 2, 4 and 0 microseconds are in the first step");
    let none = Span { app: ids(3).app, ..span };
    assert!(rollup::counts(&mut conn, Grain::Hour, none).await.expect("it reads").is_empty());
    let other = Span { mode: Mode::Live, ..span };
    let live = rollup::counts(&mut conn, Grain::Hour, other).await.expect("it reads");
    assert_eq!(live, [(UnixMs(hour), counts(1, 0, 0))]);
    let minutes = rollup::counts(&mut conn, Grain::Minute, span).await.expect("it reads");
    let last = hour + HOUR_MS - Grain::Minute.ms();
    let wanted =
        [(UnixMs(hour), counts(2, 1, 1)), (UnixMs(last), counts(1, 0, 0)), (UnixMs(hour + HOUR_MS), counts(0, 1, 0))];
    assert_eq!(minutes, wanted);
    let day = hour - hour.rem_euclid(Grain::Day.ms());
    let days = Span { since: UnixMs(day), until: UnixMs(day + 2 * Grain::Day.ms()), ..span };
    let found = rollup::counts(&mut conn, Grain::Day, days).await.expect("it reads");
    let sum = found.iter().fold(Counts::default(), |mut sum, (_, counts)| {
        sum += *counts;
        sum
    });
    assert_eq!(sum, counts(4, 2, 1), "{found:?}");
    assert!(found.iter().all(|(begins_at, _)| begins_at.0.rem_euclid(Grain::Day.ms()) == 0));
}

pub async fn what_is_old_goes_piece_by_piece_and_nothing_else(it: TestDb) {
    let test = candidate(1, 1, Mode::Test);
    let at = |hours: i64| Line { at: UnixMs(NOW.0 + hours * HOUR_MS), ..line(1) };
    for hours in [-50, -49, -1, 0] {
        store(&it.db, [(Some(&test), at(hours))]).await;
    }
    let mut tx = it.db.write().await.expect("it begins");
    let before = UnixMs(NOW.0 - 48 * HOUR_MS);
    assert_eq!(request_log::prune(tx.conn(), 1, before, 0).await.expect("it deletes"), 1, "one at a time");
    assert_eq!(request_log::prune(tx.conn(), 10, before, 0).await.expect("it deletes"), 1);
    assert_eq!(request_log::prune(tx.conn(), 10, before, 0).await.expect("it deletes"), 0);
    assert_eq!(request_log::prune(tx.conn(), 10, before, 3).await.expect("it deletes"), 1, "above the number kept");
    for grain in [Grain::Minute, Grain::Hour] {
        while rollup::prune(tx.conn(), grain, before).await.expect("it deletes") {}
    }
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    let left = request_log::list_of_key(&mut conn, "km_test_1", &all()).await.expect("it reads");
    assert_eq!(left.iter().map(|entry| entry.at).collect::<Vec<_>>(), [NOW]);
    let span = Span { app: ids(1).app, mode: Mode::Test, since: UnixMs(0), until: UnixMs(i64::MAX) };
    for (grain, count) in [(Grain::Minute, 2), (Grain::Hour, 2)] {
        let kept = rollup::counts(&mut conn, grain, span).await.expect("it reads");
        assert_eq!(kept.len(), count, "{grain:?}: {kept:?}");
    }
    let days = rollup::counts(&mut conn, Grain::Day, span).await.expect("it reads");
    assert_eq!(days.iter().map(|(_, counts)| counts.requests()).sum::<i64>(), 4, "days stay");
    assert_eq!(rollup::parts(&mut conn, span).await.expect("it reads").reasons.iter().map(|(_, n)| n).sum::<i64>(), 2);
}
