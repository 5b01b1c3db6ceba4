//! The rules of Keymint: credentials, dialects, schemes, recipes, decisions. No I/O, no clock, no randomness of its own.

pub mod json;
pub mod request;
pub mod scheme;
