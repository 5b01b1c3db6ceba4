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

pub(crate) fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a private file");
}

/// What a `serve` is told beside the usual.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Settings of `[listen]`.
    pub listen: String,
    /// Settings for products, by name.
    pub products: Vec<(&'static str, String)>,
    /// Tables.
    pub tables: String,
}

impl Default for Serving {
    /// As in `dev`, live credentials may come over plain HTTP.
    fn default() -> Self {
        Self { listen: "live_over_plain_http = true\n".to_owned(), products: Vec::new(), tables: String::new() }
    }
}

fn configuration(folder: &Path, database: Database<'_>, base: u16, serving: &Serving) -> String {
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
            let own = serving.products.iter().filter(|(product, _)| *product == name);
            let more: String = own.map(|(_, more)| format!("{more}\n")).collect();
            format!("[[product]]\nname = \"{name}\"\ndialect = \"{name}\"\n{more}\n")
        })
        .collect();
    format!(
        "data = \"{}\"\n\n[listen]\nconsole = \"127.0.0.1:{base}\"\ngateway = \"127.0.0.1:{}\"\n\
         internal = \"127.0.0.1:{}\"\n{}\n[database]\n{database}\n\n[master_key]\nfile = \"{}\"\n\n{products}{}",
        path("data"),
        base + 1,
        base + 2,
        serving.listen,
        path("master.key"),
        serving.tables,
    )
}

/// Runs a step of the set-up and gives what it printed.
fn set_up(binary: &str, arguments: &[&str]) -> String {
    let done = Command::new(binary).arg("setup").args(arguments).stdin(Stdio::null()).output().expect("it runs");
    assert!(done.status.success(), "setup {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// Writes the configuration, and what it names where that is not there yet.
fn lay_out(binary: &str, folder: &Path, database: Database<'_>, (base, serving): (u16, &Serving)) {
    let (config, master_key) = (folder.join("keymint.toml"), folder.join("master.key"));
    let token = folder.join("operator.token");
    if !master_key.exists() {
        set_up(binary, &["master-key", &master_key.display().to_string()]);
    }
    write_private(&config, &configuration(folder, database, base, &Serving::default()));
    if !token.exists() {
        let made = set_up(binary, &["operator-token", "--config", &config.display().to_string()]);
        write_private(&token, &made);
    }
    write_private(&config, &configuration(folder, database, base, serving));
}

impl Dev {
    /// Starts `keymint serve` in a folder that stays: sets it up the first time, and starts over what is there later.
    pub fn serve_in(binary: &str, folder: &Path, database: Database<'_>) -> Self {
        Self::serve_with(binary, folder, database, "")
    }

    /// The same, with more tables.
    pub fn serve_with(binary: &str, folder: &Path, database: Database<'_>, more: &str) -> Self {
        Self::serve_as(binary, folder, database, &Serving { tables: more.to_owned(), ..Serving::default() })
    }

    /// `serve` over SQLite in a folder that goes with it, with more settings for the products that are named.
    pub fn serve_products(binary: &str, products: &[(&'static str, String)]) -> Self {
        Self::serve_for_now(binary, &Serving { products: products.to_vec(), ..Serving::default() })
    }

    /// `serve` over SQLite in a folder that goes with it.
    pub fn serve_for_now(binary: &str, serving: &Serving) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut dev = Self::serve_as(binary, folder.path(), Database::Sqlite, serving);
        dev.keep(folder);
        dev
    }

    /// `serve` over SQLite in a folder that goes with it, with more settings for `[listen]` and for products.
    pub fn serve_listening(binary: &str, listen: &str, products: &[(&'static str, String)]) -> Self {
        let usual = Serving::default();
        let serving = Serving { listen: format!("{}{listen}", usual.listen), products: products.to_vec(), ..usual };
        Self::serve_for_now(binary, &serving)
    }

    /// `serve` in a folder that stays, told this.
    pub fn serve_as(binary: &str, folder: &Path, database: Database<'_>, serving: &Serving) -> Self {
        for _ in 0..5 {
            let base = free_ports();
            lay_out(binary, folder, database, (base, serving));
            if let Some(dev) = Self::try_serve(binary, folder, base) {
                return dev;
            }
        }
        panic!("keymint serve did not start; see {}", folder.join("stderr.log").display());
    }

    /// `serve` once more, in the folder and at the addresses of one that has stopped.
    pub fn serve_again(binary: &str, stopped: &Self) -> Self {
        Self::try_serve(binary, stopped.folder(), stopped.console.port()).expect("it starts again")
    }

    /// What `serve` says when it refuses to start when told this.
    pub fn refusal_of(binary: &str, serving: &Serving) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        lay_out(binary, folder.path(), Database::Sqlite, (free_ports(), serving));
        let config = folder.path().join("keymint.toml");
        let done = Command::new(binary).args(["serve", "--config"]).arg(config).stdin(Stdio::null()).output();
        let done = done.expect("it runs");
        assert_eq!(done.status.code(), Some(1), "it starts");
        String::from_utf8_lossy(&done.stderr).into_owned()
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
