//! People: accounts and what they are at which merchant.

use keymint_domain::id::{MerchantId, UserId};
use keymint_domain::role::Role;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::roles::{self, NamedRole};
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "user_account.insert",
    "INSERT INTO user_account (id, email, name, password, created_at, phone, row_check) VALUES ($1, $2, $3, $4, $5, $6, $7)",
);
static FIND: Stmt = Stmt::both(
    "user_account.find",
    "SELECT id, email, name, password, created_at, phone, phone_verified_at, mail_codes_at, password_reset_at, row_check
     FROM user_account WHERE id = $1",
);
static BY_EMAIL: Stmt = Stmt::both(
    "user_account.by_email",
    "SELECT id, email, name, password, created_at, phone, phone_verified_at, mail_codes_at, password_reset_at, row_check
     FROM user_account WHERE email = $1",
);
static UPDATE: Stmt = Stmt::both(
    "user_account.update",
    "UPDATE user_account SET password = $1, phone = $2, phone_verified_at = $3, mail_codes_at = $4,
         password_reset_at = $5, row_check = $6
     WHERE id = $7",
);
static JOIN: Stmt = Stmt::both(
    "membership.insert",
    "INSERT INTO membership (user_id, merchant_id, role, created_at, row_check) VALUES ($1, $2, $3, $4, $5)",
);
static OF_USER: Stmt = Stmt::both(
    "membership.of_user",
    "SELECT m.merchant_id, m.role, m.row_check, b.name, r.name AS role_name, r.acts AS role_acts,
         r.row_check AS role_check, COALESCE(t.needs_factor, 0) AS needs_factor
     FROM membership m JOIN merchant b ON b.id = m.merchant_id
     LEFT JOIN team_role r ON r.id = m.role AND r.merchant_id = m.merchant_id
     LEFT JOIN team_rule t ON t.merchant_id = m.merchant_id
     WHERE m.user_id = $1 ORDER BY m.merchant_id",
);

/// The statements of this file.
pub static ALL: [&Stmt; 6] = [&INSERT, &FIND, &BY_EMAIL, &UPDATE, &JOIN, &OF_USER];

/// A person's account.
#[derive(Clone)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The address for mail, in lower case; what one signs in with.
    pub email: String,
    /// The name.
    pub name: String,
    /// The password's hash: a PHC string.
    pub password: String,
    /// When it was made.
    pub created_at: UnixMs,
    /// The phone, E.164.
    pub phone: Option<String>,
    /// When a code that was sent to it came back.
    pub phone_verified_at: Option<UnixMs>,
    /// Since when codes by mail are a second factor; nothing while they are none.
    pub mail_codes_at: Option<UnixMs>,
    /// When the password was last set anew with a code by mail.
    pub password_reset_at: Option<UnixMs>,
    /// The keyed check over what decides who may sign in.
    pub row_check: Vec<u8>,
}

impl User {
    /// What the check is over.
    pub fn check_bytes(&self) -> Vec<u8> {
        let verified = self.phone_verified_at.map_or(0, |at| at.0);
        let phone = self.phone.as_deref().unwrap_or_default();
        let Self { id, email, password, mail_codes_at, password_reset_at, .. } = self;
        let rest = format!("{id}\0{email}\0{password}\0{phone}\0{verified}");
        // Rows with neither moment, which are all that were there before the two, keep the check of before.
        if mail_codes_at.is_none() && password_reset_at.is_none() {
            return format!("keymint account v1\0{rest}").into_bytes();
        }
        let [mail_codes, reset] = [mail_codes_at, password_reset_at].map(|at| at.map_or(0, |at| at.0));
        format!("keymint account v2\0{rest}\0{mail_codes}\0{reset}").into_bytes()
    }
}

/// What a person is at a merchant.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The merchant.
    pub merchant_id: MerchantId,
    /// The merchant's name.
    pub merchant_name: String,
    /// The role.
    pub role: Role,
    /// What it is called.
    pub role_name: String,
    /// The keyed check over a role that the merchant has made.
    pub role_check: Vec<u8>,
    /// Whether the merchant wants a second factor of everybody in its team.
    pub needs_factor: bool,
    /// The keyed check over it.
    pub row_check: Vec<u8>,
}

