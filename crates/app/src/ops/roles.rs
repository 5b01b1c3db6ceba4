//! Roles that a merchant makes for its team: a name, and some of the acts that may be granted. A change of one is a change
//! for all who have it, with their next request.

use keymint_domain::id::{MerchantId, RoleId};
use keymint_domain::role::{Act, Acts, Role};
use keymint_store::people::Membership;
use keymint_store::roles::{self, NamedRole, TeamRole};
use serde_json::json;

use crate::App;
use crate::ops::{Actor, OpError, Saying, field, input, team};
use crate::say;

/// Roles that a merchant may make.
const ROLES_MAX: usize = 20;

/// The roles that a merchant has made.
///
/// # Errors
/// `Forbidden`; `NotFound` for another's.
pub async fn list(app: &App, actor: Actor, merchant: MerchantId) -> Result<Vec<TeamRole>, OpError> {
    actor.require(Act::SeeTeam)?;
    if !actor.may_act_for(merchant) {
        return Err(OpError::NotFound("merchant"));
    }
    let mut conn = app.db.read().await?;
    Ok(roles::of_merchant(&mut conn, merchant).await?)
}

/// Makes a role, or changes the one of that id.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `Field`; `NotFound`; `Conflict` with `too_many_roles`.
pub async fn put(
    app: &App,
    actor: Actor,
    merchant: MerchantId,
    which: Option<RoleId>,
    (name, acts): (&str, Acts),
) -> Result<RoleId, OpError> {
    let name = input::text("name", name, 1..=40)?;
    let mut change = team::begin(app, actor, merchant).await?;
    let known = roles::of_merchant(change.conn(), merchant).await?;
    let is_taken = |role: &TeamRole| Some(role.id) != which && role.name.eq_ignore_ascii_case(&name);
    if Role::parse(&name.to_lowercase()).is_some() || known.iter().any(is_taken) {
        return field("name", say!("input-role-name-taken"));
    }
    let id = match which {
        Some(id) if known.iter().all(|role| role.id != id) => return Err(OpError::NotFound("role")),
        Some(id) => id,
        None if known.len() >= ROLES_MAX => {
            return team::conflict("too_many_roles", say!("refusal-too-many-roles"));
        }
        None => RoleId::fresh(app.clock.now(), &*app.entropy)?,
    };
    let row_check = app.keyring.row_check(&roles::check_bytes(merchant, id, &name, acts));
    roles::put(change.conn(), merchant, (id, &name, acts), &row_check).await?;
    let action = if which.is_some() { "role.changed" } else { "role.made" };
    let (subject, detail) = (id.to_string(), json!({ "name": name, "acts": acts.to_string() }));
    change.commit(Saying { action, subject: &subject, merchant: Some(merchant), detail }, Vec::new()).await?;
    Ok(id)
}

/// What a role is called: one that every merchant has, in words; another as the merchant calls it.
pub fn title(role: Role, name: &str) -> String {
    let words = match role {
        Role::Owner => say!("role-owner"),
        Role::Admin => say!("role-admin"),
        Role::Developer => say!("role-developer"),
        Role::Viewer => say!("role-viewer"),
        Role::Custom(..) => name,
    };
    words.to_owned()
}

/// Deletes a role that nobody has.
///
/// # Errors
/// `Forbidden`; `ProofNeeded`; `NotFound`; `Conflict` with `role_in_use`.
pub async fn remove(app: &App, actor: Actor, merchant: MerchantId, id: RoleId) -> Result<(), OpError> {
    let mut change = team::begin(app, actor, merchant).await?;
    let known = roles::of_merchant(change.conn(), merchant).await?;
    let role = known.into_iter().find(|role| role.id == id).ok_or(OpError::NotFound("role"))?;
    if role.holders > 0 {
        return team::conflict("role_in_use", say!("refusal-role-in-use"));
    }
    roles::remove(change.conn(), id).await?;
    let (subject, detail) = (id.to_string(), json!({ "name": role.name }));
    let saying = Saying { action: "role.deleted", subject: &subject, merchant: Some(merchant), detail };
    change.commit(saying, Vec::new()).await
}

/// A role by what a form says: the name of one that every merchant has, or the id of this one's.
///
/// # Errors
/// `OpError::Field`.
pub async fn find(app: &App, merchant: MerchantId, text: &str) -> Result<NamedRole, OpError> {
    if let Some(role) = Role::parse(text) {
        return Ok(role.into());
    }
    let mut conn = app.db.read().await?;
    let known = roles::of_merchant(&mut conn, merchant).await?;
    match known.into_iter().find(|role| role.id.to_string() == text) {
        Some(TeamRole { id, name, acts, .. }) => Ok(NamedRole { role: Role::Custom(id, acts), name }),
        None => field("role", say!("input-role")),
    }
}

/// Whether the role of a membership is one that every merchant has, or one that Keymint has written (T56).
pub fn is_intact(app: &App, membership: &Membership) -> bool {
    let Role::Custom(id, acts) = membership.role else { return true };
    let bytes = roles::check_bytes(membership.merchant_id, id, &membership.role_name, acts);
    let is_intact = app.keyring.row_is_intact(&bytes, &membership.role_check);
    if !is_intact {
        tracing::error!(role = %id, "the role was not written by this Keymint; it is refused");
    }
    is_intact
}
