//! When a certificate is renewed, and when it is tried again where that failed: functions of its life and of chance.

/// What is left of a certificate's life when it is renewed: a third, which is 30 days of 90.
const LEFT: i64 = 3;
/// By how much sooner it may be: a thirtieth of its life, so that not everybody's are renewed at the same time.
const SOONER: i64 = 30;
/// The wait after the first failure. Seconds: five tries in an hour are what Let's Encrypt lets fail.
const FIRST_WAIT: i64 = 120;
/// The longest wait. Seconds.
const WAIT_MAX: i64 = 6 * 3600;

/// From when to when a certificate is valid. Seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The beginning.
    pub not_before: i64,
    /// The end.
    pub not_after: i64,
}

impl Validity {
    /// Whether a moment is in it.
    pub fn has(self, at: i64) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }

    /// When the certificate is to be renewed. Seconds since the epoch. `chance` is any number; it decides the jitter.
    pub fn renewal_due(self, chance: u16) -> i64 {
        let life = self.not_after.saturating_sub(self.not_before).max(0);
        self.not_after.saturating_sub(life / LEFT).saturating_sub(share(life / SOONER, chance))
    }
}

/// How long to wait after so many failures in a row. Seconds; twice as long each time, and up to a quarter longer by `chance`.
pub fn wait_after(failures: u32, chance: u16) -> i64 {
    let doubled = 1_i64.checked_shl(failures.saturating_sub(1)).filter(|factor| (1..=WAIT_MAX).contains(factor));
    let wait = FIRST_WAIT.saturating_mul(doubled.unwrap_or(WAIT_MAX)).min(WAIT_MAX);
    wait + share(wait / 4, chance)
}

/// The part of a number that chance takes: nothing of it to all of it.
fn share(of: i64, chance: u16) -> i64 {
    of.saturating_mul(i64::from(chance)) / i64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Validity, wait_after};

    const DAY: i64 = 86_400;

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left_and_a_thirtieth_sooner_at_the_most() {
        let of_90_days = Validity { not_before: 1_000, not_after: 1_000 + 90 * DAY };
        assert_eq!(of_90_days.renewal_due(0), 1_000 + 60 * DAY);
        assert_eq!(of_90_days.renewal_due(u16::MAX), 1_000 + 57 * DAY);
        let of_6_days = Validity { not_before: 0, not_after: 6 * DAY };
        assert_eq!(of_6_days.renewal_due(0), 4 * DAY);
        let backwards = Validity { not_before: 10, not_after: 5 };
        assert_eq!(backwards.renewal_due(u16::MAX), 5, "one that never was valid is due at its end");
    }

    #[test]
    fn a_moment_is_in_a_certificates_life_from_its_first_second_to_its_last() {
        let life = Validity { not_before: 10, not_after: 20 };
        assert_eq!([9, 10, 20, 21].map(|at| life.has(at)), [false, true, true, false]);
    }

    #[test]
    fn waits_double_from_two_minutes_to_six_hours_and_chance_adds_a_quarter() {
        let waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 64, u32::MAX].map(|failures| wait_after(failures, 0));
        assert_eq!(waits, [120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360, 21_600, 21_600, 21_600]);
        assert_eq!(wait_after(1, u16::MAX), 150);
        assert_eq!(wait_after(40, u16::MAX), 27_000);
        assert!(waits[..5].iter().sum::<i64>() > 3_600, "the sixth try of an hour would be one too many");
    }
}
