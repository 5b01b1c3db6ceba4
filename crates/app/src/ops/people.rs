//! People: accounts, sign-in, sessions, and what a person is at which merchant.

use std::net::IpAddr;

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
use crate::ops::means::{self, Means};
use crate::ops::proofs::{self, Answered, Challenge, Factor};
use crate::ops::roles;
use crate::ops::{Actor, Change, OpError, Proof, Saying, field, input};
use crate::say;

/// A session ends after so long without use (OWASP ASVS 7.3.1, NIST SP 800-63B-4 AAL2). Milliseconds.
const IDLE_MS: i64 = 30 * 60 * 1000;
/// And after so long in any case. Milliseconds.
const ABSOLUTE_MS: i64 = 12 * 60 * 60 * 1000;
/// How exactly the last use is noted. Milliseconds.
const SEEN_MS: i64 = 60 * 1000;
/// Tries to sign in to one account from one address in half an hour, of which none was right; then they wait (T102).
const TRIES_MAX: u32 = 10;
/// Pages that a viewer may look at in half an hour: each is written to the audit log.
pub const VIEWS_MAX: u32 = 1_000;

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
    /// The merchants.
    pub memberships: Vec<Membership>,
    /// When a second factor was last given in this session.
    pub proved_at: Option<UnixMs>,
    /// The second factors.
    pub means: Means,
    /// The moment of this request.
    pub now: UnixMs,
}

impl Person {
    /// Who acts for a merchant; nobody where the person is no member, or the merchant wants a second factor that was not
    /// given.
    pub fn actor(&self, merchant: MerchantId) -> Option<Actor> {
        let membership = self.memberships.iter().find(|membership| membership.merchant_id == merchant)?;
        if !self.is_let_in(membership) {
            return None;
        }
        let proof = if self.has_proved() { Proof::Fresh } else { Proof::Missing };
        Some(Actor::Member(self.user, merchant, membership.role, proof))
    }

    /// Whether the person may go in there: where the merchant wants a second factor of everybody, one was given in this
    /// session.
    pub fn is_let_in(&self, membership: &Membership) -> bool {
        !membership.needs_factor || self.means.first().is_some() && self.proved_at.is_some()
    }

    /// Whether a second factor was given in this session a short while ago.
    pub fn has_proved(&self) -> bool {
        proofs::is_fresh(self.proved_at, self.now)
    }

    /// Goes on only with a fresh proof, where the person has a second factor at all.
    ///
    /// # Errors
    /// `OpError::ProofNeeded`.
    pub fn require_proof(&self) -> Result<(), OpError> {
        if self.means.first().is_none() || self.has_proved() { Ok(()) } else { Err(OpError::ProofNeeded) }
    }
}

/// What came of a right password.
pub enum SignedIn {
    /// A session: what the cookie is to hold.
    Session(SecretText),
    /// The account has a second factor, which is asked for now.
    Second(Second),
}

/// The second challenge of a sign-in.
pub struct Second {
    /// The challenge.
    pub challenge: Challenge,
    /// What may be given instead of a passkey.
    pub instead: Option<Factor>,
}

/// What a new session's cookie is to hold.
///
/// # Errors
/// `OpError::Entropy`.
pub fn cookie_secret(app: &App) -> Result<SecretText, OpError> {
    Ok(format().draw(Mode::Test, &*app.entropy)?)
}

fn format() -> KeyFormat {
    KeyFormat::new("kms_", Alphabet::Base62, 43, Checksum::None)
}

/// What a session is found by: keyed, so that whoever can write to the database can make no session. It is not for ever;
/// another current key of the ring ends every session.
pub fn digest_of(app: &App, text: &str) -> Vec<u8> {
    app.keyring.token_mac(format!("session {text}").as_bytes()).1.to_vec()
}

/// Gives an account its check.
pub fn checked(app: &App, user: User) -> User {
    User { row_check: app.keyring.row_check(&user.check_bytes()), ..user }
}

/// Goes on only with an account that Keymint has written (T56).
///
/// # Errors
/// `StoreError::Corrupt`.
pub fn intact(app: &App, user: User) -> Result<User, OpError> {
    if app.keyring.row_is_intact(&user.check_bytes(), &user.row_check) {
        return Ok(user);
    }
    tracing::error!(user = %user.id, "the account was not written by this Keymint; it is refused");
    Err(OpError::Store(StoreError::Corrupt { table: "user_account", column: "row_check" }))
}

