//! From issue to end, by the clock and by hand.

use std::net::{IpAddr, Ipv4Addr};

use keymint_app::ops::apps::{self, AppState};
use keymint_app::ops::credentials::{self, NewCredential, Patch};
use keymint_app::ops::{Actor, OpError, merchants, tokens};
use keymint_app::store_types::Activation;
use keymint_domain::credential::State;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_testkit::TestDb;

use crate::house::{Arrival, DAY, House, OPERATOR, START, new_app, new_merchant, plain};

fn code<T>(refused: Result<T, OpError>) -> &'static str {
    match refused {
        Err(OpError::Conflict { code, .. }) => code,
        Err(OpError::NotFound(_)) => "not_found",
        Err(OpError::Field { field, .. }) => field,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was done"),
    }
}

async fn state(house: &House, key_id: &str) -> State {
    credentials::find(&house.app, OPERATOR, key_id).await.expect("it is there").state
}

pub async fn after_a_roll_the_old_one_works_until_exactly_its_end(it: TestDb) {
    let house = House::over(it).await;
    for (n, product) in ["razorpay", "keymint"].into_iter().enumerate() {
        house.clock.set(START);
        let old = house.key(product, &format!("grace{n}")).await;
        assert_eq!(house.decide(product, &old).await, Ok(()));
        let new = house.roll(&old.key_id, DAY).await.expect("it rolls");
        for (passed_ms, wanted) in [(0, Ok(())), (i64::from(DAY) * 1000 - 1, Ok(())), (1, Err(DenyReason::Expired))] {
            house.clock.pass_ms(passed_ms);
            assert_eq!(house.decide(product, &old).await, wanted, "{product} after {passed_ms} ms");
            assert_eq!(house.decide(product, &new).await, Ok(()));
        }
        assert_eq!(
            (state(&house, &old.key_id).await, state(&house, &new.key_id).await),
            (State::Expired, State::Active)
        );
        // Neither a cached record nor a fresh one lives longer.
        drop(house.app.mark(vec![old.key_id.clone()]));
        assert_eq!(house.decide(product, &old).await, Err(DenyReason::Expired));
    }
    let key = house.key("razorpay", "most").await;
    assert_eq!(code(house.roll(&key.key_id, 30 * DAY + 1).await), "grace_seconds");
    house.roll(&key.key_id, 30 * DAY).await.expect("thirty days are allowed");
}

pub async fn a_roll_without_grace_ends_the_old_one_at_once(it: TestDb) {
    let house = House::over(it).await;
    let old = house.key("razorpay", "now").await;
    assert_eq!(house.decide("razorpay", &old).await, Ok(()));
    let new = house.roll(&old.key_id, 0).await.expect("it rolls");
    assert_eq!(house.decide("razorpay", &old).await, Err(DenyReason::Revoked));
    assert_eq!(house.decide("razorpay", &new).await, Ok(()));
    // A clock that steps back brings nothing back (T30).
    house.clock.pass_seconds(-3600);
    assert_eq!(house.decide("razorpay", &old).await, Err(DenyReason::Revoked));
    assert_eq!(code(house.roll(&old.key_id, 0).await), "credential_ended");
}

pub async fn a_retiring_one_is_revoked_at_once(it: TestDb) {
    let house = House::over(it).await;
    let old = house.key("razorpay", "retiring").await;
    let new = house.roll(&old.key_id, DAY).await.expect("it rolls");
    assert_eq!(code(house.roll(&old.key_id, DAY).await), "credential_retiring");
    assert_eq!(house.decide("razorpay", &old).await, Ok(()));
    house.revoke(&old.key_id).await;
    assert_eq!(house.decide("razorpay", &old).await, Err(DenyReason::Revoked));
    assert_eq!(house.decide("razorpay", &new).await, Ok(()));
    house.revoke(&new.key_id).await;
    assert_eq!(house.decide("razorpay", &new).await, Err(DenyReason::Revoked));
}

