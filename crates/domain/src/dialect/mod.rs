//! A dialect: how one vendor's API looks on the wire, as data. Vendor differences are values here, never a branch on a
//! vendor's name. `parse.rs` reads the TOML, `recipe.rs` says what is signed, `answer.rs` what a denied caller sees.

pub mod answer;
pub mod apps;
pub mod credential_headers;
pub mod format;
pub mod gateways;
pub mod go_live;
pub mod parse;
pub mod providers;
pub mod recipe;
pub mod route;
pub mod test_cards;

use std::collections::BTreeMap;

use answer::{Answers, SchemeName, Template};
use format::KeyFormat;
use providers::Providers;
use recipe::Recipe;
use route::Route;

use crate::id::{AppId, MerchantId};
use crate::limit::Limit;
use crate::mode::Mode;
use crate::reason::DenyReason;
use crate::request::RequestView;
use crate::webhook::Webhooks;

/// Who owns a credential of the dialect: what "one pair per …" counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerKind {
    /// Each app has its own credentials.
    App,
    /// All apps of the merchant share one set.
    Merchant,
}

impl OwnerKind {
    /// The owner's id as text, of an app and its merchant.
    pub fn id(self, merchant: MerchantId, app: AppId) -> String {
        match self {
            Self::App => app.to_string(),
            Self::Merchant => merchant.to_string(),
        }
    }
}

/// What a person gives who saves the address list of a live credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressesProof {
    /// A second factor, as for every change of a live credential.
    #[default]
    SecondFactor,
    /// Two codes besides: one sent to the phone, one to the address for mail.
    PhoneAndMail,
}

/// One way to write a secret.
#[derive(Clone, Debug)]
pub struct SecretStyle {
    /// The name an operator's product chooses it by.
    pub name: Box<str>,
    /// Its shape.
    pub format: KeyFormat,
}

/// A dialect, read and checked.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// The name: lower-case letters and digits.
    pub name: Box<str>,
    /// The name for people.
    pub title: Box<str>,
    /// Whose the credentials are.
    pub owner: OwnerKind,
    /// Credentials that may be active at once per owner and mode; a retiring one does not count.
    pub active_max: u32,
    /// Largest request body. Bytes.
    pub body_bytes_max: usize,
    /// The simulated API behind test credentials.
    pub sandbox: Box<str>,
    /// The content type that a request with a body must have.
    pub content_type: Option<Box<str>>,
    /// What the vendor calls test and live.
    pub environment_test: Box<str>,
    /// See `environment_test`.
    pub environment_live: Box<str>,
    /// The shape of key ids.
    pub key_id: KeyFormat,
    /// Whether key ids are fingerprints of their secrets.
    pub key_id_derived: bool,
    /// The shapes of secrets; the first is the default. Never empty.
    pub secrets: Vec<SecretStyle>,
    /// Graces that the console offers. Seconds.
    pub roll_offered_seconds: Vec<u32>,
    /// The longest grace. Seconds, at most 30 days.
    pub grace_seconds_max: u32,
    /// Most entries of an address list.
    pub allowed_ips_max: usize,
    /// What a person gives who saves the address list of a live credential.
    pub addresses_proof: AddressesProof,
    /// Most entries of an origin list.
    pub allowed_origins_max: usize,
    /// `Origin` values that pass every list: the vendor's own clients.
    pub origins_always_allowed: Vec<Box<str>>,
    /// What is asked of whoever registers an app at the console.
    pub apps: apps::AppRules,
    /// The providers of payments that an app may be held to; nothing where the vendor knows no such list.
    pub providers: Option<Providers>,
    /// The gateways from which the vendor hears what became of a payment; none where it hears from none.
    pub gateways: Vec<gateways::Gateway>,
    /// The vendor's checklists; nothing where it has none.
    pub go_live: Option<go_live::GoLive>,
    /// The vendor's test cards, which a live request must not carry; nothing where it lists none.
    pub test_cards: Option<test_cards::TestCards>,
    /// What scopes there are and what each covers.
    pub scopes: BTreeMap<Box<str>, ScopeRule>,
    /// The ways to authenticate, in the order of the file. Never empty.
    pub schemes: Vec<Scheme>,
    /// Calls that a key id alone may make.
    pub public: Option<Public>,
    /// Headers with credentials that only this dialect has, lower case; derived from `schemes` and `public`.
    pub extra_credential_headers: Vec<Box<str>>,
    /// All headers with credentials, and what each says; derived as well.
    pub credential_headers: credential_headers::CredentialHeaders,
    /// How the vendor tells merchants what happened; nothing where it does not.
    pub webhooks: Option<Webhooks>,
    /// Whether the way back from its hosted pages is signed with a secret of its own.
    pub signs_returns: bool,
    /// How many requests may come in a while.
    pub limits: Vec<Limit>,
    /// What denied callers see.
    pub answers: Answers,
}

