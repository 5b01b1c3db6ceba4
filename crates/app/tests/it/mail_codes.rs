//! Codes by mail as a second factor: when they are asked for, what a code is good for, and what one mailbox alone can do.

use keymint_app::ops::people::{self, NewPerson, Person};
use keymint_app::ops::proofs::{self, Factor};
use keymint_app::ops::{OpError, accounts, audit, mail_codes, team};
use keymint_app::post::PostOffice;
use keymint_domain::role::{Act, Role};
use keymint_domain::secret::SecretText;
use keymint_testkit::TestDb;

use crate::audit::scripts;
use crate::house::{DAY, House, OPERATOR, Plan};
use crate::proofs::{HERE, PASSWORD, PHONE, code_to, other, signed_up};

const NEW_PASSWORD: &str = "violin thirteen gravel moss";

fn text(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn address(name: &str) -> String {
    format!("{name}@proofs.example")
}

async fn person_of(house: &House, cookie: &SecretText) -> Person {
    people::person_of(&house.app, cookie.expose()).await.expect("it reads").expect("signed in")
}

fn code<T>(result: Result<T, OpError>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(OpError::Conflict { code, .. }) => code.to_owned(),
        Err(OpError::Field { field, .. }) => field.to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

async fn begun(house: &House, person: &Person) -> (String, String) {
    // Letters of one moment have no order.
    house.clock.pass_ms(1);
    let challenge = mail_codes::begin(&house.app, person, text(PASSWORD)).await.expect("it begins");
    (challenge.id.to_string(), code_to(house, &person.email).await)
}

async fn turn_on(house: &House, person: &Person) {
    let (id, code) = begun(house, person).await;
    assert!(mail_codes::confirm(&house.app, person, (&id, &code)).await.expect("looked at"));
}

/// Somebody with codes by mail, and nothing else, who has proved nothing.
async fn mailed(house: &House, name: &str) -> (SecretText, Person) {
    let cookie = signed_up(house, name).await;
    turn_on(house, &person_of(house, &cookie).await).await;
    let person = person_of(house, &cookie).await;
    assert_eq!(person.means.first(), Some(Factor::MailedCode));
    (cookie, person)
}

async fn asked(house: &House, person: &Person, factor: Factor, act: &str) -> (String, String) {
    house.clock.pass_ms(1);
    let to = person.means.address(factor).expect("an address");
    let who = (person.user, Some(person.session));
    let challenge = proofs::ask(&house.app, who, (factor, Some(to)), act).await.expect("it is asked");
    (challenge.id.to_string(), code_to(house, to).await)
}

async fn given(house: &House, person: &Person, act: &str, (id, code): (&str, &str)) -> Option<SecretText> {
    proofs::give(&house.app, person, act, (id, code)).await.expect("looked at")
}

/// The second step of a sign-in, and its code.
async fn second(house: &House, name: &str, password: &str) -> (String, String) {
    house.clock.pass_ms(1);
    let signed_in = people::sign_in(&house.app, &address(name), text(password), HERE).await.expect("looked at");
    let Some(people::SignedIn::Second(second)) = signed_in else { panic!("a second factor is asked for") };
    assert_eq!((second.challenge.factor, second.instead), (Factor::MailedCode, None));
    (second.challenge.id.to_string(), code_to(house, &address(name)).await)
}

async fn enters(house: &House, (id, code): (&str, &str)) -> Option<SecretText> {
    people::sign_in_second(&house.app, (id, code), HERE).await.expect("looked at")
}

fn may(person: &Person) -> bool {
    let merchant = person.memberships.first().expect("one").merchant_id;
    person.actor(merchant).is_some_and(|actor| actor.require(Act::ManageLiveCredentials).is_ok())
}

async fn reset(house: &House, name: &str) {
    house.clock.pass_ms(1);
    let challenge = accounts::forgot(&house.app, &address(name), HERE).await.expect("it begins");
    let (id, code) = (challenge.id.to_string(), code_to(house, &address(name)).await);
    assert!(accounts::reset(&house.app, (&id, &code), text(NEW_PASSWORD)).await.expect("looked at"));
}

pub async fn codes_by_mail_are_turned_on_with_password_and_code_and_off_with_a_proof(it: TestDb) {
    let house = House::over(it).await;
    let cookie = signed_up(&house, "one").await;
    let one = person_of(&house, &cookie).await;
    let two = person_of(&house, &signed_up(&house, "two").await).await;
    assert_eq!(code(mail_codes::begin(&house.app, &one, text("another")).await), "password");
    let (id, right) = begun(&house, &one).await;
    let confirm = async |person: &Person, id: &str, code: &str| {
        mail_codes::confirm(&house.app, person, (id, code)).await.expect("looked at")
    };
    assert!(!confirm(&two, &id, &right).await, "another's session");
    assert!(!confirm(&one, &id, &other(&right, 0)).await, "one off");
    assert!(given(&house, &one, "an act", (&id, &right)).await.is_none(), "it is no proof of an act");
    assert_eq!(person_of(&house, &cookie).await.means.first(), None);
    assert!(confirm(&one, &id, &right).await);
    assert!(!confirm(&one, &id, &right).await, "once");

    let one = person_of(&house, &cookie).await;
    assert_eq!(one.means.first(), Some(Factor::MailedCode));
    assert!(!may(&one), "turning it on is no proof");
    assert_eq!(code(mail_codes::begin(&house.app, &one, text(PASSWORD)).await), "ProofNeeded");
    assert_eq!(code(mail_codes::remove(&house.app, &one).await), "ProofNeeded");
    let (id, right) = asked(&house, &one, Factor::MailedCode, "an act").await;
    let cookie = given(&house, &one, "an act", (&id, &right)).await.expect("right");
    let one = person_of(&house, &cookie).await;
    assert!(may(&one));
    assert_eq!(code(mail_codes::begin(&house.app, &one, text(PASSWORD)).await), "mail_codes_on");
    mail_codes::remove(&house.app, &one).await.expect("it is turned off");
    assert_eq!(person_of(&house, &cookie).await.means.first(), None);
    let letters = house.app.kept_letters().await.expect("they are kept");
    let said: Vec<_> = letters.iter().map(|(letter, _)| letter.subject.as_str()).collect();
    assert!(said.contains(&"Codes by mail were turned on") && said.contains(&"Codes by mail were turned off"));
    let rows = audit::list(&house.app, OPERATOR, i64::MAX, 50).await.expect("it reads");
    for action in ["user.mail_codes_on", "user.mail_codes_off"] {
        assert_eq!(rows.iter().filter(|row| row.action == action).count(), 1, "{action}");
    }
}

pub async fn a_mailed_code_is_good_for_one_challenge_one_act_and_one_session_once(it: TestDb) {
    let house = House::over(it).await;
    let (_, person) = mailed(&house, "one").await;
    let (_, stranger) = mailed(&house, "two").await;
    let (id, right) = asked(&house, &person, Factor::MailedCode, "an act").await;
    let (other_id, _) = asked(&house, &person, Factor::MailedCode, "an act").await;
    assert!(given(&house, &person, "an act", (&other_id, &right)).await.is_none(), "another challenge of the act");
    assert!(given(&house, &person, "another act", (&id, &right)).await.is_none());
    assert!(given(&house, &stranger, "an act", (&id, &right)).await.is_none(), "another's session");
    let (of_sign_in, entry) = second(&house, "one", PASSWORD).await;
    assert!(given(&house, &person, "an act", (&of_sign_in, &entry)).await.is_none(), "of a sign-in");
    assert!(enters(&house, (&id, &right)).await.is_none(), "of an act");
    let elsewhere = person_of(&house, &enters(&house, (&of_sign_in, &entry)).await.expect("right")).await;
    assert!(may(&elsewhere), "a second step is a proof");
    assert!(given(&house, &elsewhere, "an act", (&id, &right)).await.is_none(), "another session of the person");
    assert!(given(&house, &person, "an act", (&id, &right)).await.is_some());
    assert!(given(&house, &person, "an act", (&id, &right)).await.is_none(), "once");

    let (id, right) = asked(&house, &person, Factor::MailedCode, "an act").await;
    for n in 0..5 {
        assert!(given(&house, &person, "an act", (&id, &other(&right, n))).await.is_none());
    }
    assert!(given(&house, &person, "an act", (&id, &right)).await.is_none(), "the sixth try");
    let (id, right) = asked(&house, &person, Factor::MailedCode, "an act").await;
    house.clock.pass_seconds(10 * 60);
    assert!(given(&house, &person, "an act", (&id, &right)).await.is_none(), "ten minutes are over");
    // Not so long that the hour is over, and long enough that more may be sent.
    house.clock.pass_seconds(21 * 60);
    for n in 0..4 {
        let (id, right) = asked(&house, &person, Factor::MailedCode, "an act").await;
        let tried = proofs::give(&house.app, &person, "an act", (&id, &other(&right, 0))).await;
        assert!(matches!(tried, Ok(None)), "try {n}");
    }
    let (id, right) = asked(&house, &person, Factor::MailedCode, "an act").await;
    let tried = proofs::give(&house.app, &person, "an act", (&id, &right)).await;
    assert!(matches!(tried, Err(OpError::TooMany)), "the account has had its tries of this hour");
}

pub async fn codes_by_mail_come_last_and_end_with_what_asked_for_them(it: TestDb) {
    let house = House::over(it).await;
    let (_, person) = mailed(&house, "one").await;
    let (of_act, act_code) = asked(&house, &person, Factor::MailedCode, "an act").await;
    let (of_sign_in, entry) = second(&house, "one", PASSWORD).await;
    let (off, off_code) = asked(&house, &person, Factor::MailedCode, "turn off").await;
    let cookie = given(&house, &person, "turn off", (&off, &off_code)).await.expect("right");
    let proved = person_of(&house, &cookie).await;
    let challenge = accounts::begin_phone(&house.app, &proved, PHONE, text(PASSWORD)).await.expect("it begins");
    let (id, sms) = (challenge.id.to_string(), code_to(&house, PHONE).await);
    assert!(accounts::confirm_phone(&house.app, &proved, (&id, &sms)).await.expect("looked at"));
    assert!(given(&house, &proved, "an act", (&of_act, &act_code)).await.is_none(), "the phone is asked now");
    assert!(enters(&house, (&of_sign_in, &entry)).await.is_none());
    let signed_in = people::sign_in(&house.app, &address("one"), text(PASSWORD), HERE).await.expect("looked at");
    let Some(people::SignedIn::Second(step)) = signed_in else { panic!("a second factor is asked for") };
    assert_eq!(step.challenge.factor, Factor::SentCode, "the phone comes first");

    // Both at once: the code of one way is none of the other's.
    let both = person_of(&house, &cookie).await;
    let (by_phone, sms) = asked(&house, &both, Factor::SentCode, "an act").await;
    let (by_mail, mail) = asked(&house, &both, Factor::MailedCode, "an act").await;
    assert!(given(&house, &both, "an act", (&by_mail, &sms)).await.is_none());
    assert!(given(&house, &both, "an act", (&by_phone, &mail)).await.is_none());
    assert!(given(&house, &both, "an act", (&by_mail, &mail)).await.is_none(), "not what the account is asked for");
    assert!(given(&house, &both, "an act", (&by_phone, &sms)).await.is_some());

    let (cookie, person) = mailed(&house, "two").await;
    let (of_sign_in, entry) = second(&house, "two", PASSWORD).await;
    let (off, off_code) = asked(&house, &person, Factor::MailedCode, "turn off").await;
    let (of_act, act_code) = asked(&house, &person, Factor::MailedCode, "an act").await;
    let next = given(&house, &person, "turn off", (&off, &off_code)).await.expect("right");
    mail_codes::remove(&house.app, &person_of(&house, &next).await).await.expect("it is turned off");
    assert!(people::person_of(&house.app, cookie.expose()).await.expect("it reads").is_none());
    assert!(given(&house, &person, "an act", (&of_act, &act_code)).await.is_none(), "the factor is gone");
    assert!(enters(&house, (&of_sign_in, &entry)).await.is_none());
}

/// One mailbox is both the way to a new password and the way of the codes: for a day it opens the door, and nothing else.
pub async fn after_a_reset_by_mail_codes_by_mail_prove_nothing_for_a_day(it: TestDb) {
    let house = House::over(it).await;
    let (before, person) = mailed(&house, "one").await;
    let (old, old_code) = asked(&house, &person, Factor::MailedCode, "an act").await;
    let merchant = person.memberships.first().expect("one").merchant_id;
    reset(&house, "one").await;
    assert!(people::person_of(&house.app, before.expose()).await.expect("it reads").is_none());
    assert!(given(&house, &person, "an act", (&old, &old_code)).await.is_none(), "asked before, answered after");
    let (id, entry) = second(&house, "one", NEW_PASSWORD).await;
    let cookie = enters(&house, (&id, &entry)).await.expect("it lets in");
    let inside = person_of(&house, &cookie).await;
    assert!(inside.proved_at.is_none() && !may(&inside), "and proves nothing");
    assert!(inside.means.rests_until().is_some());
    let (id, right) = asked(&house, &inside, Factor::MailedCode, "an act").await;
    assert!(given(&house, &inside, "an act", (&id, &right)).await.is_none(), "nor does a step-up");
    let refused = [
        code(mail_codes::remove(&house.app, &inside).await),
        code(accounts::begin_phone(&house.app, &inside, PHONE, text(NEW_PASSWORD)).await),
        code(keymint_app::ops::authenticator::begin(&house.app, &inside, text(NEW_PASSWORD)).await),
        code(keymint_app::ops::passkeys::begin(&house.app, &inside, "mine", text(NEW_PASSWORD)).await),
        code(accounts::change_password(&house.app, &inside, text(NEW_PASSWORD), text(PASSWORD)).await),
        code(team::set_rule(&house.app, (&inside, text(NEW_PASSWORD)), merchant, false).await),
    ];
    assert_eq!(refused, ["ProofNeeded"; 6], "no other factor takes its place");
    house.clock.pass_seconds(i64::from(DAY) - 60);
    let (id, entry) = second(&house, "one", NEW_PASSWORD).await;
    assert!(!may(&person_of(&house, &enters(&house, (&id, &entry)).await.expect("it lets in")).await));
    house.clock.pass_seconds(60);
    let (id, entry) = second(&house, "one", NEW_PASSWORD).await;
    let cookie = enters(&house, (&id, &entry)).await.expect("it lets in");
    assert!(may(&person_of(&house, &cookie).await), "a day is over");

    let two = signed_up(&house, "two").await;
    reset(&house, "two").await;
    drop(two);
    let signed_in = people::sign_in(&house.app, &address("two"), text(NEW_PASSWORD), HERE).await.expect("looked at");
    let Some(people::SignedIn::Session(cookie)) = signed_in else { panic!("no second factor") };
    let two = person_of(&house, &cookie).await;
    assert_eq!(code(mail_codes::begin(&house.app, &two, text(NEW_PASSWORD)).await), "mail_rests");
}

/// The second factor that a team asks for may be a code by mail; while they rest it is none.
pub async fn a_team_that_wants_a_second_factor_takes_codes_by_mail(it: TestDb) {
    let house = House::over(it).await;
    let (_, person) = mailed(&house, "one").await;
    let merchant = person.memberships.first().expect("one").merchant_id;
    let (id, right) = asked(&house, &person, Factor::MailedCode, "the rule").await;
    let cookie = given(&house, &person, "the rule", (&id, &right)).await.expect("right");
    let person = person_of(&house, &cookie).await;
    team::set_rule(&house.app, (&person, text(PASSWORD)), merchant, true).await.expect("it is set");
    assert!(person_of(&house, &cookie).await.actor(merchant).is_some());
    reset(&house, "one").await;
    let (id, entry) = second(&house, "one", NEW_PASSWORD).await;
    let cookie = enters(&house, (&id, &entry)).await.expect("it lets in");
    assert!(person_of(&house, &cookie).await.actor(merchant).is_none());
}

/// Whoever can write to the database turns no factor on or off, and answers for nobody else (T56).
pub async fn an_edited_account_or_challenge_of_codes_by_mail_is_worth_nothing(it: TestDb) {
    let house = House::over(it).await;
    mailed(&house, "on").await;
    reset(&house, "on").await;
    signed_up(&house, "off").await;
    let mut conn = house.app.db.read().await.expect("a connection");
    let on = keymint_store::people::find_by_email(&mut conn, &address("on")).await.expect("it reads").expect("a row");
    drop(conn);
    for (case, script) in scripts(include_str!("sql/mail_codes.sql")) {
        house.edit(script).await;
        let name = if script.contains("'off@") { "off" } else { "on" };
        let password = if name == "on" { NEW_PASSWORD } else { PASSWORD };
        let entered = people::sign_in(&house.app, &address(name), text(password), HERE).await;
        assert!(matches!(entered, Err(OpError::Store(_))), "{case}");
        let mut tx = house.app.db.write().await.expect("it begins");
        keymint_store::people::update(tx.conn(), &on).await.expect("it is put back");
        tx.commit().await.expect("it commits");
        second(&house, "on", NEW_PASSWORD).await;
    }
    // A code for one's own new password, made one for somebody else's.
    signed_up(&house, "thief").await;
    house.clock.pass_ms(1);
    let challenge = accounts::forgot(&house.app, &address("thief"), HERE).await.expect("it begins");
    let (id, stolen) = (challenge.id.to_string(), code_to(&house, &address("thief")).await);
    let script = include_str!("sql/challenge_of_another.sql").replace("USER", &on.id.to_string());
    house.edit(&script.replace("CHALLENGE", &id)).await;
    assert!(!accounts::reset(&house.app, (&id, &stolen), text("a password of the thief")).await.expect("looked at"));
}

pub async fn an_account_of_before_codes_by_mail_goes_on_and_can_turn_them_on(it: TestDb) {
    let house = House::over(it).await;
    let cookie = signed_up(&house, "one").await;
    crate::proofs::person(&house, "two").await;
    house.edit(include_str!("sql/before_mail_codes.sql")).await;
    let house = house.restarted(&Plan::default()).await.expect("it starts, and migrates");
    let one = person_of(&house, &cookie).await;
    turn_on(&house, &one).await;
    let (id, entry) = second(&house, "one", PASSWORD).await;
    assert!(enters(&house, (&id, &entry)).await.is_some());
    let signed_in = people::sign_in(&house.app, &address("two"), text(PASSWORD), HERE).await.expect("looked at");
    assert!(matches!(signed_in, Some(people::SignedIn::Second(_))), "the phone is still there");
}

pub async fn where_no_mail_goes_out_nobody_turns_codes_by_mail_on(it: TestDb) {
    let closed = || PostOffice::new(None, None).expect("an office");
    let house = House::planned(it, &Plan { post: closed, ..Plan::default() }).await;
    let merchant = house.merchant("closed").await;
    let new = NewPerson { email: address("one"), name: "one".to_owned(), password: text(PASSWORD) };
    people::make(&house.app, OPERATOR, merchant.id, Role::Owner, new).await.expect("an account");
    let signed_in = people::sign_in(&house.app, &address("one"), text(PASSWORD), HERE).await.expect("looked at");
    let Some(people::SignedIn::Session(cookie)) = signed_in else { panic!("no second factor") };
    let one = person_of(&house, &cookie).await;
    assert_eq!(code(mail_codes::begin(&house.app, &one, text(PASSWORD)).await), "no_mail");
}
