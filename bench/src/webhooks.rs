//! Webhooks from the call that accepts one to the row that says it was taken: accept, store durably, sign, send, record. On a
//! PostgreSQL of its own, whose CPU counts; who publishes and who receives are on the same machine, and their CPU does not.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::bare::Mode;
use crate::bars::{Figure, Outcome, Unit, median};
use crate::keymint::{House, Running, Setting};
use crate::machine;
use crate::management::Client;
use crate::process::{Bare, cpu_ns};

/// Apps, each with one endpoint.
const APPS: usize = 32;
/// What Svix's server delivered at 32 connections on the machine of the bars: the upper end of what was seen.
const SVIX_PER_SECOND: f64 = 1_250.0;
/// Longest wait until all is recorded.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often it is looked whether it is.
const POLL: Duration = Duration::from_millis(20);

/// What a run takes.
#[derive(Args)]
pub struct Options {
    /// Those who publish at the same time
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How long each round takes
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often it is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Round {
    messages: f64,
    /// From the first call to the last record.
    seconds: f64,
    keymint_us: f64,
    postgres_us: f64,
}

/// Measures and prints a table; fails when a bar is missed.
///
/// # Errors
/// When something cannot be measured, or a message is not delivered.
pub fn run(options: &Options) -> Result<ExitCode> {
    let variable =
        |name: &str| std::env::var(name).with_context(|| format!("`cargo xtask bench webhooks` sets {name}"));
    let (url, postgres) = (variable("KEYMINT_BENCH_POSTGRES")?, variable("KEYMINT_BENCH_POSTGRES_PID")?.parse()?);
    println!(
        "keymint-bench webhooks, {} connections, {} rounds of {} s, {}\ncommit {}\n{}\n",
        options.connections,
        options.rounds,
        options.seconds,
        machine::day(),
        machine::commit(),
        machine::describe()
    );
    let folder = machine::folder().join("webhooks");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let setting =
        Setting { postgres: Some(Box::leak(url.into_boxed_str())), webhooks_here: true, ..Setting::default() };
    let keymint = House::set_up(&folder, setting)?.start()?;
    let receiver = Bare::start(Mode::Read)?;
    let places = (0..APPS).map(|_| place(&keymint, &receiver)).collect::<Result<Vec<_>>>()?;
    measure(&keymint, (&places, postgres), options.connections, Duration::from_secs(2))?;
    let mut rounds = Vec::with_capacity(options.rounds);
    for number in 1..=options.rounds {
        let round = measure(&keymint, (&places, postgres), options.connections, Duration::from_secs(options.seconds))?;
        println!(
            "round {number}: {:.0} messages, {:.0}/s, Keymint {:.1} us, PostgreSQL {:.1} us each",
            round.messages,
            round.messages / round.seconds,
            round.keymint_us,
            round.postgres_us
        );
        rounds.push(round);
    }
    println!();
    let figures = figures(&rounds, options.connections);
    figures.iter().for_each(|figure| println!("{}", figure.line()));
    let is_missed = figures.iter().any(|figure| figure.outcome() == Outcome::Missed);
    keymint.stop()?;
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn figures(rounds: &[Round], connections: usize) -> Vec<Figure> {
    let middle = |of: fn(&Round) -> f64| median(rounds.iter().map(of).collect());
    let rate = middle(|round| round.messages / round.seconds);
    let each = middle(|round| round.keymint_us + round.postgres_us);
    vec![
        Figure::at_most(
            "P15",
            "CPU of a message, accepted to recorded, with PostgreSQL",
            (each, 150.0),
            Unit::Microseconds,
        ),
        Figure::informs("P15", "of that Keymint", middle(|round| round.keymint_us), Unit::Microseconds),
        Figure::informs("P15", "of that PostgreSQL", middle(|round| round.postgres_us), Unit::Microseconds),
        Figure::at_least(
            "P15",
            format!("messages/s at {connections} connections, beside Svix's {SVIX_PER_SECOND:.0}"),
            (rate / SVIX_PER_SECOND, 4.0),
            Unit::Times,
        )
        .note(format!("{rate:.0}/s; Svix's figure is of the machine of the bars, not of this run")),
    ]
}

/// An app and its endpoint.
struct Place {
    app: String,
    hook: String,
}

fn place(keymint: &Running, receiver: &Bare) -> Result<Place> {
    let mut client = keymint.client()?;
    let merchant = client.merchant()?;
    let app = client.app(&merchant, "keymint")?;
    let body = json!({ "mode": "test", "url": format!("http://{}/hook", receiver.address) });
    let made = client.call("POST", &format!("/api/v1/apps/{app}/webhook-endpoints"), &body.to_string())?;
    ensure!(made.status == 201, "an endpoint was answered {}: {}", made.status, made.body);
    let made: Value = serde_json::from_str(&made.body)?;
    let hook = made.get("id").and_then(Value::as_str).context("no id")?.to_owned();
    Ok(Place { app, hook })
}

/// Sets endpoints up and sends to them for a while, whatever it costs.
///
/// # Errors
/// When a message is not delivered.
pub fn deliver(keymint: &Running, seconds: u64) -> Result<()> {
    let receiver = Bare::start(Mode::Read)?;
    let places = (0..APPS).map(|_| place(keymint, &receiver)).collect::<Result<Vec<_>>>()?;
    messages(keymint, &places, (APPS, Duration::from_secs(seconds))).map(drop)
}

fn measure(
    keymint: &Running,
    (places, postgres): (&[Place], u32),
    connections: usize,
    length: Duration,
) -> Result<Round> {
    let before = (keymint.server.settled_cpu_ns()?, cpu_ns(postgres)?);
    let begun = Instant::now();
    let messages = messages(keymint, places, (connections, length))?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = (keymint.server.settled_cpu_ns()?, cpu_ns(postgres)?);
    let each = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e6 / f64::from(messages);
    Ok(Round {
        messages: f64::from(messages),
        seconds,
        keymint_us: each(after.0.saturating_sub(before.0)),
        postgres_us: each(after.1.saturating_sub(before.1)),
    })
}

/// Publishes for so long, and waits until all of it is recorded; how many.
fn messages(keymint: &Running, places: &[Place], (connections, length): (usize, Duration)) -> Result<u32> {
    let is_over = AtomicBool::new(false);
    let count = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..connections)
            .map(|number| (number, &is_over))
            .map(|(number, is_over)| scope.spawn(move || publish(keymint, places, (number, is_over))))
            .collect();
        std::thread::sleep(length);
        is_over.store(true, Ordering::SeqCst);
        let counts = publishers.into_iter().map(|one| one.join().map_err(|_| anyhow!("a publisher ended"))?);
        counts.sum::<Result<u32>>()
    })?;
    let mut client = keymint.client()?;
    places.iter().try_for_each(|place| wait_until_recorded(&mut client, place))?;
    Ok(count)
}

