//! People: accounts and what they are at which merchant.

use keymint_domain::id::{MerchantId, UserId};
use keymint_domain::role::Role;
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "user_account.insert",
    "INSERT INTO user_account (id, email, name, password, created_at, phone) VALUES ($1, $2, $3, $4, $5, $6)",
);
static FIND: Stmt = Stmt::both(
    "user_account.find",
    "SELECT id, email, name, password, created_at, phone, phone_verified_at FROM user_account WHERE id = $1",
);
static BY_EMAIL: Stmt = Stmt::both(
    "user_account.by_email",
    "SELECT id, email, name, password, created_at, phone, phone_verified_at FROM user_account WHERE email = $1",
);
static SET_PASSWORD: Stmt =
    Stmt::both("user_account.set_password", "UPDATE user_account SET password = $1 WHERE id = $2");
static SET_PHONE: Stmt =
    Stmt::both("user_account.set_phone", "UPDATE user_account SET phone = $1, phone_verified_at = $2 WHERE id = $3");
static JOIN: Stmt = Stmt::both(
    "membership.insert",
    "INSERT INTO membership (user_id, merchant_id, role, created_at) VALUES ($1, $2, $3, $4)",
);
static OF_USER: Stmt = Stmt::both(
    "membership.of_user",
    "SELECT m.merchant_id, m.role, b.name FROM membership m JOIN merchant b ON b.id = m.merchant_id
     WHERE m.user_id = $1 ORDER BY m.merchant_id",
);

/// The statements of this file.
pub static ALL: [&Stmt; 7] = [&INSERT, &FIND, &BY_EMAIL, &SET_PASSWORD, &SET_PHONE, &JOIN, &OF_USER];

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
    conn.execute(&INSERT, &[id, email, name, password, created_at, phone]).await.map(|_| ())
}

/// Stores another password's hash.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn set_password(conn: &mut Conn, id: UserId, password: &str) -> Result<(), StoreError> {
    conn.execute(&SET_PASSWORD, &[Val::Text(password), Val::Text(&id.to_string())]).await.map(|_| ())
}

/// Stores a phone from which a code came back.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn set_phone(conn: &mut Conn, id: UserId, phone: Option<&str>, now: UnixMs) -> Result<(), StoreError> {
    let verified = Val::OptInt(phone.map(|_| now.0));
    conn.execute(&SET_PHONE, &[Val::OptText(phone), verified, Val::Text(&id.to_string())]).await.map(|_| ())
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
    role: Role,
    now: UnixMs,
) -> Result<(), StoreError> {
    let (user, merchant) = (user.to_string(), merchant.to_string());
    let values = [Val::Text(&user), Val::Text(&merchant), Val::Text(role.as_str()), Val::Int(now.0)];
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
            Ok(Membership {
                merchant_id: row.parsed("merchant_id")?,
                merchant_name: row.text("name")?.to_owned(),
                role: Role::parse(row.text("role")?).ok_or(row.corrupt("role"))?,
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
    })
}
