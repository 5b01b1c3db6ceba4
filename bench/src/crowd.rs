//! Many connections that want nothing good, and one client that does: how long it waits, and what they cost. Each crowd is
//! held for as long as the client is measured; whoever is cut off comes again, except those that do not read, who are watched
//! until the last of them is gone.
//!
//! A slowest hundredth is lost where the host takes a hundredth of the machine for somebody else. So the client is measured a
//! second at a time, and a second in which that happened does not count.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use socket2::{Domain, Socket, Type};

use crate::bare::Mode;
use crate::bars::{Figure, Outcome, Unit, median};
use crate::hold::{Held, is_silent};
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
/// Connections that come in a second. Four thousand come evenly over most of the five seconds that a head may take, so they are cut
/// off and come again evenly, and each sends its byte at a moment of its own: a crowd in step would be a burst of load, and no
/// slow client.
const ARRIVALS: usize = 1_000;
/// Turns of a second in which a part of a crowd does something.
const TURNS: usize = 1_000;
/// How long a turn takes.
const TURN: Duration = Duration::from_millis(1);
/// Merchants whose requests are not read: as many as it takes for a crowd to be upstream as a whole.
const MERCHANTS: usize = 8;
/// Connections to the upstream for each thread: with fewer the crowd would be turned away, and not be slow.
const UPSTREAM_CONNECTIONS: usize = 4_096;
/// Rounds are made this many times as often as they must count, at most.
const TRIES: usize = 3;
/// A look takes this many times as long as the seconds that it is to count, at most: who does not read is thrown out after half a
/// minute.
const LONGER_MAX: u64 = 2;
/// The most that the host may take from the machine in a second that counts. Ticks of 10 ms: a hundredth of two processors.
const STOLEN_TICKS_MAX: u64 = 2;
/// Files that come and go by themselves.
const FILES_SLACK: f64 = 50.0;

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
    /// Seconds for which the good client is measured, alone and beside each crowd. Where the host takes much of the machine, more
    /// are looked at, and half of them have to do
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds for each slow crowd; the median counts. One without enough seconds that count is made again, at most twice
    #[arg(long, default_value_t = 5)]
    rounds: usize,
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
    /// What each asks that reads nothing: the requests of several merchants, of which none may have all places.
    asks: &'a [String],
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
            Habit::Unread => stream.write_all(self.ask()?.as_bytes()).ok()?,
        }
        stream.set_nonblocking(true).ok()?;
        self.came.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    }

    fn ask(&self) -> Option<&String> {
        self.asks.get(self.came.load(Ordering::Relaxed) % self.asks.len())
    }

    /// Whether the other side has ended it, as far as one can see without reading.
    fn is_cut(&self, stream: &mut TcpStream) -> bool {
        match self.habit {
            Habit::SlowHead => !is_silent(stream) || stream.write_all(b"x").is_err(),
            Habit::Unread => false,
        }
    }

    /// Is there with so many until it is over.
    fn stay(&self, count: usize) {
        machine::step_back();
        let mut streams: Vec<Option<TcpStream>> = Vec::with_capacity(count);
        while streams.len() < count {
            let coming = (count - streams.len()).min(ARRIVALS / TURNS);
            streams.extend((0..coming).map(|_| self.come()));
            std::thread::sleep(TURN);
        }
        while !self.is_over.load(Ordering::Relaxed) {
            for part in streams.chunks_mut(count.div_ceil(TURNS)) {
                for place in part {
                    if place.as_mut().is_none_or(|stream| self.is_cut(stream)) {
                        *place = None;
                        *place = self.come();
                    }
                }
                std::thread::sleep(TURN);
            }
        }
    }
}

/// The good client's slowest hundredth alone and beside a crowd, and what the crowd costs.
struct Seen {
    alone_us: f64,
    p99_us: f64,
    /// How much longer whoever asks the upstream itself waits beside the crowd: what the machine has to do with it.
    others: f64,
    connections: f64,
    bytes: f64,
}

