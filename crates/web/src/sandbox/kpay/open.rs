//! What KPay's simulator answers without keys: the hosted page on which a tester picks the outcome, fees and limits, and
//! the OpenAPI document. Whoever has a page's address may use it: it holds 142 bits of chance, and leads to one payment.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use keymint_app::ops::returns;
use keymint_app::sandbox::turn::Next;
use keymint_app::sandbox::{Object, SandboxError};
use keymint_app::say;
use keymint_domain::return_url::ReturnUrl;
use serde_json::{Value, json};

use super::{End, ID_LENGTH, SESSION_LENGTH, catalogue, check, ended, numbers};
use crate::pages::hosted::{Asks, Choice, HostedPage, back_to};
use crate::reply::{self, Response};
use crate::sandbox::{Open, Outcome, parsed, text_of, trouble, unknown, with};

/// Where hosted pages are.
const PAGES: &str = "/gateway/gw_";

/// Whether a path is answered without keys.
pub fn is_open(route: &str) -> bool {
    route.starts_with(PAGES) || matches!(route, "/api/public/platform-info" | "/api/docs/public-json")
}

/// Answers a call without keys.
pub async fn answer(call: &Open<'_>) -> Outcome {
    let json = |body: Value| Ok(reply::json(200, body.to_string()));
    match (call.view.method, call.view.route()) {
        ("GET", "/api/public/platform-info") => json(catalogue::platform_info()),
        ("GET", "/api/docs/public-json") => json(catalogue::openapi()),
        ("GET" | "POST", route) => match route.strip_prefix(PAGES) {
            Some(token) => hosted(call, token).await.map_err(|error| trouble(&error)),
            None => Err(unknown(true)),
        },
        _ => Err(unknown(true)),
    }
}

/// The payment or payout of a page.
struct Session {
    kind: &'static str,
    kept: Object,
    object: Value,
}

async fn session(call: &Open<'_>, token: &str) -> Result<Option<Session>, SandboxError> {
    let Some((short, secret)) = token.split_at_checked(ID_LENGTH).filter(|(_, rest)| rest.len() == SESSION_LENGTH)
    else {
        return Ok(None);
    };
    for (kind, prefix) in [("payment", "pay_"), ("payout", "wdr_")] {
        let Some(kept) = crate::sandbox::find(call, kind, &format!("{prefix}{short}")).await? else { continue };
        let object = parsed(&kept);
        let is_it = verify_slices_are_equal(text_of(&object, "session").as_bytes(), secret.as_bytes()).is_ok();
        return Ok(is_it.then_some(Session { kind, kept, object }));
    }
    Ok(None)
}

async fn hosted(call: &Open<'_>, token: &str) -> Result<Response, SandboxError> {
    let Some(found) = session(call, token).await? else {
        let answers = &call.product.dialect.answers;
        let body = answers.envelope(404, "null", "Gateway session not found");
        return Ok(reply::whole(404, &answers.content_type, body));
    };
    let is_open = matches!(text_of(&found.object, "status"), "PENDING" | "PROCESSING");
    if call.view.method == "GET" || !is_open {
        return Ok(page(call, &found.object, (if call.view.method == "GET" { 200 } else { 409 }, "")));
    }
    match pick(call, &found).await {
        Ok(Ok(picked)) => back(call, &found.kept, &picked).await,
        Ok(Err(problem)) => Ok(page(call, &found.object, (400, problem))),
        // Somebody picked at the same moment: the page says what.
        Err(SandboxError::Overtaken) => match session(call, token).await? {
            Some(found) => Ok(page(call, &found.object, (409, ""))),
            None => Err(SandboxError::Overtaken),
        },
        Err(error) => Err(error),
    }
}

