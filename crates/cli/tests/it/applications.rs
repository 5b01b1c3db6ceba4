//! Registering apps at the console: the company that comes first, what may not be there twice, the confirmation and the
//! list, and an app's domains, as a browser and a merchant's page meet them.

use keymint_testkit::{Dev, Key, Reply, Request};
use serde_json::{Value, json};

use crate::console::{Browser, app_of};
use crate::dev;
use crate::logos::{multipart, send};
use crate::people::{keep_cookie, merchant_of, signed_up, totp, with_authenticator};

fn form<'f>(csrf: &'f str, product: &'f str, name: &'f str, email: &'f str, phone: &'f str) -> Vec<(&'f str, &'f str)> {
    vec![
        ("csrf", csrf),
        ("product", product),
        ("name", name),
        ("email", email),
        ("phone", phone),
        ("address", "12 MG Road"),
        ("country", "IN"),
        ("postal_code", "560001"),
    ]
}

fn hidden(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"')
        .next()
        .expect("a value")
        .replace("&#34;", "\"")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}

fn apps(dev: &Dev, merchant: &str) -> Vec<Value> {
    let listed = dev.api("GET", &format!("/merchants/{merchant}/apps?limit=100"), &Value::Null).json();
    listed["items"].as_array().expect("items").clone()
}

fn wrong<'p>(page: &'p str, field: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("id=\"{field}-error\">")).unwrap_or_else(|| panic!("no {field}: {page}"));
    rest.split('<').next().expect("text")
}

#[test]
fn the_company_comes_before_the_first_app_where_the_vendor_asks_and_nothing_typed_is_lost() {
    let dev = dev();
    let owner = signed_up(&dev, "ann@company.example");
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let (new, profile) = (format!("/merchants/{merchant}/apps/new"), format!("/merchants/{merchant}/profile"));
    let typed = form(&csrf, "kspay", "Shop & <sons>", "ann@shop.example", "");
    let led = owner.post(&new, &typed);
    assert_eq!(led.status, 200, "{}", led.body);
    assert!(led.body.contains("asks for the company before its first application") && apps(&dev, &merchant).is_empty());
    assert!(led.body.contains("value=\"Ann Shop\""), "what is known of the merchant stands there");
    let carried = hidden(&led.body, "carried");

    let company = |name: &str, website: &str, carried: &str| {
        let fields = [
            ("csrf", csrf.as_str()),
            ("carried", carried),
            ("name", name),
            ("website", website),
            ("address", "1 Brigade Road"),
            ("country", "IN"),
            ("postal_code", "560001"),
        ];
        owner.post(&profile, &fields)
    };
    for (name, is_fine) in [("ab", false), ("abc", true), (&*"c".repeat(60), true), (&*"c".repeat(61), false)] {
        let reply = company(name, "", "");
        assert_eq!(reply.status, if is_fine { 303 } else { 422 }, "{name}");
        if !is_fine {
            assert!(wrong(&reply.body, "name").contains("3 to 60 characters (KS Pay code 2004)"), "{}", reply.body);
            assert!(reply.body.contains(&format!("value=\"{name}\"")) && reply.body.contains("1 Brigade Road"));
        }
    }
    for website in
        ["shop.example", "javascript:alert(1)", "https://shop", "https://a@shop.example", "ftp://shop.example"]
    {
        assert!(wrong(&company("Ann Shop", website, "").body, "website").contains("must be an address"), "{website}");
    }
    let back = company("Ann Shop", "https://shop.example", &carried);
    assert_eq!(back.status, 200, "{}", back.body);
    assert!(back.body.contains("Add App goes on here") && back.body.contains("value=\"Shop &#38; &#60;sons&#62;\""));
    assert_eq!(owner.post(&new, &typed).status, 303);
    assert_eq!(apps(&dev, &merchant).len(), 1);
    let shown = owner.get(&profile).body;
    assert!(shown.contains("value=\"Ann Shop\"") && shown.contains("value=\"https://shop.example\""));
    let audit = owner.get(&format!("/merchants/{merchant}/audit")).body;
    assert!(audit.contains("company.described"));
}

