//! Merchants and apps.

use keymint_domain::time::UnixMs;
use keymint_store::apps::{self, App};
use keymint_store::error::StoreError;
use keymint_store::merchants::{self, Activation, Merchant};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, app, ids, merchant, shown, store_owner};

async fn store(it: &TestDb, merchant: &Merchant) -> Result<(), StoreError> {
    let mut tx = it.db.write().await?;
    merchants::insert(tx.conn(), merchant).await?;
    tx.commit().await
}

async fn store_app(it: &TestDb, app: &App) -> Result<(), StoreError> {
    let mut tx = it.db.write().await?;
    apps::insert(tx.conn(), app).await?;
    tx.commit().await
}

pub async fn merchants_come_back_as_they_went_in(it: TestDb) {
    let hard = Merchant {
        name: HARD_TEXT.to_owned(),
        activation: Activation::Rejected,
        activation_reason: Some("long ".repeat(50_000)),
        created_at: UnixMs(i64::MAX),
        ..merchant(1)
    };
    let empty = Merchant {
        name: String::new(),
        country: String::new(),
        activation_reason: Some(String::new()),
        created_at: UnixMs(i64::MIN),
        ..merchant(2)
    };
    for merchant in [&hard, &empty, &merchant(3)] {
        store(&it, merchant).await.expect("it is stored");
        let mut conn = it.db.read().await.expect("a connection");
        let found = merchants::find(&mut conn, merchant.id).await.expect("it reads").expect("it is there");
        assert_eq!(shown(&found), shown(merchant));
    }
    let mut conn = it.db.read().await.expect("a connection");
    assert!(merchants::find(&mut conn, ids(4).merchant).await.expect("it reads").is_none());
}

pub async fn merchants_are_listed_by_the_bytes_of_their_ids(it: TestDb) {
    for n in [5, 3, 9, 1, 7] {
        store(&it, &merchant(n)).await.expect("it is stored");
    }
    let mut conn = it.db.read().await.expect("a connection");
    let mut above = String::new();
    let mut found = Vec::new();
    loop {
        let part = merchants::list(&mut conn, &above, 2).await.expect("it reads");
        let Some(last) = part.last() else { break };
        above = last.id.to_string();
        found.extend(part.iter().map(|merchant| merchant.id));
    }
    assert_eq!(found, [1, 3, 5, 7, 9].map(|n| ids(n).merchant));
}

pub async fn an_email_belongs_to_one_merchant(it: TestDb) {
    store(&it, &merchant(1)).await.expect("it is stored");
    let second = Merchant { email: merchant(1).email, ..merchant(2) };
    let refused = store(&it, &second).await;
    assert!(matches!(refused, Err(StoreError::Unique { statement: "merchant.insert" })), "{refused:?}");
    let again = store(&it, &Merchant { email: "other@merchant.example".to_owned(), ..merchant(1) }).await;
    assert!(matches!(again, Err(StoreError::Unique { .. })), "{again:?}");
    // Folding is done before the store is asked: it compares bytes, on both engines.
    let other_case = Merchant { email: merchant(1).email.to_uppercase(), ..merchant(3) };
    store(&it, &other_case).await.expect("other bytes are another address");
}

pub async fn activation_is_set_and_its_reason_taken_away(it: TestDb) {
    store(&it, &merchant(1)).await.expect("it is stored");
    store(&it, &merchant(2)).await.expect("it is stored");
    let states = [
        (Activation::Approved, Some("all four reviews")),
        (Activation::Suspended, Some(HARD_TEXT)),
        (Activation::Rejected, Some("")),
        (Activation::Pending, None),
    ];
    for (activation, reason) in states {
        let mut tx = it.db.write().await.expect("it begins");
        merchants::set_activation(tx.conn(), ids(1).merchant, activation, reason).await.expect("it is set");
        tx.commit().await.expect("it commits");
        let mut conn = it.db.read().await.expect("a connection");
        let found = merchants::find(&mut conn, ids(1).merchant).await.expect("it reads").expect("it is there");
        assert_eq!((found.activation, found.activation_reason.as_deref()), (activation, reason));
        let other = merchants::find(&mut conn, ids(2).merchant).await.expect("it reads").expect("it is there");
        assert_eq!(shown(&other), shown(&merchant(2)));
    }
}

pub async fn apps_come_back_as_they_went_in(it: TestDb) {
    store(&it, &merchant(1)).await.expect("it is stored");
    let hard = App {
        name: HARD_TEXT.to_owned(),
        phone: Some("+91 98450 12345".to_owned()),
        address: "12 MG Road\n".repeat(10_000),
        state: Some(HARD_TEXT.to_owned()),
        city: Some(String::new()),
        is_enabled: false,
        created_at: UnixMs(-1),
        ..app(1)
    };
    let plain = App { id: ids(2).app, merchant_id: ids(1).merchant, ..app(2) };
    for app in [&hard, &plain] {
        store_app(&it, app).await.expect("it is stored");
        let mut conn = it.db.read().await.expect("a connection");
        let found = apps::find(&mut conn, app.id).await.expect("it reads").expect("it is there");
        assert_eq!(shown(&found), shown(app));
    }
    let orphan = store_app(&it, &App { merchant_id: ids(9).merchant, ..app(3) }).await;
    assert!(matches!(orphan, Err(StoreError::Driver { .. })), "an app without a merchant: {orphan:?}");
}

pub async fn a_name_belongs_to_one_app_of_a_merchant_and_product(it: TestDb) {
    store_owner(&it.db, 1).await;
    store(&it, &merchant(2)).await.expect("it is stored");
    let twin = |n: u64| App { id: ids(n).app, name: app(1).name, ..app(1) };
    let refused = store_app(&it, &twin(2)).await;
    assert!(matches!(refused, Err(StoreError::Unique { statement: "app.insert" })), "{refused:?}");
    store_app(&it, &App { product: "razorpay".to_owned(), ..twin(3) }).await.expect("another product");
    store_app(&it, &App { merchant_id: ids(2).merchant, ..twin(4) }).await.expect("another merchant");
}

pub async fn an_app_is_disabled_and_enabled(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    for is_enabled in [false, false, true] {
        let mut tx = it.db.write().await.expect("it begins");
        apps::set_enabled(tx.conn(), ids(1).app, is_enabled).await.expect("it is set");
        tx.commit().await.expect("it commits");
        let mut conn = it.db.read().await.expect("a connection");
        let found = apps::find(&mut conn, ids(1).app).await.expect("it reads").expect("it is there");
        let other = apps::find(&mut conn, ids(2).app).await.expect("it reads").expect("it is there");
        assert_eq!((found.is_enabled, other.is_enabled), (is_enabled, true));
    }
}

pub async fn apps_of_another_merchant_are_not_listed(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    for n in [4, 3, 5] {
        store_app(&it, &App { merchant_id: ids(1).merchant, ..app(n) }).await.expect("it is stored");
    }
    let mut conn = it.db.read().await.expect("a connection");
    let listed = apps::list(&mut conn, ids(1).merchant, "", 100).await.expect("it reads");
    assert_eq!(listed.iter().map(|app| app.id).collect::<Vec<_>>(), [1, 3, 4, 5].map(|n| ids(n).app));
    let rest = apps::list(&mut conn, ids(1).merchant, &ids(3).app.to_string(), 1).await.expect("it reads");
    assert_eq!(rest.iter().map(|app| app.id).collect::<Vec<_>>(), [ids(4).app]);
    assert!(apps::list(&mut conn, ids(9).merchant, "", 100).await.expect("it reads").is_empty());
}
