//! What a signature may be used for: the table of when it counts as spent, and what makes two uses the same.

use keymint_domain::dialect::{BUILT_IN, Dialect, SchemeKind};
use keymint_domain::mode::Mode;
use keymint_domain::replay::{Spend, Use};
use keymint_domain::scheme::http_signature::{SigningParameters, default_components, sign};
use keymint_domain::token::TokenUse;

use crate::fixture::{
    Key, NOW, OPERATOR, Outcome, Request, SeededEntropy, World, base64, dialect, hex, hmac_sha256, key, token,
};

fn one(name: &str) -> Key {
    key(dialect(name), Mode::Live, &SeededEntropy::new(151))
}

fn spent(world: &World, request: &Request) -> Option<Spend> {
    match world.see(request) {
        Outcome::Allowed => None,
        Outcome::AllowedOnce(spend) => Some(spend),
        other => panic!("{} {}: {other:?}", request.method, request.target),
    }
}

fn untied(key: &Key, line: &str, seconds: i64, body: &str) -> Request {
    let at = seconds.to_string();
    Request::new(line)
        .with("x-api-key", key.id())
        .with("x-timestamp", &at)
        .with("x-signature", hex(&hmac_sha256(&key.secret, &[body.as_bytes(), at.as_bytes()])))
        .body(body)
}

fn message(key: &Key, line: &str, nonce: &str) -> Request {
    let request = Request::new(line);
    let fields = request.see(|view| {
        let parameters = SigningParameters {
            label: "sig1",
            keyid: key.id(),
            created: NOW.seconds(),
            expires: None,
            nonce: Some(nonce),
            tag: None,
            components: &default_components(view),
        };
        sign(view, &parameters, key.secret.as_bytes()).expect("it can be signed")
    });
    request.with("signature-input", fields.signature_input).with("signature", fields.signature)
}

#[test]
fn a_signature_counts_as_spent_by_method_and_by_what_it_is_tied_to() {
    let methods = [
        ("GET", true),
        ("HEAD", true),
        ("OPTIONS", true),
        ("POST", false),
        ("PUT", false),
        ("PATCH", false),
        ("DELETE", false),
        ("QUERY", false),
        ("TRACE", false),
        ("get", false),
    ];
    let (signed, tied) = (one("kwikpaisa"), one("keymint"));
    let signed_world = World::new(dialect("kwikpaisa"), &[&signed]);
    let tied_world = World::new(dialect("keymint"), &[&tied]);
    for (method, is_safe) in methods {
        let untied = spent(&signed_world, &untied(&signed, &format!("{method} /x"), NOW.seconds(), ""));
        let how = untied.map(|spend| spend.how);
        assert_eq!(how, Some(if is_safe { Use::Safe } else { Use::Unsafe }), "{method}, tied to nothing");
        let message = spent(&tied_world, &message(&tied, &format!("{method} /x"), "n"));
        assert_eq!(message.map(|spend| spend.how), (!is_safe).then_some(Use::Unsafe), "{method}, tied to its target");
    }
}

#[test]
fn a_recipe_is_tied_when_it_covers_method_path_and_query() {
    let key = one("acmepay");
    let world = World::new(dialect("acmepay"), &[&key]);
    for (method, expected) in [("GET", None), ("POST", Some(Use::Unsafe))] {
        let seconds = NOW.seconds();
        let text = format!("{method}\n/x\n\n{}\n{seconds}\n", key.id());
        let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA512, key.secret.as_bytes());
        let request = Request::new(&format!("{method} /x"))
            .with("acme-key", key.id())
            .with("acme-time", seconds.to_string())
            .with("x-signature", base64(aws_lc_rs::hmac::sign(&hmac_key, text.as_bytes())));
        assert_eq!(spent(&world, &request).map(|spend| spend.how), expected, "{method}");
    }
    let key = one("kspay");
    let world = World::new(dialect("kspay"), &[&key]);
    let at = NOW.seconds().to_string();
    let tag = hex(&hmac_sha256(&key.secret, &[at.as_bytes(), b"."]));
    let packed = Request::new("POST /transaction/initiate").with("x-signature", format!("{}.{at}.{tag}", key.id()));
    assert_eq!(spent(&world, &packed).map(|spend| spend.how), Some(Use::Unsafe));
}

