//! The request log, counted by the hour: written with each batch of it, in the same transaction, and read instead of it
//! wherever a number is enough.

use std::collections::BTreeMap;

use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::request_log::Line;
use crate::sql::{Stmt, Val};

static ADD: Stmt = Stmt::both(
    "request_rollup.add",
    "INSERT INTO request_rollup (app_id, mode, hour_at, allowed, denied, failed) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (app_id, mode, hour_at) DO UPDATE SET allowed = request_rollup.allowed + excluded.allowed,
       denied = request_rollup.denied + excluded.denied, failed = request_rollup.failed + excluded.failed",
);
static ADD_PART: Stmt = Stmt::both(
    "request_rollup_part.add",
    "INSERT INTO request_rollup_part (app_id, mode, hour_at, kind, name, total) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (app_id, mode, hour_at, kind, name) DO UPDATE SET total = request_rollup_part.total + excluded.total",
);
static HOURS: Stmt = Stmt::both(
    "request_rollup.hours",
    "SELECT hour_at, allowed, denied, failed FROM request_rollup
     WHERE app_id = $1 AND mode = $2 AND hour_at >= $3 AND hour_at < $4 ORDER BY hour_at",
);
static PARTS: Stmt = Stmt::both(
    "request_rollup_part.sums",
    "SELECT kind, name, CAST(SUM(total) AS BIGINT) AS total FROM request_rollup_part
     WHERE app_id = $1 AND mode = $2 AND hour_at >= $3 AND hour_at < $4 GROUP BY kind, name ORDER BY kind, name",
);

/// The statements of this file.
pub static ALL: [&Stmt; 4] = [&ADD, &ADD_PART, &HOURS, &PARTS];

/// An hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// From this status on an answer is no success.
const FAILURE_FROM: u16 = 400;
const REASON: &str = "reason";
const DURATION: &str = "duration";
/// Upper ends of the steps in which durations are counted; what is above counts in a last one. Microseconds.
const STEPS_US: [u32; 16] =
    [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];

/// Counts of some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were let in.
    pub allowed: i64,
    /// Requests that were denied.
    pub denied: i64,
    /// Of the allowed ones those that were answered with 400 or above.
    pub failed: i64,
}

impl Counts {
    /// All requests.
    pub fn requests(self) -> i64 {
        self.allowed + self.denied
    }

    /// Requests that were let in and answered below 400.
    pub fn succeeded(self) -> i64 {
        self.allowed - self.failed
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.failed += other.failed;
    }
}

/// Whose requests, in which mode, from when (included) to when (not included). Whole hours.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The app.
    pub app: AppId,
    /// The mode.
    pub mode: Mode,
    /// The first hour.
    pub since: UnixMs,
    /// The hour after the last.
    pub until: UnixMs,
}

/// What a span's requests were denied for, and how long they took.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Reason and number, by name.
    pub reasons: Vec<(String, i64)>,
    /// Upper end of a step in microseconds and number, the shortest first; `u32::MAX` for what is above all steps.
    pub durations: Vec<(u32, i64)>,
}

/// What a batch adds to one hour.
#[derive(Default)]
struct Hour {
    hour_at: i64,
    counts: Counts,
    reasons: BTreeMap<Box<str>, i64>,
    /// One for each of `STEPS_US`, and the last one.
    steps: [u32; STEPS_US.len() + 1],
}

/// What a batch adds to the hours of one key's app. Nearly always one hour: whoever counts looks at the last one first,
/// because this is done for every decision.
#[derive(Default)]
pub struct Tally(Vec<Hour>);

impl Tally {
    /// Counts a decision.
    pub fn add(&mut self, line: &Line<'_>) {
        let hour = self.hour(line.at.0.saturating_sub(line.at.0.rem_euclid(HOUR_MS)));
        match line.reason.as_deref() {
            Some(reason) => {
                hour.counts.denied += 1;
                if let Some(count) = hour.reasons.get_mut(reason) {
                    *count += 1;
                } else {
                    hour.reasons.insert(reason.into(), 1);
                }
            }
            None => {
                hour.counts.allowed += 1;
                hour.counts.failed += i64::from(line.status >= FAILURE_FROM);
            }
        }
        let step = STEPS_US.iter().position(|step| line.duration_us <= *step).unwrap_or(STEPS_US.len());
        if let Some(count) = hour.steps.get_mut(step) {
            *count += 1;
        }
    }

    fn hour(&mut self, hour_at: i64) -> &mut Hour {
        let known = self.0.iter().rposition(|hour| hour.hour_at == hour_at);
        let place = known.unwrap_or_else(|| {
            self.0.push(Hour { hour_at, ..Hour::default() });
            self.0.len() - 1
        });
        self.0.get_mut(place).expect("it was found or put there")
    }

    /// Adds what was counted to the hours of an app.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn write(&self, conn: &mut Conn, app: &str, mode: Mode) -> Result<(), StoreError> {
        let mode = Val::Text(mode.as_str());
        for hour in &self.0 {
            let (app, hour_at) = (Val::Text(app), Val::Int(hour.hour_at));
            let Counts { allowed, denied, failed } = hour.counts;
            let values = [app, mode, hour_at, Val::Int(allowed), Val::Int(denied), Val::Int(failed)];
            conn.execute(&ADD, &values).await?;
            for (reason, count) in &hour.reasons {
                let values = [app, mode, hour_at, Val::Text(REASON), Val::Text(reason), Val::Int(*count)];
                conn.execute(&ADD_PART, &values).await?;
            }
            let steps = STEPS_US.into_iter().chain([u32::MAX]).zip(hour.steps);
            for (step, count) in steps.filter(|(_, count)| *count > 0) {
                let step = step.to_string();
                let values = [app, mode, hour_at, Val::Text(DURATION), Val::Text(&step), Val::Int(count.into())];
                conn.execute(&ADD_PART, &values).await?;
            }
        }
        Ok(())
    }
}

/// The hours of a span that had requests, the first one first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn hours(conn: &mut Conn, span: Span) -> Result<Vec<(UnixMs, Counts)>, StoreError> {
    let app = span.app.to_string();
    let values = [Val::Text(&app), Val::Text(span.mode.as_str()), Val::Int(span.since.0), Val::Int(span.until.0)];
    let rows = conn.rows(&HOURS, &values).await?;
    let counted = rows.iter().map(|row| {
        let counts = Counts { allowed: row.int("allowed")?, denied: row.int("denied")?, failed: row.int("failed")? };
        Ok((UnixMs(row.int("hour_at")?), counts))
    });
    counted.collect()
}

/// A span's reasons and durations.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn parts(conn: &mut Conn, span: Span) -> Result<Parts, StoreError> {
    let app = span.app.to_string();
    let values = [Val::Text(&app), Val::Text(span.mode.as_str()), Val::Int(span.since.0), Val::Int(span.until.0)];
    let mut parts = Parts::default();
    for row in conn.rows(&PARTS, &values).await? {
        let total = row.int("total")?;
        match row.text("kind")? {
            REASON => parts.reasons.push((row.text("name")?.to_owned(), total)),
            DURATION => parts.durations.push((row.parsed("name")?, total)),
            _ => return Err(row.corrupt("kind")),
        }
    }
    parts.durations.sort_unstable();
    Ok(parts)
}
