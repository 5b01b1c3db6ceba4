//! A Python program at the other end of a connection, which writes what it hears as JSON lines.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::{folder, interpreter};

/// The program; ended when dropped.
pub struct FarEnd {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl FarEnd {
    /// Starts a script of the folder `interop`.
    pub fn start(script: &str) -> Self {
        let mut process = Command::new(interpreter(script))
            .arg(folder("KEYMINT_INTEROP").join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        Self { process, output }
    }

    /// The next line.
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it writes");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
