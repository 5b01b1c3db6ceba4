//! The verify API: an operator's service says what it received, and hears whose it is. One request or a batch of them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use keymint_app::App;
use keymint_app::asked::{self, Seen, route_at};
use keymint_app::products::Product;
use keymint_app::verify::Decision;
use keymint_domain::dialect::answer::quote;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::verify::Candidate;
use serde::Deserialize;

use crate::arrival::UrlScheme;
use crate::body::{self, BodyFault, BodyLimits};
use crate::forward_auth::scopes;
use crate::internal::problem;
use crate::listener::Peer;
use crate::reply::{self, Response};

/// Largest verify call: a body of the largest kind as base 64, and its headers. Bytes.
const CALL_BYTES_MAX: usize = 24 * 1024 * 1024;
/// How long a verify call may take to arrive.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Most headers of a request to be verified.
const HEADERS_MAX: usize = 128;
/// Most requests of a batch.
const BATCH_MAX: usize = 100;

/// A request to be verified, as an operator's service received it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyCall<'a> {
    #[serde(borrow)]
    product: Cow<'a, str>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    headers: Vec<(Text<'a>, Text<'a>)>,
    #[serde(borrow, default)]
    body_base64: Cow<'a, str>,
    client_ip: IpAddr,
    /// How the client reached the service: message signatures may cover it.
    #[serde(default)]
    scheme: UrlScheme,
}

/// A text that is borrowed where it stands without escapes; inside a list, serde borrows only for a type of its own.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Several of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    requests: Vec<VerifyCall<'a>>,
}

/// A call that can be decided about.
struct Checked<'a> {
    call: VerifyCall<'a>,
    product: &'a Product,
    body: Vec<u8>,
}

/// Why a call is none: a status, and what would be right.
type Wrong = (u16, String);

/// Answers `POST /v1/verify`.
pub async fn one(app: &App, body: Incoming, peer: &Peer) -> Response {
    match decided_one(app, body, peer).await {
        Ok(body) => reply::json(200, body),
        Err((status, detail)) => problem(status, &detail),
    }
}

/// Answers `POST /v1/verify/batch`: decisions in the order of the requests, each made before the next is looked at. Where one
/// of the requests is no request at all, nothing was decided about any.
pub async fn batch(app: &App, body: Incoming, peer: &Peer) -> Response {
    match decided_batch(app, body, peer).await {
        Ok(body) => reply::json(200, body),
        Err((status, detail)) => problem(status, &detail),
    }
}

async fn decided_one(app: &App, body: Incoming, peer: &Peer) -> Result<String, Wrong> {
    let bytes = whole_body(body, peer).await?;
    let checked = check(app, read(&bytes)?)?;
    let decision = checked.decide(app).await;
    Ok(decision_body(checked.product, &decision))
}

async fn decided_batch(app: &App, body: Incoming, peer: &Peer) -> Result<String, Wrong> {
    let bytes = whole_body(body, peer).await?;
    let Batch { requests } = read(&bytes)?;
    if requests.is_empty() || requests.len() > BATCH_MAX {
        return Err((400, format!("requests: 1 to {BATCH_MAX}")));
    }
    let at = |place: usize| move |(status, detail): Wrong| (status, format!("requests[{place}]: {detail}"));
    let calls = requests.into_iter().enumerate().map(|(place, call)| check(app, call).map_err(at(place)));
    let calls = calls.collect::<Result<Vec<_>, Wrong>>()?;
    let mut text = String::from(r#"{"decisions":["#);
    for (place, call) in calls.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&decision_body(call.product, &call.decide(app).await));
    }
    text.push_str("]}");
    Ok(text)
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Wrong> {
    // Looked at as a whole, and not once more for each string in it.
    let text = std::str::from_utf8(bytes).map_err(|_| (400, "The call is not UTF-8.".to_owned()))?;
    serde_json::from_str(text).map_err(|error| (400, shape_error(&error)))
}

