//! Live credentials that came over plain HTTP: flagged once, with an audit entry and a letter to those who can roll them.

use keymint_app::ops::credentials;
use keymint_app::ops::exposures::flag;
use keymint_app::ops::people::{self, NewPerson};
use keymint_domain::mode::Mode;
use keymint_domain::role::Role;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::letters;
use keymint_testkit::TestDb;

use crate::house::{House, OPERATOR, plain};

async fn exposed_at(house: &House, key_id: &str) -> Option<UnixMs> {
    credentials::find(&house.app, OPERATOR, key_id).await.expect("it is there").seen.exposed_at
}

pub async fn an_exposed_key_is_flagged_once_and_those_who_can_roll_it_hear_of_it(it: TestDb) {
    let house = House::over(it).await;
    let (merchant, app) = house.approved("razorpay", "exposed").await;
    for role in [Role::Owner, Role::Admin, Role::Developer, Role::Viewer] {
        let email = format!("{role}@exposed.example");
        let password = SecretText::new("otter battery lamp canyon".to_owned());
        let new = NewPerson { email, name: "Somebody".to_owned(), password };
        people::make(&house.app, OPERATOR, merchant, role, new).await.expect("an account");
    }
    let key = house.issue(app, &plain(Mode::Live)).await.expect("a live key");
    let letters = async || {
        let mut conn = house.app.db.read().await.expect("a connection");
        let latest = letters::latest(&mut conn, 100).await.expect("it reads");
        let about = latest.into_iter().filter(|letter| letter.subject.contains("sent over plain HTTP"));
        let mut to: Vec<String> = about.map(|letter| letter.recipient).collect();
        to.sort();
        to
    };
    assert_eq!((exposed_at(&house, &key.key_id).await, letters().await.len()), (None, 0));
    let first = house.app.clock.now();
    flag(&house.app, &key.key_id).await.expect("it is flagged");
    house.clock.pass_seconds(60);
    flag(&house.app, &key.key_id).await.expect("it was flagged");
    assert_eq!(exposed_at(&house, &key.key_id).await, Some(first));
    assert_eq!(letters().await, ["admin@exposed.example", "owner@exposed.example"]);
    // What is changed of it later leaves the flag, and a successor begins without one.
    let next = house.roll(&key.key_id, 60).await.expect("it is rolled");
    assert_eq!(exposed_at(&house, &key.key_id).await, Some(first));
    assert_eq!(exposed_at(&house, &next.key_id).await, None);
    flag(&house.app, "rzp_live_nobodys").await.expect("nothing to flag");
}
