//! HTTP message signatures against the examples of RFC 9421 and RFC 9530, their neighbours, and random input.

use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use data_encoding::BASE64;
use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::http_signature::{
    BASE_BYTES_MAX, BaseError, COMPONENTS_MAX, CONTENT_DIGEST_BYTES_MAX, Component, ComponentError, CoverageError,
    DigestError, INPUT_BYTES_MAX, KEY_BYTES_MIN, KeyTooShort, LABEL_BYTES_MAX, Parameter, SIGNATURE_BYTES_MAX,
    SignError, SignatureInput, SignatureInputError, SignedFields, SigningParameters, TEXT_BYTES_MAX,
    check_content_digest, check_coverage, content_digest, default_components, sign, sign_hmac, signature_base,
    verify_hmac,
};

/// A request that owns its parts, so that tests can change one at a time.
#[derive(Clone)]
struct Request {
    method: String,
    scheme: String,
    authority: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    fn new(method: &str, authority: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            scheme: "https".to_owned(),
            authority: authority.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn with_body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Replaces the fields of that name by one.
    fn replacing(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.retain(|(present, _)| present != name);
        self.with(name, value)
    }

    /// Adds `Signature-Input` and a `Signature` of one byte, for tests that look at the input alone.
    fn covering(self, list: &str) -> Self {
        self.with("signature-input", format!("sig1={list};created=1;keyid=\"k\"")).with("signature", "sig1=:AA==:")
    }

    fn see<T>(&self, look: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self.headers.iter().map(|(name, value)| Header { name, value }).collect();
        look(&RequestView {
            method: &self.method,
            scheme: &self.scheme,
            authority: &self.authority,
            target: &self.target,
            route_at: 0,
            headers: &headers,
            body: &self.body,
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        })
    }

    fn input(&self) -> Result<SignatureInput, SignatureInputError> {
        self.see(|view| SignatureInput::parse(view).map(|input| input.expect("the request is signed")))
    }

    fn base(&self) -> Result<String, BaseError> {
        let input = self.input().expect("the input is valid");
        let mut out = Vec::new();
        self.see(|view| signature_base(view, &input, &mut out))?;
        Ok(String::from_utf8(out).expect("a base is ASCII"))
    }

    /// The value of the one component that `list` names.
    fn value_of(&self, component: &str) -> Result<String, BaseError> {
        let base = self.clone().covering(&format!("({component})")).base()?;
        let (line, _) = base.split_once("\n\"@signature-params\"").expect("the last line");
        Ok(line.strip_prefix(&format!("{component}: ")).expect("the identifier").to_owned())
    }

    /// What a verifier does after it has found the key, without policy.
    fn verifies_with(&self, accepts: impl FnOnce(&[u8], &[u8]) -> bool) -> bool {
        let Ok(input) = self.input() else { return false };
        let mut base = Vec::new();
        self.see(|view| signature_base(view, &input, &mut base)).is_ok() && accepts(&base, input.signature())
    }
}

fn bytes(base64: &str) -> Vec<u8> {
    BASE64.decode(base64.as_bytes()).expect("base 64")
}

// RFC 9421 appendix B.1 and B.2.

const RSA_PSS_KEY: &str = concat!(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+",
    "Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgc",
    "hwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9",
    "v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB"
);
const ECC_P256_KEY: &str = concat!(
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdl",
    "dkkDXZCnTNnoXQ=="
);
const ED25519_KEY: &str = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const SHARED_SECRET: &str = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

const DIGEST: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

const B22: [&str; 2] = [
    concat!(
        r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473"#,
        r#";keyid="test-key-rsa-pss";tag="header-example""#
    ),
    concat!(
        "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB",
        "4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7C",
        "l+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/X",
        "aVe4bXTugEjHSw==:"
    ),
];
const B23: [&str; 2] = [
    concat!(
        r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length")"#,
        r#";created=1618884473;keyid="test-key-rsa-pss""#
    ),
    concat!(
        "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrC",
        "Ub38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCo",
        "C1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fT",
        "IztsDZKEgM4cUA==:"
    ),
];
const B25: [&str; 2] = [
    r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
    "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
];
const B26: [&str; 2] = [
    concat!(
        r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473"#,
        r#";keyid="test-key-ed25519""#
    ),
    "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
];

/// `test-request` of appendix B.2 with one of its signatures.
fn test_request([input, signature]: [&str; 2]) -> Request {
    Request::new("POST", "example.com", "/foo?param=Value&Pet=dog")
        .with("host", "example.com")
        .with("date", "Tue, 20 Apr 2021 02:07:55 GMT")
        .with("content-type", "application/json")
        .with("content-digest", DIGEST)
        .with("content-length", "18")
        .with("signature-input", input)
        .with("signature", signature)
        .with_body(r#"{"hello": "world"}"#)
}

fn verifies(request: &Request, algorithm: &'static dyn VerificationAlgorithm, key: &str) -> bool {
    let key = UnparsedPublicKey::new(algorithm, bytes(key));
    request.verifies_with(|base, signature| key.verify(base, signature).is_ok())
}

fn verifies_b25(request: &Request) -> bool {
    request.verifies_with(|base, signature| verify_hmac(base, &bytes(SHARED_SECRET), signature))
}

/// Every request that differs from `request` in one bit of the named field's value.
fn with_one_bit_changed(request: &Request, name: &str) -> Vec<Request> {
    let at = request.headers.iter().position(|(present, _)| present == name).expect("the field is there");
    let bits = 8 * request.headers.get(at).map_or(0, |(_, value)| value.len());
    (0..bits)
        .map(|bit| {
            let mut changed = request.clone();
            let (_, value) = changed.headers.get_mut(at).expect("the field is there");
            *value.get_mut(bit / 8).expect("inside") ^= 1 << (bit % 8);
            changed
        })
        .collect()
}

/// Every request that differs from `request` in the text of one part: method, authority and target, byte by byte.
fn with_one_part_changed(request: &Request) -> Vec<Request> {
    let mut changed = vec![
        Request { method: "PUT".to_owned(), ..request.clone() },
        Request { method: "post".to_owned(), ..request.clone() },
    ];
    // The last bit: a bit further up would only change the case of letters in the authority, which is not signed.
    let flip = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        *bytes.get_mut(at).expect("inside") ^= 1;
        String::from_utf8(bytes).expect("still ASCII")
    };
    for at in 0..request.authority.len() {
        changed.push(Request { authority: flip(&request.authority, at), ..request.clone() });
    }
    for at in 0..request.target.len() {
        changed.push(Request { target: flip(&request.target, at), ..request.clone() });
    }
    changed
}

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

// RFC 9421 section 2: the values of components.

#[test]
fn derived_components_have_the_values_of_section_2_2() {
    let request = Request::new("POST", "www.example.com", "/path?param=value");
    for (component, expected) in [
        ("\"@method\"", "POST"),
        ("\"@target-uri\"", "https://www.example.com/path?param=value"),
        ("\"@authority\"", "www.example.com"),
        ("\"@scheme\"", "https"),
        ("\"@request-target\"", "/path?param=value"),
        ("\"@path\"", "/path"),
        ("\"@query\"", "?param=value"),
    ] {
        assert_eq!(request.value_of(component).as_deref(), Ok(expected), "{component}");
    }
    let queries = [
        ("/path?param=value&foo=bar&baz=bat%2Dman", "?param=value&foo=bar&baz=bat%2Dman"),
        ("/path?queryString", "?queryString"),
        ("/path", "?"),
        ("/path?", "?"),
        ("/path??", "??"),
    ];
    for (target, expected) in queries {
        assert_eq!(Request::new("GET", "a", target).value_of("\"@query\"").as_deref(), Ok(expected));
    }
    let empty = Request { scheme: "HTTPS".to_owned(), ..Request::new("GET", "A:443", "") };
    assert_eq!(empty.value_of("\"@path\"").as_deref(), Ok("/"), "an empty path is a solidus");
    assert_eq!(empty.value_of("\"@target-uri\"").as_deref(), Ok("https://a/"));
    assert_eq!(empty.value_of("\"@scheme\"").as_deref(), Ok("https"));
    assert_eq!(Request::new("GET", "a", "/%7Ea/../B;c").value_of("\"@path\"").as_deref(), Ok("/%7Ea/../B;c"));
    assert_eq!(Request::new("get", "a", "/").value_of("\"@method\"").as_deref(), Ok("get"), "case is kept");
}

#[test]
fn authority_is_normalised_and_nonsense_is_refused() {
    let value = |authority: &str| Request::new("GET", authority, "/").value_of("\"@authority\"");
    for (authority, expected) in [
        ("WWW.Example.com", "www.example.com"),
        ("example.com:443", "example.com"),
        ("example.com:8443", "example.com:8443"),
        ("example.com:80", "example.com:80"),
        ("[2001:DB8::443]", "[2001:db8::443]"),
        ("[::1]:443", "[::1]"),
    ] {
        assert_eq!(value(authority).as_deref(), Ok(expected));
    }
    for authority in ["", ":443", ":", "a/b", "a?b", "a#b", "u@a", "a\\b", "a b", "ä.example", "a\nb"] {
        assert_eq!(value(authority), Err(BaseError::Authority), "{authority:?}");
        assert_eq!(Request::new("GET", authority, "/").value_of("\"@target-uri\""), Err(BaseError::Authority));
    }
}

#[test]
fn targets_that_are_no_path_are_refused() {
    for target in ["*", "http://a/", "a", "/a#b", "/a b", "/ä", "/a\n", "/a?b\rc", "#"] {
        let request = Request::new("GET", "a", target);
        for component in ["\"@target-uri\"", "\"@request-target\"", "\"@path\"", "\"@query\""] {
            assert_eq!(request.value_of(component), Err(BaseError::Target), "{component} of {target:?}");
        }
    }
}

#[test]
fn query_parameters_have_the_values_of_section_2_2_8() {
    let value = |target: &str, name: &str| {
        Request::new("GET", "www.example.com", target).value_of(&format!("\"@query-param\";name=\"{name}\""))
    };
    let plain = "/path?param=value&foo=bar&baz=batman&qux=";
    assert_eq!(value(plain, "baz").as_deref(), Ok("batman"));
    assert_eq!(value(plain, "qux").as_deref(), Ok(""));
    assert_eq!(value(plain, "param").as_deref(), Ok("value"));
    let odd = concat!(
        "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace",
        "&fa%C3%A7ade%22%3A%20=something"
    );
    assert_eq!(value(odd, "var").as_deref(), Ok("this%20is%20a%20big%0Amultiline%20value"));
    assert_eq!(value(odd, "bar").as_deref(), Ok("with%20plus%20whitespace"));
    assert_eq!(value(odd, "fa%C3%A7ade%22%3A%20").as_deref(), Ok("something"));

    assert_eq!(value("/?a=%7e~*-._%2a!b=c", "a").as_deref(), Ok("%7E%7E*-._*%21b%3Dc"), "only forms' own stay");
    assert_eq!(value("/?a", "a").as_deref(), Ok(""));
    assert_eq!(value("/?&&a=1&", "a").as_deref(), Ok("1"), "empty pairs are none");
    assert_eq!(value("/?%61=1", "a").as_deref(), Ok("1"), "names are compared decoded");

    assert_eq!(value("/?a=1", "b"), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/?a=1", "A"), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/", "a"), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/?&", ""), Err(BaseError::MissingQueryParam));
    assert_eq!(value("/?a=1&a=1", "a"), Err(BaseError::RepeatedQueryParam));
    assert_eq!(value("/?a=1&%61=2", "a"), Err(BaseError::RepeatedQueryParam));
    for target in ["/?a=%", "/?a=%4", "/?a=%4g", "/?a=%ff", "/?a=1&%ff=2", "/?%=1&a=1", "/?a=%ed%a0%80"] {
        assert_eq!(value(target, "a"), Err(BaseError::QueryEncoding), "{target}");
    }
}

#[test]
fn header_fields_have_the_values_of_section_2_1() {
    let request = Request::new("GET", "www.example.com", "/")
        .with("x-ows-header", "   Leading and trailing whitespace.   ")
        .with("x-obs-fold-header", "Obsolete\r\n    line folding.")
        .with("cache-control", "max-age=60")
        .with("x-empty-header", "")
        .with("cache-control", "    must-revalidate")
        .with("example-dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c), d");
    for (component, expected) in [
        ("\"x-ows-header\"", "Leading and trailing whitespace."),
        ("\"x-obs-fold-header\"", "Obsolete line folding."),
        ("\"cache-control\"", "max-age=60, must-revalidate"),
        ("\"x-empty-header\"", ""),
        ("\"example-dict\"", "a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
        ("\"example-dict\";key=\"a\"", "1"),
        ("\"example-dict\";key=\"b\"", "2;x=1;y=2"),
        ("\"example-dict\";key=\"c\"", "(a b c)"),
        ("\"example-dict\";key=\"d\"", "?1"),
    ] {
        assert_eq!(request.value_of(component).as_deref(), Ok(expected), "{component}");
    }
    assert_eq!(request.value_of("\"example-dict\";key=\"e\""), Err(BaseError::MissingMember));
    assert_eq!(request.value_of("\"x-ows-header\";key=\"a\""), Err(BaseError::Structure));
    assert_eq!(request.value_of("\"example-dict\";sf"), Err(BaseError::UnknownStructure));
    assert_eq!(request.value_of("\"x-absent\""), Err(BaseError::MissingField));
    assert_eq!(request.value_of("\"x-absent\";bs"), Err(BaseError::MissingField));
    assert_eq!(request.value_of("\"x-absent\";key=\"a\""), Err(BaseError::MissingField));
    assert_eq!(request.value_of("\"priority\";sf"), Err(BaseError::MissingField));
}

#[test]
fn byte_sequences_keep_lines_apart_as_in_section_2_1_3() {
    let apart =
        Request::new("GET", "a", "/").with("example-header", "value, with, lots").with("example-header", "of, commas");
    let joined = Request::new("GET", "a", "/").with("example-header", "value, with, lots, of, commas");
    let component = "\"example-header\";bs";
    assert_eq!(apart.value_of(component).as_deref(), Ok(":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"));
    assert_eq!(joined.value_of(component).as_deref(), Ok(":dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:"));
    assert_eq!(apart.value_of("\"example-header\""), joined.value_of("\"example-header\""));
    let odd = Request::new("GET", "a", "/").with("x", b"\xff\n");
    assert_eq!(odd.value_of("\"x\""), Err(BaseError::Value));
    assert_eq!(odd.value_of("\"x\";bs").as_deref(), Ok(":/wo=:"));
}

#[test]
fn structured_fields_are_serialised_canonically() {
    let value =
        |name: &str, field: &str| Request::new("GET", "a", "/").with(name, field).value_of(&format!("\"{name}\";sf"));
    assert_eq!(value("priority", "u=1 ,  i=?1").as_deref(), Ok("u=1, i"));
    assert_eq!(value("content-digest", "sha-256=:AB==:").as_deref(), Ok("sha-256=:AA==:"));
    assert_eq!(value("cache-status", "a;hit ,b;fwd=miss").as_deref(), Ok("a;hit, b;fwd=miss"));
    assert_eq!(value("client-cert", ":AAAA:;  a=1.50").as_deref(), Ok(":AAAA:;a=1.5"));
    assert_eq!(value("priority", "u=,"), Err(BaseError::Structure));
    assert_eq!(value("priority", ""), Err(BaseError::Structure), "an empty dictionary has no serialisation");
    assert_eq!(value("cache-control", "max-age=1"), Err(BaseError::UnknownStructure));
}

#[test]
fn no_value_can_add_a_line_to_the_base() {
    for value in ["a\n\"@method\": GET", "a\rb", "a\r\nb", "a\r\n", "a\0b", "a\u{7f}", "ä", "a\r\n \nb", "\u{b}"] {
        let request = Request::new("GET", "a", "/").with("x", value);
        assert_eq!(request.value_of("\"x\""), Err(BaseError::Value), "{value:?}");
    }
    for (value, expected) in [("a\tb", "a\tb"), ("a \t\r\n\t b", "a b"), ("a\r\n \r\n\tb", "a b"), ("a\r\n ", "a\r\n")]
    {
        let found = Request::new("GET", "a", "/").with("x", value).value_of("\"x\"");
        match expected.contains('\r') {
            true => assert_eq!(found, Err(BaseError::Value)),
            false => assert_eq!(found.as_deref(), Ok(expected)),
        }
    }
    assert_eq!(Request::new("GE\nT", "a", "/").value_of("\"@method\""), Err(BaseError::Value));
    assert_eq!(
        Request { scheme: "ht\ntp".to_owned(), ..Request::new("GET", "a", "/") }.value_of("\"@scheme\""),
        Err(BaseError::Value)
    );
}

#[test]
fn a_base_that_fails_leaves_the_buffer_alone_and_one_that_succeeds_appends() {
    let request = Request::new("GET", "a", "/").covering(r#"("@method" "x")"#);
    let input = request.input().expect("valid");
    let mut out = b"before".to_vec();
    assert_eq!(request.see(|view| signature_base(view, &input, &mut out)), Err(BaseError::MissingField));
    assert_eq!(out, b"before");
    assert_eq!(request.with("x", "1").see(|view| signature_base(view, &input, &mut out)), Ok(()));
    assert!(out.starts_with(b"before\"@method\": GET\n\"x\": 1\n"));
}

#[test]
fn a_base_beyond_the_limit_is_refused() {
    let long = |length: usize| Request::new("GET", "a", "/").with("x", "a".repeat(length)).covering(r#"("x")"#).base();
    let rest = "\"x\": \n\"@signature-params\": (\"x\");created=1;keyid=\"k\"".len();
    assert_eq!(long(BASE_BYTES_MAX - rest).map(|base| base.len()), Ok(BASE_BYTES_MAX));
    assert_eq!(long(BASE_BYTES_MAX - rest + 1), Err(BaseError::TooLong));
    assert_eq!(long(BASE_BYTES_MAX), Err(BaseError::TooLong));
}

// RFC 9421 sections 2.3 and 4: the two fields.

#[test]
fn component_identifiers_that_no_request_has_are_refused() {
    let cases: &[(&str, ComponentError)] = &[
        ("", ComponentError::Syntax),
        ("\"a", ComponentError::Syntax),
        ("\"a\" \"b\"", ComponentError::Syntax),
        ("(\"a\")", ComponentError::Syntax),
        ("date", ComponentError::NotAString),
        ("1", ComponentError::NotAString),
        (":AAAA:", ComponentError::NotAString),
        ("\"@status\"", ComponentError::UnknownDerived),
        ("\"@signature-params\"", ComponentError::UnknownDerived),
        ("\"@Method\"", ComponentError::UnknownDerived),
        ("\"@\"", ComponentError::UnknownDerived),
        ("\"@query-params\"", ComponentError::UnknownDerived),
        ("\"\"", ComponentError::FieldName),
        ("\"Date\"", ComponentError::FieldName),
        ("\"da te\"", ComponentError::FieldName),
        ("\"date:\"", ComponentError::FieldName),
        ("\"da\\\"te\"", ComponentError::FieldName),
        ("\"date@\"", ComponentError::FieldName),
        ("\"date\";req", ComponentError::Parameter),
        ("\"date\";tr", ComponentError::Parameter),
        ("\"date\";x=1", ComponentError::Parameter),
        ("\"date\";name=\"a\"", ComponentError::Parameter),
        ("\"@method\";req", ComponentError::Parameter),
        ("\"@path\";sf", ComponentError::Parameter),
        ("\"@query-param\";key=\"a\"", ComponentError::Parameter),
        ("\"date\";sf=?0", ComponentError::ParameterType),
        ("\"date\";sf=1", ComponentError::ParameterType),
        ("\"date\";bs=\"a\"", ComponentError::ParameterType),
        ("\"date\";key", ComponentError::ParameterType),
        ("\"date\";key=a", ComponentError::ParameterType),
        ("\"@query-param\";name=a", ComponentError::ParameterType),
        ("\"date\";sf;bs", ComponentError::ManyParameters),
        ("\"date\";sf;sf", ComponentError::ManyParameters),
        ("\"date\";key=\"a\";key=\"b\"", ComponentError::ManyParameters),
        ("\"date\";bs;req", ComponentError::ManyParameters),
        ("\"@query-param\";name=\"a\";req", ComponentError::ManyParameters),
        ("\"@query-param\"", ComponentError::MissingName),
    ];
    for (identifier, expected) in cases {
        assert_eq!(Component::parse(identifier), Err(*expected), "{identifier}");
        if *expected != ComponentError::Syntax {
            let refused = Request::new("GET", "a", "/").covering(&format!("(\"@method\" {identifier})")).input();
            assert_eq!(refused.map(|_| ()), Err(SignatureInputError::Component(*expected)), "{identifier}");
        }
    }
    for (identifier, canonical) in [
        ("\"date\";sf=?1", "\"date\";sf"),
        ("  \"date\";  bs  ", "\"date\";bs"),
        ("\"date\";key=\"a\\\\\\\"\"", "\"date\";key=\"a\\\\\\\"\""),
        ("\"x_!#$%&'*+.^`|~-1\"", "\"x_!#$%&'*+.^`|~-1\""),
    ] {
        assert_eq!(Component::parse(identifier).expect("known").identifier(), canonical);
    }
}

#[test]
fn a_component_covered_twice_is_refused() {
    let parse = |list: &str| Request::new("GET", "a", "/").covering(list).input().map(|_| ());
    for list in [
        r#"("date" "date")"#,
        r#"("@method" "date" "@method")"#,
        r#"("date";sf "date";sf=?1)"#,
        r#"("@query-param";name="a" "@query-param"; name="a")"#,
        r#"("date";key="a" "date";key="a")"#,
    ] {
        assert_eq!(parse(list), Err(SignatureInputError::RepeatedComponent), "{list}");
    }
    let distinct =
        r#"("date" "date";sf "date";bs "date";key="a" "date";key="b" "@query-param";name="a" "@query-param";name="b")"#;
    assert_eq!(parse(distinct), Ok(()));
}

#[test]
fn signature_input_is_read_strictly() {
    let list = r#"("@method")"#;
    let needed = r#";created=1;keyid="k""#;
    let good = format!("sig1={list}{needed}");
    let cases: &[(String, SignatureInputError)] = &[
        (String::new(), SignatureInputError::LabelCount),
        (format!("{good}, sig2={list}{needed}"), SignatureInputError::LabelCount),
        (format!("{good}, sig1={list}{needed}"), SignatureInputError::LabelCount),
        (format!("{good},"), SignatureInputError::Syntax),
        (format!("{good};"), SignatureInputError::Syntax),
        (format!("Sig1={list}{needed}"), SignatureInputError::Syntax),
        (format!("sig1= {list}{needed}"), SignatureInputError::Syntax),
        (format!("sig1=(\"@method\"{needed}"), SignatureInputError::Syntax),
        (format!("sig1=(\"@method\"\"date\"){needed}"), SignatureInputError::Syntax),
        (format!("sig1={list};created=1;keyid=\"ä\""), SignatureInputError::Syntax),
        (format!("sig1={list};created=1;keyid=\"k\n\""), SignatureInputError::Syntax),
        (format!("sig1={list};created=1000000000000000;keyid=\"k\""), SignatureInputError::Syntax),
        (format!("sig1=\"@method\"{needed}"), SignatureInputError::NotAList),
        (format!("sig1{needed}"), SignatureInputError::NotAList),
        (format!("{}={list}{needed}", "s".repeat(LABEL_BYTES_MAX + 1)), SignatureInputError::LabelTooLong),
        (format!("{good};x=1"), SignatureInputError::UnknownParameter),
        (format!("{good};Created=1"), SignatureInputError::Syntax),
        (format!("{good};created=1"), SignatureInputError::RepeatedParameter(Parameter::Created)),
        (format!("{good};keyid=\"other\""), SignatureInputError::RepeatedParameter(Parameter::Keyid)),
        (format!("sig1={list};keyid=\"k\""), SignatureInputError::MissingParameter(Parameter::Created)),
        (format!("sig1={list};created=1"), SignatureInputError::MissingParameter(Parameter::Keyid)),
        (format!("sig1={list};created=\"1\";keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created=1.0;keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created=@1;keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created;keyid=\"k\""), SignatureInputError::ParameterType(Parameter::Created)),
        (format!("sig1={list};created=1;keyid=k"), SignatureInputError::ParameterType(Parameter::Keyid)),
        (format!("sig1={list};created=1;keyid=:aw==:"), SignatureInputError::ParameterType(Parameter::Keyid)),
        (format!("{good};expires=?1"), SignatureInputError::ParameterType(Parameter::Expires)),
        (format!("{good};nonce=1"), SignatureInputError::ParameterType(Parameter::Nonce)),
        (format!("{good};tag=t"), SignatureInputError::ParameterType(Parameter::Tag)),
        (format!("{good};alg=hmac-sha256"), SignatureInputError::ParameterType(Parameter::Alg)),
        (format!("sig1={list};created=-1;keyid=\"k\""), SignatureInputError::ParameterRange(Parameter::Created)),
        (format!("{good};expires=-1"), SignatureInputError::ParameterRange(Parameter::Expires)),
        (format!("sig1={list};created=1;keyid=\"\""), SignatureInputError::ParameterRange(Parameter::Keyid)),
        (format!("{good};nonce=\"\""), SignatureInputError::ParameterRange(Parameter::Nonce)),
        (
            format!("{good};tag=\"{}\"", "t".repeat(TEXT_BYTES_MAX + 1)),
            SignatureInputError::ParameterRange(Parameter::Tag),
        ),
    ];
    let parse = |value: &str| {
        let request = Request::new("GET", "a", "/").with("signature-input", value).with("signature", "sig1=:AA==:");
        request.input().map(|_| ())
    };
    assert_eq!(parse(&good), Ok(()));
    for (value, expected) in cases {
        assert_eq!(parse(value), Err(*expected), "{value}");
    }
}

#[test]
fn algorithms_other_than_hmac_sha256_are_refused() {
    let parse = |alg: &str| {
        Request::new("GET", "a", "/")
            .with("signature-input", format!("sig1=();created=1;keyid=\"k\";alg=\"{alg}\""))
            .with("signature", "sig1=:AA==:")
            .input()
    };
    assert_eq!(parse("hmac-sha256").expect("ours").alg(), Some("hmac-sha256"));
    for alg in [
        "none",
        "hmac-sha1",
        "hmac-sha512",
        "HMAC-SHA256",
        "Hmac-Sha256",
        "hmac-sha256 ",
        " hmac-sha256",
        "hmac_sha256",
        "hs256",
        "sha256",
        "hmac",
        "hmac-sha2566",
        "rsa-pss-sha512",
        "rsa-v1_5-sha256",
        "ecdsa-p256-sha256",
        "ecdsa-p384-sha384",
        "ed25519",
        "hs2019",
    ] {
        assert_eq!(parse(alg).map(|_| ()), Err(SignatureInputError::Algorithm), "{alg}");
    }
    assert_eq!(parse("").map(|_| ()), Err(SignatureInputError::ParameterRange(Parameter::Alg)));
}

#[test]
fn signature_is_one_byte_sequence_in_its_one_spelling() {
    let parse = |signature: &str| {
        Request::new("GET", "a", "/")
            .with("signature-input", "sig1=();created=1;keyid=\"k\"")
            .with("signature", signature)
            .input()
            .map(|input| input.signature().to_vec())
    };
    assert_eq!(parse("sig1=:AAE=:"), Ok(vec![0, 1]));
    assert_eq!(parse(" sig1=:AAE=:\t"), Ok(vec![0, 1]), "white space around a field is HTTP's");
    for signature in [
        "",
        "sig1",
        "sig1=AAE=",
        "sig1=\"AAE=\"",
        "sig1=:AAE:",
        "sig1=:AAF=:",
        "sig1=:AAE=",
        "sig1=:AAE=::",
        "sig1=:AAE==:",
        "sig1=:A_E=:",
        "sig1=:AA E=:",
        "sig1=:AAE=\n:",
        "sig1 =:AAE=:",
        "sig1= :AAE=:",
        "Sig1=:AAE=:",
        "sig2=:AAE=:",
        "sig1=:AAE=:;a=1",
        "sig1=:AAE=:, sig1=:AAE=:",
        "sig1=:AAE=:, sig2=:AAE=:",
        "sig2=:AAE=:, sig1=:AAE=:",
        "sig1=(:AAE=:)",
        "sig1=:AAE=:,",
    ] {
        assert_eq!(parse(signature), Err(SignatureInputError::Signature), "{signature:?}");
    }
    let long = |length: usize| parse(&format!("sig1=:{}:", BASE64.encode(&vec![7; length])));
    assert_eq!(long(SIGNATURE_BYTES_MAX).map(|signature| signature.len()), Ok(SIGNATURE_BYTES_MAX));
    assert_eq!(long(SIGNATURE_BYTES_MAX + 1), Err(SignatureInputError::SignatureLength));
    assert_eq!(long(100_000), Err(SignatureInputError::SignatureLength));
    assert_eq!(parse("sig1=::"), Err(SignatureInputError::SignatureLength));
}

#[test]
fn both_fields_or_neither() {
    let plain = Request::new("GET", "a", "/");
    assert!(plain.see(SignatureInput::parse).expect("no scheme is no error").is_none());
    let refused = |request: Request| request.see(SignatureInput::parse).map(|_| ());
    assert_eq!(refused(plain.clone().with("signature", "sig1=:AA==:")), Err(SignatureInputError::MissingInput));
    let input = "sig1=();created=1;keyid=\"k\"";
    assert_eq!(refused(plain.with("signature-input", input)), Err(SignatureInputError::MissingSignature));
}

#[test]
fn fields_on_several_lines_are_joined_before_they_are_read() {
    let request = Request::new("GET", "a", "/")
        .with("signature-input", "sig1=();created=1;keyid=\"a")
        .with("signature", "sig1=:AA==:")
        .with("signature-input", "b\"");
    assert_eq!(request.input().expect("one label").keyid(), "a, b");
    let request = Request::new("GET", "a", "/").covering("()").with("signature-input", "sig2=();created=1;keyid=\"k\"");
    assert_eq!(request.input().map(|_| ()), Err(SignatureInputError::LabelCount));
    let request = Request::new("GET", "a", "/").covering("()").with("signature", "sig1=:AA==:");
    assert_eq!(request.input().map(|_| ()), Err(SignatureInputError::Signature));
}

#[test]
fn sizes_end_at_their_limits() {
    let parse = |input: String| {
        Request::new("GET", "a", "/").with("signature-input", input).with("signature", "s=:AA==:").input()
    };
    let components = |count: usize| (0..count).map(|index| format!("\"x{index}\"")).collect::<Vec<_>>().join(" ");
    let with_components = |count: usize| parse(format!("s=({});created=1;keyid=\"k\"", components(count)));
    assert_eq!(with_components(COMPONENTS_MAX).expect("at the limit").components().len(), COMPONENTS_MAX);
    assert_eq!(with_components(COMPONENTS_MAX + 1).map(|_| ()), Err(SignatureInputError::TooManyComponents));

    let text = "t".repeat(TEXT_BYTES_MAX);
    let longest =
        parse(format!("s=();created=999999999999999;expires=0;keyid=\"{text}\";nonce=\"{text}\";tag=\"{text}\""));
    let longest = longest.expect("at the limit");
    assert_eq!((longest.keyid(), longest.nonce(), longest.tag()), (&*text, Some(&*text), Some(&*text)));
    assert_eq!((longest.created(), longest.expires()), (999_999_999_999_999, Some(0)));

    let head = "s=();created=1;keyid=\"k\"";
    let padded = |length: usize| parse(format!("s=({});created=1;keyid=\"k\"", " ".repeat(length - head.len())));
    assert!(padded(INPUT_BYTES_MAX).is_ok());
    assert_eq!(padded(INPUT_BYTES_MAX + 1).map(|_| ()), Err(SignatureInputError::InputTooLong));

    let label = "s".repeat(LABEL_BYTES_MAX);
    let request = Request::new("GET", "a", "/")
        .with("signature-input", format!("{label}=();created=1;keyid=\"k\""))
        .with("signature", format!("{label}=:AA==:"));
    assert_eq!(request.input().expect("at the limit").label(), label);
}

// Our policy, and RFC 9530.

#[test]
fn coverage_needs_method_target_and_body() {
    let check = |target: &str, body: &str, list: &str| {
        let request = Request::new("POST", "a", target).with_body(body).covering(list);
        let input = request.input().expect("valid");
        request.see(|view| check_coverage(&input, view))
    };
    for list in [
        r#"("@method" "@target-uri")"#,
        r#"("@target-uri" "date" "@method")"#,
        r#"("@method" "@authority" "@request-target")"#,
        r#"("@method" "@authority" "@path" "@query")"#,
    ] {
        assert_eq!(check("/p?q", "", list), Ok(()), "{list}");
        assert_eq!(check("/p", "", list), Ok(()), "{list}");
        assert_eq!(check("/p", "{}", list), Err(CoverageError::ContentDigest), "{list}");
        assert_eq!(check("/p", "{}", &list.replace(')', " \"content-digest\")")), Ok(()), "{list}");
        assert_eq!(check("/p?q", "", &list.replace("@method", "method")), Err(CoverageError::Method), "{list}");
    }
    let path = r#"("@method" "@authority" "@path")"#;
    assert_eq!(check("/p", "", path), Ok(()));
    assert_eq!(check("/p?q", "", path), Err(CoverageError::Query));
    assert_eq!(check("/p?", "", path), Err(CoverageError::Query));
    for (list, expected) in [
        ("()", CoverageError::Method),
        (r#"("@target-uri")"#, CoverageError::Method),
        (r#"("@method")"#, CoverageError::Target),
        (r#"("@method" "@path" "@query")"#, CoverageError::Target),
        (r#"("@method" "@request-target")"#, CoverageError::Target),
        (r#"("@method" "@authority")"#, CoverageError::Target),
        (r#"("@method" "@authority" "@query")"#, CoverageError::Target),
        (r#"("@method" "@scheme" "host" "@path")"#, CoverageError::Target),
        (r#"("@method" "@authority" "@path" "@query-param";name="q")"#, CoverageError::Query),
    ] {
        assert_eq!(check("/p?q", "", list), Err(expected), "{list}");
    }
    for partial in
        [r#""content-digest";key="sha-256""#, r#""content-digest";sf"#, r#""content-digest";bs"#, r#""digest""#]
    {
        let list = format!(r#"("@method" "@target-uri" {partial})"#);
        assert_eq!(check("/p", "{}", &list), Err(CoverageError::ContentDigest), "{list}");
    }
}

#[test]
fn covers_means_the_whole_component() {
    let request =
        Request::new("POST", "a", "/").covering(r#"("idempotency-key" "x";bs "y";key="z" "@query-param";name="q")"#);
    let input = request.input().expect("valid");
    assert!(input.covers("idempotency-key"));
    for name in ["x", "y", "y\";key=\"z", "@query-param", "q", "", "Idempotency-Key", "\"idempotency-key\""] {
        assert!(!input.covers(name), "{name}");
    }
}

#[test]
fn content_digest_vouches_for_the_body_or_is_refused() {
    let body = b"{\"hello\": \"world\"}";
    let sha256 = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    assert_eq!(content_digest(body), sha256);
    let check = |field: &str, body: &[u8]| {
        Request::new("POST", "a", "/").with("content-digest", field).with_body(body).see(check_content_digest)
    };
    for field in [
        sha256.to_owned(),
        DIGEST.to_owned(),
        format!("{sha256}, {DIGEST}"),
        format!("{DIGEST} ,\t{sha256}"),
        format!("md5=:AAAA:,{sha256},unixsum=::"),
    ] {
        assert_eq!(check(&field, body), Ok(()), "{field}");
        assert_eq!(check(&field, b"{\"hello\": \"worle\"}"), Err(DigestError::Mismatch), "{field}");
        assert_eq!(check(&field, b""), Err(DigestError::Mismatch), "{field}");
        assert_eq!(check(&field, b"{\"hello\": \"world\"}\n"), Err(DigestError::Mismatch), "{field}");
    }
    assert_eq!(
        check("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", b"{\"hello\": \"world\"}\n"),
        Ok(()),
        "RFC 9530 appendix B.1"
    );
    assert_eq!(check(&content_digest(b""), b""), Ok(()));

    let wrong = sha256.replace("X4", "X5");
    for (field, expected) in [
        (format!("{wrong}, {DIGEST}"), DigestError::Mismatch),
        (format!("{DIGEST}, {wrong}"), DigestError::Mismatch),
        ("sha-256=::".to_owned(), DigestError::Mismatch),
        ("sha-256=:X48E9qOokqqrvdts8nOJRA==:".to_owned(), DigestError::Mismatch),
        (sha256.replace("sha-256", "sha-512"), DigestError::Mismatch),
        (format!("{sha256}, {sha256}"), DigestError::Repeated),
        (format!("{wrong}, {sha256}"), DigestError::Repeated),
        (format!("md5=:AAAA:, md5=:AAAA:, {sha256}"), DigestError::Repeated),
        ("md5=:AAAA:".to_owned(), DigestError::NoKnownAlgorithm),
        (sha256.replace("sha-256", "sha256"), DigestError::NoKnownAlgorithm),
        (sha256.replace("sha-256", "SHA-256"), DigestError::Syntax),
        (sha256.replace("PE=", "PF="), DigestError::Syntax),
        (sha256.replace("PE=", "PE"), DigestError::Syntax),
        (sha256.replace("PE=", "P-="), DigestError::Syntax),
        (sha256.replace("=:X", "= :X"), DigestError::Syntax),
        (sha256.replace(':', ""), DigestError::Syntax),
        (sha256.replace(':', "\""), DigestError::Syntax),
        (format!("{sha256};a=1"), DigestError::Syntax),
        (format!("{sha256},"), DigestError::Syntax),
        (format!(",{sha256}"), DigestError::Syntax),
        (format!("{sha256}, md5"), DigestError::Syntax),
        (format!("{sha256}, md5=\"a,b\""), DigestError::Syntax),
        ("".to_owned(), DigestError::Syntax),
        (format!("{sha256}{}", ", ".repeat(CONTENT_DIGEST_BYTES_MAX)), DigestError::TooLong),
    ] {
        assert_eq!(check(&field, body), Err(expected), "{field}");
    }
    let padded = |length: usize| format!("{sha256},{}md5=::", " ".repeat(length - sha256.len() - ",md5=::".len()));
    assert_eq!(check(&padded(CONTENT_DIGEST_BYTES_MAX), body), Ok(()));
    assert_eq!(check(&padded(CONTENT_DIGEST_BYTES_MAX + 1), body), Err(DigestError::TooLong));
    let plain = Request::new("POST", "a", "/");
    assert_eq!(plain.see(check_content_digest), Ok(()));
    assert_eq!(plain.clone().with_body("x").see(check_content_digest), Err(DigestError::Missing));
    let lines = plain.with_body(body).with("content-digest", DIGEST).with("content-digest", sha256);
    assert_eq!(lines.see(check_content_digest), Ok(()));
    assert_eq!(lines.with("content-digest", sha256).see(check_content_digest), Err(DigestError::Repeated));
}

#[test]
fn every_bit_of_a_content_digest_counts() {
    let request = test_request(B25);
    assert_eq!(request.see(check_content_digest), Ok(()));
    for changed in with_one_bit_changed(&request, "content-digest") {
        assert!(changed.see(check_content_digest).is_err(), "{:?}", changed.headers);
    }
}

// HMAC and our own signer.

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

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

const PARAMETERS: SigningParameters<'static> = SigningParameters {
    label: "sig1",
    keyid: "mk_test_1",
    created: 1_700_000_000,
    expires: None,
    nonce: None,
    tag: None,
    components: &[],
};

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

// Random input.

/// A fixed sequence (SplitMix64), so that a failure repeats.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        *items.get(self.below(items.len())).expect("not empty")
    }

    fn text(&mut self, length_max: usize) -> Vec<u8> {
        const ALPHABET: &[u8] = b"abcxyz019@\"\"\"();=:,?*%-_. \t\r\n\\/&+~#[]AZ\0\x7f\xc3\xa4\xff";
        (0..self.below(length_max)).map(|_| self.pick(ALPHABET)).collect()
    }

    /// Cuts a piece out of `text`, or puts random bytes in, or both.
    fn mutate(&mut self, text: &mut Vec<u8>) {
        let start = self.below(text.len() + 1);
        let end = (start + self.below(4)).min(text.len());
        let piece = self.text(4);
        text.splice(start..end, piece);
    }
}

fn random_request(sequence: &mut Sequence) -> Request {
    let valid = [B22, B23, B25, B26];
    let [input, signature] = sequence.pick(&valid);
    let mut request =
        test_request([input, signature]).with("priority", "u=1, i").with("example-dict", "a=1, b=(1 2);c");
    let lists = [
        r#"("@method" "@target-uri" "content-digest")"#,
        r#"("@authority" "@scheme" "@request-target" "@query" "priority";sf "example-dict";key="b")"#,
        r#"("@query-param";name="Pet" "example-dict";bs "date";bs "content-digest";key="sha-512")"#,
    ];
    if sequence.below(2) == 0 {
        let field = format!("s={};created={};keyid=\"k\";nonce=\"n\"", sequence.pick(&lists), sequence.next() % 99);
        request = request.replacing("signature-input", field).replacing("signature", "s=:AAAA:");
    }
    for _ in 0..sequence.below(3) {
        let at = sequence.below(request.headers.len());
        if let Some((_, value)) = request.headers.get_mut(at) {
            sequence.mutate(value);
        }
    }
    match sequence.below(8) {
        0 => request.target = String::from_utf8_lossy(&sequence.text(40)).into_owned(),
        1 => request.authority = String::from_utf8_lossy(&sequence.text(12)).into_owned(),
        2 => request.scheme = String::from_utf8_lossy(&sequence.text(6)).into_owned(),
        3 => request.method = String::from_utf8_lossy(&sequence.text(6)).into_owned(),
        4 => request = request.replacing("signature-input", sequence.text(60)),
        5 => request = request.replacing("signature", sequence.text(30)),
        6 => request = request.replacing("content-digest", sequence.text(30)),
        _ => {}
    }
    request
}

#[test]
fn nothing_panics_on_random_input_and_bases_are_lines_of_ascii() {
    let mut sequence = Sequence(9421);
    let (mut n_parsed, mut n_built) = (0, 0);
    for _ in 0..100_000 {
        let request = random_request(&mut sequence);
        request.see(|view| {
            let _ = check_content_digest(view);
            let Ok(Some(input)) = SignatureInput::parse(view) else { return };
            n_parsed += 1;
            let _ = check_coverage(&input, view);
            let mut base = Vec::new();
            if signature_base(view, &input, &mut base).is_err() {
                assert!(base.is_empty());
                return;
            }
            n_built += 1;
            assert!(base.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')));
            let n_lines = base.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(n_lines, input.components().len(), "one line per component");
            assert!(!verify_hmac(&base, KEY, input.signature()));
            let components = input.components();
            let parameters = SigningParameters { label: input.label(), keyid: input.keyid(), components, ..PARAMETERS };
            let _ = sign(view, &parameters, KEY);
        });
    }
    assert!(n_parsed > 20_000 && n_built > 10_000, "{n_parsed} parsed, {n_built} built: the generator tests nothing");
}

#[test]
fn two_different_requests_never_share_a_base_over_the_default_components() {
    let mut sequence = Sequence(9530);
    let mut seen = std::collections::HashMap::new();
    for _ in 0..20_000 {
        let mut target = b"/".to_vec();
        for _ in 0..sequence.below(6) {
            target.push(sequence.pick(b"ab/?&=%20+"));
        }
        let target = String::from_utf8(target).expect("ASCII");
        let method = sequence.pick(&["GET", "POST"]);
        let authority = sequence.pick(&["a", "b", "a:81"]);
        let request = Request::new(method, authority, &target).covering(r#"("@method" "@target-uri")"#);
        let identity = (method, authority, target);
        let base = request.base().expect("base");
        assert_eq!(seen.entry(base).or_insert_with(|| identity.clone()), &identity);
    }
    assert!(seen.len() > 1_000);
}
