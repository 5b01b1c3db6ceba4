//! Counters, named once. Labels are products and reasons: closed lists, so the number of series is bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use keymint_domain::reason::DenyReason;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::request_log::Counters as LogCounters;
use crate::upstream::{Address, Upstream};

type Labels = Vec<(String, String)>;

/// Upper ends of the steps in which durations are counted. Seconds.
const DURATION_STEPS: [f64; 16] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted of telemetry.
#[derive(Debug, Default)]
pub struct OtlpCounters {
    /// Spans and log records that the collector took.
    pub sent: Counter,
    /// Those that it did not.
    pub lost: Counter,
}

/// Every counter.
pub struct Metrics {
    registry: Registry,
    decisions: BTreeMap<Arc<str>, PerProduct>,
    /// Of the request log itself.
    pub log: LogCounters,
    /// Of telemetry.
    pub otlp: Arc<OtlpCounters>,
    process: ProcessGauges,
    /// Counts under quotas that were written down.
    pub quotas_written: Counter,
    /// Whether each address of an upstream is well; set when the text is asked for.
    addresses: Vec<(Arc<Upstream>, Vec<Gauge>)>,
    certificates: Family<Labels, Gauge>,
    acme: AcmeFamilies,
}

/// What is counted of certificates by ACME.
#[derive(Default)]
struct AcmeFamilies {
    orders: Family<Labels, Counter>,
    failures: Family<Labels, Gauge>,
}

impl AcmeFamilies {
    fn registered(registry: &mut Registry) -> Self {
        let families = Self::default();
        let help = "Orders of certificates by ACME, by their first host and outcome (issued, failed)";
        registry.register("acme_orders", help, families.orders.clone());
        let help = "Orders of a certificate by ACME that failed since one was issued; 0 is well";
        registry.register("acme_failures_in_a_row", help, families.failures.clone());
        families
    }
}

/// What the operating system says of this process; asked when the text is.
#[derive(Default)]
struct ProcessGauges {
    resident_bytes: Gauge,
    open_files: Gauge,
}

impl ProcessGauges {
    fn registered(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        registry.register("process_resident_memory_bytes", "Memory in use", gauges.resident_bytes.clone());
        registry.register("process_open_files", "Open files and connections", gauges.open_files.clone());
        let version = Info::new([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        registry.register("build", "What is running", version);
        gauges
    }

    /// What cannot be read stays as it was.
    fn look(&self) {
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let resident = pages.and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<i64>().ok());
        if let Some(pages) = resident {
            let page = i64::try_from(rustix::param::page_size()).unwrap_or(4096);
            self.resident_bytes.set(pages.saturating_mul(page));
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(i64::try_from(files.count()).unwrap_or(i64::MAX));
        }
    }
}

struct PerProduct {
    allowed: Counter,
    denied: HashMap<DenyReason, Counter>,
}

impl Metrics {
    /// Counters for these products and upstreams.
    pub fn new<'a>(products: impl Iterator<Item = &'a Arc<str>> + Clone, upstreams: &[Arc<Upstream>]) -> Self {
        let mut registry = Registry::with_prefix("keymint");
        let family = Family::<Labels, Counter>::default();
        let help = "Decisions about requests, by product and outcome (allow, or the reason of the denial)";
        registry.register("decisions", help, family.clone());
        let durations = durations(&mut registry, products.clone());
        let log = LogCounters { durations: Arc::new(durations), ..LogCounters::default() };
        registry.register("request_log_written", "Decisions that were written to the request log", log.written.clone());
        registry.register("request_log_lost", "Decisions that did not reach the request log", log.lost.clone());
        let help = "Decisions that did not reach the file of the request log";
        registry.register("request_log_not_exported", help, log.not_exported.clone());
        let otlp = Arc::new(OtlpCounters::default());
        registry.register("otlp_sent", "Spans and log records that the collector took", otlp.sent.clone());
        registry.register("otlp_lost", "Spans and log records that the collector did not take", otlp.lost.clone());
        let quotas_written = Counter::default();
        registry.register("quota_counts_written", "Counts under quotas, written down", quotas_written.clone());
        let counter = |product: &Arc<str>, outcome: &str| {
            let labels = vec![("product".to_owned(), product.to_string()), ("outcome".to_owned(), outcome.to_owned())];
            family.get_or_create_owned(&labels)
        };
        let decisions = products
            .map(|product| {
                let denied = DenyReason::ALL.iter().map(|reason| (*reason, counter(product, reason.as_str())));
                let per_product = PerProduct { allowed: counter(product, "allow"), denied: denied.collect() };
                (Arc::clone(product), per_product)
            })
            .collect();
        let addresses = addresses(&mut registry, upstreams);
        let certificates = Family::<Labels, Gauge>::default();
        let help = "When the certificate of a listener ends. Seconds since the epoch";
        registry.register("tls_certificate_not_after_seconds", help, certificates.clone());
        let acme = AcmeFamilies::registered(&mut registry);
        let process = ProcessGauges::registered(&mut registry);
        Self { registry, decisions, log, otlp, process, quotas_written, addresses, certificates, acme }
    }

