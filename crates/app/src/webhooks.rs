//! Carries events to endpoints.
//!
//! Deliveries stand in the database with the moment of their next try, so nothing is lost when the process dies: what was
//! under way is due again, with the same event id. One process owns the database, so what is under way is known here and
//! nowhere else. Each endpoint has a lane of its own with few places: one that hangs keeps its own lane full and no
//! other's. A try is recorded with what comes of it in one transaction; the signature is made anew for each, because the
//! time may be in it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymint_domain::id::{DeliveryId, EndpointId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::seal::Verifier;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::schedule::{Answer, Next};
use keymint_domain::webhook::signature::Signed;
use keymint_domain::webhook::target::Target;
use keymint_domain::webhook::{SecretSource, Webhooks};
use keymint_store::apps;
use keymint_store::apps::App as AppRow;
use keymint_store::credentials::{self, Slots, Stored};
use keymint_store::db::Conn;
use keymint_store::deliveries::{self, Attempt, Delivery, DeliveryState};
use keymint_store::webhooks::{self, Endpoint, EndpointState};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use serde_json::json;
use tokio::sync::Notify;

use crate::App;
use crate::ops::deliveries::KEPT_MS;
use crate::ops::webhooks::{is_intact, record, refused, rules};
use crate::ops::{Actor, Change, OpError, Saying, notices};
use crate::outbound::Reply;
use crate::say;

/// How often deliveries are looked for when nobody says that there is one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Tries under way to one endpoint.
const LANE_MAX: usize = 8;
/// Endpoints that are looked at in one look.
const LANES_MAX: i64 = 256;
/// How often what is too old is deleted. Milliseconds.
const PRUNE_EVERY_MS: i64 = 600_000;

/// What is under way, and how to say that there is more.
#[derive(Default)]
pub struct Carrier {
    wake: Arc<Notify>,
    under_way: Mutex<HashMap<EndpointId, HashSet<DeliveryId>>>,
}

impl Carrier {
    /// A transaction that wrote deliveries is committed.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Those under way to an endpoint.
    fn lane(&self, endpoint: EndpointId) -> HashSet<DeliveryId> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).get(&endpoint).cloned().unwrap_or_default()
    }

    fn begin(&self, endpoint: EndpointId, delivery: DeliveryId) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.entry(endpoint).or_default().insert(delivery);
    }

    fn end(&self, endpoint: EndpointId, delivery: DeliveryId) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = under_way.get_mut(&endpoint) {
            lane.remove(&delivery);
            if lane.is_empty() {
                under_way.remove(&endpoint);
            }
        }
        drop(under_way);
        self.wake();
    }
}

/// A place in a lane; given back when the try is over, however it ends.
struct Place {
    app: App,
    endpoint: EndpointId,
    delivery: DeliveryId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.webhooks.end(self.endpoint, self.delivery);
    }
}

impl App {
    /// Carries events for as long as the app lives.
    pub(crate) fn carry_webhooks(&self) {
        let (shared, wake) = (Arc::downgrade(&self.0), Arc::clone(&self.webhooks.wake));
        tokio::spawn(async move {
            let mut pruned_at: Option<UnixMs> = None;
            loop {
                let Some(shared) = shared.upgrade() else { return };
                let app = Self(shared);
                let now = app.clock.now();
                if pruned_at.is_none_or(|at| now.0 - at.0 >= PRUNE_EVERY_MS) {
                    pruned_at = Some(now);
                    if let Err(error) = app.prune_events().await {
                        tracing::error!(%error, "old events could not be deleted");
                    }
                }
                let wait = app.start_due().await.unwrap_or_else(|error| {
                    tracing::error!(%error, "deliveries could not be looked for");
                    LOOK_EVERY
                });
                drop(app);
                let _ = tokio::time::timeout(wait, wake.notified()).await;
            }
        });
    }

    async fn prune_events(&self) -> Result<(), OpError> {
        let mut tx = self.db.write().await?;
        deliveries::prune(tx.conn(), UnixMs(self.clock.now().0 - KEPT_MS)).await?;
        Ok(tx.commit().await?)
    }

