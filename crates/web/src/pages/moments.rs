//! Times as people read them; the exact one stands beside each.

use keymint_domain::time::UnixMs;

/// How long ago a moment was: `2 hours ago`.
pub fn ago(now: UnixMs, at: UnixMs) -> String {
    let seconds = now.0.saturating_sub(at.0).max(0) / 1000;
    let (count, unit) = match seconds {
        0..5 => return "just now".to_owned(),
        5..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// A moment in a form of strftime, in UTC.
pub fn written(at: UnixMs, form: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().strftime(form).to_string()
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
