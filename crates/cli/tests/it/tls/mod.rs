//! TLS on the listeners, and what follows from it: who a client is, what may come over plain HTTP, HTTP/2.

mod certificates;
mod hsts;
mod http2;
mod proxies;
mod transport;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use keymint_testkit::tls::Files;
use keymint_testkit::{Authority, Database, Dev, Serving};

/// The name that certificates of these tests are for.
const NAME: &str = "pay.example";

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_keymint")
}

/// The table that gives a listener a certificate.
fn table(listener: &str, files: &Files) -> String {
    format!("[listen.{listener}_tls]\n{}", files.settings())
}

/// A Keymint in a folder, whose gateway speaks TLS.
fn under_tls(folder: &Path, authority: &Authority) -> (Dev, Files) {
    let files = authority.certificate(NAME).write(folder, "gateway");
    let serving = Serving { tables: table("gateway", &files), ..Serving::default() };
    (Dev::serve_as(binary(), folder, Database::Sqlite, &serving), files)
}

/// Tells a Keymint to look at its certificates.
pub fn hang_up(dev: &Dev) {
    let told = Command::new("kill").args(["-HUP", &dev.pid().to_string()]).status();
    assert!(told.expect("kill runs").success());
}

/// What `openssl s_client` says when it is told this.
pub fn openssl(address: SocketAddr, arguments: &[&str]) -> (bool, String) {
    let done = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-servername", NAME])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is there; `cargo xtask test` installs it");
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&text).into_owned())
}
