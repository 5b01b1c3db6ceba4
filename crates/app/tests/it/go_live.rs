//! The vendor's checklist before a person's first live key, and that whoever is live may have another one.

use keymint_app::ops::{Actor, OpError, Proof, apps, credentials, go_live};
use keymint_app::store_types::{Activation, AppRow};
use keymint_domain::credential::RevokeReason;
use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
use keymint_testkit::TestDb;

use crate::house::{House, new_app, plain};
use crate::proofs::{owner_of, person};

/// Somebody of a merchant that is approved, and two applications of KwikPaisa's, which share their keys.
async fn approved(house: &House, name: &str) -> (Actor, [AppRow; 2]) {
    let (merchant, owner) = owner_of(&person(house, name).await, Proof::Fresh);
    house.activate(merchant, Activation::Approved).await;
    (owner, [app_of(house, merchant, "till").await, app_of(house, merchant, "web").await])
}

async fn app_of(house: &House, merchant: MerchantId, name: &str) -> AppRow {
    let app = apps::make(&house.app, Actor::System, merchant, &new_app("kwikpaisa", name), None).await;
    app.expect("an app")
}

pub async fn whoever_was_live_makes_another_live_key_without_the_list_and_nobody_else_does(it: TestDb) {
    let house = House::over(it).await;
    let ((owner, [till, web]), (other, [theirs, _])) = (approved(&house, "live").await, approved(&house, "new").await);
    let make =
        async |actor, app: &AppRow, mode| credentials::issue(&house.app, actor, app.id, &plain(mode), None).await;
    let missing = async |actor, app: &AppRow| {
        let lists = go_live::of_app(&house.app, actor, app.id).await.expect("it reads");
        (lists.blocks_live_keys, lists.missing() > 0)
    };
    let waits = async |actor, app: &AppRow| {
        let refused = make(actor, app, Mode::Live).await.map(drop);
        assert!(matches!(refused, Err(OpError::Conflict { code: "go_live_incomplete", .. })), "{refused:?}");
        assert_eq!(missing(actor, app).await, (true, true), "the page says so, too");
    };
    waits(owner, &till).await;
    make(owner, &till, Mode::Test).await.expect("a test key waits for nothing");
    waits(owner, &till).await;
    let live = make(Actor::System, &till, Mode::Live).await.expect("scripts wait for nothing");
    for app in [&till, &web] {
        assert_eq!(missing(owner, app).await, (false, false));
    }
    let leaked = live.view.credential.key_id;
    credentials::revoke(&house.app, owner, &leaked, RevokeReason::Compromised, None).await.expect("revoked");
    assert_eq!(missing(owner, &web).await, (false, false));
    make(owner, &web, Mode::Live).await.expect("in the place of the one that leaked");
    waits(other, &theirs).await;
}
