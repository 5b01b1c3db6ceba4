//! Passkeys: adding and removing them, and what is looked at when one answers a challenge. A ceremony's state stands in its
//! challenge, sealed for that challenge, its purpose, its person and its session: a row that was edited, or copied from
//! another, opens nothing (T56).

use aws_lc_rs::digest;
use keymint_domain::id::{ChallengeId, PasskeyId, SessionId, UserId};
use keymint_domain::role::Act;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::challenges::Asked;
use keymint_store::db::Conn;
use keymint_store::error::StoreError;
use keymint_store::passkeys::{self, Passkey};
use serde_json::{Value, json};

use crate::App;
use crate::ops::people::{self, Person};
use crate::ops::proofs::{self, Ask, Challenge};
use crate::ops::{Actor, Change, OpError, input, notices};
use crate::say;
use crate::webauthn::{Begun, Ceremonies, Claimed, Owner};

/// Passkeys of one account.
const PASSKEYS_MAX: i64 = 10;
const ADD: &str = "passkey_add";

/// For what a challenge is: its state opens for nothing else.
pub struct Bound<'a> {
    /// The challenge.
    pub id: ChallengeId,
    /// What the answer is good for.
    pub purpose: &'a str,
    /// Whose answer; anybody's where nobody has said yet who they are.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
}

impl Bound<'_> {
    /// What is sealed or checked for it.
    pub fn record(&self) -> String {
        let Self { id, purpose, user, session } = self;
        let user = user.map_or_else(String::new, |user| user.to_string());
        let session = session.map_or_else(String::new, |session| session.to_string());
        format!("challenge\0{id}\0{purpose}\0{user}\0{session}")
    }
}

/// The name that an authenticator gives back for a person: nothing of theirs can be read out of it.
fn handle_of(user: UserId) -> [u8; 16] {
    let digest = digest::digest(&digest::SHA256, format!("keymint passkey user v1\0{user}").as_bytes());
    *digest.as_ref().first_chunk().expect("SHA-256 gives 32 bytes")
}

fn ceremonies(app: &App) -> Result<&Ceremonies, OpError> {
    app.ceremonies.as_ref().ok_or_else(|| {
        let message = say!("refusal-no-passkeys").to_owned();
        OpError::Conflict { code: "no_passkeys", message }
    })
}

/// What a challenge keeps of its ceremony.
fn sealed(app: &App, bound: &Bound<'_>, begun: &Begun) -> Result<Value, OpError> {
    let text = SecretText::new(serde_json::to_string(begun).map_err(|_| OpError::Seal)?);
    let sealed = app.keyring.seal_for(&bound.record(), &text, &*app.entropy).map_err(|_| OpError::Seal)?;
    Ok(json!(data_encoding::BASE64.encode(&sealed)))
}

fn opened(app: &App, bound: &Bound<'_>, asked: &Asked) -> Option<Begun> {
    let detail: Value = serde_json::from_str(&asked.detail).ok()?;
    let sealed = data_encoding::BASE64.decode(detail.get("passkey")?.as_str()?.as_bytes()).ok()?;
    let text = app.keyring.open_for(&bound.record(), &sealed).ok()?;
    serde_json::from_str(text.expose()).ok()
}

/// Asks for a passkey: what the browser is asked, and what the challenge keeps.
///
/// # Errors
/// `Conflict` with `no_passkeys`; `OpError::Store`.
pub async fn ask(app: &App, conn: &mut Conn, bound: &Bound<'_>) -> Result<(String, Value), OpError> {
    let allowed = match bound.user {
        Some(user) => passkeys::of_user(conn, user).await?,
        None => Vec::new(),
    };
    let allowed: Vec<_> = allowed.into_iter().filter(|it| is_intact(app, it)).map(|it| it.credential_id).collect();
    let begun = ceremonies(app)?.begin(&allowed).map_err(|_| OpError::Seal)?;
    Ok((begun.options.to_string(), sealed(app, bound, &begun)?))
}

