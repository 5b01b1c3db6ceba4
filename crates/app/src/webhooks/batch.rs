//! What waits to be written: those that come while one commit is under way are in the next one, all of them together. Whoever
//! waits is told after that commit.

use std::collections::HashSet;

use keymint_domain::id::EndpointId;
use keymint_store::db::Db;
use keymint_store::error::StoreError;
use tokio::sync::{mpsc, oneshot};

/// Entries in one transaction: small enough that another writer's turn comes soon.
const BATCH_MAX: usize = 128;
/// Entries that may wait; whoever brings one more waits for a place.
const WAITING_MAX: usize = 4096;

/// What is written together with others of its kind.
pub trait Entry: Send + Sync + Sized + 'static {
    /// One of those that name the same endpoint is in a transaction at a time.
    fn apart(&self) -> Option<EndpointId>;

    /// Writes them, in one transaction.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    fn write_all(db: &Db, all: &[&Self]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// It is on disk.
    fn done(self);
}

/// An entry, and who wants to hear that it is written down.
pub struct Waiting<T>(T, oneshot::Sender<Result<(), StoreError>>);

/// The way to the store.
pub struct Batches<T>(mpsc::Sender<Waiting<T>>);

impl<T: Entry> Batches<T> {
    /// A way, and its end.
    pub fn new() -> (Self, mpsc::Receiver<Waiting<T>>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Writes an entry down. When what this returns is `Ok`, it survives a crash.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn write(&self, entry: T) -> Result<(), StoreError> {
        let gone = || StoreError::Unavailable("nobody writes any more".to_owned());
        let (told, written) = oneshot::channel();
        self.0.send(Waiting(entry, told)).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

/// Writes what comes, until nobody can send any more.
pub async fn run<T: Entry>(db: Db, mut waiting: mpsc::Receiver<Waiting<T>>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while !batch.is_empty() || waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let mut endpoints = HashSet::new();
        let is_now = |Waiting(entry, _): &Waiting<T>| entry.apart().is_none_or(|endpoint| endpoints.insert(endpoint));
        let (now, later): (Vec<_>, Vec<_>) = batch.drain(..).partition(is_now);
        batch = later;
        let entries: Vec<_> = now.iter().map(|Waiting(entry, _)| entry).collect();
        let written = T::write_all(&db, &entries).await;
        for Waiting(entry, told) in now {
            let result = match &written {
                Ok(()) => Ok(()),
                Err(StoreError::Unavailable(why)) => Err(StoreError::Unavailable(why.clone())),
                // One that cannot be written keeps no other from it.
                Err(_) => T::write_all(&db, &[&entry]).await,
            };
            if result.is_ok() {
                entry.done();
            }
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
