//! Credentials kept ready. How a change reaches them is in `ready.rs`.
//!
//! Unknown key ids are kept as well, in the same bounded cache, so that asking for one again costs no query; issuing takes
//! them out the same way. The cache lets single visitors go first, so a flood of made-up key ids does not push out those
//! in use.

use std::sync::Arc;

use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::verify::{Candidate, OwnerState};
use keymint_store::credentials::{self, Stored};
use keymint_store::db::{Db, EngineName};
use keymint_store::error::StoreError;
use keymint_store::merchants::Activation;
use tokio::sync::broadcast;

use crate::App;
use crate::ready::{Ready, Unsteady};

/// The cache. `None` stands for a key id that nobody has.
pub type CredentialCache = Ready<String, Option<Arc<Candidate>>>;

impl From<Unsteady> for DenyReason {
    fn from(_: Unsteady) -> Self {
        Self::Unavailable
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
            None => Box::pin(self.cache.find(key_id, || self.load(key_id))).await,
        }
    }

    /// What the cache holds of a key id; `None` when it has to be read.
    fn kept(&self, key_id: &str) -> Result<Option<Option<Arc<Candidate>>>, DenyReason> {
        if self.is_serving() { Ok(self.cache.kept(key_id)) } else { Err(DenyReason::Unavailable) }
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
