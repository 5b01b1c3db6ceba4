//! Spans and log records go to a collector that reads them with OpenTelemetry's own messages.

use std::os::unix::fs::OpenOptionsExt;

use keymint_testkit::serve::Database;
use keymint_testkit::{Dev, Key, Request, Upstream, eventually};
use serde_json::{Value, json};

use super::far_end::FarEnd;

/// What came, until there are spans and log records of so many requests.
fn gather(collector: &mut FarEnd, requests: usize) -> (Vec<Value>, Vec<Value>) {
    let (mut spans, mut logs) = (Vec::new(), Vec::new());
    while spans.len() < requests || logs.len() < requests {
        let export = collector.next();
        assert_eq!(export["unknown"], false, "each byte of it is understood: {export}");
        assert_eq!(export["content_type"], "application/x-protobuf");
        assert_eq!(export["authorization"], "Bearer collector-token-canary");
        let list = |path: &str| export["message"].pointer(path).and_then(Value::as_array).cloned();
        spans.extend(list("/resourceSpans/0/scopeSpans/0/spans").unwrap_or_default());
        logs.extend(list("/resourceLogs/0/scopeLogs/0/logRecords").unwrap_or_default());
    }
    (spans, logs)
}

/// An attribute's value, as text.
fn attribute(of: &Value, key: &str) -> Option<String> {
    let found = of["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    let value = found["value"].as_object()?.values().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn hex(base64: &Value) -> String {
    let bytes = data_encoding::BASE64.decode(base64.as_str().unwrap_or_default().as_bytes()).expect("base 64");
    data_encoding::HEXLOWER.encode(&bytes)
}

fn metric(dev: &Dev, name: &str) -> Option<u64> {
    let metrics = Request::new("GET", "/metrics").send(dev.internal).body;
    metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok())
}

fn served(folder: &std::path::Path, upstream: &Upstream, telemetry: &str) -> Dev {
    let settings = format!(
        "[[product]]\nname = \"traced\"\ndialect = \"razorpay\"\n[product.upstream_test]\naddresses = [\"{}\"]\n{telemetry}",
        upstream.url()
    );
    Dev::serve_with(env!("CARGO_BIN_EXE_keymint"), folder, Database::Sqlite, &settings)
}

fn key(dev: &Dev) -> Key {
    dev.key_of(&dev.app(&dev.merchant("traced"), "traced", "traced"), &json!({ "mode": "test" }))
}

#[test]
fn a_collector_gets_a_span_and_a_record_of_each_decision_and_the_upstream_is_told_of_the_span() {
    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let mut collector = FarEnd::start("telemetry/collector.py");
    let port = collector.next()["port"].clone();
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::plain());
    let header = folder.path().join("otlp.header");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&header);
    let written = file
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"Authorization: Bearer collector-token-canary\n"));
    written.expect("a file");
    let telemetry = format!(
        "[telemetry]\notlp_url = \"http://127.0.0.1:{port}\"\notlp_header_file = \"{}\"\ntraces = 1.0\n\
         request_log = true\n",
        header.display()
    );
    let dev = served(folder.path(), &upstream, &telemetry);
    let key = key(&dev);
    let call = |traceparent: Option<&str>, secret: &str| {
        let proof = Key { secret: secret.to_owned(), ..key.clone() }.basic();
        let request = Request::new("GET", "/traced/v1/orders?card=4111111111111111").header("Authorization", &proof);
        match traceparent {
            Some(value) => request.header("traceparent", value).send(dev.gateway),
            None => request.send(dev.gateway),
        }
    };
    assert_eq!(call(Some(CALLER), &key.secret).status, 200);
    assert_eq!(call(None, &key.secret).status, 200);
    assert_eq!(call(Some("not-a-trace"), "wrongsecretwrongsecret12").status, 401);
    let (spans, logs) = gather(&mut collector, 3);
    let of = |list: &[Value], place: usize| list.get(place).cloned().unwrap_or_default();
    let (traced, own, denied) = (of(&spans, 0), of(&spans, 1), of(&spans, 2));
    assert_eq!(hex(&traced["traceId"]), "4bf92f3577b34da6a3ce929d0e0e4736", "the caller's trace goes on");
    assert_eq!(hex(&traced["parentSpanId"]), "00f067aa0ba902b7");
    assert_eq!((&traced["name"], &traced["kind"]), (&"GET traced".into(), &"SPAN_KIND_SERVER".into()));
    assert!(hex(&own["traceId"]).len() == 32 && hex(&own["traceId"]) != hex(&traced["traceId"]));
    assert!(own.get("parentSpanId").is_none() && denied.get("parentSpanId").is_none());
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2);
    for (seen, span) in seen.iter().zip(&spans) {
        let told = format!("00-{}-{}-01", hex(&span["traceId"]), hex(&span["spanId"]));
        assert_eq!(seen.all("traceparent"), [told], "the upstream's parent is our span, and no other");
    }
    for (span, log) in spans.iter().zip(&logs) {
        assert_eq!((&span["traceId"], &span["spanId"]), (&log["traceId"], &log["spanId"]));
        assert_eq!(attribute(span, "url.path").as_deref(), Some("/v1/orders"), "without its query");
        assert_eq!(attribute(log, "keymint.product").as_deref(), Some("traced"));
        let (begun, ended) = (&span["startTimeUnixNano"], &span["endTimeUnixNano"]);
        assert!(begun.as_str() <= ended.as_str(), "{span}");
    }
    assert_eq!(attribute(&traced, "keymint.key_id").as_deref(), Some(&*key.key_id));
    assert_eq!(attribute(&traced, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(attribute(&denied, "keymint.reason").as_deref(), Some("wrong_secret"));
    let all = format!("{spans:?}{logs:?}");
    for canary in [&*key.secret, "4111111111111111", "wrongsecret", "collector-token-canary"] {
        assert!(!all.contains(canary), "{canary}");
    }
    eventually(|| match metric(&dev, "keymint_otlp_sent_total") {
        Some(6) => Ok(()),
        sent => Err(format!("{sent:?} were sent")),
    });
    assert_eq!(metric(&dev, "keymint_otlp_lost_total"), Some(0), "what a busy collector refused came again");
}

#[test]
fn without_a_collector_in_reach_requests_are_answered_and_what_it_missed_is_counted() {
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::plain());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let dev = served(folder.path(), &upstream, &format!("[telemetry]\notlp_url = \"http://{nobody}\"\ntraces = 1.0\n"));
    let key = key(&dev);
    for _ in 0..20 {
        let reply = Request::new("GET", "/traced/v1/orders").header("Authorization", &key.basic()).send(dev.gateway);
        assert_eq!(reply.status, 200);
    }
    eventually(|| match metric(&dev, "keymint_otlp_lost_total") {
        Some(20) => Ok(()),
        lost => Err(format!("{lost:?} were counted")),
    });
}
