//! The request log: complete or counted, prompt, confined to its owner, and free of secrets (T80, T125, T140).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keymint_app::config::RequestLogConfig;
use keymint_app::ops::traffic::{self, Window};
use keymint_app::ops::{Actor, OpError, credentials, requests, tokens};
use keymint_app::request_log::{Record, redact};
use keymint_app::store_types::{Filter, Grain};
use keymint_domain::id::{AppId, MerchantId, RequestId};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use keymint_testkit::{SeededEntropy, TestDb};

use crate::house::{House, OPERATOR, Plan, START};

fn all() -> Filter {
    Filter {
        below_id: i64::MAX,
        after_id: 0,
        mode: None,
        reason: None,
        since: UnixMs(i64::MIN),
        until: UnixMs(i64::MAX),
        status: (0, 999),
        limit: 1_000_000,
    }
}

fn record(n: i64, candidate: Option<Arc<Candidate>>) -> Record {
    Record {
        scheme: None,
        at: UnixMs(START.0 + n),
        request_id: RequestId::numbered(START, u128::try_from(n).expect("not negative")),
        product: "keymint".into(),
        candidate,
        method: "GET",
        path: redact("/v1/whoami"),
        status: 200,
        reason: None,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        duration_us: 1,
        trace: None,
    }
}

pub async fn decisions_arrive_with_whose_they_were(it: TestDb) {
    let house = House::over(it).await;
    let key = house.key("keymint", "log").await;
    let candidate = house.app.candidate(&key.key_id).await.expect("it reads");
    for n in 0..2500 {
        house.app.log.push(record(n, candidate.clone()));
    }
    let denied = Record { reason: Some(DenyReason::IpNotAllowed), status: 403, ..record(9000, candidate.clone()) };
    house.app.log.push(denied);
    house.app.log.push(Record { reason: Some(DenyReason::UnknownKey), status: 401, ..record(9001, None) });
    let found = requests::of_credential(&house.app, OPERATOR, &key.key_id, &all()).await.expect("it reads");
    assert_eq!(found.len(), 2501, "what nobody's key did stands in nobody's list");
    let newest = found.first().expect("one");
    assert_eq!((newest.status, newest.reason.as_deref()), (403, Some("ip_not_allowed")));
    assert!(found.iter().skip(1).rev().map(|entry| entry.at.0 - START.0).eq(0..2500), "the order of arrival");
    let of_app = requests::of_app(&house.app, OPERATOR, key.app_id.parse().expect("an id"), &all()).await;
    assert_eq!(of_app.expect("it reads").len(), 2501);
    // Only what was accepted counts as a use.
    let seen = credentials::find(&house.app, OPERATOR, &key.key_id).await.expect("it is there");
    assert_eq!(seen.seen.last_used_at, Some(UnixMs(START.0 + 2499)));
    assert_eq!(house.app.metrics.log.lost.get(), 0);
}

pub async fn what_was_logged_and_not_counted_before_a_kill_is_counted_once(it: TestDb) {
    let mut house = House::over(it).await;
    let key = house.key("keymint", "killed").await;
    let app = key.app_id.parse().expect("an id");
    let candidate = house.app.candidate(&key.key_id).await.expect("it reads");
    for n in 0..50 {
        if n == 30 {
            house.app.log.flush().await;
        }
        house.app.log.push(record(n, candidate.clone()));
    }
    house.app.log.flush().await;
    house.edit(include_str!("sql/counts_not_written.sql")).await;
    for start in 0..3 {
        house = house.restarted(&Plan::default()).await.expect("it starts");
        for grain in [Grain::Minute, Grain::Hour, Grain::Day] {
            let window = Window { steps: 2, grain, grains: 1 };
            let traffic = traffic::of_app(&house.app, OPERATOR, app, Mode::Test, window).await.expect("it reads");
            assert_eq!((traffic.total.allowed, traffic.total.denied), (50, 0), "start {start}, {grain:?}");
        }
        let seen = credentials::find(&house.app, OPERATOR, &key.key_id).await.expect("it is there");
        assert_eq!(seen.seen.last_used_at, Some(UnixMs(START.0 + 49)));
    }
}

pub async fn what_does_not_fit_is_counted_exactly(it: TestDb) {
    let plan =
        Plan { request_log: RequestLogConfig { waiting_max: 10, ..RequestLogConfig::default() }, ..Plan::default() };
    let house = House::planned(it, &plan).await;
    let key = house.key("keymint", "overflow").await;
    let candidate = house.app.candidate(&key.key_id).await.expect("it reads");
    let lost = || house.app.metrics.log.lost.get();
    // While nobody can write, the log's thread waits with what it has, and what it does not take piles up.
    let writer = house.app.db.write().await.expect("it begins");
    let mut readers = Vec::new();
    if house.place.path().is_none() {
        for _ in 0..15 {
            readers.push(house.app.db.read().await.expect("a connection"));
        }
    }
    let mut pushed = 0;
    while lost() == 0 {
        assert!(pushed < 1_000_000, "it takes everything");
        house.app.log.push(record(pushed, candidate.clone()));
        pushed += 1;
        tokio::task::yield_now().await;
    }
    let lost_before = lost();
    for _ in 0..500 {
        house.app.log.push(record(pushed, candidate.clone()));
        pushed += 1;
    }
    assert!(lost() > lost_before);
    drop((writer, readers));
    let found = requests::of_credential(&house.app, OPERATOR, &key.key_id, &all()).await.expect("it reads");
    let arrived = u64::try_from(found.len()).expect("a count");
    assert_eq!(arrived + lost(), u64::try_from(pushed).expect("a count"), "{} are lost", lost());
}

