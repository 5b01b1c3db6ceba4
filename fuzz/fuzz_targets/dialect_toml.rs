//! Dialect files: a refusal names a line of the file, and what is accepted keeps the promises that nothing else checks.
#![no_main]

use std::sync::OnceLock;

use keymint_domain::dialect::recipe::{FORMS_MAX, Part};
use keymint_domain::dialect::{BUILT_IN, Dialect, SchemeKind};
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_fuzz::{edit, take};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fn check(dialect: &Dialect) {
    assert!(!dialect.schemes.is_empty() && !dialect.secrets.is_empty());
    assert!(dialect.secrets.iter().all(|style| style.format.bits() >= 128) && dialect.key_id.bits() >= 80);
    assert_ne!(dialect.key_id.prefix(Mode::Test), dialect.key_id.prefix(Mode::Live));
    assert!((1..=16 * 1024 * 1024).contains(&dialect.body_bytes_max) && dialect.grace_seconds_max <= 2_592_000);
    for reason in DenyReason::ALL {
        let answer = dialect.answers.find(*reason, None).expect("every reason has an answer");
        assert!((400..=599).contains(&answer.status));
        serde_json::from_str::<IgnoredAny>(&answer.body).expect("answers are JSON");
    }
    for scheme in &dialect.schemes {
        match &scheme.kind {
            SchemeKind::Signed(signed) => {
                assert!((1..=300).contains(&signed.window_seconds) && signed.recipe.forms.len() <= FORMS_MAX);
                assert!([Part::Body, Part::Timestamp].iter().all(|part| signed.recipe.parts.contains(part)));
            }
            SchemeKind::MessageSignature { window_seconds, .. } => assert!((1..=300).contains(window_seconds)),
            SchemeKind::Bearer => assert!(dialect.key_id_derived),
            SchemeKind::TokenExchange(exchange) => assert!(exchange.access_seconds >= 1),
            SchemeKind::Basic | SchemeKind::KeyPair { .. } => {}
        }
    }
}

/// The built-in files without comments and with one answer to everything: short enough to be read often.
fn starts() -> &'static [String] {
    static STARTS: OnceLock<Vec<String>> = OnceLock::new();
    STARTS.get_or_init(|| {
        let names: Vec<String> = DenyReason::ALL.iter().map(|reason| format!("\"{}\"", reason.as_str())).collect();
        let answer = format!("[[errors.answer]]\nreasons = [{}]\nstatus = 401\nmessage = \"\"\n", names.join(","));
        let short = |text: &str| {
            let (head, _) = text.split_once("[[errors.answer]]").expect("every file has answers");
            let kept = head.lines().filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
            kept.map(|line| format!("{line}\n")).collect::<String>() + &answer
        };
        let starts: Vec<String> = BUILT_IN.iter().map(|(_, text)| short(text)).collect();
        assert!(starts.iter().all(|start| Dialect::parse(start).is_ok()));
        starts
    })
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = take(&mut data);
    let text = match starts().get(kind % (BUILT_IN.len() + 1)) {
        Some(text) => {
            let mut text = text.as_bytes().to_vec();
            edit(&mut text, &mut data);
            text
        }
        None => data.to_vec(),
    };
    let Ok(text) = std::str::from_utf8(&text) else { return };
    match Dialect::parse(text) {
        Ok(dialect) => check(&dialect),
        Err(error) => {
            let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&error.line), "line {} of {lines}", error.line);
            assert!(!error.field.is_empty() && !error.problem.is_empty());
        }
    }
});
