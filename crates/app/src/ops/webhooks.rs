//! Endpoints of an app: where its events go, and the secrets that sign for them. A secret that Keymint makes leaves in the
//! value that `make` and `roll_secret` return, and exists nowhere else in the open.

use keymint_domain::entropy::draw_text;
use keymint_domain::id::{AppId, EndpointId, SessionId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::secret::{SecretBytes, SecretText};
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::signature::{self, KeyText, Kind, SEED_BYTES, WHSEC};
use keymint_domain::webhook::target::{Target, TargetError};
use keymint_domain::webhook::{SecretSource, Webhooks};
use keymint_store::apps::App as AppRow;
use keymint_store::deliveries;
use keymint_store::webhooks::{self, Endpoint, EndpointState};
use serde_json::json;

use crate::App;
use crate::ops::credentials::manage;
use crate::ops::idempotency::{self, Repeat};
use crate::ops::{Actor, Change, OpError, Saying, apps, field, input};
use crate::say;

/// Random bytes of a secret that Keymint makes: what Standard Webhooks 1.0 recommends, 24 to 64.
const SECRET_BYTES: usize = 32;
/// Characters of a secret that the merchant chooses.
const CHOSEN_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
const HEX: &[u8] = b"0123456789abcdef";

/// What an endpoint is made from.
pub struct NewEndpoint {
    /// Test or live.
    pub mode: Mode,
    /// Where events go.
    pub url: String,
    /// The names of the events; none: all of them.
    pub events: Vec<String>,
    /// What signs.
    pub signature: Kind,
    /// Whether what is about one payment or order goes one after the other.
    pub is_ordered: bool,
    /// The secret, where the merchant chooses it.
    pub secret: Option<SecretText>,
    /// Who hears when it is disabled because it fails.
    pub alert_email: Option<String>,
}

/// What is changed of an endpoint; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct EndpointPatch {
    /// Where events go.
    pub url: Option<String>,
    /// The names of the events.
    pub events: Option<Vec<String>>,
    /// Who hears when it is disabled because it fails; `Some(None)`: the owners.
    pub alert_email: Option<Option<String>>,
    /// Whether it gets anything.
    pub is_enabled: Option<bool>,
    /// Whether what is about one payment or order goes one after the other, from what happens next on.
    pub is_ordered: Option<bool>,
}

/// An endpoint, and its secret where it was made by this call.
pub struct Made {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its secret; nothing where there is none, it was shown before, or it is the private half of a key pair, which never
    /// leaves.
    pub secret: Option<SecretText>,
}

impl Made {
    fn new(endpoint: Endpoint, secret: Option<SecretText>) -> Self {
        let secret = secret.filter(|_| endpoint.signature == Kind::Hmac);
        Self { endpoint, secret }
    }
}

/// What the dialect of an app says about webhooks.
///
/// # Errors
/// `Conflict` with `no_webhooks` where the vendor sends none.
pub fn rules<'a>(app: &'a App, row: &AppRow) -> Result<&'a Webhooks, OpError> {
    let found = app.products.find(&row.product).and_then(|product| product.dialect.webhooks.as_ref());
    found.ok_or_else(|| OpError::Conflict {
        code: "no_webhooks",
        message: say!("refusal-no-webhooks", product = row.product),
    })
}

/// What people should know of a URL that is taken: over plain HTTP, which a vendor allows, everybody on the way reads along.
pub fn warning(url: &str) -> Option<&'static str> {
    let url = url.to_ascii_lowercase();
    let is_here = ["http://localhost", "http://127.", "http://[::1]"].iter().any(|here| url.starts_with(here));
    (url.starts_with("http://") && !is_here).then(|| say!("webhook-plain-http"))
}

/// What a secret is sealed for.
pub fn record(endpoint: EndpointId, version: i64) -> String {
    format!("webhook {endpoint} {version}")
}

fn checked(app: &App, endpoint: Endpoint) -> Endpoint {
    Endpoint { row_check: app.keyring.row_check(&endpoint.check_bytes()), ..endpoint }
}

