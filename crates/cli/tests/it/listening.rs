//! `keymint listen` and `keymint trigger`: a developer's machine gets an app's test events, each once, whatever happens to the
//! connection.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use aws_lc_rs::hmac;
use data_encoding::{BASE64, HEXLOWER};
use keymint_testkit::receiver::{Answer, Got, Receiver};
use keymint_testkit::{Dev, Tap};
use serde_json::{Value, json};

use crate::dev;
use crate::webhooks::{app, endpoint};

fn keymint(dev: &Dev, at: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keymint"));
    command.args(arguments).env("KEYMINT_URL", format!("http://{at}")).env("KEYMINT_TOKEN", &dev.token);
    command.env_remove("KEYMINT_WEBHOOK_SECRET").env_remove("KEYMINT_APP").stdin(Stdio::null());
    command
}

/// A running `keymint listen`; ended when dropped.
struct Listening(Child);

impl Listening {
    /// Starts it, and waits until it listens. What it said until then comes back.
    fn start(mut command: Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = String::new();
        let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
        while !said.contains("Listening to the test events") {
            assert!(errors.read_line(&mut said).expect("it writes UTF-8") > 0, "it ended: {said}");
        }
        // What it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        (Self(child), said)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(mut command: Command) -> Output {
    command.output().expect("it runs")
}

/// Sets off an event by the command; its id.
fn trigger(dev: &Dev, app: &str, event: &str) -> String {
    let done = run(keymint(dev, dev.console, &["trigger", event, "--app", app, "--json"]));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let value: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    value["id"].as_str().expect("an id").to_owned()
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), parts.concat().as_bytes()).as_ref().to_vec()
}

fn is_by(got: &Got, secret: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").expect("a prefix").as_bytes()).expect("base 64");
    let (id, at) = (got.header("webhook-id").expect("an id"), got.header("webhook-timestamp").expect("a time"));
    got.header("webhook-signature")
        == Some(&format!("v1,{}", BASE64.encode(&mac(&key, &[id, ".", at, ".", &got.body]))))
}

#[test]
fn what_is_set_off_comes_to_the_developers_machine_signed_and_is_printed_with_the_answer() {
    let (dev, receiver, hooked) = (dev(), Receiver::start(), Receiver::start());
    let app = app(&dev, "keymint", "listen");
    endpoint(&dev, &app, json!({ "events": ["refund.created"] }), &hooked);
    trigger(&dev, &app, "payment.created");
    let url = receiver.url();
    let (listening, said) =
        Listening::start(keymint(&dev, dev.console, &["listen", "--app", &app, "--forward-to", &url]));
    let secret = said.split_whitespace().find(|word| word.starts_with("whsec_")).expect("it says its secret");
    receiver.answers([Answer::Status(500)], Answer::Status(204));
    let first = trigger(&dev, &app, "payment.captured");
    let got = receiver.wait_for(1);
    assert_eq!(got[0].header("webhook-id"), Some(&*first), "what was before it listened is not for it");
    assert!(is_by(&got[0], secret) && got[0].body.contains("payment.captured"));
    assert_eq!(got[0].header("user-agent"), Some("Keymint-Webhook/1"));
    let second = trigger(&dev, &app, "refund.created");
    receiver.wait_for(2);
    assert_eq!(hooked.wait_for(1)[0].header("webhook-id"), Some(&*second), "an endpoint that asks for it gets it, too");
    // Another app's events, live ones, and nothing a second time.
    let other = crate::webhooks::app(&dev, "keymint", "other");
    trigger(&dev, &other, "payment.failed");
    let live = json!({ "mode": "live", "name": "payment.failed", "body": "{}" });
    assert_eq!(dev.api("POST", &format!("/apps/{app}/events"), &live).status, 202);
    let third = trigger(&dev, &app, "payout.created");
    let got = receiver.wait_for(3);
    assert_eq!((got.len(), got[2].header("webhook-id")), (3, Some(&*third)));
    let printed = printed_until(listening, &third);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    assert!(lines[0].contains("payment.captured") && lines[0].contains(&first) && lines[0].ends_with("-> 500"));
    assert!(lines[1].ends_with("-> 204") && lines[1].contains(&second), "{printed}");
}

/// Ends it a moment after the answer to the last event came; the line about it is printed then.
fn printed_until(mut listening: Listening, last: &str) -> String {
    let mut output = BufReader::new(listening.0.stdout.take().expect("it is piped"));
    let mut printed = String::new();
    while !printed.contains(last) {
        assert!(output.read_line(&mut printed).expect("UTF-8") > 0, "{printed}");
    }
    drop(listening);
    printed
}

