//! P13: how many durable credentials 64 callers get together, beside what one caller gets alone.

use std::path::PathBuf;

use anyhow::Result;

use super::Bench;
use super::pair::{CONNECTIONS, paired};
use crate::bars::{Figure, Unit};
use crate::keymint::{House, Running, Setting};
use crate::wrk::{Expected, Load, Order, Requests};

/// Active credentials that an app of this product may have.
const PER_APP: usize = 20;
/// Apps made at once, by as many callers.
const CALLERS: usize = 32;
/// More credentials a second than are issued here.
const ISSUED_PER_SECOND: usize = 12_000;

/// Measures it. Both sides use up the slots of their apps, so each round has its own.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder.join("issue");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let running = House::set_up(&folder, Setting::default())?.start()?;
    let seconds = usize::try_from(bench.seconds)?;
    let template = format!(
        "POST /api/v1/apps/%1%/credentials HTTP/1.1\r\nHost: keymint.internal\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{{\"mode\":\"test\"}}",
        running.token.trim()
    );
    let rate = |name: &str, connections: usize| -> Result<f64> {
        let apps = make_apps(&running, seconds * ISSUED_PER_SECOND / PER_APP)?;
        let records = write_records(bench, name, &apps)?;
        let width = apps.first().map_or(0, String::len);
        let requests = Requests::alike(&bench.folder, name, &template)?.varied(&records, &[width], Order::Once);
        let load = Load { connections, threads: 1, seconds: bench.seconds, expected: Expected::Accepted };
        let answered = requests.send(running.console, load)?;
        Ok(answered.requests / answered.seconds)
    };
    let pair = paired(bench, "P13 issue/s", || rate("issue-one", 1), || rate("issue-many", CONNECTIONS))?;
    let note = format!("{:.0} / {:.0} a second", pair.b, pair.a);
    let what = "durable issue, 64 callers / one caller";
    running.stop()?;
    Ok(vec![Figure::at_least("P13", what, (pair.ratio, 20.0), Unit::Times).note(note)])
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
