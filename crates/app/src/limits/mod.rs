//! Rates and quotas: the counts behind `keymint_domain::limit`, for this process. Exact whatever happens at once: all rules of a request
//! are looked at under their locks before any of them counts it, and the locks are taken in the order of the rules.
//!
//! Bounded: counts of addresses, which strangers can make up, are kept apart from those of keys, and what falls out begins
//! anew. Time is that of a clock that never goes back (T30).

pub mod at_once;
mod quotas;

use std::convert::Infallible;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use keymint_domain::limit::{Count, Limit, Moment, Per, Span, Standing, network};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::RequestView;
use keymint_domain::time::Clock;
use keymint_domain::verify::Candidate;
use quick_cache::sync::Cache;

use self::quotas::Quotas;
use crate::App;
use crate::clock::Stopwatch;
use crate::products::Product;
use crate::verify::Denied;

/// Counts of keys, apps, merchants and products that are kept; about 300 bytes each.
const SUBJECTS_MAX: usize = 100_000;
/// A rule's name of 32 characters, and two numbers. Bytes.
const STANDING_LENGTH_MAX: usize = 64;
/// Counts of addresses that are kept.
const ADDRESSES_MAX: usize = 100_000;

/// Where a caller stands with the rule that leaves the least room.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// The rule's place among those of its product.
    pub rule: usize,
    /// Where the count stands.
    pub standing: Standing,
}

impl Rate {
    /// What `RateLimit-Policy` and `RateLimit` say of it (draft-ietf-httpapi-ratelimit-headers-10 sections 2 and 3).
    pub fn told<'p>(&self, product: &'p Product) -> Option<(&'p str, String)> {
        let Standing { remaining, reset_seconds } = self.standing;
        let limit = product.limits.get(self.rule)?;
        let mut standing = String::with_capacity(STANDING_LENGTH_MAX);
        standing.push('"');
        standing.push_str(&limit.name);
        standing.push_str("\";r=");
        standing.push_str(itoa::Buffer::new().format(remaining));
        standing.push_str(";t=");
        standing.push_str(itoa::Buffer::new().format(reset_seconds));
        Some((&limit.policy, standing))
    }

    /// The one of two that leaves less room.
    pub fn tighter(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.standing.remaining < one.standing.remaining => Some(other),
            (one, other) => one.or(other),
        }
    }
}

/// Whose count: a rule, and who is counted under it.
type Subject = (u32, u128);
type Counts = Cache<Subject, Arc<Counter>>;
/// A count.
type Counter = Mutex<Count>;

/// All counts of this process.
pub struct Rates {
    subjects: Counts,
    addresses: Counts,
    quotas: Quotas,
    hashers: [RandomState; 2],
    begun: Stopwatch,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            subjects: Cache::new(SUBJECTS_MAX),
            addresses: Cache::new(ADDRESSES_MAX),
            quotas: Quotas::default(),
            hashers: [RandomState::default(), RandomState::default()],
            begun: Stopwatch::start(),
        }
    }
}

/// Who is counted.
enum Who<'a> {
    /// Before anybody is known: the address, and everybody together.
    Stranger(IpAddr),
    /// A caller that proved who it is.
    Known(&'a Candidate),
}

impl Who<'_> {
    /// Whether it is the moment for a rule.
    fn is_counted(&self, per: Per) -> bool {
        matches!(self, Self::Stranger(_)) == matches!(per, Per::Address | Per::Product)
    }
}

impl Rates {
    fn counts(&self, per: Per) -> &Counts {
        match per {
            Per::Address => &self.addresses,
            Per::Key | Per::App | Per::Merchant | Per::Product => &self.subjects,
        }
    }

