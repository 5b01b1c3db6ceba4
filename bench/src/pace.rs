//! A client that sends a request when it is due, at a steady rate, and measures each answer from that moment: a late
//! answer also makes the next one late, and both count.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Connections used in turn, so that every thread of the server answers some.
const CONNECTIONS: usize = 8;
/// A sleep may last this much longer than asked, so the rest is waited for awake.
const SLEEP_SLACK: Duration = Duration::from_micros(150);
/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Sends a request `rate` times a second and gives the median latency. Microseconds.
///
/// # Errors
/// When a connection breaks or an answer is not 204.
pub fn median_latency_us(address: SocketAddr, request: &str, rate: u32, seconds: u64) -> Result<f64> {
    latencies_us(address, request, rate, seconds).map(crate::bars::median)
}

/// Sends a request `rate` times a second and gives each latency. Microseconds.
///
/// # Errors
/// When a connection breaks or an answer is not 204.
pub fn latencies_us(address: SocketAddr, request: &str, rate: u32, seconds: u64) -> Result<Vec<f64>> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        streams.push(stream);
    }
    let interval = Duration::from_secs(1) / rate;
    let count = u64::from(rate) * seconds;
    let mut latencies = Vec::new();
    let mut due = Instant::now() + interval;
    for (index, at) in (0..count).zip((0..CONNECTIONS).cycle()) {
        let Some(stream) = streams.get_mut(at) else { break };
        wait_until(due);
        stream.write_all(request.as_bytes())?;
        read_answer(stream)?;
        // The first answers of each connection also pay for its beginning.
        if index >= u64::from(rate) / 10 {
            latencies.push(due.elapsed().as_secs_f64() * 1e6);
        }
        due += interval;
    }
    Ok(latencies)
}

fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > SLEEP_SLACK {
        std::thread::sleep(left - SLEEP_SLACK);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

fn read_answer(stream: &mut TcpStream) -> Result<()> {
    let mut buffer = [0_u8; 1024];
    let mut filled = 0;
    while !buffer.get(..filled).unwrap_or_default().ends_with(b"\r\n\r\n") {
        let count = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        ensure!(count > 0, "a connection ended");
        filled += count;
    }
    ensure!(buffer.starts_with(b"HTTP/1.1 204"), "an answer was not 204");
    Ok(())
}
