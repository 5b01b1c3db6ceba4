//! Merchants: the tenants.

use keymint_domain::id::MerchantId;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "merchant.insert",
    "INSERT INTO merchant (id, name, email, country, activation, activation_reason, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);
static FIND: Stmt = Stmt::both(
    "merchant.find",
    "SELECT id, name, email, country, activation, activation_reason, created_at FROM merchant WHERE id = $1",
);
static LIST: Stmt = Stmt::both(
    "merchant.list",
    "SELECT id, name, email, country, activation, activation_reason, created_at FROM merchant
     WHERE id > $1 ORDER BY id LIMIT $2",
);
static SET_ACTIVATION: Stmt =
    Stmt::both("merchant.set_activation", "UPDATE merchant SET activation = $1, activation_reason = $2 WHERE id = $3");

/// The statements of this file.
pub static ALL: [&Stmt; 4] = [&INSERT, &FIND, &LIST, &SET_ACTIVATION];

/// A merchant.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// The id.
    pub id: MerchantId,
    /// The business name.
    pub name: String,
    /// Its address for mail, lower case; no other merchant has it.
    pub email: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// Where it is on the way to live mode.
    pub activation: Activation,
    /// What the operator said of it.
    pub activation_reason: Option<String>,
    /// When it was made.
    pub created_at: UnixMs,
}

/// A merchant's way from test to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing decided yet.
    Pending,
    /// Live credentials may exist.
    Approved,
    /// Refused.
    Rejected,
    /// Was approved and is not now.
    Suspended,
}

impl Activation {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Suspended => "suspended",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Rejected, Self::Suspended].into_iter().find(|it| it.as_str() == text)
    }
}

/// Stores a new merchant.
///
/// # Errors
/// `StoreError::Unique` when another has the same email.
pub async fn insert(conn: &mut Conn, merchant: &Merchant) -> Result<(), StoreError> {
    let id = merchant.id.to_string();
    let values = [
        Val::Text(&id),
        Val::Text(&merchant.name),
        Val::Text(&merchant.email),
        Val::Text(&merchant.country),
        Val::Text(merchant.activation.as_str()),
        Val::OptText(merchant.activation_reason.as_deref()),
        Val::Int(merchant.created_at.0),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// A merchant by id.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, id: MerchantId) -> Result<Option<Merchant>, StoreError> {
    conn.row(&FIND, &[Val::Text(&id.to_string())]).await?.as_ref().map(decode).transpose()
}

/// Merchants above an id, in the order of their ids.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(conn: &mut Conn, above: &str, limit: i64) -> Result<Vec<Merchant>, StoreError> {
    conn.rows(&LIST, &[Val::Text(above), Val::Int(limit)]).await?.iter().map(decode).collect()
}

/// Sets where a merchant is on its way to live mode.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn set_activation(
    conn: &mut Conn,
    id: MerchantId,
    activation: Activation,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let id = id.to_string();
    conn.execute(&SET_ACTIVATION, &[Val::Text(activation.as_str()), Val::OptText(reason), Val::Text(&id)])
        .await
        .map(|_| ())
}

fn decode(row: &Row) -> Result<Merchant, StoreError> {
    Ok(Merchant {
        id: row.parsed("id")?,
        name: row.text("name")?.to_owned(),
        email: row.text("email")?.to_owned(),
        country: row.text("country")?.to_owned(),
        activation: Activation::parse(row.text("activation")?).ok_or(row.corrupt("activation"))?,
        activation_reason: row.opt_string("activation_reason")?,
        created_at: UnixMs(row.int("created_at")?),
    })
}
