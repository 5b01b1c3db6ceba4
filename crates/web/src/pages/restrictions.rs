//! One key's name, expiry and restrictions.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use keymint_app::App;
use keymint_app::ops::credentials::{self, Patch, View};
use keymint_app::ops::proofs::hidden;
use keymint_app::ops::{Actor, OpError, address_codes};
use keymint_app::say;
use keymint_domain::id::ChallengeId;
use keymint_domain::mode::Mode;
use keymint_domain::time::UnixMs;
use serde::Deserialize;

use super::keys::{gate, own_key, state_words, tone};
use super::proof::{Given, Waiting};
use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, day, in_form, minute, page};
use crate::api::extract::rfc3339;

#[derive(Template)]
#[template(path = "restrictions.html")]
struct RestrictionsPage {
    frame: Frame,
    app_id: String,
    key_id: String,
    mode: &'static str,
    status: &'static str,
    tone: &'static str,
    exposed_at: String,
    exposed: String,
    may_manage: bool,
    form: RestrictionsForm,
    field: &'static str,
    problem: String,
    /// Whether a phone is missing, to which one of the codes would go.
    lacks_phone: bool,
}

#[derive(Template)]
#[template(path = "address_codes.html")]
struct AddressCodesPage<'a> {
    key_id: &'a str,
    addresses: Vec<String>,
    to: &'a str,
    fields: &'a [(&'static str, String)],
    codes: String,
    phone: String,
    mail: &'a str,
    problem: &'static str,
}

/// What the form sends: lists with one entry a line.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct RestrictionsForm {
    csrf: String,
    name: String,
    expires_on: String,
    allowed_ips: String,
    allowed_origins: String,
    scopes: String,
    challenge: String,
    code: String,
    codes: String,
    phone_code: String,
    mail_code: String,
}

/// The place of a problem that is no field: the account has no phone.
const NO_PHONE: &str = "phone";

fn lines(text: &str) -> Vec<String> {
    text.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

impl RestrictionsForm {
    fn of(view: &View) -> Self {
        let credential = &view.credential;
        let restrictions = &credential.restrictions;
        let joined = |list: &[Box<str>]| list.join("\n");
        let ips: Vec<String> = restrictions.allowed_ips.iter().map(ToString::to_string).collect();
        Self {
            name: credential.name.clone().unwrap_or_default(),
            expires_on: credential.expires_at.map(|at| day(UnixMs(at.0 - 1))).unwrap_or_default(),
            allowed_ips: ips.join("\n"),
            allowed_origins: joined(&restrictions.allowed_origins),
            scopes: joined(&restrictions.scopes),
            ..Self::default()
        }
    }

    /// The change. A day is over at its end, in UTC; the day that stood there is left as exact as it was.
    fn patch(&self, before: &Self) -> Result<Patch, OpError> {
        let expires_at = match self.expires_on.trim() {
            day if day == before.expires_on => None,
            "" => Some(None),
            day => {
                let wrong = |_| OpError::Field { field: "expires_on", problem: say!("key-day-wrong").to_owned() };
                let date: jiff::civil::Date = day.parse().map_err(wrong)?;
                let end = date.tomorrow().and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC)).map_err(wrong)?;
                Some(Some(UnixMs(end.timestamp().as_millisecond())))
            }
        };
        Ok(Patch {
            name: Some((!self.name.trim().is_empty()).then(|| self.name.clone())),
            expires_at,
            scopes: Some(lines(&self.scopes)),
            allowed_ips: Some(lines(&self.allowed_ips)),
            allowed_origins: Some(lines(&self.allowed_origins)),
        })
    }
}

