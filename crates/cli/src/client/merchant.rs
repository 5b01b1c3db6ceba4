//! The command `keymint merchant`: makes, reads and approves merchants over the management API.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::{Remote, page};

/// Merchants.
#[derive(Subcommand)]
pub enum MerchantCommand {
    /// Make a merchant
    #[command(
        after_help = "Example:\n  keymint merchant create --name 'Asha Textiles' --email owner@asha.example --country IN"
    )]
    Create {
        #[command(flatten)]
        remote: Remote,
        /// The business name
        #[arg(long)]
        name: String,
        /// Its address for mail
        #[arg(long)]
        email: String,
        /// ISO 3166-1 alpha-2
        #[arg(long)]
        country: String,
    },
    /// List merchants
    #[command(after_help = "Example:\n  keymint merchant list --json")]
    List {
        #[command(flatten)]
        remote: Remote,
        /// Where the part before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a merchant
    #[command(after_help = "Example:\n  keymint merchant show mer_01j…")]
    Show {
        #[command(flatten)]
        remote: Remote,
        /// `mer_…`
        id: String,
    },
    /// Decide about live mode (operator): approved, rejected or suspended
    #[command(after_help = "Example:\n  keymint merchant activation mer_01j… approved --reason 'documents complete'")]
    Activation {
        #[command(flatten)]
        remote: Remote,
        /// `mer_…`
        id: String,
        /// `approved`, `rejected` or `suspended`
        state: String,
        /// What the merchant is told
        #[arg(long)]
        reason: Option<String>,
    },
}

const MEMBERS: [&str; 6] = ["id", "name", "email", "country", "activation", "created_at"];

/// Runs it.
///
/// # Errors
/// What the API answers.
pub async fn run(command: MerchantCommand) -> Result<()> {
    match command {
        MerchantCommand::Create { remote, name, email, country } => {
            let body = json!({ "name": name, "email": email, "country": country });
            remote.print(&remote.call("POST", "/merchants", Some(&body)).await?, &MEMBERS);
        }
        MerchantCommand::List { remote, cursor } => {
            remote.print_list(&remote.call("GET", &page("/merchants", cursor.as_deref()), None).await?, &MEMBERS);
        }
        MerchantCommand::Show { remote, id } => {
            remote.print(&remote.call("GET", &format!("/merchants/{id}"), None).await?, &MEMBERS);
        }
        MerchantCommand::Activation { remote, id, state, reason } => {
            let body = json!({ "state": state, "reason": reason });
            remote.print(&remote.call("PUT", &format!("/merchants/{id}/activation"), Some(&body)).await?, &MEMBERS);
        }
    }
    Ok(())
}
