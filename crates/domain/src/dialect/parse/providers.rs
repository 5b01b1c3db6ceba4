//! The `[providers]` table of a dialect file.

use serde::Deserialize;

use super::{Problem, check_routes, problem};
use crate::dialect::providers::Providers;

/// Most providers of a vendor: all of them stand in a credential's row, and on one page.
const PROVIDERS_MAX: usize = 100;
/// Longest name of one. Bytes.
const NAME_BYTES_MAX: usize = 64;

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawProviders {
    member: String,
    chosen_later_by: Option<String>,
    routes: Vec<String>,
    values: Vec<String>,
}

pub(super) fn check_providers(raw: &RawProviders) -> Result<Providers, Problem> {
    if raw.member.is_empty() {
        return problem("providers.member", "must name a member of the body");
    }
    if raw.chosen_later_by.as_deref() == Some("") {
        return problem("providers.chosen_later_by", "must name a member of the body");
    }
    if raw.routes.is_empty() {
        return problem("providers.routes", "must name the calls that name a provider");
    }
    if raw.values.is_empty() || raw.values.len() > PROVIDERS_MAX {
        return problem("providers.values", format!("must be 1 to {PROVIDERS_MAX} providers"));
    }
    // They are kept as words of one text, so none holds a space.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    for (place, name) in raw.values.iter().enumerate() {
        let at = || format!("providers.values[{place}]");
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
            return problem(at(), format!("must be 1 to {NAME_BYTES_MAX} letters, digits, `_`, `-` and `.`"));
        }
        if raw.values.iter().take(place).any(|before| before == name) {
            return problem(at(), "stands there twice");
        }
    }
    Ok(Providers {
        member: raw.member.as_str().into(),
        chosen_later_by: raw.chosen_later_by.as_deref().map(Into::into),
        routes: check_routes("providers.routes", &raw.routes)?,
        values: raw.values.iter().map(|name| name.as_str().into()).collect(),
    })
}
