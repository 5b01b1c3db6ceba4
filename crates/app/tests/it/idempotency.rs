//! The same call twice is one call (T38, T39).

use std::collections::BTreeSet;

use keymint_app::ops::apps;
use keymint_app::ops::credentials::{self, Made};
use keymint_app::ops::idempotency::{REMEMBERED_MS, Repeat};
use keymint_app::ops::{Actor, OpError, merchants, tokens};
use keymint_domain::credential::State;
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_testkit::TestDb;

use crate::house::{DAY, House, OPERATOR, new_app, new_merchant, plain, shown};

fn repeat(key: &str, operation: &str) -> Repeat {
    Repeat::new(key, operation, b"{}").expect("a key")
}

fn code<T>(refused: Result<T, OpError>) -> &'static str {
    match refused {
        Err(OpError::Conflict { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was done"),
    }
}

async fn issue(house: &House, actor: Actor, app: AppId, repeat: &Repeat) -> Result<Made, OpError> {
    credentials::issue(&house.app, actor, app, &plain(Mode::Test), Some(repeat)).await
}

async fn list(house: &House, app: AppId) -> Vec<credentials::View> {
    credentials::list(&house.app, OPERATOR, app, "", 100).await.expect("it reads")
}

pub async fn the_same_call_again_answers_the_same_without_its_secret(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("keymint", "again").await;
    let call = repeat("one", "issue");
    let first = shown(&issue(&house, OPERATOR, app, &call).await.expect("it is issued"));
    let head = house.head().await;
    for _ in 0..3 {
        let again = issue(&house, OPERATOR, app, &call).await.expect("it is answered");
        assert_eq!(again.view.credential.key_id, first.key_id);
        assert!(again.secret.is_none(), "a secret was shown twice");
    }
    let call = repeat("two", "roll");
    let rolled = credentials::roll(&house.app, OPERATOR, &first.key_id, DAY, Some(&call)).await.expect("it rolls");
    let second = shown(&rolled.made);
    for _ in 0..3 {
        let again = credentials::roll(&house.app, OPERATOR, &first.key_id, DAY, Some(&call)).await.expect("answered");
        assert_eq!(again.made.view.credential.key_id, second.key_id);
        assert_eq!(again.previous.credential.key_id, first.key_id);
        assert_eq!((again.previous.state, again.made.view.state), (State::Retiring, State::Active));
        assert!(again.made.secret.is_none(), "a secret was shown twice");
    }
    assert_eq!(house.head().await, head + 1, "a repeat changes nothing");
    assert_eq!(list(&house, app).await.len(), 2);
    // The answer says how things stand now, and a lost secret has its way out: one call more.
    house.revoke(&second.key_id).await;
    let again = credentials::roll(&house.app, OPERATOR, &first.key_id, DAY, Some(&call)).await.expect("answered");
    assert_eq!(again.made.view.state, State::Revoked);
    let next = issue(&house, OPERATOR, app, &repeat("three", "issue")).await.expect("it is issued");
    assert_eq!(house.decide("keymint", &shown(&next)).await, Ok(()));
}

pub async fn another_body_or_another_call_is_refused(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, app) = house.registered("keymint", "other").await;
    let key = shown(&issue(&house, OPERATOR, app, &repeat("one", "issue")).await.expect("it is issued"));
    let head = house.head().await;
    for other in [repeat("one", "issue elsewhere"), Repeat::new("one", "issue", b"{} ").expect("a key")] {
        assert_eq!(code(issue(&house, OPERATOR, app, &other).await), "idempotency_key_reused");
        let rolled = credentials::roll(&house.app, OPERATOR, &key.key_id, 0, Some(&other)).await;
        assert_eq!(code(rolled), "idempotency_key_reused");
        let made = merchants::make(&house.app, OPERATOR, &new_merchant("x"), Some(&other)).await;
        assert_eq!(code(made), "idempotency_key_reused");
        let made = apps::make(&house.app, OPERATOR, merchant, &new_app("kpay", "x"), Some(&other)).await;
        assert_eq!(code(made), "idempotency_key_reused");
    }
    assert_eq!(house.head().await, head);
    assert_eq!(house.decide("keymint", &key).await, Ok(()));
    for bad in ["", " ", "a b", "ä", "a\u{7f}", &"x".repeat(256)] {
        assert!(matches!(Repeat::new(bad, "issue", b""), Err(OpError::Field { .. })), "{bad:?}");
    }
    assert!(Repeat::new(&"x".repeat(255), "issue", b"").is_ok());
}

