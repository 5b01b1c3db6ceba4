//! The addresses of a live key at the console, where the vendor asks for a code by text message and one by mail.

use keymint_testkit::Dev;
use serde_json::{Value, json};

use crate::console::{Browser, app_of, cell};
use crate::dev;
use crate::people::{PASSWORD, code_to, hidden, keep_cookie, live_app, signed_up, totp, with_authenticator};

fn addresses(dev: &Dev, key_id: &str) -> Value {
    dev.api("GET", &format!("/credentials/{key_id}"), &Value::Null).json()["allowed_ips"].clone()
}

#[test]
fn addresses_are_saved_with_a_code_by_phone_and_one_by_mail_and_nothing_typed_is_lost_on_the_way() {
    let dev = dev();
    let (email, number) = ("addresses@proof.example", "+919876500021");
    let mut owner = signed_up(&dev, email);
    let app = live_app(&dev, &owner);
    let (secret, _) = with_authenticator(&mut owner);
    let csrf = owner.csrf();
    let keys = format!("/apps/{app}/keys");
    let form = [("csrf", csrf.as_str()), ("once", "1"), ("mode", "live")];
    let challenge = hidden(&owner.post(&keys, &form).body, "challenge").to_owned();
    let made = owner.post(&keys, &[&form[..], &[("challenge", &challenge), ("code", &totp(&secret, 1))]].concat());
    keep_cookie(&mut owner, &made);
    let key_id = cell(&made.body, "key-id").to_owned();
    let path = format!("/keys/{key_id}");
    let list = "203.0.113.7\n198.51.100.0/24";
    let form = [("csrf", csrf.as_str()), ("name", "till <1>"), ("allowed_ips", list)];
    let without = owner.post(&path, &form);
    assert_eq!((without.status, without.body.contains("/security#phone")), (422, true), "no phone yet");
    assert!(without.body.contains(list) && without.body.contains("till &#60;1&#62;"), "nothing typed is lost");

    let phone = [("csrf", csrf.as_str()), ("phone", number), ("password", PASSWORD)];
    let challenge = hidden(&owner.post("/security/phone", &phone).body, "challenge").to_owned();
    let code = code_to(&dev, number, 6).expect("a code");
    let confirm = [("csrf", csrf.as_str()), ("challenge", &challenge), ("code", &code)];
    assert_eq!(owner.post("/security/phone/confirm", &confirm).status, 303);

    let asked = owner.post(&path, &form);
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert!(asked.body.contains("198.51.100.0/24") && asked.body.contains("+91…021") && asked.body.contains(email));
    assert_eq!(hidden(&asked.body, "name"), "till &#60;1&#62;", "the form is carried along");
    let codes = hidden(&asked.body, "codes").to_owned();
    let (by_phone, by_mail) = (code_to(&dev, number, 6).expect("one"), code_to(&dev, email, 6).expect("another"));
    let send = |list: &str, phone: &str, mail: &str| {
        let form = [
            ("csrf", csrf.as_str()),
            ("name", "till <1>"),
            ("allowed_ips", list),
            ("codes", &codes),
            ("phone_code", phone),
            ("mail_code", mail),
        ];
        owner.post(&path, &form)
    };
    for (phone, mail) in [(by_mail.as_str(), by_phone.as_str()), (&by_phone, ""), ("", &by_mail)] {
        let refused = send(list, phone, mail);
        assert_eq!((refused.status, hidden(&refused.body, "codes")), (422, codes.as_str()), "{phone} {mail}");
    }
    assert_eq!(send("203.0.113.8", &by_phone, &by_mail).status, 422, "the codes were for another list");
    assert_eq!(addresses(&dev, &key_id), json!([]), "nothing was saved");
    let saved = send(list, &by_phone, &by_mail);
    let done = format!("{keys}?mode=live&done=changed");
    assert_eq!((saved.status, saved.header("location")), (303, Some(done.as_str())), "{}", saved.body);
    assert_eq!(addresses(&dev, &key_id), json!(["203.0.113.7/32", "198.51.100.0/24"]));
    assert_eq!(send("203.0.113.8", &by_phone, &by_mail).status, 422, "they are good once");
    assert_eq!(owner.post(&path, &[form[0], ("allowed_ips", list)]).status, 303, "the list stays as it is");
    assert_eq!(addresses(&dev, &key_id), json!(["203.0.113.7/32", "198.51.100.0/24"]));
}

#[test]
fn who_may_not_change_a_live_key_is_asked_for_no_codes() {
    let dev = dev();
    let app = app_of(&dev, "razorpay");
    let merchant = dev.api("GET", &format!("/apps/{app}"), &Value::Null).text("/merchant_id");
    let approved = json!({ "state": "approved", "reason": "checked" });
    assert_eq!(dev.api("PUT", &format!("/merchants/{merchant}/activation"), &approved).status, 200);
    let key = dev.key_of(&app, &json!({ "mode": "live" }));
    for (role, status) in [("developer", 403), ("viewer", 403), ("admin", 422)] {
        let browser = Browser::signed_in(&dev, role);
        let csrf = browser.csrf();
        let form = [("csrf", csrf.as_str()), ("allowed_ips", "203.0.113.7")];
        let reply = browser.post(&format!("/keys/{}", key.key_id), &form);
        assert_eq!(reply.status, status, "{role}");
    }
    assert_eq!(addresses(&dev, &key.key_id), json!([]));
}
