//! An app's requests: each with its decision and, for a denied one, why and what to do about it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::requests;
use keymint_app::store_types::{Entry, Filter};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use serde::Deserialize;

use super::keys::own;
use super::session::SignedIn;
use super::{Frame, Problem, page, second};
use crate::api::extract::rfc3339;

/// Requests on one page.
const LINES_MAX: usize = 50;

struct Line {
    at: String,
    second: String,
    denied: String,
    advice: &'static str,
    method: String,
    path: String,
    status: u16,
    key_id: String,
    client_ip: String,
    request_id: String,
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
    mode: &'static str,
    reasons: Vec<Choice>,
    lines: Vec<Line>,
    older: String,
}

/// `wrong_secret` as `wrong secret`.
fn words(reason: &str) -> String {
    reason.replace('_', " ")
}

/// What a merchant does about a denial; nothing where only the caller can know.
fn advice(reason: &str) -> &'static str {
    match DenyReason::parse(reason) {
        Some(DenyReason::WrongSecret) => {
            "Compare the secret your server reads with the one you saved, or regenerate the key."
        }
        Some(DenyReason::WrongSignature) => {
            "Sign the bytes that are sent, with the secret of this key id; `keymint request --dry-run` shows how."
        }
        Some(DenyReason::StaleTimestamp) => "Set the server's clock; sign just before sending.",
        Some(DenyReason::Replayed) => "Sign each request anew; a signature counts once.",
        Some(DenyReason::Revoked) => "Use the successor, or generate a key.",
        Some(DenyReason::Expired) => "Its time is over. Generate a key.",
        Some(DenyReason::WrongMode) => "Send test keys to the sandbox's address and live keys to the live one.",
        Some(DenyReason::IpNotAllowed) => "The address is not on this key's list.",
        Some(DenyReason::OriginNotAllowed) => "The origin is not on this key's list.",
        Some(DenyReason::ScopeMissing) => "No scope of this key covers the call.",
        Some(DenyReason::AppDisabled) => "Enable the application.",
        Some(DenyReason::MerchantSuspended) => "Live keys work while the merchant is approved.",
        Some(DenyReason::NoUpstream) => "The operator has not connected live mode yet.",
        _ => "",
    }
}

fn line(entry: Entry) -> Line {
    Line {
        at: rfc3339(entry.at),
        second: second(entry.at),
        advice: entry.reason.as_deref().map_or("", advice),
        denied: entry.reason.as_deref().map(words).unwrap_or_default(),
        method: entry.method,
        path: entry.path,
        status: entry.status,
        key_id: entry.key_id,
        client_ip: entry.client_ip.to_string(),
        request_id: entry.request_id,
    }
}

/// What is asked for. A select that was left alone sends an empty value.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct LogsQuery {
    mode: String,
    reason: String,
    before: Option<i64>,
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
    let mode = Mode::parse(&asked.mode);
    let reason = DenyReason::parse(&asked.reason);
    let filter = Filter {
        below_id: asked.before.unwrap_or(i64::MAX),
        mode,
        reason: reason.map(|reason| reason.as_str().to_owned()),
        since: UnixMs(0),
        until: UnixMs(i64::MAX),
        status: (0, u16::MAX),
        limit: LINES_MAX + 1,
    };
    let mut entries = requests::of_app(&app, actor, row.id, &filter).await?;
    let has_more = entries.len() > LINES_MAX;
    entries.truncate(LINES_MAX);
    let mode = mode.map_or("", Mode::as_str);
    let older = match entries.last() {
        Some(last) if has_more => {
            let reason = reason.map_or("", DenyReason::as_str);
            format!("/apps/{}/logs?mode={mode}&reason={reason}&before={}", row.id, last.id)
        }
        _ => String::new(),
    };
    let choice = |found: &DenyReason| Choice {
        name: found.as_str(),
        words: words(found.as_str()),
        is_chosen: reason == Some(*found),
    };
    let view = LogsPage {
        frame: Frame::new(&visitor, membership, "apps"),
        app_id: row.id.to_string(),
        app_name: row.name,
        tab: "logs",
        may_see_logs: true,
        mode,
        reasons: DenyReason::ALL.iter().map(choice).collect(),
        lines: entries.into_iter().map(line).collect(),
        older,
    };
    page(StatusCode::OK, &view)
}
