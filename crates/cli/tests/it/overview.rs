//! An app's overview, its requests one by one and as a file, and the way to its first call.

use keymint_testkit::{Call, Dev, Key, Reply, Request};
use serde_json::{Value, json};

use crate::console::{Browser, app_of, cell};
use crate::dev;

/// A test key of the demo merchant's app of a product, generated in the console.
fn generated(dev: &Dev, owner: &Browser<'_>, product: &str) -> Key {
    let app_id = app_of(dev, product);
    let form = [("csrf", &*owner.csrf()), ("once", product), ("mode", "test")];
    let made = owner.post(&format!("/apps/{app_id}/keys"), &form);
    assert_eq!(made.status, 201, "{}", made.body);
    Key { key_id: cell(&made.body, "key-id").to_owned(), secret: cell(&made.body, "secret").to_owned(), app_id }
}

fn wrong(key: &Key) -> Key {
    Key { secret: "B".repeat(24), ..key.clone() }
}

fn orders(dev: &Dev, key: &Key) -> Reply {
    Request::new("GET", "/razorpay/v1/orders").header("Authorization", &key.basic()).send(dev.gateway)
}

fn order(dev: &Dev, key: &Key) {
    let request = Request::new("POST", "/razorpay/v1/orders").header("Authorization", &key.basic());
    assert_eq!(request.body(r#"{"amount":50000,"currency":"INR"}"#).send(dev.gateway).status, 200);
}

/// The links of a page that begin so.
fn links(page: &str, start: &str) -> Vec<String> {
    let start = format!("href=\"{start}");
    let found = page.match_indices(&start).map(|(at, _)| at + "href=\"".len());
    found.map(|at| page[at..].split('"').next().expect("a value").replace("&#38;", "&")).collect()
}

/// What stands beside a term of a list of facts.
fn fact<'p>(page: &'p str, term: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("<dt>{term}</dt><dd>")).expect("it is told");
    rest.split("</dd>").next().expect("a value")
}

#[test]
fn a_request_has_a_page_with_everything_written_down_and_the_way_to_the_fix() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let key = generated(&dev, &owner, "razorpay");
    let (allowed, denied) = (orders(&dev, &key), orders(&dev, &wrong(&key)));
    let logs = format!("/apps/{}/logs", key.app_id);
    let list = owner.get(&logs).body;
    let pages = links(&list, &format!("{logs}/"));
    let pages: Vec<_> = pages.iter().filter(|link| !link.contains("export")).collect();
    let [newest, oldest] = pages.as_slice() else { panic!("{pages:?}") };
    let page = owner.get(newest).body;
    assert!(fact(&page, "Request id").contains(denied.header("x-request-id").expect("an id")), "{page}");
    assert!(fact(&page, "Key id").contains(&key.key_id) && fact(&page, "From").contains("127.0.0.1"));
    assert_eq!((fact(&page, "Scheme"), fact(&page, "Mode")), ("basic", "Test"));
    assert!(fact(&page, "Latency").contains("s <small>") && fact(&page, "Time").contains(" UTC</time>"));
    assert!(page.contains("<code>GET /v1/orders</code>") && page.contains("<span class=\"status\">401</span>"));
    assert!(page.contains("Denied: wrong secret") && page.contains("Compare the secret"));
    let keys = format!("/apps/{}/keys?mode=test", key.app_id);
    assert!(page.contains(&format!("<a class=\"button\" href=\"{keys}\">")), "{page}");
    assert!(owner.get(&keys).body.contains(&key.key_id));
    let page = owner.get(oldest).body;
    assert!(fact(&page, "Request id").contains(allowed.header("x-request-id").expect("an id")));
    assert!(page.contains(">allowed<") && !page.contains("Denied:"));
    assert!(!page.contains(&key.secret));
}

