//! An app's transactions, as its sandbox keeps them: the list with its filters, one of them with its JSON, and the list
//! as a file.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::{Actor, OpError, transactions};
use keymint_app::say;
use keymint_app::store_types::{AppRow, Transaction, TransactionQuery};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::export::{EXPORT_MAX, FormatQuery, csv, file};
use super::keys::own;
use super::logs::{day_of, query_of};
use super::moments::{grouped, written};
use super::session::SignedIn;
use super::{Frame, Problem, day, page};
use crate::api::extract::rfc3339;
use crate::sandbox;

/// Transactions on one page.
const LINES_MAX: usize = 50;
/// Longest range of dates. Days; that of KS Pay's `GET /transaction`, which answers 400 / 11006 to a longer one.
const RANGE_DAYS_MAX: i64 = 90;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

const COLUMNS: [&str; 9] =
    ["id", "kind", "created_at", "updated_at", "payment_mode", "currency", "amount", "amount_unit", "status"];

struct Line {
    id: String,
    kind: String,
    created_at: String,
    created: String,
    changed_at: String,
    changed: String,
    method: String,
    currency: String,
    amount: String,
    status: String,
    tone: &'static str,
}

#[derive(Template)]
#[template(path = "transactions.html")]
struct TransactionsPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    asked: TransactionsQuery,
    problem: String,
    is_filtered: bool,
    statuses: Vec<String>,
    counts_minor_units: bool,
    lines: Vec<Line>,
    newest: String,
    older: String,
    export: String,
    export_max: String,
}

#[derive(Template)]
#[template(path = "transaction.html")]
struct TransactionPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    counts_minor_units: bool,
    line: Line,
    body: String,
}

fn line(transaction: Transaction) -> Line {
    const CLOCK: &str = "%-d %b %Y, %H:%M:%S";
    let Transaction { kind, id, created_at, changed_at, facts, .. } = transaction;
    let or_dash = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "–".to_owned());
    Line {
        id,
        kind,
        created_at: rfc3339(created_at),
        created: written(created_at, CLOCK),
        changed_at: rfc3339(changed_at),
        changed: written(changed_at, CLOCK),
        method: or_dash(facts.method),
        currency: or_dash(facts.currency),
        amount: or_dash(facts.amount),
        tone: sandbox::tone(&facts.status),
        status: facts.status,
    }
}

/// What is asked for. A field that was left alone sends an empty value.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TransactionsQuery {
    mode: String,
    id: String,
    status: String,
    from: String,
    to: String,
    before: String,
}

impl TransactionsQuery {
    fn mode(&self) -> Mode {
        Mode::parse(&self.mode).unwrap_or(Mode::Test)
    }

    /// What to look for, for at most so many.
    ///
    /// # Errors
    /// What is wrong with the dates.
    fn query(&self, now: UnixMs, limit: usize) -> Result<TransactionQuery, String> {
        let (since, until) = self.range(now)?;
        let mut below = (until, String::new());
        if let Some((at, id)) = self.before.split_once('-')
            && let Ok(at) = at.parse()
        {
            below = below.min((UnixMs(at), id.to_owned()));
        }
        let status = Some(self.status.clone()).filter(|status| !status.is_empty());
        Ok(TransactionQuery { status, since, below, limit: i64::try_from(limit).unwrap_or(i64::MAX) })
    }

