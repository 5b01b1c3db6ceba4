//! People at the console: signing up, forgotten passwords, second factors, sign-ins, teams. Codes come out of the Outbox,
//! those of the authenticator app from an implementation of RFC 6238 of its own.

use aws_lc_rs::hmac;
use keymint_testkit::serve::Database;
use keymint_testkit::{Dev, Reply};
use serde_json::json;

use crate::console::{Browser, app_of, cell, password};
use crate::dev;

pub const PASSWORD: &str = "otter battery lamp canyon";
const OTHER_PASSWORD: &str = "violin thirteen gravel moss";

/// The newest code of so many digits in a letter to an address. Letters of one moment have no order, and notices no code.
pub fn code_to(dev: &Dev, to: &str, digits: usize) -> Option<String> {
    let page = Browser::new(dev).get("/outbox").body;
    let own = format!("<strong>{to}</strong>");
    page.split("<article").skip(1).filter(|letter| letter.contains(&own)).find_map(|letter| {
        let (_, said) = letter.split_once("class=\"said\">")?;
        let said = said.split('<').next()?;
        let mut words = said.split(|character: char| !character.is_ascii_digit());
        words.find(|word| word.len() == digits).map(str::to_owned)
    })
}

/// Letters to an address, by what they are about.
pub fn letters(dev: &Dev, to: &str) -> Vec<String> {
    let page = Browser::new(dev).get("/outbox").body;
    let subject =
        |letter: &str| letter.split_once("<h2>").map(|(_, rest)| rest.split('<').next().unwrap_or("").to_owned());
    let own = format!("<strong>{to}</strong>");
    page.split("<article").skip(1).filter(|letter| letter.contains(&own)).filter_map(subject).collect()
}

pub fn hidden<'p>(page: &'p str, name: &str) -> &'p str {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().expect("a value")
}

/// TOTP (RFC 6238) of a secret in base 32, `steps` of 30 seconds from now.
pub fn totp(secret: &str, steps: i64) -> String {
    let key = data_encoding::BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).expect("base 32");
    let step = keymint_testkit::signing::now().seconds() / 30 + steps;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes[19] & 15);
    let number = u32::from_be_bytes(bytes[offset..offset + 4].try_into().expect("four")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

pub fn keep_cookie(browser: &mut Browser<'_>, reply: &Reply) {
    let set = reply.header("set-cookie").unwrap_or_else(|| panic!("a cookie: {} {}", reply.status, reply.body));
    set.split(';').next().expect("a pair").clone_into(&mut browser.cookie);
}

fn sign_up_form<'f>(email: &'f str, business: &'f str) -> [(&'f str, &'f str); 6] {
    [
        ("name", "Ann Example"),
        ("business", business),
        ("country", "IN"),
        ("email", email),
        ("phone", "+91 98765 43210"),
        ("password", PASSWORD),
    ]
}

/// Someone who has just signed up with a business of their own.
pub fn signed_up<'d>(dev: &'d Dev, email: &str) -> Browser<'d> {
    let mut browser = Browser::new(dev);
    let asked = browser.post("/sign-up", &sign_up_form(email, "Ann Shop"));
    assert_eq!(asked.status, 200, "{}", asked.body);
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(dev, email, 8).expect("a code");
    let done = browser.post("/sign-up/confirm", &[("challenge", &challenge), ("email", email), ("code", &code)]);
    assert_eq!(done.status, 303, "{}", done.body);
    keep_cookie(&mut browser, &done);
    browser
}

/// Sets an authenticator app up; its secret and the recovery codes. What proves it is the code of now, so the next one to
/// give is `totp(secret, 1)`: both are good for more than half a minute, wherever in its step a slow machine gives them.
pub fn with_authenticator(browser: &mut Browser<'_>) -> (String, Vec<String>) {
    let csrf = browser.csrf();
    let begun = browser.post("/security/authenticator", &[("csrf", &csrf), ("password", PASSWORD)]);
    assert_eq!(begun.status, 200, "{}", begun.body);
    let secret = cell(&begun.body, "totp-secret").to_owned();
    let confirm = |code: &str| browser.post("/security/authenticator/confirm", &[("csrf", &csrf), ("code", code)]);
    assert_eq!(confirm(&totp(&secret, -5)).status, 422, "a code of long ago");
    let confirmed = confirm(&totp(&secret, 0));
    assert_eq!(confirmed.status, 201, "{}", confirmed.body);
    let (_, list) = confirmed.body.split_once("id=\"recovery\">").expect("the codes");
    let codes = list.split("<code>").skip(1).map(|part| part.split('<').next().expect("a code").to_owned());
    (secret, codes.collect())
}

