//! `keymint dev`: a whole Keymint on loopback, with a demo merchant that has an app of every product.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use keymint_app::App;
use keymint_app::config::{Config, DatabaseConfig, LimitsConfig, MasterKeyConfig, ProductConfig, RequestLogConfig};
use keymint_app::entropy::SystemEntropy;
use keymint_app::listen::ListenConfig;
use keymint_app::master_key;
use keymint_app::ops::apps::{self, NewApp};
use keymint_app::ops::companies::{self, NewCompany};
use keymint_app::ops::idempotency::Repeat;
use keymint_app::ops::merchants::{self, NewMerchant};
use keymint_app::ops::people::{self, NewPerson};
use keymint_app::ops::{Actor, credentials, tokens};
use keymint_app::outbound::WebhooksConfig;
use keymint_app::post::PostOffice;
use keymint_app::telemetry::TelemetryConfig;
use keymint_domain::credential::State;
use keymint_domain::entropy::draw_text;
use keymint_domain::id::{AppId, MerchantId};
use keymint_domain::mode::Mode;
use keymint_domain::role::Role;
use keymint_domain::secret::SecretText;
use keymint_web::server::Addresses;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::run::{self, LogShape};

/// What `dev` takes.
#[derive(Args)]
pub struct DevArguments {
    /// The folder for everything it keeps
    #[arg(long, default_value = "./keymint-data")]
    data: PathBuf,
    /// Console and management API on this port, the gateway on the next, the internal listener on the one after
    #[arg(long, default_value_t = 8080)]
    port_base: u16,
    /// A file to write addresses and token to, as JSON, once it serves
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// A translation of what people read
    #[arg(long, env = "KEYMINT_WORDS")]
    words: Option<PathBuf>,
}

/// The products of `dev`, each of the dialect of its name.
const PRODUCTS: [&str; 5] = ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"];

fn config(arguments: &DevArguments) -> Config {
    let port = |offset: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port_base.saturating_add(offset)));
    let product = |name: &str| ProductConfig {
        name: name.to_owned(),
        dialect: name.to_owned(),
        secret_style: None,
        sandbox: None,
        hosts_test: vec![format!("sandbox.{name}.localhost")],
        hosts_live: vec![format!("api.{name}.localhost")],
        upstream_test: None,
        upstream_live: None,
        limit: Vec::new(),
    };
    Config {
        data: arguments.data.clone(),
        words: arguments.words.clone(),
        listen: ListenConfig {
            console: port(0),
            console_tls: None,
            // Browsers have no passkeys at an address without a name.
            console_url: Some(format!("http://localhost:{}", arguments.port_base)),
            gateway: port(1),
            gateway_tls: None,
            gateway_url: None,
            internal: port(2),
            internal_tls: None,
            trusted_proxies: Vec::new(),
            live_over_plain_http: true,
            threads: 0,
            internal_network_is_private: false,
            client_ip_header: None,
            ext_authz: None,
        },
        database: DatabaseConfig { sqlite: Some(arguments.data.join("keymint.db")), postgres_url_file: None },
        master_key: MasterKeyConfig { file: Some(arguments.data.join("master.key")), descriptor: None, command: None },
        dialects: None,
        product: PRODUCTS.iter().map(|name| product(name)).collect(),
        request_log: RequestLogConfig::default(),
        limits: LimitsConfig::default(),
        mail: None,
        sms: None,
        // A developer's own receiver is on this machine.
        webhooks: WebhooksConfig::for_this_machine(),
        telemetry: TelemetryConfig::default(),
    }
}

