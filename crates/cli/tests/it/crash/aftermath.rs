//! What the next process says about what the one before had answered.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use keymint_app::clock::SystemClock;
use keymint_app::config::Config;
use keymint_app::entropy::SystemEntropy;
use keymint_app::ops::audit::{self, Finding};
use keymint_app::products::{Products, load_dialects};
use keymint_app::{App, Parts, master_key};
use keymint_store::db::Db;
use keymint_store::error::StoreError;
use keymint_testkit::database::Place;
use keymint_testkit::{Dev, Key, Request};
use serde_json::{Value, json};

use super::clients::{Chance, Client, Known, Signer, post};

/// Credentials of earlier rounds looked at again in each round.
const SAMPLE: usize = 8;
/// Signatures sent a second time in each round: the last ones before the death.
const SIGNATURES: usize = 10;

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

/// The signatures that were spent last are spent. Gives how many.
pub fn check_signatures(dev: &Dev, signer: &Signer) -> usize {
    let last: Vec<_> = signer.accepted.iter().rev().take(SIGNATURES).collect();
    for request in &last {
        let again = request.send(dev.gateway);
        assert_eq!((again.status, again.json()["code"].as_i64()), (400, Some(11005)), "{}", again.body);
    }
    last.len()
}

/// Repeats the call at which the process died. It was done or not; either way there is one of it afterwards. Gives
/// whether it had been done.
pub fn repeat_what_was_cut_off(dev: &Dev, client: &mut Client) -> bool {
    let Some(call) = client.cut_off.take() else { return false };
    let listed = pages(dev, &format!("/apps/{}/credentials", client.app), |_| false);
    let strangers: Vec<&str> = listed
        .iter()
        .filter_map(|item| item["key_id"].as_str())
        .filter(|key_id| !client.keys.contains_key(*key_id))
        .collect();
    let reply = post(dev.console, &dev.token, &call).expect("an answer");
    if call.key.is_some() && reply.status == 200 {
        let pointer = if call.about.is_some() { "/credential/key_id" } else { "/key_id" };
        assert_eq!(strangers, [reply.text(pointer)], "{}", reply.body);
        assert!(!reply.body.contains("\"secret\""), "a secret was shown for a repeat: it may have been shown before");
        return true;
    }
    assert!(strangers.is_empty(), "it was done, and done again: {}", reply.body);
    let about = call.about.as_deref().unwrap_or_default();
    let was_revoked =
        call.key.is_none() && listed.iter().any(|item| item["key_id"] == about && item["status"] == "revoked");
    client.learn(&call, &reply);
    for (key, known) in client.keys.values().filter(|(key, _)| reply.body.contains(&key.key_id)) {
        assert_eq!(whoami(dev, key), if *known == Known::Dead { 401 } else { 200 }, "{} {known:?}", key.key_id);
    }
    was_revoked
}

/// What earlier rounds left behind, and how far the ledger had come.
pub struct History {
    merchant: String,
    kept: Vec<(Key, Known)>,
    seq: i64,
    rounds: usize,
}

/// What the ledger says of each key id.
#[derive(Default)]
struct Ledger {
    made: HashMap<String, usize>,
    retired: HashSet<String>,
    ended: HashSet<String>,
}

impl Ledger {
    fn read(&mut self, entry: &Value) {
        let subject = entry["subject"].as_str().unwrap_or_default().to_owned();
        match entry["action"].as_str() {
            Some("credential.issued") => *self.made.entry(subject).or_default() += 1,
            Some("credential.rolled") => {
                let successor = entry["detail"]["successor"].as_str().unwrap_or_default().to_owned();
                *self.made.entry(successor).or_default() += 1;
                let is_over = entry["detail"]["grace_seconds"] == 0;
                if is_over {
                    self.ended.insert(subject)
                } else {
                    self.retired.insert(subject)
                };
            }
            Some("credential.revoked") => drop(self.ended.insert(subject)),
            _ => {}
        }
    }

    /// The status that a credential has by its entries.
    fn status(&self, key_id: &str) -> &'static str {
        match (self.ended.contains(key_id), self.retired.contains(key_id)) {
            (true, _) => "revoked",
            (false, true) => "retiring",
            (false, false) => "active",
        }
    }
}

impl History {
    /// Nothing yet, of this merchant.
    pub fn new(merchant: String) -> Self {
        Self { merchant, kept: Vec::new(), seq: 0, rounds: 0 }
    }

    /// How far the ledger has come.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// Clients of fresh apps for the next round.
    pub fn new_clients(&mut self, dev: &Dev, count: usize, chance: &mut Chance) -> Vec<Client> {
        self.rounds += 1;
        let apps = (0..count).map(|n| dev.app(&self.merchant, "keymint", &format!("r{} c{n}", self.rounds)));
        apps.map(|app| Client::new(app, Chance::new(chance.below(u64::MAX)))).collect()
    }

    /// A signer for the next round. KS Pay's recipe covers no address, so the same bytes can be sent to the next process,
    /// on another port.
    pub fn new_signer(&self, dev: &Dev) -> Signer {
        let app = dev.app(&self.merchant, "kspay", &format!("r{} signer", self.rounds));
        Signer::new(dev.key_of(&app, &json!({ "mode": "test" })))
    }

