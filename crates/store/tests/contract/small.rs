//! Settings, remembered answers, tokens, and the objects of sandboxes.

use keymint_domain::time::UnixMs;
use keymint_store::db::{Conn, Db};
use keymint_store::error::StoreError;
use keymint_store::idempotency::{self, Remembered};
use keymint_store::quotas::{self, QuotaCount};
use keymint_store::sandbox::{self, Facts, Kind, SandboxObject, Window};
use keymint_store::settings;
use keymint_store::tokens::{self, Token};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, NOW, ids, shown, store_owner};

pub async fn settings_are_stored_once(it: TestDb) {
    let long = "value ".repeat(100_000);
    for (name, value) in [("plain", "text"), ("empty", ""), (HARD_TEXT, HARD_TEXT), ("long", &long)] {
        let mut tx = it.db.write().await.expect("it begins");
        assert_eq!(settings::find(tx.conn(), name).await.expect("it reads"), None);
        settings::insert(tx.conn(), name, value).await.expect("it is stored");
        tx.commit().await.expect("it commits");
        let mut conn = it.db.read().await.expect("a connection");
        assert_eq!(settings::find(&mut conn, name).await.expect("it reads").as_deref(), Some(value));
        let mut tx = it.db.write().await.expect("it begins");
        let again = settings::insert(tx.conn(), name, "other").await;
        assert!(matches!(again, Err(StoreError::Unique { statement: "setting.insert" })), "{again:?}");
    }
}

pub async fn whoever_asks_for_a_nul_finds_nothing(it: TestDb) {
    let mut conn = it.db.read().await.expect("a connection");
    assert_eq!(settings::find(&mut conn, "a\0b").await.expect("it reads"), None);
    assert!(sandbox::find(&mut conn, ORDERS, "\0").await.expect("it reads").is_none());
    assert!(idempotency::find(&mut conn, "\0", "\0").await.expect("it reads").is_none());
    // The connection is as good as before.
    assert_eq!(settings::find(&mut conn, "ab").await.expect("it reads"), None);
}

async fn remember(db: &Db, (actor, key): (&str, &str), remembered: &Remembered, at: UnixMs) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    idempotency::insert(tx.conn(), (actor, key), remembered, at).await?;
    tx.commit().await
}

async fn recall(db: &Db, actor: &str, key: &str) -> Option<(Vec<u8>, String)> {
    let mut conn = db.read().await.expect("a connection");
    let found = idempotency::find(&mut conn, actor, key).await.expect("it reads");
    found.map(|remembered| (remembered.body_digest, remembered.response))
}

pub async fn answers_are_remembered_until_they_are_pruned(it: TestDb) {
    let answers = [
        Remembered { body_digest: vec![0, 1, 255], response: HARD_TEXT.to_owned() },
        Remembered { body_digest: Vec::new(), response: String::new() },
        Remembered { body_digest: vec![9; 100_000], response: "r".repeat(100_000) },
    ];
    for (at, answer) in (1..).zip(&answers) {
        let key = format!("key {at}");
        remember(&it.db, ("system", &key), answer, UnixMs(at)).await.expect("it is stored");
        let found = recall(&it.db, "system", &key).await;
        assert_eq!(found, Some((answer.body_digest.clone(), answer.response.clone())));
    }
    let again = remember(&it.db, ("system", "key 1"), &answers[1], NOW).await;
    assert!(matches!(again, Err(StoreError::Unique { statement: "idempotency.insert" })), "{again:?}");
    let mut tx = it.db.write().await.expect("it begins");
    assert_eq!(idempotency::prune(tx.conn(), UnixMs(3)).await.expect("it deletes"), 2);
    tx.commit().await.expect("it commits");
    let mut left = Vec::new();
    for at in 1..=3 {
        left.push(recall(&it.db, "system", &format!("key {at}")).await.is_some());
    }
    assert_eq!(left, [false, false, true]);
}

pub async fn the_same_key_of_another_actor_is_another(it: TestDb) {
    let of = |text: &str| Remembered { body_digest: Vec::new(), response: text.to_owned() };
    remember(&it.db, ("a", "key"), &of("a's"), NOW).await.expect("it is stored");
    remember(&it.db, ("b", "key"), &of("b's"), NOW).await.expect("it is stored");
    assert_eq!(recall(&it.db, "a", "key").await.map(|found| found.1).as_deref(), Some("a's"));
    assert_eq!(recall(&it.db, "b", "key").await.map(|found| found.1).as_deref(), Some("b's"));
    assert_eq!(recall(&it.db, "ak", "ey").await, None);
}

