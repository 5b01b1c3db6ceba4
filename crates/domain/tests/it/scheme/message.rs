//! Keymint's own dialect: the secret as a bearer token, or an HTTP message signature whose text is built here by hand.

use aws_lc_rs::digest;
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::gate::GateFault;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::time::UnixMs;

use crate::fixture::{Key, NOW, Outcome, Request, SeededEntropy, World, base64, dialect, hmac_sha256, key};

const BODY: &str = r#"{"amount":100}"#;
const ANSWER: &str = r#"{"error":{"code":"unauthorized","message":"These credentials are not valid."}}"#;

fn one(mode: Mode) -> Key {
    key(dialect("keymint"), mode, &SeededEntropy::new(131))
}

fn numbered(seed: u64) -> Key {
    key(dialect("keymint"), Mode::Live, &SeededEntropy::new(seed))
}

fn digest_of(body: &str) -> String {
    format!("sha-256=:{}:", base64(digest::digest(&digest::SHA256, body.as_bytes())))
}

/// A signature over the request's method, target and body, as RFC 9421 section 2.5 says it is built.
fn sign(request: Request, key: &Key, parameters: &str) -> Request {
    let uri = format!("https://{}{}", request.authority, request.target);
    let (mut lines, mut list) = (
        format!("\"@method\": {}\n\"@target-uri\": {uri}\n", request.method),
        "\"@method\" \"@target-uri\"".to_owned(),
    );
    let mut signed = request;
    if !signed.body.is_empty() {
        let body = String::from_utf8(signed.body.clone()).expect("UTF-8");
        lines.push_str(&format!("\"content-digest\": {}\n", digest_of(&body)));
        list.push_str(" \"content-digest\"");
        signed = signed.replacing("content-digest", digest_of(&body));
    }
    let input = format!("({list}){parameters}");
    let base = format!("{lines}\"@signature-params\": {input}");
    let tag = base64(hmac_sha256(&key.secret, &[base.as_bytes()]));
    signed.replacing("signature-input", format!("sig1={input}")).replacing("signature", format!("sig1=:{tag}:"))
}

fn parameters(key: &Key) -> String {
    format!(";created={};keyid=\"{}\"", NOW.seconds(), key.id())
}

fn post(key: &Key) -> Request {
    sign(Request::new("POST /v1/things?count=10").body(BODY), key, &parameters(key))
}

#[test]
fn a_bearer_secret_names_and_proves_its_key() {
    for mode in [Mode::Test, Mode::Live] {
        let key = one(mode);
        let world = World::new(dialect("keymint"), &[&key]);
        for line in ["GET /v1/things", "POST /v1/things", "DELETE /v1/things/1"] {
            let request = Request::new(line).with("authorization", format!("Bearer {}", key.secret));
            assert_eq!(world.see(&request), Outcome::Allowed, "{line}");
        }
    }
}

#[test]
fn a_bearer_secret_with_one_wrong_character_never_reaches_a_look_up() {
    let key = one(Mode::Live);
    let world = World::new(dialect("keymint"), &[&key]);
    for at in 0..key.secret.len() {
        let mut changed = key.secret.clone().into_bytes();
        changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
        let request = Request::new("GET /").with("authorization", [b"Bearer ".as_slice(), &changed].concat());
        let refused = Outcome::Denied(DenyReason::MalformedCredentials, Some(SchemeName::Bearer));
        assert_eq!(world.see(&request), refused, "character {at}");
    }
    for odd in [
        format!("bearer {}", key.secret),
        format!("Bearer  {}", key.secret),
        format!("Bearer {} ", key.secret),
        format!("Bearer {}x", key.secret),
        format!("Bearer {}", key.id()),
        format!("Basic {}", base64(&key.secret)),
        format!("Basic {}", base64(format!("{}:{}", key.id(), key.secret))),
        key.secret.clone(),
        "Bearer ".to_owned(),
        "Bearer".to_owned(),
        String::new(),
    ] {
        let request = Request::new("GET /").with("authorization", &odd);
        assert_eq!(world.reason(&request), Some(DenyReason::MalformedCredentials), "{odd:?}");
        assert_eq!((world.answer(&request).status, &*world.answer(&request).body), (401, ANSWER));
    }
}

