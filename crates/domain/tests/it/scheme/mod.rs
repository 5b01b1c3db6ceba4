//! The schemes, from the request to the decision: what each vendor shows is accepted, what is next to it is not.

mod basic;
mod exchange;
mod key_pair;
mod message;
mod packed;
mod public;
mod signed;
mod token;
