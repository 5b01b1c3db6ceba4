//! The storm of webhooks: the tests under `storm::` of the binary, in full.

use clap::Args;

use crate::crash::{self, Engine};
use crate::shell;
use crate::steps::Steps;

#[derive(Args)]
pub struct Options {
    /// The database under the binary
    #[arg(long, value_enum)]
    engine: Engine,
    /// What happens
    #[arg(long, default_value_t = 10_000)]
    events: u32,
    /// Who is told; a fifth of them does not behave
    #[arg(long, default_value_t = 100)]
    endpoints: u32,
    /// How often the binary is killed
    #[arg(long, default_value_t = 10)]
    kills: u32,
}

/// Runs it; on PostgreSQL beside a server of its own.
pub fn run(steps: &mut Steps, options: &Options) {
    crash::beside(steps, ("storm", options.engine), |engine, server| {
        let mut command = crash::long_run("test(/^storm::/)", server);
        command
            .env("KEYMINT_STORM_ENGINE", engine)
            .env("KEYMINT_STORM_EVENTS", options.events.to_string())
            .env("KEYMINT_STORM_ENDPOINTS", options.endpoints.to_string())
            .env("KEYMINT_STORM_KILLS", options.kills.to_string());
        shell::run(&mut command)
    });
}
