//! Test or live: data, keys and logs never cross it.

use serde::{Deserialize, Serialize};

/// The mode of a credential and of everything made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// No money moves; a merchant has it at once.
    Test,
    /// Money moves; only while the operator has the merchant approved.
    Live,
}

impl Mode {
    /// The name on the wire, in key prefixes and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// The mode of that name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "test" => Some(Self::Test),
            "live" => Some(Self::Live),
            _ => None,
        }
    }
}
