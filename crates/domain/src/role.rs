//! Who may do what: the roles of a merchant's people, the acts, and the one table that joins them. Razorpay's role table
//! is the model (owner and admin hold keys, a viewer changes nothing). A merchant composes further roles from some of the
//! acts; what an owner or an admin alone may do is not among them.

use std::fmt;

use crate::id::RoleId;

/// A person's role at one merchant. As text, as the store has it: the name, or the id of one that the merchant made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, and the last one cannot leave.
    Owner,
    /// Everything but who belongs to the team.
    Admin,
    /// Apps, and credentials of test mode.
    Developer,
    /// Looks on.
    Viewer,
    /// One that the merchant has made.
    Custom(RoleId, Acts),
}

/// Acts that a role of the merchant's own may do, out of `Act::GRANTABLE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Acts(u8);

/// Something that is done with what a merchant owns, or with merchants themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Sees merchant, apps and credentials.
    See,
    /// Sees the request log.
    SeeRequests,
    /// Sees the audit log.
    SeeAudit,
    /// Registers an app, or changes, enables and disables one.
    ManageApps,
    /// Chooses the providers that an app may use.
    ChooseProviders,
    /// Changes the company's profile.
    ManageCompany,
    /// Issues, rolls, changes and revokes credentials of test mode.
    ManageTestCredentials,
    /// Issues, rolls and changes credentials of live mode.
    ManageLiveCredentials,
    /// Revokes one of live mode: that must be quick, so it needs no proof.
    RevokeLiveCredentials,
    /// Sees who belongs to the team.
    SeeTeam,
    /// Invites people, changes their roles, takes them out.
    ManageTeam,
    /// Makes merchants, approves them, makes and ends tokens of the management API.
    Operate,
}

impl Acts {
    /// These and one more. One that cannot be granted stays out.
    #[must_use]
    pub fn with(self, act: Act) -> Self {
        Self(self.0 | Self::bit(act))
    }

    /// Whether it is among them.
    pub fn has(self, act: Act) -> bool {
        self.0 & Self::bit(act) != 0
    }

    /// Those of a text that `Display` made; nothing for any other.
    pub fn parse(text: &str) -> Option<Self> {
        let names = text.split(',').filter(|name| !name.is_empty());
        let acts = names.map(Act::parse).try_fold(Self::default(), |acts, act| Some(acts.with(act?)))?;
        (acts.to_string() == text).then_some(acts)
    }

    fn bit(act: Act) -> u8 {
        Act::GRANTABLE.iter().position(|one| *one == act).map_or(0, |at| 1 << at)
    }
}

impl fmt::Display for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Act::GRANTABLE.into_iter().filter(|act| self.has(*act)).filter_map(Act::name);
        f.write_str(&names.collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Admin => f.write_str("admin"),
            Self::Developer => f.write_str("developer"),
            Self::Viewer => f.write_str("viewer"),
            Self::Custom(id, _) => id.fmt(f),
        }
    }
}

impl Role {
    /// Every role that each merchant has, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Developer, Self::Viewer];

    /// The role of that name, of those that each merchant has.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.to_string() == text)
    }

    /// Whether someone in this role may do it.
    pub fn may(self, act: Act) -> bool {
        match (self, act) {
            (_, Act::Operate) => false,
            (_, Act::See | Act::SeeTeam) | (Self::Owner, _) => true,
            (Self::Admin, _) => act != Act::ManageTeam,
            (Self::Developer, _) => {
                matches!(act, Act::SeeRequests | Act::ManageApps | Act::ManageTestCredentials)
            }
            (Self::Viewer, _) => false,
            (Self::Custom(_, acts), _) => acts.has(act),
        }
    }
}

impl Act {
    /// What a merchant may put into a role of its own. Live keys and the team stay with owners and admins.
    pub const GRANTABLE: [Self; 5] =
        [Self::SeeRequests, Self::SeeAudit, Self::ManageApps, Self::ManageTestCredentials, Self::RevokeLiveCredentials];

    /// The name in the store and in forms, of one that can be granted.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::SeeRequests => Some("see_requests"),
            Self::SeeAudit => Some("see_audit"),
            Self::ManageApps => Some("manage_apps"),
            Self::ManageTestCredentials => Some("manage_test_credentials"),
            Self::RevokeLiveCredentials => Some("revoke_live_credentials"),
            Self::See
            | Self::SeeTeam
            | Self::ChooseProviders
            | Self::ManageCompany
            | Self::ManageLiveCredentials
            | Self::ManageTeam
            | Self::Operate => None,
        }
    }

    /// The act of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::GRANTABLE.into_iter().find(|act| act.name() == Some(name))
    }

    /// Whether a person gives a second proof for it, besides being signed in.
    pub fn needs_proof(self) -> bool {
        match self {
            Self::ManageLiveCredentials | Self::ManageTeam => true,
            Self::See
            | Self::SeeTeam
            | Self::SeeRequests
            | Self::SeeAudit
            | Self::ManageApps
            | Self::ChooseProviders
            | Self::ManageCompany
            | Self::ManageTestCredentials
            | Self::RevokeLiveCredentials
            | Self::Operate => false,
        }
    }
}
