//! Rules about a Rust file as a whole: its first sentence, its length, its name.

use super::Violation;
use super::tree::{RustFile, Tree};

/// Longer files are hard to hold in one's head. Test code may be longer: it is a list.
const LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 900;
/// Files that a program writes, by path. They need no limit and no sentence.
const GENERATED: [&str; 0] = [];
/// Names that say nothing about the subject.
const NAMES_BANNED: [&str; 5] = ["common", "helper", "helpers", "util", "utils"];
const WORDS_MIN: usize = 3;

pub fn check(tree: &Tree) -> Vec<Violation> {
    let files = tree.rust().iter().filter(|file| !GENERATED.contains(&file.path.as_str()));
    files.flat_map(|file| [header(file), length(file), name(file)]).flatten().collect()
}

fn header(file: &RustFile) -> Option<Violation> {
    let is_prose = |line: &&str| line.starts_with("//! ");
    let paragraph: Vec<_> =
        file.source.text.lines().take_while(is_prose).map(|line| line.trim_start_matches("//! ")).collect();
    let sentence = paragraph.join(" ");
    let is_sentence = sentence.ends_with('.') && sentence.split_whitespace().count() >= WORDS_MIN;
    (!is_sentence).then(|| {
        let instead = "begin with `//!` and one sentence: what lives here, what must not";
        Violation::new(&file.path, 1, "the file does not say what it is for", instead)
    })
}

fn length(file: &RustFile) -> Option<Violation> {
    let max = if file.is_test() { TEST_LINES_MAX } else { LINES_MAX };
    let lines = file.source.lines_without_tests();
    (lines > max).then(|| {
        let what = format!("{lines} lines, the most is {max}");
        Violation::new(&file.path, max + 1, what, "split it by subject")
    })
}

fn name(file: &RustFile) -> Option<Violation> {
    let mut parts = file.path.trim_end_matches(".rs").split('/');
    let banned = parts.rfind(|part| NAMES_BANNED.contains(part))?;
    let what = format!("`{banned}` names no subject");
    Some(Violation::new(&file.path, 1, what, "name the file after what it is about"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn a_file_begins_with_a_sentence() {
        assert!(whats("src/a.rs", "//! What lives here.\n").is_empty());
        assert!(whats("src/a.rs", "//! What lives here\n//! and what must not.\n//!\n//! More\n").is_empty());
        for text in [
            "",
            "fn f() {}\n",
            "// What lives here.\n",
            "//! What lives here\n",
            "//! Header.\n",
            "\n//! Too late it is.\n",
        ] {
            assert_eq!(whats("src/a.rs", text), ["the file does not say what it is for"], "{text:?}");
        }
    }

    #[test]
    fn a_long_file_is_refused_and_its_tests_are_not_counted() {
        let lines = |n: usize| format!("//! What lives here.\n{}", "\n".repeat(n - 2) + "fn f() {}\n");
        assert!(whats("src/a.rs", &lines(600)).is_empty());
        assert_eq!(whats("src/a.rs", &lines(601)), ["601 lines, the most is 600"]);
        let tests = "#[cfg(test)]\nmod tests {\n}\n";
        assert!(whats("src/a.rs", &(lines(600) + tests)).is_empty());
        assert!(whats("tests/it/a.rs", &lines(900)).is_empty());
        assert_eq!(whats("tests/it/a.rs", &lines(901)), ["901 lines, the most is 900"]);
    }

    #[test]
    fn a_name_without_a_subject_is_refused() {
        for path in ["src/utils.rs", "src/common.rs", "tests/helpers.rs", "tests/common/mod.rs"] {
            assert_eq!(whats(path, "//! What lives here.\n").len(), 1, "{path}");
        }
        assert!(whats("src/commonly.rs", "//! What lives here.\n").is_empty());
    }
}
