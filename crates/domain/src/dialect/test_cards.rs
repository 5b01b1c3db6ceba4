//! Card numbers of the vendor's test data, which no bank has issued: a live request that carries one is a mistake, and is
//! refused in the vendor's words before it goes on.

use serde_json::Value;

use crate::dialect::route::Route;
use crate::request::RequestView;

/// The `[test_cards]` table of a dialect.
#[derive(Clone, Debug)]
pub struct TestCards {
    /// Where the number stands in the JSON body (JSON Pointer, RFC 6901).
    pub number: Box<str>,
    /// The calls that carry one. Never empty.
    pub routes: Vec<Route>,
    /// The numbers, in digits alone. Never empty.
    pub values: Vec<Box<str>>,
}

impl TestCards {
    /// Whether a call may carry a card: in any spelling that software behind us could take for one that may.
    pub fn covers(&self, view: &RequestView<'_>) -> bool {
        self.routes.iter().any(|route| route.could_match(view.method, view.route()))
    }

    /// Whether a body carries one of the numbers: the whole of it, in that place, however its digits are grouped. What cannot
    /// be read as JSON carries none; it is for whoever reads it to refuse.
    pub fn are_in(&self, body: &[u8]) -> bool {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
        let number = match body.pointer(&self.number) {
            Some(Value::String(text)) => text.chars().filter(|character| !matches!(character, ' ' | '-')).collect(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        self.values.iter().any(|value| **value == *number)
    }
}
