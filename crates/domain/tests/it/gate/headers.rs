//! Headers: each credential once, one proof in a request, no second method (T8, T21).

use keymint_domain::dialect::Dialect;
use keymint_domain::dialect::credential_headers::CREDENTIAL_HEADERS;
use keymint_domain::gate::{GateFault, check_head};

use super::{everywhere, head};
use crate::fixture::{DIALECTS, OPERATOR, Request, dialect};

fn post() -> Request {
    Request::new("POST /v1/orders").with("content-type", "application/json").with("accept", "application/json")
}

#[test]
fn no_header_with_credentials_may_stand_twice_in_any_dialect() {
    for name in CREDENTIAL_HEADERS {
        assert_eq!(everywhere(&post().with(name, "x")), Ok(()), "{name} once");
        for (first, second) in [("x", "x"), ("x", "y"), ("x", ""), ("", "x"), ("", "")] {
            let twice = post().with(name, first).with(name, second);
            assert_eq!(everywhere(&twice), Err(GateFault::DuplicateCredentials), "{name}: {first:?}, {second:?}");
            let apart = post().with(name, first).with("x-between", "1").with(name, second).with("x-after", "1");
            assert_eq!(everywhere(&apart), Err(GateFault::DuplicateCredentials), "{name} apart");
        }
        let thrice = post().with(name, "x").with(name, "x").with(name, "x");
        assert_eq!(everywhere(&thrice), Err(GateFault::DuplicateCredentials), "{name} three times");
    }
}

#[test]
fn a_header_of_one_dialect_may_not_stand_twice_there() {
    for (name, own) in [("kspay", &["x-access-key"][..]), ("acmepay", &["acme-key", "acme-time"]), ("razorpay", &[])] {
        let given: Vec<&str> = dialect(name).extra_credential_headers.iter().map(|header| &**header).collect();
        assert_eq!(given, own, "{name}");
        for header in own {
            assert_eq!(head(name, &post().with(header, "x")), Ok(()));
            let twice = post().with(header, "x").with(header, "x");
            assert_eq!(head(name, &twice), Err(GateFault::DuplicateCredentials), "{name} {header}");
            assert_eq!(head("razorpay", &twice), Ok(()), "elsewhere {header} is a header like others");
        }
    }
}

#[test]
fn two_schemes_in_one_request_are_refused_in_every_dialect() {
    let families: [&[&str]; 4] =
        [&["authorization"], &["x-secret-key"], &["x-signature"], &["signature", "signature-input"]];
    for (index, first) in families.iter().enumerate() {
        for second in &families[index + 1..] {
            for (one, other) in first.iter().flat_map(|one| second.iter().map(move |other| (one, other))) {
                assert_eq!(
                    everywhere(&post().with(one, "x").with(other, "x")),
                    Err(GateFault::TwoSchemes),
                    "{one}, {other}"
                );
                assert_eq!(
                    everywhere(&post().with(other, "x").with(one, "x")),
                    Err(GateFault::TwoSchemes),
                    "{other}, {one}"
                );
            }
        }
    }
    for header in ["authorization", "x-signature", "x-secret-key", "signature"] {
        let both = post().with("x-access-key", "x").with(header, "x");
        assert_eq!(head("kspay", &both), Err(GateFault::TwoSchemes), "a public key and {header}");
    }
}

#[test]
fn a_header_that_names_a_key_stands_only_beside_a_proof_that_needs_one() {
    for proof in ["authorization", "signature", "signature-input"] {
        let both = post().with("x-api-key", "x").with(proof, "x");
        assert_eq!(everywhere(&both), Err(GateFault::TwoSchemes), "{proof}");
        let own = post().with("acme-key", "x").with(proof, "x");
        assert_eq!(head("acmepay", &own), Err(GateFault::TwoSchemes), "{proof}");
        assert_eq!(head("kpay", &own), Ok(()), "no header of that dialect");
    }
    let public = post().with("x-api-key", "x").with("x-access-key", "x");
    assert_eq!(head("kspay", &public), Err(GateFault::TwoSchemes));
    assert_eq!(everywhere(&post().with("x-api-key", "x")), Ok(()), "what is missing is not the gate's matter");
    assert_eq!(everywhere(&post().with("x-timestamp", "1").with("authorization", "x")), Ok(()));
}

