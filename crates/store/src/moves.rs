//! What becomes of a sandbox's objects later, and the clocks of apps' tests, on which it becomes due. A move belongs to one
//! version of its object; once that has changed otherwise, the move is overtaken. Test data only.

use keymint_domain::id::AppId;
use keymint_domain::test_clock::TestClock;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sandbox::Reference;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "sandbox_move.insert",
    "INSERT INTO sandbox_move (product, mode, kind, id, version, app_id, due_at, wakes_at, body, frees_reference, event,
       told, postings)
     VALUES ($1, 'test', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
);
static WAKING: Stmt = Stmt::both(
    "sandbox_move.waking",
    "SELECT product, kind, id, version, app_id, due_at, body, frees_reference, event, told, postings FROM sandbox_move
     WHERE wakes_at <= $1 ORDER BY wakes_at, version LIMIT $2",
);
static DUE: Stmt = Stmt::both(
    "sandbox_move.due",
    "SELECT product, kind, id, version, app_id, due_at, body, frees_reference, event, told, postings FROM sandbox_move
     WHERE app_id = $1 AND due_at <= $2 ORDER BY due_at, version LIMIT $3",
);
static NEXT: Stmt =
    Stmt::both("sandbox_move.next", "SELECT MIN(wakes_at) AS wakes_at FROM sandbox_move WHERE wakes_at > $1");
static WAKE: Stmt = Stmt::both(
    "sandbox_move.wake",
    "UPDATE sandbox_move SET wakes_at = $1 WHERE product = $2 AND mode = 'test' AND kind = $3 AND id = $4 AND version = $5",
);
static TAKE: Stmt = Stmt::both(
    "sandbox_move.take",
    "DELETE FROM sandbox_move WHERE product = $1 AND mode = 'test' AND kind = $2 AND id = $3 AND version = $4",
);
static OVERTAKE: Stmt = Stmt::both(
    "sandbox_move.overtake",
    "DELETE FROM sandbox_move WHERE product = $1 AND mode = 'test' AND kind = $2 AND id = $3",
);
static CLOCK: Stmt = Stmt::both("sandbox_clock.find", "SELECT at, runs_since FROM sandbox_clock WHERE app_id = $1");
static SET_CLOCK: Stmt = Stmt::both(
    "sandbox_clock.set",
    "INSERT INTO sandbox_clock (app_id, at, runs_since) VALUES ($1, $2, $3)
     ON CONFLICT (app_id) DO UPDATE SET at = excluded.at, runs_since = excluded.runs_since",
);
static STAND: Stmt = Stmt::both(
    "sandbox_move.stand",
    "UPDATE sandbox_move SET wakes_at = CASE WHEN due_at <= $1 THEN CAST($2 AS BIGINT) END WHERE app_id = $3",
);
static RUN: Stmt =
    Stmt::both("sandbox_move.run", "UPDATE sandbox_move SET wakes_at = due_at - $1 + $2 WHERE app_id = $3");

/// The statements of this file.
pub static ALL: [&Stmt; 11] =
    [&INSERT, &WAKING, &DUE, &NEXT, &WAKE, &TAKE, &OVERTAKE, &CLOCK, &SET_CLOCK, &STAND, &RUN];

/// What becomes of an object, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The product.
    pub product: String,
    /// `order`, `payment`.
    pub kind: String,
    /// The object.
    pub id: String,
    /// In which version the object has to be.
    pub version: i64,
    /// Whose.
    pub app_id: AppId,
    /// When, on the app's clock.
    pub due_at: UnixMs,
    /// The object from then on, as JSON.
    pub body: String,
    /// Whether it keeps its reference.
    pub reference: Reference,
    /// The event's name and body, where somebody is told.
    pub event: Option<(String, String)>,
    /// The money that moves with it, as JSON.
    pub postings: String,
}

