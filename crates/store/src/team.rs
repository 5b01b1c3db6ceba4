//! A merchant's team: who belongs to it, and who has been asked to.

use keymint_domain::id::{InvitationId, MerchantId, UserId};
use keymint_domain::role::Role;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::roles::{self, NamedRole};
use crate::sql::{Row, Stmt, Val};

static MEMBERS: Stmt = Stmt::both(
    "membership.of_merchant",
    "SELECT u.id, u.name, u.email, m.role, r.name AS role_name, r.acts AS role_acts, m.created_at
     FROM membership m JOIN user_account u ON u.id = m.user_id
     LEFT JOIN team_role r ON r.id = m.role AND r.merchant_id = m.merchant_id
     WHERE m.merchant_id = $1 ORDER BY m.created_at, u.id",
);
static SET_ROLE: Stmt = Stmt::both(
    "membership.set_role",
    "UPDATE membership SET role = $1, row_check = $2 WHERE user_id = $3 AND merchant_id = $4",
);
static LEAVE: Stmt = Stmt::both("membership.delete", "DELETE FROM membership WHERE user_id = $1 AND merchant_id = $2");
static INVITE: Stmt = Stmt::both(
    "invitation.upsert",
    "INSERT INTO invitation (id, merchant_id, email, role, invited_by, sent_at, expires_at, row_check)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (merchant_id, email) DO UPDATE SET id = excluded.id, role = excluded.role,
         invited_by = excluded.invited_by, sent_at = excluded.sent_at, expires_at = excluded.expires_at,
         row_check = excluded.row_check",
);
static OF_MERCHANT: Stmt = Stmt::both(
    "invitation.of_merchant",
    "SELECT i.id, i.merchant_id, b.name, i.email, i.role, r.name AS role_name, r.acts AS role_acts, i.sent_at,
         i.expires_at, i.row_check
     FROM invitation i JOIN merchant b ON b.id = i.merchant_id
     LEFT JOIN team_role r ON r.id = i.role AND r.merchant_id = i.merchant_id WHERE i.merchant_id = $1 ORDER BY i.sent_at, i.id",
);
static OF_EMAIL: Stmt = Stmt::both(
    "invitation.of_email",
    "SELECT i.id, i.merchant_id, b.name, i.email, i.role, r.name AS role_name, r.acts AS role_acts, i.sent_at,
         i.expires_at, i.row_check
     FROM invitation i JOIN merchant b ON b.id = i.merchant_id
     LEFT JOIN team_role r ON r.id = i.role AND r.merchant_id = i.merchant_id WHERE i.email = $1 ORDER BY i.id",
);
static CANCEL: Stmt = Stmt::both("invitation.delete", "DELETE FROM invitation WHERE id = $1");

static PUT_RULE: Stmt = Stmt::both(
    "team_rule.upsert",
    "INSERT INTO team_rule (merchant_id, needs_factor) VALUES ($1, $2)
     ON CONFLICT (merchant_id) DO UPDATE SET needs_factor = excluded.needs_factor",
);

/// The statements of this file.
pub static ALL: [&Stmt; 8] = [&MEMBERS, &SET_ROLE, &LEAVE, &INVITE, &OF_MERCHANT, &OF_EMAIL, &CANCEL, &PUT_RULE];

/// Someone of the team.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// The name.
    pub name: String,
    /// The address for mail.
    pub email: String,
    /// The role.
    pub role: NamedRole,
    /// Since when.
    pub since: UnixMs,
}

/// An invitation that is neither accepted nor withdrawn.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The id.
    pub id: InvitationId,
    /// To which merchant.
    pub merchant_id: MerchantId,
    /// The merchant's name.
    pub merchant_name: String,
    /// To whom: the address, in lower case.
    pub email: String,
    /// As what.
    pub role: NamedRole,
    /// When it was sent last.
    pub sent_at: UnixMs,
    /// Until when it can be accepted.
    pub expires_at: UnixMs,
    /// The keyed check over it.
    pub row_check: Vec<u8>,
}

