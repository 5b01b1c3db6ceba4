//! The management API: contract, permissions, idempotency, logs.

use keymint_testkit::{Dev, Key, Reply, Request};
use serde_json::{Value, json};

use crate::dev;

fn issue_with(dev: &Dev, app: &str, idempotency_key: &str, body: &Value) -> Reply {
    Request::new("POST", &format!("/api/v1/apps/{app}/credentials"))
        .header("Authorization", &format!("Bearer {}", dev.token))
        .header("Idempotency-Key", idempotency_key)
        .body(&body.to_string())
        .send(dev.console)
}

fn count_active(dev: &Dev, app: &str) -> usize {
    let listed = dev.api("GET", &format!("/apps/{app}/credentials"), &Value::Null).json();
    listed["items"].as_array().map_or(0, |items| items.iter().filter(|item| item["status"] == "active").count())
}

#[test]
fn generating_makes_exactly_one_pair_and_shows_its_secret_once() {
    let dev = dev();
    let merchant = dev.merchant("once");
    let app = dev.app(&merchant, "razorpay", "once");
    assert_eq!(count_active(&dev, &app), 0);
    let issued = dev.api("POST", &format!("/apps/{app}/credentials"), &json!({ "mode": "test", "name": "shop" }));
    assert_eq!(
        (issued.status, issued.text("/status").as_str(), issued.text("/mode").as_str()),
        (201, "active", "test")
    );
    let (key_id, secret) = (issued.text("/key_id"), issued.text("/secret"));
    assert!(!secret.is_empty() && issued.header("cache-control") == Some("no-store"));
    assert_eq!(count_active(&dev, &app), 1);
    let again = dev.api("POST", &format!("/apps/{app}/credentials"), &json!({ "mode": "test" }));
    assert_eq!((again.status, again.text("/code").as_str()), (409, "credential_exists"));
    for path in [
        format!("/credentials/{key_id}"),
        format!("/apps/{app}/credentials"),
        format!("/credentials/{key_id}/requests"),
        "/audit-entries".to_owned(),
    ] {
        let reply = dev.api("GET", &path, &Value::Null);
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.body.contains(&secret), "{path} holds the secret");
    }
    let shown = dev.api("GET", &format!("/credentials/{key_id}"), &Value::Null);
    assert_eq!((shown.text("/key_id"), shown.text("/name")), (key_id, "shop".to_owned()));
    assert!(shown.json().get("secret").is_none());
}

#[test]
fn keys_belong_to_the_merchant_or_to_the_app_as_the_dialect_says() {
    let dev = dev();
    let merchant = dev.merchant("owners");
    for (product, is_shared) in [("razorpay", true), ("kwikpaisa", true), ("kpay", false), ("kspay", false)] {
        let (first, second) = (dev.app(&merchant, product, "first"), dev.app(&merchant, product, "second"));
        dev.key_of(&first, &json!({ "mode": "test" }));
        let reply = dev.api("POST", &format!("/apps/{second}/credentials"), &json!({ "mode": "test" }));
        assert_eq!(reply.status, if is_shared { 409 } else { 201 }, "{product}");
    }
}

#[test]
fn a_repeated_issue_answers_the_same_credential_without_its_secret() {
    let dev = dev();
    let merchant = dev.merchant("repeat");
    let app = dev.app(&merchant, "keymint", "repeat");
    let body = json!({ "mode": "test", "name": "one" });
    let first = issue_with(&dev, &app, "k-1", &body);
    assert_eq!(first.status, 201);
    let second = issue_with(&dev, &app, "k-1", &body);
    assert_eq!((second.status, second.text("/key_id")), (200, first.text("/key_id")));
    assert_eq!(second.json()["secret_shown_before"], json!(true));
    assert!(second.json().get("secret").is_none() && second.header("idempotency-replayed") == Some("true"));
    let other = issue_with(&dev, &app, "k-1", &json!({ "mode": "test", "name": "two" }));
    assert_eq!((other.status, other.text("/code").as_str()), (409, "idempotency_key_reused"));
    assert_eq!(count_active(&dev, &app), 1);
    assert_eq!(issue_with(&dev, &app, "k-2", &body).status, 201);
    assert_eq!(issue_with(&dev, &app, "", &body).status, 422);
}

