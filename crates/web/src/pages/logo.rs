//! The picture that stands for an app: its logo, or its initials. For members alone, and never a page of its own.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::OpError;
use keymint_app::ops::apps;

use super::Problem;
use super::keys::own;
use super::session::SignedIn;

/// Opened by itself it is a file to be saved; nothing in it runs or loads anything.
const POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";
/// Kept by the browser of whoever saw it, and asked for again each time: a member who was taken out sees it no more.
const CACHING: &str = "private, no-cache";

/// Up to two letters of a name.
pub fn initials(name: &str) -> String {
    let words = name.split(|character: char| !character.is_alphanumeric()).filter_map(|word| word.chars().next());
    words.take(2).flat_map(char::to_uppercase).filter(|letter| letter.is_alphanumeric()).take(3).collect()
}

/// The initials as a picture. They are letters and digits, so nothing in them ends the text.
fn drawn(initials: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" \
         fill=\"#0b5f63\"/><text x=\"16\" y=\"21\" text-anchor=\"middle\" font-family=\"sans-serif\" font-size=\"13\" \
         font-weight=\"600\" fill=\"#fff\">{initials}</text></svg>"
    )
}

/// Serves it.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (kind, name, version, body) = match apps::logo(&app, actor, row.id).await {
        Ok(logo) => ("image/png", "logo.png", logo.version, logo.png),
        Err(OpError::NotFound(_)) => {
            let initials = initials(&row.name);
            let version = data_encoding::HEXLOWER.encode(initials.as_bytes());
            ("image/svg+xml", "initials.svg", version, drawn(&initials).into_bytes())
        }
        Err(error) => return Err(error.into()),
    };
    let tag = format!("\"{version}\"");
    let is_kept = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let caching = [
        (CACHE_CONTROL, CACHING.to_owned()),
        (ETAG, tag),
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    if is_kept {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    Ok((caching, [(CONTENT_TYPE, kind)], body).into_response())
}
