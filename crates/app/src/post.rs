//! Mail and text messages: written into the transaction that is their reason, sealed, and sent after it by a task of
//! their own, again and again until somebody takes them or a day has passed. In `dev` nothing leaves: the console's Outbox
//! page shows them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keymint_domain::id::LetterId;
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::db::Conn;
use keymint_store::letters::{self, Channel, Letter};
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Notify;

use crate::App;
use crate::ops::OpError;

/// How often letters are looked for when nobody says that there is one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Longest wait for a server to take one.
const DEADLINE: Duration = Duration::from_secs(20);
/// Letters of one look.
const LETTERS_MAX: i64 = 20;
/// Tries, the last about a day after the first. Codes are dead long before; notices are not.
const TRIES_MAX: i64 = 18;

/// How long a letter is kept, for the question who got which notice, and for `dev`'s Outbox. One that nobody has sent by
/// then was given up weeks ago, or there is no way for it. Milliseconds.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// Where mail goes out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `smtps://host:465` (TLS from the start), or `smtp://host:587` (STARTTLS; without it on a loopback address alone).
    pub server: String,
    /// The sender: `Keymint <keymint@pay.example>`.
    pub from: String,
    /// The user, where the server wants one.
    pub user: Option<String>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
}

/// Where text messages go out: an HTTP API like Twilio's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsConfig {
    /// `https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json`.
    pub url: String,
    /// The account: the user of HTTP Basic.
    pub account: String,
    /// A file with the token: the password of HTTP Basic.
    pub token_file: PathBuf,
    /// The sender's number, E.164, or its name.
    pub from: String,
}

/// Why there is no post office.
#[derive(Debug, Error)]
pub enum PostError {
    /// A setting.
    #[error("{0}")]
    Setting(String),
    /// A file with a secret.
    #[error("{0} cannot be read: {1}")]
    File(PathBuf, std::io::Error),
}

/// Where letters go.
pub struct PostOffice {
    mail: Option<(AsyncSmtpTransport<Tokio1Executor>, Mailbox)>,
    sms: Option<Texter>,
    /// `dev`: letters are kept to be looked at, and never sent.
    keeps: bool,
    wake: Arc<Notify>,
}

struct Texter {
    client: reqwest::Client,
    config: SmsConfig,
    token: SecretText,
}

fn read_secret(path: &std::path::Path) -> Result<SecretText, PostError> {
    let text = std::fs::read_to_string(path).map_err(|error| PostError::File(path.to_owned(), error))?;
    Ok(SecretText::new(text.trim().to_owned()))
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn mailer(config: &MailConfig) -> Result<(AsyncSmtpTransport<Tokio1Executor>, Mailbox), PostError> {
    let wrong = |problem: &str| PostError::Setting(format!("mail.server: {problem}"));
    let (scheme, rest) = config.server.split_once("://").ok_or_else(|| wrong("must begin with smtps:// or smtp://"))?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("must end with a port, such as :465"))?;
    let port: u16 = port.parse().map_err(|_| wrong("must end with a port, such as :465"))?;
    let failed = |error: lettre::transport::smtp::Error| wrong(&error.to_string());
    let builder = match scheme {
        "smtps" => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(failed)?,
        "smtp" if is_loopback(host) => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
        "smtp" => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(failed)?,
        _ => return Err(wrong("must begin with smtps:// or smtp://")),
    };
    let builder = builder.port(port).timeout(Some(DEADLINE));
    let builder = match (&config.user, &config.password_file) {
        (Some(user), Some(file)) => {
            builder.credentials(Credentials::new(user.clone(), read_secret(file)?.expose().to_owned()))
        }
        (None, None) => builder,
        _ => return Err(PostError::Setting("mail: needs `user` and `password_file`, or neither".to_owned())),
    };
    let from = config.from.parse().map_err(|_| PostError::Setting("mail.from: must be an address".to_owned()))?;
    Ok((builder.build(), from))
}

fn texter(config: &SmsConfig) -> Result<Texter, PostError> {
    let rest = config.url.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    if !config.url.starts_with("https://") && !is_loopback(host) {
        return Err(PostError::Setting("sms.url: must begin with https://".to_owned()));
    }
    let client = reqwest::Client::builder().timeout(DEADLINE).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| PostError::Setting(format!("sms: {error}")))?;
    Ok(Texter { client, config: config.clone(), token: read_secret(&config.token_file)? })
}

impl PostOffice {
    /// An office that sends with what is configured.
    ///
    /// # Errors
    /// `PostError` names the setting.
    pub fn new(mail: Option<&MailConfig>, sms: Option<&SmsConfig>) -> Result<Self, PostError> {
        Ok(Self {
            mail: mail.map(mailer).transpose()?,
            sms: sms.map(texter).transpose()?,
            keeps: false,
            wake: Arc::default(),
        })
    }

    /// An office that keeps every letter for the Outbox page: `dev`.
    pub fn keeping() -> Self {
        Self { mail: None, sms: None, keeps: true, wake: Arc::default() }
    }

    /// Whether letters of this kind arrive anywhere.
    pub fn carries(&self, channel: Channel) -> bool {
        self.keeps
            || match channel {
                Channel::Mail => self.mail.is_some(),
                Channel::Sms => self.sms.is_some(),
            }
    }

