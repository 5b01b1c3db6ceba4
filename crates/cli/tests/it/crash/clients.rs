//! Those who are at work when the process dies, and what they know from answers alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use keymint_testkit::{Call, Key, Reply, Request, SeededEntropy, http};
use serde_json::{Value, json};

/// Active credentials of an app above which a client only takes away.
const ACTIVE_MOST: usize = 15;

/// The choices of one client.
pub struct Chance(std::sync::Arc<SeededEntropy>);

impl Chance {
    /// The same seed makes the same choices.
    pub fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.below(end.max(1))
    }

    /// One of these; `None` when there is none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(all.len()).unwrap_or(0);
        all.get(usize::try_from(self.below(length)).unwrap_or(0))
    }
}

/// What a client knows of a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// It was told that it works.
    Active,
    /// It was told that it works for a while.
    Retiring,
    /// It was told that it has ended.
    Dead,
    /// A call about it was cut off.
    Unsure,
}

/// A call whose answer never came, as it may be repeated.
pub struct CutOff {
    /// The path of the call.
    pub path: String,
    /// Its body.
    pub body: Value,
    /// Its `Idempotency-Key`; a revocation needs none.
    pub key: Option<String>,
    /// The credential that it was about, if there was one.
    pub about: Option<String>,
}

/// A client with its app.
pub struct Client {
    /// The app.
    pub app: String,
    /// What it knows of its credentials, by key id.
    pub keys: BTreeMap<String, (Key, Known)>,
    /// The call at which the process died.
    pub cut_off: Option<CutOff>,
    /// Changes that were answered.
    pub answers: usize,
    chance: Chance,
}

/// Makes a call of the management API; `None` when no whole answer came.
pub fn post(console: SocketAddr, token: &str, call: &CutOff) -> Option<Reply> {
    let mut request = Request::new("POST", &format!("/api/v1{}", call.path))
        .header("Authorization", &format!("Bearer {token}"))
        .header("Connection", "close");
    if let Some(key) = &call.key {
        request = request.header("Idempotency-Key", key);
    }
    http::raw(console, &request.body(&call.body.to_string()).bytes("h"))
}

impl Client {
    /// A client of an app without credentials.
    pub fn new(app: String, chance: Chance) -> Self {
        Self { app, keys: BTreeMap::new(), cut_off: None, answers: 0, chance }
    }

    /// Works until the process is gone.
    pub fn work(&mut self, console: SocketAddr, token: &str) {
        while self.cut_off.is_none() {
            let call = self.next_call();
            match post(console, token, &call) {
                Some(reply) => self.learn(&call, &reply),
                None => {
                    if let Some((_, known)) = call.about.as_ref().and_then(|key_id| self.keys.get_mut(key_id)) {
                        *known = Known::Unsure;
                    }
                    self.cut_off = Some(call);
                }
            }
        }
    }

    fn among(&mut self, wanted: &[Known]) -> Option<String> {
        let keys = self.keys.iter().filter(|(_, (_, known))| wanted.contains(known));
        let keys: Vec<String> = keys.map(|(key_id, _)| key_id.clone()).collect();
        self.chance.pick(&keys).cloned()
    }

    fn next_call(&mut self) -> CutOff {
        let (active, working) = (self.among(&[Known::Active]), self.among(&[Known::Active, Known::Retiring]));
        let is_full = self.keys.values().filter(|(_, known)| *known == Known::Active).count() >= ACTIVE_MOST;
        let key = Some(format!("{}-{}", self.app, self.answers));
        let about = |key_id: &str, act: &str| format!("/credentials/{key_id}/{act}");
        match (self.chance.below(5), active, working) {
            (0, _, Some(key_id)) => CutOff {
                path: about(&key_id, "revoke"),
                body: json!({ "reason": "unused" }),
                key: None,
                about: Some(key_id),
            },
            (grace @ 1..=2, Some(key_id), _) => {
                let body = json!({ "grace_seconds": (grace - 1) * 3600 });
                CutOff { path: about(&key_id, "roll"), body, key, about: Some(key_id) }
            }
            (_, Some(key_id), _) if is_full => CutOff {
                path: about(&key_id, "revoke"),
                body: json!({ "reason": "unused" }),
                key: None,
                about: Some(key_id),
            },
            _ => {
                let path = format!("/apps/{}/credentials", self.app);
                CutOff { path, body: json!({ "mode": "test" }), key, about: None }
            }
        }
    }

    /// Takes an answer as the truth.
    pub fn learn(&mut self, call: &CutOff, reply: &Reply) {
        let is_made = call.key.is_some();
        assert_eq!(reply.status, if is_made { 201 } else { 200 }, "{}: {}", call.path, reply.body);
        let answer = reply.json();
        let made = if call.about.is_some() { &answer["credential"] } else { &answer };
        if is_made {
            let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
            let key = Key { key_id: text("key_id"), secret: text("secret"), app_id: self.app.clone() };
            assert!(!key.secret.is_empty(), "an answer without its secret: {made}");
            self.keys.insert(key.key_id.clone(), (key, Known::Active));
        }
        if let Some((_, known)) = call.about.as_ref().and_then(|key_id| self.keys.get_mut(key_id)) {
            let has_grace = call.body["grace_seconds"].as_u64().is_some_and(|seconds| seconds > 0);
            *known = if has_grace { Known::Retiring } else { Known::Dead };
        }
        self.answers += 1;
    }
}

/// Somebody who signs calls that may be accepted once.
pub struct Signer {
    key: Key,
    /// The calls that were accepted, as they were sent.
    pub accepted: Vec<Request>,
}

impl Signer {
    /// A signer with a credential.
    pub fn new(key: Key) -> Self {
        Self { key, accepted: Vec::new() }
    }

    /// Works until the process is gone.
    pub fn work(&mut self, gateway: SocketAddr) {
        for number in 0.. {
            let body = format!(
                "{{\"currencyId\":\"c_8Fq2Lx0a\",\"paymentMethodId\":\"pm_7Upi0000\",\"amount\":10,\
                 \"referenceNumber\":\"r{number}\"}}"
            );
            let signed = Call::new("kspay", "POST", "/transaction/initiate", &body).signed(gateway, &self.key);
            let Some(reply) = http::raw(gateway, &signed.bytes("h")) else { return };
            assert_eq!(reply.status, 201, "{}", reply.body);
            self.accepted.push(signed);
        }
    }
}
