//! Events of apps, one delivery of each for each endpoint, and every try of it. A delivery is written with its event, in
//! the transaction of what happened. Which are due is in `due.rs`.

use keymint_domain::id::{AppId, DeliveryId, EndpointId, EventId};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;

use crate::db::{Conn, Db};
use crate::error::StoreError;
use crate::sql::{Column, Row, Stmt, Val};

// Of many rows at once, PostgreSQL takes an array for each column, and two statements as one, which is answered once and needs no
// transaction around it; SQLite has no arrays and needs none, being in the process.
static INSERT_EVENTS: Stmt = Stmt::split(
    "webhook_event.insert",
    "INSERT INTO webhook_event (id, app_id, mode, name, body, at) VALUES ($1, $2, $3, $4, $5, $6)",
    "WITH event AS (
       INSERT INTO webhook_event (id, app_id, mode, name, body, at)
       SELECT n.id, n.app_id, n.mode, n.name, n.body, n.at
       FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BIGINT[])
         AS n (id, app_id, mode, name, body, at))
     INSERT INTO webhook_delivery (id, event_id, endpoint_id, secret_version, state, tries, tries_before,
       created_at, next_at)
     SELECT n.id, n.event_id, n.endpoint_id, n.secret_version, 'waiting', 0, 0, n.at, n.at
     FROM UNNEST($7::TEXT[], $8::TEXT[], $9::TEXT[], $10::BIGINT[], $11::BIGINT[])
       AS n (id, event_id, endpoint_id, secret_version, at)",
);
static EVENTS_SINCE: Stmt = Stmt::both(
    "webhook_event.since",
    "SELECT id, app_id, mode, name, body, at FROM webhook_event
     WHERE app_id = $1 AND mode = $2 AND (at, id) > ($3, $4) ORDER BY at, id LIMIT $5",
);
static INSERT: Stmt = Stmt::both(
    "webhook_delivery.insert",
    "INSERT INTO webhook_delivery (id, event_id, endpoint_id, secret_version, state, tries, tries_before,
       created_at, next_at)
     VALUES ($1, $2, $3, $4, 'waiting', 0, 0, $5, $5)",
);
static INSERT_IN_TURN: Stmt = Stmt::both(
    "webhook_delivery.insert_in_turn",
    "INSERT INTO webhook_delivery (id, event_id, endpoint_id, secret_version, state, tries, tries_before,
       created_at, next_at, subject, turn)
     VALUES ($1, $2, $3, $4, 'waiting', 0, 0, $5, $5, $6, (
       SELECT COALESCE(MAX(turn), 0) + 1 FROM webhook_delivery WHERE endpoint_id = $3 AND subject = $6))",
);
// As above. The ids of deliveries stand there twice so that PostgreSQL may look them up before it joins.
static ATTEMPT: Stmt = Stmt::split(
    "webhook_attempt.insert",
    "INSERT INTO webhook_attempt (delivery_id, number, at, took_ms, status, problem, answer, request, answer_head)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "WITH attempt AS (
       INSERT INTO webhook_attempt (delivery_id, number, at, took_ms, status, problem, answer, request, answer_head)
       SELECT n.delivery_id, n.number, n.at, n.took_ms, n.status, n.problem, n.answer, n.request, n.answer_head
       FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::TEXT[], $7::TEXT[],
                   $8::TEXT[], $9::TEXT[])
         AS n (delivery_id, number, at, took_ms, status, problem, answer, request, answer_head))
     UPDATE webhook_delivery SET state = n.state, tries = n.tries, next_at = n.next_at
     FROM UNNEST($10::TEXT[], $11::BIGINT[], $12::BIGINT[], $13::TEXT[]) AS n (state, tries, next_at, id)
     WHERE webhook_delivery.id = n.id AND webhook_delivery.id = ANY ($13) AND webhook_delivery.state <> 'dropped'",
);
static MOVE: Stmt = Stmt::both(
    "webhook_delivery.move",
    "UPDATE webhook_delivery SET state = $1, tries = $2, next_at = $3 WHERE id = $4 AND state <> 'dropped'",
);
static RESEND: Stmt = Stmt::both(
    "webhook_delivery.resend",
    "UPDATE webhook_delivery SET state = 'waiting', tries_before = tries, next_at = $1 WHERE id = $2 AND state <> 'dropped'",
);
static RESEND_SINCE: Stmt = Stmt::both(
    "webhook_delivery.resend_since",
    "UPDATE webhook_delivery SET state = 'waiting', tries_before = tries, next_at = $1
     WHERE endpoint_id = $2 AND created_at >= $3 AND state IN ('failed', 'held')",
);
static RESEND_HELD: Stmt = Stmt::both(
    "webhook_delivery.resend_held",
    "UPDATE webhook_delivery SET state = 'waiting', tries_before = tries, next_at = $1
     WHERE endpoint_id = $2 AND created_at >= $3 AND state = 'held'",
);
static HOLD: Stmt = Stmt::both(
    "webhook_delivery.hold",
    "UPDATE webhook_delivery SET state = 'held', next_at = NULL WHERE endpoint_id = $1 AND state = 'waiting'",
);
static DROP: Stmt = Stmt::both(
    "webhook_delivery.drop",
    "UPDATE webhook_delivery SET state = 'dropped', next_at = NULL
     WHERE endpoint_id = $1 AND state IN ('waiting', 'held')",
);
static FIND: Stmt = Stmt::both(
    "webhook_delivery.find",
    "SELECT d.id, d.event_id, d.endpoint_id, d.secret_version, d.state, d.tries, d.tries_before, d.created_at,
            d.next_at, d.subject, e.name, e.body
     FROM webhook_delivery d JOIN webhook_event e ON e.id = d.event_id WHERE d.id = $1",
);
static OF_ENDPOINT: Stmt = Stmt::both(
    "webhook_delivery.of_endpoint",
    "SELECT d.id, d.event_id, d.endpoint_id, d.secret_version, d.state, d.tries, d.tries_before, d.created_at,
            d.next_at, d.subject, e.name, '' AS body
     FROM webhook_delivery d JOIN webhook_event e ON e.id = d.event_id
     WHERE d.endpoint_id = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3",
);
static ATTEMPTS: Stmt = Stmt::both(
    "webhook_attempt.of_delivery",
    "SELECT number, at, took_ms, status, problem, answer, request, answer_head FROM webhook_attempt WHERE delivery_id = $1 ORDER BY number",
);
// An id begins with its moment, and a delivery's is that of its event.
static PRUNE_ATTEMPTS: Stmt = Stmt::both("webhook_attempt.prune", "DELETE FROM webhook_attempt WHERE delivery_id < $1");
static PRUNE_DELIVERIES: Stmt = Stmt::both("webhook_delivery.prune", "DELETE FROM webhook_delivery WHERE id < $1");
static PRUNE_EVENTS: Stmt = Stmt::both("webhook_event.prune", "DELETE FROM webhook_event WHERE id < $1");

