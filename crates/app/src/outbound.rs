//! Calls to addresses that merchants chose. One client, so there is one place where it is decided what is never called: an
//! address that is not on the public Internet, a redirect, the system's proxy. Names are resolved by the connector itself,
//! through `Guard`, so the address that was looked at is the address that is called (T116, T117).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use ipnet::IpNet;
use keymint_domain::time::UnixMs;
use keymint_domain::webhook::target::{Target, is_public};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE};
use serde::Deserialize;
use thiserror::Error;

use crate::say;

/// What of an answer is kept. Bytes.
const KEPT_BYTES_MAX: usize = 1_024;
/// As much of a head is kept. Bytes.
const FIELDS_BYTES_MAX: usize = 2_048;
/// Longest wait for a connection. A call's own deadline is around it.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections kept open to one receiver, and how long. As many as four busy lanes have under way: a merchant's endpoints are
/// mostly on one host, and a connection costs more than a delivery.
const IDLE_MAX: usize = 32;
const IDLE_FOR: Duration = Duration::from_secs(30);

/// The `[webhooks]` table of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// Networks that may be called though they are not on the public Internet: receivers of the operator's own.
    pub allowed_networks: Vec<IpNet>,
    /// DNS servers that are asked for the names in endpoints' URLs; none: what the system asks. With servers that know no
    /// name of the inside, a merchant cannot even find out which there are.
    pub resolvers: Vec<SocketAddr>,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum OutboundError {
    /// What the TLS library says.
    #[error("the client for webhooks cannot be made")]
    Client(#[from] reqwest::Error),
    /// What the library for DNS says.
    #[error("the resolver for webhooks cannot be made")]
    Resolver(#[from] NetError),
}

impl WebhooksConfig {
    /// Receivers on this machine: `dev`.
    pub fn for_this_machine() -> Self {
        let networks = ["127.0.0.0/8", "::1/128"];
        let allowed_networks = networks.iter().filter_map(|network| network.parse().ok()).collect();
        Self { allowed_networks, resolvers: Vec::new() }
    }

    /// What is wrong with a setting.
    ///
    /// # Errors
    /// What would be right.
    pub fn check(&self) -> Result<(), String> {
        let is_wide = |network: &&IpNet| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 32 };
        match self.allowed_networks.iter().find(is_wide) {
            Some(network) => Err(format!("{network} is too wide; name the networks of your receivers")),
            None => Ok(()),
        }
    }
}

/// Where nobody is called.
#[derive(Debug, Error)]
#[error("leads to {0}, which is not an address on the public Internet")]
struct NotPublic(IpAddr);

impl NotPublic {
    fn told(&self) -> String {
        say!("webhook-not-public", address = self.0.to_string())
    }
}

/// Which addresses may be called, and who says which address a name has.
#[derive(Clone)]
struct Guard {
    networks: Arc<[IpNet]>,
    resolver: Option<TokioResolver>,
}

impl Guard {
    fn new(config: &WebhooksConfig) -> Result<Self, NetError> {
        let resolver = if config.resolvers.is_empty() { None } else { Some(resolver(&config.resolvers)?) };
        Ok(Self { networks: config.allowed_networks.clone().into(), resolver })
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let Some(resolver) = &self.resolver else {
            return Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect());
        };
        Ok(resolver.lookup_ip(format!("{}.", name.trim_end_matches('.'))).await?.iter().collect())
    }

    fn check(&self, address: IpAddr) -> Result<(), NotPublic> {
        if is_public(address) || self.allows(address) { Ok(()) } else { Err(NotPublic(address)) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            // One that is not public and the name is refused: who mixes them tries something (T117).
            found.iter().try_for_each(|address| guard.check(*address))?;
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Asks these servers and nobody else: no hosts file, no search list.
fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let at = |port: u16, mut way: ConnectionConfig| {
        way.port = port;
        way
    };
    let server = |address: &SocketAddr| {
        let ways = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|way| at(address.port(), way));
        NameServerConfig::new(address.ip(), true, ways.to_vec())
    };
    let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

/// The one client for addresses that merchants chose.
pub struct Outbound {
    client: reqwest::Client,
    guard: Guard,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What `Retry-After` asks for, in either of its forms (RFC 9110 section 10.2.3). Milliseconds.
    pub retry_after_ms: Option<i64>,
    /// Its header fields, a line for each, but for cookies.
    pub head: String,
    /// The beginning of the body, as far as it is text.
    pub text: String,
}

impl Outbound {
    /// A client.
    ///
    /// # Errors
    /// `OutboundError`.
    pub fn new(config: &WebhooksConfig) -> Result<Self, OutboundError> {
        // Whoever asks first decides for the process, and everybody asks for this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let guard = Guard::new(config)?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(guard.clone()))
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_idle_timeout(IDLE_FOR)
            .build()?;
        Ok(Self { client, guard })
    }

    /// Whether an address may be called though it is not public.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.guard.allows(address)
    }

    /// Sends a body, and waits for the whole answer at most so long. `now` is when.
    ///
    /// # Errors
    /// Why there is no answer, for the people whose endpoint it is.
    pub async fn post(
        &self,
        target: &Target,
        (headers, body): (HeaderMap, String),
        (timeout, now): (Duration, UnixMs),
    ) -> Result<Reply, String> {
        // An address in the URL itself asks no resolver.
        if let Some(address) = target.address() {
            self.guard.check(address).map_err(|error| error.told())?;
        }
        let call = self.client.post(target.as_str()).headers(headers).body(body).timeout(timeout);
        let answer = call.send().await.map_err(|error| told(&error, timeout))?;
        let status = answer.status().as_u16();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_ms = asked.and_then(|asked| retry_after_ms(asked.trim(), now));
        let mut head = String::new();
        for (name, value) in answer.headers().iter().filter(|(name, _)| **name != SET_COOKIE) {
            write_field(&mut head, name, value);
        }
        let text = beginning(answer).await.map_err(|error| told(&error, timeout))?;
        Ok(Reply { status, retry_after_ms, head, text })
    }
}

/// What `Retry-After` asks for: a number of seconds, or a date. Milliseconds.
fn retry_after_ms(asked: &str, now: UnixMs) -> Option<i64> {
    if let Ok(seconds) = asked.parse::<i64>() {
        return Some(seconds.saturating_mul(1000));
    }
    // The one form of dates that is sent (RFC 9110 section 5.6.7).
    let date = jiff::fmt::rfc2822::parse(asked).ok().filter(|_| asked.ends_with(" GMT"))?;
    Some(date.timestamp().as_millisecond().saturating_sub(now.0))
}

/// Writes a header field and the end of its line, as far as `FIELDS_BYTES_MAX` leaves room.
pub fn write_field(head: &mut String, name: &HeaderName, value: &HeaderValue) {
    let value = String::from_utf8_lossy(value.as_bytes());
    if head.len() + name.as_str().len() + value.len() < FIELDS_BYTES_MAX {
        head.push_str(name.as_str());
        head.push_str(": ");
        head.push_str(&value);
        head.push('\n');
    }
}

/// As much of a body as is kept; the rest is not waited for. Without NUL, which PostgreSQL keeps in no text.
async fn beginning(mut answer: reqwest::Response) -> Result<String, reqwest::Error> {
    let mut kept = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = KEPT_BYTES_MAX - kept.len();
        kept.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if kept.len() == KEPT_BYTES_MAX {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&kept).replace('\0', "\u{fffd}"))
}

/// Why a call failed, without what the library says of addresses and certificates beyond need.
fn told(error: &reqwest::Error, timeout: Duration) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(not_public) = inner.downcast_ref::<NotPublic>() {
            return not_public.told();
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        return say!("webhook-no-answer", milliseconds = milliseconds);
    }
    if error.is_connect() { say!("webhook-no-connection").to_owned() } else { say!("webhook-broken-off").to_owned() }
}
