//! The providers that an app may use, on its settings page: a form with a box for each that the vendor has.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use keymint_app::App;
use keymint_app::ops::providers::{self, Choice};
use keymint_app::ops::{Actor, OpError, apps, credentials};
use keymint_app::say;
use keymint_domain::mode::Mode;
use keymint_domain::role::Act;

use super::app_settings::{Said, shown};
use super::keys::{gate, own};
use super::pairs::Pairs;
use super::proof::{Given, Waiting};
use super::session::SignedIn;
use super::{Problem, in_form};

/// One provider in the form.
pub struct ProviderBox {
    /// Its name on the wire.
    pub name: Box<str>,
    /// Whether the app may use it.
    pub is_chosen: bool,
}

/// The part of the settings page. Without boxes it is not there.
pub struct ProvidersView {
    /// Those there are, and what the list still has that is not there any more.
    pub boxes: Vec<ProviderBox>,
    /// How many are chosen.
    pub chosen: usize,
    /// Whether whoever looks may change them.
    pub may_choose: bool,
    /// What was wrong with the form.
    pub error: String,
}

impl ProvidersView {
    /// Of a list as it is, or as it was typed where that was refused.
    pub fn new((actor, reach): (Actor, Mode), choice: Choice, (typed, error): (Vec<String>, String)) -> Self {
        let Choice { chosen, available } = choice;
        let gone = chosen.iter().filter(|name| !available.contains(name)).cloned().collect::<Vec<_>>();
        let is_chosen = |name: &str| match error.is_empty() {
            true => chosen.iter().any(|one| **one == *name),
            false => typed.iter().any(|one| one == name),
        };
        let boxes = available.into_iter().chain(gone).map(|name| ProviderBox { is_chosen: is_chosen(&name), name });
        let boxes = boxes.collect();
        let is_live_refused = matches!(actor.require(credentials::manage(reach)), Err(OpError::Forbidden));
        let may_choose = actor.require(Act::ChooseProviders).is_ok() && !is_live_refused;
        Self { boxes, chosen: chosen.len(), may_choose, error }
    }
}

/// What the form sends: `provider` stands in it once for each.
struct ProvidersForm {
    csrf: String,
    provider: Vec<String>,
    challenge: String,
    code: String,
}

impl ProvidersForm {
    fn of(mut pairs: Pairs) -> Self {
        Self {
            csrf: pairs.one("csrf"),
            provider: pairs.all("provider"),
            challenge: pairs.one("challenge"),
            code: pairs.one("code"),
        }
    }
}

/// Chooses the providers; any other is refused before the next page is there.
pub async fn choose(
    State(app): State<App>,
    SignedIn(mut visitor): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let form = ProvidersForm::of(pairs);
    visitor.check(&form.csrf)?;
    let (row, actor) = own(&app, &visitor, &id).await?;
    actor.require(Act::ChooseProviders)?;
    let reach = apps::reach(&app, actor, row.id).await?;
    let mut fields = vec![("csrf", form.csrf)];
    fields.extend(form.provider.iter().map(|name| ("provider", name.clone())));
    let waiting = Waiting { to: format!("/apps/{}/providers", row.id), fields, act: say!("settings-providers-save") };
    let given = Given { challenge: &form.challenge, code: &form.code };
    let carry = gate(&app, &mut visitor, (actor, reach), given, waiting).await?;
    let (_, actor) = visitor.at(row.merchant_id)?;
    let response = match providers::choose(&app, actor, row.id, &form.provider).await {
        Ok(choice) => {
            let done = if choice.chosen.is_empty() { "providers-all" } else { "providers" };
            Redirect::to(&format!("/apps/{}/settings?done={done}#providers", row.id)).into_response()
        }
        Err(error) => {
            let (_, problem) = in_form(error)?;
            let wrong = say!("settings-providers-wrong", problem = problem);
            let said = Said::refused_providers(form.provider, wrong);
            shown(&app, &visitor, row, said).await?
        }
    };
    Ok(carry.onto(response, &headers))
}
