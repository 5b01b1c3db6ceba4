//! Rates: how many requests may come in a while, counted for a key, an app, a merchant, an address or a whole product. Pure
//! counting over a clock that is given; who keeps the counts is `app`.
//!
//! A window slides. It is counted in sixty parts and the one under way, so never more than the quota pass in any span of the
//! window's length, and whoever kept to it waits a sixtieth longer at the most.

use std::net::IpAddr;

use crate::dialect::route::Route;
use crate::json::Document;
use crate::request::RequestView;

/// Parts of a window.
const PARTS: usize = 60;
/// Counts kept: those of a whole window, and the one under way.
const KEPT: usize = PARTS + 1;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A credential.
    Key,
    /// An app, with all its credentials of one mode.
    App,
    /// A merchant, with all its apps of one product and mode.
    Merchant,
    /// A client's address, whoever it says it is; of IPv6 a /56, which is what a customer gets (T77).
    Address,
    /// Everybody.
    Product,
}

/// A rule: so many requests in so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name in headers.
    pub name: Box<str>,
    /// What is counted together.
    pub per: Per,
    /// What headers say of it: its name, quota and window (draft-ietf-httpapi-ratelimit-headers-10 section 2).
    pub policy: Box<str>,
    /// Requests in a window.
    pub requests: u32,
    /// The window. Seconds.
    pub window_seconds: u32,
    /// The calls that are counted; none: all of them.
    pub routes: Vec<Route>,
    /// Calls of these routes that are not counted all the same.
    pub except: Vec<Route>,
    /// A member that a call's JSON body must have to be counted.
    pub body_member: Option<Box<str>>,
}

impl Limit {
    /// Whether a request is counted.
    pub fn covers(&self, view: &RequestView<'_>) -> bool {
        let is_of = |routes: &[Route]| routes.iter().any(|route| route.could_match(view.method, view.route()));
        let is_of_routes = (self.routes.is_empty() || is_of(&self.routes)) && !is_of(&self.except);
        let has_member = |name: &str| Document::parse(view.body).is_ok_and(|document| document.member(name).is_some());
        is_of_routes && self.body_member.as_deref().is_none_or(has_member)
    }
}

/// The network whose requests are counted together.
pub fn network(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => u128::from(address.to_bits()),
            None => address.to_bits() >> 72 << 72,
        },
    }
}

/// Where a count stands, for whoever is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests that may still come in this window.
    pub remaining: u32,
    /// After how long some of those that were counted are forgotten. Seconds, at least 1.
    pub reset_seconds: u32,
}

/// One subject's count under one rule.
#[derive(Clone, Debug)]
pub struct Window {
    counts: [u32; KEPT],
    total: u32,
    /// The number of the part under way.
    newest: i64,
    /// The number of the oldest part that counted anything; `newest` when none did.
    oldest: i64,
}

impl Default for Window {
    fn default() -> Self {
        Self { counts: [0; KEPT], total: 0, newest: i64::MIN, oldest: i64::MIN }
    }
}

impl Window {
    /// Whether one more may come; nothing is counted. `now_ms` never goes back for long: a clock that does, finds what was
    /// counted later still there.
    pub fn has_room(&mut self, limit: &Limit, now_ms: i64) -> bool {
        self.move_to(limit, now_ms);
        self.total < limit.requests
    }

    /// Where the count stands.
    pub fn standing(&self, limit: &Limit, now_ms: i64) -> Standing {
        let remaining = limit.requests.saturating_sub(self.total);
        Standing { remaining, reset_seconds: self.reset_seconds(limit, now_ms) }
    }

    /// Counts one.
    pub fn take(&mut self, limit: &Limit, now_ms: i64) -> Standing {
        self.move_to(limit, now_ms);
        if let Some(count) = self.counts.get_mut(place(self.newest)) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
        self.standing(limit, now_ms)
    }

    fn move_to(&mut self, limit: &Limit, now_ms: i64) {
        let part = now_ms.div_euclid(part_ms(limit));
        if part <= self.newest {
            return;
        }
        if part.saturating_sub(self.newest) >= KEPT as i64 {
            *self = Self { newest: part, oldest: part, ..Self::default() };
            return;
        }
        while self.newest < part {
            self.newest += 1;
            if let Some(count) = self.counts.get_mut(place(self.newest)) {
                self.total -= *count;
                *count = 0;
            }
        }
        while self.oldest < part && (self.oldest <= part - KEPT as i64 || self.count(self.oldest) == 0) {
            self.oldest += 1;
        }
    }

    fn count(&self, part: i64) -> u32 {
        self.counts.get(place(part)).copied().unwrap_or(0)
    }

    /// After how long enough of the oldest counts are gone for one more to come; for the first to go where there is room.
    fn reset_seconds(&self, limit: &Limit, now_ms: i64) -> u32 {
        let mut over = i64::from(self.total) - i64::from(limit.requests) + 1;
        for part in self.oldest..=self.newest {
            let count = self.count(part);
            over -= i64::from(count);
            if count > 0 && over <= 0 {
                let gone_ms = (part + KEPT as i64).saturating_mul(part_ms(limit));
                let wait = gone_ms.saturating_sub(now_ms).clamp(1, i64::from(u32::MAX) * 1000);
                return u32::try_from((wait + 999) / 1000).unwrap_or(u32::MAX);
            }
        }
        1
    }
}

fn place(part: i64) -> usize {
    usize::try_from(part.rem_euclid(KEPT as i64)).unwrap_or(0)
}

/// The length of a part, rounded up: sixty are no less than the window. Milliseconds.
fn part_ms(limit: &Limit) -> i64 {
    (i64::from(limit.window_seconds) * 1000 + PARTS as i64 - 1) / PARTS as i64
}
