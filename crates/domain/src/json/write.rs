//! The writer: one parsed document, any form. What PHP 8.2, Python 3.11 and Node 20 print is held by tests/json_forms.rs.

use super::{EmptyObject, Form, Member, Separators, Slash, Sort, Strings, Value};

pub(super) fn write(root: &Value<'_>, form: &Form, out: &mut Vec<u8>) {
    let mut writer = Writer { form, out };
    match (form.sort, root) {
        (Sort::Shallow, Value::Object(members)) => {
            let mut sorted: Vec<&Member<'_>> = members.iter().collect();
            sorted.sort_by(|a, b| a.key.encode_utf16().cmp(b.key.encode_utf16()));
            indices_first(&mut sorted);
            writer.members(sorted.iter().map(|member| (&*member.key, &member.value)));
        }
        (Sort::Shallow, Value::Array(elements)) => {
            let keys: Vec<String> = (0..elements.len()).map(|index| index.to_string()).collect();
            writer.members(keys.iter().map(String::as_str).zip(elements));
        }
        _ => writer.value(root),
    }
}

struct Writer<'f, 'o> {
    form: &'f Form,
    out: &'o mut Vec<u8>,
}

impl Writer<'_, '_> {
    fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => self.text("null"),
            Value::False => self.text("false"),
            Value::True => self.text("true"),
            Value::Number(token) => self.text(token),
            Value::String(text) => self.string(text),
            Value::Array(elements) => {
                self.text("[");
                for (index, element) in elements.iter().enumerate() {
                    self.comma(index);
                    self.value(element);
                }
                self.text("]");
            }
            Value::Object(members) => {
                let mut ordered: Vec<&Member<'_>> = members.iter().collect();
                match self.form.sort {
                    Sort::None => {}
                    Sort::Shallow => indices_first(&mut ordered),
                    Sort::Recursive => ordered.sort_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes())),
                }
                self.members(ordered.iter().map(|member| (&*member.key, &member.value)));
            }
        }
    }

    fn members<'v, 'd: 'v>(&mut self, members: impl ExactSizeIterator<Item = (&'v str, &'v Value<'d>)>) {
        if members.len() == 0 {
            return match self.form.empty_object {
                EmptyObject::Braces => self.text("{}"),
                EmptyObject::Brackets => self.text("[]"),
            };
        }
        self.text("{");
        for (index, (key, value)) in members.enumerate() {
            self.comma(index);
            self.string(key);
            match self.form.separators {
                Separators::Compact => self.text(":"),
                Separators::Spaced => self.text(": "),
            }
            self.value(value);
        }
        self.text("}");
    }

    fn comma(&mut self, index: usize) {
        match self.form.separators {
            _ if index == 0 => {}
            Separators::Compact => self.text(","),
            Separators::Spaced => self.text(", "),
        }
    }

    fn string(&mut self, text: &str) {
        self.text("\"");
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| self.is_escaped(*character)) {
            let (plain, tail) = rest.split_at(at);
            self.text(plain);
            self.escape(character);
            rest = tail.get(character.len_utf8()..).unwrap_or_default();
        }
        self.text(rest);
        self.text("\"");
    }

    fn is_escaped(&self, character: char) -> bool {
        match character {
            '"' | '\\' | '\0'..='\u{1f}' => true,
            '/' => self.form.slash == Slash::Escaped,
            ' '..='~' => false,
            '\u{7f}' => self.form.strings == Strings::AsciiAndDeleteEscaped,
            _ => match self.form.strings {
                Strings::Raw => false,
                Strings::RawButLineSeparators => matches!(character, '\u{2028}' | '\u{2029}'),
                Strings::AsciiEscaped | Strings::AsciiAndDeleteEscaped => true,
            },
        }
    }

    fn escape(&mut self, character: char) {
        match character {
            '"' => self.text("\\\""),
            '\\' => self.text("\\\\"),
            '/' => self.text("\\/"),
            '\u{8}' => self.text("\\b"),
            '\u{c}' => self.text("\\f"),
            '\n' => self.text("\\n"),
            '\r' => self.text("\\r"),
            '\t' => self.text("\\t"),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.text(&format!("\\u{unit:04x}"));
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Moves members whose key is an array index to the front, in numeric order; the others keep theirs. That is the order
/// of an ordinary object's keys in JavaScript (ECMA-262 OrdinaryOwnPropertyKeys).
fn indices_first(members: &mut [&Member<'_>]) {
    members.sort_by_cached_key(|member| array_index(&member.key).map_or(u64::MAX, u64::from));
}

/// The key as an array index: decimal without leading zeros, below 2³² − 1 (ECMA-262 "array index").
fn array_index(key: &str) -> Option<u32> {
    let canonical = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    let index: u32 = canonical.then(|| key.parse().ok())??;
    (index < u32::MAX).then_some(index)
}
