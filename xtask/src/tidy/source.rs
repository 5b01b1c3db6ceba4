//! Reads Rust text far enough to tell code, comments and string literals apart and to see what is test code; it judges nothing.

use std::ops::Range;

/// A string literal. Offsets are those of the file.
pub struct Literal {
    pub line: usize,
    /// Where the opening quote stands, or the `r` or `b` before it.
    pub start: usize,
    /// Just past the closing quote.
    pub end: usize,
    /// What stands between the quotes, escapes as written.
    pub text: String,
}

/// A line comment, or the whole of a block comment.
pub struct Comment {
    pub line: usize,
    pub text: String,
}

/// One Rust file in its parts.
pub struct Source {
    pub text: String,
    /// The text with comments and the insides of literals blanked: same length, same lines.
    pub code: String,
    pub literals: Vec<Literal>,
    pub comments: Vec<Comment>,
    tests: Vec<Range<usize>>,
}

impl Source {
    pub fn read(text: &str) -> Self {
        let mut reader = Reader::new(text);
        reader.read();
        let code = String::from_utf8(reader.code).expect("only whole characters are blanked");
        let tests = test_items(&code);
        Self { text: text.to_owned(), code, literals: reader.literals, comments: reader.comments, tests }
    }

    pub fn is_test_at(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    /// The line of an offset, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        line_of(&self.code, offset)
    }

    /// How many lines the file has without the `#[cfg(test)] mod tests` that ends it.
    pub fn lines_without_tests(&self) -> usize {
        let last = self.tests.last().filter(|range| {
            let item = self.code.get((*range).clone()).unwrap_or_default();
            item.contains("mod tests {") && self.code.get(range.end..).is_some_and(|rest| rest.trim().is_empty())
        });
        let kept = last.and_then(|range| self.text.get(..range.start)).unwrap_or(&self.text);
        kept.trim_end().lines().count()
    }

    /// Where a path, call or macro stands in the code, as whole words at its start.
    pub fn find_all<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = usize> + 'a {
        let stands_alone = |offset: &usize| !self.code.get(..*offset).is_some_and(ends_in_word);
        self.code.match_indices(wanted).map(|(offset, _)| offset).filter(stands_alone)
    }
}

fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_')
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct Reader<'a> {
    text: &'a str,
    code: Vec<u8>,
    at: usize,
    literals: Vec<Literal>,
    comments: Vec<Comment>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, code: text.as_bytes().to_vec(), at: 0, literals: Vec::new(), comments: Vec::new() }
    }

    fn read(&mut self) {
        while let Some(next) = self.rest().chars().next() {
            match next {
                '/' if self.rest().starts_with("//") => self.line_comment(),
                '/' if self.rest().starts_with("/*") => self.block_comment(),
                'r' | 'b' | 'c' if !self.text.get(..self.at).is_some_and(ends_in_word) => self.prefixed_literal(),
                '"' => self.literal(0),
                '\'' => self.character(),
                _ => self.at += next.len_utf8(),
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Moves on by so many bytes and blanks them; line breaks stay.
    fn blank(&mut self, length: usize) {
        let end = (self.at + length).min(self.code.len());
        for byte in self.code.iter_mut().take(end).skip(self.at).filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        self.at = end;
    }

    fn comment(&mut self, length: usize) {
        let text = self.rest().get(..length).unwrap_or(self.rest()).to_owned();
        self.comments.push(Comment { line: line_of(self.text, self.at), text });
        self.blank(length);
    }

    fn line_comment(&mut self) {
        self.comment(self.rest().find('\n').unwrap_or(self.rest().len()));
    }

    fn block_comment(&mut self) {
        let (mut depth, mut length) = (0_usize, 0);
        while let Some(rest) = self.rest().get(length..).filter(|rest| !rest.is_empty()) {
            let step = if rest.starts_with("/*") {
                depth += 1;
                2
            } else if rest.starts_with("*/") {
                depth -= 1;
                2
            } else {
                rest.chars().next().map_or(1, char::len_utf8)
            };
            length += step;
            if depth == 0 {
                break;
            }
        }
        self.comment(length);
    }

    /// `r"…"`, `br#"…"#`, `b"…"`, `c"…"`, `b'…'`; anything else that begins so is a name.
    fn prefixed_literal(&mut self) {
        let rest = self.rest();
        let letters = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
        let prefix = rest.get(..letters).unwrap_or_default();
        let hashes = rest.get(letters..).map_or(0, |tail| tail.len() - tail.trim_start_matches('#').len());
        match rest.get(letters + hashes..).and_then(|tail| tail.chars().next()) {
            Some('"') if prefix.ends_with('r') && prefix.len() <= 2 => self.raw_literal(letters + hashes, hashes),
            Some('"') if prefix.len() == 1 && hashes == 0 => self.literal(1),
            Some('\'') if prefix == "b" && hashes == 0 => {
                self.at += 1;
                self.character();
            }
            _ => self.at += letters,
        }
    }

    fn raw_literal(&mut self, quote: usize, hashes: usize) {
        let close = format!("\"{}", "#".repeat(hashes));
        let inside = self.rest().get(quote + 1..).unwrap_or_default();
        let length = inside.find(&close).unwrap_or(inside.len());
        self.push_literal(quote + 1, length, close.len());
    }

    fn literal(&mut self, quote: usize) {
        let inside = self.rest().get(quote + 1..).unwrap_or_default();
        let mut is_escaped = false;
        let end = inside.find(|next| {
            let closes = next == '"' && !is_escaped;
            is_escaped = next == '\\' && !is_escaped;
            closes
        });
        self.push_literal(quote + 1, end.unwrap_or(inside.len()), 1);
    }

    /// Takes a literal of so many bytes before, between and after its quotes; only the inside is blanked.
    fn push_literal(&mut self, open: usize, inside: usize, close: usize) {
        let start = self.at;
        let text = self.rest().get(open..open + inside).unwrap_or_default().to_owned();
        self.at += open;
        self.blank(inside);
        self.at = (self.at + close).min(self.text.len());
        self.literals.push(Literal { line: line_of(self.text, start), start, end: self.at, text });
    }

    /// A character literal is blanked, a lifetime is not.
    fn character(&mut self) {
        let inside = self.rest().get(1..).unwrap_or_default();
        let mut characters = inside.chars();
        let first = characters.next().unwrap_or(' ');
        let length = if first == '\\' {
            inside.get(2..).and_then(|rest| rest.find('\'')).map_or(0, |end| end + 4)
        } else if characters.next() == Some('\'') {
            first.len_utf8() + 2
        } else {
            0
        };
        if length == 0 { self.at += 1 } else { self.blank(length) }
    }
}

/// The items under `#[cfg(test)]`, from the attribute to the closing brace or semicolon.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let attributes = code.match_indices("#[cfg(test)]").chain(code.match_indices("#[cfg(all(test"));
    let mut items: Vec<_> = attributes.map(|(start, _)| start..start + item_length(code, start)).collect();
    items.sort_by_key(|range| range.start);
    items
}

fn item_length(code: &str, start: usize) -> usize {
    let rest = code.get(start..).unwrap_or_default();
    let mut depth = 0_usize;
    for (offset, next) in rest.char_indices() {
        match next {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return offset + 1;
                }
            }
            ';' if depth == 0 => return offset + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(text: &str) -> Vec<String> {
        Source::read(text).literals.into_iter().map(|literal| literal.text).collect()
    }

    #[test]
    fn every_kind_of_literal_is_read_and_blanked() {
        assert_eq!(
            literals(r####"f("a", r"b\", br#"c"d"#, b"e", c"f", "g\"h", "é");"####),
            ["a", r"b\", "c\"d", "e", "f", r#"g\"h"#, "é"]
        );
        let source = Source::read("f(\"// no comment\"); // a \"comment\"\n");
        assert_eq!(source.literals.len(), 1);
        assert_eq!(source.comments.len(), 1);
        assert_eq!(source.code.trim_end(), "f(\"             \");");
        assert_eq!(source.code.len(), source.text.len());
    }

    #[test]
    fn characters_and_lifetimes_do_not_open_literals() {
        assert_eq!(literals(r#"fn f<'a>(x: &'a str) { g('"', b'"', '\'', '\\', '\u{22}', 'é', "x") }"#), ["x"]);
        assert!(literals("let b = r#type; let cr = bcr; let r = 1;").is_empty());
    }

    #[test]
    fn block_comments_nest() {
        let source = Source::read("a /* b /* \"c\" */ é */ d \"e\"\n");
        assert!(source.code.starts_with("a "));
        assert!(source.code.contains(" d "));
        assert_eq!(source.literals.len(), 1);
    }

    #[test]
    fn test_items_end_where_they_end() {
        let source =
            Source::read("#[cfg(test)]\nuse a::{b, c};\nfn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n");
        let at = |wanted| source.code.find(wanted).unwrap();
        assert!(source.is_test_at(at("use a")));
        assert!(!source.is_test_at(at("fn f")));
        assert!(source.is_test_at(at("fn g")));
        assert_eq!(source.lines_without_tests(), 3);
        assert_eq!(source.line_of(at("fn g")), 6);
    }

    #[test]
    fn a_test_module_in_the_middle_counts() {
        let source = Source::read("#[cfg(test)]\nmod tests {\n}\nfn f() {}\n");
        assert_eq!(source.lines_without_tests(), 4);
    }

    #[test]
    fn words_are_found_whole() {
        let source = Source::read("eprint!(x); print!(y); // print!(z)\n");
        assert_eq!(source.find_all("print!").collect::<Vec<_>>(), [12]);
    }
}