#[test]
fn a_request_of_another_app_or_merchant_or_of_nobody_is_not_there() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let key = generated(&dev, &owner, "razorpay");
    let foreign = dev.key("razorpay", "foreign");
    assert_eq!((orders(&dev, &key).status, orders(&dev, &foreign).status), (200, 200));
    let own = links(&owner.get(&format!("/apps/{}/logs", key.app_id)).body, &format!("/apps/{}/logs/", key.app_id));
    let own = own.iter().find(|link| !link.contains("export")).expect("a request");
    let number: i64 = own.rsplit('/').next().expect("a number").parse().expect("a number");
    let other = app_of(&dev, "kpay");
    assert_eq!(owner.get(own).status, 200);
    for path in [
        format!("/apps/{}/logs/{}", key.app_id, number + 1),
        format!("/apps/{}/logs/0", key.app_id),
        format!("/apps/{}/logs/-1", key.app_id),
        format!("/apps/{}/logs/9223372036854775807", key.app_id),
        format!("/apps/{}/logs/9223372036854775808", key.app_id),
        format!("/apps/{}/logs/x", key.app_id),
        format!("/apps/{other}/logs/{number}"),
        format!("/apps/{}/logs/{}", foreign.app_id, number + 1),
        format!("/apps/{}/logs/export?format=csv", foreign.app_id),
        format!("/apps/{}", foreign.app_id),
        format!("/apps/{}/start", foreign.app_id),
        format!("/apps/{}/start/arrival", foreign.app_id),
        "/apps/app_00000000000000000000000000".to_owned(),
    ] {
        assert_eq!(owner.get(&path).status, 404, "{path}");
    }
}

#[test]
fn a_viewer_sees_no_request_and_whoever_is_signed_out_sees_nothing() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let key = generated(&dev, &owner, "razorpay");
    assert_eq!((orders(&dev, &key).status, orders(&dev, &wrong(&key)).status), (200, 401));
    let app = format!("/apps/{}", key.app_id);
    let entry = links(&owner.get(&format!("{app}/logs")).body, &format!("{app}/logs/"));
    let entry = entry.iter().find(|link| !link.contains("export")).expect("a request").clone();
    let developer = Browser::signed_in(&dev, "developer");
    let viewer = Browser::signed_in(&dev, "viewer");
    for path in [format!("{app}/logs"), format!("{app}/logs/export?format=csv"), entry.clone()] {
        assert_eq!((developer.get(&path).status, viewer.get(&path).status), (200, 403), "{path}");
    }
    let (seen, hidden) = (developer.get(&app).body, viewer.get(&app).body);
    assert!(seen.contains("Success rate") && seen.contains("wrong secret"));
    assert!(hidden.contains("does not see requests"));
    assert!(!hidden.contains("Success rate") && !hidden.contains("wrong secret") && !hidden.contains("<svg viewBox"));
    assert!(seen.contains("<svg viewBox"));
    let start = viewer.get(&format!("{app}/start")).body;
    assert!(start.contains("Your first call arrived") && !start.contains("/logs/"), "it was used, and that is all");
    for path in [app.clone(), format!("{app}/start"), format!("{app}/start/arrival"), format!("{app}/logs"), entry] {
        let signed_out = Browser::new(&dev).get(&path);
        assert_eq!((signed_out.status, signed_out.header("location")), (303, Some("/sign-in")), "{path}");
    }
}

