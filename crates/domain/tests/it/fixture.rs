//! What the tests share: seeded randomness, a key ring, issued keys, and requests that own their parts so that one of
//! them can be changed at a time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, HEXLOWER};
use keymint_domain::credential::{Blank, Credential, Issued, issue};
use keymint_domain::dialect::answer::{Answer, SchemeName};
use keymint_domain::dialect::{BUILT_IN, Dialect};
use keymint_domain::entropy::{Entropy, EntropyError};
use keymint_domain::gate::{self, GateFault};
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::replay::Spend;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::{self, Context, Transport};
use keymint_domain::seal::Keyring;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_domain::token::{TokenClaims, TokenUse, mint};
use keymint_domain::verify::{Candidate, OwnerState, Verdict, decide};

/// The timestamp of the fact sheet's vectors, as the moment at which requests are checked.
pub const NOW: UnixMs = UnixMs(1_778_659_835_000);
/// The product that keys are issued for and requests are sent to.
pub const PRODUCT: &str = "shop";

/// Bytes that look random and are the same in each run: SHA-256 over a seed and a counter.
pub struct SeededEntropy {
    seed: u64,
    counter: AtomicU64,
}

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: AtomicU64::new(0) }
    }

    pub fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes).expect("this source never fails");
        u64::from_be_bytes(bytes)
    }

    pub fn below(&self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a small number");
        usize::try_from(self.number() % bound).expect("a small number")
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in buffer.chunks_mut(32) {
            let counter = self.counter.fetch_add(1, Ordering::Relaxed);
            let block = [self.seed.to_be_bytes(), counter.to_be_bytes()].concat();
            let bytes = digest::digest(&digest::SHA256, &block);
            chunk.copy_from_slice(&bytes.as_ref()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A source that gives bytes a number of times and then fails.
pub struct FailingEntropy {
    inner: SeededEntropy,
    fills_left: AtomicUsize,
}

impl FailingEntropy {
    pub fn after(fills: usize) -> Self {
        Self { inner: SeededEntropy::new(1), fills_left: AtomicUsize::new(fills) }
    }

    pub fn fills_left(&self) -> usize {
        self.fills_left.load(Ordering::Relaxed)
    }
}

impl Entropy for FailingEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        let left = self.fills_left.load(Ordering::Relaxed);
        self.fills_left.store(left.checked_sub(1).ok_or(EntropyError)?, Ordering::Relaxed);
        self.inner.fill(buffer)
    }
}

/// A dialect that an operator wrote: everything is covered, base 64 of SHA-512, headers old and new.
pub const OPERATOR: &str = include_str!("dialect/acmepay.toml");

/// A built-in dialect, or the operator's `acmepay`.
pub fn dialect(name: &str) -> &'static Dialect {
    static ALL: OnceLock<HashMap<String, Dialect>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let texts = BUILT_IN.iter().map(|(_, text)| *text).chain([OPERATOR]);
        let parsed = texts.map(|text| Dialect::parse(text).unwrap_or_else(|error| panic!("{error}")));
        parsed.map(|dialect| (dialect.name.to_string(), dialect)).collect()
    });
    &all[name]
}

/// The names of the built-in dialects, and of the operator's.
pub const DIALECTS: [&str; 6] = ["keymint", "razorpay", "kwikpaisa", "kspay", "kpay", "acmepay"];

/// A ring with a current and a retired entry.
pub fn keyring() -> &'static Keyring {
    static RING: OnceLock<Keyring> = OnceLock::new();
    RING.get_or_init(|| ring(&format!("k2 {}\nk1 {}\n", "5a".repeat(32), "a5".repeat(32))))
}

pub fn ring(text: &str) -> Keyring {
    Keyring::parse(&SecretText::new(text.to_owned())).expect("a ring")
}

/// The HMAC-SHA-256 of some text, computed without the code under test.
pub fn hmac_sha256(key: &str, parts: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64.encode(bytes.as_ref())
}

/// An issued key as its holder and the store have it.
pub struct Key {
    pub credential: Credential,
    pub secret: String,
}

impl Key {
    pub fn id(&self) -> &str {
        &self.credential.key_id
    }

    /// What a verifier keeps of it.
    pub fn candidate(&self) -> Candidate {
        let credential = &self.credential;
        let verifier = keyring().open(&credential.id, &credential.key_id, &credential.secret).expect("it opens");
        let restrictions = &credential.restrictions;
        Candidate {
            key_id: credential.key_id.as_str().into(),
            product: Arc::from(credential.product.as_str()),
            mode: credential.mode,
            merchant_id: credential.merchant_id,
            app_id: credential.app_id,
            status: credential.status.clone(),
            expires_at: credential.expires_at,
            owner: OwnerState::Enabled,
            restrictions: (!restrictions.is_empty()).then(|| Box::new(restrictions.clone())),
            verifier,
        }
    }
}

/// Issues a key of a dialect for `PRODUCT`.
pub fn key(dialect: &Dialect, mode: Mode, entropy: &dyn Entropy) -> Key {
    let style = dialect.secrets.first().expect("a dialect has a style");
    let blank = Blank {
        dialect,
        style,
        product: PRODUCT,
        mode,
        merchant_id: MerchantId::fresh(NOW, entropy).expect("entropy"),
        app_id: AppId::fresh(NOW, entropy).expect("entropy"),
    };
    let Issued { credential, secret } = issue(&blank, keyring(), NOW, entropy).expect("a key");
    Key { credential, secret: secret.expose().to_owned() }
}

