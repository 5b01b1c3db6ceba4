//! The roles of a merchant: those that everybody has, and its own, composed of what may be granted.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::{OpError, roles};
use keymint_app::say;
use keymint_app::store_types::TeamRole;
use keymint_domain::id::{MerchantId, RoleId};
use keymint_domain::role::{Act, Acts, Role};
use serde::Deserialize;

use super::pairs::Pairs;
use super::proof::{self, Carry, Given, Waiting};
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, in_form, merchant, page, team};

/// What a column of the table says, beside what may be granted.
fn owners_alone() -> [(Act, &'static str); 4] {
    [
        (Act::ManageCompany, say!("roles-company")),
        (Act::ChooseProviders, say!("roles-providers")),
        (Act::ManageLiveCredentials, say!("roles-live-keys")),
        (Act::ManageTeam, say!("roles-team")),
    ]
}

fn words(act: Act) -> &'static str {
    match act {
        Act::SeeRequests => say!("roles-requests"),
        Act::SeeAudit => say!("roles-audit"),
        Act::ManageApps => say!("roles-apps"),
        Act::ManageTestCredentials => say!("roles-test-keys"),
        Act::RevokeLiveCredentials => say!("roles-revoke-live"),
        Act::See
        | Act::SeeTeam
        | Act::ChooseProviders
        | Act::ManageCompany
        | Act::ManageLiveCredentials
        | Act::ManageTeam
        | Act::Operate => "",
    }
}

struct RoleLine {
    /// Empty for one that every merchant has.
    id: String,
    name: String,
    holders: i64,
    role: Role,
}

/// What one act says of each role.
struct ActLine {
    words: &'static str,
    cells: Vec<bool>,
}

struct Choice {
    name: &'static str,
    words: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "roles.html")]
struct RolesPage {
    frame: Frame,
    acts: Vec<ActLine>,
    roles: Vec<RoleLine>,
    may_manage: bool,
    form: FormView,
    notice: &'static str,
    problem: String,
}

#[derive(Template)]
#[template(path = "role.html")]
struct RolePage {
    frame: Frame,
    role_id: String,
    form: FormView,
    problem: String,
}

/// The form, as it was typed.
struct FormView {
    name: String,
    choices: Vec<Choice>,
    field: &'static str,
    problem: String,
}

impl FormView {
    fn new(name: &str, acts: Acts, (field, problem): (&'static str, String)) -> Self {
        let choice = |act: Act| Some(Choice { name: act.name()?, words: words(act), is_chosen: acts.has(act) });
        Self { name: name.to_owned(), choices: Act::GRANTABLE.into_iter().filter_map(choice).collect(), field, problem }
    }
}

fn line(TeamRole { id, name, acts, holders }: TeamRole) -> RoleLine {
    RoleLine { id: id.to_string(), name, holders, role: Role::Custom(id, acts) }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    id: MerchantId,
    (form, problem): (FormView, String),
    notice: &'static str,
) -> Result<Response, Problem> {
    let (membership, actor) = visitor.at(id)?;
    let status =
        if problem.is_empty() && form.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let fixed = |role: Role| RoleLine { id: String::new(), name: roles::title(role, ""), holders: 0, role };
    let mut lines: Vec<_> = Role::ALL.map(fixed).into();
    lines.extend(roles::list(app, actor, id).await?.into_iter().map(line));
    let act_line = |(act, words)| ActLine { words, cells: lines.iter().map(|line| line.role.may(act)).collect() };
    let view = RolesPage {
        frame: Frame::new(visitor, membership, "team"),
        acts: Act::GRANTABLE.map(|act| (act, words(act))).into_iter().chain(owners_alone()).map(act_line).collect(),
        roles: lines,
        may_manage: team::may_manage(visitor, id)?,
        form,
        notice,
        problem,
    };
    page(status, &view)
}

/// What was just done, and which role a new one begins as.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RolesQuery {
    done: String,
    copy: String,
}

/// The acts of a role to begin a new one with: no owner's and no admin's.
async fn copied(app: &App, visitor: &Visitor, id: MerchantId, text: &str) -> Acts {
    let found = roles::find(app, id, text).await.ok().filter(|_| visitor.at(id).is_ok());
    match found.map(|found| found.role) {
        Some(role @ (Role::Developer | Role::Viewer | Role::Custom(..))) => {
            Act::GRANTABLE.into_iter().filter(|act| role.may(*act)).fold(Acts::default(), Acts::with)
        }
        Some(Role::Owner | Role::Admin) | None => Acts::default(),
    }
}

/// The roles.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<RolesQuery>,
) -> Result<Response, Problem> {
    let notice = match asked.done.as_str() {
        "made" => say!("roles-done-made"),
        "changed" => say!("roles-done-changed"),
        "deleted" => say!("roles-done-deleted"),
        _ => "",
    };
    let id = merchant(&id)?;
    let acts = copied(&app, &visitor, id, &asked.copy).await;
    shown(&app, &visitor, id, (FormView::new("", acts, ("", String::new())), String::new()), notice).await
}

