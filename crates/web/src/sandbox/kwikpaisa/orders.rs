//! KwikPaisa's payment orders. A customer pays on the hosted page, or the paise of the amount say what becomes of it.

use keymint_app::sandbox::turn::{Fresh, Next};
use keymint_app::sandbox::{Object, SandboxError, random_text};
use keymint_domain::return_url::ReturnUrl;
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{amount, event, indian_time, paise, posting, refusal, refused, text, trigger, wrong};
use crate::sandbox::{Asked, BASE62, Outcome, parsed, place, text_of, trouble, uuid, with};

/// How long a hosted page may be used (chosen). Milliseconds.
const PAGE_MS: i64 = 30 * 60_000;
/// Characters of the secret part of a page's address.
pub const SESSION_LENGTH: usize = 24;

/// What becomes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is paid.
    Success,
    /// It fails.
    Failed,
    /// It is under way.
    Processing,
    /// Nobody paid in time.
    Expired,
}

/// What may be asked for: by the paise of an amount, or by what is picked on the page.
const ENDS: [(&str, &str, End); 4] = [
    ("11", "success", End::Success),
    ("12", "failed", End::Failed),
    ("13", "processing", End::Processing),
    ("14", "expired", End::Expired),
];

impl End {
    /// What the paise of an amount ask for.
    fn of(amount: &str) -> Option<Self> {
        ENDS.iter().find(|(paise, ..)| *paise == trigger(amount)).map(|(.., end)| *end)
    }

    /// What was picked on the page.
    pub fn picked(outcome: &str) -> Option<Self> {
        ENDS.iter().find(|(_, picked, _)| *picked == outcome).map(|(.., end)| *end)
    }

    /// The state of an order, and the event that tells of it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Success => ("PAID", "payment.success"),
            Self::Failed => ("FAILED", "payment.failed"),
            Self::Processing => ("PROCESSING", "payment.processing"),
            Self::Expired => ("EXPIRED", "payment.expired"),
        }
    }
}

/// What docs/sandbox/kwikpaisa.md has to say of what becomes of an order.
#[cfg(test)]
pub fn documented() -> Vec<crate::sandbox::documented::Row> {
    use crate::sandbox::documented::{Row, quoted};
    let row = |(paise, picked, end): &(&str, &str, End)| {
        let (status, event) = end.words();
        Row::new(&quoted(&format!(".{paise}")), &[(1, quoted(picked)), (2, quoted(status)), (3, quoted(event))])
    };
    ENDS.iter().map(row).collect()
}

/// An order's fields, or the name of the first that is wrong.
fn check(body: &Map<String, Value>) -> Result<(String, Value), &'static str> {
    let order_id = text(body, "order_id").ok_or("order_id")?;
    let order_amount = amount(body, "order_amount").ok_or("order_amount")?;
    let currency = text(body, "order_currency").ok_or("order_currency")?;
    text(body, "service_type").ok_or("service_type")?;
    let customer = body.get("customer").and_then(Value::as_object).ok_or("customer")?;
    for field in ["name", "email", "phone"] {
        text(customer, field).ok_or("customer")?;
    }
    let return_url = body.get("return_url").and_then(Value::as_str).ok_or("return_url")?;
    ReturnUrl::parse(return_url).map_err(|_| "return_url")?;
    Ok((order_id, json!({ "order_amount": order_amount, "currency": currency, "return_url": return_url })))
}

/// Makes an order.
pub async fn create(call: &Asked<'_>, body: &Map<String, Value>) -> Outcome {
    let (order_id, fields) = match check(body) {
        Ok(checked) => checked,
        Err(field) => return Ok(wrong(call, field)),
    };
    match keep(call, &order_id, &fields).await {
        Ok(answer) => Ok(call.json(200, &answer)),
        Err(error) => refused(call, &error, "Duplicate order_id."),
    }
}

async fn keep(call: &Asked<'_>, order_id: &str, fields: &Value) -> Result<Value, SandboxError> {
    let id = format!("kp_{}", uuid(call.app)?);
    let session = random_text(call.app, BASE62, SESSION_LENGTH)?;
    let mut turn = call.shelf("order").turn().await?;
    let now = turn.now();
    let order = json!({
        "kwikX_order_id": id, "order_id": order_id, "order_amount": fields["order_amount"],
        "currency": fields["currency"], "order_status": "PENDING", "payment_method": null, "transaction_id": null,
        "created_at": indian_time(now), "paid_at": null, "return_url": fields["return_url"], "session": session,
    });
    let kept = turn.keep(Fresh { kind: "order", id: &id, reference: Some(order_id), body: &order.to_string() }).await?;
    match End::of(text_of(&order, "order_amount")) {
        Some(end) => {
            let at = call.settles_at(now);
            let transaction_id = random_text(call.app, b"0123456789", 9)?;
            let next = ended(&order, (end, at), &transaction_id);
            call.settle(&mut turn, ("order", &kept), vec![(at, next)]).await?;
        }
        None => {
            let at = UnixMs(now.0.saturating_add(PAGE_MS));
            turn.later("order", &kept, vec![(at, ended(&order, (End::Expired, at), ""))]).await?;
        }
    }
    turn.commit().await?;
    Ok(json!({
        "code": "200", "status": "success", "message": "Order created successfully.",
        "return_data": {
            "kwikX_order_id": id, "order_id": order_id, "order_amount": order["order_amount"],
            "currency": order["currency"], "order_status": "PENDING",
            "payment_link": format!("{}/pay/{id}{session}", place(call.view, call.gateway_url)),
        },
    }))
}

/// An order as it is from a moment on, the event that tells of it, and what a payment adds to the wallet.
pub fn ended(order: &Value, (end, at): (End, UnixMs), transaction_id: &str) -> Next {
    let (status, name) = end.words();
    let is_paid = end == End::Success;
    let mut members = json!({ "order_status": status });
    if end != End::Expired {
        members = with(&members, json!({ "payment_method": "UPI", "transaction_id": format!("TXN{transaction_id}") }));
    }
    if is_paid {
        members = with(&members, json!({ "paid_at": indian_time(at) }));
    }
    let amount = paise(text_of(order, "order_amount"));
    Next {
        event: Some(event(name, (&order["order_id"], &order["order_amount"]), status)),
        postings: if is_paid { vec![posting(amount, 0)] } else { Vec::new() },
        ..Next::quiet(with(order, members).to_string())
    }
}

/// How an order stands.
pub async fn status(call: &Asked<'_>, body: &Map<String, Value>) -> Outcome {
    let Some(order_id) = text(body, "order_id") else { return Ok(wrong(call, "order_id")) };
    let found = call.shelf("order").find_reference(&order_id).await.map_err(|error| trouble(&error))?;
    let Some(order) = found else { return Ok(refusal(call, 404, "Order not found.")) };
    let message = "Order status fetched successfully.";
    let data = shown(&order);
    Ok(call.json(200, &json!({ "code": "200", "status": "success", "message": message, "return_data": data })))
}

/// An order without what only its page needs.
fn shown(order: &Object) -> Value {
    let mut order = parsed(order);
    if let Some(order) = order.as_object_mut() {
        order.retain(|name, _| !matches!(name.as_str(), "session" | "return_url"));
    }
    order
}
