//! Webhooks, as a dialect describes them: which events there are, where they may be sent, how a delivery is signed, and
//! when a failed one is tried again. No sending and no clock: those are in `app`.

pub mod circuit;
pub mod schedule;
pub mod signature;
pub mod target;

use std::time::Duration;

use schedule::Retry;
use signature::{Signed, Signing};
use target::TargetRules;

/// Longest subject that is kept. Bytes: ids of payments and orders are a third of it.
const SUBJECT_BYTES_MAX: usize = 128;

/// What a dialect says about webhooks: its `[webhooks]` table.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Endpoints that an app may have in one mode.
    pub endpoints_max: usize,
    /// The names of the events.
    pub events: Vec<Box<str>>,
    /// Where events may be sent.
    pub target: TargetRules,
    /// Which of the matching endpoints get an event.
    pub routing: Routing,
    /// Where the secret comes from.
    pub secret: SecretSource,
    /// How a delivery is signed.
    pub signing: Signing,
    /// The code that a person types to set up, change or delete an endpoint of test mode, known to everybody; nothing where
    /// test mode asks for none. Live mode asks for a second factor and never takes this.
    pub test_code: Option<Box<str>>,
    /// Where in a body the id stands of what it is about (JSON Pointer, RFC 6901); the first that is there counts.
    pub subject: Vec<Box<str>>,
    /// The header with the event's id, the same on every try.
    pub id_header: Option<Box<str>>,
    /// The header with the event's name.
    pub event_header: Option<Box<str>>,
    /// The header with the UNIX time of the try in seconds.
    pub timestamp_header: Option<Box<str>>,
    /// What we call ourselves.
    pub user_agent: Box<str>,
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
    /// Which answers count as taken.
    pub success: Success,
    /// When a failed delivery is tried again.
    pub retry: Retry,
}

impl Webhooks {
    /// Whether there is an event of this name.
    pub fn has_event(&self, name: &str) -> bool {
        self.events.iter().any(|event| **event == *name)
    }

    /// What an event is about, so that events about the same thing can be told in their order; nothing where its body does
    /// not say.
    pub fn subject_of(&self, body: &str) -> Option<String> {
        if self.subject.is_empty() {
            return None;
        }
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        let found = self.subject.iter().find_map(|pointer| body.pointer(pointer).filter(|value| !value.is_null()))?;
        let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        (!text.is_empty() && text.len() <= SUBJECT_BYTES_MAX).then_some(text)
    }

    /// The header fields of a delivery, beside those of HTTP itself.
    pub fn headers<'a>(
        &'a self,
        event: &'a str,
        signed: Signed<'a>,
        signature: Option<&'a str>,
    ) -> Vec<(&'a str, &'a str)> {
        let named = [
            (self.id_header.as_deref(), Some(signed.id)),
            (self.event_header.as_deref(), Some(event)),
            (self.timestamp_header.as_deref(), Some(signed.timestamp)),
            (Some(&*self.signing.header), signature),
        ];
        let always = [("content-type", "application/json"), ("user-agent", &*self.user_agent)];
        always.into_iter().chain(named.into_iter().filter_map(|(name, value)| name.zip(value))).collect()
    }

    /// Which of an app's endpoints get an event, each described by the events that it asks for; none asked for: all.
    pub fn chosen(&self, event: &str, endpoints: &[&[String]]) -> Vec<usize> {
        let category = event.split('.').next().unwrap_or_default();
        let of_category = |name: &String| name.split('.').next() == Some(category);
        let named = |asked: &&[String]| asked.iter().any(|name| *name == event);
        let places = |is_wanted: &dyn Fn(&&[String]) -> bool| -> Vec<usize> {
            endpoints.iter().enumerate().filter(|(_, asked)| is_wanted(asked)).map(|(place, _)| place).collect()
        };
        match self.routing {
            Routing::All => places(&|asked| asked.is_empty() || named(asked)),
            Routing::Category => {
                // A category that has an endpoint of its own goes there and nowhere else, though it take one event alone.
                let is_own = |asked: &&[String]| asked.iter().any(of_category);
                if endpoints.iter().any(is_own) { places(&named) } else { places(&|asked| asked.is_empty()) }
            }
        }
    }
}

/// Which of the matching endpoints get an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// Each that asks for it.
    All,
    /// Those that ask for its category (`payout` of `payout.completed`); without one, those that ask for nothing.
    Category,
}

/// Where the secret comes from that signs deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// Keymint makes one for each endpoint, unless the merchant chooses it.
    Made,
    /// The merchant chooses one; without one, deliveries are not signed.
    Chosen,
    /// The secret of the app's newest active key of that mode.
    Credential,
}

/// Which answers count as taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum Success {
    /// 200 to 299.
    #[serde(rename = "2xx")]
    Any2xx,
    /// 200 alone.
    #[serde(rename = "200")]
    Only200,
}

impl Success {
    /// Whether a status says that the event was taken.
    pub fn holds(self, status: u16) -> bool {
        match self {
            Self::Any2xx => (200..300).contains(&status),
            Self::Only200 => status == 200,
        }
    }
}
