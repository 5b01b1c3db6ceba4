//! The clock of an app's tests. Whatever its sandbox would do by then is done when `move_to` returns.

use keymint_domain::id::AppId;
use keymint_domain::role::Act;
use keymint_domain::test_clock::{self, ClockError, Pace, TestClock};
use keymint_domain::time::UnixMs;
use keymint_store::moves;
use serde_json::json;

use crate::App;
use crate::ops::{Actor, Change, OpError, Saying, apps, field};
use crate::sandbox::SandboxError;
use crate::say;

/// What an app's sandbox takes for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The moment.
    pub now: UnixMs,
    /// The test clock behind it; nothing: the real one.
    pub clock: Option<TestClock>,
}

/// Reads an app's clock.
///
/// # Errors
/// `NotFound` when there is no such app for the actor; `Forbidden`.
pub async fn read(app: &App, actor: Actor, id: AppId) -> Result<Shown, OpError> {
    apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    let clock = moves::clock(&mut conn, id).await?;
    Ok(Shown { now: test_clock::now(clock, app.clock.now()), clock })
}

/// Moves an app's clock forward, and does what becomes due by it, in the order in which it is due.
///
/// # Errors
/// `NotFound`; `Forbidden`; `Field` for a moment that is past for the app, or more than ten years ahead.
pub async fn move_to(app: &App, actor: Actor, id: AppId, to: UnixMs, pace: Pace) -> Result<Shown, OpError> {
    let row = apps::find(app, actor, id).await?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    let real = app.clock.now();
    let before = moves::clock(change.conn(), id).await?;
    let clock = match test_clock::moved(before, to, pace, real) {
        Ok(clock) => clock,
        Err(ClockError::Backwards) => return field("now", say!("input-clock-back")),
        Err(ClockError::TooFar) => return field("now", say!("input-clock-far")),
    };
    moves::set_clock(change.conn(), id, clock, real).await?;
    let detail = json!({ "now": to.0, "runs": pace == Pace::Runs });
    let subject = id.to_string();
    let saying = Saying { action: "app.test_clock_moved", subject: &subject, merchant: Some(row.merchant_id), detail };
    change.commit(saying, Vec::new()).await?;
    app.make_due(id, to).await.map_err(|error| match error {
        SandboxError::Store(error) => OpError::Store(error),
        SandboxError::Event(error) => error,
        SandboxError::Entropy(error) => OpError::Entropy(error),
        SandboxError::ReferenceTaken | SandboxError::Overtaken | SandboxError::Insufficient => OpError::Busy,
    })?;
    app.mover.wake();
    Ok(Shown { now: to, clock: Some(clock) })
}
