//! The layer before a service of the test's own: a real app over a real database, and every request through the layer.
#![expect(clippy::expect_used, reason = "tests end at the first surprise")]

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use keymint_app::config::{LimitsConfig, ProductConfig, RequestLogConfig};
use keymint_app::ops::Actor;
use keymint_app::ops::apps::{self, NewApp};
use keymint_app::ops::credentials::{self, NewCredential};
use keymint_app::ops::merchants::{self, NewMerchant};
use keymint_app::ops::requests;
use keymint_app::outbound::{Outbound, WebhooksConfig};
use keymint_app::post::PostOffice;
use keymint_app::products::{Products, load_dialects};
use keymint_app::store_types::Filter;
use keymint_app::telemetry::TelemetryConfig;
use keymint_app::{App, Parts};
use keymint_domain::credential::RevokeReason;
use keymint_domain::mode::Mode;
use keymint_domain::seal::Keyring;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_layer::{Caller, KeymintLayer};
use keymint_testkit::database::Place;
use keymint_testkit::{Call, FixedClock, Key, SeededEntropy, TestDb};
use tower::{Layer, ServiceExt};

/// The products, each of the dialect of its name.
const PRODUCTS: [&str; 3] = ["razorpay", "kwikpaisa", "kpay"];

struct House {
    app: App,
    /// They go with it.
    _data: tempfile::TempDir,
    _place: Place,
}

async fn house() -> House {
    let data = tempfile::tempdir().expect("a folder");
    let product = |name: &str| ProductConfig {
        name: name.to_owned(),
        dialect: name.to_owned(),
        secret_style: None,
        sandbox: None,
        hosts_test: Vec::new(),
        hosts_live: Vec::new(),
        upstream_test: None,
        upstream_live: None,
        limit: Vec::new(),
    };
    let products = Products::new(load_dialects(None).expect("dialects"), &PRODUCTS.map(product)).expect("products");
    let it = TestDb::sqlite().await;
    let parts = Parts {
        db: it.db,
        clock: FixedClock::at(keymint_testkit::signing::now()),
        entropy: SeededEntropy::new(7),
        keyring: Keyring::parse(&SecretText::new(format!("k1 {}\n", "1".repeat(64)))).expect("a ring"),
        products,
        data: data.path(),
        request_log: &RequestLogConfig::default(),
        telemetry: &TelemetryConfig::default(),
        limits: &LimitsConfig::default(),
        post: PostOffice::keeping(),
        outbound: Outbound::new(&WebhooksConfig::default()).expect("a client"),
        console_url: None,
    };
    House { app: App::start(parts).await.expect("it starts"), _data: data, _place: it.place }
}

impl House {
    async fn key(&self, product: &str, allowed_ips: &[&str]) -> Key {
        let merchant = NewMerchant {
            name: format!("{product} Ltd"),
            email: format!("{product}@merchant.example"),
            country: "IN".to_owned(),
        };
        let merchant = merchants::make(&self.app, Actor::System, &merchant, None).await.expect("a merchant");
        let app = NewApp {
            product: product.to_owned(),
            name: format!("{product} app"),
            email: "dev@merchant.example".to_owned(),
            address: "12 MG Road".to_owned(),
            country: "IN".to_owned(),
            postal_code: "560001".to_owned(),
            ..NewApp::default()
        };
        let app = apps::make(&self.app, Actor::System, merchant.id, &app, None).await.expect("an app");
        let new = NewCredential {
            mode: Mode::Test,
            name: None,
            expires_at: None,
            scopes: Vec::new(),
            allowed_ips: allowed_ips.iter().map(|ip| (*ip).to_owned()).collect(),
            allowed_origins: Vec::new(),
        };
        let made = credentials::issue(&self.app, Actor::System, app.id, &new, None).await.expect("a credential");
        Key {
            key_id: made.view.credential.key_id.clone(),
            secret: made.secret.as_ref().expect("it is shown").expose().to_owned(),
            app_id: app.id.to_string(),
        }
    }

    async fn revoke(&self, key: &Key) {
        let reason = RevokeReason::Compromised;
        credentials::revoke(&self.app, Actor::System, &key.key_id, reason, None).await.expect("it is revoked");
    }
}

/// What came to the service, or what the caller was told.
#[derive(Debug)]
struct Outcome {
    status: u16,
    body: String,
    headers: http::HeaderMap,
}

/// Sends a request through the layer to a service that answers with what it got.
async fn send(house: &House, product: &str, request: Request<Full<Bytes>>) -> Outcome {
    let layer = KeymintLayer::new(&house.app, product).expect("a product");
    let layer = layer.client_ip(|head| head.extensions.get::<SocketAddr>().map(SocketAddr::ip));
    let service = tower::service_fn(|request: Request<Full<Bytes>>| async move {
        let (parts, body) = request.into_parts();
        let caller = parts.extensions.get::<Caller>().expect("whose it is");
        let names: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        let body = body.collect().await.expect("a body").to_bytes();
        let got = format!(
            "{} {} {} {} {} {} [{}] {}",
            parts.method,
            parts.uri,
            caller.key_id(),
            caller.app_id(),
            caller.mode().as_str(),
            caller.scopes().count(),
            names.join(" "),
            String::from_utf8_lossy(&body)
        );
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(got))))
    });
    let response = layer.layer(service).oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Outcome { status: parts.status.as_u16(), body: String::from_utf8_lossy(&body).into_owned(), headers: parts.headers }
}

fn request(key: &Key, path: &str) -> http::request::Builder {
    Request::get(path).header("host", "pay.example").header("authorization", key.basic())
}

