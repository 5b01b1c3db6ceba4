//! Codes and how often they may be guessed; the rules of a team that no page shows.

use std::net::{IpAddr, Ipv4Addr};

use keymint_app::ops::accounts::{self, SignUp};
use keymint_app::ops::people::{self, Person};
use keymint_app::ops::proofs::{self, Factor};
use keymint_app::ops::{Actor, OpError, Proof, team};
use keymint_domain::id::MerchantId;
use keymint_domain::role::{Act, Role};
use keymint_domain::secret::SecretText;
use keymint_store::sql::{Stmt, Val};
use keymint_testkit::TestDb;

use crate::house::House;

pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
pub const PHONE: &str = "+919876500001";
pub const PASSWORD: &str = "otter battery lamp canyon";

/// The newest code to somebody.
pub async fn code_to(house: &House, to: &str) -> String {
    let letters = house.app.kept_letters().await.expect("they are kept");
    let (_, text) = letters.iter().find(|(letter, _)| letter.recipient == to).expect("a letter");
    let mut words = text.expose().split(|character: char| !character.is_ascii_digit());
    words.find(|word| word.len() >= 6).expect("a code").to_owned()
}

/// Someone with an account and a merchant: what their cookie holds.
pub async fn signed_up(house: &House, name: &str) -> SecretText {
    let email = format!("{name}@proofs.example");
    let new = SignUp {
        name: name.to_owned(),
        business: format!("{name} Ltd"),
        email: email.clone(),
        country: "IN".to_owned(),
        phone: String::new(),
        password: SecretText::new(PASSWORD.to_owned()),
    };
    let challenge = accounts::sign_up(&house.app, new, HERE).await.expect("it begins");
    let (id, code) = (challenge.id.to_string(), code_to(house, &email).await);
    accounts::confirm_sign_up(&house.app, (&id, &code), HERE).await.expect("it ends").expect("right")
}

/// Someone with an account, a merchant and a phone that is verified.
pub async fn person(house: &House, name: &str) -> Person {
    let cookie = signed_up(house, name).await;
    let signed_in = people::person_of(&house.app, cookie.expose()).await.expect("it reads").expect("signed in");
    house.clock.pass_ms(1);
    let password = SecretText::new(PASSWORD.to_owned());
    let challenge = accounts::begin_phone(&house.app, &signed_in, PHONE, password).await.expect("it begins");
    let (id, code) = (challenge.id.to_string(), code_to(house, PHONE).await);
    assert!(accounts::confirm_phone(&house.app, &signed_in, (&id, &code)).await.expect("looked at"));
    people::person_of(&house.app, cookie.expose()).await.expect("it reads").expect("signed in")
}

/// A challenge to this person about an act, and its code.
pub async fn asked(house: &House, person: &Person, act: &str) -> (String, String) {
    // Letters of one moment have no order.
    house.clock.pass_ms(1);
    let who = (person.user, Some(person.session));
    let challenge = proofs::ask(&house.app, who, (Factor::SentCode, Some(PHONE)), act).await.expect("it is asked");
    (challenge.id.to_string(), code_to(house, PHONE).await)
}

pub fn other(code: &str, n: usize) -> String {
    let number = (code.parse::<usize>().expect("digits") + 1 + n) % 1_000_000;
    format!("{number:06}")
}

pub async fn of_ten_thousand_guesses_at_one_challenge_five_are_looked_at(it: TestDb) {
    let house = House::over(it).await;
    let person = person(&house, "guess").await;
    let (id, code) = asked(&house, &person, "an act").await;
    // The right code is among them, late: it must not open any more. Every way that takes an answer is used.
    let guesses = (0..10_000).map(|n| {
        let (app, person, id) = (house.app.clone(), person.clone(), id.clone());
        let guess = if n < 50 { other(&code, n) } else { code.clone() };
        tokio::spawn(async move {
            match n % 3 {
                0 => people::sign_in_second(&app, (&id, &guess), HERE).await.map(|found| found.is_some()),
                1 => accounts::confirm_phone(&app, &person, (&id, &guess)).await,
                _ => proofs::give(&app, &person, "an act", (&id, &guess)).await.map(|found| found.is_some()),
            }
        })
    });
    let mut opened = 0;
    for guess in guesses.collect::<Vec<_>>() {
        opened += usize::from(guess.await.expect("it ends").unwrap_or(false));
    }
    assert!(opened <= 1, "a code is good once");
    let mut conn = house.app.db.read().await.expect("a connection");
    let row = conn.row(&TRIES, &[Val::Text(&id)]).await.expect("it reads").expect("a row");
    drop(conn);
    assert!(row.int("tries").expect("a number") <= 5);
    assert!(matches!(
        proofs::give(&house.app, &person, "an act", (&id, &code)).await,
        Ok(None) | Err(OpError::TooMany)
    ));
}

