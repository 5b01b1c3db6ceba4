//! A request as the verifier sees it: borrowed parts, exactly as received. Nothing here decodes, normalises or trusts.

use std::net::IpAddr;

/// One header field. A name that arrived twice stands here twice, in the order received.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The field name, lower case.
    pub name: &'a str,
    /// The field value without the surrounding white space that HTTP allows (RFC 9110 section 5.5).
    pub value: &'a [u8],
}

/// One request, borrowed from whoever received it.
///
/// `target` is the path and query exactly as received: no decoding, no normalisation, so that what is signed and what
/// is routed are the same bytes (T3, T90).
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// The method, upper case as sent (`GET`).
    pub method: &'a str,
    /// `http` or `https`: how the client reached the listener.
    pub scheme: &'a str,
    /// The `Host` field's value as received.
    pub authority: &'a str,
    /// Path and query as received, beginning with `/`.
    pub target: &'a str,
    /// Where the product's own path begins in `target`: the length of `/{product}`, or 0 when the product is known by
    /// its host name.
    pub route_at: usize,
    /// All header fields in the order received.
    pub headers: &'a [Header<'a>],
    /// The whole body; empty when there is none.
    pub body: &'a [u8],
    /// The address of the client: the peer, or what a configured proxy says.
    pub client_ip: IpAddr,
}

impl<'a> RequestView<'a> {
    /// The path as received, and the query as received, without the `?`; `None` when there is no `?`.
    pub fn path_and_query(&self) -> (&'a str, Option<&'a str>) {
        let split = memchr::memchr(b'?', self.target.as_bytes()).and_then(|at| self.target.split_at_checked(at));
        split.map_or((self.target, None), |(path, query)| (path, query.get(1..)))
    }

    /// The path as received, without the query.
    pub fn path(&self) -> &'a str {
        self.path_and_query().0
    }

    /// The query as received, without the `?`; `None` when there is no `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.path_and_query().1
    }

    /// The path inside the product: what the vendor's own documentation calls the path. At least `/`.
    pub fn route(&self) -> &'a str {
        match self.path().get(self.route_at..) {
            Some(route) if !route.is_empty() => route,
            _ => "/",
        }
    }

    /// The values of one field, in the order received. `name` is lower case.
    pub fn header_values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers.iter().filter(move |header| header.name == name).map(|header| header.value)
    }

    /// The first value of one field; the gate has refused requests where a field that matters stands twice.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value)
    }

    /// Whether the method is safe in the sense of RFC 9110 section 9.2.1 and so may be repeated.
    pub fn is_safe(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }
}
