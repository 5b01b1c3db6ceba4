//! Mail goes to a real mail server and text messages to a real HTTP receiver; one that refuses the first time gets them
//! later.

use std::io::Write;

use super::far_end::FarEnd;
use crate::console::Browser;
use keymint_testkit::serve::Database;
use keymint_testkit::{Dev, Request};

fn first_number(text: &str, digits: usize) -> String {
    let mut words = text.split(|character: char| !character.is_ascii_digit());
    words.find(|word| word.len() == digits).expect("a code").to_owned()
}

#[test]
fn codes_arrive_by_mail_and_by_text_message_and_what_is_refused_is_sent_again() {
    let mut receiver = FarEnd::start("letters/receiver.py");
    let ports = receiver.next();
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("sms.token");
    std::fs::File::create(&token).and_then(|mut file| file.write_all(b"sms-token-canary\n")).expect("a file");
    let more = format!(
        "[mail]\nserver = \"smtp://127.0.0.1:{}\"\nfrom = \"Keymint <keymint@pay.example>\"\n\n[sms]\n\
         url = \"http://127.0.0.1:{}/Messages.json\"\naccount = \"AC1\"\ntoken_file = \"{}\"\nfrom = \"+15005550006\"\n",
        ports["smtp"],
        ports["http"],
        token.display(),
    );
    let dev = Dev::serve_with(env!("CARGO_BIN_EXE_keymint"), folder.path(), Database::Sqlite, &more);
    assert_eq!(Request::new("GET", "/outbox").send(dev.console).status, 404, "letters are shown in dev alone");
    let mut browser = Browser::new(&dev);
    let (email, password) = ("ann@letters.example", "otter battery lamp canyon");
    let form = [
        ("name", "Ann"),
        ("business", "Ann's"),
        ("country", "IN"),
        ("email", email),
        ("phone", ""),
        ("password", password),
    ];
    let asked = browser.post("/sign-up", &form);
    assert_eq!(asked.status, 200, "{}", asked.body);
    let (_, challenge) = asked.body.split_once("name=\"challenge\" value=\"").expect("a challenge");
    let challenge = challenge.split('"').next().expect("an id").to_owned();
    let letter = receiver.next();
    assert_eq!((letter["kind"].as_str(), letter["to"][0].as_str()), (Some("mail"), Some(email)));
    assert_eq!(letter["shown_from"], "Keymint <keymint@pay.example>");
    let code = first_number(letter["text"].as_str().expect("text"), 8);
    let done = browser.post("/sign-up/confirm", &[("challenge", &challenge), ("code", &code)]);
    assert_eq!(done.status, 303, "{}", done.body);
    let set = done.header("set-cookie").expect("a cookie").to_owned();
    set.split(';').next().expect("a pair").clone_into(&mut browser.cookie);
    let csrf = browser.csrf();
    let phone = [("csrf", csrf.as_str()), ("phone", "+91 98765 00001"), ("password", password)];
    let asked = browser.post("/security/phone", &phone);
    let (_, challenge) = asked.body.split_once("name=\"challenge\" value=\"").expect("a challenge");
    let challenge = challenge.split('"').next().expect("an id").to_owned();
    let letter = receiver.next();
    assert_eq!((letter["scheme"].as_str(), letter["proof"].as_str()), (Some("Basic"), Some("AC1:sms-token-canary")));
    assert_eq!(
        (letter["form"]["To"].as_str(), letter["form"]["From"].as_str()),
        (Some("+919876500001"), Some("+15005550006"))
    );
    let code = first_number(letter["form"]["Body"].as_str().expect("text"), 6);
    let confirm = [("csrf", csrf.as_str()), ("challenge", challenge.as_str()), ("code", &code)];
    assert_eq!(browser.post("/security/phone/confirm", &confirm).status, 303);
    let log = std::fs::read_to_string(folder.path().join("stderr.log")).expect("the log");
    assert!(log.contains("the mail server answered 451") && log.contains("the SMS service answered 503"), "{log}");
    assert!(!log.contains(&code) && !log.contains("sms-token-canary") && !log.contains(email), "{log}");
}
