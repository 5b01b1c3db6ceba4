//! KS Pay's transactions: begun by a server, processed once, read and listed. The last two digits of the amount say what
//! becomes of one.

use keymint_app::sandbox::turn::{Fresh, Next};
use keymint_app::sandbox::{Object, SandboxError, random_text};
use keymint_domain::json::Document;
use keymint_domain::time::UnixMs;
use serde_json::{Map, Value, json};

use super::{CURRENCIES, CURRENCY_ID, METHOD_ID, METHODS, TRANSACTION_ID, misshaped, missing, refusal, success};
use crate::reply::Response;
use crate::sandbox::{Asked, BASE62, Outcome, only, parsed, rfc3339, text_of, trouble, with};

/// Longest amount. Characters of its token.
const AMOUNT_LENGTH_MAX: usize = 32;
/// Longest span of a list. Milliseconds: 90 days.
const SPAN_MS_MAX: i64 = 90 * 86_400_000;
/// Most transactions of a page.
const LIMIT_MAX: i64 = 100;
/// How deep pages go: the store counts what it leaves out.
const PAGE_MAX: i64 = 10_000;

/// A positive number, as it was received and as the answer has it.
fn amount(call: &Asked<'_>, body: &Map<String, Value>) -> Option<(String, Value)> {
    let value = body.get("amount").filter(|amount| amount.as_f64().is_some_and(|amount| amount > 0.0))?;
    let document = Document::parse(call.view.body).ok()?;
    let token = document.number("amount").filter(|token| token.len() <= AMOUNT_LENGTH_MAX)?;
    Some((token.to_owned(), value.clone()))
}

/// What becomes of an amount when it is processed, by its last two digits (chosen); nothing where it stays as it is.
const OUTCOMES: [(&str, Option<&str>); 2] = [("12", Some("FAILED")), ("13", None)];

fn outcome(amount: &str) -> Option<&'static str> {
    let places = amount.rsplit_once('.').map_or("", |(_, places)| places);
    OUTCOMES.iter().find(|(known, _)| *known == places).map_or(Some("SUCCESS"), |(_, outcome)| *outcome)
}

/// What docs/sandbox/kspay.md has to say of what becomes of which amount.
#[cfg(test)]
pub fn documented() -> Vec<crate::sandbox::documented::Row> {
    use crate::sandbox::documented::{Row, quoted};
    let row = |(places, outcome): &(&str, Option<&str>)| {
        Row::new(&quoted(&format!(".{places}")), &[(1, quoted(outcome.unwrap_or("PROCESSING")))])
    };
    OUTCOMES.iter().map(row).collect()
}

fn invalid(call: &Asked<'_>, detail: &str) -> Response {
    let message = if detail.is_empty() { "Invalid Request".to_owned() } else { format!("Invalid Request: {detail}") };
    refusal(call, (400, "25"), &message)
}

/// Begins a transaction.
pub async fn initiate(call: &Asked<'_>) -> Outcome {
    let Some(body) = call.object() else { return Ok(invalid(call, "")) };
    let named =
        |field: &str| body.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    for field in ["currencyId", "paymentMethodId", "referenceNumber"] {
        if named(field).is_none_or(|text| text.len() > 256) {
            return Ok(invalid(call, &format!("{field} is required")));
        }
    }
    let Some((token, amount)) = amount(call, &body) else {
        return Ok(invalid(call, "amount must be a positive number"));
    };
    let [currency_id, method_id] = ["currencyId", "paymentMethodId"].map(|field| named(field).unwrap_or_default());
    for (id, shape) in [(&currency_id, CURRENCY_ID), (&method_id, METHOD_ID)] {
        if let Some(response) = misshaped(call, id, shape) {
            return Ok(response);
        }
    }
    let currency = CURRENCIES.iter().find(|(.., id)| *id == currency_id);
    let method = METHODS.iter().find(|(id, _)| *id == method_id);
    let Some(((_, code, ..), (_, method))) = currency.zip(method) else { return Ok(missing(call)) };
    let fields = json!({
        "currencyId": currency_id, "currency": code, "paymentMethodId": method_id, "payment_method": method,
        "referenceNumber": named("referenceNumber"), "amount": token,
    });
    let kept = keep(call, &fields).await.map_err(|error| trouble(&error))?;
    let result = json!({ "amount": amount, "currency": currency_id });
    Ok(call.json(201, &success(201, with(&only(&kept, &["pe_txnId", "providerOrderId"]), result))))
}

