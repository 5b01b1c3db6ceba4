//! Header fields as RFC 9421 reads them: lines joined, folding removed; and a structured-field visitor that keeps what
//! the `sfv` crate's own types would lose, the second of two equal keys.

use std::borrow::Cow;
use std::convert::Infallible;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItem, BareItemFromInput, ItemSerializer, Key, KeyRef, Parser};

use crate::request::RequestView;

/// The lines of one field, each trimmed and unfolded (RFC 9421 section 2.1 steps 2 and 3), in the order received.
pub(super) fn lines<'a>(view: &RequestView<'a>, name: &str) -> Vec<Cow<'a, [u8]>> {
    view.header_values(name).map(|value| unfold(trim(value))).collect()
}

/// The lines of one field joined by a comma and a space (RFC 9421 section 2.1 step 4, RFC 9651 section 4.2); `None`
/// when the request has no such field.
pub(super) fn joined(view: &RequestView<'_>, name: &str) -> Option<Vec<u8>> {
    let lines = lines(view, name);
    (!lines.is_empty()).then(|| lines.join(b", ".as_slice()))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    skip_blanks(value)
}

fn skip_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

/// Replaces each obsolete line folding, with the white space around it, by one space (RFC 9112 section 5.2). A line
/// break that is no folding stays, and the signature base refuses it.
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\r') {
        return Cow::Borrowed(value);
    }
    let mut unfolded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        if let [b'\r', b'\n', folded @ ..] = rest
            && let [b' ' | b'\t', ..] = folded
        {
            while let Some(b' ' | b'\t') = unfolded.last() {
                unfolded.pop();
            }
            unfolded.push(b' ');
            rest = skip_blanks(folded);
        } else {
            unfolded.push(byte);
            rest = tail;
        }
    }
    Cow::Owned(unfolded)
}

/// Parameters in the order received, repetitions kept.
pub(super) type Parameters = Vec<(Key, BareItem)>;

/// Appends one parameter whose value is not a bare flag (RFC 9651 section 4.1.1.2).
pub(super) fn push_parameter(line: &mut String, name: &str, value: &BareItem) {
    line.push(';');
    line.push_str(name);
    line.push('=');
    line.push_str(&ItemSerializer::new().bare_item(value).finish());
}

/// A dictionary (RFC 9651 section 3.2) in the order received, repetitions kept.
#[derive(Default)]
pub(super) struct Members(pub(super) Vec<Member>);

/// One member of a dictionary.
pub(super) struct Member {
    pub(super) key: Key,
    pub(super) entry: Entry,
    pub(super) parameters: Parameters,
}

/// The value of a dictionary's member.
pub(super) enum Entry {
    Item,
    InnerList(Vec<Element>),
}

/// One item of an inner list, or a field that is an item.
pub(super) struct Element {
    pub(super) value: BareItem,
    pub(super) parameters: Parameters,
}

impl Members {
    pub(super) fn parse(field: &[u8]) -> Result<Self, sfv::Error> {
        Parser::new(field).parse_dictionary_with_visitor(Self::default())
    }
}

impl Element {
    pub(super) fn parse(field: &[u8]) -> Result<Option<Self>, sfv::Error> {
        let mut elements = Vec::new();
        Parser::new(field).parse_item_with_visitor(NewElement { elements: &mut elements })?;
        Ok(elements.pop())
    }
}

struct NewParameters<'m>(&'m mut Parameters);

impl<'de> ParameterVisitor<'de> for NewParameters<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Infallible> {
        self.0.push((key.to_owned(), value.into()));
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct NewElement<'m> {
    elements: &'m mut Vec<Element>,
}

impl<'de> ItemVisitor<'de> for NewElement<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, value: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        let element = self.elements.push_mut(Element { value: value.into(), parameters: Vec::new() });
        Ok(NewParameters(&mut element.parameters))
    }
}

struct NewMember<'m> {
    members: &'m mut Vec<Member>,
    key: Key,
}

impl<'m> NewMember<'m> {
    fn push(self, entry: Entry) -> NewParameters<'m> {
        let member = self.members.push_mut(Member { key: self.key, entry, parameters: Vec::new() });
        NewParameters(&mut member.parameters)
    }
}

impl<'de> ItemVisitor<'de> for NewMember<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(self, _: BareItemFromInput<'de>) -> Result<impl ParameterVisitor<'de, Out = ()>, Infallible> {
        Ok(self.push(Entry::Item))
    }
}

impl<'de> EntryVisitor<'de> for NewMember<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(NewInnerList { member: self, elements: Vec::new() })
    }
}

struct NewInnerList<'m> {
    member: NewMember<'m>,
    elements: Vec<Element>,
}

impl<'de> InnerListVisitor<'de> for NewInnerList<'_> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(NewElement { elements: &mut self.elements })
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Infallible> {
        Ok(self.member.push(Entry::InnerList(self.elements)))
    }
}

impl<'de> DictionaryVisitor<'de> for Members {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(NewMember { members: &mut self.0, key: key.to_owned() })
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}
