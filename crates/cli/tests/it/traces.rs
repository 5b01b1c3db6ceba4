//! Traces and signatures: what a client signed is what is checked, whatever its request is called on the way on.

use keymint_domain::request::{Header, RequestView};
use keymint_domain::scheme::http_signature::{self, Component, SigningParameters};
use keymint_testkit::signing::now;
use keymint_testkit::{Database, Dev, Reply, Request, Upstream};
use serde_json::json;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_signature_that_covers_traceparent_holds_in_a_request_that_is_traced_and_not_with_another_value() {
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::plain());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let settings = format!(
        "[[product]]\nname = \"traced\"\ndialect = \"keymint\"\n[product.upstream_test]\naddresses = [\"{}\"]\n\
         [telemetry]\notlp_url = \"http://{nobody}\"\ntraces = 1.0\n",
        upstream.url()
    );
    let dev = Dev::serve_with(env!("CARGO_BIN_EXE_keymint"), folder.path(), Database::Sqlite, &settings);
    let key = dev.key_of(&dev.app(&dev.merchant("traced"), "traced", "traced"), &json!({ "mode": "test" }));
    let (target, authority) = ("/traced/v1/whoami", dev.gateway.to_string());
    let headers = [
        Header { name: "host", value: authority.as_bytes() },
        Header { name: "traceparent", value: CALLER.as_bytes() },
    ];
    let view = RequestView {
        method: "GET",
        scheme: "http",
        authority: &authority,
        target,
        route_at: "/traced".len(),
        headers: &headers,
        body: &[],
        client_ip: [127, 0, 0, 1].into(),
    };
    let components = ["\"@method\"", "\"@target-uri\"", "\"traceparent\""];
    let components = components.map(|one| Component::parse(one).expect("a component"));
    let parameters = SigningParameters {
        label: "sig1",
        keyid: &key.key_id,
        created: now().seconds(),
        expires: None,
        nonce: Some("0123456789abcdef"),
        tag: None,
        components: &components,
    };
    let signed = http_signature::sign(&view, &parameters, key.secret.as_bytes()).expect("a signature");
    let call = |traceparent: &str| -> Reply {
        Request::new("GET", target)
            .header("traceparent", traceparent)
            .header("signature-input", &signed.signature_input)
            .header("signature", &signed.signature)
            .send(dev.gateway)
    };
    assert_eq!(call(&CALLER.replace("-01", "-00")).status, 401, "another value was not signed");
    let reply = call(CALLER);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let told = upstream.only().field("traceparent").expect("our span");
    assert!(told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && told != CALLER, "{told}");
}
