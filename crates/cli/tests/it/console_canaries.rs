//! Planted secrets at the console: through every form there is, rightly and wrongly, at the most verbose log level. What
//! nobody may keep is found nowhere afterwards: passwords, codes, tokens, cookies, recovery codes, what a device says of a
//! passkey, and whatever stands in a field that was refused. The forms are those of the router's source.

use std::collections::BTreeSet;
use std::fmt::Write;

use image::{ImageFormat, RgbaImage};
use keymint_testkit::{Dev, Reply, Request};
use serde_json::{Value, json};

use crate::canaries::contents;
use crate::console::Browser;
use crate::logos::{multipart, send};
use crate::people::{
    PASSWORD, code_to, hidden, keep_cookie, live_app, merchant_of, proved, signed_up, with_authenticator,
};

/// The end of every canary, in letters that no code loses when it is read.
const END: &str = "VQ7ZKPX3";
const HEAD: usize = "CNRY00000".len();

/// A form: its route, its fields of text with something right in them, and those that nobody may keep or show again.
struct Form(&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const PROOF: &[&str] = &["csrf", "challenge", "code"];
const ADDRESS: &[(&str, &str)] = &[
    ("name", "Till"),
    ("email", "a@b.example"),
    ("phone", "+919876500003"),
    ("address", "12 MG Road"),
    ("country", "IN"),
    ("state", "KA"),
    ("city", "Bengaluru"),
    ("postal_code", "560001"),
];
const COMPANY: &[(&str, &str)] = &[
    ("carried", ""),
    ("name", "Company"),
    ("address", "12 MG Road"),
    ("country", "IN"),
    ("state", "KA"),
    ("city", "Bengaluru"),
    ("postal_code", "560001"),
    ("phone", "+919876500003"),
    ("website", "https://shop.example"),
];
const SIGN_UP: &[(&str, &str)] = &[
    ("name", "Ann"),
    ("business", "Shop"),
    ("email", "canary@sign-up.example"),
    ("country", "IN"),
    ("phone", ""),
    ("invited", ""),
];
const LIMITS: &[(&str, &str)] = &[
    ("name", "till"),
    ("expires_on", ""),
    ("allowed_ips", "203.0.113.1"),
    ("allowed_origins", "https://shop.example"),
    ("scopes", "read"),
];

const ENDPOINT: &[(&str, &str)] = &[
    ("once", "c4"),
    ("mode", "live"),
    ("url", "https://shop.example/hook"),
    ("events", "order.paid"),
    ("alert_email", "ops@shop.example"),
];

/// What ends a session, or the key that others are about, comes last.
const FORMS: &[Form] = &[
    Form("/merchants/{id}/apps/new", ADDRESS, &["csrf"]),
    Form("/apps/{id}/settings", ADDRESS, &["csrf"]),
    Form("/merchants/{id}/profile", COMPANY, &["csrf"]),
    Form("/apps/{id}/domains", &[("domain", "https://shop.example")], PROOF),
    Form("/apps/{id}/domains/remove", &[("domain", "https://shop.example")], PROOF),
    Form("/apps/{id}/providers", &[("provider", "MTN_MOMO_CMR")], PROOF),
    Form("/apps/{id}/gateways", &[("gateway", "razorpay"), ("state", "done")], &["csrf"]),
    Form("/apps/{id}/gateways/secret", &[("gateway", "razorpay")], &["csrf"]),
    Form("/apps/{id}/go-live", &[("item", "webhook-signature"), ("state", "done")], &["csrf"]),
    Form("/apps/{id}/keys", &[("once", "c1"), ("mode", "live"), ("name", "till")], PROOF),
    Form("/keys/{key_id}", LIMITS, &["csrf", "challenge", "code", "codes", "phone_code", "mail_code"]),
    Form("/keys/{key_id}/roll", &[("once", "c2"), ("grace_seconds", "60")], PROOF),
    Form("/keys/{key_id}/end", &[("once", "c3"), ("grace_seconds", "0")], PROOF),
    Form("/apps/{id}/webhooks", ENDPOINT, &["csrf", "challenge", "code", "secret"]),
    Form("/webhooks/{id}", ENDPOINT, PROOF),
    Form("/webhooks/{id}/secret", &[("overlap_seconds", "0")], &["csrf", "challenge", "code", "secret"]),
    Form("/webhooks/{id}/test", &[("event", "order.paid")], &["csrf"]),
    Form("/webhooks/{id}/resend", &[("hours", "1")], &["csrf"]),
    Form("/deliveries/{id}/resend", &[], &["csrf"]),
    Form("/webhooks/{id}/state", &[("state", "disabled")], PROOF),
    Form("/webhooks/{id}/delete", &[], PROOF),
    Form("/merchants/{id}/team", &[("email", "bob@team.example"), ("role", "viewer")], PROOF),
    Form("/merchants/{id}/team/rule", &[("needs_factor", "no")], &["csrf", "challenge", "code", "password"]),
    Form("/merchants/{id}/team/invitations/{invitation}/withdraw", &[], PROOF),
    Form("/merchants/{id}/team/members/{user}", &[("role", "viewer")], PROOF),
    Form("/merchants/{id}/team/members/{user}/unlock", &[], PROOF),
    Form("/merchants/{id}/team/members/{user}/reset-factors", &[], PROOF),
    Form("/merchants/{id}/roles", &[("name", "On call"), ("act", "see_audit")], PROOF),
    Form("/merchants/{id}/roles/{role}", &[("name", "On call"), ("act", "see_audit")], PROOF),
    Form("/merchants/{id}/roles/{role}/delete", &[], PROOF),
    Form("/merchants/{id}/team/leave", &[], &["csrf"]),
    Form("/invitations/{id}", &[("answer", "accept")], &["csrf"]),
    Form("/security/prove", &[], PROOF),
    Form("/security/password", &[], &["csrf", "password", "new_password"]),
    Form("/security/authenticator", &[], &["csrf", "password"]),
    Form("/security/authenticator/confirm", &[], PROOF),
    Form("/security/recovery-codes", &[], PROOF),
    Form("/security/passkeys", &[("name", "Laptop")], &["csrf", "password"]),
    Form("/security/passkeys/confirm", &[], PROOF),
    Form("/security/passkeys/{id}/remove", &[], PROOF),
    Form("/security/phone", &[("phone", "+919876500004")], &["csrf", "password"]),
    Form("/security/phone/confirm", &[("sent_to", "+91…004")], PROOF),
    Form("/security/mail-codes", &[], &["csrf", "password"]),
    Form("/security/mail-codes/confirm", &[], PROOF),
    Form("/security/mail-codes/remove", &[], PROOF),
    Form("/security/authenticator/remove", &[], PROOF),
    Form("/sign-up", SIGN_UP, &["password"]),
    Form("/sign-up/confirm", &[("email", "canary@sign-up.example")], &["challenge", "code"]),
    Form("/forgot", &[("email", "canary@sign-up.example")], &[]),
    Form("/forgot/confirm", &[("email", "canary@sign-up.example")], &["challenge", "code", "password"]),
    Form("/sign-in/second", &[("sent_to", "+91…004")], &["challenge", "code"]),
    Form("/sign-in/passkey/begin", &[], &["csrf"]),
    Form("/sign-in/passkey", &[], &["challenge", "code"]),
    Form("/sign-in", &[("email", "canary@sign-up.example")], &["password"]),
    Form("/apps/{id}/state", &[("state", "enabled")], &["csrf"]),
    Form("/security/sessions/{id}/end", &[], &["csrf"]),
    Form("/security/sessions/end-others", &[], &["csrf"]),
    Form("/keys/{key_id}/revoke", &[("reason", "unused")], &["csrf"]),
    Form("/sign-out", &[], &["csrf"]),
];

/// The routes of the pages that take more than `GET`, as their source says.
fn unsafe_routes() -> BTreeSet<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/pages");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the pages").flatten() {
        let source = std::fs::read_to_string(entry.path()).expect("a file");
        for part in source.split(".route(").skip(1) {
            let mut depth = 1;
            let end = part.find(|character| {
                depth += i32::from(character == '(') - i32::from(character == ')');
                depth == 0
            });
            let call = part.get(..end.expect("it is closed")).expect("a call");
            if ["post(", "put(", "patch(", "delete("].iter().any(|method| call.contains(method)) {
                found.insert(call.split('"').nth(1).expect("a path").to_owned());
            }
        }
    }
    found
}