#[test]
fn other_products_and_the_management_api_ask_for_no_company() {
    let dev = dev();
    let owner = signed_up(&dev, "bob@company.example");
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let new = format!("/merchants/{merchant}/apps/new");
    assert_eq!(owner.get(&new).status, 200);
    assert_eq!(owner.post(&new, &form(&csrf, "razorpay", "Shop", "bob@shop.example", "")).status, 303);
    dev.app(&merchant, "kspay", "made by a script");
    dev.app(&merchant, "kspay", "and another of the same address");
    assert_eq!(owner.post(&new, &form(&csrf, "kspay", "By a person", "bob@shop.example", "")).status, 200, "led away");
    assert_eq!(apps(&dev, &merchant).len(), 3);
}

#[test]
fn the_company_is_changed_by_owners_and_admins_and_seen_by_members_alone() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let merchant = merchant_of(&owner);
    let profile = format!("/merchants/{merchant}/profile");
    let change = |browser: &Browser<'_>, csrf: &str| {
        let form = [("csrf", csrf), ("name", "Changed Ltd"), ("address", "1"), ("country", "IN"), ("postal_code", "1")];
        browser.post(&profile, &form).status
    };
    for (role, status) in [("viewer", 403), ("developer", 403), ("admin", 303), ("owner", 303)] {
        let browser = Browser::signed_in(&dev, role);
        assert_eq!(browser.get(&format!("/merchants/{merchant}/profile")).status, 200);
        assert_eq!(change(&browser, &browser.csrf()), status, "{role}");
    }
    let stranger = signed_up(&dev, "stranger@company.example");
    assert_eq!(stranger.get(&format!("/merchants/{merchant}/profile")).status, 404);
    assert_eq!(change(&stranger, &stranger.csrf()), 404);
    assert_eq!(change(&owner, "wrong"), 403);
    assert_eq!(Browser::new(&dev).get(&format!("/merchants/{merchant}/profile")).status, 303);
}

#[test]
fn a_name_an_email_and_a_phone_number_belong_to_one_app_where_the_vendor_says_so() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let new = format!("/merchants/{merchant}/apps/new");
    let add = |product, name, email, phone| owner.post(&new, &form(&csrf, product, name, email, phone));
    assert_eq!(add("kspay", "First", "first@shop.example", "+91 98765-43210").status, 303);
    for (name, email, phone, field, code) in [
        ("First", "second@shop.example", "", "name", "2053"),
        ("Second", "FIRST@shop.example", "", "email", "2052"),
        ("Second", "second@shop.example", "+919876543210", "phone", "2054"),
    ] {
        let refused = add("kspay", name, email, phone);
        assert_eq!(refused.status, 422, "{field}");
        let says = wrong(&refused.body, field);
        assert!(says.contains("is taken") && says.contains(&format!("KS Pay code {code}")), "{says}");
        assert_eq!(refused.body.matches("aria-invalid").count(), 1, "{field} alone");
        assert!(refused.body.contains(&format!("value=\"{name}\"")));
    }
    assert_eq!(add("kspay", "Second", "second@shop.example", "+91 98765 43211").status, 303, "its neighbours are free");
    assert_eq!(add("razorpay", "First", "first@shop.example", "+91 98765 43210").status, 303, "another product");
    assert_eq!(add("razorpay", "Third", "first@shop.example", "+91 98765 43210").status, 303, "which asks for less");
    let second = apps(&dev, &merchant).into_iter().find(|app| app["name"] == "Second").expect("it is there");
    let settings = format!("/apps/{}/settings", second["id"].as_str().expect("an id"));
    let edit = |email| owner.post(&settings, &form(&csrf, "kspay", "Second", email, ""));
    assert!(wrong(&edit("first@shop.example").body, "email").contains("2052"));
    assert_eq!(edit("second@shop.example").status, 303, "its own is its own");
    let other = signed_up(&dev, "other@unique.example");
    let there = merchant_of(&other);
    dev.app(&there, "kspay", "First");
}