/// The statements of this file.
pub static ALL: [&Stmt; 17] = [
    &INSERT_EVENTS,
    &EVENTS_SINCE,
    &INSERT,
    &INSERT_IN_TURN,
    &ATTEMPT,
    &MOVE,
    &RESEND,
    &RESEND_SINCE,
    &RESEND_HELD,
    &HOLD,
    &DROP,
    &FIND,
    &OF_ENDPOINT,
    &ATTEMPTS,
    &PRUNE_ATTEMPTS,
    &PRUNE_DELIVERIES,
    &PRUNE_EVENTS,
];

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id: the same on every delivery and every try.
    pub id: EventId,
    /// To which app.
    pub app_id: AppId,
    /// In which mode.
    pub mode: Mode,
    /// What: `payment.captured`.
    pub name: String,
    /// What is sent, byte for byte.
    pub body: String,
    /// When.
    pub at: UnixMs,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried, or tried again.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up.
    Failed,
    /// Its endpoint was disabled before it was taken.
    Held,
    /// Its endpoint was deleted before it was taken.
    Dropped,
}

impl DeliveryState {
    /// The name in the store and in the management API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Dropped => "dropped",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Waiting, Self::Delivered, Self::Failed, Self::Held, Self::Dropped];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// One event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The id.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// Its name.
    pub event: String,
    /// What is sent; empty in lists.
    pub body: String,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// Which secret was the endpoint's when it happened; 0: none.
    pub secret_version: i64,
    /// What it is about, where its endpoint asked for order when it happened: a payment, an order.
    pub subject: Option<String>,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub tries: i64,
    /// How many of these were before it was sent once more on request: the schedule begins anew with that.
    pub tries_before: i64,
    /// When it was written.
    pub created_at: UnixMs,
    /// When it is tried next.
    pub next_at: Option<UnixMs>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number; the first is 1.
    pub number: i64,
    /// When it began.
    pub at: UnixMs,
    /// How long it took. Milliseconds.
    pub took_ms: i64,
    /// The status that came back; nothing when none did.
    pub status: Option<i64>,
    /// Why it counts as failed.
    pub problem: Option<String>,
    /// The beginning of what came back.
    pub answer: Option<String>,
    /// What went out before the body: `POST` and the URL, then a line for each header field. Nothing where nothing was sent.
    pub request: Option<String>,
    /// What came back before the body: a line for each header field.
    pub answer_head: Option<String>,
}

