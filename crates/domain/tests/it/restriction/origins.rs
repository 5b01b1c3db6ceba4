//! Origin lists: exactly what a browser sends, and nothing that merely resembles it (T43).

use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::{Caller, RestrictionError, Restrictions};

use super::{check, parse};
use crate::fixture::Request;

const LISTED: [&str; 4] =
    ["https://shop.example", "https://pay.shop.example:8443", "http://localhost:3000", "https://[2001:db8::1]:8443"];

fn listed(name: &str) -> Restrictions {
    parse(name, &[], &LISTED, &[]).expect("origins")
}

fn judge(name: &str, origins: &[&[u8]], caller: Caller) -> Result<(), DenyReason> {
    let request = origins.iter().fold(Request::new("GET /"), |request, origin| request.with("origin", origin));
    check(&listed(name), name, &request, caller)
}

const REFUSED: Result<(), DenyReason> = Err(DenyReason::OriginNotAllowed);

#[test]
fn listed_origins_pass_whatever_was_shown() {
    for origin in LISTED {
        for caller in [Caller::Secret, Caller::PublicKey] {
            assert_eq!(judge("kspay", &[origin.as_bytes()], caller), Ok(()), "{origin}");
        }
    }
}

/// What a list must not admit.
const ODD: &[&str] = &[
    // Another scheme, host or port.
    "http://shop.example",
    "ws://shop.example",
    "wss://shop.example",
    "ftp://shop.example",
    "file://",
    "https://shop.example:443",
    "https://shop.example:80",
    "https://shop.example:8443",
    "https://shop.example:",
    "https://pay.shop.example",
    "https://pay.shop.example:8444",
    "https://pay.shop.example:08443",
    "https://pay.shop.example:84430",
    "https://pay.shop.example:844",
    "http://localhost",
    "http://localhost:3001",
    "http://localhost:30000",
    "http://127.0.0.1:3000",
    "http://[::1]:3000",
    "https://localhost:3000",
    "https://[2001:db8::1]",
    "https://[2001:db8::2]:8443",
    "https://[2001:db8:0::1]:8443",
    "https://[2001:DB8::1]:8443",
    "https://2001:db8::1:8443",
    // Case.
    "HTTPS://shop.example",
    "Https://shop.example",
    "https://Shop.example",
    "https://SHOP.EXAMPLE",
    "http://LOCALHOST:3000",
    // In front of it, behind it, around it.
    "https://evilshop.example",
    "https://evil-shop.example",
    "https://www.shop.example",
    "https://.shop.example",
    "https://shop.example.evil.test",
    "https://shop.examples",
    "https://shop.example.",
    "https://shop.exampl",
    "https://hop.example",
    "https://shopxexample",
    "https://shop-example",
    "https://evil.test#https://shop.example",
    "https://evil.test/https://shop.example",
    "https://shop.example@evil.test",
    "https://user@shop.example",
    "https://user:pass@shop.example",
    "https://shop.example%2eevil.test",
    "https://shop.example\\.evil.test",
    // More than an origin.
    "https://shop.example/",
    "https://shop.example/pay",
    "https://shop.example?",
    "https://shop.example#",
    "https://shop.example, https://shop.example",
    "https://shop.example https://shop.example",
    "https://shop.example,",
    "https://shop.example;",
    "https://shop.example\u{0}",
    "https://shop.example\t",
    " https://shop.example",
    "https://shop.example ",
    "\"https://shop.example\"",
    // Less than one.
    "",
    "*",
    "null",
    "NULL",
    "undefined",
    "https",
    "https:",
    "https://",
    "://shop.example",
    "//shop.example",
    "shop.example",
    "shop.example:443",
    "https:/shop.example",
    "https:shop.example",
    "https:///shop.example",
    // Letters that look alike.
    "https://shоp.example",
    "https://ｓhop.example",
    "https://xn--shp-flc.example",
    "https://shop.example\u{200b}",
    "https://shop。example",
    // The vendor's own client, in a dialect that knows none, and near misses of its name.
    "kspay-flutter-v2",
    "kspay-flutter-v",
    "kspay-flutter-v1 ",
    "KSPAY-FLUTTER-V1",
    "kspay-flutter-v1.evil.test",
    "https://kspay-flutter-v1",
];

