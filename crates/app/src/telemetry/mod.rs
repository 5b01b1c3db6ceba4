//! What Keymint tells a collector over OTLP: a span for some of the requests, and on request each decision as a log record.
//! Both are made of what the request log writes anyway, off the request's path; a request that is traced costs one header
//! more.
//!
//! Whether a request is traced is decided here, whatever its caller asks for: anybody on the Internet could ask. The caller's
//! trace goes on where it is (W3C Trace Context, section 3.2), and the upstream gets ours as its parent.

pub mod otlp;

use std::path::PathBuf;

use keymint_domain::entropy::{Entropy, EntropyError};
use serde::Deserialize;
use url::Url;

/// The length of a `traceparent` of version 00. Bytes.
const TRACEPARENT_LENGTH: usize = 55;

/// The `[telemetry]` table of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Where a collector takes OTLP over HTTP: `http://127.0.0.1:4318`. Without it nothing is sent.
    pub otlp_url: Option<String>,
    /// A file with a header for it, as `Authorization: Bearer …`; readable by its owner alone.
    pub otlp_header_file: Option<PathBuf>,
    /// The share of requests that are traced, from 0 to 1.
    pub traces: f64,
    /// Whether each decision goes out as a log record.
    pub request_log: bool,
}

impl TelemetryConfig {
    /// What is wrong with a setting, and which.
    ///
    /// # Errors
    /// The setting's name, and what would be right.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_base = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.path() == "/"
                && url.query().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        };
        if self.otlp_url.as_deref().is_some_and(|url| !Url::parse(url).is_ok_and(|url| is_base(&url))) {
            return Err(("otlp_url", "must be such as http://127.0.0.1:4318: no path, no user"));
        }
        if !(0.0..=1.0).contains(&self.traces) {
            return Err(("traces", "must be from 0 (none) to 1 (each request)"));
        }
        let is_used = self.traces > 0.0 || self.request_log || self.otlp_header_file.is_some();
        if self.otlp_url.is_none() && is_used {
            return Err(("otlp_url", "must name the collector, for anything to be sent"));
        }
        Ok(())
    }
}

/// A span of ours: a request, as one of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub trace_id: u128,
    /// This request in it.
    pub span_id: u64,
    /// The caller's span.
    pub parent_id: Option<u64>,
}

impl Trace {
    /// What the upstream is told: this span, and that it is recorded (W3C Trace Context, section 3.2.2).
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-01", self.trace_id, self.span_id)
    }
}

/// Decides which requests are traced.
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    /// Of 2^32 requests so many are.
    traced: u64,
    seed: u128,
}

impl Sampler {
    /// A sampler for a share of the requests.
    ///
    /// # Errors
    /// When there is no randomness: ids could be foreseen.
    pub fn new(config: &TelemetryConfig, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut seed = [0_u8; 16];
        entropy.fill(&mut seed)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 2^32")]
        let traced = (config.traces * 4_294_967_296.0) as u64;
        Ok(Self { traced, seed: u128::from_be_bytes(seed) })
    }

    /// The request's span, where it is one of those that are traced. `number` is the request's own.
    pub fn begin(&self, number: u128, traceparent: Option<&[u8]>) -> Option<Trace> {
        if self.traced == 0 {
            return None;
        }
        let drawn = mixed(number ^ self.seed);
        if drawn >> 96 >= u128::from(self.traced) {
            return None;
        }
        let span_id = u64::try_from(drawn & u128::from(u64::MAX)).unwrap_or(1).max(1);
        Some(match traceparent.and_then(parse) {
            Some((trace_id, parent_id)) => Trace { trace_id, span_id, parent_id: Some(parent_id) },
            None => Trace { trace_id: mixed(drawn ^ self.seed.rotate_left(64)).max(1), span_id, parent_id: None },
        })
    }
}

/// Spreads a number over all bits: two rounds of multiplying and folding. Ids have to differ, and not to be secret.
fn mixed(number: u128) -> u128 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let once = (number ^ (number >> 64)).wrapping_mul(ODD);
    (once ^ (once >> 67)).wrapping_mul(ODD ^ (ODD << 2))
}

/// The trace and the caller's span (W3C Trace Context, section 3.2.2); nothing of what is not of its form.
fn parse(traceparent: &[u8]) -> Option<(u128, u64)> {
    let text = std::str::from_utf8(traceparent).ok()?;
    // Later versions begin as this one does; `ff` is none.
    let is_whole = text.len() == TRACEPARENT_LENGTH || text.as_bytes().get(TRACEPARENT_LENGTH) == Some(&b'-');
    let (version, rest) = text.get(..TRACEPARENT_LENGTH)?.split_once('-')?;
    let is_longer = text.len() > TRACEPARENT_LENGTH;
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_whole || !hex(version, 2) || version == "ff" || (version == "00" && is_longer) {
        return None;
    }
    let mut parts = rest.split('-');
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    if !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let (trace_id, span_id) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
    (trace_id != 0 && span_id != 0).then_some((trace_id, span_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_callers_trace_goes_on_and_what_is_not_of_its_form_does_not() {
        assert_eq!(parse(GOOD.as_bytes()), Some((0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7)));
        assert!(parse(format!("cc{}-what-comes-later", &GOOD[2..]).as_bytes()).is_some());
        for wrong in [
            GOOD.to_uppercase(),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            format!("ff{}", &GOOD[2..]),
            format!("{GOOD}-more"),
            format!("cc{}x", &GOOD[2..]),
            GOOD[..54].to_owned(),
            GOOD.replace('-', "_"),
            "é".repeat(40),
            String::new(),
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn the_share_that_is_traced_is_the_one_asked_for_and_ids_differ() {
        let sampler = |share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 2^32")]
            let traced = (share * 4_294_967_296.0) as u64;
            Sampler { traced, seed: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef }
        };
        for (share, range) in [(0.0, 0..=0), (0.01, 850..=1_150), (0.5, 49_000..=51_000), (1.0, 100_000..=100_000)] {
            let sampler = sampler(share);
            let traces: Vec<Trace> = (0..100_000).filter_map(|number| sampler.begin(number, None)).collect();
            assert!(range.contains(&traces.len()), "{share}: {}", traces.len());
            let ids: std::collections::BTreeSet<_> =
                traces.iter().map(|trace| (trace.trace_id, trace.span_id)).collect();
            assert_eq!(ids.len(), traces.len());
        }
        let trace = sampler(1.0).begin(7, Some(GOOD.as_bytes())).expect("each is traced");
        assert_eq!(trace.parent_id, Some(0x00f0_67aa_0ba9_02b7));
        assert!(trace.traceparent().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && trace.traceparent() != GOOD);
        assert_eq!(parse(trace.traceparent().as_bytes()), Some((trace.trace_id, trace.span_id)));
    }
}
