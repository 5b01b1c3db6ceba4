//! KwikPaisa's hosted payment page, on which a tester picks what becomes of an order. Whoever has its address may use it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use keymint_app::ops::returns;
use keymint_app::sandbox::{Object, SandboxError, random_text};
use keymint_app::say;
use keymint_domain::return_url::ReturnUrl;
use serde_json::Value;

use super::orders::{End, SESSION_LENGTH, ended};
use crate::pages::hosted::{Asks, Choice, HostedPage, back_to};
use crate::reply::{self, Response};
use crate::sandbox::{Open, Outcome, find, parsed, text_of, trouble, unknown};

/// Where hosted pages are.
const PAGES: &str = "/pay/kp_";

/// Whether a path is answered without keys.
pub fn is_open(route: &str) -> bool {
    route.starts_with(PAGES)
}

/// Answers a call without keys.
pub async fn answer(call: &Open<'_>) -> Outcome {
    if !matches!(call.view.method, "GET" | "POST") {
        return Err(unknown(true));
    }
    let token = call.view.route().strip_prefix("/pay/").unwrap_or_default();
    hosted(call, token).await.map_err(|error| trouble(&error))
}

async fn session(call: &Open<'_>, token: &str) -> Result<Option<(Object, Value)>, SandboxError> {
    let length = token.len().saturating_sub(SESSION_LENGTH);
    let Some((id, secret)) = token.split_at_checked(length) else { return Ok(None) };
    let Some(kept) = find(call, "order", id).await? else { return Ok(None) };
    let order = parsed(&kept);
    let is_it = verify_slices_are_equal(text_of(&order, "session").as_bytes(), secret.as_bytes()).is_ok();
    Ok(is_it.then_some((kept, order)))
}

/// Whether there is something to pick still.
fn is_unpaid(order: &Value) -> bool {
    matches!(text_of(order, "order_status"), "PENDING" | "PROCESSING")
}

async fn hosted(call: &Open<'_>, token: &str) -> Result<Response, SandboxError> {
    let Some((kept, order)) = session(call, token).await? else {
        let answers = &call.product.dialect.answers;
        return Ok(reply::whole(404, &answers.content_type, answers.envelope(404, "null", "Order not found.")));
    };
    if call.view.method == "GET" {
        return Ok(page(call, &order, (200, "")));
    }
    if !is_unpaid(&order) {
        return Ok(page(call, &order, (409, "")));
    }
    let Some(end) = call.field("outcome").and_then(End::picked) else {
        return Ok(page(call, &order, (400, say!("hosted-pick"))));
    };
    match pick(call, (&kept, &order), end).await {
        Ok(picked) => back(call, &kept, &picked).await,
        // Somebody picked at the same moment: the page says what.
        Err(SandboxError::Overtaken) => match session(call, token).await? {
            Some((_, order)) => Ok(page(call, &order, (409, ""))),
            None => Err(SandboxError::Overtaken),
        },
        Err(error) => Err(error),
    }
}

async fn pick(call: &Open<'_>, (kept, order): (&Object, &Value), end: End) -> Result<Value, SandboxError> {
    let transaction_id = random_text(call.app, b"0123456789", 9)?;
    let mut turn = call.turn(kept).await?;
    let next = ended(order, (end, turn.now()), &transaction_id);
    let changed = turn.change("order", kept, &next).await?;
    turn.commit().await?;
    Ok(parsed(&changed))
}

fn page(call: &Open<'_>, order: &Value, (status, problem): (u16, &'static str)) -> Response {
    let page = HostedPage {
        product: call.product.dialect.title.to_string(),
        amount: format!("{} {}", text_of(order, "order_amount"), text_of(order, "currency")),
        reference: text_of(order, "order_id").to_owned(),
        status: (!is_unpaid(order)).then(|| text_of(order, "order_status").to_owned()),
        choices: vec![Choice::pay(), Choice::fail(), Choice::wait(), Choice::expire()],
        asks: Asks::Nothing,
        back: None,
        problem: problem.to_owned(),
    };
    page.response(status)
}

/// The way back to the merchant. The vendor documents no signature: ours is by the API secret, over
/// `order_id|order_status|timestamp` (chosen), and the status call says what is true.
async fn back(call: &Open<'_>, kept: &Object, order: &Value) -> Result<Response, SandboxError> {
    let Ok(url) = ReturnUrl::parse(text_of(order, "return_url")) else { return Ok(page(call, order, (200, ""))) };
    let at = call.app.clock.now().seconds().to_string();
    let (order_id, status) = (text_of(order, "order_id"), text_of(order, "order_status"));
    let signed = format!("{order_id}|{status}|{at}");
    let signature = returns::sign_with_key(call.app, kept.app_id, &signed).await?;
    let mut pairs = vec![
        ("order_id", order_id),
        ("order_status", status),
        ("transaction_id", text_of(order, "transaction_id")),
        ("timestamp", &at),
    ];
    pairs.extend(signature.as_deref().map(|signature| ("signature", signature)));
    Ok(back_to(&url.with(&pairs)))
}
