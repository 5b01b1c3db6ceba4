//! KPay's sandbox, from the key to the refund: the hosted page and its signed way back, wallets that hold what was posted,
//! refunds, payouts, transfers, and what each of them refuses.

use keymint_testkit::{Call, Dev, Key, Receiver, Reply, Request};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::kpay_sandbox::call;
use crate::simulators::{clock, hex_hmac, hook, on_page, pair, told};

/// A payment by phone number.
fn pay(dev: &Dev, key: &Key, (reference, phone): (&str, &str), amount: i64) -> Reply {
    let body = json!({ "amount": amount, "provider": "MTN_MOMO_CMR", "phoneNumber": phone, "externalId": reference });
    call(dev, key, "POST", "/init", &body)
}

fn payout(dev: &Dev, key: &Key, phone: &str, amount: i64) -> Reply {
    let body = json!({ "amount": amount, "provider": "MTN_MOMO_CMR", "phoneNumber": phone });
    call(dev, key, "POST", "/withdraw", &body)
}

fn refund(dev: &Dev, key: &Key, id: &str, body: &Value) -> Reply {
    call(dev, key, "POST", &format!("/{id}/refund"), body)
}

/// A hosted payment.
fn hosted(dev: &Dev, key: &Key, reference: &str) -> Reply {
    let body = json!({
        "amount": 5000, "externalId": reference, "returnUrl": "https://shop.example/back?cart=7",
        "cancelUrl": "https://shop.example/cancelled",
    });
    let made = call(dev, key, "POST", "/init", &body);
    assert_eq!(made.status, 201, "{}", made.body);
    made
}

/// Balance and what is reserved of it, of each wallet by its currency.
fn wallets(dev: &Dev, key: &Key) -> Vec<(String, i64, i64)> {
    let found = call(dev, key, "GET", "/balance", &Value::Null).json();
    let wallet = |one: &Value| {
        let number = |name: &str| one[name].as_i64().expect("a number");
        assert_eq!(number("availableBalance"), number("balance") - number("reservedBalance"));
        (one["currency"].as_str().expect("a code").to_owned(), number("balance"), number("reservedBalance"))
    };
    found.as_array().expect("a list").iter().map(wallet).collect()
}

fn xaf(dev: &Dev, key: &Key) -> (i64, i64) {
    let found = wallets(dev, key);
    let (_, balance, reserved) = found.iter().find(|(currency, ..)| currency == "XAF").expect("the wallet");
    (*balance, *reserved)
}

fn status(dev: &Dev, key: &Key, id: &str) -> String {
    call(dev, key, "GET", &format!("/{id}"), &Value::Null).text("/status")
}

