//! HTTP Basic: whatever is read as a claim has exactly one spelling, and the input was it.
#![no_main]

use data_encoding::BASE64;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::Header;
use keymint_domain::scheme::{Proof, find_claim};
use keymint_fuzz::{context, dialect, take, view};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = take(&mut data);
    // Half of the inputs are taken for what stands inside the base 64, the others for the whole field.
    let field =
        if kind.is_multiple_of(2) { data.to_vec() } else { format!("Basic {}", BASE64.encode(data)).into_bytes() };
    let target = if kind & 2 == 0 { "/v1/orders" } else { "/v1/methods" };
    let headers = [Header { name: "authorization", value: &field }];
    let request = view("GET", target, &headers, b"");
    let razorpay = dialect("razorpay");
    match find_claim(&context(razorpay, &request)) {
        Ok(claim) => {
            assert_eq!(razorpay.key_id.parse(claim.key_id.as_bytes()), Ok(claim.mode));
            let secret = match &claim.proof {
                Proof::Secret(presented) => presented.bytes(),
                Proof::PublicKey => b"",
                _ => panic!("Basic proves by a secret or not at all"),
            };
            assert_eq!(secret.is_empty(), matches!(claim.proof, Proof::PublicKey));
            assert!(!secret.is_empty() || target == "/v1/methods", "an id alone is for public calls");
            let spelled = BASE64.encode(&[claim.key_id.as_bytes(), b":", secret].concat());
            assert_eq!(field, format!("Basic {spelled}").into_bytes(), "another spelling of the same claim");
        }
        Err(refusal) => assert_eq!(refusal.reason, DenyReason::MalformedCredentials),
    }
});
