//! The two codes that save the addresses of a live key: both, for this list, in this session, once and in time.

use keymint_app::ops::address_codes::{self, AddressCodes, Given};
use keymint_app::ops::credentials::{self, NewCredential, Patch};
use keymint_app::ops::people::Person;
use keymint_app::ops::{Actor, OpError, Proof, audit};
use keymint_app::store_types::Activation;
use keymint_domain::credential::RevokeReason;
use keymint_domain::id::MerchantId;
use keymint_domain::mode::Mode;
use keymint_domain::role::Role;
use keymint_domain::secret::SecretText;
use keymint_testkit::TestDb;

use crate::house::{House, new_app, plain};
use crate::proofs::{HERE, PASSWORD, PHONE, code_to, other, owner_of, person};

const LIST: [&str; 2] = ["203.0.113.7/32", "198.51.100.0/24"];

fn patch(list: &[&str]) -> Patch {
    Patch { allowed_ips: Some(list.iter().map(ToString::to_string).collect()), ..Patch::default() }
}

/// A live key of this merchant, which is approved.
async fn live_key(house: &House, (merchant, owner): (MerchantId, Actor), product: &str) -> String {
    house.activate(merchant, Activation::Approved).await;
    let new = new_app(product, &format!("{product} addresses"));
    let app = keymint_app::ops::apps::make(&house.app, Actor::System, merchant, &new, None).await.expect("an app");
    let made = credentials::issue(&house.app, owner, app.id, &plain(Mode::Live), None).await.expect("a key");
    made.view.credential.key_id
}

/// What was asked, the code in the text message and the one in the mail.
async fn asked(house: &House, person: &Person, key_id: &str, list: &[&str]) -> [String; 3] {
    // Letters of one moment have no order.
    house.clock.pass_ms(1);
    let list: Vec<_> = list.iter().map(ToString::to_string).collect();
    let challenge = address_codes::ask(&house.app, person, key_id, &list).await.expect("it is asked");
    let sent_to = challenge.sent_to;
    assert!(sent_to.contains('…') && !sent_to.contains(PHONE), "most of the number is hidden");
    [challenge.id.to_string(), code_to(house, PHONE).await, code_to(house, &person.email).await]
}

async fn answered(house: &House, person: &Person, [id, phone, mail]: [&str; 3]) -> Option<AddressCodes> {
    let given = Given { challenge: id, phone, mail };
    address_codes::answer(&house.app, person, given).await.expect("looked at")
}

async fn addresses(house: &House, key_id: &str) -> Vec<String> {
    let view = credentials::find(&house.app, Actor::System, key_id).await.expect("it is there");
    view.credential.restrictions.allowed_ips.iter().map(ToString::to_string).collect()
}

pub async fn the_addresses_of_a_live_key_are_saved_with_both_codes_and_by_nobody_without(it: TestDb) {
    let house = House::over(it).await;
    let one = person(&house, "addresses").await;
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let key = live_key(&house, (merchant, owner), "razorpay").await;
    let save = async |actor, codes: Option<&AddressCodes>| {
        credentials::patch_with_codes(&house.app, actor, &key, &patch(&LIST), codes).await.map(drop)
    };
    let needed = save(owner, None).await;
    let Err(OpError::CodesNeeded { allowed_ips }) = needed else { panic!("a fresh proof is not enough: {needed:?}") };
    assert_eq!(allowed_ips, LIST, "as they would be saved");
    let [id, phone, mail] = asked(&house, &one, &key, &LIST).await;
    assert_ne!(phone, mail);
    let wrong = other(&phone, 0);
    let halves = format!("{phone}{}", &mail[..1]);
    for [in_phone, in_mail] in
        [[&wrong, &mail], [&phone, &other(&mail, 0)], [&mail, &phone], [&halves, &mail[1..].into()]]
    {
        assert!(answered(&house, &one, [&id, in_phone, in_mail]).await.is_none(), "{in_phone} {in_mail}");
    }
    let codes = answered(&house, &one, [&id, &phone, &mail]).await.expect("the fifth try");
    for role in [Role::Developer, Role::Viewer] {
        let actor = Actor::Member(one.user, merchant, role, Proof::Fresh);
        assert!(matches!(save(actor, Some(&codes)).await, Err(OpError::Forbidden)), "{role}: with right codes");
    }
    let unproved = Actor::Member(one.user, merchant, Role::Owner, Proof::Missing);
    assert!(matches!(save(unproved, Some(&codes)).await, Err(OpError::ProofNeeded)), "the codes are no second factor");
    assert!(addresses(&house, &key).await.is_empty(), "nothing was saved so far");
    save(owner, Some(&codes)).await.expect("saved");
    assert_eq!(addresses(&house, &key).await, LIST);
    let entries = audit::list(&house.app, owner, i64::MAX, 1).await.expect("it reads");
    let entry = entries.first().expect("an entry");
    assert!(entry.action == "credential.changed" && entry.detail.contains("phone_and_mail"), "{}", entry.detail);
}