async fn keep(call: &Asked<'_>, fields: &Value) -> Result<Value, SandboxError> {
    let id = format!("tx_{}", random_text(call.app, BASE62, 8)?);
    let order_id = format!("order_{}", random_text(call.app, BASE62, 14)?);
    let mut turn = call.shelf("transaction").turn().await?;
    let at = rfc3339(turn.now());
    let own = json!({
        "pe_txnId": id, "providerOrderId": order_id, "providerPaymentId": null, "status": "PENDING", "createdAt": at,
        "updatedAt": at,
    });
    let kept = with(fields, own);
    // By the order's id a gateway tells what became of it.
    let body = kept.to_string();
    turn.keep(Fresh { kind: "transaction", id: &id, reference: Some(&order_id), body: &body }).await?;
    turn.commit().await?;
    Ok(kept)
}

/// Processes a transaction: the customer pays, or the amount says otherwise. Once.
pub async fn pay(call: &Asked<'_>) -> Outcome {
    let body = call.object().unwrap_or_default();
    let Some(id) = body.get("pe_txnId").and_then(Value::as_str) else {
        return Ok(invalid(call, "pe_txnId is required"));
    };
    if let Some(response) = misshaped(call, id, TRANSACTION_ID) {
        return Ok(response);
    }
    match try_pay(call, id).await {
        Ok(Ok(order)) => Ok(call.json(200, &success(200, json!({ "order": order })))),
        Ok(Err(response)) => Ok(response),
        Err(SandboxError::Overtaken) => Ok(invalid(call, NOT_PENDING)),
        Err(error) => Err(trouble(&error)),
    }
}

/// What is said of a transaction that was processed before.
const NOT_PENDING: &str = "the transaction is not pending";

async fn try_pay(call: &Asked<'_>, id: &str) -> Result<Result<Value, Response>, SandboxError> {
    let mut turn = call.shelf("transaction").turn().await?;
    let found = turn.find("transaction", id).await?.filter(|found| found.app_id == call.candidate.app_id);
    let Some(found) = found else { return Ok(Err(missing(call))) };
    let transaction = parsed(&found);
    if transaction["status"] != "PENDING" {
        return Ok(Err(invalid(call, NOT_PENDING)));
    }
    let at = call.settles_at(turn.now());
    let payment_id = format!("pay_{}", random_text(call.app, BASE62, 14)?);
    let processing =
        json!({ "status": "PROCESSING", "providerPaymentId": payment_id, "updatedAt": rfc3339(turn.now()) });
    let processing = with(&transaction, processing);
    let now = Next::quiet(processing.to_string());
    let changed = turn.change("transaction", &found, &now).await?;
    if let Some(status) = outcome(text_of(&transaction, "amount")) {
        let done = with(&processing, json!({ "status": status, "updatedAt": rfc3339(at) }));
        call.settle(&mut turn, ("transaction", &changed), vec![(at, Next::quiet(done.to_string()))]).await?;
    }
    turn.commit().await?;
    Ok(Ok(shown(&processing)))
}

/// A transaction as the vendor's list has it.
fn shown(transaction: &Value) -> Value {
    const SHOWN: [&str; 9] = [
        "pe_txnId",
        "providerOrderId",
        "providerPaymentId",
        "referenceNumber",
        "amount",
        "currency",
        "status",
        "createdAt",
        "updatedAt",
    ];
    let method = json!({ "paymentMode": transaction["payment_method"] });
    with(&only(transaction, &SHOWN), method)
}

/// A transaction by its id.
pub async fn fetch(call: &Asked<'_>, id: &str) -> Outcome {
    if let Some(response) = misshaped(call, id, TRANSACTION_ID) {
        return Ok(response);
    }
    let found = call.shelf("transaction").find(id).await.map_err(|error| trouble(&error))?;
    Ok(match found.filter(|found| found.app_id == call.candidate.app_id) {
        Some(found) => call.json(200, &success(200, shown(&parsed(&found)))),
        None => missing(call),
    })
}

/// Which page of which days.
struct Page {
    page: i64,
    limit: i64,
    from: UnixMs,
    to: UnixMs,
}

/// A positive number of a query.
fn positive(query: &str, name: &str, default: i64) -> Option<i64> {
    match value(query, name) {
        None => Some(default),
        Some(text) => text.parse().ok().filter(|number| *number > 0),
    }
}

