//! Rates over the real gateway: the vendor's numbers, to the call, whatever comes at once; and what a caller is told.

use keymint_testkit::{Dev, Key, Reply, Request};
use serde_json::{Value, json};

use crate::dev;

fn keyed(request: Request, key: &Key) -> Request {
    request.header("X-API-Key", &key.key_id).header("X-Secret-Key", &key.secret)
}

fn me(dev: &Dev, key: &Key) -> Reply {
    keyed(Request::new("GET", "/kpay/api/v1/payments/me"), key).send(dev.gateway)
}

fn init(dev: &Dev, key: &Key, number: usize, place: &str) -> Reply {
    let mut body = json!({ "amount": 5000, "externalId": format!("RATE-{number}") });
    match place {
        "gateway" => body["returnUrl"] = "https://shop.example/return".into(),
        _ => {
            body["provider"] = "MTN_MOMO_CMR".into();
            body["phoneNumber"] = "237653456789".into();
        }
    }
    let request = Request::new("POST", "/kpay/api/v1/payments/init").header("Content-Type", "application/json");
    keyed(request, key).body(&body.to_string()).send(dev.gateway)
}

fn is_refused(reply: &Reply, quota: &str) {
    assert_eq!(reply.status, 429, "{}", reply.body);
    let body: Value = reply.json();
    assert_eq!((&body["statusCode"], &body["message"]), (&429.into(), &"Too many requests".into()), "{}", reply.body);
    let wait: u32 = reply.header("retry-after").expect("when to come again").parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit-policy"), Some(quota));
    let name = quota.split(';').next().expect("a name");
    assert_eq!(reply.header("ratelimit"), Some(&*format!("{name};r=0;t={wait}")));
}

#[test]
fn the_101st_call_of_a_minute_is_refused_in_the_vendors_words_and_another_key_is_not() {
    let dev = dev();
    let (key, other) = (dev.key("kpay", "rates"), dev.key("kpay", "others"));
    for left in (0..100).rev() {
        let reply = me(&dev, &key);
        assert_eq!(reply.status, 200, "{}", reply.body);
        let told = reply.header("ratelimit").expect("where it stands");
        assert!(told.starts_with(&format!("\"default\";r={left};t=")), "{told}");
        assert_eq!(
            (reply.header("ratelimit-policy"), reply.header("retry-after")),
            (Some("\"default\";q=100;w=60"), None)
        );
    }
    is_refused(&me(&dev, &key), "\"default\";q=100;w=60");
    assert_eq!(me(&dev, &other).status, 200);
    let (rest, last) = key.secret.split_at(key.secret.len() - 1);
    let wrong = Key { secret: format!("{rest}{}", if last == "0" { "1" } else { "0" }), ..key.clone() };
    let refused = me(&dev, &wrong);
    assert!(
        refused.status == 401 && refused.header("ratelimit").is_none(),
        "nobody learns of a key that is not theirs"
    );
    let logged = dev.api("GET", &format!("/credentials/{}/requests?reason=rate_limited", key.key_id), &Value::Null);
    assert_eq!(logged.json()["items"].as_array().map(Vec::len), Some(1), "{}", logged.body);
    let free = dev.key("razorpay", "free");
    let methods = Request::new("GET", "/razorpay/v1/orders").header("Authorization", &free.basic()).send(dev.gateway);
    assert!(
        methods.status == 200 && methods.header("ratelimit").is_none(),
        "a product without rates says nothing of them"
    );
}

#[test]
fn the_21st_hosted_page_and_the_61st_question_of_a_minute_are_refused_and_count_nothing_else() {
    let dev = dev();
    let key = dev.key("kpay", "pages");
    for number in 0..20 {
        assert_eq!(init(&dev, &key, number, "gateway").status, 201, "{number}");
    }
    is_refused(&init(&dev, &key, 20, "gateway"), "\"gateway-init\";q=20;w=60");
    let made = init(&dev, &key, 21, "phone");
    assert_eq!(made.status, 201, "a payment by phone opens no page: {}", made.body);
    let poll =
        |key: &Key, id: &str| keyed(Request::new("GET", &format!("/kpay/api/v1/payments/{id}")), key).send(dev.gateway);
    let id = made.text("/id");
    for number in 0..60 {
        assert_eq!(poll(&key, &id).status, 200, "{number}");
    }
    is_refused(&poll(&key, &id), "\"gateway-poll\";q=60;w=60");
    // 20 + 1 + 60 were counted, and what was refused was not.
    for number in 0..19 {
        assert_eq!(init(&dev, &key, 100 + number, "phone").status, 201, "{number}");
    }
    is_refused(&init(&dev, &key, 200, "phone"), "\"default\";q=100;w=60");
}

#[test]
fn a_crowd_that_comes_at_once_gets_exactly_what_there_is() {
    let dev = dev();
    let key = dev.key("kpay", "crowd");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..16).map(|_| scope.spawn(|| (0..20).map(|_| me(&dev, &key).status).collect::<Vec<_>>())).collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("it ends")).collect()
    });
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(200), count(429)), (100, 220));
}

#[test]
fn the_verify_api_counts_as_the_gateway_does_and_says_what_the_vendor_would() {
    let dev = dev();
    let key = dev.key("kpay", "verified");
    let call = json!({
        "product": "kpay", "method": "GET", "target": "/kpay/api/v1/payments/me", "client_ip": "203.0.113.7",
        "headers": [["host", "x"], ["x-api-key", key.key_id], ["x-secret-key", key.secret]], "body_base64": "",
    });
    let verify = || Request::new("POST", "/v1/verify").body(&call.to_string()).send(dev.internal).json();
    for _ in 0..60 {
        assert_eq!(verify()["decision"], "allow");
    }
    for _ in 0..40 {
        assert_eq!(me(&dev, &key).status, 200);
    }
    let denied = verify();
    assert_eq!((&denied["reason"], &denied["response"]["status"]), (&"rate_limited".into(), &429.into()), "{denied}");
    let headers = denied["response"]["headers"].as_array().expect("headers");
    for name in ["retry-after", "ratelimit", "ratelimit-policy"] {
        assert!(headers.iter().any(|pair| pair[0] == name), "{name}: {denied}");
    }
    is_refused(&me(&dev, &key), "\"default\";q=100;w=60");
}
