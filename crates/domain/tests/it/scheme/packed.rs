//! KS Pay's signature in one header, `{key}.{seconds}.{hex}` over `{seconds}.{body}`, on the calls that ask for it.

use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::gate::GateFault;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;
use keymint_domain::token::TokenUse;

use crate::fixture::{Key, NOW, Outcome, Request, SeededEntropy, World, base64, dialect, hex, hmac_sha256, key, token};

const BODY: &str = r#"{"currencyId":"c_1","amount":"100","referenceNumber":"r"}"#;

fn numbered(seed: u64) -> Key {
    key(dialect("kspay"), Mode::Live, &SeededEntropy::new(seed))
}

fn one() -> Key {
    numbered(101)
}

fn tag(key: &Key, seconds: &str, body: &str) -> String {
    hex(&hmac_sha256(&key.secret, &[seconds.as_bytes(), b".", body.as_bytes()]))
}

fn call(value: impl AsRef<[u8]>) -> Request {
    Request::new("POST /transaction/initiate").with("x-signature", value).body(BODY)
}

fn packed(key: &Key, seconds: &str) -> String {
    format!("{}.{seconds}.{}", key.id(), tag(key, seconds, BODY))
}

fn now() -> String {
    NOW.seconds().to_string()
}

/// Status and body as the vendor's list pairs them.
fn answer(world: &World, request: &Request) -> (u16, String) {
    let answer = world.answer(request);
    (answer.status, answer.body.into_string())
}

#[test]
fn a_packed_signature_is_accepted_on_its_call() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    assert!(matches!(world.see(&call(packed(&key, &now()))), Outcome::AllowedOnce(_)));
}

#[test]
fn a_format_that_is_wrong_is_told_as_11006() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    let (id, at, tag) = (key.id(), now(), tag(&key, &now(), BODY));
    let malformed = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        tag.clone(),
        format!("{at}.{tag}"),
        format!("{id}.{tag}"),
        format!("{id}.{at}"),
        format!("{id}.{at}."),
        format!("{id}..{tag}"),
        format!(".{at}.{tag}"),
        format!("{id}.{at}.{tag}."),
        format!("{id}.{at}.{tag}.x"),
        format!("x.{id}.{at}.{tag}"),
        format!(" {id}.{at}.{tag}"),
        format!("{id}.{at}.{tag} "),
        format!("{id} .{at}.{tag}"),
        format!("{id}. {at}.{tag}"),
        format!("{id},{at},{tag}"),
        format!("{id}:{at}:{tag}"),
        format!("{id}.{at}.{}", tag.to_uppercase()),
        format!("{id}.{at}.{}", &tag[..63]),
        format!("{id}.{at}.{}", &tag[..62]),
        format!("{id}.{at}.{}", &tag[..32]),
        format!("{id}.{at}.{tag}00"),
        format!("{id}.{at}.0x{tag}"),
        format!("{id}.{at}.{}", base64(hmac_sha256(&key.secret, &[BODY.as_bytes()]))),
        format!("{id}.{at}000.{tag}"),
        format!("{id}.+{at}.{tag}"),
        format!("{id}.-{at}.{tag}"),
        format!("{id}.0{at}.{tag}"),
        format!("{id}.{at}e0.{tag}"),
        format!("{}.{at}.{tag}", id.to_uppercase()),
        format!("{}.{at}.{tag}", &id[1..]),
        format!("{id}x.{at}.{tag}"),
        format!("{}.{at}.{tag}", key.secret),
    ];
    for value in malformed {
        let expected = Outcome::Denied(DenyReason::MalformedCredentials, Some(SchemeName::Signed));
        assert_eq!(world.see(&call(&value)), expected, "{value:?}");
        let body = r#"{"status":400,"code":11006,"message":"The format of the provided signature is invalid"}"#;
        assert_eq!(answer(&world, &call(&value)), (400, body.to_owned()), "{value:?}");
    }
    let bytes = [packed(&key, &now()).as_bytes(), b"\xff"].concat();
    assert_eq!(world.reason(&call(bytes)), Some(DenyReason::MalformedCredentials));
}

#[test]
fn a_signature_outside_its_time_is_told_as_11005() {
    let key = one();
    for age in -310..=310 {
        let world = World::new(dialect("kspay"), &[&key]).at(NOW.plus_seconds(age));
        let request = call(packed(&key, &now()));
        let is_stale = !(-300..=300).contains(&age);
        assert_eq!(world.reason(&request), is_stale.then_some(DenyReason::StaleTimestamp), "{age} seconds");
        if is_stale {
            let body = r#"{"status":400,"code":11005,"message":"The provided signature has expired"}"#;
            assert_eq!(answer(&world, &request), (400, body.to_owned()));
        }
    }
    let last = World::new(dialect("kspay"), &[&key]).at(UnixMs(NOW.0 + 300_999));
    assert!(last.see(&call(packed(&key, &now()))).is_allowed());
}

