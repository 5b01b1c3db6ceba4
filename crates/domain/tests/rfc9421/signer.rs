//! HMAC keys and our own signer.

use super::*;

#[test]
fn short_keys_neither_sign_nor_verify() {
    for length in 0..KEY_BYTES_MIN {
        let key = &KEY[..length];
        assert_eq!(sign_hmac(b"base", key), Err(KeyTooShort));
        let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key), b"base");
        assert!(!verify_hmac(b"base", key, tag.as_ref()), "{length}");
    }
    let key = &KEY[..KEY_BYTES_MIN];
    let tag = sign_hmac(b"base", key).expect("long enough");
    assert!(verify_hmac(b"base", key, &tag));
    assert!(!verify_hmac(b"base", key, b""));
}

fn signed(request: &Request, parameters: &SigningParameters<'_>) -> Request {
    let SignedFields { signature_input, signature, content_digest } =
        request.see(|view| sign(view, parameters, KEY)).expect("the request can be signed");
    let mut signed = request.clone().with("signature-input", signature_input).with("signature", signature);
    if let Some(digest) = content_digest {
        signed = signed.with("content-digest", digest);
    }
    signed
}

fn accepted(request: &Request) -> bool {
    let Ok(input) = request.input() else { return false };
    request.see(|view| check_coverage(&input, view)).is_ok()
        && request.see(check_content_digest).is_ok()
        && request.verifies_with(|base, signature| verify_hmac(base, KEY, signature))
}