/// Whether an endpoint says what this Keymint wrote (T56).
pub fn is_intact(app: &App, endpoint: &Endpoint) -> bool {
    app.keyring.row_is_intact(&endpoint.check_bytes(), &endpoint.row_check)
}

fn checked_url(app: &App, rules: &Webhooks, text: &str) -> Result<String, OpError> {
    let target = Target::parse(text, &rules.target, |address| app.outbound.allows(address));
    target.map(|target| target.as_str().to_owned()).or_else(|error| field("url", refused(&error)))
}

/// What is wrong with a URL.
pub fn refused(error: &TargetError) -> String {
    match error {
        TargetError::TooLong(most) => say!("input-url-too-long", most = *most),
        TargetError::NotAUrl => say!("input-url").to_owned(),
        TargetError::NotHttps => say!("input-url-https").to_owned(),
        TargetError::Credentials => say!("input-url-credentials").to_owned(),
        TargetError::Fragment => say!("input-url-fragment").to_owned(),
        TargetError::Port(ports) => say!("input-url-port", ports = ports),
        TargetError::Host(host) => say!("input-url-host", host = host),
        TargetError::Private(host) => say!("input-url-private", host = host),
    }
}

/// The host of a stored URL: all of it that may stand in a log or a mail, because merchants put tokens into the rest.
pub fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

fn checked_events(rules: &Webhooks, events: &[String]) -> Result<Vec<String>, OpError> {
    let unknown: Vec<_> = events.iter().filter(|event| !rules.has_event(event)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return field("events", say!("input-events", names = unknown.join(", ")));
    }
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    Ok(events)
}

/// The secret of a new endpoint or of a roll: the one that was chosen, one that is made, or none.
fn new_secret(
    app: &App,
    rules: &Webhooks,
    (kind, chosen): (Kind, Option<SecretText>),
) -> Result<Option<SecretText>, OpError> {
    if kind == Kind::Ed25519 {
        return new_key_pair(app, rules, chosen.is_some()).map(Some);
    }
    match (rules.secret, chosen) {
        (SecretSource::Credential, Some(_)) => field("secret", say!("input-webhook-secret-of-key")),
        (SecretSource::Credential | SecretSource::Chosen, None) => Ok(None),
        (SecretSource::Made | SecretSource::Chosen, Some(secret)) => {
            let text = secret.expose();
            let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            if !CHOSEN_CHARS.contains(&text.len()) || !is_plain || rules.signing.key_of(&secret).is_none() {
                return field("secret", wanted(rules));
            }
            Ok(Some(secret))
        }
        (SecretSource::Made, None) => Ok(Some(match rules.signing.key {
            KeyText::Plain => {
                let digits = draw_text(&*app.entropy, HEX, SECRET_BYTES * 2)?;
                SecretText::new(format!("{WHSEC}{digits}"))
            }
            KeyText::Whsec => {
                let mut bytes = vec![0; SECRET_BYTES];
                app.entropy.fill(&mut bytes)?;
                let bytes = SecretBytes::new(bytes);
                SecretText::new(format!("{WHSEC}{}", data_encoding::BASE64.encode(bytes.expose())))
            }
        })),
    }
}

/// The private half of a new key pair.
fn new_key_pair(app: &App, rules: &Webhooks, is_chosen: bool) -> Result<SecretText, OpError> {
    if rules.signing.ed25519_prefix.is_none() {
        return field("signature", say!("input-webhook-signature"));
    }
    if is_chosen {
        return field("secret", say!("input-webhook-secret-of-pair"));
    }
    let mut seed = vec![0; SEED_BYTES];
    app.entropy.fill(&mut seed)?;
    Ok(signature::private_key(&SecretBytes::new(seed)))
}

fn wanted(rules: &Webhooks) -> String {
    let (least, most) = (CHOSEN_CHARS.start(), CHOSEN_CHARS.end());
    match rules.signing.key {
        KeyText::Plain => say!("input-webhook-secret", least = least, most = most),
        KeyText::Whsec => say!("input-webhook-secret-whsec", least = least, most = most),
    }
}

