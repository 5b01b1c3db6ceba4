//! The proxy: Keymint with its checks, its request log and its upstream, beside nginx and HAProxy that only pass on, in
//! front of the same bare server. All of them run at once and are asked in turn.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::bare::Mode;
use crate::bars::{Figure, Outcome, Unit, median};
use crate::keymint::{House, Setting};
use crate::process::{Bare, Server};
use crate::syscalls::{self, Asked};
use crate::wrk::{Expected, Load, Requests};
use crate::{machine, pace};

/// Connections that are kept alive during a load.
const CONNECTIONS: usize = 64;
/// wrk's threads.
const THREADS: usize = 2;
/// Requests a second while latency is measured.
const RATE: u32 = 2_000;
/// System calls for each request that is passed on.
const CALLS_MAX: f64 = 6.8;
/// Longest wait for a start.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// What a run takes.
#[derive(Args)]
pub struct Options {
    /// Rounds in which every side is asked once; the median of each round's ratio counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of load on each side of a round
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Only these: `P7` (and P8), `hop`, `P17`, `P9`, `flat`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.eq_ignore_ascii_case(name))
    }
}

/// A way to the upstream.
struct Side<'a> {
    name: &'static str,
    address: SocketAddr,
    /// The process that the client speaks to.
    front: &'a Server,
    /// What else works for each request.
    behind: Vec<&'a Server>,
}

/// CPU per request. Microseconds.
#[derive(Clone, Copy)]
struct Cost {
    front: f64,
    all: f64,
}

fn load(seconds: u64) -> Load {
    Load { connections: CONNECTIONS, threads: THREADS, seconds, wait_ms: 0, expected: Expected::Accepted }
}

impl Side<'_> {
    fn cost(&self, requests: &Requests, seconds: u64) -> Result<Cost> {
        let spent = || -> Result<(u64, u64)> {
            let front = self.front.settled_cpu_ns()?;
            let behind = self.behind.iter().map(|server| server.settled_cpu_ns()).sum::<Result<u64>>()?;
            Ok((front, front + behind))
        };
        let (front, all) = spent()?;
        let answered = requests.send(self.address, load(seconds)).with_context(|| format!("asking {}", self.name))?;
        let (front_after, all_after) = spent()?;
        let per_request = |ns: u64| ns as f64 / 1e3 / answered.requests;
        Ok(Cost { front: per_request(front_after - front), all: per_request(all_after - all) })
    }
}

