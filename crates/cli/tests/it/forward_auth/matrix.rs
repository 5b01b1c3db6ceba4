//! Odd request targets through each proxy: what reaches the upstream is what Keymint has allowed, byte for byte, with
//! Keymint's word for whose it is and without what proved it. Whatever else happens to a target is that proxy's affair.

use keymint_testkit::upstream::Seen;
use keymint_testkit::{Key, Reply};

use super::front::Kind;
use super::{Stand, assert_introduced};

/// One a line.
const TARGETS: &str = include_str!("targets.txt");
/// Fewer would be another test.
const TARGETS_MIN: usize = 300;

/// The bytes of a line of the file.
fn target(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, marked)) = rest.split_once('<') {
        bytes.extend_from_slice(before.as_bytes());
        let Some((mark, after)) = marked.split_once('>') else {
            bytes.push(b'<');
            rest = marked;
            continue;
        };
        let hex = (mark.len() == 2).then(|| u8::from_str_radix(mark, 16).ok()).flatten();
        let repeated = mark.rsplit_once('*').and_then(|(text, count)| Some(text.repeat(count.parse().ok()?)));
        match (hex, repeated) {
            (Some(byte), _) => bytes.push(byte),
            (None, Some(text)) => bytes.extend_from_slice(text.as_bytes()),
            (None, None) => bytes.extend_from_slice(format!("<{mark}>").as_bytes()),
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What became of the requests of a matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That were sent.
    pub sent: usize,
    /// That reached the upstream.
    pub arrived: usize,
    /// That were refused, by Keymint or by the proxy.
    pub refused: usize,
}

/// Whether a question was asked about just this method and target. The question is looked for as it stands on the wire: as
/// fields, as the request itself behind a prefix, or as fields 2 and 4 of a protobuf message.
fn was_asked(kind: Kind, asked: &[u8], seen: &Seen) -> bool {
    let text: String = asked.iter().map(|byte| char::from(*byte)).collect();
    let holds = |part: &str| text.to_lowercase().contains(&part.to_lowercase()) && text.contains(seen.target());
    let (method, target) = (seen.method(), seen.target());
    match kind {
        Kind::Nginx => holds(&format!("\r\nX-Original-Method: {method}\r\nX-Original-URI: {target}\r\n")),
        Kind::Caddy | Kind::Haproxy | Kind::Apache => {
            holds(&format!("\r\nX-Forwarded-Method: {method}\r\n"))
                && holds(&format!("\r\nX-Forwarded-Uri: {target}\r\n"))
        }
        Kind::NginxBodies | Kind::EnvoyHttp => {
            text.starts_with(&format!("{method} /v1/forward-auth/razorpay{target} HTTP/1.1\r\n"))
        }
        Kind::EnvoyGrpc => {
            let messages = data(asked);
            messages.contains(&member(2, method)) && messages.contains(&member(4, target))
        }
        // The gateway is its own proxy: what it was sent is what it decided about. Behind its bare prefix stands a `/`.
        Kind::Keymint => {
            let bare = target.strip_prefix('/').filter(|rest| rest.is_empty() || rest.starts_with('?'));
            let asked_for = |target: &str| text.starts_with(&format!("{method} /razorpay{target} HTTP/1.1\r\n"));
            asked_for(target) || bare.is_some_and(asked_for)
        }
    }
}

/// What HTTP/2 carries in frames of data (RFC 9113 section 4.1).
fn data(wire: &[u8]) -> String {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut rest = wire.strip_prefix(PREFACE).unwrap_or(wire);
    let mut text = String::new();
    while let [a, b, c, kind, _, _, _, _, _, behind @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (payload, next) = behind.split_at(length.min(behind.len()));
        if *kind == 0 {
            text.extend(payload.iter().map(|byte| char::from(*byte)));
        }
        rest = next;
    }
    text
}

/// A text of a protobuf message: number and wire type 2, length, bytes.
fn member(number: u8, text: &str) -> String {
    let mut length = text.len();
    let mut bytes = String::from(char::from(number << 3 | 2));
    while length > 127 {
        bytes.push(char::from(u8::try_from(length % 128).unwrap_or(0) | 128));
        length /= 128;
    }
    bytes.push(char::from(u8::try_from(length).unwrap_or(0)));
    bytes + text
}

/// Sends one request and holds what came of it against what was decided.
pub fn judge(stand: &Stand, key: &Key, bytes: &[u8], what: &str) -> (Counts, Option<Reply>) {
    assert_eq!(stand.upstream.seen().len(), 0, "before {what}: something arrived late");
    let before = stand.allowed("razorpay");
    stand.tap.take();
    let reply = stand.send(bytes);
    let seen = stand.upstream.seen();
    stand.upstream.forget();
    let asked = stand.tap.take();
    let allowed = stand.allowed("razorpay") - before;
    assert!(
        seen.len() <= usize::try_from(allowed).unwrap_or(0),
        "{what}: {allowed} allowed, and the upstream saw {seen:?}"
    );
    for seen in &seen {
        let text = String::from_utf8_lossy(&asked);
        assert!(
            was_asked(stand.front.kind, &asked, seen),
            "{what}: {:?} {:?}, asked {text}",
            seen.method(),
            seen.target()
        );
        assert_introduced(seen, key, what);
    }
    let arrived = seen.len();
    let counts = Counts { sent: 1, arrived, refused: usize::from(arrived == 0) };
    if arrived == 0 {
        assert!(reply.as_ref().is_none_or(|reply| reply.status >= 300), "{what}: {reply:?}");
    }
    (counts, reply)
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.arrived += other.arrived;
        self.refused += other.refused;
    }
}

