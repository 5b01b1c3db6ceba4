//! Pairs: two sides measured in turn, A B A B, and the median of their ratios.

use std::net::SocketAddr;

use anyhow::Result;

use super::Bench;
use crate::bars::median;
use crate::process::{Server, cpu_ns};
use crate::wrk::{Expected, Load, Requests};

/// Connections that are kept alive during a load.
pub const CONNECTIONS: usize = 64;
/// wrk's threads.
pub const THREADS: usize = 2;

/// A server and where it is asked.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The process whose CPU time counts.
    pub server: &'a Server,
    /// Where the requests go.
    pub address: SocketAddr,
    /// What it must answer.
    pub expected: Expected,
}

impl Target<'_> {
    /// As hard as every pair is.
    pub fn load(&self, seconds: u64) -> Load {
        Load { connections: CONNECTIONS, threads: THREADS, seconds, wait_ms: 0, expected: self.expected }
    }

    /// Sends requests whose cost does not count: caches and connections become what they are later.
    pub fn warm_up(&self, requests: &Requests) -> Result<()> {
        requests.send(self.address, self.load(1))?;
        self.server.settled_cpu_ns().map(|_| ())
    }

    /// CPU time of the server per answered request. Microseconds.
    pub fn cpu_us(&self, requests: &Requests, seconds: u64) -> Result<f64> {
        let before = cpu_ns(self.server.pid())?;
        let answered = requests.send(self.address, self.load(seconds))?;
        let spent = self.server.settled_cpu_ns()?.saturating_sub(before);
        Ok(spent as f64 / 1e3 / answered.requests)
    }
}

/// What came of some pairs.
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    /// The median of B / A.
    pub ratio: f64,
    /// The median of A.
    pub a: f64,
    /// The median of B.
    pub b: f64,
}

impl Paired {
    /// Both medians, for the table.
    pub fn note(&self) -> String {
        format!("{:.1} / {:.1} us", self.b, self.a)
    }
}

/// Measures both sides in turn.
pub fn paired(
    bench: &Bench,
    name: &str,
    mut a: impl FnMut() -> Result<f64>,
    mut b: impl FnMut() -> Result<f64>,
) -> Result<Paired> {
    let mut pairs = Vec::new();
    for round in 1..=bench.rounds {
        let (a, b) = (a()?, b()?);
        println!("{name}, round {round}: {a:.2}, {b:.2}, ratio {:.3}", b / a);
        pairs.push((a, b));
    }
    let of = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
    Ok(Paired { ratio: of(|(a, b)| b / a), a: of(|(a, _)| *a), b: of(|(_, b)| *b) })
}

/// CPU per request of two servers under the same requests.
pub fn paired_cpu(bench: &Bench, name: &str, sides: [Target<'_>; 2], requests: [&Requests; 2]) -> Result<Paired> {
    let ([a, b], [requests_a, requests_b]) = (sides, requests);
    a.warm_up(requests_a)?;
    b.warm_up(requests_b)?;
    paired(bench, name, || a.cpu_us(requests_a, bench.seconds), || b.cpu_us(requests_b, bench.seconds))
}
