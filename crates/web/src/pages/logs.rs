//! An app's requests: each with its decision and, for a denied one, why and what to do about it; and the filters, which
//! the list and its export share.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use keymint_app::App;
use keymint_app::ops::{Actor, OpError, requests};
use keymint_app::say;
use keymint_app::store_types::{Entry, Filter};
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use serde::Deserialize;

use super::advice::{advice, words};
use super::export::EXPORT_MAX;
use super::keys::own;
use super::moments::{grouped, written};
use super::session::SignedIn;
use super::{Frame, Problem, page};
use crate::api::extract::rfc3339;

/// Requests on one page.
const LINES_MAX: usize = 50;
/// Most rows of a page that keeps itself up to date, and so of one answer to it; so are they in `console.js`.
const NEWER_MAX: usize = 200;
/// The classes of status that can be asked for.
const STATUS_CLASSES: [(&str, (u16, u16)); 3] = [("2xx", (200, 299)), ("4xx", (400, 499)), ("5xx", (500, 599))];

struct Line {
    number: i64,
    at: String,
    clock: String,
    denied: String,
    advice: &'static str,
    method: String,
    path: String,
    status: u16,
    key_id: String,
}

struct Choice {
    name: &'static str,
    words: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    asked: LogsQuery,
    problem: &'static str,
    is_filtered: bool,
    reasons: Vec<Choice>,
    statuses: Vec<Choice>,
    lines: Vec<Line>,
    after: i64,
    /// The same list anew, and where newer entries of it are asked for; none where this is a page further on.
    refresh: String,
    newer: String,
    newest: String,
    older: String,
    export: String,
    export_max: String,
}

/// The rows of the list that came after the page was shown: a part of it, asked for by a script.
#[derive(Template)]
#[template(path = "log_rows.html")]
struct NewerRows {
    app_id: String,
    lines: Vec<Line>,
    after: i64,
}

fn line(entry: Entry) -> Line {
    Line {
        number: entry.id,
        at: rfc3339(entry.at),
        clock: written(entry.at, "%-d %b %Y, %H:%M:%S%.3f"),
        advice: entry.reason.as_deref().map_or("", advice),
        denied: entry.reason.as_deref().map(words).unwrap_or_default(),
        method: entry.method,
        path: entry.path,
        status: entry.status,
        key_id: entry.key_id,
    }
}

/// What is asked for. A field that was left alone sends an empty value.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct LogsQuery {
    mode: String,
    reason: String,
    status: String,
    from: String,
    to: String,
    key: String,
    before: String,
}

/// Midnight UTC at the beginning of a day, and at its end.
pub fn day_of(text: &str) -> Option<(UnixMs, UnixMs)> {
    let date: Date = text.parse().ok()?;
    let midnight = |date: Date| Some(UnixMs(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond()));
    Some((midnight(date)?, midnight(date.tomorrow().ok()?)?))
}

