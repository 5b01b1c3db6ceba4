//! The binary: command line and wiring, no logic.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command line prints and reads its environment; nothing else in Keymint does"
)]

mod check_key;
mod client;
mod dev;
mod run;
mod setup;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The credential platform that a payment company runs in front of its API.
#[derive(Parser)]
#[command(name = "keymint", version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  keymint dev                                            a whole Keymint on this machine
  keymint key issue --app app_01j… --mode test           a key id and its secret, once
  keymint request --product razorpay GET /v1/orders      a call that authenticates itself
  keymint listen --app app_01j… --forward-to http://localhost:4000/webhooks
                                                         its test events on this machine
  keymint check-key rzp_test_AAAAAAAAAAAAAA              whose key this is, offline";

#[derive(Subcommand)]
enum Command {
    /// A whole Keymint on loopback: SQLite, five products, a sandbox behind each, a demo merchant
    #[command(
        after_help = "Examples:\n  keymint dev\n  keymint dev --data /tmp/km --port-base 9000 --ready-file ready.json"
    )]
    Dev(dev::DevArguments),
    /// Production: refuses to start on a setting that is unsafe or unknown
    #[command(after_help = "Example:\n  keymint serve --config keymint.toml")]
    Serve {
        /// The configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// First steps of a production set-up: a master key, the first operator token
    #[command(subcommand)]
    Setup(setup::SetupCommand),
    /// Merchants
    #[command(subcommand)]
    Merchant(client::merchant::MerchantCommand),
    /// Apps
    #[command(subcommand)]
    App(client::app::AppCommand),
    /// Credentials: issue, list, roll, revoke, requests
    #[command(subcommand)]
    Key(client::key::KeyCommand),
    /// Make a call on the gateway, authenticated in the product's dialect
    #[command(after_help = client::request::EXAMPLES)]
    Request(client::request::RequestArguments),
    /// Get an app's test events on this machine, as webhooks of its product
    #[command(after_help = client::listen::LISTEN_EXAMPLES)]
    Listen(client::listen::ListenArguments),
    /// Set off a test event of an app
    #[command(after_help = client::listen::TRIGGER_EXAMPLES)]
    Trigger(client::listen::TriggerArguments),
    /// Say offline whose key a text is, which mode, id or secret, and whether its checksum is right
    #[command(
        name = "check-key",
        after_help = "Examples:\n  keymint check-key km_test_…\n  keymint check-key -     (reads the text from standard input, so that it is in no history)"
    )]
    CheckKey(check_key::CheckKeyArguments),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  keymint completions bash > /etc/bash_completion.d/keymint")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the OpenAPI document of the management API
    Openapi,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run::forbid_core_dumps();
    run::install_crypto();
    let done = match arguments.command {
        Command::Dev(arguments) => run::block_on(dev::run(arguments)),
        Command::Serve { config } => run::block_on(run::serve(config)),
        Command::Setup(command) => run::block_on(setup::run(command)),
        Command::Merchant(command) => run::block_on(client::merchant::run(command)),
        Command::App(command) => run::block_on(client::app::run(command)),
        Command::Key(command) => run::block_on(client::key::run(command)),
        Command::Request(arguments) => run::block_on(client::request::run(arguments)),
        Command::Listen(arguments) => run::block_on(client::listen::listen(arguments)),
        Command::Trigger(arguments) => run::block_on(client::listen::trigger(arguments)),
        Command::CheckKey(arguments) => check_key::run(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "keymint", &mut std::io::stdout());
            Ok(())
        }
        Command::Openapi => {
            print!("{}", keymint_web::api::openapi_text());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keymint: {error:#}");
            ExitCode::FAILURE
        }
    }
}
