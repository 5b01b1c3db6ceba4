//! What the sandboxes keep, for one caller's objects of one product, and how it changes: `turn.rs` is one change, `mover.rs`
//! makes those that are due later.

pub mod mover;
pub mod turn;

use keymint_domain::entropy::draw_text;
use keymint_domain::test_clock;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use keymint_store::error::StoreError;
use keymint_store::moves;
use keymint_store::sandbox::{self, Facts, Kind, OfApp, Window};
use keymint_store::wallets::{self, Holding};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::App;
use crate::ops::OpError;
use turn::{Fresh, Owner, Turn};

pub use keymint_store::sandbox::{Reference, SandboxObject as Object};
pub use keymint_store::wallets::Answered;

/// Why an object could not be kept or found.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The app has one of that reference.
    #[error("the reference is taken")]
    ReferenceTaken,
    /// The object has changed since it was read.
    #[error("the object has changed since it was read")]
    Overtaken,
    /// The wallet does not hold what was to leave it.
    #[error("the wallet does not hold so much")]
    Insufficient,
    /// No random bytes for an id.
    #[error(transparent)]
    Entropy(#[from] keymint_domain::entropy::EntropyError),
    /// What became of it could not be told.
    #[error(transparent)]
    Event(#[from] OpError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Objects of one kind, seen by one caller.
pub struct Shelf<'a> {
    app: &'a App,
    candidate: &'a Candidate,
    kind: &'static str,
}

/// A page of objects by time, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// From, included.
    pub from: UnixMs,
    /// To, included.
    pub to: UnixMs,
    /// How many.
    pub count: i64,
    /// How many to leave out first.
    pub skip: i64,
}

impl<'a> Shelf<'a> {
    /// The caller's objects of a kind.
    pub fn new(app: &'a App, candidate: &'a Candidate, kind: &'static str) -> Self {
        Self { app, candidate, kind }
    }

    fn kind(&self) -> Kind<'_> {
        Kind { product: &self.candidate.product, kind: self.kind }
    }

    /// A turn of the caller's app.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn turn(&self) -> Result<Turn<'a>, SandboxError> {
        let Candidate { product, merchant_id, app_id, .. } = self.candidate;
        Turn::begin(self.app, Owner { product, merchant_id: *merchant_id, app_id: *app_id }).await
    }

    /// What the app's clock shows: the real one, or its test clock.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn now(&self) -> Result<UnixMs, SandboxError> {
        let mut conn = self.app.db.read().await?;
        let clock = moves::clock(&mut conn, self.candidate.app_id).await?;
        Ok(test_clock::now(clock, self.app.clock.now()))
    }

    /// The wallets of the app in which money moved, by name.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn wallets(&self) -> Result<Vec<(String, Holding)>, SandboxError> {
        let mut conn = self.app.db.read().await?;
        Ok(wallets::list(&mut conn, self.candidate.app_id).await?)
    }

    /// Keeps a new object, in a turn of its own.
    ///
    /// # Errors
    /// `ReferenceTaken` when the app has one of that reference.
    pub async fn keep(&self, id: &str, reference: Option<&str>, body: &str) -> Result<(), SandboxError> {
        let mut turn = self.turn().await?;
        turn.keep(Fresh { kind: self.kind, id, reference, body }).await?;
        turn.commit().await
    }

    /// An object by id, whoever's; the caller applies the vendor's rule on other people's.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn find(&self, id: &str) -> Result<Option<Object>, SandboxError> {
        let mut conn = self.app.db.read().await?;
        Ok(sandbox::find(&mut conn, self.kind(), id).await?)
    }

    /// The app's object of that reference.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn find_reference(&self, reference: &str) -> Result<Option<Object>, SandboxError> {
        let mut conn = self.app.db.read().await?;
        Ok(sandbox::find_reference(&mut conn, self.kind(), self.candidate.app_id, reference).await?)
    }

    /// The app's objects from a moment on, older than what was made then under an id, newest first.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn list_of_app(
        &self,
        from: UnixMs,
        below: (UnixMs, &str),
        (count, skip): (i64, i64),
    ) -> Result<Vec<Object>, SandboxError> {
        let mut conn = self.app.db.read().await?;
        let asked = OfApp { kind: self.kind, from, below, count, skip };
        Ok(sandbox::list_of_app(&mut conn, self.candidate.app_id, asked).await?)
    }

    /// The merchant's objects, newest first.
    ///
    /// # Errors
    /// `SandboxError::Store`.
    pub async fn list(&self, page: Page) -> Result<Vec<Object>, SandboxError> {
        let mut conn = self.app.db.read().await?;
        let window = Window { from: page.from, to: page.to, count: page.count, skip: page.skip };
        Ok(sandbox::list(&mut conn, self.candidate.merchant_id, self.kind(), window).await?)
    }
}

/// An object by id, whoever's, for a call that is nobody's: what it may do with it, the caller knows.
///
/// # Errors
/// `SandboxError::Store`.
pub async fn find(app: &App, product: &str, (kind, id): (&str, &str)) -> Result<Option<Object>, SandboxError> {
    let mut conn = app.db.read().await?;
    Ok(sandbox::find(&mut conn, Kind { product, kind }, id).await?)
}

/// Longest amount, currency or method that a list tells. Bytes; what is longer is in the body alone.
const FACT_BYTES_MAX: usize = 64;

/// What a list tells of an object, whichever of the vendors' words its members have.
pub fn facts(body: &str) -> Facts {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Kept {
        #[serde(alias = "order_status")]
        status: Value,
        #[serde(alias = "order_amount")]
        amount: Value,
        currency: Value,
        #[serde(alias = "payment_method", alias = "provider")]
        method: Value,
    }
    let kept: Kept = serde_json::from_str(body).unwrap_or_default();
    let told = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let told = |value| told(value).filter(|text| text.len() <= FACT_BYTES_MAX);
    Facts {
        status: told(kept.status).unwrap_or_default().to_lowercase(),
        amount: told(kept.amount),
        currency: told(kept.currency),
        method: told(kept.method),
    }
}

/// A random text for the ids that vendors write.
///
/// # Errors
/// `SandboxError::Entropy`.
pub fn random_text(app: &App, alphabet: &[u8], length: usize) -> Result<String, SandboxError> {
    Ok(draw_text(&*app.entropy, alphabet, length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vendors_words_tell_the_same_facts() {
        let wanted = |status: &str, amount: &str, method: Option<&str>| Facts {
            status: status.to_owned(),
            amount: Some(amount.to_owned()),
            currency: Some("INR".to_owned()),
            method: method.map(str::to_owned),
        };
        for (body, wanted) in [
            (r#"{"amount":50000,"currency":"INR","status":"created"}"#, wanted("created", "50000", None)),
            (
                r#"{"order_amount":"105.00","currency":"INR","order_status":"PENDING","payment_method":null}"#,
                wanted("pending", "105.00", None),
            ),
            (
                r#"{"amount":9007199254740993,"currency":"INR","status":"PENDING","provider":"UPI"}"#,
                wanted("pending", "9007199254740993", Some("UPI")),
            ),
        ] {
            assert_eq!(facts(body), wanted, "{body}");
        }
        let long = format!(r#"{{"amount":"{}","status":["x"]}}"#, "9".repeat(65));
        for body in ["", "null", "[]", "{}", r#"{"amount":1,"amount":2}"#, &long] {
            assert_eq!(facts(body), Facts::default(), "{body}");
        }
    }
}
