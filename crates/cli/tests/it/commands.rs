//! The command line as a person uses it.

use std::process::{Command, Output, Stdio};

use keymint_testkit::{Dev, Key, Request};

use crate::dev;

const BINARY: &str = env!("CARGO_BIN_EXE_keymint");

fn keymint(dev: &Dev, words: &[&str]) -> Output {
    Command::new(BINARY)
        .args(words)
        .env("KEYMINT_URL", format!("http://{}", dev.console))
        .env("KEYMINT_GATEWAY", format!("http://{}", dev.gateway))
        .env("KEYMINT_TOKEN", &dev.token)
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_merchant_an_app_and_a_key_are_made_and_ended_from_a_shell() {
    let dev = dev();
    let words =
        ["merchant", "create", "--json", "--name", "Shell Ltd", "--email", "s@shell.example", "--country", "IN"];
    let merchant = json(&keymint(&dev, &words))["id"].as_str().expect("an id").to_owned();
    let words = [
        "app",
        "create",
        "--json",
        "--merchant",
        &merchant,
        "--product",
        "razorpay",
        "--name",
        "Shell app",
        "--email",
        "s@shell.example",
        "--address",
        "1 Road",
        "--country",
        "IN",
        "--postal-code",
        "1",
    ];
    let app = json(&keymint(&dev, &words))["id"].as_str().expect("an id").to_owned();
    let key = json(&keymint(&dev, &["key", "issue", "--json", "--app", &app]));
    let (key_id, secret) = (key["key_id"].as_str().expect("an id"), key["secret"].as_str().expect("a secret"));
    let shown = text(&keymint(&dev, &["key", "show", key_id]).stdout);
    assert!(shown.contains("active") && !shown.contains(secret));
    let rolled = json(&keymint(&dev, &["key", "roll", "--json", key_id, "--grace-seconds", "60"]));
    assert_eq!(rolled["previous"]["status"], "retiring");
    let revoked = json(&keymint(&dev, &["key", "revoke", "--json", key_id, "--reason", "compromised"]));
    assert_eq!(revoked["status"], "revoked");
    let listed = text(&keymint(&dev, &["key", "list", "--app", &app]).stdout);
    assert!(listed.contains("revoked") && listed.contains("active"));
    let live = keymint(&dev, &["key", "issue", "--app", &app, "--mode", "live"]);
    assert_eq!(live.status.code(), Some(1));
    assert!(text(&live.stderr).contains("activation_required"));
}

#[test]
fn a_saved_key_file_holds_both_values_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dev = dev();
    let merchant = dev.merchant("save");
    let app = dev.app(&merchant, "razorpay", "save");
    let file = dev.folder().join("key.json");
    let path = file.display().to_string();
    let issued = keymint(&dev, &["key", "issue", "--app", &app, "--save", &path]);
    assert!(issued.status.success(), "{}", text(&issued.stderr));
    let saved: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).expect("the file")).expect("JSON");
    let key = Key {
        key_id: saved["key_id"].as_str().expect("an id").to_owned(),
        secret: saved["secret"].as_str().expect("a secret").to_owned(),
        app_id: app.clone(),
    };
    assert!(!text(&issued.stdout).contains(&key.secret));
    assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let orders = Request::new("GET", "/razorpay/v1/orders").header("Authorization", &key.basic());
    assert_eq!(orders.send(dev.gateway).status, 200);
    dev.revoke(&key.key_id);
    let again = keymint(&dev, &["key", "issue", "--app", &app, "--save", &path]);
    assert_eq!(again.status.code(), Some(1), "an existing file is left alone");
    let listed = text(&keymint(&dev, &["key", "list", "--app", &app]).stdout);
    assert_eq!(listed.matches("rzp_test_").count(), 1, "and no key was made for it");
}

