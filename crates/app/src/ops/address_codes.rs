//! The two codes with which a person saves the addresses that may use a live key, where the dialect asks for them: one goes
//! to the phone, one to the address for mail. Both halves are one challenge, so that they are tried, used and forgotten
//! together, and nobody learns which of them was wrong. It is bound to the key and to the list: other addresses need other
//! codes.

use keymint_domain::credential::Credential;
use keymint_domain::dialect::AddressesProof;
use keymint_domain::mode::Mode;
use keymint_domain::secret::SecretText;
use keymint_store::db::Conn;
use keymint_store::letters::Channel;
use serde_json::{Value, json};

use crate::App;
use crate::ops::people::Person;
use crate::ops::proofs::{self, Answered, Ask, Challenge, DIGITS, Factor};
use crate::ops::{Actor, OpError};
use crate::say;

/// What the codes are good for.
const PURPOSE: &str = "addresses";

/// What a person typed, one of each.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The challenge.
    pub challenge: &'a str,
    /// The code from the text message.
    pub phone: &'a str,
    /// The code from the mail.
    pub mail: &'a str,
}

/// Both codes, right and not yet spent.
pub struct AddressCodes(Answered);

/// Whether whoever changes the list of a credential of this mode gives the codes: people alone do, a token has no phone.
pub fn are_asked(proof: AddressesProof, actor: Actor, mode: Mode) -> bool {
    let is_person = matches!(actor, Actor::Member(..));
    proof == AddressesProof::PhoneAndMail && mode == Mode::Live && is_person
}

/// What is about to be saved.
fn detail(key_id: &str, allowed_ips: &[String]) -> Value {
    json!({ "key_id": key_id, "allowed_ips": allowed_ips })
}

/// Whether the person would have to give the codes for a credential's list, and has no verified phone to get one.
pub fn lacks_phone(app: &App, person: &Person, actor: Actor, credential: &Credential) -> bool {
    let product = app.products.find(&credential.product);
    let proof = product.map(|product| product.dialect.addresses_proof).unwrap_or_default();
    are_asked(proof, actor, credential.mode) && person.means.phone.is_none()
}

/// Sends both codes for a list. The challenge says where the text message went, most of the number hidden.
///
/// # Errors
/// `TooMany`; `Conflict` with `no_phone` where the person has verified none, `no_post` where text messages or mail do not
/// go out.
pub async fn ask(app: &App, person: &Person, key_id: &str, allowed_ips: &[String]) -> Result<Challenge, OpError> {
    let Some(phone) = &person.means.phone else {
        return Err(OpError::Conflict { code: "no_phone", message: say!("key-needs-phone").to_owned() });
    };
    if !app.post.carries(Channel::Sms) || !app.post.carries(Channel::Mail) {
        return Err(OpError::Conflict { code: "no_post", message: say!("address-codes-no-post").to_owned() });
    }
    proofs::count_sent(app, person.user)?;
    let mut tx = app.db.write().await?;
    let detail = detail(key_id, allowed_ips);
    let ask = Ask { purpose: PURPOSE, user: Some(person.user), session: Some(person.session), detail };
    let (id, code) = proofs::ask_with_code(app, tx.conn(), ask, 2 * DIGITS).await?;
    let (by_phone, by_mail) = code.expose().split_at(DIGITS);
    let text = SecretText::new(say!("mail-addresses-sms-text", code = by_phone, key = key_id));
    app.write_letter(tx.conn(), (Channel::Sms, phone), say!("mail-addresses"), &text).await?;
    let addresses = if allowed_ips.is_empty() { say!("mail-addresses-all").to_owned() } else { allowed_ips.join(", ") };
    let text = SecretText::new(say!("mail-addresses-text", code = by_mail, key = key_id, addresses = addresses));
    app.write_letter(tx.conn(), (Channel::Mail, &person.email), say!("mail-addresses"), &text).await?;
    tx.commit().await?;
    app.post.wake();
    Ok(Challenge { sent_to: proofs::hidden(phone), ..Challenge::new(id, Factor::SentCode) })
}

/// Looks at both codes. `None`: one of them is wrong, or they are too late, or of another session, or tried too often.
///
/// # Errors
/// `TooMany` when the account has had its tries of this hour.
pub async fn answer(app: &App, person: &Person, given: Given<'_>) -> Result<Option<AddressCodes>, OpError> {
    let (phone, mail) = (proofs::plain(given.phone), proofs::plain(given.mail));
    // Each half is whole by itself: digits do not move from one to the other.
    let whole = |half: &str| half.len() == DIGITS;
    let both = if whole(&phone) && whole(&mail) { format!("{phone}{mail}") } else { String::new() };
    let answered = proofs::answer(app, PURPOSE, given.challenge, &both).await?;
    let is_own = |answered: &Answered| answered.user == Some(person.user) && answered.session == Some(person.session);
    Ok(answered.filter(is_own).map(AddressCodes))
}

/// Spends the codes for a list, in the transaction that saves it.
///
/// # Errors
/// `CodesNeeded` where there are none, or they are another person's, or for another key or list, or were spent.
pub async fn spend(
    app: &App,
    conn: &mut Conn,
    (actor, key_id, allowed_ips): (Actor, &str, Vec<String>),
    codes: Option<&AddressCodes>,
) -> Result<(), OpError> {
    let is_for_this = |answered: &Answered| {
        let is_theirs = matches!(actor, Actor::Member(user, ..) if answered.user == Some(user));
        is_theirs && answered.detail == detail(key_id, &allowed_ips)
    };
    match codes {
        Some(AddressCodes(answered)) if is_for_this(answered) && answered.spend(app, conn).await? => Ok(()),
        _ => Err(OpError::CodesNeeded { allowed_ips }),
    }
}
