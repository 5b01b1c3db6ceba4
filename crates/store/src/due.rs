//! Which deliveries are due, and for whom. A delivery is due while `next_at` is there and has come; one that has a subject
//! waits while another of its endpoint and subject has an earlier turn and is not done with.

use keymint_domain::id::EndpointId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::deliveries::{self, Delivery};
use crate::error::StoreError;
use crate::sql::{Stmt, Val};

// From one endpoint to the next along the index: however much waits for one, it is one step.
static ENDPOINTS: Stmt = Stmt::both(
    "webhook_delivery.due_endpoints",
    "WITH RECURSIVE lane (endpoint_id) AS (
       SELECT MIN(endpoint_id) FROM webhook_delivery WHERE next_at IS NOT NULL
       UNION ALL
       SELECT (SELECT MIN(d.endpoint_id) FROM webhook_delivery d
               WHERE d.next_at IS NOT NULL AND d.endpoint_id > lane.endpoint_id)
       FROM lane WHERE lane.endpoint_id IS NOT NULL)
     SELECT endpoint_id FROM lane WHERE endpoint_id IS NOT NULL
       AND EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.endpoint_id = lane.endpoint_id AND d.next_at <= $1)",
);
static LONGEST_WAITING: Stmt = Stmt::both(
    "webhook_delivery.due",
    "SELECT d.id, d.event_id, d.endpoint_id, d.secret_version, d.state, d.tries, d.tries_before, d.created_at,
            d.next_at, d.subject, e.name, e.body
     FROM webhook_delivery d JOIN webhook_event e ON e.id = d.event_id
     WHERE d.endpoint_id = $1 AND d.next_at <= $2 AND (d.subject IS NULL OR NOT EXISTS (
       SELECT 1 FROM webhook_delivery b WHERE b.endpoint_id = d.endpoint_id AND b.subject = d.subject
         AND b.next_at IS NOT NULL AND (b.turn, b.id) < (d.turn, d.id)))
     ORDER BY d.next_at, d.id LIMIT $3",
);
static OLDEST: Stmt = Stmt::both(
    "webhook_delivery.due_oldest",
    "SELECT d.id, d.event_id, d.endpoint_id, d.secret_version, d.state, d.tries, d.tries_before, d.created_at,
            d.next_at, d.subject, e.name, e.body
     FROM webhook_delivery d JOIN webhook_event e ON e.id = d.event_id
     WHERE d.endpoint_id = $1 AND d.next_at <= $2 AND (d.subject IS NULL OR NOT EXISTS (
       SELECT 1 FROM webhook_delivery b WHERE b.endpoint_id = d.endpoint_id AND b.subject = d.subject
         AND b.next_at IS NOT NULL AND (b.turn, b.id) < (d.turn, d.id)))
     ORDER BY d.id LIMIT $3",
);
// As above.
static NEXT: Stmt = Stmt::both(
    "webhook_delivery.next",
    "WITH RECURSIVE lane (endpoint_id) AS (
       SELECT MIN(endpoint_id) FROM webhook_delivery WHERE next_at IS NOT NULL
       UNION ALL
       SELECT (SELECT MIN(d.endpoint_id) FROM webhook_delivery d
               WHERE d.next_at IS NOT NULL AND d.endpoint_id > lane.endpoint_id)
       FROM lane WHERE lane.endpoint_id IS NOT NULL)
     SELECT MIN((SELECT MIN(d.next_at) FROM webhook_delivery d
                 WHERE d.endpoint_id = lane.endpoint_id AND d.next_at > $1)) AS next_at
     FROM lane WHERE endpoint_id IS NOT NULL",
);

/// The statements of this file.
pub static ALL: [&Stmt; 4] = [&ENDPOINTS, &LONGEST_WAITING, &OLDEST, &NEXT];

/// Endpoints with something due.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn endpoints(conn: &mut Conn, now: UnixMs) -> Result<Vec<EndpointId>, StoreError> {
    let rows = conn.rows(&ENDPOINTS, &[Val::Int(now.0)]).await?;
    rows.iter().map(|row| row.parsed("endpoint_id")).collect()
}

/// What is due for an endpoint, the longest waiting first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn longest_waiting(
    conn: &mut Conn,
    endpoint: EndpointId,
    (now, limit): (UnixMs, i64),
) -> Result<Vec<Delivery>, StoreError> {
    let values = [Val::Text(&endpoint.to_string()), Val::Int(now.0), Val::Int(limit)];
    conn.rows(&LONGEST_WAITING, &values).await?.iter().map(deliveries::decode).collect()
}

/// What is due for an endpoint, what happened first before the rest: so that what an endpoint does not take comes to the end
/// of its schedule in time, though it is asked seldom.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn oldest(
    conn: &mut Conn,
    endpoint: EndpointId,
    (now, limit): (UnixMs, i64),
) -> Result<Vec<Delivery>, StoreError> {
    let values = [Val::Text(&endpoint.to_string()), Val::Int(now.0), Val::Int(limit)];
    conn.rows(&OLDEST, &values).await?.iter().map(deliveries::decode).collect()
}

/// When the next delivery after a moment becomes due.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn next(conn: &mut Conn, after: UnixMs) -> Result<Option<UnixMs>, StoreError> {
    let row = conn.row(&NEXT, &[Val::Int(after.0)]).await?;
    row.map_or(Ok(None), |row| Ok(row.opt_int("next_at")?.map(UnixMs)))
}
