//! How many decisions a second the request log writes down: handed over as the gateway does, as fast as there is room
//! for them, until the last of them is committed and counted.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use keymint_app::clock::Stopwatch;
use keymint_app::config::RequestLogConfig;
use keymint_app::entropy::SystemEntropy;
use keymint_app::master_key::MasterKeyError;
use keymint_app::request_log::{Counters, Record, RequestIds, RequestLog};
use keymint_domain::dialect::answer::SchemeName;
use keymint_domain::dialect::{BUILT_IN, Dialect};
use keymint_domain::id::RequestId;
use keymint_domain::seal::Keyring;
use keymint_domain::time::UnixMs;
use keymint_domain::verify::Candidate;
use keymint_store::db::Db;
use tokio::task::JoinHandle;

use crate::{figure, hot};

/// Decisions handed over at a time: as many as the log writes in one transaction.
const BLOCK: usize = 16_000;
/// Blocks of one figure.
const BLOCKS: usize = 40;
/// Figures, of which the median counts.
const FIGURES: usize = 5;
/// Keys that take turns, each of an app of its own.
const KEYS: usize = 100;
const NOW: UnixMs = UnixMs(1_780_000_000_000);

/// Measures it on a fresh SQLite file, or on the PostgreSQL database of an address.
pub async fn run(place: &str) {
    let db = match place.starts_with("postgres") {
        true => Db::open_postgres(place).await.expect("the database opens"),
        false => Db::open_sqlite(Path::new(place)).await.expect("the database opens"),
    };
    let candidates = candidates();
    let mut figures = Vec::new();
    for _ in 0..=FIGURES {
        figures.push(write(&db, &candidates).await);
    }
    // The first one only warms.
    let mut figures = figures.split_off(1);
    figures.sort_by(f64::total_cmp);
    figure("decisions_per_second", figures.get(FIGURES / 2).copied().expect("a figure"));
}

/// Decisions a second, from the first that is handed over to the commit of the last and of its counts.
async fn write(db: &Db, candidates: &[Arc<Candidate>]) -> f64 {
    let (config, counters) = (RequestLogConfig::default(), Counters::default());
    let runtime = tokio::runtime::Handle::current();
    let log = RequestLog::start(db.clone(), runtime, (&config, None), counters.clone()).expect("the log starts");
    let ids = RequestIds::new(&SystemEntropy::default()).expect("randomness");
    let product: Arc<str> = "kpay".into();
    let begun = Stopwatch::start();
    let mut before: Option<JoinHandle<()>> = None;
    let mut keys = candidates.iter().cycle();
    for _ in 0..BLOCKS {
        for candidate in keys.by_ref().take(BLOCK) {
            log.push(record(&product, ids.next(NOW), candidate));
        }
        // One block is handed over while the one before is written.
        let log = log.clone();
        let written = tokio::spawn(async move { log.flush().await });
        if let Some(before) = before.replace(written) {
            before.await.expect("it is written");
        }
    }
    log.flush().await;
    let elapsed_us = begun.elapsed_us();
    let decisions = BLOCKS * BLOCK;
    let written = usize::try_from(counters.written.get()).expect("a count");
    assert_eq!((written, counters.lost.get()), (decisions, 0), "all of them and none lost");
    decisions as f64 * 1e6 / f64::from(elapsed_us)
}

fn record(product: &Arc<str>, request_id: RequestId, candidate: &Arc<Candidate>) -> Record {
    Record {
        at: NOW,
        request_id,
        product: Arc::clone(product),
        candidate: Some(Arc::clone(candidate)),
        method: "GET",
        path: "/api/v1/payments/pay_01h455vb4pex5vsk".into(),
        status: 200,
        reason: None,
        scheme: Some(SchemeName::KeyPair),
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        duration_us: 431,
        trace: None,
    }
}

fn candidates() -> Vec<Arc<Candidate>> {
    let text = Keyring::generate("k1", &SystemEntropy::default()).map_err(MasterKeyError::from).expect("a key ring");
    let keyring = Keyring::parse(&text).expect("a key ring");
    let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == "kpay.toml").expect("a built-in dialect");
    let dialect = Dialect::parse(text).expect("a built-in dialect parses");
    (0..KEYS).map(|_| Arc::new(hot::candidate(&keyring, hot::issue(&dialect, &keyring).credential))).collect()
}
