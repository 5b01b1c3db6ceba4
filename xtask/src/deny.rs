//! Runs cargo-deny over licences, sources and crate walls. Not part of `cargo xtask test`: building the tool takes minutes.

use crate::steps::Steps;
use crate::{install, shell};

/// Installs the tool when it is missing and runs it; advisories are left out, deny.toml says why.
pub fn run(steps: &mut Steps) {
    if steps.run("cargo-deny", install::cargo_deny) {
        let _ = steps.run("deny", || shell::run(&mut shell::cargo("deny check bans licenses sources")));
    } else {
        steps.not_run("deny");
    }
}