pub fn merchant_of(browser: &Browser<'_>) -> String {
    let home = browser.get("/").header("location").expect("where").to_owned();
    home.split('/').nth(2).expect("an id").to_owned()
}

/// An app of this person's merchant, which is approved.
pub fn live_app(dev: &Dev, browser: &Browser<'_>) -> String {
    let merchant = merchant_of(browser);
    let approved = json!({ "state": "approved", "reason": "checked" });
    assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &approved).status, 200);
    dev.app(&merchant, "razorpay", "live")
}

#[test]
fn a_person_signs_up_with_a_code_and_makes_a_test_key_at_once() {
    let dev = dev();
    let email = "ann@sign-up.example";
    let browser = Browser::new(&dev);
    for (field, value) in [
        ("name", ""),
        ("business", " "),
        ("country", "XX"),
        ("email", "ann"),
        ("phone", "98765"),
        ("phone", "+0123456789"),
        ("password", "fourteen chars"),
        ("password", "passwordpassword"),
    ] {
        let form = sign_up_form(email, "Ann Shop").map(|(name, old)| (name, if name == field { value } else { old }));
        let reply = browser.post("/sign-up", &form);
        assert_eq!(reply.status, 422, "{field}");
        assert!(reply.body.contains(&format!("id=\"{field}-error\"")), "{field}: beside it");
        assert!(field == "name" || reply.body.contains("value=\"Ann Example\""), "nothing typed is lost");
        assert!(!reply.body.contains(PASSWORD), "but the password");
    }
    let asked = browser.post("/sign-up", &sign_up_form(email, "Ann Shop"));
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(&dev, email, 8).expect("a code");
    let confirm = |challenge: &str, code: &str| {
        browser.post("/sign-up/confirm", &[("challenge", challenge), ("email", email), ("code", code)])
    };
    let off: String = code.bytes().map(|digit| char::from(b'0' + (digit - b'0' + 1) % 10)).collect();
    for wrong in [off.as_str(), &code[..7], "", &format!("{code}0")] {
        assert_eq!(confirm(&challenge, wrong).status, 422, "{wrong}");
    }
    assert_eq!(confirm("chl_00000000000000000000000000", &code).status, 422, "another challenge");
    let spaced = format!(" {} {}", &code[..4], &code[4..]);
    let done = confirm(&challenge, &spaced);
    assert_eq!(done.status, 303, "the fifth try, typed with spaces");
    assert_eq!(confirm(&challenge, &code).status, 422, "a code is good once");
    let mut browser = Browser::new(&dev);
    keep_cookie(&mut browser, &done);
    let app = dev.app(&merchant_of(&browser), "razorpay", "first");
    let csrf = browser.csrf();
    let made = browser.post(&format!("/apps/{app}/keys"), &[("csrf", &csrf), ("once", "1"), ("mode", "test")]);
    assert_eq!(made.status, 201);
    let live = browser.post(&format!("/apps/{app}/keys"), &[("csrf", &csrf), ("once", "2"), ("mode", "live")]);
    assert_eq!((live.status, live.header("location")), (303, Some("/security?needed=1")));
}

#[test]
fn five_wrong_codes_use_a_challenge_up() {
    let dev = dev();
    let email = "five@sign-up.example";
    let browser = Browser::new(&dev);
    let asked = browser.post("/sign-up", &sign_up_form(email, "Five"));
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(&dev, email, 8).expect("a code");
    let confirm = |code: &str| browser.post("/sign-up/confirm", &[("challenge", &challenge), ("code", code)]).status;
    for _ in 0..5 {
        assert_eq!(confirm("00000000"), 422);
    }
    assert_eq!(confirm(&code), 422, "the right one comes too late");
}

