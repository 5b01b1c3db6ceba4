//! HTTP: gateway, internal listener, management API. Handlers translate; use cases decide; no SQL.

pub mod api;
pub mod arrival;
pub mod body;
pub mod console;
pub mod deadline;
pub mod ext_authz;
pub mod forward_auth;
pub mod gateway;
pub mod internal;
pub mod listener;
pub mod pages;
pub mod proxy;
pub mod reply;
pub mod sandbox;
pub mod server;
pub mod tls;
mod verify_api;
