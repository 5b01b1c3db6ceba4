//! Vendor differences are values in a dialect. Rules and use cases that compare a vendor's name are refused here.

use super::Violation;
use super::source::{Literal, Source};
use super::tree::{RustFile, Tree};

const VENDORS: [&str; 4] = ["razorpay", "kwikpaisa", "kspay", "kpay"];
const ROOMS: &[&str] = &["crates/domain/src/", "crates/app/src/"];
/// What makes a literal a side of a comparison when it stands before or behind it.
const BEFORE: [&str; 6] = ["|", "eq(", "eq_ignore_ascii_case(", "starts_with(", "ends_with(", "contains("];
const BEHIND: [&str; 4] = ["==", "!=", "=>", "|"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.rust().iter().filter(|file| file.is_under(ROOMS)).flat_map(check_file).collect()
}

fn check_file(file: &RustFile) -> Vec<Violation> {
    let compared = file.source.literals.iter().filter(|literal| {
        VENDORS.contains(&literal.text.as_str())
            && !file.is_test_at(literal.start)
            && is_compared(&file.source, literal)
    });
    compared
        .map(|literal| {
            let what = format!("a comparison with the vendor name \"{}\"", literal.text);
            Violation::new(&file.path, literal.line, what, "make the difference a value of `Dialect`")
        })
        .collect()
}

fn is_compared(source: &Source, literal: &Literal) -> bool {
    let before = source.code.get(..literal.start).unwrap_or_default().trim_end_matches(is_reference);
    let is_operand = ["==", "!="].iter().any(|operator| before.trim_end_matches(is_opening).ends_with(operator));
    let behind = source.code.get(literal.end..).unwrap_or_default().trim_start();
    let in_matches = before.ends_with(',') && last_statement(before).contains("matches!(");
    in_matches
        || is_operand
        || BEFORE.iter().any(|operator| before.ends_with(operator))
        || BEHIND.iter().any(|operator| behind.starts_with(operator))
}

fn is_reference(next: char) -> bool {
    next == '&' || next.is_whitespace()
}

fn is_opening(next: char) -> bool {
    next == '(' || is_reference(next)
}

fn last_statement(code: &str) -> &str {
    code.rsplit([';', '{', '}']).next().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_vendor_name_is_not_compared() {
        for text in [
            "if vendor == \"razorpay\" {}",
            "if \"kpay\" != vendor {}",
            "if *vendor == (\"kpay\") {}",
            "if vendor ==\n    &\"kspay\" {}",
            "match vendor { \"kspay\" => 1, _ => 2 }",
            "match vendor { \"x\" | \"kwikpaisa\" if y => 1, _ => 2 }",
            "matches!(vendor, \"kpay\")",
            "vendor.eq(\"kpay\")",
            "vendor.starts_with(\"kpay\")",
        ] {
            assert_eq!(count("crates/domain/src/verify.rs", text), 1, "{text}");
            assert_eq!(count("crates/app/src/ops/sandbox.rs", text), 1, "{text}");
            assert_eq!(count("crates/web/src/sandbox/mod.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn a_list_of_dialects_and_a_test_may_name_vendors() {
        let list = "const ALL: [(&str, &str); 2] = [(\"razorpay\", include_str!(\"razorpay.toml\")), (\"kpay\", x)];";
        assert_eq!(count("crates/domain/src/dialect/mod.rs", list), 0);
        let test = "#[cfg(test)]\nmod tests { fn t() { assert!(vendor == \"kpay\") } }";
        assert_eq!(count("crates/domain/src/dialect/mod.rs", test), 0);
        assert_eq!(count("crates/domain/src/dialect/mod.rs", "if name == \"rsa\" {}"), 0);
    }
}
