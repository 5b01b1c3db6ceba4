//! Other people's proxies in front of an API, each with the configuration that we ship: who passes, what arrives, and that
//! nothing does while Keymint does not answer. The proxies are the real ones; `cargo xtask test` installs them.
#![expect(clippy::print_stderr, reason = "how many requests of a matrix arrived is worth a line")]

mod added;
mod answers;
mod front;
mod header_tricks;
mod matrix;
mod outages;
mod restart;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use front::{Front, Kind};
use keymint_testkit::upstream::Seen;
use keymint_testkit::{Dev, Key, Reply, Tap, Upstream, free_ports, http};

/// Longest wait for an answer: longer than any time-out that the configurations set for Keymint.
const PATIENCE: Duration = Duration::from_secs(8);

/// A proxy of one kind in front of a recording upstream, and the Keymint that it asks for one product.
struct Stand {
    dev: Dev,
    tap: Tap,
    upstream: Upstream,
    front: Front,
}

impl Stand {
    fn of(kind: Kind, product: &'static str) -> Self {
        let question_port = free_ports();
        let mut listen = "client_ip_header = \"x-keymint-client-ip\"\n".to_owned();
        if kind == Kind::EnvoyGrpc {
            listen.push_str(&format!("ext_authz = \"127.0.0.1:{question_port}\"\n"));
        }
        let upstream = Upstream::plain();
        let table = format!("[product.upstream_test]\naddresses = [\"{}\"]\n", upstream.url());
        let dev = Dev::serve_listening(env!("CARGO_BIN_EXE_keymint"), &listen, &[(product, table)]);
        let asked = match kind {
            Kind::EnvoyGrpc => SocketAddr::from(([127, 0, 0, 1], question_port)),
            Kind::Nginx | Kind::NginxBodies | Kind::Caddy | Kind::Haproxy | Kind::Apache | Kind::EnvoyHttp => {
                dev.internal
            }
            Kind::Keymint => dev.gateway,
        };
        let tap = Tap::before(asked);
        let front = Front::start(kind, product, tap.address, upstream.address);
        Self { dev, tap, upstream, front }
    }

    /// Sends bytes as they are.
    fn send(&self, bytes: &[u8]) -> Option<Reply> {
        send(self.front.address, bytes)
    }

    /// How many requests Keymint has allowed.
    fn allowed(&self, product: &str) -> u64 {
        let metrics = keymint_testkit::Request::new("GET", "/metrics").send(self.dev.internal).body;
        let name = format!(r#"keymint_decisions_total{{product="{product}",outcome="allow"}} "#);
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

/// Sends bytes on a connection of their own; `None` when it ends, or nothing comes, before there is an answer.
fn send(address: SocketAddr, bytes: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).expect("the proxy is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    // A server that refuses early may close before everything is sent.
    let _ = stream.write_all(bytes);
    http::read(&mut stream)
}

/// What an upstream is told of a key's requests, and that it is told nothing else: no spelling that folds into one of our
/// names, and nothing of what proved it.
fn assert_introduced(seen: &Seen, key: &Key, what: &str) {
    let folded = |name: &str| name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-").to_lowercase();
    let fields = seen.fields();
    let mut told: Vec<(String, &str)> = fields
        .iter()
        .map(|(name, value)| (folded(name), value.as_str()))
        .filter(|(name, _)| name.starts_with("x-keymint"))
        .collect();
    told.sort();
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["x-keymint-app", "x-keymint-key", "x-keymint-merchant", "x-keymint-mode", "x-keymint-scopes"];
    // nginx leaves a field out whose value is empty.
    let names: Vec<&str> = names.into_iter().chain((told.len() == 4).then_some("x-keymint-scopes")).collect();
    assert_eq!(names, expected, "{what}: {}", seen.head);
    let value = |name: &str| told.iter().find(|(told, _)| told == name).map_or("", |(_, value)| *value);
    assert_eq!(value("x-keymint-app"), key.app_id, "{what}");
    assert_eq!(value("x-keymint-key"), key.key_id, "{what}");
    assert!(value("x-keymint-merchant").starts_with("mer_"), "{what}");
    assert_eq!((value("x-keymint-mode"), value("x-keymint-scopes")), ("test", ""), "{what}");
    let mut arrived = seen.head.clone().into_bytes();
    arrived.extend_from_slice(&seen.body);
    let arrived = String::from_utf8_lossy(&arrived).to_lowercase();
    let pair = key.basic().to_lowercase();
    for secret in [key.secret.to_lowercase().as_str(), pair.trim_start_matches("basic ")] {
        assert!(!arrived.contains(secret), "{what}: credentials arrived: {}", seen.head);
    }
    for name in ["authorization", "x-api-key", "x-secret-key", "x-signature", "signature", "signature-input"] {
        assert!(!fields.iter().any(|(field, _)| folded(field) == name), "{what}: {name} arrived: {}", seen.head);
    }
}
