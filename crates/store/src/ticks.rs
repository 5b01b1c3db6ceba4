//! What persons have ticked in the checklists of an app, and what the database shows of how far its integration is.

use keymint_domain::id::{AppId, EndpointId, MerchantId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

static PUT: Stmt = Stmt::both(
    "app_tick.put",
    "INSERT INTO app_tick (app_id, list, item, ticked_at, ticked_by) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (app_id, list, item) DO NOTHING",
);
static REMOVE: Stmt =
    Stmt::both("app_tick.delete", "DELETE FROM app_tick WHERE app_id = $1 AND list = $2 AND item = $3");
static LIST: Stmt = Stmt::both(
    "app_tick.list",
    "SELECT item, ticked_at, ticked_by FROM app_tick WHERE app_id = $1 AND list = $2 ORDER BY item",
);
static REACHED: Stmt = Stmt::both(
    "app_tick.reached",
    "SELECT 1 AS found FROM sandbox_object
     WHERE merchant_id = $1 AND app_id = $2 AND mode = 'test' AND status = $3 AND kind = $4 LIMIT 1",
);
// Of the newest alone: an endpoint may have had millions.
static DELIVERIES: Stmt = Stmt::both(
    "app_tick.deliveries",
    "SELECT CAST(COUNT(*) AS BIGINT) AS taken,
       CAST(COALESCE(SUM(CASE WHEN tries - tries_before > 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS retried,
       CAST(COALESCE(SUM(CASE WHEN tries_before > 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS resent
     FROM (SELECT state, tries, tries_before FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY id DESC LIMIT 1000)
       AS newest
     WHERE state = 'delivered'",
);

/// The statements of this file.
pub static ALL: [&Stmt; 5] = [&PUT, &REMOVE, &LIST, &REACHED, &DELIVERIES];

/// One item that was ticked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Which.
    pub item: String,
    /// When.
    pub at: UnixMs,
    /// By whom, as the audit log names them.
    pub by: String,
}

/// How many of an endpoint's newest 1,000 deliveries it has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// In all.
    pub taken: i64,
    /// After more than one try.
    pub retried: i64,
    /// Once more, because somebody asked for it.
    pub resent: i64,
}

/// Ticks an item. One that is ticked stays as it is.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put(conn: &mut Conn, app: AppId, list: &str, tick: &Tick) -> Result<(), StoreError> {
    let app = app.to_string();
    let values = [Val::Text(&app), Val::Text(list), Val::Text(&tick.item), Val::Int(tick.at.0), Val::Text(&tick.by)];
    conn.execute(&PUT, &values).await.map(|_| ())
}

/// Takes the tick of an item away; whether there was one.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn remove(conn: &mut Conn, app: AppId, list: &str, item: &str) -> Result<bool, StoreError> {
    let app = app.to_string();
    Ok(conn.execute(&REMOVE, &[Val::Text(&app), Val::Text(list), Val::Text(item)]).await? == 1)
}

/// The ticks of an app's list, by their items.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(conn: &mut Conn, app: AppId, list: &str) -> Result<Vec<Tick>, StoreError> {
    let rows = conn.rows(&LIST, &[Val::Text(&app.to_string()), Val::Text(list)]).await?;
    rows.iter()
        .map(|row| {
            let at = UnixMs(row.int("ticked_at")?);
            Ok(Tick { item: row.text("item")?.to_owned(), at, by: row.text("ticked_by")?.to_owned() })
        })
        .collect()
}

/// Whether an app's sandbox holds something of that kind in that state.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn reached(
    conn: &mut Conn,
    (merchant, app): (MerchantId, AppId),
    kind: &str,
    status: &str,
) -> Result<bool, StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    let values = [Val::Text(&merchant), Val::Text(&app), Val::Text(status), Val::Text(kind)];
    Ok(conn.row(&REACHED, &values).await?.is_some())
}

/// What an endpoint has taken.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn deliveries(conn: &mut Conn, endpoint: EndpointId) -> Result<Deliveries, StoreError> {
    let row = conn.row(&DELIVERIES, &[Val::Text(&endpoint.to_string())]).await?;
    row.map_or(Ok(Deliveries::default()), |row| {
        Ok(Deliveries { taken: row.int("taken")?, retried: row.int("retried")?, resent: row.int("resent")? })
    })
}
