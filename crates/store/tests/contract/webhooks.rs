//! Webhooks: endpoints and their secrets, events, deliveries and what became of them.

use keymint_domain::id::{DeliveryId, EndpointId, EventId};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::signature::Kind;
use keymint_store::db::{Conn, Db, EngineName};
use keymint_store::deliveries::{self, Attempt, DeliveryState, Event, Happened, NewDelivery, Tried};
use keymint_store::due;
use keymint_store::error::StoreError;
use keymint_store::webhooks::{self, Endpoint, EndpointState};
use keymint_testkit::{SeededEntropy, TestDb, cut_off_after};

use crate::sample::{HARD_TEXT, NOW, ids, plan, store_owner};

fn endpoint(owner: u64, mode: Mode) -> Endpoint {
    let entropy = SeededEntropy::new(owner);
    Endpoint {
        is_ordered: owner == 1,
        id: EndpointId::fresh(NOW, &*entropy).expect("an id"),
        app_id: ids(owner).app,
        mode,
        url: HARD_TEXT.to_owned(),
        events: vec![HARD_TEXT.to_owned(), String::new()],
        alert_email: Some(HARD_TEXT.to_owned()),
        state: EndpointState::Enabled,
        secret_version: i64::MAX,
        created_at: NOW,
        row_check: vec![0, 255],
        signature: if owner == 1 { Kind::Ed25519 } else { Kind::Hmac },
    }
}

async fn stored(db: &Db, endpoint: &Endpoint) {
    let mut tx = db.write().await.expect("a transaction");
    webhooks::insert(tx.conn(), endpoint).await.expect("it is stored");
    tx.commit().await.expect("committed");
}

async fn put(conn: &mut Conn, endpoint: &Endpoint, (n, at): (u64, UnixMs)) -> DeliveryId {
    let entropy = SeededEntropy::new(1000 + n);
    let event = Event {
        id: EventId::fresh(at, &*entropy).expect("an id"),
        app_id: endpoint.app_id,
        mode: endpoint.mode,
        name: HARD_TEXT.to_owned(),
        body: format!("{HARD_TEXT}{n}"),
        at,
    };
    let id = DeliveryId::fresh(at, &*entropy).expect("an id");
    let one = NewDelivery { id, endpoint_id: endpoint.id, secret_version: 7, subject: None };
    deliveries::insert(conn, &[&Happened { event, deliveries: vec![one] }]).await.expect("it is stored");
    id
}

/// Another of the same endpoint and subject.
async fn put_in_turn(conn: &mut Conn, endpoint: &Endpoint, n: u64, (at, subject): (UnixMs, &str)) -> DeliveryId {
    let entropy = SeededEntropy::new(2000 + n);
    let id = EventId::fresh(at, &*entropy).expect("an id");
    let (name, body) = (HARD_TEXT.to_owned(), "{}".to_owned());
    let event = Event { id, app_id: endpoint.app_id, mode: endpoint.mode, name, body, at };
    let id = DeliveryId::fresh(at, &*entropy).expect("an id");
    let subject = Some(subject.to_owned());
    let one = NewDelivery { id, endpoint_id: endpoint.id, secret_version: 1, subject };
    deliveries::insert(conn, &[&Happened { event, deliveries: vec![one] }]).await.expect("it is stored");
    id
}

/// A first try of which nothing came back.
fn bare() -> Attempt {
    let (problem, answer, request, answer_head) = (None, None, None, None);
    Attempt { number: 1, at: NOW, took_ms: 0, status: None, problem, answer, request, answer_head }
}

async fn record(
    conn: &mut Conn,
    delivery: DeliveryId,
    attempt: &Attempt,
    (state, next_at): (DeliveryState, Option<UnixMs>),
) {
    let tried = Tried { delivery, attempt: attempt.clone(), state, next_at };
    deliveries::record(conn, &[&tried]).await.expect("it is kept");
}

