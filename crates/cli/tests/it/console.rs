//! The console's pages as a browser asks for them.

use keymint_testkit::{Dev, Key, Reply, Request};
use serde_json::Value;

use crate::dev;

/// What one cookie jar sends.
pub struct Browser<'a> {
    pub dev: &'a Dev,
    pub cookie: String,
}

pub fn password(dev: &Dev, role: &str) -> (String, String) {
    let text = std::fs::read_to_string(dev.folder.join("ready.json")).expect("the ready file");
    let ready: Value = serde_json::from_str(&text).expect("JSON");
    let users = ready["users"].as_array().expect("users");
    let user = users.iter().find(|user| user["role"] == role).expect("one for each role");
    let text = |name: &str| user[name].as_str().expect("text").to_owned();
    (text("email"), text("password"))
}

/// A form's fields, percent-encoded.
fn encoded(fields: &[(&str, &str)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let code = |text: &str| {
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect::<String>()
    };
    fields.iter().map(|(name, value)| format!("{}={}", code(name), code(value))).collect::<Vec<_>>().join("&")
}

impl<'a> Browser<'a> {
    pub fn new(dev: &'a Dev) -> Self {
        Self { dev, cookie: String::new() }
    }

    pub fn signed_in(dev: &'a Dev, role: &str) -> Self {
        let (email, password) = password(dev, role);
        let mut browser = Self::new(dev);
        let reply = browser.post("/sign-in", &[("email", &email), ("password", &password)]);
        assert_eq!(reply.status, 303, "{}", reply.body);
        let set = reply.header("set-cookie").expect("a cookie").to_owned();
        for wanted in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(set.contains(wanted), "{set}");
        }
        set.split(';').next().expect("a pair").clone_into(&mut browser.cookie);
        browser
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).header("Cookie", &self.cookie)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send(self.dev.console)
    }

    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.request("POST", path)
            .header("Sec-Fetch-Site", "same-origin")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(&encoded(fields))
            .send(self.dev.console)
    }

    /// The token of this session's forms.
    pub fn csrf(&self) -> String {
        let page = self.get("/security").body;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }
}

pub fn cell<'p>(page: &'p str, id: &str) -> &'p str {
    let (_, rest) = page.split_once(&format!("id=\"{id}\">")).expect("it is shown");
    rest.split('<').next().expect("text")
}

pub fn app_of(dev: &Dev, product: &str) -> String {
    let merchants = dev.api("GET", "/merchants?limit=100", &Value::Null).json();
    let demo = merchants["items"].as_array().expect("items").iter().find(|one| one["name"] == "Demo Merchant");
    let merchant = demo.expect("the demo merchant")["id"].as_str().expect("an id").to_owned();
    let apps = dev.api("GET", &format!("/merchants/{merchant}/apps"), &Value::Null).json();
    let app = apps["items"].as_array().expect("items").iter().find(|app| app["product"] == product);
    app.expect("one of each product")["id"].as_str().expect("an id").to_owned()
}

fn orders(dev: &Dev, key: &Key) -> u16 {
    Request::new("GET", "/razorpay/v1/orders").header("Authorization", &key.basic()).send(dev.gateway).status
}

#[test]
fn a_key_is_generated_shown_once_used_and_revoked() {
    let dev = dev();
    let app = app_of(&dev, "razorpay");
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    let keys = format!("/apps/{app}/keys");
    let form = [("csrf", csrf.as_str()), ("once", "a1"), ("mode", "test"), ("name", "web <shop>")];
    let made = owner.post(&keys, &form);
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let (key_id, secret) = (cell(&made.body, "key-id").to_owned(), cell(&made.body, "secret").to_owned());
    let key = Key { key_id: key_id.clone(), secret: secret.clone(), app_id: app.clone() };
    assert_eq!(orders(&dev, &key), 200);
    let listed = owner.get(&format!("{keys}?mode=test")).body;
    assert!(listed.contains(&key_id) && listed.contains("web &#60;shop&#62;") && !listed.contains(&secret));
    let reloaded = owner.post(&keys, &form);
    assert_eq!(reloaded.status, 303, "the same form makes no second key and shows no secret again");
    assert!(owner.get(reloaded.header("location").expect("where")).body.contains("has been shown already"));
    let again = owner.post(&keys, &[("csrf", &csrf), ("once", "a2"), ("mode", "test"), ("name", "typed")]);
    assert_eq!(again.status, 422);
    assert!(again.body.contains("Roll the one there is") && again.body.contains("value=\"typed\""));

    let rolled =
        owner.post(&format!("/keys/{key_id}/roll"), &[("csrf", &csrf), ("once", "a3"), ("grace_seconds", "86400")]);
    assert_eq!(rolled.status, 201);
    let successor = Key {
        key_id: cell(&rolled.body, "key-id").to_owned(),
        secret: cell(&rolled.body, "secret").to_owned(),
        app_id: app,
    };
    assert_eq!((orders(&dev, &key), orders(&dev, &successor)), (200, 200), "both work in the grace");

    let revoke = format!("/keys/{}/revoke", successor.key_id);
    let revoked = owner.post(&revoke, &[("csrf", &csrf), ("reason", "compromised")]);
    assert_eq!(revoked.status, 303);
    assert_eq!((orders(&dev, &key), orders(&dev, &successor)), (200, 401));
    let page = owner.get(revoked.header("location").expect("where")).body;
    assert!(page.contains("No request with it is accepted any more"));
    let live = owner.post(&keys, &[("csrf", &csrf), ("once", "a4"), ("mode", "live")]);
    assert_eq!((live.status, live.header("location")), (303, Some("/security?needed=1")));
}

