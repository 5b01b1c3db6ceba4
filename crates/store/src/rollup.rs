//! The request log, counted by the minute, the hour and the day: written as `log_counts.rs` gathers it, and
//! read instead of the log wherever a number is enough. Reasons and durations are counted by the hour alone.

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
static ADD_TO_MINUTE: Stmt = Stmt::both(
    "request_rollup_minute.add",
    "INSERT INTO request_rollup_minute (app_id, mode, begins_at, allowed, denied, failed) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (app_id, mode, begins_at) DO UPDATE SET allowed = request_rollup_minute.allowed + excluded.allowed,
       denied = request_rollup_minute.denied + excluded.denied, failed = request_rollup_minute.failed + excluded.failed",
);
static ADD_TO_DAY: Stmt = Stmt::both(
    "request_rollup_day.add",
    "INSERT INTO request_rollup_day (app_id, mode, begins_at, allowed, denied, failed) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (app_id, mode, begins_at) DO UPDATE SET allowed = request_rollup_day.allowed + excluded.allowed,
       denied = request_rollup_day.denied + excluded.denied, failed = request_rollup_day.failed + excluded.failed",
);
static ADD_PART: Stmt = Stmt::both(
    "request_rollup_part.add",
    "INSERT INTO request_rollup_part (app_id, mode, hour_at, kind, name, total) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (app_id, mode, hour_at, kind, name) DO UPDATE SET total = request_rollup_part.total + excluded.total",
);
static MINUTES: Stmt = Stmt::both(
    "request_rollup_minute.counts",
    "SELECT begins_at, allowed, denied, failed FROM request_rollup_minute
     WHERE app_id = $1 AND mode = $2 AND begins_at >= $3 AND begins_at < $4 ORDER BY begins_at",
);
static HOURS: Stmt = Stmt::both(
    "request_rollup.counts",
    "SELECT hour_at AS begins_at, allowed, denied, failed FROM request_rollup
     WHERE app_id = $1 AND mode = $2 AND hour_at >= $3 AND hour_at < $4 ORDER BY hour_at",
);
static DAYS: Stmt = Stmt::both(
    "request_rollup_day.counts",
    "SELECT begins_at, allowed, denied, failed FROM request_rollup_day
     WHERE app_id = $1 AND mode = $2 AND begins_at >= $3 AND begins_at < $4 ORDER BY begins_at",
);
static PRUNE_MINUTES: Stmt = Stmt::both(
    "request_rollup_minute.prune",
    "DELETE FROM request_rollup_minute WHERE begins_at >= $1 AND begins_at < $2",
);
static PRUNE_HOURS: Stmt =
    Stmt::both("request_rollup.prune", "DELETE FROM request_rollup WHERE hour_at >= $1 AND hour_at < $2");
static PRUNE_PARTS: Stmt =
    Stmt::both("request_rollup_part.prune", "DELETE FROM request_rollup_part WHERE hour_at >= $1 AND hour_at < $2");
static OLDEST_MINUTE: Stmt =
    Stmt::both("request_rollup_minute.oldest", "SELECT MIN(begins_at) AS begins_at FROM request_rollup_minute");
static OLDEST_HOUR: Stmt = Stmt::both("request_rollup.oldest", "SELECT MIN(hour_at) AS begins_at FROM request_rollup");
static PARTS: Stmt = Stmt::both(
    "request_rollup_part.sums",
    "SELECT kind, name, CAST(SUM(total) AS BIGINT) AS total FROM request_rollup_part
     WHERE app_id = $1 AND mode = $2 AND hour_at >= $3 AND hour_at < $4 GROUP BY kind, name ORDER BY kind, name",
);

/// The statements of this file.
pub static ALL: [&Stmt; 13] = [
    &ADD,
    &ADD_TO_MINUTE,
    &ADD_TO_DAY,
    &ADD_PART,
    &MINUTES,
    &HOURS,
    &DAYS,
    &PARTS,
    &PRUNE_MINUTES,
    &PRUNE_HOURS,
    &PRUNE_PARTS,
    &OLDEST_MINUTE,
    &OLDEST_HOUR,
];

/// An hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, UTC.
    Day,
}

impl Grain {
    /// Its length. Milliseconds.
    pub const fn ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => HOUR_MS,
            Self::Day => 24 * HOUR_MS,
        }
    }

    /// The beginning of the one that a moment is in.
    fn of(self, at: UnixMs) -> i64 {
        at.0.saturating_sub(at.0.rem_euclid(self.ms()))
    }
}
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

/// Whose requests, in which mode, from when (included) to when (not included). In whole grains of what is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The app.
    pub app: AppId,
    /// The mode.
    pub mode: Mode,
    /// The beginning of the first.
    pub since: UnixMs,
    /// The end of the last.
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

/// What is counted by the hour alone.
#[derive(Default)]
struct Hour {
    hour_at: i64,
    reasons: BTreeMap<Box<str>, i64>,
    /// One for each of `STEPS_US`, and the last one.
    steps: [u32; STEPS_US.len() + 1],
}

/// What decisions add to the counts of an app. Nearly always one hour and one minute: whoever counts looks at the last
/// one first, because this is done for every decision.
#[derive(Default)]
pub struct Tally {
    hours: Vec<Hour>,
    minutes: Vec<(i64, Counts)>,
}

