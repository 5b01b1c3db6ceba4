//! Revoked means revoked: from the moment in which a change has answered, nothing that it ended is accepted (T32, T40,
//! T41), also when two act at once, when the caller vanishes, or when the process before died in the middle.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use keymint_app::App;
use keymint_app::ops::apps::{self, AppState};
use keymint_app::ops::credentials::{self, Patch};
use keymint_app::ops::merchants;
use keymint_app::store_types::Activation;
use keymint_domain::credential::{RevokeReason, State};
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_store::ledger;
use keymint_testkit::{FixedClock, Key, SeededEntropy, TestDb, cut_off_after};

use crate::house::{DAY, House, OPERATOR, Plan, START, decide, plain, start};

/// Longest wait for something that is under way.
const SOON: Duration = Duration::from_secs(20);

/// A change after which a live key from this address is not accepted.
#[derive(Clone, Copy, Debug)]
enum End {
    Revoke,
    RollNow,
    RevokeRetiring,
    DisableApp,
    Suspend,
    Narrow,
}

const ENDS: [End; 6] = [End::Revoke, End::RollNow, End::RevokeRetiring, End::DisableApp, End::Suspend, End::Narrow];

/// Who acts on what.
struct Target {
    app: App,
    key: Key,
    owner: (MerchantId, AppId),
}

async fn revoke(app: &App, key_id: &str) {
    credentials::revoke(app, OPERATOR, key_id, RevokeReason::Compromised, None).await.expect("it is revoked");
}

async fn end(target: &Target, how: End) {
    let (app, key_id, (merchant, app_id)) = (&target.app, target.key.key_id.as_str(), target.owner);
    match how {
        End::Revoke | End::RevokeRetiring => revoke(app, key_id).await,
        End::RollNow => drop(credentials::roll(app, OPERATOR, key_id, 0, None).await.expect("it rolls")),
        End::DisableApp => {
            apps::set_state(app, OPERATOR, app_id, AppState::Disabled).await.expect("it is disabled");
        }
        End::Suspend => {
            let suspended = Activation::Suspended;
            merchants::set_activation(app, OPERATOR, merchant, suspended, None).await.expect("it is suspended");
        }
        End::Narrow => {
            let patch = Patch { allowed_ips: Some(vec!["203.0.113.0/24".to_owned()]), ..Patch::default() };
            credentials::patch(app, OPERATOR, key_id, &patch).await.expect("it is narrowed");
        }
    }
}

async fn target(house: &House, name: &str, how: End) -> Target {
    let owner = house.approved("keymint", name).await;
    let key = house.issue(owner.1, &plain(Mode::Live)).await.expect("it is issued");
    if matches!(how, End::RevokeRetiring) {
        house.roll(&key.key_id, DAY).await.expect("it rolls");
    }
    Target { app: house.app.clone(), key, owner }
}

/// Requests that began before and after the change returned.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    before: AtomicUsize,
    after: AtomicUsize,
    accepted_after: AtomicUsize,
}

