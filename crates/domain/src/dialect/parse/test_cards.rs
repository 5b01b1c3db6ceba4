//! The `[test_cards]` table of a dialect file.

use serde::Deserialize;

use super::{Problem, check_routes, problem};
use crate::dialect::test_cards::TestCards;

/// Most numbers.
const NUMBERS_MAX: usize = 500;
/// Digits of a card number (ISO/IEC 7812-1; the shortest that are in use).
const DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTestCards {
    number: String,
    routes: Vec<String>,
    values: Vec<String>,
}

pub(super) fn check_test_cards(raw: &RawTestCards) -> Result<TestCards, Problem> {
    if !raw.number.starts_with('/') {
        return problem("test_cards.number", "must be a JSON pointer such as `/card/number`");
    }
    if raw.routes.is_empty() {
        return problem("test_cards.routes", "must name the calls that carry a card");
    }
    if raw.values.is_empty() || raw.values.len() > NUMBERS_MAX {
        return problem("test_cards.values", format!("must be 1 to {NUMBERS_MAX} numbers"));
    }
    let is_number = |text: &String| DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(place) = raw.values.iter().position(|text| !is_number(text)) {
        let words = format!("must be {} to {} digits and nothing else", DIGITS.start(), DIGITS.end());
        return problem(format!("test_cards.values[{place}]"), words);
    }
    Ok(TestCards {
        number: raw.number.as_str().into(),
        routes: check_routes("test_cards.routes", &raw.routes)?,
        values: raw.values.iter().map(|number| number.as_str().into()).collect(),
    })
}