/// The operator's dialect with a replay rule of its own, and a signed request.
fn with_rule(rule: &str) -> (World, Request) {
    let text = OPERATOR.replacen("window_seconds = 60\n", &format!("window_seconds = 60\n{rule}"), 1);
    let dialect = Box::leak(Box::new(Dialect::parse(&text).unwrap_or_else(|error| panic!("{error}"))));
    let key = key(dialect, Mode::Live, &SeededEntropy::new(153));
    let seconds = NOW.seconds();
    let text = format!("POST\n/x\n\n{}\n{seconds}\n", key.id());
    let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA512, key.secret.as_bytes());
    let request = Request::new("POST /x")
        .with("acme-key", key.id())
        .with("acme-time", seconds.to_string())
        .with("x-signature", base64(aws_lc_rs::hmac::sign(&hmac_key, text.as_bytes())));
    (World::new(dialect, &[&key]), request)
}

#[test]
fn a_dialect_may_let_signatures_be_repeated_and_does_not_unless_it_says_so() {
    for (rule, is_once) in [("", true), ("replay = \"once\"\n", true), ("replay = \"window\"\n", false)] {
        let (world, request) = with_rule(rule);
        assert_eq!(spent(&world, &request).is_some(), is_once, "{rule}");
    }
    let message = BUILT_IN[0].1.replacen("replay = \"once\"", "replay = \"window\"", 1);
    let dialect = Box::leak(Box::new(Dialect::parse(&message).unwrap_or_else(|error| panic!("{error}"))));
    let key = key(dialect, Mode::Live, &SeededEntropy::new(154));
    assert_eq!(spent(&World::new(dialect, &[&key]), &self::message(&key, "POST /x", "n")), None);
}

#[test]
fn a_recipe_without_method_path_or_query_is_tied_to_nothing() {
    for (left_out, is_tied) in [("", true), ("method", false), ("path", false), ("query", false), ("key_id", true)] {
        let text = OPERATOR.replacen(&format!("\"{left_out}\","), "", 1);
        let dialect = Dialect::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let SchemeKind::Signed(signed) = &dialect.schemes[0].kind else { panic!("it is signed") };
        assert_eq!(signed.recipe.covers_target(), is_tied, "without {left_out:?}");
    }
}

#[test]
fn secrets_and_tokens_may_be_repeated() {
    let (basic, pair, bearer, sold) = (one("razorpay"), one("kpay"), one("keymint"), one("kspay"));
    for (name, key, request) in [
        (
            "razorpay",
            &basic,
            Request::new("POST /x")
                .with("authorization", format!("Basic {}", base64(format!("{}:{}", basic.id(), basic.secret)))),
        ),
        ("kpay", &pair, Request::new("POST /x").with("x-api-key", pair.id()).with("x-secret-key", &pair.secret)),
        ("keymint", &bearer, Request::new("POST /x").with("authorization", format!("Bearer {}", bearer.secret))),
        (
            "kspay",
            &sold,
            Request::new("POST /x").with("authorization", format!("Bearer {}", token(&sold, TokenUse::Access, 9))),
        ),
        ("kspay", &sold, Request::new("GET /currencies").with("x-access-key", sold.id())),
    ] {
        assert_eq!(spent(&World::new(dialect(name), &[key]), &request), None, "{name}");
    }
}