fn value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(one, _)| *one == name).map(|(_, value)| value)
}

/// A day (`2026-05-14`) or a moment (RFC 3339); the last millisecond of a day where it ends a span.
fn moment(text: &str, is_end: bool) -> Option<UnixMs> {
    let text = text.replace("%3A", ":").replace("%3a", ":");
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        let begins = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        return Some(UnixMs(if is_end { begins.saturating_add(86_399_999) } else { begins }));
    }
    text.parse::<jiff::Timestamp>().ok().map(|at| UnixMs(at.as_millisecond()))
}

/// The page that is asked for, or the number and message of what is wrong.
fn page(query: &str, now: UnixMs) -> Result<Page, (&'static str, &'static str)> {
    let page = positive(query, "page", 1).filter(|page| *page <= PAGE_MAX);
    let page = page.ok_or(("4089", "Page must be a positive number"))?;
    let limit = positive(query, "limit", 10).filter(|limit| *limit <= LIMIT_MAX);
    let limit = limit.ok_or(("4056", "Limit must be a positive number of at most 100"))?;
    let to = value(query, "endDate").map_or(Some(now), |text| moment(text, true));
    let to = to.ok_or(("11008", "End date is not valid"))?;
    let default = UnixMs(to.0.saturating_sub(SPAN_MS_MAX));
    let from = value(query, "startDate").map_or(Some(default), |text| moment(text, false));
    let from = from.ok_or(("11007", "Start date is not valid"))?;
    if from > to {
        return Err(("11009", "Start date must not be after end date"));
    }
    if to.0.saturating_sub(from.0) > SPAN_MS_MAX {
        return Err(("11006", "Date range must not exceed 90 days"));
    }
    Ok(Page { page, limit, from, to })
}

/// The app's transactions, newest first.
pub async fn list(call: &Asked<'_>) -> Outcome {
    let shelf = call.shelf("transaction");
    let now = shelf.now().await.map_err(|error| trouble(&error))?;
    let asked = match page(call.view.query().unwrap_or_default(), now) {
        Ok(asked) => asked,
        Err((code, message)) => return Ok(refusal(call, (400, code), message)),
    };
    let below = (UnixMs(asked.to.0.saturating_add(1)), "");
    let window = (asked.limit + 1, (asked.page - 1) * asked.limit);
    let mut found = shelf.list_of_app(asked.from, below, window).await.map_err(|error| trouble(&error))?;
    let has_more = i64::try_from(found.len()).is_ok_and(|count| count > asked.limit);
    found.truncate(usize::try_from(asked.limit).unwrap_or(0));
    let transactions: Vec<Value> = found.iter().map(|one: &Object| shown(&parsed(one))).collect();
    let result = json!({
        "transactions": transactions, "page": asked.page, "limit": asked.limit, "hasMore": has_more,
    });
    Ok(call.json(200, &success(200, result)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_spans_ninety_days_and_not_a_millisecond_more() {
        let now = UnixMs(1_800_000_000_000);
        let code = |query: &str| page(query, now).err().map(|(code, _)| code);
        assert_eq!(code(""), None);
        assert_eq!(code("startDate=2026-01-01T00:00:00Z&endDate=2026-04-01T00:00:00Z"), None);
        assert_eq!(code("startDate=2026-01-01T00:00:00Z&endDate=2026-04-01T00:00:00.001Z"), Some("11006"));
        assert_eq!(code("startDate=2026-01-01T00%3A00%3A00Z&endDate=2026-04-01T00%3A00%3A00Z"), None);
        assert_eq!(code("startDate=2026-01-02&endDate=2026-04-01"), None, "both days are whole");
        assert_eq!(code("startDate=2026-01-01&endDate=2026-04-01"), Some("11006"));
        assert_eq!(code("startDate=2026-04-02&endDate=2026-04-01"), Some("11009"));
        assert_eq!((code("startDate=2026-13-01"), code("endDate=today")), (Some("11007"), Some("11008")));
        for wrong in ["page=0", "page=-1", "page=x", "page=10001", "page="] {
            assert_eq!(code(wrong), Some("4089"), "{wrong}");
        }
        for wrong in ["limit=0", "limit=-1", "limit=1.5", "limit=101"] {
            assert_eq!(code(wrong), Some("4056"), "{wrong}");
        }
        assert_eq!(code("limit=100&page=10000"), None);
    }
}
