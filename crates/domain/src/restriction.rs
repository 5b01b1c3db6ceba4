//! What narrows a credential: addresses (CIDR), exact origins, providers, scopes. Empty lists narrow nothing.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use thiserror::Error;

use crate::dialect::Dialect;
use crate::mode::Mode;
use crate::reason::DenyReason;
use crate::request::RequestView;

/// What narrows a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Addresses that may use it; empty: every address.
    pub allowed_ips: Vec<IpNet>,
    /// Browser origins that may use it, exactly as a browser sends them; empty: every origin.
    pub allowed_origins: Vec<Box<str>>,
    /// The domains of its app, which an origin has to be one of as well; `None`: the app names none. An empty list is
    /// one that refuses every page: the app names domains, and none of them is for this mode.
    pub domains: Option<Vec<Box<str>>>,
    /// The providers that its app may use; empty: every one.
    pub providers: Vec<Box<str>>,
    /// Scopes it has; empty: every call.
    pub scopes: Vec<Box<str>>,
}

/// Most domains of an app.
pub const DOMAINS_MAX: usize = 10;

/// Why a list of restrictions is not accepted. The field is the management API's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RestrictionError {
    /// Not an address or CIDR block.
    #[error("`{0}` is not an address or CIDR block such as 203.0.113.0/24 or 2001:db8::/32")]
    Address(String),
    /// More addresses than the dialect allows.
    #[error("at most {0} addresses")]
    TooManyAddresses(usize),
    /// Not an origin.
    #[error("`{0}` is not an origin such as https://shop.example (scheme, host, optional port; no path)")]
    Origin(String),
    /// More origins than the dialect allows.
    #[error("at most {0} origins")]
    TooManyOrigins(usize),
    /// Not a domain.
    #[error(
        "must be an origin such as https://shop.example: scheme, host in lower case, a port if it is not 443, nothing behind it; http for localhost alone"
    )]
    Domain,
    /// More domains than an app may have.
    #[error("would be one too many: an application has at most {DOMAINS_MAX}")]
    TooManyDomains,
    /// Not one of the dialect's scopes.
    #[error("`{0}` is not a scope of this product; it has {1}")]
    Scope(String, String),
}

impl RestrictionError {
    /// The field of the management API that is wrong.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Address(_) | Self::TooManyAddresses(_) => "allowed_ips",
            Self::Origin(_) | Self::TooManyOrigins(_) => "allowed_origins",
            Self::Domain | Self::TooManyDomains => "domain",
            Self::Scope(..) => "scopes",
        }
    }
}

impl Restrictions {
    /// Reads the lists as a person gave them, against what the dialect allows.
    ///
    /// # Errors
    /// The first entry that is not accepted.
    pub fn parse(
        dialect: &Dialect,
        ips: &[String],
        origins: &[String],
        scopes: &[String],
    ) -> Result<Self, RestrictionError> {
        if ips.len() > dialect.allowed_ips_max {
            return Err(RestrictionError::TooManyAddresses(dialect.allowed_ips_max));
        }
        if origins.len() > dialect.allowed_origins_max {
            return Err(RestrictionError::TooManyOrigins(dialect.allowed_origins_max));
        }
        let allowed_ips = ips
            .iter()
            .map(|text| parse_network(text).ok_or_else(|| RestrictionError::Address(text.clone())))
            .collect::<Result<_, _>>()?;
        let allowed_origins = origins
            .iter()
            .map(|text| parse_origin(text).ok_or_else(|| RestrictionError::Origin(text.clone())))
            .collect::<Result<_, _>>()?;
        let known = |scope: &&String| dialect.scopes.contains_key(scope.as_str());
        if let Some(unknown) = scopes.iter().find(|scope| !known(scope)) {
            let names: Vec<&str> = dialect.scopes.keys().map(|name| &**name).collect();
            return Err(RestrictionError::Scope(unknown.clone(), names.join(", ")));
        }
        let scopes = scopes.iter().map(|scope| scope.as_str().into()).collect();
        Ok(Self { allowed_ips, allowed_origins, domains: None, providers: Vec::new(), scopes })
    }

