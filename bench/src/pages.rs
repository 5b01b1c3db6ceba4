//! The console at a busy merchant: the time that each page takes, and what a first visit loads.
//!
//! A real `keymint dev` on SQLite; one merchant with fifty apps, of which one has 1,000 keys (20 of them active) and
//! 100,000 logged requests of six of its keys, a tenth of them denied, and one of another product 20,000 orders. Each page is asked for over loopback on one
//! connection, by an owner and one page after the other, so that nothing of one stays warm for the next call of it.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::bars::{Figure, Outcome, Unit};
use crate::keymint::binary;
use crate::machine;
use crate::management::Client;
use crate::process::Server;

const KEYS: usize = 1_000;
const ACTIVE: usize = 20;
const CALLED: usize = 6;
const APPS: usize = 50;
const REQUESTS: usize = 100_000;
const ORDERS: usize = 20_000;
const CALLERS: usize = 8;
/// Longest wait for a start, and for the last requests to be logged.
const DEADLINE: Duration = Duration::from_secs(60);
/// Every page; `APP`, `ORDERS`, `MERCHANT` and `KEY` are filled in.
const PAGES: [&str; 20] = [
    "/merchants/MERCHANT/apps",
    "/merchants/MERCHANT/apps/new",
    "/merchants/MERCHANT/team",
    "/merchants/MERCHANT/roles",
    "/merchants/MERCHANT/activation",
    "/merchants/MERCHANT/audit",
    "/security",
    "/apps/APP",
    "/apps/APP?range=30d",
    "/apps/APP/start",
    "/apps/APP/settings",
    "/apps/APP/keys",
    "/keys/KEY",
    "/apps/ORDERS",
    "/apps/ORDERS/transactions",
    "/apps/ORDERS/transactions?status=created",
    "/apps/ORDERS/transactions?id=order_00000000000000",
    "/apps/APP/logs",
    "/apps/APP/logs?status=denied",
    "/apps/APP/logs?key=KEY&reason=unknown_key",
];
/// What a first visit loads besides the page.
const ASSETS: [&str; 3] = ["/assets/console.css", "/assets/console.js", "/assets/icon.svg"];

/// What a run takes.
#[derive(Args)]
pub struct Options {
    /// How often each page is asked for
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

/// A running `keymint dev`.
struct Dev {
    _server: Server,
    console: SocketAddr,
    gateway: SocketAddr,
    token: String,
    email: String,
    password: String,
}

impl Dev {
    fn start(folder: &Path) -> Result<Self> {
        let ready = folder.join("ready.json");
        let child = Command::new(binary()?)
            .args(["dev", "--port-base", "23450", "--data"])
            .arg(folder.join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .env("KEYMINT_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("stderr.log"))?)
            .spawn()?;
        let (mut server, begun) = (Server::new(child), Instant::now());
        while begun.elapsed() < DEADLINE {
            let text = std::fs::read_to_string(&ready).unwrap_or_default();
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).context("the ready file");
                let address =
                    |pointer: &str| Ok::<_, anyhow::Error>(text(pointer)?.trim_start_matches("http://").parse()?);
                let (console, gateway) = (address("/console")?, address("/gateway")?);
                let (email, password) = (text("/users/0/email")?.to_owned(), text("/users/0/password")?.to_owned());
                return Ok(Self {
                    _server: server,
                    console,
                    gateway,
                    token: text("/token")?.to_owned(),
                    email,
                    password,
                });
            }
            ensure!(
                server.child().try_wait()?.is_none(),
                "keymint dev ended; see {}",
                folder.join("stderr.log").display()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("keymint dev was not ready after {DEADLINE:?}")
    }

    /// A connection of someone who has signed in.
    fn signed_in(&self) -> Result<Client> {
        let form = format!("email={}&password={}", self.email.replace('@', "%40"), self.password);
        let mut client = Client::with(self.console, "Content-Type: application/x-www-form-urlencoded\r\n")?;
        let reply = client.call("POST", "/sign-in", &form)?;
        let cookie = reply.cookie.context("no session")?;
        Client::with(self.console, &format!("Cookie: {cookie}\r\n"))
    }
}

/// What the pages are about.
struct Scene {
    merchant: String,
    app: String,
    key: String,
    secrets: Vec<String>,
    /// The app with the orders.
    orders: String,
}

fn furnish(dev: &Dev) -> Result<Scene> {
    let mut client = Client::connect(dev.console, &dev.token)?;
    let merchants = client.call("GET", "/api/v1/merchants?limit=10", "")?;
    let merchants: Value = serde_json::from_str(&merchants.body)?;
    let merchant = merchants.pointer("/items/0/id").and_then(Value::as_str).context("the demo merchant")?.to_owned();
    let mut app = String::new();
    for _ in 0..APPS {
        app = client.app(&merchant, "keymint")?;
    }
    let (mut key, mut secrets) = (String::new(), Vec::new());
    for number in 0..KEYS {
        let made = client.credential(&app, &json!({ "mode": "test", "name": format!("worker {number}") }))?;
        if number < KEYS - ACTIVE {
            let body = json!({ "reason": "superseded" }).to_string();
            let revoked = client.call("POST", &format!("/api/v1/credentials/{}/revoke", made.key_id), &body)?;
            ensure!(revoked.status == 200, "a key could not be revoked: {}", revoked.body);
        }
        // The last of those that are revoked, and active ones.
        if number >= KEYS - ACTIVE - 1 && secrets.len() < CALLED {
            secrets.push(made.secret);
        }
        key = made.key_id;
    }
    let orders = client.app(&merchant, "razorpay")?;
    let pair = client.credential(&orders, &json!({ "mode": "test" }))?;
    let basic = data_encoding::BASE64.encode(format!("{}:{}", pair.key_id, pair.secret).as_bytes());
    let headers = format!("Authorization: Basic {basic}\r\nContent-Type: application/json\r\n");
    in_parallel(|caller| {
        let mut client = Client::with(dev.gateway, &headers)?;
        for number in 0..ORDERS / CALLERS {
            let body = json!({ "amount": 50_000 + number, "currency": "INR", "receipt": format!("{caller}-{number}") });
            let reply = client.call("POST", "/razorpay/v1/orders", &body.to_string())?;
            ensure!(reply.status == 200, "{}: {}", reply.status, reply.body);
        }
        Ok(())
    })?;
    Ok(Scene { merchant, app, key, secrets, orders })
}

/// Sends the requests that are logged: of each ten one with a key that was revoked.
fn fill_log(dev: &Dev, scene: &Scene) -> Result<()> {
    in_parallel(|caller| {
        let mut clients = Vec::new();
        for secret in &scene.secrets {
            clients.push(Client::connect(dev.gateway, secret)?);
        }
        let (revoked, active) = clients.split_first_mut().context("keys")?;
        for number in 0..REQUESTS / CALLERS {
            let is_denied = number % 10 == 0;
            let at = (caller + number) % active.len();
            let client = if is_denied { &mut *revoked } else { active.get_mut(at).context("a client")? };
            let reply = client.call("GET", "/keymint/v1/whoami", "")?;
            ensure!(reply.status == if is_denied { 401 } else { 200 }, "{}: {}", reply.status, reply.body);
        }
        Ok(())
    })
}

/// Does it eight times side by side, each with a number of its own.
fn in_parallel(call: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let call = &call;
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|caller| scope.spawn(move || call(caller))).collect();
        callers.into_iter().try_for_each(|caller| caller.join().map_err(|_| anyhow::anyhow!("a caller failed"))?)
    })
}

