//! Traffic of every kind, for a build that learns from it (`cargo xtask release`): what the proxy passes on, what the
//! sandbox answers, what is refused, calls that ask for a decision, webhooks, a little of the management API. Nothing is
//! measured here. Where there is a PostgreSQL, webhooks and the request log run on it as well as on SQLite.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bare::Mode;
use crate::keymint::{House, Running, Setting};
use crate::process::Bare;
use crate::wrk::{Expected, Load, Requests};
use crate::{machine, pace, verify, webhooks};

/// Connections of each load.
const CONNECTIONS: usize = 64;
/// Requests a second of a load that leaves pauses.
const RATE: u32 = 2_000;
/// More signed requests a second than a build that counts what it does can answer.
const SIGNED_PER_SECOND: usize = 60_000;
/// Calls of the management API.
const LISTS: usize = 50;

/// Why each of them is revoked.
const REVOKE: &str = r#"{"reason":"unused"}"#;

/// What a run takes.
#[derive(Args)]
pub struct Options {
    /// Seconds of each kind of traffic
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

/// Sends all of it.
///
/// # Errors
/// When a server does not start, or an answer is not the expected one.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = machine::folder().join("train");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let upstream = Bare::start(Mode::Empty)?;
    let everything = Setting { request_log: true, webhooks_here: true, ..Setting::default() };
    let proxying = Setting { upstream: Some(upstream.address), ..everything };
    let mut houses = vec![("proxying", proxying), ("answering", everything)];
    let postgres = std::env::var("KEYMINT_BENCH_POSTGRES").ok();
    if let Some(url) = postgres {
        houses.push(("postgres", Setting { postgres: Some(Box::leak(url.into_boxed_str())), ..proxying }));
    }
    for (name, setting) in houses {
        let home = folder.join(name);
        let keymint = House::set_up(&home.join("house"), setting)?.start()?;
        println!("{name}: requests");
        requests(&home, &keymint, options.seconds)?;
        println!("{name}: webhooks");
        webhooks::deliver(&keymint, options.seconds)?;
        // Only a process that ends of itself writes down what it counted.
        keymint.stop()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn requests(folder: &Path, keymint: &Running, seconds: u64) -> Result<()> {
    let mut client = keymint.client()?;
    let pair = client.key("kpay")?;
    let text = verify::key_pair_template(&pair.key_id, &pair.secret);
    let basic = verify::basic_template(&client.key("razorpay")?);
    let count = usize::try_from(seconds)? * SIGNED_PER_SECOND;
    let signed = verify::signer(keymint)?.make(folder, count)?;
    let alike = |name: &str, text: &str| Requests::alike(folder, name, text);
    let decide = alike("decide", &verify::verify_call_template(&pair))?;
    let (gateway, internal) = (keymint.gateway, keymint.internal);
    for (address, requests, expected) in [
        (gateway, alike("pair", &text)?, Expected::Accepted),
        (gateway, alike("basic", &basic)?, Expected::Accepted),
        (gateway, signed, Expected::Accepted),
        (gateway, alike("unknown", &verify::key_pair_template(verify::NOBODY, &pair.secret))?, Expected::Refused),
        (gateway, alike("wrong", &verify::key_pair_template(&pair.key_id, verify::NOBODY))?, Expected::Refused),
        (internal, decide, Expected::Accepted),
    ] {
        requests.send(address, Load { connections: CONNECTIONS, threads: 2, seconds, wait_ms: 0, expected })?;
    }
    pace::median_latency_us(gateway, &text, RATE, seconds)?;
    // The connection before was idle for too long.
    let mut client = keymint.client()?;
    for _ in 0..LISTS {
        let listed = client.call("GET", "/api/v1/merchants?limit=50", "")?;
        ensure!(listed.status == 200, "a list was answered {}: {}", listed.status, listed.body);
        let merchant = client.merchant()?;
        let app = client.app(&merchant, "keymint")?;
        let key = client.credential(&app, &serde_json::json!({ "mode": "test" }))?;
        let revoked = client.call("POST", &format!("/api/v1/credentials/{}/revoke", key.key_id), REVOKE)?;
        ensure!(revoked.status == 200, "a revocation was answered {}: {}", revoked.status, revoked.body);
    }
    keymint.counter("keymint_request_log_lost_total").map(drop).context("its metrics")
}
