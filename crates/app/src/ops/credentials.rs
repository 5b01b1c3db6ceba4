//! Credentials: issue, roll, revoke, change, read. The secret of a new one leaves in the value that `issue` and `roll`
//! return, and exists nowhere else in the open.

use std::sync::Arc;

use keymint_domain::credential::{
    self, Blank, Credential, IssueError, Issued, MoveError, Revocation, RevokeReason, State,
};
use keymint_domain::dialect::OwnerKind;
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::restriction::{Restrictions, domains_for};
use keymint_domain::role::Act;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::apps::App as AppRow;
use keymint_store::credentials::{self, Seen, Slots, Stored};
use keymint_store::db::Conn;
use keymint_store::error::StoreError;
use keymint_store::merchants::Activation;
use serde_json::json;

use crate::App;
use crate::ops::address_codes::{self, AddressCodes};
use crate::ops::idempotency::{self, Repeat};
use crate::ops::notices::{self, Became};
use crate::ops::{Actor, Change, OpError, Saying, field, input};
use crate::ops::{domains, go_live, merchants, providers};
use crate::products::Product;
use crate::say;

/// What a credential is issued with.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// Test or live.
    pub mode: Mode,
    /// What its people call it.
    pub name: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<UnixMs>,
    /// Scopes; empty: every call.
    pub scopes: Vec<String>,
    /// Addresses; empty: every address.
    pub allowed_ips: Vec<String>,
    /// Origins; empty: every origin.
    pub allowed_origins: Vec<String>,
}

/// What is changed of a credential; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// The name; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// The expiry; `Some(None)` takes it away.
    pub expires_at: Option<Option<UnixMs>>,
    /// The scopes.
    pub scopes: Option<Vec<String>>,
    /// The addresses.
    pub allowed_ips: Option<Vec<String>>,
    /// The origins.
    pub allowed_origins: Option<Vec<String>>,
}

/// A credential as it is shown.
#[derive(Clone, Debug)]
pub struct View {
    /// The credential.
    pub credential: Credential,
    /// Its state now.
    pub state: State,
    /// What was seen of it.
    pub seen: Seen,
}

/// What `issue` made, or had made before.
pub struct Made {
    /// The credential.
    pub view: View,
    /// Its secret; `None` when the same call had made it before: it was shown then, once.
    pub secret: Option<SecretText>,
}

/// What `roll` made.
pub struct Rolled {
    /// The successor.
    pub made: Made,
    /// The one before.
    pub previous: View,
}

/// What `revoke` did.
pub struct Revoked {
    /// The credential.
    pub view: View,
    /// When it ended.
    pub at: UnixMs,
    /// The number of the change from which on no node accepts it.
    pub seq: i64,
}

fn view(credential: Credential, seen: Seen, now: UnixMs) -> View {
    View { state: credential.state(now), credential, seen }
}

fn view_stored(stored: Stored, now: UnixMs) -> View {
    view(stored.credential, stored.seen, now)
}

fn product_of<'a>(app: &'a App, name: &str) -> Result<&'a Arc<Product>, OpError> {
    app.products.find(name).ok_or_else(|| OpError::Conflict {
        code: "product_removed",
        message: say!("refusal-product-removed", name = name),
    })
}

fn sealed(made: Result<Issued, IssueError>) -> Result<Issued, OpError> {
    made.map_err(|error| match error {
        IssueError::Entropy(error) => OpError::Entropy(error),
        IssueError::Seal => OpError::Seal,
    })
}

fn check_expiry(expires_at: Option<UnixMs>, now: UnixMs) -> Result<(), OpError> {
    if expires_at.is_some_and(|at| at <= now) {
        return field("expires_at", say!("input-future"));
    }
    Ok(())
}

fn parse_restrictions(
    product: &Product,
    ips: &[String],
    origins: &[String],
    scopes: &[String],
) -> Result<Restrictions, OpError> {
    Restrictions::parse(&product.dialect, ips, origins, scopes).map_err(|error| input::restriction(&error))
}

