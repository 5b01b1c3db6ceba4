//! The console in a real browser: its tests alone, and a picture of every page. What is done there stands in `browser/`.

use anyhow::Result;

use crate::steps::Steps;
use crate::{install, shell};

/// Runs the browser tests whose name holds a word.
pub fn tests(steps: &mut Steps, name: &str) {
    if ready(steps) & steps.run("cargo-nextest", install::nextest) {
        let _ = steps.run("browser tests", || {
            let mut tests = shell::cargo("nextest run -p keymint --test it --profile ci -E");
            tests.arg(format!("test(/^browser::.*{name}/)")).env("KEYMINT_BROWSER", shell::root().join("browser"));
            shell::run(&mut tests)
        });
    } else {
        steps.not_run("browser tests");
    }
}

/// Takes the pictures of the pages whose name holds a word.
pub fn pictures(steps: &mut Steps, name: &str) {
    if ready(steps) && steps.run("build", || shell::run(&mut shell::cargo("build -p keymint"))) {
        let _ = steps.run("pictures", || take(name));
    } else {
        steps.not_run("pictures");
    }
}

fn ready(steps: &mut Steps) -> bool {
    steps.run("Debian packages", || install::debian(&[install::CHROMIUM]))
        & steps.run("npm packages", || install::npm_packages("browser"))
}

fn take(name: &str) -> Result<()> {
    let mut node = shell::command("node");
    node.args(["browser/pictures.mjs", name])
        .env("KEYMINT_BIN", shell::target().join("debug/keymint"))
        .env("KEYMINT_PICTURES", shell::target().join("pictures"));
    shell::run(&mut node)
}
