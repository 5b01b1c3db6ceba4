//! Credentials: what is stored of them, and who gets a slot.

use keymint_domain::credential::{Credential, RevokeReason, Status};
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::restriction::Restrictions;
use keymint_domain::seal::StoredSecret;
use keymint_domain::time::UnixMs;
use keymint_store::credentials::{self, Slots};
use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::merchants::{self, Activation};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, NOW, credential, ids, shown, store_credential, store_owner};

fn narrow() -> Restrictions {
    Restrictions {
        domains: Some(vec!["https://app.example".into()]),
        providers: vec!["MTN_MOMO_CMR".into(), "ORANGE_CMR".into()],
        allowed_ips: vec!["203.0.113.0/24".parse().expect("a block"), "2001:db8::/32".parse().expect("a block")],
        allowed_origins: vec!["https://shop.example".into(), "https://shop.example:8443".into()],
        scopes: vec!["read".into(), "write".into()],
    }
}

async fn find(db: &Db, key_id: &str) -> Option<credentials::Stored> {
    let mut conn = db.read().await.expect("a connection");
    credentials::find(&mut conn, key_id).await.expect("it reads")
}

async fn insert(db: &Db, credential: &Credential, slot: i64) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    let owner = credential.app_id.to_string();
    credentials::insert(tx.conn(), credential, (&owner, slot), b"check").await?;
    tx.commit().await
}

async fn free_slot(db: &Db, app: AppId, active_max: u32, now: UnixMs) -> Option<i64> {
    let mut tx = db.write().await.expect("it begins");
    let owner = app.to_string();
    let slots = Slots { owner: &owner, product: "keymint", mode: Mode::Test };
    let free = credentials::free_slot(tx.conn(), slots, active_max, now).await.expect("it reads");
    tx.commit().await.expect("it commits");
    free
}

pub async fn credentials_come_back_as_they_went_in(it: TestDb) {
    store_owner(&it.db, 1).await;
    let hard = Credential {
        name: Some(HARD_TEXT.to_owned()),
        mode: Mode::Live,
        created_at: UnixMs(i64::MIN),
        expires_at: Some(UnixMs(i64::MAX)),
        restrictions: narrow(),
        secret: StoredSecret::Sealed { ring_key: "k2".to_owned(), bytes: (0..=255).cycle().take(70_000).collect() },
        ..credential(1, 1)
    };
    let empty = Credential {
        name: Some(String::new()),
        secret: StoredSecret::Sealed { ring_key: String::new(), bytes: Vec::new() },
        ..credential(1, 2)
    };
    for (slot, wanted) in [(0, &hard), (1, &empty), (2, &credential(1, 3))] {
        let mut tx = it.db.write().await.expect("it begins");
        let check = [slot.to_string().as_bytes(), &[0, 255, 0]].concat();
        let owner = wanted.app_id.to_string();
        credentials::insert(tx.conn(), wanted, (&owner, slot), &check).await.expect("it is stored");
        tx.commit().await.expect("it commits");
        let found = find(&it.db, &wanted.key_id).await.expect("it is there");
        assert_eq!(shown(&found.credential), shown(wanted));
        assert!(found.credential.secret == wanted.secret, "the secret is another");
        assert_eq!((found.slot, found.row_check, found.seen.last_used_at), (slot, check, None));
        assert_eq!((found.app_is_enabled, found.activation), (true, Activation::Pending));
    }
    assert!(find(&it.db, "km_test_9").await.is_none());
    assert!(find(&it.db, "KM_TEST_1").await.is_none(), "key ids are compared byte by byte");
}

pub async fn every_status_comes_back(it: TestDb) {
    store_owner(&it.db, 1).await;
    let revoked = |reason, note: Option<&str>| Status::Revoked { at: NOW, reason, note: note.map(str::to_owned) };
    let statuses = [
        Status::Active,
        Status::Retiring { ends_at: UnixMs(i64::MAX) },
        revoked(RevokeReason::Compromised, None),
        revoked(RevokeReason::Superseded, Some("")),
        revoked(RevokeReason::Unused, Some(HARD_TEXT)),
        revoked(RevokeReason::Other, Some("left the company")),
    ];
    for (n, status) in (0..).zip(statuses) {
        let wanted = Credential { status, ..credential(1, n) };
        store_credential(&it.db, &wanted, 0).await;
        assert_eq!(find(&it.db, &wanted.key_id).await.expect("it is there").credential.status, wanted.status);
    }
}

