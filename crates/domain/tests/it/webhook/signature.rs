//! Signatures of deliveries: the vendors' vectors, Standard Webhooks' own library, and what is one step off.

use keymint_domain::secret::SecretText;
use keymint_domain::webhook::signature::Signed;

use super::of;

fn sign(dialect: &str, (id, timestamp, body): (&str, &str, &str), secrets: &[&str]) -> Option<String> {
    let secrets: Vec<_> = secrets.iter().map(|secret| SecretText::new((*secret).to_owned())).collect();
    of(dialect).signing.sign(Signed { id, timestamp, body: body.as_bytes() }, &secrets)
}

/// The secret of the fact sheet's vectors.
const KWIKPAISA_SECRET: &str = "sk_test_0123456789abcdef";

/// Dialect, timestamp, body, secret, signature: vectors of vendors' pages 1.9, 2.7 and 3.7.
const VECTORS: [(&str, &str, &str, &str, &str); 3] = [
    (
        "razorpay",
        "",
        r#"{"entity":"event","account_id":"acc_BFQ7uQEaa7j2z7","event":"payment.captured","contains":["payment"],"payload":{},"created_at":1567674599}"#,
        "rzp_wh_demo",
        "e3032c88022d29b84986d880e0ff0e814c76b141207a7a6da9aaa2f4215e5b2a",
    ),
    (
        "kpay",
        "",
        r#"{"event":"payment.completed","paymentId":"pay_abc123","status":"COMPLETED"}"#,
        "whsec_demo",
        "7be8618f0de91009551e5b0959d496bc5c4c2fe867cae56e2c44209e4ae0bcaf",
    ),
    (
        "kwikpaisa",
        "1778659835",
        r#"{"event":"payment.success","data":{"order_id":"6116229263036","amount":"105.00","currency":"INR","status":"PAID"}}"#,
        KWIKPAISA_SECRET,
        "ded857f895803e893ee98f7c693c257a3fdcca9ce0c6d9c2d72092a59e13bc31",
    ),
];

#[test]
fn each_vendors_vector_is_signed_as_the_vendor_does_and_nothing_else_is() {
    for (dialect, timestamp, body, secret, wanted) in VECTORS {
        assert_eq!(sign(dialect, ("evt", timestamp, body), &[secret]).as_deref(), Some(wanted), "{dialect}");
        let other = |body: &str, secret: &str| sign(dialect, ("evt", timestamp, body), &[secret]).expect("a signature");
        assert_ne!(other(&body.replacen('e', "f", 1), secret), wanted);
        assert_ne!(other(&format!("{body} "), secret), wanted);
        assert_ne!(other(body, &format!("{secret}x")), wanted);
        let later = sign(dialect, ("evt", "1778659836", body), &[secret]).expect("a signature");
        assert_eq!(later != wanted, dialect == "kwikpaisa", "only KwikPaisa signs the time");
    }
}

#[test]
fn the_native_dialect_signs_as_standard_webhooks_does_with_both_secrets_while_one_is_rolled() {
    // The vector of the specification's own libraries.
    let (secret, id, timestamp) =
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
    let (body, wanted) = (r#"{"test": 2432232314}"#, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_eq!(sign("keymint", (id, timestamp, body), &[secret]).as_deref(), Some(wanted));
    let old = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let of_old = sign("keymint", (id, timestamp, body), &[old]).expect("a signature");
    assert_eq!(sign("keymint", (id, timestamp, body), &[secret, old]), Some(format!("{wanted} {of_old}")));
    for (id, timestamp, body) in [
        ("msg_p5jXN8AQM9LWM0D4loKWxJel", timestamp, body),
        (id, "1614265331", body),
        (id, timestamp, r#"{"test":2432232314}"#),
    ] {
        assert_ne!(sign("keymint", (id, timestamp, body), &[secret]).as_deref(), Some(wanted));
    }
}

#[test]
fn no_secret_and_an_empty_secret_sign_nothing() {
    for dialect in ["razorpay", "kpay", "kwikpaisa", "keymint"] {
        assert_eq!(sign(dialect, ("e", "1", "{}"), &[]), None);
        assert_eq!(sign(dialect, ("e", "1", "{}"), &[""]), None, "{dialect}");
    }
    for odd in ["whsec_", "whsec_*", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] {
        assert_eq!(sign("keymint", ("e", "1", "{}"), &[odd]), None, "{odd}");
    }
}
