//! What of a request goes on to whatever is behind Keymint, by the names of its fields.

use crate::dialect::Dialect;
use crate::dialect::credential_headers::CREDENTIAL_HEADERS;

/// Whether a field of a client's goes on to whatever is behind Keymint. Credentials do not; nothing does that says who the
/// client is under a name that it could have written; nothing that belongs to one connection (RFC 9110 section 7.6.1); and no
/// name that holds anything but letters, digits and `-`: CGI and its heirs read `X_Keymint_Key`, `X.Keymint.Key` and
/// `X-Keymint-Key` as one (T88). `name` is in small letters.
pub fn goes_on(name: &str, dialect: &Dialect) -> bool {
    !is_dropped(name, dialect)
}

fn is_dropped(name: &str, dialect: &Dialect) -> bool {
    if dialect.extra_credential_headers.iter().any(|header| **header == *name) {
        return true;
    }
    // Most of what clients send, looked at first.
    if matches!(
        name,
        "accept" | "accept-encoding" | "accept-language" | "content-type" | "cookie" | "origin" | "user-agent"
    ) {
        return false;
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return true;
    }
    // `Content-Length` is set anew from the body itself; `Expect` was answered here.
    is_hop_by_hop(name)
        || matches!(name, "content-length" | "expect")
        || is_about_the_client(name)
        || CREDENTIAL_HEADERS.contains(&name)
}

/// Whether a field belongs to one connection, by its name alone.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-authentication-info"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Fields by which a proxy says who its client is and what it asked for. Ours alone.
fn is_about_the_client(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("x-") else {
        return matches!(
            name,
            // `Proxy` becomes the variable HTTP_PROXY (httpoxy, CVE-2016-5385).
            "forwarded" | "proxy" | "true-client-ip" | "client-ip" | "cf-connecting-ip" | "fastly-client-ip"
        );
    };
    ["keymint-", "forwarded-", "original-", "rewrite-", "envoy-", "http-method"]
        .iter()
        .any(|known| rest.starts_with(known))
        || matches!(
            rest,
            "forwarded"
                | "real-ip"
                | "client-ip"
                | "cluster-client-ip"
                | "request-id"
                | "remote-addr"
                | "remote-ip"
                | "host"
                | "proxyuser-ip"
                | "method-override"
                | "remote-user"
                | "proto"
                | "scheme"
        )
}
