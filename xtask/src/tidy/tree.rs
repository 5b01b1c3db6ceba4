//! The files that tidy looks at, as text in memory, so that every rule can be tried on a tree that was never written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::source::Source;

/// Folders that hold what is built, fetched or made while running, wherever they lie.
const FOLDERS_SKIPPED: [&str; 9] =
    [".git", ".tools", ".venv", "artifacts", "corpus", "keymint-data", "node_modules", "target", "__pycache__"];
/// Larger files are data; nobody reads them line by line.
const FILE_BYTES_MAX: u64 = 1_000_000;

/// Every text file of the repository by its path from the root, `/` between folders.
pub struct Tree {
    files: BTreeMap<String, String>,
    rust: Vec<RustFile>,
}

/// One Rust file, read once for all rules.
pub struct RustFile {
    pub path: String,
    pub source: Source,
}

impl Tree {
    /// Reads the checkout. The walk does not ask git, so that an unpacked archive can be checked as well.
    pub fn load(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        read_folder(root, "", &mut files)?;
        Ok(Self::new(files))
    }

    fn new(files: BTreeMap<String, String>) -> Self {
        let is_rust = |path: &String| Path::new(path).extension().is_some_and(|extension| extension == "rs");
        let rust = files.iter().filter(|(path, _)| is_rust(path));
        let rust = rust.map(|(path, text)| RustFile { path: path.clone(), source: Source::read(text) }).collect();
        Self { files, rust }
    }

    /// A tree of these files alone.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub fn rust(&self) -> &[RustFile] {
        &self.rust
    }
}

impl RustFile {
    /// Whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
    }

    /// Whether what stands at this offset is test code.
    pub fn is_test_at(&self, offset: usize) -> bool {
        self.is_test() || self.source.is_test_at(offset)
    }

    pub fn is_under(&self, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|prefix| self.path.starts_with(prefix))
    }
}

fn read_folder(root: &Path, folder: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let here = root.join(folder);
    for entry in fs::read_dir(&here).with_context(|| format!("reading {}", here.display()))? {
        let entry = entry.with_context(|| format!("reading {}", here.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type().with_context(|| format!("reading {path}"))?;
        if kind.is_dir() && !FOLDERS_SKIPPED.contains(&name.as_str()) {
            read_folder(root, &path, files)?;
        } else if kind.is_file() && entry.metadata().is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX) {
            // What is not UTF-8 is no text, and a file that vanished since the listing is somebody's temporary one.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                files.insert(path, text);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_and_fetched_folders_are_not_looked_at() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        for path in ["src/a.rs", "src/target/b.rs", "node_modules/c.rs", ".config/d.toml"] {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "text").unwrap();
        }
        let tree = Tree::load(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(tree.files().map(|(path, _)| path).collect::<Vec<_>>(), [".config/d.toml", "src/a.rs"]);
        assert_eq!(tree.rust().len(), 1);
    }

    #[test]
    fn test_code_is_known_by_its_place() {
        let tree = Tree::of(&[
            ("crates/a/src/b.rs", "fn f() {}\n#[cfg(test)]\nmod tests { fn g() {} }\n"),
            ("crates/a/tests/it/c.rs", "fn h() {}\n"),
        ]);
        let [unit, integration] = tree.rust() else { panic!("two files") };
        assert!(!unit.is_test_at(0));
        assert!(unit.is_test_at(unit.source.code.find("fn g").unwrap()));
        assert!(integration.is_test_at(0));
    }
}
