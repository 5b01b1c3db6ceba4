//! The `[[limit]]` tables of a dialect file, and of a product in the operator's configuration.

use serde::Deserialize;

use super::{Problem, check_routes, problem};
use crate::limit::{Limit, Per};

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
    window_seconds: u32,
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
    if raw.window_seconds == 0 || raw.window_seconds > WINDOW_SECONDS_MAX {
        return problem(format!("{at}.window_seconds"), format!("must be 1 to {WINDOW_SECONDS_MAX} (a day)"));
    }
    Ok(Limit {
        name: raw.name.as_str().into(),
        policy: format!("\"{}\";q={};w={}", raw.name, raw.requests, raw.window_seconds).into(),
        per: raw.per,
        requests: raw.requests,
        window_seconds: raw.window_seconds,
        routes: check_routes(&format!("{at}.routes"), &raw.routes)?,
        except: check_routes(&format!("{at}.except"), &raw.except)?,
        body_member: raw.body_member.as_deref().map(Into::into),
    })
}
