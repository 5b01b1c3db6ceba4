//! Many connections that want nothing good, and one client that does: how long it waits, and what they cost. Each crowd is
//! held for as long as the client is measured; whoever is cut off comes again, except those that do not read, who are watched
//! until the last of them is gone.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use socket2::{Domain, Socket, Type};

use crate::bare::Mode;
use crate::bars::{Figure, Outcome, Unit};
use crate::hold::Held;
use crate::keymint::{House, Running, Setting};
use crate::process::{Bare, resident};
use crate::{machine, pace};

/// Requests a second of the good client.
const RATE: u32 = 500;
/// How much longer the slowest hundredth of its answers may take.
const SLOWER_MAX: f64 = 2.0;
/// What a connection may cost. Units of 1,024 bytes.
const CONNECTION_KILOBYTES_MAX: f64 = 64.0;
/// How long whoever does not read may stay: six looks of five seconds, and the slack of a busy machine.
const UNREAD_DEADLINE: Duration = Duration::from_secs(60);
/// A pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What a run takes.
#[derive(Args)]
pub struct Options {
    /// Connections that send a head byte by byte, and as many that read nothing
    #[arg(long, default_value_t = 4_000)]
    slow: usize,
    /// Connections that send nothing, held by processes of their own. Where the system lets Keymint have fewer files open, it
    /// lets the idlest go, and they come again
    #[arg(long, default_value_t = 20_000)]
    idle: usize,
    /// Seconds for which the good client is measured beside each crowd
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// What a connection of a crowd does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// It sends a head, a byte at a time.
    SlowHead,
    /// It asks for something long and reads nothing.
    Unread,
}

/// A crowd while it is there.
struct Crowd<'a> {
    at: SocketAddr,
    habit: Habit,
    ask: &'a [u8],
    is_over: &'a AtomicBool,
    came: &'a AtomicUsize,
}

impl Crowd<'_> {
    fn come(&self) -> Option<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        if self.habit == Habit::Unread {
            socket.set_recv_buffer_size(4096).ok()?;
        }
        socket.connect(&self.at.into()).ok()?;
        let mut stream: TcpStream = socket.into();
        match self.habit {
            Habit::SlowHead => stream.write_all(b"GET /kpay/api/v1/payments HTTP/1.1\r\nHost: h\r\nX-Slow: ").ok()?,
            Habit::Unread => stream.write_all(self.ask).ok()?,
        }
        stream.set_nonblocking(true).ok()?;
        self.came.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    }

    /// Whether the other side has ended it, as far as one can see without reading.
    fn is_cut(&self, stream: &mut TcpStream) -> bool {
        match self.habit {
            Habit::SlowHead => stream.write_all(b"x").is_err(),
            Habit::Unread => false,
        }
    }

    /// Is there with so many until it is over.
    fn stay(&self, count: usize) {
        let mut streams: Vec<Option<TcpStream>> = (0..count).map(|_| self.come()).collect();
        while !self.is_over.load(Ordering::Relaxed) {
            for place in &mut streams {
                if place.as_mut().is_none_or(|stream| self.is_cut(stream)) {
                    *place = None;
                    *place = self.come();
                }
            }
            std::thread::sleep(PAUSE);
        }
        if self.habit == Habit::Unread {
            // They stay until they are thrown out.
            std::thread::sleep(UNREAD_DEADLINE);
        }
    }
}

/// The good client's slowest hundredth beside a crowd, and what the crowd costs.
struct Seen {
    p99_us: f64,
    connections: f64,
    bytes: f64,
}

impl Seen {
    fn figures(&self, crowd: &str, alone_us: f64) -> [Figure; 2] {
        let what = format!("a good client's p99 beside {crowd} / alone");
        let note = format!("{:.0} / {alone_us:.0} us", self.p99_us);
        let slower = Figure::at_most("crowd", what, (self.p99_us / alone_us, SLOWER_MAX), Unit::Times).note(note);
        let each = self.bytes / 1024.0 / self.connections.max(1.0);
        let what = format!("memory for each of {:.0} connections that were open", self.connections);
        [slower, Figure::at_most("crowd", what, (each, CONNECTION_KILOBYTES_MAX), Unit::Kilobytes)]
    }
}