#[test]
fn an_added_app_is_confirmed_and_listed_and_one_that_was_left_is_not_there() {
    let dev = dev();
    let owner = signed_up(&dev, "cat@list.example");
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let list = format!("/merchants/{merchant}/apps");
    let empty = owner.get(&list).body;
    assert!(empty.contains("You have not registered any Application yet") && empty.contains(">Add App</a>"));
    let page = owner.get(&format!("{list}/new")).body;
    assert!(page.contains(&format!("href=\"{list}\">Cancel</a>")) && apps(&dev, &merchant).is_empty());
    let fields = form(&csrf, "razorpay", "Shop", "cat@shop.example", "");
    let added = send(&owner, &format!("{list}/new"), multipart(&fields, Some(("", b""))));
    assert_eq!(added.status, 303, "{}", added.body);
    let confirmed = owner.get(added.header("location").expect("where")).body;
    assert!(
        confirmed.contains("role=\"status\" tabindex=\"-1\" autofocus>The application is registered."),
        "{confirmed}"
    );
    let listed = owner.get(&list).body;
    let id = apps(&dev, &merchant)[0]["id"].as_str().expect("an id").to_owned();
    for wanted in ["App ID</th>", "App Name</th>", "Email</th>", "Country</th>", "Product</th>", "Status</th>"] {
        assert!(listed.contains(wanted), "{wanted}");
    }
    for wanted in [&*format!("<code>{id}</code>"), ">Shop</a>", ">cat@shop.example<", ">IN<", ">Razorpay<", ">enabled<"]
    {
        assert!(listed.contains(wanted), "{wanted}: {listed}");
    }
    assert!(!listed.contains("You have not registered"));
}

/// A page that shows a shop's currencies with the public key of KS Pay.
fn from_page(dev: &Dev, key: &Key, origin: &str) -> u16 {
    let request = Request::new("GET", "/kspay/currencies").header("x-access-key", &key.key_id);
    request.header("Origin", origin).send(dev.gateway).status
}

fn domain(browser: &Browser<'_>, app: &str, path: &str, domain: &str) -> Reply {
    browser.post(&format!("/apps/{app}/domains{path}"), &[("csrf", &browser.csrf()), ("domain", domain)])
}

#[test]
fn a_saved_domain_is_let_in_and_what_resembles_it_is_not() {
    let dev = dev();
    let (owner, app) = (Browser::signed_in(&dev, "owner"), app_of(&dev, "kspay"));
    let key = dev.key_of(&app, &json!({ "mode": "test" }));
    assert_eq!(from_page(&dev, &key, "https://anywhere.example"), 200, "without domains every page may");
    let added = domain(&owner, &app, "", "https://shop.example");
    assert_eq!(added.status, 303, "{}", added.body);
    assert!(owner.get(&format!("/apps/{app}/settings")).body.contains("<code>https://shop.example</code>"));
    assert_eq!(from_page(&dev, &key, "https://shop.example"), 200);
    for other in [
        "https://shop.example:8443",
        "https://shop.example:443",
        "http://shop.example",
        "https://www.shop.example",
        "https://shop.example.",
        "https://shop.example/",
        "https://SHOP.example",
        "https://shop.examples",
        "https://shop.example.evil.test",
        "null",
    ] {
        assert_eq!(from_page(&dev, &key, other), 403, "{other}");
    }
    let refused = Request::new("GET", "/kspay/currencies").header("x-access-key", &key.key_id);
    let refused = refused.header("Origin", "https://evil.test").send(dev.gateway);
    assert!(refused.body.contains("13007") && refused.body.contains("Access denied from this origin."));
    assert_eq!(from_page(&dev, &key, "kspay-flutter-v1"), 200, "the vendor's own client");

    assert_eq!(domain(&owner, &app, "", "https://other.example:8443").status, 303);
    assert_eq!(from_page(&dev, &key, "https://other.example:8443"), 200);
    assert_eq!(domain(&owner, &app, "/remove", "https://shop.example").status, 303);
    assert_eq!(from_page(&dev, &key, "https://shop.example"), 403, "at the next request");
    assert_eq!(domain(&owner, &app, "/remove", "https://shop.example").status, 303, "twice is once");
    let audit = owner.get(&format!("/merchants/{}/audit", merchant_of(&owner))).body;
    assert!(audit.contains("app.domains_changed"));
}

