//! Where events may be sent: what each URL rule takes, and what is one step off (T116).

use std::net::IpAddr;

use keymint_domain::webhook::target::{Target, TargetError, is_public};

use super::of;

fn parse(dialect: &str, url: &str) -> Result<Target, TargetError> {
    Target::parse(url, &of(dialect).target, |_| false)
}

/// URLs that no dialect takes, because of where they lead or how they are written.
const REFUSED: &str = include_str!("refused-urls.txt");

#[test]
fn public_urls_are_taken_as_they_stand() {
    for url in [
        "https://shop.example/webhooks",
        "https://shop.example/",
        "https://shop.example:443/a?b=c&d=%2f",
        "https://1.1.1.1/hook",
        "https://[2606:4700:4700::1111]/hook",
        "https://sub.shop.example/%E0%A4%85",
        "https://xn--bcher-kva.example/hook",
    ] {
        let target = parse("razorpay", url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(target.as_str().replace(":443", ""), url.replace(":443", ""));
    }
}

#[test]
fn no_dialect_takes_a_url_that_leads_inside_or_that_two_readers_read_differently() {
    let urls: Vec<_> = REFUSED.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
    assert!(urls.len() >= 150, "{}", urls.len());
    for url in urls {
        for dialect in ["razorpay", "kpay", "kwikpaisa", "keymint"] {
            assert!(parse(dialect, url).is_err(), "{dialect} takes {url}");
        }
    }
    for odd in [
        "https://shop.example/\thook",
        " https://shop.example/",
        "https://shop.example/\n",
        "https://shop\u{a0}.example/",
    ] {
        assert_eq!(parse("keymint", odd), Err(TargetError::NotAUrl), "{odd:?}");
    }
}

#[test]
fn each_rule_names_what_is_wrong() {
    use TargetError::{Credentials, Fragment, Host, NotHttps, Port, Private, TooLong};
    let port = || Err(Port("80, 443".to_owned()));
    for (dialect, url, wanted) in [
        ("kpay", "http://shop.example/", Err(NotHttps)),
        ("razorpay", "http://shop.example/", Ok(())),
        ("razorpay", "ftp://shop.example/", Err(NotHttps)),
        ("razorpay", "https://shop.example:8080/", port()),
        ("razorpay", "http://shop.example:443/", Ok(())),
        ("kpay", "https://shop.example:8443/", Ok(())),
        ("kpay", "https://me:pw@shop.example/", Err(Credentials)),
        ("kpay", "https://me@shop.example/", Err(Credentials)),
        ("kpay", "https://shop.example/#a", Err(Fragment)),
        ("razorpay", "https://api.razorpay.com/", Err(Host("api.razorpay.com".to_owned()))),
        ("razorpay", "https://my-razorpay-hook.example/", Err(Host("my-razorpay-hook.example".to_owned()))),
        ("razorpay", "https://abc.ngrok.io/", Err(Host("abc.ngrok.io".to_owned()))),
        ("razorpay", "https://NGROK.IO./", Err(Host("ngrok.io.".to_owned()))),
        ("razorpay", "https://notngrok.io/", Ok(())),
        ("razorpay", "https://printer.local/", Err(Host("printer.local".to_owned()))),
        ("razorpay", "https://local.example/", Ok(())),
        ("razorpay", "https://localhost/", Err(Private("localhost".to_owned()))),
        ("kpay", "https://localhost./", Err(Private("localhost.".to_owned()))),
        ("kpay", "https://a.localhost/", Err(Private("a.localhost".to_owned()))),
        ("razorpay", "https://10.0.0.1/", Err(Private("10.0.0.1".to_owned()))),
    ] {
        assert_eq!(parse(dialect, url).map(|_| ()), wanted, "{dialect} {url}");
    }
    let long = |length: usize| format!("https://shop.example/{}", "a".repeat(length - 21));
    assert!(parse("razorpay", &long(255)).is_ok());
    assert_eq!(parse("razorpay", &long(256)), Err(TooLong(255)));
}

#[test]
fn what_the_operator_allows_is_taken_and_what_stands_beside_it_is_not() {
    let loopback = |address: IpAddr| address.is_loopback();
    let rules = of("razorpay").target;
    for url in ["http://127.0.0.1:3000/hook", "http://localhost:3000/", "http://[::1]:3000/", "https://127.0.0.2/"] {
        assert!(Target::parse(url, &rules, loopback).is_ok(), "{url}");
    }
    for url in ["http://10.0.0.1:3000/", "http://shop.example:3000/", "http://[::ffff:10.0.0.1]/", "http://0.0.0.0/"] {
        assert!(Target::parse(url, &rules, loopback).is_err(), "{url}");
    }
}

#[test]
fn the_edges_of_each_block_are_on_the_side_where_they_belong() {
    for (public, special) in [
        ("1.0.0.0", "0.255.255.255"),
        ("9.255.255.255", "10.0.0.0"),
        ("11.0.0.0", "10.255.255.255"),
        ("100.63.255.255", "100.64.0.0"),
        ("100.128.0.0", "100.127.255.255"),
        ("126.255.255.255", "127.0.0.0"),
        ("128.0.0.0", "127.255.255.255"),
        ("169.253.255.255", "169.254.169.254"),
        ("172.15.255.255", "172.16.0.0"),
        ("172.32.0.0", "172.31.255.255"),
        ("192.0.1.0", "192.0.0.255"),
        ("192.0.3.0", "192.0.2.255"),
        ("192.88.98.255", "192.88.99.1"),
        ("192.167.255.255", "192.168.0.0"),
        ("198.17.255.255", "198.18.0.0"),
        ("198.20.0.0", "198.19.255.255"),
        ("198.51.99.255", "198.51.100.0"),
        ("203.0.112.255", "203.0.113.0"),
        ("223.255.255.255", "224.0.0.0"),
        ("2000::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("3ffe:ffff::", "3fff::"),
        ("2001:200::", "2001:1ff:ffff::"),
        ("2001:db7:ffff::", "2001:db8::"),
        ("2003::", "2002:7f00:1::"),
        ("2606:4700:4700::1111", "::ffff:127.0.0.1"),
        ("2a00::", "64:ff9b::7f00:1"),
        ("2a00::", "fe80::1"),
        ("2a00::", "fc00::1"),
        ("2a00::", "ff02::1"),
        ("2a00::", "::"),
        ("2a00::", "::1"),
        ("2a00::", "4000::"),
        ("8.8.8.8", "255.255.255.255"),
    ] {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(is_public(address(public)), "{public}");
        assert!(!is_public(address(special)), "{special}");
    }
}
