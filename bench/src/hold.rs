//! Idle connections held by processes of their own, because a process may have only so many files open.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::machine;

/// Connections of one process.
const EACH: usize = 5_000;
/// Connections that are looked at in a row.
const LOOKS: usize = 10;
/// A pause behind that: each is looked at once a second.
const PAUSE: Duration = Duration::from_millis(2);

/// What a process takes that holds connections.
#[derive(Args)]
pub struct Options {
    /// Where to connect
    address: SocketAddr,
    /// How many connections are held
    count: usize,
}

/// Opens the connections, says so in a line, and opens another for each that is ended, until standard input is closed.
///
/// # Errors
/// When no connection can be had.
pub fn run(options: &Options) -> Result<()> {
    machine::raise_open_files();
    machine::step_back();
    let address = options.address;
    let come = move || -> Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let mut streams = (0..options.count).map(|_| come()).collect::<Result<Vec<_>>>()?;
    println!("there");
    std::thread::spawn(move || {
        loop {
            for part in streams.chunks_mut(LOOKS) {
                for stream in part {
                    if !is_silent(stream)
                        && let Ok(fresh) = come()
                    {
                        *stream = fresh;
                    }
                }
                std::thread::sleep(PAUSE);
            }
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Whether the other side of a connection that does not block has neither said anything nor ended it.
pub fn is_silent(stream: &TcpStream) -> bool {
    matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Connections that are held by others until this is dropped.
pub struct Held(Vec<(Child, Option<ChildStdin>)>);

impl Held {
    /// Has so many opened, and waits until all are there.
    ///
    /// # Errors
    /// When a process does not start or finds no connection.
    pub fn open(address: SocketAddr, count: usize) -> Result<Self> {
        let mut held = Self(Vec::new());
        for first in (0..count).step_by(EACH) {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["hold", &address.to_string(), &EACH.min(count - first).to_string()]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let (input, output) = (child.stdin.take(), child.stdout.take().context("its standard output")?);
            held.0.push((child, input));
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            ensure!(line.trim() == "there", "a process that holds idle connections ended");
        }
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (child, input) in &mut self.0 {
            drop(input.take());
            let _ = child.wait();
        }
    }
}