pub async fn codes_for_addresses_are_good_for_one_list_of_one_key_in_one_session_once(it: TestDb) {
    let house = House::over(it).await;
    let (one, two) = (person(&house, "codes").await, person(&house, "stranger").await);
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let key = live_key(&house, (merchant, owner), "razorpay").await;
    let save = async |key: &str, list: &[&str], codes: &AddressCodes| {
        credentials::patch_with_codes(&house.app, owner, key, &patch(list), Some(codes)).await.map(drop)
    };
    let is_refused = |saved: Result<(), OpError>| matches!(saved, Err(OpError::CodesNeeded { .. }));
    let [id, phone, mail] = asked(&house, &one, &key, &LIST).await;
    assert!(answered(&house, &two, [&id, &phone, &mail]).await.is_none(), "another person's");
    let elsewhere = Person { session: two.session, ..one.clone() };
    assert!(answered(&house, &elsewhere, [&id, &phone, &mail]).await.is_none(), "another session");
    let both = format!("{phone}{mail}");
    let as_proof = keymint_app::ops::proofs::give(&house.app, &one, "an act", (&id, &both)).await;
    assert!(as_proof.expect("looked at").is_none(), "they prove nothing else");
    let codes = answered(&house, &one, [&id, &phone, &mail]).await.expect("right");
    assert!(is_refused(save(&key, &["203.0.113.7/32"], &codes).await), "another list");
    assert!(is_refused(save(&key, &["203.0.113.7/32", "198.51.100.0/25"], &codes).await), "one bit wider or narrower");
    save(&key, &LIST, &codes).await.expect("saved");
    assert!(is_refused(save(&key, &[], &codes).await), "another list, spent");
    credentials::patch(&house.app, Actor::System, &key, &patch(&[])).await.expect("a token needs no code");
    assert!(is_refused(save(&key, &LIST, &codes).await), "the same list, spent");
    let rolled = credentials::roll(&house.app, owner, &key, 3600, None).await.expect("rolled");
    let [id, phone, mail] = asked(&house, &one, &key, &LIST).await;
    let codes = answered(&house, &one, [&id, &phone, &mail]).await.expect("right");
    let successor = rolled.made.view.credential.key_id;
    assert!(is_refused(save(&successor, &LIST, &codes).await), "another key");
    house.clock.pass_seconds(10 * 60 - 1);
    assert!(answered(&house, &one, [&id, &phone, &mail]).await.is_some(), "in time");
    house.clock.pass_seconds(1);
    assert!(answered(&house, &one, [&id, &phone, &mail]).await.is_none(), "a second too late");
    assert!(addresses(&house, &key).await.is_empty() && addresses(&house, &successor).await.is_empty());
}

