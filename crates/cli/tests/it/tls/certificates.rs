//! Certificates: which are taken, what is shown, which versions and suites are spoken, and a new one without a restart.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keymint_testkit::tls::{Files, Pem, connect, is_over, shown};
use keymint_testkit::{Authority, Database, Dev, Request, Serving, eventually, http};

use super::{NAME, binary, hang_up, openssl, table, under_tls};

const PLAIN: &[u8] = b"GET /razorpay/v1/orders HTTP/1.1\r\nHost: pay.example\r\n\r\n";

/// Asks over an open connection, which stays open.
fn ask(stream: &mut (impl Read + Write), target: &str) -> u16 {
    stream.write_all(&Request::new("GET", target).bytes(NAME)).expect("it is open");
    http::read(stream).expect("an answer").status
}

/// Waits until the gateway shows this certificate to whoever asks for that name.
fn shows(authority: &Authority, address: SocketAddr, name: &str, pem: &Pem) {
    eventually(|| match authority.connect(address, name) {
        Ok(stream) if is_of(&shown(&stream), pem) => Ok(()),
        Ok(_) => Err("it shows another certificate".to_owned()),
        Err(error) => Err(error.to_string()),
    });
}

fn is_of(der: &[u8], pem: &Pem) -> bool {
    let lines: String = pem.certificate.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    data_encoding::BASE64.decode(lines.as_bytes()).expect("PEM") == der
}

#[test]
fn every_listener_speaks_tls_where_it_has_a_certificate_and_nothing_else_on_that_port() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let files = authority.certificate(NAME).write(folder.path(), "all");
    let tables = ["gateway", "console"].map(|listener| table(listener, &files)).join("\n");
    let serving = Serving { tables, ..Serving::default() };
    let dev = Dev::serve_as(binary(), folder.path(), Database::Sqlite, &serving);
    for (address, target, status) in [
        (dev.gateway, "/razorpay/v1/orders", 401),
        (dev.console, "/sign-in", 200),
        (dev.console, "/api/v1/apps/x", 401),
    ] {
        let request = Request::new("GET", target).bytes(NAME);
        let reply = authority.raw(address, NAME, &request).expect("an answer");
        assert_eq!(reply.status, status, "{target}: {}", reply.body);
        assert_eq!(http::raw(address, &request), None, "{target} over plain HTTP");
    }
    let stranger = Authority::default();
    assert!(stranger.connect(dev.gateway, NAME).is_err(), "a client that trusts another authority");
    assert!(authority.connect(dev.gateway, "other.example").is_err(), "a client that asks for another name");
}

#[test]
fn the_internal_listener_speaks_tls_where_it_is_told_to() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, files) = under_tls(folder.path(), &authority);
    let end = i64::from(4000 - 1970) * 31_556_952;
    let metrics = Request::new("GET", "/metrics").send(dev.internal).body;
    let line = metrics.lines().find(|line| line.starts_with("keymint_tls_certificate_not_after_seconds{"));
    let line = line.expect("the metric");
    assert!(line.contains("listener=\"gateway\"") && line.contains("gateway.pem"), "{line}");
    let seconds: i64 = line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!((seconds - end).abs() < 3 * 86_400, "{line}");
    drop(dev);
    // The way of the testkit to see that it serves is this listener over plain HTTP, so it is asked by hand.
    let config = folder.path().join("keymint.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    std::fs::write(&config, text + "\n" + &table("internal", &files)).expect("the configuration");
    let internal = std::fs::read_to_string(&config).expect("it").lines().find_map(|line| {
        line.strip_prefix("internal = \"").and_then(|rest| rest.trim_end_matches('"').parse::<SocketAddr>().ok())
    });
    let internal = internal.expect("an address");
    let mut child = Command::new(binary()).args(["serve", "--config"]).arg(&config).stderr(Stdio::null()).spawn();
    let child = child.as_mut().expect("it starts");
    let request = Request::new("GET", "/healthz").bytes(NAME);
    let reply = eventually(|| authority.raw(internal, NAME, &request).ok_or_else(|| "no answer yet".to_owned()));
    let plain = http::raw(internal, &request);
    child.kill().and_then(|()| child.wait().map(drop)).expect("it ends");
    assert_eq!((reply.status, plain), (200, None));
}