#[test]
fn what_we_sign_we_accept_and_what_is_changed_we_refuse() {
    for (target, body) in [("/v1/orders?a=b&c", r#"{"a":1}"#), ("/v1/orders", ""), ("/?", "x")] {
        let request = Request::new("POST", "api.example.com:8443", target).with_body(body).with("date", "now");
        let components = request.see(default_components);
        assert_eq!(components.len(), if body.is_empty() { 2 } else { 3 });
        let parameters = SigningParameters { nonce: Some("n\"1\\"), components: &components, ..PARAMETERS };
        let request = signed(&request, &parameters);
        assert!(accepted(&request), "{target}");
        assert_eq!(request.input().expect("valid").nonce(), Some("n\"1\\"));

        for changed in with_one_part_changed(&request) {
            assert!(!accepted(&changed), "{} {} {}", changed.method, changed.authority, changed.target);
        }
        assert!(!accepted(&Request { scheme: "http".to_owned(), ..request.clone() }));
        assert!(!accepted(&Request { body: [body, " "].concat().into_bytes(), ..request.clone() }));
        assert!(accepted(&request.clone().replacing("date", "then")), "what is not covered may change");
        for name in ["signature-input", "signature"] {
            for changed in with_one_bit_changed(&request, name) {
                assert!(!accepted(&changed), "{name}: {:?}", changed.headers);
            }
        }
        if !body.is_empty() {
            assert!(!accepted(&request.clone().replacing("content-digest", content_digest(b"other"))));
            let other = Request { body: b"other".to_vec(), ..request.clone() };
            assert!(!accepted(&other.replacing("content-digest", content_digest(b"other"))));
        }
    }
}

#[test]
fn signed_fields_are_spelled_canonically() {
    let components = ["\"@method\"", "\"@query-param\";name=\"a\"", "\"x\";bs"]
        .map(|identifier| Component::parse(identifier).expect("known"));
    let parameters = SigningParameters {
        expires: Some(1_700_000_060),
        nonce: Some("n"),
        tag: Some("t"),
        components: &components,
        ..PARAMETERS
    };
    let request = Request::new("GET", "a", "/?a=1").with("x", "y");
    let fields = request.see(|view| sign(view, &parameters, KEY)).expect("signed");
    assert_eq!(
        fields.signature_input,
        concat!(
            r#"sig1=("@method" "@query-param";name="a" "x";bs);created=1700000000;expires=1700000060"#,
            r#";keyid="mk_test_1";nonce="n";tag="t""#
        )
    );
    let base = signed(&request, &parameters).base().expect("base");
    assert_eq!(fields.signature, format!("sig1=:{}:", BASE64.encode(&sign_hmac(base.as_bytes(), KEY).expect("key"))));
    assert_eq!(fields.content_digest, None);
}

#[test]
fn content_digest_is_added_where_it_is_needed_and_nowhere_else() {
    let covering = [Component::parse("\"content-digest\"").expect("known")];
    let digest = |request: &Request, components: &[Component]| {
        request
            .see(|view| sign(view, &SigningParameters { components, ..PARAMETERS }, KEY))
            .map(|fields| fields.content_digest)
    };
    let empty = Request::new("POST", "a", "/");
    let full = empty.clone().with_body("x");
    assert_eq!(digest(&empty, &[]), Ok(None));
    assert_eq!(digest(&empty, &covering), Ok(Some(content_digest(b""))));
    assert_eq!(digest(&full, &[]), Ok(Some(content_digest(b"x"))));
    assert_eq!(digest(&full.clone().with("content-digest", content_digest(b"x")), &covering), Ok(None));
    let wrong = digest(&full.with("content-digest", content_digest(b"y")), &covering);
    assert_eq!(wrong, Err(SignError::Digest(DigestError::Mismatch)));
}

#[test]
fn what_a_verifier_would_refuse_is_not_signed() {
    let request = Request::new("GET", "a", "/");
    let refusal = |parameters: SigningParameters<'_>| request.see(|view| sign(view, &parameters, KEY)).map(|_| ());
    let method = [Component::parse("\"@method\"").expect("known")];
    let twice = [method.clone(), method.clone()].concat();
    let absent = [Component::parse("\"x-absent\"").expect("known")];
    let long = "t".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(refusal(PARAMETERS), Ok(()));
    assert_eq!(refusal(SigningParameters { label: "Sig", ..PARAMETERS }), Err(SignError::Label));
    assert_eq!(refusal(SigningParameters { label: "", ..PARAMETERS }), Err(SignError::Label));
    assert_eq!(refusal(SigningParameters { keyid: "ä", ..PARAMETERS }), Err(SignError::Parameter(Parameter::Keyid)));
    assert_eq!(
        refusal(SigningParameters { nonce: Some("\n"), ..PARAMETERS }),
        Err(SignError::Parameter(Parameter::Nonce))
    );
    assert_eq!(refusal(SigningParameters { tag: Some("\0"), ..PARAMETERS }), Err(SignError::Parameter(Parameter::Tag)));
    assert_eq!(
        refusal(SigningParameters { created: i64::MAX, ..PARAMETERS }),
        Err(SignError::Parameter(Parameter::Created))
    );
    assert_eq!(
        refusal(SigningParameters { expires: Some(i64::MIN), ..PARAMETERS }),
        Err(SignError::Parameter(Parameter::Expires))
    );
    assert_eq!(
        refusal(SigningParameters { created: -1, ..PARAMETERS }),
        Err(SignError::Input(SignatureInputError::ParameterRange(Parameter::Created)))
    );
    assert_eq!(
        refusal(SigningParameters { nonce: Some(&long), ..PARAMETERS }),
        Err(SignError::Input(SignatureInputError::ParameterRange(Parameter::Nonce)))
    );
    assert_eq!(
        refusal(SigningParameters { components: &twice, ..PARAMETERS }),
        Err(SignError::Input(SignatureInputError::RepeatedComponent))
    );
    assert_eq!(
        refusal(SigningParameters { components: &absent, ..PARAMETERS }),
        Err(SignError::Base(BaseError::MissingField))
    );
    let short = request.see(|view| sign(view, &PARAMETERS, &KEY[..15])).map(|_| ());
    assert_eq!(short, Err(SignError::Key(KeyTooShort)));
}