/// A decision is there a moment after it was made, also when others keep coming in a thin stream.
#[expect(clippy::disallowed_methods, reason = "how long a decision takes to arrive is what this is about")]
pub async fn a_decision_does_not_wait_for_a_crowd(it: TestDb) {
    let house = House::over(it).await;
    let key = house.key("keymint", "stream").await;
    let candidate = house.app.candidate(&key.key_id).await.expect("it reads");
    let begun = Instant::now();
    house.app.log.push(record(0, candidate.clone()));
    let mut pushed = 1;
    loop {
        assert!(begun.elapsed() < Duration::from_secs(3), "it still waits, with {pushed} others");
        // One every 10 ms: each within the time that the one before waits for others, and never a full batch.
        if begun.elapsed() > Duration::from_millis(10) * u32::try_from(pushed).expect("small") {
            house.app.log.push(record(pushed, candidate.clone()));
            pushed += 1;
        }
        let mut conn = house.app.db.read().await.expect("a connection");
        let found = keymint_store::request_log::list_of_key(&mut conn, &key.key_id, &all()).await.expect("it reads");
        if !found.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

pub async fn nobody_elses_decisions_are_shown(it: TestDb) {
    let house = House::over(it).await;
    let key = house.key("keymint", "own").await;
    let (merchant, _) = house.registered("keymint", "other").await;
    house.app.log.push(record(0, house.app.candidate(&key.key_id).await.expect("it reads")));
    let (id, _) = tokens::make(&house.app, OPERATOR, Some(merchant), "other", None).await.expect("a token");
    let actor = Actor::Merchant(id, merchant);
    let of_key = requests::of_credential(&house.app, actor, &key.key_id, &all()).await;
    assert!(matches!(of_key, Err(OpError::NotFound(_))));
    let of_app = requests::of_app(&house.app, actor, key.app_id.parse().expect("an id"), &all()).await;
    assert!(matches!(of_app, Err(OpError::NotFound(_))));
    let found = requests::of_credential(&house.app, OPERATOR, &key.key_id, &all()).await.expect("it reads");
    assert_eq!(found.len(), 1);
}

/// The runs of letters and digits in a path, each with what stands before it.
fn runs(path: &str) -> Vec<(String, String)> {
    let mut runs = Vec::new();
    let mut before = String::new();
    for part in path.split_inclusive(|next: char| !next.is_ascii_alphanumeric()) {
        let run: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
        runs.push((before.clone(), run));
        before.push_str(part);
    }
    runs
}

fn check_redacted(path: &str) {
    let clean = redact(path);
    assert!(clean.len() <= 256, "{path:?} became {} bytes", clean.len());
    assert!(!clean.contains('?') && !clean.chars().any(char::is_control), "{path:?} became {clean:?}");
    for (before, run) in runs(&clean) {
        let is_own_id = run.len() == 26 && (before.ends_with("app_") || before.ends_with("mer_"));
        assert!(run.len() < 20 || is_own_id, "{path:?} became {clean:?}");
    }
}

#[test]
fn no_long_run_is_left_in_a_path() {
    let chance = SeededEntropy::new(125);
    let pieces = ["/", "a", "Z9", "app_", "mer_", "_", "-", "é", "%2F", "\u{1f511}", "\n", "?", "x1", "…", ".", "crd_"];
    for _ in 0..20_000 {
        let mut path = String::new();
        for _ in 0..chance.below(12) {
            let piece = pieces[usize::try_from(chance.below(16)).expect("small")];
            let times = if chance.below(3) == 0 { chance.below(40) } else { 1 };
            path.push_str(&piece.repeat(usize::try_from(times).expect("small")));
        }
        check_redacted(&path);
    }
    for length in 0..600 {
        check_redacted(&format!("/{}", "k".repeat(length)));
        check_redacted(&format!("/{}", "é".repeat(length)));
        check_redacted(&format!("/v1/app_{}", "0".repeat(length)));
    }
}

#[test]
fn own_ids_and_ordinary_paths_stay() {
    let entropy = SeededEntropy::new(1);
    let app = AppId::fresh(START, &*entropy).expect("random bytes");
    let merchant = MerchantId::fresh(START, &*entropy).expect("random bytes");
    let path = format!("/auth/generate-token/{app}/of/{merchant}");
    assert_eq!(&*redact(&path), path);
    for path in ["/", "/v1/orders/order_EKwxwAgItmmXdp", "/api/v3/pg/order/status", "/0123456789012345678"] {
        assert_eq!(&*redact(path), path);
    }
    assert_eq!(&*redact("/01234567890123456789"), "/…");
    assert_eq!(&*redact("/v1/orders?key=rzp_test_x"), "/v1/orders");
    assert_eq!(&*redact("/a\r\nb\0c d"), "/a__b_c_d");
}

#[tokio::test]
async fn no_secret_of_ours_stays_in_a_path() {
    let house = House::over(TestDb::sqlite().await).await;
    for product in ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"] {
        let key = house.key(product, product).await;
        for path in [format!("/{}", key.secret), format!("/v1/x-{}.json", key.secret), format!("/a={}&b", key.secret)] {
            let clean = redact(&path);
            let longest = key.secret.split('_').next_back().expect("one");
            assert!(!clean.contains(longest), "{product}");
            check_redacted(&path);
        }
    }
    let (_, token) = tokens::make(&house.app, OPERATOR, None, "one", None).await.expect("a token");
    let token = token.expect("it is shown");
    let text = token.expose().split('_').next_back().expect("one").to_owned();
    assert!(!redact(&format!("/{}", token.expose())).contains(&text));
}

pub async fn what_is_older_than_its_days_goes_and_what_is_above_the_number_goes_first(it: TestDb) {
    let config = RequestLogConfig { keep_days: 2, ..RequestLogConfig::default() };
    let house = House::planned(it, &Plan { request_log: config.clone(), ..Plan::default() }).await;
    let key = house.key("keymint", "old").await;
    let candidate = house.app.candidate(&key.key_id).await.expect("it reads");
    let days = |days: i64| days * 86_400_000;
    for n in [0, days(1), days(2), days(3)] {
        house.app.log.push(record(n, candidate.clone()));
        house.app.log.flush().await;
    }
    let list = async || {
        let found = requests::of_credential(&house.app, OPERATOR, &key.key_id, &all()).await.expect("it reads");
        found.iter().map(|entry| entry.at.0 - START.0).collect::<Vec<_>>()
    };
    house.clock.pass_ms(days(3));
    house.app.prune_log(&config).await.expect("it prunes");
    assert_eq!(list().await, [days(3), days(2), days(1)], "to the millisecond: two days are kept");
    house.clock.pass_ms(1);
    house.app.prune_log(&config).await.expect("it prunes");
    assert_eq!(list().await, [days(3), days(2)]);
    house.app.prune_log(&RequestLogConfig { entries_max: 1, ..config }).await.expect("it prunes");
    assert_eq!(list().await, [days(3)]);
}

pub async fn a_file_gets_every_decision_as_a_line_and_may_be_moved_away(it: TestDb) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("requests.jsonl");
    let request_log = RequestLogConfig { export_file: Some(path.clone()), ..RequestLogConfig::default() };
    let house = House::planned(it, &Plan { request_log, ..Plan::default() }).await;
    let key = house.key("keymint", "export").await;
    let candidate = house.app.candidate(&key.key_id).await.expect("it reads");
    let lines = |path: &std::path::Path| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).expect("a file");
        assert!(text.ends_with('\n') && !text.contains(&key.secret), "whole lines, without a secret: {text}");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    for n in 0..2_500 {
        house.app.log.push(record(n, candidate.clone()));
    }
    house.app.log.push(Record { reason: Some(DenyReason::UnknownKey), status: 401, ..record(9_000, None) });
    house.app.log.flush().await;
    let written = lines(&path);
    assert_eq!(written.len(), 2_501);
    let (first, last) = (written.first().expect("one"), written.last().expect("one"));
    assert_eq!((&first["key_id"], &first["decision"]), (&key.key_id.as_str().into(), &"allow".into()));
    assert_eq!((&last["reason"], &last["status"], &last["key_id"]), (&"unknown_key".into(), &401.into(), &().into()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    let moved = folder.path().join("requests.1.jsonl");
    std::fs::rename(&path, &moved).expect("it is moved");
    house.app.log.push(record(2_501, candidate.clone()));
    house.app.log.flush().await;
    assert_eq!((lines(&moved).len(), lines(&path).len()), (2_501, 1));
    std::fs::remove_file(&path).expect("it goes");
    std::fs::create_dir(&path).expect("a folder in its place");
    house.app.log.push(record(2_502, candidate));
    house.app.log.flush().await;
    assert_eq!(house.app.metrics.log.not_exported.get(), 1, "what cannot be written is counted");
    let found = requests::of_credential(&house.app, OPERATOR, &key.key_id, &all()).await.expect("it reads");
    assert_eq!(found.len(), 2_502, "and stands in the log all the same");
}