#[test]
fn request_authenticates_in_every_dialect() {
    let dev = dev();
    for (product, words) in [
        ("razorpay", vec!["GET", "/v1/orders"]),
        ("kpay", vec!["GET", "/api/v1/payments/me"]),
        ("kwikpaisa", vec!["POST", "/api/v3/payout/balance", "--data", r#"{"kwikx_wallet_id":"kwx_test_1"}"#]),
        ("kspay", vec!["GET", "/currencies"]),
        ("keymint", vec!["GET", "/v1/whoami"]),
        ("keymint", vec!["--scheme", "message_signature", "POST", "/v1/echo", "--data", "{\"a\":1}"]),
    ] {
        let key = dev.key(product, &format!("request{}", words.len()));
        let run = |dry_run: bool| {
            let mut command = Command::new(BINARY);
            command
                .args(["request", "--product", product, "--app", &key.app_id])
                .args(&words)
                .env("KEYMINT_GATEWAY", format!("http://{}", dev.gateway))
                .env("KEYMINT_KEY_ID", &key.key_id)
                .env("KEYMINT_KEY_SECRET", &key.secret);
            if dry_run {
                command.arg("--dry-run");
            }
            command.output().expect("it runs")
        };
        let printed = text(&run(true).stdout);
        assert!(printed.contains(&format!("/{product}/")) && printed.contains("host: "), "{product}: {printed}");
        let sent = run(false);
        assert!(sent.status.success(), "{product}: {}{}", text(&sent.stdout), text(&sent.stderr));
        dev.revoke(&key.key_id);
        assert_eq!(run(false).status.code(), Some(1), "{product}: revoked");
    }
}

#[test]
fn check_key_tells_offline_whose_key_a_text_is_and_finds_typing_errors() {
    let dev = dev();
    let key = dev.key("keymint", "check");
    let check = |text: &str| {
        let output = Command::new(BINARY).args(["check-key", "--json", text]).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = check(&key.key_id);
    assert!(code == Some(0) && said.contains(r#""kind":"key_id""#) && said.contains(r#""checksum":"right""#), "{said}");
    let (code, said) = check(&key.secret);
    assert!(code == Some(0) && said.contains(&key.key_id) && !said.contains(&key.secret), "{said}");
    let mut wrong = key.secret.clone().into_bytes();
    let at = wrong.len() - 10;
    wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
    let (code, said) = check(&String::from_utf8(wrong).expect("ASCII"));
    assert!(code == Some(1) && said.contains(r#""checksum":"wrong""#), "{said}");
    let razorpay = dev.key("razorpay", "check");
    let (code, said) = check(&razorpay.key_id);
    assert!(code == Some(0) && said.contains(r#""dialect":"razorpay""#) && said.contains(r#""mode":"test""#), "{said}");
    assert_eq!(check("nothing").0, Some(1));
}

#[test]
fn usage_errors_exit_with_2_and_refusals_say_what_to_do() {
    let dev = dev();
    assert_eq!(keymint(&dev, &["key", "issue"]).status.code(), Some(2));
    assert_eq!(keymint(&dev, &["nothing"]).status.code(), Some(2));
    let without_token = Command::new(BINARY).args(["merchant", "list"]).env_remove("KEYMINT_TOKEN").output();
    let without_token = without_token.expect("it runs");
    assert_eq!(without_token.status.code(), Some(1));
    assert!(text(&without_token.stderr).contains("KEYMINT_TOKEN"));
    for words in [vec!["--help"], vec!["key", "issue", "--help"], vec!["request", "--help"], vec!["dev", "--help"]] {
        let help = text(&keymint(&dev, &words).stdout);
        assert!(help.contains("Example"), "{words:?}");
    }
    let completions = text(&keymint(&dev, &["completions", "bash"]).stdout);
    assert!(completions.contains("check-key"));
}

#[test]
fn serve_refuses_what_is_unsafe_or_unknown_and_says_which_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().display().to_string();
    let key = format!("{data}/master.key");
    let made = Command::new(BINARY).args(["setup", "master-key", &key]).output().expect("it runs");
    assert!(made.status.success());
    let good = format!(
        "data = \"{data}\"\n[listen]\nconsole = \"127.0.0.1:0\"\ngateway = \"127.0.0.1:0\"\ninternal = \"127.0.0.1:0\"\n\
         [database]\nsqlite = \"{data}/k.db\"\n[master_key]\nfile = \"{key}\"\n\
         [[product]]\nname = \"razorpay\"\ndialect = \"razorpay\"\n"
    );
    let serve = |config: &str| {
        let path = folder.path().join("keymint.toml");
        std::fs::write(&path, config).expect("it is written");
        let output =
            Command::new(BINARY).args(["setup", "operator-token", "--config"]).arg(&path).output().expect("it runs");
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(serve(&good).0, Some(0));
    const DIALECT: &str = "dialect = \"razorpay\"";
    let upstream = |settings: &str| format!("{DIALECT}\n[product.upstream_live]\n{settings}");
    assert_eq!(serve(&good.replace(DIALECT, &upstream("addresses = [\"http://127.0.0.1:1\"]"))).0, Some(0));
    for (from, to, said) in [
        ("data = ", "surprise = 1\ndata = ", "surprise"),
        ("internal = \"127.0.0.1:0\"", "internal = \"0.0.0.0:8082\"", "listen.internal"),
        ("console = ", "console_url = \"https://192.0.2.1\"\nconsole = ", "listen.console_url"),
        ("[master_key]\nfile", "[master_key]\ndescriptor = 9\nfile", "master_key"),
        ("dialect = \"razorpay\"", "dialect = \"nothing\"", "nothing"),
        ("dialect = \"razorpay\"", "dialect = \"kpay\"\nsecret_style = \"x\"", "secret style"),
        (DIALECT, &upstream("addresses = [\"http://127.0.0.1:1\"]\nretries = 3"), "product[0].upstream_live"),
        (DIALECT, &upstream("addresses = [\"https://127.0.0.1:1\"]"), "TLS"),
        (DIALECT, &upstream("addresses = [\"http://10.0.0.5:9000\"]"), "network_is_private"),
        (DIALECT, &upstream("addresses = [\"http://127.0.0.1:1/v1\"]"), "no path"),
        (DIALECT, &upstream("addresses = [\"http://127.0.0.1:1\"]\nhealth_path = \"x\""), "upstream_live.health_path"),
    ] {
        let (code, stderr) = serve(&good.replace(from, to));
        assert!(code == Some(1) && stderr.contains(said), "{said}: {stderr}");
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, open).expect("it is changed");
    let (code, stderr) = serve(&good);
    assert!(code == Some(1) && stderr.contains("chmod 600"), "{stderr}");
}

#[test]
fn an_operators_own_dialect_is_checked_with_line_and_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |text: &str| std::fs::write(folder.path().join("acme.toml"), text).expect("it is written");
    let check = || {
        let output = Command::new(BINARY)
            .args(["check-key", "acme_test_0123456789abcdefghij", "--dialects"])
            .arg(folder.path())
            .output()
            .expect("it runs");
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let razorpay = keymint_domain::dialect::BUILT_IN[1].1;
    let acme = razorpay
        .replace("name = \"razorpay\"", "name = \"acme\"")
        .replace("rzp_{mode}_", "acme_{mode}_")
        .replace("length = 14", "length = 20");
    write(&acme);
    assert_eq!(check().0, Some(0), "{}", check().1);
    write(&acme.replace("active_max = 1", "active_max = 0"));
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("acme.toml") && said.contains("line 6, field `active_max`"), "{said}");
}

#[test]
fn two_processes_never_share_a_folder_or_a_port() {
    let dev = dev();
    let data = dev.folder().join("data");
    let port = dev.console.port().to_string();
    let other_port = Command::new(BINARY).args(["dev", "--port-base", "1", "--data"]).arg(&data).output();
    let other_port = other_port.expect("it runs");
    assert!(!other_port.status.success());
    assert!(text(&other_port.stderr).contains("another Keymint"), "{}", text(&other_port.stderr));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other_data = Command::new(BINARY).args(["dev", "--port-base", &port, "--data"]).arg(elsewhere.path()).output();
    let other_data = other_data.expect("it runs");
    assert!(!other_data.status.success() && text(&other_data.stderr).contains("port"), "{}", text(&other_data.stderr));
}

/// Each command of the sandbox's page, as it stands there, with a key of that product.
#[test]
fn every_command_of_the_sandbox_page_works() {
    let dev = dev();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox/README.md"))
        .expect("the page");
    let folder = std::path::Path::new(BINARY).parent().expect("a folder").display().to_string();
    let mut products = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("keymint request")) {
        let product = line.split(' ').skip_while(|word| *word != "--product").nth(1).expect("a product");
        let key = dev.key(product, "page");
        let output = Command::new("sh")
            .args(["-c", &format!("PATH=\"{folder}:$PATH\"; {line}")])
            .env("KEYMINT_GATEWAY", format!("http://{}", dev.gateway))
            .env("KEYMINT_KEY_ID", &key.key_id)
            .env("KEYMINT_KEY_SECRET", &key.secret)
            .env("KEYMINT_APP", &key.app_id)
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{line}\n{}{}", text(&output.stdout), text(&output.stderr));
        products.push(product);
    }
    assert_eq!(products, ["keymint", "razorpay", "kwikpaisa", "kpay", "kspay"]);
}

#[test]
fn what_is_in_the_way_is_said_with_what_to_do() {
    let dev = dev();
    let said = |words: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(BINARY)
            .args(words)
            .env("KEYMINT_URL", format!("http://{}", dev.console))
            .env("KEYMINT_TOKEN", &dev.token)
            .env_remove("KEYMINT_KEY_ID")
            .env("KEYMINT_KEY_SECRET", "s")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        text(&output.stderr)
    };
    let list = ["merchant", "list"];
    let gateway = format!("http://{}", dev.gateway);
    let request = |rest: &[&'static str]| [&["request", "--key-id", "x"], rest].concat();
    let wanted = [
        (said(&list, &[("KEYMINT_URL", &gateway)]), "not as a management API does"),
        (said(&list, &[("KEYMINT_URL", "127.0.0.1:8080")]), "begins with http:// or https://"),
        (said(&list, &[("KEYMINT_URL", "http://127.0.0.1:1")]), "Is Keymint running there?"),
        (said(&list, &[("KEYMINT_TOKEN", "kmt_bad")]), "the token in KEYMINT_TOKEN is not one of this Keymint"),
        (said(&request(&["--product", "paypal", "GET", "/"]), &[]), "which of "),
        (said(&request(&["--product", "razorpay", "GET", "v1/orders"]), &[]), "begins with a slash: /v1/orders"),
        (said(&request(&["--product", "razorpay", "--scheme", "signed", "GET", "/"]), &[]), "it has basic"),
        (said(&["request", "--product", "razorpay", "GET", "/v1/orders"], &[]), "or set KEYMINT_KEY_ID"),
    ];
    for (said, wanted) in wanted {
        assert!(said.contains(wanted), "{said:?} does not say {wanted:?}");
    }
}
