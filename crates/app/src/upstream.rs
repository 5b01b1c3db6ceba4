//! The payments service behind a product for one mode: its settings, checked, and whether its addresses are well. What
//! speaks to it is the gateway's.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keymint_domain::mode::Mode;
use serde::Deserialize;

/// Most addresses of one upstream: each is looked at with every request.
const ADDRESSES_MAX: usize = 16;
/// The shortest time-out: below it a busy machine would look like one that is away. Milliseconds.
const TIMEOUT_MS_MIN: u64 = 50;
/// The longest time-out: what is awaited longer than this is a job, not an answer. Milliseconds.
const TIMEOUT_MS_MAX: u64 = 3_600_000;
/// Most open connections of one thread to one address: a thread has descriptors for so many.
const CONNECTIONS_MAX: usize = 16_384;
/// The least that this may be set to: bodies up to here are read whole, and have the dialect's limit. Bytes.
const UPLOAD_BYTES_MIN: u64 = 64 * 1024;
/// The largest upload that no signature covers. Bytes; it streams through, and is bounded because every input is.
const UPLOAD_BYTES_MAX: u64 = 1 << 40;
/// Longest name of an audience. Bytes.
const AUDIENCE_BYTES_MAX: usize = 255;

/// The upstream of a product for one mode: `[product.upstream_test]`, `[product.upstream_live]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Where it listens: `http://10.0.0.5:9000`, or a name in place of the address.
    pub addresses: Vec<String>,
    /// Set when only your services can read and write on the network between: what passes there is not encrypted.
    #[serde(default)]
    pub network_is_private: bool,
    /// What `Host` says upstream; the address's own name and port when absent.
    pub host: Option<String>,
    /// Passes the client's `Host` on instead.
    #[serde(default)]
    pub keep_host: bool,
    /// Sends `/{product}/…` as it was received; otherwise the product's own path goes upstream.
    #[serde(default)]
    pub keep_prefix: bool,
    /// Asked at intervals; an address that does not answer it with 2xx gets no requests until it does.
    pub health_path: Option<String>,
    /// From one such question to the next.
    #[serde(default = "defaults::health_interval_ms")]
    pub health_interval_ms: u64,
    /// How long a connection may take to open.
    #[serde(default = "defaults::connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// From the request to the head of its answer.
    #[serde(default = "defaults::answer_timeout_ms")]
    pub answer_timeout_ms: u64,
    /// From one piece of a body, or of a stream, to the next, in either direction.
    #[serde(default = "defaults::idle_timeout_ms")]
    pub idle_timeout_ms: u64,
    /// How long an idle connection is kept. Less than the upstream keeps it, or it closes under a request.
    #[serde(default = "defaults::keep_alive_ms")]
    pub keep_alive_ms: u64,
    /// Open connections of one thread to one address; above it, 503.
    #[serde(default = "defaults::connections_max")]
    pub connections_max: usize,
    /// The largest body that no signature covers: such a body streams through. The dialect's own limit when absent.
    pub upload_bytes_max: Option<u64>,
    /// Whether clients may open WebSockets.
    #[serde(default = "defaults::websockets")]
    pub websockets: bool,
    /// Whether each request carries `X-Keymint-Identity`, a signed token that says whose it is.
    #[serde(default)]
    pub identity_token: bool,
    /// For whom that token is (`aud`); the product's name when absent.
    pub audience: Option<String>,
}

mod defaults {
    pub fn health_interval_ms() -> u64 {
        2000
    }

    pub fn connect_timeout_ms() -> u64 {
        1000
    }

    pub fn answer_timeout_ms() -> u64 {
        30_000
    }

    pub fn idle_timeout_ms() -> u64 {
        60_000
    }

    /// Below the 5 s after which Node.js, the hastiest of common servers, closes.
    pub fn keep_alive_ms() -> u64 {
        4000
    }

    pub fn connections_max() -> usize {
        1024
    }

    pub fn websockets() -> bool {
        true
    }
}

/// A host as it stands in an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name, looked up for every new connection.
    Name(Box<str>),
}

/// One address of an upstream, and whether it is well. Shared by all threads.
#[derive(Debug)]
pub struct Address {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Host and port as `Host` says them.
    pub authority: Box<str>,
    is_well: AtomicBool,
}

impl Address {
    /// Whether it answers, as far as is known.
    pub fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Relaxed)
    }

    /// Notes whether it answers; true when that is news.
    pub fn note(&self, is_well: bool) -> bool {
        self.is_well.swap(is_well, Ordering::Relaxed) != is_well
    }
}

/// An upstream as the gateway uses it.
#[derive(Debug)]
pub struct Upstream {
    /// Its place among all upstreams.
    pub index: usize,
    /// The product that it is behind.
    pub product: Box<str>,
    /// For which credentials.
    pub mode: Mode,
    /// Where it listens. Never empty.
    pub addresses: Box<[Address]>,
    /// What `Host` says; the address's own when absent.
    pub host: Option<Box<str>>,
    /// The settings.
    pub config: UpstreamConfig,
    /// For whom its identity tokens are.
    pub audience: Box<str>,
}

