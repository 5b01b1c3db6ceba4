//! Second proofs: passkeys, codes of an authenticator app, codes by text message or mail, recovery codes. A challenge is good for one act in
//! one session, is answered once, and is tried five times at most; tries are counted in a transaction of their own, before
//! they are looked at, whichever page they come from (T98, T99).

use keymint_domain::entropy::draw_text;
use keymint_domain::id::{ChallengeId, SessionId, UserId};
use keymint_domain::role::Act;
use keymint_domain::secret::{self, SecretText};
use keymint_domain::time::UnixMs;
use keymint_store::challenges;
use keymint_store::db::Conn;
use keymint_store::letters::Channel;
use keymint_store::{factors, sessions};
use serde_json::{Value, json};

use crate::App;
use crate::ops::authenticator;
use crate::ops::means;
use crate::ops::passkeys::{self, Bound};
use crate::ops::people::{self, Person};
use crate::ops::{Actor, Change, OpError, Saying};
use crate::say;

/// How long a challenge may be answered. Milliseconds.
const LIFE_MS: i64 = 10 * 60 * 1000;
/// How long a proof that was given covers further acts of its session. Milliseconds.
pub const FRESH_MS: i64 = 15 * 60 * 1000;
/// Tries of one challenge.
const TRIES_MAX: i64 = 5;
/// Tries of one account in one hour, over all its challenges: the next one is refused until the hour is over, or an owner
/// lets the person try again.
const HOUR_TRIES_MAX: i64 = 9;
const HOUR_MS: i64 = 3_600_000;
/// Where the tries of people with an account are counted, each apart.
const COUNTED: [&str; 2] = ["signed in", people::SIGN_IN];
/// Challenges that send something, of one account in half an hour.
const SENT_MAX: u32 = 10;
/// Digits of a code for someone who has signed in.
pub const DIGITS: usize = 6;
/// Digits of one for someone who has not.
pub const OPEN_DIGITS: usize = 8;

/// With what a person answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// A passkey.
    Passkey,
    /// The authenticator app; a recovery code does as well.
    Authenticator,
    /// A code that was sent: to the phone, or to an address that is to be confirmed.
    SentCode,
    /// A code by mail to the account's address.
    MailedCode,
}

/// A challenge that was asked.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Its id, for the answer.
    pub id: ChallengeId,
    /// With what it is answered.
    pub factor: Factor,
    /// Where the code went, most of it hidden; empty where none was sent.
    pub sent_to: String,
    /// What the browser is asked for a passkey, as JSON; empty where it is none.
    pub options: String,
}

impl Challenge {
    /// One of which nothing else is to be told.
    pub fn new(id: ChallengeId, factor: Factor) -> Self {
        Self { id, factor, sent_to: String::new(), options: String::new() }
    }
}

/// A challenge to be asked.
pub struct Ask<'a> {
    /// What the answer is good for.
    pub purpose: &'a str,
    /// Whose answer; nobody's: none is right.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// What happens then.
    pub detail: Value,
}

/// What is compared with an answer: over all that it is good for, so that a challenge that was edited, or given to somebody
/// else, has no right answer (T56).
fn check_of(app: &App, bound: &Bound<'_>, detail: &str, code: &str) -> Vec<u8> {
    app.keyring.token_mac(format!("code\0{}\0{detail}\0{code}", bound.record()).as_bytes()).1.to_vec()
}

/// What a challenge's detail says where its code went by mail to prove who is there.
const BY_MAIL: &str = "by_mail";

fn is_by_mail(detail: &Value) -> bool {
    detail.get(BY_MAIL).and_then(Value::as_bool).unwrap_or(false)
}

/// A code as it was typed: without what people and telephones put between digits.
pub fn plain(code: &str) -> String {
    code.chars().filter(|character| character.is_ascii_alphanumeric()).take(32).collect::<String>().to_ascii_uppercase()
}

/// Asks with a code of so many digits; gives the code, which is to be sent.
///
/// # Errors
/// `OpError::Store`, `OpError::Entropy`.
pub async fn ask_with_code(
    app: &App,
    conn: &mut Conn,
    ask: Ask<'_>,
    digits: usize,
) -> Result<(ChallengeId, SecretText), OpError> {
    let code = SecretText::new(draw_text(&*app.entropy, b"0123456789", digits)?);
    let id = ChallengeId::fresh(app.clock.now(), &*app.entropy)?;
    insert(app, conn, id, &ask, Some(&code)).await?;
    Ok((id, code))
}

