//! Keymint under test: the release binary, `keymint serve` on a configuration of its own, SQLite, sandboxes that answer
//! 204 to every authenticated call.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::machine;
use crate::management::Client;
use crate::process::Server;

/// The products, each of the dialect of its name.
const PRODUCTS: [&str; 4] = ["kpay", "razorpay", "kwikpaisa", "keymint"];
/// Longest wait for a start.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// What differs between the processes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What stands behind test credentials, in place of the sandbox.
    pub upstream: Option<SocketAddr>,
    /// Connections to it for each thread, where that is not as in the product.
    pub upstream_connections_max: Option<usize>,
    /// Whether decisions are logged.
    pub request_log: bool,
    /// Decisions that the log keeps, where that is not as in the product.
    pub log_entries_max: Option<i64>,
    /// Credentials kept ready.
    pub cached_credentials_max: usize,
    /// Further products of KPay's dialect: `kpay00`, `kpay01` and so on.
    pub kpay_copies: usize,
    /// How much longer the disk takes to bring a file to rest.
    pub sync_delay: Duration,
    /// The PostgreSQL database to use instead of SQLite, by its address.
    pub postgres: Option<&'static str>,
    /// Whether webhooks may go to this machine.
    pub webhooks_here: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            upstream: None,
            upstream_connections_max: None,
            request_log: false,
            log_entries_max: None,
            cached_credentials_max: 250_000,
            kpay_copies: 0,
            sync_delay: Duration::ZERO,
            postgres: None,
            webhooks_here: false,
        }
    }
}

/// A set-up Keymint that is not running.
#[derive(Clone, Debug)]
pub struct House {
    folder: PathBuf,
    /// An operator token.
    pub token: String,
    addresses: [SocketAddr; 3],
    sync_delay: Duration,
}

/// A running one.
pub struct Running {
    /// The process.
    pub server: Server,
    /// Console and management API.
    pub console: SocketAddr,
    /// The gateway.
    pub gateway: SocketAddr,
    /// The internal listener.
    pub internal: SocketAddr,
    /// An operator token.
    pub token: String,
    /// From the start of the process to the first answer that says it is ready.
    pub ready_after: Duration,
}

/// The binary under test.
///
/// # Errors
/// When it was not built.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("KEYMINT_BIN") {
        return Ok(path.into());
    }
    let path = std::env::current_exe()?.with_file_name("keymint");
    ensure!(path.exists(), "build it first: cargo build --release -p keymint");
    Ok(path)
}

fn free_addresses() -> Result<[SocketAddr; 3]> {
    let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let [first, second, third] = sockets;
    Ok([first?.local_addr()?, second?.local_addr()?, third?.local_addr()?])
}

