//! What people read stands in one file: each message is asked for by somebody, whoever asks for one finds it and fills in
//! what it takes, and no template, script or page says anything in words of its own.

use std::collections::{BTreeMap, BTreeSet};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

use super::Violation;
use super::source::{Literal, Source};
use super::template::{Kind, pieces};
use super::tree::Tree;

const FILE: &str = "crates/app/words/en.ftl";
const TEMPLATES: &str = "crates/web/templates/";
const SCRIPTS: &str = "crates/web/assets/";
const ASKING: &[&str] = &["crates/app/src/", "crates/web/src/"];
/// Where Rust says something to people.
const SAYING: &[&str] =
    &["crates/app/src/ops/", "crates/app/src/logo.rs", "crates/app/src/password.rs", "crates/web/src/pages/"];
/// What a refusal is built with, up to its words.
const REFUSALS: [&str; 5] = ["problem: ", "message: ", "notice: ", "field(", "conflict("];
/// Elements whose text is no language.
const CODE: [&str; 5] = ["code", "kbd", "pre", "script", "style"];
/// Attributes that people read or hear.
const READ: [&str; 5] = ["alt", "aria-label", "data-label", "placeholder", "title"];
/// The same in every language: our name, names of formats, an example that is code.
const NAMES: [&str; 4] = ["Keymint", "CSV", "JSON", "https://shop.example"];
const PUT_THERE: &str = "put it into crates/app/words/en.ftl and ask for it with `html!` or `say!`";

pub fn check(tree: &Tree) -> Vec<Violation> {
    let (messages, mut violations) = match tree.text(FILE) {
        Some(text) => messages(text),
        None => (BTreeMap::new(), Vec::new()),
    };
    let mut used = BTreeSet::new();
    for asked in asked(tree) {
        let what = match messages.get(asked.id.as_str()) {
            Some(message) => message.disagrees(&asked),
            None => Some(format!("there is no message `{}`", asked.id)),
        };
        let instead = "make the call and crates/app/words/en.ftl agree";
        violations.extend(what.map(|what| Violation::new(&asked.path, asked.line, what, instead)));
        used.insert(asked.id);
    }
    let unused = messages.iter().filter(|(id, _)| !used.contains(**id));
    violations.extend(
        unused.map(|(id, message)| Violation::new(FILE, message.line, format!("nobody asks for `{id}`"), "delete it")),
    );
    violations
        .extend(tree.files().filter(|(path, _)| is_template(path)).flat_map(|(path, text)| own_words(path, text)));
    violations.extend(tree.files().filter(|(path, _)| is_script(path)).flat_map(|(path, text)| script(path, text)));
    violations.extend(tree.rust().iter().filter(|file| file.is_under(SAYING)).flat_map(|file| {
        let said = file.source.literals.iter();
        let is_said = |literal: &&Literal| is_sentence(&literal.text) || is_refusal(&file.source, literal);
        let said = said.filter(move |literal| !file.is_test_at(literal.start) && is_said(literal));
        said.map(|literal| Violation::new(&file.path, literal.line, "words of its own", PUT_THERE))
    }));
    violations
}

fn is_template(path: &str) -> bool {
    path.starts_with(TEMPLATES) && path.ends_with(".html")
}

fn is_script(path: &str) -> bool {
    path.starts_with(SCRIPTS) && path.ends_with(".js")
}

/// A message of the file.
#[derive(Default)]
struct Message {
    line: usize,
    arguments: BTreeSet<String>,
    tags: BTreeSet<String>,
}