/// Runs it until it is told to stop.
///
/// # Errors
/// What is in the way.
pub async fn run(arguments: DevArguments) -> Result<()> {
    run::start_logging(LogShape::Text);
    let config = config(&arguments);
    std::fs::create_dir_all(&arguments.data).with_context(|| format!("making {}", arguments.data.display()))?;
    master_key::load_or_make(&arguments.data.join("master.key"), &SystemEntropy::default())?;
    let app = run::open_with(&config, PostOffice::keeping()).await?;
    let token = token(&app, &arguments.data.join("operator.token")).await?;
    let (merchant, demo) = demo(&app).await?;
    let users = demo_users(&app, merchant, &arguments.data.join("demo-users.json")).await?;
    let ready_file = arguments.ready_file.clone();
    run::serve_until_told(app, &config, move |addresses| {
        if let Some(file) = ready_file {
            write_ready(&file, addresses, &token, &users)?;
        }
        greet(addresses, &token, &demo, &users);
        Ok(())
    })
    .await
}

/// The operator token of this folder: the one from last time while it lives, else a new one.
async fn token(app: &App, path: &Path) -> Result<String> {
    if let Ok(text) = std::fs::read_to_string(path)
        && tokens::actor_of(app, text.trim()).await?.is_some()
    {
        return Ok(text.trim().to_owned());
    }
    let (_, token) = tokens::make(app, Actor::System, None, "dev", None).await?;
    let token = token.context("the token was made before")?;
    write_private(path, token.expose())?;
    Ok(token.expose().to_owned())
}

/// Writes a file that only its owner can read, in one step.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(&beside, path).with_context(|| format!("writing {}", path.display()))
}

/// An app of the demo merchant.
struct DemoApp {
    product: &'static str,
    id: AppId,
    /// A test key that it has from last time.
    key_id: Option<String>,
}

/// The test key of an app that a start before this one has issued, while it lives.
async fn test_key(app: &App, id: AppId) -> Result<Option<String>> {
    let keys = credentials::list(app, Actor::System, id, "", 100).await?;
    let is_active = |key: &credentials::View| key.state == State::Active && key.credential.mode == Mode::Test;
    Ok(keys.into_iter().find(is_active).map(|key| key.credential.key_id))
}

/// The demo merchant's apps: the same ones at every start.
async fn demo(app: &App) -> Result<(MerchantId, Vec<DemoApp>)> {
    let again = |what: &str| Repeat::new("demo", what, what.as_bytes());
    let new = NewMerchant {
        name: "Demo Merchant".to_owned(),
        email: "demo@merchant.example".to_owned(),
        country: "IN".to_owned(),
    };
    let merchant = match merchants::make(app, Actor::System, &new, Some(&again("merchant")?)).await {
        Ok(merchant) => merchant,
        Err(error) => match find_demo(app, &new.email).await? {
            Some(merchant) => merchant,
            None => return Err(error.into()),
        },
    };
    describe(app, merchant.id).await?;
    let existing = apps::list(app, Actor::System, merchant.id, "", 100).await?;
    let mut demo = Vec::new();
    for product in PRODUCTS {
        if let Some(found) = existing.iter().find(|app| app.product == product) {
            demo.push(DemoApp { product, id: found.id, key_id: test_key(app, found.id).await? });
            continue;
        }
        let new = NewApp {
            product: product.to_owned(),
            name: "Demo app".to_owned(),
            email: "demo@merchant.example".to_owned(),
            address: "12 MG Road".to_owned(),
            country: "IN".to_owned(),
            postal_code: "560001".to_owned(),
            ..NewApp::default()
        };
        let id = apps::make(app, Actor::System, merchant.id, &new, None).await?.id;
        demo.push(DemoApp { product, id, key_id: None });
    }
    Ok((merchant.id, demo))
}

/// The demo merchant's company, which KS Pay asks for before the first application: once, so that what its people write
/// later stays.
async fn describe(app: &App, merchant: MerchantId) -> Result<()> {
    if companies::find(app, Actor::System, merchant).await?.is_some() {
        return Ok(());
    }
    let new = NewCompany {
        name: "Demo Merchant".to_owned(),
        address: "12 MG Road".to_owned(),
        country: "IN".to_owned(),
        postal_code: "560001".to_owned(),
        ..NewCompany::default()
    };
    Ok(companies::describe(app, Actor::System, merchant, &new).await?)
}

