//! Counts under quotas. They are kept for every subject there is, written down each second and at a clean stop, and gone on
//! from at the next start. So a process that is killed forgets the last second of them, and no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use keymint_domain::limit::{Count, Per, Period, Span, Tally};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use keymint_store::error::StoreError;
use keymint_store::quotas::{self, QuotaCount};

use super::{Counter, Rule, held};
use crate::App;
use crate::products::{Product, Products};

/// How often counts are written down.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How long a count may be of use: the longest month, and a day for clocks. Seconds.
const KEEP_SECONDS: i64 = 32 * 86_400;

/// The number of a rule among those of all products, and who is counted under it.
type Subject = (u32, Box<str>);

/// All of them.
#[derive(Default)]
pub struct Quotas {
    counts: RwLock<HashMap<Subject, Arc<Quota>, RandomState>>,
}

/// One subject's count under one quota.
struct Quota {
    place: Place,
    counter: Arc<Counter>,
    /// What was written down last.
    written: Mutex<(UnixMs, u32)>,
}

/// Where a count is written down.
struct Place {
    product: Arc<str>,
    rule: Box<str>,
    subject: Box<str>,
}

/// Who is counted under a quota. Keys have ids of their own form, the others say their mode behind a `/`.
fn subject(per: Per, candidate: Option<&Candidate>) -> Box<str> {
    let of_mode = |id: String, mode: Mode| format!("{id}/{}", mode.as_str()).into_boxed_str();
    match (per, candidate) {
        (Per::Key, Some(known)) => (&*known.key_id).into(),
        (Per::App, Some(known)) => of_mode(known.app_id.to_string(), known.mode),
        (Per::Merchant, Some(known)) => of_mode(known.merchant_id.to_string(), known.mode),
        (Per::Address | Per::Product, _) | (_, None) => "".into(),
    }
}

impl Quotas {
    pub(super) fn counter(&self, product: &Product, rule: &Rule<'_>, candidate: Option<&Candidate>) -> Arc<Counter> {
        let key = (product.number_of(rule.rule), subject(rule.limit.per, candidate));
        if let Some(quota) = self.counts.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(&quota.counter);
        }
        let place = Place { product: Arc::clone(&product.name), rule: rule.limit.name.clone(), subject: key.1.clone() };
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        let quota = counts.entry(key).or_insert_with(|| Arc::new(Quota::new(place, Count::new(rule.limit.span))));
        Arc::clone(&quota.counter)
    }

    /// Goes on from what was written down. What is of a rule that is no more stays where it is until it is old.
    fn go_on_from(&self, products: &Products, rows: Vec<QuotaCount>) {
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let Some(product) = products.find(&row.product) else { continue };
            let rule = product.limits.iter().position(|limit| *limit.name == *row.rule);
            let Some((rule, period)) = rule.and_then(|rule| Some((rule, period(product, rule)?))) else { continue };
            let requests = u32::try_from(row.requests).unwrap_or(u32::MAX);
            let place = Place {
                product: Arc::clone(&product.name),
                rule: row.rule.into(),
                subject: row.subject.as_str().into(),
            };
            let count = Count::Tally(Tally::new(period, row.begins_at, requests));
            counts.insert((product.number_of(rule), row.subject.into()), Arc::new(Quota::new(place, count)));
        }
    }

    /// Those that counted since they were written down.
    fn unwritten(&self) -> Vec<(Arc<Quota>, (UnixMs, u32))> {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        let changed = |quota: &Arc<Quota>| {
            let counted = quota.counted()?;
            let written = *quota.written.lock().unwrap_or_else(PoisonError::into_inner);
            (counted != written).then(|| (Arc::clone(quota), counted))
        };
        counts.values().filter_map(changed).collect()
    }
}

fn period(product: &Product, rule: usize) -> Option<Period> {
    match product.limits.get(rule)?.span {
        Span::Calendar(period) => Some(period),
        Span::Sliding(_) => None,
    }
}

impl Quota {
    fn new(place: Place, count: Count) -> Self {
        let quota = Self { place, counter: Arc::new(Mutex::new(count)), written: Mutex::new((UnixMs(i64::MIN), 0)) };
        *quota.written.lock().unwrap_or_else(PoisonError::into_inner) =
            quota.counted().unwrap_or((UnixMs(i64::MIN), 0));
        quota
    }

    fn counted(&self) -> Option<(UnixMs, u32)> {
        match &*held(&self.counter) {
            Count::Tally(tally) => Some(tally.counted()),
            Count::Window(_) => None,
        }
    }
}

impl App {
    /// Goes on from the counts that were written down, and writes them down from now on.
    ///
    /// # Errors
    /// `StoreError` as the database answers.
    pub(crate) async fn keep_quotas(&self) -> Result<(), StoreError> {
        let is_calendar =
            |product: &Arc<Product>| (0..product.limits.len()).any(|rule| period(product, rule).is_some());
        if !self.products.iter().any(is_calendar) {
            return Ok(());
        }
        let oldest = self.clock.now().plus_seconds(-KEEP_SECONDS);
        let rows = quotas::since(&mut self.db.read().await?, oldest).await?;
        self.rates.quotas.go_on_from(&self.products, rows);
        let mut tx = self.db.write().await?;
        quotas::prune(tx.conn(), oldest).await?;
        tx.commit().await?;
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(WRITE_EVERY).await;
                let Some(shared) = shared.upgrade() else { return };
                Self(shared).write_quotas().await;
            }
        });
        Ok(())
    }

    /// Writes down what was counted since the last time. What cannot be written is tried again with the next.
    pub(crate) async fn write_quotas(&self) {
        let unwritten = self.rates.quotas.unwritten();
        if unwritten.is_empty() {
            return;
        }
        if let Err(error) = self.try_write_quotas(&unwritten).await {
            tracing::warn!(%error, "counts under quotas could not be written down; they are tried again");
        }
    }

    async fn try_write_quotas(&self, unwritten: &[(Arc<Quota>, (UnixMs, u32))]) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        for (quota, (begins_at, requests)) in unwritten {
            let count = QuotaCount {
                product: quota.place.product.to_string(),
                rule: quota.place.rule.to_string(),
                subject: quota.place.subject.to_string(),
                begins_at: *begins_at,
                requests: i64::from(*requests),
            };
            quotas::write(tx.conn(), &count).await?;
        }
        tx.commit().await?;
        self.metrics.quotas_written.inc_by(u64::try_from(unwritten.len()).unwrap_or(u64::MAX));
        for (quota, counted) in unwritten {
            *quota.written.lock().unwrap_or_else(PoisonError::into_inner) = *counted;
        }
        Ok(())
    }
}
