//! Where events of an app go: endpoints, and the secrets that sign for them. What is sent is in `deliveries.rs`.

use keymint_domain::id::{AppId, EndpointId};
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::signature::Kind;

use crate::db::Conn;
use crate::error::StoreError;
use crate::sql::{Row, Stmt, Val};

static INSERT: Stmt = Stmt::both(
    "webhook_endpoint.insert",
    "INSERT INTO webhook_endpoint (id, app_id, mode, url, events, alert_email, state, secret_version, created_at, row_check,
       signature, is_ordered)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
);
static UPDATE: Stmt = Stmt::both(
    "webhook_endpoint.update",
    "UPDATE webhook_endpoint SET url = $1, events = $2, alert_email = $3, state = $4, secret_version = $5, row_check = $6,
       is_ordered = $7
     WHERE id = $8",
);
static FIND: Stmt = Stmt::both(
    "webhook_endpoint.find",
    "SELECT id, app_id, mode, url, events, alert_email, state, secret_version, created_at, row_check, signature,
            is_ordered
     FROM webhook_endpoint WHERE id = $1 AND state <> 'deleted'",
);
static OF_APP: Stmt = Stmt::both(
    "webhook_endpoint.of_app",
    "SELECT id, app_id, mode, url, events, alert_email, state, secret_version, created_at, row_check, signature,
            is_ordered
     FROM webhook_endpoint WHERE app_id = $1 AND mode = $2 AND state <> 'deleted' ORDER BY id",
);
static PUT_SECRET: Stmt = Stmt::both(
    "webhook_secret.insert",
    "INSERT INTO webhook_secret (endpoint_id, version, sealed, ends_at) VALUES ($1, $2, $3, NULL)",
);
static END_SECRETS: Stmt = Stmt::both(
    "webhook_secret.end",
    "UPDATE webhook_secret SET ends_at = $1 WHERE endpoint_id = $2 AND version < $3 AND (ends_at IS NULL OR ends_at > $1)",
);
static SECRETS: Stmt = Stmt::both(
    "webhook_secret.of_endpoint",
    "SELECT version, sealed, ends_at FROM webhook_secret WHERE endpoint_id = $1 ORDER BY version DESC",
);
static FORGET_SECRETS: Stmt = Stmt::both("webhook_secret.delete", "DELETE FROM webhook_secret WHERE endpoint_id = $1");

/// The statements of this file.
pub static ALL: [&Stmt; 8] = [&INSERT, &UPDATE, &FIND, &OF_APP, &PUT_SECRET, &END_SECRETS, &SECRETS, &FORGET_SECRETS];

/// Whether an endpoint gets anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// It does.
    Enabled,
    /// Somebody disabled it.
    Disabled,
    /// It failed for too long, or said that it is gone.
    Failing,
    /// It was deleted; what was sent to it may still be looked at.
    Deleted,
}

impl EndpointState {
    /// The name in the store and in the management API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Failing => "failing",
            Self::Deleted => "deleted",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled, Self::Failing, Self::Deleted].into_iter().find(|state| state.as_str() == text)
    }
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The id.
    pub id: EndpointId,
    /// Whose events.
    pub app_id: AppId,
    /// Of which mode.
    pub mode: Mode,
    /// Where they go.
    pub url: String,
    /// The names of the events; none: all of them.
    pub events: Vec<String>,
    /// Who hears by mail when it is disabled because it fails; nobody named: the merchant's owners.
    pub alert_email: Option<String>,
    /// Whether it gets anything.
    pub state: EndpointState,
    /// Whether what is about one subject goes one after the other.
    pub is_ordered: bool,
    /// What signs. Chosen when it is made.
    pub signature: Kind,
    /// Which of its secrets signs what happens now; 0: none.
    pub secret_version: i64,
    /// When it was made.
    pub created_at: UnixMs,
    /// The keyed check over what says where events go.
    pub row_check: Vec<u8>,
}

impl Endpoint {
    /// What the check is over.
    pub fn check_bytes(&self) -> Vec<u8> {
        let Self { id, app_id, mode, url, state, secret_version, .. } = self;
        let (mode, state) = (mode.as_str(), state.as_str());
        // Those that were written before there was a choice say nothing of it.
        let signature = match self.signature {
            Kind::Hmac => "",
            Kind::Ed25519 => "\0ed25519",
        };
        let text = format!("keymint endpoint v1\0{id}\0{app_id}\0{mode}\0{state}\0{secret_version}\0{url}{signature}");
        text.into_bytes()
    }
}

/// A secret of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSecret {
    /// Its number; the first is 1.
    pub version: i64,
    /// The secret, sealed for its endpoint and number.
    pub sealed: Vec<u8>,
    /// Until when it signs beside its successor.
    pub ends_at: Option<UnixMs>,
}

