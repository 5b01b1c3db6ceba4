//! The payment gateways of an app: where each posts to, the secret that it signs with, and whether it is set up. A secret is
//! in one answer, which nothing keeps.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::Actor;
use keymint_app::ops::gateways::{self, Line};
use keymint_app::ops::marks::Mark;
use keymint_app::say;
use keymint_app::store_types::AppRow;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use serde::Deserialize;

use super::keys::own;
use super::session::{SignedIn, Visitor};
use super::{Frame, GatewayPlace, Problem, in_form, minute, page};
use crate::api::extract::rfc3339;

struct GatewayLine {
    name: Box<str>,
    title: Box<str>,
    url: String,
    made_at: String,
    made_on: String,
    ticked_at: String,
    ticked_on: String,
}

#[derive(Template)]
#[template(path = "gateways.html")]
struct GatewaysPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    may_make: bool,
    may_mark: bool,
    product: String,
    gateways: Vec<GatewayLine>,
    problem: String,
    notice: &'static str,
}

#[derive(Template)]
#[template(path = "gateway_shown.html")]
struct ShownPage<'a> {
    frame: Frame,
    app_id: String,
    title: Box<str>,
    url: String,
    secret: &'a str,
}

/// The address of a product's test mode, as a gateway elsewhere calls it.
fn base(app: &App, row: &AppRow, (place, headers): (&GatewayPlace, &HeaderMap)) -> String {
    place.base(&row.product, app.products.host_of(&row.product, Mode::Test), headers).url
}

fn line(line: Line, base: &str) -> GatewayLine {
    let at = line.tick.map(|tick| tick.at);
    GatewayLine {
        name: line.name,
        title: line.title,
        url: format!("{base}{}", line.path),
        made_at: line.secret_made_at.map(rfc3339).unwrap_or_default(),
        made_on: line.secret_made_at.map(minute).unwrap_or_default(),
        ticked_at: at.map(rfc3339).unwrap_or_default(),
        ticked_on: at.map(minute).unwrap_or_default(),
    }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    (row, actor): (AppRow, Actor),
    base: &str,
    (problem, notice): (String, &'static str),
) -> Result<Response, Problem> {
    let lines = gateways::list(app, actor, row.id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let product = app.products.find(&row.product);
    let view = GatewaysPage {
        frame: Frame { mode_is_test: true, ..Frame::new(visitor, membership, "apps") },
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "settings",
        may_see_logs: actor.require(Act::SeeRequests).is_ok(),
        may_make: actor.require(Act::ManageTestCredentials).is_ok(),
        may_mark: actor.require(Act::ManageApps).is_ok(),
        product: product.map_or_else(String::new, |product| product.dialect.title.to_string()),
        gateways: lines.into_iter().map(|one| line(one, base)).collect(),
        notice,
        problem,
    };
    let status = if view.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page(status, &view)
}

/// What was just done.
#[derive(Deserialize)]
pub struct GatewaysQuery {
    #[serde(default)]
    done: String,
}

/// The gateways.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Extension(place): Extension<GatewayPlace>,
    (Path(id), Query(asked)): (Path<String>, Query<GatewaysQuery>),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let own = own(&app, &visitor, &id).await?;
    let notice = match asked.done.as_str() {
        "marked" => say!("gateways-done-marked"),
        "reopened" => say!("gateways-done-reopened"),
        _ => "",
    };
    let base = base(&app, &own.0, (&place, &headers));
    shown(&app, &visitor, own, &base, (String::new(), notice)).await
}

/// What the forms of a gateway send.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct GatewayForm {
    csrf: String,
    gateway: String,
    state: String,
}

/// Says that a gateway is set up, or that it is not.
pub async fn mark(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Extension(place): Extension<GatewayPlace>,
    (Path(id), headers): (Path<String>, HeaderMap),
    Form(form): Form<GatewayForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    let mark = Mark::parse(&form.state).ok_or(Problem::Stale)?;
    match gateways::mark(&app, actor, row.id, (&form.gateway, mark)).await {
        Ok(_) => {
            let done = if mark == Mark::Done { "marked" } else { "reopened" };
            Ok(Redirect::to(&format!("/apps/{}/gateways?done={done}", row.id)).into_response())
        }
        Err(error) => {
            let (_, problem) = in_form(error)?;
            let base = base(&app, &row, (&place, &headers));
            shown(&app, &visitor, (row, actor), &base, (problem, "")).await
        }
    }
}

/// Makes the secret of a gateway and shows it, this once.
pub async fn make_secret(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Extension(place): Extension<GatewayPlace>,
    (Path(id), headers): (Path<String>, HeaderMap),
    Form(form): Form<GatewayForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    let base = base(&app, &row, (&place, &headers));
    let secret = match gateways::make_secret(&app, actor, row.id, &form.gateway).await {
        Ok(secret) => secret,
        Err(error) => {
            let (_, problem) = in_form(error)?;
            return shown(&app, &visitor, (row, actor), &base, (problem, "")).await;
        }
    };
    let lines = gateways::list(&app, actor, row.id).await?;
    let made = lines.into_iter().find(|line| *line.name == *form.gateway).ok_or(Problem::NotFound)?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let view = ShownPage {
        frame: Frame { mode_is_test: true, ..Frame::new(&visitor, membership, "apps") },
        app_id: row.id.to_string(),
        url: format!("{base}{}", made.path),
        title: made.title,
        secret: secret.expose(),
    };
    page(StatusCode::CREATED, &view)
}