/// Publishes one after the other until it is over; how many.
fn publish(keymint: &Running, places: &[Place], (number, is_over): (usize, &AtomicBool)) -> Result<u32> {
    let mut client = keymint.client()?;
    let place = places.get(number % places.len()).context("no place")?;
    let path = format!("/api/v1/apps/{}/events", place.app);
    let event = r#"{"type":"payment.captured","data":{"id":"pay_AAAAAAAAAAAAAA","amount":50000,"currency":"INR"}}"#;
    let body = json!({ "mode": "test", "name": "payment.captured", "body": event }).to_string();
    let mut count = 0;
    while !is_over.load(Ordering::SeqCst) {
        let reply = client.call("POST", &path, &body)?;
        ensure!(reply.status == 202, "an event was answered {}: {}", reply.status, reply.body);
        count += 1;
    }
    Ok(count)
}

/// Looks until the newest deliveries of an endpoint are delivered; what is before them was sent before them.
fn wait_until_recorded(client: &mut Client, place: &Place) -> Result<()> {
    let path = format!("/api/v1/webhook-endpoints/{}/deliveries?limit=100", place.hook);
    let begun = Instant::now();
    loop {
        let reply = client.call("GET", &path, "")?;
        let listed: Value = serde_json::from_str(&reply.body)?;
        let items = listed.get("items").and_then(Value::as_array).context("no deliveries")?;
        let is_delivered = |one: &Value| one.get("status").and_then(Value::as_str) == Some("delivered");
        if items.iter().all(is_delivered) {
            return Ok(());
        }
        ensure!(begun.elapsed() < DEADLINE, "not all was delivered: {}", reply.body);
        std::thread::sleep(POLL);
    }
}