    /// Counts a decision.
    pub fn decided(&self, product: &str, reason: Option<DenyReason>) {
        let Some(per_product) = self.decisions.get(product) else { return };
        match reason {
            None => {
                per_product.allowed.inc();
            }
            Some(reason) => {
                if let Some(counter) = per_product.denied.get(&reason) {
                    counter.inc();
                }
            }
        }
    }

    /// Notes when the certificate of a listener ends that stands in this file. The files are those of the configuration,
    /// so the number of series is bounded.
    pub fn certificate_ends(&self, listener: &str, file: &str, at_seconds: i64) {
        let labels = vec![("listener".to_owned(), listener.to_owned()), ("file".to_owned(), file.to_owned())];
        self.certificates.get_or_create_owned(&labels).set(at_seconds);
    }

    /// Counts an order by ACME. Hosts are those of the configuration, so the number of series is bounded.
    pub fn acme_ordered(&self, host: &str, is_issued: bool) {
        let outcome = if is_issued { "issued" } else { "failed" };
        let labels = vec![("host".to_owned(), host.to_owned()), ("outcome".to_owned(), outcome.to_owned())];
        self.acme.orders.get_or_create_owned(&labels).inc();
    }

    /// Notes how many orders of a certificate by ACME have failed in a row.
    pub fn acme_waits(&self, host: &str, failures: u32) {
        self.acme.failures.get_or_create_owned(&vec![("host".to_owned(), host.to_owned())]).set(failures.into());
    }

    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        for (upstream, gauges) in &self.addresses {
            for (address, gauge) in upstream.addresses.iter().zip(gauges) {
                gauge.set(i64::from(address.is_well()));
            }
        }
        self.process.look();
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
}

/// How long requests of each product took; observed off their path, with the request log.
fn durations<'a>(
    registry: &mut Registry,
    products: impl Iterator<Item = &'a Arc<str>>,
) -> BTreeMap<Arc<str>, Histogram> {
    let family = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(DURATION_STEPS));
    let help = "From a request's head to the head of its answer, an upstream's included";
    registry.register_with_unit("request_duration", help, Unit::Seconds, family.clone());
    let of = |product: &Arc<str>| family.get_or_create_owned(&vec![("product".to_owned(), product.to_string())]);
    products.map(|product| (Arc::clone(product), of(product))).collect()
}

/// A gauge for each address. They are the operator's own, so the number of series is bounded.
fn addresses(registry: &mut Registry, upstreams: &[Arc<Upstream>]) -> Vec<(Arc<Upstream>, Vec<Gauge>)> {
    let family = Family::<Labels, Gauge>::default();
    let help = "Whether an address of an upstream is well (1) or gets no requests (0)";
    registry.register("upstream_address_well", help, family.clone());
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let gauges = |upstream: &Upstream| {
        let of = |address: &Address| {
            let labels = vec![
                label("product", &upstream.product),
                label("mode", upstream.mode.as_str()),
                label("address", &address.authority),
            ];
            family.get_or_create_owned(&labels)
        };
        upstream.addresses.iter().map(of).collect()
    };
    upstreams.iter().map(|upstream| (Arc::clone(upstream), gauges(upstream))).collect()
}
