//! P17: system calls per request, counted by strace on a loaded server.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::bars::{Figure, Unit};
use crate::machine;
use crate::process::Server;
use crate::wrk::{Load, Requests};

/// Longest wait for strace to hold every thread.
const ATTACH_DEADLINE: Duration = Duration::from_secs(10);

/// What is asked while the calls are counted.
pub struct Asked<'a> {
    /// For the table: `key pair`.
    pub name: &'a str,
    /// Sent in turn.
    pub requests: &'a Requests,
    /// How many at once, and for how long.
    pub load: Load,
}

/// Counts what a server of one process calls for each request; at most so many.
///
/// # Errors
/// When strace cannot be had, or an answer is not the expected one.
pub fn figure(server: &Server, address: SocketAddr, asked: Asked<'_>, most: f64) -> Result<Figure> {
    let (calls, by_name) = per_request(server.pid(), address, &asked)?;
    println!("P17 {}: {calls:.3} system calls per request: {by_name}", asked.name);
    let what = format!("system calls per request, {}", asked.name);
    Ok(Figure::at_most("P17", what, (calls, most), Unit::Calls).note(by_name))
}

/// All calls, and those that matter by name.
fn per_request(pid: u32, address: SocketAddr, asked: &Asked<'_>) -> Result<(f64, String)> {
    let path = machine::folder().join("strace.txt");
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-p", &pid.to_string(), "-o"])
        .arg(&path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("strace could not be started; `cargo xtask bench` installs it")?;
    let begun = Instant::now();
    while !is_traced(pid)? {
        ensure!(begun.elapsed() < ATTACH_DEADLINE, "strace did not attach");
        std::thread::sleep(Duration::from_millis(20));
    }
    let answered = asked.requests.send(address, asked.load);
    let id = rustix::process::Pid::from_child(&strace);
    rustix::process::kill_process(id, rustix::process::Signal::INT)?;
    strace.wait()?;
    let requests = answered?.requests;
    let text = std::fs::read_to_string(path)?;
    let mut counts: Vec<(f64, &str)> = text.lines().filter_map(line).collect();
    counts.sort_by(|left, right| right.0.total_cmp(&left.0));
    let calls: f64 = counts.iter().map(|(calls, _)| calls).sum();
    let most = counts.iter().take(4).map(|(calls, name)| format!("{name} {:.2}", calls / requests));
    Ok((calls / requests, most.collect::<Vec<_>>().join(", ")))
}

/// Whether every thread is traced.
fn is_traced(pid: u32) -> Result<bool> {
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = std::fs::read_to_string(entry?.path().join("status"))?;
        if status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() == "0")) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A line of strace's table: share, seconds, microseconds a call, calls, perhaps errors, name.
fn line(line: &str) -> Option<(f64, &str)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (share, calls, name) = (columns.first()?, columns.get(3)?, columns.last()?);
    share.parse::<f64>().ok()?;
    let calls = calls.parse::<f64>().ok()?;
    (*name != "total").then_some((calls, *name))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn lines_of_the_table_are_read() {
        assert_eq!(line(" 61.20    0.123456           3     41152        12 recvfrom"), Some((41152.0, "recvfrom")));
        assert_eq!(line("  0.00    0.000000           0         4           epoll_wait"), Some((4.0, "epoll_wait")));
        assert_eq!(line("100.00    0.201           2     82304        12 total"), None);
        assert_eq!(line("% time     seconds  usecs/call     calls    errors syscall"), None);
        assert_eq!(line("------ ----------- ----------- --------- --------- ----------------"), None);
    }
}
