//! The examples of appendix B: each verifies, and what differs from it in one place does not.

use super::*;

#[test]
fn b21_covers_nothing_and_so_fails_our_policy() {
    let request = test_request([
        r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
        concat!(
            "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXa",
            "JMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0m",
            "KZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt",
            "8C8ssinQ98Xw9Q==:"
        ),
    ]);
    assert_eq!(
        request.base().expect("base"),
        r#""@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#
    );
    assert!(verifies(&request, &RSA_PSS_2048_8192_SHA512, RSA_PSS_KEY));
    let input = request.input().expect("valid");
    assert_eq!(input.nonce(), Some("b3k2pp5k7z-50gnwp.yemd"));
    assert_eq!(request.see(|view| check_coverage(&input, view)), Err(CoverageError::Method));
}

#[test]
fn b22_selective_coverage_verifies_and_its_neighbours_do_not() {
    let request = test_request(B22);
    assert_eq!(
        request.base().expect("base"),
        [
            r#""@authority": example.com"#,
            &format!(r#""content-digest": {DIGEST}"#),
            r#""@query-param";name="Pet": dog"#,
            concat!(
                r#""@signature-params": ("@authority" "content-digest" "@query-param";name="Pet");created=1618884473"#,
                r#";keyid="test-key-rsa-pss";tag="header-example""#
            ),
        ]
        .join("\n")
    );
    let verifies = |request: &Request| verifies(request, &RSA_PSS_2048_8192_SHA512, RSA_PSS_KEY);
    assert!(verifies(&request));
    let input = request.input().expect("valid");
    assert_eq!((input.label(), input.keyid(), input.created()), ("sig-b22", "test-key-rsa-pss", 1_618_884_473));
    assert_eq!((input.tag(), input.alg(), input.nonce(), input.expires()), (Some("header-example"), None, None, None));
    assert_eq!(
        input.components().iter().map(Component::identifier).collect::<Vec<_>>(),
        [r#""@authority""#, r#""content-digest""#, r#""@query-param";name="Pet""#]
    );

    assert!(!verifies(&Request { authority: "example.org".to_owned(), ..request.clone() }));
    assert!(!verifies(&Request { target: "/foo?param=Value&Pet=dot".to_owned(), ..request.clone() }));
    assert!(!verifies(&request.clone().replacing("signature-input", B22[0].replace("tag=\"h", "tag=\"H"))));
    assert!(!verifies(&request.clone().replacing("content-digest", DIGEST.replace("WZ", "WY"))));
    assert!(verifies(&Request { target: "/foo?Pet=d%6Fg".to_owned(), ..request }), "the rest is not covered");
}

#[test]
fn b23_full_coverage_verifies_and_its_neighbours_do_not() {
    let request = test_request(B23);
    assert_eq!(
        request.base().expect("base"),
        [
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
            r#""@method": POST"#,
            r#""@path": /foo"#,
            r#""@query": ?param=Value&Pet=dog"#,
            r#""@authority": example.com"#,
            r#""content-type": application/json"#,
            &format!(r#""content-digest": {DIGEST}"#),
            r#""content-length": 18"#,
            concat!(
                r#""@signature-params": ("date" "@method" "@path" "@query" "@authority" "content-type" "#,
                r#""content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#
            ),
        ]
        .join("\n")
    );
    let verifies = |request: &Request| verifies(request, &RSA_PSS_2048_8192_SHA512, RSA_PSS_KEY);
    assert!(verifies(&request));
    let input = request.input().expect("valid");
    assert_eq!(request.see(|view| check_coverage(&input, view)), Ok(()));
    assert_eq!(request.see(check_content_digest), Ok(()));
    for changed in with_one_part_changed(&request) {
        assert!(!verifies(&changed), "{} {} {}", changed.method, changed.authority, changed.target);
    }
}

#[test]
fn b25_hmac_verifies_and_every_neighbour_is_refused() {
    let request = test_request(B25);
    let base = [
        r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
        r#""@authority": example.com"#,
        r#""content-type": application/json"#,
        concat!(
            r#""@signature-params": ("date" "@authority" "content-type");created=1618884473"#,
            r#";keyid="test-shared-secret""#
        ),
    ]
    .join("\n");
    assert_eq!(request.base().expect("base"), base);
    assert!(verifies_b25(&request));
    let secret = bytes(SHARED_SECRET);
    let signature = sign_hmac(base.as_bytes(), &secret).expect("the key is long enough");
    assert_eq!(BASE64.encode(&signature), "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=");

    for bit in 0..8 * signature.len() {
        let mut changed = signature.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify_hmac(base.as_bytes(), &secret, &changed));
    }
    for bit in 0..8 * secret.len() {
        let mut changed = secret.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify_hmac(base.as_bytes(), &changed, &signature));
    }
    for length in 0..signature.len() {
        assert!(!verify_hmac(base.as_bytes(), &secret, &signature[..length]), "truncated to {length}");
    }
    assert!(!verify_hmac(base.as_bytes(), &secret, &[signature.as_slice(), &[0]].concat()));
    for name in ["date", "content-type", "signature-input", "signature"] {
        for changed in with_one_bit_changed(&request, name) {
            assert!(!verifies_b25(&changed), "{name}: {:?}", changed.headers);
        }
    }
    for at in 0..request.authority.len() {
        let mut authority = request.authority.clone().into_bytes();
        authority[at] ^= 1;
        let authority = String::from_utf8(authority).expect("ASCII");
        assert!(!verifies_b25(&Request { authority, ..request.clone() }));
    }
    let coverage = request.see(|view| check_coverage(&request.input().expect("valid"), view));
    assert_eq!(coverage, Err(CoverageError::Method), "the example is no model for a policy");
}

#[test]
fn b25_with_its_parts_in_another_order_or_number_is_refused() {
    let request = test_request(B25);
    for input in [
        r#"sig-b25=("date" "@authority" "content-type");keyid="test-shared-secret";created=1618884473"#,
        r#"sig-b25=("@authority" "date" "content-type");created=1618884473;keyid="test-shared-secret""#,
        r#"sig-b25=("date" "@authority");created=1618884473;keyid="test-shared-secret""#,
        r#"sig-b25=("date" "@authority" "content-type" "host");created=1618884473;keyid="test-shared-secret""#,
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret";nonce="n""#,
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret";alg="hmac-sha256""#,
        r#"sig-b25=("date" "@authority" "content-type");created=1618884473;expires=1618884474;keyid="test-shared-secret""#,
        r#"sig-b25=("date" "@authority" "content-type";bs);created=1618884473;keyid="test-shared-secret""#,
        r#"sig-b26=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
    ] {
        assert!(!verifies_b25(&request.clone().replacing("signature-input", input)), "{input}");
    }
    assert!(!verifies_b25(&request.clone().with("date", "Tue, 20 Apr 2021 02:07:55 GMT")), "the field stands twice");
}

/// White space that RFC 9651 allows, and the case of the authority, are not part of what is signed.
#[test]
fn b25_spelled_differently_but_meaning_the_same_verifies() {
    let request = test_request(B25);
    for input in [
        r#"sig-b25=( "date"  "@authority" "content-type" ); created=1618884473;  keyid="test-shared-secret""#,
        r#"sig-b25=("date" "@authority" "content-type");created=01618884473;keyid="test-shared-secret""#,
        "\tsig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;\r\n  keyid=\"test-shared-secret\" ",
    ] {
        assert!(verifies_b25(&request.clone().replacing("signature-input", input)), "{input}");
    }
    for authority in ["EXAMPLE.com", "example.com:443", "example.com:", "Example.Com:443"] {
        assert!(verifies_b25(&Request { authority: authority.to_owned(), ..request.clone() }), "{authority}");
    }
    let plain = Request { scheme: "http".to_owned(), ..request.clone() };
    assert!(verifies_b25(&Request { authority: "example.com:80".to_owned(), ..plain.clone() }));
    assert!(!verifies_b25(&Request { authority: "example.com:443".to_owned(), ..plain }));
    assert!(!verifies_b25(&Request { authority: "example.com:80".to_owned(), ..request }));
}

#[test]
fn b26_ed25519_verifies_over_our_base_and_its_neighbours_do_not() {
    let request = test_request(B26);
    assert_eq!(
        request.base().expect("base"),
        [
            r#""date": Tue, 20 Apr 2021 02:07:55 GMT"#,
            r#""@method": POST"#,
            r#""@path": /foo"#,
            r#""@authority": example.com"#,
            r#""content-type": application/json"#,
            r#""content-length": 18"#,
            concat!(
                r#""@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")"#,
                r#";created=1618884473;keyid="test-key-ed25519""#
            ),
        ]
        .join("\n")
    );
    let verifies = |request: &Request| verifies(request, &ED25519, ED25519_KEY);
    assert!(verifies(&request));
    for name in ["date", "content-type", "content-length", "signature-input", "signature"] {
        for changed in with_one_bit_changed(&request, name) {
            assert!(!verifies(&changed), "{name}: {:?}", changed.headers);
        }
    }
    for changed in with_one_part_changed(&request)
        .into_iter()
        .filter(|changed| changed.see(|view| view.query() == Some("param=Value&Pet=dog")))
    {
        assert!(!verifies(&changed), "{} {} {}", changed.method, changed.authority, changed.target);
    }
    assert!(verifies(&Request { target: "/foo?any".to_owned(), ..request }), "the query is not covered");
}

#[test]
fn b3_ecdsa_over_a_long_field_verifies() {
    let certificate = concat!(
        ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0",
        "ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaU",
        "gmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAW",
        "gBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1w",
        "bGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBV",
        "oU4hBVZ1yhk=:"
    );
    let request = Request::new("POST", "service.internal.example", "/foo?param=Value&Pet=dog")
        .with("client-cert", certificate)
        .with(
            "signature-input",
            concat!(
                r#"ttrp=("@path" "@query" "@method" "@authority" "client-cert");created=1618884473"#,
                r#";keyid="test-key-ecc-p256""#
            ),
        )
        .with(
            "signature",
            "ttrp=:xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==:",
        );
    let key = &bytes(ECC_P256_KEY)[26..];
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
    let verifies = |request: &Request| request.verifies_with(|base, signature| key.verify(base, signature).is_ok());
    assert!(verifies(&request));
    assert!(!verifies(&request.clone().replacing("client-cert", certificate.replace("MIIB", "MIIA"))));
    assert!(!verifies(&Request { target: "/foo?Pet=dog&param=Value".to_owned(), ..request }));
}

#[test]
fn b4_signature_survives_the_transformations_that_the_rfc_lists_and_no_others() {
    let signed = |request: Request| {
        request
            .with(
                "signature-input",
                concat!(
                    r#"transform=("@method" "@path" "@authority" "accept");created=1618884473"#,
                    r#";keyid="test-key-ed25519""#
                ),
            )
            .with(
                "signature",
                "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:",
            )
    };
    let target = "/demo?name1=Value1&Name2=value2";
    let plain = || Request::new("GET", "example.org", target);
    let accepts = |request: Request| verifies(&signed(request), &ED25519, ED25519_KEY);

    assert!(accepts(plain().with("accept", "application/json").with("accept", "*/*")));
    assert!(accepts(plain().with("x-unsigned", "a").with("accept", "application/json, */*")));
    assert!(accepts(plain().with("accept", "   application/json").with("date", "now").with("accept", "*/*\t")));
    assert!(accepts(Request { target: "/demo?other".to_owned(), ..plain() }.with("accept", "application/json, */*")));

    let list = "application/json, */*";
    assert!(!accepts(Request::new("POST", "example.com", target).with("accept", list)));
    assert!(!accepts(Request::new("GET", "example.com", target).with("accept", list)));
    assert!(!accepts(Request::new("GET", "example.org", "/demo/?name1=Value1").with("accept", list)));
    assert!(!accepts(plain().with("accept", "*/*").with("accept", "application/json")));
    assert!(!accepts(plain().with("accept", "application/json,*/*")));
    assert!(!accepts(plain()));
}