fn page(call: &Open<'_>, object: &Value, (status, problem): (u16, &'static str)) -> Response {
    let is_open = matches!(text_of(object, "status"), "PENDING" | "PROCESSING");
    let page = HostedPage {
        product: call.product.dialect.title.to_string(),
        amount: format!("{} {}", object["amount"], text_of(object, "currency")),
        reference: text_of(object, "reference").to_owned(),
        status: (!is_open).then(|| text_of(object, "status").to_owned()),
        choices: vec![Choice::pay(), Choice::fail(), Choice::wait(), Choice::cancel()],
        asks: Asks::Phone,
        back: None,
        problem: problem.to_owned(),
    };
    page.response(status)
}

/// What may be picked, and how it ends with that; nothing where it stays under way. A number is typed besides.
pub const PICKS: [(&str, Option<End>); 4] = [
    ("success", Some(End::COMPLETED)),
    ("failed", Some(End::failed("PAYMENT_NOT_APPROVED"))),
    ("processing", None),
    ("cancelled", Some(End::cancelled("CANCELLED_BY_USER"))),
];

/// A payment or a payout with the number that was typed, and how it ends with that; or what is wrong with the number.
fn typed(call: &Open<'_>, found: &Session) -> Result<(Value, Option<End>), &'static str> {
    let phone = call.field("phone").unwrap_or_default().trim_start_matches("%2B");
    let country = numbers::country_of(phone).ok_or(say!("hosted-phone-unknown"))?;
    let provider = catalogue::first_provider(country);
    let members = json!({ "phoneNumber": phone, "country": country, "provider": provider });
    let object = with(&found.object, members);
    let object = match catalogue::currency_of(country) {
        Some(own) if found.kind == "payout" => check::across(&object, own).ok_or(say!("hosted-amount-too-small"))?,
        _ => object,
    };
    Ok((object, End::of(numbers::outcome(found.kind, phone))))
}

/// What was picked, done; or what is wrong with it.
async fn pick(call: &Open<'_>, found: &Session) -> Result<Result<Value, &'static str>, SandboxError> {
    let Session { kind, kept, object } = found;
    let outcome = call.field("outcome").unwrap_or_default();
    let (object, end) = match PICKS.iter().find(|(name, _)| *name == outcome) {
        Some((_, Some(end))) => (object.clone(), Some(*end)),
        Some((_, None)) => (with(object, json!({ "status": "PROCESSING" })), None),
        None if outcome == "number" => match typed(call, found) {
            Ok(typed) => typed,
            Err(problem) => return Ok(Err(problem)),
        },
        None => return Ok(Err(say!("hosted-pick"))),
    };
    let mut turn = call.turn(kept).await?;
    let next = match end {
        Some(end) => ended(kept, &object, (kind, turn.now()), &end),
        None => Next::quiet(object.to_string()),
    };
    let changed = turn.change(kind, kept, &next).await?;
    turn.commit().await?;
    Ok(Ok(parsed(&changed)))
}

/// The way back to the merchant, signed with the gateway secret where the app has one: `status|reference|externalId|ts`.
/// The time is the real one, whatever the app's clock shows: it says how fresh the redirect is.
async fn back(call: &Open<'_>, kept: &Object, object: &Value) -> Result<Response, SandboxError> {
    let status = text_of(object, "status");
    let cancelled = object["cancelUrl"].as_str().filter(|_| status == "CANCELLED");
    let url = ReturnUrl::parse(cancelled.unwrap_or(text_of(object, "returnUrl")));
    let Ok(url) = url else { return Ok(page(call, object, (200, ""))) };
    let at = call.app.clock.now().0.to_string();
    let (reference, external_id) = (text_of(object, "reference"), text_of(object, "externalId"));
    let signed = format!("{status}|{reference}|{external_id}|{at}");
    let signature = returns::sign(call.app, kept.app_id, &signed).await?;
    let mut pairs = vec![("status", status), ("reference", reference), ("externalId", external_id), ("ts", &at)];
    pairs.extend(signature.as_deref().map(|signature| ("sig", signature)));
    Ok(back_to(&url.with(&pairs)))
}