    /// Who is counted under a rule.
    fn subject(&self, per: Per, who: &Who<'_>) -> u128 {
        let of_mode = |bits: u128, mode: Mode| bits ^ u128::from(mode == Mode::Live);
        match who {
            Who::Stranger(address) => {
                if per == Per::Address {
                    network(*address)
                } else {
                    0
                }
            }
            Who::Known(candidate) => match per {
                Per::App => of_mode(candidate.app_id.bits() << 1, candidate.mode),
                Per::Merchant => of_mode(candidate.merchant_id.bits() << 1, candidate.mode),
                Per::Key | Per::Address | Per::Product => {
                    let [one, other] =
                        self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(&*candidate.key_id)));
                    one << 64 | other
                }
            },
        }
    }

    /// Counts a request under every rule that covers it, or under none.
    ///
    /// # Errors
    /// Where the rule stands that has no room left; of several, the one that takes longest.
    fn count(
        &self,
        product: &Product,
        view: &RequestView<'_>,
        who: &Who<'_>,
        clock: &dyn Clock,
    ) -> Result<Option<Rate>, Rate> {
        let mut covering = product.limits.iter().enumerate().filter_map(|(rule, limit)| {
            let is_covering = who.is_counted(limit.per) && limit.covers(view);
            is_covering.then_some(Rule { rule, limit })
        });
        let Some(first) = covering.next() else { return Ok(None) };
        let moment = Moment { ticks_ms: self.begun.elapsed_ms(), now: clock.now() };
        // Mostly there is one, and nothing to be held together.
        let Some(second) = covering.next() else {
            let counter = self.counter(product, &first, who);
            let mut count = held(&counter);
            if !count.has_room(first.limit, moment) {
                return Err(first.at(count.standing(first.limit, moment)));
            }
            return Ok(Some(first.at(count.take(first.limit, moment))));
        };
        let rules: Vec<Rule<'_>> = [first, second].into_iter().chain(covering).collect();
        let counters: Vec<Arc<Counter>> = rules.iter().map(|rule| self.counter(product, rule, who)).collect();
        let mut counts: Vec<_> = rules.iter().zip(counters.iter().map(|counter| held(counter))).collect();
        let full = counts.iter_mut().filter_map(|(rule, count)| {
            (!count.has_room(rule.limit, moment)).then(|| rule.at(count.standing(rule.limit, moment)))
        });
        if let Some(fullest) = full.max_by_key(|rate| rate.standing.reset_seconds) {
            return Err(fullest);
        }
        let rates = counts.iter_mut().map(|(rule, count)| Some(rule.at(count.take(rule.limit, moment))));
        Ok(rates.fold(None, Rate::tighter))
    }

    fn counter(&self, product: &Product, rule: &Rule<'_>, who: &Who<'_>) -> Arc<Counter> {
        if let Span::Calendar(_) = rule.limit.span {
            let known = match who {
                Who::Stranger(_) => None,
                Who::Known(candidate) => Some(*candidate),
            };
            return self.quotas.counter(product, rule, known);
        }
        let fresh = || Ok::<_, Infallible>(Arc::new(Mutex::new(Count::new(rule.limit.span))));
        let key = (product.number_of(rule.rule), self.subject(rule.limit.per, who));
        let kept = self.counts(rule.limit.per).get_or_insert_with(&key, fresh);
        kept.unwrap_or_else(|never| match never {})
    }
}

/// A rule that covers a request, and whom it counts.
struct Rule<'a> {
    rule: usize,
    limit: &'a Limit,
}

impl Rule<'_> {
    fn at(&self, standing: Standing) -> Rate {
        Rate { rule: self.rule, standing }
    }
}

fn held(counter: &Counter) -> MutexGuard<'_, Count> {
    counter.lock().unwrap_or_else(PoisonError::into_inner)
}

fn denied(rate: Rate) -> Denied {
    Denied { rate: Some(rate), ..Denied::early(DenyReason::RateLimited) }
}

impl App {
    /// Counts a request before anybody looks whose it is: under the rules of its address and of the product.
    ///
    /// # Errors
    /// The denial.
    pub fn arrive(&self, product: &Product, view: &RequestView<'_>) -> Result<Option<Rate>, Denied> {
        if product.limits.is_empty() {
            return Ok(None);
        }
        self.rates.count(product, view, &Who::Stranger(view.client_ip), &*self.clock).map_err(denied)
    }

    /// Counts a request of a caller that proved who it is.
    ///
    /// # Errors
    /// Where the rule stands that has no room left.
    pub fn admit(
        &self,
        product: &Product,
        view: &RequestView<'_>,
        candidate: &Candidate,
    ) -> Result<Option<Rate>, Rate> {
        if product.limits.is_empty() {
            return Ok(None);
        }
        self.rates.count(product, view, &Who::Known(candidate), &*self.clock)
    }
}
