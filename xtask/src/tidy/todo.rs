//! Open ends carry an owner and an issue, and their number may only fall.

use std::path::Path;

use super::Violation;
use super::tree::Tree;

/// How many there may be. Lower it when one is done; it never rises.
const COUNT_MAX: usize = 0;
/// Files that are searched line by line; Rust is searched in its comments only.
const OTHER_KINDS: [&str; 11] = ["sql", "toml", "py", "js", "mjs", "ts", "php", "sh", "html", "css", "yml"];
const INSTEAD: &str = "do it now, or write `TODO(owner, issue)` and open the issue";

pub fn check(tree: &Tree) -> Vec<Violation> {
    let comments = tree.rust().iter().flat_map(|file| {
        let comments = file.source.comments.iter();
        comments.map(|comment| (file.path.as_str(), comment.line, comment.text.as_str()))
    });
    let is_other = |path: &str| {
        let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| OTHER_KINDS.contains(&extension))
    };
    let others = tree.files().filter(|(path, _)| is_other(path));
    let lines =
        others.flat_map(|(path, text)| text.lines().enumerate().map(move |(line, text)| (path, line + 1, text)));
    let marks: Vec<_> = comments.chain(lines).flat_map(|(path, line, text)| marks(path, line, text)).collect();
    let mut violations: Vec<_> = marks.iter().filter(|mark| !mark.is_owned).map(Mark::violation).collect();
    if let Some(mark) = marks.get(COUNT_MAX) {
        let what = format!("{} open ends in the tree, the most is {COUNT_MAX}", marks.len());
        violations.push(Violation::new(mark.path, mark.line, what, "finish one of them first"));
    }
    violations
}

struct Mark<'a> {
    path: &'a str,
    line: usize,
    word: &'static str,
    is_owned: bool,
}

impl Mark<'_> {
    fn violation(&self) -> Violation {
        Violation::new(self.path, self.line, format!("a {} without owner and issue", self.word), INSTEAD)
    }
}

fn marks<'a>(path: &'a str, line: usize, text: &str) -> Vec<Mark<'a>> {
    let mut marks = Vec::new();
    for word in ["TODO", "FIXME"] {
        for (offset, _) in text.match_indices(word) {
            let before = text.get(..offset).and_then(|before| before.chars().next_back());
            let rest = text.get(offset + word.len()..).unwrap_or_default();
            let is_part = |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric() || next == '_');
            if is_part(before) || is_part(rest.chars().next()) {
                continue;
            }
            marks.push(Mark { path, line, word, is_owned: word == "TODO" && is_owned(rest) });
        }
    }
    marks
}

/// `(owner, issue)`, both there.
fn is_owned(rest: &str) -> bool {
    let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let parts = inside.and_then(|(inside, _)| inside.split_once(','));
    parts.is_some_and(|(owner, issue)| !owner.trim().is_empty() && !issue.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn an_open_end_has_owner_and_issue() {
        for text in ["// TODO: later", "// TODO(me)", "// TODO(me, )", "/* FIXME(me, 3) */"] {
            let found = whats("src/a.rs", text);
            assert!(found.iter().any(|what| what.ends_with("without owner and issue")), "{text}: {found:?}");
        }
        assert_eq!(whats("src/a.sql", "-- TODO later").len(), 2);
    }

    #[test]
    fn their_number_may_not_rise() {
        assert_eq!(whats("src/a.rs", "// TODO(me, 12): later"), ["1 open ends in the tree, the most is 0"]);
    }

    #[test]
    fn code_and_longer_words_are_no_open_ends() {
        assert!(whats("src/a.rs", "f(\"TODO\"); // TODOS and A_TODO\n").is_empty());
    }
}