/// What the forms of these pages send: `act` stands in it once for each.
#[derive(Default)]
pub struct RoleForm {
    csrf: String,
    name: String,
    act: Vec<String>,
    challenge: String,
    code: String,
}

impl RoleForm {
    fn of(mut pairs: Pairs) -> Self {
        Self {
            csrf: pairs.one("csrf"),
            name: pairs.one("name"),
            act: pairs.all("act"),
            challenge: pairs.one("challenge"),
            code: pairs.one("code"),
        }
    }

    fn acts(&self) -> Acts {
        self.act.iter().filter_map(|name| Act::parse(name)).fold(Acts::default(), Acts::with)
    }
}

async fn gate(
    app: &App,
    visitor: &mut Visitor,
    (id, path): (MerchantId, &str),
    form: &RoleForm,
    act: &'static str,
) -> Result<Carry, Problem> {
    team::check(visitor, id, &form.csrf)?;
    let mut fields = vec![("csrf", form.csrf.clone()), ("name", form.name.clone())];
    fields.extend(form.act.iter().map(|act| ("act", act.clone())));
    let waiting = Waiting { to: format!("/merchants/{id}/roles{path}"), fields, act };
    proof::gate(app, visitor, Given { challenge: &form.challenge, code: &form.code }, waiting).await
}

fn done(id: MerchantId, what: &str) -> Response {
    Redirect::to(&format!("/merchants/{id}/roles?done={what}")).into_response()
}

/// Splits a refusal: beside the name, or above all.
fn refused(error: OpError, form: &RoleForm) -> Result<(FormView, String), Problem> {
    let (field, problem) = in_form(error)?;
    Ok(if field == "name" {
        (FormView::new(&form.name, form.acts(), (field, problem)), String::new())
    } else {
        (FormView::new(&form.name, form.acts(), ("", String::new())), problem)
    })
}

/// Makes a role.
pub async fn make(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let form = RoleForm::of(pairs);
    let id = merchant(&id)?;
    let carry = gate(&app, &mut visitor, (id, ""), &form, say!("roles-make")).await?;
    let (_, actor) = visitor.at(id)?;
    let response = match roles::put(&app, actor, id, None, (&form.name, form.acts())).await {
        Ok(_) => done(id, "made"),
        Err(error) => shown(&app, &visitor, id, refused(error, &form)?, "").await?,
    };
    Ok(carry.onto(response, &headers))
}

fn role_id(text: &str) -> Result<RoleId, Problem> {
    text.parse().map_err(|_| Problem::NotFound)
}

fn role_page(
    visitor: &Visitor,
    (id, role): (MerchantId, RoleId),
    (form, problem): (FormView, String),
) -> Result<Response, Problem> {
    let (membership, _) = visitor.at(id)?;
    let frame = Frame::new(visitor, membership, "team");
    let status =
        if problem.is_empty() && form.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    page(status, &RolePage { frame, role_id: role.to_string(), form, problem })
}

/// One role, to be changed.
pub async fn form(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path((id, role)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (id, role) = (merchant(&id)?, role_id(&role)?);
    let (_, actor) = visitor.at(id)?;
    if !team::may_manage(&visitor, id)? {
        return Err(Problem::Forbidden);
    }
    let found = roles::list(&app, actor, id).await?.into_iter().find(|one| one.id == role).ok_or(Problem::NotFound)?;
    role_page(&visitor, (id, role), (FormView::new(&found.name, found.acts, ("", String::new())), String::new()))
}

/// Changes a role.
pub async fn change(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path((id, role)): Path<(String, String)>,
    headers: HeaderMap,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let form = RoleForm::of(pairs);
    let (id, role) = (merchant(&id)?, role_id(&role)?);
    let carry = gate(&app, &mut visitor, (id, &format!("/{role}")), &form, say!("common-change-the-role")).await?;
    let (_, actor) = visitor.at(id)?;
    let response = match roles::put(&app, actor, id, Some(role), (&form.name, form.acts())).await {
        Ok(_) => done(id, "changed"),
        Err(error) => role_page(&visitor, (id, role), refused(error, &form)?)?,
    };
    Ok(carry.onto(response, &headers))
}

/// Deletes a role that nobody has.
pub async fn remove(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path((id, role)): Path<(String, String)>,
    headers: HeaderMap,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let form = RoleForm::of(pairs);
    let (id, role) = (merchant(&id)?, role_id(&role)?);
    let carry = gate(&app, &mut visitor, (id, &format!("/{role}/delete")), &form, say!("roles-act-delete")).await?;
    let (_, actor) = visitor.at(id)?;
    let response = match roles::remove(&app, actor, id, role).await {
        Ok(()) => done(id, "deleted"),
        Err(error) => shown(&app, &visitor, id, refused(error, &RoleForm::default())?, "").await?,
    };
    Ok(carry.onto(response, &headers))
}