#[test]
fn filters_narrow_the_list_and_stay_while_it_is_paged() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let first = generated(&dev, &owner, "razorpay");
    let rolled = dev.roll(&first.key_id, 3600);
    let (key_id, secret) = (rolled.text("/credential/key_id"), rolled.text("/credential/secret"));
    let successor = Key { key_id, secret, app_id: first.app_id.clone() };
    for _ in 0..52 {
        assert_eq!(orders(&dev, &first).status, 200);
    }
    assert_eq!((orders(&dev, &successor).status, orders(&dev, &wrong(&successor)).status), (200, 401));
    let logs = format!("/apps/{}/logs", first.app_id);
    let count = |query: &str| {
        let page = owner.get(&format!("{logs}?{query}"));
        assert_eq!(page.status, 200, "{query}");
        (page.body.matches(">allowed<").count(), page.body.matches(">denied<").count())
    };
    let today = dev_day(&owner, &logs);
    for (query, wanted) in [
        ("status=4xx", (0, 1)),
        ("status=5xx", (0, 0)),
        ("status=9xx&key=&mode=", (49, 1)),
        (&format!("key={}", successor.key_id), (1, 1)),
        (&format!("key={}&status=2xx", successor.key_id), (1, 0)),
        ("key=rzp_test_00000000000000", (0, 0)),
        ("key=%27%20OR%201=1", (0, 0)),
        ("from=2020-01-01&to=2020-12-31", (0, 0)),
        (&format!("from={today}"), (49, 1)),
        ("from=2999-01-01", (0, 0)),
        ("mode=live", (0, 0)),
    ] {
        assert_eq!(count(query), wanted, "{query}");
    }
    let foreign = dev.key("razorpay", "filters");
    assert_eq!(orders(&dev, &foreign).status, 200);
    assert_eq!(count(&format!("key={}", foreign.key_id)), (0, 0), "another merchant's key");
    for (query, said) in [
        ("from=tomorrow", "From is not a day"),
        ("to=2026-02-30", "To is not a day"),
        ("from=2026-02-02&to=2026-02-01", "From is after To"),
    ] {
        let page = owner.get(&format!("{logs}?{query}&status=2xx"));
        assert!(page.status == 422 && page.body.contains(said), "{query}");
        assert!(
            page.body.contains("<option selected>2xx") && !page.body.contains(">allowed<"),
            "what was chosen stays"
        );
    }
    let query = format!("mode=test&status=2xx&from={today}&key={}", first.key_id);
    let newest = owner.get(&format!("{logs}?{query}")).body;
    assert_eq!(newest.matches(">allowed<").count(), 50);
    let older = links(&newest, &format!("{logs}?"));
    let older = older.iter().find(|link| link.contains("before=")).expect("there is more");
    for part in query.split('&') {
        assert!(older.contains(part), "{older} has lost {part}");
    }
    let oldest = owner.get(older).body;
    assert_eq!((oldest.matches(">allowed<").count(), oldest.contains(">Newest<")), (2, true));
    assert!(oldest.contains(&format!("value=\"{}\"", first.key_id)) && oldest.contains(&format!("value=\"{today}\"")));
}

/// The day of the newest request of a list, as the server wrote it.
fn dev_day(owner: &Browser<'_>, logs: &str) -> String {
    let page = owner.get(logs).body;
    let (_, rest) = page.split_once("<time datetime=\"").expect("a request");
    rest[..10].to_owned()
}

#[test]
fn requests_are_exported_with_the_filters_of_the_list() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let key = generated(&dev, &owner, "razorpay");
    let allowed = orders(&dev, &key);
    let denied = orders(&dev, &wrong(&key));
    let formula = Request::new("GET", "/razorpay/=1+1,x").header("Authorization", &key.basic()).send(dev.gateway);
    assert_eq!((allowed.status, denied.status, formula.status), (200, 401, 404));
    let logs = format!("/apps/{}/logs", key.app_id);
    let page = owner.get(&format!("{logs}?mode=test")).body;
    assert!(page.contains("at most the 10,000 newest"), "the bound is said");
    let csv_link = format!("{logs}/export?mode=test&format=csv");
    assert!(links(&page, &format!("{logs}/export")).contains(&csv_link));
    let csv = owner.get(&csv_link);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let disposition = csv.header("content-disposition").expect("a file").to_owned();
    assert!(disposition.starts_with("attachment; filename=\"requests-app_") && disposition.ends_with(".csv\""));
    assert_eq!(
        (csv.header("cache-control"), csv.header("x-content-type-options")),
        (Some("no-store"), Some("nosniff"))
    );
    let lines: Vec<&str> = csv.body.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 4, "{}", csv.body);
    assert!(
        lines[0].starts_with("number,at,decision,reason,mode,method,path,status,scheme,key_id,client_ip,request_id")
    );
    assert!(lines[1].contains("deny,route_not_found,test,GET,\"/=1+1,x\",404"), "{}", lines[1]);
    let id = denied.header("x-request-id").expect("an id");
    assert!(lines[2].contains("Z,deny,wrong_secret,test,GET,/v1/orders,401,basic,") && lines[2].contains(id));
    let json = owner.get(&format!("{logs}/export?format=jsonl&status=2xx"));
    assert_eq!(json.body.lines().count(), 1);
    let only: Value = serde_json::from_str(json.body.trim()).expect("JSON");
    assert_eq!(only["request_id"], allowed.header("x-request-id").expect("an id"));
    assert_eq!((only["decision"].as_str(), only["status"].as_i64()), (Some("allow"), Some(200)));
    assert_eq!(owner.get(&format!("{logs}/export?format=xlsx")).status, 404);
    assert!(!csv.body.contains(&key.secret) && !json.body.contains(&key.secret));
}

