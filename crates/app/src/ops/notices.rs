//! What the people of a merchant hear by mail without having asked: that somebody owns it now, what became of a live key,
//! what was decided about live mode. Written in the transaction of the change, so nobody hears of what did not happen.

use keymint_domain::credential::Credential;
use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Role;
use keymint_domain::secret::SecretText;
use keymint_store::letters::Channel;
use keymint_store::{merchants, team};

use crate::App;
use crate::ops::{Change, OpError};
use crate::say;

/// Writes to everybody who has one of these roles at a merchant; to nobody where no mail goes out.
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
    for member in team::members(change.conn(), merchant).await? {
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
    let became = match became {
        Became::Generated => "generated",
        Became::Successor => "successor",
        Became::Revoked => "revoked",
    };
    let subject = say!("mail-live-key", became = became);
    let text = say!("mail-live-key-text", key = credential.key_id, product = credential.product, became = became);
    write(app, change, (credential.merchant_id, &[Role::Owner, Role::Admin]), (&subject, &text)).await
}
