//! The `[[limit]]` tables of a dialect file, and of a product in the operator's configuration.

use serde::Deserialize;

use super::{Problem, check_routes, problem};
use crate::limit::{Limit, Per, Period, Span};

/// Most rules of a dialect.
const LIMITS_MAX: usize = 16;
/// Longest window. Seconds: a day.
const WINDOW_SECONDS_MAX: u32 = 86_400;
/// Largest quota.
const REQUESTS_MAX: u32 = 100_000_000;

/// A rule as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimit {
    name: String,
    per: Per,
    requests: u32,
    window_seconds: Option<u32>,
    period: Option<Period>,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    body_member: Option<String>,
}

impl RawLimit {
    /// Checks a rule on its own.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub fn checked(&self) -> Result<Limit, String> {
        check("limit", self).map_err(|Problem { field, problem }| format!("{field}: {problem}"))
    }
}

pub(super) fn check_limits(raw: &[RawLimit]) -> Result<Vec<Limit>, Problem> {
    if raw.len() > LIMITS_MAX {
        return problem("limit", format!("must be at most {LIMITS_MAX} rules"));
    }
    let mut limits: Vec<Limit> = Vec::new();
    for (place, one) in raw.iter().enumerate() {
        let at = format!("limit[{place}]");
        if limits.iter().any(|other| *other.name == *one.name) {
            return problem(format!("{at}.name"), "stands there twice");
        }
        limits.push(check(&at, one)?);
    }
    Ok(limits)
}

fn check(at: &str, raw: &RawLimit) -> Result<Limit, Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if raw.name.is_empty() || raw.name.len() > 32 || !raw.name.bytes().all(plain) {
        return problem(format!("{at}.name"), "must be 1 to 32 lower-case letters, digits and `-`");
    }
    if raw.requests == 0 || raw.requests > REQUESTS_MAX {
        return problem(format!("{at}.requests"), format!("must be 1 to {REQUESTS_MAX}"));
    }
    let span = check_span(at, raw)?;
    Ok(Limit {
        name: raw.name.as_str().into(),
        policy: policy(raw, span).into(),
        per: raw.per,
        requests: raw.requests,
        span,
        routes: check_routes(&format!("{at}.routes"), &raw.routes)?,
        except: check_routes(&format!("{at}.except"), &raw.except)?,
        body_member: raw.body_member.as_deref().map(Into::into),
    })
}

fn check_span(at: &str, raw: &RawLimit) -> Result<Span, Problem> {
    let (field, says) = match (raw.window_seconds, raw.period) {
        (Some(seconds @ 1..=WINDOW_SECONDS_MAX), None) => return Ok(Span::Sliding(seconds)),
        (None, Some(_)) if raw.per == Per::Address => {
            ("per", "must be `key`, `app`, `merchant` or `product` for a quota")
        }
        (None, Some(period)) => return Ok(Span::Calendar(period)),
        (Some(_), None) => ("window_seconds", "must be 1 to 86400 (a day)"),
        _ => ("window_seconds", "must stand there, or `period` (`day` or `month`), and not both"),
    };
    problem(format!("{at}.{field}"), says)
}

/// draft-ietf-httpapi-ratelimit-headers-10 section 2. Months are of different lengths, so theirs is not told.
fn policy(raw: &RawLimit, span: Span) -> String {
    let quota = format!("\"{}\";q={}", raw.name, raw.requests);
    match span {
        Span::Sliding(seconds) => format!("{quota};w={seconds}"),
        Span::Calendar(Period::Day) => format!("{quota};w=86400"),
        Span::Calendar(Period::Month) => quota,
    }
}
