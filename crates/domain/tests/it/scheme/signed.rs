//! KwikPaisa's signature over body and time: every vector of the fact sheet through the whole check, and everything
//! around it.

use aws_lc_rs::hmac;
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::gate::GateFault;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::seal::Verifier;
use keymint_domain::secret::SecretBytes;
use keymint_domain::time::UnixMs;

use crate::fixture::{
    Key, NOW, Outcome, Request, SeededEntropy, World, base64, dialect, hex, hmac_sha256, key, known_key,
};

const ID: &str = "pk_test_AAAAAAAAAAAAAAAAAAAAAAAA";
const SECRET: &str = "sk_test_0123456789abcdef";
const TIMESTAMP: &str = "1778659835";
const ANSWER: &str = r#"{"status":false,"code":401,"message":"Invalid signature."}"#;

/// A vector of the fact sheet: the text that was signed, its HMAC, and bodies that other clients send with it.
struct Vector {
    payload: &'static str,
    signature: &'static str,
    /// The same payload as a client may send it that signs one text and sends another.
    also: &'static [&'static str],
    /// Payloads that are another.
    not: &'static [&'static str],
}

const UNSORTED: &str = r#"{"return_url":"https://m.example/r?a=1","order_id":"INV/1","order_amount":"105.00","customer":{"phone":"9999999999","name":"Zoë","email":"z@example.com"}}"#;
const PRETTY: &str = "{\n  \"order_id\": \"INV\\/1\",\n  \"return_url\": \"https:\\/\\/m.example\\/r?a=1\",\n  \"customer\": { \"email\": \"z@example.com\", \"phone\": \"9999999999\", \"name\": \"Zo\\u00EB\" },\n  \"order_amount\": \"105.00\"\n}\n";
/// Nested members as the Node sample leaves them: phone, name, email.
const NODE: &str = r#"{"order_id":"INV/1","customer":{"phone":"9999999999","name":"Zoë","email":"z@example.com"},"return_url":"https://m.example/r?a=1","order_amount":"105.00"}"#;
const OTHER_AMOUNT: &str = r#"{"customer":{"email":"z@example.com","name":"Zoë","phone":"9999999999"},"order_amount":"105.0","order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#;
const OTHER_TYPE: &str = r#"{"customer":{"email":"z@example.com","name":"Zoë","phone":9999999999},"order_amount":"105.00","order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#;
const ONE_LESS: &str = r#"{"customer":{"email":"z@example.com","name":"Zoë"},"order_amount":"105.00","order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#;
const MOVED: &str = r#"{"customer":{"email":"z@example.com","name":"Zoë","phone":"9999999999","order_amount":"105.00"},"order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#;
const OTHERS: &[&str] = &[OTHER_AMOUNT, OTHER_TYPE, ONE_LESS, MOVED, "{}", ""];

