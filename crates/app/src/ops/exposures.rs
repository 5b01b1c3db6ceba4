//! Live credentials that were shown over plain HTTP: whoever sat on the way has them now. The request was refused; this
//! tells the people who can roll the key. Once for each credential, and off the way of requests: the gateway puts a key id
//! into a short queue, and what finds no room there comes again with the next such request.

use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use keymint_store::credentials;
use quick_cache::sync::Cache;
use serde_json::json;
use tokio::sync::mpsc;

use crate::App;
use crate::ops::notices::{self, Became};
use crate::ops::{Actor, Change, OpError, Saying};

/// Credentials that wait to be flagged.
const WAITING_MAX: usize = 256;
/// Credentials that are known to be flagged, or about to be. One that is forgotten costs a reading.
const KNOWN_MAX: usize = 10_000;

/// Which were seen.
pub struct Exposures {
    known: Cache<String, ()>,
    waiting: mpsc::Sender<String>,
}

impl Exposures {
    /// None so far, and where they come out.
    pub fn new() -> (Self, mpsc::Receiver<String>) {
        let (waiting, coming) = mpsc::channel(WAITING_MAX);
        (Self { known: Cache::new(KNOWN_MAX), waiting }, coming)
    }

    /// Notes that the secret of a live credential was shown in the open. Never waits.
    pub fn note(&self, key_id: &str) {
        if self.known.get(key_id).is_some() {
            return;
        }
        if self.waiting.try_send(key_id.to_owned()).is_ok() {
            self.known.insert(key_id.to_owned(), ());
        }
    }
}

impl App {
    /// Flags what was noted, one after the other.
    pub(crate) fn flag_exposures(&self, mut coming: mpsc::Receiver<String>) {
        let shared = std::sync::Arc::downgrade(&self.0);
        tokio::spawn(async move {
            while let Some(key_id) = coming.recv().await {
                let Some(shared) = shared.upgrade() else { return };
                let app = Self(shared);
                if let Err(error) = flag(&app, &key_id).await {
                    tracing::error!(key_id, %error, "a credential that was sent over plain HTTP could not be flagged");
                    app.exposures.known.remove(key_id.as_str());
                }
            }
        });
    }
}

/// Flags a credential as exposed, and writes to the owners and admins; nothing where it is flagged already.
///
/// # Errors
/// `OpError::Store`, `OpError::Seal`, `OpError::Entropy`.
pub async fn flag(app: &App, key_id: &str) -> Result<(), OpError> {
    if find(app, key_id).await?.is_none_or(|exposed_at| exposed_at.is_some()) {
        return Ok(());
    }
    let mut change = Change::begin(app, Actor::System, Act::See).await?;
    if !credentials::expose(change.conn(), key_id, app.clock.now()).await? {
        return change.settle().await;
    }
    let stored = credentials::find(change.conn(), key_id).await?.ok_or(OpError::NotFound("credential"))?;
    notices::live_key(app, &mut change, &stored.credential, Became::Exposed).await?;
    let (merchant, detail) = (Some(stored.credential.merchant_id), json!({ "seen": "plain_http" }));
    let saying = Saying { action: "credential.exposed", subject: key_id, merchant, detail };
    change.commit(saying, vec![key_id.to_owned()]).await
}

async fn find(app: &App, key_id: &str) -> Result<Option<Option<UnixMs>>, OpError> {
    let mut conn = app.db.read().await?;
    Ok(credentials::find(&mut conn, key_id).await?.map(|stored| stored.seen.exposed_at))
}