async fn due(conn: &mut Conn, endpoint: &Endpoint, now: UnixMs) -> Vec<DeliveryId> {
    let found = due::longest_waiting(conn, endpoint.id, (now, 10)).await.expect("it reads");
    found.into_iter().map(|delivery| delivery.id).collect()
}

fn after(milliseconds: i64) -> UnixMs {
    UnixMs(NOW.0 + milliseconds)
}

pub async fn endpoints_come_back_as_they_went_in_and_are_those_of_their_app_and_mode(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let (full, other) = (endpoint(1, Mode::Test), endpoint(2, Mode::Live));
    stored(&it.db, &full).await;
    stored(&it.db, &other).await;
    let mut tx = it.db.write().await.expect("a transaction");
    let of = async |conn: &mut Conn, n: u64, mode| webhooks::of_app(conn, ids(n).app, mode).await.expect("it reads");
    assert_eq!(of(tx.conn(), 1, Mode::Test).await.as_slice(), std::slice::from_ref(&full));
    assert!(of(tx.conn(), 1, Mode::Live).await.is_empty() && of(tx.conn(), 2, Mode::Test).await.is_empty());
    let changed = Endpoint {
        url: "u".to_owned(),
        events: Vec::new(),
        alert_email: None,
        state: EndpointState::Failing,
        is_ordered: false,
        secret_version: 0,
        row_check: vec![1],
        ..full.clone()
    };
    webhooks::update(tx.conn(), &changed).await.expect("it is written");
    assert_eq!(webhooks::find(tx.conn(), full.id).await.expect("it reads"), Some(changed.clone()));
    assert_eq!(webhooks::find(tx.conn(), other.id).await.expect("it reads"), Some(other));
    let deleted = Endpoint { state: EndpointState::Deleted, ..changed };
    webhooks::update(tx.conn(), &deleted).await.expect("it is written");
    assert_eq!(webhooks::find(tx.conn(), full.id).await.expect("it reads"), None);
    assert!(of(tx.conn(), 1, Mode::Test).await.is_empty());
}

pub async fn secrets_end_when_their_successor_says_and_else_never(it: TestDb) {
    store_owner(&it.db, 1).await;
    let one = endpoint(1, Mode::Test);
    stored(&it.db, &one).await;
    let mut tx = it.db.write().await.expect("a transaction");
    let ends = async |conn: &mut Conn| -> Vec<(i64, Vec<u8>, Option<UnixMs>)> {
        let found = webhooks::secrets(conn, one.id).await.expect("it reads");
        found.into_iter().map(|secret| (secret.version, secret.sealed, secret.ends_at)).collect()
    };
    webhooks::put_secret(tx.conn(), one.id, (1, &[0, 1]), None).await.expect("it is stored");
    webhooks::put_secret(tx.conn(), one.id, (2, &[2]), None).await.expect("it is stored");
    assert_eq!(ends(tx.conn()).await, [(2, vec![2], None), (1, vec![0, 1], None)]);
    webhooks::put_secret(tx.conn(), one.id, (3, &[3]), Some(after(9))).await.expect("it is stored");
    // A later end does not give an older secret more time; an earlier one takes it.
    webhooks::put_secret(tx.conn(), one.id, (4, &[4]), Some(after(20))).await.expect("it is stored");
    let all: Vec<_> = ends(tx.conn()).await.into_iter().map(|(version, _, end)| (version, end)).collect();
    assert_eq!(all, [(4, None), (3, Some(after(20))), (2, Some(after(9))), (1, Some(after(9)))]);
    webhooks::put_secret(tx.conn(), one.id, (5, &[5]), Some(after(1))).await.expect("it is stored");
    let all: Vec<_> = ends(tx.conn()).await.into_iter().map(|(_, _, end)| end).collect();
    assert_eq!(all, [None, Some(after(1)), Some(after(1)), Some(after(1)), Some(after(1))]);
    let again = webhooks::put_secret(tx.conn(), one.id, (5, &[6]), None).await;
    assert!(again.is_err(), "a version is given once");
}

