//! What sandboxes remember: orders, payments. Test data only; nothing of live mode is ever here.

use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "sandbox_object.insert",
    "INSERT INTO sandbox_object (product, mode, kind, id, merchant_id, app_id, reference, body, created_at, changed_at,
       status, amount, currency, method)
     VALUES ($1, 'test', $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12)",
);
static FIND: Stmt = Stmt::both(
    "sandbox_object.find",
    "SELECT id, merchant_id, app_id, reference, body, created_at, version FROM sandbox_object
     WHERE product = $1 AND mode = 'test' AND kind = $2 AND id = $3",
);
static FIND_REFERENCE: Stmt = Stmt::both(
    "sandbox_object.find_reference",
    "SELECT id, merchant_id, app_id, reference, body, created_at, version FROM sandbox_object
     WHERE product = $1 AND mode = 'test' AND kind = $2 AND app_id = $3 AND reference = $4",
);
static LIST: Stmt = Stmt::both(
    "sandbox_object.list",
    "SELECT id, merchant_id, app_id, reference, body, created_at, version FROM sandbox_object
     WHERE merchant_id = $1 AND product = $2 AND mode = 'test' AND kind = $3 AND created_at >= $4 AND created_at <= $5
     ORDER BY created_at DESC, id DESC LIMIT $6 OFFSET $7",
);
static LIST_OF_APP: Stmt = Stmt::both(
    "sandbox_object.list_of_app",
    "SELECT id, merchant_id, app_id, reference, body, created_at, version FROM sandbox_object
     WHERE app_id = $1 AND mode = 'test' AND created_at >= $2 AND (created_at, id) < ($3, $4) AND kind = $5
     ORDER BY created_at DESC, id DESC LIMIT $6 OFFSET $7",
);
// Whoever has read another version changes nothing.
static CHANGE: Stmt = Stmt::both(
    "sandbox_object.change",
    "UPDATE sandbox_object SET body = $1, status = $2, amount = $3, currency = $4, method = $5, changed_at = $6,
       version = version + 1, reference = CASE WHEN CAST($7 AS BIGINT) = 1 THEN NULL ELSE reference END
     WHERE product = $8 AND mode = 'test' AND kind = $9 AND id = $10 AND version = $11",
);
static COUNT_OF_APP: Stmt = Stmt::both(
    "sandbox_object.count_of_app",
    "SELECT kind, status, COUNT(*) AS count FROM (
       SELECT kind, status FROM sandbox_object
       WHERE merchant_id = $1 AND app_id = $2 AND mode = 'test' AND created_at >= $3
       ORDER BY created_at DESC LIMIT $4) AS newest
     GROUP BY kind, status ORDER BY kind, status",
);

/// The statements of this file.
pub static ALL: [&Stmt; 7] = [&INSERT, &FIND, &FIND_REFERENCE, &LIST, &LIST_OF_APP, &CHANGE, &COUNT_OF_APP];

/// An object of a sandbox.
#[derive(Clone, Debug)]
pub struct SandboxObject {
    /// Its id as the vendor writes ids.
    pub id: String,
    /// The tenant.
    pub merchant_id: MerchantId,
    /// The app.
    pub app_id: AppId,
    /// The merchant's own reference; one per product, kind and app.
    pub reference: Option<String>,
    /// The object as JSON.
    pub body: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// How often it has changed since.
    pub version: i64,
}

/// Whether an object keeps the merchant's reference to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// No other object gets it.
    Kept,
    /// Another may have it from now on.
    Freed,
}

/// What a list tells of an object. Its body says the same in the vendor's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its state in lower case; empty when it has none.
    pub status: String,
    /// The amount as the vendor writes it, digit by digit.
    pub amount: Option<String>,
    /// The currency's code.
    pub currency: Option<String>,
    /// How it is paid.
    pub method: Option<String>,
}

/// Which objects: of a product, of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Kind<'a> {
    /// The product.
    pub product: &'a str,
    /// `order`, `payment`.
    pub kind: &'a str,
}

/// A page of objects by time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// From, included.
    pub from: UnixMs,
    /// To, included.
    pub to: UnixMs,
    /// How many.
    pub count: i64,
    /// How many to leave out first.
    pub skip: i64,
}

