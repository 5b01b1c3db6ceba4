//! Who the upstream is told that a request is from, and what it is never told.

use keymint_testkit::upstream::Seen;
use keymint_testkit::{Call, Dev, Key, Request, Upstream};
use serde_json::json;

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

/// Names under which a client could say who it is, which upstreams believe: each is ours, or nobody's.
const FORGED: [&str; 44] = [
    "X-Keymint-Merchant",
    "x-keymint-merchant",
    "X-KEYMINT-MERCHANT",
    "x-KeyMint-mErChAnT",
    "X_Keymint_Merchant",
    "X-Keymint_Merchant",
    "x_keymint_merchant",
    "X.Keymint.Merchant",
    "X!Keymint!Merchant",
    "X~Keymint~Merchant",
    "X-Keymint-App",
    "X_Keymint_App",
    "X-Keymint-Key",
    "X_KEYMINT_KEY",
    "X-Keymint-Mode",
    "X_Keymint-Mode",
    "X-Keymint-Scopes",
    "X-Keymint_Scopes",
    "X-Keymint-Identity",
    "X_Keymint_Identity",
    "X-Keymint-Anything",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "x-forwarded-for",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-User",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "X_Real_IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Original-URL",
    "X-Original-Uri",
    "X-Rewrite-URL",
    "X-Request-Id",
    "X-Remote-User",
    "X-Envoy-External-Address",
    "Proxy",
];

#[test]
fn what_a_client_says_about_itself_never_arrives_in_any_spelling() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "forged");
    for name in FORGED {
        for named in [None, Some("close"), Some(name)] {
            let mut request = call(&key, "GET", "/v1/orders").header(name, "evil").header(name, "evil2");
            if let Some(named) = named {
                request = request.header("Connection", named);
            }
            let reply = request.send(dev.gateway);
            assert_eq!(reply.status, 200, "{name}: {}", reply.body);
            let seen = upstream.only();
            upstream.forget();
            assert!(!seen.head.contains("evil"), "{name}: {}", seen.head);
            assert_eq!(seen.field("x-keymint-key").as_deref(), Some(key.key_id.as_str()), "{name}");
            assert_eq!(seen.field("x-keymint-app").as_deref(), Some(key.app_id.as_str()), "{name}");
            assert_eq!(seen.field("x-keymint-mode").as_deref(), Some("test"), "{name}");
            assert_eq!(seen.field("x-keymint-scopes").as_deref(), Some(""), "{name}");
            assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("127.0.0.1"), "{name}");
        }
    }
    let named =
        call(&key, "GET", "/v1/orders").header("Connection", "X-Keymint-Key, X-Keymint-Merchant, X-Forwarded-For");
    assert_eq!(named.send(dev.gateway).status, 200);
    let seen = upstream.only();
    assert_eq!(seen.field("x-keymint-key").as_deref(), Some(key.key_id.as_str()), "ours cannot be named away");
    assert!(seen.field("x-keymint-merchant").is_some() && seen.field("x-forwarded-for").is_some());
}

#[test]
fn identity_follows_the_credential_and_its_scopes() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let merchant = dev.merchant("scoped");
    let app = dev.app(&merchant, "razorpay", "scoped");
    let key = dev.key_of(&app, &json!({ "mode": "test", "scopes": ["read_only", "read_write"] }));
    assert_eq!(get(&dev, &key, "/v1/orders").status, 200);
    let seen = upstream.only();
    assert_eq!(seen.field("x-keymint-scopes").as_deref(), Some("read_only read_write"));
    assert_eq!(seen.field("x-keymint-merchant"), Some(merchant));
    assert_eq!(seen.field("x-keymint-app"), Some(app));
}

/// What must not reach the upstream of a request: the values of its credentials, and its key id outside our own field.
fn holds_credentials(seen: &Seen, key: &Key, credentials: &[(String, String)]) -> Option<String> {
    // A digest of the body is the body's, and the upstream may want it.
    let credentials: Vec<_> = credentials.iter().filter(|(name, _)| name != "content-digest").collect();
    let lines = seen.head.split("\r\n").filter(|line| !line.starts_with("x-keymint-key:"));
    let text = format!("{}\n{}", lines.collect::<Vec<_>>().join("\n"), String::from_utf8_lossy(&seen.body));
    let values = credentials.iter().map(|(_, value)| value.as_str()).filter(|value| value.len() > 3);
    let mut words = values.chain([key.secret.as_str(), key.key_id.as_str()]);
    let is_there = |name: &str| seen.fields().iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let name = credentials.iter().map(|(name, _)| name.as_str()).find(|name| is_there(name));
    name.or_else(|| words.find(|word| text.contains(*word))).map(str::to_owned)
}

