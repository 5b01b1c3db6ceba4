//! Identity tokens ready to be sent: signing one costs more than the rest of a request, so each is used for half its life.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use http::HeaderValue;
use keymint_app::App;
use keymint_domain::identity::{self, LIFE_SECONDS};
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use quick_cache::unsync::Cache;

/// Credentials whose tokens a thread keeps; about 700 bytes each.
const KEPT_MAX: usize = 10_000;

/// The tokens of one thread for one upstream.
pub struct Vouchers {
    audience: Box<str>,
    kept: RefCell<Cache<Box<str>, Voucher>>,
}

#[derive(Clone)]
struct Voucher {
    /// For whom it was signed. Weak, so that nothing of a changed record is kept alive.
    candidate: Weak<Candidate>,
    token: HeaderValue,
    fresh_until: UnixMs,
}

impl Vouchers {
    /// No tokens yet.
    pub fn new(audience: &str) -> Self {
        Self { audience: audience.into(), kept: RefCell::new(Cache::new(KEPT_MAX)) }
    }

    /// A token for a credential, with at least half its life left or as much as the credential has.
    pub fn token(&self, app: &App, candidate: &Arc<Candidate>) -> HeaderValue {
        let now = app.clock.now();
        let mut kept = self.kept.borrow_mut();
        if let Some(found) = kept.get(&candidate.key_id) {
            // The same record, not only the same key id: scopes change.
            let is_same = std::ptr::eq(found.candidate.as_ptr(), Arc::as_ptr(candidate));
            if is_same && now < found.fresh_until && fresh_until(now) >= found.fresh_until {
                return found.token.clone();
            }
        }
        let minted = identity::mint(&app.keyring, candidate, &self.audience, now);
        let token = HeaderValue::from_str(&minted.text).unwrap_or(HeaderValue::from_static(""));
        let fresh_until = fresh_until(now).min(minted.ends_at);
        let voucher = Voucher { candidate: Arc::downgrade(candidate), token: token.clone(), fresh_until };
        kept.insert(candidate.key_id.clone(), voucher);
        token
    }
}

fn fresh_until(now: UnixMs) -> UnixMs {
    now.plus_seconds(LIFE_SECONDS / 2)
}
