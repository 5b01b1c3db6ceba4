//! Carries events to endpoints.
//!
//! Deliveries stand in the database with the moment of their next try, so nothing is lost when the process dies: what was
//! under way is due again, with the same event id. One process owns the database, so what is under way is known here and
//! nowhere else. What was just written is known too, and is sent without being looked for (`happening.rs`). Each endpoint has a lane of its own with few places (`lanes.rs`): one that hangs keeps its own lane full and
//! no other's, and one that has not answered for a while is asked seldom (the domain's `webhook/circuit.rs`). A try is
//! recorded with what comes of it in one transaction, together with others that have ended meanwhile (`batch.rs`); the
//! signature is made anew for each, because the time may be in it.

mod batch;
mod happening;
mod lanes;
mod record;

pub use happening::Happening;

use std::sync::Arc;
use std::time::Duration;

use keymint_domain::id::{AppId, DeliveryId, EndpointId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::seal::Verifier;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::schedule::{Answer, Next};
use keymint_domain::webhook::signature::Signed;
use keymint_domain::webhook::target::Target;
use keymint_domain::webhook::{SecretSource, Webhooks};
use keymint_store::apps::App as AppRow;
use keymint_store::credentials::{self, Slots, Stored};
use keymint_store::db::Conn;
use keymint_store::deliveries::{self, Attempt, Delivery, DeliveryState, Tried};
use keymint_store::due;
use keymint_store::error::StoreError;
use keymint_store::webhooks::{self, Endpoint, EndpointSecret, EndpointState};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::App;
use crate::ops::apps::ready as ready_app;
use crate::ops::deliveries::KEPT_MS;
use crate::ops::webhooks::{is_intact, record, refused, rules};
use crate::ops::{Actor, Change, OpError, Saying, notices};
use crate::outbound::{Reply, write_field};
use crate::ready::ReadyEndpoint;
use crate::say;

use batch::{Batches, Waiting};
use lanes::{Lanes, Look, Room};
use record::Done;

/// How often deliveries are looked for when nobody says that there is one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Who may listen at the same time, over all apps.
const LISTENERS_MAX: usize = 64;
/// How often what is too old is deleted. Milliseconds.
const PRUNE_EVERY_MS: i64 = 600_000;

/// What is under way, and how to say that there is more.
pub struct Carrier {
    wake: Arc<Notify>,
    lanes: Lanes,
    happenings: Batches<Happening>,
    records: Batches<Done>,
    /// Counts what was written, for whoever listens.
    written: watch::Sender<u64>,
    listeners: Arc<Semaphore>,
}

/// What waits to be written down.
pub struct Unwritten {
    happenings: mpsc::Receiver<Waiting<Happening>>,
    records: mpsc::Receiver<Waiting<Done>>,
}

impl Carrier {
    /// A carrier with nothing under way.
    pub fn new() -> (Self, Unwritten) {
        let (happenings, unwritten_happenings) = Batches::new();
        let (records, unwritten_records) = Batches::new();
        let carrier = Self {
            wake: Arc::default(),
            lanes: Lanes::default(),
            happenings,
            records,
            written: watch::Sender::default(),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
        };
        (carrier, Unwritten { happenings: unwritten_happenings, records: unwritten_records })
    }

    /// Writes down what happened, together with what else happens now, and sends it.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub async fn happen(&self, happening: Happening) -> Result<(), StoreError> {
        self.happenings.write(happening).await
    }

    /// A transaction that wrote deliveries is committed.
    pub fn wake(&self) {
        self.lanes.ask_all();
        self.wake.notify_one();
        self.written.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A transaction that wrote deliveries is committed, and those for these endpoints are not on their way yet.
    pub fn wake_for(&self, endpoints: Vec<EndpointId>) {
        if !endpoints.is_empty() {
            self.lanes.ask(endpoints);
            self.wake.notify_one();
        }
        self.written.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever something was written.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// A place to listen; nothing when all are taken.
    pub(crate) fn listener_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.listeners).try_acquire_owned().ok()
    }

    /// A change of an endpoint is committed.
    pub fn forget(&self, endpoint: EndpointId) {
        self.lanes.forget(endpoint);
        self.wake();
    }
}

