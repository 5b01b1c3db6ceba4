//! The crash rounds: the tests under `crash::` of the binary, with the engine and the number of rounds from the command line.

use std::process::Command;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};

use crate::postgres::Postgres;
use crate::steps::Steps;
use crate::{install, shell};

#[derive(Args)]
pub struct Options {
    /// The database under the binary
    #[arg(long, value_enum)]
    engine: Engine,
    /// How often the binary is killed
    #[arg(long)]
    rounds: u32,
}

/// The database under the binary.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Runs the rounds; on PostgreSQL beside a server of their own.
pub fn run(steps: &mut Steps, options: &Options) {
    beside(steps, ("crash", options.engine), |engine, server| {
        let mut command = long_run("test(/^crash::/)", server);
        command.env("KEYMINT_CRASH_ENGINE", engine).env("KEYMINT_CRASH_ROUNDS", options.rounds.to_string());
        shell::run(&mut command)
    });
}

/// One step that takes as long as it takes, on an engine; on PostgreSQL beside a server of its own.
pub fn beside(
    steps: &mut Steps,
    (step, engine): (&str, Engine),
    work: impl FnOnce(&str, Option<&Postgres>) -> Result<()>,
) {
    if !steps.run("cargo-nextest", install::nextest) {
        return steps.not_run(step);
    }
    let server = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => match steps.run_for("start postgresql", start) {
            Some(server) => Some(server),
            None => return steps.not_run(step),
        },
    };
    let _ = steps.run(step, || {
        let name = engine.to_possible_value().ok_or_else(|| anyhow!("an engine without a name"))?;
        work(name.get_name(), server.as_ref())
    });
    if let Some(server) = server {
        let _ = steps.run("stop postgresql", || server.stop());
    }
}

fn start() -> Result<Postgres> {
    install::debian(&[install::POSTGRESQL])?;
    Postgres::start()
}

/// The tests of a filter, for as long as they take.
pub fn long_run(filter: &str, server: Option<&Postgres>) -> Command {
    let mut command = shell::cargo("nextest run -p keymint --test it --profile crash --no-capture");
    command.args(["-E", filter]);
    match server {
        Some(server) => command.env("TEST_DATABASE_URL", server.url()),
        None => command.env_remove("TEST_DATABASE_URL"),
    };
    command
}
