//! Load from wrk: a template and records in files, the Lua script that joins them, and what came of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

const SCRIPT: &str = include_str!("../lua/load.lua");

/// In which order records are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each thread its own, over and over.
    Walk,
    /// Each once.
    Once,
    /// Drawn at random.
    Random,
}

/// The requests of one measurement: a template, and records for its `%1%` to `%9%`.
#[derive(Clone, Debug)]
pub struct Requests {
    template: PathBuf,
    records: Option<PathBuf>,
    widths: Vec<usize>,
    order: Order,
}

/// What the servers answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Every request is accepted.
    Accepted,
    /// Every request is refused.
    Refused,
}

/// How hard, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections, all kept alive.
    pub connections: usize,
    /// wrk's threads.
    pub threads: usize,
    /// How long.
    pub seconds: u64,
    /// How long a connection waits between an answer and its next request. Milliseconds.
    pub wait_ms: u64,
    /// What must come back.
    pub expected: Expected,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Answers.
    pub requests: f64,
    /// Over so long.
    pub seconds: f64,
}

impl Requests {
    /// The same request again and again. `name` is unique within the folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn alike(folder: &Path, name: &str, template: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.http"));
        std::fs::write(&path, template).context("writing a template")?;
        Ok(Self { template: path, records: None, widths: Vec::new(), order: Order::Walk })
    }

    /// Requests that differ by their records, which have fields of these widths and nothing between them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn varied(self, records: &Path, widths: &[usize], order: Order) -> Self {
        Self { records: Some(records.to_owned()), widths: widths.to_vec(), order, ..self }
    }

    /// Sends them.
    ///
    /// # Errors
    /// When wrk fails, a connection breaks, or an answer is not the expected one.
    pub fn send(&self, address: SocketAddr, load: Load) -> Result<Answered> {
        let script = self.template.with_file_name("load.lua");
        std::fs::write(&script, SCRIPT)?;
        let widths: Vec<String> = self.widths.iter().map(ToString::to_string).collect();
        let order = match self.order {
            Order::Walk => "walk",
            Order::Once => "once",
            Order::Random => "random",
        };
        let output = Command::new("wrk")
            .arg(format!("-c{}", load.connections))
            .arg(format!("-t{}", load.threads))
            .arg(format!("-d{}s", load.seconds))
            .arg("-s")
            .arg(script)
            .arg(format!("http://{address}"))
            .arg("--")
            .arg(&self.template)
            .arg(self.records.as_deref().unwrap_or(Path::new("-")))
            .args([widths.join(","), order.to_owned(), load.threads.to_string(), load.wait_ms.to_string()])
            .output()
            .context("wrk could not be started; `cargo xtask bench` installs it")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(line) = text.lines().find_map(|line| line.strip_prefix("answered ")) else {
            bail!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        };
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [requests, duration_us, refused, broken] = numbers.as_slice() else { bail!("wrk said `{line}`") };
        ensure!(*broken < 0.5, "{broken} connections broke");
        ensure!(*requests > 0.5, "nothing was answered");
        match load.expected {
            Expected::Accepted => ensure!(*refused < 0.5, "{refused} of {requests} requests were refused"),
            Expected::Refused => ensure!(refused >= requests, "only {refused} of {requests} requests were refused"),
        }
        Ok(Answered { requests: *requests, seconds: duration_us / 1e6 })
    }
}