#[test]
fn after_a_cut_it_gets_what_it_missed_and_nothing_twice() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app(&dev, "razorpay", "cut");
    let (tap, url) = (Tap::before(dev.console), receiver.url());
    let mut command = keymint(&dev, tap.address, &["listen", "--app", &app, "--forward-to", &url]);
    command.env("KEYMINT_WEBHOOK_SECRET", "my-own-secret");
    let (_listening, said) = Listening::start(command);
    assert!(!said.contains("my-own-secret"), "what was given is not repeated");
    let mut told = Vec::new();
    for round in 1..4 {
        told.push(trigger(&dev, &app, "payment.captured"));
        receiver.wait_for(told.len());
        tap.cut();
        for _ in 0..3 {
            told.push(trigger(&dev, &app, "order.paid"));
        }
        assert_eq!(receiver.all().len(), told.len() - 3, "round {round}: it is cut off");
        tap.mend();
        receiver.wait_for(told.len());
    }
    let last = trigger(&dev, &app, "payment.failed");
    told.push(last.clone());
    let got = receiver.wait_for(told.len());
    let ids: Vec<&str> = got.iter().map(|one| one.header("x-razorpay-event-id").expect("an id")).collect();
    assert_eq!(ids.len(), told.len(), "nothing came twice");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), told.len());
    assert_eq!(ids.last(), Some(&last.as_str()));
    for one in &got {
        let wanted = HEXLOWER.encode(&mac(b"my-own-secret", &[&one.body]));
        assert_eq!(one.header("x-razorpay-signature"), Some(&*wanted));
    }
}

#[test]
fn only_the_events_that_are_asked_for_are_forwarded_and_without_an_address_they_are_printed() {
    let dev = dev();
    let app = app(&dev, "kpay", "printed");
    let wanted = ["listen", "--app", &app, "--json", "--events", "payout.failed,refund.completed"];
    let (listening, _) = Listening::start(keymint(&dev, dev.console, &wanted));
    trigger(&dev, &app, "payment.completed");
    let id = trigger(&dev, &app, "refund.completed");
    let printed = printed_until(listening, &id);
    let line: Value = serde_json::from_str(printed.trim()).expect("one line of JSON");
    assert_eq!((&line["id"], &line["event"], &line["answer"]), (&id.into(), &"refund.completed".into(), &"".into()));
}

#[test]
fn what_cannot_be_listened_to_is_said_at_once() {
    let dev = dev();
    let (kpay, kspay) = (app(&dev, "kpay", "refused"), app(&dev, "kspay", "refused"));
    let said = |arguments: &[&str], with: (&str, &str)| {
        let mut command = keymint(&dev, dev.console, arguments);
        let done = run({
            command.env(with.0, with.1);
            command
        });
        assert!(!done.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let none = ("LC_ALL", "C.UTF-8");
    assert!(said(&["listen", "--app", &kspay], none).contains("sends no webhooks"));
    assert!(said(&["listen", "--app", "app_00000000000000000000000000"], none).contains("404"));
    assert!(said(&["listen", "--app", &kpay, "--events", "payment.bought"], none).contains("payment.bought"));
    assert!(said(&["listen", "--app", &kpay], ("KEYMINT_TOKEN", "kmo_wrong")).contains("KEYMINT_TOKEN"));
    assert!(said(&["trigger", "payment.bought", "--app", &kpay], none).contains("422"));
    assert!(said(&["trigger", "payment.completed", "--app", &kspay], none).contains("no_webhooks"));
    let path = format!("/apps/{kpay}/test-events");
    assert_eq!(dev.api_as("kmo_wrong", "GET", &path, &Value::Null).status, 401);
    assert_eq!(dev.api_as("kmo_wrong", "POST", &path, &json!({ "event": "payment.completed" })).status, 401);
}

#[test]
fn a_merchants_token_hears_its_own_apps_alone() {
    let dev = dev();
    let (mine, other) = (dev.merchant("listen-mine"), dev.merchant("listen-other"));
    let (app, foreign) = (dev.app(&mine, "kpay", "mine"), dev.app(&other, "kpay", "other"));
    let token = dev.api("POST", "/tokens", &json!({ "name": "laptop", "merchant_id": mine })).text("/token");
    assert!(!token.is_empty());
    let event = json!({ "event": "payment.completed" });
    assert_eq!(dev.api_as(&token, "POST", &format!("/apps/{app}/test-events"), &event).status, 202);
    for (method, body) in [("GET", &Value::Null), ("POST", &event)] {
        assert_eq!(dev.api_as(&token, method, &format!("/apps/{foreign}/test-events"), body).status, 404, "{method}");
    }
    let audit = dev.api("GET", "/audit-entries?limit=100", &Value::Null).body;
    assert!(audit.contains("webhook.triggered"), "{audit}");
}
