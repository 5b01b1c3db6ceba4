//! A real Keymint: the built binary as a process of its own, on free ports, in a folder of its own.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Reply, Request};

/// Longest wait for a start.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running Keymint; killed when dropped.
pub struct Dev {
    child: Child,
    /// Its folder.
    pub folder: PathBuf,
    _kept: Option<tempfile::TempDir>,
    /// Console and management API.
    pub console: SocketAddr,
    /// The gateway.
    pub gateway: SocketAddr,
    /// The internal listener.
    pub internal: SocketAddr,
    /// An operator token.
    pub token: String,
}

/// A credential with its secret.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key id.
    pub key_id: String,
    /// The secret.
    pub secret: String,
    /// The app.
    pub app_id: String,
}

impl Key {
    /// The `Authorization` value of HTTP Basic.
    pub fn basic(&self) -> String {
        let pair = format!("{}:{}", self.key_id, self.secret);
        format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
    }
}

/// Three free ports in a row, below those that the kernel gives to clients: a test that makes many connections would
/// leave none of those free, and a client could take one before the server does.
pub fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..2000 {
        // Tests run as processes side by side: each begins somewhere else.
        let step = std::process::id().wrapping_mul(397).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let base = 12_000 + u16::try_from(step % 6_900).unwrap_or(0) * 3;
        if (0..3).all(|offset| TcpListener::bind(("127.0.0.1", base + offset)).is_ok()) {
            return base;
        }
    }
    panic!("no three free ports in a row");
}

impl Dev {
    /// Starts `keymint dev` in a fresh folder. `binary` is `env!("CARGO_BIN_EXE_keymint")`.
    pub fn start(binary: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut dev = Self::start_in(binary, folder.path(), &[]);
        dev._kept = Some(folder);
        dev
    }

    /// Starts `keymint dev` in a folder that stays, with further environment variables.
    pub fn start_in(binary: &str, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let ready = folder.join("ready.json");
        for _ in 0..5 {
            let _ = std::fs::remove_file(&ready);
            let base = free_ports().to_string();
            let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("stderr.log"));
            let out = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("stdout.log"));
            let child = Command::new(binary)
                .args(["dev", "--port-base", &base, "--data"])
                .arg(folder.join("data"))
                .arg("--ready-file")
                .arg(&ready)
                .envs(environment.iter().copied())
                .stdin(Stdio::null())
                .stdout(out.expect("a log file"))
                .stderr(log.expect("a log file"))
                .spawn()
                .expect("the binary starts");
            if let Some(dev) = Self::wait(child, folder, &ready) {
                return dev;
            }
        }
        panic!("keymint dev did not start; see {}", folder.join("stderr.log").display());
    }

    fn wait(mut child: Child, folder: &Path, ready: &Path) -> Option<Self> {
        let begun = Instant::now();
        while begun.elapsed() < START_DEADLINE {
            if let Ok(text) = std::fs::read_to_string(ready)
                && let Ok(value) = serde_json::from_str::<Value>(&text)
            {
                let address = |name: &str| {
                    let text = value.get(name).and_then(Value::as_str).unwrap_or_default();
                    text.trim_start_matches("http://").parse().expect("an address")
                };
                let addresses = [address("console"), address("gateway"), address("internal")];
                let token = value.get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
                return Some(Self::of(child, folder, addresses, token));
            }
            if matches!(child.try_wait(), Ok(Some(_))) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    /// A process that serves at these addresses: console, gateway, internal.
    pub(crate) fn of(child: Child, folder: &Path, addresses: [SocketAddr; 3], token: String) -> Self {
        let [console, gateway, internal] = addresses;
        Self { child, folder: folder.to_owned(), _kept: None, console, gateway, internal, token }
    }

    /// Lets a folder go with it.
    pub(crate) fn keep(&mut self, folder: tempfile::TempDir) {
        self._kept = Some(folder);
    }

    /// The folder with data and logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process without warning, as `kill -9` does, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to stop, and waits for its end.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }

    /// Everything that the process wrote.
    pub fn output(&self) -> String {
        let mut text = String::new();
        for name in ["stdout.log", "stderr.log"] {
            if let Ok(mut file) = std::fs::File::open(self.folder.join(name)) {
                let mut bytes = Vec::new();
                let _ = file.read_to_end(&mut bytes);
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        text
    }

    /// Calls the management API with the operator token.
    pub fn api(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.api_as(&self.token, method, path, body)
    }

    /// Calls the management API with a token.
    pub fn api_as(&self, token: &str, method: &str, path: &str, body: &Value) -> Reply {
        let mut request = Request::new(method, &format!("/api/v1{path}"));
        request = request.header("Authorization", &format!("Bearer {token}"));
        if !body.is_null() {
            request = request.body(&body.to_string());
        }
        request.send(self.console)
    }

    /// A new merchant with an address that no other test has.
    pub fn merchant(&self, name: &str) -> String {
        let body =
            json!({ "name": format!("{name} Ltd"), "email": format!("{name}@merchant.example"), "country": "IN" });
        let made = self.api("POST", "/merchants", &body);
        assert_eq!(made.status, 201, "{}", made.body);
        made.text("/id")
    }

    /// A new app of a product.
    pub fn app(&self, merchant: &str, product: &str, name: &str) -> String {
        let body = json!({
            "product": product, "name": name, "email": "dev@merchant.example", "address": "12 MG Road",
            "country": "IN", "postal_code": "560001",
        });
        let made = self.api("POST", &format!("/merchants/{merchant}/apps"), &body);
        assert_eq!(made.status, 201, "{}", made.body);
        made.text("/id")
    }

    /// A new test credential of a fresh merchant's fresh app. `name` is unique within the instance.
    pub fn key(&self, product: &str, name: &str) -> Key {
        let merchant = self.merchant(&format!("{product}-{name}"));
        let app = self.app(&merchant, product, name);
        self.key_of(&app, &json!({ "mode": "test" }))
    }

    /// A new credential of an app.
    pub fn key_of(&self, app: &str, body: &Value) -> Key {
        let issued = self.api("POST", &format!("/apps/{app}/credentials"), body);
        assert_eq!(issued.status, 201, "{}", issued.body);
        Key { key_id: issued.text("/key_id"), secret: issued.text("/secret"), app_id: app.to_owned() }
    }

    /// A new live credential of a fresh merchant, approved, and its fresh app.
    pub fn live_key(&self, product: &str, name: &str) -> Key {
        let merchant = self.merchant(&format!("{product}-{name}"));
        let approval = json!({ "state": "approved", "reason": "papers are in order" });
        assert_eq!(self.api("PUT", &format!("/merchants/{merchant}/activation"), &approval).status, 200);
        let app = self.app(&merchant, product, name);
        self.key_of(&app, &json!({ "mode": "live" }))
    }

    /// Revokes a credential.
    pub fn revoke(&self, key_id: &str) -> Reply {
        self.api("POST", &format!("/credentials/{key_id}/revoke"), &json!({ "reason": "compromised" }))
    }

    /// Rolls a credential with a grace.
    pub fn roll(&self, key_id: &str, grace_seconds: u32) -> Reply {
        self.api("POST", &format!("/credentials/{key_id}/roll"), &json!({ "grace_seconds": grace_seconds }))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.kill();
    }
}