#[test]
fn each_role_does_what_it_may_and_nothing_else() {
    let dev = dev();
    let app = app_of(&dev, "kpay");
    for (role, test, live) in [("owner", 201, 303), ("admin", 422, 303), ("developer", 422, 403), ("viewer", 403, 403)]
    {
        let browser = Browser::signed_in(&dev, role);
        let csrf = browser.csrf();
        let generate = |mode: &str| {
            browser.post(&format!("/apps/{app}/keys"), &[("csrf", &csrf), ("once", mode), ("mode", mode)]).status
        };
        assert_eq!((generate("test"), generate("live")), (test, live), "{role}");
        let page = browser.get(&format!("/apps/{app}/keys")).body;
        assert_eq!(page.contains("Generate API Key"), role != "viewer", "{role}");
    }
    let keys = dev.api("GET", &format!("/apps/{app}/credentials"), &Value::Null).json();
    let key_id = keys["items"][0]["key_id"].as_str().expect("the owner's").to_owned();
    let viewer = Browser::signed_in(&dev, "viewer");
    let csrf = viewer.csrf();
    let revoke = viewer.post(&format!("/keys/{key_id}/revoke"), &[("csrf", &csrf), ("reason", "unused")]);
    let roll = viewer.post(&format!("/keys/{key_id}/roll"), &[("csrf", &csrf), ("once", "r"), ("grace_seconds", "0")]);
    let home = viewer.get("/").header("location").expect("where").to_owned();
    let add = viewer.get(&format!("{home}/new"));
    assert_eq!((revoke.status, roll.status, add.status), (403, 403, 403));
    assert_eq!(dev.api("GET", &format!("/credentials/{key_id}"), &Value::Null).text("/status"), "active");
}

#[test]
fn another_merchants_pages_are_not_there() {
    let dev = dev();
    let foreign = dev.key("razorpay", "foreign");
    let merchant = dev.api("GET", &format!("/apps/{}", foreign.app_id), &Value::Null).text("/merchant_id");
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    for path in [
        format!("/merchants/{merchant}/apps"),
        format!("/merchants/{merchant}/apps/new"),
        format!("/apps/{}/keys", foreign.app_id),
    ] {
        assert_eq!(owner.get(&path).status, 404, "{path}");
    }
    let unknown = owner.get("/apps/app_00000000000000000000000000/keys");
    assert_eq!((unknown.status, &unknown.body), (404, &owner.get(&format!("/apps/{}/keys", foreign.app_id)).body));
    let revoke = owner.post(&format!("/keys/{}/revoke", foreign.key_id), &[("csrf", &csrf), ("reason", "unused")]);
    assert_eq!((revoke.status, orders(&dev, &foreign)), (404, 200));
}

