//! The pages of docs/sandbox list what the simulators know: each trigger and what becomes of it, read from the tables that
//! the code itself uses. Who adds one to the code alone sees it here.

use super::{keymint, kpay, kspay, kwikpaisa, razorpay, simulate};

/// A line that a page has to have: what stands in the first cell of a table, and in which other cells which words. Without
/// other cells the trigger may stand anywhere.
#[derive(Debug)]
pub struct Row {
    trigger: String,
    cells: Vec<(usize, String)>,
}

impl Row {
    /// A line.
    pub fn new(trigger: &str, cells: &[(usize, String)]) -> Self {
        Self { trigger: trigger.to_owned(), cells: cells.to_vec() }
    }

    /// Whether a page has the line. Spaces do not count: card numbers are written in groups.
    fn is_in(&self, page: &str) -> bool {
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        if self.cells.is_empty() {
            return bare(page).contains(&bare(&self.trigger));
        }
        page.lines().filter_map(|line| line.strip_prefix('|')).any(|line| {
            let cells: Vec<String> = line.split('|').map(bare).collect();
            let has = |column: usize, text: &str| cells.get(column).is_some_and(|cell| cell.contains(&bare(text)));
            has(0, &self.trigger) && self.cells.iter().all(|(column, text)| has(*column, text))
        })
    }
}

/// A word as pages write it.
pub fn quoted(word: &str) -> String {
    format!("`{word}`")
}

fn page(name: &str) -> String {
    let path = format!("{}/../../docs/sandbox/{name}.md", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_trigger_and_outcome_of_a_simulator_is_listed_in_its_page() {
    for (name, rows, least) in [
        ("razorpay", razorpay::documented(), 40),
        ("kpay", kpay::documented(), 200),
        ("kwikpaisa", kwikpaisa::documented(), 12),
        ("keymint", keymint::documented(), 11),
        ("kspay", kspay::transactions::documented(), 2),
        ("README", simulate::documented(), 4),
    ] {
        let (page, count) = (page(name), rows.len());
        assert!(count >= least, "{name}: {count} rows");
        let missing: Vec<_> = rows.iter().filter(|row| !row.is_in(&page)).collect();
        assert!(missing.is_empty(), "docs/sandbox/{name}.md does not list {missing:?}");
    }
}

#[test]
fn a_line_is_found_by_its_cells_and_not_by_its_neighbours() {
    let page = "All: 4100 2800\n0009 0000.\n| `a`, `b` | x | `FAILED` |\n| `c` | y | `PAID` |\n";
    for (trigger, cells, wanted) in [
        ("`b`", vec![(2, quoted("FAILED"))], true),
        ("`b`", vec![(1, quoted("FAILED"))], false),
        ("`c`", vec![(2, quoted("FAILED"))], false),
        ("`c`", vec![(1, "y".to_owned()), (2, quoted("PAID"))], true),
        ("`d`", vec![(2, quoted("PAID"))], false),
        ("`c`", vec![(3, quoted("PAID"))], false),
        ("4100280000090000", Vec::new(), true),
        ("4100280000090001", Vec::new(), false),
    ] {
        assert_eq!(Row::new(trigger, &cells).is_in(page), wanted, "{trigger} {cells:?}");
    }
}