#[test]
fn a_whole_integration_from_the_key_to_the_refund() {
    let (dev, receiver) = (dev(), Receiver::start());
    let app = app_of(&dev, "kpay");
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    let secret = hook(&dev, &app, &receiver);
    let gateway_secret = dev.api("POST", &format!("/apps/{app}/return-secret"), &Value::Null);
    assert_eq!(gateway_secret.status, 201, "{}", gateway_secret.body);
    let gateway_secret = gateway_secret.text("/secret");
    let made = hosted(&dev, &key, "ORDER-1");
    assert_eq!(
        (made.text("/mode"), made.text("/status"), made.text("/currency")),
        ("GATEWAY".into(), "PENDING".into(), "XAF".into())
    );
    let (id, url) = (made.text("/id"), made.text("/gatewayUrl"));
    let page = on_page(&dev, "GET", &url, "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("5000 XAF") && page.body.contains(&made.text("/reference")), "{}", page.body);
    for value in ["success", "failed", "processing", "cancelled", "number"] {
        assert!(page.body.contains(&format!("value=\"{value}\"")), "{value}");
    }
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !page.body.contains("<script"), "{policy}");
    let back = on_page(&dev, "POST", &url, "outcome=success");
    let location = back.header("location").expect("a way back").to_owned();
    assert_eq!(back.status, 303);
    assert!(location.starts_with("https://shop.example/back?cart=7&status=COMPLETED&"), "{location}");
    let [reference, external_id, at] = ["reference", "externalId", "ts"].map(|name| pair(&location, name));
    let signed =
        |status: &str, at: &str| hex_hmac(&gateway_secret, &format!("{status}|{reference}|{external_id}|{at}"));
    assert_eq!((reference.as_str(), external_id.as_str()), (&*made.text("/reference"), "ORDER-1"));
    assert_eq!(pair(&location, "sig"), signed("COMPLETED", &at));
    assert_ne!(pair(&location, "sig"), signed("FAILED", &at), "another status has another signature");
    assert!((keymint_testkit::signing::now().0 - at.parse::<i64>().expect("a time")).abs() < 60_000, "fresh: {at}");
    let got = told(&receiver, "payment.completed", &id);
    assert_eq!(got.header("x-kpay-signature"), Some(&*hex_hmac(&secret, &got.body)));
    assert_eq!(status(&dev, &key, &id), "COMPLETED");
    assert_eq!(xaf(&dev, &key), (254_750, 0), "the payment less its fee");
    let refunded = refund(&dev, &key, &id, &json!({ "reason": "returned", "externalId": "REFUND-1" }));
    assert_eq!((refunded.status, refunded.text("/status")), (201, "PENDING".to_owned()), "{}", refunded.body);
    let got = told(&receiver, "refund.completed", &refunded.text("/id"));
    assert_eq!(got.header("x-kpay-signature"), Some(&*hex_hmac(&secret, &got.body)));
    assert_eq!(
        (got.header("x-kpay-event"), status(&dev, &key, &id)),
        (Some("refund.completed"), "REFUNDED".to_owned())
    );
    assert_eq!(xaf(&dev, &key), (249_750, 0), "the fee stays where it went");
    let owner = Browser::signed_in(&dev, "owner");
    let list = owner.get(&format!("/apps/{app}/transactions")).body;
    assert!(list.contains(&id) && list.contains("refunded") && list.contains(&refunded.text("/id")), "{list}");
    let overview = owner.get(&format!("/apps/{app}")).body;
    assert!(overview.contains("refunded"), "{overview}");
}

#[test]
fn each_outcome_of_the_hosted_page_is_reached_once_and_goes_back_with_its_status() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kpay", "hosted");
    hook(&dev, &key.app_id, &receiver);
    for (number, (form, status, event, place)) in [
        ("outcome=success", "COMPLETED", "payment.completed", "back"),
        ("outcome=failed", "FAILED", "payment.failed", "back"),
        ("outcome=cancelled", "CANCELLED", "payment.cancelled", "cancelled"),
        ("outcome=number&phone=237653456789", "COMPLETED", "payment.completed", "back"),
        ("phone=%2B254703456019&outcome=number", "FAILED", "payment.failed", "back"),
        ("outcome=number&phone=237653456129", "PENDING", "", "back"),
        ("outcome=processing&phone=", "PROCESSING", "", "back"),
    ]
    .into_iter()
    .enumerate()
    {
        let made = hosted(&dev, &key, &format!("ORDER-{number}"));
        let (id, url) = (made.text("/id"), made.text("/gatewayUrl"));
        for wrong in ["", "outcome=", "outcome=paid", "outcome=number", "outcome=number&phone=237670000001"] {
            assert_eq!(on_page(&dev, "POST", &url, wrong).status, 400, "{wrong}");
        }
        let back = on_page(&dev, "POST", &url, form);
        let location = back.header("location").unwrap_or_default().to_owned();
        assert!(
            location.starts_with(&format!("https://shop.example/{place}?")),
            "{form}: {} {}",
            back.status,
            back.body
        );
        assert_eq!(
            (pair(&location, "status"), pair(&location, "sig")),
            (status.to_owned(), String::new()),
            "no secret yet"
        );
        assert_eq!(self::status(&dev, &key, &id), status, "{form}");
        if event.is_empty() {
            continue;
        }
        told(&receiver, event, &id);
        let again = on_page(&dev, "POST", &url, "outcome=success");
        assert!(again.status == 409 && again.body.contains(status), "{form}: {}", again.body);
        assert_eq!(self::status(&dev, &key, &id), status, "once");
    }
    let url = hosted(&dev, &key, "ORDER-LAST").text("/gatewayUrl");
    let other = if url.ends_with('a') { "b" } else { "a" };
    for wrong in [format!("{}{other}", &url[..url.len() - 1]), url[..url.len() - 1].to_owned(), format!("{url}a")] {
        assert_eq!(on_page(&dev, "GET", &wrong, "").status, 404, "{wrong}");
        assert_eq!(on_page(&dev, "POST", &wrong, "outcome=success").status, 404, "{wrong}");
    }
    assert_eq!(receiver.all().len(), 5);
}