/// Somebody with a merchant, an app, a key and an authenticator app.
struct Person<'d> {
    browser: Browser<'d>,
    csrf: String,
    merchant: String,
    app: String,
    key: String,
    endpoint: String,
    delivery: String,
    /// The authenticator's secret, recovery codes.
    secrets: Vec<String>,
}

impl<'d> Person<'d> {
    fn new(dev: &'d Dev, name: &str) -> Self {
        let mut browser = signed_up(dev, &format!("{name}@canary.example"));
        let app = live_app(dev, &browser);
        let key = dev.key_of(&app, &json!({ "mode": "test" })).key_id;
        let body = json!({ "mode": "live", "url": "http://127.0.0.1:9/", "secret": "any-secret-at-all" });
        let endpoint = dev.api("POST", &format!("/apps/{app}/webhook-endpoints"), &body).text("/id");
        let test = json!({ "event": "order.paid" });
        let delivery = dev.api("POST", &format!("/webhook-endpoints/{endpoint}/test"), &test).text("/id");
        let (secret, mut secrets) = with_authenticator(&mut browser);
        secrets.extend(secrets.clone().iter().map(|code| code.replace('-', "")));
        secrets.extend([secret.replace(' ', ""), secret]);
        let (csrf, merchant) = (browser.csrf(), merchant_of(&browser));
        Self { browser, csrf, merchant, app, key, endpoint, delivery, secrets }
    }

