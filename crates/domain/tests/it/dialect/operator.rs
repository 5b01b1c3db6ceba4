//! A dialect that an operator wrote, from file to decision: what is signed cannot be changed, and the vendor's spelling
//! of the signature is the only one.

use aws_lc_rs::hmac;
use keymint_domain::gate::GateFault;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;

use crate::fixture::{Key, NOW, Outcome, Request, SeededEntropy, World, base64, dialect, hex, key};

const BODY: &str = r#"{"amount":100,"to":"acct_1"}"#;

fn tag(algorithm: hmac::Algorithm, secret: &str, signed: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes()).as_ref().to_vec()
}

/// What the vendor's page would tell a client to sign.
fn string_to_sign(key_id: &str, seconds: i64) -> String {
    format!("POST\n/v2/refunds/r%201\ncount=10&a=b\n{key_id}\n{seconds}\n{BODY}")
}

fn signed_at(key: &Key, seconds: i64) -> Request {
    let signature = base64(tag(hmac::HMAC_SHA512, &key.secret, &string_to_sign(key.id(), seconds)));
    Request::new("POST /v2/refunds/r%201?count=10&a=b")
        .with("acme-key", key.id())
        .with("acme-time", seconds.to_string())
        .with("x-signature", signature)
        .body(BODY)
}

fn keys() -> (Key, Key) {
    let entropy = SeededEntropy::new(3);
    (key(dialect("acmepay"), Mode::Test, &entropy), key(dialect("acmepay"), Mode::Live, &entropy))
}

#[test]
fn an_operators_dialect_works_from_the_file_to_the_decision() {
    let (test, live) = keys();
    let world = World::new(dialect("acmepay"), &[&test, &live]);
    for key in [&test, &live] {
        assert!(matches!(world.see(&signed_at(key, NOW.seconds())), Outcome::AllowedOnce(_)));
    }
    assert!(test.id().starts_with("acme-test-") && live.secret.starts_with("acmesec-live-"));
    let refused = signed_at(&test, NOW.seconds()).body("{}");
    let answer = world.answer(&refused);
    let body = r#"{"status":401,"title":"Unauthorized","type":"urn:acme:credentials","detail":"Say \"please\", and who you are."}"#;
    assert_eq!((answer.status, &*answer.body), (401, body));
}

#[test]
fn nothing_that_is_signed_can_be_changed() {
    let (key, other) = keys();
    let world = World::new(dialect("acmepay"), &[&key, &other]);
    let good = signed_at(&key, NOW.seconds());
    let changed = |change: fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for (what, request) in [
        ("method", changed(|request| request.method = "PUT".to_owned())),
        ("path", changed(|request| request.target = "/v2/refunds/r%202?count=10&a=b".to_owned())),
        ("path to query", changed(|request| request.target = "/v2/refunds/r%201count=10&a=b".to_owned())),
        ("query", changed(|request| request.target = "/v2/refunds/r%201?count=11&a=b".to_owned())),
        ("query order", changed(|request| request.target = "/v2/refunds/r%201?a=b&count=10".to_owned())),
        ("query dropped", changed(|request| request.target = "/v2/refunds/r%201".to_owned())),
        ("body", changed(|request| request.body.push(b' '))),
        ("body dropped", changed(|request| request.body.clear())),
        ("time later", good.clone().replacing("acme-time", (NOW.seconds() + 1).to_string())),
        ("time earlier", good.clone().replacing("acme-time", (NOW.seconds() - 1).to_string())),
        ("another's key", good.clone().replacing("acme-key", other.id())),
    ] {
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "{what}");
    }
    let stranger = good.clone().replacing("acme-key", format!("acme-test-{}", "0".repeat(32)));
    assert_eq!(world.reason(&stranger), Some(DenyReason::UnknownKey));
    assert!(world.see(&good).is_allowed());
}

