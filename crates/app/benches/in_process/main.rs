//! Figures from inside the process, one JSON line each, for `keymint-bench`: the pure decision, a million credentials
//! in memory, filling a database with them, and writing down decisions.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod fill;
mod hot;
mod ingest;
mod population;

use std::path::Path;
use std::sync::Arc;

use keymint_app::clock::SystemClock;
use keymint_app::config::Config;
use keymint_app::entropy::SystemEntropy;
use keymint_app::products::{Products, load_dialects};
use keymint_app::{App, Parts, master_key};
use keymint_store::db::Db;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["hot"] => hot::run(None),
        ["hot", only] => hot::run(Some(only)),
        ["fill", config, product, count, records] => {
            block_on(fill::run(Path::new(config), product, count.parse().expect("a count"), Path::new(records)));
        }
        ["population", config, records, key_id_bytes, secret_bytes] => {
            let widths = [key_id_bytes, secret_bytes].map(|width| width.parse().expect("a width"));
            block_on(population::run(Path::new(config), Path::new(records), widths));
        }
        ["ingest", place] => tokio::runtime::Runtime::new().expect("a runtime").block_on(ingest::run(place)),
        _ => panic!("not a part of this bench: {arguments:?}"),
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future);
}

/// One figure, as the bench reads it.
fn figure(name: &str, value: f64) {
    println!("{}", serde_json::json!({ "name": name, "value": value }));
}

/// CPU time of this thread until now. Nanoseconds. Yielding makes the kernel bring its figure up to date.
fn cpu_ns() -> u64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("run time")
}

/// Everything that a configuration names, without listeners.
async fn open(path: &Path) -> App {
    let config = Config::load(path).expect("a configuration");
    let products = Products::new(load_dialects(None).expect("dialects"), &config.product).expect("products");
    let parts = Parts {
        db: Db::open_sqlite(config.database.sqlite.as_deref().expect("SQLite")).await.expect("the database opens"),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::default()),
        keyring: master_key::load(&config.master_key_source()).expect("a key ring"),
        products,
        data: &config.data,
        request_log: &config.request_log,
        limits: &config.limits,
        telemetry: &config.telemetry,
        post: keymint_app::post::PostOffice::keeping(),
        outbound: keymint_app::outbound::Outbound::new(&config.webhooks).expect("a client"),
        console_url: None,
    };
    App::start(parts).await.expect("the app starts")
}
