//! What an app's sandbox takes for now, and what signs the way back from its hosted pages.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::returns;
use keymint_app::ops::test_clocks::{self, Shown};
use keymint_domain::test_clock::Pace;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Problem};
use super::extract::{Acting, body, id, moment, rfc3339};
use super::{ShownOnce, answer, created};

/// Where an app's clock is moved to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockBody {
    /// A moment that is not past for the app: RFC 3339.
    #[schema(example = "2027-01-31T00:00:00Z")]
    now: String,
    /// Whether it runs on from there with the real clock; otherwise it stands until it is moved again.
    #[serde(default)]
    runs: bool,
}

/// An app's clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClockView {
    /// What the app's sandbox takes for now: RFC 3339, UTC.
    now: String,
    /// `real` without a test clock, `stands` or `runs` with one.
    state: &'static str,
}

fn view(shown: Shown) -> ClockView {
    let state = match shown.clock.map(|clock| clock.runs_since) {
        None => "real",
        Some(None) => "stands",
        Some(Some(_)) => "runs",
    };
    ClockView { now: rfc3339(shown.now), state }
}

/// Read an app's clock.
#[utoipa::path(get, path = "/api/v1/apps/{id}/test-clock", tag = "Sandbox", params(("id" = String, Path)),
    responses((status = 200, body = ClockView), (status = "4XX", body = Problem)))]
pub async fn read_clock(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
) -> Result<Response, ApiError> {
    let shown = test_clocks::read(&app, actor, id(&app_id, "app")?).await?;
    Ok(answer(StatusCode::OK, &view(shown)))
}

/// Move an app's clock forward. Whatever its sandbox would do by then (outcomes, expiries, their webhooks) is done when
/// this answers, in the order in which it is due. Test mode alone has such a clock, and it never goes back.
#[utoipa::path(post, path = "/api/v1/apps/{id}/test-clock", tag = "Sandbox", params(("id" = String, Path)),
    request_body = ClockBody, responses((status = 200, body = ClockView), (status = "4XX", body = Problem)))]
pub async fn move_clock(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
    bytes: Bytes,
) -> Result<Response, ApiError> {
    let ClockBody { now, runs } = body(&bytes)?;
    let pace = if runs { Pace::Runs } else { Pace::Stands };
    let to = moment("now", &now)?;
    let shown = test_clocks::move_to(&app, actor, id(&app_id, "app")?, to, pace).await?;
    Ok(answer(StatusCode::OK, &view(shown)))
}

/// The secret that signs the way back from hosted pages.
#[derive(Serialize, ToSchema)]
pub struct ReturnSecretView {
    /// Shown in this answer and never again.
    #[schema(value_type = String)]
    secret: ShownOnce,
}

/// Make the secret that signs the way back from an app's hosted pages in test mode. The one before signs nothing from now
/// on. KPay calls it the gateway secret.
#[utoipa::path(post, path = "/api/v1/apps/{id}/return-secret", tag = "Sandbox", params(("id" = String, Path)),
    responses((status = 201, body = ReturnSecretView), (status = "4XX", body = Problem)))]
pub async fn make_return_secret(
    State(app): State<App>,
    Acting(actor): Acting,
    Path(app_id): Path<String>,
) -> Result<Response, ApiError> {
    let secret = returns::make(&app, actor, id(&app_id, "app")?).await?;
    Ok(created(&ReturnSecretView { secret: ShownOnce(secret) }))
}