/// Makes a person a member, with the check of it.
///
/// # Errors
/// `StoreError::Unique` when it is one.
pub async fn join(
    app: &App,
    change: &mut Change<'_>,
    user: UserId,
    merchant: MerchantId,
    role: Role,
) -> Result<(), StoreError> {
    let check = app.keyring.row_check(&people::membership_bytes(user, merchant, role));
    let now = app.clock.now();
    people::join(change.conn(), user, merchant, (role, &check), now).await
}

/// Makes an account that is a member of a merchant: the operator's way, without a mail to it.
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
    let password = app.passwords.hash(&*app.entropy, new.password, &[&email, &name]).await?;
    let id = UserId::fresh(now, &*app.entropy)?;
    let user = User {
        id,
        email,
        name,
        password,
        created_at: now,
        phone: None,
        phone_verified_at: None,
        mail_codes_at: None,
        password_reset_at: None,
        row_check: Vec::new(),
    };
    let user = checked(app, user);
    let mut change = Change::begin(app, actor, Act::Operate).await?;
    merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    match people::insert(change.conn(), &user).await {
        Err(StoreError::Unique { .. }) => {
            let message = say!("refusal-account-exists").to_owned();
            return Err(OpError::Conflict { code: "email_taken", message });
        }
        other => other?,
    }
    join(app, &mut change, user.id, merchant, role).await?;
    let subject = user.id.to_string();
    let detail = json!({ "role": role.to_string() });
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

/// Signs in. `None` for a wrong password and for an unknown address alike, after the same work (T101). Tries are counted
/// for account and client together, so nobody can lock another out (T102).
///
/// # Errors
/// `TooMany` after too many failures; `Busy` when too many sign in at once.
pub async fn sign_in(
    app: &App,
    email: &str,
    password: SecretText,
    client: IpAddr,
) -> Result<Option<SignedIn>, OpError> {
    let (now, email) = (app.clock.now(), email.trim().to_lowercase());
    let attempt = format!("{client} {email}");
    if app.sign_ins.count(&attempt, now) > TRIES_MAX {
        return Err(OpError::TooMany);
    }
    let (user, means) = {
        let mut conn = app.db.read().await?;
        match people::find_by_email(&mut conn, &email).await? {
            Some(user) => {
                let user = intact(app, user)?;
                let means = Means::of(app, &mut conn, &user).await?;
                (Some(user), means)
            }
            None => (None, Means::default()),
        }
    };
    let hash = user.as_ref().map(|user| user.password.as_str());
    let is_right = app.passwords.matches(hash, password).await?;
    let Some(user) = user.filter(|_| is_right) else { return Ok(None) };
    app.sign_ins.forget(&attempt);
    let Some(factor) = means.first() else {
        return begin_session(app, user.id, client, None).await.map(|it| Some(SignedIn::Session(it)));
    };
    let challenge = proofs::ask(app, (user.id, None), (factor, means.address(factor)), SIGN_IN).await?;
    Ok(Some(SignedIn::Second(Second { challenge, instead: means.instead() })))
}

/// What the answer to a sign-in's second challenge is good for.
pub const SIGN_IN: &str = "sign_in";

/// Answers the second challenge of a sign-in: what the cookie is to hold. `None` for a wrong answer.
///
/// # Errors
/// `TooMany`.
pub async fn sign_in_second(
    app: &App,
    (id, code): (&str, &str),
    client: IpAddr,
) -> Result<Option<SecretText>, OpError> {
    let Some(answered) = proofs::answer(app, SIGN_IN, id, code).await? else { return Ok(None) };
    let Some(user) = answered.user else { return Ok(None) };
    spent_or_none(begin_session(app, user, client, Some(answered)).await)
}

/// The second challenge of a sign-in once more, after an answer that was not right.
///
/// # Errors
/// `OpError::Store`; `NotFound` where the id is none.
pub async fn second_again(app: &App, id: &str) -> Result<Second, OpError> {
    let id = id.parse().map_err(|_| OpError::NotFound("challenge"))?;
    let (user, challenge) = proofs::again(app, SIGN_IN, id).await?;
    let means = means_of(app, user).await?;
    let instead = means.instead().filter(|_| challenge.factor == Factor::Passkey);
    Ok(Second { challenge, instead })
}

