//! An app's requests as a file: CSV (RFC 4180) or JSON lines, with the filters of the list.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use keymint_app::App;
use keymint_app::store_types::Entry;
use serde::Deserialize;
use serde_json::json;

use super::keys::own;
use super::logs::LogsQuery;
use super::session::SignedIn;
use super::{Problem, day};
use crate::api::extract::rfc3339;

/// Requests in one file: about 2 MB, made in memory. Whoever needs more asks for a day at a time.
pub const EXPORT_MAX: usize = 10_000;

const COLUMNS: [&str; 13] = [
    "number",
    "at",
    "decision",
    "reason",
    "mode",
    "method",
    "path",
    "status",
    "scheme",
    "key_id",
    "client_ip",
    "request_id",
    "duration_us",
];

/// Which form the file has.
#[derive(Default, Deserialize)]
pub struct FormatQuery {
    /// `csv` or `jsonl`.
    #[serde(default)]
    pub format: String,
}

/// A cell: quoted where RFC 4180 asks for it, and never read as a formula by a spreadsheet (T108). What begins like one
/// gets an apostrophe, which spreadsheets hide.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n', '\'']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn values(entry: &Entry) -> [String; 13] {
    [
        entry.id.to_string(),
        rfc3339(entry.at),
        if entry.reason.is_none() { "allow" } else { "deny" }.to_owned(),
        entry.reason.clone().unwrap_or_default(),
        entry.mode.as_str().to_owned(),
        entry.method.clone(),
        entry.path.clone(),
        entry.status.to_string(),
        entry.scheme.clone().unwrap_or_default(),
        entry.key_id.clone(),
        entry.client_ip.to_string(),
        entry.request_id.clone(),
        entry.duration_us.to_string(),
    ]
}

/// A file's text: a line of names, and a line for each of what is exported.
pub fn csv<const N: usize>(columns: [&str; N], lines: impl Iterator<Item = [String; N]>) -> String {
    let mut text = columns.join(",");
    text.push_str("\r\n");
    for values in lines {
        text.push_str(&values.map(|value| cell(&value)).join(","));
        text.push_str("\r\n");
    }
    text
}

/// A file that is saved: of this name, whose last part says which form it has.
pub fn file(name: &str, text: String) -> Response {
    let content_type = if name.ends_with(".csv") {
        "text/csv; charset=utf-8; header=present"
    } else {
        "application/jsonl; charset=utf-8"
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(CONTENT_TYPE, content_type.to_owned()), (CONTENT_DISPOSITION, disposition)], text).into_response()
}

fn json_lines(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let line = json!({
            "number": entry.id,
            "at": rfc3339(entry.at),
            "decision": if entry.reason.is_none() { "allow" } else { "deny" },
            "reason": entry.reason,
            "mode": entry.mode,
            "method": entry.method,
            "path": entry.path,
            "status": entry.status,
            "scheme": entry.scheme,
            "key_id": entry.key_id,
            "client_ip": entry.client_ip.to_string(),
            "request_id": entry.request_id,
            "duration_us": entry.duration_us,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

/// The file: the newest requests that the filters admit.
pub async fn send(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<LogsQuery>,
    Query(FormatQuery { format }): Query<FormatQuery>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let filter = asked.filter(EXPORT_MAX).map_err(|_| Problem::NotFound)?;
    let write: fn(&[Entry]) -> String = match &*format {
        "csv" => |entries| csv(COLUMNS, entries.iter().map(values)),
        "jsonl" => json_lines,
        _ => return Err(Problem::NotFound),
    };
    let entries = asked.find(&app, actor, row.id, &filter).await?;
    let name = format!("requests-{}-{}.{format}", row.id, day(app.clock.now()));
    Ok(file(&name, write(&entries)))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_that_begins_like_a_formula_is_text_and_others_stay_as_they_are() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            let written = cell(formula);
            assert_eq!(written, format!("\"'{formula}\""), "{formula:?}");
        }
        for plain in ["", "/v1/orders", "a=b", "1-2", "rzp_test_1", "2026-11-21T15:00:00.000Z", "a@b.example"] {
            assert_eq!(cell(plain), plain);
        }
    }

    #[test]
    fn commas_quotes_and_line_ends_are_quoted() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"yes\""), "\"say \"\"yes\"\"\"");
        assert_eq!(cell("a\r\nb"), "\"a\r\nb\"");
        assert_eq!(cell("=\"x\""), "\"'=\"\"x\"\"\"");
    }
}