fn shown(
    visitor: &Visitor,
    view: &View,
    form: RestrictionsForm,
    (field, problem): (&'static str, String),
) -> Result<Response, Problem> {
    let credential = &view.credential;
    let (membership, actor) = visitor.at(credential.merchant_id)?;
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let manage = actor.require(credentials::manage(credential.mode));
    let page_of = RestrictionsPage {
        frame: Frame { mode_is_test: credential.mode == Mode::Test, ..Frame::new(visitor, membership, "apps") },
        app_id: credential.app_id.to_string(),
        key_id: credential.key_id.clone(),
        mode: credential.mode.as_str(),
        status: state_words(view.state),
        tone: tone(view.state),
        exposed_at: view.seen.exposed_at.map(rfc3339).unwrap_or_default(),
        exposed: view.seen.exposed_at.map(minute).unwrap_or_default(),
        may_manage: !matches!(manage, Err(OpError::Forbidden)),
        form,
        lacks_phone: field == NO_PHONE,
        field: if field == NO_PHONE { "" } else { field },
        problem,
    };
    page(status, &page_of)
}

/// Asks for the two codes of a list; or, where some were given that were not right, for the same again.
async fn ask_for_codes(
    app: &App,
    visitor: &Visitor,
    waiting: (&View, &str, &[(&'static str, String)]),
    (form, addresses): (&RestrictionsForm, Vec<String>),
) -> Result<Response, Problem> {
    let (view, to, fields) = waiting;
    let person = &visitor.person;
    let is_wrong = !form.codes.is_empty();
    let codes = if is_wrong {
        form.codes.parse::<ChallengeId>().map_err(|_| Problem::Stale)?
    } else {
        match address_codes::ask(app, person, &view.credential.key_id, &addresses).await {
            Ok(challenge) => challenge.id,
            Err(error) => return shown(visitor, view, form.clone(), in_form(error)?),
        }
    };
    let page_of = AddressCodesPage {
        key_id: &view.credential.key_id,
        addresses,
        to,
        fields,
        codes: codes.to_string(),
        phone: person.means.phone.as_deref().map(hidden).unwrap_or_default(),
        mail: &person.email,
        problem: if is_wrong { say!("address-codes-wrong") } else { "" },
    };
    page(if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, &page_of)
}

/// The page.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Path(key_id): Path<String>,
) -> Result<Response, Problem> {
    let (view, _) = own_key(&app, &visitor, &key_id).await?;
    shown(&visitor, &view, RestrictionsForm::of(&view), ("", String::new()))
}

/// Changes them; what is narrower is so before the next page is there.
pub async fn change(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(key_id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<RestrictionsForm>,
) -> Result<Response, Problem> {
    visitor.check(&form.csrf)?;
    let (view, actor) = own_key(&app, &visitor, &key_id).await?;
    let mode = view.credential.mode;
    let fields = vec![
        ("csrf", form.csrf.clone()),
        ("name", form.name.clone()),
        ("expires_on", form.expires_on.clone()),
        ("allowed_ips", form.allowed_ips.clone()),
        ("allowed_origins", form.allowed_origins.clone()),
        ("scopes", form.scopes.clone()),
    ];
    let before = RestrictionsForm::of(&view);
    let is_new_list = lines(&form.allowed_ips) != lines(&before.allowed_ips);
    if is_new_list && address_codes::lacks_phone(&app, &visitor.person, actor, &view.credential) {
        actor_may(actor, mode)?;
        return shown(&visitor, &view, form, (NO_PHONE, say!("key-needs-phone").to_owned()));
    }
    let to = format!("/keys/{key_id}");
    let waiting = Waiting { to: to.clone(), fields: fields.clone(), act: say!("key-act-change") };
    let given = Given { challenge: &form.challenge, code: &form.code };
    let carry = gate(&app, &mut visitor, (actor, mode), given, waiting).await?;
    let response = match save(&app, &visitor, (&view, &before), &form).await {
        Ok(_) => {
            let to = format!("/apps/{}/keys?mode={}&done=changed", view.credential.app_id, mode.as_str());
            Redirect::to(&to).into_response()
        }
        Err(OpError::CodesNeeded { allowed_ips }) => {
            ask_for_codes(&app, &visitor, (&view, &to, &fields), (&form, allowed_ips)).await?
        }
        Err(error) => {
            let (field, problem) = in_form(error)?;
            // The form asks for a day, the use case for a moment.
            shown(&visitor, &view, form, (if field == "expires_at" { "expires_on" } else { field }, problem))?
        }
    };
    Ok(carry.onto(response, &headers))
}

/// Whoever may not change the key at all hears that first.
fn actor_may(actor: Actor, mode: Mode) -> Result<(), Problem> {
    match actor.require(credentials::manage(mode)) {
        Err(OpError::Forbidden) => Err(Problem::Forbidden),
        _ => Ok(()),
    }
}

async fn save(
    app: &App,
    visitor: &Visitor,
    (view, before): (&View, &RestrictionsForm),
    form: &RestrictionsForm,
) -> Result<View, OpError> {
    let credential = &view.credential;
    let actor = visitor.person.actor(credential.merchant_id).ok_or(OpError::NotFound("credential"))?;
    let patch = form.patch(before)?;
    let codes = if form.codes.is_empty() {
        None
    } else {
        let given = address_codes::Given { challenge: &form.codes, phone: &form.phone_code, mail: &form.mail_code };
        address_codes::answer(app, &visitor.person, given).await?
    };
    credentials::patch_with_codes(app, actor, &credential.key_id, &patch, codes.as_ref()).await
}