pub async fn tokens_live_until_they_are_revoked(it: TestDb) {
    store_owner(&it.db, 1).await;
    let operator = Token { id: ids(1).token, merchant_id: None };
    let bound = Token { id: ids(2).token, merchant_id: Some(ids(1).merchant) };
    let odd = Token { id: ids(3).token, merchant_id: None };
    let digests: [&[u8]; 3] = [&[1; 32], &[0, 255], &[]];
    for (token, digest) in [&operator, &bound, &odd].into_iter().zip(digests) {
        let mut tx = it.db.write().await.expect("it begins");
        tokens::insert(tx.conn(), token, digest, HARD_TEXT, NOW).await.expect("it is stored");
        tx.commit().await.expect("it commits");
        let mut conn = it.db.read().await.expect("a connection");
        let found = tokens::find(&mut conn, digest).await.expect("it reads").expect("it is there");
        assert_eq!(shown(&found), shown(token));
    }
    let mut tx = it.db.write().await.expect("it begins");
    let twin = tokens::insert(tx.conn(), &Token { id: ids(4).token, ..operator.clone() }, &[1; 32], "twin", NOW).await;
    assert!(matches!(twin, Err(StoreError::Unique { statement: "api_token.insert" })), "{twin:?}");
    drop(tx);
    let mut tx = it.db.write().await.expect("it begins");
    assert_eq!(tokens::count(tx.conn()).await.expect("it counts"), 3);
    let revoked = async |conn: &mut Conn, n: u64| tokens::revoke(conn, ids(n).token, NOW).await.expect("it is written");
    assert_eq!(revoked(tx.conn(), 1).await, Some(vec![1; 32]));
    assert_eq!(revoked(tx.conn(), 1).await, None, "it was revoked before");
    assert_eq!(revoked(tx.conn(), 9).await, None, "there is none");
    assert_eq!(tokens::count(tx.conn()).await.expect("it counts"), 2);
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    assert!(tokens::find(&mut conn, &[1; 32]).await.expect("it reads").is_none());
    assert!(tokens::find(&mut conn, &[0, 255]).await.expect("it reads").is_some());
    assert!(tokens::find(&mut conn, &[0, 255, 0]).await.expect("it reads").is_none());
}

const ORDERS: Kind<'static> = Kind { product: "razorpay", kind: "order" };

fn object(id: &str, at: i64) -> SandboxObject {
    SandboxObject {
        id: id.to_owned(),
        merchant_id: ids(1).merchant,
        app_id: ids(1).app,
        reference: None,
        body: "{}".to_owned(),
        created_at: UnixMs(at),
        version: 0,
    }
}

async fn keep(db: &Db, kind: Kind<'_>, object: &SandboxObject) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    sandbox::insert(tx.conn(), kind, object, &Facts::default()).await?;
    tx.commit().await
}

pub async fn sandbox_objects_come_back_as_they_went_in(it: TestDb) {
    let hard = SandboxObject {
        reference: Some(HARD_TEXT.to_owned()),
        body: format!("{{\"note\":\"{}\"}}", "漢".repeat(200_000)),
        ..object(HARD_TEXT, i64::MIN)
    };
    let empty = SandboxObject { reference: Some(String::new()), body: String::new(), ..object("", i64::MAX) };
    for wanted in [&hard, &empty, &object("plain", 0)] {
        keep(&it.db, ORDERS, wanted).await.expect("it is stored");
        let mut conn = it.db.read().await.expect("a connection");
        let found = sandbox::find(&mut conn, ORDERS, &wanted.id).await.expect("it reads").expect("it is there");
        assert_eq!(shown(&found), shown(wanted));
        let Some(reference) = &wanted.reference else { continue };
        let found = sandbox::find_reference(&mut conn, ORDERS, ids(1).app, reference).await.expect("it reads");
        assert_eq!(shown(&found.expect("it is there")), shown(wanted));
        assert!(sandbox::find_reference(&mut conn, ORDERS, ids(2).app, reference).await.expect("it reads").is_none());
    }
    let mut conn = it.db.read().await.expect("a connection");
    for other in [Kind { product: "kpay", ..ORDERS }, Kind { kind: "payment", ..ORDERS }] {
        assert!(sandbox::find(&mut conn, other, "plain").await.expect("it reads").is_none());
    }
}

