//! Where a delivery never goes, whatever a merchant writes and whatever the DNS says at which moment (T116, T117). Canaries
//! listen where nothing may arrive; a DNS server of the test's own answers for every name.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keymint_testkit::{Dev, Dns, Serving, eventually};
use serde_json::{Value, json};

use crate::webhooks::{app, make, send_test};

const REFUSED: &str = include_str!("../../../domain/tests/it/webhook/refused-urls.txt");
const HOSTILE: &str = include_str!("outbound/hostile-urls.txt");
/// Stands for the public Internet: the operator's configuration allows it.
const OUTSIDE: &str = "127.7.0.1";

/// Somebody who listens where nothing may arrive. What connects waits in the kernel until it is looked for.
pub struct Canary(TcpListener);

impl Canary {
    /// Listens at an address and port.
    pub fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        listener.set_nonblocking(true).expect("it need not wait");
        Self(listener)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }

    /// Takes a connection that somebody has made.
    pub fn hears(&self) -> bool {
        self.0.accept().is_ok()
    }

    fn assert_silent(&self, what: &str) {
        match self.0.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

fn serve(dns: &Dns, allowed: &str) -> Dev {
    let tables = format!("[webhooks]\nresolvers = [\"{}\"]\nallowed_networks = [{allowed}]\n", dns.address());
    Dev::serve_for_now(env!("CARGO_BIN_EXE_keymint"), &Serving { tables, ..Serving::default() })
}

/// Sends something to a URL; why it did not arrive. The endpoint is gone afterwards.
fn problem_of(dev: &Dev, app: &str, url: &str) -> Result<String, String> {
    let made = make(dev, app, &json!({ "mode": "test", "url": url, "secret": null }));
    if made.status != 201 {
        assert_eq!((made.status, made.text("/field")), (422, "url".to_owned()), "{url}: {}", made.body);
        return Err(made.text("/detail"));
    }
    let hook = made.text("/id");
    let delivery = send_test(dev, &hook, "payment.captured");
    let tried = eventually(|| {
        let found = dev.api("GET", &format!("/webhook-deliveries/{delivery}"), &Value::Null);
        if found.json()["tries"].as_i64() > Some(0) { Ok(found.json()) } else { Err(found.body) }
    });
    assert_eq!(dev.api("DELETE", &format!("/webhook-endpoints/{hook}"), &Value::Null).status, 204);
    let first = &tried["attempts"][0];
    assert_eq!(first["status"], Value::Null, "{url}: {tried}");
    Ok(first["problem"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn of_three_hundred_hostile_urls_none_reaches_a_canary() {
    none_is_reached(&[Canary::at("[::]:0")], &["127.0.0.1", "::1"]);
}

/// Sends to every hostile URL, with the first canary's port where one stands in it, and every name leading to these addresses.
pub fn none_is_reached(canaries: &[Canary], addresses: &[&str]) {
    let dns = Dns::start();
    dns.tells_of_the_rest(addresses);
    let dev = serve(&dns, "");
    let port = canaries.first().expect("one").port().to_string();
    let lines = REFUSED.lines().chain(HOSTILE.lines()).filter(|line| !line.is_empty() && !line.starts_with("# "));
    let mut urls: Vec<String> = lines.map(|line| line.replace("PORT", &port)).collect();
    urls.sort_unstable();
    urls.dedup();
    assert!(urls.len() >= 300, "{}", urls.len());
    let (mut refused, mut not_sent) = (0, 0);
    for product in ["keymint", "razorpay"] {
        let app = app(&dev, product, "hostile");
        for url in &urls {
            match problem_of(&dev, &app, url) {
                Err(_) => refused += 1,
                Ok(problem) => {
                    let is_guarded = problem.contains("not an address on the public Internet");
                    // What is no name at all has no address.
                    assert!(is_guarded || problem == "no connection could be made", "{url}: {problem}");
                    not_sent += 1;
                }
            }
            canaries.iter().for_each(|canary| canary.assert_silent(url));
        }
    }
    assert!(refused > 450 && not_sent > 80, "{refused} refused, {not_sent} not sent");
    canaries.iter().for_each(|canary| canary.assert_silent("any of them"));
}

/// The outside: counts who connects, and hangs up.
fn outside(port: u16) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind((OUTSIDE, port)).expect("the same port on another address");
    let count: Arc<AtomicUsize> = Arc::default();
    let shared = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            shared.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    count
}

#[test]
fn a_name_whose_answer_changes_between_two_questions_leads_to_the_address_that_was_looked_at() {
    let dns = Dns::start();
    dns.tells("rebind.example", &[&[OUTSIDE], &["127.0.0.1"]]);
    let dev = serve(&dns, &format!("\"{OUTSIDE}/32\""));
    let canary = Canary::at("127.0.0.1:0");
    let port = canary.port();
    let (app, connected) = (app(&dev, "keymint", "rebind"), outside(port));
    let url = format!("https://rebind.example:{port}/hook");
    for round in 1..=20 {
        let problem = problem_of(&dev, &app, &url).expect("its name is like any other");
        assert_eq!(dns.asked("rebind.example"), round, "one question for one try");
        let is_inside = problem.contains("leads to 127.0.0.1, which is not an address on the public Internet");
        assert_eq!(is_inside, round % 2 == 0, "{round}: {problem}");
        canary.assert_silent(&format!("round {round}"));
    }
    assert_eq!(connected.load(Ordering::SeqCst), 10, "the other address was called each time that it was the answer");
}

#[test]
fn one_address_inside_among_those_of_a_name_and_nobody_is_called() {
    let dns = Dns::start();
    let dev = serve(&dns, &format!("\"{OUTSIDE}/32\""));
    let canaries = [Canary::at("127.0.0.1:0"), Canary::at("[::1]:0")];
    let port = canaries[0].port();
    let (app, connected) = (app(&dev, "keymint", "mixed"), outside(port));
    let inside: [(&str, &[&str]); 12] = [
        ("127.0.0.1", &[OUTSIDE, "127.0.0.1"]),
        ("127.0.0.1", &["127.0.0.1", OUTSIDE]),
        ("127.7.0.2", &["127.7.0.2"]),
        ("::1", &[OUTSIDE, "::1"]),
        ("169.254.169.254", &["169.254.169.254"]),
        ("169.254.169.254", &[OUTSIDE, OUTSIDE, "169.254.169.254"]),
        ("168.63.129.16", &["168.63.129.16"]),
        ("10.0.0.1", &["10.0.0.1"]),
        ("0.0.0.0", &["0.0.0.0"]),
        ("::ffff:127.7.0.1", &["::ffff:127.7.0.1"]),
        ("fd00:ec2::254", &["fd00:ec2::254"]),
        ("fe80::1", &[OUTSIDE, "fe80::1"]),
    ];
    for (round, (named, answers)) in inside.into_iter().enumerate() {
        let host = format!("case{round}.example");
        dns.tells(&host, &[answers]);
        let problem = problem_of(&dev, &app, &format!("https://{host}:{port}/hook")).expect("a name like any other");
        let wanted = format!("leads to {named}, which is not an address on the public Internet");
        assert_eq!(problem, wanted, "{answers:?}");
    }
    canaries.iter().for_each(|canary| canary.assert_silent("any of them"));
    assert_eq!(connected.load(Ordering::SeqCst), 0);
    let host = "fine.example";
    dns.tells(host, &[&[OUTSIDE]]);
    problem_of(&dev, &app, &format!("https://{host}:{port}/hook")).expect("a name like any other");
    assert_eq!(connected.load(Ordering::SeqCst), 1, "and one that leads outside alone is called");
}

#[test]
fn a_resolver_that_is_no_address_is_refused_at_the_start() {
    for odd in ["\"dns.example:53\"", "\"127.0.0.1\"", "53"] {
        let tables = format!("[webhooks]\nresolvers = [{odd}]\n");
        let said = Dev::refusal_of(env!("CARGO_BIN_EXE_keymint"), &Serving { tables, ..Serving::default() });
        assert!(said.contains("webhooks.resolvers"), "{odd}: {said}");
    }
}