#[test]
fn twenty_repeats_at_once_make_one_credential_and_show_one_secret() {
    let dev = dev();
    let merchant = dev.merchant("storm");
    let app = dev.app(&merchant, "razorpay", "storm");
    let body = json!({ "mode": "test" });
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..20).map(|_| scope.spawn(|| issue_with(&dev, &app, "storm", &body))).collect();
        calls.into_iter().map(|call| call.join().expect("a reply")).collect()
    });
    assert_eq!(replies.iter().filter(|reply| reply.json().get("secret").is_some()).count(), 1);
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 201)));
    assert!(replies.iter().all(|reply| reply.text("/key_id") == replies[0].text("/key_id")));
    assert_eq!(count_active(&dev, &app), 1);
}

#[test]
fn a_repeated_roll_answers_the_same_successor_without_its_secret() {
    let dev = dev();
    let key = dev.key("razorpay", "roll-repeat");
    let roll = || {
        Request::new("POST", &format!("/api/v1/credentials/{}/roll", key.key_id))
            .header("Authorization", &format!("Bearer {}", dev.token))
            .header("Idempotency-Key", "roll-1")
            .body(r#"{"grace_seconds":0}"#)
            .send(dev.console)
    };
    let (first, second) = (roll(), roll());
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.text("/credential/key_id"), second.text("/credential/key_id"));
    assert!(!first.text("/credential/secret").is_empty() && second.json()["credential"].get("secret").is_none());
}

#[test]
fn a_merchants_token_reaches_that_merchant_and_nothing_else() {
    let dev = dev();
    let (mine, theirs) = (dev.merchant("mine"), dev.merchant("theirs"));
    let theirs_app = dev.app(&theirs, "razorpay", "theirs");
    let theirs_key = dev.key_of(&theirs_app, &json!({ "mode": "test" }));
    let made = dev.api("POST", "/tokens", &json!({ "name": "mine", "merchant_id": mine }));
    assert_eq!(made.status, 201);
    let token = made.text("/token");
    let as_mine = |method: &str, path: &str, body: Value| dev.api_as(&token, method, path, &body).status;
    assert_eq!(as_mine("GET", &format!("/merchants/{mine}"), Value::Null), 200);
    for (method, path, body) in [
        ("GET", format!("/merchants/{theirs}"), Value::Null),
        ("GET", format!("/merchants/{theirs}/apps"), Value::Null),
        (
            "POST",
            format!("/merchants/{theirs}/apps"),
            json!({ "product": "kpay", "name": "abc", "email": "a@b.cd",
            "address": "x", "country": "IN", "postal_code": "1" }),
        ),
        ("GET", format!("/apps/{theirs_app}"), Value::Null),
        ("PATCH", format!("/apps/{theirs_app}"), json!({ "enabled": false })),
        ("POST", format!("/apps/{theirs_app}/credentials"), json!({ "mode": "test" })),
        ("GET", format!("/apps/{theirs_app}/credentials"), Value::Null),
        ("GET", format!("/apps/{theirs_app}/requests"), Value::Null),
        ("GET", format!("/credentials/{}", theirs_key.key_id), Value::Null),
        ("PATCH", format!("/credentials/{}", theirs_key.key_id), json!({ "name": "x" })),
        ("POST", format!("/credentials/{}/roll", theirs_key.key_id), json!({ "grace_seconds": 0 })),
        ("POST", format!("/credentials/{}/revoke", theirs_key.key_id), json!({ "reason": "other" })),
        ("GET", format!("/credentials/{}/requests", theirs_key.key_id), Value::Null),
    ] {
        assert_eq!(as_mine(method, &path, body), 404, "{method} {path}");
    }
    let new = json!({ "name": "Other Ltd", "email": "o@merchant.example", "country": "IN" });
    assert_eq!(as_mine("POST", "/merchants", new), 403);
    assert_eq!(as_mine("POST", "/tokens", json!({ "name": "x" })), 403);
    let activation = format!("/merchants/{mine}/activation");
    assert_eq!(as_mine("PUT", &activation, json!({ "state": "approved", "reason": "me" })), 403);
    let listed = dev.api_as(&token, "GET", "/merchants", &Value::Null).json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    let audit = dev.api_as(&token, "GET", "/audit-entries", &Value::Null);
    assert!(!audit.body.contains(&theirs_key.key_id));
    let id = made.text("/id");
    assert_eq!(dev.api("DELETE", &format!("/tokens/{id}"), &Value::Null).status, 204);
    assert_eq!(as_mine("GET", &format!("/merchants/{mine}"), Value::Null), 401);
}