/// An app's events of a mode behind a moment and an id, in their order. No id stands before all others.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn events_since(
    conn: &mut Conn,
    (app, mode): (AppId, Mode),
    (at, id): &(UnixMs, String),
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let (app, mode) = (app.to_string(), mode.as_str());
    let values = [Val::Text(&app), Val::Text(mode), Val::Int(at.0), Val::Text(id), Val::Int(limit)];
    let rows = conn.rows(&EVENTS_SINCE, &values).await?;
    rows.iter()
        .map(|row| {
            Ok(Event {
                id: row.parsed("id")?,
                app_id: row.parsed("app_id")?,
                mode: Mode::parse(row.text("mode")?).ok_or_else(|| row.corrupt("mode"))?,
                name: row.text("name")?.to_owned(),
                body: row.text("body")?.to_owned(),
                at: UnixMs(row.int("at")?),
            })
        })
        .collect()
}

/// Something that happened, and for whom.
#[derive(Clone, Debug)]
pub struct Happened {
    /// The event.
    pub event: Event,
    /// A delivery for each endpoint that gets it.
    pub deliveries: Vec<NewDelivery>,
}

/// A delivery that is to be stored.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// The id.
    pub id: DeliveryId,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// Which of its secrets is the endpoint's now; 0: none.
    pub secret_version: i64,
    /// What it is about, where the endpoint asks for order.
    pub subject: Option<String>,
}

/// A try that is over.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// What it was.
    pub attempt: Attempt,
    /// How the delivery stands now.
    pub state: DeliveryState,
    /// When it is tried next.
    pub next_at: Option<UnixMs>,
}

/// Stores what happened, with the deliveries of each, which are due at once. One with a subject waits for those of its
/// endpoint and subject before it.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, happened: &[&Happened]) -> Result<(), StoreError> {
    let (free, in_turn) = by_turn(happened);
    let (events, deliveries) = (event_columns(happened), delivery_columns(&free));
    conn.execute_both((&INSERT_EVENTS, &events), (&INSERT, &deliveries)).await?;
    for (event, delivery) in in_turn {
        let texts = [delivery.id.to_string(), event.id.to_string(), delivery.endpoint_id.to_string()];
        let [id, event_id, endpoint] = texts.each_ref().map(|text| Val::Text(text));
        let (version, at) = (Val::Int(delivery.secret_version), Val::Int(event.at.0));
        let values = [id, event_id, endpoint, version, at, Val::OptText(delivery.subject.as_deref())];
        conn.execute(&INSERT_IN_TURN, &values).await?;
    }
    Ok(())
}

