//! The first call in nine languages: which sample a dialect has, by the kind of its scheme, and what is filled in. The
//! samples themselves are the files in `samples/`, one for each scheme and language.
//!
//! A file has `@name@` where a value goes. A line that begins with `#body#` is there for calls with a body alone, one
//! that begins with `#bare#` for those without.

use keymint_domain::dialect::answer::quote;
use keymint_domain::dialect::recipe::{Digest, Encoding, Part};
use keymint_domain::dialect::{Dialect, ExchangeCredentials, Placement, Scheme, SchemeKind, Signed, TokenExchange};
use serde_json::Value;

use crate::sandbox::FirstCall;

/// A language: its name in the page, its title, the file to save a sample as, the command that runs it.
pub struct Language {
    /// `node`.
    pub name: &'static str,
    /// `Node.js`.
    pub title: &'static str,
    /// What runs the sample, saved in a file.
    pub run: &'static str,
}

const fn language(name: &'static str, title: &'static str, run: &'static str) -> Language {
    Language { name, title, run }
}

/// In the order of the tabs.
pub const LANGUAGES: [Language; 9] = [
    language("curl", "curl", ""),
    language("node", "Node.js", "node first-call.mjs"),
    language("php", "PHP", "php first-call.php"),
    language("python", "Python", "python3 first-call.py"),
    language("go", "Go", "go run first-call.go"),
    language("dart", "Dart", "dart run first_call.dart"),
    language("java", "Java", "java FirstCall.java"),
    language("ruby", "Ruby", "ruby first-call.rb"),
    language("rust", "Rust", "cargo run"),
];

/// The files of a scheme, in the order of `LANGUAGES`.
macro_rules! files {
    ($scheme:literal) => {
        files!($scheme: "curl" "node" "php" "python" "go" "dart" "java" "ruby" "rust")
    };
    ($scheme:literal: $($language:literal)*) => {
        [$(include_str!(concat!("../../samples/", $scheme, "/", $language, ".txt")),)*]
    };
}

static BASIC: [&str; 9] = files!("basic");
static BEARER: [&str; 9] = files!("bearer");
static KEY_PAIR: [&str; 9] = files!("key_pair");
static SIGNED: [&str; 9] = files!("signed");
static TOKEN_EXCHANGE: [&str; 9] = files!("token_exchange");

/// The call that a sample makes.
pub struct Subject<'a> {
    /// Scheme, authority and the product's path.
    pub base: &'a str,
    /// The call.
    pub call: FirstCall,
    /// The key.
    pub key_id: &'a str,
    /// The app.
    pub app_id: &'a str,
}

