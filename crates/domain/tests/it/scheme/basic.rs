//! HTTP Basic as Razorpay reads it: the one form that is right, and all the others (T9).

use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::scheme::{Context, Proof, Transport, find_claim};

use crate::fixture::{
    Key, NOW, Outcome, PRODUCT, Request, SeededEntropy, World, base64, dialect, hex, key, keyring, known_key,
};

const ID: &str = "rzp_test_AAAAAAAAAAAAAA";
const SECRET: &str = "BBBBBBBBBBBBBBBBBBBBBBBB";
const VECTOR: &str = "Basic cnpwX3Rlc3RfQUFBQUFBQUFBQUFBQUE6QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC";

fn documented() -> Key {
    known_key(dialect("razorpay"), Mode::Test, ID, SECRET)
}

fn call(value: impl AsRef<[u8]>) -> Request {
    Request::new("POST /v1/orders").with("authorization", value).body(r#"{"amount":100}"#)
}

fn basic(pair: impl AsRef<[u8]>) -> String {
    format!("Basic {}", base64(pair))
}

#[test]
fn the_documented_vector_is_accepted() {
    let world = World::new(dialect("razorpay"), &[&documented()]);
    assert_eq!(world.see(&call(VECTOR)), Outcome::Allowed);
    assert_eq!(basic(format!("{ID}:{SECRET}")), VECTOR);
}

#[test]
fn the_four_forms_that_the_page_calls_invalid_are_refused_with_401() {
    let world = World::new(dialect("razorpay"), &[&documented()]);
    let token = VECTOR.strip_prefix("Basic ").expect("it begins so");
    for form in
        [format!("BASIC {token}"), format!("basic {token}"), format!("Basic \"{token}\""), format!("Basic ${token}")]
    {
        assert_eq!(world.see(&call(&form)), Outcome::Denied(DenyReason::MalformedCredentials, Some(SchemeName::Basic)));
        let answer = world.answer(&call(&form));
        let body = r#"{"error":{"code":"BAD_REQUEST_ERROR","description":"Authentication failed"}}"#;
        assert_eq!((answer.status, &*answer.body), (401, body), "{form}");
    }
}

/// What may stand around the right base 64, in place of `{}`, without making a right field of it.
const AROUND: &[&str] = &[
    "BASIC {}",
    "basic {}",
    "bASIC {}",
    "BAsic {}",
    "Basic \"{}\"",
    "Basic '{}'",
    "Basic ${}",
    "Basic <{}>",
    "Basic  {}",
    "Basic\t{}",
    "Basic{}",
    "Basic:{}",
    "Basic={}",
    "Basic: {}",
    "Basic, {}",
    " Basic {}",
    "\tBasic {}",
    "Basic {} ",
    "Basic {}\t",
    "Basic {}\n",
    "Basic {}\r\n",
    "Basic {}\u{0}",
    "Basic {}=",
    "Basic {}==",
    "Basic ={}",
    "Basic {},",
    "Basic {};",
    "Basic {}.",
    "Basic {}, Basic {}",
    "Basic {},{}",
    "Basic {} {}",
    "Basic Basic {}",
    "Basic {} realm=\"x\"",
    "Basic realm=\"x\" {}",
    "Basic token=\"{}\"",
    "Basic {}; charset=utf-8",
    "Bearer {}",
    "Token {}",
    "Digest {}",
    "Negotiate {}",
    "Basics {}",
    "Basi {}",
    "{}",
    "Authorization: Basic {}",
    "Ｂasic {}",
    "Basic\u{a0}{}",
    "Basic {}\u{200b}",
    "Basic%20{}",
    "Basic+{}",
];

/// Field values that are not of the form, whatever is behind them.
fn malformed() -> Vec<Vec<u8>> {
    let token = VECTOR.strip_prefix("Basic ").expect("it begins so");
    let pair = format!("{ID}:{SECRET}");
    let mut forms: Vec<Vec<u8>> = AROUND.iter().map(|form| form.replace("{}", token).into_bytes()).collect();
    let texts = [
        String::new(),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        pair.clone(),
        format!("Basic {pair}"),
        format!("Basic {}", hex(pair.as_bytes())),
        format!("Basic {}", base64(base64(&pair))),
        format!("Basic {}", &token[1..]),
        format!("Basic {}", &token[..token.len() - 1]),
        format!("Basic {}\n{}", &token[..20], &token[20..]),
        format!("Basic {} {}", &token[..20], &token[20..]),
        format!("Basic {}-{}", &token[..20], &token[21..]),
        format!("Basic {}_{}", &token[..20], &token[21..]),
        format!("Basic {}%3D", &token[..20]),
        basic(format!("{pair}x")).trim_end_matches('=').to_owned(),
        format!("{}=", basic(format!("{pair}x"))),
        basic(ID),
        basic(format!("{ID}:")),
        basic(":"),
        basic(""),
        basic(format!(":{SECRET}")),
        basic(SECRET),
        basic(format!("{SECRET}:{ID}")),
        basic(format!("{ID};{SECRET}")),
        basic(format!("{ID}\u{0}:{SECRET}")),
        basic(format!("\u{feff}{pair}")),
        basic(format!("{ID}\u{ff1a}{SECRET}")),
        basic(format!("{}:{SECRET}", &ID[1..])),
        basic(format!("{ID}A:{SECRET}")),
        basic(format!("rzp_test:{SECRET}")),
        basic(format!("{}:{SECRET}", "A".repeat(3000))),
        format!("Basic {}", "A".repeat(2052)),
    ];
    forms.extend(texts.into_iter().map(String::into_bytes));
    forms.push([b"Basic \xff".as_slice(), token.as_bytes()].concat());
    forms.push(basic([b"\xff\xfe:".as_slice(), SECRET.as_bytes()].concat()).into_bytes());
    forms
}

#[test]
fn malformed_fields_are_refused_with_401() {
    let world = World::new(dialect("razorpay"), &[&documented()]);
    let forms = malformed();
    assert!(forms.len() >= 60);
    for form in forms {
        let request = call(&form);
        let text = String::from_utf8_lossy(&form);
        assert_eq!(world.reason(&request), Some(DenyReason::MalformedCredentials), "{text:?}");
        assert_eq!(world.answer(&request).status, 401, "{text:?}");
    }
}

#[test]
fn base_64_with_stray_bits_is_another_spelling_and_refused() {
    // One byte more than the pair, so that the last group is padded: `eA==` may also be written `eB==`.
    let padded = basic(format!("{ID}:{SECRET}x"));
    assert!(padded.ends_with("eA=="));
    let world = World::new(dialect("razorpay"), &[&documented()]);
    assert_eq!(world.reason(&call(&padded)), Some(DenyReason::WrongSecret), "well-formed, and wrong");
    for stray in ["eB==", "eC==", "eP=="] {
        let other = padded.replace("eA==", stray);
        assert_eq!(world.reason(&call(&other)), Some(DenyReason::MalformedCredentials), "{stray}");
    }
}

#[test]
fn blanks_around_id_or_secret_are_refused() {
    let world = World::new(dialect("razorpay"), &[&documented()]);
    for (pair, expected) in [
        (format!(" {ID}:{SECRET}"), DenyReason::MalformedCredentials),
        (format!("{ID} :{SECRET}"), DenyReason::MalformedCredentials),
        (format!("\t{ID}:{SECRET}"), DenyReason::MalformedCredentials),
        (format!("{ID}\n:{SECRET}"), DenyReason::MalformedCredentials),
        (format!("{ID}: {SECRET}"), DenyReason::WrongSecret),
        (format!("{ID}:{SECRET} "), DenyReason::WrongSecret),
        (format!("{ID}:{SECRET}\n"), DenyReason::WrongSecret),
        (format!("{ID}:{SECRET}\u{0}"), DenyReason::WrongSecret),
        (format!("{ID}::{SECRET}"), DenyReason::WrongSecret),
        (format!("{ID}:{SECRET}{ID}:{SECRET}"), DenyReason::WrongSecret),
        (format!("{ID}:{SECRET}:"), DenyReason::WrongSecret),
    ] {
        assert_eq!(world.reason(&call(basic(&pair))), Some(expected), "{pair:?}");
        assert_eq!(world.answer(&call(basic(&pair))).status, 401, "{pair:?}");
    }
}

#[test]
fn a_field_of_more_than_two_kilobytes_is_not_even_decoded() {
    let world = World::new(dialect("razorpay"), &[&documented()]);
    for (length, expected) in [(1536, DenyReason::WrongSecret), (1539, DenyReason::MalformedCredentials)] {
        let pair = format!("{ID}:{}", "B".repeat(length - ID.len() - 1));
        assert_eq!(world.reason(&call(basic(&pair))), Some(expected), "{} characters", length / 3 * 4);
    }
}

#[test]
fn letters_of_another_case_are_another_id_and_another_secret() {
    let key = key(dialect("razorpay"), Mode::Test, &SeededEntropy::new(61));
    let world = World::new(dialect("razorpay"), &[&key]);
    assert!(world.see(&call(basic(format!("{}:{}", key.id(), key.secret)))).is_allowed());
    let swap = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 0x20;
        String::from_utf8(bytes).expect("a letter stays a letter")
    };
    for at in (0..key.id().len()).filter(|at| key.id().as_bytes()[*at].is_ascii_alphabetic()) {
        let reason = world.reason(&call(basic(format!("{}:{}", swap(key.id(), at), key.secret))));
        let expected = if at < "rzp_test_".len() { DenyReason::MalformedCredentials } else { DenyReason::UnknownKey };
        assert_eq!(reason, Some(expected), "letter {at} of the id");
    }
    for at in (0..key.secret.len()).filter(|at| key.secret.as_bytes()[*at].is_ascii_alphabetic()) {
        let reason = world.reason(&call(basic(format!("{}:{}", key.id(), swap(&key.secret, at)))));
        assert_eq!(reason, Some(DenyReason::WrongSecret), "letter {at} of the secret");
    }
}