#[test]
fn credentials_of_every_scheme_stay_here() {
    let upstream = Upstream::plain();
    let products = ["razorpay", "kpay", "kwikpaisa", "kspay", "keymint"];
    let dev = behind(&products, &[&upstream], "");
    let body = r#"{"order_id":"A-1","amount":5}"#;
    let calls = [
        Call::new("razorpay", "GET", "/v1/orders", "").scheme("basic"),
        Call::new("razorpay", "POST", "/v1/orders", body).scheme("basic"),
        Call::new("kpay", "GET", "/api/v1/payments/me", "").scheme("key_pair"),
        Call::new("kpay", "POST", "/api/v1/payments", body).scheme("key_pair"),
        Call::new("kwikpaisa", "POST", "/api/v3/pg/order/create", body).scheme("signed"),
        Call::new("kspay", "POST", "/transaction/initiate", body).scheme("signed"),
        Call::new("keymint", "GET", "/v1/things", "").scheme("bearer"),
        Call::new("keymint", "POST", "/v1/things", body).scheme("bearer"),
        Call::new("keymint", "GET", "/v1/things?a=b", "").scheme("message_signature"),
        Call::new("keymint", "POST", "/v1/things", body).scheme("message_signature"),
    ];
    let keys: Vec<(&str, Key)> = products.iter().map(|product| (*product, dev.key(product, "every"))).collect();
    for call in calls {
        let (_, key) = keys.iter().find(|(product, _)| *product == call.product).expect("a key");
        let credentials = call.credentials(dev.gateway, key);
        let reply = call.bare().headers(&credentials).send(dev.gateway);
        assert_eq!(reply.status, 200, "{call:?}: {}", reply.body);
        let seen = upstream.only();
        upstream.forget();
        assert_eq!(holds_credentials(&seen, key, &credentials), None, "{call:?}: {}", seen.head);
        assert_eq!((seen.target(), seen.body.as_slice()), (call.path, call.body.as_bytes()));
        assert_eq!(seen.field("x-keymint-key").as_deref(), Some(key.key_id.as_str()));
    }
}

#[test]
fn tokens_are_sold_here_and_stay_here_too() {
    let upstream = Upstream::plain();
    let dev = behind(&["kpay", "kspay"], &[&upstream], "");
    let key = dev.key("kpay", "token");
    let bought = Call::new("kpay", "POST", "/api/v1/payments/token", "").scheme("key_pair").signed(dev.gateway, &key);
    let bought = bought.send(dev.gateway);
    assert_eq!((bought.status, upstream.bytes()), (201, 0), "the upstream sees nothing of the exchange");
    let token = bought.text("/accessToken");
    let credentials = [("authorization".to_owned(), format!("Bearer {token}"))];
    let transfer = Request::new("POST", "/kpay/api/wallets/transfer").body("{\"amount\":1}").headers(&credentials);
    assert_eq!(transfer.send(dev.gateway).status, 200);
    let seen = upstream.only();
    assert_eq!(holds_credentials(&seen, &key, &credentials), None, "{}", seen.head);
    assert!(!seen.head.contains(&token));
    upstream.forget();

    let public = dev.key("kspay", "public");
    let alone = Request::new("GET", "/kspay/currencies").header("X-Access-Key", &public.key_id);
    assert_eq!(alone.send(dev.gateway).status, 200);
    assert_eq!(upstream.only().field("x-access-key"), None);
}

#[test]
fn credentials_under_other_names_do_not_slip_past_the_ones_that_count() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay"], &[&upstream], "");
    let key = dev.key("razorpay", "others");
    for name in [
        "Proxy-Authorization",
        "X_API_Key",
        "X_Secret_Key",
        "Authorization_",
        "X_Signature",
        "X.Api.Key",
        "X-API-Key",
        "X-Timestamp",
    ] {
        let reply = call(&key, "GET", "/v1/orders").header(name, &key.secret).send(dev.gateway);
        if reply.status == 200 {
            let seen = upstream.only();
            assert!(!seen.head.contains(&key.secret), "{name}: {}", seen.head);
        } else {
            assert_eq!((reply.status, upstream.seen().len()), (400, 0), "{name}");
        }
        upstream.forget();
    }
}

#[test]
fn a_denied_request_never_reaches_the_upstream() {
    let upstream = Upstream::plain();
    let dev = behind(&["razorpay", "kwikpaisa", "keymint"], &[&upstream], "");
    let key = dev.key("razorpay", "denied");
    let wrong = Key { secret: "0".repeat(24), ..key.clone() };
    assert_eq!(get(&dev, &wrong, "/v1/orders").status, 401);
    assert_eq!(dev.revoke(&key.key_id).status, 200);
    assert_eq!(get(&dev, &key, "/v1/orders").status, 401);
    assert_eq!(Request::new("GET", "/razorpay/v1/orders").send(dev.gateway).status, 401);
    assert_eq!(upstream.connections(), 0);
}