    /// Starts what is due and has a place; until when nothing more will be due.
    async fn start_due(&self) -> Result<Duration, OpError> {
        if !self.is_serving() {
            return Ok(LOOK_EVERY);
        }
        let now = self.clock.now();
        let mut conn = self.db.read().await?;
        for (endpoint, _) in deliveries::due_endpoints(&mut conn, now, LANES_MAX).await? {
            let lane = self.webhooks.lane(endpoint);
            let room = LANE_MAX.saturating_sub(lane.len());
            if room == 0 {
                continue;
            }
            let limit = i64::try_from(LANE_MAX + lane.len()).unwrap_or(i64::MAX);
            let due = deliveries::due(&mut conn, endpoint, now, limit).await?;
            for delivery in due.into_iter().filter(|one| !lane.contains(&one.id)).take(room) {
                self.webhooks.begin(endpoint, delivery.id);
                let place = Place { app: self.clone(), endpoint, delivery: delivery.id };
                self.runtime.spawn(async move {
                    if let Err(error) = place.app.attempt(&delivery).await {
                        tracing::error!(%error, delivery = %delivery.id, "a delivery could not be tried");
                        // It is due still: without a wait, this would go round and round.
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                });
            }
        }
        let next = deliveries::next_due(&mut conn, now).await?;
        let wait = next
            .map_or(LOOK_EVERY, |at| Duration::from_millis(u64::try_from(at.0 - now.0).unwrap_or(0).saturating_add(1)));
        Ok(wait.min(LOOK_EVERY))
    }

    /// Tries a delivery, and records the try.
    async fn attempt(&self, delivery: &Delivery) -> Result<(), OpError> {
        let Some((endpoint, row)) = self.endpoint_of(delivery).await? else { return Ok(()) };
        let rules = rules(self, &row)?;
        let at = self.clock.now();
        let reply = match self.signed(&endpoint, &row, (rules, delivery, at)).await? {
            Ok((target, headers)) => self.outbound.post(&target, (headers, delivery.body.clone()), rules.timeout).await,
            Err(problem) => Err(problem),
        };
        let took_ms = self.clock.now().0.saturating_sub(at.0).max(0);
        let answer = answer(rules, &reply);
        let attempt = Attempt {
            number: delivery.tries + 1,
            at,
            took_ms,
            status: reply.as_ref().ok().map(|reply| i64::from(reply.status)),
            problem: problem(answer, &reply),
            answer: reply.ok().map(|reply| reply.text),
        };
        let mut chance = [0; 2];
        self.entropy.fill(&mut chance)?;
        let tries = usize::try_from(attempt.number - delivery.tries_before).unwrap_or(usize::MAX);
        match rules.retry.next(tries, answer, u16::from_ne_bytes(chance)) {
            Next::Done => self.record(delivery, &attempt, (DeliveryState::Delivered, None)).await,
            Next::Wait(wait) => {
                let next_at = UnixMs(self.clock.now().0.saturating_add(wait));
                self.record(delivery, &attempt, (DeliveryState::Waiting, Some(next_at))).await
            }
            Next::GiveUp { disables: false } => self.record(delivery, &attempt, (DeliveryState::Failed, None)).await,
            Next::GiveUp { disables: true } => self.give_up(delivery, &attempt, (&endpoint, &row)).await,
        }
    }

    /// The endpoint of a delivery and its app. Nothing where it may not be sent to; then what waits for it is held.
    async fn endpoint_of(&self, delivery: &Delivery) -> Result<Option<(Endpoint, AppRow)>, OpError> {
        let found = {
            let mut conn = self.db.read().await?;
            match webhooks::find(&mut conn, delivery.endpoint_id).await? {
                Some(endpoint) => apps::find(&mut conn, endpoint.app_id).await?.map(|row| (endpoint, row)),
                None => None,
            }
        };
        if let Some((endpoint, _)) = &found
            && endpoint.state == EndpointState::Enabled
            && is_intact(self, endpoint)
        {
            return Ok(found);
        }
        tracing::warn!(endpoint = %delivery.endpoint_id, "events are held: the endpoint is disabled, gone, or was edited");
        let mut tx = self.db.write().await?;
        deliveries::hold(tx.conn(), delivery.endpoint_id).await?;
        tx.commit().await?;
        Ok(None)
    }

    /// Where a delivery goes and under which headers, or why it cannot be sent.
    async fn signed(
        &self,
        endpoint: &Endpoint,
        row: &AppRow,
        (rules, delivery, at): (&Webhooks, &Delivery, UnixMs),
    ) -> Result<Result<(Target, HeaderMap), String>, OpError> {
        let target = match Target::parse(&endpoint.url, &rules.target, |address| self.outbound.allows(address)) {
            Ok(target) => target,
            Err(error) => return Ok(Err(refused(&error))),
        };
        let secrets = self.signing_secrets(endpoint, row, (rules, delivery, at)).await?;
        if secrets.is_empty() && (rules.secret != SecretSource::Chosen || delivery.secret_version > 0) {
            return Ok(Err(say!("webhook-no-secret").to_owned()));
        }
        let (id, timestamp) = (delivery.event_id.to_string(), (at.0 / 1000).to_string());
        let signed = Signed { id: &id, timestamp: &timestamp, body: delivery.body.as_bytes() };
        let signature = rules.signing.sign(signed, &secrets);
        let named = [
            (rules.id_header.as_deref(), Some(id.as_str())),
            (rules.event_header.as_deref(), Some(delivery.event.as_str())),
            (rules.timestamp_header.as_deref(), Some(timestamp.as_str())),
            (Some(&*rules.signing.header), signature.as_deref()),
        ];
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(user_agent) = HeaderValue::from_str(&rules.user_agent) {
            headers.insert(USER_AGENT, user_agent);
        }
        for (name, value) in named {
            let (Some(name), Some(value)) = (name, value) else { continue };
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let Some((name, value)) = pair else { return Ok(Err(say!("webhook-no-header").to_owned())) };
            headers.insert(name, value);
        }
        Ok(Ok((target, headers)))
    }

    /// The secrets that sign a delivery now, newest first.
    async fn signing_secrets(
        &self,
        endpoint: &Endpoint,
        row: &AppRow,
        (rules, delivery, now): (&Webhooks, &Delivery, UnixMs),
    ) -> Result<Vec<SecretText>, OpError> {
        let mut conn = self.db.read().await?;
        if rules.secret == SecretSource::Credential {
            return Ok(self.newest_key_secret(&mut conn, (row, endpoint.mode), now).await?.into_iter().collect());
        }
        let both = rules.signing.overlap_seconds_max > 0;
        let signs = |one: &webhooks::EndpointSecret| match both {
            true => one.ends_at.is_none_or(|end| end > now),
            false => one.version == delivery.secret_version,
        };
        let kept = webhooks::secrets(&mut conn, endpoint.id).await?;
        let open = |one: webhooks::EndpointSecret| {
            self.keyring.open_for(&record(endpoint.id, one.version), &one.sealed).map_err(|_| OpError::Seal)
        };
        kept.into_iter().filter(signs).map(open).collect()
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
        attempt: &Attempt,
        next: (DeliveryState, Option<UnixMs>),
    ) -> Result<(), OpError> {
        let mut tx = self.db.write().await?;
        deliveries::record(tx.conn(), delivery.id, attempt, next).await?;
        Ok(tx.commit().await?)
    }

    /// Records the last try, disables the endpoint, and writes to those who should know.
    async fn give_up(
        &self,
        delivery: &Delivery,
        attempt: &Attempt,
        (endpoint, row): (&Endpoint, &AppRow),
    ) -> Result<(), OpError> {
        let mut change = Change::begin(self, Actor::System, Act::Operate).await?;
        deliveries::record(change.conn(), delivery.id, attempt, (DeliveryState::Failed, None)).await?;
        let now = webhooks::find(change.conn(), endpoint.id).await?.filter(|now| now == endpoint);
        let Some(mut now) = now else {
            // Somebody changed it since: what was tried was not what is there.
            let detail = json!({ "delivery": delivery.id.to_string() });
            return self.say_failed(change, (endpoint, row), ("webhook.event_given_up", detail)).await;
        };
        now.state = EndpointState::Failing;
        now.row_check = self.keyring.row_check(&now.check_bytes());
        webhooks::update(change.conn(), &now).await?;
        deliveries::hold(change.conn(), endpoint.id).await?;
        notices::webhook_failing(self, &mut change, (endpoint, row), attempt).await?;
        let detail = json!({ "delivery": delivery.id.to_string(), "problem": attempt.problem });
        self.say_failed(change, (endpoint, row), ("webhook.disabled", detail)).await?;
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