#[test]
fn nothing_changes_without_the_session_its_form_and_its_origin() {
    let dev = dev();
    let app = app_of(&dev, "kpay");
    let (owner, other) = (Browser::signed_in(&dev, "owner"), Browser::signed_in(&dev, "admin"));
    let path = format!("/apps/{app}/keys");
    let csrf = owner.csrf();
    let body = encoded(&[("csrf", &csrf), ("once", "x"), ("mode", "test")]);
    let sent = |headers: &[(&str, &str)]| {
        let form = owner.request("POST", &path).header("Content-Type", "application/x-www-form-urlencoded");
        headers.iter().fold(form, |form, (name, value)| form.header(name, value)).body(&body).send(dev.console).status
    };
    assert_eq!(sent(&[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(sent(&[("Sec-Fetch-Site", "same-site")]), 403);
    assert_eq!(sent(&[("Origin", "https://evil.example")]), 403);
    assert_eq!(sent(&[("Origin", "null")]), 403);
    assert_eq!(owner.post(&path, &[("csrf", &other.csrf()), ("once", "x"), ("mode", "test")]).status, 403);
    assert_eq!(owner.post(&path, &[("csrf", ""), ("once", "x"), ("mode", "test")]).status, 403);
    assert_eq!(
        Browser::new(&dev).post(&path, &[("csrf", &csrf), ("once", "x"), ("mode", "test")]).status,
        303,
        "signed out"
    );
    let keys = dev.api("GET", &format!("/apps/{app}/credentials"), &Value::Null).json();
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(owner.post("/sign-out", &[("csrf", &csrf)]).status, 303);
    assert_eq!(owner.get(&path).header("location"), Some("/sign-in"), "the old cookie is nothing");
    assert_eq!(other.get(&path).status, 200);
}

#[test]
fn a_wrong_password_and_an_unknown_account_look_the_same() {
    let dev = dev();
    let (email, _) = password(&dev, "owner");
    let browser = Browser::new(&dev);
    let sign_in =
        |email: &str| browser.post("/sign-in", &[("email", email), ("password", "not the password of anybody")]);
    let (known, unknown) = (sign_in(&email), sign_in("nobody@merchant.example"));
    assert_eq!((known.status, unknown.status), (422, 422));
    assert_eq!(known.body.replace(&email, ""), unknown.body.replace("nobody@merchant.example", ""));
    assert!(known.body.contains(&format!("value=\"{email}\"")), "what was typed stays, but the password");
    assert!(!known.body.contains("not the password"));
    for _ in 0..9 {
        assert_eq!(sign_in(&email).status, 422);
    }
    assert_eq!(sign_in(&email.to_uppercase()).status, 429, "the eleventh, however it is spelled");
    assert_eq!(sign_in("admin@merchant.example").status, 422, "others are not kept out");
}

#[test]
fn what_is_wrong_with_an_app_stands_beside_its_field_and_nothing_typed_is_lost() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    let path = format!("{}/new", owner.get("/").header("location").expect("where"));
    let good = [
        ("csrf", csrf.as_str()),
        ("product", "razorpay"),
        ("name", "Second shop"),
        ("email", "dev@shop.example"),
        ("phone", ""),
        ("address", "12 MG Road"),
        ("country", "IN"),
        ("state", ""),
        ("city", ""),
        ("postal_code", "560001"),
    ];
    for (field, value, said) in [
        ("name", "ab", "must have 3 to 256 characters"),
        ("name", "Demo app", "is taken"),
        ("email", "dev", "must be an email address"),
        ("country", "XX", "must be a country code"),
        ("address", "", "must have 1 to 500 characters"),
        ("postal_code", "", "must have 1 to 20 characters"),
    ] {
        let form = good.map(|(name, old)| (name, if name == field { value } else { old }));
        let reply = owner.post(&path, &form);
        assert_eq!(reply.status, 422, "{field}");
        let (_, beside) = reply.body.split_once(&format!("id=\"{field}-error\">")).expect("beside its field");
        assert!(beside.split('<').next().expect("text").contains(said), "{beside}");
        assert!(reply.body.contains("value=\"dev") && reply.body.contains("selected>Razorpay"));
    }
    let made = owner.post(&path, &good);
    assert_eq!(made.status, 303);
    assert!(owner.get(made.header("location").expect("where")).body.contains("No Test keys"));
}

#[test]
fn pages_run_nothing_from_elsewhere_and_are_kept_by_nobody() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let home = owner.get("/").header("location").expect("where").to_owned();
    for path in
        ["/sign-in".to_owned(), home.clone(), format!("{home}/new"), format!("/apps/{}/keys", app_of(&dev, "kpay"))]
    {
        let reply = if path == "/sign-in" { Browser::new(&dev).get(&path) } else { owner.get(&path) };
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{path}");
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        // A link to this console under the name where it has passkeys is none from elsewhere.
        let body = reply.body.replace(&format!("http://localhost:{}/sign-in", dev.console.port()), "");
        let body = body.replace(&format!(">http://localhost:{}<", dev.console.port()), "");
        assert!(!body.contains(" style=") && !body.contains(" onclick") && !body.contains("://"), "{path}");
    }
}

#[test]
fn the_logs_say_why_a_request_was_denied_and_what_to_do() {
    let dev = dev();
    let app = app_of(&dev, "razorpay");
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    let logs = |browser: &Browser<'_>, query: &str| browser.get(&format!("/apps/{app}/logs{query}"));
    assert!(logs(&owner, "").body.contains("No requests"));
    let form = [("csrf", csrf.as_str()), ("once", "l1"), ("mode", "test")];
    let made = owner.post(&format!("/apps/{app}/keys"), &form).body;
    let key =
        Key { key_id: cell(&made, "key-id").to_owned(), secret: cell(&made, "secret").to_owned(), app_id: app.clone() };
    let wrong = Key { secret: "B".repeat(24), ..key.clone() };
    assert_eq!((orders(&dev, &key), orders(&dev, &wrong)), (200, 401));
    for _ in 0..50 {
        assert_eq!(orders(&dev, &key), 200);
    }
    let newest = logs(&owner, "").body;
    assert_eq!(newest.matches(">allowed<").count(), 50);
    let (_, older) = newest.split_once("class=\"button\" href=\"").expect("there is more");
    let older = older.split('"').next().expect("where").replace("&#38;", "&");
    let oldest = owner.get(&older).body;
    assert_eq!((oldest.matches(">allowed<").count(), oldest.matches(">denied<").count()), (1, 1));
    assert!(oldest.contains("wrong secret") && oldest.contains("Compare the secret"));
    let denied = logs(&owner, "?mode=test&reason=wrong_secret").body;
    assert_eq!((denied.matches(">allowed<").count(), denied.matches(">denied<").count()), (0, 1));
    assert!(logs(&owner, "?mode=live&reason=").body.contains("No requests"));
    assert!(!denied.contains(&key.secret) && !denied.contains(&wrong.secret));
    let viewer = Browser::signed_in(&dev, "viewer");
    assert_eq!(logs(&viewer, "").status, 403);
    assert!(!viewer.get(&format!("/apps/{app}/keys")).body.contains("/logs\""));
}

#[test]
fn a_live_key_is_revoked_without_a_second_factor_and_neither_made_nor_rolled() {
    let dev = dev();
    let app = app_of(&dev, "razorpay");
    let merchant = dev.api("GET", &format!("/apps/{app}"), &Value::Null).text("/merchant_id");
    let approved = serde_json::json!({ "state": "approved", "reason": "checked" });
    assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &approved).status, 200);
    let live = serde_json::json!({ "mode": "live" });
    let key_id = dev.api("POST", &format!("/apps/{app}/credentials"), &live).text("/key_id");
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    let roll = owner.post(&format!("/keys/{key_id}/roll"), &[("csrf", &csrf), ("once", "v"), ("grace_seconds", "0")]);
    assert_eq!((roll.status, roll.header("location")), (303, Some("/security?needed=1")));
    assert_eq!(dev.api("GET", &format!("/credentials/{key_id}"), &Value::Null).text("/status"), "active");
    let page = owner.get(&format!("/apps/{app}/keys?mode=live")).body;
    assert!(page.contains(&key_id) && page.contains("Revoke key") && page.contains("Regenerate Key"));
    let developer = Browser::signed_in(&dev, "developer");
    let theirs = developer.csrf();
    let refused = developer.post(&format!("/keys/{key_id}/revoke"), &[("csrf", &theirs), ("reason", "unused")]);
    assert_eq!(refused.status, 403);
    let revoke = owner.post(&format!("/keys/{key_id}/revoke"), &[("csrf", &csrf), ("reason", "unused")]);
    assert_eq!(revoke.status, 303);
    assert_eq!(dev.api("GET", &format!("/credentials/{key_id}"), &Value::Null).text("/status"), "revoked");
}