#[test]
fn a_page_is_over_after_half_an_hour_and_its_reference_is_free_again() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kpay", "expiry");
    hook(&dev, &key.app_id, &receiver);
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:00Z").status, 200);
    let made = hosted(&dev, &key, "ORDER-1");
    assert_eq!(made.text("/expiresAt"), "2030-01-01T00:30:00Z");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:29:59.999Z").status, 200);
    assert_eq!(status(&dev, &key, &made.text("/id")), "PENDING");
    let taken = call(
        &dev,
        &key,
        "POST",
        "/init",
        &json!({ "amount": 50, "externalId": "ORDER-1", "returnUrl": "https://a.example/" }),
    );
    assert_eq!((taken.status, taken.text("/error")), (409, "Conflict".to_owned()));
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:30:00Z").status, 200);
    assert_eq!(status(&dev, &key, &made.text("/id")), "CANCELLED");
    told(&receiver, "payment.cancelled", &made.text("/id"));
    assert_eq!(on_page(&dev, "POST", &made.text("/gatewayUrl"), "outcome=success").status, 409);
    hosted(&dev, &key, "ORDER-1");
}

#[test]
fn a_reference_is_taken_while_its_payment_is_active_and_free_after_it_failed() {
    let dev = dev();
    let (key, other) = (dev.key("kpay", "references"), dev.key("kpay", "others"));
    for (phone, after) in [("237653456039", 201), ("237653456129", 409), ("237653456789", 409)] {
        assert_eq!(pay(&dev, &key, (phone, phone), 100).status, 201);
        assert_eq!(pay(&dev, &key, (phone, phone), 100).status, after, "{phone}");
        assert_eq!(pay(&dev, &other, (phone, phone), 100).status, 201, "another application's");
    }
}

#[test]
fn payouts_are_set_aside_then_taken_or_given_back() {
    let (dev, receiver) = (dev(), Receiver::start());
    let key = dev.key("kpay", "payouts");
    hook(&dev, &key.app_id, &receiver);
    let paid = payout(&dev, &key, "237653456789", 1_000);
    assert_eq!(
        (paid.status, paid.json()["feeAmount"].as_i64(), paid.json()["netAmount"].as_i64()),
        (201, Some(50), Some(1_000))
    );
    told(&receiver, "payout.completed", &paid.text("/id"));
    assert_eq!(xaf(&dev, &key), (248_950, 0));
    let failed = payout(&dev, &key, "237653456089", 1_000);
    assert!(told(&receiver, "payout.failed", &failed.text("/id")).body.contains("RECIPIENT_NOT_FOUND"));
    assert_eq!(xaf(&dev, &key), (248_950, 0), "given back");
    assert_eq!(payout(&dev, &key, "237653456129", 200_000).status, 201);
    assert_eq!(xaf(&dev, &key), (248_950, 210_000));
    // 38,950 are left: one unit more than an amount takes with its fee, and exactly that.
    assert_eq!(payout(&dev, &key, "237653456789", 37_097).text("/message"), "Insufficient wallet balance");
    assert_eq!(payout(&dev, &key, "237653456789", 37_097).status, 422);
    assert_eq!(payout(&dev, &key, "237653456789", 37_096).status, 201);
    assert_eq!(xaf(&dev, &key), (210_000, 210_000));
    for (amount, wanted) in [(99, 400), (500_001, 400), (500_000, 422)] {
        assert_eq!(payout(&dev, &key, "237653456789", amount).status, wanted, "{amount}");
    }
    // From Cameroon's wallet to Kenya, in shillings.
    let across =
        json!({ "amount": 100, "provider": "MPESA_KEN", "phoneNumber": "254703456789", "sourceCountry": "CMR" });
    let refused = call(&dev, &key, "POST", "/withdraw", &across);
    assert_eq!(refused.status, 422, "the wallet is empty: {}", refused.body);
    let other = dev.key("kpay", "across");
    let made = call(&dev, &other, "POST", "/withdraw", &across);
    assert_eq!(
        (made.status, made.text("/currency"), made.text("/payoutCurrency")),
        (201, "XAF".into(), "KES".into()),
        "{}",
        made.body
    );
    assert_eq!(
        (made.json()["payoutAmount"].clone(), made.json()["exchangeRate"].clone()),
        (json!(21), json!(0.217391))
    );
    assert_eq!(wallets(&dev, &other), [("XAF".to_owned(), 249_895, 0)]);
    let foreign = call(&dev, &other, "GET", &format!("/withdraw/{}", paid.text("/id")), &Value::Null);
    assert_eq!(foreign.status, 403);
}

