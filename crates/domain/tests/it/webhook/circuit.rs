//! When an endpoint is asked seldom, and when it is asked like any other again.

use keymint_domain::time::UnixMs;
use keymint_domain::webhook::circuit::{Circuit, FAILURES_MAX};
use keymint_domain::webhook::schedule::Answer;

const NOW: UnixMs = UnixMs(1_700_000_000_000);

fn refused(status: u16) -> Answer {
    Answer::Refused { status, retry_after_ms: None }
}

/// After so many failures, each as soon as the endpoint may be asked again; and when the last of them was.
fn fails(times: u32, answer: Answer) -> (Circuit, UnixMs) {
    (0..times).fold((Circuit::default(), NOW), |(circuit, now), _| {
        let now = circuit.until().unwrap_or(now);
        (circuit.after(answer, now), now)
    })
}

fn failed(times: u32) -> Circuit {
    fails(times, Answer::Silence).0
}

fn pause_ms((circuit, now): (Circuit, UnixMs)) -> Option<i64> {
    circuit.until().map(|until| until.0 - now.0)
}

#[test]
fn the_tenth_failure_in_a_row_pauses_an_endpoint_and_the_ninth_does_not() {
    assert_eq!(failed(FAILURES_MAX - 1).places(NOW, 8), 8);
    let open = failed(FAILURES_MAX);
    assert_eq!((open.places(NOW, 8), pause_ms(fails(FAILURES_MAX, Answer::Silence))), (0, Some(1_000)));
    assert_eq!(open.places(UnixMs(NOW.0 + 999), 8), 0);
    assert_eq!(open.places(UnixMs(NOW.0 + 1_000), 8), 1, "one asks whether it is there again");
}

#[test]
fn each_further_failure_doubles_the_pause_up_to_a_minute() {
    let pauses: Vec<_> = (10..19).map(|times| pause_ms(fails(times, Answer::Silence)).expect("a pause")).collect();
    assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    assert_eq!(pause_ms(fails(100_000, Answer::Silence)), Some(60_000));
}

#[test]
fn what_was_under_way_when_the_pause_began_makes_it_no_longer() {
    let open = failed(FAILURES_MAX);
    let until = open.until().expect("a pause");
    assert_eq!(open.after(Answer::Silence, UnixMs(until.0 - 1)), open);
    assert_ne!(open.after(Answer::Silence, until), open);
    assert!(open.after(Answer::Taken, UnixMs(until.0 - 1)).is_fresh(), "one that was taken ends it");
}

#[test]
fn one_that_is_taken_makes_an_endpoint_like_any_other() {
    for times in [1, 9, 10, 50] {
        let circuit = failed(times).after(Answer::Taken, NOW);
        assert!(circuit.is_fresh() && !circuit.is_open() && circuit.places(NOW, 8) == 8);
    }
}

#[test]
fn a_server_that_answers_that_it_cannot_counts_and_one_that_says_no_to_an_event_does_not() {
    for status in [301, 302, 408, 429, 500, 502, 503, 599] {
        assert!(fails(FAILURES_MAX, refused(status)).0.is_open(), "{status}");
    }
    for status in [400, 401, 404, 407, 409, 410, 422, 428, 430, 499] {
        assert_eq!(failed(9).after(refused(status), NOW), failed(9), "{status}");
        assert_eq!(failed(12).after(refused(status), NOW), failed(12), "{status} closes nothing");
    }
}
