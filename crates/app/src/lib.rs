//! Use cases and what they need: configuration, products, the hot path's memory, the request log. No HTTP server types,
//! no SQL.
//!
//! `App` is what everything shares. `verify` is the hot path; `ops` are the acts of people and tokens, each one
//! transaction with its audit entry; `request_log` and `metrics` tell what happened.

pub mod acme;
pub mod asked;
pub mod certificate;
pub mod client;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod limits;
pub mod listen;
pub mod logo;
pub mod master_key;
pub mod metrics;
pub mod ops;
pub mod outbound;
pub mod password;
pub mod post;
pub mod products;
pub mod ready;
pub mod request_log;
pub mod sandbox;
pub mod telemetry;
pub mod tries;
pub mod upstream;
pub mod verify;
pub mod webauthn;
pub mod webhooks;
pub mod words;

/// What handlers name of the store without seeing it: rows that use cases hand out.
pub mod store_types {
    pub use keymint_store::apps::App as AppRow;
    pub use keymint_store::companies::Company;
    pub use keymint_store::deliveries::{Attempt, Delivery, DeliveryState, Event};
    pub use keymint_store::error::StoreError;
    pub use keymint_store::ledger::AuditRow;
    pub use keymint_store::letters::{Channel, Letter};
    pub use keymint_store::logos::Logo;
    pub use keymint_store::merchants::{Activation, Merchant};
    pub use keymint_store::passkeys::Passkey;
    pub use keymint_store::people::Membership;
    pub use keymint_store::request_log::{Entry, Filter};
    pub use keymint_store::roles::{NamedRole, TeamRole};
    pub use keymint_store::rollup::{Counts, Grain};
    pub use keymint_store::sessions::Session;
    pub use keymint_store::team::{Invitation, Member};
    pub use keymint_store::transactions::{Query as TransactionQuery, Transaction};
    pub use keymint_store::webhooks::{Endpoint, EndpointState};
}

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keymint_domain::entropy::Entropy;
use keymint_domain::seal::Keyring;
use keymint_domain::time::Clock;
use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_store::{ledger, settings};
use thiserror::Error;
use tokio::sync::broadcast;

use crate::config::{LimitsConfig, RequestLogConfig};
use crate::limits::Rates;
use crate::limits::at_once::AtOnce;
use crate::logo::Logos;
use crate::metrics::Metrics;
use crate::ops::exposures::Exposures;
use crate::outbound::Outbound;
use crate::password::Passwords;
use crate::post::PostOffice;
use crate::products::Products;
use crate::ready::Registry;
use crate::request_log::{RequestIds, RequestLog};
use crate::sandbox::mover::Mover;
use crate::telemetry::otlp::{Otlp, OtlpError};
use crate::telemetry::{Sampler, TelemetryConfig};
use crate::tries::Tries;
use crate::verify::cache::CredentialCache;
use crate::verify::replay::ReplayMemory;
use crate::webauthn::Ceremonies;
use crate::webhooks::Carrier;

/// What everything shares.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// The parts of `App`.
pub struct Shared {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The key ring.
    pub keyring: Keyring,
    /// The products.
    pub products: Products,
    /// Counters.
    pub metrics: Metrics,
    /// The request log.
    pub log: RequestLog,
    /// Where passwords are hashed.
    pub passwords: Passwords,
    /// Where logos are decoded.
    pub logos: Logos,
    /// Tries to sign in.
    pub sign_ins: Tries,
    /// Codes that were sent.
    pub sent_codes: Tries,
    /// Tries to confirm an authenticator app.
    pub confirmations: Tries,
    /// Ids of requests that the gateway did not receive.
    pub request_ids: RequestIds,
    /// Which requests are traced.
    pub sampler: Sampler,
    /// Pages that viewers look at.
    pub views: Tries,
    /// Counts of requests, where a product has rates.
    pub rates: Rates,
    /// What each merchant has on its way upstream.
    pub at_once: AtOnce,
    /// Where mail and text messages go.
    pub post: PostOffice,
    /// The way to addresses that merchants chose.
    pub outbound: Outbound,
    /// What carries events to endpoints.
    pub webhooks: Carrier,
    /// What makes due moves of the sandboxes.
    pub mover: Mover,
    /// What decides about passkeys; nothing where the console's address is not told.
    pub ceremonies: Option<Ceremonies>,
    exposures: Exposures,
    cache: CredentialCache,
    registry: Registry,
    replay: ReplayMemory,
    changes: broadcast::Sender<Arc<[String]>>,
    runtime: tokio::runtime::Handle,
    is_serving: AtomicBool,
}

/// What an app is put together from.
pub struct Parts<'a> {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The key ring.
    pub keyring: Keyring,
    /// The products.
    pub products: Products,
    /// A folder for what is not in the database.
    pub data: &'a Path,
    /// The request log's settings.
    pub request_log: &'a RequestLogConfig,
    /// What a collector is told.
    pub telemetry: &'a TelemetryConfig,
    /// Limits.
    pub limits: &'a LimitsConfig,
    /// Where mail and text messages go.
    pub post: PostOffice,
    /// The way to addresses that merchants chose.
    pub outbound: Outbound,
    /// The origin of the console, to which passkeys are bound; without it there are none.
    pub console_url: Option<&'a str>,
}

/// Why an app cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder for data.
    #[error("the folder for data cannot be used: {0}")]
    Data(#[from] std::io::Error),
    /// Telemetry.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// No random bytes.
    #[error("the operating system gives no random bytes")]
    Entropy,
    /// The database belongs to another key ring.
    #[error(
        "the key ring is not the one that this database was made with; every secret in it would be refused. Give the \
         right master key, or keep the old one in the ring as a further line"
    )]
    OtherKeyring,
}