/// A key with an id and a secret that the test chooses, as if they had been issued.
pub fn known_key(dialect: &Dialect, mode: Mode, key_id: &str, secret: &str) -> Key {
    let entropy = SeededEntropy::new(2);
    let mut credential = key(dialect, mode, &entropy).credential;
    key_id.clone_into(&mut credential.key_id);
    let text = SecretText::new(secret.to_owned());
    credential.secret = if dialect.needs_secret() {
        keyring().seal(&credential.id, key_id, &text, &entropy).expect("entropy")
    } else {
        keyring().hash(key_id, &text)
    };
    Key { credential, secret: secret.to_owned() }
}

/// A token for a key, as an exchange at `NOW` sells it.
pub fn token(key: &Key, token_use: TokenUse, seconds: i64) -> String {
    let iat = NOW.seconds();
    let aud = PRODUCT.to_owned();
    mint(keyring(), &TokenClaims { sub: key.id().to_owned(), aud, token_use, iat, exp: iat + seconds })
}

/// A request that owns its parts.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub scheme: String,
    pub authority: String,
    pub target: String,
    pub route_at: usize,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub client_ip: IpAddr,
}

impl Request {
    /// `POST /path`, as it is written.
    pub fn new(line: &str) -> Self {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        Self {
            method: method.to_owned(),
            scheme: "https".to_owned(),
            authority: "pay.example".to_owned(),
            target: target.to_owned(),
            route_at: 0,
            headers: Vec::new(),
            body: Vec::new(),
            client_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
        }
    }

    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| given != name);
        self
    }

    pub fn replacing(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.without(name).with(name, value)
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub fn sent_from(mut self, address: &str) -> Self {
        self.client_ip = address.parse().expect("an address");
        self
    }

    pub fn see<T>(&self, look: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self.headers.iter().map(|(name, value)| Header { name, value }).collect();
        look(&RequestView {
            method: &self.method,
            scheme: &self.scheme,
            authority: &self.authority,
            target: &self.target,
            route_at: self.route_at,
            headers: &headers,
            body: &self.body,
            client_ip: self.client_ip,
        })
    }
}

/// How a request fared, by the same steps in the same order as in the app.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    AllowedOnce(Spend),
    Gated(GateFault),
    Denied(DenyReason, Option<SchemeName>),
}

impl Outcome {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed | Self::AllowedOnce(_))
    }

    /// Why not; `None` when it was allowed.
    pub fn reason(&self) -> Option<DenyReason> {
        match self {
            Self::Allowed | Self::AllowedOnce(_) => None,
            Self::Gated(_) => Some(DenyReason::AmbiguousRequest),
            Self::Denied(reason, _) => Some(*reason),
        }
    }
}

/// One product with its keys, at a moment.
pub struct World {
    pub dialect: &'static Dialect,
    pub candidates: Vec<Candidate>,
    pub now: UnixMs,
}

impl World {
    pub fn new(dialect: &'static Dialect, keys: &[&Key]) -> Self {
        Self { dialect, candidates: keys.iter().map(|key| key.candidate()).collect(), now: NOW }
    }

    pub fn at(mut self, now: UnixMs) -> Self {
        self.now = now;
        self
    }

    /// The same with one key whose record was changed.
    pub fn changed(dialect: &'static Dialect, key: &Key, change: impl FnOnce(&mut Candidate)) -> Self {
        let mut world = Self::new(dialect, &[key]);
        change(&mut world.candidates[0]);
        world
    }

    pub fn reason(&self, request: &Request) -> Option<DenyReason> {
        self.see(request).reason()
    }

    pub fn see(&self, request: &Request) -> Outcome {
        let record = |key_id: &str| self.candidates.iter().find(|candidate| *candidate.key_id == *key_id);
        request.see(|view| self.judge(view, record))
    }

    /// The same when the store gives this record, whatever key was claimed.
    pub fn see_with<'c>(&'c self, request: &Request, record: &'c Candidate) -> Outcome {
        request.see(|view| self.judge(view, |_| Some(record)))
    }

    fn judge<'c>(&'c self, view: &RequestView<'_>, record: impl Fn(&str) -> Option<&'c Candidate>) -> Outcome {
        if let Err(fault) = gate::check_head(self.dialect, view) {
            return Outcome::Gated(fault);
        }
        let context = Context {
            dialect: self.dialect,
            product: PRODUCT,
            view,
            keyring: keyring(),
            now: self.now,
            transport: Transport::default(),
        };
        let claim = match scheme::find_claim(&context) {
            Ok(claim) => claim,
            Err(refusal) => return Outcome::Denied(refusal.reason, refusal.scheme),
        };
        if claim.exchange.is_none()
            && let Err(fault) = gate::check_body(self.dialect, view.body)
        {
            return Outcome::Gated(fault);
        }
        match decide(&context, &claim, record(&claim.key_id)) {
            Verdict::Allow => Outcome::Allowed,
            Verdict::AllowOnce(spend) => Outcome::AllowedOnce(spend),
            Verdict::Deny(reason) => Outcome::Denied(reason, Some(claim.scheme)),
        }
    }

    /// What the caller of a denied request sees.
    pub fn answer(&self, request: &Request) -> Answer {
        match self.see(request) {
            Outcome::Gated(_) => self.dialect.answer(DenyReason::AmbiguousRequest, None).clone(),
            Outcome::Denied(reason, scheme) => self.dialect.answer(reason, scheme).clone(),
            outcome => panic!("the request was not denied: {outcome:?}"),
        }
    }
}
