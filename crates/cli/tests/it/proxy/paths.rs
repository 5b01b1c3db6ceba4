//! Paths and queries: they arrive byte for byte or are refused, and are never changed (T90).

use keymint_testkit::{Dev, Key, Upstream, http};

use super::behind;

/// Paths that some router, file system or proxy reads as another one: from the reject lists of Traefik and Envoy, the
/// advisories of oauth2-proxy, ingress-nginx and Malcolm, and the catalogues of path traversal.
const ODD: [&str; 117] = [
    "/",
    "//",
    "///",
    "/v1//orders",
    "//v1/orders",
    "/v1/orders//",
    "/v1/orders/",
    "/./v1/orders",
    "/v1/./orders",
    "/v1/orders/.",
    "/../v1/orders",
    "/v1/../orders",
    "/v1/orders/..",
    "/v1/orders/../../admin",
    "/..",
    "/.",
    "/...",
    "/v1/...",
    "/v1/.../orders",
    "/.well-known/x",
    "/v1/.orders",
    "/v1/orders.",
    "/v1/orders..",
    "/v1/..orders",
    "/%2e/v1",
    "/%2E/v1",
    "/%2e%2e/v1",
    "/%2e%2e%2f",
    "/v1/%2e%2e/admin",
    "/v1/.%2e/admin",
    "/v1/%2e./admin",
    "/v1/%2E%2E/admin",
    "/v1/%252e%252e/admin",
    "/v1/%c0%ae%c0%ae/admin",
    "/v1/%e0%80%ae/admin",
    "/v1%2forders",
    "/v1%2Forders",
    "/v1/%2f/orders",
    "/v1%252forders",
    "/v1%5corders",
    "/v1%5Corders",
    "/v1%c0%aforders",
    "/v1\\orders",
    "/v1\\..\\admin",
    "/\\",
    "/\\\\host\\x",
    "/v1/orders;a=b",
    "/v1;a=b/orders",
    "/v1/..;/admin",
    "/v1/;/orders",
    "/;",
    "/v1/orders;jsessionid=1",
    "/v1/orders%3ba",
    "/v1/orders%3b",
    "/v1/orders%3B",
    "/v1/%00",
    "/v1/orders%00",
    "/v1/orders%00.json",
    "/%00/",
    "/v1/orders%0a",
    "/v1/orders%0d%0aX:y",
    "/v1/orders%09",
    "/v1/orders%20",
    "/v1/orders%20x",
    "/v1/%7f",
    "/v1/orders%3f",
    "/v1/orders%3Fa=b",
    "/v1/orders%23",
    "/v1/orders%26",
    "/v1/orders%25",
    "/v1/orders%2500",
    "/v1/%",
    "/v1/%2",
    "/v1/%zz",
    "/v1/%u002e",
    "/v1/%u2215",
    "/v1/orders%",
    "/v1/%74ransfer",
    "/v1/%6frders",
    "/%76%31/orders",
    "/v1/~user",
    "/v1/%7euser",
    "/v1/a_b",
    "/v1/a%5fb",
    "/v1/a-b",
    "/v1/a%2db",
    "/v1/orders#x",
    "/v1/orders?a#b",
    "/V1/ORDERS",
    "/v1/orders:cancel",
    "/v1/orders@x",
    "/v1/a=b",
    "/v1/a+b",
    "/v1/a%2bb",
    "/v1/a%20b",
    "/v1/a,b",
    "/v1/a!b",
    "/v1/a'b",
    "/v1/a(b)",
    "/v1/a*b",
    "/v1/a$b",
    "/v1/a&b",
    "/v1/a|b",
    "/v1/a<b>",
    "/v1/a\"b",
    "/v1/a`b",
    "/v1/{id}",
    "/v1/%7bid%7d",
    "/v1/[id]",
    "/v1/%5bid%5d",
    "/v1/a^b",
    "/v1/%22a%22",
    "/v1/\u{e9}",
    "/v1/%c3%a9",
    "/v1/\u{2024}\u{2024}/x",
    "/v1/\u{ff0f}x",
    "/v1/%ef%bc%8fx",
];

/// Queries: what is in them is the upstream's affair, as long as it can be read in one way.
const QUERIES: [&str; 30] = [
    "?",
    "??",
    "?a",
    "?a=",
    "?=a",
    "?a=b",
    "?a=b&a=c",
    "?a=b&&c",
    "?&",
    "?a=b;c=d",
    "?a=//",
    "?a=/../",
    "?a=%2e%2e",
    "?a=%2f",
    "?a=%5c",
    "?a=\\",
    "?a=%00",
    "?a=%",
    "?a=%zz",
    "?a=%252e",
    "?a=+",
    "?a=%20",
    "?a[]=1&a[]=2",
    "?a={b}",
    "?a|b",
    "?a=\u{e9}",
    "?a=%c3%a9",
    "?redirect=http://evil.example/",
    "?a#b",
    "?a=\"b\"",
];