#[test]
fn a_refund_is_full_once_within_seven_days_and_one_of_two_at_once() {
    let (dev, receiver) = (dev(), Receiver::start());
    let (key, other) = (dev.key("kpay", "refunds"), dev.key("kpay", "thieves"));
    hook(&dev, &key.app_id, &receiver);
    let none = json!({});
    let id = pay(&dev, &key, ("ORDER-1", "237653456789"), 1_000).text("/id");
    assert_eq!(refund(&dev, &other, &id, &none).status, 403);
    assert_eq!(refund(&dev, &key, "pay_0000000000000000", &none).status, 404);
    let wrong = refund(&dev, &key, &id, &json!({ "reason": "FAILED" })).text("/id");
    told(&receiver, "refund.failed", &wrong);
    assert_eq!(
        (status(&dev, &key, &id), xaf(&dev, &key)),
        ("COMPLETED".to_owned(), (250_950, 0)),
        "it may be tried again"
    );
    let given_up = refund(&dev, &key, &id, &json!({ "reason": "CANCELLED" })).text("/id");
    told(&receiver, "refund.cancelled", &given_up);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| refund(&dev, &key, &id, &none).status)).collect();
        calls.into_iter().map(|call| call.join().expect("it answers")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    assert_eq!(xaf(&dev, &key), (249_950, 0), "once");
    assert_eq!(refund(&dev, &key, &id, &none).status, 409, "twice");
    for phone in ["237653456129", "237653456039"] {
        let unpaid = pay(&dev, &key, (phone, phone), 1_000).text("/id");
        assert_eq!(refund(&dev, &key, &unpaid, &none).text("/message"), "Only a completed payment can be refunded");
    }
    let read = call(&dev, &key, "GET", &format!("/refund/{wrong}"), &Value::Null);
    assert_eq!((read.text("/status"), read.text("/failureReason")), ("FAILED".into(), "UNSPECIFIED_FAILURE".into()));
    let clocked = dev.key("kpay", "late");
    assert_eq!(clock(&dev, &clocked.app_id, "2030-01-01T00:00:00Z").status, 200);
    let [late, last] = ["A", "B"].map(|reference| pay(&dev, &clocked, (reference, "237653456789"), 1_000).text("/id"));
    assert_eq!(clock(&dev, &clocked.app_id, "2030-01-08T00:00:00Z").status, 200);
    assert_eq!(refund(&dev, &clocked, &last, &none).status, 201);
    assert_eq!(clock(&dev, &clocked.app_id, "2030-01-08T00:00:01Z").status, 200);
    assert_eq!(refund(&dev, &clocked, &late, &none).text("/message"), "A payment can be refunded within 7 days");
}

#[test]
fn a_refund_that_comes_later_holds_its_money_until_then() {
    let dev = dev();
    let key = dev.key("kpay", "held");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T00:00:00Z").status, 200);
    let id = pay(&dev, &key, ("ORDER-1", "237653456789"), 1_000).text("/id");
    let path = format!("/kpay/api/v1/payments/{id}/refund");
    let request = Request::new("POST", &path).header("X-API-Key", &key.key_id).header("X-Secret-Key", &key.secret);
    let begun = request.header("X-Keymint-Simulate", "settle=1h").body("{}").send(dev.gateway);
    assert_eq!((begun.status, xaf(&dev, &key)), (201, (250_950, 1_000)));
    assert_eq!(refund(&dev, &key, &id, &json!({})).text("/message"), "A refund of this payment is already active");
    assert_eq!(clock(&dev, &key.app_id, "2030-01-01T01:00:00Z").status, 200);
    assert_eq!((status(&dev, &key, &id), xaf(&dev, &key)), ("REFUNDED".to_owned(), (249_950, 0)));
}