#[test]
fn tls_older_than_1_2_and_suites_without_forward_secrecy_or_aead_are_refused() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    for (arguments, protocol) in [
        (&["-tls1_3"][..], "TLSv1.3"),
        (&["-tls1_2"], "TLSv1.2"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "TLSv1.2"),
    ] {
        let (is_done, text) = openssl(dev.gateway, arguments);
        assert!(is_done && text.contains(&format!("{protocol}, Cipher is")), "{arguments:?}: {text}");
    }
    // The client is made to offer what it would not by itself, so that the refusal is the server's: an alert.
    for arguments in [
        ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"],
        ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "AES128-GCM-SHA256@SECLEVEL=0"],
    ] {
        let (is_done, text) = openssl(dev.gateway, &arguments);
        assert!(!is_done && text.contains("SSL alert number"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_new_certificate_is_shown_when_its_files_change_and_connections_that_are_open_go_on() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let mut open = authority.connect(dev.gateway, NAME).expect("a connection");
    assert_eq!(ask(&mut open, "/razorpay/v1/orders"), 401);
    drop(open);
    let second = authority.certificate(NAME);
    let mut open = authority.connect(dev.gateway, NAME).expect("a connection");
    second.write(folder.path(), "gateway");
    hang_up(&dev);
    shows(&authority, dev.gateway, NAME, &second);
    assert_eq!(ask(&mut open, "/no/product"), 404, "the connection from before");
    // The same without a word: the files are looked at now and then.
    let third = authority.certificate(NAME);
    third.write(folder.path(), "gateway");
    shows(&authority, dev.gateway, NAME, &third);
}

#[test]
fn a_pair_that_cannot_be_used_keeps_the_one_before_and_the_log_says_why() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, files) = under_tls(folder.path(), &authority);
    let before = shown(&authority.connect(dev.gateway, NAME).expect("a connection"));
    let (key, certificate) = (std::fs::read(&files.key), std::fs::read(&files.certificate));
    let (key, certificate) = (key.expect("a key"), certificate.expect("a certificate"));
    let half = certificate.get(..certificate.len() / 2).expect("half of it");
    let steps: [(&dyn Fn(), &str); 5] = [
        (&|| drop(authority.certificate(NAME).write(folder.path(), "other")), ""),
        (&|| drop(std::fs::copy(folder.path().join("other.pem"), &files.certificate)), "does not belong to"),
        (&|| drop(std::fs::write(&files.certificate, half)), "holds no certificate"),
        (&|| drop(std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o640))), "mode 640"),
        (&|| drop(std::fs::remove_file(&files.key)), "cannot be read"),
    ];
    for (step, said) in steps {
        step();
        hang_up(&dev);
        eventually(|| if dev.output().contains(said) { Ok(()) } else { Err(format!("the log lacks {said:?}")) });
        let stream = authority.connect(dev.gateway, NAME).expect("a connection");
        assert!(shown(&stream) == before, "{said:?} took the certificate away");
    }
    let secret = String::from_utf8_lossy(&key).lines().nth(1).expect("a line of the key").to_owned();
    assert!(!dev.output().contains(&secret), "the key stands in the log");
}

#[test]
fn reading_certificates_anew_under_load_fails_no_handshake_and_no_request() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let (dev, _) = under_tls(folder.path(), &authority);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while !is_over.load(Ordering::SeqCst) {
                        let mut stream = authority.connect(dev.gateway, NAME).expect("a handshake");
                        assert_eq!(ask(&mut stream, "/razorpay/v1/orders"), 401);
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        for _ in 0..20 {
            let next = authority.certificate(NAME);
            next.write(folder.path(), "gateway");
            hang_up(&dev);
            shows(&authority, dev.gateway, NAME, &next);
        }
        is_over.store(true, Ordering::SeqCst);
        for client in clients {
            assert!(client.join().expect("no handshake failed") > 10);
        }
    });
}

#[test]
fn each_name_has_its_own_certificate_and_other_names_get_the_first() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let [first, exact, wild] = ["pay.example", "api.example", "*.pay.example"].map(|name| authority.certificate(name));
    let files: Vec<Files> = [(&first, "first"), (&exact, "exact"), (&wild, "wild")]
        .map(|(pem, name)| pem.write(folder.path(), name))
        .into();
    let also = |files: &Files| format!("[[listen.gateway_tls.also]]\n{}", files.settings());
    let tables = format!("{}\n{}\n{}", table("gateway", &files[0]), also(&files[1]), also(&files[2]));
    let serving = Serving { tables, ..Serving::default() };
    let dev = Dev::serve_as(binary(), folder.path(), Database::Sqlite, &serving);
    for (name, pem) in [("pay.example", &first), ("api.example", &exact), ("eu.pay.example", &wild)] {
        shows(&authority, dev.gateway, name, pem);
    }
    let asked = openssl(dev.gateway, &["-servername", "else.example", "-showcerts"]).1;
    let body: String = first.certificate.lines().nth(1).expect("a line").to_owned();
    assert!(asked.contains(&body), "another name: {asked}");
}

fn refusal(files: &Files) -> String {
    Dev::refusal_of(binary(), &Serving { tables: table("gateway", files), ..Serving::default() })
}

