//! What a vendor's console asks of whoever registers an app, and the numbers that it gives its refusals.

use std::num::NonZeroU32;

use serde::Deserialize;

/// The `[apps]` table of a dialect. Without it, nothing is asked beyond what every app needs.
///
/// The rules are those of the vendor's console, so they are asked of people; the management API has a contract of its
/// own, which knows neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRules {
    /// Whether the merchant's company has to be on file first.
    #[serde(default)]
    pub requires_company: bool,
    /// The vendor's number for a company whose name is too short or too long.
    pub company_name_code: Option<NonZeroU32>,
    /// The vendor's numbers for what another app has; where there is one, no two apps of a merchant and product share it.
    #[serde(default)]
    pub unique: Unique,
}

/// The `[apps.unique]` table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unique {
    /// The name. Names differ in every dialect; here is only the number.
    pub name: Option<NonZeroU32>,
    /// The address for mail.
    pub email: Option<NonZeroU32>,
    /// The phone number, by its digits.
    pub phone: Option<NonZeroU32>,
}
