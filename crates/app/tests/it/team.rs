//! A team: roles of the merchant's own, owners, what the merchant asks of everybody, and people who are locked out.

use keymint_app::ops::means::Means;
use keymint_app::ops::people::{self, Person};
use keymint_app::ops::team::Answer;
use keymint_app::ops::{Actor, OpError, Proof, apps, audit, proofs, roles, team};
use keymint_app::store_types::{Activation, NamedRole};
use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
use keymint_domain::reason::DenyReason;
use keymint_domain::role::{Act, Acts, Role};
use keymint_domain::secret::SecretText;
use keymint_testkit::TestDb;

use crate::house::{House, OPERATOR, new_app, plain};
use crate::proofs::{HERE, PASSWORD, PHONE, asked, code_to, other, owner_of, person};

fn code<T: std::fmt::Debug>(result: Result<T, OpError>) -> String {
    match result {
        Err(OpError::Conflict { code, .. }) => code.to_owned(),
        Err(OpError::Field { field, .. }) => field.to_owned(),
        other => format!("{other:?}"),
    }
}

async fn join(house: &House, (owner, merchant): (&Person, MerchantId), who: &Person, role: NamedRole) {
    let actor = Actor::Member(owner.user, merchant, Role::Owner, Proof::Fresh);
    team::invite(&house.app, actor, merchant, owner, (&who.email, role)).await.expect("invited");
    let open = team::invitations_to(&house.app, who).await.expect("it reads");
    let id = open.iter().find(|one| one.merchant_id == merchant).expect("one").id;
    team::answer(&house.app, who, id, Answer::Accept).await.expect("joined");
}

/// A new session of somebody, by password and by the code to the phone.
async fn signed_in(house: &House, email: &str) -> Result<SecretText, OpError> {
    // Letters of one moment have no order.
    house.clock.pass_ms(1);
    let password = SecretText::new(PASSWORD.to_owned());
    match people::sign_in(&house.app, email, password, HERE).await?.expect("the right password") {
        people::SignedIn::Session(secret) => Ok(secret),
        people::SignedIn::Second(people::Second { challenge, .. }) => {
            let answer = (challenge.id.to_string(), code_to(house, PHONE).await);
            let done = people::sign_in_second(&house.app, (&answer.0, &answer.1), HERE).await?;
            Ok(done.expect("the right code"))
        }
    }
}

async fn seen_by(house: &House, cookie: &SecretText) -> Option<Person> {
    people::person_of(&house.app, cookie.expose()).await.expect("it reads")
}

pub async fn a_role_of_the_merchants_own_holds_for_all_who_have_it_from_their_next_request_on(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "one").await, person(&house, "two").await);
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let acts = Acts::default().with(Act::SeeRequests);
    let id = roles::put(&house.app, owner, merchant, None, ("Support", acts)).await.expect("made");
    for taken in ["Support", "support", "owner", "Viewer"] {
        assert_eq!(code(roles::put(&house.app, owner, merchant, None, (taken, acts)).await), "name", "{taken}");
    }
    let found = roles::find(&house.app, merchant, &id.to_string()).await.expect("found");
    join(&house, (&one, merchant), &two, found).await;
    let cookie = signed_in(&house, &two.email).await.expect("signed in");
    let may = async |act: Act| {
        let person = seen_by(&house, &cookie).await.expect("signed in");
        person.actor(merchant).is_some_and(|actor| actor.require(act).is_ok())
    };
    assert!(may(Act::SeeRequests).await && !may(Act::ManageApps).await);
    assert!(!may(Act::ManageTeam).await && !may(Act::ManageLiveCredentials).await);
    let wider = acts.with(Act::ManageApps);
    roles::put(&house.app, owner, merchant, Some(id), ("Support", wider)).await.expect("changed");
    assert!(may(Act::ManageApps).await, "with the next request");
    assert_eq!(code(roles::remove(&house.app, owner, merchant, id).await), "role_in_use");
    let edits =
        [include_str!("sql/role_edited.sql"), include_str!("sql/role_nonsense.sql"), include_str!("sql/role_gone.sql")];
    for script in edits {
        house.edit(script).await;
        assert!(!may(Act::See).await, "a role that was edited in the database is none (T56): {script}");
        let (members, _) = team::list(&house.app, owner, merchant).await.expect("the team is still to be seen");
        assert_eq!(members.len(), 2);
    }
    team::set_role(&house.app, owner, merchant, two.user, Some(Role::Viewer.into())).await.expect("changed");
    assert!(may(Act::See).await && !may(Act::SeeRequests).await);
}

