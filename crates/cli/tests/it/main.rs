//! Tests against the real binary: what merchants, their clients and the operator see.

mod address_codes;
mod applications;
mod asking;
mod browser;
mod canaries;
mod commands;
mod console;
mod console_canaries;
mod crash;
mod crowds;
mod endpoints;
mod forward_auth;
mod gate;
mod gateway;
mod gateways;
mod go_live;
mod interop;
mod kpay_money;
mod kpay_payouts;
mod kpay_sandbox;
mod kspay_sandbox;
mod kwikpaisa_sandbox;
mod lifecycle;
mod listening;
mod logos;
mod management;
mod native_sandbox;
mod outbound;
mod overview;
mod people;
mod providers;
mod proxy;
mod quotas;
mod rates;
mod razorpay_races;
mod razorpay_sandbox;
mod razorpayx_sandbox;
mod sample_events;
mod sandboxes;
mod settling;
mod simulators;
mod slow_clients;
mod storm;
mod team;
mod tls;
mod traces;
mod transactions;
mod verify_api;
mod webhooks;
mod words;

use keymint_testkit::Dev;

/// A fresh Keymint.
fn dev() -> Dev {
    Dev::start(env!("CARGO_BIN_EXE_keymint"))
}
