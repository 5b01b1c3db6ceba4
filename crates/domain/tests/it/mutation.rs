//! A million signed requests, each valid but for one change to something signed: none is accepted.
//!
//! What a dialect documents as uncovered is left alone (KwikPaisa's path, say). A change that only spells the same
//! thing otherwise (a blank in a structured field, members of a JSON body in another order) is told apart by readers
//! that are not under test here, and counts neither way.

use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use serde_json::Value;

use crate::fixture::{Key, NOW, Request, SeededEntropy, World, base64, dialect, hex, hmac_sha256, key};

/// How many refused mutations each of the five kinds of request must see.
const MUTATIONS: usize = 400_000;

/// A valid request, and which of its parts its signature covers.
struct Subject {
    world: World,
    request: Request,
    other_id: String,
    covers_target: bool,
    covers_host: bool,
}

fn subject(name: &str, request_of: fn(&Key) -> Request) -> Subject {
    let entropy = SeededEntropy::new(161);
    let [key, other] = [0, 1].map(|_| key(dialect(name), Mode::Live, &entropy));
    let request = request_of(&key);
    let world = World::new(dialect(name), &[&key, &other]);
    assert!(world.see(&request).is_allowed(), "the request is valid to begin with");
    Subject { world, request, other_id: other.id().to_owned(), covers_target: false, covers_host: false }
}

/// Changes a text in one place.
fn change(bytes: &mut Vec<u8>, entropy: &SeededEntropy) {
    if bytes.is_empty() {
        bytes.push(u8::try_from(entropy.below(256)).expect("a byte"));
        return;
    }
    let at = entropy.below(bytes.len());
    let byte = u8::try_from(entropy.below(256)).expect("a byte");
    match entropy.below(8) {
        0 => bytes[at] ^= 1 << entropy.below(8),
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, byte),
        3 => bytes.insert(at, bytes[at]),
        4 => bytes[at] ^= 0x20,
        5 => bytes.truncate(at),
        6 => {
            let other = entropy.below(bytes.len());
            bytes.swap(at, other);
        }
        _ => bytes[at] = byte,
    }
}

/// The same for a part that is text. What is no UTF-8 afterwards could not be a part of a request.
fn change_text(text: &mut String, entropy: &SeededEntropy) {
    let mut bytes = text.clone().into_bytes();
    change(&mut bytes, entropy);
    if let Ok(changed) = String::from_utf8(bytes) {
        *text = changed;
    }
}

/// Moves the first long number in a field by a little.
fn move_time(value: &mut Vec<u8>, entropy: &SeededEntropy) {
    let text = String::from_utf8(value.clone()).expect("fields of ours are ASCII");
    let now = NOW.seconds();
    let moved = now + [-300, -60, -1, 1, 2, 60, 300][entropy.below(7)];
    *value = text.replacen(&now.to_string(), &moved.to_string(), 1).into_bytes();
}

impl Subject {
    fn mutated(&self, entropy: &SeededEntropy) -> Request {
        let mut request = self.request.clone();
        let count = request.headers.len();
        let at = entropy.below(count);
        match entropy.below(16) {
            0..6 => change(&mut request.headers[at].1, entropy),
            6 => move_time(&mut request.headers[at].1, entropy),
            7 => {
                let other = entropy.below(count);
                let value = std::mem::replace(&mut request.headers[at].1, self.request.headers[other].1.clone());
                request.headers[other].1 = value;
            }
            8 => match entropy.below(3) {
                0 => drop(request.headers.remove(at)),
                1 => request.headers.push(self.request.headers[at].clone()),
                _ => {
                    let id = self.world.candidates[0].key_id.to_string();
                    let value = String::from_utf8(request.headers[at].1.clone()).expect("ASCII");
                    request.headers[at].1 = value.replace(&id, &self.other_id).into_bytes();
                }
            },
            9 | 10 if self.covers_target => change_text(&mut request.target, entropy),
            11 if self.covers_target => change_text(&mut request.method, entropy),
            12 if self.covers_host => change_text(&mut request.authority, entropy),
            _ => change(&mut request.body, entropy),
        }
        request
    }

    /// Runs until enough mutations were refused; `is_same` says of an accepted one whether it means the same.
    fn run(&self, seed: u64, is_same: fn(&Request, &Request) -> bool) {
        let entropy = SeededEntropy::new(seed);
        let (mut refused, mut by_signature, mut same) = (0, 0, 0);
        while refused < MUTATIONS {
            let mutated = self.mutated(&entropy);
            match self.world.reason(&mutated) {
                Some(reason) => {
                    refused += 1;
                    by_signature += usize::from(reason == DenyReason::WrongSignature);
                }
                None => {
                    assert!(is_same(&self.request, &mutated), "accepted: {}", show(&mutated));
                    same += 1;
                }
            }
        }
        // Else the mutations would test the parsers alone, or nothing.
        assert!(by_signature > MUTATIONS / 4 && same < MUTATIONS / 5, "{by_signature} by signature, {same} the same");
    }
}

fn show(request: &Request) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
    let body = text(&request.body);
    format!("{} {} at {}\n{}\n\n{body}", request.method, request.target, request.authority, headers.join("\n"))
}

/// Whether two requests are the same to the byte.
fn identical(one: &Request, other: &Request) -> bool {
    (&one.method, &one.target, &one.authority) == (&other.method, &other.target, &other.authority)
        && one.body == other.body
        && one.headers == other.headers
}

