//! P14: how many decisions a second the request log writes down, on either engine.

use anyhow::Result;

use super::Bench;
use super::in_process::Program;
use crate::bars::{Figure, Unit};

/// Measures SQLite in the bench's folder, and PostgreSQL where `cargo xtask bench` started one.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let program = Program::build()?;
    let per_second = |place: &str| program.run(&["ingest", place])?.find("decisions_per_second");
    let path = bench.folder.join("ingest.db");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    let rate = per_second(&path.display().to_string())?;
    let mut figures =
        vec![Figure::at_least("P14", "decisions logged a second, SQLite", (rate, 100_000.0), Unit::PerSecond)];
    let postgres = std::env::var("KEYMINT_BENCH_POSTGRES");
    let url = postgres.map_err(|_| anyhow::anyhow!("`cargo xtask bench verify` starts a PostgreSQL for P14"))?;
    let rate = per_second(&url)?;
    figures.push(Figure::at_least("P14", "the same, PostgreSQL", (rate, 30_000.0), Unit::PerSecond));
    Ok(figures)
}