/// What is asked of whoever changes credentials of a mode.
pub fn manage(mode: Mode) -> Act {
    match mode {
        Mode::Test => Act::ManageTestCredentials,
        Mode::Live => Act::ManageLiveCredentials,
    }
}

/// What is asked of whoever ends one: that must be quick, so it needs no second proof.
pub fn end(mode: Mode) -> Act {
    match mode {
        Mode::Test => Act::ManageTestCredentials,
        Mode::Live => Act::RevokeLiveCredentials,
    }
}

/// Issues a credential for an app. Where the dialect asks people for two codes to save the addresses of a live one, theirs
/// begins with the list of the one before.
///
/// # Errors
/// `NotFound`; `Field`; `Conflict` with `activation_required` (live, merchant not approved), `app_disabled`,
/// `go_live_incomplete` (a person, live, where the vendor's checklist has to be gone through first), or
/// `credential_exists` (every slot is taken: roll or revoke).
pub async fn issue(
    app: &App,
    actor: Actor,
    app_id: AppId,
    new: &NewCredential,
    repeat: Option<&Repeat>,
) -> Result<Made, OpError> {
    let owner = crate::ops::apps::ready(app, actor, app_id).await?;
    let product = product_of(app, &owner.product)?;
    let now = app.clock.now();
    check_expiry(new.expires_at, now)?;
    let restrictions = parse_restrictions(product, &new.allowed_ips, &new.allowed_origins, &new.scopes)?;
    let name = input::optional_text("name", new.name.as_deref(), credential::NAME_CHARS_MAX)?;
    let mut issued = sealed(make(app, product, &owner, new.mode, now))?;
    issued.credential.name = name;
    issued.credential.expires_at = new.expires_at;
    issued.credential.restrictions = restrictions;
    // Read before the ledger's lock, which holds up every other change; told after what is looked at under it.
    let list = go_live::require(app, actor, &owner, new.mode).await;
    let mut change = Change::begin(app, actor, manage(new.mode)).await?;
    if let Some(key_id) = idempotency::find(change.conn(), actor, repeat).await? {
        let made = made_before(&mut change, &key_id, now).await?;
        change.settle().await?;
        return Ok(made);
    }
    check_owner(&mut change, &owner, new.mode).await?;
    list?;
    // Otherwise a key that is revoked and made anew would be a list changed without its codes.
    if address_codes::are_asked(product.dialect.addresses_proof, actor, new.mode)
        && let Some(before) = newest_live(change.conn(), product, &owner).await?
    {
        issued.credential.restrictions.allowed_ips = intact(app, before)?.credential.restrictions.allowed_ips;
    }
    let domains = domains::of(app, change.conn(), app_id).await?;
    issued.credential.restrictions.domains = domains_for(new.mode, &domains);
    issued.credential.restrictions.providers = providers::of(app, change.conn(), app_id).await?;
    store_new(&mut change, app, product, &issued.credential, now).await?;
    idempotency::remember(change.conn(), app, actor, repeat, &issued.credential.key_id).await?;
    let credential = issued.credential;
    notices::live_key(app, &mut change, &credential, Became::Generated).await?;
    let detail = json!({ "mode": credential.mode, "app_id": app_id.to_string(), "product": credential.product });
    let (subject, merchant) = (credential.key_id.clone(), Some(credential.merchant_id));
    let saying = Saying { action: "credential.issued", subject: &subject, merchant, detail };
    change.commit(saying, vec![subject.clone()]).await?;
    Ok(Made { view: view(credential, Seen::default(), now), secret: Some(issued.secret) })
}

