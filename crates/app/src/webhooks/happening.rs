//! What happened, on its way to the store and from there straight to its endpoints: a delivery that has a place in its lane is
//! sent as soon as it is on disk, without being looked for. One that has none is found as what is due is.

use keymint_domain::id::{DeliveryId, EndpointId, EventId};
use keymint_domain::webhook::Webhooks;
use keymint_store::db::{Conn, Db};
use keymint_store::deliveries::{self, Delivery, DeliveryState, Event, Happened, NewDelivery};
use keymint_store::error::StoreError;
use keymint_store::webhooks::Endpoint;

use super::Place;
use super::batch::Entry;
use crate::App;
use crate::ops::OpError;

/// An event and its deliveries. Dropped before it is said that they are written, it has them looked for: nobody knows then
/// whether they are.
pub struct Happening {
    app: App,
    happened: Happened,
    /// The places of those deliveries that have one.
    places: Vec<Place>,
}

impl Happening {
    /// An event for these endpoints.
    ///
    /// # Errors
    /// `OpError::Entropy`.
    pub fn new<'a>(
        app: &App,
        rules: &Webhooks,
        event: Event,
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
    ) -> Result<Self, OpError> {
        let new = |endpoint: &Endpoint| {
            let id = DeliveryId::fresh(event.at, &*app.entropy)?;
            let subject = if endpoint.is_ordered { rules.subject_of(&event.body) } else { None };
            Ok(NewDelivery { id, endpoint_id: endpoint.id, secret_version: endpoint.secret_version, subject })
        };
        let deliveries = endpoints.into_iter().map(new).collect::<Result<Vec<_>, OpError>>()?;
        // One with a subject may have to wait for others.
        let free = deliveries.iter().filter(|delivery| delivery.subject.is_none());
        let places = free.filter_map(|delivery| Place::reserve(app, delivery.endpoint_id, delivery.id)).collect();
        Ok(Self { app: app.clone(), happened: Happened { event, deliveries }, places })
    }

    /// The event's id.
    pub fn event(&self) -> EventId {
        self.happened.event.id
    }

    /// The ids of its deliveries.
    pub fn deliveries(&self) -> Vec<DeliveryId> {
        self.happened.deliveries.iter().map(|new| new.id).collect()
    }

    /// Writes it into the transaction of what happened.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn write(&self, conn: &mut Conn) -> Result<(), StoreError> {
        deliveries::insert(conn, &[&self.happened]).await
    }

    /// The transaction is committed: sends what has a place.
    pub fn written(mut self) {
        let places = if self.app.is_serving() { std::mem::take(&mut self.places) } else { Vec::new() };
        for place in places {
            let deliveries = &mut self.happened.deliveries;
            let Some(at) = deliveries.iter().position(|new| new.id == place.delivery) else { continue };
            let new = deliveries.swap_remove(at);
            place.start(self.delivery(&new));
        }
        // Dropped now, it has those looked for that are left.
    }

    fn delivery(&self, new: &NewDelivery) -> Delivery {
        let event = &self.happened.event;
        Delivery {
            id: new.id,
            event_id: event.id,
            event: event.name.clone(),
            body: event.body.clone(),
            endpoint_id: new.endpoint_id,
            secret_version: new.secret_version,
            subject: new.subject.clone(),
            state: DeliveryState::Waiting,
            tries: 0,
            tries_before: 0,
            created_at: event.at,
            next_at: Some(event.at),
        }
    }
}

impl Entry for Happening {
    fn apart(&self) -> Option<EndpointId> {
        None
    }

    async fn write_all(db: &Db, all: &[&Self]) -> Result<(), StoreError> {
        let all: Vec<_> = all.iter().map(|one| &one.happened).collect();
        deliveries::insert_alone(db, &all).await
    }

    fn done(self) {
        self.written();
    }
}

impl Drop for Happening {
    fn drop(&mut self) {
        self.places.clear();
        let left: Vec<_> = self.happened.deliveries.iter().map(|new| new.endpoint_id).collect();
        self.app.webhooks.wake_for(left);
    }
}
