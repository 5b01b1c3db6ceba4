//! `keymint listen` and `keymint trigger`: an app's test events on a developer's own machine.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use keymint_app::client::{Call, ClientError, EventStream, send};
use keymint_app::clock::SystemClock;
use keymint_app::entropy::SystemEntropy;
use keymint_app::products::load_dialects;
use keymint_domain::entropy::Entropy;
use keymint_domain::secret::{SecretBytes, SecretText};
use keymint_domain::time::Clock;
use keymint_domain::webhook::Webhooks;
use keymint_domain::webhook::signature::{Signed, WHSEC};
use serde::Deserialize;
use serde_json::json;

use super::Remote;

/// Pause before a lost connection is made again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long ids are kept, so that nothing is forwarded twice. Milliseconds: far longer than a stream looks back.
const KEPT_MS: i64 = 10 * 60_000;
/// Random bytes of a secret that is made for a run.
const SECRET_BYTES: usize = 32;

/// Examples for `--help`.
pub const LISTEN_EXAMPLES: &str = "\
Each event is posted once to the address, with the headers and the signature of the product's webhooks. The signature is made
with the secret in KEYMINT_WEBHOOK_SECRET; without one, a secret for this run is made and printed. The token is in KEYMINT_TOKEN.

Examples:
  keymint listen --app app_01j… --forward-to http://localhost:4000/webhooks
  keymint listen --app app_01j… --forward-to http://localhost:4000/webhooks --events payment.captured,refund.processed
  keymint listen --app app_01j…                           (only prints what happens)";

/// Examples for `--help`.
pub const TRIGGER_EXAMPLES: &str = "\
The event has the shape of a real one. It goes to the app's test endpoints that ask for it, and to `keymint listen`.

Examples:
  keymint trigger payment.captured --app app_01j…
  keymint trigger payout.failed --app app_01j… --json";

/// What `listen` takes.
#[derive(Args)]
pub struct ListenArguments {
    #[command(flatten)]
    remote: Remote,
    /// The app
    #[arg(long, env = "KEYMINT_APP")]
    app: String,
    /// Where events are posted: an address of this machine, say
    #[arg(long)]
    forward_to: Option<String>,
    /// Only these events, with commas in between
    #[arg(long, value_delimiter = ',')]
    events: Vec<String>,
    /// The product's dialect, where it is not called like the product
    #[arg(long)]
    dialect: Option<String>,
    /// A folder with dialects of your own
    #[arg(long)]
    dialects: Option<PathBuf>,
}

/// What `trigger` takes.
#[derive(Args)]
pub struct TriggerArguments {
    #[command(flatten)]
    remote: Remote,
    /// The event, `payment.captured`
    event: String,
    /// The app
    #[arg(long, env = "KEYMINT_APP")]
    app: String,
}

/// Sets off a test event.
///
/// # Errors
/// What the API answers.
pub async fn trigger(arguments: TriggerArguments) -> Result<()> {
    let TriggerArguments { remote, event, app } = arguments;
    let path = format!("/apps/{app}/test-events");
    let made = remote.call("POST", &path, Some(&json!({ "event": event }))).await?;
    remote.print(&made, &["id"]);
    Ok(())
}

/// An event as the stream has it.
#[derive(Deserialize)]
struct Told {
    id: String,
    name: String,
    body: String,
    at: String,
}

/// What forwards.
struct Forwarder {
    rules: Webhooks,
    secret: SecretText,
    to: Option<String>,
    is_json: bool,
}

impl Forwarder {
    /// Posts an event, and says what was answered.
    async fn forward(&self, event: &Told) {
        let answer = match &self.to {
            None => String::new(),
            Some(to) => self.post(event, to).await,
        };
        if self.is_json {
            println!("{}", json!({ "id": event.id, "event": event.name, "at": event.at, "answer": answer }));
        } else {
            let arrow = if answer.is_empty() { "" } else { "  -> " };
            println!("{}  {}  {}{arrow}{answer}", event.at, event.name, event.id);
        }
    }

    async fn post(&self, event: &Told, to: &str) -> String {
        let timestamp = (SystemClock.now().0 / 1000).to_string();
        let signed = Signed { id: &event.id, timestamp: &timestamp, body: event.body.as_bytes() };
        let signature = self.rules.signing.sign(signed, std::slice::from_ref(&self.secret));
        let headers = self.rules.headers(&event.name, signed, signature.as_deref());
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = event.body.clone().into_bytes();
        match send(Call { method: "POST", url: to.to_owned(), headers, body }).await {
            Ok(reply) => reply.status.to_string(),
            Err(ClientError::Unreachable { cause, .. }) => cause,
            Err(error) => error.to_string(),
        }
    }
}