pub async fn what_may_change_changes_and_nothing_else(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_credential(&it.db, &credential(1, 1), 0).await;
    store_credential(&it.db, &credential(1, 2), 1).await;
    let changed = Credential {
        name: Some(HARD_TEXT.to_owned()),
        expires_at: Some(UnixMs(NOW.0 + 1)),
        status: Status::Retiring { ends_at: UnixMs(NOW.0 + 2) },
        restrictions: narrow(),
        ..credential(1, 1)
    };
    let foreign = Credential {
        key_id: "km_test_other".to_owned(),
        product: "razorpay".to_owned(),
        mode: Mode::Live,
        merchant_id: ids(5).merchant,
        app_id: ids(5).app,
        created_at: UnixMs(0),
        secret: StoredSecret::Hashed { ring_key: "k9".to_owned(), digest: [9; 24] },
        ..changed.clone()
    };
    let mut tx = it.db.write().await.expect("it begins");
    credentials::update(tx.conn(), &foreign, b"another check").await.expect("it is stored");
    tx.commit().await.expect("it commits");
    let found = find(&it.db, "km_test_1").await.expect("it is there");
    assert_eq!(shown(&found.credential), shown(&changed));
    assert!(found.credential.secret == changed.secret, "the secret is another");
    assert_eq!(found.row_check, b"another check");
    let other = find(&it.db, "km_test_2").await.expect("it is there");
    assert_eq!((shown(&other.credential), other.row_check), (shown(&credential(1, 2)), b"check".to_vec()));
    // And back: what was set can be taken away again.
    let mut tx = it.db.write().await.expect("it begins");
    credentials::update(tx.conn(), &credential(1, 1), b"").await.expect("it is stored");
    tx.commit().await.expect("it commits");
    let found = find(&it.db, "km_test_1").await.expect("it is there");
    assert_eq!((shown(&found.credential), found.row_check), (shown(&credential(1, 1)), Vec::new()));
}

pub async fn a_slot_holds_one_active_credential(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    store_credential(&it.db, &credential(1, 1), 0).await;
    let refused = insert(&it.db, &credential(1, 2), 0).await;
    assert!(matches!(refused, Err(StoreError::Unique { statement: "credential.insert" })), "{refused:?}");
    insert(&it.db, &credential(1, 3), 1).await.expect("another slot");
    insert(&it.db, &credential(2, 4), 0).await.expect("another owner");
    insert(&it.db, &Credential { mode: Mode::Live, ..credential(1, 5) }, 0).await.expect("another mode");
    insert(&it.db, &Credential { product: "razorpay".to_owned(), ..credential(1, 6) }, 0)
        .await
        .expect("another product");
    let retiring = Credential { status: Status::Retiring { ends_at: NOW }, ..credential(1, 7) };
    insert(&it.db, &retiring, 0).await.expect("a retiring one takes no slot");
    // Taken slots are not given away, and one that is no longer active is.
    assert_eq!(free_slot(&it.db, ids(1).app, 2, NOW).await, None);
    assert_eq!(free_slot(&it.db, ids(1).app, 3, NOW).await, Some(2));
    let ended = Credential { status: Status::Retiring { ends_at: NOW }, ..credential(1, 1) };
    let mut tx = it.db.write().await.expect("it begins");
    credentials::update(tx.conn(), &ended, b"check").await.expect("it is stored");
    tx.commit().await.expect("it commits");
    assert_eq!(free_slot(&it.db, ids(1).app, 2, NOW).await, Some(0));
}

pub async fn two_concurrent_inserts_into_one_slot_leave_one(it: TestDb) {
    store_owner(&it.db, 1).await;
    for slot in 0..10 {
        let attempts = (0..8).map(|n| {
            let (db, credential) = (it.db.clone(), credential(1, u64::try_from(slot).expect("small") * 100 + n));
            tokio::spawn(async move { insert(&db, &credential, slot).await })
        });
        let mut won = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            match attempt.await.expect("it ends") {
                Ok(()) => won += 1,
                Err(StoreError::Unique { statement }) => assert_eq!(statement, "credential.insert"),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1, "slot {slot}");
    }
    let mut conn = it.db.read().await.expect("a connection");
    let listed = credentials::list(&mut conn, ids(1).app, "", 100).await.expect("it reads");
    let mut slots: Vec<i64> = listed.iter().map(|stored| stored.slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..10).collect::<Vec<_>>());
}

pub async fn a_slot_is_free_again_when_its_insert_was_given_up(it: TestDb) {
    store_owner(&it.db, 1).await;
    let mut tx = it.db.write().await.expect("it begins");
    let owner = ids(1).app.to_string();
    credentials::insert(tx.conn(), &credential(1, 1), (&owner, 0), b"check").await.expect("it is stored");
    // On PostgreSQL the second insert waits for the first to end; on SQLite for the writer.
    let db = it.db.clone();
    let second = tokio::spawn(async move { insert(&db, &credential(1, 2), 0).await });
    tokio::task::yield_now().await;
    drop(tx);
    second.await.expect("it ends").expect("the slot is free");
    assert!(find(&it.db, "km_test_1").await.is_none());
}

