//! The `[webhooks]` table of a dialect file.

use std::time::Duration;

use serde::Deserialize;

use super::{Problem, check_header, problem};
use crate::dialect::Scheme;
use crate::webhook::schedule::Retry;
use crate::webhook::signature::{KeyText, Part, Signing};
use crate::webhook::target::TargetRules;
use crate::webhook::{Routing, SecretSource, Success, Webhooks};

/// Most endpoints of an app and mode that a dialect may allow.
const ENDPOINTS_MAX: usize = 100;
/// Most events, and the longest name of one. Bytes.
const EVENTS_MAX: usize = 200;
const EVENT_BYTES_MAX: usize = 64;
/// Most places where a body may say what it is about.
const SUBJECTS_MAX: usize = 16;
/// Shortest and longest that an endpoint may take. Milliseconds.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=30_000;
/// Most tries after the first, and the longest wait between two. Milliseconds: two days.
const WAITS_MAX: usize = 32;
const WAIT_MS_MAX: i64 = 172_800_000;
/// Longest overlap of two secrets. Seconds: 30 days.
const OVERLAP_SECONDS_MAX: u32 = 2_592_000;
/// Digits of the code that test mode asks for: as many as a code has that is sent.
const TEST_CODE_DIGITS: usize = 6;
/// Longest URL that a dialect may allow. Bytes.
const URL_BYTES_MAX: usize = 2_048;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhooks {
    endpoints_max: usize,
    events: Vec<String>,
    routing: Routing,
    secret: SecretSource,
    test_code: Option<String>,
    #[serde(default)]
    subject: Vec<String>,
    id_header: Option<String>,
    event_header: Option<String>,
    timestamp_header: Option<String>,
    user_agent: String,
    timeout_ms: u64,
    success: Success,
    target: TargetRules,
    signing: Signing,
    retry: Retry,
}

pub(super) fn check_webhooks(raw: RawWebhooks, schemes: &[Scheme]) -> Result<Webhooks, Problem> {
    if raw.secret == SecretSource::Credential && !schemes.iter().any(Scheme::needs_secret) {
        return problem(
            "webhooks.secret",
            "cannot be `credential`: no scheme here signs, so secrets are kept as hashes",
        );
    }
    if raw.endpoints_max == 0 || raw.endpoints_max > ENDPOINTS_MAX {
        return problem("webhooks.endpoints_max", format!("must be 1 to {ENDPOINTS_MAX}"));
    }
    check_events(&raw.events)?;
    check_subject(&raw.subject)?;
    let is_code = |code: &str| code.len() == TEST_CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit());
    if raw.test_code.as_deref().is_some_and(|code| !is_code(code)) {
        return problem("webhooks.test_code", format!("must be {TEST_CODE_DIGITS} digits"));
    }
    if !TIMEOUT_MS.contains(&raw.timeout_ms) {
        let words = format!("must be {} to {}", TIMEOUT_MS.start(), TIMEOUT_MS.end());
        return problem("webhooks.timeout_ms", words);
    }
    if raw.user_agent.is_empty() || !raw.user_agent.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return problem("webhooks.user_agent", "must be printable ASCII");
    }
    if raw.target.bytes_max == 0 || raw.target.bytes_max > URL_BYTES_MAX {
        return problem("webhooks.target.bytes_max", format!("must be 1 to {URL_BYTES_MAX}"));
    }
    check_header("webhooks.signing.header", &raw.signing.header)?;
    let header = |field: &str, name: Option<String>| name.map(|name| check_header(field, &name)).transpose();
    let id_header = header("webhooks.id_header", raw.id_header)?;
    let timestamp_header = header("webhooks.timestamp_header", raw.timestamp_header)?;
    let signs = |part: &Part| raw.signing.parts.contains(part);
    if !signs(&Part::Body) {
        return problem("webhooks.signing.parts", "must hold `body`");
    }
    if (signs(&Part::Timestamp) && timestamp_header.is_none()) || (signs(&Part::Id) && id_header.is_none()) {
        return problem("webhooks.signing.parts", "holds what no header says: name `timestamp_header`, `id_header`");
    }
    if raw.signing.ed25519_prefix.is_some() && (raw.signing.key != KeyText::Whsec || raw.secret != SecretSource::Made) {
        let words = "needs `key = \"whsec\"` and `secret = \"made\"`: what a secret begins with says how it signs";
        return problem("webhooks.signing.ed25519_prefix", words);
    }
    if raw.signing.overlap_seconds_max > OVERLAP_SECONDS_MAX {
        let words = format!("must be at most {OVERLAP_SECONDS_MAX} (30 days)");
        return problem("webhooks.signing.overlap_seconds_max", words);
    }
    check_retry(&raw.retry)?;
    Ok(Webhooks {
        endpoints_max: raw.endpoints_max,
        events: raw.events.into_iter().map(Into::into).collect(),
        target: raw.target,
        routing: raw.routing,
        secret: raw.secret,
        test_code: raw.test_code.map(Into::into),
        subject: raw.subject.into_iter().map(Into::into).collect(),
        signing: raw.signing,
        id_header,
        event_header: header("webhooks.event_header", raw.event_header)?,
        timestamp_header,
        user_agent: raw.user_agent.into(),
        timeout: Duration::from_millis(raw.timeout_ms),
        success: raw.success,
        retry: raw.retry,
    })
}

fn check_events(events: &[String]) -> Result<(), Problem> {
    if events.is_empty() || events.len() > EVENTS_MAX {
        return problem("webhooks.events", format!("must name 1 to {EVENTS_MAX} events"));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    for (place, event) in events.iter().enumerate() {
        let field = format!("webhooks.events[{place}]");
        if event.is_empty() || event.len() > EVENT_BYTES_MAX || !event.bytes().all(plain) {
            let words = format!("must be 1 to {EVENT_BYTES_MAX} lower-case letters, digits, `.` and `_`");
            return problem(field, words);
        }
        if events.iter().take(place).any(|other| other == event) {
            return problem(field, "stands there twice");
        }
    }
    Ok(())
}

/// JSON Pointers (RFC 6901 section 3), and not too many.
fn check_subject(pointers: &[String]) -> Result<(), Problem> {
    if pointers.len() > SUBJECTS_MAX {
        return problem("webhooks.subject", format!("must name at most {SUBJECTS_MAX} places"));
    }
    match pointers.iter().position(|pointer| !pointer.starts_with('/')) {
        Some(place) => problem(format!("webhooks.subject[{place}]"), "must be a JSON pointer such as `/data/order_id`"),
        None => Ok(()),
    }
}

fn check_retry(retry: &Retry) -> Result<(), Problem> {
    if retry.waits_ms.len() > WAITS_MAX || retry.waits_ms.iter().any(|wait| !(1..=WAIT_MS_MAX).contains(wait)) {
        let words = format!("must be at most {WAITS_MAX} waits of 1 to {WAIT_MS_MAX} milliseconds");
        return problem("webhooks.retry.waits_ms", words);
    }
    if retry.jitter_percent > 100 {
        return problem("webhooks.retry.jitter_percent", "must be at most 100");
    }
    Ok(())
}
