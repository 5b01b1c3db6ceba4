//! Over HTTP against bare servers: P1 to P5, the latency of P10, the system calls of P17.

use anyhow::Result;

use super::Bench;
use super::pair::{Paired, Target, paired, paired_cpu};
use crate::bare::Mode;
use crate::bars::{Figure, Unit};
use crate::keymint::{House, Running, Setting};
use crate::management::Key;
use crate::pace;
use crate::process::Bare;
use crate::signing::Signer;
use crate::syscalls::{self, Asked};
use crate::wrk::{Expected, Requests};

/// Credentials that signed requests are spread over: a signature is remembered for its key, and a key has a share.
const SIGNING_KEYS: usize = 64;
/// More signed requests a second than any server here answers.
const SIGNED_PER_SECOND: usize = 90_000;
/// Signed requests for a traced server, which answers a fraction of what it otherwise does.
const SIGNED_TRACED: usize = 100_000;
/// System calls for each request.
const CALLS_MAX: f64 = 3.2;
/// The rate at which latency is measured.
const RATE: u32 = 1000;
/// A key id of the right shape that nobody has.
pub const NOBODY: &str = "kpay_test_00112233445566778899aabbccddeeff0011223344556677";

/// Everything that runs while this section measures.
pub struct Stage {
    /// The request log is off.
    pub quiet: Running,
    logging: Option<Running>,
    bare: Bare,
    /// Requests with a key pair.
    pub pair: Requests,
    /// The same in one text.
    pub pair_text: String,
    /// Requests with HTTP Basic.
    pub basic: Requests,
    key: Key,
}

/// Requests with a key pair in two headers.
pub fn key_pair_template(key_id: &str, secret: &str) -> String {
    format!(
        "GET /kpay/api/v1/payments HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\
         X-Api-Key: {key_id}\r\nX-Secret-Key: {secret}\r\n\r\n"
    )
}

/// Requests with HTTP Basic.
pub fn basic_template(key: &Key) -> String {
    let pair = data_encoding::BASE64.encode(format!("{}:{}", key.key_id, key.secret).as_bytes());
    format!(
        "GET /razorpay/v1/orders HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\
         Authorization: Basic {pair}\r\n\r\n"
    )
}

/// Calls that ask for the decision about such a request.
pub fn verify_call_template(key: &Key) -> String {
    let body = serde_json::json!({
        "product": "kpay", "method": "GET", "target": "/kpay/api/v1/payments", "client_ip": "203.0.113.7",
        "headers": [
            ["host", "pay.example"], ["user-agent", "bench"], ["accept", "*/*"],
            ["x-api-key", key.key_id], ["x-secret-key", key.secret],
        ],
    });
    let body = body.to_string();
    format!(
        "POST /v1/verify HTTP/1.1\r\nHost: keymint.internal\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Stage {
    fn set_up(bench: &Bench) -> Result<Self> {
        let fresh = |name: &str, setting: Setting| -> Result<Running> {
            let folder = bench.folder.join(name);
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            House::set_up(&folder, setting)?.start()
        };
        let quiet = fresh("quiet", Setting::default())?;
        let logging = match bench.wants("P2") {
            true => Some(fresh("logging", Setting { request_log: true, ..Setting::default() })?),
            false => None,
        };
        let mut client = quiet.client()?;
        let key = client.key("kpay")?;
        let pair_text = key_pair_template(&key.key_id, &key.secret);
        let basic = basic_template(&client.key("razorpay")?);
        Ok(Self {
            quiet,
            logging,
            bare: Bare::start(Mode::Empty)?,
            pair: Requests::alike(&bench.folder, "pair", &pair_text)?,
            pair_text,
            basic: Requests::alike(&bench.folder, "basic", &basic)?,
            key,
        })
    }

    fn bare(&self) -> Target<'_> {
        accepted(&self.bare)
    }

    fn quiet(&self) -> Target<'_> {
        Target { server: &self.quiet.server, address: self.quiet.gateway, expected: Expected::Accepted }
    }
}

fn accepted(bare: &Bare) -> Target<'_> {
    Target { server: &bare.server, address: bare.address, expected: Expected::Accepted }
}

/// A maker of signed requests with fresh credentials.
pub fn signer(running: &Running) -> Result<Signer> {
    let mut client = running.client()?;
    let keys = (0..SIGNING_KEYS).map(|_| client.key("kwikpaisa")).collect::<Result<_>>()?;
    Ok(Signer::new(keys))
}

