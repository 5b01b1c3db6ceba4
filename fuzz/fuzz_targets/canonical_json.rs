//! Canonical JSON: every form of an accepted document is JSON again, says the same, and is stable.
#![no_main]

use keymint_domain::json::{Document, EmptyObject, Form, Separators, Slash, Sort, Strings};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

fn written(document: &Document<'_>, form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    document.write(&form, &mut out);
    out
}

fn forms() -> impl Iterator<Item = Form> {
    let sorts = [Sort::None, Sort::Shallow, Sort::Recursive];
    let strings = [Strings::Raw, Strings::RawButLineSeparators, Strings::AsciiEscaped, Strings::AsciiAndDeleteEscaped];
    let rest = [Slash::Raw, Slash::Escaped].into_iter().flat_map(|slash| {
        [Separators::Compact, Separators::Spaced].into_iter().flat_map(move |separators| {
            [EmptyObject::Braces, EmptyObject::Brackets].map(move |empty_object| (slash, separators, empty_object))
        })
    });
    rest.flat_map(move |(slash, separators, empty_object)| {
        sorts
            .into_iter()
            .flat_map(move |sort| strings.map(move |strings| Form { sort, strings, slash, separators, empty_object }))
    })
}

/// An empty object is an empty list after PHP, and the Node sample turns a list at the top into an object.
fn fold(value: Value) -> Value {
    match value {
        Value::Object(members) if members.is_empty() => Value::Array(Vec::new()),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, fold(value))).collect(),
        Value::Array(elements) => elements.into_iter().map(fold).collect(),
        other => other,
    }
}

fn fold_top(value: Value) -> Value {
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            elements.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        other => other,
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(document) = Document::parse(data) else { return };
    serde_json::from_slice::<IgnoredAny>(data).expect("another reader accepts it too");
    let meaning = serde_json::from_slice::<Value>(data).ok().map(fold);
    for form in forms() {
        let out = written(&document, form);
        let again = Document::parse(&out).expect("a form is an acceptable document");
        assert_eq!(written(&again, form), out, "a form of a form is that form: {form:?}");
        let Some(meaning) = &meaning else { continue };
        let said = fold(serde_json::from_slice(&out).expect("numbers stay as they are"));
        if form.sort == Sort::Shallow {
            assert_eq!(fold_top(said), fold_top(meaning.clone()), "{form:?}");
        } else {
            assert_eq!(said, *meaning, "{form:?}");
        }
    }
});
