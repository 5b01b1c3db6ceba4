//! TLS on the listeners, and what follows from it: who a client is, what may come over plain HTTP, HTTP/2.

mod certificates;
mod hsts;
mod http2;
mod proxies;
mod transport;

use std::path::Path;

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
