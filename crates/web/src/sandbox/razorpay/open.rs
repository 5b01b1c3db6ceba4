//! The hosted checkout page of an order, on which a tester pays with the vendor's test data. Whoever has its address may
//! use it. It sends the customer back as Razorpay's checkout does with `callback_url`: by a form with three signed values.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use keymint_app::sandbox::{Object, SandboxError};
use keymint_app::say;
use keymint_domain::dialect::answer::quote;
use keymint_domain::return_url::ReturnUrl;
use serde_json::{Value, json};

use super::instruments::{Typed, decide};
use super::orders::SESSION_LENGTH;
use super::payments::{Made, attempt};
use super::{Failure, ID_LENGTH};
use crate::pages::hosted::{Asks, Back, Choice, HostedPage};
use crate::reply::{self, Response};
use crate::sandbox::{Open, Outcome, find, parsed, text_of, trouble, unknown};

/// Where checkout pages are.
const PAGES: &str = "/checkout/";

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
    let Some(kept) = find(call, "order", &format!("order_{short}")).await? else { return Ok(None) };
    let order = parsed(&kept);
    let is_it = verify_slices_are_equal(text_of(&order, "session").as_bytes(), secret.as_bytes()).is_ok();
    Ok(is_it.then_some((kept, order)))
}

async fn hosted(call: &Open<'_>, token: &str) -> Result<Response, SandboxError> {
    let Some((kept, order)) = session(call, token).await? else {
        let answers = &call.product.dialect.answers;
        let body = answers.envelope(400, &quote("BAD_REQUEST_ERROR"), "The id provided does not exist");
        return Ok(reply::whole(400, &answers.content_type, body));
    };
    if call.view.method == "GET" {
        return Ok(page(call, &order, None).response(200));
    }
    let typed =
        |name: &str| call.field(name).unwrap_or_default().replace("%40", "@").replace("%20", " ").replace('+', " ");
    let (method, number, vpa, otp, outcome) =
        (typed("method"), typed("number"), typed("vpa"), typed("otp"), typed("outcome"));
    let typed = Typed { method: &method, number: &number, vpa: &vpa, otp: &otp, outcome: &outcome };
    let Ok(tried) = decide(typed) else {
        return Ok(problem(page(call, &order, None), say!("hosted-no-test-data").to_owned()).response(400));
    };
    let mut turn = call.turn(&kept).await?;
    match attempt(call.app, &mut turn, (&kept, &order), &tried).await {
        Ok(made) => {
            turn.commit().await?;
            let order = session(call, token).await?.map_or(order, |(_, order)| order);
            Ok(after(call, &order, &made))
        }
        Err(Failure::Store(error @ (SandboxError::Entropy(_) | SandboxError::Event(_) | SandboxError::Store(_)))) => {
            Err(error)
        }
        // It is paid, or somebody paid at the same moment: the page says how it stands.
        Err(_) => {
            drop(turn);
            let order = session(call, token).await?.map_or(order, |(_, order)| order);
            Ok(problem(page(call, &order, None), say!("hosted-no-more").to_owned()).response(409))
        }
    }
}

fn problem(page: HostedPage, problem: String) -> HostedPage {
    HostedPage { problem, ..page }
}

/// What the customer sees after a payment.
fn after(call: &Open<'_>, order: &Value, made: &Made) -> Response {
    let page = page(call, order, Some(made));
    match made.payment["error_reason"].as_str() {
        Some(reason) => problem(page, say!("hosted-declined", reason = reason)).response(200),
        None => page.response(200),
    }
}

/// As a customer reads it. Rupees have a hundred paise; of other currencies the number stays that of their smallest unit.
fn amount(order: &Value) -> String {
    match (order["amount"].as_i64(), text_of(order, "currency")) {
        (Some(paise), "INR") => format!("{}.{:02} INR", paise / 100, paise % 100),
        (_, currency) => format!("{} {currency}", order["amount"]),
    }
}

fn page(call: &Open<'_>, order: &Value, made: Option<&Made>) -> HostedPage {
    let is_over = made.is_some_and(|made| made.payment["status"] != "failed") || order["status"] == "paid";
    let status = made.filter(|_| is_over).map_or(text_of(order, "status"), |made| text_of(&made.payment, "status"));
    let url = call.view.query().and_then(|query| ReturnUrl::of_query(query, "callback_url"));
    HostedPage {
        product: call.product.dialect.title.to_string(),
        amount: amount(order),
        reference: order["receipt"].as_str().unwrap_or(text_of(order, "id")).to_owned(),
        status: is_over.then(|| status.to_owned()),
        choices: vec![Choice::pay(), Choice::fail(), Choice::cancel()],
        asks: Asks::Instrument,
        back: url.zip(made).map(|(url, made)| Back { url: url.as_str().to_owned(), pairs: pairs(order, made) }),
        problem: String::new(),
    }
}

/// What the form says that takes the customer back: of a payment the three values that the merchant verifies, of one that
/// failed why it did.
fn pairs(order: &Value, made: &Made) -> Vec<(&'static str, String)> {
    let payment = &made.payment;
    if payment["status"] == "failed" {
        let of = |name: &str| text_of(payment, name).to_owned();
        let metadata = json!({ "payment_id": payment["id"], "order_id": order["id"] });
        return vec![
            ("error[code]", of("error_code")),
            ("error[description]", of("error_description")),
            ("error[source]", of("error_source")),
            ("error[step]", of("error_step")),
            ("error[reason]", of("error_reason")),
            ("error[metadata]", metadata.to_string()),
        ];
    }
    vec![
        ("razorpay_payment_id", text_of(payment, "id").to_owned()),
        ("razorpay_order_id", text_of(order, "id").to_owned()),
        ("razorpay_signature", made.signature.clone().unwrap_or_default()),
    ]
}
