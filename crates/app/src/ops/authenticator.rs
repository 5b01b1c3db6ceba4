//! Authenticator apps (TOTP, RFC 6238: SHA-1, six digits, 30 seconds, one step of drift) and the recovery codes that stand
//! in for a lost one, and for a lost passkey.

use keymint_domain::entropy::draw_text;
use keymint_domain::id::UserId;
use keymint_domain::role::Act;
use keymint_domain::secret::SecretText;
use keymint_store::factors;
use serde_json::json;
use totp_rs::{Builder, Secret, Totp};

use crate::App;
use crate::ops::people::{self, Person};
use crate::ops::{Actor, Change, OpError, Saying, field, notices, proofs};
use crate::say;

/// Random bytes of a secret: 160 bits (RFC 4226 section 4).
const SECRET_BYTES: usize = 20;
/// Recovery codes of one set.
const CODES: usize = 10;
/// Characters of one: 60 bits, without those that look alike.
const CODE_LENGTH: usize = 12;
const CODE_CHARACTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Tries to confirm a new one, in half an hour.
const CONFIRM_TRIES_MAX: u32 = 10;

/// A new authenticator that is yet to be confirmed.
pub struct Setup {
    /// The secret in base 32, to be typed.
    pub secret: SecretText,
    /// The same as `otpauth://` address, to be scanned.
    pub address: SecretText,
}

fn record(user: UserId) -> String {
    format!("authenticator {user}")
}

fn totp(secret: &SecretText, account: &str) -> Result<Totp, OpError> {
    let secret = Secret::try_from_base32(secret.expose()).map_err(|_| OpError::Seal)?;
    let builder = Builder::new().with_secret(secret).with_account_name(account.replace(':', "_"));
    builder.with_issuer(Some("Keymint")).build().map_err(|_| OpError::Seal)
}

/// Begins to set one up, in the place of another that was never confirmed. The password is asked for again: a session
/// alone must not bind its account to somebody else's telephone.
///
/// # Errors
/// `Field` for a wrong password; `Conflict` where there is one already; `ProofNeeded` where there is another factor.
pub async fn begin(app: &App, person: &Person, password: SecretText) -> Result<Setup, OpError> {
    person.require_proof()?;
    people::check_password(app, person, password).await?;
    let mut random = [0; SECRET_BYTES];
    app.entropy.fill(&mut random)?;
    let secret = SecretText::new(data_encoding::BASE32_NOPAD.encode(&random));
    let sealed = app.keyring.seal_for(&record(person.user), &secret, &*app.entropy).map_err(|_| OpError::Seal)?;
    let address = totp(&secret, &person.email)?.to_url().map_err(|_| OpError::Seal)?;
    let mut tx = app.db.write().await?;
    if !factors::put(tx.conn(), person.user, &sealed).await? {
        let message = say!("refusal-authenticator-exists").to_owned();
        return Err(OpError::Conflict { code: "authenticator_exists", message });
    }
    tx.commit().await?;
    Ok(Setup { secret, address: SecretText::new(address) })
}

/// What was begun, to show it once more after a wrong code.
///
/// # Errors
/// `NotFound`.
pub async fn begun(app: &App, person: &Person) -> Result<Setup, OpError> {
    let found = {
        let mut conn = app.db.read().await?;
        factors::find(&mut conn, person.user).await?
    };
    let found = found.filter(|found| found.confirmed_at.is_none()).ok_or(OpError::NotFound("authenticator"))?;
    let secret = app.keyring.open_for(&record(person.user), &found.sealed).map_err(|_| OpError::Seal)?;
    let address = totp(&secret, &person.email)?.to_url().map_err(|_| OpError::Seal)?;
    Ok(Setup { secret, address: SecretText::new(address) })
}

