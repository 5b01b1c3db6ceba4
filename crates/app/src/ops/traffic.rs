//! An app's traffic as numbers: requests by the minute, hour or day, why they were denied, how long they took; and what its sandbox
//! keeps. No request by itself: those are in `requests`.

use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use keymint_store::rollup::{self, Counts, Grain, Span};
use keymint_store::sandbox;

use crate::App;
use crate::ops::{Actor, OpError, apps};

/// How far back, and in how large steps.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// How many steps; the last one is under way.
    pub steps: i64,
    /// What counts are read.
    pub grain: Grain,
    /// How many of them make a step.
    pub grains: i64,
}

impl Window {
    /// A step's length. Milliseconds.
    pub fn step_ms(self) -> i64 {
        self.grains.saturating_mul(self.grain.ms()).max(1)
    }

    fn span_ms(self) -> i64 {
        self.steps.saturating_mul(self.step_ms())
    }
}

/// What happened in a window.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// The beginning of the first step.
    pub since: UnixMs,
    /// Each step.
    pub steps: Vec<Counts>,
    /// All steps together.
    pub total: Counts,
    /// The same length of time before them.
    pub before: Counts,
    /// Reason and number of denials, the most frequent first.
    pub reasons: Vec<(String, i64)>,
    /// Median and 95th percentile of the time in Keymint; nothing without requests. Microseconds.
    pub percentiles_us: Option<(u32, u32)>,
}

/// What the requests of an app in one mode came to.
///
/// # Errors
/// `NotFound` when there is no such app that the actor may see; `Forbidden`.
pub async fn of_app(app: &App, actor: Actor, id: AppId, mode: Mode, window: Window) -> Result<Traffic, OpError> {
    actor.require(Act::SeeRequests)?;
    apps::find(app, actor, id).await?;
    app.log.flush().await;
    let now = app.clock.now().0;
    let until = now.saturating_sub(now.rem_euclid(window.step_ms())).saturating_add(window.step_ms());
    let since = UnixMs(until.saturating_sub(window.span_ms()));
    let earlier = UnixMs(since.0.saturating_sub(window.span_ms()));
    let span = Span { app: id, mode, since, until: UnixMs(until) };
    let mut conn = app.db.read().await?;
    let counted = rollup::counts(&mut conn, window.grain, Span { since: earlier, ..span }).await?;
    // Kept by the hour: of the last hour, those of the hours that it touches.
    let whole_hours = UnixMs(since.0.saturating_sub(since.0.rem_euclid(Grain::Hour.ms())));
    let mut parts = rollup::parts(&mut conn, Span { since: whole_hours, ..span }).await?;
    parts.reasons.sort_by(|(name, count), (other, others)| others.cmp(count).then_with(|| name.cmp(other)));
    let at = |percent| percentile(&parts.durations, percent);
    let percentiles_us = at(50).zip(at(95));
    let mut traffic = Traffic {
        since,
        steps: vec![Counts::default(); usize::try_from(window.steps).unwrap_or(0)],
        total: Counts::default(),
        before: Counts::default(),
        reasons: parts.reasons,
        percentiles_us,
    };
    for (begins_at, counts) in counted {
        let step = (begins_at.0 - since.0).div_euclid(window.step_ms());
        match usize::try_from(step).ok().and_then(|step| traffic.steps.get_mut(step)) {
            Some(step) => {
                *step += counts;
                traffic.total += counts;
            }
            None => traffic.before += counts,
        }
    }
    Ok(traffic)
}

/// What the sandbox keeps of an app since a moment: kind, state and number of each. The newest `count` are looked at.
///
/// # Errors
/// `NotFound` when there is no such app that the actor may see.
pub async fn sandbox_objects(
    app: &App,
    actor: Actor,
    id: AppId,
    since: UnixMs,
    count: i64,
) -> Result<Vec<(String, String, i64)>, OpError> {
    let row = apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    Ok(sandbox::count_of_app(&mut conn, (row.merchant_id, id), since, count).await?)
}

/// The time that `percent` of 100 requests did not exceed, read off a straight line through the step it falls into.
fn percentile(steps: &[(u32, i64)], percent: i64) -> Option<u32> {
    let all: i64 = steps.iter().map(|(_, count)| count).sum();
    let wanted = all.saturating_mul(percent).div_euclid(100).saturating_add(1).min(all);
    let mut below = 0;
    let mut lower = 0;
    for (upper, count) in steps {
        if below + count >= wanted && *count > 0 {
            if *upper == u32::MAX {
                return Some(lower);
            }
            // A step is at most two and a half times its lower end, whichever steps before it were empty.
            let start = i64::from((*upper / 5 * 2).max(lower));
            let inside = (i64::from(*upper) - start) * (wanted - below) / count;
            return u32::try_from(start + inside).ok();
        }
        below += count;
        lower = *upper;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_inside_the_step_they_fall_into() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[(100, 0)], 50), None);
        let steps = [(100, 90), (200, 9), (1000, 1)];
        for (percent, range) in [(50, 40..=100), (89, 90..=100), (95, 100..=200), (99, 400..=1000)] {
            let found = percentile(&steps, percent).expect("there are requests");
            assert!(range.contains(&found), "{percent}: {found}");
        }
        assert_eq!(
            percentile(&[(1_000_000, 1), (u32::MAX, 99)], 95),
            Some(1_000_000),
            "above all steps is at least it"
        );
    }
}
