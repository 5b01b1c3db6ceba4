//! What a tester asks of a simulator beside the vendor's API, in a header of ours: `X-Keymint-Simulate: settle=30s`. Only
//! the sandboxes read it; a product with an upstream for test mode never gets here. `docs/sandbox/README.md` lists it.

use std::time::Duration;

use keymint_domain::request::RequestView;

/// The header.
const HEADER: &str = "x-keymint-simulate";
/// Longest that an answer is held back. Milliseconds: below the patience of most clients.
const DELAY_MS_MAX: i64 = 10_000;
/// Longest until an outcome. Milliseconds: a year.
const SETTLE_MS_MAX: i64 = 366 * 86_400_000;

/// What is asked for; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Simulate {
    /// How long until the outcome, on the app's clock; nothing: it is there at once.
    pub settle_ms: Option<i64>,
    /// How long the answer is held back.
    pub delay: Duration,
    /// The status that is answered instead of doing anything.
    pub error: Option<u16>,
    /// The status that is answered although it was done.
    pub error_after: Option<u16>,
}

/// What is wrong with the header.
pub const WRONG: &str = "X-Keymint-Simulate takes settle=, delay= (at most 10s), error= and error-after= (400 to 599), \
                         each once, with commas between them; times are written 500ms, 30s, 5m, 2h or 7d";

impl Simulate {
    /// Reads the header.
    ///
    /// # Errors
    /// When it says anything that is not listed in `WRONG`.
    pub fn of(view: &RequestView<'_>) -> Result<Self, ()> {
        let mut values = view.header_values(HEADER);
        let (first, second) = (values.next(), values.next());
        match (first, second) {
            (None, _) => Ok(Self::default()),
            (Some(value), None) => std::str::from_utf8(value).ok().and_then(Self::parse).ok_or(()),
            (Some(_), Some(_)) => Err(()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (mut found, mut seen) = (Self::default(), Vec::new());
        for part in text.split(',') {
            let (name, value) = part.trim_matches(' ').split_once('=')?;
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            match name {
                "settle" => found.settle_ms = Some(milliseconds(value, SETTLE_MS_MAX)?),
                "delay" => found.delay = Duration::from_millis(milliseconds(value, DELAY_MS_MAX)?.unsigned_abs()),
                "error" => found.error = Some(status(value)?),
                "error-after" => found.error_after = Some(status(value)?),
                _ => return None,
            }
        }
        Some(found)
    }
}

/// What docs/sandbox/README.md has to say of the header: each name that it takes.
#[cfg(test)]
pub fn documented() -> Vec<super::documented::Row> {
    let names = WRONG.split([' ', ',']).filter_map(|word| word.strip_suffix('='));
    names.map(|name| super::documented::Row::new(&format!("`{name}="), &[(1, String::new())])).collect()
}

fn status(text: &str) -> Option<u16> {
    let status = whole(text)?;
    u16::try_from(status).ok().filter(|status| (400..=599).contains(status))
}

fn whole(text: &str) -> Option<i64> {
    let is_plain = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

fn milliseconds(text: &str, most: i64) -> Option<i64> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let (number, unit) = units.into_iter().find_map(|(name, unit)| Some((whole(text.strip_suffix(name)?)?, unit)))?;
    number.checked_mul(unit).filter(|found| *found <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_is_listed_and_nothing_else() {
        let settle = |text: &str| Simulate::parse(text).and_then(|found| found.settle_ms);
        for (text, wanted) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("0s", 0)] {
            assert_eq!(settle(&format!("settle={text}")), Some(wanted));
        }
        assert_eq!(settle("settle=366d"), Some(SETTLE_MS_MAX));
        let both = Simulate::parse("delay=10s, error-after=599").expect("both");
        assert_eq!((both.delay, both.error, both.error_after), (Duration::from_secs(10), None, Some(599)));
        for wrong in [
            "",
            "settle",
            "settle=",
            "settle=30",
            "settle=-1s",
            "settle=+1s",
            "settle=1.5s",
            "settle=367d",
            "settle=1s,",
            "settle=1s,settle=2s",
            "delay=10001ms",
            "delay=99999999999999s",
            "error=399",
            "error=600",
            "error=5x3",
            "Error=503",
            "other=1",
            "settle = 1s",
            "error=503;delay=1s",
        ] {
            assert_eq!(Simulate::parse(wrong), None, "{wrong}");
        }
    }
}
