//! Credentials: rows, slots, and the one read on the hot path's miss.

use keymint_domain::credential::{Credential, RevokeReason, Status};
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::restriction::Restrictions;
use keymint_domain::seal::StoredSecret;
use keymint_domain::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::db::Conn;
use crate::error::StoreError;
use crate::merchants::Activation;
use crate::sql::{Row, Stmt, Val};

/// What `decode` reads, of the credentials that a condition names.
macro_rules! stored {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.key_id, c.product, c.mode, c.merchant_id, c.app_id, c.slot, c.name, c.created_at, c.expires_at,
                         c.status, c.ends_at, c.revoked_at, c.revoke_reason, c.revoke_note, c.restrictions, c.secret_kind,
                         c.ring_key, c.secret, c.row_check, c.exposed_at, a.enabled, m.activation,
                         u.last_used_at
                  FROM credential c JOIN app a ON a.id = c.app_id JOIN merchant m ON m.id = c.merchant_id
                       LEFT JOIN credential_use u ON u.key_id = c.key_id
             ",
            $condition
        )
    };
}

static INSERT: Stmt = Stmt::both(
    "credential.insert",
    "INSERT INTO credential (id, key_id, product, mode, merchant_id, app_id, slot_owner, slot, name, created_at,
                             expires_at, status, ends_at, revoked_at, revoke_reason, revoke_note, restrictions,
                             secret_kind, ring_key, secret, row_check)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
);
static UPDATE: Stmt = Stmt::both(
    "credential.update",
    "UPDATE credential SET name = $1, expires_at = $2, status = $3, ends_at = $4, revoked_at = $5,
                           revoke_reason = $6, revoke_note = $7, restrictions = $8, row_check = $9
     WHERE id = $10",
);
static EXPOSE: Stmt =
    Stmt::both("credential.expose", "UPDATE credential SET exposed_at = $1 WHERE key_id = $2 AND exposed_at IS NULL");
static FIND: Stmt = Stmt::both("credential.find", stored!("WHERE c.key_id = $1"));
static LIST: Stmt = Stmt::both("credential.list", stored!("WHERE c.app_id = $1 AND c.id > $2 ORDER BY c.id LIMIT $3"));
static LIVING: Stmt = Stmt::both(
    "credential.living",
    stored!(
        "WHERE c.app_id = $1 AND c.mode = $2 AND c.status IN ('active', 'retiring')
       AND (c.expires_at IS NULL OR c.expires_at > $3) AND (c.ends_at IS NULL OR c.ends_at > $3)
     ORDER BY c.id DESC"
    ),
);
static ENDED: Stmt = Stmt::both(
    "credential.ended",
    stored!(
        "WHERE c.app_id = $1 AND c.mode = $2
       AND (c.status NOT IN ('active', 'retiring') OR c.expires_at <= $3 OR c.ends_at <= $3)
       AND c.id < $4 ORDER BY c.id DESC LIMIT $5"
    ),
);
static NEWEST_ACTIVE: Stmt = Stmt::both(
    "credential.newest_active",
    stored!(
        "WHERE c.slot_owner = $1 AND c.product = $2 AND c.mode = $3 AND c.status = 'active'
               AND (c.expires_at IS NULL OR c.expires_at > $4) ORDER BY c.id DESC LIMIT 1"
    ),
);
// By way of the merchant's apps: no index names an owner's credentials that have ended.
static NEWEST: Stmt = Stmt::both(
    "credential.newest",
    stored!(
        "WHERE a.merchant_id = $1 AND c.slot_owner = $2 AND c.product = $3 AND c.mode = $4 ORDER BY c.id DESC LIMIT 1"
    ),
);
static ACTIVE_SLOTS: Stmt = Stmt::both(
    "credential.active_slots",
    "SELECT slot FROM credential
     WHERE slot_owner = $1 AND product = $2 AND mode = $3 AND status = 'active' ORDER BY slot",
);
static SWEEP_EXPIRED: Stmt = Stmt::both(
    "credential.sweep_expired",
    "UPDATE credential SET status = 'expired'
     WHERE slot_owner = $1 AND product = $2 AND mode = $3 AND status = 'active' AND expires_at <= $4",
);
static KEYS_OF_APP: Stmt =
    Stmt::both("credential.keys_of_app", "SELECT key_id FROM credential WHERE app_id = $1 AND status <> 'revoked'");