/// What the browser was asked, to ask it once more after an answer that was not right.
pub fn asked_again(app: &App, bound: &Bound<'_>, asked: &Asked) -> Option<String> {
    Some(opened(app, bound, asked)?.options.to_string())
}

fn is_intact(app: &App, row: &Passkey) -> bool {
    let is_intact = app.keyring.row_is_intact(&row.check_bytes(), &row.row_check);
    if !is_intact {
        tracing::error!(passkey = %row.id, "the passkey was not written by this Keymint; it lets nobody in");
    }
    is_intact
}

/// A right answer with a passkey, which has yet to be noted.
pub struct Use {
    row: Passkey,
    before: Vec<u8>,
}

impl Use {
    /// Whose passkey it was.
    pub fn user(&self) -> UserId {
        self.row.user_id
    }

    /// Notes counter, flags and moment. False when the passkey is gone, or was used in between.
    ///
    /// # Errors
    /// `OpError::Store`.
    pub async fn note(&self, conn: &mut Conn, now: UnixMs) -> Result<bool, StoreError> {
        passkeys::note_use(conn, &self.row, &self.before, now).await
    }
}

/// Looks at an answer with a passkey. `None`: it is not right; why, only the log says.
///
/// # Errors
/// `OpError::Store`.
pub async fn look(app: &App, bound: &Bound<'_>, asked: &Asked, reply: &str) -> Result<Option<Use>, OpError> {
    let (Some(ceremonies), Some(begun)) = (&app.ceremonies, opened(app, bound, asked)) else { return Ok(None) };
    let Some(claimed) = Claimed::parse(reply) else { return Ok(None) };
    let row = {
        let mut conn = app.db.read().await?;
        passkeys::find(&mut conn, &claimed.credential_id).await?
    };
    let Some(row) = row.filter(|row| is_intact(app, row)) else { return Ok(None) };
    // Whoever has not said who they are is told by the authenticator; whoever has may be told again, and then the same.
    let is_theirs = match (bound.user, claimed.handle.as_deref()) {
        (None, handle) => handle == Some(&handle_of(row.user_id)),
        (Some(user), None) => row.user_id == user,
        (Some(user), Some(handle)) => row.user_id == user && handle == handle_of(user),
    };
    if !is_theirs {
        return Ok(None);
    }
    match ceremonies.end(&begun.state, &claimed, &row.public) {
        Ok(public) => {
            let before = row.row_check.clone();
            Ok(Some(Use { row: checked(app, Passkey { public, ..row }), before }))
        }
        Err(error) => {
            tracing::warn!(passkey = %row.id, %error, "an answer with a passkey was refused");
            Ok(None)
        }
    }
}

fn checked(app: &App, row: Passkey) -> Passkey {
    Passkey { row_check: app.keyring.row_check(&row.check_bytes()), ..row }
}

/// A person's, the oldest first.
///
/// # Errors
/// `OpError::Store`.
pub async fn list(app: &App, person: &Person) -> Result<Vec<Passkey>, OpError> {
    let mut conn = app.db.read().await?;
    Ok(passkeys::of_user(&mut conn, person.user).await?)
}

fn check_amount(amount: i64) -> Result<(), OpError> {
    if amount < PASSKEYS_MAX {
        return Ok(());
    }
    let message = say!("refusal-passkeys-most", most = PASSKEYS_MAX);
    Err(OpError::Conflict { code: "passkeys_max", message })
}

