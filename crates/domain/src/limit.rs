//! Rates and quotas: how many requests may come in a while, counted for a key, an app, a merchant, an address or a whole
//! product. Pure counting over clocks that are given; who keeps the counts is `app`.
//!
//! A quota is of a day or a month of the calendar, in UTC, and begins anew with it. A rate is of a window:
//! it slides. It is counted in sixty parts and the one under way, so never more than the quota pass in any span of the
//! window's length, and whoever kept to it waits a sixtieth longer at the most.

use std::net::IpAddr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::dialect::route::Route;
use crate::json::Document;
use crate::request::RequestView;
use crate::time::UnixMs;

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

/// The time in which a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A rate: a window that slides. Seconds.
    Sliding(u32),
    /// A quota: a period of the calendar.
    Calendar(Period),
}

/// A period of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first to the first.
    Month,
}

impl Period {
    /// The period that a moment is in: its beginning, and that of the next. A moment that no calendar has is a period for
    /// ever.
    fn around(self, now: UnixMs) -> (UnixMs, UnixMs) {
        let ever = (UnixMs(i64::MIN), UnixMs(i64::MAX));
        let Ok(at) = Timestamp::from_millisecond(now.0) else { return ever };
        let today = TimeZone::UTC.to_datetime(at).date();
        let (begin, length) = match self {
            Self::Day => (today, 1.day()),
            Self::Month => (today.first_of_month(), 1.month()),
        };
        let moment = |day: Date| day.to_zoned(TimeZone::UTC).map(|day| UnixMs(day.timestamp().as_millisecond()));
        match (moment(begin), begin.checked_add(length).and_then(moment)) {
            (Ok(begins_at), Ok(ends_at)) => (begins_at, ends_at),
            _ => ever,
        }
    }
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
    /// Requests in that time.
    pub requests: u32,
    /// The time.
    pub span: Span,
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

/// A moment, of two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Of one that never goes back for long, for rates. Milliseconds since whenever.
    pub ticks_ms: i64,
    /// The time of day, for quotas.
    pub now: UnixMs,
}

/// One subject's count under one rule.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are windows, and each lies behind a pointer already")]
pub enum Count {
    /// Under a rate.
    Window(Window),
    /// Under a quota.
    Tally(Tally),
}

impl Count {
    /// Nothing was counted yet.
    pub fn new(span: Span) -> Self {
        match span {
            Span::Sliding(seconds) => Self::Window(Window::new(seconds)),
            Span::Calendar(period) => Self::Tally(Tally::new(period, UnixMs(i64::MIN), 0)),
        }
    }

    /// Whether one more may come; nothing is counted.
    pub fn has_room(&mut self, limit: &Limit, moment: Moment) -> bool {
        match self {
            Self::Window(window) => window.has_room(limit.requests, moment.ticks_ms),
            Self::Tally(tally) => tally.has_room(limit.requests, moment.now),
        }
    }

    /// Where the count stands.
    pub fn standing(&self, limit: &Limit, moment: Moment) -> Standing {
        match self {
            Self::Window(window) => window.standing(limit.requests, moment.ticks_ms),
            Self::Tally(tally) => tally.standing(limit.requests, moment.now),
        }
    }

    /// Counts one.
    pub fn take(&mut self, limit: &Limit, moment: Moment) -> Standing {
        match self {
            Self::Window(window) => window.take(limit.requests, moment.ticks_ms),
            Self::Tally(tally) => tally.take(limit.requests, moment.now),
        }
    }
}

/// A count in a period of the calendar. A clock that goes back reopens nothing: the period stays.
#[derive(Clone, Debug)]
pub struct Tally {
    period: Period,
    begins_at: UnixMs,
    ends_at: UnixMs,
    requests: u32,
}

impl Tally {
    /// So many in the period that began then.
    pub fn new(period: Period, begins_at: UnixMs, requests: u32) -> Self {
        let (begins_at, ends_at) = period.around(begins_at);
        // What never began is over at the first look.
        let ends_at = if begins_at.0 == i64::MIN { begins_at } else { ends_at };
        Self { period, begins_at, ends_at, requests }
    }

