//! Reads a template far enough to tell text, tags and askama's own parts from each other; it judges nothing.

/// A piece of a template, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub kind: Kind,
    /// The element that the text stands in, or the attribute whose value it is.
    pub of: &'a str,
    pub text: &'a str,
    /// The line of the first letter, from 1.
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text between tags.
    Text,
    /// An expression between tags.
    Expression,
    /// Text in an attribute.
    Attribute,
    /// An expression in an attribute.
    InAttribute,
}

/// The text and the expressions of a template, in order. What decides and repeats is left out.
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut reader = Reader { template, at: 0, of: "", pieces: Vec::new() };
    while reader.at < template.len() {
        match reader.rest() {
            rest if is_askama(rest) => reader.askama(Kind::Expression),
            rest if rest.starts_with('<') => reader.tag(),
            rest => {
                let end = find(rest, |rest| rest.starts_with('<') || is_askama(rest));
                reader.push(Kind::Text, end);
            }
        }
    }
    reader.pieces
}

fn is_askama(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|opening| text.starts_with(opening))
}

/// Where it is first so, or the end.
fn find(text: &str, is_so: impl Fn(&str) -> bool) -> usize {
    let at = |(at, _): &(usize, char)| text.get(*at..).is_some_and(&is_so);
    text.char_indices().find(at).map_or(text.len(), |(at, _)| at)
}

struct Reader<'a> {
    template: &'a str,
    at: usize,
    of: &'a str,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.template.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        let begin = self.at + text.len() - text.trim_start().len();
        let line = self.template.get(..begin).unwrap_or_default().matches('\n').count() + 1;
        self.pieces.push(Piece { kind, of: self.of, text, line });
        self.at += length.max(1);
    }

    fn askama(&mut self, kind: Kind) {
        let closing = match self.rest().get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            _ => "#}",
        };
        let length = self.rest().find(closing).map_or(self.rest().len(), |at| at + 2);
        if closing == "}}" { self.push(kind, length) } else { self.at += length }
    }

    /// From `<` to `>`, with the values of attributes.
    fn tag(&mut self) {
        let name = self.rest().trim_start_matches(['<', '/', '!']);
        let name = name.get(..find(name, |rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric())));
        let (is_end, mut attribute) = (self.rest().starts_with("</"), "");
        self.at += 1;
        while let Some(next) = self.rest().chars().next() {
            match next {
                '>' => break,
                '{' if is_askama(self.rest()) => self.askama(Kind::InAttribute),
                '"' => {
                    self.at += 1;
                    self.value(attribute);
                }
                next if next.is_ascii_alphabetic() => {
                    let rest = self.rest();
                    let is_part = |next: char| next.is_ascii_alphanumeric() || next == '-';
                    let length = find(rest, |rest| !rest.starts_with(is_part));
                    attribute = rest.get(..length).unwrap_or_default();
                    self.at += length;
                }
                next => self.at += next.len_utf8(),
            }
        }
        self.at += 1;
        self.of = if is_end { "" } else { name.unwrap_or_default() };
    }

    fn value(&mut self, attribute: &'a str) {
        let element = std::mem::replace(&mut self.of, attribute);
        while !self.rest().is_empty() && !self.rest().starts_with('"') {
            if is_askama(self.rest()) {
                self.askama(Kind::InAttribute);
            } else {
                let length = find(self.rest(), |rest| rest.starts_with('"') || is_askama(rest));
                self.push(Kind::Attribute, length);
            }
        }
        self.at += 1;
        self.of = element;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_expressions_and_values_are_told_apart() {
        let template =
            "<p class=\"a\"{% if b > c %} title=\"D {{ e(\"f\") }}\"{% endif %}>G {{ h }}\n{# i #}<code>J</code> K</p>";
        let read: Vec<_> =
            pieces(template).into_iter().map(|piece| (piece.kind, piece.of, piece.text, piece.line)).collect();
        assert_eq!(
            read,
            [
                (Kind::Attribute, "class", "a", 1),
                (Kind::Attribute, "title", "D ", 1),
                (Kind::InAttribute, "title", "{{ e(\"f\") }}", 1),
                (Kind::Text, "p", "G ", 1),
                (Kind::Expression, "p", "{{ h }}", 1),
                (Kind::Text, "p", "\n", 2),
                (Kind::Text, "code", "J", 2),
                (Kind::Text, "", " K", 2),
            ]
        );
    }
}
