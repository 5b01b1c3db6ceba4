//! What is kept ready of the store, and how a change reaches it.
//!
//! A change marks what it concerns, takes that out of memory, and only then commits; the marks go once the commit has
//! ended. What is marked is read from the store each time and not kept. A reading that began before the mark may still be on
//! its way with the old value: it holds a placeholder, which the change takes out as well, so what it read is not kept, and it
//! reads again. Whoever waits at that placeholder gets what was read: they came before the mark, and so before the change was
//! answered. Whoever comes after the mark finds nothing older than the store has.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keymint_domain::id::{AppId, EndpointId};
use keymint_domain::mode::Mode;
use keymint_store::apps::App as AppRow;
use keymint_store::webhooks::{Endpoint, EndpointSecret};
use quick_cache::sync::Cache;
use thiserror::Error;

use crate::App;
use crate::ops::Actor;

/// Readings before the caller is told to try again: each repeat means that a change came in between.
const READINGS_MAX: usize = 8;
/// Tokens, apps and endpoints that are kept, of each kind.
const KEPT_MAX: usize = 10_000;

/// Values of the store by their names, the most used of them.
pub struct Ready<K, V> {
    kept: Cache<K, V>,
    /// Names with a change under way, and how many.
    marked: Mutex<HashMap<K, usize>>,
}

/// A value was changed again and again while it was being read.
#[derive(Clone, Copy, Debug, Error)]
#[error("it was changed again and again while it was read")]
pub struct Unsteady;

impl<K: Clone + Eq + Hash, V: Clone> Ready<K, V> {
    /// Room for so many.
    pub fn new(kept_max: usize) -> Self {
        Self { kept: Cache::new(kept_max), marked: Mutex::default() }
    }

    fn marked(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of a name; nothing when it has to be read.
    pub fn kept<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.kept.get(name)
    }

    /// The value of a name: the one that is kept, or what `read` finds. An error is not kept.
    ///
    /// # Errors
    /// Those of `read`; `Unsteady`.
    pub async fn find<Q, E, F>(&self, name: &Q, read: impl Fn() -> F) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
        E: From<Unsteady>,
        F: Future<Output = Result<V, E>>,
    {
        for _ in 0..READINGS_MAX {
            let guard = match self.kept.get_value_or_guard_async(name).await {
                Ok(found) => return Ok(found),
                Err(guard) => guard,
            };
            // Looked at with the placeholder in hand: a mark set after this takes the placeholder out.
            let is_marked = self.marked().contains_key(name);
            let found = read().await?;
            if is_marked || guard.insert(found.clone()).is_ok() {
                return Ok(found);
            }
        }
        Err(Unsteady.into())
    }

    fn mark(&self, names: &[K]) {
        let mut marked = self.marked();
        for name in names {
            *marked.entry(name.clone()).or_default() += 1;
        }
        drop(marked);
        for name in names {
            self.kept.remove(name);
        }
    }

    fn unmark(&self, names: &[K]) {
        let mut marked = self.marked();
        for name in names {
            if let Some(count) = marked.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    marked.remove(name);
                }
            }
        }
    }
}

/// SHA-256 of a token's text.
pub type TokenDigest = [u8; 32];

/// An endpoint as a delivery needs it.
pub struct ReadyEndpoint {
    /// The endpoint: enabled, and as this Keymint wrote it.
    pub endpoint: Endpoint,
    /// Its secrets, newest first, sealed.
    pub secrets: Vec<EndpointSecret>,
}

/// What use cases keep ready, beside credentials.
pub struct Registry {
    /// Who a token stands for; nobody where none lives of that digest.
    pub actors: Ready<TokenDigest, Option<Actor>>,
    /// Apps.
    pub apps: Ready<AppId, Arc<AppRow>>,
    /// The enabled endpoints of an app and mode, oldest first.
    pub audiences: Ready<(AppId, Mode), Arc<[Endpoint]>>,
    /// Endpoints by their ids; nothing where it may not be sent to.
    pub endpoints: Ready<EndpointId, Option<Arc<ReadyEndpoint>>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            actors: Ready::new(KEPT_MAX),
            apps: Ready::new(KEPT_MAX),
            audiences: Ready::new(KEPT_MAX),
            endpoints: Ready::new(KEPT_MAX),
        }
    }
}

/// What a change concerns of all that is kept ready.
#[derive(Default)]
pub struct Affected {
    /// Key ids of credentials.
    pub key_ids: Vec<String>,
    /// Digests of tokens.
    pub tokens: Vec<TokenDigest>,
    /// Apps.
    pub apps: Vec<AppId>,
    /// Endpoints, and with each those who are told what happens to its app.
    pub endpoints: Vec<EndpointId>,
    /// Apps and modes whose endpoints are others.
    pub audiences: Vec<(AppId, Mode)>,
}

impl Affected {
    /// An endpoint is made, changed, or deleted.
    pub fn endpoint(&mut self, endpoint: &Endpoint) {
        self.endpoints.push(endpoint.id);
        self.audiences.push((endpoint.app_id, endpoint.mode));
    }
}

impl From<Vec<String>> for Affected {
    fn from(key_ids: Vec<String>) -> Self {
        Self { key_ids, ..Self::default() }
    }
}

/// What has a change under way. Dropped once it has ended, however it did.
pub struct Marked {
    app: App,
    affected: Affected,
}

impl App {
    /// Marks what a change concerns and takes it out of memory. To be called before the change can be seen in the store,
    /// and held until it can or never will.
    pub fn mark(&self, affected: impl Into<Affected>) -> Marked {
        let affected = affected.into();
        self.cache.mark(&affected.key_ids);
        self.registry.actors.mark(&affected.tokens);
        self.registry.apps.mark(&affected.apps);
        self.registry.endpoints.mark(&affected.endpoints);
        self.registry.audiences.mark(&affected.audiences);
        Marked { app: self.clone(), affected }
    }
}

impl Marked {
    /// For a change of which nobody knows whether it will be seen: what it concerns is read from the store from now on, each
    /// time, until the process ends.
    pub fn keep(mut self) {
        let affected = std::mem::take(&mut self.affected);
        let _ = self.app.changes.send(affected.key_ids.into());
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let Self { app, affected } = self;
        app.cache.unmark(&affected.key_ids);
        app.registry.actors.unmark(&affected.tokens);
        app.registry.apps.unmark(&affected.apps);
        app.registry.endpoints.unmark(&affected.endpoints);
        app.registry.audiences.unmark(&affected.audiences);
        // Behind the marks: whoever looks again now finds the record as it has become.
        let _ = app.changes.send(std::mem::take(&mut affected.key_ids).into());
    }
}