    /// The route with what is there, or would be.
    fn path(&self, route: &str) -> String {
        let nobody = "0".repeat(26);
        let path = route.replace("/apps/{id}", &format!("/apps/{}", self.app));
        let path = path.replace("/merchants/{id}", &format!("/merchants/{}", self.merchant));
        let path = path.replace("/webhooks/{id}", &format!("/webhooks/{}", self.endpoint));
        let path = path.replace("/deliveries/{id}", &format!("/deliveries/{}", self.delivery));
        let path = path.replace("{key_id}", &self.key).replace("{user}", &format!("usr_{nobody}"));
        let path = path.replace("{invitation}", &format!("inv_{nobody}")).replace("{role}", &format!("rol_{nobody}"));
        let path = path.replace("/passkeys/{id}", &format!("/passkeys/psk_{nobody}"));
        let path = path.replace("/sessions/{id}", &format!("/sessions/ses_{nobody}"));
        path.replace("/invitations/{id}", &format!("/invitations/inv_{nobody}"))
    }
}

/// Canaries in these bytes, in capitals or not.
fn canaries_in(bytes: &[u8]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for end in [END.to_owned(), END.to_lowercase()] {
        for at in memchr::memmem::find_iter(bytes, end.as_bytes()) {
            let number = at.checked_sub(HEAD).and_then(|from| bytes.get(from + 4..at));
            found.extend(number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok()));
        }
    }
    found
}

/// What was planted: where, and whether whoever sent it may see it again in the answer.
#[derive(Default)]
struct Planted {
    what: Vec<(String, bool)>,
    /// Answers that showed what they should not.
    shown: Vec<String>,
    /// Challenges that were answered.
    answered: usize,
}

impl Planted {
    fn canary(&mut self, what: &str, may_come_back: bool) -> String {
        self.what.push((what.to_owned(), may_come_back));
        format!("CNRY{:05}{END}", self.what.len() - 1)
    }

    /// A canary in a field: the person who typed it sees it again, except where it is a secret.
    fn field(&mut self, route: &str, name: &str) -> String {
        self.canary(
            &format!("{route} {name}"),
            !matches!(name, "csrf" | "code" | "password" | "new_password" | "secret"),
        )
    }

