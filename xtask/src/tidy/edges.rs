//! The walls between rooms, read from each Cargo.toml: who may depend on whom, and who may see which outside crate.

use toml::{Table, Value};

use super::Violation;
use super::tree::Tree;

/// Our crates, what each may depend on, and the outside crates that it may not see whatever else is agreed.
const ROOMS: [Room; 10] = [
    Room {
        name: "keymint-domain",
        sees: &[],
        blind_to: &["tokio", "http", "hyper", "hyper-util", "tower", "tracing", "rustls", "socket2", "rustix"],
    },
    Room { name: "keymint-store", sees: &["keymint-domain"], blind_to: &["http", "hyper", "hyper-util", "toml"] },
    Room { name: "keymint-app", sees: &["keymint-domain", "keymint-store"], blind_to: &["hyper"] },
    Room { name: "keymint-web", sees: &["keymint-domain", "keymint-app"], blind_to: &[] },
    Room { name: "keymint-layer", sees: &["keymint-domain", "keymint-app"], blind_to: &["hyper", "rusqlite"] },
    Room { name: "keymint", sees: &["keymint-domain", "keymint-store", "keymint-app", "keymint-web"], blind_to: &[] },
    Room {
        name: "keymint-testkit",
        sees: &["keymint-domain", "keymint-store", "keymint-app", "keymint-web"],
        blind_to: &[],
    },
    Room { name: "xtask", sees: &[], blind_to: &[] },
    Room { name: "keymint-bench", sees: &[], blind_to: &[] },
    Room { name: "keymint-fuzz", sees: &["keymint-domain", "keymint-app", "keymint-web"], blind_to: &[] },
];

struct Room {
    name: &'static str,
    sees: &'static [&'static str],
    blind_to: &'static [&'static str],
}

/// Outside crates with one home each, by the beginning of their names.
const WALLS: [(&str, &[&str]); 8] = [
    ("rusqlite", &["keymint-store"]),
    ("tokio-postgres", &["keymint-store"]),
    ("deadpool", &["keymint-store"]),
    ("axum", &["keymint-web", "keymint-testkit"]),
    ("reqwest", &["keymint-app", "keymint-testkit"]),
    ("tonic", &["keymint-web"]),
    ("prost", &["keymint-app", "keymint-web"]),
    ("opentelemetry", &["keymint-app"]),
];
const TESTKIT: &str = "keymint-testkit";
/// Who tests through the testkit. The domain is pure and needs none; the others stand outside.
const TESTKIT_USERS: [&str; 5] = ["keymint-store", "keymint-app", "keymint-web", "keymint-layer", "keymint"];

