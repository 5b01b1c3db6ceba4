//! The fields of a long form: what was typed in each, and what is wrong beside the one it is wrong with.

use keymint_app::say;

/// A field with what was typed, and what is wrong with it.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What stands above it.
    pub label: &'static str,
    /// The type of its input.
    pub kind: &'static str,
    /// Whether it has to be filled in.
    pub is_required: bool,
    /// What was typed.
    pub value: String,
    /// What is wrong; empty when nothing is.
    pub error: String,
}

/// The fields of a form (name, label, type, whether it is required, what was typed), with what is wrong beside the one
/// that is named.
pub fn marked<const N: usize>(
    fields: [(&'static str, &'static str, &'static str, bool, &String); N],
    (wrong, problem): (&str, &str),
) -> Vec<Field> {
    let field = |(name, label, kind, is_required, value): (_, _, _, _, &String)| Field {
        name,
        label,
        kind,
        is_required,
        value: value.clone(),
        error: if name == wrong { say!("common-field-wrong", label = label, problem = problem) } else { String::new() },
    };
    fields.map(field).into()
}
