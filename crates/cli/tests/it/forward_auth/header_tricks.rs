//! What a client can write into a head to be somebody else, to be asked about as something else, or to be read as two
//! requests: nothing of it arrives, and what arrives was decided about.

use keymint_testkit::Key;

use super::Stand;
use super::front::Kind;
use super::matrix::{Counts, judge};

/// Lines that are added to a good request.
const TRICKS: &[&str] = &[
    // Identity, in any spelling.
    "X-Keymint-Merchant: mer_evil",
    "x-keymint-merchant: mer_evil",
    "X-KEYMINT-KEY: evil",
    "X-Keymint-Key: evil\r\nX-Keymint-Key: evil2",
    "X_Keymint_Key: evil",
    "X-Keymint_Key: evil",
    "x_keymint_merchant: mer_evil",
    "X.Keymint.Key: evil",
    "X!Keymint!Key: evil",
    "X~Keymint~Key: evil",
    "X'Keymint'Key: evil",
    "X|Keymint|Key: evil",
    "X-Keymint-Key : evil",
    " X-Keymint-Key: evil",
    "X-Keymint-Key:evil",
    "X-Keymint-Key:\tevil",
    "X-Keymint-Scopes: write",
    "X-Keymint-Mode: live",
    "X-Keymint-App: app_evil",
    "X-Keymint-Identity: evil",
    "X-Keymint-Anything: evil",
    "X-Keymint-Body: whole",
    "X-Keymint-Answer: fields",
    // Fields of the connection.
    "Connection: X-Keymint-Key",
    "Connection: close, X-Keymint-Merchant, X-Keymint-App, X-Keymint-Key",
    "Connection: Authorization",
    "Connection: keep-alive\r\nConnection: X-Keymint-Mode",
    "Proxy-Connection: X-Keymint-Key",
    "Keep-Alive: X-Keymint-Key",
    // What is asked about.
    "X-Forwarded-Uri: /v1/allowed",
    "X-Forwarded-Method: GET",
    "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /v1/allowed",
    "X-Original-URI: /v1/allowed",
    "X-Original-Method: GET\r\nX-Original-URI: /v1/allowed",
    "X-Original-URL: /v1/allowed",
    "X-Rewrite-URL: /v1/allowed",
    "X_Original_URI: /v1/allowed",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Prefix: /razorpay",
    "Forwarded: for=203.0.113.7;host=evil.example",
    "X-Envoy-Original-Path: /v1/allowed",
    "x-envoy-auth-partial-body: false",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    // Two readings of one head.
    "Host: evil.example",
    "Host : h",
    "Authorization: Basic eDp5",
    "authorization: Bearer x",
    "X-Api-Key: x",
    "X-Secret-Key: x",
    "X-Folded: a\r\n X-Keymint-Key: evil",
    "X-Folded: a\r\n\tb",
    "X-Bare: a\rX-Keymint-Key: evil",
    "X-Bare: a\nX-Keymint-Key: evil",
    "X-Null: a\0b",
    "X-Keymint-Key\0: evil",
    "\u{ff38}-Keymint-Key: evil",
    ": evil",
    "no colon",
    "Expect: evil",
    "Upgrade: websocket\r\nConnection: upgrade",
    "Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "TE: trailers\r\nConnection: te",
    "Proxy: http://evil.example",
    "Proxy-Authorization: Basic eDp5",
    "Range: bytes=0-1",
    "Cookie: a=b",
];

/// Framings with a second request in them, or that two readers would end in two places. `{good}` is the line that proves who
/// it is, `{length}` the length of the request that hides in the body.
const FRAMINGS: &[&str] = &[
    "Content-Length: {length}\r\n\r\n{hidden}",
    "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{hidden}",
    "Content-Length: {length}\r\nTransfer-Encoding: identity\r\n\r\n{hidden}",
    "Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}",
    "Content-Length: {length}, {length}\r\n\r\n{hidden}",
    "Content-Length: +{length}\r\n\r\n{hidden}",
    "Content-Length: -1\r\n\r\n{hidden}",
    "Content-Length: 0x10\r\n\r\n{hidden}",
    "Content-Length:\r\n\r\n{hidden}",
    "Content_Length: {length}\r\n\r\n{hidden}",
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{hidden}",
    "X: y\r\nTransfer-Encoding: chunked\r\n\r\n0;a=b\r\n\r\n{hidden}",
    "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Keymint-Key: evil\r\n\r\n{hidden}",
    "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n{hidden}",
    "Transfer-Encoding: chunked\r\n\r\n0_0\r\n\r\n{hidden}",
];

fn head(kind: Kind, key: &Key, method: &str) -> String {
    let prefix = if kind == Kind::Keymint { "/razorpay" } else { "" };
    format!("{method} {prefix}/v1/orders?trick HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n", key.basic())
}

fn every_trick(kind: Kind) {
    let stand = Stand::of(kind, "razorpay");
    let key = stand.dev.key("razorpay", "tricks");
    let mut counts = Counts::default();
    for trick in TRICKS {
        for method in ["GET", "DELETE"] {
            let bytes = format!("{}{trick}\r\n\r\n", head(kind, &key, method));
            let (found, _) = judge(&stand, &key, bytes.as_bytes(), trick);
            assert!(found.arrived <= 1, "{trick}: {found:?}");
            counts += found;
        }
    }
    // A request in the body of another has no credentials: nobody decided for it, so it must not arrive as one.
    let hidden = "GET /v1/hidden HTTP/1.1\r\nHost: h\r\nX-Keymint-Merchant: mer_evil\r\nX-Keymint-Key: evil\r\n\r\n";
    let mut framed = Counts::default();
    for framing in FRAMINGS {
        let rest = framing.replace("{length}", &hidden.len().to_string()).replace("{hidden}", hidden);
        let bytes = format!("{}Connection: close\r\n{rest}", head(kind, &key, "POST"));
        let (found, _) = judge(&stand, &key, bytes.as_bytes(), framing);
        assert!(found.arrived <= 1, "{framing}: {found:?}");
        framed += found;
    }
    eprintln!("header tricks through {kind:?}: {counts:?}, framings: {framed:?}");
    assert!(counts.sent >= 40 && counts.arrived >= 20 && counts.refused >= 10, "{counts:?}");
    assert!(framed.refused >= 10, "{framed:?}");
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_nginx() {
    every_trick(Kind::Nginx);
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_nginx_with_bodies() {
    every_trick(Kind::NginxBodies);
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_caddy() {
    every_trick(Kind::Caddy);
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_haproxy() {
    every_trick(Kind::Haproxy);
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_apache() {
    every_trick(Kind::Apache);
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_envoy_over_http() {
    every_trick(Kind::EnvoyHttp);
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_envoy_over_grpc() {
    every_trick(Kind::EnvoyGrpc);
}

#[test]
fn nothing_that_a_client_writes_into_a_head_fools_keymints_own_proxy() {
    every_trick(Kind::Keymint);
}