const PAYMENT: &str = r#"{"customer":{"email":"z@example.com","name":"Zoë","phone":"9999999999"},"meta":{},"order_amount":105,"order_id":"INV/1","tags":["a","b"]}"#;
const PAYMENT_UNSORTED: &str = "{ \"tags\":[\"a\", \"b\"], \"order_id\":\"INV\\/1\",\"meta\":{},\"customer\":{\"name\":\"Zo\\u00eb\",\
    \"phone\":\"9999999999\",\"email\":\"z@example.com\"},\n \"order_amount\":105 }";

fn kwikpaisa(key: &Key) -> Request {
    let at = NOW.seconds().to_string();
    Request::new("POST /api/v3/pg/create-order")
        .with("x-api-key", key.id())
        .with("x-signature", hex(&hmac_sha256(&key.secret, &[PAYMENT.as_bytes(), at.as_bytes()])))
        .with("x-timestamp", at)
        .body(PAYMENT)
}

/// What a JSON body says, to a reader that is not ours; PHP's empty list is an empty object.
fn meaning(body: &[u8]) -> Option<Value> {
    fn fold(value: Value) -> Value {
        match value {
            Value::Object(members) if members.is_empty() => Value::Array(Vec::new()),
            Value::Object(members) => members.into_iter().map(|(key, value)| (key, fold(value))).collect(),
            Value::Array(elements) => elements.into_iter().map(fold).collect(),
            other => other,
        }
    }
    serde_json::from_slice(body).ok().map(fold)
}

fn same_payload(one: &Request, other: &Request) -> bool {
    one.headers == other.headers && meaning(&one.body).is_some() && meaning(&one.body) == meaning(&other.body)
}

#[test]
fn no_change_to_a_body_signed_as_sent_is_accepted() {
    subject("kwikpaisa", kwikpaisa).run(171, same_payload);
}

#[test]
fn no_change_to_a_body_signed_in_canonical_form_is_accepted() {
    subject("kwikpaisa", |key| kwikpaisa(key).body(PAYMENT_UNSORTED)).run(172, same_payload);
}

#[test]
fn no_change_to_a_packed_signature_is_accepted() {
    let request = |key: &Key| {
        let at = NOW.seconds().to_string();
        let tag = hex(&hmac_sha256(&key.secret, &[at.as_bytes(), b".", PAYMENT.as_bytes()]));
        Request::new("POST /transaction/initiate").with("x-signature", format!("{}.{at}.{tag}", key.id())).body(PAYMENT)
    };
    subject("kspay", request).run(173, identical);
}

#[test]
fn no_change_to_what_an_operators_recipe_covers_is_accepted() {
    let request = |key: &Key| {
        let at = NOW.seconds().to_string();
        let signed = format!("POST\n/v2/refunds/r%201\ncount=10&a=b\n{}\n{at}\n{PAYMENT}", key.id());
        let hmac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA512, key.secret.as_bytes());
        Request::new("POST /v2/refunds/r%201?count=10&a=b")
            .with("acme-key", key.id())
            .with("acme-time", &at)
            .with("x-signature", base64(aws_lc_rs::hmac::sign(&hmac_key, signed.as_bytes())))
            .body(PAYMENT)
    };
    Subject { covers_target: true, ..subject("acmepay", request) }.run(174, identical);
}

fn message(key: &Key) -> Request {
    let digest = base64(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, PAYMENT.as_bytes()));
    let digest = format!("sha-256=:{digest}:");
    let input = format!(
        "(\"@method\" \"@target-uri\" \"content-digest\");created={};keyid=\"{}\";nonce=\"n-1\"",
        NOW.seconds(),
        key.id()
    );
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": https://pay.example/v1/pay?a=b%20c\n\"content-digest\": {digest}\n\
         \"@signature-params\": {input}"
    );
    let tag = base64(hmac_sha256(&key.secret, &[base.as_bytes()]));
    Request::new("POST /v1/pay?a=b%20c")
        .with("content-digest", digest)
        .with("signature-input", format!("sig1={input}"))
        .with("signature", format!("sig1=:{tag}:"))
        .body(PAYMENT)
}

/// A message signature is the same when its fields differ in blanks around them and inside the structured one, in how
/// a number begins, and when the authority differs in case or names the default port (RFC 9421 sections 2.1 and 2.2.3,
/// RFC 9651 section 4.2).
fn same_message(one: &Request, other: &Request) -> bool {
    let host = |request: &Request| {
        let lower = request.authority.to_lowercase();
        lower.strip_suffix(":443").or(lower.strip_suffix(':')).unwrap_or(&lower).to_owned()
    };
    let fields = |request: &Request| {
        let field = |(name, value): &(String, Vec<u8>)| {
            let text = String::from_utf8(value.clone()).expect("an accepted field is ASCII");
            let text = text.trim_matches([' ', '\t']).to_owned();
            let squeezed: String = text.chars().filter(|character| *character != ' ').collect();
            let is_structured = name == "signature-input";
            (name.clone(), if is_structured { squeezed.replace("created=0", "created=") } else { text })
        };
        request.headers.iter().map(field).collect::<Vec<_>>()
    };
    (&one.method, &one.target, &one.body) == (&other.method, &other.target, &other.body)
        && host(one) == host(other)
        && fields(one) == fields(other)
}

#[test]
fn no_change_to_what_a_message_signature_covers_is_accepted() {
    Subject { covers_target: true, covers_host: true, ..subject("keymint", message) }.run(175, same_message);
}
