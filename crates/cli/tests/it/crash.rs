//! `kill -9` at random moments during issue, roll and revoke: nothing that was answered is lost, nothing is half done, no
//! revoked key comes back, no key is there without its audit entry, no signature is spent twice.
//!
//! CI runs a tenth; `cargo xtask crash --engine sqlite --rounds 1000` and `--engine postgres --rounds 200` run all.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "engine and rounds come from the environment, seeds from the clock; a long run says what it did"
)]

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keymint_testkit::database::fresh_postgres;
use keymint_testkit::serve::Database;
use keymint_testkit::{Call, Dev, Key, Reply, Request, http};
use serde_json::{Value, json};

/// Clients at work when the process dies, each on an app of its own.
const CLIENTS: usize = 3;
/// Credentials of earlier rounds looked at again in each round.
const SAMPLE: usize = 8;

fn rounds(engine: &str, usual: usize) -> usize {
    match std::env::var("KEYMINT_CRASH_ENGINE") {
        Ok(chosen) if chosen != engine => 0,
        _ => std::env::var("KEYMINT_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual),
    }
}

#[test]
fn sqlite_keeps_its_word_when_the_process_is_killed() {
    run(rounds("sqlite", 100), Database::Sqlite);
}

mod postgres {
    use super::{Database, fresh_postgres, rounds, run};

    #[test]
    fn postgres_keeps_its_word_when_the_process_is_killed() {
        let rounds = rounds("postgres", 20);
        if rounds > 0 {
            run(rounds, Database::Postgres(&fresh_postgres("crash")));
        }
    }
}

/// A small generator (xorshift64*): the same seed gives the same choices.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(0) % bound.max(1)
    }
}

/// What a client knows of a credential from answers alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    Alive,
    Dead,
    /// An act on it was under way when the process died.
    Unsure,
}

/// What one client did in one round.
struct Client {
    app: String,
    keys: HashMap<String, (Key, Known)>,
    /// A credential may have been made whose answer never came.
    may_have_made_one: bool,
}

fn post(console: SocketAddr, token: &str, path: &str, body: &Value) -> Option<Reply> {
    let request = Request::new("POST", &format!("/api/v1{path}"))
        .header("Authorization", &format!("Bearer {token}"))
        .header("Connection", "close")
        .body(&body.to_string());
    http::raw(console, &request.bytes("h"))
}

impl Client {
    fn alive(&self, chance: &mut Chance) -> Option<String> {
        let mut alive: Vec<&String> =
            self.keys.iter().filter(|(_, (_, known))| *known == Known::Alive).map(|(key_id, _)| key_id).collect();
        alive.sort();
        (!alive.is_empty()).then(|| alive[chance.below(alive.len())].clone())
    }

    fn learn(&mut self, made: &Value) {
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        let key = Key { key_id: text("key_id"), secret: text("secret"), app_id: self.app.clone() };
        assert!(!key.secret.is_empty(), "an answer without its secret: {made}");
        self.keys.insert(key.key_id.clone(), (key, Known::Alive));
    }

    fn set(&mut self, key_id: &str, known: Known) {
        if let Some((_, state)) = self.keys.get_mut(key_id) {
            *state = known;
        }
    }

    /// Works until the process is gone.
    fn work(mut self, console: SocketAddr, token: &str, mut chance: Chance) -> Self {
        loop {
            let is_full = self.keys.values().filter(|(_, known)| *known == Known::Alive).count() >= 15;
            let target = self.alive(&mut chance);
            let went_on = match (chance.below(4), target) {
                (0, Some(key_id)) => self.revoke(console, token, &key_id),
                (1, Some(key_id)) => self.roll(console, token, &key_id),
                (_, Some(key_id)) if is_full => self.revoke(console, token, &key_id),
                _ => self.issue(console, token),
            };
            if !went_on {
                return self;
            }
        }
    }

    fn issue(&mut self, console: SocketAddr, token: &str) -> bool {
        let path = format!("/apps/{}/credentials", self.app);
        let Some(reply) = post(console, token, &path, &json!({ "mode": "test" })) else {
            self.may_have_made_one = true;
            return false;
        };
        assert_eq!(reply.status, 201, "{}", reply.body);
        self.learn(&reply.json());
        true
    }

