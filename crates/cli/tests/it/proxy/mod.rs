//! The proxy in front of the payments service: what reaches the upstream, byte for byte, and what never does.

mod bodies;
mod connections;
mod desync;
mod heads;
mod identity;
mod paths;
mod streams;
mod test_cards;
mod tokens;

use keymint_testkit::{Dev, Key, Reply, Request, Upstream};

/// A Keymint whose products have an upstream behind test credentials, with more settings for it.
fn behind(products: &[&'static str], upstreams: &[&Upstream], settings: &str) -> Dev {
    let addresses: Vec<String> = upstreams.iter().map(|upstream| format!("\"{}\"", upstream.url())).collect();
    let table = format!("[product.upstream_test]\naddresses = [{}]\n{settings}", addresses.join(", "));
    let products: Vec<(&'static str, String)> = products.iter().map(|product| (*product, table.clone())).collect();
    Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &products)
}

/// A call with HTTP Basic on the Razorpay product.
fn call(key: &Key, method: &str, path: &str) -> Request {
    Request::new(method, &format!("/razorpay{path}")).header("Authorization", &key.basic())
}

fn get(dev: &Dev, key: &Key, path: &str) -> Reply {
    call(key, "GET", path).send(dev.gateway)
}
