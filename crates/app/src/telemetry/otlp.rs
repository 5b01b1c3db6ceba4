//! Decisions as OTLP over HTTP with protobuf (opentelemetry.io/docs/specs/otlp, section OTLP/HTTP). The messages are those of
//! `opentelemetry-proto`; batches are those of the request log. A collector that is slow or gone costs what it did not take,
//! which is counted, and nothing else: at most `WAITING_MAX` batches wait.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span, status};
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use thiserror::Error;
use tokio::sync::mpsc;

use super::TelemetryConfig;
use crate::metrics::OtlpCounters;
use crate::request_log::Record;

/// Batches that may wait for the collector; of up to 2,000 decisions each.
const WAITING_MAX: usize = 32;
/// How long a collector may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a batch is sent again that a collector was too busy for, and after how long at first.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Flags of a span: its parent is of another process, and so is the answer to whether that is known (OTLP `SpanFlags`).
const REMOTE_PARENT: u32 = 0x300;
const SAMPLED: u32 = 1;

/// Why nothing can be sent.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// The file with the header.
    #[error("`telemetry.otlp_header_file`: {0}")]
    Header(String),
    /// The client.
    #[error("making the client for telemetry: {0}")]
    Client(#[from] reqwest::Error),
}

/// A batch as it goes out.
struct Parcel {
    path: &'static str,
    body: Vec<u8>,
    /// What is in it: spans or log records.
    count: u64,
}

/// The way to a collector.
pub struct Otlp {
    parcels: mpsc::Sender<Parcel>,
    resource: Resource,
    sends_logs: bool,
    counters: Arc<OtlpCounters>,
}

impl Otlp {
    /// The way to the collector that is configured, if one is. Runs on the main runtime.
    ///
    /// # Errors
    /// `OtlpError`.
    pub fn start(config: &TelemetryConfig, counters: &Arc<OtlpCounters>) -> Result<Option<Self>, OtlpError> {
        let Some(url) = &config.otlp_url else { return Ok(None) };
        let header = config.otlp_header_file.as_deref().map(header).transpose()?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
            .default_headers(header.into_iter().collect())
            .build()?;
        let (parcels, mut waiting) = mpsc::channel::<Parcel>(WAITING_MAX);
        let (base, of_sender) = (url.trim_end_matches('/').to_owned(), Arc::clone(counters));
        tokio::spawn(async move {
            while let Some(parcel) = waiting.recv().await {
                let count = parcel.count;
                match send(&client, &base, parcel).await {
                    Ok(()) => of_sender.sent.inc_by(count),
                    Err(problem) => {
                        tracing::warn!(problem, count, "the collector did not take telemetry");
                        of_sender.lost.inc_by(count)
                    }
                };
            }
        });
        let resource = Resource {
            attributes: vec![text("service.name", "keymint"), text("service.version", env!("CARGO_PKG_VERSION"))],
            ..Resource::default()
        };
        Ok(Some(Self { parcels, resource, sends_logs: config.request_log, counters: Arc::clone(counters) }))
    }

    /// Hands decisions over; never waits.
    pub fn push(&self, records: &[Record]) {
        let spans: Vec<Span> = records.iter().filter_map(span_of).collect();
        if !spans.is_empty() {
            let count = spans.len();
            let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
            let resource_spans =
                vec![ResourceSpans { resource: Some(self.resource.clone()), scope_spans, ..ResourceSpans::default() }];
            self.hand_over("/v1/traces", count, ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        }
        if self.sends_logs {
            let log_records = records.iter().map(log_record).collect();
            let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() }];
            let resource_logs =
                vec![ResourceLogs { resource: Some(self.resource.clone()), scope_logs, ..ResourceLogs::default() }];
            self.hand_over("/v1/logs", records.len(), ExportLogsServiceRequest { resource_logs }.encode_to_vec());
        }
    }

    fn hand_over(&self, path: &'static str, count: usize, body: Vec<u8>) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if self.parcels.try_send(Parcel { path, body, count }).is_err() {
            self.counters.lost.inc_by(count);
        }
    }
}