const VECTORS: [Vector; 9] = [
    Vector {
        payload: r#"{"amount":"100","order_id":"123456"}"#,
        signature: "ec0a00340f0ebcda7ae903b08c8e98fd582cf4716119a79091bd1f5fc16e0d54",
        also: &[
            r#"{"order_id":"123456","amount":"100"}"#,
            r#"{ "order_id" : "123456" , "amount" : "100" }"#,
            "\n{\"order_id\":\"\\u0031\\u00323456\",\"amount\":\"100\"}\n",
        ],
        not: &[
            r#"{"amount":"101","order_id":"123456"}"#,
            r#"{"amount":100,"order_id":"123456"}"#,
            r#"{"amount":"100","order_id":"123456","x":1}"#,
            r#"{"amount":"100"}"#,
            r#"{"amount":"100","order_id":"123456","order_id":"123456"}"#,
            r#"{"order_id":"123456","amount":"100","amount":"100"}"#,
            r#"{"order_id":"123456","amount":"100"},"#,
            r#"[{"order_id":"123456","amount":"100"}]"#,
            r#"{"Amount":"100","order_id":"123456"}"#,
        ],
    },
    Vector {
        payload: r#"{"customer":{"email":"z@example.com","name":"Zoë","phone":"9999999999"},"order_amount":"105.00","order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#,
        signature: "c5880ccaf0e148ee1f547be463b93b57d462c4b4d11701050762fe9b6f7d6bbd",
        also: &[UNSORTED, PRETTY, NODE],
        not: OTHERS,
    },
    Vector {
        payload: r#"{"customer":{"phone":"9999999999","name":"Zoë","email":"z@example.com"},"order_amount":"105.00","order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#,
        signature: "78f77ba2d5b31cabaffd1e3762fdd8481fb299acd478ee72edd3078f2e923e79",
        also: &[UNSORTED, NODE],
        // The order of the nested members is part of what the sample signs.
        not: &[PRETTY, OTHER_AMOUNT, OTHER_TYPE, ONE_LESS, MOVED, "{}", ""],
    },
    Vector {
        payload: r#"{"customer":{"email":"z@example.com","name":"Zo\u00eb","phone":"9999999999"},"order_amount":"105.00","order_id":"INV/1","return_url":"https://m.example/r?a=1"}"#,
        signature: "e2ab2a0f265e7e567ef61e70839468887d1cbc8985ff9f0d2d1f310b3a0b94f3",
        also: &[UNSORTED, PRETTY, NODE],
        not: OTHERS,
    },
    Vector {
        payload: r#"{"customer":{"email":"z@example.com","name":"Zo\u00eb","phone":"9999999999"},"order_amount":"105.00","order_id":"INV\/1","return_url":"https:\/\/m.example\/r?a=1"}"#,
        signature: "a7fe223bad52efeac5e0067651dec9ed8df22634282e42e8fc64c168075ebae0",
        also: &[UNSORTED, PRETTY, NODE],
        not: OTHERS,
    },
    Vector {
        payload: r#"{"customer": {"email": "z@example.com", "name": "Zo\u00eb", "phone": "9999999999"}, "order_amount": "105.00", "order_id": "INV/1", "return_url": "https://m.example/r?a=1"}"#,
        signature: "3d7077f96d5b8cb40cedfd4edcf6c937cba2731bd806bcbb5737e33279ff224d",
        also: &[UNSORTED, PRETTY, NODE],
        not: OTHERS,
    },
    Vector {
        payload: "",
        signature: "301f51af337ecf24a7afe3492e9306b9e6bcef0c6d9cf3b89c2f5a625d01ecac",
        also: &[],
        not: &[" ", "{}", "[]", "null", "\"\"", "\u{0}"],
    },
    Vector {
        payload: "{}",
        signature: "894acc68f2bcc571e9991a2433f4c7f5ab6c9a242162e4ac7f04505a28978f3a",
        // The Node sample turns an empty list into an empty object.
        also: &[" { } ", "[]"],
        not: &["", "{\"a\":1}", "null", "{}{}"],
    },
    Vector {
        payload: "[]",
        signature: "89142da2d11a1d582d8d2de04710e19ded465ec6322dc519ddf9d963a411fe94",
        // PHP has turned the empty object into a list before it signed.
        also: &["[ ]", "{}"],
        not: &["", "[[]]", "[null]", "null", "[{}]"],
    },
];

fn one() -> Key {
    known_key(dialect("kwikpaisa"), Mode::Test, ID, SECRET)
}

fn world() -> World {
    World::new(dialect("kwikpaisa"), &[&one()])
}

fn call(signature: impl AsRef<[u8]>, timestamp: &str, body: &str) -> Request {
    Request::new("POST /api/v3/pg/create-order")
        .with("content-type", "application/json")
        .with("x-api-key", ID)
        .with("x-signature", signature)
        .with("x-timestamp", timestamp)
        .body(body)
}

fn tag(payload: &str, timestamp: &str) -> String {
    hex(&hmac_sha256(SECRET, &[payload.as_bytes(), timestamp.as_bytes()]))
}

#[test]
fn every_vector_is_accepted_as_it_was_signed_and_as_other_clients_send_it() {
    let world = world();
    for Vector { payload, signature, also, not } in &VECTORS {
        assert_eq!(tag(payload, TIMESTAMP), *signature, "the vector itself");
        for body in also.iter().chain([payload]) {
            assert!(matches!(world.see(&call(signature, TIMESTAMP, body)), Outcome::AllowedOnce(_)), "{body}");
        }
        for body in *not {
            let request = call(signature, TIMESTAMP, body);
            assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "{payload} and {body}");
        }
    }
}