#[test]
fn whether_an_address_has_an_account_shows_nowhere_but_in_its_mail() {
    let dev = dev();
    let known = "known@same.example";
    signed_up(&dev, known);
    let browser = Browser::new(&dev);
    let plain = |reply: &Reply, email: &str| {
        let challenge = hidden(&reply.body, "challenge").to_owned();
        (reply.status, reply.body.replace(email, "").replace(&challenge, ""))
    };
    let unknown = "nobody@same.example";
    for path in ["/sign-up", "/forgot"] {
        let send = |email: &str| match path {
            "/forgot" => browser.post(path, &[("email", email)]),
            _ => browser.post(path, &sign_up_form(email, "Shop")),
        };
        assert_eq!(plain(&send(known), known), plain(&send(unknown), unknown), "{path}");
    }
    let subjects = letters(&dev, known);
    assert_eq!(subjects, ["A new password", "You have a Keymint account already", "Confirm your address"]);
    assert_eq!(letters(&dev, unknown), ["Confirm your address"], "no mail about a password");
}

#[test]
fn a_forgotten_password_is_set_anew_and_ends_every_sign_in() {
    let dev = dev();
    let email = "forgot@reset.example";
    let before = signed_up(&dev, email);
    let browser = Browser::new(&dev);
    let asked = browser.post("/forgot", &[("email", " Forgot@Reset.example ")]);
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(&dev, email, 8).expect("a code");
    let set = |code: &str, password: &str| {
        browser.post(
            "/forgot/confirm",
            &[("challenge", &challenge), ("email", email), ("code", code), ("password", password)],
        )
    };
    assert_eq!(set("00000000", OTHER_PASSWORD).status, 422);
    assert!(set(&code, "too short").body.contains("password-error"), "a refused password uses no code up");
    assert_eq!(before.get("/security").status, 200);
    assert_eq!(set(&code, OTHER_PASSWORD).status, 303);
    assert_eq!(set(&code, PASSWORD).status, 422, "once");
    assert_eq!(before.get("/security").header("location"), Some("/sign-in"));
    let enter = |password: &str| browser.post("/sign-in", &[("email", email), ("password", password)]).status;
    assert_eq!((enter(PASSWORD), enter(OTHER_PASSWORD)), (422, 303));
    assert_eq!(letters(&dev, email)[0], "Your password was changed");
}

#[test]
fn a_live_key_needs_a_proof_for_this_act_in_this_session_once() {
    let dev = dev();
    let email = "live@proof.example";
    let mut owner = signed_up(&dev, email);
    let app = live_app(&dev, &owner);
    let (secret, recovery) = with_authenticator(&mut owner);
    let csrf = owner.csrf();
    let keys = format!("/apps/{app}/keys");
    let form = [("csrf", csrf.as_str()), ("once", "1"), ("mode", "live"), ("name", "till <1>")];
    let asked = owner.post(&keys, &form);
    assert_eq!(asked.status, 200);
    assert!(asked.body.contains("value=\"till &#60;1&#62;\""), "the form is carried along");
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let send = |browser: &Browser<'_>, path: &str, csrf: &str, challenge: &str, code: &str| {
        let form = [
            ("csrf", csrf),
            ("once", "1"),
            ("mode", "live"),
            ("name", "till"),
            ("challenge", challenge),
            ("code", code),
        ];
        browser.post(path, &form)
    };
    assert_eq!(send(&owner, &keys, &csrf, &challenge, &totp(&secret, -1)).status, 422, "older than what set it up");
    let right = totp(&secret, 1);
    assert_eq!(send(&owner, &keys, &csrf, &challenge, &totp(&secret, 4)).status, 422, "of two minutes from now");
    let elsewhere = dev.app(&merchant_of(&owner), "razorpay", "other");
    let other_act = send(&owner, &format!("/apps/{elsewhere}/keys"), &csrf, &challenge, &right);
    assert_eq!(other_act.status, 422, "the challenge was about another application");
    let mut second = Browser::new(&dev);
    let step = second.post("/sign-in", &[("email", email), ("password", PASSWORD)]);
    let of_sign_in = hidden(&step.body, "challenge").to_owned();
    assert_eq!(send(&owner, &keys, &csrf, &of_sign_in, &right).status, 422, "a challenge of a sign-in");
    let made = send(&owner, &keys, &csrf, &challenge, &right);
    assert_eq!(made.status, 201, "{}", made.body);
    let old = Browser { dev: &dev, cookie: owner.cookie.clone() };
    keep_cookie(&mut owner, &made);
    assert_eq!(old.get("/security").header("location"), Some("/sign-in"), "a proof gives the session another cookie");
    let key_id = cell(&made.body, "key-id").to_owned();
    let roll = owner.post(&format!("/keys/{key_id}/roll"), &[("csrf", &csrf), ("once", "2"), ("grace_seconds", "0")]);
    assert_eq!(roll.status, 201, "it covers the next acts of this session");
    let answer = |code: &str| second.post("/sign-in/second", &[("challenge", &of_sign_in), ("code", code)]);
    assert_eq!(answer(&right).status, 422, "a code of the app is good once, in every session");
    let done = answer(&recovery[0]);
    assert_eq!(done.status, 303);
    keep_cookie(&mut second, &done);
    assert_eq!(second.get("/security").status, 200);
}

