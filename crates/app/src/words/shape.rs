//! What a message is made of beside its words: which arguments and terms it fills in, which tags it holds. English says
//! it; a translation has to keep to it.

use fluent_bundle::FluentResource;
use fluent_syntax::ast;

use super::WordsError;

/// The tags that a message may hold; each comes with its end.
const TAGS: [&str; 6] = ["a", "code", "kbd", "small", "strong", "time"];

/// What a message is made of, beside its words.
#[derive(Default)]
pub struct Shape {
    arguments: Vec<&'static str>,
    terms: Vec<&'static str>,
    tags: Vec<&'static str>,
}

impl Shape {
    /// Reads it off a message.
    ///
    /// # Errors
    /// `WordsError`.
    pub fn of(message: &'static ast::Message<&'static str>) -> Result<Self, WordsError> {
        let id = message.id.name;
        let mut shape = Self::default();
        match &message.value {
            Some(pattern) if message.attributes.is_empty() => shape.read(pattern, id, Place::Top)?,
            _ => return Err(WordsError::Shape(id.to_owned())),
        }
        shape.tags.sort_unstable();
        Ok(shape)
    }

    /// Whether anything is filled in by whoever asks.
    pub fn has_arguments(&self) -> bool {
        !self.arguments.is_empty()
    }

    fn read(&mut self, pattern: &'static ast::Pattern<&'static str>, id: &str, place: Place) -> Result<(), WordsError> {
        let mut open = Vec::new();
        for element in &pattern.elements {
            match element {
                ast::PatternElement::TextElement { value } => self.read_text(value, &mut open, (id, place))?,
                ast::PatternElement::Placeable { expression } => self.read_filling(expression, id)?,
            }
        }
        if !open.is_empty() { Err(WordsError::Tags(id.to_owned())) } else { Ok(()) }
    }

    /// Each tag is closed in its turn, and none stands where a number decides what is said.
    fn read_text(
        &mut self,
        text: &'static str,
        open: &mut Vec<&'static str>,
        (id, place): (&str, Place),
    ) -> Result<(), WordsError> {
        let wrong = || WordsError::Tags(id.to_owned());
        let mut rest = text;
        while let Some(at) = rest.find(['<', '>']) {
            let tag = rest.get(at..).and_then(|rest| rest.strip_prefix('<')).ok_or_else(wrong)?;
            let (name, behind) = tag.split_once('>').ok_or_else(wrong)?;
            rest = behind;
            match name.strip_prefix('/') {
                Some(closed) if open.last() == Some(&closed) => self.tags.extend(open.pop()),
                None if place == Place::Top && TAGS.contains(&name) => open.push(name),
                _ => return Err(wrong()),
            }
        }
        Ok(())
    }

    fn read_filling(&mut self, expression: &'static ast::Expression<&'static str>, id: &str) -> Result<(), WordsError> {
        match expression {
            ast::Expression::Inline(inline) => self.read_inline(inline, id),
            ast::Expression::Select { selector, variants } => {
                self.read_inline(selector, id)?;
                variants.iter().try_for_each(|variant| self.read(&variant.value, id, Place::Variant))
            }
        }
    }

    fn read_inline(
        &mut self,
        inline: &'static ast::InlineExpression<&'static str>,
        id: &str,
    ) -> Result<(), WordsError> {
        match inline {
            ast::InlineExpression::VariableReference { id } => self.arguments.push(id.name),
            ast::InlineExpression::TermReference { id, attribute: None, arguments: None } => self.terms.push(id.name),
            ast::InlineExpression::StringLiteral { value } if !value.contains(['<', '>', '&', '\\']) => {}
            ast::InlineExpression::Placeable { expression } => self.read_filling(expression, id)?,
            _ => return Err(WordsError::Filling(id.to_owned())),
        }
        Ok(())
    }

    /// Looks whether this may stand in the place of English.
    ///
    /// # Errors
    /// `Argument`, `Filling` or `Tags`.
    pub fn fits(&self, english: &Self, id: &str, resource: &'static FluentResource) -> Result<(), WordsError> {
        if let Some(name) = self.arguments.iter().find(|name| !english.arguments.contains(name)) {
            return Err(WordsError::Argument { id: id.to_owned(), name: (*name).to_owned() });
        }
        let is_plain_term = |wanted: &str| {
            resource.entries().any(|entry| match entry {
                ast::Entry::Term(term) => {
                    let is_text = |element: &ast::PatternElement<&str>| {
                        matches!(element, ast::PatternElement::TextElement { value } if !value.contains(['<', '>']))
                    };
                    term.id.name == wanted && term.value.elements.iter().all(is_text)
                }
                _ => false,
            })
        };
        if !self.terms.iter().all(|term| is_plain_term(term)) {
            return Err(WordsError::Filling(id.to_owned()));
        }
        if self.tags == english.tags { Ok(()) } else { Err(WordsError::Tags(id.to_owned())) }
    }
}

/// Where a pattern stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Variant,
}
