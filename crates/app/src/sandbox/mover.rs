//! Makes what is due in the sandboxes. Moves stand in the database with the moment at which they are due, so a process that
//! dies leaves them to the next one.

use std::sync::Arc;
use std::time::Duration;

use keymint_domain::id::AppId;
use keymint_domain::time::UnixMs;
use keymint_store::moves;
use keymint_store::wallets;
use tokio::sync::Notify;

use super::{SandboxError, turn};
use crate::App;

/// How often due moves are looked for when nobody says that there is one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Moves that are read at once.
const BATCH: i64 = 100;
/// How long an answer is given again to the same key. Milliseconds: Stripe's and Razorpay's 24 hours.
const ANSWERS_KEPT_MS: i64 = 24 * 3_600_000;
/// How often older answers are forgotten. Milliseconds.
const FORGET_EVERY_MS: i64 = 600_000;

/// How to say that there may be a move to make.
#[derive(Default)]
pub struct Mover {
    wake: Arc<Notify>,
}

impl Mover {
    /// A turn is committed that may have left something for later.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

impl App {
    /// Makes what is due for as long as the app lives.
    pub(crate) fn carry_moves(&self) {
        let (shared, wake) = (Arc::downgrade(&self.0), Arc::clone(&self.mover.wake));
        tokio::spawn(async move {
            let mut forgot_at: Option<UnixMs> = None;
            loop {
                let Some(shared) = shared.upgrade() else { return };
                let app = Self(shared);
                let now = app.clock.now();
                if forgot_at.is_none_or(|at| now.0 - at.0 >= FORGET_EVERY_MS) {
                    forgot_at = Some(now);
                    if let Err(error) = app.forget_answers(now).await {
                        tracing::error!(%error, "old answers of the sandboxes could not be deleted");
                    }
                }
                let wait = app.make_waking().await.unwrap_or_else(|error| {
                    tracing::error!(%error, "what is due in the sandboxes could not be done");
                    LOOK_EVERY
                });
                drop(app);
                let _ = tokio::time::timeout(wait, wake.notified()).await;
            }
        });
    }

    async fn forget_answers(&self, now: UnixMs) -> Result<(), SandboxError> {
        let mut tx = self.db.write().await?;
        wallets::forget(tx.conn(), UnixMs(now.0 - ANSWERS_KEPT_MS)).await?;
        Ok(tx.commit().await?)
    }

    /// Makes what is due on the real clock; until when nothing more will be.
    async fn make_waking(&self) -> Result<Duration, SandboxError> {
        if !self.is_serving() {
            return Ok(LOOK_EVERY);
        }
        let now = self.clock.now();
        let due = {
            let mut conn = self.db.read().await?;
            moves::waking(&mut conn, now, BATCH).await?
        };
        let mut wait = Duration::ZERO;
        for one in &due {
            // One that cannot be made now keeps no other waiting, and is tried again.
            if let Err(error) = turn::make(self, one).await {
                tracing::error!(%error, kind = %one.kind, id = %one.id, "what is due of an object could not be done");
                wait = LOOK_EVERY;
            }
        }
        if !due.is_empty() {
            return Ok(wait);
        }
        let mut conn = self.db.read().await?;
        let next = moves::next(&mut conn, now).await?;
        let until = |at: UnixMs| Duration::from_millis(u64::try_from(at.0 - now.0).unwrap_or(0));
        Ok(next.map_or(LOOK_EVERY, until).min(LOOK_EVERY))
    }

    /// Makes what is due of an app when its clock shows a moment, in the order in which it is due.
    ///
    /// # Errors
    /// `SandboxError`: what is left will be made later.
    pub(crate) async fn make_due(&self, app: AppId, now: UnixMs) -> Result<(), SandboxError> {
        loop {
            let due = {
                let mut conn = self.db.read().await?;
                moves::due(&mut conn, app, now, BATCH).await?
            };
            if due.is_empty() {
                return Ok(());
            }
            for one in &due {
                turn::make(self, one).await?;
            }
        }
    }
}
