//! A server's process: started, looked at through `/proc`, ended.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bare::Mode;

/// How long a process has to be quiet before its CPU time is read: longer than anything it waits for, as counts of the request
/// log do for two seconds.
const QUIET: Duration = Duration::from_millis(2_200);
/// Longest wait for that.
const QUIET_DEADLINE: Duration = Duration::from_secs(20);
/// CPU time below which a process counts as quiet: twice what asking PostgreSQL whether it is still the owner and looking for what
/// is due take in that time on a busy machine, and nothing beside what a load takes.
const QUIET_NS: u64 = 1_000_000;

/// Longest wait for a server that was asked to end.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// The same for a process that never sleeps for long, as gunicorn's workers that tell every second that they live. Such a one
/// spends a hundred times more on a load.
const RESTLESS_QUIET_NS: u64 = 20_000_000;

/// A process that ends when dropped.
pub struct Server {
    child: Child,
    quiet_ns: u64,
}

impl Server {
    /// Watches over a child.
    pub fn new(child: Child) -> Self {
        Self { child, quiet_ns: QUIET_NS }
    }

    /// The same of a child that does something even while nobody asks.
    pub fn restless(child: Child) -> Self {
        Self { child, quiet_ns: RESTLESS_QUIET_NS }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process as started.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// CPU time of all its threads until now, once it has nothing left to do. Nanoseconds.
    ///
    /// # Errors
    /// When the process is gone or never becomes quiet.
    pub fn settled_cpu_ns(&self) -> Result<u64> {
        let begun = Instant::now();
        let mut before = cpu_ns(self.pid())?;
        while begun.elapsed() < QUIET_DEADLINE {
            std::thread::sleep(QUIET);
            let now = cpu_ns(self.pid())?;
            if now.saturating_sub(before) < self.quiet_ns {
                return Ok(now);
            }
            before = now;
        }
        bail!("a server went on working for {QUIET_DEADLINE:?} after its last request")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first: a server with workers of its own ends them.
        if let Some(id) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            let begun = Instant::now();
            while begun.elapsed() < END_DEADLINE && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of all threads of a process and of the processes that it started. Nanoseconds.
///
/// # Errors
/// When there is no such process.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(format!("/proc/{pid}/task")).context("a server is gone")? {
        let task = entry?.path();
        let Ok(text) = std::fs::read_to_string(task.join("schedstat")) else { continue };
        sum += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        let children = std::fs::read_to_string(task.join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            sum += cpu_ns(child).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// Memory of a process. Bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident(server: &Server) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).context("the server is gone")?;
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).context("its memory")?;
    Ok(pages * rustix::param::page_size() as f64)
}

/// A bare server and its address.
pub struct Bare {
    /// The process.
    pub server: Server,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Bare {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(mode: Mode) -> Result<Self> {
        let name = match mode {
            Mode::Empty => "empty",
            Mode::Read => "read",
            Mode::Echo => "echo",
            Mode::Long => "long",
        };
        let own = std::env::current_exe()?;
        let mut command = Command::new(own);
        let child = command.args(["bare", "--mode", name]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut server = Server::new(child);
        let output = server.child().stdout.take().context("the bare server's output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().context("the bare server printed no address")?;
        Ok(Self { server, address })
    }
}