fn make(app: &App, product: &Product, owner: &AppRow, mode: Mode, now: UnixMs) -> Result<Issued, IssueError> {
    let blank = Blank {
        dialect: &product.dialect,
        style: product.style(),
        product: &product.name,
        mode,
        merchant_id: owner.merchant_id,
        app_id: owner.id,
    };
    credential::issue(&blank, &app.keyring, now, &*app.entropy)
}

/// The newest live credential that the owner of an app's slots ever had, whatever became of it.
///
/// # Errors
/// `OpError::Store`.
pub async fn newest_live(conn: &mut Conn, product: &Product, owner: &AppRow) -> Result<Option<Stored>, OpError> {
    let id = product.dialect.owner.id(owner.merchant_id, owner.id);
    let slots = Slots { owner: &id, product: &product.name, mode: Mode::Live };
    Ok(credentials::newest(conn, owner.merchant_id, slots).await?)
}

async fn made_before(change: &mut Change<'_>, key_id: &str, now: UnixMs) -> Result<Made, OpError> {
    let stored = credentials::find(change.conn(), key_id).await?.ok_or(OpError::NotFound("credential"))?;
    Ok(Made { view: view_stored(stored, now), secret: None })
}

/// Live credentials exist only while the merchant is approved; looked at in the transaction that issues (T12).
async fn check_owner(change: &mut Change<'_>, owner: &AppRow, mode: Mode) -> Result<(), OpError> {
    let standing = keymint_store::apps::standing(change.conn(), owner.id).await?;
    let (is_enabled, activation) = standing.ok_or(OpError::NotFound("app"))?;
    if !is_enabled {
        let message = say!("refusal-app-disabled").to_owned();
        return Err(OpError::Conflict { code: "app_disabled", message });
    }
    if mode == Mode::Live && activation != Activation::Approved {
        return Err(OpError::Conflict {
            code: "activation_required",
            message: say!("refusal-activation", state = merchants::state_words(activation)),
        });
    }
    Ok(())
}

async fn store_new(
    change: &mut Change<'_>,
    app: &App,
    product: &Product,
    credential: &Credential,
    now: UnixMs,
) -> Result<(), OpError> {
    let owner = credential.slot_owner(&product.dialect);
    let slots = Slots { owner: &owner, product: &credential.product, mode: credential.mode };
    let taken = || OpError::Conflict {
        code: "credential_exists",
        message: say!(
            "refusal-credential-exists",
            product = product.dialect.title,
            most = i64::from(product.dialect.active_max),
            mode = credential.mode.as_str(),
            owner = match product.dialect.owner {
                OwnerKind::App => "app",
                OwnerKind::Merchant => "merchant",
            }
        ),
    };
    let free = credentials::free_slot(change.conn(), slots, product.dialect.active_max, now).await?;
    let slot = free.ok_or_else(taken)?;
    let check = app.keyring.row_check(&credential.check_bytes());
    match credentials::insert(change.conn(), credential, (&owner, slot), &check).await {
        Err(StoreError::Unique { .. }) => Err(taken()),
        other => Ok(other?),
    }
}

async fn store_changed(change: &mut Change<'_>, app: &App, credential: &Credential) -> Result<(), OpError> {
    let check = app.keyring.row_check(&credential.check_bytes());
    Ok(credentials::update(change.conn(), credential, &check).await?)
}

/// A row that was edited from outside is not carried on: that would give it a good check.
fn intact(app: &App, stored: Stored) -> Result<Stored, OpError> {
    if !app.keyring.row_is_intact(&stored.credential.check_bytes(), &stored.row_check) {
        return Err(OpError::Store(StoreError::Corrupt { table: "credential", column: "row_check" }));
    }
    Ok(stored)
}

/// A credential that the actor may act on, read inside the change.
async fn own(
    change: &mut Change<'_>,
    app: &App,
    (actor, act): (Actor, fn(Mode) -> Act),
    key_id: &str,
) -> Result<Stored, OpError> {
    let stored = credentials::find(change.conn(), key_id).await?;
    let stored = stored.filter(|stored| actor.may_act_for(stored.credential.merchant_id));
    let stored = stored.ok_or(OpError::NotFound("credential"))?;
    actor.require(act(stored.credential.mode))?;
    intact(app, stored)
}

