//! Lists of addresses, origins and scopes: what is accepted admits itself, its ends, and not what is beside it.
#![no_main]

use std::net::IpAddr;

use keymint_domain::reason::DenyReason;
use keymint_domain::request::Header;
use keymint_domain::restriction::{Caller, Restrictions, canonical};
use keymint_fuzz::{dialects, line, take, view};
use libfuzzer_sys::fuzz_target;

fn check_addresses(restrictions: &Restrictions, judge: impl Fn(IpAddr) -> bool) {
    for network in &restrictions.allowed_ips {
        let (first, last) = (network.network(), network.broadcast());
        assert_eq!(network.addr(), first, "a list holds blocks, not addresses inside them");
        for address in [first, last] {
            assert!(judge(address) || canonical(address) != address, "{network} does not admit {address}");
        }
        if let (IpAddr::V4(v4), [_]) = (last, restrictions.allowed_ips.as_slice()) {
            assert!(judge(IpAddr::V6(v4.to_ipv6_mapped())), "{network} does not admit {v4} as IPv6");
            if let Some(next) = u32::from(v4).checked_add(1) {
                assert!(!judge(IpAddr::V4(next.into())), "{network} admits what is behind it");
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let dialect = &dialects()[take(&mut data) % dialects().len()];
    let counts = take(&mut data);
    let mut texts = |count: usize| -> Vec<String> {
        (0..count).map(|_| String::from_utf8_lossy(line(&mut data)).into_owned()).collect()
    };
    let (ips, origins, scopes) = (texts(counts % 4), texts(counts / 4 % 4), texts(counts / 16 % 2));
    let _ = Restrictions::parse(dialect, &[], &[], &scopes);
    if let Ok(addresses) = Restrictions::parse(dialect, &ips, &[], &[]) {
        let again: Vec<String> = addresses.allowed_ips.iter().map(ToString::to_string).collect();
        assert_eq!(Restrictions::parse(dialect, &again, &[], &[]).as_ref(), Ok(&addresses), "as stored, read again");
        check_addresses(&addresses, |client_ip| {
            let request = view("GET", "/", &[], b"");
            let answer = addresses.check(
                dialect,
                &keymint_domain::request::RequestView { client_ip, ..request },
                Caller::Secret,
            );
            assert!(matches!(answer, Ok(()) | Err(DenyReason::IpNotAllowed)));
            answer.is_ok()
        });
    }
    if let Ok(listed) = Restrictions::parse(dialect, &[], &origins, &[]) {
        let judge = |origin: &str| {
            let headers = [Header { name: "origin", value: origin.as_bytes() }];
            listed.check(dialect, &view("GET", "/", &headers, b""), Caller::PublicKey).is_ok()
        };
        for origin in &listed.allowed_origins {
            assert_eq!(origin.to_lowercase(), **origin);
            assert!(origin.starts_with("http://") || origin.starts_with("https://"));
            assert!(judge(origin));
            assert!(!origin.contains(['@', '*', '?', '#', '\\', '%', ' ']) && origin.matches('/').count() == 2);
            for near in [format!("{origin}/"), format!("{origin}."), format!(" {origin}"), origin.to_uppercase()] {
                assert!(!judge(&near), "{near}");
            }
        }
    }
});
