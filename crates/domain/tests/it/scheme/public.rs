//! Calls that a key id alone may make: those of the dialect's list, and no other.

use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::Restrictions;
use keymint_domain::verify::{Candidate, OwnerState};

use crate::fixture::{Key, NOW, Outcome, Request, SeededEntropy, World, base64, dialect, key};

/// What happens to a record.
type Change = fn(&mut Candidate);

fn one(name: &str) -> Key {
    key(dialect(name), Mode::Live, &SeededEntropy::new(81))
}

/// The id alone, as a checkout page of each vendor sends it.
fn alone(name: &str, line: &str, id: &str) -> Request {
    match name {
        "razorpay" => Request::new(line).with("authorization", format!("Basic {}", base64(format!("{id}:")))),
        _ => Request::new(line).with("x-access-key", id),
    }
}

#[test]
fn an_id_alone_makes_the_listed_calls() {
    for (name, line) in [
        ("razorpay", "GET /v1/methods"),
        ("razorpay", "GET /v1/methods?amount=100"),
        ("kspay", "GET /currencies"),
        ("kspay", "GET /c_123456789/payment-methods"),
    ] {
        let key = one(name);
        let world = World::new(dialect(name), &[&key]);
        assert_eq!(world.see(&alone(name, line, key.id())), Outcome::Allowed, "{name} {line}");
    }
}

#[test]
fn an_id_alone_makes_no_other_call() {
    for (name, line) in [
        ("razorpay", "POST /v1/methods"),
        ("razorpay", "HEAD /v1/methods"),
        ("razorpay", "GET /v1/methods/"),
        ("razorpay", "GET /v1/Methods"),
        ("razorpay", "GET /v1/methods/x"),
        ("razorpay", "GET /v1/method"),
        ("razorpay", "GET /v1/orders"),
        ("razorpay", "POST /v1/orders"),
        ("razorpay", "GET /"),
        ("kspay", "POST /currencies"),
        ("kspay", "GET /currencies/"),
        ("kspay", "GET /Currencies"),
        ("kspay", "GET /currencies/c_1"),
        ("kspay", "GET /payment-methods"),
        ("kspay", "GET /a/b/payment-methods"),
        ("kspay", "GET /c_1/payment-methods/x"),
        ("kspay", "POST /transaction/initiate"),
        ("kspay", "GET /transaction"),
    ] {
        let key = one(name);
        let world = World::new(dialect(name), &[&key]);
        let reason = world.reason(&alone(name, line, key.id()));
        let expected =
            if name == "razorpay" { DenyReason::MalformedCredentials } else { DenyReason::MissingCredentials };
        assert_eq!(reason, Some(expected), "{name} {line}");
    }
    let key = one("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let empty_segment = alone("kspay", "GET //payment-methods", key.id());
    assert_eq!(world.reason(&empty_segment), Some(DenyReason::AmbiguousRequest));
    for name in ["kpay", "kwikpaisa", "keymint"] {
        assert!(dialect(name).public.is_none(), "{name} has no public calls");
    }
}

#[test]
fn an_id_that_is_wrong_is_refused_on_listed_calls_too() {
    for (name, line, id, expected) in [
        ("razorpay", "GET /v1/methods", "rzp_live_00000000000000", DenyReason::UnknownKey),
        ("razorpay", "GET /v1/methods", "rzp_live_", DenyReason::MalformedCredentials),
        ("razorpay", "GET /v1/methods", "", DenyReason::MalformedCredentials),
        ("kspay", "GET /currencies", "kspub_live_000000000000000000000000", DenyReason::UnknownKey),
        ("kspay", "GET /currencies", "kspub_live_", DenyReason::MalformedCredentials),
        ("kspay", "GET /currencies", "", DenyReason::MalformedCredentials),
    ] {
        let world = World::new(dialect(name), &[&one(name)]);
        assert_eq!(world.reason(&alone(name, line, id)), Some(expected), "{name} {id:?}");
    }
    let key = one("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let bytes = Request::new("GET /currencies").with("x-access-key", b"\xff");
    assert_eq!(world.reason(&bytes), Some(DenyReason::MalformedCredentials));
    let moved = alone("kspay", "GET /currencies", &key.id().replace("live", "test"));
    assert_eq!(world.reason(&moved), Some(DenyReason::UnknownKey));
}

#[test]
fn with_a_secret_beside_it_the_secret_counts_on_listed_calls_too() {
    let key = one("razorpay");
    let world = World::new(dialect("razorpay"), &[&key]);
    let with = |secret: &str| {
        let pair = base64(format!("{}:{secret}", key.id()));
        Request::new("GET /v1/methods").with("authorization", format!("Basic {pair}"))
    };
    assert_eq!(world.see(&with(&key.secret)), Outcome::Allowed);
    assert_eq!(world.reason(&with("B")), Some(DenyReason::WrongSecret), "a wrong secret is not taken for none");
    let bare = Request::new("GET /v1/methods");
    assert_eq!(world.see(&bare), Outcome::Denied(DenyReason::MissingCredentials, Some(SchemeName::Basic)));
}

#[test]
fn an_id_alone_lives_and_dies_with_its_credential() {
    let key = one("kspay");
    let request = alone("kspay", "GET /currencies", key.id());
    let changes: [(Change, DenyReason); 4] = [
        (|candidate| candidate.expires_at = Some(NOW), DenyReason::Expired),
        (|candidate| candidate.owner = OwnerState::AppDisabled, DenyReason::AppDisabled),
        (|candidate| candidate.owner = OwnerState::MerchantNotApproved, DenyReason::MerchantSuspended),
        (|candidate| candidate.mode = Mode::Test, DenyReason::UnknownKey),
    ];
    for (change, expected) in changes {
        let world = World::changed(dialect("kspay"), &key, change);
        assert_eq!(world.reason(&request), Some(expected));
    }
}

#[test]
fn a_page_must_say_where_it_comes_from_once_there_is_a_list() {
    for (name, line) in [("kspay", "GET /currencies"), ("razorpay", "GET /v1/methods")] {
        let key = one(name);
        let world = World::changed(dialect(name), &key, |candidate| {
            let allowed_origins = vec!["https://shop.example".into()];
            candidate.restrictions = Some(Box::new(Restrictions { allowed_origins, ..Restrictions::default() }));
        });
        let request = alone(name, line, key.id());
        assert_eq!(world.reason(&request), Some(DenyReason::OriginNotAllowed), "{name}: no origin");
        let listed = request.clone().with("origin", "https://shop.example");
        assert_eq!(world.see(&listed), Outcome::Allowed, "{name}");
        let other = request.with("origin", "https://shop.example.evil.test");
        assert_eq!(world.reason(&other), Some(DenyReason::OriginNotAllowed), "{name}: another origin");
        if name == "razorpay" {
            let pair = base64(format!("{}:{}", key.id(), key.secret));
            let server = Request::new(line).with("authorization", format!("Basic {pair}"));
            assert_eq!(world.see(&server), Outcome::Allowed, "a server has the secret and no origin");
        }
    }
}