    /// From the beginning of one day to the end of another; without an end, of today.
    fn range(&self, now: UnixMs) -> Result<(UnixMs, UnixMs), String> {
        let end = match &*self.to {
            "" => None,
            to => Some(day_of(to).ok_or_else(|| say!("common-to-wrong").to_owned())?.1),
        };
        if self.from.is_empty() {
            return match end {
                None => Ok((UnixMs(0), UnixMs(i64::MAX))),
                Some(_) => Err(say!("transactions-from-missing", most = RANGE_DAYS_MAX)),
            };
        }
        let (since, _) = day_of(&self.from).ok_or_else(|| say!("common-from-wrong").to_owned())?;
        if end.is_some_and(|end| since >= end) {
            return Err(say!("common-from-after-to").to_owned());
        }
        let until = end.unwrap_or(UnixMs((now.0.div_euclid(DAY_MS) + 1).saturating_mul(DAY_MS)));
        let days = until.0.saturating_sub(since.0) / DAY_MS;
        if days > RANGE_DAYS_MAX {
            return Err(say!("transactions-range-too-long", most = RANGE_DAYS_MAX, days = grouped(days)));
        }
        Ok((since, until))
    }

    fn is_filtered(&self) -> bool {
        [&self.id, &self.status, &self.from, &self.to].iter().any(|text| !text.is_empty())
    }

    fn to_query(&self) -> String {
        query_of(&[
            ("mode", &self.mode),
            ("id", &self.id),
            ("status", &self.status),
            ("from", &self.from),
            ("to", &self.to),
        ])
    }

    /// Those of an app's transactions that are asked for, newest first. None of live mode: those are where they were made.
    async fn find(
        &self,
        app: &App,
        (actor, row): (Actor, &AppRow),
        query: &TransactionQuery,
    ) -> Result<Vec<Transaction>, OpError> {
        actor.require(Act::SeeRequests)?;
        match (self.mode(), self.id.trim()) {
            (Mode::Live, _) => Ok(Vec::new()),
            (Mode::Test, "") => transactions::of_app(app, actor, row.id, query).await,
            (Mode::Test, id) => match transactions::find(app, actor, row.id, id).await {
                Ok(found) => Ok(vec![found].into_iter().filter(|found| admits(query, found)).collect()),
                Err(OpError::NotFound(_)) => Ok(Vec::new()),
                Err(other) => Err(other),
            },
        }
    }
}

fn admits(query: &TransactionQuery, found: &Transaction) -> bool {
    found.created_at >= query.since
        && (found.created_at, &found.id) < (query.below.0, &query.below.1)
        && query.status.as_ref().is_none_or(|status| *status == found.facts.status)
}

/// Whether the amounts of an app's product are in minor units.
fn counts_minor_units(app: &App, row: &AppRow) -> bool {
    app.products.find(&row.product).is_some_and(|product| sandbox::counts_minor_units(&product.sandbox))
}

/// The page.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<TransactionsQuery>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let mut statuses = transactions::states(&app, actor, row.id).await?;
    if !asked.status.is_empty() && !statuses.contains(&asked.status) {
        statuses.push(asked.status.clone());
    }
    let (status, problem, mut found) = match asked.query(app.clock.now(), LINES_MAX + 1) {
        Ok(query) => (StatusCode::OK, String::new(), asked.find(&app, (actor, &row), &query).await?),
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, problem, Vec::new()),
    };
    let has_more = found.len() > LINES_MAX;
    found.truncate(LINES_MAX);
    let query = asked.to_query();
    let list = format!("/apps/{}/transactions", row.id);
    let older = match found.last() {
        Some(last) if has_more => format!("{list}?{query}&before={}-{}", last.created_at.0, last.id),
        _ => String::new(),
    };
    let view = TransactionsPage {
        frame: Frame { mode_is_test: asked.mode() == Mode::Test, ..Frame::new(&visitor, membership, "apps") },
        counts_minor_units: counts_minor_units(&app, &row),
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "transactions",
        may_see_logs: true,
        problem,
        is_filtered: asked.is_filtered(),
        statuses,
        lines: found.into_iter().map(line).collect(),
        newest: if asked.before.is_empty() { String::new() } else { format!("{list}?{query}") },
        older,
        export: format!("{list}/export?{query}&format="),
        export_max: grouped(i64::try_from(EXPORT_MAX).unwrap_or(i64::MAX)),
        asked,
    };
    page(status, &view)
}

