//! Times as people read them; the exact one stands beside each.

use keymint_app::say;
use keymint_domain::time::UnixMs;

/// How long ago a moment was: `2 hours ago`.
pub fn ago(now: UnixMs, at: UnixMs) -> String {
    let seconds = now.0.saturating_sub(at.0).max(0) / 1000;
    match seconds {
        0..5 => say!("moments-now").to_owned(),
        5..60 => say!("moments-seconds", count = seconds),
        60..3_600 => say!("moments-minutes", count = seconds / 60),
        3_600..86_400 => say!("moments-hours", count = seconds / 3_600),
        _ => say!("moments-days", count = seconds / 86_400),
    }
}

/// A moment in a form of strftime, in UTC; `%b` is the month's short name.
pub fn written(at: UnixMs, form: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    // The library writes English. A name that held a percent sign would be a form itself.
    let month = month(at.month()).replace('%', "%%");
    at.strftime(&form.replace("%b", &month)).to_string()
}

fn month(number: i8) -> &'static str {
    match number {
        1 => say!("moments-jan"),
        2 => say!("moments-feb"),
        3 => say!("moments-mar"),
        4 => say!("moments-apr"),
        5 => say!("moments-may"),
        6 => say!("moments-jun"),
        7 => say!("moments-jul"),
        8 => say!("moments-aug"),
        9 => say!("moments-sep"),
        10 => say!("moments-oct"),
        11 => say!("moments-nov"),
        _ => say!("moments-dec"),
    }
}

/// A number with a comma before each three digits: `12,345`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_their_largest_unit() {
        let said = |seconds: i64| ago(UnixMs(seconds * 1000), UnixMs(0));
        let all = [-5, 4, 5, 60, 119, 3_600, 86_399, 86_400, 864_000].map(said);
        let wanted = [
            "just now",
            "just now",
            "5 seconds ago",
            "1 minute ago",
            "1 minute ago",
            "1 hour ago",
            "23 hours ago",
            "1 day ago",
            "10 days ago",
        ];
        assert_eq!(all, wanted);
    }

    #[test]
    fn digits_are_grouped_by_three() {
        let all = [0, 7, 999, 1_000, 12_345, 1_234_567, -1_000].map(grouped);
        assert_eq!(all, ["0", "7", "999", "1,000", "12,345", "1,234,567", "-1,000"]);
    }
}
