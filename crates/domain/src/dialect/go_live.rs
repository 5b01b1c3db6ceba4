//! The vendor's checklists: what an integration has been through in test mode, and what there is to do in live mode. Each
//! item says how Keymint can see by itself that it is done; where it cannot, a person says so.

use serde::Deserialize;

use crate::mode::Mode;

/// The `[go_live]` table of a dialect.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoLive {
    /// Whether a person makes no live key while a required item of test mode is open.
    #[serde(default)]
    pub blocks_live_keys: bool,
    /// The items, in the vendor's order.
    pub items: Vec<Item>,
}

/// One item.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its name in the store and in the management API: lower-case letters, digits and `-`.
    pub name: Box<str>,
    /// What is to be done, in the vendor's words.
    pub title: Box<str>,
    /// In which mode it is done: before the first live key, or with it.
    pub mode: Mode,
    /// Whether the vendor recommends it only.
    #[serde(default)]
    pub is_recommended: bool,
    /// What shows that it is done; nothing: a person says so.
    pub seen_by: Option<Fact>,
}

/// What Keymint can see of an integration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A key of that mode was issued.
    Key(Mode),
    /// A request with a key of that mode was let in: its credentials and its signature were right.
    Call(Mode),
    /// Something in the sandbox of that kind is in that state.
    Reached {
        /// `order`, `payment`.
        kind: Box<str>,
        /// In lower case.
        status: Box<str>,
    },
    /// An enabled webhook endpoint of that mode has an `https` address.
    HttpsEndpoint(Mode),
    /// A webhook endpoint of that mode has taken an event.
    Delivered(Mode),
    /// A webhook endpoint of that mode has taken an event that it had not taken at the first try.
    Retried(Mode),
    /// A webhook endpoint of that mode has taken an event that was sent to it once more on request.
    Resent(Mode),
    /// A working live key is held to some addresses.
    Addresses,
    /// Live keys are in use, and no test key was used within a day.
    TestKeysRest,
}

impl GoLive {
    /// The item of that name.
    pub fn find(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| *item.name == *name)
    }
}
