//! What sandboxes do later: objects that change from the version that was read, moves and the clocks they stand by, wallets,
//! and answers that are given again.

use keymint_domain::test_clock::TestClock;
use keymint_domain::time::UnixMs;
use keymint_store::error::StoreError;
use keymint_store::moves::{self, Move};
use keymint_store::sandbox::{self, Facts, Kind, Reference, SandboxObject};
use keymint_store::wallets::{self, Answered, Entry, Holding};
use keymint_testkit::TestDb;

use crate::sample::{HARD_TEXT, ids, store_owner};

const KIND: Kind<'static> = Kind { product: "kpay", kind: "payment" };

fn object(id: &str, reference: Option<&str>) -> SandboxObject {
    SandboxObject {
        id: id.to_owned(),
        merchant_id: ids(1).merchant,
        app_id: ids(1).app,
        reference: reference.map(str::to_owned),
        body: "{}".to_owned(),
        created_at: UnixMs(1),
        version: 0,
    }
}

pub async fn an_object_changes_from_the_version_that_was_read_and_only_once(it: TestDb) {
    let mut tx = it.db.write().await.expect("it begins");
    let first = object("a", Some("order 1"));
    sandbox::insert(tx.conn(), KIND, &first, &Facts::default()).await.expect("it is stored");
    let facts = Facts { status: "failed".to_owned(), amount: Some("5".to_owned()), ..Facts::default() };
    let mut change = async |object: &SandboxObject, reference| {
        sandbox::change(tx.conn(), (KIND, object), (HARD_TEXT, &facts), reference, UnixMs(9)).await.expect("it changes")
    };
    assert!(!change(&SandboxObject { version: 1, ..first.clone() }, Reference::Kept).await, "a version to come");
    assert!(!change(&object("b", None), Reference::Kept).await, "another object");
    assert!(change(&first, Reference::Kept).await);
    assert!(!change(&first, Reference::Freed).await, "it was read before that");
    let found =
        sandbox::find_reference(tx.conn(), KIND, ids(1).app, "order 1").await.expect("it reads").expect("there");
    assert_eq!((found.version, found.body.as_str()), (1, HARD_TEXT));
    let freed = sandbox::change(tx.conn(), (KIND, &found), ("{}", &facts), Reference::Freed, UnixMs(9)).await;
    assert!(freed.expect("it changes"));
    assert!(sandbox::find_reference(tx.conn(), KIND, ids(1).app, "order 1").await.expect("it reads").is_none());
    sandbox::insert(tx.conn(), KIND, &object("c", Some("order 1")), &Facts::default()).await.expect("it is free");
}

fn a_move(id: &str, version: i64, due_at: i64) -> Move {
    Move {
        product: "kpay".to_owned(),
        kind: "payment".to_owned(),
        id: id.to_owned(),
        version,
        app_id: ids(1).app,
        due_at: UnixMs(due_at),
        body: HARD_TEXT.to_owned(),
        reference: Reference::Freed,
        event: Some(("payment.failed".to_owned(), "{}".to_owned())),
        postings: "[]".to_owned(),
    }
}

pub async fn moves_wake_in_their_order_and_stand_with_the_apps_clock(it: TestDb) {
    store_owner(&it.db, 1).await;
    let mut tx = it.db.write().await.expect("it begins");
    let quiet = Move { event: None, reference: Reference::Kept, ..a_move("a", 1, 20) };
    for one in [&a_move("b", 0, 30), &a_move("a", 0, 20), &quiet] {
        moves::insert(tx.conn(), one, Some(one.due_at)).await.expect("it is stored");
    }
    let theirs = Move { app_id: ids(2).app, ..a_move("c", 0, 25) };
    moves::insert(tx.conn(), &theirs, Some(UnixMs(25))).await.expect("it is stored");
    let names = |found: Vec<Move>| found.into_iter().map(|one| (one.id, one.version)).collect::<Vec<_>>();
    let name = |id: &str, version| (id.to_owned(), version);
    assert_eq!(moves::waking(tx.conn(), UnixMs(20), 9).await.expect("it reads"), [a_move("a", 0, 20), quiet.clone()]);
    assert!(moves::waking(tx.conn(), UnixMs(19), 9).await.expect("it reads").is_empty());
    assert_eq!(moves::next(tx.conn(), UnixMs(19)).await.expect("it reads"), Some(UnixMs(20)));
    assert_eq!(moves::next(tx.conn(), UnixMs(20)).await.expect("it reads"), Some(UnixMs(25)));
    assert_eq!(moves::next(tx.conn(), UnixMs(30)).await.expect("it reads"), None);
    assert_eq!(moves::clock(tx.conn(), ids(1).app).await.expect("it reads"), None);
    // It stands at 20: what is later does not wake at all; other apps' moves do.
    let stands = TestClock { at: UnixMs(20), runs_since: None };
    moves::set_clock(tx.conn(), ids(1).app, stands, UnixMs(7)).await.expect("it is set");
    assert_eq!(moves::clock(tx.conn(), ids(1).app).await.expect("it reads"), Some(stands));
    let woken = moves::waking(tx.conn(), UnixMs(1_000), 9).await.expect("it reads");
    assert_eq!(names(woken), [name("a", 0), name("a", 1), name("c", 0)]);
    let due = moves::due(tx.conn(), ids(1).app, UnixMs(30), 9).await.expect("it reads");
    assert_eq!(names(due), [name("a", 0), name("a", 1), name("b", 0)]);
    // It runs from 20 since 100: what is due at 30 wakes at 110.
    let runs = TestClock { at: UnixMs(20), runs_since: Some(UnixMs(100)) };
    moves::set_clock(tx.conn(), ids(1).app, runs, UnixMs(100)).await.expect("it is set");
    assert_eq!(moves::next(tx.conn(), UnixMs(100)).await.expect("it reads"), Some(UnixMs(110)));
    moves::wake(tx.conn(), &a_move("b", 0, 30), None).await.expect("it is noted");
    assert_eq!(moves::next(tx.conn(), UnixMs(100)).await.expect("it reads"), None);
    assert!(moves::take(tx.conn(), &a_move("a", 0, 20)).await.expect("it goes"));
    assert!(!moves::take(tx.conn(), &a_move("a", 0, 20)).await.expect("it is gone"));
    moves::overtake(tx.conn(), ("kpay", "payment", "a")).await.expect("the rest goes");
    let left = moves::due(tx.conn(), ids(1).app, UnixMs(99), 9).await.expect("it reads");
    assert_eq!(names(left), [name("b", 0)]);
    let twin = moves::insert(tx.conn(), &a_move("b", 0, 30), None).await;
    assert!(matches!(twin, Err(StoreError::Unique { statement: "sandbox_move.insert" })), "{twin:?}");
}

