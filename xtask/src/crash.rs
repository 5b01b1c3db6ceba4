//! The crash rounds: the tests under `crash::` of the binary, with the engine and the number of rounds from the command line.

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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Runs the rounds; on PostgreSQL beside a server of their own.
pub fn run(steps: &mut Steps, options: &Options) {
    if !steps.run("cargo-nextest", install::nextest) {
        return steps.not_run("crash");
    }
    let server = match options.engine {
        Engine::Sqlite => None,
        Engine::Postgres => match steps.run_for("start postgresql", start) {
            Some(server) => Some(server),
            None => return steps.not_run("crash"),
        },
    };
    let _ = steps.run("crash", || rounds(options, server.as_ref()));
    if let Some(server) = server {
        let _ = steps.run("stop postgresql", || server.stop());
    }
}

fn start() -> Result<Postgres> {
    install::debian(&[install::POSTGRESQL])?;
    Postgres::start()
}

fn rounds(options: &Options, server: Option<&Postgres>) -> Result<()> {
    let engine = options.engine.to_possible_value().ok_or_else(|| anyhow!("an engine without a name"))?;
    let mut command = shell::cargo("nextest run -p keymint --test it --profile crash --no-capture");
    command.args(["-E", "test(/^crash::/)"]);
    command.env("KEYMINT_CRASH_ENGINE", engine.get_name()).env("KEYMINT_CRASH_ROUNDS", options.rounds.to_string());
    match server {
        Some(server) => command.env("TEST_DATABASE_URL", server.url()),
        None => command.env_remove("TEST_DATABASE_URL"),
    };
    shell::run(&mut command)
}