/// Sends requests until some began after the end.
async fn hammer(target: Arc<Target>, seen: Arc<Seen>) {
    let mut late = 0;
    while late < 10 {
        let is_over = seen.is_over.load(Ordering::SeqCst);
        let decided = decide(&target.app, "keymint", &target.key).await;
        if is_over {
            late += 1;
            seen.after.fetch_add(1, Ordering::SeqCst);
            seen.accepted_after.fetch_add(usize::from(decided.is_ok()), Ordering::SeqCst);
        } else {
            seen.before.fetch_add(1, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
    }
}

/// Takes the record out of the cache all the time, as a small cache does: so readings are under way at every moment.
async fn evict(target: Arc<Target>, seen: Arc<Seen>) {
    while !seen.is_over.load(Ordering::SeqCst) {
        drop(target.app.mark(vec![target.key.key_id.clone()]));
        tokio::task::yield_now().await;
    }
}

pub async fn nothing_is_accepted_after_a_change_that_ends_it_returned(it: TestDb) {
    let house = House::over(it).await;
    let (mut before, mut after) = (0, 0);
    for round in 0..12 {
        for how in ENDS {
            let target = Arc::new(target(&house, &format!("hammer{round}{how:?}"), how).await);
            let seen = Arc::new(Seen::default());
            let mut tasks: Vec<_> =
                (0..8).map(|_| tokio::spawn(hammer(Arc::clone(&target), Arc::clone(&seen)))).collect();
            if round % 2 == 0 {
                tasks.push(tokio::spawn(evict(Arc::clone(&target), Arc::clone(&seen))));
            }
            while seen.before.load(Ordering::SeqCst) < 50 {
                tokio::task::yield_now().await;
            }
            end(&target, how).await;
            seen.is_over.store(true, Ordering::SeqCst);
            for task in tasks {
                task.await.expect("it ends");
            }
            assert_eq!(seen.accepted_after.load(Ordering::SeqCst), 0, "{how:?} in round {round}");
            before += seen.before.load(Ordering::SeqCst);
            after += seen.after.load(Ordering::SeqCst);
        }
    }
    assert!(before >= 3000 && after >= 3000, "{before} before and {after} after are too few to say anything");
}

/// The writer commits on a thread of its own, and whoever reads the database may see it before the task that waits for
/// it runs: here that task cannot run at all.
#[tokio::test(flavor = "current_thread")]
async fn what_can_be_read_as_ended_is_not_accepted_even_before_the_change_has_answered() {
    let house = House::over(TestDb::sqlite().await).await;
    for how in ENDS {
        let target = target(&house, &format!("read{how:?}"), how).await;
        assert_eq!(decide(&house.app, "keymint", &target.key).await, Ok(()), "it is in the cache");
        let before = house.head().await;
        let mut ending = pin!(tokio::task::unconstrained(end(&target, how)));
        // Nothing in this loop waits, so no other task has a turn.
        while house.head().await == before {
            let early = std::future::poll_fn(|context| Poll::Ready(ending.as_mut().poll(context).is_ready()));
            assert!(!early.await, "{how:?} has answered");
            assert!(decide(&house.app, "keymint", &target.key).await.is_ok() || house.head().await > before, "{how:?}");
        }
        assert!(decide(&house.app, "keymint", &target.key).await.is_err(), "{how:?} is committed");
        ending.await;
        assert!(decide(&house.app, "keymint", &target.key).await.is_err(), "{how:?} has answered");
    }
}

pub async fn each_of_two_revocations_at_once_is_true_when_it_answers(it: TestDb) {
    let house = House::over(it).await;
    for round in 0..30 {
        let key = house.key("keymint", &format!("twice{round}")).await;
        assert_eq!(house.decide("keymint", &key).await, Ok(()));
        let calls = (0..6).map(|_| {
            let (app, key) = (house.app.clone(), key.clone());
            tokio::spawn(async move {
                revoke(&app, &key.key_id).await;
                let decided = decide(&app, "keymint", &key).await;
                let state = credentials::find(&app, OPERATOR, &key.key_id).await.expect("it is there").state;
                (decided.is_err(), state)
            })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.expect("it ends"), (true, State::Revoked), "round {round}");
        }
    }
}

/// A client may hang up at any moment, and its call's future is dropped there. The change has then happened or not; what
/// the cache says and what the database says is the same.
pub async fn a_change_whose_caller_vanished_is_whole(it: TestDb) {
    let house = House::over(it).await;
    let mut ended = 0;
    for steps in 0..90 {
        let how = [End::Revoke, End::RollNow, End::DisableApp][steps % 3];
        let target = target(&house, &format!("vanish{steps}"), how).await;
        assert_eq!(decide(&house.app, "keymint", &target.key).await, Ok(()));
        cut_off_after(steps / 3, end(&target, how)).await;
        // Changes come one after the other: once this one is there, the one before has happened or never will.
        house.merchant(&format!("after{steps}")).await;
        let agreed = async {
            loop {
                let stored = credentials::find(&house.app, OPERATOR, &target.key.key_id).await.expect("it is there");
                let app = apps::find(&house.app, OPERATOR, target.owner.1).await.expect("it is there");
                let has_ended = stored.state == State::Revoked || !app.is_enabled;
                if has_ended == decide(&house.app, "keymint", &target.key).await.is_err() {
                    break has_ended;
                }
                tokio::task::yield_now().await;
            }
        };
        let has_ended = tokio::time::timeout(SOON, agreed).await;
        ended += usize::from(has_ended.unwrap_or_else(|_| panic!("{how:?}: ended and accepted, after {steps} steps")));
    }
    assert!((1..90).contains(&ended), "{ended} of 90 happened: they were not cut off in different places");
}

/// The session of a process that was killed may still be at its last commit when the next process starts. What that
/// commit ends must not be in the new one's cache.
pub async fn what_the_process_before_left_half_done_is_waited_for(it: TestDb) {
    let (clock, entropy) = (FixedClock::at(START), SeededEntropy::new(1));
    let data = tempfile::tempdir().expect("a folder");
    let plan = Plan::default();
    let mut last = it.db.write().await.expect("it begins");
    ledger::next(last.conn()).await.expect("it advances");
    let mut starting = pin!(start(it.db.clone(), data.path(), &plan, (&clock, &entropy)));
    let early = tokio::time::timeout(Duration::from_millis(500), starting.as_mut()).await;
    assert!(early.is_err(), "it serves while a change is under way");
    drop(last);
    let app = tokio::time::timeout(SOON, starting).await.expect("it goes on").expect("it starts");
    assert!(app.is_serving());
}