fn every_target(kind: Kind) {
    let stand = Stand::of(kind, "razorpay");
    let key = stand.dev.key("razorpay", "targets");
    let prefix = if kind == Kind::Keymint { "/razorpay" } else { "" };
    let mut counts = Counts::default();
    for line in TARGETS.lines().filter(|line| !line.starts_with("# ")) {
        let mut bytes = format!("GET {prefix}").into_bytes();
        bytes.extend_from_slice(&target(line));
        let rest = format!(" HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nConnection: close\r\n\r\n", key.basic());
        bytes.extend_from_slice(rest.as_bytes());
        counts += judge(&stand, &key, &bytes, line).0;
    }
    eprintln!("targets through {kind:?}: {counts:?}");
    assert!(counts.sent >= TARGETS_MIN, "{counts:?}");
    // Connections to Keymint are kept, unless it found a target that is no HTTP. Its own clients' here are not.
    let opened = stand.tap.connections();
    assert!(opened <= counts.sent / 8 || kind == Kind::Keymint, "{opened} connections for {counts:?}");
    assert!(counts.arrived >= 40 && counts.refused >= 200, "{counts:?}");
}

#[test]
fn what_arrives_through_nginx_is_what_was_decided_about() {
    every_target(Kind::Nginx);
}

#[test]
fn what_arrives_through_nginx_with_bodies_is_what_was_decided_about() {
    every_target(Kind::NginxBodies);
}

#[test]
fn what_arrives_through_caddy_is_what_was_decided_about() {
    every_target(Kind::Caddy);
}

#[test]
fn what_arrives_through_haproxy_is_what_was_decided_about() {
    every_target(Kind::Haproxy);
}

#[test]
fn what_arrives_through_apache_is_what_was_decided_about() {
    every_target(Kind::Apache);
}

#[test]
fn what_arrives_through_envoy_over_http_is_what_was_decided_about() {
    every_target(Kind::EnvoyHttp);
}

#[test]
fn what_arrives_through_envoy_over_grpc_is_what_was_decided_about() {
    every_target(Kind::EnvoyGrpc);
}

#[test]
fn what_arrives_through_keymints_own_proxy_is_what_was_decided_about() {
    every_target(Kind::Keymint);
}

#[test]
fn a_line_of_the_file_is_read_as_it_says() {
    assert_eq!(target("/a<0d>b<x*3><20>"), b"/a\rbxxx ");
    assert_eq!(target("/a<b>c<"), b"/a<b>c<");
}
