//! What is remembered of endpoints, so that a delivery need not read them anew: the row, its app, and the secrets as they are
//! sealed. Whoever changes an endpoint says so after the commit, before the change is answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keymint_domain::id::EndpointId;
use keymint_store::apps::App as AppRow;
use keymint_store::webhooks::{Endpoint, EndpointSecret};

/// Endpoints that are remembered; one more, and all are forgotten.
const KNOWN_MAX: usize = 10_000;

/// An endpoint as it was read.
pub struct Known {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its app.
    pub row: AppRow,
    /// Its secrets, newest first, sealed.
    pub secrets: Vec<EndpointSecret>,
}

#[derive(Default)]
struct Inside {
    known: HashMap<EndpointId, Arc<Known>>,
    /// How often something was forgotten: what was read before is not remembered after.
    forgotten: u64,
}

/// The memory.
#[derive(Default)]
pub struct Memory(Mutex<Inside>);

impl Memory {
    /// What is remembered; without it, the number to say when what was read is to be remembered.
    pub fn find(&self, endpoint: EndpointId) -> Result<Arc<Known>, u64> {
        let inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.known.get(&endpoint).cloned().ok_or(inside.forgotten)
    }

    /// Remembers what was read since that number was told, unless something was forgotten meanwhile.
    pub fn remember(&self, known: &Arc<Known>, since: u64) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.forgotten != since {
            return;
        }
        if inside.known.len() >= KNOWN_MAX {
            inside.known.clear();
        }
        inside.known.insert(known.endpoint.id, Arc::clone(known));
    }

    /// An endpoint was changed.
    pub fn forget(&self, endpoint: EndpointId) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.forgotten += 1;
        inside.known.remove(&endpoint);
    }
}
