//! Accounts, memberships and sessions.

use keymint_domain::id::{PasskeyId, SessionId, UserId};
use keymint_domain::role::Role;
use keymint_domain::time::UnixMs;
use keymint_store::error::StoreError;
use keymint_store::passkeys::{self, Passkey};
use keymint_store::people::{self, User};
use keymint_store::sessions::{self, Session};
use keymint_testkit::{SeededEntropy, TestDb};

use crate::sample::{HARD_TEXT, NOW, ids, store_owner};

fn user(n: u64) -> User {
    User {
        id: UserId::fresh(NOW, &*SeededEntropy::new(n)).expect("random bytes"),
        email: format!("p{n}@people.example"),
        name: HARD_TEXT.to_owned(),
        password: "$argon2id$…".to_owned(),
        created_at: NOW,
        phone: None,
        phone_verified_at: None,
        mail_codes_at: None,
        password_reset_at: None,
        row_check: b"k1:check".to_vec(),
    }
}

pub async fn accounts_come_back_and_an_address_has_one(it: TestDb) {
    let mut tx = it.db.write().await.expect("it begins");
    people::insert(tx.conn(), &user(1)).await.expect("it is stored");
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    let found = people::find_by_email(&mut conn, "p1@people.example").await.expect("it reads").expect("it is there");
    assert_eq!((found.id, found.name.as_str(), found.password.as_str()), (user(1).id, HARD_TEXT, "$argon2id$…"));
    assert!(people::find(&mut conn, user(1).id).await.expect("it reads").is_some());
    assert!(people::find(&mut conn, user(2).id).await.expect("it reads").is_none());
    assert!(people::find_by_email(&mut conn, "P1@people.example").await.expect("it reads").is_none());
    assert_eq!((found.phone_verified_at, found.mail_codes_at, found.password_reset_at), (None, None, None));
    drop(conn);
    let mut tx = it.db.write().await.expect("it begins");
    let (verified, on, reset) = (Some(UnixMs(1)), Some(UnixMs(2)), Some(UnixMs(3)));
    let next = User { phone_verified_at: verified, mail_codes_at: on, password_reset_at: reset, ..user(1) };
    people::update(tx.conn(), &next).await.expect("it is stored");
    let found = people::find(tx.conn(), user(1).id).await.expect("it reads").expect("it is there");
    assert_eq!((found.phone_verified_at, found.mail_codes_at, found.password_reset_at), (verified, on, reset));
    let twin = people::insert(tx.conn(), &User { email: user(1).email, ..user(2) }).await;
    assert!(matches!(twin, Err(StoreError::Unique { .. })));
}