fn events_text(events: &[String]) -> String {
    serde_json::to_string(events).unwrap_or_default()
}

/// Stores a new endpoint.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn insert(conn: &mut Conn, endpoint: &Endpoint) -> Result<(), StoreError> {
    let (id, app_id, events) = (endpoint.id.to_string(), endpoint.app_id.to_string(), events_text(&endpoint.events));
    let values = [
        Val::Text(&id),
        Val::Text(&app_id),
        Val::Text(endpoint.mode.as_str()),
        Val::Text(&endpoint.url),
        Val::Text(&events),
        Val::OptText(endpoint.alert_email.as_deref()),
        Val::Text(endpoint.state.as_str()),
        Val::Int(endpoint.secret_version),
        Val::Int(endpoint.created_at.0),
        Val::Blob(&endpoint.row_check),
        Val::Text(endpoint.signature.as_str()),
        Val::Int(i64::from(endpoint.is_ordered)),
    ];
    conn.execute(&INSERT, &values).await.map(|_| ())
}

/// Writes what may change of an endpoint.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn update(conn: &mut Conn, endpoint: &Endpoint) -> Result<(), StoreError> {
    let (id, events) = (endpoint.id.to_string(), events_text(&endpoint.events));
    let values = [
        Val::Text(&endpoint.url),
        Val::Text(&events),
        Val::OptText(endpoint.alert_email.as_deref()),
        Val::Text(endpoint.state.as_str()),
        Val::Int(endpoint.secret_version),
        Val::Blob(&endpoint.row_check),
        Val::Int(i64::from(endpoint.is_ordered)),
        Val::Text(&id),
    ];
    conn.execute(&UPDATE, &values).await.map(|_| ())
}

/// An endpoint that was not deleted, whoever's: the caller looks at whose app it is.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn find(conn: &mut Conn, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
    conn.row(&FIND, &[Val::Text(&id.to_string())]).await?.as_ref().map(decode).transpose()
}

/// An app's endpoints of a mode, oldest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn of_app(conn: &mut Conn, app: AppId, mode: Mode) -> Result<Vec<Endpoint>, StoreError> {
    let values = [Val::Text(&app.to_string()), Val::Text(mode.as_str())];
    conn.rows(&OF_APP, &values).await?.iter().map(decode).collect()
}

/// Stores a secret. Those before it end at `ends_at`; without one they go on for what happened before.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn put_secret(
    conn: &mut Conn,
    endpoint: EndpointId,
    (version, sealed): (i64, &[u8]),
    ends_at: Option<UnixMs>,
) -> Result<(), StoreError> {
    let endpoint = endpoint.to_string();
    conn.execute(&PUT_SECRET, &[Val::Text(&endpoint), Val::Int(version), Val::Blob(sealed)]).await?;
    let Some(ends_at) = ends_at else { return Ok(()) };
    conn.execute(&END_SECRETS, &[Val::Int(ends_at.0), Val::Text(&endpoint), Val::Int(version)]).await.map(|_| ())
}

/// An endpoint's secrets, newest first.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn secrets(conn: &mut Conn, endpoint: EndpointId) -> Result<Vec<EndpointSecret>, StoreError> {
    let rows = conn.rows(&SECRETS, &[Val::Text(&endpoint.to_string())]).await?;
    rows.iter()
        .map(|row| {
            Ok(EndpointSecret {
                version: row.int("version")?,
                sealed: row.blob("sealed")?.to_vec(),
                ends_at: row.opt_int("ends_at")?.map(UnixMs),
            })
        })
        .collect()
}

/// Deletes an endpoint's secrets: nothing is sent to it any more.
///
/// # Errors
/// `StoreError` as the database answers.
pub async fn forget_secrets(conn: &mut Conn, endpoint: EndpointId) -> Result<(), StoreError> {
    conn.execute(&FORGET_SECRETS, &[Val::Text(&endpoint.to_string())]).await.map(|_| ())
}

fn decode(row: &Row) -> Result<Endpoint, StoreError> {
    Ok(Endpoint {
        id: row.parsed("id")?,
        app_id: row.parsed("app_id")?,
        mode: Mode::parse(row.text("mode")?).ok_or_else(|| row.corrupt("mode"))?,
        url: row.text("url")?.to_owned(),
        events: serde_json::from_str(row.text("events")?).map_err(|_| row.corrupt("events"))?,
        alert_email: row.opt_string("alert_email")?,
        state: EndpointState::parse(row.text("state")?).ok_or_else(|| row.corrupt("state"))?,
        secret_version: row.int("secret_version")?,
        created_at: UnixMs(row.int("created_at")?),
        row_check: row.blob("row_check")?.to_vec(),
        is_ordered: row.int("is_ordered")? != 0,
        signature: Kind::parse(row.text("signature")?).ok_or_else(|| row.corrupt("signature"))?,
    })
}
