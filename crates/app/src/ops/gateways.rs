//! The payment gateways of an app, which post to its sandbox what became of a payment: the secret that each signs with, and
//! whether somebody has set it up. A secret leaves in the value that `make_secret` returns, and is in the open nowhere else.

use keymint_domain::dialect::gateways::Gateway;
use keymint_domain::entropy::draw_text;
use keymint_domain::id::AppId;
use keymint_domain::role::Act;
use keymint_domain::secret::{self, SecretText};
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::signature::Signed;
use keymint_store::apps::App as AppRow;
use keymint_store::gateways as store;
use keymint_store::ticks::{self, Tick};
use serde_json::json;

use crate::App;
use crate::ops::marks::{self, Mark};
use crate::ops::{Actor, Change, OpError, Saying, apps};
use crate::say;

/// What the ticks of this list are kept under.
const LIST: &str = "gateways";
/// Hexadecimal digits behind the prefix: 256 bits.
const DIGITS: usize = 64;
/// What a secret begins with.
const PREFIX: &str = "gwhook_";

/// A gateway of an app.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: Box<str>,
    /// Its name for people.
    pub title: Box<str>,
    /// The path inside the product that it posts to.
    pub path: String,
    /// Since when it has its secret; without one, nothing that is posted is taken.
    pub secret_made_at: Option<UnixMs>,
    /// Who said when that it is set up.
    pub tick: Option<Tick>,
}

/// What a secret is sealed for.
fn record(app: AppId, gateway: &str) -> String {
    format!("gateway secret {app} {gateway}")
}

/// The gateways of a product whose test mode is a sandbox here; none where the vendor has none, or an upstream hears them.
pub fn of_product<'a>(app: &'a App, product: &str) -> &'a [Gateway] {
    let found = app.products.find(product).filter(|product| product.upstream_test.is_none());
    found.map(|product| &*product.dialect.gateways).unwrap_or_default()
}

fn find<'a>(app: &'a App, row: &AppRow, name: &str) -> Result<&'a Gateway, OpError> {
    let found = of_product(app, &row.product).iter().find(|gateway| *gateway.name == *name);
    found.ok_or_else(|| OpError::Conflict {
        code: "no_gateway",
        message: say!("refusal-no-gateways", product = row.product),
    })
}

/// The gateways of an app.
///
/// # Errors
/// `NotFound` when there is no such app for the actor; `Forbidden`.
pub async fn list(app: &App, actor: Actor, id: AppId) -> Result<Vec<Line>, OpError> {
    actor.require(Act::SeeRequests)?;
    let row = apps::find(app, actor, id).await?;
    let mut conn = app.db.read().await?;
    let (secrets, ticked) = (store::list(&mut conn, id).await?, ticks::list(&mut conn, id, LIST).await?);
    let line = |gateway: &Gateway| Line {
        name: gateway.name.clone(),
        title: gateway.title.clone(),
        path: format!("/gateways/{id}/{}", gateway.name),
        secret_made_at: secrets.iter().find(|(name, _)| **name == *gateway.name).map(|(_, at)| *at),
        tick: ticked.iter().find(|tick| *tick.item == *gateway.name).cloned(),
    };
    Ok(of_product(app, &row.product).iter().map(line).collect())
}

/// Makes the secret of a gateway, in the place of the one before: what that one signs is refused from now on.
///
/// # Errors
/// `NotFound`; `Forbidden`, also for who may not see the gateways, before anything has changed; `Conflict` with `no_gateway` where the vendor hears from no gateway of that name.
pub async fn make_secret(app: &App, actor: Actor, id: AppId, name: &str) -> Result<SecretText, OpError> {
    actor.require(Act::SeeRequests)?;
    let row = apps::find(app, actor, id).await?;
    let gateway = find(app, &row, name)?;
    let secret = SecretText::new(format!("{PREFIX}{}", draw_text(&*app.entropy, b"0123456789abcdef", DIGITS)?));
    let sealed = app.keyring.seal_for(&record(id, &gateway.name), &secret, &*app.entropy).map_err(|_| OpError::Seal)?;
    let mut change = Change::begin(app, actor, Act::ManageTestCredentials).await?;
    store::put(change.conn(), id, &gateway.name, &sealed, app.clock.now()).await?;
    say(change, &row, ("app.gateway_secret_made", gateway)).await?;
    Ok(secret)
}

/// Says that a gateway is set up, or that it is not.
///
/// # Errors
/// As `make_secret`.
pub async fn mark(app: &App, actor: Actor, id: AppId, (name, mark): (&str, Mark)) -> Result<Vec<Line>, OpError> {
    actor.require(Act::SeeRequests)?;
    let row = apps::find(app, actor, id).await?;
    let gateway = find(app, &row, name)?;
    let mut change = Change::begin(app, actor, Act::ManageApps).await?;
    marks::set(app, &mut change, actor, (id, LIST, &gateway.name), mark).await?;
    let action = match mark {
        Mark::Done => "app.gateway_marked",
        Mark::Open => "app.gateway_reopened",
    };
    say(change, &row, (action, gateway)).await?;
    list(app, actor, id).await
}

async fn say(change: Change<'_>, row: &AppRow, (action, gateway): (&'static str, &Gateway)) -> Result<(), OpError> {
    let (subject, detail) = (row.id.to_string(), json!({ "gateway": gateway.name }));
    change.commit(Saying { action, subject: &subject, merchant: Some(row.merchant_id), detail }, Vec::new()).await
}

/// Whether a body was signed by a gateway of an app with its secret; the app then. Nothing tells what was wrong.
///
/// # Errors
/// `OpError::Store`; `Seal` where what is stored was not sealed by this Keymint.
pub async fn signed_by(
    app: &App,
    id: AppId,
    gateway: &Gateway,
    (signature, body): (&str, &[u8]),
) -> Result<Option<AppRow>, OpError> {
    let (sealed, row) = {
        let mut conn = app.db.read().await?;
        (store::find(&mut conn, id, &gateway.name).await?, keymint_store::apps::find(&mut conn, id).await?)
    };
    let Some((sealed, row)) = sealed.zip(row.filter(|row| row.is_enabled)) else { return Ok(None) };
    let secret = app.keyring.open_for(&record(id, &gateway.name), &sealed).map_err(|_| OpError::Seal)?;
    let wanted = gateway.signing.sign(Signed { id: "", timestamp: "", body }, &[secret]);
    let is_right = wanted.is_some_and(|wanted| secret::equal(wanted.as_bytes(), signature.as_bytes()));
    Ok(is_right.then_some(row))
}
