//! An app's keys: the list, a new one shown once, roll, revoke. A secret is in one answer, which nothing keeps.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::credentials::{self, Made, NewCredential, View};
use keymint_app::ops::idempotency::Repeat;
use keymint_app::ops::{Actor, OpError, apps, go_live};
use keymint_app::say;
use keymint_app::store_types::AppRow;
use keymint_domain::credential::{RevokeReason, State as KeyState, Status};
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;
use serde::Deserialize;

use super::proof::{self, Carry, Given, Waiting};
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, day, in_form, minute, page};
use crate::api::extract::rfc3339;

/// Keys that have ended on one page, below those that can be used.
const ENDED_MAX: usize = 50;

struct KeyLine {
    key_id: String,
    name: String,
    status: &'static str,
    tone: &'static str,
    is_alive: bool,
    is_retiring: bool,
    ends_at: String,
    ends_on: String,
    created_at: String,
    created_on: String,
    last_used_at: String,
    last_used: String,
    exposed_at: String,
    exposed: String,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    app_id: String,
    app_name: String,
    mode: &'static str,
    tab: &'static str,
    may_see_logs: bool,
    may_manage: bool,
    may_end: bool,
    keys: Vec<KeyLine>,
    /// The list from its beginning, where this is further on.
    /// How many items of a checklist keep a person from making a live key.
    missing: usize,
    newest: String,
    /// The next page, where there is one.
    older: String,
    /// What makes two sendings of one form one act.
    once: String,
    name: String,
    problem: String,
    notice: &'static str,
}

#[derive(Template)]
#[template(path = "key_shown.html")]
struct ShownPage<'a> {
    frame: Frame,
    app_id: String,
    mode: &'static str,
    key_id: &'a str,
    secret: &'a str,
    predecessor: String,
}

/// What a key is, in words.
pub fn state_words(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => say!("keys-active"),
        KeyState::Retiring => say!("keys-retiring"),
        KeyState::Revoked => say!("keys-revoked"),
        KeyState::Expired => say!("keys-expired"),
    }
}

/// The colour of a key's state.
pub fn tone(state: KeyState) -> &'static str {
    match state {
        KeyState::Active => "good",
        KeyState::Retiring => "warn",
        KeyState::Revoked | KeyState::Expired => "bad",
    }
}

fn line(view: View) -> KeyLine {
    let (ends_at, ends_on) = match &view.credential.status {
        Status::Retiring { ends_at } => (rfc3339(*ends_at), minute(*ends_at)),
        Status::Active | Status::Revoked { .. } => (String::new(), String::new()),
    };
    KeyLine {
        status: state_words(view.state),
        tone: tone(view.state),
        is_alive: matches!(view.state, KeyState::Active | KeyState::Retiring),
        is_retiring: view.state == KeyState::Retiring,
        ends_at,
        ends_on,
        created_at: rfc3339(view.credential.created_at),
        created_on: day(view.credential.created_at),
        last_used_at: view.seen.last_used_at.map(rfc3339).unwrap_or_default(),
        last_used: view.seen.last_used_at.map_or_else(|| say!("common-never").to_owned(), minute),
        exposed_at: view.seen.exposed_at.map(rfc3339).unwrap_or_default(),
        exposed: view.seen.exposed_at.map(minute).unwrap_or_default(),
        name: view.credential.name.unwrap_or_default(),
        key_id: view.credential.key_id,
    }
}

/// The app that a visitor may see, and who acts there.
///
/// # Errors
/// `NotFound`: whether there is such an app is not told.
pub async fn own(app: &App, visitor: &Visitor, id: &str) -> Result<(AppRow, Actor), Problem> {
    let id = id.parse().map_err(|_| Problem::NotFound)?;
    let row = apps::find(app, Actor::System, id).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    Ok((apps::find(app, actor, id).await?, actor))
}

/// What the page says besides the list.
#[derive(Default)]
struct Said {
    name: String,
    problem: String,
    notice: &'static str,
    /// The id of the last key of the page before this one.
    before: String,
}

async fn listed(
    app: &App,
    visitor: &Visitor,
    (row, actor): (AppRow, Actor),
    mode: Mode,
    said: Said,
) -> Result<Response, Problem> {
    let (membership, _) = visitor.at(row.merchant_id)?;
    let mut keys =
        if said.before.is_empty() { credentials::living(app, actor, row.id, mode).await? } else { Vec::new() };
    let below = if said.before.is_empty() { credentials::NEWEST } else { &said.before };
    let limit = i64::try_from(ENDED_MAX + 1).unwrap_or(i64::MAX);
    let mut ended = credentials::ended_below(app, actor, (row.id, mode), (below, limit)).await?;
    let list = format!("/apps/{}/keys?mode={}", row.id, mode.as_str());
    let older = ended.get(ENDED_MAX - 1).filter(|_| ended.len() > ENDED_MAX);
    let older = older.map(|last| format!("{list}&before={}", last.credential.id)).unwrap_or_default();
    ended.truncate(ENDED_MAX);
    keys.extend(ended);
    let missing = if mode == Mode::Live { go_live::of_app(app, actor, row.id).await?.missing() } else { 0 };
    let status = if said.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = KeysPage {
        frame: Frame { mode_is_test: mode == Mode::Test, ..Frame::new(visitor, membership, "apps") },
        app_id: row.id.to_string(),
        app_name: row.name,
        mode: mode.as_str(),
        tab: "keys",
        may_see_logs: actor.require(Act::SeeRequests).is_ok(),
        // With a second factor, which is asked for when it comes to it.
        may_manage: !matches!(actor.require(credentials::manage(mode)), Err(OpError::Forbidden)),
        may_end: actor.require(credentials::end(mode)).is_ok(),
        keys: keys.into_iter().map(line).collect(),
        missing,
        newest: if said.before.is_empty() { String::new() } else { list },
        older,
        once: once(app)?,
        name: said.name,
        problem: said.problem,
        notice: said.notice,
    };
    page(status, &view)
}

