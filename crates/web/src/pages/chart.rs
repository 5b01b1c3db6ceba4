//! Bars for counts over time, as SVG whose parts have classes and numbers and no style of their own: the policy of the
//! pages forbids inline style. The drawing is stretched to its place; whatever is to be read stands beside it as text.

use keymint_app::store_types::Counts;

use super::moments::grouped;

/// Width of a step in the drawing; the bar in it leaves a gap on each side.
const STEP: usize = 10;
/// Height of the drawing.
const HEIGHT: i64 = 200;

/// One step: a bar of two parts, the denied above the allowed, and its row in the table.
pub struct Bar {
    /// Left edge of the step.
    pub left: usize,
    /// Left edge of the bar.
    pub x: usize,
    /// Upper edge and height of the allowed part.
    pub allowed: (i64, i64),
    /// Upper edge and height of the denied part.
    pub denied: (i64, i64),
    /// The time that it stands for.
    pub label: String,
    /// What happened then.
    pub counts: Counts,
}

/// A chart.
pub struct Chart {
    /// The bars, the oldest first.
    pub bars: Vec<Bar>,
    /// Width of the drawing.
    pub width: usize,
    /// What the upper edge and the middle stand for.
    pub scale: [String; 2],
    /// Words below the first bar, the one in the middle and the last.
    pub below: [String; 3],
}

/// The smallest of 2, 4, 6, 8, 10, 12, 16, 20, 40 … that is not below.
fn round_up(most: i64) -> i64 {
    let mut power = 1;
    loop {
        for factor in [2, 4, 6, 8, 10, 12, 16] {
            let round = factor * power;
            if round >= most {
                return round;
            }
        }
        power *= 10;
        if power >= i64::MAX / 100 {
            return most;
        }
    }
}

/// Height in the drawing of a count; what is not nothing is seen.
fn height(count: i64, top: i64) -> i64 {
    let height = count.saturating_mul(HEIGHT) / top.max(1);
    if count > 0 { height.clamp(2, HEIGHT) } else { 0 }
}

/// Draws counts; each comes with the words for its time.
pub fn draw(steps: Vec<(String, Counts)>, below: [String; 3]) -> Chart {
    let most = steps.iter().map(|(_, counts)| counts.requests()).max().unwrap_or(0);
    let top = round_up(most);
    let width = steps.len() * STEP;
    let bar = |(place, (label, counts)): (usize, (String, Counts))| {
        let denied = height(counts.denied, top);
        let allowed = height(counts.allowed, top).min(HEIGHT - denied);
        Bar {
            left: place * STEP,
            x: place * STEP + 1,
            allowed: (HEIGHT - allowed, allowed),
            denied: (HEIGHT - allowed - denied, denied),
            label,
            counts,
        }
    };
    let scale = [top, top / 2].map(grouped);
    Chart { bars: steps.into_iter().enumerate().map(bar).collect(), width, scale, below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_inside_and_what_is_not_nothing_is_seen() {
        let of = |allowed, denied| (String::new(), Counts { allowed, denied, failed: 0 });
        let chart = draw(vec![of(0, 0), of(100_000, 0), of(1, 1), of(0, 100_000)], Default::default());
        assert_eq!((chart.scale, chart.width), (["100,000".to_owned(), "50,000".to_owned()], 40));
        let heights: Vec<_> = chart.bars.iter().map(|bar| (bar.allowed.1, bar.denied.1)).collect();
        assert_eq!(heights, [(0, 0), (200, 0), (2, 2), (0, 200)]);
        assert!(chart.bars.iter().all(|bar| bar.denied.0 >= 0 && bar.allowed.0 + bar.allowed.1 == HEIGHT));
    }

    #[test]
    fn the_upper_edge_is_a_round_number_with_a_whole_half() {
        for (most, round) in
            [(0, 2), (2, 2), (3, 4), (5, 6), (11, 12), (13, 16), (17, 20), (21, 40), (1_092, 1_200), (1_000, 1_000)]
        {
            assert_eq!(round_up(most), round, "{most}");
        }
        assert!(round_up(i64::MAX) > 0);
    }
}
