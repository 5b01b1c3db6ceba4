//! Address lists: the first and the last address of a block pass, the ones beside them do not; an IPv4 address is the
//! same however it is written.

use std::net::IpAddr;

use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::{Caller, RestrictionError, canonical};

use super::{check, parse};
use crate::fixture::Request;

fn is_allowed(list: &[&str], address: &str) -> bool {
    let restrictions = parse("keymint", list, &[], &[]).unwrap_or_else(|error| panic!("{error}"));
    let request = Request::new("GET /").sent_from(address);
    let answers = [Caller::Secret, Caller::PublicKey].map(|caller| check(&restrictions, "keymint", &request, caller));
    assert_eq!(answers[0], answers[1], "an address is the same for both callers");
    assert!(matches!(answers[0], Ok(()) | Err(DenyReason::IpNotAllowed)));
    answers[0].is_ok()
}

#[test]
fn blocks_end_where_they_end() {
    for (block, inside, outside) in [
        ("203.0.113.7", ["203.0.113.7", "203.0.113.7"], ["203.0.113.6", "203.0.113.8"]),
        ("203.0.113.7/32", ["203.0.113.7", "203.0.113.7"], ["203.0.113.6", "203.0.113.8"]),
        ("203.0.113.0/24", ["203.0.113.0", "203.0.113.255"], ["203.0.112.255", "203.0.114.0"]),
        ("203.0.113.77/24", ["203.0.113.0", "203.0.113.255"], ["203.0.112.255", "203.0.114.0"]),
        ("203.0.113.128/25", ["203.0.113.128", "203.0.113.255"], ["203.0.113.127", "203.0.114.0"]),
        ("203.0.113.4/31", ["203.0.113.4", "203.0.113.5"], ["203.0.113.3", "203.0.113.6"]),
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
        ("128.0.0.0/1", ["128.0.0.0", "255.255.255.255"], ["127.255.255.255", "0.0.0.0"]),
        ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"], ["2001:db7:ffff::", "2001:db9::"]),
        ("2001:db8::1", ["2001:db8::1", "2001:db8:0:0:0:0:0:1"], ["2001:db8::", "2001:db8::2"]),
        ("2001:db8::8/127", ["2001:db8::8", "2001:db8::9"], ["2001:db8::7", "2001:db8::a"]),
        ("2001:db8::/64", ["2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"], ["2001:db8:0:1::", "2001:db7:ffff::"]),
    ] {
        assert!(inside.iter().all(|address| is_allowed(&[block], address)), "{block} holds {inside:?}");
        assert!(!outside.iter().any(|address| is_allowed(&[block], address)), "{block} does not hold {outside:?}");
    }
}

#[test]
fn an_ipv4_address_is_the_same_when_it_comes_as_ipv6() {
    for (block, inside, outside) in [
        ("203.0.113.0/24", "::ffff:203.0.113.255", "::ffff:203.0.114.0"),
        ("203.0.113.7", "::ffff:cb00:7107", "::ffff:cb00:7108"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("::ffff:203.0.113.0/120", "203.0.113.255", "203.0.114.0"),
        ("::ffff:203.0.113.0/120", "::ffff:203.0.113.0", "::ffff:203.0.112.255"),
        ("::ffff:203.0.113.7/128", "203.0.113.7", "203.0.113.6"),
        ("::ffff:0.0.0.0/97", "127.255.255.255", "128.0.0.0"),
        ("::ffff:0:0/96", "198.51.100.1", "2001:db8::1"),
    ] {
        assert!(is_allowed(&[block], inside), "{block} holds {inside}");
        assert!(!is_allowed(&[block], outside), "{block} does not hold {outside}");
    }
    let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
    assert_eq!(canonical(mapped), "192.0.2.1".parse::<IpAddr>().expect("an address"));
    let compatible: IpAddr = "::192.0.2.1".parse().expect("an address");
    assert_eq!(canonical(compatible), compatible, "the old IPv4-compatible form is another address");
}

#[test]
fn a_list_for_one_family_does_not_admit_the_other() {
    assert!(is_allowed(&["0.0.0.0/0"], "255.255.255.255") && is_allowed(&["0.0.0.0/0"], "::ffff:1.2.3.4"));
    assert!(!is_allowed(&["0.0.0.0/0"], "::1") && !is_allowed(&["0.0.0.0/0"], "::1.2.3.4"));
    assert!(is_allowed(&["::/0"], "::1") && is_allowed(&["::/0"], "ffff::"));
    for address in ["1.2.3.4", "::ffff:1.2.3.4"] {
        assert!(!is_allowed(&["::/0"], address), "IPv4 is IPv4, however it came");
        assert!(!is_allowed(&["::ffff:0:0/95"], address), "a block of both families holds the IPv6 half alone");
    }
    assert!(!is_allowed(&["::1"], "127.0.0.1") && !is_allowed(&["127.0.0.1"], "::1"));
}

#[test]
fn a_block_is_kept_as_its_first_address_and_length() {
    for (given, kept) in [
        ("203.0.113.77/24", "203.0.113.0/24"),
        ("203.0.113.77", "203.0.113.77/32"),
        ("::ffff:203.0.113.77/120", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.77/32"),
        ("2001:db8::77/64", "2001:db8::/64"),
        ("2001:db8::77", "2001:db8::77/128"),
    ] {
        let parsed = parse("keymint", &[given], &[], &[]).expect("a block");
        assert_eq!(parsed.allowed_ips[0].to_string(), kept, "{given}");
    }
}

#[test]
fn one_entry_of_several_is_enough_and_order_does_not_matter() {
    for list in
        [["198.51.100.0/24", "2001:db8::/48", "203.0.113.7"], ["203.0.113.7", "2001:db8::/48", "198.51.100.0/24"]]
    {
        for address in ["198.51.100.9", "2001:db8::9", "203.0.113.7"] {
            assert!(is_allowed(&list, address), "{address}");
        }
        for address in ["198.51.101.9", "2001:db8:1::9", "203.0.113.9"] {
            assert!(!is_allowed(&list, address), "{address}");
        }
    }
}

#[test]
fn what_is_no_address_and_no_block_is_refused() {
    for odd in [
        "",
        " ",
        "*",
        "any",
        "localhost",
        "shop.example",
        "203.0.113",
        "203.0.113.",
        "203.0.113.256",
        "203.0.113.7.1",
        "203.0.113.07",
        "0203.0.113.7",
        "0xcb.0.113.7",
        "203.0.113.7 ",
        " 203.0.113.7",
        "203.0.113.7\n",
        "203.0.113.*",
        "203.0.113.0-255",
        "203.0.113.0/33",
        "203.0.113.0/-1",
        "203.0.113.0/",
        "203.0.113.0/24/24",
        "203.0.113.0/+24",
        "203.0.113.0/24 ",
        "203.0.113.0/255.255.255.0",
        "203.0.113.7:443",
        "[203.0.113.7]",
        "http://203.0.113.7",
        "3405803783",
        "2001:db8::/129",
        "2001:db8:::1",
        "2001:db8",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "::ffff:203.0.113.7/129",
        "203.0.113.7,203.0.113.8",
        "203.0.113.0/0x18",
        "２０３.0.113.7",
        "/24",
        "1/8",
    ] {
        let error = parse("keymint", &[odd], &[], &[]).expect_err(odd);
        assert_eq!((&error, error.field()), (&RestrictionError::Address(odd.to_owned()), "allowed_ips"));
        assert!(parse("keymint", &["192.0.2.1", odd], &[], &[]).is_err(), "{odd} behind a good one");
    }
}