#[test]
fn a_good_checksum_grants_nothing() {
    let key = one(Mode::Live);
    let world = World::new(dialect("keymint"), &[&key]);
    let entropy = SeededEntropy::new(132);
    for mode in [Mode::Test, Mode::Live] {
        let made_up = dialect("keymint").secrets[0].format.draw(mode, &entropy).expect("entropy");
        let request = Request::new("GET /").with("authorization", format!("Bearer {}", made_up.expose()));
        assert_eq!(world.reason(&request), Some(DenyReason::UnknownKey));
        assert_eq!(&*world.answer(&request).body, ANSWER);
    }
}

#[test]
fn nothing_at_all_is_told_what_to_send() {
    let world = World::new(dialect("keymint"), &[&one(Mode::Live)]);
    let answer = world.answer(&Request::new("GET /"));
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("RFC 9421"), "{}", answer.body);
}

#[test]
fn a_message_signature_built_by_hand_is_accepted() {
    let key = one(Mode::Live);
    let world = World::new(dialect("keymint"), &[&key]);
    assert!(matches!(world.see(&post(&key)), Outcome::AllowedOnce(_)));
    let bare = sign(Request::new("DELETE /v1/things/1"), &key, &parameters(&key));
    assert!(matches!(world.see(&bare), Outcome::AllowedOnce(_)));
    let get = sign(Request::new("GET /v1/things?count=10"), &key, &parameters(&key));
    assert_eq!(world.see(&get), Outcome::Allowed, "reading may be repeated");
    let more = format!("{};alg=\"hmac-sha256\";nonce=\"n-1\";tag=\"shop\"", parameters(&key));
    assert!(world.see(&sign(post(&key), &key, &more)).is_allowed());
}

#[test]
fn what_a_message_signature_covers_cannot_be_changed() {
    let key = one(Mode::Live);
    let other = numbered(133);
    let world = World::new(dialect("keymint"), &[&key, &other]);
    let good = post(&key);
    let changed = |change: fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let later = |text: String| text.replace("created=1778659835", "created=1778659836");
    let input =
        String::from_utf8(good.headers.iter().find(|(name, _)| name == "signature-input").expect("it").1.clone());
    let input = input.expect("ASCII");
    for (what, request) in [
        ("method", changed(|request| request.method = "PUT".to_owned())),
        ("scheme", changed(|request| request.scheme = "http".to_owned())),
        ("host", changed(|request| request.authority = "evil.example".to_owned())),
        ("port", changed(|request| request.authority.push_str(":8443"))),
        ("path", changed(|request| request.target = "/v1/thing?count=10".to_owned())),
        ("query", changed(|request| request.target = "/v1/things?count=11".to_owned())),
        ("no query", changed(|request| request.target = "/v1/things".to_owned())),
        ("body", changed(|request| request.body.push(b' '))),
        ("no body", changed(|request| request.body.clear())),
        ("digest of another body", good.clone().replacing("content-digest", digest_of("{}"))),
        ("no digest", good.clone().without("content-digest")),
        ("body with its own digest", good.clone().body("{}").replacing("content-digest", digest_of("{}"))),
        ("time", good.clone().replacing("signature-input", later(input.clone()))),
        ("key", good.clone().replacing("signature-input", input.replace(key.id(), other.id()))),
        ("a parameter more", good.clone().replacing("signature-input", format!("{input};nonce=\"x\""))),
        ("another's secret", sign(good.clone(), &other, &parameters(&key))),
    ] {
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "{what}");
        assert_eq!((world.answer(&request).status, &*world.answer(&request).body), (401, ANSWER), "{what}");
    }
    let default_port = changed(|request| request.authority = "PAY.example:443".to_owned());
    assert!(world.see(&default_port).is_allowed(), "the same authority (RFC 9110 section 4.2.3)");
}

