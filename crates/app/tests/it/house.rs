//! A whole Keymint without its listeners: a real database, a clock that stands still, entropy from a seed, every built-in
//! product. Requests are decided as the gateway would have them decided.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use keymint_app::config::{LimitsConfig, ProductConfig, RequestLogConfig};
use keymint_app::ops::apps::{self, NewApp};
use keymint_app::ops::credentials::{self, Made, NewCredential};
use keymint_app::ops::merchants::{self, NewMerchant};
use keymint_app::ops::{Actor, OpError};
use keymint_app::outbound::{Outbound, WebhooksConfig};
use keymint_app::post::PostOffice;
use keymint_app::products::{Products, load_dialects};
use keymint_app::store_types::{Activation, Merchant};
use keymint_app::telemetry::TelemetryConfig;
use keymint_app::verify::{Decision, Way};
use keymint_app::{App, Parts, StartError};
use keymint_domain::credential::RevokeReason;
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::seal::Keyring;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::db::Db;
use keymint_store::ledger;
use keymint_store::sql::Stmt;
use keymint_testkit::database::Place;
use keymint_testkit::{FixedClock, Key, SeededEntropy, TestDb};

/// When these tests begin.
pub const START: UnixMs = UnixMs(1_800_000_000_000);
/// A whole day. Seconds.
pub const DAY: u32 = 86_400;
/// Where people open its console.
pub const CONSOLE: &str = "https://console.example.com";
/// The operator, as far as the audit log is concerned.
pub const OPERATOR: Actor = Actor::System;

/// The products of the house, each of the dialect of its name.
const PRODUCTS: [&str; 5] = ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"];

/// How many rows a change has left in each of the four places.
static TRACES: Stmt = Stmt::both("ledger.traces", include_str!("sql/traces.sql"));

/// A ring's line.
pub fn ring(name: &str, digit: char) -> String {
    format!("{name} {}\n", digit.to_string().repeat(64))
}

/// What a house may be built with.
pub struct Plan {
    /// The key ring's lines.
    pub ring: String,
    /// Limits.
    pub limits: LimitsConfig,
    /// The request log.
    pub request_log: RequestLogConfig,
    /// Where people open its console.
    pub console_url: Option<&'static str>,
    /// Where mail and text messages go.
    pub post: fn() -> PostOffice,
    /// Which receivers may be called that are not public.
    pub webhooks: WebhooksConfig,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            ring: ring("k1", '1'),
            limits: LimitsConfig::default(),
            request_log: RequestLogConfig::default(),
            console_url: Some(CONSOLE),
            post: PostOffice::keeping,
            webhooks: WebhooksConfig::default(),
        }
    }
}

/// The house.
pub struct House {
    /// The app under test.
    pub app: App,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// Its random bytes.
    pub entropy: Arc<SeededEntropy>,
    /// Where its database is.
    pub place: Place,
    /// Its folder for what is not in the database.
    pub data: tempfile::TempDir,
}

/// Starts an app over a database and a folder.
pub async fn start(
    db: Db,
    data: &Path,
    plan: &Plan,
    (clock, entropy): (&Arc<FixedClock>, &Arc<SeededEntropy>),
) -> Result<App, StartError> {
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
    let dialects = load_dialects(None).expect("the built-in dialects");
    let products = Products::new(dialects, &PRODUCTS.map(product)).expect("the products");
    App::start(Parts {
        db,
        clock: Arc::clone(clock) as Arc<_>,
        entropy: Arc::clone(entropy) as Arc<_>,
        keyring: Keyring::parse(&SecretText::new(plan.ring.clone())).expect("a ring"),
        products,
        data,
        request_log: &plan.request_log,
        limits: &plan.limits,
        telemetry: &TelemetryConfig::default(),
        post: (plan.post)(),
        outbound: Outbound::new(&plan.webhooks).expect("a client"),
        console_url: plan.console_url,
    })
    .await
}

impl House {
    /// A house over a database.
    pub async fn over(it: TestDb) -> Self {
        Self::planned(it, &Plan::default()).await
    }

    /// The same, built otherwise.
    pub async fn planned(it: TestDb, plan: &Plan) -> Self {
        let (clock, entropy) = (FixedClock::at(START), SeededEntropy::new(7));
        let data = tempfile::tempdir().expect("a folder");
        let app = start(it.db, data.path(), plan, (&clock, &entropy)).await.expect("it starts");
        Self { app, clock, entropy, place: it.place, data }
    }

    /// The same house after a restart without warning: nothing is closed.
    pub async fn restarted(self, plan: &Plan) -> Result<Self, StartError> {
        let Self { app, clock, entropy, place, data } = self;
        drop(app);
        let db = place.open_when_free().await.expect("the database opens again");
        let app = start(db, data.path(), plan, (&clock, &entropy)).await?;
        Ok(Self { app, clock, entropy, place, data })
    }

    /// A new merchant; `name` is unique in the house.
    pub async fn merchant(&self, name: &str) -> Merchant {
        let new = new_merchant(name);
        merchants::make(&self.app, OPERATOR, &new, None).await.expect("a merchant")
    }

    /// A new app of a new merchant; `name` is unique in the house.
    pub async fn registered(&self, product: &str, name: &str) -> (MerchantId, AppId) {
        let merchant = self.merchant(name).await.id;
        let app = apps::make(&self.app, OPERATOR, merchant, &new_app(product, name), None).await.expect("an app");
        (merchant, app.id)
    }

    /// The same, of a merchant that is approved for live mode.
    pub async fn approved(&self, product: &str, name: &str) -> (MerchantId, AppId) {
        let (merchant, app) = self.registered(product, name).await;
        self.activate(merchant, Activation::Approved).await;
        (merchant, app)
    }