fn messages(text: &str) -> (BTreeMap<&str, Message>, Vec<Violation>) {
    let (resource, errors) = match fluent_syntax::parser::parse(text) {
        Ok(resource) => (resource, Vec::new()),
        Err((resource, errors)) => (resource, errors),
    };
    let line_of = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    let mut violations: Vec<_> = errors
        .iter()
        .map(|error| Violation::new(FILE, line_of(error.pos.start), error.kind.to_string(), "mend it"))
        .collect();
    let mut messages = BTreeMap::new();
    for entry in resource.body {
        let Entry::Message(found) = entry else { continue };
        let id = found.id.name;
        let line = text.lines().position(|line| line.strip_prefix(id).is_some_and(|rest| rest.starts_with(" =")));
        let mut message = Message { line: line.map_or(1, |line| line + 1), ..Message::default() };
        if let Some(pattern) = &found.value {
            message.read(pattern);
        }
        let line = message.line;
        if messages.insert(id, message).is_some() {
            violations.push(Violation::new(FILE, line, format!("`{id}` stands twice"), "keep one"));
        }
    }
    (messages, violations)
}

impl Message {
    fn read(&mut self, pattern: &Pattern<&str>) {
        for element in &pattern.elements {
            match element {
                PatternElement::TextElement { value } => {
                    let tags = value.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
                    self.tags.extend(tags.filter(|tag| !tag.starts_with('/')).map(str::to_owned));
                }
                PatternElement::Placeable { expression } => self.read_filling(expression),
            }
        }
    }

    fn read_filling(&mut self, expression: &Expression<&str>) {
        match expression {
            Expression::Inline(inline) => self.read_inline(inline),
            Expression::Select { selector, variants } => {
                self.read_inline(selector);
                variants.iter().for_each(|variant| self.read(&variant.value));
            }
        }
    }

    fn read_inline(&mut self, inline: &InlineExpression<&str>) {
        match inline {
            InlineExpression::VariableReference { id } => drop(self.arguments.insert(id.name.to_owned())),
            InlineExpression::Placeable { expression } => self.read_filling(expression),
            _ => {}
        }
    }