pub async fn addresses_need_no_codes_in_test_mode_or_where_the_vendor_asks_none(it: TestDb) {
    let house = House::over(it).await;
    let one = person(&house, "free").await;
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let native = live_key(&house, (merchant, owner), "keymint").await;
    credentials::patch(&house.app, owner, &native, &patch(&LIST)).await.expect("a second factor is enough here");
    let live = live_key(&house, (merchant, owner), "razorpay").await;
    let renamed = Patch { name: Some(Some("till".to_owned())), allowed_ips: Some(Vec::new()), ..Patch::default() };
    credentials::patch(&house.app, owner, &live, &renamed).await.expect("the list stays as it is");
    let app = credentials::find(&house.app, owner, &live).await.expect("it is there").credential.app_id;
    let test = credentials::issue(&house.app, owner, app, &plain(Mode::Test), None).await.expect("a key");
    let test = test.view.credential.key_id;
    credentials::patch(&house.app, owner, &test, &patch(&LIST)).await.expect("test mode asks for nothing");
}

pub async fn a_live_key_in_the_place_of_another_keeps_its_addresses(it: TestDb) {
    let house = House::over(it).await;
    let ((merchant, owner), (_, other)) = (
        owner_of(&person(&house, "again").await, Proof::Fresh),
        owner_of(&person(&house, "first").await, Proof::Fresh),
    );
    let wide = NewCredential { allowed_ips: vec!["0.0.0.0/0".to_owned()], ..plain(Mode::Live) };
    let anew = async |actor, key: &str, new: &NewCredential| {
        house.clock.pass_ms(1);
        let before = credentials::revoke(&house.app, owner, key, RevokeReason::Compromised, None).await;
        let app = before.expect("revoked").view.credential.app_id;
        let made = credentials::issue(&house.app, actor, app, new, None).await.expect("a key").view.credential;
        (addresses(&house, &made.key_id).await, made.key_id, app)
    };
    let save = async |key: &str| credentials::patch(&house.app, Actor::System, key, &patch(&LIST)).await.map(drop);
    let first = live_key(&house, (merchant, owner), "razorpay").await;
    assert!(addresses(&house, &first).await.is_empty(), "the first has none");
    save(&first).await.expect("saved");
    let (list, second, app) = anew(owner, &first, &plain(Mode::Live)).await;
    assert_eq!(list, LIST, "as it was saved with codes");
    let (list, third, _) = anew(owner, &second, &wide).await;
    assert_eq!(list, LIST, "and no other one");
    let test = credentials::issue(&house.app, owner, app, &plain(Mode::Test), None).await.expect("a key");
    assert!(addresses(&house, &test.view.credential.key_id).await.is_empty(), "test mode asks for no codes");
    let theirs = live_key(&house, (other.merchant().expect("one"), other), "razorpay").await;
    assert!(addresses(&house, &theirs).await.is_empty(), "another merchant's first");
    let native = live_key(&house, (merchant, owner), "keymint").await;
    save(&native).await.expect("saved");
    assert!(anew(owner, &native, &plain(Mode::Live)).await.0.is_empty(), "its vendor asks for no codes");
    assert!(anew(Actor::System, &third, &plain(Mode::Live)).await.0.is_empty(), "a token needs none");
}

pub async fn who_has_no_phone_gets_no_codes(it: TestDb) {
    let house = House::over(it).await;
    let cookie = crate::proofs::signed_up(&house, "nophone").await;
    let one = keymint_app::ops::people::person_of(&house.app, cookie.expose()).await.expect("it reads").expect("in");
    let (merchant, owner) = owner_of(&one, Proof::Fresh);
    let key = live_key(&house, (merchant, owner), "razorpay").await;
    let refused = address_codes::ask(&house.app, &one, &key, &[]).await;
    assert!(matches!(refused, Err(OpError::Conflict { code: "no_phone", .. })));
    let row = credentials::find(&house.app, owner, &key).await.expect("it is there").credential;
    assert!(address_codes::lacks_phone(&house.app, &one, owner, &row));
    let begun = keymint_app::ops::people::sign_in(&house.app, &one.email, SecretText::new(PASSWORD.to_owned()), HERE);
    assert!(matches!(begun.await, Ok(Some(keymint_app::ops::people::SignedIn::Session(_)))), "no factor either");
}