fn checked_email(email: Option<&str>) -> Result<Option<String>, OpError> {
    match email.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => input::email("alert_email", text).map(Some),
    }
}

/// A secret that somebody typed, on its way through the page that asks for a proof: sealed for their session.
///
/// # Errors
/// `Seal`.
pub fn carry_secret(app: &App, session: SessionId, secret: &SecretText) -> Result<String, OpError> {
    let sealed = app.keyring.seal_for(&format!("webhook form {session}"), secret, &*app.entropy);
    sealed.map(|bytes| data_encoding::BASE64URL_NOPAD.encode(&bytes)).map_err(|_| OpError::Seal)
}

/// The secret that `carry_secret` sealed; nothing where it was another session, or somebody made it up.
pub fn carried_secret(app: &App, session: SessionId, text: &str) -> Option<SecretText> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    app.keyring.open_for(&format!("webhook form {session}"), &bytes).ok()
}

/// Makes an endpoint, or finds the one that the same call made before.
///
/// # Errors
/// `NotFound`; `Field`; `Forbidden`, `ProofNeeded`; `Conflict` with `no_webhooks`, `too_many_endpoints`.
pub async fn make(
    app: &App,
    actor: Actor,
    app_id: AppId,
    new: NewEndpoint,
    repeat: Option<&Repeat>,
) -> Result<Made, OpError> {
    let row = apps::find(app, actor, app_id).await?;
    let rules = rules(app, &row)?;
    let now = app.clock.now();
    let secret = new_secret(app, rules, (new.signature, new.secret))?;
    let endpoint = checked(
        app,
        Endpoint {
            id: EndpointId::fresh(now, &*app.entropy)?,
            app_id,
            mode: new.mode,
            url: checked_url(app, rules, &new.url)?,
            events: checked_events(rules, &new.events)?,
            alert_email: checked_email(new.alert_email.as_deref())?,
            state: EndpointState::Enabled,
            signature: new.signature,
            is_ordered: new.is_ordered,
            secret_version: i64::from(secret.is_some()),
            created_at: now,
            row_check: Vec::new(),
        },
    );
    let mut change = Change::begin(app, actor, manage(new.mode)).await?;
    if let Some(id) = idempotency::find(change.conn(), actor, repeat).await? {
        let id = id.parse().map_err(|_| OpError::NotFound("endpoint"))?;
        let endpoint = webhooks::find(change.conn(), id).await?.ok_or(OpError::NotFound("endpoint"))?;
        change.settle().await?;
        return Ok(Made::new(endpoint, None));
    }
    if webhooks::of_app(change.conn(), app_id, new.mode).await?.len() >= rules.endpoints_max {
        let message = say!("refusal-endpoints-most", most = rules.endpoints_max);
        return Err(OpError::Conflict { code: "too_many_endpoints", message });
    }
    webhooks::insert(change.conn(), &endpoint).await?;
    change.affected().endpoint(&endpoint);
    if let Some(secret) = &secret {
        put_secret(app, &mut change, (endpoint.id, 1), secret, None).await?;
    }
    idempotency::remember(change.conn(), app, actor, repeat, &endpoint.id.to_string()).await?;
    let detail = json!({ "mode": new.mode, "host": host(&endpoint.url), "events": endpoint.events });
    say(change, &row, &endpoint, ("webhook.made", detail)).await?;
    Ok(Made::new(endpoint, secret))
}

async fn put_secret(
    app: &App,
    change: &mut Change<'_>,
    (endpoint, version): (EndpointId, i64),
    secret: &SecretText,
    ends_at: Option<UnixMs>,
) -> Result<(), OpError> {
    let sealed = app.keyring.seal_for(&record(endpoint, version), secret, &*app.entropy).map_err(|_| OpError::Seal)?;
    Ok(webhooks::put_secret(change.conn(), endpoint, (version, &sealed), ends_at).await?)
}

