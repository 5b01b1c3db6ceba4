//! Rates: a window that slides.

use std::net::IpAddr;

use keymint_domain::dialect::parse::limits::RawLimit;
use keymint_domain::limit::{Limit, Per, Window, network};

use crate::fixture::SeededEntropy;

fn limit(requests: u32, window_seconds: u32) -> Limit {
    Limit {
        name: "l".into(),
        policy: format!("\"l\";q={requests};w={window_seconds}").into(),
        per: Per::Key,
        requests,
        window_seconds,
        routes: Vec::new(),
        except: Vec::new(),
        body_member: None,
    }
}

/// Counts one where there is room; whether there was.
fn try_one(window: &mut Window, limit: &Limit, now_ms: i64) -> bool {
    let has_room = window.has_room(limit, now_ms);
    if has_room {
        window.take(limit, now_ms);
    }
    has_room
}

#[test]
fn the_hundredth_call_of_a_minute_is_let_in_the_next_one_is_not_and_a_minute_later_there_is_room() {
    for begin in [0, 1, 999, 1_000, 59_999, 123_456_789] {
        let (limit, mut window) = (limit(100, 60), Window::default());
        for call in 0..100_i64 {
            assert!(try_one(&mut window, &limit, begin + call * 590), "{call}");
        }
        assert!(!window.has_room(&limit, begin + 59_000));
        assert_eq!(window.standing(&limit, begin + 59_000).remaining, 0);
        assert!(!try_one(&mut window, &limit, begin + 59_999), "59.999 seconds after the first");
        let wait = i64::from(window.standing(&limit, begin + 59_999).reset_seconds) * 1000;
        assert!((1..=2_000).contains(&wait), "{wait}");
        assert!(try_one(&mut window, &limit, begin + 59_999 + wait), "as long as it was told to wait");
        assert!(try_one(&mut window, &limit, begin + 61_000 + 59_000), "and later all the more");
    }
}

#[test]
fn never_more_than_the_quota_pass_in_any_span_of_the_window() {
    let entropy = SeededEntropy::new(5);
    for (requests, seconds) in [(1, 1), (3, 1), (7, 60), (100, 60), (50, 3600), (5, 86_400)] {
        let (limit, mut window) = (limit(requests, seconds), Window::default());
        let (mut now_ms, mut passed) = (i64::from(seconds) * 7_919, Vec::new());
        for _ in 0..4_000 {
            now_ms +=
                i64::try_from(entropy.below(usize::try_from(seconds).expect("small") * 1000 / 20)).expect("small");
            if try_one(&mut window, &limit, now_ms) {
                passed.push(now_ms);
            }
        }
        let quota = usize::try_from(requests).expect("small");
        for pair in passed.windows(quota + 1) {
            let span = pair[quota] - pair[0];
            assert!(span >= i64::from(seconds) * 1000, "{} within {span} ms of {seconds} s", quota + 1);
        }
        assert!(passed.len() > quota, "it opens again");
    }
}

#[test]
fn what_is_told_is_true_and_a_clock_that_steps_back_opens_nothing() {
    let (limit, mut window) = (limit(2, 60), Window::default());
    assert_eq!(window.take(&limit, 10_000).remaining, 1);
    assert_eq!(window.take(&limit, 20_000).remaining, 0);
    assert!(!try_one(&mut window, &limit, 5_000), "before it began");
    assert!(!try_one(&mut window, &limit, 70_999));
    assert!(try_one(&mut window, &limit, 71_000), "the first is a minute and a part old");
    assert!(!try_one(&mut window, &limit, 80_999), "the second is not yet");
    assert!(try_one(&mut window, &limit, 81_000));
    assert!(window.has_room(&limit, i64::MAX / 2));
    assert_eq!(window.standing(&limit, i64::MAX / 2).remaining, 2, "long after, nothing of it is left");
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
        ("requests = 1", "requests = 1\nburst = 2", "burst"),
        ("requests = 1", "requests = 1\nroutes = [\"/v1\"]", "limit.routes[0]"),
    ] {
        let problem = checked(&good.replace(from, to)).expect_err(to);
        assert!(problem.contains(says), "{to}: {problem}");
    }
}
