//! Planted secrets: 200 of them through every route, well-formed and malformed, at the most verbose log level. None may
//! be found anywhere but in the one answer that shows it.

use std::path::Path;

use keymint_testkit::{Call, Dev, Key, Request, http};
use serde_json::{Value, json};

const PRODUCTS: [&str; 5] = ["keymint", "kwikpaisa", "kspay", "razorpay", "kpay"];
/// Credentials per product.
const EACH: usize = 40;

fn plant(dev: &Dev) -> Vec<(&'static str, Key)> {
    let mut keys = Vec::new();
    for product in PRODUCTS {
        for number in 0..EACH {
            keys.push((product, dev.key(product, &format!("canary{number}"))));
        }
    }
    keys
}

/// Every way in which a person or a program could send a secret, rightly and wrongly.
fn requests(dev: &Dev, product: &str, key: &Key) -> Vec<Vec<u8>> {
    let host = dev.gateway.to_string();
    let (id, secret) = (&key.key_id, &key.secret);
    let path = |path: &str| format!("/{product}{path}");
    let swapped = Key { key_id: secret.clone(), secret: id.clone(), app_id: String::new() };
    let get = |target: String| Request::new("GET", &target);
    let mut requests = vec![
        get(path("/v1/orders")).header("Authorization", &key.basic()),
        get(path("/v1/orders")).header("Authorization", &swapped.basic()),
        get(path("/v1/orders")).header("Authorization", &format!("Bearer {secret}")),
        get(path("/v1/orders")).header("Authorization", secret),
        get(path("/v1/whoami")).header("Authorization", &format!("Bearer {secret}")),
        get(path("/api/v1/payments/me")).header("X-API-Key", id).header("X-Secret-Key", secret),
        get(path("/api/v1/payments/me")).header("X-API-Key", secret).header("X-Secret-Key", id),
        get(path("/currencies")).header("X-Access-Key", secret),
        get(path("/currencies")).header("x-signature", &format!("{id}.1.{secret}")),
        get(path(&format!("/v1/orders/{secret}"))).header("Authorization", &key.basic()),
        get(path(&format!("/{secret}"))),
        get(format!("/{secret}")),
        get(path(&format!("/v1/orders?key_secret={secret}"))).header("Authorization", &key.basic()),
        get(path(&format!("/v1/orders?a={secret}"))).header("Authorization", &key.basic()),
        get(path("/v1/orders")).header("Cookie", &format!("s={secret}")),
        get(path("/v1/orders")).header("Host", secret),
        get(path("/v1/orders")).header("Origin", secret).header("Authorization", &key.basic()),
        get(path("/v1/orders")).header(secret, "x"),
        get(path("/v1/orders")).header("User-Agent", secret),
        Request::new(&secret.to_uppercase().replace('_', ""), &path("/v1/orders")),
        Request::new("POST", &path("/v1/orders"))
            .body(&format!(r#"{{"a":"{secret}"}}"#))
            .header("Authorization", &key.basic()),
        Request::new("POST", &path("/v1/orders")).body(secret).header("Authorization", &key.basic()),
        Request::new("POST", &path(&format!("/auth/generate-token/{}", key.app_id)))
            .body(&json!({ "accessKey": id, "secretKey": secret }).to_string()),
        Request::new("POST", &path(&format!("/auth/generate-token/{secret}")))
            .body(&json!({ "accessKey": secret, "secretKey": secret }).to_string()),
        Request::new("POST", &path("/auth/refresh-token")).header("Authorization", secret).body("{}"),
    ];
    if product == "kwikpaisa" {
        let call = Call::new(product, "POST", "/api/v3/pg/order/status", r#"{"order_id":"1"}"#);
        requests.push(call.signed(dev.gateway, key));
        requests.push(call.signed(dev.gateway, &swapped));
    }
    let mut bytes: Vec<Vec<u8>> = requests.iter().map(|request| request.bytes(&host)).collect();
    bytes.push(format!("GET /{product}/{secret} HTTP/1.1\nHost: h\n\n").into_bytes());
    bytes.push(format!("{secret}\r\n\r\n").into_bytes());
    bytes
}

fn console_requests(dev: &Dev, key: &Key) -> Vec<Request> {
    let (secret, token) = (&key.secret, format!("Bearer {}", dev.token));
    let api = |method: &str, path: String, body: Value| {
        Request::new(method, &format!("/api/v1{path}")).header("Authorization", &token).body(&body.to_string())
    };
    let page = |method: &str, path: &str, form: &str| {
        Request::new(method, path).header("Content-Type", "application/x-www-form-urlencoded").body(form)
    };
    vec![
        api("GET", format!("/credentials/{secret}"), Value::Null),
        api("GET", format!("/merchants/{secret}"), Value::Null),
        api("POST", format!("/credentials/{secret}/revoke"), json!({ "reason": secret })),
        api("POST", format!("/apps/{}/credentials", key.app_id), json!({ "mode": secret })),
        api("POST", "/merchants".to_owned(), json!({ secret: secret })),
        api("POST", "/merchants".to_owned(), json!({ "name": "x", "email": secret, "country": secret })),
        api("GET", format!("/apps/{}/requests?reason={secret}", key.app_id), Value::Null),
        Request::new("GET", "/api/v1/merchants").header("Authorization", &format!("Bearer {secret}")),
        Request::new("GET", &format!("/{secret}")),
        Request::new("POST", "/api/v1/merchants").header("Authorization", &token).body(secret),
        page("POST", "/sign-in", &format!("email=owner%40merchant.example&password={secret}")),
        page("POST", "/sign-in", &format!("email=nobody%40merchant.example&password={secret}")),
        page("POST", "/sign-in", &format!("{secret}={secret}")),
        page("GET", "/", "").header("Cookie", &format!("keymint_session={secret}")),
        page("GET", &format!("/apps/{secret}/keys?mode={secret}"), ""),
        page("POST", &format!("/keys/{secret}/revoke"), &format!("csrf={secret}&reason={secret}")),
    ]
}

fn internal_requests(product: &str, key: &Key) -> Vec<Request> {
    let call = json!({
        "product": product, "method": "GET", "target": format!("/v1/orders/{}", key.secret), "client_ip": "127.0.0.1",
        "headers": [["Host", "h"], ["Authorization", key.basic()], ["X-Secret-Key", key.secret]], "body_base64": "",
    });
    vec![
        Request::new("POST", "/v1/verify").body(&call.to_string()),
        Request::new("POST", "/v1/verify").body(&json!({ "product": key.secret }).to_string()),
        Request::new("POST", "/v1/verify").body(&format!("{}{}", key.secret, call)),
        Request::new("GET", &format!("/v1/forward-auth/{product}"))
            .header("X-Forwarded-Method", "GET")
            .header("X-Forwarded-Uri", &format!("/v1/orders/{}", key.secret))
            .header("Authorization", &key.basic()),
    ]
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every file below a folder, and what is in it.
pub fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut paths = Vec::new();
    files(folder, &mut paths);
    let read = |path: std::path::PathBuf| std::fs::read(&path).map(|bytes| (path, bytes));
    paths.into_iter().map(|path| read(path).expect("readable")).collect()
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    memchr::memmem::find(bytes, needle.as_bytes()).is_some()
}

#[test]
fn two_hundred_planted_secrets_are_found_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dev = Dev::start_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), &[("KEYMINT_LOG", "trace")]);
    let keys = plant(&dev);
    assert_eq!(keys.len(), 200);
    let mut answers = Vec::new();
    for (number, (product, key)) in keys.iter().enumerate() {
        for bytes in requests(&dev, product, key) {
            let reply = http::raw(dev.gateway, &bytes);
            answers.extend(reply.map(|reply| format!("{:?}{}", reply.headers, reply.body)));
        }
        for request in internal_requests(product, key) {
            answers.push(request.send(dev.internal).body);
        }
        if number % 4 == 0 {
            for request in console_requests(&dev, key) {
                answers.push(request.send(dev.console).body);
            }
        }
        let log = dev.api("GET", &format!("/apps/{}/requests?limit=100", key.app_id), &Value::Null);
        assert!(log.status == 200 && log.body.contains("request_id"), "{product} was logged");
        answers.push(log.body);
    }
    answers.push(Request::new("GET", "/metrics").send(dev.internal).body);
    answers.push(Request::new("GET", "/openapi.json").send(dev.console).body);
    answers.push(Request::new("GET", "/docs").send(dev.console).body);
    dev.kill();
    let output = dev.output();
    assert!(output.contains("TRACE") || output.contains("DEBUG"), "the log is verbose");
    let contents = contents(folder.path());
    assert!(
        contents.iter().any(|(path, _)| path.extension().is_some_and(|extension| extension == "db-wal")),
        "the WAL is there"
    );
    for (product, key) in &keys {
        // What is written back to the caller in an echo is the caller's own; nothing else may hold it.
        assert!(!answers.iter().any(|answer| answer.contains(&key.secret)), "{product}: an answer");
        for (path, bytes) in &contents {
            assert!(!holds(bytes, &key.secret), "{product}: {}", path.display());
        }
    }
}

#[test]
fn who_has_only_the_database_file_can_authenticate_with_no_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = env!("CARGO_BIN_EXE_keymint");
    let mut dev = Dev::start_in(binary, folder.path(), &[]);
    let keys: Vec<(&str, Key)> = PRODUCTS.iter().map(|product| (*product, dev.key(product, "stolen"))).collect();
    dev.stop();
    let thief = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(thief.path().join("data")).expect("it is made");
    for name in ["keymint.db", "keymint.db-wal"] {
        let from = folder.path().join("data").join(name);
        if from.exists() {
            std::fs::copy(from, thief.path().join("data").join(name)).expect("it is copied");
        }
    }
    let mut database = Vec::new();
    for name in ["keymint.db", "keymint.db-wal"] {
        database.extend(std::fs::read(thief.path().join("data").join(name)).unwrap_or_default());
    }
    for (product, key) in &keys {
        assert!(holds(&database, &key.key_id), "{product}: the key id is public");
        assert!(!holds(&database, &key.secret), "{product}: the secret is not there");
    }
    let started = std::process::Command::new(binary)
        .args(["dev", "--port-base", "1", "--data"])
        .arg(thief.path().join("data"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(!started.status.success() && said.contains("key ring"), "{said}");
}
