//! Forms in which a name may stand more than once, as boxes of one list do: what other forms are read into has one field
//! for each name.

use serde::Deserialize;

/// A form as it comes.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// The text under a name; nothing where it is not there, the last where it stands more than once.
    pub fn one(&mut self, name: &str) -> String {
        self.all(name).pop().unwrap_or_default()
    }

    /// All texts under a name, in their order.
    pub fn all(&mut self, name: &str) -> Vec<String> {
        self.0.extract_if(.., |(given, _)| given == name).map(|(_, value)| value).collect()
    }
}