/// A credential.
///
/// # Errors
/// `NotFound` when there is none that the actor may see.
pub async fn find(app: &App, actor: Actor, key_id: &str) -> Result<View, OpError> {
    actor.require(Act::See)?;
    let mut conn = app.db.read().await?;
    let stored = credentials::find(&mut conn, key_id).await?;
    let stored = stored.filter(|stored| actor.may_act_for(stored.credential.merchant_id));
    stored.map(|stored| view_stored(stored, app.clock.now())).ok_or(OpError::NotFound("credential"))
}

/// An app's credentials above an id.
///
/// # Errors
/// `NotFound` when there is no such app for the actor.
pub async fn list(app: &App, actor: Actor, id: AppId, above: &str, limit: i64) -> Result<Vec<View>, OpError> {
    crate::ops::apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    let now = app.clock.now();
    let stored = credentials::list(&mut conn, id, above, limit).await?;
    Ok(stored.into_iter().map(|stored| view_stored(stored, now)).collect())
}

/// Above every id: where a list begins that goes down.
pub const NEWEST: &str = "~";

/// An app's credentials of a mode that can be used now, the newest first.
///
/// # Errors
/// `NotFound`.
pub async fn living(app: &App, actor: Actor, id: AppId, mode: Mode) -> Result<Vec<View>, OpError> {
    crate::ops::apps::find(app, actor, id).await?;
    let (mut conn, now) = (app.db.read().await?, app.clock.now());
    let stored = credentials::living(&mut conn, id, mode, now).await?;
    Ok(stored.into_iter().map(|stored| view_stored(stored, now)).collect())
}

/// Those of an app and mode that have ended, below an id, the newest first.
///
/// # Errors
/// `NotFound`.
pub async fn ended_below(app: &App, actor: Actor, of: (AppId, Mode), page: (&str, i64)) -> Result<Vec<View>, OpError> {
    crate::ops::apps::find(app, actor, of.0).await?;
    let (mut conn, now) = (app.db.read().await?, app.clock.now());
    let stored = credentials::ended(&mut conn, of, now, page).await?;
    Ok(stored.into_iter().map(|stored| view_stored(stored, now)).collect())
}

/// Changes name, expiry or restrictions. What is narrower afterwards is so before this returns.
///
/// # Errors
/// `NotFound`; `Field`; `Conflict` with `credential_ended`; `CodesNeeded` as `patch_with_codes`.
pub async fn patch(app: &App, actor: Actor, key_id: &str, patch: &Patch) -> Result<View, OpError> {
    patch_with_codes(app, actor, key_id, patch, None).await
}

