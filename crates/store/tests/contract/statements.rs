//! The list of statements: complete, without a name twice, and good SQL on both engines.

use std::collections::BTreeMap;
use std::path::Path;

use keymint_store::statements;
use keymint_testkit::TestDb;

pub async fn every_statement_prepares(it: TestDb) {
    let mut conn = it.db.read().await.expect("a connection");
    for statement in statements() {
        conn.prepare(statement).await.unwrap_or_else(|error| panic!("{}: {error}", statement.name));
    }
}

#[test]
fn names_are_unique_and_say_table_and_verb() {
    let mut names: Vec<&str> = statements().map(|statement| statement.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for name in names {
        let (table, verb) = name.split_once('.').expect("a table and a verb");
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(plain(table) && plain(verb), "{name}");
    }
}

/// How many statements a file makes, and how many its `ALL` says it lists.
fn made_and_listed(text: &str) -> (usize, usize) {
    let made = text.lines().filter(|line| line.starts_with("static ") && line.contains(": Stmt =")).count();
    let list = text.split_once("pub static ALL: [&Stmt; ").and_then(|(_, rest)| rest.split_once("];"));
    let listed = list.map_or(0, |(list, _)| list.matches('&').count());
    (made, listed)
}

#[test]
fn every_statement_in_the_source_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut counts = BTreeMap::new();
    for file in std::fs::read_dir(folder).expect("the source").map(|entry| entry.expect("a file").path()) {
        let text = std::fs::read_to_string(&file).expect("text");
        let (made, listed) = made_and_listed(&text);
        assert_eq!(made, listed, "{}", file.display());
        // Whoever makes one somewhere else makes it out of sight of the list.
        let constructors = text.matches("Stmt::both(").count() + text.matches("Stmt::split(").count();
        assert_eq!(constructors, made, "{}", file.display());
        counts.insert(file, made);
    }
    assert_eq!(counts.values().sum::<usize>(), statements().count(), "a file's `ALL` is missing in `statements`");
}

#[test]
fn placeholders_are_numbered_in_the_order_of_first_use() {
    for statement in statements() {
        for text in [statement.sqlite, statement.postgres] {
            let numbers: Vec<usize> = text
                .split('$')
                .skip(1)
                .map(|rest| rest.split(|next: char| !next.is_ascii_digit()).next().unwrap_or_default())
                .map(|digits| digits.parse().unwrap_or_else(|_| panic!("{}: ${digits}", statement.name)))
                .collect();
            let mut highest = 0;
            for number in numbers {
                assert!(number <= highest + 1, "{}: ${number} before ${}", statement.name, highest + 1);
                highest = highest.max(number);
            }
        }
    }
}
