//! Who may do what: the whole table, cell by cell.

use keymint_domain::role::{Act, Role};

#[test]
fn the_table_of_roles_is_this_one() {
    use Role::{Admin, Developer, Owner, Viewer};
    let table: [(Act, &[Role]); 8] = [
        (Act::See, &[Owner, Admin, Developer, Viewer]),
        (Act::SeeRequests, &[Owner, Admin, Developer]),
        (Act::SeeAudit, &[Owner, Admin]),
        (Act::ManageApps, &[Owner, Admin, Developer]),
        (Act::ManageCompany, &[Owner, Admin]),
        (Act::ManageTestCredentials, &[Owner, Admin, Developer]),
        (Act::ManageLiveCredentials, &[Owner, Admin]),
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
        assert_eq!(Role::parse(role.as_str()), Some(role));
        assert_eq!(Role::parse(&role.as_str().to_uppercase()), None);
    }
    assert_eq!(Role::parse(""), None);
}
