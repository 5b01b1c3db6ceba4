//! The pages of a team: roles of the merchant's own, the rule for second factors, viewers.

use keymint_testkit::Dev;

use crate::console::{Browser, app_of};
use crate::dev;
use crate::people::{PASSWORD, merchant_of, proved, signed_up, with_authenticator};

/// A second member, as the role of that value.
fn member<'d>(dev: &'d Dev, owner: &mut Browser<'d>, secret: &str, email: &str, role: &str) -> Browser<'d> {
    let (csrf, team) = (owner.csrf(), format!("/merchants/{}/team", merchant_of(owner)));
    let form = [("csrf", csrf.as_str()), ("email", email), ("role", role)];
    let invited = if owner.get("/security").body.contains("more minutes") {
        owner.post(&team, &form)
    } else {
        proved(owner, secret, &team, &form)
    };
    assert_eq!(invited.status, 303, "{}", invited.body);
    let joining = signed_up(dev, email);
    let page = joining.get("/invitations").body;
    let (_, id) = page.split_once("action=\"/invitations/").expect("an invitation");
    let accept = format!("/invitations/{}", id.split('"').next().expect("an id"));
    assert_eq!(joining.post(&accept, &[("csrf", &joining.csrf()), ("answer", "accept")]).status, 303);
    joining
}

#[test]
fn a_role_is_made_given_changed_and_deleted_on_the_pages() {
    let dev = dev();
    let mut owner = signed_up(&dev, "owner@roles.example");
    let (secret, _) = with_authenticator(&mut owner);
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let (roles, team) = (format!("/merchants/{merchant}/roles"), format!("/merchants/{merchant}/team"));
    assert_eq!(owner.get(&roles).status, 200);
    assert!(owner.get(&format!("{roles}?copy=developer")).body.contains("value=\"manage_apps\" checked"));
    assert!(!owner.get(&format!("{roles}?copy=owner")).body.contains("checked"), "an owner's role is not to be copied");
    let act = ("act", "see_requests");
    let form = [("csrf", csrf.as_str()), ("name", "On call"), act, ("act", "revoke_live_credentials")];
    let made = proved(&mut owner, &secret, &roles, &form);
    assert_eq!(made.status, 303, "both acts have come through the page that asks for the code: {}", made.body);
    let page = owner.get(&roles).body;
    let (_, id) = page.split_once(&format!("href=\"{roles}/")).expect("a link");
    let role = id.split('"').next().expect("an id").to_owned();
    assert!(owner.get(&format!("{roles}/{role}")).body.contains("value=\"revoke_live_credentials\" checked"));
    let again = owner.post(&roles, &[("csrf", &csrf), ("name", "ON CALL"), act]);
    assert_eq!(again.status, 422);
    assert!(again.body.contains("value=\"ON CALL\"") && again.body.contains("value=\"see_requests\" checked"), "typed");
    for odd in ["manage_team", "manage_live_credentials", "operate", "", "see_requests,see_audit"] {
        let name = format!("odd {odd}");
        assert_eq!(owner.post(&roles, &[("csrf", &csrf), ("name", &name), ("act", odd)]).status, 303);
    }
    let page = owner.get(&roles).body;
    let before = format!("href=\"{roles}/");
    let links = page.split(&before).skip(1).filter_map(|part| part.split('"').next());
    let others: Vec<&str> = links.filter(|id| *id != role).collect();
    assert_eq!(others.len(), 5);
    for id in &others {
        assert!(!owner.get(&format!("{roles}/{id}")).body.contains("checked"), "what cannot be granted is not");
    }
    let gone = format!("{roles}/{}", others[0]);
    assert_eq!(owner.post(&format!("{gone}/delete"), &[("csrf", &csrf)]).status, 303, "nobody has it");
    assert_eq!((owner.get(&gone).status, owner.post(&format!("{gone}/delete"), &[("csrf", &csrf)]).status), (404, 404));

    let bob = member(&dev, &mut owner, &secret, "bob@roles.example", &role);
    assert!(owner.get(&team).body.contains(">On call</td>"));
    let app = dev.app(&merchant, "razorpay", "roles");
    assert_eq!(bob.get(&format!("/apps/{app}/logs")).status, 200);
    assert_eq!(bob.get(&format!("/merchants/{merchant}/audit")).status, 403);
    let theirs = bob.csrf();
    assert_eq!(bob.post(&roles, &[("csrf", &theirs), ("name", "Mine"), ("act", "see_audit")]).status, 403);
    assert_eq!(bob.get(&format!("{roles}/{role}")).status, 403);
    assert!(!bob.get(&roles).body.contains("Make the role"), "sees them and changes none");
    let delete = format!("{roles}/{role}/delete");
    assert_eq!(owner.post(&delete, &[("csrf", &csrf)]).status, 422, "somebody has it");
    let change = [("csrf", csrf.as_str()), ("name", "On call"), ("act", "see_audit")];
    assert_eq!(owner.post(&format!("{roles}/{role}"), &change).status, 303);
    assert_eq!(bob.get(&format!("/apps/{app}/logs")).status, 403, "from the next page on");
    assert_eq!(bob.get(&format!("/merchants/{merchant}/audit")).status, 200);
    let foreign = Browser::signed_in(&dev, "owner");
    let theirs = foreign.csrf();
    assert_eq!(foreign.get(&roles).status, 404);
    assert_eq!(foreign.post(&delete, &[("csrf", &theirs)]).status, 404);
}