/// One transaction.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path((id, transaction)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let mut found = transactions::find(&app, actor, row.id, &transaction).await?;
    let body = found.body.take().unwrap_or_default();
    let pretty = serde_json::from_str::<Value>(&body).and_then(|value| serde_json::to_string_pretty(&value));
    let view = TransactionPage {
        frame: Frame { mode_is_test: true, ..Frame::new(&visitor, membership, "apps") },
        counts_minor_units: counts_minor_units(&app, &row),
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "transactions",
        may_see_logs: true,
        line: line(found),
        body: pretty.unwrap_or(body),
    };
    page(StatusCode::OK, &view)
}

fn values(found: &Transaction, unit: &str) -> [String; 9] {
    let told = |fact: &Option<String>| fact.clone().unwrap_or_default();
    let unit = if found.facts.amount.is_none() { "" } else { unit };
    [
        found.id.clone(),
        found.kind.clone(),
        rfc3339(found.created_at),
        rfc3339(found.changed_at),
        told(&found.facts.method),
        told(&found.facts.currency),
        told(&found.facts.amount),
        unit.to_owned(),
        found.facts.status.clone(),
    ]
}

fn json_lines(lines: impl Iterator<Item = [String; 9]>) -> String {
    let mut text = String::new();
    for values in lines {
        let members = COLUMNS.iter().zip(values).map(|(name, value)| ((*name).to_owned(), Value::String(value)));
        text.push_str(&json!(members.collect::<serde_json::Map<_, _>>()).to_string());
        text.push('\n');
    }
    text
}

/// The list as a file: the newest that the filters admit.
pub async fn export(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<TransactionsQuery>,
    Query(FormatQuery { format }): Query<FormatQuery>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let query = asked.query(app.clock.now(), EXPORT_MAX).map_err(|_| Problem::NotFound)?;
    let found = asked.find(&app, (actor, &row), &query).await?;
    let unit = if counts_minor_units(&app, &row) { "minor" } else { "major" };
    let lines = found.iter().map(|found| values(found, unit));
    let text = match &*format {
        "csv" => csv(COLUMNS, lines),
        "jsonl" => json_lines(lines),
        _ => return Err(Problem::NotFound),
    };
    Ok(file(&format!("transactions-{}-{}.{format}", row.id, day(app.clock.now())), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_ninety_days_at_most_and_an_open_one_ends_today() {
        let (today, _) = day_of("2027-03-31").expect("a day");
        let now = UnixMs(today.0 + DAY_MS - 1);
        let range = |from: &str, to: &str| {
            let asked = TransactionsQuery { from: from.to_owned(), to: to.to_owned(), ..TransactionsQuery::default() };
            asked.range(now).map(|(since, until)| (until.0 - since.0) / DAY_MS)
        };
        assert_eq!((range("2027-01-01", "2027-03-31"), range("2027-01-01", "")), (Ok(90), Ok(90)));
        assert_eq!((range("2027-03-31", "2027-03-31"), range("2027-04-02", "")), (Ok(1), Ok(-1)));
        for (from, to, said) in [
            ("2027-01-01", "2027-04-01", "A range has at most 90 days; this one has 91."),
            ("2026-12-31", "", "A range has at most 90 days; this one has 91."),
            ("0001-01-01", "9999-12-29", "A range has at most 90 days; this one has 3,652,057."),
            ("0001-01-01", "9999-12-31", "To is not a day such as 2027-01-31."),
            ("2027-03-31", "2027-03-30", "From is after To."),
            ("", "2027-03-31", "Choose From as well: a range has at most 90 days."),
            ("2027-02-29", "", "From is not a day such as 2027-01-31."),
            ("2027-02-28", "soon", "To is not a day such as 2027-01-31."),
        ] {
            assert_eq!(range(from, to), Err(said.to_owned()), "{from} {to}");
        }
    }
}