/// Which mode, and what was just done.
#[derive(Deserialize)]
pub struct KeysQuery {
    mode: Option<Mode>,
    done: Option<String>,
    #[serde(default)]
    before: String,
}

/// The keys of an app in one mode.
pub async fn list(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(id): Path<String>,
    Query(asked): Query<KeysQuery>,
) -> Result<Response, Problem> {
    let own = own(&app, &visitor, &id).await?;
    let notice = match asked.done.as_deref() {
        Some("added") => say!("keys-done-added"),
        Some("shown") => say!("keys-done-shown"),
        Some("changed") => say!("keys-done-changed"),
        Some("moved") => say!("keys-done-moved"),
        Some("revoked") => say!("keys-done-revoked"),
        _ => "",
    };
    listed(
        &app,
        &visitor,
        own,
        asked.mode.unwrap_or(Mode::Test),
        Said { notice, before: asked.before, ..Said::default() },
    )
    .await
}

/// What makes two sendings of one form one act.
///
/// # Errors
/// `OpError::Entropy`.
pub fn once(app: &App) -> Result<String, OpError> {
    Ok(keymint_domain::entropy::draw_text(&*app.entropy, b"0123456789abcdef", 32)?)
}

/// A form as one act: sent twice, by a reload or a second click, it makes one key, and shows it once.
///
/// # Errors
/// `Stale` for a form without.
pub fn repeat(operation: &str, once: &str) -> Result<Repeat, Problem> {
    Repeat::new(&format!("{once}.{operation}"), operation, b"").map_err(|_| Problem::Stale)
}

/// What the form for a new key sends.
#[derive(Deserialize)]
pub struct NewKeyForm {
    csrf: String,
    once: String,
    mode: Mode,
    #[serde(default)]
    name: String,
    #[serde(default)]
    challenge: String,
    #[serde(default)]
    code: String,
}

/// Lets through who may do it in test mode, and in live mode with a proof.
///
/// # Errors
/// `Forbidden`; `Instead` with the page that asks.
pub async fn gate(
    app: &App,
    visitor: &mut Visitor,
    (actor, mode): (Actor, Mode),
    given: Given<'_>,
    waiting: Waiting<'_>,
) -> Result<Carry, Problem> {
    match actor.require(credentials::manage(mode)) {
        Ok(()) => Ok(Carry::nothing()),
        Err(OpError::ProofNeeded) => proof::gate(app, visitor, given, waiting).await,
        Err(other) => Err(other.into()),
    }
}

/// What a person is told who sent a form that was refused.
fn refusal(error: OpError) -> Result<String, Problem> {
    let (field, problem) = in_form(error)?;
    Ok(if field.is_empty() { problem } else { say!("keys-field-wrong", field = field, problem = problem) })
}

/// Issues a key and shows it, this once.
pub async fn generate(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<NewKeyForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    let NewKeyForm { csrf, once, mode, name, challenge, code } = form;
    let fields =
        vec![("csrf", csrf), ("once", once.clone()), ("mode", mode.as_str().to_owned()), ("name", name.clone())];
    let waiting = Waiting { to: format!("/apps/{}/keys", row.id), fields, act: say!("keys-act-generate") };
    let given = Given { challenge: &challenge, code: &code };
    let carry = gate(&app, &mut visitor, (actor, mode), given, waiting).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let new = NewCredential {
        mode,
        name: (!name.trim().is_empty()).then(|| name.clone()),
        expires_at: None,
        scopes: Vec::new(),
        allowed_ips: Vec::new(),
        allowed_origins: Vec::new(),
    };
    let repeat = repeat(&format!("issue.{}", row.id), &once)?;
    let response = match credentials::issue(&app, actor, row.id, &new, Some(&repeat)).await {
        Ok(made) => shown(&visitor, &made, String::new())?,
        Err(error) => {
            let said = Said { problem: refusal(error)?, name, ..Said::default() };
            listed(&app, &visitor, (row, actor), mode, said).await?
        }
    };
    Ok(carry.onto(response, &headers))
}

