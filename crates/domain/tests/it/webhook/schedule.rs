//! When a delivery is tried again.

use keymint_domain::webhook::schedule::{Answer, Next};

use super::of;

fn refused(status: u16) -> Answer {
    Answer::Refused { status, retry_after_ms: None }
}

/// The waits of an endpoint that always answers the same, and how it ends.
fn ladder(dialect: &str, answer: Answer, chance: u16) -> (Vec<i64>, Next) {
    let retry = of(dialect).retry;
    let mut waits = Vec::new();
    for tries in 1.. {
        match retry.next(tries, answer, chance) {
            Next::Wait(wait) => waits.push(wait),
            end => return (waits, end),
        }
    }
    unreachable!("a schedule ends")
}

#[test]
fn razorpay_tries_sixteen_times_within_a_day_whatever_the_answer_and_then_disables_the_endpoint() {
    for answer in [refused(500), refused(400), refused(302), refused(410), Answer::Silence] {
        let (waits, end) = ladder("razorpay", answer, u16::MAX);
        assert_eq!((waits.len(), end), (15, Next::GiveUp { disables: true }), "{answer:?}");
        let total: i64 = waits.iter().sum();
        assert_eq!(total, 81_936_000, "22.76 hours: no jitter");
        assert!(total + 16 * 5_000 < 24 * 3_600_000);
        // Each try is about twice as long after the event as the one before.
        let mut at = 0;
        let since: Vec<i64> = waits
            .iter()
            .map(|wait| {
                at += wait;
                at
            })
            .collect();
        let is_twice = |pair: &[i64]| (1.8..=3.2).contains(&(pair[1] as f64 / pair[0] as f64));
        assert!(since[1..].windows(2).all(is_twice), "{since:?}");
    }
}

#[test]
fn kpay_waits_one_two_and_four_seconds_and_never_repeats_what_was_the_merchants_fault() {
    for answer in [refused(500), refused(503), refused(302), Answer::Silence] {
        assert_eq!(ladder("kpay", answer, 0), (vec![1000, 2000, 4000], Next::GiveUp { disables: false }));
    }
    for status in [400, 401, 404, 410, 429, 499] {
        assert_eq!(ladder("kpay", refused(status), 0), (Vec::new(), Next::GiveUp { disables: false }), "{status}");
    }
}

#[test]
fn the_native_schedule_heeds_retry_after_disables_on_410_and_adds_at_most_a_tenth() {
    let retry = of("keymint").retry;
    assert_eq!(retry.next(1, refused(410), 0), Next::GiveUp { disables: true });
    assert_eq!(retry.next(1, refused(409), 0), Next::Wait(5_000));
    assert_eq!(retry.next(1, refused(500), u16::MAX), Next::Wait(5_500));
    let asked = |retry_after_ms| Answer::Refused { status: 503, retry_after_ms: Some(retry_after_ms) };
    assert_eq!(retry.next(1, asked(60_000), 0), Next::Wait(60_000));
    assert_eq!(retry.next(1, asked(1), 0), Next::Wait(5_000), "sooner than the schedule nobody is called");
    assert_eq!(retry.next(1, asked(i64::MAX), 0), Next::Wait(86_400_000), "nor put off for longer than a day");
    assert_eq!(retry.next(1, asked(-5), 0), Next::Wait(5_000));
    assert_eq!(ladder("keymint", refused(500), 0).0.len(), 7);
    assert_eq!(of("razorpay").retry.next(1, asked(60_000), 0), Next::Wait(230), "not every vendor heeds it");
}

#[test]
fn what_was_taken_is_done_and_what_counts_as_taken_is_the_vendors() {
    for dialect in ["keymint", "razorpay", "kpay", "kwikpaisa"] {
        let webhooks = of(dialect);
        assert_eq!(webhooks.retry.next(1, Answer::Taken, 7), Next::Done);
        assert!(webhooks.success.holds(200) && !webhooks.success.holds(199) && !webhooks.success.holds(300));
        assert_eq!(webhooks.success.holds(204), matches!(dialect, "keymint" | "razorpay"), "{dialect}");
    }
    assert_eq!(of("keymint").retry.next(0, refused(500), 0), Next::GiveUp { disables: false }, "tries begin at 1");
}
