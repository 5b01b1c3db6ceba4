//! The binary that is shipped: built once so that it counts what it does, put under traffic of every kind
//! (`keymint-bench train`), and built again with what was learned. `docs/decisions/release.md` says what that gains.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::postgres::Postgres;
use crate::steps::Steps;
use crate::{install, shell};

/// LLVM's release that the tools are installed of. A profile is read by the one that wrote it, so it is that of our rustc.
const LLVM: &str = "22";

/// Learns from traffic and builds. Gives the binary.
pub fn run(steps: &mut Steps) -> Option<PathBuf> {
    learn(steps).then(|| build(steps)).flatten()
}

/// The binary, from what was learned before if anything was. That grows old where the path of a request changes; `run` learns
/// anew.
pub fn binary(steps: &mut Steps) -> Option<PathBuf> {
    if profile().is_file() { build(steps) } else { run(steps) }
}

fn folder() -> PathBuf {
    shell::target().join("learned")
}

fn profile() -> PathBuf {
    folder().join("keymint.profdata")
}

fn learn(steps: &mut Steps) -> bool {
    let packages = [install::LLVM, install::WRK, install::POSTGRESQL];
    let is_ready = steps.run("tools", || install::debian(&packages).and_then(|()| check_llvm()))
        && steps.run("build what trains", || shell::run(&mut shell::cargo("build --release -p keymint-bench")));
    let learning =
        is_ready.then(|| steps.run_for("build what learns", || cargo("learning", "-Cprofile-generate"))).flatten();
    let is_learned = learning.is_some_and(|binary| steps.run("learn", || train(&binary)));
    if !is_learned {
        steps.not_run("build");
    }
    is_learned
}

fn build(steps: &mut Steps) -> Option<PathBuf> {
    steps.run_for("build", || {
        let binary = cargo("release", &format!("-Cprofile-use={}", profile().display()))?;
        println!("built {}", binary.display());
        Ok(binary)
    })
}

/// Builds the binary with one more flag, in a folder of its own. The target is named so that the flag is not for what runs
/// while it is built.
fn cargo(name: &str, flag: &str) -> Result<PathBuf> {
    let host = rustc("host: ")?;
    let mut command = shell::cargo("build --release -p keymint --target");
    let target = folder().join(name);
    command.arg(&host).arg("--target-dir").arg(&target).env("RUSTFLAGS", flag);
    shell::run(&mut command)?;
    Ok(target.join(host).join("release/keymint"))
}

/// Puts the binary that learns under traffic, on SQLite and PostgreSQL.
fn train(binary: &Path) -> Result<()> {
    let raw = folder().join("raw");
    if raw.exists() {
        fs::remove_dir_all(&raw)?;
    }
    let server = Postgres::start()?;
    let mut command = Command::new(shell::target().join("release/keymint-bench"));
    command
        .arg("train")
        .current_dir(shell::root())
        .env("KEYMINT_BIN", binary)
        .env("LLVM_PROFILE_FILE", raw.join("%p.profraw"))
        .env("KEYMINT_BENCH_POSTGRES", server.url());
    let trained = shell::run(&mut command);
    server.stop()?;
    trained?;
    merge(&raw)
}

/// Makes one profile of all, with the tool that reads them.
fn merge(raw: &Path) -> Result<()> {
    let written: Vec<_> = fs::read_dir(raw).context("nothing was learned")?.collect::<std::io::Result<_>>()?;
    ensure!(!written.is_empty(), "nothing was learned");
    let mut command = shell::command(&format!("llvm-profdata-{LLVM}"));
    command.args(["merge", "-o"]).arg(profile()).args(written.iter().map(fs::DirEntry::path));
    // Cargo does not look into the profile, so what was built with the one before goes.
    let built = folder().join("release");
    if built.exists() {
        fs::remove_dir_all(built)?;
    }
    shell::run(&mut command)
}

fn check_llvm() -> Result<()> {
    let version = rustc("LLVM version: ")?;
    if !version.starts_with(&format!("{LLVM}.")) {
        bail!("rustc is of LLVM {version}: set `LLVM` in xtask/src/release.rs and `install::LLVM` to that release");
    }
    Ok(())
}

/// What rustc says of itself.
fn rustc(name: &str) -> Result<String> {
    let said = String::from_utf8(shell::command("rustc").arg("-vV").output().context("starting rustc")?.stdout)?;
    let found = said.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    found.with_context(|| format!("`rustc -vV` does not say `{name}`"))
}
