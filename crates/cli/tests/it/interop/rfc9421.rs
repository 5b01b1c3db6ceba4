//! Two libraries for RFC 9421 against the native dialect, both ways: what they sign we accept, what we sign they verify,
//! and neither takes what is one bit beside it.

use std::process::Command;

use keymint_testkit::{Dev, Key, Reply};
use serde_json::{Map, Value, json};

use super::{Client, Wire};
use crate::dev;

const PYTHON: &str = "rfc9421/messages.py";
const NODE: &str = "rfc9421/messages.mjs";
const GET: &str = "/v1/whoami?a=1&b=x%20y";
const POST: &str = "/v1/echo";
const BODY: &str = r#"{"amount":"105.00","name":"Zoë","url":"https://m.example/r?a=1"}"#;

fn is_refused(reply: &Reply) -> bool {
    reply.status == 401 && reply.text("/error/code") == "unauthorized"
}

/// What the signature covers, and the signature. In the address only letters and digits become other ones: other changes
/// make requests that are refused before anybody looks at a signature.
fn refuse_every_neighbour(dev: &Dev, wire: &Wire, target: &str, names: &[&str]) {
    for name in names {
        wire.judge_neighbours(dev, wire.value(name), is_refused);
    }
    wire.judge_neighbours(dev, wire.body(), is_refused);
    let is_plain = |at: &usize| [0, 1].iter().all(|bit| (wire.bytes[*at] ^ bit).is_ascii_alphanumeric());
    let address = wire.first_line(target).skip("/keymint/".len()).chain(wire.value("host"));
    wire.judge_neighbours(dev, address.filter(is_plain), is_refused);
    wire.judge_neighbours(dev, 0..1, is_refused);
}

fn accept_what_it_signs(script: &str, command: &Value) {
    let dev = dev();
    let key = dev.key("keymint", "signs");
    let mut client = Client::start(&dev, script, &key);
    let mut sign = command.clone();
    sign["do"] = json!("sign");
    let signed = client.ask(&sign);
    let text = |name: &str| command[name].as_str();
    let (method, body) = (text("method").expect("a method"), text("body"));
    let target = format!("/keymint{}", text("path").expect("a path"));
    let wire = Wire::new(&dev, method, &target, &signed["headers"], body);
    let mut names = vec!["signature-input", "signature"];
    names.extend(body.map(|_| "content-digest"));
    refuse_every_neighbour(&dev, &wire, &target, &names);
    let accepted = client.ask(&json!({ "do": "send" }));
    assert_eq!(accepted["status"], 200, "{accepted}");
    let answer: Value = serde_json::from_str(accepted["body"].as_str().expect("a body")).expect("JSON");
    match body {
        Some(body) => assert_eq!(answer["received"], body),
        None => assert_eq!(answer["key_id"], key.key_id),
    }
    // What changes something is done once; what only reads may be asked again.
    let again = if body.is_some() { 401 } else { 200 };
    assert_eq!(client.ask(&json!({ "do": "send" }))["status"], again);
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert!(client.ask(&sign)["headers"].is_object());
    assert_eq!(client.ask(&json!({ "do": "send" }))["status"], 401);
}

fn get(components: &[&str]) -> Value {
    json!({ "method": "GET", "path": GET, "components": components })
}

fn post(components: &[&str]) -> Value {
    json!({ "method": "POST", "path": POST, "body": BODY, "components": components })
}

fn with_nonce(mut command: Value) -> Value {
    command["nonce"] = json!("n-2/3+4=");
    command
}

#[test]
fn what_the_python_library_signs_is_accepted_and_nothing_one_bit_beside_it() {
    accept_what_it_signs(PYTHON, &get(&["@method", "@target-uri"]));
    accept_what_it_signs(PYTHON, &post(&["@method", "@target-uri", "content-digest"]));
}

#[test]
fn what_the_python_library_signs_piece_by_piece_is_accepted_and_nothing_one_bit_beside_it() {
    accept_what_it_signs(PYTHON, &with_nonce(get(&["@method", "@authority", "@path", "@query"])));
    let all = ["@method", "@authority", "@path", "@query", "content-digest", "content-type", "@request-target"];
    accept_what_it_signs(PYTHON, &with_nonce(post(&all)));
}

#[test]
fn what_the_node_library_signs_is_accepted_and_nothing_one_bit_beside_it() {
    accept_what_it_signs(NODE, &get(&["@method", "@target-uri"]));
    accept_what_it_signs(NODE, &post(&["@method", "@target-uri", "content-digest"]));
}

