//! The payment gateways of an app: where each posts to, and the secret that it signs with.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::gateways::{self, Line};
use keymint_app::ops::{Actor, apps};
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use super::extract::{Acting, body, id, rfc3339};
use super::{List, ShownOnce, answer, created};
use crate::pages::GatewayPlace;

/// A gateway of an app.
#[derive(Debug, Serialize, ToSchema)]
pub struct GatewayView {
    /// Its name.
    name: Box<str>,
    /// Its name for people.
    title: Box<str>,
    /// Where it posts to what became of a payment of test mode.
    url: String,
    /// When its secret was made; null: it has none, and nothing that is posted is taken. RFC 3339, UTC.
    secret_made_at: Option<String>,
    /// When somebody said that it is set up: RFC 3339, UTC.
    done_at: Option<String>,
    /// Who, as the audit log names them.
    done_by: Option<String>,
}

/// What stands before the paths of an app's product in test mode.
async fn base(
    app: &App,
    (actor, id): (Actor, AppId),
    place: &GatewayPlace,
    headers: &HeaderMap,
) -> Result<String, ApiError> {
    let row = apps::find(app, actor, id).await?;
    Ok(place.base(&row.product, app.products.host_of(&row.product, Mode::Test), headers).url)
}

fn views(lines: Vec<Line>, base: &str) -> List<GatewayView> {
    let view = |line: Line| GatewayView {
        name: line.name,
        title: line.title,
        url: format!("{base}{}", line.path),
        secret_made_at: line.secret_made_at.map(rfc3339),
        done_at: line.tick.as_ref().map(|tick| rfc3339(tick.at)),
        done_by: line.tick.map(|tick| tick.by),
    };
    List { items: lines.into_iter().map(view).collect(), next_cursor: None }
}

/// List the payment gateways that tell an app's sandbox what became of a payment; none where the vendor hears from none.
#[utoipa::path(get, path = "/api/v1/apps/{id}/gateways", tag = "Sandbox", params(("id" = String, Path)),
    responses((status = 200, body = List<GatewayView>), (status = "4XX", body = Problem)))]
pub async fn list(
    State(app): State<App>,
    Acting(actor): Acting,
    Extension(place): Extension<GatewayPlace>,
    Path(app_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let app_id = id(&app_id, "app")?;
    let base = base(&app, (actor, app_id), &place, &headers).await?;
    Ok(answer(StatusCode::OK, &views(gateways::list(&app, actor, app_id).await?, &base)))
}

/// Whether a gateway is set up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkBody {
    /// Whether it is.
    done: bool,
}

/// Say that a gateway is set up, or that it is not.
#[utoipa::path(put, path = "/api/v1/apps/{id}/gateways/{gateway}", tag = "Sandbox",
    params(("id" = String, Path), ("gateway" = String, Path)), request_body = MarkBody,
    responses((status = 200, body = List<GatewayView>), (status = "4XX", body = Problem)))]
pub async fn mark(
    State(app): State<App>,
    Acting(actor): Acting,
    Extension(place): Extension<GatewayPlace>,
    (Path((app_id, name)), headers): (Path<(String, String)>, HeaderMap),
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let MarkBody { done } = body(&bytes)?;
    let app_id = id(&app_id, "app")?;
    let lines = gateways::mark(&app, actor, app_id, (&name, done.into())).await?;
    let base = base(&app, (actor, app_id), &place, &headers).await?;
    Ok(answer(StatusCode::OK, &views(lines, &base)))
}

/// The secret of a gateway.
#[derive(Serialize, ToSchema)]
pub struct GatewaySecretView {
    /// Shown in this answer and never again.
    #[schema(value_type = String)]
    secret: ShownOnce,
}

/// Make the secret with which a gateway signs what it posts. What the one before signs is refused from now on.
#[utoipa::path(post, path = "/api/v1/apps/{id}/gateways/{gateway}/secret", tag = "Sandbox",
    params(("id" = String, Path), ("gateway" = String, Path)),
    responses((status = 201, body = GatewaySecretView), (status = "4XX", body = Problem)))]
pub async fn make_secret(
    State(app): State<App>,
    Acting(actor): Acting,
    Path((app_id, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let secret = gateways::make_secret(&app, actor, id(&app_id, "app")?, &name).await?;
    Ok(created(&GatewaySecretView { secret: ShownOnce(secret) }))
}
