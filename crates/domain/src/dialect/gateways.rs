//! The payment gateways from which a vendor hears what became of a payment: how one signs, and what its event says.

use serde::Deserialize;
use serde_json::Value;

use crate::webhook::signature::Signing;

/// One `[[gateway]]` of a dialect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its name in the address that it posts to, and in the management API.
    pub name: Box<str>,
    /// Its name for people.
    pub title: Box<str>,
    /// How it signs its body, with a secret that was pasted into its settings.
    pub signing: Signing,
    /// Where in the body the event's name stands (JSON Pointer, RFC 6901).
    pub event: Box<str>,
    /// Where the id of the order stands, as the vendor gave it to the gateway.
    pub order: Box<str>,
    /// Where the gateway's own id of the payment stands.
    pub payment: Box<str>,
    /// The events after which the payment is paid.
    pub paid: Vec<Box<str>>,
    /// Those after which it has failed.
    pub failed: Vec<Box<str>>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether the payment is paid; otherwise it has failed.
    pub is_paid: bool,
    /// The order.
    pub order: String,
    /// The gateway's own id of the payment; empty where it says none.
    pub payment: String,
}

impl Gateway {
    /// What a body says of a payment; nothing where it is about something else.
    pub fn told(&self, body: &Value) -> Option<Told> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let event = text(&self.event)?;
        let is_one = |names: &[Box<str>]| names.iter().any(|name| **name == *event);
        let is_paid = is_one(&self.paid);
        if !is_paid && !is_one(&self.failed) {
            return None;
        }
        let payment = text(&self.payment).unwrap_or_default().to_owned();
        Some(Told { is_paid, order: text(&self.order)?.to_owned(), payment })
    }
}
