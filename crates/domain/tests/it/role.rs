//! Who may do what: the whole table, cell by cell.

use keymint_domain::id::RoleId;
use keymint_domain::role::{Act, Acts, Role};

#[test]
fn the_table_of_roles_is_this_one() {
    use Role::{Admin, Developer, Owner, Viewer};
    let table: [(Act, &[Role]); 12] = [
        (Act::See, &[Owner, Admin, Developer, Viewer]),
        (Act::SeeRequests, &[Owner, Admin, Developer]),
        (Act::SeeAudit, &[Owner, Admin]),
        (Act::ManageApps, &[Owner, Admin, Developer]),
        (Act::ChooseProviders, &[Owner, Admin]),
        (Act::ManageCompany, &[Owner, Admin]),
        (Act::ManageTestCredentials, &[Owner, Admin, Developer]),
        (Act::ManageLiveCredentials, &[Owner, Admin]),
        (Act::RevokeLiveCredentials, &[Owner, Admin]),
        (Act::SeeTeam, &[Owner, Admin, Developer, Viewer]),
        (Act::ManageTeam, &[Owner]),
        (Act::Operate, &[]),
    ];
    for (act, may) in table {
        for role in Role::ALL {
            assert_eq!(role.may(act), may.contains(&role), "{role:?} {act:?}");
        }
    }
}

#[test]
fn names_of_roles_are_read_back_and_others_are_not() {
    for role in Role::ALL {
        assert_eq!(Role::parse(&role.to_string()), Some(role));
        assert_eq!(Role::parse(&role.to_string().to_uppercase()), None);
    }
    for other in ["", "custom", "rol_00000000000000000000000001"] {
        assert_eq!(Role::parse(other), None, "{other}");
    }
}

#[test]
fn a_role_of_the_merchants_own_does_what_it_was_given_and_never_what_owners_and_admins_alone_do() {
    let id: RoleId = "rol_00000000000000000000000001".parse().expect("an id");
    let none = Role::Custom(id, Acts::default());
    assert!(none.may(Act::See) && none.may(Act::SeeTeam));
    for act in Act::GRANTABLE {
        assert!(!none.may(act), "{act:?}");
        let role = Role::Custom(id, Acts::default().with(act));
        for other in Act::GRANTABLE {
            assert_eq!(role.may(other), other == act, "{act:?} {other:?}");
        }
    }
    for act in [Act::ChooseProviders, Act::ManageLiveCredentials, Act::ManageTeam, Act::Operate] {
        let all = Act::GRANTABLE.into_iter().fold(Acts::default().with(act), Acts::with);
        assert!(!Role::Custom(id, all).may(act), "{act:?}");
    }
}

#[test]
fn acts_are_read_back_from_their_text_and_from_no_other() {
    for acts in [Acts::default(), Acts::default().with(Act::SeeAudit).with(Act::SeeRequests)] {
        assert_eq!(Acts::parse(&acts.to_string()), Some(acts));
    }
    assert_eq!(Acts::default().with(Act::SeeAudit).with(Act::SeeRequests).to_string(), "see_requests,see_audit");
    for other in
        ["see_audit,see_requests", "see_audit,", ",", "see_audit,see_audit", "manage_team", "SEE_AUDIT", " see_audit"]
    {
        assert_eq!(Acts::parse(other), None, "{other}");
    }
}
