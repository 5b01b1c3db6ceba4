//! The memory of spent signatures: each is accepted once (T25), also after `kill -9` (T27), whatever the clock does (T30);
//! a flood of one key's hurts nobody else (T28); and what cannot be remembered is not accepted (T26).

use std::path::Path;
use std::sync::Arc;

use keymint_app::verify::replay::{Answer, ReplayMemory};
use keymint_domain::reason::DenyReason;
use keymint_domain::replay::{Spend, Use};
use keymint_domain::time::UnixMs;
use keymint_testkit::{Call, Key, TestDb};

use crate::house::{Arrival, House, Plan, START};

/// Length of a bucket, as the memory has it. Seconds.
const BUCKET: i64 = 600;
/// How far back and ahead a timestamp may lie. Seconds.
const WINDOW: i64 = 300;

fn signed(house: &House, key: &Key, product: &str, at: UnixMs) -> Arrival {
    let path = if product == "kwikpaisa" { "/api/v3/pg/order/status" } else { "/v1/echo" };
    let scheme = (product == "keymint").then_some("message_signature");
    let body = format!("{{\"order_id\":\"{}\"}}", house.entropy.number());
    Arrival::signed(&Call { at, scheme, ..Call::new(product, "POST", path, &body) }, key)
}

pub async fn a_signed_call_is_accepted_once_also_after_a_restart(it: TestDb) {
    let mut house = House::over(it).await;
    let mut keys = Vec::new();
    for product in ["kwikpaisa", "keymint"] {
        keys.push((product, house.key(product, product).await));
    }
    let mut spent = Vec::new();
    for restart in 0..3 {
        for (product, key) in &keys {
            let call = signed(&house, key, product, START);
            let attempts = (0..16).map(|_| {
                let (app, call) = (house.app.clone(), call.clone());
                tokio::spawn(async move { call.decided_by(&app).await })
            });
            let mut accepted = 0;
            for attempt in attempts.collect::<Vec<_>>() {
                match attempt.await.expect("it ends") {
                    Ok(()) => accepted += 1,
                    Err(reason) => assert_eq!(reason, DenyReason::Replayed),
                }
            }
            assert_eq!(accepted, 1, "{product}");
            spent.push(call);
        }
        house = house.restarted(&Plan::default()).await.expect("it starts");
        for call in &spent {
            assert_eq!(call.decided_by(&house.app).await, Err(DenyReason::Replayed), "after {restart} restarts");
        }
    }
}

pub async fn a_clock_that_steps_back_opens_no_signature_again(it: TestDb) {
    let mut house = House::over(it).await;
    let key = house.key("kwikpaisa", "step").await;
    let call = signed(&house, &key, "kwikpaisa", START);
    assert_eq!(call.decided_by(&house.app).await, Ok(()));
    house.clock.pass_seconds(3600);
    let later = signed(&house, &key, "kwikpaisa", UnixMs(START.0 + 3_600_000));
    assert_eq!(later.decided_by(&house.app).await, Ok(()));
    assert_eq!(call.decided_by(&house.app).await, Err(DenyReason::StaleTimestamp));
    for _ in 0..2 {
        house.clock.set(START);
        assert_eq!(call.decided_by(&house.app).await, Err(DenyReason::StaleTimestamp));
        house.clock.pass_seconds(3600);
        assert_eq!(later.decided_by(&house.app).await, Err(DenyReason::Replayed));
        house.clock.set(START);
        house = house.restarted(&Plan::default()).await.expect("it starts");
    }
}

/// A moment in the middle of a bucket.
fn noon() -> UnixMs {
    UnixMs((START.seconds().div_euclid(BUCKET) * BUCKET + BUCKET / 2) * 1000)
}

fn open(folder: &Path, now: UnixMs) -> ReplayMemory {
    ReplayMemory::open(folder, 1000, now).expect("it opens")
}

fn spend(key: u64, fingerprint: u128, seconds: i64) -> Spend {
    Spend { fingerprint: fingerprint.to_be_bytes(), key, seconds, how: Use::Unsafe }
}

fn after(moment: UnixMs, seconds: i64) -> UnixMs {
    moment.plus_seconds(seconds)
}

/// The journals in a folder, by bucket.
fn journals(folder: &Path) -> Vec<i64> {
    let entries = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let journals = entries.filter(|path| path.extension().is_some_and(|extension| extension == "journal"));
    let mut buckets: Vec<i64> = journals
        .map(|path| {
            path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).expect("a bucket")
        })
        .collect();
    buckets.sort_unstable();
    buckets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_at_once_one_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Arc::new(open(folder.path(), noon()));
    for fingerprint in 0..20 {
        let attempts = (0..200).map(|_| {
            let memory = Arc::clone(&memory);
            tokio::spawn(async move { memory.spend(spend(1, fingerprint, noon().seconds()), noon()).await })
        });
        let mut fresh = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            match attempt.await.expect("it ends") {
                Answer::Fresh => fresh += 1,
                other => assert_eq!(other, Answer::Spent),
            }
        }
        assert_eq!(fresh, 1);
    }
}

