//! The providers that carry a payment (operators of mobile money, banks), where a vendor lets an app be held to some of
//! them. Which calls name one, where, and which there are is data of the dialect; which of them an app may use stands in
//! each of its credentials.

use crate::dialect::route::Route;
use crate::json::Document;
use crate::request::RequestView;

/// The `[providers]` table of a dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Providers {
    /// The member of the JSON body that names the provider.
    pub member: Box<str>,
    /// A member whose text says that the provider is chosen later, on the vendor's own page. Such a call names none.
    pub chosen_later_by: Option<Box<str>>,
    /// The calls that name one. Never empty.
    pub routes: Vec<Route>,
    /// All that there are, in the vendor's order. Never empty.
    pub values: Vec<Box<str>>,
}

impl Providers {
    /// Whether a call has to name a provider: in any spelling that software behind us could take for one that has to.
    pub fn covers(&self, view: &RequestView<'_>) -> bool {
        self.routes.iter().any(|route| route.could_match(view.method, view.route()))
    }

    /// Whether a body of such a call names one of those listed, exactly, or leaves it to be chosen later.
    ///
    /// What two readers could take for different things is refused: a body that is no JSON object or says something twice,
    /// a name that is no text, and the member in letters of another case, which some readers take as well and others
    /// do not. An empty body names none.
    pub fn allows(&self, listed: &[Box<str>], body: &[u8]) -> bool {
        let Ok(document) = Document::parse(body) else { return false };
        let mut spelled = document.names().filter(|name| name.eq_ignore_ascii_case(&self.member));
        match (spelled.next(), spelled.next()) {
            (Some(name), None) if *name == *self.member => {
                document.member(name).is_some_and(|named| listed.iter().any(|provider| **provider == *named))
            }
            (None, _) => {
                let later = self.chosen_later_by.as_deref().and_then(|member| document.member(member));
                later.is_some_and(|text| !text.is_empty())
            }
            (Some(_), _) => false,
        }
    }
}
