//! A million credentials in the cache of a real app over a real database: what each takes, and what a decision costs
//! when the keys are drawn at random.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use keymint_app::App;
use keymint_app::verify::{Decision, Way};
use keymint_domain::request::{Header, RequestView};

use crate::{cpu_ns, figure};

/// Decisions per figure.
const DECISIONS: u64 = 1_000_000;
/// Figures, of which the median counts.
const FIGURES: usize = 5;

/// Measures both.
pub async fn run(config: &Path, records: &Path, [key_id_bytes, secret_bytes]: [usize; 2]) {
    let app = crate::open(config).await;
    let records = std::fs::read(records).expect("the records");
    let width = key_id_bytes + secret_bytes;
    let key_ids: Vec<&str> = records
        .chunks_exact(width)
        .map(|record| std::str::from_utf8(record.get(..key_id_bytes).expect("a record")).expect("text"))
        .collect();
    // What the first reading itself needs is there before memory is measured.
    for key_id in key_ids.iter().take(100) {
        app.candidate(key_id).await.expect("a reading");
    }
    let before = resident_bytes();
    for key_id in key_ids.iter().skip(100) {
        assert!(app.candidate(key_id).await.expect("a reading").is_some(), "a credential is missing");
    }
    let per_credential = (resident_bytes() - before) / (key_ids.len() - 100) as f64;
    figure("bytes_per_credential", per_credential);
    if app.products.find("kpay").is_some_and(|product| key_ids.first().is_some_and(|id| id.starts_with(&*product.name)))
    {
        figure("random_ns", random_decisions(&app, &records, [key_id_bytes, width]).await);
    }
    app.close().await;
}

/// CPU time of a decision about a key drawn at random: gate, claim, cache, proof. Nanoseconds.
async fn random_decisions(app: &App, records: &[u8], [key_id_bytes, width]: [usize; 2]) -> f64 {
    let product = app.products.find("kpay").expect("a product");
    let count = u64::try_from(records.len() / width).expect("a count");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut figures = Vec::new();
    for _ in 0..FIGURES {
        let begun = cpu_ns();
        for _ in 0..DECISIONS {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from((state >> 33) % count).expect("an index") * width;
            let record = records.get(at..at + width).expect("a record");
            let (key_id, secret) = record.split_at(key_id_bytes);
            let headers = [
                Header { name: "host", value: b"pay.example" },
                Header { name: "user-agent", value: b"bench" },
                Header { name: "accept", value: b"*/*" },
                Header { name: "x-api-key", value: key_id },
                Header { name: "x-secret-key", value: secret },
            ];
            let view = RequestView {
                method: "GET",
                scheme: "http",
                authority: "pay.example",
                target: "/kpay/api/v1/payments",
                route_at: "/kpay".len(),
                headers: &headers,
                body: &[],
                client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            };
            app.check_head(product, &view).expect("the gate lets it in");
            let decision = app.verify(product, &view, Way::default()).await;
            assert!(matches!(decision, Decision::Allow(_)), "a good key was refused");
        }
        figures.push((cpu_ns() - begun) as f64 / DECISIONS as f64);
    }
    figures.sort_by(f64::total_cmp);
    figures.get(FIGURES / 2).copied().expect("a figure")
}

fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
}
