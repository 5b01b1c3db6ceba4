//! What people do with their own accounts: sign up, set a forgotten password anew, change it, verify a phone. Whether an
//! address has an account, nobody learns here: the answers are the same, and only the mail differs (T101).

use std::net::IpAddr;

use keymint_domain::id::{MerchantId, UserId};
use keymint_domain::role::{Act, Role};
use keymint_domain::secret::SecretText;
use keymint_store::error::StoreError;
use keymint_store::letters::Channel;
use keymint_store::merchants::{Activation, Merchant};
use keymint_store::people::{self as store, User};
use keymint_store::{merchants, sessions};
use serde_json::json;

use crate::App;
use crate::ops::people::{self, Person};
use crate::ops::proofs::{self, Ask, Challenge};
use crate::ops::{Actor, Change, OpError, Saying, field, input};
use crate::password;
use crate::say;

/// Sign-ups and forgotten passwords from one address in half an hour.
const OPEN_MAX: u32 = 20;
const SIGN_UP: &str = "sign_up";
const RESET: &str = "reset";
const PHONE: &str = "phone";

/// What somebody signs up with.
#[derive(Clone)]
pub struct SignUp {
    /// The name.
    pub name: String,
    /// The name of the business; empty for somebody who was invited to one.
    pub business: String,
    /// The address for mail.
    pub email: String,
    /// Where the business is: ISO 3166-1 alpha-2.
    pub country: String,
    /// The phone with its country code; may be empty.
    pub phone: String,
    /// The password.
    pub password: SecretText,
}

