//! First steps of a production set-up, on the machine itself.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use keymint_app::config::Config;
use keymint_app::entropy::SystemEntropy;
use keymint_app::ops::{Actor, tokens};
use keymint_domain::seal::Keyring;

use crate::run;

/// First steps.
#[derive(Subcommand)]
pub enum SetupCommand {
    /// Write a new master key to a file that only you can read
    #[command(name = "master-key", after_help = "Example:\n  keymint setup master-key /etc/keymint/master.key")]
    MasterKey {
        /// The file to make; an existing one is left alone
        file: PathBuf,
    },
    /// Make an operator token for the management API; the server must not be running
    #[command(
        name = "operator-token",
        after_help = "Example:\n  keymint setup operator-token --config keymint.toml --name 'first operator'"
    )]
    OperatorToken {
        /// The configuration file
        #[arg(long)]
        config: PathBuf,
        /// What it is for
        #[arg(long, default_value = "operator")]
        name: String,
    },
}

/// Runs a step.
///
/// # Errors
/// What went wrong.
pub async fn run(command: SetupCommand) -> Result<()> {
    match command {
        SetupCommand::MasterKey { file } => {
            let text = Keyring::generate("k1", &SystemEntropy::default())?;
            let mut made = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&file)
                .with_context(|| format!("making {}", file.display()))?;
            made.write_all(text.expose().as_bytes())?;
            made.sync_all()?;
            println!("{} holds a new master key. Back it up apart from the database: without it every", file.display());
            println!("sealed secret is lost, and with both together every secret can be read.");
            Ok(())
        }
        SetupCommand::OperatorToken { config, name } => {
            let config = Config::load(&config)?;
            std::fs::create_dir_all(&config.data)?;
            let app = run::open(&config).await?;
            let (id, token) = tokens::make(&app, Actor::System, None, &name, None).await?;
            app.close().await;
            println!("{}", token.context("the token was made before")?.expose());
            eprintln!("{id} acts on everything. It is shown this once.");
            Ok(())
        }
    }
}