static TRIES: Stmt = Stmt::both("challenge.tries", include_str!("sql/tries.sql"));

pub async fn an_account_has_nine_tries_in_an_hour_over_all_its_challenges(it: TestDb) {
    let house = House::over(it).await;
    let person = person(&house, "hour").await;
    for (round, tries) in [5, 4].into_iter().enumerate() {
        let (id, code) = asked(&house, &person, "an act").await;
        for n in 0..tries {
            let tried = proofs::give(&house.app, &person, "an act", (&id, &other(&code, n))).await;
            assert!(matches!(tried, Ok(None)), "try {n} of challenge {round}");
        }
    }
    let (id, code) = asked(&house, &person, "an act").await;
    let tenth = proofs::give(&house.app, &person, "an act", (&id, &code)).await;
    assert!(matches!(tenth, Err(OpError::TooMany)), "though it is right");
    house.clock.pass_seconds(3600);
    let (id, code) = asked(&house, &person, "an act").await;
    assert!(proofs::give(&house.app, &person, "an act", (&id, &code)).await.expect("looked at").is_some());
}

pub async fn a_challenge_is_dead_after_ten_minutes(it: TestDb) {
    let house = House::over(it).await;
    let person = person(&house, "late").await;
    let (id, code) = asked(&house, &person, "an act").await;
    house.clock.pass_seconds(10 * 60);
    assert!(proofs::give(&house.app, &person, "an act", (&id, &code)).await.expect("looked at").is_none());
    let (id, code) = asked(&house, &person, "an act").await;
    house.clock.pass_seconds(10 * 60 - 1);
    assert!(proofs::give(&house.app, &person, "another act", (&id, &code)).await.expect("looked at").is_none());
    assert!(proofs::give(&house.app, &person, "an act", (&id, &code)).await.expect("looked at").is_some());
    assert!(proofs::give(&house.app, &person, "an act", (&id, &code)).await.expect("looked at").is_none(), "once");
}

pub fn owner_of(person: &Person, proof: Proof) -> (MerchantId, Actor) {
    let merchant = person.memberships.first().expect("one").merchant_id;
    (merchant, Actor::Member(person.user, merchant, Role::Owner, proof))
}

pub async fn nobody_changes_their_own_role_and_one_owner_stays(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "one").await, person(&house, "two").await);
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let code = |result: Result<(), OpError>| match result {
        Err(OpError::Conflict { code, .. }) => code.to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!(
        code(team::set_role(&house.app, owner, merchant, one.user, Some(Role::Viewer.into())).await),
        "own_role"
    );
    assert_eq!(code(team::set_role(&house.app, owner, merchant, one.user, None).await), "own_role");
    let invited = team::invite(&house.app, owner, merchant, &one, (&two.email, Role::Admin.into())).await;
    invited.expect("invited");
    let open = team::invitations_to(&house.app, &two).await.expect("it reads");
    let id = open.first().expect("one").id;
    house.clock.pass_seconds(7 * 24 * 3600);
    let late = team::answer(&house.app, &two, id, team::Answer::Accept).await;
    assert!(matches!(late, Err(OpError::NotFound(_))), "after seven days");
    let again = team::invite(&house.app, owner, merchant, &one, (&two.email, Role::Admin.into())).await;
    again.expect("invited again");
    assert!(matches!(team::answer(&house.app, &two, id, team::Answer::Accept).await, Err(OpError::NotFound(_))));
    let open = team::invitations_to(&house.app, &two).await.expect("it reads");
    team::answer(&house.app, &two, open.first().expect("one").id, team::Answer::Accept).await.expect("joined");
    let admin = Actor::Member(two.user, merchant, Role::Admin, Proof::Fresh);
    let by_admin = team::set_role(&house.app, admin, merchant, one.user, Some(Role::Viewer.into())).await;
    assert!(matches!(by_admin, Err(OpError::Forbidden)), "an admin does not manage the team");
    let system = Actor::System;
    assert_eq!(
        code(team::set_role(&house.app, system, merchant, one.user, Some(Role::Admin.into())).await),
        "last_owner"
    );
    assert_eq!(code(team::set_role(&house.app, system, merchant, one.user, None).await), "last_owner");
    team::set_role(&house.app, owner, merchant, two.user, Some(Role::Owner.into())).await.expect("changed");
    team::leave(&house.app, &one, merchant).await.expect("two owners, so one may leave");
    assert_eq!(code(team::leave(&house.app, &two, merchant).await), "last_owner");
}

