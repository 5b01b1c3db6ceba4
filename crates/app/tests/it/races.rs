//! Acts that meet: whatever comes out is what some order of them gives (T34), and everything that happened is written
//! down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use keymint_app::App;
use keymint_app::ops::apps::{self, AppState};
use keymint_app::ops::credentials::{self, Patch};
use keymint_app::ops::{OpError, audit, merchants, tokens};
use keymint_app::store_types::{Activation, AuditRow};
use keymint_domain::credential::{RevokeReason, State};
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_testkit::{Key, SeededEntropy, TestDb};

use crate::house::{DAY, House, OPERATOR, decide, new_app, new_merchant, plain, shown};

/// What somebody tries.
#[derive(Clone, Copy, Debug)]
enum Act {
    Issue,
    RollNow,
    RollLater,
    Revoke,
}

/// What came of it: the keys that were shown.
async fn attempt(app: App, app_id: AppId, key_id: String, act: Act) -> Result<Option<Key>, OpError> {
    let roll = async |grace| {
        let rolled = credentials::roll(&app, OPERATOR, &key_id, grace, None).await?;
        Ok(Some(shown(&rolled.made)))
    };
    match act {
        Act::Issue => {
            let made = credentials::issue(&app, OPERATOR, app_id, &plain(Mode::Test), None).await?;
            Ok(Some(shown(&made)))
        }
        Act::RollNow => roll(0).await,
        Act::RollLater => roll(DAY).await,
        Act::Revoke => {
            credentials::revoke(&app, OPERATOR, &key_id, RevokeReason::Other, None).await?;
            Ok(None)
        }
    }
}

/// The states that a merchant's credentials are in after these entries, in this order; panics where one of them was not
/// allowed.
fn explained(entries: &[AuditRow], active_max: usize) -> BTreeMap<String, State> {
    let mut states = BTreeMap::new();
    for entry in entries {
        let detail: serde_json::Value = serde_json::from_str(&entry.detail).expect("JSON");
        let before = states.get(&entry.subject).copied();
        match entry.action.as_str() {
            "credential.issued" => {
                assert_eq!(before, None, "issued twice");
                states.insert(entry.subject.clone(), State::Active);
            }
            "credential.rolled" => {
                assert_eq!(before, Some(State::Active), "only an active one is rolled");
                let is_over = detail["grace_seconds"] == 0;
                states.insert(entry.subject.clone(), if is_over { State::Revoked } else { State::Retiring });
                let successor = detail["successor"].as_str().expect("a key id").to_owned();
                assert_eq!(states.insert(successor, State::Active), None, "a successor is new");
            }
            "credential.revoked" => {
                assert!(matches!(before, Some(State::Active | State::Retiring)), "revoked twice");
                states.insert(entry.subject.clone(), State::Revoked);
            }
            _ => {}
        }
        let active = states.values().filter(|state| **state == State::Active).count();
        assert!(active <= active_max, "{active} active after entry {}", entry.seq);
    }
    states
}

async fn entries(house: &House) -> Vec<AuditRow> {
    let mut entries = audit::list(&house.app, OPERATOR, i64::MAX, 1_000_000).await.expect("it reads");
    entries.reverse();
    entries
}

pub async fn any_mix_of_issue_roll_and_revoke_is_explained_by_some_order(it: TestDb) {
    let house = House::over(it).await;
    let chance = SeededEntropy::new(34);
    for round in 0..40 {
        let product = if round % 4 == 0 { "keymint" } else { "razorpay" };
        let (merchant, app) = house.registered(product, &format!("mix{round}")).await;
        let first = house.issue(app, &plain(Mode::Test)).await.expect("it is issued");
        let acts: Vec<Act> = (0..8)
            .map(|_| {
                let index = usize::try_from(chance.below(5)).expect("small");
                [Act::Issue, Act::RollNow, Act::RollLater, Act::Revoke, Act::RollNow][index]
            })
            .collect();
        let tasks = acts.iter().map(|act| {
            let (shared, key_id, act) = (house.app.clone(), first.key_id.clone(), *act);
            tokio::spawn(attempt(shared, app, key_id, act))
        });
        let mut keys = vec![first.clone()];
        for task in tasks.collect::<Vec<_>>() {
            match task.await.expect("it ends") {
                Ok(key) => keys.extend(key),
                Err(OpError::Conflict { .. }) => {}
                Err(other) => panic!("{acts:?}: {other}"),
            }
        }
        let mut own = entries(&house).await;
        own.retain(|entry| entry.merchant_id == Some(merchant));
        let wanted = explained(&own, if product == "keymint" { 20 } else { 1 });
        let listed = credentials::list(&house.app, OPERATOR, app, "", 100).await.expect("it reads");
        let found: BTreeMap<_, _> =
            listed.into_iter().map(|view| (view.credential.key_id.clone(), view.state)).collect();
        assert_eq!(found, wanted, "{acts:?}");
        // Whoever holds a secret holds one of these, and it does what its state says.
        assert_eq!(keys.len(), found.len(), "{acts:?}");
        for key in &keys {
            let works = matches!(found.get(&key.key_id), Some(State::Active | State::Retiring));
            assert_eq!(house.decide(product, key).await.is_ok(), works, "{acts:?}");
        }
    }
}