/// Stores a move. `wakes_at`: when it is due on the real clock; nothing while the app's clock stands before it.
///
/// # Errors
/// `StoreError::Unique` when the object has one of that version.
pub async fn insert(conn: &mut Conn, one: &Move, wakes_at: Option<UnixMs>) -> Result<(), StoreError> {
    let app = one.app_id.to_string();
    let (event, told) = one.event.as_ref().map(|(name, body)| (name.as_str(), body.as_str())).unzip();
    let values = [
        Val::Text(&one.product),
        Val::Text(&one.kind),
        Val::Text(&one.id),
        Val::Int(one.version),
        Val::Text(&app),
        Val::Int(one.due_at.0),
        Val::OptInt(wakes_at.map(|at| at.0)),
        Val::Text(&one.body),
        Val::Int(i64::from(one.reference == Reference::Freed)),
        Val::OptText(event),
        Val::OptText(told),
        Val::Text(&one.postings),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// Moves of every app that are due on the real clock, the earliest first.
///
/// # Errors
/// `StoreError` as the database answers; so for the others.
pub async fn waking(conn: &mut Conn, now: UnixMs, limit: i64) -> Result<Vec<Move>, StoreError> {
    conn.rows(&WAKING, &[Val::Int(now.0), Val::Int(limit)]).await?.iter().map(decode).collect()
}

/// Moves of an app that are due when its clock shows a moment, the earliest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn due(conn: &mut Conn, app: AppId, now: UnixMs, limit: i64) -> Result<Vec<Move>, StoreError> {
    let app = app.to_string();
    conn.rows(&DUE, &[Val::Text(&app), Val::Int(now.0), Val::Int(limit)]).await?.iter().map(decode).collect()
}

/// When the next move is due on the real clock that is not due yet.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn next(conn: &mut Conn, now: UnixMs) -> Result<Option<UnixMs>, StoreError> {
    let Some(row) = conn.row(&NEXT, &[Val::Int(now.0)]).await? else { return Ok(None) };
    Ok(row.opt_int("wakes_at")?.map(UnixMs))
}

/// Says anew when a move is due on the real clock.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn wake(conn: &mut Conn, one: &Move, wakes_at: Option<UnixMs>) -> Result<(), StoreError> {
    let [product, kind, id, version] = place(one);
    conn.execute(&WAKE, &[Val::OptInt(wakes_at.map(|at| at.0)), product, kind, id, version]).await.map(|_| ())
}

/// Takes a move out, to make it; whether it was still there.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn take(conn: &mut Conn, one: &Move) -> Result<bool, StoreError> {
    Ok(conn.execute(&TAKE, &place(one)).await? == 1)
}

/// Takes out every move of an object: it went another way.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn overtake(conn: &mut Conn, (product, kind, id): (&str, &str, &str)) -> Result<(), StoreError> {
    conn.execute(&OVERTAKE, &[Val::Text(product), Val::Text(kind), Val::Text(id)]).await.map(|_| ())
}

/// The clock of an app's tests.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn clock(conn: &mut Conn, app: AppId) -> Result<Option<TestClock>, StoreError> {
    let Some(row) = conn.row(&CLOCK, &[Val::Text(&app.to_string())]).await? else { return Ok(None) };
    Ok(Some(TestClock { at: UnixMs(row.int("at")?), runs_since: row.opt_int("runs_since")?.map(UnixMs) }))
}

/// Sets the clock of an app's tests, and says of its moves when they are due now. `real` is the real clock.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn set_clock(conn: &mut Conn, app: AppId, clock: TestClock, real: UnixMs) -> Result<(), StoreError> {
    let app = app.to_string();
    let runs_since = Val::OptInt(clock.runs_since.map(|at| at.0));
    conn.execute(&SET_CLOCK, &[Val::Text(&app), Val::Int(clock.at.0), runs_since]).await?;
    let (statement, since) = match clock.runs_since {
        None => (&STAND, real),
        Some(since) => (&RUN, since),
    };
    conn.execute(statement, &[Val::Int(clock.at.0), Val::Int(since.0), Val::Text(&app)]).await.map(|_| ())
}

fn place(one: &Move) -> [Val<'_>; 4] {
    [Val::Text(&one.product), Val::Text(&one.kind), Val::Text(&one.id), Val::Int(one.version)]
}

fn decode(row: &Row) -> Result<Move, StoreError> {
    Ok(Move {
        product: row.text("product")?.to_owned(),
        kind: row.text("kind")?.to_owned(),
        id: row.text("id")?.to_owned(),
        version: row.int("version")?,
        app_id: row.parsed("app_id")?,
        due_at: UnixMs(row.int("due_at")?),
        body: row.text("body")?.to_owned(),
        reference: if row.int("frees_reference")? == 1 { Reference::Freed } else { Reference::Kept },
        event: row.opt_string("event")?.zip(row.opt_string("told")?),
        postings: row.text("postings")?.to_owned(),
    })
}
