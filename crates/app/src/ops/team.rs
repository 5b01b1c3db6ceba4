//! A merchant's team: members, roles, invitations. An invitation is to an address; whoever has an account with that
//! address, which a code has confirmed, sees it on signing in and accepts it there. No link opens anything.

use keymint_domain::id::{InvitationId, MerchantId, UserId};
use keymint_domain::role::{Act, Role};
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::error::StoreError;
use keymint_store::letters::Channel;
use keymint_store::merchants;
use keymint_store::people::membership_bytes;
use keymint_store::team::{self, Invitation, Member};
use serde_json::json;

use crate::App;
use crate::ops::people::{Person, join};
use crate::ops::{Actor, Change, OpError, Saying, field, input};

/// How long an invitation can be accepted. Milliseconds.
const INVITATION_MS: i64 = 7 * 24 * 3_600_000;
/// Invitations of a merchant that are open at one time.
const OPEN_MAX: usize = 100;

fn conflict<T>(code: &'static str, message: &str) -> Result<T, OpError> {
    Err(OpError::Conflict { code, message: message.to_owned() })
}

/// Members and open invitations.
///
/// # Errors
/// `Forbidden`; `NotFound` for another's.
pub async fn list(app: &App, actor: Actor, merchant: MerchantId) -> Result<(Vec<Member>, Vec<Invitation>), OpError> {
    actor.require(Act::SeeTeam)?;
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    let mut conn = app.db.read().await?;
    Ok((team::members(&mut conn, merchant).await?, team::invitations(&mut conn, merchant).await?))
}

async fn begin<'a>(app: &'a App, actor: Actor, merchant: MerchantId) -> Result<Change<'a>, OpError> {
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    Change::begin(app, actor, Act::ManageTeam).await
}

/// Invites an address, or invites it again: the invitation of before is none any more.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `Field`; `Conflict` with `is_member` or `too_many_invitations`.
pub async fn invite(
    app: &App,
    actor: Actor,
    merchant: MerchantId,
    by: &Person,
    (email, role): (&str, Role),
) -> Result<(), OpError> {
    let email = input::email("email", email)?;
    let now = app.clock.now();
    let mut change = begin(app, actor, merchant).await?;
    let row = merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    if team::members(change.conn(), merchant).await?.iter().any(|member| member.email == email) {
        return conflict("is_member", "This person is in the team already. Change the role below.");
    }
    if team::invitations(change.conn(), merchant).await?.len() >= OPEN_MAX {
        return conflict("too_many_invitations", "There are 100 open invitations. Withdraw some first.");
    }
    let invitation = Invitation {
        id: InvitationId::fresh(now, &*app.entropy)?,
        merchant_id: merchant,
        merchant_name: row.name.clone(),
        email: email.clone(),
        role,
        sent_at: now,
        expires_at: UnixMs(now.0 + INVITATION_MS),
        row_check: Vec::new(),
    };
    let row_check = app.keyring.row_check(&invitation.check_bytes());
    let invitation = Invitation { row_check, ..invitation };
    team::invite(change.conn(), &invitation, by.user).await?;
    let body = SecretText::new(format!(
        "{} invites you to the Keymint team of {} as {}. Sign in with this address, or create an account with it, and \
         accept the invitation there within 7 days.",
        by.name,
        row.name,
        role.as_str()
    ));
    let subject = format!("Invitation to {}", row.name);
    app.write_letter(change.conn(), (Channel::Mail, &email), &subject, &body).await?;
    let (subject, detail) = (invitation.id.to_string(), json!({ "email": email, "role": role.as_str() }));
    let saying = Saying { action: "team.invited", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await?;
    app.post.wake();
    Ok(())
}

/// Withdraws an invitation.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `NotFound`.
pub async fn withdraw(app: &App, actor: Actor, merchant: MerchantId, id: InvitationId) -> Result<(), OpError> {
    let mut change = begin(app, actor, merchant).await?;
    let is_own = team::invitations(change.conn(), merchant).await?.iter().any(|invitation| invitation.id == id);
    if !is_own || !team::remove_invitation(change.conn(), id).await? {
        return Err(OpError::NotFound("invitation"));
    }
    let subject = id.to_string();
    let saying = Saying { action: "team.withdrawn", subject: &subject, merchant: Some(merchant), detail: json!({}) };
    change.commit(saying, Vec::new()).await
}

/// The invitations that a person can accept now.
///
/// # Errors
/// `OpError::Store`.
pub async fn invitations_to(app: &App, person: &Person) -> Result<Vec<Invitation>, OpError> {
    let mut conn = app.db.read().await?;
    let all = team::invitations_to(&mut conn, &person.email).await?;
    Ok(all.into_iter().filter(|invitation| is_open(app, invitation)).collect())
}

/// Whether it can be accepted: it is young enough, and Keymint has written it (T56).
fn is_open(app: &App, invitation: &Invitation) -> bool {
    invitation.expires_at > app.clock.now()
        && app.keyring.row_is_intact(&invitation.check_bytes(), &invitation.row_check)
}

/// What a person says to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Accept,
    /// No.
    Decline,
}

