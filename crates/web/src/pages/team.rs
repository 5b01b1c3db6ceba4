//! A merchant's team, the invitations to it, and the invitations that a person has got.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::{OpError, field, roles, team};
use keymint_app::say;
use keymint_domain::id::{InvitationId, MerchantId, UserId};
use keymint_domain::role::{Act, Role};
use keymint_domain::secret::SecretText;
use serde::Deserialize;

use super::proof::{self, Carry, Given, Waiting};
use super::session::{BareForm, SignedIn, Visitor};
use super::{Frame, Problem, day, in_form, merchant, page};
use crate::api::extract::rfc3339;

struct MemberLine {
    id: String,
    name: String,
    email: String,
    role: String,
    role_value: String,
    is_locked: bool,
    is_owner: bool,
    since_on: String,
    since: String,
    is_own: bool,
}

struct InvitationLine {
    id: String,
    email: String,
    role: String,
    role_value: String,
    sent_on: String,
    sent_at: String,
    is_over: bool,
}

#[derive(Template)]
#[template(path = "team.html")]
struct TeamPage {
    frame: Frame,
    members: Vec<MemberLine>,
    invitations: Vec<InvitationLine>,
    may_manage: bool,
    needs_factor: bool,
    /// What forms send, and the name.
    roles: Vec<(String, String)>,
    email: String,
    role: String,
    field: &'static str,
    problem: String,
    notice: &'static str,
}

/// What is wrong with the form, and what was typed.
#[derive(Default)]
struct Said {
    email: String,
    role: String,
    field: &'static str,
    problem: String,
    notice: &'static str,
}

/// Whether a person may change the team, with a proof or yet without.
///
/// # Errors
/// `NotFound`.
pub fn may_manage(visitor: &Visitor, id: MerchantId) -> Result<bool, Problem> {
    let (_, actor) = visitor.at(id)?;
    Ok(!matches!(actor.require(Act::ManageTeam), Err(OpError::Forbidden)))
}

async fn shown(app: &App, visitor: &Visitor, id: MerchantId, said: Said) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(id)?;
    let (members, invitations) = team::list(app, actor, id).await?;
    let may_manage = may_manage(visitor, id)?;
    let locked = if may_manage { team::locked(app, &members).await? } else { Vec::new() };
    let mut choices: Vec<_> = Role::ALL.map(|role| (role.to_string(), roles::title(role, ""))).into();
    choices.extend(roles::list(app, actor, id).await?.into_iter().map(|role| (role.id.to_string(), role.name)));
    let own = visitor.person.user;
    let member = |member: keymint_app::store_types::Member| MemberLine {
        id: member.user.to_string(),
        name: member.name,
        email: member.email,
        role_value: member.role.role.to_string(),
        is_owner: member.role.role == Role::Owner,
        is_locked: locked.contains(&member.user),
        role: roles::title(member.role.role, &member.role.name),
        since_on: day(member.since),
        since: rfc3339(member.since),
        is_own: member.user == own,
    };
    let invitation = |invitation: keymint_app::store_types::Invitation| InvitationLine {
        id: invitation.id.to_string(),
        email: invitation.email,
        role_value: invitation.role.role.to_string(),
        role: roles::title(invitation.role.role, &invitation.role.name),
        sent_on: day(invitation.sent_at),
        sent_at: rfc3339(invitation.sent_at),
        is_over: invitation.expires_at <= visitor.person.now,
    };
    let status = if said.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = TeamPage {
        frame: Frame::new(visitor, membership, "team"),
        members: members.into_iter().map(member).collect(),
        invitations: invitations.into_iter().map(invitation).collect(),
        may_manage,
        needs_factor: membership.needs_factor,
        roles: choices,
        email: said.email,
        role: said.role,
        field: said.field,
        problem: said.problem,
        notice: said.notice,
    };
    page(status, &view)
}

/// What was just done.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TeamQuery {
    done: String,
}

/// The team.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<TeamQuery>,
) -> Result<Response, Problem> {
    let notice = match asked.done.as_str() {
        "invited" => say!("team-done-invited"),
        "withdrawn" => say!("team-done-withdrawn"),
        "changed" => say!("team-done-changed"),
        "removed" => say!("team-done-removed"),
        "unlocked" => say!("team-done-unlocked"),
        "reset" => say!("team-done-reset"),
        "rule" => say!("team-done-rule"),
        _ => "",
    };
    shown(&app, &visitor, merchant(&id)?, Said { notice, ..Said::default() }).await
}