pub async fn who_may_not_manage_the_team_makes_no_role_and_another_merchants_is_none(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "one").await, person(&house, "two").await);
    let ((merchant, owner), (foreign, stranger)) = (owner_of(&one, Proof::Fresh), owner_of(&two, Proof::Fresh));
    let id = roles::put(&house.app, owner, merchant, None, ("Support", Acts::default())).await.expect("made");
    for role in [Role::Admin, Role::Developer, Role::Viewer, Role::Custom(id, Acts::default())] {
        let actor = Actor::Member(two.user, merchant, role, Proof::Fresh);
        let made = roles::put(&house.app, actor, merchant, None, ("Mine", Acts::default())).await;
        assert!(matches!(made, Err(OpError::Forbidden)), "{role:?}");
        let changed = roles::put(&house.app, actor, merchant, Some(id), ("Mine", Acts::default())).await;
        assert!(matches!(changed, Err(OpError::Forbidden)), "{role:?}");
    }
    let unproved = Actor::Member(one.user, merchant, Role::Owner, Proof::Missing);
    let made = roles::put(&house.app, unproved, merchant, None, ("Mine", Acts::default())).await;
    assert!(matches!(made, Err(OpError::ProofNeeded)));
    let changed = roles::put(&house.app, stranger, foreign, Some(id), ("Mine", Acts::default())).await;
    assert!(matches!(changed, Err(OpError::NotFound(_))), "another merchant's");
    assert!(matches!(roles::remove(&house.app, stranger, foreign, id).await, Err(OpError::NotFound(_))));
    assert_eq!(code(roles::find(&house.app, foreign, &id.to_string()).await), "role");
    for n in 1..20 {
        let name = format!("Role {n}");
        roles::put(&house.app, owner, merchant, None, (&name, Acts::default())).await.expect("made");
    }
    assert_eq!(
        code(roles::put(&house.app, owner, merchant, None, ("One more", Acts::default())).await),
        "too_many_roles"
    );
}

pub async fn a_merchant_has_three_owners_at_most_who_hear_of_each_other_and_the_first_one_stays(it: TestDb) {
    let house = House::over(it).await;
    let first = person(&house, "first").await;
    let (merchant, owner) = owner_of(&first, Proof::Fresh);
    let mut others = Vec::new();
    for name in ["second", "third", "fourth"] {
        others.push(person(&house, name).await);
    }
    let [second, third, fourth] = &others[..] else { panic!("three") };
    join(&house, (&first, merchant), second, Role::Owner.into()).await;
    join(&house, (&first, merchant), third, Role::Admin.into()).await;
    team::set_role(&house.app, owner, merchant, third.user, Some(Role::Owner.into())).await.expect("the third");
    let letters = house.app.kept_letters().await.expect("they are kept");
    let told = |to: &str| {
        letters
            .iter()
            .filter(|(letter, _)| letter.recipient == to && letter.subject.ends_with(": there is a new owner"))
            .count()
    };
    assert_eq!((told(&first.email), told(&second.email)), (2, 1), "owners are told of each new one");
    let invited = team::invite(&house.app, owner, merchant, &first, (&fourth.email, Role::Owner.into())).await;
    assert_eq!(code(invited), "too_many_owners");
    join(&house, (&first, merchant), fourth, Role::Admin.into()).await;
    let made = team::set_role(&house.app, owner, merchant, fourth.user, Some(Role::Owner.into())).await;
    assert_eq!(code(made), "too_many_owners");
    let by_second = Actor::Member(second.user, merchant, Role::Owner, Proof::Fresh);
    let changed = team::set_role(&house.app, by_second, merchant, first.user, Some(Role::Viewer.into())).await;
    assert_eq!(code(changed), "first_owner");
    assert_eq!(code(team::set_role(&house.app, by_second, merchant, first.user, None).await), "first_owner");
    team::set_role(&house.app, by_second, merchant, third.user, Some(Role::Viewer.into())).await.expect("any other");
}

/// Two invitations to the last free place: whoever comes second finds it taken.
pub async fn the_last_place_of_an_owner_is_given_once(it: TestDb) {
    let house = House::over(it).await;
    let first = person(&house, "first").await;
    let (merchant, owner) = owner_of(&first, Proof::Fresh);
    let (two, three) = (person(&house, "two").await, person(&house, "three").await);
    for invited in [&two, &three] {
        team::invite(&house.app, owner, merchant, &first, (&invited.email, Role::Owner.into())).await.expect("invited");
    }
    let four = person(&house, "four").await;
    let more = team::invite(&house.app, owner, merchant, &first, (&four.email, Role::Owner.into())).await;
    assert_eq!(code(more), "too_many_owners", "who is asked has a place already");
    join(&house, (&first, merchant), &four, Role::Admin.into()).await;
    team::set_role(&house.app, owner, merchant, four.user, Some(Role::Owner.into())).await.expect("a place is free");
    let answer = async |who: &Person| {
        let id = team::invitations_to(&house.app, who).await.expect("it reads").first().expect("one").id;
        team::answer(&house.app, who, id, Answer::Accept).await
    };
    answer(&two).await.expect("the third owner");
    assert_eq!(code(answer(&three).await), "too_many_owners");
}

