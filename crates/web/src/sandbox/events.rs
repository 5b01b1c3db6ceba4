//! What an event says, in each vendor's words: the body that is signed and sent. A test event has the shape of a real one
//! (vendors sheet 1.9, 2.7, 3.7; the native one is the payload of Standard Webhooks 1.0).

use keymint_app::store_types::AppRow;
use keymint_domain::time::UnixMs;
use serde_json::{Value, json};

use super::razorpay::account_id;
use super::rfc3339;

/// The body of a test event.
pub fn sample(sandbox: &str, app: &AppRow, event: &str, now: UnixMs) -> String {
    let subject = Subject::of(sandbox, event);
    let body = match sandbox {
        "razorpay" => razorpay(app, event, &subject, now),
        "kpay" => kpay(event, &subject, now),
        "kwikpaisa" => kwikpaisa(event, &subject),
        _ => keymint(event, &subject, now),
    };
    body.to_string()
}

/// What a test event is about.
struct Subject {
    /// `payment` of `payment.captured`.
    kind: String,
    /// `captured`.
    outcome: String,
    /// As the vendor writes ids.
    id: String,
}

impl Subject {
    fn of(sandbox: &str, event: &str) -> Self {
        let (kind, rest) = event.split_once('.').unwrap_or((event, ""));
        let outcome = rest.rsplit('.').next().unwrap_or(rest);
        let prefix = match (sandbox, kind) {
            (_, "payment") => "pay_",
            (_, "order") => "order_",
            ("razorpay", "payout") => "pout_",
            (_, "payout") => "wdr_",
            (_, "refund") => "rfnd_",
            _ => "obj_",
        };
        Self { kind: kind.to_owned(), outcome: outcome.to_owned(), id: format!("{prefix}TestEvent00001") }
    }
}

fn razorpay(app: &AppRow, event: &str, subject: &Subject, now: UnixMs) -> Value {
    let entity = json!({
        "id": subject.id, "entity": subject.kind, "amount": 50_000, "currency": "INR", "status": subject.outcome,
        "order_id": "order_TestEvent00001", "method": "upi", "captured": subject.outcome == "captured", "notes": [],
        "created_at": now.0 / 1000,
    });
    json!({
        "entity": "event",
        "account_id": account_id(app.merchant_id),
        "event": event,
        "contains": [subject.kind],
        "payload": { &subject.kind: { "entity": entity } },
        "created_at": now.0 / 1000,
    })
}

fn kpay(event: &str, subject: &Subject, now: UnixMs) -> Value {
    let at = rfc3339(now);
    let only_if = |outcome: &str| (subject.outcome == outcome).then(|| at.clone());
    json!({
        "event": event, "paymentId": subject.id, "reference": "KPAY-20260514-TEST01",
        "status": subject.outcome.to_uppercase(), "amount": 5_000, "phoneNumber": "237653456789",
        "externalId": "TEST-EVENT", "metadata": null, "completedAt": only_if("completed"),
        "failedAt": only_if("failed"), "failureReason": only_if("failed").map(|_| "TEST"), "timestamp": at,
    })
}

fn kwikpaisa(event: &str, subject: &Subject) -> Value {
    let status = match (&*subject.kind, &*subject.outcome) {
        ("payment", "success") => "PAID".to_owned(),
        (_, outcome) => outcome.to_uppercase(),
    };
    let data = json!({ "order_id": "TEST-EVENT", "amount": "105.00", "currency": "INR", "status": status });
    json!({ "event": event, "data": data })
}

fn keymint(event: &str, subject: &Subject, now: UnixMs) -> Value {
    let data = json!({ "id": subject.id, "status": subject.outcome, "amount": 50_000, "currency": "INR" });
    json!({ "type": event, "timestamp": rfc3339(now), "data": data })
}