#[tokio::test]
async fn what_was_accepted_is_remembered_by_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = noon();
    for process in 0..4 {
        let memory = open(folder.path(), now);
        for earlier in 0..process * 250 {
            assert_eq!(memory.spend(spend(earlier % 7, earlier.into(), now.seconds()), now).await, Answer::Spent);
        }
        for fresh in process * 250..(process + 1) * 250 {
            assert_eq!(memory.spend(spend(fresh % 7, fresh.into(), now.seconds()), now).await, Answer::Fresh);
        }
        // Dropped without `close`, as `kill -9` does.
    }
}

/// The write of a record may have been cut off by the kill. What comes after it is remembered nevertheless.
#[tokio::test]
async fn a_torn_record_takes_none_of_its_neighbours_with_it() {
    for torn in 1..25 {
        let folder = tempfile::tempdir().expect("a folder");
        let now = noon();
        for process in 0..4_u128 {
            let memory = open(folder.path(), now);
            for earlier in 0..process {
                assert_eq!(memory.spend(spend(1, earlier, now.seconds()), now).await, Answer::Spent, "{torn} bytes");
            }
            assert_eq!(memory.spend(spend(1, process, now.seconds()), now).await, Answer::Fresh);
            drop(memory);
            let bucket = journals(folder.path())[0];
            let journal = folder.path().join(format!("{bucket}.journal"));
            let mut bytes = std::fs::read(&journal).expect("the journal");
            bytes.extend_from_slice(&[0xff; 25][..torn]);
            std::fs::write(&journal, bytes).expect("the journal");
        }
    }
}

#[tokio::test]
async fn a_key_that_has_filled_its_share_is_alone_with_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = noon();
    for process in 0..2_u128 {
        let memory = ReplayMemory::open(folder.path(), 100, now).expect("it opens");
        if process == 0 {
            for fingerprint in 0..100 {
                assert_eq!(memory.spend(spend(64, fingerprint, now.seconds()), now).await, Answer::Fresh);
            }
        }
        for fingerprint in 100..200 {
            assert_eq!(memory.spend(spend(64, fingerprint, now.seconds()), now).await, Answer::Full);
        }
        // What it has spent stays spent, and others have their own share: also one of the same lock.
        assert_eq!(memory.spend(spend(64, 5, now.seconds()), now).await, Answer::Spent);
        for other in [0, 1, 128] {
            let fingerprint = 1000 + process;
            assert_eq!(memory.spend(spend(other, fingerprint, now.seconds()), now).await, Answer::Fresh);
        }
    }
    let memory = ReplayMemory::open(folder.path(), 100, now).expect("it opens");
    // Its share is counted over the buckets that matter, and comes back when they no longer do.
    let later = after(now, BUCKET);
    assert_eq!(memory.spend(spend(64, 300, later.seconds() - WINDOW), later).await, Answer::Full);
    let later = after(now, 2 * BUCKET);
    assert_eq!(memory.spend(spend(64, 300, later.seconds()), later).await, Answer::Fresh);
}

#[tokio::test]
async fn the_window_is_covered_to_the_second_and_over_the_edge_of_a_bucket() {
    for offset in [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, BUCKET - 1] {
        let folder = tempfile::tempdir().expect("a folder");
        let now = UnixMs((START.seconds().div_euclid(BUCKET) * BUCKET + offset) * 1000 + 999);
        let memory = open(folder.path(), now);
        let edges = [-WINDOW, -1, 0, 1, WINDOW].map(|edge| now.seconds() + edge);
        for (fingerprint, seconds) in (0..).zip(edges) {
            assert_eq!(memory.spend(spend(1, fingerprint, seconds), now).await, Answer::Fresh, "{offset} {seconds}");
        }
        assert_eq!(memory.spend(spend(1, 99, now.seconds() - WINDOW - 1), now).await, Answer::TooOld);
        drop(memory);
        let memory = open(folder.path(), now);
        for (fingerprint, seconds) in (0..).zip(edges) {
            assert_eq!(memory.spend(spend(1, fingerprint, seconds), now).await, Answer::Spent, "{offset} {seconds}");
        }
    }
}

#[tokio::test]
async fn what_no_longer_matters_leaves_memory_and_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = open(folder.path(), noon());
    for bucket in 0..10 {
        let now = after(noon(), bucket * BUCKET);
        assert_eq!(memory.spend(spend(1, 1, now.seconds()), now).await, Answer::Fresh, "bucket {bucket}");
        assert!(journals(folder.path()).len() <= 3);
    }
    assert_eq!(journals(folder.path()).last(), Some(&(noon().seconds().div_euclid(BUCKET) + 9)));
}

