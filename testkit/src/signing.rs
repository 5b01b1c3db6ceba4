//! Authenticated requests in every dialect, made by the same code that our own client uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use keymint_domain::dialect::{BUILT_IN, Dialect};
use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::present::{Holder, Presented, present, present_with};
use keymint_domain::time::UnixMs;

use crate::dev::Key;
use crate::http::Request;

/// Now, as the signing side sees it.
pub fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(0))
}

/// A built-in dialect.
///
/// # Panics
/// When there is none of that name.
pub fn dialect(name: &str) -> Dialect {
    let file = format!("{name}.toml");
    let (_, text) = BUILT_IN.iter().find(|(found, _)| *found == file).expect("a built-in dialect");
    Dialect::parse(text).expect("a built-in dialect parses")
}

/// A call on a product at `/{product}{path}`, before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The product, whose dialect has the same name.
    pub product: &'a str,
    /// One scheme of the dialect by name; `None` for the one that the route asks for.
    pub scheme: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// Path and query inside the product.
    pub path: &'a str,
    /// The body.
    pub body: &'a str,
    /// The moment that a signature carries.
    pub at: UnixMs,
    /// `http` or `https`: what a signature over the whole URL says.
    pub url_scheme: &'a str,
}

impl<'a> Call<'a> {
    /// A call signed now.
    pub fn new(product: &'a str, method: &'a str, path: &'a str, body: &'a str) -> Self {
        Self { product, scheme: None, method, path, body, at: now(), url_scheme: "http" }
    }

    /// The same with another scheme of the dialect.
    #[must_use]
    pub fn scheme(self, scheme: &'a str) -> Self {
        Self { scheme: Some(scheme), ..self }
    }

    /// The same for a gateway that is reached by https.
    #[must_use]
    pub fn over_https(self) -> Self {
        Self { url_scheme: "https", ..self }
    }

    /// The same, signed `seconds` from now.
    #[must_use]
    pub fn shifted(self, seconds: i64) -> Self {
        Self { at: self.at.plus_seconds(seconds), ..self }
    }

    /// The headers that authenticate the call.
    ///
    /// # Panics
    /// When the scheme sells tokens: those are bought with a call of their own.
    pub fn credentials(&self, gateway: SocketAddr, key: &Key) -> Vec<(String, String)> {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let dialect = dialect(self.product);
        let authority = gateway.to_string();
        let target = format!("/{}{}", self.product, self.path);
        let headers = [Header { name: "host", value: authority.as_bytes() }];
        let view = RequestView {
            method: self.method,
            scheme: self.url_scheme,
            authority: &authority,
            target: &target,
            route_at: self.product.len() + 1,
            headers: &headers,
            body: self.body.as_bytes(),
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let nonce = format!("n{}", NONCE.fetch_add(1, Ordering::Relaxed));
        let holder = Holder { key_id: &key.key_id, secret: &key.secret, now: self.at, nonce: &nonce };
        let presented = match self.scheme {
            None => present(&dialect, &view, &holder),
            Some(name) => {
                let scheme = dialect.schemes.iter().find(|scheme| scheme.name().as_str() == name);
                present_with(&dialect, scheme.expect("a scheme of the dialect"), &view, &holder)
            }
        };
        match presented.expect("it signs") {
            Presented::Headers(headers) => headers,
            Presented::Token { .. } => panic!("tokens are bought with a call of their own"),
        }
    }

    /// The request without credentials.
    pub fn bare(&self) -> Request {
        let request = Request::new(self.method, &format!("/{}{}", self.product, self.path));
        if self.body.is_empty() { request } else { request.body(self.body) }
    }

    /// The authenticated request.
    pub fn signed(&self, gateway: SocketAddr, key: &Key) -> Request {
        self.bare().headers(&self.credentials(gateway, key))
    }
}