/// What the check of a membership is over.
pub fn membership_bytes(user: UserId, merchant: MerchantId, role: Role) -> Vec<u8> {
    format!("keymint membership v1\0{user}\0{merchant}\0{role}").into_bytes()
}

/// Stores an account.
///
/// # Errors
/// `StoreError::Unique` when the address has one.
pub async fn insert(conn: &mut Conn, user: &User) -> Result<(), StoreError> {
    let id = user.id.to_string();
    let texts = [&id, &user.email, &user.name, &user.password].map(|text| Val::Text(text));
    let [id, email, name, password] = texts;
    let (created_at, phone) = (Val::Int(user.created_at.0), Val::OptText(user.phone.as_deref()));
    let check = Val::Blob(&user.row_check);
    conn.execute(&INSERT, &[id, email, name, password, created_at, phone, check]).await.map(|_| ())
}

/// Stores what may change of an account: password, phone, codes by mail, and the check over them.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn update(conn: &mut Conn, user: &User) -> Result<(), StoreError> {
    let id = user.id.to_string();
    let values = [
        Val::Text(&user.password),
        Val::OptText(user.phone.as_deref()),
        Val::OptInt(user.phone_verified_at.map(|at| at.0)),
        Val::OptInt(user.mail_codes_at.map(|at| at.0)),
        Val::OptInt(user.password_reset_at.map(|at| at.0)),
        Val::Blob(&user.row_check),
        Val::Text(&id),
    ];
    conn.execute(&UPDATE, &values).await.map(|_| ())
}

/// An account.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, id: UserId) -> Result<Option<User>, StoreError> {
    conn.row(&FIND, &[Val::Text(&id.to_string())]).await?.as_ref().map(decode).transpose()
}

/// The account of an address, which is in lower case.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<User>, StoreError> {
    conn.row(&BY_EMAIL, &[Val::Text(email)]).await?.as_ref().map(decode).transpose()
}

/// Makes a person a member of a merchant.
///
/// # Errors
/// `StoreError::Unique` when it is one.
pub async fn join(
    conn: &mut Conn,
    user: UserId,
    merchant: MerchantId,
    (role, row_check): (Role, &[u8]),
    now: UnixMs,
) -> Result<(), StoreError> {
    let (user, merchant) = (user.to_string(), merchant.to_string());
    let role = role.to_string();
    let values = [Val::Text(&user), Val::Text(&merchant), Val::Text(&role), Val::Int(now.0), Val::Blob(row_check)];
    conn.execute(&JOIN, &values).await.map(|_| ())
}

/// The merchants of a person.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn memberships(conn: &mut Conn, user: UserId) -> Result<Vec<Membership>, StoreError> {
    let rows = conn.rows(&OF_USER, &[Val::Text(&user.to_string())]).await?;
    rows.iter()
        .map(|row| {
            let NamedRole { role, name } = roles::decode(row)?;
            Ok(Membership {
                merchant_id: row.parsed("merchant_id")?,
                merchant_name: row.text("name")?.to_owned(),
                role,
                role_name: name,
                role_check: row.blob("role_check").map(<[u8]>::to_vec).unwrap_or_default(),
                needs_factor: row.int("needs_factor")? != 0,
                row_check: row.blob("row_check").map(<[u8]>::to_vec).unwrap_or_default(),
            })
        })
        .collect()
}

fn decode(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.parsed("id")?,
        email: row.text("email")?.to_owned(),
        name: row.text("name")?.to_owned(),
        password: row.text("password")?.to_owned(),
        created_at: UnixMs(row.int("created_at")?),
        phone: row.opt_string("phone")?,
        phone_verified_at: row.opt_int("phone_verified_at")?.map(UnixMs),
        mail_codes_at: row.opt_int("mail_codes_at")?.map(UnixMs),
        password_reset_at: row.opt_int("password_reset_at")?.map(UnixMs),
        row_check: row.blob("row_check").map(<[u8]>::to_vec).unwrap_or_default(),
    })
}