#[test]
fn whoever_only_looks_on_is_told_whom_to_ask_and_every_page_seen_is_in_the_audit_log() {
    let dev = dev();
    let viewer = Browser::signed_in(&dev, "viewer");
    let (app, merchant) = (app_of(&dev, "razorpay"), merchant_of(&viewer));
    let keys = format!("/apps/{app}/keys");
    assert_eq!(viewer.get(&keys).status, 200);
    assert_eq!(viewer.get(&format!("/apps/{app}/start/arrival")).status, 200, "a page that asks for itself");
    let refused = viewer.get(&format!("/merchants/{merchant}/audit"));
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("Permission denied.") && refused.body.contains("contact the owner"));
    let refused = viewer.get(&format!("/apps/{app}/logs/export?format=csv"));
    assert_eq!(refused.status, 403, "no download");
    let owner = Browser::signed_in(&dev, "owner");
    owner.get(&format!("/merchants/{merchant}/team"));
    let audit = owner.get(&format!("/merchants/{merchant}/audit")).body;
    assert_eq!(audit.matches("page.viewed").count(), 1, "the one page that was shown to the viewer: {audit}");
    assert!(audit.contains(&keys));
}

#[test]
fn a_merchant_asks_a_second_factor_of_everybody() {
    let dev = dev();
    let mut owner = signed_up(&dev, "owner@rule.example");
    let (secret, _) = with_authenticator(&mut owner);
    let (csrf, merchant) = (owner.csrf(), merchant_of(&owner));
    let mut bob = member(&dev, &mut owner, &secret, "bob@rule.example", "developer");
    let team = format!("/merchants/{merchant}/team");
    let rule = format!("{team}/rule");
    let set = |password: &str| owner.post(&rule, &[("csrf", &csrf), ("needs_factor", "yes"), ("password", password)]);
    for wrong in ["", "another password, quite long"] {
        let refused = set(wrong);
        assert_eq!(refused.status, 422);
        assert!(refused.body.contains("id=\"rule-error\""), "beside the password");
    }
    assert_eq!(bob.get(&team).status, 200, "nothing has changed");
    let theirs = bob.csrf();
    assert_eq!(bob.post(&rule, &[("csrf", &theirs), ("needs_factor", "yes"), ("password", PASSWORD)]).status, 403);
    assert_eq!(set(PASSWORD).status, 303);
    let apps = format!("/merchants/{merchant}/apps");
    for page in [&team, &apps, &format!("{apps}/new")] {
        assert_eq!(bob.get(page).header("location"), Some("/security?needed=1"), "{page}");
    }
    let app = dev.app(&merchant, "razorpay", "rule");
    let made = bob.post(&format!("/apps/{app}/keys"), &[("csrf", &theirs), ("once", "1"), ("mode", "test")]);
    assert_eq!(made.header("location"), Some("/security?needed=1"), "an act as well");
    let page = bob.get("/security").body;
    let merchants = page.split("/merchants/").skip(1).filter_map(|part| part.split('/').next());
    let own = merchants.into_iter().find(|id| *id != merchant).expect("another merchant");
    assert_eq!(bob.get(&format!("/merchants/{own}/apps")).status, 200, "the person's own merchant asks nothing");
    let (secret, _) = with_authenticator(&mut bob);
    let csrf = bob.csrf();
    assert_eq!(bob.get(&team).header("location"), Some("/security?needed=1"), "set up, and yet to be given");
    let given = proved(&mut bob, &secret, "/security/prove", &[("csrf", &csrf)]);
    assert_eq!(given.status, 303, "{}", given.body);
    assert_eq!(bob.get(&team).status, 200);
}