#[test]
fn headers_of_one_scheme_belong_together() {
    for headers in [
        &["x-api-key", "x-secret-key"][..],
        &["x-api-key", "x-signature", "x-timestamp"],
        &["signature", "signature-input"],
        &["authorization"],
        &[],
    ] {
        let request = headers.iter().fold(post(), |request, name| request.with(name, "x"));
        assert_eq!(everywhere(&request), Ok(()), "{headers:?}");
    }
    let own = ["acme-key", "acme-time", "x-signature"].iter().fold(post(), |request, name| request.with(name, "x"));
    assert_eq!(head("acmepay", &own), Ok(()));
}

/// A dialect whose every header is its own, with as many schemes as it takes.
fn with_pairs(count: usize) -> Dialect {
    let start = OPERATOR.find("[[scheme]]").expect("a scheme");
    let end = OPERATOR.find("[errors]").expect("answers");
    let pair = |number: usize| {
        format!("[[scheme]]\nkind = \"key_pair\"\nkey_id_header = \"h-{number}\"\nsecret_header = \"s-{number}\"\n\n")
    };
    let pairs: String = (0..count).map(pair).collect();
    Dialect::parse(&format!("{}{pairs}{}", &OPERATOR[..start], &OPERATOR[end..])).expect("a dialect")
}

#[test]
fn every_header_of_a_large_dialect_is_counted() {
    let dialect = with_pairs(16);
    let check = |request: &Request| request.see(|view| check_head(&dialect, view));
    for number in 0..16 {
        let (id, secret) = (format!("h-{number}"), format!("s-{number}"));
        assert_eq!(check(&post().with(&id, "x").with(&secret, "x")), Ok(()));
        for name in [&id, &secret] {
            assert_eq!(check(&post().with(name, "x").with(name, "x")), Err(GateFault::DuplicateCredentials), "{name}");
        }
        let next = format!("s-{}", (number + 1) % 16);
        assert_eq!(check(&post().with(&secret, "x").with(&next, "x")), Err(GateFault::TwoSchemes), "{secret}, {next}");
        assert_eq!(
            check(&post().with(&secret, "x").with("authorization", "x")),
            Err(GateFault::TwoSchemes),
            "{secret}"
        );
    }
}

#[test]
fn no_header_and_no_query_may_ask_for_another_method() {
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", ""] {
            let mut request = post().with(name, method);
            assert_eq!(everywhere(&request), Err(GateFault::MethodOverride), "{name}: {method}");
            request.method = "GET".to_owned();
            assert_eq!(everywhere(&request), Err(GateFault::MethodOverride), "on GET, {name}: {method}");
        }
    }
    for query in ["_method=DELETE", "a=1&_method=PUT", "_METHOD=put", "_method", "%5fmethod=PUT", "_%6dethod=PUT"] {
        let request = Request::new(&format!("POST /v1/orders?{query}"));
        assert_eq!(everywhere(&request), Err(GateFault::MethodOverride), "{query}");
    }
    for query in ["method=DELETE", "x_method=PUT", "_methods=1", "a=_method", "a=1;_method=PUT"] {
        assert_eq!(everywhere(&Request::new(&format!("POST /v1/orders?{query}"))), Ok(()), "{query}");
    }
}

#[test]
fn ordinary_headers_pass_however_often_they_stand() {
    let request = post()
        .with("host", "pay.example")
        .with("user-agent", "razorpay-node@2.9.2")
        .with("accept", "*/*")
        .with("x-forwarded-for", "203.0.113.7")
        .with("x-forwarded-for", "198.51.100.1")
        .with("x-razorpay-account", "acc_1")
        .with("x-idempotency-key", "k")
        .with("idempotency-key", "k")
        .with("content-digest", "sha-256=:AA==:")
        .with("origin", "https://shop.example")
        .with("cookie", "session=abc")
        .with("s", "1")
        .with("a", "1");
    assert_eq!(everywhere(&request), Ok(()));
    assert_eq!(DIALECTS.len(), 6);
}
