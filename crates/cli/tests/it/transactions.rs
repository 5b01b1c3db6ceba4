//! An app's transactions in the console: what its sandbox keeps, found, narrowed, looked at and saved as a file.

use keymint_testkit::{Call, Dev, Key, Reply};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;

/// A test key of an app.
fn key_of(dev: &Dev, app: &str) -> Key {
    dev.key_of(app, &json!({ "mode": "test" }))
}

/// An order at Razorpay's sandbox.
fn order(dev: &Dev, key: &Key, amount: i64) -> String {
    let body = json!({ "amount": amount, "currency": "INR" }).to_string();
    let made = Call::new("razorpay", "POST", "/v1/orders", &body).signed(dev.gateway, key).send(dev.gateway);
    assert_eq!(made.status, 200, "{}", made.body);
    made.text("/id")
}

/// A payment at KPay's sandbox.
fn payment(dev: &Dev, key: &Key, reference: &str) -> String {
    let body = json!({
        "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456129", "externalId": reference,
        "metadata": { "note": "<script>alert(1)</script>" },
    });
    let body = body.to_string();
    let call = Call::new("kpay", "POST", "/api/v1/payments/init", &body).scheme("key_pair");
    let made = call.signed(dev.gateway, key).send(dev.gateway);
    assert_eq!(made.status, 201, "{}", made.body);
    made.text("/id")
}

/// The ids of a page's transactions, in its order.
fn ids(page: &Reply) -> Vec<String> {
    let start = "/transactions/";
    let found = page.body.match_indices(start).map(|(at, _)| &page.body[at + start.len()..]);
    let ids = found.map(|rest| rest.split('"').next().expect("an id").to_owned());
    ids.filter(|id| !id.starts_with("export")).collect()
}

/// The cells of the first line of a list, without their tags.
fn cells(page: &Reply) -> Vec<String> {
    let (_, rest) = page.body.split_once("<tbody").expect("a list");
    let row = rest.split("</tr>").next().expect("a row");
    let texts = row.split("<td").skip(1).map(|cell| {
        let parts = cell.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(_, text)| text);
        let own = cell.split_once('>').map_or("", |(_, text)| text.split('<').next().unwrap_or_default());
        format!("{own}{}", parts.collect::<String>()).trim().to_owned()
    });
    texts.collect()
}

#[test]
fn the_first_object_of_each_product_stands_in_the_list() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let list = |product: &str| owner.get(&format!("/apps/{}/transactions", app_of(&dev, product)));
    let key = |product: &str| key_of(&dev, &app_of(&dev, product));
    for product in ["keymint", "razorpay", "kwikpaisa", "kpay", "kspay"] {
        assert!(list(product).body.contains("No transaction yet"), "{product}");
    }
    let sent = |product: &str, scheme: Option<&str>, path: &str, body: &Value, pointer: &str| {
        let body = body.to_string();
        let call = Call { scheme, ..Call::new(product, "POST", path, &body) };
        let made = call.signed(dev.gateway, &key(product)).send(dev.gateway);
        assert!((200..300).contains(&made.status), "{product}: {}", made.body);
        made.text(pointer)
    };
    let order = json!({
        "order_id": "6116229263036", "order_amount": "105.5", "order_currency": "INR", "service_type": "DIGITAL",
        "customer": { "name": "A", "email": "a@b.example", "phone": "9" }, "return_url": "https://m.example/r",
    });
    let momo = json!({
        "amount": 5000, "provider": "MTN_MOMO_CMR", "phoneNumber": "237653456129", "externalId": "ORDER-1",
    });
    let card =
        json!({ "currencyId": "c_8Fq2Lx0a", "paymentMethodId": "pm_3Card000", "amount": 10.5, "referenceNumber": "r" });
    let rupees = json!({ "amount": 50_000, "currency": "INR" });
    for (product, id, shown) in [
        ("razorpay", sent("razorpay", None, "/v1/orders", &rupees, "/id"), ["order", "–", "INR", "50000", "created"]),
        (
            "kwikpaisa",
            sent("kwikpaisa", None, "/api/v3/pg/order/create", &order, "/return_data/kwikX_order_id"),
            ["order", "–", "INR", "105.50", "pending"],
        ),
        (
            "kpay",
            sent("kpay", Some("key_pair"), "/api/v1/payments/init", &momo, "/id"),
            ["payment", "MTN_MOMO_CMR", "XAF", "5000", "pending"],
        ),
        (
            "kspay",
            sent("kspay", None, "/transaction/initiate", &card, "/result/pe_txnId"),
            ["transaction", "Card", "INR", "10.5", "pending"],
        ),
    ] {
        let page = list(product);
        assert_eq!(ids(&page), std::slice::from_ref(&id), "{product}");
        let found = cells(&page);
        let [name, created, changed, rest @ ..] = found.as_slice() else { panic!("{found:?}") };
        let [kind, shown @ ..] = shown;
        assert_eq!((name, rest), (&format!("{id} {kind}"), &shown.map(str::to_owned)[..]), "{product}");
        assert!(created == changed && created.contains(':'), "{product}: nothing has changed it");
        assert_eq!(page.body.contains("minor units"), product == "razorpay", "{product}");
        let one = owner.get(&format!("/apps/{}/transactions/{id}", app_of(&dev, product)));
        assert!(one.status == 200 && one.body.contains(&format!("&#34;{id}&#34;")), "{product}: {}", one.body);
    }
    let native = Call::new("keymint", "GET", "/v1/whoami", "").signed(dev.gateway, &key("keymint"));
    assert_eq!(native.send(dev.gateway).status, 200);
    assert!(list("keymint").body.contains("No transaction yet"), "its sandbox keeps nothing");
}