fn check<'a>(app: &'a App, mut call: VerifyCall<'a>) -> Result<Checked<'a>, Wrong> {
    let product = app.products.find(&call.product);
    let product = product.ok_or_else(|| (404, "There is no product of that name.".to_owned()))?;
    if call.headers.len() > HEADERS_MAX {
        return Err((400, format!("headers: at most {HEADERS_MAX}")));
    }
    let body = data_encoding::BASE64.decode(call.body_base64.as_bytes());
    let body = body.map_err(|_| (400, "body_base64: must be padded base 64 (RFC 4648 section 4)".to_owned()))?;
    for (name, _) in call.headers.iter_mut().filter(|(name, _)| name.0.bytes().any(|byte| byte.is_ascii_uppercase())) {
        name.0.to_mut().make_ascii_lowercase();
    }
    Ok(Checked { call, product, body })
}

impl Checked<'_> {
    async fn decide(&self, app: &App) -> Decision {
        let Self { call, product, body } = self;
        let headers: Vec<Header<'_>> = call
            .headers
            .iter()
            .map(|(name, value)| Header { name: &name.0, value: value.0.trim_matches([' ', '\t']).as_bytes() })
            .collect();
        let host = headers.iter().find(|header| header.name == "host");
        let view = RequestView {
            method: &call.method,
            scheme: call.scheme.as_str(),
            authority: host.and_then(|host| std::str::from_utf8(host.value).ok()).unwrap_or_default(),
            target: &call.target,
            route_at: route_at(product, &call.target),
            headers: &headers,
            body,
            client_ip: call.client_ip,
        };
        let arrived = app.arrive(product, &view).map(drop);
        asked::decide(app, product, &view, (Seen::Received, arrived)).await
    }
}

async fn whole_body(body: Incoming, peer: &Peer) -> Result<Bytes, Wrong> {
    let limits = BodyLimits { bytes_max: CALL_BYTES_MAX, duration: CALL_DEADLINE };
    let told = |status| (status, "The call is too large or did not arrive in time.".to_owned());
    body::whole(body, limits, &peer.deadlines).await.map_err(|fault| match fault {
        BodyFault::TooLarge | BodyFault::Broken => told(413),
        BodyFault::TooSlow => told(408),
    })
}

/// What is wrong with the JSON, without quoting it: it may hold credentials.
fn shape_error(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "a member is missing, unknown, or of another type",
        _ => "not JSON",
    };
    format!("line {}, column {}: {kind}", error.line(), error.column())
}

fn decision_body(product: &Product, decision: &Decision) -> String {
    match decision {
        Decision::Allow(allowed) => allowed_body(&allowed.candidate),
        Decision::Deny(denied) => {
            let answer = product.dialect.answer(denied.reason, denied.scheme);
            let told = denied.rate.into_iter().flat_map(|rate| reply::rate_headers(product, rate, Some(denied.reason)));
            let told: String = told.map(|(name, value)| format!(r#",["{name}",{}]"#, quote(&value))).collect();
            format!(
                r#"{{"decision":"deny","reason":"{}","response":{{"status":{},"headers":[["content-type",{}],["cache-control","no-store"]{told}],"body":{}}}}}"#,
                denied.reason.as_str(),
                answer.status,
                quote(&product.dialect.answers.content_type),
                quote(&answer.body),
            )
        }
    }
}

fn allowed_body(candidate: &Candidate) -> String {
    let mut body = String::with_capacity(256);
    body.push_str(r#"{"decision":"allow","credential":{"key_id":"#);
    push_quoted(&mut body, &candidate.key_id);
    // Writing to a `String` never fails.
    let Candidate { mode, merchant_id, app_id, .. } = candidate;
    let _ = write!(body, r#","mode":"{}","merchant_id":"{merchant_id}","app_id":"{app_id}","scopes":["#, mode.as_str());
    for (index, scope) in scopes(candidate).enumerate() {
        if index > 0 {
            body.push(',');
        }
        push_quoted(&mut body, scope);
    }
    body.push_str("]}}");
    body
}

/// A JSON string. Key ids and scopes hold nothing that is escaped; whatever does goes the long way.
fn push_quoted(body: &mut String, text: &str) {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':'));
    if is_plain {
        body.push('"');
        body.push_str(text);
        body.push('"');
    } else {
        body.push_str(&quote(text));
    }
}