    /// Looks at an answer to what was planted since `from`.
    fn look(&mut self, from: usize, path: &str, reply: Option<Reply>) -> Option<Reply> {
        let reply = reply?;
        for number in canaries_in(format!("{:?}{}", reply.headers, reply.body).as_bytes()) {
            let (what, may_come_back) = self.what.get(number).expect("it was planted").clone();
            if number < from || !may_come_back {
                self.shown.push(format!("the answer of {path} shows {what}"));
            }
        }
        assert_ne!(reply.status, 500, "{path}: {}", reply.body);
        Some(reply)
    }

    fn post(&mut self, from: usize, browser: &Browser<'_>, path: &str, fields: &[(&str, String)]) -> Reply {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = browser.post(path, &fields);
        self.look(from, path, Some(reply)).expect("an answer")
    }

    /// A form with a token that is right, as far as it has one, and canaries in its other secrets.
    fn rightly(&mut self, person: &Person<'_>, Form(route, text, secret): &Form) {
        let (path, from) = (person.path(route), self.what.len());
        let mut fields: Vec<(&str, String)> = text.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let after_token = secret.iter().filter(|name| !matches!(**name, "csrf" | "challenge" | "code"));
        fields.extend(after_token.map(|name| (*name, self.field(route, name))).collect::<Vec<_>>());
        fields.push(("csrf", person.csrf.clone()));
        let asked = self.post(from, &person.browser, &path, &fields);
        if secret.contains(&"code") && asked.body.contains("name=\"challenge\"") {
            // The challenge that was just asked, with a wrong code; then what a device would say.
            let challenge = hidden(&asked.body, "challenge").to_owned();
            self.answered += 1;
            for answer in [self.field(route, "code"), format!("{{\"id\":\"{}\"}}", self.field(route, "code"))] {
                let code = [("challenge", challenge.clone()), ("code", answer)];
                self.post(from, &person.browser, &path, &[fields.clone(), code.to_vec()].concat());
            }
        }
    }

    /// Each field in its turn with a canary that is refused: far too long, or with what no text may hold.
    fn refused(&mut self, person: &Person<'_>, Form(route, text, _): &Form) {
        for (broken, _) in *text {
            for tail in ["x".repeat(5000), "\u{0}".to_owned()] {
                let (path, from) = (person.path(route), self.what.len());
                let value = |name: &str, right: &str| if name == *broken { String::new() } else { right.to_owned() };
                let mut fields: Vec<_> = text.iter().map(|(name, right)| (*name, value(name, right))).collect();
                let canary = self.field(route, broken) + &tail;
                fields.iter_mut().filter(|(name, _)| name == broken).for_each(|(_, value)| value.clone_from(&canary));
                fields.push(("csrf", person.csrf.clone()));
                self.post(from, &person.browser, &path, &fields);
            }
        }
    }