fn empty(builder: http::request::Builder) -> Request<Full<Bytes>> {
    builder.body(Full::default()).expect("a request")
}

#[tokio::test]
async fn a_known_caller_reaches_the_service_with_whose_it_is_and_without_its_credentials() {
    let house = house().await;
    let key = house.key("razorpay", &[]).await;
    let forged = request(&key, "/v1/orders?a=%20b")
        .header("x-keymint-merchant", "mer_forged")
        .header("x_keymint_key", "forged")
        .header("x-forwarded-for", "10.0.0.1")
        .header("accept", "application/json");
    let outcome = send(&house, "razorpay", empty(forged)).await;
    let wanted = format!("GET /v1/orders?a=%20b {} {} test 0 [host accept] ", key.key_id, key.app_id);
    assert_eq!((outcome.status, outcome.body), (200, wanted));
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_the_next_request_in_the_dialects_words_as_one_that_never_was() {
    let house = house().await;
    let key = house.key("razorpay", &[]).await;
    assert_eq!(send(&house, "razorpay", empty(request(&key, "/v1/orders"))).await.status, 200);
    house.revoke(&key).await;
    let refused = send(&house, "razorpay", empty(request(&key, "/v1/orders"))).await;
    let nobody = Key { key_id: "rzp_test_00000000000000".to_owned(), ..key.clone() };
    let unknown = send(&house, "razorpay", empty(request(&nobody, "/v1/orders"))).await;
    assert_eq!((refused.status, &refused.body), (401, &unknown.body));
    assert!(refused.body.contains("BAD_REQUEST_ERROR"), "{}", refused.body);
    assert_eq!(refused.headers, unknown.headers);
    assert_eq!(refused.headers["cache-control"], "no-store");
    let none = send(&house, "razorpay", empty(Request::get("/v1/orders").header("host", "h"))).await;
    assert_eq!(none.status, 401);
    let odd = send(&house, "razorpay", empty(request(&key, "/v1/../orders"))).await;
    assert_eq!(odd.status, 400, "{}", odd.body);
}

#[tokio::test]
async fn a_signed_body_reaches_the_service_once_and_a_changed_one_never() {
    let house = house().await;
    let key = house.key("kwikpaisa", &[]).await;
    let body = r#"{"order_id":"1"}"#;
    let gateway = SocketAddr::from(([127, 0, 0, 1], 1));
    let signed = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", body).credentials(gateway, &key);
    let call = |body: &str| {
        let mut builder = Request::post("/api/v3/pg/order/status")
            .header("host", "pay.example")
            .header("content-type", "application/json");
        for (name, value) in &signed {
            builder = builder.header(name, value);
        }
        builder.body(Full::new(Bytes::from(body.to_owned()))).expect("a request")
    };
    let changed = send(&house, "kwikpaisa", call(r#"{"order_id":"2"}"#)).await;
    assert_eq!(changed.status, 401, "{}", changed.body);
    let reached = send(&house, "kwikpaisa", call(body)).await;
    assert!(reached.status == 200 && reached.body.ends_with(body), "{}", reached.body);
    assert_eq!(send(&house, "kwikpaisa", call(body)).await.status, 401, "it was spent");
    let long = "x".repeat(2 * 1024 * 1024);
    let refused = send(&house, "kwikpaisa", call(&long)).await;
    assert_eq!(refused.status, 413, "{}", refused.body);
}

#[tokio::test]
async fn a_list_of_addresses_goes_by_the_address_that_the_service_finds() {
    let house = house().await;
    let key = house.key("razorpay", &["203.0.113.7"]).await;
    let from = |address: Option<&str>| {
        let mut request = empty(request(&key, "/v1/orders").header("x-forwarded-for", "203.0.113.7"));
        if let Some(address) = address {
            let ip: IpAddr = address.parse().expect("an address");
            request.extensions_mut().insert(SocketAddr::new(ip, 1));
        }
        request
    };
    for (address, status) in [(Some("203.0.113.7"), 200), (Some("203.0.113.8"), 400), (None, 400)] {
        let outcome = send(&house, "razorpay", from(address)).await;
        assert_eq!(outcome.status == 200, status == 200, "{address:?}: {}", outcome.body);
    }
}

#[tokio::test]
async fn rates_hold_and_decisions_stand_in_the_log() {
    let house = house().await;
    let key = house.key("kpay", &[]).await;
    let call = || {
        let builder = Request::get("/api/v1/payments/me").header("host", "h");
        empty(builder.header("x-api-key", &key.key_id).header("x-secret-key", &key.secret))
    };
    for _ in 0..100 {
        assert_eq!(send(&house, "kpay", call()).await.status, 200);
    }
    let refused = send(&house, "kpay", call()).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers["ratelimit-policy"], "\"default\";q=100;w=60");
    assert!(refused.headers.contains_key("retry-after"), "{:?}", refused.headers);
    let all = Filter {
        below_id: i64::MAX,
        after_id: 0,
        mode: None,
        reason: None,
        since: UnixMs(i64::MIN),
        until: UnixMs(i64::MAX),
        status: (0, 999),
        limit: 1_000,
    };
    let logged = requests::of_credential(&house.app, Actor::System, &key.key_id, &all).await.expect("it reads");
    assert_eq!(logged.len(), 101);
    assert_eq!(logged.first().and_then(|entry| entry.reason.as_deref()), Some("rate_limited"));
}

#[tokio::test]
async fn a_product_that_is_not_there_is_said_before_anything_is_served() {
    let house = house().await;
    let wrong = KeymintLayer::new(&house.app, "nothing").map(drop);
    assert_eq!(
        wrong.map_err(|error| error.to_string()),
        Err("there is no product `nothing` in the configuration".into())
    );
}
