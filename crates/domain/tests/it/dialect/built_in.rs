//! The dialects that ship: they parse, answer every reason, and say what their vendors' pages say.

use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::dialect::{BUILT_IN, Dialect, OwnerKind, SchemeKind};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use serde_json::Value;

use crate::fixture::{DIALECTS, dialect};

const SCHEMES: [SchemeName; 6] = [
    SchemeName::Basic,
    SchemeName::KeyPair,
    SchemeName::Signed,
    SchemeName::Bearer,
    SchemeName::TokenExchange,
    SchemeName::MessageSignature,
];

/// What a denied caller sees: `status body`.
fn answer(name: &str, reason: DenyReason, scheme: Option<SchemeName>) -> String {
    let answer = dialect(name).answer(reason, scheme);
    format!("{} {}", answer.status, answer.body)
}

fn body(name: &str, reason: DenyReason) -> Value {
    serde_json::from_str(&dialect(name).answer(reason, None).body).expect("answers are JSON")
}

#[test]
fn each_file_holds_the_dialect_that_it_is_named_after() {
    assert_eq!(BUILT_IN.len(), 5);
    for (file, text) in BUILT_IN {
        let parsed = Dialect::parse(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(format!("{}.toml", parsed.name), file);
        assert!(!parsed.schemes.is_empty() && !parsed.secrets.is_empty(), "{file}");
    }
}

#[test]
fn every_reason_has_an_answer_in_every_dialect() {
    for name in DIALECTS {
        for reason in DenyReason::ALL {
            for scheme in SCHEMES.map(Some).into_iter().chain([None]) {
                let found = dialect(name).answers.find(*reason, scheme);
                let found = found.unwrap_or_else(|| panic!("{name} has nothing for {reason:?}"));
                assert!((400..=599).contains(&found.status), "{name} {reason:?}");
                serde_json::from_str::<Value>(&found.body).unwrap_or_else(|error| panic!("{name} {reason:?}: {error}"));
            }
        }
    }
}

#[test]
fn names_of_reasons_are_read_back() {
    for reason in DenyReason::ALL {
        assert_eq!(DenyReason::parse(reason.as_str()), Some(*reason));
        assert_eq!(DenyReason::parse(&reason.as_str().to_uppercase()), None);
        let in_a_file: DenyReason = serde_json::from_value(reason.as_str().into()).expect("the same name in a file");
        assert_eq!(in_a_file, *reason);
    }
    assert_eq!(DenyReason::parse(""), None);
}

#[test]
fn whoever_did_not_prove_itself_gets_one_answer_where_the_vendor_gives_one() {
    let unauthenticated = DenyReason::ALL.iter().filter(|reason| reason.is_unauthenticated());
    let unauthenticated: Vec<_> = unauthenticated.collect();
    assert_eq!(unauthenticated.len(), 10);
    for (name, expected) in [
        ("razorpay", r#"401 {"error":{"code":"BAD_REQUEST_ERROR","description":"Authentication failed"}}"#),
        ("kpay", r#"401 {"statusCode":401,"message":"Invalid API credentials","error":"Unauthorized"}"#),
        ("kwikpaisa", r#"401 {"status":false,"code":401,"message":"Invalid signature."}"#),
        ("keymint", r#"401 {"error":{"code":"unauthorized","message":"These credentials are not valid."}}"#),
    ] {
        for reason in &unauthenticated {
            // Whether there were credentials at all is something that the caller knows.
            if **reason == DenyReason::MissingCredentials && matches!(name, "razorpay" | "keymint") {
                continue;
            }
            for scheme in SCHEMES.map(Some).into_iter().chain([None]) {
                assert_eq!(answer(name, **reason, scheme), expected, "{name} {reason:?}");
            }
        }
    }
}

#[test]
fn missing_credentials_have_the_documented_words() {
    let missing = DenyReason::MissingCredentials;
    let words = "Please provide your api key for authentication purposes";
    assert_eq!(body("razorpay", missing)["error"]["description"], words);
    assert_eq!(
        answer("kspay", missing, None),
        r#"400 {"status":400,"code":9000,"message":"Token missing or incorrect"}"#
    );
    assert_eq!(body("kpay", missing)["message"], "Invalid API credentials");
}

#[test]
fn kspay_tells_each_cause_with_its_documented_number() {
    let general = [
        (DenyReason::UnknownKey, 404, 11001, "Credentials not found for the provided access key"),
        (DenyReason::WrongSecret, 400, 11004, "Invalid credentials, please check the provided secret key"),
        (DenyReason::Revoked, 400, 11002, "The key provided is not active at the moment"),
        (DenyReason::Expired, 400, 11002, "The key provided is not active at the moment"),
        (DenyReason::WrongApp, 403, 11003, "User does not belong to the specified application"),
        (DenyReason::AppDisabled, 404, 11011, "Application is disabled!"),
        (DenyReason::OriginNotAllowed, 403, 13007, "Access denied from this origin."),
        (DenyReason::RateLimited, 429, 11005, "Too many requests made in a short period"),
        (DenyReason::WrongSignature, 401, 9008, "Invalid token."),
        (DenyReason::StaleTimestamp, 401, 9009, "Token has expired."),
        (DenyReason::RefreshExpired, 401, 9008, "Refresh token has expired."),
        (DenyReason::Internal, 500, 26, "Oops! Something went wrong"),
    ];
    for (reason, status, code, message) in general {
        assert_eq!(dialect("kspay").answer(reason, None).status, status, "{reason:?}");
        let body = body("kspay", reason);
        assert_eq!((&body["status"], &body["code"], &body["message"]), (&status.into(), &code.into(), &message.into()));
    }
    for (reason, expected) in [
        (
            DenyReason::MalformedCredentials,
            "400 {\"status\":400,\"code\":11006,\"message\":\"The format of the provided signature is invalid\"}",
        ),
        (
            DenyReason::StaleTimestamp,
            "400 {\"status\":400,\"code\":11005,\"message\":\"The provided signature has expired\"}",
        ),
        (
            DenyReason::WrongSignature,
            "401 {\"status\":401,\"code\":9007,\"message\":\"Unauthorized! Please provide valid credentials.\"}",
        ),
    ] {
        assert_eq!(answer("kspay", reason, Some(SchemeName::Signed)), expected);
        assert_ne!(answer("kspay", reason, Some(SchemeName::TokenExchange)), expected, "of a token, not a signature");
    }
}

#[test]
fn every_answer_of_a_vendor_has_the_vendors_envelope() {
    for reason in DenyReason::ALL {
        let status = |name: &str| Value::from(dialect(name).answer(*reason, None).status);

        let kwikpaisa = body("kwikpaisa", *reason);
        assert_eq!(
            (&kwikpaisa["status"], &kwikpaisa["code"]),
            (&Value::Bool(false), &status("kwikpaisa")),
            "{reason:?}"
        );
        assert!(kwikpaisa["message"].is_string() && members(&kwikpaisa) == 3);

        let razorpay = body("razorpay", *reason);
        assert!(razorpay["error"]["code"].is_string() && razorpay["error"]["description"].is_string(), "{reason:?}");
        assert_eq!((members(&razorpay), members(&razorpay["error"])), (1, 2));

        let kpay = body("kpay", *reason);
        assert_eq!(kpay["statusCode"], status("kpay"), "{reason:?}");
        assert!(kpay["message"].is_string() && kpay["error"].is_string() && members(&kpay) == 3);

        let kspay = body("kspay", *reason);
        assert_eq!(kspay["status"], status("kspay"), "{reason:?}");
        assert!(kspay["code"].is_i64() && kspay["message"].is_string() && members(&kspay) == 3);
    }
}

fn members(value: &Value) -> usize {
    value.as_object().expect("an object").len()
}

#[test]
fn troubles_of_ours_come_in_the_same_envelope_as_denials() {
    for name in DIALECTS {
        let keys = |reason| {
            let body = body(name, reason);
            body.as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
        };
        let denial = keys(DenyReason::UnknownKey);
        for reason in [DenyReason::Internal, DenyReason::Unavailable, DenyReason::NoUpstream] {
            assert!(dialect(name).answer(reason, None).status >= 500, "{name} {reason:?}");
            assert_eq!(keys(reason), denial, "{name}");
        }
    }
}

#[test]
fn unknown_routes_have_the_documented_words() {
    let words = "The requested URL was not found on the server.";
    assert_eq!(body("razorpay", DenyReason::RouteNotFound)["error"]["description"], words);
    assert_eq!(dialect("kpay").answer(DenyReason::RouteNotFound, None).status, 404);
}

#[test]
fn an_error_of_the_product_is_quoted_into_the_envelope() {
    let rendered = dialect("kpay").answers.envelope(422, "null", "He said \"no\"\n");
    assert_eq!(rendered, r#"{"statusCode":422,"message":"He said \"no\"\n","error":"Unprocessable Entity"}"#);
    let rendered = dialect("kspay").answers.envelope(400, "-17", "ID must start with 'ap_'");
    assert_eq!(rendered, r#"{"status":400,"code":-17,"message":"ID must start with 'ap_'"}"#);
}

#[test]
fn owners_pairs_and_environments_are_those_of_the_vendors() {
    for (name, owner, active_max, test, live) in [
        ("razorpay", OwnerKind::Merchant, 1, "test", "live"),
        ("kwikpaisa", OwnerKind::Merchant, 1, "sandbox", "production"),
        ("kspay", OwnerKind::App, 1, "sandbox", "live"),
        ("kpay", OwnerKind::App, 1, "TEST", "PRODUCTION"),
        ("keymint", OwnerKind::App, 20, "test", "live"),
    ] {
        let dialect = dialect(name);
        assert_eq!((dialect.owner, dialect.active_max), (owner, active_max), "{name}");
        assert_eq!((dialect.environment(Mode::Test), dialect.environment(Mode::Live)), (test, live), "{name}");
    }
}

#[test]
fn graces_on_offer_are_those_of_the_vendors() {
    assert_eq!(dialect("razorpay").roll_offered_seconds, [0, 86400], "now, or in 24 hours");
    for name in ["kwikpaisa", "kspay", "kpay"] {
        assert_eq!(dialect(name).roll_offered_seconds, [0], "{name} kills the old key at once");
    }
}

#[test]
fn a_secret_is_sealed_only_where_it_signs() {
    for (name, sealed) in [
        ("razorpay", false),
        ("kpay", false),
        ("kwikpaisa", true),
        ("kspay", true),
        ("keymint", true),
        ("acmepay", true),
    ] {
        assert_eq!(dialect(name).needs_secret(), sealed, "{name}");
    }
}

#[test]
fn windows_are_three_hundred_seconds_or_less() {
    for name in DIALECTS {
        for scheme in &dialect(name).schemes {
            let window = match &scheme.kind {
                SchemeKind::Signed(signed) => signed.window_seconds,
                SchemeKind::MessageSignature { window_seconds, .. } => *window_seconds,
                _ => continue,
            };
            assert_eq!(window, if name == "acmepay" { 60 } else { 300 }, "{name}");
        }
    }
}

#[test]
fn only_json_is_taken_where_the_vendor_says_so() {
    assert_eq!(dialect("kwikpaisa").content_type.as_deref(), Some("application/json"));
    for name in ["razorpay", "kspay", "kpay", "keymint"] {
        assert_eq!(dialect(name).content_type, None, "{name}");
    }
}
