//! Who may do what: the roles of a merchant's people, the acts, and the one table that joins them. Razorpay's role table
//! is the model (owner and admin hold keys, a viewer changes nothing).

/// A person's role at one merchant.
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
}

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

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Developer, Self::Viewer];

    /// The name in the store and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether someone in this role may do it.
    pub fn may(self, act: Act) -> bool {
        match act {
            Act::See | Act::SeeTeam => true,
            Act::SeeRequests | Act::ManageApps | Act::ManageTestCredentials => self != Self::Viewer,
            Act::SeeAudit | Act::ManageCompany | Act::ManageLiveCredentials | Act::RevokeLiveCredentials => {
                matches!(self, Self::Owner | Self::Admin)
            }
            Act::ManageTeam => self == Self::Owner,
            Act::Operate => false,
        }
    }
}

impl Act {
    /// Whether a person gives a second proof for it, besides being signed in.
    pub fn needs_proof(self) -> bool {
        match self {
            Self::ManageLiveCredentials | Self::ManageTeam => true,
            Self::See
            | Self::SeeTeam
            | Self::SeeRequests
            | Self::SeeAudit
            | Self::ManageApps
            | Self::ManageCompany
            | Self::ManageTestCredentials
            | Self::RevokeLiveCredentials
            | Self::Operate => false,
        }
    }
}
