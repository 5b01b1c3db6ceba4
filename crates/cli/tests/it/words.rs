//! The console in another language: a translation in which every message of English stands between ⟦ and ⟧ shows what on a
//! page comes from elsewhere, and translations that are wrong are refused at the start.

use std::process::Command;

use fluent_syntax::ast::{Entry, PatternElement};
use keymint_testkit::receiver::Answer;
use keymint_testkit::{Dev, Key, Receiver, Request};

use crate::console::{Browser, app_of, cell};
use crate::people::{PASSWORD, hidden, merchant_of, proved, signed_up, with_authenticator};

const BINARY: &str = env!("CARGO_BIN_EXE_keymint");
const ENGLISH: &str = include_str!("../../../app/words/en.ftl");
const ROUTES: &str = include_str!("../../../web/src/pages/mod.rs");

/// English, each message marked; but for the language, which has to be one.
fn marked() -> String {
    let mut resource = fluent_syntax::parser::parse(ENGLISH).expect("it is Fluent");
    for entry in &mut resource.body {
        let Entry::Message(message) = entry else { continue };
        let Some(pattern) = message.value.as_mut().filter(|_| message.id.name != "language") else { continue };
        pattern.elements.insert(0, PatternElement::TextElement { value: "⟦" });
        pattern.elements.push(PatternElement::TextElement { value: "⟧" });
    }
    fluent_syntax::serializer::serialize(&resource)
}

/// A Keymint in these words.
fn dev_in(words: &str) -> (Dev, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("words.ftl");
    std::fs::write(&file, words).expect("it is written");
    let dev = Dev::start_in(BINARY, folder.path(), &[("KEYMINT_WORDS", &file.display().to_string())]);
    (dev, folder)
}

/// What a page says outside of the marks: between tags, and in the attributes that are read.
fn unmarked(page: &str) -> Vec<String> {
    let mut said = Vec::new();
    let (mut depth, mut rest, mut skipped) = (0, page, "");
    while !rest.is_empty() {
        let text = rest.split('<').next().unwrap_or_default();
        if skipped.is_empty() {
            said.extend(outside(text, &mut depth));
        }
        rest = &rest[text.len()..];
        let tag = rest.split('>').next().unwrap_or_default();
        rest = rest.get(tag.len() + 1..).unwrap_or_default();
        let name = tag.trim_start_matches('<').split([' ', '>']).next().unwrap_or_default();
        if skipped.is_empty() && ["code", "kbd", "pre", "script", "style"].contains(&name) {
            skipped = name;
        } else if name.strip_prefix('/') == Some(skipped) {
            skipped = "";
        }
        for attribute in ["alt", "aria-label", "data-label", "placeholder", "title"] {
            if let Some((_, value)) = tag.split_once(&format!(" {attribute}=\"")) {
                said.extend(outside(value.split('"').next().unwrap_or_default(), &mut 0));
            }
        }
    }
    said
}

/// The parts of a text that are outside of the marks and have letters.
fn outside(text: &str, depth: &mut usize) -> Vec<String> {
    let mut rest = String::new();
    for next in text.chars() {
        match next {
            '⟦' => *depth += 1,
            '⟧' => *depth -= 1,
            next if *depth == 0 => rest.push(next),
            _ => {}
        }
        // What stands before and behind a message are two parts.
        if *depth > 0 && !rest.ends_with('·') {
            rest.push('·');
        }
    }
    let parts = rest.split('·').map(|part| part.trim_matches([' ', '\n', '/', ',', '.', ':']).to_owned());
    parts.filter(|part| part.chars().any(char::is_alphabetic)).collect()
}