/// Stores a challenge.
///
/// # Errors
/// `OpError::Store`.
pub async fn insert(
    app: &App,
    conn: &mut Conn,
    id: ChallengeId,
    ask: &Ask<'_>,
    code: Option<&SecretText>,
) -> Result<(), OpError> {
    let now = app.clock.now();
    let detail = ask.detail.to_string();
    let bound = Bound { id, purpose: ask.purpose, user: ask.user, session: ask.session };
    let check = code.map(|code| check_of(app, &bound, &detail, code.expose()));
    let challenge = challenges::Challenge {
        id,
        purpose: ask.purpose,
        user: ask.user,
        session: ask.session,
        code_check: check.as_deref(),
        detail: &detail,
        created_at: now,
        expires_at: UnixMs(now.0 + LIFE_MS),
    };
    challenges::prune(conn, UnixMs(now.0 - HOUR_MS)).await?;
    Ok(challenges::insert(conn, &challenge).await?)
}

/// A right answer, which has yet to be spent.
pub struct Answered {
    /// The challenge.
    pub id: ChallengeId,
    /// Whose.
    pub user: Option<UserId>,
    /// In which session it was asked.
    pub session: Option<SessionId>,
    /// What happens now.
    pub detail: Value,
    subject: String,
    used: Used,
}

enum Used {
    Code,
    Mailed(UserId),
    Step(UserId, i64),
    Recovery(UserId, Vec<u8>),
    Passkey(passkeys::Use),
}

impl Answered {
    /// Spends it, in the transaction of the act it is for. False when another request was quicker with the same answer, or
    /// codes by mail are not what the account is asked for any more.
    ///
    /// # Errors
    /// `OpError::Store`.
    pub async fn spend(&self, app: &App, conn: &mut Conn) -> Result<bool, OpError> {
        let now = app.clock.now();
        let is_first = challenges::spend(conn, self.id, now).await?
            && match &self.used {
                Used::Code => true,
                Used::Mailed(user) => means::of_user(app, conn, Some(*user)).await?.first() == Some(Factor::MailedCode),
                Used::Passkey(used) => used.note(conn, now).await?,
                Used::Step(user, step) => factors::use_step(conn, *user, *step).await?,
                Used::Recovery(user, check) => factors::use_code(conn, *user, check, now).await?,
            };
        if is_first {
            challenges::forget_count(conn, &self.subject).await?;
        }
        Ok(is_first)
    }

    /// Whether it proves who is there, besides letting them in: a code by mail does not while codes by mail rest.
    ///
    /// # Errors
    /// `OpError::Store`.
    pub async fn proves(&self, app: &App, conn: &mut Conn) -> Result<bool, OpError> {
        let Used::Mailed(user) = self.used else { return Ok(true) };
        Ok(means::of_user(app, conn, Some(user)).await?.rests_until().is_none())
    }
}

/// A challenge of which a try was counted.
pub struct Tried {
    /// Its id.
    pub id: ChallengeId,
    /// What the try is measured against.
    pub asked: challenges::Asked,
    subject: String,
}

/// Counts a try, before anything of it is looked at. `None`: there is no such challenge to be tried any more.
///
/// # Errors
/// `TooMany` when the account has had its tries of this hour.
pub async fn count_try(app: &App, purpose: &str, id: &str) -> Result<Option<Tried>, OpError> {
    let (Ok(id), now) = (id.parse::<ChallengeId>(), app.clock.now()) else { return Ok(None) };
    let mut tx = app.db.write().await?;
    let asked = challenges::count_try(tx.conn(), (id, purpose), TRIES_MAX, now).await?;
    let subject = match asked.as_ref().and_then(|asked| asked.user) {
        // Whoever has not signed in must not use up the tries of someone who has.
        Some(user) if asked.as_ref().is_some_and(|asked| asked.session.is_some()) => tries_of("signed in", user),
        Some(user) => tries_of(purpose, user),
        None => format!("challenge {id}"),
    };
    let hour = hour_of(now);
    let count = if asked.is_some() { challenges::count_of(tx.conn(), &subject, hour).await? } else { 0 };
    tx.commit().await?;
    if count > HOUR_TRIES_MAX {
        return Err(OpError::TooMany);
    }
    Ok(asked.map(|asked| Tried { id, asked, subject }))
}

/// Spends a challenge whose answer was right. False when another request was quicker.
///
/// # Errors
/// `OpError::Store`.
pub async fn spend(conn: &mut Conn, tried: &Tried, now: UnixMs) -> Result<bool, OpError> {
    let is_first = challenges::spend(conn, tried.id, now).await?;
    if is_first {
        challenges::forget_count(conn, &tried.subject).await?;
    }
    Ok(is_first)
}