struct Stage {
    keymint: Running,
    good: String,
    bad: String,
}

impl Stage {
    fn open_files(&self) -> Result<f64> {
        self.keymint.counter("keymint_process_open_files")
    }

    fn p99(&self, seconds: u64) -> Result<f64> {
        let mut latencies = pace::latencies_us(self.keymint.gateway, &self.good, RATE, seconds)?;
        latencies.sort_by(f64::total_cmp);
        latencies.get(latencies.len() * 99 / 100).copied().context("no answers")
    }

    fn beside_idle(&self, options: &Options) -> Result<Seen> {
        let (files, bytes) = (self.open_files()?, resident(&self.keymint.server)?);
        let held = Held::open(self.keymint.gateway, options.idle)?;
        let p99_us = self.p99(options.seconds)?;
        let connections = self.open_files()? - files;
        println!("Idle: {} came, {connections:.0} were open", options.idle);
        let seen = Seen { p99_us, connections, bytes: resident(&self.keymint.server)? - bytes };
        drop(held);
        Ok(seen)
    }

    fn beside(&self, habit: Habit, count: usize, seconds: u64) -> Result<Seen> {
        let (files, bytes) = (self.open_files()?, resident(&self.keymint.server)?);
        let (is_over, came) = (AtomicBool::new(false), AtomicUsize::new(0));
        let ask = self.bad.as_bytes();
        std::thread::scope(|scope| {
            let crowd = Crowd { at: self.keymint.gateway, habit, ask, is_over: &is_over, came: &came };
            let staying = scope.spawn(move || crowd.stay(count));
            while came.load(Ordering::Relaxed) < count {
                std::thread::sleep(PAUSE);
            }
            let p99_us = self.p99(seconds);
            let seen = Seen {
                p99_us: 0.0,
                connections: self.open_files()? - files,
                bytes: resident(&self.keymint.server)? - bytes,
            };
            is_over.store(true, Ordering::Relaxed);
            let begun = Instant::now();
            while habit == Habit::Unread && self.open_files()? > files + 50.0 {
                ensure!(begun.elapsed() < UNREAD_DEADLINE, "{} files are still open", self.open_files()?);
                std::thread::sleep(PAUSE);
            }
            println!("{habit:?}: {} came, {:.0} were open", came.load(Ordering::Relaxed), seen.connections);
            staying.join().map_err(|_| anyhow::anyhow!("a crowd ended"))?;
            Ok(Seen { p99_us: p99_us?, ..seen })
        })
    }
}

/// Measures and prints the table; fails when the good client waits too long or a crowd costs too much.
///
/// # Errors
/// When something cannot be measured, or the good client is not answered.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = machine::folder().join("crowd");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    machine::step_forward();
    println!("keymint-bench crowd, {}\ncommit {}\n{}\n", machine::day(), machine::commit(), machine::describe());
    machine::raise_open_files();
    let upstream = Bare::start(Mode::Long)?;
    let setting = Setting { upstream: Some(upstream.address), request_log: true, ..Setting::default() };
    let keymint = House::set_up(&folder.join("keymint"), setting)?.start()?;
    let key = || -> Result<String> {
        let key = keymint.client()?.key("kpay")?;
        Ok(crate::verify::key_pair_template(&key.key_id, &key.secret))
    };
    let (good, bad) = (key()?, key()?.replace("/payments ", "/payments?long "));
    let stage = Stage { keymint, good, bad };
    stage.p99(2)?;
    let alone = stage.p99(options.seconds)?;
    println!("alone: p99 {alone:.0} us");
    let slow = [(Habit::SlowHead, options.slow, "slow heads"), (Habit::Unread, options.slow, "that do not read")];
    let mut figures = Vec::new();
    for (habit, count, name) in slow {
        let seen = stage.beside(habit, count, options.seconds)?;
        figures.extend(seen.figures(&format!("{count} {name}"), alone));
    }
    figures.extend(stage.beside_idle(options)?.figures(&format!("{} idle", options.idle), alone));
    println!();
    figures.iter().for_each(|figure| println!("{}", figure.line()));
    stage.keymint.stop()?;
    let is_missed = figures.iter().any(|figure| figure.outcome() == Outcome::Missed);
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