#[test]
fn transfers_move_money_between_the_wallets_of_the_application_alone() {
    let dev = dev();
    let key = dev.key("kpay", "transfers");
    let bought = Call::new("kpay", "POST", "/api/v1/payments/token", "").scheme("key_pair").signed(dev.gateway, &key);
    let bearer = format!("Bearer {}", bought.send(dev.gateway).text("/accessToken"));
    let body = |amount: i64, change: Value| {
        let mut body = json!({
            "applicationId": key.app_id, "sourceCountry": "CMR", "destinationCountry": "KEN", "amount": amount,
        });
        body.as_object_mut().expect("an object").extend(change.as_object().cloned().unwrap_or_default());
        body
    };
    let transfer = |body: &Value| {
        let request = Request::new("POST", "/kpay/api/wallets/transfer").body(&body.to_string());
        request.header("Authorization", &bearer).send(dev.gateway)
    };
    let made = transfer(&body(100_000, json!({ "externalId": "T-1" })));
    assert_eq!(
        (made.status, made.text("/type"), made.text("/status")),
        (201, "WALLET_TRANSFER_OUT".into(), "COMPLETED".into()),
        "{}",
        made.body
    );
    assert_eq!(made.json()["receivedAmount"], 21_739);
    let after = [("KES".to_owned(), 271_739, 0), ("XAF".to_owned(), 150_000, 0)];
    assert_eq!(wallets(&dev, &key), after);
    for (body, wanted) in [
        (body(100_000, json!({ "externalId": "T-1" })), 409),
        (body(150_001, json!({})), 422),
        (body(99, json!({})), 400),
        (body(10_000_001, json!({})), 400),
        (body(1_000, json!({ "destinationCountry": "FRA" })), 404),
        (body(1_000, json!({ "applicationId": dev.key("kpay", "stranger").app_id })), 403),
        (body(1_000, json!({ "sourceCountry": "" })), 400),
    ] {
        assert_eq!(transfer(&body).status, wanted, "{body}");
    }
    assert_eq!(wallets(&dev, &key), after, "nothing that was refused moved anything");
    assert_eq!(transfer(&body(150_000, json!({}))).status, 201, "all of it");
}

#[test]
fn a_contract_is_by_number_or_by_page_and_never_both() {
    let dev = dev();
    let key = dev.key("kpay", "contract");
    let page = json!({ "amount": 50, "externalId": "A", "returnUrl": "https://shop.example/" });
    let number = json!({ "amount": 50, "externalId": "B", "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456129" });
    let with = |body: &Value, name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    for (body, message) in [
        (with(&page, "phoneNumber", json!("237653456789")), "property phoneNumber should not exist"),
        (with(&page, "paymentMethod", json!("MOMO")), "property paymentMethod should not exist"),
        (with(&page, "customerName", json!("A")), "property customerName should not exist"),
        (with(&page, "returnUrl", json!("javascript:alert(1)")), "returnUrl must be a URL address"),
        (with(&page, "returnUrl", json!(7)), "returnUrl must be a URL address"),
        (with(&page, "cancelUrl", json!("shop")), "cancelUrl must be a URL address"),
        (with(&page, "amount", json!(49)), "amount must not be less than 50"),
        (with(&page, "amount", json!(10_000_001)), "amount must not be greater than 10000000"),
        (with(&page, "amount", json!(50.5)), "amount must be an integer number"),
        (with(&page, "externalId", json!("")), "externalId should not be empty"),
        (with(&number, "cancelUrl", json!("https://shop.example/")), "property cancelUrl should not exist"),
        (with(&number, "provider", json!("WAVE_SEN")), "provider is not available"),
        (with(&number, "phoneNumber", json!("2376534")), "phoneNumber must be 8 to 15 digits"),
        (with(&number, "phoneNumber", json!("+237653456789")), "phoneNumber must be 8 to 15 digits"),
    ] {
        let refused = call(&dev, &key, "POST", "/init", &body);
        assert_eq!((refused.status, refused.text("/message").as_str()), (400, message), "{body}");
    }
    assert_eq!(
        (call(&dev, &key, "POST", "/init", &page).status, call(&dev, &key, "POST", "/init", &number).status),
        (201, 201)
    );
}