    /// Canaries everywhere at once: in every field, in the path, in names, in the query, in the cookie, in headers, and in
    /// bodies that are no form.
    fn wrongly(&mut self, person: &Person<'_>, Form(route, text, secret): &Form) {
        let names: Vec<&str> = text.iter().map(|(name, _)| *name).chain(secret.iter().copied()).collect();
        let (path, from) = (person.path(route), self.what.len());
        let all: Vec<_> = names.iter().map(|name| (*name, self.field(route, name))).collect();
        if secret.contains(&"csrf") {
            self.post(from, &person.browser, &path, &all);
        }
        let mut lost = route.to_string();
        while let Some((before, after)) = lost.split_once('{') {
            let after = after.split_once('}').expect("its end").1;
            lost = format!("{before}{}{after}", self.canary(&format!("{route}: the path"), false));
        }
        let from = self.what.len();
        let text: Vec<_> =
            names.iter().map(|name| (*name, self.canary(&format!("{route} {name}, elsewhere"), false))).collect();
        if secret.contains(&"csrf") {
            self.post(from, &person.browser, &lost, &text);
        }
        let mut query = String::new();
        for (name, value) in &text {
            let _ = write!(query, "{name}={value}&");
        }
        let odd = |part: &mut Self| part.canary(&format!("{route}: no form"), false);
        let (name, raw, cookie, other) = (odd(self), odd(self), odd(self), odd(self));
        let post = |body: String, kind: &str| {
            let request = Request::new("POST", &path).header("Sec-Fetch-Site", "same-origin").body(&body);
            let request = request.header("Content-Type", kind).header("Referer", &format!("http://127.0.0.1/{other}"));
            request.header("Cookie", &format!("{}; other={cookie}; keymint_session={cookie}", person.browser.cookie))
        };
        let form = "application/x-www-form-urlencoded";
        let requests = [
            Request::new("GET", &format!("{path}?{query}")).header("Cookie", &person.browser.cookie),
            Request::new("PUT", &format!("{path}?{query}")).header("Cookie", &person.browser.cookie),
            post(format!("{name}={raw}&csrf={}&csrf={raw}", person.csrf), form),
            post(format!("csrf={raw}%zz&=&%00{name}"), form),
            post(raw.clone(), form),
            post(json!({ "password": raw, "code": name }).to_string(), "application/json"),
            post(raw.clone(), &format!("multipart/form-data; boundary={other}")),
            post(format!("--{other}\r\n{raw}: {name}\r\n\r\n{raw}"), &format!("multipart/form-data; boundary={other}")),
        ];
        for request in requests {
            let reply = keymint_testkit::http::raw(person.browser.dev.console, &request.bytes("127.0.0.1"));
            self.look(from, &path, reply);
        }
    }

    /// A picture that holds more than a picture.
    fn logo(&mut self, person: &Person<'_>) {
        let mut picture = std::io::Cursor::new(Vec::new());
        RgbaImage::new(8, 8).write_to(&mut picture, ImageFormat::Png).expect("a picture");
        for bytes in [picture.into_inner(), b"GIF89a".to_vec()] {
            let from = self.what.len();
            let (file, hidden) = (self.canary("the name of a file", false), self.canary("a file", false));
            let bytes = [bytes, hidden.into_bytes()].concat();
            let fields: Vec<_> = ADDRESS.iter().copied().chain([("csrf", person.csrf.as_str())]).collect();
            let path = person.path("/apps/{id}/settings");
            let body = multipart(&fields, Some((&format!("{file}.png"), &bytes)));
            let reply = send(&person.browser, &path, body);
            self.look(from, &path, Some(reply));
        }
    }
}

/// A code of eight digits that stands there as a number of its own.
fn holds_number(bytes: &[u8], digits: &str) -> bool {
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    memchr::memmem::find_iter(bytes, digits.as_bytes())
        .any(|at| !is_digit(at.checked_sub(1)) && !is_digit(Some(at + digits.len())))
}

#[test]
fn every_form_of_the_console_has_canaries() {
    let listed: BTreeSet<_> = FORMS.iter().map(|Form(route, ..)| (*route).to_owned()).collect();
    assert_eq!(listed.len(), FORMS.len());
    assert_eq!(unsafe_routes(), listed);
}

