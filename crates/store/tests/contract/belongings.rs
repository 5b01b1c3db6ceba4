//! What belongs to merchants and apps: companies, logos, domains, providers.

use keymint_domain::credential::{Credential, RevokeReason, Status};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;
use keymint_store::apps::{self, App};
use keymint_store::companies::{self, Company};
use keymint_store::credentials;
use keymint_store::db::Conn;
use keymint_store::domains::{self, Domains};
use keymint_store::logos::{self, Logo};
use keymint_store::providers::{self, Providers};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, NOW, app, credential, ids, store_owner};

pub async fn a_company_comes_back_as_it_went_in_and_is_written_over(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let full = Company {
        name: HARD_TEXT.to_owned(),
        address: HARD_TEXT.to_owned(),
        country: "IN".to_owned(),
        state: Some(String::new()),
        city: Some(HARD_TEXT.to_owned()),
        postal_code: "1".to_owned(),
        phone: Some("+91".to_owned()),
        website: Some("https://shop.example".to_owned()),
        changed_at: UnixMs(i64::MAX),
    };
    let bare = Company { state: None, city: None, phone: None, website: None, changed_at: UnixMs(0), ..full.clone() };
    for company in [&full, &bare] {
        let mut tx = it.db.write().await.expect("a transaction");
        companies::put(tx.conn(), ids(1).merchant, company).await.expect("it is stored");
        tx.commit().await.expect("committed");
        let mut conn = it.db.read().await.expect("a connection");
        assert_eq!(companies::find(&mut conn, ids(1).merchant).await.expect("it reads").as_ref(), Some(company));
    }
    let mut conn = it.db.read().await.expect("a connection");
    assert_eq!(companies::find(&mut conn, ids(2).merchant).await.expect("it reads"), None, "another merchant");
}

pub async fn a_logo_belongs_to_its_app_and_merchant(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let (merchant, app) = (ids(1).merchant, ids(1).app);
    let mut tx = it.db.write().await.expect("a transaction");
    for png in [vec![0, 255, 0], (0..=255).collect()] {
        let logo = Logo { png, version: "v".to_owned() };
        logos::put(tx.conn(), merchant, app, &logo).await.expect("it is stored");
        assert_eq!(logos::find(tx.conn(), merchant, app).await.expect("it reads"), Some(logo));
    }
    assert_eq!(logos::find(tx.conn(), ids(2).merchant, app).await.expect("it reads"), None);
    logos::remove(tx.conn(), ids(2).merchant, app).await.expect("nothing to remove");
    assert_eq!(logos::versions(tx.conn(), merchant).await.expect("it reads"), [(app, "v".to_owned())]);
    assert_eq!(logos::versions(tx.conn(), ids(2).merchant).await.expect("it reads"), []);
    logos::remove(tx.conn(), merchant, app).await.expect("it is removed");
    assert_eq!(logos::find(tx.conn(), merchant, app).await.expect("it reads"), None);
}

pub async fn domains_come_back_in_their_order(it: TestDb) {
    store_owner(&it.db, 1).await;
    let app = ids(1).app;
    let mut tx = it.db.write().await.expect("a transaction");
    assert_eq!(domains::find(tx.conn(), app).await.expect("it reads"), None, "never any");
    for origins in [vec!["https://b.example", "https://a.example"], vec![]] {
        let origins: Vec<Box<str>> = origins.into_iter().map(Into::into).collect();
        let stored = Domains { origins, row_check: vec![1, 2, 3] };
        domains::put(tx.conn(), app, &stored).await.expect("it is stored");
        assert_eq!(domains::find(tx.conn(), app).await.expect("it reads"), Some(stored));
    }
    assert_eq!(domains::find(tx.conn(), ids(2).app).await.expect("it reads"), None);
}

pub async fn providers_come_back_in_their_order(it: TestDb) {
    store_owner(&it.db, 1).await;
    let app = ids(1).app;
    let mut tx = it.db.write().await.expect("a transaction");
    assert_eq!(providers::find(tx.conn(), app).await.expect("it reads"), None, "never any");
    for names in [vec!["ORANGE_CMR", "MTN_MOMO_CMR"], vec![]] {
        let names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        let stored = Providers { names, row_check: vec![1, 2, 3] };
        providers::put(tx.conn(), app, &stored).await.expect("it is stored");
        assert_eq!(providers::find(tx.conn(), app).await.expect("it reads"), Some(stored));
    }
    assert_eq!(providers::find(tx.conn(), ids(2).app).await.expect("it reads"), None);
}

pub async fn an_email_and_a_phone_number_of_another_app_are_found(it: TestDb) {
    store_owner(&it.db, 1).await;
    let other = App { phone: Some("+91 1".to_owned()), ..app(1) };
    let mut tx = it.db.write().await.expect("a transaction");
    apps::update(tx.conn(), &other).await.expect("it is changed");
    let new = App { id: ids(2).app, ..other.clone() };
    assert!(apps::has_same_email(tx.conn(), &new).await.expect("it reads"));
    assert_eq!(apps::phones_of_others(tx.conn(), &new).await.expect("it reads"), ["+91 1"]);
    let strangers = [
        other.clone(),
        App { product: "another".to_owned(), ..new.clone() },
        App { merchant_id: ids(2).merchant, ..new.clone() },
    ];
    for stranger in strangers {
        assert!(!apps::has_same_email(tx.conn(), &stranger).await.expect("it reads"));
        assert!(apps::phones_of_others(tx.conn(), &stranger).await.expect("it reads").is_empty());
    }
    assert!(!apps::has_same_email(tx.conn(), &App { email: "x@y.example".to_owned(), ..new }).await.expect("it reads"));
}

pub async fn a_live_key_works_until_its_end_and_a_test_key_is_none(it: TestDb) {
    store_owner(&it.db, 1).await;
    let end = UnixMs(NOW.0 + 10);
    let mut tx = it.db.write().await.expect("a transaction");
    let app = ids(1).app;
    let of = |n: u64, mode, status| Credential { mode, status, app_id: app, ..credential(1, n) };
    let working = async |conn: &mut Conn, at: i64| {
        credentials::has_working_live(conn, app, UnixMs(NOW.0 + at)).await.expect("it reads")
    };
    let mut slot = 0;
    for (one, wanted) in [
        (of(1, Mode::Test, Status::Active), [false, false]),
        (of(2, Mode::Live, Status::Revoked { at: NOW, reason: RevokeReason::Other, note: None }), [false, false]),
        (of(3, Mode::Live, Status::Retiring { ends_at: end }), [true, false]),
        (Credential { expires_at: Some(end), ..of(4, Mode::Live, Status::Active) }, [true, false]),
        (of(5, Mode::Live, Status::Active), [true, true]),
    ] {
        slot += 1;
        credentials::insert(tx.conn(), &one, ("owner", slot), &[1]).await.expect("it is stored");
        assert_eq!([working(tx.conn(), 9).await, working(tx.conn(), 10).await], wanted, "{slot}");
    }
}
