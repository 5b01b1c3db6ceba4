//! Runs every fuzz target of `fuzz/Cargo.toml` on the stable compiler and says how many runs each one got.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::steps::Steps;
use crate::{install, shell};

/// A target that is slow stops after half an hour, whatever it still had to do; its line then shows fewer runs.
const SECONDS_MAX: u32 = 1800;

#[derive(Args)]
pub struct Options {
    /// How many inputs each target is given
    #[arg(long, default_value_t = 1_000_000)]
    runs: u64,
    /// Only these targets, as in `gate,token`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Deserialize)]
struct Manifest {
    bin: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Fuzzes each target in turn; one that fails does not keep the others from running.
pub fn run(steps: &mut Steps, options: &Options) {
    let ready = steps.run("cargo-fuzz", || {
        install::debian(&[install::CXX])?;
        install::cargo_fuzz()
    });
    let targets = if ready { steps.run_for("targets", || targets(&options.only)) } else { None };
    let Some(targets) = targets else { return steps.not_run("fuzz") };
    let mut lines = Vec::new();
    for target in &targets {
        let line = steps.run_for(&format!("fuzz {target}"), || fuzz(target, options.runs));
        lines.push(format!("{target}: {}", line.unwrap_or_else(|| "FAILED, see above".to_owned())));
    }
    println!("\n{}", lines.join("\n"));
}

/// Those of the manifest, or those of them that were asked for.
fn targets(only: &[String]) -> Result<Vec<String>> {
    let text = fs::read_to_string(shell::root().join("fuzz/Cargo.toml")).context("reading fuzz/Cargo.toml")?;
    let manifest: Manifest = toml::from_str(&text).context("reading the targets of fuzz/Cargo.toml")?;
    if manifest.bin.is_empty() {
        bail!("fuzz/Cargo.toml has no [[bin]]");
    }
    let all: Vec<String> = manifest.bin.into_iter().map(|target| target.name).collect();
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        bail!("there is no fuzz target `{unknown}`; there are {}", all.join(", "));
    }
    Ok(if only.is_empty() { all } else { only.to_vec() })
}

fn fuzz(target: &str, runs: u64) -> Result<String> {
    let mut command = shell::cargo("fuzz run");
    command.args([target, "--", &format!("-runs={runs}"), &format!("-max_total_time={SECONDS_MAX}")]);
    // The sanitizers' flags are `-Z`; the stable compiler ships their runtime and takes the flags when told it may.
    command.env("RUSTC_BOOTSTRAP", "1");
    watch(&mut command)
}

/// Lets the fuzzer's report through and keeps its last line.
fn watch(command: &mut Command) -> Result<String> {
    println!("$ {}", shell::words(command));
    let mut child = command.stderr(Stdio::piped()).spawn().context("starting cargo fuzz")?;
    let stderr = child.stderr.take().context("the fuzzer's report")?;
    let mut done = None;
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("reading the fuzzer's report")?).into_owned();
        println!("{line}");
        done = done_line(&line).or(done);
    }
    let status = child.wait().context("waiting for the fuzzer")?;
    if !status.success() {
        bail!("the fuzzer ended with {status}; the input that did it is named above");
    }
    done.context("the fuzzer did not say how many runs it made")
}

fn done_line(line: &str) -> Option<String> {
    line.strip_prefix("Done ").filter(|rest| rest.contains(" runs in ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_runs_comes_from_the_fuzzers_last_line() {
        assert_eq!(done_line("Done 1000000 runs in 57 second(s)").as_deref(), Some("1000000 runs in 57 second(s)"));
        assert_eq!(done_line("#524288 pulse  cov: 12"), None);
    }

    #[test]
    fn a_fuzzer_that_fails_is_an_error_and_so_is_one_that_reports_nothing() {
        assert!(watch(shell::command("sh").args(["-c", "echo crash >&2; exit 77"])).is_err());
        assert!(watch(&mut shell::command("true")).is_err());
        let line = watch(shell::command("sh").args(["-c", "echo 'Done 5 runs in 0 second(s)' >&2"]));
        assert_eq!(line.expect("it reported").as_str(), "5 runs in 0 second(s)");
    }
}
