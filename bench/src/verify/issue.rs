//! P13: how many durable credentials 64 callers get together, beside what one caller gets alone.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::pair::{CONNECTIONS, Paired, paired};
use crate::bars::{Figure, Unit};
use crate::keymint::{House, Running, Setting};
use crate::machine;
use crate::wrk::{Expected, Load, Order, Requests};

/// Active credentials that an app of this product may have.
const PER_APP: usize = 20;
/// Apps made at once, by as many callers.
const CALLERS: usize = 32;
/// More credentials a second than one caller is issued.
const MOST_OF_ONE: usize = 4000;
/// More than 64 are.
const MOST_OF_MANY: usize = 16_000;

/// How long the disk behind the bar takes to bring a commit to rest: it managed 260 to 420 a second. What group commit
/// wins is this wait, shared; on a disk that does not wait there is next to nothing to win.
const SYNC: Duration = Duration::from_millis(3);

/// Measures it on a disk as slow as that of the bar, and, where this one is quicker, as it is.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let own = machine::sync_time(&bench.folder)?;
    println!("P13: this disk brings a page to rest in {} us", own.as_micros());
    let sync_delay = SYNC.saturating_sub(own);
    let slow = issue(bench, sync_delay)?;
    let note = format!("{:.0} / {:.0} a second, {} us a sync", slow.b, slow.a, (own + sync_delay).as_micros());
    let what = "durable issue, 64 callers / one caller";
    let mut figures = vec![Figure::at_least("P13", what, (slow.ratio, 20.0), Unit::Times).note(note)];
    if !sync_delay.is_zero() {
        let quick = issue(bench, Duration::ZERO)?;
        let note = format!("{:.0} / {:.0} a second, {} us a sync", quick.b, quick.a, own.as_micros());
        figures.push(Figure::informs("P13", "the same on this disk as it is", quick.ratio, Unit::Times).note(note));
    }
    Ok(figures)
}

/// One caller and 64, in turn. Both sides use up the slots of their apps, so each round has its own.
fn issue(bench: &Bench, sync_delay: Duration) -> Result<Paired> {
    let folder = bench.folder.join("issue");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let running = House::set_up(&folder, Setting { sync_delay, ..Setting::default() })?.start()?;
    let seconds = usize::try_from(bench.seconds)?;
    let template = format!(
        "POST /api/v1/apps/%1%/credentials HTTP/1.1\r\nHost: keymint.internal\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{{\"mode\":\"test\"}}",
        running.token.trim()
    );
    let rate = |name: &str, connections: usize, most_per_second: usize| -> Result<f64> {
        let apps = make_apps(&running, seconds * most_per_second / PER_APP)?;
        let records = write_records(bench, name, &apps)?;
        let width = apps.first().map_or(0, String::len);
        let requests = Requests::alike(&bench.folder, name, &template)?.varied(&records, &[width], Order::Once);
        let load = Load { connections, threads: 1, seconds: bench.seconds, wait_ms: 0, expected: Expected::Accepted };
        let answered = requests.send(running.console, load)?;
        Ok(answered.requests / answered.seconds)
    };
    let one = || rate("issue-one", 1, MOST_OF_ONE);
    let many = || rate("issue-many", CONNECTIONS, MOST_OF_MANY);
    let pair = paired(bench, "P13 issue/s", one, many)?;
    running.stop()?;
    Ok(pair)
}

/// Fresh apps, made by many callers because each waits for the disk.
fn make_apps(running: &Running, count: usize) -> Result<Vec<String>> {
    let per_caller = count.div_ceil(CALLERS);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                scope.spawn(move || -> Result<Vec<String>> {
                    let mut client = running.client()?;
                    let merchant = client.merchant()?;
                    (0..per_caller).map(|_| client.app(&merchant, "keymint")).collect()
                })
            })
            .collect();
        let mut apps = Vec::new();
        for caller in callers {
            let made = caller.join().map_err(|_| anyhow::anyhow!("a caller ended"))?;
            apps.extend(made?);
        }
        Ok(apps)
    })
}

/// Every app as often as it has slots, so that callers seldom meet at one.
fn write_records(bench: &Bench, name: &str, apps: &[String]) -> Result<PathBuf> {
    let path = bench.folder.join(format!("{name}.records"));
    std::fs::write(&path, apps.concat().repeat(PER_APP))?;
    Ok(path)
}