pub fn check(tree: &Tree) -> Vec<Violation> {
    let manifests = tree.files().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    manifests.flat_map(|(path, text)| check_manifest(path, text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Violation> {
    let Ok(manifest) = text.parse::<Table>() else {
        return vec![Violation::new(path, 1, "this is no TOML", "mend it")];
    };
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str) else {
        return Vec::new();
    };
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        let instead = "write in ARCHITECTURE.md why it must be a crate, then add it to this table and to deny.toml";
        return vec![Violation::new(path, 1, format!("the crate `{name}` has no place in the house"), instead)];
    };
    let dependencies = dependencies(&manifest, false);
    dependencies.iter().filter_map(|dependency| judge(path, text, room, dependency)).collect()
}

struct Dependency {
    name: String,
    is_dev: bool,
}

fn judge(path: &str, text: &str, room: &Room, dependency: &Dependency) -> Option<Violation> {
    let name = dependency.name.as_str();
    let is_testkit = name == TESTKIT && dependency.is_dev && TESTKIT_USERS.contains(&room.name);
    let is_ours = ROOMS.iter().any(|ours| ours.name == name);
    let wall = WALLS.iter().find(|(walled, _)| name.starts_with(walled));
    let (what, instead) = if is_ours && !is_testkit && !room.sees.contains(&name) {
        let sees = if room.sees.is_empty() { "none of ours".to_owned() } else { room.sees.join(", ") };
        (format!("`{}` must not see `{name}`", room.name), format!("it may use {sees}; move the code to its room"))
    } else if let Some((_, homes)) = wall.filter(|(_, homes)| !homes.contains(&room.name)) {
        (format!("`{name}` outside its home"), format!("only {} may use it", homes.join(" and ")))
    } else if room.blind_to.contains(&name) {
        (format!("`{}` must not see `{name}`", room.name), "do it in a room further out".to_owned())
    } else {
        return None;
    };
    Some(Violation::new(path, line_of_key(text, name), what, instead))
}

/// Every dependency of every kind, also those of one target alone, by the crate's name and not the alias.
fn dependencies(table: &Table, is_dev: bool) -> Vec<Dependency> {
    let mut found = Vec::new();
    for (kind, value) in table {
        let Some(entries) = value.as_table() else { continue };
        match kind.as_str() {
            "dependencies" | "build-dependencies" | "dev-dependencies" => {
                let is_dev = is_dev || kind == "dev-dependencies";
                found.extend(entries.iter().map(|(key, entry)| {
                    let renamed = entry.get("package").and_then(Value::as_str);
                    Dependency { name: renamed.unwrap_or(key).to_owned(), is_dev }
                }));
            }
            "target" => {
                let targets = entries.values().filter_map(Value::as_table);
                found.extend(targets.flat_map(|target| dependencies(target, is_dev)));
            }
            _ => {}
        }
    }
    found
}

fn line_of_key(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.starts_with(key)).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(manifest: &str) -> Vec<String> {
        check(&Tree::of(&[("crates/a/Cargo.toml", manifest)])).into_iter().map(|violation| violation.what).collect()
    }

    fn package(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    #[test]
    fn edges_go_inwards_only() {
        let web =
            |dependency| whats(&package("keymint-web", &format!("[dependencies]\n{dependency}.workspace = true\n")));
        assert!(web("keymint-app").is_empty());
        assert!(web("keymint-domain").is_empty());
        assert_eq!(web("keymint-store"), ["`keymint-web` must not see `keymint-store`"]);
        let store = package("keymint-store", "[dependencies]\nkeymint-app = { path = \"../app\" }\n");
        assert_eq!(whats(&store), ["`keymint-store` must not see `keymint-app`"]);
        let xtask = package("xtask", "[dependencies]\nrules = { package = \"keymint-domain\", path = \"x\" }\n");
        assert_eq!(whats(&xtask), ["`xtask` must not see `keymint-domain`"]);
        let bench = package("keymint-bench", "[target.'cfg(unix)'.dependencies]\nkeymint-web = \"1\"\n");
        assert_eq!(whats(&bench), ["`keymint-bench` must not see `keymint-web`"]);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        let dev = "[dev-dependencies]\nkeymint-testkit.workspace = true\n";
        assert!(whats(&package("keymint-web", dev)).is_empty());
        assert_eq!(whats(&package("keymint-domain", dev)), ["`keymint-domain` must not see `keymint-testkit`"]);
        let normal = "[dependencies]\nkeymint-testkit.workspace = true\n";
        assert_eq!(whats(&package("keymint-web", normal)), ["`keymint-web` must not see `keymint-testkit`"]);
    }

    #[test]
    fn outside_crates_have_homes() {
        for (name, wall) in [
            ("keymint-app", "rusqlite"),
            ("keymint-web", "tokio-postgres"),
            ("keymint-testkit", "deadpool-postgres"),
            ("keymint", "axum"),
            ("keymint-web", "reqwest"),
        ] {
            let found = whats(&package(name, &format!("[dev-dependencies]\n{wall} = \"1\"\n")));
            assert_eq!(found, [format!("`{wall}` outside its home")], "{name}");
        }
        assert!(whats(&package("keymint-store", "[dependencies]\nrusqlite = \"1\"\n")).is_empty());
        let domain = package("keymint-domain", "[dependencies]\ntokio = \"1\"\n");
        assert_eq!(whats(&domain), ["`keymint-domain` must not see `tokio`"]);
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        assert_eq!(whats(&package("keymint-extra", "")), ["the crate `keymint-extra` has no place in the house"]);
        assert_eq!(whats("[package"), ["this is no TOML"]);
    }
}
