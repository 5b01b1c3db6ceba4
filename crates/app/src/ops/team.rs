//! A merchant's team: members, roles, invitations. An invitation is to an address; whoever has an account with that
//! address, which a code has confirmed, sees it on signing in and accepts it there. No link opens anything.

use keymint_domain::id::{InvitationId, MerchantId, UserId};
use keymint_domain::role::{Act, Role};
use keymint_domain::secret::SecretText;
use keymint_domain::time::UnixMs;
use keymint_store::db::Conn;
use keymint_store::error::StoreError;
use keymint_store::letters::Channel;
use keymint_store::people::{self, membership_bytes};
use keymint_store::roles::NamedRole;
use keymint_store::team::{self, Invitation, Member};
use keymint_store::{merchants, sessions};
use serde_json::json;

use crate::App;
use crate::ops::people::{Person, check_password, join};
use crate::ops::{Actor, Change, OpError, Saying, input, means, notices, proofs, roles};
use crate::say;

/// How long an invitation can be accepted. Milliseconds.
const INVITATION_MS: i64 = 7 * 24 * 3_600_000;
/// Invitations of a merchant that are open at one time.
const OPEN_MAX: usize = 100;
/// Owners of a merchant: the first, and two more.
const OWNERS_MAX: usize = 3;

/// A refusal because of how things stand.
pub fn conflict<T>(code: &'static str, message: &str) -> Result<T, OpError> {
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

/// Begins a change of a merchant's team.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `NotFound` for another's.
pub async fn begin<'a>(app: &'a App, actor: Actor, merchant: MerchantId) -> Result<Change<'a>, OpError> {
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
    (email, role): (&str, NamedRole),
) -> Result<(), OpError> {
    let email = input::email("email", email)?;
    let now = app.clock.now();
    let mut change = begin(app, actor, merchant).await?;
    let row = merchants::find(change.conn(), merchant).await?.ok_or(OpError::NotFound("merchant"))?;
    if team::members(change.conn(), merchant).await?.iter().any(|member| member.email == email) {
        return conflict("is_member", say!("refusal-is-member"));
    }
    let open = team::invitations(change.conn(), merchant).await?;
    if role.role == Role::Owner {
        let asked =
            open.iter().filter(|one| one.role.role == Role::Owner && one.email != email && one.expires_at > now);
        room_for_owner(change.conn(), merchant, asked.count()).await?;
    }
    if open.len() >= OPEN_MAX {
        return conflict("too_many_invitations", say!("refusal-too-many-invitations"));
    }
    let invitation = Invitation {
        id: InvitationId::fresh(now, &*app.entropy)?,
        merchant_id: merchant,
        merchant_name: row.name.clone(),
        email: email.clone(),
        role: role.clone(),
        sent_at: now,
        expires_at: UnixMs(now.0 + INVITATION_MS),
        row_check: Vec::new(),
    };
    let row_check = app.keyring.row_check(&invitation.check_bytes());
    let invitation = Invitation { row_check, ..invitation };
    team::invite(change.conn(), &invitation, by.user).await?;
    let body = SecretText::new(say!(
        "mail-invitation-text",
        name = by.name,
        merchant = row.name,
        role = roles::title(role.role, &role.name)
    ));
    let subject = say!("mail-invitation", merchant = row.name);
    app.write_letter(change.conn(), (Channel::Mail, &email), &subject, &body).await?;
    let (subject, detail) = (invitation.id.to_string(), json!({ "email": email, "role": role.name }));
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
        if invitation.role.role == Role::Owner {
            room_for_owner(change.conn(), merchant, 0).await?;
            tell_owners(app, &mut change, merchant, &person.name).await?;
        }
        match join(app, &mut change, person.user, merchant, invitation.role.role).await {
            Err(StoreError::Unique { .. }) => return conflict("is_member", say!("refusal-you-are-member")),
            other => other?,
        }
    }
    let action = match said {
        Answer::Accept => "team.joined",
        Answer::Decline => "team.declined",
    };
    let (subject, detail) = (person.user.to_string(), json!({ "role": invitation.role.name }));
    change.commit(Saying { action, subject: &subject, merchant: Some(merchant), detail }, Vec::new()).await?;
    app.post.wake();
    Ok(merchant)
}

/// Whether one more may own the merchant, with so many asked to already.
async fn room_for_owner(conn: &mut Conn, merchant: MerchantId, asked: usize) -> Result<(), OpError> {
    if owners(&team::members(conn, merchant).await?).count() + asked < OWNERS_MAX {
        return Ok(());
    }
    conflict("too_many_owners", say!("refusal-too-many-owners"))
}

fn owners(members: &[Member]) -> impl Iterator<Item = &Member> {
    members.iter().filter(|member| member.role.role == Role::Owner)
}

/// Writes to the owners that there is one more.
async fn tell_owners(app: &App, change: &mut Change<'_>, merchant: MerchantId, name: &str) -> Result<(), OpError> {
    let text = say!("mail-new-owner-text", name = name);
    notices::write(app, change, (merchant, &[Role::Owner]), (say!("mail-new-owner"), &text)).await
}