/// The rules of the app's product, by the name of its dialect.
async fn rules(arguments: &ListenArguments) -> Result<Webhooks> {
    let app = arguments.remote.call("GET", &format!("/apps/{}", arguments.app), None).await?;
    let product = app.get("product").and_then(|product| product.as_str()).unwrap_or_default();
    let wanted = arguments.dialect.as_deref().unwrap_or(product);
    let dialects = load_dialects(arguments.dialects.as_deref())?;
    let Some(dialect) = dialects.into_iter().find(|dialect| *dialect.name == *wanted) else {
        bail!("there is no dialect `{wanted}`; --dialect names the one of the product `{product}`");
    };
    dialect.webhooks.clone().with_context(|| format!("the product `{product}` sends no webhooks"))
}

/// The secret that signs, and whether it was made here.
fn secret(rules: &Webhooks) -> Result<(SecretText, bool)> {
    if let Ok(text) = std::env::var("KEYMINT_WEBHOOK_SECRET") {
        let secret = SecretText::new(text);
        if rules.signing.key_of(&secret).is_none() {
            bail!("KEYMINT_WEBHOOK_SECRET is no secret of this product's webhooks");
        }
        return Ok((secret, false));
    }
    let mut bytes = vec![0; SECRET_BYTES];
    SystemEntropy::default().fill(&mut bytes).ok().context("the operating system gives no random bytes")?;
    let bytes = SecretBytes::new(bytes);
    Ok((SecretText::new(format!("{WHSEC}{}", data_encoding::BASE64.encode(bytes.expose()))), true))
}

/// Listens until it is told to stop.
///
/// # Errors
/// What is in the way at the beginning, and what no second try would change.
pub async fn listen(arguments: ListenArguments) -> Result<()> {
    let rules = rules(&arguments).await?;
    if let Some(unknown) = arguments.events.iter().find(|event| !rules.has_event(event)) {
        bail!("the product has no event `{unknown}`");
    }
    let (secret, is_made) = secret(&rules)?;
    if is_made && arguments.forward_to.is_some() {
        eprintln!("Signed with {} in this run; KEYMINT_WEBHOOK_SECRET chooses another secret.", secret.expose());
    }
    let forwarder = Forwarder { rules, secret, to: arguments.forward_to.clone(), is_json: arguments.remote.is_json() };
    let path = format!("/apps/{}/test-events", arguments.app);
    let (mut seen, mut last, mut is_first): (HashMap<String, i64>, Option<String>, bool) = (HashMap::new(), None, true);
    loop {
        match arguments.remote.stream(&path, last.as_deref()).await {
            Ok(stream) => {
                if is_first {
                    eprintln!("Listening to the test events of {}. Stop with Ctrl-C.", arguments.app);
                    is_first = false;
                }
                hear(stream, (&forwarder, &arguments.events), (&mut seen, &mut last)).await;
            }
            Err(error) if is_first || !is_passing(&error) => return Err(error),
            Err(error) => {
                eprintln!("{error:#}; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Whether trying again may help.
fn is_passing(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Unreachable { .. } | ClientError::NotManagement { .. }) => true,
        Some(ClientError::Refused { status, .. }) => *status >= 500 || *status == 409,
        Some(ClientError::Address { .. } | ClientError::Token) | None => false,
    }
}

/// Forwards what a stream says until it ends: each event once, whichever stream it came by.
async fn hear(
    mut stream: EventStream,
    (forwarder, wanted): (&Forwarder, &[String]),
    (seen, last): (&mut HashMap<String, i64>, &mut Option<String>),
) {
    while let Some(text) = stream.next().await {
        let Ok(event) = serde_json::from_str::<Told>(&text) else { continue };
        let now = SystemClock.now().0;
        seen.retain(|_, at| now - *at < KEPT_MS);
        if seen.insert(event.id.clone(), now).is_none() && (wanted.is_empty() || wanted.contains(&event.name)) {
            forwarder.forward(&event).await;
        }
        if last.as_ref().is_none_or(|last| *last < event.id) {
            *last = Some(event.id);
        }
    }
}