#[test]
fn the_same_signature_is_the_same_spend_wherever_it_is_sent() {
    let key = one("kwikpaisa");
    let world = World::new(dialect("kwikpaisa"), &[&key]);
    let seconds = NOW.seconds();
    let body = r#"{"a":"1","b":"2"}"#;
    let first = spent(&world, &untied(&key, "POST /pay", seconds, body)).expect("a spend");
    assert_eq!(first.seconds, seconds);
    for (what, request) in [
        ("again", untied(&key, "POST /pay", seconds, body)),
        ("elsewhere", untied(&key, "POST /refund?x=1", seconds, body)),
        ("another method", untied(&key, "PUT /pay", seconds, body)),
        ("in another order", untied(&key, "POST /pay", seconds, body).body(r#"{"b":"2","a":"1"}"#)),
        ("from elsewhere", untied(&key, "POST /pay", seconds, body).sent_from("::1")),
        ("later", untied(&key, "POST /pay", seconds, body).with("x-request-id", "2")),
    ] {
        assert_eq!(spent(&world, &request), Some(first), "{what}");
    }
    let reading = spent(&world, &untied(&key, "GET /pay", seconds, body)).expect("a spend");
    assert_eq!((reading.fingerprint, reading.key, reading.how), (first.fingerprint, first.key, Use::Safe));
}

#[test]
fn another_body_moment_or_key_is_another_spend() {
    let [key, other] = [151, 152].map(|seed| key(dialect("kwikpaisa"), Mode::Live, &SeededEntropy::new(seed)));
    let world = World::new(dialect("kwikpaisa"), &[&key, &other]);
    let spend = |key: &Key, seconds, body| spent(&world, &untied(key, "POST /pay", seconds, body)).expect("a spend");
    let first = spend(&key, NOW.seconds(), "{}");
    let next = spend(&key, NOW.seconds() + 1, "{}");
    let body = spend(&key, NOW.seconds(), "[]");
    let stranger = spend(&other, NOW.seconds(), "{}");
    let fingerprints = [first, next, body, stranger].map(|spend| spend.fingerprint);
    for (index, fingerprint) in fingerprints.iter().enumerate() {
        assert!(!fingerprints[index + 1..].contains(fingerprint));
    }
    assert_eq!((first.key, first.key), (next.key, body.key), "memory is counted by key");
    assert_ne!(first.key, stranger.key);
    assert_eq!((first.seconds, next.seconds), (NOW.seconds(), NOW.seconds() + 1));
}

#[test]
fn two_message_signatures_of_one_second_differ_by_their_nonce() {
    let key = one("keymint");
    let world = World::new(dialect("keymint"), &[&key]);
    let spend = |nonce| spent(&world, &message(&key, "POST /pay", nonce)).expect("a spend");
    assert_eq!(spend("a"), spend("a"));
    assert_ne!(spend("a").fingerprint, spend("b").fingerprint);
    let relabelled = {
        let request = message(&key, "POST /pay", "a");
        let renamed = |name: &str| {
            let value = &request.headers.iter().find(|(given, _)| given == name).expect("it is there").1;
            [b"other".as_slice(), &value["sig1".len()..]].concat()
        };
        request
            .clone()
            .replacing("signature-input", renamed("signature-input"))
            .replacing("signature", renamed("signature"))
    };
    assert_eq!(spent(&world, &relabelled), Some(spend("a")), "the label is not signed and tells no two uses apart");
}

#[test]
fn the_fingerprint_is_the_signature_and_the_key_is_apart() {
    let key = one("kwikpaisa");
    let at = NOW.seconds().to_string();
    let signature = hmac_sha256(&key.secret, &[at.as_bytes()]);
    let world = World::new(dialect("kwikpaisa"), &[&key]);
    let spend = spent(&world, &untied(&key, "POST /", NOW.seconds(), "")).expect("a spend");
    assert_eq!(spend.fingerprint.as_slice(), &signature[..16]);
    let later = spent(&world, &untied(&key, "POST /", NOW.seconds() + 1, "")).expect("a spend");
    assert_eq!(later.key, spend.key);
    let other = self::key(dialect("kwikpaisa"), Mode::Live, &SeededEntropy::new(152));
    let world = World::new(dialect("kwikpaisa"), &[&other]);
    let foreign = spent(&world, &untied(&other, "POST /", NOW.seconds(), "")).expect("a spend");
    assert_ne!(foreign.key, spend.key);
}