#[test]
fn a_message_signature_that_covers_too_little_is_refused() {
    let key = one(Mode::Live);
    let world = World::new(dialect("keymint"), &[&key]);
    let uri = "https://pay.example/v1/things?count=10";
    let digest = digest_of(BODY);
    let lines = [
        ("\"@method\"", "POST"),
        ("\"@target-uri\"", uri),
        ("\"content-digest\"", &digest),
        ("\"@authority\"", "pay.example"),
        ("\"@path\"", "/v1/things"),
        ("\"@query\"", "?count=10"),
        ("\"@request-target\"", "/v1/things?count=10"),
    ];
    let signed = |indices: &[usize]| {
        let list: Vec<&str> = indices.iter().map(|index| lines[*index].0).collect();
        let input = format!("({}){}", list.join(" "), parameters(&key));
        let base: String = indices.iter().map(|index| format!("{}: {}\n", lines[*index].0, lines[*index].1)).collect();
        let tag = base64(hmac_sha256(&key.secret, &[base.as_bytes(), b"\"@signature-params\": ", input.as_bytes()]));
        post(&key).replacing("signature-input", format!("sig1={input}")).replacing("signature", format!("sig1=:{tag}:"))
    };
    for enough in [&[0, 1, 2][..], &[2, 1, 0], &[0, 3, 4, 5, 2], &[0, 3, 6, 2], &[0, 1, 2, 3, 4, 5, 6]] {
        assert!(world.see(&signed(enough)).is_allowed(), "{enough:?}");
    }
    for little in
        [&[][..], &[0], &[0, 1], &[1, 2], &[0, 2], &[0, 4, 5, 2], &[0, 3, 4, 2], &[0, 3, 5, 2], &[0, 3, 2], &[0, 6, 2]]
    {
        assert_eq!(world.reason(&signed(little)), Some(DenyReason::WrongSignature), "{little:?}");
    }
}

#[test]
fn created_is_within_three_hundred_seconds_and_expires_has_not_come() {
    let key = one(Mode::Live);
    for age in -305..=305 {
        let world = World::new(dialect("keymint"), &[&key]).at(NOW.plus_seconds(age));
        let expected = (!(-300..=300).contains(&age)).then_some(DenyReason::StaleTimestamp);
        assert_eq!(world.reason(&post(&key)), expected, "{age} seconds");
    }
    let expires = format!("{};expires={}", parameters(&key), NOW.seconds() + 10);
    let request = sign(post(&key), &key, &expires);
    for (ms, is_allowed) in [(0, true), (9_999, true), (10_000, false), (11_000, false)] {
        let world = World::new(dialect("keymint"), &[&key]).at(UnixMs(NOW.0 + ms));
        assert_eq!(world.see(&request).is_allowed(), is_allowed, "after {ms} ms");
    }
}

#[test]
fn odd_parameters_and_fields_are_malformed_even_when_they_are_signed() {
    let key = one(Mode::Live);
    let world = World::new(dialect("keymint"), &[&key]);
    let (seconds, id) = (NOW.seconds(), key.id());
    for odd in [
        String::new(),
        format!(";keyid=\"{id}\""),
        format!(";created={seconds}"),
        format!(";created=\"{seconds}\";keyid=\"{id}\""),
        format!(";created={seconds}.0;keyid=\"{id}\""),
        format!(";created=-{seconds};keyid=\"{id}\""),
        format!(";created={seconds};keyid={id}"),
        format!(";created={seconds};keyid=\"{id} \""),
        format!(";created={seconds};keyid=\"{}\"", id.to_uppercase()),
        format!(";created={seconds};keyid=\"{}\"", key.secret),
        format!(";created={seconds};created={seconds};keyid=\"{id}\""),
        format!(";created={seconds};keyid=\"{id}\";alg=\"none\""),
        format!(";created={seconds};keyid=\"{id}\";alg=\"hmac-sha512\""),
        format!(";created={seconds};keyid=\"{id}\";alg=\"HMAC-SHA256\""),
        format!(";created={seconds};keyid=\"{id}\";alg=hmac-sha256"),
        format!(";created={seconds};keyid=\"{id}\";nonce=\"\""),
        format!(";created={seconds};keyid=\"{id}\";x=\"y\""),
    ] {
        assert_eq!(world.reason(&sign(post(&key), &key, &odd)), Some(DenyReason::MalformedCredentials), "{odd}");
    }
    let good = post(&key);
    assert_eq!(world.reason(&good.clone().without("signature")), Some(DenyReason::MalformedCredentials));
    assert_eq!(world.reason(&good.clone().without("signature-input")), Some(DenyReason::MalformedCredentials));
    let both = good.with("authorization", format!("Bearer {}", key.secret));
    assert_eq!(world.see(&both), Outcome::Gated(GateFault::TwoSchemes));
}
