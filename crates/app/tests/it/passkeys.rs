//! Passkeys: whom an answer lets in, and everything beside it that is refused. The authenticator is one in software, which
//! holds real keys and signs what a browser would have it sign.

use keymint_app::ops::passkeys;
use keymint_app::ops::people::{self, Person};
use keymint_app::ops::proofs::{self, Factor};
use keymint_app::ops::{OpError, means};
use keymint_domain::secret::SecretText;
use keymint_store::sql::{Stmt, Val};
use keymint_testkit::TestDb;
use serde_json::{Value, json};
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::prelude::Url;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use crate::house::{CONSOLE, House, Plan};
use crate::proofs::{HERE, PASSWORD, signed_up};

/// A device that holds passkeys, and what it calls the newest one.
struct Device {
    soft: SoftPasskey,
    credential: String,
    /// The name that it gives back for its person.
    handle: String,
    origin: Url,
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

impl Device {
    fn new() -> Self {
        let origin = Url::parse(CONSOLE).expect("an address");
        Self { soft: SoftPasskey::new(true), credential: String::new(), handle: String::new(), origin }
    }

    /// What the browser answers to the options of a new passkey.
    fn create(&mut self, options: &str) -> String {
        let options: Value = serde_json::from_str(options).expect("JSON");
        self.handle = text(&options["user"]["id"]);
        let asked = serde_json::from_value(json!({ "publicKey": options })).expect("options");
        let reply = self.soft.do_registration(self.origin.clone(), asked).expect("it makes one");
        let reply = serde_json::to_value(reply).expect("JSON");
        self.credential = text(&reply["rawId"]);
        reply.to_string()
    }

    /// What the browser answers to the options of a proof, of which something may be different first.
    fn answer(&mut self, options: &str, differ: impl Fn(&mut Value)) -> String {
        let mut options: Value = serde_json::from_str(options).expect("JSON");
        options["allowCredentials"] = json!([{ "type": "public-key", "id": self.credential }]);
        differ(&mut options);
        let asked = serde_json::from_value(json!({ "publicKey": options })).expect("options");
        let reply = self.soft.do_authentication(self.origin.clone(), asked).expect("it signs");
        let mut reply = serde_json::to_value(reply).expect("JSON");
        reply["response"]["userHandle"] = json!(self.handle);
        reply.to_string()
    }

