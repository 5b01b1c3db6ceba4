//! The life of a credential: every state, every move, one millisecond before, at and after each end. Nothing comes back.

use keymint_domain::credential::{Credential, MoveError, Revocation, RevokeReason, State, Status};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;

use crate::fixture::{NOW, SeededEntropy, dialect, key};

fn after(ms: i64) -> UnixMs {
    UnixMs(NOW.0 + ms)
}

fn credential(status: Status, expires_at: Option<UnixMs>) -> Credential {
    let mut credential = key(dialect("razorpay"), Mode::Live, &SeededEntropy::new(31)).credential;
    credential.status = status;
    credential.expires_at = expires_at;
    credential
}

fn revoked(at: UnixMs) -> Status {
    Status::Revoked { at, reason: RevokeReason::Compromised, note: Some("seen in a log".to_owned()) }
}

fn retiring(ends_at: UnixMs) -> Status {
    Status::Retiring { ends_at }
}

#[test]
fn a_state_changes_in_the_millisecond_of_its_end() {
    for (status, expires_at, before, from_then_on) in [
        (Status::Active, Some(after(1000)), State::Active, State::Expired),
        (retiring(after(1000)), None, State::Retiring, State::Expired),
        (retiring(after(1000)), Some(after(2000)), State::Retiring, State::Expired),
        (retiring(after(2000)), Some(after(1000)), State::Retiring, State::Expired),
        (revoked(NOW), Some(after(1000)), State::Revoked, State::Revoked),
    ] {
        let credential = credential(status, expires_at);
        for (moment, expected) in [(0, before), (999, before), (1000, from_then_on), (1001, from_then_on)] {
            assert_eq!(credential.state(after(moment)), expected, "{:?} after {moment} ms", credential.status);
        }
        assert_eq!(credential.state(UnixMs(i64::MAX)), from_then_on);
    }
    assert_eq!(credential(Status::Active, None).state(UnixMs(i64::MAX)), State::Active);
}

#[test]
fn the_end_is_the_earlier_of_expiry_and_grace() {
    for (status, expires_at, end) in [
        (Status::Active, None, None),
        (Status::Active, Some(after(5)), Some(after(5))),
        (retiring(after(7)), None, Some(after(7))),
        (retiring(after(7)), Some(after(5)), Some(after(5))),
        (retiring(after(5)), Some(after(7)), Some(after(5))),
    ] {
        assert_eq!(credential(status, expires_at).ends_at(), end);
    }
}

/// What a move does to a credential in some state.
struct Row {
    status: Status,
    expires_at: Option<UnixMs>,
    state: State,
    retire_later: Result<State, MoveError>,
    retire_now: Result<State, MoveError>,
    revoke: Revocation,
}

fn table() -> Vec<Row> {
    let row = |status, expires_at, state, retire_later, retire_now, revoke| Row {
        status,
        expires_at,
        state,
        retire_later,
        retire_now,
        revoke,
    };
    let moves = (Ok(State::Retiring), Ok(State::Revoked));
    let twice = (Err(MoveError::Retiring), Err(MoveError::Retiring));
    let ended = (Err(MoveError::Ended), Err(MoveError::Ended));
    let before = Revocation::Before { at: after(-5) };
    let now = Revocation::Now;
    vec![
        row(Status::Active, None, State::Active, moves.0, moves.1, now),
        row(Status::Active, Some(after(1)), State::Active, moves.0, moves.1, now),
        row(Status::Active, Some(NOW), State::Expired, ended.0, ended.1, now),
        row(Status::Active, Some(after(-1)), State::Expired, ended.0, ended.1, now),
        row(retiring(after(1)), None, State::Retiring, twice.0, twice.1, now),
        row(retiring(NOW), None, State::Expired, ended.0, ended.1, now),
        row(retiring(after(-1)), None, State::Expired, ended.0, ended.1, now),
        row(retiring(after(9)), Some(NOW), State::Expired, ended.0, ended.1, now),
        row(revoked(after(-5)), None, State::Revoked, ended.0, ended.1, before),
        row(revoked(after(-5)), Some(after(9)), State::Revoked, ended.0, ended.1, before),
    ]
}