pub async fn what_is_due_is_found_by_its_endpoint_the_longest_waiting_first(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let (one, two) = (endpoint(1, Mode::Test), endpoint(2, Mode::Live));
    stored(&it.db, &one).await;
    stored(&it.db, &two).await;
    let mut tx = it.db.write().await.expect("a transaction");
    let conn = tx.conn();
    let late = put(conn, &one, (1, after(5))).await;
    let early = put(conn, &one, (2, after(1))).await;
    let other = put(conn, &two, (3, after(2))).await;
    let endpoints = async |conn: &mut Conn, now| due::endpoints(conn, now).await.expect("it reads");
    let mut of_both = [one.id, two.id];
    of_both.sort_unstable();
    assert!(endpoints(conn, NOW).await.is_empty());
    assert_eq!(due::next(conn, NOW).await.expect("it reads"), Some(after(1)));
    assert_eq!(due::next(conn, after(5)).await.expect("it reads"), None);
    assert_eq!(endpoints(conn, after(5)).await, of_both);
    assert_eq!(due(conn, &one, after(5)).await, [early, late]);
    assert_eq!(due(conn, &one, after(4)).await, [early]);
    assert_eq!(due(conn, &two, after(5)).await, [other]);
    let found = deliveries::find(conn, early).await.expect("it reads").expect("one");
    assert_eq!((found.body, found.event, found.secret_version), (format!("{HARD_TEXT}2"), HARD_TEXT.to_owned(), 7));
    assert_eq!((found.state, found.tries, found.next_at), (DeliveryState::Waiting, 0, Some(after(1))));
    let listed = deliveries::of_endpoint(conn, one.id, "dlv_~", 10).await.expect("it reads");
    assert_eq!(listed.iter().map(|one| (one.id, one.body.as_str())).collect::<Vec<_>>(), [(late, ""), (early, "")]);
    let older = deliveries::of_endpoint(conn, one.id, &late.to_string(), 10).await.expect("it reads");
    assert_eq!(older.iter().map(|one| one.id).collect::<Vec<_>>(), [early]);
}

pub async fn tries_are_kept_and_a_delivery_is_held_dropped_and_sent_again(it: TestDb) {
    store_owner(&it.db, 1).await;
    let one = endpoint(1, Mode::Test);
    stored(&it.db, &one).await;
    let mut tx = it.db.write().await.expect("a transaction");
    let conn = tx.conn();
    let id = put(conn, &one, (1, NOW)).await;
    let bare = bare();
    let text = Some(HARD_TEXT.to_owned());
    let full = Attempt {
        number: 2,
        took_ms: i64::MAX,
        status: Some(599),
        problem: text.clone(),
        answer: text.clone(),
        request: text.clone(),
        answer_head: text,
        ..bare.clone()
    };
    record(conn, id, &bare, (DeliveryState::Waiting, Some(after(3)))).await;
    assert_eq!((due(conn, &one, after(2)).await, due(conn, &one, after(3)).await), (Vec::new(), vec![id]));
    record(conn, id, &full, (DeliveryState::Failed, None)).await;
    assert_eq!(deliveries::attempts(conn, id).await.expect("it reads"), [bare, full]);
    let state = async |conn: &mut Conn| {
        let found = deliveries::find(conn, id).await.expect("it reads").expect("one");
        (found.state, found.tries, found.tries_before, found.next_at)
    };
    assert_eq!(state(conn).await, (DeliveryState::Failed, 2, 0, None));
    assert!(deliveries::resend(conn, id, after(9)).await.expect("it is written"));
    assert_eq!(state(conn).await, (DeliveryState::Waiting, 2, 2, Some(after(9))));
    deliveries::hold(conn, one.id).await.expect("it is written");
    assert_eq!(state(conn).await, (DeliveryState::Held, 2, 2, None));
    assert_eq!(deliveries::resend_held(conn, one.id, after(1), after(9)).await.expect("it is written"), 0, "too old");
    assert_eq!(deliveries::resend_held(conn, one.id, NOW, after(10)).await.expect("it is written"), 1);
    assert_eq!(deliveries::resend_since(conn, one.id, NOW, after(9)).await.expect("it is written"), 0, "it waits");
    deliveries::drop_waiting(conn, one.id).await.expect("it is written");
    assert_eq!(state(conn).await.0, DeliveryState::Dropped);
    assert!(!deliveries::resend(conn, id, after(9)).await.expect("nothing to write"), "its endpoint is gone");
}

