//! Safe repeats: the same `Idempotency-Key` with the same body answers what was made the first time, without its secret;
//! with another body it is refused (T38, T39).

use aws_lc_rs::digest;
use keymint_domain::secret::equal;
use keymint_store::db::Conn;
use keymint_store::error::StoreError;
use keymint_store::idempotency::{self, Remembered};

use crate::App;
use crate::ops::{Actor, OpError, field};
use crate::say;

/// How long an answer is remembered. Milliseconds: 7 days.
pub const REMEMBERED_MS: i64 = 7 * 24 * 3600 * 1000;

/// A call that may be repeated.
#[derive(Clone, Debug)]
pub struct Repeat {
    key: String,
    body_digest: Vec<u8>,
}

impl Repeat {
    /// A call by its key, operation and body. The key is 1 to 255 printable ASCII characters.
    ///
    /// # Errors
    /// `OpError::Field`.
    pub fn new(key: &str, operation: &str, body: &[u8]) -> Result<Self, OpError> {
        if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return field("Idempotency-Key", say!("input-idempotency-key"));
        }
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(operation.as_bytes());
        context.update(b"\0");
        context.update(body);
        Ok(Self { key: key.to_owned(), body_digest: context.finish().as_ref().to_vec() })
    }
}

/// What was made the first time: ids, as the operation wrote them down.
///
/// # Errors
/// `Conflict` when the key was used with another body or call.
pub async fn find(conn: &mut Conn, actor: Actor, repeat: Option<&Repeat>) -> Result<Option<String>, OpError> {
    let Some(repeat) = repeat else { return Ok(None) };
    let Some(remembered) = idempotency::find(conn, &actor.name(), &repeat.key).await? else { return Ok(None) };
    if !equal(&remembered.body_digest, &repeat.body_digest) {
        return Err(OpError::Conflict {
            code: "idempotency_key_reused",
            message: say!("refusal-idempotency-reused").to_owned(),
        });
    }
    Ok(Some(remembered.response))
}

/// Writes down what was made, in the transaction that makes it.
///
/// # Errors
/// `Conflict` when the same key is in use at this moment.
pub async fn remember(
    conn: &mut Conn,
    app: &App,
    actor: Actor,
    repeat: Option<&Repeat>,
    made: &str,
) -> Result<(), OpError> {
    let Some(repeat) = repeat else { return Ok(()) };
    let now = app.clock.now();
    idempotency::prune(conn, keymint_domain::time::UnixMs(now.0 - REMEMBERED_MS)).await?;
    let remembered = Remembered { body_digest: repeat.body_digest.clone(), response: made.to_owned() };
    match idempotency::insert(conn, (&actor.name(), &repeat.key), &remembered, now).await {
        Err(StoreError::Unique { .. }) => Err(OpError::Conflict {
            code: "idempotency_key_in_use",
            message: say!("refusal-idempotency-in-use").to_owned(),
        }),
        other => Ok(other?),
    }
}
