//! A person's passkeys: what each is checked against, and the keyed check that ties it to its person. What a WebAuthn
//! ceremony is, others know.

use keymint_domain::id::{PasskeyId, UserId};
use keymint_domain::time::UnixMs;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "passkey.insert",
    "INSERT INTO passkey (id, user_id, credential_id, name, public, created_at, row_check)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);
static OF_USER: Stmt = Stmt::both(
    "passkey.of_user",
    "SELECT id, user_id, credential_id, name, public, created_at, last_used_at, row_check FROM passkey
     WHERE user_id = $1 ORDER BY id",
);
static BY_CREDENTIAL: Stmt = Stmt::both(
    "passkey.by_credential",
    "SELECT id, user_id, credential_id, name, public, created_at, last_used_at, row_check FROM passkey
     WHERE credential_id = $1",
);
static COUNT: Stmt = Stmt::both("passkey.count", "SELECT COUNT(*) AS amount FROM passkey WHERE user_id = $1");
static USE: Stmt = Stmt::both(
    "passkey.use",
    "UPDATE passkey SET public = $1, row_check = $2, last_used_at = $3 WHERE id = $4 AND row_check = $5",
);
static REMOVE: Stmt = Stmt::both("passkey.delete", "DELETE FROM passkey WHERE id = $1 AND user_id = $2");
static REMOVE_ALL: Stmt = Stmt::both("passkey.delete_of_user", "DELETE FROM passkey WHERE user_id = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 7] = [&INSERT, &OF_USER, &BY_CREDENTIAL, &COUNT, &USE, &REMOVE, &REMOVE_ALL];

/// A passkey.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// The id.
    pub id: PasskeyId,
    /// Whose.
    pub user_id: UserId,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// What the person calls it.
    pub name: String,
    /// Public key, counter and flags; JSON.
    pub public: String,
    /// When it was added.
    pub created_at: UnixMs,
    /// When it last let somebody in, or proved an act.
    pub last_used_at: Option<UnixMs>,
    /// The keyed check over what decides whom it lets in.
    pub row_check: Vec<u8>,
}

impl Passkey {
    /// What the check is over. The credential's id stands in `public` too, but it is what the row is found by.
    pub fn check_bytes(&self) -> Vec<u8> {
        let Self { id, user_id, public, .. } = self;
        let credential = data_encoding::HEXLOWER.encode(&self.credential_id);
        format!("keymint passkey v1\0{id}\0{user_id}\0{credential}\0{public}").into_bytes()
    }
}

/// Stores a new one.
///
/// # Errors
/// `StoreError::Unique` when the credential is there, whoever has it.
pub async fn insert(conn: &mut Conn, new: &Passkey) -> Result<(), StoreError> {
    let (id, user) = (new.id.to_string(), new.user_id.to_string());
    let values = [
        Val::Text(&id),
        Val::Text(&user),
        Val::Blob(&new.credential_id),
        Val::Text(&new.name),
        Val::Text(&new.public),
        Val::Int(new.created_at.0),
        Val::Blob(&new.row_check),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// A person's, the oldest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn of_user(conn: &mut Conn, user: UserId) -> Result<Vec<Passkey>, StoreError> {
    conn.rows(&OF_USER, &[Val::Text(&user.to_string())]).await?.iter().map(decode).collect()
}

/// The one that an authenticator calls this.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, credential_id: &[u8]) -> Result<Option<Passkey>, StoreError> {
    conn.row(&BY_CREDENTIAL, &[Val::Blob(credential_id)]).await?.as_ref().map(decode).transpose()
}

/// How many a person has.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn count(conn: &mut Conn, user: UserId) -> Result<i64, StoreError> {
    let row = conn.row(&COUNT, &[Val::Text(&user.to_string())]).await?;
    row.map_or(Ok(0), |row| row.int("amount"))
}

/// Stores what a use has changed, where the row is still the one with the check `before`. False when it is gone, or was
/// used in between: of two uses with the same counter one is not looked at.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn note_use(conn: &mut Conn, used: &Passkey, before: &[u8], now: UnixMs) -> Result<bool, StoreError> {
    let id = used.id.to_string();
    let (public, check) = (Val::Text(&used.public), Val::Blob(&used.row_check));
    Ok(conn.execute(&USE, &[public, check, Val::Int(now.0), Val::Text(&id), Val::Blob(before)]).await? == 1)
}

/// Takes one of a person's away. False when there is none of that id, or it is another's.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn remove(conn: &mut Conn, id: PasskeyId, user: UserId) -> Result<bool, StoreError> {
    let (id, user) = (id.to_string(), user.to_string());
    Ok(conn.execute(&REMOVE, &[Val::Text(&id), Val::Text(&user)]).await? == 1)
}

/// Takes all of a person's away.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn remove_all(conn: &mut Conn, user: UserId) -> Result<(), StoreError> {
    conn.execute(&REMOVE_ALL, &[Val::Text(&user.to_string())]).await.map(|_| ())
}

fn decode(row: &Row) -> Result<Passkey, StoreError> {
    Ok(Passkey {
        id: row.parsed("id")?,
        user_id: row.parsed("user_id")?,
        credential_id: row.blob("credential_id")?.to_vec(),
        name: row.text("name")?.to_owned(),
        public: row.text("public")?.to_owned(),
        created_at: UnixMs(row.int("created_at")?),
        last_used_at: row.opt_int("last_used_at")?.map(UnixMs),
        row_check: row.blob("row_check").map(<[u8]>::to_vec).unwrap_or_default(),
    })
}
