//! An app at a glance: its requests over time, why some were denied, what its sandbox keeps, and what to do next.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::credentials::View;
use keymint_app::ops::traffic::{self, Traffic, Window};
use keymint_app::ops::{Actor, OpError, credentials};
use keymint_app::say;
use keymint_app::store_types::{AppRow, Counts, Grain};
use keymint_domain::credential::State as KeyState;
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use serde::Deserialize;

use super::advice::{advice, words};
use super::chart::{Chart, draw};
use super::keys::own;
use super::log_entry::duration;
use super::moments::{grouped, written};
use super::session::SignedIn;
use super::{Frame, Problem, day, page};
use crate::sandbox;

/// Keys that are looked at.
const KEYS_LOOKED_AT: i64 = 50;
/// Objects of the sandbox that are counted: the newest, so that the page stays quick whatever is kept.
const OBJECTS_MAX: i64 = 2_000;
/// Reasons shown.
const REASONS_MAX: usize = 5;

/// A range that can be asked for.
struct Range {
    name: &'static str,
    window: Window,
    /// How a step is written in the table, and below the chart.
    forms: (&'static str, &'static str),
}

const HOUR: Range = Range {
    name: "1h",
    window: Window { steps: 30, grain: Grain::Minute, grains: 2 },
    forms: ("%-d %b, %H:%M", "%H:%M"),
};
const DAY: Range = Range {
    name: "24h",
    window: Window { steps: 24, grain: Grain::Hour, grains: 1 },
    forms: ("%-d %b, %H:%M", "%H:%M"),
};
const WEEK: Range = Range {
    name: "7d",
    window: Window { steps: 28, grain: Grain::Hour, grains: 6 },
    forms: ("%-d %b, %H:%M", "%-d %b"),
};
const MONTH: Range =
    Range { name: "30d", window: Window { steps: 30, grain: Grain::Day, grains: 1 }, forms: ("%-d %b", "%-d %b") };
const YEAR: Range =
    Range { name: "12m", window: Window { steps: 52, grain: Grain::Day, grains: 7 }, forms: ("%-d %b %Y", "%b %Y") };

impl Range {
    /// `24 hours`.
    fn words(&self) -> &'static str {
        match self.name {
            "1h" => say!("overview-hour"),
            "7d" => say!("overview-week"),
            "30d" => say!("overview-month"),
            "12m" => say!("overview-year"),
            _ => say!("overview-day"),
        }
    }
}

/// A place of a switch.
struct Place {
    name: &'static str,
    words: &'static str,
    is_here: bool,
}

struct Stat {
    label: &'static str,
    value: String,
    beside: String,
    note: String,
}

struct Reason {
    words: String,
    count: String,
    share: i64,
    advice: &'static str,
    href: String,
}

struct Step {
    words: &'static str,
    is_done: bool,
    href: String,
    label: &'static str,
}

/// What there is to say about requests.
struct Requests {
    total: i64,
    stats: Vec<Stat>,
    chart: Chart,
    reasons: Vec<Reason>,
}

struct Kept {
    kind: String,
    status: String,
    tone: &'static str,
    count: i64,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    product: String,
    is_enabled: bool,
    mode: &'static str,
    range: &'static str,
    range_words: &'static str,
    ranges: Vec<Place>,
    /// What is left to do; nothing once all is done.
    steps: Vec<Step>,
    requests: Option<Requests>,
    kept: Vec<Kept>,
    kept_all: i64,
    kept_max: i64,
}

/// Which range and mode.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct OverviewQuery {
    range: String,
    mode: String,
}

