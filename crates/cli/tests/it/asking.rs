//! Forward-auth as a proxy asks: how a question names its request and its body, and what may be asked by nobody. With the
//! proxies themselves, `forward_auth/`.

use keymint_domain::dialect::credential_headers::CREDENTIAL_HEADERS;
use keymint_testkit::{Call, Dev, Key, Reply, Request, free_ports, signing};
use serde_json::json;

use crate::dev;

const PATH: &str = "/v1/forward-auth/razorpay";

fn named(path: &str) -> Request {
    Request::new("GET", path).header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", "/v1/orders")
}

#[test]
fn a_question_behind_a_prefix_is_about_its_own_method_and_path() {
    let dev = dev();
    let merchant = dev.merchant("asking-prefix");
    let app = dev.app(&merchant, "keymint", "prefix");
    let key = dev.key_of(&app, &json!({ "mode": "test", "scopes": ["read"] }));
    let ask = |method: &str, target: &str| {
        let request = Request::new(method, &format!("/v1/forward-auth/keymint{target}"));
        request.header("Authorization", &format!("Bearer {}", key.secret)).send(dev.internal).status
    };
    assert_eq!((ask("GET", "/v1/payments"), ask("GET", "/v1/payments?a=%20"), ask("GET", "/")), (200, 200, 200));
    assert_eq!(ask("DELETE", "/v1/payments"), 403, "the method is the question's own, and out of scope");
    for odd in ["/v1/../payments", "//v1/payments", "/v1/%2e%2e/x", "/v1;a/payments", "/v1/payments?api_key=x"] {
        assert_eq!(ask("GET", odd), 400, "{odd}");
    }
    assert_eq!(ask("GET", "x/v1/payments"), 404, "another product's name");
    let two = named("/v1/forward-auth/keymint/v1/payments").header("Authorization", &format!("Bearer {}", key.secret));
    assert_eq!(two.send(dev.internal).status, 400, "named in two ways");
}

#[test]
fn the_query_of_a_question_is_not_the_requests() {
    let dev = dev();
    let key = dev.key("razorpay", "query");
    let ask = |path: &str| named(path).header("Authorization", &key.basic()).send(dev.internal).status;
    assert_eq!(ask(&format!("{PATH}?count=2")), 200, "as Caddy asks");
    assert_eq!(ask(&format!("{PATH}/?count=2")), 400);
}

#[test]
fn a_field_in_our_name_that_no_proxy_sends_is_refused_in_every_spelling() {
    let dev = dev();
    let key = dev.key("razorpay", "ours");
    let ask =
        |name: &str| named(PATH).header("Authorization", &key.basic()).header(name, "none").send(dev.internal).status;
    for name in [
        "X-Keymint-Merchant",
        "x-keymint-key",
        "X-KEYMINT-MODE",
        "X_Keymint_Key",
        "X-Keymint_Key",
        "X.Keymint.Key",
        "X!Keymint!Key",
        "X-Keymint-Anything",
        "X-Keymint-",
        "X_Keymint_Body",
        "X-Keymint_Client-IP",
        "X-Keymint-Body-",
    ] {
        assert_eq!(ask(name), 400, "{name}");
    }
    for name in
        ["X-Keymint-Body", "X-Keymint-Answer", "X-Keymint-Client-IP", "X-Keymin-Key", "X-Keymints", "Keymint-Key"]
    {
        assert_eq!(ask(name), 200, "{name}");
    }
}

/// How a signed request is asked about: the words for its body, and the body itself.
fn signed(dev: &Dev, key: &Key, of: &'static str, words: &[(&str, &str)], body: &str) -> Reply {
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/status", of);
    let request = Request::new("POST", "/v1/forward-auth/kwikpaisa/api/v3/pg/order/status")
        .headers(&call.credentials(dev.gateway, key))
        .body(body);
    words.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.internal)
}