pub async fn a_credential_works_until_exactly_its_expiry(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("keymint", "expiry").await;
    let until = |at: i64| NewCredential { expires_at: Some(UnixMs(at)), ..plain(Mode::Test) };
    for past in [START.0 - 1, START.0] {
        assert_eq!(code(house.issue(app, &until(past)).await), "expires_at");
    }
    let key = house.issue(app, &until(START.0 + 5000)).await.expect("it is issued");
    for (passed_ms, wanted) in
        [(0, Ok(())), (4999, Ok(())), (1, Err(DenyReason::Expired)), (1, Err(DenyReason::Expired))]
    {
        house.clock.pass_ms(passed_ms);
        assert_eq!(house.decide("keymint", &key).await, wanted, "after {passed_ms} ms");
    }
    // A successor ends when its predecessor would have; and grace is no way around an expiry.
    let key = house.issue(app, &until(START.0 + 10_000)).await.expect("it is issued");
    let next = house.roll(&key.key_id, DAY).await.expect("it rolls");
    house.clock.set(UnixMs(START.0 + 9_999));
    assert_eq!((house.decide("keymint", &key).await, house.decide("keymint", &next).await), (Ok(()), Ok(())));
    house.clock.pass_ms(1);
    for key in [&key, &next] {
        assert_eq!(house.decide("keymint", key).await, Err(DenyReason::Expired));
    }
}

pub async fn whatever_ended_by_time_makes_room_and_nothing_brings_it_back(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("razorpay", "room").await;
    let new = NewCredential { expires_at: Some(UnixMs(START.0 + 1000)), ..plain(Mode::Test) };
    let old = house.issue(app, &new).await.expect("it is issued");
    assert_eq!(code(house.issue(app, &plain(Mode::Test)).await), "credential_exists");
    house.clock.pass_ms(1000);
    let next = house.issue(app, &plain(Mode::Test)).await.expect("there is room");
    assert_eq!(house.decide("razorpay", &old).await, Err(DenyReason::Expired));
    assert_eq!(house.decide("razorpay", &next).await, Ok(()));
    let longer = Patch { expires_at: Some(None), ..Patch::default() };
    let patched = credentials::patch(&house.app, OPERATOR, &old.key_id, &longer).await;
    assert_eq!(code(patched.map(|_| ())), "credential_ended");
    assert_eq!(code(house.roll(&old.key_id, 0).await), "credential_ended");
    house.revoke(&old.key_id).await;
    assert_eq!(state(&house, &old.key_id).await, State::Revoked);
}

pub async fn a_disabled_app_stops_its_keys_until_it_is_enabled(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, app) = house.registered("keymint", "toggle").await;
    let other =
        apps::make(&house.app, OPERATOR, merchant, &new_app("keymint", "other"), None).await.expect("an app").id;
    let mut keys = Vec::new();
    for app in [app, app, other] {
        keys.push(house.issue(app, &plain(Mode::Test)).await.expect("it is issued"));
        assert_eq!(house.decide("keymint", keys.last().expect("one")).await, Ok(()));
    }
    for _ in 0..3 {
        apps::set_state(&house.app, OPERATOR, app, AppState::Disabled).await.expect("it is disabled");
        let decided = [house.decide("keymint", &keys[0]).await, house.decide("keymint", &keys[1]).await];
        assert_eq!(decided, [Err(DenyReason::AppDisabled); 2]);
        assert_eq!(house.decide("keymint", &keys[2]).await, Ok(()), "another app's");
        assert_eq!(code(house.issue(app, &plain(Mode::Test)).await), "app_disabled");
        assert_eq!(code(house.roll(&keys[0].key_id, 0).await), "app_disabled");
        apps::set_state(&house.app, OPERATOR, app, AppState::Enabled).await.expect("it is enabled");
        for key in &keys {
            assert_eq!(house.decide("keymint", key).await, Ok(()));
        }
    }
    // What was revoked in between stays so.
    apps::set_state(&house.app, OPERATOR, app, AppState::Disabled).await.expect("it is disabled");
    house.revoke(&keys[0].key_id).await;
    apps::set_state(&house.app, OPERATOR, app, AppState::Enabled).await.expect("it is enabled");
    assert_eq!(house.decide("keymint", &keys[0]).await, Err(DenyReason::Revoked));
}