static WORKING_LIVE_KEY: Stmt = Stmt::both(
    "credential.working_live_key",
    "SELECT key_id FROM credential
     WHERE app_id = $1 AND mode = 'live' AND status IN ('active', 'retiring')
       AND (expires_at IS NULL OR expires_at > $2) AND (ends_at IS NULL OR ends_at > $2) LIMIT 1",
);
static KEYS_OF_MERCHANT: Stmt = Stmt::both(
    "credential.keys_of_merchant",
    "SELECT c.key_id FROM app a JOIN credential c ON c.app_id = a.id WHERE a.merchant_id = $1 AND c.status <> 'revoked'",
);
static ANY_USED: Stmt = Stmt::both(
    "credential_use.of_merchant",
    "SELECT c.key_id FROM app a JOIN credential c ON c.app_id = a.id JOIN credential_use u ON u.key_id = c.key_id
     WHERE a.merchant_id = $1 AND a.enabled = 1 AND c.mode = $2 LIMIT 1",
);
static USED: Stmt = Stmt::both(
    "credential_use.upsert",
    "INSERT INTO credential_use (key_id, last_used_at) VALUES ($1, $2)
     ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at",
);

/// The statements of this file.
pub static ALL: [&Stmt; 16] = [
    &INSERT,
    &EXPOSE,
    &LIVING,
    &ENDED,
    &UPDATE,
    &FIND,
    &LIST,
    &ACTIVE_SLOTS,
    &SWEEP_EXPIRED,
    &KEYS_OF_APP,
    &WORKING_LIVE_KEY,
    &KEYS_OF_MERCHANT,
    &ANY_USED,
    &NEWEST_ACTIVE,
    &NEWEST,
    &USED,
];

/// A credential with what stands beside its row.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The credential.
    pub credential: Credential,
    /// Which of its owner's slots it takes.
    pub slot: i64,
    /// The keyed check over the row.
    pub row_check: Vec<u8>,
    /// Whether its app lets it work.
    pub app_is_enabled: bool,
    /// Where its merchant is on the way to live mode.
    pub activation: Activation,
    /// What was seen of it.
    pub seen: Seen,
}

/// What was seen of a credential on its way. Not part of its keyed check: nothing is decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When it last authenticated a request.
    pub last_used_at: Option<UnixMs>,
    /// When its secret was first shown where others could read it.
    pub exposed_at: Option<UnixMs>,
}

/// Restrictions as a JSON document.
#[derive(Serialize, Deserialize)]
struct RestrictionsDocument {
    #[serde(default)]
    ips: Vec<String>,
    #[serde(default)]
    origins: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domains: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    providers: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
}

/// Restrictions as stored.
pub fn restrictions_text(restrictions: &Restrictions) -> String {
    let document = RestrictionsDocument {
        ips: restrictions.allowed_ips.iter().map(ToString::to_string).collect(),
        origins: restrictions.allowed_origins.iter().map(ToString::to_string).collect(),
        domains: restrictions.domains.as_ref().map(|list| list.iter().map(ToString::to_string).collect()),
        providers: restrictions.providers.iter().map(ToString::to_string).collect(),
        scopes: restrictions.scopes.iter().map(ToString::to_string).collect(),
    };
    serde_json::to_string(&document).expect("lists of text are JSON")
}

fn restrictions_of(text: &str) -> Option<Restrictions> {
    let document: RestrictionsDocument = serde_json::from_str(text).ok()?;
    Some(Restrictions {
        allowed_ips: document.ips.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?,
        allowed_origins: document.origins.into_iter().map(Into::into).collect(),
        domains: document.domains.map(|list| list.into_iter().map(Into::into).collect()),
        providers: document.providers.into_iter().map(Into::into).collect(),
        scopes: document.scopes.into_iter().map(Into::into).collect(),
    })
}