/// A part of a whole as percent with one digit: `99.2 %`; a dash where there is no whole.
fn percent(part: i64, whole: i64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = part.saturating_mul(1000) / whole;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// How a number stands to the one of the time before.
fn delta(now: i64, before: i64) -> String {
    if before == 0 {
        return String::new();
    }
    let percent = (now - before).saturating_mul(100) / before;
    let sign = if percent > 0 { "+" } else { "" };
    format!("{sign}{} %", grouped(percent))
}

fn stats(traffic: &Traffic, range: &Range) -> Vec<Stat> {
    let Traffic { total, before, .. } = traffic;
    let beside = |now, before| match delta(now, before) {
        empty if empty.is_empty() => empty,
        delta => say!("overview-against", delta = delta, span = range.words()),
    };
    let succeeded = |counts: &Counts| percent(counts.succeeded(), counts.requests());
    let before_rate =
        if before.requests() == 0 { String::new() } else { say!("overview-before", rate = succeeded(before)) };
    let (median, slow) = match traffic.percentiles_us {
        Some((median, slow)) => (duration(median), say!("overview-p95", duration = duration(slow))),
        None => ("–".to_owned(), String::new()),
    };
    vec![
        Stat {
            label: say!("common-requests"),
            value: grouped(total.requests()),
            beside: beside(total.requests(), before.requests()),
            note: String::new(),
        },
        Stat {
            label: say!("overview-success-rate"),
            value: succeeded(total),
            beside: before_rate,
            note: say!("overview-success-what").to_owned(),
        },
        Stat {
            label: say!("overview-denied"),
            value: grouped(total.denied),
            beside: beside(total.denied, before.denied),
            note: String::new(),
        },
        Stat { label: say!("overview-p50"), value: median, beside: slow, note: say!("common-latency-what").to_owned() },
    ]
}

fn chart(traffic: &Traffic, range: &Range) -> Chart {
    let (row, axis) = range.forms;
    let at = |place: usize| {
        let place = i64::try_from(place).unwrap_or(0);
        UnixMs(traffic.since.0.saturating_add(place.saturating_mul(range.window.step_ms())))
    };
    let steps = traffic.steps.iter().enumerate().map(|(place, counts)| (written(at(place), row), *counts)).collect();
    let last = traffic.steps.len().saturating_sub(1);
    draw(steps, [0, last / 2, last].map(|place| written(at(place), axis)))
}

fn reasons(traffic: &Traffic, app_id: &str, mode: &str) -> Vec<Reason> {
    let from = day(traffic.since);
    let reason = |(name, count): &(String, i64)| Reason {
        words: words(name),
        count: grouped(*count),
        share: (count.saturating_mul(100) / traffic.total.denied.max(1)).min(100),
        advice: advice(name),
        href: format!("/apps/{app_id}/logs?mode={mode}&reason={name}&from={from}"),
    };
    traffic.reasons.iter().take(REASONS_MAX).map(reason).collect()
}

/// What brings an app to its first call, in order; empty once it is there.
fn steps(keys: &[View], may_manage: bool, app_id: &str) -> Vec<Step> {
    let has_key = keys.iter().any(|key| key.state == KeyState::Active);
    let has_called = keys.iter().any(|key| key.seen.last_used_at.is_some());
    if has_called || !may_manage {
        return Vec::new();
    }
    let step = |words, is_done, place, label| Step { words, is_done, href: format!("/apps/{app_id}{place}"), label };
    vec![
        step(say!("overview-step-register"), true, "", ""),
        step(say!("overview-step-key"), has_key, "/keys?mode=test", say!("common-generate-api-key")),
        step(say!("overview-step-call"), false, "/start", say!("common-start-here")),
    ]
}

/// What the sandbox keeps, by kind and status, and how much was looked at.
async fn kept(app: &App, actor: Actor, id: AppId, since: UnixMs) -> Result<(Vec<Kept>, i64), OpError> {
    let counts = traffic::sandbox_objects(app, actor, id, since, OBJECTS_MAX).await?;
    let all = counts.iter().map(|(.., count)| count).sum();
    let line = |(kind, status, count): (String, String, i64)| {
        let tone = sandbox::tone(&status);
        Kept { kind, status, tone, count }
    };
    Ok((counts.into_iter().map(line).collect(), all))
}

/// The page.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<OverviewQuery>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let mode = Mode::parse(&asked.mode).unwrap_or(Mode::Test);
    let ranges = [HOUR, DAY, WEEK, MONTH, YEAR];
    let range = ranges.iter().find(|range| range.name == asked.range).unwrap_or(&DAY);
    let AppRow { id, name, product, is_enabled, .. } = row;
    let app_id = id.to_string();
    let may_see_logs = actor.require(Act::SeeRequests).is_ok();
    let may_manage = actor.require(Act::ManageTestCredentials).is_ok();
    let requests = if may_see_logs {
        let traffic = traffic::of_app(&app, actor, id, mode, range.window).await?;
        Some(Requests {
            total: traffic.total.requests(),
            stats: stats(&traffic, range),
            chart: chart(&traffic, range),
            reasons: reasons(&traffic, &app_id, mode.as_str()),
        })
    } else {
        None
    };
    let span_ms = range.window.steps.saturating_mul(range.window.step_ms());
    let since = UnixMs(app.clock.now().0.saturating_sub(span_ms));
    let (kept, kept_all) = if mode == Mode::Test { kept(&app, actor, id, since).await? } else { (Vec::new(), 0) };
    let mut keys = credentials::living(&app, actor, id, Mode::Test).await?;
    keys.extend(credentials::ended_below(&app, actor, (id, Mode::Test), (credentials::NEWEST, KEYS_LOOKED_AT)).await?);
    let place = |found: &Range| Place { name: found.name, words: found.words(), is_here: found.name == range.name };
    let title = app.products.find(&product).map(|product| product.dialect.title.to_string());
    let view = OverviewPage {
        frame: Frame { mode_is_test: mode == Mode::Test, ..Frame::new(&visitor, membership, "apps") },
        app_name: name,
        tab: "overview",
        may_see_logs,
        product: title.unwrap_or(product),
        is_enabled,
        mode: mode.as_str(),
        range: range.name,
        range_words: range.words(),
        ranges: ranges.iter().map(place).collect(),
        steps: steps(&keys, may_manage, &app_id),
        app_id,
        requests,
        kept,
        kept_all,
        kept_max: OBJECTS_MAX,
    };
    page(StatusCode::OK, &view)
}

#[cfg(test)]
mod tests {
    use super::{delta, percent};

    #[test]
    fn rates_are_cut_and_never_rounded_up_to_a_hundred() {
        assert_eq!((percent(0, 0), percent(9_999, 10_000)), ("–".to_owned(), "99.9 %".to_owned()));
        assert_eq!((percent(1, 3), percent(5, 5)), ("33.3 %".to_owned(), "100.0 %".to_owned()));
        assert_eq!((delta(5, 0), delta(3, 2), delta(1, 2)), (String::new(), "+50 %".to_owned(), "-50 %".to_owned()));
    }
}