pub async fn live_needs_an_approved_merchant(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, app) = house.registered("keymint", "live").await;
    house.issue(app, &plain(Mode::Test)).await.expect("test needs nothing");
    for activation in [Activation::Pending, Activation::Rejected, Activation::Suspended] {
        house.activate(merchant, activation).await;
        assert_eq!(code(house.issue(app, &plain(Mode::Live)).await), "activation_required");
    }
    house.activate(merchant, Activation::Approved).await;
    let key = house.issue(app, &plain(Mode::Live)).await.expect("it is issued");
    assert_eq!(house.decide("keymint", &key).await, Ok(()));
    let actor = Actor::Merchant(
        tokens::make(&house.app, OPERATOR, Some(merchant), "own", None).await.expect("one").0,
        merchant,
    );
    let own = merchants::set_activation(&house.app, actor, merchant, Activation::Approved, None).await;
    assert!(matches!(own, Err(OpError::Forbidden)), "nobody approves itself");
}

pub async fn a_suspended_merchant_keeps_its_test_keys_and_no_live_one(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, app) = house.approved("keymint", "suspended").await;
    let (_, other) = house.approved("keymint", "untouched").await;
    let test = house.issue(app, &plain(Mode::Test)).await.expect("it is issued");
    let live = house.issue(app, &plain(Mode::Live)).await.expect("it is issued");
    let foreign = house.issue(other, &plain(Mode::Live)).await.expect("it is issued");
    for activation in [Activation::Suspended, Activation::Rejected, Activation::Pending] {
        house.activate(merchant, Activation::Approved).await;
        assert_eq!(house.decide("keymint", &live).await, Ok(()));
        house.activate(merchant, activation).await;
        assert_eq!(house.decide("keymint", &live).await, Err(DenyReason::MerchantSuspended));
        assert_eq!((house.decide("keymint", &test).await, house.decide("keymint", &foreign).await), (Ok(()), Ok(())));
        assert_eq!(code(house.roll(&live.key_id, DAY).await), "activation_required");
    }
}

pub async fn what_is_narrowed_is_narrow_when_the_change_returns(it: TestDb) {
    let house = House::over(it).await;
    let key = house.key("keymint", "narrow").await;
    let from = |address: [u8; 4]| Arrival {
        client_ip: IpAddr::V4(Ipv4Addr::from(address)),
        ..Arrival::showing("keymint", &key)
    };
    let (inside, outside) = (from([203, 0, 113, 9]), from([198, 51, 100, 9]));
    assert_eq!(outside.decided_by(&house.app).await, Ok(()));
    let patch = async |patch: Patch| {
        credentials::patch(&house.app, OPERATOR, &key.key_id, &patch).await.expect("it is changed");
    };
    patch(Patch { allowed_ips: Some(vec!["203.0.113.0/24".to_owned()]), ..Patch::default() }).await;
    assert_eq!(outside.decided_by(&house.app).await, Err(DenyReason::IpNotAllowed));
    assert_eq!(inside.decided_by(&house.app).await, Ok(()));
    patch(Patch { scopes: Some(vec!["write".to_owned()]), ..Patch::default() }).await;
    let post = Arrival { method: "POST".to_owned(), ..inside.clone() };
    patch(Patch { scopes: Some(vec!["read".to_owned()]), ..Patch::default() }).await;
    assert_eq!(inside.decided_by(&house.app).await, Ok(()));
    assert_eq!(post.decided_by(&house.app).await, Err(DenyReason::ScopeMissing));
    patch(Patch { expires_at: Some(Some(UnixMs(START.0 + 1))), ..Patch::default() }).await;
    house.clock.pass_ms(1);
    assert_eq!(inside.decided_by(&house.app).await, Err(DenyReason::Expired));
}

pub async fn what_is_absent_and_what_is_foreign_look_the_same(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, _) = house.registered("keymint", "own").await;
    let key = house.key("keymint", "foreign").await;
    let (id, _) = tokens::make(&house.app, OPERATOR, Some(merchant), "own", None).await.expect("a token");
    let actor = Actor::Merchant(id, merchant);
    // A key id comes out of an address, where any byte may stand.
    for key_id in [key.key_id.as_str(), "km_test_none", "", "a\0b", "\u{10ffff}", "' OR 1=1 --", &"x".repeat(9000)] {
        let found = credentials::find(&house.app, actor, key_id).await.map(|_| ());
        assert_eq!(code(found), "not_found", "{key_id:?}");
        let rolled = credentials::roll(&house.app, actor, key_id, 0, None).await.map(|_| ());
        assert_eq!(code(rolled), "not_found", "{key_id:?}");
        let patched = credentials::patch(&house.app, actor, key_id, &Patch::default()).await.map(|_| ());
        assert_eq!(code(patched), "not_found", "{key_id:?}");
        let reason = keymint_domain::credential::RevokeReason::Unused;
        let revoked = credentials::revoke(&house.app, actor, key_id, reason, None).await.map(|_| ());
        assert_eq!(code(revoked), "not_found", "{key_id:?}");
    }
    assert_eq!(house.decide("keymint", &key).await, Ok(()));
    let foreign = merchants::make(&house.app, actor, &new_merchant("x"), None).await;
    assert!(matches!(foreign, Err(OpError::Forbidden)));
}