    fn plainly(&mut self, options: &str) -> String {
        self.answer(options, |_| ())
    }
}

fn password() -> SecretText {
    SecretText::new(PASSWORD.to_owned())
}

async fn person_of(house: &House, cookie: &SecretText) -> Person {
    people::person_of(&house.app, cookie.expose()).await.expect("it reads").expect("signed in")
}

/// Adds a passkey for somebody whose proof is fresh, or who has no factor yet.
async fn add(house: &House, person: &Person, name: &str) -> Result<Device, OpError> {
    let mut device = Device::new();
    let challenge = passkeys::begin(&house.app, person, name, password()).await?;
    let reply = device.create(&challenge.options);
    passkeys::confirm(&house.app, person, (&challenge.id.to_string(), &reply)).await?;
    Ok(device)
}

/// Somebody with an account and one passkey.
async fn owner(house: &House, name: &str) -> (Person, Device) {
    let cookie = signed_up(house, name).await;
    let device = add(house, &person_of(house, &cookie).await, "Laptop").await.expect("it is added");
    (person_of(house, &cookie).await, device)
}

async fn asked(house: &House, person: &Person, act: &str) -> (String, String) {
    let who = (person.user, Some(person.session));
    let challenge = proofs::ask(&house.app, who, (Factor::Passkey, None), act).await.expect("it is asked");
    (challenge.id.to_string(), challenge.options)
}

async fn gives(house: &House, person: &Person, act: &str, (id, reply): (&str, &str)) -> bool {
    proofs::give(&house.app, person, act, (id, reply)).await.expect("looked at").is_some()
}

async fn second(house: &House, name: &str) -> (String, String) {
    let email = format!("{name}@proofs.example");
    let signed_in = people::sign_in(&house.app, &email, password(), HERE).await.expect("looked at");
    let Some(people::SignedIn::Second(second)) = signed_in else { panic!("a second factor is asked for") };
    assert_eq!(second.challenge.factor, Factor::Passkey);
    (second.challenge.id.to_string(), second.challenge.options)
}

async fn alone(house: &House) -> (String, String) {
    let challenge = people::begin_passkey_sign_in(&house.app, HERE).await.expect("it begins");
    (challenge.id.to_string(), challenge.options)
}

async fn enters_alone(house: &House, (id, reply): (&str, &str)) -> Option<SecretText> {
    people::passkey_sign_in(&house.app, (id, reply), HERE).await.expect("looked at")
}

pub async fn a_passkey_lets_its_person_in_alone_and_as_the_second_step(it: TestDb) {
    let house = House::over(it).await;
    let (person, mut device) = owner(&house, "one").await;
    assert!(person.means.has_passkey && !person.has_proved());
    let (id, options) = second(&house, "one").await;
    assert!(options.contains(&device.credential), "the browser is told which one");
    let reply = device.plainly(&options);
    let cookie = people::sign_in_second(&house.app, (&id, &reply), HERE).await.expect("looked at").expect("right");
    assert_eq!(person_of(&house, &cookie).await.user, person.user);
    let (id, options) = alone(&house).await;
    assert!(!options.contains(&device.credential), "nobody is named before somebody has said who they are");
    let reply = device.plainly(&options);
    let cookie = enters_alone(&house, (&id, &reply)).await.expect("right");
    let alone = person_of(&house, &cookie).await;
    assert_eq!(alone.user, person.user);
    assert!(alone.has_proved(), "it is the second proof too");
    let row = passkeys::list(&house.app, &alone).await.expect("it reads").pop().expect("one");
    assert_eq!((row.name.as_str(), row.last_used_at.is_some()), ("Laptop", true));
    assert!(row.public.contains("\"counter\":2"), "{}", row.public);
}

pub async fn an_answer_is_good_for_one_challenge_one_act_and_one_session_once(it: TestDb) {
    let house = House::over(it).await;
    let (person, mut device) = owner(&house, "one").await;
    let (id, options) = asked(&house, &person, "an act").await;
    let (other_id, _) = asked(&house, &person, "an act").await;
    let reply = device.plainly(&options);
    assert!(!gives(&house, &person, "an act", (&other_id, &reply)).await, "another challenge of the same act");
    assert!(!gives(&house, &person, "another act", (&id, &reply)).await, "another act");
    let (sign_in, sign_in_options) = second(&house, "one").await;
    assert!(people::sign_in_second(&house.app, (&sign_in, &reply), HERE).await.expect("looked at").is_none());
    assert!(people::sign_in_second(&house.app, (&id, &reply), HERE).await.expect("looked at").is_none());
    let (alone_id, alone_options) = alone(&house).await;
    assert!(enters_alone(&house, (&alone_id, &reply)).await.is_none());
    assert!(enters_alone(&house, (&id, &reply)).await.is_none());
    let of_sign_in = device.plainly(&sign_in_options);
    let cookie = people::sign_in_second(&house.app, (&sign_in, &of_sign_in), HERE).await.expect("looked at");
    let elsewhere = person_of(&house, &cookie.expect("right")).await;
    let (id, options) = asked(&house, &person, "an act").await;
    let reply = device.plainly(&options);
    assert!(!gives(&house, &elsewhere, "an act", (&id, &reply)).await, "another session of the same person");
    assert!(gives(&house, &person, "an act", (&id, &reply)).await);
    assert!(!gives(&house, &person, "an act", (&id, &reply)).await, "once");
    let again = device.plainly(&options);
    assert!(!gives(&house, &person, "an act", (&id, &again)).await, "a challenge that was answered is none");
    let reply = device.plainly(&alone_options);
    assert!(enters_alone(&house, (&alone_id, &reply)).await.is_some());
    assert!(enters_alone(&house, (&alone_id, &reply)).await.is_none(), "once");
    let (id, options) = asked(&house, &person, "an act").await;
    let reply = device.plainly(&options);
    house.clock.pass_seconds(10 * 60);
    assert!(!gives(&house, &person, "an act", (&id, &reply)).await, "after ten minutes");
}

pub async fn an_answer_that_is_one_thing_off_is_refused(it: TestDb) {
    let house = House::over(it).await;
    let (person, mut device) = owner(&house, "one").await;
    let refused = async |what: &str, make: &mut dyn FnMut(&mut Device, &str) -> String, device: &mut Device| {
        let (id, options) = asked(&house, &person, "an act").await;
        let reply = make(device, &options);
        assert!(!gives(&house, &person, "an act", (&id, &reply)).await, "{what}");
        // And the right answer to the very same question is taken: nothing else was in the way.
        let right = device.plainly(&options);
        assert!(gives(&house, &person, "an act", (&id, &right)).await, "after {what}");
    };
    let unverified = &mut |device: &mut Device, options: &str| {
        device.answer(options, |options| options["userVerification"] = json!("discouraged"))
    };
    refused("its user was not verified", unverified, &mut device).await;
    let other_rp = &mut |device: &mut Device, options: &str| {
        device.answer(options, |options| options["rpId"] = json!("example.com"))
    };
    refused("for another relying party", other_rp, &mut device).await;
    for origin in ["https://evil.console.example.com", "https://console.example.com:8443"] {
        let elsewhere = &mut |device: &mut Device, options: &str| {
            let own = std::mem::replace(&mut device.origin, Url::parse(origin).expect("an address"));
            let reply = device.plainly(options);
            device.origin = own;
            reply
        };
        refused(origin, elsewhere, &mut device).await;
    }
    for (what, pointer) in [
        ("another signature", "/response/signature"),
        ("other authenticator data", "/response/authenticatorData"),
        ("other client data", "/response/clientDataJSON"),
        ("another person's name", "/response/userHandle"),
        ("another credential", "/rawId"),
    ] {
        let bit = &mut |device: &mut Device, options: &str| {
            let mut reply: Value = serde_json::from_str(&device.plainly(options)).expect("JSON");
            let place = reply.pointer_mut(pointer).expect("a field");
            let mut bytes = data_encoding::BASE64URL_NOPAD.decode(text(place).as_bytes()).expect("base 64");
            *bytes.last_mut().expect("a byte") ^= 1;
            *place = json!(data_encoding::BASE64URL_NOPAD.encode(&bytes));
            reply.to_string()
        };
        refused(what, bit, &mut device).await;
    }
    for odd in ["{", "{}", "{\"id\":\"a\"}", "[]", "", "000000"] {
        refused(odd, &mut |_: &mut Device, _: &str| odd.to_owned(), &mut device).await;
    }
    let long =
        &mut |device: &mut Device, options: &str| format!("{}{}", device.plainly(options), " ".repeat(16 * 1024));
    refused("longer than any", long, &mut device).await;
}

pub async fn a_passkey_lets_nobody_else_in_and_is_nobody_elses(it: TestDb) {
    let house = House::over(it).await;
    let (one, mut device) = owner(&house, "one").await;
    let (two, mut other) = owner(&house, "two").await;
    let (id, options) = asked(&house, &one, "an act").await;
    let reply = other.plainly(&options);
    assert!(!gives(&house, &one, "an act", (&id, &reply)).await, "another account's passkey");
    other.handle.clone_from(&device.handle);
    let reply = other.plainly(&options);
    assert!(!gives(&house, &one, "an act", (&id, &reply)).await, "under the name of this one");
    let (id, options) = alone(&house).await;
    let reply = other.plainly(&options);
    assert!(enters_alone(&house, (&id, &reply)).await.is_none(), "the name of another");
    // A device that was shown to one account is not taken for another one.
    let (id, options) = asked(&house, &two, "an act").await;
    let reply = device.plainly(&options);
    assert!(!gives(&house, &two, "an act", (&id, &reply)).await);
    let challenge = passkeys::begin(&house.app, &one, "Twice", password()).await;
    assert!(matches!(challenge, Err(OpError::ProofNeeded)));
    let row = passkeys::list(&house.app, &two).await.expect("it reads").pop().expect("one");
    let proved = proved(&house, &one, &mut device).await;
    assert!(matches!(passkeys::remove(&house.app, &proved, row.id).await, Err(OpError::NotFound(_))));
    let row = passkeys::list(&house.app, &one).await.expect("it reads").pop().expect("one");
    let (id, options) = asked(&house, &one, "an act").await;
    let reply = device.plainly(&options);
    passkeys::remove(&house.app, &proved, row.id).await.expect("it is removed");
    assert!(!gives(&house, &one, "an act", (&id, &reply)).await, "one that was removed");
    let (id, options) = alone(&house).await;
    let reply = device.plainly(&options);
    assert!(enters_alone(&house, (&id, &reply)).await.is_none(), "one that was removed");
}

/// The same person, after a proof.
async fn proved(house: &House, person: &Person, device: &mut Device) -> Person {
    let (id, options) = asked(house, person, "to prove").await;
    let reply = device.plainly(&options);
    let cookie = proofs::give(&house.app, person, "to prove", (&id, &reply)).await.expect("looked at").expect("right");
    person_of(house, &cookie).await
}

pub async fn a_counter_that_goes_back_is_refused(it: TestDb) {
    let house = House::over(it).await;
    let (person, mut device) = owner(&house, "one").await;
    let (first, first_options) = asked(&house, &person, "an act").await;
    let (next, next_options) = asked(&house, &person, "an act").await;
    let (before, after) = (device.plainly(&first_options), device.plainly(&next_options));
    assert!(gives(&house, &person, "an act", (&next, &after)).await);
    assert!(!gives(&house, &person, "an act", (&first, &before)).await, "its counter is lower than the last one");
    let later = device.plainly(&first_options);
    assert!(gives(&house, &person, "an act", (&first, &later)).await);
}

static CHALLENGE: Stmt = Stmt::both("challenge.detail", include_str!("sql/challenge_detail.sql"));

pub async fn an_edited_or_moved_passkey_or_challenge_is_worth_nothing(it: TestDb) {
    let house = House::over(it).await;
    let (one, mut device) = owner(&house, "one").await;
    let (two, mut other) = owner(&house, "two").await;
    let row = async |person: &Person| passkeys::list(&house.app, person).await.expect("it reads").pop().expect("one");
    let (mine, theirs) = (row(&one).await, row(&two).await);
    let script = |text: &str| {
        let text = text.replace("MINE", &mine.id.to_string()).replace("THEIRS", &theirs.id.to_string());
        text.replace("USER", &one.user.to_string()).replace("PUBLIC", &theirs.public)
    };
    let parts: Vec<_> = include_str!("sql/passkeys.sql").split("-- next\n").map(script).collect();
    let [edited, moved] = parts.as_slice() else { panic!("two scripts") };
    // The public key of another device in the row of this one: its check is over what it had.
    house.edit(edited).await;
    other.credential.clone_from(&device.credential);
    let (id, options) = asked(&house, &one, "an act").await;
    assert!(!options.contains(&device.credential), "nobody is asked for it");
    let reply = device.plainly(&options);
    assert!(!gives(&house, &one, "an act", (&id, &reply)).await, "an edited row");
    // The whole row of another person, said to be this one's.
    house.edit(moved).await;
    let mut thief = Device { handle: device.handle.clone(), ..other };
    thief.credential = data_encoding::BASE64URL_NOPAD.encode(&theirs.credential_id);
    let (id, options) = asked(&house, &one, "an act").await;
    let reply = thief.plainly(&options);
    assert!(!gives(&house, &one, "an act", (&id, &reply)).await, "a row that was moved");
    let (id, options) = alone(&house).await;
    let reply = thief.plainly(&options);
    assert!(enters_alone(&house, (&id, &reply)).await.is_none(), "a row that was moved");

    // What one challenge keeps of its ceremony opens for no other one.
    let (three, mut device) = owner(&house, "three").await;
    let (old, old_options) = asked(&house, &three, "an act").await;
    let reply = device.plainly(&old_options);
    let (new, _) = asked(&house, &three, "another act").await;
    let mut conn = house.app.db.read().await.expect("a connection");
    let kept = conn.row(&CHALLENGE, &[Val::Text(&old)]).await.expect("it reads").expect("a row");
    let kept = kept.text("detail").expect("a text").to_owned();
    drop(conn);
    house.edit(&include_str!("sql/challenge_moved.sql").replace("DETAIL", &kept).replace("CHALLENGE", &new)).await;
    assert!(!gives(&house, &three, "another act", (&new, &reply)).await, "a ceremony that was moved");
    assert!(gives(&house, &three, "an act", (&old, &reply)).await);
}

pub async fn adding_needs_the_password_and_a_proof_and_removing_a_proof(it: TestDb) {
    let house = House::over(it).await;
    let cookie = signed_up(&house, "one").await;
    let person = person_of(&house, &cookie).await;
    let wrong = passkeys::begin(&house.app, &person, "Laptop", SecretText::new("another".to_owned())).await;
    assert!(matches!(wrong, Err(OpError::Field { field: "password", .. })));
    for (name, is_fine) in [("", false), (" ", false), ("a", true), (&*"n".repeat(60), true), (&*"n".repeat(61), false)]
    {
        let begun = passkeys::begin(&house.app, &person, name, password()).await;
        assert_eq!(begun.is_ok(), is_fine, "{name:?}");
        assert_eq!(matches!(begun, Err(OpError::Field { field: "name", .. })), !is_fine, "{name:?}");
    }
    let mut device = add(&house, &person, "Laptop").await.expect("it is added");
    let person = person_of(&house, &cookie).await;
    assert!(matches!(add(&house, &person, "Phone").await, Err(OpError::ProofNeeded)));
    let row = passkeys::list(&house.app, &person).await.expect("it reads").pop().expect("one");
    assert!(matches!(passkeys::remove(&house.app, &person, row.id).await, Err(OpError::ProofNeeded)));
    let person = proved(&house, &person, &mut device).await;
    let challenge = passkeys::begin(&house.app, &person, "Phone", password()).await.expect("it begins");
    assert!(challenge.options.contains(&device.credential), "the device is told that it has one");
    let mut phone = Device::new();
    let reply = phone.create(&challenge.options);
    let stranger = person_of(&house, &signed_up(&house, "two").await).await;
    let id = challenge.id.to_string();
    let theirs = passkeys::confirm(&house.app, &stranger, (&id, &reply)).await;
    assert!(matches!(theirs, Err(OpError::Conflict { code: "passkey_refused", .. })), "another person's ceremony");
    passkeys::confirm(&house.app, &person, (&id, &reply)).await.expect("it is added");
    let twice = passkeys::confirm(&house.app, &person, (&id, &reply)).await;
    assert!(matches!(twice, Err(OpError::Conflict { code: "passkey_refused", .. })), "once");
    let letters = house.app.kept_letters().await.expect("they are kept");
    let added = letters.iter().filter(|(letter, _)| letter.subject == "A passkey was added").count();
    assert_eq!(added, 2);
    passkeys::remove(&house.app, &person, row.id).await.expect("it is removed");
    let letters = house.app.kept_letters().await.expect("they are kept");
    assert!(letters.iter().any(|(letter, _)| letter.subject == "A passkey was removed"));
    assert_eq!(passkeys::list(&house.app, &person).await.expect("it reads").len(), 1);
}

pub async fn answers_with_a_passkey_are_counted_like_codes(it: TestDb) {
    let house = House::over(it).await;
    let (person, mut device) = owner(&house, "one").await;
    let (id, options) = asked(&house, &person, "an act").await;
    for _ in 0..5 {
        assert!(!gives(&house, &person, "an act", (&id, "{}")).await);
    }
    let right = device.plainly(&options);
    let sixth = proofs::give(&house.app, &person, "an act", (&id, &right)).await;
    assert!(matches!(sixth, Ok(None)), "five tries of a challenge, though it is right");
    let (id, options) = asked(&house, &person, "an act").await;
    for _ in 0..4 {
        assert!(!gives(&house, &person, "an act", (&id, "{}")).await);
    }
    let right = device.plainly(&options);
    let tenth = proofs::give(&house.app, &person, "an act", (&id, &right)).await;
    assert!(matches!(tenth, Err(OpError::TooMany)), "nine of an account in an hour");
}

pub async fn an_account_has_ten_passkeys_at_most(it: TestDb) {
    let house = House::over(it).await;
    let (mut person, mut device) = owner(&house, "one").await;
    person = proved(&house, &person, &mut device).await;
    let mut late = Device::new();
    let waiting = passkeys::begin(&house.app, &person, "Late", password()).await.expect("it begins");
    let reply = late.create(&waiting.options);
    for number in 2..=10 {
        add(&house, &person, &format!("Device {number}")).await.expect("it is added");
    }
    let more = add(&house, &person, "Eleventh").await;
    assert!(matches!(more, Err(OpError::Conflict { code: "passkeys_max", .. })));
    let more = passkeys::confirm(&house.app, &person, (&waiting.id.to_string(), &reply)).await;
    assert!(matches!(more, Err(OpError::Conflict { code: "passkeys_max", .. })), "begun when there were fewer");
}

pub async fn without_the_consoles_address_no_password_becomes_enough(it: TestDb) {
    let house = House::over(it).await;
    let (person, _) = owner(&house, "one").await;
    let asked = means::Means { may_ask_passkey: false, ..person.means.clone() };
    assert_eq!((asked.first(), asked.instead()), (Some(Factor::Passkey), None));
    let plan = Plan { console_url: None, ..Plan::default() };
    let house = house.restarted(&plan).await.expect("it starts");
    let signed_in = people::sign_in(&house.app, "one@proofs.example", password(), HERE).await;
    assert!(matches!(signed_in, Err(OpError::Conflict { code: "no_passkeys", .. })));
    let begun = people::begin_passkey_sign_in(&house.app, HERE).await;
    assert!(matches!(begun, Err(OpError::Conflict { code: "no_passkeys", .. })));
}