/// `Name: value` out of a file that nobody else reads.
fn header(path: &Path) -> Result<(HeaderName, HeaderValue), OtlpError> {
    let wrong = |problem: String| OtlpError::Header(format!("{}: {problem}", path.display()));
    let mode = fs::metadata(path).map_err(|error| wrong(error.to_string()))?.mode();
    if mode & 0o077 != 0 {
        return Err(wrong("is readable by others; run `chmod 600` on it".to_owned()));
    }
    let written = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let parsed = written.trim().split_once(':').and_then(|(name, value)| {
        let mut value = HeaderValue::from_str(value.trim()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
    });
    parsed.ok_or_else(|| wrong("must hold one line, such as `Authorization: Bearer …`".to_owned()))
}

/// Sends a parcel; again while the collector says that it is busy (OTLP/HTTP, section Failures). What is wrong is said in our
/// own words: an error of the client's would quote the address.
async fn send(client: &reqwest::Client, base: &str, parcel: Parcel) -> Result<(), &'static str> {
    let body = bytes::Bytes::from(parcel.body);
    let mut pause = PAUSE;
    for left in (0..TRIES).rev() {
        let request = client.post(format!("{base}{}", parcel.path)).header(CONTENT_TYPE, "application/x-protobuf");
        let problem = match request.body(body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) if matches!(answer.status().as_u16(), 429 | 502 | 503 | 504) => "it is busy",
            Ok(_) => return Err("it refused it"),
            Err(error) if error.is_timeout() => "it did not answer in time",
            Err(_) => "it cannot be reached",
        };
        if left == 0 {
            return Err(problem);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err("it was not tried")
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "keymint.requests".to_owned(), ..InstrumentationScope::default() }
}

fn value(value: any_value::Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn text(key: &str, content: impl Into<String>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value(any_value::Value::StringValue(content.into())), ..KeyValue::default() }
}

fn number(key: &str, content: i64) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value(any_value::Value::IntValue(content)), ..KeyValue::default() }
}

/// A decision's attributes: of HTTP by the semantic conventions 1.27, ours under `keymint.`.
fn attributes(record: &Record) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("http.request.method", record.method),
        text("url.path", &*record.path),
        number("http.response.status_code", record.status.into()),
        text("client.address", record.client_ip.to_string()),
        text("keymint.product", &*record.product),
        text("keymint.request_id", String::from_utf8_lossy(&record.request_id.to_bytes())),
        text("keymint.decision", if record.reason.is_some() { "deny" } else { "allow" }),
    ];
    if let Some(reason) = record.reason {
        attributes.push(text("keymint.reason", reason.as_str()));
    }
    if let Some(scheme) = record.scheme {
        attributes.push(text("keymint.scheme", scheme.as_str()));
    }
    if let Some(known) = &record.candidate {
        attributes.push(text("keymint.mode", known.mode.as_str()));
        attributes.push(text("keymint.merchant_id", known.merchant_id.to_string()));
        attributes.push(text("keymint.app_id", known.app_id.to_string()));
        attributes.push(text("keymint.key_id", &*known.key_id));
    }
    attributes
}

fn nanoseconds(record: &Record) -> u64 {
    u64::try_from(record.at.0).unwrap_or(0).saturating_mul(1_000_000)
}

fn span_of(record: &Record) -> Option<Span> {
    let trace = record.trace?;
    let begun = nanoseconds(record);
    let parent = trace.parent_id.map(|id| id.to_be_bytes().to_vec());
    let code = if record.status >= 500 { status::StatusCode::Error } else { status::StatusCode::Unset };
    Some(Span {
        trace_id: trace.trace_id.to_be_bytes().to_vec(),
        span_id: trace.span_id.to_be_bytes().to_vec(),
        flags: if parent.is_some() { REMOTE_PARENT | SAMPLED } else { SAMPLED },
        parent_span_id: parent.unwrap_or_default(),
        name: format!("{} {}", record.method, record.product),
        kind: span::SpanKind::Server.into(),
        start_time_unix_nano: begun,
        end_time_unix_nano: begun.saturating_add(u64::from(record.duration_us).saturating_mul(1_000)),
        attributes: attributes(record),
        status: Some(Status { code: code.into(), ..Status::default() }),
        ..Span::default()
    })
}

fn log_record(record: &Record) -> LogRecord {
    let trace = record.trace;
    let mut attributes = attributes(record);
    attributes.push(number("keymint.duration_us", record.duration_us.into()));
    LogRecord {
        time_unix_nano: nanoseconds(record),
        observed_time_unix_nano: nanoseconds(record),
        severity_number: SeverityNumber::Info.into(),
        severity_text: "INFO".to_owned(),
        body: value(any_value::Value::StringValue("decided".to_owned())),
        attributes,
        flags: trace.map_or(0, |_| SAMPLED),
        trace_id: trace.map(|trace| trace.trace_id.to_be_bytes().to_vec()).unwrap_or_default(),
        span_id: trace.map(|trace| trace.span_id.to_be_bytes().to_vec()).unwrap_or_default(),
        ..LogRecord::default()
    }
}
