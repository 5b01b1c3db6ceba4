//! P9: what others spend on verifying an API key, beside what Keymint spends. better-auth with its API-key plugin on Node,
//! and djangorestframework-api-key under gunicorn, both on SQLite, set up as their pages say (`bench/rivals`).

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::bars::{Figure, Unit, median};
use crate::keymint::{House, Setting};
use crate::machine;
use crate::process::{Server, cpu_ns};
use crate::wrk::{Expected, Load, Requests};

/// Connections that are kept alive during a load; a rival answers few at a time.
const CONNECTIONS: usize = 16;
/// How often more it may be.
const BAR: f64 = 50.0;

/// Somebody who verifies keys.
struct Verifier<'a> {
    server: &'a Server,
    address: SocketAddr,
    requests: Requests,
}

impl Verifier<'_> {
    /// CPU for each verification. Microseconds.
    fn cost(&self, seconds: u64) -> Result<f64> {
        let load = Load { connections: CONNECTIONS, threads: 1, seconds, wait_ms: 0, expected: Expected::Accepted };
        let before = cpu_ns(self.server.pid())?;
        let answered = self.requests.send(self.address, load)?;
        Ok(self.server.settled_cpu_ns()?.saturating_sub(before) as f64 / 1e3 / answered.requests)
    }
}

fn template(header: &str, value: &str) -> String {
    format!(
        "GET /verify HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: bench\r\nAccept: */*\r\n{header}: {value}\r\n\r\n"
    )
}

/// A key, and the process that knows it.
struct Rival {
    server: Server,
    address: SocketAddr,
    key: String,
}

fn folder() -> std::path::PathBuf {
    machine::root().join("bench/rivals")
}

fn better_auth(home: &Path) -> Result<Rival> {
    let mut command = Command::new("node");
    command.arg(folder().join("better_auth.mjs")).env("BETTER_AUTH_DATABASE", home.join("better-auth.db"));
    command.env("NODE_ENV", "production").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut server = Server::restless(command.spawn().context("node could not be started")?);
    let output = server.child().stdout.take().context("better-auth's output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line).with_context(|| format!("better-auth said `{line}`"))?;
    let port = said["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("its port")?;
    let key = said["key"].as_str().context("its key")?.to_owned();
    Ok(Rival { server, address: SocketAddr::from(([127, 0, 0, 1], port)), key })
}

fn drf(home: &Path) -> Result<Rival> {
    let programs = machine::root().join(".tools/venv-rivals/bin");
    let database = home.join("drf.db");
    let command = |program: &str| {
        let mut command = Command::new(programs.join(program));
        command.current_dir(folder()).env("DRF_DATABASE", &database).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null());
        command
    };
    let made = command("python").arg("drf.py").output().context("`cargo xtask bench gateway` installs Django")?;
    ensure!(made.status.success(), "Django failed: {}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout)?.trim().to_owned();
    let address = crate::gateway::free()?;
    let mut gunicorn = command("gunicorn");
    gunicorn.args(["--workers", "2", "--keep-alive", "60", "--worker-class", "gthread", "--threads", "8"]);
    gunicorn.args(["--bind", &address.to_string(), "drf:application"]).stderr(Stdio::null());
    let server = crate::gateway::started(Server::restless(gunicorn.spawn()?), address, "gunicorn")?;
    Ok(Rival { server, address, key })
}

/// Measures it.
pub fn measure(folder: &Path, (rounds, seconds): (usize, u64)) -> Result<Vec<Figure>> {
    let home = folder.join("rivals");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    let keymint = House::set_up(&home.join("keymint"), Setting { request_log: true, ..Setting::default() })?.start()?;
    let key = keymint.client()?.key("kpay")?;
    let text = crate::verify::key_pair_template(&key.key_id, &key.secret);
    let ours = Verifier {
        server: &keymint.server,
        address: keymint.gateway,
        requests: Requests::alike(&home, "keymint", &text)?,
    };
    let mut figures = Vec::new();
    let rivals = [
        ("better-auth", better_auth(&home)?, "X-Api-Key", ""),
        ("djangorestframework-api-key", drf(&home)?, "Authorization", "Api-Key "),
    ];
    for (name, rival, header, scheme) in rivals {
        let text = template(header, &format!("{scheme}{}", rival.key));
        let requests = Requests::alike(&home, name, &text)?;
        let theirs = Verifier { server: &rival.server, address: rival.address, requests };
        theirs.cost(1)?;
        ours.cost(1)?;
        let mut pairs = Vec::new();
        for round in 1..=rounds {
            let (theirs, ours) = (theirs.cost(seconds)?, ours.cost(seconds)?);
            println!("P9 {name}, round {round}: {theirs:.0} us, Keymint {ours:.1} us, ratio {:.0}", theirs / ours);
            pairs.push((theirs, ours));
        }
        let of = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
        let what = format!("CPU of {name} / ours, log on, per verification");
        let figure = Figure::at_least("P9", what, (of(|(theirs, ours)| theirs / ours), BAR), Unit::Times);
        figures.push(figure.note(format!("{:.0} / {:.1} us", of(|(theirs, _)| *theirs), of(|(_, ours)| *ours))));
    }
    keymint.stop()?;
    Ok(figures)
}
