//! Tries on their way to the store: those that have ended while one commit was under way are in the next one.
//!
//! One of each endpoint at most: whoever disables an endpoint changes all of its deliveries in an order of the database's own,
//! and a transaction that held two of them could wait for it while it waits for us.

use std::collections::HashSet;

use keymint_domain::id::{DeliveryId, EndpointId};
use keymint_domain::time::UnixMs;
use keymint_store::db::Db;
use keymint_store::deliveries::{self, Attempt, DeliveryState};
use keymint_store::error::StoreError;
use tokio::sync::{mpsc, oneshot};

/// Tries in one transaction: small enough that another writer's turn comes soon.
const BATCH_MAX: usize = 128;
/// Tries that may wait. There are never more under way than lanes have places.
const WAITING_MAX: usize = 4096;

/// A try that is over.
pub struct Done {
    /// Of which endpoint.
    pub endpoint: EndpointId,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// What it was.
    pub attempt: Attempt,
    /// How the delivery stands now, and when it is tried next.
    pub next: (DeliveryState, Option<UnixMs>),
}

/// A try, and who wants to hear that it is written down.
pub struct Waiting(Done, oneshot::Sender<Result<(), StoreError>>);

/// The way to the store.
pub struct Records(mpsc::Sender<Waiting>);

impl Records {
    /// A way, and its end.
    pub fn new() -> (Self, mpsc::Receiver<Waiting>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Writes a try down. When what this returns is `Ok`, it survives a crash.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn write(&self, done: Done) -> Result<(), StoreError> {
        let gone = || StoreError::Unavailable("nobody writes tries any more".to_owned());
        let (told, written) = oneshot::channel();
        self.0.send(Waiting(done, told)).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

/// Writes what comes, until nobody can send any more.
pub async fn run(db: Db, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while !batch.is_empty() || waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let mut endpoints = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) =
            batch.drain(..).partition(|Waiting(done, _)| endpoints.insert(done.endpoint));
        batch = later;
        let written = write(&db, now.iter().map(|Waiting(done, _)| done)).await;
        for Waiting(done, told) in now {
            // One that cannot be written keeps no other from it.
            let result = if written.is_ok() { Ok(()) } else { write(&db, std::iter::once(&done)).await };
            let _ = told.send(result);
        }
        // What has come meanwhile goes along.
        while batch.len() < BATCH_MAX
            && let Ok(more) = waiting.try_recv()
        {
            batch.push(more);
        }
    }
}

async fn write(db: &Db, batch: impl Iterator<Item = &Done>) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    for done in batch {
        deliveries::record(tx.conn(), done.delivery, &done.attempt, done.next).await?;
    }
    tx.commit().await
}