/// Measures and prints the table; fails when a bar is missed.
///
/// # Errors
/// When something cannot be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(options.rounds > 0 && options.seconds > 0, "at least one round of one second");
    let folder = machine::folder().join("gateway");
    fs::create_dir_all(&folder)?;
    machine::step_forward();
    let title = format!(
        "keymint-bench gateway, {} rounds of {} s, {}\ncommit {}\n{}",
        options.rounds,
        options.seconds,
        machine::day(),
        machine::commit(),
        machine::describe()
    );
    println!("{title}\n");
    let upstream = Bare::start(Mode::Empty)?;
    let authoriser = Bare::start(Mode::Empty)?;
    let (plain_at, asking_at, haproxy_at) = (free()?, free()?, free()?);
    let plain = nginx(&folder, "plain", plain_at, upstream.address, None)?;
    let asking = nginx(&folder, "asking", asking_at, upstream.address, Some(authoriser.address))?;
    let haproxy = haproxy(&folder, haproxy_at, upstream.address)?;
    let house = folder.join("keymint");
    if house.exists() {
        fs::remove_dir_all(&house)?;
    }
    let setting = Setting { upstream: Some(upstream.address), request_log: true, ..Setting::default() };
    let keymint = House::set_up(&house, setting)?.start()?;
    let key = keymint.client()?.key("kpay")?;
    let text = crate::verify::key_pair_template(&key.key_id, &key.secret);
    let requests = Requests::alike(&folder, "pair", &text)?;
    let behind = vec![&upstream.server];
    let sides = [
        Side { name: "nginx proxy_pass", address: plain_at, front: &plain, behind: behind.clone() },
        Side { name: "Keymint", address: keymint.gateway, front: &keymint.server, behind: behind.clone() },
        Side { name: "HAProxy", address: haproxy_at, front: &haproxy, behind },
        Side {
            name: "nginx auth_request",
            address: asking_at,
            front: &asking,
            behind: vec![&upstream.server, &authoriser.server],
        },
    ];
    let (mut costs, mut figures) = (Vec::new(), Vec::new());
    if options.wants("P7") || options.wants("P8") {
        costs = measure(&sides, &requests, options)?;
        figures.extend(ratios(&costs, keymint.counter("keymint_request_log_lost_total")?));
    }
    if options.wants("hop") {
        figures.extend(latency([upstream.address, plain_at, keymint.gateway], &text, options)?);
    }
    if options.wants("P17") {
        let asked = Asked { name: "key pair, passed on", requests: &requests, load: load(options.seconds) };
        figures.push(syscalls::figure(&keymint.server, keymint.gateway, asked, CALLS_MAX)?);
    }
    if options.wants("P9") {
        figures.extend(crate::rivals::measure(&folder, (options.rounds, options.seconds))?);
    }
    if options.wants("flat") {
        figures.extend(crate::flat::measure(&folder, &upstream, (options.rounds, options.seconds))?);
    }
    println!("\n{title}\n");
    for (side, costs) in sides.iter().zip(&costs) {
        let of = |pick: fn(&Cost) -> f64| median(costs.iter().map(pick).collect());
        println!("{:<20} {:>6.1} us, all tiers {:>6.1} us", side.name, of(|cost| cost.front), of(|cost| cost.all));
    }
    println!();
    figures.iter().for_each(|figure| println!("{}", figure.line()));
    let missed = figures.iter().filter(|figure| figure.outcome() == Outcome::Missed).count();
    keymint.stop()?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks each side once in every round; gives the costs by side.