impl House {
    /// Sets one up in a folder. What is in the folder stays, unless it is only half a house or of another build, whose
    /// schema may be another.
    ///
    /// # Errors
    /// When a step of the set-up fails.
    pub fn set_up(folder: &Path, setting: Setting) -> Result<Self> {
        let (token_path, binary) = (folder.join("token"), binary()?);
        let modified = |path: &Path| std::fs::metadata(path)?.modified();
        let is_ours = modified(&token_path).is_ok_and(|made| modified(&binary).is_ok_and(|built| built <= made));
        if !is_ours && folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let (addresses, sync_delay) = (free_addresses()?, setting.sync_delay);
        let house = Self { folder: folder.to_owned(), token: String::new(), addresses, sync_delay };
        std::fs::write(house.config_path(), house.config(setting))?;
        if let Some(url) = setting.postgres {
            let path = folder.join("postgres.url");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            file.write_all(url.as_bytes())?;
        }
        if !token_path.exists() {
            house.run(&["setup", "master-key", &house.path("master.key")])?;
            let config = house.path("keymint.toml");
            let token = house.run(&["setup", "operator-token", "--config", &config])?;
            std::fs::write(&token_path, token.trim())?;
        }
        Ok(Self { token: std::fs::read_to_string(token_path)?, ..house })
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("keymint.toml")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn config(&self, setting: Setting) -> String {
        let [console, gateway, internal] = self.addresses;
        let Setting { request_log, cached_credentials_max, .. } = setting;
        let kept = setting.log_entries_max.map_or_else(String::new, |most| format!("entries_max = {most}\n"));
        let database = match setting.postgres {
            None => format!("sqlite = \"{}\"", self.path("keymint.db")),
            Some(_) => format!("postgres_url_file = \"{}\"", self.path("postgres.url")),
        };
        let mut text = format!(
            "data = \"{}\"\n\n[listen]\nconsole = \"{console}\"\ngateway = \"{gateway}\"\ninternal = \"{internal}\"\n\n\
             [database]\n{database}\n\n[master_key]\nfile = \"{}\"\n\n[request_log]\nenabled = {request_log}\n{kept}\n\
             [limits]\ncached_credentials_max = {cached_credentials_max}\n",
            self.path("data"),
            self.path("master.key"),
        );
        if setting.webhooks_here {
            text.push_str("\n[webhooks]\nallowed_networks = [\"127.0.0.0/8\"]\n");
        }
        let copies = (0..setting.kpay_copies).map(|number| (format!("kpay{number:02}"), "kpay"));
        for (product, dialect) in PRODUCTS.map(|name| (name.to_owned(), name)).into_iter().chain(copies) {
            let _ = write!(
                text,
                "\n[[product]]\nname = \"{product}\"\ndialect = \"{dialect}\"\nsandbox = \"accept\"\n\
                 hosts_test = [\"sandbox.{product}.localhost\"]\n"
            );
            if dialect == "kpay" {
                // Counted as the vendor does, and never full.
                text.push_str(
                    "[[product.limit]]\nname = \"default\"\nper = \"key\"\nrequests = 100000000\nwindow_seconds = 60\n",
                );
            }
            if let Some(upstream) = setting.upstream {
                let _ = write!(text, "[product.upstream_test]\naddresses = [\"http://{upstream}\"]\n");
                if let Some(most) = setting.upstream_connections_max {
                    let _ = writeln!(text, "connections_max = {most}");
                }
            }
        }
        text
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(binary()?).args(arguments).output()?;
        ensure!(output.status.success(), "keymint failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The binary, on a slower disk where that is asked for.
    fn command(&self) -> Result<Command> {
        let mut command = Command::new(binary()?);
        if !self.sync_delay.is_zero() {
            let library = self.folder.join("slow_sync.so");
            let source = machine::root().join("bench/c/slow_sync.c");
            let built =
                Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).status()?;
            ensure!(built.success(), "cc could not build slow_sync.c");
            command.env("LD_PRELOAD", library).env("SYNC_DELAY_US", self.sync_delay.as_micros().to_string());
        }
        Ok(command)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or does not become ready.
    pub fn start(&self) -> Result<Running> {
        let begun = Instant::now();
        let child = self
            .command()?
            .args(["serve", "--config", &self.path("keymint.toml")])
            .env("KEYMINT_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.folder.join("stderr.log"))?)
            .spawn()?;
        let [console, gateway, internal] = self.addresses;
        let token = self.token.clone();
        let mut running =
            Running { server: Server::new(child), console, gateway, internal, token, ready_after: Duration::ZERO };
        while begun.elapsed() < START_DEADLINE {
            let ready = Client::connect(internal, "").and_then(|mut client| client.call("GET", "/readyz", ""));
            if ready.is_ok_and(|reply| reply.status == 200) {
                running.ready_after = begun.elapsed();
                return Ok(running);
            }
            if let Some(status) = running.server.child().try_wait()? {
                bail!("keymint ended ({status}); see {}", self.path("stderr.log"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("keymint was not ready after {START_DEADLINE:?}");
    }
}

impl Running {
    /// A client of the management API.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.console, &self.token)
    }

    /// A counter of the internal listener's metrics; 0 when it has not been counted yet.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn counter(&self, name: &str) -> Result<f64> {
        let reply = Client::connect(self.internal, "")?.call("GET", "/metrics", "")?;
        let line = reply.body.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0.0))
    }

    /// Asks it to stop, and waits for its end.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.server.pid()).context("a process id")?;
        let id = rustix::process::Pid::from_raw(id).context("a process id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        self.server.child().wait()?;
        Ok(())
    }
}
