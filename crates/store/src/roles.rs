//! Roles that merchants have made, and how a role is read wherever one is named.

use keymint_domain::id::{MerchantId, RoleId};
use keymint_domain::role::{Acts, Role};

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static PUT: Stmt = Stmt::both(
    "team_role.upsert",
    "INSERT INTO team_role (id, merchant_id, name, acts, row_check) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, acts = excluded.acts, row_check = excluded.row_check",
);
static OF_MERCHANT: Stmt = Stmt::both(
    "team_role.of_merchant",
    "SELECT r.id AS role, r.name AS role_name, r.acts AS role_acts,
         (SELECT COUNT(*) FROM membership m WHERE m.merchant_id = r.merchant_id AND m.role = r.id)
       + (SELECT COUNT(*) FROM invitation i WHERE i.merchant_id = r.merchant_id AND i.role = r.id) AS holders
     FROM team_role r WHERE r.merchant_id = $1 ORDER BY r.name",
);
static REMOVE: Stmt = Stmt::both("team_role.delete", "DELETE FROM team_role WHERE id = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 3] = [&PUT, &OF_MERCHANT, &REMOVE];

/// A role that somebody has at a merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRole {
    /// What it may do.
    pub role: Role,
    /// What it is called: for one that every merchant has, the same as its text.
    pub name: String,
}

impl From<Role> for NamedRole {
    fn from(role: Role) -> Self {
        Self { role, name: role.to_string() }
    }
}

/// A role that a merchant has made.
#[derive(Clone, Debug)]
pub struct TeamRole {
    /// The id.
    pub id: RoleId,
    /// Its name: no two of one merchant have the same.
    pub name: String,
    /// What it may do, besides what everybody in the team may.
    pub acts: Acts,
    /// How many have it, or are invited to it.
    pub holders: i64,
}

/// What the check of a merchant's role is over.
pub fn check_bytes(merchant: MerchantId, id: RoleId, name: &str, acts: Acts) -> Vec<u8> {
    format!("keymint role v1\0{id}\0{merchant}\0{name}\0{acts}").into_bytes()
}

/// Reads a role out of the columns `role`, `role_name` and `role_acts`; the latter two are empty for one that every
/// merchant has. One of the merchant's own that is not there any more may do nothing: its check finds that out.
///
/// # Errors
/// `StoreError::Corrupt` for what is none.
pub fn decode(row: &Row) -> Result<NamedRole, StoreError> {
    let text = row.text("role")?;
    if let Some(role) = Role::parse(text) {
        return Ok(role.into());
    }
    let acts = row.opt_text("role_acts")?.and_then(Acts::parse).unwrap_or_default();
    let name = row.opt_text("role_name")?.unwrap_or(text).to_owned();
    Ok(NamedRole { role: Role::Custom(row.parsed("role")?, acts), name })
}

/// Stores a role, new or changed.
///
/// # Errors
/// `StoreError::Unique` when the merchant has one of that name.
pub async fn put(
    conn: &mut Conn,
    merchant: MerchantId,
    (id, name, acts): (RoleId, &str, Acts),
    row_check: &[u8],
) -> Result<(), StoreError> {
    let (id, merchant, acts) = (id.to_string(), merchant.to_string(), acts.to_string());
    let texts = [&id, &merchant, name, &acts].map(Val::Text);
    let [id, merchant, name, acts] = texts;
    conn.execute(&PUT, &[id, merchant, name, acts, Val::Blob(row_check)]).await.map(|_| ())
}

/// The roles that a merchant has made, by name.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn of_merchant(conn: &mut Conn, merchant: MerchantId) -> Result<Vec<TeamRole>, StoreError> {
    let rows = conn.rows(&OF_MERCHANT, &[Val::Text(&merchant.to_string())]).await?;
    rows.iter()
        .map(|row| {
            Ok(TeamRole {
                id: row.parsed("role")?,
                name: row.text("role_name")?.to_owned(),
                acts: Acts::parse(row.text("role_acts")?).unwrap_or_default(),
                holders: row.int("holders")?,
            })
        })
        .collect()
}

/// Takes a role away.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn remove(conn: &mut Conn, id: RoleId) -> Result<(), StoreError> {
    conn.execute(&REMOVE, &[Val::Text(&id.to_string())]).await.map(|_| ())
}