#[test]
fn every_move_in_every_state_does_what_the_table_says() {
    for row in table() {
        let start = credential(row.status.clone(), row.expires_at);
        assert_eq!(start.state(NOW), row.state, "{:?}", row.status);

        for (ends_at, expected) in [(after(1), row.retire_later), (NOW, row.retire_now), (after(-1), row.retire_now)] {
            let mut moved = start.clone();
            let result = moved.retire(ends_at, NOW).map(|()| match moved.status {
                Status::Retiring { ends_at: end } if end == ends_at => State::Retiring,
                Status::Revoked { at: NOW, reason: RevokeReason::Superseded, note: None } => State::Revoked,
                ref other => panic!("{other:?}"),
            });
            assert_eq!(result, expected, "retire {:?} until {ends_at}", row.status);
            if result.is_err() {
                assert_eq!(moved.status, start.status, "a refused move changes nothing");
            }
        }

        let mut moved = start.clone();
        let note = Some("words".to_owned());
        assert_eq!(moved.revoke(NOW, RevokeReason::Other, note.clone()), row.revoke, "revoke {:?}", row.status);
        assert_eq!(moved.state(NOW), State::Revoked);
        match row.revoke {
            Revocation::Now => assert_eq!(moved.status, Status::Revoked { at: NOW, reason: RevokeReason::Other, note }),
            Revocation::Before { .. } => assert_eq!(moved.status, start.status, "the first moment and reason stand"),
        }
    }
}

#[test]
fn revoking_during_grace_ends_it_at_once() {
    let mut credential = credential(Status::Active, None);
    credential.retire(after(86_400_000), NOW).expect("it is active");
    assert_eq!(credential.state(after(1)), State::Retiring);
    assert_eq!(credential.revoke(after(2), RevokeReason::Compromised, None), Revocation::Now);
    assert_eq!(credential.state(after(2)), State::Revoked);
}

#[test]
fn an_expiry_set_later_ends_a_grace_that_is_longer() {
    let mut credential = credential(Status::Active, Some(after(100)));
    credential.retire(after(1000), NOW).expect("it is active");
    assert_eq!(credential.state(after(99)), State::Retiring);
    assert_eq!(credential.state(after(100)), State::Expired);
    assert_eq!(credential.ends_at(), Some(after(100)));
}

/// Every sequence of five moves, a millisecond or more apart, from every start.
#[test]
fn nothing_comes_back() {
    const MOVES: usize = 4;
    let rank = |state: State| match state {
        State::Active => 0,
        State::Retiring => 1,
        State::Expired | State::Revoked => 2,
    };
    for expires_at in [None, Some(after(3))] {
        for sequence in 0..MOVES.pow(5) {
            let mut credential = credential(Status::Active, expires_at);
            let mut worst = 0;
            for step in 0..5_u32 {
                let now = after(i64::from(step));
                match sequence / MOVES.pow(step) % MOVES {
                    0 => drop(credential.retire(UnixMs(now.0 + 2), now)),
                    1 => drop(credential.retire(now, now)),
                    2 => drop(credential.revoke(now, RevokeReason::Unused, None)),
                    _ => {}
                }
                let rank = rank(credential.state(now));
                assert!(rank >= worst, "sequence {sequence}, step {step}");
                worst = rank;
            }
        }
    }
}

#[test]
fn names_of_revocation_reasons_are_read_back() {
    for reason in [RevokeReason::Compromised, RevokeReason::Superseded, RevokeReason::Unused, RevokeReason::Other] {
        assert_eq!(RevokeReason::parse(reason.as_str()), Some(reason));
    }
    for odd in ["", "Compromised", "compromised ", "expired"] {
        assert_eq!(RevokeReason::parse(odd), None, "{odd}");
    }
}

#[test]
fn names_of_modes_and_states_are_fixed() {
    assert_eq!((Mode::parse("test"), Mode::parse("live")), (Some(Mode::Test), Some(Mode::Live)));
    for odd in ["", "Test", "LIVE", "sandbox", "test "] {
        assert_eq!(Mode::parse(odd), None, "{odd}");
    }
    let names = [State::Active, State::Retiring, State::Revoked, State::Expired].map(State::as_str);
    assert_eq!(names, ["active", "retiring", "revoked", "expired"]);
}

#[test]
fn slots_are_counted_by_app_or_by_merchant_as_the_dialect_says() {
    let entropy = SeededEntropy::new(32);
    let mine = key(dialect("kpay"), Mode::Live, &entropy).credential;
    assert_eq!(mine.slot_owner(dialect("kpay")), mine.app_id.to_string());
    assert_eq!(mine.slot_owner(dialect("razorpay")), mine.merchant_id.to_string());
}
