//! Placeholder header: replaced by the crate own.