pub async fn what_is_too_old_goes_with_its_deliveries_and_their_tries(it: TestDb) {
    store_owner(&it.db, 1).await;
    let one = endpoint(1, Mode::Test);
    stored(&it.db, &one).await;
    let mut tx = it.db.write().await.expect("a transaction");
    let conn = tx.conn();
    let (old, young) = (put(conn, &one, (1, NOW)).await, put(conn, &one, (2, after(1))).await);
    let attempt = bare();
    for id in [old, young] {
        record(conn, id, &attempt, (DeliveryState::Waiting, Some(after(9)))).await;
    }
    deliveries::prune(conn, after(1)).await.expect("it is deleted");
    assert_eq!(deliveries::find(conn, old).await.expect("it reads"), None);
    assert!(deliveries::attempts(conn, old).await.expect("it reads").is_empty());
    assert_eq!(deliveries::attempts(conn, young).await.expect("it reads").len(), 1);
    assert_eq!(due(conn, &one, after(9)).await, [young]);
}

pub async fn one_with_a_subject_is_due_when_those_before_it_are_done_with(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let (one, two) = (endpoint(1, Mode::Test), endpoint(2, Mode::Live));
    stored(&it.db, &one).await;
    stored(&it.db, &two).await;
    let mut tx = it.db.write().await.expect("a transaction");
    let conn = tx.conn();
    // Written in this order, all in one millisecond.
    let first = put_in_turn(conn, &one, 1, (NOW, HARD_TEXT)).await;
    let second = put_in_turn(conn, &one, 2, (NOW, HARD_TEXT)).await;
    let third = put_in_turn(conn, &one, 3, (NOW, HARD_TEXT)).await;
    let of_other_subject = put_in_turn(conn, &one, 4, (after(1), "pay_2")).await;
    let of_other_endpoint = put_in_turn(conn, &two, 5, (NOW, HARD_TEXT)).await;
    let free = put(conn, &one, (6, after(2))).await;
    assert_eq!(due(conn, &one, after(2)).await, [first, of_other_subject, free]);
    assert_eq!(due(conn, &two, after(2)).await, [of_other_endpoint]);
    let attempt = bare();
    record(conn, first, &attempt, (DeliveryState::Waiting, Some(after(9)))).await;
    assert_eq!(due(conn, &one, after(2)).await, [of_other_subject, free], "it waits for another try, and they for it");
    record(conn, first, &Attempt { number: 2, ..attempt.clone() }, (DeliveryState::Failed, None)).await;
    assert_eq!(due(conn, &one, after(2)).await, [second, of_other_subject, free]);
    record(conn, second, &attempt, (DeliveryState::Delivered, None)).await;
    assert_eq!(due(conn, &one, after(2)).await, [third, of_other_subject, free]);
    let oldest = due::oldest(conn, one.id, (after(2), 1)).await.expect("it reads");
    assert_eq!(oldest.first().map(|one| (one.id, one.subject.clone())), Some((third, Some(HARD_TEXT.to_owned()))));
}

/// The n-th event of an app, for these endpoints.
fn happened(entropy: &SeededEntropy, app: &Endpoint, n: usize, to: &[(&Endpoint, Option<&str>)]) -> Happened {
    let number = i64::try_from(n).expect("few");
    let (name, body) = (format!("{HARD_TEXT}{n}"), HARD_TEXT.repeat(n));
    let id = EventId::fresh(NOW, entropy).expect("an id");
    let new = |(endpoint, subject): &(&Endpoint, Option<&str>)| NewDelivery {
        id: DeliveryId::fresh(NOW, entropy).expect("an id"),
        endpoint_id: endpoint.id,
        secret_version: number,
        subject: subject.map(str::to_owned),
    };
    let event = Event { id, app_id: app.app_id, mode: app.mode, name, body, at: after(number) };
    Happened { event, deliveries: to.iter().map(new).collect() }
}