#[test]
fn an_amount_of_ks_pay_is_kept_digit_by_digit() {
    let dev = dev();
    let app = app_of(&dev, "kspay");
    let (owner, key) = (Browser::signed_in(&dev, "owner"), key_of(&dev, &app));
    let initiate = |amount: &str| {
        let body = format!(
            r#"{{"currencyId":"c_8Fq2Lx0a","paymentMethodId":"pm_3Card000","amount":{amount},"referenceNumber":"r"}}"#
        );
        let call = Call::new("kspay", "POST", "/transaction/initiate", &body);
        call.signed(dev.gateway, &key).send(dev.gateway).status
    };
    assert_eq!(initiate("90071992547409931.10"), 201);
    let page = owner.get(&format!("/apps/{app}/transactions"));
    assert_eq!(cells(&page)[3..6], ["Card", "INR", "90071992547409931.10"]);
    for refused in ["0", "-1", "\"1\"", "null", "1e400", &format!("1.{}", "0".repeat(31))] {
        assert_eq!(initiate(refused), 400, "{refused}");
    }
    assert_eq!(ids(&owner.get(&format!("/apps/{app}/transactions"))).len(), 1);
}

#[test]
fn an_exact_id_finds_one_and_its_neighbours_find_nothing() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let app = app_of(&dev, "razorpay");
    let key = key_of(&dev, &app);
    let (first, second) = (order(&dev, &key, 100), order(&dev, &key, 200));
    let list = format!("/apps/{app}/transactions");
    assert_eq!(ids(&owner.get(&list)), [second.clone(), first.clone()], "newest first");
    let find = |id: &str| ids(&owner.get(&format!("{list}?id={id}")));
    assert_eq!(find(&first), std::slice::from_ref(&first));
    assert_eq!(find(&format!("%20{first}%20")), std::slice::from_ref(&first), "space around it is no part of it");
    let last = if first.ends_with('x') { 'y' } else { 'x' };
    let short = &first[..first.len() - 1];
    for odd in
        [short, &format!("{short}{last}"), &format!("{first}0"), &first[1..], &first.to_uppercase(), "%25", "_", "%00"]
    {
        assert!(find(odd).is_empty(), "{odd}");
    }
    assert_eq!(find(&format!("{first}&status=created")), std::slice::from_ref(&first));
    assert!(find(&format!("{first}&status=paid")).is_empty(), "each filter holds");
    assert!(find(&format!("{first}&from=2020-01-01&to=2020-01-31")).is_empty());
    let other = app_of(&dev, "kpay");
    let foreign = dev.key("razorpay", "foreign");
    let theirs = order(&dev, &foreign, 300);
    assert!(find(&theirs).is_empty(), "another merchant's");
    assert!(!owner.get(&list).body.contains(&theirs));
    assert!(ids(&owner.get(&format!("/apps/{other}/transactions?id={first}"))).is_empty(), "another app's");
    for path in [
        format!("{list}/{theirs}"),
        format!("{list}/{short}{last}"),
        format!("/apps/{other}/transactions/{first}"),
        format!("/apps/{}/transactions", foreign.app_id),
        format!("/apps/{}/transactions/{theirs}", foreign.app_id),
        format!("/apps/{}/transactions/export?format=csv", foreign.app_id),
    ] {
        assert_eq!(owner.get(&path).status, 404, "{path}");
    }
    let live = owner.get(&format!("{list}?mode=live&id={first}"));
    assert!(
        live.body.contains("No upstream is configured") && !live.body.contains("<table"),
        "nothing crosses the mode"
    );
    assert_eq!(owner.get(&format!("{list}/export?mode=live&format=jsonl")).body, "");
}

