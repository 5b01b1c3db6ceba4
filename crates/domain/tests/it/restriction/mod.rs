//! What narrows a credential, entry by entry and at the edges of each block, origin and path.

mod addresses;
mod domains;
mod origins;
mod providers;
mod scopes;

use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::{Caller, RestrictionError, Restrictions};

use crate::fixture::{Request, dialect};

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn parse(name: &str, ips: &[&str], origins: &[&str], scopes: &[&str]) -> Result<Restrictions, RestrictionError> {
    Restrictions::parse(dialect(name), &texts(ips), &texts(origins), &texts(scopes))
}

fn check(restrictions: &Restrictions, name: &str, request: &Request, caller: Caller) -> Result<(), DenyReason> {
    request.see(|view| restrictions.check(dialect(name), view, caller))
}

#[test]
fn empty_lists_narrow_nothing() {
    let none = parse("kwikpaisa", &[], &[], &[]).expect("empty lists");
    assert!(none.is_empty());
    let request = Request::new("DELETE /anything").with("origin", "https://anyone.example").sent_from("::1");
    for caller in [Caller::Secret, Caller::PublicKey] {
        assert_eq!(check(&none, "kwikpaisa", &request, caller), Ok(()));
    }
    for one in [
        parse("kwikpaisa", &["192.0.2.1"], &[], &[]),
        parse("kwikpaisa", &[], &["https://a.example"], &[]),
        parse("kwikpaisa", &[], &[], &["pg"]),
    ] {
        assert!(!one.expect("one entry").is_empty());
    }
}

#[test]
fn lists_have_the_lengths_that_the_dialect_allows() {
    let ips: Vec<String> = (0..21).map(|number| format!("192.0.2.{number}")).collect();
    let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
    assert!(parse("razorpay", &ips[..20], &[], &[]).is_ok());
    let error = parse("razorpay", &ips, &[], &[]).expect_err("21 addresses");
    assert_eq!((&error, error.field()), (&RestrictionError::TooManyAddresses(20), "allowed_ips"));
    let origins: Vec<String> = (0..21).map(|number| format!("https://s{number}.example")).collect();
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    assert!(parse("razorpay", &[], &origins[..20], &[]).is_ok());
    let error = parse("razorpay", &[], &origins, &[]).expect_err("21 origins");
    assert_eq!((&error, error.field()), (&RestrictionError::TooManyOrigins(20), "allowed_origins"));
    assert!(parse("keymint", &ips, &origins, &[]).is_ok(), "keymint takes fifty of each");
}

#[test]
fn each_restriction_is_told_by_its_own_reason_and_addresses_come_first() {
    let all = parse("kwikpaisa", &["192.0.2.1"], &["https://a.example"], &["pg"]).expect("valid lists");
    let good = Request::new("POST /api/v3/pg").sent_from("192.0.2.1").with("origin", "https://a.example");
    assert_eq!(check(&all, "kwikpaisa", &good, Caller::Secret), Ok(()));
    let elsewhere = Request::new("POST /api/v3/payout").with("origin", "https://b.example");
    assert_eq!(check(&all, "kwikpaisa", &elsewhere, Caller::Secret), Err(DenyReason::IpNotAllowed));
    let elsewhere = elsewhere.sent_from("192.0.2.1");
    assert_eq!(check(&all, "kwikpaisa", &elsewhere, Caller::Secret), Err(DenyReason::OriginNotAllowed));
    let elsewhere = elsewhere.replacing("origin", "https://a.example");
    assert_eq!(check(&all, "kwikpaisa", &elsewhere, Caller::Secret), Err(DenyReason::ScopeMissing));
}