pub async fn what_is_written_together_is_as_though_it_were_written_one_by_one(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let (one, two) = (endpoint(1, Mode::Test), endpoint(2, Mode::Live));
    stored(&it.db, &one).await;
    stored(&it.db, &two).await;
    let entropy = SeededEntropy::new(3000);
    let happened = |app, n, to| happened(&entropy, app, n, to);
    let all = [
        happened(&one, 1, &[(&one, None), (&two, None)]),
        happened(&two, 2, &[]),
        happened(&one, 3, &[(&one, Some("pay_1"))]),
        happened(&one, 4, &[(&one, Some("pay_1")), (&two, None)]),
    ];
    let mut tx = it.db.write().await.expect("a transaction");
    let conn = tx.conn();
    deliveries::insert(conn, &[]).await.expect("nothing is stored");
    deliveries::insert(conn, &all.iter().collect::<Vec<_>>()).await.expect("they are stored");
    for one in &all {
        for new in &one.deliveries {
            let found = deliveries::find(conn, new.id).await.expect("it reads").expect("one");
            assert_eq!((&found.event, &found.body), (&one.event.name, &one.event.body));
            assert_eq!((found.endpoint_id, found.secret_version), (new.endpoint_id, new.secret_version));
            assert_eq!((&found.subject, found.created_at), (&new.subject, one.event.at));
        }
    }
    let id = |event: usize, place: usize| all[event].deliveries[place].id;
    // The second about one payment waits for the first, though they came together.
    assert_eq!(due(conn, &one, after(9)).await, [id(0, 0), id(2, 0)]);
    assert_eq!(due(conn, &two, after(9)).await, [id(0, 1), id(3, 1)]);
    let attempt = |number, answer: Option<&str>| Attempt {
        number,
        took_ms: number,
        status: answer.map(|_| 200),
        answer: answer.map(str::to_owned),
        request: answer.map(|_| HARD_TEXT.to_owned()),
        ..bare()
    };
    let tried = |delivery, attempt, state, next_at| Tried { delivery, attempt, state, next_at };
    let tries = [
        tried(id(0, 0), attempt(1, Some(HARD_TEXT)), DeliveryState::Delivered, None),
        tried(id(0, 1), attempt(2, None), DeliveryState::Waiting, Some(after(20))),
        tried(id(2, 0), attempt(3, None), DeliveryState::Failed, None),
    ];
    deliveries::record(conn, &[]).await.expect("nothing is kept");
    deliveries::record(conn, &tries.iter().collect::<Vec<_>>()).await.expect("they are kept");
    for one in &tries {
        let found = deliveries::find(conn, one.delivery).await.expect("it reads").expect("one");
        assert_eq!((found.state, found.tries, found.next_at), (one.state, one.attempt.number, one.next_at));
        let kept = deliveries::attempts(conn, one.delivery).await.expect("it reads");
        assert_eq!(kept.as_slice(), std::slice::from_ref(&one.attempt));
    }
    assert_eq!(due(conn, &one, after(9)).await, [id(3, 0)]);
    assert_eq!(due(conn, &two, after(19)).await, [id(3, 1)], "the other waits for its next try");
}