/// The columns that a status takes.
struct StatusColumns<'a> {
    status: &'static str,
    ends_at: Option<i64>,
    revoked_at: Option<i64>,
    reason: Option<&'static str>,
    note: Option<&'a str>,
}

fn status_columns(status: &Status) -> StatusColumns<'_> {
    let none = StatusColumns { status: "active", ends_at: None, revoked_at: None, reason: None, note: None };
    match status {
        Status::Active => none,
        Status::Retiring { ends_at } => StatusColumns { status: "retiring", ends_at: Some(ends_at.0), ..none },
        Status::Revoked { at, reason, note } => StatusColumns {
            status: "revoked",
            revoked_at: Some(at.0),
            reason: Some(reason.as_str()),
            note: note.as_deref(),
            ..none
        },
    }
}

/// Stores a new credential in one of its owner's slots.
///
/// # Errors
/// `StoreError::Unique` when the slot is taken.
pub async fn insert(
    conn: &mut Conn,
    credential: &Credential,
    (slot_owner, slot): (&str, i64),
    row_check: &[u8],
) -> Result<(), StoreError> {
    let ids = [credential.id.to_string(), credential.merchant_id.to_string(), credential.app_id.to_string()];
    let [id, merchant_id, app_id] = &ids;
    let restrictions = restrictions_text(&credential.restrictions);
    let columns = status_columns(&credential.status);
    let (secret_kind, ring_key, secret) = match &credential.secret {
        StoredSecret::Hashed { ring_key, digest } => ("hashed", ring_key, digest.as_slice()),
        StoredSecret::Sealed { ring_key, bytes } => ("sealed", ring_key, bytes.as_slice()),
    };
    let values = [
        Val::Text(id),
        Val::Text(&credential.key_id),
        Val::Text(&credential.product),
        Val::Text(credential.mode.as_str()),
        Val::Text(merchant_id),
        Val::Text(app_id),
        Val::Text(slot_owner),
        Val::Int(slot),
        Val::OptText(credential.name.as_deref()),
        Val::Int(credential.created_at.0),
        Val::OptInt(credential.expires_at.map(|at| at.0)),
        Val::Text(columns.status),
        Val::OptInt(columns.ends_at),
        Val::OptInt(columns.revoked_at),
        Val::OptText(columns.reason),
        Val::OptText(columns.note),
        Val::Text(&restrictions),
        Val::Text(secret_kind),
        Val::Text(ring_key),
        Val::Blob(secret),
        Val::Blob(row_check),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// Stores what may change of a credential.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn update(conn: &mut Conn, credential: &Credential, row_check: &[u8]) -> Result<(), StoreError> {
    let id = credential.id.to_string();
    let restrictions = restrictions_text(&credential.restrictions);
    let columns = status_columns(&credential.status);
    let values = [
        Val::OptText(credential.name.as_deref()),
        Val::OptInt(credential.expires_at.map(|at| at.0)),
        Val::Text(columns.status),
        Val::OptInt(columns.ends_at),
        Val::OptInt(columns.revoked_at),
        Val::OptText(columns.reason),
        Val::OptText(columns.note),
        Val::Text(&restrictions),
        Val::Blob(row_check),
        Val::Text(&id),
    ];
    conn.execute(&UPDATE, &values).await.map(|_| ())
}

/// Notes when a credential's secret was first shown where others could read it; false when that was noted before.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn expose(conn: &mut Conn, key_id: &str, at: UnixMs) -> Result<bool, StoreError> {
    Ok(conn.execute(&EXPOSE, &[Val::Int(at.0), Val::Text(key_id)]).await? > 0)
}

/// A credential by its public name. Whose it is, the caller checks.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, key_id: &str) -> Result<Option<Stored>, StoreError> {
    conn.row(&FIND, &[Val::Text(key_id)]).await?.as_ref().map(decode).transpose()
}

