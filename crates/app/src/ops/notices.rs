//! What people hear by mail without having asked: what became of their own second factors, that somebody owns their merchant
//! now, what became of a live key, what was decided about live mode. Written in the transaction of the change, so nobody hears of what did not happen.

use keymint_domain::credential::Credential;
use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Role;
use keymint_domain::secret::SecretText;
use keymint_store::apps::App as AppRow;
use keymint_store::deliveries::Attempt;
use keymint_store::error::StoreError;
use keymint_store::letters::Channel;
use keymint_store::webhooks::Endpoint;
use keymint_store::{merchants, team};

use serde_json::Value;

use crate::App;
use crate::ops::people::Person;
use crate::ops::webhooks::host;
use crate::ops::{Change, OpError, Saying};
use crate::say;

/// Writes to everybody who has one of these roles at a merchant; to nobody where no mail goes out.
///
/// A notice stands in no change's way: where the team cannot be read because somebody edited a row, the key is revoked all
/// the same.
///
/// # Errors
/// `OpError::Store`, `OpError::Seal`, `OpError::Entropy`.
pub async fn write(
    app: &App,
    change: &mut Change<'_>,
    (merchant, roles): (MerchantId, &[Role]),
    (subject, text): (&str, &str),
) -> Result<(), OpError> {
    if !app.post.carries(Channel::Mail) {
        return Ok(());
    }
    let row = merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    let subject = say!("mail-notice", merchant = row.name, subject = subject);
    let members = match team::members(change.conn(), merchant).await {
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%merchant, %error, "the team cannot be read; nobody gets the notice");
            return Ok(());
        }
        members => members?,
    };
    for member in members {
        if roles.contains(&member.role.role) {
            let text = SecretText::new(text.to_owned());
            app.write_letter(change.conn(), (Channel::Mail, &member.email), &subject, &text).await?;
        }
    }
    Ok(())
}

/// What became of a key.
#[derive(Clone, Copy, Debug)]
pub enum Became {
    /// It was generated.
    Generated,
    /// It was generated in the place of another.
    Successor,
    /// It was revoked.
    Revoked,
    /// It was shown where others could read it.
    Exposed,
}

/// Writes to owners and admins what became of a key, where it is a live one.
///
/// # Errors
/// As `write`.
pub async fn live_key(
    app: &App,
    change: &mut Change<'_>,
    credential: &Credential,
    became: Became,
) -> Result<(), OpError> {
    if credential.mode != Mode::Live {
        return Ok(());
    }
    let roles = (credential.merchant_id, &[Role::Owner, Role::Admin][..]);
    let became = match became {
        Became::Exposed => {
            let text = say!("mail-exposed-text", key = credential.key_id, product = credential.product);
            return write(app, change, roles, (say!("mail-exposed"), &text)).await;
        }
        Became::Generated => "generated",
        Became::Successor => "successor",
        Became::Revoked => "revoked",
    };
    let subject = say!("mail-live-key", became = became);
    let text = say!("mail-live-key-text", key = credential.key_id, product = credential.product, became = became);
    write(app, change, roles, (&subject, &text)).await
}

/// Writes that an endpoint was disabled because it failed: to the address that it names, else to the owners.
///
/// # Errors
/// As `write`.
pub async fn webhook_failing(
    app: &App,
    change: &mut Change<'_>,
    (endpoint, row): (&Endpoint, &AppRow),
    last: &Attempt,
) -> Result<(), OpError> {
    let text = say!(
        "mail-webhook-failing-text",
        mode = endpoint.mode.as_str(),
        host = host(&endpoint.url),
        app = row.name,
        tries = last.number,
        problem = last.problem.as_deref().unwrap_or_default()
    );
    let Some(email) = &endpoint.alert_email else {
        return write(app, change, (row.merchant_id, &[Role::Owner]), (say!("mail-webhook-failing"), &text)).await;
    };
    if !app.post.carries(Channel::Mail) {
        return Ok(());
    }
    let subject = say!("mail-notice", merchant = row.name, subject = say!("mail-webhook-failing"));
    app.write_letter(change.conn(), (Channel::Mail, email), &subject, &SecretText::new(text)).await
}

/// Commits a change of a person's own second factors, and writes to the person that it was made.
///
/// # Errors
/// `OpError::Store`, `OpError::Seal`, `OpError::Entropy`.
pub async fn own_factors(
    app: &App,
    mut change: Change<'_>,
    person: &Person,
    (action, mut detail): (&'static str, Value),
    (title, text): (&str, &str),
) -> Result<(), OpError> {
    let to = (Channel::Mail, person.email.as_str());
    app.write_letter(change.conn(), to, title, &SecretText::new(text.to_owned())).await?;
    detail["session"] = person.session.to_string().into();
    let subject = person.user.to_string();
    change.commit(Saying { action, subject: &subject, merchant: None, detail }, Vec::new()).await?;
    app.post.wake();
    Ok(())
}