pub async fn a_merchant_that_asks_a_second_factor_of_everybody_lets_nobody_in_without(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "one").await, person(&house, "two").await);
    let (merchant, _) = owner_of(&one, Proof::Fresh);
    join(&house, (&one, merchant), &two, Role::Developer.into()).await;
    let with = |word: &str| SecretText::new(word.to_owned());
    let unproved =
        team::set_rule(&house.app, (&Person { proved_at: None, ..one.clone() }, with(PASSWORD)), merchant, true).await;
    assert!(matches!(unproved, Err(OpError::ProofNeeded)));
    let one = seen_by(&house, &signed_in(&house, &one.email).await.expect("signed in")).await.expect("signed in");
    let wrong = team::set_rule(&house.app, (&one, with("another password, quite long")), merchant, true).await;
    assert_eq!(code(wrong), "password");
    let cookie = signed_in(&house, &two.email).await.expect("signed in");
    let by_developer = seen_by(&house, &cookie).await.expect("signed in");
    let refused = team::set_rule(&house.app, (&by_developer, with(PASSWORD)), merchant, true).await;
    assert!(matches!(refused, Err(OpError::Forbidden)));
    team::set_rule(&house.app, (&one, with(PASSWORD)), merchant, true).await.expect("set");
    let two = seen_by(&house, &cookie).await.expect("signed in");
    assert!(two.actor(merchant).is_some(), "whoever gave a second factor goes in");
    let own = two.memberships.iter().find(|one| one.merchant_id != merchant).expect("its own").merchant_id;
    let before = Person { proved_at: None, ..two.clone() };
    assert!(before.actor(merchant).is_none() && before.actor(own).is_some(), "a session from before gave none");
    let bare = Person { means: Means::default(), ..two };
    assert!(bare.actor(merchant).is_none() && bare.actor(own).is_some(), "and this person has none");
}

pub async fn a_member_who_is_locked_out_is_let_in_again_by_an_owner(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "one").await, person(&house, "two").await);
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    join(&house, (&one, merchant), &two, Role::Developer.into()).await;
    let locked = async || {
        let (members, _) = team::list(&house.app, owner, merchant).await.expect("it reads");
        team::locked(&house.app, &members).await.expect("it reads")
    };
    for tries in [5, 4] {
        assert!(locked().await.is_empty());
        let (id, code) = asked(&house, &two, "an act").await;
        for n in 0..tries {
            let tried = proofs::give(&house.app, &two, "an act", (&id, &other(&code, n))).await;
            assert!(matches!(tried, Ok(None)), "try {n}");
        }
    }
    assert_eq!(locked().await, [two.user]);
    let (id, right) = asked(&house, &two, "an act").await;
    let tenth = proofs::give(&house.app, &two, "an act", (&id, &right)).await;
    assert!(matches!(tenth, Err(OpError::TooMany)), "the tenth is refused, though it is right");
    assert_eq!(code(team::unlock(&house.app, owner, merchant, one.user).await), "own_role");
    let admin = Actor::Member(two.user, merchant, Role::Admin, Proof::Fresh);
    assert!(matches!(team::unlock(&house.app, admin, merchant, one.user).await, Err(OpError::Forbidden)));
    team::unlock(&house.app, owner, merchant, two.user).await.expect("unlocked");
    assert!(locked().await.is_empty());
    let (id, right) = asked(&house, &two, "an act").await;
    assert!(proofs::give(&house.app, &two, "an act", (&id, &right)).await.expect("looked at").is_some());
}

pub async fn an_owner_resets_the_factors_of_a_member_of_this_team_alone(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "one").await, person(&house, "two").await);
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let (own, _) = owner_of(&two, Proof::Fresh);
    join(&house, (&one, merchant), &two, Role::Owner.into()).await;
    let reset = async || team::reset_factors(&house.app, owner, merchant, two.user).await;
    assert_eq!(code(reset().await), "is_owner");
    team::set_role(&house.app, owner, merchant, two.user, Some(Role::Admin.into())).await.expect("changed");
    assert_eq!(code(reset().await), "other_teams", "another merchant relies on them too");
    house.edit(&include_str!("sql/membership_gone.sql").replace("MERCHANT", &own.to_string())).await;
    let cookie = signed_in(&house, &two.email).await.expect("signed in");
    assert!(seen_by(&house, &cookie).await.is_some());
    reset().await.expect("reset");
    assert!(seen_by(&house, &cookie).await.is_none(), "every sign-in has ended");
    let again = signed_in(&house, &two.email).await.expect("by the password alone");
    let two = seen_by(&house, &again).await.expect("signed in");
    assert!(two.means.first().is_none() && two.proved_at.is_none());
}

