//! Figures from inside a process: the bench target of keymint-app is built here, started, and read line by line.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Bench;
use crate::bars::{Figure, Unit};
use crate::machine;

/// The built bench target.
pub struct Program(PathBuf);

impl Program {
    /// Builds it.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build() -> Result<Self> {
        let output = Command::new("cargo")
            .args(["bench", "-q", "-p", "keymint-app", "--bench", "in_process", "--no-run", "--message-format=json"])
            .current_dir(machine::root())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the bench target of keymint-app does not build");
        let text = String::from_utf8_lossy(&output.stdout);
        let path = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
            let is_bench = message.pointer("/target/name").and_then(Value::as_str) == Some("in_process");
            message.get("executable").and_then(Value::as_str).filter(|_| is_bench).map(PathBuf::from)
        });
        Ok(Self(path.context("cargo named no bench target")?))
    }

    /// Runs a part of it and gives the figures by name.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> Result<Figures> {
        let output = Command::new(&self.0).args(arguments).stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "the bench target of keymint-app failed at {arguments:?}");
        let text = String::from_utf8(output.stdout)?;
        print!("{text}");
        Ok(Figures(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()))
    }
}

/// Figures by name.
pub struct Figures(Vec<Value>);

impl Figures {
    /// One of them.
    ///
    /// # Errors
    /// When it is missing.
    pub fn find(&self, name: &str) -> Result<f64> {
        let found = self.0.iter().find(|value| value.get("name").and_then(Value::as_str) == Some(name));
        let value = found.and_then(|value| value.get("value")).and_then(Value::as_f64);
        value.with_context(|| format!("no figure `{name}`"))
    }
}

/// The pure decision, hot.
pub fn measure(_bench: &Bench) -> Result<Vec<Figure>> {
    let figures = Program::build()?.run(&["hot"])?;
    let at_most = |what, name: &str, bar| -> Result<Figure> {
        Ok(Figure::at_most("P6", what, (figures.find(name)?, bar), Unit::Nanoseconds))
    };
    let informs = |what, name: &str| -> Result<Figure> {
        Ok(Figure::informs("P6", what, figures.find(name)?, Unit::Nanoseconds))
    };
    Ok(vec![
        at_most("pure decision in process, key pair", "key_pair_ns", 300.0)?,
        informs("pure decision in process, Basic", "basic_ns")?,
        informs("pure decision in process, bearer", "bearer_ns")?,
        at_most("pure decision in process, signed 1 KB", "signed_1k_ns", 1300.0)?,
        informs("pure decision in process, message signature 1 KB", "message_1k_ns")?,
    ])
}
