//! At a million credentials: memory, start, cost per request; in process and over HTTP.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Bench;
use super::gateway::key_pair_template;
use super::in_process::Program;
use super::pair::{Target, paired_cpu};
use crate::bars::{Figure, Unit, median};
use crate::keymint::{House, Setting};
use crate::wrk::{Expected, Load, Order, Requests};

/// Many.
const MILLION: usize = 1_000_000;
/// Few.
const THOUSAND: usize = 1_000;
/// Starts that are timed.
const STARTS: usize = 5;
/// Requests a second that a warm-up surely reaches, to know how long it takes.
const WARM_PER_SECOND: usize = 8_000;

/// A filled house.
struct Population {
    house: House,
    records: PathBuf,
    widths: [usize; 2],
    count: usize,
}

impl Population {
    /// Fills a fresh house with credentials of a product, or takes the one of an earlier run.
    fn fill(bench: &Bench, program: &Program, product: &str, count: usize) -> Result<Self> {
        let folder = bench.folder.join(format!("{product}-{count}"));
        let records = folder.join("records");
        let filled = folder.join("filled");
        if folder.exists() && !filled.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let setting = Setting { cached_credentials_max: count + count / 10, ..Setting::default() };
        let house = House::set_up(&folder, setting)?;
        if !filled.exists() {
            println!("filling a database with {count} credentials of {product}");
            let (config, records) = (text(&house.config_path())?, text(&records)?);
            let figures = program.run(&["fill", &config, product, &count.to_string(), &records])?;
            let widths = format!("{} {}", figures.find("key_id_bytes")?, figures.find("secret_bytes")?);
            std::fs::write(&filled, widths)?;
        }
        let widths = std::fs::read_to_string(&filled)?;
        let mut widths = widths.split(' ').map(str::parse::<usize>);
        let mut next = || widths.next().context("a width")?.context("a width");
        Ok(Self { house, records, widths: [next()?, next()?], count })
    }

    fn requests(&self, bench: &Bench, order: Order) -> Result<Requests> {
        let template = key_pair_template("%1%", "%2%");
        let alike = Requests::alike(&bench.folder, &format!("population-{}-{order:?}", self.count), &template)?;
        Ok(alike.varied(&self.records, &self.widths, order))
    }
}

fn text(path: &std::path::Path) -> Result<String> {
    Ok(path.to_str().context("a path that is text")?.to_owned())
}

/// Measures what was asked for.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let program = Program::build()?;
    let million = Population::fill(bench, &program, "kpay", MILLION)?;
    let mut figures = Vec::new();
    if bench.wants("P11") {
        figures.extend(memory(&program, &million, "hashed")?);
        let sealed = Population::fill(bench, &program, "kwikpaisa", MILLION)?;
        figures.extend(memory(&program, &sealed, "sealed")?);
    }
    if bench.wants("P12") {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let running = million.house.start()?;
            println!("P12 ready after {:.3} s", running.ready_after.as_secs_f64());
            starts.push(running.ready_after.as_secs_f64());
            running.stop()?;
        }
        let what = "start to ready with 1,000,000 credentials";
        figures.push(Figure::at_most("P12", what, (median(starts), 6.0), Unit::Seconds));
    }
    if bench.wants("P16") {
        let thousand = Population::fill(bench, &program, "kpay", THOUSAND)?;
        figures.push(cost(bench, &thousand, &million)?);
    }
    Ok(figures)
}

fn memory(program: &Program, population: &Population, kind: &str) -> Result<Vec<Figure>> {
    let (config, records) = (text(&population.house.config_path())?, text(&population.records)?);
    let width = |index: usize| population.widths.get(index).map_or_else(String::new, ToString::to_string);
    let found = program.run(&["population", &config, &records, &width(0), &width(1)])?;
    let mut figures = vec![Figure::at_most(
        "P11",
        format!("memory per cached credential at 1,000,000, {kind}"),
        (found.find("bytes_per_credential")?, 500.0),
        Unit::Bytes,
    )];
    if kind == "hashed" {
        let random = found.find("random_ns")? / 1e3;
        let what = "in process, keys at random over 1,000,000";
        figures.push(Figure::at_most("P16", what, (random, 10.0), Unit::Microseconds));
    }
    Ok(figures)
}

fn cost(bench: &Bench, few: &Population, many: &Population) -> Result<Figure> {
    let (few_running, many_running) = (few.house.start()?, many.house.start()?);
    // Every credential is asked for once, so that both have all of theirs at hand.
    let seconds = u64::try_from(MILLION / WARM_PER_SECOND)?;
    println!("P16: {seconds} s of walking through all credentials");
    let load = Load { connections: 64, threads: 2, seconds, wait_ms: 0, expected: Expected::Accepted };
    many.requests(bench, Order::Walk)?.send(many_running.gateway, load)?;
    let target = |running: &crate::keymint::Running| running.gateway;
    let sides = [
        Target { server: &few_running.server, address: target(&few_running), expected: Expected::Accepted },
        Target { server: &many_running.server, address: target(&many_running), expected: Expected::Accepted },
    ];
    let requests = [&few.requests(bench, Order::Random)?, &many.requests(bench, Order::Random)?];
    let pair = paired_cpu(bench, "P16 1,000,000 / 1,000", sides, requests)?;
    few_running.stop()?;
    many_running.stop()?;
    let what = "cost at 1,000,000 credentials / at 1,000";
    Ok(Figure::at_most("P16", what, (pair.ratio, 1.3), Unit::Times).note(pair.note()))
}
