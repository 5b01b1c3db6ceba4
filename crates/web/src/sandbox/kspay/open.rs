//! What the gateways of a merchant post to KS Pay's sandbox: what became of a payment. Whoever signs with the secret of the
//! app and gateway is taken for it.

use keymint_app::ops::gateways;
use keymint_app::sandbox::SandboxError;
use keymint_app::sandbox::turn::{Next, Owner, Turn};
use keymint_app::store_types::AppRow;
use keymint_domain::dialect::gateways::{Gateway, Told};
use keymint_domain::id::AppId;
use keymint_domain::json::Document;
use serde_json::{Value, json};

use super::success;
use crate::reply::{self, Response};
use crate::sandbox::{Open, Outcome, parsed, rfc3339, trouble, unknown, with};

/// Where gateways post to.
const PLACE: &str = "/gateways/";

/// Whether a path is answered without keys.
pub fn is_open(route: &str) -> bool {
    route.starts_with(PLACE)
}

/// Answers a gateway.
pub async fn answer(call: &Open<'_>) -> Outcome {
    let segments: Vec<_> = call.view.route().strip_prefix(PLACE).unwrap_or_default().split('/').collect();
    let [app_id, name] = segments.as_slice() else { return Err(unknown(false)) };
    if call.view.method != "POST" {
        return Err(unknown(true));
    }
    heard(call, (app_id, name)).await.map_err(|error| trouble(&error))
}

/// One answer to whoever signs wrongly, whatever is wrong: no such app or gateway, no secret, another signature.
fn refused(call: &Open<'_>) -> Response {
    let answers = &call.product.dialect.answers;
    let body = answers.envelope(401, "9007", "Unauthorized! Please provide valid credentials.");
    reply::whole(401, &answers.content_type, body)
}

fn invalid(call: &Open<'_>) -> Response {
    let answers = &call.product.dialect.answers;
    reply::whole(400, &answers.content_type, answers.envelope(400, "25", "Invalid Request"))
}

/// The header with the signature, where it stands once.
fn signature<'a>(call: &Open<'a>, gateway: &Gateway) -> Option<&'a str> {
    let mut found = call.view.headers.iter().filter(|header| *header.name == *gateway.signing.header);
    match (found.next(), found.next()) {
        (Some(header), None) => std::str::from_utf8(header.value).ok(),
        _ => None,
    }
}

async fn heard(call: &Open<'_>, (app_id, name): (&str, &str)) -> Result<Response, SandboxError> {
    let gateway = gateways::of_product(call.app, &call.product.name).iter().find(|gateway| *gateway.name == *name);
    let Some((gateway, id)) = gateway.zip(app_id.parse::<AppId>().ok()) else { return Ok(refused(call)) };
    let Some(signature) = signature(call, gateway) else { return Ok(refused(call)) };
    let row = gateways::signed_by(call.app, id, gateway, (signature, call.view.body)).await?;
    let Some(row) = row.filter(|row| row.product == *call.product.name) else { return Ok(refused(call)) };
    // Two members of one name: what one reader takes from them another may not (T18).
    let body = Document::parse(call.view.body).ok().and_then(|_| serde_json::from_slice(call.view.body).ok());
    let Some(body): Option<Value> = body else { return Ok(invalid(call)) };
    let has_moved = match gateway.told(&body) {
        Some(told) => match moved(call, &row, &told).await {
            // Somebody else has moved it meanwhile: it is as it is.
            Err(SandboxError::Overtaken) => false,
            other => other?,
        },
        None => false,
    };
    let answers = &call.product.dialect.answers;
    let body = success(200, json!({ "moved": has_moved }));
    Ok(reply::whole(200, &answers.content_type, body.to_string()))
}

/// Moves the transaction of an order, once; whether it did. What is settled stays: gateways repeat themselves, and not in
/// order.
async fn moved(call: &Open<'_>, row: &AppRow, told: &Told) -> Result<bool, SandboxError> {
    let owner = Owner { product: &call.product.name, merchant_id: row.merchant_id, app_id: row.id };
    let mut turn = Turn::begin(call.app, owner).await?;
    let Some(found) = turn.find_reference("transaction", &told.order).await? else { return Ok(false) };
    let transaction = parsed(&found);
    if !matches!(transaction["status"].as_str(), Some("PENDING" | "PROCESSING")) {
        return Ok(false);
    }
    let status = if told.is_paid { "SUCCESS" } else { "FAILED" };
    let mut members = json!({ "status": status, "updatedAt": rfc3339(turn.now()) });
    if !told.payment.is_empty() {
        members["providerPaymentId"] = json!(told.payment);
    }
    turn.change("transaction", &found, &Next::quiet(with(&transaction, members).to_string())).await?;
    turn.commit().await?;
    Ok(true)
}