/// Fields as a query. What is left alone is left out, and so is what is not of the form of a filter's value.
pub fn query_of(fields: &[(&str, &String)]) -> String {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let given = fields.iter().map(|(name, value)| (name, value.trim()));
    let given = given.filter(|(_, value)| !value.is_empty() && is_plain(value));
    given.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

impl LogsQuery {
    /// The filter, for at most so many entries.
    ///
    /// # Errors
    /// What is wrong with the dates.
    pub fn filter(&self, limit: usize) -> Result<Filter, &'static str> {
        let (mut since, mut until) = (UnixMs(0), UnixMs(i64::MAX));
        if !self.from.is_empty() {
            (since, _) = day_of(&self.from).ok_or(say!("common-from-wrong"))?;
        }
        if !self.to.is_empty() {
            (_, until) = day_of(&self.to).ok_or(say!("common-to-wrong"))?;
        }
        if since >= until {
            return Err(say!("common-from-after-to"));
        }
        let class = STATUS_CLASSES.iter().find(|(name, _)| *name == self.status);
        Ok(Filter {
            below_id: self.before.parse().unwrap_or(i64::MAX),
            after_id: 0,
            mode: Mode::parse(&self.mode),
            reason: DenyReason::parse(&self.reason).map(|reason| reason.as_str().to_owned()),
            since,
            until,
            status: class.map_or((0, u16::MAX), |(_, range)| *range),
            limit,
        })
    }

    fn is_empty(&self) -> bool {
        [&self.mode, &self.reason, &self.status, &self.from, &self.to, &self.key].iter().all(|text| text.is_empty())
    }

    /// The filters as a query.
    fn to_query(&self) -> String {
        query_of(&[
            ("mode", &self.mode),
            ("reason", &self.reason),
            ("status", &self.status),
            ("from", &self.from),
            ("to", &self.to),
            ("key", &self.key),
        ])
    }

    /// Those of an app's requests that are asked for, newest first.
    ///
    /// # Errors
    /// `NotFound` when there is no such app that the actor may see; `Forbidden`.
    pub async fn find(&self, app: &App, actor: Actor, id: AppId, filter: &Filter) -> Result<Vec<Entry>, OpError> {
        match self.key.trim() {
            "" => requests::of_app(app, actor, id, filter).await,
            key => requests::of_key_in_app(app, actor, (id, key), filter).await,
        }
    }
}

/// Up to where a list has been read: the end of the log before it was, or further where the list has newer ones.
fn read_up_to(head: i64, entries: &[Entry]) -> i64 {
    entries.first().map_or(head, |newest| newest.id.max(head))
}

/// After which number.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct AfterQuery {
    after: i64,
}

/// What came after a list was read, with its filters.
pub async fn newer(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<LogsQuery>,
    Query(AfterQuery { after }): Query<AfterQuery>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    actor.require(Act::SeeRequests)?;
    let filter = asked.filter(NEWER_MAX).map_err(|_| Problem::NotFound)?;
    let head = requests::head(&app).await?;
    let entries = asked.find(&app, actor, row.id, &Filter { after_id: after.max(0), ..filter }).await?;
    let after = read_up_to(head, &entries);
    let view = NewerRows { app_id: row.id.to_string(), lines: entries.into_iter().map(line).collect(), after };
    page(StatusCode::OK, &view)
}

/// The page.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<LogsQuery>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    actor.require(Act::SeeRequests)?;
    let head = requests::head(&app).await?;
    let (status, problem, mut entries) = match asked.filter(LINES_MAX + 1) {
        Ok(filter) => (StatusCode::OK, "", asked.find(&app, actor, row.id, &filter).await?),
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, problem, Vec::new()),
    };
    let after = read_up_to(head, &entries);
    let has_more = entries.len() > LINES_MAX;
    entries.truncate(LINES_MAX);
    let query = asked.to_query();
    let list = format!("/apps/{}/logs", row.id);
    let older = match entries.last() {
        Some(last) if has_more => format!("{list}?{query}&before={}", last.id),
        _ => String::new(),
    };
    let is_newest = asked.before.is_empty() && problem.is_empty();
    let reason = |found: &DenyReason| Choice {
        name: found.as_str(),
        words: words(found.as_str()),
        is_chosen: asked.reason == found.as_str(),
    };
    let class =
        |(name, _): &(&'static str, _)| Choice { name, words: (*name).to_owned(), is_chosen: asked.status == *name };
    let view = LogsPage {
        frame: Frame::new(&visitor, membership, "apps"),
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "logs",
        may_see_logs: true,
        problem,
        is_filtered: !asked.is_empty(),
        reasons: DenyReason::ALL.iter().map(reason).collect(),
        statuses: STATUS_CLASSES.iter().map(class).collect(),
        lines: entries.into_iter().map(line).collect(),
        after,
        refresh: if is_newest { format!("{list}?{query}") } else { String::new() },
        newer: format!("{list}/newer?{query}"),
        newest: if asked.before.is_empty() { String::new() } else { format!("{list}?{query}") },
        older,
        export: format!("{list}/export?{query}&format="),
        export_max: grouped(i64::try_from(EXPORT_MAX).unwrap_or(i64::MAX)),
        asked,
    };
    page(status, &view)
}
