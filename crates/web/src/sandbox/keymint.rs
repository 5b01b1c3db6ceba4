//! The native product: who am I, and an echo to try signing with.

use keymint_domain::dialect::answer::quote;
use serde_json::json;

use super::{Asked, Outcome, unknown};
use crate::reply;

/// Answers a call.
pub fn answer(call: &Asked<'_>) -> Outcome {
    let candidate = call.candidate;
    match (call.view.method, call.view.route()) {
        ("GET", "/v1/whoami") => {
            let scopes = candidate.restrictions.as_ref().map(|restrictions| &restrictions.scopes);
            let scopes: Vec<&str> = scopes.into_iter().flatten().map(|scope| &**scope).collect();
            let body = json!({
                "key_id": candidate.key_id,
                "mode": candidate.mode,
                "merchant_id": candidate.merchant_id.to_string(),
                "app_id": candidate.app_id.to_string(),
                "scopes": scopes,
            });
            Ok(reply::json(200, body.to_string()))
        }
        ("POST", "/v1/echo") => {
            let body = String::from_utf8_lossy(call.view.body);
            Ok(reply::json(200, format!(r#"{{"received":{}}}"#, quote(&body))))
        }
        (_, route) => Err(unknown(matches!(route, "/v1/whoami" | "/v1/echo"))),
    }
}
