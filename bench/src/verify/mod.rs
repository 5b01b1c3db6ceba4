//! The bars of verification: which there are, what each needs, and the run over those that were asked for.

mod gateway;
mod in_process;
mod ingest;
mod issue;
mod pair;
mod scale;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;

use crate::bars::{Figure, Outcome};
use crate::machine;

/// What a run takes.
#[derive(Args)]
pub struct Options {
    /// Pairs of every ratio; the median counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of load on each side of a pair
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Only these bars, as in `P1,P3`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// What every measurement needs.
pub struct Bench {
    folder: PathBuf,
    rounds: usize,
    seconds: u64,
    only: Vec<String>,
}

impl Bench {
    /// Whether a bar was asked for.
    fn wants(&self, number: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.eq_ignore_ascii_case(number))
    }

    fn wants_any(&self, numbers: &[&str]) -> bool {
        numbers.iter().any(|number| self.wants(number))
    }
}

pub use gateway::{NOBODY, basic_template, key_pair_template, signer, verify_call_template};

type Section = fn(&Bench) -> Result<Vec<Figure>>;

const SECTIONS: [(&[&str], Section); 5] = [
    (&["P1", "P2", "P3", "P4", "P5", "P10", "P17"], gateway::measure),
    (&["P6"], in_process::measure),
    (&["P13"], issue::measure),
    (&["P14"], ingest::measure),
    (&["P11", "P12", "P16"], scale::measure),
];

/// Measures and prints the table; fails when a bar is missed.
///
/// # Errors
/// When something cannot be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(options.rounds > 0 && options.seconds > 0, "at least one round of one second");
    let folder = machine::folder();
    std::fs::create_dir_all(&folder)?;
    machine::step_forward();
    let bench = Bench { folder, rounds: options.rounds, seconds: options.seconds, only: options.only.clone() };
    let title = format!(
        "keymint-bench verify, {} rounds of {} s, {}\ncommit {}\n{}",
        bench.rounds,
        bench.seconds,
        machine::day(),
        machine::commit(),
        machine::describe()
    );
    println!("{title}\n");
    let mut figures = Vec::new();
    for (numbers, section) in SECTIONS {
        if bench.wants_any(numbers) {
            figures.extend(section(&bench)?);
        }
    }
    println!("\n{title}\n");
    figures.iter().for_each(|figure| println!("{}", figure.line()));
    let count = |wanted| figures.iter().filter(|figure| figure.outcome() == wanted).count();
    let missed = count(Outcome::Missed);
    println!("\n{} reached, {} within the noise, {missed} missed", count(Outcome::Reached), count(Outcome::Noise));
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
