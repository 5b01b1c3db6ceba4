//! What tests share: a real Keymint on free ports, a raw HTTP client that can send what no library would, an
//! upstream that writes down what it gets, databases.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "tests look at the clock and the environment, and end at the first surprise"
)]

pub mod clock;
pub mod cut_off;
pub mod database;
pub mod dev;
pub mod dns;
pub mod entropy;
pub mod http;
pub mod patience;
pub mod receiver;
pub mod serve;
pub mod signing;
pub mod tap;
pub mod tls;
pub mod upstream;

pub use clock::FixedClock;
pub use cut_off::cut_off_after;
pub use database::TestDb;
pub use dev::{Dev, Key, free_ports};
pub use dns::Dns;

pub use entropy::SeededEntropy;
pub use http::{Reply, Request};
pub use patience::eventually;
pub use receiver::Receiver;
pub use serve::{Database, Serving};
pub use signing::Call;
pub use tap::Tap;
pub use tls::Authority;
pub use upstream::Upstream;