pub async fn one_that_cannot_be_written_takes_those_with_it_that_are_written_together(it: TestDb) {
    store_owner(&it.db, 1).await;
    let one = endpoint(1, Mode::Test);
    stored(&it.db, &one).await;
    let entropy = SeededEntropy::new(3000);
    let (fresh, other) = (happened(&entropy, &one, 1, &[(&one, None)]), happened(&entropy, &one, 2, &[]));
    let mut tx = it.db.write().await.expect("a transaction");
    deliveries::insert(tx.conn(), &[&other]).await.expect("it is stored");
    tx.commit().await.expect("committed");
    let mut tx = it.db.write().await.expect("a transaction");
    let twice = deliveries::insert(tx.conn(), &[&fresh, &other]).await;
    assert!(matches!(twice, Err(StoreError::Unique { statement: "webhook_event.insert" })), "{twice:?}");
    drop(tx);
    let mut conn = it.db.read().await.expect("a connection");
    assert_eq!(deliveries::find(&mut conn, fresh.deliveries[0].id).await.expect("it reads"), None);
}

pub async fn what_is_written_alone_is_there_as_a_whole_or_not_at_all(it: TestDb) {
    store_owner(&it.db, 1).await;
    store_owner(&it.db, 2).await;
    let (one, two) = (endpoint(1, Mode::Test), endpoint(2, Mode::Live));
    stored(&it.db, &one).await;
    stored(&it.db, &two).await;
    let entropy = SeededEntropy::new(3000);
    let happened = |n, to: &[(&Endpoint, Option<&str>)]| happened(&entropy, &one, n, to);
    let of = async |new: &Happened| {
        let mut conn = it.db.read().await.expect("a connection");
        let id = new.deliveries.first().expect("one").id;
        deliveries::find(&mut conn, id).await.expect("it reads").map(|found| found.tries)
    };
    let free = happened(1, &[(&one, None)]);
    let mixed = [happened(2, &[(&one, None), (&two, Some("pay_1"))]), happened(3, &[(&two, Some("pay_1"))])];
    deliveries::insert_alone(&it.db, &[&free]).await.expect("they are stored");
    deliveries::insert_alone(&it.db, &[&mixed[0], &mixed[1]]).await.expect("they are stored");
    let mut conn = it.db.read().await.expect("a connection");
    assert_eq!(due(&mut conn, &one, after(9)).await.len(), 2);
    assert_eq!(due(&mut conn, &two, after(9)).await, [mixed[0].deliveries[1].id], "the second waits for the first");
    drop(conn);
    // Beside one that is there already, none of a batch is written: free or not.
    for (n, subject) in [(4, None), (5, Some("pay_1"))] {
        let fresh = happened(n, &[(&two, subject)]);
        let refused = deliveries::insert_alone(&it.db, &[&fresh, &free]).await;
        assert!(matches!(refused, Err(StoreError::Unique { .. })), "{refused:?}");
        assert_eq!(of(&fresh).await, None);
        deliveries::insert_alone(&it.db, &[&fresh]).await.expect("by itself it is stored");
        assert_eq!(of(&fresh).await, Some(0));
    }
    let tried = |new: &Happened, number| Tried {
        delivery: new.deliveries[0].id,
        attempt: Attempt { number, ..bare() },
        state: DeliveryState::Delivered,
        next_at: None,
    };
    deliveries::record_alone(&it.db, &[&tried(&free, 1)]).await.expect("it is kept");
    let refused = deliveries::record_alone(&it.db, &[&tried(&mixed[0], 1), &tried(&free, 1)]).await;
    assert!(matches!(refused, Err(StoreError::Unique { .. })), "{refused:?}");
    assert_eq!((of(&mixed[0]).await, of(&free).await), (Some(0), Some(1)));
    deliveries::record_alone(&it.db, &[&tried(&mixed[0], 1), &tried(&free, 2)]).await.expect("they are kept");
    assert_eq!((of(&mixed[0]).await, of(&free).await), (Some(1), Some(2)));
}

