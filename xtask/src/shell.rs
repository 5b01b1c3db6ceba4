//! How commands are started: from the repository's root, with our own tools first in the path, and printed before they run.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The repository's root. Cargo tells the running program where its package is, which stays right when several
/// checkouts share one target folder; the compiled-in path would not.
pub fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().expect("the package is a folder of the workspace").to_path_buf()
}

/// Where tools live that we install for this checkout alone.
pub fn tools() -> PathBuf {
    root().join(".tools")
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A command in the repository's root that finds our own tools first.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).env("PATH", path());
    command
}

/// Cargo with arguments, a space between two of them.
pub fn cargo(arguments: &str) -> Command {
    let mut command = command("cargo");
    command.args(arguments.split(' '));
    command
}

fn path() -> OsString {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools().join("bin")).chain(env::split_paths(&inherited));
    env::join_paths(folders).unwrap_or(inherited)
}

/// Whether a program of this name is in the path.
pub fn is_installed(program: &str) -> bool {
    env::split_paths(&path()).any(|folder| folder.join(program).is_file())
}

/// Whether we are root: the owner of our own process says so.
pub fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self").context("reading /proc/self")?.uid() == 0)
}

/// Prints the command, runs it and fails unless it ends with 0.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", words(command));
    let status = command.status().with_context(|| format!("starting `{}`", words(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", words(command));
    }
    Ok(())
}

/// Prints the command, runs it and returns what it wrote to standard output; its errors go to ours.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    println!("$ {}", words(command));
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("starting `{}`", words(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", words(command), output.status);
    }
    Ok(output.stdout)
}

/// Runs the command in silence and says whether it ended with 0; a program that is absent did not.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as one would type it, with the variables that matter and without quoting.
pub fn words(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter(|(name, _)| *name != "PATH")
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy())));
    let program = std::iter::once(command.get_program()).chain(command.get_args());
    variables.chain(program.map(|word| word.to_string_lossy().into_owned())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        assert_eq!(words(cargo("nextest run").env("ROUNDS", "3")), "ROUNDS=3 cargo nextest run");
    }

    #[test]
    fn a_command_that_ends_badly_is_an_error_with_its_words() {
        let error = run(&mut command("false")).expect_err("false never succeeds");
        assert!(format!("{error:#}").contains("`false` ended with exit status: 1"), "{error:#}");
        assert!(run(&mut command("no-such-program-here")).is_err());
        assert!(!succeeds(&mut command("no-such-program-here")));
    }
}