pub async fn a_reference_belongs_to_one_object_of_an_app_and_none_is_no_reference(it: TestDb) {
    let referring = |id: &str| SandboxObject { reference: Some("order 1".to_owned()), ..object(id, 0) };
    keep(&it.db, ORDERS, &referring("a")).await.expect("it is stored");
    let twin = keep(&it.db, ORDERS, &referring("b")).await;
    assert!(matches!(twin, Err(StoreError::Unique { statement: "sandbox_object.insert" })), "{twin:?}");
    keep(&it.db, ORDERS, &SandboxObject { app_id: ids(2).app, ..referring("c") }).await.expect("another app");
    keep(&it.db, Kind { kind: "payment", ..ORDERS }, &referring("d")).await.expect("another kind");
    keep(&it.db, ORDERS, &object("e", 0)).await.expect("none is no reference");
    keep(&it.db, ORDERS, &object("f", 0)).await.expect("none is no reference");
    let same_id = keep(&it.db, ORDERS, &object("a", 0)).await;
    assert!(matches!(same_id, Err(StoreError::Unique { .. })), "{same_id:?}");
}

pub async fn sandbox_objects_are_listed_newest_first_and_then_by_bytes(it: TestDb) {
    for (id, at) in [("b", 5), ("A", 5), ("a", 5), ("_", 5), ("B", 5), ("é", 5), ("old", 4), ("new", 6), ("out", 7)] {
        keep(&it.db, ORDERS, &object(id, at)).await.expect("it is stored");
    }
    let foreign = SandboxObject { merchant_id: ids(2).merchant, ..object("foreign", 5) };
    keep(&it.db, ORDERS, &foreign).await.expect("it is stored");
    let mut conn = it.db.read().await.expect("a connection");
    let mut list = async |count: i64, skip: i64| {
        let window = Window { from: UnixMs(4), to: UnixMs(6), count, skip };
        let found = sandbox::list(&mut conn, ids(1).merchant, ORDERS, window).await.expect("it reads");
        found.into_iter().map(|object| object.id).collect::<Vec<_>>()
    };
    let wanted = ["new", "é", "b", "a", "_", "B", "A", "old"];
    assert_eq!(list(100, 0).await, wanted);
    assert_eq!(list(3, 2).await, wanted[2..5]);
    assert!(list(0, 0).await.is_empty());
    assert!(list(10, 8).await.is_empty());
}

pub async fn counts_under_quotas_are_those_of_the_last_write_until_they_are_old(it: TestDb) {
    let count = |subject: &str, begins_at: i64, requests| QuotaCount {
        product: "kpay".to_owned(),
        rule: "month".to_owned(),
        subject: subject.to_owned(),
        begins_at: UnixMs(begins_at),
        requests,
    };
    let mut tx = it.db.write().await.expect("it begins");
    for one in [count("a", 10, 1), count("b", 20, 4_294_967_295), count("a", 30, 2), count(HARD_TEXT, 40, 0)] {
        quotas::write(tx.conn(), &one).await.expect("it is written");
    }
    tx.commit().await.expect("it commits");
    let kept = |rows: Vec<QuotaCount>| {
        let mut rows = rows;
        rows.sort_by_key(|row| row.begins_at);
        rows
    };
    let mut conn = it.db.read().await.expect("a connection");
    let all = kept(quotas::since(&mut conn, UnixMs(20)).await.expect("it reads"));
    assert_eq!(all, [count("b", 20, 4_294_967_295), count("a", 30, 2), count(HARD_TEXT, 40, 0)]);
    drop(conn);
    let mut tx = it.db.write().await.expect("it begins");
    assert_eq!(quotas::prune(tx.conn(), UnixMs(30)).await.expect("it deletes"), 1);
    tx.commit().await.expect("it commits");
    let mut conn = it.db.read().await.expect("a connection");
    let rest = kept(quotas::since(&mut conn, UnixMs(0)).await.expect("it reads"));
    assert_eq!(rest, [count("a", 30, 2), count(HARD_TEXT, 40, 0)]);
}