/// Accepts an invitation, or declines it. Gives the merchant.
///
/// # Errors
/// `NotFound` when it is another's, was withdrawn or is too old.
pub async fn answer(app: &App, person: &Person, id: InvitationId, said: Answer) -> Result<MerchantId, OpError> {
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let all = team::invitations_to(change.conn(), &person.email).await?;
    let invitation = all.into_iter().find(|invitation| invitation.id == id && is_open(app, invitation));
    let invitation = invitation.ok_or(OpError::NotFound("invitation"))?;
    team::remove_invitation(change.conn(), id).await?;
    let merchant = invitation.merchant_id;
    if said == Answer::Accept {
        match join(app, &mut change, person.user, merchant, invitation.role).await {
            Err(StoreError::Unique { .. }) => return conflict("is_member", "You are in this team already."),
            other => other?,
        }
    }
    let action = match said {
        Answer::Accept => "team.joined",
        Answer::Decline => "team.declined",
    };
    let (subject, detail) = (person.user.to_string(), json!({ "role": invitation.role.as_str() }));
    change.commit(Saying { action, subject: &subject, merchant: Some(merchant), detail }, Vec::new()).await?;
    Ok(merchant)
}

/// Changes a member's role; `None` takes the member out. Nobody changes their own, and one owner stays.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `NotFound`; `Conflict` with `own_role` or `last_owner`.
pub async fn set_role(
    app: &App,
    actor: Actor,
    merchant: MerchantId,
    user: UserId,
    role: Option<Role>,
) -> Result<(), OpError> {
    let mut change = begin(app, actor, merchant).await?;
    if matches!(actor, Actor::Member(own, ..) if own == user) {
        return conflict("own_role", "Nobody changes their own role. Another owner does it.");
    }
    let members = team::members(change.conn(), merchant).await?;
    let member = members.iter().find(|member| member.user == user).ok_or(OpError::NotFound("member"))?;
    let owners = members.iter().filter(|member| member.role == Role::Owner).count();
    if member.role == Role::Owner && role != Some(Role::Owner) && owners == 1 {
        return conflict("last_owner", "The last owner stays. Make somebody else an owner first.");
    }
    match role {
        Some(role) => {
            let check = app.keyring.row_check(&membership_bytes(user, merchant, role));
            team::set_role(change.conn(), user, merchant, (role, &check)).await?;
        }
        None => drop(team::leave(change.conn(), user, merchant).await?),
    }
    let action = if role.is_some() { "team.role_changed" } else { "team.removed" };
    let (subject, detail) = (user.to_string(), json!({ "from": member.role.as_str(), "to": role.map(Role::as_str) }));
    change.commit(Saying { action, subject: &subject, merchant: Some(merchant), detail }, Vec::new()).await
}

/// Leaves a team.
///
/// # Errors
/// `NotFound`; `Conflict` with `last_owner`.
pub async fn leave(app: &App, person: &Person, merchant: MerchantId) -> Result<(), OpError> {
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let members = team::members(change.conn(), merchant).await?;
    let own = members.iter().find(|member| member.user == person.user).ok_or(OpError::NotFound("merchant"))?;
    let owners = members.iter().filter(|member| member.role == Role::Owner).count();
    if own.role == Role::Owner && owners == 1 {
        return conflict("last_owner", "The last owner cannot leave. Make somebody else an owner first.");
    }
    team::leave(change.conn(), person.user, merchant).await?;
    let (subject, detail) = (person.user.to_string(), json!({ "role": own.role.as_str() }));
    let saying = Saying { action: "team.left", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await
}

/// A role by its name.
///
/// # Errors
/// `OpError::Field`.
pub fn role(text: &str) -> Result<Role, OpError> {
    match Role::parse(text) {
        Some(role) => Ok(role),
        None => field("role", "must be owner, admin, developer or viewer"),
    }
}