/// Sends a code to the phone instead of asking for a passkey, in a sign-in whose password was right.
///
/// # Errors
/// `NotFound` where no such challenge is open, or the account has no phone for it; `TooMany`.
pub async fn second_by_phone(app: &App, id: &str) -> Result<Second, OpError> {
    let id = id.parse().map_err(|_| OpError::NotFound("challenge"))?;
    let (user, _) = proofs::again(app, SIGN_IN, id).await?;
    let means = means_of(app, user).await?;
    let (Some(user), Some(Factor::SentCode)) = (user, means.instead()) else {
        return Err(OpError::NotFound("challenge"));
    };
    let to = (Factor::SentCode, means.phone.as_deref());
    Ok(Second { challenge: proofs::ask(app, (user, None), to, SIGN_IN).await?, instead: None })
}

async fn means_of(app: &App, user: Option<UserId>) -> Result<Means, OpError> {
    let mut conn = app.db.read().await?;
    means::of_user(app, &mut conn, user).await
}

/// What the answer of somebody is good for who signs in with a passkey alone.
const PASSKEY_SIGN_IN: &str = "passkey_sign_in";
/// Sign-ins with a passkey alone that are begun from one address in half an hour, of which none ended well.
const PASSKEY_SIGN_INS_MAX: u32 = 60;

/// Begins a sign-in with a passkey alone: the authenticator says whose it is, and has verified its user, so it stands for
/// password and second factor (T114).
///
/// # Errors
/// `Conflict` with `no_passkeys`; `TooMany`.
pub async fn begin_passkey_sign_in(app: &App, client: IpAddr) -> Result<Challenge, OpError> {
    if app.sign_ins.count(&format!("passkey {client}"), app.clock.now()) > PASSKEY_SIGN_INS_MAX {
        return Err(OpError::TooMany);
    }
    proofs::ask_anybody(app, PASSKEY_SIGN_IN).await
}

/// Ends it: what the cookie is to hold. `None` for an answer that is not right.
///
/// # Errors
/// `OpError::Store`.
pub async fn passkey_sign_in(
    app: &App,
    (id, reply): (&str, &str),
    client: IpAddr,
) -> Result<Option<SecretText>, OpError> {
    let Some(answered) = proofs::answer(app, PASSKEY_SIGN_IN, id, reply).await? else { return Ok(None) };
    let Some(user) = answered.user else { return Ok(None) };
    let begun = spent_or_none(begin_session(app, user, client, Some(answered)).await)?;
    if begun.is_some() {
        app.sign_ins.forget(&format!("passkey {client}"));
    }
    Ok(begun)
}

/// A session whose answer somebody else has spent is none.
fn spent_or_none(begun: Result<SecretText, OpError>) -> Result<Option<SecretText>, OpError> {
    begun.map(Some).or_else(|error| match error {
        OpError::ProofNeeded => Ok(None),
        other => Err(other),
    })
}

/// Begins a session; an answer that led to it is spent in the same transaction.
async fn begin_session(
    app: &App,
    user: UserId,
    client: IpAddr,
    answered: Option<Answered>,
) -> Result<SecretText, OpError> {
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let mut proved_at = None;
    if let Some(answered) = &answered {
        proved_at = answered.proves(app, change.conn()).await?.then(|| app.clock.now());
        if !answered.spend(app, change.conn()).await? {
            return Err(OpError::ProofNeeded);
        }
    }
    let secret = add_session(app, &mut change, user, client, proved_at).await?;
    let subject = user.to_string();
    let detail = json!({ "client": client.to_string() });
    change.commit(Saying { action: "user.signed_in", subject: &subject, merchant: None, detail }, Vec::new()).await?;
    Ok(secret)
}

/// Adds a session within a change: what its cookie is to hold.
///
/// # Errors
/// `OpError::Store`, `OpError::Entropy`.
pub async fn add_session(
    app: &App,
    change: &mut Change<'_>,
    user: UserId,
    client: IpAddr,
    proved_at: Option<UnixMs>,
) -> Result<SecretText, OpError> {
    let (now, secret) = (app.clock.now(), cookie_secret(app)?);
    let id = SessionId::fresh(now, &*app.entropy)?;
    let client = Some(client.to_string());
    let session = Session { id, user_id: user, created_at: now, seen_at: now, proved_at, client };
    sessions::insert(change.conn(), &session, &digest_of(app, secret.expose())).await?;
    Ok(secret)
}

