//! Schemes.
pub mod http_signature;
