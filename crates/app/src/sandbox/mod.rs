//! What the sandboxes keep: a thin use case over the store, for one caller's objects of one product.

use keymint_domain::entropy::draw_text;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use keymint_store::error::StoreError;
use keymint_store::sandbox::{self, Facts, Kind, SandboxObject, Window};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::App;
use crate::ops::{OpError, deliveries};

pub use keymint_store::sandbox::SandboxObject as Object;

/// Why an object could not be kept or found.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The app has one of that reference.
    #[error("the reference is taken")]
    ReferenceTaken,
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

    /// Keeps a new object.
    ///
    /// # Errors
    /// `ReferenceTaken` when the app has one of that reference.
    pub async fn keep(&self, id: &str, reference: Option<&str>, body: &str) -> Result<(), SandboxError> {
        self.keep_and_tell(id, reference, (body, None)).await
    }

    /// Keeps a new object, and with it what became of it: the event's name and body, for the app's endpoints.
    ///
    /// # Errors
    /// As `keep`.
    pub async fn keep_and_tell(
        &self,
        id: &str,
        reference: Option<&str>,
        (body, event): (&str, Option<(&str, &str)>),
    ) -> Result<(), SandboxError> {
        let object = SandboxObject {
            id: id.to_owned(),
            merchant_id: self.candidate.merchant_id,
            app_id: self.candidate.app_id,
            reference: reference.map(str::to_owned),
            body: body.to_owned(),
            created_at: self.app.clock.now(),
        };
        let mut tx = self.app.db.write().await?;
        match sandbox::insert(tx.conn(), self.kind(), &object, &facts(body)).await {
            Err(StoreError::Unique { .. }) => return Err(SandboxError::ReferenceTaken),
            other => other?,
        }
        let product = self.app.products.find(&self.candidate.product);
        let rules = product.and_then(|product| product.dialect.webhooks.as_ref());
        if let (Some(rules), Some((name, told))) = (rules, event) {
            let about = (self.candidate.app_id, self.candidate.mode, name, told);
            deliveries::happen(self.app, tx.conn(), rules, about).await?;
        }
        tx.commit().await?;
        self.app.webhooks.wake();
        Ok(())
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
