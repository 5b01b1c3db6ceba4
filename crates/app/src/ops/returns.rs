//! The secret that signs the way back from an app's hosted pages in test mode. It leaves in the value that `make` returns,
//! and is in the open nowhere else.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use keymint_domain::entropy::draw_text;
use keymint_domain::id::AppId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use keymint_domain::secret::SecretText;
use keymint_store::returns;
use serde_json::json;

use crate::App;
use crate::ops::{Actor, Change, OpError, Saying, apps};
use crate::say;

/// Hexadecimal digits behind the prefix: 256 bits.
const DIGITS: usize = 64;
/// What it begins with.
const PREFIX: &str = "gwsec_";

/// What the secret is sealed for.
fn record(app: AppId) -> String {
    format!("return secret {app}")
}

/// Makes an app's secret, in the place of the one before: that one signs nothing from now on.
///
/// # Errors
/// `NotFound`; `Forbidden`; `Conflict` with `no_return_secret` where the vendor knows no such secret.
pub async fn make(app: &App, actor: Actor, id: AppId) -> Result<SecretText, OpError> {
    let row = apps::find(app, actor, id).await?;
    if !app.products.find(&row.product).is_some_and(|product| product.dialect.signs_returns) {
        let message = say!("refusal-no-return-secret", product = row.product);
        return Err(OpError::Conflict { code: "no_return_secret", message });
    }
    let secret = SecretText::new(format!("{PREFIX}{}", draw_text(&*app.entropy, b"0123456789abcdef", DIGITS)?));
    let sealed = app.keyring.seal_for(&record(id), &secret, &*app.entropy).map_err(|_| OpError::Seal)?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    returns::put(change.conn(), id, &sealed, app.clock.now()).await?;
    let (subject, detail) = (id.to_string(), json!({}));
    let merchant = Some(row.merchant_id);
    change.commit(Saying { action: "app.return_secret_made", subject: &subject, merchant, detail }, Vec::new()).await?;
    Ok(secret)
}

/// The HMAC-SHA256 of a text by an app's secret, in hexadecimal digits; nothing where the app has none.
///
/// # Errors
/// `OpError::Store`; `Seal` where what is stored was not sealed by this Keymint.
pub async fn sign(app: &App, id: AppId, text: &str) -> Result<Option<String>, OpError> {
    let mut conn = app.db.read().await?;
    let Some(sealed) = returns::find(&mut conn, id).await? else { return Ok(None) };
    let secret = app.keyring.open_for(&record(id), &sealed).map_err(|_| OpError::Seal)?;
    Ok(Some(signature(&secret, text)))
}

/// The same by the secret of the app's newest test key, for vendors that sign with it; nothing where none signs.
///
/// # Errors
/// `NotFound`, `OpError::Store`.
pub async fn sign_with_key(app: &App, id: AppId, text: &str) -> Result<Option<String>, OpError> {
    let row = apps::find(app, Actor::System, id).await?;
    let mut conn = app.db.read().await?;
    let secret = app.newest_key_secret(&mut conn, (&row, Mode::Test), app.clock.now()).await?;
    Ok(secret.map(|secret| signature(&secret, text)))
}

/// The HMAC-SHA256 of a text by a secret that the caller has, in hexadecimal digits.
pub fn signature(secret: &SecretText, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_is_signed_as_kpay_documents() {
        let (secret, text) =
            (SecretText::new("gwsec_demo".to_owned()), "COMPLETED|KPAY-20260514-ABC123|ORDER-12345|1747245600000");
        let wanted = "278e08c29578d84c957620a0aea014bd89f472695c1619e9277e4eff11035c67";
        assert_eq!(signature(&secret, text), wanted);
        for other in
            [text.replace("1747245600000", "1747245600001"), text.replace("COMPLETED", "FAILED"), text.replace('|', "")]
        {
            assert_ne!(signature(&secret, &other), wanted);
        }
        assert_ne!(signature(&SecretText::new("gwsec_demO".to_owned()), text), wanted);
    }
}
