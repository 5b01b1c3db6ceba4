//! People: accounts, sign-in, sessions, and what a person is at which merchant.

use std::net::IpAddr;

use aws_lc_rs::digest;
use keymint_domain::dialect::format::{Alphabet, Checksum, KeyFormat};
use keymint_domain::id::{MerchantId, SessionId, UserId};
use keymint_domain::mode::Mode;
use keymint_domain::role::{Act, Role};
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::error::StoreError;
use keymint_store::merchants;
use keymint_store::people::{self, Membership, User};
use keymint_store::sessions::{self, Session};
use serde_json::json;

use crate::App;
use crate::ops::{Actor, Change, OpError, Saying, input};

/// A session ends after so long without use (OWASP ASVS 7.3.1, NIST SP 800-63B-4 AAL2). Milliseconds.
const IDLE_MS: i64 = 30 * 60 * 1000;
/// And after so long in any case. Milliseconds.
const ABSOLUTE_MS: i64 = 12 * 60 * 60 * 1000;
/// How exactly the last use is noted. Milliseconds.
const SEEN_MS: i64 = 60 * 1000;
/// Tries to sign in to one account from one address in half an hour, of which none was right; then they wait (T102).
const TRIES_MAX: u32 = 10;

/// What an account is made from.
pub struct NewPerson {
    /// The address for mail.
    pub email: String,
    /// The name.
    pub name: String,
    /// The password.
    pub password: SecretText,
}

/// A person at the console.
#[derive(Clone, Debug)]
pub struct Person {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The name.
    pub name: String,
    /// The address for mail.
    pub email: String,
    /// The merchants, at least one.
    pub memberships: Vec<Membership>,
}

impl Person {
    /// Who acts for a merchant; nobody where the person is no member.
    pub fn actor(&self, merchant: MerchantId) -> Option<Actor> {
        let membership = self.memberships.iter().find(|membership| membership.merchant_id == merchant)?;
        Some(Actor::Member(self.user, merchant, membership.role))
    }
}

fn format() -> KeyFormat {
    KeyFormat::new("kms_", Alphabet::Base62, 43, Checksum::None)
}

/// SHA-256 is enough: what is digested has 256 random bits.
fn digest_of(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Makes an account that is a member of a merchant. Until people can sign up by themselves, the operator does it.
///
/// # Errors
/// `Forbidden`; `Field`; `NotFound` when there is no such merchant; `Conflict` when the address has an account.
pub async fn make(
    app: &App,
    actor: Actor,
    merchant: MerchantId,
    role: Role,
    new: NewPerson,
) -> Result<UserId, OpError> {
    actor.require(Act::Operate)?;
    let now = app.clock.now();
    let (name, email) = (input::text("name", &new.name, 1..=100)?, input::email("email", &new.email)?);
    let password = app.passwords.hash(&*app.entropy, new.password).await?;
    let user = User { id: UserId::fresh(now, &*app.entropy)?, email, name, password, created_at: now };
    let mut change = Change::begin(app, actor, Act::Operate).await?;
    merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    match people::insert(change.conn(), &user).await {
        Err(StoreError::Unique { .. }) => {
            let message = "There is an account with this email address.".to_owned();
            return Err(OpError::Conflict { code: "email_taken", message });
        }
        other => other?,
    }
    people::join(change.conn(), user.id, merchant, role, now).await?;
    let subject = user.id.to_string();
    let detail = json!({ "role": role.as_str() });
    let saying = Saying { action: "user.made", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await?;
    Ok(user.id)
}

/// Whether an address has an account.
///
/// # Errors
/// `OpError::Store`.
pub async fn exists(app: &App, email: &str) -> Result<bool, OpError> {
    let mut conn = app.db.read().await?;
    Ok(people::find_by_email(&mut conn, &email.to_lowercase()).await?.is_some())
}

/// Signs in: what the cookie is to hold. `None` for a wrong password and for an unknown address alike, after the same
/// work (T101). Tries are counted for account and client together, so nobody can lock another out (T102).
///
/// # Errors
/// `TooMany` after too many failures; `Busy` when too many sign in at once.
pub async fn sign_in(
    app: &App,
    email: &str,
    password: SecretText,
    client: IpAddr,
) -> Result<Option<SecretText>, OpError> {
    let (now, email) = (app.clock.now(), email.trim().to_lowercase());
    let attempt = format!("{client} {email}");
    if app.sign_ins.count(&attempt, now) > TRIES_MAX {
        return Err(OpError::TooMany);
    }
    let user = {
        let mut conn = app.db.read().await?;
        people::find_by_email(&mut conn, &email).await?
    };
    let hash = user.as_ref().map(|user| user.password.as_str());
    let is_right = app.passwords.matches(hash, password).await?;
    let Some(user) = user.filter(|_| is_right) else { return Ok(None) };
    app.sign_ins.forget(&attempt);
    let secret = format().draw(Mode::Test, &*app.entropy)?;
    let session =
        Session { id: SessionId::fresh(now, &*app.entropy)?, user_id: user.id, created_at: now, seen_at: now };
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    sessions::insert(change.conn(), &session, &digest_of(secret.expose())).await?;
    let subject = user.id.to_string();
    let detail = json!({ "session": session.id.to_string() });
    change.commit(Saying { action: "user.signed_in", subject: &subject, merchant: None, detail }, Vec::new()).await?;
    Ok(Some(secret))
}

/// Whose session a cookie holds, while it lives.
///
/// # Errors
/// `OpError::Store`.
pub async fn person_of(app: &App, cookie: &str) -> Result<Option<Person>, OpError> {
    if format().parse(cookie.as_bytes()).is_err() {
        return Ok(None);
    }
    let now = app.clock.now();
    let mut conn = app.db.read().await?;
    let session = sessions::find(&mut conn, &digest_of(cookie)).await?.filter(|session| is_alive(session, now));
    let Some(session) = session else { return Ok(None) };
    let Some(user) = people::find(&mut conn, session.user_id).await? else { return Ok(None) };
    let memberships = people::memberships(&mut conn, user.id).await?;
    drop(conn);
    if now.0 - session.seen_at.0 > SEEN_MS {
        let mut tx = app.db.write().await?;
        sessions::see(tx.conn(), session.id, now).await?;
        tx.commit().await?;
    }
    Ok(Some(Person { session: session.id, user: user.id, name: user.name, email: user.email, memberships }))
}

fn is_alive(session: &Session, now: UnixMs) -> bool {
    now.0 - session.seen_at.0 <= IDLE_MS && now.0 - session.created_at.0 <= ABSOLUTE_MS
}

/// Ends a session. From when this returns, its cookie is nothing.
///
/// # Errors
/// `OpError::Store`.
pub async fn sign_out(app: &App, person: &Person) -> Result<(), OpError> {
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    sessions::end(change.conn(), person.session, app.clock.now()).await?;
    let subject = person.user.to_string();
    let detail = json!({ "session": person.session.to_string() });
    change.commit(Saying { action: "user.signed_out", subject: &subject, merchant: None, detail }, Vec::new()).await
}
