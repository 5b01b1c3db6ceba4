//! Calls and attributes that have one home or none: clocks, environment, printing, sleeping, `allow`, `ignore`.

use super::Violation;
use super::tree::{RustFile, Tree};

/// Something that may stand only in its home.
struct Ban {
    /// What is looked for in code, as a whole word at its start.
    call: &'static str,
    /// Path prefixes under which it is at home.
    homes: &'static [&'static str],
    place: Place,
    instead: &'static str,
}

/// Where outside its home a call is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Everywhere,
    OutsideTests,
    InTests,
}

const CLOCK: &[&str] = &["crates/app/src/clock.rs", "bench/", "testkit/", "xtask/"];
const ENVIRONMENT: &[&str] = &["crates/cli/", "xtask/", "testkit/", "bench/"];
const TERMINAL: &[&str] = &["crates/cli/", "xtask/", "bench/"];
const TAKE_NOW: &str = "take the time as a parameter, or ask `app.clock`; tests use the fixed clock of testkit";
const TAKE_SETTING: &str = "take the value as a parameter; settings are parsed once, in crates/cli";
const WRITE_LOG: &str = "return the value, or write a `tracing` event";
const WAIT_FOR_EVENT: &str = "wait for the event or move the fixed clock; a poll that cannot be avoided is testkit's";

const BANS: [Ban; 14] = [
    Ban { call: "SystemTime::now", homes: CLOCK, place: Place::OutsideTests, instead: TAKE_NOW },
    Ban { call: "Instant::now", homes: CLOCK, place: Place::OutsideTests, instead: TAKE_NOW },
    Ban { call: "Timestamp::now", homes: CLOCK, place: Place::OutsideTests, instead: TAKE_NOW },
    Ban { call: "Zoned::now", homes: CLOCK, place: Place::OutsideTests, instead: TAKE_NOW },
    Ban { call: "env::var", homes: ENVIRONMENT, place: Place::OutsideTests, instead: TAKE_SETTING },
    Ban { call: "println!", homes: TERMINAL, place: Place::OutsideTests, instead: WRITE_LOG },
    Ban { call: "print!", homes: TERMINAL, place: Place::OutsideTests, instead: WRITE_LOG },
    Ban { call: "eprintln!", homes: TERMINAL, place: Place::OutsideTests, instead: WRITE_LOG },
    Ban { call: "eprint!", homes: TERMINAL, place: Place::OutsideTests, instead: WRITE_LOG },
    Ban { call: "sleep(", homes: &[], place: Place::InTests, instead: WAIT_FOR_EVENT },
    Ban { call: "sleep_until(", homes: &[], place: Place::InTests, instead: WAIT_FOR_EVENT },
    Ban {
        call: "#[allow(",
        homes: &[],
        place: Place::Everywhere,
        instead: "write `#[expect(lint, reason = \"…\")]`, which complains when it is no longer needed",
    },
    Ban {
        call: "#![allow(",
        homes: &[],
        place: Place::Everywhere,
        instead: "write `#![expect(lint, reason = \"…\")]`, which complains when it is no longer needed",
    },
    Ban { call: "#[ignore", homes: &[], place: Place::Everywhere, instead: "mend the test or delete it" },
];

pub fn check(tree: &Tree) -> Vec<Violation> {
    tree.rust().iter().filter(|file| !is_build_script(file)).flat_map(check_file).collect()
}

/// A build script talks to cargo by its environment and by printing.
fn is_build_script(file: &RustFile) -> bool {
    file.path.ends_with("/build.rs")
}

fn check_file(file: &RustFile) -> Vec<Violation> {
    let mut violations = Vec::new();
    for ban in BANS.iter().filter(|ban| !file.is_under(ban.homes)) {
        let refused = |offset: &usize| match ban.place {
            Place::Everywhere => true,
            Place::OutsideTests => !file.is_test_at(*offset),
            Place::InTests => file.is_test_at(*offset),
        };
        for offset in file.source.find_all(ban.call).filter(refused) {
            let what = format!("`{}` outside its home", ban.call);
            violations.push(Violation::new(&file.path, file.source.line_of(offset), what, ban.instead));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_clock_has_one_home() {
        let text = "let a = std::time::SystemTime::now();\nlet b = Instant::now();\nlet c = jiff::Timestamp::now();\n";
        assert_eq!(lines("crates/app/src/verify/mod.rs", text), [1, 2, 3]);
        assert!(lines("crates/app/src/clock.rs", text).is_empty());
        assert!(lines("bench/src/main.rs", text).is_empty());
        assert!(lines("crates/store/tests/contract/main.rs", text).is_empty());
    }

    #[test]
    fn the_environment_is_read_by_the_binary_alone() {
        let text = "//! std::env::var here.\nlet a = std::env::var(\"A\");\nlet b = env::var_os(\"env::var\");\n";
        assert_eq!(lines("crates/web/src/router.rs", text), [2, 3]);
        assert!(lines("crates/cli/src/main.rs", text).is_empty());
        assert!(lines("crates/web/build.rs", text).is_empty());
    }

    #[test]
    fn libraries_do_not_print() {
        let text = "println!(\"a\");\neprint!(\"b\");\n// print!(\"c\")\n#[cfg(test)]\nmod tests { fn t() { println!(\"d\") } }\n";
        assert_eq!(lines("crates/app/src/lib.rs", text), [1, 2]);
        assert_eq!(lines("testkit/src/lib.rs", text), [1, 2]);
        assert!(lines("xtask/src/main.rs", text).is_empty());
    }

    #[test]
    fn tests_do_not_sleep() {
        let text = "fn f() { tokio::time::sleep(x) }\n#[cfg(test)]\nmod tests { fn t() { thread::sleep(x) } }\n";
        assert_eq!(lines("crates/app/src/jobs/runner.rs", text), [3]);
        assert_eq!(lines("crates/web/tests/it/main.rs", "sleep(x)\nsleep_until(y)\noversleep(z)\n"), [1, 2]);
    }

    #[test]
    fn nothing_is_allowed_or_ignored() {
        let text =
            "#![allow(a)]\n#[allow(b)]\n#[ignore]\n#[ignore = \"slow\"]\n#[expect(c, reason = \"#[allow(d)]\")]\n";
        assert_eq!(lines("crates/domain/src/lib.rs", text), [2, 1, 3, 4]);
    }
}