#[test]
fn an_app_is_edited_disabled_and_enabled_by_those_who_may() {
    let dev = dev();
    let app = app_of(&dev, "razorpay");
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    let (keys, settings) = (format!("/apps/{app}/keys"), format!("/apps/{app}/settings"));
    let made = owner.post(&keys, &[("csrf", &csrf), ("once", "s"), ("mode", "test")]).body;
    let key =
        Key { key_id: cell(&made, "key-id").to_owned(), secret: cell(&made, "secret").to_owned(), app_id: app.clone() };
    let form = [
        ("csrf", csrf.as_str()),
        ("name", "Renamed shop"),
        ("email", "new@shop.example"),
        ("address", "1 New Road"),
        ("country", "DE"),
        ("postal_code", "10115"),
    ];
    for (field, value) in [("name", "ab"), ("country", "XX"), ("email", "x"), ("address", ""), ("postal_code", "")] {
        let reply = owner.post(&settings, &form.map(|(name, old)| (name, if name == field { value } else { old })));
        assert_eq!((reply.status, reply.body.contains(&format!("id=\"{field}-error\""))), (422, true), "{field}");
    }
    assert!(owner.get(&settings).body.contains("value=\"Demo app\""), "a refused form changes nothing");
    assert_eq!(owner.post(&settings, &form).status, 303);
    let page = owner.get(&settings).body;
    assert!(page.contains("value=\"Renamed shop\"") && page.contains("value=\"DE\"") && page.contains(&app));
    assert_eq!(orders(&dev, &key), 200, "editing keeps the keys");
    let state = |browser: &Browser<'_>, csrf: &str, state: &str| {
        browser.post(&format!("/apps/{app}/state"), &[("csrf", csrf), ("state", state)]).status
    };
    let viewer = Browser::signed_in(&dev, "viewer");
    let theirs = viewer.csrf();
    assert_eq!(state(&viewer, &theirs, "disabled"), 403);
    assert_eq!(
        viewer.post(&settings, &form.map(|(n, v)| (n, if n == "csrf" { theirs.as_str() } else { v }))).status,
        403
    );
    assert_eq!(state(&owner, &csrf, "off"), 403);
    assert_eq!(orders(&dev, &key), 200);
    assert_eq!((state(&owner, &csrf, "disabled"), orders(&dev, &key)), (303, 401));
    assert_eq!((state(&owner, &csrf, "enabled"), orders(&dev, &key)), (303, 200));
}

