//! The machine and the commit that figures belong to, and making room for a measurement on a shared machine.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Pages written to learn how long the disk takes.
const SYNCS: usize = 101;

/// The folder that the bench keeps its databases and request files in.
pub fn folder() -> PathBuf {
    root().join("target/bench")
}

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Moves this session in front of others: with autogroups on, an ordinary `nice` counts only within one session.
pub fn step_forward() {
    let _ = rustix::process::setsid();
    if std::fs::write("/proc/self/autogroup", "-12").is_err() {
        println!("not allowed to raise this session's share of the machine: expect more noise");
    }
}

/// Lets whoever else is ready go before this thread; Linux keeps it by thread. For clients that would be on machines of their own.
pub fn step_back() {
    let _ = rustix::process::setpriority_process(None, 19);
}

/// How long the disk takes to bring a written page to rest; the median.
///
/// # Errors
/// When the folder cannot be written.
pub fn sync_time(folder: &Path) -> std::io::Result<Duration> {
    let path = folder.join("sync-time");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times.get(SYNCS / 2).copied().unwrap_or_default())
}

/// What the figures were measured on, in a line.
pub fn describe() -> String {
    let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = text("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("CPU");
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = text("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    let load = text("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{count} x {model}, Linux {kernel}, load before the run {load}")
}

/// Time that the host has given to others while somebody here was ready to run, over all processors, since the machine started
/// (`steal` of `/proc/stat`, proc(5)). Ticks of 10 ms; 0 where no host shares the machine.
pub fn stolen_ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let steal = text.lines().next().and_then(|line| line.split_whitespace().nth(8)?.parse().ok());
    steal.unwrap_or_default()
}

/// The commit, and whether the checkout has changes beside it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain", "--", "crates", "Cargo.lock"]).is_none_or(|text| !text.is_empty());
    if changed { format!("{commit} with uncommitted changes") } else { commit }
}

/// The day, as `2026-11-05`.
pub fn day() -> String {
    let output = Command::new("date").args(["-u", "+%F %H:%M UTC"]).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Takes as many open files as the system gives.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