/// What one scope covers.
#[derive(Clone, Debug)]
pub struct ScopeRule {
    /// Methods.
    pub methods: Vec<Box<str>>,
    /// Paths that begin with one of these whole segments; empty covers every path.
    pub paths: Vec<Box<str>>,
}

impl ScopeRule {
    /// Whether the scope covers a call.
    pub fn covers(&self, method: &str, route: &str) -> bool {
        let method_covered = self.methods.iter().any(|covered| **covered == *method);
        let path_covered = self.paths.is_empty()
            || self
                .paths
                .iter()
                .any(|path| route.strip_prefix(&**path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        method_covered && path_covered
    }
}

/// Calls that a key id alone may make: what a checkout page in a browser does.
#[derive(Clone, Debug)]
pub struct Public {
    /// The header with the key id; without one, HTTP Basic with an empty secret.
    pub header: Option<Box<str>>,
    /// The calls.
    pub routes: Vec<Route>,
}

/// One way to authenticate.
#[derive(Clone, Debug)]
pub struct Scheme {
    /// What it is.
    pub kind: SchemeKind,
    /// The calls that take this scheme and no other; empty: every call that no other scheme has for itself.
    pub routes: Vec<Route>,
}

/// The schemes.
#[derive(Clone, Debug)]
pub enum SchemeKind {
    /// HTTP Basic (RFC 7617), read strictly: `Basic`, one space, canonical base 64, one `id:secret`.
    Basic,
    /// Two headers.
    KeyPair {
        /// The header with the key id.
        key_id_header: Box<str>,
        /// The header with the secret.
        secret_header: Box<str>,
    },
    /// A keyed digest over a recipe.
    Signed(Signed),
    /// The secret as a bearer token (RFC 6750 section 2.1); needs derived key ids.
    Bearer,
    /// Tokens bought with a key.
    TokenExchange(TokenExchange),
    /// HTTP message signatures (RFC 9421) with `hmac-sha256` and Content-Digest.
    MessageSignature {
        /// How far `created` may be from now, either way. Seconds.
        window_seconds: i64,
        /// How often a signature may be used.
        replay: ReplayRule,
    },
}

/// How often a signature may be used within its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayRule {
    /// Once by an unsafe request; safe requests may be repeated (T25).
    #[default]
    Once,
    /// As often as the window allows: for vendors whose own clients repeat themselves.
    Window,
}

/// The `signed` scheme.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Where key id, timestamp and signature stand.
    pub placement: Placement,
    /// How far the timestamp may be from now, either way. Seconds.
    pub window_seconds: i64,
    /// How often a signature may be used.
    pub replay: ReplayRule,
    /// What is signed.
    pub recipe: Recipe,
}

/// Where a signed request says what the check needs.
#[derive(Clone, Debug)]
pub enum Placement {
    /// A header for each.
    Headers {
        /// The header with the key id.
        key_id: Box<str>,
        /// The header with the signature.
        signature: Box<str>,
        /// The header with the UNIX time in seconds.
        timestamp: Box<str>,
    },
    /// One header: `{key id}.{UNIX seconds}.{signature}`.
    Packed {
        /// Its name.
        header: Box<str>,
    },
}

