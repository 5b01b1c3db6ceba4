//! Signing in, sessions and their ends, and what stands against guessing.

use std::net::{IpAddr, Ipv4Addr};

use keymint_app::ops::people::{self, NewPerson};
use keymint_app::ops::{Actor, OpError, Proof, apps, credentials};
use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Role;
use keymint_domain::secret::SecretText;
use keymint_testkit::TestDb;

use crate::house::{House, OPERATOR, new_app, plain};

const PASSWORD: &str = "a few words in a row";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));

async fn person(house: &House, merchant: MerchantId, name: &str, password: &str) -> Result<(), OpError> {
    let new = NewPerson {
        email: format!("{name}@people.example"),
        name: name.to_owned(),
        password: SecretText::new(password.to_owned()),
    };
    people::make(&house.app, OPERATOR, merchant, Role::Owner, new).await.map(|_| ())
}

async fn sign_in(house: &House, email: &str, password: &str, client: IpAddr) -> Result<Option<String>, OpError> {
    let signed_in = people::sign_in(&house.app, email, SecretText::new(password.to_owned()), client).await?;
    Ok(signed_in.map(|it| match it {
        people::SignedIn::Session(secret) => secret.expose().to_owned(),
        people::SignedIn::Second(challenge) => format!("{:?}", challenge.challenge),
    }))
}

async fn is_alive(house: &House, cookie: &str) -> bool {
    people::person_of(&house.app, cookie).await.expect("it reads").is_some()
}

pub async fn a_session_ends_when_idle_and_in_any_case(it: TestDb) {
    const MINUTE: i64 = 60;
    let house = House::over(it).await;
    let merchant = house.merchant("sessions").await;
    person(&house, merchant.id, "ann", PASSWORD).await.expect("an account");
    let enter = async || sign_in(&house, " Ann@People.Example ", PASSWORD, HERE).await.expect("looked at").expect("in");
    let idle = enter().await;
    house.clock.pass_seconds(30 * MINUTE);
    assert!(is_alive(&house, &idle).await, "to the second");
    house.clock.pass_seconds(30 * MINUTE + 1);
    assert!(!is_alive(&house, &idle).await);
    let busy = enter().await;
    for _ in 0..36 {
        house.clock.pass_seconds(20 * MINUTE);
        assert!(is_alive(&house, &busy).await, "it is in use");
    }
    house.clock.pass_seconds(1);
    assert!(!is_alive(&house, &busy).await, "twelve hours are over");
    let (one, other) = (enter().await, enter().await);
    assert_ne!(one, other, "each sign-in has its own");
    let person = people::person_of(&house.app, &one).await.expect("it reads").expect("signed in");
    people::sign_out(&house.app, &person).await.expect("it ends");
    assert_eq!((is_alive(&house, &one).await, is_alive(&house, &other).await), (false, true));
    for odd in ["", "kms_", &other[..other.len() - 1], &format!("{other}0"), &other.replace("kms_", "kmt_")] {
        assert!(!is_alive(&house, odd).await, "{odd}");
    }
}

pub async fn guesses_are_counted_for_account_and_address_together(it: TestDb) {
    let house = House::over(it).await;
    let merchant = house.merchant("guesses").await;
    person(&house, merchant.id, "bob", PASSWORD).await.expect("an account");
    let email = "bob@people.example";
    for wrong in ["A few words in a row", "a few words in a ro", "a few words in a row ", "", "x"] {
        assert_eq!(sign_in(&house, email, wrong, HERE).await.expect("looked at"), None, "{wrong}");
        assert_eq!(sign_in(&house, email, wrong, HERE).await.expect("looked at"), None, "{wrong}");
    }
    assert!(matches!(sign_in(&house, email, PASSWORD, HERE).await, Err(OpError::TooMany)), "the right one as well");
    assert!(matches!(sign_in(&house, "BOB@people.example", PASSWORD, HERE).await, Err(OpError::TooMany)));
    assert!(sign_in(&house, email, PASSWORD, THERE).await.expect("looked at").is_some(), "the owner is not locked out");
    assert_eq!(sign_in(&house, "nobody@people.example", PASSWORD, HERE).await.expect("looked at"), None);
    house.clock.pass_seconds(30 * 60);
    assert!(sign_in(&house, email, PASSWORD, HERE).await.expect("looked at").is_some());
    for _ in 0..9 {
        assert_eq!(sign_in(&house, email, "x", HERE).await.expect("looked at"), None);
    }
    assert!(sign_in(&house, email, PASSWORD, HERE).await.expect("looked at").is_some(), "the tenth is right");
    assert_eq!(sign_in(&house, email, "x", HERE).await.expect("looked at"), None, "and wipes out the nine");
}

