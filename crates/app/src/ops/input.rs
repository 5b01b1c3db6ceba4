//! Checks on what people type: lengths, addresses, countries. The messages say what would be right.

use keymint_domain::restriction::{DOMAINS_MAX, RestrictionError};

use crate::ops::{OpError, field};
use crate::say;

/// Text of a length. Characters, not bytes; control characters are refused.
///
/// # Errors
/// `OpError::Field`.
pub fn text(name: &'static str, value: &str, range: std::ops::RangeInclusive<usize>) -> Result<String, OpError> {
    let trimmed = value.trim();
    if !range.contains(&trimmed.chars().count()) {
        return field(name, say!("input-length", least = *range.start(), most = *range.end()));
    }
    if trimmed.chars().any(char::is_control) {
        return field(name, say!("input-control"));
    }
    Ok(trimmed.to_owned())
}

/// The same, where it may be absent; empty counts as absent.
///
/// # Errors
/// `OpError::Field`.
pub fn optional_text(name: &'static str, value: Option<&str>, most: usize) -> Result<Option<String>, OpError> {
    match value.map(str::trim) {
        None | Some("") => Ok(None),
        Some(value) => text(name, value, 1..=most).map(Some),
    }
}

/// An address for mail, in lower case. Whether it exists is found out by writing to it.
///
/// # Errors
/// `OpError::Field`.
pub fn email(name: &'static str, value: &str) -> Result<String, OpError> {
    let value = text(name, value, 3..=254)?;
    let is_fine = value.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.len() <= 64
            && !value.contains([' ', ',', ';', '<', '>', '"'])
            && domain.split('.').count() >= 2
            && domain.split('.').all(|label| {
                !label.is_empty() && label.chars().all(|character| character.is_alphanumeric() || character == '-')
            })
    });
    if is_fine { Ok(value.to_lowercase()) } else { field(name, say!("input-email")) }
}

/// What is wrong with an address, an origin, a domain or a scope.
pub fn restriction(error: &RestrictionError) -> OpError {
    let problem = match error {
        RestrictionError::Address(text) => say!("input-address-block", text = text),
        RestrictionError::TooManyAddresses(most) => say!("input-addresses-most", most = most),
        RestrictionError::Origin(text) => say!("input-origin", text = text),
        RestrictionError::TooManyOrigins(most) => say!("input-origins-most", most = most),
        RestrictionError::Domain => say!("input-domain").to_owned(),
        RestrictionError::TooManyDomains => say!("input-domains-most", most = DOMAINS_MAX),
        RestrictionError::Scope(text, known) => say!("input-scope", text = text, known = known),
    };
    OpError::Field { field: error.field(), problem }
}

/// A country: ISO 3166-1 alpha-2, upper case.
///
/// # Errors
/// `OpError::Field`.
pub fn country(name: &'static str, value: &str) -> Result<String, OpError> {
    let value = value.trim().to_ascii_uppercase();
    if COUNTRIES.split(' ').any(|code| code == value) {
        return Ok(value);
    }
    field(name, say!("input-country"))
}

/// The officially assigned codes of ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK \
FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM \
JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS \
MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM \
US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";