/// The time step whose code this is, where it was not used yet.
///
/// # Errors
/// `OpError::Store`, `OpError::Seal`.
pub async fn step_of(app: &App, user: UserId, code: &str) -> Result<Option<i64>, OpError> {
    let found = {
        let mut conn = app.db.read().await?;
        factors::find(&mut conn, user).await?
    };
    let Some(found) = found.filter(|found| found.confirmed_at.is_some()) else { return Ok(None) };
    Ok(matching_step(app, user, &found, code)?.filter(|step| *step > found.last_step))
}

fn matching_step(app: &App, user: UserId, found: &factors::Authenticator, code: &str) -> Result<Option<i64>, OpError> {
    let secret = app.keyring.open_for(&record(user), &found.sealed).map_err(|_| OpError::Seal)?;
    let seconds = u64::try_from(app.clock.now().seconds()).unwrap_or(0);
    let step = totp(&secret, "account")?.check(code, seconds);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// Confirms a new one with its first code; gives recovery codes, which are shown this once.
///
/// # Errors
/// `Field` for a wrong code; `TooMany`; `NotFound` when none was begun.
pub async fn confirm(app: &App, person: &Person, code: &str) -> Result<Vec<SecretText>, OpError> {
    let (now, user) = (app.clock.now(), person.user);
    if app.confirmations.count(&user.to_string(), now) > CONFIRM_TRIES_MAX {
        return Err(OpError::TooMany);
    }
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let found = factors::find(change.conn(), user).await?.filter(|found| found.confirmed_at.is_none());
    let found = found.ok_or(OpError::NotFound("authenticator"))?;
    let Some(step) = matching_step(app, user, &found, &proofs::plain(code))? else {
        return field("code", say!("input-authenticator-code"));
    };
    factors::confirm(change.conn(), user, step, now).await?;
    let codes = put_codes(app, &mut change, user).await?;
    say(change, person, "user.authenticator_set_up").await?;
    Ok(codes)
}

async fn put_codes(app: &App, change: &mut Change<'_>, user: UserId) -> Result<Vec<SecretText>, OpError> {
    let draw = |_| Ok(SecretText::new(draw_text(&*app.entropy, CODE_CHARACTERS, CODE_LENGTH)?));
    let codes = (0..CODES).map(draw).collect::<Result<Vec<_>, OpError>>()?;
    let checks: Vec<_> = codes.iter().map(|code| recovery_check(app, user, code.expose())).collect();
    factors::put_codes(change.conn(), user, &checks).await?;
    Ok(codes)
}

/// Makes new recovery codes; those of before are none any more. Needs a fresh proof. They stand in for a lost passkey as
/// well: a person with nothing but passkeys makes some here.
///
/// # Errors
/// `ProofNeeded`; `NotFound` with neither authenticator nor passkey.
pub async fn renew_codes(app: &App, person: &Person) -> Result<Vec<SecretText>, OpError> {
    person.require_proof()?;
    if !person.means.has_authenticator && !person.means.has_passkey {
        return Err(OpError::NotFound("authenticator"));
    }
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let codes = put_codes(app, &mut change, person.user).await?;
    say(change, person, "user.recovery_codes_renewed").await?;
    Ok(codes)
}

/// Takes the authenticator away. Needs a fresh proof.
///
/// # Errors
/// `ProofNeeded`.
pub async fn remove(app: &App, person: &Person) -> Result<(), OpError> {
    person.require_proof()?;
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    factors::remove(change.conn(), person.user).await?;
    let words = (say!("mail-authenticator-removed"), say!("mail-authenticator-removed-text"));
    notices::own_factors(app, change, person, ("user.authenticator_removed", json!({})), words).await
}

async fn say(change: Change<'_>, person: &Person, action: &'static str) -> Result<(), OpError> {
    let subject = person.user.to_string();
    let detail = json!({ "session": person.session.to_string() });
    change.commit(Saying { action, subject: &subject, merchant: None, detail }, Vec::new()).await
}

/// What a recovery code is kept as: a keyed digest.
pub fn recovery_check(app: &App, user: UserId, code: &str) -> Vec<u8> {
    app.keyring.token_mac(format!("recovery {user} {code}").as_bytes()).1.to_vec()
}