/// A caller may vanish at any step, and no connection that still owes an answer goes to the next one.
pub async fn what_is_written_alone_and_cut_off_leaves_all_or_nothing(it: TestDb) {
    store_owner(&it.db, 1).await;
    let one = endpoint(1, Mode::Test);
    stored(&it.db, &one).await;
    let entropy = SeededEntropy::new(3000);
    let mut written = 0;
    for steps in 0..12 {
        let all = [happened(&entropy, &one, 1, &[(&one, None)]), happened(&entropy, &one, 2, &[(&one, None)])];
        let done = cut_off_after(steps, deliveries::insert_alone(&it.db, &[&all[0], &all[1]])).await;
        let is_acknowledged = done.map(|done| done.expect("it is stored")).is_some();
        let mut tx = it.db.write().await.expect("it begins");
        // PostgreSQL may be at it still.
        let found = async |conn: &mut Conn| {
            let mut count = 0;
            for one in &all {
                let found = deliveries::find(conn, one.deliveries[0].id).await.expect("it reads");
                count += usize::from(found.is_some());
            }
            count
        };
        let count = found(tx.conn()).await;
        assert!(count == 0 || count == 2 || found(tx.conn()).await == 2, "{count} after {steps} steps");
        assert!(!is_acknowledged || count == 2, "after {steps} steps");
        written += usize::from(is_acknowledged);
    }
    assert!((1..12).contains(&written), "{written} of 12: they were not cut off in different places");
}

async fn all_events(conn: &mut Conn, of: &Endpoint) -> Vec<Event> {
    let since = (UnixMs(0), String::new());
    deliveries::events_since(conn, (of.app_id, of.mode), &since, 10).await.expect("it reads")
}

/// The tables before they were lean, with what stands in them now.
const BEFORE: &str = "
    DELETE FROM schema_migration WHERE version >= 23;
    DROP INDEX webhook_event_app;
    ALTER TABLE webhook_event RENAME TO lean_event;
    ALTER TABLE webhook_delivery RENAME TO lean_delivery;
    ALTER TABLE webhook_attempt RENAME TO lean_attempt;
    CREATE TABLE webhook_event (id TEXT NOT NULL PRIMARY KEY, app_id TEXT NOT NULL REFERENCES app (id),
      mode TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL);
    INSERT INTO webhook_event (id, app_id, mode, name, body, at) SELECT id, app_id, mode, name, body, at FROM lean_event;
    DROP TABLE lean_event;
    CREATE INDEX webhook_event_at ON webhook_event (at);
    CREATE INDEX webhook_event_app ON webhook_event (app_id, mode, at, id);
    DROP INDEX webhook_delivery_lane; DROP INDEX webhook_delivery_endpoint; DROP INDEX webhook_delivery_subject;
    CREATE TABLE webhook_delivery (id TEXT NOT NULL PRIMARY KEY, event_id TEXT NOT NULL REFERENCES webhook_event (id),
      endpoint_id TEXT NOT NULL REFERENCES webhook_endpoint (id), secret_version INTEGER NOT NULL, state TEXT NOT NULL,
      tries INTEGER NOT NULL, tries_before INTEGER NOT NULL, created_at INTEGER NOT NULL, next_at INTEGER, subject TEXT,
      turn INTEGER);
    CREATE TABLE webhook_attempt (delivery_id TEXT NOT NULL REFERENCES webhook_delivery (id), number INTEGER NOT NULL,
      at INTEGER NOT NULL, took_ms INTEGER NOT NULL, status INTEGER, problem TEXT, answer TEXT,
      PRIMARY KEY (delivery_id, number));
    INSERT INTO webhook_delivery (id, event_id, endpoint_id, secret_version, state, tries, tries_before, created_at,
        next_at, subject, turn)
      SELECT id, event_id, endpoint_id, secret_version, state, tries, tries_before, created_at, next_at, subject, turn
      FROM lean_delivery;
    INSERT INTO webhook_attempt (delivery_id, number, at, took_ms, status, problem, answer)
      SELECT delivery_id, number, at, took_ms, status, problem, answer FROM lean_attempt;
    DROP TABLE lean_attempt; DROP TABLE lean_delivery;
    CREATE INDEX webhook_delivery_next ON webhook_delivery (next_at, endpoint_id) WHERE next_at IS NOT NULL;
    CREATE INDEX webhook_delivery_lane ON webhook_delivery (endpoint_id, next_at) WHERE next_at IS NOT NULL;
    CREATE INDEX webhook_delivery_endpoint ON webhook_delivery (endpoint_id, id);
    CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);
    CREATE INDEX webhook_delivery_subject ON webhook_delivery (endpoint_id, subject, turn) WHERE subject IS NOT NULL;