#[test]
fn only_the_vendors_spelling_of_the_signature_counts() {
    let (key, _) = keys();
    let world = World::new(dialect("acmepay"), &[&key]);
    let seconds = NOW.seconds();
    let right = tag(hmac::HMAC_SHA512, &key.secret, &string_to_sign(key.id(), seconds));
    let text = base64(&right);
    assert!(text.ends_with("=="), "64 bytes leave four bits that must be zero");
    let last = text.as_bytes()[85];
    assert!(b"AQgw".contains(&last), "the last character before the padding carries two bits");
    let stray_bit = format!("{}{}==", &text[..85], char::from(last + 1));
    let malformed = [
        hex(&right),
        text.trim_end_matches('=').to_owned(),
        format!("{text}="),
        format!("{text}\n"),
        format!(" {text}"),
        stray_bit,
        base64(&right[..63]),
        base64(&right[..32]),
        base64([right.as_slice(), &[0]].concat()),
        base64(tag(hmac::HMAC_SHA256, &key.secret, &string_to_sign(key.id(), seconds))),
        String::new(),
    ];
    for spelling in malformed {
        let request = signed_at(&key, seconds).replacing("x-signature", &spelling);
        assert_eq!(world.reason(&request), Some(DenyReason::MalformedCredentials), "{spelling:?}");
    }
    for wrong in [
        tag(hmac::HMAC_SHA384, &key.secret, &string_to_sign(key.id(), seconds)).repeat(2)[..64].to_vec(),
        tag(hmac::HMAC_SHA512, "", &string_to_sign(key.id(), seconds)),
        tag(hmac::HMAC_SHA512, &key.secret, &string_to_sign(key.id(), seconds).replace('\n', "")),
        vec![0; 64],
    ] {
        let request = signed_at(&key, seconds).replacing("x-signature", base64(wrong));
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature));
    }
}

#[test]
fn the_window_is_the_one_of_the_file() {
    let (key, _) = keys();
    for (age, is_allowed) in [(-61, false), (-60, true), (0, true), (60, true), (61, false)] {
        let world = World::new(dialect("acmepay"), &[&key]).at(NOW.plus_seconds(age));
        let request = signed_at(&key, NOW.seconds());
        assert_eq!(world.see(&request).is_allowed(), is_allowed, "{age}");
        if !is_allowed {
            assert_eq!(world.reason(&request), Some(DenyReason::StaleTimestamp));
        }
    }
    let last = World::new(dialect("acmepay"), &[&key]).at(UnixMs(NOW.0 + 60_999));
    assert!(last.see(&signed_at(&key, NOW.seconds())).is_allowed(), "within the sixtieth second");
}

#[test]
fn each_header_is_needed_once() {
    let (key, _) = keys();
    let world = World::new(dialect("acmepay"), &[&key]);
    let good = signed_at(&key, NOW.seconds());
    for name in ["acme-key", "acme-time", "x-signature"] {
        let without = good.clone().without(name);
        assert_eq!(world.reason(&without), Some(DenyReason::MalformedCredentials), "without {name}");
        let again = good.headers.iter().find(|(given, _)| given == name).expect("it is there").1.clone();
        let twice = good.clone().with(name, again);
        assert_eq!(world.see(&twice), Outcome::Gated(GateFault::DuplicateCredentials), "{name} twice");
    }
    let none = Request::new("POST /v2/refunds");
    assert_eq!(world.reason(&none), Some(DenyReason::MissingCredentials));
}

#[test]
fn headers_of_its_own_beside_a_known_one_are_one_scheme() {
    let (key, _) = keys();
    let world = World::new(dialect("acmepay"), &[&key]);
    let good = signed_at(&key, NOW.seconds());
    assert!(world.see(&good).is_allowed(), "acme-key and x-signature belong together");
    for (name, value) in [("authorization", "Bearer x"), ("x-secret-key", "x"), ("signature", "sig1=:AA==:")] {
        assert_eq!(world.see(&good.clone().with(name, value)), Outcome::Gated(GateFault::TwoSchemes), "{name}");
    }
}