    /// Whether letters are kept to be looked at.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// The transaction that wrote a letter is committed.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    async fn send(&self, letter: &Letter, body: &SecretText) -> Result<(), String> {
        match letter.channel {
            Channel::Mail => {
                let (transport, from) = self.mail.as_ref().ok_or("no mail server is configured")?;
                let to: Mailbox = letter.recipient.parse().map_err(|_| "the address is none")?;
                let message = written(from, to, (&letter.subject, body))?;
                let answer = transport.send(message).await;
                // What a server says may quote the mail; the code alone is kept.
                answer.map(|_| ()).map_err(|error| match error.status() {
                    Some(code) => format!("the mail server answered {code}"),
                    None => "the mail server could not be reached".to_owned(),
                })
            }
            Channel::Sms => {
                let Texter { client, config, token } = self.sms.as_ref().ok_or("no SMS service is configured")?;
                let form = [("To", &*letter.recipient), ("From", &config.from), ("Body", body.expose())];
                let call = client.post(&config.url).basic_auth(&config.account, Some(token.expose())).form(&form);
                let answer = call.send().await.map_err(|_| "the SMS service could not be reached")?;
                let status = answer.status();
                if status.is_success() { Ok(()) } else { Err(format!("the SMS service answered {}", status.as_u16())) }
            }
        }
    }
}

/// A mail as it goes out. Without the kind of its text, letters beyond ASCII would be anybody's guess.
fn written(from: &Mailbox, to: Mailbox, (subject, body): (&str, &SecretText)) -> Result<Message, &'static str> {
    let message = Message::builder().from(from.clone()).to(to).subject(subject).header(ContentType::TEXT_PLAIN);
    message.body(body.expose().to_owned()).map_err(|_| "the mail could not be made")
}

fn record(id: LetterId) -> String {
    format!("letter {id}")
}

/// When the next try is due: five seconds after the first, then twice as long each time, three hours at the most.
fn next_try(tries: i64, now: UnixMs) -> Option<UnixMs> {
    (tries + 1 < TRIES_MAX).then(|| UnixMs(now.0 + (5_000_i64 << tries.clamp(0, 12)).min(3 * 3_600_000)))
}

impl App {
    /// Writes a letter into a transaction. It goes out after the commit, when `post.wake()` is called or soon after. Old
    /// ones are deleted with it.
    ///
    /// # Errors
    /// `OpError::Store`, `OpError::Seal`, `OpError::Entropy`.
    pub async fn write_letter(
        &self,
        conn: &mut Conn,
        (channel, recipient): (Channel, &str),
        subject: &str,
        body: &SecretText,
    ) -> Result<(), OpError> {
        let now = self.clock.now();
        let id = LetterId::fresh(now, &*self.entropy)?;
        let sealed = self.keyring.seal_for(&record(id), body, &*self.entropy).map_err(|_| OpError::Seal)?;
        let letter = Letter {
            id,
            at: now,
            channel,
            recipient: recipient.to_owned(),
            subject: subject.to_owned(),
            sealed: Some(sealed),
            tries: 0,
            problem: None,
        };
        letters::prune(conn, UnixMs(now.0 - KEPT_MS)).await?;
        Ok(letters::insert(conn, &letter, (!self.post.keeps).then_some(now)).await?)
    }

    /// Sends letters for as long as the app lives.
    pub(crate) fn carry_letters(&self) {
        if self.post.keeps || (self.post.mail.is_none() && self.post.sms.is_none()) {
            return;
        }
        let (shared, wake) = (Arc::downgrade(&self.0), Arc::clone(&self.post.wake));
        tokio::spawn(async move {
            loop {
                let _ = tokio::time::timeout(LOOK_EVERY, wake.notified()).await;
                let Some(shared) = shared.upgrade() else { return };
                if let Err(error) = Self(shared).send_due().await {
                    tracing::error!(%error, "letters could not be sent");
                }
            }
        });
    }

    async fn send_due(&self) -> Result<(), OpError> {
        let due = {
            let mut conn = self.db.read().await?;
            letters::due(&mut conn, self.clock.now(), LETTERS_MAX).await?
        };
        for letter in due {
            let Some(sealed) = &letter.sealed else { continue };
            let body = self.keyring.open_for(&record(letter.id), sealed).map_err(|_| OpError::Seal)?;
            let done = self.post.send(&letter, &body).await;
            let mut tx = self.db.write().await?;
            match done {
                Ok(()) => letters::sent(tx.conn(), letter.id).await?,
                Err(problem) => {
                    tracing::warn!(letter = %letter.id, %problem, "a letter was not taken");
                    let next = next_try(letter.tries, self.clock.now());
                    letters::failed(tx.conn(), letter.id, &problem, next).await?;
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// The newest letters with what they say. In `dev` alone: nothing where letters are sent.
    ///
    /// # Errors
    /// `OpError::NotFound` outside `dev`.
    pub async fn kept_letters(&self) -> Result<Vec<(Letter, SecretText)>, OpError> {
        if !self.post.keeps {
            return Err(OpError::NotFound("outbox"));
        }
        let mut conn = self.db.read().await?;
        let letters = letters::latest(&mut conn, 50).await?;
        letters
            .into_iter()
            .map(|letter| {
                let sealed = letter.sealed.as_deref().unwrap_or_default();
                let body = self.keyring.open_for(&record(letter.id), sealed).map_err(|_| OpError::Seal)?;
                Ok((letter, body))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_says_how_its_letters_are_written() {
        let (from, to) = ("Keymint <keymint@pay.example>".parse().unwrap(), "ann@shop.example".parse().unwrap());
        let text = SecretText::new("Überweisung bestätigt".to_owned());
        let mail = String::from_utf8(written(&from, to, ("Prüfung", &text)).unwrap().formatted()).unwrap();
        assert!(mail.contains("Content-Type: text/plain; charset=utf-8"), "{mail}");
        assert!(mail.is_ascii() && mail.contains("=C3=9Cberweisung"), "{mail}");
    }
}