/// Where the credentials of an exchange come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeCredentials {
    /// Two members of the JSON body. The one place where a body may hold credentials.
    Body {
        /// Accepted names of the key id's member.
        key_id_fields: Vec<Box<str>>,
        /// The name of the secret's member.
        secret_field: Box<str>,
    },
    /// The dialect's key pair headers.
    KeyPair,
}

/// The `token_exchange` scheme.
#[derive(Clone, Debug)]
pub struct TokenExchange {
    /// The call that sells tokens.
    pub exchange: Route,
    /// The call that renews them; the refresh token stands in `Authorization` without a scheme word.
    pub refresh: Option<Route>,
    /// How the exchange is paid for.
    pub credentials: ExchangeCredentials,
    /// Life of an access token. Seconds.
    pub access_seconds: i64,
    /// Life of a refresh token. Seconds.
    pub refresh_seconds: i64,
    /// The status of the exchange's answer.
    pub status: u16,
    /// Its body.
    pub answer: Template,
}

impl Scheme {
    /// The scheme's name.
    pub fn name(&self) -> SchemeName {
        match &self.kind {
            SchemeKind::Basic => SchemeName::Basic,
            SchemeKind::KeyPair { .. } => SchemeName::KeyPair,
            SchemeKind::Signed(_) => SchemeName::Signed,
            SchemeKind::Bearer => SchemeName::Bearer,
            SchemeKind::TokenExchange(_) => SchemeName::TokenExchange,
            SchemeKind::MessageSignature { .. } => SchemeName::MessageSignature,
        }
    }

    /// Whether it needs the secret itself, so that it must be sealed and not hashed.
    pub fn needs_secret(&self) -> bool {
        match self.kind {
            SchemeKind::Signed(_) | SchemeKind::MessageSignature { .. } => true,
            SchemeKind::Basic | SchemeKind::KeyPair { .. } | SchemeKind::Bearer | SchemeKind::TokenExchange(_) => false,
        }
    }
}

impl Dialect {
    /// Whether some scheme needs the secret itself, so that it must be sealed and not hashed.
    pub fn needs_secret(&self) -> bool {
        self.schemes.iter().any(Scheme::needs_secret)
    }

    /// The secret style of that name, or the default for `None`.
    pub fn secret_style(&self, name: Option<&str>) -> Option<&SecretStyle> {
        match name {
            Some(name) => self.secrets.iter().find(|style| *style.name == *name),
            None => self.secrets.first(),
        }
    }

    /// Whether what is decided about a call of a mode may depend on its body. Test cards are looked for in live mode alone.
    pub fn judges_body(&self, view: &RequestView<'_>, mode: Mode) -> bool {
        self.content_type.is_some()
            || self.providers.as_ref().is_some_and(|rules| rules.covers(view))
            || (mode == Mode::Live && self.test_cards.as_ref().is_some_and(|cards| cards.covers(view)))
    }

    /// What the vendor calls a mode.
    pub fn environment(&self, mode: Mode) -> &str {
        match mode {
            Mode::Test => &self.environment_test,
            Mode::Live => &self.environment_live,
        }
    }

    /// The answer for a reason; every dialect has one for each.
    pub fn answer(&self, reason: DenyReason, scheme: Option<SchemeName>) -> &answer::Answer {
        static FALLBACK: std::sync::OnceLock<answer::Answer> = std::sync::OnceLock::new();
        self.answers
            .find(reason, scheme)
            .unwrap_or_else(|| FALLBACK.get_or_init(|| answer::Answer { status: 500, body: "{}".into() }))
    }

    /// The header in which a public key stands.
    pub fn public_header(&self) -> Option<&str> {
        self.public.as_ref().and_then(|public| public.header.as_deref())
    }
}

/// The dialects that ship with Keymint, as `(file name, text)`.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("keymint.toml", include_str!("../../dialects/keymint.toml")),
    ("razorpay.toml", include_str!("../../dialects/razorpay.toml")),
    ("kwikpaisa.toml", include_str!("../../dialects/kwikpaisa.toml")),
    ("kspay.toml", include_str!("../../dialects/kspay.toml")),
    ("kpay.toml", include_str!("../../dialects/kpay.toml")),
];