/// Goes on only with a form of this session, from someone who may change the team, with a proof or yet without.
///
/// # Errors
/// `Stale`; `Forbidden`.
pub fn check(visitor: &Visitor, id: MerchantId, csrf: &str) -> Result<(), Problem> {
    visitor.check(csrf)?;
    if may_manage(visitor, id)? { Ok(()) } else { Err(Problem::Forbidden) }
}

/// What the forms of this page send.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TeamForm {
    csrf: String,
    email: String,
    role: String,
    challenge: String,
    code: String,
}

/// Lets a change of the team through, for those who may make one, with a proof.
async fn gate(
    app: &App,
    visitor: &mut Visitor,
    (id, path): (MerchantId, &str),
    form: &TeamForm,
    act: &'static str,
) -> Result<Carry, Problem> {
    check(visitor, id, &form.csrf)?;
    let fields = [("csrf", &form.csrf), ("email", &form.email), ("role", &form.role)];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.clone()));
    let waiting = Waiting { to: format!("/merchants/{id}/team{path}"), fields: fields.collect(), act };
    proof::gate(app, visitor, Given { challenge: &form.challenge, code: &form.code }, waiting).await
}

async fn ended(
    app: &App,
    visitor: &Visitor,
    (id, done): (MerchantId, &str),
    result: Result<(), OpError>,
    (carry, headers, form): (Carry, &HeaderMap, TeamForm),
) -> Result<Response, Problem> {
    let Err(error) = result else {
        let to = format!("/merchants/{id}/team?done={done}");
        return Ok(carry.onto(Redirect::to(&to).into_response(), headers));
    };
    let (field, problem) = in_form(error)?;
    let said = Said { email: form.email, role: form.role, field, problem, notice: "" };
    Ok(carry.onto(shown(app, visitor, id, said).await?, headers))
}

/// Invites somebody, or once more.
pub async fn invite(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<TeamForm>,
) -> Result<Response, Problem> {
    let id = merchant(&id)?;
    let carry = gate(&app, &mut visitor, (id, ""), &form, say!("team-invite")).await?;
    let (_, actor) = visitor.at(id)?;
    let result = match roles::find(&app, id, &form.role).await {
        Ok(role) => team::invite(&app, actor, id, &visitor.person, (&form.email, role)).await,
        Err(error) => Err(error),
    };
    ended(&app, &visitor, (id, "invited"), result, (carry, &headers, form)).await
}

/// Withdraws an invitation.
pub async fn withdraw(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path((id, invitation)): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<TeamForm>,
) -> Result<Response, Problem> {
    let (id, invitation) = (merchant(&id)?, invitation.parse::<InvitationId>().map_err(|_| Problem::NotFound)?);
    let path = format!("/invitations/{invitation}/withdraw");
    let carry = gate(&app, &mut visitor, (id, &path), &form, say!("team-act-withdraw")).await?;
    let (_, actor) = visitor.at(id)?;
    let result = team::withdraw(&app, actor, id, invitation).await;
    ended(&app, &visitor, (id, "withdrawn"), result, (carry, &headers, form)).await
}

/// Changes a role, or takes a member out: role `none`.
pub async fn set_role(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(whose): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<TeamForm>,
) -> Result<Response, Problem> {
    let turn = if form.role == "none" { Turn::TakeOut } else { Turn::GiveRole };
    change_member(&app, visitor, whose, (&headers, form), turn).await
}

/// Lets a member who gave too many wrong codes try again.
pub async fn unlock(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(whose): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<TeamForm>,
) -> Result<Response, Problem> {
    change_member(&app, visitor, whose, (&headers, form), Turn::Unlock).await
}

/// Takes a member's second factors away.
pub async fn reset_factors(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(whose): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<TeamForm>,
) -> Result<Response, Problem> {
    change_member(&app, visitor, whose, (&headers, form), Turn::ResetFactors).await
}

/// What becomes of a member.
#[derive(Clone, Copy)]
enum Turn {
    GiveRole,
    TakeOut,
    Unlock,
    ResetFactors,
}