/// The same in a transaction of its own: when what this returns is `Ok`, it survives a crash.
///
/// # Errors
/// `StoreError` as the database answers; on PostgreSQL a lost connection leaves it unknown whether they are stored.
pub async fn insert_alone(db: &Db, happened: &[&Happened]) -> Result<(), StoreError> {
    let (free, in_turn) = by_turn(happened);
    if in_turn.is_empty() {
        let (events, deliveries) = (event_columns(happened), delivery_columns(&free));
        return db.execute_both((&INSERT_EVENTS, &events), (&INSERT, &deliveries)).await;
    }
    let mut tx = db.write().await?;
    insert(tx.conn(), happened).await?;
    tx.commit().await
}

/// A delivery and its event.
type OfEvent<'a> = (&'a Event, &'a NewDelivery);

/// Those that wait for nobody, and those that may have to.
fn by_turn<'a>(happened: &[&'a Happened]) -> (Vec<OfEvent<'a>>, Vec<OfEvent<'a>>) {
    let all = happened.iter().flat_map(|one| one.deliveries.iter().map(|delivery| (&one.event, delivery)));
    all.partition(|(_, delivery)| delivery.subject.is_none())
}

fn event_columns<'a>(happened: &[&'a Happened]) -> [Column<'a>; 6] {
    let events = || happened.iter().map(|one| &one.event);
    [
        Column::Text(events().map(|event| event.id.to_string().into()).collect()),
        Column::Text(events().map(|event| event.app_id.to_string().into()).collect()),
        Column::Text(events().map(|event| event.mode.as_str().into()).collect()),
        Column::Text(events().map(|event| event.name.as_str().into()).collect()),
        Column::Text(events().map(|event| event.body.as_str().into()).collect()),
        Column::Int(events().map(|event| event.at.0).collect()),
    ]
}

fn delivery_columns<'a>(all: &[OfEvent<'a>]) -> [Column<'a>; 5] {
    [
        Column::Text(all.iter().map(|(_, delivery)| delivery.id.to_string().into()).collect()),
        Column::Text(all.iter().map(|(event, _)| event.id.to_string().into()).collect()),
        Column::Text(all.iter().map(|(_, delivery)| delivery.endpoint_id.to_string().into()).collect()),
        Column::Int(all.iter().map(|(_, delivery)| delivery.secret_version).collect()),
        Column::Int(all.iter().map(|(event, _)| event.at.0).collect()),
    ]
}

/// Records tries and what comes of each.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn record(conn: &mut Conn, tries: &[&Tried]) -> Result<(), StoreError> {
    let (kept, moved) = tried_columns(tries);
    conn.execute_both((&ATTEMPT, &kept), (&MOVE, &moved)).await
}

/// The same in a transaction of its own: when what this returns is `Ok`, it survives a crash.
///
/// # Errors
/// As `insert_alone`.
pub async fn record_alone(db: &Db, tries: &[&Tried]) -> Result<(), StoreError> {
    let (kept, moved) = tried_columns(tries);
    db.execute_both((&ATTEMPT, &kept), (&MOVE, &moved)).await
}

fn tried_columns<'a>(tries: &[&'a Tried]) -> ([Column<'a>; 9], [Column<'a>; 4]) {
    let ids = || Column::Text(tries.iter().map(|one| one.delivery.to_string().into()).collect());
    let numbers = || Column::Int(tries.iter().map(|one| one.attempt.number).collect());
    let attempts = || tries.iter().map(|one| &one.attempt);
    let kept = [
        ids(),
        numbers(),
        Column::Int(attempts().map(|attempt| attempt.at.0).collect()),
        Column::Int(attempts().map(|attempt| attempt.took_ms).collect()),
        Column::OptInt(attempts().map(|attempt| attempt.status).collect()),
        Column::OptText(attempts().map(|attempt| attempt.problem.as_deref()).collect()),
        Column::OptText(attempts().map(|attempt| attempt.answer.as_deref()).collect()),
        Column::OptText(attempts().map(|attempt| attempt.request.as_deref()).collect()),
        Column::OptText(attempts().map(|attempt| attempt.answer_head.as_deref()).collect()),
    ];
    let moved = [
        Column::Text(tries.iter().map(|one| one.state.as_str().into()).collect()),
        numbers(),
        Column::OptInt(tries.iter().map(|one| one.next_at.map(|at| at.0)).collect()),
        ids(),
    ];
    (kept, moved)
}