pub async fn what_a_viewer_looks_at_is_written_down_and_of_nobody_else(it: TestDb) {
    let house = House::over(it).await;
    let one = person(&house, "one").await;
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let pages = async || {
        let rows = audit::list(&house.app, owner, i64::MAX, 50).await.expect("it reads");
        rows.into_iter()
            .filter(|row| row.action == "page.viewed")
            .map(|row| (row.actor, row.subject))
            .collect::<Vec<_>>()
    };
    for role in [Role::Owner, Role::Admin, Role::Developer] {
        let actor = Actor::Member(one.user, merchant, role, Proof::Missing);
        people::note_view(&house.app, actor, "/apps/a").await.expect("nothing to note");
    }
    assert!(pages().await.is_empty());
    let viewer = Actor::Member(one.user, merchant, Role::Viewer, Proof::Missing);
    people::note_view(&house.app, viewer, "/apps/a/keys").await.expect("noted");
    assert_eq!(pages().await, [(format!("user:{}", one.user), "/apps/a/keys".to_owned())]);
    for _ in 1..people::VIEWS_MAX {
        people::note_view(&house.app, viewer, "/apps/a").await.expect("noted");
    }
    let refused = people::note_view(&house.app, viewer, "/apps/a").await;
    assert!(matches!(refused, Err(OpError::TooMany)), "nobody fills the audit log by looking");
    house.clock.pass_seconds(31 * 60);
    people::note_view(&house.app, viewer, "/apps/a").await.expect("noted again");
}

pub async fn owners_and_admins_hear_of_live_keys_and_of_live_mode_and_of_no_test_key(it: TestDb) {
    let house = House::over(it).await;
    let (one, two, three) = (person(&house, "one").await, person(&house, "two").await, person(&house, "three").await);
    let (merchant, _) = owner_of(&one, Proof::Fresh);
    join(&house, (&one, merchant), &two, Role::Admin.into()).await;
    join(&house, (&one, merchant), &three, Role::Developer.into()).await;
    let heard = async |words: &str| {
        let letters = house.app.kept_letters().await.expect("they are kept");
        let ours = letters.iter().filter(|(letter, _)| letter.subject.ends_with(words));
        let mut to: Vec<_> = ours.map(|(letter, _)| letter.recipient.clone()).collect();
        to.sort_unstable();
        to
    };
    let both = [one.email.clone(), two.email.clone()];
    house.activate(merchant, Activation::Approved).await;
    assert_eq!(heard("live mode was decided about").await, both);
    let app = apps::make(&house.app, OPERATOR, merchant, &new_app("keymint", "heard"), None).await.expect("made").id;
    let test = house.issue(app, &plain(Mode::Test)).await.expect("issued");
    house.revoke(&test.key_id).await;
    assert!(heard("a live key was generated").await.is_empty() && heard("a live key was revoked").await.is_empty());
    let live = house.issue(app, &plain(Mode::Live)).await.expect("issued");
    assert_eq!(heard("a live key was generated").await, both);
    let next = house.roll(&live.key_id, 0).await.expect("rolled");
    assert_eq!(heard("a live key was generated in the place of another").await, both);
    house.revoke(&next.key_id).await;
    house.revoke(&next.key_id).await;
    assert_eq!(heard("a live key was revoked").await, both, "once, though it was revoked twice");
    let letters = house.app.kept_letters().await.expect("they are kept");
    let named = |secret: &str| letters.iter().any(|(_, text)| text.expose().contains(secret));
    assert!(named(&live.key_id) && !named(&live.secret), "the key id, and never the secret");
}

pub async fn a_live_key_is_revoked_though_the_team_that_would_hear_of_it_cannot_be_read(it: TestDb) {
    let house = House::over(it).await;
    let one = person(&house, "one").await;
    let (merchant, _) = owner_of(&one, Proof::Fresh);
    house.activate(merchant, Activation::Approved).await;
    let app = apps::make(&house.app, OPERATOR, merchant, &new_app("keymint", "blocked"), None).await.expect("made").id;
    let live = house.issue(app, &plain(Mode::Live)).await.expect("issued");
    house.edit(include_str!("sql/membership_nonsense.sql")).await;
    house.revoke(&live.key_id).await;
    assert_eq!(house.decide("keymint", &live).await, Err(DenyReason::Revoked));
}