pub async fn what_can_be_used_is_listed_apart_from_what_has_ended_to_the_millisecond(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("keymint", "list").await;
    let issue = async |expires_at: Option<UnixMs>| {
        house.clock.pass_ms(1);
        house.issue(app, &NewCredential { expires_at, ..plain(Mode::Test) }).await.expect("issued").key_id
    };
    let (stays, revoked, old) = (issue(None).await, issue(None).await, issue(None).await);
    let end = house.app.clock.now().plus_seconds(i64::from(DAY));
    let expires = issue(Some(end)).await;
    house.revoke(&revoked).await;
    house.clock.pass_ms(1);
    let until = house.app.clock.now().plus_seconds(i64::from(DAY));
    let new = house.roll(&old, DAY).await.expect("rolled").key_id;
    let ids = |found: Result<Vec<credentials::View>, OpError>| {
        found.expect("it reads").into_iter().map(|view| view.credential.key_id).collect::<Vec<_>>()
    };
    let living = async || ids(credentials::living(&house.app, OPERATOR, app, Mode::Test).await);
    let ended = async |below: &str, limit: i64| {
        credentials::ended_below(&house.app, OPERATOR, (app, Mode::Test), (below, limit)).await
    };
    let newest = credentials::NEWEST;
    assert_eq!(living().await, [&new, &expires, &old, &stays].map(String::clone), "the newest first");
    assert_eq!(ids(ended(newest, 9).await), std::slice::from_ref(&revoked));
    house.clock.set(UnixMs(end.0 - 1));
    assert_eq!(living().await.len(), 4);
    house.clock.set(end);
    assert_eq!(living().await, [&new, &old, &stays].map(String::clone), "it expires to the millisecond");
    house.clock.set(until);
    assert_eq!(living().await, [&new, &stays].map(String::clone), "and so does a grace");
    assert_eq!(ids(ended(newest, 9).await), [&expires, &old, &revoked].map(String::clone));
    let first = ended(newest, 1).await.expect("it reads");
    let last = first.last().expect("one").credential.id.to_string();
    assert_eq!(ids(ended(&last, 9).await), [&old, &revoked].map(String::clone), "page by page");
    assert!(ids(credentials::living(&house.app, OPERATOR, app, Mode::Live).await).is_empty());
    let (other, _) = house.registered("keymint", "other").await;
    let stranger = Actor::Merchant("tok_00000000000000000000000000".parse().expect("an id"), other);
    assert_eq!(code(credentials::living(&house.app, stranger, app, Mode::Test).await), "not_found");
    assert_eq!(code(credentials::ended_below(&house.app, stranger, (app, Mode::Test), (newest, 9)).await), "not_found");
}

pub async fn a_token_stands_for_somebody_from_when_it_is_made_until_it_is_revoked(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, _) = house.registered("keymint", "holder").await;
    let make = async |bound| {
        let made = tokens::make(&house.app, OPERATOR, bound, "one", None).await.expect("a token");
        (made.0, made.1.expect("its text"))
    };
    let (own, other) = (make(Some(merchant)).await, make(None).await);
    let asks = async |text: &SecretText| tokens::actor_of(&house.app, text.expose()).await.expect("it reads");
    for _ in 0..2 {
        assert_eq!(asks(&own.1).await, Some(Actor::Merchant(own.0, merchant)));
        assert_eq!(asks(&other.1).await, Some(Actor::Operator(other.0)));
    }
    tokens::revoke(&house.app, OPERATOR, own.0).await.expect("revoked");
    for _ in 0..2 {
        assert_eq!(asks(&own.1).await, None);
        assert_eq!(asks(&other.1).await, Some(Actor::Operator(other.0)), "the other one stays");
    }
}