#[test]
fn what_kpay_tells_is_told_with_keys_or_without_as_documented() {
    let dev = dev();
    let key = dev.key("kpay", "facts");
    let get = |path: &str| call(&dev, &key, "GET", path, &Value::Null);
    assert_eq!(get("/exchange-rate?from=XAF&to=XAF").json(), json!({ "from": "XAF", "to": "XAF", "rate": 1 }));
    assert_eq!(get("/exchange-rate?from=XAF&to=KES").json()["rate"], json!(0.217391));
    for wrong in ["", "?from=XAF", "?from=XAF&to=GHS", "?from=xaf&to=XOF"] {
        assert_eq!(get(&format!("/exchange-rate{wrong}")).status, 400, "{wrong}");
    }
    let open = get("/availability").json();
    assert_eq!(open.as_array().map(Vec::len), Some(23));
    assert_eq!(
        open[2]["operations"],
        json!({ "DEPOSIT": "OPERATIONAL", "PAYOUT": "OPERATIONAL", "REMITTANCE": "CLOSED" })
    );
    let predict = |phone: &str| call(&dev, &key, "POST", "/predict-provider", &json!({ "phoneNumber": phone }));
    let found = predict("24174345678");
    let wanted = json!({ "country": "GAB", "provider": "AIRTEL_GAB", "phoneNumber": "24174345678" });
    assert_eq!((found.status, found.json()), (201, wanted));
    for unknown in ["237670000001", "24174345789", "", "237653456"] {
        assert_eq!(predict(unknown).status, 400, "test numbers only: {unknown}");
    }
    let bare = |method: &str, path: &str| Request::new(method, &format!("/kpay{path}")).send(dev.gateway);
    let info = bare("GET", "/api/public/platform-info");
    assert_eq!((info.status, info.json()["fees"]["depositPercent"].as_i64()), (200, Some(5)));
    let document = bare("GET", "/api/docs/public-json");
    assert_eq!((document.status, document.text("/openapi")), (200, "3.0.3".to_owned()));
    assert_eq!(call(&dev, &key, "GET", "/me", &Value::Null).status, 200);
    let pair = [("X-API-Key".to_owned(), key.key_id.clone()), ("X-Secret-Key".to_owned(), key.secret.clone())];
    let keyed = Request::new("GET", "/kpay/api/public/platform-info").headers(&pair).send(dev.gateway);
    assert_eq!((keyed.status, &keyed.body), (200, &info.body), "with keys as well");
    assert!(document.json()["paths"]["/api/v1/payments/{id}/refund"]["post"].is_object());
    for (method, path, wanted) in [
        ("POST", "/api/public/platform-info", 405),
        ("GET", "/api/public/platform-info/", 401),
        ("GET", "/api/public", 401),
        ("GET", "/gateway/gw_", 404),
        ("DELETE", "/gateway/gw_x", 405),
        ("GET", "/gateway/x", 401),
        ("GET", "/api/v1/payments/me", 401),
    ] {
        assert_eq!(bare(method, path).status, wanted, "{method} {path}");
    }
}

#[test]
fn a_live_key_reaches_no_sandbox() {
    let dev = dev();
    for (product, path, body) in [
        (
            "kpay",
            "/api/v1/payments/init",
            json!({ "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456789", "externalId": "A" }),
        ),
        ("kwikpaisa", "/api/v3/payout/balance", json!({ "kwikx_wallet_id": "kwx_live_1" })),
        ("kspay", "/transaction/initiate", json!({ "amount": 1 })),
        ("keymint", "/v1/payments", json!({ "amount": 100, "currency": "INR" })),
    ] {
        let (key, body) = (dev.live_key(product, "live"), body.to_string());
        let call = Call::new(product, "POST", path, &body);
        let call = if product == "kpay" { call.scheme("key_pair") } else { call };
        let reply = call.signed(dev.gateway, &key).send(dev.gateway);
        assert_eq!(reply.status, 503, "{product}: {}", reply.body);
        let list = dev.api("GET", &format!("/apps/{}/test-clock", key.app_id), &Value::Null);
        assert_eq!(list.text("/state"), "real");
    }
    let other = dev.app(&dev.merchant("unsigned"), "razorpay", "unsigned");
    let refused = dev.api("POST", &format!("/apps/{other}/return-secret"), &Value::Null);
    assert_eq!((refused.status, refused.text("/code")), (409, "no_return_secret".to_owned()));
}