fn shown(visitor: &Visitor, made: &Made, predecessor: String) -> Result<Response, Problem> {
    let credential = &made.view.credential;
    let (membership, _) = visitor.at(credential.merchant_id)?;
    let Some(secret) = &made.secret else {
        let to = format!("/apps/{}/keys?mode={}&done=shown", credential.app_id, credential.mode.as_str());
        return Ok(Redirect::to(&to).into_response());
    };
    let view = ShownPage {
        frame: Frame { mode_is_test: credential.mode == Mode::Test, ..Frame::new(visitor, membership, "apps") },
        app_id: credential.app_id.to_string(),
        mode: credential.mode.as_str(),
        key_id: &credential.key_id,
        secret: secret.expose(),
        predecessor,
    };
    page(StatusCode::CREATED, &view)
}

/// The key that a visitor may see, and who acts there.
///
/// # Errors
/// `NotFound`: whether there is such a key is not told.
pub async fn own_key(app: &App, visitor: &Visitor, key_id: &str) -> Result<(View, Actor), Problem> {
    let view = credentials::find(app, Actor::System, key_id).await?;
    let (_, actor) = visitor.at(view.credential.merchant_id)?;
    Ok((view, actor))
}

async fn refused(app: &App, visitor: &Visitor, key: &View, error: OpError) -> Result<Response, Problem> {
    let said = Said { problem: refusal(error)?, ..Said::default() };
    let own = own(app, visitor, &key.credential.app_id.to_string()).await?;
    listed(app, visitor, own, key.credential.mode, said).await
}

/// What the form of a roll sends.
#[derive(Deserialize)]
pub struct RollForm {
    csrf: String,
    once: String,
    grace_seconds: u32,
    #[serde(default)]
    challenge: String,
    #[serde(default)]
    code: String,
}

/// Issues a successor and shows it, this once.
pub async fn roll(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(key_id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<RollForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (before, actor) = own_key(&app, &visitor, &key_id).await?;
    let RollForm { csrf, once, grace_seconds, challenge, code } = form;
    let fields = vec![("csrf", csrf), ("once", once.clone()), ("grace_seconds", grace_seconds.to_string())];
    let waiting = Waiting { to: format!("/keys/{key_id}/roll"), fields, act: say!("keys-act-regenerate") };
    let given = Given { challenge: &challenge, code: &code };
    let carry = gate(&app, &mut visitor, (actor, before.credential.mode), given, waiting).await?;
    let (_, actor) = visitor.at(before.credential.merchant_id)?;
    let repeat = repeat(&format!("roll.{key_id}"), &once)?;
    let response = match credentials::roll(&app, actor, &key_id, grace_seconds, Some(&repeat)).await {
        Ok(rolled) => {
            let predecessor = match line(rolled.previous).ends_on {
                ends if ends.is_empty() => say!("key-shown-old-stopped", key = key_id),
                ends => say!("key-shown-old-works", key = key_id, until = ends),
            };
            shown(&visitor, &rolled.made, predecessor)?
        }
        Err(error) => refused(&app, &visitor, &before, error).await?,
    };
    Ok(carry.onto(response, &headers))
}

/// Moves the end of a retiring key: to a time from now, or to now, which needs no proof.
pub async fn move_end(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(key_id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<RollForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (before, actor) = own_key(&app, &visitor, &key_id).await?;
    let RollForm { csrf, once, grace_seconds, challenge, code } = form;
    let mode = before.credential.mode;
    let carry = if grace_seconds == 0 {
        actor.require(credentials::end(mode))?;
        Carry::nothing()
    } else {
        let fields = vec![("csrf", csrf), ("once", once), ("grace_seconds", grace_seconds.to_string())];
        let waiting = Waiting { to: format!("/keys/{key_id}/end"), fields, act: say!("keys-act-move-end") };
        let given = Given { challenge: &challenge, code: &code };
        gate(&app, &mut visitor, (actor, mode), given, waiting).await?
    };
    let (_, actor) = visitor.at(before.credential.merchant_id)?;
    let response = match credentials::move_end(&app, actor, &key_id, grace_seconds).await {
        Ok(_) => {
            let to = format!("/apps/{}/keys?mode={}&done=moved", before.credential.app_id, mode.as_str());
            Redirect::to(&to).into_response()
        }
        Err(error) => refused(&app, &visitor, &before, error).await?,
    };
    Ok(carry.onto(response, &headers))
}

/// What the form of a revocation sends.
#[derive(Deserialize)]
pub struct RevokeForm {
    csrf: String,
    reason: String,
}

/// Ends a key. When the next page is there, no request with it is accepted.
pub async fn revoke(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(key_id): Path<String>,
    Form(form): Form<RevokeForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (before, actor) = own_key(&app, &visitor, &key_id).await?;
    let reason = RevokeReason::parse(&form.reason).unwrap_or(RevokeReason::Other);
    match credentials::revoke(&app, actor, &key_id, reason, None).await {
        Ok(_) => {
            let credential = &before.credential;
            let to = format!("/apps/{}/keys?mode={}&done=revoked", credential.app_id, credential.mode.as_str());
            Ok(Redirect::to(&to).into_response())
        }
        Err(error) => refused(&app, &visitor, &before, error).await,
    }
}
