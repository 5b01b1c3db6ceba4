//! Certificates by ACME are issued, shown, kept and renewed, and what they are proved with is shown to nobody else.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use keymint_testkit::tls::shown;
use keymint_testkit::{Authority, Database, Dev, Serving, Tap, eventually};
use serde_json::json;

use super::pebble::{HOST, Pebble, Place, YEAR, below, counted, says};
use crate::tls::{hang_up, openssl};

const ISSUED: &str = "keymint_acme_orders_total{host=\"api.keymint.test\",outcome=\"issued\"}";
const FAILED: &str = "keymint_acme_orders_total{host=\"api.keymint.test\",outcome=\"failed\"}";
const IN_A_ROW: &str = "keymint_acme_failures_in_a_row{host=\"api.keymint.test\"}";

fn serve(folder: &Path, tables: String) -> Dev {
    let serving = Serving { tables, ..Serving::default() };
    Dev::serve_as(env!("CARGO_BIN_EXE_keymint"), folder, Database::Sqlite, &serving)
}

/// A Keymint whose gateway shows a certificate that a Pebble has just issued.
fn issued(folder: &Path, place: &Place, life_seconds: u32) -> (Dev, Pebble, Vec<u8>) {
    let dev = serve(folder, place.table("gateway"));
    // The authority is found only now, as behind a network that comes up late.
    says(&dev, "no certificate by ACME");
    let pebble = place.open(dev.gateway.port(), life_seconds);
    hang_up(&dev);
    let first = pebble.shows_another((&dev, dev.gateway), &[]);
    (dev, pebble, first)
}

/// Where the certificate is kept.
fn kept(dev: &Dev) -> PathBuf {
    let all = below(&dev.folder().join("data/acme"));
    all.into_iter().find(|path| path.display().to_string().contains(HOST)).expect("a certificate")
}

/// Makes an operator's order of a new certificate: the one that is kept is taken away, and Keymint told to look.
fn order_anew(dev: &Dev) {
    std::fs::remove_file(kept(dev)).expect("it was there");
    hang_up(dev);
}

#[test]
fn one_certificate_is_issued_for_two_listeners_and_shown_again_after_a_restart_without_another_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(folder.path());
    let mut dev = serve(folder.path(), ["gateway", "console"].map(|listener| place.table(listener)).join("\n"));
    says(&dev, "no certificate by ACME, and clients are refused until there is one");
    assert_eq!(counted(&dev, IN_A_ROW), Some(1));
    let (is_done, text) = openssl(dev.gateway, &["-servername", HOST]);
    assert!(!is_done && text.contains("SSL alert number"), "there is no certificate to show: {text}");
    let port_443 = Tap::before(dev.gateway);
    let pebble = place.open(port_443.address.port(), YEAR);
    hang_up(&dev);
    let first = pebble.shows_another((&dev, dev.gateway), &[]);
    assert!(pebble.shows_another((&dev, dev.console), &[]) == first, "both listeners have the same one");
    assert!(port_443.connections() > 0, "the authority has looked");
    assert_eq!([ISSUED, FAILED, IN_A_ROW].map(|metric| counted(&dev, metric)), [Some(1), Some(1), Some(0)]);
    assert!(Authority::default().connect(dev.gateway, HOST).is_err(), "a client that trusts another authority");
    drop(pebble);
    dev.stop();
    let again = Dev::serve_again(env!("CARGO_BIN_EXE_keymint"), &dev);
    let (is_done, text) = openssl(again.gateway, &["-servername", HOST, "-showcerts"]);
    let body = text.split("-----BEGIN CERTIFICATE-----").nth(1).and_then(|rest| rest.split("-----END").next());
    let der = data_encoding::BASE64.decode(body.expect("a certificate").replace('\n', "").as_bytes());
    assert!(is_done && der.expect("PEM") == first, "{text}");
    assert_eq!([ISSUED, FAILED, IN_A_ROW].map(|metric| counted(&again, metric)), [None, None, Some(0)]);
}

#[test]
fn keys_are_sealed_in_files_for_their_owner_alone_and_are_in_no_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(folder.path());
    let (dev, _pebble, _) = issued(folder.path(), &place, YEAR);
    let data = dev.folder().join("data/acme");
    let all = [vec![data.clone()], below(&data)].concat();
    assert_eq!(all.iter().filter(|path| path.is_file()).count(), 2, "an account and a certificate: {all:?}");
    for path in &all {
        let mode = std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    let files = all.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("it can be read"));
    let everything = files.chain([dev.output().into_bytes()]).collect::<Vec<_>>().concat();
    let everything = String::from_utf8_lossy(&everything);
    for canary in ["PRIVATE KEY", "key_pkcs8", "\"key\"", "CERTIFICATE"] {
        assert!(!everything.contains(canary), "{canary}");
    }
}

