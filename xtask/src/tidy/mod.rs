//! The house rules that neither the compiler nor clippy knows, as functions from the tree of files to violations.

mod calls;
mod config;
mod docs;
mod edges;
mod files;
mod source;
mod sql;
mod template;
mod todo;
mod tree;
mod vendors;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use self::tree::Tree;
use crate::shell;

/// One breach of one rule, with the way out.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    path: String,
    line: usize,
    what: String,
    instead: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.what, self.instead)
    }
}

/// Checks the checkout and prints every violation.
pub fn run() -> Result<()> {
    let tree = Tree::load(&shell::root())?;
    let violations = violations(&tree);
    for violation in &violations {
        println!("{violation}");
    }
    println!("tidy looked at {} files", tree.len());
    match violations.len() {
        0 => Ok(()),
        count => bail!("{count} violations"),
    }
}

fn violations(tree: &Tree) -> Vec<Violation> {
    let rules = [
        files::check,
        calls::check,
        sql::check,
        vendors::check,
        edges::check,
        config::check,
        todo::check,
        docs::check,
        words::check,
    ];
    let mut violations: Vec<_> = rules.iter().flat_map(|rule| rule(tree)).collect();
    violations.sort();
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_reads_like_a_compiler_error() {
        let violation = Violation::new("a/b.rs", 3, "too long", "split it");
        assert_eq!(violation.to_string(), "a/b.rs:3: too long; split it");
    }

    #[test]
    fn every_rule_looks_at_the_tree() {
        let found = violations(&Tree::of(&[("crates/domain/src/utils.rs", "fn now() { SystemTime::now() }\n")]));
        let whats: Vec<_> = found.iter().map(|violation| violation.what.as_str()).collect();
        assert!(whats.iter().any(|what| what.contains("`utils`")), "{whats:?}");
        assert!(whats.iter().any(|what| what.contains("`SystemTime::now`")), "{whats:?}");
        assert!(whats.iter().any(|what| what.contains("is missing")), "{whats:?}");
    }
}
