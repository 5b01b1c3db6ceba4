//! Counters, named once. Labels are products and reasons: closed lists, so the number of series is bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use keymint_domain::reason::DenyReason;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::upstream::{Address, Upstream};

type Labels = Vec<(String, String)>;

/// Every counter.
pub struct Metrics {
    registry: Registry,
    decisions: BTreeMap<Arc<str>, PerProduct>,
    /// Decisions that did not reach the request log.
    pub log_lost: Counter,
    /// Whether each address of an upstream is well; set when the text is asked for.
    addresses: Vec<(Arc<Upstream>, Vec<Gauge>)>,
    certificates: Family<Labels, Gauge>,
}

struct PerProduct {
    allowed: Counter,
    denied: HashMap<DenyReason, Counter>,
}

impl Metrics {
    /// Counters for these products and upstreams.
    pub fn new<'a>(products: impl Iterator<Item = &'a Arc<str>>, upstreams: &[Arc<Upstream>]) -> Self {
        let mut registry = Registry::with_prefix("keymint");
        let family = Family::<Labels, Counter>::default();
        let help = "Decisions about requests, by product and outcome (allow, or the reason of the denial)";
        registry.register("decisions", help, family.clone());
        let log_lost = Counter::default();
        registry.register("request_log_lost", "Decisions that did not reach the request log", log_lost.clone());
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
        Self { registry, decisions, log_lost, addresses, certificates }
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

    /// The text that Prometheus reads (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        for (upstream, gauges) in &self.addresses {
            for (address, gauge) in upstream.addresses.iter().zip(gauges) {
                gauge.set(i64::from(address.is_well()));
            }
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written");
        }
        text
    }
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
