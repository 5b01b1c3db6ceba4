//! Quotas of the calendar, which outlive the process, and how much one merchant may have on its way at once.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use keymint_testkit::serve::Database;
use keymint_testkit::upstream::PLAIN_ANSWER;
use keymint_testkit::{Dev, Key, Reply, Request, Upstream, eventually, http};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_keymint");

fn call(dev: &Dev, key: &Key, path: &str) -> Reply {
    Request::new("GET", path).header("Authorization", &key.basic()).send(dev.gateway)
}

/// How many requests a key may still make this month, as an allowed answer tells it.
fn left(reply: &Reply) -> Option<u32> {
    let told = reply.header("ratelimit")?.strip_prefix("\"month\";r=")?;
    told.split(';').next()?.parse().ok()
}

#[test]
fn a_month_counts_on_through_stops_and_kills_and_the_request_behind_its_last_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let product = "[[product]]\nname = \"metered\"\ndialect = \"razorpay\"\n\
                   [[product.limit]]\nname = \"month\"\nper = \"key\"\nrequests = 8\nperiod = \"month\"\n";
    let start = || Dev::serve_with(BINARY, folder.path(), Database::Sqlite, product);
    let mut dev = start();
    let key_of =
        |dev: &Dev, name: &str| dev.key_of(&dev.app(&dev.merchant(name), "metered", name), &json!({ "mode": "test" }));
    let (key, other) = (&key_of(&dev, "one"), &key_of(&dev, "other"));
    for expected in [7, 6, 5] {
        let reply = call(&dev, key, "/metered/v1/orders");
        assert_eq!((reply.status, left(&reply)), (200, Some(expected)), "{}", reply.body);
        assert_eq!(reply.header("ratelimit-policy"), Some("\"month\";q=8"));
    }
    dev.stop();
    let mut dev = start();
    let reply = call(&dev, key, "/metered/v1/orders");
    assert_eq!((reply.status, left(&reply)), (200, Some(4)), "a stop forgets nothing");
    eventually(|| {
        let metrics = Request::new("GET", "/metrics").send(dev.internal).body;
        let is_written = metrics.contains("keymint_quota_counts_written_total 1\n");
        if is_written { Ok(()) } else { Err("the count was not written down".to_owned()) }
    });
    dev.kill();
    let dev = start();
    for expected in [3, 2, 1, 0] {
        assert_eq!(left(&call(&dev, key, "/metered/v1/orders")), Some(expected));
    }
    let refused = call(&dev, key, "/metered/v1/orders");
    let wait: u32 = refused.header("retry-after").expect("when to come again").parse().expect("seconds");
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!((1..=31 * 86_400).contains(&wait), "until the next month: {wait}");
    assert_eq!(left(&call(&dev, other, "/metered/v1/orders")), Some(7), "another key has its own");
}

#[test]
fn a_merchant_has_so_much_on_its_way_at_once_and_takes_no_place_from_another() {
    let waiting: Arc<Mutex<Vec<std::sync::mpsc::Sender<()>>>> = Arc::default();
    let queue = Arc::clone(&waiting);
    let upstream = Upstream::scripted(move |connection| {
        while let Some(seen) = connection.request() {
            if seen.target().contains("slow") {
                let (done, wait) = std::sync::mpsc::channel();
                queue.lock().expect("a list").push(done);
                let _ = wait.recv();
            }
            if !connection.write(PLAIN_ANSWER.as_bytes()) {
                return;
            }
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let settings = format!(
        "[[product]]\nname = \"busy\"\ndialect = \"razorpay\"\n[product.upstream_test]\naddresses = [\"{}\"]\n\
         [limits]\nmerchant_requests_at_once_max = 2\n",
        upstream.url()
    );
    let dev = Dev::serve_with(BINARY, folder.path(), Database::Sqlite, &settings);
    let key_of = |name: &str| dev.key_of(&dev.app(&dev.merchant(name), "busy", name), &json!({ "mode": "test" }));
    let (key, other) = (key_of("many"), key_of("one"));
    let mut slow: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = TcpStream::connect(dev.gateway).expect("a connection");
            let request = Request::new("GET", "/busy/v1/slow").header("Authorization", &key.basic());
            stream.write_all(&request.bytes("h")).expect("it is sent");
            stream
        })
        .collect();
    eventually(|| match upstream.seen().len() {
        2 => Ok(()),
        seen => Err(format!("{seen} of two are on their way")),
    });
    let refused = call(&dev, &key, "/busy/v1/orders");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.body);
    assert_eq!(upstream.seen().len(), 2, "it did not go upstream");
    assert_eq!(call(&dev, &other, "/busy/v1/orders").status, 200, "another merchant's does");
    for done in waiting.lock().expect("a list").drain(..) {
        done.send(()).expect("the upstream waits");
    }
    for stream in &mut slow {
        assert_eq!(http::read(stream).map(|reply| reply.status), Some(200));
    }
    assert_eq!(call(&dev, &key, "/busy/v1/orders").status, 200, "places are given back");
}
