//! Signatures of deliveries: the vendors' vectors, Standard Webhooks' own library, and what is one step off.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use keymint_domain::secret::{SecretBytes, SecretText};
use keymint_domain::webhook::signature::{Signed, private_key, public_key};

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

/// RFC 8032 section 7.1, test 1: the private key, its public one.
const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn pair() -> SecretText {
    private_key(&SecretBytes::new(HEXLOWER.decode(SEED.as_bytes()).expect("hexadecimal")))
}

fn is_by(public: &str, message: &str, signature: &str) -> bool {
    let key = BASE64.decode(public.strip_prefix("whpk_").expect("a prefix").as_bytes()).expect("base 64");
    let signature = BASE64.decode(signature.strip_prefix("v1a,").expect("a prefix").as_bytes()).expect("base 64");
    UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), &signature).is_ok()
}

#[test]
fn a_key_pair_signs_the_same_bytes_and_its_public_half_is_that_of_rfc_8032() {
    let public = public_key(&pair()).expect("a public key");
    let bytes = HEXLOWER.decode(PUBLIC.as_bytes()).expect("hexadecimal");
    assert_eq!(public, format!("whpk_{}", BASE64.encode(&bytes)));
    let signature = sign("keymint", ("msg_1", "1614265330", "{}"), &[pair().expose()]).expect("a signature");
    assert!(is_by(&public, "msg_1.1614265330.{}", &signature));
    for off in ["msg_2.1614265330.{}", "msg_1.1614265331.{}", "msg_1.1614265330.{} ", "msg_1.1614265330.", "{}"] {
        assert!(!is_by(&public, off, &signature), "{off}");
    }
    let other = public_key(&private_key(&SecretBytes::new(vec![7; 32]))).expect("a public key");
    assert!(!is_by(&other, "msg_1.1614265330.{}", &signature));
    // Rolled from one to the other, both stand there, the newer one first.
    let hmac = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let both = sign("keymint", ("msg_1", "1614265330", "{}"), &[pair().expose(), hmac]).expect("signatures");
    assert!(both.starts_with(&format!("{signature} v1,")), "{both}");
}

#[test]
fn what_is_no_private_key_has_no_public_one_and_only_the_native_dialect_has_pairs() {
    for odd in ["whsk_", "whsk_AAAA", "whsk_*", &pair().expose().replace("whsk_", "whsec_"), &pair().expose()[5..]] {
        assert_eq!(public_key(&SecretText::new(odd.to_owned())), None, "{odd}");
    }
    for dialect in ["razorpay", "kpay", "kwikpaisa"] {
        assert_eq!(of(dialect).signing.ed25519_prefix, None, "{dialect}");
        let signature = sign(dialect, ("e", "1", "{}"), &[pair().expose()]).expect("a secret like any other");
        assert!(!signature.contains("v1a"), "{signature}");
    }
}
