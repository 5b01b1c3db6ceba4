//! What of the request log is kept: decisions for some days and up to a number, their counts by the minute for two days and by
//! the hour for 400, those by the day for good. What is old goes piece by piece, so that no other change waits long.

use std::time::Duration;

use keymint_store::error::StoreError;
use keymint_store::request_log;
use keymint_store::rollup::{self, Grain};

use crate::App;
use crate::config::RequestLogConfig;

/// How often is looked for what is old.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Pause between two pieces, for other changes.
const PAUSE: Duration = Duration::from_millis(20);
/// Chunks of a piece; one holds up to 2,000 decisions.
const PIECE: i64 = 100;
/// How long counts by the minute are kept. Seconds.
const MINUTES_SECONDS: i64 = 2 * 86_400;
/// How long counts by the hour are kept. Seconds.
const HOURS_SECONDS: i64 = 400 * 86_400;

impl App {
    /// Deletes what is old, again and again.
    pub(crate) fn keep_log_short(&self, config: &RequestLogConfig) {
        let (shared, config) = (std::sync::Arc::downgrade(&self.0), config.clone());
        tokio::spawn(async move {
            loop {
                let Some(shared) = shared.upgrade() else { return };
                let app = Self(shared);
                if let Err(error) = app.prune_log(&config).await {
                    tracing::warn!(%error, "old entries of the request log could not be deleted; they are tried again");
                }
                drop(app);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
    }

    /// Deletes what is old now.
    ///
    /// # Errors
    /// `StoreError` as the database answers; what was deleted before is gone.
    pub async fn prune_log(&self, config: &RequestLogConfig) -> Result<(), StoreError> {
        let now = self.clock.now();
        let before = now.plus_seconds(-i64::from(config.keep_days).saturating_mul(86_400));
        loop {
            let mut tx = self.db.write().await?;
            let number = request_log::head(tx.conn()).await?.saturating_sub(config.entries_max);
            let deleted = request_log::prune(tx.conn(), PIECE, before, number).await?;
            tx.commit().await?;
            if deleted == 0 {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        for (grain, seconds) in [(Grain::Minute, MINUTES_SECONDS), (Grain::Hour, HOURS_SECONDS)] {
            loop {
                let mut tx = self.db.write().await?;
                let was_some = rollup::prune(tx.conn(), grain, now.plus_seconds(-seconds)).await?;
                tx.commit().await?;
                if !was_some {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}
