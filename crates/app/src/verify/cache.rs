//! Credentials kept ready, and how a change reaches them.
//!
//! A change marks its key ids, takes them out of the cache, and only then commits; the marks go once the commit has
//! ended. A marked key id is read from the store for every request and not kept, so a request never finds an older record
//! than whoever reads the store at that moment, whether or not the change has been answered. A reading that began before
//! the mark may still be on its way with the old record: it holds a placeholder, which the change takes out as well, so
//! what it read is not kept and is read again.
//!
//! Unknown key ids are kept too, in the same bounded cache, so that asking for one again costs no query; issuing takes
//! them out the same way. The cache lets single visitors go first, so a flood of made-up key ids does not push out those
//! in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::verify::{Candidate, OwnerState};
use keymint_store::credentials::{self, Stored};
use keymint_store::db::{Db, EngineName};
use keymint_store::error::StoreError;
use keymint_store::merchants::Activation;
use quick_cache::sync::Cache;
use tokio::sync::broadcast;

use crate::App;

/// The cache.
pub struct CredentialCache {
    /// `None` stands for a key id that nobody has.
    kept: Cache<String, Option<Arc<Candidate>>>,
    /// Key ids with a change under way, and how many.
    marked: Mutex<HashMap<String, usize>>,
}

/// Key ids with a change under way. Dropped once it has ended, however it did.
pub struct Marked {
    app: App,
    key_ids: Vec<String>,
}

/// Readings before the caller is told to try again: each repeat means that a change came in between.
const READINGS_MAX: usize = 8;

impl CredentialCache {
    /// A cache for so many credentials.
    pub fn new(credentials_max: usize) -> Self {
        Self { kept: Cache::new(credentials_max), marked: Mutex::default() }
    }

    fn is_marked(&self, key_id: &str) -> bool {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key_id)
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let mut marked = self.app.cache.marked.lock().unwrap_or_else(PoisonError::into_inner);
        for key_id in &self.key_ids {
            if let Some(count) = marked.get_mut(key_id) {
                *count -= 1;
                if *count == 0 {
                    marked.remove(key_id);
                }
            }
        }
        drop(marked);
        // Behind the marks: whoever looks again now finds the record as it has become.
        let _ = self.app.changes.send(std::mem::take(&mut self.key_ids).into());
    }
}

impl App {
    /// The record of a key id: from the cache, or from the store.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be read; `Internal` when the record was tampered with or cannot be opened.
    pub async fn candidate(&self, key_id: &str) -> Result<Option<Arc<Candidate>>, DenyReason> {
        match self.kept(key_id)? {
            Some(found) => Ok(found),
            // Boxed: a reading is rare, and what it needs would be moved about with every request.
            None => Box::pin(self.read_candidate(key_id)).await,
        }
    }

    /// What the cache holds of a key id; `None` when it has to be read.
    fn kept(&self, key_id: &str) -> Result<Option<Option<Arc<Candidate>>>, DenyReason> {
        if self.is_serving() { Ok(self.cache.kept.get(key_id)) } else { Err(DenyReason::Unavailable) }
    }

    async fn read_candidate(&self, key_id: &str) -> Result<Option<Arc<Candidate>>, DenyReason> {
        for _ in 0..READINGS_MAX {
            let guard = match self.cache.kept.get_value_or_guard_async(key_id).await {
                Ok(found) => return Ok(found),
                Err(guard) => guard,
            };
            // Looked at with the placeholder in hand: a mark set after this takes the placeholder out.
            let is_marked = self.cache.is_marked(key_id);
            let loaded = self.load(key_id).await?;
            if is_marked {
                return Ok(loaded);
            }
            if guard.insert(loaded.clone()).is_ok() {
                return Ok(loaded);
            }
        }
        Err(DenyReason::Unavailable)
    }

    async fn load(&self, key_id: &str) -> Result<Option<Arc<Candidate>>, DenyReason> {
        let stored = match self.db.engine() {
            EngineName::Sqlite => read(&self.db, key_id).await,
            // The pool's connections live on the main runtime; the gateway's own runtimes come and go.
            EngineName::Postgres => {
                let (db, key_id) = (self.db.clone(), key_id.to_owned());
                let reading = self.runtime.spawn(async move { read(&db, &key_id).await });
                reading.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the reading was cut off".to_owned())))
            }
        };
        match stored {
            Ok(None) => Ok(None),
            Ok(Some(stored)) => self.ready(&stored).map(|candidate| Some(Arc::new(candidate))),
            Err(error) => {
                tracing::error!(%error, "a credential could not be read");
                // Trying again helps when the store is away, and not when a row was edited.
                let is_edited = matches!(error, StoreError::Corrupt { .. });
                Err(if is_edited { DenyReason::Internal } else { DenyReason::Unavailable })
            }
        }
    }

    /// Checks a row against its keyed check and opens its secret.
    fn ready(&self, stored: &Stored) -> Result<Candidate, DenyReason> {
        let credential = &stored.credential;
        if !self.keyring.row_is_intact(&credential.check_bytes(), &stored.row_check) {
            tracing::error!(credential = %credential.id, "the row was not written by this Keymint; it is refused");
            return Err(DenyReason::Internal);
        }
        let verifier = self.keyring.open(&credential.id, &credential.key_id, &credential.secret);
        let verifier = verifier.map_err(|error| {
            tracing::error!(credential = %credential.id, %error, "the secret could not be opened");
            DenyReason::Internal
        })?;
        let restrictions = &credential.restrictions;
        Ok(Candidate {
            key_id: credential.key_id.as_str().into(),
            product: self.product_name(&credential.product),
            mode: credential.mode,
            merchant_id: credential.merchant_id,
            app_id: credential.app_id,
            status: credential.status.clone(),
            expires_at: credential.expires_at,
            owner: owner_state(stored),
            restrictions: (!restrictions.is_empty()).then(|| Box::new(restrictions.clone())),
            verifier,
        })
    }

    /// Key ids of which something has changed, as it happens: for what goes on longer than one decision. Whoever falls
    /// behind hears that it has, and looks at everything again.
    pub fn changes(&self) -> broadcast::Receiver<Arc<[String]>> {
        self.changes.subscribe()
    }

    /// Marks key ids and takes them out of the cache. To be called before the change can be seen in the store, and held
    /// until it can or never will.
    pub fn mark(&self, key_ids: Vec<String>) -> Marked {
        let mut marked = self.cache.marked.lock().unwrap_or_else(PoisonError::into_inner);
        for key_id in &key_ids {
            *marked.entry(key_id.clone()).or_default() += 1;
        }
        drop(marked);
        for key_id in &key_ids {
            self.cache.kept.remove(key_id.as_str());
        }
        Marked { app: self.clone(), key_ids }
    }
}

async fn read(db: &Db, key_id: &str) -> Result<Option<Stored>, StoreError> {
    let mut conn = db.read().await?;
    credentials::find(&mut conn, key_id).await
}

fn owner_state(stored: &Stored) -> OwnerState {
    if !stored.app_is_enabled {
        return OwnerState::AppDisabled;
    }
    match (stored.credential.mode, stored.activation) {
        (Mode::Test, _) | (Mode::Live, Activation::Approved) => OwnerState::Enabled,
        (Mode::Live, Activation::Pending | Activation::Rejected | Activation::Suspended) => {
            OwnerState::MerchantNotApproved
        }
    }
}