/// Makes a delivery due again. False where its endpoint is gone.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn resend(conn: &mut Conn, id: DeliveryId, now: UnixMs) -> Result<bool, StoreError> {
    Ok(conn.execute(&RESEND, &[Val::Int(now.0), Val::Text(&id.to_string())]).await? == 1)
}

/// Makes all of an endpoint due again that were written since a moment and were not taken; how many.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn resend_since(
    conn: &mut Conn,
    endpoint: EndpointId,
    since: UnixMs,
    now: UnixMs,
) -> Result<u64, StoreError> {
    conn.execute(&RESEND_SINCE, &[Val::Int(now.0), Val::Text(&endpoint.to_string()), Val::Int(since.0)]).await
}

/// Makes what is held for an endpoint due again, as far as it was written since a moment; how many.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn resend_held(conn: &mut Conn, endpoint: EndpointId, since: UnixMs, now: UnixMs) -> Result<u64, StoreError> {
    conn.execute(&RESEND_HELD, &[Val::Int(now.0), Val::Text(&endpoint.to_string()), Val::Int(since.0)]).await
}

/// What waits for an endpoint waits until somebody resends it.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn hold(conn: &mut Conn, endpoint: EndpointId) -> Result<(), StoreError> {
    conn.execute(&HOLD, &[Val::Text(&endpoint.to_string())]).await.map(|_| ())
}

/// What waits for an endpoint is never sent.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn drop_waiting(conn: &mut Conn, endpoint: EndpointId) -> Result<(), StoreError> {
    conn.execute(&DROP, &[Val::Text(&endpoint.to_string())]).await.map(|_| ())
}

/// A delivery, whoever's.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
    conn.row(&FIND, &[Val::Text(&id.to_string())]).await?.as_ref().map(decode).transpose()
}

/// An endpoint's deliveries below an id, newest first, without their bodies.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn of_endpoint(
    conn: &mut Conn,
    endpoint: EndpointId,
    below: &str,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    let values = [Val::Text(&endpoint.to_string()), Val::Text(below), Val::Int(limit)];
    conn.rows(&OF_ENDPOINT, &values).await?.iter().map(decode).collect()
}

/// The tries of a delivery, in their order.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn attempts(conn: &mut Conn, id: DeliveryId) -> Result<Vec<Attempt>, StoreError> {
    let rows = conn.rows(&ATTEMPTS, &[Val::Text(&id.to_string())]).await?;
    rows.iter()
        .map(|row| {
            Ok(Attempt {
                number: row.int("number")?,
                at: UnixMs(row.int("at")?),
                took_ms: row.int("took_ms")?,
                status: row.opt_int("status")?,
                problem: row.opt_string("problem")?,
                answer: row.opt_string("answer")?,
                request: row.opt_string("request")?,
                answer_head: row.opt_string("answer_head")?,
            })
        })
        .collect()
}

/// Deletes what happened before a moment, with its deliveries and their tries.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prune(conn: &mut Conn, before: UnixMs) -> Result<(), StoreError> {
    let (event, delivery) = (EventId::first_of(before).to_string(), DeliveryId::first_of(before).to_string());
    for (stmt, first) in [(&PRUNE_ATTEMPTS, &delivery), (&PRUNE_DELIVERIES, &delivery), (&PRUNE_EVENTS, &event)] {
        conn.execute(stmt, &[Val::Text(first)]).await?;
    }
    Ok(())
}

pub(crate) fn decode(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.parsed("id")?,
        event_id: row.parsed("event_id")?,
        event: row.text("name")?.to_owned(),
        body: row.text("body")?.to_owned(),
        endpoint_id: row.parsed("endpoint_id")?,
        secret_version: row.int("secret_version")?,
        subject: row.opt_string("subject")?,
        state: DeliveryState::parse(row.text("state")?).ok_or_else(|| row.corrupt("state"))?,
        tries: row.int("tries")?,
        tries_before: row.int("tries_before")?,
        created_at: UnixMs(row.int("created_at")?),
        next_at: row.opt_int("next_at")?.map(UnixMs),
    })
}