/// The number up to which a list, or a part of it, was read.
fn read_up_to(page: &str) -> i64 {
    let (_, rest) = page.split_once("data-after=\"").expect("it is told");
    rest.split('"').next().expect("a value").parse().expect("a number")
}

#[test]
fn what_is_newer_than_a_list_is_told_once_with_its_filters() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let key = generated(&dev, &owner, "razorpay");
    let logs = format!("/apps/{}/logs", key.app_id);
    let empty = owner.get(&logs).body;
    assert!(empty.contains("id=\"live\"") && empty.contains(&format!("data-from=\"{logs}/newer?\"")));
    assert!(empty.contains(&format!("<a href=\"{logs}?\" class=\"button\">Refresh</a>")), "without scripts, a link");
    let newer = |query: &str, after: i64| {
        let page = owner.get(&format!("{logs}/newer?{query}&after={after}"));
        assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
        assert!(page.body.starts_with("<tbody") && !page.body.contains("<html"), "a part of a page: {}", page.body);
        page.body
    };
    let count = |part: &str| (part.matches(">allowed<").count(), part.matches(">denied<").count());
    let begin = read_up_to(&empty);
    assert_eq!(count(&newer("", begin)), (0, 0));
    let foreign = dev.key("razorpay", "newer");
    assert_eq!((orders(&dev, &foreign).status, orders(&dev, &key).status), (200, 200));
    assert_eq!(orders(&dev, &wrong(&key)).status, 401);
    let part = newer("", begin);
    assert_eq!(count(&part), (1, 1), "and nothing of another merchant: {part}");
    assert!(part.find("wrong secret") < part.find(">allowed<"), "newest first, and why it was denied");
    assert!(part.contains("Compare the secret") && !part.contains(&foreign.key_id) && !part.contains(&key.secret));
    let list = owner.get(&logs).body;
    let rows =
        |page: &str| page.split("<tr role=\"row\">\n").skip(1).map(|row| row[..40].to_owned()).collect::<Vec<_>>();
    assert_eq!(rows(&list), rows(&part), "the rows of the list");
    assert_eq!(count(&newer("status=2xx", begin)), (1, 0));
    assert_eq!(count(&newer("reason=wrong_secret", begin)), (0, 1));
    assert_eq!(count(&newer("mode=live", begin)), (0, 0));
    assert_eq!(count(&newer(&format!("key={}", foreign.key_id), begin)), (0, 0));
    for after in [read_up_to(&part), read_up_to(&list), read_up_to(&newer("mode=live", begin)), i64::MAX] {
        assert_eq!(count(&newer("", after)), (0, 0), "{after}");
    }
    assert_eq!(orders(&dev, &key).status, 200);
    assert_eq!(count(&newer("", read_up_to(&list))), (1, 0));
    assert_eq!(count(&newer("", i64::MIN)), (2, 1), "everything");
    for odd in ["?after=x", "?from=tomorrow", "?after=99999999999999999999"] {
        let status = owner.get(&format!("{logs}/newer{odd}")).status;
        assert!((400..500).contains(&status), "{odd}: {status}");
    }
    let older = owner.get(&format!("{logs}?before=1")).body;
    assert!(!older.contains("id=\"live\""), "nothing newer comes to an older page");
}

