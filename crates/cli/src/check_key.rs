//! `keymint check-key`: whose key a text is, without any database.

use anyhow::{Result, bail};
use clap::Args;
use keymint_app::products::load_dialects;
use keymint_domain::dialect::format::FormatError;
use keymint_domain::mode::Mode;
use serde_json::json;

/// What `check-key` takes.
#[derive(Args)]
pub struct CheckKeyArguments {
    /// The text, or `-` to read it from standard input
    text: String,
    /// A folder with dialects of your own
    #[arg(long)]
    dialects: Option<std::path::PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

struct Finding {
    dialect: String,
    title: String,
    kind: &'static str,
    mode: Option<Mode>,
    checksum: &'static str,
    key_id: Option<String>,
}

fn findings(text: &str, dialects: Option<&std::path::Path>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for dialect in load_dialects(dialects)? {
        let mut formats = vec![("key id", &dialect.key_id)];
        formats.extend(dialect.secrets.iter().map(|style| ("secret", &style.format)));
        for (kind, format) in formats {
            let (mode, checksum) = match format.parse(text.as_bytes()) {
                Ok(mode) => (mode, if format.has_checksum() { "right" } else { "none" }),
                Err(FormatError::Checksum) => {
                    let live = format.prefix(Mode::Live);
                    (if text.starts_with(live) { Mode::Live } else { Mode::Test }, "wrong")
                }
                Err(FormatError::Shape) => continue,
            };
            let derives = kind == "secret" && dialect.key_id_derived && checksum == "right";
            found.push(Finding {
                dialect: dialect.name.to_string(),
                title: dialect.title.to_string(),
                kind,
                // A format without a prefix says nothing of the mode.
                mode: (!format.prefix(mode).is_empty()).then_some(mode),
                checksum,
                key_id: derives.then(|| dialect.key_id.fingerprint(mode, text.as_bytes())),
            });
        }
    }
    // A shape with a prefix is certain; one without is only possible, and only worth saying when nothing else fits.
    if found.iter().any(|finding| finding.mode.is_some()) {
        found.retain(|finding| finding.mode.is_some());
    }
    Ok(found)
}

/// Says it. Never prints the text back.
///
/// # Errors
/// When the text is nobody's, or its checksum is wrong.
pub fn run(arguments: &CheckKeyArguments) -> Result<()> {
    let text = if arguments.text == "-" { std::io::read_to_string(std::io::stdin())? } else { arguments.text.clone() };
    let found = findings(text.trim(), arguments.dialects.as_deref())?;
    if arguments.json {
        let items: Vec<_> = found
            .iter()
            .map(|finding| {
                json!({
                    "dialect": finding.dialect, "kind": finding.kind.replace(' ', "_"), "mode": finding.mode,
                    "checksum": finding.checksum, "key_id": finding.key_id,
                })
            })
            .collect();
        println!("{}", json!({ "items": items }));
    } else {
        for finding in &found {
            let mode = finding.mode.map_or("mode unknown", Mode::as_str);
            let certainty = if finding.mode.is_some() { "" } else { "possibly " };
            println!("{certainty}{} {}, {mode}; checksum: {}", finding.title, finding.kind, finding.checksum);
            if let Some(key_id) = &finding.key_id {
                println!("  the secret of {key_id}");
            }
        }
    }
    match found.first() {
        None => bail!("this has the shape of no key id or secret that is known here"),
        Some(finding) if finding.checksum == "wrong" => {
            bail!("the checksum is wrong: a typing error, or made up")
        }
        Some(_) => Ok(()),
    }
}