/// Measures and prints the table; fails when a bar is missed.
///
/// # Errors
/// When something cannot be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(options.rounds >= 100, "at least 100 rounds: the bar is on the 99th of 100");
    let folder = machine::folder().join("pages");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    machine::step_forward();
    println!(
        "keymint-bench pages, {} rounds, {}\ncommit {}\n{}\n",
        options.rounds,
        machine::day(),
        machine::commit(),
        machine::describe()
    );
    let dev = Dev::start(&folder)?;
    let scene = furnish(&dev)?;
    fill_log(&dev, &scene)?;
    let mut client = dev.signed_in()?;
    wait_for_log(&mut client, &scene)?;
    let fill = |page: &str| {
        page.replace("MERCHANT", &scene.merchant)
            .replace("ORDERS", &scene.orders)
            .replace("APP", &scene.app)
            .replace("KEY", &scene.key)
    };
    let mut times = vec![Vec::new(); PAGES.len()];
    let mut largest = 0;
    for _ in 0..options.rounds {
        for (page, times) in PAGES.iter().zip(&mut times) {
            let begun = Instant::now();
            let reply = client.call("GET", &fill(page), "")?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            ensure!(reply.status == 200, "{page}: {}", reply.status);
            largest = largest.max(reply.body.len());
        }
    }
    let mut figures = Vec::new();
    for (page, mut times) in PAGES.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(f64::NAN);
        let figure = Figure::at_most("page", *page, (at(99), 50.0), Unit::Milliseconds);
        figures.push(figure.note(format!("p50 {:.1} ms, p99 of {} calls", at(50), times.len())));
    }
    let mut bytes = largest;
    for asset in ASSETS {
        bytes += client.call("GET", asset, "")?.body.len();
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let figure =
        Figure::at_most("load", "a first visit of the largest page", (bytes as f64 / 1024.0, 150.0), Unit::Kilobytes);
    figures.push(figure.note("page, style, script and icon, as they are sent: not compressed"));
    figures.iter().for_each(|figure| println!("{}", figure.line()));
    std::io::stdout().flush()?;
    let missed = figures.iter().filter(|figure| figure.outcome() == Outcome::Missed).count();
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits until the overview counts every request: the log is written in batches.
fn wait_for_log(client: &mut Client, scene: &Scene) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        if client.call("GET", &format!("/apps/{}", scene.app), "")?.body.contains("100,000") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("the overview does not count 100,000 requests after {DEADLINE:?}")
}