/// Someone who can sign in: one for each role.
#[derive(Serialize, Deserialize)]
struct DemoUser {
    role: String,
    email: String,
    password: String,
}

/// The demo merchant's people, with the passwords of last time: they are in a file beside the database, for its owner
/// alone.
async fn demo_users(app: &App, merchant: MerchantId, path: &Path) -> Result<Vec<DemoUser>> {
    let kept = std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str::<Vec<DemoUser>>(&text).ok());
    if let Some(users) = kept
        && people::exists(app, users.first().map_or("", |user| &user.email)).await?
    {
        return Ok(users);
    }
    let mut users = Vec::new();
    for role in Role::ALL {
        let password = draw_text(&*app.entropy, b"abcdefghijkmnpqrstuvwxyz23456789", 20)?;
        let email = format!("{}@merchant.example", role);
        users.push(DemoUser { role: role.to_string(), email, password });
    }
    // Before the accounts: one whose password nobody knows would be of no use.
    write_private(path, &serde_json::to_string(&users)?)?;
    for (role, user) in Role::ALL.into_iter().zip(&users) {
        let name = format!("Demo {}", role);
        let new = NewPerson { email: user.email.clone(), name, password: SecretText::new(user.password.clone()) };
        people::make(app, Actor::System, merchant, role, new).await?;
    }
    Ok(users)
}

async fn find_demo(app: &App, email: &str) -> Result<Option<keymint_app::store_types::Merchant>> {
    let merchants = merchants::list(app, Actor::System, "", 1000).await?;
    Ok(merchants.into_iter().find(|merchant| merchant.email == email))
}

fn write_ready(path: &Path, addresses: Addresses, token: &str, users: &[DemoUser]) -> Result<()> {
    let ready = json!({
        "console": format!("http://{}", addresses.console),
        "gateway": format!("http://{}", addresses.gateway),
        "internal": format!("http://{}", addresses.internal),
        "token": token,
        "users": users,
    });
    write_private(path, &ready.to_string())
}

fn greet(addresses: Addresses, token: &str, demo: &[DemoApp], users: &[DemoUser]) {
    let Addresses { console, gateway, internal, .. } = addresses;
    // A name, where browsers have passkeys; not so at an address of numbers.
    let named = format!("http://localhost:{}", console.port());
    println!("Keymint is ready.\n");
    println!("  console    {named}    sign in here; management API under /api/v1, its reference at /docs");
    println!("  gateway    http://{gateway}    a product is at /{{product}}");
    println!("  outbox     {named}/outbox    the mail and SMS that would have been sent");
    println!("  internal   http://{internal}    verify API, /healthz, /metrics\n");
    println!("The demo merchant's people, who sign in at the console:");
    for DemoUser { role, email, password } in users {
        println!("  {role:<10} {email:<28} {password}");
    }
    println!("\nThe demo merchant's apps:");
    for DemoApp { product, id, .. } in demo {
        println!("  {product:<10} {id}");
    }
    let program = std::env::args().next().unwrap_or_else(|| "keymint".to_owned());
    let Some(razorpay) = demo.iter().find(|app| app.product == "razorpay") else { return };
    let (what, command) = match &razorpay.key_id {
        None => ("issue a Razorpay test key", format!("key issue --app {} --mode test", razorpay.id)),
        Some(key_id) => ("issue a successor of the Razorpay test key there is", format!("key roll {key_id}")),
    };
    println!("\nIn another terminal, with an operator token, {what}:\n");
    println!("  export KEYMINT_URL=http://{console}");
    println!("  export KEYMINT_TOKEN={token}");
    println!("  {program} {command}\n");
    println!("Stop with Ctrl-C. Everything is kept in the data folder; delete it to begin anew.");
}
