//! Every sentence that a person reads, in one file: `words/en.ftl`, and over it the translation that the operator lays.
//! The language is one for the process, chosen before anything is served.
//!
//! A message is asked for by its id, `say!("team-title")`, with what stands in it by name,
//! `say!("keys-left", count = left)`. Tidy sees to it that the id is in the file, and that both name the same arguments;
//! a translation is checked when it is laid. So nothing here fails while a page is written.
//!
//! A message may hold markup, of a few tags that have no attributes: what stands in a link is the translator's, where the
//! link leads is not. As HTML (`html`), the text and every argument are escaped, so that neither a translation nor what
//! somebody typed adds a tag; a tag gets its one attribute from whoever asks. As text (`plain`, `filled`) nothing is
//! escaped, and a template does it; messages with tags are never asked for as text.

mod shape;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use fluent_syntax::ast;
use foldhash::fast::RandomState;
use thiserror::Error;
use unic_langid::LanguageIdentifier;

use shape::Shape;

/// English: what there is to say.
const ENGLISH: &str = include_str!("../../words/en.ftl");
/// The message that names the language, as `<html lang>` and plural rules want it.
const LANGUAGE: &str = "language";

static TABLE: OnceLock<Table> = OnceLock::new();

/// A message as text: `&'static str`, or `String` where there are arguments.
#[macro_export]
macro_rules! say {
    ($id:literal) => {
        $crate::words::plain($id)
    };
    ($id:literal, $($name:ident = $value:expr),+ $(,)?) => {
        $crate::words::filled($id, &[$((stringify!($name), $crate::words::Argument::value(&$value))),+])
    };
}

/// What an argument is.
pub enum Value<'a> {
    /// A number, which decides about plurals.
    Number(i64),
    /// Text.
    Text(Cow<'a, str>),
}

/// What can be an argument.
pub trait Argument {
    /// As what.
    fn value(&self) -> Value<'_>;
}