#[test]
fn what_is_newer_is_for_those_who_see_the_list_and_is_no_page_seen() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let key = generated(&dev, &owner, "razorpay");
    assert_eq!(orders(&dev, &key).status, 200);
    let newer = format!("/apps/{}/logs/newer?after=0", key.app_id);
    let (developer, viewer) = (Browser::signed_in(&dev, "developer"), Browser::signed_in(&dev, "viewer"));
    assert_eq!((developer.get(&newer).status, viewer.get(&newer).status), (200, 403));
    let signed_out = Browser::new(&dev).get(&newer);
    assert_eq!((signed_out.status, signed_out.header("location")), (303, Some("/sign-in")));
    let foreign = dev.key("razorpay", "newer");
    assert_eq!(orders(&dev, &foreign).status, 200);
    assert_eq!(owner.get(&format!("/apps/{}/logs/newer?after=0", foreign.app_id)).status, 404);
    let merchant = owner.get("/").header("location").expect("home").replace("/apps", "/audit");
    assert!(!owner.get(&merchant).body.contains("/logs/newer"));
}

/// The value below a heading among the numbers.
fn stat(page: &str, label: &str) -> String {
    let (_, rest) = page.split_once(&format!("<h2>{label}</h2><p class=\"value\">")).expect("it is shown");
    rest.split('<').next().expect("a value").to_owned()
}

#[test]
fn the_overview_counts_what_was_sent_and_says_what_to_do_next() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let app = format!("/apps/{}", app_of(&dev, "razorpay"));
    let empty = owner.get(&app).body;
    assert!(empty.contains("id=\"app-id\">app_") && empty.contains("data-copy=\"app-id\""));
    assert!(empty.contains("No Test requests") && empty.contains(&format!("{app}/keys?mode=test\">Generate API Key")));
    let key = generated(&dev, &owner, "razorpay");
    let waiting = owner.get(&app).body;
    assert!(waiting.contains(&format!("<a href=\"{app}/start\">Start here</a></li>")));
    (0..3).for_each(|_| order(&dev, &key));
    assert_eq!((orders(&dev, &key).status, orders(&dev, &wrong(&key)).status), (200, 401));
    let missing = Request::new("GET", "/razorpay/v1/orders/order_00000000000000").header("Authorization", &key.basic());
    assert_eq!(missing.send(dev.gateway).status, 400);
    for range in ["1h", "24h", "7d", "30d", "12m", "nothing"] {
        let page = owner.get(&format!("{app}?range={range}&mode=test")).body;
        assert_eq!((stat(&page, "Requests"), stat(&page, "Denied")), ("6".to_owned(), "1".to_owned()), "{range}");
        assert_eq!(stat(&page, "Success rate"), "66.6 %");
        assert!(stat(&page, "Latency, p50").ends_with('s'), "{page}");
        assert!(page.contains("<svg") && page.contains("5 allowed, 1 denied"), "{range}");
        assert!(page.contains("<td class=\"number\">5</td><td class=\"number\">1</td><td class=\"number\">1</td>"));
        assert!(page.contains("reason=wrong_secret&") && page.contains("Compare the secret"));
        let (_, kept) = page.split_once("Transactions of the sandbox").expect("orders are kept");
        assert!(kept.contains(">order</td>") && kept.contains(">created<") && kept.contains(">3</td>"));
        assert!(!page.contains("What to do next") && !page.contains("style="));
    }
    let live = owner.get(&format!("{app}?mode=live")).body;
    assert!(
        live.contains("No Live requests") && !live.contains("Transactions of the sandbox"),
        "nothing crosses the mode"
    );
    let other = owner.get(&format!("/apps/{}", app_of(&dev, "kpay"))).body;
    assert_eq!(stat(&other, "Requests"), "0", "nothing crosses the app");
}

