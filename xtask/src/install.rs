//! Installs by name what a run needs and a machine lacks, and says so. Nothing is fetched that is already in place.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{postgres, shell};

/// A Debian package, and how to see whether what we want of it is there, from wherever it came.
pub struct Package {
    name: &'static str,
    is_there: fn() -> bool,
}

pub const POSTGRESQL: Package = Package { name: "postgresql", is_there: || postgres::binaries().is_ok() };
pub const PHP: Package = Package { name: "php-cli", is_there: || shell::is_installed("php") };
pub const PHP_CURL: Package = Package {
    name: "php-curl",
    is_there: || shell::succeeds(shell::command("php").args(["-r", "exit(extension_loaded('curl') ? 0 : 1);"])),
};
pub const PYTHON_VENV: Package = Package { name: "python3-venv", is_there: || python().is_some() };
pub const CHROMIUM: Package = Package { name: "chromium", is_there: || Path::new("/usr/bin/chromium").is_file() };
pub const CXX: Package = Package { name: "g++", is_there: || shell::is_installed("c++") };
pub const WRK: Package = Package { name: "wrk", is_there: || shell::is_installed("wrk") };
pub const VALGRIND: Package = Package { name: "valgrind", is_there: || shell::is_installed("valgrind") };
pub const NGINX: Package = Package { name: "nginx-light", is_there: || Path::new("/usr/sbin/nginx").is_file() };
pub const HAPROXY: Package = Package { name: "haproxy", is_there: || Path::new("/usr/sbin/haproxy").is_file() };
pub const CADDY: Package = Package { name: "caddy", is_there: || Path::new("/usr/bin/caddy").is_file() };
pub const APACHE: Package = Package { name: "apache2", is_there: || Path::new("/usr/sbin/apache2").is_file() };
pub const LUA_SOCKET: Package =
    Package { name: "lua-socket", is_there: || Path::new("/usr/share/lua/5.3/socket.lua").is_file() };
pub const OPENSSL: Package = Package { name: "openssl", is_there: || shell::is_installed("openssl") };
pub const CURL: Package = Package { name: "curl", is_there: || shell::is_installed("curl") };
pub const IPROUTE: Package = Package { name: "iproute2", is_there: || shell::is_installed("ip") };
pub const GO: Package = Package { name: "golang-go", is_there: || shell::is_installed("go") };
pub const JAVA: Package = Package { name: "default-jdk-headless", is_there: || shell::is_installed("javac") };
pub const RUBY: Package = Package { name: "ruby", is_there: || shell::is_installed("ruby") };
pub const PEBBLE: Package = Package { name: "pebble", is_there: || shell::is_installed("pebble") };
pub const LLVM: Package = Package { name: "llvm-22", is_there: || shell::is_installed("llvm-profdata-22") };
pub const STRACE: Package = Package { name: "strace", is_there: || shell::is_installed("strace") };

/// Installs those of the packages that are missing, in one call.
pub fn debian(packages: &[Package]) -> Result<()> {
    let missing: Vec<_> = packages.iter().filter(|package| !(package.is_there)()).map(|package| package.name).collect();
    if missing.is_empty() {
        println!("in place: {}", packages.iter().map(|package| package.name).collect::<Vec<_>>().join(", "));
        return Ok(());
    }
    println!("installing the Debian packages {}", missing.join(", "));
    let by_hand = format!("apt-get update && apt-get install --no-install-recommends {}", missing.join(" "));
    become_root()
        .and_then(|prefix| {
            shell::run(apt_get(prefix).arg("update"))?;
            shell::run(quiet(prefix).args(["install", "--yes", "--no-install-recommends"]).args(&missing))
        })
        .with_context(|| format!("as root, run `{by_hand}`"))?;
    for package in packages {
        if !(package.is_there)() {
            bail!("{} is installed, and yet what we need of it is not there", package.name);
        }
    }
    Ok(())
}

/// What stands before a command that only root may run.
fn become_root() -> Result<&'static [&'static str]> {
    if !shell::is_installed("apt-get") {
        bail!("this is not a Debian machine: there is no apt-get");
    }
    match (shell::is_root()?, shell::is_installed("sudo")) {
        (true, _) => Ok(&[]),
        (false, true) => Ok(&["sudo"]),
        (false, false) => bail!("only root can install packages, and there is no sudo"),
    }
}

/// `apt-get` that asks nothing. `env` sets the variable, because sudo would drop ours.
const APT_GET: [&str; 6] = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"];

/// Runs a command while Debian starts no service: a proxy that is installed for tests must not take port 80. A policy of the
/// machine's own stays as it is.
const WITHOUT_SERVICES: &str = r#"policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy" && trap 'rm -f "$policy"' EXIT
fi
"$@""#;

fn apt_get(prefix: &[&str]) -> Command {
    starting_with(prefix.iter().chain(&APT_GET))
}

/// `apt-get` that starts no service of what it installs.
fn quiet(prefix: &[&str]) -> Command {
    starting_with(prefix.iter().chain(&["sh", "-c", WITHOUT_SERVICES, "sh"]).chain(&APT_GET))
}