/// An app's credentials above an id, in the order of their ids.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn list(conn: &mut Conn, app: AppId, above: &str, limit: i64) -> Result<Vec<Stored>, StoreError> {
    let app = app.to_string();
    conn.rows(&LIST, &[Val::Text(&app), Val::Text(above), Val::Int(limit)]).await?.iter().map(decode).collect()
}

/// An app's credentials of a mode that can be used at a moment, the newest first: as many as the dialect lets be active,
/// and those that end soon.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn living(conn: &mut Conn, app: AppId, mode: Mode, now: UnixMs) -> Result<Vec<Stored>, StoreError> {
    let app = app.to_string();
    let values = [Val::Text(&app), Val::Text(mode.as_str()), Val::Int(now.0)];
    conn.rows(&LIVING, &values).await?.iter().map(decode).collect()
}

/// The newest active one of an owner.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn newest_active(conn: &mut Conn, slots: Slots<'_>, now: UnixMs) -> Result<Option<Stored>, StoreError> {
    let values = [Val::Text(slots.owner), Val::Text(slots.product), Val::Text(slots.mode.as_str()), Val::Int(now.0)];
    conn.row(&NEWEST_ACTIVE, &values).await?.as_ref().map(decode).transpose()
}

/// The newest one that an owner, who is this merchant or an app of it, ever had, whatever became of it.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn newest(conn: &mut Conn, merchant: MerchantId, slots: Slots<'_>) -> Result<Option<Stored>, StoreError> {
    let merchant = merchant.to_string();
    let values =
        [Val::Text(&merchant), Val::Text(slots.owner), Val::Text(slots.product), Val::Text(slots.mode.as_str())];
    conn.row(&NEWEST, &values).await?.as_ref().map(decode).transpose()
}

/// Those that have ended, below an id, the newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn ended(
    conn: &mut Conn,
    (app, mode): (AppId, Mode),
    now: UnixMs,
    (below, limit): (&str, i64),
) -> Result<Vec<Stored>, StoreError> {
    let app = app.to_string();
    let values = [Val::Text(&app), Val::Text(mode.as_str()), Val::Int(now.0), Val::Text(below), Val::Int(limit)];
    conn.rows(&ENDED, &values).await?.iter().map(decode).collect()
}

/// Whose slots, of which product and mode.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'a> {
    /// The owner as text.
    pub owner: &'a str,
    /// The product.
    pub product: &'a str,
    /// The mode.
    pub mode: Mode,
}

/// The lowest free slot below `active_max`; where there is none, those of expired credentials are freed first. `None` when
/// all are taken.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn free_slot(
    conn: &mut Conn,
    slots: Slots<'_>,
    active_max: u32,
    now: UnixMs,
) -> Result<Option<i64>, StoreError> {
    let (owner, product, mode) = (Val::Text(slots.owner), Val::Text(slots.product), Val::Text(slots.mode.as_str()));
    if let Some(slot) = untaken(conn, [owner, product, mode], active_max).await? {
        return Ok(Some(slot));
    }
    conn.execute(&SWEEP_EXPIRED, &[owner, product, mode, Val::Int(now.0)]).await?;
    untaken(conn, [owner, product, mode], active_max).await
}

async fn untaken(conn: &mut Conn, slots: [Val<'_>; 3], active_max: u32) -> Result<Option<i64>, StoreError> {
    let rows = conn.rows(&ACTIVE_SLOTS, &slots).await?;
    let taken = rows.iter().map(|row| row.int("slot")).collect::<Result<Vec<_>, _>>()?;
    Ok((0..i64::from(active_max)).find(|slot| !taken.contains(slot)))
}

async fn key_ids(conn: &mut Conn, stmt: &'static Stmt, owner: &str) -> Result<Vec<String>, StoreError> {
    let rows = conn.rows(stmt, &[Val::Text(owner)]).await?;
    rows.iter().map(|row| Ok(row.text("key_id")?.to_owned())).collect()
}

/// The key ids of an app's credentials that have not been revoked.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn key_ids_of_app(conn: &mut Conn, app: AppId) -> Result<Vec<String>, StoreError> {
    key_ids(conn, &KEYS_OF_APP, &app.to_string()).await
}