#[test]
fn every_route_refuses_who_has_no_token() {
    let dev = dev();
    let document = Request::new("GET", "/openapi.json").send(dev.console).json();
    let paths = document["paths"].as_object().expect("paths").clone();
    let mut asked = 0;
    for (path, item) in &paths {
        for method in ["get", "post", "put", "patch", "delete"] {
            if item.get(method).is_none() {
                continue;
            }
            let path = path.replace("{id}", "mer_00000000000000000000000000").replace("{key_id}", "rzp_test_x");
            let request = Request::new(&method.to_uppercase(), &path);
            for authorization in [None, Some("Bearer "), Some("Bearer kmt_x"), Some(dev.token.as_str())] {
                let request = match authorization {
                    Some(value) => request.clone().header("Authorization", value),
                    None => request.clone(),
                };
                let reply = request.body("{}").send(dev.console);
                assert_eq!((reply.status, reply.text("/code").as_str()), (401, "unauthorized"), "{method} {path}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 60, "{asked}");
}

#[test]
fn problems_name_the_field_and_change_nothing() {
    let dev = dev();
    let merchant = dev.merchant("fields");
    let good = json!({
        "product": "razorpay", "name": "Web shop", "email": "a@b.example", "address": "1 Road", "country": "IN",
        "postal_code": "1",
    });
    for (member, value) in [
        ("product", json!("nothing")),
        ("name", json!("ab")),
        ("name", json!("x".repeat(257))),
        ("email", json!("nobody")),
        ("address", json!("")),
        ("country", json!("XX")),
        ("postal_code", json!(" ")),
        ("name", json!(7)),
        ("surprise", json!(1)),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let reply = dev.api("POST", &format!("/merchants/{merchant}/apps"), &body);
        assert_eq!((reply.status, reply.text("/field").as_str()), (422, member), "{}", reply.body);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        assert!(reply.text("/request_id").starts_with("req_"));
    }
    for member in ["product", "name", "email", "address", "country", "postal_code"] {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(member);
        let reply = dev.api("POST", &format!("/merchants/{merchant}/apps"), &body);
        assert_eq!((reply.status, reply.text("/field").as_str()), (422, member));
    }
    let listed = dev.api("GET", &format!("/merchants/{merchant}/apps"), &Value::Null).json();
    assert_eq!(listed["items"], json!([]));
    let malformed = Request::new("POST", "/api/v1/merchants").header("Authorization", &format!("Bearer {}", dev.token));
    let twice = malformed.clone().body(r#"{"name":"a","name":"b","email":"c","country":"IN"}"#).send(dev.console);
    assert_eq!((twice.status, twice.text("/code").as_str()), (400, "malformed_body"));
    let large = malformed.body(&format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000))).send(dev.console);
    assert_eq!(large.status, 413);
}

#[test]
fn lists_are_cut_and_continued_by_cursor() {
    let dev = dev();
    let merchant = dev.merchant("pages");
    let app = dev.app(&merchant, "keymint", "pages");
    let mut made: Vec<String> = (0..7).map(|_| dev.key_of(&app, &json!({ "mode": "test" })).key_id).collect();
    let mut seen = Vec::new();
    let mut path = format!("/apps/{app}/credentials?limit=3");
    loop {
        let page = dev.api("GET", &path, &Value::Null).json();
        seen.extend(
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|item| item["key_id"].as_str().unwrap_or("").to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/apps/{app}/credentials?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    made.sort();
    seen.sort();
    assert_eq!(seen, made);
    assert_eq!(dev.api("GET", &format!("/apps/{app}/credentials?limit=101"), &Value::Null).status, 422);
    assert_eq!(dev.api("GET", &format!("/apps/{app}/credentials?surprise=1"), &Value::Null).status, 400);
}

#[test]
fn the_request_log_answers_who_used_a_key_and_how() {
    let dev = dev();
    let (key, other) = (dev.key("razorpay", "log"), dev.key("razorpay", "other"));
    let call =
        |key: &Key, path: &str| Request::new("GET", path).header("Authorization", &key.basic()).send(dev.gateway);
    let first = call(&key, "/razorpay/v1/orders");
    call(&Key { secret: "B".repeat(24), ..key.clone() }, "/razorpay/v1/orders");
    call(&other, "/razorpay/v1/orders");
    dev.revoke(&key.key_id);
    call(&key, "/razorpay/v1/orders/order_00000000000000");
    let log = |query: &str| {
        let reply = dev.api("GET", &format!("/credentials/{}/requests{query}", key.key_id), &Value::Null);
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()["items"].as_array().expect("items").clone()
    };
    let all = log("");
    let reasons: Vec<_> = all.iter().map(|entry| entry["reason"].as_str().unwrap_or("allow").to_owned()).collect();
    assert_eq!(reasons, ["revoked", "wrong_secret", "allow"]);
    assert_eq!(all[2]["request_id"].as_str(), first.header("x-request-id"));
    assert_eq!((all[2]["path"].as_str(), all[2]["status"].as_i64()), (Some("/v1/orders"), Some(200)));
    assert_eq!(all[2]["client_ip"].as_str(), Some("127.0.0.1"));
    assert_eq!((log("?reason=revoked").len(), log("?status=4xx").len(), log("?status=200").len()), (1, 2, 1));
    assert_eq!((log("?mode=live").len(), log("?since=2099-01-01T00:00:00Z").len()), (0, 0));
    assert_eq!(log("?until=2020-01-01T00:00:00Z").len(), 0);
    let of_app = dev.api("GET", &format!("/apps/{}/requests?limit=2", key.app_id), &Value::Null).json();
    assert_eq!(of_app["items"].as_array().map(Vec::len), Some(2));
    assert!(of_app["next_cursor"].is_string());
    let shown = dev.api("GET", &format!("/credentials/{}", key.key_id), &Value::Null);
    assert!(!shown.text("/last_used_at").is_empty());
    let bad = dev.api("GET", &format!("/credentials/{}/requests?reason=nothing", key.key_id), &Value::Null);
    assert_eq!(bad.status, 422);
}

#[test]
fn every_act_has_its_audit_entry() {
    let dev = dev();
    let key = dev.key("razorpay", "audit");
    let rolled = dev.roll(&key.key_id, 60);
    dev.revoke(&key.key_id);
    dev.api("PATCH", &format!("/credentials/{}", rolled.text("/credential/key_id")), &json!({ "name": "new" }));
    let entries = dev.api("GET", "/audit-entries?limit=100", &Value::Null).json();
    let actions: Vec<&str> = entries["items"]
        .as_array()
        .expect("items")
        .iter()
        .rev()
        .filter(|entry| entry["actor"].as_str().is_some_and(|actor| actor.starts_with("operator:")))
        .filter_map(|entry| entry["action"].as_str())
        .collect();
    assert_eq!(
        actions,
        [
            "merchant.made",
            "app.made",
            "credential.issued",
            "credential.rolled",
            "credential.revoked",
            "credential.changed",
        ]
    );
}

#[test]
fn the_reference_page_and_the_document_come_from_the_binary() {
    let dev = dev();
    let page = Request::new("GET", "/docs").send(dev.console);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("/api/v1/credentials/{key_id}/revoke"));
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && !page.body.contains("<script"));
    assert_eq!(Request::new("GET", "/docs.css").send(dev.console).status, 200);
    assert_eq!(Request::new("GET", "/openapi.json").send(dev.console).json()["openapi"].as_str(), Some("3.1.0"));
    assert_eq!(Request::new("GET", "/nothing").send(dev.console).text("/code"), "not_found");
    assert_eq!(Request::new("DELETE", "/api/v1/merchants").send(dev.console).status, 405);
}