#[test]
fn the_end_of_a_grace_is_moved_and_a_key_is_narrowed() {
    let dev = dev();
    let app = app_of(&dev, "razorpay");
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    let made = owner.post(&format!("/apps/{app}/keys"), &[("csrf", &csrf), ("once", "g"), ("mode", "test")]).body;
    let shown = |page: &str| Key {
        key_id: cell(page, "key-id").to_owned(),
        secret: cell(page, "secret").to_owned(),
        app_id: app.clone(),
    };
    let old = shown(&made);
    let end = |key: &Key, seconds: &str| {
        let form = [("csrf", csrf.as_str()), ("once", "m"), ("grace_seconds", seconds)];
        owner.post(&format!("/keys/{}/end", key.key_id), &form).status
    };
    assert_eq!(end(&old, "0"), 422, "it has no successor");
    let roll = [("csrf", csrf.as_str()), ("once", "r"), ("grace_seconds", "86400")];
    let new = shown(&owner.post(&format!("/keys/{}/roll", old.key_id), &roll).body);
    assert_eq!((end(&old, "604800"), end(&old, "99999999")), (303, 422));
    assert_eq!((orders(&dev, &old), orders(&dev, &new)), (200, 200));
    assert_eq!(end(&old, "0"), 303);
    assert_eq!((orders(&dev, &old), orders(&dev, &new)), (401, 200), "brought to now");
    assert_eq!(end(&old, "86400"), 422, "nothing brings it back");

    let path = format!("/keys/{}", new.key_id);
    let change = |field: &str, value: &str| {
        let form = ["name", "expires_on", "allowed_ips", "allowed_origins", "scopes"]
            .map(|name| (name, if name == field { value } else { "" }));
        let form: Vec<_> = form.into_iter().chain([("csrf", csrf.as_str())]).collect();
        owner.post(&path, &form)
    };
    for (field, wrong) in [
        ("expires_on", "31.01.2027"),
        ("expires_on", "2020-01-01"),
        ("allowed_ips", "10.0.0.0/33"),
        ("allowed_origins", "shop"),
    ] {
        let reply = change(field, wrong);
        assert_eq!((reply.status, reply.body.contains(&format!("id=\"{field}-error\""))), (422, true), "{field}");
        assert!(reply.body.contains(wrong), "nothing typed is lost");
    }
    assert_eq!(orders(&dev, &new), 200);
    assert_eq!(
        (change("allowed_ips", "203.0.113.0/24\n198.51.100.7").status, orders(&dev, &new)),
        (303, 400),
        "as Razorpay says it"
    );
    assert!(owner.get(&path).body.contains("203.0.113.0/24\n198.51.100.7"));
    assert_eq!((change("allowed_ips", "127.0.0.1").status, orders(&dev, &new)), (303, 200));
    assert_eq!(change("expires_on", "2099-12-31").status, 303);
    assert!(owner.get(&path).body.contains("value=\"2099-12-31\""));
    assert_eq!(change("expires_on", "2099-12-31").status, 303);
    let ends = dev.api("GET", &format!("/credentials/{}", new.key_id), &Value::Null).text("/expires_at");
    assert_eq!(ends, "2100-01-01T00:00:00.000Z");
}