type Values = Vec<(&'static str, String)>;

/// The samples of a dialect in the order of `LANGUAGES`; nothing where its scheme has none.
pub fn of(dialect: &Dialect, subject: &Subject<'_>) -> Option<[String; 9]> {
    let general = |scheme: &&Scheme| scheme.routes.is_empty();
    let (files, own) = match &dialect.schemes.iter().find(general)?.kind {
        SchemeKind::Basic => (&BASIC, Vec::new()),
        SchemeKind::Bearer => (&BEARER, Vec::new()),
        SchemeKind::KeyPair { key_id_header, secret_header } => {
            let values =
                vec![("key_id_header", key_id_header.to_string()), ("secret_header", secret_header.to_string())];
            (&KEY_PAIR, values)
        }
        SchemeKind::Signed(signed) => (&SIGNED, signed_values(signed, subject)?),
        SchemeKind::TokenExchange(exchange) => (&TOKEN_EXCHANGE, exchange_values(exchange, subject)?),
        SchemeKind::MessageSignature { .. } => return None,
    };
    let FirstCall { method, path, body } = subject.call;
    let mut values = vec![
        ("url", format!("{}{path}", subject.base)),
        ("method", method.to_owned()),
        ("method_title", title(method)),
        ("body", body.to_owned()),
        ("body_quoted", body.replace('"', "\\\"")),
        ("key_id", subject.key_id.to_owned()),
    ];
    values.extend(own);
    Some(files.map(|file| fill(file, &values, !body.is_empty())))
}

/// `POST` as `Post`.
fn title(method: &str) -> String {
    let lower = method.to_ascii_lowercase();
    let first = lower.chars().next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(lower.chars().skip(1)).collect()
}

/// The samples sign the body and the time, one behind the other: what another recipe covers they would get wrong.
fn signed_values(signed: &Signed, subject: &Subject<'_>) -> Option<Values> {
    let recipe = &signed.recipe;
    let is_theirs = recipe.parts == [Part::Body, Part::Timestamp]
        && recipe.digest == Digest::HmacSha256
        && recipe.encoding == Encoding::Hex
        && !subject.call.body.is_empty();
    let Placement::Headers { key_id, signature, timestamp } = &signed.placement else { return None };
    is_theirs.then(|| {
        vec![
            ("key_id_header", key_id.to_string()),
            ("signature_header", signature.to_string()),
            ("timestamp_header", timestamp.to_string()),
        ]
    })
}

/// The samples pay for a token with the key in the body of a POST.
fn exchange_values(exchange: &TokenExchange, subject: &Subject<'_>) -> Option<Values> {
    let ExchangeCredentials::Body { key_id_fields, secret_field } = &exchange.credentials else { return None };
    let route = exchange.exchange.to_string();
    let path = route.strip_prefix("POST ")?.replace("{app_id}", subject.app_id);
    let filled = exchange.answer.render(&[("access_token", quote(MARK))]);
    let way = way_to_mark(&serde_json::from_str(&filled).ok()?)?;
    Some(vec![
        ("exchange_url", format!("{}{path}", subject.base)),
        ("key_id_field", key_id_fields.first()?.to_string()),
        ("secret_field", secret_field.to_string()),
        ("token_field", way.last()?.clone()),
        ("token_path", way.iter().map(|name| format!("[{}]", quote(name))).collect()),
        ("minutes", (exchange.access_seconds / 60).to_string()),
    ])
}

/// Stands for the token in an answer.
const MARK: &str = "the token";

/// The members that lead to the mark.
fn way_to_mark(value: &Value) -> Option<Vec<String>> {
    let object = value.as_object()?;
    object.iter().find_map(|(name, inner)| {
        let rest = if inner.as_str() == Some(MARK) { Vec::new() } else { way_to_mark(inner)? };
        Some(std::iter::once(name.clone()).chain(rest).collect())
    })
}

fn fill(file: &str, values: &[(&'static str, String)], has_body: bool) -> String {
    let mut text = String::new();
    for line in file.lines() {
        let (wanted, line) = match (line.strip_prefix("#body#"), line.strip_prefix("#bare#")) {
            (Some(rest), _) => (has_body, rest),
            (_, Some(rest)) => (!has_body, rest),
            _ => (true, line),
        };
        if wanted {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    text
}

#[cfg(test)]
mod tests {
    use keymint_domain::dialect::BUILT_IN;

    use super::*;

    #[test]
    fn every_built_in_dialect_has_whole_samples_in_nine_languages() {
        for (file, text) in BUILT_IN {
            let dialect = Dialect::parse(text).expect("a built-in dialect parses");
            for call in [
                FirstCall { method: "POST", path: "/call", body: r#"{"a":1}"# },
                FirstCall { method: "GET", path: "/call", body: "" },
            ] {
                let subject = Subject { base: "http://g/p", call, key_id: "the_key", app_id: "app_1" };
                let signs =
                    dialect.schemes.iter().any(|s| matches!(&s.kind, SchemeKind::Signed(_)) && s.routes.is_empty());
                let Some(samples) = of(&dialect, &subject) else {
                    assert!(signs && call.body.is_empty(), "{file}");
                    continue;
                };
                for (sample, language) in samples.iter().zip(&LANGUAGES) {
                    let name = format!("{file} in {}: {sample}", language.name);
                    assert!(sample.contains("http://g/p/call") && sample.contains("KEYMINT_KEY_SECRET"), "{name}");
                    assert!(!sample.contains("#body#") && !sample.contains("#bare#"), "{name}");
                    let is_slot =
                        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                    assert!(!sample.split('@').skip(1).step_by(2).any(is_slot), "{name}");
                    assert!(call.body.is_empty() || sample.contains("application/json"), "{name}");
                }
            }
        }
    }
}