/// Changes them with the two codes that a person gives for a list of addresses, where the dialect asks for them.
///
/// # Errors
/// As `patch`; `CodesNeeded` where the list of a live credential changes and the codes are missing, were spent, or were
/// given for another list.
pub async fn patch_with_codes(
    app: &App,
    actor: Actor,
    key_id: &str,
    patch: &Patch,
    codes: Option<&AddressCodes>,
) -> Result<View, OpError> {
    let now = app.clock.now();
    let mut change = Change::begin(app, actor, Act::ManageTestCredentials).await?;
    let stored = own(&mut change, app, (actor, manage), key_id).await?;
    let mut credential = stored.credential;
    if matches!(credential.state(now), State::Revoked | State::Expired) {
        return Err(ended());
    }
    if let Some(name) = &patch.name {
        credential.name = input::optional_text("name", name.as_deref(), credential::NAME_CHARS_MAX)?;
    }
    if let Some(expires_at) = patch.expires_at {
        check_expiry(expires_at, now)?;
        credential.expires_at = expires_at;
    }
    let product = product_of(app, &credential.product)?;
    let texts = |list: &[Box<str>]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let now_ips = credential.restrictions.allowed_ips.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (domains, providers) =
        (credential.restrictions.domains.take(), std::mem::take(&mut credential.restrictions.providers));
    credential.restrictions = parse_restrictions(
        product,
        patch.allowed_ips.as_ref().unwrap_or(&now_ips),
        patch.allowed_origins.as_ref().unwrap_or(&texts(&credential.restrictions.allowed_origins)),
        patch.scopes.as_ref().unwrap_or(&texts(&credential.restrictions.scopes)),
    )?;
    credential.restrictions.domains = domains;
    credential.restrictions.providers = providers;
    let ips = credential.restrictions.allowed_ips.iter().map(ToString::to_string).collect::<Vec<_>>();
    let needs_codes = address_codes::are_asked(product.dialect.addresses_proof, actor, credential.mode);
    let with_codes = needs_codes && ips != now_ips;
    if with_codes {
        address_codes::spend(app, change.conn(), (actor, key_id, ips), codes).await?;
    }
    store_changed(&mut change, app, &credential).await?;
    let restrictions = credentials::restrictions_text(&credential.restrictions);
    let mut detail = json!({ "name": credential.name, "restrictions": restrictions });
    if with_codes {
        detail["codes"] = json!("phone_and_mail");
    }
    let merchant = Some(credential.merchant_id);
    let saying = Saying { action: "credential.changed", subject: key_id, merchant, detail };
    change.commit(saying, vec![key_id.to_owned()]).await?;
    Ok(view(credential, stored.seen, now))
}

fn ended() -> OpError {
    OpError::Conflict { code: "credential_ended", message: say!("refusal-credential-ended").to_owned() }
}

/// Issues a successor with the same name, expiry and restrictions, and retires the credential: at once for a grace of
/// 0, otherwise after `grace_seconds`.
///
/// # Errors
/// `NotFound`; `Field` for a grace the dialect does not allow; `Conflict` with `credential_ended`,
/// `credential_retiring` or `activation_required`.
pub async fn roll(
    app: &App,
    actor: Actor,
    key_id: &str,
    grace_seconds: u32,
    repeat: Option<&Repeat>,
) -> Result<Rolled, OpError> {
    let before = find(app, actor, key_id).await?;
    let product = product_of(app, &before.credential.product)?;
    if grace_seconds > product.dialect.grace_seconds_max {
        let most = product.dialect.grace_seconds_max;
        return field("grace_seconds", say!("input-grace", most = i64::from(most), product = product.dialect.title));
    }
    let now = app.clock.now();
    let mut change = Change::begin(app, actor, manage(before.credential.mode)).await?;
    if let Some(successor) = idempotency::find(change.conn(), actor, repeat).await? {
        let made = made_before(&mut change, &successor, now).await?;
        let previous = own(&mut change, app, (actor, manage), key_id).await?;
        change.settle().await?;
        return Ok(Rolled { made, previous: view_stored(previous, now) });
    }
    let stored = own(&mut change, app, (actor, manage), key_id).await?;
    let mut previous = stored.credential;
    let owner = keymint_store::apps::find(change.conn(), previous.app_id).await?.ok_or(OpError::NotFound("app"))?;
    check_owner(&mut change, &owner, previous.mode).await?;
    let mut issued = sealed(make(app, product, &owner, previous.mode, now))?;
    issued.credential.name.clone_from(&previous.name);
    issued.credential.expires_at = previous.expires_at;
    issued.credential.restrictions = previous.restrictions.clone();
    previous.retire(now.plus_seconds(i64::from(grace_seconds)), now).map_err(|error| not_moved(&error))?;
    store_changed(&mut change, app, &previous).await?;
    store_new(&mut change, app, product, &issued.credential, now).await?;
    idempotency::remember(change.conn(), app, actor, repeat, &issued.credential.key_id).await?;
    let successor = issued.credential;
    notices::live_key(app, &mut change, &successor, Became::Successor).await?;
    let detail = json!({ "successor": successor.key_id, "grace_seconds": grace_seconds });
    let merchant = Some(previous.merchant_id);
    let saying = Saying { action: "credential.rolled", subject: key_id, merchant, detail };
    change.commit(saying, vec![key_id.to_owned(), successor.key_id.clone()]).await?;
    let made = Made { view: view(successor, Seen::default(), now), secret: Some(issued.secret) };
    Ok(Rolled { made, previous: view(previous, stored.seen, now) })
}