/// What one client signs, written by hand: a payload in which every form differs from every other.
const FORMS: [(&str, &str); 10] = [
    ("the text's rule", "{\"a\":{\"x\":{},\"y\":\"/é\u{2028}\u{7f}\"},\"b\":1}"),
    ("the Node sample", "{\"a\":{\"y\":\"/é\u{2028}\u{7f}\",\"x\":{}},\"b\":1}"),
    ("PHP, slashes and unicode unescaped", "{\"a\":{\"x\":{},\"y\":\"/é\\u2028\u{7f}\"},\"b\":1}"),
    ("PHP, slashes unescaped", "{\"a\":{\"x\":{},\"y\":\"/\\u00e9\\u2028\u{7f}\"},\"b\":1}"),
    ("PHP", "{\"a\":{\"x\":{},\"y\":\"\\/\\u00e9\\u2028\u{7f}\"},\"b\":1}"),
    ("PHP, slashes and unicode unescaped, from an array", "{\"a\":{\"x\":[],\"y\":\"/é\\u2028\u{7f}\"},\"b\":1}"),
    ("PHP, slashes unescaped, from an array", "{\"a\":{\"x\":[],\"y\":\"/\\u00e9\\u2028\u{7f}\"},\"b\":1}"),
    ("PHP, from an array", "{\"a\":{\"x\":[],\"y\":\"\\/\\u00e9\\u2028\u{7f}\"},\"b\":1}"),
    ("Python", "{\"a\": {\"x\": {}, \"y\": \"/\\u00e9\\u2028\\u007f\"}, \"b\": 1}"),
    ("as received, without blanks", "{\"b\":1,\"a\":{\"y\":\"/é\u{2028}\u{7f}\",\"x\":{}}}"),
];

#[test]
fn every_form_that_the_dialect_lists_is_tried_and_no_other() {
    let world = world();
    let sent = "{ \"b\":1, \"a\":{\"y\":\"\\/\\u00e9\\u2028\u{7f}\",\"x\":{}} }";
    for (whose, signed) in FORMS {
        assert!(world.see(&call(tag(signed, TIMESTAMP), TIMESTAMP, sent)).is_allowed(), "{whose}");
    }
    for other in [
        "{\"b\":1,\"a\":{\"x\":{},\"y\":\"/é\u{2028}\u{7f}\"}}",
        "{\"a\": {\"x\": {}, \"y\": \"/é\u{2028}\u{7f}\"}, \"b\": 1}",
        "{\"a\":{\"x\":{},\"y\":\"\\/é\u{2028}\u{7f}\"},\"b\":1}",
        "{\"a\":{\"x\":{},\"y\":\"/\\u00E9\\u2028\u{7f}\"},\"b\":1}",
        "{\"a\":{\"x\":[],\"y\":\"/é\u{2028}\u{7f}\"},\"b\":1}",
        "{\"a\":{\"x\":null,\"y\":\"/é\u{2028}\u{7f}\"},\"b\":1}",
        "{\"a\":{\"x\":{},\"y\":\"/é\u{2028}\u{7f}\"},\"b\":1}\n",
        "{\"a\":{\"x\":{},\"y\":\"/é\u{2028}\u{7f}\"},\"b\":1.0}",
        "{\"a\":{\"y\":\"/é\u{2028}\u{7f}\"},\"b\":1}",
    ] {
        let request = call(tag(other, TIMESTAMP), TIMESTAMP, sent);
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "{other}");
    }
}