fn measure(sides: &[Side<'_>], requests: &Requests, options: &Options) -> Result<Vec<Vec<Cost>>> {
    for side in sides {
        side.cost(requests, 1)?;
    }
    let mut costs: Vec<Vec<Cost>> = sides.iter().map(|_| Vec::new()).collect();
    for round in 1..=options.rounds {
        let mut line = format!("round {round}:");
        for (side, costs) in sides.iter().zip(&mut costs) {
            let cost = side.cost(requests, options.seconds)?;
            line.push_str(&format!("  {} {:.1} ({:.1})", side.name, cost.front, cost.all));
            costs.push(cost);
        }
        println!("{line}");
    }
    Ok(costs)
}

fn ratios(costs: &[Vec<Cost>], lost: f64) -> Vec<Figure> {
    let [plain, keymint, haproxy, asking] = costs else { return Vec::new() };
    let ratio = |over: &[Cost], under: &[Cost], pick: fn(&Cost) -> f64| {
        median(over.iter().zip(under).map(|(over, under)| pick(over) / pick(under)).collect())
    };
    let front: fn(&Cost) -> f64 = |cost| cost.front;
    let all: fn(&Cost) -> f64 = |cost| cost.all;
    let note = format!("{lost} decisions lost");
    vec![
        Figure::at_most(
            "P7",
            "verify + log + proxy / nginx proxy_pass, no check",
            (ratio(keymint, plain, front), 1.25),
            Unit::Times,
        )
        .note(note),
        Figure::informs("P7", "the same / HAProxy, no check", ratio(keymint, haproxy, front), Unit::Times),
        Figure::at_most(
            "P8",
            "the same / nginx auth_request to a bare authoriser, all tiers",
            (ratio(keymint, asking, all), 0.65),
            Unit::Times,
        ),
    ]
}

/// How much later an answer comes than from the upstream itself, at a steady rate: Keymint beside nginx.
fn latency([bare, nginx, keymint]: [SocketAddr; 3], text: &str, options: &Options) -> Result<Vec<Figure>> {
    let mut added: Vec<[f64; 2]> = Vec::new();
    for round in 1..=options.rounds {
        let of = |address| pace::median_latency_us(address, text, RATE, options.seconds);
        let (bare, nginx, keymint) = (of(bare)?, of(nginx)?, of(keymint)?);
        println!("p50 at {RATE}/s, round {round}: bare {bare:.1} us, nginx {nginx:.1}, Keymint {keymint:.1}");
        added.push([nginx - bare, keymint - bare]);
    }
    let of = |pick: fn(&[f64; 2]) -> f64| median(added.iter().map(pick).collect());
    let note = format!("{:.1} / {:.1} us", of(|[_, keymint]| *keymint), of(|[nginx, _]| *nginx));
    let what = "p50 that Keymint's hop adds at 2,000/s / nginx's";
    Ok(vec![Figure::at_most("hop", what, (of(|[nginx, keymint]| keymint / nginx), 1.0), Unit::Times).note(note)])
}

/// An address that nobody has.
///
/// # Errors
/// When there is none.
pub fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until somebody listens.
///
/// # Errors
/// When it ends, or nobody does.
pub fn started(mut server: Server, address: SocketAddr, name: &str) -> Result<Server> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = server.child().try_wait()? {
            bail!("{name} ended ({status})");
        }
        ensure!(begun.elapsed() < START_DEADLINE, "{name} did not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(server)
}

/// nginx as one sets it up to be quick: connections kept on both sides, a listener for each worker, no log. With an
/// authoriser it asks that one first.
fn nginx(
    folder: &Path,
    name: &str,
    at: SocketAddr,
    upstream: SocketAddr,
    authoriser: Option<SocketAddr>,
) -> Result<Server> {
    let home = folder.join(name);
    fs::create_dir_all(&home)?;
    let pool = |name: &str, address: SocketAddr| {
        format!("  upstream {name} {{ server {address}; keepalive 128; keepalive_requests 1000000000; }}\n")
    };
    let ask = authoriser.map_or_else(String::new, |_| {
        "      auth_request /ask;\n    }\n    location = /ask {\n      internal;\n      proxy_pass http://authoriser;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_pass_request_body off;\n      \
         proxy_set_header Content-Length \"\";\n"
            .to_owned()
    });
    let config = format!(
        "daemon off;\nworker_processes auto;\npid {home}/pid;\nerror_log {home}/error.log;\nevents {{ \
         worker_connections 4096; }}\nhttp {{\n  access_log off;\n  keepalive_requests 1000000000;\n  \
         client_body_temp_path {home}/body;\n  proxy_temp_path {home}/proxy;\n  fastcgi_temp_path {home}/fastcgi;\n  \
         uwsgi_temp_path {home}/uwsgi;\n  scgi_temp_path {home}/scgi;\n{pool}{asked}  server {{\n    listen {at} \
         reuseport;\n    location / {{\n      proxy_pass http://upstream;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n{ask}    }}\n  }}\n}}\n",
        home = home.display(),
        pool = pool("upstream", upstream),
        asked = authoriser.map_or_else(String::new, |authoriser| pool("authoriser", authoriser)),
    );
    let path = home.join("nginx.conf");
    fs::write(&path, config)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(home.join("error.log")).arg("-c").arg(&path).stdin(Stdio::null());
    let child = command.spawn().context("nginx could not be started; `cargo xtask bench gateway` installs it")?;
    started(Server::new(child), at, "nginx")
}

/// HAProxy the same way: a thread for each core, connections shared and kept.
fn haproxy(folder: &Path, at: SocketAddr, upstream: SocketAddr) -> Result<Server> {
    let config = format!(
        "global\n  maxconn 4096\n\ndefaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  timeout connect \
         5s\n  option http-keep-alive\n  http-reuse always\n\nfrontend in\n  bind {at}\n  default_backend \
         upstream\n\nbackend upstream\n  server one {upstream} maxconn 4096\n"
    );
    let path = folder.join("haproxy.cfg");
    fs::write(&path, config)?;
    let mut command = Command::new("haproxy");
    command.arg("-f").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().context("HAProxy could not be started; `cargo xtask bench gateway` installs it")?;
    started(Server::new(child), at, "HAProxy")
}