/// Whether a live credential of an app works at a moment.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn has_working_live(conn: &mut Conn, app: AppId, now: UnixMs) -> Result<bool, StoreError> {
    Ok(conn.row(&WORKING_LIVE_KEY, &[Val::Text(&app.to_string()), Val::Int(now.0)]).await?.is_some())
}

/// The key ids of a merchant's credentials that have not been revoked.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn key_ids_of_merchant(conn: &mut Conn, merchant: MerchantId) -> Result<Vec<String>, StoreError> {
    key_ids(conn, &KEYS_OF_MERCHANT, &merchant.to_string()).await
}

/// Whether any key of a mode has authenticated a request, of an app that is enabled.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn any_used(conn: &mut Conn, merchant: MerchantId, mode: Mode) -> Result<bool, StoreError> {
    let values = [Val::Text(&merchant.to_string()), Val::Text(mode.as_str())];
    Ok(conn.row(&ANY_USED, &values).await?.is_some())
}

/// Notes that a credential authenticated a request.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn note_use(conn: &mut Conn, key_id: &str, at: UnixMs) -> Result<(), StoreError> {
    conn.execute(&USED, &[Val::Text(key_id), Val::Int(at.0)]).await.map(|_| ())
}

fn decode_status(row: &Row) -> Result<Status, StoreError> {
    match row.text("status")? {
        // An expired one stays as it was: its expiry says the rest.
        "active" | "expired" => Ok(Status::Active),
        "retiring" => Ok(Status::Retiring { ends_at: UnixMs(row.int("ends_at")?) }),
        "revoked" => Ok(Status::Revoked {
            at: UnixMs(row.int("revoked_at")?),
            reason: RevokeReason::parse(row.text("revoke_reason")?).ok_or(row.corrupt("revoke_reason"))?,
            note: row.opt_string("revoke_note")?,
        }),
        _ => Err(row.corrupt("status")),
    }
}

fn decode_secret(row: &Row) -> Result<StoredSecret, StoreError> {
    let (ring_key, bytes) = (row.text("ring_key")?.to_owned(), row.blob("secret")?);
    match row.text("secret_kind")? {
        "hashed" => {
            let digest = bytes.try_into().map_err(|_| row.corrupt("secret"))?;
            Ok(StoredSecret::Hashed { ring_key, digest })
        }
        "sealed" => Ok(StoredSecret::Sealed { ring_key, bytes: bytes.to_vec() }),
        _ => Err(row.corrupt("secret_kind")),
    }
}

fn decode(row: &Row) -> Result<Stored, StoreError> {
    let credential = Credential {
        id: row.parsed("id")?,
        key_id: row.text("key_id")?.to_owned(),
        product: row.text("product")?.to_owned(),
        mode: Mode::parse(row.text("mode")?).ok_or(row.corrupt("mode"))?,
        merchant_id: row.parsed("merchant_id")?,
        app_id: row.parsed("app_id")?,
        name: row.opt_string("name")?,
        created_at: UnixMs(row.int("created_at")?),
        expires_at: row.opt_int("expires_at")?.map(UnixMs),
        status: decode_status(row)?,
        restrictions: restrictions_of(row.text("restrictions")?).ok_or(row.corrupt("restrictions"))?,
        secret: decode_secret(row)?,
    };
    Ok(Stored {
        credential,
        slot: row.int("slot")?,
        row_check: row.blob("row_check")?.to_vec(),
        app_is_enabled: row.int("enabled")? == 1,
        activation: Activation::parse(row.text("activation")?).ok_or(row.corrupt("activation"))?,
        seen: Seen {
            last_used_at: row.opt_int("last_used_at")?.map(UnixMs),
            exposed_at: row.opt_int("exposed_at")?.map(UnixMs),
        },
    })
}