/// A place in a lane; given back when the try is over, however it ends.
struct Place {
    app: App,
    endpoint: EndpointId,
    delivery: DeliveryId,
}

impl Place {
    /// A place for a delivery that is being written, where there is one.
    fn reserve(app: &App, endpoint: EndpointId, delivery: DeliveryId) -> Option<Self> {
        let has_place = app.webhooks.lanes.reserve(endpoint, delivery);
        has_place.then(|| Self { app: app.clone(), endpoint, delivery })
    }

    /// Tries the delivery, in a task of its own.
    fn start(self, delivery: Delivery) {
        let runtime = self.app.runtime.clone();
        runtime.spawn(async move {
            if let Err(error) = self.app.attempt(&delivery).await {
                tracing::error!(%error, delivery = %delivery.id, "a delivery could not be tried");
                // It is due still: without a wait, this would go round and round.
                tokio::time::sleep(LOOK_EVERY).await;
                self.app.webhooks.wake();
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.app.webhooks.lanes.end(self.endpoint, self.delivery) {
            self.app.webhooks.wake.notify_one();
        }
    }
}

impl App {
    /// Carries events for as long as the app lives.
    pub(crate) fn carry_webhooks(&self, unwritten: Unwritten) {
        tokio::spawn(batch::run(self.db.clone(), unwritten.happenings));
        tokio::spawn(batch::run(self.db.clone(), unwritten.records));
        let (shared, wake) = (Arc::downgrade(&self.0), Arc::clone(&self.webhooks.wake));
        tokio::spawn(async move {
            let mut pruned_at: Option<UnixMs> = None;
            let mut is_quiet = true;
            loop {
                let Some(shared) = shared.upgrade() else { return };
                let app = Self(shared);
                if is_quiet {
                    app.webhooks.lanes.ask_all();
                }
                let now = app.clock.now();
                if pruned_at.is_none_or(|at| now.0 - at.0 >= PRUNE_EVERY_MS) {
                    pruned_at = Some(now);
                    if let Err(error) = app.prune_events().await {
                        tracing::error!(%error, "old events could not be deleted");
                    }
                }
                let wait = app.start_due(now).await.unwrap_or_else(|error| {
                    tracing::error!(%error, "deliveries could not be looked for");
                    app.webhooks.lanes.ask_all();
                    LOOK_EVERY
                });
                drop(app);
                // Nobody said anything for so long: look everywhere, in case somebody should have.
                is_quiet = tokio::time::timeout(wait, wake.notified()).await.is_err() && wait == LOOK_EVERY;
            }
        });
    }

    async fn prune_events(&self) -> Result<(), OpError> {
        let mut tx = self.db.write().await?;
        deliveries::prune(tx.conn(), UnixMs(self.clock.now().0 - KEPT_MS)).await?;
        Ok(tx.commit().await?)
    }

    /// Starts what is due and has a place; until when nothing more will be due.
    async fn start_due(&self, now: UnixMs) -> Result<Duration, OpError> {
        if !self.is_serving() {
            return Ok(LOOK_EVERY);
        }
        let lanes = &self.webhooks.lanes;
        let mut conn = self.db.read().await?;
        let endpoints = match lanes.look(now) {
            Look::These(endpoints) => endpoints,
            Look::All => {
                if let Some(next) = due::next(&mut conn, now).await? {
                    lanes.expect_at(next);
                }
                due::endpoints(&mut conn, now).await?
            }
        };
        for endpoint in endpoints {
            self.start_lane(&mut conn, endpoint, now).await?;
        }
        let until = |at: UnixMs| u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0).saturating_add(1);
        Ok(lanes.next_at().map_or(LOOK_EVERY, |at| Duration::from_millis(until(at))).min(LOOK_EVERY))
    }

    /// Starts what is due for an endpoint and has a place.
    async fn start_lane(&self, conn: &mut Conn, endpoint: EndpointId, now: UnixMs) -> Result<(), OpError> {
        let lanes = &self.webhooks.lanes;
        let Room { places, under_way, is_trial } = lanes.room(endpoint, now);
        if places == 0 {
            return Ok(());
        }
        let limit = i64::try_from(places + under_way.len() + 1).unwrap_or(i64::MAX);
        let found = match is_trial {
            true => due::oldest(conn, endpoint, (now, limit)).await,
            false => due::longest_waiting(conn, endpoint, (now, limit)).await,
        };
        let found = found.inspect_err(|_| lanes.begin(endpoint, std::iter::empty(), true))?;
        let mut fresh: Vec<_> = found.into_iter().filter(|one| !under_way.contains(&one.id)).collect();
        let is_cut = fresh.len() > places;
        fresh.truncate(places);
        // Behind one with a subject another may wait for its turn.
        let has_more = is_cut || fresh.iter().any(|one| one.subject.is_some());
        lanes.begin(endpoint, fresh.iter().map(|one| one.id), has_more);
        for delivery in fresh {
            let place = Place { app: self.clone(), endpoint, delivery: delivery.id };
            place.start(delivery);
        }
        Ok(())
    }

    /// Tries a delivery, and records the try.
    async fn attempt(&self, delivery: &Delivery) -> Result<(), OpError> {
        let Some(ready) = self.endpoint_of(delivery).await? else { return Ok(()) };
        let endpoint = &ready.endpoint;
        let row = &*ready_app(self, Actor::System, endpoint.app_id).await?;
        let rules = rules(self, row)?;
        let at = self.clock.now();
        let (request, mut reply) = match self.signed((&ready, row), (rules, delivery, at)).await? {
            Ok((target, headers)) => {
                let request = request(&target, &headers);
                let body = delivery.body.clone();
                (Some(request), self.outbound.post(&target, (headers, body), (rules.timeout, at)).await)
            }
            Err(problem) => (None, Err(problem)),
        };
        let now = self.clock.now();
        let answer = answer(rules, &reply);
        self.webhooks.lanes.note(endpoint.id, answer, now);
        let attempt = Attempt {
            number: delivery.tries + 1,
            at,
            took_ms: now.0.saturating_sub(at.0).max(0),
            status: reply.as_ref().ok().map(|reply| i64::from(reply.status)),
            problem: problem(answer, &reply),
            request,
            answer_head: reply.as_mut().ok().map(|reply| std::mem::take(&mut reply.head)),
            answer: reply.ok().map(|reply| reply.text),
        };
        let mut chance = [0; 2];
        self.entropy.fill(&mut chance)?;
        let tries = usize::try_from(attempt.number - delivery.tries_before).unwrap_or(usize::MAX);
        match rules.retry.next(tries, answer, u16::from_ne_bytes(chance)) {
            Next::Done => self.record(delivery, attempt, (DeliveryState::Delivered, None)).await,
            Next::Wait(wait) => {
                let next_at = UnixMs(self.clock.now().0.saturating_add(wait));
                self.record(delivery, attempt, (DeliveryState::Waiting, Some(next_at))).await?;
                self.webhooks.lanes.expect_at(next_at);
                self.webhooks.wake.notify_one();
                Ok(())
            }
            Next::GiveUp { disables: false } => self.record(delivery, attempt, (DeliveryState::Failed, None)).await,
            Next::GiveUp { disables: true } => {
                let tried = Tried { delivery: delivery.id, attempt, state: DeliveryState::Failed, next_at: None };
                self.give_up(&tried, (endpoint, row)).await
            }
        }
    }

    /// The endpoint of a delivery. Nothing where it may not be sent to; then what waits for it is held.
    async fn endpoint_of(&self, delivery: &Delivery) -> Result<Option<Arc<ReadyEndpoint>>, OpError> {
        let id = delivery.endpoint_id;
        if let Some(found) = self.registry.endpoints.find(&id, || self.read_endpoint(id)).await? {
            return Ok(Some(found));
        }
        tracing::warn!(endpoint = %id, "events are held: the endpoint is disabled, gone, or was edited");
        let mut tx = self.db.write().await?;
        deliveries::hold(tx.conn(), id).await?;
        tx.commit().await?;
        Ok(None)
    }

    async fn read_endpoint(&self, id: EndpointId) -> Result<Option<Arc<ReadyEndpoint>>, OpError> {
        let mut conn = self.db.read().await?;
        let found = webhooks::find(&mut conn, id).await?;
        let is_good = |one: &Endpoint| one.state == EndpointState::Enabled && is_intact(self, one);
        let Some(endpoint) = found.filter(is_good) else { return Ok(None) };
        let secrets = webhooks::secrets(&mut conn, id).await?;
        Ok(Some(Arc::new(ReadyEndpoint { endpoint, secrets })))
    }

    /// The endpoints of an app and mode, oldest first.
    ///
    /// # Errors
    /// `Store`; `Busy` while they are changed again and again.
    pub(crate) async fn audience(&self, app_id: AppId, mode: Mode) -> Result<Arc<[Endpoint]>, OpError> {
        let read = || async move {
            let mut conn = self.db.read().await?;
            Ok(webhooks::of_app(&mut conn, app_id, mode).await?.into())
        };
        self.registry.audiences.find(&(app_id, mode), read).await
    }

    /// Where a delivery goes and under which headers, or why it cannot be sent.
    async fn signed(
        &self,
        (ready, row): (&ReadyEndpoint, &AppRow),
        (rules, delivery, at): (&Webhooks, &Delivery, UnixMs),
    ) -> Result<Result<(Target, HeaderMap), String>, OpError> {
        let target = match Target::parse(&ready.endpoint.url, &rules.target, |address| self.outbound.allows(address)) {
            Ok(target) => target,
            Err(error) => return Ok(Err(refused(&error))),
        };
        let secrets = self.signing_secrets((ready, row), (rules, delivery, at)).await?;
        if secrets.is_empty() && (rules.secret != SecretSource::Chosen || delivery.secret_version > 0) {
            return Ok(Err(say!("webhook-no-secret").to_owned()));
        }
        let (id, timestamp) = (delivery.event_id.to_string(), (at.0 / 1000).to_string());
        let signed = Signed { id: &id, timestamp: &timestamp, body: delivery.body.as_bytes() };
        let signature = rules.signing.sign(signed, &secrets);
        let mut headers = HeaderMap::new();
        for (name, value) in rules.headers(&delivery.event, signed, signature.as_deref()) {
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let Some((name, value)) = pair else { return Ok(Err(say!("webhook-no-header").to_owned())) };
            headers.insert(name, value);
        }
        Ok(Ok((target, headers)))
    }

    /// The secrets that sign a delivery now, newest first.
    async fn signing_secrets(
        &self,
        (ready, row): (&ReadyEndpoint, &AppRow),
        (rules, delivery, now): (&Webhooks, &Delivery, UnixMs),
    ) -> Result<Vec<SecretText>, OpError> {
        let ReadyEndpoint { endpoint, secrets } = ready;
        if rules.secret == SecretSource::Credential {
            let mut conn = self.db.read().await?;
            return Ok(self.newest_key_secret(&mut conn, (row, endpoint.mode), now).await?.into_iter().collect());
        }
        let both = rules.signing.overlap_seconds_max > 0;
        let signs = |one: &&EndpointSecret| match both {
            true => one.ends_at.is_none_or(|end| end > now),
            false => one.version == delivery.secret_version,
        };
        let open = |one: &EndpointSecret| {
            self.keyring.open_for(&record(endpoint.id, one.version), &one.sealed).map_err(|_| OpError::Seal)
        };
        secrets.iter().filter(signs).map(open).collect()
    }

    /// The secret of the newest key of an app and mode, where its scheme signs.
    pub(crate) async fn newest_key_secret(
        &self,
        conn: &mut Conn,
        (row, mode): (&AppRow, Mode),
        now: UnixMs,
    ) -> Result<Option<SecretText>, OpError> {
        let Some(product) = self.products.find(&row.product) else { return Ok(None) };
        let owner = product.dialect.owner.id(row.merchant_id, row.id);
        let slots = Slots { owner: &owner, product: &row.product, mode };
        let newest = credentials::newest_active(conn, slots, now).await?;
        Ok(newest.and_then(|stored| self.key_secret(&stored)))
    }

    /// The secret of a key whose scheme signs; nothing where the row was not written by this Keymint (T56).
    fn key_secret(&self, stored: &Stored) -> Option<SecretText> {
        let credential = &stored.credential;
        if !self.keyring.row_is_intact(&credential.check_bytes(), &stored.row_check) {
            return None;
        }
        match self.keyring.open(&credential.id, &credential.key_id, &credential.secret) {
            Ok(Verifier::Opened(secret)) => String::from_utf8(secret.expose().to_vec()).ok().map(SecretText::new),
            Ok(Verifier::Hashed { .. }) | Err(_) => None,
        }
    }

    async fn record(
        &self,
        delivery: &Delivery,
        attempt: Attempt,
        next: (DeliveryState, Option<UnixMs>),
    ) -> Result<(), OpError> {
        let (endpoint, (state, next_at)) = (delivery.endpoint_id, next);
        let tried = Tried { delivery: delivery.id, attempt, state, next_at };
        Ok(self.webhooks.records.write(Done { endpoint, tried }).await?)
    }

    /// Records the last try, disables the endpoint, and writes to those who should know.
    async fn give_up(&self, tried: &Tried, (endpoint, row): (&Endpoint, &AppRow)) -> Result<(), OpError> {
        let Tried { delivery, attempt, .. } = tried;
        let mut change = Change::begin(self, Actor::System, Act::Operate).await?;
        deliveries::record(change.conn(), &[tried]).await?;
        let now = webhooks::find(change.conn(), endpoint.id).await?.filter(|now| now == endpoint);
        let Some(mut now) = now else {
            // Somebody changed it since: what was tried was not what is there.
            let detail = json!({ "delivery": delivery.to_string() });
            return self.say_failed(change, (endpoint, row), ("webhook.event_given_up", detail)).await;
        };
        now.state = EndpointState::Failing;
        now.row_check = self.keyring.row_check(&now.check_bytes());
        webhooks::update(change.conn(), &now).await?;
        change.affected().endpoint(&now);
        deliveries::hold(change.conn(), endpoint.id).await?;
        notices::webhook_failing(self, &mut change, (endpoint, row), attempt).await?;
        let detail = json!({ "delivery": delivery.to_string(), "problem": attempt.problem });
        self.say_failed(change, (endpoint, row), ("webhook.disabled", detail)).await?;
        self.webhooks.forget(endpoint.id);
        self.post.wake();
        Ok(())
    }

    async fn say_failed(
        &self,
        change: Change<'_>,
        (endpoint, row): (&Endpoint, &AppRow),
        (action, detail): (&'static str, serde_json::Value),
    ) -> Result<(), OpError> {
        let subject = endpoint.id.to_string();
        change.commit(Saying { action, subject: &subject, merchant: Some(row.merchant_id), detail }, Vec::new()).await
    }
}

/// What goes out before the body, for the people whose endpoint it is.
fn request(target: &Target, headers: &HeaderMap) -> String {
    let mut text = format!("POST {}\n", target.as_str());
    for (name, value) in headers {
        write_field(&mut text, name, value);
    }
    text
}

fn answer(rules: &Webhooks, reply: &Result<Reply, String>) -> Answer {
    match reply {
        Ok(reply) if rules.success.holds(reply.status) => Answer::Taken,
        Ok(reply) => Answer::Refused { status: reply.status, retry_after_ms: reply.retry_after_ms },
        Err(_) => Answer::Silence,
    }
}

/// Why a try counts as failed.
fn problem(answer: Answer, reply: &Result<Reply, String>) -> Option<String> {
    match (answer, reply) {
        (Answer::Taken, _) => None,
        (Answer::Refused { status: status @ 300..=399, .. }, _) => {
            Some(say!("webhook-redirect", status = i64::from(status)))
        }
        (Answer::Refused { status, .. }, _) => Some(say!("webhook-answered", status = i64::from(status))),
        (Answer::Silence, Err(problem)) => Some(problem.clone()),
        (Answer::Silence, Ok(_)) => None,
    }
}
