//! The secret of a gateway is made for those alone who see it afterwards.

use keymint_app::ops::marks::Mark;
use keymint_app::ops::{Actor, OpError, Proof, apps, gateways, roles};
use keymint_domain::role::{Act, Acts, Role};
use keymint_testkit::TestDb;

use crate::house::{House, new_app};
use crate::proofs::{owner_of, person};

pub async fn whoever_may_not_see_the_gateways_changes_none_of_them(it: TestDb) {
    let house = House::over(it).await;
    let one = person(&house, "gateways").await;
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let app =
        apps::make(&house.app, Actor::System, merchant, &new_app("kspay", "till"), None).await.expect("an app").id;
    let blind = Acts::default().with(Act::ManageTestCredentials).with(Act::ManageApps);
    let id = roles::put(&house.app, owner, merchant, None, ("Blind", blind)).await.expect("made");
    let of = |acts| Actor::Member(one.user, merchant, Role::Custom(id, acts), Proof::Fresh);
    let stands = async || {
        let lines = gateways::list(&house.app, owner, app).await.expect("it reads");
        lines.first().map(|line| (line.secret_made_at.is_some(), line.tick.is_some())).expect("one")
    };
    let made = gateways::make_secret(&house.app, of(blind), app, "razorpay").await.map(drop);
    assert!(matches!(made, Err(OpError::Forbidden)), "{made:?}");
    let marked = gateways::mark(&house.app, of(blind), app, ("razorpay", Mark::Done)).await.map(drop);
    assert!(matches!(marked, Err(OpError::Forbidden)), "{marked:?}");
    assert_eq!(stands().await, (false, false), "nothing has changed");
    let sighted = blind.with(Act::SeeRequests);
    gateways::make_secret(&house.app, of(sighted), app, "razorpay").await.expect("a secret");
    gateways::mark(&house.app, of(sighted), app, ("razorpay", Mark::Done)).await.expect("marked");
    assert_eq!(stands().await, (true, true));
}
