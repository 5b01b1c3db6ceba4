//! SQL has one home, `crates/store`, and one dialect there: the portable subset of docs/sql.md.

use super::Violation;
use super::tree::Tree;

const HOME: &str = "crates/store/";
/// This file has to name what it looks for.
const RULE: &str = "xtask/src/tidy/";
const BEGINNINGS: [&str; 3] = ["SELECT ", "INSERT INTO ", "DELETE FROM "];
const DEFINITIONS: [&str; 3] = ["CREATE ", "ALTER ", "DROP "];

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.rust().iter().filter(|file| !file.path.starts_with(RULE)) {
        for literal in &file.source.literals {
            let text = one_line(&literal.text);
            if file.path.starts_with(HOME) {
                if is_sql(&text) || DEFINITIONS.iter().any(|verb| text.contains(verb)) {
                    violations.extend(portable(&file.path, literal.line, &text));
                }
            } else if is_sql(&text) {
                let instead = "make it a named statement of an aggregate in crates/store";
                violations.push(Violation::new(&file.path, literal.line, "SQL outside the store", instead));
            }
        }
    }
    let is_migration = |path: &str| path.starts_with(HOME) && path.ends_with(".sql");
    for (path, text) in tree.files().filter(|(path, _)| is_migration(path)) {
        for (line, text) in text.lines().enumerate() {
            let code = text.split("--").next().unwrap_or_default();
            violations.extend(portable(path, line + 1, code));
        }
    }
    violations
}

/// The text with every run of white space, and every escaped line break, as one space.
fn one_line(text: &str) -> String {
    text.replace("\\n", " ").replace("\\\n", " ").split_whitespace().fold(String::new(), |line, word| line + word + " ")
}

fn is_sql(text: &str) -> bool {
    let is_update = text.split_once("UPDATE ").is_some_and(|(_, rest)| rest.contains(" SET "));
    is_update || BEGINNINGS.iter().any(|beginning| text.contains(beginning))
}

/// What docs/sql.md leaves out because the engines differ in it, or because it hides a change from the reader.
fn portable(path: &str, line: usize, text: &str) -> Vec<Violation> {
    let code = without_strings(text);
    let mut violations = Vec::new();
    for all in ["SELECT *", "RETURNING *"] {
        if code.contains(all) {
            violations.push(Violation::new(path, line, format!("`{all}`"), "list the columns, once, as decoded"));
        }
    }
    if code.split(|next: char| !next.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("trigger")) {
        let instead = "make the change in the function that needs it, in the same transaction";
        violations.push(Violation::new(path, line, "a trigger", instead));
    }
    if let Some(name) = named_placeholder(&code) {
        let instead = "number the placeholders `$1`, `$2` in order of first use";
        violations.push(Violation::new(path, line, format!("the named placeholder `:{name}`"), instead));
    }
    violations
}

/// SQL's own string literals hold data, not SQL.
fn without_strings(text: &str) -> String {
    text.split('\'').step_by(2).collect::<Vec<_>>().join("''")
}

/// `:name`, but not the cast `::type`.
fn named_placeholder(code: &str) -> Option<&str> {
    code.match_indices(':').find_map(|(offset, _)| {
        let is_cast = code.get(..offset)?.ends_with(':');
        let rest = code.get(offset + 1..)?;
        let length = rest.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(rest.len());
        let name = rest.get(..length)?;
        (!is_cast && name.starts_with(|first: char| first.is_alphabetic())).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn sql_stands_in_the_store_alone() {
        for sql in [
            "SELECT id FROM a",
            "INSERT INTO a VALUES (1)",
            "DELETE FROM a",
            "UPDATE a\\\n   SET b = 1",
            "UPDATE a\n SET b = 1",
        ] {
            let text = format!("f(\"{sql}\");\n");
            assert_eq!(whats("crates/app/src/ops/merchants.rs", &text), ["SQL outside the store"], "{sql}");
            assert!(whats("crates/store/src/merchants.rs", &text).is_empty(), "{sql}");
        }
        assert!(whats("crates/app/src/a.rs", "// SELECT id\nf(\"Select a key, UPDATE it\");\n").is_empty());
    }

    #[test]
    fn columns_are_listed() {
        assert_eq!(whats("crates/store/src/a.rs", "f(\"SELECT * FROM a\");"), ["`SELECT *`"]);
        assert_eq!(whats("crates/store/src/a.rs", "f(\"INSERT INTO a VALUES ($1) RETURNING *\");"), ["`RETURNING *`"]);
        assert!(whats("crates/store/src/a.rs", "f(\"SELECT COUNT(*) FROM a\");").is_empty());
    }

    #[test]
    fn there_are_no_triggers() {
        assert_eq!(whats("crates/store/src/a.rs", "f(\"CREATE TRIGGER a\");"), ["a trigger"]);
        assert_eq!(whats("crates/store/migrations/0001_a.sql", "-- no trigger\nCREATE TRIGGER a\n"), ["a trigger"]);
        assert!(whats("crates/store/src/a.rs", "f(\"the trigger of a rollback\");").is_empty());
    }

    #[test]
    fn placeholders_are_numbered() {
        assert_eq!(
            whats("crates/store/src/a.rs", "f(\"SELECT a FROM b WHERE c = :c\");"),
            ["the named placeholder `:c`"]
        );
        assert!(whats("crates/store/src/a.rs", "f(\"SELECT a::text, ':b', $1 FROM c\");").is_empty());
    }
}