#[test]
fn serve_refuses_a_pair_that_it_could_not_use_and_says_which_file_and_why() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let written = |name: &str| authority.certificate(NAME).write(folder.path(), name);
    let (good, other) = (written("good"), written("other"));
    let mixed = Files { certificate: good.certificate.clone(), key: other.key.clone() };
    let absent = Files { certificate: folder.path().join("absent.pem"), key: good.key.clone() };
    let swapped = Files { certificate: good.key.clone(), key: good.key.clone() };
    let keyless = Files { certificate: good.certificate.clone(), key: good.certificate.clone() };
    std::fs::set_permissions(&good.certificate, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    let shared = written("shared");
    std::fs::set_permissions(&shared.key, std::fs::Permissions::from_mode(0o604)).expect("its mode");
    for (files, file, why) in [
        (&mixed, "other.key", "does not belong to the certificate"),
        (&absent, "absent.pem", "cannot be read"),
        (&swapped, "good.key", "holds no certificate"),
        (&keyless, "good.pem", "holds no private key"),
        (&shared, "shared.key", "readable by others (mode 604); run `chmod 600`"),
    ] {
        let said = refusal(files);
        assert!(said.contains("listen.gateway_tls") && said.contains(file) && said.contains(why), "{why}: {said}");
        assert!(!said.contains("PRIVATE KEY-----\n"), "{said}");
    }
}

#[test]
fn serve_refuses_an_authority_that_it_could_not_ask_and_says_which_setting_and_why() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let files = authority.certificate(NAME).write(folder.path(), "files");
    let shared = folder.path().join("shared.key");
    std::fs::write(&shared, "c2VjcmV0LWNhbmFyeQ").expect("a file");
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o640)).expect("its mode");
    let acme = |directory: &str, hosts: &str, more: &str| {
        let agreed = "terms_of_service_agreed = true";
        format!("[listen.gateway_tls.acme]\ndirectory = \"{directory}\"\nhosts = {hosts}\n{agreed}\n{more}\n")
    };
    let (https, host) = ("https://ca.example/", "[\"pay.example\"]");
    let external = format!("external_account = {{ key_id = \"k\", key_file = \"{}\" }}", shared.display());
    let rootless = format!("ca_file = \"{}\"", files.key.display());
    for (tables, why) in [
        (format!("{}{}", table("gateway", &files), acme(https, host, "")), ".acme`: cannot stand beside certificates"),
        (acme("http://ca.example/", host, ""), ".acme.directory`: must be the https address"),
        (acme(https, "[]", ""), ".acme.hosts`: needs 1 to 100 names"),
        (acme(https, "[\"10.0.0.1\"]", ""), ".acme.hosts`: `10.0.0.1` is an address"),
        (acme(https, "[\"*.pay.example\"]", ""), ".acme.hosts`: `*.pay.example` is for more than one name"),
        (acme(https, host, "").replace("true", "false"), ".acme.terms_of_service_agreed`: must be `true`"),
        (acme(https, host, "ca_file = \"/absent.pem\""), "`ca_file`: /absent.pem cannot be read"),
        (acme(https, host, &rootless), "files.key holds no certificate"),
        (acme(https, host, &external), "shared.key is readable by others (mode 640); run `chmod 600`"),
        ("[listen.gateway_tls]\n".to_owned(), "listen.gateway_tls`: needs `certificate` and `key`, or a table `acme`"),
    ] {
        let said = Dev::refusal_of(binary(), &Serving { tables, ..Serving::default() });
        assert!(said.contains("listen.gateway_tls") && said.contains(why), "{why}: {said}");
        assert!(!said.contains("c2VjcmV0LWNhbmFyeQ"), "{said}");
    }
}

#[test]
fn an_expired_certificate_is_served_with_a_warning() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let files = authority.until(NAME, 2001).write(folder.path(), "old");
    let serving = Serving { tables: table("gateway", &files), ..Serving::default() };
    let dev = Dev::serve_as(binary(), folder.path(), Database::Sqlite, &serving);
    assert!(dev.output().contains("a certificate has expired"), "{}", dev.output());
    assert!(authority.connect(dev.gateway, NAME).is_err(), "clients refuse it");
}

/// Connects and says nothing.
fn silent(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    stream
}

#[test]
fn whoever_does_not_shake_hands_keeps_nobody_out_and_is_sent_away() {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::default());
    let files = authority.certificate(NAME).write(folder.path(), "gateway");
    let tables = format!("{}\n[limits]\nconnections_max = 2\n", table("gateway", &files));
    // One thread, so that connections are counted in the order in which they were made.
    let serving = Serving { listen: "threads = 1\n".to_owned(), tables, ..Serving::default() };
    let dev = Dev::serve_as(binary(), folder.path(), Database::Sqlite, &serving);
    let mut waiting = [silent(dev.gateway), silent(dev.gateway)];
    authority.connect(dev.gateway, NAME).expect("one of the silent ones makes room");
    for stream in &mut waiting {
        assert!(is_over(stream), "a silent connection gets an answer");
    }
    eventually(|| authority.connect(dev.gateway, NAME).map(drop).map_err(|error| error.to_string()));
    // Neither a scheme that is none of TLS's nor a client that speaks no protocol of ours is served.
    let mut odd = silent(dev.gateway);
    odd.write_all(PLAIN).expect("it is open");
    let mut answer = Vec::new();
    let _ = odd.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(connect(authority.client(&["spdy/3"]), dev.gateway, NAME).is_err(), "an unknown protocol");
}