#[test]
fn what_is_typed_at_the_console_and_nobody_may_keep_is_found_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dev = Dev::start_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), &[("KEYMINT_LOG", "trace")]);
    let mut planted = Planted::default();
    let mut needles = vec![PASSWORD.to_owned()];
    let mut numbers = Vec::new();
    needles.extend(used_rightly(&dev, &mut numbers));
    // Whoever has proved who they are comes to what is behind the question; who has not, answers it, five times at most
    // for each challenge and nine times in an hour.
    let mut open = Person::new(&dev, "open");
    let secret = open.secrets.last().expect("one").clone();
    let csrf = open.csrf.clone();
    assert_eq!(proved(&mut open.browser, &secret, "/security/prove", &[("csrf", &csrf)]).status, 303);
    planted.logo(&open);
    for (number, forms) in FORMS.chunks(5).enumerate() {
        let name = format!("asked{number}");
        let asked = Person::new(&dev, &name);
        numbers.extend(code_to(&dev, &format!("{name}@canary.example"), 8));
        for form in forms {
            planted.rightly(&asked, form);
            planted.wrongly(&asked, form);
        }
        needles.extend(asked.secrets.iter().cloned().chain([asked.csrf.clone(), asked.browser.cookie.clone()]));
    }
    for form in FORMS {
        planted.refused(&open, form);
    }
    needles.extend(open.secrets.iter().cloned().chain([open.csrf.clone(), open.browser.cookie.clone()]));
    // What letters say, which is shown on the Outbox page alone.
    needles.extend(["is the code that confirms this address", "is your Keymint code"].map(str::to_owned));
    for (address, path) in [(dev.internal, "/metrics"), (dev.console, "/openapi.json"), (dev.console, "/docs")] {
        planted.look(usize::MAX, path, Some(Request::new("GET", path).send(address)));
    }
    let audit = dev.api("GET", &format!("/apps/{}/requests?limit=100", open.app), &Value::Null);
    planted.look(usize::MAX, "the request log", Some(audit));
    dev.kill();
    let output = dev.output();
    assert!(output.contains("TRACE") || output.contains("DEBUG"), "the log is verbose");
    assert!(planted.answered > 15, "{} challenges", planted.answered);
    assert!(planted.what.len() > 700, "{} canaries", planted.what.len());
    assert_eq!(planted.shown, Vec::<String>::new());
    let needles: Vec<&str> = needles.iter().map(|needle| needle.split_once('=').map_or(&**needle, |it| it.1)).collect();
    for (path, bytes) in contents(folder.path()) {
        let name = path.display();
        let found: Vec<_> = canaries_in(&bytes).into_iter().map(|number| &planted.what[number].0).collect();
        assert!(found.is_empty(), "{name}: {found:?}");
        for needle in &needles {
            assert!(memchr::memmem::find(&bytes, needle.as_bytes()).is_none(), "{name}: {needle}");
        }
        for number in &numbers {
            assert!(!holds_number(&bytes, number), "{name}: the code {number}");
        }
    }
}

/// A whole way with secrets that are right: none of them is kept either.
fn used_rightly(dev: &Dev, numbers: &mut Vec<String>) -> Vec<String> {
    let email = "right@canary.example";
    let mut browser = signed_up(dev, email);
    numbers.extend(code_to(dev, email, 8));
    let csrf = browser.csrf();
    let (second, third) = ("violin thirteen gravel moss", "anchor pepper saddle quartz");
    let form = [("csrf", csrf.as_str()), ("password", PASSWORD), ("new_password", second)];
    assert_eq!(browser.post("/security/password", &form).status, 303);
    let asked = browser.post("/security/mail-codes", &[("csrf", &csrf), ("password", second)]);
    let (challenge, code) = (hidden(&asked.body, "challenge"), code_to(dev, email, 6).expect("a code"));
    let on =
        browser.post("/security/mail-codes/confirm", &[("csrf", &csrf), ("challenge", challenge), ("code", &code)]);
    assert_eq!(on.status, 303);
    let asked = browser.post("/forgot", &[("email", email)]);
    let (challenge, code) = (hidden(&asked.body, "challenge"), code_to(dev, email, 8).expect("a code"));
    let form = [("challenge", challenge), ("email", email), ("code", code.as_str()), ("password", third)];
    assert_eq!(browser.post("/forgot/confirm", &form).status, 303);
    let mut found = vec![second.to_owned(), third.to_owned(), csrf, browser.cookie.clone()];
    let step = browser.post("/sign-in", &[("email", email), ("password", third)]);
    let (challenge, six) = (hidden(&step.body, "challenge"), code_to(dev, email, 6).expect("a code"));
    let done = browser.post("/sign-in/second", &[("challenge", challenge), ("code", &six)]);
    assert_eq!(done.status, 303);
    keep_cookie(&mut browser, &done);
    numbers.push(code);
    found.extend([browser.cookie.clone(), browser.csrf()]);
    found
}
