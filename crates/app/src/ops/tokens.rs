//! Tokens of the management API: made once, shown once, kept as digests.

use aws_lc_rs::digest;
use keymint_domain::dialect::format::{Alphabet, Checksum, KeyFormat};
use keymint_domain::id::{MerchantId, TokenId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::secret::SecretText;
use keymint_store::tokens::{self, Token};
use keymint_store::{db::Conn, merchants};
use serde_json::json;

use crate::App;
use crate::ops::idempotency::{self, Repeat};
use crate::ops::{Actor, Change, OpError, Saying, input};
use crate::ready::TokenDigest;

fn format() -> KeyFormat {
    KeyFormat::new("kmt_", Alphabet::Base62, 32, Checksum::Crc32)
}

/// SHA-256 is enough: a token has 190 random bits, nobody can guess it from its digest.
fn digest_of(text: &str) -> TokenDigest {
    let mut digest = TokenDigest::default();
    digest.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    digest
}

/// Makes a token: an operator's, or bound to a merchant. The text is `None` when the same call made it before: it was
/// shown then.
///
/// # Errors
/// `NotFound` when there is no such merchant; `Forbidden` for a merchant's actor.
pub async fn make(
    app: &App,
    actor: Actor,
    merchant: Option<MerchantId>,
    name: &str,
    repeat: Option<&Repeat>,
) -> Result<(TokenId, Option<SecretText>), OpError> {
    actor.require(Act::Operate)?;
    let name = input::text("name", name, 1..=100)?;
    let now = app.clock.now();
    let token = Token { id: TokenId::fresh(now, &*app.entropy)?, merchant_id: merchant };
    let text = format().draw(Mode::Test, &*app.entropy)?;
    let mut change = Change::begin(app, actor, Act::Operate).await?;
    if let Some(made) = idempotency::find(change.conn(), actor, repeat).await? {
        let id = made.parse().map_err(|_| OpError::NotFound("token"))?;
        change.settle().await?;
        return Ok((id, None));
    }
    if let Some(merchant) = merchant {
        merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    }
    let digest = digest_of(text.expose());
    tokens::insert(change.conn(), &token, &digest, &name, now).await?;
    change.affected().tokens.push(digest);
    let subject = token.id.to_string();
    let detail = json!({ "name": name });
    idempotency::remember(change.conn(), app, actor, repeat, &subject).await?;
    change.commit(Saying { action: "token.made", subject: &subject, merchant, detail }, Vec::new()).await?;
    Ok((token.id, Some(text)))
}

/// Ends a token.
///
/// # Errors
/// `NotFound` when none of that id lives; `Forbidden` for a merchant's actor.
pub async fn revoke(app: &App, actor: Actor, id: TokenId) -> Result<(), OpError> {
    actor.require(Act::Operate)?;
    let mut change = Change::begin(app, actor, Act::Operate).await?;
    let digest = tokens::revoke(change.conn(), id, app.clock.now()).await?.ok_or(OpError::NotFound("token"))?;
    change.affected().tokens.extend(TokenDigest::try_from(digest));
    let subject = id.to_string();
    let saying = Saying { action: "token.revoked", subject: &subject, merchant: None, detail: json!({}) };
    change.commit(saying, Vec::new()).await
}

/// Who a token stands for. What does not look like a token costs no query, nor does one that was asked for before.
///
/// # Errors
/// `OpError::Store`; `Busy` while tokens of this digest come and go.
pub async fn actor_of(app: &App, text: &str) -> Result<Option<Actor>, OpError> {
    if format().parse(text.as_bytes()).is_err() {
        return Ok(None);
    }
    let digest = digest_of(text);
    if app.is_serving() {
        return app.registry.actors.find(&digest, || read_actor(app, &digest)).await;
    }
    read_actor(app, &digest).await
}

async fn read_actor(app: &App, digest: &TokenDigest) -> Result<Option<Actor>, OpError> {
    let mut conn: Conn = app.db.read().await?;
    let token = tokens::find(&mut conn, digest).await?;
    Ok(token.map(|token| match token.merchant_id {
        Some(merchant) => Actor::Merchant(token.id, merchant),
        None => Actor::Operator(token.id),
    }))
}

/// Whether any token lives: when none does, the first one has still to be made.
///
/// # Errors
/// `OpError::Store`.
pub async fn any(app: &App) -> Result<bool, OpError> {
    let mut conn = app.db.read().await?;
    Ok(tokens::count(&mut conn).await? > 0)
}