fn not_moved(error: &MoveError) -> OpError {
    let (code, message) = match error {
        MoveError::Ended => return ended(),
        MoveError::Retiring => ("credential_retiring", say!("refusal-credential-retiring")),
        MoveError::Active => ("credential_active", say!("refusal-credential-active")),
    };
    OpError::Conflict { code, message: message.to_owned() }
}

/// Moves the end of a retiring credential: so many seconds from now, or now for 0. Brought to now, it is refused before
/// this returns.
///
/// # Errors
/// `NotFound`; `Field`; `Conflict` with `credential_active` or `credential_ended`.
pub async fn move_end(app: &App, actor: Actor, key_id: &str, seconds: u32) -> Result<View, OpError> {
    let now = app.clock.now();
    let mut change = Change::begin(app, actor, Act::ManageTestCredentials).await?;
    let act = if seconds == 0 { end } else { manage };
    let stored = own(&mut change, app, (actor, act), key_id).await?;
    let mut credential = stored.credential;
    let product = product_of(app, &credential.product)?;
    if seconds > product.dialect.grace_seconds_max {
        let most = product.dialect.grace_seconds_max;
        return field("grace_seconds", say!("input-grace", most = i64::from(most), product = product.dialect.title));
    }
    credential.move_end(now.plus_seconds(i64::from(seconds)), now).map_err(|error| not_moved(&error))?;
    store_changed(&mut change, app, &credential).await?;
    let (merchant, detail) = (Some(credential.merchant_id), json!({ "seconds": seconds }));
    let saying = Saying { action: "credential.end_moved", subject: key_id, merchant, detail };
    change.commit(saying, vec![key_id.to_owned()]).await?;
    Ok(view(credential, stored.seen, now))
}

/// Ends a credential. When this returns, no node accepts it for any request that arrives afterwards: it is committed to
/// disk, and the record was out of the only cache there is before (one process owns the database).
///
/// # Errors
/// `NotFound`; `Field`.
pub async fn revoke(
    app: &App,
    actor: Actor,
    key_id: &str,
    reason: RevokeReason,
    note: Option<&str>,
) -> Result<Revoked, OpError> {
    let note = input::optional_text("note", note, credential::NOTE_CHARS_MAX)?;
    let mut change = Change::begin(app, actor, Act::ManageTestCredentials).await?;
    let now = app.clock.now();
    let stored = own(&mut change, app, (actor, end), key_id).await?;
    let mut credential = stored.credential;
    if let Revocation::Before { at } = credential.revoke(now, reason, note.clone()) {
        let seq = change.seq() - 1;
        change.settle().await?;
        return Ok(Revoked { view: view(credential, stored.seen, now), at, seq });
    }
    store_changed(&mut change, app, &credential).await?;
    notices::live_key(app, &mut change, &credential, Became::Revoked).await?;
    let detail = json!({ "reason": reason.as_str(), "note": note });
    let merchant = Some(credential.merchant_id);
    let seq = change.seq();
    let saying = Saying { action: "credential.revoked", subject: key_id, merchant, detail };
    change.commit(saying, vec![key_id.to_owned()]).await?;
    Ok(Revoked { view: view(credential, stored.seen, now), at: now, seq })
}