    /// Decides where a merchant is on its way to live mode.
    pub async fn activate(&self, merchant: MerchantId, activation: Activation) {
        merchants::set_activation(&self.app, OPERATOR, merchant, activation, None).await.expect("it is set");
    }

    /// A new test credential of a new app of a new merchant.
    pub async fn key(&self, product: &str, name: &str) -> Key {
        let (_, app) = self.registered(product, name).await;
        self.issue(app, &plain(Mode::Test)).await.expect("a credential")
    }

    /// A new credential of an app.
    pub async fn issue(&self, app: AppId, new: &NewCredential) -> Result<Key, OpError> {
        credentials::issue(&self.app, OPERATOR, app, new, None).await.map(|made| shown(&made))
    }

    /// Ends a credential.
    pub async fn revoke(&self, key_id: &str) {
        let reason = RevokeReason::Compromised;
        credentials::revoke(&self.app, OPERATOR, key_id, reason, None).await.expect("it is revoked");
    }

    /// Rolls a credential.
    pub async fn roll(&self, key_id: &str, grace_seconds: u32) -> Result<Key, OpError> {
        let rolled = credentials::roll(&self.app, OPERATOR, key_id, grace_seconds, None).await?;
        Ok(shown(&rolled.made))
    }

    /// What is decided about a `GET` that shows the secret, as the product wants it shown.
    pub async fn decide(&self, product: &str, key: &Key) -> Result<(), DenyReason> {
        decide(&self.app, product, key).await
    }

    /// How many changes, audit entries and events there are, and the head of the ledger.
    pub async fn traces(&self) -> [i64; 4] {
        let mut conn = self.app.db.read().await.expect("a connection");
        let row = conn.row(&TRACES, &[]).await.expect("it reads").expect("a row");
        let count = |column| row.int(column).expect("a number");
        [count("changes"), count("entries"), count("events"), count("head")]
    }

    /// The head of the ledger.
    pub async fn head(&self) -> i64 {
        let mut conn = self.app.db.read().await.expect("a connection");
        ledger::current(&mut conn).await.expect("it reads").seq
    }

    /// Edits the database as its administrator could: without the key ring.
    pub async fn edit(&self, script: &str) {
        let mut tx = self.app.db.write().await.expect("it begins");
        tx.conn().script(script).await.unwrap_or_else(|error| panic!("{script}: {error}"));
        tx.commit().await.expect("it commits");
    }
}

/// A merchant to be made.
pub fn new_merchant(name: &str) -> NewMerchant {
    NewMerchant { name: format!("{name} Ltd"), email: format!("{name}@merchant.example"), country: "IN".to_owned() }
}

/// An app to be made.
pub fn new_app(product: &str, name: &str) -> NewApp {
    NewApp {
        product: product.to_owned(),
        name: format!("{name} app"),
        email: "dev@merchant.example".to_owned(),
        address: "12 MG Road".to_owned(),
        country: "IN".to_owned(),
        postal_code: "560001".to_owned(),
        ..NewApp::default()
    }
}

/// A credential that nothing narrows.
pub fn plain(mode: Mode) -> NewCredential {
    NewCredential {
        mode,
        name: None,
        expires_at: None,
        scopes: Vec::new(),
        allowed_ips: Vec::new(),
        allowed_origins: Vec::new(),
    }
}

/// A credential with the secret that was shown.
pub fn shown(made: &Made) -> Key {
    Key {
        key_id: made.view.credential.key_id.clone(),
        secret: made.secret.as_ref().expect("it is shown").expose().to_owned(),
        app_id: made.view.credential.app_id.to_string(),
    }
}

/// Where signed requests are sent to: no socket is bound to it.
pub fn gateway() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8081))
}

/// A whole request as it would arrive.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The product.
    pub product: String,
    /// The method.
    pub method: String,
    /// Path and query inside the product.
    pub path: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The client's address.
    pub client_ip: IpAddr,
}

impl Arrival {
    /// A `GET` that shows the secret: as a bearer token, or with HTTP Basic.
    pub fn showing(product: &str, key: &Key) -> Self {
        let (path, value) = match product {
            "keymint" => ("/v1/whoami", format!("Bearer {}", key.secret)),
            _ => ("/v1/orders", key.basic()),
        };
        Self {
            product: product.to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: vec![("authorization".to_owned(), value)],
            body: String::new(),
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// A call that was signed.
    pub fn signed(call: &keymint_testkit::Call<'_>, key: &Key) -> Self {
        let mut headers = call.credentials(gateway(), key);
        headers.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        Self {
            product: call.product.to_owned(),
            method: call.method.to_owned(),
            path: call.path.to_owned(),
            headers,
            body: call.body.to_owned(),
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// What is decided about it.
    pub async fn decided_by(&self, app: &App) -> Result<(), DenyReason> {
        let authority = gateway().to_string();
        let target = format!("/{}{}", self.product, self.path);
        let mut headers = vec![Header { name: "host", value: authority.as_bytes() }];
        headers.extend(self.headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }));
        let view = RequestView {
            method: &self.method,
            scheme: "http",
            authority: &authority,
            target: &target,
            route_at: self.product.len() + 1,
            headers: &headers,
            body: self.body.as_bytes(),
            client_ip: self.client_ip,
        };
        let product = app.products.find(&self.product).expect("a product");
        match app.verify(product, &view, Way::default()).await {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denied) => Err(denied.reason),
        }
    }
}

/// What is decided about a `GET` that shows the secret.
pub async fn decide(app: &App, product: &str, key: &Key) -> Result<(), DenyReason> {
    Arrival::showing(product, key).decided_by(app).await
}
