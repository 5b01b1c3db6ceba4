//! The console in a real browser. What happens is told in `browser/tests`, one file for each subject; here each file is
//! run by name, and counts only when it ran to its end and left nothing out.
#![expect(clippy::disallowed_methods, reason = "`cargo xtask` says by the environment where the scenarios are")]

use std::path::PathBuf;
use std::process::Command;

/// A test for each file of `browser/tests`, and their names.
macro_rules! files {
    ($($(#[$about:meta])* $test:ident: $file:literal,)+) => {
        const FILES: &[&str] = &[$($file),+];
        $($(#[$about])* #[test] fn $test() { play($file) })+
    };
}

files! {
    a_person_signs_in_and_out: "sign-in",
    an_application_is_added: "applications",
    a_key_lives_and_ends: "keys",
    a_keyboard_is_enough: "keyboard",
    each_role_finds_what_it_may_do: "roles",
    a_person_signs_up_and_proves_who_they_are: "people",
    a_person_has_passkeys: "passkeys",
    transactions_are_found: "transactions",
    webhooks_are_sent_and_looked_at: "webhooks",
    the_log_is_watched: "live",
    pages_are_for_everybody: "accessibility",
    hostile_text_stays_text: "hostile",
    other_sites_change_nothing: "cross-site",
    people_get_about_by_keyboard_and_search: "getting-about",
    a_page_that_misbehaves_is_noticed: "watch",
    lighthouse_is_content: "lighthouse",
}

fn folder() -> PathBuf {
    let Some(folder) = std::env::var_os("KEYMINT_BROWSER") else {
        panic!(
            "KEYMINT_BROWSER is not set; `cargo xtask test` installs Chromium and the npm packages and sets it, and \
             afterwards `cargo xtask browser` runs these tests alone"
        );
    };
    folder.into()
}

/// Runs one file. Nothing else of our environment reaches it.
fn play(file: &str) {
    let folder = folder();
    assert!(folder.join("node_modules").is_dir(), "the npm packages are missing; `cargo xtask test` installs them");
    let output = Command::new("node")
        .arg("--test-reporter=tap")
        .arg(folder.join("tests").join(format!("{file}.test.mjs")))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", std::env::temp_dir())
        .env("LC_ALL", "C.UTF-8")
        .env("KEYMINT_BIN", env!("CARGO_BIN_EXE_keymint"))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => panic!("node does not start ({error}); install Node 20 or newer"),
    };
    let report = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{file}: {}\n{report}\n{complaint}", output.status);
    if let Err(problem) = judge(&report) {
        panic!("{file}: {problem}\n{report}\n{complaint}");
    }
}

/// A report is good when at least one scenario passed and none failed, was skipped, or waits to be written.
fn judge(report: &str) -> Result<(), String> {
    let count = |name: &str| {
        let line = report.lines().rev().find_map(|line| line.strip_prefix(&format!("# {name} ")));
        line.and_then(|count| count.parse::<u32>().ok()).ok_or(format!("the report does not say how many `{name}`"))
    };
    for name in ["fail", "cancelled", "skipped", "todo"] {
        match count(name)? {
            0 => {}
            some => return Err(format!("{some} {name}")),
        }
    }
    if count("pass")? == 0 { Err("nothing ran".to_owned()) } else { Ok(()) }
}

#[test]
fn every_file_of_scenarios_is_run() {
    let mut found: Vec<_> = std::fs::read_dir(folder().join("tests"))
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    let mut listed: Vec<_> = FILES.iter().map(|file| format!("{file}.test.mjs")).collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn a_report_counts_only_when_everything_in_it_passed() {
    let report = |pass: u32, fail: u32, skipped: u32| {
        format!("ok 1 - # fail 9\n# pass {pass}\n# fail {fail}\n# cancelled 0\n# skipped {skipped}\n# todo 0\n")
    };
    assert_eq!(judge(&report(3, 0, 0)), Ok(()));
    assert_eq!(judge(&report(0, 0, 0)), Err("nothing ran".to_owned()));
    assert_eq!(judge(&report(3, 1, 0)), Err("1 fail".to_owned()));
    assert_eq!(judge(&report(3, 0, 1)), Err("1 skipped".to_owned()));
    assert!(judge("ok 1\n").is_err());
}
