//! The command `keymint key`: issues, rolls, revokes and reads credentials over the management API.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Remote, page};

/// Credentials.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Issue a credential; its secret is shown this once
    #[command(
        after_help = "Examples:\n  keymint key issue --app app_01j… --mode test --name 'web shop'\n  keymint key issue --app app_01j… --save key.json"
    )]
    Issue(IssueArguments),
    /// List an app's credentials
    #[command(after_help = "Example:\n  keymint key list --app app_01j…")]
    List {
        #[command(flatten)]
        remote: Remote,
        /// `app_…`
        #[arg(long)]
        app: String,
        /// Where the part before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a credential
    #[command(after_help = "Example:\n  keymint key show rzp_test_…")]
    Show {
        #[command(flatten)]
        remote: Remote,
        /// The key id
        key_id: String,
    },
    /// Issue a successor and choose when this one ends: at once, or after a grace
    #[command(
        after_help = "Examples:\n  keymint key roll rzp_test_… --grace-seconds 86400\n  keymint key roll rzp_test_… --grace-seconds 0"
    )]
    Roll {
        #[command(flatten)]
        remote: Remote,
        /// The key id
        key_id: String,
        /// How long the predecessor goes on working, in seconds: 0 to 2592000; a day is 86400
        #[arg(long, default_value_t = 0)]
        grace_seconds: u32,
    },
    /// End a credential now; when this returns, nothing accepts it
    #[command(
        after_help = "Example:\n  keymint key revoke rzp_test_… --reason compromised --note 'found in a repository'"
    )]
    Revoke {
        #[command(flatten)]
        remote: Remote,
        /// The key id
        key_id: String,
        /// `compromised`, `superseded`, `unused` or `other`
        #[arg(long)]
        reason: String,
        /// In your words
        #[arg(long)]
        note: Option<String>,
    },
    /// List the decisions about a credential, newest first
    #[command(after_help = "Example:\n  keymint key requests rzp_test_… --reason wrong_secret")]
    Requests {
        #[command(flatten)]
        remote: Remote,
        /// The key id
        key_id: String,
        /// Only this reason
        #[arg(long)]
        reason: Option<String>,
        /// Where the part before ended
        #[arg(long)]
        cursor: Option<String>,
    },
}

/// What `issue` takes.
#[derive(Args)]
pub struct IssueArguments {
    #[command(flatten)]
    remote: Remote,
    /// `app_…`
    #[arg(long)]
    app: String,
    /// `test` or `live`
    #[arg(long, default_value = "test")]
    mode: String,
    /// What its people call it
    #[arg(long)]
    name: Option<String>,
    /// When it ends by itself (RFC 3339)
    #[arg(long)]
    expires_at: Option<String>,
    /// A scope; may be given several times
    #[arg(long = "scope")]
    scopes: Vec<String>,
    /// An address or CIDR block; may be given several times
    #[arg(long = "allow-ip")]
    allowed_ips: Vec<String>,
    /// A browser origin; may be given several times
    #[arg(long = "allow-origin")]
    allowed_origins: Vec<String>,
    /// Write key id and secret to this new file, readable by you alone, instead of showing the secret
    #[arg(long)]
    save: Option<PathBuf>,
}

const MEMBERS: [&str; 12] = [
    "key_id",
    "secret",
    "mode",
    "status",
    "product",
    "name",
    "created_at",
    "expires_at",
    "ends_at",
    "revoked_at",
    "revoke_reason",
    "last_used_at",
];
const SHOWN_ONCE: &str = "The secret is shown this once. Keep it where your server reads it, and nowhere else.";
const COLUMNS: [&str; 6] = ["key_id", "mode", "status", "name", "created_at", "last_used_at"];
const REQUESTS: [&str; 7] = ["at", "decision", "reason", "status", "method", "path", "client_ip"];

/// Runs it.
///
/// # Errors
/// What the API answers.
pub async fn run(command: KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Issue(arguments) => issue(arguments).await?,
        KeyCommand::List { remote, app, cursor } => {
            let path = page(&format!("/apps/{app}/credentials"), cursor.as_deref());
            remote.print_list(&remote.call("GET", &path, None).await?, &COLUMNS);
        }
        KeyCommand::Show { remote, key_id } => {
            remote.print(&remote.call("GET", &format!("/credentials/{key_id}"), None).await?, &MEMBERS);
        }
        KeyCommand::Roll { remote, key_id, grace_seconds } => {
            let body = json!({ "grace_seconds": grace_seconds });
            let rolled = remote.call("POST", &format!("/credentials/{key_id}/roll"), Some(&body)).await?;
            if remote.json {
                println!("{rolled}");
                return Ok(());
            }
            let (new, old) = (rolled.get("credential"), rolled.get("previous"));
            remote.print(new.unwrap_or(&Value::Null), &MEMBERS);
            println!("\n{SHOWN_ONCE}");
            println!("\npredecessor:");
            remote.print(old.unwrap_or(&Value::Null), &["key_id", "status", "ends_at"]);
        }
        KeyCommand::Revoke { remote, key_id, reason, note } => {
            let body = json!({ "reason": reason, "note": note });
            let revoked = remote.call("POST", &format!("/credentials/{key_id}/revoke"), Some(&body)).await?;
            remote.print(&revoked, &["key_id", "status", "revoked_at", "receipt"]);
        }
        KeyCommand::Requests { remote, key_id, reason, cursor } => {
            let mut path = page(&format!("/credentials/{key_id}/requests"), cursor.as_deref());
            if let Some(reason) = reason {
                path.push_str(&format!("&reason={reason}"));
            }
            remote.print_list(&remote.call("GET", &path, None).await?, &REQUESTS);
        }
    }
    Ok(())
}

async fn issue(arguments: IssueArguments) -> Result<()> {
    let IssueArguments { remote, app, mode, name, expires_at, scopes, allowed_ips, allowed_origins, save } = arguments;
    let body = json!({
        "mode": mode, "name": name, "expires_at": expires_at, "scopes": scopes, "allowed_ips": allowed_ips,
        "allowed_origins": allowed_origins,
    });
    // The file is made before the key: a key that could not be saved is a key that nobody holds.
    let file = save.as_deref().map(make_private).transpose()?;
    let mut issued = remote.call("POST", &format!("/apps/{app}/credentials"), Some(&body)).await?;
    if let Some((mut file, path)) = file.zip(save.as_deref()) {
        let pair = json!({ "key_id": issued.get("key_id"), "secret": issued.get("secret") });
        writeln!(file, "{pair}")
            .and_then(|()| file.sync_all())
            .with_context(|| format!("writing {}", path.display()))?;
        issued.as_object_mut().and_then(|members| members.remove("secret"));
    }
    remote.print(&issued, &MEMBERS);
    if !remote.json {
        match save {
            Some(path) => println!("\n{} holds key id and secret. The secret is nowhere else.", path.display()),
            None => println!("\n{SHOWN_ONCE}"),
        }
    }
    Ok(())
}

fn make_private(path: &Path) -> Result<std::fs::File> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.with_context(|| format!("making {} (an existing file is left alone)", path.display()))
}
