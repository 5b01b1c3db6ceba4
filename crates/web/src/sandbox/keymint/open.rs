//! The native hosted page, on which a tester picks what becomes of a payment. Whoever has its address may use it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use keymint_app::ops::returns;
use keymint_app::sandbox::{Object, SandboxError};
use keymint_app::say;
use keymint_domain::dialect::answer::quote;
use keymint_domain::return_url::ReturnUrl;
use serde_json::Value;

use super::payments::{ID_LENGTH, SESSION_LENGTH, steps};
use crate::pages::hosted::{Asks, Choice, HostedPage, back_to};
use crate::reply::{self, Response};
use crate::sandbox::{Open, Outcome, find, parsed, text_of, trouble, unknown};

/// Where hosted pages are.
const PAGES: &str = "/pay/";

/// Whether a path is answered without keys.
pub fn is_open(route: &str) -> bool {
    route.starts_with(PAGES)
}

/// Answers a call without keys.
pub async fn answer(call: &Open<'_>) -> Outcome {
    if !matches!(call.view.method, "GET" | "POST") {
        return Err(unknown(true));
    }
    let token = call.view.route().strip_prefix(PAGES).unwrap_or_default();
    hosted(call, token).await.map_err(|error| trouble(&error))
}

async fn session(call: &Open<'_>, token: &str) -> Result<Option<(Object, Value)>, SandboxError> {
    let Some((short, secret)) = token.split_at_checked(ID_LENGTH).filter(|(_, rest)| rest.len() == SESSION_LENGTH)
    else {
        return Ok(None);
    };
    let Some(kept) = find(call, "payment", &format!("pay_{short}")).await? else { return Ok(None) };
    let payment = parsed(&kept);
    let is_it = verify_slices_are_equal(text_of(&payment, "session").as_bytes(), secret.as_bytes()).is_ok();
    Ok(is_it.then_some((kept, payment)))
}

async fn hosted(call: &Open<'_>, token: &str) -> Result<Response, SandboxError> {
    let Some((kept, payment)) = session(call, token).await? else {
        let answers = &call.product.dialect.answers;
        let body = answers.envelope(404, &quote("not_found"), "There is nothing at this path.");
        return Ok(reply::whole(404, &answers.content_type, body));
    };
    if call.view.method == "GET" {
        return Ok(page(call, &payment, (200, "")));
    }
    if payment["status"] != "created" {
        return Ok(page(call, &payment, (409, "")));
    }
    let outcome = match call.field("outcome") {
        Some(outcome @ ("success" | "failed" | "expired")) => outcome,
        _ => return Ok(page(call, &payment, (400, say!("hosted-pick")))),
    };
    match pick(call, (&kept, &payment), outcome).await {
        Ok(picked) => back(call, &kept, &picked).await,
        // Somebody picked at the same moment: the page says what.
        Err(SandboxError::Overtaken) => match session(call, token).await? {
            Some((_, payment)) => Ok(page(call, &payment, (409, ""))),
            None => Err(SandboxError::Overtaken),
        },
        Err(error) => Err(error),
    }
}

async fn pick(call: &Open<'_>, (kept, payment): (&Object, &Value), outcome: &str) -> Result<Value, SandboxError> {
    let mut turn = call.turn(kept).await?;
    let mut kept = kept.clone();
    for (_, next) in steps(payment, outcome, turn.now()) {
        kept = turn.change("payment", &kept, &next).await?;
    }
    turn.commit().await?;
    Ok(parsed(&kept))
}

fn page(call: &Open<'_>, payment: &Value, (status, problem): (u16, &'static str)) -> Response {
    let page = HostedPage {
        product: call.product.dialect.title.to_string(),
        amount: format!("{} {}", payment["amount"], text_of(payment, "currency")),
        reference: payment["reference"].as_str().unwrap_or(text_of(payment, "id")).to_owned(),
        status: (payment["status"] != "created").then(|| text_of(payment, "status").to_owned()),
        choices: vec![Choice::pay(), Choice::fail(), Choice::expire()],
        asks: Asks::Nothing,
        back: None,
        problem: problem.to_owned(),
    };
    page.response(status)
}

/// The way back to the merchant, signed with the return secret where the app has one: `payment_id|status|timestamp`.
async fn back(call: &Open<'_>, kept: &Object, payment: &Value) -> Result<Response, SandboxError> {
    let Ok(url) = ReturnUrl::parse(text_of(payment, "return_url")) else { return Ok(page(call, payment, (200, ""))) };
    let at = call.app.clock.now().seconds().to_string();
    let status = text_of(payment, "status");
    let signature = returns::sign(call.app, kept.app_id, &format!("{}|{status}|{at}", kept.id)).await?;
    let mut pairs = vec![("payment_id", kept.id.as_str()), ("status", status), ("timestamp", &at)];
    pairs.extend(signature.as_deref().map(|signature| ("signature", signature)));
    Ok(back_to(&url.with(&pairs)))
}