/// The figures of a crowd, of some rounds. `bar` is how much longer the good client may wait, where that has a bar: whoever is idle
/// comes and goes by the thousand each second here, and it is asked only that others are served.
fn figures(rounds: &[Seen], crowd: &str, bar: Option<f64>) -> [Figure; 3] {
    let of = |pick: fn(&Seen) -> f64| median(rounds.iter().map(pick).collect());
    let what = format!("a good client's p99 beside {crowd} / alone");
    let ratio = of(|seen| seen.p99_us / seen.alone_us);
    let slower = match bar {
        Some(bar) => Figure::at_most("crowd", what, (ratio, bar), Unit::Times),
        None => Figure::informs("crowd", what, ratio, Unit::Times),
    };
    let note = format!("{:.0} / {:.0} us", of(|seen| seen.p99_us), of(|seen| seen.alone_us));
    let connections = of(|seen| seen.connections);
    let what = format!("memory for each of {connections:.0} connections that were open");
    let each = of(|seen| seen.bytes / 1024.0 / seen.connections.max(1.0));
    let others = format!("the same of a client that asks the upstream itself, beside {crowd} / alone");
    let others = Figure::informs("crowd", others, of(|seen| seen.others), Unit::Times);
    [slower.note(note), others, Figure::at_most("crowd", what, (each, CONNECTION_KILOBYTES_MAX), Unit::Kilobytes)]
}

struct Stage {
    keymint: Running,
    upstream: Bare,
    /// Open before any crowd was there.
    files: f64,
    /// Memory then.
    bytes: f64,
    good: String,
    bad: Vec<String>,
}

impl Stage {
    fn open_files(&self) -> Result<f64> {
        self.keymint.counter("keymint_process_open_files")
    }

    /// The slowest hundredth of the good client's answers through Keymint, and of those that it has from the upstream itself in
    /// the same seconds; `None` where the host took too much of the machine for either to say anything.
    fn p99(&self, seconds: u64) -> Result<Option<[f64; 2]>> {
        let of = |address| pace::latencies_us(address, &self.good, RATE, 1);
        let (mut good, mut others, mut counted) = (Vec::new(), Vec::new(), 0);
        for _ in 0..seconds * LONGER_MAX {
            if counted == seconds {
                break;
            }
            let stolen_before = machine::stolen_ticks();
            let second: Result<_> = std::thread::scope(|scope| {
                let others = scope.spawn(|| of(self.upstream.address));
                Ok((of(self.keymint.gateway)?, others.join().map_err(|_| anyhow::anyhow!("a client ended"))??))
            });
            let (through, beside) = second?;
            if machine::stolen_ticks() - stolen_before <= STOLEN_TICKS_MAX {
                good.extend(through);
                others.extend(beside);
                counted += 1;
            }
        }
        if counted < seconds.div_ceil(2) {
            println!("the host took too much of the machine: {counted} of {} s count", seconds * LONGER_MAX);
            return Ok(None);
        }
        let slowest_hundredth = |mut latencies: Vec<f64>| {
            latencies.sort_by(f64::total_cmp);
            latencies.get(latencies.len() * 99 / 100).copied().context("no answers")
        };
        Ok(Some([slowest_hundredth(good)?, slowest_hundredth(others)?]))
    }