fn starting_with<'a>(mut words: impl Iterator<Item = &'a &'a str>) -> Command {
    let mut command = shell::command(words.next().expect("there are words"));
    command.args(words);
    command
}

/// The test runner. Its update command is left out and its own speed matters little: that halves the wait.
pub fn nextest() -> Result<()> {
    let features = ["--no-default-features", "--features", "default-no-update"];
    cargo_tool("cargo-nextest", "0.9.143", &features)
}

pub fn cargo_fuzz() -> Result<()> {
    cargo_tool("cargo-fuzz", "0.13.2", &[])
}

pub fn cargo_deny() -> Result<()> {
    cargo_tool("cargo-deny", "0.20.2", &[])
}

fn cargo_tool(name: &str, version: &str, options: &[&str]) -> Result<()> {
    if shell::is_installed(name) {
        println!("in place: {name}");
        return Ok(());
    }
    println!("installing {name} {version} into .tools, which takes some minutes");
    let mut command = shell::cargo("install --locked");
    command.arg("--root").arg(shell::tools()).args([name, "--version", version]).args(options);
    for (setting, value) in [("OPT_LEVEL", "1"), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "0")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    shell::run(&mut command)
}

/// The Python packages of `requirements.txt` in a folder, in an environment of `.tools`, made anew whenever the list changes.
pub fn python_packages(folder: &str, environment: &str) -> Result<()> {
    let name = format!("{folder}/requirements.txt");
    let list = shell::root().join(&name);
    let wanted = fs::read_to_string(&list).with_context(|| format!("reading {name}"))?;
    let venv = shell::tools().join(environment);
    let stamp = venv.join("installed-requirements.txt");
    if is_stamped(&stamp, &wanted) {
        println!("in place: the Python packages of {name}");
        return Ok(());
    }
    println!("installing the Python packages of {name} into .tools/{environment}");
    remove_folder(&venv)?;
    let python = python().context("no Python can make a virtual environment")?;
    shell::run(shell::command(python).args(["-m", "venv"]).arg(&venv))?;
    let mut pip = shell::command(&venv.join("bin/python").to_string_lossy());
    shell::run(pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "-r"]).arg(&list))?;
    fs::write(&stamp, wanted).context("noting which Python packages are installed")
}

/// The first Python that can make a virtual environment; Debian's own is asked when the one in the path cannot.
fn python() -> Option<&'static str> {
    let can = |python: &&str| shell::succeeds(shell::command(python).args(["-c", "import ensurepip, venv"]));
    ["python3", "/usr/bin/python3"].into_iter().find(can)
}

/// The npm packages of a folder, installed anew whenever its lock file changes. Their install scripts do not run.
pub fn npm_packages(name: &str) -> Result<()> {
    if !shell::is_installed("npm") {
        bail!("there is no npm; install Node 20 or newer");
    }
    let folder = shell::root().join(name);
    let is_locked = folder.join("package-lock.json").is_file();
    let list = if is_locked { "package-lock.json" } else { "package.json" };
    let wanted = fs::read_to_string(folder.join(list)).with_context(|| format!("reading {name}/{list}"))?;
    let stamp = folder.join("node_modules/.installed-packages");
    if is_stamped(&stamp, &wanted) {
        println!("in place: the npm packages of {name}/{list}");
        return Ok(());
    }
    println!("installing the npm packages of {name}/{list}");
    let verb = if is_locked { "ci" } else { "install" };
    let mut npm = shell::command("npm");
    shell::run(npm.current_dir(&folder).args([verb, "--no-audit", "--no-fund", "--ignore-scripts"]))?;
    fs::create_dir_all(folder.join("node_modules")).with_context(|| format!("making {name}/node_modules"))?;
    fs::write(&stamp, wanted).context("noting which npm packages are installed")
}

fn is_stamped(stamp: &Path, wanted: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted)
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_there_is_not_installed_again() {
        debian(&[Package { name: "no-such-package", is_there: || true }]).expect("nothing to do");
    }

    #[test]
    fn apt_is_told_to_ask_nothing() {
        let words = "env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300";
        assert_eq!(shell::words(&apt_get(&[])), words);
        assert_eq!(shell::words(&apt_get(&["sudo"])), format!("sudo {words}"));
    }

    #[test]
    fn what_is_installed_is_not_started() {
        let words = shell::words(&quiet(&["sudo"]));
        assert!(words.starts_with("sudo sh -c policy=/usr/sbin/policy-rc.d"), "{words}");
        assert!(words.ends_with("\"$@\" sh env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"));
    }

    #[test]
    fn a_stamp_counts_only_for_the_same_list() {
        let folder = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let stamp = folder.join("stamp");
        assert!(!is_stamped(&stamp, "a==1"));
        fs::write(&stamp, "a==1").unwrap();
        assert!(is_stamped(&stamp, "a==1"));
        assert!(!is_stamped(&stamp, "a==2"));
        remove_folder(&folder).unwrap();
        remove_folder(&folder).expect("a folder that is gone is no error");
    }
}