/// Goes on only with the account's password.
///
/// # Errors
/// `Field` when it is another; `TooMany`; `Busy`.
pub async fn check_password(app: &App, person: &Person, password: SecretText) -> Result<(), OpError> {
    let attempt = format!("again {}", person.user);
    if app.sign_ins.count(&attempt, app.clock.now()) > TRIES_MAX {
        return Err(OpError::TooMany);
    }
    let user = {
        let mut conn = app.db.read().await?;
        people::find(&mut conn, person.user).await?.map(|user| intact(app, user)).transpose()?
    };
    if !app.passwords.matches(user.as_ref().map(|user| user.password.as_str()), password).await? {
        return field("password", say!("input-password-wrong"));
    }
    app.sign_ins.forget(&attempt);
    Ok(())
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
    let session = sessions::find(&mut conn, &digest_of(app, cookie)).await?.filter(|session| is_alive(session, now));
    let Some(session) = session else { return Ok(None) };
    let Some(user) = people::find(&mut conn, session.user_id).await? else { return Ok(None) };
    let user = intact(app, user)?;
    let mut memberships = people::memberships(&mut conn, user.id).await?;
    memberships.retain(|one| {
        let bytes = people::membership_bytes(user.id, one.merchant_id, one.role);
        app.keyring.row_is_intact(&bytes, &one.row_check) && roles::is_intact(app, one)
    });
    let means = Means::of(app, &mut conn, &user).await?;
    drop(conn);
    if now.0 - session.seen_at.0 > SEEN_MS {
        let mut tx = app.db.write().await?;
        sessions::see(tx.conn(), session.id, now).await?;
        tx.commit().await?;
    }
    Ok(Some(Person {
        session: session.id,
        user: user.id,
        name: user.name,
        email: user.email,
        memberships,
        proved_at: session.proved_at,
        means,
        now,
    }))
}

/// Writes down that a viewer has seen a page: whoever only looks on leaves a trace as well.
///
/// # Errors
/// `TooMany` from one who asks faster than anybody reads: each view is a change of the ledger. `OpError::Store`.
pub async fn note_view(app: &App, actor: Actor, page: &str) -> Result<(), OpError> {
    let Actor::Member(user, merchant, Role::Viewer, _) = actor else { return Ok(()) };
    if app.views.count(&user.to_string(), app.clock.now()) > VIEWS_MAX {
        return Err(OpError::TooMany);
    }
    let change = Change::begin(app, actor, Act::See).await?;
    let saying = Saying { action: "page.viewed", subject: page, merchant: Some(merchant), detail: json!({}) };
    change.commit(saying, Vec::new()).await
}

/// A person's sign-ins that live.
///
/// # Errors
/// `OpError::Store`.
pub async fn sessions_of(app: &App, person: &Person) -> Result<Vec<Session>, OpError> {
    let mut conn = app.db.read().await?;
    let sessions = sessions::of_user(&mut conn, person.user, UnixMs(person.now.0 - ABSOLUTE_MS)).await?;
    Ok(sessions.into_iter().filter(|session| is_alive(session, person.now)).collect())
}

/// Ends one of a person's sign-ins; all but this one for `None`.
///
/// # Errors
/// `OpError::Store`; `NotFound` where there is none of that id, or it is another's.
pub async fn end_sessions(app: &App, person: &Person, which: Option<SessionId>) -> Result<(), OpError> {
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let now = app.clock.now();
    match which {
        Some(id) => {
            if !sessions::end_of(change.conn(), id, person.user, now).await? {
                return Err(OpError::NotFound("session"));
            }
        }
        None => drop(sessions::end_others(change.conn(), person.user, Some(person.session), now).await?),
    }
    let subject = person.user.to_string();
    let detail = json!({ "session": which.map(|id| id.to_string()) });
    change.commit(Saying { action: "user.sessions_ended", subject: &subject, merchant: None, detail }, Vec::new()).await
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
