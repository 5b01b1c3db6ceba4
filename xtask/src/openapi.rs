//! Keeps `openapi/keymint.json` equal to what the routes say. The document itself comes from the binary.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::shell;

const FILE: &str = "openapi/keymint.json";

/// Writes the document.
pub fn write() -> Result<()> {
    let document = generate()?;
    let file = shell::root().join(FILE);
    fs::create_dir_all(file.parent().expect("the document lies in a folder")).context("making the folder openapi")?;
    fs::write(&file, document).with_context(|| format!("writing {FILE}"))?;
    println!("wrote {FILE}");
    Ok(())
}

/// Fails when the committed document is not what the routes say today.
pub fn compare() -> Result<()> {
    let generated = String::from_utf8(generate()?).context("the document is not UTF-8")?;
    let committed = fs::read_to_string(shell::root().join(FILE))
        .with_context(|| format!("reading {FILE}; `cargo xtask openapi` writes it"))?;
    match first_difference(&committed, &generated) {
        None => Ok(()),
        Some(difference) => bail!("{FILE}:{difference}\nrun `cargo xtask openapi` and commit the file"),
    }
}

fn generate() -> Result<Vec<u8>> {
    shell::output(&mut shell::cargo("run -q -p keymint -- openapi"))
}

fn first_difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let n_same = committed.lines().zip(generated.lines()).take_while(|(left, right)| left == right).count();
    let line = |text: &str| text.lines().nth(n_same).unwrap_or("(the end of the file)").trim().to_owned();
    Some(format!("{}: committed {}, the routes say {}", n_same + 1, line(committed), line(generated)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_documents_do_not_differ() {
        assert_eq!(first_difference("{\n}\n", "{\n}\n"), None);
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        let difference = first_difference("{\n  \"a\": 1\n}\n", "{\n  \"a\": 2\n}\n").expect("they differ");
        assert_eq!(difference, "2: committed \"a\": 1, the routes say \"a\": 2");
    }

    #[test]
    fn a_missing_last_line_break_is_a_difference() {
        assert!(first_difference("{}", "{}\n").expect("they differ").starts_with("2: "));
    }
}