impl Upstream {
    /// From settings that `check` found right. `index` is its place among all upstreams.
    pub fn new((product, mode): (&str, Mode), config: &UpstreamConfig, index: usize) -> Self {
        let parsed = config.addresses.iter().filter_map(|text| parse(text).ok());
        let addresses = parsed.map(|(host, port, authority)| {
            let is_well = AtomicBool::new(true);
            Address { host, port, authority: authority.into(), is_well }
        });
        Self {
            index,
            product: product.into(),
            mode,
            addresses: addresses.collect(),
            host: config.host.as_deref().map(Into::into),
            audience: config.audience.as_deref().unwrap_or(product).into(),
            config: config.clone(),
        }
    }

    /// How long a connection may take to open.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.config.connect_timeout_ms)
    }
}

/// What is wrong with a setting: its name, and what would be right.
type Fault = (&'static str, String);

impl UpstreamConfig {
    /// Checks the settings. `own` are our own listeners, where an upstream would be a loop.
    ///
    /// # Errors
    /// The setting and the problem.
    pub fn check(&self, own: &[SocketAddr]) -> Result<(), Fault> {
        self.check_addresses(own)?;
        if let Some(path) = &self.health_path
            && !(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'))
        {
            return Err(("health_path", "must be a path such as /healthz".to_owned()));
        }
        if self.host.as_deref().is_some_and(|host| !is_authority(host)) {
            return Err(("host", "must be a host name, with a port where it has one".to_owned()));
        }
        if self.host.is_some() && self.keep_host {
            return Err(("keep_host", "and `host` say two things; set one of them".to_owned()));
        }
        for (name, value) in [
            ("health_interval_ms", self.health_interval_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("answer_timeout_ms", self.answer_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("keep_alive_ms", self.keep_alive_ms),
        ] {
            if !(TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX).contains(&value) {
                return Err((name, format!("must be {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX}")));
            }
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.connections_max) {
            return Err(("connections_max", format!("must be 1 to {CONNECTIONS_MAX}")));
        }
        if self.upload_bytes_max.is_some_and(|bytes| !(UPLOAD_BYTES_MIN..=UPLOAD_BYTES_MAX).contains(&bytes)) {
            return Err(("upload_bytes_max", format!("must be {UPLOAD_BYTES_MIN} to {UPLOAD_BYTES_MAX}")));
        }
        if let Some(audience) = &self.audience {
            if !self.identity_token {
                return Err(("audience", "is for `identity_token = true`; without it there is no token".to_owned()));
            }
            if audience.is_empty() || audience.len() > AUDIENCE_BYTES_MAX || audience.chars().any(char::is_control) {
                return Err(("audience", format!("must be 1 to {AUDIENCE_BYTES_MAX} bytes of text")));
            }
        }
        Ok(())
    }

    fn check_addresses(&self, own: &[SocketAddr]) -> Result<(), Fault> {
        let wrong = |words: String| Err(("addresses", words));
        if !(1..=ADDRESSES_MAX).contains(&self.addresses.len()) {
            return wrong(format!("needs 1 to {ADDRESSES_MAX} addresses"));
        }
        let mut seen: Vec<String> = Vec::new();
        for text in &self.addresses {
            let (host, port, authority) = parse(text).map_err(|words| ("addresses", format!("`{text}` {words}")))?;
            let is_loopback = match &host {
                Host::Ip(ip) => ip.is_loopback(),
                Host::Name(name) => **name == *"localhost",
            };
            if !is_loopback && !self.network_is_private {
                return wrong(format!(
                    "`{text}` is not a loopback address, and what goes there is not encrypted: whoever reads that \
                     network reads payments. Set `network_is_private = true` if only your services can"
                ));
            }
            let is_own = |own: &SocketAddr| {
                let same_host = match &host {
                    Host::Ip(ip) => *ip == own.ip() || (own.ip().is_unspecified() && is_loopback),
                    Host::Name(_) => is_loopback && (own.ip().is_loopback() || own.ip().is_unspecified()),
                };
                same_host && own.port() == port
            };
            if own.iter().any(is_own) {
                return wrong(format!("`{text}` is a listener of this Keymint: requests would go round"));
            }
            if seen.contains(&authority) {
                return wrong(format!("`{text}` stands twice"));
            }
            seen.push(authority);
        }
        Ok(())
    }
}

/// Host, port, and both as `Host` says them.
fn parse(text: &str) -> Result<(Host, u16, String), &'static str> {
    if text.starts_with("https://") {
        return Err(
            "asks for TLS, which this version does not speak to upstreams; use http:// on a private network, or \
             a TLS proxy beside Keymint",
        );
    }
    let shape = "must be such as http://10.0.0.5:9000: no path, no user, no slash at the end";
    let authority = text.strip_prefix("http://").filter(|authority| is_authority(authority)).ok_or(shape)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let plain = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (host, port.parse().ok().filter(|port| plain && *port > 0).ok_or(shape)?)
        }
        _ => (authority, 80),
    };
    if let Some(inside) = host.strip_prefix('[') {
        let ip = inside.strip_suffix(']').and_then(|ip| ip.parse().ok()).ok_or(shape)?;
        return Ok((Host::Ip(IpAddr::V6(ip)), port, authority.to_owned()));
    }
    if let Ok(ip) = host.parse() {
        return Ok((Host::Ip(IpAddr::V4(ip)), port, authority.to_owned()));
    }
    // Digits and dots that are no address could be one to another reader (`0177.1`, `127.1`).
    if host.is_empty() || host.contains([':', '[', ']']) || !host.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return Err(shape);
    }
    Ok((Host::Name(host.into()), port, authority.to_owned()))
}