#[test]
fn a_recovery_code_opens_once() {
    let dev = dev();
    let email = "lost@recovery.example";
    let (_, codes) = with_authenticator(&mut signed_up(&dev, email));
    assert_eq!(codes.len(), 10);
    let enter = |code: &str| {
        let browser = Browser::new(&dev);
        let step = browser.post("/sign-in", &[("email", email), ("password", PASSWORD)]);
        assert_eq!((step.status, step.header("set-cookie")), (200, None), "the password alone opens nothing");
        let challenge = hidden(&step.body, "challenge").to_owned();
        browser.post("/sign-in/second", &[("challenge", &challenge), ("code", code)]).status
    };
    assert_eq!(enter(&codes[0].to_lowercase()), 303);
    assert_eq!(enter(&codes[0]), 422, "used");
    let last = if codes[1].ends_with('A') { 'B' } else { 'A' };
    assert_eq!(enter(&format!("{}{last}", &codes[1][..13])), 422, "one character off");
    assert_eq!(enter(&codes[1]), 303);
}

#[test]
fn a_phone_proves_with_text_messages() {
    let dev = dev();
    let mut owner = signed_up(&dev, "phone@proof.example");
    let app = live_app(&dev, &owner);
    let csrf = owner.csrf();
    let number = "+919876500001";
    let phone = |password: &str| {
        owner.post("/security/phone", &[("csrf", &csrf), ("phone", "+91 98765 00001"), ("password", password)])
    };
    assert_eq!(phone("wrong").status, 422);
    let asked = phone(PASSWORD);
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(&dev, number, 6).expect("a code");
    let confirm = [("csrf", csrf.as_str()), ("challenge", &challenge), ("code", &code)];
    let foreign = signed_up(&dev, "foreign@proof.example");
    let theirs = foreign.csrf();
    let stolen =
        foreign.post("/security/phone/confirm", &[("csrf", &theirs), ("challenge", &challenge), ("code", &code)]);
    assert_eq!(stolen.status, 422, "another's session");
    assert_eq!(owner.post("/security/phone/confirm", &confirm).status, 303);
    let keys = format!("/apps/{app}/keys");
    let form = [("csrf", csrf.as_str()), ("once", "1"), ("mode", "live")];
    let asked = owner.post(&keys, &form);
    assert!(asked.body.contains("+91…001") && !asked.body.contains("98765"), "most of the number is hidden");
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(&dev, number, 6).expect("a code");
    let made = owner.post(&keys, &[form[0], form[1], form[2], ("challenge", &challenge), ("code", &code)]);
    assert_eq!(made.status, 201);
    keep_cookie(&mut owner, &made);
    let letters = letters(&dev, "phone@proof.example");
    assert_eq!(letters[..2], ["Ann Shop: a live key was generated", "Your phone was changed"]);
}

