//! Rates: a window that slides.

use std::net::IpAddr;

use keymint_domain::dialect::parse::limits::RawLimit;
use keymint_domain::limit::{Limit, Per, Period, Span, Tally, Window, network};
use keymint_domain::time::UnixMs;

use crate::fixture::SeededEntropy;

fn limit(requests: u32, window_seconds: u32) -> Limit {
    Limit {
        name: "l".into(),
        policy: format!("\"l\";q={requests};w={window_seconds}").into(),
        per: Per::Key,
        requests,
        span: Span::Sliding(window_seconds),
        routes: Vec::new(),
        except: Vec::new(),
        body_member: None,
    }
}

/// Counts one where there is room; whether there was.
fn try_one(window: &mut Window, quota: u32, now_ms: i64) -> bool {
    let has_room = window.has_room(quota, now_ms);
    if has_room {
        window.take(quota, now_ms);
    }
    has_room
}

#[test]
fn the_hundredth_call_of_a_minute_is_let_in_the_next_one_is_not_and_a_minute_later_there_is_room() {
    for begin in [0, 1, 999, 1_000, 59_999, 123_456_789] {
        let (quota, mut window) = (100, Window::new(60));
        for call in 0..100_i64 {
            assert!(try_one(&mut window, quota, begin + call * 590), "{call}");
        }
        assert!(!window.has_room(quota, begin + 59_000));
        assert_eq!(window.standing(quota, begin + 59_000).remaining, 0);
        assert!(!try_one(&mut window, quota, begin + 59_999), "59.999 seconds after the first");
        let wait = i64::from(window.standing(quota, begin + 59_999).reset_seconds) * 1000;
        assert!((1..=2_000).contains(&wait), "{wait}");
        assert!(try_one(&mut window, quota, begin + 59_999 + wait), "as long as it was told to wait");
        assert!(try_one(&mut window, quota, begin + 61_000 + 59_000), "and later all the more");
    }
}

#[test]
fn never_more_than_the_quota_pass_in_any_span_of_the_window() {
    let entropy = SeededEntropy::new(5);
    for (requests, seconds) in [(1, 1), (3, 1), (7, 60), (100, 60), (50, 3600), (5, 86_400)] {
        let (quota, mut window) = (requests, Window::new(seconds));
        let (mut now_ms, mut passed) = (i64::from(seconds) * 7_919, Vec::new());
        for _ in 0..4_000 {
            now_ms +=
                i64::try_from(entropy.below(usize::try_from(seconds).expect("small") * 1000 / 20)).expect("small");
            if try_one(&mut window, quota, now_ms) {
                passed.push(now_ms);
            }
        }
        let allowed = usize::try_from(requests).expect("small");
        for pair in passed.windows(allowed + 1) {
            let span = pair[allowed] - pair[0];
            assert!(span >= i64::from(seconds) * 1000, "{} within {span} ms of {seconds} s", allowed + 1);
        }
        assert!(passed.len() > allowed, "it opens again");
    }
}

#[test]
fn what_is_told_is_true_and_a_clock_that_steps_back_opens_nothing() {
    let (quota, mut window) = (2, Window::new(60));
    assert_eq!(window.take(quota, 10_000).remaining, 1);
    assert_eq!(window.take(quota, 20_000).remaining, 0);
    assert!(!try_one(&mut window, quota, 5_000), "before it began");
    assert!(!try_one(&mut window, quota, 70_999));
    assert!(try_one(&mut window, quota, 71_000), "the first is a minute and a part old");
    assert!(!try_one(&mut window, quota, 80_999), "the second is not yet");
    assert!(try_one(&mut window, quota, 81_000));
    assert!(window.has_room(quota, i64::MAX / 2));
    assert_eq!(window.standing(quota, i64::MAX / 2).remaining, 2, "long after, nothing of it is left");
}

#[test]
fn an_address_counts_by_itself_and_one_of_ipv6_with_its_56() {
    let of = |text: &str| network(text.parse::<IpAddr>().expect("an address"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    assert_eq!(of("2001:db8:0:ab00::1"), of("2001:db8:0:abff:ffff::"));
    assert_ne!(of("2001:db8:0:ab00::1"), of("2001:db8:0:ac00::1"));
}

#[test]
fn a_rule_that_is_none_says_what_would_be_right() {
    let good = "name = \"a\"\nper = \"key\"\nrequests = 1\nwindow_seconds = 1\n";
    let checked = |text: &str| toml::from_str::<RawLimit>(text).map_err(|error| error.to_string())?.checked();
    assert_eq!(checked(good), Ok(Limit { name: "a".into(), policy: "\"a\";q=1;w=1".into(), ..limit(1, 1) }));
    for (from, to, says) in [
        ("name = \"a\"", "name = \"A b\"", "limit.name"),
        ("requests = 1", "requests = 0", "limit.requests"),
        ("requests = 1", "requests = 100000001", "limit.requests"),
        ("window_seconds = 1", "window_seconds = 0", "limit.window_seconds"),
        ("window_seconds = 1", "window_seconds = 86401", "limit.window_seconds"),
        ("per = \"key\"", "per = \"town\"", "town"),
        ("window_seconds = 1", "", "limit.window_seconds"),
        ("window_seconds = 1", "window_seconds = 1\nperiod = \"day\"", "limit.window_seconds"),
        ("window_seconds = 1", "period = \"year\"", "year"),
        (
            "per = \"key\"\nrequests = 1\nwindow_seconds = 1",
            "per = \"address\"\nrequests = 1\nperiod = \"day\"",
            "limit.per",
        ),
        ("requests = 1", "requests = 1\nburst = 2", "burst"),
        ("requests = 1", "requests = 1\nroutes = [\"/v1\"]", "limit.routes[0]"),
    ] {
        let problem = checked(&good.replace(from, to)).expect_err(to);
        assert!(problem.contains(says), "{to}: {problem}");
    }
}

fn at(text: &str) -> UnixMs {
    UnixMs(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
}

#[test]
fn a_quota_begins_anew_with_its_day_or_month_and_not_a_millisecond_before() {
    for (period, last, next) in [
        (Period::Day, "2026-02-28T23:59:59.999Z", "2026-03-01T00:00:00Z"),
        (Period::Month, "2028-02-29T23:59:59.999Z", "2028-03-01T00:00:00Z"),
        (Period::Month, "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"),
    ] {
        let mut tally = Tally::new(period, UnixMs(i64::MIN), 0);
        assert!(tally.has_room(2, at(last)));
        assert_eq!(tally.take(2, at(last)).remaining, 1);
        let standing = tally.take(2, at(last));
        assert_eq!((standing.remaining, standing.reset_seconds), (0, 1));
        assert!(!tally.has_room(2, at(last)), "{last}");
        assert!(tally.has_room(2, at(next)), "{next}");
        assert!(
            tally.has_room(2, at(last)) && tally.counted() == (at(next), 0),
            "a clock that goes back takes nothing away"
        );
        tally.take(2, at(last));
        assert_eq!(tally.counted(), (at(next), 1), "nor does it begin anew");
    }
}

#[test]
fn a_quota_goes_on_from_what_was_written_down_unless_its_period_is_over() {
    let written = at("2026-11-01T00:00:00Z");
    let mut tally = Tally::new(Period::Month, written, 5);
    assert!(!tally.has_room(5, at("2026-11-30T23:59:59Z")));
    assert_eq!(tally.standing(5, at("2026-11-30T23:59:00Z")).reset_seconds, 60);
    let mut tally = Tally::new(Period::Month, written, 5);
    assert!(tally.has_room(5, at("2026-12-01T00:00:00Z")));
}