pub async fn expired_credentials_free_their_slots(it: TestDb) {
    store_owner(&it.db, 1).await;
    let expiring = Credential { expires_at: Some(NOW), ..credential(1, 1) };
    store_credential(&it.db, &expiring, 0).await;
    store_credential(&it.db, &credential(1, 2), 1).await;
    assert_eq!(free_slot(&it.db, ids(1).app, 2, UnixMs(NOW.0 - 1)).await, None);
    assert_eq!(free_slot(&it.db, ids(1).app, 2, NOW).await, Some(0));
    // What it was stays readable: its expiry says that it has ended.
    let found = find(&it.db, "km_test_1").await.expect("it is there");
    assert_eq!(shown(&found.credential), shown(&expiring));
    insert(&it.db, &credential(1, 3), 0).await.expect("the slot is free");
}

pub async fn a_key_id_belongs_to_one_credential(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    store_credential(&it.db, &credential(1, 1), 0).await;
    let twin = Credential { key_id: credential(1, 1).key_id, ..credential(2, 2) };
    let refused = insert(&it.db, &twin, 0).await;
    assert!(matches!(refused, Err(StoreError::Unique { .. })), "{refused:?}");
    insert(&it.db, &Credential { key_id: twin.key_id.to_uppercase(), ..twin }, 0).await.expect("other bytes");
}

pub async fn credentials_are_listed_with_their_owners_and_their_last_use(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    for n in [2, 1, 3] {
        store_credential(&it.db, &credential(1, n), i64::try_from(n).expect("small")).await;
    }
    store_credential(&it.db, &credential(2, 4), 0).await;
    let mut tx = it.db.write().await.expect("it begins");
    for at in [5, i64::MAX, 7] {
        credentials::note_use(tx.conn(), "km_test_2", UnixMs(at)).await.expect("it is noted");
    }
    credentials::note_use(tx.conn(), "of nobody", NOW).await.expect("it is noted");
    merchants::set_activation(tx.conn(), ids(1).merchant, Activation::Approved, None).await.expect("it is set");
    keymint_store::apps::set_enabled(tx.conn(), ids(1).app, false).await.expect("it is set");
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    let listed = credentials::list(&mut conn, ids(1).app, "", 100).await.expect("it reads");
    let seen: Vec<_> =
        listed.iter().map(|stored| (stored.credential.key_id.as_str(), stored.seen.last_used_at)).collect();
    assert_eq!(seen, [("km_test_1", None), ("km_test_2", Some(UnixMs(7))), ("km_test_3", None)]);
    assert!(listed.iter().all(|stored| !stored.app_is_enabled && stored.activation == Activation::Approved));
    let above = listed[0].credential.id.to_string();
    let rest = credentials::list(&mut conn, ids(1).app, &above, 1).await.expect("it reads");
    assert_eq!(rest.iter().map(|stored| stored.credential.key_id.as_str()).collect::<Vec<_>>(), ["km_test_2"]);
}

pub async fn the_keys_of_an_owner_are_those_not_revoked(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let revoked = Status::Revoked { at: NOW, reason: RevokeReason::Unused, note: None };
    let statuses = [(1, Status::Active), (2, Status::Retiring { ends_at: NOW }), (3, revoked)];
    for (n, status) in statuses {
        store_credential(&it.db, &Credential { status, ..credential(1, n) }, 0).await;
    }
    store_credential(&it.db, &Credential { expires_at: Some(NOW), ..credential(1, 4) }, 1).await;
    store_credential(&it.db, &credential(2, 5), 0).await;
    free_slot(&it.db, ids(1).app, 20, NOW).await;
    let mut conn = it.db.read().await.expect("a connection");
    for keys in [
        credentials::key_ids_of_app(&mut conn, ids(1).app).await.expect("it reads"),
        credentials::key_ids_of_merchant(&mut conn, ids(1).merchant).await.expect("it reads"),
    ] {
        let mut keys = keys;
        keys.sort();
        assert_eq!(keys, ["km_test_1", "km_test_2", "km_test_4"]);
    }
}

pub async fn a_row_that_cannot_be_read_is_corrupt_and_not_absent(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_credential(&it.db, &credential(1, 1), 0).await;
    for edit in [
        "UPDATE credential SET mode = 'both'",
        "UPDATE credential SET mode = 'test', status = 'resting'",
        "UPDATE credential SET status = 'retiring', ends_at = NULL",
        "UPDATE credential SET status = 'revoked', revoked_at = 1, revoke_reason = 'none of ours'",
        "UPDATE credential SET status = 'active', restrictions = '{\"ips\":[\"300.0.0.1/8\"]}'",
        "UPDATE credential SET restrictions = 'no JSON'",
        "UPDATE credential SET restrictions = '{}', secret_kind = 'plain'",
        "UPDATE credential SET secret_kind = 'hashed', secret = row_check",
    ] {
        let mut tx = it.db.write().await.expect("it begins");
        tx.conn().script(edit).await.expect("the engine takes it");
        tx.commit().await.expect("it commits");
        let mut conn = it.db.read().await.expect("a connection");
        let found = credentials::find(&mut conn, "km_test_1").await;
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{edit}: {found:?}");
        assert!(credentials::list(&mut conn, ids(1).app, "", 10).await.is_err(), "{edit}");
    }
}