#[test]
fn codes_by_mail_prove_where_there_is_nothing_safer() {
    let dev = dev();
    let email = "mail@proof.example";
    let mut owner = signed_up(&dev, email);
    let app = live_app(&dev, &owner);
    let csrf = owner.csrf();
    assert!(owner.get("/security").body.contains("whoever reads your mail can also reset your password"));
    let begin = |password: &str| owner.post("/security/mail-codes", &[("csrf", &csrf), ("password", password)]);
    let refused = begin("wrong");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("id=\"mail-codes-error\""), "beside it");
    let asked = begin(PASSWORD);
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(&dev, email, 6).expect("a code");
    let foreign = signed_up(&dev, "foreign@mail.example");
    let theirs = foreign.csrf();
    let confirm = "/security/mail-codes/confirm";
    let stolen = foreign.post(confirm, &[("csrf", &theirs), ("challenge", &challenge), ("code", &code)]);
    assert_eq!(stolen.status, 422, "another's session");
    assert_eq!(owner.post(confirm, &[("csrf", &csrf), ("challenge", &challenge), ("code", &code)]).status, 303);
    let keys = format!("/apps/{app}/keys");
    let form = [("csrf", csrf.as_str()), ("once", "1"), ("mode", "live")];
    let asked = owner.post(&keys, &form);
    assert!(asked.body.contains(&format!("is on its way to {email}")), "{}", asked.body);
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = code_to(&dev, email, 6).expect("a code");
    let with = |code| [form[0], form[1], form[2], ("challenge", challenge.as_str()), ("code", code)];
    let wrong = owner.post(&keys, &with("000000"));
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains(email) && wrong.body.contains("Send another code"));
    let made = owner.post(&keys, &with(&code));
    assert_eq!(made.status, 201);
    keep_cookie(&mut owner, &made);
    assert_eq!(owner.post("/security/mail-codes/remove", &[("csrf", &csrf)]).status, 303, "the proof covers it");
    assert_eq!(letters(&dev, email)[0], "Codes by mail were turned off");
    let enter = Browser::new(&dev).post("/sign-in", &[("email", email), ("password", PASSWORD)]);
    assert_eq!(enter.status, 303, "the password alone, as before");
}

#[test]
fn a_mailbox_alone_signs_in_and_for_a_day_does_nothing_that_needs_a_proof() {
    let dev = dev();
    let email = "box@proof.example";
    let owner = signed_up(&dev, email);
    let app = live_app(&dev, &owner);
    let csrf = owner.csrf();
    let asked = owner.post("/security/mail-codes", &[("csrf", &csrf), ("password", PASSWORD)]);
    let (challenge, code) = (hidden(&asked.body, "challenge"), code_to(&dev, email, 6).expect("a code"));
    let on = owner.post("/security/mail-codes/confirm", &[("csrf", &csrf), ("challenge", challenge), ("code", &code)]);
    assert_eq!(on.status, 303);
    let mut thief = Browser::new(&dev);
    let asked = thief.post("/forgot", &[("email", email)]);
    assert!(asked.body.contains("codes by mail do not count as a second factor for 24 hours"));
    let (challenge, code) = (hidden(&asked.body, "challenge"), code_to(&dev, email, 8).expect("a code"));
    let form = [("challenge", challenge), ("email", email), ("code", &code), ("password", OTHER_PASSWORD)];
    assert_eq!(thief.post("/forgot/confirm", &form).status, 303);
    let step = thief.post("/sign-in", &[("email", email), ("password", OTHER_PASSWORD)]);
    let (challenge, code) = (hidden(&step.body, "challenge"), code_to(&dev, email, 6).expect("a code"));
    let done = thief.post("/sign-in/second", &[("challenge", challenge), ("code", &code)]);
    assert_eq!(done.status, 303, "{}", done.body);
    keep_cookie(&mut thief, &done);
    let csrf = thief.csrf();
    let password = ("password", OTHER_PASSWORD);
    for (path, fields) in [
        (format!("/apps/{app}/keys"), vec![("once", "1"), ("mode", "live")]),
        (format!("/merchants/{}/team", merchant_of(&thief)), vec![("email", "x@proof.example"), ("role", "owner")]),
        ("/security/mail-codes/remove".to_owned(), vec![]),
        ("/security/prove".to_owned(), vec![]),
        ("/security/authenticator".to_owned(), vec![password]),
        ("/security/passkeys".to_owned(), vec![("name", "mine"), password]),
        ("/security/phone".to_owned(), vec![("phone", "+919876500002"), password]),
        ("/security/password".to_owned(), vec![password, ("new_password", PASSWORD)]),
    ] {
        let fields: Vec<_> = fields.into_iter().chain([("csrf", csrf.as_str())]).collect();
        let refused = thief.post(&path, &fields);
        assert_eq!(refused.header("location"), Some("/security?needed=1"), "{path}: {}", refused.body);
    }
    let page = thief.get("/security?needed=1").body;
    assert!(page.contains("they do not count for live keys"), "and the page says why: {page}");
    assert_eq!(letters(&dev, email)[1], "Your password was changed", "whose mailbox it is has read it");
}

