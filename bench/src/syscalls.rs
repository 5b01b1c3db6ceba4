//! P17: system calls per request, counted by strace on a loaded server.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::gateway::{Stage, signer};
use super::pair::{CONNECTIONS, THREADS};
use crate::bars::{Figure, Unit};
use crate::wrk::{Expected, Load, Requests};

/// Signed requests at hand: a traced server answers a fraction of what it otherwise does.
const SIGNED: usize = 100_000;
/// Longest wait for strace to hold every thread.
const ATTACH_DEADLINE: Duration = Duration::from_secs(10);

/// Measures the three schemes.
pub fn measure(bench: &Bench, stage: &Stage) -> Result<Vec<Figure>> {
    let signed = signer(&stage.quiet)?.make(&bench.folder, SIGNED)?;
    let schemes = [("key pair", &stage.pair), ("Basic", &stage.basic), ("signed 1 KB", &signed)];
    schemes
        .into_iter()
        .map(|(name, requests)| {
            let (calls, most) = per_request(bench, stage, requests)?;
            println!("P17 {name}: {calls:.3} system calls per request: {most}");
            let what = format!("system calls per request, {name}");
            Ok(Figure::at_most("P17", what, (calls, 3.2), Unit::Calls).note(most))
        })
        .collect()
}

/// All calls, and those that matter by name.
fn per_request(bench: &Bench, stage: &Stage, requests: &Requests) -> Result<(f64, String)> {
    let pid = stage.quiet.server.pid();
    let path = bench.folder.join("strace.txt");
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
    let load = Load {
        connections: CONNECTIONS,
        threads: THREADS,
        seconds: bench.seconds,
        wait_ms: 0,
        expected: Expected::Accepted,
    };
    let answered = requests.send(stage.quiet.gateway, load);
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
