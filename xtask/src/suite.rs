//! The two suites: `check` before each commit, `test` for everything. What a step does is written in its own module.

use std::process::Command;

use anyhow::{Result, bail};

use crate::postgres::Postgres;
use crate::steps::Steps;
use crate::{install, openapi, shell, tidy};

/// Format, clippy, tidy and the tests that need neither PostgreSQL nor other languages.
pub fn check(steps: &mut Steps) {
    read_only_checks(steps);
    if steps.run("cargo-nextest", install::nextest) {
        let mut tests = shell::cargo("nextest run --workspace");
        let _ = steps.run("tests on SQLite", || shell::run(tests.env_remove("TEST_DATABASE_URL")));
    } else {
        steps.not_run("tests on SQLite");
    }
}

/// Everything, on both engines and with every outside client. What cannot run counts as failed.
pub fn test(steps: &mut Steps) {
    let tools = steps.run("cargo-nextest", install::nextest);
    let machine = steps.run("Debian packages", || {
        let clients =
            [install::PHP, install::PHP_CURL, install::PYTHON_VENV, install::CHROMIUM, install::OPENSSL, install::CURL];
        let proxies = [install::NGINX, install::HAPROXY, install::CADDY, install::APACHE, install::LUA_SOCKET];
        install::debian(&clients)?;
        install::debian(&proxies)?;
        install::debian(&[install::GO, install::JAVA, install::RUBY, install::PEBBLE, install::IPROUTE])?;
        install::debian(&[install::POSTGRESQL])
    });
    let python = steps.run("Python packages", || install::python_packages("interop", "venv"));
    let npm = steps.run("npm packages", || install::npm_packages("interop"))
        & steps.run("npm packages of the browser", || install::npm_packages("browser"));
    read_only_checks(steps);
    let built = steps.run("build", || shell::run(&mut shell::cargo("build -p keymint")));
    if built {
        let _ = steps.run("openapi --check", openapi::compare);
    } else {
        steps.not_run("openapi --check");
    }
    let _ = steps.run("documentation tests", || shell::run(&mut shell::cargo("test -q --workspace --doc")));
    if tools && machine && python && npm && built {
        tests(steps);
    } else {
        steps.not_run("tests");
    }
}

fn read_only_checks(steps: &mut Steps) {
    let _ = steps.run("format", format);
    let _ = steps.run("clippy", || shell::run(&mut shell::cargo("clippy -q --workspace --all-targets -- -D warnings")));
    let _ = steps.run("tidy", tidy::run);
}

fn format() -> Result<()> {
    shell::run(&mut shell::cargo("fmt --all --check"))?;
    // The fuzz targets are a workspace of their own, which `--all` does not reach.
    if shell::root().join("fuzz/Cargo.toml").is_file() {
        shell::run(&mut shell::cargo("fmt --manifest-path fuzz/Cargo.toml --check"))?;
    }
    Ok(())
}

fn tests(steps: &mut Steps) {
    let Some(server) = steps.run_for("start postgresql", Postgres::start) else {
        return steps.not_run("tests");
    };
    let mut tests = shell::cargo("nextest run --workspace --profile ci");
    let _ = steps.run("tests", || shell::run(surround(&mut tests, &server)));
    let _ = steps.run("stop postgresql", || server.stop());
}

/// Tells the tests what stands around them: a server in which they make databases of their own, the Python with the
/// vendors' packages, the scripts that call us from outside, and the binary.
fn surround<'a>(command: &'a mut Command, server: &Postgres) -> &'a mut Command {
    command
        .env("TEST_DATABASE_URL", server.url())
        .env("KEYMINT_VENV", shell::tools().join("venv"))
        .env("KEYMINT_INTEROP", shell::root().join("interop"))
        .env("KEYMINT_BROWSER", shell::root().join("browser"))
        .env("KEYMINT_BIN", shell::target().join("debug/keymint"))
}

/// Runs a command of the developer's beside a private PostgreSQL.
pub fn with_postgres(steps: &mut Steps, words: &[String]) {
    let started = steps.run_for("start postgresql", || {
        install::debian(&[install::POSTGRESQL])?;
        Postgres::start()
    });
    let Some(server) = started else { return steps.not_run("command") };
    let _ = steps.run("command", || {
        let [program, arguments @ ..] = words else { bail!("there is no command") };
        shell::run(surround(shell::command(program).args(arguments), &server))
    });
    let _ = steps.run("stop postgresql", || server.stop());
}