async fn say(
    change: Change<'_>,
    row: &AppRow,
    endpoint: &Endpoint,
    (action, detail): (&'static str, serde_json::Value),
) -> Result<(), OpError> {
    let subject = endpoint.id.to_string();
    change.commit(Saying { action, subject: &subject, merchant: Some(row.merchant_id), detail }, Vec::new()).await
}

/// An app's endpoints of a mode, oldest first.
///
/// # Errors
/// `NotFound` when there is no such app for the actor; `Forbidden`.
pub async fn list(app: &App, actor: Actor, app_id: AppId, mode: Mode) -> Result<Vec<Endpoint>, OpError> {
    actor.require(Act::SeeRequests)?;
    apps::find(app, actor, app_id).await?;
    let mut conn = app.db.read().await?;
    Ok(webhooks::of_app(&mut conn, app_id, mode).await?)
}

/// An endpoint and its app.
///
/// # Errors
/// `NotFound` when there is none that the actor may see; `Forbidden`.
pub async fn find(app: &App, actor: Actor, id: EndpointId) -> Result<(Endpoint, AppRow), OpError> {
    actor.require(Act::SeeRequests)?;
    let endpoint = {
        let mut conn = app.db.read().await?;
        webhooks::find(&mut conn, id).await?.ok_or(OpError::NotFound("endpoint"))?
    };
    match apps::find(app, actor, endpoint.app_id).await {
        Err(OpError::NotFound(_)) => Err(OpError::NotFound("endpoint")),
        row => Ok((endpoint, row?)),
    }
}

/// The public key by which an endpoint's server checks what is signed now; nothing where a secret of both sides signs.
///
/// # Errors
/// `Seal` where the key cannot be opened; `Store`.
pub async fn public_key(app: &App, endpoint: &Endpoint) -> Result<Option<String>, OpError> {
    if endpoint.signature == Kind::Hmac {
        return Ok(None);
    }
    let mut conn = app.db.read().await?;
    let kept = webhooks::secrets(&mut conn, endpoint.id).await?;
    let Some(newest) = kept.into_iter().find(|one| one.version == endpoint.secret_version) else { return Ok(None) };
    let opened = app.keyring.open_for(&record(endpoint.id, newest.version), &newest.sealed);
    Ok(signature::public_key(&opened.map_err(|_| OpError::Seal)?))
}

/// Begins a change of an endpoint: as it is inside the transaction, and its app.
async fn begin<'a>(app: &'a App, actor: Actor, id: EndpointId) -> Result<(Change<'a>, Endpoint, AppRow), OpError> {
    let (found, row) = find(app, actor, id).await?;
    let mut change = Change::begin(app, actor, manage(found.mode)).await?;
    let endpoint = webhooks::find(change.conn(), id).await?.ok_or(OpError::NotFound("endpoint"))?;
    if !is_intact(app, &endpoint) {
        let message = say!("refusal-endpoint-edited").to_owned();
        return Err(OpError::Conflict { code: "endpoint_tampered", message });
    }
    Ok((change, endpoint, row))
}

/// Changes an endpoint. Disabled, it gets nothing more, and what waits for it is held; enabled again, what was held in the
/// last day is sent.
///
/// # Errors
/// `NotFound`; `Field`; `Forbidden`, `ProofNeeded`; `Conflict`.
pub async fn change(app: &App, actor: Actor, id: EndpointId, patch: EndpointPatch) -> Result<Endpoint, OpError> {
    /// How far back what was held is sent when an endpoint is enabled. Milliseconds.
    const HELD_MS: i64 = 24 * 3_600_000;
    let (mut change, mut endpoint, row) = begin(app, actor, id).await?;
    let rules = rules(app, &row)?;
    if let Some(url) = &patch.url {
        endpoint.url = checked_url(app, rules, url)?;
    }
    if let Some(events) = &patch.events {
        endpoint.events = checked_events(rules, events)?;
    }
    if let Some(email) = &patch.alert_email {
        endpoint.alert_email = checked_email(email.as_deref())?;
    }
    endpoint.is_ordered = patch.is_ordered.unwrap_or(endpoint.is_ordered);
    let was_enabled = endpoint.state == EndpointState::Enabled;
    match patch.is_enabled {
        Some(true) if !was_enabled => {
            endpoint.state = EndpointState::Enabled;
            let now = app.clock.now();
            deliveries::resend_held(change.conn(), id, UnixMs(now.0 - HELD_MS), now).await?;
        }
        Some(false) if was_enabled => {
            endpoint.state = EndpointState::Disabled;
            deliveries::hold(change.conn(), id).await?;
        }
        _ => {}
    }
    let endpoint = checked(app, endpoint);
    webhooks::update(change.conn(), &endpoint).await?;
    change.affected().endpoint(&endpoint);
    let detail = json!({ "host": host(&endpoint.url), "events": endpoint.events, "state": endpoint.state.as_str() });
    say(change, &row, &endpoint, ("webhook.changed", detail)).await?;
    app.webhooks.forget(id);
    Ok(endpoint)
}

