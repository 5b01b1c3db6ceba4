//! HTTP message signatures against the examples of RFC 9421 and RFC 9530, their neighbours, and random input.

mod appendix_b;
mod components;
mod input;
mod policy;
mod random;
mod signer;

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

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

const PARAMETERS: SigningParameters<'static> = SigningParameters {
    label: "sig1",
    keyid: "mk_test_1",
    created: 1_700_000_000,
    expires: None,
    nonce: None,
    tag: None,
    components: &[],
};
