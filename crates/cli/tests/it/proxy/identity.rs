//! Who the upstream is told that a request is from, and what it is never told.

use keymint_testkit::{Dev, Upstream};

use super::{behind, call, get};

#[test]
fn a_request_reaches_the_upstream_with_its_identity_and_without_its_credentials() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "first");
    let reply = get(&dev, &key, "/v1/orders?count=2&skip=0");
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ok":true}"#));
    let seen = upstream.only();
    assert_eq!((seen.method(), seen.target()), ("GET", "/v1/orders?count=2&skip=0"));
    assert_eq!(seen.field("x-keymint-key").as_deref(), Some(key.key_id.as_str()));
    assert_eq!(seen.field("x-keymint-app").as_deref(), Some(key.app_id.as_str()));
    assert!(seen.field("x-keymint-merchant").is_some_and(|merchant| merchant.starts_with("mer_")));
    assert_eq!(seen.field("x-keymint-mode").as_deref(), Some("test"));
    assert_eq!(seen.field("x-keymint-scopes").as_deref(), Some(""));
    assert_eq!(seen.field("authorization"), None);
    assert_eq!(seen.field("host"), Some(upstream.address.to_string()));
    assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-host"), Some(dev.gateway.to_string()));
    assert_eq!(seen.field("x-request-id").as_deref(), reply.header("x-request-id"));
}

#[test]
fn live_credentials_go_to_the_live_upstream_and_test_credentials_to_the_test_one() {
    let (test, live) = (Upstream::plain(), Upstream::plain());
    let table =
        |mode: &str, upstream: &Upstream| format!("[product.upstream_{mode}]\naddresses = [\"{}\"]\n", upstream.url());
    let both = format!("{}{}", table("test", &test), table("live", &live));
    let products = [("razorpay", both), ("kpay", table("live", &live))];
    let dev = Dev::serve_products(env!("CARGO_BIN_EXE_keymint"), &products);
    let (test_key, live_key) = (dev.key("razorpay", "test"), dev.live_key("razorpay", "live"));
    assert_eq!(get(&dev, &test_key, "/v1/orders").status, 200);
    assert_eq!(test.only().field("x-keymint-mode").as_deref(), Some("test"));
    assert_eq!(get(&dev, &live_key, "/v1/orders").status, 200);
    assert_eq!(live.only().field("x-keymint-mode").as_deref(), Some("live"));
    assert_eq!(test.seen().len(), 1);
}

#[test]
fn forged_identity_never_arrives() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "forged");
    for name in ["X-Keymint-Merchant", "x-keymint-key", "X_Keymint_Key", "X-KEYMINT-APP"] {
        let reply = call(&key, "GET", "/v1/orders").header(name, "evil").send(dev.gateway);
        assert_eq!(reply.status, 200, "{name}");
    }
    assert!(upstream.seen().iter().all(|seen| !seen.head.contains("evil")));
}