pub async fn what_is_needed_again_after_a_quarter_of_an_hour(it: TestDb) {
    let house = House::over(it).await;
    let person = person(&house, "fresh").await;
    let (id, code) = asked(&house, &person, "an act").await;
    let given = proofs::give(&house.app, &person, "an act", (&id, &code)).await.expect("looked at").expect("right");
    let (merchant, _) = owner_of(&person, Proof::Missing);
    let may = async || {
        let person = people::person_of(&house.app, given.expose()).await.expect("it reads").expect("signed in");
        person.actor(merchant).expect("a member").require(Act::ManageLiveCredentials)
    };
    assert!(may().await.is_ok());
    house.clock.pass_seconds(15 * 60 - 1);
    assert!(may().await.is_ok(), "to the second");
    house.clock.pass_seconds(1);
    assert!(matches!(may().await, Err(OpError::ProofNeeded)));
}

/// Whoever can write to the database can make nobody sign in, and nobody mightier (T56).
pub async fn an_edited_account_membership_session_or_invitation_is_worth_nothing(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "one").await, person(&house, "two").await);
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let viewer = team::invite(&house.app, owner, merchant, &one, (&two.email, Role::Viewer.into())).await;
    viewer.expect("invited");
    let open = async || team::invitations_to(&house.app, &two).await.expect("it reads").len();
    assert_eq!(open().await, 1);
    house.edit(include_str!("sql/invitation_edited.sql")).await;
    assert_eq!(open().await, 0, "an invitation that was edited");
    house.edit(include_str!("sql/invitation_restored.sql")).await;
    let id = team::invitations_to(&house.app, &two).await.expect("it reads").first().expect("one").id;
    team::answer(&house.app, &two, id, team::Answer::Accept).await.expect("joined");

    let cookie = async |name: &str| {
        let email = format!("{name}@proofs.example");
        let password = SecretText::new(PASSWORD.to_owned());
        // Letters of one moment have no order.
        house.clock.pass_ms(1);
        let asked = people::sign_in(&house.app, &email, password, HERE).await;
        let Some(people::SignedIn::Second(challenge)) = asked.expect("looked at") else { panic!("it has a phone") };
        let (id, code) = (challenge.challenge.id.to_string(), code_to(&house, PHONE).await);
        people::sign_in_second(&house.app, (&id, &code), HERE).await.expect("looked at").expect("right")
    };
    let roles = async |cookie: &SecretText| {
        let person = people::person_of(&house.app, cookie.expose()).await.expect("it reads").expect("signed in");
        person.memberships.iter().map(|one| (one.merchant_id, one.role)).collect::<Vec<_>>()
    };
    let session = cookie("two").await;
    assert!(roles(&session).await.contains(&(merchant, Role::Viewer)));
    house.edit(include_str!("sql/membership_edited.sql")).await;
    assert!(!roles(&session).await.iter().any(|(of, _)| *of == merchant), "an edited role is none");
    house.edit(include_str!("sql/membership_restored.sql")).await;
    house.edit(include_str!("sql/account_moved.sql")).await;
    let moved = people::sign_in(&house.app, "evil@proofs.example", SecretText::new(PASSWORD.to_owned()), HERE).await;
    assert!(matches!(moved, Err(OpError::Store(_))), "an account that was given another address");
    house.edit(include_str!("sql/account_restored.sql")).await;
    house.edit(include_str!("sql/account_unproved.sql")).await;
    let without = people::sign_in(&house.app, "one@proofs.example", SecretText::new(PASSWORD.to_owned()), HERE).await;
    assert!(matches!(without, Err(OpError::Store(_))), "an account whose second factor was taken away");
}
