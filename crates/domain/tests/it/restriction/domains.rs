//! Domains of an app: exact origins over HTTPS, or localhost in test mode; a key's own list narrows them further.

use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::{Caller, RestrictionError, Restrictions, domains_for, parse_domain};

use super::{check, parse};
use crate::fixture::Request;

fn judge(restrictions: &Restrictions, origin: Option<&str>, caller: Caller) -> Result<(), DenyReason> {
    let request = Request::new("GET /");
    let request = origin.into_iter().fold(request, |request, origin| request.with("origin", origin.as_bytes()));
    check(restrictions, "kspay", &request, caller)
}

const REFUSED: Result<(), DenyReason> = Err(DenyReason::OriginNotAllowed);

#[test]
fn a_domain_is_an_exact_origin_over_https_or_this_machine() {
    for good in
        ["https://shop.example", " https://shop.example\t", "https://a:8443", "http://localhost", "http://localhost:1"]
    {
        assert_eq!(parse_domain(good).as_deref(), Ok(good.trim()), "{good}");
    }
    for bad in [
        "",
        "http://shop.example",
        "http://localhost.evil.test",
        "http://localhosts",
        "http://127.0.0.1",
        "http://[::1]:3000",
        "http://localhost:80",
        "http://localhost:",
        "https://shop.example:443",
        "https://shop.example.",
        "https://shop.example/",
        "https://Shop.example",
        "https://*.example",
        "kspay-flutter-v1",
        "null",
        "https://a.example https://b.example",
        "https://a.example\0",
    ] {
        assert_eq!(parse_domain(bad), Err(RestrictionError::Domain), "{bad:?}");
    }
}

#[test]
fn localhost_counts_in_test_mode_alone_and_alone_it_leaves_live_no_page() {
    let list: Vec<Box<str>> = vec!["http://localhost:3000".into(), "https://shop.example".into()];
    assert_eq!(domains_for(Mode::Test, &list), Some(list.clone()));
    assert_eq!(domains_for(Mode::Live, &list), Some(vec!["https://shop.example".into()]));
    assert_eq!(domains_for(Mode::Live, &list[..1]), Some(Vec::new()));
    assert_eq!((domains_for(Mode::Test, &[]), domains_for(Mode::Live, &[])), (None, None));
    let nowhere = Restrictions { domains: Some(Vec::new()), ..Restrictions::default() };
    assert!(!nowhere.is_empty());
    assert_eq!(judge(&nowhere, Some("http://localhost:3000"), Caller::PublicKey), REFUSED);
    assert_eq!(judge(&nowhere, None, Caller::PublicKey), REFUSED);
    assert_eq!(judge(&nowhere, None, Caller::Secret), Ok(()), "a server is no page");
}

#[test]
fn the_keys_own_list_and_the_domains_must_both_allow() {
    let own = parse("kspay", &[], &["https://a.example", "https://b.example"], &[]).expect("origins");
    let domains = Some(vec!["https://b.example".into(), "https://c.example".into()]);
    let both = Restrictions { domains, ..own };
    for caller in [Caller::Secret, Caller::PublicKey] {
        for (origin, wanted) in [
            ("https://b.example", Ok(())),
            ("kspay-flutter-v1", Ok(())),
            ("https://a.example", REFUSED),
            ("https://c.example", REFUSED),
            ("https://b.example:8443", REFUSED),
            ("https://b.example.", REFUSED),
        ] {
            assert_eq!(judge(&both, Some(origin), caller), wanted, "{origin}");
        }
    }
}
