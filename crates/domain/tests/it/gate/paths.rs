//! Paths, queries and hosts: one reading or none (T90).

use keymint_domain::gate::GateFault;

use super::everywhere;
use crate::fixture::Request;

fn path(target: &str) -> Result<(), GateFault> {
    everywhere(&Request::new(&format!("POST {target}")))
}

/// Paths that other software could read as another path.
const ODD: &[&str] = &[
    // No path at all.
    "",
    "*",
    "v1/orders",
    "?x=1",
    "#x",
    "https://pay.example/v1",
    "pay.example:443",
    "//pay.example/v1",
    // Dot segments, raw and escaped, whole and half.
    "/.",
    "/..",
    "/./",
    "/../",
    "/v1/./orders",
    "/v1/../orders",
    "/v1/orders/.",
    "/v1/orders/..",
    "/v1/.?x=1",
    "/%2e",
    "/%2E",
    "/v1/%2e/orders",
    "/v1/%2e%2e/orders",
    "/v1/.%2e/orders",
    "/v1/%2e./orders",
    "/v1/%2E%2E/orders",
    "/v1/a%2eb",
    // Slashes.
    "//",
    "/v1//orders",
    "/v1/orders//",
    "///",
    "/v1/%2forders",
    "/v1/%2Forders",
    "/v1%2f%2forders",
    "/%2f",
    "/v1\\orders",
    "/v1/..\\orders",
    "/v1/%5corders",
    "/v1/%5Corders",
    "/\\",
    "/%5c",
    // Characters that end a path or begin something else.
    "/v1/orders;x=1",
    "/v1/;/orders",
    "/v1;/orders",
    "/v1/%3borders",
    "/v1/%3Borders",
    "/v1/orders#x",
    "/v1/%23",
    "/v1/%3f",
    "/v1/%3Fx=1",
    "/v1/orders%3fx",
    "/v1/%00",
    "/v1/orders%00.json",
    "/v1/%0a",
    "/v1/%0d%0a",
    "/v1/%09",
    "/v1/%1f",
    "/v1/%7f",
    "/v1/\u{0}",
    "/v1/\n",
    "/v1/\t",
    "/v1/ orders",
    "/v1/orders ",
    "/v1/\u{7f}",
    // Percent signs that stand for nothing, or for themselves.
    "/v1/%",
    "/v1/%2",
    "/v1/%g0",
    "/v1/%0g",
    "/v1/%zz",
    "/v1/% 20",
    "/v1/%%20",
    "/v1/%25",
    "/v1/%252f",
    "/v1/%252e%252e",
    "/v1/%25%32%66",
    "/v1/%u002f",
    "/v1/%-1",
    "/v1/%+1",
    // Beyond ASCII.
    "/v1/é",
    "/v1/ｓ",
    "/v1/\u{202e}",
    "/v1/%c3%a9",
    "/v1/%C3%A9",
    "/v1/%80",
    "/v1/%ff",
    "/v1/%c0%af",
    "/v1/%e0%80%af",
    "/v1/%c0%ae%c0%ae",
    "/v1/%ef%bc%8f",
    // An escape that nobody needs: another spelling of a path that a rule may name.
    "/v1/%6frders",
    "/v1/%6Frders",
    "/%761/orders",
    "/v1/orders%2d1",
    "/v1/orders%5f1",
    "/v1/orders%7e1",
    "/v1/%30",
    "/v1/%41",
    "/v1/%5A",
    "/v1/%7a",
    "/v1/%39",
    // Characters that clients must escape.
    "/v1/<x>",
    "/v1/\"",
    "/v1/`",
    "/v1/{id}",
    "/v1/|",
    "/v1/^",
];

#[test]
fn odd_paths_are_refused() {
    assert!(ODD.len() >= 60);
    for target in ODD {
        assert_eq!(path(target), Err(GateFault::Path), "{target:?}");
    }
}