impl Tally {
    /// Counts a decision.
    pub fn count(&mut self, line: &Line<'_>) {
        let one = match line.reason {
            Some(_) => Counts { denied: 1, ..Counts::default() },
            None => Counts { allowed: 1, failed: i64::from(line.status >= FAILURE_FROM), ..Counts::default() },
        };
        self.add_to_minute(Grain::Minute.of(line.at), one);
        let hour = self.hour(Grain::Hour.of(line.at));
        if let Some(reason) = line.reason.as_deref() {
            match hour.reasons.get_mut(reason) {
                Some(count) => *count += 1,
                None => drop(hour.reasons.insert(reason.into(), 1)),
            }
        }
        let step = STEPS_US.iter().position(|step| line.duration_us <= *step).unwrap_or(STEPS_US.len());
        if let Some(count) = hour.steps.get_mut(step) {
            *count += 1;
        }
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (minute_at, counts) in &other.minutes {
            self.add_to_minute(*minute_at, *counts);
        }
        for other in &other.hours {
            let hour = self.hour(other.hour_at);
            for (reason, count) in &other.reasons {
                *hour.reasons.entry(reason.clone()).or_default() += count;
            }
            for (sum, count) in hour.steps.iter_mut().zip(other.steps) {
                *sum += count;
            }
        }
    }

    fn add_to_minute(&mut self, minute_at: i64, one: Counts) {
        match self.minutes.iter_mut().rfind(|(begins_at, _)| *begins_at == minute_at) {
            Some((_, counts)) => *counts += one,
            None => self.minutes.push((minute_at, one)),
        }
    }

    fn hour(&mut self, hour_at: i64) -> &mut Hour {
        let known = self.hours.iter().rposition(|hour| hour.hour_at == hour_at);
        let place = known.unwrap_or_else(|| {
            self.hours.push(Hour { hour_at, ..Hour::default() });
            self.hours.len() - 1
        });
        self.hours.get_mut(place).expect("it was found or put there")
    }

    /// Adds what was counted to the minutes, hours and days of an app.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn write(&self, conn: &mut Conn, app: &str, mode: Mode) -> Result<(), StoreError> {
        for (grain, stmt) in [(Grain::Minute, &ADD_TO_MINUTE), (Grain::Hour, &ADD), (Grain::Day, &ADD_TO_DAY)] {
            let mut sums: BTreeMap<i64, Counts> = BTreeMap::new();
            for (minute_at, counts) in &self.minutes {
                *sums.entry(grain.of(UnixMs(*minute_at))).or_default() += *counts;
            }
            for (begins_at, counts) in sums {
                add(conn, stmt, (app, mode), begins_at, counts).await?;
            }
        }
        for hour in &self.hours {
            let (app, mode, hour_at) = (Val::Text(app), Val::Text(mode.as_str()), Val::Int(hour.hour_at));
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

async fn add(
    conn: &mut Conn,
    stmt: &'static Stmt,
    (app, mode): (&str, Mode),
    begins_at: i64,
    counts: Counts,
) -> Result<(), StoreError> {
    let Counts { allowed, denied, failed } = counts;
    let values = [
        Val::Text(app),
        Val::Text(mode.as_str()),
        Val::Int(begins_at),
        Val::Int(allowed),
        Val::Int(denied),
        Val::Int(failed),
    ];
    conn.execute(stmt, &values).await.map(|_| ())
}

/// The minutes, hours or days of a span that had requests, the first one first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn counts(conn: &mut Conn, grain: Grain, span: Span) -> Result<Vec<(UnixMs, Counts)>, StoreError> {
    let app = span.app.to_string();
    let values = [Val::Text(&app), Val::Text(span.mode.as_str()), Val::Int(span.since.0), Val::Int(span.until.0)];
    let stmt = match grain {
        Grain::Minute => &MINUTES,
        Grain::Hour => &HOURS,
        Grain::Day => &DAYS,
    };
    let rows = conn.rows(stmt, &values).await?;
    let counted = rows.iter().map(|row| {
        let counts = Counts { allowed: row.int("allowed")?, denied: row.int("denied")?, failed: row.int("failed")? };
        Ok((UnixMs(row.int("begins_at")?), counts))
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

/// Deletes the oldest day's worth of minutes from before a moment, or of hours with their reasons and durations; whether
/// there was any. Days stay.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn prune(conn: &mut Conn, grain: Grain, before: UnixMs) -> Result<bool, StoreError> {
    let (oldest, prunes): (&'static Stmt, &[&'static Stmt]) = match grain {
        Grain::Minute => (&OLDEST_MINUTE, &[&PRUNE_MINUTES]),
        Grain::Hour => (&OLDEST_HOUR, &[&PRUNE_HOURS, &PRUNE_PARTS]),
        Grain::Day => return Ok(false),
    };
    let row = conn.row(oldest, &[]).await?;
    let begins_at = row.map_or(Ok(None), |row| row.opt_int("begins_at"))?;
    let Some(begins_at) = begins_at.filter(|begins_at| *begins_at < before.0) else { return Ok(false) };
    let ends_at = before.0.min(begins_at.saturating_add(Grain::Day.ms()));
    for stmt in prunes {
        conn.execute(stmt, &[Val::Int(begins_at), Val::Int(ends_at)]).await?;
    }
    Ok(true)
}