#[test]
fn what_the_node_library_signs_piece_by_piece_is_accepted_and_nothing_one_bit_beside_it() {
    accept_what_it_signs(NODE, &with_nonce(get(&["@method", "@authority", "@path", "@query"])));
    let all = ["@method", "@authority", "@path", "@query", "content-digest", "content-type", "@request-target"];
    accept_what_it_signs(NODE, &with_nonce(post(&all)));
}

/// A good signature over too little, or one that does not say when or with which key it was made.
#[test]
fn signatures_that_say_or_cover_too_little_are_refused() {
    let dev = dev();
    let key = dev.key("keymint", "little");
    for script in [PYTHON, NODE] {
        let mut client = Client::start(&dev, script, &key);
        let mut status = |mut command: Value| {
            command["do"] = json!("sign");
            client.ask(&command);
            client.ask(&json!({ "do": "send" }))["status"].clone()
        };
        for too_little in [
            get(&["@method"]),
            get(&["@target-uri"]),
            get(&["@method", "@authority"]),
            get(&["@method", "@path", "@query"]),
            get(&["@method", "@authority", "@path"]),
            post(&["@method", "@target-uri"]),
        ] {
            assert_eq!(status(too_little.clone()), 401, "{script} {too_little}");
        }
        if script == NODE {
            let mut said = get(&["@method", "@target-uri"]);
            for (params, expected) in [
                (json!(["created", "keyid"]), 200),
                (json!(["created", "keyid", "alg", "expires"]), 200),
                (json!(["keyid"]), 401),
                (json!(["created"]), 401),
            ] {
                said["params"] = params;
                assert_eq!(status(said.clone()), expected, "{said}");
            }
        }
    }
}

/// What `keymint request --dry-run` prints: the headers, names in lower case.
fn dry_run(dev: &Dev, key: &Key, command: &Value) -> Map<String, Value> {
    let text = |name: &str| command[name].as_str();
    let mut request = Command::new(env!("CARGO_BIN_EXE_keymint"));
    request.args(["request", "--product", "keymint", "--scheme", "message_signature", "--dry-run"]);
    request.args(["--gateway", &format!("http://{}", dev.gateway)]);
    request.args([text("method").expect("a method"), text("path").expect("a path")]);
    if let Some(body) = text("body") {
        request.args(["--data", body]);
    }
    let output = request.env("KEYMINT_KEY_ID", &key.key_id).env("KEYMINT_KEY_SECRET", &key.secret).output();
    let output = output.expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("it prints UTF-8");
    let (head, body) = printed.split_once("\n\n").expect("a head ends with an empty line");
    assert_eq!(body.trim_end(), text("body").unwrap_or_default());
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// The text with the letter or digit at this place changed to another one.
fn changed(text: &str, at: usize) -> Option<String> {
    let letter = text.as_bytes().get(at).filter(|byte| byte.is_ascii_alphanumeric())?;
    let other = if *letter == b'7' { "8" } else { "7" };
    Some(format!("{}{other}{}", &text[..at], &text[at + 1..]))
}

fn verify_what_we_sign(script: &str, command: &Value) {
    let dev = dev();
    let key = dev.key("keymint", "signed");
    let mut client = Client::start(&dev, script, &key);
    let mut verify = command.clone();
    verify["do"] = json!("verify");
    verify["headers"] = Value::Object(dry_run(&dev, &key, command));
    assert_eq!(client.ask(&verify), json!({ "verified": true }));
    let mut pointers = vec!["/method", "/path", "/headers/signature-input", "/headers/signature"];
    if command["body"].is_string() {
        pointers.extend(["/body", "/headers/content-digest"]);
    }
    for pointer in pointers {
        let text = verify.pointer(pointer).and_then(Value::as_str).expect("text").to_owned();
        // The last letter of a base 64 text holds bits that stand for nothing, and readers may ignore them.
        let end = if pointer.starts_with("/headers") { text.len() - 3 } else { text.len() };
        for neighbour in (0..end).filter_map(|at| changed(&text, at)) {
            let mut wrong = verify.clone();
            *wrong.pointer_mut(pointer).expect("it is there") = json!(neighbour);
            assert_eq!(client.ask(&wrong)["verified"], false, "{script} {pointer} {neighbour}");
        }
    }
}

#[test]
fn what_we_sign_the_python_library_verifies_and_nothing_one_letter_beside_it() {
    verify_what_we_sign(PYTHON, &get(&["@method", "@target-uri"]));
    verify_what_we_sign(PYTHON, &post(&["@method", "@target-uri", "content-digest"]));
}

#[test]
fn what_we_sign_the_node_library_verifies_and_nothing_one_letter_beside_it() {
    verify_what_we_sign(NODE, &get(&["@method", "@target-uri"]));
    verify_what_we_sign(NODE, &post(&["@method", "@target-uri", "content-digest"]));
}
