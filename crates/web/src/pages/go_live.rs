//! The vendor's checklists of an app: what is done, how that is known, and what a person ticks.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::Actor;
use keymint_app::ops::go_live::{self, Line, Lists, Standing};
use keymint_app::ops::marks::Mark;
use keymint_app::say;
use keymint_app::store_types::AppRow;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use serde::Deserialize;

use super::keys::own;
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, in_form, minute, page};
use crate::api::extract::rfc3339;

struct ItemLine {
    name: Box<str>,
    title: Box<str>,
    is_recommended: bool,
    is_done: bool,
    /// Whether a person ticks it.
    is_ticked_by_hand: bool,
    ticked_at: String,
    ticked_on: String,
}

struct ListView {
    id: &'static str,
    title: &'static str,
    done: usize,
    items: Vec<ItemLine>,
}

#[derive(Template)]
#[template(path = "go_live.html")]
struct GoLivePage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    may_tick: bool,
    product: String,
    /// Whether a person makes no live key while something is missing, and how much is.
    blocks_live_keys: bool,
    missing: usize,
    lists: Vec<ListView>,
    problem: String,
    notice: &'static str,
}

fn item_line(line: &Line) -> ItemLine {
    let tick = match &line.standing {
        Standing::Ticked(tick) => Some(tick),
        Standing::Open | Standing::Seen => None,
    };
    ItemLine {
        name: line.item.name.clone(),
        title: line.item.title.clone(),
        is_recommended: line.item.is_recommended,
        is_done: line.standing != Standing::Open,
        is_ticked_by_hand: line.item.seen_by.is_none(),
        ticked_at: tick.map(|tick| rfc3339(tick.at)).unwrap_or_default(),
        ticked_on: tick.map(|tick| minute(tick.at)).unwrap_or_default(),
    }
}

fn list_view(lists: &Lists, mode: Mode) -> ListView {
    let (id, title) = match mode {
        Mode::Test => ("test", say!("go-live-in-test")),
        Mode::Live => ("live", say!("go-live-in-live")),
    };
    let items: Vec<_> = lists.lines.iter().filter(|line| line.item.mode == mode).map(item_line).collect();
    ListView { id, title, done: items.iter().filter(|item| item.is_done).count(), items }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    (row, actor): (AppRow, Actor),
    (problem, notice): (String, &'static str),
) -> Result<Response, Problem> {
    let lists = go_live::of_app(app, actor, row.id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let product = app.products.find(&row.product);
    let views = [Mode::Test, Mode::Live].map(|mode| list_view(&lists, mode));
    let view = GoLivePage {
        frame: Frame::new(visitor, membership, "apps"),
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "go-live",
        may_see_logs: actor.require(Act::SeeRequests).is_ok(),
        may_tick: actor.require(Act::ManageApps).is_ok(),
        product: product.map_or_else(String::new, |product| product.dialect.title.to_string()),
        blocks_live_keys: lists.blocks_live_keys,
        missing: lists.missing(),
        lists: views.into_iter().filter(|view| !view.items.is_empty()).collect(),
        notice,
        problem,
    };
    let status = if view.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page(status, &view)
}

/// What was just done.
#[derive(Deserialize)]
pub struct GoLiveQuery {
    #[serde(default)]
    done: String,
}

/// The checklists.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<GoLiveQuery>,
) -> Result<Response, Problem> {
    let own = own(&app, &visitor, &id).await?;
    let notice = match asked.done.as_str() {
        "ticked" => say!("go-live-done-ticked"),
        "unticked" => say!("go-live-done-unticked"),
        _ => "",
    };
    shown(&app, &visitor, own, (String::new(), notice)).await
}

/// What the form of an item sends.
#[derive(Deserialize)]
pub struct TickForm {
    csrf: String,
    item: String,
    state: String,
}

/// Ticks an item, or takes its tick away.
pub async fn tick(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<TickForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    let mark = Mark::parse(&form.state).ok_or(Problem::Stale)?;
    match go_live::tick(&app, actor, row.id, &form.item, mark).await {
        Ok(_) => {
            let done = if mark == Mark::Done { "ticked" } else { "unticked" };
            Ok(Redirect::to(&format!("/apps/{}/go-live?done={done}#{}", row.id, form.item)).into_response())
        }
        Err(error) => {
            let (_, problem) = in_form(error)?;
            shown(&app, &visitor, (row, actor), (problem, "")).await
        }
    }
}
