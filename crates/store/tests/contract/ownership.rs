//! One process owns a database; a second one is refused (T55).

use keymint_store::error::StoreError;
use keymint_testkit::TestDb;

use crate::sample::store_owner;

pub async fn a_second_process_is_refused(it: TestDb) {
    for _ in 0..3 {
        let second = it.place.open().await;
        assert!(matches!(second, Err(StoreError::Owned)), "it opened");
    }
    assert!(it.db.is_owned().await);
    store_owner(&it.db, 1).await;
}

pub async fn whoever_comes_after_the_owner_may_open(it: TestDb) {
    let TestDb { db, place } = it;
    let clone = db.clone();
    drop(db);
    assert!(matches!(place.open().await, Err(StoreError::Owned)), "a clone owns it as well");
    drop(clone);
    let next = place.open_when_free().await.expect("it opens");
    assert!(next.is_owned().await);
    assert!(matches!(place.open().await, Err(StoreError::Owned)));
}
