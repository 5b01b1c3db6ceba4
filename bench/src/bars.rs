//! The bars and the table: what was measured, what it had to be, and whether it is.

use std::fmt::Write as _;

/// What the noise of a shared machine is worth. A figure that is above its bar by no more than this neither holds nor
/// fails.
const NOISE: f64 = 0.08;

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many times as much.
    Times,
    /// Nanoseconds of CPU.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// Units of 1,024 bytes.
    Kilobytes,
    /// Seconds.
    Seconds,
    /// System calls.
    Calls,
    /// So many in a second.
    PerSecond,
}

/// Which side of the bar is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At most.
    Most,
    /// At least.
    Least,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Figure {
    /// `P1`.
    pub number: &'static str,
    /// What was measured.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// What it has to be; `None` for a figure that only informs.
    pub bar: Option<f64>,
    /// Which side is good.
    pub side: Side,
    /// How it is written.
    pub unit: Unit,
    /// What else is worth knowing.
    pub note: String,
}

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The bar holds.
    Reached,
    /// Above the bar, within the noise.
    Noise,
    /// The bar does not hold.
    Missed,
    /// There is no bar.
    Informs,
}

impl Figure {
    /// A figure that must be at most its bar.
    pub fn at_most(number: &'static str, what: impl Into<String>, (value, bar): (f64, f64), unit: Unit) -> Self {
        Self { number, what: what.into(), value, bar: Some(bar), side: Side::Most, unit, note: String::new() }
    }

    /// A figure that must be at least its bar.
    pub fn at_least(number: &'static str, what: impl Into<String>, (value, bar): (f64, f64), unit: Unit) -> Self {
        Self { side: Side::Least, ..Self::at_most(number, what, (value, bar), unit) }
    }

    /// A figure without a bar.
    pub fn informs(number: &'static str, what: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { bar: None, ..Self::at_most(number, what, (value, value), unit) }
    }

    /// The same with a note.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        let Some(bar) = self.bar else { return Outcome::Informs };
        let excess = match self.side {
            Side::Most => self.value / bar,
            Side::Least => bar / self.value,
        };
        if excess <= 1.0 {
            Outcome::Reached
        } else if excess <= 1.0 + NOISE {
            Outcome::Noise
        } else {
            Outcome::Missed
        }
    }

    /// The line of the table.
    pub fn line(&self) -> String {
        let outcome = match self.outcome() {
            Outcome::Reached => "reached",
            Outcome::Noise => "within 8 % noise",
            Outcome::Missed => "MISSED",
            Outcome::Informs => "",
        };
        let bar = self.bar.map_or_else(String::new, |bar| {
            let sign = if self.side == Side::Most { "<=" } else { ">=" };
            format!("{sign} {}", self.unit.write(bar))
        });
        let mut line = format!(
            "{:<4} {:<58} {:>10} {:>12}  {:<16}",
            self.number,
            self.what,
            self.unit.write(self.value),
            bar,
            outcome
        );
        if !self.note.is_empty() {
            let _ = write!(line, "  {}", self.note);
        }
        line.trim_end().to_owned()
    }
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Times => format!("{value:.2}x"),
            Self::Nanoseconds => format!("{value:.0} ns"),
            Self::Microseconds => format!("{value:.1} us"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::Kilobytes => format!("{value:.1} KiB"),
            Self::Bytes => format!("{value:.0} B"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Calls => format!("{value:.2}"),
            Self::PerSecond => format!("{value:.0}/s"),
        }
    }
}

/// The middle of some figures; of an even number, the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|at| values.get(at)).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_bar_holds_fails_or_drowns_in_noise() {
        let most = |value| Figure::at_most("P1", "a", (value, 1.25), Unit::Times).outcome();
        assert_eq!(most(1.25), Outcome::Reached);
        assert_eq!(most(1.30), Outcome::Noise);
        assert_eq!(most(1.36), Outcome::Missed);
        assert_eq!(most(f64::NAN), Outcome::Missed);
        let least = |value| Figure::at_least("P13", "a", (value, 20.0), Unit::Times).outcome();
        assert_eq!(least(25.0), Outcome::Reached);
        assert_eq!(least(19.0), Outcome::Noise);
        assert_eq!(least(10.0), Outcome::Missed);
    }
}