/// Looks at an answer: a code, or what a browser says of a passkey, which is JSON. `None`: wrong, too late, of another
/// purpose, or tried too often; which of them is not told.
///
/// # Errors
/// `TooMany` when the account has had its tries of this hour.
pub async fn answer(app: &App, purpose: &str, id: &str, answer: &str) -> Result<Option<Answered>, OpError> {
    let Some(Tried { id, asked, subject }) = count_try(app, purpose, id).await? else { return Ok(None) };
    let code = plain(answer);
    let detail: Value = serde_json::from_str(&asked.detail).unwrap_or_default();
    let bound = Bound { id, purpose, user: asked.user, session: asked.session };
    let used = if answer.starts_with('{') {
        passkeys::look(app, &bound, &asked, answer).await?.map(Used::Passkey)
    } else if asked.code_check.is_empty() {
        match asked.user {
            Some(user) => authenticator_use(app, user, &code).await?,
            None => None,
        }
    } else {
        let used = asked.user.filter(|_| is_by_mail(&detail)).map_or(Used::Code, Used::Mailed);
        secret::equal(&check_of(app, &bound, &asked.detail, &code), &asked.code_check).then_some(used)
    };
    Ok(used.map(|used| {
        let user = if let Used::Passkey(used) = &used { Some(used.user()) } else { asked.user };
        Answered { id, user, session: asked.session, detail, subject, used }
    }))
}

/// What the tries of an account are counted under.
fn tries_of(where_to: &str, user: UserId) -> String {
    format!("{where_to} {user}")
}

fn hour_of(now: UnixMs) -> UnixMs {
    UnixMs(now.0 - now.0.rem_euclid(HOUR_MS))
}

/// The accounts that have had their tries of this hour, at signing in or after it.
pub struct Locked(Vec<String>);

impl Locked {
    /// Whether this account is one.
    pub fn contains(&self, user: UserId) -> bool {
        COUNTED.iter().any(|where_to| self.0.contains(&tries_of(where_to, user)))
    }
}

/// All that are locked.
///
/// # Errors
/// `OpError::Store`.
pub async fn locked(app: &App) -> Result<Locked, OpError> {
    let mut conn = app.db.read().await?;
    Ok(Locked(challenges::over(&mut conn, hour_of(app.clock.now()), HOUR_TRIES_MAX).await?))
}

/// Lets an account try again.
///
/// # Errors
/// `OpError::Store`.
pub async fn unlock(conn: &mut Conn, user: UserId) -> Result<(), OpError> {
    for where_to in COUNTED {
        challenges::forget_count(conn, &tries_of(where_to, user)).await?;
    }
    Ok(())
}

async fn authenticator_use(app: &App, user: UserId, code: &str) -> Result<Option<Used>, OpError> {
    if code.len() != DIGITS {
        return Ok(Some(Used::Recovery(user, authenticator::recovery_check(app, user, code))));
    }
    let step = authenticator::step_of(app, user, code).await?;
    Ok(step.map(|step| Used::Step(user, step)))
}

/// Most of a number hidden.
pub fn hidden(phone: &str) -> String {
    let tail = phone.len().saturating_sub(3);
    format!("{}…{}", phone.get(..3).unwrap_or_default(), phone.get(tail..).unwrap_or_default())
}

/// Asks a person to prove an act: sends a code where the factor needs one.
///
/// # Errors
/// `Conflict` with `no_factor`; `TooMany` when too many codes were sent.
pub async fn ask(
    app: &App,
    (user, session): (UserId, Option<SessionId>),
    (factor, to): (Factor, Option<&str>),
    purpose: &str,
) -> Result<Challenge, OpError> {
    let mut ask = Ask { purpose, user: Some(user), session, detail: json!({}) };
    let id = ChallengeId::fresh(app.clock.now(), &*app.entropy)?;
    let mut tx;
    let challenge = match (factor, to) {
        (Factor::Passkey, _) => {
            tx = app.db.write().await?;
            let bound = Bound { id, purpose, user: Some(user), session };
            let (options, sealed) = passkeys::ask(app, tx.conn(), &bound).await?;
            ask.detail = json!({ "passkey": sealed });
            insert(app, tx.conn(), id, &ask, None).await?;
            Challenge { options, ..Challenge::new(id, factor) }
        }
        (Factor::Authenticator, _) => {
            tx = app.db.write().await?;
            insert(app, tx.conn(), id, &ask, None).await?;
            Challenge::new(id, factor)
        }
        (Factor::SentCode, Some(phone)) => {
            count_sent(app, user)?;
            tx = app.db.write().await?;
            let (id, code) = ask_with_code(app, tx.conn(), ask, DIGITS).await?;
            let body = SecretText::new(say!("mail-sms-code-text", code = code.expose()));
            app.write_letter(tx.conn(), (Channel::Sms, phone), say!("mail-code"), &body).await?;
            Challenge { sent_to: hidden(phone), ..Challenge::new(id, factor) }
        }
        (Factor::MailedCode, Some(address)) => {
            count_sent(app, user)?;
            ask.detail = json!({ BY_MAIL: true });
            tx = app.db.write().await?;
            let (id, code) = ask_with_code(app, tx.conn(), ask, DIGITS).await?;
            let body = SecretText::new(say!("mail-code-text", code = code.expose()));
            app.write_letter(tx.conn(), (Channel::Mail, address), say!("mail-code"), &body).await?;
            Challenge { sent_to: address.to_owned(), ..Challenge::new(id, factor) }
        }
        (Factor::SentCode | Factor::MailedCode, None) => return Err(no_factor()),
    };
    tx.commit().await?;
    app.post.wake();
    Ok(challenge)
}