#[test]
fn ninety_days_are_a_range_and_ninety_one_are_not() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let app = app_of(&dev, "kpay");
    let id = payment(&dev, &key_of(&dev, &app), "ORDER-1");
    let list = format!("/apps/{app}/transactions");
    let page = owner.get(&list);
    let (_, rest) = page.body.split_once("<time datetime=\"").expect("a moment");
    let today = &rest[..10];
    for query in [format!("from={today}"), format!("from={today}&to={today}"), "status=pending".to_owned()] {
        assert_eq!(ids(&owner.get(&format!("{list}?{query}"))), std::slice::from_ref(&id), "{query}");
    }
    for query in ["from=2027-01-01&to=2027-03-31", "from=2999-01-01", "status=paid", "status=%27%20OR%201=1"] {
        let page = owner.get(&format!("{list}?{query}"));
        assert!(page.status == 200 && page.body.contains("No transactions match"), "{query}");
    }
    for (query, said) in [
        ("from=2027-01-01&to=2027-04-01", "A range has at most 90 days; this one has 91."),
        ("from=2020-01-01", "A range has at most 90 days; this one has "),
        ("to=2027-04-01", "Choose From as well"),
        ("from=2027-02-30", "From is not a day"),
        ("from=2027-02-02&to=2027-02-01", "From is after To"),
    ] {
        let page = owner.get(&format!("{list}?{query}&status=pending"));
        assert!(page.status == 422 && page.body.contains(said), "{query}: {}", page.body);
        assert!(page.body.contains("id=\"dates-error\"") && page.body.contains("<option selected>pending"));
        for typed in query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, typed)| typed) {
            assert!(page.body.contains(&format!("value=\"{typed}\"")), "{typed} stays");
        }
        assert_eq!(owner.get(&format!("{list}/export?{query}&format=csv")).status, 404, "{query}");
    }
}

#[test]
fn a_long_list_is_paged_with_its_filters_and_none_is_seen_twice() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let app = app_of(&dev, "razorpay");
    let key = key_of(&dev, &app);
    let mut made: Vec<_> = (0..53).map(|n| order(&dev, &key, 100 + n)).collect();
    let list = format!("/apps/{app}/transactions");
    let first = owner.get(&format!("{list}?status=created"));
    let newest = ids(&first);
    assert_eq!(newest.len(), 50);
    let (_, rest) = first.body.split_once("<a class=\"button\" href=\"").expect("there is more");
    let older = rest.split('"').next().expect("a link").replace("&#38;", "&");
    assert!(older.contains("status=created") && older.contains("before="), "{older}");
    let second = owner.get(&older);
    let mut all = [newest, ids(&second)].concat();
    assert!(second.body.contains(">Newest<") && !second.body.contains(">Older<"));
    all.sort();
    made.sort();
    assert_eq!(all, made);
    for odd in ["before=x", "before=-", "before=99999999999999999999-a"] {
        assert_eq!(ids(&owner.get(&format!("{list}?{odd}"))).len(), 50, "{odd}");
    }
}