pub async fn a_flood_of_sign_ins_is_shed(it: TestDb) {
    let house = House::over(it).await;
    let tries = (0..200_u8).map(|n| {
        let app = house.app.clone();
        let client = IpAddr::V4(Ipv4Addr::new(198, 51, 100, n));
        tokio::spawn(async move {
            people::sign_in(&app, "flood@people.example", SecretText::new(PASSWORD.to_owned()), client).await
        })
    });
    let (mut looked_at, mut shed) = (0, 0);
    for each in tries.collect::<Vec<_>>() {
        match each.await.expect("it ends") {
            Ok(None) => looked_at += 1,
            Err(OpError::Busy) => shed += 1,
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    assert!(looked_at >= 32 && shed > 0, "{looked_at} looked at, {shed} shed");
}

pub async fn passwords_have_a_length_and_accounts_an_address_of_their_own(it: TestDb) {
    let house = House::over(it).await;
    let merchant = house.merchant("rules").await;
    let refused = async |name: &str, password: &str| match person(&house, merchant.id, name, password).await {
        Err(OpError::Field { field, .. }) => field.to_owned(),
        Err(OpError::Conflict { code, .. }) => code.to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!(refused("short", "fourteen chars").await, "password");
    assert_eq!(refused("long", &"x".repeat(257)).await, "password");
    for easy in
        ["passwordpassword", "aaaaaaaaaaaaaaaaaaaa", "123456789012345678", "qwertyuiopasdfghjkl", "easyeasyeasyeasy"]
    {
        assert_eq!(refused("easy", easy).await, "password", "{easy}");
    }
    assert_eq!(refused("a b", PASSWORD).await, "email");
    person(&house, merchant.id, "fifteen", "ox tin 7 gym fe").await.expect("an account");
    person(&house, merchant.id, "longest", &"otter battery lamp canyon rhubarb".repeat(8)[..256])
        .await
        .expect("an account");
    assert_eq!(refused("FIFTEEN", PASSWORD).await, "email_taken");
    let foreign =
        Actor::Member("usr_00000000000000000000000000".parse().expect("an id"), merchant.id, Role::Owner, Proof::Fresh);
    let new =
        NewPerson { email: "c@people.example".into(), name: "c".into(), password: SecretText::new(PASSWORD.into()) };
    let made = people::make(&house.app, foreign, merchant.id, Role::Owner, new).await;
    assert!(matches!(made, Err(OpError::Forbidden)), "an owner is no operator");
}

/// The wall between merchants and the table of roles, by the use cases themselves: no page stands in between.
pub async fn members_do_what_their_role_may_at_their_own_merchant(it: TestDb) {
    let house = House::over(it).await;
    let (own, app) = house.approved("keymint", "own").await;
    let (_, foreign) = house.approved("keymint", "foreign").await;
    for role in Role::ALL {
        let actor = Actor::Member("usr_00000000000000000000000000".parse().expect("an id"), own, role, Proof::Fresh);
        let outcome = async |id, mode| match credentials::issue(&house.app, actor, id, &plain(mode), None).await {
            Ok(_) => "made",
            Err(OpError::Forbidden) => "forbidden",
            Err(OpError::NotFound(_)) => "not found",
            Err(_) => "other",
        };
        let wanted = match role {
            Role::Owner | Role::Admin => ("made", "made"),
            Role::Developer => ("made", "forbidden"),
            Role::Viewer | Role::Custom(..) => ("forbidden", "forbidden"),
        };
        assert_eq!((outcome(app, Mode::Test).await, outcome(app, Mode::Live).await), wanted, "{role:?}");
        assert_eq!(outcome(foreign, Mode::Test).await, "not found", "{role:?}");
        let registered = apps::make(&house.app, actor, own, &new_app("kpay", &role.to_string()), None).await;
        assert_eq!(registered.is_ok(), role != Role::Viewer, "{role:?}");
        assert!(apps::list(&house.app, actor, own, "", 10).await.is_ok(), "{role:?} sees");
    }
}
