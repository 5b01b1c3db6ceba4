//! HTTP message signatures: what is read has one signature base, line by line, and nothing vouches for another body.
#![no_main]

use keymint_domain::request::Header;
use keymint_domain::scheme::http_signature::{
    SignatureInput, check_content_digest, check_coverage, content_digest, sign_hmac, signature_base, verify_hmac,
};
use keymint_fuzz::{SECRET, edit, line, take, view};
use libfuzzer_sys::fuzz_target;

/// Inputs that are far from any signature are started from one of these, and edited.
const STARTS: [&str; 4] = [
    "sig1=(\"@method\" \"@target-uri\" \"content-digest\");created=1778659835;keyid=\"km_live_x\"",
    "sig1=(\"@method\" \"@authority\" \"@path\" \"@query\");created=1;keyid=\"k\";alg=\"hmac-sha256\";nonce=\"n\"",
    "a=(\"@query-param\";name=\"a\" \"x-a\";sf \"content-digest\";key=\"sha-256\" \"x-a\";bs);keyid=\"k\";created=0",
    "x=(\"@request-target\" \"@scheme\" \"priority\";sf);created=9;expires=10;keyid=\"k\";tag=\"t\"",
];

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = take(&mut data);
    let target = std::str::from_utf8(line(&mut data)).unwrap_or("/");
    let (digest, field) = (line(&mut data), line(&mut data));
    let own_digest = content_digest(field);
    let mut input = if kind.is_multiple_of(8) { Vec::new() } else { STARTS[kind % STARTS.len()].as_bytes().to_vec() };
    edit(&mut input, &mut data);
    let label = input.split(|byte| *byte == b'=').next().unwrap_or_default();
    let signature = [label, b"=:AAAA:"].concat();
    let headers = [
        Header { name: "signature-input", value: &input },
        Header { name: "signature", value: &signature },
        Header { name: "content-digest", value: if kind & 32 == 0 { own_digest.as_bytes() } else { digest } },
        Header { name: "x-a", value: field },
        Header { name: "priority", value: field },
    ];
    let body = if kind & 64 == 0 { field } else { b"" };
    let request = view("POST", target, &headers, body);

    if check_content_digest(&request).is_ok() && kind & 32 != 0 {
        let text = String::from_utf8_lossy(digest);
        let expected = content_digest(body);
        assert!(text.contains(expected.trim_start_matches("sha-256=")) || text.contains("sha-512=:"));
    }
    let Ok(Some(parsed)) = SignatureInput::parse(&request) else { return };
    assert_eq!(parsed.signature(), [0, 0, 0]);
    if check_coverage(&parsed, &request).is_ok() {
        assert!(parsed.covers("@method") && (parsed.covers("@target-uri") || parsed.covers("@authority")));
        assert!(body.is_empty() || parsed.covers("content-digest"));
    }
    let mut base = Vec::new();
    if signature_base(&request, &parsed, &mut base).is_err() {
        assert!(base.is_empty(), "a refused base leaves nothing behind");
        return;
    }
    let text = String::from_utf8(base.clone()).expect("a base is ASCII");
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.len(), parsed.components().len() + 1, "one line for each component and the parameters");
    for (line, component) in lines.iter().zip(parsed.components()) {
        assert!(line.starts_with(&format!("{}: ", component.identifier())));
    }
    let declared = lines.last().and_then(|line| line.strip_prefix("\"@signature-params\": ")).expect("the last line");

    // The canonical declaration, read again, gives the same base: there is one signed text for one meaning.
    let canonical = [b"sig1=".as_slice(), declared.as_bytes()].concat();
    let mut again = headers;
    again[0].value = &canonical;
    again[1].value = b"sig1=:AAAA:";
    let request = view("POST", target, &again, body);
    let parsed = SignatureInput::parse(&request).expect("canonical fields parse").expect("both are there");
    let mut second = Vec::new();
    signature_base(&request, &parsed, &mut second).expect("the same request");
    assert_eq!(second, base);

    let key = SECRET.as_bytes();
    let mut tag = sign_hmac(&base, key).expect("a long key");
    assert!(verify_hmac(&base, key, &tag));
    tag[kind % 32] ^= 1;
    assert!(!verify_hmac(&base, key, &tag));
});
