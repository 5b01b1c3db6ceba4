//! What tests share: a real Keymint on free ports, a raw HTTP client that can send what no library would, databases.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "tests look at the clock and the environment, and end at the first surprise"
)]

pub mod database;
pub mod dev;
pub mod http;
pub mod signing;

pub use dev::{Dev, Key};
pub use http::{Reply, Request};
pub use signing::Call;