#[tokio::test]
async fn a_clock_that_jumps_brings_no_signature_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (now, hour) = (noon(), 3600);
    let memory = open(folder.path(), now);
    assert_eq!(memory.spend(spend(1, 1, now.seconds()), now).await, Answer::Fresh);
    // Ahead and back, with nobody calling in between: it is still there.
    assert_eq!(memory.spend(spend(1, 1, now.seconds()), now).await, Answer::Spent);
    // Ahead, where somebody calls: what lies before is closed for good.
    let later = after(now, hour);
    assert_eq!(memory.spend(spend(1, 2, later.seconds()), later).await, Answer::Fresh);
    for seconds in [0, 1, hour - WINDOW - 1] {
        let fingerprint = if seconds == 0 { 1 } else { 77 };
        let spent = memory.spend(spend(1, fingerprint, now.seconds() + seconds), after(now, seconds)).await;
        assert_eq!(spent, Answer::TooOld, "{seconds} seconds");
    }
    assert_eq!(memory.spend(spend(1, 2, later.seconds()), now).await, Answer::Spent);
    drop(memory);
    // The next process starts while the clock is an hour back.
    let memory = open(folder.path(), now);
    assert_eq!(memory.spend(spend(1, 1, now.seconds()), now).await, Answer::TooOld);
    assert_eq!(memory.spend(spend(1, 2, later.seconds()), later).await, Answer::Spent);
}

#[tokio::test]
async fn a_start_on_a_day_that_is_not_today_forgets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = noon();
    assert_eq!(open(folder.path(), now).spend(spend(1, 1, now.seconds()), now).await, Answer::Fresh);
    for wrong in [after(now, 86_400), after(now, -86_400), UnixMs(0)] {
        drop(open(folder.path(), wrong));
        let memory = open(folder.path(), now);
        assert_eq!(memory.spend(spend(1, 1, now.seconds()), now).await, Answer::Spent, "after a start at {wrong}");
        assert_ne!(memory.spend(spend(2, wrong.0.unsigned_abs().into(), now.seconds()), now).await, Answer::TooOld);
    }
}

#[tokio::test]
async fn a_safe_use_is_repeated_by_safe_ones_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = noon();
    let of = |fingerprint, how| Spend { how, ..spend(1, fingerprint, now.seconds()) };
    for process in 0..2 {
        let memory = open(folder.path(), now);
        let wanted = if process == 0 { Answer::Fresh } else { Answer::Spent };
        assert_eq!(memory.spend(of(1, Use::Safe), now).await, Answer::Fresh);
        assert_eq!(memory.spend(of(1, Use::Safe), now).await, Answer::Fresh);
        assert_eq!(memory.spend(of(1, Use::Unsafe), now).await, Answer::Spent);
        assert_eq!(memory.spend(of(2, Use::Unsafe), now).await, wanted);
        assert_eq!(memory.spend(of(2, Use::Safe), now).await, Answer::Spent);
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = noon();
    let memory = open(folder.path(), now);
    assert_eq!(memory.spend(spend(1, 1, now.seconds()), now).await, Answer::Fresh);
    // A folder where the next bucket's journal would be: it cannot be opened for writing, whoever we are.
    let next = after(now, BUCKET);
    let journal = folder.path().join(format!("{}.journal", next.seconds().div_euclid(BUCKET)));
    std::fs::create_dir(journal).expect("a folder");
    for key in 0..5 {
        assert_eq!(memory.spend(spend(key, 2, next.seconds()), next).await, Answer::Unknown);
    }
    // What was spent stays so: also what was refused for this reason is not accepted later.
    assert_eq!(memory.spend(spend(1, 2, next.seconds()), next).await, Answer::Spent);
    drop(memory);
    // Nor does the next process start before it can write.
    assert!(ReplayMemory::open(folder.path(), 1000, next).is_err());
}

#[tokio::test]
async fn without_a_folder_nothing_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    assert!(ReplayMemory::open(&file, 1000, noon()).is_err());
    assert!(ReplayMemory::open(&file.join("below"), 1000, noon()).is_err());
}

/// After the machine itself went down, the last records may be missing: what could have been spent then is refused.
#[tokio::test]
async fn after_the_machine_went_down_one_window_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = noon();
    let boot = folder.path().join("boot");
    open(folder.path(), now).spend(spend(1, 1, now.seconds()), now).await;
    std::fs::write(&boot, "another boot").expect("the boot's id");
    let memory = open(folder.path(), now);
    for seconds in [-WINDOW, 0, WINDOW] {
        assert_eq!(memory.spend(spend(1, 7, now.seconds() + seconds), now).await, Answer::TooOld);
    }
    let later = after(now, WINDOW + 1);
    assert_eq!(memory.spend(spend(1, 7, later.seconds()), later).await, Answer::Fresh);
    // After a clean stop nothing is missing.
    memory.close().expect("it closes");
    drop(memory);
    std::fs::write(&boot, "a third boot").expect("the boot's id");
    let memory = open(folder.path(), later);
    assert_eq!(memory.spend(spend(1, 7, later.seconds()), later).await, Answer::Spent);
    assert_eq!(memory.spend(spend(1, 8, later.seconds()), later).await, Answer::Fresh);
}