async fn change_member(
    app: &App,
    mut visitor: Visitor,
    (id, user): (String, String),
    (headers, form): (&HeaderMap, TeamForm),
    turn: Turn,
) -> Result<Response, Problem> {
    let (id, user) = (merchant(&id)?, user.parse::<UserId>().map_err(|_| Problem::NotFound)?);
    let (path, act, done) = match turn {
        Turn::GiveRole => ("", say!("common-change-the-role"), "changed"),
        Turn::TakeOut => ("", say!("team-take-out"), "removed"),
        Turn::Unlock => ("/unlock", say!("team-unlock"), "unlocked"),
        Turn::ResetFactors => ("/reset-factors", say!("team-reset"), "reset"),
    };
    let carry = gate(app, &mut visitor, (id, &format!("/members/{user}{path}")), &form, act).await?;
    let (_, actor) = visitor.at(id)?;
    let result = match turn {
        Turn::GiveRole => match roles::find(app, id, &form.role).await {
            Ok(role) => team::set_role(app, actor, id, user, Some(role)).await,
            Err(error) => Err(error),
        },
        Turn::TakeOut => team::set_role(app, actor, id, user, None).await,
        Turn::Unlock => team::unlock(app, actor, id, user).await,
        Turn::ResetFactors => team::reset_factors(app, actor, id, user).await,
    };
    ended(app, &visitor, (id, done), result, (carry, headers, form)).await
}

/// What the form of the rule sends. The password is in no page that comes between.
#[derive(Deserialize)]
pub struct RuleForm {
    csrf: String,
    #[serde(default)]
    needs_factor: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    challenge: String,
    #[serde(default)]
    code: String,
}

/// Says whether everybody in the team has to have a second factor: with a proof, and with the password.
pub async fn set_rule(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<RuleForm>,
) -> Result<Response, Problem> {
    let id = merchant(&id)?;
    check(&visitor, id, &form.csrf)?;
    let fields = vec![("csrf", form.csrf.clone()), ("needs_factor", form.needs_factor.clone())];
    let waiting = Waiting { to: format!("/merchants/{id}/team/rule"), fields, act: say!("team-act-rule") };
    let given = Given { challenge: &form.challenge, code: &form.code };
    let carry = proof::gate(&app, &mut visitor, given, waiting).await?;
    let result = if form.password.is_empty() {
        field("password", say!("team-rule-password"))
    } else {
        let with = (&visitor.person, SecretText::new(form.password));
        team::set_rule(&app, with, id, form.needs_factor == "yes").await
    };
    let response = match result {
        Ok(()) => Redirect::to(&format!("/merchants/{id}/team?done=rule")).into_response(),
        Err(error) => {
            let (field, problem) = in_form(error)?;
            let field = if field == "password" { "rule_password" } else { field };
            shown(&app, &visitor, id, Said { field, problem, ..Said::default() }).await?
        }
    };
    Ok(carry.onto(response, &headers))
}

/// Leaves the team.
pub async fn leave(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<BareForm>,
) -> Result<Response, Problem> {
    visitor.check(form.csrf())?;
    let id = merchant(&id)?;
    match team::leave(&app, &visitor.person, id).await {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        Err(OpError::Conflict { message, .. }) => {
            shown(&app, &visitor, id, Said { problem: message, ..Said::default() }).await
        }
        Err(other) => Err(other.into()),
    }
}

struct Invited {
    id: String,
    merchant: String,
    role: String,
}

#[derive(Template)]
#[template(path = "invitations.html")]
struct InvitationsPage {
    frame: Frame,
    invitations: Vec<Invited>,
}

/// The invitations that a person has got.
pub async fn invitations(State(app): State<App>, SignedIn(visitor): SignedIn) -> Result<Response, Problem> {
    let invited = team::invitations_to(&app, &visitor.person).await?.into_iter().map(|invitation| Invited {
        id: invitation.id.to_string(),
        merchant: invitation.merchant_name,
        role: roles::title(invitation.role.role, &invitation.role.name),
    });
    let invitations = invited.collect();
    page(StatusCode::OK, &InvitationsPage { frame: Frame::personal(&visitor, "invitations"), invitations })
}

/// What a person says to an invitation.
#[derive(Deserialize)]
pub struct AnswerForm {
    csrf: String,
    answer: String,
}

/// Accepts an invitation, or declines it.
pub async fn answer(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Form(form): Form<AnswerForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let id = id.parse().map_err(|_| Problem::NotFound)?;
    let said = match form.answer.as_str() {
        "accept" => team::Answer::Accept,
        "decline" => team::Answer::Decline,
        _ => return Err(Problem::Stale),
    };
    let merchant = team::answer(&app, &visitor.person, id, said).await?;
    let to = match said {
        team::Answer::Accept => format!("/merchants/{merchant}/apps"),
        team::Answer::Decline => "/".to_owned(),
    };
    Ok(Redirect::to(&to).into_response())
}
