//! How a request came: from which address, over `http` or `https`. The one place where a proxy is believed, and only one
//! that the operator named (T42, T89): from anybody else `X-Forwarded-For` and `X-Forwarded-Proto` mean nothing.
//!
//! The client is the right-most address of `X-Forwarded-For` that is no proxy's: what stands to the left of it the client
//! itself may have written, and nobody reads it. What a proxy says must be readable in one way, or the request is refused.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use ipnet::IpNet;
use serde::Deserialize;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UrlScheme {
    /// Anybody on the way can read and change it.
    #[default]
    Http,
    /// Under TLS.
    Https,
}

impl UrlScheme {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The client's address.
    pub address: IpAddr,
    /// How the client reached us, or the first proxy that we trust.
    pub scheme: UrlScheme,
}

/// What a proxy says can be read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// Those in these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// How a request came that was received in this way.
    ///
    /// # Errors
    /// `Ambiguous`: an address of a proxy's that is none, a scheme that is none, or two.
    pub fn arrival(&self, received: Arrival, headers: &HeaderMap) -> Result<Arrival, Ambiguous> {
        if !self.has(received.address) {
            return Ok(received);
        }
        let scheme = match scheme(headers)? {
            Some(scheme) => scheme,
            None => received.scheme,
        };
        Ok(Arrival { address: self.client(headers)?.unwrap_or(received.address), scheme })
    }

    /// The right-most address that is no proxy's; where all are, the left-most. Nothing where no proxy said anything.
    fn client(&self, headers: &HeaderMap) -> Result<Option<IpAddr>, Ambiguous> {
        let mut last = None;
        for value in headers.get_all("x-forwarded-for").into_iter().rev() {
            for address in value.to_str().map_err(|_| Ambiguous)?.rsplit(',') {
                let address: IpAddr = address.trim_matches([' ', '\t']).parse().map_err(|_| Ambiguous)?;
                if !self.has(address) {
                    return Ok(Some(address));
                }
                last = Some(address);
            }
        }
        Ok(last)
    }
}

/// What `X-Forwarded-Proto` says, where it stands.
fn scheme(headers: &HeaderMap) -> Result<Option<UrlScheme>, Ambiguous> {
    let mut values = headers.get_all("x-forwarded-proto").into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.as_bytes(), values.next()) {
        (b"http", None) => Ok(Some(UrlScheme::Http)),
        (b"https", None) => Ok(Some(UrlScheme::Https)),
        _ => Err(Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Ambiguous, Arrival, Proxies, UrlScheme};

    const PROXY: &str = "10.1.2.3";

    fn read(peer: &str, fields: &[(&'static str, &'static str)]) -> Result<Arrival, Ambiguous> {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let received = Arrival { address: peer.parse().expect("an address"), scheme: UrlScheme::Http };
        Proxies::new(&networks).arrival(received, &headers)
    }

    fn client(peer: &str, lists: &[&'static str]) -> Result<String, Ambiguous> {
        let fields: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
        read(peer, &fields).map(|arrival| arrival.address.to_string())
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_no_proxys() {
        for (lists, expected) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (&["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
            (&["203.0.113.9, 10.0.0.1,10.255.0.1"], "203.0.113.9"),
            (&["203.0.113.9, 10.0.0.1", "10.0.0.2"], "203.0.113.9"),
            (&["203.0.113.9,::ffff:10.0.0.1"], "203.0.113.9"),
            (&["unknown, <script>, 203.0.113.9"], "203.0.113.9"),
            (&["2001:db9::1, 2001:db8::1"], "2001:db9::1"),
            (&["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
            (&[], PROXY),
        ] {
            assert_eq!(client(PROXY, lists).as_deref(), Ok(expected), "{lists:?}");
        }
        assert_eq!(client("::ffff:10.1.2.3", &["203.0.113.9"]).as_deref(), Ok("203.0.113.9"));
    }

    #[test]
    fn whoever_is_no_proxy_of_ours_says_nothing() {
        for peer in ["11.0.0.1", "9.255.255.255", "2001:db9::1", "127.0.0.1"] {
            assert_eq!(client(peer, &["203.0.113.9"]).as_deref(), Ok(peer));
            assert_eq!(client(peer, &["nonsense"]).as_deref(), Ok(peer));
            let told = read(peer, &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "gopher")]);
            assert_eq!(told.map(|arrival| arrival.scheme), Ok(UrlScheme::Http));
        }
    }

    #[test]
    fn what_a_proxy_says_unclearly_is_ambiguous() {
        for list in
            ["", "unknown", "203.0.113.9:80", "[2001:db9::1]", "203.0.113.9,", "203.0.113.9, 10.0.0.1x", "010.0.0.1"]
        {
            assert_eq!(client(PROXY, &[list]), Err(Ambiguous), "{list:?}");
        }
        for fields in [
            &[("x-forwarded-proto", "")][..],
            &[("x-forwarded-proto", "HTTPS")],
            &[("x-forwarded-proto", "https,http")],
            &[("x-forwarded-proto", "ws")],
            &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")],
        ] {
            assert_eq!(read(PROXY, fields), Err(Ambiguous), "{fields:?}");
        }
    }

    #[test]
    fn the_scheme_is_what_the_proxy_says_and_else_our_own() {
        let scheme = |fields| read(PROXY, fields).map(|arrival| arrival.scheme);
        assert_eq!(scheme(&[("x-forwarded-proto", "https")]), Ok(UrlScheme::Https));
        assert_eq!(scheme(&[("x-forwarded-proto", "http")]), Ok(UrlScheme::Http));
        assert_eq!(scheme(&[("x-forwarded-protocol", "https"), ("forwarded", "proto=https")]), Ok(UrlScheme::Http));
    }
}
