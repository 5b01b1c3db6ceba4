//! Search and jump: from anywhere to a place of the console, an application, or a key whose id somebody has in hand.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keymint_app::App;
use keymint_app::ops::apps;
use keymint_app::say;
use serde::Deserialize;

use super::session::{SignedIn, Visitor};
use super::{Frame, Problem, keys, page};

/// Applications of one merchant that are looked through.
const APPS_MAX: i64 = 1000;
/// Lines shown.
const FOUND_MAX: usize = 50;
/// The places of a merchant: where, and what they are called.
fn places() -> [(&'static str, &'static str); 7] {
    [
        ("apps", say!("common-applications")),
        ("apps/new", say!("common-add-app")),
        ("team", say!("common-team")),
        ("roles", say!("common-roles")),
        ("profile", say!("common-company")),
        ("activation", say!("common-activation")),
        ("audit", say!("common-audit-log")),
    ]
}

struct Found {
    href: String,
    name: String,
    what: String,
}

#[derive(Template)]
#[template(path = "jump.html")]
struct JumpPage {
    frame: Frame,
    q: String,
    found: Vec<Found>,
    has_more: bool,
}

/// What is looked for, and from which merchant's page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct JumpQuery {
    q: String,
    merchant: String,
}

/// Where an id leads, exact to the last letter; nowhere for one that this person may not see.
async fn by_id(app: &App, visitor: &Visitor, q: &str) -> Result<Option<String>, Problem> {
    match keys::own(app, visitor, q).await {
        Ok((row, _)) => return Ok(Some(format!("/apps/{}", row.id))),
        Err(Problem::NotFound) => {}
        Err(other) => return Err(other),
    }
    match keys::own_key(app, visitor, q).await {
        Ok((view, _)) => {
            let (app_id, mode) = (view.credential.app_id, view.credential.mode.as_str());
            Ok(Some(format!("/apps/{app_id}/keys?mode={mode}")))
        }
        Err(Problem::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What has these letters in its name or address, of every merchant of this person.
async fn by_name(app: &App, visitor: &Visitor, q: &str) -> Result<Vec<Found>, Problem> {
    let (wanted, mut found) = (q.to_lowercase(), Vec::new());
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    for membership in &visitor.person.memberships {
        let (id, name) = (membership.merchant_id, &membership.merchant_name);
        let Ok((_, actor)) = visitor.at(id) else { continue };
        let places = places().into_iter().filter(|(_, words)| has(words));
        found.extend(places.map(|(path, words)| Found {
            href: format!("/merchants/{id}/{path}"),
            name: words.to_owned(),
            what: name.clone(),
        }));
        let rows = apps::list(app, actor, id, "", APPS_MAX).await?.into_iter();
        let rows = rows.filter(|row| has(&row.name) || has(&row.email) || has(&row.id.to_string()));
        found.extend(rows.map(|row| {
            let what = format!("{} · {name} · {}", row.product, row.id);
            Found { href: format!("/apps/{}", row.id), name: row.name, what }
        }));
    }
    let security = say!("common-security");
    if [security, say!("security-passkeys"), say!("common-password")].into_iter().any(has) {
        found.push(Found {
            href: "/security".to_owned(),
            name: security.to_owned(),
            what: say!("jump-you").to_owned(),
        });
    }
    Ok(found)
}

/// Goes to what an id names, or lists what is called so.
pub async fn show(
    State(app): State<App>,
    SignedIn(visitor): SignedIn,
    Query(asked): Query<JumpQuery>,
) -> Result<Response, Problem> {
    let q = asked.q.trim();
    if let Some(to) = by_id(&app, &visitor, q).await? {
        return Ok(Redirect::to(&to).into_response());
    }
    let mut found = if q.is_empty() { Vec::new() } else { by_name(&app, &visitor, q).await? };
    let has_more = found.len() > FOUND_MAX;
    found.truncate(FOUND_MAX);
    let of = asked.merchant.parse().ok().and_then(|merchant| visitor.at(merchant).ok());
    let frame = match of {
        Some((membership, _)) => Frame::new(&visitor, membership, "jump"),
        None => Frame::personal(&visitor, "jump"),
    };
    page(StatusCode::OK, &JumpPage { frame, q: q.to_owned(), found, has_more })
}
