//! One certificate over time: when it is ordered next, and what is said where that fails.

use std::sync::Arc;
use std::time::Duration;

use keymint_domain::renewal::wait_after;
use tokio::task::JoinSet;

use super::Managed;
use super::authority::OrderError;
use super::challenges::Challenges;
use crate::App;

/// A certificate, how often in a row it could not be had, and when it is ordered next. Seconds since the epoch.
pub struct Upkeep {
    managed: Arc<Managed>,
    failures: u32,
    next: i64,
}

impl Upkeep {
    /// From a start on: at once where there is none.
    pub fn new(app: &App, managed: Arc<Managed>) -> Self {
        let due = managed.current().map(|issued| issued.validity.renewal_due(chance(app)));
        Self { managed, failures: 0, next: due.unwrap_or(i64::MIN) }
    }

    /// Orders a certificate if one is due, and says how long nothing will be.
    pub async fn look(&mut self, app: &App, challenges: &Arc<Challenges>) -> Duration {
        if app.clock.now().seconds() >= self.next {
            let (managed, house, challenges) = (Arc::clone(&self.managed), app.clone(), Arc::clone(challenges));
            let renewed = apart(async move { managed.renew(&house, &challenges).await }).await;
            let now = app.clock.now().seconds();
            let due = renewed.and_then(|validity| later_than(now, validity.renewal_due(chance(app))));
            self.failures = if due.is_ok() { 0 } else { self.failures.saturating_add(1) };
            app.metrics.acme_ordered(self.managed.host(), due.is_ok());
            app.metrics.acme_waits(self.managed.host(), self.failures);
            self.next = *due.as_ref().unwrap_or(&(now + wait_after(self.failures, chance(app))));
            match due {
                Ok(_) => tracing::info!(hosts = self.managed.names(), "a certificate was issued by ACME"),
                Err(error) => self.complain(&error, self.next - now),
            }
        }
        // What is shown and could not be kept, for want of room or of a right, may find its place now.
        let next = if self.managed.keep_again(app) {
            self.next
        } else {
            self.next.min(app.clock.now().seconds() + wait_after(1, 0))
        };
        let seconds = next.saturating_sub(app.clock.now().seconds()).max(1);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(1))
    }

    /// What the operator does when told so: what was taken away from the folder is ordered anew, what was put there is shown,
    /// and what failed is tried at once.
    pub fn look_again(&mut self, app: &App) {
        match self.managed.kept(app) {
            _ if self.failures > 0 => self.next = i64::MIN,
            Some(kept) => {
                let due = kept.validity.renewal_due(chance(app));
                if self.managed.show_again(kept) {
                    self.next = due;
                }
            }
            // What could not be kept was not taken away.
            None if self.managed.is_kept() => self.next = i64::MIN,
            None => {}
        }
    }

    fn complain(&self, error: &OrderError, retry_seconds: i64) {
        let (hosts, directory) = (self.managed.names(), self.managed.authority.directory());
        let (failures, error) = (self.failures, chain(error));
        match self.managed.current() {
            Some(issued) => tracing::error!(
                hosts,
                directory,
                error,
                failures,
                retry_seconds,
                not_after = issued.validity.not_after,
                "no new certificate by ACME: the one before is shown until it ends. See that port 443 of each host leads to \
                 a listener with TLS here and that this machine reaches the directory; SIGHUP tries at once"
            ),
            None => tracing::error!(
                hosts,
                directory,
                error,
                failures,
                retry_seconds,
                "no certificate by ACME, and clients are refused until there is one. See that port 443 of each host leads to \
                 a listener with TLS here and that this machine reaches the directory; SIGHUP tries at once"
            ),
        }
    }
}

/// When the next is due; one that is due as soon as it is issued (a clock that is wrong, on one side or the other) is a
/// failure, which is not ordered in a loop.
fn later_than(now: i64, due: i64) -> Result<i64, OrderError> {
    if due > now { Ok(due) } else { Err(OrderError::DueAtOnce) }
}

/// Runs an order as a task of its own, which ends with us: one that panics has failed, and the others go on.
async fn apart<T: Send + 'static>(
    order: impl Future<Output = Result<T, OrderError>> + Send + 'static,
) -> Result<T, OrderError> {
    let mut tasks = JoinSet::new();
    tasks.spawn(order);
    tasks.join_next().await.expect("there is one")?
}

/// An error with all that lies below it.
fn chain(error: &dyn std::error::Error) -> String {
    let below = std::iter::successors(error.source(), |error| error.source());
    below.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A number for jitter; without random bytes there is none.
fn chance(app: &App) -> u16 {
    let mut bytes = [0; 2];
    let _ = app.entropy.fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{OrderError, apart, later_than};

    #[tokio::test]
    async fn an_order_that_panics_has_failed_and_says_so() {
        let broken = apart(async { if true { panic!("a number that is too large") } else { Ok(()) } }).await;
        let error = broken.expect_err("it has failed");
        assert!(super::chain(&error).contains("a number that is too large"), "{error}");
        assert!(matches!(apart(async { Err::<(), _>(OrderError::Deadline) }).await, Err(OrderError::Deadline)));
        assert_eq!(apart(async { Ok(7) }).await.ok(), Some(7));
    }

    #[test]
    fn a_certificate_that_is_due_as_soon_as_it_is_issued_is_a_failed_order() {
        assert_eq!(later_than(100, 101).ok(), Some(101));
        for due in [100, 99, i64::MIN] {
            assert!(matches!(later_than(100, due), Err(OrderError::DueAtOnce)), "{due}");
        }
    }
}
