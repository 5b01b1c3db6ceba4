//! Rules about documents: the map stays short, and the table of vendor features names a test for every row.

use std::collections::BTreeMap;

use super::Violation;
use super::tree::Tree;

const MAP: &str = "ARCHITECTURE.md";
const MAP_LINES_MAX: usize = 400;
const FEATURES: &str = "docs/vendor-features.md";
/// The vendors' documents describe U001 to U156.
const FEATURES_COUNT: u32 = 156;
const NOT_YET: &str = "Not yet:";
const SYNTAX: &str = "name a test as `path/to/file.rs::test_name`, `interop/path#name` or `browser/path#sentence`, or begin with `Not yet:`";

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = map(tree);
    match tree.text(FEATURES) {
        Some(text) => violations.extend(features(tree, text)),
        None => violations.push(Violation::new(FEATURES, 1, "the file is missing", "write one row for each feature")),
    }
    violations
}

fn map(tree: &Tree) -> Vec<Violation> {
    let lines = tree.text(MAP).map_or(0, |text| text.lines().count());
    if lines <= MAP_LINES_MAX {
        return Vec::new();
    }
    let what = format!("{lines} lines, the most is {MAP_LINES_MAX}");
    vec![Violation::new(MAP, MAP_LINES_MAX + 1, what, "move detail into docs/")]
}

fn features(tree: &Tree, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut lines = BTreeMap::<u32, usize>::new();
    for (line, row) in text.lines().enumerate().map(|(line, row)| (line + 1, row)) {
        let Some(cells) = cells(row) else { continue };
        let Some(number) = cells.first().and_then(|cell| feature_number(cell)) else { continue };
        if number == 0 || number > FEATURES_COUNT {
            let what = format!("there is no feature U{number:03}");
            violations.push(Violation::new(FEATURES, line, what, "use the numbers U001 to U156"));
        } else if let Some(first) = lines.insert(number, line) {
            let what = format!("U{number:03} stands here and in line {first}");
            violations.push(Violation::new(FEATURES, line, what, "keep one row"));
        }
        let wrong = check_proof(tree, cells.last().map_or("", String::as_str));
        violations.extend(wrong.into_iter().map(|what| Violation::new(FEATURES, line, what, SYNTAX)));
    }
    let missing = (1..=FEATURES_COUNT).filter(|number| !lines.contains_key(number));
    violations.extend(missing.map(|number| {
        Violation::new(FEATURES, 1, format!("U{number:03} has no row"), "add a row with a test or `Not yet:`")
    }));
    violations
}

/// The cells of a table row without their padding; `|` inside backticks or behind a backslash separates nothing.
fn cells(row: &str) -> Option<Vec<String>> {
    let inside = row.trim().strip_prefix('|')?;
    let mut cells = vec![String::new()];
    let (mut is_code, mut is_escaped) = (false, false);
    for next in inside.chars() {
        is_code ^= next == '`';
        if next == '|' && !is_code && !is_escaped {
            cells.push(String::new());
        } else if let Some(cell) = cells.last_mut() {
            cell.push(next);
        }
        is_escaped = next == '\\' && !is_escaped;
    }
    if cells.last().is_some_and(|last| last.trim().is_empty()) {
        cells.pop();
    }
    Some(cells.into_iter().map(|cell| cell.trim().to_owned()).collect())
}

fn feature_number(cell: &str) -> Option<u32> {
    let digits = cell.strip_prefix('U')?;
    (digits.len() == 3).then(|| digits.parse().ok()).flatten()
}

/// What is wrong with the last cell of a row, if anything is.
fn check_proof(tree: &Tree, proof: &str) -> Vec<String> {
    if let Some(reason) = proof.strip_prefix(NOT_YET) {
        let is_empty = reason.trim().is_empty();
        return if is_empty { vec!["`Not yet:` without a reason".to_owned()] } else { Vec::new() };
    }
    let references: Vec<_> = proof.split('`').skip(1).step_by(2).collect();
    if references.is_empty() {
        return vec!["the row names no test".to_owned()];
    }
    references.into_iter().filter_map(|reference| check_reference(tree, reference)).collect()
}

