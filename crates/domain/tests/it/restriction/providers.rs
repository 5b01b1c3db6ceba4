//! Providers of an app: named exactly, in one way, on the calls that name one; a call that leaves the choice to the
//! vendor's page names none.

use keymint_domain::reason::DenyReason;
use keymint_domain::restriction::{Caller, Restrictions};

use super::check;
use crate::fixture::{Request, dialect};

const INIT: &str = "POST /api/v1/payments/init";
const REFUSED: Result<(), DenyReason> = Err(DenyReason::ProviderNotAllowed);

fn listed() -> Restrictions {
    Restrictions { providers: vec!["MTN_MOMO_CMR".into(), "ORANGE_CMR".into()], ..Restrictions::default() }
}

fn judge(line: &str, body: &str) -> Result<(), DenyReason> {
    check(&listed(), "kpay", &Request::new(line).body(body.as_bytes()), Caller::Secret)
}

#[test]
fn a_listed_provider_passes_and_what_resembles_it_does_not() {
    assert!(!listed().is_empty());
    for good in [
        r#"{"provider":"MTN_MOMO_CMR"}"#,
        r#"{"amount":5000,"provider":"ORANGE_CMR","phoneNumber":"237653456789"}"#,
        r#" { "provider" : "MTN\u005fMOMO_CMR" } "#,
        r#"{"provider":"MTN_MOMO_CMR","returnUrl":"https://shop.example"}"#,
        r#"{"returnUrl":"https://shop.example","amount":1}"#,
    ] {
        assert_eq!(judge(INIT, good), Ok(()), "{good}");
    }
    for bad in [
        r#"{"provider":"MOOV_BEN"}"#,
        r#"{"provider":"MTN_MOMO_CM"}"#,
        r#"{"provider":"MTN_MOMO_CMRS"}"#,
        r#"{"provider":"mtn_momo_cmr"}"#,
        r#"{"provider":" MTN_MOMO_CMR"}"#,
        r#"{"provider":"MTN_MOMO_CMR ORANGE_CMR"}"#,
        r#"{"provider":""}"#,
        r#"{"provider":null}"#,
        r#"{"provider":["MTN_MOMO_CMR"]}"#,
        r#"{"provider":{"provider":"MTN_MOMO_CMR"}}"#,
        r#"{"provider":"MTN_MOMO_CMR","provider":"MOOV_BEN"}"#,
        r#"{"provider":"MTN_MOMO_CMR","Provider":"MOOV_BEN"}"#,
        r#"{"Provider":"MTN_MOMO_CMR"}"#,
        r#"{"Provider":"MOOV_BEN","returnUrl":"https://shop.example"}"#,
        r#"{"provider":"MOOV_BEN","returnUrl":"https://shop.example"}"#,
        r#"{"provider":null,"returnUrl":"https://shop.example"}"#,
        r#"{"returnUrl":""}"#,
        r#"{"returnUrl":null}"#,
        r#"{"returnurl":"https://shop.example"}"#,
        r#"{"data":{"provider":"MTN_MOMO_CMR"}}"#,
        r#"[{"provider":"MTN_MOMO_CMR"}]"#,
        r#"{"provider":"MTN_MOMO_CMR"} {}"#,
        "provider=MTN_MOMO_CMR",
        "{}",
        "",
    ] {
        assert_eq!(judge(INIT, bad), REFUSED, "{bad}");
    }
}

#[test]
fn calls_that_name_a_provider_are_looked_at_in_every_spelling_and_others_are_not() {
    let other = r#"{"provider":"MOOV_BEN"}"#;
    for line in [
        INIT,
        "POST /api/v1/payments/init/",
        "POST /api/v1/Payments/INIT",
        "POST /api/v1/payments/init?provider=MTN_MOMO_CMR",
        "POST /api/v1/payments/withdraw",
    ] {
        assert_eq!(judge(line, other), REFUSED, "{line}");
    }
    for line in [
        "GET /api/v1/payments/init",
        "GET /api/v1/payments/me",
        "POST /api/v1/payments/predict-provider",
        "POST /api/v1/payments/pay_1/refund",
        "POST /api/v1/payments/init/more",
    ] {
        assert_eq!(judge(line, other), Ok(()), "{line}");
    }
    assert_eq!(judge("GET /api/v1/payments/me", ""), Ok(()));
    let request = Request::new(INIT).body(other.as_bytes());
    assert_eq!(check(&Restrictions::default(), "kpay", &request, Caller::Secret), Ok(()), "none chosen is all");
}

#[test]
fn a_list_that_the_dialect_cannot_read_allows_nothing() {
    let request = Request::new("GET /v1/orders");
    assert_eq!(check(&listed(), "razorpay", &request, Caller::Secret), REFUSED);
    assert!(dialect("razorpay").providers.is_none());
}

#[test]
fn the_vendor_has_twenty_three_providers_and_answers_400() {
    let kpay = dialect("kpay");
    assert_eq!(kpay.providers.as_ref().map(|rules| rules.values.len()), Some(23));
    let answer = kpay.answer(DenyReason::ProviderNotAllowed, None);
    let body =
        r#"{"statusCode":400,"message":"This provider is not allowed for this application","error":"Bad Request"}"#;
    assert_eq!((answer.status, &*answer.body), (400, body));
}
