//! One request: everything that was written down about it and, for a denied one, why and what to do.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::requests;
use keymint_app::say;
use keymint_domain::mode::Mode;

use super::advice::{Fix, advice, fix, spaced, words};
use super::keys::own;
use super::moments::written;
use super::session::SignedIn;
use super::{Frame, Problem, page};
use crate::api::extract::rfc3339;

#[derive(Template)]
#[template(path = "log_entry.html")]
struct EntryPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    at: String,
    at_on: String,
    mode: &'static str,
    denied: String,
    advice: &'static str,
    fix: Option<Fix>,
    method: String,
    path: String,
    status: u16,
    scheme: String,
    key_id: String,
    client_ip: String,
    request_id: String,
    latency: String,
}

/// Microseconds as a person reads them.
pub fn duration(microseconds: u32) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100),
        _ => format!("{}.{} s", microseconds / 1_000_000, microseconds % 1_000_000 / 100_000),
    }
}

/// The page.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path((id, number)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    actor.require(keymint_domain::role::Act::SeeRequests)?;
    let number = number.parse().map_err(|_| Problem::NotFound)?;
    let entry = requests::find(&app, actor, row.id, number).await?;
    let app_id = row.id.to_string();
    let mode = entry.mode.as_str();
    let view = EntryPage {
        frame: Frame { mode_is_test: entry.mode == Mode::Test, ..Frame::new(&visitor, membership, "apps") },
        app_name: row.name,
        tab: "logs",
        may_see_logs: true,
        at: rfc3339(entry.at),
        at_on: say!("moments-utc", moment = written(entry.at, "%-d %b %Y, %H:%M:%S%.3f")),
        mode,
        denied: entry.reason.as_deref().map(words).unwrap_or_default(),
        advice: entry.reason.as_deref().map_or("", advice),
        fix: entry.reason.as_deref().and_then(|reason| fix(reason, &app_id, mode)),
        app_id,
        method: entry.method,
        path: entry.path,
        status: entry.status,
        scheme: entry.scheme.as_deref().map(spaced).unwrap_or_default(),
        key_id: entry.key_id,
        client_ip: entry.client_ip.to_string(),
        request_id: entry.request_id,
        latency: duration(entry.duration_us),
    };
    page(StatusCode::OK, &view)
}