/// Whether a part is no language: a name, an id, a moment, a measure, or something of the wire.
fn is_data(part: &str) -> bool {
    const NAMES: [&str; 30] = [
        "Keymint",
        "CSV",
        "JSON",
        "https://shop.example",
        "curl",
        "Node.js",
        "PHP",
        "Python",
        "Go",
        "Dart",
        "Java",
        "Ruby",
        "Rust",
        "Razorpay",
        "KwikPaisa",
        "KS Pay",
        "KPay",
        "web shop",
        "Ann Example",
        "Ann Shop",
        "Demo Merchant",
        "12 MG Road",
        "IN",
        "INR",
        "order",
        "created",
        "basic",
        "POST /v1/orders",
        "system",
        "soon",
    ];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@:+".contains(&byte);
    // `app.made`, `owner@demo.example`, `2026-11-21T15:28:54.000Z`, `app_…`: one word with a dot, a number or a line in it.
    let is_id =
        part.bytes().all(plain) && part.contains(['.', '_', '@', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let is_measure = part.split_once(' ').is_some_and(|(number, unit)| {
        number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && ["µs", "ms", "s"].contains(&unit)
    });
    NAMES.contains(&part) || is_id || is_measure || part.starts_with("Demo ") || is_vendors_item(part)
}

/// Whether it is an item of the vendor's checklist, which stands in the dialect in the vendor's words, as event names do.
fn is_vendors_item(part: &str) -> bool {
    let lists = keymint_testkit::signing::dialect("razorpay").go_live;
    lists.is_some_and(|lists| lists.items.iter().any(|item| *item.title == *part))
}

/// Looks at a page, and remembers where it has been.
struct Reader {
    seen: Vec<String>,
    wrong: Vec<String>,
}

impl Reader {
    fn read(&mut self, path: &str, page: &str) {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        self.seen.push(path.to_owned());
        let wrong = unmarked(page).into_iter().filter(|part| !is_data(part));
        self.wrong.extend(wrong.map(|part| format!("{path}: {part}")));
    }

    fn get(&mut self, browser: &Browser<'_>, path: &str, status: u16) -> String {
        let reply = browser.get(path);
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        self.read(path, &reply.body);
        reply.body
    }

    fn post(&mut self, browser: &Browser<'_>, path: &str, fields: &[(&str, &str)], status: u16) -> String {
        let reply = browser.post(path, fields);
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        self.read(path, &reply.body);
        reply.body
    }
}

/// The paths under which the console answers a GET, as its list of routes has them.
fn routes() -> Vec<&'static str> {
    let lines = ROUTES.lines().map(str::trim).filter(|line| line.starts_with(".route(\"") && line.contains(", get("));
    let paths = lines.filter_map(|line| line.split('"').nth(1));
    // A way somewhere else, and what is no page.
    paths
        .filter(|path| {
            !["/", "/apps/{id}/logo"].contains(path) && !path.ends_with("/export") && !path.starts_with("/assets")
        })
        .collect()
}

fn is_at(route: &str, path: &str) -> bool {
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    loop {
        match (route.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted.starts_with('{') || wanted == found => {}
            _ => return false,
        }
    }
}

fn call(dev: &Dev, key: &Key) -> u16 {
    let request = Request::new("POST", "/razorpay/v1/orders").header("Authorization", &key.basic());
    request.body(r#"{"amount":50000,"currency":"INR"}"#).send(dev.gateway).status
}

/// Pages that nobody has to sign in for.
fn read_outside(dev: &Dev, reader: &mut Reader) {
    let nobody = Browser::new(dev);
    for path in ["/sign-in", "/sign-in?done=reset", "/sign-up", "/sign-up?invited=1", "/forgot"] {
        reader.get(&nobody, path, 200);
    }
    reader.post(&nobody, "/sign-in", &[("email", "a@b.example"), ("password", "wrong")], 422);
    reader.post(&nobody, "/sign-up", &[("name", "Ann Example"), ("business", "Ann Shop"), ("country", "Z")], 422);
    let asked = reader.post(&nobody, "/forgot", &[("email", "a@b.example")], 200);
    let form = [("challenge", hidden(&asked, "challenge")), ("email", "a@b.example"), ("password", "short")];
    reader.post(&nobody, "/forgot/confirm", &form, 422);
}

/// The pages of an application: with keys, requests and a transaction, and of one that has nothing.
fn read_app(dev: &Dev, owner: &Browser<'_>, reader: &mut Reader) {
    let (app_id, csrf) = (app_of(dev, "razorpay"), owner.csrf());
    let app = format!("/apps/{app_id}");
    for place in ["", "/keys", "/keys?mode=live", "/logs", "/transactions", "/start", "/start/arrival", "/settings"] {
        reader.get(owner, &format!("{app}{place}"), 200);
    }
    let form = [("csrf", &*csrf), ("once", "a"), ("mode", "test"), ("name", "web shop")];
    let shown = reader.post(owner, &format!("{app}/keys"), &form, 201);
    let key_id = cell(&shown, "key-id").to_owned();
    let key = Key { key_id, secret: cell(&shown, "secret").to_owned(), app_id };
    let wrong = Key { secret: "B".repeat(24), ..key.clone() };
    reader.get(owner, &format!("{app}/start"), 200);
    assert_eq!(call(dev, &wrong), 401);
    reader.get(owner, &format!("{app}/start"), 200);
    assert_eq!(call(dev, &key), 200);
    let form = [("csrf", &*csrf), ("once", "b"), ("grace_seconds", "86400")];
    reader.post(owner, &format!("/keys/{}/roll", key.key_id), &form, 201);
    for place in [
        "",
        "?range=7d",
        "?mode=live",
        "/keys?mode=test&done=moved",
        "/logs",
        "/logs?status=4xx",
        "/logs?mode=live",
        "/logs/newer?after=0",
        "/transactions",
        "/transactions?mode=live",
        "/start",
        "/start/arrival",
        "/settings?done=disabled",
    ] {
        reader.get(owner, &format!("{app}{place}"), 200);
    }
    reader.get(owner, &format!("{app}/transactions?from=2027-01-01&to=2027-12-31"), 422);
    reader.get(owner, &format!("{app}/logs?from=soon"), 422);
    for list in ["logs", "transactions"] {
        let page = owner.get(&format!("{app}/{list}")).body;
        let begin = format!("href=\"{app}/{list}/");
        let links = page.split(&begin).skip(1);
        let links = links.filter_map(|link| link.split('"').next()).filter(|link| !link.starts_with("export"));
        let links: Vec<_> = links.map(str::to_owned).collect();
        assert!(!links.is_empty(), "{list}");
        links.iter().for_each(|link| drop(reader.get(owner, &format!("{app}/{list}/{link}"), 200)));
    }
    let restrictions = format!("/keys/{}", key.key_id);
    reader.get(owner, &restrictions, 200);
    reader.post(owner, &restrictions, &[("csrf", &csrf), ("allowed_ips", "soon")], 422);
    reader.post(owner, &format!("{app}/domains"), &[("csrf", &csrf), ("domain", "soon")], 422);
    reader.post(owner, &format!("{app}/domains"), &[("csrf", "old"), ("domain", "soon")], 403);
    reader.get(owner, &format!("{app}/go-live"), 200);
    let form = [("csrf", &*csrf), ("item", "webhook-signature"), ("state", "done")];
    assert_eq!(owner.post(&format!("{app}/go-live"), &form).status, 303);
    reader.get(owner, &format!("{app}/go-live?done=ticked"), 200);
    reader.post(owner, &format!("{app}/go-live"), &[form[0], ("item", "test-key"), form[2]], 422);
    let gateways = format!("/apps/{}/gateways", app_of(dev, "kspay"));
    reader.get(owner, &gateways, 200);
    reader.post(owner, &format!("{gateways}/secret"), &[form[0], ("gateway", "razorpay")], 201);
    assert_eq!(owner.post(&gateways, &[form[0], ("gateway", "razorpay"), form[2]]).status, 303);
    reader.get(owner, &format!("{gateways}?done=marked"), 200);
    let kpay = format!("/apps/{}", app_of(dev, "kpay"));
    reader.get(owner, &format!("{kpay}/settings"), 200);
    reader.post(owner, &format!("{kpay}/providers"), &[("csrf", &csrf), ("provider", "soon")], 422);
    reader.get(owner, &format!("{kpay}/settings?done=providers"), 200);
    reader.get(owner, "/apps/app_00000000000000000000000000", 404);
}

/// The pages of webhooks: without any, with one that was called and one that signs with a secret of its own, and of a product
/// that sends none.
fn read_webhooks(dev: &Dev, owner: &Browser<'_>, reader: &mut Reader) {
    let (csrf, receiver) = (owner.csrf(), Receiver::start());
    reader.get(owner, &format!("/apps/{}/webhooks", app_of(dev, "kspay")), 200);
    let list = format!("/apps/{}/webhooks", app_of(dev, "kpay"));
    reader.get(owner, &list, 200);
    reader.get(owner, &format!("{list}?mode=live"), 200);
    let (form, url) = ([("csrf", &*csrf), ("once", "w"), ("mode", "test")], receiver.url());
    for wrong in [("url", "https://10.0.0.1/"), ("secret", "short"), ("alert_email", "soon"), ("events", "soon")] {
        let url = (wrong.0 != "url").then_some(("url", &*url));
        reader.post(owner, &list, &form.into_iter().chain(url).chain([wrong]).collect::<Vec<_>>(), 422);
    }
    let fields = [form[0], form[1], form[2], ("url", &*url)];
    let shown = reader.post(owner, &list, &fields, 201);
    let (_, id) = shown.split_once("href=\"/webhooks/").expect("a link");
    let here = format!("/webhooks/{}", id.split('"').next().expect("an id"));
    reader.get(owner, &here, 200);
    reader.get(owner, &list, 200);
    reader.post(owner, &format!("{here}/secret"), &[form[0], ("secret", "short")], 422);
    reader.post(owner, &here, &[form[0], ("url", "soon")], 422);
    receiver.answers([Answer::Status(500)], Answer::Status(200));
    assert_eq!(owner.post(&format!("{here}/test"), &[form[0], ("event", "payment.completed")]).status, 303);
    receiver.wait_for(1);
    let page = reader.get(owner, &format!("{here}?done=tested"), 200);
    let (_, id) = page.split_once("href=\"/deliveries/").expect("a link");
    let delivery = format!("/deliveries/{}", id.split('"').next().expect("an id"));
    receiver.wait_for(2);
    reader.get(owner, &format!("{delivery}?done=resent"), 200);
    assert_eq!(owner.post(&format!("{here}/state"), &[form[0], ("state", "disabled")]).status, 303);
    reader.get(owner, &format!("{here}?done=disabled"), 200);
    reader.post(owner, &format!("{delivery}/resend"), &[form[0]], 422);
}

/// The pages of a merchant and its people, for somebody with a second factor.
fn read_merchant(dev: &Dev, reader: &mut Reader) {
    let mut owner = signed_up(dev, "ann@words.example");
    for path in ["/security", "/security?needed=1"] {
        reader.get(&owner, path, 200);
    }
    let csrf = owner.csrf();
    reader.post(&owner, "/security/authenticator", &[("csrf", &csrf), ("password", "wrong")], 422);
    reader.post(&owner, "/security/authenticator", &[("csrf", &csrf), ("password", PASSWORD)], 200);
    reader.post(&owner, "/security/mail-codes", &[("csrf", &csrf), ("password", PASSWORD)], 200);
    let phone = [("csrf", &*csrf), ("phone", "+91 98765 43210"), ("password", PASSWORD)];
    reader.post(&owner, "/security/phone", &phone, 200);
    let (secret, _) = with_authenticator(&mut owner);
    let csrf = owner.csrf();
    let merchant = format!("/merchants/{}", merchant_of(&owner));
    for place in ["/apps", "/apps/new", "/profile", "/profile?next=app", "/activation", "/audit", "/team", "/roles"] {
        reader.get(&owner, &format!("{merchant}{place}"), 200);
    }
    let fields = [("csrf", &*csrf), ("name", "ab"), ("product", "keymint")];
    reader.post(&owner, &format!("{merchant}/apps/new"), &fields, 422);
    reader.post(&owner, &format!("{merchant}/profile"), &fields, 422);
    let member = [("csrf", &*csrf), ("email", "bob@words.example"), ("role", "developer")];
    let asked = owner.post(&format!("{merchant}/team"), &member);
    reader.read("/proof", &asked.body);
    assert_eq!(proved(&mut owner, &secret, &format!("{merchant}/team"), &member).status, 303);
    let roles = format!("{merchant}/roles");
    let form = [("csrf", &*csrf), ("name", "on_call"), ("act", "see_requests")];
    assert_eq!(owner.post(&roles, &form).status, 303);
    let page = reader.get(&owner, &roles, 200);
    let (_, role) = page.split_once(&format!("href=\"{roles}/")).expect("a link");
    reader.get(&owner, &format!("{roles}/{}", role.split('"').next().expect("an id")), 200);
    reader.get(&owner, &format!("{merchant}/team?done=invited"), 200);
    for path in ["/security", "/invitations", "/jump", "/jump?q=app", "/jump?q=zzz"] {
        reader.get(&owner, path, 200);
    }
}

#[test]
fn every_page_says_what_the_translation_says_and_nothing_else() {
    let (dev, _folder) = dev_in(&marked());
    let mut reader = Reader { seen: Vec::new(), wrong: Vec::new() };
    read_outside(&dev, &mut reader);
    let owner = Browser::signed_in(&dev, "owner");
    read_app(&dev, &owner, &mut reader);
    read_webhooks(&dev, &owner, &mut reader);
    read_merchant(&dev, &mut reader);
    let viewer = Browser::signed_in(&dev, "viewer");
    let merchant = format!("/merchants/{}", merchant_of(&owner));
    for place in ["/apps", "/profile", "/team", "/roles", "/activation"] {
        reader.get(&viewer, &format!("{merchant}{place}"), 200);
        reader.get(&owner, &format!("{merchant}{place}"), 200);
    }
    reader.get(&owner, &format!("{merchant}/audit"), 200);
    reader.get(&viewer, &format!("{merchant}/apps/new"), 403);
    reader.get(&Browser::new(&dev), "/outbox", 200);
    assert!(reader.wrong.is_empty(), "words from elsewhere:\n{}", reader.wrong.join("\n"));
    let script = Browser::new(&dev).get("/assets/console.js").body;
    assert!(script.contains(r#""copied":"⟦Copied⟧""#) && script.contains(r##""liveNew":"⟦# new⟧""##), "{script}");
    let missed = routes().into_iter().filter(|route| !reader.seen.iter().any(|path| is_at(route, path)));
    assert_eq!(missed.collect::<Vec<_>>(), [""; 0], "a page that nobody looked at");
}

#[test]
fn words_from_elsewhere_are_seen() {
    let page = "<p title=\"⟦A⟧ B\">⟦C <a href=\"/D\">E</a>⟧ F <code>G</code></p><p>2 ms · ⟦{H ⟦I⟧}⟧</p>";
    assert_eq!(unmarked(page), ["B", "F", "2 ms"]);
    assert!(is_data("2 ms") && is_data("app.made") && !is_data("Applications") && !is_data("2 hours ago"));
    assert!(
        routes().len() > 25 && is_at("/apps/{id}/keys", "/apps/app_1/keys") && !is_at("/apps/{id}", "/apps/a/keys")
    );
}

#[test]
fn what_a_translation_does_not_say_is_said_in_english() {
    let (dev, _folder) = dev_in("language = de\ncommon-sign-in = Anmelden & \"los\"\n");
    let page = Browser::new(&dev).get("/sign-in").body;
    assert!(page.contains("<html lang=\"de\">") && page.contains("<h1>Anmelden &#38; &#34;los&#34;</h1>"), "{page}");
    assert!(page.contains("Email<input"), "{page}");
    let said = dev.output();
    assert!(said.contains("without a translation") && said.contains("activation-"), "{said}");
}

#[test]
fn a_translation_that_is_wrong_refuses_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |words: Option<&str>| {
        let file = folder.path().join("words.ftl");
        match words {
            Some(words) => std::fs::write(&file, words).expect("it is written"),
            None => drop(std::fs::remove_file(&file)),
        }
        let data = folder.path().join("data");
        let ready = folder.path().join("ready.json");
        let arguments = ["dev", "--port-base", "1", "--data"];
        let mut command = Command::new(BINARY);
        command.args(arguments).arg(data).arg("--ready-file").arg(ready).arg("--words").arg(&file);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (words, said) in [
        ("language = de\ncommon-sign-in = { $\n", "line 2"),
        ("language = de\nno-such-message = A\n", "`no-such-message` is no message"),
        ("language = de\ncommon-sign-in = { $who }\n", "`common-sign-in` has no argument `$who`"),
        ("language = de\ncommon-sign-in = <script>A</script>\n", "`common-sign-in` must have the tags"),
        ("common-sign-in = A\n", "`language` must be there"),
    ] {
        let stderr = start(Some(words));
        assert!(stderr.contains(said) && stderr.contains("words.ftl"), "{said}: {stderr}");
    }
    let stderr = start(None);
    assert!(stderr.contains("words.ftl"), "{stderr}");
    // The same through the configuration of `serve`.
    let config = folder.path().join("keymint.toml");
    let text = "data = \"d\"\nwords = \"/nowhere/de.ftl\"\n[listen]\nconsole = \"127.0.0.1:0\"\ngateway = \"127.0.0.1:0\"\n\
                internal = \"127.0.0.1:0\"\n[database]\nsqlite = \"k.db\"\n[master_key]\nfile = \"m\"\n\
                [[product]]\nname = \"razorpay\"\ndialect = \"razorpay\"\n";
    std::fs::write(&config, text).expect("it is written");
    let output = Command::new(BINARY).current_dir(folder.path()).args(["serve", "--config"]).arg(&config).output();
    let stderr = String::from_utf8_lossy(&output.expect("it runs").stderr).into_owned();
    assert!(stderr.contains("/nowhere/de.ftl"), "{stderr}");
}