#[test]
fn every_flipped_bit_of_the_field_is_refused() {
    let world = World::new(dialect("razorpay"), &[&documented()]);
    for bit in 0..VECTOR.len() * 8 {
        let mut value = VECTOR.as_bytes().to_vec();
        value[bit / 8] ^= 1 << (bit % 8);
        assert!(!world.see(&call(&value)).is_allowed(), "bit {bit}");
    }
}

#[test]
fn the_first_colon_divides() {
    let request = call(basic(format!("{ID}:a:b:")));
    request.see(|view| {
        let context = Context {
            dialect: dialect("razorpay"),
            product: PRODUCT,
            view,
            keyring: keyring(),
            now: NOW,
            transport: Transport::default(),
        };
        let claim = find_claim(&context).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        assert_eq!((&*claim.key_id, claim.mode), (ID, Mode::Test));
        let Proof::Secret(presented) = &claim.proof else { panic!("a secret") };
        assert_eq!(presented.bytes(), b"a:b:");
    });
}

#[test]
fn no_field_at_all_has_words_of_its_own() {
    let world = World::new(dialect("razorpay"), &[&documented()]);
    let bare = Request::new("GET /v1/orders");
    assert_eq!(world.see(&bare), Outcome::Denied(DenyReason::MissingCredentials, Some(SchemeName::Basic)));
    let words = "Please provide your api key for authentication purposes";
    assert!(world.answer(&bare).body.contains(words));
    for name in ["x-authorization", "proxy-authorization", "authorisation", "x-api-key"] {
        let elsewhere = Request::new("GET /v1/orders").with(name, VECTOR);
        assert_eq!(world.reason(&elsewhere), Some(DenyReason::MissingCredentials), "{name}");
    }
}

#[test]
fn a_key_works_on_every_call_of_its_product_and_of_no_other() {
    let key = documented();
    let world = World::new(dialect("razorpay"), &[&key]);
    for line in ["GET /v1/orders", "POST /v1/payments/pay_1/capture", "DELETE /v1/x", "PATCH /v1/y?count=10", "GET /"] {
        assert_eq!(world.see(&Request::new(line).with("authorization", VECTOR)), Outcome::Allowed, "{line}");
    }
    let elsewhere = World::changed(dialect("razorpay"), &key, |candidate| candidate.product = "shop2".into());
    assert_eq!(elsewhere.reason(&call(VECTOR)), Some(DenyReason::UnknownKey));
    let other_mode = World::changed(dialect("razorpay"), &key, |candidate| candidate.mode = Mode::Live);
    assert_eq!(other_mode.reason(&call(VECTOR)), Some(DenyReason::UnknownKey), "the record decides, not the prefix");
}
