//! The bench: holds a real Keymint against bare servers in one run and says which bars of the performance table hold.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench looks at clocks and the environment, waits, and prints a table"
)]

mod bare;
mod bars;
mod crowd;
mod flat;
mod gateway;
mod hold;
mod keymint;
mod machine;
mod management;
mod pace;
mod pages;
mod process;
mod rivals;
mod signing;
mod soak;
mod syscalls;
mod train;
mod verify;
mod webhooks;
mod wrk;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Keymint in paired ratios.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verification: P1 to P6, P10 to P14, P16, P17
    Verify(verify::Options),
    /// The proxy beside nginx and HAProxy in front of one upstream: P7, P8, latency, many merchants and products; better-auth and djangorestframework-api-key: P9
    Gateway(gateway::Options),
    /// A long run at a share of the peak: no error, nothing lost, memory flat
    Soak(soak::Options),
    /// Thousands of slow and idle connections, and one client that is none of them
    Crowd(crowd::Options),
    /// The console's pages at 100,000 logged requests and 1,000 keys
    Pages(pages::Options),
    /// Webhooks, accepted to recorded, on PostgreSQL: P15
    Webhooks(webhooks::Options),
    /// Traffic of every kind, for a build that learns from it; `cargo xtask release` runs it
    Train(train::Options),
    /// A server that does next to nothing; `verify` starts it
    #[command(hide = true)]
    Bare(bare::Options),
    /// Idle connections; `crowd` starts it
    #[command(hide = true)]
    Hold(hold::Options),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Verify(options) => verify::run(&options),
        Command::Gateway(options) => gateway::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Crowd(options) => crowd::run(&options),
        Command::Pages(options) => pages::run(&options),
        Command::Webhooks(options) => webhooks::run(&options),
        Command::Train(options) => train::run(&options),
        Command::Hold(options) => hold::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Bare(options) => bare::run(&options).map(|()| ExitCode::SUCCESS),
    }
}
