//! Sandboxes: simulated vendor APIs behind test credentials, one file for each. Which one a product has is a value in its
//! dialect or its configuration; who may call is decided before any of this runs.

#[cfg(test)]
mod documented;
pub mod events;
mod keymint;
mod kpay;
mod kspay;
mod kwikpaisa;
mod razorpay;
mod simulate;

use std::sync::Arc;

use http::StatusCode;
use keymint_app::App;
use keymint_app::products::Product;
use keymint_app::sandbox::turn::{Next, Owner, Turn};
use keymint_app::sandbox::{Object, SandboxError, Shelf, random_text};
use keymint_domain::gate;
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
    matches!(sandbox, "razorpay" | "keymint")
}

/// How a state of an object looks: settled, under way, or failed.
pub fn tone(status: &str) -> &'static str {
    match status {
        "paid" | "success" | "completed" | "captured" | "processed" | "refunded" => "good",
        "failed" | "cancelled" | "expired" | "rejected" | "reversed" => "bad",
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

/// A call without credentials: of a browser that opens a hosted page, or of anyone for what the vendor tells everyone.
pub struct Open<'a> {
    /// The app.
    pub app: &'a App,
    /// The product.
    pub product: &'a Product,
    /// The request.
    pub view: &'a RequestView<'a>,
    /// Where browsers reach the gateway, where the configuration says so.
    pub gateway_url: Option<&'a str>,
}

/// Largest body of an open call: a form of one page, or an event of a gateway. Bytes.
const FORM_BYTES_MAX: usize = 4096;
const EVENT_BYTES_MAX: usize = 65_536;

/// Largest body of an open call to this product. Bytes.
pub fn open_body_bytes_max(product: &Product) -> usize {
    if product.dialect.gateways.is_empty() { FORM_BYTES_MAX } else { EVENT_BYTES_MAX }
}

/// Whether a simulator answers a call without credentials. One that has some goes the way of all others: with a live key
/// to the upstream, whatever its path is.
pub fn is_open(product: &Product, view: &RequestView<'_>) -> bool {
    product.upstream_test.is_none() && is_open_route(product, view) && !gate::has_credentials(&product.dialect, view)
}

fn is_open_route(product: &Product, view: &RequestView<'_>) -> bool {
    match &*product.sandbox {
        "keymint" => keymint::open::is_open(view.route()),
        "kpay" => kpay::open::is_open(view.route()),
        "kspay" => kspay::open::is_open(view.route()),
        "kwikpaisa" => kwikpaisa::open::is_open(view.route()),
        "razorpay" => razorpay::open::is_open(view.route()),
        _ => false,
    }
}

/// Answers a call without credentials.
///
/// # Errors
/// As `answer`.
pub async fn answer_open(call: &Open<'_>) -> Outcome {
    match &*call.product.sandbox {
        "keymint" => Box::pin(keymint::open::answer(call)).await,
        "kpay" => Box::pin(kpay::open::answer(call)).await,
        "kspay" => Box::pin(kspay::open::answer(call)).await,
        "kwikpaisa" => Box::pin(kwikpaisa::open::answer(call)).await,
        "razorpay" => Box::pin(razorpay::open::answer(call)).await,
        _ => Err(DenyReason::RouteNotFound),
    }
}

impl Open<'_> {
    /// A turn of the app that an object belongs to.
    async fn turn(&self, object: &Object) -> Result<Turn<'_>, SandboxError> {
        let (merchant_id, app_id) = (object.merchant_id, object.app_id);
        Turn::begin(self.app, Owner { product: &self.product.name, merchant_id, app_id }).await
    }

    /// A field of the form that was sent. Ours hold nothing that would have to be escaped.
    fn field(&self, name: &str) -> Option<&str> {
        let body = std::str::from_utf8(self.view.body).ok()?;
        body.split('&').filter_map(|pair| pair.split_once('=')).find(|(one, _)| *one == name).map(|(_, value)| value)
    }
}

/// An object by id, whoever's: an open call is nobody's.
async fn find(call: &Open<'_>, kind: &str, id: &str) -> Result<Option<Object>, SandboxError> {
    keymint_app::sandbox::find(call.app, &call.product.name, (kind, id)).await
}

/// Where browsers reach the product that a request came for.
fn place(view: &RequestView<'_>, gateway_url: Option<&str>) -> String {
    let prefix = view.target.get(..view.route_at).unwrap_or_default();
    match gateway_url {
        Some(url) if view.route_at > 0 => format!("{url}{prefix}"),
        _ => format!("{}://{}{prefix}", view.scheme, view.authority),
    }
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
    if is_open_route(call.product, call.view) {
        let Call { app, product, view, gateway_url, .. } = *call.call;
        return answer_open(&Open { app, product, view, gateway_url }).await;
    }
    match &*call.product.sandbox {
        "keymint" => keymint::answer(call).await,
        "razorpay" => razorpay::answer(call).await,
        "kwikpaisa" => kwikpaisa::answer(call).await,
        "kspay" => kspay::answer(call).await,
        "kpay" => kpay::answer(call).await,
        _ => Err(DenyReason::Internal),
    }
}

impl Asked<'_> {
    /// When an object that is made now gets its outcome.
    fn settles_at(&self, now: UnixMs) -> UnixMs {
        UnixMs(now.0.saturating_add(self.simulate.settle_ms.unwrap_or(0)))
    }

    /// What becomes of an object, one step after the other: at once, or when the tester has asked for.
    async fn settle(
        &self,
        turn: &mut Turn<'_>,
        (kind, object): (&str, &Object),
        steps: Vec<(UnixMs, Next)>,
    ) -> Result<(), SandboxError> {
        if steps.first().is_some_and(|(at, _)| *at > turn.now()) {
            return turn.later(kind, object, steps).await;
        }
        let mut object = object.clone();
        for (_, next) in &steps {
            object = turn.change(kind, &object, next).await?;
        }
        Ok(())
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

/// What is kept of an object, as JSON.
fn parsed(object: &Object) -> Value {
    serde_json::from_str(&object.body).unwrap_or(Value::Null)
}

/// An object with further members, or others in their place.
fn with(object: &Value, members: Value) -> Value {
    let mut object = object.clone();
    if let (Some(object), Value::Object(members)) = (object.as_object_mut(), members) {
        object.extend(members);
    }
    object
}

/// Those members of an object that a vendor shows; what it lacks is null.
fn only(object: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), object[*name].clone())).collect::<Map<_, _>>().into()
}

/// The text of a member.
fn text_of<'v>(object: &'v Value, name: &str) -> &'v str {
    object[name].as_str().unwrap_or_default()
}

/// `40dec464-7155-43a3-855d-c95c5ab1be71`, out of chance alone.
fn uuid(app: &App) -> Result<String, SandboxError> {
    let digits = random_text(app, HEX, 32)?;
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
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