    /// In what a call is not as the message is.
    fn disagrees(&self, asked: &Asked) -> Option<String> {
        let id = &asked.id;
        if self.arguments != asked.arguments {
            let listed = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Some(format!("`{id}` takes ({}) and gets ({})", listed(&self.arguments), listed(&asked.arguments)));
        }
        if !self.tags.is_empty() && asked.place != Place::Html {
            return Some(format!("`{id}` has tags, and stands where there can be none"));
        }
        let is_led = |tag: &&String| matches!(tag.as_str(), "a" | "time");
        let wanted: Vec<_> = self.tags.iter().filter(is_led).filter(|tag| !asked.tags.contains(*tag)).collect();
        let strange: Vec<_> = asked.tags.iter().filter(|tag| !self.tags.contains(*tag)).collect();
        let odd = wanted.first().or(strange.first())?;
        Some(format!("`{id}` and its call do not have the same tag `{odd}`"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Plain,
    Attribute,
    Html,
}

/// A call of `say!` or `html!`.
struct Asked {
    path: String,
    line: usize,
    id: String,
    arguments: BTreeSet<String>,
    tags: BTreeSet<String>,
    place: Place,
}

fn asked(tree: &Tree) -> Vec<Asked> {
    let mut found = Vec::new();
    for file in tree.rust().iter().filter(|file| file.is_under(ASKING)) {
        let calls = calls(&file.source, "say!(").into_iter();
        found.extend(calls.map(|(line, call)| call.asked(&file.path, line, Place::Plain)));
    }
    for (path, text) in tree.files().filter(|(path, _)| is_template(path)) {
        for piece in pieces(text) {
            let place = match piece.kind {
                Kind::Expression => Place::Html,
                Kind::InAttribute => Place::Attribute,
                Kind::Text | Kind::Attribute => continue,
            };
            let calls = calls(&Source::read(piece.text), "html!(").into_iter();
            found.extend(calls.map(|(line, call)| call.asked(path, piece.line + line - 1, place)));
        }
    }
    found
}

struct Call {
    id: String,
    arguments: BTreeSet<String>,
    tags: BTreeSet<String>,
}

impl Call {
    fn asked(self, path: &str, line: usize, place: Place) -> Asked {
        Asked { path: path.to_owned(), line, id: self.id, arguments: self.arguments, tags: self.tags, place }
    }
}

fn calls(source: &Source, name: &str) -> Vec<(usize, Call)> {
    let call = |offset: usize| {
        let inside = source.code.get(offset + name.len()..)?;
        let literal = source.literals.iter().find(|literal| literal.start >= offset + name.len())?;
        let mut call = Call { id: literal.text.clone(), arguments: BTreeSet::new(), tags: BTreeSet::new() };
        let (mut depth, mut begin, mut is_behind) = (0_usize, 0, false);
        for (at, next) in inside.char_indices() {
            match next {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth > 0 => depth -= 1,
                ',' | ';' | ')' if depth == 0 => {
                    let part = inside.get(begin..at).unwrap_or_default();
                    let named = part.split_once('=').map(|(named, _)| named.trim().to_owned());
                    let names = if is_behind { &mut call.tags } else { &mut call.arguments };
                    names.extend(named);
                    (begin, is_behind) = (at + 1, is_behind || next == ';');
                    if next == ')' {
                        break;
                    }
                }
                _ => {}
            }
        }
        Some((source.line_of(offset), call))
    };
    source.find_all(name).filter_map(call).collect()
}

/// Letters in a template that no message holds.
fn own_words(path: &str, text: &str) -> Vec<Violation> {
    let is_read = |piece: &super::template::Piece<'_>| match piece.kind {
        Kind::Text => !CODE.contains(&piece.of),
        Kind::Attribute => READ.contains(&piece.of),
        Kind::Expression | Kind::InAttribute => false,
    };
    let pieces = pieces(text).into_iter().filter(is_read);
    let own = pieces.filter(|piece| {
        let words = piece.text.trim_matches(|next: char| next.is_whitespace() || next == '·');
        words.chars().any(char::is_alphabetic) && !NAMES.contains(&words)
    });
    own.map(|piece| Violation::new(path, piece.line, format!("`{}`: words of its own", piece.text.trim()), PUT_THERE))
        .collect()
}

fn script(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, code) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with(['/', '*'])) {
        for quote in ['"', '\'', '`'] {
            if code.split(quote).skip(1).step_by(2).any(is_sentence) {
                let instead = "put it into crates/app/words/en.ftl and pages/script.rs";
                violations.push(Violation::new(path, line + 1, "words of its own", instead));
            }
        }
    }
    violations
}

/// Words with which somebody is refused: all that is typed behind the name of the field or the code.
fn is_refusal(source: &Source, literal: &Literal) -> bool {
    let before = source.code.get(..literal.start).unwrap_or_default().trim_end().trim_end_matches("format!(");
    let last = before.rsplit([';', '{', '}', '\n']).next().unwrap_or_default();
    let behind_name = |call: &str| last.rsplit_once(call).is_some_and(|(_, rest)| rest.trim_end().ends_with(','));
    !literal.text.is_empty()
        && REFUSALS.iter().any(|way| match way.strip_suffix('(') {
            Some(_) => behind_name(way),
            None => last.ends_with(way.trim_end()) || last.ends_with(way),
        })
}