#[test]
fn a_changed_password_ends_the_other_sign_ins_and_any_can_be_ended() {
    let dev = dev();
    let email = "many@sessions.example";
    let here = signed_up(&dev, email);
    let enter = |password: &str| {
        let mut browser = Browser::new(&dev);
        let reply = browser.post("/sign-in", &[("email", email), ("password", password)]);
        keep_cookie(&mut browser, &reply);
        browser
    };
    let is_in = |browser: &Browser<'_>| browser.get("/security").status == 200;
    let (one, two) = (enter(PASSWORD), enter(PASSWORD));
    let csrf = here.csrf();
    let page = here.get("/security").body;
    let ends: Vec<&str> =
        page.split("/security/sessions/").filter_map(|part| part.split_once("/end\"")).map(|(id, _)| id).collect();
    assert_eq!(ends.len(), 2, "this one cannot be ended here");
    assert_eq!(here.post(&format!("/security/sessions/{}/end", ends[0]), &[("csrf", &csrf)]).status, 303);
    assert_eq!((is_in(&one), is_in(&two)), (true, false), "the newest stands first");
    let foreign = signed_up(&dev, "other@sessions.example");
    let theirs = foreign.csrf();
    assert_eq!(foreign.post(&format!("/security/sessions/{}/end", ends[1]), &[("csrf", &theirs)]).status, 404);
    let change = |old: &str| {
        here.post("/security/password", &[("csrf", &csrf), ("password", old), ("new_password", OTHER_PASSWORD)])
    };
    assert_eq!(change("wrong").status, 422);
    assert!(is_in(&one));
    assert_eq!(change(PASSWORD).status, 303);
    assert_eq!((is_in(&here), is_in(&one)), (true, false));
    let third = enter(OTHER_PASSWORD);
    assert_eq!(here.post("/security/sessions/end-others", &[("csrf", &csrf)]).status, 303);
    assert_eq!((is_in(&here), is_in(&third)), (true, false));
}

/// A proof of this session for an act of the team, and the form sent with it.
pub fn proved(browser: &mut Browser<'_>, secret: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let asked = browser.post(path, fields);
    let challenge = hidden(&asked.body, "challenge").to_owned();
    let code = totp(secret, 1);
    let with: Vec<_> = fields.iter().copied().chain([("challenge", challenge.as_str()), ("code", &code)]).collect();
    let reply = browser.post(path, &with);
    keep_cookie(browser, &reply);
    reply
}