/// The setting by which a database knows its key ring.
const KEYRING_CHECK: &str = "keyring_check";
/// Changes that may wait to be heard by a thread of the gateway; one that falls behind further looks at everything.
const CHANGES_MAX: usize = 1024;
/// How often the ownership of the database is looked at.
const OWNERSHIP_CHECK: Duration = Duration::from_secs(2);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Puts an app together. Runs on the main runtime, which must live as long as the app.
    ///
    /// # Errors
    /// `StartError`; nothing serves then.
    pub async fn start(parts: Parts<'_>) -> Result<Self, StartError> {
        wait_for_predecessor(&parts.db).await?;
        check_keyring(&parts.db, &parts.keyring).await?;
        let metrics = Metrics::new(parts.products.iter().map(|product| &product.name), parts.products.upstreams());
        let runtime = tokio::runtime::Handle::current();
        let otlp = Otlp::start(parts.telemetry, &metrics.otlp)?;
        let sinks = (parts.request_log, otlp);
        let log = RequestLog::start(parts.db.clone(), runtime.clone(), sinks, metrics.log.clone())?;
        let request_ids = RequestIds::new(&*parts.entropy).map_err(|_| StartError::Entropy)?;
        let sampler = Sampler::new(parts.telemetry, &*parts.entropy).map_err(|_| StartError::Entropy)?;
        let passwords = Passwords::new(&*parts.entropy).map_err(|_| StartError::Entropy)?;
        let now = parts.clock.now();
        let replay = ReplayMemory::open(&parts.data.join("replay"), parts.limits.replay_entries_per_key_max, now)?;
        let (exposures, exposed) = Exposures::new();
        let (webhooks, ended) = Carrier::new();
        let app = Self(Arc::new(Shared {
            db: parts.db,
            clock: parts.clock,
            entropy: parts.entropy,
            keyring: parts.keyring,
            products: parts.products,
            metrics,
            log,
            passwords,
            sampler,
            request_ids,
            logos: Logos::default(),
            sign_ins: Tries::default(),
            sent_codes: Tries::default(),
            confirmations: Tries::default(),
            views: Tries::default(),
            rates: Rates::default(),
            at_once: AtOnce::new(parts.limits.merchant_requests_at_once_max),
            post: parts.post,
            outbound: parts.outbound,
            webhooks,
            mover: Mover::default(),
            ceremonies: parts.console_url.and_then(Ceremonies::at),
            exposures,
            cache: CredentialCache::new(parts.limits.cached_credentials_max),
            registry: Registry::default(),
            replay,
            changes: broadcast::Sender::new(CHANGES_MAX),
            runtime,
            is_serving: AtomicBool::new(true),
        }));
        app.watch_ownership();
        app.keep_quotas().await?;
        app.keep_log_short(parts.request_log);
        app.carry_letters();
        app.carry_webhooks(ended);
        app.carry_moves();
        app.flag_exposures(exposed);
        Ok(app)
    }

    /// Stops serving for good once another process may own the database: its changes would not reach our cache.
    fn watch_ownership(&self) {
        let shared = Arc::downgrade(&self.0);
        let end = self.db.end_of_ownership();
        tokio::spawn(async move {
            let mut end = std::pin::pin!(end);
            loop {
                // Mostly the session's end is heard at once; a connection that is only silent is found by asking.
                let _ = tokio::time::timeout(OWNERSHIP_CHECK, end.as_mut()).await;
                let Some(shared) = shared.upgrade() else { return };
                if !shared.db.is_owned().await {
                    tracing::error!("this process no longer owns the database; it refuses every request from now on");
                    shared.is_serving.store(false, Ordering::SeqCst);
                    return;
                }
            }
        });
    }

    /// Whether requests may be decided.
    pub fn is_serving(&self) -> bool {
        self.is_serving.load(Ordering::SeqCst)
    }

    /// Writes what waits to be written, at a clean stop.
    pub async fn close(&self) {
        self.is_serving.store(false, Ordering::SeqCst);
        self.log.flush().await;
        self.write_quotas().await;
        if let Err(error) = self.replay.close() {
            tracing::error!(%error, "the journal of spent signatures could not be synchronised");
        }
    }

    /// The product's name, shared where it is a product of ours.
    fn product_name(&self, name: &str) -> Arc<str> {
        self.products.find(name).map_or_else(|| name.into(), |product| Arc::clone(&product.name))
    }
}

/// PostgreSQL may still be at the last commit of a process that was killed. Every change holds the ledger's lock until it
/// has ended: whoever gets it knows that none is left, and that what the cache reads from now on stays true.
async fn wait_for_predecessor(db: &Db) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    ledger::next(tx.conn()).await?;
    tx.settle().await
}

async fn check_keyring(db: &Db, keyring: &Keyring) -> Result<(), StartError> {
    let mut tx = db.write().await?;
    match settings::find(tx.conn(), KEYRING_CHECK).await? {
        Some(hex) => {
            let check = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap_or_default();
            if !keyring.row_is_intact(KEYRING_CHECK.as_bytes(), &check) {
                return Err(StartError::OtherKeyring);
            }
        }
        None => {
            let check = keyring.row_check(KEYRING_CHECK.as_bytes());
            settings::insert(tx.conn(), KEYRING_CHECK, &data_encoding::HEXLOWER.encode(&check)).await?;
        }
    }
    Ok(tx.commit().await?)
}