#[test]
fn the_first_call_is_waited_for_and_then_said_to_have_arrived() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let start = format!("/apps/{}/start", app_of(&dev, "razorpay"));
    let without = owner.get(&start).body;
    assert!(without.contains("no test key yet") && without.contains("YOUR_KEY_ID"));
    let key = generated(&dev, &owner, "razorpay");
    let look = || owner.get(&format!("{start}/arrival?key={}", key.key_id)).body;
    let page = owner.get(&start).body;
    assert!(page.contains(&key.key_id) && !page.contains(&key.secret) && !page.contains("YOUR_KEY_ID"));
    assert!(page.contains(&format!("http://{}/razorpay/v1/orders", dev.gateway)), "where the gateway listens");
    assert!(page.contains("data-state=\"waiting\"") && page.contains("Reload"), "without a script one reloads");
    assert!(look().contains("Waiting for the first call"));
    assert_eq!(orders(&dev, &wrong(&key)).status, 401);
    assert!(look().contains("was denied: wrong secret") && look().contains("Compare the secret"));
    assert_eq!(orders(&dev, &key).status, 200);
    assert!(look().contains("Your first call arrived") && look().contains("answered 200"));
    assert!(owner.get(&start).body.contains("data-state=\"arrived\""));
    let kspay = owner.get(&format!("/apps/{}/start", app_of(&dev, "kspay"))).body;
    assert!(kspay.contains("/auth/generate-token/app_") && kspay.contains("[&#34;result&#34;][&#34;accessToken&#34;]"));
    let policy = owner.get(&start).header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("connect-src 'self'") && !policy.contains("unsafe"));
}

#[test]
fn a_signed_call_is_shown_with_its_scheme() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let key = generated(&dev, &owner, "kwikpaisa");
    let body = r#"{"kwikx_wallet_id":"kwx_test_1"}"#;
    let call = Call::new("kwikpaisa", "POST", "/api/v3/payout/balance", body);
    let send = || {
        let request = Request::new("POST", "/kwikpaisa/api/v3/payout/balance").body(body);
        let headers = call.credentials(dev.gateway, &key);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(dev.gateway).status
    };
    assert_eq!((send(), send()), (200, 401), "a signature counts once");
    let logs = format!("/apps/{}/logs", key.app_id);
    let pages = links(&owner.get(&logs).body, &format!("{logs}/"));
    let newest = owner.get(pages.iter().find(|link| !link.contains("export")).expect("a request")).body;
    assert!(newest.contains("Denied: replayed") && fact(&newest, "Scheme") == "signed");
    assert!(newest.contains(&format!("href=\"/apps/{}/start\">Compare with a sample", key.app_id)));
}

/// The samples run as they stand on the page, in the languages that are on this machine.
mod interop {
    use std::process::{Command, Stdio};

    use super::*;

    /// The sample of a language, as a person copies it.
    fn sample(page: &str, language: &str) -> String {
        let (_, rest) = page.split_once(&format!("id=\"sample-{language}\">")).expect("there is one");
        let text = rest.split("</code>").next().expect("text");
        text.replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">")
            .replace("&#38;", "&")
    }

    /// What runs a language, if it is here.
    fn runs(program: &str) -> bool {
        let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    }

    #[test]
    fn every_sample_whose_language_is_here_makes_the_first_call_and_none_with_a_wrong_secret() {
        let dev = dev();
        let owner = Browser::signed_in(&dev, "owner");
        let folder = tempfile::tempdir().expect("a folder");
        let programs = [
            ("curl", "sh", "first.sh"),
            ("node", "node", "first-call.mjs"),
            ("php", "php", "first-call.php"),
            ("python", "python3", "first-call.py"),
            ("java", "java", "FirstCall.java"),
            ("ruby", "ruby", "first-call.rb"),
        ];
        let here: Vec<_> = programs.into_iter().filter(|(name, ..)| *name == "curl" || runs(name_of(name))).collect();
        assert!(here.len() >= 3, "curl, Node.js and Python at least");
        for product in ["keymint", "razorpay", "kwikpaisa", "kpay", "kspay"] {
            let key = generated(&dev, &owner, product);
            let page = owner.get(&format!("/apps/{}/start", key.app_id)).body;
            for (language, program, file) in &here {
                let path = folder.path().join(file);
                std::fs::write(&path, sample(&page, language)).expect("it is written");
                let run = |secret: &str| {
                    let mut command = Command::new(program);
                    command.arg(&path).env("KEYMINT_KEY_SECRET", secret).stdin(Stdio::null());
                    command.output().expect("it runs")
                };
                // One second has one signature for one body: whoever comes second in it tries again in the next.
                let mut made = run(&key.secret);
                for _ in 0..100 {
                    if made.status.success() {
                        break;
                    }
                    made = run(&key.secret);
                }
                let said = [&made.stdout, &made.stderr].map(|bytes| String::from_utf8_lossy(bytes));
                assert!(made.status.success(), "{product} in {language}: {said:?}");
                assert!(!made.stdout.is_empty(), "{product} in {language} says what was answered");
                let spoiled = format!("{}0", &key.secret[..key.secret.len() - 1]);
                let refused = run(if spoiled == key.secret { "x" } else { &spoiled });
                assert!(!refused.status.success(), "{product} in {language} with a wrong secret");
            }
            let arrived = owner.get(&format!("/apps/{}/start", key.app_id)).body;
            assert!(arrived.contains("Your first call arrived"), "{product}");
        }
    }

    fn name_of(language: &'static str) -> &'static str {
        if language == "python" { "python3" } else { language }
    }
}

