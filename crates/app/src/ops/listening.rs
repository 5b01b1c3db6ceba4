//! An app's test events as they happen, for a developer's own machine. A listener gets each event once; one that was cut off
//! says which was its last and gets what it may have missed, so it keeps the ids of the last minutes.

use std::collections::HashMap;
use std::time::Duration;

use keymint_domain::id::{AppId, EventId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::time::UnixMs;
use keymint_store::deliveries::{self, Event};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::App;
use crate::ops::webhooks::rules;
use crate::ops::{Actor, OpError, apps};
use crate::say;

/// Longest time from the moment that an event bears to its commit. Milliseconds. What is committed late is found by looking
/// back so far.
const LATE_MS: i64 = 30_000;
/// How far back an event that was seen last is believed. Milliseconds: a day.
const BACK_MS: i64 = 24 * 3_600_000;
/// How long nothing may be said. A listener that hears nothing for three of these takes the connection for lost.
const QUIET: Duration = Duration::from_secs(10);
/// Events in one answer; the next ones are in the next.
const EVENTS_MAX: i64 = 100;

/// Somebody who listens.
pub struct Listener {
    app: App,
    app_id: AppId,
    /// From when on it looks.
    from: UnixMs,
    /// What it has been told of that.
    told: HashMap<EventId, UnixMs>,
    changes: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

/// Begins to listen: from now on, or from what was seen last on.
///
/// # Errors
/// `NotFound`; `Forbidden`; `Conflict` with `no_webhooks`, and `too_many_listeners`.
pub async fn listen(app: &App, actor: Actor, app_id: AppId, last: Option<EventId>) -> Result<Listener, OpError> {
    actor.require(Act::SeeRequests)?;
    let row = apps::find(app, actor, app_id).await?;
    rules(app, &row)?;
    let place = app.webhooks.listener_place().ok_or_else(|| OpError::Conflict {
        code: "too_many_listeners",
        message: say!("refusal-listeners").to_owned(),
    })?;
    let changes = app.webhooks.changes();
    let now = app.clock.now();
    let seen_at = last.and_then(|last| i64::try_from(last.bits() >> 80).ok());
    let from = seen_at.map_or(now.0, |at| at.saturating_sub(LATE_MS).clamp(now.0 - BACK_MS, now.0));
    Ok(Listener { app: app.clone(), app_id, from: UnixMs(from), told: HashMap::new(), changes, _place: place })
}

impl Listener {
    /// The next events; none when nothing happened for a while.
    ///
    /// # Errors
    /// `Store`.
    pub async fn next(&mut self) -> Result<Vec<Event>, OpError> {
        self.changes.mark_unchanged();
        let found = self.look().await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let _ = tokio::time::timeout(QUIET, self.changes.changed()).await;
        self.look().await
    }

    async fn look(&mut self) -> Result<Vec<Event>, OpError> {
        let mut found = Vec::new();
        let mut conn = self.app.db.read().await?;
        let mut from = (self.from, String::new());
        loop {
            let page = deliveries::events_since(&mut conn, (self.app_id, Mode::Test), &from, EVENTS_MAX).await?;
            let Some(last) = page.last() else { break };
            from = (last.at, last.id.to_string());
            let is_whole = i64::try_from(page.len()).is_ok_and(|count| count < EVENTS_MAX);
            found.extend(page.into_iter().filter(|event| !self.told.contains_key(&event.id)));
            if is_whole || !found.is_empty() {
                break;
            }
        }
        self.told.extend(found.iter().map(|event| (event.id, event.at)));
        let horizon = UnixMs(self.app.clock.now().0 - LATE_MS);
        // Never past what was not looked at yet, nor behind what it listens from.
        let reached = found.last().map_or(horizon, |event| UnixMs(event.at.0.min(horizon.0)));
        if reached > self.from {
            self.from = reached;
            self.told.retain(|_, at| *at >= reached);
        }
        Ok(found)
    }
}