/// What an account of before codes by mail was checked by is what it is checked by now.
#[test]
fn an_account_without_codes_by_mail_has_the_check_of_before() {
    let plain = User { phone: Some("+911".to_owned()), phone_verified_at: Some(UnixMs(7)), ..user(1) };
    let before = format!("keymint account v1\0{}\0p1@people.example\0$argon2id$…\0+911\x007", plain.id);
    assert_eq!(plain.check_bytes(), before.as_bytes());
    let on = User { mail_codes_at: Some(UnixMs(8)), ..plain.clone() };
    let reset = User { password_reset_at: Some(UnixMs(8)), ..plain.clone() };
    let both = User { password_reset_at: Some(UnixMs(8)), ..on.clone() };
    let checks = [&plain, &on, &reset, &both].map(User::check_bytes);
    assert_eq!(checks.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
}

pub async fn a_person_is_one_thing_at_each_merchant(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let mut tx = it.db.write().await.expect("it begins");
    people::insert(tx.conn(), &user(1)).await.expect("it is stored");
    people::insert(tx.conn(), &user(2)).await.expect("it is stored");
    for (merchant, role) in [(1, Role::Owner), (2, Role::Viewer)] {
        people::join(tx.conn(), user(1).id, ids(merchant).merchant, (role, b"check"), NOW).await.expect("it joins");
    }
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    let found = people::memberships(&mut conn, user(1).id).await.expect("it reads");
    let found: Vec<_> = found.iter().map(|one| (one.merchant_id, one.merchant_name.as_str(), one.role)).collect();
    assert_eq!(found, [(ids(1).merchant, "Merchant 1", Role::Owner), (ids(2).merchant, "Merchant 2", Role::Viewer)]);
    assert!(people::memberships(&mut conn, user(2).id).await.expect("it reads").is_empty());
    drop(conn);
    let mut tx = it.db.write().await.expect("it begins");
    let twice = people::join(tx.conn(), user(1).id, ids(1).merchant, (Role::Admin, b"check"), NOW).await;
    assert!(matches!(twice, Err(StoreError::Unique { .. })));
}

pub async fn a_session_is_found_by_its_digest_until_it_is_ended(it: TestDb) {
    let session = |n: u64| Session {
        id: SessionId::fresh(NOW, &*SeededEntropy::new(100 + n)).expect("random bytes"),
        user_id: user(1).id,
        created_at: NOW,
        seen_at: NOW,
        proved_at: None,
        client: Some("203.0.113.1".to_owned()),
    };
    let mut tx = it.db.write().await.expect("it begins");
    people::insert(tx.conn(), &user(1)).await.expect("it is stored");
    sessions::insert(tx.conn(), &session(1), &[1; 32]).await.expect("it is stored");
    sessions::insert(tx.conn(), &session(2), &[2; 32]).await.expect("it is stored");
    sessions::see(tx.conn(), session(1).id, UnixMs(NOW.0 + 5)).await.expect("it is noted");
    sessions::see(tx.conn(), session(1).id, UnixMs(NOW.0 + 3)).await.expect("it is not noted");
    assert!(sessions::end(tx.conn(), session(2).id, NOW).await.expect("it ends"));
    assert!(!sessions::end(tx.conn(), session(2).id, NOW).await.expect("it had ended"));
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    let found = sessions::find(&mut conn, &[1; 32]).await.expect("it reads").expect("it lives");
    assert_eq!((found.id, found.user_id, found.created_at), (session(1).id, user(1).id, NOW));
    assert_eq!(found.seen_at, UnixMs(NOW.0 + 5), "it never goes back");
    assert!(sessions::find(&mut conn, &[2; 32]).await.expect("it reads").is_none());
    assert!(sessions::find(&mut conn, &[1; 31]).await.expect("it reads").is_none());
}

fn passkey(n: u64, of: u64) -> Passkey {
    Passkey {
        id: PasskeyId::fresh(NOW, &*SeededEntropy::new(100 + n)).expect("random bytes"),
        user_id: user(of).id,
        credential_id: vec![u8::try_from(n).expect("small"); 32],
        name: HARD_TEXT.to_owned(),
        public: "{}".to_owned(),
        created_at: NOW,
        last_used_at: None,
        row_check: b"k1:check".to_vec(),
    }
}

pub async fn a_passkey_is_one_persons_and_each_use_of_it_is_noted_once(it: TestDb) {
    let mut tx = it.db.write().await.expect("it begins");
    for n in [1, 2] {
        people::insert(tx.conn(), &user(n)).await.expect("it is stored");
    }
    for (n, of) in [(1, 1), (2, 1), (3, 2)] {
        passkeys::insert(tx.conn(), &passkey(n, of)).await.expect("it is stored");
    }
    tx.commit().await.expect("it commits");
    let mut tx = it.db.write().await.expect("it begins");
    let twin = Passkey { credential_id: passkey(1, 1).credential_id, ..passkey(4, 2) };
    assert!(matches!(passkeys::insert(tx.conn(), &twin).await, Err(StoreError::Unique { .. })), "whoever has it");
    drop(tx);
    let mut tx = it.db.write().await.expect("it begins");
    let found = passkeys::find(tx.conn(), &[1; 32]).await.expect("it reads").expect("it is there");
    assert_eq!((found.id, found.user_id, found.name.as_str()), (passkey(1, 1).id, user(1).id, HARD_TEXT));
    assert!(passkeys::find(tx.conn(), &[1; 31]).await.expect("it reads").is_none());
    assert_eq!(passkeys::count(tx.conn(), user(1).id).await.expect("it reads"), 2);
    let used = Passkey { public: "{\"counter\":1}".to_owned(), row_check: b"k1:next".to_vec(), ..found };
    for (before, is_noted) in [(&b"k1:other"[..], false), (b"k1:check", true), (b"k1:check", false)] {
        let noted = passkeys::note_use(tx.conn(), &used, before, UnixMs(NOW.0 + 1)).await;
        assert_eq!(noted.expect("it is looked at"), is_noted);
    }
    let found = passkeys::of_user(tx.conn(), user(1).id).await.expect("it reads");
    let seen = |n: u64| found.iter().find(|it| it.id == passkey(n, 1).id).expect("it is there");
    assert_eq!((seen(1).public.as_str(), seen(1).last_used_at), ("{\"counter\":1}", Some(UnixMs(NOW.0 + 1))));
    assert_eq!((seen(2).public.as_str(), seen(2).last_used_at), ("{}", None));
    assert!(!passkeys::remove(tx.conn(), passkey(3, 2).id, user(1).id).await.expect("looked at"), "another's");
    assert!(passkeys::remove(tx.conn(), passkey(1, 1).id, user(1).id).await.expect("looked at"));
    assert!(!passkeys::remove(tx.conn(), passkey(1, 1).id, user(1).id).await.expect("looked at"), "once");
    assert_eq!(passkeys::count(tx.conn(), user(1).id).await.expect("it reads"), 1);
}