/// Measures what was asked for.
pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let stage = Stage::set_up(bench)?;
    let mut figures = Vec::new();
    let ratio = |number, what: &str, paired: Paired, bar| {
        Figure::at_most(number, what, (paired.ratio, bar), Unit::Times).note(paired.note())
    };
    if bench.wants("P1") {
        let pair = paired_cpu(bench, "P1 key pair", [stage.bare(), stage.quiet()], [&stage.pair; 2])?;
        figures.push(ratio("P1", "key pair, log off / bare", pair, 1.25));
        let basic = paired_cpu(bench, "P1 Basic", [stage.bare(), stage.quiet()], [&stage.basic; 2])?;
        figures.push(ratio("P1", "Basic, log off / bare", basic, 1.25));
    }
    if let Some(logging) = &stage.logging {
        let (pair, lost) = with_log(bench, &stage, logging)?;
        let note = format!("{}; {lost} decisions lost", pair.note());
        figures.push(ratio("P2", "key pair, log on / bare", pair, 1.40).note(note));
    }
    if bench.wants("P3") {
        figures.push(ratio("P3", "signed 1 KB, log off / bare reading the body", signed(bench, &stage)?, 1.45));
    }
    if bench.wants("P4") {
        figures.push(ratio("P4", "POST /v1/verify / bare JSON echo", verify_call(bench, &stage)?, 1.35));
    }
    if bench.wants("P5") {
        let text = key_pair_template(NOBODY, &stage.key.secret);
        let unknown = Requests::alike(&bench.folder, "unknown", &text)?;
        let refusing = Target { expected: Expected::Refused, ..stage.quiet() };
        let pair = paired_cpu(bench, "P5 unknown key", [stage.quiet(), refusing], [&stage.pair, &unknown])?;
        figures.push(ratio("P5", "refusing an unknown key / accepting", pair, 1.10));
    }
    if bench.wants("P10") {
        figures.push(latency(bench, &stage)?);
    }
    if bench.wants("P17") {
        figures.extend(system_calls(bench, &stage)?);
    }
    stage.quiet.stop()?;
    stage.logging.map_or(Ok(()), Running::stop)?;
    Ok(figures)
}

fn system_calls(bench: &Bench, stage: &Stage) -> Result<Vec<Figure>> {
    let signed = signer(&stage.quiet)?.make(&bench.folder, SIGNED_TRACED)?;
    let (quiet, load) = (stage.quiet(), stage.quiet().load(bench.seconds));
    [("key pair", &stage.pair), ("Basic", &stage.basic), ("signed 1 KB", &signed)]
        .into_iter()
        .map(|(name, requests)| {
            syscalls::figure(quiet.server, quiet.address, Asked { name, requests, load }, CALLS_MAX)
        })
        .collect()
}

fn with_log(bench: &Bench, stage: &Stage, logging: &Running) -> Result<(Paired, f64)> {
    let key = logging.client()?.key("kpay")?;
    let text = key_pair_template(&key.key_id, &key.secret);
    let requests = Requests::alike(&bench.folder, "logged", &text)?;
    let target = Target { server: &logging.server, address: logging.gateway, expected: Expected::Accepted };
    let pair = paired_cpu(bench, "P2 key pair, log on", [stage.bare(), target], [&requests; 2])?;
    Ok((pair, logging.counter("keymint_request_log_lost_total")?))
}

fn signed(bench: &Bench, stage: &Stage) -> Result<Paired> {
    let reading = Bare::start(Mode::Read)?;
    let signer = std::cell::RefCell::new(signer(&stage.quiet)?);
    let seconds = usize::try_from(bench.seconds)?;
    let make = || signer.borrow_mut().make(&bench.folder, seconds * SIGNED_PER_SECOND);
    let warm = signer.borrow_mut().make(&bench.folder, SIGNED_PER_SECOND)?;
    accepted(&reading).warm_up(&warm)?;
    stage.quiet().warm_up(&warm)?;
    // The bare server is sent the same requests, the moment before.
    let current = std::cell::RefCell::new(warm);
    paired(
        bench,
        "P3 signed 1 KB",
        || {
            let requests = make()?;
            let cpu = accepted(&reading).cpu_us(&requests, bench.seconds);
            current.replace(requests);
            cpu
        },
        || stage.quiet().cpu_us(&current.borrow(), bench.seconds),
    )
}

fn verify_call(bench: &Bench, stage: &Stage) -> Result<Paired> {
    let echo = Bare::start(Mode::Echo)?;
    let requests = Requests::alike(&bench.folder, "verify", &verify_call_template(&stage.key))?;
    let internal = Target { address: stage.quiet.internal, ..stage.quiet() };
    paired_cpu(bench, "P4 POST /v1/verify", [accepted(&echo), internal], [&requests; 2])
}

fn latency(bench: &Bench, stage: &Stage) -> Result<Figure> {
    let of = |address| pace::median_latency_us(address, &stage.pair_text, RATE, bench.seconds);
    let pair = paired(bench, "P10 p50 at 1,000/s", || of(stage.bare.address), || of(stage.quiet.gateway))?;
    let added = pair.b - pair.a;
    let what = "p50 added by verification at 1,000/s";
    Ok(Figure::at_most("P10", what, (added, 15.0), Unit::Microseconds).note(pair.note()))
}
