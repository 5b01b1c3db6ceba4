//! From a key to the first call: samples in the product's dialect, and whether a call has arrived.

use std::net::SocketAddr;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::header::HOST;
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::credentials::View;
use keymint_app::ops::{Actor, OpError, credentials, requests};
use keymint_app::say;
use keymint_app::store_types::{AppRow, Entry, Filter};
use keymint_domain::credential::State as KeyState;
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use serde::Deserialize;

use super::advice::{advice, words};
use super::keys::own;
use super::moments::ago;
use super::samples::{self, LANGUAGES, Subject};
use super::session::SignedIn;
use super::{Frame, Problem, page};
use crate::api::extract::rfc3339;
use crate::arrival::UrlScheme;
use crate::sandbox;

/// What stands in a sample before there is a key.
const NO_KEY_ID: &str = "YOUR_KEY_ID";

/// Where the gateway is: what the operator says, and where it listens.
#[derive(Clone, Debug)]
pub struct GatewayPlace {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it speaks there.
    pub scheme: UrlScheme,
    /// Where merchants' servers reach it, if the operator has said so.
    pub url: Option<String>,
}

/// The product's address, and what a reader must know of it.
pub struct Base {
    /// The address.
    pub url: String,
    note: &'static str,
}

/// A host name as the browser sent it, without its port, if it is one.
fn host_name(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

impl GatewayPlace {
    /// What the operator says comes first, then a host name of the product, except where Keymint listens on this machine
    /// alone: no name leads there from elsewhere.
    pub fn base(&self, name: &str, host_of_product: Option<&str>, headers: &HeaderMap) -> Base {
        if let Some(url) = &self.url {
            return Base { url: format!("{url}/{name}"), note: "" };
        }
        let scheme = self.scheme.as_str();
        if self.address.ip().is_loopback() {
            let note = say!("start-gateway-local");
            return Base { url: format!("{scheme}://{}/{name}", self.address), note };
        }
        if let Some(host) = host_of_product {
            return Base { url: format!("https://{host}"), note: "" };
        }
        let host = host_name(headers).unwrap_or("localhost");
        let note = say!("start-gateway-derived");
        Base { url: format!("{scheme}://{host}:{}/{name}", self.address.port()), note }
    }
}

struct Sample {
    name: &'static str,
    title: &'static str,
    run: &'static str,
    code: String,
}

/// What is known of calls with a key.
#[derive(Template)]
#[template(path = "arrival.html")]
struct Arrival {
    app_id: String,
    key_id: String,
    /// `none`, `waiting`, `arrived`, `denied`.
    state: &'static str,
    /// The newest call, for whoever may see requests.
    call: Option<Call>,
    last_used: String,
}

struct Call {
    number: i64,
    method: String,
    path: String,
    status: u16,
    at: String,
    ago: String,
    reason: String,
    advice: &'static str,
}

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    tab: &'static str,
    may_see_logs: bool,
    may_manage: bool,
    product: String,
    base: Base,
    keys: Vec<String>,
    method: &'static str,
    path: &'static str,
    samples: Vec<Sample>,
    arrival: Arrival,
}

/// Which key; the newest one when it is not told.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct StartQuery {
    key: String,
}

/// The active test keys of an app, the newest first.
async fn test_keys(app: &App, actor: Actor, id: AppId) -> Result<Vec<View>, OpError> {
    let mut keys = credentials::living(app, actor, id, Mode::Test).await?;
    keys.retain(|key| key.state == KeyState::Active);
    Ok(keys)
}

fn call(entry: Entry, now: UnixMs) -> Call {
    Call {
        number: entry.id,
        method: entry.method,
        path: entry.path,
        status: entry.status,
        at: rfc3339(entry.at),
        ago: ago(now, entry.at),
        advice: entry.reason.as_deref().map_or("", advice),
        reason: entry.reason.as_deref().map(words).unwrap_or_default(),
    }
}

/// The newest call with a key, for whoever may see requests.
async fn newest(app: &App, actor: Actor, id: AppId, key_id: &str) -> Result<Option<Entry>, OpError> {
    if actor.require(Act::SeeRequests).is_err() {
        return Ok(None);
    }
    let filter = Filter {
        below_id: i64::MAX,
        after_id: 0,
        mode: None,
        reason: None,
        since: UnixMs(i64::MIN),
        until: UnixMs(i64::MAX),
        status: (0, u16::MAX),
        limit: 1,
    };
    Ok(requests::of_key_in_app(app, actor, (id, key_id), &filter).await?.into_iter().next())
}