#[test]
fn domains_are_exact_origins_ten_at_the_most_and_narrow_every_key_of_the_app() {
    let dev = dev();
    let (developer, app) = (Browser::signed_in(&dev, "developer"), app_of(&dev, "kspay"));
    for odd in [
        "shop.example",
        "http://shop.example",
        "http://127.0.0.1:3000",
        "http://localhost.evil.test",
        "https://shop.example/",
        "https://shop.example/path",
        "https://Shop.example",
        "https://shop.example.",
        "https://shop.example:443",
        "https://*.shop.example",
        "https://a@shop.example",
        "https://shop.example https://evil.test",
        "null",
        "",
    ] {
        let refused = domain(&developer, &app, "", odd);
        assert_eq!(refused.status, 422, "{odd}");
        assert!(wrong(&refused.body, "domain").starts_with("A domain must be an origin such as"), "{odd}");
    }
    assert_eq!(domain(&developer, &app, "", "http://localhost:3000").status, 303);
    assert!(wrong(&domain(&developer, &app, "", "http://localhost:3000").body, "domain").contains("already"));
    for number in 1..10 {
        assert_eq!(domain(&developer, &app, "", &format!("https://shop{number}.example")).status, 303);
    }
    let eleventh = domain(&developer, &app, "", "https://shop10.example");
    assert!(wrong(&eleventh.body, "domain").contains("at most 10"), "{}", eleventh.body);

    let own = json!({ "mode": "test", "allowed_origins": ["https://shop1.example", "https://elsewhere.example"] });
    let key = dev.key_of(&app, &own);
    assert_eq!(from_page(&dev, &key, "https://shop1.example"), 200, "both lists allow it");
    assert_eq!(from_page(&dev, &key, "https://shop2.example"), 403, "the key's own list does not");
    assert_eq!(from_page(&dev, &key, "https://elsewhere.example"), 403, "the app's does not");
    let rolled = dev.roll(&key.key_id, 0);
    let next = Key { key_id: rolled.text("/credential/key_id"), ..key };
    assert_eq!(
        (from_page(&dev, &next, "https://shop1.example"), from_page(&dev, &next, "https://shop2.example")),
        (200, 403)
    );
    let wide = dev.api("PATCH", &format!("/credentials/{}", next.key_id), &json!({ "allowed_origins": [] }));
    assert_eq!(wide.status, 200, "{}", wide.body);
    assert_eq!(
        ["https://shop2.example", "http://localhost:3000", "https://elsewhere.example"]
            .map(|it| from_page(&dev, &next, it)),
        [200, 200, 403],
        "changing the key changes nothing of the app"
    );
}

#[test]
fn domains_of_an_app_with_a_live_key_ask_for_what_live_keys_ask_for() {
    let dev = dev();
    let mut owner = signed_up(&dev, "dan@domains.example");
    let merchant = merchant_of(&owner);
    let approved = json!({ "state": "approved", "reason": "checked" });
    assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &approved).status, 200);
    let app = dev.app(&merchant, "kspay", "live");
    assert_eq!(domain(&owner, &app, "", "http://localhost:3000").status, 303, "only test keys so far");
    let live = dev.key_of(&app, &json!({ "mode": "live" }));
    assert_eq!(from_page(&dev, &live, "http://localhost:3000"), 403, "localhost is for test mode");
    let led = domain(&owner, &app, "", "https://shop.example");
    assert_eq!((led.status, led.header("location")), (303, Some("/security?needed=1")));
    assert_eq!(from_page(&dev, &live, "https://shop.example"), 403, "nothing was added");
    let (secret, _) = with_authenticator(&mut owner);
    let asked = domain(&owner, &app, "", "https://shop.example");
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert_eq!(hidden(&asked.body, "domain"), "https://shop.example", "the form is carried along");
    assert_eq!(from_page(&dev, &live, "https://shop.example"), 403, "nothing was added");
    let (challenge, csrf, code) = (hidden(&asked.body, "challenge"), owner.csrf(), totp(&secret, 1));
    let fields = [("csrf", &*csrf), ("domain", "https://shop.example"), ("challenge", &*challenge), ("code", &*code)];
    let added = owner.post(&format!("/apps/{app}/domains"), &fields);
    assert_eq!(added.status, 303, "{}", added.body);
    keep_cookie(&mut owner, &added);
    // Let in: there is no upstream behind live mode, and only who was let in hears of it.
    assert_eq!(from_page(&dev, &live, "https://shop.example"), 503);
    assert_eq!(from_page(&dev, &live, "http://localhost:3000"), 403);
    assert_eq!(domain(&owner, &app, "/remove", "https://shop.example").status, 303);
    assert_eq!(from_page(&dev, &live, "https://shop.example"), 403, "what is left is for test mode");
    let developer = Browser::signed_in(&dev, "developer");
    assert_eq!(domain(&developer, &app, "", "https://evil.test").status, 404, "somebody else's app");
    assert_eq!(
        domain(&Browser::signed_in(&dev, "viewer"), &app_of(&dev, "kspay"), "", "https://a.example").status,
        403
    );
}
