//! A database knows its key ring: without it nothing starts, and a retired key goes on opening what it made.

use keymint_app::StartError;
use keymint_app::ops::audit;
use keymint_domain::mode::Mode;
use keymint_testkit::TestDb;

use crate::house::{DAY, House, Plan, plain, ring, start};

fn plan(lines: &[String]) -> Plan {
    Plan { ring: lines.concat(), ..Plan::default() }
}

pub async fn a_database_of_another_ring_does_not_start(it: TestDb) {
    let house = House::over(it).await;
    let key = house.key("keymint", "ring").await;
    let House { app, clock, entropy, place, data } = house;
    drop(app);
    for lines in [vec![ring("k1", '2')], vec![ring("k2", '2')], vec![ring("k2", '2'), ring("k1", '3')]] {
        let db = place.open_when_free().await.expect("the database opens again");
        let started = start(db, data.path(), &plan(&lines), (&clock, &entropy)).await;
        assert!(matches!(started, Err(StartError::OtherKeyring)), "it started with {lines:?}");
    }
    // And with its own it still does: the refusals have changed nothing.
    let db = place.open_when_free().await.expect("the database opens again");
    let app = start(db, data.path(), &Plan::default(), (&clock, &entropy)).await.expect("it starts");
    assert_eq!(crate::house::decide(&app, "keymint", &key).await, Ok(()));
}

pub async fn a_new_key_in_front_of_the_old_one_changes_nothing_for_anybody(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("keymint", "ring").await;
    let hashed = house.issue(app, &plain(Mode::Test)).await.expect("it is issued");
    let (_, app) = house.registered("razorpay", "sealed").await;
    let other = house.issue(app, &plain(Mode::Test)).await.expect("it is issued");
    let house = house.restarted(&plan(&[ring("k2", '2'), ring("k1", '1')])).await.expect("it starts");
    assert_eq!(house.decide("keymint", &hashed).await, Ok(()));
    assert_eq!(house.decide("razorpay", &other).await, Ok(()));
    let next = house.roll(&hashed.key_id, DAY).await.expect("it rolls");
    for key in [&hashed, &next] {
        assert_eq!(house.decide("keymint", key).await, Ok(()));
    }
    // The order of the lines says which one makes, not which ones open.
    let house = house.restarted(&plan(&[ring("k1", '1'), ring("k2", '2')])).await.expect("it starts");
    for key in [&hashed, &next] {
        assert_eq!(house.decide("keymint", key).await, Ok(()));
    }
    assert!(matches!(audit::verify(&house.app).await, Ok(audit::Finding::Intact { .. })));
}

pub async fn without_the_retired_key_nothing_of_it_is_accepted(it: TestDb) {
    let house = House::over(it).await;
    let old = house.key("keymint", "old").await;
    let both = plan(&[ring("k2", '2'), ring("k1", '1')]);
    let house = house.restarted(&both).await.expect("it starts");
    house.revoke(&old.key_id).await;
    let new = house.key("keymint", "new").await;
    let House { app, clock, entropy, place, data } = house;
    drop(app);
    let db = place.open_when_free().await.expect("the database opens again");
    let started = start(db, data.path(), &plan(&[ring("k2", '2')]), (&clock, &entropy)).await;
    assert!(matches!(started, Err(StartError::OtherKeyring)), "it started");
    let db = place.open_when_free().await.expect("the database opens again");
    let app = start(db, data.path(), &both, (&clock, &entropy)).await.expect("it starts");
    assert_eq!(crate::house::decide(&app, "keymint", &new).await, Ok(()));
    assert!(crate::house::decide(&app, "keymint", &old).await.is_err());
}