    /// When the period began, and how many were counted since.
    pub fn counted(&self) -> (UnixMs, u32) {
        (self.begins_at, self.requests)
    }

    /// Whether one more may come; nothing is counted.
    pub fn has_room(&mut self, quota: u32, now: UnixMs) -> bool {
        self.move_to(now);
        self.requests < quota
    }

    /// Where the count stands.
    pub fn standing(&self, quota: u32, now: UnixMs) -> Standing {
        let left_ms = self.ends_at.0.saturating_sub(now.0).clamp(1, i64::from(u32::MAX) * 1000);
        Standing { remaining: quota.saturating_sub(self.requests), reset_seconds: seconds_up(left_ms) }
    }

    /// Counts one.
    pub fn take(&mut self, quota: u32, now: UnixMs) -> Standing {
        self.move_to(now);
        self.requests = self.requests.saturating_add(1);
        self.standing(quota, now)
    }

    fn move_to(&mut self, now: UnixMs) {
        if now >= self.ends_at {
            let (begins_at, ends_at) = self.period.around(now);
            *self = Self { period: self.period, begins_at, ends_at, requests: 0 };
        }
    }
}

/// A count in a window that slides.
#[derive(Clone, Debug)]
pub struct Window {
    /// The length of a part. Milliseconds.
    part_ms: i64,
    counts: [u32; KEPT],
    total: u32,
    /// The number of the part under way.
    newest: i64,
    /// The number of the oldest part that counted anything; `newest` when none did.
    oldest: i64,
}

impl Window {
    /// Nothing was counted yet, of a window of so many seconds. A part is rounded up: sixty are no less than the window.
    pub fn new(seconds: u32) -> Self {
        let part_ms = (i64::from(seconds) * 1000 + PARTS as i64 - 1) / PARTS as i64;
        Self { part_ms: part_ms.max(1), counts: [0; KEPT], total: 0, newest: i64::MIN, oldest: i64::MIN }
    }

    /// Whether one more may come; nothing is counted. `now_ms` never goes back for long: a clock that does, finds what was
    /// counted later still there.
    pub fn has_room(&mut self, quota: u32, now_ms: i64) -> bool {
        self.move_to(now_ms);
        self.total < quota
    }

    /// Where the count stands.
    pub fn standing(&self, quota: u32, now_ms: i64) -> Standing {
        let remaining = quota.saturating_sub(self.total);
        Standing { remaining, reset_seconds: self.reset_seconds(quota, now_ms) }
    }

    /// Counts one.
    pub fn take(&mut self, quota: u32, now_ms: i64) -> Standing {
        self.move_to(now_ms);
        if let Some(count) = self.counts.get_mut(place(self.newest)) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
        self.standing(quota, now_ms)
    }

    fn move_to(&mut self, now_ms: i64) {
        let part = now_ms.div_euclid(self.part_ms);
        if part <= self.newest {
            return;
        }
        if part.saturating_sub(self.newest) >= KEPT as i64 {
            *self = Self { part_ms: self.part_ms, counts: [0; KEPT], total: 0, newest: part, oldest: part };
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
    fn reset_seconds(&self, quota: u32, now_ms: i64) -> u32 {
        let mut over = i64::from(self.total) - i64::from(quota) + 1;
        for part in self.oldest..=self.newest {
            let count = self.count(part);
            over -= i64::from(count);
            if count > 0 && over <= 0 {
                let gone_ms = (part + KEPT as i64).saturating_mul(self.part_ms);
                let wait = gone_ms.saturating_sub(now_ms).clamp(1, i64::from(u32::MAX) * 1000);
                return seconds_up(wait);
            }
        }
        1
    }
}

fn place(part: i64) -> usize {
    usize::try_from(part.rem_euclid(KEPT as i64)).unwrap_or(0)
}

fn seconds_up(ms: i64) -> u32 {
    u32::try_from((ms + 999) / 1000).unwrap_or(u32::MAX)
}