/// Asks for any passkey that the browser finds.
///
/// # Errors
/// `Conflict` with `no_passkeys`.
pub async fn ask_anybody(app: &App, purpose: &str) -> Result<Challenge, OpError> {
    let id = ChallengeId::fresh(app.clock.now(), &*app.entropy)?;
    let bound = Bound { id, purpose, user: None, session: None };
    let mut tx = app.db.write().await?;
    let (options, sealed) = passkeys::ask(app, tx.conn(), &bound).await?;
    let ask = Ask { purpose, user: None, session: None, detail: json!({ "passkey": sealed }) };
    insert(app, tx.conn(), id, &ask, None).await?;
    tx.commit().await?;
    Ok(Challenge { options, ..Challenge::new(id, Factor::Passkey) })
}

/// A challenge as it was asked, to ask it once more after an answer that was not right: that has used up one of its tries.
/// Where it is none any more, nothing of it is told.
///
/// # Errors
/// `OpError::Store`.
pub async fn again(app: &App, purpose: &str, id: ChallengeId) -> Result<(Option<UserId>, Challenge), OpError> {
    let asked = {
        let mut conn = app.db.read().await?;
        challenges::find(&mut conn, (id, purpose), app.clock.now()).await?
    };
    let Some(asked) = asked else { return Ok((None, Challenge::new(id, Factor::Authenticator))) };
    let bound = Bound { id, purpose, user: asked.user, session: asked.session };
    let challenge = match passkeys::asked_again(app, &bound, &asked) {
        Some(options) => Challenge { options, ..Challenge::new(id, Factor::Passkey) },
        None if asked.code_check.is_empty() => Challenge::new(id, Factor::Authenticator),
        None if is_by_mail(&serde_json::from_str(&asked.detail).unwrap_or_default()) => {
            Challenge::new(id, Factor::MailedCode)
        }
        None => Challenge::new(id, Factor::SentCode),
    };
    Ok((asked.user, challenge))
}

/// Counts a code that is about to be sent.
///
/// # Errors
/// `TooMany`.
pub fn count_sent(app: &App, user: UserId) -> Result<(), OpError> {
    let count = app.sent_codes.count(&user.to_string(), app.clock.now());
    if count > SENT_MAX { Err(OpError::TooMany) } else { Ok(()) }
}

/// What a person without a second factor is told.
fn no_factor() -> OpError {
    let message = say!("refusal-no-factor").to_owned();
    OpError::Conflict { code: "no_factor", message }
}

/// Whether a proof given in this session still covers its acts.
pub fn is_fresh(proved_at: Option<UnixMs>, now: UnixMs) -> bool {
    proved_at.is_some_and(|at| now.0 - at.0 < FRESH_MS)
}

/// Gives a proof for an act of this session. From then on the session has another cookie, which is returned; `None` for a
/// wrong answer.
///
/// # Errors
/// `TooMany`.
pub async fn give(
    app: &App,
    person: &Person,
    purpose: &str,
    (id, code): (&str, &str),
) -> Result<Option<SecretText>, OpError> {
    let Some(answered) = answer(app, purpose, id, code).await? else { return Ok(None) };
    if answered.user != Some(person.user) || answered.session != Some(person.session) {
        return Ok(None);
    }
    let (now, secret) = (app.clock.now(), people::cookie_secret(app)?);
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let digest = people::digest_of(app, secret.expose());
    if !answered.proves(app, change.conn()).await?
        || !answered.spend(app, change.conn()).await?
        || !sessions::prove(change.conn(), person.session, &digest, now).await?
    {
        return Ok(None);
    }
    let subject = person.user.to_string();
    let detail = json!({ "session": person.session.to_string(), "for": purpose });
    change.commit(Saying { action: "user.proved", subject: &subject, merchant: None, detail }, Vec::new()).await?;
    Ok(Some(secret))
}
