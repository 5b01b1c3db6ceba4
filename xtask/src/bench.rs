//! Measuring: builds the binary that is shipped, makes sure the measuring tools are there and hands over to `keymint-bench`.

use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::postgres::Postgres;
use crate::steps::Steps;
use crate::{install, release, shell};

#[derive(Args)]
pub struct Options {
    /// What `keymint-bench` is asked, for example `verify --seconds 10`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds and measures; stops at the first thing that is missing.
pub fn run(steps: &mut Steps, options: &Options) {
    let is_gateway = options.arguments.first().is_some_and(|first| first == "gateway");
    let ready = steps.run("tools", || install::debian(&[install::WRK, install::VALGRIND, install::STRACE]))
        && (!is_gateway || rivals(steps));
    let Some(binary) = ready.then(|| release::binary(steps)).flatten() else { return steps.not_run("bench") };
    if !options.arguments.first().is_some_and(|first| first == "webhooks" || first == "verify") {
        let _ = steps.run("bench", || measure(options, &binary, None));
        return;
    }
    let started = steps.run_for("start postgresql", || {
        install::debian(&[install::POSTGRESQL])?;
        Postgres::start()
    });
    let Some(server) = started else { return steps.not_run("bench") };
    let _ = steps.run("bench", || measure(options, &binary, Some(&server)));
    let _ = steps.run("stop postgresql", || server.stop());
}

/// Who else is measured.
fn rivals(steps: &mut Steps) -> bool {
    steps.run("nginx and HAProxy", || install::debian(&[install::NGINX, install::HAPROXY]))
        && steps.run("better-auth", || install::npm_packages("bench/rivals"))
        && steps.run("Django", || install::python_packages("bench/rivals", "venv-rivals"))
}

fn measure(options: &Options, binary: &Path, server: Option<&Postgres>) -> Result<()> {
    let mut command = shell::cargo("run --release -q -p keymint-bench --");
    command.args(&options.arguments).env("KEYMINT_BIN", binary);
    if let Some(server) = server {
        command.env("KEYMINT_BENCH_POSTGRES", server.url()).env("KEYMINT_BENCH_POSTGRES_PID", server.pid().to_string());
    }
    shell::run(&mut command)
}
