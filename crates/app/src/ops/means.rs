//! With what an account may prove that it is its person, and in which order it is asked for.

use keymint_domain::id::UserId;
use keymint_domain::time::UnixMs;
use keymint_store::db::Conn;
use keymint_store::people::{self as accounts, User};
use keymint_store::{factors, passkeys};

use crate::App;
use crate::ops::proofs::Factor;
use crate::ops::{OpError, people};

/// So long after a password was set anew by mail, codes by mail prove nothing: one mailbox would be both factors, and nobody
/// would notice. It is time for its owner to see that the old password is none any more. Milliseconds.
const MAIL_RESTS_MS: i64 = 24 * 60 * 60 * 1000;

/// The second factors of an account.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// Whether there is a passkey.
    pub has_passkey: bool,
    /// Whether this Keymint can ask for one.
    pub may_ask_passkey: bool,
    /// Whether an authenticator app is set up.
    pub has_authenticator: bool,
    /// The phone that was verified, E.164.
    pub phone: Option<String>,
    /// The address that gets codes by mail, where the person has turned them on.
    pub mail: Option<String>,
    /// Until when codes by mail prove nothing, because the password was set anew by mail.
    pub mail_rests_until: Option<UnixMs>,
}

impl Means {
    /// Those of an account.
    ///
    /// # Errors
    /// `OpError::Store`.
    pub async fn of(app: &App, conn: &mut Conn, user: &User) -> Result<Self, OpError> {
        let authenticator = factors::find(conn, user.id).await?;
        let rests_until = user.password_reset_at.map(|at| UnixMs(at.0 + MAIL_RESTS_MS));
        Ok(Self {
            has_passkey: has_passkey(conn, user.id).await?,
            may_ask_passkey: app.ceremonies.is_some(),
            has_authenticator: authenticator.is_some_and(|found| found.confirmed_at.is_some()),
            phone: user.phone.clone().filter(|_| user.phone_verified_at.is_some()),
            mail: user.mail_codes_at.map(|_| user.email.clone()),
            mail_rests_until: rests_until.filter(|until| app.clock.now() < *until),
        })
    }

    /// What is asked for; nothing where a second factor is yet to be set up. A passkey comes first: nobody can be talked
    /// into giving it away. An account with nothing but passkeys is asked for one also where none can be given any more:
    /// that an operator has taken the console's address out of the configuration makes no password enough. Codes by mail come
    /// last, and only where there is nothing else: whoever reads the mail can set the password anew as well.
    pub fn first(&self) -> Option<Factor> {
        match self.code() {
            _ if self.has_passkey && self.may_ask_passkey => Some(Factor::Passkey),
            None if self.has_passkey => Some(Factor::Passkey),
            None => self.mail.as_ref().map(|_| Factor::MailedCode),
            other => other,
        }
    }

    /// What may be given instead of a passkey.
    pub fn instead(&self) -> Option<Factor> {
        self.code().filter(|_| self.first() == Some(Factor::Passkey))
    }

    /// Where a code for this factor is sent.
    pub fn address(&self, factor: Factor) -> Option<&str> {
        match factor {
            Factor::Passkey | Factor::Authenticator => None,
            Factor::SentCode => self.phone.as_deref(),
            Factor::MailedCode => self.mail.as_deref(),
        }
    }

    /// Until when nothing can be proved, because codes by mail are all there is and they rest.
    pub fn rests_until(&self) -> Option<UnixMs> {
        self.mail_rests_until.filter(|_| self.first() == Some(Factor::MailedCode))
    }

    fn code(&self) -> Option<Factor> {
        if self.has_authenticator { Some(Factor::Authenticator) } else { self.phone.as_ref().map(|_| Factor::SentCode) }
    }
}

/// Those of the account of this id; none where there is none.
///
/// # Errors
/// `OpError::Store`.
pub async fn of_user(app: &App, conn: &mut Conn, user: Option<UserId>) -> Result<Means, OpError> {
    let Some(user) = user else { return Ok(Means::default()) };
    let Some(user) = accounts::find(conn, user).await? else { return Ok(Means::default()) };
    Means::of(app, conn, &people::intact(app, user)?).await
}

async fn has_passkey(conn: &mut Conn, user: UserId) -> Result<bool, OpError> {
    Ok(passkeys::count(conn, user).await? > 0)
}

/// Takes every second factor of an account away.
///
/// # Errors
/// `OpError::Store`.
pub async fn forget(app: &App, conn: &mut Conn, user: UserId) -> Result<(), OpError> {
    factors::remove(conn, user).await?;
    passkeys::remove_all(conn, user).await?;
    let row = accounts::find(conn, user).await?.ok_or(OpError::NotFound("account"))?;
    let row = User { phone: None, phone_verified_at: None, mail_codes_at: None, ..people::intact(app, row)? };
    Ok(accounts::update(conn, &people::checked(app, row)).await?)
}
