//! Named steps with their result and time, and the table that ends every run. It runs no command itself.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The steps of one run, in order.
pub struct Steps {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    outcome: Outcome,
    time: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    NotRun,
}

impl Steps {
    pub fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Runs one step and remembers how it ended; a failure is printed at once and does not stop the caller.
    #[must_use = "a later step may depend on this one"]
    pub fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        self.run_for(name, work).is_some()
    }

    /// Like [`Steps::run`], for a step that later steps need something from.
    pub fn run_for<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        println!("\n== {name}");
        let started = Instant::now();
        let result = work();
        let outcome = if result.is_ok() { Outcome::Passed } else { Outcome::Failed };
        self.rows.push(Row { name: name.to_owned(), outcome, time: started.elapsed() });
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                println!("{name} failed: {error:#}");
                None
            }
        }
    }

    /// Notes a step that an earlier failure made impossible. It counts as a failure, never as a skip.
    pub fn not_run(&mut self, name: &str) {
        self.rows.push(Row { name: name.to_owned(), outcome: Outcome::NotRun, time: Duration::ZERO });
    }

    /// Prints the table and turns it into the exit code: 0 only if every step passed.
    pub fn finish(self) -> ExitCode {
        print!("\n{}", self.table());
        if self.all_passed() { ExitCode::SUCCESS } else { ExitCode::from(1) }
    }

    fn all_passed(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.outcome == Outcome::Passed)
    }

    fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max("step".len());
        let mut table = format!("{:width$}  {:8}  {:>7}\n", "step", "result", "seconds");
        for row in &self.rows {
            let result = match row.outcome {
                Outcome::Passed => "passed",
                Outcome::Failed => "FAILED",
                Outcome::NotRun => "NOT RUN",
            };
            let seconds = row.time.as_secs_f64();
            writeln!(table, "{:width$}  {result:8}  {seconds:7.1}", row.name).expect("a String takes every write");
        }
        let n_passed = self.rows.iter().filter(|row| row.outcome == Outcome::Passed).count();
        let n_failed = self.rows.len() - n_passed;
        writeln!(table, "{n_passed} steps passed, {n_failed} failed").expect("a String takes every write");
        table
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failed_step_fails_the_run_and_later_steps_still_count() {
        let mut steps = Steps::new();
        assert!(!steps.run("first", || bail!("broken")));
        assert!(steps.run("second", || Ok(())));
        assert!(!steps.all_passed());
        assert!(steps.table().contains("first   FAILED"), "{}", steps.table());
        assert!(steps.table().ends_with("1 steps passed, 1 failed\n"), "{}", steps.table());
    }

    #[test]
    fn a_step_that_could_not_run_is_a_failure() {
        let mut steps = Steps::new();
        assert!(steps.run("first", || Ok(())));
        steps.not_run("second");
        assert!(!steps.all_passed());
    }

    #[test]
    fn a_run_without_steps_has_proved_nothing() {
        assert!(!Steps::new().all_passed());
    }
}