/// Stores a new object.
///
/// # Errors
/// `StoreError::Unique` when the app has one of that reference.
pub async fn insert(conn: &mut Conn, kind: Kind<'_>, object: &SandboxObject, facts: &Facts) -> Result<(), StoreError> {
    let (merchant_id, app_id) = (object.merchant_id.to_string(), object.app_id.to_string());
    let values = [
        Val::Text(kind.product),
        Val::Text(kind.kind),
        Val::Text(&object.id),
        Val::Text(&merchant_id),
        Val::Text(&app_id),
        Val::OptText(object.reference.as_deref()),
        Val::Text(&object.body),
        Val::Int(object.created_at.0),
        Val::Text(&facts.status),
        Val::OptText(facts.amount.as_deref()),
        Val::OptText(facts.currency.as_deref()),
        Val::OptText(facts.method.as_deref()),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// Changes an object that is still in the version in which it was read; whether it was.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn change(
    conn: &mut Conn,
    (kind, object): (Kind<'_>, &SandboxObject),
    (body, facts): (&str, &Facts),
    reference: Reference,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let values = [
        Val::Text(body),
        Val::Text(&facts.status),
        Val::OptText(facts.amount.as_deref()),
        Val::OptText(facts.currency.as_deref()),
        Val::OptText(facts.method.as_deref()),
        Val::Int(now.0),
        Val::Int(i64::from(reference == Reference::Freed)),
        Val::Text(kind.product),
        Val::Text(kind.kind),
        Val::Text(&object.id),
        Val::Int(object.version),
    ];
    Ok(conn.execute(&CHANGE, &values).await? == 1)
}

/// An object by id, whoever's: what a foreigner may learn of it is the vendor's rule.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, kind: Kind<'_>, id: &str) -> Result<Option<SandboxObject>, StoreError> {
    let values = [Val::Text(kind.product), Val::Text(kind.kind), Val::Text(id)];
    conn.row(&FIND, &values).await?.as_ref().map(decode).transpose()
}

/// An app's object by the merchant's own reference.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find_reference(
    conn: &mut Conn,
    kind: Kind<'_>,
    app: AppId,
    reference: &str,
) -> Result<Option<SandboxObject>, StoreError> {
    let app = app.to_string();
    let values = [Val::Text(kind.product), Val::Text(kind.kind), Val::Text(&app), Val::Text(reference)];
    conn.row(&FIND_REFERENCE, &values).await?.as_ref().map(decode).transpose()
}

/// A merchant's objects, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(
    conn: &mut Conn,
    merchant: MerchantId,
    kind: Kind<'_>,
    window: Window,
) -> Result<Vec<SandboxObject>, StoreError> {
    let merchant = merchant.to_string();
    let values = [
        Val::Text(&merchant),
        Val::Text(kind.product),
        Val::Text(kind.kind),
        Val::Int(window.from.0),
        Val::Int(window.to.0),
        Val::Int(window.count),
        Val::Int(window.skip),
    ];
    conn.rows(&LIST, &values).await?.iter().map(decode).collect()
}

/// Which of an app's objects.
#[derive(Clone, Copy, Debug)]
pub struct OfApp<'a> {
    /// Of which kind.
    pub kind: &'a str,
    /// From, included.
    pub from: UnixMs,
    /// Older than what was made then under this id.
    pub below: (UnixMs, &'a str),
    /// How many.
    pub count: i64,
    /// How many to leave out first.
    pub skip: i64,
}

/// An app's objects of a kind, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list_of_app(conn: &mut Conn, app: AppId, asked: OfApp<'_>) -> Result<Vec<SandboxObject>, StoreError> {
    let app = app.to_string();
    let (below, id) = asked.below;
    let values = [
        Val::Text(&app),
        Val::Int(asked.from.0),
        Val::Int(below.0),
        Val::Text(id),
        Val::Text(asked.kind),
        Val::Int(asked.count),
        Val::Int(asked.skip),
    ];
    conn.rows(&LIST_OF_APP, &values).await?.iter().map(decode).collect()
}

/// Which objects an app has since a moment: kind, state and number of each. The newest `count` are looked at.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn count_of_app(
    conn: &mut Conn,
    (merchant, app): (MerchantId, AppId),
    since: UnixMs,
    count: i64,
) -> Result<Vec<(String, String, i64)>, StoreError> {
    let (merchant, app) = (merchant.to_string(), app.to_string());
    let values = [Val::Text(&merchant), Val::Text(&app), Val::Int(since.0), Val::Int(count)];
    let rows = conn.rows(&COUNT_OF_APP, &values).await?;
    rows.iter()
        .map(|row| Ok((row.text("kind")?.to_owned(), row.text("status")?.to_owned(), row.int("count")?)))
        .collect()
}

fn decode(row: &Row) -> Result<SandboxObject, StoreError> {
    Ok(SandboxObject {
        id: row.text("id")?.to_owned(),
        merchant_id: row.parsed("merchant_id")?,
        app_id: row.parsed("app_id")?,
        reference: row.opt_string("reference")?,
        body: row.text("body")?.to_owned(),
        created_at: UnixMs(row.int("created_at")?),
        version: row.int("version")?,
    })
}
