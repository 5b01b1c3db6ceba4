//! The rules that clippy and the compiler guard must stay switched on: thresholds, banned calls, workspace lints.

use toml::{Table, Value};

use super::Violation;
use super::tree::Tree;

const THRESHOLDS: [(&str, i64); 2] = [("too-many-lines-threshold", 70), ("too-many-arguments-threshold", 5)];
const METHODS: [&str; 5] = [
    "std::time::SystemTime::now",
    "std::time::Instant::now",
    "std::env::var",
    "std::thread::sleep",
    "reqwest::Client::new",
];
const LINTS: [&str; 12] = [
    "all",
    "unwrap_used",
    "dbg_macro",
    "todo",
    "unimplemented",
    "await_holding_lock",
    "allow_attributes",
    "allow_attributes_without_reason",
    "too_many_lines",
    "too_many_arguments",
    "print_stdout",
    "print_stderr",
];
const CLIPPY: &str = "clippy.toml";
const WORKSPACE: &str = "Cargo.toml";
const INSTEAD: &str = "put it back; a rule that is broken often is changed in STYLE.md first";

pub fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    match table(tree, CLIPPY) {
        Ok(clippy) => check_clippy(&clippy, &mut violations),
        Err(violation) => violations.push(violation),
    }
    match table(tree, WORKSPACE) {
        Ok(workspace) => check_lints(&workspace, &mut violations),
        Err(violation) => violations.push(violation),
    }
    let members = tree.files().filter(|(path, _)| path.ends_with("/Cargo.toml") && !path.starts_with("fuzz/"));
    violations.extend(members.filter(|(_, text)| !inherits_lints(text)).map(|(path, _)| {
        Violation::new(path, 1, "the crate is not under the workspace's lints", "add `[lints] workspace = true`")
    }));
    violations
}

fn table(tree: &Tree, path: &str) -> Result<Table, Violation> {
    let text = tree.text(path).ok_or_else(|| Violation::new(path, 1, format!("{path} is missing"), INSTEAD))?;
    text.parse().map_err(|error: toml::de::Error| Violation::new(path, 1, error.message(), "mend it"))
}

fn check_clippy(clippy: &Table, violations: &mut Vec<Violation>) {
    for (name, value) in THRESHOLDS {
        if clippy.get(name).and_then(Value::as_integer) != Some(value) {
            violations.push(Violation::new(CLIPPY, 1, format!("`{name}` is not {value}"), INSTEAD));
        }
    }
    let banned = clippy.get("disallowed-methods").and_then(Value::as_array);
    let is_banned = |path: &str| {
        let mut entries = banned.into_iter().flatten();
        entries.any(|entry| entry.get("path").and_then(Value::as_str) == Some(path) && entry.get("reason").is_some())
    };
    for path in METHODS.iter().filter(|path| !is_banned(path)) {
        violations.push(Violation::new(CLIPPY, 1, format!("`{path}` is not disallowed with a reason"), INSTEAD));
    }
}

fn check_lints(workspace: &Table, violations: &mut Vec<Violation>) {
    let lints = workspace.get("workspace").and_then(|workspace| workspace.get("lints"));
    let level = |group: &str, lint: &str| {
        let lint = lints?.get(group)?.get(lint)?;
        lint.as_str().or_else(|| lint.get("level")?.as_str())
    };
    if level("rust", "unsafe_code") != Some("forbid") {
        violations.push(Violation::new(WORKSPACE, 1, "`unsafe_code` is not forbidden", INSTEAD));
    }
    for lint in LINTS.iter().filter(|lint| !matches!(level("clippy", lint), Some("warn" | "deny" | "forbid"))) {
        violations.push(Violation::new(WORKSPACE, 1, format!("the lint `clippy::{lint}` is off"), INSTEAD));
    }
}

fn inherits_lints(manifest: &str) -> bool {
    let manifest: Option<Table> = manifest.parse().ok();
    let lints = manifest.as_ref().and_then(|manifest| manifest.get("lints"));
    lints.and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIPPY_TEXT: &str = include_str!("../../../clippy.toml");
    const WORKSPACE_TEXT: &str = include_str!("../../../Cargo.toml");

    fn whats(clippy: &str, workspace: &str, member: &str) -> Vec<String> {
        let tree = Tree::of(&[(CLIPPY, clippy), (WORKSPACE, workspace), ("crates/a/Cargo.toml", member)]);
        check(&tree).into_iter().map(|violation| violation.what).collect()
    }

    const MEMBER_TEXT: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn the_rules_are_switched_on() {
        assert_eq!(whats(CLIPPY_TEXT, WORKSPACE_TEXT, MEMBER_TEXT), [""; 0]);
    }

    #[test]
    fn a_rule_that_is_switched_off_is_missed() {
        let longer = CLIPPY_TEXT.replace("lines-threshold = 70", "lines-threshold = 100");
        assert_eq!(whats(&longer, WORKSPACE_TEXT, MEMBER_TEXT), ["`too-many-lines-threshold` is not 70"]);
        let free = CLIPPY_TEXT.replace("std::thread::sleep", "std::thread::yield_now");
        assert_eq!(whats(&free, WORKSPACE_TEXT, MEMBER_TEXT), ["`std::thread::sleep` is not disallowed with a reason"]);
        let unwrapping = WORKSPACE_TEXT.replace("unwrap_used = \"warn\"", "unwrap_used = \"allow\"");
        assert_eq!(whats(CLIPPY_TEXT, &unwrapping, MEMBER_TEXT), ["the lint `clippy::unwrap_used` is off"]);
        let unsafe_code = WORKSPACE_TEXT.replace("unsafe_code = \"forbid\"", "unsafe_code = \"deny\"");
        assert_eq!(whats(CLIPPY_TEXT, &unsafe_code, MEMBER_TEXT), ["`unsafe_code` is not forbidden"]);
        let alone = "the crate is not under the workspace's lints";
        assert_eq!(whats(CLIPPY_TEXT, WORKSPACE_TEXT, "[package]\n"), [alone]);
    }

    #[test]
    fn files_that_are_gone_are_missed() {
        let whats: Vec<_> = check(&Tree::of(&[])).into_iter().map(|violation| violation.what).collect();
        assert_eq!(whats, ["clippy.toml is missing", "Cargo.toml is missing"]);
    }
}