#[test]
fn no_vector_verifies_for_another_payload() {
    let world = world();
    for (index, one) in VECTORS.iter().enumerate() {
        for (other, two) in VECTORS.iter().enumerate() {
            // The spellings of one payload are each other's canonical forms; so are `{}` and `[]`, see above.
            let same = [1..6, 7..9].iter().any(|range| range.contains(&index) && range.contains(&other));
            if index != other && !same {
                assert!(!world.see(&call(one.signature, TIMESTAMP, two.payload)).is_allowed(), "{index} and {other}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let world = world();
    let right = VECTORS[0].signature;
    for bit in 0..256 {
        let mut bytes = hmac_sha256(SECRET, &[VECTORS[0].payload.as_bytes(), TIMESTAMP.as_bytes()]);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let request = call(hex(&bytes), TIMESTAMP, VECTORS[0].payload);
        assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "bit {bit}");
        assert_eq!(&*world.answer(&request).body, ANSWER);
    }
    for bit in 0..right.len() * 8 {
        let mut text = right.as_bytes().to_vec();
        text[bit / 8] ^= 1 << (bit % 8);
        assert!(!world.see(&call(&text, TIMESTAMP, VECTORS[0].payload)).is_allowed(), "bit {bit} of the text");
    }
}

#[test]
fn every_changed_byte_of_a_body_is_refused() {
    let world = world();
    let Vector { payload, signature, .. } = &VECTORS[1];
    for at in 0..payload.len() {
        for bit in 0..8 {
            let mut request = call(signature, TIMESTAMP, payload);
            request.body[at] ^= 1 << bit;
            assert_eq!(world.reason(&request), Some(DenyReason::WrongSignature), "bit {bit} of byte {at}");
        }
        let mut cut = call(signature, TIMESTAMP, payload);
        cut.body.truncate(at);
        assert_eq!(world.reason(&cut), Some(DenyReason::WrongSignature), "cut at {at}");
    }
}

#[test]
fn the_window_is_three_hundred_seconds_on_each_side() {
    let at = NOW.seconds();
    for age in -400..=400 {
        let world = world().at(UnixMs((at + age) * 1000));
        let request = call(VECTORS[0].signature, TIMESTAMP, VECTORS[0].payload);
        let expected = ((-300..=300).contains(&age)).then_some(()).ok_or(DenyReason::StaleTimestamp);
        assert_eq!(world.reason(&request), expected.err(), "{age} seconds");
    }
    for (ms, is_allowed) in [
        ((at - 300) * 1000 - 1, false),
        ((at - 300) * 1000, true),
        ((at + 300) * 1000 + 999, true),
        ((at + 301) * 1000, false),
    ] {
        let request = call(VECTORS[0].signature, TIMESTAMP, VECTORS[0].payload);
        assert_eq!(world().at(UnixMs(ms)).see(&request).is_allowed(), is_allowed, "{ms}");
    }
}

#[test]
fn only_unix_seconds_are_a_timestamp() {
    let body = VECTORS[0].payload;
    let world = world();
    let malformed = [
        "",
        " ",
        "0x6a04272b",
        "1778659835000",
        "1778659835123456",
        "177865983500",
        "+1778659835",
        "-1778659835",
        "01778659835",
        "001778659835",
        "1778659835.0",
        "1778659835.",
        ".1778659835",
        "1.778659835e9",
        "1778659835e0",
        " 1778659835",
        "1778659835 ",
        "1778659835\n",
        "\t1778659835",
        "1,778,659,835",
        "1_778_659_835",
        "1778659835Z",
        "1778659835s",
        "2026-05-13T08:10:35Z",
        "2026-05-13",
        "Wed, 13 May 2026 08:10:35 GMT",
        "now",
        "NaN",
        "null",
        "\"1778659835\"",
        "１７７８６５９８３５",
        "1778659835\u{0}",
        "1778659835,1778659835",
        "1778659835;",
        "99999999999999999999",
        "--1",
        "1778 659835",
    ];
    for timestamp in malformed {
        // Signed over exactly this text, so that nothing but its form can be wrong.
        let request = call(tag(body, timestamp), timestamp, body);
        assert_eq!(world.reason(&request), Some(DenyReason::MalformedCredentials), "{timestamp:?}");
        assert_eq!((world.answer(&request).status, &*world.answer(&request).body), (401, ANSWER));
    }
    for timestamp in ["0", "1", "177865983", "17786598350", "99999999999", "1778659535", "1778660135"] {
        let request = call(tag(body, timestamp), timestamp, body);
        let expected =
            if matches!(timestamp, "1778659535" | "1778660135") { None } else { Some(DenyReason::StaleTimestamp) };
        assert_eq!(world.reason(&request), expected, "{timestamp}");
    }
}

#[test]
fn a_timestamp_other_than_the_signed_one_is_refused() {
    let world = world();
    for seconds in -300..=300_i64 {
        let timestamp = (NOW.seconds() + seconds).to_string();
        let request = call(VECTORS[0].signature, &timestamp, VECTORS[0].payload);
        assert_eq!(world.reason(&request), (seconds != 0).then_some(DenyReason::WrongSignature), "{timestamp}");
    }
}

#[test]
fn only_whole_lower_case_hexadecimal_is_a_signature() {
    let world = world();
    let body = VECTORS[0].payload;
    let right = VECTORS[0].signature;
    let bytes = hmac_sha256(SECRET, &[body.as_bytes(), TIMESTAMP.as_bytes()]);
    let mut spellings = vec![
        right.to_uppercase(),
        format!("{}{}", right[..32].to_uppercase(), &right[32..]),
        right.replacen('a', "A", 1),
        format!("0x{right}"),
        format!(" {right}"),
        format!("{right} "),
        format!("{right}\n"),
        format!("{right}00"),
        format!("{right}{right}"),
        format!("{right},{right}"),
        format!("sha256={right}"),
        format!("v1={right}"),
        format!("\"{right}\""),
        base64(&bytes),
        base64(&bytes).trim_end_matches('=').to_owned(),
        right.replace('0', "o"),
        right.replace('0', "\u{ff10}"),
        hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes()), b"x").as_ref()),
        String::from_utf8(bytes.iter().map(|byte| byte & 0x7f).collect()).expect("ASCII"),
    ];
    spellings.extend((0..right.len()).map(|length| right[..length].to_owned()));
    for spelling in spellings {
        let request = call(&spelling, TIMESTAMP, body);
        assert_eq!(world.reason(&request), Some(DenyReason::MalformedCredentials), "{spelling:?}");
        assert_eq!(&*world.answer(&request).body, ANSWER);
    }
}

