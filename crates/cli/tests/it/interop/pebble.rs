//! Pebble, the authority with which Let's Encrypt tests the clients of ACME: a process of its own, which resolves every name to
//! this machine and looks at challenges on a port that a test chooses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use keymint_testkit::tls::{TlsStream, connect, shown, trusting};
use keymint_testkit::{Authority, Dev, Dns, Request, eventually, free_ports};
use serde_json::{Value, json};

/// The name that certificates of these tests are for.
pub const HOST: &str = "api.keymint.test";
/// A year. Seconds.
pub const YEAR: u32 = 31_536_000;

/// Where a Pebble is, has been, or will be: its ports, and the certificate of its directory.
pub struct Place {
    folder: PathBuf,
    authority: Authority,
    directory: SocketAddr,
    management: SocketAddr,
    dns: Dns,
}

/// A Pebble; killed when dropped. Each has a root of its own and knows nobody.
pub struct Pebble {
    process: Child,
    /// Its root in PEM.
    root: String,
}

impl Place {
    pub fn new(folder: &Path) -> Self {
        let (folder, base) = (folder.join("pebble"), free_ports());
        std::fs::create_dir_all(&folder).expect("a folder");
        let authority = Authority::default();
        authority.certificate("127.0.0.1").write(&folder, "directory");
        authority.write(&folder);
        let dns = Dns::start();
        dns.tells_of_the_rest(&["127.0.0.1"]);
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { folder, authority, directory: at(base), management: at(base + 1), dns }
    }

    /// The table that has a listener's certificate issued here: the one of docs/operations.md.
    pub fn table(&self, listener: &str) -> String {
        let page = include_str!("../../../../../docs/operations.md");
        let shown = page.split("```toml\n").find(|block| block.starts_with("[listen.gateway_tls.acme]"));
        let shown = shown.and_then(|rest| rest.split("```").next()).expect("a configuration");
        let roots = self.folder.join("authority.pem").display().to_string();
        [
            ("gateway", listener),
            ("https://acme-v02.api.letsencrypt.org/directory", &format!("https://{}/dir", self.directory)),
            ("api.example.com", HOST),
            ("# ca_file", "ca_file"),
            ("/etc/keymint/acme-root.pem", &roots),
        ]
        .into_iter()
        .fold(shown.to_owned(), |text, (shown, ours)| {
            assert!(text.contains(shown), "{shown} is in it");
            text.replacen(shown, ours, 1)
        })
    }

    /// The same, bound to the account of a customer with a key in this file.
    pub fn table_bound(&self, listener: &str, key: &Path) -> String {
        let (shown, table) =
            ("# external_account = { key_id = \"…\", key_file = \"/etc/keymint/eab.key\" }", self.table(listener));
        assert!(table.contains(shown), "{table}");
        table.replace(shown, &format!("external_account = {{ key_id = \"kid-1\", key_file = \"{}\" }}", key.display()))
    }

    /// Starts one whose certificates live so long, and which takes this port for 443.
    pub fn open(&self, port: u16, life_seconds: u32) -> Pebble {
        self.open_with(port, life_seconds, &json!({}))
    }

    /// The same, with more settings.
    pub fn open_with(&self, port: u16, life_seconds: u32, more: &Value) -> Pebble {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut settings = json!({
            "listenAddress": self.directory.to_string(), "managementListenAddress": self.management.to_string(),
            "certificate": path("directory.pem"), "privateKey": path("directory.key"),
            "httpPort": 1, "tlsPort": port, "certificateValidityPeriod": life_seconds,
        });
        settings.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        std::fs::write(path("pebble.json"), json!({ "pebble": settings }).to_string()).expect("a file");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(path("pebble.log")).expect("a file");
        let process = Command::new("pebble")
            .args(["-config", &path("pebble.json"), "-dnsserver", &self.dns.address().to_string()])
            // It looks at once, each time anew, and takes each nonce.
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0"), ("PEBBLE_WFE_NONCEREJECT", "0")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("pebble is there; `cargo xtask test` installs it");
        let mut pebble = Pebble { process, root: String::new() };
        let request = Request::new("GET", "/roots/0").bytes("127.0.0.1");
        pebble.root = eventually(|| {
            let reply = self.authority.raw(self.management, "127.0.0.1", &request);
            reply
                .map(|reply| reply.body)
                .filter(|body| body.contains("CERTIFICATE"))
                .ok_or_else(|| "no Pebble yet".to_owned())
        });
        pebble
    }
}

impl Pebble {
    /// Ends it. Its root stays, and clients that trust it.
    pub fn close(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Connects as a client that trusts this Pebble alone.
    pub fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream> {
        connect(trusting(&self.root), address, HOST)
    }

    /// Waits until such a client is shown another certificate than this one, on a listener of a Keymint's.
    pub fn shows_another(&self, (dev, address): (&Dev, SocketAddr), before: &[u8]) -> Vec<u8> {
        eventually(|| match self.connect(address) {
            Ok(stream) if shown(&stream) == before => Err(format!("it shows the one from before: {}", dev.output())),
            Ok(stream) => Ok(shown(&stream)),
            Err(error) => Err(format!("{error}: {}", dev.output())),
        })
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a metric of ACME says of the host.
pub fn counted(dev: &Dev, metric: &str) -> Option<u64> {
    let metrics = Request::new("GET", "/metrics").send(dev.internal).body;
    metrics.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok())
}

/// Waits until the log says this.
pub fn says(dev: &Dev, text: &str) {
    eventually(|| {
        if dev.output().contains(text) { Ok(()) } else { Err(format!("the log lacks {text:?}: {}", dev.output())) }
    });
}

/// Every file and folder below one.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let below = |path: PathBuf| if path.is_dir() { [vec![path.clone()], below(&path)].concat() } else { vec![path] };
    found.flat_map(below).collect()
}
