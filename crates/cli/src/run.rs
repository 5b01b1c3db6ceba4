//! What every long-running command shares: runtime, logging, hardening, opening an app, serving until told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use keymint_app::acme::Acme;
use keymint_app::clock::SystemClock;
use keymint_app::config::{Config, postgres_is_local};
use keymint_app::entropy::SystemEntropy;
use keymint_app::outbound::Outbound;
use keymint_app::post::PostOffice;
use keymint_app::products::{Products, load_dialects};
use keymint_app::{App, Parts, master_key, words};
use keymint_store::db::Db;
use keymint_web::server::{self, Addresses, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs a future on the ordinary runtime. It has a worker for every other core: the gateway has a thread on each, and workers
/// that wake each other for every piece of work cost more than they do (a webhook a fifth more).
///
/// # Errors
/// Whatever the future ends with.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?.block_on(future)
}

/// No core file, and no debugger of another user's: memory holds keys (T127).
pub fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Takes as many open files as the system gives, and says so where that is too few for the connections that may be open:
/// each has one, and another one upstream.
pub fn raise_open_files(connections_max: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let wanted = u64::try_from(connections_max).unwrap_or(u64::MAX).saturating_mul(2);
    if let Some(given) = getrlimit(Resource::Nofile).current.filter(|given| *given < wanted) {
        tracing::warn!(
            given,
            wanted,
            "few open files for `limits.connections_max`; raise the limit (LimitNOFILE), or lower that"
        );
    }
}

/// Chooses the one TLS provider, before anything makes a connection.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LogShape {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Sends log lines to standard error; `KEYMINT_LOG` chooses what (`info`, `keymint_app=debug`).
pub fn start_logging(shape: LogShape) {
    let filter = std::env::var("KEYMINT_LOG").unwrap_or_else(|_| "info".to_owned());
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr);
    match shape {
        LogShape::Text => builder.compact().with_target(false).init(),
        LogShape::Json => builder.json().init(),
    }
}

/// Opens everything that a configuration names.
///
/// # Errors
/// What is wrong, and what to do.
pub async fn open(config: &Config) -> Result<App> {
    open_with(config, PostOffice::new(config.mail.as_ref(), config.sms.as_ref())?).await
}

/// The same, with this post office.
///
/// # Errors
/// As `open`.
pub async fn open_with(config: &Config, post: PostOffice) -> Result<App> {
    lay_words(config)?;
    let keyring = master_key::load(&config.master_key_source())?;
    let products = Products::new(load_dialects(config.dialects.as_deref())?, &config.product)?;
    let db = open_database(config).await?;
    let parts = Parts {
        db,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::default()),
        keyring,
        products,
        data: &config.data,
        request_log: &config.request_log,
        limits: &config.limits,
        telemetry: &config.telemetry,
        post,
        outbound: Outbound::new(&config.webhooks).context("making the client for webhooks")?,
        console_url: config.listen.console_url.as_deref(),
    };
    Ok(App::start(parts).await?)
}

async fn open_database(config: &Config) -> Result<Db> {
    if let Some(path) = &config.database.sqlite {
        return Db::open_sqlite(path).await.with_context(|| format!("opening {}", path.display()));
    }
    let Some(path) = &config.database.postgres_url_file else { bail!("no database is configured") };
    let url = read_private(path)?;
    if !postgres_is_local(&url) {
        bail!(
            "the PostgreSQL address in {} leaves this machine, and this version speaks no TLS to databases; use a \
             socket or a loopback address (a local proxy may carry it on)",
            path.display()
        );
    }
    tracing::warn!("one PostgreSQL server without a synchronous standby: what it loses, Keymint loses");
    Ok(Db::open_postgres(&url).await?)
}

fn read_private(path: &Path) -> Result<String> {
    use std::os::unix::fs::MetadataExt;
    let mode = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.mode();
    if mode & 0o077 != 0 {
        bail!("{} is readable by others; run `chmod 600` on it: the address may hold a password", path.display());
    }
    Ok(std::fs::read_to_string(path)?.trim().to_owned())
}

/// Threads of the gateway: as asked, or one per core.
fn threads(asked: usize) -> usize {
    if asked > 0 { asked } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) }
}

/// Listens, tells `ready` where, and serves until SIGTERM or SIGINT.
///
/// # Errors
/// When an address cannot be bound.
pub async fn serve_until_told(app: App, config: &Config, ready: impl FnOnce(Addresses) -> Result<()>) -> Result<()> {
    // Before anything listens, so that none comes too early. Without certificates the signal does what it does to every
    // process: it ends it.
    let hangup = if config.listen.has_tls() { Some(signal(SignalKind::hangup())?) } else { None };
    raise_open_files(config.limits.connections_max);
    let acme = certificates(&app, config)?;
    let (threads, connections_max) = (threads(config.listen.threads), config.limits.connections_max);
    let server = server::start(&app, &config.listen, threads, connections_max, acme).await;
    let server = server.context("starting the listeners")?;
    let mut terminate = signal(SignalKind::terminate())?;
    ready(server.addresses)?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = reload_when_told(hangup, &server, &app) => {}
    }
    tracing::info!("stopping: open connections may finish");
    server.stop().await;
    app.close().await;
    Ok(())
}

/// The certificates that authorities issue.
fn certificates(app: &App, config: &Config) -> Result<Acme> {
    let mut acme = Acme::new(config.data.join("acme"));
    for (listener, table) in config.listen.acme() {
        acme.add(app, table).with_context(|| format!("`listen.{listener}_tls.acme`"))?;
    }
    Ok(acme)
}

/// Reads certificates anew at each signal. Never ends.
async fn reload_when_told(told: Option<Signal>, server: &Server, app: &App) {
    let Some(mut told) = told else { return std::future::pending().await };
    while told.recv().await.is_some() {
        server.look_at_certificates(app).await;
    }
    std::future::pending().await
}

/// Lays the translation that is configured over English, and says which messages it does not have.
///
/// # Errors
/// What is wrong with it.
fn lay_words(config: &Config) -> Result<()> {
    let Some(file) = &config.words else { return Ok(()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("reading the words in {}", file.display()))?;
    let missing = words::lay(text).with_context(|| format!("the words in {}", file.display()))?;
    if !missing.is_empty() {
        let named = missing.iter().take(MISSING_NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        tracing::warn!(count = missing.len(), first = named, "messages without a translation stay English");
    }
    Ok(())
}

/// Messages without a translation that are named, of however many there are.
const MISSING_NAMED_MAX: usize = 20;

/// `keymint serve`.
///
/// # Errors
/// What is wrong with the configuration or the machine.
pub async fn serve(path: PathBuf) -> Result<()> {
    start_logging(LogShape::Json);
    let config = Config::load(&path)?;
    std::fs::create_dir_all(&config.data).with_context(|| format!("making {}", config.data.display()))?;
    if !config.listen.takes_live() {
        tracing::warn!("the gateway has no certificate and trusts no proxy: live credentials will be refused");
    }
    let app = open(&config).await?;
    serve_until_told(app, &config, |addresses| {
        tracing::info!(
            console = %addresses.console, gateway = %addresses.gateway, internal = %addresses.internal, "serving"
        );
        Ok(())
    })
    .await
}
