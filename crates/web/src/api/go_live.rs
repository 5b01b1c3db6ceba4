//! The vendor's checklists of an app.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::go_live::{self, Line, Lists, Standing};
use keymint_domain::mode::Mode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer;
use super::error::{ApiError, Problem};
use super::extract::{Acting, body, id, rfc3339};

/// An item of a checklist.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemView {
    /// Its name.
    name: Box<str>,
    /// What is to be done, in the vendor's words.
    title: Box<str>,
    /// In which mode it is done: `test` is before the first live key.
    #[schema(value_type = String)]
    mode: Mode,
    /// Whether the vendor recommends it only.
    recommended: bool,
    /// Whether it is done.
    done: bool,
    /// Whether Keymint sees by itself that it is; otherwise somebody says so.
    seen: bool,
    /// When somebody said so: RFC 3339, UTC.
    done_at: Option<String>,
    /// Who, as the audit log names them.
    done_by: Option<String>,
}

/// The checklists of an app.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoLiveView {
    /// Whether people at the console make no live key while a required item of test mode is open: never where
    /// there has been a live key, nor for tokens of this API.
    blocks_live_keys: bool,
    /// How many items keep them from it.
    missing: usize,
    /// The items, in the vendor's order; none where it has no checklist.
    items: Vec<ItemView>,
}

fn item(line: Line) -> ItemView {
    let tick = match line.standing.clone() {
        Standing::Ticked(tick) => Some(tick),
        Standing::Open | Standing::Seen => None,
    };
    ItemView {
        name: line.item.name,
        title: line.item.title,
        mode: line.item.mode,
        recommended: line.item.is_recommended,
        done: line.standing != Standing::Open,
        seen: line.item.seen_by.is_some(),
        done_at: tick.as_ref().map(|tick| rfc3339(tick.at)),
        done_by: tick.map(|tick| tick.by),
    }
}

fn view(lists: Lists) -> GoLiveView {
    GoLiveView {
        blocks_live_keys: lists.blocks_live_keys,
        missing: lists.missing(),
        items: lists.lines.into_iter().map(item).collect(),
    }
}

/// Read how far an app is on the vendor's checklists.
#[utoipa::path(get, path = "/api/v1/apps/{id}/go-live", tag = "Apps", params(("id" = String, Path)),
    responses((status = 200, body = GoLiveView), (status = "4XX", body = Problem)))]
pub async fn read(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
) -> Result<Response, ApiError> {
    let lists = go_live::of_app(&app, actor, id(&app_id, "app")?).await?;
    Ok(answer(StatusCode::OK, &view(lists)))
}

/// How an item stands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TickBody {
    /// Whether it is done.
    done: bool,
}

/// Say of an item that Keymint cannot see that it is done, or that it is not.
#[utoipa::path(put, path = "/api/v1/apps/{id}/go-live/{item}", tag = "Apps",
    params(("id" = String, Path), ("item" = String, Path)), request_body = TickBody,
    responses((status = 200, body = GoLiveView), (status = "4XX", body = Problem)))]
pub async fn tick(
    State(app): State<App>,
    Acting(actor): Acting,
    Path((app_id, name)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let TickBody { done } = body(&bytes)?;
    let lists = go_live::tick(&app, actor, id(&app_id, "app")?, &name, done.into()).await?;
    Ok(answer(StatusCode::OK, &view(lists)))
}