/// A phone number with its country code (E.164), written without spaces.
///
/// # Errors
/// `OpError::Field`.
pub fn phone(name: &'static str, text: &str) -> Result<String, OpError> {
    let plain: String = text.chars().filter(|character| !matches!(character, ' ' | '-' | '(' | ')' | '.')).collect();
    let digits = plain.strip_prefix('+').unwrap_or_default();
    let is_fine = (8..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if is_fine { Ok(plain) } else { field(name, say!("input-phone")) }
}

fn limit(app: &App, client: IpAddr) -> Result<(), OpError> {
    let count = app.sent_codes.count(&format!("open {client}"), app.clock.now());
    if count > OPEN_MAX { Err(OpError::TooMany) } else { Ok(()) }
}

/// Begins a sign-up: the address gets a code, or, where it has an account, is told so.
///
/// # Errors
/// `Field`; `TooMany`; `Busy`.
pub async fn sign_up(app: &App, new: SignUp, client: IpAddr) -> Result<Challenge, OpError> {
    let name = input::text("name", &new.name, 1..=100)?;
    let business = input::optional_text("business", Some(&new.business), 256)?;
    let email = input::email("email", &new.email)?;
    let country = if business.is_some() { input::country("country", &new.country)? } else { String::new() };
    let phone = if new.phone.trim().is_empty() { None } else { Some(phone("phone", &new.phone)?) };
    let about = [email.as_str(), name.as_str(), business.as_deref().unwrap_or_default()];
    limit(app, client)?;
    let password = app.passwords.hash(&*app.entropy, new.password, &about).await?;
    let detail = json!({
        "name": name, "business": business, "email": email, "country": country, "phone": phone, "password": password,
    });
    let mut tx = app.db.write().await?;
    let is_known = store::find_by_email(tx.conn(), &email).await?.is_some();
    let ask = Ask { purpose: SIGN_UP, user: None, session: None, detail };
    let (id, code) = proofs::ask_with_code(app, tx.conn(), ask, proofs::OPEN_DIGITS).await?;
    let (subject, body) = if is_known {
        (say!("mail-account-exists"), say!("mail-account-exists-text").to_owned())
    } else {
        (say!("code-confirm-title"), say!("mail-sign-up-text", code = code.expose()))
    };
    app.write_letter(tx.conn(), (Channel::Mail, &email), subject, &SecretText::new(body)).await?;
    tx.commit().await?;
    app.post.wake();
    Ok(Challenge { sent_to: email, ..Challenge::new(id, proofs::Factor::SentCode) })
}

/// Ends a sign-up with the code: makes the account, and its merchant where there is a business, and signs in: what the
/// cookie is to hold. `None` for a wrong code.
///
/// # Errors
/// `TooMany`; `Conflict` where the address has got an account in between.
pub async fn confirm_sign_up(
    app: &App,
    (id, code): (&str, &str),
    client: IpAddr,
) -> Result<Option<SecretText>, OpError> {
    let Some(answered) = proofs::answer(app, SIGN_UP, id, code).await? else { return Ok(None) };
    let now = app.clock.now();
    let text = |name: &str| answered.detail.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let user = User {
        id: UserId::fresh(now, &*app.entropy)?,
        email: text("email").unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        password: text("password").unwrap_or_default(),
        created_at: now,
        phone: text("phone"),
        phone_verified_at: None,
        mail_codes_at: None,
        password_reset_at: None,
        row_check: Vec::new(),
    };
    let user = people::checked(app, user);
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    if !answered.spend(app, change.conn()).await? {
        return Ok(None);
    }
    let taken = || {
        let message = say!("refusal-address-has-account").to_owned();
        OpError::Conflict { code: "email_taken", message }
    };
    match store::insert(change.conn(), &user).await {
        Err(StoreError::Unique { .. }) => return Err(taken()),
        other => other?,
    }
    let mut own = None;
    if let Some(business) = text("business") {
        let merchant = Merchant {
            id: MerchantId::fresh(now, &*app.entropy)?,
            name: business,
            email: user.email.clone(),
            country: text("country").unwrap_or_default(),
            activation: Activation::Pending,
            activation_reason: None,
            created_at: now,
        };
        match merchants::insert(change.conn(), &merchant).await {
            Err(StoreError::Unique { .. }) => return Err(taken()),
            other => other?,
        }
        people::join(app, &mut change, user.id, merchant.id, Role::Owner).await?;
        own = Some(merchant.id);
    }
    let secret = people::add_session(app, &mut change, user.id, client, None).await?;
    let subject = user.id.to_string();
    let detail = json!({ "merchant": own.map(|id| id.to_string()) });
    change.commit(Saying { action: "user.signed_up", subject: &subject, merchant: own, detail }, Vec::new()).await?;
    Ok(Some(secret))
}

/// Sends a code for a new password, where the address has an account.
///
/// # Errors
/// `TooMany`.
pub async fn forgot(app: &App, email: &str, client: IpAddr) -> Result<Challenge, OpError> {
    limit(app, client)?;
    let email = email.trim().to_lowercase();
    let mut tx = app.db.write().await?;
    let user = store::find_by_email(tx.conn(), &email).await?;
    let detail = json!({});
    let ask = Ask { purpose: RESET, user: user.as_ref().map(|user| user.id), session: None, detail };
    let (id, code) = proofs::ask_with_code(app, tx.conn(), ask, proofs::OPEN_DIGITS).await?;
    if let Some(user) = &user {
        let body = SecretText::new(say!("mail-reset-text", code = code.expose()));
        app.write_letter(tx.conn(), (Channel::Mail, &user.email), say!("mail-reset"), &body).await?;
    }
    tx.commit().await?;
    app.post.wake();
    Ok(Challenge { sent_to: email, ..Challenge::new(id, proofs::Factor::SentCode) })
}

/// Sets a new password with the code, and ends every session. False for a wrong code.
///
/// # Errors
/// `Field`; `TooMany`; `Busy`.
pub async fn reset(app: &App, (id, code): (&str, &str), password: SecretText) -> Result<bool, OpError> {
    // Before the code: a password that is refused must not use it up. Hashed behind it: that is for those who have one.
    password::check(&password, &[])?;
    let Some(answered) = proofs::answer(app, RESET, id, code).await? else { return Ok(false) };
    let Some(user) = answered.user else { return Ok(false) };
    let password = app.passwords.hash(&*app.entropy, password, &[]).await?;
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    if !answered.spend(app, change.conn()).await? {
        return Ok(false);
    }
    set_password(app, change, (user, None), &password).await?;
    Ok(true)
}

/// Stores a new password, ends the person's sessions but the one that is kept, and writes to the person.
async fn set_password(
    app: &App,
    mut change: Change<'_>,
    (user, kept): (UserId, Option<keymint_domain::id::SessionId>),
    password: &str,
) -> Result<(), OpError> {
    let now = app.clock.now();
    sessions::end_others(change.conn(), user, kept, now).await?;
    if let Some(row) = store::find(change.conn(), user).await? {
        let row = people::intact(app, row)?;
        // Who keeps no session is somebody who could not sign in: the code came by mail.
        let password_reset_at = if kept.is_none() { Some(now) } else { row.password_reset_at };
        let row = people::checked(app, User { password: password.to_owned(), password_reset_at, ..row });
        store::update(change.conn(), &row).await?;
        let body = SecretText::new(say!("mail-password-changed-text").to_owned());
        app.write_letter(change.conn(), (Channel::Mail, &row.email), say!("mail-password-changed"), &body).await?;
    }
    let subject = user.to_string();
    let saying = Saying { action: "user.password_changed", subject: &subject, merchant: None, detail: json!({}) };
    change.commit(saying, Vec::new()).await?;
    app.post.wake();
    Ok(())
}

/// Changes the password; every other session ends. Needs the old one, and a fresh proof where there is a second factor.
///
/// # Errors
/// `Field`; `ProofNeeded`; `TooMany`; `Busy`.
pub async fn change_password(app: &App, person: &Person, old: SecretText, new: SecretText) -> Result<(), OpError> {
    person.require_proof()?;
    people::check_password(app, person, old).await?;
    let named = |error| match error {
        OpError::Field { problem, .. } => OpError::Field { field: "new_password", problem },
        other => other,
    };
    let hashed = app.passwords.hash(&*app.entropy, new, &[&person.email, &person.name]).await.map_err(named)?;
    let change = Change::begin(app, Actor::System, Act::Operate).await?;
    set_password(app, change, (person.user, Some(person.session)), &hashed).await
}

/// Sends a code to a phone that is to become the account's. Needs the password, and a fresh proof where there is a second
/// factor already.
///
/// # Errors
/// `Field`; `ProofNeeded`; `TooMany`; `Conflict` with `no_sms` where no text messages go out.
pub async fn begin_phone(app: &App, person: &Person, number: &str, password: SecretText) -> Result<Challenge, OpError> {
    person.require_proof()?;
    let number = phone("phone", number)?;
    if !app.post.carries(Channel::Sms) {
        let message = say!("security-no-sms").to_owned();
        return Err(OpError::Conflict { code: "no_sms", message });
    }
    people::check_password(app, person, password).await?;
    proofs::count_sent(app, person.user)?;
    let mut tx = app.db.write().await?;
    let detail = json!({ "phone": number });
    let ask = Ask { purpose: PHONE, user: Some(person.user), session: Some(person.session), detail };
    let (id, code) = proofs::ask_with_code(app, tx.conn(), ask, proofs::DIGITS).await?;
    let body = SecretText::new(say!("mail-phone-code-text", code = code.expose()));
    app.write_letter(tx.conn(), (Channel::Sms, &number), say!("phone-title"), &body).await?;
    tx.commit().await?;
    app.post.wake();
    Ok(Challenge { sent_to: proofs::hidden(&number), ..Challenge::new(id, proofs::Factor::SentCode) })
}

/// Makes a phone the account's, with the code that it got. False for a wrong code.
///
/// # Errors
/// `TooMany`.
pub async fn confirm_phone(app: &App, person: &Person, (id, code): (&str, &str)) -> Result<bool, OpError> {
    let Some(answered) = proofs::answer(app, PHONE, id, code).await? else { return Ok(false) };
    let number = answered.detail.get("phone").and_then(|value| value.as_str()).unwrap_or_default();
    if answered.user != Some(person.user) || answered.session != Some(person.session) || number.is_empty() {
        return Ok(false);
    }
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    if !answered.spend(app, change.conn()).await? {
        return Ok(false);
    }
    let (now, row) = (app.clock.now(), store::find(change.conn(), person.user).await?);
    let row = row.ok_or(OpError::NotFound("account"))?;
    let (phone, phone_verified_at) = (Some(number.to_owned()), Some(now));
    let row = User { phone, phone_verified_at, ..people::intact(app, row)? };
    store::update(change.conn(), &people::checked(app, row)).await?;
    let body = SecretText::new(say!("mail-phone-changed-text", phone = proofs::hidden(number)));
    app.write_letter(change.conn(), (Channel::Mail, &person.email), say!("mail-phone-changed"), &body).await?;
    let subject = person.user.to_string();
    let detail = json!({ "phone": proofs::hidden(number) });
    let saying = Saying { action: "user.phone_verified", subject: &subject, merchant: None, detail };
    change.commit(saying, Vec::new()).await?;
    app.post.wake();
    Ok(true)
}
