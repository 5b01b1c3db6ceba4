//! A long run: Keymint with its checks, its request log and its upstream at a share of its peak, minute after minute. No request
//! may fail, no decision be lost, and memory has to stay where it is once everything is warm.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::bare::Mode;
use crate::keymint::{House, Running, Setting};
use crate::machine;
use crate::process::{Bare, resident};
use crate::wrk::{Expected, Load, Order, Requests};

/// Connections of the load that looks for the peak.
const PEAK_CONNECTIONS: usize = 64;
/// Connections of the long load; each waits between two requests.
const CONNECTIONS: usize = 512;
/// wrk's threads.
const THREADS: usize = 2;
/// Keys that take turns, each of a merchant of its own.
const KEYS: usize = 100;
/// Seconds of each load that looks for something.
const LOOK_SECONDS: u64 = 5;
/// How often the wait is set anew until the rate is right.
const LOOKS: usize = 4;
/// Decisions kept: few enough that the oldest go all the time.
const ENTRIES_MAX: i64 = 2_000_000;
/// Minutes until everything is warm.
const WARM_MINUTES: usize = 5;
/// How much memory may grow. Bytes in an hour.
const SLOPE_MAX: f64 = 8.0 * 1024.0 * 1024.0;

/// What a run takes.
#[derive(Args)]
pub struct Options {
    /// How long
    #[arg(long, default_value_t = 60)]
    minutes: usize,
    /// The share of the peak
    #[arg(long, default_value_t = 0.7)]
    share: f64,
}

/// What stood at the end of a minute.
#[derive(Clone, Copy, Debug)]
struct Minute {
    resident: f64,
    rate: f64,
}

/// Measures and prints a line a minute; fails when a request does, a decision is lost, or memory grows.
///
/// # Errors
/// When something cannot be measured, or an answer is not the expected one.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(options.minutes > WARM_MINUTES + 1, "more than {} minutes", WARM_MINUTES + 1);
    let folder = machine::folder().join("soak");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    println!(
        "keymint-bench soak, {} minutes at {} of the peak, {}\ncommit {}\n{}\n",
        options.minutes,
        options.share,
        machine::day(),
        machine::commit(),
        machine::describe()
    );
    let upstream = Bare::start(Mode::Empty)?;
    let setting = Setting {
        upstream: Some(upstream.address),
        request_log: true,
        log_entries_max: Some(ENTRIES_MAX),
        ..Setting::default()
    };
    let keymint = House::set_up(&folder.join("keymint"), setting)?.start()?;
    let requests = requests(&folder, &keymint)?;
    let peak = peak(&requests, &keymint)?;
    let wanted = peak * options.share;
    let load = paced(&requests, &keymint, wanted)?;
    println!("peak {peak:.0}/s; {wanted:.0}/s are wanted\n");
    println!("minute  requests/s  memory MiB  open files  log MiB  lost");
    let mut minutes = Vec::with_capacity(options.minutes);
    for minute in 1..=options.minutes {
        let answered = requests.send(keymint.gateway, Load { seconds: 60, ..load })?;
        let seen = Minute { resident: resident(&keymint.server)?, rate: answered.requests / answered.seconds };
        let lost = keymint.counter("keymint_request_log_lost_total")?;
        let files = keymint.counter("keymint_process_open_files")?;
        println!(
            "{minute:>6}  {:>10.0}  {:>10.1}  {files:>10}  {:>7.1}  {lost:>4}",
            seen.rate,
            seen.resident / 1_048_576.0,
            database_bytes(&folder)? / 1_048_576.0
        );
        ensure!(lost < 0.5, "{lost} decisions did not reach the request log");
        minutes.push(seen);
    }
    let warm = minutes.get(WARM_MINUTES..).unwrap_or_default();
    let slope = slope(warm) * 60.0;
    let total: f64 = minutes.iter().map(|minute| minute.rate * 60.0).sum();
    println!(
        "\n{total:.0} requests, none failed, none lost; memory {:+.2} MiB an hour from minute {} on (at most {:.0})",
        slope / 1_048_576.0,
        WARM_MINUTES + 1,
        SLOPE_MAX / 1_048_576.0
    );
    keymint.stop()?;
    Ok(if slope <= SLOPE_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Requests of many keys in turn.
fn requests(folder: &Path, keymint: &Running) -> Result<Requests> {
    let mut client = keymint.client()?;
    let keys = (0..KEYS).map(|_| client.key("kpay")).collect::<Result<Vec<_>>>()?;
    let first = keys.first().context("no keys")?;
    let widths = [first.key_id.len(), first.secret.len()];
    let mut records = String::new();
    for key in &keys {
        ensure!([key.key_id.len(), key.secret.len()] == widths, "keys of different lengths");
        records.push_str(&key.key_id);
        records.push_str(&key.secret);
    }
    let path = folder.join("keys.records");
    fs::write(&path, records)?;
    let template = crate::verify::key_pair_template("%1%", "%2%");
    Ok(Requests::alike(folder, "keys", &template)?.varied(&path, &widths, Order::Walk))
}

fn peak(requests: &Requests, keymint: &Running) -> Result<f64> {
    let load = Load {
        connections: PEAK_CONNECTIONS,
        threads: THREADS,
        seconds: LOOK_SECONDS,
        wait_ms: 0,
        expected: Expected::Accepted,
    };
    let mut rates = Vec::new();
    for _ in 0..3 {
        let answered = requests.send(keymint.gateway, load)?;
        rates.push(answered.requests / answered.seconds);
    }
    Ok(crate::bars::median(rates))
}

/// A load of that rate: each connection waits between two requests, for as long as it takes.
fn paced(requests: &Requests, keymint: &Running, wanted: f64) -> Result<Load> {
    let connections = CONNECTIONS as f64;
    let mut wait_ms = (connections / wanted * 1e3).max(1.0);
    let mut load = Load {
        connections: CONNECTIONS,
        threads: THREADS,
        seconds: LOOK_SECONDS,
        wait_ms: 0,
        expected: Expected::Accepted,
    };
    for _ in 0..LOOKS {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few milliseconds")]
        let whole = wait_ms.round().max(1.0) as u64;
        load.wait_ms = whole;
        let answered = requests.send(keymint.gateway, load)?;
        let rate = answered.requests / answered.seconds;
        println!("{wait_ms:.0} ms between two requests of a connection: {rate:.0}/s");
        // What a connection needs beside the wait stays about the same.
        wait_ms += (connections / wanted - connections / rate) * 1e3;
    }
    Ok(load)
}

fn database_bytes(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder.join("keymint"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("keymint.db") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes as f64)
}

/// Bytes a minute, by least squares.
fn slope(minutes: &[Minute]) -> f64 {
    let count = minutes.len() as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = minutes.iter().map(|minute| minute.resident).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (index, minute) in minutes.iter().enumerate() {
        let x = index as f64 - mean_x;
        above += x * (minute.resident - mean_y);
        below += x * x;
    }
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line_through_the_minutes() {
        let minutes = |resident: [f64; 4]| resident.map(|resident| Minute { resident, rate: 0.0 });
        assert!((slope(&minutes([1.0, 3.0, 5.0, 7.0])) - 2.0).abs() < 1e-9);
        assert!(slope(&minutes([4.0, 4.0, 4.0, 4.0])).abs() < 1e-9);
        assert!(slope(&minutes([9.0, 1.0, 9.0, 1.0])) < 0.0);
    }
}