    fn roll(&mut self, console: SocketAddr, token: &str, key_id: &str) -> bool {
        let path = format!("/credentials/{key_id}/roll");
        let Some(reply) = post(console, token, &path, &json!({ "grace_seconds": 0 })) else {
            self.may_have_made_one = true;
            self.set(key_id, Known::Unsure);
            return false;
        };
        assert_eq!(reply.status, 201, "{}", reply.body);
        self.set(key_id, Known::Dead);
        self.learn(&reply.json()["credential"]);
        true
    }

    fn revoke(&mut self, console: SocketAddr, token: &str, key_id: &str) -> bool {
        let path = format!("/credentials/{key_id}/revoke");
        let Some(reply) = post(console, token, &path, &json!({ "reason": "unused" })) else {
            self.set(key_id, Known::Unsure);
            return false;
        };
        assert_eq!(reply.status, 200, "{}", reply.body);
        self.set(key_id, Known::Dead);
        true
    }
}

fn whoami(dev: &Dev, key: &Key) -> u16 {
    Request::new("GET", "/keymint/v1/whoami")
        .header("Authorization", &format!("Bearer {}", key.secret))
        .send(dev.gateway)
        .status
}

/// Every item of a list, page by page, until `is_enough`.
fn pages(dev: &Dev, path: &str, is_enough: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = dev.api("GET", &format!("{path}?limit=100{cursor}"), &Value::Null).json();
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) if !items.last().is_some_and(&is_enough) => cursor = format!("&cursor={next}"),
            _ => return items,
        }
    }
}

/// What earlier rounds left behind, and how far the ledger had come.
#[derive(Default)]
struct History {
    kept: Vec<(Key, Known)>,
    seq: i64,
    merchant: String,
}

fn run(rounds: usize, database: Database<'_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos()) | 1;
    println!("{rounds} rounds, seed {seed}");
    let mut chance = Chance(u64::from(seed));
    let mut history = History::default();
    let mut answered = 0;
    for number in 0..rounds {
        answered += round(folder.path(), database, &mut history, &mut chance, number);
    }
    println!("{rounds} rounds, {answered} answers, {} changes in the ledger: all kept", history.seq);
}

fn start(folder: &Path, database: Database<'_>) -> Dev {
    Dev::serve_in(env!("CARGO_BIN_EXE_keymint"), folder, database)
}

/// One life and death of the process, and the look at what is left. Gives the number of answers.
fn round(folder: &Path, database: Database<'_>, history: &mut History, chance: &mut Chance, number: usize) -> usize {
    let mut dev = start(folder, database);
    if history.merchant.is_empty() {
        history.merchant = dev.merchant("crash");
    }
    let apps: Vec<String> =
        (0..CLIENTS).map(|client| dev.app(&history.merchant, "keymint", &format!("r{number} c{client}"))).collect();
    // KS Pay's recipe covers no address, so the same request can be sent to the next process on another port.
    let spender = dev.app(&history.merchant, "kspay", &format!("r{number} spender"));
    let spender = dev.key_of(&spender, &json!({ "mode": "test" }));
    let body = r#"{"currencyId":"c_8Fq2Lx0a","paymentMethodId":"pm_7Upi0000","amount":10,"referenceNumber":"r1"}"#;
    let signed = Call::new("kspay", "POST", "/transaction/initiate", body).signed(dev.gateway, &spender);
    assert_eq!(signed.send(dev.gateway).status, 201, "the first time");
    let (console, token) = (dev.console, dev.token.clone());
    let (dead, died) = mpsc::channel::<()>();
    let clients: Vec<Client> = std::thread::scope(|scope| {
        let mut working = Vec::new();
        for app in &apps {
            let client = Client { app: app.clone(), keys: HashMap::new(), may_have_made_one: false };
            let (token, own) = (&token, Chance(u64::try_from(chance.below(1 << 30)).unwrap_or(0) | 1));
            working.push(scope.spawn(move || client.work(console, token, own)));
        }
        let _ = died.recv_timeout(Duration::from_millis(u64::try_from(5 + chance.below(195)).unwrap_or(5)));
        dev.kill();
        drop(dead);
        working.into_iter().map(|client| client.join().expect("no answer was wrong")).collect()
    });
    let answered = clients.iter().map(|client| client.keys.len()).sum();
    let dev = start(folder, database);
    assert_eq!(signed.send(dev.gateway).status, 400, "a signature spent before the death is spent after it");
    check_ledger(&dev, history, &clients);
    check_history(&dev, history, chance);
    for client in clients {
        history.kept.extend(client.keys.into_values().filter(|(_, known)| *known != Known::Unsure));
    }
    answered
}