#[test]
fn only_the_documented_text_under_the_documented_key_and_digest_is_signed() {
    let world = world();
    let body = VECTORS[0].payload;
    let sha = |algorithm, key: &str, text: &str| {
        hex(hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), text.as_bytes()).as_ref())
    };
    let text = format!("{body}{TIMESTAMP}");
    for wrong in [
        tag(TIMESTAMP, body),
        tag(&format!("{body}."), TIMESTAMP),
        tag(&format!("{body}\n"), TIMESTAMP),
        tag(body, ""),
        tag("", TIMESTAMP),
        tag(&format!("POST{body}"), TIMESTAMP),
        sha(hmac::HMAC_SHA256, "", &text),
        sha(hmac::HMAC_SHA256, "0123456789abcdef", &text),
        sha(hmac::HMAC_SHA256, &format!("{SECRET}\n"), &text),
        sha(hmac::HMAC_SHA256, ID, &text),
        sha(hmac::HMAC_SHA256, &text, SECRET),
        sha(hmac::HMAC_SHA512, SECRET, &text)[..64].to_owned(),
        sha(hmac::HMAC_SHA384, SECRET, &text)[..64].to_owned(),
        hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{SECRET}{text}").as_bytes()).as_ref()),
        "0".repeat(64),
        "f".repeat(64),
    ] {
        assert_eq!(world.reason(&call(&wrong, TIMESTAMP, body)), Some(DenyReason::WrongSignature), "{wrong}");
    }
}

#[test]
fn each_of_the_three_headers_is_needed_and_none_twice() {
    let world = world();
    let good = call(VECTORS[0].signature, TIMESTAMP, VECTORS[0].payload);
    assert!(world.see(&good).is_allowed());
    for name in ["x-api-key", "x-signature", "x-timestamp"] {
        let without = good.clone().without(name);
        let refused = Outcome::Denied(DenyReason::MalformedCredentials, Some(SchemeName::Signed));
        assert_eq!(world.see(&without), refused, "without {name}");
        assert_eq!((world.answer(&without).status, &*world.answer(&without).body), (401, ANSWER));
        let empty = good.clone().replacing(name, "");
        assert_eq!(world.reason(&empty), Some(DenyReason::MalformedCredentials), "{name} empty");
        let value = good.headers.iter().find(|(given, _)| given == name).expect("it is there").1.clone();
        assert_eq!(
            world.see(&good.clone().with(name, value)),
            Outcome::Gated(GateFault::DuplicateCredentials),
            "{name}"
        );
        let moved = good.clone().replacing(name, b"\xff");
        assert_eq!(world.reason(&moved), Some(DenyReason::MalformedCredentials), "{name} beyond ASCII");
    }
    let none = Request::new("POST /api/v3/pg/create-order").body(VECTORS[0].payload);
    assert_eq!(world.see(&none), Outcome::Denied(DenyReason::MissingCredentials, Some(SchemeName::Signed)));
    assert_eq!(&*world.answer(&none).body, ANSWER);
}

#[test]
fn keys_of_other_names_modes_and_secrets_are_refused() {
    let stranger = known_key(dialect("kwikpaisa"), Mode::Test, "pk_test_BBBBBBBBBBBBBBBBBBBBBBBB", "sk_test_another");
    let world = World::new(dialect("kwikpaisa"), &[&one(), &stranger]);
    let good = call(VECTORS[0].signature, TIMESTAMP, VECTORS[0].payload);
    for (id, expected) in [
        (stranger.id(), DenyReason::WrongSignature),
        ("pk_live_AAAAAAAAAAAAAAAAAAAAAAAA", DenyReason::UnknownKey),
        ("pk_test_aaaaaaaaaaaaaaaaaaaaaaaa", DenyReason::UnknownKey),
        ("PK_TEST_AAAAAAAAAAAAAAAAAAAAAAAA", DenyReason::MalformedCredentials),
        ("pk_test_AAAAAAAAAAAAAAAAAAAAAAAA ", DenyReason::MalformedCredentials),
        ("pk_test_AAAAAAAAAAAAAAAAAAAAAAA", DenyReason::MalformedCredentials),
        (SECRET, DenyReason::MalformedCredentials),
    ] {
        assert_eq!(world.reason(&good.clone().replacing("x-api-key", id)), Some(expected), "{id:?}");
    }
}