pub async fn twenty_at_once_make_one_credential_and_show_one_secret(it: TestDb) {
    let house = House::over(it).await;
    for round in 0..5 {
        let (_, app) = house.registered("keymint", &format!("crowd{round}")).await;
        let calls = (0..20).map(|_| {
            let (shared, call) = (house.app.clone(), repeat(&format!("crowd{round}"), "issue"));
            tokio::spawn(async move {
                let made = credentials::issue(&shared, OPERATOR, app, &plain(Mode::Test), Some(&call)).await;
                let made = made.expect("it is answered");
                let key_id = made.view.credential.key_id.clone();
                // Whoever has an answer finds what it tells of, whatever happens to the process next.
                credentials::find(&shared, OPERATOR, &key_id).await.expect("what was answered is on disk");
                (key_id, made.secret.is_some())
            })
        });
        let mut answers = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            answers.push(call.await.expect("it ends"));
        }
        assert_eq!(answers.iter().filter(|(_, has_secret)| *has_secret).count(), 1, "secrets shown");
        assert_eq!(answers.iter().map(|(key_id, _)| key_id).collect::<BTreeSet<_>>().len(), 1);
        assert_eq!(list(&house, app).await.len(), 1);
    }
}

pub async fn twenty_rolls_at_once_make_one_successor(it: TestDb) {
    let house = House::over(it).await;
    for (round, grace) in [(0, 0), (1, DAY), (2, 0)] {
        let key = house.key("razorpay", &format!("crowd{round}")).await;
        let calls = (0..20).map(|_| {
            let (shared, call, key_id) = (house.app.clone(), repeat(&key.key_id, "roll"), key.key_id.clone());
            tokio::spawn(async move {
                let rolled = credentials::roll(&shared, OPERATOR, &key_id, grace, Some(&call)).await;
                let made = rolled.expect("it is answered").made;
                let key_id = made.view.credential.key_id.clone();
                credentials::find(&shared, OPERATOR, &key_id).await.expect("what was answered is on disk");
                (key_id, made.secret.is_some())
            })
        });
        let mut answers = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            answers.push(call.await.expect("it ends"));
        }
        assert_eq!(answers.iter().filter(|(_, has_secret)| *has_secret).count(), 1, "secrets shown");
        assert_eq!(answers.iter().map(|(key_id, _)| key_id).collect::<BTreeSet<_>>().len(), 1);
        assert_eq!(list(&house, key.app_id.parse().expect("an id")).await.len(), 2);
    }
}

pub async fn merchants_and_apps_are_made_once(it: TestDb) {
    let house = House::over(it).await;
    let calls = (0..20).map(|_| {
        let shared = house.app.clone();
        tokio::spawn(async move {
            let call = repeat("merchant", "merchants");
            let merchant = merchants::make(&shared, OPERATOR, &new_merchant("once"), Some(&call)).await.expect("made");
            let call = repeat("app", "apps");
            let app = apps::make(&shared, OPERATOR, merchant.id, &new_app("kpay", "once"), Some(&call)).await;
            let app = app.expect("made").id;
            apps::find(&shared, OPERATOR, app).await.expect("what was answered is on disk");
            (merchant.id, app)
        })
    });
    let mut made = BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        made.insert(call.await.expect("it ends"));
    }
    assert_eq!(made.len(), 1);
    assert_eq!(house.head().await, 2);
}

pub async fn the_same_key_of_another_actor_is_another(it: TestDb) {
    let house = House::over(it).await;
    let mut keys = BTreeSet::new();
    for name in ["a", "b"] {
        let (merchant, app) = house.registered("keymint", name).await;
        let (id, _) = tokens::make(&house.app, OPERATOR, Some(merchant), name, None).await.expect("a token");
        let made = issue(&house, Actor::Merchant(id, merchant), app, &repeat("same", "issue")).await.expect("issued");
        keys.insert(shown(&made).key_id);
    }
    assert_eq!(keys.len(), 2);
}

pub async fn a_call_that_was_refused_is_not_remembered(it: TestDb) {
    let house = House::over(it).await;
    let key = house.key("razorpay", "refused").await;
    let app = key.app_id.parse().expect("an id");
    let call = repeat("one", "issue");
    assert_eq!(code(issue(&house, OPERATOR, app, &call).await), "credential_exists");
    house.revoke(&key.key_id).await;
    let made = issue(&house, OPERATOR, app, &call).await.expect("there is room now");
    assert!(made.secret.is_some());
}

pub async fn a_key_may_be_used_again_after_a_week(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("keymint", "week").await;
    let first = issue(&house, OPERATOR, app, &repeat("one", "issue")).await.expect("it is issued");
    house.clock.pass_ms(REMEMBERED_MS);
    issue(&house, OPERATOR, app, &repeat("two", "issue")).await.expect("it is issued");
    let again = issue(&house, OPERATOR, app, &repeat("one", "issue")).await.expect("it is answered");
    assert_eq!(again.view.credential.key_id, first.view.credential.key_id);
    house.clock.pass_ms(1);
    issue(&house, OPERATOR, app, &repeat("three", "issue")).await.expect("it is issued");
    let other = issue(&house, OPERATOR, app, &repeat("one", "other")).await.expect("it is issued");
    assert!(other.secret.is_some());
}
