//! The gate: what passes has one reading. Each thing that must not pass is looked for again, by other means.
#![no_main]

use keymint_domain::gate::{CREDENTIAL_HEADERS, check_body, check_head};
use keymint_domain::request::Header;
use keymint_fuzz::{dialects, line, take, view};
use libfuzzer_sys::fuzz_target;

/// Names of headers that an input can choose by one byte.
const NAMES: [&str; 16] = [
    "authorization",
    "x-api-key",
    "x-secret-key",
    "x-signature",
    "x-timestamp",
    "signature",
    "signature-input",
    "x-access-key",
    "cookie",
    "host",
    "x-http-method-override",
    "x-http-method",
    "origin",
    "content-type",
    "accept",
    "x-request-id",
];

/// Decodes every `%xx`, as routers do.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits =
            text.get(at + 1..at + 3).filter(|_| text[at] == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

fn check_path(path: &str) {
    assert!(path.starts_with('/') && path.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
    assert!(!path.contains("//") && !path.contains(['\\', ';', '#', '?']));
    let once = decoded(path.as_bytes());
    assert_eq!(decoded(&once), once, "decoding again changes the path");
    assert_eq!(once.iter().filter(|byte| **byte == b'/').count(), path.matches('/').count());
    assert!(once.iter().all(|byte| (0x20..0x7f).contains(byte) && !b"\\;#?".contains(byte)));
    assert!(once.split(|byte| *byte == b'/').all(|segment| segment != b"." && segment != b".."));
    // Whoever decodes and escapes again what needs it comes to the same path, but for the case of the digits.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/[]".contains(&byte);
    assert!(path.split('%').skip(1).all(|rest| {
        let byte = u8::from_str_radix(&rest[..2], 16).expect("two digits");
        !(byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte))
    }));
    assert!(path.bytes().all(|byte| byte == b'%' || plain(byte)));
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let dialect = &dialects()[take(&mut data) % dialects().len()];
    let Ok(target) = std::str::from_utf8(line(&mut data)) else { return };
    let count = take(&mut data) % 6;
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = NAMES[take(&mut data) % NAMES.len()];
        headers.push(Header { name, value: line(&mut data) });
    }
    let request = view("POST", target, &headers, data);
    if check_head(dialect, &request).is_ok() {
        check_path(request.path());
        let times = |name: &str| headers.iter().filter(|header| header.name == name).count();
        assert!(CREDENTIAL_HEADERS.iter().all(|name| times(name) < 2) && times("host") < 2);
        assert_eq!(times("x-http-method-override") + times("x-http-method"), 0);
        let proofs = ["authorization", "x-secret-key", "x-signature"].map(|name| times(name).min(1));
        let message = (times("signature") + times("signature-input")).min(1);
        assert!(proofs.iter().sum::<usize>() + message < 2, "two schemes");
        for pair in request.query().unwrap_or_default().split('&') {
            let name = decoded(pair.split('=').next().unwrap_or_default().as_bytes()).to_ascii_lowercase();
            assert!(!matches!(name.as_slice(), b"api_key" | b"key_secret" | b"access_token" | b"_method"));
        }
    }
    if check_body(dialect, data).is_ok() {
        for name in ["\"key_secret\"", "\"secretKey\""] {
            assert!(!data.windows(name.len()).any(|window| window == name.as_bytes()));
        }
    }
});
