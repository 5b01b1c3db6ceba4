//! Razorpay's test events: a real one's parts, about things that nobody made (vendors sheet 3.7; disputes as in
//! `api/disputes/entity.md`). Of what no simulator sends, the entity has what all of them have.

use keymint_domain::id::MerchantId;
use keymint_domain::time::UnixMs;
use serde_json::{Value, json};

use super::event;
use super::instruments::{Typed, decide};
use super::payments::{as_captured, as_paid, begun};
use super::payouts::{as_moved, statement_line};
use crate::sandbox::with;

const AMOUNT: i64 = 50_000;

/// The body of the test event of a name.
pub fn sample(name: &str, merchant: MerchantId, at: UnixMs) -> Option<String> {
    let (kind, outcome) = name.rsplit_once('.')?;
    let parts = match kind {
        "payment" => vec![("payment", payment(outcome, at))],
        "payment.dispute" => vec![("payment", payment("captured", at)), ("dispute", dispute(outcome, at))],
        "order" => vec![("payment", payment("captured", at)), ("order", as_paid(&order(at)))],
        "refund" => vec![("refund", refund(outcome, at)), ("payment", payment("refunded", at))],
        "payout" => vec![("payout", payout(outcome, at))],
        "transaction" => {
            vec![("transaction", statement_line(&payout("initiated", at), (-AMOUNT, AMOUNT), at))]
        }
        kind => vec![(kind, other(kind, outcome, at))],
    };
    let parts: Vec<(&str, &Value)> = parts.iter().map(|(kind, entity)| (*kind, entity)).collect();
    Some(event(name, merchant, &parts, at).1)
}

fn order(at: UnixMs) -> Value {
    json!({
        "id": "order_TestEvent00001", "entity": "order", "amount": AMOUNT, "amount_paid": 0, "amount_due": AMOUNT,
        "currency": "INR", "receipt": "TEST-EVENT", "offer_id": null, "status": "attempted", "attempts": 1, "notes": [],
        "created_at": at.seconds(), "checkout_url": "https://shop.example/checkout/test-event",
    })
}

/// A payment by UPI: `authorized`, `captured`, `failed`, or `refunded` in part.
fn payment(outcome: &str, at: UnixMs) -> Value {
    let vpa = if outcome == "failed" { "failure@razorpay" } else { "success@razorpay" };
    let Ok(tried) = decide(Typed { method: "upi", vpa, ..Typed::default() }) else { return Value::Null };
    let payment = begun(("pay_TestEvent00001", at), &order(at), &tried);
    match outcome {
        "captured" => as_captured(&payment),
        "refunded" => with(&as_captured(&payment), json!({ "amount_refunded": 20_000, "refund_status": "partial" })),
        _ => payment,
    }
}

fn dispute(outcome: &str, at: UnixMs) -> Value {
    let status = if matches!(outcome, "created" | "action_required") { "open" } else { outcome };
    let deducted = if outcome == "lost" { AMOUNT } else { 0 };
    json!({
        "id": "disp_TestEvent00001", "entity": "dispute", "payment_id": "pay_TestEvent00001", "amount": AMOUNT,
        "currency": "INR", "amount_deducted": deducted, "reason_code": "goods_or_services_not_received_or_partially_received",
        "respond_by": at.plus_seconds(7 * 86_400).seconds(), "status": status, "phase": "chargeback",
        "created_at": at.seconds(),
    })
}

fn refund(outcome: &str, at: UnixMs) -> Value {
    let status = if outcome == "created" { "pending" } else { outcome };
    json!({
        "id": "rfnd_TestEvent00001", "entity": "refund", "amount": 20_000, "currency": "INR",
        "payment_id": "pay_TestEvent00001", "notes": [], "receipt": null, "acquirer_data": { "arn": null },
        "created_at": at.seconds(), "batch_id": null, "status": status, "speed_processed": "normal",
        "speed_requested": "normal",
    })
}

fn payout(outcome: &str, at: UnixMs) -> Value {
    let payout = json!({
        "id": "pout_TestEvent00001", "entity": "payout", "fund_account_id": "fa_TestEvent00001", "amount": AMOUNT,
        "currency": "INR", "notes": [], "fees": 0, "tax": 0, "status": "processing", "purpose": "refund", "utr": null,
        "mode": "IMPS", "reference_id": null, "narration": "Test event", "batch_id": null, "failure_reason": null,
        "status_details": null, "debit_account_number": "7878780080316316", "created_at": at.seconds(),
    });
    let status = if matches!(outcome, "initiated" | "updated") { "processing" } else { outcome };
    with(&payout, as_moved(&payout, status))
}

/// How ids of what no simulator has begin.
const PREFIXES: [(&str, &str); 9] = [
    ("fund_account.validation", "fav_"),
    ("invoice", "inv_"),
    ("payment.downtime", "down_"),
    ("payment_link", "plink_"),
    ("qr_code", "qr_"),
    ("settlement", "setl_"),
    ("subscription", "sub_"),
    ("transfer", "trf_"),
    ("virtual_account", "va_"),
];

fn other(kind: &str, outcome: &str, at: UnixMs) -> Value {
    let prefix = PREFIXES.iter().find(|(known, _)| *known == kind).map_or("obj_", |(_, prefix)| *prefix);
    json!({
        "id": format!("{prefix}TestEvent00001"), "entity": kind, "amount": AMOUNT, "currency": "INR", "status": outcome,
        "notes": [], "created_at": at.seconds(),
    })
}