impl Invitation {
    /// What the check is over.
    pub fn check_bytes(&self) -> Vec<u8> {
        let Self { id, merchant_id, email, role, expires_at, .. } = self;
        let (role, ends) = (role.role, expires_at.0);
        format!("keymint invitation v1\0{id}\0{merchant_id}\0{email}\0{role}\0{ends}").into_bytes()
    }
}

/// The team.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn members(conn: &mut Conn, merchant: MerchantId) -> Result<Vec<Member>, StoreError> {
    let rows = conn.rows(&MEMBERS, &[Val::Text(&merchant.to_string())]).await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                user: row.parsed("id")?,
                name: row.text("name")?.to_owned(),
                email: row.text("email")?.to_owned(),
                role: roles::decode(row)?,
                since: UnixMs(row.int("created_at")?),
            })
        })
        .collect()
}

/// Changes a role. False where the person is no member.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn set_role(
    conn: &mut Conn,
    user: UserId,
    merchant: MerchantId,
    (role, row_check): (Role, &[u8]),
) -> Result<bool, StoreError> {
    let (user, merchant, role) = (user.to_string(), merchant.to_string(), role.to_string());
    let values = [Val::Text(&role), Val::Blob(row_check), Val::Text(&user), Val::Text(&merchant)];
    Ok(conn.execute(&SET_ROLE, &values).await? == 1)
}

/// Sets whether everybody in the team has to have a second factor.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn set_rule(conn: &mut Conn, merchant: MerchantId, needs_factor: bool) -> Result<(), StoreError> {
    let values = [Val::Text(&merchant.to_string()), Val::Int(i64::from(needs_factor))];
    conn.execute(&PUT_RULE, &values).await.map(|_| ())
}

/// Takes someone out. False where the person is no member.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn leave(conn: &mut Conn, user: UserId, merchant: MerchantId) -> Result<bool, StoreError> {
    let (user, merchant) = (user.to_string(), merchant.to_string());
    Ok(conn.execute(&LEAVE, &[Val::Text(&user), Val::Text(&merchant)]).await? == 1)
}

/// Stores an invitation, in the place of an earlier one to the same address.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn invite(conn: &mut Conn, invitation: &Invitation, invited_by: UserId) -> Result<(), StoreError> {
    let (id, merchant) = (invitation.id.to_string(), invitation.merchant_id.to_string());
    let (by, role) = (invited_by.to_string(), invitation.role.role.to_string());
    let values = [
        Val::Text(&id),
        Val::Text(&merchant),
        Val::Text(&invitation.email),
        Val::Text(&role),
        Val::Text(&by),
        Val::Int(invitation.sent_at.0),
        Val::Int(invitation.expires_at.0),
        Val::Blob(&invitation.row_check),
    ];
    conn.execute(&INVITE, &values).await.map(|_| ())
}

/// A merchant's invitations.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn invitations(conn: &mut Conn, merchant: MerchantId) -> Result<Vec<Invitation>, StoreError> {
    conn.rows(&OF_MERCHANT, &[Val::Text(&merchant.to_string())]).await?.iter().map(decode).collect()
}

/// The invitations to an address.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn invitations_to(conn: &mut Conn, email: &str) -> Result<Vec<Invitation>, StoreError> {
    conn.rows(&OF_EMAIL, &[Val::Text(email)]).await?.iter().map(decode).collect()
}

/// Takes an invitation away: it was accepted, declined or withdrawn. False when it was gone.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn remove_invitation(conn: &mut Conn, id: InvitationId) -> Result<bool, StoreError> {
    Ok(conn.execute(&CANCEL, &[Val::Text(&id.to_string())]).await? == 1)
}

fn decode(row: &Row) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        id: row.parsed("id")?,
        merchant_id: row.parsed("merchant_id")?,
        merchant_name: row.text("name")?.to_owned(),
        email: row.text("email")?.to_owned(),
        role: roles::decode(row)?,
        sent_at: UnixMs(row.int("sent_at")?),
        expires_at: UnixMs(row.int("expires_at")?),
        row_check: row.blob("row_check")?.to_vec(),
    })
}
