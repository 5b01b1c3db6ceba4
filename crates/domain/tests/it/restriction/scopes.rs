//! Scopes: whole segments of the path inside the product, and the methods listed; nothing by prefix of letters.

use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::{Caller, RestrictionError};

use super::{check, parse};
use crate::fixture::Request;

fn covers(name: &str, scopes: &[&str], request: &Request) -> bool {
    let restrictions = parse(name, &[], &[], scopes).expect("scopes of the dialect");
    let answer = check(&restrictions, name, request, Caller::Secret);
    assert!(matches!(answer, Ok(()) | Err(DenyReason::ScopeMissing)));
    answer.is_ok()
}

#[test]
fn a_path_is_covered_segment_by_segment() {
    for (line, is_covered) in [
        ("POST /api/v3/pg", true),
        ("POST /api/v3/pg/", true),
        ("POST /api/v3/pg/create-order", true),
        ("POST /api/v3/pg?x=/api/v3/payout", true),
        ("POST /api/v3/pgx", false),
        ("POST /api/v3/pg-payout", false),
        ("POST /api/v3/pg.json", false),
        ("POST /api/v3/p", false),
        ("POST /api/v3", false),
        ("POST /api/v3/", false),
        ("POST /", false),
        ("POST /api/v3/PG", false),
        ("POST /API/v3/pg", false),
        ("POST /x/api/v3/pg", false),
        ("POST /api/v3/payout", false),
        ("POST /api/v3/payout?x=/api/v3/pg", false),
        ("POST /api/v3/p%67", false),
        ("GET /api/v3/pg", false),
        ("post /api/v3/pg", false),
        ("PUT /api/v3/pg", false),
    ] {
        assert_eq!(covers("kwikpaisa", &["pg"], &Request::new(line)), is_covered, "{line}");
    }
}

#[test]
fn several_scopes_cover_what_each_covers() {
    for (line, is_covered) in [
        ("POST /api/v3/pg/x", true),
        ("POST /api/v3/payout", true),
        ("POST /api/v3/banking/x", true),
        ("POST /api/v3/x", false),
    ] {
        assert_eq!(covers("kwikpaisa", &["pg", "payout"], &Request::new(line)), is_covered, "{line}");
    }
    assert!(!covers("kwikpaisa", &["payout"], &Request::new("POST /api/v3/pg")));
}

#[test]
fn a_scope_sees_the_path_inside_the_product() {
    let mut request = Request::new("POST /kwikpaisa/api/v3/pg");
    assert!(!covers("kwikpaisa", &["pg"], &request));
    request.route_at = "/kwikpaisa".len();
    assert!(covers("kwikpaisa", &["pg"], &request));
    assert_eq!(request.see(|view| view.route().to_owned()), "/api/v3/pg");
    request.target = "/kwikpaisa".to_owned();
    assert_eq!(request.see(|view| view.route().to_owned()), "/");
}

#[test]
fn reading_scopes_read() {
    for name in ["razorpay", "kpay", "keymint", "kspay"] {
        let scope = if name == "razorpay" { "read_only" } else { "read" };
        for (method, is_covered) in [
            ("GET", true),
            ("HEAD", true),
            ("POST", false),
            ("PUT", false),
            ("PATCH", false),
            ("DELETE", false),
            ("get", false),
        ] {
            let request = Request::new(&format!("{method} /v1/anything"));
            assert_eq!(covers(name, &[scope], &request), is_covered, "{name} {method}");
        }
    }
}

#[test]
fn only_scopes_of_the_dialect_can_be_given() {
    for odd in ["", "read", "PG", "pg ", "*", "pg payout"] {
        let error = parse("kwikpaisa", &[], &[], &["pg", odd]).expect_err(odd);
        let expected = RestrictionError::Scope(odd.to_owned(), "payout, pg".to_owned());
        assert_eq!((&error, error.field()), (&expected, "scopes"));
    }
}

#[test]
fn a_stored_scope_that_the_dialect_no_longer_has_covers_nothing() {
    let mut restrictions = parse("kwikpaisa", &[], &[], &["pg"]).expect("a scope");
    restrictions.scopes = vec!["gone".into()];
    let request = Request::new("POST /api/v3/pg");
    assert_eq!(check(&restrictions, "kwikpaisa", &request, Caller::Secret), Err(DenyReason::ScopeMissing));
}