fn status(dev: &Dev, key: &Key, target: &str) -> u16 {
    let head =
        format!("GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\nConnection: close\r\n\r\n", key.basic());
    http::raw(dev.gateway, head.as_bytes()).map_or(0, |reply| reply.status)
}

/// Sends each and says how many arrived.
fn judge(dev: &Dev, key: &Key, upstream: &Upstream, texts: impl Iterator<Item = String>) -> (usize, usize) {
    let (mut arrived, mut refused) = (0, 0);
    for text in texts {
        let status = status(dev, key, &format!("/razorpay{text}"));
        let seen = upstream.seen();
        upstream.forget();
        match (status, seen.as_slice()) {
            (200, [only]) => {
                assert_eq!(only.target(), text, "it was changed");
                arrived += 1;
            }
            (400, []) => refused += 1,
            (status, seen) => panic!("{text}: {status}, and the upstream saw {seen:?}"),
        }
    }
    (arrived, refused)
}

#[test]
fn odd_paths_arrive_byte_for_byte_or_are_refused_and_are_never_changed() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "odd");
    let (arrived, refused) = judge(&dev, &key, &upstream, ODD.iter().map(|path| (*path).to_owned()));
    assert!(arrived >= 25 && refused >= 70, "{arrived} arrived, {refused} were refused");
    assert_eq!(arrived + refused, ODD.len());
    let (arrived, refused) = judge(&dev, &key, &upstream, QUERIES.iter().map(|query| format!("/v1/orders{query}")));
    assert_eq!(arrived + refused, QUERIES.len());
    assert!(arrived >= 20, "{arrived} arrived, {refused} were refused");
}

#[test]
fn every_byte_in_a_path_arrives_as_it_is_or_is_refused() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "bytes");
    let raw = (0x21_u8..0x7f).map(|byte| format!("/v1/a{}b", char::from(byte)));
    let escaped = (0_u8..=255).map(|byte| format!("/v1/a%{byte:02x}b"));
    let upper = (0_u8..=255).map(|byte| format!("/v1/a%{byte:02X}b"));
    let (arrived, refused) = judge(&dev, &key, &upstream, raw.chain(escaped).chain(upper));
    assert!(arrived > 100 && refused > 100, "{arrived} arrived, {refused} were refused");
}

#[test]
fn the_product_is_taken_off_the_path_unless_the_operator_keeps_it() {
    let (short, whole) = (Upstream::plain(), Upstream::plain());
    let table = |upstream: &Upstream, more: &str| {
        format!(
            "hosts_test = [\"{more}.example\"]\n[product.upstream_test]\naddresses = [\"{}\"]\nkeep_prefix = {}\n",
            upstream.url(),
            more == "whole"
        )
    };
    let products = [("razorpay", table(&short, "short")), ("kpay", table(&whole, "whole"))];
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &products);
    let key = dev.key("razorpay", "prefix");
    for (target, expected) in
        [("/razorpay", "/"), ("/razorpay?a=b", "/?a=b"), ("/razorpay/", "/"), ("/razorpay/v1?", "/v1?")]
    {
        assert_eq!(status(&dev, &key, target), 200, "{target}");
        assert_eq!(short.only().target(), expected);
        assert_eq!(short.only().field("x-forwarded-prefix").as_deref(), Some("/razorpay"));
        short.forget();
    }
    let by_host = keymint_testkit::Request::new("GET", "/v1/orders?a").header("Host", "short.example");
    assert_eq!(by_host.header("Authorization", &key.basic()).send(dev.gateway).status, 200);
    assert_eq!((short.only().target(), short.only().field("x-forwarded-prefix")), ("/v1/orders?a", None));
    assert_eq!(short.only().field("x-forwarded-host").as_deref(), Some("short.example"));

    let pair = dev.key("kpay", "prefix");
    let call = keymint_testkit::Call::new("kpay", "GET", "/api/v1/payments/me?x=%20", "").signed(dev.gateway, &pair);
    assert_eq!(call.send(dev.gateway).status, 200);
    assert_eq!(whole.only().target(), "/kpay/api/v1/payments/me?x=%20");
    assert_eq!(whole.only().field("x-forwarded-prefix"), None);
}