    /// Whether nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        self.allowed_ips.is_empty()
            && self.allowed_origins.is_empty()
            && self.domains.is_none()
            && self.providers.is_empty()
            && self.scopes.is_empty()
    }

    /// Checks a request of someone who has proved to hold the credential; `public` when only the key id was shown.
    ///
    /// # Errors
    /// The restriction that refuses it.
    pub fn check(&self, dialect: &Dialect, view: &RequestView<'_>, caller: Caller) -> Result<(), DenyReason> {
        if !self.allowed_ips.is_empty() {
            let address = canonical(view.client_ip);
            if !self.allowed_ips.iter().any(|network| network.contains(&address)) {
                return Err(DenyReason::IpNotAllowed);
            }
        }
        // The key's own list and the app's: both must allow.
        if !self.allowed_origins.is_empty() {
            check_origin(&self.allowed_origins, dialect, view, caller)?;
        }
        if let Some(domains) = &self.domains {
            check_origin(domains, dialect, view, caller)?;
        }
        if !self.scopes.is_empty() {
            let covers =
                |name: &str| dialect.scopes.get(name).is_some_and(|rule| rule.covers(view.method, view.route()));
            if !self.scopes.iter().any(|name| covers(name)) {
                return Err(DenyReason::ScopeMissing);
            }
        }
        if !self.providers.is_empty() {
            check_provider(&self.providers, dialect, view)?;
        }
        Ok(())
    }
}

/// A server sends no `Origin`; a browser always does on the calls that matter. So a missing one passes only where the
/// secret was shown. This guards against other people's pages, not against other people (T43).
fn check_origin(
    allowed: &[Box<str>],
    dialect: &Dialect,
    view: &RequestView<'_>,
    caller: Caller,
) -> Result<(), DenyReason> {
    let mut origins = view.header_values("origin");
    let Some(origin) = origins.next() else {
        return match caller {
            Caller::Secret => Ok(()),
            Caller::PublicKey => Err(DenyReason::OriginNotAllowed),
        };
    };
    let listed = |list: &[Box<str>]| list.iter().any(|entry| entry.as_bytes() == origin);
    if origins.next().is_none() && (listed(allowed) || listed(&dialect.origins_always_allowed)) {
        return Ok(());
    }
    Err(DenyReason::OriginNotAllowed)
}

/// Of a call that names a provider: one of the app's. A list that no dialect can read any more allows nothing.
fn check_provider(listed: &[Box<str>], dialect: &Dialect, view: &RequestView<'_>) -> Result<(), DenyReason> {
    let Some(rules) = &dialect.providers else { return Err(DenyReason::ProviderNotAllowed) };
    if !rules.covers(view) || rules.allows(listed, view.body) {
        return Ok(());
    }
    Err(DenyReason::ProviderNotAllowed)
}

/// Reads a domain of an app: an exact origin, over HTTPS; over HTTP for `localhost` alone.
///
/// # Errors
/// `RestrictionError::Domain`.
pub fn parse_domain(text: &str) -> Result<Box<str>, RestrictionError> {
    let origin = parse_origin(text.trim()).ok_or(RestrictionError::Domain)?;
    let is_fine = origin.starts_with("https://") || is_local(&origin);
    if is_fine { Ok(origin) } else { Err(RestrictionError::Domain) }
}

/// Whether an origin is this machine's, over HTTP: for test mode alone.
fn is_local(origin: &str) -> bool {
    origin.strip_prefix("http://localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// What an app's domains are to a credential of a mode.
pub fn domains_for(mode: Mode, domains: &[Box<str>]) -> Option<Vec<Box<str>>> {
    let counts = |origin: &str| mode == Mode::Test || !is_local(origin);
    (!domains.is_empty()).then(|| domains.iter().filter(|origin| counts(origin)).cloned().collect())
}

/// What the caller has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Proof of the secret.
    Secret,
    /// The key id alone.
    PublicKey,
}

/// An IPv4 address that came as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn parse_network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => IpNet::from(canonical(text.parse::<IpAddr>().ok()?)),
    };
    match network {
        IpNet::V6(v6) => match v6.network().to_ipv4_mapped() {
            Some(v4) if v6.prefix_len() >= 96 => Some(IpNet::new(IpAddr::V4(v4), v6.prefix_len() - 96).ok()?.trunc()),
            _ => Some(IpNet::V6(v6.trunc())),
        },
        IpNet::V4(v4) => Some(IpNet::V4(v4.trunc())),
    }
}

/// `scheme://host[:port]`, lower case, no default port, nothing behind it: exactly what a browser sends.
fn parse_origin(text: &str) -> Option<Box<str>> {
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme, "http" | "https") || rest.is_empty() || text.len() > 255 {
        return None;
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    if let Some(port) = port {
        let number: u16 = port.parse().ok()?;
        let default = if scheme == "https" { 443 } else { 80 };
        if number == 0 || number == default || number.to_string() != port {
            return None;
        }
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let bracketed = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let host_is_fine = match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == inner),
        None => host.bytes().all(plain) && host.split('.').all(|label| !label.is_empty()),
    };
    host_is_fine.then(|| text.into())
}