fn is_authority(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
    !text.is_empty() && text.len() <= 255 && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Option<&'static str> {
        let config: UpstreamConfig = toml::from_str(text).expect("it has the shape");
        let own = ["127.0.0.1:8081".parse().expect("an address"), "0.0.0.0:8082".parse().expect("an address")];
        config.check(&own).err().map(|(setting, _)| setting)
    }

    #[test]
    fn addresses_are_scheme_host_and_port_and_each_neighbour_is_refused() {
        for good in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost", "http://localhost:9000"] {
            assert_eq!(faults(&format!("addresses = [\"{good}\"]")), None, "{good}");
        }
        for bad in [
            "127.0.0.1:9000",
            "https://127.0.0.1:9000",
            "http://",
            "http://127.0.0.1:9000/",
            "http://127.0.0.1/a",
            "http://u@127.0.0.1",
            "http://u:p@127.0.0.1",
            "http://127.0.0.1:",
            "http://127.0.0.1:0",
            "http://127.0.0.1:65536",
            "http://127.0.0.1:+9",
            "http://127.1:9000",
            "http://0177.0.0.1",
            "http://[::1",
            "http://::1:9000",
            "http://[127.0.0.1]",
            "http://a b",
            "http://LOCALHOST",
            "unix:/run/a",
            "http://127.0.0.1:80#a",
        ] {
            assert_eq!(faults(&format!("addresses = [\"{bad}\"]")), Some("addresses"), "{bad}");
        }
        assert_eq!(faults("addresses = []"), Some("addresses"));
        assert_eq!(faults("addresses = [\"http://[::1]:9\", \"http://[::1]:9\"]"), Some("addresses"));
    }

    #[test]
    fn an_open_network_has_to_be_called_private() {
        for address in ["http://10.0.0.5:9000", "http://payments.internal", "http://8.8.8.8"] {
            assert_eq!(faults(&format!("addresses = [\"{address}\"]")), Some("addresses"), "{address}");
            assert_eq!(faults(&format!("addresses = [\"{address}\"]\nnetwork_is_private = true")), None, "{address}");
        }
    }

    #[test]
    fn an_upstream_that_is_keymint_itself_is_refused() {
        for address in ["127.0.0.1:8081", "localhost:8081", "127.0.0.1:8082", "[::1]:8082", "localhost:8082"] {
            assert_eq!(faults(&format!("addresses = [\"http://{address}\"]")), Some("addresses"), "{address}");
        }
        assert_eq!(faults("addresses = [\"http://127.0.0.1:8083\"]"), None);
    }

    #[test]
    fn other_settings_have_bounds() {
        let with = |more: &str| faults(&format!("addresses = [\"http://127.0.0.1:9000\"]\n{more}"));
        for (more, setting) in [
            ("health_path = \"healthz\"", "health_path"),
            ("health_path = \"/a b\"", "health_path"),
            ("host = \"a/b\"", "host"),
            ("host = \"a\\r\\nX: y\"", "host"),
            ("host = \"a\"\nkeep_host = true", "keep_host"),
            ("answer_timeout_ms = 0", "answer_timeout_ms"),
            ("connect_timeout_ms = 49", "connect_timeout_ms"),
            ("idle_timeout_ms = 3600001", "idle_timeout_ms"),
            ("keep_alive_ms = 0", "keep_alive_ms"),
            ("health_interval_ms = 1", "health_interval_ms"),
            ("connections_max = 0", "connections_max"),
            ("upload_bytes_max = 65535", "upload_bytes_max"),
            ("audience = \"payments\"", "audience"),
            ("identity_token = true\naudience = \"\"", "audience"),
        ] {
            assert_eq!(with(more), Some(setting), "{more}");
        }
        assert_eq!(with("health_path = \"/healthz?a=1\"\nhost = \"pay.internal:9000\"\nidentity_token = true"), None);
    }

    #[test]
    fn news_of_an_address_are_told_once() {
        let config: UpstreamConfig = toml::from_str("addresses = [\"http://127.0.0.1:9000\"]").expect("a config");
        let upstream = Upstream::new(("a", Mode::Test), &config, 0);
        let address = upstream.addresses.first().expect("an address");
        assert!(address.is_well() && address.note(false) && !address.note(false) && !address.is_well());
        assert!(address.note(true) && address.is_well());
    }
}