#[test]
fn a_signature_counts_only_over_a_body_that_the_proxy_speaks_for() {
    let dev = dev();
    let key = dev.key("kwikpaisa", "body");
    let order = r#"{"order_id":"1"}"#;
    let (whole, none) = (("X-Keymint-Body", "whole"), ("X-Keymint-Body", "none"));
    let partial = |value| ("x-envoy-auth-partial-body", value);
    for (words, what) in [
        (&[][..], "nothing is said of it"),
        (&[none], "there is one, and it says none"),
        (&[("X-Keymint-Body", "Whole")], "another word"),
        (&[whole, whole], "said twice"),
        (&[whole, partial("true")], "a part of it"),
        (&[whole, partial("false"), partial("true")], "a part of it, perhaps"),
    ] {
        assert_eq!(signed(&dev, &key, order, words, order).status, 401, "{what}");
    }
    assert_eq!(signed(&dev, &key, order, &[whole], r#"{"order_id":"2"}"#).status, 401, "another body");
    assert_eq!(signed(&dev, &key, order, &[whole, partial("false")], order).status, 200);
    assert_eq!(signed(&dev, &key, order, &[whole], order).status, 401, "it is spent");
}

#[test]
fn a_signature_over_nothing_needs_a_word_that_there_is_nothing() {
    let dev = dev();
    for (index, (words, status)) in
        [(&[][..], 401), (&[("X-Keymint-Body", "none")], 200), (&[("X-Keymint-Body", "whole")], 200)].iter().enumerate()
    {
        let key = dev.key("kwikpaisa", &format!("empty-{index}"));
        assert_eq!(signed(&dev, &key, "", words, "").status, *status, "{words:?}");
    }
}

#[test]
fn an_answer_comes_in_fields_or_as_a_redirect_when_it_is_asked_for_so() {
    let dev = dev();
    let plain = named(PATH).send(dev.internal);
    let fields = named(PATH).header("X-Keymint-Answer", "fields").send(dev.internal);
    assert_eq!((plain.status, fields.status, fields.body.as_str()), (401, 403, ""));
    assert_eq!(fields.header("x-keymint-answer-status"), Some("401"));
    assert_eq!(fields.header("x-keymint-answer-type"), plain.header("content-type"));
    assert_eq!(fields.header("x-keymint-answer-body"), Some(plain.body.as_str()));
    let key = dev.key("razorpay", "redirect");
    let ask = |wish: &str| {
        let request = named(PATH).header("Authorization", &key.basic()).header("X-Keymint-Answer", wish);
        request.send(dev.internal).header("x-accel-redirect").map(str::to_owned)
    };
    assert_eq!((ask("redirect").as_deref(), ask("fields"), ask("Redirect")), (Some("@keymint_allowed"), None, None));
    let denied = named(PATH).header("X-Keymint-Answer", "redirect").send(dev.internal);
    assert_eq!((denied.status, denied.header("x-accel-redirect")), (401, None));
    let other = named(PATH).header("X-Keymint-Answer", "body").send(dev.internal);
    assert_eq!((other.status, other.header("x-keymint-answer-status")), (401, None));
}

#[test]
fn a_client_is_where_the_proxy_says_only_when_the_operator_says_so() {
    let believing = Dev::serve_listening(env!("CARGO_BIN_EXE_keymint"), "client_ip_header = \"x-real-ip\"\n", &[]);
    let plain = Dev::serve_listening(env!("CARGO_BIN_EXE_keymint"), "", &[]);
    let ask = |dev: &Dev, key: &Key, names: &[(&str, &str)]| {
        let request = named(PATH).header("Authorization", &key.basic());
        names.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.internal).status
    };
    let key = |dev: &Dev| {
        let app = dev.app(&dev.merchant("asking-ip"), "razorpay", "address");
        dev.key_of(&app, &json!({ "mode": "test", "allowed_ips": ["203.0.113.7"] }))
    };
    let (known, unknown) = (key(&believing), key(&plain));
    assert_eq!(ask(&believing, &known, &[("X-Real-IP", "203.0.113.7")]), 200);
    for wrong in [
        &[][..],
        &[("X-Real-IP", "203.0.113.8")],
        &[("X-Real-IP", "203.0.113.7, 203.0.113.7")],
        &[("X-Real-IP", "203.0.113.7"), ("X-Real-IP", "203.0.113.7")],
        &[("X-Forwarded-For", "203.0.113.7")],
        &[("X-Keymint-Client-IP", "203.0.113.7")],
    ] {
        assert_ne!(ask(&believing, &known, wrong), 200, "{wrong:?}");
    }
    assert_ne!(ask(&plain, &unknown, &[("X-Real-IP", "203.0.113.7")]), 200, "nobody is believed by default");
}

#[test]
fn a_listener_for_proxies_on_an_open_address_refuses_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keymint.toml");
    let port = free_ports();
    for (line, setting) in [
        (format!("ext_authz = \"0.0.0.0:{port}\""), "listen.ext_authz"),
        ("client_ip_header = \"X Real\"".to_owned(), "listen.client_ip_header"),
        ("client_ip_header = \"X-Real-IP\"".to_owned(), "listen.client_ip_header"),
    ] {
        let text = format!(
            "data = \"{0}\"\n[listen]\nconsole = \"127.0.0.1:{port}\"\ngateway = \"127.0.0.1:{port}\"\ninternal = \
             \"127.0.0.1:{port}\"\n{line}\n[database]\nsqlite = \"{0}/k.db\"\n[master_key]\nfile = \
             \"{0}/k\"\n[[product]]\nname = \"kpay\"\ndialect = \"kpay\"\n",
            folder.path().display()
        );
        std::fs::write(&file, text).expect("a file");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_keymint"));
        let ended = command.arg("serve").arg("--config").arg(&file).output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && said.contains(setting), "{line}: {said}");
    }
}

/// Each shipped configuration takes away every field that carries credentials in some dialect of ours.
#[test]
fn no_shipped_configuration_forgets_a_credential() {
    let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let own: Vec<String> = ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"]
        .into_iter()
        .flat_map(|name| signing::dialect(name).extra_credential_headers.into_iter().map(String::from))
        .collect();
    let names: Vec<String> = CREDENTIAL_HEADERS.into_iter().map(str::to_owned).chain(own).collect();
    assert!(names.len() > CREDENTIAL_HEADERS.len(), "{names:?}");
    for file in [
        "nginx/keymint-headers.conf",
        "caddy/Caddyfile",
        "haproxy/haproxy.cfg",
        "apache/keymint.conf",
        "envoy/http.yaml",
        "envoy/grpc.yaml",
        "traefik/keymint.yaml",
    ] {
        let text = std::fs::read_to_string(deploy.join(file)).expect("a shipped file").to_lowercase();
        let words: Vec<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').collect();
        for name in &names {
            let is_there = words.iter().any(|word| word.trim_start_matches('-') == name);
            assert!(is_there, "{file} lets {name} through");
        }
    }
}