/// More than one word, the first with a capital.
fn is_sentence(text: &str) -> bool {
    let mut letters = text.chars();
    let is_capital = letters.next().is_some_and(char::is_uppercase);
    is_capital && letters.next().is_some_and(char::is_lowercase) && text.trim().contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "crates/web/templates/a.html";
    const CODE_FILE: &str = "crates/web/src/pages/a.rs";

    fn whats(words: &str, rust: &str, page: &str) -> Vec<String> {
        let tree = Tree::of(&[(FILE, words), (CODE_FILE, rust), (PAGE, page)]);
        check(&tree).into_iter().map(|violation| format!("{}: {}", violation.line, violation.what)).collect()
    }

    #[test]
    fn what_agrees_is_fine() {
        let words =
            "a = A\nb = { $n ->\n    [one] B\n   *[other] { $n } { $of }\n }\nc = See <a>{ $d }</a>, <code>e</code>\n";
        let rust = "//! say!(\"gone\")\nfn f() { say!(\"a\"); say!(\n\"b\", n = g(1, 2), of = [\"x = y\"].len()) }\n";
        let page = "<p title=\"{{ html!(\"a\") }}\">{{ html!(\"c\", d = self.d; a = format!(\"/{}\", self.e)) }} · <code>ok</code> CSV</p>";
        assert_eq!(whats(words, rust, page), [""; 0]);
    }

    #[test]
    fn what_is_missing_unused_or_twice_is_found() {
        assert_eq!(whats("", "fn f() { say!(\"a\") }", ""), ["1: there is no message `a`"]);
        assert_eq!(
            whats("a = A\n", "", "{{ html!(\"b\") }}"),
            ["1: there is no message `b`", "1: nobody asks for `a`"]
        );
        assert_eq!(whats("a = A\na = B\n", "fn f() { say!(\"a\") }", ""), ["1: `a` stands twice"]);
        assert_eq!(whats("a = {\n", "", "").len(), 1);
    }

    #[test]
    fn arguments_and_tags_agree() {
        for (words, rust, page, what) in [
            ("a = A { $b }\n", "f(say!(\"a\"))", "", "1: `a` takes (b) and gets ()"),
            ("a = A\n", "", "{{ html!(\"a\", b = self.c) }}", "1: `a` takes () and gets (b)"),
            ("a = <code>A</code>\n", "f(say!(\"a\"))", "", "1: `a` has tags, and stands where there can be none"),
            (
                "a = <code>A</code>\n",
                "",
                "\n<p title=\"{{ html!(\"a\") }}\">",
                "2: `a` has tags, and stands where there can be none",
            ),
            ("a = <a>A</a>\n", "", "{{ html!(\"a\") }}", "1: `a` and its call do not have the same tag `a`"),
            (
                "a = A\n",
                "",
                "{{ html!(\"a\"; time = self.at) }}",
                "1: `a` and its call do not have the same tag `time`",
            ),
        ] {
            assert_eq!(whats(words, rust, page), [what], "{words}{rust}{page}");
        }
    }

    #[test]
    fn words_that_stand_elsewhere_are_found() {
        assert_eq!(whats("", "", "<p>\nHello {{ name }}</p>"), ["2: `Hello`: words of its own"]);
        assert_eq!(whats("", "", "<input placeholder=\"Name\" name=\"Name\">"), ["1: `Name`: words of its own"]);
        assert_eq!(
            whats("", "", "<a class=\"x\" aria-label=\"{% if a %}Open{% endif %}\">"),
            ["1: `Open`: words of its own"]
        );
        assert_eq!(whats("", "fn f() { Err(\"From is after To.\") }", ""), ["1: words of its own"]);
        for refusal in [
            "Err(OpError::Field { field: \"a\", problem: \"is b\".to_owned() })",
            "field(\"a\", \"is b\")",
            "field(\"a\", format!(\"is {b}\"))",
            "team::conflict(\"a_b\", \"is b\")",
        ] {
            assert_eq!(whats("", &format!("fn f() {{ {refusal} }}"), ""), ["1: words of its own"], "{refusal}");
        }
        for fine in ["field(name, problem)", "Page { problem: \"\" }", "conflict(\"a_b\", message)", "f(\"a\", \"b\")"]
        {
            assert_eq!(whats("", &format!("fn f() {{ {fine} }}"), ""), [""; 0], "{fine}");
        }
        assert_eq!(whats("", "#[cfg(test)]\nmod tests { fn f() { g(\"From is after To.\") } }", ""), [""; 0]);
        let scripts = [("crates/web/assets/a.js", "// Say \"It is so\".\nf(\"Try again.\");\ng(\"input, select\");\n")];
        let lines: Vec<_> = check(&Tree::of(&scripts)).into_iter().map(|violation| violation.line).collect();
        assert_eq!(lines, [2]);
    }
}