pub async fn whatever_changed_is_written_in_four_places(it: TestDb) {
    let house = House::over(it).await;
    let mut done = 0;
    for n in 0..4 {
        house.approved("razorpay", &format!("storm{n}")).await;
        done += 3;
    }
    let tasks = (0..24).map(|n: u64| {
        let app = house.app.clone();
        tokio::spawn(async move {
            let mut done = 0;
            let mut count = |is_done: bool| done += i64::from(is_done);
            // Half of the names are taken: those are refused in the middle of their transaction.
            let made = merchants::make(&app, OPERATOR, &new_merchant(&format!("made{}", n / 2)), None).await;
            count(made.is_ok());
            let all = merchants::list(&app, OPERATOR, "", 4).await.expect("it reads");
            let merchant = all.get(usize::try_from(n % 4).expect("small")).expect("four").id;
            let registered = apps::make(&app, OPERATOR, merchant, &new_app("kpay", &format!("{}", n / 2)), None).await;
            count(registered.is_ok());
            let own = apps::list(&app, OPERATOR, merchant, "", 1).await.expect("it reads");
            let own = own.first().expect("one").id;
            let issued = credentials::issue(&app, OPERATOR, own, &plain(Mode::Live), None).await;
            count(issued.is_ok());
            if let Ok(made) = issued {
                let key_id = made.view.credential.key_id;
                count(credentials::patch(&app, OPERATOR, &key_id, &Patch::default()).await.is_ok());
                let rolled = credentials::roll(&app, OPERATOR, &key_id, DAY, None).await;
                count(rolled.is_ok());
                count(credentials::roll(&app, OPERATOR, &key_id, DAY, None).await.is_ok());
                let reason = RevokeReason::Unused;
                count(credentials::revoke(&app, OPERATOR, &key_id, reason, None).await.is_ok());
                credentials::revoke(&app, OPERATOR, &key_id, reason, None).await.expect("it was revoked before");
            }
            let token = tokens::make(&app, OPERATOR, Some(merchant), "one", None).await;
            count(token.is_ok());
            let (id, _) = token.expect("a token");
            count(tokens::revoke(&app, OPERATOR, id).await.is_ok());
            count(tokens::revoke(&app, OPERATOR, id).await.is_ok());
            count(apps::set_state(&app, OPERATOR, own, AppState::Enabled).await.is_ok());
            done
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        done += task.await.expect("it ends");
    }
    assert_eq!(house.traces().await, [done; 4]);
    assert_eq!(audit::verify(&house.app).await.expect("it reads"), audit::Finding::Intact { entries: done });
}

/// What issuers and the one who forbids them tell each other.
#[derive(Default)]
struct Race {
    is_over: AtomicBool,
    issued: AtomicUsize,
}

impl Race {
    /// Waits until so many were issued: the race is on, whatever the machine's load.
    async fn reaches(&self, count: usize) {
        while self.issued.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }
}

/// Issues live credentials until it is refused, and uses each.
async fn issue_on(app: App, app_id: AppId, race: Arc<Race>) -> Vec<Key> {
    let mut keys = Vec::new();
    for _ in 0..3 {
        let began_after = race.is_over.load(Ordering::SeqCst);
        match credentials::issue(&app, OPERATOR, app_id, &plain(Mode::Live), None).await {
            Ok(made) => {
                assert!(!began_after, "a live credential was issued after the answer that forbids it");
                keys.push(shown(&made));
                race.issued.fetch_add(1, Ordering::SeqCst);
                let _ = decide(&app, "keymint", keys.last().expect("one")).await;
            }
            Err(OpError::Conflict { code: "activation_required" | "app_disabled", .. }) => {}
            Err(other) => panic!("{other}"),
        }
        tokio::task::yield_now().await;
    }
    keys
}

pub async fn no_live_key_survives_a_suspension(it: TestDb) {
    let house = House::over(it).await;
    let mut issued = 0;
    for round in 0..25 {
        let (merchant, app) = house.approved("keymint", &format!("suspend{round}")).await;
        let race = Arc::new(Race::default());
        let tasks: Vec<_> = (0..6).map(|_| tokio::spawn(issue_on(house.app.clone(), app, Arc::clone(&race)))).collect();
        race.reaches(round % 5).await;
        house.activate(merchant, Activation::Suspended).await;
        race.is_over.store(true, Ordering::SeqCst);
        for task in tasks {
            for key in task.await.expect("it ends") {
                issued += 1;
                assert_eq!(house.decide("keymint", &key).await, Err(DenyReason::MerchantSuspended));
            }
        }
    }
    assert!(issued > 0, "nothing was issued before a suspension");
}

pub async fn a_disabled_app_issues_nothing(it: TestDb) {
    let house = House::over(it).await;
    let mut issued = 0;
    for round in 0..25 {
        let (_, app) = house.approved("keymint", &format!("disable{round}")).await;
        let race = Arc::new(Race::default());
        let tasks: Vec<_> = (0..6).map(|_| tokio::spawn(issue_on(house.app.clone(), app, Arc::clone(&race)))).collect();
        race.reaches(round % 5).await;
        apps::set_state(&house.app, OPERATOR, app, AppState::Disabled).await.expect("it is disabled");
        race.is_over.store(true, Ordering::SeqCst);
        for task in tasks {
            for key in task.await.expect("it ends") {
                issued += 1;
                assert_eq!(house.decide("keymint", &key).await, Err(DenyReason::AppDisabled));
            }
        }
    }
    assert!(issued > 0, "nothing was issued before");
}