#[test]
fn transactions_are_saved_as_a_file_with_the_filters_of_the_list() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let app = app_of(&dev, "kwikpaisa");
    let key = key_of(&dev, &app);
    let hostile = json!({
        "order_id": "1", "order_amount": "7.10", "order_currency": "=1+1,\"<b>\"", "service_type": "DIGITAL",
        "customer": { "name": "A", "email": "a@b.example", "phone": "9" }, "return_url": "https://m.example/r",
    });
    let body = hostile.to_string();
    let call = Call::new("kwikpaisa", "POST", "/api/v3/pg/order/create", &body);
    let made = call.signed(dev.gateway, &key).send(dev.gateway).text("/return_data/kwikX_order_id");
    let list = format!("/apps/{app}/transactions");
    let page = owner.get(&format!("{list}?status=pending")).body;
    assert!(page.contains("at most the 10,000 newest"), "the bound is said");
    assert!(page.contains("=1+1,&#34;&#60;b&#62;&#34;"), "what a merchant wrote is escaped");
    let link = format!("{list}/export?status=pending&format=csv");
    assert!(page.contains(&link.replace('&', "&#38;")), "{page}");
    let csv = owner.get(&link);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let disposition = csv.header("content-disposition").expect("a file").to_owned();
    assert!(disposition.starts_with("attachment; filename=\"transactions-app_") && disposition.ends_with(".csv\""));
    assert_eq!(
        (csv.header("cache-control"), csv.header("x-content-type-options")),
        (Some("no-store"), Some("nosniff"))
    );
    let lines: Vec<&str> = csv.body.split_terminator("\r\n").collect();
    let [head, line] = lines.as_slice() else { panic!("{}", csv.body) };
    assert_eq!(*head, "id,kind,created_at,updated_at,payment_mode,currency,amount,amount_unit,status");
    assert!(line.starts_with(&format!("{made},order,2")), "{line}");
    assert!(line.ends_with(",,\"'=1+1,\"\"<b>\"\"\",7.10,major,pending"), "no cell is a formula: {line}");
    let lines = owner.get(&format!("{list}/export?format=jsonl&id={made}"));
    let only: Value = serde_json::from_str(lines.body.trim()).expect("JSON");
    assert_eq!((only["amount"].as_str(), only["currency"].as_str()), (Some("7.10"), Some("=1+1,\"<b>\"")));
    assert_eq!(owner.get(&format!("{list}/export?format=jsonl&status=paid")).body, "");
    assert_eq!(owner.get(&format!("{list}/export?format=xlsx")).status, 404);
    assert!(!csv.body.contains(&key.secret) && !lines.body.contains(&key.secret));
    let razorpay = app_of(&dev, "razorpay");
    order(&dev, &key_of(&dev, &razorpay), 100);
    let minor = owner.get(&format!("/apps/{razorpay}/transactions/export?format=csv")).body;
    assert!(minor.contains(",,INR,100,minor,created\r\n"), "{minor}");
}

#[test]
fn whoever_may_not_see_requests_sees_no_transactions() {
    let dev = dev();
    let app = app_of(&dev, "kpay");
    let id = payment(&dev, &key_of(&dev, &app), "ORDER-1");
    let list = format!("/apps/{app}/transactions");
    let (developer, viewer) = (Browser::signed_in(&dev, "developer"), Browser::signed_in(&dev, "viewer"));
    for path in [list.clone(), format!("{list}/{id}"), format!("{list}/export?format=csv"), format!("{list}?mode=live")]
    {
        let refused = viewer.get(&path);
        assert_eq!((developer.get(&path).status, refused.status), (200, 403), "{path}");
        assert!(!refused.body.contains(&id));
        let signed_out = Browser::new(&dev).get(&path);
        assert_eq!((signed_out.status, signed_out.header("location")), (303, Some("/sign-in")), "{path}");
    }
    let tab = format!("href=\"{list}\"");
    let keys = format!("/apps/{app}/keys");
    assert!(developer.get(&keys).body.contains(&tab) && !viewer.get(&keys).body.contains(&tab));
    let one = developer.get(&format!("{list}/{id}")).body;
    assert!(one.contains("&#60;script&#62;alert(1)&#60;/script&#62;") && !one.contains("<script>alert"), "{one}");
}