#[test]
fn ordinary_paths_pass() {
    for target in [
        "/",
        "/v1",
        "/v1/",
        "/v1/orders",
        "/v1/orders/",
        "/v1/orders/order_DBJOWzybf0sJbb",
        "/V1/Orders",
        "/v1/a.b",
        "/v1/.well-known",
        "/v1/...",
        "/v1/..a",
        "/v1/a..",
        "/v1/a~b_c-d",
        "/v1/@me",
        "/v1/x:cancel",
        "/v1/a,b",
        "/v1/a=b",
        "/v1/a+b",
        "/v1/a&b",
        "/v1/(a)",
        "/v1/!",
        "/v1/$",
        "/v1/'",
        "/v1/*",
        "/v1/[1]",
        // Identifiers that are base 64, as they stand and as clients escape them.
        "/v1/dGhpcyBpcyBhbiBpZA==",
        "/v1/dGhpcyBpcyBhbiBpZA%3D%3D",
        "/v1/ab+cd",
        "/v1/ab%2Bcd",
        "/v1/-_-_",
        "/v1/550e8400-e29b-41d4-a716-446655440000",
        // Characters that a client has to escape or may.
        "/v1/r%201",
        "/v1/a%40b.example",
        "/v1/%22",
        "/v1/%7B%7D",
        "/v1/%7b%7d",
        "/v1/%3A",
        "/v1/%2C",
        "/v1/%26",
        "/v1/%21",
        // What only looks like a parameter that is forbidden.
        "/v1/orders?count=10",
        "/v1/orders?count=10&skip=1&from=1400826740&to=1400826741",
        "/v1/orders?",
        "/v1/orders?a",
        "/v1/orders?q=a%20b&r=%C3%A9&s=%2F..%2F",
        "/v1/orders?expand[]=payments&expand[]=card",
        "/v1/orders?x=/../y//z;w",
        "/v1/orders?url=https://shop.example/r?a=1",
        "/v1/orders?q=%zz",
        "/v1/orders?method=upi",
        "/v1/orders?payment_method=x",
    ] {
        assert_eq!(path(target), Ok(()), "{target}");
    }
}

#[test]
fn every_byte_of_a_path_is_either_plain_or_refused() {
    let plain = b"!$&'()*+,-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~";
    for byte in 0..0x80_u8 {
        let raw = format!("/v1/a{}b", char::from(byte));
        // A question mark ends the path, a percent sign begins an escape.
        let expected = byte == b'?' || plain.contains(&byte);
        assert_eq!(path(&raw).is_ok(), expected, "{raw:?}");
    }
    let escaped = b" !\"$&'()*+,:<=>@[]^`{|}";
    for byte in 0..=u8::MAX {
        for raw in [format!("/v1/a%{byte:02x}b"), format!("/v1/a%{byte:02X}b")] {
            assert_eq!(path(&raw).is_ok(), escaped.contains(&byte), "{raw}");
        }
    }
}

#[test]
fn queries_are_printable_ascii_without_a_fragment() {
    for query in ["a b", "a\tb", "a\nb", "a\u{0}", "é", "a#b", "#", "a=1#", "\u{7f}", "\u{202e}"] {
        assert_eq!(path(&format!("/v1/orders?{query}")), Err(GateFault::Path), "{query:?}");
    }
}

#[test]
fn hosts_are_names_or_addresses_with_an_optional_port() {
    let with = |authority: &str| {
        let mut request = Request::new("POST /v1/orders");
        request.authority = authority.to_owned();
        everywhere(&request)
    };
    for host in [
        "pay.example",
        "PAY.example",
        "pay.example:8443",
        "localhost",
        "127.0.0.1:80",
        "[2001:db8::1]:443",
        "a_b.internal",
    ] {
        assert_eq!(with(host), Ok(()), "{host}");
    }
    let long = "a".repeat(255);
    assert_eq!(with(&long), Ok(()));
    for odd in [
        "",
        " ",
        "pay.example ",
        " pay.example",
        "pay example",
        "user@pay.example",
        "user:pass@pay.example",
        "pay.example/",
        "pay.example/x",
        "pay.example?",
        "pay.example#",
        "pay.example\\",
        "pay.example,evil.test",
        "päy.example",
        "pay.example\t",
        "pay.example\r\nx: y",
        "pay.example%00",
        "*",
        "{host}",
        "pay;example",
        "'",
        "\"pay.example\"",
        &format!("{long}a"),
    ] {
        assert_eq!(with(odd), Err(GateFault::Host), "{odd:?}");
    }
}

#[test]
fn two_hosts_are_refused() {
    let once = Request::new("POST /v1/orders").with("host", "pay.example");
    assert_eq!(everywhere(&once), Ok(()));
    assert_eq!(everywhere(&once.clone().with("host", "pay.example")), Err(GateFault::Host));
    assert_eq!(everywhere(&once.with("host", "evil.test")), Err(GateFault::Host));
}
