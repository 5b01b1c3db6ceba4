//! Credentials where they do not belong: queries, cookies and bodies (T19).

use keymint_domain::gate::GateFault;
use keymint_domain::mode::Mode;

use super::{body, everywhere, head};
use crate::fixture::{DIALECTS, Request, SeededEntropy, dialect, key};

const NAMES: [&str; 9] = [
    "key_secret",
    "secret_key",
    "secretkey",
    "api_secret",
    "api_key",
    "apikey",
    "x-api-key",
    "x-secret-key",
    "access_token",
];

#[test]
fn a_query_that_names_a_credential_is_refused_in_every_dialect() {
    for name in NAMES {
        for query in [
            format!("{name}=x"),
            name.to_owned(),
            format!("{name}="),
            format!("a=1&{name}=x"),
            format!("{}=x&a=1", name.to_uppercase()),
            format!("%{:02x}{}=x", name.as_bytes()[0], &name[1..]),
            format!("{}%{:02X}=x", &name[..name.len() - 1], name.as_bytes()[name.len() - 1]),
        ] {
            let request = Request::new(&format!("GET /v1/orders?{query}"));
            assert_eq!(everywhere(&request), Err(GateFault::CredentialsInQuery), "{query}");
        }
        for query in [format!("my{name}=x"), format!("{name}s=x"), format!("a={name}"), format!("a=1;{name}=x")] {
            assert_eq!(everywhere(&Request::new(&format!("GET /v1/orders?{query}"))), Ok(()), "{query}");
        }
    }
}

#[test]
fn a_cookie_that_names_a_credential_is_refused_in_every_dialect() {
    for name in NAMES {
        for cookie in [format!("{name}=x"), format!("a=1; {name}=x"), format!("a=1;{name} =x;b=2"), name.to_uppercase()]
        {
            let request = Request::new("GET /v1/orders").with("cookie", &cookie);
            assert_eq!(everywhere(&request), Err(GateFault::CredentialsInCookie), "{cookie}");
        }
        for cookie in [format!("my{name}=x"), format!("a={name}"), "session=abc; theme=dark".to_owned()] {
            assert_eq!(everywhere(&Request::new("GET /v1/orders").with("cookie", &cookie)), Ok(()), "{cookie}");
        }
    }
    let second = Request::new("GET /v1/orders").with("cookie", "a=1").with("cookie", "api_key=x");
    assert_eq!(everywhere(&second), Err(GateFault::CredentialsInCookie), "in the second line");
}

#[test]
fn keys_that_say_what_they_are_are_found_under_any_name() {
    let entropy = SeededEntropy::new(51);
    for name in DIALECTS {
        for mode in [Mode::Test, Mode::Live] {
            let key = key(dialect(name), mode, &entropy);
            // Razorpay's secrets have no prefix, so only their names can give them away.
            let findable =
                if key.secret.contains(mode.as_str()) { vec![key.id(), &key.secret] } else { vec![key.id()] };
            for text in findable {
                for query in [format!("q={text}"), text.to_owned(), format!("a=1&q=x{text}y")] {
                    let request = Request::new(&format!("GET /v1/orders?{query}"));
                    assert_eq!(head(name, &request), Err(GateFault::CredentialsInQuery), "{name} {query}");
                }
                let request = Request::new("GET /v1/orders").with("cookie", format!("id={text}"));
                assert_eq!(head(name, &request), Err(GateFault::CredentialsInCookie), "{name} {text}");
                let cut = &text[..text.len() - 1];
                assert_eq!(head(name, &Request::new(&format!("GET /v1/orders?q={cut}"))), Ok(()), "{name}: too short");
            }
        }
    }
}

#[test]
fn a_secret_in_a_body_is_refused_in_every_dialect() {
    let entropy = SeededEntropy::new(52);
    for name in DIALECTS {
        for member in ["key_secret", "secret_key", "api_secret", "secretKey"] {
            assert_eq!(
                body(name, format!(r#"{{"a":{{"{member}":"x"}}}}"#)),
                Err(GateFault::CredentialsInBody),
                "{name}"
            );
            assert_eq!(body(name, format!(r#"{{"{member}":"x"}}"#)), Err(GateFault::CredentialsInBody), "{name}");
            assert_eq!(body(name, format!(r#"{{"my_{member}":"x"}}"#)), Ok(()), "{name}");
        }
        let key = key(dialect(name), Mode::Live, &entropy);
        if key.secret.contains("live") {
            for text in [format!(r#"{{"note":"{}"}}"#, key.secret), format!("a={}&b=1", key.secret), key.secret.clone()]
            {
                assert_eq!(body(name, &text), Err(GateFault::CredentialsInBody), "{name} {text}");
            }
            assert_eq!(body(name, &key.secret[..key.secret.len() - 1]), Ok(()), "{name}: too short");
        }
        assert_eq!(body(name, format!(r#"{{"checkout":"{}"}}"#, key.id())), Ok(()), "{name}: an id is no secret");
    }
}

#[test]
fn ordinary_bodies_pass() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"order_id":"123456","amount":"100"}"#,
        r#"{"key":"value","secret":"santa"}"#,
        r#"{"note":"sk_live_ is a prefix and pk_test_ too"}"#,
        r#"{"note":"sk_live_ and kms_live_ and kssec_live_ begin keys, but what follows here is prose, and long enough for one"}"#,
        r#"{"prefix":"kms_test_"}"#,
        "amount=100&currency=INR",
        "\u{0}\u{1}binary",
        "rzp_test_",
    ] {
        for name in DIALECTS {
            assert_eq!(body(name, text), Ok(()), "{name} {text:?}");
        }
    }
}