impl<T: Argument + ?Sized> Argument for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Argument + ?Sized> Argument for Box<T> {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl Argument for str {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl Argument for String {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl Argument for i64 {
    fn value(&self) -> Value<'_> {
        Value::Number(*self)
    }
}

impl Argument for u16 {
    fn value(&self) -> Value<'_> {
        Value::Number(i64::from(*self))
    }
}

impl Argument for usize {
    fn value(&self) -> Value<'_> {
        Value::Number(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

/// Why a translation is refused.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum WordsError {
    /// It is no Fluent.
    #[error("line {line}: {what}")]
    Syntax {
        /// Where.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// A message that English does not have.
    #[error("`{0}` is no message of this version")]
    Unknown(String),
    /// A message, or a term, that stands twice.
    #[error("`{0}` stands twice")]
    Twice(String),
    /// A message without words, or with attributes.
    #[error("`{0}` must be words and nothing else")]
    Shape(String),
    /// An argument that English does not have.
    #[error("`{id}` has no argument `${name}`")]
    Argument {
        /// The message.
        id: String,
        /// The argument.
        name: String,
    },
    /// Something that is filled in and is neither an argument nor a term of the same file.
    #[error("`{0}` may fill in its arguments, and terms of the same file")]
    Filling(String),
    /// Other tags than English.
    #[error("`{0}` must have the tags of the English message, as often and closed; `<` and `>` stand for nothing else")]
    Tags(String),
    /// No language, or none that there is.
    #[error("`language` must be there and name the language, such as de or pt-BR")]
    Language,
    /// Something was said already.
    #[error("the language is chosen before anything is said")]
    Late,
}

type Bundle = FluentBundle<&'static FluentResource>;

/// A language: as text, and as HTML.
struct Language {
    plain: Bundle,
    html: Bundle,
}

struct Message {
    language: &'static Language,
    /// All there is to it, where nothing is filled in; else empty.
    plain: &'static str,
    html: &'static str,
}

struct Table {
    messages: HashMap<&'static str, Message, RandomState>,
}

fn table() -> &'static Table {
    TABLE.get_or_init(|| Table::english().expect("a test has read English").0)
}

/// A message without arguments.
pub fn plain(id: &'static str) -> &'static str {
    table().messages.get(id).map_or(id, |message| message.plain)
}

/// A message without arguments as HTML; its tags have no attributes.
pub fn whole_html(id: &'static str) -> &'static str {
    table().messages.get(id).map_or(id, |message| message.html)
}

/// A message with arguments.
pub fn filled(id: &'static str, arguments: &[(&'static str, Value<'_>)]) -> String {
    let Some(message) = table().messages.get(id) else { return id.to_owned() };
    let values = arguments.iter().map(|(name, value)| (*name, fluent(value, Cow::Borrowed)));
    message.language.filled(&message.language.plain, id, &values.collect())
}

/// A message as HTML: its text and its arguments escaped, its tags with these attributes: `("a", " href=\"…\"")`.
pub fn html(
    id: &'static str,
    arguments: &[(&'static str, Value<'_>)],
    attributes: &[(&'static str, String)],
) -> Cow<'static, str> {
    let Some(message) = table().messages.get(id) else { return Cow::Borrowed(id) };
    let mut text = if arguments.is_empty() {
        Cow::Borrowed(message.html)
    } else {
        let values = arguments.iter().map(|(name, value)| (*name, fluent(value, escaped)));
        Cow::Owned(message.language.filled(&message.language.html, id, &values.collect()))
    };
    for (tag, attribute) in attributes {
        // What was escaped holds no tag, so this is the message's own.
        text = Cow::Owned(text.replacen(&format!("<{tag}>"), &format!("<{tag}{attribute}>"), 1));
    }
    text
}

fn fluent<'a>(value: &'a Value<'_>, text: impl Fn(&'a str) -> Cow<'a, str>) -> FluentValue<'a> {
    match value {
        Value::Number(number) => FluentValue::from(*number),
        Value::Text(words) => FluentValue::String(text(words)),
    }
}

/// Escapes text for a place between tags or in double quotes.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for next in text.chars() {
        match next {
            '&' => safe.push_str("&#38;"),
            '<' => safe.push_str("&#60;"),
            '>' => safe.push_str("&#62;"),
            '"' => safe.push_str("&#34;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    Cow::Owned(safe)
}

/// Escapes the text of a message, whose tags were checked and stay.
fn escaped_around_tags(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '"']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&#38;").replace('"', "&#34;"))
}

/// Lays a translation over English, for as long as the process runs. Returns the messages that it does not have, which
/// stay English.
///
/// # Errors
/// `WordsError` names the message or the line.
pub fn lay(text: String) -> Result<Vec<&'static str>, WordsError> {
    let (table, missing) = Table::with(text)?;
    TABLE.set(table).map_err(|_| WordsError::Late)?;
    Ok(missing)
}

impl Language {
    fn filled(&self, bundle: &Bundle, id: &str, arguments: &FluentArgs<'_>) -> String {
        let mut errors = Vec::new();
        let pattern = bundle.get_message(id).and_then(|message| message.value());
        let Some(pattern) = pattern else { return id.to_owned() };
        let text = bundle.format_pattern(pattern, Some(arguments), &mut errors).into_owned();
        debug_assert!(errors.is_empty(), "{id}: {errors:?}");
        text
    }

    fn new(resource: &'static FluentResource) -> Result<&'static Self, WordsError> {
        let messages = messages(resource);
        let named = messages.iter().find(|message| message.id.name == LANGUAGE).and_then(|message| only_text(message));
        let named: LanguageIdentifier = named.and_then(|name| name.parse().ok()).ok_or(WordsError::Language)?;
        let bundle = |transform: Option<fn(&str) -> Cow<'_, str>>| {
            let mut bundle = Bundle::new_concurrent(vec![named.clone()]);
            // Marks around what is filled in are for text of both directions; they would be in every comparison of it.
            bundle.set_use_isolating(false);
            bundle.set_transform(transform);
            bundle.add_resource(resource).map(|()| bundle).map_err(|errors| match errors.into_iter().next() {
                Some(fluent_bundle::FluentError::Overriding { id, .. }) => WordsError::Twice(id),
                _ => WordsError::Language,
            })
        };
        let (plain, html) = (bundle(None)?, bundle(Some(escaped_around_tags))?);
        // Kept for the process: a message is handed out without being copied.
        Ok(Box::leak(Box::new(Self { plain, html })))
    }

    /// A message of this language, as it is kept.
    fn message(&'static self, id: &str, has_arguments: bool) -> Message {
        let whole = |bundle: &'static Bundle| -> &'static str {
            if has_arguments { "" } else { Box::leak(self.filled(bundle, id, &FluentArgs::new()).into_boxed_str()) }
        };
        Message { language: self, plain: whole(&self.plain), html: whole(&self.html) }
    }
}

impl Table {
    /// English, and what its messages are made of.
    fn english() -> Result<(Self, HashMap<&'static str, Shape>), WordsError> {
        let resource = parsed(ENGLISH.to_owned())?;
        let language = Language::new(resource)?;
        let (mut table, mut shapes) = (Self { messages: HashMap::default() }, HashMap::new());
        for message in messages(resource) {
            let (id, shape) = (message.id.name, Shape::of(message)?);
            shape.fits(&shape, id, resource)?;
            table.messages.insert(id, language.message(id, shape.has_arguments()));
            shapes.insert(id, shape);
        }
        Ok((table, shapes))
    }

    fn with(text: String) -> Result<(Self, Vec<&'static str>), WordsError> {
        let (mut table, mut shapes) = Self::english()?;
        let resource = parsed(text)?;
        let language = Language::new(resource)?;
        for message in messages(resource) {
            let id = message.id.name;
            let english = shapes.remove(id).ok_or_else(|| WordsError::Unknown(id.to_owned()))?;
            Shape::of(message)?.fits(&english, id, resource)?;
            table.messages.insert(id, language.message(id, english.has_arguments()));
        }
        let mut missing: Vec<_> = shapes.into_keys().collect();
        missing.sort_unstable();
        Ok((table, missing))
    }
}

fn parsed(text: String) -> Result<&'static FluentResource, WordsError> {
    // A text that is not laid is no longer needed, but whoever refuses it ends soon after.
    FluentResource::try_new(text).map(|resource| &*Box::leak(Box::new(resource))).map_err(|(resource, errors)| {
        let first = errors.into_iter().next();
        let at = first.as_ref().map_or(0, |error| error.pos.start);
        let before = resource.source().get(..at).unwrap_or_default();
        WordsError::Syntax {
            line: before.matches('\n').count() + 1,
            what: first.map_or_else(String::new, |error| error.kind.to_string()),
        }
    })
}

fn messages(resource: &'static FluentResource) -> Vec<&'static ast::Message<&'static str>> {
    let message = |entry: &'static ast::Entry<&'static str>| match entry {
        ast::Entry::Message(message) => Some(message),
        _ => None,
    };
    resource.entries().filter_map(message).collect()
}

fn only_text(message: &ast::Message<&'static str>) -> Option<&'static str> {
    match message.value.as_ref()?.elements.as_slice() {
        [ast::PatternElement::TextElement { value }] => Some(value.trim()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// English of which the tests know what is in it.
    fn laid(text: &str) -> Result<(Table, Vec<&'static str>), WordsError> {
        Table::with(format!("language = de\n{text}"))
    }

    #[test]
    fn english_is_whole() {
        let (table, _) = Table::english().unwrap();
        assert_eq!(table.messages["language"].plain, "en");
        assert!(table.messages.values().all(|message| message.plain.trim() == message.plain));
    }

    #[test]
    fn what_a_translation_does_not_have_stays_english_and_is_named() {
        let (table, missing) = laid("common-cancel = Abbrechen").unwrap();
        assert_eq!((table.messages["language"].plain, table.messages["common-cancel"].plain), ("de", "Abbrechen"));
        assert_eq!(table.messages["common-save"].plain, "Save");
        assert_eq!(missing.len(), table.messages.len() - 2);
        assert!(missing.contains(&"common-save") && !missing.contains(&"common-cancel"));
    }

    #[test]
    fn a_translation_that_is_broken_or_of_another_version_is_refused() {
        let syntax = |line, what: &str| WordsError::Syntax { line, what: what.to_owned() };
        let argument = WordsError::Argument { id: "moments-days".to_owned(), name: "who".to_owned() };
        for (text, refused) in [
            ("common-save = { $", syntax(2, "Expected one of \"a-zA-Z\"")),
            ("common-save = A\n=", syntax(3, "Expected one of \"a-zA-Z\"")),
            ("common-safe = Sichern", WordsError::Unknown("common-safe".to_owned())),
            ("common-save = A\ncommon-save = B", WordsError::Twice("common-save".to_owned())),
            ("common-save =\n    .title = A", WordsError::Shape("common-save".to_owned())),
            ("moments-days = vor { $count } Tagen, { $who }", argument),
            ("common-save = { common-cancel }", WordsError::Filling("common-save".to_owned())),
            ("common-save = { NUMBER(1) }", WordsError::Filling("common-save".to_owned())),
            ("common-save = { -brand }", WordsError::Filling("common-save".to_owned())),
            ("common-save = <strong>Sichern</strong>", WordsError::Tags("common-save".to_owned())),
            ("common-save = <script>", WordsError::Tags("common-save".to_owned())),
            ("common-save = Mehr > weniger", WordsError::Tags("common-save".to_owned())),
        ] {
            assert_eq!(laid(text).map(|_| ()).unwrap_err().to_string(), refused.to_string(), "{text}");
        }
        for text in ["", "language = \n", "language = not a language", "common-save = Sichern"] {
            assert!(Table::with(text.to_owned()).is_err(), "{text}");
        }
        assert!(laid("-brand = Keymint\ncommon-save = In { -brand } sichern").is_ok());
    }

    #[test]
    fn no_argument_and_no_text_becomes_markup() {
        let hostile = "<script>\"&'</script>";
        let text = html("jump-found-nothing", &[("words", Value::Text(hostile.into()))], &[]);
        assert!(text.contains("<strong>&#60;script&#62;&#34;&#38;&#39;&#60;/script&#62;</strong>"), "{text}");
        let (table, _) = laid("common-save = A & \"B\"").unwrap();
        let saved = &table.messages["common-save"];
        assert_eq!((saved.plain, saved.html), ("A & \"B\"", "A &#38; &#34;B&#34;"));
        let linked = html("common-to-sign-in", &[], &[("a", " href=\"/x\"".to_owned())]);
        assert!(linked.contains("<a href=\"/x\">"), "{linked}");
    }
}