#[test]
fn a_new_certificate_takes_the_place_of_the_one_before_without_a_restart_or_a_failed_handshake() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(folder.path());
    let (dev, pebble, mut before) = issued(folder.path(), &place, YEAR);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while !is_over.load(Ordering::SeqCst) {
                        pebble.connect(dev.gateway).expect("a handshake");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        for _ in 0..2 {
            order_anew(&dev);
            before = pebble.shows_another((&dev, dev.gateway), &before);
        }
        is_over.store(true, Ordering::SeqCst);
        for client in clients {
            assert!(client.join().expect("no handshake failed") > 10);
        }
    });
    assert_eq!((counted(&dev, ISSUED), counted(&dev, IN_A_ROW)), (Some(3), Some(0)));
}

#[test]
fn a_certificate_is_renewed_by_itself_when_a_third_of_its_life_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(folder.path());
    let (dev, pebble, first) = issued(folder.path(), &place, 9);
    pebble.shows_another((&dev, dev.gateway), &first);
    assert!(counted(&dev, ISSUED) >= Some(2), "nobody asked for it");
}

#[test]
fn without_the_authority_the_certificate_before_stays_and_a_new_authority_that_knows_nobody_issues_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(folder.path());
    let (dev, mut gone, first) = issued(folder.path(), &place, YEAR);
    let failed = counted(&dev, FAILED);
    gone.close();
    order_anew(&dev);
    says(&dev, "no new certificate by ACME: the one before is shown until it ends");
    eventually(|| if counted(&dev, IN_A_ROW) == Some(1) { Ok(()) } else { Err("no failure is counted".to_owned()) });
    assert!(counted(&dev, FAILED) > failed);
    assert!(shown(&gone.connect(dev.gateway).expect("a handshake")) == first, "the one before is shown");
    let next = place.open(dev.gateway.port(), YEAR);
    hang_up(&dev);
    next.shows_another((&dev, dev.gateway), &first);
    assert!(gone.connect(dev.gateway).is_err(), "it is of another root");
    assert_eq!(counted(&dev, IN_A_ROW), Some(0));
}

/// Shakes hands as an authority does: what `openssl` says of it.
fn look_at(address: SocketAddr, host: &str, protocols: &str) -> (bool, String) {
    openssl(address, &["-servername", host, "-alpn", protocols])
}

#[test]
fn a_challenge_is_shown_for_its_host_and_while_it_runs_and_its_protocol_is_spoken_for_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(folder.path());
    let (dev, mut closed, first) = issued(folder.path(), &place, YEAR);
    let refused = |host: &str, protocols: &str, when: &str| {
        let (is_done, text) = look_at(dev.gateway, host, protocols);
        assert!(!is_done && text.contains("no application protocol"), "{host} {when}: {text}");
    };
    refused(HOST, "acme-tls/1", "before a challenge");
    // The authority comes to a door that stays shut, so the challenge runs until we open it.
    let door = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    closed.close();
    let _waiting = place.open(door.local_addr().expect("an address").port(), YEAR);
    order_anew(&dev);
    let visitor = door.accept().expect("the authority comes");
    let (is_done, text) = look_at(dev.gateway, HOST, "acme-tls/1");
    assert!(is_done && text.contains("ALPN protocol: acme-tls/1"), "{text}");
    assert!(text.contains(&format!("DNS:{HOST}")) || text.contains("rcgen self signed cert"), "{text}");
    for other in ["other.keymint.test", "keymint.test", "www.api.keymint.test"] {
        refused(other, "acme-tls/1", "during a challenge");
    }
    let (is_done, text) = look_at(dev.gateway, HOST, "acme-tls/1,http/1.1");
    assert!(is_done && text.contains("ALPN protocol: http/1.1"), "who speaks more is no authority: {text}");
    assert!(shown(&closed.connect(dev.gateway).expect("a handshake")) == first, "clients see nothing of it");
    drop((visitor, door));
    says(&dev, &format!("{HOST} was not proved: "));
    refused(HOST, "acme-tls/1", "after a challenge");
}

#[test]
fn an_account_is_bound_to_the_one_that_the_customer_has_where_the_authority_wants_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::new(folder.path());
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let (right, wrong) = (folder.path().join("right"), folder.path().join("wrong"));
    for (path, text) in [(&right, format!("{key}\n")), (&wrong, key.replace('z', "a"))] {
        std::fs::write(path, text).expect("a file");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    let bound = |path: &Path| place.table_bound("gateway", path);
    let more = json!({ "externalAccountBindingRequired": true, "externalAccountMACKeys": { "kid-1": key } });
    for tables in [place.table("gateway"), bound(&wrong), bound(&right)] {
        let home = tempfile::tempdir().expect("a folder");
        let is_right = tables == bound(&right);
        let dev = serve(home.path(), tables);
        says(&dev, "no certificate by ACME");
        let pebble = place.open_with(dev.gateway.port(), YEAR, &more);
        hang_up(&dev);
        if is_right {
            pebble.shows_another((&dev, dev.gateway), &[]);
        } else {
            says(&dev, "xternal");
            assert!(pebble.connect(dev.gateway).is_err(), "nothing is issued");
        }
        assert!(!dev.output().contains(key), "the key stands in the log");
    }
}