#[test]
fn odd_origins_are_refused() {
    let odd: Vec<&[u8]> =
        ODD.iter().map(|text| text.as_bytes()).chain([b"https://shop.example\xff".as_slice(), b"\xff\xfe"]).collect();
    assert!(odd.len() >= 60);
    for origin in &odd {
        for caller in [Caller::Secret, Caller::PublicKey] {
            let text = String::from_utf8_lossy(origin);
            assert_eq!(judge("kspay", &[origin], caller), REFUSED, "{text:?}");
        }
    }
}

#[test]
fn a_missing_origin_passes_only_with_the_secret() {
    assert_eq!(judge("kspay", &[], Caller::Secret), Ok(()), "servers send none");
    assert_eq!(judge("kspay", &[], Caller::PublicKey), REFUSED, "browsers always do");
}

#[test]
fn two_origins_are_none() {
    let good = LISTED[0].as_bytes();
    for pair in [[good, good], [good, b"https://evil.test"], [b"https://evil.test", good], [good, b""]] {
        for caller in [Caller::Secret, Caller::PublicKey] {
            assert_eq!(judge("kspay", &pair, caller), REFUSED);
        }
    }
}

#[test]
fn the_vendors_own_client_passes_every_list_of_its_vendor_alone() {
    for caller in [Caller::Secret, Caller::PublicKey] {
        assert_eq!(judge("kspay", &[b"kspay-flutter-v1"], caller), Ok(()));
        assert_eq!(judge("razorpay", &[b"kspay-flutter-v1"], caller), REFUSED);
    }
}

/// What cannot be listed.
const UNLISTABLE: &[&str] = &[
    "",
    "*",
    "null",
    "https://*",
    "https://*.shop.example",
    "shop.example",
    "https://",
    "https:///",
    "//shop.example",
    "HTTPS://shop.example",
    "https://Shop.example",
    "https://shop.example/",
    "https://shop.example/pay",
    "https://shop.example?x",
    "https://shop.example#x",
    "https://shop.example:443",
    "http://shop.example:80",
    "https://shop.example:0",
    "https://shop.example:65536",
    "https://shop.example:08443",
    "https://shop.example:+1",
    "https://shop.example:",
    "https://shop.example:x",
    "https://user@shop.example",
    "https://.shop.example",
    "https://shop.example.",
    "https://shop..example",
    "https://shop.example ",
    " https://shop.example",
    "https://shop .example",
    "https://shöp.example",
    "https://shop_1.example",
    "ftp://shop.example",
    "javascript://shop.example",
    "https://[::1",
    "https://::1]",
    "https://[]",
    "https://[::1]:443",
    "https://[::1]x",
    "https://[0:0:0:0:0:0:0:1]",
    "https://[2001:DB8::1]",
    "https://[fe80::1%25eth0]",
    "https://[::1]]",
    "https://shop.example\n",
    "https://shop.example,https://b.example",
    "kspay-flutter-v1",
];

#[test]
fn only_what_a_browser_sends_can_be_listed() {
    for origin in [
        "https://shop.example",
        "http://shop.example",
        "https://a-b.c-d.example:1",
        "https://shop.example:65535",
        "http://shop.example:443",
        "https://shop.example:80",
        "http://localhost",
        "http://127.0.0.1:8080",
        "https://xn--shp-flc.example",
        "https://[::1]:3000",
        "https://[2001:db8::1]",
        "https://a",
    ] {
        let parsed = parse("keymint", &[], &[origin], &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(&*parsed.allowed_origins[0], origin, "kept as given");
    }
    for odd in UNLISTABLE {
        let error = parse("keymint", &[], &[odd], &[]).expect_err(odd);
        assert_eq!((&error, error.field()), (&RestrictionError::Origin((*odd).to_owned()), "allowed_origins"));
    }
    let long = format!("https://{}.example", "a".repeat(239));
    assert_eq!(long.len(), 255);
    assert!(parse("keymint", &[], &[&long], &[]).is_ok());
    assert!(parse("keymint", &[], &[&format!("{long}s")], &[]).is_err(), "256 bytes");
}