/// Begins to add one. The password is asked for, as for every factor: a session alone must not bind its account to
/// somebody else's device.
///
/// # Errors
/// `Field`; `ProofNeeded` where there is a second factor; `Conflict`.
pub async fn begin(app: &App, person: &Person, name: &str, password: SecretText) -> Result<Challenge, OpError> {
    let ceremonies = ceremonies(app)?;
    person.require_proof()?;
    let name = input::text("name", name, 1..=60)?;
    people::check_password(app, person, password).await?;
    let mut tx = app.db.write().await?;
    let existing = passkeys::of_user(tx.conn(), person.user).await?;
    check_amount(i64::try_from(existing.len()).unwrap_or(i64::MAX))?;
    let owner = Owner { handle: handle_of(person.user), email: &person.email, name: &person.name };
    let existing = existing.into_iter().map(|it| it.credential_id).collect();
    let begun = ceremonies.begin_registration(&owner, existing).map_err(|_| OpError::Seal)?;
    let id = ChallengeId::fresh(app.clock.now(), &*app.entropy)?;
    let (user, session) = (Some(person.user), Some(person.session));
    let bound = Bound { id, purpose: ADD, user, session };
    let detail = json!({ "passkey": sealed(app, &bound, &begun)?, "name": name });
    proofs::insert(app, tx.conn(), id, &Ask { purpose: ADD, user, session, detail }, None).await?;
    tx.commit().await?;
    Ok(Challenge { options: begun.options.to_string(), ..Challenge::new(id, proofs::Factor::Passkey) })
}

/// Adds it, with what the browser answers.
///
/// # Errors
/// `Conflict` where it is not accepted, is there already, or there are too many; `TooMany`.
pub async fn confirm(app: &App, person: &Person, (id, reply): (&str, &str)) -> Result<(), OpError> {
    let refused = || {
        let message = say!("refusal-passkey").to_owned();
        OpError::Conflict { code: "passkey_refused", message }
    };
    let tried = proofs::count_try(app, ADD, id).await?.ok_or_else(refused)?;
    let (user, session) = (tried.asked.user, tried.asked.session);
    if user != Some(person.user) || session != Some(person.session) {
        return Err(refused());
    }
    let bound = Bound { id: tried.id, purpose: ADD, user, session };
    let begun = opened(app, &bound, &tried.asked).ok_or_else(refused)?;
    let registered = ceremonies(app)?.end_registration(&begun.state, reply).map_err(|error| {
        tracing::warn!(%error, "a new passkey was refused");
        refused()
    })?;
    let detail: Value = serde_json::from_str(&tried.asked.detail).unwrap_or_default();
    let now = app.clock.now();
    let row = Passkey {
        id: PasskeyId::fresh(now, &*app.entropy)?,
        user_id: person.user,
        credential_id: registered.credential_id,
        name: detail.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        public: registered.public,
        created_at: now,
        last_used_at: None,
        row_check: Vec::new(),
    };
    let row = checked(app, row);
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    if !proofs::spend(change.conn(), &tried, now).await? {
        return Err(refused());
    }
    check_amount(passkeys::count(change.conn(), person.user).await?)?;
    match passkeys::insert(change.conn(), &row).await {
        Err(StoreError::Unique { .. }) => {
            let message = say!("refusal-passkey-exists").to_owned();
            return Err(OpError::Conflict { code: "passkey_exists", message });
        }
        other => other?,
    }
    let text = say!("mail-passkey-added-text", name = row.name);
    let words = (say!("mail-passkey-added"), text.as_str());
    notices::own_factors(app, change, person, ("user.passkey_added", named(&row)), words).await
}

/// Takes one away. Needs a fresh proof.
///
/// # Errors
/// `ProofNeeded`; `NotFound` where there is none of that id, or it is another's.
pub async fn remove(app: &App, person: &Person, id: PasskeyId) -> Result<(), OpError> {
    person.require_proof()?;
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let rows = passkeys::of_user(change.conn(), person.user).await?;
    let row = rows.into_iter().find(|row| row.id == id).ok_or(OpError::NotFound("passkey"))?;
    passkeys::remove(change.conn(), id, person.user).await?;
    let text = say!("mail-passkey-removed-text", name = row.name);
    let words = (say!("mail-passkey-removed"), text.as_str());
    notices::own_factors(app, change, person, ("user.passkey_removed", named(&row)), words).await
}

fn named(row: &Passkey) -> Value {
    json!({ "passkey": row.id.to_string(), "name": row.name.as_str() })
}