#[test]
fn the_secret_on_the_wire_is_refused_and_never_needed() {
    let key = key(dialect("kwikpaisa"), Mode::Live, &SeededEntropy::new(91));
    let world = World::new(dialect("kwikpaisa"), &[&key]);
    let body = format!(r#"{{"secret":"{}"}}"#, key.secret);
    let signature = hex(&hmac_sha256(&key.secret, &[body.as_bytes(), TIMESTAMP.as_bytes()]));
    let request = call(signature, TIMESTAMP, &body).replacing("x-api-key", key.id());
    assert_eq!(world.see(&request), Outcome::Gated(GateFault::CredentialsInBody));
    let signature = hex(&hmac_sha256(&key.secret, &[b"{}", TIMESTAMP.as_bytes()]));
    let request = call(signature, TIMESTAMP, "{}").replacing("x-api-key", key.id());
    assert!(world.see(&request).is_allowed());
    let with_header = request.with("x-secret-key", &key.secret);
    assert_eq!(world.see(&with_header), Outcome::Gated(GateFault::TwoSchemes));
}

#[test]
fn an_ambiguous_body_verifies_as_received_or_not_at_all() {
    let world = world();
    let twice = r#"{"amount":"100","amount":"999"}"#;
    assert!(world.see(&call(tag(twice, TIMESTAMP), TIMESTAMP, twice)).is_allowed(), "these bytes were signed");
    for reading in [r#"{"amount":"100"}"#, r#"{"amount":"999"}"#, r#"{"amount":"999","amount":"100"}"#] {
        assert!(!world.see(&call(tag(reading, TIMESTAMP), TIMESTAMP, twice)).is_allowed(), "{reading}");
        assert!(!world.see(&call(tag(twice, TIMESTAMP), TIMESTAMP, reading)).is_allowed(), "{reading}");
    }
    let latin = call(tag(r#"{"a":"?"}"#, TIMESTAMP), TIMESTAMP, "");
    let mut latin = latin;
    latin.body = b"{\"a\":\"\xe9\"}".to_vec();
    assert!(!world.see(&latin).is_allowed());
}

#[test]
fn canonical_forms_are_tried_up_to_the_dialects_size() {
    let world = world();
    for (padding, is_allowed) in [(65_536, true), (65_537, false)] {
        let sorted = |pad: &str| format!(r#"{{"a":"1","b":"{pad}"}}"#);
        let unsorted = |pad: &str| format!(r#"{{"b":"{pad}","a":"1"}}"#);
        let pad = "x".repeat(padding - unsorted("").len());
        let request = call(tag(&sorted(&pad), TIMESTAMP), TIMESTAMP, &unsorted(&pad));
        assert_eq!(request.body.len(), padding);
        assert_eq!(world.see(&request).is_allowed(), is_allowed, "{padding} bytes in another order");
        let as_signed = call(tag(&sorted(&pad), TIMESTAMP), TIMESTAMP, &sorted(&pad));
        assert!(world.see(&as_signed).is_allowed(), "{padding} bytes as signed");
    }
}

#[test]
fn an_empty_or_hashed_secret_never_verifies() {
    let body = VECTORS[0].payload;
    let with_empty = hex(&hmac_sha256("", &[body.as_bytes(), TIMESTAMP.as_bytes()]));
    let empty = World::changed(dialect("kwikpaisa"), &one(), |candidate| {
        candidate.verifier = Verifier::Opened(SecretBytes::new(Vec::new()));
    });
    assert_eq!(empty.reason(&call(with_empty, TIMESTAMP, body)), Some(DenyReason::WrongSignature));
    let hashed = World::changed(dialect("kwikpaisa"), &one(), |candidate| {
        candidate.verifier = Verifier::Hashed { ring_index: 0, digest: [0; 24] };
    });
    let reason = hashed.reason(&call(VECTORS[0].signature, TIMESTAMP, body));
    assert_eq!(reason, Some(DenyReason::Internal), "a row that cannot be is a fault of ours");
}