/// Gives an endpoint another secret: the one that was chosen, or one that is made. What happened before is signed with the
/// old one, on every try; where the dialect signs with both for a while, `overlap_seconds` says how long.
///
/// # Errors
/// `NotFound`; `Field`; `Forbidden`, `ProofNeeded`; `Conflict` with `no_own_secret` where the API key signs.
pub async fn roll_secret(
    app: &App,
    actor: Actor,
    id: EndpointId,
    (chosen, overlap_seconds): (Option<SecretText>, u32),
) -> Result<Made, OpError> {
    let (mut change, mut endpoint, row) = begin(app, actor, id).await?;
    let rules = rules(app, &row)?;
    if rules.secret == SecretSource::Credential {
        let message = say!("refusal-key-signs").to_owned();
        return Err(OpError::Conflict { code: "no_own_secret", message });
    }
    let most = rules.signing.overlap_seconds_max;
    if overlap_seconds > most {
        return field("overlap_seconds", say!("input-overlap", most = i64::from(most)));
    }
    if rules.secret == SecretSource::Chosen && chosen.is_none() {
        return field("secret", wanted(rules));
    }
    let Some(secret) = new_secret(app, rules, (endpoint.signature, chosen))? else { return Err(OpError::Seal) };
    let versions = webhooks::secrets(change.conn(), id).await?;
    endpoint.secret_version = versions.first().map_or(0, |newest| newest.version) + 1;
    let overlap = i64::from(overlap_seconds);
    let ends_at = (most > 0).then(|| app.clock.now().plus_seconds(overlap));
    put_secret(app, &mut change, (id, endpoint.secret_version), &secret, ends_at).await?;
    let endpoint = checked(app, endpoint);
    webhooks::update(change.conn(), &endpoint).await?;
    change.affected().endpoint(&endpoint);
    let detail = json!({ "version": endpoint.secret_version, "overlap_seconds": overlap_seconds });
    say(change, &row, &endpoint, ("webhook.secret_rolled", detail)).await?;
    app.webhooks.forget(id);
    Ok(Made::new(endpoint, Some(secret)))
}

/// Deletes an endpoint. Nothing is sent to it from then on.
///
/// # Errors
/// `NotFound`; `Forbidden`, `ProofNeeded`.
pub async fn remove(app: &App, actor: Actor, id: EndpointId) -> Result<(), OpError> {
    let (found, row) = find(app, actor, id).await?;
    let mut change = Change::begin(app, actor, manage(found.mode)).await?;
    let endpoint = webhooks::find(change.conn(), id).await?.ok_or(OpError::NotFound("endpoint"))?;
    let endpoint = checked(app, Endpoint { state: EndpointState::Deleted, secret_version: 0, ..endpoint });
    webhooks::update(change.conn(), &endpoint).await?;
    change.affected().endpoint(&endpoint);
    webhooks::forget_secrets(change.conn(), id).await?;
    deliveries::drop_waiting(change.conn(), id).await?;
    say(change, &row, &endpoint, ("webhook.deleted", json!({ "host": host(&endpoint.url) }))).await?;
    app.webhooks.forget(id);
    Ok(())
}