";

pub async fn what_was_written_before_the_tables_were_lean_stands_in_them(it: TestDb) {
    store_owner(&it.db, 1).await;
    let one = endpoint(1, Mode::Test);
    stored(&it.db, &one).await;
    let mut tx = it.db.write().await.expect("a transaction");
    let conn = tx.conn();
    let free = put(conn, &one, (1, NOW)).await;
    let first = put_in_turn(conn, &one, 2, (after(1), HARD_TEXT)).await;
    let second = put_in_turn(conn, &one, 3, (after(1), HARD_TEXT)).await;
    let problem = Some(HARD_TEXT.to_owned());
    let attempt = Attempt { number: 1, at: NOW, took_ms: 2, status: Some(500), problem, ..bare() };
    record(conn, free, &attempt, (DeliveryState::Waiting, Some(after(3)))).await;
    let all = async |conn: &mut Conn| {
        let mut found = Vec::new();
        for id in [free, first, second] {
            found.push(deliveries::find(conn, id).await.expect("it reads").expect("one"));
        }
        (found, all_events(conn, &one).await, deliveries::attempts(conn, free).await.expect("it reads"))
    };
    let before = all(conn).await;
    let script = match it.db.engine() {
        EngineName::Sqlite => BEFORE.to_owned(),
        EngineName::Postgres => BEFORE.replace("INTEGER", "BIGINT").replace(" TEXT", " TEXT COLLATE \"C\""),
    };
    tx.conn().script(&script).await.expect("the engine takes it");
    tx.commit().await.expect("it commits");
    let TestDb { db, place } = it;
    drop(db);
    let db = place.open_when_free().await.expect("it migrates");
    let mut tx = db.write().await.expect("a transaction");
    let conn = tx.conn();
    assert_eq!(all(conn).await, before);
    assert_eq!(due(conn, &one, after(3)).await, [first, free], "the second waits for the first");
    assert_eq!(due::next(conn, after(1)).await.expect("it reads"), Some(after(3)));
    deliveries::prune(conn, after(1)).await.expect("it is deleted");
    assert_eq!(due(conn, &one, after(3)).await, [first]);
    assert_eq!(all_events(conn, &one).await, before.1.get(1..).expect("three"));
}

#[tokio::test]
async fn what_is_due_and_what_is_too_old_is_found_along_an_index() {
    let it = TestDb::sqlite().await;
    let mut conn = it.db.read().await.expect("a connection");
    for (name, wanted, n_values) in [
        ("webhook_delivery.due_endpoints", "INDEX webhook_delivery_lane (endpoint_id>?)", 1),
        ("webhook_delivery.next", "INDEX webhook_delivery_lane (endpoint_id=? AND next_at>?)", 1),
        ("webhook_delivery.due", "INDEX webhook_delivery_lane (endpoint_id=? AND next_at<?)", 3),
        ("webhook_delivery.of_endpoint", "INDEX webhook_delivery_endpoint (endpoint_id=? AND id<?)", 3),
        ("webhook_event.since", "INDEX webhook_event_app (app_id=? AND mode=? AND ", 5),
        ("webhook_event.prune", "INDEX sqlite_autoindex_webhook_event_1 (id<?)", 1),
        ("webhook_delivery.prune", "INDEX sqlite_autoindex_webhook_delivery_1 (id<?)", 1),
        ("webhook_attempt.prune", "INDEX sqlite_autoindex_webhook_attempt_1 (delivery_id<?)", 1),
    ] {
        let plan = plan(&mut conn, name, n_values).await;
        assert!(plan.iter().any(|step| step.contains(wanted)), "{name}: {plan:?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN webhook_")), "{name}: {plan:?}");
    }
}
