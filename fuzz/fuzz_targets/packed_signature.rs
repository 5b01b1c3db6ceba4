//! The packed signature: a claim has one spelling, and only the signed bytes under the right key are allowed.
#![no_main]

use std::sync::OnceLock;

use data_encoding::HEXLOWER;
use keymint_domain::reason::DenyReason;
use keymint_domain::request::Header;
use keymint_domain::scheme::present::{Holder, Presented, present};
use keymint_domain::scheme::{Proof, find_claim};
use keymint_domain::verify::{Candidate, Verdict, decide};
use keymint_fuzz::{NOW, SECRET, candidate, context, dialect, edit, line, take, view};
use libfuzzer_sys::fuzz_target;

const KEY_ID: &str = "kspub_live_0123456789abcdefghijABCD";
const TARGET: &str = "/transaction/initiate";

fn record() -> &'static Candidate {
    static RECORD: OnceLock<Candidate> = OnceLock::new();
    RECORD.get_or_init(|| candidate(KEY_ID))
}

/// Whether the request is allowed; a claim must be the one spelling of itself.
fn is_allowed(value: &[u8], body: &[u8]) -> bool {
    let headers = [Header { name: "x-signature", value }];
    let request = view("POST", TARGET, &headers, body);
    let context = context(dialect("kspay"), &request);
    match find_claim(&context) {
        Ok(claim) => {
            let Proof::Signed { timestamp, seconds, signature, .. } = &claim.proof else { panic!("it is signed") };
            assert_eq!(*timestamp, seconds.to_string());
            assert!(NOW.seconds().abs_diff(*seconds) <= 300 && signature.len() == 32);
            let spelled = format!("{}.{timestamp}.{}", claim.key_id, HEXLOWER.encode(signature));
            assert_eq!(value, spelled.as_bytes(), "another spelling of the same claim");
            // The record is given whatever key was claimed: it must not decide about another.
            !matches!(decide(&context, &claim, Some(record())), Verdict::Deny(_))
        }
        Err(refusal) => {
            assert!(matches!(refusal.reason, DenyReason::MalformedCredentials | DenyReason::StaleTimestamp));
            false
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = take(&mut data);
    let body = line(&mut data);
    assert!(!is_allowed(data, body), "nobody guesses a signature");

    let request = view("POST", TARGET, &[], body);
    let holder = Holder { key_id: KEY_ID, secret: SECRET, now: NOW, nonce: "n" };
    let Ok(Presented::Headers(headers)) = present(dialect("kspay"), &request, &holder) else {
        panic!("it can be signed")
    };
    let value = headers[0].1.as_bytes();
    assert!(is_allowed(value, body));
    let mut edited = if kind.is_multiple_of(2) { value.to_vec() } else { body.to_vec() };
    edit(&mut edited, &mut data);
    let (value_sent, body_sent) =
        if kind.is_multiple_of(2) { (edited.as_slice(), body) } else { (value, edited.as_slice()) };
    let is_same = value_sent == value && body_sent == body;
    assert_eq!(is_allowed(value_sent, body_sent), is_same);
});