    /// Waits until the crowd before is gone.
    fn wait_for_nobody(&self) -> Result<()> {
        let begun = Instant::now();
        while self.open_files()? > self.files + FILES_SLACK {
            ensure!(begun.elapsed() < UNREAD_DEADLINE, "{} files are still open", self.open_files()?);
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Looks at the good client alone, then beside a crowd: `crowd` looks while it is there. `None` where the host did not let it.
    fn seen(
        &self,
        seconds: u64,
        crowd: impl FnOnce(&dyn Fn() -> Result<Option<Seen>>) -> Result<Option<Seen>>,
    ) -> Result<Option<Seen>> {
        self.wait_for_nobody()?;
        let Some([alone_us, others_alone_us]) = self.p99(seconds)? else { return Ok(None) };
        let seen = crowd(&|| {
            let found = self.p99(seconds)?;
            let connections = self.open_files()? - self.files;
            let bytes = resident(&self.keymint.server)? - self.bytes;
            Ok(found.map(|[p99_us, others_us]| {
                let others = others_us / others_alone_us;
                Seen { alone_us, p99_us, others, connections, bytes }
            }))
        })?;
        if let Some(seen) = &seen {
            println!(
                "alone p99 {alone_us:.0} us, beside {:.0} that were open {:.0} us; of the upstream itself {:.2}x",
                seen.connections, seen.p99_us, seen.others
            );
        }
        Ok(seen)
    }

    /// So many rounds that count.
    fn rounds(&self, count: usize, round: impl Fn() -> Result<Option<Seen>>) -> Result<Vec<Seen>> {
        let mut rounds = Vec::new();
        for _ in 0..count * TRIES {
            if rounds.len() < count {
                rounds.extend(round()?);
            }
        }
        ensure!(rounds.len() == count, "{} of {count} rounds count: the host is busy, try again later", rounds.len());
        Ok(rounds)
    }

    fn beside_idle(&self, options: &Options) -> Result<Option<Seen>> {
        self.seen(options.seconds, |look| {
            let _held = Held::open(self.keymint.gateway, options.idle)?;
            look()
        })
    }

    fn beside(&self, habit: Habit, count: usize, seconds: u64) -> Result<Option<Seen>> {
        let (is_over, came) = (AtomicBool::new(false), AtomicUsize::new(0));
        let seen = self.seen(seconds, |look| {
            std::thread::scope(|scope| {
                let crowd = Crowd { at: self.keymint.gateway, habit, asks: &self.bad, is_over: &is_over, came: &came };
                let staying = scope.spawn(move || crowd.stay(count));
                while came.load(Ordering::Relaxed) < count && !staying.is_finished() {
                    std::thread::sleep(PAUSE);
                }
                // The upstream shares the machine, and still has its long answers to begin.
                let seen = self.upstream.server.settled_cpu_ns().and_then(|_| look());
                // Whoever reads nothing stays until the last of them is thrown out.
                let gone = if habit == Habit::Unread { self.wait_for_nobody() } else { Ok(()) };
                is_over.store(true, Ordering::Relaxed);
                staying.join().map_err(|_| anyhow::anyhow!("a crowd ended"))?;
                gone.and(seen)
            })
        })?;
        println!("{habit:?}: {} came", came.load(Ordering::Relaxed));
        Ok(seen)
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
    let setting = Setting {
        upstream: Some(upstream.address),
        upstream_connections_max: Some(UPSTREAM_CONNECTIONS),
        request_log: true,
        ..Setting::default()
    };
    let keymint = House::set_up(&folder.join("keymint"), setting)?.start()?;
    let key = || -> Result<String> {
        let key = keymint.client()?.key("kpay")?;
        Ok(crate::verify::key_pair_template(&key.key_id, &key.secret))
    };
    let good = key()?;
    let bad =
        (0..MERCHANTS).map(|_| Ok(key()?.replace("/payments ", "/payments?long "))).collect::<Result<Vec<_>>>()?;
    let mut stage = Stage { keymint, upstream, good, bad, files: 0.0, bytes: 0.0 };
    let _ = stage.p99(2)?;
    (stage.files, stage.bytes) = (stage.open_files()?, resident(&stage.keymint.server)?);
    let slow = [(Habit::SlowHead, "slow heads"), (Habit::Unread, "that do not read")];
    let mut found = Vec::new();
    for (habit, name) in slow {
        let rounds = stage.rounds(options.rounds, || stage.beside(habit, options.slow, options.seconds))?;
        found.extend(figures(&rounds, &format!("{} {name}", options.slow), Some(SLOWER_MAX)));
    }
    let rounds = stage.rounds(1, || stage.beside_idle(options))?;
    found.extend(figures(&rounds, &format!("{} idle", options.idle), None));
    println!();
    found.iter().for_each(|figure| println!("{}", figure.line()));
    stage.keymint.stop()?;
    let is_missed = found.iter().any(|figure| figure.outcome() == Outcome::Missed);
    Ok(if is_missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
