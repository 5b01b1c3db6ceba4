//! The only SQL of Keymint: statements, rows, two engines behind one `Db`. No HTTP, no configuration, no rules.
//!
//! Each file below `db` is one aggregate: its statements as named `Stmt`s at the top (listed in `ALL`, which a test
//! prepares on both engines), its decoding, its functions. Functions take the connection first and, where rows belong to
//! a merchant, the tenant next.

pub mod apps;
pub mod challenges;
pub mod companies;
pub mod credentials;
pub mod db;
pub mod deliveries;
pub mod domains;
pub mod due;
pub mod error;
pub mod factors;
pub mod gateways;
pub mod idempotency;
pub mod ledger;
pub mod letters;
mod lite;
pub mod log_counts;
pub mod logos;
pub mod merchants;
mod migrate;
pub mod moves;
pub mod passkeys;
pub mod people;
mod postgres;
pub mod providers;
pub mod quotas;
pub mod request_log;
pub mod returns;
pub mod roles;
pub mod rollup;
pub mod sandbox;
pub mod sessions;
pub mod settings;
pub mod sql;
pub mod team;
pub mod ticks;
pub mod tokens;
pub mod transactions;
pub mod wallets;
pub mod webhooks;

/// Every statement of the crate.
pub fn statements() -> impl Iterator<Item = &'static sql::Stmt> {
    let lists: [&[&sql::Stmt]; 34] = [
        &migrate::ALL,
        &apps::ALL,
        &challenges::ALL,
        &companies::ALL,
        &credentials::ALL,
        &deliveries::ALL,
        &due::ALL,
        &domains::ALL,
        &factors::ALL,
        &gateways::ALL,
        &idempotency::ALL,
        &ledger::ALL,
        &letters::ALL,
        &logos::ALL,
        &merchants::ALL,
        &moves::ALL,
        &passkeys::ALL,
        &people::ALL,
        &providers::ALL,
        &quotas::ALL,
        &request_log::ALL,
        &log_counts::ALL,
        &returns::ALL,
        &roles::ALL,
        &rollup::ALL,
        &sandbox::ALL,
        &sessions::ALL,
        &settings::ALL,
        &team::ALL,
        &ticks::ALL,
        &tokens::ALL,
        &transactions::ALL,
        &wallets::ALL,
        &webhooks::ALL,
    ];
    lists.into_iter().flat_map(|list| list.iter().copied())
}