#[test]
fn the_audit_log_is_for_owners_and_admins_and_the_activation_for_all() {
    let dev = dev();
    let app = app_of(&dev, "razorpay");
    let merchant = dev.api("GET", &format!("/apps/{app}"), &Value::Null).text("/merchant_id");
    let foreign = dev.merchant("foreign-audit");
    let owner = Browser::signed_in(&dev, "owner");
    let csrf = owner.csrf();
    let form = [("csrf", csrf.as_str()), ("once", "au"), ("mode", "test"), ("name", "<b>bold</b>")];
    let made = owner.post(&format!("/apps/{app}/keys"), &form).body;
    let (key_id, secret) = (cell(&made, "key-id"), cell(&made, "secret"));
    let log = format!("/merchants/{merchant}/audit");
    let page = owner.get(&log).body;
    assert!(page.contains("credential.issued") && page.contains(key_id) && page.contains("user:usr_"));
    assert!(!page.contains(secret) && !page.contains("<b>bold"));
    for (role, status) in [("admin", 200), ("developer", 403), ("viewer", 403)] {
        let browser = Browser::signed_in(&dev, role);
        assert_eq!(browser.get(&log).status, status, "{role}");
        assert_eq!(browser.get(&format!("/merchants/{merchant}/activation")).status, 200, "{role}");
    }
    assert_eq!(owner.get(&format!("/merchants/{foreign}/audit")).status, 404);
    assert_eq!(owner.get(&format!("/merchants/{foreign}/activation")).status, 404);
    let decide = |state: &str, reason: &str| {
        let body = serde_json::json!({ "state": state, "reason": reason });
        assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &body).status, 200);
        owner.get(&format!("/merchants/{merchant}/activation")).body
    };
    assert!(
        decide("rejected", "The <i>licence</i> is missing.").contains("The &#60;i&#62;licence&#60;/i&#62; is missing.")
    );
    let done = |page: &str| page.matches("<span class=\"badge good\">Done</span>").count();
    let before = decide("rejected", "Not yet.");
    assert!(before.contains("badge warn\">Not yet") && before.contains("href=\"/security\">Security</a>"));
    let approved = decide("approved", "checked");
    assert!(approved.contains(">approved<") && !approved.contains("badge warn\">Not yet"));
    assert_eq!(done(&approved), done(&before) + 1, "the operator's step");
}

#[test]
fn keys_that_have_ended_are_listed_fifty_at_a_time_below_those_that_live() {
    let dev = dev();
    let owner = Browser::signed_in(&dev, "owner");
    let app = app_of(&dev, "keymint");
    let mut keys = Vec::new();
    for number in 0..61 {
        let key = dev.key_of(&app, &serde_json::json!({ "mode": "test", "name": format!("number {number}") }));
        if number > 0 {
            assert_eq!(dev.revoke(&key.key_id).status, 200);
        }
        keys.push(key.key_id);
    }
    let list = format!("/apps/{app}/keys?mode=test");
    let first = owner.get(&list).body;
    let on = |page: &str| keys.iter().filter(|key| page.contains(key.as_str())).count();
    assert_eq!(on(&first), 51, "the one that lives, which is the oldest, and fifty");
    assert!(
        first.contains(keys[0].as_str()) && first.contains(keys[60].as_str()) && !first.contains(keys[10].as_str())
    );
    let (_, older) = first.split_once("class=\"button\" href=\"").expect("a way on");
    let older = older.split('"').next().expect("an address").replace("&#38;", "&");
    let second = owner.get(&older).body;
    assert_eq!(on(&second), 10);
    assert!(!second.contains(keys[0].as_str()) && second.contains(keys[1].as_str()));
    assert!(second.contains(">Newest</a>") && !second.contains(">Older</a>"));
    for odd in ["before=%3C", "before=", "before=crd_", "before=%00"] {
        assert_eq!(owner.get(&format!("{list}&{odd}")).status, 200, "{odd}");
    }
}
