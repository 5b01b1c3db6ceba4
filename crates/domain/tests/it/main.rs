//! The tests of the domain: every accepted thing beside its neighbours that must be refused (STYLE.md rule 48).

mod callbacks;
mod credential;
mod dialect;
mod fixture;
mod format;
mod gate;
mod limit;
mod mutation;
mod replay;
mod restriction;
mod role;
mod scheme;
mod seal;
mod verify;
mod webhook;
