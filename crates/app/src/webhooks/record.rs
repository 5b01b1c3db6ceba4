//! Tries on their way to the store.

use keymint_domain::id::EndpointId;
use keymint_store::db::Db;
use keymint_store::deliveries::{self, Tried};
use keymint_store::error::StoreError;

use super::batch::Entry;

/// A try that is over, and of which endpoint.
pub struct Done {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The try.
    pub tried: Tried,
}

impl Entry for Done {
    /// Whoever disables an endpoint changes all of its deliveries in an order of the database's own, and a transaction that
    /// held two of them could wait for it while it waits for us.
    fn apart(&self) -> Option<EndpointId> {
        Some(self.endpoint)
    }

    async fn write_all(db: &Db, all: &[&Self]) -> Result<(), StoreError> {
        let tries: Vec<_> = all.iter().map(|done| &done.tried).collect();
        deliveries::record_alone(db, &tries).await
    }

    fn done(self) {}
}