    /// The entries since the last look, oldest first: their numbers are dense.
    fn new_entries(&mut self, dev: &Dev) -> Vec<Value> {
        let before = self.seq;
        let number = |entry: &Value| entry["seq"].as_i64().unwrap_or(0);
        let mut entries = pages(dev, "/audit-entries", |entry| number(entry) <= before);
        entries.retain(|entry| number(entry) > before);
        entries.reverse();
        let numbers: Vec<i64> = entries.iter().map(number).collect();
        self.seq = numbers.last().copied().unwrap_or(before);
        assert_eq!(numbers, (before + 1..=self.seq).collect::<Vec<_>>(), "the ledger has a gap");
        entries
    }

    /// Every credential has one entry that made it and the status that its entries say; what was answered is so; and
    /// there is at most one that nobody was told of, for each call that was cut off.
    pub fn check_ledger(&mut self, dev: &Dev, clients: &[Client]) {
        let mut ledger = Ledger::default();
        self.new_entries(dev).iter().for_each(|entry| ledger.read(entry));
        for client in clients {
            let listed = pages(dev, &format!("/apps/{}/credentials", client.app), |_| false);
            let mut strangers = 0;
            for item in &listed {
                let key_id = item["key_id"].as_str().unwrap_or_default();
                let status = item["status"].as_str().unwrap_or_default();
                assert_eq!(ledger.made.get(key_id), Some(&1), "{key_id} has not exactly one entry that made it");
                assert_eq!(status, ledger.status(key_id), "{key_id} and its entries");
                let Some((key, known)) = client.keys.get(key_id) else {
                    strangers += 1;
                    continue;
                };
                let told = match known {
                    Known::Active => status == "active",
                    Known::Retiring => status == "retiring",
                    Known::Dead => status == "revoked",
                    Known::Unsure => true,
                };
                assert!(told, "{key_id} was answered as {known:?} and is {status}");
                let wanted = if status == "revoked" { 401 } else { 200 };
                assert_eq!(whoami(dev, key), wanted, "{key_id} is {status} at the gateway");
            }
            let may_be_stranger = client.cut_off.as_ref().is_some_and(|call| call.key.is_some());
            assert!(strangers <= usize::from(may_be_stranger), "{strangers} credentials that nobody was told of");
            let listed: HashSet<&str> = listed.iter().filter_map(|item| item["key_id"].as_str()).collect();
            let lost: Vec<_> = client.keys.keys().filter(|key_id| !listed.contains(key_id.as_str())).collect();
            assert!(lost.is_empty(), "answered and lost: {lost:?}");
        }
    }

    /// A sample of earlier rounds is as it was answered then.
    pub fn check_sample(&self, dev: &Dev, chance: &mut Chance) {
        for _ in 0..SAMPLE {
            let Some((key, known)) = chance.pick(&self.kept) else { return };
            let wanted = if *known == Known::Dead { 401 } else { 200 };
            assert_eq!(whoami(dev, key), wanted, "{} of an earlier round", key.key_id);
        }
    }

    /// Keeps what this round's clients know.
    pub fn keep(&mut self, clients: Vec<Client>) {
        let keys = clients.into_iter().flat_map(|client| client.keys.into_values());
        self.kept.extend(keys.filter(|(_, known)| *known != Known::Unsure));
    }
}

/// Computes the whole audit chain again, over the database of a process that is dead.
pub fn check_chain(folder: &Path, history: &History) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let found = runtime.block_on(async {
        let app = open(folder).await;
        audit::verify(&app).await.expect("it reads")
    });
    // A round that follows the last look may have written more: what was cut off and repeated.
    let Finding::Intact { entries } = found else { panic!("{found:?}") };
    assert!(entries >= history.seq, "{entries} entries, and the ledger was at {}", history.seq);
}

async fn open(folder: &Path) -> App {
    let config = Config::load(&folder.join("keymint.toml")).expect("the configuration");
    let db = open_database(&config).await.expect("the database opens");
    let parts = Parts {
        db,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::default()),
        keyring: master_key::load(&config.master_key_source()).expect("the key ring"),
        products: Products::new(load_dialects(None).expect("the dialects"), &config.product).expect("the products"),
        data: &config.data,
        request_log: &config.request_log,
        limits: &config.limits,
        telemetry: &config.telemetry,
        post: keymint_app::post::PostOffice::keeping(),
        outbound: keymint_app::outbound::Outbound::new(&config.webhooks).expect("a client"),
        console_url: None,
    };
    App::start(parts).await.expect("it starts")
}

async fn open_database(config: &Config) -> Result<Db, StoreError> {
    match (&config.database.sqlite, &config.database.postgres_url_file) {
        (Some(path), _) => Db::open_sqlite(path).await,
        (None, Some(path)) => {
            let url = std::fs::read_to_string(path).expect("the address");
            Place::Server(url).open_when_free().await
        }
        (None, None) => panic!("the configuration names no database"),
    }
}
