//! Sandboxes: simulated vendor APIs behind test credentials, one file for each. Which one a product has is a value in its
//! dialect or its configuration; who may call is decided before any of this runs.

pub mod events;
mod keymint;
mod kpay;
mod kpay_numbers;
mod kspay;
mod kwikpaisa;
mod razorpay;
mod simulate;

use std::sync::Arc;

use http::StatusCode;
use keymint_app::App;
use keymint_app::products::Product;
use keymint_app::sandbox::{SandboxError, Shelf};
use keymint_domain::json::Document;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::RequestView;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use serde_json::{Map, Value};

use crate::reply::{self, Response};
use simulate::Simulate;

/// The sandboxes there are, by the names that configurations use. `accept` answers 204 to everyone who is let in.
pub const NAMES: [&str; 6] = ["accept", "keymint", "kpay", "kspay", "kwikpaisa", "razorpay"];

/// A call that shows that a key works: what the console's samples make.
#[derive(Clone, Copy, Debug)]
pub struct FirstCall {
    /// The method.
    pub method: &'static str,
    /// The path inside the product.
    pub path: &'static str,
    /// The body: JSON without single quotes, backslashes and line ends, so that it fits into any language's literal.
    /// Empty: none.
    pub body: &'static str,
}

/// The first call of a sandbox; it may be repeated.
pub fn first_call(sandbox: &str) -> FirstCall {
    let (method, path, body) = match sandbox {
        "keymint" => ("GET", "/v1/whoami", ""),
        "razorpay" => ("POST", "/v1/orders", r#"{"amount":50000,"currency":"INR"}"#),
        "kwikpaisa" => ("POST", "/api/v3/payout/balance", r#"{"kwikx_wallet_id":"kwx_test_1"}"#),
        "kspay" => ("GET", "/currencies", ""),
        "kpay" => ("GET", "/api/v1/payments/me", ""),
        _ => ("GET", "/", ""),
    };
    FirstCall { method, path, body }
}

/// Whether a sandbox writes amounts in the smallest unit of their currency, as `50000` for 500 rupees.
pub fn counts_minor_units(sandbox: &str) -> bool {
    sandbox == "razorpay"
}

/// How a state of an object looks: settled, under way, or failed.
pub fn tone(status: &str) -> &'static str {
    match status {
        "paid" | "success" | "completed" | "captured" | "processed" => "good",
        "failed" | "cancelled" | "expired" | "rejected" => "bad",
        _ => "warn",
    }
}

/// One authenticated call.
pub struct Call<'a> {
    /// The app.
    pub app: &'a App,
    /// The product.
    pub product: &'a Product,
    /// Whose call it is.
    pub candidate: &'a Arc<Candidate>,
    /// The request.
    pub view: &'a RequestView<'a>,
    /// Where browsers reach the gateway, where the configuration says so.
    pub gateway_url: Option<&'a str>,
}

/// One call, and what the tester asks of it.
struct Asked<'a> {
    call: &'a Call<'a>,
    simulate: Simulate,
}

impl<'a> std::ops::Deref for Asked<'a> {
    type Target = Call<'a>;

    fn deref(&self) -> &Call<'a> {
        self.call
    }
}

/// A response, or a reason that the dialect has words for.
pub type Outcome = Result<Response, DenyReason>;

/// Answers an authenticated call in test mode.
///
/// # Errors
/// The reason, for the dialect's own words: no such route, wrong method, trouble on our side.
pub async fn answer(call: &Call<'_>) -> Outcome {
    match &*call.product.sandbox {
        "accept" => Ok(reply::empty(StatusCode::NO_CONTENT)),
        // Boxed: what a simulation needs while it waits would otherwise be moved about with every request.
        _ => Box::pin(as_asked(call)).await,
    }
}

/// The simulator's answer, held back or replaced as the tester asks.
async fn as_asked(call: &Call<'_>) -> Outcome {
    let Ok(simulate) = Simulate::of(call.view) else { return Ok(call.error(400, "null", simulate::WRONG)) };
    if !simulate.delay.is_zero() {
        // One that asks for much of it waits for itself alone.
        let Some(_place) = call.app.at_once.enter(call.candidate) else { return Err(DenyReason::RateLimited) };
        tokio::time::sleep(simulate.delay).await;
    }
    if let Some(status) = simulate.error {
        return Ok(call.error(status, "null", SIMULATED));
    }
    let outcome = simulated(&Asked { call, simulate }).await;
    match simulate.error_after {
        Some(status) => outcome.map(|_| call.error(status, "null", SIMULATED)),
        None => outcome,
    }
}

/// What an error says that was asked for.
const SIMULATED: &str = "Simulated, as X-Keymint-Simulate asked";

async fn simulated(call: &Asked<'_>) -> Outcome {
    match &*call.product.sandbox {
        "keymint" => keymint::answer(call),
        "razorpay" => razorpay::answer(call).await,
        "kwikpaisa" => kwikpaisa::answer(call).await,
        "kspay" => kspay::answer(call).await,
        "kpay" => kpay::answer(call).await,
        _ => Err(DenyReason::Internal),
    }
}

impl Asked<'_> {
    /// When an object gets its outcome that is made now: nothing where that is at once.
    fn settles_at(&self, now: UnixMs) -> Option<UnixMs> {
        self.simulate.settle_ms.map(|wait| UnixMs(now.0.saturating_add(wait)))
    }
}

impl Call<'_> {
    /// The segments of the path inside the product.
    fn segments(&self) -> Vec<&str> {
        self.view.route().split('/').skip(1).collect()
    }

    /// The caller's objects of a kind.
    fn shelf(&self, kind: &'static str) -> Shelf<'_> {
        Shelf::new(self.app, self.candidate, kind)
    }

    /// The body as a JSON object; `None` for anything else. Two members of one name are refused: what one reader takes
    /// from them another may not (T18).
    fn object(&self) -> Option<Map<String, Value>> {
        Document::parse(self.view.body).ok()?;
        match serde_json::from_slice(self.view.body) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// JSON with the dialect's content type.
    fn json(&self, status: u16, body: &Value) -> Response {
        reply::whole(status, &self.product.dialect.answers.content_type, body.to_string())
    }

    /// An error in the dialect's envelope. `code` is JSON already.
    fn error(&self, status: u16, code: &str, message: &str) -> Response {
        let answers = &self.product.dialect.answers;
        reply::whole(status, &answers.content_type, answers.envelope(status, code, message))
    }
}

/// Trouble with the store is the dialect's 503.
fn trouble(error: &SandboxError) -> DenyReason {
    tracing::error!(%error, "a sandbox could not keep or find an object");
    DenyReason::Unavailable
}

/// The reason for a method that a known path does not take, or a path that is not known.
fn unknown(is_known_path: bool) -> DenyReason {
    if is_known_path { DenyReason::MethodNotAllowed } else { DenyReason::RouteNotFound }
}

/// Letters and digits, for the ids that vendors write.
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Hexadecimal digits.
const HEX: &[u8] = b"0123456789abcdef";

/// A moment as `2026-05-14T08:34:00Z`.
fn rfc3339(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_string()
}