/// Changes a member's role; `None` takes the member out. Nobody changes their own, one owner stays, and the one who has
/// been it longest is changed by nobody.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `NotFound`; `Conflict` with `own_role`, `last_owner`, `first_owner` or `too_many_owners`.
pub async fn set_role(
    app: &App,
    actor: Actor,
    merchant: MerchantId,
    user: UserId,
    role: Option<NamedRole>,
) -> Result<(), OpError> {
    let mut change = begin(app, actor, merchant).await?;
    let members = team::members(change.conn(), merchant).await?;
    let member = other_member(actor, &members, user)?;
    let next = role.as_ref().map(|role| role.role);
    let becomes_owner = next == Some(Role::Owner) && member.role.role != Role::Owner;
    if member.role.role == Role::Owner && next != Some(Role::Owner) {
        if owners(&members).count() == 1 {
            return conflict("last_owner", say!("refusal-last-owner"));
        }
        if owners(&members).next().is_some_and(|first| first.user == user) {
            return conflict("first_owner", say!("refusal-first-owner"));
        }
    }
    if becomes_owner {
        room_for_owner(change.conn(), merchant, 0).await?;
        tell_owners(app, &mut change, merchant, &member.name).await?;
    }
    match next {
        Some(role) => {
            let check = app.keyring.row_check(&membership_bytes(user, merchant, role));
            team::set_role(change.conn(), user, merchant, (role, &check)).await?;
        }
        None => drop(team::leave(change.conn(), user, merchant).await?),
    }
    let action = if next.is_some() { "team.role_changed" } else { "team.removed" };
    let (subject, detail) = (user.to_string(), json!({ "from": member.role.name, "to": role.map(|role| role.name) }));
    change.commit(Saying { action, subject: &subject, merchant: Some(merchant), detail }, Vec::new()).await?;
    app.post.wake();
    Ok(())
}

/// The member of that id, who is not the actor.
fn other_member(actor: Actor, members: &[Member], user: UserId) -> Result<&Member, OpError> {
    if matches!(actor, Actor::Member(own, ..) if own == user) {
        return conflict("own_role", say!("refusal-own-role"));
    }
    members.iter().find(|member| member.user == user).ok_or(OpError::NotFound("member"))
}

/// Those of a team who have had their tries of this hour.
///
/// # Errors
/// `OpError::Store`.
pub async fn locked(app: &App, members: &[Member]) -> Result<Vec<UserId>, OpError> {
    let locked = proofs::locked(app).await?;
    Ok(members.iter().map(|member| member.user).filter(|user| locked.contains(*user)).collect())
}

/// Lets a member who gave too many wrong codes try again.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `NotFound`; `Conflict` with `own_role`.
pub async fn unlock(app: &App, actor: Actor, merchant: MerchantId, user: UserId) -> Result<(), OpError> {
    let mut change = begin(app, actor, merchant).await?;
    let members = team::members(change.conn(), merchant).await?;
    other_member(actor, &members, user)?;
    proofs::unlock(change.conn(), user).await?;
    let subject = user.to_string();
    let saying = Saying { action: "team.unlocked", subject: &subject, merchant: Some(merchant), detail: json!({}) };
    change.commit(saying, Vec::new()).await
}

/// Takes a member's second factors away, because they are lost: every sign-in of theirs ends, and they set up new ones.
/// Only for somebody who is in no other team, which would not be asked, and for no owner.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `NotFound`; `Conflict` with `own_role`, `is_owner` or `other_teams`.
pub async fn reset_factors(app: &App, actor: Actor, merchant: MerchantId, user: UserId) -> Result<(), OpError> {
    let mut change = begin(app, actor, merchant).await?;
    let members = team::members(change.conn(), merchant).await?;
    let member = other_member(actor, &members, user)?;
    if member.role.role == Role::Owner {
        return conflict("is_owner", say!("refusal-is-owner"));
    }
    if people::memberships(change.conn(), user).await?.len() > 1 {
        return conflict("other_teams", say!("refusal-other-teams"));
    }
    means::forget(app, change.conn(), user).await?;
    proofs::unlock(change.conn(), user).await?;
    sessions::end_others(change.conn(), user, None, app.clock.now()).await?;
    let body = SecretText::new(say!("mail-factors-reset-text").to_owned());
    app.write_letter(change.conn(), (Channel::Mail, &member.email), say!("mail-factors-reset"), &body).await?;
    let subject = user.to_string();
    let saying =
        Saying { action: "team.factors_reset", subject: &subject, merchant: Some(merchant), detail: json!({}) };
    change.commit(saying, Vec::new()).await?;
    app.post.wake();
    Ok(())
}

/// Says whether everybody in the team has to have a second factor. Needs the password, besides the proof.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `Field`; `TooMany`; `Busy`.
pub async fn set_rule(
    app: &App,
    (person, password): (&Person, SecretText),
    merchant: MerchantId,
    needs_factor: bool,
) -> Result<(), OpError> {
    let actor = person.actor(merchant).ok_or(OpError::NotFound("merchant"))?;
    actor.require(Act::ManageTeam)?;
    check_password(app, person, password).await?;
    let mut change = begin(app, actor, merchant).await?;
    team::set_rule(change.conn(), merchant, needs_factor).await?;
    let (subject, detail) = (merchant.to_string(), json!({ "second_factor": needs_factor }));
    let saying = Saying { action: "team.rule_changed", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await
}

/// Leaves a team.
///
/// # Errors
/// `NotFound`; `Conflict` with `last_owner`.
pub async fn leave(app: &App, person: &Person, merchant: MerchantId) -> Result<(), OpError> {
    let mut change = Change::begin(app, Actor::System, Act::Operate).await?;
    let members = team::members(change.conn(), merchant).await?;
    let own = members.iter().find(|member| member.user == person.user).ok_or(OpError::NotFound("merchant"))?;
    let owners = members.iter().filter(|member| member.role.role == Role::Owner).count();
    if own.role.role == Role::Owner && owners == 1 {
        return conflict("last_owner", say!("refusal-last-owner-leaves"));
    }
    team::leave(change.conn(), person.user, merchant).await?;
    let (subject, detail) = (person.user.to_string(), json!({ "role": own.role.name }));
    let saying = Saying { action: "team.left", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await
}