#[test]
fn a_team_is_invited_changed_and_left() {
    let dev = dev();
    let mut owner = signed_up(&dev, "owner@team.example");
    let (secret, _) = with_authenticator(&mut owner);
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let team = format!("/merchants/{merchant}/team");
    let form = [("csrf", csrf.as_str()), ("email", "bob@team.example"), ("role", "developer")];
    let invited = proved(&mut owner, &secret, &team, &form);
    assert_eq!(invited.status, 303, "{}", invited.body);
    assert_eq!(owner.post(&team, &[form[0], ("email", "owner@team.example"), form[2]]).status, 422, "is in it already");
    assert_eq!(owner.post(&team, &[form[0], form[1], ("role", "king")]).status, 422);
    assert_eq!(owner.post(&team, &[form[0], ("email", "gone@team.example"), form[2]]).status, 303);
    let page = owner.get(&team).body;
    let (_, gone) = page.split_once("gone@team.example").expect("a line");
    let (_, withdraw) = gone.split_once("/invitations/").expect("a form");
    let withdraw = format!("{team}/invitations/{}/withdraw", withdraw.split('/').next().expect("an id"));
    assert_eq!(owner.post(&withdraw, &[("csrf", &csrf)]).status, 303);
    assert_eq!(owner.post(&withdraw, &[("csrf", &csrf)]).status, 404, "gone");

    let bob = signed_up(&dev, "bob@team.example");
    let theirs = bob.csrf();
    let own = merchant_of(&bob);
    assert_eq!(bob.get(&team).status, 404, "not yet");
    let page = bob.get("/invitations").body;
    assert!(page.contains("Ann Shop") && page.contains("as developer"));
    let (_, id) = page.split_once("action=\"/invitations/").expect("a form");
    let accept = format!("/invitations/{}", id.split('"').next().expect("an id"));
    assert_eq!(owner.post(&accept, &[("csrf", &csrf), ("answer", "accept")]).status, 404, "another's");
    assert_eq!(bob.post(&accept, &[("csrf", &theirs), ("answer", "accept")]).status, 303);
    assert_eq!(bob.post(&accept, &[("csrf", &theirs), ("answer", "accept")]).status, 404, "once");
    let page = bob.get(&team).body;
    assert!(page.contains("owner@team.example") && !page.contains(">Invite<"), "a developer sees the team");
    assert!(page.contains(&format!("/merchants/{own}/apps")), "and switches to the own merchant");
    let refused = bob.post(&team, &[("csrf", &theirs), ("email", "x@team.example"), ("role", "owner")]);
    assert_eq!(refused.status, 403);
    assert!(letters(&dev, "gone@team.example").contains(&"Invitation to Ann Shop".to_owned()));
    let gone = signed_up(&dev, "gone@team.example");
    assert!(gone.get("/invitations").body.contains("No invitations"), "it was withdrawn");

    let page = owner.get(&team).body;
    let members: Vec<&str> = page.split("/team/members/").skip(1).filter_map(|part| part.split('"').next()).collect();
    let bob_id = members[0];
    let member = format!("{team}/members/{bob_id}");
    assert_eq!(owner.post(&format!("{team}/leave"), &[("csrf", &csrf)]).status, 422, "the last owner stays");
    assert_eq!(owner.post(&member, &[("csrf", &csrf), ("role", "owner")]).status, 303);
    assert_eq!(
        bob.post(&member, &[("csrf", &theirs), ("role", "viewer")]).header("location"),
        Some("/security?needed=1")
    );
    assert_eq!(owner.post(&format!("{team}/leave"), &[("csrf", &csrf)]).status, 303);
    assert_eq!((owner.get(&team).status, bob.get(&team).status), (404, 200));
    assert_eq!(owner.get("/").header("location"), Some("/invitations"), "of no merchant any more");
}

#[test]
fn another_merchants_team_is_not_there() {
    let dev = dev();
    let mut owner = signed_up(&dev, "own@role.example");
    let (secret, _) = with_authenticator(&mut owner);
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let team = format!("/merchants/{merchant}/team");
    let form = [("csrf", csrf.as_str()), ("email", "cy@role.example"), ("role", "viewer")];
    assert_eq!(proved(&mut owner, &secret, &team, &form).status, 303);
    let (email, demo) = password(&dev, "owner");
    let signed_in = Browser::new(&dev).post("/sign-in", &[("email", &email), ("password", &demo)]);
    assert_eq!(signed_in.status, 303);
    let foreign = Browser::signed_in(&dev, "owner");
    let theirs = foreign.csrf();
    assert_eq!(foreign.get(&team).status, 404);
    assert_eq!(foreign.post(&team, &[("csrf", &theirs), ("email", "x@role.example"), ("role", "owner")]).status, 404);
    assert_eq!(foreign.get(&format!("/apps/{}/keys", app_of(&dev, "kpay"))).status, 200);
}

#[test]
fn without_the_consoles_address_no_passkeys_are_offered_and_with_it_only_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let served = Dev::serve_in(env!("CARGO_BIN_EXE_keymint"), folder.path(), Database::Sqlite);
    let nobody = Browser::new(&served);
    assert!(!nobody.get("/sign-in").body.contains("passkey"));
    assert_eq!(nobody.post("/sign-in/passkey/begin", &[]).status, 404);
    let dev = dev();
    let nobody = Browser::new(&dev);
    let named = format!("http://localhost:{}", dev.console.port());
    assert!(nobody.get("/sign-in").body.contains(&format!("<a href=\"{named}/sign-in\">{named}</a>")));
    let begun = nobody.post("/sign-in/passkey/begin", &[]);
    assert_eq!(begun.status, 200);
    assert!(begun.body.contains("\"userVerification\":\"required\"") && begun.body.contains("\"rpId\":\"localhost\""));
    let (_, begun) = begun.body.split_once('{').expect("JSON");
    assert!(!begun.contains("state") && !begun.contains("policy"), "what decides stays here: {begun}");
}