fn check_reference(tree: &Tree, reference: &str) -> Option<String> {
    let (path, name, wanted) = match (reference.split_once(".rs::"), reference.split_once('#')) {
        (Some((stem, name)), _) => (format!("{stem}.rs"), name, format!("fn {name}")),
        (None, Some((path, name))) if ["interop/", "browser/"].iter().any(|folder| path.starts_with(folder)) => {
            (path.to_owned(), name, name.to_owned())
        }
        _ => return Some(format!("`{reference}` is no reference to a test")),
    };
    let Some(text) = tree.text(&path) else { return Some(format!("there is no file `{path}`")) };
    let is_whole = |offset: usize| {
        let rest = text.get(offset + wanted.len()..).and_then(|rest| rest.chars().next());
        !rest.is_some_and(|next| next.is_alphanumeric() || next == '_')
    };
    let is_there = !name.is_empty() && text.match_indices(&wanted).any(|(offset, _)| is_whole(offset));
    (!is_there).then(|| format!("`{path}` has no `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: (&str, &str) = ("crates/web/tests/it/verify.rs", "#[test]\nfn good_key_is_accepted() {}\n");
    const SCRIPT: (&str, &str) = ("interop/razorpay/client.py", "def creates_order():\n    pass\n");

    /// A table in which every row but the last ones is fine.
    fn table(last: &str) -> String {
        let row = |number| format!("| U{number:03} | a feature | `{}::good_key_is_accepted` |\n", RUST.0);
        let rows: String = (1..FEATURES_COUNT).map(row).collect();
        format!("# Features\n\n| id | what | proof |\n| --- | --- | --- |\n{rows}{last}\n")
    }

    fn whats(last: &str) -> Vec<String> {
        let text = table(last);
        let tree = Tree::of(&[RUST, SCRIPT, (FEATURES, &text)]);
        check(&tree).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn a_row_names_a_test_or_says_why_not() {
        for last in [
            "| U156 | a | `crates/web/tests/it/verify.rs::good_key_is_accepted` |",
            "| U156 | a `b|c` \\| d | `interop/razorpay/client.py#creates_order`, `crates/web/tests/it/verify.rs::good_key_is_accepted` |",
            "| U156 | a | Not yet: partner access waits for `POST /partners` |",
        ] {
            assert_eq!(whats(last), [""; 0], "{last}");
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_refused() {
        for (proof, what) in [
            ("done", "the row names no test"),
            ("", "the row names no test"),
            ("Not yet:", "`Not yet:` without a reason"),
            ("`good_key_is_accepted`", "`good_key_is_accepted` is no reference to a test"),
            ("`crates/web/tests/it/gone.rs::a`", "there is no file `crates/web/tests/it/gone.rs`"),
            ("`crates/web/tests/it/verify.rs::good_key`", "`crates/web/tests/it/verify.rs` has no `good_key`"),
            ("`crates/web/tests/it/verify.rs::`", "`crates/web/tests/it/verify.rs` has no ``"),
            ("`interop/razorpay/client.py#creates`", "`interop/razorpay/client.py` has no `creates`"),
            ("`docs/a.md#creates`", "`docs/a.md#creates` is no reference to a test"),
        ] {
            assert_eq!(whats(&format!("| U156 | a | {proof} |")), [what], "{proof}");
        }
    }

    #[test]
    fn every_feature_has_one_row() {
        assert_eq!(whats(""), ["U156 has no row"]);
        let fine = "| U156 | a | Not yet: later |";
        assert_eq!(whats(&format!("{fine}\n{fine}")), ["U156 stands here and in line 160"]);
        assert_eq!(whats(&format!("{fine}\n| U157 | a | Not yet: later |")), ["there is no feature U157"]);
    }

    #[test]
    fn the_table_must_exist_and_the_map_stay_short() {
        let long = "line\n".repeat(401);
        let whats: Vec<_> = check(&Tree::of(&[(MAP, &long)])).into_iter().map(|violation| violation.what).collect();
        assert_eq!(whats, ["401 lines, the most is 400", "the file is missing"]);
    }
}
