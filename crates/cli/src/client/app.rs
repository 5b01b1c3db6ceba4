//! The command `keymint app`: makes, lists, enables and disables apps over the management API.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::{Remote, page};

/// Apps.
#[derive(Subcommand)]
pub enum AppCommand {
    /// Register an app
    #[command(
        after_help = "Example:\n  keymint app create --merchant mer_01j… --product razorpay --name 'Web shop' \\\n    --email dev@asha.example --address '12 MG Road' --country IN --postal-code 560001"
    )]
    Create {
        #[command(flatten)]
        remote: Remote,
        /// `mer_…`
        #[arg(long)]
        merchant: String,
        /// The product
        #[arg(long)]
        product: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// An address for mail
        #[arg(long)]
        email: String,
        /// Street address
        #[arg(long)]
        address: String,
        /// ISO 3166-1 alpha-2
        #[arg(long)]
        country: String,
        /// Zip or postal code
        #[arg(long)]
        postal_code: String,
    },
    /// List a merchant's apps
    #[command(after_help = "Example:\n  keymint app list --merchant mer_01j…")]
    List {
        #[command(flatten)]
        remote: Remote,
        /// `mer_…`
        #[arg(long)]
        merchant: String,
        /// Where the part before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Let an app's credentials work again
    #[command(after_help = "Example:\n  keymint app enable app_01j…")]
    Enable {
        #[command(flatten)]
        remote: Remote,
        /// `app_…`
        id: String,
    },
    /// Stop an app's credentials at once, until it is enabled again
    #[command(after_help = "Example:\n  keymint app disable app_01j…")]
    Disable {
        #[command(flatten)]
        remote: Remote,
        /// `app_…`
        id: String,
    },
}

const MEMBERS: [&str; 6] = ["id", "product", "name", "email", "country", "enabled"];

/// Runs it.
///
/// # Errors
/// What the API answers.
pub async fn run(command: AppCommand) -> Result<()> {
    match command {
        AppCommand::Create { remote, merchant, product, name, email, address, country, postal_code } => {
            let body = json!({
                "product": product, "name": name, "email": email, "address": address, "country": country,
                "postal_code": postal_code,
            });
            let made = remote.call("POST", &format!("/merchants/{merchant}/apps"), Some(&body)).await?;
            remote.print(&made, &MEMBERS);
        }
        AppCommand::List { remote, merchant, cursor } => {
            let path = page(&format!("/merchants/{merchant}/apps"), cursor.as_deref());
            remote.print_list(&remote.call("GET", &path, None).await?, &MEMBERS);
        }
        AppCommand::Enable { remote, id } => set_enabled(&remote, &id, &json!({ "enabled": true })).await?,
        AppCommand::Disable { remote, id } => set_enabled(&remote, &id, &json!({ "enabled": false })).await?,
    }
    Ok(())
}

async fn set_enabled(remote: &Remote, id: &str, body: &serde_json::Value) -> Result<()> {
    remote.print(&remote.call("PATCH", &format!("/apps/{id}"), Some(body)).await?, &MEMBERS);
    Ok(())
}