/// Looks for a call with the key that is asked for, or with the newest one.
async fn look(app: &App, actor: Actor, id: AppId, asked: &StartQuery) -> Result<(Vec<View>, Arrival), OpError> {
    let chosen = |keys: &[View]| {
        let named = keys.iter().find(|key| key.credential.key_id == asked.key);
        named.or_else(|| keys.first()).map(|key| (key.credential.key_id.clone(), key.seen.last_used_at))
    };
    let mut arrival =
        Arrival { app_id: id.to_string(), key_id: String::new(), state: "none", call: None, last_used: String::new() };
    let keys = test_keys(app, actor, id).await?;
    let Some((key_id, _)) = chosen(&keys) else { return Ok((keys, arrival)) };
    let entry = newest(app, actor, id, &key_id).await?;
    // Read after the log was written up to here, so that the two agree.
    let keys = test_keys(app, actor, id).await?;
    let last_used_at = chosen(&keys).and_then(|(_, last_used_at)| last_used_at);
    let now = app.clock.now();
    arrival.state = match (&entry, last_used_at) {
        (_, Some(_)) => "arrived",
        (Some(_), None) => "denied",
        (None, None) => "waiting",
    };
    arrival.last_used = last_used_at.map(|at| ago(now, at)).unwrap_or_default();
    arrival.call = entry.map(|entry| call(entry, now));
    arrival.key_id = key_id;
    Ok((keys, arrival))
}

/// The page.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Extension(place): Extension<GatewayPlace>,
    (Path(id), Query(asked)): (Path<String>, Query<StartQuery>),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (membership, _) = visitor.at(row.merchant_id)?;
    let AppRow { id, name, product, .. } = row;
    let product = app.products.find(&product).ok_or(Problem::NotFound)?;
    let (keys, arrival) = look(&app, actor, id, &asked).await?;
    let first = sandbox::first_call(&product.sandbox);
    let base = place.base(&product.name, app.products.host_of(&product.name, Mode::Test), &headers);
    let app_id = id.to_string();
    let key_id = if arrival.key_id.is_empty() { NO_KEY_ID } else { &arrival.key_id };
    let subject = Subject { base: &base.url, call: first, key_id, app_id: &app_id };
    let codes = samples::of(&product.dialect, &subject).into_iter().flatten();
    let sample = |(language, code): (&samples::Language, String)| Sample {
        name: language.name,
        title: language.title,
        run: language.run,
        code,
    };
    let view = StartPage {
        frame: Frame { mode_is_test: true, ..Frame::new(&visitor, membership, "apps") },
        app_name: name,
        tab: "start",
        may_see_logs: actor.require(Act::SeeRequests).is_ok(),
        may_manage: actor.require(Act::ManageTestCredentials).is_ok(),
        product: product.dialect.title.to_string(),
        samples: LANGUAGES.iter().zip(codes).map(sample).collect(),
        app_id,
        base,
        keys: keys.into_iter().map(|key| key.credential.key_id).collect(),
        method: first.method,
        path: first.path,
        arrival,
    };
    page(StatusCode::OK, &view)
}

/// Whether a call has arrived: the part of the page that a script asks for again.
pub async fn arrival(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<StartQuery>,
) -> Result<Response, Problem> {
    let (row, actor) = own(&app, &visitor, &id).await?;
    let (_, arrival) = look(&app, actor, row.id, &asked).await?;
    page(StatusCode::OK, &arrival)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_address_is_what_the_operator_says_or_else_what_leads_there() {
        let place = |address: &str, url: Option<&str>| GatewayPlace {
            address: address.parse().expect("an address"),
            scheme: UrlScheme::Http,
            url: url.map(str::to_owned),
        };
        let (own, everywhere) = (place("127.0.0.1:8081", None), place("0.0.0.0:8081", None));
        let told = place("0.0.0.0:8081", Some("https://pay.example.com"));
        let url = |place: &GatewayPlace, of_product, host: &'static str| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            let base = place.base("shop", of_product, &headers);
            assert_eq!(base.note.contains("derived"), base.url.contains("console") || base.url.contains("localhost"));
            base.url
        };
        let named = Some("test.shop.example");
        assert_eq!(url(&told, named, "console.example"), "https://pay.example.com/shop");
        assert_eq!(url(&own, named, "127.0.0.1:8080"), "http://127.0.0.1:8081/shop");
        assert_eq!(url(&everywhere, named, "console.example"), "https://test.shop.example");
        assert_eq!(url(&everywhere, None, "console.example:8080"), "http://console.example:8081/shop");
        let encrypted = |place: &GatewayPlace| GatewayPlace { scheme: UrlScheme::Https, ..place.clone() };
        assert_eq!(url(&encrypted(&own), named, "127.0.0.1:8080"), "https://127.0.0.1:8081/shop");
        assert_eq!(url(&encrypted(&everywhere), None, "console.example"), "https://console.example:8081/shop");
        for odd in ["", "a'b", "a b", "a/b", "a@b", "a\"b", "$(id)", "a;b:80"] {
            assert_eq!(url(&everywhere, None, odd), "http://localhost:8081/shop", "{odd:?}");
        }
    }
}
