//! The rules of Keymint: credentials, dialects, schemes, recipes, decisions. No I/O, no clock, no randomness of its own.
//!
//! Reading order: `request` (what comes in), `dialect` (how a vendor's API looks, as data), `gate` (what is refused
//! unread), `scheme` (from a request to a claim), `verify` (from a claim and a record to a decision), `replay` (what a
//! signature may be used for), `credential` and `seal` (what a key is, and how its secret is kept).
//!
//! Invariants: the same arguments give the same answer; nothing here panics on what a peer sends; no secret has a
//! `Debug` or a `Serialize`.
#![warn(clippy::indexing_slicing)]

pub mod credential;
pub mod dialect;
mod digest;
pub mod entropy;
pub mod forwarding;
pub mod gate;
pub mod id;
pub mod identity;
pub mod json;
pub mod limit;
pub mod mode;
pub mod reason;
pub mod renewal;
pub mod replay;
pub mod request;
pub mod restriction;
pub mod return_url;
pub mod role;
pub mod scheme;
pub mod seal;
pub mod secret;
pub mod test_clock;
pub mod time;
pub mod token;
pub mod verify;
pub mod webhook;