/// Numbers are dense; every credential has the entry that made it, every dead one the entry that ended it; what was
/// answered is so, and what was not is one or the other.
fn check_ledger(dev: &Dev, history: &mut History, clients: &[Client]) {
    let before = history.seq;
    let entries = pages(dev, "/audit-entries", |entry| entry["seq"].as_i64().is_some_and(|seq| seq <= before));
    let mut seqs: Vec<i64> = entries.iter().filter_map(|entry| entry["seq"].as_i64()).collect();
    seqs.retain(|seq| *seq > before);
    seqs.reverse();
    let head = seqs.last().copied().unwrap_or(before);
    assert_eq!(seqs, (before + 1..=head).collect::<Vec<_>>(), "the ledger has a gap");
    history.seq = head;
    let (mut made, mut ended) = (HashMap::<String, usize>::new(), HashSet::new());
    for entry in entries.iter().filter(|entry| entry["seq"].as_i64().is_some_and(|seq| seq > before)) {
        let subject = entry["subject"].as_str().unwrap_or_default().to_owned();
        match entry["action"].as_str() {
            Some("credential.issued") => *made.entry(subject).or_default() += 1,
            Some("credential.rolled") => {
                let successor = entry["detail"]["successor"].as_str().unwrap_or_default().to_owned();
                *made.entry(successor).or_default() += 1;
                ended.insert(subject);
            }
            Some("credential.revoked") => drop(ended.insert(subject)),
            _ => {}
        }
    }
    for client in clients {
        let listed = pages(dev, &format!("/apps/{}/credentials", client.app), |_| false);
        let mut strangers = 0;
        for item in &listed {
            let key_id = item["key_id"].as_str().unwrap_or_default();
            let is_revoked = item["status"] == "revoked";
            assert_eq!(made.get(key_id), Some(&1), "{key_id} has not exactly one entry that made it");
            assert_eq!(ended.contains(key_id), is_revoked, "{key_id} and the entry that ended it");
            match client.keys.get(key_id) {
                Some((key, known)) => {
                    assert!(*known != Known::Alive || !is_revoked, "{key_id} was answered as alive");
                    assert!(*known != Known::Dead || is_revoked, "{key_id} was answered as revoked");
                    assert_eq!(whoami(dev, key), if is_revoked { 401 } else { 200 }, "{key_id} at the gateway");
                }
                None => strangers += 1,
            }
        }
        assert!(strangers <= usize::from(client.may_have_made_one), "credentials that nobody asked for");
        let listed: HashSet<&str> = listed.iter().filter_map(|item| item["key_id"].as_str()).collect();
        let lost: Vec<_> = client.keys.keys().filter(|key_id| !listed.contains(key_id.as_str())).collect();
        assert!(lost.is_empty(), "answered and lost: {lost:?}");
    }
}

/// A sample of earlier rounds is as it was answered then.
fn check_history(dev: &Dev, history: &History, chance: &mut Chance) {
    for _ in 0..SAMPLE.min(history.kept.len()) {
        let (key, known) = &history.kept[chance.below(history.kept.len())];
        let wanted = if *known == Known::Dead { 401 } else { 200 };
        assert_eq!(whoami(dev, key), wanted, "{} of an earlier round", key.key_id);
    }
}