pub async fn money_moves_where_it_is_and_every_posting_is_kept(it: TestDb) {
    let mut tx = it.db.write().await.expect("it begins");
    let app = ids(1).app;
    assert_eq!(wallets::find(tx.conn(), app, "XAF").await.expect("it reads"), None);
    let mut post = async |amount, reserved| {
        let entry = Entry { wallet: "XAF", opening: 100, object: HARD_TEXT, amount, reserved };
        wallets::post(tx.conn(), app, entry, UnixMs(1)).await.expect("it posts")
    };
    assert!(!post(-101, 0).await && !post(0, 101).await && !post(0, -1).await, "one unit too many");
    assert!(post(0, 100).await && !post(-1, 0).await && !post(0, 1).await, "what is set aside is not there twice");
    assert!(post(-40, -40).await && post(7, 0).await && !post(9_007_199_254_740_991, 0).await);
    let held = Holding { balance: 67, reserved: 60 };
    assert_eq!(wallets::find(tx.conn(), app, "XAF").await.expect("it reads"), Some(held));
    let posted = wallets::posted(tx.conn(), app, "XAF").await.expect("it reads");
    assert_eq!((100 + posted.balance, posted.reserved), (67, 60), "what is there is what was posted");
    assert_eq!(wallets::list(tx.conn(), app).await.expect("it reads"), [("XAF".to_owned(), held)]);
    for (app, wallet) in [(ids(2).app, "XAF"), (app, "XOF")] {
        assert_eq!(wallets::find(tx.conn(), app, wallet).await.expect("it reads"), None);
        assert_eq!(
            wallets::posted(tx.conn(), app, wallet).await.expect("it reads"),
            Holding { balance: 0, reserved: 0 }
        );
    }
}

pub async fn answers_of_simulators_are_an_apps_own_until_they_are_forgotten(it: TestDb) {
    let answered = |body: &str| Answered { digest: vec![0, 255], status: 201, body: body.to_owned() };
    let app = ids(1).app;
    let mut tx = it.db.write().await.expect("it begins");
    wallets::remember(tx.conn(), (app, "k"), &answered(HARD_TEXT), UnixMs(5)).await.expect("it is kept");
    wallets::remember(tx.conn(), (ids(2).app, "k"), &answered("{}"), UnixMs(6)).await.expect("another app's");
    tx.commit().await.expect("it commits");
    let mut tx = it.db.write().await.expect("it begins");
    assert_eq!(wallets::recall(tx.conn(), app, "k").await.expect("it reads"), Some(answered(HARD_TEXT)));
    assert_eq!(wallets::recall(tx.conn(), app, "K").await.expect("it reads"), None);
    wallets::forget(tx.conn(), UnixMs(6)).await.expect("it forgets");
    assert_eq!(wallets::recall(tx.conn(), app, "k").await.expect("it reads"), None);
    let twin = wallets::remember(tx.conn(), (ids(2).app, "k"), &answered("x"), UnixMs(7)).await;
    assert!(matches!(twin, Err(StoreError::Unique { statement: "sandbox_answer.insert" })), "{twin:?}");
}
