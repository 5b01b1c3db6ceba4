//! `keymint serve` as an operator sets it up: a configuration, a master key, an operator token, a database of either
//! engine. What `Dev` can do, this can: it only starts otherwise.

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::dev::{Dev, free_ports};
use crate::http;

/// Longest wait for a start.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The database under `serve`.
#[derive(Clone, Copy, Debug)]
pub enum Database<'a> {
    /// A file in the folder.
    Sqlite,
    /// The PostgreSQL database at this address.
    Postgres(&'a str),
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a private file");
}

/// What a test adds to the configuration.
#[derive(Clone, Copy, Default)]
struct More<'a> {
    /// Below `[listen]`.
    listen: &'a str,
    /// Below the table of each product that is named.
    products: &'a [(&'a str, String)],
    /// At the end.
    end: &'a str,
}

fn configuration(folder: &Path, database: Database<'_>, base: u16, more: More<'_>) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let database = match database {
        Database::Sqlite => format!("sqlite = \"{}\"", path("keymint.db")),
        Database::Postgres(url) => {
            write_private(&folder.join("postgres.url"), url);
            format!("postgres_url_file = \"{}\"", path("postgres.url"))
        }
    };
    let products: String = ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"]
        .into_iter()
        .map(|name| {
            let own = more.products.iter().filter(|(product, _)| *product == name);
            let more: String = own.map(|(_, more)| format!("{more}\n")).collect();
            format!("[[product]]\nname = \"{name}\"\ndialect = \"{name}\"\n{more}\n")
        })
        .collect();
    format!(
        "data = \"{}\"\n\n[listen]\nconsole = \"127.0.0.1:{base}\"\ngateway = \"127.0.0.1:{}\"\n\
         internal = \"127.0.0.1:{}\"\n{}\n[database]\n{database}\n\n[master_key]\nfile = \"{}\"\n\n{products}",
        path("data"),
        base + 1,
        base + 2,
        more.listen,
        path("master.key"),
    ) + more.end
}

/// Runs a step of the set-up and gives what it printed.
fn set_up(binary: &str, arguments: &[&str]) -> String {
    let done = Command::new(binary).arg("setup").args(arguments).stdin(Stdio::null()).output().expect("it runs");
    assert!(done.status.success(), "setup {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

impl Dev {
    /// Starts `keymint serve` in a folder that stays: sets it up the first time, and starts over what is there later.
    pub fn serve_in(binary: &str, folder: &Path, database: Database<'_>) -> Self {
        Self::serve_with(binary, folder, database, "")
    }

    /// The same, with more settings.
    pub fn serve_with(binary: &str, folder: &Path, database: Database<'_>, more: &str) -> Self {
        Self::serve_all(binary, folder, database, More { end: more, ..More::default() })
    }

    /// `serve` over SQLite in a folder that goes with it, with more settings for the products that are named.
    pub fn serve_products(binary: &str, products: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let more = More { products, ..More::default() };
        let mut dev = Self::serve_all(binary, folder.path(), Database::Sqlite, more);
        dev.keep(folder);
        dev
    }

    /// `serve` over SQLite in a folder that goes with it, with more settings for `[listen]` and for products.
    pub fn serve_listening(binary: &str, listen: &str, products: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let more = More { listen, products, ..More::default() };
        let mut dev = Self::serve_all(binary, folder.path(), Database::Sqlite, more);
        dev.keep(folder);
        dev
    }

    fn serve_all(binary: &str, folder: &Path, database: Database<'_>, more: More<'_>) -> Self {
        let (config, master_key) = (folder.join("keymint.toml"), folder.join("master.key"));
        let token = folder.join("operator.token");
        if !master_key.exists() {
            set_up(binary, &["master-key", &master_key.display().to_string()]);
        }
        for _ in 0..5 {
            let base = free_ports();
            write_private(&config, &configuration(folder, database, base, more));
            if !token.exists() {
                let made = set_up(binary, &["operator-token", "--config", &config.display().to_string()]);
                write_private(&token, &made);
            }
            if let Some(dev) = Self::try_serve(binary, folder, base) {
                return dev;
            }
        }
        panic!("keymint serve did not start; see {}", folder.join("stderr.log").display());
    }

    fn try_serve(binary: &str, folder: &Path, base: u16) -> Option<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("stderr.log"));
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(folder.join("keymint.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("the binary starts");
        let address = |offset: u16| SocketAddr::from(([127, 0, 0, 1], base + offset));
        let alive = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", address(2));
        let begun = Instant::now();
        while begun.elapsed() < START_DEADLINE {
            if http::raw(address(2), alive.as_bytes()).is_some_and(|reply| reply.status == 200) {
                let token = std::fs::read_to_string(folder.join("operator.token")).expect("the token");
                return Some(Self::of(child, folder, [address(0), address(1), address(2)], token));
            }
            if matches!(child.try_wait(), Ok(Some(_))) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }
}