/// Every page of an app, so that none is forgotten: what it answers to a sibling app's unknown query.
#[test]
fn odd_queries_are_answered_and_change_nothing() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let app = format!("/apps/{}", app_of(&dev, "keymint"));
    for path in ["?range=%00&mode=%3Cscript%3E", "/start?key=%3Cscript%3E", "/logs?key=%22%3E%3Cscript%3E&before=x"] {
        let reply = owner.get(&format!("{app}{path}"));
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.body.contains("<script>"), "{path}");
    }
    let keys = dev.api("GET", &format!("{app}/credentials"), &Value::Null).json();
    assert_eq!(keys["items"], json!([]));
}

#[test]
fn search_finds_nothing_that_is_not_ones_own() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let foreign = dev.key("keymint", "foreign");
    let own = generated(&dev, &owner, "keymint");
    let jump = |q: &str| owner.get(&format!("/jump?q={q}"));
    assert_eq!(jump(&own.key_id).header("location"), Some(&*format!("/apps/{}/keys?mode=test", own.app_id)));
    assert_eq!(jump(&own.app_id).header("location"), Some(&*format!("/apps/{}", own.app_id)));
    let nobody = "km_test_0000000000000000000000000000000000000";
    for other in
        [&foreign.key_id, &foreign.app_id, nobody, "app_00000000000000000000000000", "%3Cscript%3E", "%25", "%00"]
    {
        let found = jump(other);
        assert_eq!(found.status, 200, "{other}");
        assert!(found.body.contains("Nothing found") && !found.body.contains("<script>alert"), "{other}");
    }
    assert!(!jump("foreign").body.contains(&foreign.app_id), "by name neither");
    assert!(jump("Demo+app").body.contains(&format!("/apps/{}", own.app_id)));
    assert!(jump("").body.contains("What are you looking for"));
    assert_eq!(Browser::new(&dev).get("/jump?q=a").header("location"), Some("/sign-in"));
}

#[test]
fn each_place_of_the_side_bar_is_marked_on_its_own_page_and_on_no_other() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let page = owner.get("/security").body;
    let places: Vec<String> = page
        .split("<li><a href=\"")
        .filter_map(|part| part.split_once("\" data-go="))
        .map(|(href, _)| href.to_owned())
        .filter(|href| href != "/docs")
        .collect();
    let places: Vec<&String> = places.iter().filter(|href| !href.contains('<')).collect();
    assert_eq!(places.len(), 6, "{places:?}");
    for here in &places {
        let page = owner.get(here).body;
        let marked = |place: &str| {
            let link = page.split(&format!("<a href=\"{place}\" data-go=")).nth(1).expect("a link");
            link.split('>').next().expect("its end").contains("aria-current=\"page\"")
        };
        for place in &places {
            assert_eq!(marked(place), place == here, "{place} on {here}");
        }
    }
}
