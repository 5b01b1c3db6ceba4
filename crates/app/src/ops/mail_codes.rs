//! Codes by mail as a second factor: turning them on and off. The weakest of the factors, because whoever reads the mail
//! can set the password anew as well; what follows from that stands in `means.rs`, and how a code is given in `proofs.rs`.

use keymint_domain::role::Act;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::letters::Channel;
use keymint_store::people::{self as store, User};
use serde_json::json;

use crate::App;
use crate::ops::people::{self, Person};
use crate::ops::proofs::{self, Ask, Challenge};
use crate::ops::{Actor, Change, OpError, notices};
use crate::say;

/// What the code is good for that turns them on.
const TURN_ON: &str = "mail_codes";

fn conflict(code: &'static str, message: &str) -> OpError {
    OpError::Conflict { code, message: message.to_owned() }
}

/// Begins to turn them on: sends a code, which shows that mail arrives. Needs the password, and a fresh proof where there is
/// a second factor already.
///
/// # Errors
/// `Field`; `ProofNeeded`; `TooMany`; `Conflict` with `no_mail` where no mail goes out, `mail_codes_on` where they are on,
/// and `mail_rests` where the password was set anew by mail a short while ago.
pub async fn begin(app: &App, person: &Person, password: SecretText) -> Result<Challenge, OpError> {
    person.require_proof()?;
    if !app.post.carries(Channel::Mail) {
        return Err(conflict("no_mail", say!("refusal-no-mail")));
    }
    if person.means.mail.is_some() {
        return Err(conflict("mail_codes_on", say!("refusal-mail-codes-on")));
    }
    if person.means.mail_rests_until.is_some() {
        let message = say!("refusal-mail-rests");
        return Err(conflict("mail_rests", message));
    }
    people::check_password(app, person, password).await?;
    proofs::count_sent(app, person.user)?;
    let mut tx = app.db.write().await?;
    let ask = Ask { purpose: TURN_ON, user: Some(person.user), session: Some(person.session), detail: json!({}) };
    let (id, code) = proofs::ask_with_code(app, tx.conn(), ask, proofs::DIGITS).await?;
    let body = SecretText::new(say!("mail-turn-on-text", code = code.expose()));
    app.write_letter(tx.conn(), (Channel::Mail, &person.email), say!("common-turn-mail-codes-on"), &body).await?;
    tx.commit().await?;
    app.post.wake();
    Ok(Challenge { sent_to: person.email.clone(), ..Challenge::new(id, proofs::Factor::SentCode) })
}

/// Turns them on with the code. False for a wrong one.
///
/// # Errors
/// `TooMany`.
pub async fn confirm(app: &App, person: &Person, (id, code): (&str, &str)) -> Result<bool, OpError> {
    let Some(answered) = proofs::answer(app, TURN_ON, id, code).await? else { return Ok(false) };
    if answered.user != Some(person.user) || answered.session != Some(person.session) {
        return Ok(false);
    }
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    if !answered.spend(app, change.conn()).await? {
        return Ok(false);
    }
    set(app, &mut change, person, Some(app.clock.now())).await?;
    let words = (say!("mail-codes-turned-on"), say!("mail-codes-turned-on-text"));
    notices::own_factors(app, change, person, ("user.mail_codes_on", json!({})), words).await?;
    Ok(true)
}

/// Turns them off. Needs a fresh proof.
///
/// # Errors
/// `ProofNeeded`.
pub async fn remove(app: &App, person: &Person) -> Result<(), OpError> {
    person.require_proof()?;
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    set(app, &mut change, person, None).await?;
    let words = (say!("mail-codes-turned-off"), say!("mail-codes-turned-off-text"));
    notices::own_factors(app, change, person, ("user.mail_codes_off", json!({})), words).await
}

async fn set(app: &App, change: &mut Change<'_>, person: &Person, at: Option<UnixMs>) -> Result<(), OpError> {
    let row = store::find(change.conn(), person.user).await?.ok_or(OpError::NotFound("account"))?;
    let row = User { mail_codes_at: at, ..people::intact(app, row)? };
    Ok(store::update(change.conn(), &people::checked(app, row)).await?)
}
