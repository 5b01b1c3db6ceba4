//! Where events may be sent: what a merchant's URL must look like, and which addresses are anybody's on the Internet. The
//! URL is read once when it is stored; the address is looked at again by whoever connects, because names change.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use url::{Host, Url};

/// What a dialect says about URLs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRules {
    /// Longest URL. Bytes.
    pub bytes_max: usize,
    /// The ports; empty: any.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Whether `http://` is taken.
    #[serde(default)]
    pub plain_http: bool,
    /// Hosts that are refused, and with each the hosts below it; one that begins with a dot is a last label or more.
    #[serde(default)]
    pub hosts_refused: Vec<Box<str>>,
    /// Texts that no host may hold.
    #[serde(default)]
    pub words_refused: Vec<Box<str>>,
}

/// Why a URL is no endpoint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TargetError {
    /// It is too long.
    #[error("must have at most {0} bytes")]
    TooLong(usize),
    /// It is none.
    #[error("must be a URL such as https://shop.example/webhooks")]
    NotAUrl,
    /// Its scheme.
    #[error("must begin with https://")]
    NotHttps,
    /// It has a user or a password in it.
    #[error("must not hold a user name or a password")]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("must not hold a `#`")]
    Fragment,
    /// Its port.
    #[error("must have one of these ports: {0}")]
    Port(String),
    /// Its host.
    #[error("the host {0} is not allowed for webhooks")]
    Host(String),
    /// Its address.
    #[error("private ip found for host: {0} is not an address on the public Internet")]
    Private(String),
}

/// A URL that events may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Reads a URL. `is_allowed` says of an address that the operator lets it be called, though it is not public.
    ///
    /// # Errors
    /// `TargetError` for the first rule that it breaks.
    pub fn parse(text: &str, rules: &TargetRules, is_allowed: impl Fn(IpAddr) -> bool) -> Result<Self, TargetError> {
        if text.len() > rules.bytes_max {
            return Err(TargetError::TooLong(rules.bytes_max));
        }
        // The parser drops spaces around it, tabs and line ends anywhere, and reads `\` as `/`.
        if text.chars().any(|character| character.is_whitespace() || character.is_control() || character == '\\') {
            return Err(TargetError::NotAUrl);
        }
        // Nor does it mind how many slashes stand before the host.
        let (_, rest) = text.split_once("://").ok_or(TargetError::NotAUrl)?;
        if rest.starts_with('/') {
            return Err(TargetError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| TargetError::NotAUrl)?;
        let host = url.host().ok_or(TargetError::NotAUrl)?.to_owned();
        let may_be_private = match &host {
            Host::Domain(name) => is_loopback_name(name) && is_allowed(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Host::Ipv4(address) => is_allowed(IpAddr::V4(*address)),
            Host::Ipv6(address) => is_allowed(IpAddr::V6(*address)),
        };
        match url.scheme() {
            "https" => {}
            "http" if rules.plain_http || may_be_private => {}
            _ => return Err(TargetError::NotHttps),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if may_be_private {
            return Ok(Self(url));
        }
        let port = url.port_or_known_default().ok_or(TargetError::NotAUrl)?;
        if !rules.ports.is_empty() && !rules.ports.contains(&port) {
            let ports: Vec<String> = rules.ports.iter().map(u16::to_string).collect();
            return Err(TargetError::Port(ports.join(", ")));
        }
        match host {
            Host::Domain(name) => rules.check_name(&name)?,
            Host::Ipv4(address) if !is_public(IpAddr::V4(address)) => {
                return Err(TargetError::Private(address.to_string()));
            }
            Host::Ipv6(address) if !is_public(IpAddr::V6(address)) => {
                return Err(TargetError::Private(address.to_string()));
            }
            Host::Ipv4(_) | Host::Ipv6(_) => {}
        }
        Ok(Self(url))
    }

    /// The URL as it is called.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Its address, where the host is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        }
    }
}

/// Names that mean this machine (RFC 6761 section 6.3).
fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

impl TargetRules {
    fn check_name(&self, name: &str) -> Result<(), TargetError> {
        let plain = name.trim_end_matches('.');
        if is_loopback_name(plain) {
            return Err(TargetError::Private(name.to_owned()));
        }
        let is_refused = |refused: &str| match refused.strip_prefix('.') {
            Some(last) => plain == last || plain.ends_with(refused),
            None => plain == refused || plain.strip_suffix(refused).is_some_and(|rest| rest.ends_with('.')),
        };
        if plain.is_empty()
            || self.hosts_refused.iter().any(|refused| is_refused(refused))
            || self.words_refused.iter().any(|word| plain.contains(&**word))
        {
            return Err(TargetError::Host(name.to_owned()));
        }
        Ok(())
    }
}

/// Blocks of IPv4 that are nobody's on the public Internet (IANA's registry of special-purpose addresses, 2025-10), with
/// the anycast block of 6to4 relays, multicast, and what is reserved; and the one public address that a cloud's own host
/// answers at, Azure's 168.63.129.16.
const SPECIAL_V4: [(u32, u32); 16] = [
    (0x0000_0000, 8),
    (0x0a00_0000, 8),
    (0x6440_0000, 10),
    (0x7f00_0000, 8),
    (0xa9fe_0000, 16),
    (0xa83f_8110, 32),
    (0xac10_0000, 12),
    (0xc000_0000, 24),
    (0xc000_0200, 24),
    (0xc058_6300, 24),
    (0xc0a8_0000, 16),
    (0xc612_0000, 15),
    (0xc633_6400, 24),
    (0xcb00_7100, 24),
    (0xe000_0000, 4),
    (0xf000_0000, 4),
];

/// The same inside 2000::/3, the one block of IPv6 that is given to the public: protocol assignments with Teredo and
/// benchmarking (2001::/23), documentation (2001:db8::/32 and 3fff::/20), 6to4 (2002::/16).
const SPECIAL_V6: [(u128, u32); 4] = [
    (0x2001_0000_0000_0000_0000_0000_0000_0000, 23),
    (0x2001_0db8_0000_0000_0000_0000_0000_0000, 32),
    (0x2002_0000_0000_0000_0000_0000_0000_0000, 16),
    (0x3fff_0000_0000_0000_0000_0000_0000_0000, 20),
];

/// Whether an address is anybody's on the public Internet (T116). Addresses that carry another one inside (IPv4-mapped,
/// NAT64, 6to4, Teredo) are not: what they lead to depends on the network.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    SPECIAL_V4.iter().all(|(block, length)| (bits ^ block) >> (32 - length) != 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    bits >> 125 == 1 && SPECIAL_V6.iter().all(|(block, length)| (bits ^ block) >> (128 - length) != 0)
}
