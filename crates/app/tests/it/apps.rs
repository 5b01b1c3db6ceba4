//! Apps as people register them: what two at once cannot both have, the company that comes first, and domains and
//! providers under whoever writes to the database.

use keymint_app::ops::apps::{self, COMPANY_REQUIRED, NewApp};
use keymint_app::ops::companies::{self, NewCompany};
use keymint_app::ops::{Actor, OpError, Proof, domains, providers};
use keymint_app::store_types::StoreError;
use keymint_domain::id::{MerchantId, UserId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Role;
use keymint_testkit::TestDb;

use crate::house::{House, OPERATOR, new_app, plain};

fn person(house: &House, merchant: MerchantId) -> Actor {
    let now = keymint_domain::time::Clock::now(&*house.clock);
    let user = UserId::fresh(now, &*house.entropy).expect("random bytes");
    Actor::Member(user, merchant, Role::Owner, Proof::Missing)
}

fn company() -> NewCompany {
    NewCompany {
        name: "Shop Ltd".to_owned(),
        address: "12 MG Road".to_owned(),
        country: "IN".to_owned(),
        postal_code: "560001".to_owned(),
        ..NewCompany::default()
    }
}

pub async fn of_twenty_at_once_one_app_has_the_email_and_one_the_phone_number(it: TestDb) {
    let house = House::over(it).await;
    let merchant = house.merchant("unique").await.id;
    let actor = person(&house, merchant);
    companies::describe(&house.app, actor, merchant, &company()).await.expect("it is described");
    for (what, email, phone) in [("email", "same@shop.example", None), ("phone", "", Some("+91 98765 43210"))] {
        let tries = (0..20).map(|number| {
            let own = format!("{what}{number}@shop.example");
            let email = if email.is_empty() { own } else { email.to_owned() };
            let phone = phone.map(str::to_owned);
            let new = NewApp { email, phone, ..new_app("kspay", &format!("{what} {number}")) };
            let app = house.app.clone();
            tokio::spawn(async move { apps::make(&app, actor, merchant, &new, None).await })
        });
        let mut made = 0;
        for attempt in tries.collect::<Vec<_>>() {
            match attempt.await.expect("it ran") {
                Ok(_) => made += 1,
                Err(OpError::Field { field, .. }) => assert_eq!(field, what),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(made, 1, "{what}");
    }
    assert_eq!(apps::list(&house.app, OPERATOR, merchant, "", 100).await.expect("listed").len(), 2);
    let same = NewApp { email: "same@shop.example".to_owned(), ..new_app("kspay", "by a script") };
    apps::make(&house.app, OPERATOR, merchant, &same, None).await.expect("the management API promises otherwise");
    let elsewhere = house.merchant("elsewhere").await.id;
    let actor = person(&house, elsewhere);
    companies::describe(&house.app, actor, elsewhere, &company()).await.expect("it is described");
    apps::make(&house.app, actor, elsewhere, &same, None).await.expect("another merchant's is its own");
}

pub async fn a_person_describes_the_company_before_the_first_app_of_a_product_that_asks(it: TestDb) {
    let house = House::over(it).await;
    let merchant = house.merchant("company").await.id;
    let actor = person(&house, merchant);
    let refused = apps::make(&house.app, actor, merchant, &new_app("kspay", "first"), None).await;
    assert!(matches!(refused, Err(OpError::Conflict { code: COMPANY_REQUIRED, .. })));
    apps::make(&house.app, actor, merchant, &new_app("razorpay", "first"), None).await.expect("it asks for none");
    apps::make(&house.app, OPERATOR, merchant, &new_app("kspay", "script"), None).await.expect("a script is not asked");
    let viewer = match actor {
        Actor::Member(user, merchant, ..) => Actor::Member(user, merchant, Role::Developer, Proof::Fresh),
        other => other,
    };
    let forbidden = companies::describe(&house.app, viewer, merchant, &company()).await;
    assert!(matches!(forbidden, Err(OpError::Forbidden)));
    companies::describe(&house.app, actor, merchant, &company()).await.expect("it is described");
    let other = NewApp { email: "other@shop.example".to_owned(), ..new_app("kspay", "first") };
    apps::make(&house.app, actor, merchant, &other, None).await.expect("it is made now");
    let foreign = house.merchant("foreign").await.id;
    let unseen = companies::find(&house.app, actor, foreign).await;
    assert!(matches!(unseen, Err(OpError::NotFound("merchant"))));
}

pub async fn domains_that_were_edited_are_worth_nothing_and_widen_no_key(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("keymint", "domains").await;
    domains::add(&house.app, OPERATOR, app, "https://shop.example").await.expect("it is added");
    let key = house.issue(app, &plain(Mode::Test)).await.expect("it is issued");
    let carried = async |key_id: &str| {
        let view = keymint_app::ops::credentials::find(&house.app, OPERATOR, key_id).await.expect("it is there");
        view.credential.restrictions.domains
    };
    let wanted: Vec<Box<str>> = vec!["https://shop.example".into()];
    assert_eq!(carried(&key.key_id).await, Some(wanted.clone()));
    house.edit(include_str!("sql/domains_edited.sql")).await;
    let corrupt = |done: Result<(), OpError>| matches!(done, Err(OpError::Store(StoreError::Corrupt { .. })));
    assert!(corrupt(domains::add(&house.app, OPERATOR, app, "https://b.example").await));
    assert!(corrupt(domains::remove(&house.app, OPERATOR, app, "https://evil.test").await));
    assert!(corrupt(domains::list(&house.app, OPERATOR, app).await.map(drop)));
    house.edit(include_str!("sql/domains_removed.sql")).await;
    assert_eq!(carried(&key.key_id).await, Some(wanted), "each key has the list in its own checked row");
    house.decide("keymint", &key).await.expect("who shows the secret is no page");
}

pub async fn providers_that_were_edited_are_worth_nothing_and_widen_no_key(it: TestDb) {
    let house = House::over(it).await;
    let (_, app) = house.registered("kpay", "providers").await;
    let wanted: Vec<Box<str>> = vec!["MTN_MOMO_CMR".into()];
    providers::choose(&house.app, OPERATOR, app, &["MTN_MOMO_CMR".to_owned()]).await.expect("it is chosen");
    let key = house.issue(app, &plain(Mode::Test)).await.expect("it is issued");
    let carried = async || {
        let view = keymint_app::ops::credentials::find(&house.app, OPERATOR, &key.key_id).await.expect("it is there");
        view.credential.restrictions.providers
    };
    assert_eq!(carried().await, wanted);
    house.edit(include_str!("sql/providers_edited.sql")).await;
    let corrupt = |done: Result<_, OpError>| matches!(done, Err(OpError::Store(StoreError::Corrupt { .. })));
    assert!(corrupt(providers::choose(&house.app, OPERATOR, app, &[]).await));
    assert!(corrupt(providers::list(&house.app, OPERATOR, app).await));
    assert!(corrupt(house.issue(app, &plain(Mode::Test)).await.map(|_| providers::Choice::default())));
    house.edit(include_str!("sql/providers_removed.sql")).await;
    assert_eq!(carried().await, wanted, "each key has the list in its own checked row");
    house.edit(include_str!("sql/providers_widened.sql")).await;
    assert!(house.decide("kpay", &key).await.is_err(), "a row that was edited is no key");
}
