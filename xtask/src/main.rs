//! The house tool: checks, tests, tidiness, fuzzing and measuring, one word each. It depends on none of our crates.

#![expect(clippy::print_stdout, reason = "a command line tool answers on standard output")]
#![expect(
    clippy::disallowed_methods,
    reason = "steps are timed by the real clock and tools are found by the real environment"
)]

mod bench;
mod browser;
mod crash;
mod deny;
mod fuzz;
mod install;
mod openapi;
mod postgres;
mod release;
mod shell;
mod steps;
mod storm;
mod suite;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::steps::Steps;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Checks, tests and measures Keymint")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Before each commit: format, clippy, tidy and the tests that need nothing but SQLite
    Check,
    /// Every test there is, on SQLite and PostgreSQL; installs what is missing and says so. CI runs this
    Test,
    /// The house rules that no compiler knows
    Tidy,
    /// Writes openapi/keymint.json from the routes
    Openapi {
        /// Compare only, and fail when the file and the routes differ
        #[arg(long)]
        check: bool,
    },
    /// Kills the real binary again and again and checks that no acknowledged change was lost
    Crash(crash::Options),
    /// Webhooks to endpoints of which a fifth does not behave, while the binary is killed: nothing is lost
    Storm(storm::Options),
    /// Runs every fuzz target
    Fuzz(fuzz::Options),
    /// Builds the binary to ship: learns from traffic, builds again with that, and says where it is
    Release,
    /// Measures the release binary: `cargo xtask bench verify …`
    Bench(bench::Options),
    /// The console in a real browser, and nothing else: `cargo xtask browser sign_in`
    Browser {
        /// Only the tests whose name holds this
        #[arg(default_value = "")]
        name: String,
    },
    /// A picture of every page of the console, at two widths and in both colour schemes, into target/pictures
    Pictures {
        /// Only the pages whose name holds this
        #[arg(default_value = "")]
        name: String,
    },
    /// Licences, sources and crate walls by cargo-deny
    Deny,
    /// Starts a private PostgreSQL, runs a command with the variables that the tests read, stops it:
    /// `cargo xtask with-postgres cargo nextest run -p keymint-store --profile ci`
    WithPostgres {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let mut steps = Steps::new();
    match Arguments::parse().task {
        Task::Check => suite::check(&mut steps),
        Task::Test => suite::test(&mut steps),
        Task::Tidy => drop(steps.run("tidy", tidy::run)),
        Task::Openapi { check: true } => drop(steps.run("openapi --check", openapi::compare)),
        Task::Openapi { check: false } => drop(steps.run("openapi", openapi::write)),
        Task::Crash(options) => crash::run(&mut steps, &options),
        Task::Storm(options) => storm::run(&mut steps, &options),
        Task::Fuzz(options) => fuzz::run(&mut steps, &options),
        Task::Release => drop(release::run(&mut steps)),
        Task::Bench(options) => bench::run(&mut steps, &options),
        Task::Browser { name } => browser::tests(&mut steps, &name),
        Task::Pictures { name } => browser::pictures(&mut steps, &name),
        Task::Deny => deny::run(&mut steps),
        Task::WithPostgres { command } => suite::with_postgres(&mut steps, &command),
    }
    steps.finish()
}