#[test]
fn a_signature_that_is_wrong_is_told_as_9007() {
    let key = one();
    let other = numbered(102);
    let world = World::new(dialect("kspay"), &[&key, &other]);
    let (id, at) = (key.id(), now());
    let later = (NOW.seconds() + 1).to_string();
    let wrong = [
        format!("{id}.{at}.{}", tag(&key, &at, "{}")),
        format!("{id}.{at}.{}", tag(&key, &later, BODY)),
        format!("{id}.{later}.{}", tag(&key, &at, BODY)),
        format!("{id}.{at}.{}", tag(&other, &at, BODY)),
        format!("{}.{at}.{}", other.id(), tag(&key, &at, BODY)),
        format!("{id}.{at}.{}", hex(&hmac_sha256(&key.secret, &[at.as_bytes(), BODY.as_bytes()]))),
        format!("{id}.{at}.{}", hex(&hmac_sha256(&key.secret, &[BODY.as_bytes(), b".", at.as_bytes()]))),
        format!("{id}.{at}.{}", hex(&hmac_sha256("", &[at.as_bytes(), b".", BODY.as_bytes()]))),
        format!("{id}.{at}.{}", "0".repeat(64)),
    ];
    for value in wrong {
        let expected = Outcome::Denied(DenyReason::WrongSignature, Some(SchemeName::Signed));
        assert_eq!(world.see(&call(&value)), expected, "{value}");
        let body = r#"{"status":401,"code":9007,"message":"Unauthorized! Please provide valid credentials."}"#;
        assert_eq!(answer(&world, &call(&value)), (401, body.to_owned()));
    }
    let unknown = packed(&key, &at).replacen(id, "kspub_live_000000000000000000000000", 1);
    assert_eq!(world.reason(&call(&unknown)), Some(DenyReason::UnknownKey));
    assert_eq!(answer(&world, &call(unknown)).0, 404);
}

#[test]
fn every_changed_bit_of_field_and_body_is_refused() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    let good = call(packed(&key, &now()));
    for bit in 0..good.headers[0].1.len() * 8 {
        let mut request = good.clone();
        request.headers[0].1[bit / 8] ^= 1 << (bit % 8);
        assert!(!world.see(&request).is_allowed(), "bit {bit} of the field");
    }
    for bit in 0..BODY.len() * 8 {
        let mut request = good.clone();
        request.body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "bit {bit} of the body");
    }
}

#[test]
fn the_body_counts_as_received() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    for body in [
        r#"{"amount":"100","currencyId":"c_1","referenceNumber":"r"}"#,
        r#"{"currencyId": "c_1","amount":"100","referenceNumber":"r"}"#,
        "",
    ] {
        let request = call(packed(&key, &now())).body(body);
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "{body}");
    }
}

#[test]
fn the_signed_call_takes_nothing_else_and_other_calls_take_no_signature() {
    let key = one();
    let world = World::new(dialect("kspay"), &[&key]);
    let bearer = format!("Bearer {}", token(&key, TokenUse::Access, 900));
    let signed = packed(&key, &now());
    for path in ["/transaction/initiate", "/transaction/initiate/", "/Transaction/Initiate"] {
        let with_token = Request::new(&format!("POST {path}")).with("authorization", &bearer).body(BODY);
        let expected = Outcome::Denied(DenyReason::MissingCredentials, Some(SchemeName::Signed));
        assert_eq!(world.see(&with_token), expected, "{path}");
        let with_signature = Request::new(&format!("POST {path}")).with("x-signature", &signed).body(BODY);
        assert!(world.see(&with_signature).is_allowed(), "{path}");
    }
    for line in ["POST /transaction", "GET /transaction/initiate", "POST /transaction/initiate/x", "GET /currencies"] {
        let with_signature = Request::new(line).with("x-signature", &signed).body(BODY);
        assert_eq!(world.reason(&with_signature), Some(DenyReason::MissingCredentials), "{line}");
        let with_token = Request::new(line).with("authorization", &bearer).body(BODY);
        assert_eq!(world.see(&with_token), Outcome::Allowed, "{line}");
    }
    let both = call(signed).with("authorization", bearer);
    assert_eq!(world.see(&both), Outcome::Gated(GateFault::TwoSchemes));
}
